/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What this program writes below a VM's key: conditional on what it saw, so that a newer word of a client stays, and in
 * one transaction. */
#include "daemon.h"

static void change_clear(struct change *change) {
	free(change->holder);
	free(change->holder_from);
	free(change->reason);
	free(change->migration);
	free(change->at_node);
}

enum { STATE, NODE, REASON, HOLDER, FEW, MIGRATION = FEW, LASTNODE, OPTIONS, COUNT };

static int put(const struct vm *vm, struct store_txn *txn, const char *key, const struct store_value *seen,
	       const char *text) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, vm->uuid, key, NULL);

	return path ? store_txn_put(txn, path, seen, text) : -ENOMEM;
}

static bool is_at(const struct store_value *node, const char *name) {
	return node->exists && strcmp(node->data, name) == 0;
}

/* The client's write overwrote where the VM had its home: what pvcctl kept of that counts, if it belongs to that very
 * write; else a home that is this node means that it had none. */
static const char *old_lastnode(const struct vm *vm, const struct store_value *values) {
	const char *home = vm->options.home;

	if (home)
		return home;
	return is_at(&values[LASTNODE], vm->daemon->config->node) ? "" : values[LASTNODE].data;
}

static int put_restore(const struct change *change, const struct store_value *values, struct store_txn *txn) {
	struct vm *vm = change->vm;
	int r = put(vm, txn, "node", &values[NODE], vm->daemon->config->node);

	return r < 0 ? r : put(vm, txn, "lastnode", &values[LASTNODE], old_lastnode(vm, values));
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct change *change = userdata;
	struct vm *vm = change->vm;
	enum vm_state state = values[STATE].exists ? vm_state_parse(values[STATE].data) : VM_STATE_UNKNOWN;
	bool moves = state == VM_MIGRATE || state == VM_UNMIGRATE;
	int r = 0;

	vm_see_state(vm, &values[STATE]); /* newer than what the watches said so far */
	vm_see_node(vm, &values[NODE]);
	vm_see_holder(vm, &values[HOLDER]);
	if (count > OPTIONS)
		options_see(vm, &values[OPTIONS], &values[NODE]);
	vm->unwritable = !values[STATE].exists;
	if (!values[STATE].exists || (change->from && (state < 0 || !(change->from & (1u << state)))))
		return 1;
	if ((change->mine && !is_at(&values[NODE], vm->daemon->config->node)) ||
	    (change->at_node && !is_at(&values[NODE], change->at_node)) ||
	    (change->holder_from && strcmp(values[HOLDER].data, change->holder_from) != 0))
		return 1;
	change->written =
	    change->arrive ? (moves && is_at(&values[NODE], vm->daemon->config->node) ? VM_START : -1) : change->to;
	if (change->written >= 0)
		r = put(vm, txn, "state", &values[STATE], vm_state_name((enum vm_state)change->written));
	if (r == 0 && change->restore)
		r = put_restore(change, values, txn);
	if (r == 0 && change->reason && strcmp(values[REASON].data, change->reason) != 0)
		r = put(vm, txn, "failedreason", &values[REASON], change->reason);
	if (r == 0 && change->holder)
		r = put(vm, txn, "holder", &values[HOLDER], change->holder);
	if (r == 0 && change->migration)
		r = put(vm, txn, "migration", &values[MIGRATION], change->migration);
	return r;
}

static void on_written(struct store *store, int result, void *userdata) {
	struct change *change = userdata;
	struct vm *vm = change->vm;
	bool lost = result == -ENOTCONN || result == -ECONNRESET;
	void (*done)(struct vm * vm, int result) = change->done;

	(void)store;
	if (result == 0) { /* the watches will say so too, later */
		if (change->written >= 0)
			vm_see_state(vm, &(struct store_value){.exists = true,
							       .data = vm_state_name((enum vm_state)change->written)});
		if (change->restore)
			vm_see_node(vm, &(struct store_value){.exists = true,
							      .data = vm->daemon->config->node,
							      .stat.version = vm->node_version + 1});
		if (change->holder)
			vm_see_holder(vm, &(struct store_value){.exists = true, .data = change->holder});
	}
	change_clear(change);
	free(change);
	if (result < 0 && !lost)
		log_error("VM %s: cannot write its keys: %s; tried again in %u s", vm_label(vm), strerror(-result),
			  (unsigned)(RETRY_PAUSE / USEC_PER_SEC));
	else if (result > 0)
		log_debug("VM %s: its keys were changed by somebody else meanwhile", vm_label(vm));
	if (done)
		done(vm, result);
	else
		vm_finish(vm, (result < 0 && !lost) || vm->unwritable ? RETRY_PAUSE : 0);
}

void change_write(struct vm *vm, const struct change *wanted) {
	static const char *const keys[COUNT] = {"state",     "node",     "failedreason",   "holder",
						"migration", "lastnode", "migrate_options"};
	struct change *change = malloc(sizeof(*change));
	size_t count = wanted->migration || wanted->restore ? COUNT : FEW;
	char *paths[COUNT] = {NULL};
	struct change failed = *wanted;
	int r = change ? 0 : -ENOMEM;

	if (change) {
		*change = *wanted;
		change->vm = vm;
		change->written = -1;
		if (change->holder) {
			change->holder_from = strdup(vm->holder_text ? vm->holder_text : "");
			r = change->holder_from ? 0 : -ENOMEM;
		}
		failed = *change;
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		paths[i] = store_path(STORE_DOMAINS, vm->uuid, keys[i], NULL);
		if (!paths[i])
			r = -ENOMEM;
	}
	if (r == 0)
		r = store_update(vm->daemon->store, (const char *const *)paths, count, compute, on_written, change);
	for (size_t i = 0; i < COUNT; i++)
		free(paths[i]);
	if (r < 0) {
		log_error("VM %s: cannot write its keys: %s", vm_label(vm), strerror(-r));
		change_clear(&failed);
		free(change);
		if (wanted->done)
			wanted->done(vm, r);
		else
			vm_finish(vm, RETRY_PAUSE);
	}
}

char *holder_mine(const struct vm *vm) {
	return strdup(vm->daemon->config->node);
}

/* In one transaction, and only while the state is still `start` and this node's. */
void fail_write(struct vm *vm, const char *reason) {
	char *text = str_printable(*reason ? reason : "unknown", REASON_MAX);

	if (!text) {
		vm_finish(vm, RETRY_PAUSE);
		return;
	}
	change_write(vm, &(struct change){.from = 1u << VM_START, .mine = true, .to = VM_FAIL, .reason = text});
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
	change_write(vm, &(struct change){.from = 1u << VM_START, .mine = true, .to = -1, .reason = empty});
}

/* Why it is not started, without a change of its state. */
void reason_write(struct vm *vm, const char *reason) {
	char *text = str_printable(reason, REASON_MAX);

	if (text)
		change_write(vm, &(struct change){.mine = true, .to = -1, .reason = text});
	else
		vm_finish(vm, RETRY_PAUSE);
}

void word_write(struct vm *vm, enum vm_state from, enum vm_state to) {
	bool holds = vm->holds == VM_HELD || vm->holds == VM_OFFERING;
	char *free_again = to == VM_STOP && holds ? strdup("") : NULL; /* without memory it is released next */

	change_write(vm, &(struct change){
			     .mine = vm->owner == VM_MINE, .from = 1u << from, .to = (int)to, .holder = free_again});
}

void holder_write(struct vm *vm, char *holder) {
	/* of one that is to be started: only while it is */
	bool to_start = vm->here == VM_HERE_ABSENT && *holder && vm->action == VM_DO_CLAIM;

	change_write(
	    vm, &(struct change){.mine = to_start, .from = to_start ? 1u << VM_START : 0, .to = -1, .holder = holder});
}
