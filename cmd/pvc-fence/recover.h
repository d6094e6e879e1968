/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recover: what recover.c (finding, ordering, ending) and move.c (one machine) share. */
#pragma once

#include "cluster/fence_recover.h"
#include "fencer.h"

struct move {
	struct recovery *recovery;
	char *uuid, *name;
	int64_t memory, vcpus; /* MiB; -1: unknown */
	enum recover_kind kind;
	bool chosen; /* a target was looked for */
	int target;  /* index in nodes, or < 0: there is none */
	int result;  /* 0, or -errno */
	bool ended;
	char *why; /* no target */
};

struct recovery {
	struct peer *peer;
	struct strlist gone, vms, names; /* names: of the nodes below */
	size_t next;                     /* VM that was not looked at */
	struct move **moves;
	size_t move_count, begun, under_way;
	struct select_node *nodes;
	int32_t record_version; /* while it is that, this node is the fencer and the step is the same */
	int result;             /* the first error that ends it all */
};

enum move_key {
	MOVE_NAME,
	MOVE_STATE,
	MOVE_NODE,
	MOVE_LASTNODE,
	MOVE_HOLDER,
	MOVE_LIMIT,
	MOVE_SELECTOR,
	MOVE_AUTOSTART,
	MOVE_KEY_COUNT
};
int move_paths(const char *uuid, struct strlist *ret);
struct recover_vm move_vm(const struct store_value *values);
struct move *move_new(struct recovery *recovery, const char *uuid, const struct store_value *values);
void move_free(struct move *move);
int move_begin(struct move *move); /* calls recover_moved() later */
void recover_moved(struct move *move);
