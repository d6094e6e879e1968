/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moving the operator's addresses and routes from one link to another without a moment in which they are nowhere:
 * an address can be on both links for a while, and a route is replaced in its place in one go. Kept are prefix,
 * broadcast, scope, lifetimes and order of addresses, and metric, protocol, source, scope, table and metrics of routes.
 */
#include "netsetup.h"

bool address_moves(const struct net_address *address, int index) {
	return address->index == index && !net_address_is_link_local(address);
}

const struct net_address *address_find(const struct observed *now, int index, const struct ip_prefix *ip) {
	for (size_t i = 0; i < now->addresses.count; i++)
		if (now->addresses.items[i].index == index && ip_prefix_equal(&now->addresses.items[i].local, ip))
			return &now->addresses.items[i];
	return NULL;
}

/* The same but for the link? */
static bool route_equal(const struct net_route *a, const struct net_route *b) {
	return net_route_same_place(a, b) && a->type == b->type && a->gateway.family == b->gateway.family &&
	       (!a->gateway.family || ip_prefix_equal(&a->gateway, &b->gateway)) &&
	       a->source.family == b->source.family && (!a->source.family || ip_prefix_equal(&a->source, &b->source));
}

bool route_on(const struct observed *state, int index, const struct net_route *route) {
	for (size_t i = 0; i < state->routes.count; i++)
		if (state->routes.items[i].index == index && route_equal(&state->routes.items[i], route))
			return true;
	return false;
}

bool route_is_of_kernel(const struct observed *now, const struct net_route *route) {
	if (route->type != RTN_UNICAST)
		return true; /* multicast and such: made with the link */
	if (route->protocol != RTPROT_KERNEL || route->gateway.family)
		return false;
	if (route->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&route->destination.v6))
		return true;
	for (size_t i = 0; i < now->addresses.count; i++) {
		const struct net_address *a = &now->addresses.items[i];
		struct ip_prefix net = a->peer.family ? a->peer : a->local;

		net.prefix = a->local.prefix;
		if (a->index == route->index && !(a->flags & IFA_F_NOPREFIXROUTE) && a->local.family == route->family &&
		    net.prefix == route->destination.prefix && ip_prefix_contains(&net, &route->destination))
			return true;
	}
	return false;
}

void move_addresses(struct plan *plan, const struct observed *now, const struct net_link *from, const char *to) {
	const struct net_link *link = net_link_find(&now->links, to);

	for (size_t i = 0; i < now->addresses.count; i++) {
		const struct net_address *address = &now->addresses.items[i];
		char ip[IP_PREFIX_TEXT];
		struct step *step;

		if (!address_moves(address, from->index))
			continue;
		ip_prefix_format(&address->local, true, ip);
		if (address->valid != NET_FOREVER)
			plan_note(
			    plan,
			    "%s on %s has a lifetime (from DHCP or router advertisements): it moves to %s with what is "
			    "left of it; have the DHCP client serve %s instead of %s",
			    ip, from->name, to, to, from->name);
		if (link && address_find(now, link->index, &address->local))
			continue;
		step = plan_step(plan, STEP_ADDRESS_ADD, to, "address %s is on %s, not on %s", ip, from->name, to);
		step->address = *address;
		/* it has been in use until now: nobody else can have it, and it must work at once */
		step->address.flags |= IFA_F_NODAD;
	}
}

static bool uses_link(const struct net_route *route, int index) {
	if (route->index == index)
		return true;
	for (size_t i = 0; i < route->hop_count; i++)
		if (i >= NET_HOPS_MAX || route->hops[i] == index)
			return true;
	return false;
}

/* How to put the route in place: in one go where the kernel replaces this very route; elsewhere (IPv4: it is not the
 * first of several in its place; IPv6: there are several) behind the others, and the old one is removed after that. */
static bool replaces_itself(const struct observed *now, const struct net_route *route) {
	bool first = true;

	for (size_t i = 0; i < now->routes.count; i++) {
		const struct net_route *other = &now->routes.items[i];

		if (other == route)
			first = false;
		else if (net_route_same_place(other, route) && (first || route->family == AF_INET6))
			return false;
	}
	return true;
}

/* A default route of the kernel's own, from a router advertisement, cannot be made by us: one of ours in its place
 * would make the kernel fail to make its own at the next advertisement, and leave out the rest of that. So ours comes
 * right behind, serves until then, and goes with its lifetime. */
struct net_route route_as_moved(const struct net_route *route) {
	struct net_route moved = *route;

	if (route->family == AF_INET6 && route->protocol == RTPROT_RA && net_route_is_default(route))
		moved.metric++;
	return moved;
}

static void move_route(struct plan *plan, const struct observed *now, const struct net_route *route,
		       const struct net_link *from, const char *to) {
	const struct net_link *link = net_link_find(&now->links, to);
	const struct net_route moved = route_as_moved(route);
	_cleanup_free_ char *text = route_text(route, from->name);
	bool replaces = moved.metric == route->metric && replaces_itself(now, route);
	bool present = link && route_on(now, link->index, &moved);

	if (!present) {
		struct step *step = plan_step(plan, STEP_ROUTE_ADD, to, "route %s goes over %s, not over %s",
					      text ? text : "", from->name, to);

		step->route = moved;
		step->mode = replaces ? NET_ROUTE_REPLACE : NET_ROUTE_APPEND;
	}
	if (present || !replaces) {
		struct step *step =
		    plan_step(plan, STEP_ROUTE_REMOVE, from->name, "route %s is still there", text ? text : "");

		step->route = *route;
	}
}

void move_routes(struct plan *plan, const struct observed *now, const struct net_link *from, const char *to) {
	/* those without a gateway first: others may need them to reach theirs */
	for (int gateways = 0; gateways < 2; gateways++)
		for (size_t i = 0; i < now->routes.count; i++) {
			const struct net_route *route = &now->routes.items[i];

			if (!uses_link(route, from->index) || route_is_of_kernel(now, route) ||
			    (route->gateway.family != 0) != gateways)
				continue;
			if (!route->complex) {
				move_route(plan, now, route, from, to);
				continue;
			}
			char ip[IP_PREFIX_TEXT];

			ip_prefix_format(&route->destination, true, ip);
			plan_error(plan,
				   "cannot move the route to %s from %s to %s: it has several hops or an "
				   "encapsulation; remove "
				   "it, and add it again over %s afterwards",
				   ip, from->name, to, to);
		}
}

/* The last first: removing IPv4's primary address would take its secondary ones along. */
void move_finish(struct plan *plan, const struct observed *now, const struct net_link *from, const char *to) {
	for (size_t i = now->addresses.count; i-- > 0;) {
		const struct net_address *address = &now->addresses.items[i];
		char ip[IP_PREFIX_TEXT];

		if (!address_moves(address, from->index))
			continue;
		ip_prefix_format(&address->local, true, ip);
		plan_step(plan, STEP_ADDRESS_REMOVE, from->name, "address %s is on %s, which is a port of %s", ip,
			  from->name, to)
		    ->address = *address;
	}
}
