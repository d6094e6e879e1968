/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-coordinator: the services of this node's mode and functions, started and answering. */
#include "services.h"

#include "log/log.h"

#define TIMEOUT_DEFAULT 90 /* s: a JVM on a slow disk under the load of a booting host needs tens of them */
#define STATUS_LIMIT    (10 * USEC_PER_SEC)

static const char details[] =
    "Commands:\n"
    "  start    bring the services up and wait until each answers (the default)\n"
    "  status   show which services are wanted and whether they answer\n"
    "\n"
    "Exit status: 0 all wanted services answer, 1 one does not, 2 (status, --check) one does not,\n"
    "64 usage, 69 systemd cannot be reached, 77 not allowed, 78 configuration. See pvc(7).\n";

struct options {
	const char *config_path, *format;
	bool debug, dry_run, check;
	uint64_t timeout;
};

/* A wanted service that is missing; one that is optional and not installed is fine. */
static bool is_missing(const struct service *service) {
	return service->wanted && !service->answers &&
	       !(service->kind->optional && str_equal(service->state.load, "not-found"));
}

/* Without systemd the states are unknown and nothing can be started: said once. */
static bool bus_complaint(const struct service *services) {
	const char *error = services_bus_error(services);

	if (error)
		log_error("%s", error);
	return error != NULL;
}

static int complain(const struct service *services) {
	int code = EXIT_OK;

	for (size_t i = 0; i < service_kind_count; i++) {
		_cleanup_free_ char *text = NULL;

		if (!is_missing(&services[i]))
			continue;
		text = service_complaint(&services[i]);
		log_error("%s", text ? text : services[i].unit);
		code = EXIT_DIFFERS;
	}
	return code;
}

static int run_status(struct service *services, const struct config *config, const struct options *options) {
	int r;

	services_look(services, config, deadline_after(STATUS_LIMIT));
	(void)bus_complaint(services); /* what answers and what does not can be told all the same */
	if (options->check)
		return complain(services);
	r = str_equal(options->format, "json") ? report_json(services, config) : report_text(services, config);
	if (r < 0) {
		log_error("cannot print the status: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	for (size_t i = 0; i < service_kind_count; i++)
		if (is_missing(&services[i]))
			return EXIT_DIFFERS;
	return EXIT_OK;
}

static int run_dry(struct service *services, const struct config *config) {
	static const char *const words[] = {
	    [SERVICE_LEAVE] = "would wait for",    [SERVICE_START] = "would start",
	    [SERVICE_RESTART] = "would restart",   [SERVICE_MISSING] = "would miss",
	    [SERVICE_MASKED] = "would be refused",
	};
	int code = EXIT_OK;

	services_look(services, config, deadline_after(STATUS_LIMIT));
	printf("%s is a %s\n", config->node, config->is_coordinator ? "coordinator" : "hypervisor");
	for (size_t i = 0; i < service_kind_count; i++) {
		struct service *s = &services[i];

		if (!s->wanted)
			continue;
		printf("%s %s (%s)\n", s->answers ? "nothing to do for" : words[service_decide(&s->state, s->answers)],
		       s->unit,
		       s->answers        ? s->detail
		       : s->state.active ? s->state.active
					 : "state unknown");
		if (!s->state.active && !s->answers)
			code = EXIT_UNAVAILABLE;
	}
	if (code != EXIT_OK)
		(void)bus_complaint(services);
	return code;
}

static int run_start(struct service *services, const struct config *config, usec_t deadline) {
	int code = EXIT_OK;

	log_info("%s is a %s", config->node, config->is_coordinator ? "coordinator" : "hypervisor");
	if (services_start(services, config, deadline) == 0)
		return EXIT_OK;
	for (size_t i = 0; i < service_kind_count; i++) {
		const struct service *s = &services[i];

		if (!s->failure)
			continue;
		log_error("%s", s->failure_text ? s->failure_text : s->unit);
		if (s->failure == -ECONNREFUSED)
			code = EXIT_UNAVAILABLE;
		else if (s->failure == -EACCES)
			code = EXIT_PERMISSION;
		else if (code == EXIT_OK)
			code = EXIT_FAILED;
	}
	if (code == EXIT_UNAVAILABLE)
		(void)bus_complaint(services);
	return code == EXIT_OK ? EXIT_SYSTEM : code; /* failed without a failed service: out of memory */
}

static int usage(const char *what, const char *word) {
	fprintf(stderr, "pvc-coordinator: unknown %s '%s'; try 'pvc-coordinator --help'\n", what, word);
	return EXIT_USAGE;
}

int main(int argc, char **argv) {
	struct options o = {.format = "text", .timeout = TIMEOUT_DEFAULT};
	const struct cli_option table[] = {
	    CLI_COMMON(o.config_path, o.debug),
	    CLI_ONE_SHOT(o.dry_run, o.check),
	    {"timeout", 't', CLI_NUMBER, &o.timeout, "SECONDS", "how long to wait for all services (default: 90)", 1,
	     86400},
	    {"format", 'f', CLI_TEXT, &o.format, "FORMAT", "of status: text (default) or json", 0, 0},
	};
	const struct cli cli = {.name = "pvc-coordinator",
				.synopsis = "[start|status]",
				.summary = "Start the services that this node needs and wait until each answers.",
				.details = details,
				.options = table,
				.option_count = ARRAY_SIZE(table),
				.max_arguments = 1};
	_cleanup_config_ struct config *config = NULL;
	_cleanup_(services_freep) struct service *services = NULL;
	int count, code;
	char **arguments = cli_parse(&cli, argc, argv, &count);
	const char *command = count > 0 ? arguments[0] : "start";
	bool reports = o.check || str_equal(command, "status");

	if (!str_equal(command, "start") && !str_equal(command, "status"))
		return usage("command", command);
	if (!str_equal(o.format, "text") && !str_equal(o.format, "json"))
		return usage("format", o.format);
	code = log_start(cli.name, o.config_path, o.debug,
			 reports || o.dry_run ? LOG_START_TERMINAL : LOG_START_ONE_SHOT, &config);
	if (code != EXIT_OK)
		return code;
	if (services_new(config, &services) < 0) {
		log_error("out of memory");
		return EXIT_SYSTEM;
	}
	if (reports)
		return run_status(services, config, &o);
	if (o.dry_run)
		return run_dry(services, config);
	return run_start(services, config, deadline_after(o.timeout * USEC_PER_SEC));
}
