/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Storage as tables and JSON. */
#include "storage.h"

#define UNKNOWN                                                                                                        \
	"Ceph's state is not known: " /* how pvc-watch-ceph begins the status of a Ceph that does not answer           \
				       */

static void add_size(struct table *t, int64_t bytes) {
	_cleanup_free_ char *text = size_text(bytes);

	table_add(t, text);
}

static void add_percent(struct table *t, const struct storage_object *o, const char *key, double factor) {
	const json_t *value = json_object_get(o->stats, key);
	_cleanup_free_ char *text =
	    json_is_number(value) ? str_printf("%.1f%%", json_number_value(value) * factor) : NULL;

	table_add(t, text);
}

static int64_t from_kib(int64_t kib) {
	return kib < 0 ? -1 : kib * 1024;
}

/* ---- rows ---- */

static const char *const osd_titles[] = {">OSD",  "NODE",  "DEVICE", "UP",      "IN",
					 ">SIZE", ">USED", ">PGS",   ">WEIGHT", "STATE"};
static void osd_row(struct table *t, const struct storage_object *o) {
	_cleanup_free_ char *weight = NULL;
	const json_t *value = json_object_get(o->stats, "weight");
	int64_t up = storage_number(o, "up"), in = storage_number(o, "in");

	if (json_is_number(value))
		weight = str_printf("%.2f", json_number_value(value));
	table_add(t, o->name);
	table_add(t, o->node);
	table_add(t, o->device);
	table_add(t, up < 0 ? NULL : up ? "yes" : "no");
	table_add(t, in < 0 ? NULL : in ? "yes" : "no");
	add_size(t, from_kib(storage_number(o, "kb")));
	add_percent(t, o, "utilization", 1);
	table_add_number(t, storage_number(o, "pgs"));
	table_add(t, weight);
	table_add(t, storage_text(o, "state"));
}

static const char *const pool_titles[] = {"POOL", ">PGS", ">USED", ">FREE", ">USED%", ">OBJECTS", ">READ", ">WRITTEN"};
static void pool_row(struct table *t, const struct storage_object *o) {
	table_add(t, o->name);
	table_add_number(t, o->pgs);
	add_size(t, storage_number(o, "used_bytes"));
	add_size(t, storage_number(o, "free_bytes"));
	add_percent(t, o, "used_percent", 100);
	table_add_number(t, storage_number(o, "num_objects"));
	add_size(t, storage_number(o, "read_bytes"));
	add_size(t, storage_number(o, "write_bytes"));
}

static const char *const volume_titles[] = {"POOL", "VOLUME", ">SIZE", ">OBJECTS", ">SNAPSHOTS", "FEATURES"};
static void volume_row(struct table *t, const struct storage_object *o) {
	_cleanup_strlist_ struct strlist list = {0};
	_cleanup_free_ char *features = NULL;
	json_t *feature;
	size_t i;

	json_array_foreach(json_object_get(o->stats, "features"), i, feature) if (json_is_string(feature))(void)
	    strlist_add(&list, json_string_value(feature)); /* without memory there is one less */
	features = strlist_join(&list, ",");
	table_add(t, o->pool);
	table_add(t, o->name);
	add_size(t, storage_number(o, "size"));
	table_add_number(t, storage_number(o, "objects"));
	table_add_number(t, o->snapshots);
	table_add(t, features);
}

static const char *const snapshot_titles[] = {"POOL", "VOLUME", "SNAPSHOT"};
static void snapshot_row(struct table *t, const struct storage_object *o) {
	table_add(t, o->pool);
	table_add(t, o->volume);
	table_add(t, o->name);
}

static const struct {
	const char *const *titles;
	size_t columns;
	void (*row)(struct table *t, const struct storage_object *o);
	const char *what, *several;
} views[] = {
    [STORAGE_OSDS] = {osd_titles, ARRAY_SIZE(osd_titles), osd_row, "OSD", "OSDs"},
    [STORAGE_POOLS] = {pool_titles, ARRAY_SIZE(pool_titles), pool_row, "pool", "pools"},
    [STORAGE_VOLUMES] = {volume_titles, ARRAY_SIZE(volume_titles), volume_row, "volume", "volumes"},
    [STORAGE_SNAPSHOTS] = {snapshot_titles, ARRAY_SIZE(snapshot_titles), snapshot_row, "snapshot", "snapshots"},
};

/* ---- JSON: what the keys have, beside the names ---- */

static json_t *object_json(enum storage_kind kind, const struct storage_object *o) {
	json_t *object = json_object();
	uint64_t id;

	if (o->pool)
		(void)json_object_set_new(object, "pool", json_text(o->pool)); /* fails only without memory */
	if (o->volume)
		(void)json_object_set_new(object, "volume", json_text(o->volume));
	if (kind == STORAGE_OSDS && parse_u64(o->name, 0, INT32_MAX, &id) == 0)
		(void)json_object_set_new(object, "id", json_integer((json_int_t)id));
	else
		(void)json_object_set_new(object, "name", json_text(o->name));
	if (kind == STORAGE_OSDS) {
		(void)json_object_set_new(object, "node", json_text(o->node));
		(void)json_object_set_new(object, "device", json_text(o->device));
	}
	if (kind == STORAGE_POOLS)
		(void)json_object_set_new(object, "pgs", json_number(o->pgs));
	if (kind == STORAGE_VOLUMES)
		(void)json_object_set_new(object, "snapshots", json_number(o->snapshots));
	if (kind != STORAGE_SNAPSHOTS)
		(void)json_object_set(object, "stats", o->stats);
	return object;
}

static int show_list(struct ctl *ctl, enum storage_kind kind, const char *pool, const char *volume) {
	_cleanup_storage_objects_ struct storage_objects objects = {0};
	_cleanup_table_ struct table table = {.titles = views[kind].titles, .columns = views[kind].columns};
	json_t *array = NULL;
	int r = storage_read(ctl, kind, pool, volume, &objects);

	if (r < 0)
		return failed(r, "cannot read the %s: %s", views[kind].several, store_error_text(r));
	if (wants_json(ctl))
		array = json_array();
	for (size_t i = 0; i < objects.count; i++)
		if (!wants_json(ctl))
			views[kind].row(&table, &objects.items[i]);
		else if (json_array_append_new(array, object_json(kind, &objects.items[i])) < 0) {
			json_decref(array);
			return failed(-ENOMEM, "out of memory");
		}
	return wants_json(ctl) ? json_print(array) : table_print(&table);
}

/* One object: what its row says, a line each, then all figures. */
static int show_one(struct ctl *ctl, enum storage_kind kind, const char *pool, const char *name) {
	_cleanup_storage_objects_ struct storage_objects objects = {0};
	_cleanup_table_ struct table row = {0};
	const struct storage_object *o;
	const char *key;
	json_t *value;
	int r = storage_read(ctl, kind, pool, NULL, &objects);

	if (r < 0)
		return failed(r, "cannot read the %s: %s", views[kind].several, store_error_text(r));
	o = storage_find(&objects, name);
	if (!o)
		return failed_with(EXIT_FAILED, "the cluster has no %s '%s%s%s'", views[kind].what, pool ? pool : "",
				   pool ? "/" : "", name);
	if (wants_json(ctl))
		return json_print(object_json(kind, o));
	views[kind].row(&row, o);
	for (size_t i = 0; i < row.cells.count; i++) {
		const char *title = views[kind].titles[i];
		_cleanup_free_ char *field = str_printf("%s:", title + (*title == '>'));

		print_field(field ? field : title, row.cells.items[i]);
	}
	json_object_foreach(o->stats, key, value) {
		_cleanup_free_ char *field = str_printf("%s:", key),
				    *text = json_is_string(value) ? strdup(json_string_value(value))
								  : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		print_field(field ? field : key, text);
	}
	return EXIT_OK;
}

int storage_osd_list(struct ctl *ctl) {
	return show_list(ctl, STORAGE_OSDS, NULL, NULL);
}

int storage_osd_info(struct ctl *ctl) {
	return show_one(ctl, STORAGE_OSDS, NULL, ctl->arguments[0]);
}

int storage_pool_list(struct ctl *ctl) {
	return show_list(ctl, STORAGE_POOLS, NULL, NULL);
}

int storage_pool_info(struct ctl *ctl) {
	return show_one(ctl, STORAGE_POOLS, NULL, ctl->arguments[0]);
}

/* A pool that is named must be there. */
static int check_pool(struct ctl *ctl, const char *pool) {
	_cleanup_strlist_ struct strlist pools = {0};
	int r = fetch_children(ctl, store_base(STORE_CEPH_POOLS), &pools);

	if (r < 0)
		return failed(r, "cannot read the pools: %s", store_error_text(r));
	if (!strlist_contains(&pools, pool))
		return failed_with(EXIT_FAILED, "the cluster has no pool '%s'", pool);
	return EXIT_OK;
}

int storage_volume_list(struct ctl *ctl) {
	const char *pool = ctl->argument_count > 0 ? ctl->arguments[0] : NULL;
	int r = pool ? check_pool(ctl, pool) : EXIT_OK;

	return r == EXIT_OK ? show_list(ctl, STORAGE_VOLUMES, pool, NULL) : r;
}

int storage_volume_info(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name name = {0};
	int r = storage_name_parse(ctl->arguments[0], false, &name);

	if (r == EXIT_OK)
		r = check_pool(ctl, name.pool);
	return r == EXIT_OK ? show_one(ctl, STORAGE_VOLUMES, name.pool, name.volume) : r;
}

int storage_snapshot_list(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name name = {0};
	_cleanup_storage_objects_ struct storage_objects volumes = {0};
	int r = EXIT_OK;

	if (ctl->argument_count == 0)
		return show_list(ctl, STORAGE_SNAPSHOTS, NULL, NULL);
	r = storage_name_parse(ctl->arguments[0], false, &name);
	if (r == EXIT_OK)
		r = check_pool(ctl, name.pool);
	if (r != EXIT_OK)
		return r;
	r = storage_read(ctl, STORAGE_VOLUMES, name.pool, NULL, &volumes);
	if (r < 0)
		return failed(r, "cannot read the volumes: %s", store_error_text(r));
	if (!storage_find(&volumes, name.volume))
		return failed_with(EXIT_FAILED, "the cluster has no volume '%s/%s'", name.pool, name.volume);
	return show_list(ctl, STORAGE_SNAPSHOTS, name.pool, name.volume);
}

/* ---- at a glance ---- */

int storage_status(struct ctl *ctl) {
	_cleanup_free_ char *df_path = store_path(STORE_CEPH, "radosdf", NULL);
	_cleanup_strlist_ struct strlist paths = {0};
	_cleanup_snapshot_ struct snapshot values = {0};
	const char *status, *df;
	bool unknown;
	json_t *object;
	int r = strlist_add(&paths, store_base(STORE_CEPH));

	if (r >= 0)
		r = df_path ? strlist_add(&paths, df_path) : -ENOMEM;
	if (r >= 0)
		r = fetch_many(ctl, &paths, &values);
	if (r < 0)
		return failed(r, "cannot read the storage's status: %s", store_error_text(r));
	status = values.values[0].data;
	df = values.values[1].data;
	unknown = str_starts(status, UNKNOWN);
	if (!*status)
		return failed_with(EXIT_FAILED, "no node has told the storage's status yet: does pvc-watch-ceph run on "
						"the primary coordinator, with functions.enable_storage?");
	if (wants_json(ctl)) {
		_cleanup_free_ char *reason =
		    unknown ? strndup(status + strlen(UNKNOWN), strcspn(status + strlen(UNKNOWN), "\n")) : NULL;

		object = json_pack("{s:b, s:o, s:s, s:s}", "answers", !unknown, "reason", json_text(reason), "status",
				   status, "rados_df", df);
		return json_print(object);
	}
	/* several lines, made by Ceph's own programs: as they are, but nothing that a terminal would obey */
	for (const char *line = status; *line;) {
		size_t length = strcspn(line, "\n");
		_cleanup_free_ char *copy = strndup(line, length), *shown = copy ? str_printable(copy, 400) : NULL;

		printf("%s\n", shown ? shown : "");
		line += length + (line[length] != '\0');
	}
	return EXIT_OK;
}

/* ---- commands of late ---- */

struct given {
	char *id, *node;
	json_t *record;
};

static int newer_first(const void *a, const void *b) {
	return strcmp(((const struct given *)b)->id, ((const struct given *)a)->id);
}

static int read_jobs(struct ctl *ctl, struct given **ret, size_t *ret_count) {
	_cleanup_strlist_ struct strlist nodes = {0}, paths = {0}, ids = {0}, owners = {0};
	_cleanup_snapshot_ struct snapshot values = {0};
	int r = fetch_children(ctl, store_base(STORE_NODES), &nodes);

	for (size_t n = 0; r >= 0 && n < nodes.count; n++) {
		_cleanup_free_ char *path = store_path(STORE_NODES, nodes.items[n], "ceph_jobs", NULL);
		_cleanup_strlist_ struct strlist children = {0};

		r = path ? fetch_children(ctl, path, &children) : -ENOMEM;
		for (size_t i = 0; r >= 0 && i < children.count; i++) {
			r = strlist_addf(&paths, "%s/%s", path, children.items[i]);
			if (r >= 0)
				r = strlist_add(&ids, children.items[i]);
			if (r >= 0)
				r = strlist_add(&owners, nodes.items[n]);
		}
	}
	if (r >= 0)
		r = fetch_many(ctl, &paths, &values);
	*ret = r >= 0 ? calloc(values.count ? values.count : 1, sizeof(**ret)) : NULL;
	if (!*ret)
		return r < 0 ? r : -ENOMEM;
	for (size_t i = 0; i < values.count; i++) {
		json_t *record = json_loadb(values.values[i].data, values.values[i].length, 0, NULL);

		if (!json_is_object(record)) {
			json_decref(record);
			continue;
		}
		(*ret)[*ret_count].id = move_ptr(ids.items[i]);
		(*ret)[*ret_count].node = move_ptr(owners.items[i]);
		(*ret)[(*ret_count)++].record = record;
	}
	/* what was moved out stays NULL in the lists: free() takes that */
	qsort(*ret, *ret_count, sizeof(**ret), newer_first);
	return 0;
}

static const char *word(const struct given *job, const char *key) {
	return json_string_value(json_object_get(job->record, key));
}

int storage_jobs(struct ctl *ctl) {
	static const char *const titles[] = {"ID", "NODE", "STATE", "COMMAND", "STEP OR REASON"};
	_cleanup_table_ struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	json_t *array = wants_json(ctl) ? json_array() : NULL;
	struct given *jobs = NULL;
	size_t count = 0;
	int r = read_jobs(ctl, &jobs, &count);

	for (size_t i = 0; i < count; i++) {
		const struct given *job = &jobs[i];

		if (wants_json(ctl)) {
			(void)json_array_append_new(
			    array,
			    json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "id", job->id, "node", job->node, "state",
				      json_text(word(job, "state")), "command", json_text(word(job, "command")), "step",
				      json_text(word(job, "step")), "reason", json_text(word(job, "reason"))));
		} else {
			table_add(&table, job->id);
			table_add(&table, job->node);
			table_add(&table, word(job, "state"));
			table_add(&table, word(job, "command"));
			table_add(&table, word(job, "reason") ? word(job, "reason") : word(job, "step"));
		}
		free(job->id);
		free(job->node);
		json_decref(job->record);
	}
	free(jobs);
	if (r < 0) {
		json_decref(array);
		return failed(r, "cannot read the commands: %s", store_error_text(r));
	}
	return wants_json(ctl) ? json_print(array) : table_print(&table);
}
