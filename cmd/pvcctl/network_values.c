/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "network_check.h"

#include <ctype.h>

/* ---- name servers ---- */

int net_dns_read(const char *text, struct strlist *ret) {
	if (str_is_absent(text))
		return 0;
	return strlist_split(ret, text, "[]'\", \t"); /* none of these is part of a name or an address */
}

static int apply_dns(struct net_values *v, const char *text, char **ret_error) {
	_cleanup_strlist_ struct strlist servers = {0};
	_cleanup_free_ char *joined = NULL;
	struct ip_prefix ip;

	if (str_equal(text, "none"))
		return net_put(v, NET_DNS, "");
	if (strlist_split(&servers, text, ", ") < 0)
		return -ENOMEM;
	if (servers.count == 0)
		return error_set(ret_error, -EINVAL, "--dns-server names no server");
	for (size_t i = 0; i < servers.count; i++) {
		_cleanup_free_ char *shown = str_printable(servers.items[i], 60);
		const char *s = servers.items[i];
		/* digits and dots alone are an address, or a mistaken one */
		bool is_address = !strchr(s, '/') && ip_prefix_parse(s, true, &ip) == 0;

		if (!is_address && (strspn(s, "0123456789.") == strlen(s) || !net_is_domain(s)))
			return error_set(ret_error, -EINVAL, "--dns-server '%s' is no address and no host name",
					 shown ? shown : "");
	}
	joined = strlist_join(&servers, ",");
	return joined ? net_put(v, NET_DNS, joined) : -ENOMEM;
}

/* ---- the whole ---- */

static int apply_domain(struct net_values *v, const char *domain, char **ret_error) {
	_cleanup_free_ char *shown = str_printable(domain, 100);

	if (!net_is_domain(domain) || str_is_absent(domain))
		return error_set(ret_error, -EINVAL,
				 "--domain '%s' is no domain name: letters, digits and '-' in labels of at most 63, "
				 "joined by '.'",
				 shown ? shown : "");
	return net_put(v, NET_DOMAIN, domain);
}

/* Options that only managed networks have; the first that was given, or NULL. */
static const char *managed_option(const struct net_options *o) {
	const struct {
		bool given;
		const char *option;
	} rows[] = {
	    {o->domain, "--domain"},     {o->dns, "--dns-server"},  {o->ipnet, "--ipnet"},
	    {o->gateway, "--gateway"},   {o->ipnet6, "--ipnet6"},   {o->gateway6, "--gateway6"},
	    {o->dhcp, "--dhcp"},         {o->no_dhcp, "--no-dhcp"}, {o->dhcp_start, "--dhcp-start"},
	    {o->dhcp_end, "--dhcp-end"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].given)
			return rows[i].option;
	return NULL;
}

static bool gives_ip4(const struct net_options *o) {
	return o->ipnet || o->gateway || o->dhcp_start || o->dhcp_end || o->dhcp || o->no_dhcp;
}

static int apply_managed(struct net_values *v, const struct net_options *o, char **ret_error) {
	int r = 0;

	if (o->domain)
		r = apply_domain(v, o->domain, ret_error);
	if (r >= 0 && o->dns)
		r = apply_dns(v, o->dns, ret_error);
	if (r >= 0 && gives_ip4(o))
		r = net_apply_ip4(v, o, ret_error);
	if (r >= 0 && (o->ipnet6 || o->gateway6))
		r = net_apply_ip6(v, o, ret_error);
	if (r >= 0 && (o->ipnet || o->ipnet6) && str_is_absent(v->text[NET_IP4_NETWORK]) &&
	    str_is_absent(v->text[NET_IP6_NETWORK]))
		r = error_set(ret_error, -EINVAL, "a managed network needs --ipnet, --ipnet6 or both");
	return r;
}

int net_values_change(struct net_values *v, const struct net_options *o, char **ret_error) {
	const char *option = managed_option(o);
	int r = 0;

	if (o->dhcp && o->no_dhcp)
		return error_set(ret_error, -EINVAL, "--dhcp and --no-dhcp exclude each other");
	if (o->name) {
		r = net_check_name("the network's name", o->name, ret_error);
		if (r >= 0)
			r = net_put(v, NET_SELF, o->name);
	}
	if (r < 0 || !option)
		return r;
	if (!str_equal(v->text[NET_TYPE], "managed"))
		return error_set(ret_error, -EINVAL, "%s: only managed networks have that, this one is %s", option,
				 str_equal(v->text[NET_TYPE], "bridged") ? "bridged" : "of an unknown type");
	return apply_managed(v, o, ret_error);
}

/* What a network has of which nothing was said. */
static int fill(struct net_values *v, bool bridged) {
	static const char *const initial[NET_KEY_COUNT] = {
	    [NET_DOMAIN] = "None",      [NET_DNS] = "",        [NET_IP6_NETWORK] = "None",
	    [NET_IP6_GATEWAY] = "None", [NET_DHCP6] = "False", [NET_IP4_NETWORK] = "None",
	    [NET_IP4_GATEWAY] = "None", [NET_DHCP4] = "False", [NET_DHCP4_START] = "None",
	    [NET_DHCP4_END] = "None",
	};
	int r = net_put(v, NET_TYPE, bridged ? "bridged" : "managed");

	for (int k = 0; r >= 0 && k < NET_KEY_COUNT; k++)
		if (initial[k])
			r = net_put(v, (enum net_key)k, initial[k]);
	return r;
}

static int default_domain(struct net_values *v, char **ret_error) {
	_cleanup_free_ char *domain = str_printf("%s.local", v->text[NET_SELF]);

	if (!domain)
		return -ENOMEM;
	if (!net_is_domain(domain))
		return error_set(ret_error, -EINVAL, "the name makes no domain name ('%s'): give --domain", domain);
	return net_put(v, NET_DOMAIN, domain);
}

static int make(struct net_values *v, const struct net_options *o, bool bridged, char **ret_error) {
	int r = fill(v, bridged);

	if (r >= 0)
		r = net_values_change(v, o, ret_error);
	if (r < 0 || bridged)
		return r;
	if ((o->dhcp_start || o->dhcp_end) && !o->dhcp && !o->no_dhcp)
		return error_set(ret_error, -EINVAL, "%s is given without --dhcp; --no-dhcp keeps the range for later",
				 o->dhcp_start ? "--dhcp-start" : "--dhcp-end");
	if (!o->ipnet && !o->ipnet6)
		return error_set(ret_error, -EINVAL, "a managed network needs --ipnet, --ipnet6 or both");
	return o->domain ? 0 : default_domain(v, ret_error);
}

int net_values_new(const char *vni, const struct net_options *o, uint32_t *ret_vni, struct net_values *ret,
		   char **ret_error) {
	_cleanup_net_values_ struct net_values v = {0};
	bool bridged = str_equal(o->type, "bridged");
	uint32_t number;
	int r;

	if (o->type && !bridged && !str_equal(o->type, "managed"))
		return error_set(ret_error, -EINVAL, "--type is managed or bridged");
	r = net_check_vni(vni, bridged, &number, ret_error);
	if (r >= 0)
		r = make(&v, o, bridged, ret_error);
	if (r < 0)
		return r;
	*ret_vni = number;
	*ret = v;
	v = (struct net_values){0};
	return 0;
}

int net_values_collide(const struct net_values *v, const struct net_values *other, const char *other_vni,
		       char **ret_error) {
	static const struct {
		enum net_key key;
		const char *option;
	} rows[] = {{NET_IP4_NETWORK, "--ipnet"}, {NET_IP6_NETWORK, "--ipnet6"}};
	_cleanup_free_ char *name = str_printable(other->text[NET_SELF] ? other->text[NET_SELF] : "", 60);
	_cleanup_free_ char *vni = str_printable(other_vni, 40);

	if (!name || !vni)
		return -ENOMEM;
	if (str_equal(v->text[NET_SELF], other->text[NET_SELF]))
		return error_set(ret_error, -EEXIST, "the name '%s' is used by network %s", name, vni);
	if (!str_equal(v->text[NET_TYPE], "managed") || !str_equal(other->text[NET_TYPE], "managed"))
		return 0; /* what is bridged has whatever addresses its VLAN has */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (net_overlap(v->text[rows[i].key], other->text[rows[i].key]))
			return error_set(ret_error, -EEXIST, "%s %s overlaps with network %s (%s): %s", rows[i].option,
					 v->text[rows[i].key], vni, name, other->text[rows[i].key]);
	return 0;
}
