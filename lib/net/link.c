/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Links: reading, bridges, and what is set on them. */
#include "net/internal.h"

#include <linux/ipv6.h>

static void take_vxlan(const struct nlattr *data, struct net_link *link) {
	const struct nlattr *table[IFLA_VXLAN_MAX + 1];
	struct net_vxlan *vxlan = &link->vxlan;

	net_nested_attributes(data, table, IFLA_VXLAN_MAX);
	vxlan->id = net_attribute_u32(table[IFLA_VXLAN_ID], 0);
	vxlan->link = (int)net_attribute_u32(table[IFLA_VXLAN_LINK], 0);
	if (table[IFLA_VXLAN_PORT] && mnl_attr_get_payload_len(table[IFLA_VXLAN_PORT]) == 2)
		vxlan->port = ntohs(mnl_attr_get_u16(table[IFLA_VXLAN_PORT]));
	vxlan->learning = table[IFLA_VXLAN_LEARNING] && mnl_attr_get_u8(table[IFLA_VXLAN_LEARNING]);
	if (!net_attribute_ip(table[IFLA_VXLAN_LOCAL], AF_INET, &vxlan->local))
		(void)net_attribute_ip(table[IFLA_VXLAN_LOCAL6], AF_INET6, &vxlan->local); /* else none */
}

static void take_vlan(const struct nlattr *data, struct net_link *link) {
	const struct nlattr *table[IFLA_VLAN_MAX + 1];

	net_nested_attributes(data, table, IFLA_VLAN_MAX);
	if (table[IFLA_VLAN_ID] && mnl_attr_get_payload_len(table[IFLA_VLAN_ID]) == 2)
		link->vlan = mnl_attr_get_u16(table[IFLA_VLAN_ID]);
}

static void take_kind(const struct nlattr *info, struct net_link *link) {
	const struct nlattr *table[IFLA_INFO_MAX + 1], *bridge[IFLA_BR_MAX + 1];

	net_nested_attributes(info, table, IFLA_INFO_MAX);
	if (table[IFLA_INFO_KIND])
		snprintf(link->kind, sizeof(link->kind), "%.*s", (int)mnl_attr_get_payload_len(table[IFLA_INFO_KIND]),
			 mnl_attr_get_str(table[IFLA_INFO_KIND]));
	if (str_equal(link->kind, "vxlan"))
		take_vxlan(table[IFLA_INFO_DATA], link);
	if (str_equal(link->kind, "vlan"))
		take_vlan(table[IFLA_INFO_DATA], link);
	if (!str_equal(link->kind, "bridge"))
		return;
	net_nested_attributes(table[IFLA_INFO_DATA], bridge, IFLA_BR_MAX);
	link->stp = net_attribute_u32(bridge[IFLA_BR_STP_STATE], 0) != 0;
	link->forward_delay = net_attribute_u32(bridge[IFLA_BR_FORWARD_DELAY], 0);
}

/* One of the numbers of IFLA_INET6_CONF, which are in the order of the kernel's DEVCONF_*. */
static int32_t setting(const struct nlattr *numbers, unsigned which) {
	int32_t value = 0;

	if (numbers && mnl_attr_get_payload_len(numbers) >= (which + 1) * sizeof(value))
		memcpy(&value, (const char *)mnl_attr_get_payload(numbers) + which * sizeof(value), sizeof(value));
	return value;
}

static void take_address_mode(const struct nlattr *families, struct net_link *link) {
	const struct nlattr *table[AF_INET6 + 1], *inet6[IFLA_INET6_MAX + 1];

	link->address_mode = -1;
	net_nested_attributes(families, table, AF_INET6);
	net_nested_attributes(table[AF_INET6], inet6, IFLA_INET6_MAX);
	if (inet6[IFLA_INET6_ADDR_GEN_MODE])
		link->address_mode = mnl_attr_get_u8(inet6[IFLA_INET6_ADDR_GEN_MODE]);
	link->ipv6_off = setting(inet6[IFLA_INET6_CONF], DEVCONF_DISABLE_IPV6) != 0;
	link->accept_ra = setting(inet6[IFLA_INET6_CONF], DEVCONF_ACCEPT_RA) != 0;
}

static void take_link(const struct nlmsghdr *message, struct net_link *link) {
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *table[IFLA_MAX + 1];

	net_attributes(message, sizeof(*info), table, IFLA_MAX);
	link->index = info->ifi_index;
	link->up = info->ifi_flags & IFF_UP;
	link->running = info->ifi_flags & IFF_RUNNING;
	link->loopback = info->ifi_flags & IFF_LOOPBACK;
	if (table[IFLA_IFNAME])
		snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(table[IFLA_IFNAME]));
	link->mtu = net_attribute_u32(table[IFLA_MTU], 0);
	link->min_mtu = net_attribute_u32(table[IFLA_MIN_MTU], 0);
	link->max_mtu = net_attribute_u32(table[IFLA_MAX_MTU], 0);
	link->master = (int)net_attribute_u32(table[IFLA_MASTER], 0);
	link->parent = (int)net_attribute_u32(table[IFLA_LINK], 0);
	if (table[IFLA_ADDRESS] && mnl_attr_get_payload_len(table[IFLA_ADDRESS]) == NET_MAC_LENGTH) {
		link->has_mac = true;
		memcpy(link->mac, mnl_attr_get_payload(table[IFLA_ADDRESS]), NET_MAC_LENGTH);
	}
	if (table[IFLA_IFALIAS])
		snprintf(link->alias, sizeof(link->alias), "%.*s", (int)mnl_attr_get_payload_len(table[IFLA_IFALIAS]),
			 mnl_attr_get_str(table[IFLA_IFALIAS]));
	take_kind(table[IFLA_LINKINFO], link);
	take_address_mode(table[IFLA_AF_SPEC], link);
}

bool net_take_link(const struct nlmsghdr *message, struct net_link *ret) {
	if ((message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg))
		return false;
	*ret = (struct net_link){0};
	take_link(message, ret);
	return true;
}

static int add_link(const struct nlmsghdr *message, void *data) {
	struct net_links *links = data;
	struct net_link *link;

	if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg))
		return 0;
	link = net_list_grow(&links->items, &links->count, sizeof(*link));
	if (!link)
		return -ENOMEM;
	take_link(message, link);
	return 0;
}

static void forget_links(void *links) {
	net_links_free(links);
}

int net_links_read(struct net *net, struct net_links *ret, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct net_links links = {0};
	void *extra;
	struct nlmsghdr *request = net_request(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &extra);
	int r = net_dump(net, request, add_link, forget_links, &links, ret_error);

	if (r < 0)
		return r;
	*ret = links;
	return 0;
}

void net_links_free(struct net_links *links) {
	free(links->items);
	*links = (struct net_links){0};
}

const struct net_link *net_link_find(const struct net_links *links, const char *name) {
	for (size_t i = 0; i < links->count; i++)
		if (str_equal(links->items[i].name, name))
			return &links->items[i];
	return NULL;
}

const struct net_link *net_link_at(const struct net_links *links, int index) {
	for (size_t i = 0; i < links->count; i++)
		if (links->items[i].index == index)
			return &links->items[i];
	return NULL;
}

int net_link_by_name(struct net *net, const char *name, struct net_link *ret, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	_cleanup_net_links_ struct net_links links = {0};
	void *extra;
	struct nlmsghdr *request = net_request(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &extra);
	int r;

	if (strlen(name) >= IFNAMSIZ)
		return error_set(ret_error, -ENODEV, "no link can have the name '%s': it is too long", name);
	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	r = net_get(net, request, add_link, &links, ret_error);
	if (r < 0)
		return r;
	if (links.count != 1)
		return error_set(ret_error, -ENODEV, "the kernel did not answer for '%s'", name);
	*ret = links.items[0];
	return 0;
}

/* ---- changes ---- */

struct nlmsghdr *net_link_request(char *buf, uint16_t type, uint16_t flags, int index) {
	void *extra;
	struct nlmsghdr *request = net_request(buf, type, flags, sizeof(struct ifinfomsg), &extra);
	struct ifinfomsg *info = extra;

	info->ifi_index = index;
	return request;
}

void net_put_bridge(struct nlmsghdr *request, const bool *stp, const unsigned *forward_delay) {
	struct nlattr *info = mnl_attr_nest_start(request, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(request, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	if (stp)
		mnl_attr_put_u32(request, IFLA_BR_STP_STATE, *stp);
	if (forward_delay)
		mnl_attr_put_u32(request, IFLA_BR_FORWARD_DELAY, *forward_delay);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, info);
}

int net_bridge_create(struct net *net, const char *name, const uint8_t *mac, unsigned mtu, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct nlmsghdr *request = net_link_request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);

	if (strlen(name) >= IFNAMSIZ)
		return error_set(ret_error, -EINVAL, "the name '%s' is too long for a link", name);
	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	if (mac)
		mnl_attr_put(request, IFLA_ADDRESS, NET_MAC_LENGTH, mac);
	if (mtu)
		mnl_attr_put_u32(request, IFLA_MTU, mtu);
	net_put_bridge(request, &(bool){false}, &(unsigned){0});
	return net_acknowledge(net, request, ret_error);
}

/* One after the other: the kernel takes a delay of 0 only when the spanning tree is off, and looks at the delay first.
 */
int net_bridge_set_timing(struct net *net, int index, bool stp, unsigned forward_delay, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct nlmsghdr *request = net_link_request(buf, RTM_NEWLINK, 0, index);
	int r;

	net_put_bridge(request, &stp, NULL);
	r = net_acknowledge(net, request, ret_error);
	if (r < 0)
		return r;
	request = net_link_request(buf, RTM_NEWLINK, 0, index);
	net_put_bridge(request, NULL, &forward_delay);
	return net_acknowledge(net, request, ret_error);
}

int net_link_set_up(struct net *net, int index, bool up, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct nlmsghdr *request = net_link_request(buf, RTM_NEWLINK, 0, index);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(request);

	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = IFF_UP;
	return net_acknowledge(net, request, ret_error);
}

int net_link_set_mtu(struct net *net, int index, unsigned mtu, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct nlmsghdr *request = net_link_request(buf, RTM_NEWLINK, 0, index);

	mnl_attr_put_u32(request, IFLA_MTU, mtu);
	return net_acknowledge(net, request, ret_error);
}

int net_link_set_mac(struct net *net, int index, const uint8_t mac[NET_MAC_LENGTH], char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct nlmsghdr *request = net_link_request(buf, RTM_NEWLINK, 0, index);

	mnl_attr_put(request, IFLA_ADDRESS, NET_MAC_LENGTH, mac);
	return net_acknowledge(net, request, ret_error);
}

int net_link_set_master(struct net *net, int index, int master, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct nlmsghdr *request = net_link_request(buf, RTM_NEWLINK, 0, index);

	mnl_attr_put_u32(request, IFLA_MASTER, (uint32_t)master);
	return net_acknowledge(net, request, ret_error);
}

void net_put_address_mode(struct nlmsghdr *request, uint8_t mode) {
	struct nlattr *families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(request, AF_INET6);

	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, mode);
	mnl_attr_nest_end(request, inet6);
	mnl_attr_nest_end(request, families);
}

int net_link_set_address_mode(struct net *net, int index, uint8_t mode, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct nlmsghdr *request = net_link_request(buf, RTM_NEWLINK, 0, index);

	net_put_address_mode(request, mode);
	return net_acknowledge(net, request, ret_error);
}

int net_link_delete(struct net *net, int index, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	_cleanup_free_ char *error = NULL;
	int r = net_acknowledge(net, net_link_request(buf, RTM_DELLINK, 0, index), &error);

	if (r < 0 && r != -ENODEV)
		return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	return 0;
}
