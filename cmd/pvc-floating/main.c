/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-floating: the floating addresses, on the primary coordinator. */
#include "floating.h"
#include "log/log.h"

static const char details[] =
    "Runs in the foreground until SIGTERM, which removes the addresses. They answer on this host from the start on:\n"
    "run it on the primary coordinator alone, where pvc-primary.target does.\n"
    "\n"
    "Exit status: 0 ended by a signal, or nothing to do; 1 --dry-run: a bridge is missing; 2 --check found\n"
    "differences; 64 usage, 71 system error, 77 not allowed, 78 configuration. See pvc(7).\n";

static void on_stop(struct loop *loop, void *userdata) {
	struct floating *floating = userdata;
	int r;

	floating->stopping = true;
	r = floating_release(floating); /* before anything else, which may take its time */
	loop_stopping(loop);
	if (r >= 0)
		log_system("the floating addresses of this node are away");
	loop_exit(loop, r < 0 ? EXIT_SYSTEM : EXIT_OK);
}

static void on_reload(struct loop *loop, void *userdata) {
	int r = log_reopen();

	(void)loop;
	(void)userdata;
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

static int serve(struct floating *floating) {
	const struct loop_options options = {.on_stop = on_stop, .on_reload = on_reload, .userdata = floating};
	_cleanup_loop_ struct loop *loop = NULL;
	int r = loop_new(&loop, &options);

	if (r < 0) {
		log_error("cannot make an event loop: %s", strerror(-r));
		return EXIT_SYSTEM;
	}
	floating->loop = loop;
	if (!floating->config->enable_networking) {
		log_system("functions.enable_networking is off: there are no floating addresses on this node");
		loop_ready(loop, "no networking");
		return EXIT_OK;
	}
	r = keep_start(floating);
	if (r >= 0 && floating->first_error == -EPERM) {
		keep_stop(floating);
		return EXIT_PERMISSION;
	}
	if (r >= 0) {
		loop_ready(loop, NULL);
		log_system("this node has the floating addresses of the cluster");
		r = publish_start(floating);
	}
	if (r >= 0)
		r = loop_run(loop);
	else
		(void)floating_release(floating); /* named in the log; the next one finds the note */
	publish_stop(floating);
	keep_stop(floating);
	return r < 0 ? EXIT_SYSTEM : r;
}

enum mode { SERVE, RELEASE, CHECK, DRY_RUN };

/* config: NULL only for a release, whose note then tells what to remove. */
static int run(const struct config *config, const char *directory, bool release, enum mode mode) {
	struct floating floating = {.config = config, .announcer = -1};
	int r, code;

	if (config)
		floating_wanted(config, &floating.wanted);
	r = floating_open(&floating, directory);
	if (r < 0)
		code = EXIT_SYSTEM;
	else if (mode == CHECK)
		code = report_check(&floating, release);
	else if (mode == DRY_RUN)
		code = report_dry(&floating, release);
	else if (mode == RELEASE)
		code = (r = floating_release(&floating)) < 0 ? exit_code_of(r) : EXIT_OK;
	else
		code = serve(&floating);
	floating_close(&floating);
	return code;
}

int main(int argc, char **argv) {
	const char *path = NULL, *directory;
	bool debug = false, dry_run = false, check = false, release = false;
	const struct cli_option options[] = {
	    CLI_COMMON(path, debug),
	    CLI_ONE_SHOT(dry_run, check),
	    {"release", 0, CLI_FLAG, &release, NULL, "only remove the addresses, also those that a killed one left", 0,
	     0},
	};
	const struct cli cli = {"pvc-floating",
				"",
				"Floating addresses of the cluster, on the primary coordinator.",
				details,
				options,
				ARRAY_SIZE(options),
				0,
				0};
	_cleanup_config_ struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	enum mode mode;
	int count, r;

	(void)cli_parse(&cli, argc, argv, &count);
	mode = check ? CHECK : dry_run ? DRY_RUN : release ? RELEASE : SERVE;
	r = log_start(cli.name, path, debug,
		      mode == SERVE || mode == RELEASE ? LOG_START_CONFIGURED : LOG_START_TERMINAL, &config);
	directory = config ? config->dynamic_directory : getenv("RUNTIME_DIRECTORY");
	if (r != EXIT_OK && (mode != RELEASE || !directory))
		return r;
	if (r != EXIT_OK) /* an address must not stay behind because the configuration was broken meanwhile */
		log_warning("removing what is noted in %s/floating without the configuration", directory);
	else if (mode == SERVE && config_make_directories(config, &error) < 0)
		log_warning("%s", error ? error : "cannot make directories");
	r = run(config, directory, release, mode);
	log_close();
	return r;
}
