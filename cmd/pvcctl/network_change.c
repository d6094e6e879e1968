/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "network.h"

int network_change(struct ctl *ctl, net_attempt_fn attempt, void *userdata, const char *what) {
	int r = -ESTALE;

	for (int i = 0; i < NET_TRIES && (r == -ESTALE || r == -EEXIST || r == -ENOENT || r == -ENOTEMPTY); i++) {
		_cleanup_(store_txn_freep) struct store_txn *txn = store_txn_new();
		int error = txn ? 0 : -ENOMEM, code = EXIT_OK;

		if (txn)
			code = attempt(ctl, txn, userdata, &error);
		if (error >= 0 && (code != EXIT_OK || store_txn_count(txn) == 0))
			return code;
		r = error < 0 ? error : store_commit_wait(ctl->store, move_ptr(txn), deadline_after(OPERATION_TIMEOUT));
		if (error < 0 && error != -ENOENT) /* that was deleted between two reads */
			break;
	}
	if (r >= 0)
		return EXIT_OK;
	return failed(r, "cannot %s: %s", what,
		      store_error_text(r == -EEXIST || r == -ENOENT || r == -ENOTEMPTY ? -ESTALE : r));
}

int network_guard(struct ctl *ctl, struct store_txn *txn, const char *path) {
	struct store_value value = {0};
	int r = path ? store_get_wait(ctl->store, path, deadline_after(OPERATION_TIMEOUT), &value) : -ENOMEM;

	if (r >= 0)
		r = store_txn_put(txn, path, &value, value.data);
	store_value_free(&value);
	return r;
}

/* Adds the children of all these keys. */
static int list_below(struct ctl *ctl, const struct strlist *keys, size_t from, struct strlist *ret) {
	_cleanup_snapshot_ struct snapshot found = {0};
	_cleanup_strlist_ struct strlist generation = {0};
	int r = 0;

	for (size_t i = from; r >= 0 && i < keys->count; i++)
		r = strlist_add(&generation, keys->items[i]);
	if (r >= 0)
		r = fetch_many(ctl, &generation, &found);
	for (size_t i = 0; r >= 0 && i < found.count; i++) {
		_cleanup_strlist_ struct strlist children = {0};

		if (found.values[i].exists && found.values[i].stat.children > 0)
			r = fetch_children(ctl, generation.items[i], &children);
		for (size_t c = 0; r >= 0 && c < children.count; c++)
			r = strlist_addf(ret, "%s/%s", generation.items[i], children.items[c]);
	}
	return r;
}

int network_delete_tree(struct ctl *ctl, struct store_txn *txn, const char *path) {
	_cleanup_strlist_ struct strlist keys = {0};
	size_t from = 0;
	int r = strlist_add(&keys, path);

	while (r >= 0 && from < keys.count) {
		size_t end = keys.count;

		r = list_below(ctl, &keys, from, &keys);
		from = end;
	}
	for (size_t i = keys.count; r >= 0 && i-- > 0;)
		r = store_txn_delete(txn, keys.items[i], STORE_ANY_VERSION);
	return r;
}
