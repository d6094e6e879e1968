/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * network: the managed client networks' part of the table `inet pvc`, which pvc-firewall makes. For each network
 *
 *   vxlan<vni>-in    what is forwarded to the network (out through vmbr<vni>)
 *   vxlan<vni>-out   what is forwarded from it (in through vmbr<vni>)
 *
 * hold one rule that counts and then the operator's rules, each with a counter, in the order of their numbers. Packets
 * get there through verdict maps keyed by the name of the bridge, so what a packet costs does not depend on how many
 * networks there are. What the network sends to the node itself goes through the one chain networks-services: the
 * gateway's services are accepted, the rest is dropped.
 *
 * The text of a rule is foreign input. It is run by nft(8) in a throw-away network namespace alone; the host is given
 * the one rule that the kernel there made of it, expression by expression. A rule that is not exactly one rule gets a
 * problem and is left out; all others are in force.
 *
 * Each rule carries a digest of its text, so a new process finds out what is in force and touches nothing that is
 * right: what stays keeps its counters.
 *
 * Calls block (milliseconds; with texts that were never seen, one run of nft: tens of milliseconds) and enter other
 * network namespaces: for worker threads, one call at a time on an object. Bridged networks are not filtered: they are
 * not passed here, and are removed when they were managed before.
 */
#pragma once

#include "base/base.h"

#define NETWORK_TABLE      "pvc"
#define NETWORK_RULE_BYTES 4096 /* of one rule's text */

enum network_direction { NETWORK_IN, NETWORK_OUT, NETWORK_DIRECTION_COUNT };
extern const char *const network_direction_names[NETWORK_DIRECTION_COUNT]; /* "in", "out": as in the data model */

struct network_rule {
	char *name; /* of its key */
	char *text;
	uint64_t order; /* UINT64_MAX when its key holds no number: last */
	char *problem;  /* set by network_firewall_apply(): why it is not in force, one line; or NULL */
};

/* The rules of one network as its owner wants them. Zero-initialised with a vni: no rules. */
struct network_rules {
	uint32_t vni;
	struct network_rule *rules[NETWORK_DIRECTION_COUNT];
	size_t count[NETWORK_DIRECTION_COUNT];
};
void network_rules_free(struct network_rules *rules); /* what it holds */
#define _cleanup_network_rules_ _cleanup_(network_rules_free)
/* Copies the texts: name and values of one rule's keys; NULL for a key that is missing. In any order. */
int network_rules_add(struct network_rules *rules, enum network_direction direction, const char *name,
		      const char *order, const char *text);
/* "in/NAME: PROBLEM" lines, "" without problems. NULL without memory; the caller frees. */
char *network_rules_problems(const struct network_rules *rules);

struct network_firewall;
/* In the network namespace that the calling thread is in now; to be used in that namespace. */
int network_firewall_open(struct network_firewall **ret);
void network_firewall_close(struct network_firewall *firewall);
static inline void network_firewall_closep(struct network_firewall **firewall) {
	network_firewall_close(*firewall);
}
#define _cleanup_network_firewall_ _cleanup_(network_firewall_closep)

/* Makes what all networks share and reads what is there: to be called first, and again when
 * network_firewall_disturbed(). *ret_vnis (the caller frees) are the networks of which anything is there, ascending.
 * -ENOENT: there is no table inet pvc; pvc-firewall makes it. */
int network_firewall_begin(struct network_firewall *firewall, uint32_t **ret_vnis, size_t *ret_count, char **ret_error);

/* Brings these networks to what is wanted, in one transaction: all that is right stays untouched. Sets the problem of
 * each rule that is left out. Returns 1 when something was changed, 0 when not; -errno when nothing was changed
 * (*ret_error says why): a rule with a problem is no such failure. One call with many networks is cheaper than many. */
int network_firewall_apply(struct network_firewall *firewall, struct network_rules *const networks[], size_t count,
			   char **ret_error);
/* Removes all that is there of these networks. 1 when there was something, 0 when not. */
int network_firewall_remove(struct network_firewall *firewall, const uint32_t vnis[], size_t count, char **ret_error);

/* Has anybody else changed the host's rulesets since the last call of this object? 1: begin and apply all again, which
 * costs a comparison; 0: certainly not. Microseconds. */
int network_firewall_disturbed(struct network_firewall *firewall);
