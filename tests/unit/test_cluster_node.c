/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a node decides about itself, over the whole input space. */
#include <setjmp.h>
#include <cmocka.h>

#include "cluster/cluster.h"

/* Every word that a key may hold, and what it should not: missing, empty, foreign, wrong case, bytes. */
static const char *const odd[] = {NULL, "", "None", "none", "Start", " start", "start ", "\xff\xfe", "0"};

static void maintenance_is_what_strtobool_takes_and_off_when_unclear(void **state) {
	static const char *const on[] = {"y", "yes", "t", "true", "True", "TRUE", "on", "1"},
				 *const off[] = {"n", "no", "f", "false", "False", "off", "0"},
				 *const unclear[] = {NULL, "", "None", "2", "maybe", "true\n", "\xff", "yes please"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(on); i++)
		assert_int_equal(maintenance_parse(on[i]), MAINTENANCE_ON);
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		assert_int_equal(maintenance_parse(off[i]), MAINTENANCE_OFF);
	for (size_t i = 0; i < ARRAY_SIZE(unclear); i++)
		assert_int_equal(maintenance_parse(unclear[i]), MAINTENANCE_UNCLEAR);
}

static void each_word_of_domainstate_has_its_duty(void **state) {
	(void)state;
	assert_int_equal(node_duty("flushed"), NODE_DUTY_NONE);
	assert_int_equal(node_duty("ready"), NODE_DUTY_NONE);
	assert_int_equal(node_duty("unflush"), NODE_DUTY_UNFLUSH);
	assert_int_equal(node_duty("flush"), NODE_DUTY_FLUSH);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(node_duty(odd[i]), NODE_DUTY_UNCLEAR);
	assert_int_equal(node_duty("unflushed"), NODE_DUTY_UNCLEAR);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(maintenance_is_what_strtobool_takes_and_off_when_unclear),
	    cmocka_unit_test(each_word_of_domainstate_has_its_duty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
