/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * node flush, node ready: one word in the node's domainstate, on which the node itself acts. It tells in its key
 * `drain` how far it is, which is shown while it is waited for. A node of the reference tells nothing: then only the
 * end is seen.
 */
#include "pvcctl.h"

enum { KEY_STATE, KEY_DAEMON, KEY_DRAIN };

struct duty {
	enum domain_state asked, reached;
	const char *told, *meaning; /* "Node 'x' was told to ..."; "... to be ..." */
};
static const struct duty flush = {DOMAINS_FLUSH, DOMAINS_FLUSHED, "to move its VMs away", "drained"};
static const struct duty ready = {DOMAINS_UNFLUSH, DOMAINS_READY, "to become ready", "ready"};

struct waiting {
	const struct duty *duty;
	int64_t before;          /* mzxid of `drain` before the word was written: what is older tells of another time */
	struct progress shown;   /* the outcomes that were printed */
	struct progress present; /* as told last */
};

static void waiting_free(struct waiting *w) {
	progress_free(&w->shown);
	progress_free(&w->present);
}

/* ---- writing ---- */

struct writing {
	const char *path;
	const struct duty *duty;
};

static int write_word(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct writing *w = userdata;

	(void)count;
	if (!values[0].exists)
		return -ENOENT;
	/* written also when it is there already: that is how a node is told to look again */
	return store_txn_put(txn, w->path, &values[1], domain_state_name(w->duty->asked));
}

static int write_duty(struct ctl *ctl, const char *node, const struct duty *duty) {
	_cleanup_free_ char *self = store_path(STORE_NODES, node, NULL);
	_cleanup_free_ char *state = store_path(STORE_NODES, node, "domainstate", NULL);
	struct writing w = {state, duty};
	int r = self && state ? store_update_wait(ctl->store, (const char *const[]){self, state}, 2, write_word, &w,
						  deadline_after(OPERATION_TIMEOUT))
			      : -ENOMEM;

	if (r == -ENOENT)
		return failed(r, "the cluster has no node named '%s'", node);
	if (r < 0)
		return failed(r, "cannot tell node '%s' %s: %s", node, duty->told, store_error_text(r));
	return EXIT_OK;
}

/* ---- what has come of it ---- */

static char *outcome(const struct progress_vm *vm) {
	const char *colon = *vm->note ? ": " : "";

	switch (vm->word) {
	case PROGRESS_MOVED:
		return str_printf("runs on node %s", vm->node);
	case PROGRESS_RESTARTED:
		return str_printf("runs on node %s, after a restart", vm->node);
	case PROGRESS_STARTED:
		return str_printf("starts");
	case PROGRESS_ASSIGNED:
		return str_printf("is off, and belongs to node %s again", vm->node);
	case PROGRESS_SHUT_DOWN:
		return str_printf("is shut down until its node is ready again%s%s", colon, vm->note);
	case PROGRESS_OFF:
		return str_printf("is off%s%s", colon, vm->note);
	case PROGRESS_STAYED:
		return str_printf("%s%s%s%s", *vm->node ? "stays on node " : "is left as it is", vm->node, colon,
				  vm->note);
	case PROGRESS_FAILED:
		return str_printf("failed on node %s%s%s", vm->node, colon, vm->note);
	case PROGRESS_WAITING:
	case PROGRESS_MOVING:
	case PROGRESS_WORD_COUNT:
		break;
	}
	return NULL;
}

static bool was_shown(const struct progress *shown, const struct progress_vm *vm) {
	for (size_t i = 0; i < shown->count; i++)
		if (str_equal(shown->vms[i].uuid, vm->uuid))
			return shown->vms[i].word == vm->word && str_equal(shown->vms[i].node, vm->node);
	return false;
}

static void show_progress(struct waiting *w, const char *text) {
	struct progress p = {0};

	if (progress_parse(text, &p) < 0)
		return;
	if (p.asked != w->duty->asked) {
		progress_free(&p);
		return;
	}
	for (size_t i = 0; i < p.count; i++) {
		_cleanup_free_ char *what = NULL;

		if (!progress_is_end(p.vms[i].word) || was_shown(&w->shown, &p.vms[i]))
			continue;
		what = outcome(&p.vms[i]);
		if (progress_put(&w->shown, p.vms[i].word, p.vms[i].uuid, p.vms[i].node, NULL, NULL) < 0 || !what)
			continue; /* without memory a line is missing, or comes again */
		printf("[%zu of %llu] VM '%s' %s\n", w->shown.count, (unsigned long long)p.total, p.vms[i].name, what);
	}
	(void)fflush(stdout); /* a failure is seen at the end */
	progress_free(&w->present);
	w->present = p;
}

static bool reached(struct await *a) {
	struct waiting *w = a->userdata;

	if (a->keys[KEY_DRAIN].exists && a->keys[KEY_DRAIN].mzxid > w->before)
		show_progress(w, a->keys[KEY_DRAIN].data);
	return domain_state_parse(a->keys[KEY_STATE].data) != w->duty->asked;
}

static int tell(const char *node, struct waiting *w, const struct await *a) {
	_cleanup_free_ char *state = str_printable(a->keys[KEY_STATE].data, 40), *summary = NULL;
	size_t left;

	if (domain_state_parse(a->keys[KEY_STATE].data) != w->duty->reached)
		return failed_with(EXIT_FAILED, "node '%s' was told %s, but somebody set it to '%s' meanwhile", node,
				   w->duty->told, state);
	summary = w->present.total ? progress_summary(&w->present) : NULL;
	printf("Node '%s' is %s%s%s.\n", node, w->duty->meaning, summary ? ": " : "", summary ? summary : "");
	left = progress_counted(&w->present, PROGRESS_STAYED) + progress_counted(&w->present, PROGRESS_FAILED);
	if (left)
		return failed_with(EXIT_FAILED, "not all is well: %zu VM%s stayed or failed, see above", left,
				   left == 1 ? "" : "s");
	return EXIT_OK;
}

static int explain_timeout(const struct ctl *ctl, const char *node, const struct waiting *w, const struct await *a) {
	_cleanup_free_ char *state = str_printable(a->keys[KEY_STATE].data ? a->keys[KEY_STATE].data : "", 40);
	_cleanup_free_ char *daemon = str_printable(a->keys[KEY_DAEMON].data ? a->keys[KEY_DAEMON].data : "", 40);
	_cleanup_free_ char *far = w->present.total
				       ? str_printf(", %zu of %llu VMs are done", progress_ended(&w->present),
						    (unsigned long long)w->present.total)
				       : NULL;

	return failed_with(EXIT_TEMPORARY,
			   "node '%s' was told %s, but is still '%s' after %llu s%s; it goes on (its daemon state is "
			   "'%s'; only a node that is 'run' does)",
			   node, w->duty->told, state, (unsigned long long)ctl->options.timeout, far ? far : "",
			   daemon);
}

static int wait_for(struct ctl *ctl, const char *node, struct waiting *w) {
	_cleanup_await_ struct await await = {.reached = reached, .userdata = w};
	int r = await_add(&await, store_path(STORE_NODES, node, "domainstate", NULL));

	if (r >= 0)
		r = await_add(&await, store_path(STORE_NODES, node, "daemonstate", NULL));
	if (r >= 0)
		r = await_add(&await, store_path(STORE_NODES, node, "drain", NULL));
	if (r >= 0)
		r = await_run(ctl, &await, deadline_after(ctl->options.timeout * USEC_PER_SEC));
	if (r == -ETIMEDOUT)
		return explain_timeout(ctl, node, w, &await);
	if (r < 0)
		return failed(r, "cannot watch node '%s': %s", node, store_error_text(r));
	return tell(node, w, &await);
}

static int act(struct ctl *ctl, const struct nodes *nodes, const struct duty *duty) {
	const char *node = ctl->arguments[0];
	struct waiting w = {.duty = duty, .before = node_value(nodes, 0, NODE_DRAIN)->stat.mzxid};
	int r = write_duty(ctl, node, duty);

	if (r != EXIT_OK)
		return r;
	if (!ctl->options.wait) {
		printf("Node '%s' was told %s.\n", node, duty->told);
		return EXIT_OK;
	}
	r = wait_for(ctl, node, &w);
	waiting_free(&w);
	return r;
}

/* One node; *ret holds it alone. */
static int read_node(struct ctl *ctl, struct nodes *ret) {
	const char *node = ctl->arguments[0];
	int r = nodes_read(ctl, node, ret);

	if (r == -ENOENT)
		return failed(r, "the cluster has no node named '%s'", node);
	if (r < 0)
		return failed(r, "cannot read node '%s': %s", node, store_error_text(r));
	return EXIT_OK;
}

int node_ready(struct ctl *ctl) {
	_cleanup_nodes_ struct nodes nodes = {0};
	int r = read_node(ctl, &nodes);

	return r == EXIT_OK ? act(ctl, &nodes, &ready) : r;
}

static int refuse_shutdowns(struct ctl *ctl) {
	const char *node = ctl->arguments[0];
	_cleanup_nodes_ struct nodes nodes = {0};
	_cleanup_strlist_ struct strlist vms = {0};
	_cleanup_free_ char *list = NULL;
	size_t count;
	int r = nodes_read(ctl, NULL, &nodes);

	if (r >= 0)
		r = unmovable_vms(ctl, &nodes, node, &vms);
	if (r < 0)
		return failed(r, "cannot read the VMs of node '%s': %s", node, store_error_text(r));
	if (!vms.count)
		return EXIT_OK;
	count = vms.count;
	while (vms.count > 10) /* enough to know what it is about */
		free(vms.items[--vms.count]);
	list = strlist_join(&vms, ", ");
	return failed_with(EXIT_FAILED,
			   "%zu VM%s of node '%s' can go to no other node and would be shut down (%s%s): make a node "
			   "ready for %s, or say --yes",
			   count, count == 1 ? "" : "s", node, list ? list : "", count > 10 ? ", ..." : "",
			   count == 1 ? "it" : "them");
}

int node_flush(struct ctl *ctl) {
	const char *node = ctl->arguments[0];
	_cleanup_nodes_ struct nodes nodes = {0};
	_cleanup_free_ char *daemon = NULL;
	int r = read_node(ctl, &nodes);

	if (r != EXIT_OK)
		return r;
	daemon = str_printable(node_value(&nodes, 0, NODE_DAEMON)->data, 40);
	if (ctl->options.wait && daemon_state_parse(daemon) != DAEMON_RUN)
		return failed_with(EXIT_FAILED,
				   "node '%s' cannot move its VMs away: its daemon state is '%s', and must be 'run'",
				   node, daemon ? daemon : "");
	if (!ctl->options.yes)
		r = refuse_shutdowns(ctl);
	return r == EXIT_OK ? act(ctl, &nodes, &flush) : r;
}
