/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The way back: what is on our bridges goes to their devices, and the bridges are removed. */
#include "netsetup.h"

/* Ports other than the configured device belong to somebody: virtual machines, or an operator. */
static void check_ports(struct plan *plan, const struct observed *now, const struct net_link *bridge,
			const struct net_link *device) {
	for (size_t i = 0; i < now->links.count; i++) {
		const struct net_link *port = &now->links.items[i];

		if (port->master == bridge->index && port != device)
			plan_error(plan, "%s is a port of %s: stop or move what uses it first", port->name,
				   bridge->name);
	}
	for (size_t i = 0; i < now->links.count; i++) {
		const struct net_link *link = &now->links.items[i];

		/* a veth's other end is no link on top of it, and indexes of other namespaces may look like ours */
		if (link->parent == bridge->index && link->master != bridge->index && !str_equal(link->kind, "veth"))
			plan_error(plan, "%s is made on top of %s: remove it first", link->name, bridge->name);
	}
}

/* The bridge's port that is the way out of the host: the configured device, or after a change of the configuration the
 * one of hardware that is there. */
static const struct net_link *device_of(const struct wanted *wanted, const struct observed *now,
					const struct net_link *bridge) {
	const struct net_link *device = NULL, *port = NULL;

	for (size_t i = 0; i < wanted->count; i++) {
		const struct net_link *link = net_link_find(&now->links, wanted->bridges[i].device);

		if (link && link->master == bridge->index)
			port = link;
		if (link && str_equal(wanted->bridges[i].name, bridge->name) && !link->master)
			device = link;
	}
	for (size_t i = 0; !port && i < now->links.count; i++)
		if (now->links.items[i].master == bridge->index && !*now->links.items[i].kind)
			port = &now->links.items[i];
	return port ? port : device;
}

static void undo_bridge(struct plan *plan, const struct wanted *wanted, const struct observed *now,
			const struct net_link *bridge) {
	const struct net_link *device = device_of(wanted, now, bridge);

	if (!str_equal(bridge->kind, "bridge")) {
		plan_note(plan, "%s is no bridge: left alone", bridge->name);
		return;
	}
	check_ports(plan, now, bridge, device);
	if (device) {
		move_addresses(plan, now, bridge, device->name);
		if (device->master == bridge->index)
			plan_step(plan, STEP_LINK_MASTER, device->name, "%s is a port of %s", device->name,
				  bridge->name);
		if (!device->up)
			plan_step(plan, STEP_LINK_UP, device->name, "%s is down", device->name);
		move_routes(plan, now, bridge, device->name);
	} else {
		plan_note(plan, "%s has no device: its addresses and routes go with it", bridge->name);
	}
	plan_step(plan, STEP_LINK_DELETE, bridge->name, "bridge %s exists", bridge->name);
}

int plan_undo(const struct wanted *wanted, const struct observed *now, struct plan *ret) {
	*ret = (struct plan){0};
	for (size_t i = 0; i < now->links.count; i++)
		if (wanted_is_our_bridge(now->links.items[i].name))
			undo_bridge(ret, wanted, now, &now->links.items[i]);
	return ret->failed ? -ENOMEM : 0;
}
