/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * migrate, move, unmigrate: state, node and lastnode in one transaction, as the reference's client writes them (data
 * model, 5.1), except that a VM that does not run keeps its state (the client writes `migrate` nevertheless, D45). The
 * key migrate_options, of our own, is written in the same transaction; pvc-watch-domains takes it as part of this write
 * only.
 */
#include "pvcctl.h"

enum move_kind { MIGRATE, MOVE, UNMIGRATE };

enum { SELF, STATE, NODE, LASTNODE, OPTIONS, LIMIT, SELECTOR, KEY_COUNT };
static const char *const keys[KEY_COUNT] = {"",           "state",        "node", "lastnode", "migrate_options",
					    "node_limit", "node_selector"};

struct moving {
	enum move_kind kind;
	const char *uuid;
	const struct options *options;
	const struct nodes *nodes;
	char *source, *target, *error;
	bool live;
};

static int put(const struct moving *m, struct store_txn *txn, int key, const struct store_value *values,
	       const char *text) {
	_cleanup_free_ char *path = vm_key_path(m->uuid, keys[key]);

	return path ? store_txn_put(txn, path, &values[key], text) : -ENOMEM;
}

static int choose(const struct moving *m, const struct store_value *values, const struct strlist *limit, char **ret,
		  char **ret_error) {
	_cleanup_free_ struct select_node *candidates = node_candidates(m->nodes);
	enum select_by by = select_by_parse(values[SELECTOR].data);
	struct select_request request = {.limit = limit, .exclude = values[NODE].data, .by = by};
	int r;

	if (by == SELECT_BY_UNKNOWN)
		request.by = SELECT_MEM;
	if (!candidates)
		return -ENOMEM;
	r = select_target(candidates, m->nodes->names.count, &request, ret_error);
	if (r < 0)
		return -EPERM;
	*ret = strdup(candidates[r].name);
	return *ret ? 0 : -ENOMEM;
}

static int check_target(const struct moving *m, const char *target, const struct strlist *limit, char **ret_error) {
	const struct nodes *nodes = m->nodes;
	size_t i = 0;

	while (i < nodes->names.count && !str_equal(nodes->names.items[i], target))
		i++;
	if (i == nodes->names.count)
		return error_set(ret_error, -EPERM, "the cluster has no node named '%s'", target);
	if (limit->count && !strlist_contains(limit, target))
		return error_set(ret_error, -EPERM, "node '%s' is not within its node limit", target);
	if (m->kind != MOVE || m->live) /* a VM that is off may belong anywhere */
		if (daemon_state_parse(node_value(nodes, i, NODE_DAEMON)->data) != DAEMON_RUN)
			return error_set(ret_error, -EPERM, "node '%s' is not in daemon state 'run'", target);
	return 0;
}

/* Where it goes. -EPERM with a sentence. */
static int find_target(struct moving *m, const struct store_value *values) {
	_cleanup_strlist_ struct strlist limit = {0};
	const char *home = values[LASTNODE].data;
	int r = 0;

	free(m->target);
	m->target = NULL;
	if (!str_is_absent(values[LIMIT].data))
		r = strlist_split(&limit, values[LIMIT].data, ", ");
	if (r < 0)
		return r;
	if (m->kind == UNMIGRATE && str_is_absent(home))
		return error_set(&m->error, -EPERM, "it was not migrated");
	if (m->kind == MIGRATE && !str_is_absent(home) && !m->options->force)
		return error_set(&m->error, -EPERM,
				 "it was migrated before, from node '%s': 'vm unmigrate' brings it back, --force moves "
				 "it on",
				 home);
	if (m->kind != UNMIGRATE && !m->options->node)
		return choose(m, values, &limit, &m->target, &m->error);
	m->target = strdup(m->kind == UNMIGRATE ? home : m->options->node);
	if (!m->target)
		return -ENOMEM;
	if (str_equal(m->target, values[NODE].data))
		return error_set(&m->error, -EPERM, "it belongs to node '%s' already", m->target);
	if (m->kind == UNMIGRATE)
		strlist_free(&limit); /* where it was at home, it may be */
	return check_target(m, m->target, &limit, &m->error);
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct moving *m = userdata;
	enum vm_state state = vm_state_parse(values[STATE].data);
	const char *home =
	    m->kind == MIGRATE ? str_is_absent(values[LASTNODE].data) ? values[NODE].data : values[LASTNODE].data : "";
	_cleanup_free_ char *options = NULL;
	int r;

	(void)count;
	if (!values[SELF].exists)
		return -ENOENT;
	free(m->error);
	m->error = NULL;
	if (state == VM_MIGRATE || state == VM_UNMIGRATE)
		return error_set(&m->error, -EPERM, "it is on its way to node '%s' already", values[NODE].data);
	if (state == VM_DELETE || state == VM_SHUTDOWN || state == VM_RESTART || state == VM_STATE_UNKNOWN)
		return error_set(&m->error, -EPERM, "its state is '%s'", values[STATE].data);
	m->live = state == VM_START;
	r = find_target(m, values);
	if (r < 0)
		return r;
	free(m->source);
	m->source = strdup(values[NODE].data);
	options = str_printf("live_only=%s\nlastnode=%s\n", m->options->live_only ? "True" : "False",
			     str_is_absent(values[LASTNODE].data) ? "" : values[LASTNODE].data);
	if (!m->source || !options)
		return -ENOMEM;
	r = put(m, txn, STATE, values, vm_state_name(m->live ? VM_MIGRATE : state));
	if (r == 0)
		r = put(m, txn, NODE, values, m->target);
	if (r == 0)
		r = put(m, txn, LASTNODE, values, home);
	return r == 0 ? put(m, txn, OPTIONS, values, options) : r;
}

static int write_move(struct ctl *ctl, const struct vm_ref *vm, struct moving *m) {
	static const char *const names[] = {"migrate", "move", "unmigrate"};
	char *paths[KEY_COUNT] = {NULL};
	int r = 0;

	for (size_t i = 0; i < KEY_COUNT && r == 0; i++) {
		paths[i] = vm_key_path(vm->uuid, keys[i]);
		r = paths[i] ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = store_update_wait(ctl->store, (const char *const *)paths, KEY_COUNT, compute, m,
				      deadline_after(OPERATION_TIMEOUT));
	for (size_t i = 0; i < KEY_COUNT; i++)
		free(paths[i]);
	if (r == -EPERM)
		return failed_with(EXIT_FAILED, "cannot %s VM '%s': %s", names[m->kind], vm->name,
				   m->error ? m->error : "no node can take it");
	if (r == -ENOENT)
		return failed_with(EXIT_FAILED, "VM '%s' is gone: somebody undefined it", vm->name);
	if (r < 0)
		return failed(r, "cannot %s VM '%s': %s", names[m->kind], vm->name, store_error_text(r));
	return EXIT_OK;
}

static int tell(const struct ctl *ctl, const struct vm_ref *vm, const struct moving *m) {
	if (!m->live)
		printf("VM '%s' does not run; it belongs to node '%s' now.\n", vm->name, m->target);
	else if (!ctl->options.wait)
		printf("VM '%s' is to move from node '%s' to node '%s'.\n", vm->name, m->source, m->target);
	return EXIT_OK;
}

static int act(struct ctl *ctl, enum move_kind kind) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	_cleanup_nodes_ struct nodes nodes = {0};
	struct moving m = {.kind = kind, .options = &ctl->options, .nodes = &nodes};
	int r = vm_find(ctl, ctl->arguments[0], &vm), error;

	if (r != EXIT_OK)
		return r;
	m.uuid = vm.uuid;
	error = nodes_read(ctl, NULL, &nodes);
	if (error < 0)
		return failed(error, "cannot read the nodes: %s", store_error_text(error));
	r = write_move(ctl, &vm, &m);
	if (r == EXIT_OK)
		r = tell(ctl, &vm, &m);
	if (r == EXIT_OK && m.live && ctl->options.wait)
		r = vm_wait_arrival(ctl, &vm, m.source, m.target);
	free(m.source);
	free(m.target);
	free(m.error);
	return r;
}

int vm_migrate(struct ctl *ctl) {
	return act(ctl, MIGRATE);
}
int vm_move(struct ctl *ctl) {
	return act(ctl, MOVE);
}
int vm_unmigrate(struct ctl *ctl) {
	return act(ctl, UNMIGRATE);
}
