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

static void an_agents_status_counts_only_with_word_and_exit_status(void **state) {
	static const struct {
		int status;
		const char *output;
		enum agents_power power;
	} rows[] = {
	    {0, "Status: ON\n", AGENTS_POWER_ON},
	    {2, "Status: OFF\n", AGENTS_POWER_OFF},
	    {2, "warning\n  status:  off \r\n", AGENTS_POWER_OFF},
	    {0, "status: on", AGENTS_POWER_ON},
	    {2, "", AGENTS_POWER_UNKNOWN}, /* an interpreter without its script exits so, too */
	    {0, "", AGENTS_POWER_UNKNOWN},
	    {0, "Status: OFF\n", AGENTS_POWER_UNKNOWN},
	    {2, "Status: ON\n", AGENTS_POWER_UNKNOWN},
	    {1, "Status: OFF\n", AGENTS_POWER_UNKNOWN},
	    {2, "Status: OFFLINE\n", AGENTS_POWER_UNKNOWN},
	    {2, "Status: OFF\nStatus: ON\n", AGENTS_POWER_UNKNOWN},
	    {137, "Status: OFF\n", AGENTS_POWER_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (stdin_agent_power(rows[i].status, rows[i].output) != rows[i].power)
			fail_msg("%d with '%s' was misread", rows[i].status, rows[i].output);
}

static void levels_are_written_and_read_again_as_the_same(void **state) {
	_cleanup_fence_agents_ struct fence_agents first = {0}, second = {0};
	_cleanup_free_ char *text = NULL, *again = NULL;
	const char *expected = NULL;

	(void)state;
	assert_int_equal(fence_agents_add(&first, "ipmitool", &expected), 0);
	assert_int_equal(fence_agents_add(&first, "fence_apc_snmp", &expected), 0);
	assert_int_equal(fence_agents_option(&first, "ip", "10.0.0.1", &expected), 0);
	assert_int_equal(fence_agents_option(&first, "password", "a=b \"c\" \xc3\xa9", &expected), 0);
	text = fence_agents_format(&first);
	assert_int_equal(fence_agents_parse(text, &second, NULL), 0);
	again = fence_agents_format(&second);
	assert_string_equal(text, again);
	assert_int_equal(second.count, 2);
	assert_string_equal(second.items[1].name, "fence_apc_snmp");
	assert_int_equal(second.items[1].options.count, 2);
}

static void what_is_read_of_agents_runs_no_other_program(void **state) {
	static const char *const rows[] = {
	    "",
	    "{",
	    "[]",
	    "{}",
	    "{\"agents\": []}",
	    "{\"agents\": {}}",
	    "{\"agents\": [\"fence_apc\"]}",
	    "{\"agents\": [{}]}",
	    "{\"agents\": [{\"agent\": 1}]}",
	    "{\"agents\": [{\"agent\": \"sh\"}]}",
	    "{\"agents\": [{\"agent\": \"fence_../../bin/sh\"}]}",
	    "{\"agents\": [{\"agent\": \"fence_apc\", \"options\": []}]}",
	    "{\"agents\": [{\"agent\": \"fence_apc\", \"options\": {\"ip\": 1}}]}",
	    "{\"agents\": [{\"agent\": \"fence_apc\", \"options\": {\"action\": \"on\"}}]}",
	    "{\"agents\": [{\"agent\": \"fence_apc\", \"options\": {\"ip\": \"a\\naction=on\"}}]}",
	    "{\"agents\": [{\"agent\": \"fence_apc\", \"options\": {\"ip=x\\naction\": \"on\"}}]}",
	    "{\"agents\": [{\"agent\": \"fence_ipmilan\", \"options\": {\"ipmitool_path\": \"/bin/sh\"}}]}",
	    "{\"agents\": [{\"agent\": \"fence_apc\", \"options\": {\"passwd_script\": \"/bin/sh\"}}]}",
	};
	struct fence_agents agents = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (fence_agents_parse(rows[i], &agents, NULL) != -EBADMSG)
			fail_msg("%s was taken", rows[i]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_agents_status_counts_only_with_word_and_exit_status),
	    cmocka_unit_test(levels_are_written_and_read_again_as_the_same),
	    cmocka_unit_test(what_is_read_of_agents_runs_no_other_program),
	    cmocka_unit_test(d10_e1_the_power_is_read_whatever_its_case_and_white_space),
	    cmocka_unit_test(a_failed_tool_is_quoted_with_its_last_line_made_printable),
	};
	return cmocka_run_group_tests_name("agents", tests, NULL, NULL);
}
