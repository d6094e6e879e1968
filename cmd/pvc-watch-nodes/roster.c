/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The nodes of the cluster and the maintenance switch: what changes is said in the log. */
#include "log/log.h"
#include "watcher.h"

#define NODES_MAX 1000 /* nodes that are watched; a cluster has a handful, so more is a runaway writer */

struct node {
	struct roster *roster;
	char *name;
	char *state; /* last daemonstate seen, or NULL */
	bool known;
	struct store_watch *watch;
};

struct roster {
	struct watcher *watcher;
	struct store_watch *list, *maintenance;
	struct node **nodes; /* sorted by name */
	size_t count;
	bool listed, seen_list, seen_maintenance, over;
	enum maintenance mode;
	char *unclear; /* last value of /maintenance that nobody understands */
};

static void node_free(struct node *node) {
	if (node->roster && node->roster->watcher->store)
		store_watch_free(node->watch);
	free(node->name);
	free(node->state);
	free(node);
}

static void part_seen(struct roster *roster, bool *part) {
	bool all = roster->seen_list && roster->seen_maintenance;

	*part = true;
	if (!all && roster->seen_list && roster->seen_maintenance)
		watcher_seen(roster->watcher);
}

static void state_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct node *node = userdata;
	const char *text = value_text(value);
	_cleanup_free_ char *name = shown(node->name), *was = shown(node->state), *is = shown(text);

	(void)store;
	if (node->known && str_equal(text, node->state)) /* written again: nothing new */
		return;
	if (!node->known)
		log_info("node %s: daemon state %s", SHOWN(name), SHOWN(is));
	else if (daemon_state_parse(text) == DAEMON_DEAD)
		log_warning("node %s: daemon state %s -> %s", SHOWN(name), SHOWN(was), SHOWN(is));
	else
		log_info("node %s: daemon state %s -> %s", SHOWN(name), SHOWN(was), SHOWN(is));
	if (text && daemon_state_parse(text) == DAEMON_STATE_UNKNOWN)
		log_warning("node %s: daemon state %s is no known word", SHOWN(name), SHOWN(is));
	node->known = true;
	free(node->state);
	node->state = text ? strdup(text) : NULL;
}

static struct node *node_new(struct roster *roster, const char *name) {
	struct store *store = roster->watcher->store;
	struct node *node = calloc(1, sizeof(*node));
	_cleanup_free_ char *path = store_path(STORE_NODES, name, "daemonstate", (char *)NULL);
	int r = node && path && (node->name = strdup(name)) ? 0 : -ENOMEM;

	if (r >= 0) {
		node->roster = roster;
		r = store_watch_value(store, path, state_changed, node, &node->watch);
	}
	if (r < 0) {
		_cleanup_free_ char *clean = shown(name);

		log_error("cannot watch node %s: %s", SHOWN(clean), strerror(-r));
		if (node)
			node_free(node);
		return NULL;
	}
	return node;
}

static struct node *take(struct roster *roster, const char *name) {
	for (size_t i = 0; i < roster->count; i++)
		if (roster->nodes[i] && str_equal(roster->nodes[i]->name, name)) {
			struct node *node = roster->nodes[i];

			roster->nodes[i] = NULL;
			return node;
		}
	return NULL;
}

/* Frees those that were not taken over into a new list. */
static void drop_nodes(struct roster *roster, bool say) {
	for (size_t i = 0; i < roster->count; i++) {
		if (!roster->nodes[i])
			continue;
		if (say) {
			_cleanup_free_ char *name = shown(roster->nodes[i]->name);

			log_warning("node %s is no longer in the cluster's list", SHOWN(name));
		}
		node_free(roster->nodes[i]);
	}
	free(roster->nodes);
	roster->nodes = NULL;
	roster->count = 0;
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct roster *roster = userdata;
	size_t wanted = children ? children->count : 0, count = 0;
	struct node **nodes;

	(void)store;
	if (!children)
		log_warning("%s does not exist: no cluster here yet; pvc-register makes it", store_base(STORE_NODES));
	if (wanted > NODES_MAX && !roster->over)
		log_warning("%zu nodes: only %u of them are watched", wanted, NODES_MAX);
	roster->over = wanted > NODES_MAX;
	if (wanted > NODES_MAX)
		wanted = NODES_MAX;
	nodes = calloc(wanted + 1, sizeof(struct node *));
	if (!nodes) {
		log_error("not enough memory for the list of nodes");
		return;
	}
	for (size_t i = 0; i < wanted; i++) {
		struct node *node = take(roster, children->items[i]);

		if (!node) {
			_cleanup_free_ char *name = shown(children->items[i]);

			if (roster->listed)
				log_info("node %s appeared", SHOWN(name));
			node = node_new(roster, children->items[i]);
		}
		if (node)
			nodes[count++] = node;
	}
	drop_nodes(roster, true);
	roster->nodes = nodes;
	roster->count = count;
	roster->listed = true;
	part_seen(roster, &roster->seen_list);
	duty_compare(roster->watcher); /* it waits for the nodes */
}

static void maintenance_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct roster *roster = userdata;
	const char *text = value_text(value);
	enum maintenance mode = maintenance_parse(text);
	bool was_on = roster->mode == MAINTENANCE_ON;
	_cleanup_free_ char *clean = shown(text);

	(void)store;
	if (mode == MAINTENANCE_UNCLEAR && text && !str_equal(text, roster->unclear))
		log_warning("%s holds '%s', which is neither on nor off: taken as off", store_base(STORE_MAINTENANCE),
			    SHOWN(clean));
	free(roster->unclear);
	roster->unclear = mode == MAINTENANCE_UNCLEAR && text ? strdup(text) : NULL;
	if (was_on != (mode == MAINTENANCE_ON))
		log_info("maintenance mode is %s", was_on ? "off" : "on");
	roster->mode = mode;
	part_seen(roster, &roster->seen_maintenance);
}

int roster_names(const struct watcher *watcher, struct strlist *ret) {
	const struct roster *roster = watcher->roster;
	int r = 0;

	for (size_t i = 0; i < roster->count && r >= 0; i++)
		r = strlist_add(ret, roster->nodes[i]->name);
	return r;
}

bool roster_is_known(const struct watcher *watcher) {
	return watcher->roster && watcher->roster->listed;
}

int roster_start(struct watcher *watcher) {
	struct roster *roster = calloc(1, sizeof(*roster));
	int r;

	if (!roster)
		return -ENOMEM;
	roster->watcher = watcher;
	watcher->roster = roster;
	r = store_watch_list(watcher->store, store_base(STORE_NODES), list_changed, roster, &roster->list);
	if (r < 0)
		return r;
	return store_watch_value(watcher->store, store_base(STORE_MAINTENANCE), maintenance_changed, roster,
				 &roster->maintenance);
}

void roster_stop(struct watcher *watcher) {
	struct roster *roster = watcher->roster;

	if (!roster)
		return;
	drop_nodes(roster, false);
	free(roster->unclear);
	free(roster);
	watcher->roster = NULL;
}
