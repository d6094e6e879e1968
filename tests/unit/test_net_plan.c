/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The planners of pvc-netsetup: from what is wanted and what is observed to steps, without a kernel. */
#include <setjmp.h>
#include <cmocka.h>

#include "../../cmd/pvc-netsetup/netsetup.h"

/* ---- a host as text: "eth0 1500 up", "brcluster 1500 up bridge", "eth0 1500 up - brcluster" ---- */

struct link_row {
	const char *name;
	unsigned mtu;
	bool up;
	const char *kind, *master;
};
struct address_row {
	const char *link, *address;
	uint32_t flags;
};
struct route_row {
	const char *link, *destination, *gateway;
	uint32_t metric;
	uint8_t protocol;
	bool complex;
};
#define MAX_ROWS 8
struct host {
	struct link_row links[MAX_ROWS];
	struct address_row addresses[MAX_ROWS];
	struct route_row routes[MAX_ROWS];
};

static struct ip_prefix ip(const char *text) {
	struct ip_prefix out = {0};

	assert_int_equal(ip_prefix_parse(text, true, &out), 0);
	return out;
}

static int index_of(const struct host *host, const char *name) {
	for (int i = 0; i < MAX_ROWS && host->links[i].name; i++)
		if (str_equal(host->links[i].name, name))
			return i + 1;
	return 0;
}

static void fill(const struct host *host, struct observed *out) {
	*out = (struct observed){0};
	out->links.items = calloc(MAX_ROWS, sizeof(struct net_link));
	out->addresses.items = calloc(MAX_ROWS, sizeof(struct net_address));
	out->routes.items = calloc(MAX_ROWS, sizeof(struct net_route));
	assert_true(out->links.items && out->addresses.items && out->routes.items);
	for (int i = 0; i < MAX_ROWS && host->links[i].name; i++) {
		struct net_link *link = &out->links.items[out->links.count++];

		link->index = i + 1;
		snprintf(link->name, sizeof(link->name), "%s", host->links[i].name);
		snprintf(link->kind, sizeof(link->kind), "%s", host->links[i].kind ? host->links[i].kind : "");
		link->mtu = host->links[i].mtu;
		link->min_mtu = 68;
		link->max_mtu = 9000;
		link->up = host->links[i].up;
		link->has_mac = true;
		link->master = index_of(host, host->links[i].master ? host->links[i].master : "");
	}
	for (int i = 0; i < MAX_ROWS && host->addresses[i].link; i++) {
		struct net_address *a = &out->addresses.items[out->addresses.count++];
		const struct ip_prefix local = ip(host->addresses[i].address);

		*a = net_address_of(&local);
		a->index = index_of(host, host->addresses[i].link);
		a->flags = host->addresses[i].flags;
	}
	for (int i = 0; i < MAX_ROWS && host->routes[i].link; i++) {
		struct net_route *r = &out->routes.items[out->routes.count++];

		r->destination = ip(host->routes[i].destination);
		r->family = r->destination.family;
		r->table = RT_TABLE_MAIN;
		r->type = RTN_UNICAST;
		r->protocol = host->routes[i].protocol;
		r->metric = host->routes[i].metric;
		r->complex = host->routes[i].complex;
		r->index = index_of(host, host->routes[i].link);
		if (r->complex)
			r->hops[r->hop_count++] = r->index;
		if (host->routes[i].gateway)
			r->gateway = ip(host->routes[i].gateway);
	}
}

/* Three networks on three devices; gateway 10.0.0.254. */
static struct config three_devices(void) {
	struct config config = {0};

	config.upstream = (struct config_network){
	    .device = "eth0", .mtu = 1500, .address = ip("10.0.0.1/24"), .gateway = ip("10.0.0.254")};
	config.cluster = (struct config_network){.device = "eth1", .mtu = 9000, .address = ip("10.1.0.1/24")};
	config.storage = (struct config_network){.device = "eth2", .mtu = 9000, .address = ip("10.2.0.1/24")};
	return config;
}

/* The plan as text: errors with "!", steps one a line. */
static char *text_of(struct plan *plan) {
	struct strbuf text = {0};

	for (size_t i = 0; i < plan->errors.count; i++)
		(void)strbuf_addf(&text, "! %s\n", plan->errors.items[i]);
	for (size_t i = 0; i < plan->count; i++) {
		_cleanup_free_ char *step = step_text(&plan->steps[i]);

		assert_non_null(step);
		assert_non_null(plan->steps[i].drift);
		(void)strbuf_addf(&text, "%s\n", step);
	}
	return strbuf_steal(&text);
}

enum planner { SETUP, UNDO };
static char *plan_text(enum planner planner, const struct config *config, const struct host *host) {
	_cleanup_observed_ struct observed now = {0};
	_cleanup_plan_ struct plan plan = {0};
	struct wanted wanted;

	fill(host, &now);
	wanted_from_config(config, &wanted);
	assert_int_equal((planner == SETUP ? plan_setup : plan_undo)(&wanted, &now, &plan), 0);
	return text_of(&plan);
}

static void check(enum planner planner, const struct config *config, const struct host *host, const char *expected) {
	_cleanup_free_ char *text = plan_text(planner, config, host);

	assert_string_equal(text, expected);
}

#define MAC0 "00:00:00:00:00:00"
#define DONE_LINKS                                                                                                     \
	{"eth0", 1500, true, NULL, "brupstream"}, {"eth1", 9000, true, NULL, "brcluster"},                             \
	    {"eth2", 9000, true, NULL, "brstorage"}, {"brcluster", 9000, true, "bridge", NULL},                        \
	    {"brstorage", 9000, true, "bridge", NULL}, {                                                               \
		"brupstream", 1500, true, "bridge", NULL                                                               \
	}
#define DONE_ADDRESSES                                                                                                 \
	{"brcluster", "10.1.0.1/24", 0}, {"brstorage", "10.2.0.1/24", 0}, {                                            \
		"brupstream", "10.0.0.1/24", 0                                                                         \
	}
#define DONE_ROUTES                                                                                                    \
	{ "brupstream", "0.0.0.0/0", "10.0.0.254", 0, RTPROT_STATIC, false }

static void a_fresh_host_gets_everything_in_an_order_that_works(void **state) {
	const struct config config = three_devices();
	const struct host host = {.links = {{"eth0", 1500, true, NULL, NULL},
					    {"eth1", 1500, false, NULL, NULL},
					    {"eth2", 9000, true, NULL, NULL}}};

	(void)state;
	check(SETUP, &config, &host,
	      "set MTU of eth1 to 9000\nbring eth1 up\n"
	      "create bridge brcluster with MAC " MAC0 "\nset MTU of brcluster to 9000\nbring brcluster up\n"
	      "make eth1 a port of brcluster\nadd address 10.1.0.1/24 to brcluster\n"
	      "create bridge brstorage with MAC " MAC0 "\nset MTU of brstorage to 9000\nbring brstorage up\n"
	      "make eth2 a port of brstorage\nadd address 10.2.0.1/24 to brstorage\n"
	      "create bridge brupstream with MAC " MAC0 "\nset MTU of brupstream to 1500\nbring brupstream up\n"
	      "make eth0 a port of brupstream\nadd address 10.0.0.1/24 to brupstream\n"
	      "add route default via 10.0.0.254 dev brupstream\n");
}

static void a_host_that_is_as_configured_needs_nothing(void **state) {
	const struct config config = three_devices();
	const struct host host = {
	    .links = {DONE_LINKS, {"tap0", 1500, true, "tun", "brcluster"}},
	    .addresses = {DONE_ADDRESSES, {"brcluster", "10.1.0.250/24", 0}, {"brcluster", "fe80::1/64", 0}},
	    .routes = {DONE_ROUTES, {"brcluster", "203.0.113.0/24", "10.1.0.9", 0, RTPROT_BGP, false}}};

	(void)state;
	check(SETUP, &config, &host, "");
}

/* Each row: one thing is not as configured, and what is done about it. */
static void each_difference_is_mended_by_itself(void **state) {
	const struct config config = three_devices();
	const struct {
		struct host host;
		const char *steps;
	} cases[] = {
	    {{.links = {DONE_LINKS}, .addresses = {DONE_ADDRESSES}},
	     "add route default via 10.0.0.254 dev brupstream\n"},
	    {{.links = {DONE_LINKS},
	      .addresses = {{"brcluster", "10.1.0.1/24", 0}, {"brupstream", "10.0.0.1/24", 0}},
	      .routes = {DONE_ROUTES}},
	     "add address 10.2.0.1/24 to brstorage\n"},
	    {{.links = {DONE_LINKS},
	      .addresses = {DONE_ADDRESSES},
	      .routes = {{"brupstream", "0.0.0.0/0", "10.0.0.254", 100, RTPROT_DHCP, false}}},
	     ""}, /* the operator's, with another metric: good enough */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(SETUP, &config, &cases[i].host, cases[i].steps);
	for (size_t i = 0; i < 6; i++) {
		struct host host = {.links = {DONE_LINKS}, .addresses = {DONE_ADDRESSES}, .routes = {DONE_ROUTES}};
		_cleanup_free_ char *down = str_printf("bring %s up\n", host.links[i].name);
		_cleanup_free_ char *mtu = str_printf("set MTU of %s to %u\n", host.links[i].name, host.links[i].mtu);

		host.links[i].up = false;
		check(SETUP, &config, &host, down);
		host.links[i].up = true;
		host.links[i].mtu = 1400;
		check(SETUP, &config, &host, mtu);
	}
	for (size_t i = 0; i < 3; i++) {
		struct host host = {.links = {DONE_LINKS}, .addresses = {DONE_ADDRESSES}, .routes = {DONE_ROUTES}};
		_cleanup_free_ char *port =
		    str_printf("make %s a port of %s\n", host.links[i].name, host.links[i].master);

		host.links[i].master = NULL;
		check(SETUP, &config, &host, port);
	}
}

static void the_operators_addresses_and_routes_move_without_a_gap(void **state) {
	struct config config = three_devices();
	const struct host host = {
	    .links = {{"eth0", 1500, true, NULL, NULL}},
	    .addresses = {{"eth0", "10.0.0.77/24", 0},
			  {"eth0", "10.0.0.78/24", IFA_F_SECONDARY},
			  {"eth0", "fe80::77/64", 0}},
	    .routes = {{"eth0", "0.0.0.0/0", "10.0.0.254", 100, RTPROT_DHCP, false},
		       {"eth0", "10.0.0.0/24", NULL, 0, RTPROT_KERNEL, false}, /* comes with the address */
		       {"eth0", "192.0.2.1/32", NULL, 0, RTPROT_BOOT, false},
		       {"eth0", "fe80::/64", NULL, 256, RTPROT_KERNEL, false}}};

	(void)state;
	config.cluster.device = config.storage.device = config.upstream.device = "eth0";
	config.cluster.mtu = config.storage.mtu = 1500;
	config.cluster.address = config.storage.address = config.upstream.address = (struct ip_prefix){0};
	check(SETUP, &config, &host,
	      "create bridge brcluster with MAC " MAC0 "\nset MTU of brcluster to 1500\nbring brcluster up\n"
	      "add address 10.0.0.77/24 to brcluster\nadd address 10.0.0.78/24 to brcluster\n"
	      "make eth0 a port of brcluster\n"
	      "put in place route 192.0.2.1/32 dev brcluster\n" /* first: the gateway may be behind it */
	      "put in place route default via 10.0.0.254 dev brcluster metric 100\n"
	      "remove address 10.0.0.78/24 from eth0\nremove address 10.0.0.77/24 from eth0\n");
}

static void routes_that_cannot_be_replaced_in_place_are_added_before_they_are_removed(void **state) {
	struct config config = three_devices();
	const struct host host = {
	    .links = {DONE_LINKS, {"eth9", 1500, true, NULL, NULL}},
	    .addresses = {DONE_ADDRESSES, {"eth9", "10.9.0.1/24", 0}},
	    .routes = {{"eth9", "0.0.0.0/0", "10.9.0.254", 0, RTPROT_STATIC, false}, /* this one counts, and stays */
		       {"eth0", "0.0.0.0/0", "10.0.0.254", 0, RTPROT_STATIC, false},
		       {"eth0", "::/0", "fe80::1", 1024, RTPROT_RA, false}}};

	(void)state;
	check(SETUP, &config, &host,
	      "add route default via 10.0.0.254 dev brupstream\n"
	      "remove route default via 10.0.0.254 dev eth0\n"
	      /* not in the place of the kernel's own one, or it could not make that again */
	      "add route default (IPv6) via fe80::1 dev brupstream metric 1025\n"
	      "remove route default (IPv6) via fe80::1 dev eth0 metric 1024\n");
}

static void another_default_route_keeps_its_place(void **state) {
	struct config config = three_devices();
	const struct host host = {.links = {DONE_LINKS, {"eth9", 1500, true, NULL, NULL}},
				  .addresses = {DONE_ADDRESSES},
				  .routes = {{"eth9", "0.0.0.0/0", "10.9.0.254", 1, RTPROT_STATIC, false},
					     {"eth9", "0.0.0.0/0", "10.9.0.253", 0, RTPROT_STATIC, false}}};

	(void)state;
	check(SETUP, &config, &host, "add route default via 10.0.0.254 dev brupstream metric 2\n");
}

static void networks_that_share_a_device_share_the_bridge_of_the_first(void **state) {
	static const struct {
		const char *cluster, *storage, *upstream;
		const char *bridges[3]; /* of cluster, storage, upstream */
		size_t count;
	} cases[] = {
	    {"a", "b", "c", {"brcluster", "brstorage", "brupstream"}, 3},
	    {"a", "a", "c", {"brcluster", "brcluster", "brupstream"}, 2},
	    {"a", "b", "a", {"brcluster", "brstorage", "brcluster"}, 2},
	    {"a", "b", "b", {"brcluster", "brstorage", "brstorage"}, 2},
	    {"a", "a", "a", {"brcluster", "brcluster", "brcluster"}, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config config = three_devices();
		const struct config_network *networks[] = {&config.cluster, &config.storage, &config.upstream};
		struct wanted wanted;

		config.cluster.device = (char *)cases[i].cluster;
		config.storage.device = (char *)cases[i].storage;
		config.upstream.device = (char *)cases[i].upstream;
		wanted_from_config(&config, &wanted);
		assert_int_equal(wanted.count, cases[i].count);
		for (size_t n = 0; n < 3; n++) {
			assert_string_equal(config_bridge_name(&config, networks[n]), cases[i].bridges[n]);
			for (size_t b = 0; b < wanted.count; b++)
				if (str_equal(wanted.bridges[b].name, cases[i].bridges[n])) {
					bool found = false;

					assert_string_equal(wanted.bridges[b].device, networks[n]->device);
					assert_true(wanted.bridges[b].mtu >= networks[n]->mtu);
					for (size_t a = 0; a < wanted.bridges[b].address_count; a++)
						found = found || ip_prefix_equal(&wanted.bridges[b].addresses[a],
										 &networks[n]->address);
					assert_true(found);
					assert_int_equal(wanted.bridges[b].gateway.family != 0,
							 str_equal(cases[i].bridges[2], wanted.bridges[b].name));
				}
		}
	}
}

/* Each row: why nothing may be touched. */
static void what_cannot_be_brought_about_is_an_error_that_says_why(void **state) {
	const struct config config = three_devices();
	const struct {
		struct host host;
		const char *error;
	} cases[] = {
	    {{.links = {{"eth0", 1500, true, NULL, NULL}, {"eth1", 9000, true, NULL, NULL}}},
	     "! system.configuration.networking.storage.device: this host has no device 'eth2'; it has: eth0, eth1"},
	    {{.links = {DONE_LINKS, {"eth7", 1500, true, NULL, "brcluster"}}},
	     "! brcluster has the port eth7 already; with eth1 (system.configuration.networking.cluster.device)"},
	    {{.links = {{"eth0", 1500, true, NULL, "virbr0"},
			{"eth1", 9000, true, NULL, NULL},
			{"eth2", 9000, true, NULL, NULL},
			{"virbr0", 1500, true, "bridge", NULL}}},
	     "! system.configuration.networking.upstream.device: eth0 is a port of virbr0 already"},
	    {{.links = {{"eth0", 1500, true, NULL, "brcluster"},
			{"eth1", 9000, true, NULL, NULL},
			{"eth2", 9000, true, NULL, NULL},
			{"brcluster", 1500, true, "bridge", NULL}}},
	     "run 'pvc-netsetup undo' first"},
	    {{.links = {{"eth0", 1500, true, NULL, NULL},
			{"eth1", 9000, true, NULL, NULL},
			{"eth2", 9000, true, NULL, NULL},
			{"brupstream", 1500, true, "vxlan", NULL}}},
	     "! brupstream exists and is no bridge but a link of kind vxlan"},
	    {{.links = {DONE_LINKS, {"eth9", 1500, true, NULL, NULL}}, .addresses = {{"eth9", "10.1.0.1/24", 0}}},
	     "! system.configuration.networking.cluster.address: 10.1.0.1/24 is on eth9 already"},
	    {{.links = {DONE_LINKS}, .addresses = {{"brcluster", "10.1.0.1/16", 0}}},
	     "! system.configuration.networking.cluster.address: 10.1.0.1/24 is on brcluster as 10.1.0.1/16"},
	    {{.links = {DONE_LINKS}, .routes = {{"eth0", "10.50.0.0/16", NULL, 0, RTPROT_STATIC, true}}},
	     "! cannot move the route to 10.50.0.0/16 from eth0 to brupstream"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = plan_text(SETUP, &config, &cases[i].host);

		if (!strstr(text, cases[i].error))
			fail_msg("case %zu: no '%s' in:\n%s", i, cases[i].error, text);
	}
}

static void an_mtu_beyond_the_device_is_an_error(void **state) {
	struct config config = three_devices();
	const struct host host = {.links = {DONE_LINKS}};
	_cleanup_free_ char *text = NULL;

	(void)state;
	config.storage.mtu = 9001;
	text = plan_text(SETUP, &config, &host);
	assert_non_null(strstr(text,
			       "! system.configuration.networking.storage.mtu: eth2 takes an MTU from 68 to 9000, not "
			       "9001\n"));
}

static void undo_moves_everything_back_and_refuses_other_ports(void **state) {
	const struct config config = three_devices();
	struct host host = {
	    .links = {DONE_LINKS}, .addresses = {{"brupstream", "10.0.0.77/24", 0}}, .routes = {DONE_ROUTES}};
	_cleanup_free_ char *text = NULL;

	(void)state;
	check(UNDO, &config, &host,
	      "take eth1 out of its bridge\ndelete bridge brcluster\n"
	      "take eth2 out of its bridge\ndelete bridge brstorage\n"
	      "add address 10.0.0.77/24 to eth0\ntake eth0 out of its bridge\n"
	      "put in place route default via 10.0.0.254 dev eth0\ndelete bridge brupstream\n");
	host.links[6] = (struct link_row){"tap0", 1500, true, "tun", "brstorage"};
	text = plan_text(UNDO, &config, &host);
	assert_int_equal(strncmp(text, "! tap0 is a port of brstorage", 29), 0);
}

/* Whatever was reached when a step failed, the way back ends at what was before. */
static void the_way_back_restores_what_was_before(void **state) {
	const struct config config = three_devices();
	const struct host before = {.links = {{"eth0", 1500, true, NULL, NULL},
					      {"eth1", 1500, false, NULL, NULL},
					      {"eth2", 1500, true, NULL, NULL}},
				    .addresses = {{"eth0", "10.0.0.77/24", 0}},
				    .routes = {{"eth0", "0.0.0.0/0", "10.0.0.254", 100, RTPROT_DHCP, false}}};
	const struct host after = {.links = {{"eth0", 1500, true, NULL, "brupstream"},
					     {"eth1", 9000, true, NULL, "brcluster"},
					     {"eth2", 1500, true, NULL, NULL},
					     {"brcluster", 9000, true, "bridge", NULL},
					     {"brupstream", 1500, true, "bridge", NULL}},
				   .addresses = {{"brupstream", "10.0.0.77/24", 0}, {"brcluster", "10.1.0.1/24", 0}},
				   .routes = {{"brupstream", "0.0.0.0/0", "10.0.0.254", 100, RTPROT_DHCP, false}}};
	_cleanup_observed_ struct observed old = {0}, now = {0}, same = {0};
	_cleanup_plan_ struct plan plan = {0}, none = {0};
	_cleanup_free_ char *text = NULL;
	struct wanted wanted;

	(void)state;
	fill(&before, &old);
	fill(&before, &same);
	fill(&after, &now);
	wanted_from_config(&config, &wanted);
	assert_int_equal(plan_restore(&wanted, &old, &now, &plan), 0);
	text = text_of(&plan);
	assert_string_equal(text, "set MTU of eth1 to 1500\ntake eth1 out of its bridge\nbring eth1 down\n"
				  "add address 10.0.0.77/24 to eth0\ntake eth0 out of its bridge\n"
				  "put in place route default via 10.0.0.254 dev eth0 metric 100\n"
				  "delete bridge brcluster\ndelete bridge brupstream\n");
	assert_int_equal(plan_restore(&wanted, &old, &same, &none), 0);
	assert_int_equal(none.count, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_fresh_host_gets_everything_in_an_order_that_works),
	    cmocka_unit_test(a_host_that_is_as_configured_needs_nothing),
	    cmocka_unit_test(each_difference_is_mended_by_itself),
	    cmocka_unit_test(the_operators_addresses_and_routes_move_without_a_gap),
	    cmocka_unit_test(routes_that_cannot_be_replaced_in_place_are_added_before_they_are_removed),
	    cmocka_unit_test(another_default_route_keeps_its_place),
	    cmocka_unit_test(networks_that_share_a_device_share_the_bridge_of_the_first),
	    cmocka_unit_test(what_cannot_be_brought_about_is_an_error_that_says_why),
	    cmocka_unit_test(an_mtu_beyond_the_device_is_an_error),
	    cmocka_unit_test(undo_moves_everything_back_and_refuses_other_ports),
	    cmocka_unit_test(the_way_back_restores_what_was_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
