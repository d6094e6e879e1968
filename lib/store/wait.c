/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The synchronous face for programs that do one thing after the other. */
#include "store/internal.h"

/* What an answer is put into. On the heap and counted: after a deadline the answer may still come. */
struct waiter {
	bool answered, abandoned;
	int result;
	struct store_value value;
	char *data;
	struct strlist list;
	store_compute_fn compute;
	void *userdata;
};

static void waiter_free(struct waiter *waiter) {
	free(waiter->data);
	strlist_free(&waiter->list);
	free(waiter);
}

static void answer(struct waiter *waiter, int result) {
	waiter->result = result;
	waiter->answered = true;
	if (waiter->abandoned)
		waiter_free(waiter);
}

int store_wait(struct store *store, const bool *flag, usec_t deadline) {
	while (!*flag) {
		usec_t left = deadline_left(deadline);
		int r;

		if (left == 0)
			return -ETIMEDOUT;
		r = sd_event_run(store->event, left);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Waits for the answer of what was asked with result `asked`. On success the caller frees the waiter. */
static int waiter_wait(struct store *store, struct waiter *waiter, int asked, usec_t deadline) {
	int r = asked;

	if (r == 0) {
		r = store_wait(store, &waiter->answered, deadline);
		if (r < 0) {
			waiter->abandoned = true;
			return r;
		}
		r = waiter->result;
	}
	if (r < 0)
		waiter_free(waiter);
	return r;
}

static int waiter_end(struct store *store, struct waiter *waiter, int asked, usec_t deadline) {
	int r = waiter_wait(store, waiter, asked, deadline);

	if (r >= 0)
		waiter_free(waiter);
	return r;
}

static void on_done(struct store *store, int result, void *userdata) {
	(void)store;
	answer(userdata, result);
}

static void on_value(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct waiter *waiter = userdata;

	(void)store;
	if (result == 0) {
		waiter->value = *value;
		waiter->data = malloc(value->length + 1);
		if (waiter->data)
			memcpy(waiter->data, value->data, value->length + 1);
		else
			result = -ENOMEM;
	}
	answer(waiter, result == -ENOENT ? 0 : result);
}

static void on_list(struct store *store, int result, const struct strlist *children, void *userdata) {
	struct waiter *waiter = userdata;

	(void)store;
	for (size_t i = 0; result == 0 && i < children->count; i++)
		result = strlist_add(&waiter->list, children->items[i]);
	answer(waiter, result);
}

void store_value_free(struct store_value *value) {
	if (value->exists)
		free((char *)value->data);
	*value = (struct store_value){.data = ""};
}

int store_get_wait(struct store *store, const char *path, usec_t deadline, struct store_value *ret) {
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	int r;

	if (!waiter)
		return -ENOMEM;
	r = waiter_wait(store, waiter, store_get(store, path, on_value, waiter), deadline);
	if (r < 0)
		return r;
	*ret = waiter->value;
	ret->data = waiter->value.exists ? move_ptr(waiter->data) : "";
	waiter_free(waiter);
	return 0;
}

int store_list_wait(struct store *store, const char *path, usec_t deadline, struct strlist *ret) {
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	int r;

	if (!waiter)
		return -ENOMEM;
	r = waiter_wait(store, waiter, store_list(store, path, on_list, waiter), deadline);
	if (r < 0)
		return r;
	*ret = waiter->list;
	waiter->list = (struct strlist){0};
	waiter_free(waiter);
	return 0;
}

int store_commit_wait(struct store *store, struct store_txn *txn, usec_t deadline) {
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter) {
		store_txn_free(txn);
		return -ENOMEM;
	}
	return waiter_end(store, waiter, store_commit(store, txn, on_done, waiter), deadline);
}

/* compute() works on what belongs to a caller that may have gone at the deadline. */
static int compute_if_waited(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct waiter *waiter = userdata;

	return waiter->abandoned ? -ECANCELED : waiter->compute(values, count, txn, waiter->userdata);
}

int store_update_wait(struct store *store, const char *const *paths, size_t count, store_compute_fn compute,
		      void *userdata, usec_t deadline) {
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	waiter->compute = compute;
	waiter->userdata = userdata;
	return waiter_end(store, waiter, store_update(store, paths, count, compute_if_waited, on_done, waiter),
			  deadline);
}

int store_delete_tree_wait(struct store *store, const char *path, usec_t deadline) {
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	return waiter_end(store, waiter, store_delete_tree(store, path, on_done, waiter), deadline);
}

int store_sync_wait(struct store *store, const char *path, usec_t deadline) {
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter)
		return -ENOMEM;
	return waiter_end(store, waiter, store_sync(store, path, on_done, waiter), deadline);
}

/* ---- locks ---------------------------------------------------------------------------------------------------- */

struct lock_waiter {
	bool answered;
	int result;
};

/* Called again when the lock is lost later: nobody waits then, store_lock_is_held() tells. */
static void on_lock(struct store *store, struct store_lock *lock, int result, void *userdata) {
	struct lock_waiter *waiter = userdata;

	(void)store;
	(void)lock;
	waiter->result = result;
	waiter->answered = true;
}

int store_lock_wait(struct store *store, const char *path, enum store_lock_kind kind, usec_t deadline,
		    struct store_lock **ret) {
	struct lock_waiter waiter = {0};
	struct store_lock *lock;
	int r = store_lock(store, path, kind, deadline, on_lock, &waiter, &lock);

	if (r < 0)
		return r;
	r = store_wait(store, &waiter.answered, DEADLINE_NEVER); /* the lock has the deadline itself */
	if (r == 0)
		r = waiter.result;
	if (r < 0) {
		store_unlock(lock);
		return r;
	}
	lock_forget_caller(lock);
	*ret = lock;
	return 0;
}

/* ---- connecting ------------------------------------------------------------------------------------------------ */

int store_connect(const char *servers, usec_t deadline, struct store **ret, char **ret_error) {
	return store_connect_as(servers, NULL, deadline, ret, ret_error);
}

int store_connect_as(const char *servers, const char *credentials, usec_t deadline, struct store **ret,
		     char **ret_error) {
	struct store_options options = {.servers = servers, .credentials = credentials, .confirm = true};
	struct store *store = NULL;
	sd_event *event = NULL;
	int r = sd_event_new(&event);

	if (r >= 0)
		r = store_open(&store, event, &options);
	if (r < 0) {
		sd_event_unref(event);
		return error_set(ret_error, r, "cannot connect to ZooKeeper at %s: %s", servers,
				 r == -EINVAL ? "not a list of HOST:PORT separated by commas" : strerror(-r));
	}
	store->private_event = event;
	r = store_wait(store, &store->connected, deadline);
	if (r < 0) {
		const char *why = !store->addresses ? "none of these names resolves to an address"
				  : store->reached  ? "a server takes connections but gives no session (no quorum?)"
						    : "no server takes connections";

		if (r == -ETIMEDOUT)
			(void)error_set(ret_error, r,
					"cannot connect to ZooKeeper at %s: %s; check that zookeeper.service runs on "
					"most of the coordinators",
					servers, why);
		else
			(void)error_set(ret_error, r, "cannot connect to ZooKeeper at %s: %s", servers, strerror(-r));
		store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}
