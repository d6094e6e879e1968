/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firewall/harvest.h"

#include "firewall/internal.h"

#include <arpa/inet.h>

struct harvest {
	struct compiled *rules; /* one for each text */
	unsigned *seen;         /* how many rules its chain has */
	size_t count;
	struct compiled_set *sets;
	size_t set_count;
	struct compiled_set *filling; /* whose elements are read */
	size_t tables, base_rules;
	bool failed;          /* an allocation failed */
	const char *stranger; /* what should not be there */
};

static void set_free(struct compiled_set *set) {
	free(set->name);
	strbuf_free(&set->attributes);
	strbuf_free(&set->elements);
}

static void compiled_deinit(struct compiled *compiled) {
	for (size_t i = 0; i < compiled->set_count; i++)
		set_free(&compiled->sets[i]);
	free(compiled->sets);
	strbuf_free(&compiled->expressions);
	strbuf_free(&compiled->userdata);
}

void compiled_free(struct compiled *compiled) {
	if (!compiled)
		return;
	compiled_deinit(compiled);
	free(compiled);
}

static void harvest_deinit(struct harvest *h) {
	for (size_t i = 0; i < h->set_count; i++)
		set_free(&h->sets[i]);
	for (size_t i = 0; h->rules && i < h->count; i++)
		compiled_deinit(&h->rules[i]);
	free(h->sets);
	free(h->rules);
	free(h->seen);
}

/* The value of a string attribute of a message, or "". */
static const char *string_of(const struct nlmsghdr *message, uint16_t type) {
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) == type && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attribute);
	}
	return "";
}

/* The text that a chain belongs to, or h->count. */
static size_t index_of(const struct harvest *h, const char *chain) {
	uint64_t index;

	if (!str_starts(chain, HARVEST_PREFIX) ||
	    parse_u64(chain + strlen(HARVEST_PREFIX), 0, h->count - 1, &index) < 0)
		return h->count;
	return (size_t)index;
}

static int see_table(const struct nlmsghdr *message, void *userdata) {
	struct harvest *h = userdata;

	if (++h->tables > 1 || !str_equal(string_of(message, NFTA_TABLE_NAME), HARVEST_TABLE))
		h->stranger = "it makes a table";
	return MNL_CB_OK;
}

static int see_chain(const struct nlmsghdr *message, void *userdata) {
	struct harvest *h = userdata;
	const char *name = string_of(message, NFTA_CHAIN_NAME);

	if (!str_equal(name, HARVEST_BASE) && index_of(h, name) == h->count)
		h->stranger = "it makes a chain";
	return MNL_CB_OK;
}

static int see_object(const struct nlmsghdr *message, void *userdata) {
	struct harvest *h = userdata;

	(void)message;
	h->stranger = "it makes an object with a name";
	return MNL_CB_OK;
}

static int see_set(const struct nlmsghdr *message, void *userdata) {
	/* all that describes a set to the kernel; the others say where it is */
	static const bool kept[NFTA_SET_MAX + 1] = {
	    [NFTA_SET_FLAGS] = true,     [NFTA_SET_KEY_TYPE] = true, [NFTA_SET_KEY_LEN] = true,
	    [NFTA_SET_DATA_TYPE] = true, [NFTA_SET_DATA_LEN] = true, [NFTA_SET_POLICY] = true,
	    [NFTA_SET_DESC] = true,      [NFTA_SET_USERDATA] = true,
	};
	struct harvest *h = userdata;
	struct compiled_set *grown = reallocarray(h->sets, h->set_count + 1, sizeof(*grown)), *set;
	struct nlattr *attribute;
	uint32_t flags = 0;

	if (!grown) {
		h->failed = true;
		return MNL_CB_OK;
	}
	h->sets = grown;
	set = &grown[h->set_count++];
	*set = (struct compiled_set){.name = strdup(string_of(message, NFTA_SET_NAME))};
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == NFTA_SET_FLAGS)
			flags = ntohl(mnl_attr_get_u32(attribute));
		if (type <= NFTA_SET_MAX && kept[type]) /* a failure is kept in the buffer */
			(void)strbuf_add(&set->attributes, (const char *)attribute, MNL_ALIGN(attribute->nla_len));
	}
	if (!(flags & NFT_SET_ANONYMOUS) || flags & (NFT_SET_EVAL | NFT_SET_TIMEOUT | NFT_SET_OBJECT))
		h->stranger = "it uses a set that lasts (meter, add, update): only sets in braces are possible";
	if (!set->name || set->attributes.failed)
		h->failed = true;
	return MNL_CB_OK;
}

static int see_elements(const struct nlmsghdr *message, void *userdata) {
	struct harvest *h = userdata;
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		if (strbuf_add(&h->filling->elements, mnl_attr_get_payload(attribute),
			       MNL_ALIGN(mnl_attr_get_payload_len(attribute))) < 0)
			h->failed = true;
	}
	return MNL_CB_OK;
}

static int see_rule(const struct nlmsghdr *message, void *userdata) {
	struct harvest *h = userdata;
	const char *chain = string_of(message, NFTA_RULE_CHAIN);
	size_t index = index_of(h, chain);
	struct nlattr *attribute;

	if (str_equal(chain, HARVEST_BASE)) {
		h->base_rules++;
		return MNL_CB_OK;
	}
	if (index == h->count || h->seen[index]++ > 0) {
		h->stranger = "it is more than one rule";
		return MNL_CB_OK;
	}
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(attribute);
		struct strbuf *into = type == NFTA_RULE_EXPRESSIONS ? &h->rules[index].expressions
				      : type == NFTA_RULE_USERDATA  ? &h->rules[index].userdata
								    : NULL;

		if (into && strbuf_add(into, mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute)) < 0)
			h->failed = true;
	}
	return MNL_CB_OK;
}

static int dump(struct firewall *firewall, uint16_t type, mnl_cb_t each, struct harvest *h) {
	char buffer[MNL_NLMSG_HDRLEN + 512];
	struct nlmsghdr *request =
	    nftnl_nlmsg_build_hdr(buffer, type, NFPROTO_UNSPEC, NLM_F_DUMP, ++firewall->sequence);
	int r;

	if (h->filling) {
		((struct nfgenmsg *)mnl_nlmsg_get_payload(request))->nfgen_family = NFPROTO_INET;
		mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, HARVEST_TABLE);
		mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, h->filling->name);
	}
	r = firewall_talk(firewall, request, each, h);
	return r < 0 ? r : h->failed ? -ENOMEM : 0;
}

static int dump_all(struct firewall *firewall, struct harvest *h) {
	static const struct {
		uint16_t type;
		mnl_cb_t each;
	} dumps[] = {
	    {NFT_MSG_GETTABLE, see_table}, {NFT_MSG_GETCHAIN, see_chain},      {NFT_MSG_GETSET, see_set},
	    {NFT_MSG_GETOBJ, see_object},  {NFT_MSG_GETFLOWTABLE, see_object}, {NFT_MSG_GETRULE, see_rule},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dumps) && r >= 0; i++)
		r = dump(firewall, dumps[i].type, dumps[i].each, h);
	for (size_t i = 0; i < h->set_count && r >= 0; i++) {
		h->filling = &h->sets[i];
		r = dump(firewall, NFT_MSG_GETSETELEM, see_elements, h);
	}
	return r;
}

/* ---- elements in the order in which the kernel takes them ---- */

static const struct nlattr *child(const struct nlattr *parent, uint16_t type) {
	struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, parent) {
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

static uint32_t element_flags(const struct nlattr *element) {
	const struct nlattr *flags = child(element, NFTA_SET_ELEM_FLAGS);

	return flags ? ntohl(mnl_attr_get_u32(flags)) : 0;
}

/* By key; where one interval ends and the next begins, the end first. */
static int by_key(const void *a, const void *b) {
	const struct nlattr *const *x = a, *const *y = b;
	const struct nlattr *k = child(*x, NFTA_SET_ELEM_KEY), *l = child(*y, NFTA_SET_ELEM_KEY);
	size_t m = k ? mnl_attr_get_payload_len(k) : 0, n = l ? mnl_attr_get_payload_len(l) : 0;
	int c = m > 0 && n > 0 ? memcmp(mnl_attr_get_payload(k), mnl_attr_get_payload(l), m < n ? m : n) : 0;
	uint32_t p = element_flags(*x) & NFT_SET_ELEM_INTERVAL_END, q = element_flags(*y) & NFT_SET_ELEM_INTERVAL_END;

	return c ? c : (p < q) - (p > q);
}

static int sort_elements(struct compiled_set *set) {
	_cleanup_free_ const struct nlattr **list = NULL;
	_cleanup_strbuf_ struct strbuf sorted = {0};
	struct nlattr *element;
	size_t count = 0;

	list = calloc(set->elements.length / MNL_ATTR_HDRLEN + 1, sizeof(struct nlattr *));
	if (!list)
		return -ENOMEM;
	attributes_for_each(element, &set->elements) {
		list[count++] = element;
	}
	qsort(list, count, sizeof(struct nlattr *), by_key);
	for (size_t i = 0; i < count; i++) { /* a failure is kept in the buffer */
		if (list[i]->nla_len > COMPILED_MAX)
			return -E2BIG;
		(void)strbuf_add(&sorted, (const char *)list[i], MNL_ALIGN(list[i]->nla_len));
	}
	if (sorted.failed)
		return -ENOMEM;
	strbuf_free(&set->elements);
	set->elements = sorted;
	sorted = (struct strbuf){0};
	return 0;
}

/* ---- rules ---- */

static struct compiled_set *set_find(struct harvest *h, const char *name) {
	for (size_t i = 0; i < h->set_count; i++)
		if (str_equal(h->sets[i].name, name))
			return &h->sets[i];
	return NULL;
}

/* Moves a set to the rule that uses it. */
static int set_take(struct harvest *h, struct compiled *compiled, const struct nlattr *name) {
	struct compiled_set *set = name ? set_find(h, mnl_attr_get_str(name)) : NULL;
	struct compiled_set *grown = reallocarray(compiled->sets, compiled->set_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	compiled->sets = grown;
	if (!set) {
		h->stranger = "it uses a set of others";
		return 0;
	}
	if (set->attributes.length > COMPILED_MAX)
		return -E2BIG;
	grown[compiled->set_count++] = *set;
	*set = (struct compiled_set){0};
	return sort_elements(&grown[compiled->set_count - 1]);
}

static bool leads_away(const struct nlattr *immediate) {
	const struct nlattr *data = child(immediate, NFTA_IMMEDIATE_DATA),
			    *verdict = data ? child(data, NFTA_DATA_VERDICT) : NULL;

	return verdict && child(verdict, NFTA_VERDICT_CHAIN);
}

static int take_rule(struct harvest *h, struct compiled *compiled) {
	/* what names things outside of the rule */
	static const char *const refused[] = {"dynset", "objref", "flow_offload", "match", "target"};
	struct nlattr *expression;
	int r = 0;

	attributes_for_each(expression, &compiled->expressions) {
		const struct nlattr *name = child(expression, NFTA_EXPR_NAME),
				    *data = child(expression, NFTA_EXPR_DATA);
		const char *word = name ? mnl_attr_get_str(name) : "";

		for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
			if (str_equal(word, refused[i]))
				h->stranger = "it uses an object with a name";
		if (str_equal(word, "immediate") && data && leads_away(data))
			h->stranger = "it leads to another chain";
		if (str_equal(word, "lookup") && (r = set_take(h, compiled, child(data, NFTA_LOOKUP_SET))) < 0)
			return r;
	}
	if (compiled->expressions.length > COMPILED_MAX)
		return -E2BIG;
	return 0;
}

/* Every text has one rule; hands them over. */
static int deliver(struct harvest *h, struct rule_source *const sources[]) {
	for (size_t i = 0; i < h->count && !h->stranger; i++) {
		int r = h->seen[i] == 1 ? take_rule(h, &h->rules[i]) : 0;

		if (h->seen[i] != 1)
			h->stranger = "it is no rule";
		if (r == -E2BIG)
			h->stranger = "what the kernel makes of it is too long: make two rules of it";
		else if (r < 0)
			return r;
	}
	for (size_t i = 0; i < h->set_count && !h->stranger; i++)
		if (h->sets[i].name)
			h->stranger = "it makes a set that it does not use";
	for (size_t i = 0; i < h->count && !h->stranger; i++) {
		sources[i]->compiled = malloc(sizeof(struct compiled));
		if (!sources[i]->compiled)
			return -ENOMEM;
		*sources[i]->compiled = h->rules[i];
		h->rules[i] = (struct compiled){0};
	}
	return 0;
}

int harvest(struct rule_source *const sources[], size_t count, char **ret_words) {
	_cleanup_(harvest_deinit) struct harvest h = {
	    .rules = calloc(count, sizeof(struct compiled)), .seen = calloc(count, sizeof(unsigned)), .count = count};
	_cleanup_firewall_ struct firewall *firewall = NULL;
	int r;

	if (!h.rules || !h.seen)
		return -ENOMEM;
	r = firewall_open(&firewall);
	if (r >= 0)
		r = dump_all(firewall, &h);
	if (r >= 0 && h.base_rules != count)
		h.stranger = "it adds rules to other chains";
	if (r >= 0 && !h.stranger)
		r = deliver(&h, sources);
	if (r < 0)
		return error_set(ret_words, r, "cannot read what nft made of the rules: %s", strerror(-r));
	return h.stranger ? error_set(ret_words, -EIO, "%s", h.stranger) : 0;
}
