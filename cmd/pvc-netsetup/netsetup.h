/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-netsetup: the host's own bridges, addresses and default route.
 *
 *   configuration --wanted.c--> struct wanted --+
 *                                               +--plan.c, undo.c, restore.c--> struct plan --execute.c--> kernel
 *   kernel --observe--> struct observed --------+
 *
 * The planners do no I/O: they compare and list steps. A plan with errors is not executed at all. A plan without
 * steps means that the host is as configured: so the same planner is also the verifier and --check. Each step leaves a
 * state from which planning again leads to the same end, so the program may be killed between any two.
 */
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "net/net.h"

#define NETWORKS 3

/* One bridge, its one device, and what the networks that share them want there. */
struct wanted_bridge {
	char name[IFNAMSIZ];
	const char *device;     /* borrowed from the configuration */
	const char *device_key; /* of the configuration */
	const char *mtu_key;
	unsigned mtu;
	struct ip_prefix addresses[NETWORKS];
	const char *address_keys[NETWORKS];
	size_t address_count;
	struct ip_prefix gateway; /* family 0: none */
};
struct wanted {
	struct wanted_bridge bridges[NETWORKS];
	size_t count;
};
#define GATEWAY_KEY "cluster.networks.upstream.gateway"

/* Networks that share a device share a bridge: a device can be in one only. It has the name of the first of cluster,
 * storage, upstream on that device. */
void wanted_from_config(const struct config *config, struct wanted *ret);
/* Is this one of the three names of bridges that this program may make? */
bool wanted_is_our_bridge(const char *name);
/* The first bridge whose device is missing, or NULL. */
const struct wanted_bridge *wanted_missing(const struct wanted *wanted, const struct net_links *links);

struct observed {
	struct net_links links;
	struct net_addresses addresses;
	struct net_routes routes; /* of all tables but "local" */
};
int observe(struct net *net, struct observed *ret, char **ret_error);
void observed_free(struct observed *observed);
#define _cleanup_observed_ _cleanup_(observed_free)

enum step_kind {
	STEP_BRIDGE_CREATE, /* link, mac, mtu */
	STEP_BRIDGE_TIMING, /* link: stp, forward_delay */
	STEP_LINK_MAC,      /* link, mac */
	STEP_LINK_MTU,      /* link, mtu */
	STEP_LINK_UP,       /* link */
	STEP_LINK_DOWN,     /* link */
	STEP_LINK_MASTER,   /* link, target: the bridge, "" for none */
	STEP_LINK_DELETE,   /* link */
	STEP_ADDRESS_ADD,   /* link, address */
	STEP_ADDRESS_REMOVE,
	STEP_ROUTE_ADD, /* link, route, mode */
	STEP_ROUTE_REMOVE,
};
/* Links are named, as some do not exist yet when the plan is made; the index in address and route is filled in when
 * the step is executed. route.metrics is borrowed from what was observed. */
struct step {
	enum step_kind kind;
	char link[IFNAMSIZ], target[IFNAMSIZ];
	unsigned mtu;
	bool stp;
	unsigned forward_delay;
	bool has_mac;
	uint8_t mac[NET_MAC_LENGTH];
	struct net_address address;
	struct net_route route;
	enum net_route_mode mode;
	char *drift; /* what is not as configured, for --check; owned */
};
struct plan {
	struct step *steps;
	size_t count;
	struct strlist errors; /* why it cannot be brought about; nothing may be executed then */
	struct strlist notes;  /* what the operator should know */
	bool failed;           /* no memory */
};
void plan_free(struct plan *plan);
#define _cleanup_plan_ _cleanup_(plan_free)

/* Adds a step. The returned one is for filling in; never NULL (a spare one without memory, then plan->failed is set).
 * The format says what differs. */
struct step *plan_step(struct plan *plan, enum step_kind kind, const char *link, const char *format, ...)
    _printf_(4, 5);
void plan_error(struct plan *plan, const char *format, ...) _printf_(2, 3);
void plan_note(struct plan *plan, const char *format, ...) _printf_(2, 3);
char *step_text(const struct step *step); /* "add 10.0.0.1/24 to brcluster"; NULL without memory */
char *route_text(const struct net_route *route, const char *link);

/* The three planners. 0, or -ENOMEM. */
int plan_setup(const struct wanted *wanted, const struct observed *now, struct plan *ret);
int plan_undo(const struct wanted *wanted, const struct observed *now, struct plan *ret);
/* Back to what was observed before, as far as our bridges and their devices go. */
int plan_restore(const struct wanted *wanted, const struct observed *before, const struct observed *now,
		 struct plan *ret);

/* ---- parts that planners share (move.c) ---- */

/* Moves what the operator has on a link over to another one: first what can be on both (addresses), then the routes,
 * then the addresses leave the old link; between the two calls the caller changes who is a port of whom. */
void move_addresses(struct plan *plan, const struct observed *now, const struct net_link *from, const char *to);
void move_routes(struct plan *plan, const struct observed *now, const struct net_link *from, const char *to);
void move_finish(struct plan *plan, const struct observed *now, const struct net_link *from, const char *to);
/* Does this address of the link move with it? (Not IPv6 link-local ones: each link has its own.) */
bool address_moves(const struct net_address *address, int index);
/* Is it one that the kernel makes by itself, for an address or for link-local traffic? */
bool route_is_of_kernel(const struct observed *now, const struct net_route *route);
/* The same address on a link of that name? (NULL: on any.) */
const struct net_address *address_find(const struct observed *now, int index, const struct ip_prefix *ip);
/* Is there such a route over that link? */
bool route_on(const struct observed *state, int index, const struct net_route *route);
struct net_route route_as_moved(const struct net_route *route); /* what it has to be on another link */

/* ---- execution (execute.c) ---- */

int plan_execute(struct net *net, struct plan *plan, char **ret_error);

/* ---- the whole (run.c): exit codes of the suite ---- */

int run_check(const struct wanted *wanted, bool undo); /* names what differs; changes nothing */
int run_dry(const struct wanted *wanted, bool undo);   /* names what would be done; changes nothing */
/* lock_path: the configuration, which is locked meanwhile */
int run_setup(const struct wanted *wanted, const char *lock_path, usec_t deadline);
int run_undo(const struct wanted *wanted, const char *lock_path);
