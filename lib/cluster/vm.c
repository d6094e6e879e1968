/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The decision what to do with one virtual machine on this node. Differences to the reference (data model, 5.2):
 *
 *  - An event never gets lost: VM_PHASE_BUSY answers `wait`, and the end of every action decides anew (D35).
 *  - A guest that ignores the request to shut down is ended when its time is over, for a restart too (D36).
 *  - `shutdown` of what does not run becomes `stop`, so nobody waits for it for ever (D37) - except where another node
 *    is sending it here: that node shuts it down and writes `stop` itself.
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
			[VM_MIGRATE] = VM_DO_RECEIVE,
			[VM_UNMIGRATE] = VM_DO_NOTHING,
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
			[VM_MIGRATE] = VM_DO_WRITE_START, /* arrived */
			[VM_UNMIGRATE] = VM_DO_KEEP,
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
			[VM_MIGRATE] = VM_DO_RECEIVE, /* arriving */
			[VM_UNMIGRATE] = VM_DO_KEEP,
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
			[VM_MIGRATE] = VM_DO_RECEIVE,
			[VM_UNMIGRATE] = VM_DO_NOTHING,
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
			[VM_RESTART] = VM_DO_DESTROY,
			[VM_SHUTDOWN] = VM_DO_ASK, /* a failed migration ends with the sender shutting it down */
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
			[VM_RESTART] = VM_DO_DESTROY,
			[VM_SHUTDOWN] = VM_DO_ASK,
			[VM_STOP] = VM_DO_DESTROY,
			[VM_DISABLE] = VM_DO_DESTROY,
			[VM_MIGRATE] = VM_DO_NOTHING, /* the last moment of a migration out */
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

/* What becomes of a decision while something is already going on. */
static const unsigned char phases[VM_ACTION_COUNT + 1][VM_PHASE_COUNT] = {
	                     /* idle               asked              overdue            receiving          busy */
	[VM_DO_NOTHING]     = { VM_DO_NOTHING,     VM_DO_NOTHING,     VM_DO_NOTHING,     VM_DO_NOTHING,     VM_DO_WAIT },
	[VM_DO_KEEP]        = { VM_DO_KEEP,        VM_DO_KEEP,        VM_DO_KEEP,        VM_DO_KEEP,        VM_DO_WAIT },
	[VM_DO_START]       = { VM_DO_START,       VM_DO_START,       VM_DO_START,       VM_DO_START,       VM_DO_WAIT },
	[VM_DO_ASK]         = { VM_DO_ASK,         VM_DO_WAIT,        VM_DO_DESTROY,     VM_DO_ASK,         VM_DO_WAIT },
	[VM_DO_DESTROY]     = { VM_DO_DESTROY,     VM_DO_DESTROY,     VM_DO_DESTROY,     VM_DO_DESTROY,     VM_DO_WAIT },
	[VM_DO_WRITE_START] = { VM_DO_WRITE_START, VM_DO_WRITE_START, VM_DO_WRITE_START, VM_DO_WRITE_START, VM_DO_WAIT },
	[VM_DO_WRITE_STOP]  = { VM_DO_WRITE_STOP,  VM_DO_WRITE_STOP,  VM_DO_WRITE_STOP,  VM_DO_NOTHING,     VM_DO_WAIT },
	[VM_DO_SEND]        = { VM_DO_SEND,        VM_DO_SEND,        VM_DO_SEND,        VM_DO_SEND,        VM_DO_WAIT },
	[VM_DO_RECEIVE]     = { VM_DO_RECEIVE,     VM_DO_RECEIVE,     VM_DO_RECEIVE,     VM_DO_NOTHING,     VM_DO_WAIT },
	[VM_DO_WAIT]        = { VM_DO_WAIT,        VM_DO_WAIT,        VM_DO_WAIT,        VM_DO_WAIT,        VM_DO_WAIT },
	[SAY_IF_ASKED]      = { VM_DO_NOTHING,     VM_DO_WRITE_STOP,  VM_DO_WRITE_STOP,  VM_DO_NOTHING,     VM_DO_WAIT },
};
/* clang-format on */

enum vm_action vm_decide(const struct vm_view *view) {
	unsigned word = view->wanted >= 0 && view->wanted < VM_STATE_COUNT ? (unsigned)view->wanted : VM_OTHER_WORD;

	return (enum vm_action)phases[decisions[view->owner][view->here][word]][view->phase];
}

const char *vm_action_name(enum vm_action action) {
	static const char *const names[VM_ACTION_COUNT] = {
	    [VM_DO_NOTHING] = "nothing",       [VM_DO_KEEP] = "keep",
	    [VM_DO_START] = "start",           [VM_DO_ASK] = "ask to shut down",
	    [VM_DO_DESTROY] = "force off",     [VM_DO_WRITE_START] = "write start",
	    [VM_DO_WRITE_STOP] = "write stop", [VM_DO_SEND] = "send",
	    [VM_DO_RECEIVE] = "receive",       [VM_DO_WAIT] = "wait",
	};

	return action < VM_ACTION_COUNT ? names[action] : "?";
}

const char *vm_here_name(enum vm_here here) {
	static const char *const names[VM_HERE_COUNT] = {
	    [VM_HERE_UNKNOWN] = "unknown", [VM_HERE_ABSENT] = "absent",   [VM_HERE_RUNNING] = "running",
	    [VM_HERE_PAUSED] = "paused",   [VM_HERE_CRASHED] = "crashed",
	};

	return here < VM_HERE_COUNT ? names[here] : "?";
}

usec_t vm_restart_pause(unsigned short_runs) {
	static const unsigned seconds[] = {0, 5, 10, 20, 40, 60};

	return seconds[short_runs < ARRAY_SIZE(seconds) ? short_runs : ARRAY_SIZE(seconds) - 1] * USEC_PER_SEC;
}
