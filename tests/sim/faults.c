/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What goes wrong, drawn from the seed. */
#include "world.h"

enum fault {
	/* these cost nothing: nobody is fenced, no machine is touched */
	KILL_PROGRAM,
	SHORT_HANG,
	LEADER_CHANGE,
	QUORUM_LOST, /* for a minute or more */
	SHORT_CUT,   /* a node without ZooKeeper, for less than anybody's patience */
	CLOCK_STEP,
	STORAGE_CUT, /* Ceph hangs */
	NEW_WISH,    /* an operator names another primary */
	SHUT_DOWN,   /* a node that is switched off on purpose, for as long as it takes */
	HARMLESS,
	POWER_CUT = HARMLESS,
	POWER_AND_BMC_CUT,
	FREEZE,
	LONG_HANG,
	LONG_CUT,
	HANG_AND_CUT, /* cut off while a program hangs: what was answered before is read long after, and its controller
			 may lie */
	SLOW_ANSWERS,
	BMC_TROUBLE,
	TWO_POWER_CUTS,
	COLD_START,
	FAULTS
};

static usec_t seconds(struct world *world, unsigned least, unsigned most) {
	return (least + chance(world, most - least + 1)) * USEC_PER_SEC;
}

/* Faults that heal by themselves need a moment for it; kept per host. */
static struct { usec_t cut_at, linked_at, stored_at, bmc_at, slow_at; } heals[NODES];
static usec_t quiet_until;

static void power_cut(struct world *world, int node, bool bmc_too) {
	struct host *host = &world->hosts[node];

	host->bmc_fed = !bmc_too;
	host_off(world, node, bmc_too ? "power cut, its controller too" : "power cut");
	host->power_at = world->now + seconds(world, 5, 240);
}

static void shut_down(struct world *world, int node) {
	struct host *host = &world->hosts[node];

	if (!host->on || host->frozen || !host->registered || !tree_unregister(world, node))
		return;
	host_off(world, node, "shut down");
	host->planned++;
	host->power_at = world->now + seconds(world, 5, 240);
}

static void hang(struct world *world, int node, enum program program, usec_t time) {
	struct process *process = &world->hosts[node].processes[program];

	if (!process->runs)
		return;
	process->hung = true;
	process->thaws_at = world->now + time;
}

static void cut(struct world *world, int node, usec_t time) {
	world->hosts[node].linked = false;
	heals[node].linked_at = world->now + time;
}

static void happen(struct world *world, enum fault fault, int node) {
	struct host *host = &world->hosts[node];

	world->figures.faults++;
	switch (fault) {
	case KILL_PROGRAM:
		process_kill(world, node, (enum program)chance(world, PROGRAMS));
		break;
	case SHORT_HANG:
		hang(world, node, (enum program)chance(world, PROGRAMS), seconds(world, 1, 6));
		break;
	case LEADER_CHANGE:
		world->quorum = false;
		world->quorum_at = world->now + seconds(world, 1, 8);
		break;
	case QUORUM_LOST:
		world->quorum = false;
		/* nodes that are to reset themselves when cut off do so: for them it is not harmless for that long */
		world->quorum_at =
		    world->now + (world->ride_out && world->device ? 8 * USEC_PER_SEC : seconds(world, 30, 100));
		break;
	case SHORT_CUT:
		cut(world, node, seconds(world, 1, 8));
		break;
	case CLOCK_STEP:
		host->wall_offset += (int64_t)seconds(world, 0, 7200) - (int64_t)(3600 * USEC_PER_SEC);
		break;
	case STORAGE_CUT:
		host->stored = false;
		heals[node].stored_at = world->now + seconds(world, 5, 90);
		break;
	case NEW_WISH:
		world->tree.wish = happens(world, 20) ? NOBODY : (int)chance(world, 3);
		world->tree.wish_version++;
		break;
	case SHUT_DOWN:
		shut_down(world, node);
		break;
	case POWER_CUT:
	case POWER_AND_BMC_CUT:
		power_cut(world, node, fault == POWER_AND_BMC_CUT);
		break;
	case FREEZE:
		host->frozen = host->on;
		host->thaws_at = world->now + seconds(world, 1, 120);
		break;
	case LONG_HANG:
		hang(world, node, (enum program)chance(world, PROGRAMS), seconds(world, 10, 90));
		break;
	case LONG_CUT:
		cut(world, node, seconds(world, 10, 150));
		break;
	case HANG_AND_CUT:
		hang(world, node, KEEPALIVE, seconds(world, 5, 14));
		host->slow = true;
		heals[node].cut_at = heals[node].slow_at = world->now + seconds(world, 1, 5);
		if (happens(world, 50)) {
			host->bmc = BMC_LIES;
			heals[node].bmc_at = world->now + seconds(world, 60, 240);
		}
		break;
	case SLOW_ANSWERS:
		host->slow = true;
		heals[node].slow_at = world->now + seconds(world, 10, 90);
		break;
	case BMC_TROUBLE:
		host->bmc = BMC_FAILS + (int)chance(world, 3);
		heals[node].bmc_at = world->now + seconds(world, 60, 240);
		break;
	case TWO_POWER_CUTS:
		power_cut(world, node, happens(world, 50));
		power_cut(world, (node + 1) % world->nodes, happens(world, 50));
		break;
	case COLD_START:
		for (int i = 0; i < world->nodes; i++) {
			power_cut(world, i, true);
			world->hosts[i].power_at = world->now + seconds(world, 5, 60);
		}
		break;
	case FAULTS:
		break;
	}
	say(world, "fault %d on node %d", (int)fault, node);
}

static void heal_what_is_due(struct world *world) {
	for (int i = 0; i < world->nodes; i++) {
		struct host *host = &world->hosts[i];

		if (heals[i].cut_at && world->now >= heals[i].cut_at) {
			heals[i].cut_at = 0;
			cut(world, i, seconds(world, 10, 150));
		}
		if (heals[i].linked_at && world->now >= heals[i].linked_at) {
			host->linked = true;
			heals[i].linked_at = 0;
		}
		if (heals[i].slow_at && world->now >= heals[i].slow_at) {
			host->slow = false;
			heals[i].slow_at = 0;
		}
		if (heals[i].stored_at && world->now >= heals[i].stored_at) {
			host->stored = true;
			heals[i].stored_at = 0;
		}
		if (heals[i].bmc_at && world->now >= heals[i].bmc_at) {
			host->bmc = BMC_WORKS;
			heals[i].bmc_at = 0;
		}
	}
}

void faults_tick(struct world *world) {
	static const unsigned char weights[FAULTS] = {
	    [KILL_PROGRAM] = 12,     [SHORT_HANG] = 8,  [LEADER_CHANGE] = 8,  [QUORUM_LOST] = 4, [SHORT_CUT] = 8,
	    [CLOCK_STEP] = 4,        [STORAGE_CUT] = 4, [NEW_WISH] = 8,       [SHUT_DOWN] = 4,   [POWER_CUT] = 6,
	    [POWER_AND_BMC_CUT] = 4, [FREEZE] = 10,     [LONG_HANG] = 8,      [LONG_CUT] = 10,   [HANG_AND_CUT] = 8,
	    [SLOW_ANSWERS] = 8,      [BMC_TROUBLE] = 8, [TWO_POWER_CUTS] = 2, [COLD_START] = 1,
	};
	unsigned sum = 0, drawn;
	int limit = world->ride_out ? HARMLESS : FAULTS;

	if (world->now == 0)
		quiet_until = 0;
	if (world->now == 0)
		memset(heals, 0, sizeof(heals));
	heal_what_is_due(world);
	/* one at a time, when they are to cost nothing: ten harmless ones in a row are an outage */
	if (world->ride_out && world->now < quiet_until)
		return;
	if (world->now < 40 * USEC_PER_SEC || world->now >= world->faults_end ||
	    chance(world, 12 * USEC_PER_SEC / TICK) != 0)
		return;
	for (int i = 0; i < limit; i++)
		sum += weights[i];
	drawn = (unsigned)chance(world, sum);
	for (int i = 0; i < limit; i++) {
		if (drawn < weights[i]) {
			happen(world, (enum fault)i, (int)chance(world, (uint64_t)world->nodes));
			quiet_until = (world->quorum ? world->now : world->quorum_at) + 30 * USEC_PER_SEC;
			break;
		}
		drawn -= weights[i];
	}
}

void faults_heal(struct world *world) {
	say(world, "everything heals");
	memset(heals, 0, sizeof(heals));
	world->quorum_at = world->now;
	for (int i = 0; i < world->nodes; i++) {
		struct host *host = &world->hosts[i];

		host->linked = host->stored = host->bmc_fed = true;
		host->bmc = BMC_WORKS;
		host->slow = false;
		if (host->frozen)
			host->thaws_at = world->now;
		for (enum program p = 0; p < PROGRAMS; p++)
			host->processes[p].thaws_at = world->now;
		if (!host->on)
			host->power_at = world->now;
	}
}
