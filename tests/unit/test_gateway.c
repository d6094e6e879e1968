/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a network asks for, dnsmasq's command line, and the frames that tell neighbours. */
#include <setjmp.h>
#include <cmocka.h>

#include "../../cmd/pvc-gateway/wanted.h"

#include "net/net.h"

static const char *const usual[KEY_COUNT] = {
    [KEY_NETTYPE] = "managed",           [KEY_DOMAIN] = "net1.local",
    [KEY_IP4_NETWORK] = "10.1.0.0/24",   [KEY_IP4_GATEWAY] = "10.1.0.1",
    [KEY_DHCP4_FLAG] = "True",           [KEY_DHCP4_START] = "10.1.0.10",
    [KEY_DHCP4_END] = "10.1.0.99",       [KEY_IP6_NETWORK] = "2001:db8:1::/64",
    [KEY_IP6_GATEWAY] = "2001:db8:1::1", [KEY_DHCP6_FLAG] = "True",
};

/* The usual keys with some others: pairs of key and text, -1 at the end. */
struct change {
	int key;
	const char *text;
};
static struct wanted compute(const struct change *changes) {
	const char *keys[KEY_COUNT];
	struct wanted wanted;

	memcpy(keys, usual, sizeof(keys));
	for (; changes && changes->key >= 0; changes++)
		keys[changes->key] = changes->text;
	assert_int_equal(wanted_compute(keys, &wanted), 0);
	return wanted;
}
#define WITH(...) ((const struct change[]){__VA_ARGS__, {-1, NULL}})

static void the_usual_keys_give_everything(void **state) {
	struct wanted wanted = compute(NULL);
	char text[IP_PREFIX_TEXT];

	(void)state;
	assert_true(wanted_server(&wanted));
	ip_prefix_format(&wanted.gateway4, true, text);
	assert_string_equal(text, "10.1.0.1/24");
	ip_prefix_format(&wanted.gateway6, true, text);
	assert_string_equal(text, "2001:db8:1::1/64");
	assert_true(wanted.dhcp4);
	assert_int_equal(wanted.ipv6, IPV6_STATELESS);
	assert_string_equal(wanted.domain, "net1.local");
	assert_int_equal(wanted.problems.count, 0);
	wanted_free(&wanted);
}

static void only_managed_networks_want_something(void **state) {
	static const char *const types[] = {"bridged", NULL, "", "Managed", "None"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct wanted wanted = compute(WITH({KEY_NETTYPE, types[i]}));

		assert_false(wanted_server(&wanted));
		assert_int_equal(wanted.gateway4.family, 0);
		assert_int_equal(wanted.problems.count, 0);
		wanted_free(&wanted);
	}
}

static void absent_in_every_spelling_is_absent(void **state) {
	static const char *const absent[] = {NULL, "", "None", "none"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
		struct wanted wanted =
		    compute(WITH({KEY_IP4_NETWORK, absent[i]}, {KEY_IP4_GATEWAY, absent[i]},
				 {KEY_DHCP4_START, absent[i]}, {KEY_DHCP4_END, absent[i]}, {KEY_DOMAIN, absent[i]}));

		assert_int_equal(wanted.gateway4.family, 0);
		assert_false(wanted.dhcp4);
		assert_null(wanted.domain);
		assert_int_equal(wanted.ipv6, IPV6_STATEFUL); /* alone, DHCPv6 gives the addresses */
		assert_int_equal(wanted.problems.count, 0);
		wanted_free(&wanted);
	}
}

static void flags_are_true_only_as_the_word_true(void **state) {
	static const char *const words[] = {"true", "TRUE", "1", "yes", "False", "", NULL, "None", "True "};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct wanted wanted = compute(WITH({KEY_DHCP4_FLAG, words[i]}, {KEY_DHCP6_FLAG, words[i]}));

		assert_false(wanted.dhcp4);
		assert_int_equal(wanted.ipv6, IPV6_NONE);
		assert_true(wanted_server(&wanted)); /* DNS */
		wanted_free(&wanted);
	}
}

static void a_wrong_key_is_named_and_takes_only_its_own_part_away(void **state) {
	static const struct {
		struct change change;
		bool gateway4, gateway6, dhcp4;
		const char *says;
	} cases[] = {
	    {{KEY_IP4_GATEWAY, "10.2.0.1"}, false, true, false, "ip4_gateway"},
	    {{KEY_IP4_GATEWAY, "10.1.0.0"}, false, true, false, "ip4_gateway"},
	    {{KEY_IP4_GATEWAY, "10.1.0.255"}, false, true, false, "ip4_gateway"},
	    {{KEY_IP4_GATEWAY, "10.1.0.1/24"}, false, true, false, "ip4_gateway"},
	    {{KEY_IP4_GATEWAY, "2001:db8::1"}, false, true, false, "ip4_gateway"},
	    {{KEY_IP4_GATEWAY, "x"}, false, true, false, "ip4_gateway"},
	    {{KEY_IP4_NETWORK, "10.1.0.0"}, false, true, false, "ip4_network"},
	    {{KEY_IP4_NETWORK, "0.0.0.0/0"}, false, true, false, "ip4_network"},
	    {{KEY_IP4_NETWORK, "10.1.0.0/33"}, false, true, false, "ip4_network"},
	    {{KEY_IP4_NETWORK, NULL}, false, true, false, "ip4_gateway"},
	    {{KEY_DHCP4_START, "10.1.1.10"}, true, true, false, "dhcp4_start"},
	    {{KEY_DHCP4_START, "10.1.0.100"}, true, true, false, "dhcp4_end"},
	    {{KEY_DHCP4_END, "None"}, true, true, false, "dhcp4_end"},
	    {{KEY_DHCP4_END, "10.1.0.255"}, true, true, false, "dhcp4_end"},
	    {{KEY_IP6_GATEWAY, "2001:db8:2::1"}, true, false, true, "ip6_gateway"},
	    {{KEY_IP6_GATEWAY, "2001:db8:1::"}, true, false, true, "ip6_gateway"},
	    {{KEY_IP6_NETWORK, "10.0.0.0/8"}, true, false, true, "ip6_network"},
	    {{KEY_IP6_NETWORK, "2001:db8:1::/48"}, true, true, true, "ip6_network"},
	    {{KEY_DOMAIN, "a b"}, true, true, true, "domain"},
	    {{KEY_DOMAIN, "x/y"}, true, true, true, "domain"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wanted wanted = compute(WITH(cases[i].change));

		assert_int_equal(wanted.gateway4.family != 0, cases[i].gateway4);
		assert_int_equal(wanted.gateway6.family != 0, cases[i].gateway6);
		assert_int_equal(wanted.dhcp4, cases[i].dhcp4);
		assert_int_equal(wanted.problems.count, 1);
		assert_true(str_starts(wanted.problems.items[0], cases[i].says));
		wanted_free(&wanted);
	}
}

static void without_a_range_only_reservations_get_addresses(void **state) {
	struct wanted wanted = compute(WITH({KEY_DHCP4_START, "None"}, {KEY_DHCP4_END, "None"}));
	const struct place place = {
	    "vmbr1",   7,    1450, "/run/pvc/dnsmasq/1", "/usr/sbin/pvc-dhcp-lease", "/run/pvc/dnsmasq/servers",
	    "dnsmasq", false};
	_cleanup_strlist_ struct strlist arguments = {0};

	(void)state;
	assert_true(wanted.dhcp4);
	assert_int_equal(wanted_arguments(&wanted, &place, &arguments), 0);
	assert_true(strlist_contains(&arguments, "--dhcp-range=10.1.0.0,static,255.255.255.0,48h"));
	wanted_free(&wanted);
}

static void the_command_line_is_bound_to_its_bridge_and_known_by_its_second_word(void **state) {
	static const char *const expected[] = {"--interface=vmbr1",
					       "--except-interface=lo",
					       "--bind-dynamic",
					       "--leasefile-ro",
					       "--conf-file=/dev/null",
					       "--dhcp-script=/usr/sbin/pvc-dhcp-lease",
					       "--tag-if=set:link7",
					       "--domain=net1.local",
					       "--local=/net1.local/",
					       "--dhcp-range=10.1.0.10,10.1.0.99,255.255.255.0,48h",
					       "--dhcp-option=option:router,10.1.0.1",
					       "--dhcp-option=option:mtu,1450",
					       "--enable-ra",
					       "--dhcp-range=2001:db8:1::,ra-stateless,ra-names",
					       "--dhcp-option=option6:dns-server,[2001:db8:1::1]"};
	struct wanted wanted = compute(NULL);
	const struct place place = {
	    "vmbr1",   7,    1450, "/run/pvc/dnsmasq/1", "/usr/sbin/pvc-dhcp-lease", "/run/pvc/dnsmasq/servers",
	    "dnsmasq", false};
	_cleanup_strlist_ struct strlist arguments = {0};

	(void)state;
	assert_int_equal(wanted_arguments(&wanted, &place, &arguments), 0);
	assert_string_equal(arguments.items[0], "dnsmasq");
	assert_string_equal(arguments.items[1], "--dhcp-hostsfile=/run/pvc/dnsmasq/1/hosts");
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (!strlist_contains(&arguments, expected[i]))
			fail_msg("%s is missing", expected[i]);
	wanted_free(&wanted);
}

static void ipv6_alone_or_in_a_small_network_is_given_by_dhcp(void **state) {
	const struct place place = {
	    "vmbr1",   7,    1500, "/run/pvc/dnsmasq/1", "/usr/sbin/pvc-dhcp-lease", "/run/pvc/dnsmasq/servers",
	    "dnsmasq", false};
	static const struct {
		const char *flag4, *network, *range;
	} cases[] = {
	    {"False", "2001:db8:1::/64", "--dhcp-range=2001:db8:1::2,2001:db8:1:0:ffff:ffff:ffff:ffff,64,24h"},
	    {"True", "2001:db8:1::/112", "--dhcp-range=2001:db8:1::2,2001:db8:1::ffff,112,24h"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wanted wanted =
		    compute(WITH({KEY_DHCP4_FLAG, cases[i].flag4}, {KEY_IP6_NETWORK, cases[i].network}));
		_cleanup_strlist_ struct strlist arguments = {0};

		assert_int_equal(wanted_arguments(&wanted, &place, &arguments), 0);
		if (!strlist_contains(&arguments, cases[i].range))
			fail_msg("%s is missing", cases[i].range);
		assert_false(strlist_contains(&arguments, "--dhcp-option=option:mtu,1500"));
		wanted_free(&wanted);
	}
}

static void of_two_that_overlap_the_other_one_yields_in_that_family_alone(void **state) {
	static const struct {
		const char *other;
		bool yields4, yields6;
	} cases[] = {{"10.1.0.128/25", true, false},
		     {"10.0.0.0/8", true, false},
		     {"10.1.1.0/24", false, false},
		     {"2001:db8::/32", false, true},
		     {"2001:db8:2::/64", false, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wanted wanted = compute(NULL);
		struct ip_prefix other;

		assert_int_equal(ip_prefix_parse(cases[i].other, false, &other), 0);
		assert_int_equal(wanted_yield(&wanted, &other, "VNI 1"), 0);
		assert_int_equal(wanted.gateway4.family == 0, cases[i].yields4);
		assert_int_equal(wanted.dhcp4, !cases[i].yields4);
		assert_int_equal(wanted.gateway6.family == 0, cases[i].yields6);
		assert_int_equal(wanted.ipv6 == IPV6_NONE, cases[i].yields6);
		assert_int_equal(wanted.problems.count, cases[i].yields4 || cases[i].yields6);
		wanted_free(&wanted);
	}
}

static void name_servers_are_taken_out_of_resolv_conf(void **state) {
	static const char text[] =
	    "# nameserver 1.1.1.1\nsearch example.org\nnameserver 10.0.0.1\n nameserver\t2001:db8::1 x\r\n"
	    "nameserver fe80::1%eth0\nnameserver fe80::1%a/b\nnameserver x\nnameserver\nnameservers 1.2.3.4\n"
	    "nameserver 1.2.3.4/example.org";
	_cleanup_strbuf_ struct strbuf out = {0};

	(void)state;
	assert_int_equal(wanted_name_servers(text, &out), 0);
	assert_string_equal(out.data, "server=10.0.0.1\nserver=2001:db8::1\nserver=fe80::1%eth0\n");
}

static uint32_t add_words(const uint8_t *bytes, size_t length) {
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static void announcements_are_what_the_standards_say(void **state) {
	static const uint8_t mac[] = {0x52, 0x54, 0, 1, 2, 3}, everybody[] = {255, 255, 255, 255, 255, 255},
			     all_nodes[] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t frame[NET_ANNOUNCEMENT_MAX];
	struct ip_prefix ip;
	uint32_t sum;

	(void)state;
	assert_int_equal(ip_prefix_parse("10.1.0.1/24", false, &ip), 0);
	assert_int_equal(net_announcement(mac, &ip, frame), 42);
	assert_memory_equal(frame, everybody, 6);
	assert_memory_equal(frame + 6, mac, 6);
	assert_memory_equal(frame + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	assert_memory_equal(frame + 28, "\x0a\x01\x00\x01", 4); /* sender's and target's address are the same */
	assert_memory_equal(frame + 38, "\x0a\x01\x00\x01", 4);

	assert_int_equal(ip_prefix_parse("2001:db8:1::1/64", false, &ip), 0);
	assert_int_equal(net_announcement(mac, &ip, frame), 86);
	assert_memory_equal(frame, all_nodes, 6);
	assert_int_equal(frame[21], 255);               /* hop limit */
	assert_memory_equal(frame + 22, ip.bytes, 16);  /* source */
	assert_memory_equal(frame + 54, "\x88\x00", 2); /* neighbour advertisement */
	assert_int_equal(frame[58], 0xa0);              /* of a router, overrides */
	assert_memory_equal(frame + 62, ip.bytes, 16);  /* target */
	assert_memory_equal(frame + 78, "\x02\x01", 2); /* target's link-layer address */
	assert_memory_equal(frame + 80, mac, 6);
	/* with its checksum in it the sum over pseudo header and body is all ones */
	sum = add_words(frame + 22, 32) + 32 + 58 + add_words(frame + 54, 32);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_usual_keys_give_everything),
	    cmocka_unit_test(only_managed_networks_want_something),
	    cmocka_unit_test(absent_in_every_spelling_is_absent),
	    cmocka_unit_test(flags_are_true_only_as_the_word_true),
	    cmocka_unit_test(a_wrong_key_is_named_and_takes_only_its_own_part_away),
	    cmocka_unit_test(without_a_range_only_reservations_get_addresses),
	    cmocka_unit_test(the_command_line_is_bound_to_its_bridge_and_known_by_its_second_word),
	    cmocka_unit_test(ipv6_alone_or_in_a_small_network_is_given_by_dhcp),
	    cmocka_unit_test(of_two_that_overlap_the_other_one_yields_in_that_family_alone),
	    cmocka_unit_test(name_servers_are_taken_out_of_resolv_conf),
	    cmocka_unit_test(announcements_are_what_the_standards_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
