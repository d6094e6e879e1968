/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DHCP reservations (dhcp4_reservations/MAC, as clients write it) and leases. */
#include "network.h"

/* What is kept of guests, below their MAC; IPv6 leases below the address, as a guest may hold several. */
static const struct {
	const char *container, *kind;
	bool by_address;
} kinds[] = {
    {"dhcp4_reservations", "reservation", false}, {"dhcp4_leases", "lease", false}, {"dhcp6_leases", "lease6", true}};

enum guest_key { GUEST_ADDRESS, GUEST_HOSTNAME, GUEST_EXPIRY, GUEST_MAC, GUEST_KEY_COUNT };
static const char *const guest_keys[GUEST_KEY_COUNT] = {"ipaddr", "hostname", "expiry", "macaddr"};

struct guests {
	struct strlist names; /* of their keys: MACs or addresses */
	struct snapshot keys;
};
static void guests_free(struct guests *g) {
	strlist_free(&g->names);
	snapshot_free(&g->keys);
}
#define _cleanup_guests_ _cleanup_(guests_free)

static const char *guest_value(const struct guests *g, size_t i, enum guest_key key) {
	return g->keys.values[i * GUEST_KEY_COUNT + key].data;
}

static int guests_read(struct ctl *ctl, const char *vni, const char *container, struct guests *ret) {
	_cleanup_free_ char *path = store_path(STORE_NETWORKS, vni, container, NULL);
	_cleanup_strlist_ struct strlist paths = {0};
	_cleanup_guests_ struct guests g = {0};
	int r = path ? fetch_children(ctl, path, &g.names) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < g.names.count; i++)
		for (int k = 0; r >= 0 && k < GUEST_KEY_COUNT; k++)
			r = strlist_addf(&paths, "%s/%s/%s", path, g.names.items[i], guest_keys[k]);
	if (r >= 0)
		r = fetch_many(ctl, &paths, &g.keys);
	if (r < 0)
		return r;
	*ret = g;
	g = (struct guests){0};
	return 0;
}

/* ---- list ---- */

static int64_t expiry_of(const struct guests *g, size_t i) {
	return fetched_number(&g->keys.values[i * GUEST_KEY_COUNT + GUEST_EXPIRY]);
}

static const char *mac_of(const struct guests *g, size_t i, size_t kind) {
	return kinds[kind].by_address ? guest_value(g, i, GUEST_MAC) : g->names.items[i];
}

static const char *address_of(const struct guests *g, size_t i, size_t kind) {
	return kinds[kind].by_address ? g->names.items[i] : guest_value(g, i, GUEST_ADDRESS);
}

static void add_row(struct table *t, const struct guests *g, size_t i, size_t kind) {
	int64_t expiry = expiry_of(g, i);
	time_t when = (time_t)expiry;
	char text[40] = "never"; /* 0: a lease without end */
	struct tm tm;

	if (expiry > 0 && gmtime_r(&when, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm); /* always fits */
	table_add(t, kinds[kind].kind);
	table_add(t, mac_of(g, i, kind));
	table_add(t, address_of(g, i, kind));
	table_add(t, guest_value(g, i, GUEST_HOSTNAME));
	table_add(t, expiry < 0 ? NULL : text);
}

static json_t *guest_json(const struct guests *g, size_t i, size_t kind) {
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "type", kinds[kind].kind, "mac_address",
			 json_text(mac_of(g, i, kind)), "ip_address", json_text(address_of(g, i, kind)), "hostname",
			 json_text(guest_value(g, i, GUEST_HOSTNAME)), "expiry", json_number(expiry_of(g, i)));
}

int network_dhcp_list(struct ctl *ctl) {
	static const char *const titles[] = {"TYPE", "MAC", "ADDRESS", "HOSTNAME", "EXPIRES"};
	_cleanup_net_ref_ struct net_ref network = {0};
	_cleanup_table_ struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	json_t *array = wants_json(ctl) ? json_array() : NULL;
	int r = network_find(ctl, ctl->arguments[0], &network);

	for (size_t i = 0; r == EXIT_OK && i < ARRAY_SIZE(kinds); i++) {
		_cleanup_guests_ struct guests g = {0};

		r = guests_read(ctl, network.vni, kinds[i].container, &g);
		if (r < 0)
			r = failed(r, "cannot read the leases of network %s: %s", network.vni, store_error_text(r));
		for (size_t k = 0; k < g.names.count; k++) {
			if (array)
				(void)json_array_append_new(array, /* fails only without memory */
							    guest_json(&g, k, i));
			else
				add_row(&table, &g, k, i);
		}
	}
	if (r == EXIT_OK && wants_json(ctl))
		return json_print(array);
	json_decref(array);
	return r == EXIT_OK ? table_print(&table) : r;
}

/* ---- add and remove ---- */

struct reservation {
	const struct net_ref *network;
	char mac[NET_MAC_TEXT], address[IP_PREFIX_TEXT];
	const char *argument; /* the address as given; remove: what names the reservation */
	const char *hostname; /* or NULL */
	bool idle;            /* the network has no DHCP now */
};

static char *container_path(const struct reservation *v) {
	return store_path(STORE_NETWORKS, v->network->vni, kinds[0].container, NULL);
}

/* Everything that is read before a reservation is written; the network's addresses and the other reservations must
 * still be the same then. 0, 1 when it was refused and told (*ret_code), or -errno. */
static int read_network(struct ctl *ctl, struct store_txn *txn, struct reservation *v, struct guests *g,
			int *ret_code) {
	static const enum net_key checked[] = {NET_TYPE, NET_IP4_NETWORK, NET_IP4_GATEWAY};
	_cleanup_free_ char *container = container_path(v), *error = NULL;
	_cleanup_networks_ struct networks n = {0};
	_cleanup_net_values_ struct net_values values = {0};
	int r = networks_read(ctl, v->network->vni, &n);

	if (r == -ENOENT) {
		*ret_code = failed(r, "network %s is gone", v->network->vni);
		return 1;
	}
	if (r >= 0)
		r = network_values(&n, 0, &values);
	if (r >= 0)
		r = network_guard(ctl, txn, container);
	if (r >= 0)
		r = guests_read(ctl, v->network->vni, kinds[0].container, g);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(checked); i++) {
		_cleanup_free_ char *path = network_key_path(v->network->vni, checked[i]);

		if (!path)
			r = -ENOMEM;
		else if (network_value(&n, 0, checked[i])->exists)
			r = store_txn_check(txn, path, network_value(&n, 0, checked[i])->stat.version);
	}
	if (r < 0)
		return r;
	v->idle = !str_equal(values.text[NET_DHCP4], "True");
	if (str_equal(values.text[NET_TYPE], "bridged"))
		*ret_code =
		    failed_with(EXIT_FAILED, "network %s is bridged: it has no DHCP of the cluster", v->network->vni);
	else if (net_check_reservation(&values, v->argument, v->address, &error) < 0)
		*ret_code = failed_with(EXIT_FAILED, "%s", error ? error : "out of memory");
	return *ret_code == EXIT_OK ? 0 : 1;
}

static int check_guests(const struct reservation *v, const struct guests *g) {
	for (size_t i = 0; i < g->names.count; i++) {
		_cleanup_free_ char *mac = str_printable(g->names.items[i], 40);

		if (strcasecmp(g->names.items[i], v->mac) == 0)
			return failed_with(EXIT_FAILED, "%s has a reservation already; remove that first", v->mac);
		if (str_equal(guest_value(g, i, GUEST_ADDRESS), v->address))
			return failed_with(EXIT_FAILED, "ADDRESS: %s is reserved for %s", v->address, mac ? mac : "");
		if (v->hostname && strcasecmp(guest_value(g, i, GUEST_HOSTNAME), v->hostname) == 0)
			return failed_with(EXIT_FAILED, "--hostname: '%s' is the name of %s", v->hostname,
					   mac ? mac : "");
	}
	return EXIT_OK;
}

static int attempt_add(struct ctl *ctl, struct store_txn *txn, void *userdata, int *ret_error) {
	struct reservation *v = userdata;
	_cleanup_guests_ struct guests g = {0};
	_cleanup_free_ char *container = container_path(v), *self = NULL, *host = NULL, *address = NULL;
	int code = EXIT_OK, r = container ? read_network(ctl, txn, v, &g, &code) : -ENOMEM;

	if (r == 0)
		code = check_guests(v, &g);
	if (r < 0 || code != EXIT_OK) {
		*ret_error = r < 0 ? r : 0;
		return code;
	}
	self = str_printf("%s/%s", container, v->mac);
	host = str_printf("%s/%s/hostname", container, v->mac);
	address = str_printf("%s/%s/ipaddr", container, v->mac);
	r = self && host && address ? store_txn_create(txn, self, "static") : -ENOMEM;
	if (r >= 0)
		r = store_txn_create(txn, host, v->hostname ? v->hostname : "None");
	if (r >= 0)
		r = store_txn_create(txn, address, v->address);
	*ret_error = r < 0 ? r : 0;
	return EXIT_OK;
}

int network_dhcp_add(struct ctl *ctl) {
	_cleanup_net_ref_ struct net_ref network = {0};
	_cleanup_free_ char *error = NULL, *shown = NULL;
	struct reservation v = {.network = &network, .argument = ctl->arguments[2], .hostname = ctl->options.hostname};
	int r;

	if (net_check_mac(ctl->arguments[1], v.mac, &error) < 0)
		return failed_with(EXIT_FAILED, "%s", error ? error : "out of memory");
	if (v.hostname && (!net_is_hostname(v.hostname) || str_is_absent(v.hostname))) {
		shown = str_printable(v.hostname, 80);
		return failed_with(EXIT_FAILED,
				   "--hostname '%s' is no host name: 1 to 63 letters, digits and '-', none of these at "
				   "an end",
				   shown ? shown : "");
	}
	r = network_find(ctl, ctl->arguments[0], &network);
	if (r == EXIT_OK)
		r = network_change(ctl, attempt_add, &v, "add the reservation");
	if (r != EXIT_OK)
		return r;
	if (v.idle)
		fprintf(stderr, "pvcctl: note: DHCP is off in network %s; 'network modify --dhcp' switches it on\n",
			network.vni);
	printf("%s is reserved for %s in network %s.\n", v.address, v.mac, network.vni);
	return EXIT_OK;
}

static int attempt_remove(struct ctl *ctl, struct store_txn *txn, void *userdata, int *ret_error) {
	const struct reservation *v = userdata;
	_cleanup_free_ char *container = container_path(v);
	_cleanup_guests_ struct guests g = {0};
	size_t found = SIZE_MAX;
	int r = container ? guests_read(ctl, v->network->vni, kinds[0].container, &g) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < g.names.count; i++)
		if (strcasecmp(g.names.items[i], v->mac) == 0 || str_equal(g.names.items[i], v->argument) ||
		    str_equal(guest_value(&g, i, GUEST_ADDRESS), v->argument))
			found = i;
	if (r >= 0 && found == SIZE_MAX)
		return failed_with(EXIT_FAILED,
				   "network %s has no such reservation; 'pvcctl network dhcp list %s' shows all",
				   v->network->vni, v->network->vni);
	if (r >= 0) {
		_cleanup_free_ char *path = str_printf("%s/%s", container, g.names.items[found]);

		r = path ? network_delete_tree(ctl, txn, path) : -ENOMEM;
	}
	*ret_error = r < 0 ? r : 0;
	return EXIT_OK;
}

int network_dhcp_remove(struct ctl *ctl) {
	_cleanup_net_ref_ struct net_ref network = {0};
	_cleanup_free_ char *shown = str_printable(ctl->arguments[1], 60);
	struct reservation v = {.network = &network, .argument = ctl->arguments[1]};
	int r = network_find(ctl, ctl->arguments[0], &network);

	if (r != EXIT_OK)
		return r;
	if (net_check_mac(v.argument, v.mac, NULL) < 0)
		v.mac[0] = '\0'; /* an address then */
	r = network_change(ctl, attempt_remove, &v, "remove the reservation");
	if (r == EXIT_OK)
		printf("The reservation of %s in network %s is removed.\n", shown ? shown : "", network.vni);
	return r;
}
