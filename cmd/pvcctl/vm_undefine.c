/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Undefine: stop, wait until it is off, mark as `delete`, delete the keys. Killed in between, it can be run again: a VM
 * marked as `delete` is taken up from there.
 */
#include "pvcctl.h"

#define DELETE_TRIES 5 /* its node may just be writing into the tree */

struct found {
	bool marked;  /* as delete */
	bool stopped; /* its state says so: need not be written again */
	bool runs;
};

static int look(struct ctl *ctl, const struct vm_ref *vm, struct found *ret) {
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	_cleanup_nodes_ struct nodes nodes = {0};
	enum vm_state state;
	int r = strlist_add(&uuids, vm->uuid);

	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_BRIEF_COUNT, &vms);
	if (r >= 0)
		r = nodes_read(ctl, NULL, &nodes);
	if (r < 0)
		return failed(r, "cannot read VM '%s': %s", vm->name, store_error_text(r));
	state = vm_state_parse(vm_value(&vms, 0, VM_KEY_STATE)->data);
	ret->marked = state == VM_DELETE;
	ret->stopped = state == VM_STOP;
	ret->runs = state == VM_START || state == VM_RESTART || state == VM_SHUTDOWN || state == VM_MIGRATE ||
		    state == VM_UNMIGRATE;
	for (size_t i = 0; i < nodes.names.count; i++)
		if (daemon_state_parse(node_value(&nodes, i, NODE_DAEMON)->data) == DAEMON_RUN &&
		    node_reports_vm(node_value(&nodes, i, NODE_RUNNING)->data, vm->uuid))
			ret->runs = true;
	return EXIT_OK;
}

static int write_delete(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	enum vm_state state = vm_state_parse(values[1].data);

	(void)count;
	if (!values[0].exists)
		return -ENOENT;
	if (state != VM_STOP && state != VM_DELETE)
		return -EPERM; /* somebody started it since it was seen off */
	return store_txn_put(txn, userdata, &values[1], vm_state_name(VM_DELETE));
}

static int mark(struct ctl *ctl, const struct vm_ref *vm, const char *self) {
	_cleanup_free_ char *state = vm_key_path(vm->uuid, "state");
	int r = state ? store_update_wait(ctl->store, (const char *const[]){self, state}, 2, write_delete, state,
					  deadline_after(OPERATION_TIMEOUT))
		      : -ENOMEM;

	if (r == -EPERM)
		return failed_with(EXIT_FAILED, "VM '%s' was not undefined: somebody gave it another state meanwhile",
				   vm->name);
	if (r < 0 && r != -ENOENT)
		return failed(r, "cannot mark VM '%s' for deletion: %s", vm->name, store_error_text(r));
	return EXIT_OK;
}

int vm_undefine(struct ctl *ctl) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	_cleanup_free_ char *self = NULL;
	struct found found = {0};
	int r = vm_find(ctl, ctl->arguments[0], &vm);

	if (r == EXIT_OK)
		r = look(ctl, &vm, &found);
	if (r != EXIT_OK)
		return r;
	if (found.runs && !ctl->options.yes)
		return failed_with(EXIT_FAILED,
				   "VM '%s' runs: shut it down first, or say --yes to have it switched off", vm.name);
	if (!found.marked) {
		r = found.stopped ? EXIT_OK : vm_write_request(ctl, &vm, REQUEST_STOP);
		if (r == EXIT_OK)
			r = vm_wait(ctl, &vm, REQUEST_STOP);
		if (r != EXIT_OK)
			return r;
	}
	self = vm_key_path(vm.uuid, "");
	r = self ? mark(ctl, &vm, self) : failed(-ENOMEM, "out of memory");
	if (r != EXIT_OK)
		return r;
	r = -ENOTEMPTY;
	for (int i = 0; r == -ENOTEMPTY && i < DELETE_TRIES; i++)
		r = store_delete_tree_wait(ctl->store, self, deadline_after(OPERATION_TIMEOUT));
	if (r < 0)
		return failed(r, "cannot delete the keys of VM '%s': %s; run this again", vm.name, store_error_text(r));
	printf("VM '%s' is undefined.\n", vm.name);
	return EXIT_OK;
}
