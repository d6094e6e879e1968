/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The record of a fencing and a node's own word: what is written is read again, and nothing else is. */
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/fence_record.h"

static const struct fence_record whole = {
    .step = FENCE_SEALED,
    .verdict = FENCE_CUT,
    .fencer = "hv2",
    .boot = "0c6dd0d1-3a8e-4d94-8d6c-8f9d4cb42a5b",
    .beat = 4711,
    .state_version = 12,
    .attempt = 3,
    .claim = "hv2-0c6dd0d1",
    .since = "2026-01-31 23:59:59 UTC",
    .reason = "ipmi: \"Chassis Power is off\", \xc3\xa4",
};

static void assert_no_record(const char *text) {
	struct fence_record record = whole;

	assert_int_equal(fence_record_parse(text, &record), -EBADMSG);
	assert_memory_equal(&record, &whole, sizeof(record));
}

static void every_field_is_read_as_it_was_written(void **state) {
	(void)state;
	for (enum fence_step step = FENCE_CLAIMED; step < FENCE_STEP_COUNT; step++)
		for (enum fence_verdict verdict = 0; verdict < FENCE_VERDICT_COUNT; verdict++) {
			struct fence_record record = whole, read = {0};
			_cleanup_free_ char *text = NULL;

			record.step = step;
			record.verdict = verdict;
			text = fence_record_format(&record);
			assert_non_null(text);
			if (step >= FENCE_PROVEN && verdict == FENCE_UNKNOWN) {
				assert_no_record(text);
				continue;
			}
			assert_int_equal(fence_record_parse(text, &read), 0);
			assert_memory_equal(&record, &read, sizeof(read));
		}
}

static void no_text_is_no_record(void **state) {
	struct fence_record record = whole;

	(void)state;
	assert_int_equal(fence_record_parse(NULL, &record), 0);
	assert_int_equal(record.step, FENCE_NONE);
	record = whole;
	assert_int_equal(fence_record_parse("", &record), 0);
	assert_int_equal(record.step, FENCE_NONE);
}

static void what_is_no_record_is_refused(void **state) {
	static const char *const texts[] = {
	    " ",
	    "None",
	    "dead",
	    "[]",
	    "\"claimed\"",
	    "{}",
	    "{\"step\":\"claimed\"}",
	    "{\"step\":\"none\",\"verdict\":\"off\",\"beat\":1,\"state_version\":1,\"attempt\":0}",
	    "{\"step\":\"Claimed\",\"verdict\":\"off\",\"beat\":1,\"state_version\":1,\"attempt\":0}",
	    "{\"step\":1,\"verdict\":\"off\",\"beat\":1,\"state_version\":1,\"attempt\":0}",
	    "{\"step\":\"claimed\",\"verdict\":\"dead\",\"beat\":1,\"state_version\":1,\"attempt\":0}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":\"1\",\"state_version\":1,\"attempt\":0}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":-1,\"attempt\":0}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":1e3,\"attempt\":0}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":99999999999,\"state_version\":1,\"attempt\":0}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":1,\"attempt\":-1}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":1,\"attempt\":0,\"fencer\":7}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":1,\"attempt\":0,\"boot\":\"a "
	    "b\"}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":1,\"attempt\":0,\"fencer\":\".."
	    "/x\"}",
	    "{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":1,\"attempt\":0",
	    /* nobody recovers anything without a proof */
	    "{\"step\":\"proven\",\"verdict\":\"unknown\",\"beat\":1,\"state_version\":1,\"attempt\":0}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_no_record(texts[i]);
}

static void a_text_without_end_is_refused(void **state) {
	char *text = malloc(100000);

	(void)state;
	assert_non_null(text);
	memset(text, '[', 99999);
	text[99999] = '\0';
	assert_no_record(text);
	free(text);
}

/* They are shown on terminals. */
static void texts_for_people_are_made_fit_to_be_shown(void **state) {
	struct fence_record record;
	char *longest = malloc(2 * FENCE_REASON_MAX);

	(void)state;
	assert_int_equal(
	    fence_record_parse("{\"step\":\"claimed\",\"verdict\":\"unknown\",\"beat\":-1,\"state_version\":1,"
			       "\"attempt\":0,\"reason\":\"\\u001b[2Jx\\ny\",\"since\":7}",
			       &record),
	    0);
	assert_string_equal(record.reason, "?[2Jx?y");
	assert_string_equal(record.since, "");
	assert_non_null(longest);
	memset(longest, 'x', 2 * FENCE_REASON_MAX - 1);
	longest[2 * FENCE_REASON_MAX - 1] = '\0';
	fence_record_say(&record, longest);
	assert_int_equal(strlen(record.reason), FENCE_REASON_MAX - 1);
	free(longest);
}

static void a_node_waits_while_its_machines_are_on_their_way(void **state) {
	struct fence_record record = whole;

	(void)state;
	for (record.step = 0; record.step < FENCE_STEP_COUNT; record.step++)
		assert_int_equal(fence_record_admits(&record),
				 record.step != FENCE_PROVEN && record.step != FENCE_SEALED);
}

static void only_the_boot_that_was_declared_dead_is_condemned(void **state) {
	struct fence_record record = whole;

	(void)state;
	for (record.step = 0; record.step < FENCE_STEP_COUNT; record.step++) {
		assert_int_equal(fence_record_condemns(&record, whole.boot), record.step >= FENCE_PROVEN);
		assert_false(fence_record_condemns(&record, "another"));
		assert_false(fence_record_condemns(&record, ""));
	}
	*record.boot = '\0'; /* it was not known: nobody is */
	record.step = FENCE_DONE;
	assert_false(fence_record_condemns(&record, ""));
	assert_false(fence_record_condemns(&record, whole.boot));
}

static void a_nodes_word_is_read_again_and_anything_else_is_no_word(void **state) {
	static const char *const texts[] = {NULL,
					    "",
					    "None",
					    "[true]",
					    "{",
					    "{\"armed\":\"true\"}",
					    "{\"armed\":1}",
					    "{\"boot\":\"a b\",\"armed\":true}",
					    "{\"boot\":7,\"armed\":true}"};
	struct fence_heart heart = {.boot = "0c6dd0d1-3a8e-4d94-8d6c-8f9d4cb42a5b", .armed = true}, read;
	_cleanup_free_ char *text = fence_heart_format(&heart);

	(void)state;
	assert_non_null(text);
	read = fence_heart_parse(text);
	assert_string_equal(read.boot, heart.boot);
	assert_true(read.armed);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		read = fence_heart_parse(texts[i]);
		assert_string_equal(read.boot, "");
		assert_false(read.armed);
	}
}

static void a_node_says_when_its_watchdog_has_reset_it_by(void **state) {
	static const char *const wrong[] = {"0", "-1", "1.5", "\"20\"", "null", "99999999999999999", "true"};
	struct fence_heart heart = {.boot = "b", .armed = true, .cut = 25600001}, read;
	_cleanup_free_ char *text = fence_heart_format(&heart);

	(void)state;
	assert_non_null(text);
	read = fence_heart_parse(text);
	assert_true(read.armed);
	assert_int_equal(read.cut, 25601000); /* whole milliseconds, and never earlier */
	heart.armed = false;
	free(text);
	text = fence_heart_format(&heart);
	assert_non_null(text);
	assert_null(strstr(text, "cut"));
	assert_int_equal(fence_heart_parse("{\"boot\":\"b\",\"armed\":true}").cut, 0);
	/* nobody counts on a time that is none */
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_free_ char *odd = str_printf("{\"boot\":\"b\",\"armed\":true,\"cut\":%s}", wrong[i]);

		assert_non_null(odd);
		read = fence_heart_parse(odd);
		assert_false(read.armed);
		assert_int_equal(read.cut, 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_field_is_read_as_it_was_written),
	    cmocka_unit_test(a_node_says_when_its_watchdog_has_reset_it_by),
	    cmocka_unit_test(no_text_is_no_record),
	    cmocka_unit_test(what_is_no_record_is_refused),
	    cmocka_unit_test(a_text_without_end_is_refused),
	    cmocka_unit_test(texts_for_people_are_made_fit_to_be_shown),
	    cmocka_unit_test(a_node_waits_while_its_machines_are_on_their_way),
	    cmocka_unit_test(only_the_boot_that_was_declared_dead_is_condemned),
	    cmocka_unit_test(a_nodes_word_is_read_again_and_anything_else_is_no_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
