/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The four checks. They look at the hosts, not at what anybody says of them. */
#include "world.h"

#define THAW TIMELINE_RELEASE /* a host that was frozen holds the addresses until its services have stopped */

/* A controller that lies about a host without a watchdog, or one that has not said yet that its watchdog is armed,
 * leaves it running, and nobody can know. What is left then is the storage, which takes no more writes of it. */
static bool counts(const struct world *world, int node, int vm) {
	const struct host *host = &world->hosts[node];

	if (!host->on || !host->vms[vm])
		return false;
	return world->tree.nodes[node].armed || !host->lied || !host->blocked;
}

static void never_two(struct world *world) {
	for (int vm = 0; vm < world->vms; vm++) {
		int first = NOBODY;

		for (int node = 0; node < world->nodes; node++) {
			if (!counts(world, node, vm))
				continue;
			if (first != NOBODY)
				broken(world, "never two: VM %d runs on nodes %d and %d", vm, first, node);
			first = node;
		}
	}
}

static void one_owner(struct world *world) {
	int first = NOBODY;

	if (world->thawed && world->now - world->thawed <= THAW + TICK)
		return;
	for (int node = 0; node < world->nodes; node++) {
		const struct host *host = &world->hosts[node];

		if (!host->on || host->frozen || !host->service.runs)
			continue;
		if (first != NOBODY)
			broken(world, "one owner: nodes %d and %d have the primary's addresses", first, node);
		first = node;
	}
	for (int node = 0; node < world->nodes; node++) {
		const struct host *host = &world->hosts[node];
		const struct record *record = &world->tree.records[node];

		for (int vm = 0; vm < world->vms; vm++)
			if (host->on && host->vms[vm] && host->stored && !host->blocked &&
			    record->step >= FENCE_SEALED && record->boot == host->boot)
				broken(world, "one owner: node %d was fenced, and its VM %d writes", node, vm);
	}
}

static void no_needless_harm(struct world *world) {
	if (!world->ride_out)
		return;
	for (int node = 0; node < world->nodes; node++) {
		if (world->tree.records[node].step != FENCE_NONE)
			broken(world, "no needless harm: node %d is fenced", node);
		if (world->hosts[node].boot > 1 + world->hosts[node].planned)
			broken(world, "no needless harm: node %d was reset", node);
	}
}

void oracle_tick(struct world *world) {
	never_two(world);
	one_owner(world);
	no_needless_harm(world);
}

void oracle_end(struct world *world) {
	int primaries = 0;

	for (int vm = 0; vm < world->vms; vm++) {
		int running = 0;

		for (int node = 0; node < world->nodes; node++)
			running += world->hosts[node].on && world->hosts[node].vms[vm];
		if (running != 1)
			broken(world, "nothing lost: VM %d runs %d times at the end, node %d has it (%s, record: %s)",
			       vm, running, world->tree.vms[vm].node,
			       daemon_state_name(world->tree.nodes[world->tree.vms[vm].node].state),
			       fence_step_name(world->tree.records[world->tree.vms[vm].node].step));
	}
	for (int node = 0; node < world->nodes; node++) {
		primaries += world->hosts[node].service.runs;
		if (!world->hosts[node].registered)
			broken(world, "nothing lost: node %d did not come back", node);
	}
	if (primaries != 1)
		broken(world, "nothing lost: %d primary coordinators at the end", primaries);
}
