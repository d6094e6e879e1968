/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Leases in the store: one written, one forgotten, all read. */
#include "dhcp/dhcp.h"

/* The keys of a lease and the field of the event that each holds. */
struct lease_key {
	const char *name;
	enum lease_field field;
};
#define KEYS_MAX 5
static const struct lease_key v4_keys[] = {
    {"expiry", LEASE_EXPIRY}, {"ipaddr", LEASE_ADDRESS}, {"hostname", LEASE_HOSTNAME}, {"clientid", LEASE_CLIENT}};
static const struct lease_key v6_keys[] = {{"expiry", LEASE_EXPIRY},
					   {"iaid", LEASE_IAID},
					   {"duid", LEASE_CLIENT},
					   {"hostname", LEASE_HOSTNAME},
					   {"macaddr", LEASE_MAC}};
enum { V4_EXPIRY, V4_ADDRESS, V4_HOSTNAME, V4_CLIENT };
enum { V6_EXPIRY, V6_IAID, V6_DUID, V6_HOSTNAME };

static const struct kind {
	const char *container;
	const struct lease_key *keys;
	size_t count;
	enum lease_field name; /* what the lease's own key is called by */
} kind_v4 = {"dhcp4_leases", v4_keys, ARRAY_SIZE(v4_keys), LEASE_MAC},
  kind_v6 = {"dhcp6_leases", v6_keys, ARRAY_SIZE(v6_keys), LEASE_ADDRESS};

static const struct kind *kind_of(const struct lease_event *event) {
	return event->family == AF_INET ? &kind_v4 : &kind_v6;
}

/* ---- one lease ------------------------------------------------------------------------------------------------- */

enum { AT_NETWORK, AT_CONTAINER, AT_LEASE, AT_KEYS };

struct record {
	const struct lease_event *event;
	struct strlist paths;
	store_done_fn done;
	void *userdata;
	bool deleting; /* the last compute deleted */
};

static void record_free(struct record *record) {
	strlist_free(&record->paths);
	free(record);
}

static bool has_text(const struct store_value *value, const char *text) {
	return value->exists && value->length == strlen(text) && memcmp(value->data, text, value->length) == 0;
}

static int forget(struct record *record, const struct store_value *values, struct store_txn *txn) {
	const struct kind *kind = kind_of(record->event);

	if (!values[AT_LEASE].exists)
		return 1;
	/* the card got another address meanwhile: that lease is not the one which ended */
	if (record->event->family == AF_INET && values[AT_KEYS + V4_ADDRESS].exists &&
	    !has_text(&values[AT_KEYS + V4_ADDRESS], record->event->fields[LEASE_ADDRESS]))
		return 1;
	record->deleting = true;
	for (size_t i = 0; i < kind->count; i++)
		if (values[AT_KEYS + i].exists)
			(void)store_txn_delete(txn, record->paths.items[AT_KEYS + i], values[AT_KEYS + i].stat.version);
	return store_txn_delete(txn, record->paths.items[AT_LEASE], STORE_ANY_VERSION);
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct record *record = userdata;
	const struct kind *kind = kind_of(record->event);
	const char *server = record->event->fields[LEASE_SERVER];

	(void)count; /* store_commit() reports a failed allocation of any of these */
	record->deleting = false;
	if (!values[AT_NETWORK].exists)
		return 1;
	if (record->event->action == LEASE_DEL)
		return forget(record, values, txn);
	if (!values[AT_CONTAINER].exists ||
	    (record->event->family == AF_INET6 && *server && !has_text(&values[AT_CONTAINER], server)))
		(void)store_txn_put(txn, record->paths.items[AT_CONTAINER], &values[AT_CONTAINER], server);
	if (!values[AT_LEASE].exists)
		(void)store_txn_create(txn, record->paths.items[AT_LEASE], "");
	for (size_t i = 0; i < kind->count; i++) {
		const char *text = record->event->fields[kind->keys[i].field];

		if (!has_text(&values[AT_KEYS + i], text))
			(void)store_txn_put(txn, record->paths.items[AT_KEYS + i], &values[AT_KEYS + i], text);
	}
	return store_txn_count(txn) > 0 ? 0 : 1;
}

static void recorded(struct store *store, int result, void *userdata) {
	struct record *record = userdata;
	store_done_fn done = record->done;
	void *data = record->userdata;

	/* somebody put a key of his own below the lease */
	if (record->deleting && result == -ENOTEMPTY &&
	    store_delete_tree(store, record->paths.items[AT_LEASE], done, data) >= 0) {
		record_free(record);
		return;
	}
	record_free(record);
	done(store, result, data);
}

int lease_record(struct store *store, const struct lease_event *event, store_done_fn done, void *userdata) {
	const struct kind *kind = kind_of(event);
	struct record *record = calloc(1, sizeof(*record));
	const char *vni = event->fields[LEASE_VNI], *name = event->fields[kind->name];
	int r;

	if (!record)
		return -ENOMEM;
	*record = (struct record){.event = event, .done = done, .userdata = userdata};
	r = strlist_take(&record->paths, store_path(STORE_NETWORKS, vni, (char *)NULL));
	if (r >= 0)
		r = strlist_take(&record->paths, store_path(STORE_NETWORKS, vni, kind->container, (char *)NULL));
	if (r >= 0)
		r = strlist_take(&record->paths, store_path(STORE_NETWORKS, vni, kind->container, name, (char *)NULL));
	for (size_t i = 0; i < kind->count && r >= 0; i++)
		r = strlist_take(&record->paths, store_path(STORE_NETWORKS, vni, kind->container, name,
							    kind->keys[i].name, (char *)NULL));
	if (r >= 0)
		r = store_update(store, (const char *const *)record->paths.items, record->paths.count, compute,
				 recorded, record);
	if (r < 0)
		record_free(record);
	return r;
}

/* ---- all of a network ------------------------------------------------------------------------------------------ */

struct reading {
	struct store *store;
	char *vni;
	const struct kind *kind; /* which of both is being read */
	struct strlist names;
	struct strbuf text;
	size_t bad;
	leases_fn done;
	void *userdata;
};

static int list(struct reading *reading);

static void end(struct reading *reading, int result) {
	leases_fn done = reading->done;
	void *data = reading->userdata;
	_cleanup_free_ char *text = NULL;
	size_t bad = reading->bad;

	if (result >= 0 && !(text = strbuf_steal(&reading->text)))
		result = -ENOMEM;
	strbuf_free(&reading->text);
	strlist_free(&reading->names);
	free(reading->vni);
	free(reading);
	done(result, result < 0 ? "" : text, bad, data);
}

static const char *or_star(const char *text) {
	return *text ? text : "*";
}

/* Adds the line of one lease, when it is in order. */
static bool add_line(struct reading *reading, const char *name, const struct store_value *values) {
	const char *text[KEYS_MAX] = {"", "", "", "", ""};
	uint64_t expiry;

	for (size_t i = 0; i < reading->kind->count; i++) {
		if (!values[i].exists || strlen(values[i].data) != values[i].length)
			return false;
		text[i] = values[i].data;
	}
	_Static_assert((int)V4_EXPIRY == (int)V6_EXPIRY, "the same place in both");
	if (parse_u64(text[V4_EXPIRY], 0, INT64_MAX, &expiry) < 0)
		return false;
	if (reading->kind == &kind_v4) {
		const char *host = str_is_absent(text[V4_HOSTNAME]) ? "" : text[V4_HOSTNAME];

		if (!dhcp_is_mac(name) || !dhcp_is_address(text[V4_ADDRESS], AF_INET) ||
		    (*host && !dhcp_is_hostname(host)) ||
		    (!str_equal(text[V4_CLIENT], "*") && !dhcp_is_hex_bytes(text[V4_CLIENT])))
			return false;
		(void)strbuf_addf(&reading->text, "%s %s %s %s %s\n", text[V4_EXPIRY], name, text[V4_ADDRESS],
				  or_star(host), text[V4_CLIENT]);
		return true;
	}
	if (!dhcp_is_address(name, AF_INET6) || !dhcp_is_iaid(text[V6_IAID]) || !dhcp_is_hex_bytes(text[V6_DUID]) ||
	    (*text[V6_HOSTNAME] && !dhcp_is_hostname(text[V6_HOSTNAME])))
		return false;
	(void)strbuf_addf(&reading->text, "%s %s %s %s %s\n", text[V6_EXPIRY], text[V6_IAID], name,
			  or_star(text[V6_HOSTNAME]), text[V6_DUID]);
	return true; /* strbuf_steal() reports a failed allocation */
}

static void got_leases(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct reading *reading = userdata;
	size_t keys = reading->kind->count;

	(void)store;
	for (size_t i = 0; result >= 0 && (i + 1) * keys <= count; i++)
		if (!add_line(reading, reading->names.items[i], &values[i * keys]))
			reading->bad++;
	if (result >= 0 && reading->kind == &kind_v4) {
		reading->kind = &kind_v6;
		result = list(reading);
		if (result >= 0)
			return;
	}
	end(reading, result < 0 ? result : 0);
}

static int get_leases(struct reading *reading) {
	_cleanup_strlist_ struct strlist paths = {0};
	int r = 0;

	for (size_t i = 0; i < reading->names.count; i++)
		for (size_t k = 0; k < reading->kind->count && r >= 0; k++)
			r = strlist_take(&paths, store_path(STORE_NETWORKS, reading->vni, reading->kind->container,
							    reading->names.items[i], reading->kind->keys[k].name,
							    (char *)NULL));
	if (r < 0)
		return r;
	return store_get_many(reading->store, (const char *const *)paths.items, paths.count, got_leases, reading);
}

static void got_server(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct reading *reading = userdata;

	(void)store;
	if (result >= 0 && value->exists && dhcp_is_hex_bytes(value->data) && strlen(value->data) == value->length)
		(void)strbuf_addf(&reading->text, "duid %s\n", value->data);
	if (result >= 0 || result == -ENOENT)
		result = get_leases(reading);
	if (result < 0)
		end(reading, result);
}

static void got_names(struct store *store, int result, const struct strlist *children, void *userdata) {
	struct reading *reading = userdata;
	_cleanup_free_ char *path = store_path(STORE_NETWORKS, reading->vni, reading->kind->container, (char *)NULL);

	if (result == -ENOENT)
		result = 0;
	strlist_free(&reading->names);
	for (size_t i = 0; result >= 0 && children && i < children->count; i++)
		result = strlist_add(&reading->names, children->items[i]);
	if (result >= 0 && !path)
		result = -ENOMEM;
	if (result >= 0)
		result = reading->kind == &kind_v6 ? store_get(store, path, got_server, reading) : get_leases(reading);
	if (result < 0)
		end(reading, result);
}

static int list(struct reading *reading) {
	_cleanup_free_ char *path = store_path(STORE_NETWORKS, reading->vni, reading->kind->container, (char *)NULL);

	return path ? store_list(reading->store, path, got_names, reading) : -ENOMEM;
}

int leases_read(struct store *store, const char *vni, leases_fn done, void *userdata) {
	struct reading *reading = calloc(1, sizeof(*reading));
	int r = -ENOMEM;

	if (!reading)
		return r;
	*reading =
	    (struct reading){.store = store, .vni = strdup(vni), .kind = &kind_v4, .done = done, .userdata = userdata};
	if (reading->vni)
		r = list(reading);
	if (r < 0) {
		free(reading->vni);
		free(reading);
	}
	return r;
}
