/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Live migration out. The key `holder` goes ME -> "ME > TARGET" -> "- > TARGET", each step written before what it
 * stands for is done, so that whoever finds it after a crash knows what may be the case:
 *
 *   claim     "ME > TARGET", while the keys still ask for it; then libvirt is called
 *   sent      the copy here is gone: "- > TARGET" lets the target's copy run
 *   not sent  libvirt is asked what is here, which then runs on: ME (to try again, or to do what the keys ask for now),
 *             or "ME ! TARGET": the target may ask for the cold way by writing `restart`. A target that does not is not
 *             there, and the VM stays where it is: that is no reason to shut it down. The same when the operator asked
 *             for a live migration only.
 */
#include "daemon.h"

void send_forget(struct vm *vm) {
	(void)sd_event_source_disable_unref(vm->sending.timer);
	free(vm->sending.target);
	free(vm->sending.error);
	vm->sending = (struct sending){.attempts = vm->sending.attempts};
}

static char *holder_now(const struct vm *vm, enum holder_kind kind) {
	const char *target = vm->holds == VM_SENDING || vm->holds == VM_OFFERING ? vm->holder.target : vm->node;

	return holder_text(kind, vm->daemon->config->node, target);
}

/* ---- whose turn it is ----------------------------------------------------------------------------------------------
 */

static bool has_room(const struct vm *vm) {
	const struct daemon *daemon = vm->daemon;
	size_t out = 0, in = 0;

	for (size_t i = 0; i < daemon->count; i++) {
		const struct vm *other = daemon->vms[i];

		if (other == vm)
			continue;
		out += other->holds == VM_SENDING || (other->busy && other->action == VM_DO_SEND);
		in += (other->holder.kind == HOLDER_SENDS && str_equal(other->holder.target, vm->node)) ||
		      (other->busy && other->action == VM_DO_SEND && other->holds == VM_HELD &&
		       str_equal(other->node, vm->node));
	}
	return out < daemon->config->migrations_outgoing && in < daemon->config->migrations_incoming;
}

void send_next(struct daemon *daemon) {
	for (size_t i = 0; daemon->sends_waiting > 0 && i < daemon->count; i++)
		if (daemon->vms[i]->send_waits && has_room(daemon->vms[i]))
			vm_evaluate(daemon->vms[i]);
}

/* ---- the call ------------------------------------------------------------------------------------------------------
 */

static void on_sent(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct vm *vm = userdata;
	struct daemon *daemon = vm->daemon;

	(void)virt;
	vm->sending.running = false;
	vm->sending.timer = sd_event_source_disable_unref(vm->sending.timer);
	free(vm->sending.error);
	vm->sending.error = NULL;
	if (reply->asked)
		log_debug("VM %s: libvirt was asked to send it %.1f ms after the state was written", vm_label(vm),
			  (double)(reply->asked - vm->sending.written_at) / 1000);
	if (result == 0) {
		(void)vm_observe(vm, VIRT_OFF, reply->serial);
		hypervisor_list_soon(daemon);
		send_hand(vm);
		return;
	}
	if (daemon->stopping || result == -ECANCELED) {
		vm_finish(vm, 0);
		return;
	}
	if (result == -ENOTCONN || result == -ESTALE || result == -ETIMEDOUT) { /* nothing is known */
		vm->sending.attempts++;
		log_warning("VM %s: sending it to node %s: no answer from libvirt; what became of it is looked up",
			    vm_label(vm), vm->holder.target);
	} else {
		vm->sending.error = strdup(*reply->error ? reply->error : strerror(-result));
	}
	vm_finish(vm, 0);
}

static void on_late(struct virt *virt, void *userdata) {
	struct vm *vm = userdata;

	(void)virt;
	log_error("VM %s: libvirt does not come back from sending it to node %s; this VM waits for it", vm_label(vm),
		  vm->holder.target);
}

static void call(struct vm *vm) {
	const struct config *config = vm->daemon->config;
	const char *target = vm->holder.target, *domain = config->cluster.domain;
	_cleanup_free_ char *host = domain ? str_printf("%s.%s", target, domain) : strdup(target);
	_cleanup_free_ char *connect =
	    host ? str_printf("qemu+%s://%s/system",
			      config->migration_transport == CONFIG_TRANSPORT_TCP ? "tcp" : "tls", host)
		 : NULL;
	_cleanup_free_ char *transfer = host ? str_printf("tcp://%s", host) : NULL;
	bool tunnel = config->migration_transport == CONFIG_TRANSPORT_TUNNEL;
	const struct virt_migration migration = {.connect = connect,
						 .transfer = tunnel ? NULL : transfer,
						 .tunnel = tunnel,
						 .tls = config->migration_transport == CONFIG_TRANSPORT_TLS,
						 .unsafe = config->migration_unsafe,
						 .downtime = config->migration_downtime,
						 .bandwidth = config->migration_bandwidth};
	struct virt_call request = {.verb = VIRT_MIGRATE,
				    .uuid = vm->uuid,
				    .migration = &migration,
				    .not_after = now_boottime() + PERMISSION,
				    .patience = (config->migration_timeout + 60) * USEC_PER_SEC,
				    .done = on_sent,
				    .late = on_late,
				    .userdata = vm};
	int r = connect && transfer ? virt_submit(vm->daemon->virt, &request) : -ENOMEM;

	if (r < 0) {
		virt_failed(vm, "live migration", r, "");
		return;
	}
	log_info("VM %s: sending it to node %s", vm_label(vm), target);
	vm->sending.running = true;
	progress_watch(vm);
	vm_evaluate(vm); /* a change that came meanwhile */
}

static void on_claimed(struct vm *vm, int result) {
	if (result == 0)
		call(vm);
	else
		vm_finish(vm, result < 0 && result != -ENOTCONN && result != -ECONNRESET ? RETRY_PAUSE : 0);
}

void send_begin(struct vm *vm) {
	struct change change = {.from = 1u << VM_MIGRATE | 1u << VM_UNMIGRATE, .to = -1, .done = on_claimed};

	if (!has_room(vm)) {
		if (!vm->send_waits)
			log_info("VM %s: waits until fewer VMs are on their way", vm_label(vm));
		vm->daemon->sends_waiting += !vm->send_waits;
		vm->send_waits = true;
		return;
	}
	vm->daemon->sends_waiting -= vm->send_waits;
	vm->send_waits = false;
	vm->busy = true;
	vm->action = VM_DO_SEND;
	send_forget(vm);
	vm->sending.written_at = vm->event_at;
	vm->sending.since = now_monotonic();
	vm->sending.target = strdup(vm->node);
	change.at_node = strdup(vm->node);
	change.holder = holder_now(vm, HOLDER_SENDS);
	change.migration = progress_text(vm, "sending", NULL);
	if (change.at_node && change.holder && change.migration && vm->sending.target) {
		change_write(vm, &change);
		return;
	}
	free(change.at_node);
	free(change.holder);
	free(change.migration);
	vm_finish(vm, RETRY_PAUSE);
}

/* ---- ending it ------------------------------------------------------------------------------------------------------
 */

struct aborting {
	struct daemon *daemon;
	char uuid[VIRT_UUID_TEXT];
};

static void on_aborted(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct aborting *aborting = userdata;
	struct vm *vm = table_find(aborting->daemon, aborting->uuid);

	(void)virt;
	free(aborting);
	if (!vm)
		return;
	vm->sending.aborting = false; /* not yet begun, or in its last moment: tried again with the next look at it */
	if (result < 0 && vm->sending.running)
		log_debug("VM %s: its migration cannot be ended: %s", vm_label(vm), reply->error);
}

void send_abort(struct vm *vm) {
	struct aborting *aborting = vm->sending.aborting ? NULL : malloc(sizeof(*aborting));
	struct virt_call call = {.verb = VIRT_ABORT,
				 .uuid = vm->uuid,
				 .patience = SHUTDOWN_PATIENCE,
				 .done = on_aborted,
				 .userdata = aborting};

	if (!aborting)
		return;
	aborting->daemon = vm->daemon;
	memcpy(aborting->uuid, vm->uuid, sizeof(aborting->uuid));
	if (!vm->sending.overdue && !vm->sending.unwanted) {
		vm->sending.unwanted = true;
		log_info("VM %s: is no longer to move to node %s: its migration is ended", vm_label(vm),
			 vm->holder.target);
	}
	vm->sending.aborting = virt_submit(vm->daemon->virt, &call) == 0;
	if (!vm->sending.aborting)
		free(aborting);
}

/* ---- what became of it ----------------------------------------------------------------------------------------------
 */

static void not_sent(struct vm *vm) {
	struct change change = {.to = -1};
	bool failed = vm->sending.error && !vm->sending.unwanted;
	_cleanup_free_ char *reason = NULL;

	if (!failed && !vm->sending.unwanted && vm->sending.attempts >= SEND_ATTEMPTS) {
		vm->sending.error = strdup("libvirt did not answer, several times");
		failed = vm->sending.error;
	}
	if (failed && vm->sending.overdue)
		reason = str_printf("live migration to node %s: not done within %llu s", vm->holder.target,
				    (unsigned long long)vm->daemon->config->migration_timeout);
	else if (failed)
		reason = str_printf("live migration to node %s failed: %s", vm->holder.target, vm->sending.error);
	if (reason) {
		free(vm->sending.error);
		vm->sending.error = move_ptr(reason);
		log_error("VM %s: %s", vm_label(vm), vm->sending.error);
		change.migration = progress_text(vm, "failed", vm->sending.error);
	}
	if (failed && !vm->sending.overdue &&
	    ++vm->sending.attempts < SEND_ATTEMPTS) { /* a libvirtd that comes back, say */
		log_info("VM %s: tried again in %u s", vm_label(vm), vm->sending.attempts * 2);
		vm->not_before = deadline_after(vm->sending.attempts * 2 * USEC_PER_SEC);
		failed = false;
	}
	if (failed && vm->options.live_only) {
		free(change.migration);
		send_restore(vm);
		return;
	}
	change.holder = failed ? holder_now(vm, HOLDER_OFFERS) : holder_mine(vm);
	if (change.holder) {
		change_write(vm, &change);
		return;
	}
	free(change.migration);
	vm_finish(vm, RETRY_PAUSE);
}

static void on_settled(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct vm *vm = userdata;
	usec_t limit = vm->daemon->config->migration_timeout * USEC_PER_SEC;

	(void)virt;
	if (result == 1) { /* begun before this program's start, or by a call whose answer was lost */
		vm->busy = false;
		if (vm->owner != VM_OTHERS || !str_equal(vm->node, vm->holder.target) ||
		    (vm->state != VM_MIGRATE && vm->state != VM_UNMIGRATE && vm->state != VM_START)) {
			send_abort(vm);
		} else if (now_monotonic() - vm->sending.since > limit) {
			vm->sending.overdue = true;
			free(vm->sending.error);
			vm->sending.error = strdup("overdue");
			send_abort(vm);
		}
		vm_finish(vm, 500 * USEC_PER_MSEC);
		return;
	}
	if (result < 0) {
		virt_failed(vm, "looking up its migration", result, reply->error);
		return;
	}
	(void)vm_observe(vm, reply->state, reply->serial);
	if (reply->state == VIRT_OFF)
		vm_finish(vm, 0);
	else
		not_sent(vm);
}

void send_settle(struct vm *vm) {
	struct virt_call call = {
	    .verb = VIRT_SETTLE, .uuid = vm->uuid, .patience = SHUTDOWN_PATIENCE, .done = on_settled, .userdata = vm};
	int r;

	vm->busy = true;
	vm->action = VM_DO_SETTLE;
	if (!vm->sending.since)
		vm->sending.since = now_monotonic();
	r = virt_submit(vm->daemon->virt, &call);
	if (r < 0)
		virt_failed(vm, "looking up its migration", r, "");
}

void send_hand(struct vm *vm) {
	struct change change = {.to = -1, .holder = holder_now(vm, HOLDER_HANDED)};

	vm->busy = true;
	vm->action = VM_DO_HAND;
	if (!vm->sending.since)
		log_warning("VM %s: was being sent to node %s and is no longer here: that node goes on with it",
			    vm_label(vm), vm->holder.target);
	if (change.holder)
		change_write(vm, &change);
	else
		vm_finish(vm, RETRY_PAUSE);
}

void send_moved(struct vm *vm) {
	usec_t now = now_monotonic();

	if (!vm->sending.target || vm->sending.running || vm->sending.error || vm->holder.kind != HOLDER_HAS ||
	    !str_equal(vm->holder.node, vm->sending.target))
		return;
	log_ok("VM %s: runs on node %s: sent in %.2f s, stood still for at most %.0f ms, %.1f MiB", vm_label(vm),
	       vm->sending.target, (double)(now - vm->sending.since) / USEC_PER_SEC,
	       vm->sending.paused_at ? (double)(now - vm->sending.paused_at) / 1000 : 0.0,
	       (double)vm->sending.job.processed / 1048576);
	send_forget(vm);
}

/* ---- the cold way, or none
 * ------------------------------------------------------------------------------------------- */

static int on_offer_over(sd_event_source *source, uint64_t usec, void *userdata) {
	struct vm *vm = userdata;

	(void)source;
	(void)usec;
	vm->offer_over = true;
	vm_evaluate(vm);
	return 0;
}

void send_offer(struct vm *vm) {
	if (!vm->offer_timer && event_timer(vm->daemon->event, &vm->offer_timer, OFFER_PATIENCE, on_offer_over, vm) < 0)
		vm->offer_over = true; /* decided with the next look */
}

void send_restore(struct vm *vm) {
	struct change change = {
	    .from = 1u << VM_MIGRATE | 1u << VM_UNMIGRATE, .to = VM_START, .restore = true, .holder = holder_mine(vm)};
	const char *why = vm->sending.error ? vm->sending.error : "it could not be sent";

	vm->busy = true;
	vm->action = VM_DO_RESTORE;
	log_warning("VM %s: stays here: %s%s", vm_label(vm), why,
		    vm->options.live_only ? "" : "; and the target did not ask for the cold way");
	change.at_node = strdup(vm->holder.target);
	change.reason = str_printable(why, REASON_MAX);
	change.migration = progress_text(vm, "failed", why);
	if (change.holder && change.at_node && change.reason && change.migration) {
		change_write(vm, &change);
		return;
	}
	free(change.holder);
	free(change.at_node);
	free(change.reason);
	free(change.migration);
	vm_finish(vm, RETRY_PAUSE);
}
