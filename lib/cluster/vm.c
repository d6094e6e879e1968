/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The decision what to do with one virtual machine on this node. Differences to the reference (data model, 5.2):
 *
 *  - An event never gets lost: VM_PHASE_BUSY answers `wait`, and the end of every action decides anew (D35).
 *  - A guest that ignores the request to shut down is ended when its time is over, for a restart too (D36).
 *  - `shutdown` of what does not run becomes `stop`, so nobody waits for it for ever (D37): the holder writes it, else
 *    the owner.
 *  - Whether a VM may be started, sent or let run is not read from `node` alone, which the client rewrites at will, but
 *    from who holds it: see cluster.h. So `migrate` of what runs nowhere is a start (D45), and nothing is timed (D38).
 *  - A paused guest of ours with `start` is kept: creating it again can only fail.
 *  - `disable` and `delete` end a running guest: the client writes `stop` first, but one look may see only the second
 *    word.
 *  - A guest whose key `node` says nothing is not touched, and an unknown word ends nothing.
 */
#include "cluster/cluster.h"

/* One more than VM_STATE_COUNT: the last column is any other word. */
#define WORDS         (VM_STATE_COUNT + 1)
#define VM_OTHER_WORD VM_STATE_COUNT

/* As `nothing`, but when this node had asked the guest to shut down it also says that it is off. */
#define SAY_IF_ASKED VM_ACTION_COUNT

/* clang-format off */
static const unsigned char decisions[VM_OWNER_COUNT][VM_HERE_COUNT][WORDS] = {
	/* VM_NOBODYS: nothing, whatever else is the case (VM_DO_NOTHING is 0). VM_HERE_UNKNOWN: likewise. */
	[VM_MINE] = {
		[VM_HERE_ABSENT] = {
			[VM_START] = VM_DO_START,
			[VM_RESTART] = VM_DO_WRITE_START,
			[VM_SHUTDOWN] = VM_DO_WRITE_STOP,
			[VM_STOP] = VM_DO_NOTHING,
			[VM_DISABLE] = VM_DO_NOTHING,
			[VM_MIGRATE] = VM_DO_WRITE_START, /* it runs nowhere, as the holder's rules made sure (D45) */
			[VM_UNMIGRATE] = VM_DO_WRITE_START,
			[VM_PROVISION] = VM_DO_NOTHING,
			[VM_FAIL] = VM_DO_NOTHING,
			[VM_DELETE] = VM_DO_NOTHING,
			[VM_OTHER_WORD] = VM_DO_NOTHING,
		},
		[VM_HERE_RUNNING] = {
			[VM_START] = VM_DO_KEEP,
			[VM_RESTART] = VM_DO_ASK,
			[VM_SHUTDOWN] = VM_DO_ASK,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_WRITE_START, /* arrived, or called back */
			[VM_UNMIGRATE] = VM_DO_WRITE_START,
			[VM_PROVISION] = VM_DO_KEEP,
			[VM_FAIL] = VM_DO_KEEP,
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_KEEP,
		},
		[VM_HERE_PAUSED] = {
			[VM_START] = VM_DO_KEEP,
			[VM_RESTART] = VM_DO_ASK,
			[VM_SHUTDOWN] = VM_DO_ASK,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_WRITE_START,
			[VM_UNMIGRATE] = VM_DO_WRITE_START,
			[VM_PROVISION] = VM_DO_KEEP,
			[VM_FAIL] = VM_DO_KEEP,
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_KEEP,
		},
		[VM_HERE_MOVING] = { /* somebody else's migration, by hand: its end brings an event */
			[VM_START] = VM_DO_KEEP,
			[VM_RESTART] = VM_DO_ASK,
			[VM_SHUTDOWN] = VM_DO_ASK,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_NOTHING,
			[VM_UNMIGRATE] = VM_DO_NOTHING,
			[VM_PROVISION] = VM_DO_KEEP,
			[VM_FAIL] = VM_DO_KEEP,
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_KEEP,
		},
		[VM_HERE_CRASHED] = { /* nothing is lost by ending it; what follows is decided as for an absent one */
			[VM_START] = VM_DO_DESTROY,
			[VM_RESTART] = VM_DO_DESTROY,
			[VM_SHUTDOWN] = VM_DO_DESTROY,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_DESTROY,
			[VM_UNMIGRATE] = VM_DO_DESTROY,
			[VM_PROVISION] = VM_DO_NOTHING,
			[VM_FAIL] = VM_DO_NOTHING, /* kept for whoever looks into the crash */
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_NOTHING,
		},
	},
	[VM_OTHERS] = {
		[VM_HERE_ABSENT] = {
			[VM_SHUTDOWN] = SAY_IF_ASKED, /* the other words: nothing */
		},
		[VM_HERE_RUNNING] = { /* a copy that belongs elsewhere must not go on (D39) */
			[VM_START] = VM_DO_DESTROY,
			[VM_RESTART] = VM_DO_ASK, /* the cold way of a migration: off here, then started there */
			[VM_SHUTDOWN] = VM_DO_ASK,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_SEND,
			[VM_UNMIGRATE] = VM_DO_SEND,
			[VM_PROVISION] = VM_DO_DESTROY,
			[VM_FAIL] = VM_DO_DESTROY,
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_NOTHING,
		},
		[VM_HERE_PAUSED] = {
			[VM_START] = VM_DO_DESTROY,
			[VM_RESTART] = VM_DO_ASK,
			[VM_SHUTDOWN] = VM_DO_ASK,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_SEND,
			[VM_UNMIGRATE] = VM_DO_SEND,
			[VM_PROVISION] = VM_DO_DESTROY,
			[VM_FAIL] = VM_DO_DESTROY,
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_NOTHING,
		},
		[VM_HERE_MOVING] = {
			[VM_START] = VM_DO_DESTROY,
			[VM_RESTART] = VM_DO_ASK,
			[VM_SHUTDOWN] = VM_DO_ASK,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_NOTHING, /* the last moment of somebody else's migration out */
			[VM_UNMIGRATE] = VM_DO_NOTHING,
			[VM_PROVISION] = VM_DO_DESTROY,
			[VM_FAIL] = VM_DO_DESTROY,
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_NOTHING,
		},
		[VM_HERE_CRASHED] = {
			[VM_START] = VM_DO_DESTROY,
			[VM_RESTART] = VM_DO_DESTROY,
			[VM_SHUTDOWN] = VM_DO_DESTROY,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_DESTROY,
			[VM_UNMIGRATE] = VM_DO_DESTROY,
			[VM_PROVISION] = VM_DO_DESTROY,
			[VM_FAIL] = VM_DO_DESTROY,
			[VM_DELETE] = VM_DO_DESTROY,
			[VM_OTHER_WORD] = VM_DO_NOTHING,
		},
	},
};

/* What being its holder, or not, makes of that. */
enum rule {
	NOTHING,
	BASE,        /* as the table above says */
	ENDED,       /* only ended, if that is asked for */
	CLAIM,       /* first of all this node becomes the holder, unless the copy is to be ended anyway */
	OFF,         /* it is off here: say so, unless this node goes on with it */
	HAND,        /* it left: if it still is somewhere, then at the target */
	SETTLE,      /* it is still here: find out whether it is still being sent */
	OFFER,       /* it is still here: the target may ask for the cold way */
	TAKE,        /* let it run first, unless it is to be ended anyway */
	RECEIVE,     /* hands off: the sender acts */
	ACCEPT,      /* ask for the cold way */
	BLOCKED,     /* hands off: another node may run it */
	STRAY,       /* another node has it: this copy must not go on */
	LEFTOVER     /* ... and never ran */
};
static const unsigned char rules[VM_HOLDER_COUNT][VM_HERE_COUNT] = {
	/*                     unknown  absent   running  paused    moving    crashed */
	[VM_FREE]           = {NOTHING, BASE,    CLAIM,   CLAIM,    ENDED,    BASE},
	[VM_HELD]           = {NOTHING, OFF,     BASE,    BASE,     BASE,     BASE},
	[VM_SENDING]        = {NOTHING, HAND,    SETTLE,  SETTLE,   SETTLE,   LEFTOVER},
	[VM_OFFERING]       = {NOTHING, OFF,     OFFER,   OFFER,    OFFER,    BASE},
	[VM_HANDED]         = {NOTHING, TAKE,    TAKE,    TAKE,     TAKE,     LEFTOVER},
	[VM_COMING]         = {NOTHING, RECEIVE, RECEIVE, RECEIVE,  RECEIVE,  RECEIVE},
	[VM_OFFERED]        = {NOTHING, ACCEPT,  STRAY,   LEFTOVER, LEFTOVER, LEFTOVER},
	[VM_HELD_ELSEWHERE] = {NOTHING, BLOCKED, STRAY,   LEFTOVER, LEFTOVER, LEFTOVER},
};

/* What becomes of it while the guest is being asked to shut down. */
static const unsigned char phases[VM_ACTION_COUNT + 1][VM_PHASE_SENDING] = {
	                       /* idle                 asked                overdue */
	[VM_DO_NOTHING]       = {VM_DO_NOTHING,       VM_DO_NOTHING,       VM_DO_NOTHING},
	[VM_DO_KEEP]          = {VM_DO_KEEP,          VM_DO_KEEP,          VM_DO_KEEP},
	[VM_DO_START]         = {VM_DO_START,         VM_DO_START,         VM_DO_START},
	[VM_DO_ASK]           = {VM_DO_ASK,           VM_DO_WAIT,          VM_DO_DESTROY},
	[VM_DO_DESTROY]       = {VM_DO_DESTROY,       VM_DO_DESTROY,       VM_DO_DESTROY},
	[VM_DO_WRITE_START]   = {VM_DO_WRITE_START,   VM_DO_WRITE_START,   VM_DO_WRITE_START},
	[VM_DO_WRITE_STOP]    = {VM_DO_WRITE_STOP,    VM_DO_WRITE_STOP,    VM_DO_WRITE_STOP},
	[VM_DO_WRITE_RESTART] = {VM_DO_WRITE_RESTART, VM_DO_WRITE_RESTART, VM_DO_WRITE_RESTART},
	[VM_DO_CLAIM]         = {VM_DO_CLAIM,         VM_DO_CLAIM,         VM_DO_CLAIM},
	[VM_DO_RELEASE]       = {VM_DO_RELEASE,       VM_DO_RELEASE,       VM_DO_RELEASE},
	[VM_DO_SEND]          = {VM_DO_SEND,          VM_DO_SEND,          VM_DO_SEND},
	[VM_DO_SETTLE]        = {VM_DO_SETTLE,        VM_DO_SETTLE,        VM_DO_SETTLE},
	[VM_DO_HAND]          = {VM_DO_HAND,          VM_DO_HAND,          VM_DO_HAND},
	[VM_DO_OFFER]         = {VM_DO_OFFER,         VM_DO_OFFER,         VM_DO_RESTORE},
	[VM_DO_TAKE]          = {VM_DO_TAKE,          VM_DO_TAKE,          VM_DO_TAKE},
	[VM_DO_RECEIVE]       = {VM_DO_RECEIVE,       VM_DO_RECEIVE,       VM_DO_RECEIVE},
	[VM_DO_BLOCKED]       = {VM_DO_BLOCKED,       VM_DO_BLOCKED,       VM_DO_BLOCKED},
	[SAY_IF_ASKED]        = {VM_DO_NOTHING,       VM_DO_WRITE_STOP,    VM_DO_WRITE_STOP},
};
/* clang-format on */

static bool is_to_move(unsigned word) {
	return word == VM_MIGRATE || word == VM_UNMIGRATE;
}

/* The holder says what became of a VM that is off, whoever it belongs to now. */
static unsigned off(const struct vm_view *view, unsigned word, unsigned base) {
	if (view->owner == VM_MINE)
		return base == VM_DO_NOTHING ? VM_DO_RELEASE : base;
	return word == VM_SHUTDOWN ? VM_DO_WRITE_STOP : VM_DO_RELEASE;
}

static unsigned with_holder(const struct vm_view *view, unsigned word, unsigned base) {
	switch (rules[view->holder][view->here]) {
	case BASE:
		return base;
	case ENDED:
		return base == VM_DO_DESTROY ? base : VM_DO_NOTHING;
	case CLAIM:
		return base == VM_DO_DESTROY || base == VM_DO_NOTHING ? base : VM_DO_CLAIM;
	case OFF:
		return off(view, word, base);
	case HAND:
		return VM_DO_HAND;
	case SETTLE:
		return VM_DO_SETTLE;
	case OFFER:
		return view->owner == VM_OTHERS && is_to_move(word) && view->same_target ? VM_DO_OFFER : VM_DO_CLAIM;
	case TAKE:
		return base == VM_DO_DESTROY ? VM_DO_DESTROY : VM_DO_TAKE;
	case RECEIVE:
		return view->owner == VM_MINE ? VM_DO_RECEIVE : VM_DO_NOTHING;
	case ACCEPT:
		return view->owner == VM_MINE && is_to_move(word) ? VM_DO_WRITE_RESTART : VM_DO_NOTHING;
	case BLOCKED:
		return base == VM_DO_START || base == VM_DO_WRITE_START ? VM_DO_BLOCKED : VM_DO_NOTHING;
	case STRAY: /* one that the keys say is ours is left to whoever put them so */
		return base == VM_DO_DESTROY || (view->owner == VM_OTHERS && word != VM_OTHER_WORD) ? VM_DO_DESTROY
												    : VM_DO_NOTHING;
	case LEFTOVER:
		return VM_DO_DESTROY;
	default:
		return VM_DO_NOTHING;
	}
}

/* It goes on as long as the VM is to run at the other end. */
static enum vm_action while_sending(const struct vm_view *view, unsigned word) {
	if (view->owner == VM_OTHERS && view->same_target && (is_to_move(word) || word == VM_START))
		return VM_DO_WAIT;
	return view->owner == VM_NOBODYS || word == VM_OTHER_WORD ? VM_DO_WAIT : VM_DO_ABORT;
}

enum vm_action vm_decide(const struct vm_view *view) {
	unsigned word = view->wanted >= 0 && view->wanted < VM_STATE_COUNT ? (unsigned)view->wanted : VM_OTHER_WORD;
	unsigned action;

	if (view->phase == VM_PHASE_BUSY)
		return VM_DO_WAIT;
	if (view->phase == VM_PHASE_SENDING)
		return while_sending(view, word);
	if (view->owner == VM_NOBODYS)
		return VM_DO_NOTHING;
	action = with_holder(view, word, decisions[view->owner][view->here][word]);
	if (action == VM_DO_START && view->holder != VM_HELD)
		action = VM_DO_CLAIM; /* nobody starts a VM who is not its holder */
	return (enum vm_action)phases[action][view->phase];
}

const char *vm_action_name(enum vm_action action) {
	static const char *const names[VM_ACTION_COUNT] = {
	    [VM_DO_NOTHING] = "nothing",
	    [VM_DO_KEEP] = "keep",
	    [VM_DO_START] = "start",
	    [VM_DO_ASK] = "ask to shut down",
	    [VM_DO_DESTROY] = "force off",
	    [VM_DO_WRITE_START] = "write start",
	    [VM_DO_WRITE_STOP] = "write stop",
	    [VM_DO_WRITE_RESTART] = "write restart",
	    [VM_DO_CLAIM] = "claim",
	    [VM_DO_RELEASE] = "release",
	    [VM_DO_SEND] = "send",
	    [VM_DO_ABORT] = "abort",
	    [VM_DO_SETTLE] = "settle",
	    [VM_DO_HAND] = "hand over",
	    [VM_DO_OFFER] = "offer",
	    [VM_DO_RESTORE] = "restore",
	    [VM_DO_TAKE] = "take",
	    [VM_DO_RECEIVE] = "receive",
	    [VM_DO_BLOCKED] = "blocked",
	    [VM_DO_WAIT] = "wait",
	};

	return action < VM_ACTION_COUNT ? names[action] : "?";
}

const char *vm_here_name(enum vm_here here) {
	static const char *const names[VM_HERE_COUNT] = {
	    [VM_HERE_UNKNOWN] = "unknown", [VM_HERE_ABSENT] = "absent", [VM_HERE_RUNNING] = "running",
	    [VM_HERE_PAUSED] = "paused",   [VM_HERE_MOVING] = "moving", [VM_HERE_CRASHED] = "crashed",
	};

	return here < VM_HERE_COUNT ? names[here] : "?";
}

const char *vm_holder_name(enum vm_holder holder) {
	static const char *const names[VM_HOLDER_COUNT] = {
	    [VM_FREE] = "free",       [VM_HELD] = "held",
	    [VM_SENDING] = "sending", [VM_OFFERING] = "offering",
	    [VM_HANDED] = "handed",   [VM_COMING] = "coming",
	    [VM_OFFERED] = "offered", [VM_HELD_ELSEWHERE] = "held elsewhere",
	};

	return holder < VM_HOLDER_COUNT ? names[holder] : "?";
}

usec_t vm_restart_pause(unsigned short_runs) {
	static const unsigned seconds[] = {0, 5, 10, 20, 40, 60};

	return seconds[short_runs < ARRAY_SIZE(seconds) ? short_runs : ARRAY_SIZE(seconds) - 1] * USEC_PER_SEC;
}
