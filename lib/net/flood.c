/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entry 00:00:00:00:00:00 of VXLANs' forwarding tables. */
#include "net/internal.h"

#include <linux/neighbour.h>

static const uint8_t all_zero[NET_MAC_LENGTH];

static int add_flood(const struct nlmsghdr *message, void *data) {
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	struct net_floods *floods = data;
	struct net_flood flood = {0}, *place;
	const struct nlattr *table[NDA_MAX + 1], *mac;

	if (message->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(message) < sizeof(*info) ||
	    !(info->ndm_flags & NTF_SELF))
		return 0;
	net_attributes(message, sizeof(*info), table, NDA_MAX);
	mac = table[NDA_LLADDR];
	if (!mac || mnl_attr_get_payload_len(mac) != NET_MAC_LENGTH ||
	    memcmp(mnl_attr_get_payload(mac), all_zero, NET_MAC_LENGTH) != 0)
		return 0;
	if (!net_attribute_ip(table[NDA_DST], AF_INET, &flood.to) &&
	    !net_attribute_ip(table[NDA_DST], AF_INET6, &flood.to))
		return 0;
	flood.index = info->ndm_ifindex;
	flood.foreign = info->ndm_flags & NTF_EXT_LEARNED;
	place = net_list_grow(&floods->items, &floods->count, sizeof(*place));
	if (!place)
		return -ENOMEM;
	*place = flood;
	return 0;
}

static void forget_floods(void *floods) {
	net_floods_free(floods);
}

int net_floods_read(struct net *net, int index, struct net_floods *ret, char **ret_error) {
	char buf[NET_REQUEST_MAX];
	struct net_floods floods = {0};
	_cleanup_free_ char *error = NULL;
	void *extra;
	struct nlmsghdr *request = net_request(buf, RTM_GETNEIGH, 0, sizeof(struct ndmsg), &extra);
	struct ndmsg *info = extra;
	int r;

	info->ndm_family = AF_BRIDGE;
	info->ndm_ifindex = index;
	r = net_dump(net, request, add_flood, forget_floods, &floods, &error);
	if (r < 0 && !(r == -ENODEV && index))
		return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	*ret = floods;
	return 0;
}

void net_floods_free(struct net_floods *floods) {
	free(floods->items);
	*floods = (struct net_floods){0};
}

void net_batch_flood(struct net_batch *batch, const struct net_flood *flood, bool add) {
	char *room = net_batch_room(batch);
	struct nlmsghdr *request;
	struct ndmsg *info;
	void *extra;

	if (!room)
		return;
	request = net_request(room, add ? RTM_NEWNEIGH : RTM_DELNEIGH, add ? NLM_F_CREATE | NLM_F_APPEND : 0,
			      sizeof(*info), &extra);
	info = extra;
	info->ndm_family = AF_BRIDGE;
	info->ndm_ifindex = flood->index;
	info->ndm_state = NUD_NOARP | NUD_PERMANENT;
	info->ndm_flags = NTF_SELF;
	mnl_attr_put(request, NDA_LLADDR, NET_MAC_LENGTH, all_zero);
	net_put_ip(request, NDA_DST, &flood->to);
	net_batch_added(batch);
}
