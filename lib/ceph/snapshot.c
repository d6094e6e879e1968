/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots of RBD images. */
#include "ceph/internal.h"

static int snapshot_fail(struct io *io, int result, const char *what, const char *pool, const char *image,
			 const char *snapshot, char **ret_error) {
	const char *reason = result == -ENOENT   ? "Ceph has no such snapshot"
			     : result == -EEXIST ? "Ceph has a snapshot of that name"
			     : result == -EBUSY  ? "it is protected, or volumes were cloned from it"
						 : ceph_strerror(result);

	io->result = result;
	return error_set(ret_error, result, "%s %s/%s@%s: %s", what, pool, image, snapshot, reason);
}

int ceph_snapshot_list(struct ceph *ceph, const char *pool, const char *image, struct strlist *ret, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	_cleanup_image_ rbd_image_t opened = NULL;
	rbd_snap_info_t *snapshots = NULL;
	int most = 16, count;
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r == 0)
		r = image_open(&io, pool, image, true, &opened, ret_error);
	if (r < 0)
		return r;
	do {
		free(snapshots);
		snapshots = calloc((size_t)most, sizeof(*snapshots));
		if (!snapshots)
			return -ENOMEM;
		count = rbd_snap_list(opened, snapshots, &most);
	} while (count == -ERANGE);
	if (count < 0) {
		free(snapshots);
		return image_fail(&io, count, "cannot list the snapshots of", pool, image, ret_error);
	}
	for (int i = 0; i < count && r == 0; i++)
		r = strlist_add(ret, snapshots[i].name);
	if (count > 0)
		rbd_snap_list_end(snapshots);
	free(snapshots);
	strlist_sort(ret);
	return r;
}

/* Opening an image for writing sets a watch, and takes its lock only when something is written. */
static int with_image(struct ceph *ceph, const char *pool, const char *image, struct io *io, rbd_image_t *ret,
		      char **ret_error) {
	int r = io_open(ceph, CEPH_WORK, pool, io, ret_error);

	return r < 0 ? r : image_open(io, pool, image, false, ret, ret_error);
}

int ceph_snapshot_create(struct ceph *ceph, const char *pool, const char *image, const char *snapshot,
			 char **ret_error) {
	_cleanup_io_ struct io io = {0};
	_cleanup_image_ rbd_image_t opened = NULL;
	int r = with_image(ceph, pool, image, &io, &opened, ret_error);

	if (r < 0)
		return r;
	r = rbd_snap_create(opened, snapshot);
	return r < 0 ? snapshot_fail(&io, r, "cannot make", pool, image, snapshot, ret_error) : 0;
}

int ceph_snapshot_rename(struct ceph *ceph, const char *pool, const char *image, const char *snapshot, const char *name,
			 char **ret_error) {
	_cleanup_io_ struct io io = {0};
	_cleanup_image_ rbd_image_t opened = NULL;
	int r = with_image(ceph, pool, image, &io, &opened, ret_error);

	if (r < 0)
		return r;
	r = rbd_snap_rename(opened, snapshot, name);
	return r < 0 ? snapshot_fail(&io, r, "cannot rename", pool, image, r == -EEXIST ? name : snapshot, ret_error)
		     : 0;
}

int ceph_snapshot_remove(struct ceph *ceph, const char *pool, const char *image, const char *snapshot,
			 char **ret_error) {
	_cleanup_io_ struct io io = {0};
	_cleanup_image_ rbd_image_t opened = NULL;
	int r = with_image(ceph, pool, image, &io, &opened, ret_error);

	if (r < 0)
		return r;
	r = rbd_snap_remove(opened, snapshot);
	return r < 0 ? snapshot_fail(&io, r, "cannot remove", pool, image, snapshot, ret_error) : 0;
}
