/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waiting for a VM to run or to be off. What a VM really does is told by the nodes: each heartbeat writes the list of
 * the VMs that run there. A list counts once its heartbeat is newer (in ZooKeeper's own order of changes, no clock)
 * than the last change of the VM's state: an older one may tell of before.
 */
#include "pvcctl.h"

#define REASON_TIMEOUT (3 * USEC_PER_SEC) /* a node may write the reason of a failure just after the failure */

enum { KEY_SELF, KEY_STATE, KEY_NODE, KEY_REASON, KEY_FIRST_NODE };
enum { OF_RUNNING, OF_DAEMON, OF_COUNT };

struct waiting {
	const char *uuid;
	enum vm_request request;
	struct strlist nodes;
	enum vm_verdict verdict;
	bool gone;
};

static const struct await_key *node_key(const struct await *a, size_t node, int key) {
	return &a->keys[KEY_FIRST_NODE + node * OF_COUNT + (size_t)key];
}

static bool node_runs(const struct await *a, size_t node) {
	return daemon_state_parse(node_key(a, node, OF_DAEMON)->data) == DAEMON_RUN;
}

static bool reports(const struct await *a, const struct waiting *w, size_t node) {
	return node_reports_vm(node_key(a, node, OF_RUNNING)->data, w->uuid);
}

static bool is_fresh(const struct await *a, size_t node) {
	return node_key(a, node, OF_RUNNING)->mzxid > a->keys[KEY_STATE].mzxid;
}

static bool runs_where_it_should(const struct await *a, const struct waiting *w) {
	for (size_t i = 0; i < w->nodes.count; i++)
		if (str_equal(w->nodes.items[i], a->keys[KEY_NODE].data))
			return reports(a, w, i) && is_fresh(a, i);
	return false;
}

/* The list of another node that does not run is old, and its VMs were dealt with by whoever declared it dead; but what
 * the VM's own node said last is believed, as nobody knows better. */
static bool is_off(const struct await *a, const struct waiting *w) {
	for (size_t i = 0; i < w->nodes.count; i++) {
		bool own = str_equal(w->nodes.items[i], a->keys[KEY_NODE].data);

		if (reports(a, w, i) && (own || node_runs(a, i)))
			return false;
		if (own && node_runs(a, i) && !is_fresh(a, i))
			return false;
	}
	return true;
}

static bool reached(struct await *a) {
	struct waiting *w = a->userdata;

	w->gone = !a->keys[KEY_SELF].exists;
	if (w->gone)
		return true;
	w->verdict = vm_verdict(w->request, vm_state_parse(a->keys[KEY_STATE].data));
	switch (w->verdict) {
	case VERDICT_WAIT:
		return false;
	case VERDICT_RUNS:
		return runs_where_it_should(a, w);
	case VERDICT_OFF:
		return is_off(a, w);
	case VERDICT_FAILED:
	case VERDICT_CHANGED:
		return true;
	}
	return true;
}

static bool has_reason(struct await *a) {
	return !str_is_absent(a->keys[KEY_REASON].data);
}

static int add_keys(struct await *a, const struct waiting *w) {
	static const char *const keys[] = {"", "state", "node", "failedreason"};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(keys); i++)
		r = await_add(a, vm_key_path(w->uuid, keys[i]));
	for (size_t i = 0; r >= 0 && i < w->nodes.count; i++) {
		r = await_add(a, store_path(STORE_NODES, w->nodes.items[i], "runningdomains", NULL));
		if (r >= 0)
			r = await_add(a, store_path(STORE_NODES, w->nodes.items[i], "daemonstate", NULL));
	}
	return r;
}

static int explain_timeout(const struct ctl *ctl, const struct vm_ref *vm, const struct await *a,
			   const struct waiting *w) {
	_cleanup_free_ char *state = str_printable(a->keys[KEY_STATE].data ? a->keys[KEY_STATE].data : "", 40);
	_cleanup_free_ char *node = str_printable(a->keys[KEY_NODE].data ? a->keys[KEY_NODE].data : "", 60);
	_cleanup_free_ char *daemon = NULL;
	bool on = w->request == REQUEST_START || w->request == REQUEST_RESTART;

	for (size_t i = 0; i < w->nodes.count; i++)
		if (str_equal(w->nodes.items[i], a->keys[KEY_NODE].data) && node_key(a, i, OF_DAEMON)->data)
			daemon = str_printable(node_key(a, i, OF_DAEMON)->data, 40);
	return failed_with(EXIT_TEMPORARY,
			   "VM '%s' is not %s after %llu s: its state is '%s', and node '%s' (%s%s%s) %s", vm->name,
			   on ? "running" : "off", (unsigned long long)ctl->options.timeout, state, node,
			   daemon ? "daemon state '" : "no such node", daemon ? daemon : "", daemon ? "'" : "",
			   on ? "does not report it as running" : "did not report it as off");
}

static int explain_failure(struct ctl *ctl, const struct vm_ref *vm, struct await *a) {
	_cleanup_free_ char *reason = NULL;

	a->reached = has_reason;
	(void)await_run(ctl, a, deadline_after(REASON_TIMEOUT)); /* without a reason the message says so */
	reason = str_is_absent(a->keys[KEY_REASON].data) ? NULL : str_printable(a->keys[KEY_REASON].data, 2000);
	return failed_with(EXIT_FAILED, "VM '%s' failed: %s", vm->name, reason ? reason : "its node gave no reason");
}

static int tell(struct ctl *ctl, const struct vm_ref *vm, struct await *a, const struct waiting *w) {
	if (w->gone)
		return failed_with(EXIT_FAILED, "VM '%s' is gone: somebody undefined it", vm->name);
	if (w->verdict == VERDICT_FAILED)
		return explain_failure(ctl, vm, a);
	if (w->verdict == VERDICT_CHANGED) {
		_cleanup_free_ char *state = str_printable(a->keys[KEY_STATE].data, 40);

		return failed_with(EXIT_FAILED, "somebody else set VM '%s' to '%s' meanwhile", vm->name, state);
	}
	return EXIT_OK;
}

int vm_wait(struct ctl *ctl, const struct vm_ref *vm, enum vm_request request) {
	struct waiting w = {.uuid = vm->uuid, .request = request};
	struct await await = {.reached = reached, .userdata = &w};
	int r = fetch_children(ctl, store_base(STORE_NODES), &w.nodes);

	if (r >= 0)
		r = add_keys(&await, &w);
	if (r >= 0)
		r = await_run(ctl, &await, deadline_after(ctl->options.timeout * USEC_PER_SEC));
	if (r == -ETIMEDOUT)
		r = explain_timeout(ctl, vm, &await, &w);
	else if (r < 0)
		r = failed(r, "cannot watch VM '%s': %s", vm->name, store_error_text(r));
	else
		r = tell(ctl, vm, &await, &w);
	await_free(&await);
	strlist_free(&w.nodes);
	return r;
}
