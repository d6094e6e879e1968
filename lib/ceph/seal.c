/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sealing a host off: the list of blocklisted addresses, many changes of it at once, and waiting until every OSD knows
 * of it. That this process has the newest map is not enough: an OSD that has not heard of it yet still takes what the
 * sealed host sends.
 */
#include <poll.h>
#include <pthread.h>

#include "ceph/internal.h"

#define ROUND_PAUSE 100 /* ms between two looks at OSDs that are behind */
#define AT_ONCE     256 /* commands for one change of the map: each is a thread that waits */

static json_t *arguments(const char *prefix) {
	return json_pack("{s:s}", "prefix", prefix);
}

int ceph_blocklisted(struct ceph *ceph, enum ceph_use use, struct strlist *ret, char **ret_error) {
	_cleanup_strlist_ struct strlist found = {0};
	json_t *list = NULL, *entry;
	size_t i;
	int r = ceph_query(ceph, &(struct ceph_command){.use = use, .arguments = arguments("osd blocklist ls")}, &list,
			   ret_error);

	if (r < 0)
		return r;
	json_array_foreach(list, i, entry) {
		const char *address = json_string_value(json_object_get(entry, "addr"));

		if (address && r == 0)
			r = strlist_add(&found, address);
	}
	json_decref(list);
	if (r < 0)
		return r;
	*ret = found;
	found = (struct strlist){0};
	return 0;
}

static int remove_one(struct ceph *ceph, const char *address, uint64_t seconds, char **ret_error) {
	int r = ceph_command(ceph,
			     &(struct ceph_command){.use = CEPH_MONITORING,
						    .arguments = json_pack("{s:s, s:s, s:s}", "prefix", "osd blocklist",
									   "blocklistop", "rm", "addr", address)},
			     NULL, ret_error);

	(void)seconds;
	return r == -ENOENT ? 0 : r; /* it is not listed */
}

static int add_one(struct ceph *ceph, const char *address, uint64_t seconds, char **ret_error) {
	return ceph_blocklist(ceph, CEPH_MONITORING, address, seconds, ret_error);
}

/* What several threads do together; librados has no call that would not wait for a monitor's answer. */
struct batch {
	struct ceph *ceph;
	const struct strlist *addresses;
	int (*one)(struct ceph *ceph, const char *address, uint64_t seconds, char **ret_error);
	uint64_t seconds;
	pthread_mutex_t lock; /* of what follows */
	size_t next;
	int result;
	char *error;
};

static void *batch_main(void *arg) {
	struct batch *batch = arg;

	(void)pthread_mutex_lock(&batch->lock);
	while (batch->result == 0 && batch->next < batch->addresses->count) {
		const char *address = batch->addresses->items[batch->next++];
		_cleanup_free_ char *error = NULL;
		int r;

		(void)pthread_mutex_unlock(&batch->lock);
		r = batch->one(batch->ceph, address, batch->seconds, &error);
		(void)pthread_mutex_lock(&batch->lock);
		if (r < 0 && batch->result == 0) {
			batch->result = r;
			batch->error = move_ptr(error);
		}
	}
	(void)pthread_mutex_unlock(&batch->lock);
	return NULL;
}

static int batch_run(struct batch *batch, char **ret_error) {
	pthread_t threads[AT_ONCE - 1];
	size_t count = 0;

	(void)pthread_mutex_init(&batch->lock, NULL); /* default attributes: cannot fail */
	/* one that cannot be started leaves its part to the others, the last of which is this one */
	while (count < ARRAY_SIZE(threads) && count + 1 < batch->addresses->count &&
	       pthread_create(&threads[count], NULL, batch_main, batch) == 0)
		count++;
	(void)batch_main(batch);
	while (count > 0)
		(void)pthread_join(threads[--count], NULL);
	(void)pthread_mutex_destroy(&batch->lock);
	if (batch->result < 0 && ret_error)
		*ret_error = move_ptr(batch->error);
	free(batch->error);
	return batch->result;
}

int ceph_blocklist_all(struct ceph *ceph, const struct strlist *addresses, uint64_t seconds, char **ret_error) {
	return batch_run(&(struct batch){.ceph = ceph, .addresses = addresses, .one = add_one, .seconds = seconds},
			 ret_error);
}

int ceph_blocklist_remove_all(struct ceph *ceph, const struct strlist *addresses, char **ret_error) {
	return batch_run(&(struct batch){.ceph = ceph, .addresses = addresses, .one = remove_one}, ret_error);
}

int ceph_osd_down(struct ceph *ceph, const struct strlist *ids, char **ret_error) {
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; i < ids->count && r == 0; i++)
		r = json_array_append_new(list, json_string(ids->items[i])) == 0 ? 0 : -ENOMEM;
	if (r < 0) {
		json_decref(list);
		return r;
	}
	return ceph_command(
	    ceph,
	    &(struct ceph_command){.use = CEPH_MONITORING,
				   .arguments = json_pack("{s:s, s:o}", "prefix", "osd down", "ids", list)},
	    NULL, ret_error);
}

/* 1: it has that map; 0: not yet, or it does not answer. */
static int osd_has_map(struct ceph *ceph, int64_t id, json_int_t epoch) {
	json_t *status = NULL;
	int r = ceph_query(ceph,
			   &(struct ceph_command){
			       .use = CEPH_MONITORING, .target = CEPH_OSD, .osd = id, .arguments = arguments("status")},
			   &status, NULL);

	if (r < 0)
		return 0;
	r = json_integer_value(json_object_get(status, "newest_map")) >= epoch;
	json_decref(status);
	return r;
}

/* One round over the OSDs that are up: how many are behind, and the first of them. */
static int count_behind(struct ceph *ceph, json_t *confirmed, usec_t deadline, json_int_t *epoch, int64_t *ret_first,
			char **ret_error) {
	json_t *map = NULL, *osd;
	int behind = 0;
	size_t i;
	int r = ceph_query(ceph, &(struct ceph_command){.use = CEPH_MONITORING, .arguments = arguments("osd dump")},
			   &map, ret_error);

	if (r < 0)
		return r;
	if (*epoch == 0)
		*epoch = json_integer_value(json_object_get(map, "epoch"));
	json_array_foreach(json_object_get(map, "osds"), i, osd) {
		int64_t id = json_integer_value(json_object_get(osd, "osd"));
		char key[24];

		(void)snprintf(key, sizeof(key), "%lld", (long long)id);
		/* one that is down gets the map before it takes anything again */
		if (json_integer_value(json_object_get(osd, "up")) != 1 || json_object_get(confirmed, key))
			continue;
		if ((behind == 0 || deadline_left(deadline) > 0) && osd_has_map(ceph, id, *epoch) &&
		    json_object_set_new(confirmed, key, json_true()) == 0)
			continue;
		if (behind++ == 0)
			*ret_first = id;
	}
	json_decref(map);
	return behind;
}

int ceph_osds_have_map(struct ceph *ceph, usec_t deadline, uint64_t *ret_epoch, char **ret_error) {
	json_t *confirmed = json_object();
	json_int_t epoch = 0;
	int64_t first = 0;
	int r;

	if (!confirmed)
		return -ENOMEM;
	while ((r = count_behind(ceph, confirmed, deadline, &epoch, &first, ret_error)) > 0 &&
	       deadline_left(deadline) > 0)
		(void)poll(NULL, 0, ROUND_PAUSE);
	json_decref(confirmed);
	if (r > 0)
		return error_set(ret_error, -ETIMEDOUT,
				 "OSD %lld has not confirmed the map %lld: it still takes what the host sends (if it "
				 "hangs, mark it down: ceph osd down %lld)",
				 (long long)first, (long long)epoch, (long long)first);
	if (r == 0 && ret_epoch)
		*ret_epoch = (uint64_t)epoch;
	return r;
}
