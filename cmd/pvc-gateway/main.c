/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-gateway: gateway addresses and DHCP of managed networks, on the primary coordinator. */
#include <limits.h>
#include <pwd.h>

#include "gateway.h"
#include "log/log.h"

#define END_TIME (STOP_TIME + 5 * USEC_PER_SEC) /* for the last leases, after the last dnsmasq */

static const char details[] =
    "Runs in the foreground until SIGTERM, which ends each dnsmasq and removes the gateway addresses.\n"
    "\n"
    "Exit status: 0 ended by a signal, or nothing to do; 64 usage, 71 system error, 78 configuration. See pvc(7).\n";

static void on_state(struct store *store, enum store_state state, void *userdata) {
	struct gateway *gateway = userdata;

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
	if (state != STORE_CONNECTING)
		leases_connected(gateway->leases);
	loop_status(gateway->loop, "%s", state == STORE_CONNECTING ? "waiting for ZooKeeper" : "serving");
}

/* The lease script lies beside this program. */
static char *script_path(void) {
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	return str_printf("%s/pvc-dhcp-lease", self);
}

static int prepare(struct gateway *gateway) {
	_cleanup_free_ char *error = NULL;
	int r = config_make_directories(gateway->config, &error);

	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return r;
	}
	gateway->script = script_path();
	gateway->config_path = realpath(gateway->config->path, NULL);
	gateway->socket_path = str_printf("%s/gateway.socket", gateway->config->dynamic_directory);
	gateway->servers_path = str_printf("%s/dnsmasq/servers", gateway->config->dynamic_directory);
	gateway->hint_path = store_path(STORE_PVC_PRIMARY, "gateways", (char *)NULL);
	gateway->user = getpwnam("dnsmasq") ? "dnsmasq" : "nobody";
	return gateway->script && gateway->config_path && gateway->socket_path && gateway->servers_path &&
		       gateway->hint_path
		   ? 0
		   : -ENOMEM;
}

static int start(struct gateway *gateway) {
	const struct store_options options = {
	    .servers = gateway->config->servers, .on_state = on_state, .userdata = gateway};
	int r = prepare(gateway);

	if (r >= 0)
		r = reconcile_start(gateway);
	if (r >= 0)
		r = adopt_all(gateway);
	if (r < 0)
		return r;
	resolv_look(gateway);
	r = store_open(&gateway->store, loop_event(gateway->loop), &options);
	if (r >= 0) {
		log_info("connecting to ZooKeeper at %s", gateway->config->servers);
		r = hint_start(gateway);
	}
	if (r >= 0)
		r = leases_start(gateway);
	if (r >= 0)
		r = networks_start(gateway);
	if (r < 0)
		log_error("cannot begin to serve: %s", strerror(-r));
	return r;
}

void gateway_try_end(struct gateway *gateway) {
	if (gateway->stopping && (gateway->no_wait || gateway_is_empty(gateway)) &&
	    (leases_are_written(gateway->leases) || !gateway->store || !store_is_connected(gateway->store)))
		loop_exit(gateway->loop, EXIT_OK);
}

static int on_end_time(sd_event_source *source, uint64_t usec, void *userdata) {
	struct gateway *gateway = userdata;

	(void)source;
	(void)usec;
	log_warning("not everything could be brought to an end in time");
	loop_exit(gateway->loop, EXIT_OK);
	return 0;
}

static void on_stop(struct loop *loop, void *userdata) {
	struct gateway *gateway = userdata;

	if (gateway->networks)
		log_system("the gateways of this node go away");
	loop_stopping(loop);
	gateway->stopping = true;
	if (event_timer(loop_event(loop), &gateway->end_timer, END_TIME, on_end_time, gateway) < 0)
		log_error("cannot set a timer");
	reconcile_release(gateway);
	/* the addresses are away: what comes now harms nobody by being slow */
	loop_extend_stop(loop, END_TIME + 5 * USEC_PER_SEC);
	gateway_try_end(gateway);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	resolv_look(userdata);
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

static void end(struct gateway *gateway) {
	struct store *store = gateway->store;

	gateway->store = NULL; /* answers that come during the close find it gone */
	store_close(store);
	leases_stop(gateway->leases);
	while (gateway->networks) {
		struct network *network = gateway->networks;

		gateway->networks = network->next;
		network_free(network);
	}
	reconcile_stop(gateway);
	free(gateway->script);
	free(gateway->config_path);
	free(gateway->socket_path);
	free(gateway->servers_path);
	free(gateway->resolvers);
	free(gateway->hint_path);
	free(gateway->hint);
}

/* --release: what a pvc-gateway that was killed left, and nothing else. */
static int release(struct gateway *gateway) {
	int r = prepare(gateway);

	gateway->stopping = true;
	if (r >= 0)
		r = reconcile_start(gateway);
	if (r >= 0)
		r = adopt_all(gateway);
	if (r >= 0)
		on_stop(gateway->loop, gateway);
	return r;
}

static int run(const struct config *config, bool debug, bool only_release, bool no_wait) {
	struct gateway gateway = {.config = config, .debug = debug, .no_wait = no_wait, .announcer = -1};
	const struct loop_options options = {.on_stop = on_stop, .on_reload = on_reload, .userdata = &gateway};
	_cleanup_loop_ struct loop *loop = NULL;
	int r = loop_new(&loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	gateway.loop = loop;
	if (!config->enable_networking) {
		log_system("enable_networking is false: there are no client networks on this node");
		loop_ready(loop, "no networks");
		return EXIT_OK;
	}
	r = only_release ? release(&gateway) : start(&gateway);
	if (r >= 0)
		r = loop_run(loop);
	end(&gateway);
	return r < 0 ? EXIT_SYSTEM : r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false, only_release = false, no_wait = false;
	const struct cli_option options[] = {
	    CLI_COMMON(path, debug),
	    {"no-wait", 0, CLI_FLAG, &no_wait, NULL,
	     "at the end leave dnsmasq processes that still end to the next pvc-gateway --release", 0, 0},
	    {"release", 0, CLI_FLAG, &only_release, NULL,
	     "only remove what a killed pvc-gateway left: addresses and dnsmasq processes", 0, 0},
	};
	const struct cli cli = {"pvc-gateway",
				"",
				"Gateway addresses, DHCP and DNS of managed networks, on the primary coordinator.",
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
	r = run(config, debug || config->debug, only_release, no_wait);
	log_close();
	return r;
}
