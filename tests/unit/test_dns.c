/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which zones and records the networks ask for, and what changes in a zone of PowerDNS' database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/dns.h"

#define LEASE(m, a, h, o)                                                                                              \
	{ .family = AF_INET, .mac = m, .address = a, .hostname = h, .order = o }
#define LEASE6(m, a, h, o)                                                                                             \
	{ .family = AF_INET6, .mac = m, .address = a, .hostname = h, .order = o }
#define RESERVATION(m, a, h)                                                                                           \
	{ .reserved = true, .family = AF_INET, .mac = m, .address = a, .hostname = h }
#define M1 "52:54:00:00:00:01"
#define M2 "52:54:00:00:00:02"

/* ---- the plan ---- */

/* The zone as "NAME TYPE CONTENT" lines, the network being blue.local with 10.100.0.0/24 and 2001:db8:100::/64. */
static char *zone_text(const struct dns_plan *plan, const char *name) {
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < plan->count; i++)
		for (size_t k = 0; str_equal(plan->zones[i].name, name) && k < plan->zones[i].count; k++)
			if (!str_equal(plan->zones[i].records[k].type, "NS"))
				(void)strbuf_addf(&text, "%s %s %s\n", plan->zones[i].records[k].name,
						  plan->zones[i].records[k].type, plan->zones[i].records[k].content);
	return strbuf_steal(&text);
}

static void assert_zone(const struct dns_plan *plan, const char *name, const char *text) {
	_cleanup_free_ char *is = zone_text(plan, name);

	assert_string_equal(is, text);
}

static void each_host_has_the_record_that_is_right(void **state) {
	static const struct {
		struct dns_host hosts[4];
		const char *zone, *problem; /* part of the only one, or NULL */
	} cases[] = {
	    {{LEASE(M1, "10.100.0.10", "vm1", 1)}, "vm1.blue.local A 10.100.0.10\n", NULL},
	    {{LEASE(M1, "10.100.0.10", "", 1)}, "", NULL},
	    {{LEASE(M1, "10.100.0.10", "None", 1)}, "", NULL},
	    {{LEASE(M1, "10.100.0.10", "VM1.Blue.Local", 1)}, "vm1.blue.local A 10.100.0.10\n", NULL},
	    {{RESERVATION(M1, "10.100.0.200", "web")}, "web.blue.local A 10.100.0.200\n", NULL},
	    {{RESERVATION(M1, "10.100.0.200", NULL)}, "", NULL},
	    /* what it has comes before what it will get, under the name that is reserved for it */
	    {{RESERVATION(M1, "10.100.0.200", "web"), LEASE(M1, "10.100.0.10", "other", 1)},
	     "web.blue.local A 10.100.0.10\n",
	     NULL},
	    {{RESERVATION(M1, "10.100.0.200", NULL), LEASE(M1, "10.100.0.10", "own", 1)},
	     "own.blue.local A 10.100.0.10\n",
	     NULL},
	    /* a reserved name is nobody else's, however new the claim */
	    {{RESERVATION(M1, "10.100.0.200", "web"), LEASE(M2, "10.100.0.10", "WEB", 9)},
	     "web.blue.local A 10.100.0.200\n",
	     M2 " does not get the name web: " M1 " has it"},
	    {{RESERVATION(M1, "10.100.0.200", "web"), LEASE6(M1, "2001:db8:100::5", "x", 1)},
	     "web.blue.local A 10.100.0.200\nweb.blue.local AAAA 2001:db8:100::5\n",
	     NULL},
	    {{RESERVATION(M1, "10.100.0.200", "web"), LEASE6("", "2001:db8:100::5", "web", 1)},
	     "web.blue.local A 10.100.0.200\n",
	     "does not get the name web"},
	    /* of two guests with one name the newest has it, as with dnsmasq */
	    {{LEASE(M1, "10.100.0.10", "vm", 5), LEASE(M2, "10.100.0.11", "vm", 6)},
	     "vm.blue.local A 10.100.0.11\n",
	     M1 " does not get the name vm: " M2 " has it"},
	    {{LEASE(M1, "10.100.0.10", "vm", 5), LEASE6("", "2001:DB8:100::5", "vm", 6)},
	     "vm.blue.local A 10.100.0.10\nvm.blue.local AAAA 2001:db8:100::5\n",
	     NULL},
	    {{LEASE6(M1, "2001:db8:100::5", "vm", 5), LEASE6(M1, "2001:db8:100::6", "vm", 6)},
	     "vm.blue.local AAAA 2001:db8:100::5\nvm.blue.local AAAA 2001:db8:100::6\n",
	     NULL},
	    {{LEASE(M1, "10.100.0.10", "vm", 5), LEASE6(M2, "2001:db8:100::5", "vm", 6)},
	     "vm.blue.local AAAA 2001:db8:100::5\n",
	     M1 " does not get the name vm"},
	    /* hostile input: left out and named, the others stay */
	    {{LEASE(M1, "10.100.0.10", "a b", 1), LEASE(M2, "10.100.0.11", "vm2", 1)},
	     "vm2.blue.local A 10.100.0.11\n",
	     "VNI 100: 'a b', the name of " M1 ", is left out: it is no host name"},
	    {{LEASE(M1, "10.100.0.10", "x'; DROP TABLE records; --", 1)}, "", "is no host name"},
	    {{LEASE(M1, "10.100.0.10", "*", 1)}, "", "is no host name"},
	    {{LEASE(M1, "10.100.0.10", "\x1b[31m", 1)}, "", "'?[31m', the name of"},
	    {{LEASE(M1, "10.100.0.10", "www.example.org", 1)}, "", "is a name of another domain"},
	    {{LEASE(M1, "10.100.0.10", "evilblue.local", 1)}, "", "is a name of another domain"},
	    {{LEASE(M1, "10.200.0.10", "vm", 1)}, "", "vm is left out: '10.200.0.10' is no address of its network"},
	    {{LEASE(M1, "2001:db8:100::5", "vm", 1)}, "", "is no address of its network"},
	    {{LEASE(M1, "10.100.0.10/24", "vm", 1)}, "", "is no address of its network"},
	    {{LEASE(M1, NULL, "vm", 1)}, "", "is no address of its network"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_network network = {.vni = "100",
					      .domain = "Blue.local.",
					      .ip4_network = "10.100.0.0/24",
					      .ip6_network = "2001:db8:100::/64",
					      .hosts = cases[i].hosts};
		_cleanup_dns_plan_ struct dns_plan plan = {0};
		_cleanup_free_ char *zone = NULL;

		while (network.count < 4 && cases[i].hosts[network.count].family)
			network.count++;
		assert_int_equal(dns_plan_make(&network, 1, "upstream.test", &plan), 0);
		zone = zone_text(&plan, "blue.local");
		if (!str_equal(zone, cases[i].zone))
			fail_msg("case %zu: %s", i, zone);
		if (plan.problems.count != (cases[i].problem ? 1 : 0) ||
		    (cases[i].problem && !strstr(plan.problems.items[0], cases[i].problem)))
			fail_msg("case %zu: problem '%s'", i, plan.problems.count ? plan.problems.items[0] : "none");
	}
}

static void zones_follow_domains_and_blocks(void **state) {
	static const struct dns_host one[] = {LEASE(M1, "10.1.0.10", "a", 1)};
	static const struct dns_host two[] = {LEASE(M2, "10.2.2.10", "b", 1), LEASE6(M2, "2001:db8::b", "b", 1)};
	static const struct dns_network networks[] = {
	    {.vni = "1",
	     .domain = "same.test",
	     .name_servers = "ns1.test,10.0.0.1,ns",
	     .ip4_network = "10.1.0.0/16",
	     .hosts = one,
	     .count = 1},
	    {.vni = "2",
	     .domain = "same.test",
	     .name_servers = "['ns2.test', '8.8.8.8']",
	     .ip4_network = "10.2.0.0/20",
	     .ip6_network = "2001:db8::/64",
	     .hosts = two,
	     .count = 2},
	    {.vni = "3", .domain = "None"},
	    {.vni = "4", .domain = "bad domain"},
	};
	_cleanup_dns_plan_ struct dns_plan plan = {0};

	(void)state;
	assert_int_equal(dns_plan_make(networks, ARRAY_SIZE(networks), NULL, &plan), 0);
	assert_int_equal(plan.count, 3); /* no reverse zone for a /20 */
	assert_zone(&plan, "same.test",
		    "a.same.test A 10.1.0.10\nb.same.test A 10.2.2.10\nb.same.test AAAA 2001:db8::b\n");
	assert_zone(&plan, "1.10.in-addr.arpa", "10.0.1.10.in-addr.arpa PTR a.same.test\n");
	assert_zone(&plan, "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		    "b.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR b.same.test\n");
	assert_string_equal(plan.zones[2].name, "same.test");
	assert_string_equal(plan.zones[2].mname, "ns1.test"); /* of the first network with that domain */
	assert_string_equal(plan.zones[2].rname, "root.same.test");
	assert_int_equal(plan.problems.count, 4);
	assert_non_null(strstr(plan.problems.items[0], "VNI 1: the name server '10.0.0.1' is left out"));
	assert_non_null(strstr(plan.problems.items[1], "VNI 1: the name server 'ns' is left out"));
	assert_non_null(strstr(plan.problems.items[2], "VNI 2: the name server '8.8.8.8' is left out"));
	assert_non_null(strstr(plan.problems.items[3], "VNI 4 has no zone: 'bad domain' is no domain name"));
}

static void reverse_zones_lie_at_label_boundaries(void **state) {
	static const struct {
		const char *network, *zone;
	} cases[] = {
	    {"10.0.0.0/8", "10.in-addr.arpa"},
	    {"10.100.0.0/24", "0.100.10.in-addr.arpa"},
	    {"10.100.0.0/25", NULL},
	    {"10.96.0.0/12", NULL},
	    {"2001:db8::/32", "8.b.d.0.1.0.0.2.ip6.arpa"},
	    {"2001:db8::/33", NULL},
	    {"0.0.0.0/0", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *zone = NULL;
		struct ip_prefix ip;

		assert_int_equal(ip_prefix_parse(cases[i].network, false, &ip), 0);
		zone = dns_reverse_zone(&ip);
		if (!str_equal(zone, cases[i].zone))
			fail_msg("%s: %s", cases[i].network, zone ? zone : "none");
	}
}

/* ---- the difference ---- */

static struct dns_record wanted_records[] = {
    {(char *)"a.z", (char *)"A", (char *)"10.0.0.1", 300},
    {(char *)"b.z", (char *)"A", (char *)"10.0.0.2", 300},
};
static const struct dns_zone wanted_zone = {
    .name = (char *)"z", .mname = (char *)"ns.z", .rname = (char *)"root.z", .records = wanted_records, .count = 2};
#define SOA                                                                                                            \
	{ "9", "z", "SOA", "ns.z root.z 41 1 2 3 4", 86400, false }
#define ROW_A                                                                                                          \
	{ "1", "a.z", "A", "10.0.0.1", 300, false }
#define ROW_B                                                                                                          \
	{ "2", "b.z", "A", "10.0.0.2", 300, false }
#define MARK(i, n, c)                                                                                                  \
	{ i, n, "A", c }
#define MARK_A MARK("11", "a.z", "10.0.0.1")
#define MARK_B MARK("12", "b.z", "10.0.0.2")

/* What changes: "-row ID", "+row NAME", "-mark ID", "+mark NAME", "soa ID CONTENT", "foreign". */
static char *changes_text(const struct dns_changes *changes) {
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < changes->delete_rows.count; i++)
		(void)strbuf_addf(&text, "-row %s;", changes->delete_rows.items[i]);
	for (size_t i = 0; i < changes->insert_row_count; i++)
		(void)strbuf_addf(&text, "+row %s;", changes->insert_rows[i]->name);
	for (size_t i = 0; i < changes->delete_marks.count; i++)
		(void)strbuf_addf(&text, "-mark %s;", changes->delete_marks.items[i]);
	for (size_t i = 0; i < changes->insert_mark_count; i++)
		(void)strbuf_addf(&text, "+mark %s;", changes->insert_marks[i]->name);
	if (changes->soa)
		(void)strbuf_addf(&text, "soa %s %s;", changes->soa_id ? changes->soa_id : "new", changes->soa);
	if (changes->foreign)
		(void)strbuf_puts(&text, "foreign;");
	for (size_t i = 0; i < changes->problems.count; i++)
		(void)strbuf_addf(&text, "problem %s;", changes->problems.items[i]);
	return strbuf_steal(&text);
}

#define BUMPED "soa 9 ns.z root.z 42 1 2 3 4;"

static void only_the_difference_is_changed(void **state) {
	static const struct {
		struct dns_row rows[6];
		struct dns_mark marks[4];
		bool gone, adopt;
		const char *changes;
	} cases[] = {
	    /* as it should be: nothing at all */
	    {{SOA, ROW_A, ROW_B}, {MARK_A, MARK_B}, false, false, ""},
	    /* a new zone */
	    {{{0}},
	     {{0}},
	     false,
	     false,
	     "+row a.z;+row b.z;+mark a.z;+mark b.z;soa new ns.z root.z 7 3600 900 1209600 300;"},
	    /* one missing, one too many: one serial for both (D76: the row that is deleted is the one that was read) */
	    {{{"5", "0.z", "A", "10.0.0.9", 300, false}, SOA, ROW_B},
	     {MARK_B, MARK("15", "0.z", "10.0.0.9")},
	     false,
	     false,
	     "-row 5;+row a.z;-mark 15;+mark a.z;" BUMPED},
	    /* another address of the same name */
	    {{SOA, {"1", "a.z", "A", "10.0.0.8", 300, false}, ROW_B},
	     {MARK("11", "a.z", "10.0.0.8"), MARK_B},
	     false,
	     false,
	     "-row 1;+row a.z;-mark 11;+mark a.z;" BUMPED},
	    /* somebody deleted ours: it comes again, its mark is still there */
	    {{SOA, ROW_A}, {MARK_A, MARK_B}, false, false, "+row b.z;" BUMPED},
	    /* somebody changed ours */
	    {{SOA, ROW_A, {"2", "b.z", "A", "10.0.0.2", 5, false}},
	     {MARK_A, MARK_B},
	     false,
	     false,
	     "-row 2;+row b.z;" BUMPED},
	    {{SOA, ROW_A, {"2", "b.z", "A", "10.0.0.2", 300, true}},
	     {MARK_A, MARK_B},
	     false,
	     false,
	     "-row 2;+row b.z;" BUMPED},
	    /* twice */
	    {{SOA, ROW_A, ROW_B, {"3", "b.z", "A", "10.0.0.2", 300, false}},
	     {MARK_A, MARK_B},
	     false,
	     false,
	     "-row 3;" BUMPED},
	    /* those of others: of another name, of ours, and one that says the same */
	    {{SOA,
	      ROW_A,
	      ROW_B,
	      {"3", "www.z", "A", "10.0.0.7", 60, false},
	      {"4", "b.z", "A", "10.0.0.7", 60, false},
	      {"5", "z", "MX", "10 m.z", 60, false}},
	     {MARK_A, MARK_B},
	     false,
	     false,
	     "foreign;"},
	    {{SOA, {"1", "a.z", "A", "10.0.0.1", 60, true}, ROW_B}, {MARK_B}, false, false, "foreign;"},
	    {{SOA, ROW_B, {"3", "a.z", "CNAME", "b.z", 60, false}},
	     {MARK_B},
	     false,
	     false,
	     "foreign;problem a.z gets no A record: it is an alias (CNAME) already;"},
	    /* a row with nulls, as the schema allows it */
	    {{SOA, ROW_A, ROW_B, {"3", NULL, NULL, NULL, 0, false}}, {MARK_A, MARK_B}, false, false, "foreign;"},
	    /* an SOA that is none, missing, twice, or at its last serial */
	    {{{"9", "z", "SOA", "ns.z root.z x 1 2 3 4", 86400, false}, ROW_A, ROW_B},
	     {MARK_A, MARK_B},
	     false,
	     false,
	     "soa 9 ns.z root.z 7 3600 900 1209600 300;"},
	    {{ROW_A, ROW_B}, {MARK_A, MARK_B}, false, false, "soa new ns.z root.z 7 3600 900 1209600 300;"},
	    {{{"9", "z", "SOA", "ns.z root.z 4294967295 1 2 3 4", 86400, false}, ROW_A},
	     {MARK_A, MARK_B},
	     false,
	     false,
	     "+row b.z;soa 9 ns.z root.z 1 1 2 3 4;"},
	    /* its network is gone: ours go, and the zone when nothing of others is in it */
	    {{SOA, ROW_A, ROW_B}, {MARK_A, MARK_B}, true, false, "-row 1;-row 2;-mark 11;-mark 12;"},
	    {{SOA, ROW_A, {"3", "www.z", "A", "10.0.0.7", 60, false}},
	     {MARK_A},
	     true,
	     false,
	     "-row 1;-mark 11;" BUMPED "foreign;"},
	    /* a zone of the reference: what it wrote is ours from now on */
	    {{SOA,
	      ROW_A,
	      {"5", "old.z", "A", "10.0.0.9", 600, false},
	      {"6", "z", "NS", "x", 1, false},
	      {"7", "z", "TXT", "t", 1, false}},
	     {{0}},
	     false,
	     true,
	     "-row 5;-row 6;+row b.z;+mark a.z;+mark b.z;" BUMPED "foreign;"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_there there = {.rows = cases[i].rows, .marks = cases[i].marks, .adopt = cases[i].adopt};
		_cleanup_dns_changes_ struct dns_changes changes = {0};
		_cleanup_free_ char *text = NULL;

		while (there.row_count < 6 && cases[i].rows[there.row_count].id)
			there.row_count++;
		while (there.mark_count < 4 && cases[i].marks[there.mark_count].id)
			there.mark_count++;
		assert_int_equal(dns_diff(cases[i].gone ? NULL : &wanted_zone, &there, 7, &changes), 0);
		text = changes_text(&changes);
		if (!str_equal(text, cases[i].changes))
			fail_msg("case %zu: %s", i, text);
	}
}

static void soa_serials_grow_by_one(void **state) {
	static const struct {
		const char *before, *after;
	} cases[] = {
	    {"a b 1 2 3 4 5", "a b 2 2 3 4 5"},
	    {"a b 4294967295 2 3 4 5", "a b 1 2 3 4 5"},
	    {"a  b\t7 2 3 4 5", "a b 8 2 3 4 5"},
	    {"a b 4294967296 2 3 4 5", NULL},
	    {"a b -1 2 3 4 5", NULL},
	    {"a b 1 2 3 4", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *next = dns_soa_next(cases[i].before);

		if (!str_equal(next, cases[i].after))
			fail_msg("%s: %s", cases[i].before, next ? next : "none");
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_host_has_the_record_that_is_right),
	    cmocka_unit_test(zones_follow_domains_and_blocks),
	    cmocka_unit_test(reverse_zones_lie_at_label_boundaries),
	    cmocka_unit_test(only_the_difference_is_changed),
	    cmocka_unit_test(soa_serials_grow_by_one),
	};

	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
