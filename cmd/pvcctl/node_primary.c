/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is the primary coordinator: a wish in /primary_node, which the nodes follow; the lease says who it is. */
#include "pvcctl.h"

enum { KEY_PRIMARY, KEY_CANDIDATE, KEY_NODE, KEY_MODE, KEY_STATE, KEY_LEASE, KEY_COUNT };

struct request {
	const char *node, *word; /* what is written */
	char *paths[KEY_COUNT];
	bool held; /* the node holds the role at present */
	char *refusal;
};

static void request_free(struct request *request) {
	for (size_t i = 0; i < KEY_COUNT; i++)
		free(request->paths[i]);
	free(request->refusal);
}

static bool is_held_by(const char *lease_text, const char *node) {
	_cleanup_lease_ struct store_lease lease = {0};

	return lease_text && store_lease_parse(lease_text, &lease) >= 0 && str_equal(lease.node, node);
}

/* Why the node cannot take the role; NULL when it can, or without memory. */
static char *refusal(const struct request *request, const struct store_value *values) {
	const char *state = values[KEY_STATE].data, *node = request->node;
	_cleanup_free_ char *clean = str_printable(*state ? state : "unknown", 40);

	if (!values[KEY_NODE].exists)
		return str_printf("the cluster has no node named '%s'", node);
	if (!str_equal(values[KEY_MODE].data, "coordinator"))
		return str_printf("node '%s' is no coordinator", node);
	if (daemon_state_parse(state) != DAEMON_RUN)
		return str_printf("node '%s' cannot take the primary role: its daemon state is '%s', not 'run'", node,
				  clean ? clean : "?");
	if (!values[KEY_CANDIDATE].exists)
		return str_printf("node '%s' cannot take the primary role: its pvc-watch-nodes does not answer; see "
				  "'systemctl status pvc-watch-nodes' there",
				  node);
	return NULL;
}

static int decide(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct request *request = userdata;
	bool primary = str_equal(request->word, request->node);

	(void)count;
	free(request->refusal);
	request->refusal = NULL;
	request->held = values[KEY_LEASE].exists && is_held_by(values[KEY_LEASE].data, request->node);
	if (primary && !(request->held && str_equal(values[KEY_PRIMARY].data, request->node)))
		request->refusal = refusal(request, values);
	else if (!primary && !values[KEY_NODE].exists)
		request->refusal = str_printf("the cluster has no node named '%s'", request->node);
	if (request->refusal)
		return -EPERM;
	if (primary ? str_equal(values[KEY_PRIMARY].data, request->node)
		    : !request->held && !str_equal(values[KEY_PRIMARY].data, request->node))
		return 1; /* it is so, or on its way */
	return store_txn_put(txn, request->paths[KEY_PRIMARY], &values[KEY_PRIMARY], request->word);
}

/* ---- waiting ---- */

enum { AWAIT_PRIMARY, AWAIT_LEASE };

static bool became_primary(struct await *a) {
	const struct request *request = a->userdata;

	return is_held_by(a->keys[AWAIT_LEASE].data, request->node) ||
	       !str_equal(a->keys[AWAIT_PRIMARY].data, request->node);
}

static bool became_secondary(struct await *a) {
	const struct request *request = a->userdata;

	return (*a->keys[AWAIT_LEASE].data && !is_held_by(a->keys[AWAIT_LEASE].data, request->node)) ||
	       str_equal(a->keys[AWAIT_PRIMARY].data, request->node);
}

static int wait_for(struct ctl *ctl, struct request *request) {
	bool primary = str_equal(request->word, request->node);
	_cleanup_await_ struct await await = {.reached = primary ? became_primary : became_secondary,
					      .userdata = request};
	_cleanup_free_ char *now = NULL;
	bool held;
	int r = await_add(&await, strdup(request->paths[KEY_PRIMARY]));

	if (r >= 0)
		r = await_add(&await, strdup(request->paths[KEY_LEASE]));
	if (r >= 0)
		r = await_run(ctl, &await, deadline_after(ctl->options.timeout * USEC_PER_SEC));
	if (r < 0 && r != -ETIMEDOUT)
		return failed(r, "cannot watch the primary role: %s", store_error_text(r));
	held = is_held_by(await.keys[AWAIT_LEASE].data, request->node);
	now = str_printable(await.keys[AWAIT_PRIMARY].data ? await.keys[AWAIT_PRIMARY].data : "", 40);
	if (r == -ETIMEDOUT)
		return failed_with(EXIT_TEMPORARY, "node '%s' %s the primary role after %llu s", request->node,
				   primary ? "does not have" : "still has", (unsigned long long)ctl->options.timeout);
	if (primary && !held)
		return failed_with(EXIT_FAILED, "node '%s' did not take the primary role: it is to be '%s' now",
				   request->node, now ? now : "?");
	if (!primary && held)
		return failed_with(EXIT_FAILED, "node '%s' keeps the primary role: no other coordinator took it",
				   request->node);
	printf("Node '%s' is %s.\n", request->node, primary ? "primary" : "secondary");
	return EXIT_OK;
}

static int ask(struct ctl *ctl, struct request *request) {
	const char *node = request->node;
	int r = is_key_name(node) ? 0 : -ENOENT;

	if (r < 0)
		return failed(r, "the cluster has no node named '%s'", node);
	request->paths[KEY_PRIMARY] = store_path(STORE_PRIMARY_NODE, (char *)NULL);
	request->paths[KEY_CANDIDATE] = store_path(STORE_PVC_CANDIDATES, node, (char *)NULL);
	request->paths[KEY_NODE] = store_path(STORE_NODES, node, (char *)NULL);
	request->paths[KEY_MODE] = store_path(STORE_NODES, node, "daemonmode", (char *)NULL);
	request->paths[KEY_STATE] = store_path(STORE_NODES, node, "daemonstate", (char *)NULL);
	request->paths[KEY_LEASE] = store_path(STORE_PVC_PRIMARY, "lease", (char *)NULL);
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (!request->paths[i])
			return failed(-ENOMEM, "out of memory");
	r = store_update_wait(ctl->store, (const char *const *)request->paths, KEY_COUNT, decide, request,
			      deadline_after(OPERATION_TIMEOUT));
	if (request->refusal)
		return failed_with(EXIT_FAILED, "%s", request->refusal);
	if (r < 0)
		return failed(r, "cannot ask for another primary coordinator: %s", store_error_text(r));
	if (ctl->options.wait)
		return wait_for(ctl, request);
	if (r > 0)
		printf("Node '%s' is %s already.\n", node,
		       str_equal(request->word, node) == request->held ? (request->held ? "primary" : "secondary")
								       : "on its way");
	else
		printf("Node '%s' was told to become %s.\n", node,
		       str_equal(request->word, node) ? "primary" : "secondary");
	return EXIT_OK;
}

int node_primary(struct ctl *ctl) {
	__attribute__((cleanup(request_free))) struct request request = {.node = ctl->arguments[0],
									 .word = ctl->arguments[0]};

	return ask(ctl, &request);
}

/* `none`, as the reference's client writes it: the other coordinators decide among themselves. */
int node_secondary(struct ctl *ctl) {
	__attribute__((cleanup(request_free))) struct request request = {.node = ctl->arguments[0], .word = "none"};

	return ask(ctl, &request);
}
