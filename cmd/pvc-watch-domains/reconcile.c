/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One VM: what is wanted against what is, and what is done about it. */
#include "daemon.h"

static enum vm_here here_of(enum virt_state state) {
	switch (state) {
	case VIRT_RUNNING:
		return VM_HERE_RUNNING;
	case VIRT_PAUSED:
		return VM_HERE_PAUSED;
	case VIRT_MOVING:
		return VM_HERE_MOVING;
	case VIRT_CRASHED:
		return VM_HERE_CRASHED;
	default:
		return VM_HERE_ABSENT;
	}
}

enum vm_action vm_next(const struct vm *vm) {
	struct vm_view view = {
	    .owner = vm->owner,
	    .here = vm->daemon->listed && vm->here_known ? vm->here : VM_HERE_UNKNOWN,
	    .wanted = vm->state,
	    .holder = vm->holds,
	    .same_target = str_equal(vm->holder.target, vm->node),
	    .phase = vm->sending.running                                           ? VM_PHASE_SENDING
		     : vm->overdue || (vm->offer_over && vm->holds == VM_OFFERING) ? VM_PHASE_OVERDUE
		     : vm->asked                                                   ? VM_PHASE_ASKED
										   : VM_PHASE_IDLE,
	};

	return vm_decide(&view);
}

/* It should run and ended, other than by us; of a guest that crashed we only took away what was left. The first time it
 * comes back at once; when its runs are short, not more often than vm_restart_pause() says. */
static void ended(struct vm *vm) {
	usec_t now = now_monotonic();
	bool was_short = vm->started_at > 0 && now - vm->started_at < VM_SHORT_RUN;

	if (vm->owner != VM_MINE || vm->holds != VM_HELD || vm->state != VM_START ||
	    (vm->busy && vm->action == VM_DO_DESTROY && !vm->crashed))
		return;
	vm->short_runs = was_short ? vm->short_runs + 1 : 0;
	vm->not_before = vm->started_at + vm_restart_pause(vm->short_runs);
	if (was_short && vm->not_before > now)
		log_warning("VM %s: ended by itself after %.1f s; %u short run(s) in a row: started again in %.0f s",
			    vm_label(vm), (double)(now - vm->started_at) / (double)USEC_PER_SEC, vm->short_runs,
			    (double)(vm->not_before - now) / (double)USEC_PER_SEC);
	else
		log_warning("VM %s: ended by itself; it should run, so it is started again", vm_label(vm));
}

bool vm_observe(struct vm *vm, enum virt_state state, uint64_t serial) {
	enum vm_here here = here_of(state), before = vm->here;
	bool known = vm->here_known;

	if (vm->serial > serial || state == VIRT_SAME)
		return false;
	vm->here_known = true;
	vm->here = here;
	if (known && before != VM_HERE_ABSENT && vm->here == VM_HERE_ABSENT)
		ended(vm);
	return true;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	vm_evaluate(userdata);
	return 0;
}

static void look_again(struct vm *vm, usec_t at) {
	int r = event_timer(vm->daemon->event, &vm->retry_timer, deadline_left(at), on_retry, vm);

	if (r < 0) /* the next event or listing comes here again */
		log_error("VM %s: cannot set a timer: %s", vm_label(vm), strerror(-r));
}

void vm_pause(struct vm *vm) {
	look_again(vm, vm->not_before);
}

static void next_starts(struct daemon *daemon) {
	while (daemon->starts < STARTS_MAX && daemon->starts_first) {
		struct vm *next = daemon->starts_first;

		daemon->starts_first = next->starts_next;
		if (!daemon->starts_first)
			daemon->starts_last = &daemon->starts_first;
		next->queued = false;
		vm_evaluate(next); /* takes the slot if it is still to be started */
	}
}

void vm_finish(struct vm *vm, usec_t pause) {
	struct daemon *daemon = vm->daemon;
	bool slot;

	vm->busy = false;
	if (pause > 0 && vm->not_before < deadline_after(pause))
		vm->not_before = deadline_after(pause);
	slot = vm->has_slot;
	vm->has_slot = false;
	daemon->starts -= slot;
	vm_evaluate(vm);
	if (slot)
		next_starts(daemon);
}

void vm_release(struct vm *vm) {
	struct daemon *daemon = vm->daemon;

	if (!vm->has_slot)
		return;
	vm->has_slot = false;
	daemon->starts--;
	next_starts(daemon);
}

static void start_queue(struct vm *vm) {
	struct daemon *daemon = vm->daemon;

	if (vm->queued)
		return;
	vm->queued = true;
	vm->starts_next = NULL;
	if (!daemon->starts_first)
		daemon->starts_last = &daemon->starts_first;
	*daemon->starts_last = vm;
	daemon->starts_last = &vm->starts_next;
}

static void start(struct vm *vm) {
	struct daemon *daemon = vm->daemon;

	if (daemon->starts >= STARTS_MAX) {
		start_queue(vm);
		return;
	}
	daemon->starts++;
	vm->has_slot = true;
	act_check(vm, VM_DO_START);
}

/* What an operator should know, once. */
static void say(struct vm *vm, enum vm_action action) {
	_cleanup_free_ char *word = str_printable(vm->word ? vm->word : "", 40);

	if (vm->said == action)
		return;
	vm->said = action;
	switch (action) {
	case VM_DO_SEND:
		log_info("VM %s: is to move to node %s", vm_label(vm), vm->node);
		break;
	case VM_DO_RECEIVE:
		log_info("VM %s: node %s is sending it here", vm_label(vm), vm->holder.node);
		break;
	case VM_DO_BLOCKED:
		log_info("VM %s: is to run here, once '%s' no longer has it", vm_label(vm), vm->holder_text);
		break;
	case VM_DO_KEEP:
		if (vm->here == VM_HERE_PAUSED)
			log_warning(
			    "VM %s: is paused, although its state is '%s': left as it is (virsh resume continues it)",
			    vm_label(vm), word ? word : "?");
		else if (vm->state != VM_START)
			log_warning("VM %s: runs, although its state is '%s': left running", vm_label(vm),
				    word ? word : "?");
		else
			log_info("VM %s: runs here", vm_label(vm));
		break;
	default:
		break;
	}
}

/* Forgets that the guest was asked to shut down, once something else is the case. */
static void stop_waiting(struct vm *vm, enum vm_action action) {
	if (action != VM_DO_KEEP && action != VM_DO_NOTHING && action != VM_DO_START && action != VM_DO_SEND &&
	    action != VM_DO_RECEIVE && action != VM_DO_RELEASE && action != VM_DO_BLOCKED)
		return;
	if (vm->asked && action == VM_DO_KEEP)
		log_info("VM %s: the request to shut down was taken back; a guest that follows it nevertheless is "
			 "started again",
			 vm_label(vm));
	vm->asked = vm->overdue = false;
	vm->ask_timer = sd_event_source_disable_unref(vm->ask_timer);
}

static void look_after_console(struct vm *vm) {
	if (vm->daemon->listed && vm->here_known) {
		if (vm->here == VM_HERE_ABSENT || vm->owner != VM_MINE ||
		    (vm->holds != VM_HELD && vm->holds != VM_FREE))
			console_unwatch(vm);
		else if (vm->name)
			console_watch(vm);
		else
			table_read_name(vm); /* comes here again */
	}
}

/* A start that waits for another node: after a while the operator can read in the VM's own keys why. */
static void blocked(struct vm *vm) {
	_cleanup_free_ char *reason = NULL;

	if (!vm->blocked_at)
		vm->blocked_at = now_monotonic();
	if (vm->said_blocked)
		return;
	if (deadline_left(vm->blocked_at + BLOCKED_PATIENCE) > 0) {
		look_again(vm, vm->blocked_at + BLOCKED_PATIENCE);
		return;
	}
	vm->said_blocked = true;
	reason = str_printf("not started: '%s' may still have it; that ends when the node is back, or with 'pvcctl vm "
			    "release' once it is certain that it is off",
			    vm->holder_text);
	log_warning("VM %s: %s", vm_label(vm), reason ? reason : "not started: another node may still have it");
	vm->busy = true;
	reason_write(vm, reason ? reason : "not started: another node may still have it");
}

/* What a migration needs. */
static void move(struct vm *vm, enum vm_action action) {
	switch (action) {
	case VM_DO_SEND:
		send_begin(vm);
		break;
	case VM_DO_SETTLE:
		send_settle(vm);
		break;
	case VM_DO_HAND:
		send_hand(vm);
		break;
	case VM_DO_OFFER:
		send_offer(vm);
		break;
	case VM_DO_RESTORE:
		send_restore(vm);
		break;
	case VM_DO_TAKE:
		take_over(vm);
		break;
	case VM_DO_RECEIVE:
		take_prepare(vm);
		break;
	default:
		break;
	}
}

/* What was waited for is forgotten as soon as something else is to be done. */
static void wait_no_longer(struct vm *vm, enum vm_action action) {
	if (action != VM_DO_BLOCKED) {
		vm->blocked_at = 0;
		vm->said_blocked = false;
	}
	if (action != VM_DO_SEND && vm->send_waits) {
		vm->send_waits = false;
		vm->daemon->sends_waiting--;
	}
}

static bool may_pause(const struct vm *vm, enum vm_action action) {
	return vm->unwritable || action == VM_DO_SEND || action == VM_DO_START || action == VM_DO_ASK ||
	       action == VM_DO_DESTROY || action == VM_DO_SETTLE || action == VM_DO_TAKE;
}

void vm_evaluate(struct vm *vm) {
	enum vm_action action;

	if (vm->daemon->stopping)
		return;
	if (vm->sending.running && (vm->gone || vm_next(vm) == VM_DO_ABORT))
		send_abort(vm);
	if (vm->busy)
		return; /* the end of the action comes here again: no event is lost (D35) */
	if (vm->gone) {
		vanish_check(vm);
		return;
	}
	if (!vm->state_known || !vm->node_known || !vm->holder_known)
		return;
	action = vm_next(vm);
	wait_no_longer(vm, action);
	stop_waiting(vm, action);
	look_after_console(vm);
	say(vm, action);
	if (may_pause(vm, action) && now_monotonic() < vm->not_before) {
		vm_pause(vm);
		return;
	}
	switch (action) {
	case VM_DO_START:
		start(vm);
		break;
	case VM_DO_ASK:
	case VM_DO_DESTROY:
		act_check(vm, action);
		break;
	case VM_DO_WRITE_START:
	case VM_DO_WRITE_STOP:
	case VM_DO_WRITE_RESTART:
	case VM_DO_CLAIM:
	case VM_DO_RELEASE:
		act_write(vm, action);
		break;
	case VM_DO_BLOCKED:
		blocked(vm);
		break;
	default:
		move(vm, action);
		break;
	}
}

/* Backwards: an evaluation may remove the VM it is about. */
void vm_evaluate_all(struct daemon *daemon) {
	for (size_t i = daemon->count; i-- > 0;)
		if (i < daemon->count)
			vm_evaluate(daemon->vms[i]);
}
