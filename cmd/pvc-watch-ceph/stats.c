/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The figures that clients show, in the reference's keys: published by the primary coordinator, once a heartbeat
 * interval, and only what has changed. One thread of its own asks, on a connection of its own whose every call is
 * bounded: a Ceph that hangs delays nothing here, and is reported, in the log and in the key /ceph itself.
 */
#include "daemon.h"

struct stats {
	struct daemon *daemon;
	struct workers *workers;
	sd_event_source *timer;
	struct reading *reading; /* under way: a thread has it, or its keys are compared */
	char *said;              /* the failure that was logged last; NULL while it works */
};

struct reading {
	struct stats *stats;
	struct ceph *ceph;
	struct ceph_figures figures;
	char *error;
	struct strlist paths; /* /ceph, /ceph/radosdf, of each pool stats, of each OSD node and stats */
};

enum { STATUS, RADOSDF, FIRST_POOL };

static void reading_free(void *arg) {
	struct reading *reading = arg;

	ceph_figures_free(&reading->figures);
	strlist_free(&reading->paths);
	free(reading->error);
	free(reading);
}

static int work(void *arg) {
	struct reading *reading = arg;

	return ceph_figures_read(reading->ceph, &reading->figures, &reading->error);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static int put(struct store_txn *txn, const struct reading *reading, size_t index, const struct store_value *seen,
	       const char *text) {
	if (seen->exists && strcmp(seen->data, text) == 0)
		return 0;
	return store_txn_put(txn, reading->paths.items[index], seen, text);
}

/* The node is the key's: Ceph does not tell it of an OSD that is down, and such an OSD would vanish from lists (D60).
 */
static char *with_node(const char *json, const char *node) {
	json_t *object = json_loads(json, 0, NULL);
	char *text = NULL;

	if (object && json_object_set_new(object, "node", json_string(node)) == 0)
		text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct reading *reading = userdata;
	const struct ceph_figures *figures = &reading->figures;
	int r = put(txn, reading, STATUS, &values[STATUS], figures->status);
	size_t at = FIRST_POOL;

	(void)count;
	if (r == 0)
		r = put(txn, reading, RADOSDF, &values[RADOSDF], figures->radosdf);
	for (size_t i = 0; i < figures->pool_count && r == 0; i++, at++)
		if (values[at].exists) /* else it is not one of the cluster's */
			r = put(txn, reading, at, &values[at], figures->pools[i].json);
	for (size_t i = 0; i < figures->osd_count && r == 0; i++, at += 2) {
		_cleanup_free_ char *json = NULL;

		if (!values[at].exists || !values[at + 1].exists)
			continue;
		json = with_node(figures->osds[i].json, values[at].data);
		r = json ? put(txn, reading, at + 1, &values[at + 1], json) : -ENOMEM;
	}
	return r;
}

static void on_published(struct store *store, int result, void *userdata) {
	struct reading *reading = userdata;

	(void)store;
	if (result < 0 && result != -ENOTCONN && result != -ECONNRESET && result != -ESTALE)
		log_error("cannot publish the figures of Ceph: %s", strerror(-result));
	reading->stats->reading = NULL;
	reading_free(reading);
}

static int make_paths(struct reading *reading) {
	const struct ceph_figures *figures = &reading->figures;
	struct strlist *paths = &reading->paths;
	int r = strlist_add(paths, store_base(STORE_CEPH));

	if (r == 0)
		r = strlist_take(paths, store_path(STORE_CEPH, "radosdf", (char *)NULL));
	for (size_t i = 0; i < figures->pool_count && r == 0; i++)
		r = strlist_take(paths, store_path(STORE_CEPH_POOLS, figures->pools[i].name, "stats", (char *)NULL));
	for (size_t i = 0; i < figures->osd_count && r == 0; i++) {
		r = strlist_take(paths, store_path(STORE_CEPH_OSDS, figures->osds[i].name, "node", (char *)NULL));
		if (r == 0)
			r = strlist_take(paths,
					 store_path(STORE_CEPH_OSDS, figures->osds[i].name, "stats", (char *)NULL));
	}
	return r;
}

/* What is no good reading is told in the status text: who looks there must not take an old one for the present. */
static int compute_failure(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	static const char begin[] = "Ceph's state is not known: ";
	const struct reading *reading = userdata;
	_cleanup_free_ char *text = NULL;
	const char *last = values[STATUS].data;

	(void)count;
	if (str_starts(last, begin)) {
		const char *blank = strstr(last, "\n\n");

		last = blank ? blank + 2 : "";
	}
	text =
	    str_printf("%s%s\nWhat was known last:\n\n%s", begin, reading->error ? reading->error : "no answer", last);
	return text ? put(txn, reading, STATUS, &values[STATUS], text) : -ENOMEM;
}

static void publish(struct reading *reading, bool good) {
	struct store *store = reading->stats->daemon->store;
	int r = good ? make_paths(reading) : strlist_add(&reading->paths, store_base(STORE_CEPH));

	if (r == 0)
		r = store_update(store, (const char *const *)reading->paths.items, reading->paths.count,
				 good ? compute : compute_failure, on_published, reading);
	if (r < 0)
		on_published(store, r, reading);
}

/* ---- readings ---------------------------------------------------------------------------------------------------- */

static void on_read(void *arg, int result, void *userdata) {
	struct reading *reading = arg;
	struct stats *stats = userdata;

	if (result == -ECANCELED) /* the end of the daemon; the thread may still be at it */
		return;
	if (result == 0) {
		if (stats->said)
			log_ok("Ceph answers again: %s", reading->figures.health);
		free(move_ptr(stats->said));
	} else {
		const char *error = reading->error ? reading->error : strerror(-result);

		if (!str_equal(stats->said, error)) {
			log_error("the state of Ceph is not known: %s", error);
			free(stats->said);
			stats->said = strdup(error);
		}
	}
	if (!stats->daemon->primary) { /* not any more */
		stats->reading = NULL;
		reading_free(reading);
		return;
	}
	publish(reading, result == 0);
}

static void read_now(struct stats *stats) {
	struct reading *reading = calloc(1, sizeof(*reading));
	struct job job = {.work = work, .done = on_read, .userdata = stats, .deadline = DEADLINE_NEVER};
	int r = reading ? 0 : -ENOMEM;

	if (r == 0) {
		reading->stats = stats;
		reading->ceph = stats->daemon->ceph;
		job.arg = reading;
		r = workers_submit(stats->workers, &job);
	}
	if (r == 0) {
		stats->reading = reading;
		return;
	}
	log_error("cannot ask Ceph for its figures: %s", strerror(-r));
	free(reading);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
	struct stats *stats = userdata;
	struct daemon *daemon = stats->daemon;

	(void)source;
	(void)usec;
	if (daemon->primary && !stats->reading && daemon->store && store_is_connected(daemon->store))
		read_now(stats);
	return event_timer(daemon->event, &stats->timer, daemon->config->keepalive_interval * USEC_PER_SEC, on_tick,
			   stats);
}

int stats_start(struct daemon *daemon) {
	struct stats *stats = calloc(1, sizeof(*stats));
	int r;

	if (!stats)
		return -ENOMEM;
	stats->daemon = daemon;
	daemon->stats = stats;
	r = workers_new(&stats->workers, daemon->event, 1);
	return r < 0 ? r : on_tick(NULL, 0, stats);
}

void stats_stop(struct daemon *daemon) {
	struct stats *stats = daemon->stats;

	if (!stats)
		return;
	stats->timer = sd_event_source_disable_unref(stats->timer);
	workers_free(stats->workers); /* a thread that hangs keeps what it reads into */
	stats->workers = NULL;
}

bool stats_hang(const struct daemon *daemon) {
	return daemon->stats && daemon->stats->reading;
}
