/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Locks, with the contenders, names and order of kazoo's recipe (data model, 1), so that both sides exclude each other.
 *
 * A lock goes round: create the contender -> list all -> none before ours: held; else watch the one before -> list.
 * Deviations from it:
 *  - the answer to the creation was lost: sync, list, look for a contender with our prefix;
 *  - the contender vanished (session lost, or somebody deleted it): begin anew; when held: tell that it is lost;
 *  - a writer behind a reader withdraws after a while and queues again: kazoo 2.8.0's readers wait for the newest
 *    writer, even for one that is queued behind themselves, and would wait for us while we wait for them.
 * What store_unlock() leaves on the server is cleaned up in the background, until it is gone or the session is.
 */
#include "store/internal.h"

#define WITHDRAW_USEC  (250 * USEC_PER_MSEC) /* how long a writer stays queued behind a reader */
#define PAUSE_MIN_USEC (100 * USEC_PER_MSEC) /* how long it stays away then; doubled each time */
#define PAUSE_MAX_USEC (800 * USEC_PER_MSEC)
#define PARENT_TRIES   20 /* the lock's directory is deleted again and again by somebody */

static const struct {
	const char *tag;
	bool after_readers; /* does a reader before it hold it up? */
} kinds[] = {
    [STORE_LOCK_READ] = {"__rlock__", false},
    [STORE_LOCK_WRITE] = {"__lock__", true},
    [STORE_LOCK_EXCLUSIVE] = {"__lock__", false},
};

struct store_lock {
	struct store *store;
	struct store_lock *next; /* in store->locks */
	char *path;
	enum store_lock_kind kind;
	store_lock_fn done; /* NULL once nobody wants to know */
	void *userdata;
	enum lock_state {
		LOCK_CREATING,
		LOCK_LOOKING, /* for a contender that may have been made */
		LOCK_LISTING,
		LOCK_QUEUED,
		LOCK_PAUSED, /* withdrawn */
		LOCK_HELD,
		LOCK_DELETING,
		LOCK_OVER, /* nothing of it is on the server */
	} state;
	bool deleting;                 /* the deletion of our contender is under way */
	bool wanted;                   /* false: failed, or given up; only the contender has to go */
	bool owned;                    /* store_unlock() was not called yet */
	char prefix[LOCK_PREFIX_TEXT]; /* of our contender's name: 32 hex digits and the tag */
	char identifier[LOCK_IDENTIFIER_TEXT];
	char *own; /* our contender's name, once it is known */
	unsigned parent_tries;
	usec_t pause;
	struct op *op;   /* outstanding */
	struct op *lost; /* made beforehand, so that a loss can always be told */
	struct store_watch *watch;
	sd_event_source *deadline, *timer;
};

static void lock_create(struct store_lock *lock);
static void lock_list(struct store_lock *lock);
static void lock_delete(struct store_lock *lock);
static void lock_fail(struct store_lock *lock, int result);

static void lock_free(struct store_lock *lock) {
	for (struct store_lock **p = &lock->store->locks; *p; p = &(*p)->next)
		if (*p == lock) {
			*p = lock->next;
			break;
		}
	if (lock->op)
		lock->op->done = NULL;
	if (lock->lost && lock->lost->state == OP_FINISHED)
		lock->lost->done = NULL; /* under way to be told; its list frees it */
	else
		op_free(lock->lost);
	store_watch_free(lock->watch);
	sd_event_source_disable_unref(lock->deadline);
	sd_event_source_disable_unref(lock->timer);
	free(lock->path);
	free(lock->own);
	free(lock);
}

static void lock_over(struct store_lock *lock) {
	lock->state = LOCK_OVER;
	if (!lock->owned)
		lock_free(lock);
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static int lock_ask(struct store_lock *lock, enum op_kind kind, const char *path, op_done_fn done) {
	struct op *op = op_new(lock->store, kind, path, done, lock);

	if (!op)
		return -ENOMEM;
	lock->op = op;
	return op_submit(op);
}

/* Lists that failed are asked again; only what cannot be asked ends the lock. */
static void lock_try(struct store_lock *lock, int r) {
	if (r < 0) {
		lock->op = NULL;
		lock_fail(lock, r);
	}
}

static const char *own_among(const struct store_lock *lock, const struct strlist *names) {
	for (size_t i = 0; i < names->count; i++)
		if (str_starts(names->items[i], lock->prefix))
			return names->items[i];
	return NULL;
}

/* ---- the contender ---------------------------------------------------------------------------------------------- */

static int make_key(struct store *store, const char *path, size_t length) {
	_cleanup_free_ char *key = strndup(path, length);
	struct op *op = key ? op_new(store, OP_CREATE, key, NULL, NULL) : NULL;

	if (op)
		op->data = strdup("");
	if (!op || !op->data) {
		op_free(op);
		return -ENOMEM;
	}
	return op_submit(op);
}

/* A session's requests are served in order, so nobody needs to wait for these. */
static int make_parents(struct store_lock *lock) {
	const char *end = lock->path;
	int r = 0;

	while (r == 0 && (end = strchr(end + 1, '/')))
		r = make_key(lock->store, lock->path, (size_t)(end - lock->path));
	return r < 0 ? r : make_key(lock->store, lock->path, strlen(lock->path));
}

static void lock_known(struct store_lock *lock, const char *name) {
	free(lock->own);
	lock->own = strdup(name);
	if (!lock->own)
		lock_fail(lock, -ENOMEM); /* its session ends with the program */
	else if (lock->wanted)
		lock_list(lock);
	else
		lock_delete(lock);
}

static void lock_looked(struct store *store, struct op *op) {
	struct store_lock *lock = op->userdata;
	const char *name = own_among(lock, &op->children);

	lock->op = NULL;
	if (store->closing)
		lock_fail(lock, -ECONNRESET);
	else if (op->result < 0 && op->result != -ENOENT)
		lock_try(lock, lock_ask(lock, OP_LIST, lock->path, lock_looked));
	else if (name)
		lock_known(lock, name);
	else if (lock->wanted)
		lock_create(lock);
	else
		lock_over(lock);
}

/* After a sync: the server that we are connected to now may lag behind the one that made it. */
static void lock_synced(struct store *store, struct op *op) {
	struct store_lock *lock = op->userdata;

	lock->op = NULL;
	if (store->closing)
		lock_fail(lock, -ECONNRESET);
	else
		lock_try(lock, op->result < 0 ? lock_ask(lock, OP_SYNC, lock->path, lock_synced)
					      : lock_ask(lock, OP_LIST, lock->path, lock_looked));
}

static void lock_created(struct store *store, struct op *op) {
	struct store_lock *lock = op->userdata;
	int r = op->result;

	lock->op = NULL;
	if (r == 0) {
		lock_known(lock, strrchr(op->created, '/') + 1);
	} else if (r == -ENOTCONN) {
		lock->state = LOCK_LOOKING;
		lock_try(lock, lock_ask(lock, OP_SYNC, lock->path, lock_synced));
	} else if (!lock->wanted) {
		lock_over(lock);
	} else if (r == -ENOENT && ++lock->parent_tries < PARENT_TRIES) {
		r = make_parents(lock);
		if (r < 0)
			lock_fail(lock, r);
		else
			lock_create(lock);
	} else if (r == -ECONNRESET && !store->closing) {
		lock_create(lock);
	} else {
		lock_fail(lock, r);
	}
}

static void lock_create(struct store_lock *lock) {
	_cleanup_free_ char *path = NULL;
	struct op *op = NULL;
	int r = lock_names_make(kinds[lock->kind].tag, lock->prefix, lock->identifier);

	free(move_ptr(lock->own));
	lock->state = LOCK_CREATING;
	if (r == 0) {
		path = str_printf("%s/%s", str_equal(lock->path, "/") ? "" : lock->path, lock->prefix);
		op = path ? op_new(lock->store, OP_CREATE, path, lock_created, lock) : NULL;
		if (op)
			op->data = strdup(lock->identifier);
		if (!op || !op->data) {
			op_free(op);
			r = -ENOMEM;
		}
	}
	if (r == 0) {
		op->flags = ZOO_EPHEMERAL | ZOO_SEQUENCE;
		lock->op = op;
		r = op_submit(op);
	}
	lock_try(lock, r);
}

/* `timer` serves two ends, so it is made anew for each. */
static int lock_timer(struct store_lock *lock, usec_t delay, sd_event_time_handler_t handler) {
	lock->timer = sd_event_source_disable_unref(lock->timer);
	return event_timer(lock->store->event, &lock->timer, delay, handler, lock);
}

static int on_pause(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	lock_create(userdata);
	return 0;
}

static void lock_deleted(struct store *store, int result, void *userdata);

static void lock_delete(struct store_lock *lock) {
	_cleanup_free_ char *path = str_printf("%s/%s", str_equal(lock->path, "/") ? "" : lock->path, lock->own);
	struct store_txn *txn = store_txn_new();
	int r;

	lock->state = LOCK_DELETING;
	(void)store_txn_delete(txn, path, STORE_ANY_VERSION); /* store_commit() reports it */
	r = store_commit(lock->store, txn, lock_deleted, lock);
	lock->deleting = r == 0;
	if (r < 0) { /* without memory, or closing: the end of the session deletes it */
		free(move_ptr(lock->own));
		if (lock->wanted)
			lock_fail(lock, r);
		else
			lock_over(lock);
	}
}

static void lock_deleted(struct store *store, int result, void *userdata) {
	struct store_lock *lock = userdata;

	lock->deleting = false;
	if (result == -ENOTCONN) {
		lock_delete(lock);
		return;
	}
	free(move_ptr(lock->own)); /* done, or it was gone, or its session is */
	if (!lock->wanted) {
		lock_over(lock);
		return;
	}
	lock->state = LOCK_PAUSED;
	result = store->closing ? -ECONNRESET : lock_timer(lock, lock->pause, on_pause);
	lock->pause = lock->pause * 2 < PAUSE_MAX_USEC ? lock->pause * 2 : PAUSE_MAX_USEC;
	if (result < 0)
		lock_fail(lock, result);
}

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static int on_withdraw(sd_event_source *source, uint64_t usec, void *userdata) {
	struct store_lock *lock = userdata;

	(void)source;
	(void)usec;
	store_watch_free(move_ptr(lock->watch));
	lock_delete(lock);
	return 0;
}

static void predecessor_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct store_lock *lock = userdata;

	(void)store;
	if (value->exists)
		return;
	store_watch_free(move_ptr(lock->watch));
	lock->timer = sd_event_source_disable_unref(lock->timer);
	lock_list(lock);
}

static void lock_tell_lost(struct store_lock *lock) {
	if (!lock->lost || lock->lost->state == OP_FINISHED)
		return;
	lock->state = LOCK_OVER;
	op_finish(lock->lost, -ECONNRESET);
}

/* Somebody else may delete our contender. */
static void own_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct store_lock *lock = userdata;

	(void)store;
	if (value->exists || lock->state != LOCK_HELD)
		return;
	free(move_ptr(lock->own));
	store_watch_free(move_ptr(lock->watch));
	lock_tell_lost(lock);
}

static int lock_watch(struct store_lock *lock, const char *name, store_watch_value_fn changed) {
	_cleanup_free_ char *path = str_printf("%s/%s", str_equal(lock->path, "/") ? "" : lock->path, name);

	return path ? store_watch_value(lock->store, path, changed, lock, &lock->watch) : -ENOMEM;
}

static void lock_granted(struct store_lock *lock) {
	int r = lock_watch(lock, lock->own, own_changed);

	if (r < 0) {
		lock_fail(lock, r);
		return;
	}
	lock->state = LOCK_HELD;
	lock->deadline = sd_event_source_disable_unref(lock->deadline);
	if (lock->done)
		lock->done(lock->store, lock, 0, lock->userdata);
}

static void lock_queue(struct store_lock *lock, const char *predecessor, bool reader) {
	int r = lock_watch(lock, predecessor, predecessor_changed);

	lock->state = LOCK_QUEUED;
	if (r == 0 && reader)
		r = lock_timer(lock, WITHDRAW_USEC, on_withdraw);
	if (r < 0)
		lock_fail(lock, r);
}

static void lock_listed(struct store *store, struct op *op) {
	struct store_lock *lock = op->userdata;
	bool present = false, reader = false;
	const char *predecessor;

	lock->op = NULL;
	if (store->closing) {
		lock_fail(lock, -ECONNRESET);
		return;
	}
	if (op->result < 0 && op->result != -ENOENT) {
		lock_list(lock);
		return;
	}
	predecessor =
	    lock_names_predecessor(&op->children, lock->own, kinds[lock->kind].after_readers, &present, &reader);
	if (!present)
		lock_create(lock);
	else if (predecessor)
		lock_queue(lock, predecessor, reader);
	else
		lock_granted(lock);
}

static void lock_list(struct store_lock *lock) {
	lock->state = LOCK_LISTING;
	lock_try(lock, lock_ask(lock, OP_LIST, lock->path, lock_listed));
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

/* Stops wanting it. What is under way at the server goes on until nothing is left there. May free the lock. */
static void lock_abandon(struct store_lock *lock) {
	lock->wanted = false;
	lock->deadline = sd_event_source_disable_unref(lock->deadline);
	lock->timer = sd_event_source_disable_unref(lock->timer);
	store_watch_free(move_ptr(lock->watch));
	if (lock->op && (lock->state == LOCK_LISTING || lock->op->state == OP_WAITING)) {
		lock->op->done = NULL;
		lock->op->cancelled = true; /* when it was not sent yet */
		lock->op = NULL;
	}
	if (lock->op || lock->deleting)
		return;
	if (lock->own)
		lock_delete(lock);
	else
		lock_over(lock);
}

static void lock_fail(struct store_lock *lock, int result) {
	struct store *store = lock->store;
	store_lock_fn done = lock->done; /* never set when store_unlock() was called, so the lock lives on if it is */
	void *userdata = lock->userdata;

	lock->done = NULL;
	lock_abandon(lock);
	if (done)
		done(store, lock, result, userdata);
}

static void lock_told_lost(struct store *store, struct op *op) {
	struct store_lock *lock = op->userdata;
	store_lock_fn done = lock->done;

	lock->lost = NULL;
	lock->done = NULL;
	if (done)
		done(store, lock, op->result, lock->userdata);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	lock_fail(userdata, -ETIMEDOUT);
	return 0;
}

/* All operations of the old session have ended when this is called; their completions were not called yet. */
static void lock_lose(struct store_lock *lock) {
	bool closing = lock->store->closing;

	if (lock->state == LOCK_OVER || lock->deleting ||
	    (!closing && lock->state != LOCK_HELD && lock->state != LOCK_QUEUED && lock->state != LOCK_CREATING))
		return; /* the answers that come will show it */
	if (lock->op)
		lock->op->done = NULL;
	lock->op = NULL;
	free(move_ptr(lock->own));
	store_watch_free(move_ptr(lock->watch));
	lock->timer = sd_event_source_disable_unref(lock->timer);
	lock->deadline = closing ? sd_event_source_disable_unref(lock->deadline) : lock->deadline;
	if (!lock->wanted)
		lock_over(lock);
	else if (closing || lock->state == LOCK_HELD)
		lock_tell_lost(lock);
	else
		lock_create(lock);
}

void lock_session_lost(struct store *store) {
	struct store_lock *next;

	for (struct store_lock *lock = store->locks; lock; lock = next) {
		next = lock->next;
		lock_lose(lock);
	}
}

void lock_free_all(struct store *store) {
	while (store->locks)
		lock_free(store->locks);
}

void lock_forget_caller(struct store_lock *lock) {
	lock->done = NULL;
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

int store_lock(struct store *store, const char *path, enum store_lock_kind kind, usec_t deadline, store_lock_fn done,
	       void *userdata, struct store_lock **ret) {
	struct store_lock *lock;
	int r = 0;

	if (!store_path_valid(path))
		return -EINVAL;
	if (store->closing)
		return -ECONNRESET;
	lock = calloc(1, sizeof(*lock));
	if (!lock)
		return -ENOMEM;
	lock->store = store;
	lock->next = store->locks;
	store->locks = lock;
	lock->kind = kind;
	lock->pause = PAUSE_MIN_USEC;
	lock->wanted = lock->owned = true;
	lock->path = strdup(path);
	lock->lost = op_new(store, OP_SYNC, NULL, lock_told_lost, lock);
	if (!lock->path || !lock->lost)
		r = -ENOMEM;
	if (r == 0 && deadline != DEADLINE_NEVER)
		r = sd_event_add_time(store->event, &lock->deadline, CLOCK_MONOTONIC, deadline, 1, on_deadline, lock);
	if (r >= 0) {
		lock_create(lock);
		r = lock->wanted ? 0 : -ENOMEM;
	}
	if (r < 0) {
		lock_free(lock);
		return r;
	}
	lock->done = done;
	lock->userdata = userdata;
	*ret = lock;
	return 0;
}

void store_unlock(struct store_lock *lock) {
	if (!lock)
		return;
	lock->owned = false;
	lock->done = NULL;
	if (lock->state == LOCK_OVER)
		lock_free(lock);
	else if (lock->wanted)
		lock_abandon(lock);
}

bool store_lock_is_held(const struct store_lock *lock) {
	return lock->state == LOCK_HELD;
}
