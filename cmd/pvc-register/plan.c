/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a part: for real in one conditional transaction, or dry. */
#include "register.h"

#define SHOWN_MAX 80 /* bytes of a value in a line for people */

int plan_put(struct plan *plan, struct store_txn *txn, const char *path, const struct store_value *seen,
	     const char *value, bool secret) {
	_cleanup_free_ char *shown = secret ? strdup("") : str_printable(value, SHOWN_MAX);
	int r;

	if (seen->exists && strlen(value) == seen->length && memcmp(seen->data, value, seen->length) == 0)
		return 0;
	r = store_txn_put(txn, path, seen, value);
	if (r < 0)
		return r;
	if (!shown)
		return -ENOMEM;
	if (!*shown) /* nothing, or nothing to be shown */
		return strlist_addf(&plan->lines, "%s %s", seen->exists ? "set" : "create", path);
	return strlist_addf(&plan->lines, "%s %s to '%s'", seen->exists ? "set" : "create", path, shown);
}

/* Reads the keys one after the other and throws the transaction away. */
static int run_dry(const struct part *part, struct store *store, struct plan *plan, const struct strlist *paths,
		   usec_t deadline) {
	struct store_value *values = calloc(paths->count, sizeof(*values));
	struct store_txn *txn = store_txn_new();
	size_t read = 0;
	int r = values && txn ? 0 : -ENOMEM;

	while (r >= 0 && read < paths->count) {
		r = store_get_wait(store, paths->items[read], deadline, &values[read]);
		if (r >= 0)
			read++;
	}
	if (r >= 0)
		r = part->decide(values, paths->count, txn, plan);
	for (size_t i = 0; i < read; i++)
		store_value_free(&values[i]);
	free(values);
	store_txn_free(txn);
	return r;
}

int part_run(const struct part *part, struct store *store, struct plan *plan, usec_t deadline) {
	_cleanup_strlist_ struct strlist paths = {0};
	int r = part->paths(plan, &paths);

	if (r < 0)
		return r;
	if (plan->dry)
		return run_dry(part, store, plan, &paths, deadline);
	return store_update_wait(store, (const char *const *)paths.items, paths.count, part->decide, plan, deadline);
}
