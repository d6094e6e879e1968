/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cluster/cluster.h"

static const struct select_node idle = {.name = "hv",
					.daemon_state = DAEMON_RUN,
					.domain_state = DOMAINS_READY,
					.memused = 100,
					.memfree = 900,
					.memalloc = 0,
					.vcpualloc = 0,
					.domainscount = 0,
					.cpuload = 0};

static struct select_node node(const char *name) {
	struct select_node n = idle;

	n.name = name;
	return n;
}

static void selectors_have_the_words_of_the_reference(void **state) {
	(void)state;
	for (int i = 0; i < SELECT_BY_COUNT; i++)
		assert_int_equal(select_by_parse(select_by_name((enum select_by)i)), i);
	assert_int_equal(select_by_parse("None"), SELECT_BY_UNKNOWN);
	assert_int_equal(select_by_parse(""), SELECT_BY_UNKNOWN);
	assert_int_equal(select_by_parse(NULL), SELECT_BY_UNKNOWN);
	assert_null(select_by_name(SELECT_BY_UNKNOWN));
	assert_null(select_by_name(SELECT_BY_COUNT));
}

static void figures_that_are_no_numbers_are_unknown(void **state) {
	static const char *const bad[] = {NULL, "", "None", "-1", "1.5", " 1", "99999999999999999999", "12x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(select_figure(bad[i]) == SELECT_UNKNOWN);
	assert_true(select_figure("0") == 0);
	assert_true(select_figure("65536") == 65536);
	assert_true(isnan(select_load(NULL)));
	assert_true(isnan(select_load("nan")));
	assert_true(isnan(select_load("inf")));
	assert_true(isnan(select_load("-1")));
	assert_true(isnan(select_load("1e999")));
	assert_true(isnan(select_load("0.5 ")));
	assert_true(select_load("0.25") == 0.25);
}

/* Every combination of two nodes' daemon states, domain states, limit, exclusion and figure, for every selector, in
 * both orders, against what the rule says in one line. */
struct trial {
	enum daemon_state daemon;
	enum domain_state domain;
	int figure; /* 0 best, 1 worse, 2 unreadable */
};

static struct select_node trial_node(const char *name, const struct trial *t) {
	struct select_node n = node(name);

	n.daemon_state = t->daemon;
	n.domain_state = t->domain;
	n.memalloc = t->figure == 2 ? SELECT_UNKNOWN : t->figure * 100;
	n.vcpualloc = t->figure == 2 ? SELECT_UNKNOWN : t->figure;
	n.domainscount = n.vcpualloc;
	n.cpuload = t->figure == 2 ? NAN : t->figure;
	return n;
}

static bool trial_fits(const struct trial *t, bool allowed) {
	return allowed && t->daemon == DAEMON_RUN && t->domain == DOMAINS_READY && t->figure < 2;
}

/* What may not be chosen: the present node, the home, and one that was tried. */
struct barred {
	const char *exclude, *home, *tried;
};

static bool is_barred(const struct barred *barred, const char *name) {
	return str_equal(barred->exclude, name) || str_equal(barred->home, name) || str_equal(barred->tried, name);
}

static void check_pair(const struct trial *a, const struct trial *b, enum select_by by, unsigned limit,
		       const struct barred *barred) {
	_cleanup_strlist_ struct strlist allowed = {0}, tried = {0};
	struct select_node nodes[2] = {trial_node("hv1", a), trial_node("hv2", b)};
	struct select_node turned[2] = {nodes[1], nodes[0]};
	struct select_request request = {
	    .limit = &allowed, .tried = &tried, .exclude = barred->exclude, .home = barred->home, .by = by};
	bool fits_a = trial_fits(a, (!limit || (limit & 1)) && !is_barred(barred, "hv1"));
	bool fits_b = trial_fits(b, (!limit || (limit & 2)) && !is_barred(barred, "hv2"));
	int expected = fits_a && (!fits_b || a->figure <= b->figure) ? 0 : fits_b ? 1 : -ENOENT;

	if (barred->tried)
		assert_int_equal(strlist_add(&tried, barred->tried), 0);
	if (limit & 1)
		assert_int_equal(strlist_add(&allowed, "hv1"), 0);
	if (limit & 2)
		assert_int_equal(strlist_add(&allowed, "hv2"), 0);
	assert_int_equal(select_target(nodes, 2, &request, NULL), expected);
	assert_int_equal(select_target(turned, 2, &request, NULL), expected < 0 ? expected : 1 - expected);
}

static void every_pair_of_nodes_gives_the_best_that_may(void **state) {
	static const char *const names[] = {NULL, "hv1", "hv2", "other"};
	static struct barred all_barred[64];
	struct trial all[(DAEMON_STATE_COUNT + 1) * (DOMAINS_STATE_COUNT + 1) * 3];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_barred); i++)
		all_barred[i] = (struct barred){names[i % 4], names[i / 4 % 4], names[i / 16]};
	for (int daemon = -1; daemon < DAEMON_STATE_COUNT; daemon++)
		for (int domain = -1; domain < DOMAINS_STATE_COUNT; domain++)
			for (int figure = 0; figure < 3; figure++)
				all[n++] = (struct trial){(enum daemon_state)daemon, (enum domain_state)domain, figure};
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			for (int by = 0; by < SELECT_BY_COUNT; by++)
				for (unsigned limit = 0; limit < 4; limit++)
					/* all bars for nodes that could be chosen, a few for the others */
					for (size_t k = 0; k < ARRAY_SIZE(all_barred);
					     k += trial_fits(&all[i], true) && trial_fits(&all[j], true) ? 1 : 9)
						check_pair(&all[i], &all[j], (enum select_by)by, limit, &all_barred[k]);
}

static void equals_are_decided_by_name_in_every_order(void **state) {
	static const char *const names[3] = {"hv1", "hv2", "hv10"};
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (size_t o = 0; o < 6; o++)
		for (int by = 0; by < SELECT_BY_COUNT; by++) {
			struct select_node nodes[3];
			struct select_request request = {.by = (enum select_by)by};
			int at;

			for (int i = 0; i < 3; i++)
				nodes[i] = node(names[orders[o][i]]);
			at = select_target(nodes, 3, &request, NULL);
			assert_in_range(at, 0, 2);
			assert_string_equal(nodes[at].name, "hv1");
		}
}

static void memory_all_given_away_is_no_target(void **state) {
	struct select_node n = node("hv1");
	struct select_request request = {.by = SELECT_MEM};

	(void)state;
	n.memalloc = 999;
	assert_int_equal(select_target(&n, 1, &request, NULL), 0);
	n.memalloc = 1000;
	assert_int_equal(select_target(&n, 1, &request, NULL), -ENOENT);
	n.memalloc = 5000;
	assert_int_equal(select_target(&n, 1, &request, NULL), -ENOENT);
}

static void heavily_loaded_nodes_still_take_vms(void **state) { /* the reference stops at 9999 */
	struct select_node n = node("hv1");

	(void)state;
	n.cpuload = 20000;
	n.vcpualloc = n.domainscount = 20000;
	for (int by = SELECT_LOAD; by < SELECT_BY_COUNT; by++) {
		struct select_request request = {.by = (enum select_by)by};

		assert_int_equal(select_target(&n, 1, &request, NULL), 0);
	}
}

static void no_target_says_of_each_node_why(void **state) {
	_cleanup_free_ char *error = NULL;
	_cleanup_strlist_ struct strlist limit = {0};
	_cleanup_strlist_ struct strlist tried = {0};
	struct select_node nodes[7] = {node("a"), node("b"), node("c"), node("d"), node("e"), node("f"), node("g")};
	struct select_request request = {
	    .limit = &limit, .tried = &tried, .exclude = "b", .home = "f", .by = SELECT_MEM};

	(void)state;
	assert_int_equal(strlist_split(&limit, "b,c,d,e,f,g", ","), 0);
	assert_int_equal(strlist_add(&tried, "g"), 0);
	nodes[2].daemon_state = DAEMON_DEAD;
	nodes[3].domain_state = DOMAINS_FLUSHED;
	nodes[4].memused = SELECT_UNKNOWN;
	assert_int_equal(select_target(nodes, 7, &request, &error), -ENOENT);
	assert_string_equal(error, "no node can take it: a is not in the VM's node limit, b has the VM already, c does "
				   "not run, d is not ready for VMs, e does not report the figure to choose by, f is "
				   "the VM's home, g could not "
				   "take it");
	assert_int_equal(select_target(NULL, 0, &request, &error), -ENOENT);
	assert_string_equal(error, "no node can take it: the cluster has no nodes");
	request.by = SELECT_BY_UNKNOWN;
	assert_int_equal(select_target(nodes, 7, &request, &error), -EINVAL);
}

static void d43_the_home_of_a_vm_is_no_target_even_when_it_is_the_best(void **state) {
	struct select_node nodes[2] = {node("home"), node("other")};
	struct select_request request = {.exclude = "here", .home = "home"};

	(void)state;
	nodes[1].memalloc = nodes[1].vcpualloc = nodes[1].domainscount = 500;
	nodes[1].cpuload = 50;
	for (int by = 0; by < SELECT_BY_COUNT; by++) {
		request.by = (enum select_by)by;
		assert_int_equal(select_target(nodes, 2, &request, NULL), 1);
		assert_int_equal(select_target(nodes, 1, &request, NULL), -ENOENT);
	}
}

static void vms_on_their_way_count_before_the_node_reports_them(void **state) {
	struct select_node nodes[2] = {node("hv1"), node("hv2")};
	struct select_request request = {0};

	(void)state;
	select_add(&nodes[0], 200, 2);
	assert_true(nodes[0].memalloc == 200 && nodes[0].vcpualloc == 2 && nodes[0].domainscount == 1);
	for (int by = 0; by < SELECT_BY_COUNT; by++) {
		request.by = (enum select_by)by;
		/* the load is measured, nothing is guessed about it: a tie, which the name decides */
		assert_int_equal(select_target(nodes, 2, &request, NULL), by == SELECT_LOAD ? 0 : 1);
	}
	select_add(&nodes[0], -1, -1); /* of a VM whose size nobody knows */
	assert_true(nodes[0].memalloc == 200 && nodes[0].vcpualloc == 2 && nodes[0].domainscount == 2);
	nodes[0].memalloc = nodes[0].vcpualloc = nodes[0].domainscount = SELECT_UNKNOWN;
	select_add(&nodes[0], 200, 2);
	assert_true(nodes[0].memalloc == SELECT_UNKNOWN && nodes[0].vcpualloc == SELECT_UNKNOWN &&
		    nodes[0].domainscount == SELECT_UNKNOWN);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(selectors_have_the_words_of_the_reference),
	    cmocka_unit_test(figures_that_are_no_numbers_are_unknown),
	    cmocka_unit_test(every_pair_of_nodes_gives_the_best_that_may),
	    cmocka_unit_test(equals_are_decided_by_name_in_every_order),
	    cmocka_unit_test(memory_all_given_away_is_no_target),
	    cmocka_unit_test(heavily_loaded_nodes_still_take_vms),
	    cmocka_unit_test(no_target_says_of_each_node_why),
	    cmocka_unit_test(d43_the_home_of_a_vm_is_no_target_even_when_it_is_the_best),
	    cmocka_unit_test(vms_on_their_way_count_before_the_node_reports_them),
	};
	return cmocka_run_group_tests_name("cluster_select", tests, NULL, NULL);
}
