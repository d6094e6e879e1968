/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The VMs of a tour: see tour.h. */
#include "tour.h"

#include "domain/domain.h"
#include "log/log.h"

#define CHUNK      64 /* VMs whose keys are read at the same time */
#define ROUNDS_MAX 3  /* times that a VM is taken up again */

static const char *const concern_keys[TOUR_CONCERN_KEYS] = {NULL, "state", "node", "lastnode", "node_autostart"};

/* ---- answers and the end ---- */

static int on_end(sd_event_source *source, void *userdata) {
	struct tour *tour = userdata;

	(void)source;
	tour->done(tour->watcher, tour->result);
	return 0;
}

/* done() may free everything, so it is not called from within. */
static void end_if_quiet(struct tour *tour) {
	if (tour->stopping && tour->outstanding == 0)
		(void)sd_event_source_set_enabled(tour->end, SD_EVENT_ONESHOT); /* a source that exists takes it */
}

bool tour_answered(struct tour *tour) {
	tour->outstanding--;
	end_if_quiet(tour);
	return tour->stopping || tour->watcher->stopping;
}

void tour_stop(struct tour *tour, int result) {
	if (tour->stopping)
		return;
	tour->stopping = true;
	tour->result = result;
	for (size_t i = 0; i < tour->trip_count; i++)
		trip_rest(tour->trips[i]);
	if (result == -ECANCELED) {
		tour->progress.phase = PROGRESS_CANCELLED;
		told_now(tour);
	}
	end_if_quiet(tour);
}

void tour_free(struct tour *tour) {
	if (!tour)
		return;
	for (size_t i = 0; i < tour->trip_count; i++)
		trip_free(tour->trips[i]);
	free(tour->trips);
	strlist_free(&tour->vms);
	strlist_free(&tour->running);
	strlist_free(&tour->due);
	strlist_free(&tour->resumed);
	progress_free(&tour->progress);
	told_stop(tour);
	(void)sd_event_source_disable_unref(tour->end); /* returns NULL */
	free(tour);
}

/* Asks the store for something; `r` is what it returned. */
static void asked(struct tour *tour, int r) {
	if (r >= 0)
		tour->outstanding++;
	else
		tour_stop(tour, r);
}

static int last_word_compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct tour *tour = userdata;
	_cleanup_free_ char *path = str_printf("%s/domainstate", tour->watcher->path);

	(void)count;
	if (tour->stopping || domain_state_parse(value_text(values)) != tour->kind->asked)
		return -ECANCELED;
	if (!path || told_put(tour, txn, &values[1]) < 0)
		return -ENOMEM;
	return store_txn_put(txn, path, values, domain_state_name(tour->kind->reached));
}

static void last_word_written(struct store *store, int result, void *userdata) {
	struct tour *tour = userdata;

	(void)store;
	if (!tour_answered(tour))
		tour_stop(tour, result);
}

static void write_last_word(struct tour *tour) {
	_cleanup_free_ char *state = str_printf("%s/domainstate", tour->watcher->path), *told = told_path(tour);
	const char *paths[] = {state, told};

	tour->progress.phase = PROGRESS_DONE;
	asked(tour, state && told
			? store_update(tour->watcher->store, paths, 2, last_word_compute, last_word_written, tour)
			: -ENOMEM);
}

/* ---- the VMs that are on their way ---- */

static int compare(const void *a, const void *b) {
	const struct trip *const *x = a, *const *y = b;

	if ((*x)->memory != (*y)->memory) /* the largest first: it finds room while there is most of it */
		return (*x)->memory > (*y)->memory ? -1 : 1;
	return strcmp((*x)->uuid, (*y)->uuid);
}

static void look(struct tour *tour);

static void fill(struct tour *tour) {
	for (size_t i = 0; i < tour->trip_count && !tour->stopping; i++) {
		struct trip *trip = tour->trips[i];
		int r;

		if (tour->active >= tour->watcher->config->drain_parallel)
			return;
		if (trip->phase != TRIP_QUEUED)
			continue;
		r = trip_step(trip);
		if (r < 0)
			tour_stop(tour, r);
		else
			tour->active++;
	}
	if (tour->stopping || tour->active > 0)
		return;
	if (tour->worked)
		look(tour); /* others came meanwhile, perhaps */
	else
		write_last_word(tour);
}

void tour_trip_ended(struct tour *tour) {
	tour->active--;
	fill(tour);
}

static struct trip *find(const struct tour *tour, const char *uuid) {
	for (size_t i = 0; i < tour->trip_count; i++)
		if (str_equal(tour->trips[i]->uuid, uuid))
			return tour->trips[i];
	return NULL;
}

static bool is_told(const struct tour *tour, const char *uuid) {
	for (size_t i = 0; i < tour->progress.count; i++)
		if (str_equal(tour->progress.vms[i].uuid, uuid))
			return true;
	return false;
}

static struct trip *add(struct tour *tour, const char *uuid, const char *name) {
	struct trip **grown = reallocarray(tour->trips, tour->trip_count + 1, sizeof(struct trip *));
	struct trip *trip;

	if (!grown)
		return NULL;
	tour->trips = grown;
	trip = trip_new(tour, uuid, name);
	if (trip)
		tour->trips[tour->trip_count++] = trip;
	return trip;
}

static int tell_waiting(struct trip *trip) {
	int r = progress_put(&trip->tour->progress, PROGRESS_WAITING, trip->uuid, NULL, trip->name, NULL);

	return r < 0 ? r : 1;
}

/* Somebody brought it back, or started it again. A tour ends all the same. */
static int take_up_again(struct trip *trip, const struct drain_vm *vm) {
	trip->over = ++trip->rounds >= ROUNDS_MAX;
	if (trip->over) {
		log_warning("VM %s (%s) keeps coming back: it stays", trip->name, trip->uuid);
		return progress_put(&trip->tour->progress, PROGRESS_STAYED, trip->uuid, vm->node, trip->name,
				    "it keeps coming back");
	}
	free(trip->sent);
	trip->sent = NULL;
	strlist_free(&trip->tried);
	trip->put_down = trip->follow = false;
	trip->phase = TRIP_QUEUED;
	return trip->counted ? tell_waiting(trip) : 1;
}

/* A VM is taken up when there is something to do with it: 1, else 0. */
static int take_up(struct tour *tour, const char *uuid, const struct store_value *values) {
	struct drain_vm vm = tour_vm(tour, uuid, values);
	bool resumed = strlist_contains(&tour->resumed, uuid);
	enum tour_concern concern = tour->kind->concerns(tour, &vm);
	struct trip *trip = find(tour, uuid);

	if (concern == CONCERN_NONE && resumed && !trip)
		concern = CONCERN_WORK;
	if (concern == CONCERN_NONE || (trip && (trip->over || (concern == CONCERN_WAIT && !trip->counted))))
		return 0;
	if (trip)
		return take_up_again(trip, &vm);
	trip = add(tour, uuid, value_text(&values[TOUR_NAME]));
	if (!trip)
		return -ENOMEM;
	trip->follow = resumed;
	trip->counted = concern == CONCERN_WORK;
	if (!trip->counted)
		return 1;
	if (!is_told(tour, uuid))
		tour->progress.total++;
	return tell_waiting(trip);
}

/* ---- looking ---- */

struct drain_vm tour_vm(const struct tour *tour, const char *uuid, const struct store_value *values) {
	return (struct drain_vm){
	    .state = value_text(&values[TOUR_STATE]),
	    .node = value_text(&values[TOUR_NODE]),
	    .lastnode = value_text(&values[TOUR_LASTNODE]),
	    .node_autostart = value_text(&values[TOUR_AUTOSTART]),
	    .runs_here = strlist_contains(&tour->running, uuid),
	};
}

static void next_chunk(struct tour *tour);

static void sizes_read(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct tour *tour = userdata;

	(void)store;
	if (tour_answered(tour))
		return;
	if (result < 0) {
		tour_stop(tour, result);
		return;
	}
	for (size_t i = 0; i < count && i < tour->due.count; i++) {
		struct trip *trip = find(tour, tour->due.items[i]);
		_cleanup_domain_xml_ struct domain_xml xml = {0};

		if (trip && domain_xml_read(values[i].data, values[i].length, &xml, NULL) >= 0) {
			trip->memory = xml.memory;
			trip->vcpus = xml.vcpus;
		}
	}
	next_chunk(tour);
}

static void read_sizes(struct tour *tour) {
	_cleanup_strlist_ struct strlist paths = {0};
	int r = 0;

	for (size_t i = 0; i < tour->due.count && r >= 0; i++)
		r = strlist_take(&paths, store_path(STORE_DOMAINS, tour->due.items[i], "xml", (char *)NULL));
	if (r >= 0)
		r = store_get_many(tour->watcher->store, (const char *const *)paths.items, paths.count, sizes_read,
				   tour);
	asked(tour, r);
}

static void chunk_read(struct store *store, int result, const struct store_value *values, size_t count,
		       void *userdata) {
	struct tour *tour = userdata;
	size_t first = tour->next;

	(void)store;
	if (tour_answered(tour))
		return;
	for (size_t i = 0; result >= 0 && (i + 1) * TOUR_CONCERN_KEYS <= count; i++, tour->next++) {
		const char *uuid = tour->vms.items[first + i];

		result = take_up(tour, uuid, &values[i * TOUR_CONCERN_KEYS]);
		tour->worked = tour->worked || result > 0;
		if (result > 0 && tour->kind->by_size)
			result = strlist_add(&tour->due, uuid);
	}
	if (result < 0)
		tour_stop(tour, result);
	else if (tour->due.count)
		read_sizes(tour);
	else
		next_chunk(tour);
}

static void next_chunk(struct tour *tour) {
	_cleanup_strlist_ struct strlist paths = {0};
	int r = 0;

	strlist_free(&tour->due);
	if (tour->next >= tour->vms.count) { /* all were looked at */
		if (tour->trip_count)
			qsort(tour->trips, tour->trip_count, sizeof(struct trip *), compare);
		told_changed(tour);
		fill(tour);
		return;
	}
	for (size_t i = tour->next; i < tour->vms.count && i < tour->next + CHUNK; i++)
		for (int k = 0; k < TOUR_CONCERN_KEYS && r >= 0; k++)
			r = strlist_take(&paths,
					 store_path(STORE_DOMAINS, tour->vms.items[i], concern_keys[k], (char *)NULL));
	if (r >= 0)
		r = store_get_many(tour->watcher->store, (const char *const *)paths.items, paths.count, chunk_read,
				   tour);
	asked(tour, r);
}

static void listed(struct store *store, int result, const struct strlist *children, void *userdata) {
	struct tour *tour = userdata;

	(void)store;
	if (tour_answered(tour))
		return;
	if (result == -ENOENT) /* no VM was ever defined */
		result = 0;
	for (size_t i = 0; result >= 0 && children && i < children->count; i++)
		result = strlist_add(&tour->vms, children->items[i]);
	if (result < 0)
		tour_stop(tour, result);
	else
		next_chunk(tour);
}

static void take_over(struct tour *tour, const char *text) {
	_cleanup_progress_ struct progress before = {0};

	if (progress_parse(text, &before) < 0 || before.phase != PROGRESS_RUNNING || before.asked != tour->kind->asked)
		return;
	for (size_t i = 0; i < before.count; i++) {
		const struct progress_vm *vm = &before.vms[i];

		/* without memory they are not known, which the VMs' keys make good */
		if (!progress_is_end(vm->word))
			(void)strlist_add(&tour->resumed, vm->uuid);
		else
			(void)progress_put(&tour->progress, vm->word, vm->uuid, vm->node, vm->name, vm->note);
	}
	tour->progress.total = tour->progress.count;
}

/* values: what this node reported as running, and how far an earlier tour was */
static void own_read(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct tour *tour = userdata;
	const char *running;

	(void)store;
	(void)count;
	if (tour_answered(tour))
		return;
	if (result < 0) {
		tour_stop(tour, result);
		return;
	}
	running = value_text(&values[0]);
	if (strlist_split(&tour->running, running ? running : "", " ") < 0) {
		tour_stop(tour, -ENOMEM);
		return;
	}
	if (!tour->trip_count)
		take_over(tour, value_text(&values[1]));
	asked(tour, store_list(tour->watcher->store, store_base(STORE_DOMAINS), listed, tour));
}

/* The server may lag behind the one that the client wrote to: it catches up first. */
static void synced(struct store *store, int result, void *userdata) {
	struct tour *tour = userdata;
	_cleanup_free_ char *running = str_printf("%s/runningdomains", tour->watcher->path), *told = told_path(tour);
	const char *paths[] = {running, told};

	if (tour_answered(tour))
		return;
	if (result >= 0)
		result = running && told ? store_get_many(store, paths, 2, own_read, tour) : -ENOMEM;
	asked(tour, result);
}

static void look(struct tour *tour) {
	tour->worked = false;
	tour->next = 0;
	strlist_free(&tour->vms);
	strlist_free(&tour->running);
	asked(tour, store_sync(tour->watcher->store, store_base(STORE_DOMAINS), synced, tour));
}

int tour_start(struct watcher *watcher, const struct tour_kind *kind, tour_done_fn done, struct tour **ret) {
	struct tour *tour = calloc(1, sizeof(*tour));
	int r;

	if (!tour)
		return -ENOMEM;
	*tour = (struct tour){.watcher = watcher, .kind = kind, .done = done, .progress = {.asked = kind->asked}};
	r = told_start(tour);
	if (r >= 0)
		r = sd_event_add_defer(loop_event(watcher->loop), &tour->end, on_end, tour);
	if (r >= 0)
		r = sd_event_source_set_enabled(tour->end, SD_EVENT_OFF);
	if (r >= 0)
		r = store_sync(watcher->store, store_base(STORE_DOMAINS), synced, tour);
	if (r < 0) {
		tour_free(tour);
		return r;
	}
	tour->outstanding++;
	*ret = tour;
	return 0;
}
