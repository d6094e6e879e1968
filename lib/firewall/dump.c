/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table of the kernel, with its chains and rules. Other tables are not looked at. */
#include "firewall/internal.h"

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

static int read_rule(const struct nlmsghdr *message, void *userdata) {
	struct firewall_table *table = userdata;
	struct nftnl_rule *read = nftnl_rule_alloc();
	struct firewall_chain *chain = NULL;
	struct firewall_rule *rule;

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

static int dump_rules(struct firewall *firewall, struct firewall_table *table) {
	char buffer[MNL_NLMSG_HDRLEN + 512];
	struct nlmsghdr *request =
	    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, ++firewall->sequence);

	mnl_attr_put_strz(request, NFTA_RULE_TABLE, table->name); /* the kernel sends those of this table alone */
	return firewall_talk(firewall, request, read_rule, table);
}

static int dump_all(struct firewall *firewall, struct firewall_table *table) {
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
	if (r < 0)
		return r;
	return dump_rules(firewall, table);
}

int firewall_read(struct firewall *firewall, const char *name, struct firewall_table **ret, uint32_t *ret_generation) {
	for (unsigned i = 0; i < FIREWALL_TRIES; i++) {
		_cleanup_firewall_table_ struct firewall_table *table = firewall_table_new(name);
		uint32_t before = 0, after = 0;
		int r;

		if (!table)
			return -ENOMEM;
		r = firewall_generation(firewall, &before);
		if (r >= 0)
			r = dump_all(firewall, table);
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
