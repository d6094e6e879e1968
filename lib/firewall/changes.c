/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firewall/changes.h"

#include <arpa/inet.h>
#include <net/if.h>

/* A rule's userdata is a list of octet type, octet length, value. nft's own types count from 0, and it passes over
 * those that it does not know. */
#define USERDATA_DIGEST 112
#define ELEMENTS_BYTES  8000 /* of the elements in one message; one alone may have more */

void changes_clear(struct changes *changes) {
	for (size_t i = 0; i < changes->count; i++)
		free((void *)changes->operations[i].message);
	free(changes->operations);
	free((void *)changes->subjects);
	changes->operations = NULL;
	changes->subjects = NULL;
	changes->count = 0;
	changes->set_numbers = 0;
	changes->failed = false;
}

static struct nlmsghdr *begin(struct changes *changes, uint16_t type, uint16_t flags) {
	return nftnl_nlmsg_build_hdr(changes->scratch.bytes, type, NFPROTO_INET, flags, 0);
}

/* The message in the scratch space is complete. */
static void finish(struct changes *changes, const char *what, void *subject) {
	struct operation *operations =
	    reallocarray(changes->operations, changes->count + 1, sizeof(*changes->operations));
	void **subjects = reallocarray((void *)changes->subjects, changes->count + 1, sizeof(void *));
	struct nlmsghdr *message = malloc(changes->scratch.header.nlmsg_len);

	if (operations)
		changes->operations = operations;
	if (subjects)
		changes->subjects = subjects;
	if (!operations || !subjects || !message) {
		free(message);
		changes->failed = true;
		return;
	}
	memcpy(message, changes->scratch.bytes, changes->scratch.header.nlmsg_len);
	operations[changes->count] = (struct operation){.kind = OPERATION_MESSAGE, .message = message, .what = what};
	subjects[changes->count++] = subject;
}

void change_chain_add(struct changes *changes, const char *chain) {
	struct nlmsghdr *m = begin(changes, NFT_MSG_NEWCHAIN, NLM_F_CREATE);

	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, chain);
	finish(changes, "to make a network's chain", NULL);
}

void change_chain_delete(struct changes *changes, const char *chain) {
	struct nlmsghdr *m = begin(changes, NFT_MSG_DELRULE, 0);

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
	finish(changes, "to empty a network's chain", NULL);
	m = begin(changes, NFT_MSG_DELCHAIN, 0);
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, chain);
	finish(changes, "to remove a network's chain", NULL);
}

static void put_key(struct nlmsghdr *m, const void *key, size_t length) {
	struct nlattr *nest = mnl_attr_nest_start(m, NFTA_SET_ELEM_KEY);

	mnl_attr_put(m, NFTA_DATA_VALUE, length, key);
	mnl_attr_nest_end(m, nest);
}

void change_element_add(struct changes *changes, const char *map, const char *interface, bool jump, const char *chain) {
	struct nlmsghdr *m = begin(changes, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
	struct nlattr *list, *element, *data, *verdict;
	char name[IFNAMSIZ] = {0};

	memcpy(name, interface, strnlen(interface, sizeof(name) - 1));
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, map);
	list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	put_key(m, name, sizeof(name));
	data = mnl_attr_nest_start(m, NFTA_SET_ELEM_DATA);
	verdict = mnl_attr_nest_start(m, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(m, NFTA_VERDICT_CODE, htonl((uint32_t)(jump ? NFT_JUMP : NFT_GOTO)));
	mnl_attr_put_strz(m, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(m, verdict);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, element);
	mnl_attr_nest_end(m, list);
	finish(changes, "to lead a network's traffic to its chain", NULL);
}

void change_element_delete(struct changes *changes, const char *map, const uint8_t key[], size_t key_length) {
	struct nlmsghdr *m = begin(changes, NFT_MSG_DELSETELEM, 0);
	struct nlattr *list, *element;

	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, map);
	list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	put_key(m, key, key_length);
	mnl_attr_nest_end(m, element);
	mnl_attr_nest_end(m, list);
	finish(changes, "to lead a network's traffic no longer to its chain", NULL);
}

void change_rule_delete(struct changes *changes, const char *chain, uint64_t handle) {
	struct nlmsghdr *m = begin(changes, NFT_MSG_DELRULE, 0);

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
	mnl_attr_put_u64(m, NFTA_RULE_HANDLE, htobe64(handle));
	finish(changes, "to remove a rule of a network", NULL);
}

/* ---- rules ---- */

static void put_raw(struct nlmsghdr *m, const void *attributes, size_t length) {
	memcpy(mnl_nlmsg_get_payload_tail(m), attributes, length);
	m->nlmsg_len += (uint32_t)MNL_ALIGN(length);
}

static void add_set(struct changes *changes, const struct compiled_set *set, const char *name, void *subject) {
	uint32_t number = ++changes->set_numbers;
	struct nlmsghdr *m = begin(changes, NFT_MSG_NEWSET, NLM_F_CREATE);
	const struct nlattr *element = (const struct nlattr *)(void *)set->elements.data;
	const char *end = set->elements.data + set->elements.length;

	mnl_attr_put_strz(m, NFTA_SET_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, name);
	mnl_attr_put_u32(m, NFTA_SET_ID, htonl(number));
	put_raw(m, set->attributes.data, set->attributes.length);
	finish(changes, "a set in braces", subject);
	while (element && (const char *)element < end) {
		struct nlattr *list;
		size_t bytes = 0;

		m = begin(changes, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, NETWORK_TABLE);
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, name);
		mnl_attr_put_u32(m, NFTA_SET_ELEM_LIST_SET_ID, htonl(number));
		list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
		do {
			put_raw(m, element, element->nla_len);
			bytes += MNL_ALIGN(element->nla_len);
			element = mnl_attr_next(element);
		} while ((const char *)element < end && bytes + element->nla_len < ELEMENTS_BYTES);
		mnl_attr_nest_end(m, list);
		finish(changes, "the elements of a set in braces", subject);
	}
}

static const struct nlattr *child(const struct nlattr *parent, uint16_t type) {
	struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, parent) {
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

/* A set by the name that it has on the host. */
static void put_lookup(struct nlmsghdr *m, const struct nlattr *attribute, const struct compiled *compiled,
		       const struct strlist *names) {
	for (size_t i = 0; i < compiled->set_count; i++)
		if (str_equal(compiled->sets[i].name, mnl_attr_get_str(attribute)))
			mnl_attr_put_strz(m, NFTA_LOOKUP_SET, names->items[i]);
}

/* What the kernel says of an expression, but does not take: nft_exthdr_dump_common() gives attributes that
 * nft_exthdr_tcp_set_init() and nft_exthdr_tcp_strip_init() refuse, nft_osf_dump() flags of 0. */
static bool is_surplus(const char *expression, const struct nlattr *data, const struct nlattr *attribute) {
	uint16_t type = mnl_attr_get_type(attribute);

	if (str_equal(expression, "osf"))
		return type == NFTA_OSF_FLAGS && mnl_attr_get_u32(attribute) == 0;
	if (!str_equal(expression, "exthdr") || child(data, NFTA_EXTHDR_DREG)) /* reads a header */
		return false;
	if (child(data, NFTA_EXTHDR_SREG)) /* sets a TCP option */
		return type == NFTA_EXTHDR_FLAGS;
	return type == NFTA_EXTHDR_FLAGS || type == NFTA_EXTHDR_OFFSET || type == NFTA_EXTHDR_LEN; /* takes one out */
}

/* As the kernel said it, but for the names of sets and what it does not take. */
static void put_expression(struct nlmsghdr *m, const struct nlattr *expression, const struct compiled *compiled,
			   const struct strlist *names) {
	const struct nlattr *name = child(expression, NFTA_EXPR_NAME), *data = child(expression, NFTA_EXPR_DATA);
	const char *word = name ? mnl_attr_get_str(name) : "";
	bool is_lookup = str_equal(word, "lookup");
	struct nlattr *outer, *inner, *attribute;

	if (!data) {
		put_raw(m, expression, expression->nla_len);
		return;
	}
	outer = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	mnl_attr_put_strz(m, NFTA_EXPR_NAME, word);
	inner = mnl_attr_nest_start(m, NFTA_EXPR_DATA);
	mnl_attr_for_each_nested(attribute, data) {
		if (is_lookup && mnl_attr_get_type(attribute) == NFTA_LOOKUP_SET)
			put_lookup(m, attribute, compiled, names);
		else if (!is_surplus(word, data, attribute))
			put_raw(m, attribute, attribute->nla_len);
	}
	mnl_attr_nest_end(m, inner);
	mnl_attr_nest_end(m, outer);
}

static void put_counter(struct nlmsghdr *m) {
	struct nlattr *element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);

	mnl_attr_put_strz(m, NFTA_EXPR_NAME, "counter");
	mnl_attr_nest_end(m, mnl_attr_nest_start(m, NFTA_EXPR_DATA));
	mnl_attr_nest_end(m, element);
}

static bool is_named(const struct nlattr *expression, const char *word) {
	const struct nlattr *name = child(expression, NFTA_EXPR_NAME);

	return name && str_equal(mnl_attr_get_str(name), word);
}

/* Where a rule's counter goes: before its verdict, so that it counts what the rule has acted on. */
static bool is_verdict(const struct nlattr *expression) {
	static const char *const words[] = {"immediate", "reject", "queue", "synproxy"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (is_named(expression, words[i]))
			return true;
	return false;
}

/* A verdict map: its key is loaded just before, and nft reads the two as one. */
static bool is_verdict_map(const struct nlattr *expression) {
	const struct nlattr *data = child(expression, NFTA_EXPR_DATA),
			    *to = data && is_named(expression, "lookup") ? child(data, NFTA_LOOKUP_DREG) : NULL;

	return to && ntohl(mnl_attr_get_u32(to)) == NFT_REG_VERDICT;
}

/* The rule, in which the counter that it was tried with (the first one) is moved. A counter of its own is enough. */
static void put_compiled(struct nlmsghdr *m, const struct compiled *compiled, const struct strlist *names) {
	const struct nlattr *last = NULL, *first_counter = NULL;
	struct nlattr *expression;
	size_t counters = 0;
	bool move;

	attributes_for_each(expression, &compiled->expressions) {
		if (is_named(expression, "counter") && counters++ == 0)
			first_counter = expression;
		last = expression;
	}
	move = counters == 1 && !is_verdict_map(last);
	attributes_for_each(expression, &compiled->expressions) {
		if (expression == first_counter && (move || counters > 1))
			continue;
		if (move && expression == last && is_verdict(expression)) {
			put_counter(m);
			move = false;
		}
		put_expression(m, expression, compiled, names);
	}
	if (move)
		put_counter(m);
}

static void put_expressions(struct nlmsghdr *m, const struct compiled *compiled, const struct strlist *names) {
	struct nlattr *list = mnl_attr_nest_start(m, NFTA_RULE_EXPRESSIONS);

	if (compiled)
		put_compiled(m, compiled, names);
	else
		put_counter(m);
	mnl_attr_nest_end(m, list);
}

static void put_userdata(struct nlmsghdr *m, const struct compiled *compiled, const struct rule_digest *digest) {
	uint8_t userdata[NFT_USERDATA_MAXLEN], *p = userdata;
	size_t theirs = compiled ? compiled->userdata.length : 0;

	if (theirs + 2 + sizeof(digest->words) > sizeof(userdata)) /* a long comment is given up for it */
		theirs = 0;
	if (theirs > 0)
		memcpy(p, compiled->userdata.data, theirs);
	p += theirs;
	*p++ = USERDATA_DIGEST;
	*p++ = sizeof(digest->words);
	memcpy(p, digest->words, sizeof(digest->words));
	mnl_attr_put(m, NFTA_RULE_USERDATA, theirs + 2 + sizeof(digest->words), userdata);
}

bool change_digest_of(const void *userdata, size_t length, struct rule_digest *ret) {
	const uint8_t *p = userdata, *end = p + length;

	for (; end - p >= 2 && end - p - 2 >= p[1]; p += 2 + p[1])
		if (p[0] == USERDATA_DIGEST && p[1] == sizeof(ret->words)) {
			memcpy(ret->words, p + 2, sizeof(ret->words));
			return true;
		}
	return false;
}

void change_rule_add(struct changes *changes, const char *chain, uint64_t before, const struct rule_digest *digest,
		     const struct compiled *compiled, uint64_t *names, void *subject) {
	_cleanup_strlist_ struct strlist sets = {0};
	struct nlmsghdr *m;

	for (size_t i = 0; compiled && i < compiled->set_count; i++) {
		if (strlist_addf(&sets, "__pvc%llx", (unsigned long long)++*names) < 0) {
			changes->failed = true;
			return;
		}
		add_set(changes, &compiled->sets[i], sets.items[i], subject);
	}
	/* with a position and without NLM_F_APPEND it is put before that rule */
	m = begin(changes, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | (before ? 0 : NLM_F_APPEND)));
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, NETWORK_TABLE);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
	if (before)
		mnl_attr_put_u64(m, NFTA_RULE_POSITION, htobe64(before));
	put_expressions(m, compiled, &sets);
	put_userdata(m, compiled, digest);
	finish(changes, "a rule of a network", subject);
}
