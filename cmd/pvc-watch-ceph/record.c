/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The records of commands in /nodes/ME/ceph_jobs. */
#include "daemon.h"

struct writing {
	struct task *task;
	facts_fn done;
	char *directory, *path, *text;
};

static void writing_free(struct writing *writing) {
	free(writing->directory);
	free(writing->path);
	free(writing->text);
	free(writing);
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct writing *writing = userdata;
	int r = 0;

	(void)count;
	if (!values[0].exists)
		r = store_txn_create(txn, writing->directory, "");
	return r < 0 ? r : store_txn_put(txn, writing->path, &values[1], writing->text);
}

static void on_written(struct store *store, int result, void *userdata) {
	struct writing *writing = userdata;
	struct task *task = writing->task;
	facts_fn done = writing->done;
	const char *next = move_ptr(task->record_next);

	(void)store;
	if (result < 0)
		log_error("cannot write %s: %s", writing->path, strerror(-result));
	writing_free(writing);
	task->recording = NULL;
	if (next)
		record_write(task, next, move_ptr(task->record_done));
	if (done)
		done(task, result);
}

static void set(json_t *object, const char *key, const char *value) {
	_cleanup_free_ char *clean = value && *value ? str_printable(value, STORAGE_COMMAND_MAX) : NULL;

	if (clean)
		(void)json_object_set_new(object, key, json_string(clean));
}

static char *text_of(const struct task *task, const char *state) {
	json_t *object = json_object();
	char *text;

	set(object, "command", task->text);
	set(object, "state", state);
	set(object, "step", task->step);
	set(object, "reason", task->reason);
	set(object, "uuid", task->uuid);
	set(object, "device", task->device);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

void record_write(struct task *task, const char *state, facts_fn done) {
	struct writing *writing;
	int r = -ENOMEM;

	if (task->recording) { /* in order: the last one stays */
		task->record_next = state;
		if (done)
			task->record_done = done;
		return;
	}
	writing = calloc(1, sizeof(*writing));
	task->recording = state;
	if (writing) {
		writing->task = task;
		writing->done = done;
		writing->directory = store_path(STORE_NODES, task->daemon->config->node, JOBS_DIRECTORY, (char *)NULL);
		writing->path = strdup(task->record);
		writing->text = text_of(task, state);
		if (writing->directory && writing->path && writing->text)
			r = store_update(task->daemon->store, (const char *const[]){writing->directory, writing->path},
					 2, compute, on_written, writing);
	}
	if (r == 0)
		return;
	task->recording = NULL;
	log_error("cannot write %s: %s", task->record, strerror(-r));
	if (writing)
		writing_free(writing);
	if (done)
		done(task, r);
}

/* ---- old ones ---------------------------------------------------------------------------------------------------- */

static bool under_way(const struct daemon *daemon, const char *id) {
	for (const struct task *task = daemon->tasks; task; task = task->next)
		if (strcmp(task->id, id) == 0)
			return true;
	return false;
}

static void on_deleted(struct store *store, int result, void *userdata) {
	(void)store;
	(void)userdata;
	if (result < 0)
		log_debug("cannot delete an old record: %s", strerror(-result));
}

/* Sorted by name, and with that by age. */
static void on_listed(struct store *store, int result, const struct strlist *records, void *userdata) {
	struct daemon *daemon = userdata;

	for (size_t i = 0; result == 0 && i + JOBS_KEPT < records->count; i++) {
		_cleanup_free_ char *path = NULL;

		if (under_way(daemon, records->items[i]))
			continue;
		path = store_path(STORE_NODES, daemon->config->node, JOBS_DIRECTORY, records->items[i], (char *)NULL);
		if (path)
			(void)store_delete_tree(store, path, on_deleted, daemon); /* else at the next one's end */
	}
}

void records_prune(struct daemon *daemon) {
	_cleanup_free_ char *path = store_path(STORE_NODES, daemon->config->node, JOBS_DIRECTORY, (char *)NULL);

	if (path)
		(void)store_list(daemon->store, path, on_listed, daemon);
}

/* ---- interrupted ones -------------------------------------------------------------------------------------------- */

struct interrupted {
	struct daemon *daemon;
	struct strlist ids, paths;
};

static void interrupted_free(struct interrupted *interrupted) {
	strlist_free(&interrupted->ids);
	strlist_free(&interrupted->paths);
	free(interrupted);
}

static void resume(struct daemon *daemon, const char *id, const json_t *record) {
	const char *text = json_string_value(json_object_get(record, "command"));
	const char *state = json_string_value(json_object_get(record, "state"));
	const char *uuid = json_string_value(json_object_get(record, "uuid"));
	struct task *task;

	if (!text || !state || strcmp(state, "running") != 0 || under_way(daemon, id))
		return;
	task = task_new(daemon, text, (int64_t)strtoull(id, NULL, 16));
	if (!task)
		return;
	task->kind = TASK_SETTLE;
	task->uuid = uuid ? strdup(uuid) : NULL;
	for (int queue = 0; queue < STORAGE_QUEUE_COUNT && !task->understood; queue++)
		task->understood = storage_parse((enum storage_queue)queue, text, &task->command, NULL) == 0;
	if (task->understood)
		task_resume(task);
	else
		task_fail(task, -EINVAL, "its record is not understood");
}

static void on_records(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct interrupted *interrupted = userdata;

	(void)store;
	for (size_t i = 0; result == 0 && i < count; i++) {
		json_t *record = json_loadb(values[i].data, values[i].length, 0, NULL);

		if (values[i].exists && record)
			resume(interrupted->daemon, interrupted->ids.items[i], record);
		json_decref(record);
	}
	if (result < 0) {
		log_error("cannot read what was interrupted: %s", strerror(-result));
		interrupted->daemon->settled = false;
	}
	interrupted_free(interrupted);
}

static void on_ids(struct store *store, int result, const struct strlist *ids, void *userdata) {
	struct interrupted *interrupted = userdata;
	struct daemon *daemon = interrupted->daemon;

	for (size_t i = 0; result == 0 && i < ids->count; i++) {
		result = strlist_add(&interrupted->ids, ids->items[i]);
		if (result == 0)
			result =
			    strlist_take(&interrupted->paths, store_path(STORE_NODES, daemon->config->node,
									 JOBS_DIRECTORY, ids->items[i], (char *)NULL));
	}
	if (result == 0 && interrupted->paths.count > 0)
		result = store_get_many(store, (const char *const *)interrupted->paths.items, interrupted->paths.count,
					on_records, interrupted);
	else if (result == 0 || result == -ENOENT)
		result = 1;
	if (result < 0) {
		log_error("cannot read what was interrupted: %s", strerror(-result));
		daemon->settled = false;
	}
	if (result != 0)
		interrupted_free(interrupted);
}

void records_settle(struct daemon *daemon) {
	_cleanup_free_ char *path = store_path(STORE_NODES, daemon->config->node, JOBS_DIRECTORY, (char *)NULL);
	struct interrupted *interrupted = calloc(1, sizeof(*interrupted));

	if (daemon->settled || !path || !interrupted) {
		free(interrupted);
		return;
	}
	interrupted->daemon = daemon;
	daemon->settled = store_list(daemon->store, path, on_ids, interrupted) == 0;
	if (!daemon->settled)
		interrupted_free(interrupted);
}
