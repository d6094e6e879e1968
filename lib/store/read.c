/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/internal.h"

void value_of(const struct op *op, struct store_value *ret) {
	*ret = (struct store_value){.data = ""};
	if (op->result != 0 || !op->reply)
		return;
	ret->exists = true;
	ret->data = op->reply;
	ret->length = op->reply_length;
	ret->stat = (struct store_stat){
	    .mzxid = op->stat.mzxid,
	    .czxid = op->stat.czxid,
	    .version = op->stat.version,
	    .cversion = op->stat.cversion,
	    .children = op->stat.numChildren,
	    .ephemeral_owner = op->stat.ephemeralOwner,
	};
}

/* What a caller's completion needs until it is called. */
struct wanted {
	union {
		store_value_fn value;
		store_list_fn list;
		store_done_fn done;
	};
	void *userdata;
};

static int submit(struct store *store, enum op_kind kind, const char *path, op_done_fn done,
		  const struct wanted *wanted) {
	struct wanted *copy = malloc(sizeof(*copy));
	struct op *op;
	int r;

	if (!copy)
		return -ENOMEM;
	*copy = *wanted;
	op = op_new(store, kind, path, done, copy);
	r = op ? op_submit(op) : -ENOMEM;
	if (r < 0)
		free(copy);
	return r;
}

static void got_value(struct store *store, struct op *op) {
	_cleanup_free_ struct wanted *wanted = op->userdata;
	struct store_value value;

	value_of(op, &value);
	wanted->value(store, op->result, &value, wanted->userdata);
}

int store_get(struct store *store, const char *path, store_value_fn done, void *userdata) {
	return submit(store, OP_GET, path, got_value, &(struct wanted){.value = done, .userdata = userdata});
}

static void got_list(struct store *store, struct op *op) {
	_cleanup_free_ struct wanted *wanted = op->userdata;

	wanted->list(store, op->result, &op->children, wanted->userdata);
}

int store_list(struct store *store, const char *path, store_list_fn done, void *userdata) {
	return submit(store, OP_LIST, path, got_list, &(struct wanted){.list = done, .userdata = userdata});
}

static void got_sync(struct store *store, struct op *op) {
	_cleanup_free_ struct wanted *wanted = op->userdata;

	wanted->done(store, op->result, wanted->userdata);
}

int store_sync(struct store *store, const char *path, store_done_fn done, void *userdata) {
	return submit(store, OP_SYNC, path, got_sync, &(struct wanted){.done = done, .userdata = userdata});
}

/* ---- several keys ------------------------------------------------------------------------------------------- */

struct many {
	store_values_fn done;
	void *userdata;
	size_t count, left;
	int result; /* the first error */
	struct part {
		struct many *many;
		struct store_value value;
		char *data;
	} parts[];
};

static void many_finish(struct store *store, struct many *many) {
	struct store_value *values = calloc(many->count + 1, sizeof(*values));

	if (!values && many->result == 0)
		many->result = -ENOMEM;
	for (size_t i = 0; values && i < many->count; i++)
		values[i] = many->parts[i].value;
	many->done(store, many->result, values, values ? many->count : 0, many->userdata);
	for (size_t i = 0; i < many->count; i++)
		free(many->parts[i].data);
	free(values);
	free(many);
}

static void got_part(struct store *store, struct op *op) {
	struct part *part = op->userdata;
	struct many *many = part->many;

	value_of(op, &part->value);
	part->data = move_ptr(op->reply); /* part->value points to it */
	if (op->result < 0 && op->result != -ENOENT && many->result == 0)
		many->result = op->result;
	if (--many->left == 0)
		many_finish(store, many);
}

/* An empty set of keys has its answer from the loop, too. */
static void got_nothing(struct store *store, struct op *op) {
	struct many *many = op->userdata;

	many->result = op->result;
	many_finish(store, many);
}

int store_get_many(struct store *store, const char *const *paths, size_t count, store_values_fn done, void *userdata) {
	struct many *many = calloc(1, sizeof(*many) + count * sizeof(many->parts[0]));
	struct op_list ops;
	struct op *op;
	int r = many ? 0 : -ENOMEM;

	op_list_init(&ops);
	for (size_t i = 0; r == 0 && i < count; i++) {
		many->parts[i].many = many;
		many->parts[i].value.data = "";
		op = store_path_valid(paths[i]) ? op_new(store, OP_GET, paths[i], got_part, &many->parts[i]) : NULL;
		if (op)
			op_list_push(&ops, op);
		else
			r = store_path_valid(paths[i]) ? -ENOMEM : -EINVAL;
	}
	if (r == 0 && count == 0) {
		op = op_new(store, OP_SYNC, "/", got_nothing, many);
		if (op)
			op_list_push(&ops, op);
		else
			r = -ENOMEM;
	}
	if (r == 0 && store->closing)
		r = -ECONNRESET;
	if (r < 0) {
		while ((op = op_list_pop(&ops)))
			op_free(op);
		free(many);
		return r;
	}
	many->done = done;
	many->userdata = userdata;
	many->count = many->left = count;
	while ((op = op_list_pop(&ops)))
		(void)op_submit(op); /* neither of its two errors is left: a bad path, a store that closes */
	return 0;
}
