/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The heartbeat's decisions (data model, 4): when, what first, and whether this node says that it runs. */
#include "cluster/cluster.h"

/* The reference writes `run` over anything, so a node that is going down comes back to life with its last heartbeat. */
static const bool claims_run[DAEMON_STATE_COUNT] = {
    [DAEMON_INIT] = true,      /* the start-up's last step */
    [DAEMON_RUN] = false,      /* nothing to change */
    [DAEMON_SHUTDOWN] = false, /* on purpose */
    [DAEMON_STOP] = false,     /* on purpose */
    [DAEMON_DEAD] = true,      /* somebody took us for dead: this heartbeat is the proof of the contrary */
};

bool heartbeat_claims_run(enum daemon_state present, bool stopping) {
	if (stopping)
		return false;
	if (present < 0 || present >= DAEMON_STATE_COUNT)
		return true;
	return claims_run[present];
}

usec_t heartbeat_next(usec_t first, usec_t interval, usec_t previous, usec_t now, uint64_t *ret_missed) {
	usec_t next = now < first ? first : first + ((now - first) / interval + 1) * interval;

	if (ret_missed)
		*ret_missed = next > previous + interval ? (next - previous) / interval - 1 : 0;
	return next;
}

/* [connected][busy][versions_known] */
static const enum heartbeat_step steps[2][2][2] = {
    {{HEARTBEAT_WAIT, HEARTBEAT_WAIT}, {HEARTBEAT_WAIT, HEARTBEAT_WAIT}},
    {{HEARTBEAT_READ, HEARTBEAT_WRITE}, {HEARTBEAT_WAIT, HEARTBEAT_WAIT}},
};

enum heartbeat_step heartbeat_step(const struct heartbeat_view *view) {
	return steps[view->connected][view->busy][view->versions_known];
}

enum heartbeat_figures heartbeat_figures(bool readable, usec_t age, usec_t interval) {
	if (!readable)
		return FIGURES_MISSING;
	return age / HEARTBEAT_STALE_INTERVALS > interval ? FIGURES_STALE : FIGURES_FRESH;
}
