/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one client network needs on this host, and what has to be done until it is so. No I/O here (plan.c, evpn.c): the
 * planner compares and lists steps that can all be executed at once; what depends on links that do not exist yet comes
 * out of the next comparison. A plan without steps and errors means that all is as wanted.
 *
 *	managed  vmbr<vni> with the port vxlan<vni>, which is on the bridge that has this host's cluster address
 *	bridged  vmbr<vni> with the port vlan<vni>, which is on bridge_device; no IPv6 of the host on it
 *
 * A link with such a name is ours when it has the alias NETWORK_ALIAS too. Others are left alone.
 */
#pragma once

#include "net/net.h"

#define NETWORK_ALIAS    "pvc"
#define NETWORK_PORT     4789     /* UDP, IANA's for VXLAN and the reference's */
#define NETWORK_VNI_MAX  16777215 /* 24 bits */
#define NETWORK_VLAN_MAX 4094
#define NETWORK_MTU_MIN  68 /* the least that a bridge takes */

enum network_type {
	NETWORK_INCOMPLETE, /* its key nettype is missing: being made or deleted at this moment, or damaged */
	NETWORK_UNKNOWN,    /* nettype is no known word */
	NETWORK_MANAGED,
	NETWORK_BRIDGED,
	NETWORK_GONE /* deleted */
};
enum network_type network_type_parse(const char *word); /* NULL: the key is missing */

enum network_role { NETWORK_BRIDGE, NETWORK_VXLAN, NETWORK_VLAN, NETWORK_ROLES };
void network_link_name(enum network_role role, uint32_t vni, char ret[IFNAMSIZ]);
/* Is it a name of that pattern? */
bool network_parse_name(const char *name, enum network_role *ret_role, uint32_t *ret_vni);
/* The VNI that a key below /networks names: plain digits, 1 to NETWORK_VNI_MAX. -EINVAL, -ERANGE. */
int network_parse_vni(const char *key, uint32_t *ret);
/* A MAC of its own for each host's end of each network, the same after every restart: guests remember it. */
void network_mac(const char *node, uint32_t vni, uint8_t ret[NET_MAC_LENGTH]);

/* What all networks of this host hang on. */
struct underlay_link {
	const char *name; /* borrowed; NULL when not configured */
	int index;        /* 0: there is none of that name */
	unsigned mtu;
};
struct underlay {
	const char *node;
	struct underlay_link cluster; /* the bridge with the cluster address */
	struct underlay_link device;  /* bridge_device */
	unsigned cluster_mtu;         /* as configured; the link may have another one */
	struct ip_prefix local;       /* the cluster address; family 0: none */
	bool evpn;                    /* a routing daemon says where frames go: no learning, no floods of ours */
	const struct ip_prefix *peers;
	size_t peer_count;
	bool peers_complete; /* the addresses of all nodes are known: what is no peer may be taken out */
};
/* The MTU of managed networks: what is configured, as far as it fits the link; 0 when nothing is left. */
unsigned underlay_vxlan_mtu(const struct underlay *underlay);

struct network_state {
	bool has[NETWORK_ROLES];
	struct net_link links[NETWORK_ROLES];
	struct net_floods floods; /* of the VXLAN */
	size_t guests;            /* ports of the bridge that are not ours; only counted for networks that are gone */
};

enum step_kind { STEP_BRIDGE, STEP_VXLAN, STEP_VLAN, STEP_CHANGE, STEP_FLOOD, STEP_UNFLOOD, STEP_SETTING };
struct step {
	enum step_kind kind;
	enum net_batch_what what; /* STEP_CHANGE */
	struct net_link values;   /* name, index where it exists, and what is set; for a VLAN parent and tag */
	struct net_flood flood;
	const char *setting, *value; /* below net.ipv6.conf.<name> */
};
struct network_plan {
	struct step *steps;
	size_t count;
	struct strlist errors;
	bool waits; /* for guests to leave the bridge */
	bool failed;
};
void network_plan_free(struct network_plan *plan);
#define _cleanup_network_plan_ _cleanup_(network_plan_free)
int network_plan_make(uint32_t vni, enum network_type type, const struct network_state *state,
		      const struct underlay *underlay, struct network_plan *ret);
char *step_text(const struct step *step); /* "make the bridge vmbr5"; NULL without memory */

/* ---- evpn.c ---- */

/* Do these texts of FRR (/etc/frr/daemons, /etc/frr/frr.conf) make it distribute what is behind the kernel's VXLANs? */
bool evpn_daemon_enabled(const char *daemons);
bool evpn_advertises(const char *config);
