/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The handshake with a client (data model, 8): it writes the command, waits half a second, and queues for a read lock
 * behind the write lock that this node has taken meanwhile; it reads the answer when that is released.
 *
 * The lock belongs to the command that stands in the key. When a client writes another command over one that is being
 * carried out, that one goes on without anybody to answer to (its first client would read the other's answer), and the
 * lock passes to the newer: a removal of an OSD that takes hours holds nobody up (D52).
 *
 * Only a command that is seen to arrive is carried out: what stands in the key at the start, or was written while there
 * was no connection, has been given up by its client (D53).
 */
#include "daemon.h"

#define HOLD          USEC_PER_SEC       /* a client must meet the lock: it comes 0.5 s after its command */
#define LOCK_PATIENCE (5 * USEC_PER_SEC) /* to get it */

struct queue {
	struct daemon *daemon;
	enum storage_queue which;
	const char *path;
	struct store_watch *watch;
	bool stale, looking, seen;
	int64_t zxid; /* of the newest value that was looked at */
	struct store_lock *lock;
	bool held;
	usec_t held_since;
	struct task *task; /* whose command stands in the key */
	sd_event_source *hold;
};

enum storage_queue queue_which(const struct queue *queue) {
	return queue->which;
}

struct daemon *queue_daemon(const struct queue *queue) {
	return queue->daemon;
}

bool queue_seen(const struct queue *queue) {
	return queue->seen;
}

static void release(struct queue *queue) {
	queue->hold = sd_event_source_disable_unref(queue->hold);
	store_unlock(move_ptr(queue->lock));
	queue->held = false;
}

static void detach(struct queue *queue, const char *why) {
	struct task *task = move_ptr(queue->task);

	if (task)
		task_detach(task, why);
}

/* ---- the lock ---------------------------------------------------------------------------------------------------- */

static void on_checked(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct queue *queue = userdata;
	struct task *task = queue->task;

	(void)store;
	if (!queue->held)
		return;
	if (!task) {
		release(queue);
		return;
	}
	if (task->started || (result == 0 && value->exists && value->stat.mzxid < task->zxid))
		return; /* that was asked for the command before this one */
	if (result == 0 && value->exists && value->stat.mzxid == task->zxid) {
		task_go(task);
		return;
	}
	queue->task = NULL;
	log_warning("'%s' is not carried out: %s", task_label(task),
		    result < 0 ? strerror(-result) : "its client has given up");
	task_drop(task);
	release(queue);
}

/* Held: is the command still there? A late command must not be carried out for a client that was told it failed. */
static void check(struct queue *queue) {
	int r = store_get(queue->daemon->store, queue->path, on_checked, queue);

	if (r < 0)
		on_checked(queue->daemon->store, r, NULL, queue);
}

static void on_lock(struct store *store, struct store_lock *lock, int result, void *userdata) {
	struct queue *queue = userdata;
	struct task *task = queue->task;

	(void)store;
	(void)lock;
	if (result == 0) {
		queue->held = true;
		queue->held_since = now_monotonic();
		check(queue);
		return;
	}
	if (queue->held) { /* the session was lost */
		release(queue);
		detach(queue, "the connection to ZooKeeper was lost");
		return;
	}
	release(queue);
	if (task) {
		queue->task = NULL;
		log_warning("'%s' is not carried out: the lock of %s was not to be had: %s", task_label(task),
			    queue->path, strerror(-result));
		task_drop(task);
	}
}

void queue_take(struct queue *queue, struct task *task) {
	int r;

	if (task->zxid != queue->zxid) {
		log_warning("'%s' is not carried out: a client has written another command", task_label(task));
		task_drop(task);
		return;
	}
	queue->hold = sd_event_source_disable_unref(queue->hold);
	queue->task = task;
	if (queue->held) {
		queue->held_since = now_monotonic();
		check(queue);
		return;
	}
	if (queue->lock)
		return; /* it is queued for already */
	r = store_lock(queue->daemon->store, queue->path, STORE_LOCK_WRITE, deadline_after(LOCK_PATIENCE), on_lock,
		       queue, &queue->lock);
	if (r < 0)
		on_lock(queue->daemon->store, NULL, r, queue);
}

void queue_pass(struct queue *queue) {
	if (!queue->task && queue->lock)
		release(queue);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

struct answer {
	struct queue *queue;
	int64_t zxid;
	char *text;
};

static int on_hold(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	release(userdata);
	return 0;
}

static void on_answered(struct store *store, int result, void *userdata) {
	struct answer *answer = userdata;
	struct queue *queue = answer->queue;
	usec_t end = queue->held_since + HOLD, now = now_monotonic();

	(void)store;
	if (result < 0)
		log_error("cannot write the answer to %s: %s", queue->path, strerror(-result));
	free(answer->text);
	free(answer);
	if (queue->task || !queue->held)
		return; /* the lock is the next command's, or lost */
	if (now >= end || event_timer(queue->daemon->event, &queue->hold, end - now, on_hold, queue) < 0)
		release(queue);
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct answer *answer = userdata;

	(void)count;
	if (!values[0].exists || values[0].stat.mzxid != answer->zxid)
		return 1; /* another command stands there, or its client has cleaned up */
	return store_txn_put(txn, answer->queue->path, &values[0], answer->text);
}

void queue_answer(struct queue *queue, struct task *task, bool success) {
	struct answer *answer = calloc(1, sizeof(*answer));
	int r = -ENOMEM;

	if (queue->task == task)
		queue->task = NULL;
	if (answer) {
		answer->queue = queue;
		answer->zxid = task->zxid;
		answer->text = str_printf("%s-%s", success ? "success" : "failure", task->text);
	}
	if (answer && answer->text)
		r = store_update(queue->daemon->store, &queue->path, 1, compute, on_answered, answer);
	if (r < 0) {
		log_error("cannot write the answer to %s: %s", queue->path, strerror(-r));
		if (answer)
			free(answer->text);
		free(answer);
		if (!queue->task)
			release(queue);
	}
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static void on_value(struct store *store, const struct store_value *value, void *userdata) {
	struct queue *queue = userdata;

	(void)store;
	if (!value->exists || queue->stale || value->stat.mzxid <= queue->zxid)
		return;
	queue->zxid = value->stat.mzxid;
	if (!storage_is_command(value->data))
		return;
	detach(queue, "a client has written another command");
	task_begin(queue, strlen(value->data) == value->length ? value->data : "?", value->stat.mzxid);
}

static void on_look(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct queue *queue = userdata;

	(void)store;
	queue->looking = false;
	if (queue->daemon->stopping)
		return;
	if (result < 0) {
		if (result != -ENOTCONN && result != -ECONNRESET)
			log_error("cannot read %s: %s", queue->path, strerror(-result));
		queue_look(queue);
		return;
	}
	if (value->exists && storage_is_command(value->data) && value->stat.mzxid > queue->zxid) {
		_cleanup_free_ char *shown = str_printable(value->data, SHOWN_BYTES);

		log_warning("%s holds '%s', which was written before this program watched: it is not carried out",
			    queue->path, shown ? shown : "?");
	}
	if (value->stat.mzxid > queue->zxid)
		queue->zxid = value->stat.mzxid;
	queue->stale = false;
	queue->seen = true;
	daemon_ready_check(queue->daemon);
}

void queue_look(struct queue *queue) {
	if (queue->looking)
		return;
	queue->looking = store_get(queue->daemon->store, queue->path, on_look, queue) == 0;
}

void queue_stale(struct queue *queue) {
	queue->stale = true;
}

int queue_start(struct daemon *daemon, enum storage_queue which) {
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return -ENOMEM;
	queue->daemon = daemon;
	queue->which = which;
	queue->path = store_base(which == STORAGE_CMD_CEPH ? STORE_CMD_CEPH : STORE_CMD_DOMAINS);
	queue->stale = true;
	daemon->queues[which] = queue;
	return store_watch_value(daemon->store, queue->path, on_value, queue, &queue->watch);
}

void queue_unwatch(struct queue *queue) {
	if (!queue)
		return;
	release(queue);
	store_watch_free(move_ptr(queue->watch));
}

void queue_free(struct queue *queue) {
	free(queue);
}
