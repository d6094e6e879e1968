/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What all networks share. pvc-firewall leads packets to networks-input and networks-forward; from there one lookup of
 * the bridge's name, whatever the number of networks, leads them on:
 *
 *   networks-forward   oifname vmap @networks-in       to a network: its chain -in
 *                      iifname vmap @networks-out      from a network: its chain -out
 *   networks-input     iifname vmap @networks-local    from a network to this node: networks-services
 *
 * A packet between two networks is judged by both: first by the network that it goes to.
 */
#include "firewall/network_internal.h"

const char *const network_maps[MAP_COUNT] = {
    [MAP_IN] = "networks-in", [MAP_OUT] = "networks-out", [MAP_LOCAL] = "networks-local"};

/* What guests may ask of the gateway, as in the reference. */
static void services(struct firewall_chain *chain) {
	static const struct {
		int family; /* 0: both */
		uint8_t protocol;
		uint16_t port; /* 0: all of the protocol */
	} accepted[] = {
	    {0, IPPROTO_ICMP, 0},         {0, IPPROTO_ICMPV6, 0}, {0, IPPROTO_TCP, 53}, {0, IPPROTO_UDP, 53}, /* DNS */
	    {0, IPPROTO_UDP, 67},                                                                             /* DHCP */
	    {0, IPPROTO_UDP, 123},                                                                            /* NTP */
	    {AF_INET6, IPPROTO_UDP, 547}, /* DHCPv6 */
	    {0, IPPROTO_TCP, 80},         /* instances' metadata */
	};
	struct firewall_rule *rule;

	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		rule = firewall_rule_add(chain);
		if (accepted[i].family)
			firewall_match_family(rule, accepted[i].family);
		if (accepted[i].port)
			firewall_match_port(rule, accepted[i].protocol, accepted[i].port);
		else
			firewall_match_protocol(rule, accepted[i].protocol);
		firewall_counter(rule);
		firewall_accept(rule);
	}
	rule = firewall_rule_add(chain);
	firewall_counter(rule);
	firewall_drop(rule);
}

int network_base_apply(struct network_firewall *firewall, char **ret_error) {
	_cleanup_firewall_table_ struct firewall_table *table = firewall_table_new(NETWORK_TABLE);
	struct firewall_chain *chain;
	int r = firewall_exists(firewall->firewall, NETWORK_TABLE, ret_error);

	if (r < 0)
		return r;
	if (r == 0)
		return error_set(ret_error, -ENOENT, "there is no table inet %s: run pvc-firewall", NETWORK_TABLE);
	firewall_table_leave(table, ""); /* base chains are pvc-firewall's */
	for (size_t i = 0; i < MAP_COUNT; i++)
		firewall_map_add(table, network_maps[i]);
	services(firewall_chain_add(table, NETWORK_SERVICES));
	chain = firewall_chain_add(table, "networks-forward");
	firewall_oifname_map(firewall_rule_add(chain), network_maps[MAP_IN]);
	firewall_iifname_map(firewall_rule_add(chain), network_maps[MAP_OUT]);
	firewall_iifname_map(firewall_rule_add(firewall_chain_add(table, "networks-input")), network_maps[MAP_LOCAL]);
	return firewall_apply(firewall->firewall, table, NULL, ret_error);
}
