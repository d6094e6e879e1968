/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Live migration in. libvirt receives by itself and leaves the guest paused; the sender's "- > ME" in the key `holder`
 * says that its own copy is gone, so this one may run. Only this node takes that word away again.
 */
#include "daemon.h"

#define TAKE_PATIENCE (30 * USEC_PER_SEC)

static char *figures(const struct vm *vm, const struct virt_job *job, unsigned long long downtime) {
	unsigned long long sent = job->processed / 1048576;

	return str_printf("phase=done\ntarget=%s\nelapsed_ms=%llu\ndowntime_ms=%llu\nsent_mib=%llu\n",
			  vm->daemon->config->node, (unsigned long long)job->elapsed, downtime, sent);
}

static void on_recorded(struct vm *vm, int result) {
	if (result == 0)
		log_debug("VM %s: its state was written %.1f ms after the other node gave it away", vm_label(vm),
			  (double)(now_monotonic() - vm->handed_at) / 1000);
	vm->handed_at = vm->arrived_at = 0;
	vm_finish(vm, result < 0 && result != -ENOTCONN && result != -ECONNRESET ? RETRY_PAUSE : 0);
}

static void record(struct vm *vm, const struct virt_reply *reply) {
	unsigned long long pause = vm->arrived_at ? (reply->answered - vm->arrived_at) / 1000 : 0;
	unsigned long long downtime = reply->job.downtime + pause;
	struct change change = {.to = -1, .done = on_recorded};

	if (reply->state == VIRT_OFF) {
		log_warning("VM %s: did not arrive, and the node that had it no longer has it", vm_label(vm));
		change.holder = strdup("");
	} else {
		log_ok(
		    "VM %s: arrived: %.2f s, stood still for %llu ms (%llu of them waited for the hand-over), %.1f MiB",
		    vm_label(vm), (double)reply->job.elapsed / 1000, downtime, pause,
		    (double)reply->job.processed / 1048576);
		log_debug("VM %s: it ran %.1f ms after the other node gave it away", vm_label(vm),
			  (double)(reply->answered - vm->handed_at) / 1000);
		change.arrive = true;
		change.holder = holder_mine(vm);
		change.reason = strdup("");
		change.migration = figures(vm, &reply->job, downtime);
	}
	if (change.holder && (!change.arrive || (change.reason && change.migration))) {
		change_write(vm, &change);
		return;
	}
	free(change.holder);
	free(change.reason);
	free(change.migration);
	vm_finish(vm, RETRY_PAUSE);
}

static void on_taken(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct vm *vm = userdata;

	(void)virt;
	if (result == 1) {
		log_warning("VM %s: only a part of it arrived before the node that had it lost it: forced off",
			    vm_label(vm));
		act_destroy(vm);
		return;
	}
	if (result < 0) {
		virt_failed(vm, "letting it run", result, reply->error);
		return;
	}
	(void)vm_observe(vm, reply->state, reply->serial);
	hypervisor_list_soon(vm->daemon);
	record(vm, reply);
}

void take_over(struct vm *vm) {
	struct virt_call call = {
	    .verb = VIRT_TAKE, .uuid = vm->uuid, .patience = TAKE_PATIENCE, .done = on_taken, .userdata = vm};
	int r;

	vm->busy = true;
	vm->action = VM_DO_TAKE;
	r = virt_submit(vm->daemon->virt, &call);
	if (r < 0)
		virt_failed(vm, "letting it run", r, "");
}

void take_prepare(struct vm *vm) {
	_cleanup_free_ char *error = NULL;

	if (!vm->name)
		table_read_name(vm); /* comes here again */
	else if (virt_name_is_valid(vm->name) && console_prepare(vm->daemon, vm->name, &error) < 0)
		log_error("VM %s: %s", vm_label(vm), error ? error : "no console log");
}
