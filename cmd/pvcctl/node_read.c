/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

static const char *const keys[NODE_KEY_COUNT] = {
    [NODE_SELF] = NULL,
    [NODE_MODE] = "daemonmode",
    [NODE_DAEMON] = "daemonstate",
    [NODE_ROUTER] = "routerstate",
    [NODE_DOMAIN] = "domainstate",
    [NODE_STATIC] = "staticdata",
    [NODE_MEMTOTAL] = "memtotal",
    [NODE_MEMUSED] = "memused",
    [NODE_MEMFREE] = "memfree",
    [NODE_MEMALLOC] = "memalloc",
    [NODE_VCPUALLOC] = "vcpualloc",
    [NODE_LOAD] = "cpuload",
    [NODE_VMS] = "domainscount",
    [NODE_RUNNING] = "runningdomains",
    [NODE_KEEPALIVE] = "keepalive",
    [NODE_AGENTS] = "fence_agents",
    [NODE_DRAIN] = "drain",
};

bool is_key_name(const char *text) {
	return *text && !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static char *key_path(const char *node, int key) {
	switch (key) {
	case NODE_FENCE:
		return store_path(STORE_PVC_FENCE, node, NULL);
	case NODE_HEART:
		return store_path(STORE_PVC_HEART, node, NULL);
	case NODE_ALIVE:
		return store_path(STORE_PVC_ALIVE, node, NULL);
	default:
		return store_path(STORE_NODES, node, keys[key], NULL);
	}
}

void nodes_free(struct nodes *nodes) {
	strlist_free(&nodes->names);
	snapshot_free(&nodes->keys);
}

const struct fetched *node_value(const struct nodes *nodes, size_t index, enum node_key key) {
	return &nodes->keys.values[index * NODE_KEY_COUNT + key];
}

int nodes_read(struct ctl *ctl, const char *only, struct nodes *ret) {
	_cleanup_strlist_ struct strlist paths = {0};
	struct nodes nodes = {0};
	int r;

	if (only && !is_key_name(only))
		return -ENOENT;
	r = only ? strlist_add(&nodes.names, only) : fetch_children(ctl, store_base(STORE_NODES), &nodes.names);
	for (size_t i = 0; r >= 0 && i < nodes.names.count; i++)
		for (int k = 0; r >= 0 && k < NODE_KEY_COUNT; k++)
			r = strlist_take(&paths, key_path(nodes.names.items[i], k));
	if (r >= 0)
		r = fetch_many(ctl, &paths, &nodes.keys);
	if (r >= 0 && only && !node_value(&nodes, 0, NODE_SELF)->exists)
		r = -ENOENT;
	if (r < 0) {
		nodes_free(&nodes);
		return r;
	}
	*ret = nodes;
	return 0;
}

static int64_t figure(const struct nodes *nodes, size_t i, enum node_key key) {
	int64_t number = fetched_number(node_value(nodes, i, key));

	return number < 0 ? SELECT_UNKNOWN : number;
}

struct select_node *node_candidates(const struct nodes *nodes) {
	struct select_node *candidates = calloc(nodes->names.count + 1, sizeof(*candidates));

	for (size_t i = 0; candidates && i < nodes->names.count; i++)
		candidates[i] = (struct select_node){
		    .name = nodes->names.items[i],
		    .daemon_state = daemon_state_parse(node_value(nodes, i, NODE_DAEMON)->data),
		    .domain_state = domain_state_parse(node_value(nodes, i, NODE_DOMAIN)->data),
		    .memused = figure(nodes, i, NODE_MEMUSED),
		    .memfree = figure(nodes, i, NODE_MEMFREE),
		    .memalloc = figure(nodes, i, NODE_MEMALLOC),
		    .vcpualloc = figure(nodes, i, NODE_VCPUALLOC),
		    .domainscount = figure(nodes, i, NODE_VMS),
		    .cpuload = select_load(node_value(nodes, i, NODE_LOAD)->data),
		};
	return candidates;
}

bool node_reports_vm(const char *runningdomains, const char *uuid) {
	_cleanup_strlist_ struct strlist words = {0};

	return strlist_split(&words, runningdomains, " \n\t") >= 0 && strlist_contains(&words, uuid);
}
