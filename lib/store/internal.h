/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of lib/store share. An operation (struct op) travels: submitted -> waiting in a queue -> sent ->
 * finished
 * -> its completion called from the loop, outside of the ZooKeeper library's own stack -> freed. So completions may
 * call anything, store_close() included.
 */
#pragma once

#include <zookeeper/zookeeper.h>

#include "store/store.h"

#define STORE_WINDOW     256 /* operations sent whose completion was not called yet, at the most */
#define STORE_READ_TRIES 10  /* connections that a read may be lost with before it fails */

enum op_kind {
	OP_GET,
	OP_LIST,
	OP_EXISTS,
	OP_SYNC,
	OP_CREATE, /* one key, possibly sequential: `created` is its path */
	OP_MULTI,
};

enum op_queue { QUEUE_RETRY, QUEUE_NORMAL, QUEUE_BULK, QUEUE_COUNT }; /* in the order of service */

struct op;
typedef void (*op_done_fn)(struct store *store, struct op *op);

struct op {
	struct op *next;
	enum op_kind kind;
	enum op_queue queue;
	enum { OP_WAITING, OP_SENT, OP_FINISHED } state;
	bool watch;     /* leave a watch (OP_GET, OP_LIST, OP_EXISTS) */
	bool cancelled; /* while it waits: not to be sent */
	bool counted;   /* in in_flight */
	bool own;       /* the probe: a sync of the store itself, past the queues, never asked again */
	unsigned tries;
	char *path;
	char *data; /* OP_CREATE */
	int flags;  /* OP_CREATE */
	struct store_txn *txn;
	struct store *store;
	usec_t sent_at;
	uint64_t session; /* number of the session it was sent in */
	op_done_fn done;  /* NULL: nobody waits any more */
	void *userdata;
	/* the answer */
	int result;
	char *reply;
	size_t reply_length;
	struct Stat stat;
	struct strlist children;
	char *created;
};

struct op_list {
	struct op *first, **last;
};

struct store {
	sd_event *event;
	sd_event *private_event; /* the handle's own loop (wait.c) */
	struct store_options options;
	char *servers;
	char *credentials; /* or NULL */
	unsigned server_count;
	char *addresses;         /* the servers' as numbers; NULL while no name resolved */
	struct workers *workers; /* for looking names up; NULL when there are none */
	bool named, resolving;   /* are there names? is a lookup under way? */
	zhandle_t *zh;
	unsigned in_library; /* depth of calls into the library: nothing is sent from inside its callbacks */
	sd_event_source *tick, *io, *retry, *probe, *dispatch;
	int fd;       /* the library's; -1: none is waited for */
	int copy;     /* of it: what `io` waits on */
	bool dropped; /* the library closed its socket since `io` was made */
	bool connected, reached, closing;
	bool announce_lost, announce_up, announce_new;
	int64_t session_id;
	uint64_t session; /* counts sessions; 0 before the first */
	unsigned timeout_ms;
	usec_t lost_at; /* when the session was heard of last, while it is not connected */
	usec_t confirmed;
	usec_t attempt_deadline, attempt_limit; /* of one try to connect to one server */
	usec_t next_attempt;                    /* not before: all servers were tried just now */
	unsigned attempts;
	struct op *probing;
	struct op_list queues[QUEUE_COUNT];
	struct op_list finished;
	unsigned in_flight;
	void *watches; /* tsearch(3) tree of struct watch_key */
	sd_event_source *watch_retry;
	struct store_lock *locks;
	unsigned references; /* one for the caller until store_close(), one for each op_dispatch() under way */
};

/* ---- op.c ---- */
void op_list_init(struct op_list *list);
void op_list_push(struct op_list *list, struct op *op);
struct op *op_list_pop(struct op_list *list);
/* NULL without memory. `path` is copied. */
struct op *op_new(struct store *store, enum op_kind kind, const char *path, op_done_fn done, void *userdata);
void op_free(struct op *op);
int op_submit(struct op *op); /* takes it over, also on failure */
void op_wake(struct store *store);
void op_finish(struct op *op, int result);
void op_pump(struct store *store);
/* Ends what waits to be sent and is no read: its session is over. */
void op_fail_waiting(struct store *store, int result, bool reads_too);
int op_dispatch_init(struct store *store);
void op_dispatch(struct store *store, usec_t until);
int op_probe(struct store *store);
bool store_path_valid(const char *path);

/* ---- session.c ---- */
void store_unref(struct store *store);
void session_update(struct store *store); /* looks at the library's state after each call of it */

void session_resolved(struct store *store); /* store->addresses is new */

/* ---- resolve.c ---- */
int resolve_init(struct store *store);  /* -EINVAL for what is no list of HOST:PORT */
int resolve_start(struct store *store); /* looks the names up again, unless that is under way or there are none */

/* ---- read.c ---- */
void value_of(const struct op *op, struct store_value *ret); /* borrows from op */

/* ---- watch.c ---- */
void watch_event(zhandle_t *zh, int type, int state, const char *path, void *context);
void watch_rearm(struct store *store);
void watch_free_all(struct store *store);

/* ---- write.c ---- */
int txn_send(struct op *op, void_completion_t completion);

/* ---- lock_names.c ---- */
#define LOCK_PREFIX_TEXT     48
#define LOCK_IDENTIFIER_TEXT 37
/* 32 random hex digits and the tag; and a time-based UUID (version 1, random node) as the identifier. */
int lock_names_make(const char *tag, char prefix[LOCK_PREFIX_TEXT], char identifier[LOCK_IDENTIFIER_TEXT]);
/* The nearest contender before ours that holds us up; NULL for none. *ret_present: is ours there at all? */
const char *lock_names_predecessor(const struct strlist *names, const char *own, bool after_readers, bool *ret_present,
				   bool *ret_reader);

/* ---- lock.c ---- */
void lock_session_lost(struct store *store);
void lock_forget_caller(struct store_lock *lock); /* its completion is not called any more */
void lock_free_all(struct store *store);
