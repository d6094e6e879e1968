/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From leases and reservations to zones. Every text is foreign: what is no name or no address is left out and named. */
#include "dns/dns.h"

#include "dhcp/dhcp.h"

#define NAME_MAX_BYTES 253 /* RFC 1035, as text */
#define SHOWN_MAX      60  /* bytes of a foreign text in a message */

/* One host that claims a name in a zone. */
struct claim {
	char *zone, *label, *content; /* content: the address as text */
	struct ip_prefix address;
	const struct dns_network *network;
	const struct dns_host *host;
	const char *who; /* its card, else its address: two of one guest do not compete */
	bool reserved;   /* a reservation gives this card the name */
};

struct making {
	struct dns_plan plan;
	struct claim *claims;
	size_t claim_count;
	const char *upstream;
};

static int problem(struct making *making, const char *format, ...) _printf_(2, 3);
static int problem(struct making *making, const char *format, ...) {
	char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, format);
	r = vasprintf(&text, format, ap);
	va_end(ap);
	if (r < 0)
		return -ENOMEM;
	if (strlist_contains(&making->plan.problems, text)) {
		free(text);
		return 0;
	}
	return strlist_take(&making->plan.problems, text);
}

static char *lower(const char *text) {
	char *copy = strdup(text);

	for (char *c = copy; c && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

/* ---- zones ----------------------------------------------------------------------------------------------------- */

static void record_free(struct dns_record *record) {
	free(record->name);
	free(record->type);
	free(record->content);
}

void dns_plan_free(struct dns_plan *plan) {
	for (size_t i = 0; i < plan->count; i++) {
		for (size_t k = 0; k < plan->zones[i].count; k++)
			record_free(&plan->zones[i].records[k]);
		free(plan->zones[i].records);
		free(plan->zones[i].name);
		free(plan->zones[i].mname);
		free(plan->zones[i].rname);
	}
	free(plan->zones);
	strlist_free(&plan->problems);
	*plan = (struct dns_plan){0};
}

static struct dns_zone *zone_find(struct making *making, const char *name) {
	for (size_t i = 0; i < making->plan.count; i++)
		if (str_equal(making->plan.zones[i].name, name))
			return &making->plan.zones[i];
	return NULL;
}

static int record_add(struct dns_zone *zone, const char *name, const char *type, const char *content, unsigned ttl) {
	struct dns_record record = {strdup(name), strdup(type), strdup(content), ttl};
	struct dns_record *larger = zone->records;

	if ((zone->count & (zone->count + 1)) == 0) /* full: 0, 1, 3, 7... */
		larger = realloc(zone->records, (2 * zone->count + 1) * sizeof(*larger));
	if (larger)
		zone->records = larger;
	if (!larger || !record.name || !record.type || !record.content) {
		record_free(&record);
		return -ENOMEM;
	}
	zone->records[zone->count++] = record;
	return 0;
}

/* The first one is the SOA's too. */
static int name_server_add(struct dns_zone *zone, const char *name) {
	if (!zone->mname)
		zone->mname = strdup(name);
	return zone->mname ? record_add(zone, zone->name, "NS", name, DNS_TTL_ZONE) : -ENOMEM;
}

/* "ns1.example.org,ns2.example.org", or as the reference's API writes it: "['ns1.example.org', 'ns2.example.org']". */
static int add_name_servers(struct making *making, const struct dns_network *network, struct dns_zone *zone) {
	_cleanup_strlist_ struct strlist words = {0};
	int r = str_is_absent(network->name_servers) ? 0 : strlist_split(&words, network->name_servers, ",[]'\" ");

	for (size_t i = 0; i < words.count && r >= 0; i++) {
		_cleanup_free_ char *shown = str_printable(words.items[i], SHOWN_MAX), *name = lower(words.items[i]);
		size_t length = name ? strlen(name) : 0;

		if (!shown || !name)
			return -ENOMEM;
		if (length > 1 && name[length - 1] == '.')
			name[length - 1] = '\0';
		if (dhcp_is_address(name, AF_INET) || dhcp_is_address(name, AF_INET6) || !dhcp_is_hostname(name) ||
		    !strchr(name, '.'))
			r = problem(making,
				    "VNI %s: the name server '%s' is left out of the zone: it is no full host name",
				    network->vni, shown);
		else
			r = name_server_add(zone, name);
	}
	if (r >= 0 && !zone->mname) {
		_cleanup_free_ char *name = str_printf("pvc-dns.%s", making->upstream ? making->upstream : zone->name);

		r = name ? name_server_add(zone, name) : -ENOMEM;
	}
	return r;
}

static int zone_add(struct making *making, const struct dns_network *network, const char *name) {
	struct dns_zone *larger, *zone;
	int r;

	if (zone_find(making, name))
		return 0;
	larger = realloc(making->plan.zones, (making->plan.count + 1) * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	making->plan.zones = larger;
	zone = &larger[making->plan.count++];
	*zone = (struct dns_zone){.name = strdup(name)};
	if (!zone->name)
		return -ENOMEM;
	r = add_name_servers(making, network, zone);
	if (r < 0)
		return r;
	zone->rname = str_printf("root.%s", making->upstream ? making->upstream : name);
	return zone->rname ? 0 : -ENOMEM;
}

/* The labels of the address's first `bits` bits, last one first. */
static char *reverse_labels(const struct ip_prefix *ip, unsigned bits) {
	_cleanup_strbuf_ struct strbuf text = {0};

	if (ip->family == AF_INET)
		for (int i = (int)(bits / 8) - 1; i >= 0; i--)
			(void)strbuf_addf(&text, "%u.", ip->bytes[i]);
	else
		for (int i = (int)(bits / 4) - 1; i >= 0; i--)
			(void)strbuf_addf(&text, "%x.", (ip->bytes[i / 2] >> (i % 2 ? 0 : 4)) & 15);
	(void)strbuf_puts(&text, ip->family == AF_INET ? "in-addr.arpa" : "ip6.arpa");
	return strbuf_steal(&text); /* NULL when anything above failed */
}

char *dns_reverse_zone(const struct ip_prefix *network) {
	unsigned step = network->family == AF_INET ? 8 : 4, most = network->family == AF_INET ? 24 : 124;

	if (!network->family || network->prefix == 0 || network->prefix % step || network->prefix > most)
		return NULL;
	return reverse_labels(network, network->prefix);
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static const char *card(const struct dns_host *host) {
	return str_is_absent(host->mac) ? NULL : host->mac;
}

/* The hosts of one network that have a card, sorted by it: a reservation and its leases lie side by side. */
struct cards {
	const struct dns_host **hosts;
	size_t count;
};

static int compare_cards(const void *a, const void *b) {
	return strcmp(card(*(const struct dns_host *const *)a), card(*(const struct dns_host *const *)b));
}

static int cards_make(const struct dns_network *network, struct cards *cards) {
	cards->hosts = calloc(network->count + 1, sizeof(*cards->hosts));
	if (!cards->hosts)
		return -ENOMEM;
	for (size_t i = 0; i < network->count; i++)
		if (card(&network->hosts[i]))
			cards->hosts[cards->count++] = &network->hosts[i];
	if (cards->count > 1)
		qsort(cards->hosts, cards->count, sizeof(*cards->hosts), compare_cards);
	return 0;
}

/* A host with that card: its reservation, or its lease of an IPv4 address. */
static const struct dns_host *cards_find(const struct cards *cards, const struct dns_host *like, bool reserved) {
	const struct dns_host **at = NULL;
	const struct dns_host *const *end = cards->hosts + cards->count;

	if (card(like) && cards->count > 0)
		at = bsearch(&like, cards->hosts, cards->count, sizeof(*cards->hosts), compare_cards);
	while (at && at > cards->hosts && compare_cards(at - 1, &like) == 0)
		at--;
	for (; at && at < end && compare_cards(at, &like) == 0; at++)
		if ((*at)->reserved == reserved && (*at)->family == AF_INET)
			return *at;
	return NULL;
}

/* The label of that name below the domain; NULL with *ret_why when it cannot be used. "" for none at all. */
static char *label_of(const char *name, const char *domain, const char **ret_why) {
	_cleanup_free_ char *label = NULL;
	size_t length, below = strlen(domain);

	if (str_is_absent(name))
		return strdup("");
	*ret_why = "is no host name";
	if (!dhcp_is_hostname(name))
		return NULL;
	label = lower(name);
	if (!label)
		*ret_why = NULL;
	if (!label)
		return NULL;
	length = strlen(label);
	if (length > below + 1 && str_equal(label + length - below, domain) && label[length - below - 1] == '.')
		label[length -= below + 1] = '\0';
	*ret_why = "is a name of another domain";
	if (strchr(label, '.'))
		return NULL;
	*ret_why = "is too long below its domain";
	return length + 1 + below <= NAME_MAX_BYTES ? move_ptr(label) : NULL;
}

static bool is_in(const char *network, const struct ip_prefix *address) {
	struct ip_prefix ip;

	return !str_is_absent(network) && ip_prefix_parse(network, false, &ip) >= 0 && ip_prefix_contains(&ip, address);
}

static int claim_add(struct making *making, const struct claim *claim) {
	struct claim *larger = making->claims;

	if ((making->claim_count & (making->claim_count + 1)) == 0)
		larger = realloc(making->claims, (2 * making->claim_count + 1) * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	making->claims = larger;
	making->claims[making->claim_count++] = *claim;
	return 0;
}

static int host_add(struct making *making, const struct dns_network *network, const struct cards *cards,
		    const struct dns_host *host, const char *domain) {
	const struct dns_host *reservation = cards_find(cards, host, true);
	bool reserved = reservation && !str_is_absent(reservation->hostname);
	struct claim claim = {.network = network, .host = host, .reserved = reserved};
	const char *name = reserved ? reservation->hostname : host->hostname;
	const char *why = NULL, *whose = card(host) ? card(host) : host->address;
	_cleanup_free_ char *label = NULL, *shown = NULL, *zone = NULL;
	char text[IP_PREFIX_TEXT];

	/* what it has comes before what it will get */
	if (host->reserved && cards_find(cards, host, false))
		return 0;
	label = label_of(name, domain, &why);
	if (!label) {
		shown = str_printable(name, SHOWN_MAX);
		if (!shown || !why)
			return -ENOMEM;
		return problem(making, "VNI %s: '%s', the name of %s, is left out: it %s", network->vni, shown,
			       whose ? whose : "?", why);
	}
	if (!*label)
		return 0;
	if (!host->address || ip_prefix_parse(host->address, true, &claim.address) < 0 ||
	    claim.address.family != host->family || strchr(host->address, '/') ||
	    !is_in(host->family == AF_INET ? network->ip4_network : network->ip6_network, &claim.address)) {
		shown = str_printable(host->address ? host->address : "", SHOWN_MAX);
		if (!shown)
			return -ENOMEM;
		return problem(making, "VNI %s: %s is left out: '%s' is no address of its network", network->vni, label,
			       shown);
	}
	ip_prefix_format(&claim.address, false, text);
	zone = strdup(domain);
	claim.content = strdup(text);
	claim.who = card(host) ? card(host) : host->address;
	claim.zone = zone;
	claim.label = label;
	if (!zone || !claim.content || claim_add(making, &claim) < 0) {
		free(claim.content);
		return -ENOMEM;
	}
	(void)move_ptr(zone); /* both are the list's now */
	(void)move_ptr(label);
	return 0;
}

/* ---- who has a name -------------------------------------------------------------------------------------------- */

/* By name; then those whose card has the name reserved, and the newest first. */
static int compare_claims(const void *a, const void *b) {
	const struct claim *x = a, *y = b;
	int r = strcmp(x->zone, y->zone);

	if (r == 0)
		r = strcmp(x->label, y->label);
	if (r == 0)
		r = (int)y->reserved - (int)x->reserved;
	if (r == 0)
		r = (x->host->order < y->host->order) - (x->host->order > y->host->order);
	if (r == 0)
		r = strcmp(x->who, y->who);
	if (r == 0)
		r = strcmp(x->content, y->content);
	return r;
}

static int give(struct making *making, const struct claim *claim) {
	_cleanup_free_ char *name = str_printf("%s.%s", claim->label, claim->zone), *reverse = NULL, *pointer = NULL;
	const char *block = claim->host->family == AF_INET ? claim->network->ip4_network : claim->network->ip6_network;
	struct ip_prefix network;
	struct dns_zone *zone = zone_find(making, claim->zone);
	int r = name && zone
		    ? record_add(zone, name, claim->host->family == AF_INET ? "A" : "AAAA", claim->content, DNS_TTL)
		    : -ENOMEM;

	if (r < 0 || ip_prefix_parse(block, false, &network) < 0)
		return r;
	reverse = dns_reverse_zone(&network);
	zone = reverse ? zone_find(making, reverse) : NULL;
	if (!zone)
		return 0;
	pointer = reverse_labels(&claim->address, claim->address.family == AF_INET ? 32 : 128);
	return pointer ? record_add(zone, pointer, "PTR", name, DNS_TTL) : -ENOMEM;
}

/* May the first claim of one family stand beside the holder in the other? The same guest may; so may an IPv6 lease
 * whose card is not known, since most often it is the same guest, but never beside a reserved name. */
static bool is_companion(const struct claim *claim, const struct claim *other) {
	return !other || str_equal(claim->who, other->who) ||
	       (!other->reserved && (!card(claim->host) || !card(other->host)));
}

/* The first claim of a name has it, with all that the same guest holds. */
static int give_names(struct making *making) {
	const struct claim *holders[2] = {NULL, NULL}; /* IPv4, IPv6 */
	int r = 0;

	if (making->claim_count > 1)
		qsort(making->claims, making->claim_count, sizeof(*making->claims), compare_claims);
	for (size_t i = 0; i < making->claim_count && r >= 0; i++) {
		const struct claim *claim = &making->claims[i];
		size_t family = claim->host->family == AF_INET6;

		if (i > 0 && (!str_equal(claim->zone, claim[-1].zone) || !str_equal(claim->label, claim[-1].label)))
			holders[0] = holders[1] = NULL;
		if (!holders[family] && is_companion(claim, holders[!family]))
			holders[family] = claim;
		if (holders[family] && str_equal(holders[family]->who, claim->who))
			r = give(making, claim);
		else
			r = problem(making, "VNI %s: %s does not get the name %s: %s has it", claim->network->vni,
				    claim->who, claim->label, (holders[0] ? holders[0] : holders[1])->who);
	}
	return r;
}

/* ---- all ------------------------------------------------------------------------------------------------------- */

static int network_add(struct making *making, const struct dns_network *network) {
	const char *const blocks[] = {network->ip4_network, network->ip6_network};
	_cleanup_free_ char *domain = NULL, *shown = NULL;
	struct cards cards = {0};
	size_t length;
	int r;

	if (str_is_absent(network->domain))
		return 0;
	shown = str_printable(network->domain, SHOWN_MAX);
	domain = lower(network->domain);
	if (!shown || !domain)
		return -ENOMEM;
	length = strlen(domain);
	if (length > 1 && domain[length - 1] == '.')
		domain[length - 1] = '\0';
	if (!dhcp_is_hostname(domain))
		return problem(making, "VNI %s has no zone: '%s' is no domain name", network->vni, shown);
	r = zone_add(making, network, domain);
	for (size_t i = 0; i < ARRAY_SIZE(blocks) && r >= 0; i++) {
		_cleanup_free_ char *reverse = NULL;
		struct ip_prefix block;

		if (str_is_absent(blocks[i]) || ip_prefix_parse(blocks[i], false, &block) < 0)
			continue;
		reverse = dns_reverse_zone(&block);
		if (reverse)
			r = zone_add(making, network, reverse);
	}
	if (r >= 0)
		r = cards_make(network, &cards);
	for (size_t i = 0; i < network->count && r >= 0; i++)
		r = host_add(making, network, &cards, &network->hosts[i], domain);
	free(cards.hosts);
	return r;
}

static int compare_records(const void *a, const void *b) {
	const struct dns_record *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = strcmp(x->type, y->type);
	return r ? r : strcmp(x->content, y->content);
}

static int compare_zones(const void *a, const void *b) {
	return strcmp(((const struct dns_zone *)a)->name, ((const struct dns_zone *)b)->name);
}

static void sort_records(struct dns_zone *zone) {
	size_t kept = 0;

	qsort(zone->records, zone->count, sizeof(*zone->records), compare_records);
	for (size_t i = 0; i < zone->count; i++)
		if (kept > 0 && compare_records(&zone->records[kept - 1], &zone->records[i]) == 0)
			record_free(&zone->records[i]);
		else
			zone->records[kept++] = zone->records[i];
	zone->count = kept;
}

int dns_plan_make(const struct dns_network *networks, size_t count, const char *upstream, struct dns_plan *ret) {
	struct making making = {.upstream = str_is_absent(upstream) ? NULL : upstream};
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = network_add(&making, &networks[i]);
	if (r >= 0)
		r = give_names(&making);
	for (size_t i = 0; i < making.claim_count; i++) {
		free(making.claims[i].zone);
		free(making.claims[i].label);
		free(making.claims[i].content);
	}
	free(making.claims);
	if (r < 0) {
		dns_plan_free(&making.plan);
		return r;
	}
	for (size_t i = 0; i < making.plan.count; i++)
		sort_records(&making.plan.zones[i]);
	if (making.plan.count > 1)
		qsort(making.plan.zones, making.plan.count, sizeof(*making.plan.zones), compare_zones);
	*ret = making.plan;
	return 0;
}
