/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OSDs: questions and commands about one. */
#include "ceph/internal.h"

static int command(struct ceph *ceph, enum ceph_target target, json_t *arguments, char **ret_error) {
	return ceph_command(ceph, &(struct ceph_command){.use = CEPH_WORK, .target = target, .arguments = arguments},
			    NULL, ret_error);
}

static int query(struct ceph *ceph, enum ceph_target target, json_t *arguments, json_t **ret, char **ret_error) {
	return ceph_query(ceph, &(struct ceph_command){.use = CEPH_WORK, .target = target, .arguments = arguments}, ret,
			  ret_error);
}

static int64_t number(const json_t *object, const char *key) {
	return json_integer_value(json_object_get(object, key));
}

/* Of the map: the one with this id, or, when `uuid` is not NULL, with this uuid. */
static int find(struct ceph *ceph, int64_t id, const char *uuid, struct ceph_osd *ret, char **ret_error) {
	json_t *map = NULL, *osd;
	size_t i;
	int r = query(ceph, CEPH_MON, json_pack("{s:s}", "prefix", "osd dump"), &map, ret_error);

	if (r < 0)
		return r;
	r = -ENOENT;
	json_array_foreach(json_object_get(map, "osds"), i, osd) {
		const char *text = json_string_value(json_object_get(osd, "uuid"));

		if (!text || (uuid ? strcmp(text, uuid) != 0 : number(osd, "osd") != id))
			continue;
		*ret = (struct ceph_osd){.id = number(osd, "osd"),
					 .up = number(osd, "up") == 1,
					 .in = number(osd, "in") == 1,
					 .was_up = number(osd, "up") == 1 || number(osd, "up_from") > 0};
		(void)snprintf(ret->uuid, sizeof(ret->uuid), "%s", text);
		r = 0;
		break;
	}
	json_decref(map);
	return r;
}

int ceph_osd_find(struct ceph *ceph, int64_t id, struct ceph_osd *ret, char **ret_error) {
	int r = find(ceph, id, NULL, ret, ret_error);

	return r == -ENOENT ? error_set(ret_error, r, "Ceph has no OSD %lld", (long long)id) : r;
}

int ceph_osd_find_uuid(struct ceph *ceph, const char *uuid, struct ceph_osd *ret, char **ret_error) {
	int r = find(ceph, 0, uuid, ret, ret_error);

	return r == -ENOENT ? error_set(ret_error, r, "Ceph has no OSD with the uuid %s", uuid) : r;
}

int ceph_osd_set_in(struct ceph *ceph, int64_t id, bool in, char **ret_error) {
	_cleanup_free_ char *text = str_printf("%lld", (long long)id);

	return command(ceph, CEPH_MON, json_pack("{s:s, s:[s]}", "prefix", in ? "osd in" : "osd out", "ids", text),
		       ret_error);
}

int ceph_osd_flag(struct ceph *ceph, const char *flag, bool set, char **ret_error) {
	return command(ceph, CEPH_MON, json_pack("{s:s, s:s}", "prefix", set ? "osd set" : "osd unset", "key", flag),
		       ret_error);
}

int ceph_osd_crush_add(struct ceph *ceph, int64_t id, double weight, const char *host, char **ret_error) {
	_cleanup_free_ char *place = str_printf("host=%s", host);

	return command(ceph, CEPH_MON,
		       json_pack("{s:s, s:I, s:f, s:[s, s]}", "prefix", "osd crush add", "id", (json_int_t)id, "weight",
				 weight, "args", "root=default", place),
		       ret_error);
}

/* How many placement groups an OSD still has; the manager's figures are some seconds old. */
static uint64_t pgs_of(struct ceph *ceph, int64_t id) {
	json_t *figures = NULL, *node;
	uint64_t pgs = 0;
	size_t i;

	if (query(ceph, CEPH_MGR, json_pack("{s:s}", "prefix", "osd df"), &figures, NULL) < 0)
		return 0;
	json_array_foreach(json_object_get(figures, "nodes"), i, node) if (number(node, "id") == id) pgs =
	    (uint64_t)number(node, "pgs");
	json_decref(figures);
	return pgs;
}

/* With JSON the manager's result is 0 even when it is not safe: the lists in the answer tell. */
int ceph_osd_safe_to_destroy(struct ceph *ceph, int64_t id, uint64_t *ret_pgs, char **ret_error) {
	_cleanup_free_ char *text = str_printf("%lld", (long long)id);
	json_t *answer = NULL, *safe;
	int result = 0;
	size_t i;
	int r = query(ceph, CEPH_MGR, json_pack("{s:s, s:[s]}", "prefix", "osd safe-to-destroy", "ids", text), &answer,
		      ret_error);

	if (r == -EBUSY || r == -EAGAIN)
		r = 0; /* other versions say it by the result */
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "safe_to_destroy"), i, safe) if (json_integer_value(safe) == id)
	    result = 1;
	json_decref(answer);
	if (result == 0 && ret_pgs)
		*ret_pgs = pgs_of(ceph, id);
	return result;
}

int ceph_all_clean(struct ceph *ceph, char **ret_error) {
	json_t *answer = NULL, *summary, *state;
	int64_t clean = 0;
	size_t i;
	int r = query(ceph, CEPH_MGR, json_pack("{s:s}", "prefix", "pg stat"), &answer, ret_error);

	if (r < 0)
		return r;
	summary = json_object_get(answer, "pg_summary");
	json_array_foreach(json_object_get(summary, "num_pg_by_state"), i, state) {
		const char *name = json_string_value(json_object_get(state, "name"));

		if (name && strncmp(name, "active+clean", 12) == 0) /* (and scrubbed, say) */
			clean += number(state, "num");
	}
	r = json_is_integer(json_object_get(summary, "num_pgs")) && clean == number(summary, "num_pgs");
	json_decref(answer);
	return r;
}

/* `osd purge` is the manager's, and what reaches it through the monitor it refuses (EINVAL). This is what it asks the
 * monitor for then, after a look whether anything would be lost, which is the caller's to know. */
int ceph_osd_purge(struct ceph *ceph, int64_t id, char **ret_error) {
	return command(
	    ceph, CEPH_MON,
	    json_pack("{s:s, s:I, s:b}", "prefix", "osd purge-actual", "id", (json_int_t)id, "yes_i_really_mean_it", 1),
	    ret_error);
}
