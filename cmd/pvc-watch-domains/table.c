/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The VMs of the cluster: a sorted table that follows the children of /domains, three watches each. */
#include "daemon.h"

const char *vm_label(const struct vm *vm) {
	static char label[300];

	if (vm->name)
		(void)snprintf(label, sizeof(label), "%s (%s)", vm->uuid, vm->name);
	else
		(void)snprintf(label, sizeof(label), "%s", vm->uuid);
	return label;
}

/* Index of the uuid, or where it belongs. */
static size_t table_index(const struct daemon *daemon, const char *uuid) {
	size_t low = 0, high = daemon->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(daemon->vms[middle]->uuid, uuid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vm *table_find(const struct daemon *daemon, const char *uuid) {
	size_t i = table_index(daemon, uuid);

	return i < daemon->count && strcmp(daemon->vms[i]->uuid, uuid) == 0 ? daemon->vms[i] : NULL;
}

static void loaded(struct daemon *daemon) {
	if (--daemon->unloaded == 0)
		ready_check(daemon);
}

static void replace(char **text, const char *value) {
	char *copy = strdup(value);

	if (!copy)
		return; /* the old text is only shown */
	free(*text);
	*text = copy;
}

void vm_see_state(struct vm *vm, const struct store_value *value) {
	vm->state = value->exists ? vm_state_parse(value->data) : VM_STATE_UNKNOWN;
	replace(&vm->word, value->exists ? value->data : "");
}

void vm_see_node(struct vm *vm, const struct store_value *value) {
	enum vm_owner owner = !value->exists || str_is_absent(value->data)         ? VM_NOBODYS
			      : strcmp(value->data, vm->daemon->config->node) == 0 ? VM_MINE
										   : VM_OTHERS;

	vm->owner = owner;
	vm->node_version = value->stat.version;
	replace(&vm->node, value->exists ? value->data : "");
}

void vm_see_holder(struct vm *vm, const struct store_value *value) {
	enum vm_holder before = vm->holds;
	const char *text = value->exists ? value->data : "";

	if (!str_equal(vm->holder_text, text))
		log_debug("VM %s: holder '%s'", vm_label(vm), text);
	replace(&vm->holder_text, text);
	vm->holder = holder_parse(text);
	vm->holds = holder_relation(&vm->holder, vm->daemon->config->node);
	if (vm->holds != VM_OFFERING) {
		vm->offer_over = false;
		vm->offer_timer = sd_event_source_disable_unref(vm->offer_timer);
	}
	if (vm->holds == VM_HANDED && (before != VM_HANDED || !vm->handed_at))
		vm->handed_at = now_monotonic();
	send_moved(vm);
}

void vm_see_name(struct vm *vm, const struct store_value *value) {
	_cleanup_free_ char *printable = str_printable(value->data, 200);

	if (value->exists && printable)
		replace(&vm->name, printable);
}

struct name_read {
	struct daemon *daemon;
	char uuid[VIRT_UUID_TEXT]; /* not the VM itself: it may be gone when the answer comes */
};

static void on_name(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct name_read *request = userdata;
	struct vm *vm = table_find(request->daemon, request->uuid);

	(void)store;
	free(request);
	if (!vm)
		return;
	vm->reading_name = false;
	if (result == 0)
		vm_see_name(vm, value);
	if (vm->name)
		vm_evaluate(vm);
}

void table_read_name(struct vm *vm) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, vm->uuid, NULL);
	struct name_read *request = vm->reading_name ? NULL : malloc(sizeof(*request));

	if (!request || !path) {
		free(request);
		return; /* under way, or without memory: the next evaluation asks again */
	}
	request->daemon = vm->daemon;
	memcpy(request->uuid, vm->uuid, sizeof(request->uuid));
	vm->reading_name = store_get(vm->daemon->store, path, on_name, request) == 0;
	if (!vm->reading_name)
		free(request);
}

/* Every write of the key is an event, also of the same word (data model, 0). */
static void on_state(struct store *store, const struct store_value *value, void *userdata) {
	struct vm *vm = userdata;
	bool first = !vm->state_known;

	(void)store;
	vm_see_state(vm, value);
	vm->event_at = now_monotonic();
	vm->state_known = true;
	vm->short_runs = 0; /* somebody wants something: no pause any more */
	vm->not_before = 0;
	vm->sending.attempts = 0;
	if (!first) {
		_cleanup_free_ char *word = str_printable(vm->word ? vm->word : "", 40);

		log_debug("VM %s: state %s, node %s", vm_label(vm), word ? word : "?", vm->node ? vm->node : "?");
	} else if (vm->node_known && vm->holder_known) {
		loaded(vm->daemon);
	}
	vm_evaluate(vm);
}

/* The reference does not see a change of this key alone (D44). */
static void on_node(struct store *store, const struct store_value *value, void *userdata) {
	struct vm *vm = userdata;
	bool first = !vm->node_known;

	(void)store;
	vm_see_node(vm, value);
	vm->node_known = true;
	if (first && vm->state_known && vm->holder_known)
		loaded(vm->daemon);
	vm_evaluate(vm);
}

static void on_holder(struct store *store, const struct store_value *value, void *userdata) {
	struct vm *vm = userdata;
	struct daemon *daemon = vm->daemon;
	bool first = !vm->holder_known;

	(void)store;
	vm_see_holder(vm, value);
	vm->holder_known = true;
	if (first && vm->state_known && vm->node_known)
		loaded(daemon);
	vm_evaluate(vm);
	send_next(daemon); /* its target may have room now */
}

static void vm_free(struct vm *vm) {
	store_watch_free(vm->state_watch);
	store_watch_free(vm->node_watch);
	store_watch_free(vm->holder_watch);
	(void)sd_event_source_disable_unref(vm->offer_timer);
	send_forget(vm);
	free(vm->options.home);
	free(vm->holder_text);
	(void)sd_event_source_disable_unref(vm->ask_timer);
	(void)sd_event_source_disable_unref(vm->retry_timer);
	console_unwatch(vm);
	free(vm->name);
	free(vm->word);
	free(vm->node);
	free(vm->failedreason);
	free(vm);
}

static int watch(struct vm *vm, const char *key, store_watch_value_fn changed, struct store_watch **ret) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, vm->uuid, key, NULL);

	return path ? store_watch_value(vm->daemon->store, path, changed, vm, ret) : -ENOMEM;
}

static int table_add(struct daemon *daemon, const char *uuid) {
	size_t at = table_index(daemon, uuid);
	struct vm **vms, *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm)
		return -ENOMEM;
	vm->daemon = daemon;
	vm->state = VM_STATE_UNKNOWN;
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	vms = reallocarray(daemon->vms, daemon->count + 1, sizeof(struct vm *));
	if (!vms) {
		free(vm);
		return -ENOMEM;
	}
	daemon->vms = vms;
	memmove(&vms[at + 1], &vms[at], (daemon->count - at) * sizeof(struct vm *));
	vms[at] = vm;
	daemon->count++;
	daemon->unloaded++;
	r = watch(vm, "state", on_state, &vm->state_watch);
	if (r == 0)
		r = watch(vm, "node", on_node, &vm->node_watch);
	if (r == 0)
		r = watch(vm, "holder", on_holder, &vm->holder_watch);
	if (r < 0)
		table_remove(vm);
	return r;
}

void table_remove(struct vm *vm) {
	struct daemon *daemon = vm->daemon;
	size_t at = table_index(daemon, vm->uuid);

	memmove(&daemon->vms[at], &daemon->vms[at + 1], (daemon->count - at - 1) * sizeof(struct vm *));
	daemon->count--;
	if (!vm->state_known || !vm->node_known || !vm->holder_known)
		loaded(daemon);
	daemon->sends_waiting -= vm->send_waits;
	vm_free(vm);
}

void table_unwatch(struct daemon *daemon) {
	store_watch_free(daemon->list_watch);
	daemon->list_watch = NULL;
	for (size_t i = 0; i < daemon->count; i++) {
		struct vm *vm = daemon->vms[i];

		store_watch_free(vm->state_watch);
		store_watch_free(vm->node_watch);
		store_watch_free(vm->holder_watch);
		vm->state_watch = vm->node_watch = vm->holder_watch = NULL;
		console_unwatch(vm);
	}
}

void table_free(struct daemon *daemon) {
	for (size_t i = 0; i < daemon->count; i++)
		vm_free(daemon->vms[i]);
	free(daemon->vms);
	daemon->vms = NULL;
	daemon->count = 0;
}

static void on_domains(struct store *store, int result, const struct store_value *value, void *userdata) {
	struct daemon *daemon = userdata;

	(void)store;
	if (result == 0 && value->exists)
		for (size_t i = 0; i < daemon->count; i++)
			if (!daemon->vms[i]->parent && !daemon->vms[i]->gone)
				daemon->vms[i]->parent = value->stat.czxid;
}

/* Both are sorted. Marks what is missing in the list; what is there again is no longer missing. */
static void mark_gone(struct daemon *daemon, const struct strlist *children) {
	size_t child = 0;

	for (size_t i = 0; i < daemon->count; i++) {
		struct vm *vm = daemon->vms[i];

		while (child < children->count && strcmp(children->items[child], vm->uuid) < 0)
			child++;
		vm->gone = child >= children->count || strcmp(children->items[child], vm->uuid) != 0;
		vm->left = false;
	}
}

static size_t add_new(struct daemon *daemon, const struct strlist *children) {
	size_t added = 0;

	for (size_t i = 0; i < children->count; i++) {
		int r;

		if (!virt_uuid_is_valid(children->items[i]) || table_find(daemon, children->items[i]))
			continue; /* lock contenders and the like are no VMs */
		r = table_add(daemon, children->items[i]);
		if (r < 0)
			log_error("VM %s: cannot be watched: %s; it is tried again when the list of VMs changes",
				  children->items[i], strerror(-r));
		added += r == 0;
	}
	return added;
}

static void on_list(struct store *store, const struct strlist *children, void *userdata) {
	struct daemon *daemon = userdata;
	size_t added;

	daemon->list_known = true;
	if (!children) {
		log_warning("%s does not exist: nothing is started or ended because of that; pvc-register makes it",
			    store_base(STORE_DOMAINS));
		ready_check(daemon);
		return;
	}
	mark_gone(daemon, children);
	added = add_new(daemon, children);
	if (added > 0) {
		log_debug("%zu VM(s) new in the list, %zu in all", added, daemon->count);
		(void)store_get(store, store_base(STORE_DOMAINS), on_domains, daemon);
		hypervisor_list(daemon); /* one of them may be running already */
	}
	vm_evaluate_all(daemon);
	ready_check(daemon);
}

int table_start(struct daemon *daemon) {
	return store_watch_list(daemon->store, store_base(STORE_DOMAINS), on_list, daemon, &daemon->list_watch);
}
