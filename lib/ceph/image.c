/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RBD images. */
#include <rbd/features.h>
#include <time.h>

#include "ceph/internal.h"

#define FEATURES (RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK) /* what the reference's volumes have */

int image_fail(struct io *io, int result, const char *what, const char *pool, const char *image, char **ret_error) {
	const char *reason = result == -ENOENT      ? "Ceph has no such image"
			     : result == -EEXIST    ? "Ceph has an image of that name"
			     : result == -EBUSY     ? "it is in use: a client has it open"
			     : result == -ENOTEMPTY ? "it has snapshots"
						    : ceph_strerror(result);

	io->result = result;
	return error_set(ret_error, result, "%s %s/%s: %s", what, pool, image, reason);
}

int image_open(struct io *io, const char *pool, const char *image, bool read_only, rbd_image_t *ret, char **ret_error) {
	rbd_image_t opened = NULL;
	int r =
	    read_only ? rbd_open_read_only(io->pool, image, &opened, NULL) : rbd_open(io->pool, image, &opened, NULL);

	if (r < 0)
		return image_fail(io, r, "cannot open", pool, image, ret_error);
	*ret = opened;
	return 0;
}

int ceph_image_list(struct ceph *ceph, const char *pool, struct strlist *ret, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	rbd_image_spec_t *specs = NULL;
	size_t count = 256;
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r < 0)
		return r;
	do {
		rbd_image_spec_t *more = reallocarray(specs, count, sizeof(*specs));

		if (!more) {
			free(specs);
			return -ENOMEM;
		}
		specs = more;
		r = rbd_list2(io.pool, specs, &count);
	} while (r == -ERANGE);
	if (r < 0) {
		free(specs);
		io.result = r;
		return error_set(ret_error, r, "cannot list the images of pool %s: %s", pool, ceph_strerror(r));
	}
	r = 0;
	for (size_t i = 0; i < count && r == 0; i++)
		r = strlist_add(ret, specs[i].name);
	rbd_image_spec_list_cleanup(specs, count);
	free(specs);
	strlist_sort(ret);
	return r;
}

static int options_new(rbd_image_options_t *ret) {
	int r;

	rbd_image_options_create(ret);
	r = rbd_image_options_set_uint64(*ret, RBD_IMAGE_OPTION_FEATURES, FEATURES);
	if (r < 0)
		rbd_image_options_destroy(*ret);
	return r;
}

int ceph_image_create(struct ceph *ceph, const char *pool, const char *image, uint64_t bytes, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	rbd_image_options_t options;
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r < 0)
		return r;
	r = options_new(&options);
	if (r == 0) {
		r = rbd_create4(io.pool, image, bytes, options);
		rbd_image_options_destroy(options);
	}
	return r < 0 ? image_fail(&io, r, "cannot create", pool, image, ret_error) : 0;
}

int ceph_image_copy(struct ceph *ceph, const char *pool, const char *image, const char *copy, const char *scratch,
		    char **ret_error) {
	_cleanup_io_ struct io io = {0};
	_cleanup_image_ rbd_image_t source = NULL, taken = NULL;
	rbd_image_options_t options;
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r < 0)
		return r;
	r = image_open(&io, pool, image, true, &source, ret_error);
	if (r < 0)
		return r;
	if (rbd_open_read_only(io.pool, copy, &taken, NULL) == 0)
		return image_fail(&io, -EEXIST, "cannot make the copy", pool, copy, ret_error);
	r = options_new(&options);
	if (r == 0) {
		r = rbd_copy3(source, io.pool, scratch, options);
		rbd_image_options_destroy(options);
	}
	if (r < 0) {
		(void)rbd_remove(io.pool, scratch); /* it may never have been made */
		return image_fail(&io, r, "cannot copy", pool, image, ret_error);
	}
	r = rbd_rename(io.pool, scratch, copy);
	if (r < 0) {
		(void)rbd_remove(io.pool, scratch);
		return image_fail(&io, r, "cannot name the copy", pool, copy, ret_error);
	}
	return 0;
}

int ceph_image_resize(struct ceph *ceph, const char *pool, const char *image, uint64_t bytes, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	_cleanup_image_ rbd_image_t opened = NULL;
	uint64_t present;
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r == 0)
		r = image_open(&io, pool, image, false, &opened, ret_error);
	if (r < 0)
		return r;
	r = rbd_get_size(opened, &present);
	if (r == 0 && bytes < present)
		return error_set(
		    ret_error, -ERANGE,
		    "cannot resize %s/%s to %llu bytes: it has %llu, and what is in the rest would be lost", pool,
		    image, (unsigned long long)bytes, (unsigned long long)present);
	if (r == 0 && bytes > present)
		r = rbd_resize(opened, bytes);
	return r < 0 ? image_fail(&io, r, "cannot resize", pool, image, ret_error) : 0;
}

int ceph_image_rename(struct ceph *ceph, const char *pool, const char *image, const char *name, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r < 0)
		return r;
	r = rbd_rename(io.pool, image, name);
	return r < 0 ? image_fail(&io, r, "cannot rename", pool, r == -EEXIST ? name : image, ret_error) : 0;
}

/* rbd_remove() takes the exclusive lock before it sees that others have the image open, and one of them that is about
 * to take it has its write refused. What cannot be opened may be half removed: nobody has that open. */
static int refuse_if_open(struct io *io, const char *pool, const char *image, char **ret_error) {
	_cleanup_image_ rbd_image_t opened = NULL;
	rbd_image_watcher_t found[64];
	_cleanup_free_ char *why = NULL;
	size_t count = ARRAY_SIZE(found);
	int r = image_open(io, pool, image, true, &opened, &why);

	if (r < 0)
		return r == -ETIMEDOUT ? error_set(ret_error, r, "%s", why ? why : ceph_strerror(r)) : 0;
	r = rbd_watchers_list(opened, found, &count);
	if (r == -ERANGE) /* more than that */
		return image_fail(io, -EBUSY, "cannot remove", pool, image, ret_error);
	if (r < 0)
		return image_fail(io, r, "cannot tell who has open", pool, image, ret_error);
	rbd_watchers_list_cleanup(found, count);
	return count > 0 ? image_fail(io, -EBUSY, "cannot remove", pool, image, ret_error) : 0;
}

int ceph_image_remove(struct ceph *ceph, const char *pool, const char *image, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r < 0)
		return r;
	r = refuse_if_open(&io, pool, image, ret_error);
	if (r < 0)
		return r;
	r = rbd_remove(io.pool, image);
	return r < 0 ? image_fail(&io, r, "cannot remove", pool, image, ret_error) : 0;
}

/* ---- rbd info --------------------------------------------------------------------------------------------------- */

static json_t *feature_names(uint64_t features) {
	static const struct {
		uint64_t bit;
		const char *name;
	} known[] = {
	    {RBD_FEATURE_LAYERING, RBD_FEATURE_NAME_LAYERING},
	    {RBD_FEATURE_STRIPINGV2, RBD_FEATURE_NAME_STRIPINGV2},
	    {RBD_FEATURE_EXCLUSIVE_LOCK, RBD_FEATURE_NAME_EXCLUSIVE_LOCK},
	    {RBD_FEATURE_OBJECT_MAP, RBD_FEATURE_NAME_OBJECT_MAP},
	    {RBD_FEATURE_FAST_DIFF, RBD_FEATURE_NAME_FAST_DIFF},
	    {RBD_FEATURE_DEEP_FLATTEN, RBD_FEATURE_NAME_DEEP_FLATTEN},
	    {RBD_FEATURE_JOURNALING, RBD_FEATURE_NAME_JOURNALING},
	    {RBD_FEATURE_DATA_POOL, RBD_FEATURE_NAME_DATA_POOL},
	    {RBD_FEATURE_OPERATIONS, RBD_FEATURE_NAME_OPERATIONS},
	    {RBD_FEATURE_MIGRATING, RBD_FEATURE_NAME_MIGRATING},
	};
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (features & known[i].bit)
			(void)json_array_append_new(names, json_string(known[i].name));
	return names;
}

static json_t *time_text(const struct timespec *stamp) {
	char text[64] = "";
	struct tm broken;

	if (localtime_r(&stamp->tv_sec, &broken))
		(void)strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &broken);
	return json_string(text);
}

int ceph_image_info(struct ceph *ceph, const char *pool, const char *image, char **ret_json, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	_cleanup_image_ rbd_image_t opened = NULL;
	struct timespec made = {0}, used = {0}, changed = {0};
	rbd_image_info_t info;
	uint64_t features = 0, operations = 0;
	uint8_t old = 0;
	char id[256] = "";
	int snapshots, most = 0;
	json_t *document;
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r == 0)
		r = image_open(&io, pool, image, true, &opened, ret_error);
	if (r < 0)
		return r;
	r = rbd_stat(opened, &info, sizeof(info));
	if (r == 0)
		r = rbd_get_old_format(opened, &old);
	if (r == 0)
		r = rbd_get_features(opened, &features);
	if (r == 0)
		r = rbd_get_op_features(opened, &operations);
	if (r == 0 && !old)
		r = rbd_get_id(opened, id, sizeof(id));
	if (r == 0)
		r = rbd_get_create_timestamp(opened, &made);
	if (r == 0)
		r = rbd_get_access_timestamp(opened, &used);
	if (r == 0)
		r = rbd_get_modify_timestamp(opened, &changed);
	if (r < 0)
		return image_fail(&io, r, "cannot look at", pool, image, ret_error);
	snapshots = rbd_snap_list(opened, NULL, &most); /* 0, or -ERANGE and the room for all and a last empty one */
	if (snapshots < 0 && snapshots != -ERANGE)
		return image_fail(&io, snapshots, "cannot look at", pool, image, ret_error);
	most = snapshots == -ERANGE ? most - 1 : 0;
	document =
	    json_pack("{s:s, s:s, s:I, s:I, s:i, s:I, s:i, s:s, s:i, s:o, s:o, s:[], s:o, s:o, s:o}", "name", image,
		      "id", id, "size", (json_int_t)info.size, "objects", (json_int_t)info.num_objs, "order",
		      info.order, "object_size", (json_int_t)info.obj_size, "snapshot_count", most, "block_name_prefix",
		      info.block_name_prefix, "format", old ? 1 : 2, "features", feature_names(features), "op_features",
		      feature_names(operations), "flags", "create_timestamp", time_text(&made), "access_timestamp",
		      time_text(&used), "modify_timestamp", time_text(&changed));
	*ret_json = document ? json_dumps(document, JSON_COMPACT) : NULL;
	json_decref(document);
	return *ret_json ? 0 : -ENOMEM;
}
