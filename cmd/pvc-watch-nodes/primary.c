/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-primary.target: runs on this node while it holds the primary role. Starting and stopping wait for systemd's job,
 * on a worker thread, one at a time. A start is waited for in short slices, so that a stop never comes long after it
 * was asked for. In between it is looked after: somebody may stop it by hand on the node that has the role, which would
 * leave the cluster without a primary, or start it on another, where it has no right to run.
 */
#include <unistd.h>

#include "host/host.h"
#include "log/log.h"
#include "watcher.h"

#define TARGET    "pvc-primary.target"
#define BEGIN     "pvc-primary-begin.target" /* what comes first on start ends last: its stop is the end of all */
#define JOB_TIME  (150 * USEC_PER_SEC)       /* more than any unit's own TimeoutStartSec */
#define SLICE     (500 * USEC_PER_MSEC)      /* of waiting for a start */
#define PAUSE     (10 * USEC_PER_SEC)        /* before a job that failed is tried again */
#define OWN       "pvc-watch-nodes.service"
#define LOOK      (3 * USEC_PER_SEC) /* between two looks whether it is as the last job left it */
#define LOOK_TIME (5 * USEC_PER_SEC) /* for systemd's answer */

struct primary {
	struct watcher *watcher;
	struct workers *workers;
	sd_event_source *timer;
	bool told, wanted;  /* by the role */
	bool known, runs;   /* what the last job brought about */
	bool ever;          /* there was one */
	bool busy;          /* a job is under way */
	usec_t start_until; /* when a start that goes on and on is named in the log */
	bool resting;       /* after a job that failed */
	char *said;         /* the failure that was named in the log */
	sd_event_source *look_timer;
	bool looking;
	unsigned jobs; /* how many there were: what was seen before the last one is out of date */
};

struct unit_job {
	bool start;
	char *error;
};

static void evaluate(struct primary *primary);

static int stop_units(const char *const *units, size_t count, char **ret_error) {
	struct host_unit_job *jobs = calloc(count, sizeof(*jobs));
	int r;

	if (!jobs)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		jobs[i] = (struct host_unit_job){.unit = units[i], .verb = HOST_UNIT_STOP};
	r = host_units_run(jobs, count, deadline_after(JOB_TIME));
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].result < 0 && !*ret_error)
			*ret_error = move_ptr(jobs[i].error);
		free(jobs[i].error);
	}
	free(jobs);
	return r;
}

/* The units that clean up behind a service that was killed stop right after it, and are waited for only when there was
 * one: starting their programs takes longer than everything else together. */
static int stop_all(char **ret_error) {
	static const char *const first[] = {TARGET, BEGIN};
	_cleanup_strlist_ struct strlist killed = {0}, parts = {0};
	int r;

	if (access("/run/systemd/system", F_OK) < 0) /* no systemd: nothing of it runs here */
		return 0;
	r = stop_units(first, ARRAY_SIZE(first), ret_error);
	if (r == -ENOENT) /* not installed: neither */
		return 0;
	if (r >= 0)
		r = host_unit_disorderly_parts(TARGET, deadline_after(JOB_TIME), &killed, &parts, ret_error);
	if (r >= 0 && killed.count > 0)
		r = stop_units((const char *const *)parts.items, parts.count, ret_error);
	return r;
}

static int work(void *arg) {
	struct unit_job *job = arg;

	return job->start ? host_unit_start(TARGET, deadline_after(SLICE), &job->error) : stop_all(&job->error);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	((struct primary *)userdata)->resting = false;
	evaluate(userdata);
	return 0;
}

static void say(struct primary *primary, const struct unit_job *job, int result) {
	const char *text = result != -ETIMEDOUT && job->error ? job->error : strerror(-result);

	if (result >= 0) {
		log_ok("%s %s", TARGET, job->start ? "runs" : "is stopped");
		free(primary->said);
		primary->said = NULL;
	} else if (!str_equal(text, primary->said)) { /* once, not every few seconds */
		if (text == job->error)               /* a whole sentence */
			log_error("%s; tried again", text);
		else
			log_error("cannot %s %s: %s; tried again", job->start ? "start" : "stop", TARGET, text);
		free(primary->said);
		primary->said = strdup(text); /* without memory it is named again */
	}
}

static void done(void *arg, int result, void *userdata) {
	struct primary *primary = userdata;
	const struct unit_job *job = arg;

	if (result == -ECANCELED)
		return;
	primary->busy = false;
	/* A slice of a start is over: it goes on, or is to stop meanwhile, at once, since others go by the time of
	 * that. */
	if (job->start && result == -ETIMEDOUT && (!primary->wanted || deadline_left(primary->start_until) > 0)) {
		evaluate(primary);
		return;
	}
	/* a node that never had it has nothing to say about it */
	if (result < 0 || job->start || primary->ever)
		say(primary, job, result);
	primary->known = result >= 0;
	primary->ever = true;
	primary->runs = job->start;
	primary->start_until = 0;
	primary->resting = result < 0 && job->start == primary->wanted; /* the contrary does not wait for it */
	if (primary->resting &&
	    event_timer(loop_event(primary->watcher->loop), &primary->timer, PAUSE, on_timer, primary) < 0)
		log_error("cannot set a timer");
	role_look(primary->watcher);
	evaluate(primary);
}

static void free_job(void *arg) {
	struct unit_job *job = arg;

	free(job->error);
	free(job);
}

static void evaluate(struct primary *primary) {
	struct unit_job *arg;
	struct job job;
	int r;

	if (primary->watcher->stopping || primary->busy || primary->resting || !primary->told ||
	    (primary->known && primary->runs == primary->wanted))
		return;
	primary->known = false; /* while it changes */
	if (primary->wanted && primary->start_until == 0)
		primary->start_until = deadline_after(JOB_TIME);
	arg = calloc(1, sizeof(*arg));
	if (!arg) {
		log_error("cannot change %s: no memory", TARGET);
		return;
	}
	arg->start = primary->wanted;
	job = (struct job){.work = work,
			   .done = done,
			   .free_arg = free_job,
			   .arg = arg,
			   .userdata = primary,
			   .deadline = deadline_after(JOB_TIME + 10 * USEC_PER_SEC)};
	r = workers_submit(primary->workers, &job);
	if (r < 0) {
		free_job(arg);
		log_error("cannot change %s: %s", TARGET, strerror(-r));
		return;
	}
	primary->busy = true;
	primary->jobs++;
}

/* ---- looking after it ---- */

struct unit_look {
	unsigned jobs; /* that there had been when it began */
	bool runs;     /* as the last of them left it */
	bool active;
};

/* -EBUSY: it may be on its way. While pvc.target or this program is stopped by an operator the target stops first, and
 * this program is told when all of it has: a job of this program's own unit says so, and is there before that begins.
 * What must not run is not waited for: what comes first on a start is looked at, the rest may take its time. */
static int look_work(void *arg) {
	_cleanup_unit_state_ struct host_unit_state target = {0}, own = {0};
	_cleanup_free_ char *error = NULL; /* a systemd that does not answer shows with the next job */
	struct unit_look *look = arg;
	usec_t deadline = deadline_after(LOOK_TIME);
	int r = access("/run/systemd/system", F_OK) < 0 ? -ENOENT : 0;

	if (r >= 0)
		r = host_unit_query(look->runs ? TARGET : BEGIN, deadline, &target, &error);
	if (r >= 0)
		r = host_unit_query(OWN, deadline, &own, &error);
	if (r < 0)
		return r;
	look->active = str_equal(target.active, "active");
	return own.job || (look->runs && target.job) ? -EBUSY : 0;
}

static void looked(void *arg, int result, void *userdata) {
	struct primary *primary = userdata;
	const struct unit_look *look = arg;

	primary->looking = false;
	if (result < 0 || look->jobs != primary->jobs || !primary->known || primary->busy || look->active == look->runs)
		return;
	if (primary->runs)
		log_warning(
		    "%s was stopped by somebody else: it is started again, since this node has the primary role "
		    "('pvcctl node secondary' gives it away)",
		    TARGET);
	else
		log_warning("%s was started by somebody else: it is stopped, since this node does not have the primary "
			    "role ('pvcctl node primary' asks for it)",
			    TARGET);
	primary->known = false;
	role_look(primary->watcher);
	evaluate(primary);
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
	struct primary *primary = userdata;
	bool due = primary->known && !primary->busy && !primary->looking;
	struct unit_look *arg = due ? calloc(1, sizeof(*arg)) : NULL;
	struct job job = {.work = look_work,
			  .done = looked,
			  .free_arg = free,
			  .arg = arg,
			  .userdata = primary,
			  .deadline = deadline_after(JOB_TIME)};

	(void)source;
	(void)usec;
	if (arg) {
		arg->jobs = primary->jobs;
		arg->runs = primary->runs;
		primary->looking = workers_submit(primary->workers, &job) >= 0;
		if (!primary->looking) /* the next time */
			free(arg);
	}
	return event_timer(loop_event(primary->watcher->loop), &primary->look_timer, LOOK, on_look, primary);
}

void primary_want(struct watcher *watcher, bool runs) {
	struct primary *primary = watcher->primary;

	if (!primary || (primary->told && primary->wanted == runs))
		return;
	primary->told = true;
	primary->wanted = runs;
	primary->resting = false; /* that was for the contrary wish */
	primary->start_until = 0;
	evaluate(primary);
}

enum primary_services primary_services(const struct watcher *watcher) {
	const struct primary *primary = watcher->primary;

	if (!primary || !primary->known || primary->busy)
		return SERVICES_UNCLEAR;
	return primary->runs ? SERVICES_RUN : SERVICES_STOPPED;
}

int primary_start(struct watcher *watcher) {
	struct primary *primary = calloc(1, sizeof(*primary));
	int r;

	if (!primary)
		return -ENOMEM;
	primary->watcher = watcher;
	watcher->primary = primary;
	r = workers_new(&primary->workers, loop_event(watcher->loop), 2); /* one more, should one be stuck */
	return r < 0 ? r : event_timer(loop_event(watcher->loop), &primary->look_timer, LOOK, on_look, primary);
}

void primary_stop(struct watcher *watcher) {
	struct primary *primary = watcher->primary;

	if (!primary)
		return;
	if (primary->workers)
		workers_free(primary->workers);
	(void)sd_event_source_disable_unref(primary->timer); /* returns NULL */
	(void)sd_event_source_disable_unref(primary->look_timer);
	free(primary->said);
	free(primary);
	watcher->primary = NULL;
}
