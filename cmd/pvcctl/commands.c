/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands, and the parsing that follows it. */
#include "commands.h"

const struct command commands[] = {
    {"status", NULL, "", "the cluster at a glance", OPT_FORMAT, 0, 0, false, cluster_status},
    {"node", "list", "", "all nodes, their states and resources", OPT_FORMAT, 0, 0, false, node_list},
    {"node", "info", "NODE", "one node in full", OPT_FORMAT, 1, 1, false, node_info},
    {"node", "ready", "NODE", "put a node into service for VMs", OPT_WAIT, 1, 1, false, node_ready},
    {"vm", "define", "FILE|-", "make a VM of a libvirt domain XML", OPT_DEFINE | OPT_FORMAT, 1, 1, false, vm_define},
    {"vm", "list", "", "all VMs, or those of one node or in one state", OPT_FILTER | OPT_FORMAT, 0, 0, false, vm_list},
    {"vm", "info", "VM", "one VM in full", OPT_FORMAT, 1, 1, false, vm_info},
    {"vm", "start", "VM", "start a VM", OPT_WAIT, 1, 1, false, vm_start},
    {"vm", "stop", "VM", "switch a VM off at once, as pulling its plug does", OPT_WAIT, 1, 1, false, vm_stop},
    {"vm", "shutdown", "VM", "ask a running VM to shut down", OPT_WAIT, 1, 1, false, vm_shutdown},
    {"vm", "restart", "VM", "shut a running VM down and start it again", OPT_WAIT, 1, 1, false, vm_restart},
    {"vm", "disable", "VM", "mark a stopped VM as not to be started", 0, 1, 1, false, vm_disable},
    {"vm", "log", "VM", "the end of a VM's console log", OPT_LOG | OPT_FORMAT, 1, 1, false, vm_log},
    {"vm", "dump", "VM", "a VM's domain XML", 0, 1, 1, false, vm_dump},
    {"vm", "undefine", "VM", "delete a VM's definition; its disks stay", OPT_YES, 1, 1, false, vm_undefine},
    {"maintenance", NULL, "on|off", "switch fencing of silent nodes off or on", 0, 1, 1, false, cluster_maintenance},
    {"completion", NULL, "", "print the completion for bash", 0, 0, 0, true, print_completion},
};
const size_t command_count = ARRAY_SIZE(commands);

#define TIMEOUT_DEFAULT 300 /* seconds; above the 180 after which a guest that ignores its shutdown is forced */

/* All options that a command (NULL: any) takes. */
size_t command_options(const struct command *command, struct options *o, struct cli_option out[OPTIONS_MAX]) {
	const struct cli_option common[] = {
	    CLI_COMMON(o->config, o->debug),
	    {"zookeeper", 'z', CLI_TEXT, &o->zookeeper, "SERVERS",
	     "the cluster's ZooKeeper servers (default: the configuration's coordinators)", 0, 0},
	};
	const struct {
		unsigned bit;
		struct cli_option option;
	} rows[] = {
	    {OPT_FORMAT, {"format", 0, CLI_TEXT, &o->format, "FORMAT", "table (default) or json", 0, 0}},
	    {OPT_WAIT,
	     {"wait", 'w', CLI_FLAG, &o->wait, NULL, "return when it is done, and say why when it is not", 0, 0}},
	    {OPT_WAIT | OPT_YES,
	     {"timeout", 't', CLI_NUMBER, &o->timeout, "SECONDS", "wait no longer than this (default: 300)", 1, 86400}},
	    {OPT_DEFINE,
	     {"node", 0, CLI_TEXT, &o->node, "NODE", "where the VM belongs (default: the best ready node)", 0, 0}},
	    {OPT_FILTER, {"node", 0, CLI_TEXT, &o->node, "NODE", "only VMs of this node", 0, 0}},
	    {OPT_FILTER, {"state", 0, CLI_TEXT, &o->state, "STATE", "only VMs in this state", 0, 0}},
	    {OPT_DEFINE, {"limit", 0, CLI_TEXT, &o->limit, "NODE,...", "the only nodes it may run on", 0, 0}},
	    {OPT_DEFINE,
	     {"selector", 0, CLI_TEXT, &o->selector, "WORD", "how a node is chosen: mem, load, vcpus or vms", 0, 0}},
	    {OPT_DEFINE,
	     {"autostart", 0, CLI_FLAG, &o->autostart, NULL, "start it when its node becomes ready the next time", 0,
	      0}},
	    {OPT_DEFINE, {"profile", 0, CLI_TEXT, &o->profile, "NAME", "the provisioner profile it was made of", 0, 0}},
	    {OPT_LOG, {"lines", 'n', CLI_NUMBER, &o->lines, "COUNT", "how many lines (default: 10)", 0, 1000000}},
	    {OPT_LOG,
	     {"follow", 'f', CLI_FLAG, &o->follow, NULL, "go on printing what comes, until interrupted", 0, 0}},
	    {OPT_YES, {"yes", 'y', CLI_FLAG, &o->yes, NULL, "also when the VM runs: it is switched off first", 0, 0}},
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(common); i++)
		out[n++] = common[i];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!command || (command->options & rows[i].bit))
			out[n++] = rows[i].option;
	return n;
}

bool wants_json(const struct ctl *ctl) {
	return str_equal(ctl->options.format, "json");
}

/* Options may be shortened as getopt allows: the word is then the beginning of the name. */
static bool takes_argument(const struct cli_option *options, size_t count, const char *word) {
	for (size_t i = 0; i < count; i++) {
		const struct cli_option *o = &options[i];

		if (o->kind == CLI_FLAG)
			continue;
		if (word[1] == '-' ? word[2] && str_starts(o->name, word + 2) : word[1] == o->letter && !word[2])
			return true;
	}
	return false;
}

/* The first two words of the command line that are neither options nor options' arguments. */
static void find_words(int argc, char **argv, const char *words[2]) {
	struct options scratch = {0};
	struct cli_option all[OPTIONS_MAX];
	size_t count = command_options(NULL, &scratch, all);
	int found = 0;

	words[0] = words[1] = NULL;
	for (int i = 1; i < argc && found < 2; i++) {
		if (argv[i][0] != '-' || !argv[i][1])
			words[found++] = argv[i];
		else if (takes_argument(all, count, argv[i]))
			i++;
	}
}

static const struct command *find_command(const char *const words[2]) {
	for (size_t i = 0; i < command_count; i++)
		if (str_equal(words[0], commands[i].noun) &&
		    (!commands[i].verb || str_equal(words[1], commands[i].verb)))
			return &commands[i];
	return NULL;
}

static char *command_list(void) {
	_cleanup_strbuf_ struct strbuf text = {0};

	(void)strbuf_puts(&text, "Commands (each has its own --help):\n"); /* failures are kept in text.failed */
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		_cleanup_free_ char *left = str_printf("%s%s%s%s%s", c->noun, c->verb ? " " : "",
						       c->verb ? c->verb : "", *c->arguments ? " " : "", c->arguments);

		(void)strbuf_addf(&text, "  %-20s  %s\n", left ? left : c->noun, c->summary);
	}
	(void)strbuf_puts(&text,
			  "\nVM is a VM's name or UUID.\n\nExit status: 0 done, 1 failed, 64 wrong usage, 69 the "
			  "cluster does not answer,\n71 system error, 75 not reached in time, 77 not allowed, 78 "
			  "wrong configuration.\n");
	return strbuf_steal(&text);
}

/* Says what is wrong with a command line that holds no command. Does not return. */
static _Noreturn void no_command(int argc, char **argv, struct options *o, const char *const words[2]) {
	_cleanup_strbuf_ struct strbuf verbs = {0};
	struct cli_option options[OPTIONS_MAX];
	const struct command none = {0};
	struct cli cli = {"pvcctl",
			  "COMMAND [ARGUMENT]...",
			  "Shows and changes a cluster.",
			  command_list(),
			  options,
			  command_options(&none, o, options),
			  0,
			  1000};
	_cleanup_free_ char *first = NULL, *second = NULL;
	int count;

	(void)cli_parse(&cli, argc, argv, &count); /* --help, --version and wrong options end here */
	free((char *)cli.details);
	for (size_t i = 0; i < command_count; i++)
		if (str_equal(words[0], commands[i].noun))
			(void)strbuf_addf(&verbs, "%s%s", verbs.length ? ", " : "", commands[i].verb);
	first = str_printable(words[0] ? words[0] : "", 40);
	second = str_printable(words[1] ? words[1] : "", 40);
	if (!words[0])
		(void)failed_with(EXIT_USAGE, "no command given; try 'pvcctl --help'");
	else if (verbs.length && !words[1])
		(void)failed_with(EXIT_USAGE, "'%s' wants one of %s; try 'pvcctl --help'", first, verbs.data);
	else if (verbs.length)
		(void)failed_with(EXIT_USAGE, "unknown command '%s %s': '%s' wants one of %s; try 'pvcctl --help'",
				  first, second, first, verbs.data);
	else
		(void)failed_with(EXIT_USAGE, "unknown command '%s'; try 'pvcctl --help'", first);
	exit(EXIT_USAGE);
}

static void check_words(const struct cli *cli, const struct options *o) {
	if (o->format && !str_equal(o->format, "json") && !str_equal(o->format, "table"))
		exit(failed_with(EXIT_USAGE, "--format is table or json; try '%s --help'", cli->name));
	if (o->selector && select_by_parse(o->selector) == SELECT_BY_UNKNOWN)
		exit(failed_with(EXIT_USAGE, "--selector is mem, load, vcpus or vms; try '%s --help'", cli->name));
	if (o->state && vm_state_parse(o->state) == VM_STATE_UNKNOWN)
		exit(failed_with(
		    EXIT_USAGE,
		    "--state is start, restart, shutdown, stop, disable, migrate, unmigrate, provision, fail or "
		    "delete; try '%s --help'",
		    cli->name));
}

const struct command *command_parse(int argc, char **argv, struct ctl *ctl) {
	struct cli_option options[OPTIONS_MAX];
	const struct command *command;
	const char *words[2];
	_cleanup_free_ char *name = NULL;
	struct cli cli;
	unsigned used;
	int count;

	ctl->options = (struct options){.timeout = TIMEOUT_DEFAULT, .lines = 10};
	find_words(argc, argv, words);
	command = find_command(words);
	if (!command)
		no_command(argc, argv, &ctl->options, words);
	used = command->verb ? 2 : 1;
	name = str_printf("pvcctl %s%s%s", command->noun, command->verb ? " " : "", command->verb ? command->verb : "");
	if (!name)
		exit(failed(-ENOMEM, "out of memory"));
	cli = (struct cli){name,
			   command->arguments,
			   command->summary,
			   NULL,
			   options,
			   command_options(command, &ctl->options, options),
			   used + command->min_arguments,
			   used + command->max_arguments};
	ctl->arguments = cli_parse(&cli, argc, argv, &count) + used;
	ctl->argument_count = count - (int)used;
	check_words(&cli, &ctl->options);
	return command;
}
