/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

#define FETCH_AT_ONCE 1000 /* reads on their way at a time: bounds memory on both sides */

void snapshot_free(struct snapshot *s) {
	for (size_t i = 0; i < s->count; i++)
		free(s->values[i].data);
	free(s->values);
	*s = (struct snapshot){0};
}

struct fetching {
	struct fetched *out;
	int result;
	bool done;
};

static void fetched(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct fetching *f = userdata;

	(void)store;
	f->result = result;
	for (size_t i = 0; result >= 0 && i < count; i++) {
		f->out[i] =
		    (struct fetched){values[i].exists, malloc(values[i].length + 1), values[i].length, values[i].stat};
		if (!f->out[i].data) {
			f->result = -ENOMEM;
			break;
		}
		memcpy(f->out[i].data, values[i].data, values[i].length);
		f->out[i].data[values[i].length] = '\0';
	}
	f->done = true;
}

int fetch_many(struct ctl *ctl, const struct strlist *paths, struct snapshot *ret) {
	struct snapshot s = {calloc(paths->count ? paths->count : 1, sizeof(*s.values)), paths->count};
	usec_t deadline = deadline_after(OPERATION_TIMEOUT);

	if (!s.values)
		return -ENOMEM;
	for (size_t i = 0; i < paths->count; i += FETCH_AT_ONCE) {
		size_t n = paths->count - i < FETCH_AT_ONCE ? paths->count - i : FETCH_AT_ONCE;
		struct fetching f = {s.values + i, 0, false};
		int r = store_get_many(ctl->store, (const char *const *)paths->items + i, n, fetched, &f);

		if (r >= 0)
			r = store_wait(ctl->store, &f.done, deadline);
		if (r >= 0)
			r = f.result;
		if (r < 0) {
			snapshot_free(&s);
			return r;
		}
	}
	*ret = s;
	return 0;
}

int fetch_children(struct ctl *ctl, const char *path, struct strlist *ret) {
	int r = store_list_wait(ctl->store, path, deadline_after(OPERATION_TIMEOUT), ret);

	return r == -ENOENT ? 0 : r;
}

int64_t fetched_number(const struct fetched *value) {
	int64_t number = value->exists ? select_figure(value->data) : SELECT_UNKNOWN;

	return number == SELECT_UNKNOWN ? -1 : number;
}
