/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How far a tour is, in /nodes/ME/drain: for whoever waits for it, and for the next tour when this one is interrupted.
 * One write at a time, with a pause that grows with the text.
 */
#include "log/log.h"
#include "tour.h"

/* 80 kB of a thousand VMs less than once a second, the few lines of ten VMs often enough to look at */
#define TOLD_PAUSE(vms) ((250 + (vms)) * USEC_PER_MSEC)

struct told {
	bool writing, changed;
	sd_event_source *pause;
	bool pausing;
};

char *told_path(const struct tour *tour) {
	return str_printf("%s/drain", tour->watcher->path);
}

int told_start(struct tour *tour) {
	tour->told = calloc(1, sizeof(*tour->told));
	return tour->told ? 0 : -ENOMEM;
}

void told_stop(struct tour *tour) {
	if (!tour->told)
		return;
	(void)sd_event_source_disable_unref(tour->told->pause); /* returns NULL */
	free(tour->told);
	tour->told = NULL;
}

int told_put(struct tour *tour, struct store_txn *txn, const struct store_value *seen) {
	_cleanup_free_ char *path = told_path(tour), *text = progress_format(&tour->progress);

	return path && text ? store_txn_put(txn, path, seen, text) : -ENOMEM;
}

/* values: this node's entry, and the text that is there */
static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	(void)count;
	return values[0].exists ? told_put(userdata, txn, &values[1]) : 1;
}

static int on_pause(sd_event_source *source, uint64_t usec, void *userdata) {
	struct tour *tour = userdata;

	(void)source;
	(void)usec;
	tour->told->pausing = false;
	if (tour->told->changed)
		told_changed(tour);
	return 0;
}

static void written(struct store *store, int result, void *userdata) {
	struct tour *tour = userdata;

	(void)store;
	tour->told->writing = false;
	if (result < 0)
		log_debug("cannot write how far the drain is: %s", strerror(-result));
	if (tour_answered(tour))
		return;
	if (event_timer(loop_event(tour->watcher->loop), &tour->told->pause, TOLD_PAUSE(tour->progress.count), on_pause,
			tour) >= 0)
		tour->told->pausing = true; /* without a timer the next change writes at once */
	else if (tour->told->changed)
		told_changed(tour);
}

void told_now(struct tour *tour) {
	_cleanup_free_ char *path = told_path(tour);
	const char *paths[] = {tour->watcher->path, path};
	int r = path ? store_update(tour->watcher->store, paths, 2, compute, written, tour) : -ENOMEM;

	tour->told->changed = false;
	if (r < 0) {
		log_debug("cannot write how far the drain is: %s", strerror(-r));
		return;
	}
	tour->told->writing = true;
	tour->outstanding++;
}

void told_changed(struct tour *tour) {
	if (tour->told->writing || tour->told->pausing)
		tour->told->changed = true;
	else
		told_now(tour);
}
