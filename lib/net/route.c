/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Routes of both families. */
#include "net/internal.h"

/* Gateway of the route's own family (RTA_GATEWAY) or of another one (RTA_VIA). */
static void take_gateway(const struct nlattr *const *table, struct net_route *route) {
	const struct rtvia *via;

	if (net_attribute_ip(table[RTA_GATEWAY], route->family, &route->gateway) || !table[RTA_VIA])
		return;
	via = mnl_attr_get_payload(table[RTA_VIA]);
	if (mnl_attr_get_payload_len(table[RTA_VIA]) < sizeof(*via) + 16 || via->rtvia_family != AF_INET6) {
		route->complex = true;
		return;
	}
	route->gateway = (struct ip_prefix){.family = AF_INET6, .prefix = 128};
	memcpy(route->gateway.bytes, via->rtvia_addr, 16);
}

static void take_hops(const struct nlattr *multipath, struct net_route *route) {
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);

	route->complex = true;
	for (; RTNH_OK(hop, left); left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		if (route->hop_count < NET_HOPS_MAX)
			route->hops[route->hop_count] = hop->rtnh_ifindex;
		route->hop_count++;
	}
}

static int take_metrics(const struct nlattr *metrics, struct net_route *route) {
	if (!metrics || mnl_attr_get_payload_len(metrics) == 0)
		return 0;
	route->metrics_length = mnl_attr_get_payload_len(metrics);
	route->metrics = malloc(route->metrics_length);
	if (!route->metrics)
		return -ENOMEM;
	memcpy(route->metrics, mnl_attr_get_payload(metrics), route->metrics_length);
	return 0;
}

static int take_route(const struct nlmsghdr *message, struct net_route *route) {
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *table[RTA_MAX + 1];

	net_attributes(message, sizeof(*info), table, RTA_MAX);
	route->family = info->rtm_family;
	route->table = net_attribute_u32(table[RTA_TABLE], info->rtm_table);
	if (!net_attribute_ip(table[RTA_DST], route->family, &route->destination))
		route->destination.family = route->family;
	route->destination.prefix = info->rtm_dst_len;
	(void)net_attribute_ip(table[RTA_PREFSRC], route->family, &route->source);
	route->index = (int)net_attribute_u32(table[RTA_OIF], 0);
	route->metric = net_attribute_u32(table[RTA_PRIORITY], 0);
	route->protocol = info->rtm_protocol;
	route->scope = info->rtm_scope;
	route->type = info->rtm_type;
	route->tos = info->rtm_tos;
	route->flags = info->rtm_flags & RTNH_F_ONLINK;
	if (table[RTA_PREF])
		route->preference = mnl_attr_get_u8(table[RTA_PREF]);
	if (table[RTA_CACHEINFO] && mnl_attr_get_payload_len(table[RTA_CACHEINFO]) >= sizeof(struct rta_cacheinfo)) {
		const struct rta_cacheinfo *cache = mnl_attr_get_payload(table[RTA_CACHEINFO]);

		if (cache->rta_expires > 0) /* in ticks; one second at least, as 0 means for ever */
			route->expires = (uint32_t)cache->rta_expires / (uint32_t)sysconf(_SC_CLK_TCK) + 1;
	}
	take_gateway(table, route);
	if (table[RTA_MULTIPATH])
		take_hops(table[RTA_MULTIPATH], route);
	if (table[RTA_ENCAP] || info->rtm_src_len)
		route->complex = true;
	if (route->complex && route->index && route->hop_count == 0)
		route->hops[route->hop_count++] = route->index;
	return take_metrics(table[RTA_METRICS], route);
}

struct collected {
	struct net_routes routes;
	uint32_t table;
};

static int add_route(const struct nlmsghdr *message, void *data) {
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct collected *collected = data;
	struct net_route route = {0}, *place;
	bool wanted;
	int r;

	if (message->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(message) < sizeof(*info) ||
	    (info->rtm_family != AF_INET && info->rtm_family != AF_INET6) || (info->rtm_flags & RTM_F_CLONED))
		return 0;
	r = take_route(message, &route);
	/* the kernel filters too, but only where it checks requests strictly */
	wanted = collected->table ? route.table == collected->table : route.table != RT_TABLE_LOCAL;
	place =
	    r < 0 || !wanted ? NULL : net_list_grow(&collected->routes.items, &collected->routes.count, sizeof(*place));
	if (!place) {
		free(route.metrics);
		return r < 0 ? r : wanted ? -ENOMEM : 0;
	}
	*place = route;
	return 0;
}

static void forget_routes(void *data) {
	struct collected *collected = data;

	net_routes_free(&collected->routes);
}

/* The number of routes that one family's dump added comes after those of the other: a second dump that has to be read
 * again must not forget the first, so each family is read into a list of its own. */
static int read_family(struct net *net, uint8_t family, uint32_t table, struct net_routes *all, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct collected collected = {.table = table};
	void *extra;
	struct nlmsghdr *request = net_request(buf, RTM_GETROUTE, 0, sizeof(struct rtmsg), &extra);
	struct rtmsg *info = extra;
	int r;

	info->rtm_family = family;
	if (table)
		mnl_attr_put_u32(request, RTA_TABLE, table);
	r = net_dump(net, request, add_route, forget_routes, &collected, ret_error);
	if (r == -ENOENT || r == -EAFNOSUPPORT) /* no such table yet; a kernel without that family */
		return 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < collected.routes.count; i++) {
		struct net_route *route = net_list_grow(&all->items, &all->count, sizeof(*route));

		if (!route) {
			net_routes_free(&collected.routes);
			return -ENOMEM;
		}
		*route = collected.routes.items[i];
		collected.routes.items[i].metrics = NULL; /* the joined list owns it now */
	}
	net_routes_free(&collected.routes);
	return 0;
}

int net_routes_read(struct net *net, uint32_t table, struct net_routes *ret, char **ret_error) {
	_cleanup_net_routes_ struct net_routes routes = {0};
	_cleanup_free_ char *error = NULL;
	int r = read_family(net, AF_INET, table, &routes, &error);

	if (r >= 0)
		r = read_family(net, AF_INET6, table, &routes, &error);
	if (r < 0)
		return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	*ret = routes;
	routes = (struct net_routes){0};
	return 0;
}

void net_routes_free(struct net_routes *routes) {
	for (size_t i = 0; i < routes->count; i++)
		free(routes->items[i].metrics);
	free(routes->items);
	*routes = (struct net_routes){0};
}

bool net_route_is_default(const struct net_route *route) {
	return route->destination.prefix == 0 && route->type == RTN_UNICAST;
}

bool net_route_same_place(const struct net_route *a, const struct net_route *b) {
	return a->family == b->family && a->table == b->table && a->tos == b->tos && a->metric == b->metric &&
	       ip_prefix_equal(&a->destination, &b->destination);
}

/* ---- changes ---- */

static struct nlmsghdr *route_request(char *buf, uint16_t type, uint16_t flags, const struct net_route *route) {
	void *extra;
	struct nlmsghdr *request = net_request(buf, type, flags, sizeof(struct rtmsg), &extra);
	struct rtmsg *info = extra;

	info->rtm_family = (uint8_t)route->family;
	info->rtm_dst_len = (uint8_t)route->destination.prefix;
	info->rtm_tos = route->tos;
	info->rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC;
	info->rtm_protocol = route->protocol;
	info->rtm_scope = route->scope;
	info->rtm_type = route->type;
	info->rtm_flags = route->flags;
	mnl_attr_put_u32(request, RTA_TABLE, route->table);
	mnl_attr_put_u32(request, RTA_PRIORITY, route->metric);
	mnl_attr_put_u32(request, RTA_OIF, (uint32_t)route->index);
	if (route->destination.prefix)
		net_put_ip(request, RTA_DST, &route->destination);
	if (route->source.family)
		net_put_ip(request, RTA_PREFSRC, &route->source);
	if (route->gateway.family == route->family) {
		net_put_ip(request, RTA_GATEWAY, &route->gateway);
	} else if (route->gateway.family) {
		char via[sizeof(struct rtvia) + 16];
		struct rtvia *v = (struct rtvia *)via;

		v->rtvia_family = (uint16_t)route->gateway.family;
		memcpy(v->rtvia_addr, route->gateway.bytes, 16);
		mnl_attr_put(request, RTA_VIA, sizeof(via), via);
	}
	return request;
}

int net_route_add(struct net *net, const struct net_route *route, enum net_route_mode mode, char **ret_error) {
	static const uint16_t flags[] = {
	    [NET_ROUTE_ADD] = NLM_F_CREATE | NLM_F_EXCL,
	    [NET_ROUTE_APPEND] = NLM_F_CREATE | NLM_F_APPEND,
	    [NET_ROUTE_REPLACE] = NLM_F_CREATE | NLM_F_REPLACE,
	};
	char buf[NET_REQUEST_MAX];
	_cleanup_free_ char *error = NULL;
	struct nlmsghdr *request;
	int r;

	if (route->complex || route->metrics_length > NET_REQUEST_MAX / 2)
		return error_set(ret_error, -EOPNOTSUPP, "a route with several hops or an encapsulation");
	request = route_request(buf, RTM_NEWROUTE, flags[mode], route);
	if (route->metrics)
		mnl_attr_put(request, RTA_METRICS | NLA_F_NESTED, route->metrics_length, route->metrics);
	if (route->family == AF_INET6 && route->expires)
		mnl_attr_put_u32(request, RTA_EXPIRES, route->expires);
	if (route->family == AF_INET6 && route->preference)
		mnl_attr_put_u8(request, RTA_PREF, route->preference);
	r = net_acknowledge(net, request, &error);
	if (r < 0 && !(r == -EEXIST && mode == NET_ROUTE_APPEND))
		return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	return 0;
}

int net_route_remove(struct net *net, const struct net_route *route, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	_cleanup_free_ char *error = NULL;
	int r = net_acknowledge(net, route_request(buf, RTM_DELROUTE, 0, route), &error);

	if (r < 0 && r != -ESRCH && r != -ENODEV)
		return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	return 0;
}
