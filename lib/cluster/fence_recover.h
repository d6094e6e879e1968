/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fence_recover: what becomes of a virtual machine when a node is off for certain and its storage is sealed. Decided
 * from the VM's own keys, never from what the node reported last (D2, D14, E10): concerned is every VM that belongs to
 * the node, and every one whose key `holder` names it.
 *
 * Several nodes can be off at the same time, so what is asked of each name is whether it is one of those that are
 * `gone`: off for certain, sealed, and not back.
 */
#pragma once

#include "cluster/cluster.h"

struct recover_vm { /* its keys as they are; NULL for one that is missing */
	const char *state, *node, *lastnode, *holder, *limit, *selector;
};

enum recover_kind {
	RECOVER_NOTHING, /* not concerned, or as it should be */
	RECOVER_RELEASE, /* it belongs elsewhere, or is to be off: only nobody has it any more */
	RECOVER_PLACE,   /* it should run: another node starts it, or it waits for its node to come back */
	RECOVER_END,     /* it was being shut down: it is off now */
	RECOVER_AWAIT,   /* it was to move to the node; the one that has it goes on running it */
	RECOVER_UNCLEAR, /* its key `holder` is no such text: it might run somewhere, so nobody starts it */
	RECOVER_KIND_COUNT
};
struct recover_step {
	enum recover_kind kind;
	char *holder; /* new value, or NULL: it stays; owned */
	/* new values, or NULL: they stay; borrowed from the arguments or static */
	const char *state, *node, *lastnode, *autostart;
};
/* `gone` holds the victim. 0, or -ENOMEM. */
int recover_decide(const struct recover_vm *vm, const char *victim, const struct strlist *gone,
		   struct recover_step *ret);
/* For RECOVER_PLACE: the words for a target, or for none: then it is off, and starts when the node that it belongs to
 * is ready again (D13: with a word that every client knows). */
void recover_settle(struct recover_step *step, const struct recover_vm *vm, const char *target);
/* The target: by the VM's own selector and limit, else by the configuration's. As select_target(). */
int recover_target(const struct recover_vm *vm, const char *victim, const struct strlist *gone, enum select_by fallback,
		   const struct select_node *nodes, size_t count, char **ret_error);
void recover_step_free(struct recover_step *step); /* frees what it holds */
const char *recover_kind_name(enum recover_kind kind);
