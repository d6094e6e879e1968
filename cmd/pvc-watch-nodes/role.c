/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The primary role of this node: keeps what the keys hold, lets primary_decide() say what is next, and has it done: by
 * lease.c in ZooKeeper, by primary.c with systemd. Stopping the services needs no answer of ZooKeeper: what was seen
 * last and this process's own clock are enough.
 */
#include "cluster/timeline.h"
#include "host/host.h"
#include "log/log.h"
#include "role.h"

#define LEAVE_TIME (3 * USEC_PER_SEC)    /* a node that goes down waits so long for somebody to take the role */
#define LOOK_TIME  (100 * USEC_PER_MSEC) /* between two looks for a confirmation that is overdue */

/* When the lease is no longer good; 0: it is not known to be good at all. */
static usec_t good_until(const struct role *role) {
	const struct store *store = role->watcher->store;
	usec_t confirmed = store_last_confirmed(store);
	usec_t late = timeline_late((usec_t)store_session_timeout_ms(store) * USEC_PER_MSEC);

	return confirmed && late ? confirmed + late : 0;
}

static bool is_candidate_besides(const struct role *role) {
	for (size_t i = 0; i < role->candidates.count; i++)
		if (!str_equal(role->candidates.items[i], role->watcher->config->node))
			return true;
	return false;
}

void role_view(struct role *role, struct primary_view *ret) {
	const struct config *config = role->watcher->config;
	struct primary_view view = {
	    .fitness = role->leaving || !config->is_coordinator
			   ? PRIMARY_LEAVES
			   : primary_fitness(daemon_state_parse(role->seen[KEY_DAEMONSTATE].text)),
	    .wish = primary_wish(role->seen[KEY_PRIMARY].text, config->node, &role->candidates),
	    .lease = role_lease(role),
	    .services = primary_services(role->watcher),
	    .confirmed = good_until(role) > now_monotonic(),
	};

	if (view.wish == WISH_UNFIT && !role->listed) /* not known yet */
		view.wish = WISH_OTHER;
	/* the named one's time begins when nothing is in its way any more */
	if (view.lease != LEASE_NOBODYS || view.wish != WISH_OTHER)
		role->take_until = 0;
	else if (role->take_until == 0)
		role->take_until = deadline_after(TIMELINE_TAKE);
	if (view.wish != WISH_NOBODY || !is_candidate_besides(role))
		role->yield_until = 0;
	view.others_first = deadline_left(role->take_until) > 0 || deadline_left(role->yield_until) > 0;
	*ret = view;
}

/* ---- what is said, once each ---- */

static void say_holder(struct role *role) {
	_cleanup_lease_ struct store_lease lease = {0};
	const char *text = role->seen[KEY_LEASE].text;
	_cleanup_free_ char *clean = NULL;

	if (!text || role_lease(role) == LEASE_MINE)
		return;
	clean = shown(store_lease_parse(text, &lease) < 0 ? "a session without a name" : lease.node);
	if (str_equal(clean, role->said_holder))
		return;
	log_info("the primary role is held by %s", SHOWN(clean));
	free(role->said_holder);
	role->said_holder = move_ptr(clean); /* without memory it is said again */
}

static void say_late(struct role *role, const struct primary_view *view) {
	bool late = view->lease == LEASE_MINE && !view->confirmed;
	unsigned session = store_session_timeout_ms(role->watcher->store);

	if (session > 0 && timeline_late((usec_t)session * USEC_PER_MSEC) == 0) {
		if (!role->said_short)
			log_error("ZooKeeper grants sessions of %u ms only: too short to hold the primary role; "
				  "raise its maxSessionTimeout to %u ms or more",
				  session, (unsigned)(TIMELINE_SESSION / USEC_PER_MSEC));
		role->said_short = true;
	} else if (late != role->said_late) {
		if (late)
			log_warning("the lease of the primary role cannot be confirmed: its services stop before "
				    "another node may have it");
		else if (view->lease == LEASE_MINE)
			log_info("the lease of the primary role is confirmed again");
		role->said_late = late;
	}
}

/* ---- deciding ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	role_evaluate(userdata);
	return 0;
}

static usec_t earlier(usec_t a, usec_t b) {
	return a < b ? a : b;
}

/* The next moment at which the mere passing of time changes anything. */
static void arm(struct role *role, const struct primary_view *view) {
	usec_t now = now_monotonic(), next = DEADLINE_NEVER;
	const usec_t moments[] = {role->take_until, role->yield_until, role->retry_at,
				  role->leaving ? role->leave_until : 0};

	for (size_t i = 0; i < ARRAY_SIZE(moments); i++)
		if (moments[i] > now)
			next = earlier(next, moments[i]);
	if (view->lease == LEASE_MINE) {
		next = earlier(next, view->confirmed ? good_until(role) : now + LOOK_TIME);
		next = earlier(next, role->refresh_at > now ? role->refresh_at : now + LOOK_TIME);
	}
	if (next == DEADLINE_NEVER)
		return;
	if (event_timer(loop_event(role->watcher->loop), &role->timer, next - now + 1, on_timer, role) < 0) {
		log_error("cannot set a timer");
		primary_want(role->watcher, false); /* without a clock there is no lease */
	}
}

/* A node that goes down is done when its services have stopped, the lease is away and somebody has taken it. */
static void leave(struct role *role, const struct primary_view *view) {
	bool given = view->lease == LEASE_NOBODYS || view->lease == LEASE_OTHERS;

	if (view->services != SERVICES_STOPPED)
		return;
	if (!store_is_connected(role->watcher->store) ||
	    (given &&
	     (view->lease == LEASE_OTHERS || !is_candidate_besides(role) || deadline_left(role->leave_until) == 0)))
		watcher_left(role->watcher);
}

void role_evaluate(struct role *role) {
	struct primary_view view;
	enum primary_action action;

	if (role->watcher->stopping)
		return;
	role_view(role, &view);
	action = primary_decide(&view);
	say_late(role, &view);
	say_holder(role);
	if (action == PRIMARY_STOP)
		primary_want(role->watcher, false);
	else if (action == PRIMARY_START && !role->busy) /* not while the lease may be on its way out */
		primary_want(role->watcher, true);
	if (!role->busy && deadline_left(role->retry_at) == 0 && role_needs_write(role, action)) {
		int r = role_write(role);

		if (r < 0) {
			log_warning("cannot look at this node's role: %s; tried again", strerror(-r));
			role->retry_at = deadline_after(RETRY_TIME);
		}
	}
	if (view.lease == LEASE_MINE && view.confirmed && !role->unsure)
		role_refresh(role);
	arm(role, &view);
	if (role->leaving && !role->busy)
		leave(role, &view);
}

/* ---- what the keys hold ---- */

static void primary_changed(struct role *role, const char *was, const char *is) {
	_cleanup_free_ char *clean = shown(is);
	const char *me = role->watcher->config->node;

	if (!str_is_absent(is)) {
		log_info("the primary coordinator is to be %s%s", SHOWN(clean), str_equal(is, me) ? ", this node" : "");
		return;
	}
	log_info("nobody is to be the primary coordinator");
	if (str_equal(was, me) && role_lease(role) == LEASE_MINE && is_candidate_besides(role)) {
		log_info("this node is; others may take it over for %u s", (unsigned)(TIMELINE_YIELD / USEC_PER_SEC));
		role->yield_until = deadline_after(TIMELINE_YIELD);
	}
}

static void name_once(struct role *role, const char *text) {
	_cleanup_free_ char *clean = shown(text);

	if (!text || router_state_parse(text) != ROUTER_STATE_UNKNOWN || str_equal(text, role->named))
		return;
	log_warning("%s holds '%s', which is no word for it", role->paths[KEY_ROUTERSTATE], SHOWN(clean));
	free(role->named);
	role->named = strdup(text); /* without memory it is named again */
}

void role_see(struct role *role, enum role_key key, const struct store_value *value) {
	struct role_key_seen *seen = &role->seen[key];
	const char *text = value_text(value);
	_cleanup_free_ char *was = move_ptr(seen->text);
	bool first = !seen->known;

	seen->text = text ? strdup(text) : NULL; /* without memory: as if missing, until it changes */
	seen->known = true;
	seen->owner = value->stat.ephemeral_owner;
	seen->version = value->stat.version;
	if (!first && str_equal(was, text))
		return;
	if (key == KEY_PRIMARY)
		primary_changed(role, was, text);
	else if (key == KEY_ROUTERSTATE)
		name_once(role, text);
}

static void changed(struct store *store, const struct store_value *value, void *userdata) {
	struct role_key_seen *seen = userdata;
	struct role *role = seen->role;

	(void)store;
	role_see(role, (enum role_key)(seen - role->seen), value);
	role_evaluate(role);
}

static void candidates_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct role *role = userdata;

	(void)store;
	role->listed = true;
	strlist_free(&role->candidates);
	for (size_t i = 0; children && i < children->count; i++)
		(void)strlist_add(&role->candidates, children->items[i]); /* without memory one is missing */
	role_evaluate(role);
}

static int make_paths(struct role *role) {
	const char *node = role->watcher->config->node;

	role->paths[KEY_PRIMARY] = store_path(STORE_PRIMARY_NODE, (char *)NULL);
	role->paths[KEY_LEASE] = store_path(STORE_PVC_PRIMARY, "lease", (char *)NULL);
	role->paths[KEY_DAEMONSTATE] = store_path(STORE_NODES, node, "daemonstate", (char *)NULL);
	role->paths[KEY_ROUTERSTATE] = store_path(STORE_NODES, node, "routerstate", (char *)NULL);
	role->paths[KEY_CANDIDATE] = store_path(STORE_PVC_CANDIDATES, node, (char *)NULL);
	role->paths[KEY_PVC] = store_path(STORE_PVC, (char *)NULL);
	role->paths[KEY_PVC_PRIMARY] = store_path(STORE_PVC_PRIMARY, (char *)NULL);
	role->paths[KEY_PVC_CANDIDATES] = store_path(STORE_PVC_CANDIDATES, (char *)NULL);
	for (enum role_key key = 0; key < KEY_COUNT; key++)
		if (!role->paths[key])
			return -ENOMEM;
	return 0;
}

int role_start(struct watcher *watcher) {
	struct role *role = calloc(1, sizeof(*role));
	int r;

	if (!role)
		return -ENOMEM;
	role->watcher = watcher;
	watcher->role = role;
	r = make_paths(role);
	if (r >= 0)
		r = host_boot_id(&role->boot);
	for (enum role_key key = 0; r >= 0 && key < KEY_SEEN_COUNT; key++) {
		role->seen[key].role = role;
		r = store_watch_value(watcher->store, role->paths[key], changed, &role->seen[key],
				      &role->seen[key].watch);
	}
	if (r >= 0)
		r = store_watch_list(watcher->store, role->paths[KEY_PVC_CANDIDATES], candidates_changed, role,
				     &role->candidates_watch);
	if (r >= 0)
		role_evaluate(role);
	return r;
}

/* A new session: whatever was this one's is gone, and everything is written anew where it differs. */
void role_compare(struct watcher *watcher) {
	if (!watcher->role)
		return;
	watcher->role->compared = false;
	role_evaluate(watcher->role);
}

void role_look(struct watcher *watcher) {
	if (watcher->role)
		role_evaluate(watcher->role);
}

void role_leave(struct watcher *watcher) {
	struct role *role = watcher->role;

	role->leaving = true;
	role->leave_until = deadline_after(LEAVE_TIME);
	role->retry_at = 0;
	role_evaluate(role);
}

void role_stop(struct watcher *watcher) {
	struct role *role = watcher->role;

	if (!role)
		return;
	for (int i = 0; i < KEY_COUNT; i++)
		free(role->paths[i]);
	for (int i = 0; i < KEY_SEEN_COUNT; i++)
		free(role->seen[i].text);
	(void)sd_event_source_disable_unref(role->timer); /* returns NULL */
	strlist_free(&role->candidates);
	free(role->boot);
	free(role->since_text);
	free(role->named);
	free(role->said_holder);
	free(role);
	watcher->role = NULL;
}
