/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pools. */
#include "ceph/internal.h"

static int mon(struct ceph *ceph, json_t *arguments, char **ret_error) {
	return ceph_command(ceph, &(struct ceph_command){.use = CEPH_WORK, .target = CEPH_MON, .arguments = arguments},
			    NULL, ret_error);
}

/* Asked of the monitor: what the connection's own map says may be old, and waiting for a newer one is not bounded. */
int ceph_pool_exists(struct ceph *ceph, const char *pool, bool *ret, char **ret_error) {
	json_t *names = NULL, *name;
	bool exists = false;
	size_t i;
	int r = ceph_query(ceph,
			   &(struct ceph_command){.use = CEPH_WORK,
						  .target = CEPH_MON,
						  .arguments = json_pack("{s:s}", "prefix", "osd pool ls")},
			   &names, ret_error);

	if (r < 0)
		return r;
	json_array_foreach(names, i, name) {
		exists = exists || str_equal(json_string_value(name), pool);
	}
	json_decref(names);
	*ret = exists;
	return 0;
}

static int set_up(struct ceph *ceph, const char *pool, uint64_t copies, uint64_t mincopies, char **ret_error) {
	_cleanup_free_ char *size = str_printf("%llu", (unsigned long long)copies),
			    *least = str_printf("%llu", (unsigned long long)mincopies);
	json_t *sized;
	int r;

	if (!size || !least)
		return -ENOMEM;
	sized = json_pack("{s:s, s:s, s:s, s:s}", "prefix", "osd pool set", "pool", pool, "var", "size", "val", size);
	if (copies == 1) /* the operator said so; Ceph's own mon_allow_pool_size_one stands above it */
		(void)json_object_set_new(sized, "yes_i_really_mean_it", json_true());
	r = mon(ceph, sized, ret_error);
	if (r == 0)
		r = mon(ceph,
			json_pack("{s:s, s:s, s:s, s:s}", "prefix", "osd pool set", "pool", pool, "var", "min_size",
				  "val", least),
			ret_error);
	if (r == 0)
		r = mon(
		    ceph,
		    json_pack("{s:s, s:s, s:s}", "prefix", "osd pool application enable", "pool", pool, "app", "rbd"),
		    ret_error);
	return r;
}

static int forget(struct ceph *ceph, const char *pool, char **ret_error) {
	return mon(ceph,
		   json_pack("{s:s, s:s, s:s, s:b}", "prefix", "osd pool rm", "pool", pool, "pool2", pool,
			     "yes_i_really_really_mean_it", 1),
		   ret_error);
}

int ceph_pool_create(struct ceph *ceph, const char *pool, uint64_t pgs, uint64_t copies, uint64_t mincopies,
		     char **ret_error) {
	bool exists = false;
	int r = ceph_pool_exists(ceph, pool, &exists, ret_error);

	if (r < 0)
		return r;
	if (exists) /* the monitor would call that a success */
		return error_set(ret_error, -EEXIST, "Ceph has a pool '%s'", pool);
	r = mon(ceph,
		json_pack("{s:s, s:s, s:I, s:I, s:s}", "prefix", "osd pool create", "pool", pool, "pg_num",
			  (json_int_t)pgs, "pgp_num", (json_int_t)pgs, "pool_type", "replicated"),
		ret_error);
	if (r < 0)
		return r;
	r = set_up(ceph, pool, copies, mincopies, ret_error);
	if (r < 0) {
		_cleanup_free_ char *why = NULL, *first = ret_error && *ret_error ? strdup(*ret_error) : NULL;

		if (forget(ceph, pool, &why) < 0)
			(void)error_set(ret_error, r, "%s; and the pool cannot be removed again: %s",
					first ? first : "it cannot be set up", why ? why : "unknown");
	}
	return r;
}

int ceph_pool_remove(struct ceph *ceph, const char *pool, char **ret_error) {
	_cleanup_strlist_ struct strlist images = {0};
	bool exists = false;
	int r = ceph_pool_exists(ceph, pool, &exists, ret_error);

	if (r == 0 && exists)
		r = ceph_image_list(ceph, pool, &images, ret_error);
	if (r < 0 || !exists)
		return r;
	for (size_t i = 0; i < images.count; i++) {
		_cleanup_ceph_holders_ struct ceph_holders holders = {0};

		r = ceph_image_holders(ceph, CEPH_WORK, pool, images.items[i], &holders, ret_error);
		if (r == -ENOENT) /* removed meanwhile */
			continue;
		if (r < 0)
			return r;
		if (holders.count > 0)
			return error_set(ret_error, -EBUSY,
					 "cannot remove pool %s: its volume %s is in use by %s at %s", pool,
					 images.items[i], holders.items[0].client, holders.items[0].address);
	}
	return forget(ceph, pool, ret_error);
}
