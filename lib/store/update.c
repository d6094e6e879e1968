/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes of several steps: read-decide-write, and deleting a tree. */
#include "store/internal.h"

/* ---- store_update() ----------------------------------------------------------------------------------------- */

struct update {
	char **paths; /* one block of memory with the texts */
	size_t count;
	store_compute_fn compute;
	store_done_fn done;
	void *userdata;
	unsigned tries;
};

static void update_end(struct store *store, struct update *update, int result) {
	store_done_fn done = update->done;
	void *userdata = update->userdata;

	free(update->paths);
	free(update);
	done(store, result, userdata);
}

static void update_read(struct store *store, struct update *update);

static void update_committed(struct store *store, int result, void *userdata) {
	struct update *update = userdata;
	bool lost_race = result == -ESTALE || result == -EEXIST || result == -ENOENT;

	if (lost_race && ++update->tries < STORE_UPDATE_TRIES)
		update_read(store, update);
	else
		update_end(store, update, lost_race ? -ESTALE : result);
}

static void update_got(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct update *update = userdata;
	struct store_txn *txn;

	if (result < 0) {
		update_end(store, update, result);
		return;
	}
	txn = store_txn_new();
	result = txn ? update->compute(values, count, txn, update->userdata) : -ENOMEM;
	if (result != 0) {
		store_txn_free(txn);
		update_end(store, update, result);
		return;
	}
	result = store_commit(store, txn, update_committed, update);
	if (result < 0)
		update_end(store, update, result);
}

static void update_read(struct store *store, struct update *update) {
	int r = store_get_many(store, (const char *const *)update->paths, update->count, update_got, update);

	if (r < 0)
		update_end(store, update, r);
}

static char **copy_paths(const char *const *paths, size_t count) {
	size_t size = (count + 1) * sizeof(char *);
	char **copy, *text;

	for (size_t i = 0; i < count; i++)
		size += strlen(paths[i]) + 1;
	copy = malloc(size);
	if (!copy)
		return NULL;
	text = (char *)(copy + count + 1);
	for (size_t i = 0; i < count; i++) {
		copy[i] = text;
		text = stpcpy(text, paths[i]) + 1;
	}
	copy[count] = NULL;
	return copy;
}

int store_update(struct store *store, const char *const *paths, size_t count, store_compute_fn compute,
		 store_done_fn done, void *userdata) {
	struct update *update = calloc(1, sizeof(*update));
	int r;

	if (!update)
		return -ENOMEM;
	update->paths = copy_paths(paths, count);
	update->count = count;
	update->compute = compute;
	update->done = done;
	update->userdata = userdata;
	r = update->paths ? store_get_many(store, (const char *const *)update->paths, count, update_got, update)
			  : -ENOMEM;
	if (r < 0) {
		free(update->paths);
		free(update);
	}
	return r;
}

/* ---- store_delete_tree() -------------------------------------------------------------------------------------- */

/* The keys found so far, parents before children. All lists of one generation of keys are asked for at once; then all
 * deletions, deepest first: a session's requests are served in order. */
struct removal {
	struct strlist keys;
	size_t left; /* answers outstanding */
	int result;  /* first error of this try */
	unsigned tries;
	char *path;
	store_done_fn done;
	void *userdata;
};

static void removal_end(struct store *store, struct removal *removal, int result) {
	store_done_fn done = removal->done;
	void *userdata = removal->userdata;

	strlist_free(&removal->keys);
	free(removal->path);
	free(removal);
	done(store, result, userdata);
}

static int removal_list(struct store *store, struct removal *removal, const char *key);
static void removal_next(struct store *store, struct removal *removal);

/* Someone made a child meanwhile, or the connection was lost: begin anew. Deleting twice does no harm. */
static void removal_again(struct store *store, struct removal *removal) {
	int r = removal->result;

	if ((r != -ENOTEMPTY && r != -ENOTCONN) || ++removal->tries >= STORE_UPDATE_TRIES) {
		removal_end(store, removal, r);
		return;
	}
	strlist_free(&removal->keys);
	removal->result = 0;
	r = removal_list(store, removal, removal->path);
	if (r < 0)
		removal_end(store, removal, r);
}

static void removal_deleted(struct store *store, int result, void *userdata) {
	struct removal *removal = userdata;

	if (result < 0 && result != -ENOENT && removal->result == 0)
		removal->result = result;
	if (--removal->left == 0)
		removal_again(store, removal);
}

static void removal_delete(struct store *store, struct removal *removal) {
	removal->left = 1; /* held while they are submitted */
	for (size_t i = removal->keys.count; i-- > 0;) {
		struct store_txn *txn = store_txn_new();
		int r;

		(void)store_txn_delete(txn, removal->keys.items[i], STORE_ANY_VERSION); /* store_commit() reports */
		r = store_commit(store, txn, removal_deleted, removal);
		if (r == 0)
			removal->left++;
		else if (removal->result == 0)
			removal->result = r;
	}
	removal_deleted(store, 0, removal);
}

struct listing {
	struct removal *removal;
	char key[];
};

static void removal_listed(struct store *store, int result, const struct strlist *children, void *userdata) {
	_cleanup_free_ struct listing *listing = userdata;
	struct removal *removal = listing->removal;
	int r = result == -ENOENT ? 0 : result;

	for (size_t i = 0; r == 0 && result == 0 && i < children->count; i++) {
		_cleanup_free_ char *key = str_printf("%s/%s", listing->key, children->items[i]);

		r = key ? removal_list(store, removal, key) : -ENOMEM;
	}
	if (r < 0 && removal->result == 0)
		removal->result = r;
	if (--removal->left == 0)
		removal_next(store, removal);
}

static int removal_list(struct store *store, struct removal *removal, const char *key) {
	struct listing *listing = malloc(sizeof(*listing) + strlen(key) + 1);
	int r;

	if (!listing)
		return -ENOMEM;
	listing->removal = removal;
	(void)stpcpy(listing->key, key);
	r = strlist_add(&removal->keys, key);
	if (r == 0)
		r = store_list(store, key, removal_listed, listing);
	if (r < 0)
		free(listing);
	else
		removal->left++;
	return r;
}

static void removal_next(struct store *store, struct removal *removal) {
	if (removal->result < 0)
		removal_again(store, removal);
	else
		removal_delete(store, removal);
}

int store_delete_tree(struct store *store, const char *path, store_done_fn done, void *userdata) {
	struct removal *removal;
	int r;

	if (!store_path_valid(path) || path[1] == '\0')
		return -EINVAL;
	removal = calloc(1, sizeof(*removal));
	if (!removal)
		return -ENOMEM;
	removal->done = done;
	removal->userdata = userdata;
	removal->path = strdup(path);
	r = removal->path ? removal_list(store, removal, path) : -ENOMEM;
	if (r < 0) {
		strlist_free(&removal->keys);
		free(removal->path);
		free(removal);
	}
	return r;
}
