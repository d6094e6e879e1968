/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is wanted of one network. No I/O. */
#include "firewall/network.h"

const char *const network_direction_names[NETWORK_DIRECTION_COUNT] = {[NETWORK_IN] = "in", [NETWORK_OUT] = "out"};

void network_rules_free(struct network_rules *rules) {
	for (enum network_direction d = NETWORK_IN; d < NETWORK_DIRECTION_COUNT; d++) {
		for (size_t i = 0; i < rules->count[d]; i++) {
			free(rules->rules[d][i].name);
			free(rules->rules[d][i].text);
			free(rules->rules[d][i].problem);
		}
		free(rules->rules[d]);
		rules->rules[d] = NULL;
		rules->count[d] = 0;
	}
}

/* By number, not as text (0, 1, 2, 10); equal numbers are both kept, by name. */
static bool before(const struct network_rule *a, const struct network_rule *b) {
	return a->order != b->order ? a->order < b->order : strcmp(a->name, b->name) < 0;
}

int network_rules_add(struct network_rules *rules, enum network_direction direction, const char *name,
		      const char *order, const char *text) {
	size_t count = rules->count[direction], at = count;
	struct network_rule *grown = reallocarray(rules->rules[direction], count + 1, sizeof(*grown));
	struct network_rule rule = {.order = UINT64_MAX};

	if (!grown)
		return -ENOMEM;
	rules->rules[direction] = grown;
	if (order && parse_u64(order, 0, UINT64_MAX - 1, &rule.order) < 0)
		rule.order = UINT64_MAX;
	rule.name = strdup(name);
	rule.text = strdup(text ? text : "");
	if (!rule.name || !rule.text) {
		free(rule.name);
		free(rule.text);
		return -ENOMEM;
	}
	while (at > 0 && before(&rule, &grown[at - 1]))
		at--;
	memmove(&grown[at + 1], &grown[at], (count - at) * sizeof(*grown));
	grown[at] = rule;
	rules->count[direction] = count + 1;
	return 0;
}

char *network_rules_problems(const struct network_rules *rules) {
	_cleanup_strbuf_ struct strbuf out = {0};

	for (enum network_direction d = NETWORK_IN; d < NETWORK_DIRECTION_COUNT; d++)
		for (size_t i = 0; i < rules->count[d]; i++)
			if (rules->rules[d][i].problem) /* a failure is kept in out.failed */
				(void)strbuf_addf(&out, "%s/%s: %s\n", network_direction_names[d],
						  rules->rules[d][i].name, rules->rules[d][i].problem);
	return strbuf_steal(&out);
}
