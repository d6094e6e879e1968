/* SPDX-License-Identifier: GPL-3.0-or-later */
/* start, stop, shutdown, restart, disable: one word in the VM's state key (data model, 5.1). */
#include "pvcctl.h"

#define ANY (~0u)

struct request_row {
	enum vm_state to;
	unsigned from;     /* bits of the states that allow it */
	const char *needs; /* what they are, for the message */
	const char *told;  /* "VM 'x' ..." */
	const char *reached;
};
static const struct request_row requests[REQUEST_COUNT] = {
    [REQUEST_START] = {VM_START, ANY, "", "was told to start", "runs"},
    [REQUEST_RESTART] = {VM_RESTART, 1u << VM_START, "start", "was told to restart", "runs again"},
    [REQUEST_SHUTDOWN] = {VM_SHUTDOWN, 1u << VM_START, "start", "was asked to shut down", "is off"},
    [REQUEST_STOP] = {VM_STOP, ANY, "", "was told to stop", "is off"},
    [REQUEST_DISABLE] = {VM_DISABLE, 1u << VM_STOP, "stop", "is disabled", "is disabled"},
};

struct writing {
	const struct request_row *row;
	const char *state_path;
	char *found; /* the state that does not allow it */
};

static int write_state(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct writing *w = userdata;
	enum vm_state state = vm_state_parse(values[1].data);
	bool allowed = state == VM_STATE_UNKNOWN ? w->row->from == ANY : (w->row->from & (1u << state)) != 0;

	(void)count;
	if (!values[0].exists)
		return -ENOENT;
	if (!allowed || state == VM_DELETE) {
		free(w->found);
		w->found = str_printable(values[1].data, 40);
		return -EPERM;
	}
	/* written also when it is the same word: that is how the node is told to look again. With the version that was
	 * read, so that a change of somebody else is seen, and judged anew (D51). */
	return store_txn_put(txn, w->state_path, &values[1], vm_state_name(w->row->to));
}

int vm_write_request(struct ctl *ctl, const struct vm_ref *vm, enum vm_request request) {
	_cleanup_free_ char *self = vm_key_path(vm->uuid, ""), *state = vm_key_path(vm->uuid, "state");
	struct writing w = {&requests[request], state, NULL};
	_cleanup_free_ char *found = NULL;
	int r;

	if (!self || !state)
		return failed(-ENOMEM, "out of memory");
	r = store_update_wait(ctl->store, (const char *const[]){self, state}, 2, write_state, &w,
			      deadline_after(OPERATION_TIMEOUT));
	found = w.found;
	if (r == -EPERM && str_equal(found, "delete"))
		return failed_with(EXIT_FAILED, "VM '%s' is being undefined", vm->name);
	if (r == -EPERM)
		return failed_with(EXIT_FAILED, "cannot %s VM '%s': its state is '%s', and must be '%s'",
				   vm_state_name(w.row->to), vm->name, found ? found : "", w.row->needs);
	if (r == -ENOENT)
		return failed_with(EXIT_FAILED, "VM '%s' is gone: somebody undefined it", vm->name);
	if (r < 0)
		return failed(r, "cannot %s VM '%s': %s", vm_state_name(w.row->to), vm->name, store_error_text(r));
	return EXIT_OK;
}

static int act(struct ctl *ctl, enum vm_request request) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	int r = vm_find(ctl, ctl->arguments[0], &vm);

	if (r == EXIT_OK)
		r = vm_write_request(ctl, &vm, request);
	if (r == EXIT_OK && ctl->options.wait)
		r = vm_wait(ctl, &vm, request);
	if (r == EXIT_OK)
		printf("VM '%s' %s.\n", vm.name,
		       ctl->options.wait ? requests[request].reached : requests[request].told);
	return r;
}

int vm_start(struct ctl *ctl) {
	return act(ctl, REQUEST_START);
}
int vm_stop(struct ctl *ctl) {
	return act(ctl, REQUEST_STOP);
}
int vm_shutdown(struct ctl *ctl) {
	return act(ctl, REQUEST_SHUTDOWN);
}
int vm_restart(struct ctl *ctl) {
	return act(ctl, REQUEST_RESTART);
}
int vm_disable(struct ctl *ctl) {
	return act(ctl, REQUEST_DISABLE);
}
