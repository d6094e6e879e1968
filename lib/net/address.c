/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses of links. */
#include "net/internal.h"

static void take_address(const struct nlmsghdr *message, struct net_address *address) {
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *table[IFA_MAX + 1];
	struct ip_prefix far = {0};

	net_attributes(message, sizeof(*info), table, IFA_MAX);
	address->index = (int)info->ifa_index;
	address->scope = info->ifa_scope;
	address->flags = net_attribute_u32(table[IFA_FLAGS], info->ifa_flags);
	address->metric = net_attribute_u32(table[IFA_RT_PRIORITY], 0);
	address->valid = address->preferred = NET_FOREVER;
	/* IFA_LOCAL is missing where it would be the same as IFA_ADDRESS (IPv6) */
	(void)net_attribute_ip(table[IFA_ADDRESS], info->ifa_family, &far);
	if (!net_attribute_ip(table[IFA_LOCAL], info->ifa_family, &address->local))
		address->local = far;
	else if (far.family && !ip_prefix_equal(&far, &address->local)) {
		address->peer = far;
		address->peer.prefix = info->ifa_prefixlen;
	}
	address->local.prefix = info->ifa_prefixlen;
	address->broadcast.s_addr = net_attribute_u32(table[IFA_BROADCAST], 0);
	if (table[IFA_CACHEINFO] && mnl_attr_get_payload_len(table[IFA_CACHEINFO]) >= sizeof(struct ifa_cacheinfo)) {
		const struct ifa_cacheinfo *cache = mnl_attr_get_payload(table[IFA_CACHEINFO]);

		address->valid = cache->ifa_valid;
		address->preferred = cache->ifa_prefered;
	}
}

static int add_address(const struct nlmsghdr *message, void *data) {
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct net_addresses *addresses = data;
	struct net_address *address;

	if (message->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(message) < sizeof(*info) ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return 0;
	address = net_list_grow(&addresses->items, &addresses->count, sizeof(*address));
	if (!address)
		return -ENOMEM;
	take_address(message, address);
	return 0;
}

static void forget_addresses(void *addresses) {
	net_addresses_free(addresses);
}

int net_addresses_read(struct net *net, struct net_addresses *ret, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct net_addresses addresses = {0};
	void *extra;
	struct nlmsghdr *request = net_request(buf, RTM_GETADDR, 0, sizeof(struct ifaddrmsg), &extra);
	int r = net_dump(net, request, add_address, forget_addresses, &addresses, ret_error);

	if (r < 0)
		return r;
	*ret = addresses;
	return 0;
}

void net_addresses_free(struct net_addresses *addresses) {
	free(addresses->items);
	*addresses = (struct net_addresses){0};
}

struct net_address net_address_of(const struct ip_prefix *ip) {
	return (struct net_address){
	    .local = *ip, .scope = RT_SCOPE_UNIVERSE, .valid = NET_FOREVER, .preferred = NET_FOREVER};
}

bool net_address_is_link_local(const struct net_address *address) {
	return address->local.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address->local.v6);
}

static struct nlmsghdr *address_request(char *buf, uint16_t type, uint16_t flags, const struct net_address *address) {
	void *extra;
	struct nlmsghdr *request = net_request(buf, type, flags, sizeof(struct ifaddrmsg), &extra);
	struct ifaddrmsg *info = extra;

	info->ifa_family = (uint8_t)address->local.family;
	info->ifa_prefixlen = (uint8_t)address->local.prefix;
	info->ifa_index = (uint32_t)address->index;
	info->ifa_scope = address->scope;
	net_put_ip(request, IFA_LOCAL, &address->local);
	net_put_ip(request, IFA_ADDRESS, address->peer.family ? &address->peer : &address->local);
	return request;
}

static struct nlmsghdr *addition(char *buf, const struct net_address *address) {
	/* the rest of the flags is state that the kernel keeps itself */
	const uint32_t settable = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;
	struct nlmsghdr *request = address_request(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address);

	mnl_attr_put_u32(request, IFA_FLAGS, address->flags & settable);
	if (address->broadcast.s_addr)
		mnl_attr_put_u32(request, IFA_BROADCAST, address->broadcast.s_addr);
	if (address->metric)
		mnl_attr_put_u32(request, IFA_RT_PRIORITY, address->metric);
	if (address->valid != NET_FOREVER || address->preferred != NET_FOREVER) {
		struct ifa_cacheinfo cache = {.ifa_valid = address->valid, .ifa_prefered = address->preferred};

		mnl_attr_put(request, IFA_CACHEINFO, sizeof(cache), &cache);
	}
	return request;
}

int net_address_add(struct net *net, const struct net_address *address, char **ret_error) {
	char buf[NET_REQUEST_MAX];

	return net_acknowledge(net, addition(buf, address), ret_error);
}

int net_address_remove(struct net *net, const struct net_address *address, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	_cleanup_free_ char *error = NULL;
	int r = net_acknowledge(net, address_request(buf, RTM_DELADDR, 0, address), &error);

	if (r < 0 && r != -EADDRNOTAVAIL && r != -ENODEV)
		return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	return 0;
}

void net_batch_address(struct net_batch *batch, const struct net_address *address, bool add) {
	char *room = net_batch_room(batch);

	if (!room)
		return;
	if (add)
		(void)addition(room, address);
	else
		(void)address_request(room, RTM_DELADDR, 0, address);
	net_batch_added(batch);
}
