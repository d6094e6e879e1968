/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "network.h"

static const char *const keys[NET_KEY_COUNT] = {
    [NET_SELF] = NULL,
    [NET_TYPE] = "nettype",
    [NET_DOMAIN] = "domain",
    [NET_DNS] = "name_servers",
    [NET_IP6_NETWORK] = "ip6_network",
    [NET_IP6_GATEWAY] = "ip6_gateway",
    [NET_DHCP6] = "dhcp6_flag",
    [NET_IP4_NETWORK] = "ip4_network",
    [NET_IP4_GATEWAY] = "ip4_gateway",
    [NET_DHCP4] = "dhcp4_flag",
    [NET_DHCP4_START] = "dhcp4_start",
    [NET_DHCP4_END] = "dhcp4_end",
};

char *network_key_path(const char *vni, enum net_key key) {
	return store_path(STORE_NETWORKS, vni, keys[key], NULL);
}

void networks_free(struct networks *n) {
	strlist_free(&n->vnis);
	snapshot_free(&n->keys);
}

const struct fetched *network_value(const struct networks *n, size_t index, enum net_key key) {
	return &n->keys.values[index * NET_KEY_COUNT + key];
}

int network_values(const struct networks *n, size_t index, struct net_values *ret) {
	struct net_values v = {0};

	for (int k = 0; k < NET_KEY_COUNT; k++) {
		const struct fetched *value = network_value(n, index, (enum net_key)k);

		if (value->exists && net_put(&v, (enum net_key)k, value->data) < 0) {
			net_values_free(&v);
			return -ENOMEM;
		}
	}
	*ret = v;
	return 0;
}

/* Numbers in their order, then whatever else there is. */
static int by_number(const void *a, const void *b) {
	const char *const *x = a, *const *y = b;
	uint64_t m = net_order(*x), n = net_order(*y);

	return m != n ? (m > n) - (m < n) : strcmp(*x, *y);
}

int networks_read(struct ctl *ctl, const char *only, struct networks *ret) {
	_cleanup_strlist_ struct strlist paths = {0};
	struct networks n = {0};
	int r = only ? strlist_add(&n.vnis, only) : fetch_children(ctl, store_base(STORE_NETWORKS), &n.vnis);

	if (n.vnis.count)
		qsort(n.vnis.items, n.vnis.count, sizeof(*n.vnis.items), by_number);
	for (size_t i = 0; r >= 0 && i < n.vnis.count; i++)
		for (int k = 0; r >= 0 && k < NET_KEY_COUNT; k++)
			r = strlist_take(&paths, network_key_path(n.vnis.items[i], (enum net_key)k));
	if (r >= 0)
		r = fetch_many(ctl, &paths, &n.keys);
	if (r >= 0 && only && !network_value(&n, 0, NET_SELF)->exists)
		r = -ENOENT;
	if (r < 0) {
		networks_free(&n);
		return r;
	}
	*ret = n;
	return 0;
}

/* ---- JSON: the names of the reference's API ---- */

static json_t *flag_json(const char *text) {
	bool value;

	return parse_bool(text, &value) < 0 ? json_null() : json_boolean(value);
}

json_t *network_json(const struct networks *n, size_t i) {
	_cleanup_strlist_ struct strlist dns = {0};

	if (net_dns_read(network_value(n, i, NET_DNS)->data, &dns) < 0)
		return NULL;
	return json_pack(
	    "{s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o, s:o, s:o}}", "vni",
	    json_number(net_order(n->vnis.items[i]) == UINT64_MAX ? -1 : (int64_t)net_order(n->vnis.items[i])),
	    "description", json_text(network_value(n, i, NET_SELF)->data), "type",
	    json_text(network_value(n, i, NET_TYPE)->data), "domain", json_text(network_value(n, i, NET_DOMAIN)->data),
	    "name_servers", json_list(&dns), "ip6", "network", json_text(network_value(n, i, NET_IP6_NETWORK)->data),
	    "gateway", json_text(network_value(n, i, NET_IP6_GATEWAY)->data), "dhcp_flag",
	    flag_json(network_value(n, i, NET_DHCP6)->data), "ip4", "network",
	    json_text(network_value(n, i, NET_IP4_NETWORK)->data), "gateway",
	    json_text(network_value(n, i, NET_IP4_GATEWAY)->data), "dhcp_flag",
	    flag_json(network_value(n, i, NET_DHCP4)->data), "dhcp_start",
	    json_text(network_value(n, i, NET_DHCP4_START)->data), "dhcp_end",
	    json_text(network_value(n, i, NET_DHCP4_END)->data));
}

/* ---- naming a network ---- */

void net_ref_free(struct net_ref *network) {
	free(network->vni);
	free(network->name);
}

static int refer(const struct networks *n, size_t i, struct net_ref *ret) {
	struct net_ref ref = {strdup(n->vnis.items[i]), str_printable(network_value(n, i, NET_SELF)->data, 100)};

	if (!ref.vni || !ref.name) {
		net_ref_free(&ref);
		return failed(-ENOMEM, "out of memory");
	}
	*ret = ref;
	return EXIT_OK;
}

static int find_by_name(const struct networks *n, const char *named, struct net_ref *ret) {
	_cleanup_free_ char *shown = str_printable(named, 100);
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < n->vnis.count; i++) {
		if (!str_equal(network_value(n, i, NET_SELF)->data, named))
			continue;
		if (found != SIZE_MAX)
			return failed_with(EXIT_FAILED,
					   "more than one network is named '%s': name it by VNI, e.g. %s or %s",
					   shown ? shown : "", n->vnis.items[found], n->vnis.items[i]);
		found = i;
	}
	if (found == SIZE_MAX)
		return failed(-ENOENT, "the cluster has no network named '%s'; 'pvcctl network list' shows all",
			      shown ? shown : "");
	return refer(n, found, ret);
}

int network_find(struct ctl *ctl, const char *named, struct net_ref *ret) {
	_cleanup_free_ char *vni = NULL;
	_cleanup_networks_ struct networks n = {0};
	uint64_t number = net_order(named);
	int r;

	if (number != UINT64_MAX) {
		vni = str_printf("%llu", (unsigned long long)number);
		if (!vni)
			return failed(-ENOMEM, "out of memory");
	}
	r = networks_read(ctl, vni, &n);
	if (r == -ENOENT)
		return failed(r, "the cluster has no network %s; 'pvcctl network list' shows all", vni);
	if (r < 0)
		return failed(r, "cannot read the networks: %s", store_error_text(r));
	return vni ? refer(&n, 0, ret) : find_by_name(&n, named, ret);
}

/* ---- what nodes say ---- */

/* A report's lines, each with its node before it. */
static int add_lines(struct strlist *ret, const char *node, const char *text) {
	_cleanup_strlist_ struct strlist lines = {0};
	int r = strlist_split(&lines, text, "\n");

	for (size_t i = 0; r >= 0 && i < lines.count; i++)
		r = strlist_addf(ret, "%s: %s", node, lines.items[i]);
	return r;
}

int network_problems(struct ctl *ctl, const char *vni, struct strlist *ret) {
	_cleanup_strlist_ struct strlist nodes = {0}, paths = {0};
	_cleanup_snapshot_ struct snapshot texts = {0};
	int r = fetch_children(ctl, store_base(STORE_NODES), &nodes);

	for (size_t i = 0; r >= 0 && i < nodes.count; i++)
		r = strlist_take(&paths, store_path(STORE_NODES, nodes.items[i], "network_errors", vni, NULL));
	if (r >= 0)
		r = fetch_many(ctl, &paths, &texts);
	for (size_t i = 0; r >= 0 && i < texts.count; i++)
		r = add_lines(ret, nodes.items[i], texts.values[i].data);
	return r;
}
