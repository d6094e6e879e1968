/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From what is wanted and what is, to what has to be done. */
#include "network.h"

#define OVERHEAD_4 50 /* bytes: inner Ethernet 14, VXLAN 8, UDP 8, IPv4 20 */
#define OVERHEAD_6 70

struct context {
	uint32_t vni;
	const struct network_state *state;
	const struct underlay *underlay;
	struct network_plan *plan;
};

static const char *const prefixes[NETWORK_ROLES] = {"vmbr", "vxlan", "vlan"};
static const char *const kinds[NETWORK_ROLES] = {"bridge", "vxlan", "vlan"};

enum network_type network_type_parse(const char *word) {
	if (!word)
		return NETWORK_INCOMPLETE;
	return str_equal(word, "managed")   ? NETWORK_MANAGED
	       : str_equal(word, "bridged") ? NETWORK_BRIDGED
					    : NETWORK_UNKNOWN;
}

void network_link_name(enum network_role role, uint32_t vni, char ret[IFNAMSIZ]) {
	snprintf(ret, IFNAMSIZ, "%s%u", prefixes[role], vni);
}

int network_parse_vni(const char *key, uint32_t *ret) {
	uint64_t number;
	int r;

	if (*key == '0' && key[1]) /* another spelling of a number: two keys must not mean one network */
		return -EINVAL;
	r = parse_u64(key, 1, NETWORK_VNI_MAX, &number);
	if (r >= 0)
		*ret = (uint32_t)number;
	return r;
}

bool network_parse_name(const char *name, enum network_role *ret_role, uint32_t *ret_vni) {
	for (size_t role = 0; role < NETWORK_ROLES; role++)
		if (str_starts(name, prefixes[role]) &&
		    network_parse_vni(name + strlen(prefixes[role]), ret_vni) >= 0) {
			*ret_role = (enum network_role)role;
			return true;
		}
	return false;
}

void network_mac(const char *node, uint32_t vni, uint8_t ret[NET_MAC_LENGTH]) {
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a: spreads well, needs no secret */
	_cleanup_free_ char *text = str_printf("%s/%u", node, vni);

	for (const char *p = text ? text : ""; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3;
	ret[0] = 0x02; /* administered locally, a single station */
	for (int i = 1; i < NET_MAC_LENGTH; i++)
		ret[i] = (uint8_t)(hash >> (8 * i));
}

unsigned underlay_vxlan_mtu(const struct underlay *underlay) {
	unsigned overhead = underlay->local.family == AF_INET6 ? OVERHEAD_6 : OVERHEAD_4;
	unsigned mtu = underlay->cluster_mtu < underlay->cluster.mtu ? underlay->cluster_mtu : underlay->cluster.mtu;

	return mtu >= overhead + NETWORK_MTU_MIN ? mtu - overhead : 0;
}

/* ---- steps ---- */

static struct step *add_step(const struct context *c, enum step_kind kind) {
	static struct step spare; /* without memory: filled in and forgotten */
	struct network_plan *plan = c->plan;
	struct step *steps = reallocarray(plan->steps, plan->count + 1, sizeof(*steps));

	if (!steps) {
		plan->failed = true;
		return &spare;
	}
	plan->steps = steps;
	steps[plan->count] = (struct step){.kind = kind};
	return &steps[plan->count++];
}

/* A step about one of the network's links; its index is 0 as long as it does not exist. */
static struct step *link_step(const struct context *c, enum step_kind kind, enum network_role role) {
	struct step *step = add_step(c, kind);

	network_link_name(role, c->vni, step->values.name);
	if (c->state->has[role])
		step->values.index = c->state->links[role].index;
	return step;
}

static struct net_link *change(const struct context *c, enum network_role role, enum net_batch_what what) {
	struct step *step = link_step(c, STEP_CHANGE, role);

	step->what = what;
	return &step->values;
}

static void setting(const struct context *c, enum network_role role, const char *name, const char *value) {
	struct step *step = link_step(c, STEP_SETTING, role);

	step->setting = name;
	step->value = value;
}

_printf_(2, 3) static void refuse(const struct context *c, const char *format, ...) {
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (strlist_take(&c->plan->errors, text) < 0)
		c->plan->failed = true;
}

static bool is_ours(const struct context *c, enum network_role role) {
	return c->state->has[role] && str_equal(c->state->links[role].alias, NETWORK_ALIAS);
}

/* Somebody else's link has the name: then it is named, and nothing is done with it. */
static bool is_taken(const struct context *c, enum network_role role) {
	const struct net_link *link = &c->state->links[role];

	if (!c->state->has[role] || (is_ours(c, role) && str_equal(link->kind, kinds[role])))
		return false;
	refuse(c,
	       "the link %s (%s) was not made by pvc and is left alone: rename or remove it, or hand it over with 'ip "
	       "link set %s alias " NETWORK_ALIAS "'",
	       link->name, *link->kind ? link->kind : "hardware", link->name);
	return true;
}

static void drop(const struct context *c, enum network_role role) {
	if (is_ours(c, role) && str_equal(c->state->links[role].kind, kinds[role]))
		change(c, role, NET_BATCH_DELETE);
}

static void mark(const struct context *c, enum network_role role) {
	struct net_link *values = change(c, role, NET_BATCH_ALIAS);

	snprintf(values->alias, sizeof(values->alias), "%s", NETWORK_ALIAS);
}

/* ---- the bridge ---- */

static void make_bridge(const struct context *c, unsigned mtu) {
	struct net_link *values = &link_step(c, STEP_BRIDGE, NETWORK_BRIDGE)->values;

	network_mac(c->underlay->node, c->vni, values->mac);
	/* Not yet the wanted one: only a bridge whose MTU was *changed* keeps it when a port with a smaller one joins,
	 * and setting what is there already is no change. */
	values->mtu = mtu - 1;
	mark(c, NETWORK_BRIDGE);
	change(c, NETWORK_BRIDGE, NET_BATCH_MTU)->mtu = mtu;
	change(c, NETWORK_BRIDGE, NET_BATCH_ADDRESS_MODE)->address_mode = IN6_ADDR_GEN_MODE_NONE;
}

/* IPv6 of the host: on a managed network what the gateway needs, but nothing that a guest advertises; on a bridged one
 * none at all (D73). It is settled before the link is up for the first time. */
static void plan_bridge_ipv6(const struct context *c, bool host_takes_part) {
	const struct net_link *bridge = &c->state->links[NETWORK_BRIDGE];
	int mode = host_takes_part ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE;

	if (bridge->address_mode < 0) /* a kernel without IPv6 */
		return;
	if (bridge->accept_ra)
		setting(c, NETWORK_BRIDGE, "accept_ra", "0");
	if (bridge->ipv6_off == host_takes_part)
		setting(c, NETWORK_BRIDGE, "disable_ipv6", host_takes_part ? "0" : "1");
	if (bridge->address_mode != mode)
		change(c, NETWORK_BRIDGE, NET_BATCH_ADDRESS_MODE)->address_mode = mode;
}

static bool plan_bridge(const struct context *c, unsigned mtu, bool host_takes_part) {
	const struct net_link *bridge = &c->state->links[NETWORK_BRIDGE];
	uint8_t mac[NET_MAC_LENGTH];

	if (is_taken(c, NETWORK_BRIDGE))
		return false;
	if (!c->state->has[NETWORK_BRIDGE]) {
		make_bridge(c, mtu);
		return true;
	}
	network_mac(c->underlay->node, c->vni, mac);
	if (memcmp(bridge->mac, mac, sizeof(mac)) != 0)
		memcpy(change(c, NETWORK_BRIDGE, NET_BATCH_MAC)->mac, mac, sizeof(mac));
	if (bridge->mtu != mtu)
		change(c, NETWORK_BRIDGE, NET_BATCH_MTU)->mtu = mtu;
	if (bridge->stp)
		change(c, NETWORK_BRIDGE, NET_BATCH_STP);
	if (bridge->forward_delay)
		change(c, NETWORK_BRIDGE, NET_BATCH_DELAY);
	plan_bridge_ipv6(c, host_takes_part);
	if (!bridge->up)
		change(c, NETWORK_BRIDGE, NET_BATCH_UP)->up = true;
	return true;
}

/* ---- the port ---- */

/* What both kinds have in common, once the link exists. */
static void plan_port(const struct context *c, enum network_role role, unsigned mtu) {
	const struct net_link *port = &c->state->links[role];
	int bridge = c->state->has[NETWORK_BRIDGE] ? c->state->links[NETWORK_BRIDGE].index : 0;

	if (port->mtu != mtu)
		change(c, role, NET_BATCH_MTU)->mtu = mtu;
	if (port->address_mode >= 0 && port->address_mode != IN6_ADDR_GEN_MODE_NONE)
		change(c, role, NET_BATCH_ADDRESS_MODE)->address_mode = IN6_ADDR_GEN_MODE_NONE;
	if (!bridge) /* comes with this plan: the next one joins them */
		return;
	if (port->master != bridge)
		change(c, role, NET_BATCH_MASTER)->master = bridge;
	if (!port->up)
		change(c, role, NET_BATCH_UP)->up = true;
}

static void finish_making(const struct context *c, enum network_role role) {
	mark(c, role);
	change(c, role, NET_BATCH_ADDRESS_MODE)->address_mode = IN6_ADDR_GEN_MODE_NONE;
}

static bool same_address(const struct ip_prefix *a, const struct ip_prefix *b) {
	return a->family == b->family && (a->family == 0 || ip_prefix_equal(a, b));
}

static bool same_vxlan(const struct net_vxlan *a, const struct net_vxlan *b) {
	return a->id == b->id && a->link == b->link && a->port == b->port && a->learning == b->learning &&
	       same_address(&a->local, &b->local);
}

static bool is_peer(const struct underlay *underlay, const struct ip_prefix *address) {
	for (size_t i = 0; i < underlay->peer_count; i++)
		if (ip_prefix_equal(&underlay->peers[i], address))
			return true;
	return false;
}

static bool floods_to(const struct net_floods *floods, const struct ip_prefix *address) {
	for (size_t i = 0; i < floods->count; i++)
		if (ip_prefix_equal(&floods->items[i].to, address))
			return true;
	return false;
}

static void plan_floods(const struct context *c) {
	const struct underlay *underlay = c->underlay;
	const struct net_floods *floods = &c->state->floods;
	int index = c->state->links[NETWORK_VXLAN].index;

	for (size_t i = 0; i < underlay->peer_count; i++)
		if (underlay->peers[i].family == underlay->local.family && !floods_to(floods, &underlay->peers[i])) {
			struct step *step = link_step(c, STEP_FLOOD, NETWORK_VXLAN);

			step->flood = (struct net_flood){.index = index, .to = underlay->peers[i]};
		}
	for (size_t i = 0; underlay->peers_complete && i < floods->count; i++)
		if (!floods->items[i].foreign && !is_peer(underlay, &floods->items[i].to))
			link_step(c, STEP_UNFLOOD, NETWORK_VXLAN)->flood = floods->items[i];
}

static void plan_vxlan(const struct context *c, unsigned mtu) {
	const struct underlay *underlay = c->underlay;
	struct net_vxlan want = {.id = c->vni,
				 .link = underlay->cluster.index,
				 .port = NETWORK_PORT,
				 .learning = !underlay->evpn,
				 .local = underlay->local};

	if (want.local.family) /* of one host, as the kernel tells it */
		want.local.prefix = want.local.family == AF_INET ? 32 : 128;
	if (is_taken(c, NETWORK_VXLAN))
		return;
	if (!c->state->has[NETWORK_VXLAN]) {
		struct step *step = link_step(c, STEP_VXLAN, NETWORK_VXLAN);

		step->values.vxlan = want;
		step->values.mtu = mtu;
		finish_making(c, NETWORK_VXLAN);
		return;
	}
	/* Made anew: also between EVPN and flooding, so that no entries of the other way are left in its table. */
	if (!same_vxlan(&c->state->links[NETWORK_VXLAN].vxlan, &want)) {
		change(c, NETWORK_VXLAN, NET_BATCH_DELETE);
		return;
	}
	plan_port(c, NETWORK_VXLAN, mtu);
	if (!underlay->evpn)
		plan_floods(c);
}

static void plan_vlan(const struct context *c) {
	const struct underlay_link *device = &c->underlay->device;
	const struct net_link *vlan = &c->state->links[NETWORK_VLAN];

	if (is_taken(c, NETWORK_VLAN))
		return;
	if (!c->state->has[NETWORK_VLAN]) {
		struct step *step = link_step(c, STEP_VLAN, NETWORK_VLAN);

		step->values.parent = device->index;
		step->values.vlan = c->vni;
		step->values.mtu = device->mtu;
		finish_making(c, NETWORK_VLAN);
		return;
	}
	if (vlan->vlan != c->vni || vlan->parent != device->index) {
		change(c, NETWORK_VLAN, NET_BATCH_DELETE);
		return;
	}
	plan_port(c, NETWORK_VLAN, device->mtu);
}

/* ---- the kinds of networks ---- */

static void plan_managed(const struct context *c) {
	const struct underlay *underlay = c->underlay;
	unsigned mtu = underlay_vxlan_mtu(underlay);

	drop(c, NETWORK_VLAN);
	if (underlay->cluster.index == 0) {
		refuse(c, "there is no link %s for its VXLAN: run pvc-netsetup", underlay->cluster.name);
		return;
	}
	if (mtu == 0) {
		refuse(c, "the MTU of %s is %u: nothing is left for a VXLAN", underlay->cluster.name,
		       underlay->cluster.mtu);
		return;
	}
	if (plan_bridge(c, mtu, true))
		plan_vxlan(c, mtu);
}

static void plan_bridged(const struct context *c) {
	const struct underlay_link *device = &c->underlay->device;

	drop(c, NETWORK_VXLAN);
	if (c->vni > NETWORK_VLAN_MAX) {
		refuse(c, "a bridged network's number is its VLAN's: 1 to %u", NETWORK_VLAN_MAX);
		return;
	}
	if (device->index == 0) {
		refuse(c, "this host has no device '%s' (system.configuration.networking.bridge_device)",
		       device->name ? device->name : "");
		return;
	}
	if (plan_bridge(c, device->mtu, false))
		plan_vlan(c);
}

/* Its ports are cut off at once, as the network is no more. Its bridge stays as long as guests are attached: a virtual
 * machine would lose its network card for good. */
static void plan_removal(const struct context *c) {
	drop(c, NETWORK_VXLAN);
	drop(c, NETWORK_VLAN);
	if (is_ours(c, NETWORK_BRIDGE) && c->state->guests > 0)
		c->plan->waits = true;
	else
		drop(c, NETWORK_BRIDGE);
}

int network_plan_make(uint32_t vni, enum network_type type, const struct network_state *state,
		      const struct underlay *underlay, struct network_plan *ret) {
	const struct context c = {vni, state, underlay, ret};

	*ret = (struct network_plan){0};
	switch (type) {
	case NETWORK_INCOMPLETE:
		refuse(&c, "its key nettype is missing");
		break;
	case NETWORK_UNKNOWN:
		refuse(&c, "its nettype is neither 'managed' nor 'bridged'");
		break;
	case NETWORK_MANAGED:
		plan_managed(&c);
		break;
	case NETWORK_BRIDGED:
		plan_bridged(&c);
		break;
	case NETWORK_GONE:
		plan_removal(&c);
		break;
	}
	return ret->failed ? -ENOMEM : 0;
}

void network_plan_free(struct network_plan *plan) {
	free(plan->steps);
	strlist_free(&plan->errors);
	*plan = (struct network_plan){0};
}
