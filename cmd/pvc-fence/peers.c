/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The other nodes: what ZooKeeper says of each, and what is to be done about it. */
#include "fencer.h"

#include "log/log.h"

#define PEERS_MAX 1000 /* a cluster has a handful: more is a runaway writer */

/* ---- what the keys say ---- */

static void see_record(struct peer *peer, const struct store_value *value) {
	const char *text = value->exists && strlen(value->data) == value->length ? value->data
			   : value->exists                                       ? "?"
										 : NULL;
	int r = fence_record_parse(text, &peer->record);

	peer->damaged = r < 0;
	if (r < 0)
		peer->record = (struct fence_record){.step = FENCE_NONE};
	if (peer->damaged && !peer->said_damaged)
		log_error(
		    "%s is no record of a fencing: node %s is not fenced while that key is there; look at it, then "
		    "delete it",
		    peer->paths[PEER_RECORD], peer->name);
	peer->said_damaged = peer->damaged;
}

static void changed(struct store *store, const struct store_value *value, void *userdata) {
	struct peer_watch *watch = userdata;
	struct peer *peer = watch->peer;
	const char *text = value->exists ? value->data : NULL;

	(void)store;
	watch->known = true;
	watch->exists = value->exists;
	watch->version = value->stat.version;
	watch->owner = value->exists ? value->stat.ephemeral_owner : 0;
	switch (watch->key) {
	case PEER_BEAT:
		peer->changed = now_monotonic(); /* what it says is nobody's business: D6 */
		break;
	case PEER_STATE:
		peer->state = daemon_state_parse(text);
		/* it has registered, after whatever time: its first heartbeat comes when the programs before it are up
		 */
		if (peer->state == DAEMON_INIT)
			peer->changed = now_monotonic();
		break;
	case PEER_HEART:
		peer->heart = fence_heart_parse(text);
		break;
	case PEER_RECORD:
		see_record(peer, value);
		break;
	case PEER_ALIVE:
	case PEER_FENCER:
	case PEER_KEY_COUNT:
		break;
	}
}

void peer_believe(struct peer *peer, const struct fence_record *record, int32_t version, int64_t fencer) {
	peer->record = *record;
	peer->watches[PEER_RECORD].exists = record->step != FENCE_NONE;
	peer->watches[PEER_RECORD].version = version;
	peer->watches[PEER_FENCER].exists = fencer != 0;
	peer->watches[PEER_FENCER].owner = fencer;
}

static bool is_known(const struct peer *peer) {
	for (size_t i = 0; i < PEER_KEY_COUNT; i++)
		if (!peer->watches[i].known)
			return false;
	return true;
}

/* ---- what is made of it ---- */

static struct fence_sight sight_of(const struct peer *peer) {
	return (struct fence_sight){
	    .now = now_monotonic(),
	    .changed = peer->changed,
	    .watching = peer->fencer->watching,
	    .confirmed = fencer_sees(peer->fencer),
	    .session = peer->watches[PEER_ALIVE].exists,
	};
}

usec_t peer_silence(const struct peer *peer) {
	const struct fence_sight sight = sight_of(peer);

	return fence_silence(&sight);
}

static enum fence_fencer fencer_of(const struct peer *peer) {
	const struct peer_watch *watch = &peer->watches[PEER_FENCER];

	if (watch->exists && watch->owner == store_session_id(peer->fencer->store))
		return FENCER_ME;
	if (watch->exists || peer->orphan_since == 0 || now_monotonic() - peer->orphan_since < FENCER_ORPHAN)
		return FENCER_OTHER;
	return FENCER_NOBODY;
}

/* Nodes that stopped on purpose are not fenced: their machines may run on. A word that nobody knows is nobody's. */
static bool is_claimable(enum daemon_state state) {
	return state == DAEMON_RUN || state == DAEMON_INIT || state == DAEMON_SHUTDOWN || state == DAEMON_DEAD;
}

static bool may_claim(const struct peer *peer) {
	const struct fencer *fencer = peer->fencer;

	return fencer->config->is_coordinator && fencer->own_state == DAEMON_RUN && fencer->maintenance_known &&
	       fencer->maintenance != MAINTENANCE_ON && is_claimable(peer->state) && !peer->damaged;
}

bool peer_may_recover(const struct peer *peer) {
	const struct fence_rules *rules = &peer->fencer->rules;

	return peer->record.verdict == FENCE_CUT ? rules->recover_cut : rules->recover_off;
}

/* As a record has it: -1 for a key that is missing. */
static bool has_beaten(const struct peer *peer) {
	const struct peer_watch *beat = &peer->watches[PEER_BEAT];

	return (beat->exists ? beat->version : -1) != peer->record.beat;
}

/* A node that comes up writes its state anew; one that was only silent writes its heartbeat. */
static bool is_back(const struct peer *peer) {
	return has_beaten(peer) || peer->watches[PEER_STATE].version != peer->record.state_version;
}

/* The boot's id is there from its registration on; it is up when its heartbeat comes. */
static bool is_another_boot(const struct peer *peer) {
	return has_beaten(peer) && *peer->heart.boot && !str_equal(peer->heart.boot, peer->record.boot);
}

void peer_view(const struct peer *peer, struct fence_view *ret) {
	const struct fencer *fencer = peer->fencer;
	const struct fence_sight sight = sight_of(peer);
	const struct fence_record *record = &peer->record;

	*ret = (struct fence_view){
	    .health = fence_judge(&fencer->rules, &sight),
	    .step = record->step,
	    .fencer = fencer_of(peer),
	    .verdict = record->step >= FENCE_PROVEN ? record->verdict
		       : peer->asked                ? peer->verdict
						    : FENCE_UNKNOWN,
	    .confirmed = sight.confirmed,
	    .may_claim = may_claim(peer),
	    .may_recover = peer_may_recover(peer),
	    .armed = peer->heart.armed,
	    .cut_time = fence_silence(&sight) > fence_cut_time_of(&fencer->rules, peer->heart.cut),
	    .asked = peer->asked,
	    .retry = now_monotonic() >= peer->retry_at,
	    .back = is_back(peer),
	    .another_boot = is_another_boot(peer),
	};
}

static void mind_orphan(struct peer *peer) {
	bool orphan = peer->record.step != FENCE_NONE && !peer->watches[PEER_FENCER].exists;

	if (!orphan)
		peer->orphan_since = 0;
	else if (peer->orphan_since == 0)
		peer->orphan_since = now_monotonic();
}

/* Agents that are at work on a node that is back, that somebody else fences by now, or whose proof is there (an
 * operator confirmed that it is off), are ended at once. */
static void mind_agents(struct peer *peer, const struct fence_view *view) {
	if (peer->ask && ask_switches_off(peer->ask) &&
	    (view->step != FENCE_CLAIMED || view->back || view->fencer != FENCER_ME))
		ask_abandon(peer->ask);
}

void peer_look(struct peer *peer) {
	struct fence_view view;

	if (!peer->listed || !is_known(peer) || peer->damaged)
		return;
	mind_orphan(peer);
	if (peer->record.step != FENCE_CLAIMED || fencer_of(peer) != FENCER_ME)
		peer->asked = false;
	peer_view(peer, &view);
	if (view.step == FENCE_NONE || view.fencer == FENCER_OTHER)
		peer->attempts = 0;
	say_health(peer, view.health);
	mind_agents(peer, &view);
	if (peer->fencer->config->is_coordinator && !peer->writing && !peer->ask && !peer->recovery &&
	    deadline_left(peer->pause_until) == 0)
		act(peer, fence_decide(&view), &view);
}

void peer_doubt(struct peer *peer) {
	if (peer->ask)
		ask_abandon(peer->ask);
	if (peer->power)
		ask_abandon(peer->power);
	peer->asked = false;
	peer->attempts = 0;
	peer->orphan_since = 0;
}

/* ---- those that are off for certain ---- */

static bool is_gone(const struct peer *peer) {
	if (!is_known(peer) || peer->damaged)
		return false;
	return peer->record.step == FENCE_SEALED ||
	       (peer->record.step == FENCE_DONE && !is_back(peer) && peer->state == DAEMON_DEAD);
}

int peers_gone(const struct fencer *fencer, struct strlist *ret) {
	int r = 0;

	for (size_t i = 0; i < fencer->peer_count && r >= 0; i++)
		if (is_gone(fencer->peers[i]))
			r = strlist_add(ret, fencer->peers[i]->name);
	return r;
}

void peers_check_gone(const struct fencer *fencer, const struct peer *except, struct store_txn *txn) {
	for (size_t i = 0; i < fencer->peer_count; i++) {
		const struct peer *peer = fencer->peers[i];

		if (peer == except || !is_gone(peer))
			continue;
		/* store_commit() reports a failed allocation */
		(void)store_txn_check(txn, peer->paths[PEER_RECORD], peer->watches[PEER_RECORD].version);
		(void)store_txn_check(txn, peer->paths[PEER_STATE], peer->watches[PEER_STATE].version);
	}
}

/* ---- the list ---- */

static void unwatch(struct peer *peer) {
	for (size_t i = 0; i < PEER_KEY_COUNT; i++) {
		struct peer_watch *watch = &peer->watches[i];

		if (watch->watch && peer->fencer->store)
			store_watch_free(watch->watch);
		*watch = (struct peer_watch){.peer = peer, .key = (enum peer_key)i};
	}
	peer->listed = false;
}

static void peer_free(struct peer *peer) {
	recover_free(peer->recovery);
	for (size_t i = 0; i < PEER_KEY_COUNT; i++)
		free(peer->paths[i]);
	free(peer->said_trouble);
	free(peer->name);
	free(peer);
}

static struct peer *peer_new(struct fencer *fencer, const char *name) {
	struct peer *peer = calloc(1, sizeof(*peer)), **peers;

	if (!peer)
		return NULL;
	peer->fencer = fencer;
	peer->name = strdup(name);
	peer->state = DAEMON_STATE_UNKNOWN;
	peer->paths[PEER_BEAT] = store_path(STORE_NODES, name, "keepalive", (char *)NULL);
	peer->paths[PEER_STATE] = store_path(STORE_NODES, name, "daemonstate", (char *)NULL);
	peer->paths[PEER_HEART] = store_path(STORE_PVC_HEART, name, (char *)NULL);
	peer->paths[PEER_ALIVE] = store_path(STORE_PVC_ALIVE, name, (char *)NULL);
	peer->paths[PEER_RECORD] = store_path(STORE_PVC_FENCE, name, (char *)NULL);
	peer->paths[PEER_FENCER] = store_path(STORE_PVC_FENCE, name, "fencer", (char *)NULL);
	peers = reallocarray(fencer->peers, fencer->peer_count + 1, sizeof(struct peer *));
	if (peers)
		fencer->peers = peers;
	for (size_t i = 0; peers && i < PEER_KEY_COUNT; i++)
		if (!peer->paths[i])
			peers = NULL;
	if (!peers || !peer->name) {
		peer_free(peer);
		return NULL;
	}
	peers[fencer->peer_count++] = peer;
	return peer;
}

static struct peer *find(struct fencer *fencer, const char *name) {
	for (size_t i = 0; i < fencer->peer_count; i++)
		if (str_equal(fencer->peers[i]->name, name))
			return fencer->peers[i];
	return fencer->peer_count < PEERS_MAX ? peer_new(fencer, name) : NULL;
}

static int peer_watch(struct peer *peer) {
	int r = 0;

	peer->listed = true;
	for (size_t i = 0; i < PEER_KEY_COUNT && r >= 0; i++) {
		struct peer_watch *watch = &peer->watches[i];

		*watch = (struct peer_watch){.peer = peer, .key = (enum peer_key)i};
		r = store_watch_value(peer->fencer->store, peer->paths[i], changed, watch, &watch->watch);
	}
	return r;
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct fencer *fencer = userdata;

	(void)store;
	for (size_t i = 0; i < fencer->peer_count; i++)
		if (fencer->peers[i]->listed && (!children || !strlist_contains(children, fencer->peers[i]->name)))
			unwatch(fencer->peers[i]);
	for (size_t i = 0; children && i < children->count; i++) {
		struct peer *peer;
		int r;

		if (str_equal(children->items[i], fencer->config->node)) /* what becomes of itself is pvc-keepalive's */
			continue;
		peer = find(fencer, children->items[i]);
		r = peer ? 0 : -ENOMEM;
		if (peer && !peer->listed)
			r = peer_watch(peer);
		if (r < 0) {
			_cleanup_free_ char *shown = str_printable(children->items[i], 100);

			log_error("node %s cannot be watched, so it is not fenced: %s", shown ? shown : "?",
				  strerror(-r));
		}
	}
	if (!fencer->listed)
		log_system("watching %zu other nodes", fencer->peer_count);
	fencer->listed = true;
}

int peers_start(struct fencer *fencer) {
	return store_watch_list(fencer->store, store_base(STORE_NODES), list_changed, fencer, &fencer->list_watch);
}

void peers_stop(struct fencer *fencer) {
	for (size_t i = 0; i < fencer->peer_count; i++)
		peer_free(fencer->peers[i]);
	free(fencer->peers);
	fencer->peers = NULL;
	fencer->peer_count = 0;
}
