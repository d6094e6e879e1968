/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client networks: reading them, and changing them so that of two who do it at once one looks again (network_*.c). */
#pragma once

#include "network_check.h"
#include "pvcctl.h"

#define NET_TRIES 20 /* lost races before a change gives up */

/* ---- reading (network_read.c) ---- */

struct networks {
	struct strlist vnis; /* in the order of their numbers */
	struct snapshot keys;
};
void networks_free(struct networks *networks);
#define _cleanup_networks_ _cleanup_(networks_free)
int networks_read(struct ctl *ctl, const char *only, struct networks *ret); /* `only` one VNI, or NULL; -ENOENT */
const struct fetched *network_value(const struct networks *networks, size_t index, enum net_key key);
/* A copy of the values; -ENOMEM. */
int network_values(const struct networks *networks, size_t index, struct net_values *ret);
char *network_key_path(const char *vni, enum net_key key);
json_t *network_json(const struct networks *networks, size_t index);

/* A network by VNI or name. On failure the exit code (> 0), having said why. */
struct net_ref {
	char *vni;
	char *name; /* printable */
};
void net_ref_free(struct net_ref *network);
#define _cleanup_net_ref_ _cleanup_(net_ref_free)
int network_find(struct ctl *ctl, const char *named, struct net_ref *ret);

/* What nodes say is wrong with the network (/nodes/NODE/network_errors/VNI): "NODE: LINE" each. -errno. */
int network_problems(struct ctl *ctl, const char *vni, struct strlist *ret);

/* ---- rules (network_rules.c) ---- */

struct net_rule {
	char *name, *text; /* text NULL: its key is missing */
	uint64_t order;    /* UINT64_MAX: none */
	struct store_stat order_stat;
	bool has_order;
};
struct net_rules {
	struct net_rule *rules; /* in the order in which they are evaluated */
	size_t count;
};
void net_rules_free(struct net_rules *rules);
#define _cleanup_net_rules_ _cleanup_(net_rules_free)
extern const char *const net_directions[2]; /* "in", "out" */
int net_rules_read(struct ctl *ctl, const char *vni, const char *direction, struct net_rules *ret);
json_t *net_rule_json(const char *direction, const struct net_rule *rule);

/* ---- changing (network_change.c) ---- */

/* One try of a change: reads, decides and fills the transaction. Returns an exit code (having said why) and leaves the
 * transaction empty when there is nothing to write; *ret_error instead is -errno of a failed read. */
typedef int (*net_attempt_fn)(struct ctl *ctl, struct store_txn *txn, void *userdata, int *ret_error);
/* Tries until nobody else came in between. `what` ends "cannot ...". Exit code. */
int network_change(struct ctl *ctl, net_attempt_fn attempt, void *userdata, const char *what);
/* Reads a key whose value nobody uses, and writes it again at that version: whoever did the same in between wins, and
 * the transaction fails. A key that is missing is made. -errno. */
int network_guard(struct ctl *ctl, struct store_txn *txn, const char *path);
/* Puts the deletion of a key and of all that is below it at its end, deepest first. -errno. */
int network_delete_tree(struct ctl *ctl, struct store_txn *txn, const char *path);
