/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-watch-ceph: reads options, wires the parts. */
#include "daemon.h"

#include "cluster/cluster.h"

static const char details[] =
    "Carries out what clients write into /cmd/ceph: OSDs of this node, and on the primary coordinator OSD flags, "
    "pools,\n"
    "volumes and snapshots; and the freeing of a stopped VM's volumes (/cmd/domains). Runs in the foreground until\n"
    "SIGTERM; SIGHUP opens the log file anew. $CEPH_CONF names another configuration than /etc/ceph/ceph.conf.\n"
    "\n"
    "Exit status: 0 ended by a signal, or storage is off; 64 usage, 71 system error, 78 configuration. See pvc(7).\n";

void daemon_ready_check(struct daemon *daemon) {
	if (daemon->ready || !daemon->role_known)
		return;
	for (size_t i = 0; i < STORAGE_QUEUE_COUNT; i++)
		if (!queue_seen(daemon->queues[i]))
			return;
	daemon->ready = true;
	log_system("watching for storage commands as %s", daemon->config->node);
	loop_ready(daemon->loop, "watching");
}

static void on_role(struct store *store, const struct store_value *value, void *userdata) {
	struct daemon *daemon = userdata;
	bool primary = value->exists && router_state_parse(value->data) == ROUTER_PRIMARY;

	(void)store;
	if (daemon->primary != primary || !daemon->role_known)
		log_info("this node is %sthe primary coordinator", primary ? "" : "not ");
	daemon->primary = primary;
	daemon->role_known = true;
	daemon_ready_check(daemon);
}

static void on_store(struct store *store, enum store_state state, void *userdata) {
	struct daemon *daemon = userdata;

	for (size_t i = 0; i < STORAGE_QUEUE_COUNT; i++) {
		if (!daemon->queues[i])
			continue;
		queue_stale(daemon->queues[i]);
		if (state != STORE_CONNECTING)
			queue_look(daemon->queues[i]);
	}
	if (state == STORE_CONNECTING) {
		log_warning("no connection to ZooKeeper at %s; commands under way go on", store_servers(store));
		return;
	}
	log_info("connected to ZooKeeper at %s", store_servers(store));
	records_settle(daemon);
}

static int start(struct daemon *daemon) {
	const struct store_options options = {
	    .servers = daemon->config->servers, .on_state = on_store, .userdata = daemon};
	_cleanup_free_ char *path = store_path(STORE_NODES, daemon->config->node, "routerstate", (char *)NULL);
	int r = path ? ceph_new(&daemon->ceph) : -ENOMEM;

	if (r == 0)
		r = workers_new(&daemon->workers, daemon->event, TASK_THREADS);
	if (r >= 0)
		r = mail_start(daemon);
	if (r >= 0)
		r = store_open(&daemon->store, daemon->event, &options);
	if (r >= 0)
		r = store_watch_value(daemon->store, path, on_role, daemon, &daemon->role_watch);
	for (int i = 0; i < STORAGE_QUEUE_COUNT && r >= 0; i++)
		r = queue_start(daemon, (enum storage_queue)i);
	return r < 0 ? r : stats_start(daemon);
}

/* Threads that hang keep what they use. */
static void stop(struct daemon *daemon) {
	loop_stopping(daemon->loop);
	daemon->stopping = true;
	mail_stop(daemon);
	stats_stop(daemon);
	workers_free(daemon->workers);
	for (size_t i = 0; i < STORAGE_QUEUE_COUNT; i++)
		queue_unwatch(daemon->queues[i]);
	store_close(daemon->store);
	for (size_t i = 0; i < STORAGE_QUEUE_COUNT; i++)
		queue_free(daemon->queues[i]);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	(void)userdata;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

static int run(struct config *config) {
	static const struct loop_options options = {.on_reload = on_reload};
	static struct daemon daemon; /* threads may still use it when the program ends */
	int r = loop_new(&daemon.loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	daemon.config = config;
	daemon.event = loop_event(daemon.loop);
	if (!config->enable_storage) {
		log_system("enable_storage is false: there is no storage to look after");
		loop_ready(daemon.loop, "no storage");
		loop_free(daemon.loop);
		return EXIT_OK;
	}
	r = start(&daemon);
	if (r < 0)
		log_error("cannot begin to watch ZooKeeper at %s: %s", config->servers, strerror(-r));
	else
		r = loop_run(daemon.loop);
	stop(&daemon);
	if (daemon.tasks || stats_hang(&daemon)) /* exit handlers would take librados away from under its threads */
		_exit(r < 0 ? EXIT_SYSTEM : r);
	ceph_free(daemon.ceph);
	loop_free(daemon.loop);
	return r < 0 ? EXIT_SYSTEM : r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option options[] = {CLI_COMMON(path, debug)};
	const struct cli cli = {.name = "pvc-watch-ceph",
				.synopsis = "",
				.summary = "Carries out storage commands.",
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
