/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/cluster.h"

enum maintenance maintenance_parse(const char *word) {
	bool on;

	if (!word || parse_bool(word, &on) < 0)
		return MAINTENANCE_UNCLEAR;
	return on ? MAINTENANCE_ON : MAINTENANCE_OFF;
}

enum node_duty node_duty(const char *domainstate) {
	static const enum node_duty duties[DOMAINS_STATE_COUNT] = {
	    [DOMAINS_FLUSHED] = NODE_DUTY_NONE,
	    [DOMAINS_UNFLUSH] = NODE_DUTY_UNFLUSH,
	    [DOMAINS_READY] = NODE_DUTY_NONE,
	    [DOMAINS_FLUSH] = NODE_DUTY_FLUSH,
	};
	enum domain_state state = domain_state_parse(domainstate);

	return state == DOMAINS_STATE_UNKNOWN ? NODE_DUTY_UNCLEAR : duties[state];
}

/*
 * The flag is compared exactly with `True`, as the reference does: it is written by programs only. A VM that is just
 * being deleted or built, and one that an operator disabled, is not started by a flag that was forgotten in it; nor is
 * one that is on its way here, which will run anyway.
 */
enum unflush_action unflush_decide(const struct unflush_vm *vm, const char *me) {
	static const bool may_start[VM_STATE_COUNT] = {
	    [VM_START] = true,      [VM_RESTART] = true,  [VM_SHUTDOWN] = true, [VM_STOP] = true,
	    [VM_FAIL] = true,       [VM_DISABLE] = false, [VM_MIGRATE] = false, [VM_UNMIGRATE] = false,
	    [VM_PROVISION] = false, [VM_DELETE] = false,
	};
	enum vm_state state = vm_state_parse(vm->state);

	if (str_equal(vm->node, me))
		return str_equal(vm->node_autostart, "True") && state != VM_STATE_UNKNOWN && may_start[state]
			   ? UNFLUSH_START
			   : UNFLUSH_LEAVE;
	if (str_is_absent(vm->node) || !str_equal(vm->lastnode, me) || state == VM_DELETE || state == VM_STATE_UNKNOWN)
		return UNFLUSH_LEAVE;
	return UNFLUSH_FETCH;
}

bool role_is_free(const char *primary) {
	return str_is_absent(primary);
}

struct role_decision role_decide(const struct role_view *view) {
	if (!view->is_coordinator)
		return (struct role_decision){ROUTER_CLIENT, false};
	if (role_is_free(view->primary)) /* a claim becomes the role only when it has been seen in the key */
		return (struct role_decision){ROUTER_SECONDARY, view->daemon_state == DAEMON_RUN && !view->yielding};
	return (struct role_decision){str_equal(view->primary, view->me) ? ROUTER_PRIMARY : ROUTER_SECONDARY, false};
}

bool role_serves(enum router_state router_state, enum daemon_state daemon_state) {
	static const bool going_down[DAEMON_STATE_COUNT] = {[DAEMON_SHUTDOWN] = true, [DAEMON_STOP] = true};

	return router_state == ROUTER_PRIMARY && daemon_state != DAEMON_STATE_UNKNOWN && !going_down[daemon_state];
}
