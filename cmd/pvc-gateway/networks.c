/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The networks as the store has them: watches on every key that matters, and the reservations as a hosts file. */
#include <sys/stat.h>

#include "dhcp/dhcp.h"
#include "gateway.h"
#include "log/log.h"

enum { RESERVED_ADDRESS, RESERVED_NAME, RESERVED_KEYS };
static const char *const reserved_names[RESERVED_KEYS] = {"ipaddr", "hostname"};

struct reservation {
	struct network *network;
	char *mac;
	struct reserved_slot {
		struct reservation *reservation;
		struct store_watch *watch;
		char *text;
		bool seen;
	} slots[RESERVED_KEYS];
	bool listed;
	struct reservation *next;
};

/* ---- reservations ---- */

static void reservation_free(struct reservation *reservation, bool unwatch) {
	for (int i = 0; i < RESERVED_KEYS; i++) {
		if (unwatch && reservation->slots[i].watch)
			store_watch_free(reservation->slots[i].watch);
		free(reservation->slots[i].text);
	}
	free(reservation->mac);
	free(reservation);
}

static void touched(struct network *network) {
	network->hosts_dirty = true;
	/* a network is looked at once all of it was read, and this may be the last of it */
	network->gateway->changed = true;
	reconcile_soon(network->gateway);
}

static void reserved_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct reserved_slot *slot = userdata;
	const char *text = VALUE_TEXT(value);

	(void)store;
	slot->seen = true;
	free(slot->text);
	slot->text = text ? strdup(text) : NULL; /* without memory the reservation is unusable until it changes again */
	touched(slot->reservation->network);
}

static int reservation_add(struct network *network, const char *mac) {
	struct reservation *reservation = calloc(1, sizeof(*reservation));
	int r = 0;

	if (!reservation)
		return -ENOMEM;
	reservation->network = network;
	reservation->mac = strdup(mac);
	if (!reservation->mac)
		r = -ENOMEM;
	for (int i = 0; i < RESERVED_KEYS && r >= 0; i++) {
		_cleanup_free_ char *path =
		    str_printf("%s/dhcp4_reservations/%s/%s", network->path, mac, reserved_names[i]);

		reservation->slots[i].reservation = reservation;
		r = path ? store_watch_value(network->gateway->store, path, reserved_changed, &reservation->slots[i],
					     &reservation->slots[i].watch)
			 : -ENOMEM;
	}
	if (r < 0) {
		reservation_free(reservation, true);
		return r;
	}
	reservation->listed = true;
	reservation->next = network->reservations;
	network->reservations = reservation;
	return 0;
}

static void reservations_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct network *network = userdata;

	(void)store;
	network->reservations_seen = true;
	for (struct reservation *r = network->reservations; r; r = r->next)
		r->listed = false;
	for (size_t i = 0; children && i < children->count; i++) {
		struct reservation *known = network->reservations;
		int r = 0;

		while (known && !str_equal(known->mac, children->items[i]))
			known = known->next;
		if (known)
			known->listed = true;
		else
			r = reservation_add(network, children->items[i]);
		if (r < 0)
			log_error("VNI %s: a reservation cannot be watched: %s", network->vni, strerror(-r));
	}
	for (struct reservation **at = &network->reservations; *at;) {
		struct reservation *reservation = *at;

		if (reservation->listed) {
			at = &reservation->next;
			continue;
		}
		*at = reservation->next;
		reservation_free(reservation, true);
	}
	touched(network);
}

static int compare_lines(const void *a, const void *b) {
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_lines(const struct network *network, struct strlist *lines) {
	for (const struct reservation *r = network->reservations; r; r = r->next) {
		_cleanup_free_ char *shown = str_printable(r->mac, 60);
		const char *why;
		char *line = reservation_line(r->mac, r->slots[RESERVED_ADDRESS].text, r->slots[RESERVED_NAME].text,
					      &network->wanted.network4, &why);

		if (!line && !why)
			return -ENOMEM;
		if (!line)
			log_warning("VNI %s: the reservation of '%s' is left out: %s", network->vni,
				    shown ? shown : "?", why);
		else if (strlist_take(lines, line) < 0)
			return -ENOMEM;
	}
	if (lines->count > 1)
		qsort(lines->items, lines->count, sizeof(*lines->items), compare_lines);
	return 0;
}

/* dnsmasq enters it with rights of its own, whatever our umask is. */
int network_make_directory(const struct network *network) {
	int r = dir_make(network->directory, 0755);

	if (r >= 0 && chmod(network->directory, 0755) < 0)
		r = -errno;
	return r;
}

/* With our files in it; what else is there stays, and the directory with it. */
void network_remove_directory(const struct network *network) {
	static const char *const names[] = {"hosts", "gateways"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = str_printf("%s/%s", network->directory, names[i]);

		if (path)
			(void)unlink(path); /* what stays is harmless: the next start tries again */
	}
	(void)rmdir(network->directory); /* likewise */
}

int network_write_hosts(struct network *network) {
	_cleanup_strlist_ struct strlist lines = {0};
	_cleanup_free_ char *joined = NULL, *text = NULL, *path = str_printf("%s/hosts", network->directory);
	int r = path ? collect_lines(network, &lines) : -ENOMEM;

	if (r < 0)
		return r;
	joined = strlist_join(&lines, "\n");
	text = joined ? str_printf("%s%s", joined, lines.count ? "\n" : "") : NULL;
	if (!text)
		return -ENOMEM;
	network->hosts_dirty = false;
	if (str_equal(text, network->hosts))
		return 0;
	r = network_make_directory(network);
	if (r >= 0) /* 0644: dnsmasq reads it again when it has given up root's rights */
		r = file_write_atomic(path, text, strlen(text), 0644);
	if (r < 0) {
		network->hosts_dirty = true;
		return r;
	}
	free(network->hosts);
	network->hosts = move_ptr(text);
	return 1;
}

/* ---- networks ---- */

struct network *network_find(struct gateway *gateway, const char *vni) {
	struct network *network = gateway->networks;

	while (network && !str_equal(network->vni, vni))
		network = network->next;
	return network;
}

static uint64_t number_of(const char *vni) {
	uint64_t number = 0;

	(void)parse_u64(vni, 0, UINT32_MAX, &number); /* checked when the network was made */
	return number;
}

struct network *network_leftover(struct gateway *gateway, const char *vni) {
	struct network *network = calloc(1, sizeof(*network)), **at = &gateway->networks;

	if (!network)
		return NULL;
	network->gateway = gateway;
	network->gone = true;
	network->vni = strdup(vni);
	network->path = store_path(STORE_NETWORKS, vni, (char *)NULL);
	network->directory = str_printf("%s/dnsmasq/%s", gateway->config->dynamic_directory, vni);
	(void)snprintf(network->bridge, sizeof(network->bridge), "vmbr%s", vni); /* 12 bytes at the most */
	network->server = server_new(network);
	if (!network->vni || !network->path || !network->directory || !network->server) {
		network_free(network);
		return NULL;
	}
	while (*at && number_of((*at)->vni) < number_of(vni)) /* in order: of two that overlap the first one wins */
		at = &(*at)->next;
	network->next = *at;
	*at = network;
	return network;
}

static void key_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct key_slot *slot = userdata;
	struct network *network = slot->network;
	const char *text = VALUE_TEXT(value);

	(void)store;
	if (slot->seen && str_equal(text, network->keys[slot->key]))
		return;
	slot->seen = true;
	free(network->keys[slot->key]);
	network->keys[slot->key] = text ? strdup(text) : NULL;
	touched(network); /* where the network is decides which reservations are usable */
}

static int watch_keys(struct network *network, int first, int end) {
	int r = 0;

	for (int i = first; i < end && r >= 0; i++) {
		_cleanup_free_ char *path = str_printf("%s/%s", network->path, network_key_names[i]);

		network->slots[i] = (struct key_slot){.network = network, .key = (enum network_key)i};
		r = path ? store_watch_value(network->gateway->store, path, key_changed, &network->slots[i],
					     &network->watches[i])
			 : -ENOMEM;
	}
	return r;
}

/* All but what says its addresses. */
static int watch_rest(struct network *network) {
	_cleanup_free_ char *reservations = str_printf("%s/dhcp4_reservations", network->path);
	int r = reservations ? watch_keys(network, KEY_OF_ADDRESSES, KEY_COUNT) : -ENOMEM;

	if (r >= 0)
		r = store_watch_list(network->gateway->store, reservations, reservations_changed, network,
				     &network->reservations_watch);
	return r;
}

static void unwatch(struct network *network) {
	bool store = network->gateway->store; /* once it is closed it took all watches with it */

	for (int i = 0; i < KEY_COUNT; i++) {
		if (store && network->watches[i])
			store_watch_free(network->watches[i]);
		network->watches[i] = NULL;
		free(network->keys[i]);
		network->keys[i] = NULL;
		network->slots[i].seen = false;
	}
	if (store && network->reservations_watch)
		store_watch_free(network->reservations_watch);
	network->reservations_watch = NULL;
	network->reservations_seen = false;
	while (network->reservations) {
		struct reservation *reservation = network->reservations;

		network->reservations = reservation->next;
		reservation_free(reservation, store);
	}
}

void network_free(struct network *network) {
	unwatch(network);
	server_free(network->server);
	wanted_free(&network->wanted);
	free(network->hosts);
	free(network->said);
	free(network->directory);
	free(network->path);
	free(network->vni);
	free(network);
}

static bool are_seen(const struct network *network, int first, int end) {
	for (int i = first; i < end; i++)
		if (!network->slots[i].seen)
			return false;
	return true;
}

bool network_addresses_are_seen(const struct network *network) {
	return network->gone || are_seen(network, 0, KEY_OF_ADDRESSES);
}

bool network_is_hinted(const struct network *network) {
	return network->hinted && (network->gone ? !network->gateway->listed : !network_addresses_are_seen(network));
}

bool network_is_seen(const struct network *network) {
	if (network->gone)
		return true;
	if (!are_seen(network, 0, KEY_COUNT))
		return false;
	for (const struct reservation *r = network->reservations; r; r = r->next)
		for (int i = 0; i < RESERVED_KEYS; i++)
			if (!r->slots[i].seen)
				return false;
	return network->reservations_seen;
}

static void give_up(struct network *network, int error) {
	log_error("VNI %s cannot be watched: %s", network->vni, strerror(-error));
	unwatch(network);
	network->gone = true;
}

static void appear(struct gateway *gateway, const char *vni) {
	struct network *network = network_find(gateway, vni);
	_cleanup_free_ char *shown = str_printable(vni, 60);
	int r = 0;

	if (!dhcp_is_vni(vni)) {
		log_warning("/networks/%s is left alone: a VNI is a number from 1 to 16777215", shown ? shown : "?");
		return;
	}
	if (network && !network->gone)
		return;
	if (!network)
		network = network_leftover(gateway, vni);
	if (network) {
		network->gone = false;
		r = watch_keys(network, 0, KEY_OF_ADDRESSES);
	}
	if (!network)
		log_error("VNI %s cannot be watched: %s", vni, strerror(ENOMEM));
	else if (r < 0)
		give_up(network, r);
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct gateway *gateway = userdata;

	(void)store;
	gateway->listed = true;
	gateway->changed = true;
	for (size_t i = 0; children && i < children->count; i++)
		appear(gateway, children->items[i]);
	/* the addresses of all of them come first: guests miss those */
	for (struct network *network = gateway->networks; network; network = network->next) {
		int r = !network->gone && !network->reservations_watch ? watch_rest(network) : 0;

		if (r < 0)
			give_up(network, r);
	}
	for (struct network *network = gateway->networks; network; network = network->next)
		if (!network->gone && (!children || !strlist_contains(children, network->vni))) {
			unwatch(network);
			network->gone = true;
		}
	reconcile_soon(gateway);
}

int networks_start(struct gateway *gateway) {
	return store_watch_list(gateway->store, store_base(STORE_NETWORKS), list_changed, gateway,
				&gateway->list_watch);
}
