/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The primary coordinator. Three facts meet: the lease (an ephemeral key: the right to serve), /primary_node (the wish,
 * and what clients are told) and this node's own services. First what this node is after, by who holds the lease and
 * what is wished; then the next step towards it, by what its services do. A step that is interrupted leaves nothing
 * behind: what comes next is decided anew from the facts.
 *
 * Two rules are in the second half, for every intent: services run only under a confirmed lease of this session, and a
 * lease is given up only when the services have stopped.
 */
#include "cluster/cluster.h"

enum intent {
	STAY_OUT,   /* somebody else's, or nobody's business of this node */
	HOLD,       /* have it, serve */
	HOLD_TELL,  /* have it, and write this node's name back */
	HOLD_YIELD, /* have it; when nobody has bid for it in time write this node's name back */
	GIVE,       /* stop, then give it away */
	BID,        /* nobody is named: be named, once others had their chance */
	TAKE,
	TAKE_LATER, /* once others had their chance */
	ADOPT,      /* it is of an earlier session of this node: make it this one's */
};

/* clang-format off */
static const enum intent intents[PRIMARY_FITNESS_COUNT][LEASE_COUNT][WISH_COUNT] = {
	/* WISH_                    NOBODY      ME         OTHER       UNFIT */
	[PRIMARY_LEAVES] = {
		[LEASE_NOBODYS] = {STAY_OUT,   STAY_OUT,  STAY_OUT,   STAY_OUT},
		[LEASE_OTHERS]  = {STAY_OUT,   STAY_OUT,  STAY_OUT,   STAY_OUT},
		[LEASE_OLD]     = {ADOPT,      ADOPT,     ADOPT,      ADOPT},
		[LEASE_MINE]    = {GIVE,       GIVE,      GIVE,       GIVE}},
	[PRIMARY_BEGINS] = {
		[LEASE_NOBODYS] = {STAY_OUT,   TAKE,      STAY_OUT,   STAY_OUT},
		[LEASE_OTHERS]  = {STAY_OUT,   STAY_OUT,  STAY_OUT,   STAY_OUT},
		[LEASE_OLD]     = {ADOPT,      ADOPT,     ADOPT,      ADOPT},
		[LEASE_MINE]    = {HOLD_YIELD, HOLD,      GIVE,       HOLD_TELL}},
	[PRIMARY_FIT] = {
		[LEASE_NOBODYS] = {TAKE_LATER, TAKE,      TAKE_LATER, TAKE},
		[LEASE_OTHERS]  = {BID,        STAY_OUT,  STAY_OUT,   STAY_OUT},
		[LEASE_OLD]     = {ADOPT,      ADOPT,     ADOPT,      ADOPT},
		[LEASE_MINE]    = {HOLD_YIELD, HOLD,      GIVE,       HOLD_TELL}},
};
/* clang-format on */

static enum primary_action stopped_then(const struct primary_view *view, enum primary_action action) {
	return view->services == SERVICES_STOPPED ? action : PRIMARY_STOP;
}

static enum primary_action serve(const struct primary_view *view) {
	if (!view->confirmed) /* others may get it soon */
		return stopped_then(view, PRIMARY_NOTHING);
	return view->services == SERVICES_RUN ? PRIMARY_NOTHING : PRIMARY_START;
}

enum primary_action primary_decide(const struct primary_view *view) {
	switch (intents[view->fitness][view->lease][view->wish]) {
	case STAY_OUT:
		break;
	case HOLD:
		return serve(view);
	case HOLD_TELL:
		return view->confirmed ? PRIMARY_BID : serve(view);
	case HOLD_YIELD:
		return view->confirmed && !view->others_first ? PRIMARY_BID : serve(view);
	case GIVE:
		return stopped_then(view, PRIMARY_RELEASE);
	case BID:
		return stopped_then(view, view->others_first ? PRIMARY_NOTHING : PRIMARY_BID);
	case TAKE:
		return stopped_then(view, PRIMARY_CLAIM);
	case TAKE_LATER:
		return stopped_then(view, view->others_first ? PRIMARY_NOTHING : PRIMARY_CLAIM);
	case ADOPT:
		return stopped_then(view, PRIMARY_ADOPT);
	}
	return stopped_then(view, PRIMARY_NOTHING);
}

enum primary_fitness primary_fitness(enum daemon_state state) {
	static const enum primary_fitness fitness[DAEMON_STATE_COUNT] = {
	    [DAEMON_INIT] = PRIMARY_BEGINS, [DAEMON_RUN] = PRIMARY_FIT,     [DAEMON_SHUTDOWN] = PRIMARY_LEAVES,
	    [DAEMON_STOP] = PRIMARY_LEAVES, [DAEMON_DEAD] = PRIMARY_BEGINS, /* somebody thinks so; the heartbeat puts it
									       right, or the fence comes */
	};

	return state == DAEMON_STATE_UNKNOWN ? PRIMARY_LEAVES : fitness[state];
}

enum primary_wish primary_wish(const char *primary, const char *me, const struct strlist *candidates) {
	if (str_is_absent(primary))
		return WISH_NOBODY;
	if (str_equal(primary, me))
		return WISH_ME;
	return strlist_contains(candidates, primary) ? WISH_OTHER : WISH_UNFIT;
}

const char *primary_action_name(enum primary_action action) {
	static const char *const names[PRIMARY_ACTION_COUNT] = {
	    [PRIMARY_NOTHING] = "nothing", [PRIMARY_START] = "start", [PRIMARY_STOP] = "stop",
	    [PRIMARY_CLAIM] = "claim",     [PRIMARY_ADOPT] = "adopt", [PRIMARY_BID] = "bid",
	    [PRIMARY_RELEASE] = "release",
	};

	return names[action];
}
