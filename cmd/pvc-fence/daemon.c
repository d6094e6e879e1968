/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "daemon.h"

#include "cluster/timeline.h"
#include "log/log.h"
#include "store/store.h"

static void on_state(struct store *store, enum store_state state, void *userdata) {
	struct loop *loop = userdata;

	if (state == STORE_CONNECTING) {
		log_warning("no connection to ZooKeeper at %s", store_servers(store));
		return;
	}
	log_info("connected to ZooKeeper at %s", store_servers(store));
	loop_ready(loop, "watching");
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	(void)userdata;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

int fence_daemon_run(const struct config *config) {
	const struct loop_options options = {.on_reload = on_reload};
	_cleanup_loop_ struct loop *loop = NULL;
	_cleanup_store_ struct store *store = NULL;
	struct store_options store_options = {.servers = config->servers,
					      .session_timeout_ms = TIMELINE_SESSION / USEC_PER_MSEC,
					      .confirm = true,
					      .on_state = on_state};
	int r = loop_new(&loop, &options);

	if (r >= 0) {
		store_options.userdata = loop;
		r = store_open(&store, loop_event(loop), &store_options);
	}
	if (r >= 0)
		r = loop_run(loop);
	if (r < 0)
		log_error("fencing ends: %s", strerror(-r));
	return r < 0 ? EXIT_SYSTEM : r;
}
