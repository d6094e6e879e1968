/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Chains and rules: what is marked goes to a worker, all of it in one call, one call at a time. What is wanted then is
 * a copy, so the networks may change or go meanwhile.
 */
#include "daemon.h"

#define CALL_TIME (120 * USEC_PER_SEC) /* a thousand rules that were never seen; then it is told, and waited for */

struct call {
	struct network_firewall *firewall; /* borrowed */
	bool begin;
	uint32_t *present; /* result of begin */
	size_t present_count;
	struct network_rules *wanted;
	struct network_rules **pointers;
	size_t wanted_count;
	uint32_t *removed;
	size_t removed_count;
	char *error;
};

struct filters {
	struct daemon *daemon;
	struct network_firewall *firewall;
	sd_event_source *pass;
	bool begun, busy, told;
	usec_t retry_at;   /* 0: nothing failed */
	uint32_t *removed; /* networks whose chains are to go */
	size_t removed_count;
};

static void schedule(struct filters *firewall) {
	int r = sd_event_source_set_enabled(firewall->pass, SD_EVENT_ONESHOT);

	if (r < 0)
		log_error("cannot go on comparing rules: %s", strerror(-r));
}

void filters_mark(struct network *network) {
	network->firewall_dirty = true;
	schedule(network->daemon->firewall);
}

static void add_removed(struct filters *firewall, uint32_t vni) {
	uint32_t *grown = reallocarray(firewall->removed, firewall->removed_count + 1, sizeof(*grown));

	if (!grown) {
		log_error("not enough memory to remove the rules of network %u", vni);
		return;
	}
	grown[firewall->removed_count++] = vni;
	firewall->removed = grown;
}

void filters_forget(struct daemon *daemon, uint32_t vni) {
	add_removed(daemon->firewall, vni);
	schedule(daemon->firewall);
}

/* ---- the call ---- */

static int work(void *arg) {
	struct call *call = arg;
	int r = 0;

	if (call->begin)
		r = network_firewall_begin(call->firewall, &call->present, &call->present_count, &call->error);
	if (r >= 0 && call->removed_count)
		r = network_firewall_remove(call->firewall, call->removed, call->removed_count, &call->error);
	if (r >= 0 && call->wanted_count)
		r = network_firewall_apply(call->firewall, call->pointers, call->wanted_count, &call->error);
	return r < 0 ? r : 0;
}

static void free_call(void *arg) {
	struct call *call = arg;

	for (size_t i = 0; i < call->wanted_count; i++)
		network_rules_free(&call->wanted[i]);
	free(call->wanted);
	free(call->pointers);
	free(call->removed);
	free(call->present);
	free(call->error);
	free(call);
}

/* Everything is compared again. */
static void mark_all(struct filters *firewall) {
	firewall->begun = false;
	for (size_t i = 0; i < firewall->daemon->table.count; i++)
		firewall->daemon->table.items[i]->firewall_dirty = true;
}

static void failed(struct filters *firewall, int error, const char *text) {
	mark_all(firewall);
	firewall->retry_at = now_monotonic() + RETRY_TIME;
	if (!firewall->told)
		log_error("cannot bring the rules of networks into force: %s; tried again every %u s",
			  text ? text : strerror(-error), (unsigned)(RETRY_TIME / USEC_PER_SEC));
	firewall->told = true;
}

/* Chains of networks that are no more, and those of bridged ones. */
static void sort_out(struct filters *firewall, const struct call *call) {
	for (size_t i = 0; i < call->present_count; i++) {
		const struct network *network = table_find(firewall->daemon, call->present[i]);

		if (!network || network->gone || (network->seen && network->type == NETWORK_BRIDGED))
			add_removed(firewall, call->present[i]);
	}
}

static void done(void *arg, int result, void *userdata) {
	struct filters *firewall = userdata;
	struct daemon *daemon = firewall->daemon;
	struct call *call = arg;

	if (daemon->stopping) /* the worker keeps the object */
		return;
	firewall->busy = false;
	if (result == -ETIMEDOUT) { /* it may still be at it: the object is given up to it, and a new one begun */
		firewall->firewall = NULL;
		failed(firewall, result, "nft or the kernel does not answer");
		return;
	}
	if (result < 0) {
		failed(firewall, result, call->error);
		return;
	}
	if (firewall->told)
		log_ok("rules of networks are in force again");
	firewall->told = false;
	firewall->retry_at = 0;
	if (call->begin && daemon->table.exists)
		sort_out(firewall, call);
	firewall->begun = true;
	for (size_t i = 0; i < call->wanted_count; i++) {
		struct network *network = table_find(daemon, call->wanted[i].vni);
		_cleanup_free_ char *problems = network_rules_problems(&call->wanted[i]);

		if (!network || network->gone)
			continue;
		network->firewall_done = true;
		report_set_vni(daemon, network->vni, REPORT_FIREWALL, problems);
	}
	schedule(firewall);
	daemon_check_ready(daemon);
}

/* ---- what to ask for ---- */

static bool is_due(const struct network *network) {
	return network->firewall_dirty && !network->gone && network->seen &&
	       (network->type == NETWORK_MANAGED || network->type == NETWORK_BRIDGED) &&
	       rules_seen(&network->rules[NETWORK_IN]) && rules_seen(&network->rules[NETWORK_OUT]);
}

static int want(struct call *call, struct network *network) {
	struct network_rules *rules = &call->wanted[call->wanted_count];
	int r = 0;

	rules->vni = network->vni;
	call->pointers[call->wanted_count++] = rules;
	for (size_t i = 0; r >= 0 && i < NETWORK_DIRECTION_COUNT; i++)
		r = rules_collect(&network->rules[i], rules);
	return r;
}

/* Takes over what is marked. */
static int collect(struct filters *firewall, struct call *call) {
	const struct table *table = &firewall->daemon->table;
	int r = 0;

	call->wanted = calloc(table->count + 1, sizeof(*call->wanted));
	call->pointers = calloc(table->count + 1, sizeof(struct network_rules *));
	if (!call->wanted || !call->pointers)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < table->count; i++) {
		struct network *network = table->items[i];

		if (!is_due(network))
			continue;
		network->firewall_dirty = false;
		if (network->type == NETWORK_MANAGED) {
			r = want(call, network);
		} else if (network->firewall_done) {
			network->firewall_done = false;
			add_removed(firewall, network->vni);
			report_set_vni(firewall->daemon, network->vni, REPORT_FIREWALL, NULL);
		}
	}
	call->removed = move_ptr(firewall->removed);
	call->removed_count = firewall->removed_count;
	firewall->removed_count = 0;
	return r;
}

static int submit(struct filters *firewall, struct call *call) {
	struct job job = {.work = work,
			  .done = done,
			  .free_arg = free_call,
			  .arg = call,
			  .userdata = firewall,
			  .deadline = deadline_after(CALL_TIME)};

	call->firewall = firewall->firewall;
	call->begin = !firewall->begun;
	return workers_submit(firewall->daemon->workers, &job);
}

static int on_pass(sd_event_source *source, void *userdata) {
	struct filters *firewall = userdata;
	struct call *call;
	int r = 0;

	(void)source;
	/* before the list of networks is known for sure nothing can be told to be of none */
	if (firewall->busy || firewall->retry_at > now_monotonic() || !firewall->daemon->leftovers_seen)
		return 0;
	if (!firewall->firewall)
		r = network_firewall_open(&firewall->firewall);
	call = r >= 0 ? calloc(1, sizeof(*call)) : NULL;
	if (!call) {
		failed(firewall, r < 0 ? r : -ENOMEM, NULL);
		return 0;
	}
	r = collect(firewall, call);
	if (r >= 0 && firewall->begun && !call->wanted_count && !call->removed_count) {
		free_call(call);
		daemon_check_ready(firewall->daemon);
		return 0;
	}
	if (r >= 0)
		r = submit(firewall, call);
	if (r < 0) {
		free_call(call);
		failed(firewall, r, NULL);
		return 0;
	}
	firewall->busy = true;
	return 0;
}

void filters_compare(struct daemon *daemon) {
	mark_all(daemon->firewall);
	schedule(daemon->firewall);
}

void filters_tick(struct daemon *daemon) {
	struct filters *firewall = daemon->firewall;
	usec_t now = now_monotonic();

	for (size_t i = 0; i < daemon->table.count; i++) {
		struct network *network = daemon->table.items[i];

		if (network->settle_since && now - network->settle_since >= SETTLE_TIME) {
			network->settle_since = 0;
			filters_mark(network);
		}
	}
	if (firewall->busy)
		return;
	if (firewall->begun && network_firewall_disturbed(firewall->firewall) > 0) {
		log_debug("rulesets of this host were changed by somebody: compared");
		mark_all(firewall);
	}
	schedule(firewall);
}

/* The first call was made, and none is under way or wanted. (A firewall that fails does not hold up the networks.) */
bool filters_idle(const struct daemon *daemon) {
	const struct filters *firewall = daemon->firewall;

	if (firewall->told)
		return true;
	if (firewall->busy || !firewall->begun)
		return false;
	for (size_t i = 0; i < daemon->table.count; i++)
		if (is_due(daemon->table.items[i]))
			return false;
	return true;
}

int filters_start(struct daemon *daemon) {
	struct filters *firewall = calloc(1, sizeof(*firewall));
	int r;

	if (!firewall)
		return -ENOMEM;
	firewall->daemon = daemon;
	daemon->firewall = firewall;
	r = network_firewall_open(&firewall->firewall);
	if (r >= 0)
		r = sd_event_add_defer(daemon->event, &firewall->pass, on_pass, firewall);
	return r;
}

void filters_stop(struct daemon *daemon) {
	struct filters *firewall = daemon->firewall;

	if (!firewall)
		return;
	(void)sd_event_source_disable_unref(firewall->pass); /* returns NULL */
	firewall->pass = NULL;
	free(firewall->removed);
	if (!firewall->busy) /* else it is a worker's; what it does is done whole or not at all */
		network_firewall_close(firewall->firewall);
	free(firewall);
	daemon->firewall = NULL;
}
