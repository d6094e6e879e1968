/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cluster: what to do next, decided without I/O. Given what is wanted and what is, these functions return the action;
 * they include nothing but base, and are tested over their whole input space. Words are the reference's (data model, 4
 * and 5).
 */
#pragma once

#include "base/base.h"

/* ---- words (words.c) ---- */

enum vm_state {
	VM_START,
	VM_RESTART,
	VM_SHUTDOWN,
	VM_STOP,
	VM_DISABLE,
	VM_MIGRATE,
	VM_UNMIGRATE, /* legacy, never written */
	VM_PROVISION,
	VM_FAIL,
	VM_DELETE,
	VM_STATE_COUNT,
	VM_STATE_UNKNOWN = -1, /* any other word, or no key */
};
const char *vm_state_name(enum vm_state state); /* NULL for unknown */
enum vm_state vm_state_parse(const char *word);

enum daemon_state {
	DAEMON_INIT,
	DAEMON_RUN,
	DAEMON_SHUTDOWN,
	DAEMON_STOP,
	DAEMON_DEAD,
	DAEMON_STATE_COUNT,
	DAEMON_STATE_UNKNOWN = -1
};
const char *daemon_state_name(enum daemon_state state);
enum daemon_state daemon_state_parse(const char *word);

enum domain_state {
	DOMAINS_FLUSHED,
	DOMAINS_UNFLUSH,
	DOMAINS_READY,
	DOMAINS_FLUSH,
	DOMAINS_STATE_COUNT,
	DOMAINS_STATE_UNKNOWN = -1
};
const char *domain_state_name(enum domain_state state);
enum domain_state domain_state_parse(const char *word);

enum router_state { ROUTER_PRIMARY, ROUTER_SECONDARY, ROUTER_CLIENT, ROUTER_STATE_COUNT, ROUTER_STATE_UNKNOWN = -1 };
const char *router_state_name(enum router_state state);
enum router_state router_state_parse(const char *word);

/* ---- where a VM may go (select.c; data model, 5.4) ---- */

enum select_by {
	SELECT_MEM,   /* most memory not yet given away: used + free - allocated; must be above 0 */
	SELECT_LOAD,  /* lowest load */
	SELECT_VCPUS, /* fewest vCPUs given away */
	SELECT_VMS,   /* fewest VMs */
	SELECT_BY_COUNT,
	SELECT_BY_UNKNOWN = -1 /* any other word, or no key */
};
const char *select_by_name(enum select_by by); /* "mem"...; NULL for unknown */
enum select_by select_by_parse(const char *word);

#define SELECT_UNKNOWN INT64_MIN /* a figure that is missing or no number */
struct select_node {
	const char *name;
	enum daemon_state daemon_state;
	enum domain_state domain_state;
	int64_t memused, memfree, memalloc; /* MiB */
	int64_t vcpualloc, domainscount;
	double cpuload; /* NAN when missing or no number */
};
struct select_request {
	const struct strlist *limit; /* allowed nodes; NULL or empty: all */
	const struct strlist *tried; /* nodes that it could not be brought to; NULL or empty: none */
	const char *exclude;         /* the VM's present node, or NULL */
	const char *home;            /* the node that it came from (`lastnode`), or NULL: a VM that is moved out of the
					way is not sent there, it would be at home and away at once (D43) */
	enum select_by by;
};
/* The index of the node that takes the VM: one that is `run` and `ready`, inside the limit, not excluded, and best by
 * the wanted figure; among equals the one whose name sorts first, so that the order of `nodes` does not matter. -ENOENT
 * when there is none: *ret_error says of each node why. -EINVAL for an unknown `by`. */
int select_target(const struct select_node *nodes, size_t count, const struct select_request *request,
		  char **ret_error);
/* Parses a figure as the keys hold it: SELECT_UNKNOWN / NAN for anything that is not a number. */
int64_t select_figure(const char *text);
double select_load(const char *text);
/* Counts a VM that is on its way to the node and that the node's own figures do not hold yet; memory in MiB. Figures
 * that are not known, of the VM or the node, stay as they are. */
void select_add(struct select_node *node, int64_t memory, int64_t vcpus);

/* ---- who may have a VM's process: its key `holder` (holder.c) ---- */

/*
 * The key that keeps a VM from running twice. A node makes itself the holder before it starts a VM, by compare-and-set,
 * and only when nobody else is; it gives that up only once the VM's process is gone there. While a VM moves, the key
 * names both ends, and the copy that has arrived stays paused until the sender has written that its own is gone.
 *
 *   (missing or empty)  nobody has it: who should run it may start it
 *   A                   A has it, or may have
 *   A > B               A has it and is sending it to B; a copy at B does not run
 *   A ! B               A has it and could not send it to B: B may have it shut down at A and start it itself
 *   - > B               A's copy is gone: if there is one at B, B may let it run
 */
enum holder_kind { HOLDER_NONE, HOLDER_HAS, HOLDER_SENDS, HOLDER_OFFERS, HOLDER_HANDED, HOLDER_UNCLEAR };
#define HOLDER_NODE_MAX 256 /* with the NUL: longer than a host name can be */
struct holder {
	enum holder_kind kind;
	char node[HOLDER_NODE_MAX], target[HOLDER_NODE_MAX]; /* "" where there is none; node "-" when handed */
};
struct holder holder_parse(const char *text); /* anything else is unclear: then nobody starts the VM */
char *holder_text(enum holder_kind kind, const char *node, const char *target); /* NULL without memory */

/* What it means for one node. */
enum vm_holder {
	VM_FREE,           /* nobody has it */
	VM_HELD,           /* this node has it */
	VM_SENDING,        /* this node has it and began to send it; where it is now is to be found out */
	VM_OFFERING,       /* this node has it and could not send it */
	VM_HANDED,         /* this node may take what has arrived */
	VM_COMING,         /* another node is sending it here */
	VM_OFFERED,        /* another node could not send it here */
	VM_HELD_ELSEWHERE, /* another node has it, or nobody can tell */
	VM_HOLDER_COUNT
};
enum vm_holder holder_relation(const struct holder *holder, const char *me);

/* For whoever has made sure that node `dead` is off (fenced): what the key becomes, to be written in the transaction
 * that gives the VM to another node. 1 and *ret, 0 when it stays, -ENOMEM. */
int holder_without(const struct holder *holder, const char *dead, char **ret);

/* ---- what to do with one virtual machine on this node (vm.c) ---- */

enum vm_owner {
	VM_NOBODYS, /* its key `node` is missing or empty: nobody knows where it belongs, so nobody touches it */
	VM_MINE,    /* node is this node */
	VM_OTHERS,  /* node is another node */
	VM_OWNER_COUNT
};

/* What libvirt has of it here. */
enum vm_here {
	VM_HERE_UNKNOWN, /* libvirt was not asked yet or does not answer */
	VM_HERE_ABSENT,  /* no process: not known, defined but off */
	VM_HERE_RUNNING, /* running, or on its way down (then another event follows) */
	VM_HERE_PAUSED,  /* a process that does not run: paused, suspended, arrived and not yet let run */
	VM_HERE_MOVING,  /* ... for a migration: half arrived, or in the last moment of being sent */
	VM_HERE_CRASHED, /* the guest crashed and its process was kept */
	VM_HERE_COUNT
};

/* What this node is doing with it. */
enum vm_phase {
	VM_PHASE_IDLE,
	VM_PHASE_ASKED,   /* the guest was asked to shut down and has time left */
	VM_PHASE_OVERDUE, /* ... and its time is over; or an offer's is */
	VM_PHASE_SENDING, /* it is being sent by a call of ours */
	VM_PHASE_BUSY,    /* an action is under way; when it ends everything is looked at again (D35) */
	VM_PHASE_COUNT
};

enum vm_action {
	VM_DO_NOTHING, /* all is as it should be, or it is not ours to change */
	VM_DO_KEEP,    /* it runs as it should: watch its console, count it as running */
	VM_DO_START,   /* create it from its XML; on failure write `fail` and the reason */
	VM_DO_ASK,     /* ask the guest to shut down; then it is looked at again, by VM_PHASE_OVERDUE at the latest */
	VM_DO_DESTROY, /* end its process, write nothing; then it is looked at again */
	VM_DO_WRITE_START,   /* write `start`, if the word is still the one that led here */
	VM_DO_WRITE_STOP,    /* the same with `stop` */
	VM_DO_WRITE_RESTART, /* the same with `restart`: the holder shuts it down, then this node starts it */
	VM_DO_CLAIM,         /* become its holder */
	VM_DO_RELEASE,       /* be no longer its holder: it is off here */
	VM_DO_SEND,          /* live migration out */
	VM_DO_ABORT,         /* end a migration out that is no longer wanted */
	VM_DO_SETTLE,        /* find out what became of a migration out that nobody watched */
	VM_DO_HAND,          /* it was sent and is gone here: the target may let it run */
	VM_DO_OFFER,         /* it could not be sent: wait for the target to ask for the cold way */
	VM_DO_RESTORE,       /* nobody asked: it stays here, node and state become so again */
	VM_DO_TAKE,          /* let run what has arrived, and be its holder */
	VM_DO_RECEIVE,       /* live migration in: the sender acts */
	VM_DO_BLOCKED,       /* it should be started here, but another node may have it */
	VM_DO_WAIT,          /* not now: look again when the present action ends */
	VM_ACTION_COUNT
};

struct vm_view {
	enum vm_owner owner;
	enum vm_here here;
	enum vm_state wanted;
	enum vm_phase phase;
	enum vm_holder holder;
	bool same_target; /* VM_SENDING, VM_OFFERING: the other end is the node where it belongs */
};
/* The matrix of data model 5.2 and the holder's rules as tables (in vm.c, with the reasons). Every input has an answer.
 * Actions do not follow each other by plan: a restart is `ask` while it runs, `write start` when it is off, `start`
 * then, each decided anew from what is the case. So an action that is interrupted, by a newer word or by kill -9,
 * leaves nothing behind.
 */
enum vm_action vm_decide(const struct vm_view *view);
const char *vm_action_name(enum vm_action action);
const char *vm_here_name(enum vm_here here);
const char *vm_holder_name(enum vm_holder holder);

/* How long to wait before a guest that ended by itself is started again (microseconds from its last start), given how
 * many of its runs in a row were shorter than VM_SHORT_RUN: none, then 5, 10, 20, 40, 60 s. */
#define VM_SHORT_RUN (30 * USEC_PER_SEC)
usec_t vm_restart_pause(unsigned short_runs);

/* ---- heartbeat (heartbeat.c): what pvc-keepalive decides ---- */

/* May a heartbeat turn the daemonstate `present` into `run`? From init, dead and anything unknown, never from shutdown
 * or stop (those end a node's life on purpose), and never when this program itself is `stopping`. */
bool heartbeat_claims_run(enum daemon_state present, bool stopping);

/* When the next heartbeat is due (CLOCK_MONOTONIC): the first multiple of `interval` after `first` that is later than
 * `now`. No drift: late ticks do not move the later ones; missed ticks are skipped, *ret_missed (or NULL) says how many
 * since `previous`, the tick that was due last. */
usec_t heartbeat_next(usec_t first, usec_t interval, usec_t previous, usec_t now, uint64_t *ret_missed);

enum heartbeat_step {
	HEARTBEAT_WAIT,  /* a commit or a read is under way, or there is no connection: its end brings the next step */
	HEARTBEAT_READ,  /* the keys' versions are not known: read them first */
	HEARTBEAT_WRITE, /* commit the figures on the versions that are known */
};
struct heartbeat_view {
	bool connected;
	bool busy;           /* a read or a commit has not ended yet */
	bool versions_known; /* every version since the last commit is known: nothing was lost, nobody else wrote */
};
enum heartbeat_step heartbeat_step(const struct heartbeat_view *view);

/* How far figures that pvc-watch-domains published can be trusted. */
enum heartbeat_figures {
	FIGURES_FRESH,
	FIGURES_STALE,   /* older than HEARTBEAT_STALE_INTERVALS keepalive intervals: published all the same */
	FIGURES_MISSING, /* none since boot, or not readable: the last known stay */
};
#define HEARTBEAT_STALE_INTERVALS 3 /* the publisher may miss two rounds before anybody is told */
enum heartbeat_figures heartbeat_figures(bool readable, usec_t age, usec_t interval);

/* ---- a node's own words: maintenance, drain, role (node.c; data model, 3, 4, 9, 11) ---- */

enum maintenance {
	MAINTENANCE_OFF,
	MAINTENANCE_ON,
	MAINTENANCE_UNCLEAR /* missing, or no word that strtobool knows: counts as off, and is worth a warning */
};
enum maintenance maintenance_parse(const char *word); /* NULL: the key is missing */

/* What this node's domainstate asks of it. */
enum node_duty {
	NODE_DUTY_NONE,    /* flushed, ready: nothing */
	NODE_DUTY_UNFLUSH, /* bring its VMs back, then write `ready` */
	NODE_DUTY_FLUSH,   /* move its VMs away, then write `flushed` */
	NODE_DUTY_UNCLEAR  /* no key, or no known word: nothing, and worth a warning */
};
enum node_duty node_duty(const char *domainstate); /* NULL: the key is missing */

/* ---- emptying a node and filling it again (drain.c; data model, 11) ---- */

struct drain_vm { /* its keys as they are; NULL for one that is missing */
	const char *state;
	const char *node;
	const char *lastnode;
	const char *node_autostart;
	bool runs_here; /* the node reports it as running: an odd word does not make it stay */
};

/* What becomes of one VM when node `me` is drained. */
enum flush_action {
	FLUSH_LEAVE, /* it is not here, or off */
	FLUSH_MOVE,  /* it has to go */
	FLUSH_AWAIT, /* it is on its way in or out, or down: see what comes of it */
	FLUSH_ACTION_COUNT
};
enum flush_action flush_decide(const struct drain_vm *vm, const char *me);

/* What becomes of one VM when node `me` is made ready. */
enum unflush_action {
	UNFLUSH_LEAVE,  /* not concerned */
	UNFLUSH_START,  /* it was stopped when the node was drained: state=start, lastnode='', node_autostart=False */
	UNFLUSH_FETCH,  /* it has its home here and runs elsewhere: migrate it back */
	UNFLUSH_ASSIGN, /* it has its home here and is off: only its keys come back. `migrate` would start it (D45) */
	UNFLUSH_AWAIT,  /* it has its home here and is on its way somewhere, or down: see what comes of it */
	UNFLUSH_STAY,   /* it has its home here, and whether it runs elsewhere is not clear: worth a word */
	UNFLUSH_ACTION_COUNT
};
enum unflush_action unflush_decide(const struct drain_vm *vm, const char *me);

/* What the state says of a VM that was sent on its way. */
enum trip_verdict {
	TRIP_UNDER_WAY,
	TRIP_RUNS, /* on the node that its key `node` names by now */
	TRIP_OFF,  /* in the middle of a move it can be off for a moment, between two nodes */
	TRIP_FAILED,
	TRIP_LEFT, /* somebody has other plans: deleted, being built, no known word */
	TRIP_COUNT
};
enum trip_verdict trip_judge(enum vm_state state);

/* ---- how far it is (progress.c): the text of /nodes/NODE/drain, a key of our own ---- */

enum progress_phase { PROGRESS_RUNNING, PROGRESS_DONE, PROGRESS_CANCELLED, PROGRESS_PHASE_COUNT };
enum progress_word {
	PROGRESS_WAITING,   /* its turn has not come yet */
	PROGRESS_MOVING,    /* on its way to `node` */
	PROGRESS_MOVED,     /* runs on `node`, without having been off */
	PROGRESS_RESTARTED, /* runs on `node`, and was off in between */
	PROGRESS_STARTED,   /* was set to start */
	PROGRESS_ASSIGNED,  /* was off and still is; belongs to `node` again */
	PROGRESS_SHUT_DOWN, /* is off, and will start when its node is ready again */
	PROGRESS_OFF,       /* is off, which others wanted */
	PROGRESS_STAYED,    /* is where it was; the note says why */
	PROGRESS_FAILED,    /* is off against its will; the note says why */
	PROGRESS_WORD_COUNT
};
struct progress_vm {
	enum progress_word word;
	char *uuid, *node, *name, *note; /* printable; "" for none */
};
struct progress {
	enum domain_state asked; /* DOMAINS_FLUSH or DOMAINS_UNFLUSH */
	enum progress_phase phase;
	uint64_t total; /* VMs that are concerned, as far as is known */
	struct progress_vm *vms;
	size_t count;
};
const char *progress_word_name(enum progress_word word);
const char *progress_phase_name(enum progress_phase phase);
void progress_free(struct progress *progress);
#define _cleanup_progress_ _cleanup_(progress_free)
/* Puts what is known of a VM; a second time for the same VM replaces the first. Foreign texts are made printable. */
int progress_put(struct progress *progress, enum progress_word word, const char *uuid, const char *node,
		 const char *name, const char *note);
void progress_drop(struct progress *progress, const char *uuid);
bool progress_is_end(enum progress_word word);          /* neither waiting nor moving */
size_t progress_ended(const struct progress *progress); /* VMs with such a word */
size_t progress_counted(const struct progress *progress, enum progress_word word);
/* One line "flush running 20", then a line a VM: word, UUID, node, name, note with tabs between. Never longer than
 * PROGRESS_TEXT_MAX: what does not fit is left out, and VMs that are still to be dealt with come first. NULL without
 * memory. */
#define PROGRESS_TEXT_MAX (512u * 1024u)
char *progress_format(const struct progress *progress);
/* -EINVAL when it is no such text; lines that are not understood are skipped. */
int progress_parse(const char *text, struct progress *ret);
/* "3 VMs: 2 moved, 1 shut down" */
char *progress_summary(const struct progress *progress);

/* ---- the primary role (primary.c; the times are in timeline.h) ---- */

enum primary_fitness {
	PRIMARY_LEAVES, /* goes down, is not registered, or is no coordinator: holds nothing */
	PRIMARY_BEGINS, /* not in state run yet: takes a role that is meant for it, bids for none */
	PRIMARY_FIT,
	PRIMARY_FITNESS_COUNT
};
/* what /primary_node says */
enum primary_wish {
	WISH_NOBODY,
	WISH_ME,
	WISH_OTHER, /* a candidate: another coordinator that could take the role now */
	WISH_UNFIT, /* a name that stands for no candidate: dead, no coordinator, no node at all */
	WISH_COUNT
};
enum primary_lease {
	LEASE_NOBODYS,
	LEASE_OTHERS, /* or not known */
	LEASE_OLD,    /* of an earlier session of this node, whose process is gone */
	LEASE_MINE,   /* of this session */
	LEASE_COUNT
};
enum primary_services { SERVICES_STOPPED, SERVICES_UNCLEAR, SERVICES_RUN, SERVICES_COUNT };
struct primary_view {
	enum primary_fitness fitness;
	enum primary_wish wish;
	enum primary_lease lease;
	enum primary_services services; /* of pvc-primary.target on this node; unclear: starting, stopping, failed */
	bool confirmed;                 /* this session is known to live long enough (timeline_late()) */
	bool others_first;              /* others have a little time to take the role before this node does */
};
enum primary_action {
	PRIMARY_NOTHING,
	PRIMARY_START, /* the services */
	PRIMARY_STOP,
	PRIMARY_CLAIM, /* make the lease and be named, in one transaction: of many claimants one wins (D25) */
	PRIMARY_ADOPT,
	PRIMARY_BID, /* be named in /primary_node; the holder gives way, or this node is it and stays */
	PRIMARY_RELEASE,
	PRIMARY_ACTION_COUNT
};
/* Every input has an answer; the table, with the reasons, is in primary.c. */
enum primary_action primary_decide(const struct primary_view *view);
const char *primary_action_name(enum primary_action action);
enum primary_fitness primary_fitness(enum daemon_state state); /* of a coordinator */
enum primary_wish primary_wish(const char *primary, const char *me, const struct strlist *candidates);
