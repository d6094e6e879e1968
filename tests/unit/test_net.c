/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net against the kernel itself, in a network namespace of this process (needs root; skipped elsewhere). */
#include <setjmp.h>
#include <cmocka.h>
#include <sched.h>

#include "net/net.h"

static struct net *net;

static int enter_namespace(void **state) {
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return 0; /* not allowed: net stays NULL, and each test is skipped */
	return net_open(&net, NULL);
}

static int leave(void **state) {
	(void)state;
	net_close(net);
	net = NULL;
	return 0;
}

#define NEEDS_NAMESPACE()                                                                                              \
	do {                                                                                                           \
		if (!net)                                                                                              \
			skip();                                                                                        \
	} while (0)

static struct ip_prefix ip(const char *text) {
	struct ip_prefix out = {0};

	assert_int_equal(ip_prefix_parse(text, true, &out), 0);
	return out;
}

static struct net_link bridge(const char *name) {
	struct net_link link;

	assert_int_equal(net_bridge_create(net, name, NULL, 0, NULL), 0);
	assert_int_equal(net_link_by_name(net, name, &link, NULL), 0);
	assert_int_equal(net_link_set_up(net, link.index, true, NULL), 0);
	return link;
}

static const struct net_address *find_address(const struct net_addresses *all, int index, const char *text) {
	const struct ip_prefix wanted = ip(text);

	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].index == index && ip_prefix_equal(&all->items[i].local, &wanted))
			return &all->items[i];
	return NULL;
}

static const struct net_route *find_route(const struct net_routes *all, const char *text, uint32_t metric) {
	const struct ip_prefix wanted = ip(text);

	for (size_t i = 0; i < all->count; i++)
		if (ip_prefix_equal(&all->items[i].destination, &wanted) && all->items[i].metric == metric)
			return &all->items[i];
	return NULL;
}

static void a_bridge_is_made_as_asked_and_deleted(void **state) {
	static const uint8_t mac[NET_MAC_LENGTH] = {0x02, 0, 0, 0xab, 0xcd, 0xef};
	_cleanup_free_ char *error = NULL;
	struct net_link link;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(net_bridge_create(net, "br0", mac, 1400, NULL), 0);
	assert_int_equal(net_link_by_name(net, "br0", &link, NULL), 0);
	assert_string_equal(link.kind, "bridge");
	assert_memory_equal(link.mac, mac, sizeof(mac));
	assert_int_equal(link.mtu, 1400);
	assert_false(link.up || link.stp || link.forward_delay || link.loopback || link.master);
	assert_int_equal(net_bridge_create(net, "br0", mac, 1400, &error), -EEXIST);
	assert_string_equal(error, "File exists");
	assert_int_equal(net_bridge_set_timing(net, link.index, true, 1500, NULL), 0);
	assert_int_equal(net_bridge_set_timing(net, link.index, false, 0, NULL), 0);
	assert_int_equal(net_link_by_name(net, "br0", &link, NULL), 0);
	assert_true(!link.stp && link.forward_delay == 0);
	assert_int_equal(net_bridge_set_timing(net, link.index, true, 1500, NULL), 0);
	assert_int_equal(net_link_set_up(net, link.index, true, NULL), 0);
	assert_int_equal(net_link_set_mtu(net, link.index, 1300, NULL), 0);
	assert_int_equal(net_link_set_address_mode(net, link.index, IN6_ADDR_GEN_MODE_NONE, NULL), 0);
	assert_int_equal(net_link_by_name(net, "br0", &link, NULL), 0);
	assert_true(link.up && link.stp);
	assert_int_equal(link.forward_delay, 1500);
	assert_int_equal(link.mtu, 1300);
	assert_int_equal(link.address_mode, IN6_ADDR_GEN_MODE_NONE);
	assert_int_equal(net_link_delete(net, link.index, NULL), 0);
	assert_int_equal(net_link_delete(net, link.index, NULL), 0); /* gone already */
	assert_int_equal(net_link_by_name(net, "br0", &link, NULL), -ENODEV);
}

static void a_refusal_has_the_kernels_own_words(void **state) {
	_cleanup_free_ char *error = NULL, *loop = NULL;
	struct net_link link;

	(void)state;
	NEEDS_NAMESPACE();
	link = bridge("br0");
	assert_int_equal(net_link_set_mtu(net, link.index, 100000, &error), -EINVAL);
	assert_non_null(strstr(error, "mtu greater than device maximum"));
	assert_true(net_link_set_master(net, link.index, link.index, &loop) < 0);
	assert_non_null(loop);
	assert_int_equal(net_link_delete(net, link.index, NULL), 0);
}

static void names_that_no_link_can_have_are_refused(void **state) {
	struct net_link link;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(net_link_by_name(net, "a-name-that-is-too-long", &link, NULL), -ENODEV);
	assert_int_equal(net_bridge_create(net, "a-name-that-is-too-long", NULL, 0, NULL), -EINVAL);
}

static void addresses_are_added_changed_read_and_removed(void **state) {
	_cleanup_net_addresses_ struct net_addresses all = {0}, later = {0};
	const struct ip_prefix v4 = ip("10.0.0.1/24"), v6 = ip("2001:db8::1/64");
	struct net_address a4 = net_address_of(&v4), a6 = net_address_of(&v6);
	const struct net_address *found;
	struct net_link link;

	(void)state;
	NEEDS_NAMESPACE();
	link = bridge("br0");
	a4.index = a6.index = link.index;
	a4.broadcast = ip("10.0.0.255").v4;
	a4.valid = 4000;
	a4.preferred = 3000;
	a4.flags = IFA_F_NOPREFIXROUTE;
	a6.flags = IFA_F_NODAD;
	assert_int_equal(net_address_add(net, &a4, NULL), 0);
	assert_int_equal(net_address_add(net, &a4, NULL), 0); /* there already */
	assert_int_equal(net_address_add(net, &a6, NULL), 0);
	assert_int_equal(net_addresses_read(net, &all, NULL), 0);
	found = find_address(&all, link.index, "10.0.0.1/24");
	assert_non_null(found);
	assert_true(found->flags & IFA_F_NOPREFIXROUTE);
	assert_int_equal(found->broadcast.s_addr, a4.broadcast.s_addr);
	assert_true(found->valid > 3900 && found->valid <= 4000 && found->preferred > 2900 && found->preferred <= 3000);
	assert_int_equal(found->peer.family, 0);
	found = find_address(&all, link.index, "2001:db8::1/64");
	assert_non_null(found);
	assert_true(found->valid == NET_FOREVER && !(found->flags & IFA_F_TENTATIVE));
	assert_false(net_address_is_link_local(found));
	assert_int_equal(net_address_remove(net, &a4, NULL), 0);
	assert_int_equal(net_address_remove(net, &a4, NULL), 0); /* gone already */
	assert_int_equal(net_addresses_read(net, &later, NULL), 0);
	assert_null(find_address(&later, link.index, "10.0.0.1/24"));
	assert_int_equal(net_link_delete(net, link.index, NULL), 0);
}

static void routes_keep_all_that_they_were_given(void **state) {
	_cleanup_net_routes_ struct net_routes all = {0}, again = {0};
	const struct ip_prefix v4 = ip("10.0.0.1/24"), v6 = ip("2001:db8::1/64");
	struct net_address a4 = net_address_of(&v4), a6 = net_address_of(&v6);
	struct net_route r4 = {.family = AF_INET,
			       .table = RT_TABLE_MAIN,
			       .destination = ip("192.0.2.0/24"),
			       .gateway = ip("10.0.0.254"),
			       .source = ip("10.0.0.1"),
			       .metric = 77,
			       .protocol = RTPROT_DHCP,
			       .type = RTN_UNICAST};
	struct net_route r6 = {.family = AF_INET6,
			       .table = 1000,
			       .destination = ip("::/0"),
			       .gateway = ip("fe80::1"),
			       .metric = 300,
			       .protocol = RTPROT_STATIC,
			       .type = RTN_UNICAST,
			       .expires = 900};
	struct net_link one, two;
	const struct net_route *found;

	(void)state;
	NEEDS_NAMESPACE();
	one = bridge("br0");
	two = bridge("br1");
	a4.index = a6.index = r4.index = r6.index = one.index;
	a6.flags = IFA_F_NODAD;
	assert_int_equal(net_address_add(net, &a4, NULL), 0);
	assert_int_equal(net_address_add(net, &a6, NULL), 0);
	assert_int_equal(net_route_add(net, &r4, NET_ROUTE_ADD, NULL), 0);
	assert_int_equal(net_route_add(net, &r4, NET_ROUTE_ADD, NULL), -EEXIST);
	assert_int_equal(net_route_add(net, &r4, NET_ROUTE_APPEND, NULL), 0);
	assert_int_equal(net_route_add(net, &r6, NET_ROUTE_ADD, NULL), 0);
	assert_int_equal(net_routes_read(net, 0, &all, NULL), 0);
	found = find_route(&all, "192.0.2.0/24", 77);
	assert_non_null(found);
	assert_true(found->index == one.index && found->protocol == RTPROT_DHCP && found->type == RTN_UNICAST);
	assert_true(ip_prefix_equal(&found->gateway, &r4.gateway) && ip_prefix_equal(&found->source, &r4.source));
	found = find_route(&all, "::/0", 300);
	assert_non_null(found);
	assert_true(found->table == 1000 && net_route_is_default(found));
	assert_true(found->expires > 800 && found->expires <= 901);
	/* in one go over the other link */
	r4.index = two.index;
	r4.flags = RTNH_F_ONLINK;
	assert_int_equal(net_route_add(net, &r4, NET_ROUTE_REPLACE, NULL), 0);
	assert_int_equal(net_routes_read(net, RT_TABLE_MAIN, &again, NULL), 0);
	found = find_route(&again, "192.0.2.0/24", 77);
	assert_non_null(found);
	assert_true(found->index == two.index && found->flags == RTNH_F_ONLINK);
	assert_null(find_route(&again, "::/0", 300)); /* of another table */
	assert_int_equal(net_route_remove(net, &r4, NULL), 0);
	assert_int_equal(net_route_remove(net, &r4, NULL), 0); /* gone already */
	assert_int_equal(net_link_delete(net, one.index, NULL), 0);
	assert_int_equal(net_link_delete(net, two.index, NULL), 0);
}

/* More than fits in one answer of the kernel. */
static void long_lists_are_read_whole(void **state) {
	enum { MANY = 600 };
	_cleanup_net_addresses_ struct net_addresses all = {0};
	struct net_link link;
	size_t count = 0;

	(void)state;
	NEEDS_NAMESPACE();
	link = bridge("br0");
	for (int i = 0; i < MANY; i++) {
		_cleanup_free_ char *text = str_printf("10.%d.%d.1/24", i / 256, i % 256);
		const struct ip_prefix local = ip(text);
		struct net_address a = net_address_of(&local);

		a.index = link.index;
		assert_int_equal(net_address_add(net, &a, NULL), 0);
	}
	assert_int_equal(net_addresses_read(net, &all, NULL), 0);
	for (size_t i = 0; i < all.count; i++)
		count += all.items[i].index == link.index && all.items[i].local.family == AF_INET;
	assert_int_equal(count, MANY);
	assert_int_equal(net_link_delete(net, link.index, NULL), 0);
}

static void the_monitor_hears_of_changes_and_of_nothing_else(void **state) {
	_cleanup_net_ struct net *monitor = NULL;
	struct net_link link;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(net_monitor_open(&monitor, NULL), 0);
	assert_true(net_monitor_fd(monitor) >= 0);
	assert_int_equal(net_monitor_wait(monitor, deadline_after(0)), 0);
	link = bridge("br0");
	assert_int_equal(net_monitor_wait(monitor, deadline_after(60 * USEC_PER_SEC)), 1);
	assert_int_equal(net_link_delete(net, link.index, NULL), 0);
	assert_int_equal(net_monitor_wait(monitor, deadline_after(60 * USEC_PER_SEC)), 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_bridge_is_made_as_asked_and_deleted),
	    cmocka_unit_test(a_refusal_has_the_kernels_own_words),
	    cmocka_unit_test(names_that_no_link_can_have_are_refused),
	    cmocka_unit_test(addresses_are_added_changed_read_and_removed),
	    cmocka_unit_test(routes_keep_all_that_they_were_given),
	    cmocka_unit_test(long_lists_are_read_whole),
	    cmocka_unit_test(the_monitor_hears_of_changes_and_of_nothing_else),
	};

	return cmocka_run_group_tests(tests, enter_namespace, leave);
}
