/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/cluster.h"

/* The matrix once more, as letters: - nothing, k keep, s start, a ask to shut down, d destroy, S write start, P write
 * stop, X write restart, C claim, R release, > send, ! abort, = settle, H hand over, o offer, r restore, t take, <
 * receive, b blocked, w wait */
static const char letters[VM_ACTION_COUNT] = {
    [VM_DO_NOTHING] = '-', [VM_DO_KEEP] = 'k',        [VM_DO_START] = 's',         [VM_DO_ASK] = 'a',
    [VM_DO_DESTROY] = 'd', [VM_DO_WRITE_START] = 'S', [VM_DO_WRITE_STOP] = 'P',    [VM_DO_SEND] = '>',
    [VM_DO_RECEIVE] = '<', [VM_DO_WAIT] = 'w',        [VM_DO_WRITE_RESTART] = 'X', [VM_DO_CLAIM] = 'C',
    [VM_DO_RELEASE] = 'R', [VM_DO_ABORT] = '!',       [VM_DO_SETTLE] = '=',        [VM_DO_HAND] = 'H',
    [VM_DO_OFFER] = 'o',   [VM_DO_RESTORE] = 'r',     [VM_DO_TAKE] = 't',          [VM_DO_BLOCKED] = 'b',
};

struct row {
	enum vm_owner owner;
	enum vm_here here;
	enum vm_holder holder;
	/* start restart shutdown stop disable migrate unmigrate provision fail delete (any other word); while idle */
	const char *expected;
};
#define ROW(o, h, k, e)                                                                                                \
	{ VM_##o, VM_HERE_##h, VM_##k, e }
static const struct row rows[] = {
    ROW(MINE, ABSENT, FREE, "CSP--SS----"),
    ROW(MINE, RUNNING, FREE, "CCCddCCCCdC"),
    ROW(MINE, PAUSED, FREE, "CCCddCCCCdC"),
    ROW(MINE, MOVING, FREE, "---dd----d-"),
    ROW(MINE, CRASHED, FREE, "ddddddd--d-"),
    ROW(OTHERS, ABSENT, FREE, "-----------"),
    ROW(OTHERS, RUNNING, FREE, "dCCddCCddd-"),
    ROW(OTHERS, PAUSED, FREE, "dCCddCCddd-"),
    ROW(OTHERS, MOVING, FREE, "d--dd--ddd-"),
    ROW(OTHERS, CRASHED, FREE, "dddddddddd-"),
    ROW(MINE, ABSENT, HELD, "sSPRRSSRRRR"),
    ROW(MINE, RUNNING, HELD, "kaaddSSkkdk"),
    ROW(MINE, PAUSED, HELD, "kaaddSSkkdk"),
    ROW(MINE, MOVING, HELD, "kaadd--kkdk"),
    ROW(MINE, CRASHED, HELD, "ddddddd--d-"),
    ROW(OTHERS, ABSENT, HELD, "RRPRRRRRRRR"),
    ROW(OTHERS, RUNNING, HELD, "daadd>>ddd-"),
    ROW(OTHERS, PAUSED, HELD, "daadd>>ddd-"),
    ROW(OTHERS, MOVING, HELD, "daadd--ddd-"),
    ROW(OTHERS, CRASHED, HELD, "dddddddddd-"),
    ROW(MINE, ABSENT, SENDING, "HHHHHHHHHHH"),
    ROW(MINE, RUNNING, SENDING, "==========="),
    ROW(MINE, PAUSED, SENDING, "==========="),
    ROW(MINE, MOVING, SENDING, "==========="),
    ROW(MINE, CRASHED, SENDING, "ddddddddddd"),
    ROW(OTHERS, ABSENT, SENDING, "HHHHHHHHHHH"),
    ROW(OTHERS, RUNNING, SENDING, "==========="),
    ROW(OTHERS, PAUSED, SENDING, "==========="),
    ROW(OTHERS, MOVING, SENDING, "==========="),
    ROW(OTHERS, CRASHED, SENDING, "ddddddddddd"),
    ROW(MINE, ABSENT, OFFERING, "CSPRRSSRRRR"),
    ROW(MINE, RUNNING, OFFERING, "CCCCCCCCCCC"),
    ROW(MINE, PAUSED, OFFERING, "CCCCCCCCCCC"),
    ROW(MINE, MOVING, OFFERING, "CCCCCCCCCCC"),
    ROW(MINE, CRASHED, OFFERING, "ddddddd--d-"),
    ROW(OTHERS, ABSENT, OFFERING, "RRPRRRRRRRR"),
    ROW(OTHERS, RUNNING, OFFERING, "CCCCCooCCCC"),
    ROW(OTHERS, PAUSED, OFFERING, "CCCCCooCCCC"),
    ROW(OTHERS, MOVING, OFFERING, "CCCCCooCCCC"),
    ROW(OTHERS, CRASHED, OFFERING, "dddddddddd-"),
    ROW(MINE, ABSENT, HANDED, "ttttttttttt"),
    ROW(MINE, RUNNING, HANDED, "tttddttttdt"),
    ROW(MINE, PAUSED, HANDED, "tttddttttdt"),
    ROW(MINE, MOVING, HANDED, "tttddttttdt"),
    ROW(MINE, CRASHED, HANDED, "ddddddddddd"),
    ROW(OTHERS, ABSENT, HANDED, "ttttttttttt"),
    ROW(OTHERS, RUNNING, HANDED, "dttddttdddt"),
    ROW(OTHERS, PAUSED, HANDED, "dttddttdddt"),
    ROW(OTHERS, MOVING, HANDED, "dttddttdddt"),
    ROW(OTHERS, CRASHED, HANDED, "ddddddddddd"),
    ROW(MINE, ABSENT, COMING, "<<<<<<<<<<<"),
    ROW(MINE, RUNNING, COMING, "<<<<<<<<<<<"),
    ROW(MINE, PAUSED, COMING, "<<<<<<<<<<<"),
    ROW(MINE, MOVING, COMING, "<<<<<<<<<<<"),
    ROW(MINE, CRASHED, COMING, "<<<<<<<<<<<"),
    ROW(OTHERS, ABSENT, COMING, "-----------"),
    ROW(OTHERS, RUNNING, COMING, "-----------"),
    ROW(OTHERS, PAUSED, COMING, "-----------"),
    ROW(OTHERS, MOVING, COMING, "-----------"),
    ROW(OTHERS, CRASHED, COMING, "-----------"),
    ROW(MINE, ABSENT, OFFERED, "-----XX----"),
    ROW(MINE, RUNNING, OFFERED, "---dd----d-"),
    ROW(MINE, PAUSED, OFFERED, "ddddddddddd"),
    ROW(MINE, MOVING, OFFERED, "ddddddddddd"),
    ROW(MINE, CRASHED, OFFERED, "ddddddddddd"),
    ROW(OTHERS, ABSENT, OFFERED, "-----------"),
    ROW(OTHERS, RUNNING, OFFERED, "dddddddddd-"),
    ROW(OTHERS, PAUSED, OFFERED, "ddddddddddd"),
    ROW(OTHERS, MOVING, OFFERED, "ddddddddddd"),
    ROW(OTHERS, CRASHED, OFFERED, "ddddddddddd"),
    ROW(MINE, ABSENT, HELD_ELSEWHERE, "bb---bb----"),
    ROW(MINE, RUNNING, HELD_ELSEWHERE, "---dd----d-"),
    ROW(MINE, PAUSED, HELD_ELSEWHERE, "ddddddddddd"),
    ROW(MINE, MOVING, HELD_ELSEWHERE, "ddddddddddd"),
    ROW(MINE, CRASHED, HELD_ELSEWHERE, "ddddddddddd"),
    ROW(OTHERS, ABSENT, HELD_ELSEWHERE, "-----------"),
    ROW(OTHERS, RUNNING, HELD_ELSEWHERE, "dddddddddd-"),
    ROW(OTHERS, PAUSED, HELD_ELSEWHERE, "ddddddddddd"),
    ROW(OTHERS, MOVING, HELD_ELSEWHERE, "ddddddddddd"),
    ROW(OTHERS, CRASHED, HELD_ELSEWHERE, "ddddddddddd"),
};

static char decide(enum vm_owner owner, enum vm_here here, int wanted, enum vm_phase phase, enum vm_holder holder,
		   bool same_target) {
	struct vm_view view = {.owner = owner,
			       .here = here,
			       .wanted = (enum vm_state)wanted,
			       .phase = phase,
			       .holder = holder,
			       .same_target = same_target};
	enum vm_action action = vm_decide(&view);

	assert_true(action < VM_ACTION_COUNT);
	return letters[action];
}

static const struct row *row_of(enum vm_owner owner, enum vm_here here, enum vm_holder holder) {
	const struct row *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].owner == owner && rows[i].here == here && rows[i].holder == holder) {
			assert_null(found);
			found = &rows[i];
		}
	return found;
}

/* What a phase makes of the letter for an idle VM. */
static char in_phase(char idle, enum vm_phase phase, const struct row *row, int word) {
	bool asked_and_off = row->owner == VM_OTHERS && row->here == VM_HERE_ABSENT && row->holder == VM_FREE &&
			     word == VM_SHUTDOWN && phase != VM_PHASE_IDLE;

	if (asked_and_off)
		return 'P';
	if (phase == VM_PHASE_ASKED)
		return idle == 'a' ? 'w' : idle;
	if (phase == VM_PHASE_OVERDUE)
		return idle == 'a' ? 'd' : idle == 'o' ? 'r' : idle;
	return idle;
}

static void every_cell_is_as_listed(void **state) {
	(void)state;
	for (int owner = VM_MINE; owner < VM_OWNER_COUNT; owner++)
		for (int here = VM_HERE_ABSENT; here < VM_HERE_COUNT; here++)
			for (int holder = 0; holder < VM_HOLDER_COUNT; holder++) {
				const struct row *row =
				    row_of((enum vm_owner)owner, (enum vm_here)here, (enum vm_holder)holder);

				assert_non_null(row);
				assert_int_equal(strlen(row->expected), VM_STATE_COUNT + 1);
				for (int word = 0; word <= VM_STATE_COUNT; word++)
					for (int phase = 0; phase < VM_PHASE_SENDING; phase++)
						if (decide(row->owner, row->here, word, (enum vm_phase)phase,
							   row->holder, true) !=
						    in_phase(row->expected[word], (enum vm_phase)phase, row, word))
							fail_msg("row %zd, word %d, phase %d", row - rows, word, phase);
			}
}

/* Calls check() with every input there is. */
static void everywhere(void (*check)(const struct vm_view *view, char letter)) {
	for (int owner = 0; owner < VM_OWNER_COUNT; owner++)
		for (int here = 0; here < VM_HERE_COUNT; here++)
			for (int word = -1; word < VM_STATE_COUNT; word++)
				for (int phase = 0; phase < VM_PHASE_COUNT; phase++)
					for (int holder = 0; holder < VM_HOLDER_COUNT; holder++)
						for (int same = 0; same < 2; same++) {
							struct vm_view view = {
							    (enum vm_owner)owner,   (enum vm_here)here,
							    (enum vm_state)word,    (enum vm_phase)phase,
							    (enum vm_holder)holder, same,
							};

							check(&view, letters[vm_decide(&view)]);
						}
}

static void check_start(const struct vm_view *view, char letter) {
	if (letter == 's')
		assert_true(view->owner == VM_MINE && view->here == VM_HERE_ABSENT && view->wanted == VM_START &&
			    view->holder == VM_HELD);
	if (letter == 'C') /* nobody else has it */
		assert_true(view->holder == VM_FREE || view->holder == VM_OFFERING);
}

static void never_two_a_vm_is_started_only_by_its_owner_and_holder_and_claimed_only_when_nobody_else_has_it(
    void **state) {
	(void)state;
	everywhere(check_start);
}

static void check_elsewhere(const struct vm_view *view, char letter) {
	if (view->phase == VM_PHASE_SENDING || view->phase == VM_PHASE_BUSY)
		return;
	if (view->holder == VM_HELD_ELSEWHERE || view->holder == VM_COMING || view->holder == VM_OFFERED)
		assert_non_null(strchr(view->holder == VM_OFFERED ? "-dX" : "-d<b", letter)); /* nothing lets it run */
	if (view->holder == VM_COMING)
		assert_true(letter == '-' || letter == '<'); /* nor ends what is arriving */
	if (letter == 't')                                   /* only what was given to this node is let run */
		assert_int_equal(view->holder, VM_HANDED);
}

static void never_two_what_another_node_has_is_not_let_run(void **state) {
	(void)state;
	everywhere(check_elsewhere);
}

static void check_left(const struct vm_view *view, char letter) {
	if (letter == 'H') /* given away only when it is gone here */
		assert_true(view->holder == VM_SENDING && view->here == VM_HERE_ABSENT);
	if (letter == 'R')
		assert_int_equal(view->here, VM_HERE_ABSENT);
	if (letter == '>')
		assert_true(view->holder == VM_HELD && view->owner == VM_OTHERS);
	/* one that was being sent is not started, asked or taken for off before it is known what became of it */
	if (view->holder == VM_SENDING && view->phase < VM_PHASE_SENDING && view->owner != VM_NOBODYS &&
	    view->here != VM_HERE_UNKNOWN)
		assert_non_null(strchr("H=d", letter));
}

static void never_two_a_vm_is_given_away_only_when_it_is_gone_here(void **state) {
	(void)state;
	everywhere(check_left);
}

static void check_sending(const struct vm_view *view, char letter) {
	bool goes_on = view->owner == VM_NOBODYS || view->wanted == VM_STATE_UNKNOWN ||
		       (view->owner == VM_OTHERS && view->same_target &&
			(view->wanted == VM_MIGRATE || view->wanted == VM_UNMIGRATE || view->wanted == VM_START));

	if (view->phase == VM_PHASE_SENDING)
		assert_int_equal(letter, goes_on ? 'w' : '!');
	else
		assert_int_not_equal(letter, '!');
}

static void a_migration_is_ended_when_it_is_no_longer_wanted(void **state) {
	(void)state;
	everywhere(check_sending);
}

static void d45_a_vm_that_runs_nowhere_is_started_where_it_is_to_move(void **state) {
	(void)state;
	assert_int_equal(decide(VM_MINE, VM_HERE_ABSENT, VM_MIGRATE, VM_PHASE_IDLE, VM_FREE, false), 'S');
	assert_int_equal(decide(VM_MINE, VM_HERE_ABSENT, VM_START, VM_PHASE_IDLE, VM_FREE, false), 'C');
	assert_int_equal(decide(VM_MINE, VM_HERE_ABSENT, VM_START, VM_PHASE_IDLE, VM_HELD, false), 's');
	/* but one that another node has is waited for, however long that takes (D38) */
	assert_int_equal(decide(VM_MINE, VM_HERE_ABSENT, VM_MIGRATE, VM_PHASE_IDLE, VM_HELD_ELSEWHERE, false), 'b');
}

static void another_target_than_the_one_that_was_tried_is_tried_anew(void **state) {
	(void)state;
	assert_int_equal(decide(VM_OTHERS, VM_HERE_RUNNING, VM_MIGRATE, VM_PHASE_IDLE, VM_OFFERING, true), 'o');
	assert_int_equal(decide(VM_OTHERS, VM_HERE_RUNNING, VM_MIGRATE, VM_PHASE_IDLE, VM_OFFERING, false), 'C');
	assert_int_equal(decide(VM_OTHERS, VM_HERE_RUNNING, VM_MIGRATE, VM_PHASE_IDLE, VM_HELD, false), '>');
}

static void check_unknown(const struct vm_view *view, char letter) {
	if (view->phase < VM_PHASE_SENDING && (view->owner == VM_NOBODYS || view->here == VM_HERE_UNKNOWN))
		assert_int_equal(letter, '-');
	if (view->phase == VM_PHASE_BUSY)
		assert_int_equal(letter, 'w');
}

static void nothing_is_done_while_ownership_or_libvirt_is_unknown_and_d35_an_action_under_way_is_waited_for(
    void **state) {
	(void)state;
	everywhere(check_unknown);
}

static void a_guest_that_should_run_here_is_never_ended(void **state) {
	(void)state;
	for (int phase = 0; phase < VM_PHASE_SENDING; phase++) {
		assert_int_equal(decide(VM_MINE, VM_HERE_RUNNING, VM_START, (enum vm_phase)phase, VM_HELD, false), 'k');
		assert_int_equal(decide(VM_MINE, VM_HERE_PAUSED, VM_START, (enum vm_phase)phase, VM_HELD, false), 'k');
		assert_int_equal(decide(VM_MINE, VM_HERE_RUNNING, VM_START, (enum vm_phase)phase, VM_FREE, false), 'C');
	}
}

/* Plays a guest on this node through the table until nothing is left to do; the letters of what was done. */
static void play(enum vm_here here, enum vm_state wanted, bool guest_listens, enum vm_here *end_here,
		 enum vm_state *end_wanted, char trace[16]) {
	enum vm_phase phase = VM_PHASE_IDLE;
	enum vm_holder holder = here == VM_HERE_ABSENT ? VM_FREE : VM_HELD;

	for (int step = 0;; step++) {
		struct vm_view view = {VM_MINE, here, wanted, phase, holder, false};
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
			holder = VM_FREE; /* in the same transaction */
			break;
		case VM_DO_CLAIM:
			holder = VM_HELD;
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
	assert_string_equal(trace, "Csk");
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
	for (int i = 0; i < VM_HOLDER_COUNT; i++)
		assert_true(strlen(vm_holder_name((enum vm_holder)i)) > 2);
}

static void check_holder(const char *text, enum holder_kind kind, const char *node, const char *target) {
	struct holder holder = holder_parse(text);

	assert_int_equal(holder.kind, kind);
	if (kind != HOLDER_UNCLEAR) {
		_cleanup_free_ char *again = holder_text(kind, node, target);

		assert_string_equal(holder.node, kind == HOLDER_HANDED ? "-" : node);
		assert_string_equal(holder.target, target);
		assert_string_equal(again, str_is_absent(text) ? "" : text);
	}
}

static void holders_are_read_as_they_are_written_and_anything_else_is_unclear(void **state) {
	static const char *const unclear[] = {" ",     " a",      "a ",      "a  b",  "a b",   "a > ",
					      "a >b",  "a > b c", "- ! b",   "a ! -", "a > -", "- > -",
					      "a < b", "a\tb",    "a > b\n", "-",     "\n"};
	char big[600];

	(void)state;
	check_holder(NULL, HOLDER_NONE, "", "");
	check_holder("", HOLDER_NONE, "", "");
	check_holder("None", HOLDER_NONE, "", "");
	check_holder("hv1", HOLDER_HAS, "hv1", "");
	check_holder("hv1 > hv2", HOLDER_SENDS, "hv1", "hv2");
	check_holder("hv1 ! hv2", HOLDER_OFFERS, "hv1", "hv2");
	check_holder("- > hv2", HOLDER_HANDED, "", "hv2");
	for (size_t i = 0; i < ARRAY_SIZE(unclear); i++)
		check_holder(unclear[i], HOLDER_UNCLEAR, "", "");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	check_holder(big, HOLDER_UNCLEAR, "", "");
}

static void what_a_holder_means_depends_on_who_asks(void **state) {
	static const struct {
		const char *text;
		enum vm_holder one, two, three;
	} cases[] = {
	    {"", VM_FREE, VM_FREE, VM_FREE},
	    {"hv1", VM_HELD, VM_HELD_ELSEWHERE, VM_HELD_ELSEWHERE},
	    {"hv1 > hv2", VM_SENDING, VM_COMING, VM_HELD_ELSEWHERE},
	    {"hv1 ! hv2", VM_OFFERING, VM_OFFERED, VM_HELD_ELSEWHERE},
	    {"- > hv2", VM_HELD_ELSEWHERE, VM_HANDED, VM_HELD_ELSEWHERE},
	    {"hv1 ? hv2", VM_HELD_ELSEWHERE, VM_HELD_ELSEWHERE, VM_HELD_ELSEWHERE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct holder holder = holder_parse(cases[i].text);

		assert_int_equal(holder_relation(&holder, "hv1"), cases[i].one);
		assert_int_equal(holder_relation(&holder, "hv2"), cases[i].two);
		assert_int_equal(holder_relation(&holder, "hv3"), cases[i].three);
	}
}

static void a_node_that_is_off_for_certain_holds_nothing(void **state) {
	static const struct {
		const char *before, *after; /* NULL: stays; hv1 is dead */
	} cases[] = {
	    {"", NULL},        {"hv1", ""},         {"hv2", NULL},   {"hv1 > hv2", "- > hv2"}, {"hv2 > hv1", NULL},
	    {"hv1 ! hv2", ""}, {"hv2 ! hv1", NULL}, {"- > hv1", ""}, {"- > hv2", NULL},        {"hv1 ? hv2", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct holder holder = holder_parse(cases[i].before);
		_cleanup_free_ char *after = NULL;

		if (!strchr(cases[i].before, '?'))
			assert_int_equal(holder_without(&holder, "hv1", &after), cases[i].after ? 1 : 0);
		if (cases[i].after)
			assert_string_equal(after, cases[i].after);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cell_is_as_listed),
	    cmocka_unit_test(
		never_two_a_vm_is_started_only_by_its_owner_and_holder_and_claimed_only_when_nobody_else_has_it),
	    cmocka_unit_test(never_two_what_another_node_has_is_not_let_run),
	    cmocka_unit_test(never_two_a_vm_is_given_away_only_when_it_is_gone_here),
	    cmocka_unit_test(a_migration_is_ended_when_it_is_no_longer_wanted),
	    cmocka_unit_test(d45_a_vm_that_runs_nowhere_is_started_where_it_is_to_move),
	    cmocka_unit_test(another_target_than_the_one_that_was_tried_is_tried_anew),
	    cmocka_unit_test(
		nothing_is_done_while_ownership_or_libvirt_is_unknown_and_d35_an_action_under_way_is_waited_for),
	    cmocka_unit_test(a_guest_that_should_run_here_is_never_ended),
	    cmocka_unit_test(d36_a_restart_ends_running_also_when_the_guest_ignores_acpi),
	    cmocka_unit_test(d37_every_shutdown_ends_in_stop),
	    cmocka_unit_test(a_crashed_guest_comes_back),
	    cmocka_unit_test(pauses_between_short_runs_grow_to_a_minute),
	    cmocka_unit_test(every_action_and_state_has_a_name),
	    cmocka_unit_test(holders_are_read_as_they_are_written_and_anything_else_is_unclear),
	    cmocka_unit_test(what_a_holder_means_depends_on_who_asks),
	    cmocka_unit_test(a_node_that_is_off_for_certain_holds_nothing),
	};
	return cmocka_run_group_tests_name("cluster_vm", tests, NULL, NULL);
}
