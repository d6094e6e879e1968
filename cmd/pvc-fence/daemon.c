/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "daemon.h"

#include "fencer.h"
#include "log/log.h"

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
	_cleanup_(fencer_freep) struct fencer *fencer = NULL;
	int r = loop_new(&loop, &options);

	if (r >= 0)
		r = fencer_new(&fencer, loop, config);
	if (r >= 0)
		r = loop_run(loop);
	if (r < 0)
		log_error("fencing ends: %s", strerror(-r));
	return r < 0 ? EXIT_SYSTEM : r;
}
