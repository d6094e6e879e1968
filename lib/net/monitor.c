/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hearing of each change of a link. */
#include "net/internal.h"

#define RECEIVE_SIZE   65536
#define RECEIVE_BUFFER (8 * 1024 * 1024) /* bytes of news that wait: a thousand links that are made in one go */

int net_link_monitor_open(struct net **ret, char **ret_error) {
	struct net *net;
	int size = RECEIVE_BUFFER;
	int r = net_open_groups(RTMGRP_LINK, SOCK_NONBLOCK, &net, ret_error);

	if (r < 0)
		return r;
	/* more than the usual limit needs CAP_NET_ADMIN; without it an overrun is likelier, which is told */
	if (setsockopt(net_monitor_fd(net), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(net_monitor_fd(net), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret = net;
	return 0;
}

static void tell(const char *buf, size_t length, net_link_changed_fn changed, void *userdata) {
	int left = (int)length;

	for (const struct nlmsghdr *m = (const void *)buf; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
		const struct ifinfomsg *info = mnl_nlmsg_get_payload(m);
		struct net_link link;

		/* a bridge tells of its ports in messages of its own family, which hold less */
		if (net_take_link(m, &link) && info->ifi_family == AF_UNSPEC)
			changed(&link, m->nlmsg_type == RTM_DELLINK, userdata);
	}
}

int net_link_monitor_read(struct net *monitor, net_link_changed_fn changed, void *userdata) {
	_cleanup_free_ char *buf = malloc(RECEIVE_SIZE);
	int overrun = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(net_socket(monitor), buf, RECEIVE_SIZE);

		if (n >= 0)
			tell(buf, (size_t)n, changed, userdata);
		else if (errno == ENOBUFS || errno == ENOSPC)
			overrun = 1;
		else if (errno == EAGAIN)
			return overrun;
		else if (errno != EINTR)
			return -errno;
	}
}
