/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IPv4 and IPv6 of a managed network: options into values, and whether those fit together. */
#include "network_check.h"

#define NONE           "None" /* as the reference's client spells it */
#define IP4_LENGTH_MAX 30     /* a gateway and a guest */
#define IP6_LENGTH_MIN 64     /* the widest that guests make their addresses of, and that DHCPv6 serves */
#define IP6_LENGTH_MAX 120

static uint32_t number4(const struct ip_prefix *ip) {
	return ntohl(ip->v4.s_addr);
}

static bool is_host4(const struct ip_prefix *net, const struct ip_prefix *ip) {
	uint32_t host_mask = net->prefix ? (uint32_t)((UINT64_C(1) << (32 - net->prefix)) - 1) : UINT32_MAX;
	uint32_t host = number4(ip) & host_mask;

	return host != 0 && host != host_mask;
}

/* The network that an address with a length is in. */
static struct ip_prefix network_of(const struct ip_prefix *ip) {
	struct ip_prefix net = *ip;

	for (unsigned bit = ip->prefix; bit < (ip->family == AF_INET ? 32u : 128u); bit++)
		net.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return net;
}

/* Addresses that guests cannot have. */
static bool is_special(const struct ip_prefix *net) {
	static const char *const ranges[] = {"0.0.0.0/8",     "127.0.0.0/8", "224.0.0.0/3", "169.254.0.0/16",
					     "::ffff:0:0/96", "fe80::/10",   "ff00::/8",    "::/127"};
	char text[IP_PREFIX_TEXT];

	ip_prefix_format(net, true, text);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (net_overlap(text, ranges[i]))
			return true;
	return false;
}

bool net_overlap(const char *a, const char *b) {
	struct ip_prefix x, y;

	if (ip_prefix_parse(a, false, &x) < 0 || ip_prefix_parse(b, false, &y) < 0)
		return false;
	return ip_prefix_contains(&x, &y) || ip_prefix_contains(&y, &x);
}

/* The argument of --ipnet or --ipnet6, in its usual form. */
static int check_network(const char *option, const char *text, int family, char ret[IP_PREFIX_TEXT], char **ret_error) {
	_cleanup_free_ char *shown = str_printable(text, 60);
	struct ip_prefix given, net;

	if (!shown)
		return -ENOMEM;
	if (ip_prefix_parse(text, false, &given) < 0 || given.family != family)
		return error_set(ret_error, -EINVAL, "%s '%s': a network is an address and a length, as in %s", option,
				 shown, family == AF_INET ? "10.1.0.0/24" : "2001:db8:1::/64");
	net = network_of(&given);
	ip_prefix_format(&net, true, ret);
	if (!ip_prefix_equal(&net, &given))
		return error_set(ret_error, -EINVAL, "%s '%s': that is an address inside the network %s", option, shown,
				 ret);
	if (family == AF_INET && net.prefix > IP4_LENGTH_MAX)
		return error_set(ret_error, -EINVAL, "%s '%s' is too small: the length is at most %d", option, shown,
				 IP4_LENGTH_MAX);
	if (family == AF_INET6 && (net.prefix < IP6_LENGTH_MIN || net.prefix > IP6_LENGTH_MAX))
		return error_set(ret_error, -EINVAL, "%s '%s': the length is from %d to %d", option, shown,
				 IP6_LENGTH_MIN, IP6_LENGTH_MAX);
	if (is_special(&net))
		return error_set(ret_error, -EINVAL, "%s '%s': those addresses are not for guests", option, shown);
	return 0;
}

static int put_network(struct net_values *v, enum net_key key, const char *option, const char *text, int family,
		       char **ret_error) {
	char net[IP_PREFIX_TEXT];
	int r = check_network(option, text, family, net, ret_error);

	return r < 0 ? r : net_put(v, key, net);
}

static int put_address(struct net_values *v, enum net_key key, const char *option, const char *text, int family,
		       char **ret_error) {
	_cleanup_free_ char *shown = str_printable(text ? text : "", 60);
	char address[IP_PREFIX_TEXT];
	struct ip_prefix ip;

	if (!text)
		return 0;
	if (str_equal(text, "none"))
		return net_put(v, key, NONE);
	if (strchr(text, '/') || ip_prefix_parse(text, true, &ip) < 0 || ip.family != family)
		return error_set(ret_error, -EINVAL, "%s '%s' is no IPv%d address", option, shown ? shown : "",
				 family == AF_INET ? 4 : 6);
	ip_prefix_format(&ip, false, address);
	return net_put(v, key, address);
}

/* Reads a value that is an address. 1 when there is one, 0 when not. */
static int read_address(const struct net_values *v, enum net_key key, const char *option, int family,
			struct ip_prefix *ret, char **ret_error) {
	_cleanup_free_ char *shown = NULL;

	if (str_is_absent(v->text[key]))
		return 0;
	if (ip_prefix_parse(v->text[key], true, ret) == 0 && ret->family == family)
		return 1;
	shown = str_printable(v->text[key], 60);
	return error_set(ret_error, -EINVAL, "%s: the network has '%s', which is no IPv%d address or network", option,
			 shown ? shown : "", family == AF_INET ? 4 : 6);
}

/* Inside the network, and no address that has another meaning there. */
static int check_inside(const struct ip_prefix *net, const struct ip_prefix *ip, const char *what, char **ret_error) {
	char address[IP_PREFIX_TEXT], network[IP_PREFIX_TEXT];
	struct ip_prefix base = network_of(net);

	ip_prefix_format(ip, false, address);
	ip_prefix_format(&base, true, network);
	if (!ip_prefix_contains(&base, ip))
		return error_set(ret_error, -EINVAL, "%s: %s is outside of the network %s", what, address, network);
	if (net->family == AF_INET ? !is_host4(&base, ip) : memcmp(base.bytes, ip->bytes, 16) == 0)
		return error_set(ret_error, -EINVAL, "%s: %s is the network %s's own%s address", what, address, network,
				 net->family == AF_INET && number4(ip) != number4(&base) ? " broadcast" : "");
	return 0;
}

/* ---- IPv4 ---- */

struct plan4 {
	struct ip_prefix net, gateway, start, end;
	bool has_net, has_gateway, has_start, has_end;
};

static int read_plan4(const struct net_values *v, struct plan4 *p, char **ret_error) {
	struct {
		enum net_key key;
		const char *option;
		struct ip_prefix *ip;
		bool *has;
	} rows[] = {
	    {NET_IP4_NETWORK, "--ipnet", &p->net, &p->has_net},
	    {NET_IP4_GATEWAY, "--gateway", &p->gateway, &p->has_gateway},
	    {NET_DHCP4_START, "--dhcp-start", &p->start, &p->has_start},
	    {NET_DHCP4_END, "--dhcp-end", &p->end, &p->has_end},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = read_address(v, rows[i].key, rows[i].option, AF_INET, rows[i].ip, ret_error);

		if (r < 0)
			return r;
		*rows[i].has = r > 0;
		if (r == 0 || i == 0)
			continue;
		if (!p->has_net)
			return error_set(ret_error, -EINVAL, "%s needs --ipnet", rows[i].option);
		r = check_inside(&p->net, rows[i].ip, rows[i].option, ret_error);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_plan4(const struct net_values *v, char **ret_error) {
	bool dhcp = str_equal(v->text[NET_DHCP4], "True");
	struct plan4 p = {0};
	int r = read_plan4(v, &p, ret_error);

	if (r < 0)
		return r;
	if (p.has_start != p.has_end)
		return error_set(ret_error, -EINVAL, "--dhcp-start and --dhcp-end belong together: %s is missing",
				 p.has_start ? "--dhcp-end" : "--dhcp-start");
	if (dhcp && !p.has_net)
		return error_set(ret_error, -EINVAL, "--dhcp needs --ipnet");
	if (dhcp && !p.has_start)
		return error_set(ret_error, -EINVAL, "--dhcp needs --dhcp-start and --dhcp-end");
	if (dhcp && !p.has_gateway)
		return error_set(ret_error, -EINVAL, "--dhcp needs --gateway: that address answers the guests");
	if (p.has_start && number4(&p.start) > number4(&p.end))
		return error_set(ret_error, -EINVAL, "--dhcp-start %s is behind --dhcp-end %s",
				 v->text[NET_DHCP4_START], v->text[NET_DHCP4_END]);
	if (p.has_start && p.has_gateway && number4(&p.start) <= number4(&p.gateway) &&
	    number4(&p.gateway) <= number4(&p.end))
		return error_set(ret_error, -EINVAL, "--gateway %s is between --dhcp-start %s and --dhcp-end %s",
				 v->text[NET_IP4_GATEWAY], v->text[NET_DHCP4_START], v->text[NET_DHCP4_END]);
	return 0;
}

static int drop_ip4(struct net_values *v) {
	static const enum net_key keys[] = {NET_IP4_NETWORK, NET_IP4_GATEWAY, NET_DHCP4_START, NET_DHCP4_END};
	int r = net_put(v, NET_DHCP4, "False");

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(keys); i++)
		r = net_put(v, keys[i], NONE);
	return r;
}

int net_apply_ip4(struct net_values *v, const struct net_options *o, char **ret_error) {
	int r = 0;

	if (o->ipnet)
		r = str_equal(o->ipnet, "none")
			? drop_ip4(v)
			: put_network(v, NET_IP4_NETWORK, "--ipnet", o->ipnet, AF_INET, ret_error);
	if (r >= 0)
		r = put_address(v, NET_IP4_GATEWAY, "--gateway", o->gateway, AF_INET, ret_error);
	if (r >= 0)
		r = put_address(v, NET_DHCP4_START, "--dhcp-start", o->dhcp_start, AF_INET, ret_error);
	if (r >= 0)
		r = put_address(v, NET_DHCP4_END, "--dhcp-end", o->dhcp_end, AF_INET, ret_error);
	if (r >= 0 && (o->dhcp || o->no_dhcp))
		r = net_put(v, NET_DHCP4, o->dhcp ? "True" : "False");
	return r < 0 ? r : check_plan4(v, ret_error);
}

int net_check_reservation(const struct net_values *v, const char *address, char ret[IP_PREFIX_TEXT], char **ret_error) {
	_cleanup_free_ char *shown = str_printable(address, 60);
	struct ip_prefix ip, net, gateway;
	int r;

	if (strchr(address, '/') || ip_prefix_parse(address, true, &ip) < 0 || ip.family != AF_INET)
		return error_set(ret_error, -EINVAL, "ADDRESS '%s' is no IPv4 address", shown ? shown : "");
	r = read_address(v, NET_IP4_NETWORK, "ADDRESS", AF_INET, &net, ret_error);
	if (r == 0)
		r = error_set(ret_error, -EINVAL, "the network has no IPv4 addresses ('network modify --ipnet')");
	if (r >= 0)
		r = check_inside(&net, &ip, "ADDRESS", ret_error);
	if (r < 0)
		return r;
	r = read_address(v, NET_IP4_GATEWAY, "ADDRESS", AF_INET, &gateway, ret_error);
	if (r > 0 && number4(&gateway) == number4(&ip))
		r = error_set(ret_error, -EINVAL, "ADDRESS: %s is the network's gateway", v->text[NET_IP4_GATEWAY]);
	if (r < 0)
		return r;
	ip_prefix_format(&ip, false, ret);
	return 0;
}

/* ---- IPv6 ---- */

static int check_plan6(const struct net_values *v, char **ret_error) {
	struct ip_prefix net, gateway;
	int has_net = read_address(v, NET_IP6_NETWORK, "--ipnet6", AF_INET6, &net, ret_error), has_gateway;

	if (has_net < 0)
		return has_net;
	has_gateway = read_address(v, NET_IP6_GATEWAY, "--gateway6", AF_INET6, &gateway, ret_error);
	if (has_gateway < 0)
		return has_gateway;
	if (has_gateway && !has_net)
		return error_set(ret_error, -EINVAL, "--gateway6 needs --ipnet6");
	if (has_net && !has_gateway)
		return error_set(ret_error, -EINVAL,
				 "--gateway6 cannot be none: from that address the network is advertised");
	return has_net ? check_inside(&net, &gateway, "--gateway6", ret_error) : 0;
}

/* The first address, as the reference's client has it. */
static int default_gateway6(struct net_values *v) {
	struct ip_prefix net, first;
	char text[IP_PREFIX_TEXT];
	int r = ip_prefix_parse(v->text[NET_IP6_NETWORK], false, &net);

	if (r >= 0)
		r = ip_prefix_nth(&net, 1, &first);
	if (r < 0)
		return r;
	ip_prefix_format(&first, false, text);
	return net_put(v, NET_IP6_GATEWAY, text);
}

int net_apply_ip6(struct net_values *v, const struct net_options *o, char **ret_error) {
	int r = 0;

	if (o->ipnet6 && str_equal(o->ipnet6, "none")) {
		r = net_put(v, NET_IP6_NETWORK, NONE);
		if (r >= 0)
			r = net_put(v, NET_IP6_GATEWAY, NONE);
		if (r >= 0)
			r = net_put(v, NET_DHCP6, "False");
	} else if (o->ipnet6) {
		r = put_network(v, NET_IP6_NETWORK, "--ipnet6", o->ipnet6, AF_INET6, ret_error);
		if (r >= 0)
			r = net_put(v, NET_DHCP6, "True");
		if (r >= 0 && !o->gateway6)
			r = default_gateway6(v);
	}
	if (r >= 0)
		r = put_address(v, NET_IP6_GATEWAY, "--gateway6", o->gateway6, AF_INET6, ret_error);
	return r < 0 ? r : check_plan6(v, ret_error);
}
