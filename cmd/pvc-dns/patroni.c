/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The database's leader follows the primary coordinator, where Patroni's configuration is on this node. patronictl is
 * asked rather than the REST API: it knows from its own file how to reach and to authenticate itself to the others.
 * Each step is bounded, five tries come soon, later ones once a minute; nothing waits for any of it (D29), and a leader
 * that is here already is as good as one that came (D30).
 */
#include <jansson.h>

#include "cluster/database.h"
#include "daemon.h"
#include "log/log.h"

#define LIST_TIME   (15 * USEC_PER_SEC)
#define SWITCH_TIME (60 * USEC_PER_SEC) /* a checkpoint of the leader before */
#define SOON        (5 * USEC_PER_SEC)
#define LATER       (60 * USEC_PER_SEC)
#define TRIES       5

struct patroni {
	struct daemon *daemon;
	sd_event_source *timer;
	bool busy;
	unsigned tries;
	usec_t looked; /* when it was looked at last */
	char *said;    /* what was named in the log */
};

struct look {
	const char *config, *me;
	/* out */
	enum database_step step; /* before anything was asked for */
	bool moved;
	char *from, *error;
};

/* ---- on the worker --------------------------------------------------------------------------------------------- */

static int run(struct look *look, const char *const argv[], usec_t limit, struct run_result *ret) {
	int r = run_command(argv, NULL, deadline_after(limit), ret);
	_cleanup_free_ char *shown = NULL;

	if (r < 0)
		return error_set(&look->error, r, "patronictl: %s",
				 r == -ETIMEDOUT ? "no answer in time" : strerror(-r));
	if (ret->status == 0)
		return 0;
	shown = str_printable(*ret->error ? ret->error : ret->output, 300);
	return error_set(&look->error, -EIO, "patronictl ended with status %d: %s", ret->status, shown ? shown : "");
}

/* [{"Cluster": "pvc", "Member": "pvchv1", "Host": "...", "Role": "Leader", "State": "running", ...}, ...] */
static int decide(struct look *look, const char *text, enum database_step *ret) {
	_cleanup_free_ struct database_member *members = NULL;
	json_t *list = json_loads(text, 0, NULL);
	size_t count = json_is_array(list) ? json_array_size(list) : 0;
	int r = 0;

	members = calloc(count + 1, sizeof(*members));
	for (size_t i = 0; members && i < count; i++) {
		const json_t *item = json_array_get(list, i);

		members[i] = (struct database_member){json_string_value(json_object_get(item, "Member")),
						      json_string_value(json_object_get(item, "Role")),
						      json_string_value(json_object_get(item, "State"))};
		if (str_equal(members[i].role, "Leader") && members[i].name) {
			free(look->from);
			look->from = str_printable(members[i].name, 60);
		}
	}
	if (!members)
		r = -ENOMEM;
	else if (!json_is_array(list))
		r = error_set(&look->error, -EBADMSG, "patronictl list gave no list of members");
	else
		*ret = database_decide(members, count, look->me);
	json_decref(list);
	return r;
}

static int list_members(struct look *look, enum database_step *ret) {
	const char *const argv[] = {"patronictl", "-c", look->config, "list", "-f", "json", NULL};
	_cleanup_run_result_ struct run_result result = {0};
	int r = run(look, argv, LIST_TIME, &result);

	return r < 0 ? r : decide(look, result.output, ret);
}

/* Always 0: -ETIMEDOUT would mean that it still runs. */
static int work(void *arg) {
	struct look *look = arg;
	const char *const argv[] = {"patronictl",  "-c",     look->config, "switchover",
				    "--candidate", look->me, "--force",    NULL};
	_cleanup_run_result_ struct run_result result = {0};
	_cleanup_free_ char *from = NULL;
	enum database_step after = DATABASE_WAIT;

	if (list_members(look, &look->step) < 0 || look->step != DATABASE_MOVE)
		return 0;
	from = look->from ? strdup(look->from) : NULL;
	if (run(look, argv, SWITCH_TIME, &result) < 0)
		return 0;
	/* its status says little: what counts is who leads now */
	if (list_members(look, &after) >= 0)
		look->moved = after == DATABASE_DONE;
	if (!look->moved && !look->error) {
		_cleanup_free_ char *shown = str_printable(*result.error ? result.error : result.output, 300);

		(void)error_set(&look->error, -EIO, "the leader is not here: %s", shown ? shown : "");
	}
	free(look->from);
	look->from = move_ptr(from);
	return 0;
}

/* ---- on the loop ----------------------------------------------------------------------------------------------- */

static void start_look(struct patroni *patroni);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	start_look(userdata);
	return 0;
}

static void look_in(struct patroni *patroni, usec_t delay) {
	if (event_timer(loop_event(patroni->daemon->loop), &patroni->timer, delay, on_timer, patroni) < 0)
		log_error("cannot set a timer");
}

static void say(struct patroni *patroni, const char *text) {
	if (!str_equal(text, patroni->said))
		log_warning("the database's leader does not follow this node: %s; tried again", text);
	free(patroni->said);
	patroni->said = strdup(text); /* without memory it is named again */
}

static const char *reason(const struct look *look) {
	static const char *const words[DATABASE_STEP_COUNT] = {
	    [DATABASE_WAIT] = "there is no leader, or this node's own PostgreSQL does not run",
	    [DATABASE_STRANGER] = "this node is no member of its cluster",
	};

	return look->error ? look->error : words[look->step] ? words[look->step] : "it did not come";
}

static void done(void *arg, int result, void *userdata) {
	struct patroni *patroni = userdata;
	const struct look *look = arg;

	if (result == -ECANCELED)
		return;
	patroni->busy = false;
	patroni->looked = now_monotonic();
	if (result >= 0 && !look->error && (look->step == DATABASE_DONE || look->moved)) {
		if (look->moved)
			log_ok("the database's leader was %s and is this node now",
			       look->from ? look->from : "another");
		else
			log_info("the database's leader is this node");
		patroni->tries = 0;
		free(move_ptr(patroni->said));
		database_compare(patroni->daemon); /* it may have waited for that */
		return;
	}
	say(patroni, result < 0 ? strerror(-result) : reason(look)); /* a job past its deadline still runs */
	patroni->tries++;
	look_in(patroni, patroni->tries < TRIES ? SOON : LATER);
}

static void look_free(void *arg) {
	struct look *look = arg;

	free(look->from);
	free(look->error);
	free(look);
}

static void start_look(struct patroni *patroni) {
	const struct config *config = patroni->daemon->config;
	struct look *look;
	struct job job;
	int r;

	if (patroni->busy || patroni->daemon->stopping || access(config->patroni_config, F_OK) < 0)
		return;
	look = calloc(1, sizeof(*look));
	job = (struct job){.work = work,
			   .done = done,
			   .free_arg = look_free,
			   .arg = look,
			   .userdata = patroni,
			   .deadline = deadline_after(2 * LIST_TIME + SWITCH_TIME + SOON)};
	r = look ? 0 : -ENOMEM;
	if (look) {
		look->config = config->patroni_config;
		look->me = config->node;
		r = workers_submit(patroni->daemon->workers, &job);
	}
	if (r < 0) {
		if (look)
			look_free(look);
		log_error("cannot look at Patroni: %s", strerror(-r));
		look_in(patroni, LATER);
		return;
	}
	patroni->busy = true;
}

void patroni_look(struct daemon *daemon) {
	struct patroni *patroni = daemon->patroni;
	usec_t since = now_monotonic() - patroni->looked;

	/* one that failed has its own timer */
	if (patroni->busy || patroni->tries > 0)
		return;
	look_in(patroni, since > LATER ? 0 : LATER - since);
}

int patroni_start(struct daemon *daemon) {
	struct patroni *patroni = calloc(1, sizeof(*patroni));

	if (!patroni)
		return -ENOMEM;
	patroni->daemon = daemon;
	daemon->patroni = patroni;
	start_look(patroni);
	return 0;
}

void patroni_stop(struct daemon *daemon) {
	struct patroni *patroni = daemon->patroni;

	if (!patroni)
		return;
	(void)sd_event_source_disable_unref(patroni->timer); /* returns NULL */
	free(patroni->said);
	free(patroni);
	daemon->patroni = NULL;
}
