/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who has an address on a link: the kernel's table of neighbours. */
#include "net/internal.h"

#include <linux/neighbour.h>

#define USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT) /* the MAC is known */

struct found {
	bool known;
	uint8_t *mac;
};

static int take_neighbour(const struct nlmsghdr *message, void *data) {
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *table[NDA_MAX + 1];
	struct found *found = data;

	if (message->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return 0;
	net_attributes(message, sizeof(*info), table, NDA_MAX);
	if (!(info->ndm_state & USABLE) || !table[NDA_LLADDR] ||
	    mnl_attr_get_payload_len(table[NDA_LLADDR]) != NET_MAC_LENGTH)
		return 0;
	memcpy(found->mac, mnl_attr_get_payload(table[NDA_LLADDR]), NET_MAC_LENGTH);
	found->known = true;
	return 0;
}

int net_neighbour_mac(struct net *net, int index, const struct ip_prefix *ip, uint8_t ret[NET_MAC_LENGTH],
		      char **ret_error) {
	char buf[NET_REQUEST_MAX];
	uint8_t mac[NET_MAC_LENGTH];
	struct found found = {.mac = mac};
	void *extra;
	struct nlmsghdr *request = net_request(buf, RTM_GETNEIGH, 0, sizeof(struct ndmsg), &extra);
	struct ndmsg *info = extra;
	int r;

	info->ndm_family = (uint8_t)ip->family;
	info->ndm_ifindex = index;
	net_put_ip(request, NDA_DST, ip);
	r = net_get(net, request, take_neighbour, &found, ret_error);
	if (r < 0)
		return r;
	if (!found.known)
		return error_set(ret_error, -ENOENT, "the kernel does not know its MAC");
	memcpy(ret, mac, NET_MAC_LENGTH);
	return 0;
}
