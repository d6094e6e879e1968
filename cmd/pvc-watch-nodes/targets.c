/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which node takes a VM. Several VMs are on their way at the same time, and a node's figures do not hold those that
 * have not arrived yet: they are counted in until the node itself reports them (its figures and its list of VMs are
 * written in one transaction). So the choice is as good as if the VMs moved one after the other.
 */
#include "log/log.h"
#include "tour.h"

static const char *const figure_keys[FIGURE_COUNT] = {
    [FIGURE_DAEMON] = "daemonstate", [FIGURE_DOMAIN] = "domainstate", [FIGURE_MEMUSED] = "memused",
    [FIGURE_MEMFREE] = "memfree",    [FIGURE_MEMALLOC] = "memalloc",  [FIGURE_VCPUS] = "vcpualloc",
    [FIGURE_LOAD] = "cpuload",       [FIGURE_VMS] = "domainscount",   [FIGURE_RUNNING] = "runningdomains",
};

int targets_paths(struct trip *trip, struct strlist *paths) {
	const struct watcher *watcher = trip->tour->watcher;
	_cleanup_strlist_ struct strlist nodes = {0};
	int r = roster_names(watcher, &nodes);

	strlist_free(&trip->nodes);
	for (size_t i = 0; i < nodes.count && r >= 0; i++) {
		if (str_equal(nodes.items[i], watcher->config->node))
			continue;
		r = strlist_add(&trip->nodes, nodes.items[i]);
		for (int k = 0; k < FIGURE_COUNT && r >= 0; k++)
			r = strlist_take(paths, store_path(STORE_NODES, nodes.items[i], figure_keys[k], (char *)NULL));
	}
	return r;
}

/* Those that are on their way to the node, or arrived after its last heartbeat. */
static int count_in(const struct trip *chosen, struct select_node *node, const char *running) {
	const struct tour *tour = chosen->tour;
	_cleanup_strlist_ struct strlist reported = {0};
	int r = strlist_split(&reported, running ? running : "", " ");

	for (size_t i = 0; i < tour->trip_count && r >= 0; i++) {
		struct trip *trip = tour->trips[i];

		if (trip == chosen || trip->reported || !trip->target || !str_equal(trip->target, node->name))
			continue;
		trip->reported = strlist_contains(&reported, trip->uuid);
		if (!trip->reported)
			select_add(node, trip->memory, trip->vcpus);
	}
	return r;
}

static int read_node(const struct trip *trip, const char *name, const struct store_value *figures,
		     struct select_node *ret) {
	*ret = (struct select_node){
	    .name = name,
	    .daemon_state = daemon_state_parse(value_text(&figures[FIGURE_DAEMON])),
	    .domain_state = domain_state_parse(value_text(&figures[FIGURE_DOMAIN])),
	    .memused = select_figure(value_text(&figures[FIGURE_MEMUSED])),
	    .memfree = select_figure(value_text(&figures[FIGURE_MEMFREE])),
	    .memalloc = select_figure(value_text(&figures[FIGURE_MEMALLOC])),
	    .vcpualloc = select_figure(value_text(&figures[FIGURE_VCPUS])),
	    .domainscount = select_figure(value_text(&figures[FIGURE_VMS])),
	    .cpuload = select_load(value_text(&figures[FIGURE_LOAD])),
	};
	return count_in(trip, ret, value_text(&figures[FIGURE_RUNNING]));
}

/* The VM's own word; without one, or with one that nobody knows, the configuration's. */
static enum select_by selector(const struct trip *trip, const char *word) {
	enum select_by by = select_by_parse(word);
	_cleanup_free_ char *clean = NULL;

	if (by != SELECT_BY_UNKNOWN)
		return by;
	by = select_by_parse(config_selector_name(trip->tour->watcher->config->target_selector));
	if (!str_is_absent(word)) {
		clean = shown(word);
		log_warning("VM %s (%s): node_selector '%s' is none of mem, load, vcpus, vms: '%s' is taken",
			    trip->name, trip->uuid, SHOWN(clean), select_by_name(by));
	}
	return by;
}

static int find(const struct strlist *names, const char *name) {
	for (size_t i = 0; name && i < names->count; i++)
		if (str_equal(names->items[i], name))
			return (int)i;
	return -ENOENT;
}

int targets_choose(struct trip *trip, const struct store_value *vm, const struct store_value *figures, bool *ret_home,
		   char **ret_error) {
	const char *home = value_text(&vm[TOUR_LASTNODE]), *limit = value_text(&vm[TOUR_LIMIT]);
	_cleanup_free_ struct select_node *nodes = calloc(trip->nodes.count + 1, sizeof(*nodes));
	_cleanup_strlist_ struct strlist allowed = {0};
	struct select_request request = {
	    .limit = &allowed,
	    .tried = &trip->tried,
	    .exclude = trip->tour->watcher->config->node,
	    .home = home,
	    .by = selector(trip, value_text(&vm[TOUR_SELECTOR])),
	};
	int r = nodes ? 0 : -ENOMEM, at;

	if (r >= 0 && !str_is_absent(limit))
		r = strlist_split(&allowed, limit, ", ");
	for (size_t i = 0; i < trip->nodes.count && r >= 0; i++)
		r = read_node(trip, trip->nodes.items[i], figures + i * FIGURE_COUNT, &nodes[i]);
	if (r < 0)
		return r;
	*ret_home = false;
	r = select_target(nodes, trip->nodes.count, &request, ret_error);
	at = find(&trip->nodes, home);
	if (r != -ENOENT || at < 0)
		return r;
	/* better at home than off: it goes there as a VM that is unmigrated does, and is at home then (D43) */
	request.home = NULL;
	if (select_target(&nodes[at], 1, &request, NULL) < 0)
		return -ENOENT;
	*ret_home = true;
	return at;
}

bool targets_runs(const struct trip *trip, const struct store_value *figures, const char *node) {
	int at = find(&trip->nodes, node);

	return at >= 0 && daemon_state_parse(value_text(&figures[at * FIGURE_COUNT + FIGURE_DAEMON])) == DAEMON_RUN;
}

int targets_check(const struct trip *trip, size_t index, const struct store_value *figures, struct store_txn *txn) {
	static const enum node_figure keys[] = {FIGURE_DAEMON, FIGURE_DOMAIN};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *path =
		    store_path(STORE_NODES, trip->nodes.items[index], figure_keys[keys[i]], (char *)NULL);

		if (!path)
			return -ENOMEM;
		/* store_commit() reports a failed allocation */
		(void)store_txn_check(txn, path, figures[index * FIGURE_COUNT + keys[i]].stat.version);
	}
	return 0;
}
