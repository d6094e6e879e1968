/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Watches. The server's are one-shot and die with the session, so each is armed by the read that gets the present
 * state: no change falls between. An event only says "read again"; what is told to the program is the difference of
 * what was read. After every lost connection everything is read again, in the bulk queue: with at most STORE_WINDOW
 * reads under way and behind everything the program asks for.
 *
 * The library keeps (function, context) pairs per path until an event comes. All watches share one pair (watch_event,
 * the store) and are found by their path here, so that freeing one leaves nothing behind that points to it.
 *
 * On a reconnect the library also tells the server its paths in one packet of 1 MiB at the most, which bounds a process
 * to some 10 000 watched keys.
 */
#include <search.h>

#include "store/internal.h"

#define RETRY_USEC                                                                                                     \
	USEC_PER_SEC /* after a read that the server refused (out of memory, throttled): none is given up              \
		      */

struct watch_key {
	char *path;
	struct store_watch *first;
};

struct store_watch {
	struct store *store;
	struct watch_key *key;
	struct store_watch *next;
	store_watch_value_fn value; /* one of the two */
	store_watch_list_fn list;
	void *userdata;
	struct op *reading;
	bool again;         /* something came since the read was sent */
	bool failed;        /* to be read again by the timer */
	bool known, exists; /* what was told last */
	int64_t zxid;       /* mzxid of a value, pzxid of a list */
	int64_t czxid;
};

static int key_compare(const void *a, const void *b) {
	return strcmp(((const struct watch_key *)a)->path, ((const struct watch_key *)b)->path);
}

static struct watch_key *key_find(struct store *store, const char *path) {
	struct watch_key wanted = {.path = (char *)path};
	void **node = tfind(&wanted, &store->watches, key_compare);

	return node ? *node : NULL;
}

static struct watch_key *key_make(struct store *store, const char *path) {
	struct watch_key *key = key_find(store, path);

	if (key)
		return key;
	key = calloc(1, sizeof(*key));
	if (!key)
		return NULL;
	key->path = strdup(path);
	if (!key->path || !tsearch(key, &store->watches, key_compare)) {
		free(key->path);
		free(key);
		return NULL;
	}
	return key;
}

static void watch_read(struct store_watch *watch);

static int on_watch_retry(sd_event_source *source, uint64_t usec, void *userdata);

static void watch_fail(struct store_watch *watch) {
	watch->failed = true;
	/* without memory even for the timer the next event or connection reads again */
	(void)event_timer(watch->store->event, &watch->store->watch_retry, RETRY_USEC, on_watch_retry, watch->store);
}

/* Tells the program, as the last thing that is done with the watch. */
static void watch_tell(struct store_watch *watch, const struct op *op, bool exists) {
	int64_t zxid = !exists ? 0 : watch->value ? op->stat.mzxid : op->stat.pzxid;
	int64_t czxid = exists ? op->stat.czxid : 0;
	struct store_value value = {.data = ""};

	if (watch->again) {
		watch->again = false;
		watch_read(watch);
	}
	if (watch->known && watch->exists == exists && watch->zxid == zxid && watch->czxid == czxid)
		return;
	watch->known = true;
	watch->exists = exists;
	watch->zxid = zxid;
	watch->czxid = czxid;
	if (watch->value) {
		if (exists)
			value_of(op, &value);
		watch->value(watch->store, &value, watch->userdata);
	} else {
		watch->list(watch->store, exists ? &op->children : NULL, watch->userdata);
	}
}

static int watch_ask(struct store_watch *watch, enum op_kind kind, op_done_fn done) {
	struct op *op = op_new(watch->store, kind, watch->key->path, done, watch);

	if (!op)
		return -ENOMEM;
	op->watch = true;
	op->queue = QUEUE_BULK;
	watch->reading = op;
	return op_submit(op);
}

/* Answer to the question whether a key that was missing still is: a missing key can be watched only so. */
static void watch_looked(struct store *store, struct op *op) {
	struct store_watch *watch = op->userdata;

	(void)store;
	watch->reading = NULL;
	if (op->result == -ENOENT)
		watch_tell(watch, op, false);
	else if (op->result == 0)
		watch_read(watch);
	else
		watch_fail(watch);
}

static void watch_got(struct store *store, struct op *op) {
	struct store_watch *watch = op->userdata;

	(void)store;
	watch->reading = NULL;
	if (op->result == 0) {
		watch_tell(watch, op, true);
	} else if (op->result == -ENOENT) {
		if (watch_ask(watch, OP_EXISTS, watch_looked) < 0) {
			watch->reading = NULL;
			watch_fail(watch);
		}
	} else {
		watch_fail(watch);
	}
}

static void watch_read(struct store_watch *watch) {
	if (watch->reading) {
		watch->again |= watch->reading->state != OP_WAITING;
		return;
	}
	watch->failed = false;
	if (watch->store->closing)
		return;
	if (watch_ask(watch, watch->value ? OP_GET : OP_LIST, watch_got) < 0) {
		watch->reading = NULL;
		watch_fail(watch);
	}
}

void watch_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
	struct store *store = context;
	struct watch_key *key;

	(void)zh;
	(void)state;
	if (type == ZOO_SESSION_EVENT || store->closing) /* every watch is told of each change of the session */
		return;
	key = key_find(store, path);
	for (struct store_watch *watch = key ? key->first : NULL; watch; watch = watch->next) {
		bool concerns = type != (watch->value ? ZOO_CHILD_EVENT : ZOO_CHANGED_EVENT);

		if (concerns)
			watch_read(watch);
	}
}

static void rearm_key(const void *node, VISIT visit, int depth) {
	const struct watch_key *key = *(const struct watch_key *const *)node;

	(void)depth;
	if (visit == postorder || visit == leaf)
		for (struct store_watch *watch = key->first; watch; watch = watch->next)
			watch_read(watch);
}

void watch_rearm(struct store *store) {
	twalk(store->watches, rearm_key);
}

static void retry_key(const void *node, VISIT visit, void *closure) {
	const struct watch_key *key = *(const struct watch_key *const *)node;

	(void)closure;
	if (visit == postorder || visit == leaf)
		for (struct store_watch *watch = key->first; watch; watch = watch->next)
			if (watch->failed)
				watch_read(watch);
}

static int on_watch_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	struct store *store = userdata;

	(void)source;
	(void)usec;
	twalk_r(store->watches, retry_key, NULL);
	return 0;
}

static int watch_new(struct store *store, const char *path, const struct store_watch *wanted,
		     struct store_watch **ret) {
	struct store_watch *watch;

	if (!store_path_valid(path))
		return -EINVAL;
	if (store->closing)
		return -ECONNRESET;
	watch = malloc(sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	*watch = *wanted;
	watch->store = store;
	watch->key = key_make(store, path);
	if (!watch->key) {
		free(watch);
		return -ENOMEM;
	}
	watch->next = watch->key->first;
	watch->key->first = watch;
	watch_read(watch);
	*ret = watch;
	return 0;
}

int store_watch_value(struct store *store, const char *path, store_watch_value_fn changed, void *userdata,
		      struct store_watch **ret) {
	return watch_new(store, path, &(struct store_watch){.value = changed, .userdata = userdata}, ret);
}

int store_watch_list(struct store *store, const char *path, store_watch_list_fn changed, void *userdata,
		     struct store_watch **ret) {
	return watch_new(store, path, &(struct store_watch){.list = changed, .userdata = userdata}, ret);
}

void store_watch_again(struct store_watch *watch) {
	watch->known = false;
	watch_read(watch);
}

void store_watch_free(struct store_watch *watch) {
	struct watch_key *key;

	if (!watch)
		return;
	key = watch->key;
	if (watch->reading)
		watch->reading->done = NULL;
	for (struct store_watch **p = &key->first; *p; p = &(*p)->next)
		if (*p == watch) {
			*p = watch->next;
			break;
		}
	if (!key->first) {
		(void)tdelete(key, &watch->store->watches, key_compare);
		free(key->path);
		free(key);
	}
	free(watch);
}

static void key_free(void *node) {
	struct watch_key *key = node;

	for (struct store_watch *watch = key->first, *next; watch; watch = next) {
		next = watch->next;
		free(watch);
	}
	free(key->path);
	free(key);
}

void watch_free_all(struct store *store) {
	tdestroy(store->watches, key_free);
	store->watches = NULL;
}
