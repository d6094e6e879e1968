/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What machines do by themselves: power, boot, watchdogs, processes under systemd, the primary's services. */
#include "world.h"

#define RESTART (200 * USEC_PER_MSEC) /* RestartSec= */

void process_kill(struct world *world, int node, enum program program) {
	struct process *process = &world->hosts[node].processes[program];
	unsigned life = process->life;

	if (!process->runs)
		return;
	*process = (struct process){.life = life + 1, .session = NOBODY, .starts_at = world->now + RESTART};
	if (program == WATCH_NODES)
		services_stop(world, node); /* PropagatesStopTo= */
}

void services_stop(struct world *world, int node) {
	struct service *service = &world->hosts[node].service;

	service->starts_at = 0;
	if (service->runs && service->stops_at == 0)
		service->stops_at = world->now + TICK + chance(world, TIMELINE_RELEASE - TICK);
}

void host_off(struct world *world, int node, const char *why) {
	struct host *host = &world->hosts[node];

	if (!host->on)
		return;
	say(world, "node %d: off (%s)", node, why);
	for (enum program p = 0; p < PROGRAMS; p++) {
		unsigned life = host->processes[p].life;

		host->processes[p] = (struct process){.life = life + 1, .session = NOBODY};
	}
	host->on = host->frozen = host->registered = host->dog_armed = host->lied = false;
	host->boots_at = 0;
	host->service = (struct service){0};
	memset(host->vms, 0, sizeof(host->vms));
	memset(host->vm_starts, 0, sizeof(host->vm_starts));
}

/* Power comes back: it boots. */
void host_on(struct world *world, int node) {
	struct host *host = &world->hosts[node];

	host->power_at = 0;
	if (host->on)
		return;
	host->on = true;
	host->boot++;
	host->boots_at = world->now + BOOT_TIME + chance(world, BOOT_SPREAD);
	memset(&host->beat, 0, sizeof(host->beat));
	memset(host->peers, 0, sizeof(host->peers));
	for (int peer = 0; peer < NODES; peer++)
		host->peers[peer].seen_beat = NOBODY;
	host->watching = 0;
	host->others_until = 0;
	say(world, "node %d: boots", node);
}

static void reset(struct world *world, int node, const char *why) {
	host_off(world, node, why);
	world->figures.resets++;
	host_on(world, node);
}

static void process_tick(struct world *world, int node, enum program program) {
	struct host *host = &world->hosts[node];
	struct process *process = &host->processes[program];

	if (process->hung && process->thaws_at && world->now >= process->thaws_at)
		process->hung = false;
	if (process->runs && !process->hung)
		process->fed_dog = world->now;
	/* systemd's own watchdog: short for the program that has the lease */
	if (process->hung &&
	    world->now - process->fed_dog >= (program == WATCH_NODES ? TIMELINE_WATCHDOG : 15 * USEC_PER_SEC)) {
		say(world, "node %d: systemd ends program %d, which hung", node, program);
		process_kill(world, node, program);
	}
	if (!process->runs && process->starts_at && world->now >= process->starts_at) {
		unsigned life = process->life;

		*process = (struct process){.runs = true, .life = life, .session = NOBODY, .fed_dog = world->now};
	}
}

static void services_tick(struct world *world, struct host *host) {
	struct service *service = &host->service;

	if (service->stops_at && world->now >= service->stops_at)
		*service = (struct service){0};
	if (service->starts_at && world->now >= service->starts_at) {
		service->starts_at = 0;
		service->runs = true;
	}
}

void host_tick(struct world *world, int node) {
	struct host *host = &world->hosts[node];

	if (host->pulled_at && world->now >= host->pulled_at) {
		host->pulled_at = 0;
		host_off(world, node, "its controller");
		host->power_at = world->now + 3 * USEC_PER_SEC;
	}
	if (host->power_at && world->now >= host->power_at)
		host_on(world, node);
	if (!host->on)
		return;
	/* hardware: it counts whatever the software does */
	if (host->dog_armed && world->now >= host->dog_fires) {
		reset(world, node, "watchdog");
		return;
	}
	if (host->boots_at) {
		if (world->now < host->boots_at)
			return;
		host->boots_at = 0;
		for (enum program p = 0; p < PROGRAMS; p++)
			host->processes[p].starts_at = world->now + TICK;
	}
	if (host->frozen) {
		if (world->now < host->thaws_at)
			return;
		host->frozen = false;
		world->thawed = world->now;
		say(world, "node %d: thaws", node);
	}
	for (enum program p = 0; p < PROGRAMS; p++)
		process_tick(world, node, p);
	services_tick(world, host);
	for (int vm = 0; vm < world->vms; vm++)
		if (host->vm_starts[vm] && world->now >= host->vm_starts[vm]) {
			host->vm_starts[vm] = 0;
			host->vms[vm] = !host->blocked && host->stored; /* else its disk does not open */
			if (host->vms[vm])
				say(world, "node %d: VM %d runs", node, vm);
		}
}

bool process_acts(const struct world *world, int node, enum program program) {
	const struct host *host = &world->hosts[node];

	return host->on && !host->boots_at && !host->frozen && host->processes[program].runs &&
	       !host->processes[program].hung;
}
