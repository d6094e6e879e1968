/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

static const char *const keys[VM_KEY_COUNT] = {
    [VM_KEY_NAME] = "",
    [VM_KEY_STATE] = "state",
    [VM_KEY_NODE] = "node",
    [VM_KEY_LASTNODE] = "lastnode",
    [VM_KEY_XML] = "xml",
    [VM_KEY_LIMIT] = "node_limit",
    [VM_KEY_SELECTOR] = "node_selector",
    [VM_KEY_AUTOSTART] = "node_autostart",
    [VM_KEY_FAILEDREASON] = "failedreason",
    [VM_KEY_PROFILE] = "profile",
    [VM_KEY_HOLDER] = "holder",
    [VM_KEY_MIGRATION] = "migration",
};

char *vm_key_path(const char *uuid, const char *key) {
	return store_path(STORE_DOMAINS, uuid, *key ? key : NULL, NULL);
}

void vms_free(struct vms *vms) {
	strlist_free(&vms->uuids);
	snapshot_free(&vms->keys);
}

const struct fetched *vm_value(const struct vms *vms, size_t index, enum vm_key key) {
	return &vms->keys.values[index * vms->keys_each + key];
}

int vms_read(struct ctl *ctl, const struct strlist *uuids, size_t keys_each, struct vms *ret) {
	_cleanup_strlist_ struct strlist paths = {0};
	struct vms vms = {.keys_each = keys_each};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < uuids->count; i++) {
		r = strlist_add(&vms.uuids, uuids->items[i]);
		for (size_t k = 0; r >= 0 && k < keys_each; k++)
			r = strlist_take(&paths, vm_key_path(uuids->items[i], keys[k]));
	}
	if (r >= 0)
		r = fetch_many(ctl, &paths, &vms.keys);
	if (r < 0) {
		vms_free(&vms);
		return r;
	}
	*ret = vms;
	return 0;
}

static json_t *devices_json(const struct domain_xml_device *devices, size_t count, const char *const names[4]) {
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++)
		(void)json_array_append_new(array, /* fails only without memory */
					    json_pack("{s:o, s:o, s:o, s:o}", names[0], json_text(devices[i].kind),
						      names[1], json_text(devices[i].name), names[2],
						      json_text(devices[i].detail), names[3],
						      json_text(devices[i].model)));
	return array;
}

static json_t *autostart_json(const char *text) {
	bool value;

	return parse_bool(text, &value) < 0 ? json_null() : json_boolean(value);
}

json_t *vm_json(const struct vms *v, size_t i, const struct domain_xml *x) {
	static const char *const disk_names[4] = {"type", "name", "dev", "bus"};
	static const char *const net_names[4] = {"type", "source", "mac", "model"};
	_cleanup_strlist_ struct strlist limit = {0};

	if (!str_is_absent(vm_value(v, i, VM_KEY_LIMIT)->data) &&
	    strlist_split(&limit, vm_value(v, i, VM_KEY_LIMIT)->data, ", ") < 0)
		return NULL;
	return json_pack(
	    "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
	    "name", json_text(vm_value(v, i, VM_KEY_NAME)->data), "uuid", json_text(v->uuids.items[i]), "state",
	    json_text(vm_value(v, i, VM_KEY_STATE)->data), "node", json_text(vm_value(v, i, VM_KEY_NODE)->data),
	    "last_node", json_text(vm_value(v, i, VM_KEY_LASTNODE)->data), "failed_reason",
	    json_text(vm_value(v, i, VM_KEY_FAILEDREASON)->data), "node_limit", json_list(&limit), "node_selector",
	    json_text(vm_value(v, i, VM_KEY_SELECTOR)->data), "node_autostart",
	    autostart_json(vm_value(v, i, VM_KEY_AUTOSTART)->data), "profile",
	    json_text(vm_value(v, i, VM_KEY_PROFILE)->data), "description", json_text(x->description), "memory",
	    json_number(x->memory), "vcpu", json_number(x->vcpus), "vcpu_topology", json_text(x->topology), "type",
	    json_text(x->type), "arch", json_text(x->arch), "machine", json_text(x->machine), "features",
	    json_list(&x->features), "disks", devices_json(x->disks, x->disk_count, disk_names), "networks",
	    devices_json(x->interfaces, x->interface_count, net_names));
}

/* ---- naming a VM ---- */

void vm_ref_free(struct vm_ref *vm) {
	free(vm->uuid);
	free(vm->name);
}

/* Takes the VM at `index` of what was read; its name is for messages. */
static int refer(const char *uuid, const char *name, struct vm_ref *ret) {
	struct vm_ref vm = {strdup(uuid), str_printable(*name ? name : uuid, 100)};

	if (!vm.uuid || !vm.name) {
		vm_ref_free(&vm);
		return failed(-ENOMEM, "out of memory");
	}
	*ret = vm;
	return EXIT_OK;
}

static int find_by_uuid(struct ctl *ctl, const char *uuid, struct vm_ref *ret) {
	_cleanup_free_ char *path = vm_key_path(uuid, "");
	struct store_value value = {0};
	int r = path ? store_get_wait(ctl->store, path, deadline_after(OPERATION_TIMEOUT), &value) : -ENOMEM;

	if (r < 0)
		return failed(r, "cannot read VM %s: %s", uuid, store_error_text(r));
	r = value.exists ? refer(uuid, value.data, ret)
			 : failed(-ENOENT, "the cluster has no VM with the UUID %s", uuid);
	store_value_free(&value);
	return r;
}

int vm_find(struct ctl *ctl, const char *named, struct vm_ref *ret) {
	_cleanup_free_ char *shown = str_printable(named, 100);
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	size_t found = SIZE_MAX;
	int r;

	if (is_uuid(named))
		return find_by_uuid(ctl, named, ret);
	r = fetch_children(ctl, store_base(STORE_DOMAINS), &uuids);
	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_NAME + 1, &vms);
	if (r < 0)
		return failed(r, "cannot look for VM '%s': %s", shown, store_error_text(r));
	for (size_t i = 0; i < uuids.count; i++) {
		if (!str_equal(vm_value(&vms, i, VM_KEY_NAME)->data, named))
			continue;
		if (found != SIZE_MAX)
			return failed_with(EXIT_FAILED,
					   "more than one VM is named '%s': name it by UUID, e.g. %s or %s", shown,
					   uuids.items[found], uuids.items[i]);
		found = i;
	}
	if (found == SIZE_MAX)
		return failed(-ENOENT, "the cluster has no VM named '%s'; 'pvcctl vm list' shows all", shown);
	return refer(uuids.items[found], named, ret);
}
