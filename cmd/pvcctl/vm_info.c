/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

static void print_device(const char *title, const struct domain_xml_device *d) {
	_cleanup_free_ char *text = str_printf("%s  %s  %s  %s", d->detail ? d->detail : "-", d->kind ? d->kind : "-",
					       d->name ? d->name : "-", d->model ? d->model : "-");

	print_field(title, text);
}

static void print_vm(const struct vms *v, const struct domain_xml *x) {
	_cleanup_free_ char *features = strlist_join(&x->features, " ");
	_cleanup_free_ char *migration = migration_text(vm_value(v, 0, VM_KEY_MIGRATION)->data);

	print_field("Name:", vm_value(v, 0, VM_KEY_NAME)->data);
	print_field("UUID:", v->uuids.items[0]);
	print_field("Description:", x->description);
	print_field("Profile:", vm_value(v, 0, VM_KEY_PROFILE)->data);
	print_field("State:", vm_value(v, 0, VM_KEY_STATE)->data);
	if (!str_is_absent(vm_value(v, 0, VM_KEY_FAILEDREASON)->data))
		print_field("Failed because:", vm_value(v, 0, VM_KEY_FAILEDREASON)->data);
	print_field("Node:", vm_value(v, 0, VM_KEY_NODE)->data);
	print_field("Migrated from:", vm_value(v, 0, VM_KEY_LASTNODE)->data);
	if (migration)
		print_field("Last migration:", migration);
	if (!str_is_absent(vm_value(v, 0, VM_KEY_HOLDER)->data) &&
	    !str_equal(vm_value(v, 0, VM_KEY_HOLDER)->data, vm_value(v, 0, VM_KEY_NODE)->data))
		print_field("Held by:", vm_value(v, 0, VM_KEY_HOLDER)->data);
	print_field("Node limit:", vm_value(v, 0, VM_KEY_LIMIT)->data);
	print_field("Node selector:", vm_value(v, 0, VM_KEY_SELECTOR)->data);
	print_field("Autostart:", vm_value(v, 0, VM_KEY_AUTOSTART)->data);
	print_field_number("Memory:", x->memory, "MiB");
	print_field_number("vCPUs:", x->vcpus, "");
	print_field("Topology:", x->topology);
	print_field("Type:", x->type);
	print_field("Architecture:", x->arch);
	print_field("Machine:", x->machine);
	print_field("Features:", features);
	for (size_t i = 0; i < x->disk_count; i++)
		print_device(i ? "" : "Disks:", &x->disks[i]);
	for (size_t i = 0; i < x->interface_count; i++)
		print_device(i ? "" : "Networks:", &x->interfaces[i]);
}

int vm_info(struct ctl *ctl) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	_cleanup_domain_xml_ struct domain_xml xml = {.memory = -1, .vcpus = -1};
	_cleanup_free_ char *error = NULL;
	int r = vm_find(ctl, ctl->arguments[0], &vm);

	if (r != EXIT_OK)
		return r;
	r = strlist_add(&uuids, vm.uuid);
	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_COUNT, &vms);
	if (r < 0)
		return failed(r, "cannot read VM '%s': %s", vm.name, store_error_text(r));
	r = domain_xml_read(vm_value(&vms, 0, VM_KEY_XML)->data, vm_value(&vms, 0, VM_KEY_XML)->length, &xml, &error);
	if (r < 0)
		fprintf(stderr, "pvcctl: note: VM '%s': %s\n", vm.name, error ? error : "its XML cannot be read");
	if (wants_json(ctl))
		return json_print(vm_json(&vms, 0, &xml));
	print_vm(&vms, &xml);
	return EXIT_OK;
}
