/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What operators say about client networks, checked and brought into the form of the keys (data model, 6). No I/O: the
 * functions return 0 or a negative errno with a sentence in *ret_error that names the option.
 */
#pragma once

#include "base/base.h"

#define NET_VNI_MAX  16777215 /* 24 bits */
#define NET_VLAN_MAX 4094
#define NET_NAME_MAX 128 /* bytes of a network's or a rule's name */
#define NET_MAC_TEXT 18  /* room for "52:54:00:00:00:01" */

/* The twelve keys with one value each, NET_SELF being the network's own key: its name. */
enum net_key {
	NET_SELF,
	NET_TYPE,
	NET_DOMAIN,
	NET_DNS,
	NET_IP6_NETWORK,
	NET_IP6_GATEWAY,
	NET_DHCP6,
	NET_IP4_NETWORK,
	NET_IP4_GATEWAY,
	NET_DHCP4,
	NET_DHCP4_START,
	NET_DHCP4_END,
	NET_KEY_COUNT
};
/* Their values as the keys hold them; NULL for a key that does not exist. */
struct net_values {
	char *text[NET_KEY_COUNT];
};
void net_values_free(struct net_values *values);
#define _cleanup_net_values_ _cleanup_(net_values_free)

/* The command line's options, NULL for those that were not given. The word "none" takes a value away. */
struct net_options {
	const char *name, *type, *domain, *dns, *ipnet, *gateway, *ipnet6, *gateway6, *dhcp_start, *dhcp_end;
	bool dhcp, no_dhcp;
};

/* ---- a whole network (network_values.c) ---- */

/* All values of a new network. */
int net_values_new(const char *vni, const struct net_options *options, uint32_t *ret_vni, struct net_values *ret,
		   char **ret_error);
/* Changes values that were read. What has nothing to do with the options is taken as it is. */
int net_values_change(struct net_values *values, const struct net_options *options, char **ret_error);
/* Can a managed network with these values be beside one with the others? -EEXIST names the other one. */
int net_values_collide(const struct net_values *values, const struct net_values *other, const char *other_vni,
		       char **ret_error);
/* The servers of name_servers in any spelling: "a,b", Python's "['a', 'b']", "None", "". */
int net_dns_read(const char *text, struct strlist *ret);

/* ---- addresses (network_address.c) ---- */

/* Brings the options for IPv4 and IPv6 into the values, and checks what then is there. */
int net_apply_ip4(struct net_values *values, const struct net_options *options, char **ret_error);
int net_apply_ip6(struct net_values *values, const struct net_options *options, char **ret_error);
bool net_overlap(const char *a, const char *b); /* two CIDRs; false when one of them is none */
/* An address for one guest: inside the IPv4 network and nobody else's. ret: its usual form. */
int net_check_reservation(const struct net_values *values, const char *address, char ret[IP_PREFIX_TEXT],
			  char **ret_error);

/* ---- words (network_check.c) ---- */

int net_check_vni(const char *text, bool bridged, uint32_t *ret, char **ret_error);
/* `what` begins the sentence: "the network's name". */
int net_check_name(const char *what, const char *name, char **ret_error);
int net_check_rule_name(const char *name, char **ret_error);
bool net_is_domain(const char *text);   /* labels of letters, digits and '-', joined by '.' */
bool net_is_hostname(const char *text); /* one such label: RFC 1123 */
int net_check_mac(const char *text, char ret[NET_MAC_TEXT], char **ret_error); /* ':' or '-' between; to lower case */
int net_check_rule(const char *text, char **ret_error);
/* A rule's order as the key holds it; UINT64_MAX when that is no number: last. */
uint64_t net_order(const char *text);

/* Sets one value; "-ENOMEM" is told as such. */
int net_put(struct net_values *values, enum net_key key, const char *text);
