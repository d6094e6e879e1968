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
