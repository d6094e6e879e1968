/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "heart.h"

#include "say.h"
#include "sign.h"

#include <time.h>

/* Lost races in a row that are retried at once; then the next tick tries again. */
#define RACES_AT_ONCE 3

/* The keys, in this order, in `paths` and `seen`: the node itself, its daemonstate, the figures; after them are read
 * those of `sign`. */
enum {
	KEY_NODE,
	KEY_STATE,
	KEY_FIGURES,
	KEY_COUNT = KEY_FIGURES + FIGURE_COUNT,
	KEY_SIGN = KEY_COUNT,
	KEY_ALL = KEY_SIGN + SIGN_COUNT
};

struct heart {
	struct loop *loop;
	const struct config *config;
	struct heart_hooks hooks;
	struct store *store;
	struct store_watch *state_watch;
	sd_event_source *tick, *limit;
	char *paths[KEY_COUNT];
	struct store_value seen[KEY_COUNT]; /* exists and stat.version alone */
	struct sign sign;
	enum daemon_state state;
	struct figures figures;

	usec_t first, due_at; /* the grid of ticks */
	usec_t last_beat;     /* when the last one was committed; 0: never */
	unsigned races;       /* lost in a row */
	bool connected;
	bool busy; /* a read or a commit is outstanding */
	usec_t busy_since;
	usec_t missing_since; /* a key below the node is missing; 0: none */
	bool versions_known;
	bool due;               /* a heartbeat is wanted as soon as it can be made */
	bool claims_run;        /* the outstanding commit writes `run` */
	bool stopping, is_last; /* SIGTERM came; the outstanding commit is the last one */
	bool ended;
	bool armed, armed_known; /* heart_set_armed() */
	bool was_armed;
	usec_t was_cut;                                  /* with that: struct fence_heart */
	usec_t sent;                                     /* when the outstanding commit was handed over */
	bool told_late, told_gone, told_kept, told_race; /* each trouble is told once */
};

static void beat(struct heart *heart);

static void end(struct heart *heart, bool committed) {
	if (heart->ended)
		return;
	heart->ended = true;
	heart->hooks.ended(heart, committed, heart->hooks.userdata);
	loop_exit(heart->loop, EXIT_OK);
}

static bool is_armed(const struct heart *heart) {
	return heart->armed_known ? heart->armed : heart->was_armed;
}

/* Until this program has fed it, a watchdog runs with the time that its predecessor gave it. */
static usec_t cut_time(const struct heart *heart) {
	struct fence_rules rules;
	usec_t own;

	config_fence_rules(heart->config, &rules);
	own = fence_cut_time_of(&rules, heart->armed_known ? 0 : heart->was_cut);
	return own == DEADLINE_NEVER ? 0 : (own + 999) / USEC_PER_MSEC * USEC_PER_MSEC; /* as it is read back */
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void note(struct store_value *seen, const struct store_value *value) {
	*seen = (struct store_value){.exists = value->exists, .stat = value->stat};
}

/* Somebody else writing our keys is a second program under this node's name: worth knowing, harmless to a heartbeat.
 * A key that was deleted is none of that: may_be_deleting() sees to it. */
static void tell_race(struct heart *heart, const struct store_value *values) {
	bool ours = true;

	for (size_t i = KEY_FIGURES; i < KEY_COUNT; i++)
		ours = ours && (!values[i].exists || values[i].stat.version == heart->seen[i].stat.version);
	if (heart->races == 0 || ours || heart->told_race || !values[KEY_NODE].exists)
		return;
	heart->told_race = true;
	say(LOG_LEVEL_WARNING,
	    "somebody else has written below %s: is there another node called %s, or an old daemon running here?",
	    heart->paths[KEY_NODE], heart->config->node);
}

static void tell_gone(struct heart *heart) {
	heart->races = 0; /* when it is made anew, that is no race */
	heart->missing_since = 0;
	if (heart->told_gone)
		return;
	heart->told_gone = true;
	say(LOG_LEVEL_ERROR,
	    "no heartbeat: %s does not exist: run 'pvc-register start' to enter this node again, or 'systemctl stop "
	    "pvc.target' when it was removed for good",
	    heart->paths[KEY_NODE]);
	loop_status(heart->loop, "no heartbeat: %s does not exist", heart->paths[KEY_NODE]);
}

/* Somebody may be deleting this node key by key: a key that is missing is made anew only when it is still so after most
 * of an interval, so that a deletion is not disturbed. */
static bool may_be_deleting(struct heart *heart) {
	const usec_t patience = heart->config->keepalive_interval * USEC_PER_SEC / 2;
	size_t missing = KEY_COUNT;

	for (size_t i = 0; i < KEY_COUNT && missing == KEY_COUNT; i++)
		if (!heart->seen[i].exists)
			missing = i;
	if (missing == KEY_COUNT) {
		heart->missing_since = 0;
		return false;
	}
	if (heart->missing_since == 0)
		heart->missing_since = now_monotonic();
	if (now_monotonic() - heart->missing_since < patience)
		return true;
	say(LOG_LEVEL_WARNING, "%s is missing: made anew", heart->paths[missing]);
	return false;
}

static void read_done(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct heart *heart = userdata;
	const char *texts[FIGURE_COUNT];

	(void)store;
	heart->busy = false;
	if (result < 0) {
		/* a lost connection comes back with on_state; anything else is tried again at the next tick */
		if (result != -ENOTCONN && result != -ECONNRESET)
			say(LOG_LEVEL_ERROR, "cannot read %s: %s: trying again", heart->paths[KEY_NODE],
			    strerror(-result));
		return;
	}
	tell_race(heart, values);
	(void)count;
	for (size_t i = 0; i < KEY_COUNT; i++)
		note(&heart->seen[i], &values[i]);
	sign_note(&heart->sign, &values[KEY_SIGN]);
	if (heart->last_beat == 0) {
		heart->was_armed = sign_was_armed(&heart->sign);
		heart->was_cut = heart->was_armed ? heart->sign.told.cut : 0;
	}
	if (!heart->seen[KEY_NODE].exists) {
		tell_gone(heart);
		if (heart->stopping)
			end(heart, true); /* nobody judges a node that does not exist */
		return;
	}
	if (may_be_deleting(heart)) {
		if (heart->stopping)
			end(heart, false);
		return; /* the next tick looks again */
	}
	for (size_t i = 0; i < FIGURE_COUNT; i++)
		texts[i] = values[KEY_FIGURES + i].exists ? values[KEY_FIGURES + i].data : NULL;
	figures_seed(&heart->figures, heart->config, texts);
	heart->state = daemon_state_parse(values[KEY_STATE].exists ? values[KEY_STATE].data : NULL);
	heart->versions_known = true;
	if (heart->due)
		beat(heart);
}

static void read_keys(struct heart *heart) {
	const char *paths[KEY_ALL];
	int r;

	memcpy(paths, heart->paths, sizeof(heart->paths));
	memcpy(&paths[KEY_SIGN], heart->sign.paths, sizeof(heart->sign.paths));
	r = store_get_many(heart->store, paths, KEY_ALL, read_done, heart);
	if (r < 0)
		say(LOG_LEVEL_ERROR, "cannot read %s: %s", heart->paths[KEY_NODE], strerror(-r));
	heart->busy = r >= 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void beat_succeeded(struct heart *heart) {
	usec_t now = now_monotonic();

	for (size_t i = KEY_STATE; i < KEY_COUNT; i++) {
		if (i == KEY_STATE && !heart->claims_run)
			continue;
		/* a key that was made begins with version 0 */
		heart->seen[i].stat.version = heart->seen[i].exists ? heart->seen[i].stat.version + 1 : 0;
		heart->seen[i].exists = true;
	}
	sign_committed(&heart->sign);
	if (heart->claims_run) {
		say(LOG_LEVEL_OK, "this node is in state run (it was %s)",
		    heart->state < 0 ? "unknown" : daemon_state_name(heart->state));
		heart->state = DAEMON_RUN;
	}
	if (heart->told_late || heart->told_gone)
		say(LOG_LEVEL_OK, "heartbeats are written again, after %.1f s without",
		    heart->last_beat ? (double)(now - heart->last_beat) / USEC_PER_SEC : 0.0);
	heart->told_late = heart->told_gone = false;
	heart->races = 0;
	heart->last_beat = now;
	if (heart->state == DAEMON_RUN)
		heart->told_kept = false;
	loop_ready(heart->loop, NULL);
	heart->hooks.beaten(heart, &heart->figures, heart->sent, heart->hooks.userdata);
}

/* What a failed commit asks for; true when the next try is to be made at once. */
static bool beat_failed(struct heart *heart, int result) {
	heart->versions_known = false;
	heart->due = true;
	switch (result) {
	case -ESTALE: /* somebody wrote one of the keys, daemonstate most of all */
	case -EEXIST: /* ... or made one that was missing */
	case -ENOENT: /* ... or deleted one */
		return ++heart->races < RACES_AT_ONCE;
	case -ENOTCONN:
	case -ECONNRESET:
		return true; /* does nothing until there is a connection */
	default:
		say(LOG_LEVEL_ERROR, "cannot write the heartbeat to %s: %s: trying again", heart->paths[KEY_NODE],
		    strerror(-result));
		return false;
	}
}

static void commit_done(struct store *store, int result, void *userdata) {
	struct heart *heart = userdata;
	bool was_last = heart->is_last, again = heart->due;

	(void)store;
	heart->busy = heart->is_last = false;
	if (result >= 0)
		beat_succeeded(heart);
	else
		again = beat_failed(heart, result);
	if (was_last && result >= 0)
		end(heart, true);
	else if (again)
		beat(heart);
}

static struct store_txn *make_transaction(struct heart *heart) {
	struct store_txn *txn = store_txn_new();
	uint64_t wall_clock = (uint64_t)time(NULL);

	/* Failed additions are kept in the transaction and told by store_commit(). The check: below a node that
	 * somebody deletes nothing is made anew. */
	(void)store_txn_check(txn, heart->paths[KEY_NODE], STORE_ANY_VERSION);
	if (heart->claims_run)
		(void)store_txn_put(txn, heart->paths[KEY_STATE], &heart->seen[KEY_STATE],
				    daemon_state_name(DAEMON_RUN));
	for (size_t i = 0; i < FIGURE_COUNT; i++) {
		_cleanup_free_ char *text = figures_text(&heart->figures, (enum figure)i, wall_clock);

		if (!text) {
			store_txn_free(txn);
			return NULL; /* store_commit() takes that for out of memory */
		}
		(void)store_txn_put(txn, heart->paths[KEY_FIGURES + i], &heart->seen[KEY_FIGURES + i], text);
	}
	heart->sign.heart.armed = !heart->stopping && is_armed(heart);
	heart->sign.heart.cut = heart->sign.heart.armed ? cut_time(heart) : 0;
	sign_add(&heart->sign, txn, store_session_id(heart->store));
	return txn;
}

/* A state that means an end on purpose is left alone; the operator is told what changes it. */
static void tell_kept(struct heart *heart) {
	if (heart->claims_run || heart->state == DAEMON_RUN || heart->stopping || heart->told_kept)
		return;
	heart->told_kept = true;
	say(LOG_LEVEL_WARNING, "daemonstate stays %s: heartbeats do not change it, 'pvc-register start' does",
	    daemon_state_name(heart->state));
}

static void write_keys(struct heart *heart) {
	int r;

	figures_collect(&heart->figures, heart->config);
	heart->claims_run = heartbeat_claims_run(heart->state, heart->stopping);
	tell_kept(heart);
	heart->is_last = heart->stopping;
	heart->due = false;
	heart->sent = now_monotonic(); /* after the figures, before anything of it can be on its way */
	r = store_commit(heart->store, make_transaction(heart), commit_done, heart);
	heart->busy = r >= 0;
	if (r < 0) {
		heart->due = true;
		say(LOG_LEVEL_ERROR, "cannot write the heartbeat to %s: %s: trying again", heart->paths[KEY_NODE],
		    strerror(-r));
	}
}

static void beat(struct heart *heart) {
	const struct heartbeat_view view = {heart->connected, heart->busy, heart->versions_known};

	heart->due = true;
	if (!heart->busy)
		heart->busy_since = now_monotonic();
	switch (heartbeat_step(&view)) {
	case HEARTBEAT_WAIT:
		break;
	case HEARTBEAT_READ:
		read_keys(heart);
		break;
	case HEARTBEAT_WRITE:
		write_keys(heart);
		break;
	}
}

/* ---- what sets it going ----------------------------------------------------------------------------------------- */

static void tell_late(struct heart *heart, uint64_t missed, usec_t interval) {
	if (missed > 0)
		say(LOG_LEVEL_WARNING, "%llu heartbeats were skipped: this program did not run in time",
		    (unsigned long long)missed);
	if (heart->told_late || !heart->busy || heart->stopping || now_monotonic() - heart->busy_since < interval)
		return;
	heart->told_late = true;
	say(LOG_LEVEL_WARNING, "ZooKeeper has not confirmed a heartbeat for a whole interval: waiting for %s",
	    heart->config->servers);
	loop_status(heart->loop, "waiting for ZooKeeper to confirm a heartbeat");
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
	struct heart *heart = userdata;
	usec_t now = now_monotonic(), interval = heart->config->keepalive_interval * USEC_PER_SEC;
	uint64_t missed;
	int r;

	(void)source;
	(void)usec;
	heart->due_at = heartbeat_next(heart->first, interval, heart->due_at, now, &missed);
	tell_late(heart, missed, interval);
	heart->races = 0;
	beat(heart);
	r = event_timer(loop_event(heart->loop), &heart->tick, heart->due_at - now, on_tick, heart);
	if (r < 0)
		say(LOG_LEVEL_ERROR, "cannot arm the heartbeat's timer: %s", strerror(-r));
	return r; /* without a timer this program is of no use: the loop ends, systemd starts it again */
}

/* Somebody changed daemonstate: a coordinator that took us for dead is told at once that we are not. */
static void state_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct heart *heart = userdata;

	(void)store;
	note(&heart->seen[KEY_STATE], value);
	heart->state = daemon_state_parse(value->exists ? value->data : NULL);
	if (!value->exists) {
		heart->versions_known = false; /* the next tick sees whether more than that is gone */
		return;
	}
	if (heart->state == DAEMON_DEAD)
		say(LOG_LEVEL_WARNING, "a coordinator has declared this node dead");
	if (heartbeat_claims_run(heart->state, heart->stopping))
		beat(heart);
}

static void on_state(struct store *store, enum store_state state, void *userdata) {
	struct heart *heart = userdata;
	bool had = heart->connected;

	(void)store;
	heart->connected = state != STORE_CONNECTING;
	if (heart->connected) {
		if (state == STORE_NEW_SESSION)
			heart->versions_known = false; /* what was ephemeral is gone, or will be */
		if (!had)
			say(LOG_LEVEL_INFO, "connected to ZooKeeper (%s)",
			    state == STORE_NEW_SESSION ? "a new session" : "the same session");
		beat(heart);
		return;
	}
	if (!had)
		return;
	say(LOG_LEVEL_WARNING, "the connection to ZooKeeper is lost: waiting for %s", heart->config->servers);
	loop_status(heart->loop, "no connection to ZooKeeper");
	if (heart->stopping && !is_armed(heart))
		end(heart, false);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata) {
	struct heart *heart = userdata;

	(void)source;
	(void)usec;
	say(LOG_LEVEL_WARNING, "the last heartbeat was not confirmed in time");
	end(heart, false);
	return 0;
}

void heart_stop(struct heart *heart) {
	if (heart->stopping)
		return;
	heart->stopping = true;
	if (!heart->connected && !is_armed(heart)) {
		say(LOG_LEVEL_WARNING, "no last heartbeat: there is no connection to ZooKeeper");
		end(heart, false);
		return;
	}
	if (event_timer(loop_event(heart->loop), &heart->limit,
			is_armed(heart) ? HEART_STOP_LIMIT_ARMED : HEART_STOP_LIMIT, on_limit, heart) < 0) {
		end(heart, false); /* nothing would bound the wait */
		return;
	}
	beat(heart);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static int make_paths(struct heart *heart) {
	const char *node = heart->config->node;

	heart->paths[KEY_NODE] = store_path(STORE_NODES, node, NULL);
	heart->paths[KEY_STATE] = store_path(STORE_NODES, node, "daemonstate", NULL);
	for (size_t i = 0; i < FIGURE_COUNT; i++)
		heart->paths[KEY_FIGURES + i] = store_path(STORE_NODES, node, figure_keys[i], NULL);
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (!heart->paths[i])
			return -ENOMEM;
	return sign_init(&heart->sign, node);
}

int heart_new(struct heart **ret, struct loop *loop, const struct config *config, const struct heart_hooks *hooks) {
	_cleanup_(heart_freep) struct heart *heart = calloc(1, sizeof(*heart));
	int r;

	if (!heart)
		return -ENOMEM;
	heart->loop = loop;
	heart->config = config;
	heart->hooks = *hooks;
	heart->state = DAEMON_STATE_UNKNOWN;
	r = make_paths(heart);
	if (r < 0)
		return r;
	*ret = move_ptr(heart);
	return 0;
}

int heart_start(struct heart *heart) {
	const struct store_options options = {
	    .servers = heart->config->servers, .on_state = on_state, .userdata = heart};
	int r = store_open(&heart->store, loop_event(heart->loop), &options);

	if (r < 0)
		return r;
	r = store_watch_value(heart->store, heart->paths[KEY_STATE], state_changed, heart, &heart->state_watch);
	if (r < 0)
		return r;
	heart->first = heart->due_at = now_monotonic();
	return event_timer(loop_event(heart->loop), &heart->tick, 0, on_tick, heart);
}

void heart_free(struct heart *heart) {
	if (!heart)
		return;
	if (heart->state_watch)
		store_watch_free(heart->state_watch);
	heart->stopping = true; /* completions that closing brings start nothing new */
	heart->connected = false;
	store_close(heart->store);
	event_source_unrefp(&heart->tick);
	event_source_unrefp(&heart->limit);
	for (size_t i = 0; i < KEY_COUNT; i++)
		free(heart->paths[i]);
	sign_deinit(&heart->sign);
	figures_free(&heart->figures);
	free(heart);
}

struct store *heart_store(struct heart *heart) {
	return heart->store;
}

void heart_set_armed(struct heart *heart, bool armed) {
	bool news = armed && !is_armed(heart);

	heart->armed = armed;
	heart->armed_known = true;
	if (news && !heart->stopping)
		beat(heart);
}

bool heart_was_armed(const struct heart *heart) {
	return heart->was_armed;
}

const char *heart_boot(const struct heart *heart) {
	return heart->sign.heart.boot;
}
