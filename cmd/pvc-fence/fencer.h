/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fencer: what this coordinator does about the other nodes. One object; all of it runs on the loop, what blocks in
 * worker threads.
 *
 *   fencer.c   life; is this node's own session sure; when everything is looked at
 *   peers.c    the watches of each other node, and what they make of it (struct fence_view)
 *   act.c      a step that is a transaction
 *   ask.c      a step that is a child process: agents, sealing the storage
 *   recover.c  the machines of a node that is off for certain
 *   say.c      log lines, and the status file
 *   selfcheck.c  this node's own agents
 *
 * Everything is decided anew from the keys (lib/cluster/fence.h), so a fencer that dies is followed by another one, and
 * whatever failed is simply tried again.
 */
#pragma once

#include "cluster/fence_record.h"
#include "config/config.h"
#include "event/event.h"
#include "store/store.h"

#define FENCER_TICK  (200 * USEC_PER_MSEC) /* how often silence is looked at */
#define FENCER_RETRY (3 * USEC_PER_SEC)    /* before a step that failed is tried again */
#define FENCER_ORPHAN                                                                                                  \
	(500 * USEC_PER_MSEC) /* a record's fencer is seen to be gone for that long: watches come one by one */

enum peer_key {
	PEER_BEAT,   /* keepalive */
	PEER_STATE,  /* daemonstate */
	PEER_HEART,  /* /pvc/heart/NODE */
	PEER_ALIVE,  /* /pvc/alive/NODE */
	PEER_RECORD, /* /pvc/fence/NODE */
	PEER_FENCER, /* /pvc/fence/NODE/fencer */
	PEER_KEY_COUNT
};

struct ask;
struct recovery;

struct peer {
	struct fencer *fencer;
	char *name;
	bool listed; /* it is in the list of nodes; objects stay, so that answers find them */
	struct peer_watch {
		struct peer *peer;
		enum peer_key key;
		struct store_watch *watch;
		bool known, exists;
		int32_t version;
		int64_t owner;
	} watches[PEER_KEY_COUNT];
	char *paths[PEER_KEY_COUNT];

	/* what they hold */
	usec_t changed; /* the heartbeat, or the word that it has registered, seen by this process */
	enum daemon_state state;
	struct fence_heart heart;
	struct fence_record record;
	bool damaged;        /* the record is none: hands off */
	usec_t orphan_since; /* the record has no fencer; 0: it has */

	/* what this process does */
	bool writing;              /* a transaction is under way */
	struct ask *ask;           /* a child process is at work for the present step, or NULL */
	struct ask *power;         /* the node is being switched on again, or NULL */
	struct recovery *recovery; /* its machines are being recovered, or NULL */
	usec_t pause_until;        /* a step failed */
	bool asked;                /* the agents, under this claim, by this process */
	enum fence_verdict verdict;
	unsigned attempts;
	usec_t retry_at;

	/* what was said */
	enum fence_health said_health;
	bool said_damaged, said_unclaimed;
	char *said_trouble;
};

struct selfcheck;

struct fencer {
	const struct config *config;
	struct loop *loop;
	struct store *store; /* NULL once it was closed */
	struct workers *workers;
	struct fence_rules rules;
	sd_event_source *tick;
	struct selfcheck *selfcheck;
	struct store_watch *list_watch, *maintenance_watch, *state_watch;
	struct peer **peers;
	size_t peer_count;
	char *own_path;
	enum daemon_state own_state;
	enum maintenance maintenance;
	bool maintenance_known, own_known, listed;
	bool connected, sees, stopping;
	usec_t watching; /* since when everything is seen */
	usec_t shown_at; /* the status file */
};

int fencer_new(struct fencer **ret, struct loop *loop, const struct config *config);
void fencer_free(struct fencer *fencer);
static inline void fencer_freep(struct fencer **fencer) {
	fencer_free(*fencer);
}
void fencer_look(struct fencer *fencer);       /* at everything, now */
bool fencer_sees(const struct fencer *fencer); /* its own session is sure */

/* ---- peers.c ---- */
int peers_start(struct fencer *fencer);
void peers_stop(struct fencer *fencer);
void peer_look(struct peer *peer);
void peer_doubt(struct peer *peer); /* the own session is in doubt: what is at work ends */
void peer_believe(struct peer *peer, const struct fence_record *record, int32_t version, int64_t fencer);
bool peer_may_recover(const struct peer *peer);
/* What would be done now. */
void peer_view(const struct peer *peer, struct fence_view *ret);
usec_t peer_silence(const struct peer *peer);
/* Nodes that are off for certain, sealed, and not back (fence_recover.h), and what a transaction that relies on that
 * has to check. */
int peers_gone(const struct fencer *fencer, struct strlist *ret);
void peers_check_gone(const struct fencer *fencer, const struct peer *except, struct store_txn *txn);

/* ---- act.c ---- */
void act(struct peer *peer, enum fence_action action, const struct fence_view *view);
void act_note(struct peer *peer, const char *reason, bool attempt); /* what was found goes into the record */
void act_record(struct peer *peer, enum fence_action action, const char *reason); /* the step is done */
void act_failed(struct peer *peer, enum fence_action action,
		const char *why); /* said once; tried again after a pause */

/* ---- ask.c ---- */
void ask_agents(struct peer *peer);
void ask_seal(struct peer *peer, bool lift);
void ask_power_on(struct peer *peer);
bool ask_switches_off(const struct ask *ask);
void ask_abandon(struct ask *ask); /* the child is ended soon; the answer comes all the same */

/* ---- recover.c ---- */
void recover_begin(struct peer *peer);
void recover_free(struct recovery *recovery);

/* ---- say.c ---- */
void say_health(struct peer *peer, enum fence_health health);
void say_trouble(struct peer *peer, const char *trouble); /* once for each text; NULL: it is over */
void say_status(struct fencer *fencer);
