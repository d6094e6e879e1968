/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-firewall: the node's base ruleset in a table of its own, and the operator's snippets in it. */
#include "actions.h"

#include "log/log.h"

static const char details[] =
    "Without a command the table is brought to what is wanted, in one transaction; a second run changes nothing.\n"
    "Command:\n"
    "  undo    remove the table inet pvc with all that is in it\n"
    "\n"
    "Exit status: 0 done (snippets with errors are named in the log and left out), 1 failed, 2 --check found\n"
    "differences or snippets with errors, 64 usage, 71 system error, 77 not allowed, 78 configuration. See pvc(7).\n";

int main(int argc, char **argv) {
	const char *path = NULL, *persistent = SNIPPET_DEFAULT;
	bool debug = false, dry_run = false, check = false, undo = false;
	const struct cli_option options[] = {
	    CLI_COMMON(path, debug),
	    CLI_ONE_SHOT(dry_run, check),
	    {"snippets", 0, CLI_TEXT, &persistent, "DIR",
	     "directory of lasting snippets (default: " SNIPPET_DEFAULT ")", 0, 0},
	};
	const struct cli cli = {"pvc-firewall",
				"[undo]",
				"Loads the node's base firewall ruleset, table inet pvc.",
				details,
				options,
				ARRAY_SIZE(options),
				0,
				1};
	_cleanup_config_ struct config *config = NULL;
	int count, code;
	char **arguments = cli_parse(&cli, argc, argv, &count);

	undo = count > 0 && str_equal(arguments[0], "undo");
	if ((count > 0 && !undo) || (undo && check)) {
		fprintf(stderr, "pvc-firewall: %s; try 'pvc-firewall --help'\n",
			undo ? "undo and --check do not go together" : "the only command is undo");
		return EXIT_USAGE;
	}
	code = log_start(cli.name, path, debug, dry_run || check ? LOG_START_TERMINAL : LOG_START_ONE_SHOT, &config);
	if (code != EXIT_OK)
		return code;
	if (undo)
		return action_undo(dry_run);
	if (!config->enable_networking) {
		log_info("enable_networking is off: this node has no firewall of ours");
		return EXIT_OK;
	}
	const struct places places = {config, persistent};

	if (check)
		return action_check(&places);
	return dry_run ? action_dry_run(&places) : action_apply(&places);
}
