/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The netlink socket to nf_tables. */
#include "firewall/internal.h"

#include <arpa/inet.h>
#include <time.h>

int firewall_open(struct firewall **ret) {
	struct firewall *firewall = calloc(1, sizeof(*firewall));
	int one = 1, r;

	if (!firewall)
		return -ENOMEM;
	firewall->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!firewall->socket || mnl_socket_bind(firewall->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		firewall_close(firewall);
		return r;
	}
	/* the kernel's own words about what it refused; old kernels do without */
	(void)mnl_socket_setsockopt(firewall->socket, NETLINK_EXT_ACK, &one, sizeof(one));
	firewall->port = mnl_socket_get_portid(firewall->socket);
	firewall->sequence = (uint32_t)time(NULL);
	*ret = firewall;
	return 0;
}

void firewall_close(struct firewall *firewall) {
	if (!firewall)
		return;
	if (firewall->socket)
		(void)mnl_socket_close(firewall->socket); /* nothing was written that could get lost */
	free(firewall);
}

int firewall_talk(struct firewall *firewall, const struct nlmsghdr *request, mnl_cb_t each, void *userdata) {
	_cleanup_free_ char *buffer = malloc(RECEIVE_SIZE);
	int r = 1;

	if (!buffer)
		return -ENOMEM;
	if (mnl_socket_sendto(firewall->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (r > 0) {
		ssize_t n = mnl_socket_recvfrom(firewall->socket, buffer, RECEIVE_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* an answer to an older question that was given up has another number: EPROTO, passed over */
		r = mnl_cb_run(buffer, (size_t)n, request->nlmsg_seq, firewall->port, each, userdata);
		if (r < 0 && errno == EPROTO)
			r = 1;
		else if (r < 0)
			return -errno;
	}
	return 0;
}

static int take_generation(const struct nlmsghdr *message, void *userdata) {
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) == NFTA_GEN_ID && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			*(uint32_t *)userdata = ntohl(mnl_attr_get_u32(attribute));
	}
	return MNL_CB_OK;
}

int firewall_generation(struct firewall *firewall, uint32_t *ret) {
	char buffer[MNL_NLMSG_HDRLEN + 64];
	struct nlmsghdr *request =
	    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK, ++firewall->sequence);

	return firewall_talk(firewall, request, take_generation, ret);
}
