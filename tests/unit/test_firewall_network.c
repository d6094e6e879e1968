/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client networks' firewall against the kernel, in a network namespace of the test's own; nft(8) is the
 * independent eye. */
#include <setjmp.h>
#include <cmocka.h>
#include <sched.h>

#include "firewall/firewall.h"
#include "firewall/match.h"
#include "firewall/network.h"

static char *nft(const char *a, const char *b, const char *c, const char *d, const char *e) {
	const char *argv[] = {"nft", a, b, c, d, e, NULL};
	struct run_result result;

	assert_int_equal(run_command(argv, NULL, deadline_after(60 * USEC_PER_SEC), &result), 0);
	if (result.status != 0)
		fail_msg("nft: %s", result.error);
	free(result.error);
	return result.output;
}

static void nft_load(const char *text) {
	const char *argv[] = {"nft", "-f", "-", NULL};
	struct run_result result;

	assert_int_equal(run_command(argv, text, deadline_after(60 * USEC_PER_SEC), &result), 0);
	if (result.status != 0)
		fail_msg("nft: %s", result.error);
	run_result_free(&result);
}

/* As pvc-firewall leaves it. */
static void load_base(void) {
	nft_load("table inet pvc {\n chain networks-input {\n}\n chain networks-forward {\n}\n"
		 "chain input { type filter hook input priority 0; jump networks-input\n}\n"
		 "chain forward { type filter hook forward priority 0; jump networks-forward\n}\n}\n");
}

static int fresh_namespace(void **state) {
	struct network_firewall *firewall = NULL;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return 0; /* *state stays NULL: the tests skip themselves */
	assert_int_equal(network_firewall_open(&firewall), 0);
	*state = firewall;
	return 0;
}

static int leave(void **state) {
	network_firewall_close(*state);
	*state = NULL;
	return 0;
}

static struct network_firewall *need(void **state) {
	if (!*state)
		skip();
	return *state;
}

static size_t begin(struct network_firewall *firewall) {
	_cleanup_free_ uint32_t *vnis = NULL;
	_cleanup_free_ char *error = NULL;
	size_t count;

	if (network_firewall_begin(firewall, &vnis, &count, &error) < 0)
		fail_msg("%s", error);
	return count;
}

static struct network_firewall *need_base(void **state) {
	struct network_firewall *firewall = need(state);

	load_base();
	assert_int_equal(begin(firewall), 0);
	return firewall;
}

static void add(struct network_rules *rules, enum network_direction direction, const char *name, const char *order,
		const char *text) {
	assert_int_equal(network_rules_add(rules, direction, name, order, text), 0);
}

static int apply(struct network_firewall *firewall, struct network_rules *rules) {
	struct network_rules *const networks[] = {rules};
	_cleanup_free_ char *error = NULL;
	int r = network_firewall_apply(firewall, networks, 1, &error);

	if (r < 0)
		fail_msg("%s", error);
	return r;
}

/* The lines of a chain's rules, without counters' values. */
static char *rules_of(const char *name) {
	const char *argv[] = {"nft", "-s", "list", "chain", "inet", "pvc", name, NULL};
	struct run_result result;
	char *start, *end;

	assert_int_equal(run_command(argv, NULL, deadline_after(60 * USEC_PER_SEC), &result), 0);
	if (result.status != 0)
		fail_msg("nft: %s", result.error);
	start = strstr(strstr(result.output, "\tchain "), " {\n") + 3;
	end = strstr(start, "\t}\n");
	start = strndup(start, (size_t)(end - start));
	run_result_free(&result);
	return start;
}

static void without_counters(char *text) {
	for (char *p; (p = strstr(text, "counter"));)
		memmove(p, p + strlen("counter"), strlen(p + strlen("counter")) + 1);
	/* blanks in a row, at the beginning and at the end of a line */
	for (char *p = text, *q = text, last = '\t'; (*q = *p); p++) {
		if (*p != ' ' || (p[1] != ' ' && p[1] != '\n' && last != '\t'))
			q++;
		last = *p;
	}
}

/* The lines from where two texts differ: whole ones are too long for cmocka. */
static const char *first_difference(char *ours, char *theirs) {
	static char words[1000];
	char *a = strtok_r(ours, "\n", &ours), *b = strtok_r(theirs, "\n", &theirs);

	while (a && b && str_equal(a, b)) {
		a = strtok_r(NULL, "\n", &ours);
		b = strtok_r(NULL, "\n", &theirs);
	}
	(void)snprintf(words, sizeof(words), "\n%s\nnft:\n%s", a ? a : "", b ? b : "");
	return words;
}

/* ---- pure ---- */

static void a_text_stands_alone_on_its_line(void **state) {
	static const struct {
		const char *text, *why; /* NULL: fine */
	} cases[] = {
	    {"tcp dport 22 accept", NULL},
	    {"  accept # for now; it stays", NULL},
	    {"tcp dport { 22, 80 } accept comment \"a; b } jump\"", NULL},
	    {"ip daddr . tcp dport { 10.0.0.1 . 22 } drop", NULL},
	    {"", "empty"},
	    {" \t", "empty"},
	    {"# nothing", "empty"},
	    {"accept; add table inet evil", "more than one statement"},
	    {"accept\nadd table inet evil", "a line end at character 7"},
	    {"accept \\", "backslash"},
	    {"accept\x01", "control character"},
	    {"comment \"x", "a string that does not end"},
	    {"tcp dport { 22", "a '{' without its '}'"},
	    {"accept } add table inet evil {", "a '}' without its '{'"},
	    {"tcp dport { 22 # } accept", "a '{' without its '}'"},
	    {"jump networks-input", "another chain"},
	    {"tcp dport vmap { 22 : goto r1 }", "another chain"},
	    {"include \"/etc/shadow\"", "a file"},
	    {"define x = 1", "define"},
	};
	_cleanup_free_ char *longest = malloc(NETWORK_RULE_BYTES + 2), *why = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *found = rule_text_lint(cases[i].text);

		if (!cases[i].why != !found || (found && !strstr(found, cases[i].why)))
			fail_msg("'%s': %s", cases[i].text, found ? found : "accepted");
	}
	memset(longest, 'a', NETWORK_RULE_BYTES + 1);
	longest[NETWORK_RULE_BYTES + 1] = '\0';
	why = rule_text_lint(longest);
	assert_non_null(strstr(why, "longer than 4096 bytes"));
	longest[NETWORK_RULE_BYTES] = '\0';
	assert_null(rule_text_lint(longest));
}

static void D66_rules_stand_in_the_order_of_their_numbers_and_equal_ones_are_both_kept(void **state) {
	_cleanup_network_rules_ struct network_rules rules = {.vni = 1};
	static const char *const expected[] = {"zero", "one", "a-two", "b-two", "ten", "lost", "none"};

	(void)state;
	add(&rules, NETWORK_IN, "ten", "10", "accept");
	add(&rules, NETWORK_IN, "b-two", "2", "accept");
	add(&rules, NETWORK_IN, "one", "1", "accept");
	add(&rules, NETWORK_IN, "none", NULL, "accept");
	add(&rules, NETWORK_IN, "a-two", "2", "accept");
	add(&rules, NETWORK_IN, "lost", "None", "accept");
	add(&rules, NETWORK_IN, "zero", "0", "accept");
	assert_int_equal(rules.count[NETWORK_IN], ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(rules.rules[NETWORK_IN][i].name, expected[i]);
}

static void as_many_rules_as_possible_stay(void **state) {
	static const struct {
		const char *wanted, *actual; /* a letter is a rule; '?' one without a digest */
		size_t kept;
	} cases[] = {
	    {"abc", "abc", 3}, {"abc", "", 0},     {"", "abc", 0},      {"axc", "abc", 2},
	    {"abc", "ac", 2},  {"ac", "abc", 2},   {"cab", "abc", 2},   {"dabc", "abcd", 3},
	    {"aab", "aba", 2}, {"abc", "a?bc", 3}, {"badc", "abcd", 2},
	};

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		struct rule_digest w[8], a[8];
		const struct rule_digest *wanted[8], *actual[8];
		size_t n = strlen(cases[c].wanted), m = strlen(cases[c].actual), count = 0;
		ssize_t kept[8], last = -1;

		for (size_t i = 0; i < n; i++) {
			w[i] = rule_text_digest((const char[]){cases[c].wanted[i], 0});
			wanted[i] = &w[i];
		}
		for (size_t i = 0; i < m; i++) {
			a[i] = rule_text_digest((const char[]){cases[c].actual[i], 0});
			actual[i] = cases[c].actual[i] == '?' ? NULL : &a[i];
		}
		assert_int_equal(rules_match(wanted, n, actual, m, kept), 0);
		for (size_t i = 0; i < n; i++)
			if (kept[i] >= 0) {
				assert_true(kept[i] > last);
				assert_int_equal(cases[c].wanted[i], cases[c].actual[kept[i]]);
				last = kept[i];
				count++;
			}
		if (count != cases[c].kept)
			fail_msg("%s from %s: %zu stay", cases[c].wanted, cases[c].actual, count);
	}
}

/* ---- the kernel ---- */

static void every_kind_of_rule_arrives_as_nft_itself_would_load_it(void **state) {
	static const char *const texts[] = {
	    "accept",
	    "drop",
	    "tcp dport 22 accept comment \"a; b\"",
	    "tcp dport { 22, 80, 8000-8010, 65535 } accept",
	    "tcp dport != { 22, 80 } drop",
	    "tcp dport vmap { 22 : accept, 23 : drop, 80-90 : return }",
	    "ip saddr { 10.0.0.0/8, 192.168.0.0/16, 172.16.0.1 } accept",
	    "ip saddr 10.0.0.1-10.0.0.9 accept",
	    "ip daddr . tcp dport { 10.0.0.1 . 22, 10.0.0.2-10.0.0.9 . 1-1024 } accept",
	    "ip6 saddr { 2001:db8::/32, fd00::/8 } tcp dport 443 accept",
	    "ip6 nexthdr ipv6-icmp icmpv6 type { echo-request, nd-neighbor-solicit } accept",
	    "icmp type echo-request limit rate 10/second burst 20 packets accept",
	    "limit rate over 100 mbytes/second drop",
	    "ct state established,related accept",
	    "ct state { new, invalid } drop",
	    "ct state vmap { established : accept, invalid : drop }",
	    "ct count over 20 drop",
	    "iifname \"vmbr7\" oifname { \"eth0\", \"vmbr8\" } accept",
	    "iifname \"vmbr*\" accept",
	    "meta mark set 0x00000017",
	    "meta mark 0x00000010-0x00000020 meta mark set mark and 0x000000ff",
	    "meta pkttype { broadcast, multicast } drop",
	    "log prefix \"net; 5: \" level warn flags all drop",
	    "log group 5 snaplen 100 queue-threshold 10",
	    "reject",
	    "reject with icmpx admin-prohibited",
	    "tcp flags & (fin | syn | rst | ack) == syn accept",
	    "tcp option maxseg size set rt mtu",
	    "ip dscp set cs1",
	    "ip ttl 1 drop",
	    "ether saddr 52:54:00:12:34:56 accept",
	    "quota over 10 mbytes drop",
	    "fib saddr . iif oif missing drop",
	    "meta hour \"08:00\"-\"17:00\" accept",
	    "numgen random mod 2 vmap { 0 : accept, 1 : drop }",
	    "meta mark set jhash ip saddr mod 2 offset 10",
	    "meta mark set tcp dport map { 22 : 0x00000001, 80 : 0x00000002 }",
	    "notrack",
	    "queue flags bypass to 3",
	    "dup to 10.0.0.1 device \"lo\"",
	    "@th,16,16 53 accept",
	    "reset tcp option timestamp",
	    "tcp option sack-perm exists accept",
	    "tcp option maxseg size 1-500 drop",
	    "ip option lsrr exists drop",
	    "frag frag-off 5 drop",
	    "exthdr hbh exists accept",
	    "rt type 0 drop",
	    "ct mark set 0x00000005",
	    "ct mark set meta mark",
	    "ct original ip saddr 10.0.0.1 accept",
	    "ct bytes > 100000 drop",
	    "ct direction reply accept",
	    "ct status assured accept",
	    "meta priority set 0001:0002",
	    "meta length 1-100 accept",
	    "meta iifgroup 5 meta oifgroup { 1, 2 } accept",
	    "meta skuid 0 accept",
	    "meta cgroup 5 accept",
	    "socket transparent 1 accept",
	    "osf name \"Linux\" accept",
	    "synproxy mss 1460 wscale 7 timestamp sack-perm",
	    "rt classid 5 accept",
	    "ip saddr & 0.0.0.255 == 0.0.0.5 accept",
	    "ip saddr . ip daddr . meta l4proto vmap { 10.0.0.1 . 10.0.0.2 . tcp : accept }",
	    "udp length 8-100 udp checksum 0 drop",
	    "sctp dport 5 sctp chunk data exists accept",
	    "vlan id 5 accept",
	    "arp operation request accept",
	    "tcp dport 22 ct state new limit rate 5/minute log prefix \"ssh \" accept comment \"limited\"",
	    "ip6 daddr != fe80::/10 ip6 hoplimit set 64",
	    "meta protocol { ip, ip6 } accept",
	    "ip protocol vmap { tcp : accept, udp : drop, 50-51 : return }",
	    "continue",
	    "tcp dport 1 counter accept",
	    "tcp dport 2 counter log prefix \"2\" counter drop",
	};
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_rules_ struct network_rules rules = {.vni = 7};
	_cleanup_free_ char *problems = NULL, *ours = NULL, *again = NULL;
	_cleanup_strbuf_ struct strbuf script = {0}, expected = {0};
	size_t usable = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *argv[] = {"nft", "-c", "-f", "-", NULL};
		_cleanup_free_ char *name = str_printf("rule%zu", i), *order = str_printf("%zu", i);
		_cleanup_free_ char *line = str_printf("add rule inet pvc networks-forward counter %s\n", texts[i]);
		struct run_result result;

		/* a kernel may lack a kind of expression */
		assert_int_equal(run_command(argv, line, deadline_after(60 * USEC_PER_SEC), &result), 0);
		if (result.status == 0) {
			add(&rules, NETWORK_OUT, name, order, texts[i]);
			strbuf_addf(&script, "add rule inet pvc theirs %s\n", texts[i]);
			usable++;
		} else {
			print_message("not here: %s: %s", texts[i], result.error);
		}
		run_result_free(&result);
	}
	assert_true(usable > 20);
	assert_int_equal(apply(firewall, &rules), 1);
	problems = network_rules_problems(&rules);
	assert_string_equal(problems, "");
	ours = rules_of("vxlan7-out");
	nft_load("add chain inet pvc theirs\nadd rule inet pvc theirs counter\n");
	nft_load(script.data);
	again = rules_of("theirs");
	assert_non_null(strstr(ours, "\t\tcounter accept\n"));
	assert_non_null(strstr(ours, "\t\ttcp dport 22 counter accept comment \"a; b\"\n"));
	assert_non_null(strstr(ours, "\t\tmeta mark set 0x00000017 counter\n"));
	without_counters(ours);
	without_counters(again);
	if (!str_equal(ours, again))
		fail_msg("%s", first_difference(ours, again));
	/* what was loaded is known again, whatever kind it is of */
	assert_int_equal(apply(firewall, &rules), 0);
}

static void bad_rules_are_named_and_the_good_ones_are_in_force(void **state) {
	static const struct {
		const char *name, *text, *why;
	} bad[] = {
	    {"syntax", "tcp dprot 22 accept", "nft: syntax error"},
	    {"unknown", "tcp dport nosuchservice accept", "nft: Could not resolve service"},
	    {"again", "accept accept", "nft: "},
	    {"statements", "accept; flush ruleset", "more than one statement"},
	    {"lines", "accept\nflush ruleset", "a line end"},
	    {"brace", "accept } ; table inet evil {", "a '}' without its '{'"},
	    {"define", "define x = 22", "define"},
	    {"include", "include \"/etc/passwd\"", "a file"},
	    {"jump", "jump vxlan6-in", "another chain"},
	    {"set", "ip saddr @blocked drop", "nft: "},
	    {"meter", "meter m { ip saddr limit rate 5/second } accept", "a set that lasts"},
	    {"counter", "counter name c accept", "nft: "},
	    {"iif", "iif \"vmbr6\" accept", "nft: Interface does not exist"},
	    {"empty", "", "empty"},
	    {"string", "comment \"x", "a string that does not end"},
	    {"position", "position 1 accept", "nft: syntax error"},
	    {"hook", "socket transparent 1 accept", "nft: Could not process rule: Operation not supported"},
	    {"variable", "tcp dport $x accept", "nft: unknown identifier 'x'"},
	};
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_rules_ struct network_rules rules = {.vni = 5};
	_cleanup_free_ char *in = NULL, *tables = NULL;

	add(&rules, NETWORK_IN, "first", "0", "tcp dport 1 accept");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		add(&rules, NETWORK_IN, bad[i].name, "1", bad[i].text);
	add(&rules, NETWORK_IN, "last", "2", "tcp dport 2 accept");
	assert_int_equal(apply(firewall, &rules), 1);
	for (size_t i = 0; i < rules.count[NETWORK_IN]; i++) {
		const struct network_rule *rule = &rules.rules[NETWORK_IN][i];
		const char *why = NULL;

		for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
			if (str_equal(bad[k].name, rule->name))
				why = bad[k].why;
		if (!why != !rule->problem || (why && !strstr(rule->problem, why)))
			fail_msg("%s: %s", rule->name, rule->problem ? rule->problem : "accepted");
	}
	in = rules_of("vxlan5-in");
	assert_string_equal(in, "\t\tcounter\n\t\ttcp dport 1 counter accept\n\t\ttcp dport 2 counter accept\n");
	tables = nft("list", "tables", NULL, NULL, NULL);
	assert_string_equal(tables, "table inet pvc\n");
	/* and the second time nothing is done, and they are named again */
	assert_int_equal(apply(firewall, &rules), 0);
	assert_non_null(rules.rules[NETWORK_IN][1].problem);
}

static void a_new_process_finds_what_is_in_force_and_touches_nothing(void **state) {
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_firewall_ struct network_firewall *next = NULL;
	_cleanup_network_rules_ struct network_rules rules = {.vni = 16777215};
	_cleanup_free_ char *before = NULL, *after = NULL;

	add(&rules, NETWORK_IN, "a", "1", "tcp dport { 1, 5-9 } accept");
	add(&rules, NETWORK_OUT, "b", "1", "drop");
	assert_int_equal(apply(firewall, &rules), 1);
	before = nft("-a", "list", "ruleset", NULL, NULL); /* -a: handles, so made anew would show */
	assert_int_equal(network_firewall_open(&next), 0);
	assert_int_equal(begin(next), 1);
	assert_int_equal(apply(next, &rules), 0);
	after = nft("-a", "list", "ruleset", NULL, NULL);
	assert_string_equal(before, after);
	assert_int_equal(network_firewall_disturbed(firewall), 0); /* no transaction at all */
	assert_int_equal(network_firewall_disturbed(next), 0);
}

static void D67_a_changed_text_or_order_is_noticed_and_the_other_rules_stay(void **state) {
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_rules_ struct network_rules rules = {.vni = 5}, text = {.vni = 5}, order = {.vni = 5};
	_cleanup_free_ char *before = NULL, *after = NULL, *moved = NULL, *line = NULL, *kept = NULL;

	add(&rules, NETWORK_IN, "a", "1", "tcp dport 1 accept");
	add(&rules, NETWORK_IN, "b", "2", "tcp dport 2 accept");
	add(&rules, NETWORK_IN, "c", "3", "tcp dport 3 accept");
	assert_int_equal(apply(firewall, &rules), 1);
	before = nft("-sa", "list", "table", "inet", "pvc");
	add(&text, NETWORK_IN, "a", "1", "tcp dport 1 accept");
	add(&text, NETWORK_IN, "b", "2", "tcp dport 22 accept");
	add(&text, NETWORK_IN, "c", "3", "tcp dport 3 accept");
	assert_int_equal(apply(firewall, &text), 1);
	after = rules_of("vxlan5-in");
	assert_string_equal(after, "\t\tcounter\n\t\ttcp dport 1 counter accept\n\t\ttcp dport 22 counter accept\n"
				   "\t\ttcp dport 3 counter accept\n");
	/* the third is the very one that was there */
	kept = nft("-sa", "list", "table", "inet", "pvc");
	line = strstr(before, "tcp dport 3 counter accept");
	line = strndup(line, strcspn(line, "\n"));
	assert_non_null(strstr(line, "# handle"));
	assert_non_null(strstr(kept, line));
	add(&order, NETWORK_IN, "c", "0", "tcp dport 3 accept");
	add(&order, NETWORK_IN, "a", "1", "tcp dport 1 accept");
	add(&order, NETWORK_IN, "b", "2", "tcp dport 22 accept");
	assert_int_equal(apply(firewall, &order), 1);
	moved = rules_of("vxlan5-in");
	assert_string_equal(moved, "\t\tcounter\n\t\ttcp dport 3 counter accept\n\t\ttcp dport 1 counter accept\n"
				   "\t\ttcp dport 22 counter accept\n");
}

static void what_others_did_to_the_chains_is_seen_and_repaired(void **state) {
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_rules_ struct network_rules rules = {.vni = 5};
	_cleanup_free_ char *wanted = NULL, *repaired = NULL, *wanted_all = NULL, *all = NULL;
	static const char *const deeds[] = {
	    "flush chain inet pvc vxlan5-in\n",
	    "insert rule inet pvc vxlan5-in accept\n",
	    "delete element inet pvc networks-in { \"vmbr5\" }\n",
	    "delete element inet pvc networks-out { \"vmbr5\" }\nadd element inet pvc networks-out { \"vmbr5\" : "
	    "accept }\n",
	    "add element inet pvc networks-local { \"eth0\" : drop, \"vmbr05\" : drop }\n",
	    "flush map inet pvc networks-in\nflush chain inet pvc vxlan5-in\ndelete chain inet pvc vxlan5-in\n",
	    "flush chain inet pvc networks-forward\n",
	    "add rule inet pvc networks-services accept\n",
	};

	add(&rules, NETWORK_IN, "a", "1", "tcp dport 1 accept");
	assert_int_equal(apply(firewall, &rules), 1);
	wanted = rules_of("vxlan5-in");
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
		free(move_ptr(wanted_all));
		free(move_ptr(all));
		free(move_ptr(repaired));
		wanted_all = nft("-s", "list", "table", "inet", "pvc");
		assert_int_equal(network_firewall_disturbed(firewall), 0);
		nft_load(deeds[i]);
		assert_int_equal(network_firewall_disturbed(firewall), 1);
		(void)begin(firewall);
		(void)apply(firewall, &rules);
		assert_int_equal(network_firewall_disturbed(firewall), 0);
		repaired = rules_of("vxlan5-in");
		assert_string_equal(wanted, repaired);
		all = nft("-s", "list", "table", "inet", "pvc");
		if (strlen(all) != strlen(wanted_all)) /* objects that were made anew stand elsewhere in the list */
			fail_msg("after %s%s", deeds[i], all);
		assert_int_equal(apply(firewall, &rules), 0);
	}
}

static void a_change_by_others_meanwhile_is_no_failure(void **state) {
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_rules_ struct network_rules rules = {.vni = 5};
	_cleanup_free_ char *list = NULL;

	assert_int_equal(apply(firewall, &rules), 1);
	nft_load("flush map inet pvc networks-in\nflush chain inet pvc vxlan5-in\ndelete chain inet pvc vxlan5-in\n");
	add(&rules, NETWORK_IN, "a", "1", "tcp dport 1 accept");
	assert_int_equal(apply(firewall, &rules), 1);
	list = nft("list", "table", "inet", "pvc", NULL);
	assert_non_null(strstr(list, "\"vmbr5\" : jump vxlan5-in"));
	nft_load("table ip foreign {\n}\n");
	assert_int_equal(network_firewall_remove(firewall, (const uint32_t[]){5}, 1, NULL), 1);
	assert_int_equal(network_firewall_remove(firewall, (const uint32_t[]){5}, 1, NULL), 0);
}

static void removed_networks_leave_nothing_and_others_stay(void **state) {
	struct network_firewall *firewall = need_base(state);
	struct network_rules rules[3] = {{.vni = 5}, {.vni = 55}, {.vni = 6}};
	struct network_rules *const networks[] = {&rules[0], &rules[1], &rules[2]};
	_cleanup_free_ char *before = NULL, *after = NULL;

	for (size_t i = 0; i < 3; i++)
		add(&rules[i], NETWORK_IN, "a", "1", "tcp dport { 1, 2 } accept");
	assert_int_equal(network_firewall_apply(firewall, &networks[2], 1, NULL), 1);
	before = nft("-a", "list", "ruleset", NULL, NULL);
	assert_int_equal(network_firewall_apply(firewall, networks, 3, NULL), 1);
	assert_int_equal(network_firewall_remove(firewall, (const uint32_t[]){55, 5, 9}, 3, NULL), 1);
	after = nft("-a", "list", "ruleset", NULL, NULL);
	assert_string_equal(before, after);
	for (size_t i = 0; i < 3; i++)
		network_rules_free(&rules[i]);
}

static void without_the_base_the_error_says_who_makes_it(void **state) {
	struct network_firewall *firewall = need(state);
	_cleanup_free_ char *error = NULL, *list = NULL;
	uint32_t *vnis;
	size_t count;

	assert_int_equal(network_firewall_begin(firewall, &vnis, &count, &error), -ENOENT);
	assert_non_null(strstr(error, "run pvc-firewall"));
	list = nft("list", "ruleset", NULL, NULL, NULL);
	assert_string_equal(list, "");
}

static void a_rule_that_only_the_host_refuses_is_left_out_alone(void **state) {
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_rules_ struct network_rules rules = {.vni = 5};
	_cleanup_free_ char *in = NULL;

	/* whatever goes through here may not be rejected: known to the host's kernel alone */
	nft_load(
	    "table inet pvc { chain late { type filter hook postrouting priority 0; jump networks-forward\n}\n}\n");
	add(&rules, NETWORK_IN, "a", "1", "tcp dport 1 accept");
	add(&rules, NETWORK_IN, "b", "2", "tcp dport 2 reject");
	add(&rules, NETWORK_IN, "c", "3", "tcp dport 3 accept");
	assert_int_equal(apply(firewall, &rules), 1);
	assert_null(rules.rules[NETWORK_IN][0].problem);
	assert_non_null(strstr(rules.rules[NETWORK_IN][1].problem, "the kernel refuses"));
	assert_null(rules.rules[NETWORK_IN][2].problem);
	in = rules_of("vxlan5-in");
	assert_string_equal(in, "\t\tcounter\n\t\ttcp dport 1 counter accept\n\t\ttcp dport 3 counter accept\n");
}

static void hundreds_of_rules_with_bad_ones_among_them_need_few_runs_and_are_told_apart(void **state) {
	struct network_firewall *firewall = need_base(state);
	_cleanup_network_rules_ struct network_rules rules = {.vni = 5};

	for (unsigned i = 0; i < 600; i++) {
		_cleanup_free_ char *name = str_printf("r%u", i), *order = str_printf("%u", i);
		_cleanup_free_ char *text = i % 50 == 7    ? str_printf("tcp dport %u acept", i)
					    : i % 50 == 13 ? str_printf("meter m%u { ip saddr limit rate 1/second }", i)
							   : str_printf("tcp dport { %u, 1000-1100 } accept", i);

		add(&rules, NETWORK_OUT, name, order, text);
	}
	assert_int_equal(apply(firewall, &rules), 1);
	for (unsigned i = 0; i < 600; i++) {
		const struct network_rule *rule = &rules.rules[NETWORK_OUT][i];

		if (!rule->problem != (i % 50 != 7 && i % 50 != 13))
			fail_msg("%s: %s", rule->text, rule->problem ? rule->problem : "accepted");
	}
	assert_int_equal(apply(firewall, &rules), 0);
}

int main(void) {
#define promise(f) cmocka_unit_test_setup_teardown(f, fresh_namespace, leave)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_stands_alone_on_its_line),
	    cmocka_unit_test(D66_rules_stand_in_the_order_of_their_numbers_and_equal_ones_are_both_kept),
	    cmocka_unit_test(as_many_rules_as_possible_stay),
	    promise(every_kind_of_rule_arrives_as_nft_itself_would_load_it),
	    promise(bad_rules_are_named_and_the_good_ones_are_in_force),
	    promise(a_new_process_finds_what_is_in_force_and_touches_nothing),
	    promise(D67_a_changed_text_or_order_is_noticed_and_the_other_rules_stay),
	    promise(what_others_did_to_the_chains_is_seen_and_repaired),
	    promise(a_change_by_others_meanwhile_is_no_failure),
	    promise(removed_networks_leave_nothing_and_others_stay),
	    promise(without_the_base_the_error_says_who_makes_it),
	    promise(a_rule_that_only_the_host_refuses_is_left_out_alone),
	    promise(hundreds_of_rules_with_bad_ones_among_them_need_few_runs_and_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
