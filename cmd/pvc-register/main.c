/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-register: this node in ZooKeeper, and its announcements at start and end. */
#include <time.h>

#include "host/host.h"
#include "log/log.h"
#include "register.h"

#define START_TIMEOUT 60 /* s: ZooKeeper elects a leader when enough coordinators are up */
#define STOP_TIMEOUT  5  /* s: a shutdown is not held up by a ZooKeeper that is away */

static const char details[] =
    "Commands:\n"
    "  start    create what is missing, register this node, claim the primary role if it is free (the default)\n"
    "  online   wait until this node is in state run\n"
    "  offline  announce the state shutdown\n"
    "  stop     announce the state stop\n"
    "\n"
    "Exit status: 0 done, 2 (--check) something is missing or differs, 64 usage, 71 system error,\n"
    "75 ZooKeeper or the state run were not reached in time, 78 configuration. See pvc(7).\n";

struct options {
	const char *config_path;
	bool debug, dry_run, check;
	uint64_t timeout; /* seconds; 0: the command's own */
};

static int run_start(const struct config *config, const struct options *options);
static int run_online(const struct config *config, const struct options *options);
static int run_offline(const struct config *config, const struct options *options);
static int run_stop(const struct config *config, const struct options *options);

static const struct command {
	const char *name;
	int (*run)(const struct config *config, const struct options *options);
	uint64_t timeout; /* seconds, unless --timeout is given */
} commands[] = {
    {"start", run_start, START_TIMEOUT},
    {"online", run_online, START_TIMEOUT},
    {"offline", run_offline, STOP_TIMEOUT},
    {"stop", run_stop, STOP_TIMEOUT},
};

static usec_t deadline_of(const struct options *options) {
	return deadline_after(options->timeout * USEC_PER_SEC);
}

static int run_online(const struct config *config, const struct options *options) {
	return state_wait_for_run(config, deadline_of(options));
}

static int run_offline(const struct config *config, const struct options *options) {
	return state_announce(config, "shutdown", deadline_of(options));
}

static int run_stop(const struct config *config, const struct options *options) {
	return state_announce(config, "stop", deadline_of(options));
}

/* What was done goes to the log, what would be done or differs is the answer and goes to standard output. */
static void tell(const struct plan *plan, const struct options *options) {
	for (size_t i = 0; i < plan->lines.count; i++) {
		if (options->check)
			printf("differs: would %s\n", plan->lines.items[i]);
		else if (plan->dry)
			printf("would %s\n", plan->lines.items[i]);
		else
			log_debug("%s", plan->lines.items[i]);
	}
}

/* All parts in their order; the parts before the one that failed stay done. */
static int run_parts(struct store *store, struct plan *plan, const struct options *options, usec_t deadline,
		     const struct part **ret_failed, size_t *changes) {
	static const struct part *const parts[] = {&part_tree, &part_node, &part_primary};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = part_run(parts[i], store, plan, deadline);

		if (r < 0) {
			*ret_failed = parts[i];
			return r;
		}
		if (r > 0)
			continue;
		tell(plan, options);
		*changes += plan->lines.count;
		if (!plan->dry && parts[i] == &part_primary)
			log_ok("nobody was primary coordinator: claimed by %s", plan->config->node);
	}
	return 0;
}

/* What a second attempt may bring to a good end: a connection that was lost, a race that was lost too often. */
static bool is_transient(int error) {
	return error == -ENOTCONN || error == -ECONNRESET || error == -ESTALE;
}

static int run_start_with(struct plan *plan, const struct options *options) {
	const struct config *config = plan->config;
	_cleanup_store_ struct store *store = NULL;
	_cleanup_free_ char *error = NULL;
	const struct part *failed = NULL;
	usec_t deadline = deadline_of(options);
	size_t changes = 0;
	int r;

	log_info("connecting to ZooKeeper at %s", config->servers);
	r = store_connect_as(config->servers, config->fence_credentials, deadline, &store, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return r == -ENOMEM ? EXIT_SYSTEM : EXIT_TEMPORARY;
	}
	do {
		changes = 0;
		r = run_parts(store, plan, options, deadline, &failed, &changes);
		if (r == -EBUSY && admission_wait(store, config, deadline) == -EBUSY)
			return EXIT_TEMPORARY;
	} while ((is_transient(r) || r == -EBUSY) && deadline_left(deadline) > 0);
	if (r == -EACCES) {
		log_error(
		    "the fencing keys of this node are not readable: set system.fencing.credentials as it was, or "
		    "delete ipmihostname, ipmiusername, ipmipassword below %s/%s, and %s/%s",
		    store_base(STORE_NODES), config->node, store_base(STORE_PVC_AGENTS), config->node);
		return EXIT_CONFIG;
	}
	if (r == -EBADMSG) {
		log_error(
		    "%s/%s, the record of this node's fencing, is damaged: delete that key once you have made sure "
		    "that no other node runs VMs of this one",
		    store_base(STORE_PVC_FENCE), config->node);
		return EXIT_FAILED;
	}
	if (r < 0) {
		log_error("%s could not be %s at %s: %s", failed->name, plan->dry ? "read" : "written", config->servers,
			  strerror(-r));
		return is_transient(r) || r == -ETIMEDOUT || r == -EBUSY ? EXIT_TEMPORARY : exit_code_of(r);
	}
	if (options->check)
		return changes > 0 ? EXIT_DIFFERS : EXIT_OK;
	if (!plan->dry)
		log_ok("node %s is registered as %s", config->node,
		       config->is_coordinator ? "coordinator" : "hypervisor");
	return EXIT_OK;
}

static int run_start(const struct config *config, const struct options *options) {
	bool dry = options->dry_run || options->check;
	_cleanup_free_ char *static_data = NULL, *addresses = NULL, *boot = NULL, *error = NULL,
			    *now = str_printf("%lld", (long long)time(NULL));
	struct plan plan = {.config = config, .now = now, .dry = dry, .lasting = options->check};
	char address[IP_PREFIX_TEXT] = "";
	int r = host_static_data(&static_data), code;

	if (r == 0)
		r = host_boot_id(&boot);
	if (r == 0)
		r = address_list(config, &addresses);
	if (r < 0 || !now) {
		log_error("the machine's figures cannot be read: %s", strerror(r < 0 ? -r : ENOMEM));
		return EXIT_SYSTEM;
	}
	plan.static_data = static_data;
	plan.boot = boot;
	plan.addresses = addresses;
	if (config->enable_networking && config->cluster.address.family)
		ip_prefix_format(&config->cluster.address, false, address);
	plan.cluster_address = address;
	/* the entry in ZooKeeper does not need them: who does need one says so again */
	if (!dry && config_make_directories(config, &error) < 0)
		log_warning("%s", error ? error : "a directory cannot be made");
	code = run_start_with(&plan, options);
	strlist_free(&plan.lines);
	return code;
}

static const struct command *find_command(const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (str_equal(commands[i].name, name))
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv) {
	struct options o = {0};
	const struct cli_option table[] = {
	    CLI_COMMON(o.config_path, o.debug),
	    CLI_ONE_SHOT(o.dry_run, o.check),
	    {"timeout", 't', CLI_NUMBER, &o.timeout, "SECONDS",
	     "how long to wait (default: 60, for offline and stop 5)", 1, 86400},
	};
	const struct cli cli = {.name = "pvc-register",
				.synopsis = "[start|online|offline|stop]",
				.summary = "Register this node in ZooKeeper and announce its state.",
				.details = details,
				.options = table,
				.option_count = ARRAY_SIZE(table),
				.max_arguments = 1};
	_cleanup_config_ struct config *config = NULL;
	const struct command *command;
	int count, code;
	char **arguments = cli_parse(&cli, argc, argv, &count);

	command = find_command(count > 0 ? arguments[0] : "start");
	if (!command || ((o.dry_run || o.check) && command->run != run_start)) {
		fprintf(stderr, "pvc-register: %s '%s'; try 'pvc-register --help'\n",
			command ? "--dry-run and --check are not for" : "unknown command", arguments[0]);
		return EXIT_USAGE;
	}
	code = log_start(cli.name, o.config_path, o.debug,
			 o.dry_run || o.check ? LOG_START_TERMINAL : LOG_START_CONFIGURED, &config);
	if (code != EXIT_OK)
		return code;
	if (o.timeout == 0)
		o.timeout = command->timeout;
	return command->run(config, &o);
}
