/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

enum { KEY_STATE, KEY_DAEMON };

static int write_unflush(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const char *path = userdata;

	(void)count;
	if (!values[0].exists)
		return -ENOENT;
	/* written also when it is there already: that is how a node is told to look again */
	return store_txn_put(txn, path, &values[1], domain_state_name(DOMAINS_UNFLUSH));
}

static bool left_unflush(struct await *a) {
	return domain_state_parse(a->keys[KEY_STATE].data) != DOMAINS_UNFLUSH;
}

static int wait_ready(struct ctl *ctl, const char *node, const char *state_path) {
	_cleanup_await_ struct await await = {.reached = left_unflush};
	_cleanup_free_ char *state = NULL, *daemon = NULL;
	int r = await_add(&await, strdup(state_path));

	if (r >= 0)
		r = await_add(&await, store_path(STORE_NODES, node, "daemonstate", NULL));
	if (r >= 0)
		r = await_run(ctl, &await, deadline_after(ctl->options.timeout * USEC_PER_SEC));
	if (r < 0 && r != -ETIMEDOUT)
		return failed(r, "cannot watch node '%s': %s", node, store_error_text(r));
	state = str_printable(await.keys[KEY_STATE].data ? await.keys[KEY_STATE].data : "", 40);
	daemon = str_printable(await.keys[KEY_DAEMON].data ? await.keys[KEY_DAEMON].data : "", 40);
	if (r == -ETIMEDOUT)
		return failed_with(
		    EXIT_TEMPORARY,
		    "node '%s' was told to become ready, but is still '%s' after %llu s (its daemon state is '%s'; "
		    "only a node that is 'run' can)",
		    node, state, (unsigned long long)ctl->options.timeout, daemon);
	if (domain_state_parse(state) != DOMAINS_READY)
		return failed_with(EXIT_FAILED,
				   "node '%s' was told to become ready, but somebody set it to '%s' meanwhile", node,
				   state);
	printf("Node '%s' is ready.\n", node);
	return EXIT_OK;
}

int node_ready(struct ctl *ctl) {
	const char *node = ctl->arguments[0];
	_cleanup_free_ char *self = store_path(STORE_NODES, node, NULL);
	_cleanup_free_ char *state = store_path(STORE_NODES, node, "domainstate", NULL);
	int r;

	if (!self || !state)
		return failed(-ENOMEM, "out of memory");
	r = !is_key_name(node) ? -ENOENT
			       : store_update_wait(ctl->store, (const char *const[]){self, state}, 2, write_unflush,
						   state, deadline_after(OPERATION_TIMEOUT));
	if (r == -ENOENT)
		return failed(r, "the cluster has no node named '%s'", node);
	if (r < 0)
		return failed(r, "cannot make node '%s' ready: %s", node, store_error_text(r));
	if (ctl->options.wait)
		return wait_ready(ctl, node, state);
	printf("Node '%s' was told to become ready.\n", node);
	return EXIT_OK;
}
