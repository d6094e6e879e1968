/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-floating's decisions: from a configuration, a note and a host to what is added and removed, without a kernel. */
#include <setjmp.h>
#include <cmocka.h>

#include "../../cmd/pvc-floating/plan.h"

static struct ip_prefix ip(const char *text) {
	struct ip_prefix out = {0};

	assert_int_equal(ip_prefix_parse(text, true, &out), 0);
	return out;
}

/* ---- what is wanted ---- */

static struct config config_on(char *upstream, char *cluster, char *storage) {
	struct config config = {0};

	config.upstream = (struct config_network){.device = upstream, .floating_ip = ip("10.0.0.250/24")};
	config.cluster = (struct config_network){.device = cluster, .floating_ip = ip("10.1.0.250/24")};
	config.storage = (struct config_network){.device = storage, .floating_ip = ip("2001:db8:2::250/64")};
	return config;
}

static char *list_text(const struct floating_list *list) {
	struct strbuf text = {0};

	assert_int_equal(floating_format(list, &text), 0);
	return strbuf_steal(&text);
}

static void assert_wanted(const struct config *config, const char *expected) {
	struct floating_list list;
	_cleanup_free_ char *text = NULL;

	floating_wanted(config, &list);
	text = list_text(&list);
	assert_string_equal(text, expected);
}

static void each_network_on_its_own_bridge(void **state) {
	struct config config = config_on("eth0", "eth1", "eth2");

	(void)state;
	assert_wanted(&config, "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\nbrstorage 2001:db8:2::250/64\n");
}

static void d32_shared_devices_share_a_bridge(void **state) {
	struct config one = config_on("eth0", "eth0", "eth0"), two = config_on("eth1", "eth0", "eth1");

	(void)state;
	assert_wanted(&one, "brcluster 10.0.0.250/24\nbrcluster 10.1.0.250/24\nbrcluster 2001:db8:2::250/64\n");
	assert_wanted(&two, "brstorage 10.0.0.250/24\nbrcluster 10.1.0.250/24\nbrstorage 2001:db8:2::250/64\n");
}

static void what_is_not_configured_is_not_wanted(void **state) {
	struct config config = config_on("eth0", "eth1", "eth2"), none = {0};

	(void)state;
	config.cluster.floating_ip = (struct ip_prefix){0};
	config.storage.floating_ip = (struct ip_prefix){0};
	assert_wanted(&config, "brupstream 10.0.0.250/24\n");
	assert_wanted(&none, "");
}

static void the_same_address_twice_is_one(void **state) {
	struct config config = config_on("eth0", "eth0", "eth2");

	(void)state;
	config.cluster.floating_ip = config.upstream.floating_ip;
	assert_wanted(&config, "brcluster 10.0.0.250/24\nbrstorage 2001:db8:2::250/64\n");
}

/* ---- the note ---- */

static void a_note_is_read_as_it_was_written(void **state) {
	static const char note[] = "brupstream 10.0.0.250/24\nbrcluster 2001:db8::1/64\n";
	struct floating_list list;
	_cleanup_free_ char *text = NULL;

	(void)state;
	floating_parse(note, &list);
	text = list_text(&list);
	assert_string_equal(text, note);
}

static void lines_that_are_none_are_left_out(void **state) {
	static const char *const bad[] = {
	    "",
	    "\n\n",
	    "brupstream\n",
	    "brupstream \n",
	    " 10.0.0.250/24\n",
	    "brupstream 10.0.0.250\n",    /* without a length */
	    "brupstream 10.0.0.250/33\n", /* too long a length */
	    "brupstream 10.0.0.250/24 x\n",
	    "brupstream  10.0.0.250/24\n",
	    "sixteen-bytes-xx 10.0.0.250/24\n",
	    "brupstream 10.0.0.2500000000000000000000000000000000000000000000000000000000000000000000000000/24\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *note = str_printf("%sbrcluster 10.1.0.250/24", bad[i]), *text = NULL;
		struct floating_list list;

		floating_parse(note, &list);
		text = list_text(&list);
		assert_string_equal(text, "brcluster 10.1.0.250/24\n");
	}
}

static void a_note_with_more_than_fits_is_cut(void **state) {
	struct strbuf note = {0};
	struct floating_list list;

	(void)state;
	for (int i = 0; i < FLOATING_MAX + 5; i++)
		assert_int_equal(strbuf_addf(&note, "brcluster 10.1.0.%d/24\n", i + 1), 0);
	floating_parse(note.data, &list);
	assert_int_equal(list.count, FLOATING_MAX);
	strbuf_free(&note);
}

/* ---- the plan: a table of hosts ---- */

#define ROWS 6
struct row {
	const char *name;
	const char *links[ROWS];                                 /* index: place + 1 */
	const struct { const char *link, *ip; } addresses[ROWS]; /* what the host has */
	const char *wanted, *noted;                              /* as a note */
	const char *expected; /* "-LINK ADDRESS", "+LINK ADDRESS", "!LINK": one a line */
};

static const struct row rows[] = {
    {"nothing there: added, in order",
     {"brupstream", "brcluster"},
     {{"brupstream", "10.0.0.1/24"}},
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     "",
     "+brupstream 10.0.0.250/24\n+brcluster 10.1.0.250/24\n"},
    {"all there: nothing to do",
     {"brupstream", "brcluster"},
     {{"brupstream", "10.0.0.250/24"}, {"brcluster", "10.1.0.250/24"}},
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     ""},
    {"one was taken away: that one",
     {"brupstream", "brcluster"},
     {{"brcluster", "10.1.0.250/24"}},
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     "+brupstream 10.0.0.250/24\n"},
    {"a bridge is missing: named, the others are set",
     {"brcluster"},
     {{NULL, NULL}},
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     "",
     "+brcluster 10.1.0.250/24\n!brupstream\n"},
    {"all bridges are missing", {"eth0"}, {{"eth0", "10.0.0.1/24"}}, "brupstream 10.0.0.250/24\n", "", "!brupstream\n"},
    {"an earlier configuration's goes, before what comes",
     {"brupstream"},
     {{"brupstream", "10.0.0.240/24"}},
     "brupstream 10.0.0.250/24\n",
     "brupstream 10.0.0.240/24\n",
     "-brupstream 10.0.0.240/24\n+brupstream 10.0.0.250/24\n"},
    {"an earlier configuration's bridge",
     {"brupstream", "brcluster"},
     {{"brupstream", "10.0.0.250/24"}},
     "brcluster 10.0.0.250/24\n",
     "brupstream 10.0.0.250/24\n",
     "-brupstream 10.0.0.250/24\n+brcluster 10.0.0.250/24\n"},
    {"an earlier one that is gone, or whose bridge is: nothing",
     {"brupstream"},
     {{"brupstream", "10.0.0.250/24"}},
     "brupstream 10.0.0.250/24\n",
     "brupstream 10.0.0.240/24\nbrcluster 10.1.0.250/24\n",
     ""},
    {"another length: the right one instead",
     {"brupstream"},
     {{"brupstream", "2001:db8::250/128"}},
     "brupstream 2001:db8::250/64\n",
     "",
     "-brupstream 2001:db8::250/128\n+brupstream 2001:db8::250/64\n"},
    {"the same address on a foreign link is left alone",
     {"brupstream", "eth7"},
     {{"brupstream", "10.0.0.250/24"}, {"eth7", "10.0.0.250/24"}},
     "brupstream 10.0.0.250/24\n",
     "brupstream 10.0.0.250/24\n",
     ""},
    {"addresses of others on our bridges are left alone",
     {"brupstream", "brcluster"},
     {{"brupstream", "10.0.0.1/24"},
      {"brupstream", "10.0.0.251/24"},
      {"brupstream", "10.0.0.250/24"},
      {"brcluster", "10.0.0.250/24"}},
     "brupstream 10.0.0.250/24\n",
     "",
     ""},
    {"release: all that is ours, whatever length, and nothing else",
     {"brupstream", "brcluster"},
     {{"brupstream", "10.0.0.1/24"},
      {"brupstream", "10.0.0.250/24"},
      {"brupstream", "10.0.0.250/32"},
      {"brcluster", "10.1.0.250/24"},
      {"brcluster", "10.1.0.2/24"}},
     "",
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     "-brupstream 10.0.0.250/24\n-brupstream 10.0.0.250/32\n-brcluster 10.1.0.250/24\n"},
    {"release of what is not there",
     {"brupstream"},
     {{"brupstream", "10.0.0.1/24"}},
     "",
     "brupstream 10.0.0.250/24\nbrcluster 10.1.0.250/24\n",
     ""},
};

static int index_of(const struct row *row, const char *name) {
	for (int i = 0; i < ROWS && row->links[i]; i++)
		if (str_equal(row->links[i], name))
			return i + 1;
	fail_msg("%s: no link %s", row->name, name);
	return 0;
}

static void observe(const struct row *row, struct net_links *links, struct net_addresses *addresses) {
	for (size_t i = 0; i < ROWS && row->links[i]; i++, links->count++) {
		links->items[i].index = (int)i + 1;
		snprintf(links->items[i].name, sizeof(links->items[i].name), "%s", row->links[i]);
	}
	for (size_t i = 0; i < ROWS && row->addresses[i].link; i++, addresses->count++) {
		const struct ip_prefix local = ip(row->addresses[i].ip);

		addresses->items[i] = net_address_of(&local);
		addresses->items[i].index = index_of(row, row->addresses[i].link);
	}
}

static char *plan_text(const struct row *row, const struct floating_plan *plan) {
	struct strbuf text = {0};

	for (size_t i = 0; i < plan->count; i++) {
		const struct floating_step *step = &plan->steps[i];
		char local[IP_PREFIX_TEXT];

		ip_prefix_format(&step->address.local, true, local);
		(void)strbuf_addf(&text, "%c%s %s\n", step->kind == FLOATING_ADD ? '+' : '-',
				  row->links[step->address.index - 1], local);
		assert_int_equal(step->address.index, index_of(row, step->what->link));
	}
	for (size_t i = 0; i < plan->missing_count; i++)
		(void)strbuf_addf(&text, "!%s\n", plan->missing[i]->link);
	return strbuf_steal(&text);
}

static void the_plan_for_each_host(void **state) {
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct net_link link_items[ROWS] = {0};
		struct net_address address_items[ROWS] = {0};
		struct net_links links = {.items = link_items};
		struct net_addresses addresses = {.items = address_items};
		struct floating_list wanted, owned, noted;
		_cleanup_floating_plan_ struct floating_plan plan = {0};
		_cleanup_free_ char *text = NULL;

		observe(&rows[i], &links, &addresses);
		floating_parse(rows[i].wanted, &wanted);
		floating_parse(rows[i].noted, &noted);
		owned = wanted;
		for (size_t j = 0; j < noted.count; j++)
			assert_true(floating_add(&owned, &noted.items[j]));
		assert_int_equal(floating_plan(&wanted, &owned, &links, &addresses, &plan), 0);
		text = plan_text(&rows[i], &plan);
		if (!str_equal(text, rows[i].expected))
			fail_msg("%s: expected\n%sfound\n%s", rows[i].name, rows[i].expected, text);
	}
}

/* Without duplicate address detection, for ever; IPv6 is not the source of the host's own connections. */
static void what_an_added_address_is_like(void **state) {
	struct net_link items[] = {{.index = 7, .name = "brcluster"}};
	const struct net_links links = {items, 1};
	const struct net_addresses none = {0};
	struct floating_list wanted;
	_cleanup_floating_plan_ struct floating_plan plan = {0};

	(void)state;
	floating_parse("brcluster 10.1.2.250/22\nbrcluster 10.9.0.1/32\nbrcluster 2001:db8::250/64\n", &wanted);
	assert_int_equal(floating_plan(&wanted, &wanted, &links, &none, &plan), 0);
	assert_int_equal(plan.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(plan.steps[i].address.index, 7);
		assert_true(plan.steps[i].address.flags & IFA_F_NODAD);
		assert_int_equal(plan.steps[i].address.valid, NET_FOREVER);
	}
	assert_int_equal(ntohl(plan.steps[0].address.broadcast.s_addr), 0x0a0103ff);
	assert_int_equal(plan.steps[1].address.broadcast.s_addr, 0);
	assert_int_equal(plan.steps[0].address.preferred, NET_FOREVER);
	assert_int_equal(plan.steps[2].address.preferred, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_network_on_its_own_bridge),       cmocka_unit_test(d32_shared_devices_share_a_bridge),
	    cmocka_unit_test(what_is_not_configured_is_not_wanted), cmocka_unit_test(the_same_address_twice_is_one),
	    cmocka_unit_test(a_note_is_read_as_it_was_written),     cmocka_unit_test(lines_that_are_none_are_left_out),
	    cmocka_unit_test(a_note_with_more_than_fits_is_cut),    cmocka_unit_test(the_plan_for_each_host),
	    cmocka_unit_test(what_an_added_address_is_like),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
