/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Actions on libvirt. Each begins with a synced read of what allows it: the server that is asked first catches up with
 * its leader, so a node that was cut off for a while does not act on what it once knew. With the fresh values the
 * decision is made again, and only the same answer is carried out.
 */
#include "daemon.h"

enum { READ_NAME, READ_STATE, READ_NODE, READ_HOLDER, READ_REASON, READ_XML, READ_COUNT };

static bool lost(int result) {
	return result == -ENOTCONN || result == -ECONNRESET || result == -ECANCELED;
}

/* A read or write in ZooKeeper failed. Without a connection what follows waits for one by itself. */
static void store_failed(struct vm *vm, const char *what, int result) {
	if (lost(result)) {
		log_debug("VM %s: %s: connection to ZooKeeper lost; tried again", vm_label(vm), what);
		vm_finish(vm, 0);
		return;
	}
	log_error("VM %s: %s: %s; tried again in %u s", vm_label(vm), what, strerror(-result),
		  (unsigned)(RETRY_PAUSE / USEC_PER_SEC));
	vm_finish(vm, RETRY_PAUSE);
}

/* libvirt did not do it. With the connection lost, the next listing tells what became of it. */
void virt_failed(struct vm *vm, const char *what, int result, const char *error) {
	if (vm->daemon->stopping) {
		vm_finish(vm, 0);
	} else if (result == -ESTALE) {
		log_warning("VM %s: %s: too much time has passed since its keys were read; checked again", vm_label(vm),
			    what);
		vm_finish(vm, 0);
	} else if (lost(result)) {
		log_warning("VM %s: %s: connection to libvirt lost; decided anew when it is back", vm_label(vm), what);
		vm_finish(vm, USEC_PER_SEC);
	} else {
		log_error("VM %s: %s failed: %s; tried again in %u s", vm_label(vm), what,
			  *error ? error : strerror(-result), (unsigned)(RETRY_PAUSE / USEC_PER_SEC));
		vm_finish(vm, RETRY_PAUSE);
	}
}

static void on_late(struct virt *virt, void *userdata) {
	struct vm *vm = userdata;

	(void)virt;
	log_error(
	    "VM %s: libvirt has not come back from '%s'; this VM waits for it, the others do not (look at libvirtd)",
	    vm_label(vm), vm_action_name(vm->action));
	vm_release(vm);
}

static void submit(struct vm *vm, struct virt_call *call, const char *what) {
	int r;

	call->uuid = vm->uuid;
	call->not_after = vm->read_at + PERMISSION;
	call->late = on_late;
	call->userdata = vm;
	r = virt_submit(vm->daemon->virt, call);
	if (r < 0)
		virt_failed(vm, what, r, "");
}

/* ---- start ---------------------------------------------------------------------------------------------------- */

static void on_created(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct vm *vm = userdata;

	(void)virt;
	if (result < 0 && result != -EIO) {
		virt_failed(vm, "start", result, reply->error);
		return;
	}
	if (result < 0) {
		log_error("VM %s: start failed: %s; its state becomes 'fail'", vm_label(vm), reply->error);
		fail_write(vm, reply->error);
		return;
	}
	log_debug("VM %s: libvirt asked at %llu us, the state was written before %llu us; it took %llu us",
		  vm_label(vm), (unsigned long long)reply->asked, (unsigned long long)vm->event_at,
		  (unsigned long long)(reply->answered - reply->asked));
	if (result == 0)
		log_ok("VM %s: started", vm_label(vm));
	vm->said = VM_DO_KEEP;
	(void)vm_observe(vm, reply->state, reply->serial);
	hypervisor_list_soon(vm->daemon);
	fail_clear(vm);
}

static void refuse(struct vm *vm, const char *reason) {
	log_error("VM %s: cannot be started: %s; its state becomes 'fail'", vm_label(vm), reason);
	fail_write(vm, reason);
}

static void create(struct vm *vm, const struct store_value *values) {
	struct virt_call call = {.verb = VIRT_CREATE, .patience = START_PATIENCE, .done = on_created};
	const struct store_value *name = &values[READ_NAME], *xml = &values[READ_XML];
	_cleanup_free_ char *error = NULL, *console_error = NULL;
	int r;

	if (!name->exists || strlen(name->data) != name->length || !virt_name_is_valid(name->data)) {
		refuse(vm, "its name is empty, longer than 200 bytes or not fit for a file name");
		return;
	}
	r = virt_xml_check(xml->data, xml->length, vm->uuid, name->data, &error);
	if (r == -EINVAL) {
		refuse(vm, error ? error : "its definition is wrong");
		return;
	}
	if (r < 0) {
		virt_failed(vm, "start", r, "");
		return;
	}
	if (console_prepare(vm->daemon, name->data, &console_error) < 0)
		log_error("VM %s: %s; it is started without", vm_label(vm),
			  console_error ? console_error : "no console log");
	log_info("VM %s: starting", vm_label(vm));
	vm->started_at = now_monotonic();
	call.xml = xml->data;
	submit(vm, &call, "start");
}

/* ---- shut down, destroy ------------------------------------------------------------------------------------------ */

static int on_overdue(sd_event_source *source, uint64_t usec, void *userdata) {
	struct vm *vm = userdata;

	(void)source;
	(void)usec;
	log_warning("VM %s: has not shut down within %llu s: it is forced off", vm_label(vm),
		    (unsigned long long)vm->daemon->config->vm_shutdown_timeout);
	vm->overdue = true;
	vm_evaluate(vm);
	return 0;
}

/* A request may hang in libvirt as long as the guest's QEMU does. It is then left to itself, so that the VM can be
 * forced off beside it; the call's end finds this, and the VM only if it was waited for. */
struct request {
	struct vm *vm; /* NULL once left to itself */
};

static void asked(struct vm *vm) {
	vm->asked = true;
	vm_finish(vm, 0);
}

static void on_asked(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct request *request = userdata;
	struct vm *vm = request->vm;

	(void)virt;
	free(request);
	if (!vm)
		return;
	if (lost(result) || result == -ETIMEDOUT || result == -ESTALE) {
		vm->ask_timer = sd_event_source_disable_unref(vm->ask_timer);
		vm->overdue = false;
		virt_failed(vm, "request to shut down", result, reply->error);
		return;
	}
	if (result == -ENOENT)
		(void)vm_observe(vm, VIRT_OFF, reply->serial);
	else if (result < 0) /* the guest gets its time all the same, then it is forced off */
		log_warning("VM %s: libvirt could not ask it to shut down: %s", vm_label(vm), reply->error);
	asked(vm);
}

static void on_asked_late(struct virt *virt, void *userdata) {
	struct request *request = userdata;
	struct vm *vm = request->vm;

	(void)virt;
	log_error(
	    "VM %s: libvirt has not come back from asking it to shut down; it is forced off when its time is over",
	    vm_label(vm));
	request->vm = NULL;
	asked(vm);
}

static void ask(struct vm *vm) {
	struct request *request = malloc(sizeof(*request));
	struct virt_call call = {.verb = VIRT_SHUTDOWN,
				 .uuid = vm->uuid,
				 .not_after = vm->read_at + PERMISSION,
				 .patience = SHUTDOWN_PATIENCE,
				 .done = on_asked,
				 .late = on_asked_late,
				 .userdata = request};
	int r = request ? 0 : -ENOMEM;

	log_info("VM %s: asked to shut down%s", vm_label(vm), vm->state == VM_RESTART ? " for a restart" : "");
	vm->overdue = false;
	if (r == 0) {
		request->vm = vm;
		r = event_timer(vm->daemon->event, &vm->ask_timer,
				vm->daemon->config->vm_shutdown_timeout * USEC_PER_SEC, on_overdue, vm);
	}
	if (r >= 0)
		r = virt_submit(vm->daemon->virt, &call);
	if (r < 0) {
		free(request);
		vm->ask_timer = sd_event_source_disable_unref(vm->ask_timer);
		virt_failed(vm, "request to shut down", r, "");
	}
}

static void on_destroyed(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct vm *vm = userdata;

	(void)virt;
	if (result < 0) {
		virt_failed(vm, "forcing it off", result, reply->error);
		return;
	}
	log_ok("VM %s: is off", vm_label(vm));
	(void)vm_observe(vm, VIRT_OFF, reply->serial);
	hypervisor_list_soon(vm->daemon);
	vm_finish(vm, 0);
}

void act_destroy(struct vm *vm) {
	struct virt_call call = {.verb = VIRT_DESTROY, .patience = DESTROY_PATIENCE, .done = on_destroyed};

	vm->action = VM_DO_DESTROY;
	submit(vm, &call, "forcing it off");
}

/* ---- the synced read --------------------------------------------------------------------------------------------- */

static void on_values(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct vm *vm = userdata;

	(void)store;
	(void)count;
	if (result < 0) {
		store_failed(vm, "reading its keys", result);
		return;
	}
	vm_see_name(vm, &values[READ_NAME]);
	vm_see_state(vm, &values[READ_STATE]);
	vm_see_node(vm, &values[READ_NODE]);
	vm_see_holder(vm, &values[READ_HOLDER]);
	free(vm->failedreason);
	vm->failedreason = strdup(values[READ_REASON].data);
	if (vm->gone || vm_next(vm) != vm->action) {
		vm_finish(vm, 0);
		return;
	}
	switch (vm->action) {
	case VM_DO_START:
		if (volumes_are_free(vm, &values[READ_XML]))
			create(vm, values);
		break;
	case VM_DO_ASK:
		ask(vm);
		break;
	default:
		if (vm->owner == VM_OTHERS)
			log_warning("VM %s: runs here but belongs to node %s: this copy is forced off", vm_label(vm),
				    vm->node);
		else if (vm->holds == VM_HELD_ELSEWHERE || vm->holds == VM_OFFERED)
			log_warning("VM %s: node %s has it: the copy here, which never ran, is forced off",
				    vm_label(vm), vm->holder.node);
		else
			log_info("VM %s: forced off", vm_label(vm));
		act_destroy(vm);
		break;
	}
}

static void on_synced(struct store *store, int result, void *userdata) {
	static const char *const keys[READ_COUNT] = {NULL, "state", "node", "holder", "failedreason", "xml"};
	struct vm *vm = userdata;
	char *paths[READ_COUNT] = {NULL};
	/* the definition is the only large value: read when it is needed */
	size_t count = vm->action == VM_DO_START ? READ_COUNT : READ_XML;

	vm->read_at = now_boottime();
	for (size_t i = 0; i < count && result == 0; i++) {
		paths[i] = store_path(STORE_DOMAINS, vm->uuid, keys[i], NULL);
		if (!paths[i])
			result = -ENOMEM;
	}
	if (result == 0)
		result = store_get_many(store, (const char *const *)paths, count, on_values, vm);
	for (size_t i = 0; i < READ_COUNT; i++)
		free(paths[i]);
	if (result < 0)
		store_failed(vm, "synced read", result);
}

void act_check(struct vm *vm, enum vm_action action) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, vm->uuid, NULL);
	int r;

	vm->busy = true;
	vm->action = action;
	vm->crashed = vm->here == VM_HERE_CRASHED;
	r = path ? store_sync(vm->daemon->store, path, on_synced, vm) : -ENOMEM;
	if (r < 0)
		store_failed(vm, "synced read", r);
}

void act_write(struct vm *vm, enum vm_action action) {
	char *holder;

	vm->busy = true;
	vm->action = action;
	if (action == VM_DO_WRITE_STOP)
		log_ok("VM %s: is off", vm_label(vm));
	switch (action) {
	case VM_DO_CLAIM:
	case VM_DO_RELEASE:
		holder = action == VM_DO_CLAIM ? holder_mine(vm) : strdup("");
		if (holder)
			holder_write(vm, holder);
		else
			vm_finish(vm, RETRY_PAUSE);
		break;
	case VM_DO_WRITE_RESTART:
		log_warning("VM %s: node %s could not send it here live: it is shut down there, and started here",
			    vm_label(vm), vm->holder.node);
		word_write(vm, vm->state, VM_RESTART);
		break;
	default:
		word_write(vm, vm->state, action == VM_DO_WRITE_START ? VM_START : VM_STOP);
		break;
	}
}
