/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-watch-networks' planner against a kernel that is a struct: from every state it ends where it has to, and touches
 * nothing that is somebody else's. */
#include <setjmp.h>
#include <cmocka.h>

#include "../../cmd/pvc-watch-networks/network.h"

#define VNI      77
#define CLUSTER  10 /* indices of links */
#define DEVICE   11
#define FOREIGN  500
#define NEW_LINK 100

static struct ip_prefix ip(const char *text) {
	struct ip_prefix out = {0};

	assert_int_equal(ip_prefix_parse(text, true, &out), 0);
	return out;
}

static struct ip_prefix peers[2];

static struct underlay underlay_make(void) {
	struct underlay underlay = {.node = "pvchv1",
				    .cluster = {"brcluster", CLUSTER, 9000},
				    .device = {"eth3", DEVICE, 4000},
				    .cluster_mtu = 9000,
				    .local = ip("10.9.0.1/24"),
				    .peers = peers,
				    .peer_count = ARRAY_SIZE(peers),
				    .peers_complete = true};

	peers[0] = ip("10.9.0.2");
	peers[1] = ip("10.9.0.3");
	return underlay;
}

/* ---- the kernel ---- */

struct kernel {
	struct network_state state;
	struct net_flood floods[8];
	int next_index;
	unsigned foreign_touched;
	bool has_vlans;
};

static enum network_role role_of(const struct step *step) {
	enum network_role role;
	uint32_t vni;

	assert_true(network_parse_name(step->values.name, &role, &vni));
	assert_int_equal(vni, VNI);
	return role;
}

static void make(struct kernel *kernel, enum network_role role, const struct step *step) {
	static const char *const kinds[] = {"bridge", "vxlan", "vlan"};
	struct net_link *link = &kernel->state.links[role];

	assert_false(kernel->state.has[role]);
	kernel->state.has[role] = true;
	*link = step->values;
	link->index = kernel->next_index++;
	snprintf(link->kind, sizeof(link->kind), "%s", kinds[role]);
	link->accept_ra = true;
	link->address_mode = IN6_ADDR_GEN_MODE_EUI64;
	if (role == NETWORK_VXLAN)
		kernel->state.floods.count = 0;
}

static void change(struct kernel *kernel, enum network_role role, const struct step *step) {
	struct net_link *link = &kernel->state.links[role];
	const struct net_link *values = &step->values;

	assert_true(kernel->state.has[role]);
	assert_true(values->index == 0 || values->index == link->index);
	if (link->index >= FOREIGN)
		kernel->foreign_touched++;
	switch (step->what) {
	case NET_BATCH_UP:
		link->up = values->up;
		break;
	case NET_BATCH_MTU:
		assert_true(values->mtu >= NETWORK_MTU_MIN);
		link->mtu = values->mtu;
		break;
	case NET_BATCH_MAC:
		memcpy(link->mac, values->mac, sizeof(link->mac));
		break;
	case NET_BATCH_MASTER:
		link->master = values->master;
		break;
	case NET_BATCH_ALIAS:
		memcpy(link->alias, values->alias, sizeof(link->alias));
		break;
	case NET_BATCH_ADDRESS_MODE:
		link->address_mode = values->address_mode;
		break;
	case NET_BATCH_STP:
		link->stp = values->stp;
		break;
	case NET_BATCH_DELAY:
		assert_false(link->stp); /* the kernel refuses it then */
		link->forward_delay = values->forward_delay;
		break;
	case NET_BATCH_DELETE:
		kernel->state.has[role] = false;
		if (role == NETWORK_BRIDGE)
			for (int other = 0; other < NETWORK_ROLES; other++)
				if (kernel->state.links[other].master == link->index)
					kernel->state.links[other].master = 0;
		break;
	}
}

static void do_step(struct kernel *kernel, const struct step *step) {
	enum network_role role = role_of(step);
	struct net_floods *floods = &kernel->state.floods;
	_cleanup_free_ char *text = step_text(step);

	assert_non_null(text);
	switch (step->kind) {
	case STEP_BRIDGE:
	case STEP_VXLAN:
	case STEP_VLAN:
		make(kernel, role, step);
		break;
	case STEP_CHANGE:
		change(kernel, role, step);
		break;
	case STEP_FLOOD:
		assert_true(floods->count < ARRAY_SIZE(kernel->floods));
		floods->items[floods->count++] = step->flood;
		break;
	case STEP_UNFLOOD:
		for (size_t i = 0; i < floods->count; i++)
			if (ip_prefix_equal(&floods->items[i].to, &step->flood.to))
				floods->items[i] = floods->items[--floods->count];
		break;
	case STEP_SETTING:
		assert_true(kernel->state.has[role]);
		if (str_equal(step->setting, "accept_ra"))
			kernel->state.links[role].accept_ra = str_equal(step->value, "1");
		else
			kernel->state.links[role].ipv6_off = str_equal(step->value, "1");
		break;
	}
}

/* Until nothing is left to do. Returns the number of errors then. */
static size_t converge(struct kernel *kernel, enum network_type type, const struct underlay *underlay) {
	kernel->state.floods.items = kernel->floods;
	for (int round = 0; round < 5; round++) {
		_cleanup_network_plan_ struct network_plan plan = {0};

		assert_int_equal(network_plan_make(VNI, type, &kernel->state, underlay, &plan), 0);
		if (plan.count == 0)
			return plan.errors.count;
		for (size_t i = 0; i < plan.count; i++)
			do_step(kernel, &plan.steps[i]);
	}
	fail_msg("it does not come to an end");
	return 0;
}

static struct kernel kernel_new(void) {
	return (struct kernel){.next_index = NEW_LINK};
}

static void assert_managed(const struct kernel *kernel, unsigned mtu) {
	const struct net_link *bridge = &kernel->state.links[NETWORK_BRIDGE];
	const struct net_link *vxlan = &kernel->state.links[NETWORK_VXLAN];
	uint8_t mac[NET_MAC_LENGTH];

	network_mac("pvchv1", VNI, mac);
	assert_true(kernel->state.has[NETWORK_BRIDGE] && kernel->state.has[NETWORK_VXLAN] &&
		    !kernel->state.has[NETWORK_VLAN]);
	assert_string_equal(bridge->alias, NETWORK_ALIAS);
	assert_string_equal(vxlan->alias, NETWORK_ALIAS);
	assert_memory_equal(bridge->mac, mac, sizeof(mac));
	assert_true(bridge->up && vxlan->up && !bridge->stp && bridge->forward_delay == 0);
	assert_true(!bridge->accept_ra && !bridge->ipv6_off && bridge->address_mode == IN6_ADDR_GEN_MODE_EUI64);
	assert_int_equal(vxlan->address_mode, IN6_ADDR_GEN_MODE_NONE);
	assert_int_equal(vxlan->master, bridge->index);
	assert_int_equal(bridge->mtu, mtu);
	assert_int_equal(vxlan->mtu, mtu);
	assert_int_equal(vxlan->vxlan.id, VNI);
	assert_int_equal(vxlan->vxlan.port, 4789);
	assert_int_equal(vxlan->vxlan.link, CLUSTER);
}

static void a_managed_network_has_the_cluster_devices_mtu_less_fifty(void **state) {
	struct underlay underlay = underlay_make();
	struct kernel kernel = kernel_new();

	(void)state;
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	assert_managed(&kernel, 8950);
	assert_int_equal(kernel.state.floods.count, 2);
	assert_true(kernel.state.links[NETWORK_VXLAN].vxlan.learning);
}

/* D72: not the cluster's MTU; D73: no IPv6 of the host. */
static void a_bridged_network_has_the_mtu_of_its_device_and_no_ipv6(void **state) {
	struct underlay underlay = underlay_make();
	struct kernel kernel = kernel_new();
	const struct net_link *bridge = &kernel.state.links[NETWORK_BRIDGE];
	const struct net_link *vlan = &kernel.state.links[NETWORK_VLAN];

	(void)state;
	assert_int_equal(converge(&kernel, NETWORK_BRIDGED, &underlay), 0);
	assert_true(kernel.state.has[NETWORK_BRIDGE] && kernel.state.has[NETWORK_VLAN] &&
		    !kernel.state.has[NETWORK_VXLAN]);
	assert_true(bridge->mtu == 4000 && vlan->mtu == 4000 && bridge->up && vlan->up);
	assert_true(vlan->vlan == VNI && vlan->parent == DEVICE && vlan->master == bridge->index);
	assert_true(bridge->ipv6_off && !bridge->accept_ra && bridge->address_mode == IN6_ADDR_GEN_MODE_NONE);
	assert_int_equal(vlan->address_mode, IN6_ADDR_GEN_MODE_NONE);
}

/* The bridge is not up before IPv6 is settled: no address of the host for a moment. */
static void a_bridge_is_not_up_before_its_ipv6_is_settled(void **state) {
	static const enum network_type types[] = {NETWORK_MANAGED, NETWORK_BRIDGED};
	struct underlay underlay = underlay_make();

	(void)state;
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		struct kernel kernel = kernel_new();

		for (int round = 0; round < 4; round++) {
			_cleanup_network_plan_ struct network_plan plan = {0};
			const struct net_link *bridge = &kernel.state.links[NETWORK_BRIDGE];

			kernel.state.floods.items = kernel.floods;
			assert_int_equal(network_plan_make(VNI, types[t], &kernel.state, &underlay, &plan), 0);
			for (size_t i = 0; i < plan.count; i++) {
				do_step(&kernel, &plan.steps[i]);
				assert_true(!bridge->up || !bridge->accept_ra);
				assert_true(!bridge->up || types[t] == NETWORK_MANAGED || bridge->ipv6_off);
			}
		}
	}
}

/* A link in one of the states that it may be found in. */
enum found { ABSENT, RIGHT, DOWN, OTHER_MTU, OTHER_MASTER, OTHER_KIND, OTHER_PARAMETERS, UNMARKED, FOUND_COUNT };

static void put(struct kernel *kernel, enum network_role role, enum found found, const struct kernel *right) {
	struct net_link *link = &kernel->state.links[role];

	kernel->state.has[role] = found != ABSENT;
	if (right->state.has[role]) {
		*link = right->state.links[role];
	} else { /* of the other kind of network */
		*link = (struct net_link){.index = 60 + (int)role, .mtu = 1500, .up = true};
		network_link_name(role, VNI, link->name);
		snprintf(link->kind, sizeof(link->kind), "%s", role == NETWORK_VXLAN ? "vxlan" : "vlan");
		snprintf(link->alias, sizeof(link->alias), NETWORK_ALIAS);
	}
	if (found == DOWN)
		link->up = false;
	if (found == OTHER_MTU)
		link->mtu = 1280;
	if (found == OTHER_MASTER)
		link->master = 33;
	if (found == OTHER_KIND)
		snprintf(link->kind, sizeof(link->kind), "veth");
	if (found == OTHER_PARAMETERS) {
		link->vxlan.id = 1;
		link->parent = 9;
		link->stp = true;
		link->forward_delay = 1500;
		link->accept_ra = true;
		link->mac[5]++;
	}
	if (found == UNMARKED)
		link->alias[0] = '\0';
	if (found == UNMARKED || found == OTHER_KIND)
		link->index = FOREIGN + (int)role;
}

static void from_every_state_it_comes_to_the_end_and_touches_nothing_of_others(void **state) {
	static const enum network_type types[] = {NETWORK_MANAGED, NETWORK_BRIDGED, NETWORK_GONE, NETWORK_INCOMPLETE,
						  NETWORK_UNKNOWN};
	struct underlay underlay = underlay_make();

	(void)state;
	for (size_t t = 0; t < ARRAY_SIZE(types); t++)
		for (int all = 0; all < FOUND_COUNT * FOUND_COUNT * FOUND_COUNT * 2; all++) {
			struct kernel right = kernel_new(), kernel;
			bool evpn = all & 1;
			int found[NETWORK_ROLES] = {all / 2 % FOUND_COUNT, all / 2 / FOUND_COUNT % FOUND_COUNT,
						    all / 2 / FOUND_COUNT / FOUND_COUNT};
			bool foreign[NETWORK_ROLES];
			size_t errors;

			underlay.evpn = false;
			(void)converge(&right, types[t] == NETWORK_BRIDGED ? NETWORK_BRIDGED : NETWORK_MANAGED,
				       &underlay);
			kernel = right;
			underlay.evpn = evpn;
			for (int role = 0; role < NETWORK_ROLES; role++) {
				put(&kernel, (enum network_role)role, (enum found)found[role], &right);
				foreign[role] = kernel.state.has[role] && kernel.state.links[role].index >= FOREIGN;
			}
			errors = converge(&kernel, types[t], &underlay);
			assert_int_equal(kernel.foreign_touched, 0);
			for (int role = 0; role < NETWORK_ROLES; role++)
				if (foreign[role])
					assert_true(kernel.state.has[role]);
			if (types[t] == NETWORK_MANAGED && !foreign[NETWORK_BRIDGE] && !foreign[NETWORK_VXLAN] &&
			    !foreign[NETWORK_VLAN]) {
				assert_int_equal(errors, 0);
				assert_managed(&kernel, 8950);
				assert_true(kernel.state.links[NETWORK_VXLAN].vxlan.learning == !evpn);
			}
			if (types[t] == NETWORK_GONE)
				for (int role = 0; role < NETWORK_ROLES; role++)
					assert_true(kernel.state.has[role] == foreign[role]);
			if (types[t] == NETWORK_INCOMPLETE || types[t] == NETWORK_UNKNOWN)
				assert_int_equal(errors, 1);
		}
}

static void a_guest_keeps_the_bridge_of_a_deleted_network_but_not_its_port(void **state) {
	struct underlay underlay = underlay_make();
	struct kernel kernel = kernel_new();
	_cleanup_network_plan_ struct network_plan plan = {0};

	(void)state;
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	kernel.state.guests = 1;
	assert_int_equal(converge(&kernel, NETWORK_GONE, &underlay), 0);
	assert_true(kernel.state.has[NETWORK_BRIDGE] && !kernel.state.has[NETWORK_VXLAN]);
	assert_int_equal(network_plan_make(VNI, NETWORK_GONE, &kernel.state, &underlay, &plan), 0);
	assert_true(plan.waits && plan.count == 0);
	kernel.state.guests = 0;
	assert_int_equal(converge(&kernel, NETWORK_GONE, &underlay), 0);
	assert_false(kernel.state.has[NETWORK_BRIDGE]);
}

static void floods_follow_the_peers_and_nothing_is_taken_out_while_some_are_not_known(void **state) {
	struct underlay underlay = underlay_make();
	struct kernel kernel = kernel_new();

	(void)state;
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	underlay.peer_count = 1;
	underlay.peers_complete = false;
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	assert_int_equal(kernel.state.floods.count, 2);
	underlay.peers_complete = true;
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	assert_int_equal(kernel.state.floods.count, 1);
	assert_true(ip_prefix_equal(&kernel.floods[0].to, &peers[0]));
	/* not of this family: not for this VXLAN */
	peers[0] = ip("2001:db8::2");
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	assert_int_equal(kernel.state.floods.count, 0);
}

static void with_evpn_the_forwarding_entries_are_left_to_it(void **state) {
	struct underlay underlay = underlay_make();
	struct kernel kernel = kernel_new();

	(void)state;
	underlay.evpn = true;
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	assert_int_equal(kernel.state.floods.count, 0);
	assert_false(kernel.state.links[NETWORK_VXLAN].vxlan.learning);
	kernel.state.floods.items[kernel.state.floods.count++] =
	    (struct net_flood){.to = ip("10.9.0.9"), .foreign = true};
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	assert_int_equal(kernel.state.floods.count, 1);
	/* the other way: made anew, so nothing of it is left */
	underlay.evpn = false;
	assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), 0);
	assert_int_equal(kernel.state.floods.count, 2);
	assert_true(kernel.state.links[NETWORK_VXLAN].vxlan.learning);
}

static void mtus_that_do_not_fit_are_cut_and_impossible_ones_refused(void **state) {
	static const struct {
		unsigned configured, actual;
		const char *local;
		unsigned expected;
	} table[] = {
	    {1500, 1500, "10.9.0.1", 1450},    {9000, 1500, "10.9.0.1", 1450},    {1500, 9000, "10.9.0.1", 1450},
	    {1500, 1500, "2001:db8::1", 1430}, {118, 1500, "10.9.0.1", 68},       {117, 1500, "10.9.0.1", 0},
	    {1500, 100, "10.9.0.1", 0},        {65535, 65535, "10.9.0.1", 65485},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct underlay underlay = underlay_make();
		struct kernel kernel = kernel_new();

		underlay.cluster_mtu = table[i].configured;
		underlay.cluster.mtu = table[i].actual;
		underlay.local = ip(table[i].local);
		assert_int_equal(underlay_vxlan_mtu(&underlay), table[i].expected);
		assert_int_equal(converge(&kernel, NETWORK_MANAGED, &underlay), table[i].expected ? 0 : 1);
		assert_true(kernel.state.has[NETWORK_VXLAN] == (table[i].expected > 0));
	}
}

static void without_what_is_below_nothing_is_made_and_it_is_said(void **state) {
	struct underlay underlay = underlay_make();
	_cleanup_network_plan_ struct network_plan managed = {0}, bridged = {0}, high = {0};
	struct kernel kernel = kernel_new();

	(void)state;
	underlay.cluster.index = underlay.device.index = 0;
	assert_int_equal(network_plan_make(VNI, NETWORK_MANAGED, &kernel.state, &underlay, &managed), 0);
	assert_true(managed.count == 0 && managed.errors.count == 1);
	assert_string_equal(managed.errors.items[0], "there is no link brcluster for its VXLAN: run pvc-netsetup");
	assert_int_equal(network_plan_make(VNI, NETWORK_BRIDGED, &kernel.state, &underlay, &bridged), 0);
	assert_true(bridged.count == 0 && bridged.errors.count == 1);
	assert_non_null(strstr(bridged.errors.items[0], "'eth3' (system.configuration.networking.bridge_device)"));
	underlay.device.index = DEVICE;
	assert_int_equal(network_plan_make(4095, NETWORK_BRIDGED, &kernel.state, &underlay, &high), 0);
	assert_true(high.count == 0 && high.errors.count == 1);
}

static void every_spelling_of_a_vni_but_the_plain_one_is_refused(void **state) {
	static const char *const bad[] = {"",   "0",  "00", "01", "16777216", "4294967296", "-1",
					  "+1", " 1", "1 ", "1x", "x",        "0x1",        "99999999999999999999999"};
	uint32_t vni;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(network_parse_vni(bad[i], &vni) < 0);
	assert_int_equal(network_parse_vni("1", &vni), 0);
	assert_int_equal(vni, 1);
	assert_int_equal(network_parse_vni("16777215", &vni), 0);
	assert_int_equal(vni, 16777215);
}

static void names_of_ours_are_told_from_others(void **state) {
	static const char *const others[] = {"vmbr",          "vmbr0",   "vmbr007", "vmbrx",
					     "vxlan16777216", "vlan1.5", "eth0",    "brcluster",
					     "vmbr1x",        "xvmbr1",  "",        "vxlan-1"};
	enum network_role role;
	uint32_t vni;
	char name[IFNAMSIZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(network_parse_name(others[i], &role, &vni));
	for (int r = 0; r < NETWORK_ROLES; r++) {
		network_link_name((enum network_role)r, 16777215, name);
		assert_true(strlen(name) < IFNAMSIZ - 1);
		assert_true(network_parse_name(name, &role, &vni));
		assert_true((int)role == r && vni == 16777215);
	}
}

static void words_of_nettype(void **state) {
	(void)state;
	assert_int_equal(network_type_parse(NULL), NETWORK_INCOMPLETE);
	assert_int_equal(network_type_parse("managed"), NETWORK_MANAGED);
	assert_int_equal(network_type_parse("bridged"), NETWORK_BRIDGED);
	assert_int_equal(network_type_parse("Managed"), NETWORK_UNKNOWN);
	assert_int_equal(network_type_parse("managed "), NETWORK_UNKNOWN);
	assert_int_equal(network_type_parse("None"), NETWORK_UNKNOWN);
	assert_int_equal(network_type_parse(""), NETWORK_UNKNOWN);
}

static void macs_differ_between_nodes_and_networks_and_stay_the_same(void **state) {
	uint8_t a[NET_MAC_LENGTH], b[NET_MAC_LENGTH];

	(void)state;
	network_mac("pvchv1", 1, a);
	network_mac("pvchv1", 1, b);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(a[0], 2); /* of one station, administered locally */
	network_mac("pvchv1", 2, b);
	assert_memory_not_equal(a, b, sizeof(a));
	network_mac("pvchv2", 1, b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void frrs_configuration_is_read_as_frr_does(void **state) {
	static const struct {
		const char *text;
		bool expected;
	} configs[] = {
	    {"", false},
	    {"router bgp 1\n address-family l2vpn evpn\n  advertise-all-vni\n exit-address-family\n", true},
	    {"router bgp 1\r\n\taddress-family  l2vpn   evpn \r\n\tadvertise-all-vni\r\n", true},
	    {"router bgp 1\n address-family l2vpn evpn\n  ! advertise-all-vni\n", false},
	    {"router bgp 1\n address-family l2vpn evpn\n  no advertise-all-vni\n", false},
	    {"router bgp 1\n address-family ipv4 unicast\n  advertise-all-vni\n", false},
	    {" address-family l2vpn evpn\n exit-address-family\n  advertise-all-vni\n", false},
	    {" address-family l2vpn evpn\nrouter bgp 2\n  advertise-all-vni\n", false},
	    {"advertise-all-vni\n", false},
	};
	static const struct {
		const char *text;
		bool expected;
	} daemons[] = {{"", false},
		       {"bgpd=yes\n", true},
		       {"zebra=yes\nbgpd=no\n", false},
		       {"#bgpd=yes\n", false},
		       {"bgpd=yes\nbgpd=no\n", false},
		       {"  bgpd=yes  # on\n", true},
		       {"bgpd_options=\"-A 127.0.0.1\"\n", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++)
		assert_true(evpn_advertises(configs[i].text) == configs[i].expected);
	for (size_t i = 0; i < ARRAY_SIZE(daemons); i++)
		assert_true(evpn_daemon_enabled(daemons[i].text) == daemons[i].expected);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_managed_network_has_the_cluster_devices_mtu_less_fifty),
	    cmocka_unit_test(a_bridged_network_has_the_mtu_of_its_device_and_no_ipv6),
	    cmocka_unit_test(a_bridge_is_not_up_before_its_ipv6_is_settled),
	    cmocka_unit_test(from_every_state_it_comes_to_the_end_and_touches_nothing_of_others),
	    cmocka_unit_test(a_guest_keeps_the_bridge_of_a_deleted_network_but_not_its_port),
	    cmocka_unit_test(floods_follow_the_peers_and_nothing_is_taken_out_while_some_are_not_known),
	    cmocka_unit_test(with_evpn_the_forwarding_entries_are_left_to_it),
	    cmocka_unit_test(mtus_that_do_not_fit_are_cut_and_impossible_ones_refused),
	    cmocka_unit_test(without_what_is_below_nothing_is_made_and_it_is_said),
	    cmocka_unit_test(every_spelling_of_a_vni_but_the_plain_one_is_refused),
	    cmocka_unit_test(names_of_ours_are_told_from_others),
	    cmocka_unit_test(words_of_nettype),
	    cmocka_unit_test(macs_differ_between_nodes_and_networks_and_stay_the_same),
	    cmocka_unit_test(frrs_configuration_is_read_as_frr_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
