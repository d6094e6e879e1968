/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * release: an operator vouches that the node that may have a VM's process is off. It is refused while that node's own
 * program says that it runs; what was being sent to another node is given to that one, as there may be a copy.
 */
#include "pvcctl.h"

struct releasing {
	const char *holder_path;
	char *node; /* who had it */
	bool nobody, unclear, runs;
	const struct nodes *nodes;
};

static bool runs(const struct nodes *nodes, const char *name) {
	for (size_t i = 0; i < nodes->names.count; i++)
		if (str_equal(nodes->names.items[i], name))
			return daemon_state_parse(node_value(nodes, i, NODE_DAEMON)->data) == DAEMON_RUN;
	return false;
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct releasing *w = userdata;
	struct holder holder = holder_parse(values[1].data);
	_cleanup_free_ char *after = NULL;
	int r;

	(void)count;
	if (!values[0].exists)
		return -ENOENT;
	w->nobody = holder.kind == HOLDER_NONE;
	if (w->nobody)
		return -EPERM;
	free(w->node);
	w->node = strdup(holder.kind == HOLDER_HANDED ? holder.target : holder.node);
	if (!w->node)
		return -ENOMEM;
	w->runs = holder.kind != HOLDER_UNCLEAR && runs(w->nodes, w->node);
	if (w->runs)
		return -EPERM;
	r = holder.kind == HOLDER_UNCLEAR ? 0 : holder_without(&holder, w->node, &after);
	return r < 0 ? r : store_txn_put(txn, w->holder_path, &values[1], after ? after : "");
}

int vm_release(struct ctl *ctl) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	_cleanup_nodes_ struct nodes nodes = {0};
	_cleanup_free_ char *self = NULL, *path = NULL, *node = NULL;
	struct releasing w = {.nodes = &nodes};
	int r = vm_find(ctl, ctl->arguments[0], &vm);

	if (r != EXIT_OK)
		return r;
	if (!ctl->options.yes)
		return failed_with(EXIT_FAILED,
				   "VM '%s' may then be started elsewhere: if the node that had it still runs it, its "
				   "disks are destroyed; give --yes when you made sure that this node is off",
				   vm.name);
	self = vm_key_path(vm.uuid, "");
	w.holder_path = path = vm_key_path(vm.uuid, "holder");
	r = self && path ? nodes_read(ctl, NULL, &nodes) : -ENOMEM;
	if (r >= 0)
		r = store_update_wait(ctl->store, (const char *const[]){self, path}, 2, compute, &w,
				      deadline_after(OPERATION_TIMEOUT));
	node = w.node;
	if (r == -EPERM && w.nobody)
		return failed_with(EXIT_FAILED, "no node has VM '%s'", vm.name);
	if (r == -EPERM)
		return failed_with(EXIT_FAILED,
				   "node '%s' has VM '%s' and is in daemon state 'run': it gives it up by itself when "
				   "the VM is off",
				   node, vm.name);
	if (r < 0)
		return failed(r, "cannot release VM '%s': %s", vm.name, store_error_text(r));
	printf("VM '%s' is no longer held by node '%s'.\n", vm.name, node);
	return EXIT_OK;
}
