/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-fence: what is done about the other nodes: who is dead, is it off, and its machines start elsewhere. */
#include "daemon.h"
#include "log/log.h"
#include "test.h"

static const char details[] =
    "Without --test: runs in the foreground until SIGTERM; SIGHUP opens the log file anew.\n"
    "\n"
    "Exit status: 0 ended by a signal, or all agents answer (--test), 1 one does not, or there is none, 64 usage,\n"
    "69 ZooKeeper does not answer (--test), 71 system error, 78 configuration. See pvc(7).\n";

int main(int argc, char **argv) {
	const char *path = NULL, *node = NULL;
	bool debug = false;
	const struct cli_option options[] = {
	    CLI_COMMON(path, debug),
	    {"test", 't', CLI_TEXT, &node, "NODE", "ask the fencing agents of a node for its power, switch nothing", 0,
	     0},
	};
	const struct cli cli = {.name = "pvc-fence",
				.synopsis = "",
				.summary = "Fences nodes that are dead, and lets their VMs start elsewhere.",
				.details = details,
				.options = options,
				.option_count = ARRAY_SIZE(options)};
	_cleanup_config_ struct config *config = NULL;
	int count, r;

	(void)cli_parse(&cli, argc, argv, &count);
	r = log_start(cli.name, path, debug, node ? LOG_START_TERMINAL : LOG_START_CONFIGURED, &config);
	if (r != EXIT_OK)
		return r;
	r = node ? fence_test(config, node) : fence_daemon_run(config);
	log_close();
	return r;
}
