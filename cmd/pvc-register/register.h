/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-register: this node's entry in ZooKeeper. Each part (the base tree, the node, the claim of the primary role)
 * reads its keys, decides what to write, and writes it in one transaction that only holds when none of them changed
 * meanwhile: so several nodes may do it at once, and one that is killed leaves all of a part or nothing.
 */
#pragma once

#include "config/config.h"
#include "store/store.h"

struct plan {
	const struct config *config;
	const char *static_data;     /* for /nodes/X/staticdata */
	const char *now;             /* Unix seconds, for the first heartbeat of a new node */
	const char *cluster_address; /* this host's in the cluster network, without length; "" for none */
	const char *boot;            /* this boot's id */
	const char *addresses;       /* all by which others may know this host, with blanks between them */
	bool dry;                    /* only find out what would be written */
	bool lasting;                /* leave out what changes all the time while a node runs (--check) */
	struct strlist lines;        /* what the last part wrote or would write, for people; holds no secrets */
};

struct part {
	const char *name; /* for messages: "the base keys" */
	int (*paths)(const struct plan *plan, struct strlist *ret);
	/* as in store_update(): fills the transaction and plan->lines; 1 when nothing is to be done */
	store_compute_fn decide; /* userdata is the plan */
};
extern const struct part part_tree, part_node, part_primary;

/* Puts the value into the transaction when the key has another one, and says so in plan->lines. `shown` is how the
 * value is told, NULL for secrets. */
int plan_put(struct plan *plan, struct store_txn *txn, const char *path, const struct store_value *seen,
	     const char *value, bool secret);
/* 0 when it was (or would be) written, 1 when there was nothing to do, or -errno. */
int part_run(const struct part *part, struct store *store, struct plan *plan, usec_t deadline);

/* admission.c: while the record of this node's fencing says that it is being recovered it must not register. */
char *admission_path(const struct config *config); /* NULL without memory; the caller frees */
/* Into the transaction: that it is still so. -EBUSY: not now; -EBADMSG: nobody can tell. */
int admission_decide(const struct store_value *value, const char *path, struct store_txn *txn, struct plan *plan);
int admission_wait(struct store *store, const struct config *config, usec_t deadline); /* says what it waits for */
/* address.c: this host's addresses with blanks between them; the caller frees. */
int address_list(const struct config *config, char **ret);

/* state.c: the node's own daemonstate; both say what is to be said. Return an exit code. */
int state_wait_for_run(const struct config *config, usec_t deadline);
int state_announce(const struct config *config, const char *word, usec_t deadline);
