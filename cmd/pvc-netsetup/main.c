/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-netsetup: reads options, and hands over. */
#include "log/log.h"
#include "netsetup.h"

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false, dry_run = false, check = false, undo;
	uint64_t timeout = 30;
	const struct cli_option options[] = {
	    CLI_COMMON(path, debug),
	    CLI_ONE_SHOT(dry_run, check),
	    {"timeout", 't', CLI_NUMBER, &timeout, "SECONDS", "how long to wait for missing devices (default 30)", 0,
	     3600},
	};
	const struct cli cli = {
	    .name = "pvc-netsetup",
	    .synopsis = "[undo]",
	    .summary = "Set up the host's own network: device MTUs, bridges, addresses and the default route.",
	    .details =
		"With 'undo' everything moves back from the bridges to the devices, and the bridges are removed.\n"
		"Exit codes: 0 as configured, 1 failed, 2 --check found differences, 69 a device is missing,\n"
		"75 another one is at work, 77 not allowed, 78 wrong configuration.\n",
	    .options = options,
	    .option_count = ARRAY_SIZE(options),
	    .max_arguments = 1,
	};
	_cleanup_config_ struct config *config = NULL;
	struct wanted wanted;
	int count, code;
	char **arguments = cli_parse(&cli, argc, argv, &count);

	undo = count == 1 && str_equal(arguments[0], "undo");
	if (count == 1 && !undo) {
		fprintf(stderr, "%s: unknown command '%s'; try '%s --help'\n", cli.name, arguments[0], cli.name);
		return EXIT_USAGE;
	}
	code = log_start(cli.name, path, debug, dry_run || check ? LOG_START_TERMINAL : LOG_START_ONE_SHOT, &config);
	if (code != EXIT_OK)
		return code;
	if (!config->enable_networking) {
		log_info("functions.enable_networking is off: nothing to do");
		return EXIT_OK;
	}
	wanted_from_config(config, &wanted);
	if (check)
		return run_check(&wanted, undo);
	if (dry_run)
		return run_dry(&wanted, undo);
	return undo ? run_undo(&wanted, config->path)
		    : run_setup(&wanted, config->path, deadline_after(timeout * USEC_PER_SEC));
}
