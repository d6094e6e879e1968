/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net: links, addresses and routes of this network namespace, through rtnetlink (libmnl).
 *
 * Every change waits for the kernel's acknowledgement (microseconds, so daemons may call it from their loop). On
 * failure *ret_error holds the kernel's own words: the errno's text and, where the kernel sent one, the extended
 * acknowledgement ("mtu greater than device maximum"); the caller says what it attempted. Dumps that the kernel marks
 * as interrupted (something changed meanwhile) are read again, so what is returned was true at one time.
 *
 * Links are named by index (ifindex) as the kernel does; net_link_find() and net_link_by_name() translate.
 */
#pragma once

#include "base/base.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

/* ---- socket (socket.c) ---- */

struct net; /* one socket; not thread-safe */
int net_open(struct net **ret, char **ret_error);
void net_close(struct net *net);
static inline void net_closep(struct net **net) {
	net_close(*net);
}
#define _cleanup_net_ _cleanup_(net_closep)

/* A socket that hears of changes of links, addresses and routes, for net_monitor_wait() and for a loop. Requests
 * need a socket of their own. */
int net_monitor_open(struct net **ret, char **ret_error);
int net_monitor_fd(const struct net *monitor);
/* Waits until something changed since the last call (1) or the deadline passed (0). Open the monitor before the state
 * is read, then nothing is missed. */
int net_monitor_wait(struct net *monitor, usec_t deadline);

/* For a loop: a monitor of links alone that tells each change. `changed` gets the link as it is now, or was when it
 * went (`gone`). */
struct net_link;
typedef void (*net_link_changed_fn)(const struct net_link *link, bool gone, void *userdata);
int net_link_monitor_open(struct net **ret, char **ret_error);
/* Tells all that is waiting, without blocking. 1: more came than was kept, so anything may have changed; else 0. */
int net_link_monitor_read(struct net *monitor, net_link_changed_fn changed, void *userdata);

/* ---- links (link.c) ---- */

#define NET_MAC_LENGTH 6
#define NET_ALIAS      32 /* bytes of an alias that are read, with the NUL */

struct net_vxlan {
	uint32_t id;            /* 0 to 16777215 */
	int link;               /* index of the link below, 0: whatever the routes say */
	uint16_t port;          /* UDP, of the destination */
	bool learning;          /* where a MAC is, from what it sends */
	struct ip_prefix local; /* source address; family 0: what the routes say */
};

struct net_link {
	int index;
	char name[IFNAMSIZ];
	char kind[32];             /* "bridge", "veth", "vxlan", "tun"...; "" for hardware */
	unsigned mtu;              /* bytes */
	unsigned min_mtu, max_mtu; /* what the driver takes; 0: it does not say */
	bool up;                   /* somebody wants it up (IFF_UP) */
	bool running;              /* and it has a carrier (IFF_RUNNING) */
	bool loopback;
	int master; /* index of the bridge, bond... that it is a port of, or 0 */
	int parent; /* index of the link below (VLAN, VXLAN, macvlan) or the veth's other end, or 0 */
	bool has_mac;
	uint8_t mac[NET_MAC_LENGTH];
	int address_mode;       /* IN6_ADDR_GEN_MODE_*, or -1 where there is no IPv6 */
	bool ipv6_off;          /* the setting disable_ipv6 */
	bool accept_ra;         /* IPv6 addresses from router advertisements: the setting accept_ra is not 0 */
	bool stp;               /* bridges: the spanning tree is on */
	unsigned forward_delay; /* bridges: in 1/100 s */
	char alias[NET_ALIAS];  /* what an administrator noted at the link, cut; "": nothing */
	struct net_vxlan vxlan; /* kind vxlan; its link is `parent` */
	unsigned vlan;          /* kind vlan: the tag */
};
struct net_links {
	struct net_link *items;
	size_t count;
};
int net_links_read(struct net *net, struct net_links *ret, char **ret_error);
void net_links_free(struct net_links *links);
#define _cleanup_net_links_ _cleanup_(net_links_free)
const struct net_link *net_link_find(const struct net_links *links, const char *name); /* NULL: no such link */
const struct net_link *net_link_at(const struct net_links *links, int index);          /* NULL: no such link */
/* One link, fresh from the kernel. -ENODEV when there is none of that name. */
int net_link_by_name(struct net *net, const char *name, struct net_link *ret, char **ret_error);

/* A bridge without spanning tree and without forwarding delay, not yet up. mac may be NULL: then the kernel makes one
 * and changes it as ports come and go. mtu 0: the kernel's default. -EEXIST: a link of that name exists. */
int net_bridge_create(struct net *net, const char *name, const uint8_t *mac, unsigned mtu, char **ret_error);
int net_bridge_set_timing(struct net *net, int index, bool stp, unsigned forward_delay, char **ret_error);
int net_link_set_up(struct net *net, int index, bool up, char **ret_error);
int net_link_set_mtu(struct net *net, int index, unsigned mtu, char **ret_error);
int net_link_set_mac(struct net *net, int index, const uint8_t mac[NET_MAC_LENGTH], char **ret_error);
int net_link_set_master(struct net *net, int index, int master, char **ret_error); /* master 0: none */
int net_link_set_address_mode(struct net *net, int index, uint8_t mode, char **ret_error);
int net_link_delete(struct net *net, int index, char **ret_error); /* 0 also when it is gone already */

/* ---- many changes in one go (batch.c) ---- */

/* Collects changes of links and addresses and sends many in one call, so that a thousand links cost little more than
 * their making. A change may name what an earlier one of the same batch makes. Those of one group, which begins with
 * each net_batch_group(), reach the kernel in one call: a program that is killed leaves all of a group or nothing. (The
 * kernel goes on after a change that it refused.) The first failed allocation is kept and told by net_batch_run(). */
struct net_batch;
struct net_batch *net_batch_new(void); /* NULL without memory: all calls accept NULL */
void net_batch_free(struct net_batch *batch);
static inline void net_batch_freep(struct net_batch **batch) {
	net_batch_free(*batch);
}
#define _cleanup_net_batch_ _cleanup_(net_batch_freep)
void net_batch_group(struct net_batch *batch);
/* Sends all and empties the batch. `failed` is called for each change that was refused, with its number in the order of
 * adding, from 0. 0, or -errno when not all could be sent or not all answers came. */
typedef void (*net_batch_failed_fn)(size_t number, int error, const char *text, void *userdata);
int net_batch_run(struct net *net, struct net_batch *batch, net_batch_failed_fn failed, void *userdata,
		  char **ret_error);

/* As net_bridge_create(); the links that are made are not up. mtu 0: the kernel's default. */
void net_batch_bridge(struct net_batch *batch, const char *name, const uint8_t *mac, unsigned mtu);
void net_batch_vxlan(struct net_batch *batch, const char *name, const struct net_vxlan *vxlan, unsigned mtu);
/* A link for the tagged frames of another. -EOPNOTSUPP: the kernel has no such links (module 8021q). */
void net_batch_vlan(struct net_batch *batch, const char *name, int parent, unsigned tag, unsigned mtu);
enum net_batch_what {
	NET_BATCH_UP,           /* up */
	NET_BATCH_MTU,          /* mtu */
	NET_BATCH_MAC,          /* mac */
	NET_BATCH_MASTER,       /* master */
	NET_BATCH_ALIAS,        /* alias */
	NET_BATCH_ADDRESS_MODE, /* address_mode */
	NET_BATCH_STP,          /* stp */
	NET_BATCH_DELAY,        /* forward_delay; 0 only where the spanning tree is off */
	NET_BATCH_DELETE,
};
/* Changes that field of the link with values->index, or where that is 0 with values->name. */
void net_batch_change(struct net_batch *batch, enum net_batch_what what, const struct net_link *values);

/* ---- where a VXLAN sends frames whose place it does not know (flood.c) ---- */

/* One remote address of the entry 00:00:00:00:00:00 in a VXLAN's forwarding table: broadcasts, multicasts and frames to
 * a MAC that was not learnt go to each of them. */
struct net_flood {
	int index;           /* of the VXLAN */
	struct ip_prefix to; /* a single address */
	bool foreign;        /* put there by a routing daemon (NTF_EXT_LEARNED) */
};
struct net_floods {
	struct net_flood *items;
	size_t count;
};
/* Of one link, or with index 0 of all. A link that went meanwhile has none. */
int net_floods_read(struct net *net, int index, struct net_floods *ret, char **ret_error);
void net_floods_free(struct net_floods *floods);
#define _cleanup_net_floods_ _cleanup_(net_floods_free)
void net_batch_flood(struct net_batch *batch, const struct net_flood *flood, bool add);

/* ---- addresses (address.c) ---- */

#define NET_FOREVER UINT32_MAX

struct net_address {
	int index;                 /* of the link */
	struct ip_prefix local;    /* the host's address with the length of its network */
	struct ip_prefix peer;     /* point-to-point: the other end; family 0 for none */
	struct in_addr broadcast;  /* IPv4; 0 for none */
	uint32_t flags;            /* IFA_F_* */
	uint8_t scope;             /* RT_SCOPE_* */
	uint32_t metric;           /* of the network's route; 0: the kernel's default */
	uint32_t valid, preferred; /* seconds left, NET_FOREVER for no limit */
};
struct net_addresses {
	struct net_address *items;
	size_t count;
};
/* All of both families, in the kernel's order (IPv4: a primary address before its secondary ones). */
int net_addresses_read(struct net *net, struct net_addresses *ret, char **ret_error);
void net_addresses_free(struct net_addresses *addresses);
#define _cleanup_net_addresses_ _cleanup_(net_addresses_free)

/* An address as `ip address add` makes it: scope global, no broadcast, for ever. */
struct net_address net_address_of(const struct ip_prefix *ip);
bool net_address_is_link_local(const struct net_address *address); /* fe80::/10: the kernel's own, one per link */
/* Adds it, or gives the one that is there these lifetimes. */
int net_address_add(struct net *net, const struct net_address *address, char **ret_error);
int net_address_remove(struct net *net, const struct net_address *address, char **ret_error); /* gone already: 0 */
/* The same as one change of a batch. One that is gone already is refused with -EADDRNOTAVAIL or -ENODEV. */
void net_batch_address(struct net_batch *batch, const struct net_address *address, bool add);

/* ---- who has an address (neighbour.c) ---- */

/* The MAC that the kernel has for an address on that link: certain for a peer that it has just exchanged packets with.
 * -ENOENT: it has none. Sends nothing. */
int net_neighbour_mac(struct net *net, int index, const struct ip_prefix *ip, uint8_t ret[NET_MAC_LENGTH],
		      char **ret_error);

/* ---- telling the neighbours (announce.c) ---- */

#define NET_ANNOUNCEMENT_MAX 128 /* bytes */
/* The frame that says "this address is at that MAC": gratuitous ARP, or an unsolicited neighbour advertisement of a
 * router. Returns its length. */
size_t net_announcement(const uint8_t mac[NET_MAC_LENGTH], const struct ip_prefix *ip,
			uint8_t out[NET_ANNOUNCEMENT_MAX]);
/* A socket for net_announce(), which the caller keeps and closes: closing one takes the kernel 10 ms and more, as it
 * waits until no processor uses it. Needs CAP_NET_RAW. */
int net_announce_open(char **ret_error);
/* Sends it once out of that link; frames get lost, so callers repeat it a few times. */
int net_announce(int fd, int index, const uint8_t mac[NET_MAC_LENGTH], const struct ip_prefix *ip, char **ret_error);

/* ---- routes (route.c) ---- */

#define NET_HOPS_MAX 16

struct net_route {
	int family;
	uint32_t table;               /* RT_TABLE_MAIN... */
	struct ip_prefix destination; /* prefix 0: default route */
	struct ip_prefix gateway;     /* family 0: on link; may be of another family than the route */
	struct ip_prefix source;      /* preferred source address; family 0: none */
	int index;                    /* of the link; 0: none, or several hops */
	uint32_t metric;
	uint8_t protocol; /* RTPROT_*: who made it */
	uint8_t scope, type, tos;
	uint32_t flags;     /* of RTNH_F_ONLINK only */
	uint32_t expires;   /* seconds left, 0: never */
	uint8_t preference; /* IPv6 router preference (RFC 4191) */
	/* A route with several hops, an encapsulation or such: it can be read, not written. hops: their links;
	 * hop_count may be greater than NET_HOPS_MAX. */
	bool complex;
	int hops[NET_HOPS_MAX];
	size_t hop_count;
	uint8_t *metrics; /* RTA_METRICS as the kernel gave it (mtu, window...), or NULL; owned by the list */
	size_t metrics_length;
};
struct net_routes {
	struct net_route *items;
	size_t count;
};
/* Of one table, or with table 0 of all but the kernel's "local" one; both families, in the kernel's order. */
int net_routes_read(struct net *net, uint32_t table, struct net_routes *ret, char **ret_error);
void net_routes_free(struct net_routes *routes);
#define _cleanup_net_routes_ _cleanup_(net_routes_free)

bool net_route_is_default(const struct net_route *route);
/* The same place in the table: family, table, destination, type of service and metric. IPv4 has a list there, of which
 * the first counts; IPv6 joins those with gateways to one route with several hops. */
bool net_route_same_place(const struct net_route *a, const struct net_route *b);

enum net_route_mode {
	NET_ROUTE_ADD,     /* -EEXIST when there is one in its place */
	NET_ROUTE_APPEND,  /* behind those in its place; the very same one again is no error */
	NET_ROUTE_REPLACE, /* at once instead of the first in its place, or added */
};
int net_route_add(struct net *net, const struct net_route *route, enum net_route_mode mode, char **ret_error);
int net_route_remove(struct net *net, const struct net_route *route, char **ret_error); /* gone already: 0 */
