/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * heart: one heartbeat at a time into this node's keys. Owner of memtotal ... keepalive below /nodes/NODE, and of
 * daemonstate's way to `run`.
 *
 * Each heartbeat is one transaction on the versions that the last one left behind, so nothing is read again unless
 * somebody else wrote, or a connection was lost while a commit was outstanding. A heartbeat that is due while another
 * is outstanding, or while there is no connection, is made as soon as that ends, with the figures of that moment.
 */
#pragma once

#include "config/config.h"
#include "event/event.h"
#include "figures.h"
#include "store/store.h"

struct heart;
struct heart_hooks {
	/* After each committed heartbeat, which was handed to ZooKeeper's client at `sent` and answered now. */
	void (*beaten)(struct heart *heart, const struct figures *figures, usec_t sent, void *userdata);
	/* After heart_stop(): the last heartbeat was committed, and says that no watchdog is armed; or it was not. */
	void (*ended)(struct heart *heart, bool committed, void *userdata);
	void *userdata;
};
int heart_new(struct heart **ret, struct loop *loop, const struct config *config, const struct heart_hooks *hooks);
void heart_free(struct heart *heart);
static inline void heart_freep(struct heart **heart) {
	heart_free(*heart);
}
/* Connects and begins. */
int heart_start(struct heart *heart);
/* A last heartbeat, then the loop ends; it ends in any case after HEART_STOP_LIMIT. Not to have told that costs a host
 * with an armed watchdog a reset, so there it may take longer, and a connection that is lost may come back. */
void heart_stop(struct heart *heart);
#define HEART_STOP_LIMIT       (2 * USEC_PER_SEC)
#define HEART_STOP_LIMIT_ARMED (10 * USEC_PER_SEC) /* within TimeoutStopSec= */

/* From the next heartbeat on, which is made at once when it is news that one is armed, /pvc/heart/NODE says that. Until
 * it is called the key goes on saying what it did in this boot: a watchdog that this program's predecessor armed is
 * armed. */
void heart_set_armed(struct heart *heart, bool armed);
/* That predecessor's word, as it was found at the start. */
bool heart_was_armed(const struct heart *heart);
const char *heart_boot(const struct heart *heart); /* this boot's id; borrowed */

struct store *heart_store(struct heart *heart); /* borrowed */
