/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Overlay links, floods, batches and the link monitor against the kernel, in a network namespace of this process. */
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

static struct net_link link_named(const char *name) {
	struct net_link link;

	assert_int_equal(net_link_by_name(net, name, &link, NULL), 0);
	return link;
}

static struct net_link named(const char *name) {
	struct net_link link = {0};

	snprintf(link.name, sizeof(link.name), "%s", name);
	return link;
}

static void delete_all(void) {
	_cleanup_net_links_ struct net_links links = {0};

	assert_int_equal(net_links_read(net, &links, NULL), 0);
	for (size_t i = 0; i < links.count; i++)
		if (*links.items[i].kind)
			(void)net_link_delete(net, links.items[i].index, NULL); /* a pair goes together */
}

static void never(size_t number, int error, const char *text, void *userdata) {
	(void)userdata;
	fail_msg("change %zu was refused: %s (%d)", number, text, error);
}

static void run(struct net_batch *batch) {
	assert_int_equal(net_batch_run(net, batch, never, NULL, NULL), 0);
}

static void a_vxlan_is_made_and_read_as_asked(void **state) {
	_cleanup_net_batch_ struct net_batch *batch = net_batch_new();
	struct net_vxlan v4 = {.id = 16777215, .port = 4789, .learning = true, .local = ip("10.9.0.1")};
	struct net_vxlan v6 = {.id = 2, .port = 4790, .learning = false, .local = ip("2001:db8::1")};
	struct net_link link, values = named("vxlan1");

	(void)state;
	NEEDS_NAMESPACE();
	net_batch_bridge(batch, "below", NULL, 1500);
	run(batch);
	v4.link = link_named("below").index;
	net_batch_vxlan(batch, "vxlan1", &v4, 1450);
	net_batch_vxlan(batch, "vxlan2", &v6, 0);
	snprintf(values.alias, sizeof(values.alias), "pvc");
	values.address_mode = IN6_ADDR_GEN_MODE_NONE;
	values.up = true;
	net_batch_change(batch, NET_BATCH_ALIAS, &values);
	net_batch_change(batch, NET_BATCH_ADDRESS_MODE, &values);
	net_batch_change(batch, NET_BATCH_UP, &values);
	run(batch);
	link = link_named("vxlan1");
	assert_string_equal(link.kind, "vxlan");
	assert_string_equal(link.alias, "pvc");
	assert_int_equal(link.mtu, 1450);
	assert_true(link.up && link.vxlan.learning);
	assert_int_equal(link.address_mode, IN6_ADDR_GEN_MODE_NONE);
	assert_int_equal(link.vxlan.id, 16777215);
	assert_int_equal(link.vxlan.port, 4789);
	assert_int_equal(link.vxlan.link, v4.link);
	assert_true(ip_prefix_equal(&link.vxlan.local, &v4.local));
	link = link_named("vxlan2");
	assert_false(link.up || link.vxlan.learning || link.vxlan.link);
	assert_int_equal(link.vxlan.port, 4790);
	assert_true(ip_prefix_equal(&link.vxlan.local, &v6.local));
	delete_all();
}

static bool floods_to(const struct net_floods *floods, int index, const char *text) {
	const struct ip_prefix to = ip(text);

	for (size_t i = 0; i < floods->count; i++)
		if (floods->items[i].index == index && ip_prefix_equal(&floods->items[i].to, &to))
			return true;
	return false;
}

static void floods_are_added_read_and_removed_one_by_one(void **state) {
	_cleanup_net_batch_ struct net_batch *batch = net_batch_new();
	_cleanup_net_floods_ struct net_floods one = {0}, all = {0}, later = {0}, none = {0};
	const struct net_vxlan vxlan = {.id = 5, .port = 4789, .learning = true}, other = {.id = 6, .port = 4789};
	struct net_flood flood;
	int a, b;

	(void)state;
	NEEDS_NAMESPACE();
	net_batch_vxlan(batch, "vxlan5", &vxlan, 0);
	net_batch_vxlan(batch, "vxlan6", &other, 0);
	run(batch);
	a = link_named("vxlan5").index;
	b = link_named("vxlan6").index;
	flood = (struct net_flood){.index = a, .to = ip("10.9.0.2")};
	net_batch_flood(batch, &flood, true);
	net_batch_flood(batch, &flood, true); /* there already */
	flood.to = ip("10.9.0.3");
	net_batch_flood(batch, &flood, true);
	flood.index = b;
	net_batch_flood(batch, &flood, true);
	run(batch);
	assert_int_equal(net_floods_read(net, a, &one, NULL), 0);
	assert_int_equal(one.count, 2);
	assert_true(floods_to(&one, a, "10.9.0.2") && floods_to(&one, a, "10.9.0.3") && !one.items[0].foreign);
	assert_int_equal(net_floods_read(net, 0, &all, NULL), 0);
	assert_int_equal(all.count, 3);
	assert_true(floods_to(&all, b, "10.9.0.3"));
	flood = (struct net_flood){.index = a, .to = ip("10.9.0.2")};
	net_batch_flood(batch, &flood, false);
	run(batch);
	assert_int_equal(net_floods_read(net, a, &later, NULL), 0);
	assert_int_equal(later.count, 1);
	assert_true(floods_to(&later, a, "10.9.0.3"));
	delete_all();
	assert_int_equal(net_floods_read(net, a, &none, NULL), 0);
	assert_int_equal(none.count, 0);
}

struct refusals {
	size_t count, numbers[8];
	int errors[8];
};

static void note(size_t number, int error, const char *text, void *userdata) {
	struct refusals *refusals = userdata;

	assert_true(*text);
	assert_true(refusals->count < ARRAY_SIZE(refusals->numbers));
	refusals->numbers[refusals->count] = number;
	refusals->errors[refusals->count++] = error;
}

static void a_refused_change_is_told_by_its_number_and_the_others_are_made(void **state) {
	_cleanup_net_batch_ struct net_batch *batch = net_batch_new();
	struct refusals refusals = {0};
	struct net_link mtu = named("br2"), missing = named("nobody");

	(void)state;
	NEEDS_NAMESPACE();
	mtu.mtu = 1000000;
	net_batch_bridge(batch, "br1", NULL, 0);
	net_batch_bridge(batch, "br1", NULL, 0);
	net_batch_bridge(batch, "br2", NULL, 0);
	net_batch_change(batch, NET_BATCH_MTU, &mtu);
	net_batch_change(batch, NET_BATCH_DELETE, &missing);
	net_batch_bridge(batch, "br3", NULL, 0);
	assert_int_equal(net_batch_run(net, batch, note, &refusals, NULL), 0);
	assert_int_equal(refusals.count, 3);
	assert_int_equal(refusals.numbers[0], 1);
	assert_int_equal(refusals.errors[0], -EEXIST);
	assert_int_equal(refusals.numbers[1], 3);
	assert_int_equal(refusals.errors[1], -EINVAL);
	assert_int_equal(refusals.numbers[2], 4);
	assert_int_equal(refusals.errors[2], -ENODEV);
	(void)link_named("br3");
	/* it is empty now, and may be used again */
	run(batch);
	net_batch_bridge(batch, "br4", NULL, 0);
	run(batch);
	(void)link_named("br4");
	delete_all();
}

static void hundreds_of_links_are_made_in_one_batch_and_deleted_in_another(void **state) {
	enum { MANY = 300 };
	_cleanup_net_batch_ struct net_batch *batch = net_batch_new();
	_cleanup_net_links_ struct net_links links = {0};
	size_t count = 0;

	(void)state;
	NEEDS_NAMESPACE();
	for (unsigned i = 1; i <= MANY; i++) {
		struct net_link values = {.mtu = 1400, .up = true};
		const uint8_t mac[NET_MAC_LENGTH] = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

		snprintf(values.name, sizeof(values.name), "vmbr%u", i);
		snprintf(values.alias, sizeof(values.alias), "pvc");
		net_batch_group(batch);
		net_batch_bridge(batch, values.name, mac, 1399);
		net_batch_change(batch, NET_BATCH_ALIAS, &values);
		net_batch_change(batch, NET_BATCH_MTU, &values);
		net_batch_change(batch, NET_BATCH_UP, &values);
	}
	run(batch);
	assert_int_equal(net_links_read(net, &links, NULL), 0);
	for (size_t i = 0; i < links.count; i++) {
		const struct net_link *link = &links.items[i];

		if (!str_equal(link->kind, "bridge"))
			continue;
		count++;
		assert_true(link->mtu == 1400 && link->up && str_equal(link->alias, "pvc"));
		net_batch_change(batch, NET_BATCH_DELETE, link);
	}
	assert_int_equal(count, MANY);
	run(batch);
	net_links_free(&links);
	assert_int_equal(net_links_read(net, &links, NULL), 0);
	assert_null(net_link_find(&links, "vmbr1"));
	assert_null(net_link_find(&links, "vmbr300"));
}

static void a_kernel_without_vlans_says_so_and_one_with_them_makes_one(void **state) {
	_cleanup_net_batch_ struct net_batch *batch = net_batch_new();
	struct refusals refusals = {0};

	(void)state;
	NEEDS_NAMESPACE();
	net_batch_bridge(batch, "below", NULL, 1500);
	run(batch);
	net_batch_vlan(batch, "vlan7", link_named("below").index, 7, 1500);
	assert_int_equal(net_batch_run(net, batch, note, &refusals, NULL), 0);
	if (refusals.count) {
		assert_int_equal(refusals.errors[0], -EOPNOTSUPP);
	} else {
		assert_int_equal(link_named("vlan7").vlan, 7);
		assert_int_equal(link_named("vlan7").parent, link_named("below").index);
	}
	delete_all();
}

struct heard {
	unsigned made, gone;
	char name[IFNAMSIZ];
};

static void hear(const struct net_link *link, bool gone, void *userdata) {
	struct heard *heard = userdata;

	if (!str_equal(link->name, "br9"))
		return;
	if (gone)
		heard->gone++;
	else
		heard->made++;
}

static void the_link_monitor_names_what_changed(void **state) {
	struct net *monitor = NULL;
	struct heard heard = {0};
	struct net_link link;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(net_link_monitor_open(&monitor, NULL), 0);
	assert_int_equal(net_link_monitor_read(monitor, hear, &heard), 0);
	assert_int_equal(heard.made + heard.gone, 0);
	assert_int_equal(net_bridge_create(net, "br9", NULL, 0, NULL), 0);
	assert_int_equal(net_link_monitor_read(monitor, hear, &heard), 0);
	assert_true(heard.made > 0 && heard.gone == 0);
	link = link_named("br9");
	heard.made = 0;
	assert_int_equal(net_link_set_mtu(net, link.index, 1300, NULL), 0);
	assert_int_equal(net_link_monitor_read(monitor, hear, &heard), 0);
	assert_true(heard.made > 0 && heard.gone == 0);
	assert_int_equal(net_link_delete(net, link.index, NULL), 0);
	assert_int_equal(net_link_monitor_read(monitor, hear, &heard), 0);
	assert_int_equal(heard.gone, 1);
	net_close(monitor);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_vxlan_is_made_and_read_as_asked),
	    cmocka_unit_test(floods_are_added_read_and_removed_one_by_one),
	    cmocka_unit_test(a_refused_change_is_told_by_its_number_and_the_others_are_made),
	    cmocka_unit_test(hundreds_of_links_are_made_in_one_batch_and_deleted_in_another),
	    cmocka_unit_test(a_kernel_without_vlans_says_so_and_one_with_them_makes_one),
	    cmocka_unit_test(the_link_monitor_names_what_changed),
	};

	return cmocka_run_group_tests(tests, enter_namespace, leave);
}
