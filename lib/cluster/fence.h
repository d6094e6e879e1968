/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fence: what becomes of a node that is silent, and of this node when it is cut off; decided without I/O and without a
 * clock of its own. The programs bring what they see, the simulator (tests/sim) brings what it makes up.
 *
 * Silence is measured on the observer's own monotonic clock, from the moment at which it saw the heartbeat's key change
 * last, or the node register (`init`). What a heartbeat says is not looked at: clocks of two machines are never
 * compared.
 *
 * Why a node whose machines are started elsewhere has stopped running them (all durations from the moment S at which
 * the victim sent its last heartbeat that was committed; nobody can have seen that change earlier):
 *
 *   victim    S -- answer, at most fence_reply_limit() later: the watchdog is fed -- fence_watchdog_time() --> it is
 * reset observer    S <= change seen ------------------------- fence_cut_time() --------------------------------->
 * "cut"
 *
 * An answer that comes later feeds nothing. fence_cut_time() is the sum of both and a margin for clocks that run at
 * different speeds, and no configuration is accepted for which it is longer than the silence after which a node counts
 * as dead and its saving throw (fence_rules_check()).
 */
#pragma once

#include "base/base.h"

struct fence_rules {
	usec_t interval;            /* between two heartbeats; at least a second */
	uint64_t fence_intervals;   /* of silence until a node counts as dead; 0: nobody is fenced */
	uint64_t suicide_intervals; /* without a heartbeat until a node resets itself; 0: never */
	bool recover_off;           /* machines of a node that was confirmed off are started elsewhere */
	bool recover_cut;           /* ... of a node that must have reset itself by now */
};

#define FENCE_CLOCK_PERCENT 2 /* by which two machines' clocks may run at different speeds; crystals differ by 0.02 */

usec_t fence_reply_limit(const struct fence_rules *rules);
usec_t fence_watchdog_time(const struct fence_rules *rules); /* 0: no self-fencing */
usec_t fence_end_time(const struct fence_rules *rules);      /* DEADLINE_NEVER: no self-fencing */
usec_t fence_cut_time(const struct fence_rules *rules);      /* DEADLINE_NEVER: no self-fencing */
/* Of a node that says itself how long that takes there (struct fence_heart; 0: it does not): its configuration may be
 * another one. Never less than by the own rules. */
usec_t fence_cut_time_of(const struct fence_rules *rules, usec_t told);
usec_t fence_dead_time(const struct fence_rules *rules); /* DEADLINE_NEVER: nobody is fenced */
/* -EINVAL with the reason, which is about suicide_intervals, when the order above does not hold for them. */
int fence_rules_check(const struct fence_rules *rules, char **ret_error);

/* ---- the others: is one silent? (fence_judge.c) ---- */

enum fence_health {
	FENCE_WELL,
	FENCE_SILENT, /* for the dead time, and it has its saving throw: one more interval, and two more while a session
			 of its keepalive program lives, which has a dead program rather than a dead host behind it */
	FENCE_DEAD,
	FENCE_HEALTH_COUNT
};
struct fence_sight {
	usec_t now;      /* this node's CLOCK_MONOTONIC */
	usec_t changed;  /* when its heartbeat was seen to change last, or it was seen to register */
	usec_t watching; /* since when this node has been seeing everything: begins anew with each session, and after
			    each time in which its own session was in doubt. An ensemble that was away kept everybody
			    silent (D22). */
	bool confirmed;  /* this node's own session is known to live right now */
	bool session;    /* the ephemeral key of the peer's keepalive program is there */
};
enum fence_health fence_judge(const struct fence_rules *rules, const struct fence_sight *sight);
usec_t fence_silence(const struct fence_sight *sight);

/* ---- what is to be done about one (fence.c) ---- */

enum fence_step {             /* as recorded in /pvc/fence/NODE; each is idempotent, whoever comes next goes on there */
		  FENCE_NONE, /* no record */
		  FENCE_CLAIMED, /* its daemonstate is `dead`; its agents are to be asked */
		  FENCE_PROVEN,  /* it is off or cut: its storage is to be sealed */
		  FENCE_SEALED,  /* its clients are blocklisted: its machines are to be recovered */
		  FENCE_DONE,    /* ... and were */
		  FENCE_STEP_COUNT
};
enum fence_verdict {
	FENCE_UNKNOWN, /* no agent could tell */
	FENCE_OFF,     /* an agent confirmed that it was without power at some moment after the claim */
	FENCE_CUT,     /* it must have reset itself */
	FENCE_VERDICT_COUNT
};
enum fence_fencer { FENCER_NOBODY, FENCER_ME, FENCER_OTHER, FENCER_COUNT };
enum fence_action {
	FENCE_WAIT,    /* nothing now */
	FENCE_CLAIM,   /* by compare-and-set: record, fencer, and daemonstate `dead` if it still is as it was seen */
	FENCE_RESUME,  /* its fencer is gone: become it, by compare-and-set */
	FENCE_CANCEL,  /* it is back before anything was done: the record goes */
	FENCE_AGENTS,  /* ask them, level by level */
	FENCE_PROVE,   /* record the verdict */
	FENCE_SEAL,    /* blocklist its clients and addresses, break their locks; record */
	FENCE_RECOVER, /* its machines: each by compare-and-set; record */
	FENCE_SETTLE,  /* nothing is to be recovered, its machines wait for it: record, so that it may come back */
	FENCE_FORGET,  /* it is back and was seen clean: lift the blocklist, remove the record */
	FENCE_ACTION_COUNT
};
struct fence_view {
	enum fence_health health;
	enum fence_step step;
	enum fence_fencer fencer;
	enum fence_verdict verdict; /* of the agents' last answer, or as recorded from FENCE_PROVEN on */
	bool confirmed;             /* this node's own session is known to live right now */
	bool may_claim; /* a coordinator in state run, no maintenance, the victim's state is run, init, shutdown or dead
			 */
	bool may_recover;  /* the configured action for this verdict is `migrate` */
	bool armed;        /* the victim had said that its watchdog is armed */
	bool cut_time;     /* its silence is longer than fence_cut_time_of() it */
	bool asked;        /* the agents were asked under this claim by this fencer */
	bool retry;        /* the pause after an unknown verdict is over */
	bool back;         /* its heartbeat changed since the claim */
	bool another_boot; /* its heartbeat comes from another boot: it came up anew */
};
enum fence_action fence_decide(const struct fence_view *view);
const char *fence_action_name(enum fence_action action);
const char *fence_step_name(enum fence_step step);
int fence_step_parse(const char *word); /* enum fence_step, or -EINVAL */
const char *fence_verdict_name(enum fence_verdict verdict);
int fence_verdict_parse(const char *word); /* enum fence_verdict, or -EINVAL */
/* Before the agents are asked again after the n-th unknown verdict (n from 1): 5, 10, 20, 40, 60 s. */
usec_t fence_retry_pause(unsigned attempts);

/* ---- this node itself (fence_self.c) ---- */

enum self_action {
	SELF_FEED,  /* feed the watchdog (or push the forced reboot away): a heartbeat was proven */
	SELF_LEAVE, /* feed nothing */
	SELF_END,   /* the time is nearly over: end the machines in good order, as far as that goes */
	SELF_RESET, /* the time is over and there is no watchdog that would do it, or it did not: reset this host now */
	SELF_ACTION_COUNT
};
struct self_view {
	usec_t now;
	usec_t sent, answered; /* of the newest heartbeat that was committed; 0: none yet, nothing is armed */
	usec_t fed_sent;       /* when the one was sent that fed last */
	bool fed;              /* the newest one has fed already */
	bool armed;            /* there was a first feed */
	bool device;           /* a hardware watchdog does the reset */
	bool ended;            /* the machines were ended since the last feed */
};
enum self_action self_decide(const struct fence_rules *rules, const struct self_view *view);
/* When to look again although nothing happens: the first moment after `now` at which time alone changes the decision.
 */
usec_t self_next(const struct fence_rules *rules, const struct self_view *view);
