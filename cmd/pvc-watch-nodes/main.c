/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-watch-nodes: node entries of the cluster, and this node's own drain and role. */
#include "log/log.h"
#include "watcher.h"

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
	loop_status(watcher->loop, "%s", state == STORE_CONNECTING ? "waiting for ZooKeeper" : "watching");
}

static int start(struct watcher *watcher) {
	const struct store_options options = {
	    .servers = watcher->config->servers, .on_state = on_state, .userdata = watcher};
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
	free(watcher->path);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	(void)userdata;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

static int run(const struct config *config) {
	static const struct loop_options options = {.on_reload = on_reload};
	_cleanup_loop_ struct loop *loop = NULL;
	struct watcher watcher = {.config = config};
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
