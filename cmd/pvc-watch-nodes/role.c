/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The role of this node: routerstate follows /primary_node, and a free role is claimed by a coordinator that runs. The
 * claim is a compare-and-set against the very version that was seen free, so of many claimants one wins (D25), and the
 * others see it. A node that was asked to give the role away (the key went from its own name to `none`) lets others go
 * first for YIELD_TIME, and takes it back when nobody came: a cluster is not left without a primary.
 */
#include "log/log.h"
#include "watcher.h"

enum { PRIMARY, ROUTERSTATE, DAEMONSTATE, NODE, KEYS };

struct role {
	struct watcher *watcher;
	struct store_watch *watches[KEYS];
	char *paths[KEYS];
	bool seen; /* the keys were compared once */
	bool busy, again;
	bool held; /* /primary_node was this node's name when it was seen last */
	usec_t yield_until;
	sd_event_source *timer;
	char *named; /* last odd value of /primary_node or routerstate that was named in the log */
	/* what the last compute decided */
	struct role_decision decision;
	bool wrote_role;
	enum daemon_state daemon_state;
};

static void evaluate(struct role *role);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	evaluate(userdata);
	return 0;
}

static void evaluate_in(struct role *role, usec_t delay) {
	int r = event_timer(loop_event(role->watcher->loop), &role->timer, delay, on_timer, role);

	if (r < 0)
		log_error("cannot set a timer: %s", strerror(-r));
}

static void name_once(struct role *role, const char *key, const char *text) {
	_cleanup_free_ char *clean = shown(text);

	if (str_equal(text, role->named))
		return;
	log_warning("%s holds '%s', which is no word for it", key, SHOWN(clean));
	free(role->named);
	role->named = strdup(text); /* without memory it is named again */
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct role *role = userdata;
	const struct config *config = role->watcher->config;
	const char *present = value_text(&values[ROUTERSTATE]);
	struct role_view view = {
	    .is_coordinator = config->is_coordinator,
	    .me = config->node,
	    .primary = value_text(&values[PRIMARY]),
	    .daemon_state = daemon_state_parse(value_text(&values[DAEMONSTATE])),
	    .yielding = deadline_left(role->yield_until) > 0,
	};

	(void)count;
	role->decision = role_decide(&view);
	role->daemon_state = view.daemon_state;
	role->wrote_role = false;
	if (!values[NODE].exists) /* not registered: nothing to hang a role on */
		return 1;
	if (present && router_state_parse(present) == ROUTER_STATE_UNKNOWN)
		name_once(role, role->paths[ROUTERSTATE], present);
	if (router_state_parse(present) != role->decision.router_state) {
		role->wrote_role = true;
		/* the role is written only as long as the key that it follows is as it was seen */
		if (values[PRIMARY].exists)
			(void)store_txn_check(txn, role->paths[PRIMARY], values[PRIMARY].stat.version);
		(void)store_txn_put(txn, role->paths[ROUTERSTATE], &values[ROUTERSTATE],
				    router_state_name(role->decision.router_state));
	}
	if (role->decision.claim)
		(void)store_txn_put(txn, role->paths[PRIMARY], &values[PRIMARY], config->node);
	return store_txn_count(txn) > 0 ? 0 : 1; /* store_commit() reports failed allocations */
}

static void updated(struct store *store, int result, void *userdata) {
	struct role *role = userdata;
	bool again = role->again;

	role->busy = role->again = false;
	if (result >= 0 && !role->seen) {
		role->seen = true;
		watcher_seen(role->watcher);
	}
	if (result >= 0) /* the role is in the key: its services follow */
		primary_want(role->watcher, role_serves(role->decision.router_state, role->daemon_state));
	if (result == 0 && role->wrote_role)
		log_info("this node's router state is %s now", router_state_name(role->decision.router_state));
	if (result == 0 && role->decision.claim)
		log_ok("nobody was the primary coordinator: this node claimed the role");
	if (role->watcher->stopping)
		return;
	if (result < 0 && result != -ECONNRESET && store_is_connected(store)) {
		log_warning("cannot write this node's role: %s; tried again", strerror(-result));
		evaluate_in(role, RETRY_TIME);
	} else if (result < 0 || again) {
		evaluate(role); /* without a connection its reads wait for one */
	}
}

static void evaluate(struct role *role) {
	usec_t left = deadline_left(role->yield_until);
	int r;

	if (role->watcher->stopping)
		return;
	if (role->busy) {
		role->again = true;
		return;
	}
	if (left > 0)
		evaluate_in(role, left + USEC_PER_MSEC);
	r = store_update(role->watcher->store, (const char *const *)role->paths, KEYS, compute, updated, role);
	if (r < 0) {
		log_warning("cannot look at this node's role: %s; tried again", strerror(-r));
		evaluate_in(role, RETRY_TIME);
		return;
	}
	role->busy = true;
}

static void primary_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct role *role = userdata;
	const char *text = value_text(value);
	_cleanup_free_ char *clean = shown(text);
	bool mine = str_equal(text, role->watcher->config->node);

	(void)store;
	if (role_is_free(text)) {
		log_info("nobody is the primary coordinator");
		if (role->held) {
			log_info("this node was; others go first for %u s", (unsigned)(YIELD_TIME / USEC_PER_SEC));
			role->yield_until = deadline_after(YIELD_TIME);
		}
	} else {
		log_info("the primary coordinator is %s%s", SHOWN(clean), mine ? ", this node" : "");
		role->yield_until = 0;
	}
	role->held = mine;
	evaluate(role);
}

static void own_changed(struct store *store, const struct store_value *value, void *userdata) {
	(void)store;
	(void)value;
	evaluate(userdata);
}

int role_start(struct watcher *watcher) {
	struct role *role = calloc(1, sizeof(*role));
	int r;

	if (!role)
		return -ENOMEM;
	role->watcher = watcher;
	watcher->role = role;
	role->paths[PRIMARY] = strdup(store_base(STORE_PRIMARY_NODE));
	role->paths[ROUTERSTATE] = str_printf("%s/routerstate", watcher->path);
	role->paths[DAEMONSTATE] = str_printf("%s/daemonstate", watcher->path);
	role->paths[NODE] = strdup(watcher->path);
	for (int i = 0; i < KEYS; i++)
		if (!role->paths[i])
			return -ENOMEM;
	r = store_watch_value(watcher->store, role->paths[PRIMARY], primary_changed, role, &role->watches[PRIMARY]);
	if (r >= 0)
		r = store_watch_value(watcher->store, role->paths[DAEMONSTATE], own_changed, role,
				      &role->watches[DAEMONSTATE]);
	/* somebody else's word in the routerstate is put right */
	if (r >= 0)
		r = store_watch_value(watcher->store, role->paths[ROUTERSTATE], own_changed, role,
				      &role->watches[ROUTERSTATE]);
	return r;
}

void role_compare(struct watcher *watcher) {
	if (watcher->role)
		evaluate(watcher->role);
}

void role_stop(struct watcher *watcher) {
	struct role *role = watcher->role;

	if (!role)
		return;
	for (int i = 0; i < KEYS; i++)
		free(role->paths[i]);
	(void)sd_event_source_disable_unref(role->timer); /* returns NULL */
	free(role->named);
	free(role);
	watcher->role = NULL;
}
