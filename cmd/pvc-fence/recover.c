/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machines of a node that is off for certain and whose storage is sealed: all of the cluster are looked at, those
 * that belong to the node or are held by it are dealt with, the largest first, a bounded number at a time. One that
 * cannot be dealt with is named and does not stop the rest (D15). Everything may begin anew at any time.
 */
#include "recover.h"

#include <math.h>

#include "domain/domain.h"
#include "log/log.h"

#define CHUNK    64 /* VMs whose keys are read at a time */
#define PARALLEL 16 /* transactions at a time */

static const char *const figure_keys[] = {"daemonstate", "domainstate", "memused",      "memfree",
					  "memalloc",    "vcpualloc",   "domainscount", "cpuload"};

static void look_at_chunk(struct recovery *recovery);
static void next_moves(struct recovery *recovery);

void recover_free(struct recovery *recovery) {
	if (!recovery)
		return;
	for (size_t i = 0; i < recovery->move_count; i++)
		move_free(recovery->moves[i]);
	free(recovery->moves);
	free(recovery->nodes);
	strlist_free(&recovery->gone);
	strlist_free(&recovery->vms);
	strlist_free(&recovery->names);
	free(recovery);
}

/* ---- the end ---- */

static size_t counted(const struct recovery *recovery, enum recover_kind kind, bool placed) {
	size_t n = 0;

	for (size_t i = 0; i < recovery->move_count; i++) {
		const struct move *move = recovery->moves[i];

		n +=
		    move->result >= 0 && move->kind == kind && (kind != RECOVER_PLACE || (move->target >= 0) == placed);
	}
	return n;
}

static char *summary(const struct recovery *recovery) {
	_cleanup_strbuf_ struct strbuf text = {0};
	size_t waiting = counted(recovery, RECOVER_PLACE, false), unclear = counted(recovery, RECOVER_UNCLEAR, false);

	(void)strbuf_addf(&text, "%zu VMs start elsewhere", counted(recovery, RECOVER_PLACE, true)); /* text.failed */
	if (waiting)
		(void)strbuf_addf(&text, ", off until the node is ready again because no other can take them: %zu",
				  waiting);
	if (unclear)
		(void)strbuf_addf(&text, ", not started because their key holder is unreadable: %zu", unclear);
	for (size_t i = 0; i < recovery->move_count; i++)
		if (recovery->moves[i]->result < 0)
			(void)strbuf_addf(&text, ", %s failed: %s", recovery->moves[i]->name,
					  strerror(-recovery->moves[i]->result));
	return strbuf_steal(&text);
}

/* Of one that lost its connection, or whose fencer was in doubt, nothing is known; without memory or time it was not
 * dealt with: all is looked at again. */
static bool is_transient(int error) {
	return error == -ECANCELED || error == -ENOTCONN || error == -ECONNRESET || error == -ESTALE ||
	       error == -ENOMEM || error == -ETIMEDOUT;
}

static void end(struct recovery *recovery) {
	struct peer *peer = recovery->peer;
	_cleanup_free_ char *text = summary(recovery);
	int result = recovery->result;
	bool stopping = peer->fencer->stopping;

	for (size_t i = 0; i < recovery->move_count; i++)
		if (is_transient(recovery->moves[i]->result) && result >= 0)
			result = recovery->moves[i]->result;
	peer->recovery = NULL;
	recover_free(recovery);
	if (stopping)
		return;
	if (result < 0)
		act_failed(peer, FENCE_RECOVER, strerror(-result));
	else
		act_record(peer, FENCE_RECOVER, text ? text : "done");
}

static void failed(struct recovery *recovery, int error) {
	if (recovery->result >= 0)
		recovery->result = error;
	if (recovery->under_way == 0)
		end(recovery);
}

/* ---- the machines, one after the other ---- */

void recover_moved(struct move *move) {
	struct recovery *recovery = move->recovery;

	recovery->under_way--;
	next_moves(recovery);
}

static void next_moves(struct recovery *recovery) {
	while (recovery->result >= 0 && !recovery->peer->fencer->stopping && recovery->under_way < PARALLEL &&
	       recovery->begun < recovery->move_count) {
		struct move *move = recovery->moves[recovery->begun++];
		int r = move_begin(move);

		if (r < 0)
			move->result = r;
		else
			recovery->under_way++;
	}
	if (recovery->under_way == 0)
		end(recovery);
}

static int by_size(const void *a, const void *b) {
	const struct move *left = *(struct move *const *)a, *right = *(struct move *const *)b;

	if (left->memory != right->memory)
		return left->memory > right->memory ? -1 : 1;
	return strcmp(left->uuid, right->uuid);
}

/* ---- the nodes ---- */

/* One that is silent may be dead too: what it would get would have to be recovered again. */
static enum daemon_state state_of(const struct fencer *fencer, const char *name, const char *word) {
	for (size_t i = 0; i < fencer->peer_count; i++)
		if (str_equal(fencer->peers[i]->name, name) && fencer->peers[i]->said_health != FENCE_WELL)
			return DAEMON_DEAD;
	return daemon_state_parse(word);
}

static void nodes_read(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct recovery *recovery = userdata;

	(void)store;
	(void)count;
	if (result < 0) {
		failed(recovery, result);
		return;
	}
	for (size_t i = 0; i < recovery->names.count; i++) {
		const struct store_value *v = values + i * ARRAY_SIZE(figure_keys);

		recovery->nodes[i] = (struct select_node){
		    .name = recovery->names.items[i],
		    .daemon_state = state_of(recovery->peer->fencer, recovery->names.items[i], v[0].data),
		    .domain_state = domain_state_parse(v[1].data),
		    .memused = select_figure(v[2].data),
		    .memfree = select_figure(v[3].data),
		    .memalloc = select_figure(v[4].data),
		    .vcpualloc = select_figure(v[5].data),
		    .domainscount = select_figure(v[6].data),
		    .cpuload = select_load(v[7].data),
		};
	}
	if (recovery->move_count > 1)
		qsort(recovery->moves, recovery->move_count, sizeof(struct move *), by_size);
	next_moves(recovery);
}

static void read_nodes(struct recovery *recovery) {
	const struct fencer *fencer = recovery->peer->fencer;
	_cleanup_strlist_ struct strlist paths = {0};
	int r = strlist_add(&recovery->names, fencer->config->node);

	for (size_t i = 0; i < fencer->peer_count && r >= 0; i++)
		if (fencer->peers[i]->listed)
			r = strlist_add(&recovery->names, fencer->peers[i]->name);
	recovery->nodes = calloc(recovery->names.count + 1, sizeof(*recovery->nodes));
	if (!recovery->nodes)
		r = -ENOMEM;
	for (size_t i = 0; i < recovery->names.count && r >= 0; i++)
		for (size_t k = 0; k < ARRAY_SIZE(figure_keys) && r >= 0; k++)
			r = strlist_take(
			    &paths, store_path(STORE_NODES, recovery->names.items[i], figure_keys[k], (char *)NULL));
	if (r >= 0)
		r = store_get_many(fencer->store, (const char *const *)paths.items, paths.count, nodes_read, recovery);
	if (r < 0)
		failed(recovery, r);
}

/* ---- how large they are: a chunk's XML ---- */

static void sizes_read(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct recovery *recovery = userdata;
	size_t first = recovery->move_count - count;

	(void)store;
	if (result < 0) {
		failed(recovery, result);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		_cleanup_domain_xml_ struct domain_xml xml = {0};

		if (domain_xml_read(values[i].data, values[i].length, &xml, NULL) < 0)
			continue; /* its size is not known: it comes last */
		recovery->moves[first + i]->memory = xml.memory;
		recovery->moves[first + i]->vcpus = xml.vcpus;
	}
	look_at_chunk(recovery);
}

static void read_sizes(struct recovery *recovery, size_t first) {
	_cleanup_strlist_ struct strlist paths = {0};
	int r = 0;

	for (size_t i = first; i < recovery->move_count && r >= 0; i++)
		r = strlist_take(&paths, store_path(STORE_DOMAINS, recovery->moves[i]->uuid, "xml", (char *)NULL));
	if (r >= 0)
		r = store_get_many(recovery->peer->fencer->store, (const char *const *)paths.items, paths.count,
				   sizes_read, recovery);
	if (r < 0)
		failed(recovery, r);
}

/* ---- which: all VMs of the cluster, chunk by chunk ---- */

static int add_move(struct recovery *recovery, const char *uuid, const struct store_value *values) {
	const struct recover_vm vm = move_vm(values);
	struct move *move, **moves;
	struct recover_step step;
	bool concerned;
	int r = recover_decide(&vm, recovery->peer->name, &recovery->gone, &step);

	if (r < 0)
		return r;
	concerned = values[MOVE_NAME].exists && step.kind != RECOVER_NOTHING;
	recover_step_free(&step);
	if (!concerned)
		return 0;
	moves = reallocarray(recovery->moves, recovery->move_count + 1, sizeof(struct move *));
	if (!moves)
		return -ENOMEM;
	recovery->moves = moves;
	move = move_new(recovery, uuid, values);
	if (!move)
		return -ENOMEM;
	moves[recovery->move_count++] = move;
	return 0;
}

static void chunk_read(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct recovery *recovery = userdata;
	size_t first = recovery->move_count;

	(void)store;
	for (size_t i = 0; i < count / MOVE_KEY_COUNT && result >= 0; i++)
		result = add_move(recovery, recovery->vms.items[recovery->next + i], values + i * MOVE_KEY_COUNT);
	if (result < 0) {
		failed(recovery, result);
		return;
	}
	recovery->next += count / MOVE_KEY_COUNT;
	if (recovery->move_count > first)
		read_sizes(recovery, first);
	else
		look_at_chunk(recovery);
}

static void look_at_chunk(struct recovery *recovery) {
	_cleanup_strlist_ struct strlist paths = {0};
	size_t end_of_chunk = recovery->next + CHUNK;
	int r = 0;

	if (recovery->next >= recovery->vms.count) {
		read_nodes(recovery);
		return;
	}
	for (size_t i = recovery->next; i < recovery->vms.count && i < end_of_chunk && r >= 0; i++)
		r = move_paths(recovery->vms.items[i], &paths);
	if (r >= 0)
		r = store_get_many(recovery->peer->fencer->store, (const char *const *)paths.items, paths.count,
				   chunk_read, recovery);
	if (r < 0)
		failed(recovery, r);
}

static void listed(struct store *store, int result, const struct strlist *children, void *userdata) {
	struct recovery *recovery = userdata;
	int r = result;

	(void)store;
	for (size_t i = 0; r >= 0 && i < children->count; i++)
		r = strlist_add(&recovery->vms, children->items[i]);
	if (r < 0)
		failed(recovery, r);
	else
		look_at_chunk(recovery);
}

/* The list is of now: nothing that was written before the proof is missed, whatever server answers. */
static void synced(struct store *store, int result, void *userdata) {
	struct recovery *recovery = userdata;
	int r = result >= 0 ? store_list(store, store_base(STORE_DOMAINS), listed, recovery) : result;

	if (r < 0)
		failed(recovery, r);
}

void recover_begin(struct peer *peer) {
	struct recovery *recovery = calloc(1, sizeof(*recovery));
	int r = recovery ? 0 : -ENOMEM;

	if (r >= 0) {
		recovery->peer = peer;
		recovery->record_version = peer->watches[PEER_RECORD].version;
		r = peers_gone(peer->fencer, &recovery->gone);
	}
	if (r >= 0)
		r = store_sync(peer->fencer->store, store_base(STORE_DOMAINS), synced, recovery);
	if (r < 0) {
		recover_free(recovery);
		act_failed(peer, FENCE_RECOVER, strerror(-r));
		return;
	}
	log_info("the VMs of node %s are being looked for", peer->name);
	peer->recovery = recovery;
}
