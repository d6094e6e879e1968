/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a network asks of the primary node: out of its keys, and the command line of its dnsmasq. Pure. */
#pragma once

#include "base/base.h"

enum network_key {
	/* these say which addresses the gateway has, and are read first */
	KEY_NETTYPE,
	KEY_IP4_NETWORK,
	KEY_IP4_GATEWAY,
	KEY_IP6_NETWORK,
	KEY_IP6_GATEWAY,
	KEY_OF_ADDRESSES,
	KEY_DOMAIN = KEY_OF_ADDRESSES,
	KEY_DHCP4_FLAG,
	KEY_DHCP4_START,
	KEY_DHCP4_END,
	KEY_DHCP6_FLAG,
	KEY_COUNT
};
extern const char *const network_key_names[KEY_COUNT];

/* How guests come to their IPv6 addresses, as the reference does it. */
enum ipv6_mode {
	IPV6_NONE,      /* dhcp6_flag is not True: no router advertisement */
	IPV6_STATELESS, /* with DHCPv4: guests make their addresses themselves (SLAAC), DHCPv6 tells the rest */
	IPV6_STATEFUL,  /* without DHCPv4, or a network that is not a /64: DHCPv6 gives the addresses */
};

struct wanted {
	bool managed;
	struct ip_prefix gateway4, gateway6; /* with the length of their networks; family 0: none */
	struct ip_prefix network4;           /* as written */
	bool dhcp4;
	struct ip_prefix start4, end4; /* family 0: only reservations get addresses */
	enum ipv6_mode ipv6;
	char *domain;            /* or NULL */
	struct strlist problems; /* what of the keys cannot be done, one sentence each */
};
void wanted_free(struct wanted *wanted);
/* keys: their texts, NULL for one that is missing. -ENOMEM. */
int wanted_compute(const char *const keys[KEY_COUNT], struct wanted *ret);
/* Takes the gateways away whose networks overlap with `other` (named `name` in the problem). */
int wanted_yield(struct wanted *wanted, const struct ip_prefix *other, const char *name);
static inline bool wanted_server(const struct wanted *wanted) {
	return wanted->managed && (wanted->gateway4.family || wanted->gateway6.family);
}

/* Where a dnsmasq lives on this node. */
struct place {
	const char *bridge;    /* vmbrVNI */
	int index;             /* of the bridge: its sockets are bound to that very link */
	unsigned mtu;          /* of the network, bytes; not the bridge's, which its ports can change */
	const char *directory; /* DYNAMIC/dnsmasq/VNI */
	const char *script;    /* path of pvc-dhcp-lease */
	const char *servers;   /* file with the host's name servers */
	const char *user;      /* what dnsmasq runs as */
	bool debug;
};
/* The argument vector. Its second word, the hosts file in `directory`, is what a dnsmasq of ours is known by. */
int wanted_arguments(const struct wanted *wanted, const struct place *place, struct strlist *ret);
/* The lines of dnsmasq's servers file for the text of a resolv.conf. */
int wanted_name_servers(const char *resolv_conf, struct strbuf *ret);
