/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "host/host.h"

/* A directory of its own for each test; *state is its path. */
static int make_directory(void **state) {
	char *dir = strdup("/tmp/pvc-test-host-XXXXXX");

	*state = dir;
	return dir && mkdtemp(dir) ? 0 : -1;
}

static int remove_directory(void **state) {
	struct run_result r = {0};
	int result = run_command((const char *const[]){"rm", "-rf", *state, NULL}, NULL, DEADLINE_NEVER, &r);

	run_result_free(&r);
	free(*state);
	return result;
}

static char *written(const char *dir, const char *text) {
	char *path = str_printf("%s/file", dir);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
	return path;
}

static void memory_is_counted_as_psutil_does(void **state) {
	_cleanup_free_ char *path = written(*state, "MemTotal:       16384000 kB\nMemFree:         4096000 kB\n"
						    "MemAvailable:   12000000 kB\nBuffers:          102400 kB\n"
						    "Cached:          2048000 kB\nSwapCached:       999999 kB\n"
						    "SReclaimable:     204800 kB\nSUnreclaim:       99999 kB\n");
	struct host_memory m;

	assert_int_equal(host_memory_read_from(path, &m), 0);
	assert_int_equal(m.total, 16000);
	assert_int_equal(m.free, 4000);
	assert_int_equal(m.used, (16384000 - 4096000 - 102400 - 2048000 - 204800) / 1024);
}

static void memory_whose_parts_exceed_the_total_counts_what_is_not_free(void **state) {
	_cleanup_free_ char *path = written(*state, "MemTotal: 1024000 kB\nMemFree: 512000 kB\nCached: 9999999 kB\n");
	struct host_memory m;

	assert_int_equal(host_memory_read_from(path, &m), 0);
	assert_int_equal(m.used, 500);
	assert_int_equal(m.free, 500);
}

static void memory_more_free_than_there_is_never_wraps(void **state) {
	_cleanup_free_ char *path = written(*state, "MemTotal: 1024 kB\nMemFree: 4096 kB\n");
	struct host_memory m;

	assert_int_equal(host_memory_read_from(path, &m), 0);
	assert_int_equal(m.total, 1);
	assert_int_equal(m.free, 1);
	assert_int_equal(m.used, 0);
}

static void memory_files_of_another_form_are_refused(void **state) {
	static const char *const bad[] = {
	    "",
	    "\n\n",
	    "MemTotal: 1024 kB\n",
	    "MemFree: 1024 kB\n",
	    "MemTotal: 0 kB\nMemFree: 0 kB\n",
	    "MemTotal: many kB\nMemFree: 1 kB\n",
	    "MemTotal: -5 kB\nMemFree: 1 kB\n",
	    "MemTotal:\nMemFree: 1 kB\n",
	    "MemTotal: 12x kB\nMemFree: 1 kB\n",
	    "MemTotal: 99999999999999999999999 kB\nMemFree: 1 kB\n",
	    "memtotal: 1024 kB\nmemfree: 1 kB\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *path = written(*state, bad[i]);
		struct host_memory m = {7, 7, 7};

		assert_int_equal(host_memory_read_from(path, &m), -EBADMSG);
		assert_int_equal(m.total, 7); /* untouched */
	}
	struct host_memory m;
	assert_int_equal(host_memory_read_from("/nonexistent", &m), -ENOENT);
}

static void memory_of_this_machine_agrees_with_the_kernel(void **state) {
	struct host_memory m;
	struct sysinfo info;

	(void)state;
	assert_int_equal(host_memory_read(&m), 0);
	assert_int_equal(sysinfo(&info), 0);
	assert_int_equal(m.total, (uint64_t)info.totalram * info.mem_unit / (1024 * 1024));
	assert_true(m.used <= m.total);
	assert_true(m.free <= m.total);
}

static void load_is_the_first_number_as_text(void **state) {
	static const struct {
		const char *text, *load;
	} cases[] = {
	    {"0.42 0.30 0.20 1/234 5678\n", "0.42"},
	    {"123.00 1.00 1.00 1/1 1\n", "123.00"},
	    {"0.00\n", "0.00"},
	    {"", NULL},
	    {"load\n", NULL},
	    {"0,42 0,30\n", NULL},
	    {"-1.00 0.30\n", NULL},
	    {"1.2.3\n", NULL},
	    {"nan\n", NULL},
	    {".5 1\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path = written(*state, cases[i].text), *load = NULL;

		assert_int_equal(host_load_read_from(path, &load), cases[i].load ? 0 : -EBADMSG);
		assert_true(str_equal(load, cases[i].load));
	}
	_cleanup_free_ char *now = NULL;
	assert_int_equal(host_load_read(&now), 0);
}

static void static_data_has_four_words_and_begins_with_the_cpus(void **state) {
	_cleanup_free_ char *text = NULL;
	_cleanup_strlist_ struct strlist words = {0};
	struct utsname name;
	uint64_t cpus;

	(void)state;
	assert_int_equal(host_static_data(&text), 0);
	assert_int_equal(strlist_split(&words, text, " "), 0);
	assert_int_equal(uname(&name), 0);
	assert_int_equal(words.count, 4);
	assert_int_equal(parse_u64(words.items[0], 1, 65536, &cpus), 0);
	assert_string_equal(words.items[1], name.release);
	assert_string_equal(words.items[2], "GNU/Linux");
	assert_string_equal(words.items[3], name.machine);
}

static void status_files_bring_every_value_back_with_its_age(void **state) {
	const struct status_field fields[] = {{"libvirt", "down: no = socket"}, {"count", "12"}, {"running", ""}};
	_cleanup_(status_freep) struct status *status = NULL;
	usec_t age = 0, begin = now_boottime();

	assert_int_equal(status_write(*state, "domains", fields, ARRAY_SIZE(fields)), 0);
	assert_int_equal(status_read(*state, "domains", &status, &age), 0);
	assert_true(age <= now_boottime() - begin);
	assert_string_equal(status_get(status, "libvirt"), "down: no = socket");
	assert_string_equal(status_get(status, "count"), "12");
	assert_string_equal(status_get(status, "running"), "");
	assert_null(status_get(status, "memalloc"));
}

static void status_files_are_replaced_whole(void **state) {
	const struct status_field first[] = {{"a", "1"}, {"b", "2"}}, second[] = {{"b", "3"}};
	_cleanup_(status_freep) struct status *status = NULL;

	assert_int_equal(status_write(*state, "x", first, 2), 0);
	assert_int_equal(status_write(*state, "x", second, 1), 0);
	assert_int_equal(status_read(*state, "x", &status, NULL), 0);
	assert_null(status_get(status, "a"));
	assert_string_equal(status_get(status, "b"), "3");
}

static void a_status_that_would_break_the_file_is_refused(void **state) {
	const struct status_field bad[] = {{"a", "1\nb=2"}, {"a=b", "1"}, {"", "1"}, {NULL, "1"}, {"a", NULL}};
	struct status *status;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(status_write(*state, "x", &bad[i], 1), -EINVAL);
	assert_int_equal(status_read(*state, "x", &status, NULL), -ENOENT);
}

/* Writes DIR/status/x as `text` with the present boot for @B and the present time plus `later` for @T. */
static void write_raw(const char *dir, const char *format, usec_t later) {
	_cleanup_free_ char *boot = NULL, *directory = str_printf("%s/status", dir);
	_cleanup_free_ char *path = str_printf("%s/status/x", dir);
	_cleanup_strbuf_ struct strbuf text = {0};

	assert_int_equal(host_boot_id(&boot), 0);
	assert_int_equal(dir_make(directory, 0755), 0);
	for (const char *p = format; *p; p++) {
		int r;

		if (str_starts(p, "@B"))
			r = strbuf_puts(&text, boot);
		else if (str_starts(p, "@T"))
			r = strbuf_addf(&text, "%llu", (unsigned long long)(now_boottime() + later));
		else
			r = strbuf_add(&text, p, 1);
		assert_int_equal(r, 0);
		if (str_starts(p, "@B") || str_starts(p, "@T"))
			p++;
	}
	assert_int_equal(file_write_atomic(path, text.data ? text.data : "", text.length, 0644), 0);
}

static void the_age_is_counted_from_the_stamp(void **state) {
	_cleanup_(status_freep) struct status *status = NULL;
	usec_t age;

	write_raw(*state, "boot=@B\nstamp=1\nk=v\n", 0);
	assert_int_equal(status_read(*state, "x", &status, &age), 0);
	assert_true(age <= now_boottime() - 1);
	assert_true(age + 60 * USEC_PER_SEC > now_boottime());
}

static void a_status_of_another_boot_is_none(void **state) {
	struct status *status;

	write_raw(*state, "boot=00000000-0000-0000-0000-000000000000\nstamp=@T\nk=v\n", 0);
	assert_int_equal(status_read(*state, "x", &status, NULL), -ENOENT);
	write_raw(*state, "boot=@B\nstamp=@T\nk=v\n", 3600 * USEC_PER_SEC); /* the future: stamped before a reboot */
	assert_int_equal(status_read(*state, "x", &status, NULL), -ENOENT);
}

static void a_damaged_status_is_refused(void **state) {
	static const char *const bad[] = {"",
					  "\n",
					  "boot=@B\n",
					  "stamp=@T\n",
					  "boot=@B\nstamp=soon\n",
					  "boot=@B",
					  "no key",
					  "boot=@B\nstamp=@T\nhalf",
					  "boot=@B\nstamp=@T\nhalf\n"};
	struct status *status;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_raw(*state, bad[i], 0);
		assert_int_equal(status_read(*state, "x", &status, NULL), -EBADMSG);
	}
}

static void without_a_system_bus_the_error_says_what_is_missing(void **state) {
	_cleanup_free_ char *error = NULL, *active = NULL, *load = NULL;

	(void)state;
	assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1), 0);
	assert_int_equal(host_unit_start("zookeeper.service", deadline_after(60 * USEC_PER_SEC), &error),
			 -ECONNREFUSED);
	assert_non_null(strstr(error, "cannot start zookeeper.service"));
	assert_non_null(strstr(error, "system bus"));
	assert_int_equal(host_unit_state("zookeeper.service", &active, &load, &error), -ECONNREFUSED);
	assert_null(active);
	assert_int_equal(host_units_run(NULL, 0, DEADLINE_NEVER), 0); /* nothing to do needs no bus */
}

#define IN_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void) {
	const struct CMUnitTest tests[] = {
	    IN_DIRECTORY(memory_is_counted_as_psutil_does),
	    IN_DIRECTORY(memory_whose_parts_exceed_the_total_counts_what_is_not_free),
	    IN_DIRECTORY(memory_more_free_than_there_is_never_wraps),
	    IN_DIRECTORY(memory_files_of_another_form_are_refused),
	    cmocka_unit_test(memory_of_this_machine_agrees_with_the_kernel),
	    IN_DIRECTORY(load_is_the_first_number_as_text),
	    cmocka_unit_test(static_data_has_four_words_and_begins_with_the_cpus),
	    IN_DIRECTORY(status_files_bring_every_value_back_with_its_age),
	    IN_DIRECTORY(status_files_are_replaced_whole),
	    IN_DIRECTORY(a_status_that_would_break_the_file_is_refused),
	    IN_DIRECTORY(the_age_is_counted_from_the_stamp),
	    IN_DIRECTORY(a_status_of_another_boot_is_none),
	    IN_DIRECTORY(a_damaged_status_is_refused),
	    cmocka_unit_test(without_a_system_bus_the_error_says_what_is_missing),
	};
	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
