/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Removes an OSD: out, until Ceph says that nothing would be lost, with a deadline (D58); then stop, forget, wipe.
 * Every step can be done again: an interrupted removal is begun anew and finds what was done.
 */
#include "osd.h"

#define SAY_EVERY (30 * USEC_PER_SEC)
/* (an OSD counts its placement groups every 6 s and tells the manager every 5 s) */
#define STAYS_SAFE (30 * USEC_PER_SEC)

/* Ceph's word that nothing would be lost holds at once when all is clean. While something is not, it may rest on what
 * this OSD told before it got its placement groups: then it holds when it has been said for a while.
 * Returns 1, 0 for not yet, or -errno. */
static int is_safe(struct task *task, int64_t id, usec_t *since, uint64_t *ret_pgs, char **ret_error) {
	struct ceph *ceph = task->daemon->ceph;
	int r = ceph_osd_safe_to_destroy(ceph, id, ret_pgs, ret_error);

	if (r != 1) {
		*since = 0;
		return r;
	}
	if (!*since)
		*since = now_monotonic();
	if (now_monotonic() - *since >= STAYS_SAFE)
		return 1;
	r = ceph_all_clean(ceph, ret_error);
	/* asked before: what was clean a moment later was not yet moved */
	return r == 1 ? ceph_osd_safe_to_destroy(ceph, id, ret_pgs, ret_error) : r;
}

static int drain(struct task *task, int64_t id, char **ret_error) {
	usec_t deadline = deadline_after(task->daemon->config->osd_drain_timeout * USEC_PER_SEC), said = 0,
	       safe_since = 0;
	uint64_t pgs = 0;

	for (;;) {
		int r = is_safe(task, id, &safe_since, &pgs, ret_error);

		if (r < 0 && r != -ETIMEDOUT)
			return r;
		if (r == 1)
			return 0;
		if (deadline_left(deadline) == 0 && !safe_since)
			return error_set(
			    ret_error, -EIO,
			    "after %llu s there is still data on OSD %lld that is nowhere else (%llu placement "
			    "groups); it stays out: `osd in` takes it back, giving the command again goes on "
			    "(is there enough room on the others?)",
			    (unsigned long long)task->daemon->config->osd_drain_timeout, (long long)id,
			    (unsigned long long)pgs);
		if (now_monotonic() - said >= SAY_EVERY) {
			said = now_monotonic();
			mail_step(task, "waiting until OSD %lld is safe to destroy: %llu placement groups left",
				  (long long)id, (unsigned long long)pgs);
		}
		if (!mail_pause(task, OSD_POLL))
			return -ECANCELED;
	}
}

/* The monitor may see it down a moment later than the unit has stopped. */
static int purge(struct task *task, int64_t id, char **ret_error) {
	usec_t deadline = deadline_after(OSD_MAP_PATIENCE);

	for (;;) {
		int r = ceph_osd_purge(task->daemon->ceph, id, ret_error);

		if (r != -EBUSY && r != -EAGAIN && r != -ETIMEDOUT)
			return r;
		if (deadline_left(deadline) == 0)
			return r == -ETIMEDOUT ? -EIO : r;
		if (!mail_pause(task, OSD_POLL))
			return -ECANCELED;
	}
}

/* What is left on the disk harms nobody: the OSD is no part of the cluster any more. */
static void clean(struct task *task, int64_t id) {
	_cleanup_free_ char *text = str_printf("%lld", (long long)id), *why = NULL;
	const char *const zap[] = {"ceph-volume", "lvm", "zap", "--destroy", "--osd-id", text, NULL};
	int r = -ENODEV;

	if (osd_has_lvm() && text)
		r = osd_tool(task, zap, &why);
	else if (task->device && *task->device)
		r = osd_wipe(task, task->device, &why);
	if (r < 0)
		mail_step(task, "OSD %lld is removed, but its disk still holds what it held: %s", (long long)id,
			  why ? why : strerror(-r));
}

int work_osd_remove(struct task *task, char **ret_error) {
	int64_t id = (int64_t)task->command.osd;
	struct ceph *ceph = task->daemon->ceph;
	struct ceph_osd osd;
	int r = ceph_osd_find(ceph, id, &osd, ret_error);

	if (r == -ENOENT) /* an earlier try came so far: its keys are what is left */
		return 0;
	if (r == 0 && osd.in)
		r = ceph_osd_set_in(ceph, id, false, ret_error);
	if (r == 0)
		r = drain(task, id, ret_error);
	if (r == 0) {
		mail_step(task, "stopping OSD %lld", (long long)id);
		r = osd_unit_stop(id, ret_error);
	}
	if (r == 0)
		r = osd_wait(task, id, false, ret_error);
	if (r == 0)
		r = purge(task, id, ret_error);
	if (r == 0)
		clean(task, id);
	return r;
}
