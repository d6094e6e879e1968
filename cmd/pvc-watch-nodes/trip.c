/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One VM of a tour: see tour.h. */
#include "log/log.h"
#include "tour.h"

#define AGENT_TIME (30 * USEC_PER_SEC) /* what a node's own limits are exceeded by before it counts as not acting */
#define OFF_TIME                                                                                                       \
	(10 * USEC_PER_SEC) /* a VM that cannot move alive is off for a moment before it starts on its target: the     \
			       reference's nodes look every second */

static const char *const vm_keys[TOUR_VM_KEYS] = {
    [TOUR_NAME] = NULL,
    [TOUR_STATE] = "state",
    [TOUR_NODE] = "node",
    [TOUR_LASTNODE] = "lastnode",
    [TOUR_AUTOSTART] = "node_autostart",
    [TOUR_LIMIT] = "node_limit",
    [TOUR_SELECTOR] = "node_selector",
    [TOUR_REASON] = "failedreason",
};

struct trip *trip_new(struct tour *tour, const char *uuid, const char *name) {
	struct trip *trip = calloc(1, sizeof(*trip));

	if (!trip)
		return NULL;
	*trip = (struct trip){.tour = tour, .uuid = strdup(uuid), .name = shown(name), .memory = -1, .vcpus = -1};
	if (!trip->uuid || !trip->name) {
		trip_free(trip);
		return NULL;
	}
	return trip;
}

void trip_rest(struct trip *trip) {
	if (trip->watch && trip->tour->watcher->store)
		store_watch_free(trip->watch);
	trip->watch = NULL;
	trip->timer = sd_event_source_disable_unref(trip->timer);
}

void trip_free(struct trip *trip) {
	if (!trip)
		return;
	trip_rest(trip);
	free(trip->uuid);
	free(trip->name);
	free(trip->target);
	free(trip->sent);
	strlist_free(&trip->tried);
	strlist_free(&trip->nodes);
	free(trip->node);
	free(trip->note);
	free(trip);
}

int trip_aim(struct trip *trip, const char *node) {
	char *copy = strdup(node);

	if (!copy)
		return -ENOMEM;
	trip->reported = trip->reported && str_equal(trip->target, node);
	free(trip->target);
	trip->target = copy;
	return 0;
}

void trip_answer(struct trip *trip, bool ends, enum progress_word word, const char *node, const char *note) {
	char *new_node = node ? strdup(node) : NULL; /* without memory the progress lacks it */
	char *new_note = note ? strdup(note) : NULL; /* (they may be what the trip has) */

	trip->ends = ends;
	trip->word = word;
	free(trip->node);
	free(trip->note);
	trip->node = new_node;
	trip->note = new_note;
}

void trip_answer_rest(struct trip *trip, const struct drain_vm *vm, const char *reason) {
	const char *me = trip->tour->watcher->config->node;
	bool is_flush = trip->tour->kind->asked == DOMAINS_FLUSH, here = str_equal(vm->node, me);
	_cleanup_free_ char *note = NULL;

	switch (trip_judge(vm_state_parse(vm->state))) {
	case TRIP_RUNS:
		if (here == is_flush)
			trip_answer(trip, true, PROGRESS_STAYED, vm->node, NULL);
		else
			trip_answer(trip, true, trip->was_off ? PROGRESS_RESTARTED : PROGRESS_MOVED, vm->node, NULL);
		return;
	case TRIP_OFF:
		trip_answer(trip, true,
			    here && str_equal(vm->node_autostart, "True") ? PROGRESS_SHUT_DOWN : PROGRESS_OFF, vm->node,
			    trip->word == PROGRESS_MOVING ? trip->note : NULL);
		return;
	case TRIP_FAILED:
		trip_answer(trip, true, PROGRESS_FAILED, vm->node, str_is_absent(reason) ? "no reason given" : reason);
		return;
	case TRIP_UNDER_WAY:
	case TRIP_LEFT:
	case TRIP_COUNT:
		note = str_printf("its state is '%s'", vm->state ? vm->state : "");
		trip_answer(trip, true, PROGRESS_STAYED, vm->node, note);
		return;
	}
}

/* ---- the end ---- */

static void say(const struct trip *trip) {
	const char *node = trip->node ? trip->node : "?", *note = trip->note ? trip->note : "";
	const char *colon = trip->note ? ": " : "";
	const char *me = trip->tour->watcher->config->node;

	switch (trip->word) {
	case PROGRESS_MOVED:
	case PROGRESS_RESTARTED:
		log_info("VM %s (%s) runs on node %s%s", trip->name, trip->uuid, node,
			 trip->word == PROGRESS_RESTARTED ? ", by a restart: it could not be moved while it ran" : "");
		break;
	case PROGRESS_STARTED:
		log_info("VM %s (%s) is set to start on this node", trip->name, trip->uuid);
		break;
	case PROGRESS_ASSIGNED:
		log_info("VM %s (%s) is off and belongs to this node again", trip->name, trip->uuid);
		break;
	case PROGRESS_SHUT_DOWN:
		log_warning("VM %s (%s) is off%s%s; it starts when node %s is ready again", trip->name, trip->uuid,
			    colon, note, me);
		break;
	case PROGRESS_OFF:
		log_info("VM %s (%s) is off", trip->name, trip->uuid);
		break;
	case PROGRESS_STAYED:
		log_warning("VM %s (%s) %s%s%s%s", trip->name, trip->uuid,
			    trip->node ? "stays on node " : "is left as it is", trip->node ? node : "", colon, note);
		break;
	case PROGRESS_FAILED:
		log_error("VM %s (%s) failed on node %s%s%s", trip->name, trip->uuid, node, colon, note);
		break;
	case PROGRESS_WAITING:
	case PROGRESS_MOVING:
	case PROGRESS_WORD_COUNT:
		break;
	}
}

static void tell(struct trip *trip) {
	struct tour *tour = trip->tour;

	if (trip->counted)
		/* without memory one line is missing */
		(void)progress_put(&tour->progress, trip->word, trip->uuid, trip->node, trip->name, trip->note);
	told_changed(tour);
}

static void end(struct trip *trip) {
	struct tour *tour = trip->tour;

	trip_rest(trip);
	trip->phase = TRIP_ENDED;
	if (trip->word != PROGRESS_MOVED && trip->word != PROGRESS_RESTARTED) {
		free(trip->target);
		trip->target = NULL;
	}
	if (trip->counted)
		say(trip);
	tell(trip);
	tour_trip_ended(tour);
}

static void give_up(struct trip *trip, const char *note) {
	trip->over = true;
	trip_answer(trip, true, PROGRESS_STAYED, trip->target ? NULL : trip->node, note); /* on its way: who knows */
	end(trip);
}

/* ---- watching ---- */

static usec_t patience(const struct trip *trip) {
	const struct config *config = trip->tour->watcher->config;

	switch (trip->state) {
	case VM_SHUTDOWN:
	case VM_RESTART:
		return config->vm_shutdown_timeout * USEC_PER_SEC + AGENT_TIME;
	case VM_STOP:
		return OFF_TIME;
	default:
		return config->drain_timeout * USEC_PER_SEC;
	}
}

static void again(struct trip *trip) {
	int r;

	trip_rest(trip);
	r = trip_step(trip);
	if (r < 0)
		tour_stop(trip->tour, r);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata) {
	struct trip *trip = userdata;
	_cleanup_free_ char *note = NULL;

	(void)source;
	(void)usec;
	if (trip_judge(trip->state) != TRIP_UNDER_WAY) { /* the moment that it may be off is over */
		trip->follow = false;
		again(trip);
		return 0;
	}
	note =
	    str_printf("it is still '%s'%s%s after %llu s", vm_state_name(trip->state), trip->target ? " to node " : "",
		       trip->target ? trip->target : "", (unsigned long long)(patience(trip) / USEC_PER_SEC));
	give_up(trip, note);
	return 0;
}

static void changed(struct store *store, const struct store_value *value, void *userdata) {
	struct trip *trip = userdata;
	enum vm_state state = vm_state_parse(value_text(value));
	bool same = trip->state_known && state == trip->state;
	int r;

	(void)store;
	trip->state = state;
	trip->state_known = true;
	trip->was_off = trip->was_off || state == VM_SHUTDOWN || state == VM_STOP;
	if (!value->exists || (trip_judge(state) != TRIP_UNDER_WAY && !(state == VM_STOP && trip->target))) {
		again(trip);
		return;
	}
	if (same)
		return;
	r = event_timer(loop_event(trip->tour->watcher->loop), &trip->timer, patience(trip), on_late, trip);
	if (r < 0)
		tour_stop(trip->tour, r);
}

static int watch(struct trip *trip) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, trip->uuid, vm_keys[TOUR_STATE], (char *)NULL);

	trip->phase = TRIP_WATCHING;
	trip->state_known = false;
	return path ? store_watch_value(trip->tour->watcher->store, path, changed, trip, &trip->watch) : -ENOMEM;
}

/* ---- deciding and writing ---- */

static int remember_sent(struct trip *trip) {
	char *copy = trip->target ? strdup(trip->target) : NULL;

	if (trip->target && !copy)
		return -ENOMEM;
	free(trip->sent);
	trip->sent = copy;
	return 0;
}

void trip_discount(struct trip *trip) {
	if (!trip->counted)
		return;
	trip->counted = false;
	trip->tour->progress.total--;
	progress_drop(&trip->tour->progress, trip->uuid);
}

static void count(struct trip *trip) {
	if (trip->counted)
		return;
	trip->counted = true;
	trip->tour->progress.total++;
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct trip *trip = userdata;
	struct tour *tour = trip->tour;
	const struct store_value *vm = values + 1;
	_cleanup_free_ char *path = str_printf("%s/domainstate", tour->watcher->path);

	(void)count;
	if (!path)
		return -ENOMEM;
	if (tour->stopping || domain_state_parse(value_text(values)) != tour->kind->asked)
		return -ECANCELED;
	(void)store_txn_check(txn, path, values->stat.version); /* store_commit() reports a failed allocation */
	if (!vm[TOUR_NAME].exists) {
		trip_answer(trip, true, PROGRESS_OFF, NULL, "it was undefined");
		return 1;
	}
	if (trip->follow && trip_judge(vm_state_parse(value_text(&vm[TOUR_STATE]))) == TRIP_UNDER_WAY) {
		const char *node = value_text(&vm[TOUR_NODE]);
		bool comes_here = str_equal(node, tour->watcher->config->node);

		trip_answer(trip, false, PROGRESS_MOVING, node, trip->note);
		if (!node || comes_here != (tour->kind->asked == DOMAINS_UNFLUSH))
			return 1;
		return trip_aim(trip, node) < 0 || remember_sent(trip) < 0 ? -ENOMEM : 1;
	}
	return tour->kind->decide(trip, vm, vm + TOUR_VM_KEYS, txn);
}

static bool is_about_the_key(int result) {
	return result == -ESTALE || result == -EFBIG || result == -EIO || result == -EINVAL;
}

static void written(struct store *store, int result, void *userdata) {
	struct trip *trip = userdata;
	struct tour *tour = trip->tour;

	(void)store;
	if (tour_answered(tour))
		return;
	if (result == -ENOTCONN || result == -ECONNRESET) { /* perhaps written: the keys tell */
		trip->follow = true;
		result = trip_step(trip);
		if (result < 0)
			tour_stop(tour, result);
		return;
	}
	if (is_about_the_key(result)) {
		_cleanup_free_ char *note = str_printf("its keys cannot be written: %s", strerror(-result));

		give_up(trip, note);
		return;
	}
	if (result < 0) {
		tour_stop(tour, result);
		return;
	}
	if (trip->ends) {
		end(trip);
		return;
	}
	if (result == 0) { /* we sent it */
		trip->follow = true;
		trip->was_off = false;
		trip->put_down = !trip->target;
		count(trip);
		if (remember_sent(trip) < 0) {
			tour_stop(tour, -ENOMEM);
			return;
		}
		log_info("VM %s (%s) is %s%s%s%s", trip->name, trip->uuid,
			 trip->target ? "sent to node " : "asked to shut down", trip->target ? trip->target : "",
			 trip->note ? ": " : "", trip->note ? trip->note : "");
	}
	tell(trip);
	result = watch(trip);
	if (result < 0)
		tour_stop(tour, result);
}

int trip_step(struct trip *trip) {
	struct tour *tour = trip->tour;
	_cleanup_strlist_ struct strlist paths = {0};
	int r = strlist_addf(&paths, "%s/domainstate", tour->watcher->path);

	for (int i = 0; i < TOUR_VM_KEYS && r >= 0; i++)
		r = strlist_take(&paths, store_path(STORE_DOMAINS, trip->uuid, vm_keys[i], (char *)NULL));
	if (r >= 0)
		r = targets_paths(trip, &paths);
	trip->phase = TRIP_WRITING;
	if (r >= 0)
		r = store_update(tour->watcher->store, (const char *const *)paths.items, paths.count, compute, written,
				 trip);
	if (r >= 0)
		tour->outstanding++;
	return r;
}
