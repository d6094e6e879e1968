/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/cluster.h"

/* One more than VM_STATE_COUNT: the last is any other word. */
static size_t column(enum vm_state state) {
	return state == VM_STATE_UNKNOWN ? VM_STATE_COUNT : (size_t)state;
}

/*
 * A VM that is off stays assigned to the node: it is no load, and it starts here when the node is ready again and its
 * owner wants it. One of these words on a VM that runs all the same (a start that failed while the guest lived, a
 * guest that is being rebuilt) does not keep it from going. `stop`, `disable` and `delete` end a running guest at once.
 */
enum flush_action flush_decide(const struct drain_vm *vm, const char *me) {
	enum { LEAVE = FLUSH_LEAVE, MOVE = FLUSH_MOVE, AWAIT = FLUSH_AWAIT, IF_IT_RUNS = FLUSH_ACTION_COUNT };
	static const unsigned char mine[VM_STATE_COUNT + 1] = {
	    [VM_START] = MOVE,           [VM_RESTART] = AWAIT,          [VM_SHUTDOWN] = AWAIT,
	    [VM_STOP] = LEAVE,           [VM_DISABLE] = LEAVE,          [VM_MIGRATE] = AWAIT, /* it is just arriving */
	    [VM_UNMIGRATE] = IF_IT_RUNS, [VM_PROVISION] = IF_IT_RUNS,   [VM_FAIL] = IF_IT_RUNS,
	    [VM_DELETE] = LEAVE,         [VM_STATE_COUNT] = IF_IT_RUNS,
	};
	enum vm_state state = vm_state_parse(vm->state);
	unsigned char action;

	if (str_is_absent(vm->node))
		return FLUSH_LEAVE;
	if (!str_equal(vm->node, me)) {
		/* where it comes from stands in no key, so every migration is waited for; a failed one ends with its
		 * source, which may be this node, shutting the guest down */
		if (state == VM_MIGRATE || state == VM_UNMIGRATE || (state == VM_SHUTDOWN && vm->runs_here) ||
		    (state == VM_SHUTDOWN && str_equal(vm->lastnode, me)))
			return FLUSH_AWAIT;
		return FLUSH_LEAVE;
	}
	action = mine[column(state)];
	if (action == IF_IT_RUNS)
		return vm->runs_here ? FLUSH_MOVE : FLUSH_LEAVE;
	return (enum flush_action)action;
}

/*
 * The flag is compared exactly with `True`, as the reference does: it is written by programs only. A VM that is just
 * being deleted or built, and one that an operator disabled, is not started by a flag that was forgotten in it; nor is
 * one that is on its way here, which will run anyway.
 */
enum unflush_action unflush_decide(const struct drain_vm *vm, const char *me) {
	static const bool may_start[VM_STATE_COUNT + 1] = {
	    [VM_START] = true,      [VM_RESTART] = true,  [VM_SHUTDOWN] = true, [VM_STOP] = true,
	    [VM_FAIL] = true,       [VM_DISABLE] = false, [VM_MIGRATE] = false, [VM_UNMIGRATE] = false,
	    [VM_PROVISION] = false, [VM_DELETE] = false,
	};
	static const enum unflush_action away[VM_STATE_COUNT + 1] = {
	    [VM_START] = UNFLUSH_FETCH,     [VM_RESTART] = UNFLUSH_AWAIT,
	    [VM_SHUTDOWN] = UNFLUSH_AWAIT,  [VM_STOP] = UNFLUSH_ASSIGN,
	    [VM_DISABLE] = UNFLUSH_ASSIGN,  [VM_MIGRATE] = UNFLUSH_AWAIT,
	    [VM_UNMIGRATE] = UNFLUSH_AWAIT, [VM_PROVISION] = UNFLUSH_STAY,
	    [VM_FAIL] = UNFLUSH_STAY, /* it may run there all the same, and would be ended by losing its node */
	    [VM_DELETE] = UNFLUSH_LEAVE,    [VM_STATE_COUNT] = UNFLUSH_LEAVE,
	};
	enum vm_state state = vm_state_parse(vm->state);

	if (str_equal(vm->node, me))
		return str_equal(vm->node_autostart, "True") && may_start[column(state)] ? UNFLUSH_START
											 : UNFLUSH_LEAVE;
	if (str_is_absent(vm->node) || !str_equal(vm->lastnode, me))
		return UNFLUSH_LEAVE;
	return away[column(state)];
}

enum trip_verdict trip_judge(enum vm_state state) {
	static const enum trip_verdict trips[VM_STATE_COUNT + 1] = {
	    [VM_START] = TRIP_RUNS,          [VM_RESTART] = TRIP_UNDER_WAY,
	    [VM_SHUTDOWN] = TRIP_UNDER_WAY,  [VM_STOP] = TRIP_OFF,
	    [VM_DISABLE] = TRIP_OFF,         [VM_MIGRATE] = TRIP_UNDER_WAY,
	    [VM_UNMIGRATE] = TRIP_UNDER_WAY, [VM_PROVISION] = TRIP_LEFT,
	    [VM_FAIL] = TRIP_FAILED,         [VM_DELETE] = TRIP_LEFT,
	    [VM_STATE_COUNT] = TRIP_LEFT,
	};

	return trips[column(state)];
}
