/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

/* As its node will decide, with the figures as they are now; its node's default selector is not known here. */
static bool has_target(const struct vms *vms, size_t i, const struct select_node *candidates, size_t count,
		       const char *node) {
	const char *limit = vm_value(vms, i, VM_KEY_LIMIT)->data;
	_cleanup_strlist_ struct strlist allowed = {0};
	struct select_request request = {
	    .limit = &allowed, .exclude = node, .by = select_by_parse(vm_value(vms, i, VM_KEY_SELECTOR)->data)};

	if (request.by == SELECT_BY_UNKNOWN)
		request.by = SELECT_MEM;
	if (!str_is_absent(limit) && strlist_split(&allowed, limit, ", ") < 0)
		return false;
	return select_target(candidates, count, &request, NULL) >= 0; /* its home counts: better there than off */
}

int unmovable_vms(struct ctl *ctl, const struct nodes *nodes, const char *node, struct strlist *ret) {
	_cleanup_free_ struct select_node *candidates = node_candidates(nodes);
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	int r = candidates ? fetch_children(ctl, store_base(STORE_DOMAINS), &uuids) : -ENOMEM;

	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_SELECTOR + 1, &vms);
	for (size_t i = 0; r >= 0 && i < uuids.count; i++) {
		const struct drain_vm vm = {.state = vm_value(&vms, i, VM_KEY_STATE)->data,
					    .node = vm_value(&vms, i, VM_KEY_NODE)->data};
		_cleanup_free_ char *name = NULL;

		if (flush_decide(&vm, node) != FLUSH_MOVE || has_target(&vms, i, candidates, nodes->names.count, node))
			continue;
		name = str_printable(vm_value(&vms, i, VM_KEY_NAME)->data, 60);
		r = name ? strlist_add(ret, name) : -ENOMEM;
	}
	return r;
}
