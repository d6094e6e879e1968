/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands, and the parsing that follows it. */
#include "commands.h"

const struct command commands[] = {
    {"status", NULL, "", "the cluster at a glance", OPT_FORMAT, 0, 0, false, cluster_status},
    {"node", "list", "", "all nodes, their states and resources", OPT_FORMAT, 0, 0, false, node_list},
    {"node", "info", "NODE", "one node in full", OPT_FORMAT, 1, 1, false, node_info},
    {"node", "flush", "NODE", "move all VMs away from a node", OPT_WAIT | OPT_UNMOVABLE, 1, 1, false, node_flush},
    {"node", "ready", "NODE", "put a node into service for VMs, and bring its own back", OPT_WAIT, 1, 1, false,
     node_ready},
    {"node", "primary", "NODE", "make a coordinator the primary one", OPT_WAIT, 1, 1, false, node_primary},
    {"node", "secondary", "NODE", "let another coordinator be the primary one", OPT_WAIT, 1, 1, false, node_secondary},
    {"node", "fence", "NODE", "test a node's fencing agents, or confirm that a node is off", OPT_FENCE, 1, 1, false,
     node_fence},
    {"vm", "define", "FILE|-", "make a VM of a libvirt domain XML", OPT_DEFINE | OPT_FORMAT, 1, 1, false, vm_define},
    {"vm", "list", "", "all VMs, or those of one node or in one state", OPT_FILTER | OPT_FORMAT, 0, 0, false, vm_list},
    {"vm", "info", "VM", "one VM in full", OPT_FORMAT, 1, 1, false, vm_info},
    {"vm", "start", "VM", "start a VM", OPT_WAIT, 1, 1, false, vm_start},
    {"vm", "stop", "VM", "switch a VM off at once, as pulling its plug does", OPT_WAIT, 1, 1, false, vm_stop},
    {"vm", "shutdown", "VM", "ask a running VM to shut down", OPT_WAIT, 1, 1, false, vm_shutdown},
    {"vm", "restart", "VM", "shut a running VM down and start it again", OPT_WAIT, 1, 1, false, vm_restart},
    {"vm", "disable", "VM", "mark a stopped VM as not to be started", 0, 1, 1, false, vm_disable},
    {"vm", "migrate", "VM", "move a VM to another node for a while, live when it runs",
     OPT_WAIT | OPT_TARGET | OPT_FORCE | OPT_LIVE, 1, 1, false, vm_migrate},
    {"vm", "unmigrate", "VM", "move a migrated VM back to its node", OPT_WAIT | OPT_LIVE, 1, 1, false, vm_unmigrate},
    {"vm", "move", "VM", "move a VM to another node for good, live when it runs", OPT_WAIT | OPT_TARGET | OPT_LIVE, 1,
     1, false, vm_move},
    {"vm", "release", "VM", "let a VM be started although a node that is off had it", OPT_CERTAIN, 1, 1, false,
     vm_release},
    {"vm", "flush-locks", "VM", "free the volumes of a stopped VM from clients that are dead", OPT_WAIT, 1, 1, false,
     vm_flush_locks},
    {"vm", "log", "VM", "the end of a VM's console log", OPT_LOG | OPT_FORMAT, 1, 1, false, vm_log},
    {"vm", "dump", "VM", "a VM's domain XML", 0, 1, 1, false, vm_dump},
    {"vm", "undefine", "VM", "delete a VM's definition; its disks stay", OPT_YES, 1, 1, false, vm_undefine},
    {"network", "add", "VNI NAME", "make a client network", OPT_NETWORK | OPT_TYPE, 2, 2, false, network_add},
    {"network", "modify", "NETWORK", "change a client network", OPT_NETWORK | OPT_RENAME, 1, 1, false, network_modify},
    {"network", "remove", "NETWORK", "delete a client network", OPT_USED, 1, 1, false, network_remove},
    {"network", "list", "", "all client networks", OPT_FORMAT, 0, 0, false, network_list},
    {"network", "info", "NETWORK", "one client network in full, and what is wrong with it", OPT_FORMAT, 1, 1, false,
     network_info},
    {"network", "rule add", "NETWORK in|out NAME TEXT", "add a firewall rule", OPT_ORDER, 4, 4, false,
     network_rule_add},
    {"network", "rule remove", "NETWORK NAME", "take a firewall rule away", 0, 2, 2, false, network_rule_remove},
    {"network", "rule list", "NETWORK", "the firewall rules in their order", OPT_FORMAT, 1, 1, false,
     network_rule_list},
    {"network", "dhcp add", "NETWORK MAC ADDRESS", "reserve an address for a MAC", OPT_HOSTNAME, 3, 3, false,
     network_dhcp_add},
    {"network", "dhcp remove", "NETWORK MAC|ADDRESS", "take a reservation away", 0, 2, 2, false, network_dhcp_remove},
    {"network", "dhcp list", "NETWORK", "reservations and leases", OPT_FORMAT, 1, 1, false, network_dhcp_list},
    {"storage", "status", "", "Ceph's own status", OPT_FORMAT, 0, 0, false, storage_status},
    {"storage", "jobs", "", "storage commands of late, and how each stands or ended", OPT_FORMAT, 0, 0, false,
     storage_jobs},
    {"storage", "osd list", "", "all OSDs", OPT_FORMAT, 0, 0, false, storage_osd_list},
    {"storage", "osd info", "ID", "one OSD in full", OPT_FORMAT, 1, 1, false, storage_osd_info},
    {"storage", "osd add", "NODE DEVICE", "make an OSD of a node's disk; what is on it is lost", OPT_WAIT | OPT_WEIGHT,
     2, 2, false, storage_osd_add},
    {"storage", "osd remove", "ID", "take an OSD away once nothing is lost by it", OPT_WAIT, 1, 1, false,
     storage_osd_remove},
    {"storage", "osd in", "ID", "give data to an OSD", OPT_WAIT, 1, 1, false, storage_osd_in},
    {"storage", "osd out", "ID", "move an OSD's data to the others", OPT_WAIT, 1, 1, false, storage_osd_out},
    {"storage", "osd set", "FLAG", "set a flag of all OSDs, as noout", OPT_WAIT, 1, 1, false, storage_osd_set},
    {"storage", "osd unset", "FLAG", "take a flag of all OSDs away", OPT_WAIT, 1, 1, false, storage_osd_unset},
    {"storage", "pool list", "", "all pools", OPT_FORMAT, 0, 0, false, storage_pool_list},
    {"storage", "pool info", "POOL", "one pool in full", OPT_FORMAT, 1, 1, false, storage_pool_info},
    {"storage", "pool add", "POOL PGS", "make a pool for volumes", OPT_WAIT | OPT_COPIES, 2, 2, false,
     storage_pool_add},
    {"storage", "pool remove", "POOL", "delete a pool", OPT_WAIT | OPT_DATA, 1, 1, false, storage_pool_remove},
    {"storage", "volume list", "[POOL]", "all volumes, or those of one pool", OPT_FORMAT, 0, 1, false,
     storage_volume_list},
    {"storage", "volume info", "POOL/VOLUME", "one volume in full", OPT_FORMAT, 1, 1, false, storage_volume_info},
    {"storage", "volume add", "POOL/VOLUME SIZE", "make a volume", OPT_WAIT, 2, 2, false, storage_volume_add},
    {"storage", "volume resize", "POOL/VOLUME SIZE", "make a volume bigger", OPT_WAIT, 2, 2, false,
     storage_volume_resize},
    {"storage", "volume rename", "POOL/VOLUME NEW", "give a volume another name", OPT_WAIT | OPT_DATA, 2, 2, false,
     storage_volume_rename},
    {"storage", "volume clone", "POOL/VOLUME NEW", "make a full copy of a volume", OPT_WAIT, 2, 2, false,
     storage_volume_clone},
    {"storage", "volume remove", "POOL/VOLUME", "delete a volume", OPT_WAIT | OPT_DATA, 1, 1, false,
     storage_volume_remove},
    {"storage", "snapshot list", "[POOL/VOLUME]", "all snapshots, or those of one volume", OPT_FORMAT, 0, 1, false,
     storage_snapshot_list},
    {"storage", "snapshot add", "POOL/VOLUME@SNAPSHOT", "make a snapshot", OPT_WAIT, 1, 1, false, storage_snapshot_add},
    {"storage", "snapshot rename", "POOL/VOLUME@SNAPSHOT NEW", "give a snapshot another name", OPT_WAIT, 2, 2, false,
     storage_snapshot_rename},
    {"storage", "snapshot remove", "POOL/VOLUME@SNAPSHOT", "delete a snapshot", OPT_WAIT, 1, 1, false,
     storage_snapshot_remove},
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
	    {OPT_TARGET,
	     {"target", 0, CLI_TEXT, &o->node, "NODE", "where it goes (default: the best ready node)", 0, 0}},
	    {OPT_FORCE,
	     {"force", 'f', CLI_FLAG, &o->force, NULL, "also when it was migrated before; its home stays the same", 0,
	      0}},
	    {OPT_LIVE,
	     {"live-only", 0, CLI_FLAG, &o->live_only, NULL,
	      "when it cannot be moved while it runs, leave it where it is", 0, 0}},
	    {OPT_CERTAIN, {"yes", 'y', CLI_FLAG, &o->yes, NULL, "I made sure that the node that had it is off", 0, 0}},
	    {OPT_FENCE,
	     {"confirmed-off", 0, CLI_FLAG, &o->yes, NULL, "I made sure that the node is off: start its VMs elsewhere",
	      0, 0}},
	    {OPT_FENCE,
	     {"test", 0, CLI_FLAG, &o->test, NULL, "ask its agents for its power, and switch nothing", 0, 0}},
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
	    {OPT_TYPE,
	     {"type", 'p', CLI_TEXT, &o->net.type, "TYPE", "managed (default: VXLAN, with addresses) or bridged (VLAN)",
	      0, 0}},
	    {OPT_RENAME, {"name", 0, CLI_TEXT, &o->net.name, "NAME", "its new name", 0, 0}},
	    {OPT_NETWORK,
	     {"domain", 'n', CLI_TEXT, &o->net.domain, "DOMAIN", "domain of its guests (default: NAME.local)", 0, 0}},
	    {OPT_NETWORK,
	     {"dns-server", 0, CLI_TEXT, &o->net.dns, "SERVER,...", "the domain's name servers, or none", 0, 0}},
	    {OPT_NETWORK, {"ipnet", 'i', CLI_TEXT, &o->net.ipnet, "CIDR", "IPv4 network, or none", 0, 0}},
	    {OPT_NETWORK, {"gateway", 'g', CLI_TEXT, &o->net.gateway, "ADDRESS", "IPv4 gateway, or none", 0, 0}},
	    {OPT_NETWORK, {"dhcp", 0, CLI_FLAG, &o->net.dhcp, NULL, "give guests IPv4 addresses", 0, 0}},
	    {OPT_NETWORK, {"no-dhcp", 0, CLI_FLAG, &o->net.no_dhcp, NULL, "give them none", 0, 0}},
	    {OPT_NETWORK,
	     {"dhcp-start", 0, CLI_TEXT, &o->net.dhcp_start, "ADDRESS", "first address that is given", 0, 0}},
	    {OPT_NETWORK, {"dhcp-end", 0, CLI_TEXT, &o->net.dhcp_end, "ADDRESS", "last address that is given", 0, 0}},
	    {OPT_NETWORK, {"ipnet6", 0, CLI_TEXT, &o->net.ipnet6, "CIDR", "IPv6 network (a /64), or none", 0, 0}},
	    {OPT_NETWORK,
	     {"gateway6", 0, CLI_TEXT, &o->net.gateway6, "ADDRESS", "IPv6 gateway (default: the first address)", 0, 0}},
	    {OPT_UNMOVABLE,
	     {"yes", 'y', CLI_FLAG, &o->yes, NULL, "also when VMs that no other node can take are shut down by it", 0,
	      0}},
	    {OPT_USED, {"yes", 'y', CLI_FLAG, &o->yes, NULL, "also when VMs are in it", 0, 0}},
	    {OPT_ORDER,
	     {"order", 'o', CLI_NUMBER, &o->order, "NUMBER", "its place, from 0 (default: behind all others)", 0,
	      1000000}},
	    {OPT_WEIGHT,
	     {"weight", 0, CLI_TEXT, &o->weight, "NUMBER",
	      "its share of the data (default: 1.0; usually its size in TiB)", 0, 0}},
	    {OPT_COPIES,
	     {"copies", 0, CLI_NUMBER, &o->copies, "COUNT", "of everything, on as many hosts (default: 3)", 1, 10}},
	    {OPT_COPIES,
	     {"mincopies", 0, CLI_NUMBER, &o->mincopies, "COUNT",
	      "without which nothing is written (default: one less than copies)", 1, 10}},
	    {OPT_DATA,
	     {"yes", 'y', CLI_FLAG, &o->yes, NULL, "also when VMs have it as a disk, or there are volumes in it", 0,
	      0}},
	    {OPT_HOSTNAME, {"hostname", 0, CLI_TEXT, &o->hostname, "NAME", "the guest's host name", 0, 0}},
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

#define WORDS_MAX 3 /* of a command */

/* The first words of the command line that are neither options nor options' arguments. */
static void find_words(int argc, char **argv, const char *words[WORDS_MAX]) {
	struct options scratch = {0};
	struct cli_option all[OPTIONS_MAX];
	size_t count = command_options(NULL, &scratch, all);
	int found = 0;

	words[0] = words[1] = words[2] = NULL;
	for (int i = 1; i < argc && found < WORDS_MAX; i++) {
		if (argv[i][0] != '-' || !argv[i][1])
			words[found++] = argv[i];
		else if (takes_argument(all, count, argv[i]))
			i++;
	}
}

/* Is the verb, of one word or two, what follows the noun? */
static bool is_verb(const char *verb, const char *const words[WORDS_MAX]) {
	size_t first = strcspn(verb, " ");

	if (!words[1] || strlen(words[1]) != first || strncmp(words[1], verb, first) != 0)
		return false;
	return !verb[first] || str_equal(words[2], verb + first + 1);
}

static const struct command *find_command(const char *const words[WORDS_MAX]) {
	for (size_t i = 0; i < command_count; i++)
		if (str_equal(words[0], commands[i].noun) && (!commands[i].verb || is_verb(commands[i].verb, words)))
			return &commands[i];
	return NULL;
}

static unsigned word_count(const struct command *command) {
	return !command->verb ? 1 : strchr(command->verb, ' ') ? 3 : 2;
}

/* The words that may follow these `given` ones: ", " between, each once. */
static char *next_words(const char *const words[WORDS_MAX], size_t given) {
	_cleanup_strlist_ struct strlist next = {0};

	for (size_t i = 0; i < command_count; i++) {
		const char *verb = commands[i].verb;
		size_t first = verb ? strcspn(verb, " ") : 0;
		_cleanup_free_ char *head = verb ? strndup(verb, first) : NULL;
		const char *word = given == 1 ? head : verb && verb[first] ? verb + first + 1 : NULL;

		if (!head || !word || !str_equal(words[0], commands[i].noun) ||
		    (given == 2 && !str_equal(words[1], head)) || strlist_contains(&next, word))
			continue;
		if (strlist_add(&next, word) < 0)
			return NULL;
	}
	return next.count ? strlist_join(&next, ", ") : NULL;
}

static char *command_list(void) {
	_cleanup_strbuf_ struct strbuf text = {0};

	(void)strbuf_puts(&text, "Commands (each has its own --help):\n"); /* failures are kept in text.failed */
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		_cleanup_free_ char *left = str_printf("%s%s%s%s%s", c->noun, c->verb ? " " : "",
						       c->verb ? c->verb : "", *c->arguments ? " " : "", c->arguments);

		(void)strbuf_addf(&text, "  %-38s  %s\n", left ? left : c->noun, c->summary);
	}
	(void)strbuf_puts(&text,
			  "\nVM is a VM's name or UUID, NETWORK a network's VNI or name.\n\nExit status: 0 done, 1 "
			  "failed, 64 wrong usage, 69 the "
			  "cluster does not answer,\n71 system error, 75 not reached in time, 77 not allowed, 78 "
			  "wrong configuration.\n");
	return strbuf_steal(&text);
}

/* Says what is wrong with a command line that holds no command. Does not return. */
static _Noreturn void no_command(int argc, char **argv, struct options *o, const char *const words[WORDS_MAX]) {
	_cleanup_free_ char *first = str_printable(words[0] ? words[0] : "", 40);
	_cleanup_free_ char *second = str_printable(words[1] ? words[1] : "", 40);
	_cleanup_free_ char *third = str_printable(words[2] ? words[2] : "", 40);
	_cleanup_free_ char *verbs = next_words(words, 1), *more = words[1] ? next_words(words, 2) : NULL;
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
	int count;

	(void)cli_parse(&cli, argc, argv, &count); /* --help, --version and wrong options end here */
	free((char *)cli.details);
	if (!words[0])
		(void)failed_with(EXIT_USAGE, "no command given; try 'pvcctl --help'");
	else if (verbs && !words[1])
		(void)failed_with(EXIT_USAGE, "'%s' wants one of %s; try 'pvcctl --help'", first, verbs);
	else if (more && !words[2])
		(void)failed_with(EXIT_USAGE, "'%s %s' wants one of %s; try 'pvcctl --help'", first, second, more);
	else if (more)
		(void)failed_with(EXIT_USAGE,
				  "unknown command '%s %s %s': '%s %s' wants one of %s; try 'pvcctl --help'", first,
				  second, third, first, second, more);
	else if (verbs)
		(void)failed_with(EXIT_USAGE, "unknown command '%s %s': '%s' wants one of %s; try 'pvcctl --help'",
				  first, second, first, verbs);
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
	const char *words[WORDS_MAX];
	_cleanup_free_ char *name = NULL;
	struct cli cli;
	unsigned used;
	int count;

	ctl->options = (struct options){.timeout = TIMEOUT_DEFAULT, .lines = 10, .order = UINT64_MAX, .copies = 3};
	find_words(argc, argv, words);
	command = find_command(words);
	if (!command)
		no_command(argc, argv, &ctl->options, words);
	used = word_count(command);
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
