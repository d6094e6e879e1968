/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sign: what the other nodes are told beside the figures, in the same transaction. /pvc/alive/NODE is ephemeral, so it
 * says that this program lives and its session with it; /pvc/heart/NODE says in which boot the host is, and whether a
 * watchdog will reset it. Owner of both keys.
 */
#pragma once

#include "cluster/fence_record.h"
#include "store/store.h"

/* The keys, in this order: their parents are pvc-register's, and made again when they are missing. */
enum { SIGN_ROOT, SIGN_SESSIONS, SIGN_HEARTS, SIGN_ALIVE, SIGN_HEART, SIGN_COUNT };

struct sign {
	char *paths[SIGN_COUNT];
	struct fence_heart heart;             /* what is to be said */
	struct fence_heart told;              /* what the key says */
	struct store_value seen[SIGN_COUNT];  /* exists and stat alone */
	struct store_value after[SIGN_COUNT]; /* the same, once the outstanding transaction is committed */
	struct fence_heart telling;
};
int sign_init(struct sign *sign, const char *node);
void sign_deinit(struct sign *sign);
/* What the keys hold. */
void sign_note(struct sign *sign, const struct store_value values[SIGN_COUNT]);
/* They say that a watchdog is armed in this boot. */
bool sign_was_armed(const struct sign *sign);
/* Adds to the transaction what makes the keys right for this session, and a check that they were as they were seen.
 * Failures stay in the transaction. */
void sign_add(struct sign *sign, struct store_txn *txn, int64_t session);
/* The transaction was committed. */
void sign_committed(struct sign *sign);
