/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The operator's firewall rules of a network. The orders of one direction are 0, 1, 2...; whoever adds or removes a
 * rule writes those that change, and both containers at the versions that were read before the rules were: two at once
 * never give the same order or the same name twice.
 */
#include "network.h"

const char *const net_directions[2] = {"in", "out"};

void net_rules_free(struct net_rules *r) {
	for (size_t i = 0; i < r->count; i++) {
		free(r->rules[i].name);
		free(r->rules[i].text);
	}
	free(r->rules);
	*r = (struct net_rules){0};
}

static int by_order(const void *a, const void *b) {
	const struct net_rule *x = a, *y = b;

	return x->order != y->order ? (x->order > y->order) - (x->order < y->order) : strcmp(x->name, y->name);
}

static int take_rules(const struct strlist *names, const struct snapshot *values, struct net_rules *ret) {
	struct net_rules r = {calloc(names->count + 1, sizeof(*r.rules)), 0};

	for (size_t i = 0; r.rules && i < names->count; i++) {
		const struct fetched *order = &values->values[2 * i], *text = &values->values[2 * i + 1];
		struct net_rule *rule = &r.rules[r.count++];

		*rule = (struct net_rule){strdup(names->items[i]), text->exists ? strdup(text->data) : NULL,
					  net_order(order->data), order->stat, order->exists};
		if (!rule->name || (text->exists && !rule->text)) {
			net_rules_free(&r);
			return -ENOMEM;
		}
	}
	if (!r.rules)
		return -ENOMEM;
	qsort(r.rules, r.count, sizeof(*r.rules), by_order);
	*ret = r;
	return 0;
}

int net_rules_read(struct ctl *ctl, const char *vni, const char *direction, struct net_rules *ret) {
	_cleanup_free_ char *path = store_path(STORE_NETWORKS, vni, "firewall_rules", direction, NULL);
	_cleanup_strlist_ struct strlist names = {0}, paths = {0};
	_cleanup_snapshot_ struct snapshot values = {0};
	int r = path ? fetch_children(ctl, path, &names) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < names.count; i++) {
		r = strlist_addf(&paths, "%s/%s/order", path, names.items[i]);
		if (r >= 0)
			r = strlist_addf(&paths, "%s/%s/rule", path, names.items[i]);
	}
	if (r >= 0)
		r = fetch_many(ctl, &paths, &values);
	return r < 0 ? r : take_rules(&names, &values, ret);
}

json_t *net_rule_json(const char *direction, const struct net_rule *rule) {
	return json_pack("{s:s, s:o, s:o, s:o}", "direction", direction, "order",
			 json_number(rule->order > INT64_MAX ? -1 : (int64_t)rule->order), "description",
			 json_text(rule->name), "rule", json_text(rule->text));
}

/* ---- list ---- */

int network_rule_list(struct ctl *ctl) {
	static const char *const titles[] = {"DIRECTION", ">ORDER", "NAME", "RULE"};
	_cleanup_net_ref_ struct net_ref network = {0};
	_cleanup_table_ struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	json_t *array = wants_json(ctl) ? json_array() : NULL;
	int r = network_find(ctl, ctl->arguments[0], &network);

	for (size_t i = 0; r == EXIT_OK && i < ARRAY_SIZE(net_directions); i++) {
		_cleanup_net_rules_ struct net_rules rules = {0};

		r = net_rules_read(ctl, network.vni, net_directions[i], &rules);
		if (r < 0)
			r = failed(r, "cannot read the rules of network %s: %s", network.vni, store_error_text(r));
		for (size_t k = 0; k < rules.count; k++) {
			const struct net_rule *rule = &rules.rules[k];

			(void)json_array_append_new(array, array ? net_rule_json(net_directions[i], rule)
								 : NULL); /* fails only without memory */
			table_add(&table, net_directions[i]);
			table_add_number(&table, rule->order > INT64_MAX ? -1 : (int64_t)rule->order);
			table_add(&table, rule->name);
			table_add(&table, rule->text);
		}
	}
	if (r == EXIT_OK && wants_json(ctl))
		return json_print(array);
	json_decref(array);
	return r == EXIT_OK ? table_print(&table) : r;
}

/* ---- add and remove ---- */

struct rule_change {
	const struct net_ref *network;
	const char *direction; /* remove: found out by each try */
	const char *name;
	const char *text; /* NULL: remove */
	uint64_t order;   /* UINT64_MAX: at the end */
	struct net_rules rules[ARRAY_SIZE(net_directions)];
};

static char *rule_path(const struct rule_change *c, const char *direction, const char *name, const char *key) {
	return store_path(STORE_NETWORKS, c->network->vni, "firewall_rules", direction, name, key, NULL);
}

/* Reads all rules, and makes the transaction fail when somebody else changes some in between. */
static int read_guarded(struct ctl *ctl, struct store_txn *txn, struct rule_change *c) {
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(net_directions); i++) {
		_cleanup_free_ char *path = rule_path(c, net_directions[i], NULL, NULL);

		net_rules_free(&c->rules[i]);
		r = network_guard(ctl, txn, path);
		if (r >= 0)
			r = net_rules_read(ctl, c->network->vni, net_directions[i], &c->rules[i]);
	}
	return r;
}

/* The direction that has a rule of this name, or NULL. */
static const char *direction_of(const struct rule_change *c, const char *name) {
	for (size_t i = 0; i < ARRAY_SIZE(net_directions); i++)
		for (size_t k = 0; k < c->rules[i].count; k++)
			if (str_equal(c->rules[i].rules[k].name, name))
				return net_directions[i];
	return NULL;
}

static int put_order(struct store_txn *txn, const struct rule_change *c, const struct net_rule *rule, uint64_t order) {
	_cleanup_free_ char *path = rule_path(c, c->direction, rule->name, "order");
	_cleanup_free_ char *text = str_printf("%llu", (unsigned long long)order);
	struct store_value seen = {.exists = rule->has_order, .stat = rule->order_stat};

	return path && text ? store_txn_put(txn, path, &seen, text) : -ENOMEM;
}

static int create_rule(struct store_txn *txn, const struct rule_change *c, uint64_t order) {
	_cleanup_free_ char *self = rule_path(c, c->direction, c->name, NULL);
	_cleanup_free_ char *order_path = rule_path(c, c->direction, c->name, "order");
	_cleanup_free_ char *rule = rule_path(c, c->direction, c->name, "rule");
	_cleanup_free_ char *text = str_printf("%llu", (unsigned long long)order);
	int r = self && order_path && rule && text ? store_txn_create(txn, self, "") : -ENOMEM;

	if (r >= 0)
		r = store_txn_create(txn, order_path, text);
	return r < 0 ? r : store_txn_create(txn, rule, c->text);
}

/* Gives all rules of the direction their numbers: room for the new one, none for the one that goes. */
static int renumber(struct store_txn *txn, const struct rule_change *c) {
	const struct net_rules *rules = &c->rules[str_equal(c->direction, net_directions[1])];
	uint64_t place = c->order < rules->count ? c->order : rules->count, next = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < rules->count; i++) {
		if (!c->text && str_equal(rules->rules[i].name, c->name))
			continue;
		if (c->text && next == place)
			next++;
		if (rules->rules[i].order != next)
			r = put_order(txn, c, &rules->rules[i], next);
		next++;
	}
	return r < 0 || !c->text ? r : create_rule(txn, c, place);
}

static int attempt(struct ctl *ctl, struct store_txn *txn, void *userdata, int *ret_error) {
	struct rule_change *c = userdata;
	_cleanup_networks_ struct networks n = {0};
	_cleanup_free_ char *path = NULL;
	int r = networks_read(ctl, c->network->vni, &n);

	if (r == -ENOENT)
		return failed(r, "network %s is gone", c->network->vni);
	if (r >= 0)
		r = read_guarded(ctl, txn, c);
	if (r >= 0 && c->text && direction_of(c, c->name))
		return failed_with(EXIT_FAILED, "network %s has a rule named '%s' already ('%s')", c->network->vni,
				   c->name, direction_of(c, c->name));
	if (r >= 0 && !c->text) {
		c->direction = direction_of(c, c->name);
		if (!c->direction)
			return failed_with(EXIT_FAILED,
					   "network %s has no rule of that name; 'pvcctl network rule list %s' shows "
					   "all",
					   c->network->vni, c->network->vni);
		path = rule_path(c, c->direction, c->name, NULL);
		r = path ? network_delete_tree(ctl, txn, path) : -ENOMEM;
	}
	if (r >= 0)
		r = renumber(txn, c);
	*ret_error = r < 0 ? r : 0;
	return EXIT_OK;
}

static int change(struct ctl *ctl, struct rule_change *c, const char *done) {
	_cleanup_net_ref_ struct net_ref network = {0};
	_cleanup_free_ char *what = NULL, *shown = str_printable(c->name, 100);
	int r = network_find(ctl, ctl->arguments[0], &network);

	if (r != EXIT_OK)
		return r;
	c->network = &network;
	what = str_printf("change the rules of network %s", network.vni);
	r = what && shown ? network_change(ctl, attempt, c, what) : failed(-ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(c->rules); i++)
		net_rules_free(&c->rules[i]);
	if (r == EXIT_OK)
		printf("Rule '%s' is %s network %s.\n", shown, done, network.vni);
	return r;
}

int network_rule_add(struct ctl *ctl) {
	_cleanup_free_ char *error = NULL;
	struct rule_change c = {.direction = ctl->arguments[1],
				.name = ctl->arguments[2],
				.text = ctl->arguments[3],
				.order = ctl->options.order};

	if (!str_equal(c.direction, net_directions[0]) && !str_equal(c.direction, net_directions[1]))
		return failed_with(EXIT_USAGE,
				   "the direction is 'in' (to the network) or 'out' (from it); try 'pvcctl network "
				   "rule add --help'");
	if (net_check_rule_name(c.name, &error) < 0 || net_check_rule(c.text, &error) < 0)
		return failed_with(EXIT_FAILED, "%s", error ? error : "out of memory");
	return change(ctl, &c, "added to");
}

int network_rule_remove(struct ctl *ctl) {
	struct rule_change c = {.name = ctl->arguments[1], .order = UINT64_MAX};

	return change(ctl, &c, "removed from");
}
