/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * User-data of a profile, out of the provisioner's database. Questions for the same profile at the same time are one
 * question, so a guest that asks again and again costs the database no more than one that asks once at a time.
 */
#include <limits.h>

#include "log/log.h"
#include "metadata.h"
#include "sql/sql.h"

#define OWN_TIMEOUT (-ETIME) /* of work(): -ETIMEDOUT is the pool's, while work() still runs */

static const char statement[] = "SELECT CASE WHEN octet_length(u.userdata) <= $2::integer THEN u.userdata END,"
				" octet_length(u.userdata)"
				" FROM profile p JOIN userdata u ON u.id = p.userdata WHERE p.name = $1";

struct waiter {
	userdata_fn done;
	void *userdata;
	struct waiter *next;
};

struct query {
	struct userdata *owner;
	char *profile;
	struct waiter *waiters;
	struct query *next;
};

/* What a worker has: nothing of it is shared. */
struct question {
	const struct config_database *database;
	char *profile;
	struct sql *sql; /* or NULL: to be made */
	usec_t deadline;
	char *text;
	uint64_t length;
	char *error;
};

struct userdata {
	struct metadata *metadata;
	struct workers *workers;
	struct query *queries;
	struct sql *idle[QUERY_THREADS];
	bool down;
	char *said_profile; /* whose user-data is too long */
};

/* ---- on a worker ----------------------------------------------------------------------------------------------- */

static int ask(struct question *question) {
	_cleanup_sql_rows_ struct sql_rows *rows = NULL;
	char limit[16];
	const char *parameters[] = {question->profile, limit}, *text;
	int r;

	(void)snprintf(limit, sizeof(limit), "%d", USERDATA_MAX);
	free(question->error);
	question->error = NULL;
	r = sql_run(question->sql, statement, parameters, ARRAY_SIZE(parameters), question->deadline, &rows,
		    &question->error);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	text = sql_value(rows, 0, 0);
	if (!text) {
		const char *length = sql_value(rows, 0, 1);

		return length && parse_u64(length, 0, INT64_MAX, &question->length) >= 0 ? -EFBIG : -ENOENT;
	}
	question->text = strdup(text);
	return question->text ? 0 : -ENOMEM;
}

static int connect_and_ask(struct question *question) {
	const struct config_database *database = question->database;
	const struct sql_target target = {.host = database->host,
					  .port = database->port,
					  .name = database->name,
					  .user = database->user,
					  .pass = database->pass,
					  .sslmode = database->sslmode,
					  .sslrootcert = database->sslrootcert,
					  .application = "pvc-metadata"};
	int r;

	sql_close(question->sql);
	question->sql = NULL;
	r = sql_open(&target, question->deadline, &question->sql, &question->error);
	return r < 0 ? r : ask(question);
}

static int work(void *arg) {
	struct question *question = arg;
	int r = -ECONNRESET;

	if (question->sql)
		r = ask(question);
	if (r == -ECONNRESET) { /* the server was restarted since */
		free(question->error);
		question->error = NULL;
		r = connect_and_ask(question);
	}
	return r == -ETIMEDOUT ? OWN_TIMEOUT : r;
}

static void question_free(void *arg) {
	struct question *question = arg;

	sql_close(question->sql);
	free(question->profile);
	free(question->text);
	free(question->error);
	free(question);
}

/* ---- on the loop ----------------------------------------------------------------------------------------------- */

static void tell(struct query *query, int result, const char *text) {
	struct query **at = &query->owner->queries;

	while (*at != query)
		at = &(*at)->next;
	*at = query->next; /* a waiter may ask again */
	while (query->waiters) {
		struct waiter *waiter = query->waiters;

		query->waiters = waiter->next;
		waiter->done(result, text, waiter->userdata);
		free(waiter);
	}
	free(query->profile);
	free(query);
}

static void say_down(struct userdata *owner, const char *error) {
	const struct config_database *database = &owner->metadata->config->metadata_database;

	if (!owner->down)
		log_error("user-data: PostgreSQL at %s port %llu, database %s, gives none: %s; guests get status 503 "
			  "until it does",
			  database->host, (unsigned long long)database->port, database->name, error);
	owner->down = true;
}

static void say_up(struct userdata *owner) {
	if (owner->down)
		log_ok("user-data: PostgreSQL answers again");
	owner->down = false;
}

static void say_too_long(struct userdata *owner, const struct question *question) {
	if (str_equal(owner->said_profile, question->profile))
		return;
	log_error("user-data of profile '%s' has %llu bytes; guests get none above %d", question->profile,
		  (unsigned long long)question->length, USERDATA_MAX);
	free(owner->said_profile);
	owner->said_profile = strdup(question->profile); /* without memory it is named again */
}

static void keep_connection(struct userdata *owner, struct question *question) {
	for (size_t i = 0; i < ARRAY_SIZE(owner->idle) && sql_is_open(question->sql); i++)
		if (!owner->idle[i])
			owner->idle[i] = move_ptr(question->sql);
}

static void done(void *arg, int result, void *userdata) {
	struct question *question = arg;
	struct query *query = userdata;
	struct userdata *owner = query->owner;

	if (result == -ECANCELED) { /* the end; a thread may still be at it */
		tell(query, -EAGAIN, NULL);
	} else if (result == -ETIMEDOUT) { /* a thread is still at it */
		say_down(owner, "no answer in time");
		tell(query, -EAGAIN, NULL);
	} else if (result == 0 || result == -ENOENT || result == -EFBIG) {
		say_up(owner);
		if (result == -EFBIG)
			say_too_long(owner, question);
		keep_connection(owner, question);
		tell(query, result, question->text);
	} else {
		say_down(owner, question->error ? question->error : strerror(-result));
		tell(query, -EAGAIN, NULL);
	}
}

static int submit(struct query *query) {
	struct userdata *owner = query->owner;
	struct question *question = calloc(1, sizeof(*question));
	struct job job = {.work = work,
			  .done = done,
			  .free_arg = question_free,
			  .arg = question,
			  .userdata = query,
			  .deadline = deadline_after(QUERY_TIME + USEC_PER_SEC / 2)};
	int r;

	if (!question)
		return -ENOMEM;
	question->database = &owner->metadata->config->metadata_database;
	question->deadline = deadline_after(QUERY_TIME);
	question->profile = strdup(query->profile);
	for (size_t i = 0; i < ARRAY_SIZE(owner->idle) && !question->sql; i++)
		question->sql = move_ptr(owner->idle[i]);
	r = question->profile ? workers_submit(owner->workers, &job) : -ENOMEM;
	if (r < 0)
		question_free(question);
	return r;
}

static struct query *query_for(struct userdata *owner, const char *profile) {
	struct query *query = owner->queries;

	while (query && !str_equal(query->profile, profile))
		query = query->next;
	if (query)
		return query;
	query = calloc(1, sizeof(*query));
	if (!query)
		return NULL;
	query->owner = owner;
	query->profile = strdup(profile);
	if (!query->profile || submit(query) < 0) {
		free(query->profile);
		free(query);
		return NULL;
	}
	query->next = owner->queries;
	owner->queries = query;
	return query;
}

void userdata_ask(struct metadata *metadata, const char *profile, userdata_fn fn, void *userdata) {
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	struct query *query = waiter ? query_for(metadata->userdata, profile) : NULL;

	if (!query) {
		free(waiter);
		fn(-EAGAIN, NULL, userdata);
		return;
	}
	*waiter = (struct waiter){fn, userdata, query->waiters};
	query->waiters = waiter;
}

int userdata_start(struct metadata *metadata) {
	struct userdata *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return -ENOMEM;
	owner->metadata = metadata;
	metadata->userdata = owner;
	return workers_new(&owner->workers, loop_event(metadata->loop), QUERY_THREADS);
}

void userdata_free(struct metadata *metadata) {
	struct userdata *owner = metadata->userdata;

	if (!owner)
		return;
	if (owner->workers)
		workers_free(owner->workers); /* tells those that wait */
	for (size_t i = 0; i < ARRAY_SIZE(owner->idle); i++)
		sql_close(owner->idle[i]);
	free(owner->said_profile);
	free(owner);
	metadata->userdata = NULL;
}
