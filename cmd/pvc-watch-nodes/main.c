/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-watch-nodes: node entries of the cluster, and this node's own drain and role. */
#include <unistd.h>

#include "cluster/timeline.h"
#include "log/log.h"
#include "watcher.h"

#define END_TIME (25 * USEC_PER_SEC) /* to give the role away; below TimeoutStopSec= of the unit */

static const char details[] =
    "Runs in the foreground until SIGTERM; SIGHUP opens the log file anew.\n"
    "\n"
    "Exit status: 0 ended by a signal, 64 usage, 71 system error, 78 configuration. See pvc(7).\n";

#define SHOWN_BYTES 100 /* of a foreign value in one message */

const char *value_text(const struct store_value *value) {
	if (!value->exists)
		return NULL;
	return strlen(value->data) == value->length ? value->data : "?";
}

char *shown(const char *text) {
	return text ? str_printable(text, SHOWN_BYTES) : strdup("(none)");
}

void watcher_seen(struct watcher *watcher) {
	if (--watcher->unseen > 0)
		return;
	loop_ready(watcher->loop, "watching");
	log_system("watching the nodes of the cluster as %s", watcher->config->node);
}

static void on_state(struct store *store, enum store_state state, void *userdata) {
	struct watcher *watcher = userdata;

	switch (state) {
	case STORE_CONNECTING:
		log_warning("no connection to ZooKeeper at %s", store_servers(store));
		break;
	case STORE_CONNECTED:
		log_info("connected to ZooKeeper again");
		break;
	case STORE_NEW_SESSION:
		log_info("connected to ZooKeeper at %s", store_servers(store));
		duty_compare(watcher);
		role_compare(watcher);
		break;
	}
	role_look(watcher);
	loop_status(watcher->loop, "%s", state == STORE_CONNECTING ? "waiting for ZooKeeper" : "watching");
}

static int start(struct watcher *watcher) {
	const struct store_options options = {.servers = watcher->config->servers,
					      .session_timeout_ms = TIMELINE_SESSION / USEC_PER_MSEC,
					      .confirm = true,
					      .on_state = on_state,
					      .userdata = watcher};
	int r;

	watcher->path = store_path(STORE_NODES, watcher->config->node, (char *)NULL);
	if (!watcher->path)
		return -ENOMEM;
	watcher->unseen = 3; /* the three parts below */
	r = store_open(&watcher->store, loop_event(watcher->loop), &options);
	if (r >= 0) {
		log_info("connecting to ZooKeeper at %s", watcher->config->servers);
		r = roster_start(watcher);
	}
	if (r >= 0)
		r = duty_start(watcher);
	if (r >= 0)
		r = primary_start(watcher);
	if (r >= 0)
		r = role_start(watcher);
	return r;
}

static void stop(struct watcher *watcher) {
	loop_stopping(watcher->loop);
	/* answers that are outstanding come during the close, and find their objects */
	watcher->stopping = true;
	store_close(watcher->store);
	watcher->store = NULL;
	role_stop(watcher);
	primary_stop(watcher);
	duty_stop(watcher);
	roster_stop(watcher);
	(void)sd_event_source_disable_unref(watcher->end_timer); /* returns NULL */
	free(watcher->path);
}

void watcher_left(struct watcher *watcher) {
	loop_exit(watcher->loop, EXIT_OK);
}

/* The services did not stop: the lease must not be given away. So the session is not closed but left to run out, and
 * systemd, which stops the services after this program's end, has that long. */
static int on_end_time(sd_event_source *source, uint64_t usec, void *userdata) {
	struct watcher *watcher = userdata;

	(void)source;
	(void)usec;
	if (primary_services(watcher) == SERVICES_STOPPED) {
		loop_exit(watcher->loop, EXIT_OK);
		return 0;
	}
	log_error("the services of the primary coordinator did not stop in time: the role becomes free when this "
		  "session has run out");
	log_close();
	_exit(EXIT_SYSTEM);
}

static void on_stop(struct loop *loop, void *userdata) {
	struct watcher *watcher = userdata;

	loop_stopping(loop);
	if (!watcher->role || event_timer(loop_event(loop), &watcher->end_timer, END_TIME, on_end_time, watcher) < 0)
		loop_exit(loop, EXIT_OK);
	else
		role_leave(watcher);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	(void)userdata;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

static int run(const struct config *config) {
	struct watcher watcher = {.config = config};
	const struct loop_options options = {.on_stop = on_stop, .on_reload = on_reload, .userdata = &watcher};
	_cleanup_loop_ struct loop *loop = NULL;
	int r = loop_new(&loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	watcher.loop = loop;
	r = start(&watcher);
	if (r < 0)
		log_error("cannot begin to watch ZooKeeper at %s: %s", config->servers, strerror(-r));
	else
		r = loop_run(loop);
	stop(&watcher);
	return r < 0 ? EXIT_SYSTEM : r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option options[] = {CLI_COMMON(path, debug)};
	const struct cli cli = {"pvc-watch-nodes",
				"",
				"Watches the nodes of the cluster; makes this one ready and keeps its role.",
				details,
				options,
				ARRAY_SIZE(options),
				0,
				0};
	_cleanup_config_ struct config *config = NULL;
	int count, r;

	(void)cli_parse(&cli, argc, argv, &count);
	r = log_start(cli.name, path, debug, LOG_START_CONFIGURED, &config);
	if (r != EXIT_OK)
		return r;
	r = run(config);
	log_close();
	return r;
}
