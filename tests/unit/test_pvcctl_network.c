/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../cmd/pvcctl/network_check.h"

/* ---- words ---- */

static void a_vni_is_a_number_of_its_type(void **state) {
	static const struct {
		const char *text;
		bool bridged;
		uint32_t vni; /* 0: refused */
	} rows[] = {
	    {"1", false, 1},
	    {"16777215", false, 16777215},
	    {"16777216", false, 0},
	    {"0", false, 0},
	    {"4094", true, 4094},
	    {"4095", true, 0},
	    {"0", true, 0},
	    {"-1", false, 0},
	    {"", false, 0},
	    {"1x", false, 0},
	    {"0100", false, 100},
	    {" 1", false, 0},
	    {"99999999999999999999", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *error = NULL;
		uint32_t vni = 0;
		int r = net_check_vni(rows[i].text, rows[i].bridged, &vni, &error);

		assert_int_equal(r, rows[i].vni ? 0 : -EINVAL);
		assert_int_equal(vni, rows[i].vni);
		if (r < 0)
			assert_non_null(strstr(error, "VNI"));
	}
}

static void names_are_words_that_every_client_can_read(void **state) {
	static const char *const good[] = {"web", "a", "net_1", "a/b", "Web.2", "x:y"};
	static const char *const bad[] = {"", "a b", "a\tb", "a\n", "net\xc3\xa4", "123", "None", "none"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(net_check_name("the name", good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *error = NULL;

		assert_int_equal(net_check_name("the name", bad[i], &error), -EINVAL);
		assert_true(str_starts(error, "the name '"));
	}
	assert_int_equal(net_check_rule_name("ssh-in", NULL), 0);
	assert_int_equal(net_check_rule_name("22", NULL), 0);
	assert_int_equal(net_check_rule_name("a/b", NULL), -EINVAL); /* it is a component of a path */
	assert_int_equal(net_check_rule_name("..", NULL), -EINVAL);
	assert_int_equal(net_check_rule_name("", NULL), -EINVAL);
}

static void host_and_domain_names_follow_rfc_1123(void **state) {
	static const char label63[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg";
	static const char label64[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg";

	(void)state;
	assert_true(net_is_hostname("web1"));
	assert_true(net_is_hostname("3com"));
	assert_true(net_is_hostname(label63));
	assert_false(net_is_hostname(label64));
	assert_false(net_is_hostname(""));
	assert_false(net_is_hostname("-a"));
	assert_false(net_is_hostname("a-"));
	assert_false(net_is_hostname("a.b"));
	assert_false(net_is_hostname("a_b"));
	assert_false(net_is_hostname("a,b"));
	assert_false(net_is_hostname("a\nb"));
	assert_true(net_is_domain("example"));
	assert_true(net_is_domain("a.b.example"));
	assert_false(net_is_domain("a..b"));
	assert_false(net_is_domain(".a"));
	assert_false(net_is_domain("a."));
	assert_false(net_is_domain("a b"));
	assert_false(net_is_domain("a/b"));
	assert_false(net_is_domain(""));
}

static void a_mac_is_brought_into_the_form_of_its_key(void **state) {
	static const char *const bad[] = {"",
					  "52:54:00:00:00",
					  "52:54:00:00:00:0g",
					  "52:54:00:00:00:011",
					  "52-54:00-00-00-01",
					  "525400000001",
					  "01:00:5e:00:00:01", /* a group's */
					  "ff:ff:ff:ff:ff:ff",
					  "00:00:00:00:00:00",
					  "52.54.00.00.00.01"};
	char mac[NET_MAC_TEXT];

	(void)state;
	assert_int_equal(net_check_mac("52:54:00:AB:cd:0F", mac, NULL), 0);
	assert_string_equal(mac, "52:54:00:ab:cd:0f");
	assert_int_equal(net_check_mac("52-54-00-AB-CD-0F", mac, NULL), 0);
	assert_string_equal(mac, "52:54:00:ab:cd:0f");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *error = NULL;

		assert_int_equal(net_check_mac(bad[i], mac, &error), -EINVAL);
		assert_true(str_starts(error, "MAC "));
	}
}

static void d65_a_rule_is_one_line_and_one_statement_of_bounded_size(void **state) {
	_cleanup_free_ char *longest = malloc(4098), *error = NULL;

	(void)state;
	assert_non_null(longest);
	memset(longest, 'a', 4097);
	longest[4097] = '\0';
	assert_int_equal(net_check_rule("tcp dport { 22, 80 } ct state new accept", NULL), 0);
	assert_int_equal(net_check_rule(longest, &error), -EINVAL);
	assert_non_null(strstr(error, "4097 bytes"));
	longest[4096] = '\0';
	assert_int_equal(net_check_rule(longest, NULL), 0);
	assert_int_equal(net_check_rule("accept; add table inet evil", &error), -EINVAL);
	assert_non_null(strstr(error, "';' (byte 7)"));
	assert_int_equal(net_check_rule("accept\nadd table inet evil", &error), -EINVAL);
	assert_non_null(strstr(error, "(byte 7)"));
	assert_int_equal(net_check_rule("accept\x1b[1m", NULL), -EINVAL);
	assert_int_equal(net_check_rule("accept \xc3\xa4", NULL), -EINVAL);
	assert_int_equal(net_check_rule("", NULL), -EINVAL);
	assert_int_equal(net_check_rule("   ", NULL), -EINVAL);
}

static void an_order_that_is_no_number_is_the_last(void **state) {
	(void)state;
	assert_true(net_order("0") == 0);
	assert_true(net_order("10") == 10);
	assert_true(net_order("") == UINT64_MAX);
	assert_true(net_order(NULL) == UINT64_MAX);
	assert_true(net_order("None") == UINT64_MAX);
	assert_true(net_order("-1") == UINT64_MAX);
}

static void name_servers_are_read_in_every_spelling(void **state) {
	static const struct {
		const char *text, *servers;
	} rows[] = {
	    {"", ""},
	    {"None", ""},
	    {"8.8.8.8", "8.8.8.8"},
	    {"a,b", "a,b"},
	    {"['a', 'b']", "a,b"},
	    {"[\"a\", 'b']", "a,b"},
	    {"['a']", "a"},
	    {"[]", ""},
	    {"a, b", "a,b"},
	    {"['']", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_strlist_ struct strlist servers = {0};
		_cleanup_free_ char *joined = NULL;

		assert_int_equal(net_dns_read(rows[i].text, &servers), 0);
		joined = strlist_join(&servers, ",");
		assert_string_equal(joined, rows[i].servers);
	}
}

/* ---- whole networks ---- */

static void a_new_network_has_the_values_that_the_reference_writes(void **state) {
	static const char *const managed[NET_KEY_COUNT] = {
	    [NET_SELF] = "net1",
	    [NET_TYPE] = "managed",
	    [NET_DOMAIN] = "net1.local",
	    [NET_DNS] = "ns1.example,192.0.2.1",
	    [NET_IP6_NETWORK] = "2001:db8::/64",
	    [NET_IP6_GATEWAY] = "2001:db8::1",
	    [NET_DHCP6] = "True",
	    [NET_IP4_NETWORK] = "10.1.0.0/24",
	    [NET_IP4_GATEWAY] = "10.1.0.1",
	    [NET_DHCP4] = "True",
	    [NET_DHCP4_START] = "10.1.0.10",
	    [NET_DHCP4_END] = "10.1.0.99",
	};
	static const char *const bridged[NET_KEY_COUNT] = {
	    [NET_SELF] = "br",     [NET_TYPE] = "bridged",     [NET_DOMAIN] = "None",
	    [NET_DNS] = "",        [NET_IP6_NETWORK] = "None", [NET_IP6_GATEWAY] = "None",
	    [NET_DHCP6] = "False", [NET_IP4_NETWORK] = "None", [NET_IP4_GATEWAY] = "None",
	    [NET_DHCP4] = "False", [NET_DHCP4_START] = "None", [NET_DHCP4_END] = "None",
	};
	_cleanup_net_values_ struct net_values m = {0}, b = {0};
	struct net_options o = {.name = "net1",
				.dns = "ns1.example, 192.0.2.1",
				.ipnet = "10.1.0.0/24",
				.gateway = "10.1.0.1",
				.ipnet6 = "2001:DB8::/64",
				.dhcp = true,
				.dhcp_start = "10.1.0.10",
				.dhcp_end = "10.1.0.99"};
	uint32_t vni;

	(void)state;
	assert_int_equal(net_values_new("100", &o, &vni, &m, NULL), 0);
	assert_int_equal(vni, 100);
	for (int k = 0; k < NET_KEY_COUNT; k++)
		assert_string_equal(m.text[k], managed[k]);
	o = (struct net_options){.name = "br", .type = "bridged"};
	assert_int_equal(net_values_new("200", &o, &vni, &b, NULL), 0);
	for (int k = 0; k < NET_KEY_COUNT; k++)
		assert_string_equal(b.text[k], bridged[k]);
}

/* What is wrong, and what of the command line the message must name. */
static void bad_input_is_refused_by_the_name_of_its_option(void **state) {
	static const struct {
		const char *vni;
		struct net_options o;
		const char *names;
	} rows[] = {
	    {"16777216", {.name = "a", .ipnet = "10.1.0.0/24"}, "VNI"},
	    {"4095", {.name = "a", .type = "bridged"}, "VNI"},
	    {"1", {.name = "a b", .ipnet = "10.1.0.0/24"}, "name"},
	    {"1", {.name = "a", .type = "routed"}, "--type"},
	    {"1", {.name = "a"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "none"}, "--ipnet"},
	    {"1", {.name = "a_b", .ipnet = "10.1.0.0/24"}, "--domain"},
	    {"1", {.name = "a", .domain = "a..b", .ipnet = "10.1.0.0/24"}, "--domain"},
	    {"1", {.name = "a", .dns = "a b/c", .ipnet = "10.1.0.0/24"}, "--dns-server"},
	    {"1", {.name = "a", .dns = "10.1.0.300", .ipnet = "10.1.0.0/24"}, "--dns-server"},
	    {"1", {.name = "a", .dns = ",", .ipnet = "10.1.0.0/24"}, "--dns-server"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/33"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/31"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "10.1.0.5/24"}, "10.1.0.0/24"},
	    {"1", {.name = "a", .ipnet = "127.1.0.0/24"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "0.0.0.0/0"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "224.0.0.0/8"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "169.254.0.0/16"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "2001:db8::/64"}, "--ipnet"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "10.2.0.1"}, "--gateway: 10.2.0.1 is outside"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "10.1.0.0"}, "--gateway: 10.1.0.0 is the network"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "10.1.0.255"}, "broadcast"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "10.1.0.1/24"}, "--gateway"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "fe80::1"}, "--gateway"},
	    {"1", {.name = "a", .ipnet6 = "2001:db8::/64", .gateway = "10.1.0.1"}, "--gateway needs --ipnet"},
	    {"1",
	     {.name = "a", .ipnet = "10.1.0.0/24", .dhcp = true, .dhcp_start = "10.1.0.9", .dhcp_end = "10.1.0.20"},
	     "--gateway"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "10.1.0.1", .dhcp = true}, "--dhcp-start"},
	    {"1",
	     {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "10.1.0.1", .dhcp = true, .dhcp_start = "10.1.0.9"},
	     "--dhcp-end is missing"},
	    {"1",
	     {.name = "a", .ipnet = "10.1.0.0/24", .gateway = "10.1.0.1", .dhcp = true, .dhcp_end = "10.1.0.9"},
	     "--dhcp-start is missing"},
	    {"1",
	     {.name = "a",
	      .ipnet = "10.1.0.0/24",
	      .gateway = "10.1.0.1",
	      .dhcp_start = "10.1.0.9",
	      .dhcp_end = "10.1.0.20"},
	     "without --dhcp"},
	    {"1",
	     {.name = "a",
	      .ipnet = "10.1.0.0/24",
	      .gateway = "10.1.0.1",
	      .dhcp = true,
	      .dhcp_start = "10.1.0.20",
	      .dhcp_end = "10.1.0.9"},
	     "--dhcp-start 10.1.0.20 is behind --dhcp-end 10.1.0.9"},
	    {"1",
	     {.name = "a",
	      .ipnet = "10.1.0.0/24",
	      .gateway = "10.1.0.1",
	      .dhcp = true,
	      .dhcp_start = "10.1.1.2",
	      .dhcp_end = "10.1.1.9"},
	     "--dhcp-start: 10.1.1.2 is outside"},
	    {"1",
	     {.name = "a",
	      .ipnet = "10.1.0.0/24",
	      .gateway = "10.1.0.1",
	      .dhcp = true,
	      .dhcp_start = "10.1.0.2",
	      .dhcp_end = "10.1.0.255"},
	     "--dhcp-end: 10.1.0.255"},
	    {"1",
	     {.name = "a",
	      .ipnet = "10.1.0.0/24",
	      .gateway = "10.1.0.5",
	      .dhcp = true,
	      .dhcp_start = "10.1.0.2",
	      .dhcp_end = "10.1.0.9"},
	     "--gateway 10.1.0.5 is between"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .dhcp = true, .no_dhcp = true}, "exclude"},
	    {"1", {.name = "a", .ipnet6 = "2001:db8::/48"}, "--ipnet6"},
	    {"1", {.name = "a", .ipnet6 = "2001:db8::1/64"}, "--ipnet6"},
	    {"1", {.name = "a", .ipnet6 = "fe80::/64"}, "--ipnet6"},
	    {"1", {.name = "a", .ipnet6 = "ff02::/64"}, "--ipnet6"},
	    {"1", {.name = "a", .ipnet6 = "10.1.0.0/24"}, "--ipnet6"},
	    {"1", {.name = "a", .ipnet6 = "2001:db8::/64", .gateway6 = "2001:db9::1"}, "--gateway6"},
	    {"1", {.name = "a", .ipnet6 = "2001:db8::/64", .gateway6 = "2001:db8::"}, "--gateway6"},
	    {"1", {.name = "a", .ipnet6 = "2001:db8::/64", .gateway6 = "none"}, "--gateway6"},
	    {"1", {.name = "a", .ipnet = "10.1.0.0/24", .gateway6 = "2001:db8::1"}, "--gateway6 needs --ipnet6"},
	    {"1", {.name = "a", .type = "bridged", .ipnet = "10.1.0.0/24"}, "--ipnet: only managed"},
	    {"1", {.name = "a", .type = "bridged", .dhcp = true}, "--dhcp: only managed"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_net_values_ struct net_values v = {0};
		_cleanup_free_ char *error = NULL;
		uint32_t vni;
		int r = net_values_new(rows[i].vni, &rows[i].o, &vni, &v, &error);

		if (r != -EINVAL || !error || !strstr(error, rows[i].names))
			print_error("row %zu: %d, %s\n", i, r, error ? error : "");
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(error, rows[i].names));
		assert_null(v.text[NET_SELF]);
	}
}

static struct net_values network(const struct net_options *o) {
	struct net_values v;
	_cleanup_free_ char *error = NULL;
	uint32_t vni;

	if (net_values_new("100", o, &vni, &v, &error) < 0)
		fail_msg("%s", error);
	return v;
}

static const struct net_options usual = {.name = "net1",
					 .ipnet = "10.1.0.0/24",
					 .gateway = "10.1.0.1",
					 .dhcp = true,
					 .dhcp_start = "10.1.0.10",
					 .dhcp_end = "10.1.0.99"};

static void modify_changes_what_is_given_and_checks_what_hangs_on_it(void **state) {
	_cleanup_net_values_ struct net_values v = network(&usual);
	_cleanup_free_ char *error = NULL;

	(void)state;
	assert_int_equal(net_values_change(&v, &(struct net_options){.no_dhcp = true}, NULL), 0);
	assert_string_equal(v.text[NET_DHCP4], "False");
	assert_string_equal(v.text[NET_DHCP4_START], "10.1.0.10");
	assert_int_equal(net_values_change(&v, &(struct net_options){.name = "other", .dhcp = true}, NULL), 0);
	assert_string_equal(v.text[NET_SELF], "other");
	assert_string_equal(v.text[NET_DOMAIN], "net1.local");
	assert_int_equal(net_values_change(&v, &(struct net_options){.ipnet = "10.2.0.0/24"}, &error), -EINVAL);
	assert_non_null(strstr(error, "--gateway: 10.1.0.1 is outside of the network 10.2.0.0/24"));
}

static void modify_takes_values_away_with_the_word_none(void **state) {
	_cleanup_net_values_ struct net_values v = network(&usual);
	_cleanup_free_ char *error = NULL;

	(void)state;
	assert_int_equal(net_values_change(&v, &(struct net_options){.ipnet6 = "2001:db8::/64", .dns = "a"}, NULL), 0);
	assert_string_equal(v.text[NET_IP6_GATEWAY], "2001:db8::1");
	assert_int_equal(net_values_change(&v, &(struct net_options){.ipnet = "none", .dns = "none"}, NULL), 0);
	assert_string_equal(v.text[NET_IP4_NETWORK], "None");
	assert_string_equal(v.text[NET_IP4_GATEWAY], "None");
	assert_string_equal(v.text[NET_DHCP4], "False");
	assert_string_equal(v.text[NET_DHCP4_END], "None");
	assert_string_equal(v.text[NET_DNS], "");
	assert_int_equal(net_values_change(&v, &(struct net_options){.ipnet6 = "none"}, &error), -EINVAL);
	assert_non_null(strstr(error, "--ipnet"));
}

static void modify_leaves_odd_values_of_others_that_it_does_not_touch(void **state) {
	_cleanup_net_values_ struct net_values v = {0};

	(void)state;
	assert_int_equal(net_put(&v, NET_SELF, "odd name"), 0);
	assert_int_equal(net_put(&v, NET_TYPE, "managed"), 0);
	assert_int_equal(net_put(&v, NET_IP4_NETWORK, "garbage"), 0);
	assert_int_equal(net_values_change(&v, &(struct net_options){.domain = "a.example"}, NULL), 0);
	assert_string_equal(v.text[NET_DOMAIN], "a.example");
	assert_string_equal(v.text[NET_IP4_NETWORK], "garbage");
	assert_int_equal(net_values_change(&v, &(struct net_options){.gateway = "10.1.0.1"}, NULL), -EINVAL);
}

static void networks_with_one_name_or_overlapping_addresses_collide(void **state) {
	static const struct {
		struct net_options o;
		const char *names; /* NULL: no collision */
	} rows[] = {
	    {{.name = "net1", .ipnet = "10.9.0.0/24"}, "'net1' is used by network 7"},
	    {{.name = "b", .ipnet = "10.1.0.0/16"}, "--ipnet 10.1.0.0/16 overlaps with network 7 (net1): 10.1.0.0/24"},
	    {{.name = "b", .ipnet = "10.1.0.128/25"}, "overlaps"},
	    {{.name = "b", .ipnet = "10.1.1.0/24"}, NULL},
	    {{.name = "b", .ipnet6 = "2001:db8::/64"}, NULL},
	    {{.name = "b", .type = "bridged"}, NULL},
	    {{.name = "net1", .type = "bridged"}, "'net1' is used"},
	};
	_cleanup_net_values_ struct net_values other = network(&usual);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_net_values_ struct net_values v = network(&rows[i].o);
		_cleanup_free_ char *error = NULL;
		int r = net_values_collide(&v, &other, "7", &error);

		assert_int_equal(r, rows[i].names ? -EEXIST : 0);
		if (r < 0)
			assert_non_null(strstr(error, rows[i].names));
	}
}

static void a_reservation_is_an_address_of_a_guest(void **state) {
	static const char *const bad[] = {"10.2.0.5", "10.1.0.0",    "10.1.0.255", "10.1.0.1",
					  "x",        "2001:db8::5", "10.1.0.5/24"};
	_cleanup_net_values_ struct net_values v = network(&usual);
	char address[IP_PREFIX_TEXT];

	(void)state;
	assert_int_equal(net_check_reservation(&v, "10.1.0.5", address, NULL), 0);
	assert_string_equal(address, "10.1.0.5");
	assert_int_equal(net_check_reservation(&v, "10.1.0.50", address, NULL), 0); /* also inside the range */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *error = NULL;

		assert_int_equal(net_check_reservation(&v, bad[i], address, &error), -EINVAL);
		assert_true(str_starts(error, "ADDRESS"));
	}
	assert_int_equal(net_put(&v, NET_IP4_NETWORK, "None"), 0);
	assert_int_equal(net_check_reservation(&v, "10.1.0.5", address, NULL), -EINVAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_vni_is_a_number_of_its_type),
	    cmocka_unit_test(names_are_words_that_every_client_can_read),
	    cmocka_unit_test(host_and_domain_names_follow_rfc_1123),
	    cmocka_unit_test(a_mac_is_brought_into_the_form_of_its_key),
	    cmocka_unit_test(d65_a_rule_is_one_line_and_one_statement_of_bounded_size),
	    cmocka_unit_test(an_order_that_is_no_number_is_the_last),
	    cmocka_unit_test(name_servers_are_read_in_every_spelling),
	    cmocka_unit_test(a_new_network_has_the_values_that_the_reference_writes),
	    cmocka_unit_test(bad_input_is_refused_by_the_name_of_its_option),
	    cmocka_unit_test(modify_changes_what_is_given_and_checks_what_hangs_on_it),
	    cmocka_unit_test(modify_takes_values_away_with_the_word_none),
	    cmocka_unit_test(modify_leaves_odd_values_of_others_that_it_does_not_touch),
	    cmocka_unit_test(networks_with_one_name_or_overlapping_addresses_collide),
	    cmocka_unit_test(a_reservation_is_an_address_of_a_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
