/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making this node ready: every VM of the cluster is looked at, CHUNK at a time; those that are to start are written
 * one after the other, each in one transaction that also checks that domainstate is still `unflush`; at the end
 * domainstate becomes `ready` by compare-and-set. Nothing is remembered between runs.
 */
#include "log/log.h"
#include "watcher.h"

#define CHUNK 64 /* VMs whose keys are read at the same time: 4 reads each */

enum { STATE, NODE, LASTNODE, AUTOSTART, VM_KEYS };
static const char *const vm_keys[VM_KEYS] = {"state", "node", "lastnode", "node_autostart"};

struct unflush {
	struct watcher *watcher;
	unflush_done_fn done;
	struct strlist vms;
	size_t next;        /* first VM that was not looked at */
	struct strlist due; /* of the present chunk: to be started */
	size_t due_next;
	enum unflush_action decided; /* what the last compute found */
	struct unflush_report report;
};

static void next_step(struct unflush *unflush);

static void end(struct unflush *unflush, int result) {
	struct unflush_report report = unflush->report; /* done() frees us */

	unflush->done(unflush->watcher, result, &report);
}

/* Errors that may concern one VM alone must not keep the others from starting; all others end this run. */
static bool is_about_the_key(int result) {
	return result == -ESTALE || result == -EFBIG || result == -EIO || result == -EINVAL;
}

static struct drain_vm vm_of(const struct store_value *values) {
	return (struct drain_vm){
	    .state = value_text(&values[STATE]),
	    .node = value_text(&values[NODE]),
	    .lastnode = value_text(&values[LASTNODE]),
	    .node_autostart = value_text(&values[AUTOSTART]),
	};
}

/* ---- one VM ---- */

static int start_compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct unflush *unflush = userdata;
	const struct store_value *mine = &values[VM_KEYS];
	struct drain_vm vm = vm_of(values);
	_cleanup_free_ char *path = NULL;
	const char *texts[VM_KEYS] = {
	    [STATE] = vm_state_name(VM_START),
	    [NODE] = unflush->watcher->config->node,
	    [LASTNODE] = "",
	    [AUTOSTART] = "False",
	};

	(void)count;
	if (node_duty(value_text(mine)) != NODE_DUTY_UNFLUSH)
		return -ECANCELED;
	unflush->decided = unflush_decide(&vm, unflush->watcher->config->node);
	if (unflush->decided != UNFLUSH_START)
		return 1;
	path = str_printf("%s/domainstate", unflush->watcher->path);
	if (!path)
		return -ENOMEM;
	(void)store_txn_check(txn, path, mine->stat.version); /* store_commit() reports a failed allocation */
	for (int i = 0; i < VM_KEYS; i++) {
		_cleanup_free_ char *key =
		    store_path(STORE_DOMAINS, unflush->due.items[unflush->due_next], vm_keys[i], (char *)NULL);

		if (!key)
			return -ENOMEM;
		(void)store_txn_put(txn, key, &values[i], texts[i]);
	}
	return 0;
}

static void started(struct store *store, int result, void *userdata) {
	struct unflush *unflush = userdata;
	_cleanup_free_ char *vm = shown(unflush->due.items[unflush->due_next]);

	(void)store;
	if (result == 0) {
		log_info("VM %s is set to start on this node", SHOWN(vm));
		unflush->report.started++;
	} else if (is_about_the_key(result)) {
		log_error("VM %s cannot be set to start: %s; start it by hand", SHOWN(vm), strerror(-result));
		unflush->report.failed++;
	} else if (result < 0) {
		end(unflush, result);
		return;
	}
	unflush->due_next++;
	next_step(unflush);
}

static int start_vm(struct unflush *unflush) {
	const char *uuid = unflush->due.items[unflush->due_next];
	_cleanup_strlist_ struct strlist paths = {0};
	int r = 0;

	for (int i = 0; i < VM_KEYS && r >= 0; i++)
		r = strlist_take(&paths, store_path(STORE_DOMAINS, uuid, vm_keys[i], (char *)NULL));
	if (r >= 0)
		r = strlist_addf(&paths, "%s/domainstate", unflush->watcher->path);
	if (r < 0)
		return r;
	return store_update(unflush->watcher->store, (const char *const *)paths.items, paths.count, start_compute,
			    started, unflush);
}

/* ---- a chunk ---- */

static void chunk_read(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct unflush *unflush = userdata;
	size_t first = unflush->next;

	(void)store;
	for (size_t i = 0; result >= 0 && (i + 1) * VM_KEYS <= count; i++, unflush->next++) {
		struct drain_vm vm = vm_of(&values[i * VM_KEYS]);
		const char *uuid = unflush->vms.items[first + i];
		_cleanup_free_ char *clean = shown(uuid), *node = shown(vm.node);

		switch (unflush_decide(&vm, unflush->watcher->config->node)) {
		case UNFLUSH_START:
			result = strlist_add(&unflush->due, uuid);
			break;
		case UNFLUSH_ASSIGN:
		case UNFLUSH_AWAIT:
		case UNFLUSH_STAY:
		case UNFLUSH_FETCH: /* migrations are asked for here, once this node can receive them */
			log_info("VM %s has its home here and stays on node %s", SHOWN(clean), SHOWN(node));
			unflush->report.away++;
			break;
		case UNFLUSH_LEAVE:
		case UNFLUSH_ACTION_COUNT:
			break;
		}
	}
	if (result < 0)
		end(unflush, result);
	else
		next_step(unflush);
}

static int read_chunk(struct unflush *unflush) {
	_cleanup_strlist_ struct strlist paths = {0};
	int r = 0;

	strlist_free(&unflush->due);
	unflush->due_next = 0;
	for (size_t i = unflush->next; i < unflush->vms.count && i < unflush->next + CHUNK; i++)
		for (int k = 0; k < VM_KEYS && r >= 0; k++)
			r = strlist_take(&paths,
					 store_path(STORE_DOMAINS, unflush->vms.items[i], vm_keys[k], (char *)NULL));
	if (r < 0)
		return r;
	return store_get_many(unflush->watcher->store, (const char *const *)paths.items, paths.count, chunk_read,
			      unflush);
}

/* ---- the end ---- */

static int ready_compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct unflush *unflush = userdata;
	_cleanup_free_ char *path = str_printf("%s/domainstate", unflush->watcher->path);

	(void)count;
	if (node_duty(value_text(values)) != NODE_DUTY_UNFLUSH)
		return -ECANCELED;
	return path ? store_txn_put(txn, path, values, domain_state_name(DOMAINS_READY)) : -ENOMEM;
}

static void ready_written(struct store *store, int result, void *userdata) {
	(void)store;
	end(userdata, result);
}

static int write_ready(struct unflush *unflush) {
	_cleanup_free_ char *path = str_printf("%s/domainstate", unflush->watcher->path);
	const char *paths[] = {path};

	if (!path)
		return -ENOMEM;
	return store_update(unflush->watcher->store, paths, 1, ready_compute, ready_written, unflush);
}

static void next_step(struct unflush *unflush) {
	int r;

	if (unflush->due_next < unflush->due.count)
		r = start_vm(unflush);
	else if (unflush->next < unflush->vms.count)
		r = read_chunk(unflush);
	else
		r = write_ready(unflush);
	if (r < 0)
		end(unflush, r);
}

static void listed(struct store *store, int result, const struct strlist *children, void *userdata) {
	struct unflush *unflush = userdata;

	(void)store;
	if (result == -ENOENT) /* no VM was ever defined */
		result = 0;
	for (size_t i = 0; result >= 0 && children && i < children->count; i++)
		result = strlist_add(&unflush->vms, children->items[i]);
	if (result < 0)
		end(unflush, result);
	else
		next_step(unflush);
}

/* The server may lag behind the one that the client wrote to: it catches up first. */
static void synced(struct store *store, int result, void *userdata) {
	struct unflush *unflush = userdata;

	if (result >= 0)
		result = store_list(store, store_base(STORE_DOMAINS), listed, unflush);
	if (result < 0)
		end(unflush, result);
}

int unflush_start(struct watcher *watcher, unflush_done_fn done, struct unflush **ret) {
	struct unflush *unflush = calloc(1, sizeof(*unflush));
	int r;

	if (!unflush)
		return -ENOMEM;
	unflush->watcher = watcher;
	unflush->done = done;
	r = store_sync(watcher->store, store_base(STORE_DOMAINS), synced, unflush);
	if (r < 0) {
		free(unflush);
		return r;
	}
	*ret = unflush;
	return 0;
}

void unflush_free(struct unflush *unflush) {
	if (!unflush)
		return;
	strlist_free(&unflush->vms);
	strlist_free(&unflush->due);
	free(unflush);
}
