/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lib/firewall against the kernel itself, in a network namespace of the test's own; nft(8) is the independent eye. */
#include <setjmp.h>
#include <cmocka.h>
#include <sched.h>

#include "firewall/firewall.h"

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

static bool contains(const struct strlist *list, const char *part) {
	for (size_t i = 0; i < list->count; i++)
		if (strstr(list->items[i], part))
			return true;
	return false;
}

static int fresh_namespace(void **state) {
	struct firewall *firewall = NULL;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return 0; /* *state stays NULL: the tests skip themselves */
	assert_int_equal(firewall_open(&firewall), 0);
	*state = firewall;
	return 0;
}

static int leave(void **state) {
	firewall_close(*state);
	*state = NULL;
	return 0;
}

static struct firewall *need(void **state) {
	if (!*state)
		skip();
	return *state;
}

/* input: three rules; forward: open; a regular chain */
static struct firewall_table *sample(unsigned rules) {
	struct firewall_table *table = firewall_table_new("pvct");
	struct firewall_chain *chain = firewall_chain_add(table, "input");

	firewall_chain_base(chain, FIREWALL_FILTER, FIREWALL_INPUT, 0, FIREWALL_POLICY_ACCEPT);
	for (unsigned i = 0; i < rules; i++) {
		struct firewall_rule *rule = firewall_rule_add(chain);

		firewall_match_port(rule, IPPROTO_TCP, (uint16_t)(1000 + i));
		firewall_counter(rule);
		firewall_jump(rule, "side");
	}
	chain = firewall_chain_add(table, "forward");
	firewall_chain_base(chain, FIREWALL_FILTER, FIREWALL_FORWARD, 0, FIREWALL_POLICY_ACCEPT);
	firewall_chain_open(chain);
	(void)firewall_chain_add(table, "side");
	assert_non_null(table);
	return table;
}

static void every_expression_is_what_nft_makes_of_its_text(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = firewall_table_new("pvct");
	_cleanup_free_ char *text = NULL, *theirs = NULL, *ours = NULL, *error = NULL;
	_cleanup_firewall_plan_ struct firewall_plan *plan = NULL;
	static const char *const nets[] = {"10.1.2.3/32",   "10.1.2.0/24",     "10.1.0.0/19",
					   "0.0.0.0/0",     "2001:db8::1/128", "2001:db8::/64",
					   "2001:db8::/61", "10.0.0.77/8",     "::/0"};
	struct firewall_chain *chain = firewall_chain_add(table, "every");
	struct firewall_rule *rule;

	firewall_match_iifname((rule = firewall_rule_add(chain)), "vmbr1234");
	firewall_counter(rule);
	firewall_accept(rule);
	firewall_match_oifname((rule = firewall_rule_add(chain)), "eth0");
	firewall_drop(rule);
	firewall_match_protocol((rule = firewall_rule_add(chain)), IPPROTO_ICMP);
	firewall_return(rule);
	firewall_match_protocol((rule = firewall_rule_add(chain)), IPPROTO_ICMPV6);
	firewall_match_protocol((rule = firewall_rule_add(chain)), 89);
	firewall_match_port((rule = firewall_rule_add(chain)), IPPROTO_UDP, 547);
	firewall_match_port((rule = firewall_rule_add(chain)), IPPROTO_TCP, 80);
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct ip_prefix net;

		assert_int_equal(ip_prefix_parse(nets[i], false, &net), 0);
		firewall_match_source((rule = firewall_rule_add(chain)), &net);
		firewall_match_destination((rule = firewall_rule_add(chain)), &net);
	}
	text = firewall_table_text(table);
	nft_load(text);
	theirs = nft("-s", "list", "table", "inet", "pvct");
	/* what nft compiled from the text is no difference to what we would have made */
	assert_int_equal(firewall_plan(firewall, table, &plan, &error), 0);
	if (firewall_plan_differences(plan)->count > 0)
		fail_msg("%s", firewall_plan_differences(plan)->items[0]);
	assert_int_equal(firewall_remove(firewall, "pvct", &error), 1);
	assert_int_equal(firewall_apply(firewall, table, NULL, &error), 0);
	ours = nft("-s", "list", "table", "inet", "pvct");
	assert_string_equal(ours, theirs);
}

static void a_second_application_changes_nothing(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = sample(3);
	_cleanup_strlist_ struct strlist changes = {0}, more = {0};
	_cleanup_free_ char *before = NULL, *after = NULL;

	assert_int_equal(firewall_apply(firewall, table, &changes, NULL), 0);
	assert_true(contains(&changes, "table inet pvct: missing"));
	assert_true(contains(&changes, "chain side: missing"));
	before = nft("-a", "list", "ruleset", NULL, NULL);
	assert_int_equal(firewall_apply(firewall, table, &more, NULL), 0);
	assert_int_equal(more.count, 0);
	after = nft("-a", "list", "ruleset", NULL, NULL); /* -a: handles, so made anew would show */
	assert_string_equal(before, after);
}

static void only_the_rules_that_differ_are_replaced(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = sample(4), *longer = sample(6);
	_cleanup_strlist_ struct strlist changes = {0};
	_cleanup_free_ char *list = NULL, *grown = NULL;

	/* as it would be after packets: our rules with counts, one of ours missing, a strange one in between */
	nft_load("table inet pvct { chain side {\n}\n chain input { type filter hook input priority 0; policy drop;\n"
		 "tcp dport 1000 counter packets 7 bytes 70 jump side\n tcp dport 5 accept\n"
		 "tcp dport 1002 counter packets 8 bytes 80 jump side\n"
		 "tcp dport 1003 counter packets 9 bytes 90 jump side\n}\n}\n");
	assert_int_equal(firewall_apply(firewall, table, &changes, NULL), 0);
	assert_true(contains(&changes, "chain input: unwanted rule 2"));
	assert_true(contains(&changes, "chain input: rule missing: tcp dport 1001"));
	assert_true(contains(&changes, "chain input: its policy is not accept"));
	assert_true(contains(&changes, "chain forward: missing"));
	list = nft("list", "chain", "inet", "pvct", "input");
	assert_non_null(strstr(list, "policy accept;\n"
				     "\t\ttcp dport 1000 counter packets 7 bytes 70 jump side\n"
				     "\t\ttcp dport 1001 counter packets 0 bytes 0 jump side\n"
				     "\t\ttcp dport 1002 counter packets 8 bytes 80 jump side\n"
				     "\t\ttcp dport 1003 counter packets 9 bytes 90 jump side\n"));
	assert_int_equal(firewall_apply(firewall, longer, NULL, NULL), 0);
	grown = nft("list", "chain", "inet", "pvct", "input");
	assert_non_null(strstr(grown, "dport 1003 counter packets 9 bytes 90 jump side\n"
				      "\t\ttcp dport 1004 counter packets 0 bytes 0 jump side\n"
				      "\t\ttcp dport 1005 counter packets 0 bytes 0 jump side\n"));
}

static void open_chains_and_chains_of_others_keep_their_rules(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = sample(1);
	_cleanup_strlist_ struct strlist changes = {0};
	_cleanup_free_ char *list = NULL;

	assert_int_equal(firewall_apply(firewall, table, NULL, NULL), 0);
	nft_load("table inet pvct { chain net5 { counter accept\n}\n chain forward { counter jump net5\n}\n"
		 "chain stranger { type filter hook output priority 0; policy drop;\n}\n}\n");
	assert_int_equal(firewall_apply(firewall, table, &changes, NULL), 0);
	assert_int_equal(changes.count, 1);
	assert_true(contains(&changes, "chain stranger: a base chain that is not ours"));
	list = nft("list", "table", "inet", "pvct", NULL);
	assert_non_null(strstr(list, "counter packets 0 bytes 0 jump net5"));
	assert_null(strstr(list, "stranger"));
}

static void a_base_chain_at_the_wrong_hook_is_made_anew(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = sample(1);
	_cleanup_strlist_ struct strlist changes = {0};
	_cleanup_free_ char *list = NULL;

	nft_load("table inet pvct { flags dormant;\n chain input { type filter hook output priority 5; accept\n}\n"
		 "chain forward {\n}\n}\n");
	assert_int_equal(firewall_apply(firewall, table, &changes, NULL), 0);
	assert_true(contains(&changes, "chain input: hangs at another hook"));
	assert_true(contains(&changes, "chain forward: hangs at another hook"));
	assert_true(contains(&changes, "dormant"));
	list = nft("list", "table", "inet", "pvct", NULL);
	assert_non_null(strstr(list, "hook input priority filter; policy accept;\n\t\ttcp dport 1000"));
	assert_non_null(strstr(list, "hook forward priority filter"));
	assert_null(strstr(list, "dormant"));
}

static void a_refused_object_is_named_and_nothing_is_changed(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = sample(1);
	_cleanup_free_ char *error = NULL, *list = NULL;
	struct firewall_rule *rule = firewall_rule_add(firewall_chain_add(table, "other"));

	firewall_jump(rule, "nowhere");
	assert_int_equal(firewall_apply(firewall, table, NULL, &error), -ENOENT);
	assert_non_null(strstr(error, "refused to add the rule 'jump nowhere' in chain other in table inet pvct"));
	list = nft("list", "ruleset", NULL, NULL, NULL);
	assert_string_equal(list, "");
}

static void a_change_by_others_between_plan_and_commit_is_noticed(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = sample(1);
	_cleanup_firewall_plan_ struct firewall_plan *plan = NULL;

	assert_int_equal(firewall_plan(firewall, table, &plan, NULL), 0);
	nft_load("table ip foreign { }\n");
	assert_int_equal(firewall_commit(firewall, plan, NULL), -ERESTART);
	assert_int_equal(firewall_exists(firewall, "pvct", NULL), 0);
	assert_int_equal(firewall_apply(firewall, table, NULL, NULL), 0);
	assert_int_equal(firewall_exists(firewall, "pvct", NULL), 1);
}

static void names_are_data_and_never_rule_text(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = firewall_table_new("pvct");
	_cleanup_free_ char *list = NULL;
	struct firewall_rule *rule = firewall_rule_add(firewall_chain_add(table, "c"));

	/* D65: text that would be a command of nft's is an interface name that no interface has */
	firewall_match_iifname(rule, "x;add table y");
	firewall_accept(rule);
	assert_int_equal(firewall_apply(firewall, table, NULL, NULL), 0);
	list = nft("list", "tables", NULL, NULL, NULL);
	assert_string_equal(list, "table inet pvct\n");
}

static void a_thousand_chains_fit_into_one_transaction(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = sample(1);
	_cleanup_firewall_plan_ struct firewall_plan *plan = NULL;
	_cleanup_free_ char *error = NULL;

	for (unsigned i = 0; i < 1000; i++) {
		_cleanup_free_ char *name = str_printf("vxlan%u-in", i);
		struct firewall_rule *rule = firewall_rule_add(firewall_chain_add(table, name));

		firewall_counter(rule);
		firewall_match_port(rule, IPPROTO_TCP, (uint16_t)i);
		firewall_drop(rule);
	}
	assert_int_equal(firewall_plan(firewall, table, &plan, &error), 0);
	assert_int_equal(firewall_commit(firewall, plan, &error), 0);
	assert_int_equal(firewall_apply(firewall, table, NULL, &error), 0);
}

static void an_interface_name_that_cannot_exist_fails_the_plan(void **state) {
	struct firewall *firewall = need(state);
	_cleanup_firewall_table_ struct firewall_table *table = firewall_table_new("pvct");
	_cleanup_firewall_plan_ struct firewall_plan *plan = NULL;

	firewall_match_iifname(firewall_rule_add(firewall_chain_add(table, "c")), "sixteen-letters-");
	assert_int_equal(firewall_plan(firewall, table, &plan, NULL), -ENOMEM);
	assert_null(firewall_table_text(table));
}

int main(void) {
#define promise(f) cmocka_unit_test_setup_teardown(f, fresh_namespace, leave)
	const struct CMUnitTest tests[] = {
	    promise(every_expression_is_what_nft_makes_of_its_text),
	    promise(a_second_application_changes_nothing),
	    promise(only_the_rules_that_differ_are_replaced),
	    promise(open_chains_and_chains_of_others_keep_their_rules),
	    promise(a_base_chain_at_the_wrong_hook_is_made_anew),
	    promise(a_refused_object_is_named_and_nothing_is_changed),
	    promise(a_change_by_others_between_plan_and_commit_is_noticed),
	    promise(names_are_data_and_never_rule_text),
	    promise(a_thousand_chains_fit_into_one_transaction),
	    promise(an_interface_name_that_cannot_exist_fails_the_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
