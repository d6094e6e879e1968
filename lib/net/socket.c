/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rtnetlink socket: requests with acknowledgement, dumps, and the monitor. */
#include "net/internal.h"

#include <poll.h>
#include <sys/socket.h>

struct net {
	struct mnl_socket *socket;
	uint32_t sequence;
};

#define RECEIVE_SIZE 65536 /* the kernel fills at most 32 KiB of a dump's buffer */
#define DUMP_TRIES   100   /* of a dump that is interrupted each time */

static int set_option(struct mnl_socket *s, int option, int value) {
	return mnl_socket_setsockopt(s, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

int net_open_groups(unsigned groups, int flags, struct net **ret, char **ret_error) {
	struct net *net = calloc(1, sizeof(*net));
	int r;

	if (!net)
		return -ENOMEM;
	net->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
	if (!net->socket || mnl_socket_bind(net->socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		net_close(net);
		return error_set(ret_error, r, "cannot open a netlink socket: %s", strerror(-r));
	}
	/* better words in errors, and their answers without a copy of the request; old kernels have neither */
	(void)set_option(net->socket, NETLINK_EXT_ACK, 1);
	(void)set_option(net->socket, NETLINK_CAP_ACK, 1);
	(void)set_option(net->socket, NETLINK_GET_STRICT_CHK, 1);
	*ret = net;
	return 0;
}

int net_open(struct net **ret, char **ret_error) {
	return net_open_groups(0, 0, ret, ret_error);
}

struct mnl_socket *net_socket(struct net *net) {
	return net->socket;
}

uint32_t net_next_sequence(struct net *net) {
	return ++net->sequence;
}

void net_close(struct net *net) {
	if (!net)
		return;
	if (net->socket)
		(void)mnl_socket_close(net->socket); /* nothing was buffered that could be lost */
	free(net);
}

int net_monitor_open(struct net **ret, char **ret_error) {
	return net_open_groups(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
				   RTMGRP_IPV6_ROUTE,
			       SOCK_NONBLOCK, ret, ret_error);
}

int net_monitor_fd(const struct net *monitor) {
	return mnl_socket_get_fd(monitor->socket);
}

int net_monitor_wait(struct net *monitor, usec_t deadline) {
	char buf[RECEIVE_SIZE];
	int changes = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(monitor->socket, buf, sizeof(buf));
		struct pollfd p = {.fd = net_monitor_fd(monitor), .events = POLLIN};

		if (n >= 0 || errno == ENOBUFS || errno == ENOSPC) { /* overrun: changes, more than fitted */
			changes = 1;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (changes || deadline_left(deadline) == 0)
			return changes;
		if (poll(&p, 1, deadline_poll_ms(deadline)) < 0 && errno != EINTR)
			return -errno;
	}
}

void *net_list_grow(void *items_pointer, size_t *count, size_t item_size) {
	void **items = items_pointer;

	if ((*count & (*count - 1)) == 0) { /* full at each power of two */
		void *grown = reallocarray(*items, *count ? *count * 2 : 1, item_size);

		if (!grown)
			return NULL;
		*items = grown;
	}
	return memset((char *)*items + (*count)++ * item_size, 0, item_size);
}

struct nlmsghdr *net_request(void *buf, uint16_t type, uint16_t flags, size_t extra_size, void **ret_extra) {
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	*ret_extra = mnl_nlmsg_put_extra_header(request, extra_size);
	return request;
}

/* The kernel's sentence in an NLMSG_ERROR, or NULL (borrowed). */
static const char *extended_message(const struct nlmsghdr *message) {
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*e);
	const struct nlattr *a;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += e->msg.nlmsg_len - sizeof(e->msg);
	if (offset > mnl_nlmsg_get_payload_len(message))
		return NULL;
	mnl_attr_for_each(a, message, offset) {
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(a);
	}
	return NULL;
}

int net_take_error(const struct nlmsghdr *message, char **ret_error) {
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(message);
	const char *words;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*e))
		return error_set(ret_error, -EBADMSG, "the kernel sent a malformed answer");
	if (e->error == 0)
		return 0;
	words = extended_message(message);
	return error_set(ret_error, e->error, "%s%s%s%s", strerror(-e->error), words ? " (" : "", words ? words : "",
			 words ? ")" : "");
}

static int transmit(struct net *net, struct nlmsghdr *request, char **ret_error) {
	request->nlmsg_seq = ++net->sequence;
	if (mnl_socket_sendto(net->socket, request, request->nlmsg_len) < 0)
		return error_set(ret_error, -errno, "cannot send to the kernel: %s", strerror(errno));
	return 0;
}

/* What came for a request: each message goes to `parse`. Returns 1 when the answer is complete; *interrupted is set
 * when the kernel says that the dump is not of one time. */
static int take_answers(struct net *net, const char *buf, size_t length, net_parse_fn parse, void *data,
			bool *interrupted, char **ret_error) {
	int left = (int)length;

	for (const struct nlmsghdr *m = (const void *)buf; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
		int r;

		if (m->nlmsg_seq != net->sequence) /* of an earlier request that was given up */
			continue;
		if (m->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (m->nlmsg_type == NLMSG_DONE)
			return 1;
		if (m->nlmsg_type == NLMSG_ERROR) {
			r = net_take_error(m, ret_error);
			return r < 0 ? r : 1;
		}
		r = parse ? parse(m, data) : 0;
		if (r < 0)
			return error_set(ret_error, r, "cannot take in what the kernel sent: %s", strerror(-r));
	}
	return 0;
}

static int receive(struct net *net, net_parse_fn parse, void *data, bool *interrupted, char **ret_error) {
	_cleanup_free_ char *buf = malloc(RECEIVE_SIZE);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(net->socket, buf, RECEIVE_SIZE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(ret_error, -errno, "cannot hear from the kernel: %s", strerror(errno));
		r = take_answers(net, buf, (size_t)n, parse, data, interrupted, ret_error);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

int net_get(struct net *net, struct nlmsghdr *request, net_parse_fn parse, void *data, char **ret_error) {
	bool interrupted;
	int r;

	request->nlmsg_flags |= NLM_F_ACK;
	r = transmit(net, request, ret_error);
	return r < 0 ? r : receive(net, parse, data, &interrupted, ret_error);
}

int net_acknowledge(struct net *net, struct nlmsghdr *request, char **ret_error) {
	return net_get(net, request, NULL, NULL, ret_error);
}

int net_dump(struct net *net, struct nlmsghdr *request, net_parse_fn parse, void (*reset)(void *data), void *data,
	     char **ret_error) {
	request->nlmsg_flags |= NLM_F_DUMP;
	for (int i = 0; i < DUMP_TRIES; i++) {
		bool interrupted = false;
		int r = transmit(net, request, ret_error);

		if (r >= 0)
			r = receive(net, parse, data, &interrupted, ret_error);
		if (r < 0 || interrupted)
			reset(data);
		if (r < 0 || !interrupted)
			return r;
	}
	return error_set(ret_error, -EAGAIN, "the network changes faster than it can be read");
}

struct table {
	const struct nlattr **items;
	uint16_t max;
};

static int put_in_table(const struct nlattr *a, void *data) {
	const struct table *table = data;

	if (mnl_attr_get_type(a) <= table->max)
		table->items[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

void net_attributes(const struct nlmsghdr *message, size_t header, const struct nlattr **table, uint16_t max) {
	struct table t = {table, max};

	memset(table, 0, (max + 1u) * sizeof(*table));
	(void)mnl_attr_parse(message, (unsigned)header, put_in_table, &t); /* the callback never fails */
}

void net_nested_attributes(const struct nlattr *nest, const struct nlattr **table, uint16_t max) {
	struct table t = {table, max};

	memset(table, 0, (max + 1u) * sizeof(*table));
	if (nest)
		(void)mnl_attr_parse_nested(nest, put_in_table, &t); /* the callback never fails */
}

bool net_attribute_ip(const struct nlattr *attribute, int family, struct ip_prefix *ret) {
	unsigned bits = net_family_bits(family);

	if (!attribute || mnl_attr_get_payload_len(attribute) != bits / 8)
		return false;
	*ret = (struct ip_prefix){.family = family, .prefix = bits};
	memcpy(ret->bytes, mnl_attr_get_payload(attribute), bits / 8);
	return true;
}

uint32_t net_attribute_u32(const struct nlattr *attribute, uint32_t fallback) {
	return attribute && mnl_attr_get_payload_len(attribute) == 4 ? mnl_attr_get_u32(attribute) : fallback;
}
