/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gives a storage command to a node and follows it. The key holds one command, and older clients write over each
 * other's: this one waits until the key is free. How the command goes on is in its record (/nodes/NODE/ceph_jobs/ID, ID
 * being the zxid of the command), so nobody has to hold a lock meanwhile; a node of the reference only answers in the
 * key.
 */
#include "storage.h"

#define PAUSE        (200 * USEC_PER_MSEC)
#define STALE        (2 * USEC_PER_SEC)  /* a command that nobody took: its client gives up after one second */
#define TAKEN_WITHIN (10 * USEC_PER_SEC) /* a node takes a command at once, or after getting its lock, five seconds */
#define A_WHILE      (5 * USEC_PER_SEC)  /* without --wait: most commands are done long before */

struct request {
	const char *path;  /* the queue's key */
	char *text;        /* the command */
	char *marker;      /* an ephemeral key made in the same transaction: it tells the zxid */
	struct strlist on; /* nodes that may have its record */
	bool tell;         /* the steps */
	/* what is known of it */
	char *state, *step, *reason, *node;
	bool succeeded, refused; /* as the key says */
};

static void request_free(struct request *q) {
	free(q->text);
	free(q->marker);
	strlist_free(&q->on);
	free(q->state);
	free(q->step);
	free(q->reason);
	free(q->node);
}

/* ---- whose turn ---- */

static int find_primary(struct ctl *ctl, struct request *q) {
	_cleanup_nodes_ struct nodes nodes = {0};
	int r = nodes_read(ctl, NULL, &nodes);

	for (size_t i = 0; r >= 0 && i < nodes.names.count; i++)
		if (router_state_parse(node_value(&nodes, i, NODE_ROUTER)->data) == ROUTER_PRIMARY)
			r = strlist_add(&q->on, nodes.names.items[i]);
	return r;
}

/* The primary answers what is for nobody, so its records are looked at in any case. */
static int find_nodes(struct ctl *ctl, struct request *q, const struct storage_command *command) {
	_cleanup_free_ char *id = str_printf("%llu", (unsigned long long)command->osd), *path = NULL;
	struct store_value value = {0};
	int r = find_primary(ctl, q);

	if (r >= 0 && storage_place(command->verb) == STORAGE_ON_NODE && !strlist_contains(&q->on, command->node))
		r = strlist_add(&q->on, command->node);
	if (r < 0 || storage_place(command->verb) != STORAGE_ON_OWNER)
		return r;
	path = id ? store_path(STORE_CEPH_OSDS, id, "node", NULL) : NULL;
	r = path ? store_get_wait(ctl->store, path, deadline_after(OPERATION_TIMEOUT), &value) : -ENOMEM;
	if (r >= 0 && value.exists && is_key_name(value.data) && !strlist_contains(&q->on, value.data))
		r = strlist_add(&q->on, value.data);
	store_value_free(&value);
	return r;
}

/* ---- giving it ---- */

static void pause_for(struct ctl *ctl, usec_t duration) {
	bool never = false;

	(void)store_wait(ctl->store, &never, deadline_after(duration));
}

static bool holds_lock(const struct strlist *children) {
	for (size_t i = 0; i < children->count; i++)
		if (strstr(children->items[i], "lock__"))
			return true;
	return false;
}

/* May the key be written over? 1 or 0. An answer is its client's while a lock is held or waited for. */
static int is_free(struct ctl *ctl, const struct request *q, const struct store_value *value, usec_t unchanged) {
	_cleanup_strlist_ struct strlist children = {0};
	int r;

	if (!*value->data)
		return 1;
	r = fetch_children(ctl, q->path, &children);
	if (r < 0)
		return r;
	return !holds_lock(&children) && (!storage_is_command(value->data) || unchanged >= STALE);
}

static int write_command(struct ctl *ctl, struct request *q, int32_t version) {
	_cleanup_(store_txn_freep) struct store_txn *txn = store_txn_new();
	_cleanup_free_ char *uuid = NULL;
	int r = file_read("/proc/sys/kernel/random/uuid", 64, &uuid, NULL);

	if (r < 0)
		return r;
	uuid[strcspn(uuid, "\n")] = '\0';
	free(q->marker);
	q->marker = str_printf("%s/%s__pvcctl", q->path, uuid);
	(void)store_txn_set(txn, q->path, q->text, version); /* failures are kept for the commit */
	(void)store_txn_create_ephemeral(txn, q->marker, "");
	return q->marker ? store_commit_wait(ctl->store, move_ptr(txn), deadline_after(OPERATION_TIMEOUT)) : -ENOMEM;
}

/* Exit code; *ret_zxid of the command. */
static int give(struct ctl *ctl, struct request *q, usec_t deadline, int64_t *ret_zxid) {
	usec_t since = now_monotonic();
	int64_t seen = -1;
	int r;

	for (;;) {
		_cleanup_(store_value_free) struct store_value value = {0};

		r = store_get_wait(ctl->store, q->path, deadline_after(OPERATION_TIMEOUT), &value);
		if (r >= 0 && !value.exists)
			return failed_with(EXIT_UNAVAILABLE, "the cluster has no key %s: no node has registered yet",
					   q->path);
		if (r >= 0 && value.stat.mzxid != seen) {
			seen = value.stat.mzxid;
			since = now_monotonic();
		}
		if (r >= 0)
			r = is_free(ctl, q, &value, now_monotonic() - since);
		if (r == 1)
			r = write_command(ctl, q, value.stat.version);
		else if (r == 0)
			r = -EAGAIN;
		if (r >= 0)
			break;
		if (r != -EAGAIN && r != -ESTALE)
			return failed(r, "cannot write %s: %s", q->path, store_error_text(r));
		if (deadline_left(deadline) == 0) {
			_cleanup_free_ char *shown = str_printable(value.data, 100);

			return failed_with(EXIT_TEMPORARY,
					   "another client's command is still being carried out: '%s'; try again later",
					   shown ? shown : "?");
		}
		pause_for(ctl, PAUSE);
	}
	{
		_cleanup_(store_value_free) struct store_value marker = {0};

		r = store_get_wait(ctl->store, q->marker, deadline_after(OPERATION_TIMEOUT), &marker);
		if (r >= 0 && !marker.exists)
			r = -ECONNRESET;
		if (r < 0)
			return failed(r, "cannot follow the command: %s", store_error_text(r));
		*ret_zxid = marker.stat.czxid;
	}
	return EXIT_OK;
}

/* The key is left free for others, unless it is theirs already. */
static int clear(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct request *q = userdata;
	const char *text = values[0].data;

	(void)count;
	if (str_starts(text, "success-") || str_starts(text, "failure-"))
		text += strlen("success-");
	return str_equal(text, q->text) ? store_txn_put(txn, q->path, &values[0], "") : 1;
}

static void clean_up(struct ctl *ctl, struct request *q) {
	(void)store_update_wait(ctl->store, &q->path, 1, clear, q, deadline_after(OPERATION_TIMEOUT));
	if (q->marker) /* else it goes with the session */
		(void)store_delete_tree_wait(ctl->store, q->marker, deadline_after(OPERATION_TIMEOUT));
}

/* ---- following it ---- */

static void take(char **field, const json_t *record, const char *key) {
	const char *text = json_string_value(json_object_get(record, key));

	free(*field);
	*field = text ? str_printable(text, 2000) : NULL;
}

static void read_record(struct request *q, size_t node, const char *text) {
	json_t *record = json_loads(text, 0, NULL);
	_cleanup_free_ char *before = q->step;

	q->step = NULL;
	take(&q->state, record, "state");
	take(&q->step, record, "step");
	take(&q->reason, record, "reason");
	free(q->node);
	q->node = strdup(q->on.items[node]);
	json_decref(record);
	if (q->tell && q->step && !str_equal(q->step, before)) {
		printf("%s\n", q->step);
		(void)fflush(stdout);
	}
}

static bool ended(const struct request *q) {
	return q->state && (!str_equal(q->state, "running") || q->reason);
}

/* keys: the queue's, then the record on each node */
static bool reached(struct await *a) {
	struct request *q = a->userdata;
	const char *text = a->keys[0].data;

	if (str_starts(text, "success-") && str_equal(text + strlen("success-"), q->text))
		q->succeeded = true;
	if (str_starts(text, "failure-") && str_equal(text + strlen("failure-"), q->text))
		q->refused = true;
	for (size_t i = 1; i < a->count; i++)
		if (a->keys[i].exists)
			read_record(q, i - 1, a->keys[i].data);
	return ended(q) || (q->succeeded && !q->state) || (q->refused && !q->state);
}

static bool is_taken(struct await *a) {
	return reached(a) || ((struct request *)a->userdata)->state;
}

static int add_keys(struct await *a, const struct request *q, int64_t zxid) {
	_cleanup_free_ char *id = str_printf("%016llx", (unsigned long long)zxid);
	int r = id ? await_add(a, strdup(q->path)) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < q->on.count; i++)
		r = await_add(a, store_path(STORE_NODES, q->on.items[i], "ceph_jobs", id, NULL));
	return r;
}

static int tell_end(const struct request *q, const char *done) {
	if (str_equal(q->state, "done") || (!q->state && q->succeeded)) {
		printf("%s\n", done);
		return EXIT_OK;
	}
	if (str_equal(q->state, "settled"))
		return failed_with(
		    EXIT_TEMPORARY,
		    "it was interrupted, and what the cluster shows is what Ceph has now: look whether it "
		    "was done, else give it again");
	if (str_equal(q->state, "running"))
		return failed_with(EXIT_TEMPORARY, "%s", q->reason);
	return failed_with(EXIT_FAILED, "%s", q->reason ? q->reason : "the node gave no reason; see its log");
}

static int tell_unfinished(const struct ctl *ctl, const struct request *q) {
	if (!ctl->options.wait) {
		printf("Node %s is at it%s%s; 'pvcctl storage jobs' tells how it goes on.\n", q->node,
		       q->step ? ": " : "", q->step ? q->step : "");
		return EXIT_OK;
	}
	return failed_with(EXIT_TEMPORARY, "not done after %llu s%s%s; node %s goes on (pvcctl storage jobs)",
			   (unsigned long long)ctl->options.timeout, q->step ? ": " : "", q->step ? q->step : "",
			   q->node);
}

static int tell_untaken(const struct request *q) {
	_cleanup_free_ char *nodes = strlist_join(&q->on, " or ");

	return failed_with(EXIT_UNAVAILABLE,
			   "no node takes the command (%s should): does pvc-watch-ceph run there, with "
			   "functions.enable_storage?",
			   nodes ? nodes : "");
}

static int follow(struct ctl *ctl, struct request *q, int64_t zxid, const char *done, usec_t deadline) {
	_cleanup_await_ struct await await = {.reached = is_taken, .userdata = q};
	int r = add_keys(&await, q, zxid);

	if (r >= 0)
		r = await_run(ctl, &await, deadline_after(TAKEN_WITHIN));
	if (r == -ETIMEDOUT) {
		clean_up(ctl, q); /* so that nobody takes it from now on; but somebody may just have */
		r = await_run(ctl, &await, deadline_after(PAUSE));
		if (r == -ETIMEDOUT)
			return tell_untaken(q);
	}
	if (r >= 0) {
		q->tell = ctl->options.wait && q->state;
		if (q->tell && q->step && !ended(q))
			printf("%s\n", q->step);
		await.reached = reached;
		r = await_run(ctl, &await, ctl->options.wait ? deadline : deadline_after(A_WHILE));
	}
	if (r == -ETIMEDOUT)
		return tell_unfinished(ctl, q);
	if (r < 0)
		return failed(r, "cannot follow the command: %s", store_error_text(r));
	return tell_end(q, done);
}

int storage_request(struct ctl *ctl, enum storage_queue queue, char *text, const char *done) {
	_cleanup_(request_free) struct request q = {.text = text};
	_cleanup_storage_command_ struct storage_command command = {0};
	_cleanup_free_ char *error = NULL;
	usec_t deadline = deadline_after(ctl->options.timeout * USEC_PER_SEC);
	int64_t zxid = 0;
	int r;

	if (!text)
		return failed(-ENOMEM, "out of memory");
	q.path = store_base(queue == STORAGE_CMD_CEPH ? STORE_CMD_CEPH : STORE_CMD_DOMAINS);
	r = storage_parse(queue, text, &command, &error);
	if (r < 0)
		return failed_with(r == -EINVAL ? EXIT_USAGE : EXIT_SYSTEM, "%s", error ? error : strerror(-r));
	r = find_nodes(ctl, &q, &command);
	if (r < 0)
		return failed(r, "cannot read the nodes: %s", store_error_text(r));
	if (q.on.count == 0)
		return failed_with(EXIT_UNAVAILABLE, "no node is the primary coordinator now, so nobody would take the "
						     "command (see: pvcctl status)");
	r = give(ctl, &q, deadline, &zxid);
	if (r == EXIT_OK) {
		r = follow(ctl, &q, zxid, done, deadline);
		clean_up(ctl, &q);
	}
	return r;
}
