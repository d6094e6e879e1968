/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The networks. A network is deleted when its key is, never because ZooKeeper cannot be reached or has no /networks. */
#include "daemon.h"

static size_t position(const struct table *table, uint32_t vni) {
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->items[middle]->vni < vni)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct network *table_find(const struct daemon *daemon, uint32_t vni) {
	size_t at = position(&daemon->table, vni);

	return at < daemon->table.count && daemon->table.items[at]->vni == vni ? daemon->table.items[at] : NULL;
}

static struct network *insert(struct daemon *daemon, uint32_t vni) {
	struct table *table = &daemon->table;
	size_t at = position(table, vni);
	struct network *network = calloc(1, sizeof(*network));
	struct network **items = reallocarray(table->items, table->count + 1, sizeof(*items));

	if (items)
		table->items = items;
	if (!items || !network) {
		free(network);
		return NULL;
	}
	memmove(items + at + 1, items + at, (table->count - at) * sizeof(*items));
	items[at] = network;
	table->count++;
	network->daemon = daemon;
	network->vni = vni;
	return network;
}

static void unwatch(struct network *network) {
	if (network->daemon->store) { /* else it was closed, and took them with it */
		store_watch_free(network->watch);
		for (size_t i = 0; i < NETWORK_DIRECTION_COUNT; i++)
			if (network->watched)
				rules_stop(&network->rules[i]);
	}
	network->watch = NULL;
	network->watched = false;
}

static void network_free(struct network *network) {
	unwatch(network);
	for (size_t i = 0; i < NETWORK_DIRECTION_COUNT; i++)
		rules_stop(&network->rules[i]);
	free(network->did);
	free(network);
}

void table_forget(struct network *network) {
	struct table *table = &network->daemon->table;
	size_t at = position(table, network->vni);

	memmove(table->items + at, table->items + at + 1, (table->count - at - 1) * sizeof(*table->items));
	table->count--;
	network_free(network);
}

/* ---- one network's keys ---- */

static void nettype_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct network *network = userdata;
	enum network_type type = network_type_parse(value_text(value));

	(void)store;
	if (type == NETWORK_INCOMPLETE && !network->incomplete_since)
		network->incomplete_since = now_monotonic();
	else if (type != NETWORK_INCOMPLETE)
		network->incomplete_since = 0;
	if (!network->seen || network->type != type) {
		network->type = type;
		filters_mark(network);
	}
	network->seen = true;
	links_mark(network);
}

static int watch(struct network *network) {
	_cleanup_free_ char *vni = str_printf("%u", network->vni);
	_cleanup_free_ char *path = vni ? store_path(STORE_NETWORKS, vni, "nettype", NULL) : NULL;
	int r =
	    path ? store_watch_value(network->daemon->store, path, nettype_changed, network, &network->watch) : -ENOMEM;

	network->watched = true;
	network->seen = false;
	for (size_t i = 0; r >= 0 && i < NETWORK_DIRECTION_COUNT; i++)
		r = rules_start(&network->rules[i], network, (enum network_direction)i);
	return r;
}

static void begin(struct daemon *daemon, struct network *network, uint32_t vni) {
	int r = -ENOMEM;

	if (!network)
		network = insert(daemon, vni);
	if (network) {
		network->gone = network->waits = network->in_force = false;
		network->rounds = 0;
		r = watch(network);
	}
	if (r < 0)
		log_error("cannot watch network %u: %s", vni, strerror(-r));
}

static void end(struct network *network) {
	network->gone = true;
	network->type = NETWORK_GONE;
	network->in_force = false;
	network->rounds = 0;
	network->incomplete_since = network->retry_at = network->settle_since = 0;
	unwatch(network);
	report_set_vni(network->daemon, network->vni, REPORT_FIREWALL, NULL);
	filters_forget(network->daemon, network->vni);
	links_mark(network);
}

struct network *table_add_gone(struct daemon *daemon, uint32_t vni) {
	struct network *network = insert(daemon, vni);

	if (!network)
		return NULL;
	network->gone = network->seen = true;
	network->type = NETWORK_GONE;
	links_mark(network);
	return network;
}

/* ---- the list ---- */

static void name_odd(struct daemon *daemon, const char *key, struct strlist *odd) {
	_cleanup_free_ char *shown = str_printable(key, MESSAGE_BYTES);

	(void)strlist_add(odd, key); /* without memory it is told again */
	if (strlist_contains(&daemon->table.odd, key))
		return;
	log_warning("/networks/%s is no network: its number has to be 1 to %u, in plain digits", shown ? shown : "?",
		    NETWORK_VNI_MAX);
	if (strchr(key, '/') == NULL && str_equal(shown, key))
		report_set(daemon, key, REPORT_LINKS, "the number has to be 1 to 16777215, in plain digits");
}

static int compare_numbers(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The numbers in the list, ascending. */
static uint32_t *numbers_of(struct daemon *daemon, const struct strlist *children, size_t *ret_count) {
	uint32_t *numbers = calloc(children->count + 1, sizeof(*numbers));
	struct strlist odd = {0};
	size_t count = 0;

	for (size_t i = 0; numbers && i < children->count; i++) {
		if (network_parse_vni(children->items[i], &numbers[count]) >= 0)
			count++;
		else
			name_odd(daemon, children->items[i], &odd);
	}
	for (size_t i = 0; i < daemon->table.odd.count; i++)
		if (!strlist_contains(&odd, daemon->table.odd.items[i]))
			report_set(daemon, daemon->table.odd.items[i], REPORT_LINKS, NULL);
	strlist_free(&daemon->table.odd);
	daemon->table.odd = odd;
	if (numbers)
		qsort(numbers, count, sizeof(*numbers), compare_numbers);
	*ret_count = count;
	return numbers;
}

/* Both are sorted; what is only in the one or the other came or went. */
static void compare(struct daemon *daemon, const uint32_t *numbers, size_t count) {
	struct table *table = &daemon->table;

	for (size_t i = 0; i < count; i++) {
		struct network *network = table_find(daemon, numbers[i]);

		if (!network || network->gone)
			begin(daemon, network, numbers[i]);
	}
	for (size_t i = 0; i < table->count; i++)
		if (!table->items[i]->gone &&
		    !bsearch(&table->items[i]->vni, numbers, count, sizeof(*numbers), compare_numbers))
			end(table->items[i]);
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct daemon *daemon = userdata;
	struct table *table = &daemon->table;
	_cleanup_free_ uint32_t *numbers = NULL;
	size_t count = 0;

	(void)store;
	if (!children) {
		if (table->exists || !table->seen)
			log_warning("%s does not exist: nothing is changed until it does; pvc-register makes it",
				    store_base(STORE_NETWORKS));
		table->seen = true;
		table->exists = false;
		daemon_check_ready(daemon);
		return;
	}
	numbers = numbers_of(daemon, children, &count);
	if (!numbers) {
		log_error("not enough memory for the list of networks");
		return;
	}
	if (count > NETWORKS_MAX) {
		log_error("%zu networks: only the first %u are served", count, NETWORKS_MAX);
		count = NETWORKS_MAX;
	}
	compare(daemon, numbers, count);
	if (table->seen && !table->exists)
		filters_compare(daemon);
	table->seen = table->exists = true;
	daemon_check_ready(daemon);
}

int table_start(struct daemon *daemon) {
	return store_watch_list(daemon->store, store_base(STORE_NETWORKS), list_changed, daemon, &daemon->table.watch);
}

void table_stop(struct daemon *daemon) {
	struct table *table = &daemon->table;

	for (size_t i = 0; i < table->count; i++)
		network_free(table->items[i]);
	free(table->items);
	strlist_free(&table->odd);
	*table = (struct table){0};
}
