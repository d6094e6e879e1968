/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Transactions. Everything written goes through one: a single key is a transaction of one. */
#include "store/internal.h"

#define PACKET_MAX  1040000u /* bytes of one request: the server drops the connection at 1048575 */
#define OP_OVERHEAD 72u      /* bytes around path and data of one operation: headers, lengths, flags, the ACL */

struct store_txn {
	int error; /* the first failure while it was put together */
	size_t count, size, bytes;
	zoo_op_t *ops; /* they own their paths and data */
	zoo_op_result_t *results;
	store_done_fn done;
	void *userdata;
};

struct store_txn *store_txn_new(void) {
	return calloc(1, sizeof(struct store_txn));
}

static char **op_path(zoo_op_t *op) {
	switch (op->type) {
	case ZOO_CREATE_OP:
		return (char **)&op->create_op.path;
	case ZOO_SETDATA_OP:
		return (char **)&op->set_op.path;
	case ZOO_DELETE_OP:
		return (char **)&op->delete_op.path;
	default:
		return (char **)&op->check_op.path;
	}
}

void store_txn_free(struct store_txn *txn) {
	if (!txn)
		return;
	for (size_t i = 0; i < txn->count; i++) {
		free(*op_path(&txn->ops[i]));
		if (txn->ops[i].type == ZOO_CREATE_OP)
			free((char *)txn->ops[i].create_op.data);
		if (txn->ops[i].type == ZOO_SETDATA_OP)
			free((char *)txn->ops[i].set_op.data);
	}
	free(txn->ops);
	free(txn->results);
	free(txn);
}

size_t store_txn_count(const struct store_txn *txn) {
	return txn ? txn->count : 0;
}

static int txn_grow(struct store_txn *txn) {
	size_t size = txn->size ? txn->size * 2 : 8;
	zoo_op_t *ops;

	if (txn->count < txn->size)
		return 0;
	ops = reallocarray(txn->ops, size, sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	txn->ops = ops;
	txn->size = size;
	return 0;
}

/* `data` is NULL for operations that have none. Gives the copies to the new operation. */
static int txn_add_acl(struct store_txn *txn, int type, const char *path, const char *data,
		       const struct ACL_vector *acl, int flags, int32_t version) {
	_cleanup_free_ char *path_copy = NULL, *data_copy = NULL;
	size_t length = data ? strlen(data) : 0;
	zoo_op_t *op;
	int r;

	if (!txn)
		return -ENOMEM;
	if (txn->error < 0)
		return txn->error;
	txn->bytes += OP_OVERHEAD + (path ? strlen(path) : 0) + length;
	if (!store_path_valid(path))
		r = -EINVAL;
	else if (length > STORE_VALUE_MAX || txn->bytes > PACKET_MAX)
		r = -EFBIG;
	else
		r = txn_grow(txn);
	path_copy = r == 0 ? strdup(path) : NULL;
	data_copy = r == 0 && data ? strdup(data) : NULL;
	if (r == 0 && (!path_copy || (data && !data_copy)))
		r = -ENOMEM;
	if (r < 0)
		return txn->error = r;
	op = &txn->ops[txn->count++];
	switch (type) {
	case ZOO_CREATE_OP:
		zoo_create_op_init(op, move_ptr(path_copy), move_ptr(data_copy), (int)length, acl, flags, NULL, 0);
		break;
	case ZOO_SETDATA_OP:
		zoo_set_op_init(op, move_ptr(path_copy), move_ptr(data_copy), (int)length, version, NULL);
		break;
	case ZOO_DELETE_OP:
		zoo_delete_op_init(op, move_ptr(path_copy), version);
		break;
	default:
		zoo_check_op_init(op, move_ptr(path_copy), version);
		break;
	}
	return 0;
}

static int txn_add(struct store_txn *txn, int type, const char *path, const char *data, int flags, int32_t version) {
	return txn_add_acl(txn, type, path, data, &ZOO_OPEN_ACL_UNSAFE, flags, version);
}

int store_txn_create_private(struct store_txn *txn, const char *path, const char *data) {
	return txn_add_acl(txn, ZOO_CREATE_OP, path, data, &ZOO_CREATOR_ALL_ACL, 0, 0);
}

int store_txn_create(struct store_txn *txn, const char *path, const char *data) {
	return txn_add(txn, ZOO_CREATE_OP, path, data, 0, 0);
}

int store_txn_create_ephemeral(struct store_txn *txn, const char *path, const char *data) {
	return txn_add(txn, ZOO_CREATE_OP, path, data, ZOO_EPHEMERAL, 0);
}

int store_txn_set(struct store_txn *txn, const char *path, const char *data, int32_t version) {
	return txn_add(txn, ZOO_SETDATA_OP, path, data, 0, version);
}

int store_txn_delete(struct store_txn *txn, const char *path, int32_t version) {
	return txn_add(txn, ZOO_DELETE_OP, path, NULL, 0, version);
}

int store_txn_check(struct store_txn *txn, const char *path, int32_t version) {
	return txn_add(txn, ZOO_CHECK_OP, path, NULL, 0, version);
}

int store_txn_put(struct store_txn *txn, const char *path, const struct store_value *seen, const char *data) {
	return seen->exists ? store_txn_set(txn, path, data, seen->stat.version) : store_txn_create(txn, path, data);
}

int txn_send(struct op *op, void_completion_t completion) {
	struct store_txn *txn = op->txn;

	return zoo_amulti(op->store->zh, (int)txn->count, txn->ops, txn->results, completion, op);
}

static void committed(struct store *store, struct op *op) {
	struct store_txn *txn = op->txn;
	int result = op->result;

	/* a failed transaction is told by the library as the first operation's error; believe each operation as well */
	for (size_t i = 0; result == 0 && i < txn->count; i++)
		if (txn->results[i].err != ZOK)
			result = -EIO;
	txn->done(store, result, txn->userdata);
}

int store_commit(struct store *store, struct store_txn *txn, store_done_fn done, void *userdata) {
	struct op *op;

	if (!txn)
		return -ENOMEM;
	if (txn->error < 0) {
		int r = txn->error;

		store_txn_free(txn);
		return r;
	}
	/* the results are written when the answer comes, so they live as long as the transaction */
	txn->results = calloc(txn->count + 1, sizeof(*txn->results));
	op = txn->results
		 ? op_new(store, txn->count > 0 ? OP_MULTI : OP_SYNC, txn->count > 0 ? NULL : "/", committed, NULL)
		 : NULL;
	if (!op) {
		store_txn_free(txn);
		return -ENOMEM;
	}
	txn->done = done;
	txn->userdata = userdata;
	op->txn = txn;
	return op_submit(op);
}
