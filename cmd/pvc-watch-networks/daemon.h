/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-watch-networks: client networks on this node. One object, in main(); all of it runs on the loop but the calls
 *into the firewall and look-ups of names, which are jobs.
 *
 *	table.c     the networks: /networks and what is watched of each
 *	rules.c     one direction's rules of one network
 *	peers.c     /nodes: where the other ends of VXLANs are
 *	underlay.c  what all networks hang on: cluster bridge, bridge_device, EVPN or flooding
 *	links.c     bridges, VXLANs and VLANs: compare (plan.c), change, compare again; drift
 *	leftovers.c links of networks that are no more
 *	firewall.c  chains and rules
 *	report.c    what is wrong, for operators: /nodes/ME/network_errors
 */
#pragma once

#include "config/config.h"
#include "event/event.h"
#include "firewall/network.h"
#include "log/log.h"
#include "network.h"
#include "store/store.h"

#define TICK_TIME     (5 * USEC_PER_SEC)  /* what is incomplete is looked at again */
#define RETRY_TIME    (10 * USEC_PER_SEC) /* before what failed is tried again */
#define COMPARE_TIME  (60 * USEC_PER_SEC) /* between full comparisons: what no event tells (floods, settings) */
#define SETTLE_TIME   (2 * USEC_PER_SEC)  /* how long a key may be missing: clients delete one key after the other */
#define NETWORKS_MAX  10000               /* more is a runaway writer */
#define RULES_MAX     1000                /* of one direction of one network */
#define MESSAGE_BYTES 200                 /* of foreign text in one message */

struct daemon;
struct network;

/* ---- rules.c ---- */

struct rule;
struct rule_list {
	struct network *network;
	enum network_direction direction;
	struct store_watch *watch;
	bool seen;
	struct rule **rules; /* in the order of their names */
	size_t count;
};
int rules_start(struct rule_list *list, struct network *network, enum network_direction direction);
void rules_stop(struct rule_list *list);
bool rules_seen(const struct rule_list *list); /* every key was heard of */
int rules_collect(const struct rule_list *list, struct network_rules *ret);

/* ---- table.c ---- */

struct network {
	struct daemon *daemon;
	uint32_t vni;
	bool gone;    /* deleted: what is left of it here is removed, then the entry */
	bool watched; /* its keys are */
	struct store_watch *watch;
	bool seen;
	enum network_type type;
	usec_t incomplete_since; /* 0: it is not */
	struct rule_list rules[NETWORK_DIRECTION_COUNT];

	/* links.c */
	bool dirty;         /* to be compared */
	bool in_force;      /* it was as wanted when it was compared last */
	bool waits;         /* for guests to leave */
	unsigned rounds;    /* comparisons in a row that found something to do */
	char *did;          /* what was done in them, the first of it */
	usec_t retry_at;    /* 0: nothing failed */
	usec_t repair_time; /* begin of the time in which repairs are counted */
	unsigned repairs;

	/* firewall.c */
	bool firewall_dirty, firewall_done;
	usec_t settle_since; /* 0: no key of a rule is missing */
};

struct table {
	struct network **items; /* ascending by vni */
	size_t count;
	struct store_watch *watch;
	bool seen, exists;
	struct strlist odd; /* keys that name no network, told already */
};
int table_start(struct daemon *daemon);
void table_stop(struct daemon *daemon);
struct network *table_find(const struct daemon *daemon, uint32_t vni);
/* An entry for what is left of a network that is no more. NULL without memory. */
struct network *table_add_gone(struct daemon *daemon, uint32_t vni);
void table_forget(struct network *network); /* frees it */

/* ---- peers.c ---- */

struct peers;
int peers_start(struct daemon *daemon);
void peers_stop(struct daemon *daemon);
bool peers_seen(const struct daemon *daemon);
void peers_tick(struct daemon *daemon);

/* ---- underlay.c ---- */

/* Reads links and FRR's configuration again. True when anything is not as it was. */
bool underlay_read(struct daemon *daemon, bool with_evpn);
bool underlay_concerns(const struct daemon *daemon, const char *link);

/* ---- links.c ---- */

struct links;
int links_start(struct daemon *daemon);
void links_stop(struct daemon *daemon);
void links_mark(struct network *network); /* compare it soon */
void links_mark_all(struct daemon *daemon);
void links_tick(struct daemon *daemon);
bool links_idle(const struct daemon *daemon);
/* All links, for leftovers.c. */
int links_read(struct daemon *daemon, struct net_links *ret, char **ret_error);

/* ---- leftovers.c ---- */

void leftovers_look(struct daemon *daemon); /* once the list of networks is known for sure */
bool leftovers_seen(const struct daemon *daemon);

/* ---- firewall.c ---- */

struct filters;
int filters_start(struct daemon *daemon);
void filters_stop(struct daemon *daemon);
void filters_mark(struct network *network);
void filters_forget(struct daemon *daemon, uint32_t vni); /* remove its chains */
void filters_compare(struct daemon *daemon); /* all of it, also what is left of networks that are no more */
void filters_tick(struct daemon *daemon);
bool filters_idle(const struct daemon *daemon);

/* ---- report.c ---- */

enum report_part { REPORT_LINKS, REPORT_FIREWALL, REPORT_PARTS };
struct reports;
int reports_start(struct daemon *daemon);
void reports_stop(struct daemon *daemon);
void reports_new_session(struct daemon *daemon);
/* What is wrong with that part of the network, one or more lines; NULL or "": nothing. Logs what is new and publishes
 * it. `key` is the network's key as it is below /networks. */
void report_set(struct daemon *daemon, const char *key, enum report_part part, const char *lines);
void report_set_vni(struct daemon *daemon, uint32_t vni, enum report_part part, const char *lines);

/* ---- main.c ---- */

struct daemon {
	const struct config *config;
	struct loop *loop;
	sd_event *event;
	struct workers *workers;
	struct store *store;
	sd_event_source *tick;
	usec_t compared; /* last full comparison */
	bool ready, stopping;
	bool leftovers_seen, leftovers_busy;
	struct table table;
	struct underlay underlay;
	struct peers *peers;
	struct links *links;
	struct filters *firewall;
	struct reports *reports;
};
/* Tells systemd once everything was in force for the first time. */
void daemon_check_ready(struct daemon *daemon);
/* The text of a value, NULL when the key is missing; "?" with a NUL inside. Borrowed. */
const char *value_text(const struct store_value *value);
