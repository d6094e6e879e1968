/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-keepalive: this node's heartbeat, and its own end when that stops. Links neither libvirt nor Ceph, and waits for
 * neither. */
#include "heart.h"
#include "report.h"
#include "say.h"
#include "self.h"

#define LOG_LIMIT (500 * USEC_PER_MSEC) /* for the last lines, when the disk below them hangs */

struct parts {
	struct report *report;
	struct self *self;
};

static void on_beat(struct heart *heart, const struct figures *figures, usec_t sent, void *userdata) {
	const struct parts *parts = userdata;

	(void)heart;
	self_beaten(parts->self, sent); /* first: it cannot wait */
	report_beat(parts->report, figures);
}

static void on_end(struct heart *heart, bool committed, void *userdata) {
	const struct parts *parts = userdata;

	(void)heart;
	self_ended(parts->self, committed);
}

/* The loop's callbacks know the heart only once it lives. */
static void on_stop(struct loop *loop, void *userdata) {
	struct heart **heart = userdata;

	say(LOG_LEVEL_SYSTEM, "stopping: a last heartbeat");
	loop_stopping(loop);
	heart_stop(*heart);
}

static void on_reload(struct loop *loop, void *userdata) {
	(void)loop;
	(void)userdata;
	say_reopen();
}

static int run(const struct config *config) {
	_cleanup_loop_ struct loop *loop = NULL;
	struct parts parts = {.report = NULL};
	struct heart *heart = NULL;
	const struct loop_options options = {.on_stop = on_stop, .on_reload = on_reload, .userdata = &heart};
	int r = loop_new(&loop, &options), thread;

	if (r < 0)
		return r;
	thread = say_start(config);
	if (thread < 0)
		log_warning("cannot start the log's thread: %s: a log that hangs can delay heartbeats",
			    strerror(-thread));
	r = report_new(&parts.report, loop, config);
	if (r >= 0)
		r = self_new(&parts.self, loop, config);
	if (r >= 0)
		r = heart_new(&heart, loop, config, &(struct heart_hooks){on_beat, on_end, &parts});
	if (r >= 0)
		r = heart_start(heart);
	if (r >= 0)
		r = self_start(parts.self, heart);
	if (r >= 0)
		r = report_watch(parts.report, heart_store(heart));
	if (r >= 0) {
		say(LOG_LEVEL_SYSTEM, "heartbeats of %s every %llu s, to ZooKeeper at %s", config->node,
		    (unsigned long long)config->keepalive_interval, config->servers);
		r = loop_run(loop);
	}
	if (r < 0)
		say(LOG_LEVEL_ERROR, "heartbeats end: %s", strerror(-r));
	/* before the store that its watches hang on */
	report_free(parts.report);
	self_free(parts.self);
	heart_free(heart);
	say_stop(deadline_after(LOG_LIMIT));
	return r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option table[] = {CLI_COMMON(path, debug)};
	const struct cli cli = {
	    .name = "pvc-keepalive",
	    .synopsis = "",
	    .summary = "Write this node's heartbeat and statistics to ZooKeeper.",
	    .details = "Exit status: 0 stopped by a signal, 64 usage, 71 system error, 78 configuration. See pvc(7).\n",
	    .options = table,
	    .option_count = ARRAY_SIZE(table)};
	_cleanup_config_ struct config *config = NULL;
	int count, r;

	(void)cli_parse(&cli, argc, argv, &count);
	r = log_start(cli.name, path, debug, LOG_START_TERMINAL, &config); /* the log's own thread opens it: say.c */
	if (r != EXIT_OK)
		return r;
	r = run(config);
	return r < 0 ? exit_code_of(r) : r;
}
