/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * After a failed step: from what is now back to what was observed before. It compares states instead of reversing
 * steps, so it also finds what the kernel took along by itself (routes of an address that was removed). Executing it
 * can make more differences visible: plan again until there are none.
 */
#include "netsetup.h"

static const char *name_at(const struct net_links *links, int index) {
	const struct net_link *link = net_link_at(links, index);

	return link ? link->name : "";
}

static void restore_addresses(struct plan *plan, const struct observed *before, const struct observed *now,
			      const struct net_link *old, const struct net_link *link) {
	for (size_t i = 0; i < before->addresses.count; i++) {
		const struct net_address *a = &before->addresses.items[i];
		char ip[IP_PREFIX_TEXT];
		struct step *step;

		if (!address_moves(a, old->index) || address_find(now, link->index, &a->local))
			continue;
		ip_prefix_format(&a->local, true, ip);
		step = plan_step(plan, STEP_ADDRESS_ADD, link->name, "%s had the address %s", link->name, ip);
		step->address = *a;
		step->address.flags |= IFA_F_NODAD;
	}
}

static void restore_link(struct plan *plan, const struct observed *before, const struct observed *now,
			 const struct net_link *old, const struct net_link *link) {
	const char *was = name_at(&before->links, old->master);
	struct step *step;

	if (link->mtu != old->mtu)
		plan_step(plan, STEP_LINK_MTU, link->name, "%s had the MTU %u", link->name, old->mtu)->mtu = old->mtu;
	if (old->has_mac && memcmp(link->mac, old->mac, NET_MAC_LENGTH) != 0)
		memcpy(plan_step(plan, STEP_LINK_MAC, link->name, "%s had another MAC", link->name)->mac, old->mac,
		       NET_MAC_LENGTH);
	if (link->stp != old->stp || link->forward_delay != old->forward_delay) {
		step = plan_step(plan, STEP_BRIDGE_TIMING, link->name, "%s had another spanning tree", link->name);
		step->stp = old->stp;
		step->forward_delay = old->forward_delay;
	}
	if (!str_equal(name_at(&now->links, link->master), was)) {
		step = plan_step(plan, STEP_LINK_MASTER, link->name, "%s was %s%s", link->name,
				 *was ? "a port of " : "no port", was);
		snprintf(step->target, sizeof(step->target), "%s", was);
	}
}

/* The routes that the link had: in place of what is there over the bridge now, if anything. */
static void restore_routes(struct plan *plan, const struct observed *before, const struct observed *now,
			   const struct net_link *link) {
	for (int gateways = 0; gateways < 2; gateways++)
		for (size_t i = 0; i < before->routes.count; i++) {
			const struct net_route *route = &before->routes.items[i], moved = route_as_moved(route);
			_cleanup_free_ char *text = NULL;
			bool replaced = false;
			struct step *step;

			if (route->index != link->index || route->complex || route_is_of_kernel(before, route) ||
			    (route->gateway.family != 0) != gateways || route_on(now, link->index, route) ||
			    route_on(now, link->index, &moved))
				continue;
			for (size_t j = 0; j < now->routes.count; j++)
				replaced = replaced ||
					   (net_route_same_place(&now->routes.items[j], &moved) &&
					    wanted_is_our_bridge(name_at(&now->links, now->routes.items[j].index)));
			text = route_text(route, link->name);
			step = plan_step(plan, STEP_ROUTE_ADD, link->name, "there was a route %s", text ? text : "");
			step->route = moved;
			step->mode = replaced ? NET_ROUTE_REPLACE : NET_ROUTE_APPEND;
		}
}

/* What was added to a bridge that was there before. */
static void remove_added(struct plan *plan, const struct observed *before, const struct observed *now,
			 const struct net_link *old, const struct net_link *link) {
	for (size_t i = 0; i < now->routes.count; i++) {
		const struct net_route *route = &now->routes.items[i];

		if (route->index == link->index && !route_is_of_kernel(now, route) && !route->complex &&
		    route->protocol != RTPROT_RA && !route_on(before, old->index, route))
			plan_step(plan, STEP_ROUTE_REMOVE, link->name, "a route was added")->route = *route;
	}
	for (size_t i = now->addresses.count; i-- > 0;) {
		const struct net_address *a = &now->addresses.items[i];

		/* those with a lifetime may be the kernel's own, from a router advertisement just now */
		if (address_moves(a, link->index) && !address_find(before, old->index, &a->local) &&
		    a->valid == NET_FOREVER)
			plan_step(plan, STEP_ADDRESS_REMOVE, link->name, "an address was added")->address = *a;
	}
}

int plan_restore(const struct wanted *wanted, const struct observed *before, const struct observed *now,
		 struct plan *ret) {
	*ret = (struct plan){0};
	/* devices come first, so that the operator's address and routes are back before a bridge goes */
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < wanted->count; i++) {
			const char *name = pass == 0 ? wanted->bridges[i].device : wanted->bridges[i].name;
			const struct net_link *old = net_link_find(&before->links, name);
			const struct net_link *link = net_link_find(&now->links, name);

			if (link && old && link->index == old->index) {
				restore_addresses(ret, before, now, old, link);
				restore_link(ret, before, now, old, link);
				restore_routes(ret, before, now, link);
				remove_added(ret, before, now, old, link);
				if (link->up && !old->up)
					plan_step(ret, STEP_LINK_DOWN, name, "%s was down", name);
			} else if (link && !old && pass == 1) {
				plan_step(ret, STEP_LINK_DELETE, name, "there was no bridge %s", name);
			}
		}
	return ret->failed ? -ENOMEM : 0;
}
