/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../cmd/pvcctl/console.h"
#include "../../cmd/pvcctl/pvcctl.h"

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

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_request_has_a_verdict_for_every_state),
	    cmocka_unit_test(the_tail_of_a_log_is_whole_lines),
	    cmocka_unit_test(following_prints_only_what_is_new),
	    cmocka_unit_test(no_line_is_lost_or_doubled_while_the_window_slides),
	    cmocka_unit_test(a_guest_cannot_command_the_terminal),
	};
	return cmocka_run_group_tests_name("pvcctl", tests, NULL, NULL);
}
