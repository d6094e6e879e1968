/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables, chains and rules in memory, wanted ones and those that were read from the kernel. */
#include "firewall/internal.h"

static const uint32_t hooks[FIREWALL_HOOK_COUNT] = {
    [FIREWALL_PREROUTING] = NF_INET_PRE_ROUTING,   [FIREWALL_INPUT] = NF_INET_LOCAL_IN,
    [FIREWALL_FORWARD] = NF_INET_FORWARD,          [FIREWALL_OUTPUT] = NF_INET_LOCAL_OUT,
    [FIREWALL_POSTROUTING] = NF_INET_POST_ROUTING,
};
static const char *const hook_names[] = {
    [NF_INET_PRE_ROUTING] = "prerouting", [NF_INET_LOCAL_IN] = "input",           [NF_INET_FORWARD] = "forward",
    [NF_INET_LOCAL_OUT] = "output",       [NF_INET_POST_ROUTING] = "postrouting",
};
static const char *const types[FIREWALL_TYPE_COUNT] = {[FIREWALL_FILTER] = "filter", [FIREWALL_NAT] = "nat"};

static void rule_free(struct firewall_rule *rule) {
	if (!rule)
		return;
	if (rule->rule)
		nftnl_rule_free(rule->rule);
	strbuf_free(&rule->text);
	free(rule->canonical);
	free(rule);
}

static void chain_free(struct firewall_chain *chain) {
	if (!chain)
		return;
	for (size_t i = 0; i < chain->count; i++)
		rule_free(chain->rules[i]);
	free(chain->rules);
	free(chain->name);
	free(chain->type);
	free(chain);
}

struct firewall_table *firewall_table_new(const char *name) {
	struct firewall_table *table = calloc(1, sizeof(*table));

	if (table && !(table->name = strdup(name))) {
		free(table);
		return NULL;
	}
	return table;
}

void firewall_table_free(struct firewall_table *table) {
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		chain_free(table->chains[i]);
	free(table->chains);
	strlist_free(&table->maps);
	free(table->name);
	free(table);
}

void firewall_table_leave(struct firewall_table *table, const char *prefix) {
	if (table)
		table->leave = prefix;
}

struct firewall_chain *firewall_chain_find(const struct firewall_table *table, const char *name) {
	for (size_t i = 0; i < table->count; i++)
		if (str_equal(table->chains[i]->name, name))
			return table->chains[i];
	return NULL;
}

struct firewall_chain *firewall_chain_add(struct firewall_table *table, const char *name) {
	struct firewall_chain *chain, **grown;

	if (!table)
		return NULL;
	chain = calloc(1, sizeof(*chain));
	grown = reallocarray(table->chains, table->count + 1, sizeof(struct firewall_chain *));
	if (grown)
		table->chains = grown;
	if (!chain || !grown || !(chain->name = strdup(name))) {
		chain_free(chain);
		table->failed = true;
		return NULL;
	}
	chain->table = table;
	table->chains[table->count++] = chain;
	return chain;
}

void firewall_chain_base(struct firewall_chain *chain, enum firewall_type type, enum firewall_hook hook, int priority,
			 enum firewall_policy policy) {
	if (!chain)
		return;
	chain->is_base = true;
	free(chain->type);
	chain->type = strdup(types[type]);
	chain->hook = hooks[hook];
	chain->priority = priority;
	chain->policy = policy == FIREWALL_POLICY_DROP ? NF_DROP : NF_ACCEPT;
	if (!chain->type)
		chain->table->failed = true;
}

void firewall_chain_open(struct firewall_chain *chain) {
	if (chain)
		chain->is_open = true;
}

void firewall_map_add(struct firewall_table *table, const char *name) {
	if (table && strlist_add(&table->maps, name) < 0)
		table->failed = true;
}

struct firewall_rule *firewall_rule_take(struct firewall_chain *chain, struct nftnl_rule *nftnl) {
	struct firewall_rule *rule = calloc(1, sizeof(*rule)), **grown;

	grown = reallocarray(chain->rules, chain->count + 1, sizeof(struct firewall_rule *));
	if (grown)
		chain->rules = grown;
	if (!rule || !grown || !nftnl) {
		free(rule);
		if (nftnl)
			nftnl_rule_free(nftnl);
		chain->table->failed = true;
		return NULL;
	}
	*rule = (struct firewall_rule){.chain = chain, .rule = nftnl};
	chain->rules[chain->count++] = rule;
	return rule;
}

struct firewall_rule *firewall_rule_add(struct firewall_chain *chain) {
	struct nftnl_rule *nftnl;

	if (!chain)
		return NULL;
	nftnl = nftnl_rule_alloc();
	if (nftnl) {
		nftnl_rule_set_u32(nftnl, NFTNL_RULE_FAMILY, NFPROTO_INET);
		if (nftnl_rule_set_str(nftnl, NFTNL_RULE_TABLE, chain->table->name) < 0 ||
		    nftnl_rule_set_str(nftnl, NFTNL_RULE_CHAIN, chain->name) < 0) {
			nftnl_rule_free(nftnl);
			nftnl = NULL;
		}
	}
	return firewall_rule_take(chain, nftnl);
}

static int print_chain(struct strbuf *out, const struct firewall_chain *chain) {
	(void)strbuf_addf(out, "\tchain %s {\n", chain->name); /* a failure is kept in out->failed */
	if (chain->is_base)
		(void)strbuf_addf(out, "\t\ttype %s hook %s priority %d; policy %s;\n", chain->type,
				  hook_names[chain->hook], chain->priority,
				  chain->policy == NF_DROP ? "drop" : "accept");
	for (size_t i = 0; i < chain->count; i++)
		(void)strbuf_addf(out, "\t\t%s\n", chain->rules[i]->text.data ? chain->rules[i]->text.data : "");
	return strbuf_puts(out, "\t}\n");
}

char *firewall_table_text(const struct firewall_table *table) {
	_cleanup_strbuf_ struct strbuf out = {0};

	if (!table || table->failed)
		return NULL;
	(void)strbuf_addf(&out, "table inet %s {\n", table->name);
	for (size_t i = 0; i < table->maps.count; i++)
		(void)strbuf_addf(&out, "\tmap %s {\n\t\ttype ifname : verdict\n\t}\n", table->maps.items[i]);
	for (size_t i = 0; i < table->count; i++)
		(void)print_chain(&out, table->chains[i]);
	(void)strbuf_puts(&out, "}\n");
	return strbuf_steal(&out);
}
