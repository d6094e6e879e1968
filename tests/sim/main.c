/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim [--seed N] [--seeds N] [--mutation NAME|all] [--trace]
 * Runs seeds N, N+1, ... and says how many broke a promise. With a mutation: looks for a seed that catches it.
 */
#include <getopt.h>

#include "world.h"

#define TRACE_ROOM (1u << 20)
#define BOUND      (420 * USEC_PER_SEC) /* after the last fault everything is as it should be */

const char *const mutation_names[MUTATION_COUNT] = {
    [MUTATION_NONE] = "none",
    [MUTATE_NO_FENCE_CHECK] = "no-fence-check",
    [MUTATE_WALL_CLOCK] = "wall-clock",
    [MUTATE_TRUST_CONNECTING] = "trust-connecting",
    [MUTATE_RELEASE_FIRST] = "release-first",
    [MUTATE_BARE_FEED] = "bare-feed",
    [MUTATE_WRONG_CASE] = "wrong-case",
    [MUTATE_NO_SEAL] = "no-seal",
    [MUTATE_LATE_FEED] = "late-feed",
    [MUTATE_BLIND_REGISTER] = "blind-register",
    [MUTATE_TWO_FENCERS] = "two-fencers",
    [MUTATE_NO_RESUME] = "no-resume",
    [MUTATE_KEEP_SERVICES] = "keep-services",
    [MUTATE_OLD_SILENCE] = "old-silence",
};

static void begin(struct world *world) {
	world->random = world->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	for (int i = 0; i < 8; i++)
		(void)chance(world, 2);
	world->nodes = 3 + (int)chance(world, NODES - 2);
	world->vms = 3 + (int)chance(world, VMS - 2);
	world->ride_out = happens(world, 25);
	world->device = happens(world, 60);
	world->rules = (struct fence_rules){
	    .interval = (2 + chance(world, 4)) * USEC_PER_SEC,
	    .fence_intervals = 4 + chance(world, 4),
	    .suicide_intervals = 0,
	    .recover_off = true,
	    .recover_cut = world->device,
	};
	if (world->ride_out) { /* what it costs nothing to ride out depends on them: the defaults do */
		world->rules.interval = 5 * USEC_PER_SEC;
		world->rules.fence_intervals = 6;
	}
	if (world->device && world->ride_out)
		world->rules.suicide_intervals = 5;
	else if (world->device)
		world->rules.suicide_intervals = 4 + chance(world, world->rules.fence_intervals - 3);
	if (fence_rules_check(&world->rules, NULL) < 0) /* a program refuses such a configuration */
		world->rules.suicide_intervals = world->rules.fence_intervals - 1;
	world->faults_end = (200 + chance(world, 400)) * USEC_PER_SEC;
	world->end = world->faults_end + BOUND;
	world->quorum = true;
	world->tree.wish = NOBODY;
	world->tree.lease_node = world->tree.lease_session = NOBODY;
	for (int i = 0; i < world->nodes; i++) {
		struct host *host = &world->hosts[i];

		world->tree.nodes[i] = (struct node_keys){.state = DAEMON_STOP, .alive = NOBODY};
		world->tree.records[i].session = NOBODY;
		host->linked = host->stored = host->bmc_fed = true;
		host_on(world, i);
		host->boots_at = 1;
	}
	for (int vm = 0; vm < world->vms; vm++)
		world->tree.vms[vm] = (struct vm_keys){.node = vm % world->nodes, .holder = NOBODY, .state = VM_START};
}

static void run(struct world *world) {
	bool healed = false;

	begin(world);
	for (world->now = 0; world->now < world->end && !world->broken[0]; world->now += TICK) {
		ensemble_tick(world);
		faults_tick(world);
		if (!healed && world->now >= world->faults_end) {
			healed = true;
			faults_heal(world);
		}
		for (int node = 0; node < world->nodes; node++)
			host_tick(world, node);
		deliver(world);
		for (int node = 0; node < world->nodes; node++) {
			keepalive_tick(world, node);
			watch_nodes_tick(world, node);
			watch_domains_tick(world, node);
		}
		oracle_tick(world);
	}
	if (!world->broken[0])
		oracle_end(world);
	free(world->sessions);
	world->sessions = NULL;
}

/* The same seed again, with its trace. */
static void show(uint64_t seed, enum mutation mutation) {
	struct world *world = calloc(1, sizeof(*world));

	if (!world)
		abort();
	world->seed = seed;
	world->mutation = mutation;
	world->trace = malloc(TRACE_ROOM);
	world->trace_room = TRACE_ROOM;
	run(world);
	(void)printf("seed %llu, %d nodes, %d VMs%s%s, mutation %s\n%.*s", (unsigned long long)seed, world->nodes,
		     world->vms, world->device ? ", watchdogs" : "", world->ride_out ? ", harmless faults alone" : "",
		     mutation_names[mutation], (int)world->trace_length, world->trace ? world->trace : "");
	free(world->trace);
	free(world);
}

static uint64_t search(uint64_t first, uint64_t count, enum mutation mutation, uint64_t *ret_broken) {
	struct world *world = malloc(sizeof(*world));
	struct {
		uint64_t claims, proofs, recovered, resets, cancels, handovers, faults, virtual_time;
	} sum = {0};
	uint64_t bad = 0;

	if (!world)
		abort();
	for (uint64_t seed = first; seed < first + count; seed++) {
		memset(world, 0, sizeof(*world));
		world->seed = seed;
		world->mutation = mutation;
		run(world);
		sum.claims += world->figures.claims;
		sum.proofs += world->figures.proofs;
		sum.recovered += world->figures.recovered;
		sum.resets += world->figures.resets;
		sum.cancels += world->figures.cancels;
		sum.handovers += world->figures.handovers;
		sum.faults += world->figures.faults;
		sum.virtual_time += world->now;
		if (!world->broken[0])
			continue;
		if (bad++ == 0)
			*ret_broken = seed;
		(void)printf("seed %llu: %s\n", (unsigned long long)seed, world->broken);
		if (mutation != MUTATION_NONE)
			break;
	}
	if (mutation == MUTATION_NONE)
		(void)printf(
		    "%llu seeds, %.0f hours: %llu faults, %llu nodes fenced (%llu proven, %llu called off), %llu "
		    "machines "
		    "recovered, %llu watchdog resets, %llu changes of the primary; %llu seeds broke a promise\n",
		    (unsigned long long)count, (double)sum.virtual_time / USEC_PER_SEC / 3600,
		    (unsigned long long)sum.faults, (unsigned long long)sum.claims, (unsigned long long)sum.proofs,
		    (unsigned long long)sum.cancels, (unsigned long long)sum.recovered, (unsigned long long)sum.resets,
		    (unsigned long long)sum.handovers, (unsigned long long)bad);
	free(world);
	return bad;
}

static int search_mutation(uint64_t first, uint64_t count, enum mutation mutation) {
	uint64_t seed = 0;

	(void)printf("mutation %s: ", mutation_names[mutation]);
	if (search(first, count, mutation, &seed) > 0)
		return 0;
	(void)printf("NOT CAUGHT by %llu seeds\n", (unsigned long long)count);
	return 1;
}

int main(int argc, char **argv) {
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"seeds", required_argument, NULL, 'n'},
						{"mutation", required_argument, NULL, 'm'},
						{"trace", no_argument, NULL, 't'},
						{0}};
	uint64_t seed = 1, seeds = 1000, bad = 0, found = 0;
	const char *mutation = NULL;
	enum mutation which = MUTATION_NONE;
	bool trace = false;
	int option, failed = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			seeds = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			mutation = optarg;
			break;
		case 't':
			trace = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (mutation && !str_equal(mutation, "all")) {
		while (which < MUTATION_COUNT && !str_equal(mutation_names[which], mutation))
			which++;
		if (which == MUTATION_COUNT) {
			(void)fprintf(stderr, "sim: no mutation is called '%s'\n", mutation);
			return EXIT_USAGE;
		}
	}
	if (trace) {
		show(seed, which);
		return EXIT_OK;
	}
	if (mutation) {
		for (enum mutation m = 1; m < MUTATION_COUNT; m++)
			if (which == MUTATION_NONE || which == m)
				failed += search_mutation(seed, seeds, m);
		return failed ? EXIT_FAILED : EXIT_OK;
	}
	bad = search(seed, seeds, MUTATION_NONE, &found);
	if (bad)
		show(found, MUTATION_NONE);
	return bad ? EXIT_FAILED : EXIT_OK;
}
