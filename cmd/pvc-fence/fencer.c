/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fencer.h"

#include "cluster/timeline.h"
#include "log/log.h"
#include "selfcheck.h"

#define WORKERS 8 /* children at a time; as many again when those hang */

/* What went through the ensemble's leader within the last third of the session. */
bool fencer_sees(const struct fencer *fencer) {
	usec_t session = (usec_t)store_session_timeout_ms(fencer->store) * USEC_PER_MSEC;
	usec_t confirmed = store_last_confirmed(fencer->store);

	return fencer->connected && confirmed > 0 && now_monotonic() - confirmed < session / 3;
}

/* While its own session is in doubt it sees nothing and does nothing: the others' time begins anew, and agents that are
 * at work are ended, since somebody else may fence by now. */
static bool look_at_oneself(struct fencer *fencer) {
	bool sees = fencer_sees(fencer);

	if (sees && !fencer->sees) {
		fencer->watching = now_monotonic();
		log_info("this node's own session is sure: the other nodes' silence counts from now on");
	}
	if (!sees && fencer->sees)
		log_warning(
		    "this node's own session is in doubt: nobody is judged, and nothing is fenced, until it is sure");
	fencer->sees = sees;
	return sees;
}

void fencer_look(struct fencer *fencer) {
	bool sees;

	if (fencer->stopping)
		return;
	sees = look_at_oneself(fencer);
	for (size_t i = 0; i < fencer->peer_count; i++) {
		if (!sees)
			peer_doubt(fencer->peers[i]);
		else
			peer_look(fencer->peers[i]);
	}
	say_status(fencer);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
	struct fencer *fencer = userdata;

	(void)source;
	(void)usec;
	fencer_look(fencer);
	return event_timer(loop_event(fencer->loop), &fencer->tick, FENCER_TICK, on_tick, fencer);
}

static void on_state(struct store *store, enum store_state state, void *userdata) {
	struct fencer *fencer = userdata;

	fencer->connected = state != STORE_CONNECTING;
	if (state == STORE_CONNECTING)
		log_warning("no connection to ZooKeeper at %s", store_servers(store));
	else
		log_info("connected to ZooKeeper at %s (%s)", store_servers(store),
			 state == STORE_NEW_SESSION ? "a new session" : "the same session");
	/* whatever was seen before may be long ago */
	fencer->sees = false;
	loop_ready(fencer->loop, "watching");
}

static void own_state_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct fencer *fencer = userdata;

	(void)store;
	fencer->own_known = true;
	fencer->own_state = daemon_state_parse(value->exists ? value->data : NULL);
}

static void maintenance_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct fencer *fencer = userdata;
	enum maintenance mode = maintenance_parse(value->exists ? value->data : NULL);

	(void)store;
	if (fencer->maintenance_known && (mode == MAINTENANCE_ON) != (fencer->maintenance == MAINTENANCE_ON))
		log_info("maintenance is %s: nodes that fall silent are %s", mode == MAINTENANCE_ON ? "on" : "off",
			 mode == MAINTENANCE_ON ? "not fenced" : "fenced again");
	fencer->maintenance_known = true;
	fencer->maintenance = mode;
}

static int watch(struct fencer *fencer) {
	int r;

	fencer->own_path = store_path(STORE_NODES, fencer->config->node, "daemonstate", (char *)NULL);
	if (!fencer->own_path)
		return -ENOMEM;
	r = store_watch_value(fencer->store, fencer->own_path, own_state_changed, fencer, &fencer->state_watch);
	if (r >= 0)
		r = store_watch_value(fencer->store, store_base(STORE_MAINTENANCE), maintenance_changed, fencer,
				      &fencer->maintenance_watch);
	return r >= 0 ? peers_start(fencer) : r;
}

int fencer_new(struct fencer **ret, struct loop *loop, const struct config *config) {
	_cleanup_(fencer_freep) struct fencer *fencer = calloc(1, sizeof(*fencer));
	const struct store_options options = {.servers = config->servers,
					      .credentials = config->fence_credentials,
					      .session_timeout_ms = TIMELINE_SESSION / USEC_PER_MSEC,
					      .confirm = true,
					      .on_state = on_state,
					      .userdata = fencer};
	int r;

	if (!fencer)
		return -ENOMEM;
	fencer->config = config;
	fencer->loop = loop;
	fencer->own_state = DAEMON_STATE_UNKNOWN;
	fencer->rules = (struct fence_rules){
	    .interval = config->keepalive_interval * USEC_PER_SEC,
	    .fence_intervals = config->fence_intervals,
	    .suicide_intervals = config->suicide_intervals,
	    .recover_off = config->successful_fence == CONFIG_FENCE_MIGRATE,
	    .recover_cut = config->failed_fence == CONFIG_FENCE_MIGRATE,
	};
	r = workers_new(&fencer->workers, loop_event(loop), WORKERS);
	if (r >= 0)
		r = store_open(&fencer->store, loop_event(loop), &options);
	if (r >= 0)
		r = watch(fencer);
	if (r >= 0)
		r = selfcheck_new(&fencer->selfcheck, fencer);
	if (r >= 0)
		r = event_timer(loop_event(loop), &fencer->tick, FENCER_TICK, on_tick, fencer);
	if (r < 0)
		return r;
	if (config->fence_intervals == 0)
		log_warning("fence_intervals is 0: nodes that fall silent are not fenced");
	*ret = move_ptr(fencer);
	return 0;
}

/* A fencing that is under way is taken up by another coordinator: its key `fencer` goes with the session. */
void fencer_free(struct fencer *fencer) {
	if (!fencer)
		return;
	fencer->stopping = true;
	for (size_t i = 0; i < fencer->peer_count; i++)
		peer_doubt(fencer->peers[i]);
	if (fencer->store)
		store_close(fencer->store); /* with all watches; answers that are outstanding come now */
	fencer->store = NULL;
	if (fencer->workers)
		workers_free(fencer->workers);
	(void)sd_event_source_disable_unref(fencer->tick); /* returns NULL */
	selfcheck_free(fencer->selfcheck);                 /* after what answers it */
	peers_stop(fencer);
	free(fencer->own_path);
	free(fencer);
}
