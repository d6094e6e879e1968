/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the networks' firewall share. */
#pragma once

#include "firewall/changes.h"
#include "firewall/internal.h"
#include "firewall/network.h"

#define VNI_MAX      16777215u /* RFC 7348, 4: 24 bits */
#define NETWORK_NAME 32        /* room for the names of a network's chains and bridge */

/* Maps from bridges to chains; in is looked up by the interface that a packet leaves through. */
enum network_map { MAP_IN, MAP_OUT, MAP_LOCAL, MAP_COUNT };
extern const char *const network_maps[MAP_COUNT];
#define NETWORK_SERVICES "networks-services" /* the chain of all packets from networks to the node */

/* What the kernel has of a network, but for its rules. */
struct known {
	uint32_t vni;
	bool chains[NETWORK_DIRECTION_COUNT], elements[MAP_COUNT];
};

/* A rule of a network in the kernel. */
struct record {
	uint32_t vni;
	enum network_direction direction;
	size_t number; /* in the order of the kernel's answer */
	uint64_t handle;
	bool has_digest;
	struct rule_digest digest;
};
struct records {
	struct record *items; /* by network, direction, number */
	size_t count;
	bool failed;
};

struct network_firewall {
	struct firewall *firewall;
	struct known *known; /* ascending */
	size_t known_count;
	uint32_t generation;    /* of the ruleset, after the last call */
	bool was_read;          /* known and generation are valid */
	uint64_t names;         /* of sets: a number that no other process had */
	struct changes changes; /* of the transaction that is being made */
	void *verdicts;         /* texts that were tried: a tree (verdicts.c) */
	size_t verdict_count;
};

void network_chain_name(uint32_t vni, enum network_direction direction, char out[NETWORK_NAME]);
void network_bridge_name(uint32_t vni, char out[NETWORK_NAME]);

/* ---- network_state.c ---- */

struct known *known_find(const struct network_firewall *firewall, uint32_t vni);
struct known *known_add(struct network_firewall *firewall, uint32_t vni); /* the one that is there or a new one; NULL */
void known_remove(struct network_firewall *firewall, uint32_t vni);
/* Fills firewall->known anew from the kernel, and puts the removal of elements that are nobody's into the changes. */
int known_read(struct network_firewall *firewall);
/* The rules of these networks. */
int records_read(struct network_firewall *firewall, struct network_rules *const networks[], size_t count,
		 struct records *ret);
void records_free(struct records *records);
/* Those of one chain: its first one and their number. */
const struct record *records_of(const struct records *records, uint32_t vni, enum network_direction direction,
				size_t *ret_count);

/* ---- verdicts.c: what became of texts ---- */

struct verdict {
	struct rule_digest digest;
	struct compiled *compiled; /* or: */
	char *problem;
};
/* NULL when the text was never tried. */
struct verdict *verdict_find(struct network_firewall *firewall, const struct rule_digest *digest);
/* Takes compiled and problem over, also on failure. */
int verdict_add(struct network_firewall *firewall, const struct rule_digest *digest, struct compiled *compiled,
		char *problem);
void verdict_forget(struct network_firewall *firewall, const struct rule_digest *digest);
void verdicts_clear(struct network_firewall *firewall);

/* ---- network_base.c ---- */

/* The maps, the chain of services and the rules that lead to them. */
int network_base_apply(struct network_firewall *firewall, char **ret_error);

/* ---- network_plan.c ---- */

/* Puts into the (empty) changes what brings these networks to what is wanted, and sets the problems of rules. -EINTR:
 * the ruleset changed meanwhile. */
int network_plan(struct network_firewall *firewall, struct network_rules *const networks[], size_t count,
		 char **ret_error);
/* It was done. */
void network_planned(struct network_firewall *firewall, struct network_rules *const networks[], size_t count);
/* The kernel refused one of the changes: 0 when it is of a rule, which is left out from now on; else -ENOENT. */
int network_refuse(struct network_firewall *firewall, size_t failed, const char *error);
