/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * self: what this node does about itself. A host whose heartbeats are not confirmed any more resets itself, before
 * others may take its machines for their own: by a hardware watchdog that proven heartbeats alone feed, or by a forced
 * reboot where there is none. And a host that reads that it was declared dead in this boot resets itself at once,
 * because its machines may run elsewhere by now. When is decided in lib/cluster/fence_judge.c.
 *
 * Owner of the watchdog device and of DYNAMIC/status/self.
 */
#pragma once

#include "config/config.h"
#include "event/event.h"
#include "heart.h"

struct self;
int self_new(struct self **ret, struct loop *loop, const struct config *config);
/* A watchdog that is armed stays so: only self_ended() stops it. */
void self_free(struct self *self);
static inline void self_freep(struct self **self) {
	self_free(*self);
}
/* Begins; the heart has been started. */
int self_start(struct self *self, struct heart *heart);
/* A heartbeat was committed: it was sent then, and answered now. */
void self_beaten(struct self *self, usec_t sent);
/* There was the last one, and ZooKeeper has it (or not) that no watchdog is armed. */
void self_ended(struct self *self, bool committed);
