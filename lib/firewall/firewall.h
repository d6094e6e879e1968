/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * firewall: nftables tables of our own through libnftnl. A program says what a table should hold (struct
 * firewall_table), firewall_plan() compares that with the kernel, firewall_commit() makes the difference in one
 * transaction: all of it or nothing, and what already is as wanted keeps its counters. No other table is read, named
 * or changed.
 *
 * The model: a table of family inet holds chains in order, a chain holds rules in order, a rule holds expressions in
 * order, written from left to right as in nft(8). The functions that build it accept NULL and remember the first
 * failed allocation in the table; firewall_plan() then gives -ENOMEM, so one check is enough.
 *
 * Who owns what in a table that several programs share: a chain belongs to whoever lists its rules here; a chain that
 * is declared `open` must exist, and its rules belong to another program; regular chains that are not listed belong to
 * others too and are left alone. A base chain that is not listed is a stranger in our table: it is removed, unless
 * its name begins with the prefix that firewall_table_leave() gives away.
 *
 * Names and addresses are data, never rule text: nothing that is passed to these functions can add an object or a
 * statement.
 */
#pragma once

#include "base/base.h"

#define FIREWALL_TRIES 20 /* transactions lost to concurrent changes after which firewall_apply() gives up */

/* ---- what is wanted (model.c, expr.c) ---- */

enum firewall_hook {
	FIREWALL_PREROUTING,
	FIREWALL_INPUT,
	FIREWALL_FORWARD,
	FIREWALL_OUTPUT,
	FIREWALL_POSTROUTING,
	FIREWALL_HOOK_COUNT
};
enum firewall_type { FIREWALL_FILTER, FIREWALL_NAT, FIREWALL_TYPE_COUNT };
enum firewall_policy { FIREWALL_POLICY_DROP, FIREWALL_POLICY_ACCEPT };

struct firewall_table;
struct firewall_chain; /* lives as long as its table */
struct firewall_rule;  /* likewise */

struct firewall_table *firewall_table_new(const char *name); /* NULL without memory */
void firewall_table_free(struct firewall_table *table);
static inline void firewall_table_freep(struct firewall_table **table) {
	firewall_table_free(*table);
}
#define _cleanup_firewall_table_ _cleanup_(firewall_table_freep)

/* Base chains whose names begin with `prefix` (a constant: it is borrowed) belong to somebody else. */
void firewall_table_leave(struct firewall_table *table, const char *prefix);

struct firewall_chain *firewall_chain_add(struct firewall_table *table, const char *name);
void firewall_chain_base(struct firewall_chain *chain, enum firewall_type type, enum firewall_hook hook, int priority,
			 enum firewall_policy policy);
void firewall_chain_open(struct firewall_chain *chain); /* its rules belong to another program */
/* A map from interface names to verdicts must exist; its elements belong to another program. */
void firewall_map_add(struct firewall_table *table, const char *name);

struct firewall_rule *firewall_rule_add(struct firewall_chain *chain);
void firewall_match_iifname(struct firewall_rule *rule, const char *interface); /* whole name */
void firewall_match_oifname(struct firewall_rule *rule, const char *interface);
void firewall_match_family(struct firewall_rule *rule, int family);         /* AF_INET, AF_INET6 */
void firewall_match_protocol(struct firewall_rule *rule, uint8_t protocol); /* IPPROTO_TCP... */
/* TCP or UDP destination port; matches the protocol too. */
void firewall_match_port(struct firewall_rule *rule, uint8_t protocol, uint16_t port);
void firewall_match_source(struct firewall_rule *rule, const struct ip_prefix *net); /* matches the family too */
void firewall_match_destination(struct firewall_rule *rule, const struct ip_prefix *net);
void firewall_counter(struct firewall_rule *rule);
void firewall_accept(struct firewall_rule *rule);
void firewall_drop(struct firewall_rule *rule);
void firewall_return(struct firewall_rule *rule);
void firewall_jump(struct firewall_rule *rule, const char *chain); /* a regular chain of the same table */

/* What the map says of the packet's interface is done; a name that it does not hold goes on to the next rule. */
void firewall_iifname_map(struct firewall_rule *rule, const char *map);
void firewall_oifname_map(struct firewall_rule *rule, const char *map);

/* The table in nft's syntax: what --dry-run prints. The caller frees; NULL without memory. */
char *firewall_table_text(const struct firewall_table *table);

/* ---- the kernel (netlink.c, dump.c, plan.c, commit.c): blocking calls, milliseconds ---- */

struct firewall;
/* A netlink socket in the network namespace that the caller is in now. -EPERM later, from the calls that need it. */
int firewall_open(struct firewall **ret);
void firewall_close(struct firewall *firewall);
static inline void firewall_closep(struct firewall **firewall) {
	firewall_close(*firewall);
}
#define _cleanup_firewall_ _cleanup_(firewall_closep)

struct firewall_plan;
void firewall_plan_free(struct firewall_plan *plan);
static inline void firewall_plan_freep(struct firewall_plan **plan) {
	firewall_plan_free(*plan);
}
#define _cleanup_firewall_plan_ _cleanup_(firewall_plan_freep)

/* Compares. `wanted` must outlive the plan. */
int firewall_plan(struct firewall *firewall, const struct firewall_table *wanted, struct firewall_plan **ret,
		  char **ret_error);
/* What differs, one sentence each: "chain input: missing"; empty when nothing does. Borrowed. */
const struct strlist *firewall_plan_differences(const struct firewall_plan *plan);
/* One transaction. On failure nothing has changed and *ret_error names the object that the kernel refused.
 * -ERESTART: somebody changed the ruleset since the plan was made: plan again. */
int firewall_commit(struct firewall *firewall, const struct firewall_plan *plan, char **ret_error);

/* Plans and commits until nothing differs, FIREWALL_TRIES times at the most; adds what was changed to *changes (or
 * NULL). The state afterwards was read back from the kernel. */
int firewall_apply(struct firewall *firewall, const struct firewall_table *wanted, struct strlist *changes,
		   char **ret_error);
/* Removes a table with all that is in it: 1, or 0 when there was none. */
int firewall_remove(struct firewall *firewall, const char *table, char **ret_error);
/* 1 when the table exists, 0 when not. */
int firewall_exists(struct firewall *firewall, const char *table, char **ret_error);
