/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is wanted against what is: the operations that make them equal, in the order in which the kernel accepts them
 * (rules go before the chains that they jump to, chains come before the rules that jump to them). Equal rules at the
 * head and the tail of a chain stay as they are, so their counters go on counting. No I/O.
 */
#include "firewall/internal.h"

static int add(struct firewall_plan *plan, struct operation operation) {
	struct operation *grown = reallocarray(plan->operations, plan->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	plan->operations = grown;
	plan->operations[plan->count++] = operation;
	return 0;
}

static bool same_place(const struct firewall_chain *a, const struct firewall_chain *b) {
	if (a->is_base != b->is_base)
		return false;
	return !a->is_base || (a->hook == b->hook && a->priority == b->priority && str_equal(a->type, b->type));
}

static bool same_rule(const struct firewall_rule *a, const struct firewall_rule *b) {
	return str_equal(a->canonical, b->canonical);
}

/* How many rules at the head and at the tail are the same in both. */
static void common(const struct firewall_chain *wanted, const struct firewall_chain *actual, size_t *head,
		   size_t *tail) {
	size_t least = wanted->count < actual->count ? wanted->count : actual->count;

	*head = *tail = 0;
	while (*head < least && same_rule(wanted->rules[*head], actual->rules[*head]))
		++*head;
	while (*tail < least - *head &&
	       same_rule(wanted->rules[wanted->count - 1 - *tail], actual->rules[actual->count - 1 - *tail]))
		++*tail;
}

/* Is this chain of the kernel in the way: wanted elsewhere, or a base chain that nobody wants? */
static bool must_go(const struct firewall_table *wanted, const struct firewall_chain *actual) {
	const struct firewall_chain *want = firewall_chain_find(wanted, actual->name);

	if (want)
		return !same_place(want, actual);
	return actual->is_base && !(wanted->leave && str_starts(actual->name, wanted->leave));
}

static int removals(const struct firewall_table *wanted, struct firewall_plan *plan) {
	const struct firewall_table *actual = plan->actual;
	int r = 0;

	for (size_t i = 0; i < actual->count && r >= 0; i++) {
		const struct firewall_chain *chain = actual->chains[i],
					    *want = firewall_chain_find(wanted, chain->name);
		size_t head, tail;

		if (must_go(wanted, chain)) {
			r = add(plan, (struct operation){
					  .kind = OPERATION_CHAIN_FLUSH, .chain = chain, .rule = NULL, .handle = 0});
			if (r >= 0)
				r = strlist_addf(&plan->differences,
						 want ? "chain %s: hangs at another hook or priority"
						      : "chain %s: a base chain that is not ours, in our table",
						 chain->name);
		} else if (want && !want->is_open) {
			common(want, chain, &head, &tail);
			for (size_t k = head; k < chain->count - tail && r >= 0; k++) {
				r = add(plan, (struct operation){.kind = OPERATION_RULE_DELETE,
								 .chain = chain,
								 .handle = chain->rules[k]->handle});
				if (r >= 0)
					r = strlist_addf(&plan->differences, "chain %s: unwanted rule %zu (%s)",
							 chain->name, k + 1, chain->rules[k]->canonical);
			}
		}
	}
	for (size_t i = 0; i < actual->count && r >= 0; i++)
		if (must_go(wanted, actual->chains[i]))
			r = add(plan, (struct operation){.kind = OPERATION_CHAIN_DELETE,
							 .chain = actual->chains[i],
							 .rule = NULL,
							 .handle = 0});
	return r;
}

static int maps(const struct firewall_table *wanted, struct firewall_plan *plan) {
	int r = 0;

	for (size_t i = 0; i < wanted->maps.count && r >= 0; i++) {
		const char *name = wanted->maps.items[i];

		if (strlist_contains(&plan->actual->maps, name))
			continue;
		r = add(plan, (struct operation){.kind = OPERATION_MAP_ADD, .map = name});
		if (r >= 0)
			r = strlist_addf(&plan->differences, "map %s: missing", name);
	}
	return r;
}

static int chains(const struct firewall_table *wanted, struct firewall_plan *plan) {
	int r = 0;

	for (size_t i = 0; i < wanted->count && r >= 0; i++) {
		const struct firewall_chain *want = wanted->chains[i],
					    *have = firewall_chain_find(plan->actual, want->name);

		if (have && same_place(want, have) && (!want->is_base || want->policy == have->policy))
			continue;
		r = add(plan,
			(struct operation){.kind = OPERATION_CHAIN_SET, .chain = want, .rule = NULL, .handle = 0});
		if (r >= 0 && !have)
			r = strlist_addf(&plan->differences, "chain %s: missing", want->name);
		else if (r >= 0 && same_place(want, have))
			r = strlist_addf(&plan->differences, "chain %s: its policy is not %s", want->name,
					 want->policy == NF_DROP ? "drop" : "accept");
	}
	return r;
}

static int rules(const struct firewall_table *wanted, struct firewall_plan *plan) {
	int r = 0;

	for (size_t i = 0; i < wanted->count && r >= 0; i++) {
		const struct firewall_chain *want = wanted->chains[i],
					    *have = firewall_chain_find(plan->actual, want->name);
		size_t head = 0, tail = 0;
		uint64_t before = 0;

		if (want->is_open)
			continue;
		if (have && !must_go(wanted, have)) {
			common(want, have, &head, &tail);
			if (tail > 0)
				before = have->rules[have->count - tail]->handle;
		}
		for (size_t k = head; k < want->count - tail && r >= 0; k++) {
			r = add(plan, (struct operation){.kind = OPERATION_RULE_ADD,
							 .chain = want,
							 .rule = want->rules[k],
							 .handle = before});
			if (r >= 0)
				r = strlist_addf(&plan->differences, "chain %s: rule missing: %s", want->name,
						 want->rules[k]->text.data ? want->rules[k]->text.data : "");
		}
	}
	return r;
}

int firewall_compare(const struct firewall_table *wanted, struct firewall_plan *plan) {
	int r = 0;

	if (!plan->actual->exists || plan->actual->flags & NFT_TABLE_F_DORMANT) {
		r = add(plan,
			(struct operation){.kind = OPERATION_TABLE_SET, .chain = NULL, .rule = NULL, .handle = 0});
		if (r >= 0)
			r = strlist_addf(&plan->differences, "table inet %s: %s", wanted->name,
					 plan->actual->exists ? "dormant (switched off)" : "missing");
	}
	if (r >= 0)
		r = removals(wanted, plan);
	if (r >= 0)
		r = maps(wanted, plan);
	if (r >= 0)
		r = chains(wanted, plan);
	if (r >= 0)
		r = rules(wanted, plan);
	/* the kernel wakes a table in a transaction of its own alone: the rest comes with the next plan */
	if (r >= 0 && plan->actual->exists && plan->actual->flags & NFT_TABLE_F_DORMANT)
		plan->count = 1;
	return r;
}

void firewall_plan_free(struct firewall_plan *plan) {
	if (!plan)
		return;
	firewall_table_free(plan->actual);
	free(plan->operations);
	strlist_free(&plan->differences);
	free(plan);
}

const struct strlist *firewall_plan_differences(const struct firewall_plan *plan) {
	return &plan->differences;
}
