/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../cmd/pvcctl/console.h"
#include "../../cmd/pvcctl/pvcctl.h"
#include "../../cmd/pvcctl/storage.h"

static void every_request_has_a_verdict_for_every_state(void **state) {
	/* one letter a state, in the order of enum vm_state: start restart shutdown stop disable migrate unmigrate
	 * provision fail delete; W wait, R runs, O off, F failed, C changed by others */
	static const char *const expected[REQUEST_COUNT] = {
	    [REQUEST_START] = "RWCCCWWCFC", [REQUEST_RESTART] = "RWCCCWWCFC", [REQUEST_SHUTDOWN] = "CCWOOCCCFC",
	    [REQUEST_STOP] = "CCCOOCCCFC",  [REQUEST_DISABLE] = "CCCCOCCCCC",
	};
	static const char letters[] = "WROFC";

	(void)state;
	for (int r = 0; r < REQUEST_COUNT; r++) {
		for (int s = 0; s < VM_STATE_COUNT; s++)
			assert_int_equal(letters[vm_verdict((enum vm_request)r, (enum vm_state)s)], expected[r][s]);
		assert_int_equal(vm_verdict((enum vm_request)r, VM_STATE_UNKNOWN), VERDICT_CHANGED);
		assert_int_equal(vm_verdict((enum vm_request)r, VM_STATE_COUNT), VERDICT_CHANGED);
	}
}

static void the_tail_of_a_log_is_whole_lines(void **state) {
	(void)state;
	assert_string_equal(console_tail("a\nb\nc\n", 2), "b\nc\n");
	assert_string_equal(console_tail("a\nb\nc", 2), "b\nc");
	assert_string_equal(console_tail("a\nb\nc", 3), "a\nb\nc");
	assert_string_equal(console_tail("a\nb\nc", 99), "a\nb\nc");
	assert_string_equal(console_tail("a\n\n\n", 2), "\n\n");
	assert_string_equal(console_tail("a\n", 0), "");
	assert_string_equal(console_tail("\n", 1), "\n");
	assert_string_equal(console_tail("", 5), "");
}

static void following_prints_only_what_is_new(void **state) {
	static const struct {
		const char *before, *now, *fresh;
		bool gap;
	} rows[] = {
	    {"", "", "", false},
	    {"", "a\n", "a\n", false},
	    {"a\n", "a\nb\n", "b\n", false},
	    {"a\nb\n", "b\nc\n", "c\n", false},          /* the window slid by a line */
	    {"a\nb", "a\nbc\n", "c\n", false},           /* a line was not complete */
	    {"a\nb\n", "a\nb\n", "", false},             /* the same, written again */
	    {"x\nx\nx\n", "x\nx\nx\nx\n", "x\n", false}, /* equal lines */
	    {"a\nb\n", "y\nz\n", "y\nz\n", true},        /* slid past everything */
	    {"a\nb\n", "", "", false},                   /* the log was emptied */
	    {"a\na\nb\n", "a\nb\nc\n", "c\n", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool gap = true;

		assert_string_equal(console_new_part(rows[i].before, rows[i].now, &gap), rows[i].fresh);
		assert_int_equal(gap, rows[i].gap);
	}
}

/* Every window over a numbered log, slid by every distance: all lines come once and in order. */
static void no_line_is_lost_or_doubled_while_the_window_slides(void **state) {
	(void)state;
	for (int size = 1; size < 8; size++)
		for (int step = 1; step <= size; step++) {
			_cleanup_strbuf_ struct strbuf before = {0}, now = {0}, fresh = {0};
			bool gap;

			for (int i = 0; i < size; i++)
				assert_int_equal(strbuf_addf(&before, "line %d\n", i), 0);
			for (int i = step; i < size + step; i++)
				assert_int_equal(strbuf_addf(&now, "line %d\n", i), 0);
			for (int i = size; i < size + step; i++)
				assert_int_equal(strbuf_addf(&fresh, "line %d\n", i), 0);
			assert_string_equal(console_new_part(before.data, now.data, &gap), fresh.data);
			assert_int_equal(gap, step >= size);
		}
}

static void a_guest_cannot_command_the_terminal(void **state) {
	_cleanup_free_ char *text = console_harmless("ok\tyes\n\033]0;title\007\r\xff\n\xc3\xa9");
	_cleanup_free_ char *empty = console_harmless("");

	(void)state;
	assert_string_equal(text, "ok\tyes\n?]0;title???\n\xc3\xa9");
	assert_string_equal(empty, "");
}

static void sizes_are_read_and_written_as_people_do(void **state) {
	static const struct {
		const char *text;
		uint64_t bytes; /* 0: refused */
	} rows[] = {
	    {"10G", 10ull << 30},
	    {"10g", 10ull << 30},
	    {"10GB", 10ull << 30},
	    {"10GiB", 10ull << 30},
	    {"512M", 512ull << 20},
	    {"1.5T", 3ull << 39},
	    {"4096B", 4096},
	    {"1K", 1024},
	    {"1024P", 1ull << 60},
	    {"0.5K", 512},
	    {"", 0},
	    {"10", 0},
	    {"G", 0},
	    {"0G", 0},
	    {"1025P", 0},
	    {"1.2.3G", 0},
	    {".5G", 0},
	    {"-1G", 0},
	    {" 1G", 0},
	    {"1G ", 0},
	    {"1 G", 0},
	    {"1GiBs", 0},
	    {"4096BB", 0},
	    {"1e3G", 0},
	    {"99999999999999999999P", 0},
	};
	static const struct {
		int64_t bytes;
		const char *text;
	} shown[] = {
	    {0, "0B"},
	    {1023, "1023B"},
	    {1024, "1K"},
	    {1536, "1.5K"},
	    {10ll << 30, "10G"},
	    {(10ll << 30) - 1, "9.9G"},
	    {(1ll << 40) + 1, "1.0T"},
	    {1ll << 60, "1024P"},
	    {(700ll << 20) + 1, "700M"},
	    {INT64_MAX & ~0xffffffffffll, "8191P"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = 0;
		int r = size_parse(rows[i].text, &bytes);

		assert_int_equal(r, rows[i].bytes ? 0 : -EINVAL);
		assert_int_equal(bytes, rows[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		_cleanup_free_ char *text = size_text(shown[i].bytes);

		assert_string_equal(text, shown[i].text);
	}
	assert_null(size_text(-1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_request_has_a_verdict_for_every_state),
	    cmocka_unit_test(the_tail_of_a_log_is_whole_lines),
	    cmocka_unit_test(following_prints_only_what_is_new),
	    cmocka_unit_test(no_line_is_lost_or_doubled_while_the_window_slides),
	    cmocka_unit_test(a_guest_cannot_command_the_terminal),
	    cmocka_unit_test(sizes_are_read_and_written_as_people_do),
	};
	return cmocka_run_group_tests_name("pvcctl", tests, NULL, NULL);
}
