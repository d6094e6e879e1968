/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many changes of links in few calls. The kernel works through all requests of one sendmsg(2) before it returns, also
 * when the process is being killed meanwhile. Only the last request asks for an acknowledgement; refusals are answered
 * in any case, and carry the number of the request.
 */
#include "net/internal.h"

#include <poll.h>

#define SEND_SIZE   (32u * 1024u) /* bytes in one call, a group's rest aside: the socket's buffer is 208 KiB */
#define ANSWER_WAIT (30 * USEC_PER_SEC)

struct item {
	size_t offset, length; /* in data */
	unsigned group;
};
struct net_batch {
	char *data;
	size_t length, size;
	struct item *items;
	size_t count;
	unsigned group;
	bool failed; /* no memory */
};

struct net_batch *net_batch_new(void) {
	return calloc(1, sizeof(struct net_batch));
}

void net_batch_free(struct net_batch *batch) {
	if (!batch)
		return;
	free(batch->data);
	free(batch->items);
	free(batch);
}

void net_batch_group(struct net_batch *batch) {
	if (batch)
		batch->group++;
}

char *net_batch_room(struct net_batch *batch) {
	if (!batch || batch->failed)
		return NULL;
	if (batch->size - batch->length < NET_REQUEST_MAX) {
		size_t size = batch->size ? batch->size * 2 : 4 * NET_REQUEST_MAX;
		char *data = realloc(batch->data, size);

		if (!data) {
			batch->failed = true;
			return NULL;
		}
		batch->data = data;
		batch->size = size;
	}
	return batch->data + batch->length;
}

void net_batch_added(struct net_batch *batch) {
	const struct nlmsghdr *request = (const void *)(batch->data + batch->length);
	struct item *item = net_list_grow(&batch->items, &batch->count, sizeof(*item));

	if (!item) {
		batch->failed = true;
		return;
	}
	item->offset = batch->length;
	item->length = MNL_ALIGN(request->nlmsg_len);
	item->group = batch->group;
	batch->length += item->length;
}

/* ---- sending ---- */

struct answers {
	size_t first, count; /* of the items that were sent */
	uint32_t sequence;   /* of the first of them */
	net_batch_failed_fn failed;
	void *userdata;
};

/* 1 when the answer to the last request came. */
static int take_answers(const char *buf, size_t length, const struct answers *answers) {
	int left = (int)length;

	for (const struct nlmsghdr *m = (const void *)buf; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
		size_t number = m->nlmsg_seq - answers->sequence;
		_cleanup_free_ char *error = NULL;
		int r;

		if (m->nlmsg_type != NLMSG_ERROR || number >= answers->count)
			continue; /* of an earlier call that was given up */
		r = net_take_error(m, &error);
		if (r < 0 && answers->failed)
			answers->failed(answers->first + number, r, error ? error : strerror(-r), answers->userdata);
		if (number == answers->count - 1)
			return 1;
	}
	return 0;
}

static int receive(struct net *net, const struct answers *answers, char **ret_error) {
	char buf[16384];
	usec_t deadline = deadline_after(ANSWER_WAIT);

	for (;;) {
		struct pollfd p = {.fd = net_monitor_fd(net), .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, deadline_poll_ms(deadline)) == 0)
			return error_set(ret_error, -ETIMEDOUT, "the kernel did not answer");
		n = mnl_socket_recvfrom(net_socket(net), buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) /* ENOBUFS: answers were lost; the caller looks at what became of it */
			return error_set(ret_error, -errno, "cannot hear from the kernel: %s", strerror(errno));
		if (take_answers(buf, (size_t)n, answers) > 0)
			return 0;
	}
}

static int send_some(struct net *net, struct net_batch *batch, struct answers *answers, char **ret_error) {
	const struct item *first = &batch->items[answers->first];
	size_t length = 0;

	for (size_t i = 0; i < answers->count; i++) {
		struct nlmsghdr *request = (void *)(batch->data + first[i].offset);

		request->nlmsg_seq = net_next_sequence(net);
		if (i == 0)
			answers->sequence = request->nlmsg_seq;
		if (i == answers->count - 1)
			request->nlmsg_flags |= NLM_F_ACK;
		length += first[i].length;
	}
	if (mnl_socket_sendto(net_socket(net), batch->data + first->offset, length) < 0)
		return error_set(ret_error, -errno, "cannot send to the kernel: %s", strerror(errno));
	return receive(net, answers, ret_error);
}

/* How many of the items from `first` on go together. */
static size_t portion(const struct net_batch *batch, size_t first) {
	const struct item *items = batch->items;
	size_t end = first + 1;

	while (end < batch->count &&
	       (items[end].group == items[end - 1].group || items[end].offset - items[first].offset < SEND_SIZE))
		end++;
	return end - first;
}

int net_batch_run(struct net *net, struct net_batch *batch, net_batch_failed_fn failed, void *userdata,
		  char **ret_error) {
	struct answers answers = {.failed = failed, .userdata = userdata};
	int r = 0;

	if (!batch || batch->failed)
		return error_set(ret_error, -ENOMEM, "%s", strerror(ENOMEM));
	while (r >= 0 && answers.first < batch->count) {
		answers.count = portion(batch, answers.first);
		r = send_some(net, batch, &answers, ret_error);
		answers.first += answers.count;
	}
	batch->count = batch->length = 0;
	free(batch->items);
	batch->items = NULL; /* grows from nothing: net_list_grow() tells its size by the count */
	return r;
}

/* ---- the changes ---- */

static struct nlmsghdr *begin(struct net_batch *batch, uint16_t type, uint16_t flags, int index, const char *name) {
	char *room = net_batch_room(batch);
	struct nlmsghdr *request;

	if (!room)
		return NULL;
	request = net_link_request(room, type, flags, index);
	if (index == 0)
		mnl_attr_put_strz(request, IFLA_IFNAME, name);
	return request;
}

static struct nlmsghdr *begin_creation(struct net_batch *batch, const char *name, unsigned mtu) {
	struct nlmsghdr *request = begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, name);

	if (request && mtu)
		mnl_attr_put_u32(request, IFLA_MTU, mtu);
	return request;
}

void net_batch_bridge(struct net_batch *batch, const char *name, const uint8_t *mac, unsigned mtu) {
	struct nlmsghdr *request = begin_creation(batch, name, mtu);

	if (!request)
		return;
	if (mac)
		mnl_attr_put(request, IFLA_ADDRESS, NET_MAC_LENGTH, mac);
	net_put_bridge(request, &(bool){false}, &(unsigned){0});
	net_batch_added(batch);
}

void net_batch_vxlan(struct net_batch *batch, const char *name, const struct net_vxlan *vxlan, unsigned mtu) {
	struct nlmsghdr *request = begin_creation(batch, name, mtu);
	struct nlattr *info, *data;

	if (!request)
		return;
	info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	mnl_attr_put_u32(request, IFLA_VXLAN_ID, vxlan->id);
	if (vxlan->link)
		mnl_attr_put_u32(request, IFLA_VXLAN_LINK, (uint32_t)vxlan->link);
	mnl_attr_put_u16(request, IFLA_VXLAN_PORT, htons(vxlan->port));
	mnl_attr_put_u8(request, IFLA_VXLAN_LEARNING, vxlan->learning);
	if (vxlan->local.family)
		net_put_ip(request, vxlan->local.family == AF_INET ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6,
			   &vxlan->local);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, info);
	net_batch_added(batch);
}

void net_batch_vlan(struct net_batch *batch, const char *name, int parent, unsigned tag, unsigned mtu) {
	struct nlmsghdr *request = begin_creation(batch, name, mtu);
	struct nlattr *info, *data;

	if (!request)
		return;
	mnl_attr_put_u32(request, IFLA_LINK, (uint32_t)parent);
	info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	mnl_attr_put_u16(request, IFLA_VLAN_ID, (uint16_t)tag);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, info);
	net_batch_added(batch);
}

static void put_change(struct nlmsghdr *request, enum net_batch_what what, const struct net_link *values) {
	struct ifinfomsg *info = mnl_nlmsg_get_payload(request);

	switch (what) {
	case NET_BATCH_UP:
		info->ifi_flags = values->up ? IFF_UP : 0;
		info->ifi_change = IFF_UP;
		break;
	case NET_BATCH_MTU:
		mnl_attr_put_u32(request, IFLA_MTU, values->mtu);
		break;
	case NET_BATCH_MAC:
		mnl_attr_put(request, IFLA_ADDRESS, NET_MAC_LENGTH, values->mac);
		break;
	case NET_BATCH_MASTER:
		mnl_attr_put_u32(request, IFLA_MASTER, (uint32_t)values->master);
		break;
	case NET_BATCH_ALIAS:
		mnl_attr_put_str(request, IFLA_IFALIAS, values->alias);
		break;
	case NET_BATCH_ADDRESS_MODE:
		net_put_address_mode(request, (uint8_t)values->address_mode);
		break;
	case NET_BATCH_STP:
		net_put_bridge(request, &values->stp, NULL);
		break;
	case NET_BATCH_DELAY:
		net_put_bridge(request, NULL, &values->forward_delay);
		break;
	case NET_BATCH_DELETE:
		break;
	}
}

void net_batch_change(struct net_batch *batch, enum net_batch_what what, const struct net_link *values) {
	struct nlmsghdr *request =
	    begin(batch, what == NET_BATCH_DELETE ? RTM_DELLINK : RTM_NEWLINK, 0, values->index, values->name);

	if (!request)
		return;
	put_change(request, what, values);
	net_batch_added(batch);
}
