/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * figures: the nine statistics of a heartbeat (data model, 4). Those of the machine are read from /proc; those of its
 * VMs are what pvc-watch-domains published last. Collecting never fails and never waits: what cannot be had stays as it
 * was, and `trouble` says so.
 */
#pragma once

#include "cluster/cluster.h"
#include "config/config.h"
#include "host/host.h"

enum figure {
	FIGURE_MEMTOTAL,
	FIGURE_MEMUSED,
	FIGURE_MEMFREE,
	FIGURE_MEMALLOC,
	FIGURE_VCPUALLOC,
	FIGURE_CPULOAD,
	FIGURE_DOMAINSCOUNT,
	FIGURE_RUNNINGDOMAINS,
	FIGURE_KEEPALIVE,
	FIGURE_COUNT
};
extern const char *const figure_keys[FIGURE_COUNT]; /* names below /nodes/NODE */

struct figures {
	struct host_memory memory;
	char *load;
	uint64_t memalloc;  /* MiB */
	uint64_t vcpualloc; /* vCPUs */
	uint64_t domains;   /* active in libvirt, ours or not */
	char *running;      /* UUIDs with single blanks between */
	bool seeded;        /* the four above hold something: published here, or found in ZooKeeper */
	enum heartbeat_figures trust;
	usec_t age;    /* of what pvc-watch-domains published, when it is not FIGURES_MISSING */
	char *trouble; /* what to tell the operator about them, or NULL */
};
void figures_free(struct figures *figures);

/* For the VM figures until pvc-watch-domains publishes: what the node's keys hold. A node that was up before keeps what
 * its last heartbeat said, which is what a fencer would go by. Figures that are there already stay. */
void figures_seed(struct figures *figures, const struct config *config, const char *const texts[FIGURE_COUNT]);
void figures_collect(struct figures *figures, const struct config *config);
/* The value of a key; `wall_clock` in Unix seconds. NULL without memory; the caller frees. */
char *figures_text(const struct figures *figures, enum figure figure, uint64_t wall_clock);
/* UUIDs in `running`. */
size_t figures_running(const struct figures *figures);
