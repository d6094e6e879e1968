/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing of the primary role: the lease, /primary_node, this node's routerstate and its place among the candidates.
 * One transaction each, computed anew from what is read in that moment, so that nothing is written on an old picture.
 */
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "role.h"

#define REFRESH_TIME (10 * USEC_PER_SEC) /* of the lease's figure `held` */

/* A process of this program that lives: a second one on the same host does not take the first one's lease. */
static bool process_lives(int64_t pid) {
	char path[64];
	_cleanup_free_ char *name = NULL;
	size_t length;

	if (pid == getpid())
		return false;                                                  /* this one, in an earlier session */
	(void)snprintf(path, sizeof(path), "/proc/%lld/comm", (long long)pid); /* always fits */
	return file_read(path, 64, &name, &length) >= 0 && str_equal(name, "pvc-watch-nodes\n");
}

enum primary_lease role_lease(const struct role *role) {
	const struct role_key_seen *seen = &role->seen[KEY_LEASE];
	_cleanup_lease_ struct store_lease lease = {0};

	if (!seen->known || role->unsure)
		return LEASE_OTHERS;
	if (!seen->text || seen->owner == 0) /* a key that somebody made by hand is nobody's */
		return LEASE_NOBODYS;
	if (seen->owner == store_session_id(role->watcher->store))
		return LEASE_MINE;
	if (store_lease_parse(seen->text, &lease) < 0 || !str_equal(lease.node, role->watcher->config->node) ||
	    !str_equal(lease.boot, role->boot) || process_lives(lease.pid))
		return LEASE_OTHERS;
	return LEASE_OLD;
}

static enum router_state router_word(const struct role *role, enum primary_lease lease) {
	if (!role->watcher->config->is_coordinator)
		return ROUTER_CLIENT;
	return lease == LEASE_MINE || lease == LEASE_OLD ? ROUTER_PRIMARY : ROUTER_SECONDARY;
}

static bool is_candidate(const struct role *role) {
	return !role->leaving && role->watcher->config->is_coordinator &&
	       primary_fitness(daemon_state_parse(role->seen[KEY_DAEMONSTATE].text)) == PRIMARY_FIT;
}

bool role_needs_write(const struct role *role, enum primary_action action) {
	switch (action) {
	case PRIMARY_CLAIM:
	case PRIMARY_ADOPT:
	case PRIMARY_BID:
	case PRIMARY_RELEASE:
		return true;
	case PRIMARY_NOTHING:
	case PRIMARY_START:
	case PRIMARY_STOP:
	case PRIMARY_ACTION_COUNT:
		break;
	}
	if (role->unsure || !role->compared)
		return true;
	if (!role->seen[KEY_DAEMONSTATE].text) /* not registered: nothing to hang a role on */
		return false;
	return router_state_parse(role->seen[KEY_ROUTERSTATE].text) != router_word(role, role_lease(role)) ||
	       is_candidate(role) != strlist_contains(&role->candidates, role->watcher->config->node);
}

/* ---- the value of the lease ---- */

static void begin_to_hold(struct role *role, const char *old) {
	_cleanup_lease_ struct store_lease lease = {0};
	char text[40] = "";
	time_t now = time(NULL);
	struct tm tm;

	role->since = now_monotonic();
	free(role->since_text);
	if (old && store_lease_parse(old, &lease) >= 0) { /* adopted: the role did not change hands */
		usec_t held = (usec_t)lease.held * USEC_PER_SEC;

		role->since -= held < role->since ? held : role->since;
		role->since_text = move_ptr(lease.since);
		return;
	}
	if (gmtime_r(&now, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm); /* fits */
	role->since_text = strdup(text);
}

static char *lease_text(const struct role *role) {
	struct store_lease lease = {.node = (char *)role->watcher->config->node,
				    .boot = role->boot,
				    .since = role->since_text ? role->since_text : (char *)"",
				    .pid = getpid(),
				    .held = (int64_t)((now_monotonic() - role->since) / USEC_PER_SEC)};

	return store_lease_format(&lease);
}

static void refreshed(struct store *store, int result, void *userdata) {
	struct role *role = userdata;

	(void)store;
	role->refreshing = false;
	if (result < 0)
		log_debug("the lease was not refreshed: %s", strerror(-result)); /* the watch tells what became of it */
}

void role_refresh(struct role *role) {
	_cleanup_free_ char *text = NULL;
	struct store_txn *txn;

	if (role->refreshing || role->busy || deadline_left(role->refresh_at) > 0)
		return;
	role->refresh_at = deadline_after(REFRESH_TIME);
	text = lease_text(role);
	txn = store_txn_new();
	if (text)
		(void)store_txn_set(txn, role->paths[KEY_LEASE], text, role->seen[KEY_LEASE].version);
	if (text && store_commit(role->watcher->store, txn, refreshed, role) >= 0)
		role->refreshing = true;
	else if (!text)
		store_txn_free(txn);
}

/* ---- the transaction ---- */

static int put_lease(struct role *role, const struct store_value *value, struct store_txn *txn) {
	_cleanup_free_ char *text = NULL;

	begin_to_hold(role, role->wrote == PRIMARY_ADOPT ? value->data : NULL);
	text = lease_text(role);
	if (!text)
		return -ENOMEM;
	if (value->exists)
		(void)store_txn_delete(txn, role->paths[KEY_LEASE], value->stat.version);
	return store_txn_create_ephemeral(txn, role->paths[KEY_LEASE], text);
}

static void put_name(struct role *role, const struct store_value *value, struct store_txn *txn) {
	const char *me = role->watcher->config->node;

	/* also when it is there: whoever writes another name meanwhile is not overrun */
	if (value->exists && str_equal(value_text(value), me))
		(void)store_txn_check(txn, role->paths[KEY_PRIMARY], value->stat.version);
	else
		(void)store_txn_put(txn, role->paths[KEY_PRIMARY], value, me);
}

static void put_candidate(struct role *role, const struct store_value *value, struct store_txn *txn) {
	bool mine = value->exists && value->stat.ephemeral_owner == store_session_id(role->watcher->store);
	bool wanted = is_candidate(role);

	if (value->exists && (wanted ? !mine : mine))
		(void)store_txn_delete(txn, role->paths[KEY_CANDIDATE], value->stat.version);
	if (wanted && !mine)
		(void)store_txn_create_ephemeral(txn, role->paths[KEY_CANDIDATE], "");
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct role *role = userdata;
	struct primary_view view;
	enum primary_lease after;
	int r = 0;

	(void)count;
	role->unsure = false; /* it is read anew here */
	for (enum role_key key = 0; key < KEY_SEEN_COUNT; key++)
		role_see(role, key, &values[key]);
	role_view(role, &view);
	role->wrote = primary_decide(&view);
	after = view.lease;
	if (!values[KEY_DAEMONSTATE].exists && role->wrote != PRIMARY_ADOPT && role->wrote != PRIMARY_RELEASE)
		return 1;
	for (enum role_key key = KEY_PVC; key < KEY_COUNT; key++)
		if (!values[key].exists && role->watcher->config->is_coordinator)
			(void)store_txn_create(txn, role->paths[key], "");
	if (role->wrote == PRIMARY_CLAIM || role->wrote == PRIMARY_ADOPT) {
		r = put_lease(role, &values[KEY_LEASE], txn);
		after = LEASE_MINE;
	} else if (role->wrote == PRIMARY_RELEASE) {
		(void)store_txn_delete(txn, role->paths[KEY_LEASE], values[KEY_LEASE].stat.version);
		after = LEASE_NOBODYS;
	}
	if (role->wrote == PRIMARY_CLAIM || role->wrote == PRIMARY_BID)
		put_name(role, &values[KEY_PRIMARY], txn);
	put_candidate(role, &values[KEY_CANDIDATE], txn);
	if (values[KEY_DAEMONSTATE].exists &&
	    router_state_parse(value_text(&values[KEY_ROUTERSTATE])) != router_word(role, after))
		(void)store_txn_put(txn, role->paths[KEY_ROUTERSTATE], &values[KEY_ROUTERSTATE],
				    router_state_name(router_word(role, after)));
	if (r < 0)
		return r;
	return store_txn_count(txn) > 0 ? 0 : 1; /* store_commit() reports failed allocations */
}

/* What was written is known before the watches bring it. */
static void believe(struct role *role) {
	struct role_key_seen *lease = &role->seen[KEY_LEASE];

	switch (role->wrote) {
	case PRIMARY_CLAIM:
	case PRIMARY_ADOPT:
		lease->owner = store_session_id(role->watcher->store);
		free(lease->text);
		lease->text = strdup(""); /* without memory: nobody's, until the watch brings it */
		lease->version = 0;
		role->refresh_at = deadline_after(REFRESH_TIME);
		if (role->wrote == PRIMARY_ADOPT)
			log_ok("the primary role was this node's already: it stays so");
		else
			log_ok("this node holds the primary role");
		break;
	case PRIMARY_RELEASE:
		free(lease->text);
		lease->text = NULL;
		lease->owner = 0;
		log_ok("this node gave the primary role away");
		break;
	case PRIMARY_BID:
		log_info("this node's name was written into %s", role->paths[KEY_PRIMARY]);
		break;
	case PRIMARY_NOTHING:
	case PRIMARY_START:
	case PRIMARY_STOP:
	case PRIMARY_ACTION_COUNT:
		break;
	}
}

static void written(struct store *store, int result, void *userdata) {
	struct role *role = userdata;
	bool first = !role->compared && result >= 0;

	role->busy = false;
	role->compared |= result >= 0;
	/* a key that was missing, was there when it was read here, and is missing again has not changed for its watch */
	for (enum role_key key = 0; key < KEY_SEEN_COUNT && !role->watcher->stopping; key++)
		store_watch_again(role->seen[key].watch);
	if (result == 0)
		believe(role);
	else if (result < 0 && role->wrote == PRIMARY_RELEASE)
		role->unsure = true; /* perhaps somebody else has it by now */
	if (first)
		watcher_seen(role->watcher);
	if (role->watcher->stopping)
		return;
	if (result < 0 && result != -ECONNRESET && store_is_connected(store)) {
		log_warning("cannot write this node's role: %s; tried again", strerror(-result));
		role->retry_at = deadline_after(RETRY_TIME);
	}
	role_evaluate(role); /* without a connection its reads wait for one */
}

int role_write(struct role *role) {
	int r;

	role->wrote = PRIMARY_NOTHING;
	r = store_update(role->watcher->store, (const char *const *)role->paths, KEY_COUNT, compute, written, role);
	if (r >= 0)
		role->busy = true;
	return r;
}
