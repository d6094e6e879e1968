/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose VM an interface is: bridge and MAC of each interface in each VM's definition, kept by one watch a VM. A
 * definition is read when it changes and not kept.
 */
#include <ctype.h>
#include <search.h>

#include "dhcp/dhcp.h"
#include "domain/domain.h"
#include "log/log.h"
#include "metadata.h"

struct vm {
	struct metadata *metadata;
	char *uuid;
	struct store_watch *watch;
	bool seen, listed;
	struct nic **nics;
	size_t nic_count;
	char *said; /* what was wrong with its definition */
	struct vm *next;
};

struct port {
	char *key; /* "BRIDGE MAC" */
	struct nic *first;
};

const char *vm_uuid(const struct vm *vm) {
	return vm->uuid;
}

/* ---- ports ----------------------------------------------------------------------------------------------------- */

static int compare_ports(const void *a, const void *b) {
	return strcmp(((const struct port *)a)->key, ((const struct port *)b)->key);
}

static struct port *port_find(const struct metadata *metadata, const char *key) {
	const struct port wanted = {.key = (char *)key};
	void *found = tfind(&wanted, &metadata->ports, compare_ports);

	return found ? *(struct port **)found : NULL;
}

static struct port *port_make(struct metadata *metadata, const char *key) {
	struct port *port = port_find(metadata, key);

	if (port)
		return port;
	port = calloc(1, sizeof(*port));
	if (!port)
		return NULL;
	port->key = strdup(key);
	if (!port->key || !tsearch(port, &metadata->ports, compare_ports)) {
		free(port->key);
		free(port);
		return NULL;
	}
	return port;
}

static void nic_free(struct nic *nic) {
	struct port *port = nic->port;
	struct nic **at = &port->first;

	while (*at != nic)
		at = &(*at)->twin;
	*at = nic->twin;
	if (!port->first) {
		(void)tdelete(port, &nic->vm->metadata->ports, compare_ports); /* it is there */
		free(port->key);
		free(port);
	}
	free(nic->name);
	free(nic->profile);
	free(nic->domain);
	free(nic);
}

struct nic *vms_find(const struct metadata *metadata, const char *bridge, const char *mac) {
	_cleanup_free_ char *key = str_printf("%s %s", bridge, mac);
	const struct port *port = key ? port_find(metadata, key) : NULL;

	return port ? port->first : NULL;
}

/* ---- definitions ----------------------------------------------------------------------------------------------- */

static int add_nic(struct vm *vm, const char *bridge, const char *mac) {
	_cleanup_free_ char *key = NULL;
	struct nic **grown, *nic;

	if (!bridge || !mac || !str_starts(bridge, "vmbr") || !dhcp_is_mac(mac))
		return 0;
	key = str_printf("%s %s", bridge, mac);
	if (!key)
		return -ENOMEM;
	for (char *c = key + strlen(bridge); *c; c++)
		*c = (char)tolower((unsigned char)*c);
	grown = reallocarray(vm->nics, vm->nic_count + 1, sizeof(*vm->nics));
	if (!grown)
		return -ENOMEM;
	vm->nics = grown;
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return -ENOMEM;
	nic->vm = vm;
	nic->port = port_make(vm->metadata, key);
	if (!nic->port) {
		free(nic);
		return -ENOMEM;
	}
	nic->twin = nic->port->first;
	nic->port->first = nic;
	vm->nics[vm->nic_count++] = nic;
	if (nic->twin && nic->twin->vm != vm)
		log_warning("%s is an interface of VM %s and of VM %s: neither of them gets its metadata", key,
			    nic->twin->vm->uuid, vm->uuid);
	return 0;
}

static void drop_nics(struct vm *vm) {
	for (size_t i = 0; i < vm->nic_count; i++)
		nic_free(vm->nics[i]);
	free(vm->nics);
	vm->nics = NULL;
	vm->nic_count = 0;
}

static void say(struct vm *vm, const char *problem) {
	if (problem && !str_equal(problem, vm->said))
		log_warning("VM %s has no metadata: %s", vm->uuid, problem);
	free(vm->said);
	vm->said = problem ? strdup(problem) : NULL; /* without memory it is named again */
}

static int read_definition(struct vm *vm, const struct store_value *value, char **ret_error) {
	_cleanup_domain_xml_ struct domain_xml xml = {0};
	int r = domain_xml_read(value->data, value->length, &xml, ret_error);

	for (size_t i = 0; i < xml.interface_count && r >= 0; i++)
		if (str_equal(xml.interfaces[i].kind, "bridge"))
			r = add_nic(vm, xml.interfaces[i].name, xml.interfaces[i].detail);
	return r;
}

static void xml_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct vm *vm = userdata;
	_cleanup_free_ char *error = NULL;
	int r = 0;

	(void)store;
	if (!vm->seen)
		vm->metadata->vms_unseen--;
	vm->seen = true;
	drop_nics(vm);
	if (value->exists) /* else it is being deleted */
		r = read_definition(vm, value, &error);
	say(vm, r < 0 ? (error ? error : strerror(-r)) : NULL);
	metadata_try_ready(vm->metadata);
}

/* ---- the list -------------------------------------------------------------------------------------------------- */

static int compare_vms(const void *a, const void *b) {
	return strcmp(((const struct vm *)a)->uuid, ((const struct vm *)b)->uuid);
}

static void vm_free(struct vm *vm) {
	struct metadata *metadata = vm->metadata;

	if (!vm->seen)
		metadata->vms_unseen--;
	(void)tdelete(vm, &metadata->vms_by_uuid, compare_vms); /* perhaps it never was in it */
	drop_nics(vm);
	free(vm->said);
	free(vm->uuid);
	free(vm);
}

static int vm_add(struct metadata *metadata, const char *uuid) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, uuid, "xml", (char *)NULL);
	struct vm *vm = calloc(1, sizeof(*vm));
	int r = -ENOMEM;

	if (!vm)
		return -ENOMEM;
	vm->metadata = metadata;
	vm->listed = true;
	vm->uuid = strdup(uuid);
	if (!vm->uuid || !path) {
		free(vm->uuid);
		free(vm);
		return -ENOMEM;
	}
	metadata->vms_unseen++;
	if (tsearch(vm, &metadata->vms_by_uuid, compare_vms))
		r = store_watch_value(metadata->store, path, xml_changed, vm, &vm->watch);
	if (r < 0) {
		vm_free(vm);
		return r;
	}
	vm->next = metadata->vms;
	metadata->vms = vm;
	metadata->vm_count++;
	return 0;
}

static void appear(struct metadata *metadata, const char *uuid) {
	const struct vm wanted = {.uuid = (char *)uuid};
	void *found = tfind(&wanted, &metadata->vms_by_uuid, compare_vms);
	int r;

	if (found) {
		(*(struct vm **)found)->listed = true;
		return;
	}
	if (!is_uuid(uuid)) /* pvc-watch-domains names it */
		return;
	if (metadata->vm_count >= VMS_MAX) {
		if (!metadata->vms_too_many)
			log_error("there are more than %d VMs: those over that get no metadata", VMS_MAX);
		metadata->vms_too_many = true;
		return;
	}
	r = vm_add(metadata, uuid);
	if (r < 0)
		log_error("VM %s cannot be watched: %s", uuid, strerror(-r));
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct metadata *metadata = userdata;

	(void)store;
	metadata->vms_listed = true;
	for (struct vm *vm = metadata->vms; vm; vm = vm->next)
		vm->listed = false;
	for (size_t i = 0; children && i < children->count; i++)
		appear(metadata, children->items[i]);
	for (struct vm **at = &metadata->vms; *at;) {
		struct vm *vm = *at;

		if (vm->listed) {
			at = &vm->next;
			continue;
		}
		*at = vm->next;
		store_watch_free(vm->watch);
		vm_free(vm);
		metadata->vm_count--;
	}
	metadata_try_ready(metadata);
}

int vms_start(struct metadata *metadata) {
	return store_watch_list(metadata->store, store_base(STORE_DOMAINS), list_changed, metadata,
				&metadata->vms_watch);
}

void vms_free(struct metadata *metadata) {
	while (metadata->vms) { /* the store took the watches with it */
		struct vm *vm = metadata->vms;

		metadata->vms = vm->next;
		vm_free(vm);
	}
}
