/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-watch-networks: options and wiring. */
#include "daemon.h"

static const char details[] =
    "Makes, changes and removes the bridges, VXLANs, VLANs and firewall chains of the networks below /networks, and\n"
    "repairs them. Ending this program leaves them as they are.\n"
    "\n"
    "Runs in the foreground until SIGTERM; SIGHUP opens the log file anew and compares everything.\n"
    "\n"
    "Exit status: 0 ended by a signal, 64 usage, 71 system error, 78 configuration. See pvc(7).\n";

#define WORKERS 3 /* the firewall's one at a time, and look-ups of names */

const char *value_text(const struct store_value *value) {
	if (!value->exists)
		return NULL;
	return strlen(value->data) == value->length ? value->data : "?";
}

static bool all_seen(const struct daemon *daemon) {
	const struct table *table = &daemon->table;

	if (!table->seen || !peers_seen(daemon) || !leftovers_seen(daemon))
		return false;
	for (size_t i = 0; i < table->count; i++) {
		const struct network *network = table->items[i];

		if (!network->gone && (!network->seen || !rules_seen(&network->rules[NETWORK_IN]) ||
				       !rules_seen(&network->rules[NETWORK_OUT])))
			return false;
	}
	return true;
}

void daemon_check_ready(struct daemon *daemon) {
	if (daemon->ready || daemon->stopping || !links_idle(daemon) || !filters_idle(daemon) || !all_seen(daemon))
		return;
	daemon->ready = true;
	loop_ready(daemon->loop, "watching");
	log_system("watching the networks of the cluster: %zu", daemon->table.count);
}

static void compare_all(struct daemon *daemon) {
	daemon->compared = now_monotonic();
	(void)underlay_read(daemon, true); /* all is marked anyway */
	links_mark_all(daemon);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
	struct daemon *daemon = userdata;
	int r = event_timer(daemon->event, &daemon->tick, TICK_TIME, on_tick, daemon);

	(void)source;
	(void)usec;
	if (r < 0)
		log_error("cannot set a timer: %s", strerror(-r));
	if (now_monotonic() - daemon->compared >= COMPARE_TIME)
		compare_all(daemon);
	links_tick(daemon);
	peers_tick(daemon);
	filters_tick(daemon);
	if (!daemon->leftovers_seen && store_is_connected(daemon->store))
		leftovers_look(daemon);
	daemon_check_ready(daemon);
	return 0;
}

static void on_state(struct store *store, enum store_state state, void *userdata) {
	struct daemon *daemon = userdata;

	switch (state) {
	case STORE_CONNECTING:
		log_warning("no connection to ZooKeeper at %s: networks stay as they are", store_servers(store));
		break;
	case STORE_CONNECTED:
		log_info("connected to ZooKeeper again");
		break;
	case STORE_NEW_SESSION:
		log_info("connected to ZooKeeper at %s", store_servers(store));
		compare_all(daemon);
		leftovers_look(daemon);
		reports_new_session(daemon);
		break;
	}
	if (daemon->ready)
		loop_status(daemon->loop, "%s", state == STORE_CONNECTING ? "waiting for ZooKeeper" : "watching");
}

static int start(struct daemon *daemon) {
	const struct store_options options = {
	    .servers = daemon->config->servers, .on_state = on_state, .userdata = daemon};
	int r = workers_new(&daemon->workers, daemon->event, WORKERS);

	if (r >= 0)
		r = links_start(daemon);
	if (r >= 0)
		r = filters_start(daemon);
	if (r >= 0)
		r = reports_start(daemon);
	if (r >= 0)
		r = store_open(&daemon->store, daemon->event, &options);
	if (r >= 0)
		r = table_start(daemon);
	if (r >= 0)
		r = peers_start(daemon);
	if (r >= 0)
		r = event_timer(daemon->event, &daemon->tick, TICK_TIME, on_tick, daemon);
	return r;
}

static void stop(struct daemon *daemon) {
	daemon->stopping = true;
	loop_stopping(daemon->loop);
	(void)sd_event_source_disable_unref(daemon->tick); /* returns NULL */
	store_close(daemon->store);                        /* takes all watches with it */
	daemon->store = NULL;
	workers_free(daemon->workers);
	filters_stop(daemon);
	peers_stop(daemon);
	links_stop(daemon);
	table_stop(daemon);
	reports_stop(daemon);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	if (r < 0)
		log_warning("cannot open the log file again: %s", strerror(-r));
	compare_all(userdata);
}

static int run(const struct config *config) {
	struct daemon daemon = {.config = config};
	const struct loop_options options = {.on_reload = on_reload, .userdata = &daemon};
	_cleanup_loop_ struct loop *loop = NULL;
	int r = loop_new(&loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	if (!config->enable_networking) {
		log_system("enable_networking is false: there are no client networks on this node");
		loop_ready(loop, "no networking");
		return EXIT_OK;
	}
	daemon.loop = loop;
	daemon.event = loop_event(loop);
	r = start(&daemon);
	if (r < 0)
		log_error("cannot begin to watch ZooKeeper at %s: %s", config->servers, strerror(-r));
	else
		r = loop_run(loop);
	stop(&daemon);
	return r < 0 ? EXIT_SYSTEM : r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option options[] = {CLI_COMMON(path, debug)};
	const struct cli cli = {.name = "pvc-watch-networks",
				.synopsis = "",
				.summary = "Keep this node's client networks equal to what ZooKeeper says.",
				.details = details,
				.options = options,
				.option_count = ARRAY_SIZE(options)};
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
