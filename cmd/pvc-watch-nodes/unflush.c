/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making this node ready: VMs that were shut down when it was drained start again, and those that have their home here
 * come back, in one transaction each, which also holds that this node is still to be made ready.
 */
#include "log/log.h"
#include "tour.h"

static enum tour_concern concerns(const struct tour *tour, const struct drain_vm *vm) {
	return unflush_decide(vm, tour->watcher->config->node) == UNFLUSH_LEAVE ? CONCERN_NONE : CONCERN_WORK;
}

static void put(struct trip *trip, const struct store_value *vm, struct store_txn *txn, enum vm_state state) {
	const struct {
		const char *key, *text;
		const struct store_value *seen;
	} keys[] = {
	    {"state", state == VM_STATE_UNKNOWN ? value_text(&vm[TOUR_STATE]) : vm_state_name(state), &vm[TOUR_STATE]},
	    {"node", trip->tour->watcher->config->node, &vm[TOUR_NODE]},
	    {"lastnode", "", &vm[TOUR_LASTNODE]},
	    {"node_autostart", "False", &vm[TOUR_AUTOSTART]},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys) - (state != VM_START); i++) { /* the flag is for those that start */
		_cleanup_free_ char *path = store_path(STORE_DOMAINS, trip->uuid, keys[i].key, (char *)NULL);

		/* store_commit() reports a failed allocation */
		(void)store_txn_put(txn, path ? path : "", keys[i].seen, keys[i].text);
	}
}

static int stay(struct trip *trip, const struct drain_vm *vm, const char *why) {
	trip->over = true;
	trip_answer(trip, true, PROGRESS_STAYED, vm->node, why);
	return 1;
}

static int fetch(struct trip *trip, const struct store_value *values, const struct store_value *nodes,
		 const struct drain_vm *vm, struct store_txn *txn) {
	const char *me = trip->tour->watcher->config->node, *reason = value_text(&values[TOUR_REASON]);

	if (trip->sent) /* it is where it was */
		return stay(trip, vm, str_is_absent(reason) ? "it could not be moved" : reason);
	if (!targets_runs(trip, nodes, vm->node))
		return stay(trip, vm, "that node does not run");
	if (trip_aim(trip, me) < 0)
		return -ENOMEM;
	trip_answer(trip, false, PROGRESS_MOVING, me, NULL);
	put(trip, values, txn, VM_MIGRATE);
	return 0;
}

static int decide(struct trip *trip, const struct store_value *values, const struct store_value *nodes,
		  struct store_txn *txn) {
	const char *me = trip->tour->watcher->config->node;
	struct drain_vm vm = tour_vm(trip->tour, trip->uuid, values);
	_cleanup_free_ char *why = NULL;

	switch (unflush_decide(&vm, me)) {
	case UNFLUSH_START:
		put(trip, values, txn, VM_START);
		trip_answer(trip, true, PROGRESS_STARTED, me, NULL);
		return 0;
	case UNFLUSH_FETCH:
		return fetch(trip, values, nodes, &vm, txn);
	case UNFLUSH_ASSIGN:
		put(trip, values, txn, VM_STATE_UNKNOWN);
		trip_answer(trip, true, PROGRESS_ASSIGNED, me, NULL);
		return 0;
	case UNFLUSH_AWAIT:
		trip_answer(trip, false, PROGRESS_MOVING, vm.node, NULL);
		return 1;
	case UNFLUSH_STAY:
		why = str_printf("its state is '%s'", vm.state);
		return stay(trip, &vm, why);
	case UNFLUSH_LEAVE:
	case UNFLUSH_ACTION_COUNT:
		break;
	}
	if (!trip->sent && !trip->follow) /* others took care of it meanwhile */
		trip_discount(trip);
	trip_answer_rest(trip, &vm, value_text(&values[TOUR_REASON]));
	return 1;
}

const struct tour_kind unflush_kind = {
    .asked = DOMAINS_UNFLUSH,
    .reached = DOMAINS_READY,
    .concerns = concerns,
    .decide = decide,
};
