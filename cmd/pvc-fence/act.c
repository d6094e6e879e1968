/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The steps that are transactions. Each reads the keys anew and writes only when they still are as they were seen, so
 * of several coordinators one succeeds, and one that was late does nothing (D1).
 */
#include <sys/random.h>
#include <time.h>

#include "fencer.h"
#include "log/log.h"

enum act_key {
	ACT_BASE, /* /pvc/fence */
	ACT_RECORD,
	ACT_FENCER,
	ACT_STATE,
	ACT_BEAT,
	ACT_HEART,
	ACT_MODE,
	ACT_ROUTER,
	ACT_DOMAINS,
	ACT_MAINTENANCE,
	ACT_KEY_COUNT
};

struct step {
	struct peer *peer;
	enum fence_action action;
	bool note;    /* only the reason is written */
	char *reason; /* for the record, or NULL: it stays */
	struct strlist paths;
	int32_t seen_record, seen_state, seen_beat; /* versions that the decision was made on */
	bool had_record;
	enum fence_verdict verdict;
	struct fence_record record; /* as it will be */
	int32_t version;
	int64_t fencer; /* owner of the key `fencer` afterwards */
	usec_t silence;
};

static void step_free(struct step *step) {
	strlist_free(&step->paths);
	free(step->reason);
	free(step);
}

static int add_paths(struct step *step) {
	const struct peer *peer = step->peer;
	const char *node = peer->name;
	char *const paths[ACT_KEY_COUNT] = {
	    [ACT_BASE] = strdup(store_base(STORE_PVC_FENCE)),
	    [ACT_RECORD] = strdup(peer->paths[PEER_RECORD]),
	    [ACT_FENCER] = strdup(peer->paths[PEER_FENCER]),
	    [ACT_STATE] = strdup(peer->paths[PEER_STATE]),
	    [ACT_BEAT] = strdup(peer->paths[PEER_BEAT]),
	    [ACT_HEART] = strdup(peer->paths[PEER_HEART]),
	    [ACT_MODE] = store_path(STORE_NODES, node, "daemonmode", (char *)NULL),
	    [ACT_ROUTER] = store_path(STORE_NODES, node, "routerstate", (char *)NULL),
	    [ACT_DOMAINS] = store_path(STORE_NODES, node, "domainstate", (char *)NULL),
	    [ACT_MAINTENANCE] = strdup(store_base(STORE_MAINTENANCE)),
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int added = strlist_take(&step->paths, paths[i]);

		r = r < 0 ? r : added;
	}
	return r;
}

/* ---- what each writes; 1: it is not as it was seen, so nothing is written ---- */

static int put_record(struct step *step, const struct store_value *values, struct store_txn *txn) {
	_cleanup_free_ char *text = fence_record_format(&step->record);

	if (!text)
		return -ENOMEM;
	step->version = values[ACT_RECORD].exists ? values[ACT_RECORD].stat.version + 1 : 0;
	return store_txn_put(txn, step->paths.items[ACT_RECORD], &values[ACT_RECORD], text);
}

static int put_fencer(struct step *step, const struct store_value *values, struct store_txn *txn) {
	const struct fencer *fencer = step->peer->fencer;

	if (values[ACT_FENCER].exists)
		return 1;
	step->fencer = store_session_id(fencer->store);
	return store_txn_create_ephemeral(txn, step->paths.items[ACT_FENCER], fencer->config->node);
}

static void sign(struct step *step) {
	snprintf(step->record.fencer, sizeof(step->record.fencer), "%s", step->peer->fencer->config->node);
}

static int begin_record(struct step *step, const struct store_value *values) {
	const struct fence_heart heart = fence_heart_parse(values[ACT_HEART].exists ? values[ACT_HEART].data : NULL);
	time_t now = time(NULL);
	uint64_t number;
	struct tm tm;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	step->record = (struct fence_record){
	    .step = FENCE_CLAIMED,
	    .beat = values[ACT_BEAT].exists ? values[ACT_BEAT].stat.version : -1,
	    .state_version = values[ACT_STATE].stat.version + 1,
	};
	memcpy(step->record.boot, heart.boot, sizeof(heart.boot));
	snprintf(step->record.claim, sizeof(step->record.claim), "%016llx", (unsigned long long)number);
	if (gmtime_r(&now, &tm))
		(void)strftime(step->record.since, sizeof(step->record.since), "%Y-%m-%d %H:%M:%S UTC", &tm); /* fits */
	fence_record_say(&step->record, "its agents are being asked");
	sign(step);
	return 0;
}

static int claim(struct step *step, const struct store_value *values, struct store_txn *txn) {
	int r;

	if ((values[ACT_RECORD].exists && values[ACT_RECORD].length > 0) || !values[ACT_STATE].exists ||
	    values[ACT_STATE].stat.version != step->seen_state || values[ACT_BEAT].stat.version != step->seen_beat ||
	    maintenance_parse(values[ACT_MAINTENANCE].exists ? values[ACT_MAINTENANCE].data : NULL) == MAINTENANCE_ON)
		return 1;
	r = begin_record(step, values);
	if (r < 0)
		return r;
	if (!values[ACT_BASE].exists)
		(void)store_txn_create(txn, step->paths.items[ACT_BASE], "");
	r = put_record(step, values, txn);
	if (r >= 0)
		r = put_fencer(step, values, txn);
	/* store_commit() reports failed allocations */
	(void)store_txn_set(txn, step->paths.items[ACT_STATE], daemon_state_name(DAEMON_DEAD), step->seen_state);
	if (values[ACT_BEAT].exists)
		(void)store_txn_check(txn, step->paths.items[ACT_BEAT], step->seen_beat);
	if (values[ACT_MAINTENANCE].exists)
		(void)store_txn_check(txn, step->paths.items[ACT_MAINTENANCE], values[ACT_MAINTENANCE].stat.version);
	return r;
}

static int resume(struct step *step, const struct store_value *values, struct store_txn *txn) {
	int r;

	sign(step);
	r = put_record(step, values, txn);
	return r == 0 ? put_fencer(step, values, txn) : r;
}

static bool is_silent(const struct step *step, const struct store_value *values) {
	return values[ACT_STATE].stat.version == step->record.state_version &&
	       (step->record.beat < 0 ? !values[ACT_BEAT].exists : values[ACT_BEAT].stat.version == step->record.beat);
}

/* D11: the role goes with the proof, never before. A heartbeat that comes at the same time is a lost race. */
static int prove(struct step *step, const struct store_value *values, struct store_txn *txn) {
	if (!is_silent(step, values))
		return 1;
	step->record.step = FENCE_PROVEN;
	step->record.verdict = step->verdict;
	(void)store_txn_check(txn, step->paths.items[ACT_STATE], values[ACT_STATE].stat.version);
	if (values[ACT_BEAT].exists)
		(void)store_txn_check(txn, step->paths.items[ACT_BEAT], values[ACT_BEAT].stat.version);
	if (values[ACT_ROUTER].exists && str_equal(values[ACT_MODE].data, "coordinator") &&
	    router_state_parse(values[ACT_ROUTER].data) != ROUTER_SECONDARY)
		(void)store_txn_put(txn, step->paths.items[ACT_ROUTER], &values[ACT_ROUTER],
				    router_state_name(ROUTER_SECONDARY));
	return put_record(step, values, txn);
}

static int finish(struct step *step, const struct store_value *values, struct store_txn *txn, bool flushed) {
	step->record.step = FENCE_DONE;
	if (flushed && values[ACT_DOMAINS].exists && domain_state_parse(values[ACT_DOMAINS].data) != DOMAINS_FLUSHED)
		(void)store_txn_put(txn, step->paths.items[ACT_DOMAINS], &values[ACT_DOMAINS],
				    domain_state_name(DOMAINS_FLUSHED));
	return put_record(step, values, txn);
}

static int drop(struct step *step, const struct store_value *values, struct store_txn *txn) {
	if (step->action == FENCE_CANCEL && is_silent(step, values))
		return 1;
	if (values[ACT_FENCER].exists)
		(void)store_txn_delete(txn, step->paths.items[ACT_FENCER], values[ACT_FENCER].stat.version);
	step->record = (struct fence_record){.step = FENCE_NONE};
	step->fencer = 0;
	return store_txn_delete(txn, step->paths.items[ACT_RECORD], values[ACT_RECORD].stat.version);
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct step *step = userdata;

	(void)count;
	if (!fencer_sees(step->peer->fencer))
		return 1;
	if (step->action == FENCE_CLAIM)
		return claim(step, values, txn);
	if (!values[ACT_RECORD].exists || values[ACT_RECORD].stat.version != step->seen_record ||
	    fence_record_parse(values[ACT_RECORD].data, &step->record) < 0)
		return 1;
	if (step->action != FENCE_RESUME &&
	    (!values[ACT_FENCER].exists || values[ACT_FENCER].stat.ephemeral_owner != step->fencer))
		return 1;
	if (step->reason)
		fence_record_say(&step->record, step->reason);
	if (step->note) {
		step->record.attempt += step->action == FENCE_AGENTS;
		return put_record(step, values, txn);
	}
	switch (step->action) {
	case FENCE_RESUME:
		return resume(step, values, txn);
	case FENCE_PROVE:
		return prove(step, values, txn);
	case FENCE_SEAL:
		step->record.step = FENCE_SEALED;
		return put_record(step, values, txn);
	case FENCE_RECOVER:
	case FENCE_SETTLE:
		return finish(step, values, txn, step->action == FENCE_RECOVER);
	case FENCE_CANCEL:
	case FENCE_FORGET:
		return drop(step, values, txn);
	default:
		return -EINVAL;
	}
}

/* ---- afterwards ---- */

static void say_done(const struct step *step) {
	const char *node = step->peer->name;
	const struct fence_record *record = &step->record;

	switch (step->action) {
	case FENCE_CLAIM:
		log_warning(
		    "node %s was declared dead after %llu s of silence: this node fences it; next, its agents are "
		    "asked to switch it off",
		    node, (unsigned long long)(step->silence / USEC_PER_SEC));
		break;
	case FENCE_RESUME:
		log_warning("the fencing of node %s (step %s) is taken over by this node: its fencer is gone", node,
			    fence_step_name(record->step));
		break;
	case FENCE_CANCEL:
		log_ok("node %s is back before anything was taken from it: its fencing is called off", node);
		break;
	case FENCE_PROVE:
		log_ok("node %s does not run any more (%s: %s)", node, fence_verdict_name(record->verdict),
		       record->verdict == FENCE_OFF ? "its power was off" : "its watchdog has reset it by now");
		break;
	case FENCE_SEAL:
		log_ok("the storage takes nothing from node %s any more; next, its VMs start elsewhere", node);
		break;
	case FENCE_RECOVER:
		log_ok("node %s is dealt with: %s", node, record->reason);
		break;
	case FENCE_SETTLE:
		log_ok("node %s is dealt with: by configuration (%s) its VMs wait for it", node,
		       record->verdict == FENCE_CUT ? "failed_fence" : "successful_fence");
		break;
	case FENCE_FORGET:
		log_ok("node %s has come up again: its fencing is over", node);
		break;
	default:
		break;
	}
}

static void done(struct store *store, int result, void *userdata) {
	struct step *step = userdata;
	struct peer *peer = step->peer;

	(void)store;
	peer->writing = false;
	if (peer->fencer->stopping) {
		step_free(step);
		return;
	}
	if (result == 0) {
		peer_believe(peer, &step->record, step->version, step->fencer);
		if (step->action == FENCE_CLAIM)
			peer->watches[PEER_STATE].version = step->record.state_version;
		if (!step->note) {
			say_trouble(peer, NULL);
			say_done(step);
		}
		/* it comes back as the reference's reset does; whoever takes over in between asks for it again */
		if (step->record.verdict == FENCE_OFF && !step->note &&
		    (step->action == FENCE_PROVE || (step->action == FENCE_RESUME && step->record.step < FENCE_DONE)))
			ask_power_on(peer);
	} else if (result > 0 || result == -ESTALE) {
		log_debug("node %s: '%s' came too late", peer->name, fence_action_name(step->action));
		peer->pause_until = deadline_after(FENCER_TICK);
	} else {
		act_failed(peer, step->action, strerror(-result));
	}
	step_free(step);
	peer_look(peer);
}

void act_failed(struct peer *peer, enum fence_action action, const char *why) {
	_cleanup_free_ char *trouble = str_printf("step '%s' failed: %s", fence_action_name(action), why);

	say_trouble(peer, trouble ? trouble : why);
	peer->pause_until = deadline_after(FENCER_RETRY);
}

static void submit(struct peer *peer, enum fence_action action, const struct fence_view *view, const char *reason,
		   bool note) {
	struct step *step = calloc(1, sizeof(*step));
	int r = step ? 0 : -ENOMEM;

	if (r >= 0) {
		*step = (struct step){
		    .peer = peer,
		    .action = action,
		    .note = note,
		    .seen_record = peer->watches[PEER_RECORD].version,
		    .seen_state = peer->watches[PEER_STATE].version,
		    .seen_beat = peer->watches[PEER_BEAT].version,
		    .verdict = view && view->verdict == FENCE_OFF ? FENCE_OFF : FENCE_CUT,
		    .fencer = store_session_id(peer->fencer->store),
		    .silence = peer_silence(peer),
		};
		if (reason)
			step->reason = strdup(reason); /* without memory the old one stays */
		r = add_paths(step);
	}
	if (r >= 0)
		r = store_update(peer->fencer->store, (const char *const *)step->paths.items, ACT_KEY_COUNT, compute,
				 done, step);
	if (r < 0) {
		if (step)
			step_free(step);
		act_failed(peer, action, strerror(-r));
		return;
	}
	peer->writing = true;
}

void act_note(struct peer *peer, const char *reason, bool attempt) {
	if (!peer->writing)
		submit(peer, attempt ? FENCE_AGENTS : FENCE_WAIT, NULL, reason, true);
}

void act_record(struct peer *peer, enum fence_action action, const char *reason) {
	if (!peer->writing)
		submit(peer, action, NULL, reason, false);
}

void act(struct peer *peer, enum fence_action action, const struct fence_view *view) {
	switch (action) {
	case FENCE_WAIT:
	case FENCE_ACTION_COUNT:
		break;
	case FENCE_CLAIM:
	case FENCE_RESUME:
	case FENCE_CANCEL:
	case FENCE_SETTLE:
		submit(peer, action, view, NULL, false);
		break;
	case FENCE_PROVE:
		submit(peer, action, view,
		       view->verdict == FENCE_OFF ? "its power was off" : "its watchdog has reset it", false);
		break;
	case FENCE_AGENTS:
		ask_agents(peer);
		break;
	case FENCE_SEAL:
		ask_seal(peer, false);
		break;
	case FENCE_RECOVER:
		recover_begin(peer);
		break;
	case FENCE_FORGET:
		ask_seal(peer, true);
		break;
	}
}
