/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-dns: names of guests in PowerDNS' database, and the name server for them, on the primary coordinator. */
#include "daemon.h"
#include "log/log.h"

static const char details[] =
    "Runs in the foreground until SIGTERM, which ends pdns_server. SIGHUP compares everything at once.\n"
    "\n"
    "Exit status: 0 ended by a signal, or nothing to do; 64 usage, 71 system error, 78 configuration. See pvc(7).\n";

static void on_state(struct store *store, enum store_state state, void *userdata) {
	(void)userdata;
	switch (state) {
	case STORE_CONNECTING:
		log_warning("no connection to ZooKeeper at %s", store_servers(store));
		break;
	case STORE_CONNECTED:
		log_info("connected to ZooKeeper again");
		break;
	case STORE_NEW_SESSION:
		log_info("connected to ZooKeeper at %s", store_servers(store));
		break;
	}
}

void daemon_try_end(struct daemon *daemon) {
	if (daemon->stopping && !server_is_running(daemon->server))
		loop_exit(daemon->loop, EXIT_OK);
}

static void on_stop(struct loop *loop, void *userdata) {
	struct daemon *daemon = userdata;

	loop_stopping(loop);
	daemon->stopping = true;
	server_end(daemon->server);
	daemon_try_end(daemon);
}

static void on_reload(struct loop *loop, void *userdata) {
	struct daemon *daemon = userdata;
	int r = log_reopen();

	(void)loop;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
	if (daemon->database && !daemon->stopping)
		database_compare(daemon);
}

static int start(struct daemon *daemon) {
	const struct store_options options = {
	    .servers = daemon->config->servers, .on_state = on_state, .userdata = daemon};
	_cleanup_free_ char *error = NULL;
	int r = config_make_directories(daemon->config, &error);

	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return r;
	}
	/* a comparison and a look at Patroni at once, and what hangs does not stop the next one */
	r = workers_new(&daemon->workers, loop_event(daemon->loop), 2);
	if (r >= 0)
		r = server_start(daemon);
	if (r >= 0)
		r = database_start(daemon);
	if (r >= 0)
		r = patroni_start(daemon);
	if (r >= 0)
		r = store_open(&daemon->store, loop_event(daemon->loop), &options);
	if (r >= 0) {
		log_info("connecting to ZooKeeper at %s", daemon->config->servers);
		r = networks_start(daemon);
	}
	if (r < 0)
		log_error("cannot begin: %s", strerror(-r));
	else
		loop_ready(daemon->loop, "waiting for the database"); /* which nothing on this node waits for (D29) */
	return r;
}

static void end(struct daemon *daemon) {
	struct store *store = daemon->store;

	daemon->stopping = true;
	daemon->store = NULL; /* answers that come during the close find it gone */
	store_close(store);
	if (daemon->workers)
		workers_free(daemon->workers);
	networks_stop(daemon);
	patroni_stop(daemon);
	database_stop(daemon);
	server_stop(daemon);
}

static int run(const struct config *config) {
	struct daemon daemon = {.config = config};
	const struct loop_options options = {.on_stop = on_stop, .on_reload = on_reload, .userdata = &daemon};
	_cleanup_loop_ struct loop *loop = NULL;
	int r = loop_new(&loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	daemon.loop = loop;
	if (!config->enable_networking) {
		log_system("enable_networking is false: there are no client networks on this node");
		loop_ready(loop, "no networks");
		return EXIT_OK;
	}
	r = start(&daemon);
	if (r >= 0)
		r = loop_run(loop);
	end(&daemon);
	return r < 0 ? EXIT_SYSTEM : r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option options[] = {CLI_COMMON(path, debug)};
	const struct cli cli = {"pvc-dns",
				"",
				"Names of guests in PowerDNS' database, and the name server for them, on the primary "
				"coordinator.",
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
