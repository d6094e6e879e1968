/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-metadata: instance metadata and user-data for guests of managed networks, on the primary coordinator. */
#include <sys/random.h>

#include "log/log.h"
#include "metadata.h"

static const char details[] =
    "Runs in the foreground until SIGTERM, which removes the address 169.254.169.254; SIGHUP opens the log file anew.\n"
    "\n"
    "Exit status: 0 ended by a signal, or nothing to do; 64 usage, 71 system error, 78 configuration. See pvc(7).\n";

void metadata_try_ready(struct metadata *metadata) {
	if (metadata->ready || metadata->stopping || !metadata->address_there || !metadata->vms_listed ||
	    metadata->vms_unseen > 0 || !networks_are_seen(metadata))
		return;
	metadata->ready = true;
	log_system("serving instance metadata at " METADATA_ADDRESS " as %s", metadata->config->node);
	loop_ready(metadata->loop, "serving");
}

static void on_state(struct store *store, enum store_state state, void *userdata) {
	struct metadata *metadata = userdata;

	switch (state) {
	case STORE_CONNECTING:
		log_warning("no connection to ZooKeeper at %s: guests get status 503", store_servers(store));
		break;
	case STORE_CONNECTED:
		log_info("connected to ZooKeeper again");
		break;
	case STORE_NEW_SESSION:
		log_info("connected to ZooKeeper at %s", store_servers(store));
		break;
	}
	loop_status(metadata->loop, "%s", state == STORE_CONNECTING ? "waiting for ZooKeeper" : "serving");
}

static void on_closed(void *userdata) {
	networks_go_on(userdata);
}

static int start(struct metadata *metadata) {
	const struct store_options options = {
	    .servers = metadata->config->servers, .on_state = on_state, .userdata = metadata};
	const struct http_options http = {.handle = answer_request, .closed = on_closed, .userdata = metadata};
	int r =
	    getrandom(metadata->token_key, sizeof(metadata->token_key), 0) == sizeof(metadata->token_key) ? 0 : -EIO;

	if (r >= 0)
		r = http_new(&metadata->http, loop_event(metadata->loop), &http);
	if (r >= 0)
		r = userdata_start(metadata);
	if (r >= 0)
		r = store_open(&metadata->store, loop_event(metadata->loop), &options);
	if (r >= 0) {
		log_info("connecting to ZooKeeper at %s", metadata->config->servers);
		r = networks_start(metadata);
	}
	if (r >= 0)
		r = vms_start(metadata);
	if (r < 0)
		log_error("cannot begin to serve: %s", strerror(-r));
	return r;
}

static void on_stop(struct loop *loop, void *userdata) {
	(void)userdata;
	loop_stopping(loop);
	loop_exit(loop, EXIT_OK);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	(void)userdata;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

/* Nobody new, then an answer for all that wait, then their connections. */
static void end(struct metadata *metadata) {
	metadata->stopping = true;
	networks_stop(metadata);
	store_close(metadata->store);
	guests_cancel(metadata);
	userdata_free(metadata);
	if (metadata->http)
		http_free(metadata->http);
	networks_free(metadata);
	vms_free(metadata);
}

static int run(const struct config *config) {
	struct metadata metadata = {.config = config};
	const struct loop_options options = {.on_stop = on_stop, .on_reload = on_reload, .userdata = &metadata};
	_cleanup_loop_ struct loop *loop = NULL;
	int r = loop_new(&loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	metadata.loop = loop;
	if (!config->enable_networking) {
		log_system("enable_networking is false: there are no client networks on this node");
		loop_ready(loop, "no networks");
		return EXIT_OK;
	}
	r = start(&metadata);
	if (r >= 0)
		r = loop_run(loop);
	end(&metadata);
	return r < 0 ? EXIT_SYSTEM : r;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option options[] = {
	    CLI_COMMON(path, debug),
	};
	const struct cli cli = {
	    "pvc-metadata",
	    "",
	    "Instance metadata and user-data for guests of managed networks, on the primary coordinator.",
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
