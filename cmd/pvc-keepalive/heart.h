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
	/* After each committed heartbeat: this is where watching the other nodes' heartbeats belongs, which must never
	 * come before our own. */
	void (*beaten)(const struct heart *heart, const struct figures *figures, void *userdata);
	void *userdata;
};
int heart_new(struct heart **ret, struct loop *loop, const struct config *config, const struct heart_hooks *hooks);
void heart_free(struct heart *heart);
static inline void heart_freep(struct heart **heart) {
	heart_free(*heart);
}
/* Connects and begins. */
int heart_start(struct heart *heart);
/* A last heartbeat, then the loop ends; it ends in any case after HEART_STOP_LIMIT. */
void heart_stop(struct heart *heart);
#define HEART_STOP_LIMIT (2 * USEC_PER_SEC)

struct store *heart_store(struct heart *heart); /* borrowed */
