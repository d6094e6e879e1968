/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/cluster.h"

/* The matrix once more, as letters, written from data model 5.2 and not from the table:
 * - nothing, k keep, s start, a ask to shut down, d destroy, S write start, P write stop, > send, < receive, w wait */
static const char letters[VM_ACTION_COUNT] = {
    [VM_DO_NOTHING] = '-', [VM_DO_KEEP] = 'k',        [VM_DO_START] = 's',      [VM_DO_ASK] = 'a',
    [VM_DO_DESTROY] = 'd', [VM_DO_WRITE_START] = 'S', [VM_DO_WRITE_STOP] = 'P', [VM_DO_SEND] = '>',
    [VM_DO_RECEIVE] = '<', [VM_DO_WAIT] = 'w',
};

struct row {
	enum vm_owner owner;
	enum vm_here here;
	enum vm_phase phase;
	/* start restart shutdown stop disable migrate unmigrate provision fail delete (any other word) */
	const char *expected;
};
#define ROW(o, h, p, e)                                                                                                \
	{ VM_##o, VM_HERE_##h, VM_PHASE_##p, e }
static const struct row rows[] = {
    ROW(MINE, ABSENT, IDLE, "sSP--<-----"),        ROW(MINE, RUNNING, IDLE, "kaaddSkkkdk"),
    ROW(MINE, PAUSED, IDLE, "kaadd<kkkdk"),        ROW(MINE, CRASHED, IDLE, "ddddd<---d-"),
    ROW(OTHERS, ABSENT, IDLE, "-----------"),      ROW(OTHERS, RUNNING, IDLE, "ddadd>>ddd-"),
    ROW(OTHERS, PAUSED, IDLE, "ddadd--ddd-"),      ROW(OTHERS, CRASHED, IDLE, "dddddddddd-"),
    ROW(MINE, ABSENT, ASKED, "sSP--<-----"),       ROW(MINE, RUNNING, ASKED, "kwwddSkkkdk"),
    ROW(MINE, PAUSED, ASKED, "kwwdd<kkkdk"),       ROW(MINE, CRASHED, ASKED, "ddddd<---d-"),
    ROW(OTHERS, ABSENT, ASKED, "--P--------"),     ROW(OTHERS, RUNNING, ASKED, "ddwdd>>ddd-"),
    ROW(OTHERS, PAUSED, ASKED, "ddwdd--ddd-"),     ROW(OTHERS, CRASHED, ASKED, "dddddddddd-"),
    ROW(MINE, ABSENT, OVERDUE, "sSP--<-----"),     ROW(MINE, RUNNING, OVERDUE, "kddddSkkkdk"),
    ROW(MINE, PAUSED, OVERDUE, "kdddd<kkkdk"),     ROW(MINE, CRASHED, OVERDUE, "ddddd<---d-"),
    ROW(OTHERS, ABSENT, OVERDUE, "--P--------"),   ROW(OTHERS, RUNNING, OVERDUE, "ddddd>>ddd-"),
    ROW(OTHERS, PAUSED, OVERDUE, "ddddd--ddd-"),   ROW(OTHERS, CRASHED, OVERDUE, "dddddddddd-"),
    ROW(MINE, ABSENT, RECEIVING, "sS---------"),   ROW(MINE, RUNNING, RECEIVING, "kaaddSkkkdk"),
    ROW(MINE, PAUSED, RECEIVING, "kaadd-kkkdk"),   ROW(MINE, CRASHED, RECEIVING, "ddddd----d-"),
    ROW(OTHERS, ABSENT, RECEIVING, "-----------"), ROW(OTHERS, RUNNING, RECEIVING, "ddadd>>ddd-"),
    ROW(OTHERS, PAUSED, RECEIVING, "ddadd--ddd-"), ROW(OTHERS, CRASHED, RECEIVING, "dddddddddd-"),
};

static char decide(enum vm_owner owner, enum vm_here here, int wanted, enum vm_phase phase) {
	struct vm_view view = {.owner = owner, .here = here, .wanted = (enum vm_state)wanted, .phase = phase};
	enum vm_action action = vm_decide(&view);

	assert_true(action < VM_ACTION_COUNT);
	return letters[action];
}

static void every_cell_is_as_the_data_model_says(void **state) {
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(strlen(rows[i].expected), VM_STATE_COUNT + 1);
		for (int word = 0; word < VM_STATE_COUNT; word++)
			if (decide(rows[i].owner, rows[i].here, word, rows[i].phase) != rows[i].expected[word])
				fail_msg("row %zu, %s", i, vm_state_name((enum vm_state)word));
		assert_int_equal(decide(rows[i].owner, rows[i].here, VM_STATE_UNKNOWN, rows[i].phase),
				 rows[i].expected[VM_STATE_COUNT]);
	}
}

static void every_row_of_the_matrix_is_listed(void **state) {
	(void)state;
	/* owners mine and others, here absent to crashed, phases idle to receiving */
	assert_int_equal(ARRAY_SIZE(rows), 2 * 4 * 4);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t j = 0; j < i; j++)
			assert_false(rows[i].owner == rows[j].owner && rows[i].here == rows[j].here &&
				     rows[i].phase == rows[j].phase);
}

static void nothing_is_done_while_ownership_or_libvirt_is_unknown(void **state) {
	(void)state;
	for (int word = -1; word < VM_STATE_COUNT; word++)
		for (int phase = 0; phase < VM_PHASE_BUSY; phase++) {
			for (int here = 0; here < VM_HERE_COUNT; here++)
				assert_int_equal(decide(VM_NOBODYS, (enum vm_here)here, word, (enum vm_phase)phase),
						 '-');
			for (int owner = 0; owner < VM_OWNER_COUNT; owner++)
				assert_int_equal(
				    decide((enum vm_owner)owner, VM_HERE_UNKNOWN, word, (enum vm_phase)phase), '-');
		}
}

static void d35_an_action_under_way_is_waited_for_whatever_comes(void **state) {
	(void)state;
	for (int owner = 0; owner < VM_OWNER_COUNT; owner++)
		for (int here = 0; here < VM_HERE_COUNT; here++)
			for (int word = -1; word < VM_STATE_COUNT; word++)
				assert_int_equal(decide((enum vm_owner)owner, (enum vm_here)here, word, VM_PHASE_BUSY),
						 'w');
}

static void a_vm_is_created_only_by_its_owner_when_it_is_absent_and_wanted(void **state) {
	(void)state;
	for (int owner = 0; owner < VM_OWNER_COUNT; owner++)
		for (int here = 0; here < VM_HERE_COUNT; here++)
			for (int word = -1; word < VM_STATE_COUNT; word++)
				for (int phase = 0; phase < VM_PHASE_COUNT; phase++)
					if (decide((enum vm_owner)owner, (enum vm_here)here, word,
						   (enum vm_phase)phase) == 's')
						assert_true(owner == VM_MINE && here == VM_HERE_ABSENT &&
							    word == VM_START);
}

static void a_guest_that_should_run_here_is_never_ended(void **state) {
	(void)state;
	for (int phase = 0; phase < VM_PHASE_BUSY; phase++) {
		assert_int_equal(decide(VM_MINE, VM_HERE_RUNNING, VM_START, (enum vm_phase)phase), 'k');
		assert_int_equal(decide(VM_MINE, VM_HERE_PAUSED, VM_START, (enum vm_phase)phase), 'k');
	}
}

/* Plays a guest on this node through the table until nothing is left to do; the letters of what was done. */
static void play(enum vm_here here, enum vm_state wanted, bool guest_listens, enum vm_here *end_here,
		 enum vm_state *end_wanted, char trace[16]) {
	enum vm_phase phase = VM_PHASE_IDLE;

	for (int step = 0;; step++) {
		struct vm_view view = {VM_MINE, here, wanted, phase};
		enum vm_action action = vm_decide(&view);

		assert_true(step < 15);
		trace[step] = letters[action];
		trace[step + 1] = '\0';
		switch (action) {
		case VM_DO_START:
			here = VM_HERE_RUNNING;
			phase = VM_PHASE_IDLE;
			break;
		case VM_DO_ASK:
			phase = VM_PHASE_ASKED;
			if (guest_listens)
				here = VM_HERE_ABSENT;
			break;
		case VM_DO_WAIT:
			phase = VM_PHASE_OVERDUE;
			break;
		case VM_DO_DESTROY:
			here = VM_HERE_ABSENT;
			phase = VM_PHASE_IDLE;
			break;
		case VM_DO_WRITE_START:
			wanted = VM_START;
			break;
		case VM_DO_WRITE_STOP:
			wanted = VM_STOP;
			break;
		default:
			*end_here = here;
			*end_wanted = wanted;
			return;
		}
	}
}

static void d36_a_restart_ends_running_also_when_the_guest_ignores_acpi(void **state) {
	enum vm_here here;
	enum vm_state wanted;
	char trace[16];

	(void)state;
	play(VM_HERE_RUNNING, VM_RESTART, true, &here, &wanted, trace);
	assert_string_equal(trace, "aSsk");
	assert_int_equal(wanted, VM_START);
	play(VM_HERE_RUNNING, VM_RESTART, false, &here, &wanted, trace);
	assert_string_equal(trace, "awdSsk");
	assert_int_equal(here, VM_HERE_RUNNING);
	assert_int_equal(wanted, VM_START);
}

static void d37_every_shutdown_ends_in_stop(void **state) {
	enum vm_here here;
	enum vm_state wanted;
	char trace[16];

	(void)state;
	play(VM_HERE_ABSENT, VM_SHUTDOWN, true, &here, &wanted, trace);
	assert_string_equal(trace, "P-");
	play(VM_HERE_RUNNING, VM_SHUTDOWN, true, &here, &wanted, trace);
	assert_string_equal(trace, "aP-");
	play(VM_HERE_RUNNING, VM_SHUTDOWN, false, &here, &wanted, trace);
	assert_string_equal(trace, "awdP-");
	assert_int_equal(wanted, VM_STOP);
	play(VM_HERE_CRASHED, VM_SHUTDOWN, true, &here, &wanted, trace);
	assert_string_equal(trace, "dP-");
}

static void a_crashed_guest_comes_back(void **state) {
	enum vm_here here;
	enum vm_state wanted;
	char trace[16];

	(void)state;
	play(VM_HERE_CRASHED, VM_START, true, &here, &wanted, trace);
	assert_string_equal(trace, "dsk");
	play(VM_HERE_ABSENT, VM_START, true, &here, &wanted, trace);
	assert_string_equal(trace, "sk");
}

static void pauses_between_short_runs_grow_to_a_minute(void **state) {
	(void)state;
	assert_true(vm_restart_pause(0) == 0);
	assert_true(vm_restart_pause(1) == 5 * USEC_PER_SEC);
	for (unsigned n = 1; n < 100; n++)
		assert_true(vm_restart_pause(n + 1) >= vm_restart_pause(n));
	assert_true(vm_restart_pause(UINT32_MAX) == 60 * USEC_PER_SEC);
}

static void every_action_and_state_has_a_name(void **state) {
	(void)state;
	for (int i = 0; i < VM_ACTION_COUNT; i++)
		assert_true(strlen(vm_action_name((enum vm_action)i)) > 2);
	for (int i = 0; i < VM_HERE_COUNT; i++)
		assert_true(strlen(vm_here_name((enum vm_here)i)) > 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cell_is_as_the_data_model_says),
	    cmocka_unit_test(every_row_of_the_matrix_is_listed),
	    cmocka_unit_test(nothing_is_done_while_ownership_or_libvirt_is_unknown),
	    cmocka_unit_test(d35_an_action_under_way_is_waited_for_whatever_comes),
	    cmocka_unit_test(a_vm_is_created_only_by_its_owner_when_it_is_absent_and_wanted),
	    cmocka_unit_test(a_guest_that_should_run_here_is_never_ended),
	    cmocka_unit_test(d36_a_restart_ends_running_also_when_the_guest_ignores_acpi),
	    cmocka_unit_test(d37_every_shutdown_ends_in_stop),
	    cmocka_unit_test(a_crashed_guest_comes_back),
	    cmocka_unit_test(pauses_between_short_runs_grow_to_a_minute),
	    cmocka_unit_test(every_action_and_state_has_a_name),
	};
	return cmocka_run_group_tests_name("cluster_vm", tests, NULL, NULL);
}
