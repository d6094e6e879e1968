/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One machine of a node that is off for certain: decided and written from its keys as they are at that moment. */
#include "recover.h"

#include "log/log.h"

int move_paths(const char *uuid, struct strlist *ret) {
	static const char *const keys[MOVE_KEY_COUNT] = {
	    [MOVE_NAME] = NULL,
	    [MOVE_STATE] = "state",
	    [MOVE_NODE] = "node",
	    [MOVE_LASTNODE] = "lastnode",
	    [MOVE_HOLDER] = "holder",
	    [MOVE_LIMIT] = "node_limit",
	    [MOVE_SELECTOR] = "node_selector",
	    [MOVE_AUTOSTART] = "node_autostart",
	};
	int r = 0;

	for (size_t i = 0; i < MOVE_KEY_COUNT && r >= 0; i++)
		r = strlist_take(ret, store_path(STORE_DOMAINS, uuid, keys[i], (char *)NULL));
	return r;
}

static const char *text_of(const struct store_value *value) {
	return !value->exists ? NULL : strlen(value->data) == value->length ? value->data : "?";
}

struct recover_vm move_vm(const struct store_value *values) {
	return (struct recover_vm){
	    .state = text_of(&values[MOVE_STATE]),
	    .node = text_of(&values[MOVE_NODE]),
	    .lastnode = text_of(&values[MOVE_LASTNODE]),
	    .holder = text_of(&values[MOVE_HOLDER]),
	    .limit = text_of(&values[MOVE_LIMIT]),
	    .selector = text_of(&values[MOVE_SELECTOR]),
	};
}

struct move *move_new(struct recovery *recovery, const char *uuid, const struct store_value *values) {
	struct move *move = calloc(1, sizeof(*move));

	if (!move)
		return NULL;
	*move = (struct move){.recovery = recovery, .uuid = strdup(uuid), .memory = -1, .vcpus = -1};
	move->name = str_printable(values[MOVE_NAME].data, 100);
	if (move->uuid && move->name)
		return move;
	move_free(move);
	return NULL;
}

void move_free(struct move *move) {
	free(move->uuid);
	free(move->name);
	free(move->why);
	free(move);
}

/* Once: lost races do not count a machine in twice. */
static void choose(struct move *move, const struct recover_vm *vm) {
	struct recovery *recovery = move->recovery;
	enum select_by fallback =
	    select_by_parse(config_selector_name(recovery->peer->fencer->config->target_selector));

	if (move->chosen)
		return;
	move->chosen = true;
	move->target = recover_target(vm, recovery->peer->name, &recovery->gone, fallback, recovery->nodes,
				      recovery->names.count, &move->why);
	if (move->target >= 0)
		select_add(&recovery->nodes[move->target], move->memory, move->vcpus);
}

/* A key that stays must not have changed, if the decision rests on it. */
static void put(const struct move *move, struct store_txn *txn, const struct store_value *values,
		const struct strlist *paths, enum move_key key, const char *text) {
	(void)move;
	/* store_commit() reports failed allocations */
	if (text)
		(void)store_txn_put(txn, paths->items[key], &values[key], text);
	else if (values[key].exists)
		(void)store_txn_check(txn, paths->items[key], values[key].stat.version);
}

static int write_step(struct move *move, const struct store_value *values, const struct recover_step *step,
		      struct store_txn *txn) {
	const struct peer *peer = move->recovery->peer;
	_cleanup_strlist_ struct strlist paths = {0};
	int r = move_paths(move->uuid, &paths);

	if (r < 0)
		return r;
	put(move, txn, values, &paths, MOVE_STATE, step->state);
	put(move, txn, values, &paths, MOVE_NODE, step->node);
	put(move, txn, values, &paths, MOVE_HOLDER, step->holder);
	if (step->lastnode)
		put(move, txn, values, &paths, MOVE_LASTNODE, step->lastnode);
	if (step->autostart)
		put(move, txn, values, &paths, MOVE_AUTOSTART, step->autostart);
	(void)store_txn_check(txn, peer->paths[PEER_RECORD], move->recovery->record_version);
	peers_check_gone(peer->fencer, peer, txn);
	return 0;
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct move *move = userdata;
	struct recovery *recovery = move->recovery;
	struct recover_vm vm = move_vm(values);
	struct recover_step step;
	int r;

	if (!fencer_sees(recovery->peer->fencer) || values[count - 1].stat.version != recovery->record_version)
		return -ECANCELED;
	if (!values[MOVE_NAME].exists) /* somebody deleted it */
		return 1;
	r = recover_decide(&vm, recovery->peer->name, &recovery->gone, &step);
	if (r < 0)
		return r;
	move->kind = step.kind;
	if (step.kind == RECOVER_PLACE) {
		choose(move, &vm);
		recover_settle(&step, &vm, move->target >= 0 ? recovery->names.items[move->target] : NULL);
	}
	if (step.kind == RECOVER_NOTHING || step.kind == RECOVER_AWAIT || step.kind == RECOVER_UNCLEAR)
		r = 1;
	else
		r = write_step(move, values, &step, txn);
	recover_step_free(&step);
	return r;
}

static void say(const struct move *move) {
	const struct recovery *recovery = move->recovery;

	if (move->result < 0) {
		log_error("VM %s (%s) could not be recovered: %s", move->name, move->uuid, strerror(-move->result));
		return;
	}
	switch (move->kind) {
	case RECOVER_PLACE:
		if (move->target >= 0)
			log_ok("VM %s (%s) starts on node %s", move->name, move->uuid,
			       recovery->names.items[move->target]);
		else
			log_warning("VM %s (%s) is off until node %s is ready again: %s", move->name, move->uuid,
				    recovery->peer->name, move->why ? move->why : "no node can take it");
		break;
	case RECOVER_END:
		log_info("VM %s (%s) was being shut down: it is off", move->name, move->uuid);
		break;
	case RECOVER_AWAIT:
		log_info("VM %s (%s) was on its way to node %s: it stays where it runs", move->name, move->uuid,
			 recovery->peer->name);
		break;
	case RECOVER_UNCLEAR:
		log_error("VM %s (%s) is not started: its key 'holder' is not readable, so it may run somewhere; see "
			  "that it does not, then: pvcctl vm release %s",
			  move->name, move->uuid, move->uuid);
		break;
	case RECOVER_NOTHING:
	case RECOVER_RELEASE:
	case RECOVER_KIND_COUNT:
		break;
	}
}

static void moved(struct store *store, int result, void *userdata) {
	struct move *move = userdata;

	(void)store;
	move->result = result < 0 ? result : 0;
	move->ended = true;
	if (!move->recovery->peer->fencer->stopping)
		say(move);
	recover_moved(move);
}

int move_begin(struct move *move) {
	const struct peer *peer = move->recovery->peer;
	_cleanup_strlist_ struct strlist paths = {0};
	int r = move_paths(move->uuid, &paths);

	if (r >= 0)
		r = strlist_add(&paths, peer->paths[PEER_RECORD]); /* the last one */
	if (r >= 0)
		r = store_update(peer->fencer->store, (const char *const *)paths.items, paths.count, compute, moved,
				 move);
	return r;
}
