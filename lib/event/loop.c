/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The loop of a daemon: stop and reload signals, systemd's readiness and watchdog protocols, one-shot timers. */
#include "event/event.h"

#include <signal.h>
#include <systemd/sd-daemon.h>

struct loop {
	sd_event *event;
	struct loop_options options;
	bool stopping; /* on_stop was called */
	bool ready;    /* READY=1 was sent */
};

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
	struct loop *loop = userdata;

	(void)source;
	(void)info;
	if (loop->stopping)
		return 0;
	loop->stopping = true;
	if (loop->options.on_stop)
		loop->options.on_stop(loop, loop->options.userdata);
	else
		loop_exit(loop, EXIT_OK);
	return 0;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
	struct loop *loop = userdata;

	(void)source;
	(void)info;
	if (loop->options.on_reload)
		loop->options.on_reload(loop, loop->options.userdata);
	return 0;
}

static int loop_init(struct loop *loop) {
	static const int stop_signals[] = {SIGTERM, SIGINT, SIGQUIT};
	sigset_t blocked;
	int r;

	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		(void)sigaddset(&blocked, stop_signals[i]);
	(void)sigaddset(&blocked, SIGHUP);
	(void)sigaddset(&blocked, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	r = sd_event_new(&loop->event);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(stop_signals); i++)
		r = sd_event_add_signal(loop->event, NULL, stop_signals[i], on_stop_signal, loop);
	if (r >= 0)
		r = sd_event_add_signal(loop->event, NULL, SIGHUP, on_reload_signal, loop);
	if (r >= 0)
		r = sd_event_set_watchdog(loop->event, true);
	return r < 0 ? r : 0;
}

int loop_new(struct loop **ret, const struct loop_options *options) {
	_cleanup_loop_ struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	if (options)
		loop->options = *options;
	r = loop_init(loop);
	if (r < 0)
		return r;
	*ret = move_ptr(loop);
	return 0;
}

void loop_free(struct loop *loop) {
	if (!loop)
		return;
	sd_event_unref(loop->event);
	free(loop);
}

sd_event *loop_event(struct loop *loop) {
	return loop->event;
}

int loop_run(struct loop *loop) {
	return sd_event_loop(loop->event);
}

void loop_exit(struct loop *loop, int code) {
	(void)sd_event_exit(loop->event, code); /* fails only when the loop has already ended */
}

/* sd_notify() fails only when systemd's socket is gone; systemd then judges by its own time-outs. */
void loop_ready(struct loop *loop, const char *status) {
	if (!loop->ready)
		(void)sd_notifyf(false, "READY=1\nSTATUS=%s", status ? status : "");
	else if (status)
		(void)sd_notifyf(false, "STATUS=%s", status);
	loop->ready = true;
}

void loop_status(struct loop *loop, const char *format, ...) {
	_cleanup_free_ char *text = NULL;
	va_list arguments;
	int r;

	(void)loop;
	va_start(arguments, format);
	r = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (r < 0) {
		text = NULL;
		return;
	}
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' '; /* a line of its own would be another assignment */
	(void)sd_notifyf(false, "STATUS=%s", text);
}

void loop_stopping(struct loop *loop) {
	(void)loop;
	(void)sd_notify(false, "STOPPING=1");
}

void loop_extend_stop(struct loop *loop, usec_t duration) {
	(void)loop;
	(void)sd_notifyf(false, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)duration);
}

int event_timer(sd_event *event, sd_event_source **source, usec_t delay, sd_event_time_handler_t handler,
		void *userdata) {
	usec_t when = deadline_after(delay);
	int r;

	/* accuracy 1: as asked for, not sd-event's 250 ms; UINT64_MAX means never to it as well */
	if (!*source)
		return sd_event_add_time(event, source, CLOCK_MONOTONIC, when, 1, handler, userdata);
	r = sd_event_source_set_time(*source, when);
	if (r >= 0)
		r = sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
	return r;
}
