/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What agents say, as text. */
#include <setjmp.h>
#include <cmocka.h>

#include "../../cmd/pvc-fence/level.h"

static void d10_e1_the_power_is_read_whatever_its_case_and_white_space(void **state) {
	static const struct {
		const char *text;
		enum agents_power power;
	} rows[] = {
	    {"Chassis Power is off\n", AGENTS_POWER_OFF},
	    {"Chassis Power is on\n", AGENTS_POWER_ON},
	    {"Chassis Power is off", AGENTS_POWER_OFF},
	    {"Chassis Power is Off\r\n", AGENTS_POWER_OFF},
	    {"\n  CHASSIS POWER IS  OFF \n\n", AGENTS_POWER_OFF},
	    {"chassis power is ON", AGENTS_POWER_ON},
	    {"", AGENTS_POWER_UNKNOWN},
	    {"off", AGENTS_POWER_UNKNOWN},
	    {"Chassis Power is", AGENTS_POWER_UNKNOWN},
	    {"Chassis Power is \n", AGENTS_POWER_UNKNOWN},
	    {"Chassis Power is offline", AGENTS_POWER_UNKNOWN},
	    {"Chassis Power is of", AGENTS_POWER_UNKNOWN},
	    {"Chassis Power is off or on", AGENTS_POWER_UNKNOWN},
	    {"Chassis Power is off\nChassis Power is on\n", AGENTS_POWER_UNKNOWN},
	    {"Chassis Power Control: Down/Off\n", AGENTS_POWER_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (ipmi_parse_power(rows[i].text) != rows[i].power)
			fail_msg("'%s' was misread", rows[i].text);
}

static void complaint_is(const char *output, const char *error, const char *expected) {
	_cleanup_free_ char *text =
	    level_complaint(&(struct run_result){.status = 3, .output = (char *)output, .error = (char *)error});

	assert_string_equal(text, expected);
}

static void a_failed_tool_is_quoted_with_its_last_line_made_printable(void **state) {
	(void)state;
	complaint_is("out\n", "warning\nError: no session\n\n", "Error: no session");
	complaint_is("only this", "\n", "only this");
	complaint_is("", "", "exit status 3 without a word");
	complaint_is("", "a\x1b[31mb\n", "a?[31mb");
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(d10_e1_the_power_is_read_whatever_its_case_and_white_space),
	    cmocka_unit_test(a_failed_tool_is_quoted_with_its_last_line_made_printable),
	};
	return cmocka_run_group_tests_name("agents", tests, NULL, NULL);
}
