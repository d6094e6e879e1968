/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When the database is compared with what is wanted: after a change, once a minute, and when it did not answer, after a
 * pause that grows. One comparison at a time. A database that is away is named once, and so is its return (D29, D78):
 * nothing else of this node waits for it.
 */
#include "daemon.h"
#include "log/log.h"

struct database {
	struct daemon *daemon;
	struct sql *sql; /* kept from one comparison to the next; the job's while that runs */
	sd_event_source *timer, *periodic;
	bool busy, again;
	unsigned failures;
	usec_t not_before;    /* the pause after a failure */
	char *said;           /* the failure that was named in the log */
	struct strlist named; /* problems that were */
	bool reached;
};

static void compare(struct database *database);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	compare(userdata);
	return 0;
}

static void compare_in(struct database *database, usec_t delay) {
	int r = event_timer(loop_event(database->daemon->loop), &database->timer, delay, on_timer, database);

	if (r < 0)
		log_error("cannot set a timer: %s", strerror(-r));
}

static int on_periodic(sd_event_source *source, uint64_t usec, void *userdata) {
	struct database *database = userdata;

	(void)source;
	(void)usec;
	compare(database);
	if (event_timer(loop_event(database->daemon->loop), &database->periodic, COMPARE_TIME, on_periodic, database) <
	    0)
		log_error("cannot set a timer");
	return 0;
}

/* ---- what is said ---------------------------------------------------------------------------------------------- */

/* Each problem once, for as long as it lasts. */
static void say_problems(struct database *database, const struct strlist *first, const struct strlist *second) {
	const struct strlist *const lists[] = {first, second};
	struct strlist now = {0};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t k = 0; k < lists[i]->count; k++) {
			if (!strlist_contains(&database->named, lists[i]->items[k]))
				log_warning("%s", lists[i]->items[k]);
			(void)strlist_add(&now, lists[i]->items[k]); /* without memory it is named again */
		}
	strlist_free(&database->named);
	database->named = now;
}

static void say_failure(struct database *database, const char *text) {
	const struct config_database *config = &database->daemon->config->dns_database;

	if (str_equal(text, database->said))
		return;
	log_warning("the zones cannot be written into the database %s at %s, port %llu: %s; tried again", config->name,
		    config->host, (unsigned long long)config->port, text);
	loop_status(database->daemon->loop, "the database does not answer as it should");
	free(database->said);
	database->said = strdup(text); /* without memory it is named again */
}

static void say_success(struct database *database) {
	if (database->said || !database->reached) {
		log_ok("the zones in the database are compared: %s",
		       database->said ? "it answers again" : "it answers");
		loop_status(database->daemon->loop, "serving");
	}
	free(database->said);
	database->said = NULL;
	database->reached = true;
}

/* ---- one comparison -------------------------------------------------------------------------------------------- */

static void failed(struct database *database, int result, const char *text) {
	usec_t delay = BACKOFF_FIRST;

	for (unsigned i = 0; i < database->failures && delay < BACKOFF_LAST; i++)
		delay *= 2;
	if (delay > BACKOFF_LAST)
		delay = BACKOFF_LAST;
	database->failures++;
	database->not_before = deadline_after(delay);
	say_failure(database, text);
	if (result == -EROFS || result == -ECONNREFUSED || result == -ETIMEDOUT)
		patroni_look(database->daemon);
	compare_in(database, delay);
}

static void done(void *arg, int result, void *userdata) {
	struct database *database = userdata;
	struct sync *sync = arg;

	if (result == -ECANCELED)
		return;
	database->busy = false;
	if (result == -ETIMEDOUT) { /* the job still runs, with its connection */
		failed(database, result, "the server does not answer");
		return;
	}
	database->sql = move_ptr(sync->sql);
	for (size_t i = 0; i < sync->changes.count; i++)
		log_info("%s", sync->changes.items[i]);
	if (sync->result < 0) {
		failed(database, sync->result, sync->error ? sync->error : strerror(-sync->result));
		return;
	}
	database->failures = 0;
	database->not_before = 0;
	say_success(database);
	say_problems(database, &sync->plan.problems, &sync->problems);
	server_allow(database->daemon->server);
	if (database->again)
		compare_in(database, SETTLE_TIME);
}

static int submit(struct database *database) {
	const struct config_database *config = &database->daemon->config->dns_database;
	struct sync *sync = calloc(1, sizeof(*sync));
	struct job job = {.work = sync_work,
			  .done = done,
			  .free_arg = sync_free,
			  .arg = sync,
			  .userdata = database,
			  .deadline = deadline_after(JOB_TIME + 5 * USEC_PER_SEC)};
	int r;

	if (!sync)
		return -ENOMEM;
	sync->target = (struct sql_target){.host = config->host,
					   .port = config->port,
					   .name = config->name,
					   .user = config->user,
					   .pass = config->pass,
					   .sslmode = config->sslmode,
					   .sslrootcert = config->sslrootcert,
					   .read_write = true,
					   .application = "pvc-dns"};
	sync->deadline = deadline_after(JOB_TIME);
	r = networks_plan(database->daemon, &sync->plan);
	if (r >= 0) {
		sync->sql = move_ptr(database->sql);
		r = workers_submit(database->daemon->workers, &job);
	}
	if (r < 0)
		sync_free(sync);
	return r;
}

static void compare(struct database *database) {
	usec_t pause = deadline_left(database->not_before);
	int r;

	if (database->daemon->stopping || !networks_are_seen(database->daemon))
		return;
	database->again = database->busy;
	if (database->busy)
		return;
	if (pause > 0) {
		compare_in(database, pause);
		return;
	}
	r = submit(database);
	if (r < 0)
		failed(database, r, strerror(-r));
	database->busy = r >= 0;
}

/* ---- for the others -------------------------------------------------------------------------------------------- */

void database_changed(struct daemon *daemon) {
	if (!daemon->stopping && networks_are_seen(daemon))
		compare_in(daemon->database, SETTLE_TIME);
}

void database_compare(struct daemon *daemon) {
	daemon->database->not_before = 0;
	compare(daemon->database);
}

int database_start(struct daemon *daemon) {
	struct database *database = calloc(1, sizeof(*database));

	if (!database)
		return -ENOMEM;
	database->daemon = daemon;
	daemon->database = database;
	return event_timer(loop_event(daemon->loop), &database->periodic, COMPARE_TIME, on_periodic, database);
}

void database_stop(struct daemon *daemon) {
	struct database *database = daemon->database;

	if (!database)
		return;
	(void)sd_event_source_disable_unref(database->timer); /* both return NULL */
	(void)sd_event_source_disable_unref(database->periodic);
	sql_close(database->sql);
	strlist_free(&database->named);
	free(database->said);
	free(database);
	daemon->database = NULL;
}
