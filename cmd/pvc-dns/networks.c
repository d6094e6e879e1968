/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the store has of the managed networks: keys, leases and reservations, each watched. */
#include "daemon.h"
#include "dhcp/dhcp.h"
#include "log/log.h"

enum { KEY_NETTYPE, KEY_DOMAIN, KEY_NAME_SERVERS, KEY_IP4_NETWORK, KEY_IP6_NETWORK, KEYS };
static const char *const key_names[KEYS] = {"nettype", "domain", "name_servers", "ip4_network", "ip6_network"};

/* The keys of an entry that matter; where `address` is NULL the entry itself is called by it. */
enum { FIELD_HOSTNAME, FIELD_OTHER, FIELDS };
static const struct kind {
	const char *container, *fields[FIELDS];
	int family;
	bool reserved;
} kinds[] = {
    {"dhcp4_reservations", {"hostname", "ipaddr"}, AF_INET, true},
    {"dhcp4_leases", {"hostname", "ipaddr"}, AF_INET, false},
    {"dhcp6_leases", {"hostname", "macaddr"}, AF_INET6, false},
};
#define KINDS ARRAY_SIZE(kinds)

struct entry {
	struct container *container;
	char *name;
	struct field {
		struct entry *entry;
		struct store_watch *watch;
		char *text;
		int64_t order; /* when it was written, as the store counts */
		bool seen;
	} fields[FIELDS];
	bool listed;
	struct entry *next;
};

struct container {
	struct network *network;
	const struct kind *kind;
	struct store_watch *watch;
	struct entry *entries;
	size_t count;
	bool seen;
};

struct network {
	struct daemon *daemon;
	char *vni, *path;
	struct key {
		struct network *network;
		struct store_watch *watch;
		char *text; /* NULL: missing */
		bool seen;
	} keys[KEYS];
	struct container containers[KINDS];
	struct network *next;
};

/* A value with a NUL inside is no text. */
static const char *value_text(const struct store_value *value) {
	return value->exists && strlen(value->data) == value->length ? value->data : NULL;
}

/* ---- leases and reservations ----------------------------------------------------------------------------------- */

static void entry_free(struct entry *entry, bool unwatch) {
	for (size_t i = 0; i < FIELDS; i++) {
		if (unwatch && entry->fields[i].watch)
			store_watch_free(entry->fields[i].watch);
		free(entry->fields[i].text);
	}
	free(entry->name);
	free(entry);
}

static void field_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct field *field = userdata;
	const char *text = value_text(value);

	(void)store;
	field->seen = true;
	field->order = value->stat.mzxid;
	free(field->text);
	field->text = text ? strdup(text) : NULL; /* without memory it has no name until it changes again */
	database_changed(field->entry->container->network->daemon);
}

static int entry_add(struct container *container, const char *name) {
	struct entry *entry = calloc(1, sizeof(*entry));
	int r = 0;

	if (!entry)
		return -ENOMEM;
	entry->container = container;
	entry->listed = true;
	entry->name = strdup(name);
	if (!entry->name)
		r = -ENOMEM;
	for (size_t i = 0; i < FIELDS && r >= 0; i++) {
		_cleanup_free_ char *path = str_printf("%s/%s/%s/%s", container->network->path,
						       container->kind->container, name, container->kind->fields[i]);

		entry->fields[i].entry = entry;
		r = path ? store_watch_value(container->network->daemon->store, path, field_changed, &entry->fields[i],
					     &entry->fields[i].watch)
			 : -ENOMEM;
	}
	if (r < 0) {
		entry_free(entry, true);
		return r;
	}
	entry->next = container->entries;
	container->entries = entry;
	container->count++;
	return 0;
}

static int compare_entries(const void *a, const void *b) {
	return strcmp((*(const struct entry *const *)a)->name, (*(const struct entry *const *)b)->name);
}

static void drop_unlisted(struct container *container) {
	for (struct entry **at = &container->entries; *at;) {
		struct entry *entry = *at;

		if (entry->listed) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		container->count--;
		entry_free(entry, true);
	}
}

/* The known ones in order, to be searched: a network may have thousands of leases. */
static struct entry **index_entries(const struct container *container) {
	struct entry **index = calloc(container->count + 1, sizeof(struct entry *));
	size_t n = 0;

	for (struct entry *entry = container->entries; index && entry; entry = entry->next)
		index[n++] = entry;
	if (index && n > 1)
		qsort(index, n, sizeof(struct entry *), compare_entries);
	return index;
}

static void entries_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct container *container = userdata;
	_cleanup_free_ struct entry **index = index_entries(container);
	size_t known = container->count;

	(void)store;
	if (!index) {
		log_error("VNI %s: no memory for its leases", container->network->vni);
		return;
	}
	container->seen = true;
	for (struct entry *entry = container->entries; entry; entry = entry->next)
		entry->listed = false;
	for (size_t i = 0; children && i < children->count; i++) {
		struct entry key = {.name = children->items[i]}, *like = &key, **found = NULL;
		int r = 0;

		if (known > 0)
			found = bsearch(&like, index, known, sizeof(struct entry *), compare_entries);
		if (found)
			(*found)->listed = true;
		else
			r = entry_add(container, children->items[i]);
		if (r < 0)
			log_error("VNI %s: a lease cannot be watched: %s", container->network->vni, strerror(-r));
	}
	drop_unlisted(container);
	database_changed(container->network->daemon);
}

/* ---- networks -------------------------------------------------------------------------------------------------- */

static void network_free(struct network *network) {
	bool store = network->daemon->store; /* once it is closed it took all watches with it */

	for (size_t i = 0; i < KEYS; i++) {
		if (store && network->keys[i].watch)
			store_watch_free(network->keys[i].watch);
		free(network->keys[i].text);
	}
	for (size_t i = 0; i < KINDS; i++) {
		struct container *container = &network->containers[i];

		if (store && container->watch)
			store_watch_free(container->watch);
		while (container->entries) {
			struct entry *entry = container->entries;

			container->entries = entry->next;
			entry_free(entry, store);
		}
	}
	free(network->path);
	free(network->vni);
	free(network);
}

static void key_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct key *key = userdata;
	const char *text = value_text(value);

	(void)store;
	if (key->seen && str_equal(text, key->text))
		return;
	key->seen = true;
	free(key->text);
	key->text = text ? strdup(text) : NULL;
	database_changed(key->network->daemon);
}

static int watch(struct network *network) {
	struct store *store = network->daemon->store;
	int r = 0;

	for (size_t i = 0; i < KEYS && r >= 0; i++) {
		_cleanup_free_ char *path = str_printf("%s/%s", network->path, key_names[i]);

		network->keys[i].network = network;
		r = path ? store_watch_value(store, path, key_changed, &network->keys[i], &network->keys[i].watch)
			 : -ENOMEM;
	}
	for (size_t i = 0; i < KINDS && r >= 0; i++) {
		_cleanup_free_ char *path = str_printf("%s/%s", network->path, kinds[i].container);

		network->containers[i].network = network;
		network->containers[i].kind = &kinds[i];
		r = path ? store_watch_list(store, path, entries_changed, &network->containers[i],
					    &network->containers[i].watch)
			 : -ENOMEM;
	}
	return r;
}

static unsigned long number_of(const char *vni) {
	return strtoul(vni, NULL, 10); /* dhcp_is_vni() has looked at it */
}

static int network_add(struct daemon *daemon, const char *vni) {
	struct network *network = calloc(1, sizeof(*network)), **at = &daemon->networks;
	int r = -ENOMEM;

	if (!network)
		return r;
	network->daemon = daemon;
	network->vni = strdup(vni);
	network->path = store_path(STORE_NETWORKS, vni, (char *)NULL);
	if (network->vni && network->path)
		r = watch(network);
	if (r < 0) {
		network_free(network);
		return r;
	}
	while (*at && number_of((*at)->vni) < number_of(vni))
		at = &(*at)->next;
	network->next = *at;
	*at = network;
	return 0;
}

static bool is_known(const struct daemon *daemon, const char *vni) {
	for (const struct network *network = daemon->networks; network; network = network->next)
		if (str_equal(network->vni, vni))
			return true;
	return false;
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct daemon *daemon = userdata;

	(void)store;
	daemon->listed = true;
	for (size_t i = 0; children && i < children->count; i++) {
		const char *vni = children->items[i];
		int r = dhcp_is_vni(vni) && !is_known(daemon, vni) ? network_add(daemon, vni) : 0;

		if (r < 0)
			log_error("VNI %s cannot be watched: %s", vni, strerror(-r));
	}
	for (struct network **at = &daemon->networks; *at;) {
		struct network *network = *at;

		if (children && strlist_contains(children, network->vni)) {
			at = &network->next;
			continue;
		}
		*at = network->next;
		network_free(network);
	}
	database_changed(daemon);
}

int networks_start(struct daemon *daemon) {
	return store_watch_list(daemon->store, store_base(STORE_NETWORKS), list_changed, daemon, &daemon->list_watch);
}

void networks_stop(struct daemon *daemon) {
	while (daemon->networks) {
		struct network *network = daemon->networks;

		daemon->networks = network->next;
		network_free(network);
	}
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

static bool container_is_seen(const struct container *container) {
	if (!container->seen)
		return false;
	for (const struct entry *entry = container->entries; entry; entry = entry->next)
		for (size_t i = 0; i < FIELDS; i++)
			if (!entry->fields[i].seen)
				return false;
	return true;
}

bool networks_are_seen(const struct daemon *daemon) {
	if (!daemon->listed)
		return false;
	for (const struct network *network = daemon->networks; network; network = network->next) {
		for (size_t i = 0; i < KEYS; i++)
			if (!network->keys[i].seen)
				return false;
		for (size_t i = 0; i < KINDS; i++)
			if (!container_is_seen(&network->containers[i]))
				return false;
	}
	return true;
}

static void fill_hosts(const struct network *network, struct dns_host *hosts, size_t *count) {
	for (size_t i = 0; i < KINDS; i++)
		for (const struct entry *e = network->containers[i].entries; e; e = e->next) {
			bool by_address = kinds[i].family == AF_INET6;

			hosts[(*count)++] = (struct dns_host){
			    .reserved = kinds[i].reserved,
			    .family = kinds[i].family,
			    .mac = by_address ? e->fields[FIELD_OTHER].text : e->name,
			    .address = by_address ? e->name : e->fields[FIELD_OTHER].text,
			    .hostname = e->fields[FIELD_HOSTNAME].text,
			    .order = e->fields[FIELD_HOSTNAME].order,
			};
		}
}

int networks_plan(const struct daemon *daemon, struct dns_plan *ret) {
	_cleanup_free_ struct dns_network *list = NULL;
	_cleanup_free_ struct dns_host *hosts = NULL;
	size_t networks = 0, entries = 0, n = 0, used = 0;

	for (const struct network *network = daemon->networks; network; network = network->next) {
		networks++;
		for (size_t i = 0; i < KINDS; i++)
			entries += network->containers[i].count;
	}
	list = calloc(networks + 1, sizeof(*list));
	hosts = calloc(entries + 1, sizeof(*hosts));
	if (!list || !hosts)
		return -ENOMEM;
	for (const struct network *network = daemon->networks; network; network = network->next) {
		size_t first = used;

		if (!str_equal(network->keys[KEY_NETTYPE].text, "managed"))
			continue;
		fill_hosts(network, hosts, &used);
		list[n++] = (struct dns_network){
		    .vni = network->vni,
		    .domain = network->keys[KEY_DOMAIN].text,
		    .name_servers = network->keys[KEY_NAME_SERVERS].text,
		    .ip4_network = network->keys[KEY_IP4_NETWORK].text,
		    .ip6_network = network->keys[KEY_IP6_NETWORK].text,
		    .hosts = hosts + first,
		    .count = used - first,
		};
	}
	return dns_plan_make(list, n, daemon->config->upstream.domain, ret);
}
