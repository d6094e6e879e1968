/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plans become one netlink batch. Each message has a number, and the kernel says with that number which one it
 * refused, so an error names its object. The batch carries the generation that was read: a change by somebody else in
 * between makes the kernel refuse all of it (-ERESTART).
 */
#include "firewall/internal.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/socket.h>

#define BATCH_PAGE MESSAGE_MAX /* bytes a page of the batch; each has as much again for its last message */

static void put_chain(struct nlmsghdr *message, const char *table, const struct firewall_chain *chain,
		      enum operation_kind kind, bool *failed) {
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c || nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table) < 0 ||
	    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chain->name) < 0) {
		*failed = true;
	} else {
		if (chain->is_base && kind == OPERATION_CHAIN_SET) {
			nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, chain->hook);
			nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, chain->priority);
			nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, chain->policy);
			if (nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, chain->type) < 0)
				*failed = true;
		}
		nftnl_chain_nlmsg_build_payload(message, c);
	}
	if (c)
		nftnl_chain_free(c);
}

/* What is wanted is a constant: handle and position go into the message beside it. */
static void put_rule(struct nlmsghdr *message, const char *table, const struct operation *operation) {
	if (operation->rule) {
		nftnl_rule_nlmsg_build_payload(message, operation->rule->rule);
		if (operation->handle)
			mnl_attr_put_u64(message, NFTA_RULE_POSITION, htobe64(operation->handle));
		return;
	}
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, operation->chain->name);
	if (operation->handle)
		mnl_attr_put_u64(message, NFTA_RULE_HANDLE, htobe64(operation->handle));
}

static void put_table(struct nlmsghdr *message, const char *table, bool set) {
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	if (set)
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, 0);
}

/* The 16 octets of an interface name to a verdict. The numbers are nft's own for these types: its listing needs them.
 */
static void put_map(struct nlmsghdr *message, const char *table, const char *name, uint32_t id) {
	static const uint8_t byte_order[] = {0 /* NFTNL_UDATA_SET_KEYBYTEORDER */, 4, 1 /* the host's */, 0, 0, 0};

	mnl_attr_put_strz(message, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(message, NFTA_SET_NAME, name);
	mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(NFT_SET_MAP));
	mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(41)); /* ifname */
	mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(IFNAMSIZ));
	mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(NFT_DATA_VERDICT));
	mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(0));
	mnl_attr_put_u32(message, NFTA_SET_ID, htonl(id));
	mnl_attr_put(message, NFTA_SET_USERDATA, sizeof(byte_order), byte_order);
}

static void put(void *buffer, const char *table, const struct operation *operation, uint32_t sequence, bool *failed) {
	static const struct {
		uint16_t type, flags;
	} messages[] = {
	    [OPERATION_TABLE_SET] = {NFT_MSG_NEWTABLE, NLM_F_CREATE},
	    [OPERATION_TABLE_DELETE] = {NFT_MSG_DELTABLE, 0},
	    [OPERATION_RULE_DELETE] = {NFT_MSG_DELRULE, 0},
	    [OPERATION_CHAIN_FLUSH] = {NFT_MSG_DELRULE, 0},
	    [OPERATION_CHAIN_DELETE] = {NFT_MSG_DELCHAIN, 0},
	    [OPERATION_MAP_ADD] = {NFT_MSG_NEWSET, NLM_F_CREATE},
	    [OPERATION_CHAIN_SET] = {NFT_MSG_NEWCHAIN, NLM_F_CREATE},
	    [OPERATION_RULE_ADD] = {NFT_MSG_NEWRULE, NLM_F_CREATE},
	};
	/* NLM_F_APPEND with a position means after that rule, without it before */
	uint16_t place = operation->kind == OPERATION_RULE_ADD && operation->handle == 0 ? NLM_F_APPEND : 0;
	struct nlmsghdr *message;

	if (operation->kind == OPERATION_MESSAGE) {
		memcpy(buffer, operation->message, operation->message->nlmsg_len);
		((struct nlmsghdr *)buffer)->nlmsg_seq = sequence;
		return;
	}
	message = nftnl_nlmsg_build_hdr(buffer, messages[operation->kind].type, NFPROTO_INET,
					(uint16_t)(messages[operation->kind].flags | place), sequence);
	switch (operation->kind) {
	case OPERATION_MESSAGE:
		break;
	case OPERATION_MAP_ADD:
		put_map(message, table, operation->map, sequence);
		break;
	case OPERATION_TABLE_SET:
	case OPERATION_TABLE_DELETE:
		put_table(message, table, operation->kind == OPERATION_TABLE_SET);
		break;
	case OPERATION_CHAIN_DELETE:
	case OPERATION_CHAIN_SET:
		put_chain(message, table, operation->chain, operation->kind, failed);
		break;
	case OPERATION_RULE_DELETE:
	case OPERATION_CHAIN_FLUSH:
	case OPERATION_RULE_ADD:
		put_rule(message, table, operation);
		break;
	}
}

static void describe(const char *table, const struct operation *operation, int error, const char *words,
		     char **ret_error) {
	static const char *const verbs[] = {
	    [OPERATION_TABLE_SET] = "make",    [OPERATION_TABLE_DELETE] = "remove", [OPERATION_RULE_DELETE] = "remove",
	    [OPERATION_CHAIN_FLUSH] = "empty", [OPERATION_CHAIN_DELETE] = "remove", [OPERATION_CHAIN_SET] = "make",
	    [OPERATION_RULE_ADD] = "add",      [OPERATION_MAP_ADD] = "make",
	};
	const char *chain = operation && operation->chain ? operation->chain->name : NULL;
	const char *rule = operation && operation->rule ? operation->rule->text.data : NULL;

	if (operation && operation->kind == OPERATION_MESSAGE)
		(void)error_set(ret_error, error, "the kernel refuses %s: %s%s%s",
				operation->what ? operation->what : "a part of the change", strerror(-error),
				words ? ": " : "", words ? words : "");
	else if (operation && operation->kind == OPERATION_MAP_ADD)
		(void)error_set(ret_error, error, "the kernel refused to make map %s in table inet %s: %s%s%s",
				operation->map, table, strerror(-error), words ? ": " : "", words ? words : "");
	else if (!operation)
		(void)error_set(ret_error, error, "the kernel refused the change of table inet %s: %s", table,
				strerror(-error));
	else
		(void)error_set(ret_error, error, "the kernel refused to %s %s%s%s%s%s in table inet %s: %s%s%s",
				verbs[operation->kind],
				rule                                       ? "the rule '"
				: operation->kind == OPERATION_RULE_DELETE ? "a rule"
				: chain                                    ? ""
									   : "the table",
				rule ? rule : "", rule ? "'" : "",
				chain ? (rule || operation->handle ? " in chain " : "chain ") : "", chain ? chain : "",
				table, strerror(-error), words ? ": " : "", words ? words : "");
}

/* The kernel's own words in an extended acknowledgement, or NULL. */
static const char *extended(const struct nlmsghdr *message) {
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	struct nlattr *attribute;
	size_t offset = sizeof(*error);

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += error->msg.nlmsg_len - sizeof(error->msg);
	mnl_attr_for_each(attribute, message, (unsigned)offset) {
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attribute);
	}
	return NULL;
}

/* All answers are there when the send returns: the kernel works on a batch inside it. The first error is kept. */
static int collect(struct firewall *firewall, const char *table, const struct operation *operations, size_t count,
		   uint32_t first, size_t *ret_failed, char **ret_error) {
	_cleanup_free_ char *buffer = malloc(RECEIVE_SIZE);
	int result = 0;

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		ssize_t received = recv(mnl_socket_get_fd(firewall->socket), buffer, RECEIVE_SIZE, MSG_DONTWAIT);
		int length = (int)received;

		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0 && errno == EAGAIN)
			return result;
		if (received < 0)
			return result < 0 ? result : -errno;
		for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; mnl_nlmsg_ok(m, length);
		     m = mnl_nlmsg_next(m, &length)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(m);
			uint32_t index = m->nlmsg_seq - first;

			if (m->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(m) < sizeof(*error) ||
			    error->error == 0 || result < 0 || index > count + 1)
				continue;
			result = error->error;
			*ret_failed = index >= 1 && index <= count ? index - 1 : count;
			describe(table, index >= 1 && index <= count ? &operations[index - 1] : NULL, result,
				 extended(m), ret_error);
		}
	}
}

static int send_batch(struct firewall *firewall, struct nftnl_batch *batch) {
	int pages = nftnl_batch_iovec_len(batch), size;
	_cleanup_free_ struct iovec *iov = calloc((size_t)pages, sizeof(*iov));
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr message = {.msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = iov};

	if (!iov)
		return -ENOMEM;
	nftnl_batch_iovec(batch, iov, (uint32_t)pages);
	message.msg_iovlen = (size_t)pages;
	/* one message must take the whole batch; without the privilege a big one fails with -EMSGSIZE */
	size = pages * BATCH_PAGE * 2 + 65536;
	(void)setsockopt(mnl_socket_get_fd(firewall->socket), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return sendmsg(mnl_socket_get_fd(firewall->socket), &message, 0) < 0 ? -errno : 0;
}

int firewall_transact(struct firewall *firewall, const char *table, const struct operation *operations, size_t count,
		      const uint32_t *generation, size_t *ret_failed, char **ret_error) {
	struct nftnl_batch *batch = nftnl_batch_alloc(BATCH_PAGE, BATCH_PAGE);
	uint32_t first = firewall->sequence + 1;
	struct nlmsghdr *message;
	bool failed = false;
	int r;

	if (!batch)
		return -ENOMEM;
	*ret_failed = count;
	firewall->sequence += (uint32_t)count + 2;
	message = nftnl_batch_begin(nftnl_batch_buffer(batch), first);
	if (generation)
		mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(*generation));
	failed = nftnl_batch_update(batch) < 0;
	for (size_t i = 0; i < count && !failed; i++) {
		put(nftnl_batch_buffer(batch), table, &operations[i], first + 1 + (uint32_t)i, &failed);
		failed = failed || nftnl_batch_update(batch) < 0;
	}
	nftnl_batch_end(nftnl_batch_buffer(batch), first + 1 + (uint32_t)count);
	failed = failed || nftnl_batch_update(batch) < 0;
	r = failed ? -ENOMEM : send_batch(firewall, batch);
	nftnl_batch_free(batch);
	if (r < 0)
		return error_set(ret_error, r, "cannot send the change of table inet %s: %s", table, strerror(-r));
	return collect(firewall, table, operations, count, first, ret_failed, ret_error);
}

int firewall_commit(struct firewall *firewall, const struct firewall_plan *plan, char **ret_error) {
	size_t failed;

	if (plan->count == 0)
		return 0;
	return firewall_transact(firewall, plan->table, plan->operations, plan->count, &plan->generation, &failed,
				 ret_error);
}

static int read_failed(int r, const char *table, char **ret_error) {
	return error_set(ret_error, r, "cannot read table inet %s from the kernel: %s%s", table, strerror(-r),
			 r == -EPERM || r == -EACCES ? " (CAP_NET_ADMIN is needed: run as root)" : "");
}

int firewall_plan(struct firewall *firewall, const struct firewall_table *wanted, struct firewall_plan **ret,
		  char **ret_error) {
	_cleanup_firewall_plan_ struct firewall_plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan || wanted->failed)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->count; i++)
		for (size_t k = 0; k < wanted->chains[i]->count; k++)
			if ((r = firewall_rule_canonical(wanted->chains[i]->rules[k])) < 0)
				return r;
	plan->table = wanted->name;
	r = firewall_read(firewall, wanted->name, wanted, &plan->actual, &plan->generation);
	if (r < 0)
		return read_failed(r, wanted->name, ret_error);
	r = firewall_compare(wanted, plan);
	if (r < 0)
		return r;
	*ret = move_ptr(plan);
	return 0;
}

int firewall_apply(struct firewall *firewall, const struct firewall_table *wanted, struct strlist *changes,
		   char **ret_error) {
	int r;

	for (unsigned i = 0; i < FIREWALL_TRIES; i++) {
		_cleanup_firewall_plan_ struct firewall_plan *plan = NULL;
		_cleanup_free_ char *error = NULL;

		r = firewall_plan(firewall, wanted, &plan, ret_error);
		if (r < 0)
			return r;
		if (plan->count == 0)
			return 0;
		r = firewall_commit(firewall, plan, &error);
		if (r < 0 && r != -ERESTART)
			return error_set(ret_error, r, "%s", error ? error : strerror(-r));
		for (size_t k = 0; r >= 0 && changes && k < plan->differences.count; k++)
			if (!strlist_contains(changes, plan->differences.items[k]) &&
			    strlist_add(changes, plan->differences.items[k]) < 0)
				return -ENOMEM;
	}
	return error_set(ret_error, -EAGAIN,
			 "table inet %s did not stay as wanted: another program changes the ruleset all the time",
			 wanted->name);
}

int firewall_exists(struct firewall *firewall, const char *table, char **ret_error) {
	_cleanup_firewall_table_ struct firewall_table *actual = NULL;
	uint32_t generation;
	int r = firewall_read(firewall, table, NULL, &actual, &generation);

	return r < 0 ? read_failed(r, table, ret_error) : actual->exists;
}

int firewall_remove(struct firewall *firewall, const char *table, char **ret_error) {
	const struct operation operation = {.kind = OPERATION_TABLE_DELETE};
	size_t failed;
	int r = firewall_exists(firewall, table, ret_error);

	if (r <= 0)
		return r;
	r = firewall_transact(firewall, table, &operation, 1, NULL, &failed, ret_error);
	if (r == -ENOENT) /* somebody was faster */
		return 0;
	return r < 0 ? r : 1;
}
