/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gateway addresses. Only addresses that this program added are ever removed. What all networks need is collected first
 * and reaches the kernel in one call: between two addresses of a hundred nobody else gets to run, neither those that
 * are told of each change (every dnsmasq is) nor a heavy load.
 */
#include "gateway.h"
#include "log/log.h"

static bool contains(const struct owned *owned, const struct ip_prefix *ip) {
	for (size_t i = 0; i < owned->count; i++)
		if (ip_prefix_equal(&owned->items[i], ip))
			return true;
	return false;
}

static void add(struct owned *owned, const struct ip_prefix *ip) {
	if (ip->family && !contains(owned, ip) && owned->count < OWNED_MAX)
		owned->items[owned->count++] = *ip;
}

static char *file_of(const struct network *network) {
	return str_printf("%s/gateways", network->directory);
}

int owned_read(struct network *network) {
	_cleanup_free_ char *path = file_of(network), *text = NULL;
	_cleanup_strlist_ struct strlist lines = {0};
	size_t length;
	int r = path ? file_read(path, 4096, &text, &length) : -ENOMEM;

	if (r >= 0)
		r = strlist_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.count && r >= 0; i++) {
		struct ip_prefix ip;

		if (ip_prefix_parse(lines.items[i], false, &ip) >= 0)
			add(&network->owned, &ip);
	}
	network->noted = network->owned;
	return r == -ENOENT ? 0 : r;
}

static bool same(const struct owned *a, const struct owned *b) {
	bool all = a->count == b->count; /* none is twice in either */

	for (size_t i = 0; all && i < a->count; i++)
		all = contains(b, &a->items[i]);
	return all;
}

static int write_lines(struct network *network, const char *path, const struct owned *owned) {
	_cleanup_strbuf_ struct strbuf text = {0};
	char line[IP_PREFIX_TEXT];
	int r;

	for (size_t i = 0; i < owned->count; i++) {
		ip_prefix_format(&owned->items[i], true, line);
		(void)strbuf_addf(&text, "%s\n", line);
	}
	if (text.failed)
		return -ENOMEM;
	r = network_make_directory(network);
	return r < 0 ? r : file_write_atomic(path, text.data, text.length, 0644);
}

static int owned_write(struct network *network, const struct owned *owned) {
	_cleanup_free_ char *path = NULL;
	int r;

	if (same(owned, &network->noted))
		return 0;
	path = file_of(network);
	if (!path)
		r = -ENOMEM;
	else if (owned->count == 0)
		r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	else
		r = write_lines(network, path, owned);
	if (r < 0)
		log_error("VNI %s: cannot note its gateway addresses in %s: %s", network->vni, network->directory,
			  strerror(-r));
	else
		network->noted = *owned;
	return r;
}

static const struct net_address *find(const struct net_addresses *now, int index, const struct ip_prefix *ip) {
	for (size_t i = 0; i < now->count; i++)
		if (now->items[i].index == index && ip_prefix_equal(&now->items[i].local, ip))
			return &now->items[i];
	return NULL;
}

/* ---- all changes in one call ---- */

struct address_change {
	struct network *network;
	struct ip_prefix ip;
	bool add;
	int result;
	char *error;
};

static int collect(struct address_changes *changes, struct network *network, const struct net_address *address,
		   bool add_it) {
	struct address_change *items;

	if (!changes->batch)
		changes->batch = net_batch_new();
	items = reallocarray(changes->items, changes->count + 1, sizeof(*items));
	if (!items || !changes->batch)
		return -ENOMEM;
	changes->items = items;
	items[changes->count++] = (struct address_change){.network = network, .ip = address->local, .add = add_it};
	net_batch_address(changes->batch, address, add_it);
	return 0;
}

static int collect_addition(struct address_changes *changes, struct network *network, const struct net_link *link,
			    const struct ip_prefix *ip) {
	struct net_address address = net_address_of(ip);

	address.index = link->index;
	/* the old primary may still be answering for a moment; waiting for that would keep dnsmasq from its socket */
	address.flags = IFA_F_NODAD;
	if (ip->family == AF_INET && ip->prefix < 31)
		address.broadcast.s_addr = ip->v4.s_addr | htonl((uint32_t)(0xffffffffu >> ip->prefix));
	return collect(changes, network, &address, true);
}

int addresses_plan(struct network *network, const struct net_link *link, const struct net_addresses *now,
		   struct address_changes *changes) {
	struct owned wanted = {0}, both = network->owned;
	int r;

	if (link) { /* without the bridge there is nothing to own: the kernel took the addresses with it */
		add(&wanted, &network->wanted.gateway4);
		add(&wanted, &network->wanted.gateway6);
	}
	for (size_t i = 0; i < wanted.count; i++)
		if (!find(now, link->index, &wanted.items[i]))
			add(&both, &wanted.items[i]);
	r = owned_write(network, &both); /* before the kernel is asked */
	if (r < 0)
		return r;
	network->owned = (struct owned){0};
	for (size_t i = 0; i < both.count && r >= 0; i++) {
		const struct net_address *there = link ? find(now, link->index, &both.items[i]) : NULL;

		if (contains(&wanted, &both.items[i])) {
			add(&network->owned, &both.items[i]);
			if (!there)
				r = collect_addition(changes, network, link, &both.items[i]);
		} else if (there) {
			r = collect(changes, network, there, false);
		}
	}
	if (r < 0)
		network->owned = both;
	return r;
}

static void refused(size_t number, int error, const char *text, void *userdata) {
	struct address_changes *changes = userdata;
	struct address_change *change = &changes->items[number];

	if (!change->add && (error == -EADDRNOTAVAIL || error == -ENODEV)) /* gone already */
		return;
	change->result = error;
	change->error = strdup(text); /* without memory the number says it */
}

/* Says what was done, or what was not and why. */
static void report(const struct address_change *change) {
	const struct network *network = change->network;
	char text[IP_PREFIX_TEXT];

	ip_prefix_format(&change->ip, true, text);
	if (change->result < 0)
		log_error("VNI %s: cannot %s gateway address %s %s %s: %s; tried again", network->vni,
			  change->add ? "add" : "remove", text, change->add ? "on" : "from", network->bridge,
			  change->error ? change->error : strerror(-change->result));
	else
		log_info("VNI %s: gateway address %s %s %s", network->vni, text,
			 change->add ? "added to" : "removed from", network->bridge);
}

int addresses_run(struct gateway *gateway, struct address_changes *changes) {
	_cleanup_free_ char *error = NULL;
	int r = changes->count > 0 ? net_batch_run(gateway->net, changes->batch, refused, changes, &error) : 0;
	int first = r;

	if (r < 0)
		log_error("cannot change gateway addresses: %s", error ? error : strerror(-r));
	for (size_t i = 0; i < changes->count; i++) {
		struct address_change *change = &changes->items[i];

		if (r < 0) /* nobody knows: compared again soon */
			change->result = r;
		else
			report(change);
		if (change->result < 0) {
			change->network->failed = change->result;
			first = first < 0 ? first : change->result;
			add(&change->network->owned, &change->ip);
		} else if (change->add) {
			change->network->announce = ANNOUNCEMENTS;
		}
	}
	for (struct network *network = gateway->networks; network; network = network->next)
		(void)owned_write(network, &network->owned); /* named in the log; a note of too much does no harm */
	return first;
}

void addresses_free(struct address_changes *changes) {
	for (size_t i = 0; i < changes->count; i++)
		free(changes->items[i].error);
	free(changes->items);
	net_batch_free(changes->batch);
	*changes = (struct address_changes){0};
}

static void announce_one(const struct network *network, const struct net_link *link, const struct ip_prefix *ip) {
	struct gateway *gateway = network->gateway;
	_cleanup_free_ char *error = NULL;
	int r = 0;

	if (!ip->family)
		return;
	if (gateway->announcer < 0)
		gateway->announcer = r = net_announce_open(&error);
	if (r >= 0)
		r = net_announce(gateway->announcer, link->index, link->mac, ip, &error);
	if (r < 0)
		log_debug("VNI %s: announcing its gateway: %s", network->vni, error ? error : "no memory");
}

void addresses_announce(struct network *network, const struct net_link *link) {
	if (network->announce == 0)
		return;
	network->announce--;
	if (!link || !link->has_mac)
		return;
	announce_one(network, link, &network->wanted.gateway4);
	announce_one(network, link, &network->wanted.gateway6);
}
