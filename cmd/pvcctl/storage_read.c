/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OSDs, pools, volumes and snapshots as the keys have them (data model, 7). */
#include "storage.h"

#define KEYS_MAX 3

void storage_objects_free(struct storage_objects *objects) {
	for (size_t i = 0; i < objects->count; i++) {
		struct storage_object *o = &objects->items[i];

		free(o->pool);
		free(o->volume);
		free(o->name);
		free(o->node);
		free(o->device);
		json_decref(o->stats);
	}
	free(objects->items);
	*objects = (struct storage_objects){0};
}

/* The keys of one object: its stats first. */
static int add_paths(enum storage_kind kind, const struct storage_object *o, struct strlist *ret) {
	const char *name = o->name;
	int r;

	switch (kind) {
	case STORAGE_OSDS:
		r = strlist_take(ret, store_path(STORE_CEPH_OSDS, name, "stats", NULL));
		if (r == 0)
			r = strlist_take(ret, store_path(STORE_CEPH_OSDS, name, "node", NULL));
		return r < 0 ? r : strlist_take(ret, store_path(STORE_CEPH_OSDS, name, "device", NULL));
	case STORAGE_POOLS:
		r = strlist_take(ret, store_path(STORE_CEPH_POOLS, name, "stats", NULL));
		return r < 0 ? r : strlist_take(ret, store_path(STORE_CEPH_POOLS, name, "pgs", NULL));
	case STORAGE_VOLUMES:
		r = strlist_take(ret, store_path(STORE_CEPH_VOLUMES, o->pool, name, "stats", NULL));
		return r < 0 ? r : strlist_take(ret, store_path(STORE_CEPH_SNAPSHOTS, o->pool, name, NULL));
	case STORAGE_SNAPSHOTS:
		return strlist_take(ret, store_path(STORE_CEPH_SNAPSHOTS, o->pool, o->volume, name, "stats", NULL));
	}
	return -EINVAL;
}

static size_t keys_of(enum storage_kind kind) {
	return kind == STORAGE_OSDS ? 3 : kind == STORAGE_SNAPSHOTS ? 1 : 2;
}

static int fill(enum storage_kind kind, struct storage_object *o, const struct fetched *values) {
	o->stats = json_loadb(values[0].data, values[0].length, 0, NULL);
	if (!json_is_object(o->stats)) {
		json_decref(o->stats);
		o->stats = json_object();
	}
	o->pgs = o->snapshots = -1;
	if (kind == STORAGE_POOLS)
		o->pgs = fetched_number(&values[1]);
	if (kind == STORAGE_VOLUMES && values[1].exists)
		o->snapshots = values[1].stat.children;
	o->node = strdup(kind == STORAGE_OSDS ? values[1].data : "");
	o->device = strdup(kind == STORAGE_OSDS ? values[2].data : "");
	return o->stats && o->node && o->device ? 0 : -ENOMEM;
}

static int read_values(struct ctl *ctl, enum storage_kind kind, struct storage_objects *objects) {
	_cleanup_strlist_ struct strlist paths = {0};
	_cleanup_snapshot_ struct snapshot values = {0};
	int r = 0;

	for (size_t i = 0; i < objects->count && r == 0; i++)
		r = add_paths(kind, &objects->items[i], &paths);
	if (r == 0)
		r = fetch_many(ctl, &paths, &values);
	for (size_t i = 0; i < objects->count && r >= 0; i++)
		r = fill(kind, &objects->items[i], &values.values[i * keys_of(kind)]);
	return r < 0 ? r : 0;
}

static int add_children(struct ctl *ctl, enum storage_kind kind, const char *pool, const char *volume,
			struct storage_objects *objects) {
	_cleanup_free_ char *path = kind == STORAGE_OSDS      ? store_path(STORE_CEPH_OSDS, NULL)
				    : kind == STORAGE_POOLS   ? store_path(STORE_CEPH_POOLS, NULL)
				    : kind == STORAGE_VOLUMES ? store_path(STORE_CEPH_VOLUMES, pool, NULL)
							      : store_path(STORE_CEPH_SNAPSHOTS, pool, volume, NULL);
	_cleanup_strlist_ struct strlist names = {0};
	struct storage_object *more;
	int r = path ? fetch_children(ctl, path, &names) : -ENOMEM;

	if (r < 0 || names.count == 0)
		return r;
	more = reallocarray(objects->items, objects->count + names.count, sizeof(*more));
	if (!more)
		return -ENOMEM;
	objects->items = more;
	for (size_t i = 0; i < names.count; i++) {
		struct storage_object *o = &more[objects->count++];

		*o = (struct storage_object){.name = strdup(names.items[i]),
					     .pool = pool ? strdup(pool) : NULL,
					     .volume = volume ? strdup(volume) : NULL};
		if (!o->name || (pool && !o->pool) || (volume && !o->volume))
			return -ENOMEM;
	}
	return 0;
}

static int by_number(const void *a, const void *b) {
	const struct storage_object *x = a, *y = b;
	size_t m = strlen(x->name), n = strlen(y->name);

	return m != n ? (m < n ? -1 : 1) : strcmp(x->name, y->name);
}

/* Without a pool (volume) all pools (volumes) are gone through. */
static int collect(struct ctl *ctl, enum storage_kind kind, const char *pool, const char *volume,
		   struct storage_objects *objects) {
	_cleanup_storage_objects_ struct storage_objects outer = {0};
	int r;

	if (kind < STORAGE_VOLUMES || (kind == STORAGE_VOLUMES && pool) || volume)
		return add_children(ctl, kind, pool, volume, objects);
	r = kind == STORAGE_VOLUMES ? add_children(ctl, STORAGE_POOLS, NULL, NULL, &outer)
				    : storage_read(ctl, STORAGE_VOLUMES, pool, NULL, &outer);
	for (size_t i = 0; i < outer.count && r >= 0; i++)
		if (kind == STORAGE_VOLUMES)
			r = add_children(ctl, kind, outer.items[i].name, NULL, objects);
		else if (outer.items[i].snapshots > 0)
			r = add_children(ctl, kind, outer.items[i].pool, outer.items[i].name, objects);
	return r;
}

int storage_read(struct ctl *ctl, enum storage_kind kind, const char *pool, const char *volume,
		 struct storage_objects *ret) {
	_cleanup_storage_objects_ struct storage_objects objects = {0};
	int r = collect(ctl, kind, pool, volume, &objects);

	if (r >= 0 && kind == STORAGE_OSDS && objects.count > 0)
		qsort(objects.items, objects.count, sizeof(*objects.items), by_number);
	if (r >= 0)
		r = read_values(ctl, kind, &objects);
	if (r < 0)
		return r;
	*ret = objects;
	objects = (struct storage_objects){0};
	return 0;
}

const struct storage_object *storage_find(const struct storage_objects *objects, const char *name) {
	for (size_t i = 0; i < objects->count; i++)
		if (str_equal(objects->items[i].name, name))
			return &objects->items[i];
	return NULL;
}

int64_t storage_number(const struct storage_object *object, const char *key) {
	const json_t *value = json_object_get(object->stats, key);

	return json_is_integer(value) ? json_integer_value(value)
	       : json_is_real(value)  ? (int64_t)json_real_value(value)
				      : -1;
}

const char *storage_text(const struct storage_object *object, const char *key) {
	return json_string_value(json_object_get(object->stats, key));
}

/* ---- names ---- */

void storage_name_free(struct storage_name *name) {
	free(name->pool);
	free(name->volume);
	free(name->snapshot);
}

int storage_name_parse(const char *text, bool snapshot, struct storage_name *ret) {
	const char *slash = strchr(text, '/'), *at = slash ? strchr(slash, '@') : NULL;
	_cleanup_free_ char *shown = str_printable(text, 200);
	struct storage_name name = {0};

	if (!slash || slash == text || !slash[1] || at == slash + 1 || !at != !snapshot || (at && !at[1]) ||
	    strpbrk(slash + 1, "/,"))
		return failed_with(EXIT_USAGE, "'%s' is no %s", shown ? shown : "?",
				   snapshot ? "POOL/VOLUME@SNAPSHOT" : "POOL/VOLUME");
	name.pool = strndup(text, (size_t)(slash - text));
	name.volume = at ? strndup(slash + 1, (size_t)(at - slash - 1)) : strdup(slash + 1);
	name.snapshot = at ? strdup(at + 1) : NULL;
	if (!name.pool || !name.volume || (at && !name.snapshot)) {
		storage_name_free(&name);
		return failed(-ENOMEM, "out of memory");
	}
	*ret = name;
	return EXIT_OK;
}

int storage_users(struct ctl *ctl, const char *pool, const char *volume, struct strlist *ret) {
	_cleanup_free_ char *prefix = str_printf("%s/%s", pool, volume ? volume : "");
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	int r = prefix ? fetch_children(ctl, store_base(STORE_DOMAINS), &uuids) : -ENOMEM;

	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_BRIEF_COUNT, &vms);
	for (size_t i = 0; r >= 0 && i < uuids.count; i++) {
		const struct fetched *text = vm_value(&vms, i, VM_KEY_XML);
		_cleanup_domain_xml_ struct domain_xml xml = {0};
		bool uses = false;

		if (domain_xml_read(text->data, text->length, &xml, NULL) < 0)
			continue; /* no VM can run of that */
		for (size_t k = 0; k < xml.disk_count; k++)
			uses =
			    uses ||
			    (str_equal(xml.disks[k].kind, "rbd") && xml.disks[k].name &&
			     (volume ? str_equal(xml.disks[k].name, prefix) : str_starts(xml.disks[k].name, prefix)));
		if (uses)
			r = strlist_take(ret, str_printable(vm_value(&vms, i, VM_KEY_NAME)->data, 60));
	}
	strlist_sort(ret);
	return r;
}
