/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Draining this node: every VM that runs here is sent to another node, as the reference's flush writes it (state,
 * node, lastnode), but several at a time and in one transaction each, which also holds that this node is still to be
 * drained and that the target is still ready. A VM that no node can take is shut down, and starts again when this node
 * is made ready.
 */
#include "log/log.h"
#include "tour.h"

static enum tour_concern concerns(const struct tour *tour, const struct drain_vm *vm) {
	const char *me = tour->watcher->config->node;

	switch (flush_decide(vm, me)) {
	case FLUSH_MOVE:
		return CONCERN_WORK;
	case FLUSH_AWAIT:
		/* a migration between two other nodes, perhaps: it is waited for in silence */
		return str_equal(vm->node, me) || str_equal(vm->lastnode, me) ? CONCERN_WORK : CONCERN_WAIT;
	case FLUSH_LEAVE:
	case FLUSH_ACTION_COUNT:
		break;
	}
	return CONCERN_NONE;
}

static void put(const struct trip *trip, struct store_txn *txn, const char *key, const struct store_value *seen,
		const char *text) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, trip->uuid, key, (char *)NULL);

	(void)store_txn_put(txn, path ? path : "", seen, text); /* store_commit() reports a failed allocation */
}

static int shut_down(struct trip *trip, const struct store_value *vm, struct store_txn *txn, const char *why) {
	const char *me = trip->tour->watcher->config->node;

	free(trip->target);
	trip->target = NULL;
	trip_answer(trip, false, PROGRESS_MOVING, me, why);
	if (str_equal(value_text(&vm[TOUR_LASTNODE]), me)) /* left from an attempt: nothing is at home and away (D43) */
		put(trip, txn, "lastnode", &vm[TOUR_LASTNODE], "");
	put(trip, txn, "state", &vm[TOUR_STATE], vm_state_name(VM_SHUTDOWN));
	put(trip, txn, "node_autostart", &vm[TOUR_AUTOSTART], "True");
	return 0;
}

static int move(struct trip *trip, const struct store_value *vm, const struct store_value *nodes,
		struct store_txn *txn) {
	const char *me = trip->tour->watcher->config->node, *lastnode = value_text(&vm[TOUR_LASTNODE]);
	_cleanup_free_ char *error = NULL, *tried = NULL;
	bool home = false;
	int at, r = 0;

	if (trip->put_down) {
		trip->over = true;
		trip_answer(trip, true, PROGRESS_STAYED, me, "somebody started it again");
		return 1;
	}
	if (trip->sent && !strlist_contains(&trip->tried, trip->sent)) /* it came back */
		r = strlist_add(&trip->tried, trip->sent);
	if (r < 0)
		return r;
	at = trip->tried.count < TRIP_TARGETS_MAX ? targets_choose(trip, vm, nodes, &home, &error) : -ENOENT;
	if (at == -ENOENT) {
		tried = strlist_join(&trip->tried, ", ");
		if (trip->tried.count >= TRIP_TARGETS_MAX) {
			free(error);
			error = str_printf("it could not be moved to %s", tried ? tried : "any node");
		}
		return shut_down(trip, vm, txn, error);
	}
	if (at < 0)
		return at;
	r = trip_aim(trip, trip->nodes.items[at]);
	if (r >= 0)
		r = targets_check(trip, (size_t)at, nodes, txn);
	if (r < 0)
		return r;
	trip_answer(trip, false, PROGRESS_MOVING, trip->target, home ? "its home, as no other node can take it" : NULL);
	put(trip, txn, "state", &vm[TOUR_STATE], vm_state_name(VM_MIGRATE));
	put(trip, txn, "node", &vm[TOUR_NODE], trip->target);
	put(trip, txn, "lastnode", &vm[TOUR_LASTNODE], home ? "" : str_is_absent(lastnode) ? me : lastnode);
	return 0;
}

static int decide(struct trip *trip, const struct store_value *values, const struct store_value *nodes,
		  struct store_txn *txn) {
	struct drain_vm vm = tour_vm(trip->tour, trip->uuid, values);
	const char *me = trip->tour->watcher->config->node;

	switch (flush_decide(&vm, me)) {
	case FLUSH_MOVE:
		return move(trip, values, nodes, txn);
	case FLUSH_AWAIT:
		trip_answer(trip, false, PROGRESS_MOVING, vm.node, NULL);
		return !str_equal(vm.node, me) && trip_aim(trip, vm.node) < 0 ? -ENOMEM : 1;
	case FLUSH_LEAVE:
	case FLUSH_ACTION_COUNT:
		break;
	}
	trip_answer_rest(trip, &vm, value_text(&values[TOUR_REASON]));
	return 1;
}

const struct tour_kind flush_kind = {
    .asked = DOMAINS_FLUSH,
    .reached = DOMAINS_FLUSHED,
    .by_size = true,
    .concerns = concerns,
    .decide = decide,
};
