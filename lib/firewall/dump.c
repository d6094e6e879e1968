/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table of the kernel, with its chains and rules. Other tables are not looked at. */
#include "firewall/internal.h"

#include <net/if.h>

#define SINGLE_CHAINS 16

static int read_table(const struct nlmsghdr *message, void *userdata) {
	struct firewall_table *table = userdata;
	struct nftnl_table *read = nftnl_table_alloc();

	if (!read || nftnl_table_nlmsg_parse(message, read) < 0) {
		table->failed = true;
	} else {
		table->exists = true;
		table->flags = nftnl_table_get_u32(read, NFTNL_TABLE_FLAGS);
	}
	if (read)
		nftnl_table_free(read);
	return MNL_CB_OK;
}

static void take_chain(struct firewall_table *table, const struct nftnl_chain *read) {
	struct firewall_chain *chain;
	const char *type;

	if (!str_equal(nftnl_chain_get_str(read, NFTNL_CHAIN_TABLE), table->name))
		return;
	chain = firewall_chain_add(table, nftnl_chain_get_str(read, NFTNL_CHAIN_NAME));
	if (!chain || !nftnl_chain_is_set(read, NFTNL_CHAIN_HOOKNUM))
		return;
	chain->is_base = true;
	chain->hook = nftnl_chain_get_u32(read, NFTNL_CHAIN_HOOKNUM);
	chain->priority = nftnl_chain_get_s32(read, NFTNL_CHAIN_PRIO);
	chain->policy = nftnl_chain_get_u32(read, NFTNL_CHAIN_POLICY);
	type = nftnl_chain_get_str(read, NFTNL_CHAIN_TYPE);
	chain->type = strdup(type ? type : "");
	if (!chain->type)
		table->failed = true;
}

static int read_chain(const struct nlmsghdr *message, void *userdata) {
	struct firewall_table *table = userdata;
	struct nftnl_chain *read = nftnl_chain_alloc();

	if (!read || nftnl_chain_nlmsg_parse(message, read) < 0)
		table->failed = true;
	else
		take_chain(table, read);
	if (read)
		nftnl_chain_free(read);
	return MNL_CB_OK;
}

static int read_map(const struct nlmsghdr *message, void *userdata) {
	struct firewall_table *table = userdata;
	struct nftnl_set *read = nftnl_set_alloc();

	if (!read || nftnl_set_nlmsg_parse(message, read) < 0)
		table->failed = true;
	else if (str_equal(nftnl_set_get_str(read, NFTNL_SET_TABLE), table->name) &&
		 nftnl_set_get_u32(read, NFTNL_SET_FLAGS) == NFT_SET_MAP &&
		 nftnl_set_get_u32(read, NFTNL_SET_KEY_LEN) == IFNAMSIZ &&
		 nftnl_set_get_u32(read, NFTNL_SET_DATA_TYPE) == NFT_DATA_VERDICT)
		firewall_map_add(table, nftnl_set_get_str(read, NFTNL_SET_NAME));
	if (read)
		nftnl_set_free(read);
	return MNL_CB_OK;
}

struct reading {
	struct firewall_table *table;
	const struct firewall_table *wanted;
};

/* The chain that a rule is in, without looking at the rest of it. */
static const char *chain_of(const struct nlmsghdr *message) {
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attribute) == NFTA_RULE_CHAIN &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attribute);
	}
	return "";
}

static int read_rule(const struct nlmsghdr *message, void *userdata) {
	const struct reading *reading = userdata;
	struct firewall_table *table = reading->table;
	const struct firewall_chain *listed = firewall_chain_find(reading->wanted, chain_of(message));
	struct firewall_chain *chain = NULL;
	struct firewall_rule *rule;
	struct nftnl_rule *read;

	if (!listed || listed->is_open)
		return MNL_CB_OK;
	read = nftnl_rule_alloc();
	if (!read || nftnl_rule_nlmsg_parse(message, read) < 0)
		table->failed = true;
	else if (str_equal(nftnl_rule_get_str(read, NFTNL_RULE_TABLE), table->name))
		chain = firewall_chain_find(table, nftnl_rule_get_str(read, NFTNL_RULE_CHAIN));
	if (!chain) { /* of a chain that came after the chains were read: the generation differs, it is read again */
		if (read)
			nftnl_rule_free(read);
		return MNL_CB_OK;
	}
	rule = firewall_rule_take(chain, read);
	if (rule) {
		rule->handle = nftnl_rule_get_u64(read, NFTNL_RULE_HANDLE);
		if (firewall_rule_canonical(rule) < 0)
			table->failed = true;
	}
	return MNL_CB_OK;
}

static int dump_rules(struct firewall *firewall, const char *chain, struct reading *reading) {
	char buffer[MNL_NLMSG_HDRLEN + 512];
	struct nlmsghdr *request =
	    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, ++firewall->sequence);

	mnl_attr_put_strz(request, NFTA_RULE_TABLE,
			  reading->table->name); /* the kernel sends those of this table alone */
	if (chain)
		mnl_attr_put_strz(request, NFTA_RULE_CHAIN, chain);
	return firewall_talk(firewall, request, read_rule, reading);
}

/* A few chains of a table that may have thousands are asked for one by one. */
static int dump_chains(struct firewall *firewall, struct firewall_table *table, const struct firewall_table *wanted) {
	struct reading reading = {table, wanted};
	int r = 0;

	if (wanted->count > SINGLE_CHAINS)
		return dump_rules(firewall, NULL, &reading);
	for (size_t i = 0; i < wanted->count && r >= 0; i++)
		if (!wanted->chains[i]->is_open && firewall_chain_find(table, wanted->chains[i]->name))
			r = dump_rules(firewall, wanted->chains[i]->name, &reading);
	return r;
}

static int dump_all(struct firewall *firewall, struct firewall_table *table, const struct firewall_table *wanted) {
	char buffer[MNL_NLMSG_HDRLEN + 512];
	struct nlmsghdr *request =
	    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, ++firewall->sequence);
	int r;

	mnl_attr_put_strz(request, NFTA_TABLE_NAME, table->name);
	r = firewall_talk(firewall, request, read_table, table);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	request = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETCHAIN, NFPROTO_INET, NLM_F_DUMP, ++firewall->sequence);
	r = firewall_talk(firewall, request, read_chain, table);
	if (r < 0 || !wanted)
		return r;
	request = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSET, NFPROTO_INET, NLM_F_DUMP, ++firewall->sequence);
	mnl_attr_put_strz(request, NFTA_SET_TABLE, table->name);
	r = firewall_talk(firewall, request, read_map, table);
	if (r < 0)
		return r;
	return dump_chains(firewall, table, wanted);
}

int firewall_read(struct firewall *firewall, const char *name, const struct firewall_table *wanted,
		  struct firewall_table **ret, uint32_t *ret_generation) {
	for (unsigned i = 0; i < FIREWALL_TRIES; i++) {
		_cleanup_firewall_table_ struct firewall_table *table = firewall_table_new(name);
		uint32_t before = 0, after = 0;
		int r;

		if (!table)
			return -ENOMEM;
		r = firewall_generation(firewall, &before);
		if (r >= 0)
			r = dump_all(firewall, table, wanted);
		if (r >= 0)
			r = firewall_generation(firewall, &after);
		if (r == -EINTR || (r >= 0 && before != after))
			continue; /* somebody changed it while it was read */
		if (r < 0)
			return r;
		if (table->failed)
			return -ENOMEM;
		*ret_generation = before;
		*ret = move_ptr(table);
		return 0;
	}
	return -EAGAIN;
}
