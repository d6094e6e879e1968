/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Networks are made and changed in one transaction that also rewrites /networks (whose value nobody uses) at the
 * version that was read before the other networks were: of two who take the same name or overlapping addresses at once,
 * one loses, looks again, and finds them taken.
 */
#include "network.h"

/* Refuses names and addresses of the networks that there are. `self`: the network itself, or NULL. */
static int check_others(const struct networks *n, const char *self, const struct net_values *values) {
	for (size_t i = 0; i < n->vnis.count; i++) {
		_cleanup_net_values_ struct net_values other = {0};
		_cleanup_free_ char *error = NULL;

		if (str_equal(n->vnis.items[i], self))
			continue;
		if (network_values(n, i, &other) < 0)
			return failed(-ENOMEM, "out of memory");
		if (net_values_collide(values, &other, n->vnis.items[i], &error) < 0)
			return failed_with(EXIT_FAILED, "%s", error ? error : "out of memory");
	}
	return EXIT_OK;
}

/* The host networks of this cluster, when the configuration tells them. */
static int check_host_networks(const struct ctl *ctl, const struct net_values *v) {
	const struct {
		const char *name;
		const struct config_network *network;
	} hosts[] = {
	    {"upstream", ctl->config ? &ctl->config->upstream : NULL},
	    {"cluster", ctl->config ? &ctl->config->cluster : NULL},
	    {"storage", ctl->config ? &ctl->config->storage : NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		char net[IP_PREFIX_TEXT];

		if (!hosts[i].network || !hosts[i].network->network.family)
			continue;
		ip_prefix_format(&hosts[i].network->network, true, net);
		if (net_overlap(v->text[NET_IP4_NETWORK], net) || net_overlap(v->text[NET_IP6_NETWORK], net))
			return failed_with(EXIT_FAILED, "--ipnet%s %s overlaps with the nodes' own %s network %s",
					   strchr(net, ':') ? "6" : "",
					   v->text[strchr(net, ':') ? NET_IP6_NETWORK : NET_IP4_NETWORK], hosts[i].name,
					   net);
	}
	return EXIT_OK;
}

/* ---- add ---- */

struct addition {
	char *vni;
	struct net_values values;
};

static int create_keys(struct store_txn *txn, const struct addition *a) {
	static const char *const containers[][2] = {{"dhcp4_leases", NULL},
						    {"dhcp4_reservations", NULL},
						    {"firewall_rules", NULL},
						    {"firewall_rules", "in"},
						    {"firewall_rules", "out"}};
	int r = 0;

	for (int k = 0; r >= 0 && k < NET_KEY_COUNT; k++) {
		_cleanup_free_ char *path = network_key_path(a->vni, (enum net_key)k);

		r = path ? store_txn_create(txn, path, a->values.text[k]) : -ENOMEM;
	}
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(containers); i++) {
		_cleanup_free_ char *path =
		    store_path(STORE_NETWORKS, a->vni, containers[i][0], containers[i][1], NULL);

		r = path ? store_txn_create(txn, path, "") : -ENOMEM;
	}
	return r;
}

static int attempt_add(struct ctl *ctl, struct store_txn *txn, void *userdata, int *ret_error) {
	const struct addition *a = userdata;
	_cleanup_networks_ struct networks n = {0};
	int r = network_guard(ctl, txn, store_base(STORE_NETWORKS)), code;

	if (r >= 0)
		r = networks_read(ctl, NULL, &n);
	if (r < 0) {
		*ret_error = r;
		return EXIT_OK;
	}
	if (strlist_contains(&n.vnis, a->vni))
		return failed_with(EXIT_FAILED, "VNI %s is used by another network; 'pvcctl network info %s' shows it",
				   a->vni, a->vni);
	code = check_others(&n, NULL, &a->values);
	if (code == EXIT_OK)
		*ret_error = create_keys(txn, a);
	return code;
}

int network_add(struct ctl *ctl) {
	_cleanup_free_ char *error = NULL, *what = NULL;
	struct addition a = {0};
	struct net_options options = ctl->options.net;
	uint32_t vni;
	int r;

	if (options.name)
		return failed_with(EXIT_USAGE, "the name is given twice; try 'pvcctl network add --help'");
	options.name = ctl->arguments[1];
	r = net_values_new(ctl->arguments[0], &options, &vni, &a.values, &error);
	if (r < 0)
		return failed_with(EXIT_FAILED, "%s", error ? error : strerror(-r));
	a.vni = str_printf("%u", vni);
	what = str_printf("add network %u", vni);
	r = a.vni && what ? check_host_networks(ctl, &a.values) : failed(-ENOMEM, "out of memory");
	if (r == EXIT_OK)
		r = network_change(ctl, attempt_add, &a, what);
	if (r == EXIT_OK)
		printf("Network %s ('%s') is added.\n", a.vni, a.values.text[NET_SELF]);
	free(a.vni);
	net_values_free(&a.values);
	return r;
}

/* ---- modify ---- */

/* Only what changes is written; all else that the decision hangs on must still be as it was read. */
static int change_keys(struct store_txn *txn, const struct networks *n, const struct net_values *v) {
	int r = 0;

	for (int k = 0; r >= 0 && k < NET_KEY_COUNT; k++) {
		const struct fetched *seen = network_value(n, 0, (enum net_key)k);
		struct store_value value = {seen->exists, seen->data, seen->length, seen->stat};
		_cleanup_free_ char *path = network_key_path(n->vnis.items[0], (enum net_key)k);

		if (!path)
			r = -ENOMEM;
		else if (v->text[k] && !(seen->exists && str_equal(v->text[k], seen->data)))
			r = store_txn_put(txn, path, &value, v->text[k]);
		else if (seen->exists)
			r = store_txn_check(txn, path, seen->stat.version);
	}
	return r;
}

static bool differs(const struct networks *n, const struct net_values *v, enum net_key key) {
	return v->text[key] && !str_equal(v->text[key], network_value(n, 0, key)->data);
}

static bool differs_at_all(const struct networks *n, const struct net_values *v) {
	for (int k = 0; k < NET_KEY_COUNT; k++)
		if (differs(n, v, (enum net_key)k))
			return true;
	return false;
}

static int attempt_modify(struct ctl *ctl, struct store_txn *txn, void *userdata, int *ret_error) {
	const struct net_ref *network = userdata;
	_cleanup_networks_ struct networks all = {0}, one = {0};
	_cleanup_net_values_ struct net_values v = {0};
	_cleanup_free_ char *error = NULL;
	bool addresses;
	int r = network_guard(ctl, txn, store_base(STORE_NETWORKS)), code = EXIT_OK;

	if (r >= 0)
		r = networks_read(ctl, network->vni, &one);
	if (r == -ENOENT)
		return failed(r, "network %s is gone", network->vni);
	if (r >= 0)
		r = network_values(&one, 0, &v);
	if (r >= 0 && net_values_change(&v, &ctl->options.net, &error) < 0)
		return failed_with(EXIT_FAILED, "%s", error ? error : "out of memory");
	addresses = r >= 0 && (differs(&one, &v, NET_IP4_NETWORK) || differs(&one, &v, NET_IP6_NETWORK));
	if (r >= 0 && (addresses || differs(&one, &v, NET_SELF))) {
		r = networks_read(ctl, NULL, &all);
		if (r >= 0)
			code = check_others(&all, network->vni, &v);
		if (r >= 0 && code == EXIT_OK && addresses)
			code = check_host_networks(ctl, &v);
	}
	if (r >= 0 && code == EXIT_OK && differs_at_all(&one, &v))
		r = change_keys(txn, &one, &v);
	*ret_error = r < 0 ? r : 0;
	return code;
}

int network_modify(struct ctl *ctl) {
	const struct net_options *o = &ctl->options.net;
	_cleanup_net_ref_ struct net_ref network = {0};
	_cleanup_free_ char *what = NULL;
	int r;

	if (!o->name && !o->domain && !o->dns && !o->ipnet && !o->gateway && !o->ipnet6 && !o->gateway6 &&
	    !o->dhcp_start && !o->dhcp_end && !o->dhcp && !o->no_dhcp)
		return failed_with(EXIT_USAGE, "nothing to change was given; try 'pvcctl network modify --help'");
	r = network_find(ctl, ctl->arguments[0], &network);
	if (r != EXIT_OK)
		return r;
	what = str_printf("modify network %s", network.vni);
	r = what ? network_change(ctl, attempt_modify, &network, what) : failed(-ENOMEM, "out of memory");
	if (r == EXIT_OK)
		printf("Network %s is modified.\n", network.vni);
	return r;
}
