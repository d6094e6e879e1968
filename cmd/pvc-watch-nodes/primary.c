/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-primary.target runs on this node while it is the primary coordinator. Starting and stopping wait for systemd's
 * job, on a worker thread, one at a time; what is wanted by then is compared when it is back. This program's own end
 * leaves the target as it is: the next one compares, and when the node goes down systemd stops the target itself.
 */
#include "host/host.h"
#include "log/log.h"
#include "watcher.h"

#define TARGET   "pvc-primary.target"
#define BEGIN    "pvc-primary-begin.target" /* what comes first on start ends last: its stop is the end of all */
#define JOB_TIME (150 * USEC_PER_SEC)       /* more than any unit's own TimeoutStartSec */
#define PAUSE    (10 * USEC_PER_SEC)        /* before a job that failed is tried again */

struct primary {
	struct watcher *watcher;
	struct workers *workers;
	sd_event_source *timer;
	bool told, wanted; /* by the role */
	bool known, runs;  /* what the last job brought about */
	bool busy;
	char *said; /* the failure that was named in the log */
};

struct unit_job {
	bool start;
	char *error;
};

static void evaluate(struct primary *primary);

static int work(void *arg) {
	struct unit_job *job = arg;
	struct host_unit_job stops[] = {{.unit = TARGET, .verb = HOST_UNIT_STOP},
					{.unit = BEGIN, .verb = HOST_UNIT_STOP}};
	int r;

	if (job->start)
		return host_unit_start(TARGET, deadline_after(JOB_TIME), &job->error);
	r = host_units_run(stops, ARRAY_SIZE(stops), deadline_after(JOB_TIME));
	job->error = stops[0].error ? move_ptr(stops[0].error) : move_ptr(stops[1].error);
	free(stops[0].error);
	free(stops[1].error);
	return r;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	evaluate(userdata);
	return 0;
}

static void say(struct primary *primary, const struct unit_job *job, int result) {
	const char *text = result != -ETIMEDOUT && job->error ? job->error : strerror(-result);

	if (result >= 0) {
		log_ok("%s %s", TARGET, job->start ? "runs: this node is the primary coordinator" : "is stopped");
		free(primary->said);
		primary->said = NULL;
	} else if (!str_equal(text, primary->said)) { /* once, not every few seconds */
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
	/* a node that never had it has nothing to stop, and nothing to say about it */
	if (!job->start && !primary->known && (result == -ENOENT || result == -ECONNREFUSED || result == 0)) {
		result = 0;
	} else {
		say(primary, job, result);
	}
	primary->known = result >= 0;
	primary->runs = job->start;
	if (result >= 0)
		evaluate(primary);
	else if (event_timer(loop_event(primary->watcher->loop), &primary->timer, PAUSE, on_timer, primary) < 0)
		log_error("cannot set a timer");
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

	if (primary->watcher->stopping || primary->busy || !primary->told ||
	    (primary->known && primary->runs == primary->wanted))
		return;
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
}

void primary_want(struct watcher *watcher, bool runs) {
	struct primary *primary = watcher->primary;

	if (primary->told && primary->wanted == runs)
		return;
	primary->told = true;
	primary->wanted = runs;
	primary->timer = sd_event_source_disable_unref(primary->timer); /* that was for the contrary wish */
	evaluate(primary);
}

int primary_start(struct watcher *watcher) {
	struct primary *primary = calloc(1, sizeof(*primary));

	if (!primary)
		return -ENOMEM;
	primary->watcher = watcher;
	watcher->primary = primary;
	return workers_new(&primary->workers, loop_event(watcher->loop), 1);
}

void primary_stop(struct watcher *watcher) {
	struct primary *primary = watcher->primary;

	if (!primary)
		return;
	if (primary->workers)
		workers_free(primary->workers);
	(void)sd_event_source_disable_unref(primary->timer); /* returns NULL */
	free(primary->said);
	free(primary);
	watcher->primary = NULL;
}
