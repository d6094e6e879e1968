/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-sysctl: reads options and what is, has it planned, writes it and reads it again. */
#include "host/host.h"
#include "log/log.h"
#include "net/net.h"
#include "settings.h"

static int read_value(const char *key, char **ret, void *data) {
	(void)data;
	return host_sysctl_read(key, ret);
}

/* The links with their names, and which have a default route from a router advertisement. */
static int read_links(struct net_links *ret_links, struct settings_link **ret, char **ret_error) {
	_cleanup_net_ struct net *net = NULL;
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_net_routes_ struct net_routes routes = {0};
	_cleanup_free_ struct settings_link *out = NULL;
	int r = net_open(&net, ret_error);

	if (r >= 0)
		r = net_links_read(net, &links, ret_error);
	if (r >= 0)
		r = net_routes_read(net, RT_TABLE_MAIN, &routes, ret_error);
	if (r < 0)
		return r;
	out = calloc(links.count + 1, sizeof(*out));
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < links.count; i++) {
		out[i].name = links.items[i].name;
		for (size_t j = 0; j < routes.count; j++)
			if (routes.items[j].index == links.items[i].index && net_route_is_default(&routes.items[j]) &&
			    routes.items[j].protocol == RTPROT_RA)
				out[i].router_advertised = true;
	}
	*ret_links = links;
	links = (struct net_links){0}; /* the names live in it */
	*ret = move_ptr(out);
	return 0;
}

static int make_plan(const struct config *config, struct settings *ret, char **ret_error) {
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_free_ struct settings_link *names = NULL;
	int r = read_links(&links, &names, ret_error);

	return r < 0 ? r : settings_plan(config, names, links.count, read_value, NULL, ret, ret_error);
}

static int write_setting(const struct setting *s, char **ret_error) {
	_cleanup_free_ char *value = str_printf("%llu", (unsigned long long)s->value), *now = NULL;
	int r = value ? host_sysctl_write(s->key, value) : -ENOMEM;

	if (r == -EROFS || r == -EACCES || r == -EPERM)
		return error_set(ret_error, r,
				 "cannot set %s to %s: it is read-only here (%s); in a container, set it on its host",
				 s->key, value, strerror(-r));
	if (r >= 0)
		r = host_sysctl_read(s->key, &now);
	if (r < 0)
		return error_set(ret_error, r, "cannot set %s to %s: %s", s->key, value ? value : "?", strerror(-r));
	if (!str_equal(now, value))
		return error_set(ret_error, -EIO, "%s was set to %s and is %s", s->key, value, now);
	log_info("%s = %s (was %s), %s", s->key, value, s->now, s->reason);
	return 0;
}

/* Writes all that it can; the result is that of the first failure. */
static int write_all(const struct settings *settings) {
	int result = 0;

	for (size_t i = 0; i < settings->count; i++) {
		_cleanup_free_ char *error = NULL;
		int r = write_setting(&settings->items[i], &error);

		if (r < 0)
			log_error("%s", error ? error : strerror(-r));
		result = result < 0 ? result : r;
	}
	return result;
}

/* Afterwards nothing may be left to plan: one setting may have changed another. */
static int verify(const struct config *config, char **ret_error) {
	_cleanup_settings_ struct settings left = {0};
	int r = make_plan(config, &left, ret_error);

	if (r >= 0 && left.count > 0)
		r = error_set(ret_error, -EIO, "after everything was set, %s is %s again", left.items[0].key,
			      left.items[0].now);
	return r;
}

static int run(const struct config *config, bool check, bool dry_run) {
	_cleanup_settings_ struct settings settings = {0};
	_cleanup_free_ char *error = NULL;
	int r = make_plan(config, &settings, &error);

	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return exit_code_of(r);
	}
	for (size_t i = 0; i < settings.missing.count; i++)
		log_debug("this kernel has no %s: left out", settings.missing.items[i]);
	for (size_t i = 0; (check || dry_run) && i < settings.count; i++)
		printf(check ? "differs: %s is %s, wanted %llu, %s\n" : "would change %s from %s to %llu, %s\n",
		       settings.items[i].key, settings.items[i].now, (unsigned long long)settings.items[i].value,
		       settings.items[i].reason);
	if (check || dry_run)
		return check && settings.count ? EXIT_DIFFERS : EXIT_OK;
	r = write_all(&settings);
	if (r < 0)
		return exit_code_of(r);
	r = verify(config, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return exit_code_of(r);
	}
	log_ok(settings.count ? "the kernel's settings are as wanted"
			      : "the kernel's settings are as wanted: nothing to do");
	return EXIT_OK;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false, dry_run = false, check = false;
	const struct cli_option options[] = {CLI_COMMON(path, debug), CLI_ONE_SHOT(dry_run, check)};
	const struct cli cli = {
	    .name = "pvc-sysctl",
	    .synopsis = "",
	    .summary = "Set the kernel's network settings that a node needs to route for its virtual machines.",
	    .details = "Exit codes: 0 as wanted, 2 --check found differences, 71 the kernel refused a value, 77 not "
		       "allowed,\n78 wrong configuration.\n",
	    .options = options,
	    .option_count = ARRAY_SIZE(options),
	};
	_cleanup_config_ struct config *config = NULL;
	int count, code;

	(void)cli_parse(&cli, argc, argv, &count); /* there are no arguments */
	code = log_start(cli.name, path, debug, dry_run || check ? LOG_START_TERMINAL : LOG_START_ONE_SHOT, &config);
	if (code != EXIT_OK)
		return code;
	if (!config->enable_networking) {
		log_info("functions.enable_networking is off: nothing to do");
		return EXIT_OK;
	}
	return run(config, check, dry_run);
}
