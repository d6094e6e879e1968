/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From what is wanted of networks and what is there to the messages that make them equal. */
#include "firewall/match.h"
#include "firewall/network_internal.h"

#define VERDICTS_MAX 4096 /* texts that are remembered from one call to the next: with more, all are forgotten */

/* One rule that a chain should have: first the one that counts, then the operator's. */
struct item {
	struct network_rule *rule; /* NULL: the one that counts */
	struct rule_digest digest;
	ssize_t kept; /* index of the chain's rule that it is, or -1 */
};
struct chain {
	uint32_t vni;
	enum network_direction direction;
	struct item *items;
	size_t count;
	const struct record *actual; /* borrowed from the plan's records */
	size_t actual_count;
};
struct plan {
	struct records records;
	struct chain *chains; /* two for each network */
	size_t count;
};

static void plan_free(struct plan *plan) {
	for (size_t i = 0; plan->chains && i < plan->count; i++)
		free(plan->chains[i].items);
	free(plan->chains);
	records_free(&plan->records);
}

static int match(struct chain *chain) {
	_cleanup_free_ const struct rule_digest **wanted = calloc(chain->count + 1, sizeof(struct rule_digest *));
	_cleanup_free_ const struct rule_digest **actual =
	    calloc(chain->actual_count + 1, sizeof(struct rule_digest *));
	_cleanup_free_ ssize_t *kept = calloc(chain->count + 1, sizeof(*kept));
	int r;

	if (!wanted || !actual || !kept)
		return -ENOMEM;
	for (size_t i = 0; i < chain->count; i++)
		wanted[i] = &chain->items[i].digest;
	for (size_t i = 0; i < chain->actual_count; i++)
		actual[i] = chain->actual[i].has_digest ? &chain->actual[i].digest : NULL;
	r = rules_match(wanted, chain->count, actual, chain->actual_count, kept);
	for (size_t i = 0; i < chain->count && r >= 0; i++)
		chain->items[i].kept = kept[i];
	return r;
}

static int chain_init(struct chain *chain, struct network_rules *network, enum network_direction direction,
		      const struct records *records) {
	*chain = (struct chain){.vni = network->vni, .direction = direction, .count = network->count[direction] + 1};
	chain->items = calloc(chain->count, sizeof(*chain->items));
	if (!chain->items)
		return -ENOMEM;
	chain->items[0].digest = rule_text_digest("");
	for (size_t i = 1; i < chain->count; i++) {
		struct network_rule *rule = &network->rules[direction][i - 1];

		free(rule->problem);
		rule->problem = NULL;
		chain->items[i].rule = rule;
		/* an empty text is no rule; it must not be taken for the one that counts */
		chain->items[i].digest = rule_text_digest(*rule->text ? rule->text : " ");
	}
	chain->actual = records_of(records, chain->vni, direction, &chain->actual_count);
	return match(chain);
}

/* ---- texts that were never tried ---- */

struct untried {
	struct rule_source *sources;
	struct rule_digest *digests;
	size_t count;
};

static int collect(struct network_firewall *firewall, const struct plan *plan, struct untried *untried) {
	size_t most = 0;

	for (size_t i = 0; i < plan->count; i++)
		most += plan->chains[i].count;
	untried->sources = calloc(most + 1, sizeof(*untried->sources));
	untried->digests = calloc(most + 1, sizeof(*untried->digests));
	if (!untried->sources || !untried->digests)
		return -ENOMEM;
	for (size_t i = 0; i < plan->count; i++)
		for (size_t k = 1; k < plan->chains[i].count; k++) {
			const struct item *item = &plan->chains[i].items[k];
			int r;

			if (item->kept >= 0 || verdict_find(firewall, &item->digest))
				continue;
			/* an empty verdict for now: the same text in many networks is tried once */
			r = verdict_add(firewall, &item->digest, NULL, NULL);
			if (r < 0)
				return r;
			untried->digests[untried->count] = item->digest;
			untried->sources[untried->count++].text = item->rule->text;
		}
	return 0;
}

/* What could not be tried gets the reason, and is tried again the next time. */
static int try_texts(struct network_firewall *firewall, const struct plan *plan, char **ret_reason) {
	struct untried untried = {0};
	int r;

	r = collect(firewall, plan, &untried);
	if (r >= 0 && untried.count > 0 && compile_rules(untried.sources, untried.count, ret_reason) < 0 &&
	    !*ret_reason)
		r = -ENOMEM;
	for (size_t i = 0; i < untried.count; i++) {
		struct verdict *verdict = verdict_find(firewall, &untried.digests[i]);

		verdict->compiled = untried.sources[i].compiled;
		verdict->problem = untried.sources[i].problem;
		if (!verdict->compiled && !verdict->problem)
			verdict_forget(firewall, &untried.digests[i]);
	}
	free(untried.sources);
	free(untried.digests);
	return r;
}

/* ---- messages ---- */

/* Can the item be made? Else its rule gets the problem. */
static int makeable(struct network_firewall *firewall, const struct item *item, const char *reason,
		    const struct compiled **ret) {
	const struct verdict *verdict;

	*ret = NULL;
	if (!item->rule)
		return true;
	verdict = verdict_find(firewall, &item->digest);
	if (verdict && verdict->compiled) {
		*ret = verdict->compiled;
		return true;
	}
	item->rule->problem = verdict && verdict->problem
				  ? strdup(verdict->problem)
				  : str_printf("it cannot be tried: %s", reason ? reason : "unknown");
	return item->rule->problem ? false : -ENOMEM;
}

static int plan_chain(struct network_firewall *firewall, struct chain *chain, const char *reason) {
	char name[NETWORK_NAME];
	size_t next = 0; /* the first rule that is there and was not looked at yet */

	network_chain_name(chain->vni, chain->direction, name);
	for (size_t i = 0; i < chain->count; i++) {
		const struct item *item = &chain->items[i];
		const struct compiled *compiled;
		uint64_t before = 0;
		int r;

		if (item->kept >= 0) {
			for (; next < (size_t)item->kept; next++)
				change_rule_delete(&firewall->changes, name, chain->actual[next].handle);
			next++;
			continue;
		}
		r = makeable(firewall, item, reason, &compiled);
		if (r < 0)
			return r;
		for (size_t k = i + 1; k < chain->count && !before; k++)
			if (chain->items[k].kept >= 0)
				before = chain->actual[chain->items[k].kept].handle;
		if (r > 0)
			change_rule_add(&firewall->changes, name, before, &item->digest, compiled, &firewall->names,
					item->rule);
	}
	for (; next < chain->actual_count; next++)
		change_rule_delete(&firewall->changes, name, chain->actual[next].handle);
	return 0;
}

static void plan_missing_chains(struct network_firewall *firewall, uint32_t vni) {
	const struct known *known = known_find(firewall, vni);
	char name[NETWORK_NAME];

	for (enum network_direction d = NETWORK_IN; d < NETWORK_DIRECTION_COUNT; d++)
		if (!known || !known->chains[d]) {
			network_chain_name(vni, d, name);
			change_chain_add(&firewall->changes, name);
		}
}

/* Before the rules, though it all happens at once: what a rule may do depends on the hooks that lead to it, and so the
 * kernel finds that rule at fault which is. */
static void plan_missing_elements(struct network_firewall *firewall, uint32_t vni) {
	const struct known *known = known_find(firewall, vni);
	char bridge[NETWORK_NAME], chain[NETWORK_NAME];

	network_bridge_name(vni, bridge);
	for (enum network_map map = MAP_IN; map < MAP_COUNT; map++) {
		if (known && known->elements[map])
			continue;
		if (map == MAP_LOCAL)
			(void)snprintf(chain, sizeof(chain), NETWORK_SERVICES);
		else
			network_chain_name(vni, map == MAP_IN ? NETWORK_IN : NETWORK_OUT, chain);
		change_element_add(&firewall->changes, network_maps[map], bridge, map != MAP_LOCAL, chain);
	}
}

int network_plan(struct network_firewall *firewall, struct network_rules *const networks[], size_t count,
		 char **ret_error) {
	_cleanup_(plan_free) struct plan plan = {0};
	_cleanup_free_ char *reason = NULL;
	int r;

	plan.chains = calloc(count * NETWORK_DIRECTION_COUNT + 1, sizeof(*plan.chains));
	if (!plan.chains)
		return -ENOMEM;
	r = records_read(firewall, networks, count, &plan.records);
	if (r < 0)
		return r == -EINTR ? r : error_set(ret_error, r, "cannot read the networks' rules: %s", strerror(-r));
	for (size_t i = 0; i < count && r >= 0; i++)
		for (enum network_direction d = NETWORK_IN; d < NETWORK_DIRECTION_COUNT && r >= 0; d++)
			r = chain_init(&plan.chains[plan.count++], networks[i], d, &plan.records);
	if (r >= 0)
		r = try_texts(firewall, &plan, &reason);
	for (size_t i = 0; i < count && r >= 0; i++)
		plan_missing_chains(firewall, networks[i]->vni);
	for (size_t i = 0; i < count && r >= 0; i++)
		plan_missing_elements(firewall, networks[i]->vni);
	for (size_t i = 0; i < plan.count && r >= 0; i++)
		r = plan_chain(firewall, &plan.chains[i], reason);
	return r;
}

void network_planned(struct network_firewall *firewall, struct network_rules *const networks[], size_t count) {
	for (size_t i = 0; i < count; i++) {
		struct known *known = known_add(firewall, networks[i]->vni);

		if (!known) { /* read again, the next time */
			firewall->was_read = false;
			break;
		}
		*known =
		    (struct known){.vni = networks[i]->vni, .chains = {true, true}, .elements = {true, true, true}};
	}
}

int network_refuse(struct network_firewall *firewall, size_t failed, const char *error) {
	const struct network_rule *rule = firewall->changes.subjects[failed];
	struct rule_digest digest;
	struct verdict *verdict;

	if (!rule)
		return -ENOENT;
	digest = rule_text_digest(rule->text);
	verdict = verdict_find(firewall, &digest);
	if (!verdict || verdict->problem)
		return -ENOENT;
	verdict->problem = strdup(error ? error : "the kernel refuses it");
	if (!verdict->problem)
		return -ENOMEM;
	compiled_free(verdict->compiled);
	verdict->compiled = NULL;
	return 0;
}
