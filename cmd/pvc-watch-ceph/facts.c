/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What ZooKeeper says before a command is carried out: whose turn it is, and what there is. */
#include "daemon.h"

#include "cluster/cluster.h"
#include "virt/virt.h"

/* ---- whose turn -------------------------------------------------------------------------------------------------- */

struct asking {
	struct task *task;
	void (*done)(struct task *task, enum storage_turn turn, const char *why);
	char *node;
};

static void asked(struct asking *asking, bool here, bool runs, const char *why) {
	struct task *task = asking->task;
	struct storage_turn_view view = {
	    .primary = task->daemon->primary,
	    .understood = task->understood,
	    .place = task->understood ? storage_place(task->command.verb) : STORAGE_ON_PRIMARY,
	    .here = here,
	    .runs = runs,
	};
	enum storage_turn turn = storage_turn(&view);
	void (*done)(struct task *, enum storage_turn, const char *) = asking->done;

	free(asking->node);
	free(asking);
	done(task, turn, turn == STORAGE_REFUSE ? why : NULL);
}

static void on_state(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct asking *asking = userdata;
	const char *me = asking->task->daemon->config->node;
	_cleanup_free_ char *shown = str_printable(asking->node, SHOWN_BYTES), *why = NULL;
	bool missing = result == -ENOENT || (result == 0 && !value->exists);
	bool runs = result < 0 ? !missing : daemon_state_parse(value->data) == DAEMON_RUN;

	(void)store;
	why = str_printf(missing ? "the cluster has no node '%s'" : "node '%s' does not run (look at pvcctl node list)",
			 shown ? shown : "?");
	asked(asking, str_equal(asking->node, me), runs, why);
}

static void ask_node(struct asking *asking, struct store *store) {
	_cleanup_free_ char *path = store_path(STORE_NODES, asking->node, "daemonstate", (char *)NULL);

	if (!path || store_get(store, path, on_state, asking) < 0)
		asked(asking, false, true, NULL); /* nothing is known: nobody is refused */
}

static void on_owner(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct asking *asking = userdata;

	bool missing = result == -ENOENT || (result == 0 && (!value->exists || !*value->data));

	if (result < 0 || missing || strchr(value->data, '/')) {
		_cleanup_free_ char *why =
		    str_printf("the cluster has no OSD %llu", (unsigned long long)asking->task->command.osd);

		asked(asking, false, !missing, why);
		return;
	}
	asking->node = strdup(value->data);
	if (asking->node)
		ask_node(asking, store);
	else
		asked(asking, false, true, NULL);
}

void facts_turn(struct task *task, void (*done)(struct task *task, enum storage_turn turn, const char *why)) {
	struct asking *asking = calloc(1, sizeof(*asking));
	struct store *store = task->daemon->store;
	enum storage_place place = task->understood ? storage_place(task->command.verb) : STORAGE_ON_PRIMARY;
	_cleanup_free_ char *path = NULL, *id = NULL;

	if (!asking) {
		done(task, STORAGE_OTHERS, NULL);
		return;
	}
	asking->task = task;
	asking->done = done;
	switch (place) {
	case STORAGE_ON_PRIMARY:
		asked(asking, false, false, task->reason);
		return;
	case STORAGE_ON_NODE:
		asking->node = strdup(task->command.node);
		if (asking->node)
			ask_node(asking, store);
		else
			asked(asking, false, true, NULL);
		return;
	case STORAGE_ON_OWNER:
		id = str_printf("%llu", (unsigned long long)task->command.osd);
		path = store_path(STORE_CEPH_OSDS, id, "node", (char *)NULL);
		if (!path || store_get(store, path, on_owner, asking) < 0)
			asked(asking, false, true, NULL);
		return;
	}
}

/* ---- what there is ----------------------------------------------------------------------------------------------- */

enum fact { POOL, VOLUME, SNAPSHOT, NAME, OSD, DEVICE, VM, VM_STATE, VM_LIST, VM_XML, FACTS };

struct reading {
	struct task *task;
	facts_fn done;
	size_t count;
	enum fact facts[FACTS];
	char *paths[FACTS];
	struct strlist devices; /* paths of node and device of every OSD */
};

static void finish(struct reading *reading, int result) {
	struct task *task = reading->task;
	facts_fn done = reading->done;

	for (size_t i = 0; i < reading->count; i++)
		free(reading->paths[i]);
	strlist_free(&reading->devices);
	free(reading);
	done(task, result);
}

/* The volumes of a VM: those that it was defined with, and those that its definition has now (D49). */
static int volumes(struct task *task, const struct store_value *list, const struct store_value *xml) {
	struct strlist found = {0};
	int r = 0;

	if (list->exists && !str_is_absent(list->data))
		r = strlist_split(&task->volumes, list->data, ",");
	if (r == 0 && xml->exists)
		r = virt_xml_volumes(xml->data, xml->length, &found);
	for (size_t i = 0; i < found.count && r == 0; i++)
		if (!strlist_contains(&task->volumes, found.items[i]))
			r = strlist_add(&task->volumes, found.items[i]);
	strlist_free(&found);
	return r == -EINVAL ? 0 : r; /* a definition that is none has no disks */
}

static void on_values(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct reading *reading = userdata;
	struct storage_facts *facts = &reading->task->facts;
	const struct store_value none = {.data = ""}, *list = &none;

	(void)store;
	for (size_t i = 0; result == 0 && i < count; i++) {
		bool is = values[i].exists;

		switch (reading->facts[i]) {
		case POOL:
			facts->pool = is;
			break;
		case VOLUME:
			facts->volume = is;
			break;
		case SNAPSHOT:
			facts->snapshot = is;
			break;
		case NAME:
			facts->name = is;
			break;
		case OSD:
			facts->osd = is;
			break;
		case DEVICE:
			reading->task->device = strdup(values[i].data);
			break;
		case VM:
			facts->vm = is;
			break;
		case VM_STATE: {
			enum vm_state state = vm_state_parse(values[i].data);

			facts->vm_off = state == VM_STOP || state == VM_DISABLE || state == VM_FAIL;
			break;
		}
		case VM_LIST:
			list = &values[i];
			break;
		case VM_XML:
			result = volumes(reading->task, list, &values[i]);
			break;
		case FACTS:
			break;
		}
	}
	finish(reading, result);
}

static void add(struct reading *reading, enum fact fact, char *path) {
	reading->facts[reading->count] = fact;
	reading->paths[reading->count++] = path;
}

static void on_devices(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct reading *reading = userdata;
	const struct storage_command *command = &reading->task->command;

	(void)store;
	for (size_t i = 0; result == 0 && i + 1 < count; i += 2)
		if (str_equal(values[i].data, command->node) && str_equal(values[i + 1].data, command->device))
			reading->task->facts.osd = true;
	finish(reading, result);
}

static void on_osds(struct store *store, int result, const struct strlist *osds, void *userdata) {
	static const char *const keys[] = {"node", "device"};
	struct reading *reading = userdata;

	for (size_t i = 0; result == 0 && i < osds->count * 2; i++)
		result = strlist_take(&reading->devices,
				      store_path(STORE_CEPH_OSDS, osds->items[i / 2], keys[i % 2], (char *)NULL));
	if (result == 0 && reading->devices.count > 0) {
		result = store_get_many(store, (const char *const *)reading->devices.items, reading->devices.count,
					on_devices, reading);
		if (result == 0)
			return;
	}
	finish(reading, result);
}

static void add_paths(struct reading *reading, const struct storage_command *c) {
	_cleanup_free_ char *id = str_printf("%llu", (unsigned long long)c->osd);

	if (c->pool)
		add(reading, POOL, store_path(STORE_CEPH_POOLS, c->pool, (char *)NULL));
	if (c->volume)
		add(reading, VOLUME, store_path(STORE_CEPH_VOLUMES, c->pool, c->volume, (char *)NULL));
	if (c->snapshot)
		add(reading, SNAPSHOT, store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->snapshot, (char *)NULL));
	if (c->name)
		add(reading, NAME,
		    c->snapshot ? store_path(STORE_CEPH_SNAPSHOTS, c->pool, c->volume, c->name, (char *)NULL)
				: store_path(STORE_CEPH_VOLUMES, c->pool, c->name, (char *)NULL));
	if (storage_place(c->verb) == STORAGE_ON_OWNER) {
		add(reading, OSD, store_path(STORE_CEPH_OSDS, id, (char *)NULL));
		add(reading, DEVICE, store_path(STORE_CEPH_OSDS, id, "device", (char *)NULL));
	}
	if (c->vm) {
		add(reading, VM, store_path(STORE_DOMAINS, c->vm, (char *)NULL));
		add(reading, VM_STATE, store_path(STORE_DOMAINS, c->vm, "state", (char *)NULL));
		add(reading, VM_LIST, store_path(STORE_DOMAINS, c->vm, "rbdlist", (char *)NULL));
		add(reading, VM_XML, store_path(STORE_DOMAINS, c->vm, "xml", (char *)NULL));
	}
}

void facts_read(struct task *task, facts_fn done) {
	struct reading *reading = calloc(1, sizeof(*reading));
	struct store *store = task->daemon->store;
	int r = 0;

	if (!reading) {
		done(task, -ENOMEM);
		return;
	}
	reading->task = task;
	reading->done = done;
	task->facts = (struct storage_facts){0};
	free(move_ptr(task->device));
	strlist_free(&task->volumes);
	if (task->command.verb == STORAGE_OSD_ADD) {
		r = store_list(store, store_base(STORE_CEPH_OSDS), on_osds, reading);
	} else {
		add_paths(reading, &task->command);
		for (size_t i = 0; i < reading->count; i++)
			r = reading->paths[i] ? r : -ENOMEM;
		if (r == 0 && reading->count == 0) {
			finish(reading, 0);
			return;
		}
		if (r == 0)
			r = store_get_many(store, (const char *const *)reading->paths, reading->count, on_values,
					   reading);
	}
	if (r < 0)
		finish(reading, r);
}
