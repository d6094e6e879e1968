/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A tour: what a change of this node's domainstate means for all VMs of the cluster. Flush (flush.c) and unflush
 * (unflush.c) are two kinds of the same work:
 *
 *   tour.c   finds the VMs that are concerned, keeps at most `system.migration.drain_parallel` of them on their way at
 * a time, looks again until there is nothing left to do, and writes the last word trip.c   one VM: reads its keys, lets
 * the kind decide and writes in one transaction, watches its state until something has come of it, and then decides
 * anew told.c   says in /nodes/ME/drain how far it is
 *
 * Every decision is made from the keys as they are at that moment, and every write depends on this node's domainstate
 * being what it was. So a tour can end at any point, by another word of the operator or by kill -9: what is on its way
 * goes on without it, and the next tour finds it there. Nothing waits for a VM without a limit (D37).
 */
#pragma once

#include "watcher.h"

#define TRIP_TARGETS_MAX 2 /* nodes that a VM is tried to be brought to before it is shut down */

enum tour_key {
	TOUR_NAME,
	TOUR_STATE,
	TOUR_NODE,
	TOUR_LASTNODE,
	TOUR_AUTOSTART,
	TOUR_LIMIT,
	TOUR_SELECTOR,
	TOUR_REASON,
	TOUR_VM_KEYS,
	TOUR_CONCERN_KEYS = TOUR_LIMIT, /* the keys above it say whether a VM is concerned */
};

enum trip_phase {
	TRIP_QUEUED,
	TRIP_WRITING,
	TRIP_WATCHING,
	TRIP_ENDED,
};

struct trip {
	struct tour *tour;
	char *uuid, *name;
	int64_t memory, vcpus; /* MiB; -1 for unknown */
	enum trip_phase phase;
	bool counted;    /* a part of the work: others are only waited for */
	bool over;       /* nothing more is tried with it in this tour */
	unsigned rounds; /* times that it was taken up again */
	bool follow;     /* somebody sent it on its way, so see what comes of it */
	bool was_off;    /* since then */

	char *target;         /* the node it is on its way to, or is by now; else NULL */
	char *sent;           /* the node that it was last sent to for certain, or NULL */
	bool put_down;        /* it was asked to shut down */
	bool reported;        /* the target's own figures hold it by now */
	struct strlist tried; /* targets that it came back from */
	struct strlist nodes; /* the other nodes of the decision that is asked for */

	enum vm_state state; /* seen last by the watch */
	bool state_known;
	struct store_watch *watch;
	sd_event_source *timer;

	/* the answer of the last decision */
	bool ends;
	enum progress_word word;
	char *node, *note;
};

enum tour_concern {
	CONCERN_NONE,
	CONCERN_WAIT, /* not part of the work, but it cannot end before this VM has come to rest */
	CONCERN_WORK,
};

struct tour;
struct tour_kind {
	enum domain_state asked, reached;
	bool by_size; /* reads the VMs' sizes, and begins with the largest */
	enum tour_concern (*concerns)(const struct tour *tour, const struct drain_vm *vm);
	/* Decides what to do with the VM now. Called again when a race was lost, so it only sets `trip`'s answer: 0
	 * puts writes into txn, 1 does not; trip->ends when that was all, else it is watched until it comes to rest. */
	int (*decide)(struct trip *trip, const struct store_value *vm, const struct store_value *nodes,
		      struct store_txn *txn);
};
extern const struct tour_kind flush_kind, unflush_kind;

struct told;
/* Called once, never from inside tour_start(); frees nothing. 0: domainstate is what the kind reaches; -ECANCELED: it
 * says something else by now; else -errno: begin anew. */
typedef void (*tour_done_fn)(struct watcher *watcher, int result);

struct tour {
	struct watcher *watcher;
	const struct tour_kind *kind;
	tour_done_fn done;
	struct strlist vms;     /* all of the cluster, of this look */
	size_t next;            /* first VM that was not looked at */
	struct strlist running; /* what this node reported as running when the look began */
	struct strlist due;     /* of the present chunk, whose size is to be read */
	struct trip **trips;
	size_t trip_count, active;
	bool worked;          /* there was something to do since the look began */
	unsigned outstanding; /* answers of the store */
	bool stopping;
	int result;
	sd_event_source *end;

	struct progress progress;
	struct strlist resumed; /* VMs that were waiting or under way when an earlier tour was interrupted */
	struct told *told;
};

int tour_start(struct watcher *watcher, const struct tour_kind *kind, tour_done_fn done, struct tour **ret);
void tour_stop(struct tour *tour, int result); /* ends it as soon as outstanding answers have come */
void tour_free(struct tour *tour);             /* after done(), or after store_close() */
struct drain_vm tour_vm(const struct tour *tour, const char *uuid, const struct store_value *values);
/* An answer has come: true when the tour ends, and nothing more may be done. */
bool tour_answered(struct tour *tour);
void tour_trip_ended(struct tour *tour);

struct trip *trip_new(struct tour *tour, const char *uuid, const char *name);
void trip_free(struct trip *trip);
int trip_step(struct trip *trip);                  /* reads, decides, writes */
void trip_rest(struct trip *trip);                 /* stops watching */
int trip_aim(struct trip *trip, const char *node); /* sets its target */
/* The answer of a decision. node and note may be NULL. */
void trip_answer(struct trip *trip, bool ends, enum progress_word word, const char *node, const char *note);
void trip_discount(struct trip *trip); /* it is no part of the work after all */
/* What its keys say when nothing is to be done with it any more. */
void trip_answer_rest(struct trip *trip, const struct drain_vm *vm, const char *reason);

/* ---- targets.c: which node takes a VM ---- */

enum node_figure {
	FIGURE_DAEMON,
	FIGURE_DOMAIN,
	FIGURE_MEMUSED,
	FIGURE_MEMFREE,
	FIGURE_MEMALLOC,
	FIGURE_VCPUS,
	FIGURE_LOAD,
	FIGURE_VMS,
	FIGURE_RUNNING,
	FIGURE_COUNT,
};
int targets_paths(struct trip *trip, struct strlist *paths); /* fills trip->nodes */
/* The index in trip->nodes, or -ENOENT with the reasons in *ret_error. *ret_home: it is the VM's home, and there is no
 * other. */
int targets_choose(struct trip *trip, const struct store_value *vm, const struct store_value *figures, bool *ret_home,
		   char **ret_error);
/* The transaction depends on the node being ready still. */
bool targets_runs(const struct trip *trip, const struct store_value *figures, const char *node);
int targets_check(const struct trip *trip, size_t index, const struct store_value *figures, struct store_txn *txn);

/* ---- told.c ---- */

int told_start(struct tour *tour);
void told_changed(struct tour *tour); /* the text is written soon, not more often than a few times a second */
void told_now(struct tour *tour);     /* once more, before the tour ends */
int told_put(struct tour *tour, struct store_txn *txn, const struct store_value *seen);
char *told_path(const struct tour *tour);
void told_stop(struct tour *tour);
