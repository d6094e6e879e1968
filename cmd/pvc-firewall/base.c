/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The base ruleset. Like the reference's it drops nothing and nobody can be locked out by it: two base chains of policy
 * accept, and the places where snippets and client networks hang their rules. It stands in a table of our own where the
 * reference emptied the whole ruleset of the host and took `inet filter` (D63).
 */
#include "ruleset.h"

static void jump(struct firewall_chain *chain, const char *target) {
	struct firewall_rule *rule = firewall_rule_add(chain);

	firewall_counter(rule);
	firewall_jump(rule, target);
}

struct firewall_table *ruleset_base(void) {
	static const struct {
		const char *base, *snippets, *networks;
		enum firewall_hook hook;
	} chains[] = {
	    {"input", "static-input", "networks-input", FIREWALL_INPUT},
	    {"forward", "static-forward", "networks-forward", FIREWALL_FORWARD},
	};
	struct firewall_table *table = firewall_table_new(RULESET_TABLE);

	firewall_table_leave(table, RULESET_PREFIX);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		struct firewall_chain *chain;

		firewall_chain_open(firewall_chain_add(table, chains[i].snippets));
		firewall_chain_open(firewall_chain_add(table, chains[i].networks));
		chain = firewall_chain_add(table, chains[i].base);
		firewall_chain_base(chain, FIREWALL_FILTER, chains[i].hook, 0, FIREWALL_POLICY_ACCEPT);
		jump(chain, chains[i].snippets);
		jump(chain, chains[i].networks);
	}
	return table;
}
