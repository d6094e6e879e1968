/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Leases and reservations: what comes from guests and foreign writers, and what goes out. */
#include <setjmp.h>
#include <cmocka.h>

#include "dhcp/dhcp.h"

static void words_are_what_they_say(void **state) {
	static const char *const macs[] = {"52:54:00:00:00:01", "AA:bb:CC:dd:EE:ff"},
				 *const no_macs[] = {NULL,
						     "",
						     "52:54:00:00:00",
						     "52:54:00:00:00:01:02",
						     "52-54-00-00-00-01",
						     "52:54:00:00:00:0g",
						     "52:54:00:00:00:01\n",
						     "5:54:00:00:00:01",
						     "52:54:00:00:00:01:"},
				 *const names[] = {"a", "vm1", "web-1.example.org", "_srv", "1", "A_b"},
				 *const no_names[] = {NULL,   "",    ".",    "a.",  ".a",       "a..b", "-a",  "a-",
						      "a-.b", "a b", "a\nb", "a/b", "\xc3\xa4", "a*",   "a,b", "$(x)"},
				 *const vnis[] = {"1", "100", "16777215"}, *const no_vnis[] = {NULL,         "",
											       "0",          "01",
											       "16777216",   "-1",
											       "1x",         " 1",
											       "99999999999"},
				 *const iaids[] = {"0", "4294967295", "T17"}, *const no_iaids[] = {NULL, "",
												   "T",  "4294967296",
												   "t1", "1 2"};
	char long_name[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(macs); i++)
		assert_true(dhcp_is_mac(macs[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no_macs); i++)
		assert_false(dhcp_is_mac(no_macs[i]));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_true(dhcp_is_hostname(names[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no_names); i++)
		assert_false(dhcp_is_hostname(no_names[i]));
	for (size_t i = 0; i < ARRAY_SIZE(vnis); i++)
		assert_true(dhcp_is_vni(vnis[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no_vnis); i++)
		assert_false(dhcp_is_vni(no_vnis[i]));
	for (size_t i = 0; i < ARRAY_SIZE(iaids); i++)
		assert_true(dhcp_is_iaid(iaids[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no_iaids); i++)
		assert_false(dhcp_is_iaid(no_iaids[i]));
	memset(long_name, 'a', sizeof(long_name));
	long_name[63] = '\0';
	assert_true(dhcp_is_hostname(long_name));
	long_name[63] = 'a';
	long_name[64] = '\0';
	assert_false(dhcp_is_hostname(long_name)); /* a label has 63 bytes at the most */
}

static const char *const *environment; /* pairs, NULL at the end */
static char *variable(const char *name) {
	for (const char *const *e = environment; e && *e; e += 2)
		if (str_equal(*e, name))
			return (char *)e[1];
	return NULL;
}

static void dnsmasq_s_words_become_an_event(void **state) {
	static const char *const v4[] = {"DNSMASQ_LEASE_EXPIRES", "1900000000", "DNSMASQ_CLIENT_ID", "01:52:54", NULL};
	char *arguments[] = {"add", "52:54:00:AA:00:01", "10.0.0.5", "vm1"};
	_cleanup_lease_event_ struct lease_event event = {0};
	_cleanup_free_ char *dropped = NULL;

	(void)state;
	environment = v4;
	assert_int_equal(lease_event_parse("100", arguments, 4, variable, &event, &dropped, NULL), 0);
	assert_null(dropped);
	assert_int_equal(event.action, LEASE_ADD);
	assert_int_equal(event.family, AF_INET);
	assert_string_equal(event.fields[LEASE_MAC], "52:54:00:aa:00:01");
	assert_string_equal(event.fields[LEASE_HOSTNAME], "vm1");
	assert_string_equal(event.fields[LEASE_CLIENT], "01:52:54");
	assert_string_equal(event.fields[LEASE_EXPIRY], "1900000000");
}

static void without_variables_a_lease_is_for_ever_and_of_no_client_id(void **state) {
	char *arguments[] = {"old", "52:54:00:00:00:01", "10.0.0.5"};
	_cleanup_lease_event_ struct lease_event event = {0};

	(void)state;
	environment = NULL;
	assert_int_equal(lease_event_parse("100", arguments, 3, variable, &event, NULL, NULL), 0);
	assert_string_equal(event.fields[LEASE_EXPIRY], "0");
	assert_string_equal(event.fields[LEASE_CLIENT], "*");
	assert_string_equal(event.fields[LEASE_HOSTNAME], "");
}

static void a_name_that_is_none_is_dropped_and_told(void **state) {
	char *arguments[] = {"add", "52:54:00:00:00:01", "10.0.0.5", "a b\n"};
	_cleanup_lease_event_ struct lease_event event = {0};
	_cleanup_free_ char *dropped = NULL;

	(void)state;
	environment = NULL;
	assert_int_equal(lease_event_parse("100", arguments, 4, variable, &event, &dropped, NULL), 0);
	assert_string_equal(event.fields[LEASE_HOSTNAME], "");
	assert_string_equal(dropped, "a b?");
}

static void what_is_no_lease_is_refused(void **state) {
	char *const wrong[][3] = {
	    {"add", "52:54:00:00:00", "10.0.0.5"},         {"add", "52:54:00:00:00:01", "10.0.0"},
	    {"add", "../52:54:00:00:00", "10.0.0.5"},      {"del", "52:54:00:00:00:01", "10.0.0.5/24"},
	    {"add", "00:01", "2001:db8::5" /* no IAID */},
	};
	char *other_card[] = {"add", "06-52:54:00:00:00:01", "10.0.0.5"}, *tftp[] = {"tftp", "1", "10.0.0.5"};
	struct lease_event event;

	(void)state;
	environment = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_free_ char *error = NULL;

		assert_int_equal(lease_event_parse("100", wrong[i], 3, variable, &event, NULL, &error), -EINVAL);
		assert_non_null(error);
	}
	assert_int_equal(lease_event_parse("0", other_card, 3, variable, &event, NULL, NULL), -EOPNOTSUPP);
	assert_int_equal(lease_event_parse("100", tftp, 3, variable, &event, NULL, NULL), -EOPNOTSUPP);
	assert_int_equal(lease_event_parse("100", other_card, 1, variable, &event, NULL, NULL), -EINVAL);
}

static void an_event_goes_through_the_socket_whole_or_not_at_all(void **state) {
	static const char *const v6[] = {"DNSMASQ_IAID",      "T7", "DNSMASQ_SERVER_DUID", "00:02", "DNSMASQ_MAC",
					 "52:54:00:00:00:01", NULL};
	char *arguments[] = {"add", "00:01:aa", "2001:db8::5", "vm6"};
	_cleanup_lease_event_ struct lease_event event = {0}, back = {0}, other;
	_cleanup_strbuf_ struct strbuf data = {0};

	(void)state;
	environment = v6;
	memset(&other, 0, sizeof(other));
	assert_int_equal(lease_event_parse("100", arguments, 4, variable, &event, NULL, NULL), 0);
	assert_int_equal(lease_event_encode(&event, &data), 0);
	assert_int_equal(lease_event_decode(data.data, data.length, &back), 0);
	for (int i = 0; i < LEASE_FIELDS; i++)
		assert_string_equal(event.fields[i], back.fields[i]);
	assert_int_equal(back.family, AF_INET6);
	assert_true(lease_event_same_lease(&event, &back));
	for (size_t n = 0; n < data.length; n++)
		assert_int_equal(lease_event_decode(data.data, n, &other), -EINVAL);
	assert_int_equal(strbuf_add(&data, "x", 2), 0);
	assert_int_equal(lease_event_decode(data.data, data.length, &other), -EINVAL);
}

static void a_reservation_is_one_line_of_what_it_says(void **state) {
	static const struct {
		const char *mac, *address, *name, *line;
	} cases[] = {
	    {"52:54:00:00:00:01", "10.0.0.5", "web", "52:54:00:00:00:01,10.0.0.5,web"},
	    {"52:54:00:00:00:01", "10.0.0.5", "None", "52:54:00:00:00:01,10.0.0.5"},
	    {"52:54:00:00:00:01", "10.0.0.5", NULL, "52:54:00:00:00:01,10.0.0.5"},
	    /* words that dnsmasq would take for something else */
	    {"52:54:00:00:00:01", "10.0.0.5", "ignore", "52:54:00:00:00:01,10.0.0.5"},
	    {"52:54:00:00:00:01", "10.0.0.5", "Infinite", "52:54:00:00:00:01,10.0.0.5"},
	    {"52:54:00:00:00:01", "10.0.0.5", "48h", "52:54:00:00:00:01,10.0.0.5"},
	    {"52:54:00:00:00:01", "10.0.0.5", "600", "52:54:00:00:00:01,10.0.0.5"},
	    {"52:54:00:00:00:01", "10.0.0.5", "a,ignore", "52:54:00:00:00:01,10.0.0.5"},
	    {"52:54:00:00:00:01", "10.0.0.5", "x\n", "52:54:00:00:00:01,10.0.0.5"},
	    {"52:54:00:00:00:01", "10.0.1.5", "web", NULL},
	    {"52:54:00:00:00:01", "2001:db8::1", "web", NULL},
	    {"52:54:00:00:00:01", "10.0.0.5,ignore", "web", NULL},
	    {"52:54:00:00:00:01", NULL, "web", NULL},
	    {"52:54:00:00:00", "10.0.0.5", "web", NULL},
	    {"*", "10.0.0.5", "web", NULL},
	};
	struct ip_prefix network;

	(void)state;
	assert_int_equal(ip_prefix_parse("10.0.0.0/24", false, &network), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why;
		_cleanup_free_ char *line =
		    reservation_line(cases[i].mac, cases[i].address, cases[i].name, &network, &why);

		if (cases[i].line) {
			assert_string_equal(line, cases[i].line);
			assert_null(why);
		} else {
			assert_null(line);
			assert_non_null(why);
		}
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_what_they_say),
	    cmocka_unit_test(dnsmasq_s_words_become_an_event),
	    cmocka_unit_test(without_variables_a_lease_is_for_ever_and_of_no_client_id),
	    cmocka_unit_test(a_name_that_is_none_is_dropped_and_told),
	    cmocka_unit_test(what_is_no_lease_is_refused),
	    cmocka_unit_test(an_event_goes_through_the_socket_whole_or_not_at_all),
	    cmocka_unit_test(a_reservation_is_one_line_of_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
