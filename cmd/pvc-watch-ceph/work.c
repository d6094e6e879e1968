/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is done to Ceph, on a worker thread. Reads the task's command and facts, writes its result. */
#include "daemon.h"

#define BLOCKLIST_SECONDS 3600 /* an old client must not come back within that; as librbd's own default */
#define PATIENCE_SHORT    (60 * USEC_PER_SEC)
#define PATIENCE_LONG     (3600 * USEC_PER_SEC) /* data is copied or deleted */
#define PATIENCE_OSD_ADD  (1800 * USEC_PER_SEC)
#define PATIENCE_STOP     (900 * USEC_PER_SEC) /* stopping, purging, wiping, after the data has left */

usec_t work_patience(const struct task *task) {
	switch (task->command.verb) {
	case STORAGE_OSD_ADD:
		return PATIENCE_OSD_ADD;
	case STORAGE_OSD_REMOVE:
		return task->daemon->config->osd_drain_timeout * USEC_PER_SEC + PATIENCE_STOP;
	case STORAGE_POOL_REMOVE:
	case STORAGE_VOLUME_CLONE:
	case STORAGE_VOLUME_RESIZE:
	case STORAGE_VOLUME_REMOVE:
	case STORAGE_SNAPSHOT_REMOVE:
		return PATIENCE_LONG;
	default:
		return PATIENCE_SHORT;
	}
}

static int clone_volume(struct task *task, struct ceph *ceph, char **error) {
	const struct storage_command *c = &task->command;
	/* a name of this command's own: what an interruption leaves is told apart by it, and removed when settled */
	_cleanup_free_ char *scratch = str_printf(".pvc-clone-%s", task->id);

	return scratch ? ceph_image_copy(ceph, c->pool, c->volume, c->name, scratch, error) : -ENOMEM;
}

/* Gone already is as good: an earlier try came so far. */
static int remove_volume(struct task *task, struct ceph *ceph, char **error) {
	int r = ceph_image_remove(ceph, task->command.pool, task->command.volume, error);

	return r == -ENOENT ? 0 : r;
}

static int remove_snapshot(struct task *task, struct ceph *ceph, char **error) {
	const struct storage_command *c = &task->command;
	int r = ceph_snapshot_remove(ceph, c->pool, c->volume, c->snapshot, error);

	return r == -ENOENT ? 0 : r;
}

/* Volumes whose definition names what is not there hold nobody up: the rest is freed, and the result says so. */
static int flush_locks(struct task *task, struct ceph *ceph, char **error) {
	int result = 0;

	for (size_t i = 0; i < task->volumes.count; i++) {
		_cleanup_free_ char *pool = strdup(task->volumes.items[i]), *why = NULL;
		char *slash = pool ? strchr(pool, '/') : NULL;
		size_t broken = 0;
		int r = -EINVAL;

		if (slash) {
			*slash = '\0';
			r = ceph_image_seize(ceph, pool, slash + 1, BLOCKLIST_SECONDS, &broken, &why);
		}
		if (r == 0 && broken > 0)
			mail_step(task, "volume %s was freed: %zu client(s) blocklisted", task->volumes.items[i],
				  broken);
		if (r < 0) {
			result = r;
			(void)error_set(error, r, "%s", why ? why : "it names no POOL/VOLUME");
		}
	}
	return result;
}

static int carry_out(struct task *task, struct ceph *ceph, char **error) {
	const struct storage_command *c = &task->command;

	switch (c->verb) {
	case STORAGE_OSD_ADD:
		return work_osd_add(task, error);
	case STORAGE_OSD_REMOVE:
		return work_osd_remove(task, error);
	case STORAGE_OSD_IN:
	case STORAGE_OSD_OUT:
		return ceph_osd_set_in(ceph, (int64_t)c->osd, c->verb == STORAGE_OSD_IN, error);
	case STORAGE_OSD_SET:
	case STORAGE_OSD_UNSET:
		return ceph_osd_flag(ceph, c->flag, c->verb == STORAGE_OSD_SET, error);
	case STORAGE_POOL_ADD:
		return ceph_pool_create(ceph, c->pool, c->pgs, c->copies, c->mincopies, error);
	case STORAGE_POOL_REMOVE:
		return ceph_pool_remove(ceph, c->pool, error);
	case STORAGE_VOLUME_ADD:
		return ceph_image_create(ceph, c->pool, c->volume, c->bytes, error);
	case STORAGE_VOLUME_CLONE:
		return clone_volume(task, ceph, error);
	case STORAGE_VOLUME_RESIZE:
		return ceph_image_resize(ceph, c->pool, c->volume, c->bytes, error);
	case STORAGE_VOLUME_RENAME:
		return ceph_image_rename(ceph, c->pool, c->volume, c->name, error);
	case STORAGE_VOLUME_REMOVE:
		return remove_volume(task, ceph, error);
	case STORAGE_SNAPSHOT_ADD:
		return ceph_snapshot_create(ceph, c->pool, c->volume, c->snapshot, error);
	case STORAGE_SNAPSHOT_RENAME:
		return ceph_snapshot_rename(ceph, c->pool, c->volume, c->snapshot, c->name, error);
	case STORAGE_SNAPSHOT_REMOVE:
		return remove_snapshot(task, ceph, error);
	case STORAGE_FLUSH_LOCKS:
		return flush_locks(task, ceph, error);
	case STORAGE_VERB_COUNT:
		break;
	}
	return -EINVAL;
}

/* The figures that go into the volume's keys. */
static int look(struct task *task, struct ceph *ceph, char **error) {
	const struct storage_command *c = &task->command;
	const char *image;

	switch (c->verb) {
	case STORAGE_VOLUME_ADD:
	case STORAGE_VOLUME_RESIZE:
		image = c->volume;
		break;
	case STORAGE_VOLUME_CLONE:
	case STORAGE_VOLUME_RENAME:
		image = c->name;
		break;
	default:
		return 0;
	}
	return ceph_image_info(ceph, c->pool, image, &task->result.info, error);
}

/* ---- interrupted commands ---------------------------------------------------------------------------------------- */

/* *ret_info stays NULL when Ceph has no such volume (or no such pool). */
static int look_settled(struct ceph *ceph, const char *pool, const char *image, char **ret_info, char **error) {
	int r = ceph_image_info(ceph, pool, image, ret_info, error);

	return r == -ENOENT ? 0 : r;
}

static int settle_pool(struct task *task, struct ceph *ceph, char **error) {
	const struct storage_command *c = &task->command;
	_cleanup_strlist_ struct strlist images = {0};
	bool exists = false;
	int r = ceph_pool_exists(ceph, c->pool, &exists, error);

	/* begun by this command and never finished: its size may not be set, and nobody can have used it */
	if (r == 0 && exists && c->verb == STORAGE_POOL_ADD && !task->facts.pool) {
		r = ceph_image_list(ceph, c->pool, &images, error);
		if (r == 0 && images.count == 0)
			r = ceph_pool_remove(ceph, c->pool, error);
		exists = images.count > 0;
	}
	task->result.gone = !exists;
	return r;
}

int work_settle(struct task *task, char **error) {
	const struct storage_command *c = &task->command;
	struct ceph *ceph = task->daemon->ceph;
	int r;

	if (!c->pool)
		return 0;
	if (!c->volume)
		return settle_pool(task, ceph, error);
	if (c->verb == STORAGE_VOLUME_CLONE) {
		_cleanup_free_ char *scratch = str_printf(".pvc-clone-%s", task->id);

		r = scratch ? ceph_image_remove(ceph, c->pool, scratch, error) : -ENOMEM;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	r = look_settled(ceph, c->pool, c->volume, &task->result.info, error);
	if (r == 0 && c->name && !c->snapshot)
		r = look_settled(ceph, c->pool, c->name, &task->result.name_info, error);
	if (r == 0 && task->result.info && c->snapshot)
		r = ceph_snapshot_list(ceph, c->pool, c->volume, &task->result.others, error);
	return r;
}

int work_run(struct task *task) {
	struct ceph *ceph = task->daemon->ceph;
	char **error = &task->result.error;
	int r;

	if (__atomic_load_n(&task->abandoned, __ATOMIC_SEQ_CST))
		return -ECANCELED;
	if (task->kind == TASK_SETTLE && task->command.verb != STORAGE_OSD_REMOVE &&
	    task->command.verb != STORAGE_OSD_ADD)
		return work_settle(task, error);
	r = carry_out(task, ceph, error);
	if (r == 0 && look(task, ceph, error) < 0)
		r = -ETIMEDOUT; /* done, but how it looks is not known: the keys are settled later */
	return r;
}
