/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/cluster.h"

static void only_init_dead_and_unknown_become_run(void **state) {
	(void)state;
	for (int s = -3; s <= DAEMON_STATE_COUNT + 1; s++) {
		bool expected = s != DAEMON_RUN && s != DAEMON_SHUTDOWN && s != DAEMON_STOP;

		assert_int_equal(heartbeat_claims_run((enum daemon_state)s, false), expected);
	}
	assert_true(heartbeat_claims_run(daemon_state_parse(NULL), false));
	assert_true(heartbeat_claims_run(daemon_state_parse("nonsense"), false));
}

static void a_stopping_program_never_says_run(void **state) { /* D23 */
	(void)state;
	for (int s = -3; s <= DAEMON_STATE_COUNT + 1; s++)
		assert_false(heartbeat_claims_run((enum daemon_state)s, true));
}

static void ticks_keep_their_grid_however_late_one_is(void **state) {
	const usec_t first = 1000, interval = 50;

	(void)state;
	for (usec_t now = 0; now < 2000; now++) {
		usec_t next =
		    heartbeat_next(first, interval, now < first ? first : now - (now - first) % interval, now, NULL);

		assert_true(next >= first);
		assert_int_equal((next - first) % interval, 0);
		assert_true(next > now || next == first);
		assert_true(next == first || next - now <= interval);
	}
}

static void missed_ticks_are_skipped_and_counted(void **state) {
	uint64_t missed = 7;

	(void)state;
	assert_int_equal(heartbeat_next(1000, 100, 1000, 1000, &missed), 1100);
	assert_int_equal(missed, 0);
	assert_int_equal(heartbeat_next(1000, 100, 1000, 1099, &missed), 1100);
	assert_int_equal(missed, 0);
	assert_int_equal(heartbeat_next(1000, 100, 1000, 1100, &missed), 1200);
	assert_int_equal(missed, 1);
	assert_int_equal(heartbeat_next(1000, 100, 1100, 5555, &missed), 5600);
	assert_int_equal(missed, 44);
}

static void every_view_has_its_step(void **state) {
	(void)state;
	for (unsigned bits = 0; bits < 8; bits++) {
		struct heartbeat_view view = {.connected = bits & 1, .busy = bits & 2, .versions_known = bits & 4};
		enum heartbeat_step step = heartbeat_step(&view);

		/* never two requests at a time, none into a dead connection, no write on guessed versions */
		if (view.busy || !view.connected)
			assert_int_equal(step, HEARTBEAT_WAIT);
		else
			assert_int_equal(step, view.versions_known ? HEARTBEAT_WRITE : HEARTBEAT_READ);
	}
}

static void figures_are_stale_after_three_intervals(void **state) {
	const usec_t interval = 5 * USEC_PER_SEC;

	(void)state;
	assert_int_equal(heartbeat_figures(true, 0, interval), FIGURES_FRESH);
	assert_int_equal(heartbeat_figures(true, 3 * interval, interval), FIGURES_FRESH);
	assert_int_equal(heartbeat_figures(true, 3 * interval + 3, interval), FIGURES_STALE);
	assert_int_equal(heartbeat_figures(true, UINT64_MAX, interval), FIGURES_STALE);
	assert_int_equal(heartbeat_figures(false, 0, interval), FIGURES_MISSING);
	assert_int_equal(heartbeat_figures(false, UINT64_MAX, interval), FIGURES_MISSING);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_init_dead_and_unknown_become_run),
	    cmocka_unit_test(a_stopping_program_never_says_run),
	    cmocka_unit_test(ticks_keep_their_grid_however_late_one_is),
	    cmocka_unit_test(missed_ticks_are_skipped_and_counted),
	    cmocka_unit_test(every_view_has_its_step),
	    cmocka_unit_test(figures_are_stale_after_three_intervals),
	};
	return cmocka_run_group_tests_name("cluster-heartbeat", tests, NULL, NULL);
}
