/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Remove: all keys in one transaction, so that nobody ever sees half a network (the reference's client cannot list any
 * network while one lacks a key). Only what there are many of is deleted before, as a transaction has to fit a packet.
 */
#include "network.h"

#define MANY 500 /* leases or reservations, of up to six keys each */

struct removal {
	char *path;
	const struct net_ref *network;
};

static int find_users(struct ctl *ctl, const struct net_ref *network, struct strlist *ret) {
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_free_ char *bridge = str_printf("vmbr%s", network->vni);
	_cleanup_vms_ struct vms vms = {0};
	int r = bridge ? fetch_children(ctl, store_base(STORE_DOMAINS), &uuids) : -ENOMEM;

	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_BRIEF_COUNT, &vms);
	for (size_t i = 0; r >= 0 && i < uuids.count; i++) {
		const struct fetched *text = vm_value(&vms, i, VM_KEY_XML);
		_cleanup_domain_xml_ struct domain_xml xml = {0};
		bool uses = false;

		if (domain_xml_read(text->data, text->length, &xml, NULL) < 0)
			continue; /* no VM can run of that */
		for (size_t k = 0; k < xml.interface_count; k++)
			uses = uses || str_equal(xml.interfaces[k].name, bridge);
		if (uses)
			r = strlist_take(ret, str_printable(vm_value(&vms, i, VM_KEY_NAME)->data, 60));
	}
	return r;
}

static int check_unused(struct ctl *ctl, const struct net_ref *network) {
	_cleanup_strlist_ struct strlist users = {0};
	int r = find_users(ctl, network, &users);

	if (r < 0)
		return failed(r, "cannot read the VMs: %s", store_error_text(r));
	if (users.count == 0)
		return EXIT_OK;
	strlist_sort(&users);
	return failed_with(EXIT_FAILED,
			   "network %s ('%s') has VMs: '%s'%s; take them out of it, or say --yes to remove it anyway",
			   network->vni, network->name, users.items[0], users.count > 1 ? " and others" : "");
}

static int thin_out(struct ctl *ctl, const struct net_ref *network) {
	static const char *const containers[] = {"dhcp4_leases", "dhcp6_leases", "dhcp4_reservations"};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(containers); i++) {
		_cleanup_free_ char *path = store_path(STORE_NETWORKS, network->vni, containers[i], NULL);
		_cleanup_strlist_ struct strlist children = {0};

		r = path ? fetch_children(ctl, path, &children) : -ENOMEM;
		for (size_t c = 0; r >= 0 && children.count > MANY && c < children.count; c++) {
			_cleanup_free_ char *child = str_printf("%s/%s", path, children.items[c]);

			r = child ? store_delete_tree_wait(ctl->store, child, deadline_after(OPERATION_TIMEOUT))
				  : -ENOMEM;
		}
	}
	return r;
}

static int attempt_remove(struct ctl *ctl, struct store_txn *txn, void *userdata, int *ret_error) {
	const struct removal *removal = userdata;
	_cleanup_networks_ struct networks n = {0};
	int r = networks_read(ctl, removal->network->vni, &n);

	if (r == -ENOENT)
		return EXIT_OK; /* it is gone */
	if (r >= 0)
		r = network_delete_tree(ctl, txn, removal->path);
	*ret_error = r < 0 ? r : 0;
	return EXIT_OK;
}

int network_remove(struct ctl *ctl) {
	_cleanup_net_ref_ struct net_ref network = {0};
	_cleanup_free_ char *path = NULL, *what = NULL;
	int r = network_find(ctl, ctl->arguments[0], &network);

	if (r == EXIT_OK && !ctl->options.yes)
		r = check_unused(ctl, &network);
	if (r != EXIT_OK)
		return r;
	path = store_path(STORE_NETWORKS, network.vni, NULL);
	what = str_printf("remove network %s", network.vni);
	r = path && what ? thin_out(ctl, &network) : -ENOMEM;
	if (r < 0)
		return failed(r, "cannot remove the leases of network %s: %s", network.vni, store_error_text(r));
	r = network_change(ctl, attempt_remove, &(struct removal){path, &network}, what);
	if (r == EXIT_OK)
		printf("Network %s ('%s') is removed.\n", network.vni, network.name);
	return r;
}
