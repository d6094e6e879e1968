/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event: the one loop of a daemon (sd-event), its signals, systemd notification and watchdog, and worker threads for
 * calls that block.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/base.h"

static inline void event_source_unrefp(sd_event_source **source) {
	(void)sd_event_source_disable_unref(*source);
}
#define _cleanup_source_ _cleanup_(event_source_unrefp)

/* ---- loop (loop.c) ---- */

struct loop;
struct loop_options {
	/* SIGTERM, SIGINT or SIGQUIT came (once): begin to stop; call loop_exit() when done. NULL: exit 0 at once. */
	void (*on_stop)(struct loop *loop, void *userdata);
	/* SIGHUP came: log_reopen() and what else the program wants. NULL: nothing. */
	void (*on_reload)(struct loop *loop, void *userdata);
	void *userdata;
};
/* Blocks those signals and SIGCHLD in the calling thread (so: before any thread is started), ignores SIGPIPE, and feeds
 * systemd's watchdog from the loop when $WATCHDOG_USEC asks for it: a loop that hangs is not fed. */
int loop_new(struct loop **ret, const struct loop_options *options);
void loop_free(struct loop *loop);
static inline void loop_freep(struct loop **loop) {
	loop_free(*loop);
}
#define _cleanup_loop_ _cleanup_(loop_freep)
sd_event *loop_event(struct loop *loop); /* borrowed */
int loop_run(struct loop *loop);         /* until loop_exit(); returns its code, or -errno */
void loop_exit(struct loop *loop, int code);
/* sd_notify: READY=1 (once), STATUS=text, STOPPING=1. Do nothing without systemd. */
void loop_ready(struct loop *loop, const char *status);
void loop_status(struct loop *loop, const char *format, ...) _printf_(2, 3);
void loop_stopping(struct loop *loop);
/* What is left to be done on the way down may take that long, beyond the unit's TimeoutStopSec= (EXTEND_TIMEOUT_USEC=). */
void loop_extend_stop(struct loop *loop, usec_t duration);

/* ---- timers (loop.c) ---- */

/* One-shot timer on CLOCK_MONOTONIC after `delay`. *source is made when NULL, else armed anew with the handler it has:
 * one source, one handler. */
int event_timer(sd_event *event, sd_event_source **source, usec_t delay, sd_event_time_handler_t handler,
		void *userdata);

/* ---- worker threads (workers.c) ---- */

struct workers;
/* `max` threads at the most, started as needed; jobs over that wait in order. A thread that is stuck past its job's
 * deadline gets a substitute, `max` of them at the most. */
int workers_new(struct workers **ret, sd_event *event, unsigned max);
/* Waits for no running job: their results are dropped, `free_arg` is called when a thread returns; a thread that hangs
 * is left behind. */
void workers_free(struct workers *workers);

struct job {
	/* On a worker thread: may block. Touches only `arg`. Returns 0 or -errno. */
	int (*work)(void *arg);
	/* On the loop, exactly once, never inside workers_submit(): the result of work(), or -ETIMEDOUT when the
	 * deadline came first (then work() may still be running, so done() must not touch what work() writes), or
	 * -ECANCELED from workers_free(). */
	void (*done)(void *arg, int result, void *userdata);
	/* On the loop or a worker, exactly once, after both work() has returned and done() was called. May be NULL. */
	void (*free_arg)(void *arg);
	void *arg;
	void *userdata;
	usec_t deadline; /* absolute CLOCK_MONOTONIC, or DEADLINE_NEVER; counts from submission, waiting included */
};
int workers_submit(struct workers *workers, const struct job *job); /* on failure free_arg was not called */
unsigned workers_stuck(const struct workers *workers); /* jobs past their deadline whose thread has not come back */
