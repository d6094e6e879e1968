/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a VM when its node is off for certain: hv1, the victim; hv2 lives; hv3 is gone too where it says so.
 */
#include <math.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/fence_recover.h"

static char *const victim_alone[] = {"hv1", NULL};
static char *const both[] = {"hv1", "hv3", NULL};
static const struct strlist one_gone = {(char **)victim_alone, 1}, two_gone = {(char **)both, 2};

struct expectation {
	const char *state, *node, *holder;
	enum recover_kind kind;
	const char *new_holder; /* NULL: it stays */
};

static void expect(const struct expectation *e, const struct strlist *gone) {
	struct recover_vm vm = {.state = e->state, .node = e->node, .holder = e->holder};
	struct recover_step step;

	assert_int_equal(recover_decide(&vm, "hv1", gone, &step), 0);
	if (step.kind != e->kind || !str_equal(step.holder, e->new_holder))
		fail_msg("state %s, node %s, holder %s: %s, holder '%s'", e->state ? e->state : "-",
			 e->node ? e->node : "-", e->holder ? e->holder : "-", recover_kind_name(step.kind),
			 step.holder ? step.holder : "(stays)");
	assert_true((step.kind == RECOVER_END) == str_equal(step.state, "stop"));
	assert_null(step.node); /* its node changes with a target alone */
	recover_step_free(&step);
}
static void expect_all(const struct expectation *list, size_t count, const struct strlist *gone) {
	for (size_t i = 0; i < count; i++)
		expect(&list[i], gone);
}
#define EXPECT(list, gone) expect_all(list, ARRAY_SIZE(list), gone)

/* D2, D14, E10: what belongs to the node counts, not what the node reported last. */
static void every_state_of_a_vm_of_the_node(void **state) {
	static const struct expectation list[] = {
	    {"start", "hv1", "hv1", RECOVER_PLACE, ""},
	    {"start", "hv1", NULL, RECOVER_PLACE, NULL}, /* it was just about to start */
	    {"start", "hv1", "", RECOVER_PLACE, NULL},
	    {"restart", "hv1", "hv1", RECOVER_PLACE, ""},
	    {"shutdown", "hv1", "hv1", RECOVER_END, ""},
	    {"stop", "hv1", "hv1", RECOVER_RELEASE, ""},
	    {"stop", "hv1", "", RECOVER_NOTHING, NULL},
	    {"disable", "hv1", "hv1", RECOVER_RELEASE, ""},
	    {"disable", "hv1", "", RECOVER_NOTHING, NULL},
	    {"migrate", "hv1", "", RECOVER_PLACE, NULL},
	    {"migrate", "hv1", "hv1", RECOVER_PLACE, ""}, /* it had arrived */
	    {"unmigrate", "hv1", "hv1", RECOVER_PLACE, ""},
	    {"provision", "hv1", "hv1", RECOVER_RELEASE, ""},
	    {"provision", "hv1", "", RECOVER_NOTHING, NULL},
	    {"fail", "hv1", "hv1", RECOVER_RELEASE, ""},
	    {"fail", "hv1", "", RECOVER_NOTHING, NULL},
	    {"delete", "hv1", "hv1", RECOVER_RELEASE, ""},
	    {"nonsense", "hv1", "hv1", RECOVER_RELEASE, ""},
	    {NULL, "hv1", "hv1", RECOVER_RELEASE, ""},
	    {NULL, "hv1", NULL, RECOVER_NOTHING, NULL},
	};

	(void)state;
	EXPECT(list, &one_gone);
}

static void vms_of_others_are_left_alone(void **state) {
	static const struct expectation list[] = {
	    {"start", "hv2", "hv2", RECOVER_NOTHING, NULL},
	    {"start", "hv2", "", RECOVER_NOTHING, NULL},
	    {"migrate", "hv2", "hv4 > hv2", RECOVER_NOTHING, NULL},
	    {"start", "hv2", "what is this", RECOVER_NOTHING, NULL},
	    {"start", "hv11", "hv11", RECOVER_NOTHING, NULL}, /* a name that begins alike */
	    {"start", NULL, NULL, RECOVER_NOTHING, NULL},
	    {"start", "None", "None", RECOVER_NOTHING, NULL},
	    {"start", "", "hv2", RECOVER_NOTHING, NULL},
	};

	(void)state;
	EXPECT(list, &one_gone);
	EXPECT(list, &two_gone);
}

/* D14: those that were on their way */
static void vms_that_were_leaving_the_node(void **state) {
	static const struct expectation list[] = {
	    {"migrate", "hv2", "hv1", RECOVER_RELEASE, ""},              /* hv2 starts it */
	    {"migrate", "hv2", "hv1 > hv2", RECOVER_RELEASE, "- > hv2"}, /* hv2 lets it run, or starts it */
	    {"migrate", "hv2", "hv1 ! hv2", RECOVER_RELEASE, ""},
	    {"restart", "hv2", "hv1 ! hv2", RECOVER_RELEASE, ""}, /* the cold way: it is off */
	    {"start", "hv2", "hv1", RECOVER_RELEASE, ""},         /* a client wrote the node alone */
	    {"shutdown", "hv2", "hv1", RECOVER_RELEASE, ""},
	    {"stop", "hv2", "hv1", RECOVER_RELEASE, ""},
	    {"start", NULL, "hv1", RECOVER_RELEASE, ""},
	    {"nonsense", "hv2", "hv1", RECOVER_RELEASE, ""},
	    {"start", "hv1", "hv1 > hv2", RECOVER_PLACE, "- > hv2"}, /* called back: whoever gets it waits for hv2 */
	};

	(void)state;
	EXPECT(list, &one_gone);
}

static void vms_that_were_coming_to_the_node(void **state) {
	static const struct expectation list[] = {
	    {"migrate", "hv1", "hv2", RECOVER_AWAIT, NULL}, /* hv2 runs it, finds that it cannot send it, keeps it */
	    {"migrate", "hv1", "hv2 > hv1", RECOVER_AWAIT, NULL},
	    {"migrate", "hv1", "hv2 ! hv1", RECOVER_AWAIT, NULL},
	    {"unmigrate", "hv1", "hv2 > hv1", RECOVER_AWAIT, NULL},
	    {"migrate", "hv1", "- > hv1", RECOVER_PLACE, ""}, /* it had left hv2 */
	    {"start", "hv1", "- > hv1", RECOVER_PLACE, ""},
	    {"restart", "hv1", "hv2 ! hv1", RECOVER_PLACE, NULL}, /* hv2 shuts it down and gives it up */
	    {"start", "hv1", "hv2", RECOVER_PLACE, NULL},         /* ... ends it and gives it up */
	    {"shutdown", "hv1", "hv2", RECOVER_END, NULL},
	    {"stop", "hv1", "hv2", RECOVER_NOTHING, NULL},
	};

	(void)state;
	EXPECT(list, &one_gone);
}

/* Two at once, in whatever order they are recovered. */
static void vms_between_two_nodes_that_are_gone(void **state) {
	static const struct expectation list[] = {
	    {"migrate", "hv3", "hv1 > hv3", RECOVER_PLACE, ""}, {"migrate", "hv3", "hv1 ! hv3", RECOVER_PLACE, ""},
	    {"migrate", "hv3", "hv1", RECOVER_PLACE, ""},       {"migrate", "hv1", "hv3 > hv1", RECOVER_PLACE, ""},
	    {"migrate", "hv1", "hv3", RECOVER_PLACE, ""},       {"migrate", "hv1", "- > hv1", RECOVER_PLACE, ""},
	    {"shutdown", "hv3", "hv1", RECOVER_END, ""},        {"stop", "hv3", "hv1", RECOVER_RELEASE, ""},
	    {"start", "hv3", "hv3", RECOVER_NOTHING, NULL}, /* hv3's own recovery's */
	    {"start", "hv3", "", RECOVER_NOTHING, NULL},
	};

	(void)state;
	EXPECT(list, &two_gone);
}

/* Bad input in every key starts nothing that might run. */
static void a_holder_that_nobody_can_read_keeps_a_vm_from_being_started(void **state) {
	static const struct expectation list[] = {
	    {"start", "hv1", "hv1 ? hv2", RECOVER_UNCLEAR, NULL}, {"start", "hv1", "hv1 hv2", RECOVER_UNCLEAR, NULL},
	    {"restart", "hv1", "> hv1", RECOVER_UNCLEAR, NULL},   {"shutdown", "hv1", "\n", RECOVER_UNCLEAR, NULL},
	    {"migrate", "hv1", "-", RECOVER_UNCLEAR, NULL},       {"stop", "hv1", "hv1 ? hv2", RECOVER_NOTHING, NULL},
	};

	(void)state;
	EXPECT(list, &one_gone);
	EXPECT(list, &two_gone);
}

static void a_vm_gets_the_words_of_its_new_node(void **state) {
	struct recover_vm vm = {.state = "restart", .node = "hv1", .holder = "hv1"};
	struct recover_step step;

	(void)state;
	assert_int_equal(recover_decide(&vm, "hv1", &one_gone, &step), 0);
	recover_settle(&step, &vm, "hv2");
	assert_string_equal(step.state, "start");
	assert_string_equal(step.node, "hv2");
	assert_string_equal(step.lastnode, "hv1"); /* it is brought back there when that node is ready again */
	assert_null(step.autostart);
	recover_step_free(&step);
}

/* D13: the reference writes `stopped`, which breaks its client */
static void a_vm_without_a_target_is_off_and_starts_with_its_node(void **state) {
	struct recover_vm vm = {.state = "start", .node = "hv1", .holder = "hv1"};
	struct recover_step step;

	(void)state;
	assert_int_equal(recover_decide(&vm, "hv1", &one_gone, &step), 0);
	recover_settle(&step, &vm, NULL);
	assert_string_equal(step.state, "stop");
	assert_int_equal(vm_state_parse(step.state), VM_STOP);
	assert_string_equal(step.autostart, "True");
	assert_null(step.node);
	assert_null(step.lastnode);
	assert_string_equal(step.holder, "");
	recover_step_free(&step);
}

static void targets_follow_limit_and_selector_and_are_never_gone(void **state) {
	struct select_node nodes[] = {
	    {"hv1", DAEMON_RUN, DOMAINS_READY, 0, 64000, 0, 0, 0, 0},
	    {"hv2", DAEMON_RUN, DOMAINS_READY, 0, 1000, 0, 9, 9, 9},
	    {"hv3", DAEMON_RUN, DOMAINS_READY, 0, 32000, 0, 1, 1, 1},
	    {"hv4", DAEMON_RUN, DOMAINS_READY, 0, 2000, 0, 2, 2, 2},
	};
	struct recover_vm vm = {.state = "start", .node = "hv1"};
	_cleanup_free_ char *error = NULL;

	(void)state;
	assert_int_equal(recover_target(&vm, "hv1", &one_gone, SELECT_MEM, nodes, 4, NULL), 2);
	assert_int_equal(recover_target(&vm, "hv1", &two_gone, SELECT_MEM, nodes, 4, NULL), 3);
	vm.limit = "hv1,hv2";
	assert_int_equal(recover_target(&vm, "hv1", &one_gone, SELECT_MEM, nodes, 4, NULL), 1);
	vm.limit = "hv1";
	assert_int_equal(recover_target(&vm, "hv1", &one_gone, SELECT_MEM, nodes, 4, &error), -ENOENT);
	assert_non_null(strstr(error, "hv2 is not in the VM's node limit"));
	vm.limit = "None";
	vm.selector = "vms";
	assert_int_equal(recover_target(&vm, "hv1", &two_gone, SELECT_MEM, nodes, 4, NULL), 3);
	vm.selector = "best"; /* a word that nobody knows: the configuration's */
	assert_int_equal(recover_target(&vm, "hv1", &two_gone, SELECT_LOAD, nodes, 4, NULL), 3);
	nodes[3].daemon_state = DAEMON_DEAD;
	nodes[1].domain_state = DOMAINS_FLUSH;
	assert_int_equal(recover_target(&vm, "hv1", &two_gone, SELECT_MEM, nodes, 4, NULL), -ENOENT);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_of_a_vm_of_the_node),
	    cmocka_unit_test(vms_of_others_are_left_alone),
	    cmocka_unit_test(vms_that_were_leaving_the_node),
	    cmocka_unit_test(vms_that_were_coming_to_the_node),
	    cmocka_unit_test(vms_between_two_nodes_that_are_gone),
	    cmocka_unit_test(a_holder_that_nobody_can_read_keeps_a_vm_from_being_started),
	    cmocka_unit_test(a_vm_gets_the_words_of_its_new_node),
	    cmocka_unit_test(a_vm_without_a_target_is_off_and_starts_with_its_node),
	    cmocka_unit_test(targets_follow_limit_and_selector_and_are_never_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
