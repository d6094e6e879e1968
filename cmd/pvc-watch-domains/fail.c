/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What this program writes below a VM's key: conditional on what it saw, so that a newer word of a client stays. */
#include "daemon.h"

struct change {
	struct vm *vm;
	bool clear_only; /* failedreason='' */
	bool check_owner;
	enum vm_state from, to;
	char *reason;
};

static void change_free(struct change *change) {
	free(change->reason);
	free(change);
}

enum { STATE, NODE, REASON, COUNT };

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct change *change = userdata;
	struct vm *vm = change->vm;
	_cleanup_free_ char *state_path = store_path(STORE_DOMAINS, vm->uuid, "state", NULL),
			    *reason_path = store_path(STORE_DOMAINS, vm->uuid, "failedreason", NULL);
	int r = 0;

	(void)count;
	if (!state_path || !reason_path)
		return -ENOMEM;
	vm_see_state(vm, &values[STATE]); /* newer than what the watches said so far */
	vm_see_node(vm, &values[NODE]);
	if (!values[STATE].exists || vm_state_parse(values[STATE].data) != change->from)
		return 1;
	if (change->check_owner && (!values[NODE].exists || strcmp(values[NODE].data, vm->daemon->config->node) != 0))
		return 1;
	if (!change->clear_only)
		r = store_txn_put(txn, state_path, &values[STATE], vm_state_name(change->to));
	if (r == 0 && change->reason && strcmp(values[REASON].data, change->reason) != 0)
		r = store_txn_put(txn, reason_path, &values[REASON], change->reason);
	return r;
}

static void on_written(struct store *store, int result, void *userdata) {
	struct change *change = userdata;
	struct vm *vm = change->vm;
	bool lost = result == -ENOTCONN || result == -ECONNRESET;

	(void)store;
	if (result == 0 && !change->clear_only) /* the watch will say so too, later */
		vm_see_state(vm, &(struct store_value){.exists = true, .data = vm_state_name(change->to)});
	change_free(change);
	if (result < 0 && !lost)
		log_error("VM %s: cannot write its state: %s; tried again in %u s", vm_label(vm), strerror(-result),
			  (unsigned)(RETRY_PAUSE / USEC_PER_SEC));
	else if (result > 0)
		log_debug("VM %s: its state was changed by somebody else meanwhile", vm_label(vm));
	vm_finish(vm, result < 0 && !lost ? RETRY_PAUSE : 0);
}

static void change_write(struct vm *vm, const struct change *wanted) {
	static const char *const keys[COUNT] = {"state", "node", "failedreason"};
	struct change *change = malloc(sizeof(*change));
	char *paths[COUNT] = {NULL};
	int r = change ? 0 : -ENOMEM;

	if (change)
		*change = *wanted;
	for (size_t i = 0; i < COUNT && r == 0; i++) {
		paths[i] = store_path(STORE_DOMAINS, vm->uuid, keys[i], NULL);
		if (!paths[i])
			r = -ENOMEM;
	}
	if (r == 0)
		r = store_update(vm->daemon->store, (const char *const *)paths, COUNT, compute, on_written, change);
	for (size_t i = 0; i < COUNT; i++)
		free(paths[i]);
	if (r < 0) {
		log_error("VM %s: cannot write its state: %s", vm_label(vm), strerror(-r));
		if (change)
			change_free(change);
		else
			free(wanted->reason);
		vm_finish(vm, RETRY_PAUSE);
	}
}

/* In one transaction, and only while the state is still `start` and this node's. */
void fail_write(struct vm *vm, const char *reason) {
	char *text = str_printable(*reason ? reason : "unknown", REASON_MAX);

	if (!text) {
		vm_finish(vm, RETRY_PAUSE);
		return;
	}
	change_write(vm,
		     &(struct change){.vm = vm, .check_owner = true, .from = VM_START, .to = VM_FAIL, .reason = text});
}

void fail_clear(struct vm *vm) {
	char *empty;

	if (!vm->failedreason || !*vm->failedreason) {
		vm_finish(vm, 0);
		return;
	}
	empty = strdup("");
	if (!empty) {
		vm_finish(vm, 0); /* the old reason stays shown until the next start */
		return;
	}
	change_write(
	    vm, &(struct change){.vm = vm, .clear_only = true, .check_owner = true, .from = VM_START, .reason = empty});
}

void word_write(struct vm *vm, enum vm_state from, enum vm_state to) {
	change_write(vm, &(struct change){.vm = vm, .check_owner = vm->owner == VM_MINE, .from = from, .to = to});
}
