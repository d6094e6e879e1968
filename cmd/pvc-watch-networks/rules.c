/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One direction's rules of one network: the list of their names, and of each its text and its number, all watched
 * (D67). Clients delete key after key, so a missing text is not acted on before SETTLE_TIME.
 */
#include "daemon.h"

struct rule {
	struct rule_list *list;
	char *name;
	struct store_watch *watches[2];
	char *values[2]; /* NULL: the key is missing */
	bool seen[2];
};
enum { TEXT, ORDER };
static const char *const keys[] = {[TEXT] = "rule", [ORDER] = "order"};

static void rule_free(struct rule *rule) {
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (rule->list->network->daemon->store)
			store_watch_free(rule->watches[i]);
		free(rule->values[i]);
	}
	free(rule->name);
	free(rule);
}

static void incomplete(struct network *network) {
	if (!network->settle_since)
		network->settle_since = now_monotonic();
}

static void take(struct rule *rule, int which, const struct store_value *value) {
	struct network *network = rule->list->network;
	const char *text = value_text(value);
	bool same = rule->seen[which] && str_equal(text, rule->values[which]);

	rule->seen[which] = true;
	if (same)
		return;
	free(rule->values[which]);
	rule->values[which] = text ? strdup(text) : NULL;
	if (!text && which == TEXT)
		incomplete(network);
	else
		filters_mark(network);
}

static void text_changed(struct store *store, const struct store_value *value, void *userdata) {
	(void)store;
	take(userdata, TEXT, value);
}

static void order_changed(struct store *store, const struct store_value *value, void *userdata) {
	(void)store;
	take(userdata, ORDER, value);
}

static char *path_of(const struct rule_list *list, const char *name, const char *key) {
	_cleanup_free_ char *vni = str_printf("%u", list->network->vni);

	return vni ? store_path(STORE_NETWORKS, vni, "firewall_rules", network_direction_names[list->direction], name,
				key, NULL)
		   : NULL;
}

static struct rule *rule_new(struct rule_list *list, const char *name) {
	static const store_watch_value_fn changed[] = {[TEXT] = text_changed, [ORDER] = order_changed};
	struct rule *rule = calloc(1, sizeof(*rule));
	int r = rule ? 0 : -ENOMEM;

	if (rule)
		rule->list = list;
	if (rule && !(rule->name = strdup(name)))
		r = -ENOMEM;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *path = path_of(list, name, keys[i]);

		r = path ? store_watch_value(list->network->daemon->store, path, changed[i], rule, &rule->watches[i])
			 : -ENOMEM;
	}
	if (r < 0) {
		log_error("cannot watch a rule of network %u: %s", list->network->vni, strerror(-r));
		if (rule)
			rule_free(rule);
		return NULL;
	}
	return rule;
}

/* Both lists are sorted by name. */
static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct rule_list *list = userdata;
	size_t wanted = children ? children->count : 0, old = 0, count = 0;
	struct rule **rules;

	(void)store;
	if (wanted > RULES_MAX) {
		log_warning("network %u has %zu rules in one direction: only %u are used", list->network->vni, wanted,
			    RULES_MAX);
		wanted = RULES_MAX;
	}
	rules = calloc(wanted + 1, sizeof(struct rule *));
	if (!rules) {
		log_error("not enough memory for the rules of network %u", list->network->vni);
		return;
	}
	for (size_t i = 0; i < wanted; i++) {
		struct rule *rule = NULL;

		while (old < list->count && strcmp(list->rules[old]->name, children->items[i]) < 0)
			rule_free(list->rules[old++]);
		if (old < list->count && str_equal(list->rules[old]->name, children->items[i]))
			rule = list->rules[old++];
		else
			rule = rule_new(list, children->items[i]);
		if (rule)
			rules[count++] = rule;
	}
	while (old < list->count)
		rule_free(list->rules[old++]);
	free(list->rules);
	list->rules = rules;
	list->count = count;
	if (!children && list->seen) /* the network is being deleted, most likely */
		incomplete(list->network);
	else
		filters_mark(list->network);
	list->seen = true;
}

int rules_start(struct rule_list *list, struct network *network, enum network_direction direction) {
	_cleanup_free_ char *path = NULL;

	*list = (struct rule_list){.network = network, .direction = direction};
	path = path_of(list, NULL, NULL);
	return path ? store_watch_list(network->daemon->store, path, list_changed, list, &list->watch) : -ENOMEM;
}

void rules_stop(struct rule_list *list) {
	if (list->network && list->network->daemon->store)
		store_watch_free(list->watch);
	for (size_t i = 0; i < list->count; i++)
		rule_free(list->rules[i]);
	free(list->rules);
	*list = (struct rule_list){0};
}

bool rules_seen(const struct rule_list *list) {
	for (size_t i = 0; i < list->count; i++)
		if (!list->rules[i]->seen[TEXT] || !list->rules[i]->seen[ORDER])
			return false;
	return list->seen;
}

int rules_collect(const struct rule_list *list, struct network_rules *ret) {
	for (size_t i = 0; i < list->count; i++) {
		const struct rule *rule = list->rules[i];
		int r = network_rules_add(ret, list->direction, rule->name, rule->values[ORDER], rule->values[TEXT]);

		if (r < 0)
			return r;
	}
	return 0;
}
