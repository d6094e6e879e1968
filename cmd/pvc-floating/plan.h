/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The decisions of pvc-floating, without I/O: which floating addresses a configuration asks for, and what has to be
 * done until the host has them, or has none.
 *
 * A floating address on the bridge where it belongs is ours, whatever length it has and whoever put it there: two nodes
 * that answer for one address are worse than an address that somebody has to set again.
 */
#pragma once

#include "config/config.h"
#include "net/net.h"

#define FLOATING_MAX 16 /* of a configuration at most 3; with those of an earlier one that were noted */

struct floating_address {
	const char *name; /* "upstream", "cluster", "storage"; NULL: of an earlier configuration. Static. */
	char link[IFNAMSIZ];
	struct ip_prefix ip;
};
struct floating_list {
	struct floating_address items[FLOATING_MAX];
	size_t count;
};

/* The floating addresses that are configured, upstream first, each where config_bridge_name() says. */
void floating_wanted(const struct config *config, struct floating_list *ret);
bool floating_contains(const struct floating_list *list, const struct floating_address *address);
/* No more than FLOATING_MAX, none twice; false when there was no room. */
bool floating_add(struct floating_list *list, const struct floating_address *address);

/* The note of what was given to the kernel, one "LINK ADDRESS/LENGTH" a line, as text. What is no such line is left
 * out: it cannot have been written here. */
void floating_parse(const char *text, struct floating_list *ret);
int floating_format(const struct floating_list *list, struct strbuf *ret);

enum floating_step_kind { FLOATING_REMOVE, FLOATING_ADD };
struct floating_step {
	enum floating_step_kind kind;
	const struct floating_address *what; /* borrowed */
	struct net_address address;
};
struct floating_plan {
	struct floating_step *steps; /* removals first */
	size_t count;
	const struct floating_address *missing[FLOATING_MAX]; /* wanted, and there is no such link. Borrowed. */
	size_t missing_count;
};
/* `wanted` is what shall be there (an empty list: nothing), `owned` what may be there because of us, both of which must
 * outlive the plan. */
int floating_plan(const struct floating_list *wanted, const struct floating_list *owned, const struct net_links *links,
		  const struct net_addresses *addresses, struct floating_plan *ret);
void floating_plan_free(struct floating_plan *plan);
#define _cleanup_floating_plan_ _cleanup_(floating_plan_free)
/* "upstream floating address 10.0.0.250/24": for messages. NULL without memory; the caller frees. */
char *floating_text(const struct floating_address *address);
