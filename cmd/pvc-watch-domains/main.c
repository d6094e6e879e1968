/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-watch-domains: reads options, wires the parts. */
#include "daemon.h"

static void on_store(struct store *store, enum store_state state, void *userdata) {
	struct daemon *daemon = userdata;

	(void)store;
	switch (state) {
	case STORE_CONNECTING:
		log_warning("connection to ZooKeeper (%s) lost; VMs run on, changes wait", store_servers(store));
		break;
	case STORE_CONNECTED:
		log_info("connected to ZooKeeper again");
		break;
	case STORE_NEW_SESSION:
		log_system("connected to ZooKeeper with a new session: everything is compared");
		hypervisor_list(daemon);
		vm_evaluate_all(daemon);
		break;
	}
}

static void on_stop(struct loop *loop, void *userdata) {
	struct daemon *daemon = userdata;

	log_system("stopping; VMs run on");
	loop_stopping(loop);
	daemon->stopping = true;
	loop_exit(loop, EXIT_OK);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	(void)userdata;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

static int daemon_start(struct daemon *daemon) {
	struct store_options options = {.servers = daemon->config->servers, .on_state = on_store, .userdata = daemon};
	int r;

	daemon->starts_last = &daemon->starts_first;
	r = store_open(&daemon->store, daemon->event, &options);
	if (r < 0) {
		log_error("cannot use ZooKeeper at %s: %s", daemon->config->servers, strerror(-r));
		return r;
	}
	(void)consoles_start(daemon); /* logged, and tried again by itself */
	r = workers_new(&daemon->helpers, daemon->event, STARTS_MAX);
	if (r < 0) {
		log_error("cannot use threads: %s", strerror(-r));
		return r;
	}
	r = hypervisor_start(daemon);
	if (r < 0) {
		log_error("cannot use libvirt: %s", strerror(-r));
		return r;
	}
	r = table_start(daemon);
	if (r < 0)
		log_error("cannot watch %s: %s", store_base(STORE_DOMAINS), strerror(-r));
	return r;
}

static void daemon_end(struct daemon *daemon) {
	daemon->stopping = true;
	workers_free(daemon->helpers);
	virt_free(daemon->virt);
	consoles_stop(daemon);
	(void)sd_event_source_disable_unref(daemon->list_timer);
	(void)sd_event_source_disable_unref(daemon->tick);
	table_unwatch(daemon);
	store_close(daemon->store);
	table_free(daemon);
	free(daemon->down);
	free(daemon->published);
}

static int run(struct config *config) {
	struct daemon daemon = {.config = config};
	struct loop_options options = {.on_stop = on_stop, .on_reload = on_reload, .userdata = &daemon};
	_cleanup_(loop_freep) struct loop *loop = NULL;
	_cleanup_free_ char *error = NULL;
	int r = loop_new(&loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	daemon.loop = loop;
	daemon.event = loop_event(loop);
	if (!config->enable_hypervisor) {
		log_system("enable_hypervisor is false: there are no VMs to look after on this node");
		loop_ready(loop, "no hypervisor");
		return EXIT_OK;
	}
	if (config_make_directories(config, &error) < 0)
		log_error("%s", error ? error : "cannot make the directories");
	r = daemon_start(&daemon);
	r = r < 0 ? exit_code_of(r) : loop_run(loop);
	daemon_end(&daemon);
	return r < 0 ? exit_code_of(r) : r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option options[] = {CLI_COMMON(path, debug)};
	const struct cli cli = {
	    .name = "pvc-watch-domains",
	    .synopsis = "",
	    .summary = "Keep this node's virtual machines equal to what ZooKeeper says.",
	    .details = "Starts, shuts down, restarts and stops VMs as /domains asks, brings back guests that ended by\n"
		       "themselves, ends copies that belong elsewhere, and keeps their console logs in ZooKeeper.\n"
		       "Stopping this program leaves all VMs running.\n",
	    .options = options,
	    .option_count = ARRAY_SIZE(options),
	};
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
