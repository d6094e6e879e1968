/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keys below /ceph, as the reference writes them (data model, 7), after Ceph has done it. */
#include "daemon.h"

static void on_done(struct store *store, int result, void *userdata) {
	(void)store;
	task_end(userdata, result > 0 ? 0 : result);
}

/* ---- one transaction -----------------------------------------------------------------------------------------------
 */

#define PUTS_MAX 6
struct put {
	const char *value; /* NULL: "" when the key is missing, else as it is */
	char *path;
};
struct putting {
	struct task *task;
	struct put puts[PUTS_MAX];
	size_t count;
};

static void putting_free(struct putting *putting) {
	for (size_t i = 0; i < putting->count; i++)
		free(putting->puts[i].path);
	free(putting);
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct putting *putting = userdata;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		const struct put *put = &putting->puts[i];

		if (values[i].exists && (!put->value || strcmp(values[i].data, put->value) == 0))
			continue;
		r = store_txn_put(txn, put->path, &values[i], put->value ? put->value : "");
	}
	return r;
}

static void on_put(struct store *store, int result, void *userdata) {
	struct putting *putting = userdata;
	struct task *task = putting->task;

	putting_free(putting);
	on_done(store, result, task);
}

/* Takes the paths over. In the order given: parents first. */
static void put(struct task *task, const struct put *puts, size_t count) {
	struct putting *putting = calloc(1, sizeof(*putting));
	const char *paths[PUTS_MAX] = {NULL};
	int r = putting ? 0 : -ENOMEM;

	if (!putting) {
		for (size_t i = 0; i < count; i++)
			free(puts[i].path);
		task_end(task, r);
		return;
	}
	putting->task = task;
	putting->count = count;
	for (size_t i = 0; i < count; i++) {
		putting->puts[i] = puts[i];
		paths[i] = puts[i].path;
		if (!puts[i].path)
			r = -ENOMEM;
	}
	if (r == 0)
		r = store_update(task->daemon->store, paths, count, compute, on_put, putting);
	if (r < 0) {
		putting_free(putting);
		task_end(task, r);
	}
}

static void put_volume(struct task *task, const char *pool, const char *volume, const char *info) {
	put(task,
	    (const struct put[]){
		{NULL, store_path(STORE_CEPH_VOLUMES, pool, volume, (char *)NULL)},
		{info, store_path(STORE_CEPH_VOLUMES, pool, volume, "stats", (char *)NULL)},
		{NULL, store_path(STORE_CEPH_SNAPSHOTS, pool, volume, (char *)NULL)},
	    },
	    3);
}

static void put_pool(struct task *task) {
	const struct storage_command *c = &task->command;
	char pgs[32];

	(void)snprintf(pgs, sizeof(pgs), "%llu", (unsigned long long)c->pgs);
	put(task,
	    (const struct put[]){
		{NULL, store_path(STORE_CEPH_POOLS, c->pool, (char *)NULL)},
		{task->result.info ? task->result.info : (task->result.info = strdup(pgs)),
		 store_path(STORE_CEPH_POOLS, c->pool, "pgs", (char *)NULL)},
		{"{}", store_path(STORE_CEPH_POOLS, c->pool, "stats", (char *)NULL)},
		{NULL, store_path(STORE_CEPH_VOLUMES, c->pool, (char *)NULL)},
		{NULL, store_path(STORE_CEPH_SNAPSHOTS, c->pool, (char *)NULL)},
	    },
	    5);
}

static void put_snapshot(struct task *task) {
	const struct storage_command *c = &task->command;

	put(task,
	    (const struct put[]){
		{NULL, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->snapshot, (char *)NULL)},
		{"{}", store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->snapshot, "stats", (char *)NULL)},
	    },
	    2);
}

static void put_osd(struct task *task) {
	const struct storage_command *c = &task->command;
	_cleanup_free_ char *id = str_printf("%llu", (unsigned long long)task->result.osd);

	put(task,
	    (const struct put[]){
		{NULL, store_path(STORE_CEPH_OSDS, id, (char *)NULL)},
		{c->node, store_path(STORE_CEPH_OSDS, id, "node", (char *)NULL)},
		{c->device, store_path(STORE_CEPH_OSDS, id, "device", (char *)NULL)},
		{"{}", store_path(STORE_CEPH_OSDS, id, "stats", (char *)NULL)},
	    },
	    4);
}

/* ---- trees, one after the other
 * ---------------------------------------------------------------------------------------- */

struct deleting {
	struct task *task;
	struct strlist paths;
	size_t next;
	void (*then)(struct task *task);
};

static void delete_next(struct deleting *deleting, int result);

static void on_deleted(struct store *store, int result, void *userdata) {
	(void)store;
	delete_next(userdata, result);
}

static void delete_next(struct deleting *deleting, int result) {
	struct task *task = deleting->task;
	void (*then)(struct task *) = deleting->then;

	if (result == 0 && deleting->next < deleting->paths.count) {
		result = store_delete_tree(task->daemon->store, deleting->paths.items[deleting->next++], on_deleted,
					   deleting);
		if (result == 0)
			return;
	}
	strlist_free(&deleting->paths);
	free(deleting);
	if (result == 0 && then)
		then(task);
	else
		task_end(task, result);
}

/* Takes the paths over; NULL ends them. */
static void delete_trees(struct task *task, char *const *paths, void (*then)(struct task *task)) {
	struct deleting *deleting = calloc(1, sizeof(*deleting));
	int r = deleting ? 0 : -ENOMEM;

	for (; *paths; paths++) {
		if (r == 0)
			r = strlist_take(&deleting->paths, *paths);
		else
			free(*paths);
	}
	if (!deleting) {
		task_end(task, r);
		return;
	}
	deleting->task = task;
	deleting->then = then;
	delete_next(deleting, r);
}

static void delete_volume(struct task *task, const char *volume, void (*then)(struct task *task)) {
	const char *pool = task->command.pool;

	delete_trees(task,
		     (char *const[]){store_path(STORE_CEPH_SNAPSHOTS, pool, volume, (char *)NULL),
				     store_path(STORE_CEPH_VOLUMES, pool, volume, (char *)NULL), NULL},
		     then);
}

static void delete_pool(struct task *task) {
	const char *pool = task->command.pool;

	/* the pool's own key last: until then the command can be given again */
	delete_trees(task,
		     (char *const[]){store_path(STORE_CEPH_SNAPSHOTS, pool, (char *)NULL),
				     store_path(STORE_CEPH_VOLUMES, pool, (char *)NULL),
				     store_path(STORE_CEPH_POOLS, pool, (char *)NULL), NULL},
		     NULL);
}

static void delete_osd(struct task *task) {
	_cleanup_free_ char *id = str_printf("%llu", (unsigned long long)task->command.osd);

	delete_trees(task, (char *const[]){store_path(STORE_CEPH_OSDS, id, (char *)NULL), NULL}, NULL);
}

/* ---- renaming a volume: one transaction with its snapshots ----------------------------------------------------------
 */

struct renaming {
	struct task *task;
	struct strlist snapshots;
	struct strlist paths; /* old volume, old snapshots, then each snapshot and its stats */
};

static void renaming_end(struct renaming *renaming, int result) {
	struct task *task = renaming->task;

	strlist_free(&renaming->snapshots);
	strlist_free(&renaming->paths);
	free(renaming);
	on_done(task->daemon->store, result, task);
}

static int create(struct store_txn *txn, char *path, const char *value) {
	int r = path ? store_txn_create(txn, path, value) : -ENOMEM;

	free(path);
	return r;
}

static int compute_rename(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct renaming *renaming = userdata;
	const struct storage_command *c = &renaming->task->command;
	int r;

	r = create(txn, store_path(STORE_CEPH_VOLUMES, c->pool, c->name, (char *)NULL), values[0].data);
	if (r == 0)
		r = create(txn, store_path(STORE_CEPH_VOLUMES, c->pool, c->name, "stats", (char *)NULL),
			   renaming->task->result.info);
	if (r == 0)
		r = create(txn, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->name, (char *)NULL), "");
	for (size_t i = 0; i < renaming->snapshots.count && r == 0; i++) {
		const char *snapshot = renaming->snapshots.items[i];

		r = create(txn, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->name, snapshot, (char *)NULL), "");
		if (r == 0)
			r = create(txn,
				   store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->name, snapshot, "stats", (char *)NULL),
				   values[4 + 2 * i].exists ? values[4 + 2 * i].data : "{}");
	}
	for (size_t i = count; i-- > 0 && r == 0;) /* children before parents */
		if (values[i].exists)
			r = store_txn_delete(txn, renaming->paths.items[i], STORE_ANY_VERSION);
	return r;
}

static void on_renamed(struct store *store, int result, void *userdata) {
	(void)store;
	renaming_end(userdata, result);
}

static void on_snapshots(struct store *store, int result, const struct strlist *snapshots, void *userdata) {
	struct renaming *renaming = userdata;
	const struct storage_command *c = &renaming->task->command;
	struct strlist *paths = &renaming->paths;

	if (result == -ENOENT)
		result = 0;
	else if (result == 0)
		for (size_t i = 0; i < snapshots->count && result == 0; i++)
			result = strlist_add(&renaming->snapshots, snapshots->items[i]);
	/* parents before children, in pairs */
	if (result == 0)
		result = strlist_take(paths, store_path(STORE_CEPH_VOLUMES, c->pool, c->volume, (char *)NULL));
	if (result == 0)
		result = strlist_take(paths, store_path(STORE_CEPH_VOLUMES, c->pool, c->volume, "stats", (char *)NULL));
	if (result == 0)
		result = strlist_take(paths, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, (char *)NULL));
	for (size_t i = 0; i < renaming->snapshots.count && result == 0; i++) {
		const char *snapshot = renaming->snapshots.items[i];

		result =
		    strlist_take(paths, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, snapshot, (char *)NULL));
		if (result == 0)
			result = strlist_take(paths, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, snapshot,
								"stats", (char *)NULL));
	}
	if (result == 0)
		result = store_update(store, (const char *const *)paths->items, paths->count, compute_rename,
				      on_renamed, renaming);
	if (result < 0)
		renaming_end(renaming, result);
}

static void rename_volume(struct task *task) {
	_cleanup_free_ char *path =
	    store_path(STORE_CEPH_SNAPSHOTS, task->command.pool, task->command.volume, (char *)NULL);
	struct renaming *renaming = calloc(1, sizeof(*renaming));
	int r = renaming && path ? 0 : -ENOMEM;

	if (renaming)
		renaming->task = task;
	if (r == 0)
		r = store_list(task->daemon->store, path, on_snapshots, renaming);
	if (r < 0) {
		free(renaming);
		task_end(task, r);
	}
}

/* ---- after a command --------------------------------------------------------------------------------------------- */

static void put_renamed_snapshot(struct task *task) {
	const struct storage_command *c = &task->command;

	put(task,
	    (const struct put[]){
		{NULL, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->name, (char *)NULL)},
		{"{}", store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->name, "stats", (char *)NULL)},
	    },
	    2);
}

void keys_write(struct task *task) {
	const struct storage_command *c = &task->command;

	switch (c->verb) {
	case STORAGE_OSD_ADD:
		put_osd(task);
		return;
	case STORAGE_OSD_REMOVE:
		delete_osd(task);
		return;
	case STORAGE_POOL_ADD:
		put_pool(task);
		return;
	case STORAGE_POOL_REMOVE:
		delete_pool(task);
		return;
	case STORAGE_VOLUME_ADD:
	case STORAGE_VOLUME_RESIZE:
		put_volume(task, c->pool, c->volume, task->result.info);
		return;
	case STORAGE_VOLUME_CLONE:
		put_volume(task, c->pool, c->name, task->result.info);
		return;
	case STORAGE_VOLUME_RENAME:
		rename_volume(task);
		return;
	case STORAGE_VOLUME_REMOVE:
		delete_volume(task, c->volume, NULL);
		return;
	case STORAGE_SNAPSHOT_ADD:
		put_snapshot(task);
		return;
	case STORAGE_SNAPSHOT_RENAME:
		delete_trees(task,
			     (char *const[]){
				 store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->snapshot, (char *)NULL), NULL},
			     put_renamed_snapshot);
		return;
	case STORAGE_SNAPSHOT_REMOVE:
		delete_trees(task,
			     (char *const[]){
				 store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->snapshot, (char *)NULL), NULL},
			     NULL);
		return;
	default:
		task_end(task, 0);
		return;
	}
}

/* ---- after an interruption: the keys say what Ceph says ---------------------------------------------------------- */

static void settle_snapshot(struct task *task, const char *snapshot, void (*then)(struct task *task)) {
	const struct storage_command *c = &task->command;

	if (strlist_contains(&task->result.others, snapshot)) {
		if (then)
			then(task);
		else
			put(task,
			    (const struct put[]){
				{NULL, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, snapshot, (char *)NULL)},
				{"{}",
				 store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, snapshot, "stats", (char *)NULL)},
			    },
			    2);
		return;
	}
	delete_trees(
	    task, (char *const[]){store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, snapshot, (char *)NULL), NULL},
	    then);
}

static void settle_name(struct task *task) {
	const struct storage_command *c = &task->command;

	if (c->snapshot)
		settle_snapshot(task, c->name, NULL);
	else if (task->result.name_info)
		put_volume(task, c->pool, c->name, task->result.name_info);
	else
		delete_volume(task, c->name, NULL);
}

void keys_settle(struct task *task) {
	const struct storage_command *c = &task->command;
	bool renamed = c->verb == STORAGE_VOLUME_RENAME && !task->result.info && task->result.name_info;

	if (c->verb == STORAGE_OSD_ADD || c->verb == STORAGE_OSD_REMOVE) {
		keys_write(task);
	} else if (!c->pool || (!c->volume && !task->result.gone)) {
		task_end(task, 0);
	} else if (!c->volume) {
		delete_pool(task);
	} else if (renamed && !task->facts.name) {
		task->result.info = move_ptr(task->result.name_info);
		rename_volume(task); /* with its snapshots */
	} else if (!task->result.info) {
		delete_volume(task, c->volume, c->name && !c->snapshot ? settle_name : NULL);
	} else if (c->snapshot) {
		settle_snapshot(task, c->snapshot, c->name ? settle_name : NULL);
	} else if (c->name) {
		settle_name(task);
	} else {
		put_volume(task, c->pool, c->volume, task->result.info);
	}
}
