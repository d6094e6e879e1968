/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log as an operator finds it: each test runs a child whose standard streams and log directory are files, and reads
 * them afterwards. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "config/config.h"
#include "log/log.h"

static char *directory;

static char *below(const char *name) {
	char *path = str_printf("%s/%s", directory, name);

	assert_non_null(path);
	return path;
}

static char *contents(const char *name) {
	_cleanup_free_ char *path = below(name);
	char *text = NULL;

	if (file_read(path, 64u << 20, &text, NULL) < 0)
		return strdup("");
	return text;
}

static int make_directory(void **state) {
	char template[] = "/tmp/pvc-test-XXXXXX";

	(void)state;
	directory = mkdtemp(template) ? strdup(template) : NULL;
	return directory ? 0 : -1;
}

static int remove_directory(void **state) {
	_cleanup_run_result_ struct run_result result = {0};

	(void)state;
	(void)run_command((const char *const[]){"rm", "-rf", directory, NULL}, NULL, DEADLINE_NEVER, &result);
	free(directory);
	return 0;
}

static struct config settings(bool file, bool stdout_too, bool colours, bool dates) {
	return (struct config){.log_directory = below("log"),
			       .file_logging = file,
			       .stdout_logging = stdout_too,
			       .log_colours = colours,
			       .log_dates = dates,
			       .log_keepalives = true};
}

/* Runs body() in a child with its standard streams in the files out and err; the child must end with 0. */
static void in_child(void (*body)(struct config *), struct config config) {
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		_cleanup_free_ char *out = below("out"), *err = below("err");
		int o = open(out, O_WRONLY | O_CREAT | O_APPEND, 0600),
		    e = open(err, O_WRONLY | O_CREAT | O_APPEND, 0600);

		if (o < 0 || e < 0 || dup2(o, 1) < 0 || dup2(e, 2) < 0)
			_exit(99);
		(void)unsetenv("JOURNAL_STREAM");
		log_init("pvc-test", false);
		body(&config);
		log_close();
		_exit(0);
	}
	free(config.log_directory);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void check(bool truth, int code) {
	if (!truth)
		_exit(code);
}

static void every_level(void) {
	log_error("one");
	log_warning("two");
	log_ok("three");
	log_info("four");
	log_system("five");
	log_tick("six");
	log_debug("seven");
}

static void say_without_config(struct config *config) {
	(void)config;
	every_level();
}

static void before_a_configuration_lines_go_to_standard_error(void **state) {
	_cleanup_free_ char *out = NULL, *err = NULL;

	(void)state;
	in_child(say_without_config, settings(true, true, true, true));
	out = contents("out");
	err = contents("err");
	assert_string_equal(out, "");
	assert_string_equal(err,
			    "pvc-test: failed: one\npvc-test: warning: two\npvc-test: ok: three\npvc-test: info: four\n"
			    "pvc-test: system: five\npvc-test: tick: six\n");
}

static void open_and_say(struct config *config) {
	check(log_open(config) == 0, 10);
	every_level();
}

static void d84_without_colours_every_level_is_plain_text(void **state) {
	_cleanup_free_ char *out = NULL, *file = NULL, *err = NULL;

	(void)state;
	in_child(open_and_say, settings(true, true, false, false));
	out = contents("out");
	file = contents("log/pvc.log");
	err = contents("err");
	assert_string_equal(out,
			    "pvc-test: failed: one\npvc-test: warning: two\npvc-test: ok: three\npvc-test: info: four\n"
			    "pvc-test: system: five\npvc-test: tick: six\n");
	assert_string_equal(file, out);
	assert_string_equal(err, "");
}

static void colours_and_dates_are_there_when_configured(void **state) {
	_cleanup_free_ char *out = NULL, *file = NULL;
	int year, month, day, hour, minute, second, micro, end = 0;

	(void)state;
	in_child(open_and_say, settings(true, true, true, true));
	out = contents("out");
	file = contents("log/pvc.log");
	assert_non_null(strstr(out, " pvc-test: \033[91mfailed:\033[0m one\n"));
	assert_non_null(strstr(file, " pvc-test: \033[95mtick:\033[0m six\n"));
	assert_int_equal(sscanf(out, "%4d/%2d/%2d %2d:%2d:%2d.%6d pvc-test: %n", &year, &month, &day, &hour, &minute,
				&second, &micro, &end),
			 7);
	assert_true(end > 0 && year >= 2024);
}

static void only_the_outputs_that_are_configured_are_written(void **state) {
	_cleanup_free_ char *out = NULL, *file = NULL, *err = NULL;

	(void)state;
	in_child(open_and_say, settings(true, false, false, false));
	out = contents("out");
	err = contents("err");
	file = contents("log/pvc.log");
	assert_string_equal(out, "");
	assert_string_equal(err, "");
	assert_non_null(strstr(file, "pvc-test: ok: three\n"));
}

static void with_every_output_off_failures_still_come_on_standard_error(void **state) {
	_cleanup_free_ char *out = NULL, *err = NULL;

	(void)state;
	in_child(open_and_say, settings(false, false, false, false));
	out = contents("out");
	err = contents("err");
	assert_string_equal(out, "");
	assert_string_equal(err, "pvc-test: failed: one\npvc-test: warning: two\n");
}

static void say_levels_quietly(struct config *config) {
	config->log_keepalives = false;
	check(log_open(config) == 0, 10);
	every_level();
	config->debug = true;
	check(log_open(config) == 0, 11);
	log_debug("eight");
}

static void heartbeats_and_debug_lines_are_said_when_asked_for(void **state) {
	_cleanup_free_ char *out = NULL;

	(void)state;
	in_child(say_levels_quietly, settings(false, true, false, false));
	out = contents("out");
	assert_null(strstr(out, "six"));
	assert_null(strstr(out, "seven"));
	assert_non_null(strstr(out, "pvc-test: debug: eight\n"));
}

static void say_foreign_text(struct config *config) {
	check(log_open(config) == 0, 10);
	log_info("vm '%s'", "a\033[2J\r\x07\xff\tz");
	log_info("vm '%s'", "b\n2026/01/01 00:00:00.000000 pvc-keepalive: ok: all is well");
	log_info("%s", "");
	log_info("%0100000d", 7);
}

static void foreign_text_cannot_forge_or_break_lines(void **state) {
	_cleanup_free_ char *file = NULL;

	(void)state;
	in_child(say_foreign_text, settings(true, false, false, false));
	file = contents("log/pvc.log");
	assert_non_null(strstr(file, "pvc-test: info: vm 'a?[2J????z'\n"));
	assert_non_null(strstr(file, "pvc-test: info: vm 'b\npvc-test: info:   2026/01/01"));
	assert_non_null(strstr(file, "\npvc-test: info: \n"));
	assert_non_null(strstr(file, "000...\n"));
	assert_true(strlen(file) < 20000);
}

static void rotate(struct config *config) {
	_cleanup_free_ char *now = below("log/pvc.log"), *old = below("log/pvc.log.1");

	check(log_open(config) == 0, 10);
	log_info("before");
	check(rename(now, old) == 0, 11);
	log_info("between");
	check(log_reopen() == 0, 12);
	log_info("after");
	/* again, with a directory that does not take a file: the old one stays */
	check(unlink(now) == 0, 13);
	check(mkdir(now, 0700) == 0, 14);
	check(log_reopen() == -EISDIR, 15);
	check(rmdir(now) == 0, 16);
	check(log_reopen() == 0, 17);
	log_info("at last");
}

static void d83_reopening_follows_a_rotation_and_loses_no_line(void **state) {
	_cleanup_free_ char *now = NULL, *old = NULL;

	(void)state;
	in_child(rotate, settings(true, false, false, false));
	old = contents("log/pvc.log.1");
	now = contents("log/pvc.log");
	assert_string_equal(old, "pvc-test: info: before\npvc-test: info: between\n");
	assert_string_equal(now, "pvc-test: info: at last\n");
}

static void say_without_directory(struct config *config) {
	check(log_open(config) == -ENOTDIR, 10);
	every_level();
	check(log_reopen() == -ENOTDIR, 11);
	log_ok("still here");
}

static void a_log_directory_that_cannot_be_made_stops_nobody(void **state) {
	_cleanup_free_ char *file = below("log"), *out = NULL;

	(void)state;
	assert_int_equal(file_write_atomic(file, "", 0, 0600), 0);
	in_child(say_without_directory, settings(true, true, false, false));
	out = contents("out");
	assert_non_null(strstr(out, "pvc-test: failed: one\n"));
	assert_non_null(strstr(out, "pvc-test: ok: still here\n"));
}

static void say_on_a_full_disk(struct config *config) {
	struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	/* a limit on file sizes stands in for a full disk: write() is refused or cut short, as there */
	check(sigaction(SIGXFSZ, &ignore, NULL) == 0, 10);
	check(log_open(config) == 0, 11);
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0, 12);
	for (int i = 0; i < 50; i++)
		log_info("line %d", i);
	log_error("told elsewhere");
	limit.rlim_cur = RLIM_INFINITY;
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0, 13);
	log_info("space again");
}

static void a_full_disk_stops_nobody_and_is_told_afterwards(void **state) {
	_cleanup_free_ char *file = NULL, *err = NULL;

	(void)state;
	in_child(say_on_a_full_disk, settings(true, false, false, false));
	file = contents("log/pvc.log");
	err = contents("err");
	assert_non_null(strstr(file, "pvc-test: info: line 0\n"));
	assert_non_null(strstr(file, "\npvc-test: warning: 47 lines could not be written here\npvc-test: info: space again\n"));
	assert_string_equal(err, "pvc-test: failed: told elsewhere\n");
}

static void say_to_closed_streams(struct config *config) {
	check(log_open(config) == 0, 10);
	(void)close(1);
	(void)close(2);
	every_level();
}

static void closed_standard_streams_stop_nobody(void **state) {
	_cleanup_free_ char *file = NULL;

	(void)state;
	in_child(say_to_closed_streams, settings(true, true, false, false));
	file = contents("log/pvc.log");
	assert_non_null(strstr(file, "pvc-test: tick: six\n"));
}

static void say_to_journal(struct config *config) {
	char stream[64];
	struct stat st;

	check(fstat(1, &st) == 0, 10);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	check(setenv("JOURNAL_STREAM", stream, 1) == 0, 11);
	log_error("to standard error, which is not the journal");
	check(log_open(config) == 0, 12);
	every_level();
}

static void the_journal_gets_priorities_and_neither_dates_nor_colours(void **state) {
	_cleanup_free_ char *out = NULL, *file = NULL, *err = NULL;

	(void)state;
	in_child(say_to_journal, settings(true, true, true, true));
	out = contents("out");
	file = contents("log/pvc.log");
	err = contents("err");
	assert_string_equal(out, "<3>failed: one\n<4>warning: two\n<6>ok: three\n<6>info: four\n<5>system: five\n"
				 "<6>tick: six\n");
	assert_non_null(strstr(file, " pvc-test: \033[91mfailed:\033[0m one\n"));
	assert_string_equal(err, "pvc-test: failed: to standard error, which is not the journal\n");
}

#define THREADS 8
#define LINES   500

static void *chatter(void *arg) {
	for (int i = 0; i < LINES; i++)
		log_info("thread %d line %d %s", *(int *)arg, i,
			 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	return NULL;
}

static void many_threads(struct config *config) {
	pthread_t threads[THREADS];
	int numbers[THREADS];

	check(log_open(config) == 0, 10);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		check(pthread_create(&threads[i], NULL, chatter, &numbers[i]) == 0, 11);
	}
	for (int i = 0; i < 20; i++)
		check(log_reopen() == 0, 12);
	for (int i = 0; i < THREADS; i++)
		check(pthread_join(threads[i], NULL) == 0, 13);
}

static void lines_of_many_threads_stay_whole(void **state) {
	_cleanup_free_ char *file = NULL;
	size_t lines = 0;

	(void)state;
	in_child(many_threads, settings(true, false, false, false));
	file = contents("log/pvc.log");
	for (char *rest = file, *line; (line = strsep(&rest, "\n")) && *line; lines++) {
		assert_true(str_starts(line, "pvc-test: info: thread "));
		assert_string_equal(line + strlen(line) - 4, "xxxx");
	}
	assert_int_equal(lines, THREADS * LINES);
}

int main(void) {
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
	    IN_DIRECTORY(before_a_configuration_lines_go_to_standard_error),
	    IN_DIRECTORY(d84_without_colours_every_level_is_plain_text),
	    IN_DIRECTORY(colours_and_dates_are_there_when_configured),
	    IN_DIRECTORY(only_the_outputs_that_are_configured_are_written),
	    IN_DIRECTORY(with_every_output_off_failures_still_come_on_standard_error),
	    IN_DIRECTORY(heartbeats_and_debug_lines_are_said_when_asked_for),
	    IN_DIRECTORY(foreign_text_cannot_forge_or_break_lines),
	    IN_DIRECTORY(d83_reopening_follows_a_rotation_and_loses_no_line),
	    IN_DIRECTORY(a_log_directory_that_cannot_be_made_stops_nobody),
	    IN_DIRECTORY(a_full_disk_stops_nobody_and_is_told_afterwards),
	    IN_DIRECTORY(closed_standard_streams_stop_nobody),
	    IN_DIRECTORY(the_journal_gets_priorities_and_neither_dates_nor_colours),
	    IN_DIRECTORY(lines_of_many_threads_stay_whole),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
