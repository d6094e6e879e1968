/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report: what is told of each heartbeat: the tick's lines as configured, systemd's status text, changed troubles. */
#pragma once

#include "config/config.h"
#include "event/event.h"
#include "figures.h"
#include "store/store.h"

struct report;
int report_new(struct report **ret, struct loop *loop, const struct config *config);
void report_free(struct report *report);
static inline void report_freep(struct report **report) {
	report_free(*report);
}
/* Watches the few keys of the cluster that the tick's details name; nothing is read at a tick. */
int report_watch(struct report *report, struct store *store);
void report_beat(struct report *report, const struct figures *figures);
