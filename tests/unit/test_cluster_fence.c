/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fencing: what is done at each step, the promises over the whole input space, and the timeline. */
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/fence.h"

#define VIEWS (FENCE_HEALTH_COUNT * FENCE_STEP_COUNT * FENCER_COUNT * FENCE_VERDICT_COUNT * 512)

static const struct fence_rules rules = {
    .interval = 5 * USEC_PER_SEC,
    .fence_intervals = 6,
    .suicide_intervals = 5,
    .recover_off = true,
    .recover_cut = true,
};

static bool bit(int *i) {
	bool set = *i % 2;

	*i /= 2;
	return set;
}

static struct fence_view view_at(int i) {
	struct fence_view v;

	v.health = (enum fence_health)(i % FENCE_HEALTH_COUNT), i /= FENCE_HEALTH_COUNT;
	v.step = (enum fence_step)(i % FENCE_STEP_COUNT), i /= FENCE_STEP_COUNT;
	v.fencer = (enum fence_fencer)(i % FENCER_COUNT), i /= FENCER_COUNT;
	v.verdict = (enum fence_verdict)(i % FENCE_VERDICT_COUNT), i /= FENCE_VERDICT_COUNT;
	v.confirmed = bit(&i);
	v.may_claim = bit(&i);
	v.may_recover = bit(&i);
	v.armed = bit(&i);
	v.cut_time = bit(&i);
	v.asked = bit(&i);
	v.retry = bit(&i);
	v.back = bit(&i);
	v.another_boot = bit(&i);
	return v;
}

static void nothing_is_done_while_ones_own_session_is_in_doubt(void **state) {
	(void)state;
	for (int i = 0; i < VIEWS; i++) {
		struct fence_view view = view_at(i);

		view.confirmed = false;
		assert_int_equal(fence_decide(&view), FENCE_WAIT);
	}
}

/* D1, D3: one at a time, and the next when that one is gone */
static void one_node_fences_another_and_is_followed_when_it_is_gone(void **state) {
	(void)state;
	for (int i = 0; i < VIEWS; i++) {
		struct fence_view view = view_at(i);
		enum fence_action action = fence_decide(&view);

		if (view.step == FENCE_NONE)
			assert_true(action == FENCE_WAIT || action == FENCE_CLAIM);
		else if (view.fencer == FENCER_OTHER)
			assert_int_equal(action, FENCE_WAIT);
		else if (view.fencer == FENCER_NOBODY)
			assert_true(action == FENCE_WAIT || action == FENCE_RESUME);
		else
			assert_true(action != FENCE_CLAIM && action != FENCE_RESUME);
	}
}

/* D9, D11: an attempt is no proof */
static void nothing_is_proven_by_an_unknown_verdict(void **state) {
	(void)state;
	for (int i = 0; i < VIEWS; i++) {
		struct fence_view view = view_at(i);

		if (fence_decide(&view) != FENCE_PROVE)
			continue;
		assert_true(view.asked && !view.back);
		if (view.verdict != FENCE_OFF || view.armed)
			assert_true(view.armed && view.cut_time);
	}
}

static void machines_are_recovered_after_the_storage_was_sealed_and_never_before(void **state) {
	(void)state;
	for (int i = 0; i < VIEWS; i++) {
		struct fence_view view = view_at(i);
		enum fence_action action = fence_decide(&view);

		assert_true(action != FENCE_SEAL || (view.step == FENCE_PROVEN && view.may_recover));
		assert_true(action != FENCE_RECOVER || (view.step == FENCE_SEALED && view.may_recover));
		assert_true(action != FENCE_SETTLE ||
			    ((view.step == FENCE_PROVEN || view.step == FENCE_SEALED) && !view.may_recover));
		assert_true(action != FENCE_FORGET || (view.step == FENCE_DONE && view.another_boot));
	}
}

/* D17: it may come back until the moment of the proof */
static void one_that_is_back_is_left_alone(void **state) {
	struct fence_view view = {.step = FENCE_CLAIMED, .fencer = FENCER_ME, .confirmed = true, .back = true};

	(void)state;
	for (int asked = 0; asked < 2; asked++)
		for (enum fence_verdict verdict = 0; verdict < FENCE_VERDICT_COUNT; verdict++) {
			view.asked = asked;
			view.verdict = verdict;
			assert_int_equal(fence_decide(&view), FENCE_CANCEL);
		}
}

/* D4 */
static void an_unknown_verdict_is_asked_for_again_after_a_pause(void **state) {
	struct fence_view view = {.step = FENCE_CLAIMED, .fencer = FENCER_ME, .confirmed = true};

	(void)state;
	assert_int_equal(fence_decide(&view), FENCE_AGENTS);
	view.asked = true;
	assert_int_equal(fence_decide(&view), FENCE_WAIT);
	view.retry = true;
	assert_int_equal(fence_decide(&view), FENCE_AGENTS);
	assert_int_equal(fence_retry_pause(1), 5 * USEC_PER_SEC);
	for (unsigned n = 1; n < 100; n++)
		assert_true(fence_retry_pause(n) <= fence_retry_pause(n + 1) &&
			    fence_retry_pause(n + 1) <= 60 * USEC_PER_SEC);
}

/* ---- who is silent ---- */

static void silence_counts_from_what_was_seen_last_and_never_from_before_one_looked(void **state) {
	struct fence_sight sight = {.now = 1000 * USEC_PER_SEC, .changed = 969 * USEC_PER_SEC, .confirmed = true};

	(void)state;
	assert_int_equal(fence_judge(&rules, &sight), FENCE_SILENT);
	sight.changed = 965 * USEC_PER_SEC;
	assert_int_equal(fence_judge(&rules, &sight), FENCE_DEAD);
	sight.session = true; /* its program's session lives: longer */
	assert_int_equal(fence_judge(&rules, &sight), FENCE_SILENT);
	sight.changed = 955 * USEC_PER_SEC;
	assert_int_equal(fence_judge(&rules, &sight), FENCE_DEAD);
	/* D22: the ensemble was away */
	sight.changed = 0;
	sight.watching = 971 * USEC_PER_SEC;
	assert_int_equal(fence_judge(&rules, &sight), FENCE_WELL);
	sight.watching = 0;
	sight.confirmed = false;
	assert_int_equal(fence_judge(&rules, &sight), FENCE_WELL);
}

/* D7 */
static void no_fence_intervals_fence_nobody(void **state) {
	struct fence_rules none = rules;
	struct fence_sight sight = {.now = DEADLINE_NEVER, .confirmed = true};

	(void)state;
	none.fence_intervals = 0;
	assert_int_equal(fence_judge(&none, &sight), FENCE_WELL);
}

/* ---- the timeline ---- */

static void a_configuration_is_accepted_only_when_a_cut_off_node_is_down_before_others_begin(void **state) {
	struct fence_rules r = rules;

	(void)state;
	for (r.interval = USEC_PER_SEC; r.interval <= 60 * USEC_PER_SEC; r.interval += USEC_PER_SEC)
		for (r.fence_intervals = 1; r.fence_intervals < 80; r.fence_intervals++)
			for (r.suicide_intervals = 1; r.suicide_intervals < 80; r.suicide_intervals++) {
				_cleanup_free_ char *error = NULL;

				if (fence_rules_check(&r, &error) < 0) {
					assert_non_null(error);
					continue;
				}
				assert_true(fence_cut_time(&r) <= fence_dead_time(&r) + r.interval);
				assert_true(fence_reply_limit(&r) + fence_watchdog_time(&r) <=
					    r.suicide_intervals * r.interval);
				assert_true(fence_watchdog_time(&r) > r.interval);
				assert_true(fence_end_time(&r) < fence_watchdog_time(&r));
			}
	r = rules;
	assert_int_equal(fence_rules_check(&r, NULL), 0);
	r.suicide_intervals = 6;
	assert_int_equal(fence_rules_check(&r, NULL), 0);
	r.suicide_intervals = 8;
	assert_int_equal(fence_rules_check(&r, NULL), -EINVAL);
	r.suicide_intervals = 2;
	assert_int_equal(fence_rules_check(&r, NULL), -EINVAL);
}

static void the_watchdog_is_fed_by_a_proven_heartbeat_once_and_not_by_a_late_answer(void **state) {
	const usec_t t = 100 * USEC_PER_SEC;
	struct self_view view = {.now = t, .sent = t, .answered = t, .fed_sent = t, .device = true};

	(void)state;
	assert_int_equal(self_decide(&rules, &view), SELF_FEED);
	view.fed = view.armed = true;
	assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
	view.fed = false;
	view.now = view.answered = t + fence_reply_limit(&rules) + 1;
	assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
	view.answered = t; /* it came in time, but is looked at late: the program was frozen */
	assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
}

static void without_a_device_the_host_is_reset_when_the_time_is_over(void **state) {
	const usec_t t = 100 * USEC_PER_SEC;
	struct self_view view = {.now = t, .sent = t, .answered = t, .fed = true, .armed = true, .ended = true};

	(void)state;
	view.now = t + fence_watchdog_time(&rules) - 1;
	assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
	view.now++;
	assert_int_equal(self_decide(&rules, &view), SELF_RESET);
	/* a heartbeat that was answered late feeds nothing, but it did come */
	view.fed = false;
	view.sent += USEC_PER_SEC;
	view.answered = view.now;
	assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
	view.armed = false; /* it never had a heartbeat: it is just coming up */
	assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
	/* armed by the program that crashed before this one */
	view = (struct self_view){.now = t + fence_watchdog_time(&rules), .fed_sent = t, .armed = true};
	assert_int_equal(self_decide(&rules, &view), SELF_RESET);
}

static void machines_are_ended_shortly_before_the_reset_and_once(void **state) {
	const usec_t t = 100 * USEC_PER_SEC;

	(void)state;
	for (int device = 0; device < 2; device++) {
		struct self_view view = {
		    .sent = t, .answered = t, .fed = true, .fed_sent = t, .armed = true, .device = device};

		view.now = t + fence_end_time(&rules) - 1;
		assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
		view.now++;
		assert_int_equal(self_decide(&rules, &view), SELF_END);
		/* the earliest moment at which a device fires is later */
		assert_true(view.now < t + fence_watchdog_time(&rules));
		view.ended = true;
		assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
		/* what comes at the last moment still counts */
		view.sent = view.answered = view.now;
		view.fed = false;
		assert_int_equal(self_decide(&rules, &view), SELF_FEED);
	}
}

static void a_device_that_did_not_fire_is_not_relied_on(void **state) {
	const usec_t t = 100 * USEC_PER_SEC, latest = fence_watchdog_time(&rules) + fence_reply_limit(&rules);
	struct self_view view = {
	    .sent = t, .answered = t, .fed = true, .fed_sent = t, .armed = true, .device = true, .ended = true};

	(void)state;
	/* heartbeats that were answered too late fed nothing */
	view.sent = t + latest - 1;
	view.answered = view.now = view.sent + fence_reply_limit(&rules) + 1;
	view.now = t + latest - 1;
	view.fed = true;
	assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
	view.now++;
	assert_int_equal(self_decide(&rules, &view), SELF_RESET);
	assert_true(latest < fence_cut_time(&rules));
}

/* Its configuration may be another one, while a new one is being brought to all nodes. */
static void a_node_that_needs_longer_is_given_longer(void **state) {
	struct fence_rules never = rules;

	(void)state;
	never.suicide_intervals = 0;
	assert_int_equal(fence_cut_time_of(&rules, 0), fence_cut_time(&rules));
	assert_int_equal(fence_cut_time_of(&rules, 1), fence_cut_time(&rules));
	assert_int_equal(fence_cut_time_of(&rules, fence_cut_time(&rules) + 1), fence_cut_time(&rules) + 1);
	assert_int_equal(fence_cut_time_of(&never, 0), DEADLINE_NEVER);
	assert_int_equal(fence_cut_time_of(&never, 7), 7); /* an agent's word about it is not waited with for ever */
}

/* Who looks at these moments alone misses nothing. */
static void the_next_look_is_when_the_decision_changes(void **state) {
	const usec_t t = 100 * USEC_PER_SEC;

	(void)state;
	for (int device = 0; device < 2; device++) {
		struct self_view view = {
		    .now = t, .sent = t, .answered = t, .fed = true, .fed_sent = t, .armed = true, .device = device};
		usec_t next = self_next(&rules, &view);

		assert_int_equal(next, t + fence_end_time(&rules));
		view.now = next;
		assert_int_equal(self_decide(&rules, &view), SELF_END);
		view.ended = true;
		next = self_next(&rules, &view);
		view.now = next - 1;
		assert_int_equal(self_decide(&rules, &view), SELF_LEAVE);
		view.now = next;
		assert_int_equal(self_decide(&rules, &view), SELF_RESET);
		assert_int_equal(self_next(&rules, &view), DEADLINE_NEVER);
		view.armed = false;
		assert_int_equal(self_next(&rules, &view), DEADLINE_NEVER);
	}
}

static void words_are_read_as_they_are_written(void **state) {
	(void)state;
	for (int i = 0; i < FENCE_STEP_COUNT; i++)
		assert_int_equal(fence_step_parse(fence_step_name((enum fence_step)i)), i);
	for (int i = 0; i < FENCE_VERDICT_COUNT; i++)
		assert_int_equal(fence_verdict_parse(fence_verdict_name((enum fence_verdict)i)), i);
	for (int i = 0; i < FENCE_ACTION_COUNT; i++)
		assert_non_null(fence_action_name((enum fence_action)i));
	assert_int_equal(fence_step_parse("Off"), -EINVAL);
	assert_int_equal(fence_verdict_parse(NULL), -EINVAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_done_while_ones_own_session_is_in_doubt),
	    cmocka_unit_test(one_node_fences_another_and_is_followed_when_it_is_gone),
	    cmocka_unit_test(nothing_is_proven_by_an_unknown_verdict),
	    cmocka_unit_test(machines_are_recovered_after_the_storage_was_sealed_and_never_before),
	    cmocka_unit_test(one_that_is_back_is_left_alone),
	    cmocka_unit_test(an_unknown_verdict_is_asked_for_again_after_a_pause),
	    cmocka_unit_test(silence_counts_from_what_was_seen_last_and_never_from_before_one_looked),
	    cmocka_unit_test(no_fence_intervals_fence_nobody),
	    cmocka_unit_test(a_configuration_is_accepted_only_when_a_cut_off_node_is_down_before_others_begin),
	    cmocka_unit_test(the_watchdog_is_fed_by_a_proven_heartbeat_once_and_not_by_a_late_answer),
	    cmocka_unit_test(without_a_device_the_host_is_reset_when_the_time_is_over),
	    cmocka_unit_test(machines_are_ended_shortly_before_the_reset_and_once),
	    cmocka_unit_test(a_device_that_did_not_fire_is_not_relied_on),
	    cmocka_unit_test(a_node_that_needs_longer_is_given_longer),
	    cmocka_unit_test(the_next_look_is_when_the_decision_changes),
	    cmocka_unit_test(words_are_read_as_they_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
