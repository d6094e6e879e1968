/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The node's own daemonstate: waiting for `run` at the end of the chain, announcing the end of it. */
#include "register.h"

#include "log/log.h"

static char *state_path(const struct config *config) {
	return store_path(STORE_NODES, config->node, "daemonstate", (char *)NULL);
}

struct waiting {
	bool runs;
	char *seen; /* the word, for the message; NULL when there is no key */
};

static void on_state(struct store *store, const struct store_value *value, void *userdata) {
	struct waiting *waiting = userdata;

	(void)store;
	free(waiting->seen);
	waiting->seen = value->exists ? str_printable(value->data, 40) : NULL;
	waiting->runs = value->exists && str_equal(value->data, "run");
}

int state_wait_for_run(const struct config *config, usec_t deadline) {
	_cleanup_store_ struct store *store = NULL;
	_cleanup_free_ char *path = state_path(config), *error = NULL;
	struct waiting waiting = {0};
	struct store_watch *watch = NULL;
	int r;

	r = path ? store_connect(config->servers, deadline, &store, &error) : -ENOMEM;
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return EXIT_TEMPORARY;
	}
	r = store_watch_value(store, path, on_state, &waiting, &watch);
	if (r >= 0)
		r = store_wait(store, &waiting.runs, deadline);
	store_watch_free(watch);
	if (r >= 0)
		log_ok("node %s is in state run", config->node);
	else if (r == -ETIMEDOUT)
		log_error("node %s did not reach state run: it is %s%s%s; see whether pvc-keepalive.service runs",
			  config->node, waiting.seen ? "'" : "not registered", waiting.seen ? waiting.seen : "",
			  waiting.seen ? "'" : "");
	else
		log_error("cannot watch %s: %s", path, strerror(-r));
	free(waiting.seen);
	return r < 0 ? EXIT_TEMPORARY : EXIT_OK;
}

struct announcement {
	const char *path, *word;
};

/* `stop` is the last word: it is not taken back to `shutdown`. A node that nobody knows announces nothing. */
static int decide_word(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct announcement *announcement = userdata;

	(void)count;
	if (!values[0].exists || str_equal(values[0].data, announcement->word) || str_equal(values[0].data, "stop"))
		return 1;
	return store_txn_put(txn, announcement->path, &values[0], announcement->word);
}

/* Never fails: a host that shuts down while ZooKeeper is away must not be held up, and the others see the node's
 * silence anyway. */
int state_announce(const struct config *config, const char *word, usec_t deadline) {
	_cleanup_store_ struct store *store = NULL;
	_cleanup_free_ char *path = state_path(config), *error = NULL;
	struct announcement announcement = {path, word};
	int r;

	r = path ? store_connect(config->servers, deadline, &store, &error) : -ENOMEM;
	while (r >= 0) {
		r = store_update_wait(store, (const char *const[]){path}, 1, decide_word, &announcement, deadline);
		if ((r != -ENOTCONN && r != -ECONNRESET) || deadline_left(deadline) == 0)
			break;
		r = 0; /* the outcome is unknown: look again, once there is a connection */
	}
	if (r < 0)
		log_warning("node %s could not announce '%s': %s; the others will only notice that its heartbeat stops",
			    config->node, word, error ? error : strerror(-r));
	else if (r > 0)
		log_info("node %s has nothing to announce", config->node);
	else
		log_ok("node %s is in state %s", config->node, word);
	return EXIT_OK;
}
