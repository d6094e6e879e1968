/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "test.h"

#include "fetch.h"
#include "log/log.h"

#define STORE_TIME (20 * USEC_PER_SEC) /* for ZooKeeper */

struct node {
	struct agents *agents;
	bool runs; /* its daemonstate is `run`: it has power */
};

/* -ENOENT: no such node, or it has no agent; the sentence says which. */
static int node_read(struct store *store, const char *name, usec_t deadline, struct node *ret, char **ret_error) {
	_cleanup_strlist_ struct strlist paths = {0};
	struct store_value values[FETCH_KEYS + 1] = {0};
	int r = fetch_paths(name, &paths);

	if (r >= 0)
		r = strlist_take(&paths, store_path(STORE_NODES, name, "daemonstate", (char *)NULL));
	for (size_t i = 0; i < ARRAY_SIZE(values) && r >= 0; i++)
		r = store_get_wait(store, paths.items[i], deadline, &values[i]);
	if (r == -EACCES)
		error_set(ret_error, r,
			  "the keys of node %s are for others: is system.fencing.credentials the same as there?", name);
	else if (r < 0)
		error_set(ret_error, r, "the keys of node %s cannot be read: %s", name, strerror(-r));
	else if (!values[FETCH_KEYS].exists)
		r = error_set(ret_error, -ENOENT, "there is no node %s", name);
	else
		r = fetch_agents(name, values, &ret->agents, ret_error);
	if (r >= 0)
		ret->runs = str_equal(values[FETCH_KEYS].data, "run");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		store_value_free(&values[i]);
	return r;
}

static int ask_all(const char *name, const struct node *node) {
	int code = EXIT_OK;

	for (size_t i = 0; i < agents_count(node->agents); i++) {
		_cleanup_agents_answer_ struct agents_answer answer = {0};
		bool wrong;

		agents_ask_level(node->agents, i, AGENTS_STATUS, DEADLINE_NEVER, NULL, &answer);
		wrong = answer.power == AGENTS_POWER_OFF && node->runs;
		printf("%s: %s%s\n", name, answer.said ? answer.said : strerror(ENOMEM),
		       wrong ? ", but the node runs: is this another machine's agent?" : "");
		if (wrong || answer.power == AGENTS_POWER_UNKNOWN)
			code = EXIT_FAILED;
	}
	return code;
}

int fence_test(const struct config *config, const char *name) {
	_cleanup_store_ struct store *store = NULL;
	_cleanup_free_ char *error = NULL;
	usec_t deadline = deadline_after(STORE_TIME);
	struct node node = {0};
	int r, code;

	if (!*name || strchr(name, '/')) {
		log_error("'%s' is no node's name", name);
		return EXIT_USAGE;
	}
	r = store_connect_as(config->servers, config->fence_credentials, deadline, &store, &error);
	if (r >= 0)
		r = node_read(store, name, deadline, &node, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return r == -ENOENT || r == -EBADMSG || r == -EACCES ? EXIT_FAILED : EXIT_UNAVAILABLE;
	}
	code = ask_all(name, &node);
	agents_free(node.agents);
	return code;
}
