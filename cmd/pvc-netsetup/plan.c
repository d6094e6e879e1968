/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What has to be done until the host is as configured. */
#include "netsetup.h"

/* What one bridge is planned with; device is never NULL, bridge is as long as it does not exist. */
struct context {
	const struct wanted_bridge *want;
	const struct observed *now;
	const struct net_link *device, *bridge;
	struct plan *plan;
};

static void list_links(const struct net_links *links, struct strlist *names, bool *failed) {
	for (size_t i = 0; i < links->count; i++)
		if (!links->items[i].loopback && !wanted_is_our_bridge(links->items[i].name))
			*failed = strlist_add(names, links->items[i].name) < 0 || *failed;
	strlist_sort(names);
}

static void missing_device(const struct context *c) {
	_cleanup_strlist_ struct strlist names = {0};
	_cleanup_free_ char *joined = NULL;

	list_links(&c->now->links, &names, &c->plan->failed);
	joined = strlist_join(&names, ", ");
	plan_error(c->plan, "%s: this host has no device '%s'; it has: %s", c->want->device_key, c->want->device,
		   joined && *joined ? joined : "none");
}

/* Virtual machines and containers are attached to our bridges by others; a second way out of the host would be a loop.
 */
static bool is_way_out(const struct net_link *port) {
	static const char *const kinds[] = {"", "bond", "team", "vlan"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_equal(port->kind, kinds[i]))
			return true;
	return false;
}

static void check_bridge(const struct context *c) {
	if (!c->bridge)
		return;
	if (!str_equal(c->bridge->kind, "bridge")) {
		plan_error(c->plan, "%s exists and is no bridge%s%s: rename or remove it", c->want->name,
			   *c->bridge->kind ? " but a link of kind " : "", c->bridge->kind);
		return;
	}
	for (size_t i = 0; i < c->now->links.count; i++) {
		const struct net_link *port = &c->now->links.items[i];

		if (port->master == c->bridge->index && port != c->device && is_way_out(port))
			plan_error(
			    c->plan,
			    "%s has the port %s already; with %s (%s) beside it there could be a loop: take %s out, or "
			    "run 'pvc-netsetup undo' first",
			    c->want->name, port->name, c->device->name, c->want->device_key, port->name);
	}
}

static void check_device(const struct context *c) {
	const struct net_link *device = c->device, *master = net_link_at(&c->now->links, device->master);

	if (device->loopback || wanted_is_our_bridge(device->name))
		plan_error(c->plan, "%s: '%s' cannot be the port of a bridge", c->want->device_key, device->name);
	if (device->master && (!master || !str_equal(master->name, c->want->name))) {
		if (master && wanted_is_our_bridge(master->name))
			plan_error(c->plan,
				   "%s: %s is a port of %s, from another configuration: run 'pvc-netsetup undo' first",
				   c->want->device_key, device->name, master->name);
		else
			plan_error(c->plan, "%s: %s is a port of %s already: take it out, or configure %s",
				   c->want->device_key, device->name, master ? master->name : "another link",
				   master ? master->name : "another device");
	}
	if ((device->max_mtu && c->want->mtu > device->max_mtu) || c->want->mtu < device->min_mtu)
		plan_error(c->plan, "%s: %s takes an MTU from %u to %u, not %u", c->want->mtu_key, device->name,
			   device->min_mtu, device->max_mtu, c->want->mtu);
}

/* An address of ours must not be elsewhere, nor there with another length. */
static void check_addresses(const struct context *c) {
	for (size_t i = 0; i < c->want->address_count; i++)
		for (size_t j = 0; j < c->now->addresses.count; j++) {
			const struct net_address *a = &c->now->addresses.items[j];
			const struct net_link *link = net_link_at(&c->now->links, a->index);
			struct ip_prefix same = a->local;
			char ip[IP_PREFIX_TEXT], other[IP_PREFIX_TEXT];

			same.prefix = c->want->addresses[i].prefix;
			if (!link || !ip_prefix_equal(&same, &c->want->addresses[i]) || link->loopback)
				continue;
			ip_prefix_format(&c->want->addresses[i], true, ip);
			ip_prefix_format(&a->local, true, other);
			if (link != c->device && link != c->bridge)
				plan_error(c->plan, "%s: %s is on %s already: remove it there",
					   c->want->address_keys[i], ip, link->name);
			else if (a->local.prefix != same.prefix)
				plan_error(c->plan, "%s: %s is on %s as %s: remove it there", c->want->address_keys[i],
					   ip, link->name, other);
			else if (a->flags & IFA_F_DADFAILED)
				plan_error(c->plan, "%s: another host of %s has %s", c->want->address_keys[i],
					   link->name, ip);
		}
}

static void plan_links(const struct context *c) {
	const struct wanted_bridge *want = c->want;
	struct step *step;

	if (c->device->mtu != want->mtu)
		plan_step(c->plan, STEP_LINK_MTU, want->device, "%s: MTU is %u, configured %u (%s)", want->device,
			  c->device->mtu, want->mtu, want->mtu_key)
		    ->mtu = want->mtu;
	if (!c->device->up)
		plan_step(c->plan, STEP_LINK_UP, want->device, "%s is down", want->device);
	if (!c->bridge) {
		step = plan_step(c->plan, STEP_BRIDGE_CREATE, want->name, "bridge %s does not exist", want->name);
		/* Not yet the wanted one: only a bridge whose MTU was *changed* keeps it when a port with a smaller one
		 * joins (a virtual machine's), and setting what is there already is no change. */
		step->mtu = want->mtu - 1;
		/* neighbours, switches and DHCP servers know the host by it; and set by us it does not change when the
		 * port of a virtual machine has a lower one */
		step->has_mac = c->device->has_mac;
		memcpy(step->mac, c->device->mac, sizeof(step->mac));
	} else if (c->bridge->stp || c->bridge->forward_delay) {
		plan_step(c->plan, STEP_BRIDGE_TIMING, want->name,
			  "%s: spanning tree is %s, forwarding delay %u.%02u s; wanted off and none", want->name,
			  c->bridge->stp ? "on" : "off", c->bridge->forward_delay / 100,
			  c->bridge->forward_delay % 100);
	}
	if (c->bridge && c->device->master != c->bridge->index && c->device->has_mac &&
	    memcmp(c->bridge->mac, c->device->mac, NET_MAC_LENGTH) != 0)
		memcpy(
		    plan_step(c->plan, STEP_LINK_MAC, want->name, "%s has not the MAC of %s", want->name, want->device)
			->mac,
		    c->device->mac, NET_MAC_LENGTH);
	if (!c->bridge)
		plan_step(c->plan, STEP_LINK_MTU, want->name, "%s has no MTU of %u yet (%s)", want->name, want->mtu,
			  want->mtu_key)
		    ->mtu = want->mtu;
	else if (c->bridge->mtu != want->mtu)
		plan_step(c->plan, STEP_LINK_MTU, want->name, "%s: MTU is %u, configured %u (%s)", want->name,
			  c->bridge->mtu, want->mtu, want->mtu_key)
		    ->mtu = want->mtu;
	if (!c->bridge || !c->bridge->up)
		plan_step(c->plan, STEP_LINK_UP, want->name, "%s is down", want->name);
}

static void plan_port(const struct context *c) {
	struct step *step;

	if (c->bridge && c->device->master == c->bridge->index)
		return;
	step = plan_step(c->plan, STEP_LINK_MASTER, c->want->device, "%s is no port of %s", c->want->device,
			 c->want->name);
	snprintf(step->target, sizeof(step->target), "%s", c->want->name);
}

static void plan_addresses(const struct context *c) {
	for (size_t i = 0; i < c->want->address_count; i++) {
		const struct ip_prefix *ip = &c->want->addresses[i];
		char text[IP_PREFIX_TEXT];

		if (c->bridge && address_find(c->now, c->bridge->index, ip))
			continue;
		if (address_find(c->now, c->device->index, ip))
			continue; /* it moves with the operator's */
		ip_prefix_format(ip, true, text);
		plan_step(c->plan, STEP_ADDRESS_ADD, c->want->name, "%s has no address %s (%s)", c->want->name, text,
			  c->want->address_keys[i])
		    ->address = net_address_of(ip);
	}
}

/* Will the bridge have an address in whose network the gateway is? */
static bool reaches_gateway(const struct context *c) {
	for (size_t i = 0; i < c->want->address_count; i++)
		if (ip_prefix_contains(&c->want->addresses[i], &c->want->gateway))
			return true;
	for (size_t i = 0; i < c->now->addresses.count; i++) {
		const struct net_address *a = &c->now->addresses.items[i];

		if ((a->index == c->device->index || (c->bridge && a->index == c->bridge->index)) &&
		    ip_prefix_contains(a->peer.family ? &a->peer : &a->local, &c->want->gateway))
			return true;
	}
	return false;
}

/* The operator's other default routes stay. Ours gets the usual metric, or where another one has that, the next that
 * is free: then it is the one to fall back to. */
static void plan_default_route(const struct context *c) {
	const struct ip_prefix *gateway = &c->want->gateway;
	struct net_route route = {.family = gateway->family,
				  .table = RT_TABLE_MAIN,
				  .destination = {.family = gateway->family},
				  .gateway = *gateway,
				  .metric = gateway->family == AF_INET6 ? 1024 : 0, /* the kernel's own default */
				  .protocol = RTPROT_STATIC,
				  .type = RTN_UNICAST};
	char ip[IP_PREFIX_TEXT];

	if (!gateway->family)
		return;
	ip_prefix_format(gateway, false, ip);
	if (!reaches_gateway(c)) {
		plan_note(c->plan, "no default route via %s (%s): %s has no address in its network", ip, GATEWAY_KEY,
			  c->want->name);
		return;
	}
	for (size_t i = 0; i < c->now->routes.count; i++) {
		const struct net_route *other = &c->now->routes.items[i];
		const struct net_link *link = net_link_at(&c->now->links, other->index);

		if (!net_route_is_default(other) || other->family != gateway->family || other->table != RT_TABLE_MAIN)
			continue;
		if (link && (link == c->device || link == c->bridge) && other->gateway.family &&
		    ip_prefix_equal(&other->gateway, gateway))
			return; /* there, whoever made it, or moving with the operator's routes */
		if (other->metric == route.metric) {
			_cleanup_free_ char *text = route_text(other, link ? link->name : "several links");

			plan_note(c->plan,
				  "the default route '%s' is there already and stays: the one via %s (%s) comes "
				  "after it",
				  text ? text : "", ip, GATEWAY_KEY);
			route.metric++;
			i = SIZE_MAX; /* from the start: the next one may be taken too */
		}
	}
	plan_step(c->plan, STEP_ROUTE_ADD, c->want->name, "there is no default route via %s over %s (%s)", ip,
		  c->want->name, GATEWAY_KEY)
	    ->route = route;
}

static void plan_bridge(const struct context *c) {
	if (!c->device) {
		missing_device(c);
		return;
	}
	check_device(c);
	check_bridge(c);
	check_addresses(c);
	plan_links(c);
	move_addresses(c->plan, c->now, c->device, c->want->name);
	plan_port(c);
	move_routes(c->plan, c->now, c->device, c->want->name);
	move_finish(c->plan, c->now, c->device, c->want->name);
	plan_addresses(c);
	plan_default_route(c);
}

int plan_setup(const struct wanted *wanted, const struct observed *now, struct plan *ret) {
	*ret = (struct plan){0};
	for (size_t i = 0; i < wanted->count; i++) {
		const struct wanted_bridge *want = &wanted->bridges[i];

		plan_bridge(&(struct context){.want = want,
					      .now = now,
					      .device = net_link_find(&now->links, want->device),
					      .bridge = net_link_find(&now->links, want->name),
					      .plan = ret});
	}
	return ret->failed ? -ENOMEM : 0;
}
