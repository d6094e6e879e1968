/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The base keys of the data model and their values on a new cluster. */
#include "store/store.h"

static const struct {
	const char *path, *initial;
} layout[STORE_BASE_COUNT] = {
    [STORE_PRIMARY_NODE] = {"/primary_node", "none"},
    [STORE_UPSTREAM_IP] = {"/upstream_ip", "none"},
    [STORE_MAINTENANCE] = {"/maintenance", "False"},
    [STORE_NODES] = {"/nodes", ""},
    [STORE_DOMAINS] = {"/domains", ""},
    [STORE_NETWORKS] = {"/networks", ""},
    [STORE_CEPH] = {"/ceph", ""},
    [STORE_CEPH_OSDS] = {"/ceph/osds", ""},
    [STORE_CEPH_POOLS] = {"/ceph/pools", ""},
    [STORE_CEPH_VOLUMES] = {"/ceph/volumes", ""},
    [STORE_CEPH_SNAPSHOTS] = {"/ceph/snapshots", ""},
    [STORE_CMD] = {"/cmd", ""},
    [STORE_CMD_DOMAINS] = {"/cmd/domains", ""},
    [STORE_CMD_CEPH] = {"/cmd/ceph", ""},
    [STORE_LOCKS] = {"/locks", ""},
    [STORE_LOCKS_FLUSH] = {"/locks/flush_lock", ""},
    [STORE_LOCKS_PRIMARY] = {"/locks/primary_node", ""},
    [STORE_PVC] = {"/pvc", ""},
    [STORE_PVC_PRIMARY] = {"/pvc/primary", ""},
    [STORE_PVC_CANDIDATES] = {"/pvc/primary/candidates", ""},
    [STORE_PVC_ALIVE] = {"/pvc/alive", ""},
    [STORE_PVC_HEART] = {"/pvc/heart", ""},
    [STORE_PVC_FENCE] = {"/pvc/fence", ""},
    [STORE_PVC_AGENTS] = {"/pvc/agents", ""},
};

const char *store_base(enum store_base key) {
	return layout[key].path;
}

const char *store_base_initial(enum store_base key) {
	return layout[key].initial;
}

char *store_path(enum store_base key, ...) {
	_cleanup_strbuf_ struct strbuf buffer = {0};
	const char *component;
	va_list components;

	(void)strbuf_puts(&buffer, store_base(key)); /* failures stay in the buffer */
	va_start(components, key);
	while ((component = va_arg(components, const char *))) {
		(void)strbuf_puts(&buffer, "/");
		(void)strbuf_puts(&buffer, component);
	}
	va_end(components);
	return strbuf_steal(&buffer);
}
