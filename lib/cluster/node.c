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
