/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wanted.h"

#include "dhcp/dhcp.h"

#define LEASE_TIME4 "48h"
#define LEASE_TIME6 "24h"

const char *const network_key_names[KEY_COUNT] = {
    [KEY_NETTYPE] = "nettype",         [KEY_IP4_NETWORK] = "ip4_network", [KEY_IP4_GATEWAY] = "ip4_gateway",
    [KEY_IP6_NETWORK] = "ip6_network", [KEY_IP6_GATEWAY] = "ip6_gateway", [KEY_DOMAIN] = "domain",
    [KEY_DHCP4_FLAG] = "dhcp4_flag",   [KEY_DHCP4_START] = "dhcp4_start", [KEY_DHCP4_END] = "dhcp4_end",
    [KEY_DHCP6_FLAG] = "dhcp6_flag",
};

void wanted_free(struct wanted *wanted) {
	free(wanted->domain);
	strlist_free(&wanted->problems);
	*wanted = (struct wanted){0};
}

/* "KEY holds 'TEXT', which WHY" */
static int problem(struct wanted *wanted, enum network_key key, const char *text, const char *why) {
	_cleanup_free_ char *shown = str_printable(text ? text : "", 60);

	return strlist_addf(&wanted->problems, "%s holds '%s', which %s", network_key_names[key], shown ? shown : "?",
			    why);
}

/* A host's address inside its network: not the network's own, nor the broadcast address. */
static bool is_host_of(const struct ip_prefix *network, const struct ip_prefix *ip) {
	uint8_t host = 0, ones = 0xff;
	unsigned bytes = network->family == AF_INET ? 4 : 16;

	if (!ip_prefix_contains(network, ip))
		return false;
	if (network->prefix + (network->family == AF_INET) >= bytes * 8) /* /31, /32, /128 have no others */
		return true;
	for (unsigned i = network->prefix / 8; i < bytes; i++) {
		uint8_t mask = i * 8 >= network->prefix ? 0xff : (uint8_t)(0xff >> (network->prefix - i * 8));

		host |= ip->bytes[i] & mask;
		ones &= ip->bytes[i] | (uint8_t)~mask;
	}
	return host != 0 && (network->family == AF_INET6 || ones != 0xff);
}

static int take_gateway(struct wanted *wanted, const char *const keys[KEY_COUNT], enum network_key network_key,
			enum network_key gateway_key, int family, struct ip_prefix *ret_network,
			struct ip_prefix *ret_gateway) {
	struct ip_prefix network, gateway;

	if (str_is_absent(keys[network_key]))
		return str_is_absent(keys[gateway_key])
			   ? 0
			   : problem(wanted, gateway_key, keys[gateway_key], "has no network");
	if (ip_prefix_parse(keys[network_key], false, &network) < 0 || network.family != family || network.prefix == 0)
		return problem(wanted, network_key, keys[network_key], "is no network of its kind");
	*ret_network = network;
	if (str_is_absent(keys[gateway_key])) /* guests among themselves, without a router */
		return 0;
	if (strchr(keys[gateway_key], '/') || ip_prefix_parse(keys[gateway_key], true, &gateway) < 0 ||
	    gateway.family != family)
		return problem(wanted, gateway_key, keys[gateway_key], "is no address of its kind");
	if (!is_host_of(&network, &gateway))
		return problem(wanted, gateway_key, keys[gateway_key], "is no host's address inside the network");
	gateway.prefix = network.prefix;
	*ret_gateway = gateway;
	return 0;
}

static int take_host(struct wanted *wanted, const char *text, enum network_key key, struct ip_prefix *ret) {
	struct ip_prefix ip;

	if (!text || strchr(text, '/') || ip_prefix_parse(text, true, &ip) < 0 || !is_host_of(&wanted->network4, &ip))
		return problem(wanted, key, text, "is no host's address inside the network: no DHCP");
	*ret = ip;
	return 1;
}

static int take_range(struct wanted *wanted, const char *const keys[KEY_COUNT]) {
	struct ip_prefix start = {0}, end = {0};
	int r;

	if (!str_equal(keys[KEY_DHCP4_FLAG], "True") || !wanted->gateway4.family)
		return 0;
	if (wanted->network4.prefix > 30)
		return problem(wanted, KEY_IP4_NETWORK, keys[KEY_IP4_NETWORK], "has no room for guests: no DHCP");
	if (str_is_absent(keys[KEY_DHCP4_START]) && str_is_absent(keys[KEY_DHCP4_END])) {
		wanted->dhcp4 = true;
		return 0;
	}
	r = take_host(wanted, keys[KEY_DHCP4_START], KEY_DHCP4_START, &start);
	if (r > 0)
		r = take_host(wanted, keys[KEY_DHCP4_END], KEY_DHCP4_END, &end);
	if (r <= 0)
		return r;
	if (ntohl(start.v4.s_addr) > ntohl(end.v4.s_addr))
		return problem(wanted, KEY_DHCP4_END, keys[KEY_DHCP4_END], "is before dhcp4_start: no DHCP");
	wanted->start4 = start;
	wanted->end4 = end;
	wanted->dhcp4 = true;
	return 0;
}

static int take_ipv6(struct wanted *wanted, const char *const keys[KEY_COUNT]) {
	if (!str_equal(keys[KEY_DHCP6_FLAG], "True") || !wanted->gateway6.family)
		return 0;
	if (wanted->gateway6.prefix < 64 || wanted->gateway6.prefix > 120)
		return problem(wanted, KEY_IP6_NETWORK, keys[KEY_IP6_NETWORK],
			       "is not between /64 and /120: no router advertisements and no DHCPv6");
	wanted->ipv6 = wanted->dhcp4 && wanted->gateway6.prefix == 64 ? IPV6_STATELESS : IPV6_STATEFUL;
	return 0;
}

static int take_domain(struct wanted *wanted, const char *text) {
	if (str_is_absent(text))
		return 0;
	if (!dhcp_is_hostname(text))
		return problem(wanted, KEY_DOMAIN, text, "is no domain: guests get none");
	wanted->domain = strdup(text);
	return wanted->domain ? 0 : -ENOMEM;
}

int wanted_compute(const char *const keys[KEY_COUNT], struct wanted *ret) {
	struct wanted wanted = {.managed = str_equal(keys[KEY_NETTYPE], "managed")};
	struct ip_prefix network6 = {0};
	int r = 0;

	if (wanted.managed) {
		r = take_gateway(&wanted, keys, KEY_IP4_NETWORK, KEY_IP4_GATEWAY, AF_INET, &wanted.network4,
				 &wanted.gateway4);
		if (r >= 0)
			r = take_gateway(&wanted, keys, KEY_IP6_NETWORK, KEY_IP6_GATEWAY, AF_INET6, &network6,
					 &wanted.gateway6);
		if (r >= 0)
			r = take_range(&wanted, keys);
		if (r >= 0)
			r = take_ipv6(&wanted, keys);
		if (r >= 0)
			r = take_domain(&wanted, keys[KEY_DOMAIN]);
	}
	if (r < 0) {
		wanted_free(&wanted);
		return r;
	}
	*ret = wanted;
	return 0;
}

static bool overlap(const struct ip_prefix *a, const struct ip_prefix *b) {
	return a->family && a->family == b->family && (ip_prefix_contains(a, b) || ip_prefix_contains(b, a));
}

int wanted_yield(struct wanted *wanted, const struct ip_prefix *other, const char *name) {
	struct ip_prefix *gateway = other->family == AF_INET ? &wanted->gateway4 : &wanted->gateway6;

	if (!overlap(gateway, other))
		return 0;
	*gateway = (struct ip_prefix){0};
	if (other->family == AF_INET)
		wanted->dhcp4 = false;
	else
		wanted->ipv6 = IPV6_NONE;
	return strlist_addf(&wanted->problems, "its IPv%c network overlaps with %s: no gateway there",
			    other->family == AF_INET ? '4' : '6', name);
}

/* ---- dnsmasq's command line ------------------------------------------------------------------------------------- */

static int add_base(const struct wanted *wanted, const struct place *place, struct strlist *ret) {
	static const char *const always[] = {
	    "--conf-file=/dev/null", /* not the host's own configuration */
	    "--keep-in-foreground",
	    "--pid-file=",      /* none */
	    "--log-facility=-", /* standard error: ours, the journal */
	    "--no-hosts",
	    "--no-resolv",
	    "--domain-needed",
	    "--bogus-priv",
	    "--except-interface=lo",
	    "--bind-dynamic", /* its sockets on that bridge alone, also for addresses that come later */
	    "--leasefile-ro",
	    "--dhcp-authoritative",
	    "--no-ping",              /* it would wait three seconds for each new guest; the range is ours alone */
	    "--dhcp-lease-max=65536", /* its own limit of 1000 is less than a /22 */
	    "--script-on-renewal",    /* renewals reach the store (D71) */
	    /* a guest that calls itself so would be every browser's proxy (VU#598349) */
	    "--dhcp-name-match=set:wpad-ignore,wpad",
	    "--dhcp-ignore-names=tag:wpad-ignore",
	};
	int r = strlist_add(ret, "dnsmasq");

	if (r >= 0)
		r = strlist_addf(ret, "--dhcp-hostsfile=%s/hosts", place->directory);
	if (r >= 0) /* does nothing but tell the link in the words: another link, another dnsmasq */
		r = strlist_addf(ret, "--tag-if=set:link%d", place->index);
	for (size_t i = 0; i < ARRAY_SIZE(always) && r >= 0; i++)
		r = strlist_add(ret, always[i]);
	if (r >= 0)
		r = strlist_addf(ret, "--interface=%s", place->bridge);
	if (r >= 0)
		r = strlist_addf(ret, "--user=%s", place->user);
	if (r >= 0)
		r = strlist_addf(ret, "--servers-file=%s", place->servers);
	if (r >= 0)
		r = strlist_addf(ret, "--dhcp-script=%s", place->script);
	if (r >= 0 && place->debug)
		r = strlist_add(ret, "--log-dhcp");
	if (r >= 0 && wanted->domain)
		r = strlist_addf(ret, "--domain=%s", wanted->domain);
	if (r >= 0 && wanted->domain) /* names of that domain are ours to know: never asked elsewhere */
		r = strlist_addf(ret, "--local=/%s/", wanted->domain);
	return r;
}

static int add_dhcp4(const struct wanted *wanted, const struct place *place, struct strlist *ret) {
	char gateway[IP_PREFIX_TEXT], first[IP_PREFIX_TEXT], last[IP_PREFIX_TEXT], mask[IP_PREFIX_TEXT];
	struct ip_prefix ip = wanted->network4;
	int r;

	ip_prefix_format(&wanted->gateway4, false, gateway);
	ip_prefix_format(wanted->start4.family ? &wanted->start4 : &wanted->network4, false, first);
	ip_prefix_format(&wanted->end4, false, last);
	ip.v4.s_addr = htonl(~0u << (32 - ip.prefix));
	ip_prefix_format(&ip, false, mask);
	r = strlist_addf(ret, "--dhcp-range=%s,%s,%s,%s", first, wanted->start4.family ? last : "static", mask,
			 LEASE_TIME4);
	for (const char *const *option = (const char *const[]){"router", "dns-server", "ntp-server", NULL};
	     *option && r >= 0; option++)
		r = strlist_addf(ret, "--dhcp-option=option:%s,%s", *option, gateway);
	if (r >= 0 && place->mtu < 1500) /* else guests would send what does not fit through the tunnel */
		r = strlist_addf(ret, "--dhcp-option=option:mtu,%u", place->mtu);
	return r;
}

static int add_ipv6(const struct wanted *wanted, struct strlist *ret) {
	char gateway[IP_PREFIX_TEXT], first[IP_PREFIX_TEXT], last[IP_PREFIX_TEXT];
	unsigned host_bits = 128 - wanted->gateway6.prefix;
	bool stateless = wanted->ipv6 == IPV6_STATELESS;
	struct ip_prefix ip;
	int r = ip_prefix_nth(&wanted->gateway6, stateless ? 0 : 2, &ip);

	if (r < 0)
		return r;
	ip_prefix_format(&ip, false, first);
	r = ip_prefix_nth(&wanted->gateway6, host_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << host_bits) - 1, &ip);
	if (r < 0)
		return r;
	ip_prefix_format(&ip, false, last);
	ip_prefix_format(&wanted->gateway6, false, gateway);
	r = strlist_add(ret, "--enable-ra");
	if (r >= 0 && stateless)
		r = strlist_addf(ret, "--dhcp-range=%s,ra-stateless,ra-names", first);
	else if (r >= 0)
		r = strlist_addf(ret, "--dhcp-range=%s,%s,%u,%s", first, last, wanted->gateway6.prefix, LEASE_TIME6);
	if (r >= 0)
		r = strlist_addf(ret, "--dhcp-option=option6:dns-server,[%s]", gateway);
	if (r >= 0)
		r = strlist_addf(ret, "--dhcp-option=option6:sntp-server,[%s]", gateway);
	return r;
}

int wanted_arguments(const struct wanted *wanted, const struct place *place, struct strlist *ret) {
	struct strlist arguments = {0};
	int r = add_base(wanted, place, &arguments);

	if (r >= 0 && wanted->dhcp4)
		r = add_dhcp4(wanted, place, &arguments);
	if (r >= 0 && wanted->ipv6 != IPV6_NONE)
		r = add_ipv6(wanted, &arguments);
	if (r < 0) {
		strlist_free(&arguments);
		return r;
	}
	*ret = arguments;
	return 0;
}

/* ---- name servers ------------------------------------------------------------------------------------------------ */

/* An address, with "%INTERFACE" behind one of IPv6. */
static bool is_server(const char *word) {
	_cleanup_free_ char *address = strdup(word);
	char *scope = address ? strchr(address, '%') : NULL;

	if (!address)
		return false;
	if (!scope)
		return dhcp_is_address(address, AF_INET) || dhcp_is_address(address, AF_INET6);
	*scope = '\0';
	return dhcp_is_address(address, AF_INET6) && dhcp_is_hostname(scope + 1);
}

int wanted_name_servers(const char *text, struct strbuf *ret) {
	_cleanup_strlist_ struct strlist lines = {0};
	int r = strlist_split(&lines, text, "\n");

	for (size_t i = 0; i < lines.count && r >= 0; i++) {
		_cleanup_strlist_ struct strlist words = {0};

		r = strlist_split(&words, lines.items[i], " \t\r");
		if (r >= 0 && words.count >= 2 && str_equal(words.items[0], "nameserver") && is_server(words.items[1]))
			r = strbuf_addf(ret, "server=%s\n", words.items[1]);
	}
	return r;
}
