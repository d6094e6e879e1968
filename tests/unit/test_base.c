/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "base/base.h"

static void numbers_are_decimal_and_bounded(void **state) {
	uint64_t v = 7;

	(void)state;
	assert_int_equal(parse_u64("0", 0, 10, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(parse_u64("11", 0, 10, &v), -ERANGE);
	assert_int_equal(parse_u64("", 0, 10, &v), -EINVAL);
	assert_int_equal(parse_u64("-1", 0, 10, &v), -EINVAL);
	assert_int_equal(parse_u64(" 1", 0, 10, &v), -EINVAL);
	assert_int_equal(parse_u64("1x", 0, 10, &v), -EINVAL);
	assert_int_equal(parse_u64(NULL, 0, 10, &v), -EINVAL);
	assert_true(v == UINT64_MAX); /* untouched by failures */
}

static void booleans_take_the_words_of_strtobool(void **state) {
	static const char *const words[] = {"y", "Yes", "t", "TRUE", "on", "1", "n", "no", "F", "false", "OFF", "0"};
	bool b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		assert_int_equal(parse_bool(words[i], &b), 0);
		assert_int_equal(b, i < 6);
	}
	assert_int_equal(parse_bool("", &b), -EINVAL);
	assert_int_equal(parse_bool("maybe", &b), -EINVAL);
	assert_int_equal(parse_bool(NULL, &b), -EINVAL);
}

static void absent_has_the_spellings_of_the_reference(void **state) {
	(void)state;
	assert_true(str_is_absent(NULL));
	assert_true(str_is_absent(""));
	assert_true(str_is_absent("None"));
	assert_true(str_is_absent("none"));
	assert_false(str_is_absent("no"));
}

static void foreign_text_is_made_printable(void **state) {
	_cleanup_free_ char *a = str_printable("a\nb\033[1m\xff\xc3\xa9\xed\xa0\x80", 100);
	_cleanup_free_ char *b = str_printable("0123456789", 4);

	(void)state;
	assert_string_equal(a, "a?b?[1m?\xc3\xa9???");
	assert_string_equal(b, "0123...");
}

static void lists_split_join_and_sort(void **state) {
	_cleanup_strlist_ struct strlist list = {0};
	_cleanup_free_ char *joined = NULL;

	(void)state;
	assert_int_equal(strlist_split(&list, ",b,, a,c", ", "), 0);
	assert_int_equal(list.count, 3);
	assert_null(list.items[3]);
	strlist_sort(&list);
	joined = strlist_join(&list, "-");
	assert_string_equal(joined, "a-b-c");
	assert_true(strlist_contains(&list, "b"));
	assert_false(strlist_contains(&list, "d"));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(strlist_addf(&list, "%d", i), 0);
	assert_int_equal(list.count, 1003);
	assert_string_equal(list.items[1002], "999");
	assert_null(list.items[1003]);
}

static void prefixes_parse_strictly(void **state) {
	static const char *const bad[] = {"10.0.0.1",    "10.0.0.1/33", "10.0.0.1/", "10.0.0.256/8", "fe80::1/129",
					  "10.0.0.1/-1", "x/8",         "",          "10.0.0.1/0008"};
	struct ip_prefix ip;
	char text[IP_PREFIX_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ip_prefix_parse(bad[i], false, &ip), -EINVAL);
	assert_int_equal(ip_prefix_parse("10.0.0.1/24", false, &ip), 0);
	ip_prefix_format(&ip, true, text);
	assert_string_equal(text, "10.0.0.1/24");
	assert_int_equal(ip_prefix_parse("2001:db8::1", true, &ip), 0);
	ip_prefix_format(&ip, true, text);
	assert_string_equal(text, "2001:db8::1/128");
}

static void nth_host_is_computed_inside_the_network(void **state) {
	struct ip_prefix net, ip;
	char text[IP_PREFIX_TEXT];

	(void)state;
	assert_int_equal(ip_prefix_parse("10.0.0.77/24", false, &net), 0);
	assert_int_equal(ip_prefix_nth(&net, 3, &ip), 0);
	ip_prefix_format(&ip, true, text);
	assert_string_equal(text, "10.0.0.3/24");
	assert_true(ip_prefix_contains(&net, &ip));
	assert_int_equal(ip_prefix_nth(&net, 0, &ip), -ERANGE);
	assert_int_equal(ip_prefix_nth(&net, 255, &ip), -ERANGE);
	assert_int_equal(ip_prefix_nth(&net, 256, &ip), -ERANGE);
	/* a network of 2^32 hosts is not enumerated (D88) */
	assert_int_equal(ip_prefix_parse("2001:db8::/64", false, &net), 0);
	assert_int_equal(ip_prefix_nth(&net, 0x12345678, &ip), 0);
	ip_prefix_format(&ip, false, text);
	assert_string_equal(text, "2001:db8::1234:5678");
}

static void a_deadline_of_never_stays_never(void **state) {
	(void)state;
	assert_true(deadline_after(DEADLINE_NEVER) == DEADLINE_NEVER);
	assert_true(deadline_left(DEADLINE_NEVER) == DEADLINE_NEVER);
	assert_int_equal(deadline_left(now_monotonic()), 0);
	assert_int_equal(deadline_poll_ms(DEADLINE_NEVER), -1);
}

static void files_are_replaced_whole(void **state) {
	char dir[] = "/tmp/pvc-test-XXXXXX";
	_cleanup_free_ char *path = NULL, *deep = NULL, *text = NULL;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	deep = str_printf("%s/a/b/c", dir);
	assert_int_equal(dir_make(deep, 0755), 0);
	assert_int_equal(dir_make(deep, 0755), 0);
	path = str_printf("%s/file", deep);
	assert_int_equal(file_write_atomic(path, "one", 3, 0600), 0);
	assert_int_equal(file_write_atomic(path, "two!", 4, 0600), 0);
	assert_int_equal(file_read(path, 100, &text, &n), 0);
	assert_string_equal(text, "two!");
	assert_int_equal(n, 4);
	assert_int_equal(file_read(path, 3, &text, &n), -EFBIG);
	assert_int_equal(file_read("/nonexistent", 3, &text, &n), -ENOENT);
	assert_int_equal(dir_make(path, 0755), -ENOTDIR);
	(void)unlink(path);
}

static void children_return_what_they_wrote_and_their_status(void **state) {
	_cleanup_run_result_ struct run_result r = {0};

	(void)state;
	assert_int_equal(run_command((const char *const[]){"sh", "-c", "cat; echo no >&2; exit 3", NULL}, "input",
				     deadline_after(60 * USEC_PER_SEC), &r),
			 0);
	assert_int_equal(r.status, 3);
	assert_string_equal(r.output, "input");
	assert_string_equal(r.error, "no\n");
}

static void a_missing_program_is_an_error_not_an_exception(void **state) { /* D87 */
	struct run_result r = {0};

	(void)state;
	assert_int_equal(run_command((const char *const[]){"/nonexistent/tool", NULL}, NULL, DEADLINE_NEVER, &r),
			 -ENOENT);
}

static void a_child_that_hangs_ends_at_the_deadline(void **state) {
	struct run_result r = {0};
	usec_t begin = now_monotonic();

	(void)state;
	assert_int_equal(run_command((const char *const[]){"sh", "-c", "cat /dev/zero | cat >/dev/null", NULL}, NULL,
				     deadline_after(200 * USEC_PER_MSEC), &r),
			 -ETIMEDOUT);
	assert_true(now_monotonic() - begin >= 200 * USEC_PER_MSEC);
}

static void a_child_that_ignores_its_input_kills_nobody(void **state) {
	_cleanup_run_result_ struct run_result r = {0};
	_cleanup_free_ char *much = malloc(1000001);

	(void)state;
	memset(much, 'x', 1000000);
	much[1000000] = '\0';
	assert_int_equal(run_command((const char *const[]){"true", NULL}, much, deadline_after(60 * USEC_PER_SEC), &r),
			 0);
	assert_int_equal(r.status, 0);
}

static void a_child_that_is_called_off_ends_and_a_secret_reaches_it_by_its_environment(void **state) {
	const char *const sleeper[] = {"sh", "-c", "cat /dev/zero | cat >/dev/null", NULL};
	const char *const teller[] = {"sh", "-c", "echo $SECRET $LC_ALL; echo $HOME | wc -l", NULL};
	const char *const environment[] = {"SECRET=word", NULL};
	_cleanup_run_result_ struct run_result r = {0};
	atomic_bool abandon = true;

	(void)state;
	assert_int_equal(
	    run_command_with(sleeper, &(struct run_options){.deadline = DEADLINE_NEVER, .abandon = &abandon}, &r),
	    -ECANCELED);
	atomic_store(&abandon, false);
	assert_int_equal(run_command_with(teller,
					  &(struct run_options){.environment = environment,
								.deadline = deadline_after(60 * USEC_PER_SEC),
								.abandon = &abandon},
					  &r),
			 0);
	assert_string_equal(r.output, "word C\n1\n");
}

static void nothing_is_started_that_was_called_off_or_is_late(void **state) {
	char path[] = "/tmp/pvc-test-run-XXXXXX";
	int fd = mkstemp(path);
	const char *const marker[] = {"rm", path, NULL};
	_cleanup_run_result_ struct run_result r = {0};
	atomic_bool abandon = true;

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	/* often: a child that is started and killed wins that race now and then */
	for (int i = 0; i < 50; i++) {
		assert_int_equal(
		    run_command_with(marker, &(struct run_options){.deadline = DEADLINE_NEVER, .abandon = &abandon},
				     &r),
		    -ECANCELED);
		assert_int_equal(run_command(marker, NULL, 1, &r), -ETIMEDOUT);
	}
	assert_int_equal(access(path, F_OK), 0);
	(void)unlink(path);
}

static void what_a_grandchild_keeps_open_delays_nothing(void **state) {
	usec_t before = now_monotonic();
	_cleanup_run_result_ struct run_result r = {0};

	(void)state;
	/* the child is gone while much of what it wrote is still to be read */
	assert_int_equal(
	    run_command(
		(const char *const[]){"sh", "-c", "sleep 30 & head -c 60000 /dev/zero | tr '\\0' x; exit 2", NULL},
		NULL, deadline_after(20 * USEC_PER_SEC), &r),
	    0);
	assert_int_equal(r.status, 2);
	assert_int_equal(strlen(r.output), 60000);
	assert_true(now_monotonic() - before < 15 * USEC_PER_SEC);
}

static void output_bytes_survive_as_they_are_and_are_bounded(void **state) { /* D87 */
	_cleanup_run_result_ struct run_result r = {0};

	(void)state;
	assert_int_equal(
	    run_command((const char *const[]){"sh", "-c",
					      "printf '\\377\\303\\251'; head -c 1000000 /dev/zero | tr '\\0' x", NULL},
			NULL, deadline_after(60 * USEC_PER_SEC), &r),
	    0);
	assert_memory_equal(r.output, "\377\303\251xxx", 6);
	assert_int_equal(strlen(r.output), RUN_OUTPUT_MAX);
}

static void error_texts_replace_each_other(void **state) {
	char *e = NULL;

	(void)state;
	assert_int_equal(error_set(&e, -EIO, "first"), -EIO);
	assert_int_equal(error_set(&e, -EIO, "second after %s", e), -EIO);
	assert_string_equal(e, "second after first");
	free(e);
	assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_started_that_was_called_off_or_is_late),
	    cmocka_unit_test(what_a_grandchild_keeps_open_delays_nothing),
	    cmocka_unit_test(numbers_are_decimal_and_bounded),
	    cmocka_unit_test(booleans_take_the_words_of_strtobool),
	    cmocka_unit_test(absent_has_the_spellings_of_the_reference),
	    cmocka_unit_test(foreign_text_is_made_printable),
	    cmocka_unit_test(lists_split_join_and_sort),
	    cmocka_unit_test(prefixes_parse_strictly),
	    cmocka_unit_test(nth_host_is_computed_inside_the_network),
	    cmocka_unit_test(a_deadline_of_never_stays_never),
	    cmocka_unit_test(files_are_replaced_whole),
	    cmocka_unit_test(children_return_what_they_wrote_and_their_status),
	    cmocka_unit_test(a_missing_program_is_an_error_not_an_exception),
	    cmocka_unit_test(a_child_that_hangs_ends_at_the_deadline),
	    cmocka_unit_test(a_child_that_ignores_its_input_kills_nobody),
	    cmocka_unit_test(a_child_that_is_called_off_ends_and_a_secret_reaches_it_by_its_environment),
	    cmocka_unit_test(output_bytes_survive_as_they_are_and_are_bounded),
	    cmocka_unit_test(error_texts_replace_each_other),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
