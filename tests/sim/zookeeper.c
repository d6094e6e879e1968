/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the requests do to the tree: each a transaction, all of it or nothing. */
#include "world.h"

static bool is_same_record(const struct record *a, const struct record *b) {
	return a->version == b->version && a->step == b->step;
}

static struct holder holder_key(int holder) {
	char text[HOLDER_NODE_MAX] = "";

	if (holder != NOBODY)
		(void)snprintf(text, sizeof(text), "%d", holder);
	return holder_parse(text);
}

enum vm_holder vm_relation(const struct vm_keys *vm, int node) {
	static enum vm_holder known[NODES + 1][NODES]; /* they are asked millions of times */
	static bool filled;

	for (int holder = NOBODY; !filled && holder < NODES; holder++) {
		const struct holder key = holder_key(holder);

		for (int me = 0; me < NODES; me++) {
			char name[HOLDER_NODE_MAX];

			(void)snprintf(name, sizeof(name), "%d", me);
			known[holder + 1][me] = holder_relation(&key, name);
		}
	}
	filled = true;
	return known[vm->holder + 1][node];
}

static void put_state(struct node_keys *keys, enum daemon_state state) {
	keys->state = state;
	keys->state_version++;
}

static int beat(struct world *world, const struct message *message) {
	struct node_keys *keys = &world->tree.nodes[message->node];
	const struct record *record = &world->tree.records[message->node];
	bool being_recovered = record->step == FENCE_PROVEN || record->step == FENCE_SEALED;

	keys->beat++;
	keys->wall = (usec_t)((int64_t)message->sent + world->hosts[message->node].wall_offset);
	keys->armed = message->detail;
	keys->alive = message->session;
	if (!being_recovered && heartbeat_claims_run(keys->state, false))
		put_state(keys, DAEMON_RUN);
	return 0;
}

/* A host that comes up while it is being recovered waits for the end of that: its machines may be on their way. */
static int register_node(struct world *world, const struct message *message) {
	struct node_keys *keys = &world->tree.nodes[message->node];
	const struct record *record = &world->tree.records[message->node];

	if ((record->step == FENCE_PROVEN || record->step == FENCE_SEALED) && world->mutation != MUTATE_BLIND_REGISTER)
		return -EBUSY;
	keys->boot = world->hosts[message->node].boot;
	keys->armed = false;
	put_state(keys, DAEMON_INIT);
	return 0;
}

bool tree_unregister(struct world *world, int node) {
	struct node_keys *keys = &world->tree.nodes[node];

	if (!world->quorum || !world->hosts[node].linked || world->tree.records[node].step != FENCE_NONE)
		return false;
	put_state(keys, DAEMON_STOP);
	return true;
}

static int claim(struct world *world, const struct message *message) {
	struct record *record = &world->tree.records[message->subject];
	struct node_keys *keys = &world->tree.nodes[message->subject];

	if (world->mutation != MUTATE_TWO_FENCERS &&
	    (!is_same_record(record, &message->seen) || keys->state_version != message->seen_state_version))
		return -ESTALE;
	put_state(keys, DAEMON_DEAD);
	*record = (struct record){
	    .step = FENCE_CLAIMED,
	    .fencer = message->node,
	    .session = message->session,
	    .boot = keys->boot,
	    .beat = keys->beat,
	    .state_version = keys->state_version,
	    .version = record->version + 1,
	    .claim = ++world->figures.claims,
	};
	return 0;
}

static int next_step(struct world *world, const struct message *message) {
	struct record *record = &world->tree.records[message->subject];
	struct node_keys *keys = &world->tree.nodes[message->subject];

	if (!is_same_record(record, &message->seen))
		return -ESTALE;
	if (message->kind != REQUEST_RESUME && record->session != message->session)
		return -ESTALE;
	switch (message->kind) {
	case REQUEST_RESUME:
		if (session_lives(world, record->session))
			return -ESTALE;
		record->fencer = message->node;
		record->session = message->session;
		break;
	case REQUEST_PROVE:
		/* the victim wrote its state: it is back */
		if (keys->state_version != record->state_version)
			return -ESTALE;
		record->step = FENCE_PROVEN;
		record->verdict = (enum fence_verdict)message->detail;
		world->figures.proofs++;
		break;
	case REQUEST_SEAL:
		if (!world->hosts[message->node].stored)
			return -EIO;
		if (world->mutation != MUTATE_NO_SEAL)
			world->hosts[message->subject].blocked = true;
		record->step = FENCE_SEALED;
		break;
	case REQUEST_CANCEL:
		*record = (struct record){.version = record->version};
		world->figures.cancels++;
		break;
	case REQUEST_FORGET:
		world->hosts[message->subject].blocked = false;
		*record = (struct record){.version = record->version};
		break;
	default:
		return -EINVAL;
	}
	record->version++;
	return 0;
}

static int hold(struct vm_keys *vm, const struct message *message) {
	if (vm->version != message->seen_vm_version)
		return -ESTALE;
	vm->holder = message->detail;
	vm->version++;
	return 0;
}

/* By the programs' own function, on the key as it is written. */
static void without_holder(struct vm_keys *vm, int dead) {
	const struct holder holder = holder_key(vm->holder);
	char node[HOLDER_NODE_MAX], *text = NULL;

	(void)snprintf(node, sizeof(node), "%d", dead);
	if (holder_without(&holder, node, &text) > 0)
		vm->holder = NOBODY; /* without migrations there is nobody else to hand it to */
	free(text);
}

/* subject: the victim; detail: a VM, or NOBODY when there is none left; seen_wish_version: its new node */
static int recover(struct world *world, const struct message *message) {
	struct record *record = &world->tree.records[message->subject];
	struct vm_keys *vm;

	if (!is_same_record(record, &message->seen) || record->session != message->session)
		return -ESTALE;
	if (message->detail == NOBODY) {
		record->step = FENCE_DONE;
		record->version++;
		return 0;
	}
	vm = &world->tree.vms[message->detail];
	if (vm->node != message->subject)
		return -ESTALE;
	vm->node = message->seen_wish_version;
	without_holder(vm, message->subject);
	vm->version++;
	world->figures.recovered++;
	return 0;
}

static int lease(struct world *world, const struct message *message) {
	struct tree *tree = &world->tree;

	if (tree->lease_session != message->seen_lease_session)
		return -ESTALE;
	switch ((enum primary_action)message->detail) {
	case PRIMARY_CLAIM:
	case PRIMARY_BID:
		if (tree->wish_version != message->seen_wish_version)
			return -ESTALE;
		if (tree->wish != message->node) {
			tree->wish = message->node;
			tree->wish_version++;
		}
		if (message->detail == PRIMARY_BID)
			return 0;
		world->figures.handovers++;
		/* fallthrough */
	case PRIMARY_ADOPT:
		tree->lease_node = message->node;
		tree->lease_session = message->session;
		return 0;
	case PRIMARY_RELEASE:
		tree->lease_node = tree->lease_session = NOBODY;
		return 0;
	default:
		return -EINVAL;
	}
}

int tree_apply(struct world *world, struct message *message) {
	switch (message->kind) {
	case REQUEST_OPEN:
	case REQUEST_PING:
		return 0;
	case REQUEST_BEAT:
		return beat(world, message);
	case REQUEST_REGISTER:
		return register_node(world, message);
	case REQUEST_READ_VM:
		message->detail = world->tree.vms[message->subject].holder == message->node
				      ? world->tree.vms[message->subject].node
				      : NOBODY;
		return 0;
	case REQUEST_HOLD:
		return hold(&world->tree.vms[message->subject], message);
	case REQUEST_CLAIM:
		return claim(world, message);
	case REQUEST_RESUME:
	case REQUEST_CANCEL:
	case REQUEST_PROVE:
	case REQUEST_SEAL:
	case REQUEST_FORGET:
		return next_step(world, message);
	case REQUEST_RECOVER:
		return recover(world, message);
	case REQUEST_LEASE:
		return lease(world, message);
	}
	return -EINVAL;
}

/* Its ephemeral keys go. Who was the fencer stays in the record, whose session is gone. */
void tree_session_gone(struct world *world, int session) {
	if (world->tree.lease_session == session) {
		say(world, "ensemble: the lease of node %d is gone", world->tree.lease_node);
		world->tree.lease_node = world->tree.lease_session = NOBODY;
	}
}
