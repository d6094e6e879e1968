/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

void await_free(struct await *a) {
	for (size_t i = 0; i < a->count; i++) {
		if (a->keys[i].watch)
			store_watch_free(a->keys[i].watch);
		free(a->keys[i].path);
		free(a->keys[i].data);
	}
	free(a->keys);
	*a = (struct await){0};
}

int await_add(struct await *a, char *path) {
	struct await_key *grown = path ? reallocarray(a->keys, a->count + 1, sizeof(*grown)) : NULL;

	if (!grown) {
		free(path);
		return -ENOMEM;
	}
	a->keys = grown;
	grown[a->count++] = (struct await_key){.path = path};
	return 0;
}

static bool judge(struct await *a) {
	a->known = true;
	for (size_t i = 0; i < a->count; i++)
		a->known &= a->keys[i].known;
	return a->known && a->reached(a);
}

static void changed(struct store *store, const struct store_value *value, void *userdata) {
	struct await_key *key = userdata;
	struct await *a = key->await;
	char *copy = strdup(value->data);

	(void)store;
	if (!copy)
		return; /* the next change, or the deadline, ends the wait */
	free(key->data);
	key->data = copy;
	key->exists = value->exists;
	key->mzxid = value->stat.mzxid;
	key->known = true;
	a->done = judge(a); /* also when it is being confirmed: the verdict is always about what the keys are now */
}

/* What is written together comes one key after the other: the verdict may be about a mixture. It holds when the keys,
 * read again after it, are what it was about. Keys that cannot be read now leave it standing. */
static bool is_of_one_moment(struct ctl *ctl, const struct await *a) {
	_cleanup_strlist_ struct strlist paths = {0};
	_cleanup_snapshot_ struct snapshot now = {0};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < a->count; i++)
		r = strlist_add(&paths, a->keys[i].path);
	if (r < 0 || fetch_many(ctl, &paths, &now) < 0)
		return true;
	for (size_t i = 0; i < a->count; i++)
		if (now.values[i].exists != a->keys[i].exists ||
		    (now.values[i].exists && now.values[i].stat.mzxid != a->keys[i].mzxid))
			return false;
	return true;
}

int await_run(struct ctl *ctl, struct await *a, usec_t deadline) {
	int r = 0;

	a->done = false;
	for (size_t i = 0; r >= 0 && i < a->count; i++) {
		a->keys[i].await = a; /* here, as the keys moved while they were added */
		if (!a->keys[i].watch)
			r = store_watch_value(ctl->store, a->keys[i].path, changed, &a->keys[i], &a->keys[i].watch);
	}
	if (r < 0)
		return r;
	/* The deadline is for what the keys are to become. What they are is read in any case: who gives up tells it. */
	if (store_wait(ctl->store, &a->known, deadline_after(OPERATION_TIMEOUT)) < 0)
		return -ENOTCONN;
	do {
		a->done = judge(a); /* a second wait for something else may be over at once */
		r = store_wait(ctl->store, &a->done, deadline);
	} while (r >= 0 && !(is_of_one_moment(ctl, a) && a->done) && deadline_left(deadline) > 0);
	return r >= 0 && !a->done ? -ETIMEDOUT : r; /* it was, and is no more */
}
