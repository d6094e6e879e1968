/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

/* One line of the list: which VM, and its name to sort by. */
struct row {
	size_t index;
	const char *name;
};

static int by_name(const void *a, const void *b) {
	const struct row *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static bool wanted(const struct ctl *ctl, const struct vms *vms, size_t i) {
	const struct options *o = &ctl->options;

	if (!vm_value(vms, i, VM_KEY_NAME)->exists)
		return false; /* undefined since its name was listed */
	return (!o->node || str_equal(vm_value(vms, i, VM_KEY_NODE)->data, o->node)) &&
	       (!o->state || str_equal(vm_value(vms, i, VM_KEY_STATE)->data, o->state));
}

static size_t choose(const struct ctl *ctl, const struct vms *vms, struct row *rows) {
	size_t n = 0;

	for (size_t i = 0; i < vms->uuids.count; i++)
		if (wanted(ctl, vms, i))
			rows[n++] = (struct row){i, vm_value(vms, i, VM_KEY_NAME)->data};
	qsort(rows, n, sizeof(*rows), by_name);
	return n;
}

/* XML that cannot be read shows as a VM without memory, vCPUs and networks. */
static void read_xml(const struct vms *vms, size_t i, struct domain_xml *ret) {
	const struct fetched *text = vm_value(vms, i, VM_KEY_XML);

	*ret = (struct domain_xml){.memory = -1, .vcpus = -1};
	(void)domain_xml_read(text->data, text->length, ret, NULL);
}

/* "vmbr100" is network 100, "brcluster" the cluster's own. */
static const char *network_of(const char *bridge) {
	if (str_starts(bridge, "vmbr"))
		return bridge + 4;
	return str_starts(bridge, "br") ? bridge + 2 : bridge;
}

static char *networks_text(const struct domain_xml *x) {
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < x->interface_count; i++)
		if (x->interfaces[i].name)
			(void)strbuf_addf(&text, "%s%s", text.length ? "," : "", network_of(x->interfaces[i].name));
	return strbuf_steal(&text);
}

static void add_row(struct table *t, const struct vms *vms, size_t i) {
	_cleanup_domain_xml_ struct domain_xml xml = {0};
	_cleanup_free_ char *networks = NULL;

	read_xml(vms, i, &xml);
	networks = networks_text(&xml);
	table_add(t, vm_value(vms, i, VM_KEY_NAME)->data);
	table_add(t, vms->uuids.items[i]);
	table_add(t, vm_value(vms, i, VM_KEY_STATE)->data);
	table_add(t, networks);
	table_add_number(t, xml.memory);
	table_add_number(t, xml.vcpus);
	table_add(t, vm_value(vms, i, VM_KEY_NODE)->data);
	table_add(t, vm_value(vms, i, VM_KEY_LASTNODE)->data);
}

static int print_table(const struct vms *vms, const struct row *rows, size_t count) {
	static const char *const titles[] = {"NAME",      "UUID",   "STATE", "NETWORKS",
					     ">MEM(MiB)", ">VCPUS", "NODE",  "FROM"};
	_cleanup_table_ struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};

	for (size_t i = 0; i < count; i++)
		add_row(&table, vms, rows[i].index);
	return table_print(&table);
}

static int print_json(const struct vms *vms, const struct row *rows, size_t count) {
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		_cleanup_domain_xml_ struct domain_xml xml = {0};

		read_xml(vms, rows[i].index, &xml);
		if (json_array_append_new(array, vm_json(vms, rows[i].index, &xml)) < 0) {
			json_decref(array);
			return failed(-ENOMEM, "out of memory");
		}
	}
	return json_print(array);
}

static int check_node(struct ctl *ctl) {
	_cleanup_nodes_ struct nodes nodes = {0};
	int r = ctl->options.node ? nodes_read(ctl, ctl->options.node, &nodes) : 0;

	if (r == -ENOENT)
		return failed(r, "the cluster has no node named '%s'", ctl->options.node);
	return r < 0 ? failed(r, "cannot read node '%s': %s", ctl->options.node, store_error_text(r)) : EXIT_OK;
}

int vm_list(struct ctl *ctl) {
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	_cleanup_free_ struct row *rows = NULL;
	size_t count;
	int r = check_node(ctl);

	if (r != EXIT_OK)
		return r;
	r = fetch_children(ctl, store_base(STORE_DOMAINS), &uuids);
	if (r >= 0)
		r = vms_read(ctl, &uuids, wants_json(ctl) ? VM_KEY_COUNT : VM_KEY_BRIEF_COUNT, &vms);
	if (r < 0)
		return failed(r, "cannot read the VMs: %s", store_error_text(r));
	rows = calloc(uuids.count + 1, sizeof(*rows));
	if (!rows)
		return failed(-ENOMEM, "out of memory");
	count = choose(ctl, &vms, rows);
	return wants_json(ctl) ? print_json(&vms, rows, count) : print_table(&vms, rows, count);
}
