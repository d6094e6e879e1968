/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "network.h"

static void add_row(struct table *t, const struct networks *n, size_t i) {
	_cleanup_free_ char *range =
	    str_printf("%s-%s", network_value(n, i, NET_DHCP4_START)->data, network_value(n, i, NET_DHCP4_END)->data);

	table_add(t, n->vnis.items[i]);
	table_add(t, network_value(n, i, NET_SELF)->data);
	table_add(t, network_value(n, i, NET_TYPE)->data);
	table_add(t, network_value(n, i, NET_DOMAIN)->data);
	table_add(t, network_value(n, i, NET_IP4_NETWORK)->data);
	table_add(t, network_value(n, i, NET_IP4_GATEWAY)->data);
	table_add(t, str_equal(network_value(n, i, NET_DHCP4)->data, "True") ? range : NULL);
	table_add(t, network_value(n, i, NET_IP6_NETWORK)->data);
}

int network_list(struct ctl *ctl) {
	static const char *const titles[] = {">VNI", "NAME", "TYPE", "DOMAIN", "IPV4", "GATEWAY", "DHCP", "IPV6"};
	_cleanup_networks_ struct networks n = {0};
	_cleanup_table_ struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	json_t *array = NULL;
	int r = networks_read(ctl, NULL, &n);

	if (r < 0)
		return failed(r, "cannot read the networks: %s", store_error_text(r));
	if (wants_json(ctl))
		array = json_array();
	for (size_t i = 0; i < n.vnis.count; i++) {
		if (!network_value(&n, i, NET_SELF)->exists)
			continue; /* removed since it was listed */
		if (!wants_json(ctl))
			add_row(&table, &n, i);
		else if (json_array_append_new(array, network_json(&n, i)) < 0) {
			json_decref(array);
			return failed(-ENOMEM, "out of memory");
		}
	}
	return wants_json(ctl) ? json_print(array) : table_print(&table);
}

/* ---- one network ---- */

struct details {
	struct networks network;
	struct strlist problems;
	struct net_rules rules[ARRAY_SIZE(net_directions)];
};

static void details_free(struct details *d) {
	networks_free(&d->network);
	strlist_free(&d->problems);
	for (size_t i = 0; i < ARRAY_SIZE(d->rules); i++)
		net_rules_free(&d->rules[i]);
}

static int details_read(struct ctl *ctl, const char *vni, struct details *d) {
	int r = networks_read(ctl, vni, &d->network);

	if (r >= 0)
		r = network_problems(ctl, vni, &d->problems);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(d->rules); i++)
		r = net_rules_read(ctl, vni, net_directions[i], &d->rules[i]);
	return r;
}

static int print_json(const struct details *d) {
	json_t *network = network_json(&d->network, 0), *rules = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(d->rules); i++)
		for (size_t k = 0; k < d->rules[i].count; k++)
			(void)json_array_append_new(rules, /* fails only without memory */
						    net_rule_json(net_directions[i], &d->rules[i].rules[k]));
	if (json_object_set_new(network, "rules", rules) < 0 ||
	    json_object_set_new(network, "problems", json_list(&d->problems)) < 0) {
		json_decref(network);
		return failed(-ENOMEM, "out of memory");
	}
	return json_print(network);
}

static void print_network(const struct details *d) {
	static const struct {
		const char *title;
		enum net_key key;
	} managed[] = {
	    {"Domain:", NET_DOMAIN},
	    {"Name servers:", NET_DNS},
	    {"IPv4 network:", NET_IP4_NETWORK},
	    {"IPv4 gateway:", NET_IP4_GATEWAY},
	    {"DHCP:", NET_DHCP4},
	    {"DHCP from:", NET_DHCP4_START},
	    {"DHCP to:", NET_DHCP4_END},
	    {"IPv6 network:", NET_IP6_NETWORK},
	    {"IPv6 gateway:", NET_IP6_GATEWAY},
	    {"DHCPv6:", NET_DHCP6},
	};
	_cleanup_strlist_ struct strlist dns = {0};
	_cleanup_free_ char *servers = NULL;

	if (net_dns_read(network_value(&d->network, 0, NET_DNS)->data, &dns) >= 0)
		servers = strlist_join(&dns, ", ");
	print_field("VNI:", d->network.vnis.items[0]);
	print_field("Name:", network_value(&d->network, 0, NET_SELF)->data);
	print_field("Type:", network_value(&d->network, 0, NET_TYPE)->data);
	for (size_t i = 0;
	     !str_equal(network_value(&d->network, 0, NET_TYPE)->data, "bridged") && i < ARRAY_SIZE(managed); i++)
		print_field(managed[i].title,
			    managed[i].key == NET_DNS ? servers : network_value(&d->network, 0, managed[i].key)->data);
	for (size_t i = 0; i < ARRAY_SIZE(d->rules); i++)
		for (size_t k = 0; k < d->rules[i].count; k++) {
			const struct net_rule *rule = &d->rules[i].rules[k];
			_cleanup_free_ char *line =
			    str_printf("%s: %s", rule->name, rule->text ? rule->text : "(its text is missing)");

			print_field(k ? "" : i ? "Rules out:" : "Rules in:", line);
		}
	for (size_t i = 0; i < d->problems.count; i++)
		print_field(i ? "" : "Problems:", d->problems.items[i]);
}

int network_info(struct ctl *ctl) {
	_cleanup_(details_free) struct details d = {0};
	_cleanup_net_ref_ struct net_ref network = {0};
	int r = network_find(ctl, ctl->arguments[0], &network);

	if (r != EXIT_OK)
		return r;
	r = details_read(ctl, network.vni, &d);
	if (r < 0)
		return failed(r, "cannot read network %s: %s", network.vni,
			      r == -ENOENT ? "it is gone" : store_error_text(r));
	if (wants_json(ctl))
		return print_json(&d);
	print_network(&d);
	return EXIT_OK;
}
