/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The programs: they fetch, call lib/cluster, act. What they decide is not here. */
#include "world.h"

#define COORDINATORS 3
#define PING         (TIMELINE_SESSION / 6)

static struct process *program_of(struct world *world, int node, enum program program) {
	return &world->hosts[node].processes[program];
}

bool is_confirmed(const struct world *world, const struct process *process) {
	if (world->mutation == MUTATE_TRUST_CONNECTING)
		return true;
	return process->session != NOBODY && process->confirmed &&
	       world->now - process->confirmed < TIMELINE_SESSION / 3;
}

/* Session, confirmations, and the copy of the tree. True while there is a connection. */
static bool keep_connection(struct world *world, int node, enum program program) {
	struct host *host = &world->hosts[node];
	struct process *process = program_of(world, node, program);

	if (process->asking && world->now - process->asked_at > TIMELINE_SESSION * 2 / 3)
		process->asking = false; /* what became of it is not known */
	if (world->now >= process->pinged + (process->session == NOBODY ? 10 * TICK : PING)) {
		process->pinged = world->now;
		(void)ask(world, node, program,
			  (struct message){.kind = process->session == NOBODY ? REQUEST_OPEN : REQUEST_PING});
	}
	if (!host->linked || !world->quorum || !session_lives(world, process->session))
		return false;
	if (happens(world, 80)) { /* watches come when they come */
		process->view = world->tree;
		process->has_view = true;
	}
	return process->has_view;
}

static void ask_change(struct world *world, int node, enum program program, struct message request) {
	struct process *process = program_of(world, node, program);

	if (process->asking)
		return;
	process->asking = ask(world, node, program, request);
	process->asked_at = world->now;
}

/* ---- pvc-keepalive ---- */

static void feed(struct world *world, struct host *host) {
	if (!world->device)
		return;
	host->dog_armed = true;
	host->dog_fires = world->now + fence_watchdog_time(&world->rules);
}

static void mind_oneself(struct world *world, int node) {
	struct host *host = &world->hosts[node];
	const struct record *record = &program_of(world, node, KEEPALIVE)->view.records[node];
	struct self_view view = {
	    .now = world->now,
	    .sent = host->beat.sent,
	    .answered = host->beat.answered,
	    .fed = host->beat.fed,
	    .fed_sent = host->beat.fed_sent,
	    .ended = host->beat.ended,
	    .armed = host->dog_armed,
	    .device = world->device,
	};

	if (world->mutation == MUTATE_LATE_FEED && view.sent && !view.fed)
		view.sent = view.answered = view.now;
	if (world->mutation == MUTATE_BARE_FEED && host->dog_armed && fence_watchdog_time(&world->rules)) {
		feed(world, host);
		view.fed_sent = world->now;
	}
	switch (self_decide(&world->rules, &view)) {
	case SELF_FEED:
		host->beat.fed = true;
		host->beat.ended = false;
		host->beat.fed_sent = view.sent;
		feed(world, host);
		break;
	case SELF_END:
		say(world, "node %d: ends its VMs, as it will be reset", node);
		host->beat.ended = true;
		memset(host->vms, 0, sizeof(host->vms));
		memset(host->vm_starts, 0, sizeof(host->vm_starts));
		break;
	case SELF_RESET:
		host_off(world, node, "reset by itself");
		host_on(world, node);
		return;
	case SELF_LEAVE:
	case SELF_ACTION_COUNT:
		break;
	}
	/* others took it for off and go by that: it must not go on */
	if (record->step >= FENCE_PROVEN && record->boot == host->boot) {
		host_off(world, node, "it was declared dead");
		host_on(world, node);
	}
}

static struct message change(enum request_kind kind, int subject, const struct record *record) {
	return (struct message){.kind = kind, .subject = subject, .seen = *record};
}

/* An agent at work; its controller does what it does also when the fencer dies meanwhile. */
static void ask_agents(struct world *world, int node, int victim) {
	struct peer *peer = &world->hosts[node].peers[victim];
	struct host *host = &world->hosts[victim];
	bool reachable = host->on || host->bmc_fed;

	say(world, "node %d: asks the agents of node %d", node, victim);
	for (int other = 0; other < world->nodes; other++)
		if (other != node && world->hosts[other].peers[victim].agents_until > world->now &&
		    process_acts(world, other, KEEPALIVE) && is_confirmed(world, program_of(world, other, KEEPALIVE)))
			broken(world, "nodes %d and %d fence node %d at the same time", node, other, victim);
	peer->answer = FENCE_UNKNOWN;
	peer->agents_until = world->now + USEC_PER_SEC;
	if (!reachable || host->bmc == BMC_FAILS || host->bmc == BMC_HANGS) {
		peer->agents_until = world->now + 20 * USEC_PER_SEC;
	} else {
		peer->answer = FENCE_OFF;
		host->lied |= host->bmc == BMC_LIES;
		if (host->bmc == BMC_WORKS) {
			/* one that takes over, or was interrupted, cannot know */
			if (peer->told_of == world->tree.records[victim].claim)
				broken(world, "no needless harm: node %d is switched off twice for one claim", victim);
			peer->told_of = world->tree.records[victim].claim;
			host->pulled_at = world->now + USEC_PER_SEC / 2;
		}
	}
	if (world->mutation == MUTATE_WRONG_CASE)
		peer->answer = FENCE_UNKNOWN;
}

/* The machines of the victim, one after the other, each to the node that has fewest. */
static void recover_next(struct world *world, int node, int victim, const struct tree *tree) {
	struct message request = change(REQUEST_RECOVER, victim, &tree->records[victim]);
	int best = NOBODY, fewest = VMS + 1;

	request.detail = NOBODY;
	for (int vm = 0; vm < world->vms && request.detail == NOBODY; vm++)
		if (tree->vms[vm].node == victim)
			request.detail = vm;
	for (int target = 0; target < world->nodes; target++) {
		int count = 0;

		if (target == victim || tree->nodes[target].state != DAEMON_RUN ||
		    !session_lives(world, tree->nodes[target].alive))
			continue;
		for (int vm = 0; vm < world->vms; vm++)
			count += tree->vms[vm].node == target;
		if (count < fewest) {
			fewest = count;
			best = target;
		}
	}
	if (request.detail != NOBODY && best == NOBODY)
		return; /* nobody could take it now */
	request.seen_wish_version = best;
	ask_change(world, node, KEEPALIVE, request);
}

static void act(struct world *world, int node, int victim, enum fence_action action, const struct fence_view *view) {
	const struct tree *tree = &program_of(world, node, KEEPALIVE)->view;
	const struct record *record = &tree->records[victim];
	struct message request;

	switch (action) {
	case FENCE_WAIT:
	case FENCE_ACTION_COUNT:
		break;
	case FENCE_CLAIM:
		request = change(REQUEST_CLAIM, victim, record);
		request.seen_state_version = tree->nodes[victim].state_version;
		ask_change(world, node, KEEPALIVE, request);
		break;
	case FENCE_RESUME:
		if (world->mutation != MUTATE_NO_RESUME)
			ask_change(world, node, KEEPALIVE, change(REQUEST_RESUME, victim, record));
		break;
	case FENCE_AGENTS:
		ask_agents(world, node, victim);
		break;
	case FENCE_PROVE:
		request = change(REQUEST_PROVE, victim, record);
		request.detail = view->verdict == FENCE_OFF ? FENCE_OFF : FENCE_CUT;
		ask_change(world, node, KEEPALIVE, request);
		break;
	case FENCE_CANCEL:
		ask_change(world, node, KEEPALIVE, change(REQUEST_CANCEL, victim, record));
		break;
	case FENCE_SEAL:
		ask_change(world, node, KEEPALIVE, change(REQUEST_SEAL, victim, record));
		break;
	case FENCE_RECOVER:
		recover_next(world, node, victim, tree);
		break;
	case FENCE_SETTLE:
		request = change(REQUEST_RECOVER, victim, record);
		request.detail = NOBODY;
		ask_change(world, node, KEEPALIVE, request);
		break;
	case FENCE_FORGET:
		ask_change(world, node, KEEPALIVE, change(REQUEST_FORGET, victim, record));
		break;
	}
}

static void mind_peer(struct world *world, int node, int victim) {
	struct host *host = &world->hosts[node];
	struct process *process = program_of(world, node, KEEPALIVE);
	const struct node_keys *keys = &process->view.nodes[victim];
	const struct record *record = &process->view.records[victim];
	struct peer *peer = &host->peers[victim];
	struct fence_sight sight = {
	    .now = world->now,
	    .watching = host->watching,
	    .confirmed = is_confirmed(world, process),
	    .session = session_lives(world, keys->alive),
	};
	struct fence_view view;

	if (keys->beat != peer->seen_beat) {
		peer->seen_beat = keys->beat;
		peer->changed = world->now;
	}
	if (keys->state_version != peer->seen_state) {
		peer->seen_state = keys->state_version;
		if (keys->state == DAEMON_INIT && world->mutation != MUTATE_OLD_SILENCE)
			peer->changed = world->now; /* it has registered */
	}
	sight.changed = peer->changed;
	if (world->mutation == MUTATE_WALL_CLOCK) {
		int64_t wall = (int64_t)world->now + host->wall_offset, ago = wall - (int64_t)keys->wall;

		sight.watching = 0;
		sight.changed = ago < 0 ? world->now : (usec_t)ago > world->now ? 0 : world->now - (usec_t)ago;
	}
	if (peer->agents_until && world->now >= peer->agents_until) {
		peer->agents_until = 0;
		peer->asked = true;
		peer->verdict = peer->answer;
		peer->retry_at = world->now + fence_retry_pause(++peer->attempts);
		say(world, "node %d: agents of node %d: %s", node, victim, fence_verdict_name(peer->verdict));
	}
	if (record->step == FENCE_NONE || record->fencer != node || record->session != process->session) {
		peer->asked = false;
		peer->told_of = 0; /* with its session it lost what it knew */
	}
	view = (struct fence_view){
	    .health = fence_judge(&world->rules, &sight),
	    .step = record->step,
	    .fencer = !session_lives(world, record->session) ? FENCER_NOBODY
		      : record->session == process->session  ? FENCER_ME
							     : FENCER_OTHER,
	    .verdict = record->step >= FENCE_PROVEN ? record->verdict
		       : peer->asked                ? peer->verdict
						    : FENCE_UNKNOWN,
	    .confirmed = sight.confirmed,
	    .may_claim = process->view.nodes[node].state == DAEMON_RUN && keys->state != DAEMON_STOP,
	    .may_recover = record->verdict == FENCE_CUT ? world->rules.recover_cut : world->rules.recover_off,
	    .armed = keys->armed,
	    .cut_time = fence_silence(&sight) > fence_cut_time(&world->rules),
	    .asked = peer->asked,
	    .retry = world->now >= peer->retry_at,
	    .back = keys->beat != record->beat || keys->state_version != record->state_version,
	    .another_boot = keys->beat != record->beat && keys->boot != record->boot,
	};
	if (world->mutation == MUTATE_NO_FENCE_CHECK && view.asked && view.verdict == FENCE_UNKNOWN) {
		view.verdict = FENCE_OFF;
		view.armed = false;
	}
	if (view.fencer == FENCER_OTHER)
		peer->attempts = 0;
	if (peer->agents_until == 0 && !process->asking)
		act(world, node, victim, fence_decide(&view), &view);
}

/* One that was lost is made again at once. */
static void beat(struct world *world, int node) {
	struct host *host = &world->hosts[node];
	bool lost = host->beat.asked > host->beat.sent && world->now - host->beat.asked >= USEC_PER_SEC;

	bool news = host->dog_armed && !host->beat.said_armed;

	if (world->now < host->beat.next && !lost && !news)
		return;
	if (world->now >= host->beat.next)
		host->beat.next = world->now + world->rules.interval;
	host->beat.asked = world->now;
	/* armed is said by heartbeats after the first one that fed: an answer that is lost has armed nothing */
	host->beat.said_armed = host->dog_armed;
	(void)ask(world, node, KEEPALIVE, (struct message){.kind = REQUEST_BEAT, .detail = host->dog_armed});
}

/* While its own session is in doubt it sees nothing and does nothing: the others' time begins anew, and agents that are
 * at work are ended, since somebody else may fence by now. */
static bool sees(struct world *world, int node, bool connected) {
	struct host *host = &world->hosts[node];
	const struct process *process = program_of(world, node, KEEPALIVE);

	if (connected && is_confirmed(world, process))
		return true;
	host->watching = world->now;
	for (int peer = 0; peer < world->nodes; peer++)
		if (host->peers[peer].agents_until)
			host->peers[peer].agents_until = host->peers[peer].told_of = 0;
	return world->mutation == MUTATE_TRUST_CONNECTING && process->has_view;
}

void keepalive_tick(struct world *world, int node) {
	struct host *host = &world->hosts[node];
	bool connected, seeing;

	if (!process_acts(world, node, KEEPALIVE))
		return;
	mind_oneself(world, node);
	if (!process_acts(world, node, KEEPALIVE))
		return;
	connected = keep_connection(world, node, KEEPALIVE);
	seeing = sees(world, node, connected);
	if (!connected && !seeing)
		return;
	if (!host->registered) {
		ask_change(world, node, KEEPALIVE, (struct message){.kind = REQUEST_REGISTER});
		return;
	}
	beat(world, node);
	for (int peer = 0; seeing && peer < world->nodes && node < COORDINATORS; peer++)
		if (peer != node)
			mind_peer(world, node, peer);
}

/* ---- pvc-watch-nodes ---- */

static enum primary_services services_of(const struct service *service) {
	if (service->starts_at || service->stops_at)
		return SERVICES_UNCLEAR;
	return service->runs ? SERVICES_RUN : SERVICES_STOPPED;
}

static bool is_candidate(const struct world *world, const struct tree *tree, int node) {
	return node >= 0 && node < COORDINATORS && node < world->nodes && tree->nodes[node].state == DAEMON_RUN &&
	       session_lives(world, tree->nodes[node].alive);
}

void watch_nodes_tick(struct world *world, int node) {
	struct host *host = &world->hosts[node];
	struct process *process = program_of(world, node, WATCH_NODES);
	const struct tree *tree = &process->view;
	struct primary_view view;
	enum primary_action action;
	bool connected;

	if (node >= COORDINATORS || !process_acts(world, node, WATCH_NODES))
		return;
	connected = keep_connection(world, node, WATCH_NODES);
	if (!process->has_view)
		return;
	view = (struct primary_view){
	    .fitness = host->registered ? primary_fitness(tree->nodes[node].state) : PRIMARY_LEAVES,
	    .wish = tree->wish == NOBODY                    ? WISH_NOBODY
		    : tree->wish == node                    ? WISH_ME
		    : is_candidate(world, tree, tree->wish) ? WISH_OTHER
							    : WISH_UNFIT,
	    .lease = process->session == NOBODY                     ? LEASE_OTHERS
		     : tree->lease_session == NOBODY                ? LEASE_NOBODYS
		     : tree->lease_session == process->session      ? LEASE_MINE
		     : tree->lease_node == node && host->registered ? LEASE_OLD
								    : LEASE_OTHERS,
	    .services = services_of(&host->service),
	    .confirmed = process->confirmed && world->now < process->confirmed + timeline_late(TIMELINE_SESSION),
	};
	if (world->mutation == MUTATE_TRUST_CONNECTING || world->mutation == MUTATE_KEEP_SERVICES)
		view.confirmed = true;
	if (view.lease != LEASE_NOBODYS || view.wish != WISH_OTHER)
		host->others_until = 0;
	else if (host->others_until == 0)
		host->others_until = world->now + TIMELINE_TAKE;
	view.others_first = world->now < host->others_until;
	action = primary_decide(&view);
	if (world->mutation == MUTATE_RELEASE_FIRST && view.lease == LEASE_MINE && view.wish == WISH_OTHER) {
		services_stop(world, node);
		action = PRIMARY_RELEASE;
	}
	switch (action) {
	case PRIMARY_START:
		if (services_of(&host->service) == SERVICES_STOPPED && !process->asking)
			host->service.starts_at = world->now + 4 * TICK;
		break;
	case PRIMARY_STOP:
		services_stop(world, node);
		break;
	case PRIMARY_CLAIM:
	case PRIMARY_ADOPT:
	case PRIMARY_BID:
	case PRIMARY_RELEASE:
		if (connected)
			ask_change(world, node, WATCH_NODES,
				   (struct message){.kind = REQUEST_LEASE,
						    .detail = (int)action,
						    .seen_wish_version = tree->wish_version,
						    .seen_lease_session = tree->lease_session});
		break;
	case PRIMARY_NOTHING:
	case PRIMARY_ACTION_COUNT:
		break;
	}
}

/* ---- pvc-watch-domains ---- */

void watch_domains_tick(struct world *world, int node) {
	struct host *host = &world->hosts[node];
	struct process *process = program_of(world, node, WATCH_DOMAINS);
	enum vm_action action;

	if (!process_acts(world, node, WATCH_DOMAINS) || !keep_connection(world, node, WATCH_DOMAINS) ||
	    !host->registered)
		return;
	for (int vm = 0; vm < world->vms; vm++) {
		const struct vm_keys *keys = &process->view.vms[vm];
		struct vm_view view = {
		    .holder = vm_relation(keys, node),
		    .owner = keys->node == node ? VM_MINE : VM_OTHERS,
		    .here = host->vms[vm] ? VM_HERE_RUNNING : VM_HERE_ABSENT,
		    .wanted = keys->state,
		    .phase = host->vm_starts[vm] ? VM_PHASE_BUSY : VM_PHASE_IDLE,
		};

		action = vm_decide(&view);
		switch (action) {
		case VM_DO_CLAIM:
		case VM_DO_RELEASE:
			ask_change(world, node, WATCH_DOMAINS,
				   (struct message){.kind = REQUEST_HOLD,
						    .subject = vm,
						    .detail = action == VM_DO_CLAIM ? node : NOBODY,
						    .seen_vm_version = keys->version});
			break;
		case VM_DO_START: /* only after a synced read says the same */
			ask_change(world, node, WATCH_DOMAINS,
				   (struct message){.kind = REQUEST_READ_VM, .subject = vm});
			break;
		case VM_DO_DESTROY:
			say(world, "node %d: VM %d belongs elsewhere: ended", node, vm);
			host->vms[vm] = false;
			break;
		default:
			break;
		}
	}
}

/* ---- answers ---- */

void answered(struct world *world, const struct message *reply) {
	struct host *host = &world->hosts[reply->node];
	struct process *process = program_of(world, reply->node, reply->program);

	switch (reply->kind) {
	case REQUEST_PING:
		return;
	case REQUEST_OPEN:
		if (process->session == NOBODY) { /* else one that was given up: it runs out by itself */
			process->session = reply->session;
			process->confirmed = reply->sent;
		}
		return;
	case REQUEST_BEAT:
		if (reply->sent > host->beat.sent) {
			host->beat.sent = reply->sent;
			host->beat.answered = world->now;
			host->beat.fed = false;
		}
		return;
	default:
		break;
	}
	process->asking = false;
	if (reply->kind == REQUEST_REGISTER && reply->result == 0)
		host->registered = true;
	if (reply->kind == REQUEST_READ_VM && reply->detail == reply->node && !host->vms[reply->subject])
		host->vm_starts[reply->subject] = world->now + (2 + chance(world, 8)) * TICK;
	if (reply->kind == REQUEST_CLAIM && reply->result == 0)
		say(world, "node %d: claims node %d", reply->node, reply->subject);
	if (reply->kind == REQUEST_PROVE && reply->result == 0)
		say(world, "node %d: node %d is %s", reply->node, reply->subject,
		    fence_verdict_name((enum fence_verdict)reply->detail));
}
