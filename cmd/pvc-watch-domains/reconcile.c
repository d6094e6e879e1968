/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One VM: what is wanted against what is, and what is done about it. */
#include "daemon.h"

static enum vm_here here_of(enum virt_state state) {
	switch (state) {
	case VIRT_RUNNING:
		return VM_HERE_RUNNING;
	case VIRT_PAUSED:
		return VM_HERE_PAUSED;
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
	    .phase = vm->overdue     ? VM_PHASE_OVERDUE
		     : vm->asked     ? VM_PHASE_ASKED
		     : vm->receiving ? VM_PHASE_RECEIVING
				     : VM_PHASE_IDLE,
	};

	return vm_decide(&view);
}

/* It should run and ended, other than by us; of a guest that crashed we only took away what was left. The first time it
 * comes back at once; when its runs are short, not more often than vm_restart_pause() says. */
static void ended(struct vm *vm) {
	usec_t now = now_monotonic();
	bool was_short = vm->started_at > 0 && now - vm->started_at < VM_SHORT_RUN;

	if (vm->owner != VM_MINE || vm->state != VM_START || (vm->busy && vm->action == VM_DO_DESTROY && !vm->crashed))
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

void vm_pause(struct vm *vm) {
	int r = event_timer(vm->daemon->event, &vm->retry_timer, deadline_left(vm->not_before), on_retry, vm);

	if (r < 0) /* the next event or listing comes here again */
		log_error("VM %s: cannot set a timer: %s", vm_label(vm), strerror(-r));
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
		log_warning("VM %s: is to move to node %s, but this version cannot send it: it runs on here",
			    vm_label(vm), vm->node);
		break;
	case VM_DO_RECEIVE:
		log_warning("VM %s: is to move here; this version waits for the node that runs it to send it",
			    vm_label(vm));
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
	    action != VM_DO_RECEIVE)
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
		if (vm->here == VM_HERE_ABSENT || vm->owner != VM_MINE)
			console_unwatch(vm);
		else if (vm->name)
			console_watch(vm);
		else
			table_read_name(vm); /* comes here again */
	}
}

void vm_evaluate(struct vm *vm) {
	enum vm_action action;

	if (vm->busy || vm->daemon->stopping)
		return; /* the end of the action comes here again: no event is lost (D35) */
	if (vm->gone) {
		vanish_check(vm);
		return;
	}
	if (!vm->state_known || !vm->node_known)
		return;
	action = vm_next(vm);
	stop_waiting(vm, action);
	look_after_console(vm);
	say(vm, action);
	if ((action == VM_DO_START || action == VM_DO_ASK || action == VM_DO_DESTROY) &&
	    now_monotonic() < vm->not_before) {
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
		act_write(vm, action);
		break;
	case VM_DO_RECEIVE:
		vm->receiving = true;
		break;
	default:
		break;
	}
}

/* Backwards: an evaluation may remove the VM it is about. */
void vm_evaluate_all(struct daemon *daemon) {
	for (size_t i = daemon->count; i-- > 0;)
		if (i < daemon->count)
			vm_evaluate(daemon->vms[i]);
}
