/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>

#include "../../cmd/pvc-watch-domains/daemon.h"

static void expect(const char *data, size_t length, bool cut, size_t lines, size_t bytes, const char *expected) {
	_cleanup_free_ char *text = console_window(data, length, cut, lines, bytes);

	assert_non_null(text);
	assert_string_equal(text, expected);
}
#define EXPECT(data, cut, lines, bytes, expected) expect(data, sizeof(data) - 1, cut, lines, bytes, expected)

static void the_last_lines_are_kept_whole(void **state) {
	(void)state;
	EXPECT("", false, 3, 100, "");
	EXPECT("a\nb\nc\n", false, 3, 100, "a\nb\nc\n");
	EXPECT("a\nb\nc\n", false, 2, 100, "b\nc\n");
	EXPECT("a\nb\nc\n", false, 0, 100, "");
	EXPECT("\n\n\n", false, 2, 100, "\n\n");
}

static void a_line_that_is_being_written_is_shown(void **state) {
	(void)state;
	EXPECT("boot\nlogin: ", false, 2, 100, "boot\nlogin: ");
	EXPECT("boot\nlogin: ", false, 1, 100, "login: ");
}

static void the_first_line_is_never_a_fragment(void **state) {
	(void)state;
	EXPECT("gment\nwhole\n", true, 9, 100, "whole\n");
	EXPECT("first\nsecond\nthird\n", false, 9, 10, "third\n");
	EXPECT("first\nsecond\nthird\n", false, 9, 13, "second\nthird\n");
	EXPECT("first\nsecond\nthird\n", false, 9, 12, "third\n");
}

static void a_line_longer_than_the_window_keeps_its_end(void **state) {
	(void)state;
	EXPECT("0123456789", false, 9, 4, "6789");
	EXPECT("0123456789\n", false, 9, 4, "789\n");
	EXPECT("\xc3\xa9\xc3\xa9\xc3\xa9", false, 9, 3, "\xc3\xa9");
}

static void d48_bytes_that_are_no_utf8_are_replaced(void **state) {
	(void)state;
	EXPECT("a\xff\xfe"
	       "b\n",
	       false, 9, 100, "a??b\n");
	EXPECT("nul\0nul\n", false, 9, 100, "nul?nul\n");
	EXPECT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n", false, 9, 100, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n");
	EXPECT("\xed\xa0\x80\n", false, 9, 100, "???\n");           /* surrogate */
	EXPECT("\xc0\xaf\xe0\x80\xaf\n", false, 9, 100, "?????\n"); /* overlong */
	EXPECT("\xf4\x90\x80\x80\n", false, 9, 100, "????\n");      /* beyond Unicode */
	EXPECT("\x1b[1mbold\r\n", false, 9, 100, "\x1b[1mbold\r\n");
}

static void a_half_written_character_is_left_out(void **state) {
	(void)state;
	EXPECT("x\xe2\x82", false, 9, 100, "x");
	EXPECT("x\xf0\x9f\x98", false, 9, 100, "x");
	EXPECT("x\xe2\x28", false, 9, 100, "x?(");
}

static bool valid_utf8(const char *text) {
	_cleanup_free_ char *printable = str_printable(text, SIZE_MAX / 2);

	/* str_printable replaces control characters too: make them the same on both sides */
	for (size_t i = 0; text[i]; i++)
		if (printable[i] != text[i] &&
		    !(printable[i] == '?' && ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)))
			return false;
	return true;
}

/* Random logs of any bytes: the window is valid text, bounded, and a suffix of whole lines. */
static void d47_any_log_gives_a_bounded_window(void **state) {
	unsigned seed = 4711;
	char data[600];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t length, lines, bytes, newlines = 0;
		_cleanup_free_ char *text = NULL;

		seed = seed * 1103515245 + 12345;
		length = (seed >> 8) % sizeof(data);
		lines = (seed >> 4) % 12;
		bytes = 1 + (seed >> 16) % 300;
		for (size_t i = 0; i < length; i++) {
			seed = seed * 1103515245 + 12345;
			data[i] = (seed >> 28) < 2   ? '\n'
				  : (seed >> 27) % 3 ? (char)('a' + (seed >> 20) % 26)
						     : (char)(seed >> 16);
		}
		text = console_window(data, length, round % 2, lines, bytes);
		assert_non_null(text);
		assert_true(strlen(text) <= bytes);
		assert_true(valid_utf8(text));
		for (const char *p = text; *p; p++)
			newlines += *p == '\n' || !p[1];
		assert_true(newlines <= lines);
	}
}

/* Following a growing log: the client looks for the old window's text in the new one. */
static void windows_of_a_growing_log_overlap(void **state) {
	char data[4000];
	size_t length = 0;
	_cleanup_free_ char *old = strdup("");

	(void)state;
	for (int i = 0; i < 200; i++) {
		char *text;
		const char *second;

		length += (size_t)snprintf(data + length, sizeof(data) - length, "line %d\n", i);
		text = console_window(data, length, false, 10, 100);
		second = strchr(old, '\n');
		assert_true(!second || strncmp(text, old, strlen(old)) == 0 || strstr(text, second + 1));
		free(old);
		old = text;
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_last_lines_are_kept_whole),
	    cmocka_unit_test(a_line_that_is_being_written_is_shown),
	    cmocka_unit_test(the_first_line_is_never_a_fragment),
	    cmocka_unit_test(a_line_longer_than_the_window_keeps_its_end),
	    cmocka_unit_test(d48_bytes_that_are_no_utf8_are_replaced),
	    cmocka_unit_test(a_half_written_character_is_left_out),
	    cmocka_unit_test(d47_any_log_gives_a_bounded_window),
	    cmocka_unit_test(windows_of_a_growing_log_overlap),
	};
	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
