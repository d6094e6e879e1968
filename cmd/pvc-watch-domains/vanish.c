/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A VM whose key is no longer in the list. The client writes `stop` before it deletes a VM, so normally nothing runs
 * any more. If it still runs here, its copy is ended, because nobody could ever manage it again: but only when a synced
 * read shows that the VM's key is gone while /domains is the same key as when the VM was found in it. When /domains
 * itself is gone or another one (a ZooKeeper that lost its data, or a new cluster's), every VM would vanish at once:
 * then they run on, and the operator is told.
 */
#include "daemon.h"

static void forget(struct vm *vm) {
	struct daemon *daemon = vm->daemon;

	if (vm->queued) /* when its turn comes it is evaluated again */
		return;
	log_debug("VM %s: deleted", vm_label(vm));
	table_remove(vm);
	hypervisor_list_soon(daemon);
}

static void on_values(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct vm *vm = userdata;
	const struct store_value *parent = &values[0], *own = &values[1];

	(void)store;
	(void)count;
	if (result < 0) {
		vm_finish(vm, result == -ENOTCONN || result == -ECONNRESET ? 0 : RETRY_PAUSE);
		return;
	}
	if (vm->here == VM_HERE_ABSENT) { /* ended meanwhile */
		vm_finish(vm, 0);
		return;
	}
	if (own->exists) { /* made again; its watches know */
		vm->gone = false;
		vm_finish(vm, 0);
		return;
	}
	if (!parent->exists || parent->stat.czxid != vm->parent) {
		log_error("VM %s: its key is gone together with %s itself: it is left running (if this is wanted, end "
			  "it with "
			  "virsh destroy)",
			  vm_label(vm), store_base(STORE_DOMAINS));
		vm->left = true;
		vm_finish(vm, 0);
		return;
	}
	log_warning("VM %s: was deleted while it ran: it is forced off", vm_label(vm));
	act_destroy(vm);
}

static void on_synced(struct store *store, int result, void *userdata) {
	struct vm *vm = userdata;
	_cleanup_free_ char *own = store_path(STORE_DOMAINS, vm->uuid, NULL);
	const char *const paths[] = {store_base(STORE_DOMAINS), own};

	vm->read_at = now_boottime();
	if (result == 0)
		result = own ? store_get_many(store, paths, ARRAY_SIZE(paths), on_values, vm) : -ENOMEM;
	if (result < 0)
		vm_finish(vm, result == -ENOTCONN || result == -ECONNRESET ? 0 : RETRY_PAUSE);
}

void vanish_check(struct vm *vm) {
	int r;

	if (!vm->daemon->listed || !vm->here_known || vm->left)
		return;
	if (vm->here == VM_HERE_ABSENT) {
		forget(vm);
		return;
	}
	if (now_monotonic() < vm->not_before) {
		vm_pause(vm);
		return;
	}
	vm->busy = true;
	vm->action = VM_DO_DESTROY;
	r = store_sync(vm->daemon->store, store_base(STORE_DOMAINS), on_synced, vm);
	if (r < 0)
		vm_finish(vm, RETRY_PAUSE);
}
