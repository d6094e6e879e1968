/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The primary role: every cell of the table, the promises over its whole input space, and the timeline. */
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/cluster.h"
#include "cluster/timeline.h"

#define EACH(type, name, count) for (enum type name = 0; (int)(name) < (int)(count); (name)++)
#define EACH_VIEW(v)                                                                                                   \
	for (int v##_i = 0; v##_i < VIEWS; v##_i++)                                                                    \
		for (struct primary_view v = view_at(v##_i), *v##_once = &v; v##_once; v##_once = NULL)
#define VIEWS (PRIMARY_FITNESS_COUNT * WISH_COUNT * LEASE_COUNT * SERVICES_COUNT * 2 * 2)

static struct primary_view view_at(int i) {
	struct primary_view v;

	v.fitness = (enum primary_fitness)(i % PRIMARY_FITNESS_COUNT), i /= PRIMARY_FITNESS_COUNT;
	v.wish = (enum primary_wish)(i % WISH_COUNT), i /= WISH_COUNT;
	v.lease = (enum primary_lease)(i % LEASE_COUNT), i /= LEASE_COUNT;
	v.services = (enum primary_services)(i % SERVICES_COUNT), i /= SERVICES_COUNT;
	v.confirmed = i % 2, i /= 2;
	v.others_first = i % 2;
	return v;
}

/* Each cell as text: what is done with stopped services, then with running ones; each when all is well, when others go
 * first (o), when the lease is late (l). N nothing, S start, X stop, C claim, A adopt, B bid, R release. */
static const struct {
	enum primary_fitness fitness;
	enum primary_lease lease;
	const char *cells[WISH_COUNT]; /* nobody, me, other, unfit: "stopped/running", each well, o, l */
} table[] = {
    {PRIMARY_LEAVES, LEASE_NOBODYS, {"NNN/XXX", "NNN/XXX", "NNN/XXX", "NNN/XXX"}},
    {PRIMARY_LEAVES, LEASE_OTHERS, {"NNN/XXX", "NNN/XXX", "NNN/XXX", "NNN/XXX"}},
    {PRIMARY_LEAVES, LEASE_OLD, {"AAA/XXX", "AAA/XXX", "AAA/XXX", "AAA/XXX"}},
    {PRIMARY_LEAVES, LEASE_MINE, {"RRR/XXX", "RRR/XXX", "RRR/XXX", "RRR/XXX"}},
    {PRIMARY_BEGINS, LEASE_NOBODYS, {"NNN/XXX", "CCC/XXX", "NNN/XXX", "NNN/XXX"}},
    {PRIMARY_BEGINS, LEASE_OTHERS, {"NNN/XXX", "NNN/XXX", "NNN/XXX", "NNN/XXX"}},
    {PRIMARY_BEGINS, LEASE_OLD, {"AAA/XXX", "AAA/XXX", "AAA/XXX", "AAA/XXX"}},
    {PRIMARY_BEGINS, LEASE_MINE, {"BSN/BNX", "SSN/NNX", "RRR/XXX", "BBN/BBX"}},
    {PRIMARY_FIT, LEASE_NOBODYS, {"CNC/XXX", "CCC/XXX", "CNC/XXX", "CCC/XXX"}},
    {PRIMARY_FIT, LEASE_OTHERS, {"BNB/XXX", "NNN/XXX", "NNN/XXX", "NNN/XXX"}},
    {PRIMARY_FIT, LEASE_OLD, {"AAA/XXX", "AAA/XXX", "AAA/XXX", "AAA/XXX"}},
    {PRIMARY_FIT, LEASE_MINE, {"BSN/BNX", "SSN/NNX", "RRR/XXX", "BBN/BBX"}},
};

static char letter(const struct primary_view *view) {
	static const char letters[PRIMARY_ACTION_COUNT] = {
	    [PRIMARY_NOTHING] = 'N', [PRIMARY_START] = 'S', [PRIMARY_STOP] = 'X',    [PRIMARY_CLAIM] = 'C',
	    [PRIMARY_ADOPT] = 'A',   [PRIMARY_BID] = 'B',   [PRIMARY_RELEASE] = 'R',
	};

	return letters[primary_decide(view)];
}

static void every_cell_is_as_the_table_says(void **state) {
	(void)state;
	assert_int_equal(ARRAY_SIZE(table), PRIMARY_FITNESS_COUNT * LEASE_COUNT);
	for (size_t row = 0; row < ARRAY_SIZE(table); row++)
		EACH(primary_wish, wish, WISH_COUNT) {
			struct primary_view v = {
			    .fitness = table[row].fitness, .lease = table[row].lease, .wish = wish};
			char found[8] = "";

			for (int i = 0; i < 7; i++) {
				v.services = i < 3 ? SERVICES_STOPPED : SERVICES_RUN;
				v.confirmed = i % 4 != 2;
				v.others_first = i % 4 == 1;
				found[i] = i == 3 ? '/' : letter(&v);
			}
			assert_string_equal(found, table[row].cells[wish]);
		}
}

static void services_are_started_and_left_running_only_under_a_confirmed_lease(void **state) {
	(void)state;
	EACH_VIEW(v) {
		enum primary_action action = primary_decide(&v);

		if (action == PRIMARY_START || (v.services != SERVICES_STOPPED && action != PRIMARY_STOP)) {
			assert_int_equal(v.lease, LEASE_MINE);
			assert_true(v.confirmed);
			assert_int_not_equal(v.fitness, PRIMARY_LEAVES);
			assert_int_not_equal(v.wish, WISH_OTHER);
		}
	}
}

static void the_lease_changes_hands_only_while_the_services_are_stopped(void **state) {
	(void)state;
	EACH_VIEW(v) {
		enum primary_action action = primary_decide(&v);

		if (action == PRIMARY_RELEASE || action == PRIMARY_CLAIM || action == PRIMARY_ADOPT)
			assert_int_equal(v.services, SERVICES_STOPPED);
		assert_int_equal(action == PRIMARY_RELEASE, v.lease == LEASE_MINE && v.services == SERVICES_STOPPED &&
								(v.fitness == PRIMARY_LEAVES || v.wish == WISH_OTHER));
		if (action == PRIMARY_CLAIM)
			assert_int_equal(v.lease, LEASE_NOBODYS);
		if (action == PRIMARY_ADOPT)
			assert_int_equal(v.lease, LEASE_OLD);
		if (action == PRIMARY_STOP)
			assert_int_not_equal(v.services, SERVICES_STOPPED);
	}
}

static void unclear_services_are_stopped_as_running_ones_and_started_as_stopped_ones(void **state) {
	(void)state;
	EACH_VIEW(v) {
		struct primary_view running = v;
		enum primary_action action, as_running;

		if (v.services != SERVICES_UNCLEAR)
			continue;
		running.services = SERVICES_RUN;
		action = primary_decide(&v);
		as_running = primary_decide(&running);
		assert_int_equal(action, as_running == PRIMARY_NOTHING ? PRIMARY_START : as_running);
	}
}

/* D29 and the rest: whatever is in /primary_node, a fit coordinator takes a free role sooner or later. */
static void a_cluster_with_a_fit_coordinator_does_not_stay_without_a_primary(void **state) {
	(void)state;
	EACH_VIEW(v) {
		if (v.fitness != PRIMARY_FIT || v.lease != LEASE_NOBODYS || v.others_first)
			continue;
		assert_int_equal(primary_decide(&v), v.services == SERVICES_STOPPED ? PRIMARY_CLAIM : PRIMARY_STOP);
	}
}

static void who_leaves_or_begins_bids_for_nothing(void **state) {
	(void)state;
	EACH_VIEW(v) {
		enum primary_action action = primary_decide(&v);

		if (v.fitness == PRIMARY_LEAVES || (v.fitness == PRIMARY_BEGINS && v.wish != WISH_ME))
			assert_int_not_equal(action, PRIMARY_CLAIM);
		if (v.fitness == PRIMARY_LEAVES || (v.fitness == PRIMARY_BEGINS && v.lease != LEASE_MINE))
			assert_int_not_equal(action, PRIMARY_BID);
		assert_non_null(primary_action_name(action));
	}
}

static void fitness_follows_the_daemon_state(void **state) {
	(void)state;
	assert_int_equal(primary_fitness(DAEMON_RUN), PRIMARY_FIT);
	assert_int_equal(primary_fitness(DAEMON_INIT), PRIMARY_BEGINS);
	assert_int_equal(primary_fitness(DAEMON_DEAD), PRIMARY_BEGINS);
	assert_int_equal(primary_fitness(DAEMON_SHUTDOWN), PRIMARY_LEAVES);
	assert_int_equal(primary_fitness(DAEMON_STOP), PRIMARY_LEAVES);
	assert_int_equal(primary_fitness(DAEMON_STATE_UNKNOWN), PRIMARY_LEAVES);
}

static void a_wish_is_for_nobody_me_a_candidate_or_someone_who_could_not(void **state) {
	static const char *const nobody[] = {"none", "None", "", NULL}, *const unfit[] = {"hv3", "HV1", "hv1 ", "\xff",
											  "hv"};
	_cleanup_strlist_ struct strlist candidates = {0};

	(void)state;
	assert_int_equal(primary_wish("hv2", "hv1", &candidates), WISH_UNFIT);
	assert_int_equal(strlist_split(&candidates, "hv1 hv2", " "), 0);
	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++)
		assert_int_equal(primary_wish(nobody[i], "hv1", &candidates), WISH_NOBODY);
	for (size_t i = 0; i < ARRAY_SIZE(unfit); i++)
		assert_int_equal(primary_wish(unfit[i], "hv1", &candidates), WISH_UNFIT);
	assert_int_equal(primary_wish("hv1", "hv1", &candidates), WISH_ME);
	assert_int_equal(primary_wish("hv2", "hv1", &candidates), WISH_OTHER);
}

static void a_lease_is_let_go_before_its_session_can_end_or_not_taken_at_all(void **state) {
	(void)state;
	for (usec_t session = 0; session <= 60 * USEC_PER_SEC; session += 10 * USEC_PER_MSEC) {
		usec_t late = timeline_late(session);
		usec_t lag = session > TIMELINE_SESSION ? session / 2 : TIMELINE_LAG;

		if (late == 0)
			continue;
		assert_true(late + TIMELINE_WATCHDOG + TIMELINE_RELEASE + lag <= session);
		assert_true(late >= session / 6); /* or the holder would give up between two confirmations */
	}
	assert_int_equal(timeline_late(0), 0);
	assert_int_equal(timeline_late(4 * USEC_PER_SEC), 0);
	assert_int_equal(timeline_late(TIMELINE_SESSION), 3500 * USEC_PER_MSEC);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cell_is_as_the_table_says),
	    cmocka_unit_test(services_are_started_and_left_running_only_under_a_confirmed_lease),
	    cmocka_unit_test(the_lease_changes_hands_only_while_the_services_are_stopped),
	    cmocka_unit_test(unclear_services_are_stopped_as_running_ones_and_started_as_stopped_ones),
	    cmocka_unit_test(a_cluster_with_a_fit_coordinator_does_not_stay_without_a_primary),
	    cmocka_unit_test(who_leaves_or_begins_bids_for_nothing),
	    cmocka_unit_test(fitness_follows_the_daemon_state),
	    cmocka_unit_test(a_wish_is_for_nobody_me_a_candidate_or_someone_who_could_not),
	    cmocka_unit_test(a_lease_is_let_go_before_its_session_can_end_or_not_taken_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
