/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel has of the networks. */
#include "firewall/network_internal.h"

#include <arpa/inet.h>
#include <net/if.h>

#define SINGLE_CHAINS 8 /* networks up to which each chain is asked for, rather than the whole table */

void network_chain_name(uint32_t vni, enum network_direction direction, char out[NETWORK_NAME]) {
	(void)snprintf(out, NETWORK_NAME, "vxlan%u-%s", vni, network_direction_names[direction]);
}

void network_bridge_name(uint32_t vni, char out[NETWORK_NAME]) {
	(void)snprintf(out, NETWORK_NAME, "vmbr%u", vni);
}

/* The network that "PREFIX<vni>SUFFIX" names as we write it, or 0. */
static uint32_t vni_in(const char *name, const char *prefix, const char *suffix) {
	size_t head = strlen(prefix),
	       digits = strspn(name + (str_starts(name, prefix) ? head : strlen(name)), "0123456789");
	char number[16];
	uint64_t vni;

	if (!str_starts(name, prefix) || digits == 0 || digits >= sizeof(number) ||
	    !str_equal(name + head + digits, suffix) || name[head] == '0')
		return 0;
	memcpy(number, name + head, digits);
	number[digits] = '\0';
	return parse_u64(number, 1, VNI_MAX, &vni) < 0 ? 0 : (uint32_t)vni;
}

static uint32_t vni_of_chain(const char *name, enum network_direction *ret_direction) {
	uint32_t vni = vni_in(name, "vxlan", "-in");

	*ret_direction = vni ? NETWORK_IN : NETWORK_OUT;
	return vni ? vni : vni_in(name, "vxlan", "-out");
}

/* ---- networks ---- */

/* The first one that is not below. */
static size_t place(const struct network_firewall *firewall, uint32_t vni) {
	size_t low = 0, high = firewall->known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (firewall->known[middle].vni < vni)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct known *known_find(const struct network_firewall *firewall, uint32_t vni) {
	size_t at = place(firewall, vni);

	return at < firewall->known_count && firewall->known[at].vni == vni ? &firewall->known[at] : NULL;
}

struct known *known_add(struct network_firewall *firewall, uint32_t vni) {
	size_t at = place(firewall, vni);
	struct known *grown;

	if (at < firewall->known_count && firewall->known[at].vni == vni)
		return &firewall->known[at];
	grown = reallocarray(firewall->known, firewall->known_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	firewall->known = grown;
	memmove(&grown[at + 1], &grown[at], (firewall->known_count - at) * sizeof(*grown));
	grown[at] = (struct known){.vni = vni};
	firewall->known_count++;
	return &grown[at];
}

void known_remove(struct network_firewall *firewall, uint32_t vni) {
	size_t at = place(firewall, vni);

	if (at == firewall->known_count || firewall->known[at].vni != vni)
		return;
	memmove(&firewall->known[at], &firewall->known[at + 1],
		(firewall->known_count - at - 1) * sizeof(*firewall->known));
	firewall->known_count--;
}

/* ---- reading ---- */

struct reading {
	struct network_firewall *firewall;
	enum network_map map;
	bool failed;
};

static const struct nlattr *attribute_of(const struct nlmsghdr *message, uint16_t type) {
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

static const struct nlattr *child(const struct nlattr *parent, uint16_t type) {
	struct nlattr *attribute;

	if (!parent)
		return NULL;
	mnl_attr_for_each_nested(attribute, parent) {
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

static const char *string_of(const struct nlattr *attribute) {
	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attribute) : "";
}

static int see_chain(const struct nlmsghdr *message, void *userdata) {
	struct reading *reading = userdata;
	enum network_direction direction;
	struct known *known;
	uint32_t vni;

	if (!str_equal(string_of(attribute_of(message, NFTA_CHAIN_TABLE)), NETWORK_TABLE))
		return MNL_CB_OK;
	vni = vni_of_chain(string_of(attribute_of(message, NFTA_CHAIN_NAME)), &direction);
	if (vni == 0)
		return MNL_CB_OK;
	known = known_add(reading->firewall, vni);
	if (known)
		known->chains[direction] = true;
	else
		reading->failed = true;
	return MNL_CB_OK;
}

/* Does the element lead where the map leads this network? */
static bool leads_right(const struct nlattr *verdict, uint32_t vni, enum network_map map) {
	static const enum network_direction directions[MAP_COUNT] = {[MAP_IN] = NETWORK_IN, [MAP_OUT] = NETWORK_OUT};
	const struct nlattr *code = child(verdict, NFTA_VERDICT_CODE);
	char chain[NETWORK_NAME];

	if (map == MAP_LOCAL)
		(void)snprintf(chain, sizeof(chain), NETWORK_SERVICES);
	else
		network_chain_name(vni, directions[map], chain);
	return code && (int32_t)ntohl(mnl_attr_get_u32(code)) == (map == MAP_LOCAL ? NFT_GOTO : NFT_JUMP) &&
	       str_equal(string_of(child(verdict, NFTA_VERDICT_CHAIN)), chain);
}

static void see_element(struct reading *reading, const struct nlattr *element) {
	const struct nlattr *key = child(child(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *verdict = child(child(element, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT);
	char name[IFNAMSIZ + 1] = {0};
	struct known *known;
	uint32_t vni;

	if (!key || mnl_attr_get_payload_len(key) != IFNAMSIZ)
		return;
	memcpy(name, mnl_attr_get_payload(key), IFNAMSIZ);
	vni = vni_in(name, "vmbr", "");
	if (vni == 0 || !leads_right(verdict, vni, reading->map)) {
		change_element_delete(&reading->firewall->changes, network_maps[reading->map],
				      mnl_attr_get_payload(key), IFNAMSIZ);
		return;
	}
	known = known_add(reading->firewall, vni);
	if (known)
		known->elements[reading->map] = true;
	else
		reading->failed = true;
}

static int see_elements(const struct nlmsghdr *message, void *userdata) {
	const struct nlattr *list = attribute_of(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element;

	if (!list)
		return MNL_CB_OK;
	mnl_attr_for_each_nested(element, list) {
		see_element(userdata, element);
	}
	return MNL_CB_OK;
}

int known_read(struct network_firewall *firewall) {
	struct reading reading = {.firewall = firewall};
	char buffer[MNL_NLMSG_HDRLEN + 512];
	struct nlmsghdr *request =
	    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETCHAIN, NFPROTO_INET, NLM_F_DUMP, ++firewall->firewall->sequence);
	int r;

	firewall->known_count = 0;
	r = firewall_talk(firewall->firewall, request, see_chain, &reading);
	for (reading.map = MAP_IN; reading.map < MAP_COUNT && r >= 0; reading.map++) {
		request = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP,
						++firewall->firewall->sequence);
		mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, NETWORK_TABLE);
		mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, network_maps[reading.map]);
		r = firewall_talk(firewall->firewall, request, see_elements, &reading);
	}
	return r < 0 ? r : reading.failed ? -ENOMEM : 0;
}

/* ---- rules ---- */

static int see_rule(const struct nlmsghdr *message, void *userdata) {
	struct records *records = userdata;
	const struct nlattr *handle = attribute_of(message, NFTA_RULE_HANDLE),
			    *data = attribute_of(message, NFTA_RULE_USERDATA);
	struct record record = {.number = records->count}, *grown = records->items;

	record.vni = vni_of_chain(string_of(attribute_of(message, NFTA_RULE_CHAIN)), &record.direction);
	if (record.vni == 0 || !handle)
		return MNL_CB_OK;
	record.handle = be64toh(mnl_attr_get_u64(handle));
	record.has_digest =
	    data && change_digest_of(mnl_attr_get_payload(data), mnl_attr_get_payload_len(data), &record.digest);
	if ((records->count & (records->count - 1)) == 0) /* room is doubled */
		grown = reallocarray(records->items, records->count ? records->count * 2 : 1, sizeof(*grown));
	if (!grown) {
		records->failed = true;
		return MNL_CB_OK;
	}
	records->items = grown;
	grown[records->count++] = record;
	return MNL_CB_OK;
}

static int dump_rules(struct network_firewall *firewall, const char *chain, struct records *records) {
	char buffer[MNL_NLMSG_HDRLEN + 512];
	struct nlmsghdr *request =
	    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, ++firewall->firewall->sequence);

	mnl_attr_put_strz(request, NFTA_RULE_TABLE, NETWORK_TABLE);
	if (chain)
		mnl_attr_put_strz(request, NFTA_RULE_CHAIN, chain);
	return firewall_talk(firewall->firewall, request, see_rule, records);
}

static int by_place(const void *a, const void *b) {
	const struct record *x = a, *y = b;

	if (x->vni != y->vni)
		return x->vni < y->vni ? -1 : 1;
	if (x->direction != y->direction)
		return x->direction < y->direction ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

int records_read(struct network_firewall *firewall, struct network_rules *const networks[], size_t count,
		 struct records *ret) {
	struct records records = {0};
	int r = 0;

	if (count > SINGLE_CHAINS)
		r = dump_rules(firewall, NULL, &records);
	for (size_t i = 0; i < count && count <= SINGLE_CHAINS; i++)
		for (enum network_direction d = NETWORK_IN; d < NETWORK_DIRECTION_COUNT && r >= 0; d++) {
			char chain[NETWORK_NAME];

			network_chain_name(networks[i]->vni, d, chain);
			r = dump_rules(firewall, chain, &records);
			if (r == -ENOENT) /* how some kernels say that there is no such chain */
				r = 0;
		}
	if (r < 0 || records.failed) {
		records_free(&records);
		return r < 0 ? r : -ENOMEM;
	}
	if (records.count > 1)
		qsort(records.items, records.count, sizeof(*records.items), by_place);
	*ret = records;
	return 0;
}

void records_free(struct records *records) {
	free(records->items);
	*records = (struct records){0};
}

const struct record *records_of(const struct records *records, uint32_t vni, enum network_direction direction,
				size_t *ret_count) {
	const struct record key = {.vni = vni, .direction = direction, .number = 0};
	size_t low = 0, high = records->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_place(&records->items[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*ret_count = 0; low + *ret_count < records->count; ++*ret_count)
		if (records->items[low + *ret_count].vni != vni ||
		    records->items[low + *ret_count].direction != direction)
			break;
	return *ret_count > 0 ? records->items + low : NULL;
}
