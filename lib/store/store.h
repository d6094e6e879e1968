/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store: the cluster's state in ZooKeeper. The single-threaded C client driven by the program's own loop, so a program
 * whose loop hangs loses its session, and no callback needs a lock.
 *
 * Results are 0 or -errno:
 *   -ENOENT no such key · -EEXIST key exists · -ESTALE version differs (lost race) · -ENOTEMPTY key has children
 *   -ENOTCONN connection lost: outcome unknown · -ECONNRESET session expired: outcome unknown, ephemerals are gone
 *   -EACCES the key is for others (its ACL) · -ETIMEDOUT deadline passed · -EFBIG value over STORE_VALUE_MAX · -EIO
 * anything else the server says A completion is called exactly once, from the loop, never from inside the call that
 * asked for it (of calls that returned 0; the others never complete). It may call anything, store_close() included.
 * Operations asked for while there is no connection wait in order for one. Writes fail with -ECONNRESET if the session
 * expires first, and with -ENOTCONN when they were sent and the connection broke before the answer. Reads change
 * nothing, so they are asked again by themselves, over connections and sessions; they fail only after several
 * connections broke at them.
 *
 * Clock: store_last_confirmed() is this process's own CLOCK_MONOTONIC time of *sending* the newest request that went
 * through the leader (writes, syncs, and with `confirm` a sync of the store's own six times a session time-out) and was
 * answered within this session. Reads do not count: a server that is cut off from the others goes on answering them for
 * a while. A holder of a lease judges by that alone: the ZooKeeper client never tells that a session expired while it
 * is cut off.
 */
#pragma once

#include "base/base.h"
#include "event/event.h"

#define STORE_VALUE_MAX          (1000u * 1000u) /* bytes; ZooKeeper drops connections at 1 MiB packets (data model, 0) */
#define STORE_SESSION_TIMEOUT_MS 10000u          /* what the reference's client asks for */
#define STORE_UPDATE_TRIES       20              /* lost races after which store_update() gives up with -ESTALE */

struct store;

/* ---- session (session.c) ---- */

enum store_state {
	STORE_CONNECTING,  /* no server: operations wait */
	STORE_CONNECTED,   /* same session as before */
	STORE_NEW_SESSION, /* connected with a new session: watches were re-armed, ephemerals and locks of the old one
			      are gone: compare everything */
};
struct store_options {
	const char *servers;         /* "host:port,host:port" */
	unsigned session_timeout_ms; /* 0: STORE_SESSION_TIMEOUT_MS */
	bool confirm; /* keep store_last_confirmed() fresh, at the cost of a sync now and then: for holders of leases */
	const char *credentials; /* "USER:PASSWORD" of ZooKeeper's digest scheme, for private keys; or NULL, or "" */
	void (*on_state)(struct store *store, enum store_state state, void *userdata); /* may be NULL */
	void *userdata;
};
/* Starts connecting, returns at once. An expired session is replaced by a new one by itself. */
int store_open(struct store **ret, sd_event *event, const struct store_options *options);
/* Ends the session (its ephemerals vanish at once when connected). Outstanding completions are called with -ECONNRESET.
 * Never blocks longer than 500 ms. Watches and locks that are left are freed: do not free them later. */
void store_close(struct store *store);
static inline void store_closep(struct store **store) {
	store_close(*store);
}
#define _cleanup_store_ _cleanup_(store_closep)
bool store_is_connected(const struct store *store);
unsigned store_session_timeout_ms(const struct store *store); /* as negotiated, 0 before the first connection */
int64_t store_session_id(const struct store *store);          /* the owner of its ephemerals; 0 while there is none */
usec_t store_last_confirmed(const struct store *store);       /* see above; 0 before the first answer of this session */
const char *store_servers(const struct store *store);

/* ---- paths (layout.c): one table a data model, so that another layout is one more table ---- */

enum store_base {
	STORE_PRIMARY_NODE,
	STORE_UPSTREAM_IP,
	STORE_MAINTENANCE,
	STORE_NODES,
	STORE_DOMAINS,
	STORE_NETWORKS,
	STORE_CEPH,
	STORE_CEPH_OSDS,
	STORE_CEPH_POOLS,
	STORE_CEPH_VOLUMES,
	STORE_CEPH_SNAPSHOTS,
	STORE_CMD,
	STORE_CMD_DOMAINS,
	STORE_CMD_CEPH,
	STORE_LOCKS,
	STORE_LOCKS_FLUSH,
	STORE_LOCKS_PRIMARY,
	/* our own, beside the reference's 17 */
	STORE_PVC,
	STORE_PVC_PRIMARY,    /* .../lease: ephemeral, its session holds the primary role */
	STORE_PVC_CANDIDATES, /* .../NODE: ephemeral, that coordinator could take the role */
	STORE_PVC_ALIVE,      /* .../NODE: ephemeral, its pvc-keepalive has a session */
	STORE_PVC_HEART,      /* .../NODE: boot id and watchdog of a node, with its heartbeats */
	STORE_PVC_FENCE,      /* .../NODE: how far its fencing is; .../NODE/fencer: ephemeral, who is at it */
	STORE_PVC_AGENTS,     /* .../NODE: how to switch it off, beside the reference's ipmi keys */
	STORE_BASE_COUNT
};
const char *store_base(enum store_base key);         /* its path in the layout in use, e.g. "/nodes" */
const char *store_base_initial(enum store_base key); /* its value on a new cluster: "none", "False" or "" */
/* "/nodes" + components joined with '/'; NULL ends the components. NULL without memory; the caller frees. */
char *store_path(enum store_base key, ...) __attribute__((sentinel));

/* ---- the primary role's lease (lease.c) ---- */

struct store_lease {
	char *node;   /* who holds it */
	char *boot;   /* that host's boot id */
	char *since;  /* when it got the role, by its own clock, for people: "2026-01-31 23:59:59 UTC" */
	int64_t pid;  /* of its pvc-watch-nodes */
	int64_t held; /* seconds since it got the role, by its own clock; refreshed now and then */
};
void store_lease_free(struct store_lease *lease); /* frees what it holds */
#define _cleanup_lease_ _cleanup_(store_lease_free)
char *store_lease_format(const struct store_lease *lease);        /* NULL without memory; the caller frees */
int store_lease_parse(const char *text, struct store_lease *ret); /* -EBADMSG: no such text */

/* ---- reading (read.c) ---- */

struct store_stat {
	int64_t mzxid, czxid;
	int32_t version, cversion, children;
	int64_t ephemeral_owner;
};
struct store_value {
	bool exists;
	const char *data; /* NUL-terminated copy, "" when absent; may hold NUL bytes inside */
	size_t length;
	struct store_stat stat;
};
typedef void (*store_value_fn)(struct store *store, int result, const struct store_value *value, void *userdata);
typedef void (*store_list_fn)(struct store *store, int result, const struct strlist *children, void *userdata);
typedef void (*store_done_fn)(struct store *store, int result, void *userdata);

int store_get(struct store *store, const char *path, store_value_fn done, void *userdata);
/* Several keys in one go (pipelined, unordered between them); values[i] belongs to paths[i]; a missing key is
 * exists=false, not an error. */
typedef void (*store_values_fn)(struct store *store, int result, const struct store_value *values, size_t count,
				void *userdata);
int store_get_many(struct store *store, const char *const *paths, size_t count, store_values_fn done, void *userdata);
int store_list(struct store *store, const char *path, store_list_fn done,
	       void *userdata); /* children's names, sorted */
/* The server catches up with the leader, so that a following read is not stale. */
int store_sync(struct store *store, const char *path, store_done_fn done, void *userdata);

/* ---- watching (watch.c) ---- */

struct store_watch;
/* Calls `changed` with the present value (exists=false when missing) once it is known, then after every change of the
 * key's mzxid: also when the same value is rewritten, and when it is deleted or made. Re-armed by itself, also over
 * lost connections and sessions. Changes between two reads come as one. */
typedef void (*store_watch_value_fn)(struct store *store, const struct store_value *value, void *userdata);
int store_watch_value(struct store *store, const char *path, store_watch_value_fn changed, void *userdata,
		      struct store_watch **ret);
/* The same for the list of children; `children` is NULL while the key does not exist. */
typedef void (*store_watch_list_fn)(struct store *store, const struct strlist *children, void *userdata);
int store_watch_list(struct store *store, const char *path, store_watch_list_fn changed, void *userdata,
		     struct store_watch **ret);
/* Reads the key anew and calls `changed` with what it holds then, whatever was told before. For whoever has read it
 * otherwise meanwhile: what that brought may be gone again, and to the watch nothing has changed. */
void store_watch_again(struct store_watch *watch);
/* No call comes after this. May be called from inside `changed`. */
void store_watch_free(struct store_watch *watch);

/* ---- writing (write.c) ---- */

/* A transaction: all or nothing. The first failed allocation is kept and reported by store_commit(). */
struct store_txn;
struct store_txn *store_txn_new(
    void); /* NULL without memory; all store_txn_* and store_commit accept NULL and give -ENOMEM */
void store_txn_free(struct store_txn *txn);
static inline void store_txn_freep(struct store_txn **txn) {
	store_txn_free(*txn);
}
#define STORE_ANY_VERSION (-1)
int store_txn_create(struct store_txn *txn, const char *path,
		     const char *data); /* persistent, open ACL as the reference */
/* For sessions with the same credentials alone; without any it fails with -EACCES. */
int store_txn_create_private(struct store_txn *txn, const char *path, const char *data);
int store_txn_create_ephemeral(struct store_txn *txn, const char *path, const char *data);
int store_txn_set(struct store_txn *txn, const char *path, const char *data, int32_t version);
int store_txn_delete(struct store_txn *txn, const char *path, int32_t version);
int store_txn_check(struct store_txn *txn, const char *path, int32_t version);
/* Creates the key when `seen` says it does not exist, else sets it if it still has seen's version. */
int store_txn_put(struct store_txn *txn, const char *path, const struct store_value *seen, const char *data);
size_t store_txn_count(const struct store_txn *txn);
/* Takes the transaction over, also on failure. An empty one succeeds. */
int store_commit(struct store *store, struct store_txn *txn, store_done_fn done, void *userdata);

/* Read, decide, write: reads the keys, calls `compute` with their values, commits what it put into the transaction. A
 * lost race (-ESTALE, -EEXIST, -ENOENT out of the commit) reads and computes again, STORE_UPDATE_TRIES times. compute()
 * returns 0 to commit, > 0 to write nothing and end with that result, < 0 to fail with it. Use store_txn_put() or seen
 * versions, so that a race is noticed. */
typedef int (*store_compute_fn)(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata);
int store_update(struct store *store, const char *const *paths, size_t count, store_compute_fn compute,
		 store_done_fn done, void *userdata);
/* Deletes a key and everything below it, deepest first; missing is success. */
int store_delete_tree(struct store *store, const char *path, store_done_fn done, void *userdata);

/* ---- locks (lock.c): kazoo's recipe, data model 1 ---- */

enum store_lock_kind { STORE_LOCK_READ, STORE_LOCK_WRITE, STORE_LOCK_EXCLUSIVE };
struct store_lock;
/* result 0: held, until store_unlock() or until it is called once more, with -ECONNRESET: the session was lost, or
 * somebody deleted our contender. Any other result: not held and given up (-ETIMEDOUT at the deadline, ...). In every
 * case store_unlock() is still the caller's to call, possibly from in here. A session that is lost while waiting is no
 * failure: it queues again. */
typedef void (*store_lock_fn)(struct store *store, struct store_lock *lock, int result, void *userdata);
/* A writer that waits behind a reader for more than 250 ms withdraws and queues again, which avoids the deadlock of
 * kazoo 2.8.0's readers. */
int store_lock(struct store *store, const char *path, enum store_lock_kind kind, usec_t deadline, store_lock_fn done,
	       void *userdata, struct store_lock **ret);
void store_unlock(
    struct store_lock *lock); /* releases or gives up waiting; frees; no call comes after it; NULL is fine */
bool store_lock_is_held(const struct store_lock *lock); /* false once its session is gone */

/* ---- the synchronous façade for one-shots (wait.c): run the given loop until the answer or the deadline ---- */

/* Connects. On failure *ret_error names servers, what was reached and what to do. -ETIMEDOUT. The handle brings its own
 * private loop. */
int store_connect(const char *servers, usec_t deadline, struct store **ret, char **ret_error);
/* The same with credentials, see store_options. */
int store_connect_as(const char *servers, const char *credentials, usec_t deadline, struct store **ret,
		     char **ret_error);
void store_value_free(struct store_value *value); /* for values from store_get_wait only */
int store_get_wait(struct store *store, const char *path, usec_t deadline,
		   struct store_value *ret); /* missing: 0 with exists=false */
int store_list_wait(struct store *store, const char *path, usec_t deadline, struct strlist *ret);
int store_commit_wait(struct store *store, struct store_txn *txn, usec_t deadline);
int store_update_wait(struct store *store, const char *const *paths, size_t count, store_compute_fn compute,
		      void *userdata, usec_t deadline);
int store_delete_tree_wait(struct store *store, const char *path, usec_t deadline);
int store_sync_wait(struct store *store, const char *path, usec_t deadline);
int store_lock_wait(struct store *store, const char *path, enum store_lock_kind kind, usec_t deadline,
		    struct store_lock **ret);
/* Runs the loop until *flag is true or the deadline: for waiting on anything asynchronous, e.g. a watch. */
int store_wait(struct store *store, const bool *flag, usec_t deadline);
