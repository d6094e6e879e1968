/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan.h"

void floating_wanted(const struct config *config, struct floating_list *ret) {
	const struct {
		const char *name;
		const struct config_network *network;
	} networks[] = {{"upstream", &config->upstream}, {"cluster", &config->cluster}, {"storage", &config->storage}};

	*ret = (struct floating_list){0};
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		const char *bridge = config_bridge_name(config, networks[i].network);
		struct floating_address address = {.name = networks[i].name, .ip = networks[i].network->floating_ip};

		if (!address.ip.family || !bridge)
			continue;
		(void)snprintf(address.link, sizeof(address.link), "%s", bridge);
		(void)floating_add(ret, &address); /* three fit */
	}
}

static bool same_host(const struct ip_prefix *a, const struct ip_prefix *b) {
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

bool floating_contains(const struct floating_list *list, const struct floating_address *address) {
	for (size_t i = 0; i < list->count; i++)
		if (str_equal(list->items[i].link, address->link) && ip_prefix_equal(&list->items[i].ip, &address->ip))
			return true;
	return false;
}

bool floating_add(struct floating_list *list, const struct floating_address *address) {
	if (floating_contains(list, address))
		return true;
	if (list->count == FLOATING_MAX)
		return false;
	list->items[list->count++] = *address;
	return true;
}

/* ---- the note ---- */

static bool parse_line(const char *line, struct floating_address *ret) {
	const char *space = strchr(line, ' ');
	size_t length = space ? (size_t)(space - line) : 0;

	*ret = (struct floating_address){0};
	if (length == 0 || length >= sizeof(ret->link) || ip_prefix_parse(space + 1, false, &ret->ip) < 0)
		return false;
	memcpy(ret->link, line, length);
	return true;
}

void floating_parse(const char *text, struct floating_list *ret) {
	*ret = (struct floating_list){0};
	while (*text) {
		size_t length = strcspn(text, "\n");
		char line[IFNAMSIZ + 1 + IP_PREFIX_TEXT];
		struct floating_address address;

		if (length < sizeof(line)) {
			memcpy(line, text, length);
			line[length] = '\0';
			if (parse_line(line, &address) && !floating_add(ret, &address))
				return;
		}
		text += length + (text[length] == '\n');
	}
}

int floating_format(const struct floating_list *list, struct strbuf *ret) {
	for (size_t i = 0; i < list->count; i++) {
		char ip[IP_PREFIX_TEXT];

		ip_prefix_format(&list->items[i].ip, true, ip);
		(void)strbuf_addf(ret, "%s %s\n", list->items[i].link, ip); /* the buffer keeps the failure */
	}
	return ret->failed ? -ENOMEM : 0;
}

char *floating_text(const struct floating_address *address) {
	char ip[IP_PREFIX_TEXT];

	ip_prefix_format(&address->ip, true, ip);
	return str_printf("%s floating address %s", address->name ? address->name : "former", ip);
}

/* ---- the plan ---- */

static int add_step(struct floating_plan *plan, enum floating_step_kind kind, const struct floating_address *what,
		    const struct net_address *address) {
	struct floating_step *steps = reallocarray(plan->steps, plan->count + 1, sizeof(*steps));

	if (!steps)
		return -ENOMEM;
	plan->steps = steps;
	steps[plan->count++] = (struct floating_step){.kind = kind, .what = what, .address = *address};
	return 0;
}

static bool is_planned(const struct floating_plan *plan, const struct net_address *address) {
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].address.index == address->index &&
		    ip_prefix_equal(&plan->steps[i].address.local, &address->local))
			return true;
	return false;
}

/* On the links of what is ours: each such address that is not wanted exactly so. */
static int plan_removals(const struct floating_list *wanted, const struct floating_list *owned,
			 const struct net_links *links, const struct net_addresses *addresses,
			 struct floating_plan *plan) {
	int r = 0;

	for (size_t i = 0; i < owned->count; i++) {
		const struct floating_address *own = &owned->items[i];
		const struct net_link *link = net_link_find(links, own->link);

		for (size_t j = 0; link && j < addresses->count && r >= 0; j++) {
			const struct net_address *there = &addresses->items[j];
			struct floating_address exactly = *own;

			exactly.ip = there->local;
			if (there->index == link->index && same_host(&there->local, &own->ip) &&
			    !floating_contains(wanted, &exactly) && !is_planned(plan, there))
				r = add_step(plan, FLOATING_REMOVE, own, there);
		}
	}
	return r;
}

/*
 * No duplicate address detection: the old primary gave it up before the lease was free, and waiting would cost a
 * second. An IPv6 address is not preferred, so that the host's own connections, to ZooKeeper for example, do not begin
 * at an address that moves away; an IPv4 one is the network's second address and is not chosen anyway.
 */
static struct net_address address_of(const struct net_link *link, const struct ip_prefix *ip) {
	struct net_address address = net_address_of(ip);

	address.index = link->index;
	address.flags = IFA_F_NODAD;
	if (ip->family == AF_INET6)
		address.preferred = 0;
	else if (ip->prefix < 31)
		address.broadcast.s_addr = ip->v4.s_addr | htonl((uint32_t)(0xffffffffu >> ip->prefix));
	return address;
}

static bool is_there(const struct net_addresses *addresses, int index, const struct ip_prefix *ip) {
	for (size_t i = 0; i < addresses->count; i++)
		if (addresses->items[i].index == index && ip_prefix_equal(&addresses->items[i].local, ip))
			return true;
	return false;
}

int floating_plan(const struct floating_list *wanted, const struct floating_list *owned, const struct net_links *links,
		  const struct net_addresses *addresses, struct floating_plan *ret) {
	struct floating_plan plan = {0};
	int r = plan_removals(wanted, owned, links, addresses, &plan);

	for (size_t i = 0; i < wanted->count && r >= 0; i++) {
		const struct floating_address *want = &wanted->items[i];
		const struct net_link *link = net_link_find(links, want->link);

		if (!link) {
			plan.missing[plan.missing_count++] = want;
		} else if (!is_there(addresses, link->index, &want->ip)) {
			struct net_address address = address_of(link, &want->ip);

			r = add_step(&plan, FLOATING_ADD, want, &address);
		}
	}
	if (r < 0)
		floating_plan_free(&plan);
	else
		*ret = plan;
	return r;
}

void floating_plan_free(struct floating_plan *plan) {
	free(plan->steps);
	*plan = (struct floating_plan){0};
}
