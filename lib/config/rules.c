/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lies between keys: addresses inside their networks, intervals in their order. */
#include "cluster/fence.h"
#include "config/internal.h"

/* The problem is told at the key's line, which is searched below pvc and under its other spelling. */
static void rule_broken(const struct value_context *context, const char *key, const char *format, ...) _printf_(3, 4);
static void rule_broken(const struct value_context *context, const char *key, const char *format, ...) {
	const char *const names[] = {key, config_other_spelling(key)};
	_cleanup_free_ char *text = NULL;
	const struct entry *entry = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	for (size_t i = 0; i < ARRAY_SIZE(names) && names[i] && !entry; i++) {
		_cleanup_free_ char *path = str_printf("pvc.%s", names[i]);

		entry = path ? document_find(context->document, path) : NULL;
	}
	if (text)
		problem_add(context->problems, entry ? entry->line : 0, key, "%s", text);
	else
		context->problems->failed = true;
}

static unsigned host_bits(const struct ip_prefix *network) {
	return (network->family == AF_INET ? 32u : 128u) - network->prefix;
}

static bool same_address(const struct ip_prefix *a, const struct ip_prefix *b) {
	return a->family == b->family && a->family != 0 &&
	       memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

/* Is it an address that a host of the network can have? Computed from the bits: a network is never enumerated. */
static bool is_host_of(const struct ip_prefix *network, const struct ip_prefix *address) {
	bool zeros = true, ones = true;

	if (!ip_prefix_contains(network, address))
		return false;
	if (host_bits(network) < 2) /* a pair or a single host has neither network nor broadcast address (RFC 3021) */
		return true;
	for (unsigned bit = network->prefix; bit < network->prefix + host_bits(network); bit++) {
		if (address->bytes[bit / 8] & (0x80u >> (bit % 8)))
			zeros = false;
		else
			ones = false;
	}
	return !zeros && !(ones && network->family == AF_INET);
}

/* The n-th host, where n is the node's number; in networks without a network address the first host is number 0. */
static int address_by_id(const struct config *config, const struct ip_prefix *network, struct ip_prefix *ret) {
	if (config->node_id == 0)
		return -ERANGE;
	return ip_prefix_nth(network, host_bits(network) < 2 ? config->node_id - 1 : config->node_id, ret);
}

static void check_own_address(const struct value_context *context, const char *name, struct config_network *network) {
	_cleanup_free_ char *key = str_printf("system.configuration.networking.%s.address", name);
	char block[IP_PREFIX_TEXT], own[IP_PREFIX_TEXT];
	struct config *config = context->config;

	if (!key) {
		context->problems->failed = true;
		return;
	}
	ip_prefix_format(&network->network, true, block);
	if (network->address_kind == CONFIG_ADDRESS_BY_ID && network->network.family == 0)
		rule_broken(context, key, "expected cluster.networks.%s.network to take the address by-id from", name);
	else if (network->address_kind == CONFIG_ADDRESS_BY_ID &&
		 address_by_id(config, &network->network, &network->address) < 0)
		rule_broken(context, key,
			    "expected a host of %s with the number of this node, found that '%s' gives no such number",
			    block, config->node);
	if (network->address.family == 0)
		return;
	ip_prefix_format(&network->address, true, own);
	if (network->network.family != 0 && ip_prefix_contains(&network->network, &network->address) &&
	    !is_host_of(&network->network, &network->address))
		rule_broken(context, key, "expected a host's address, found '%s', the first or last of %s", own, block);
	if (same_address(&network->address, &network->floating_ip))
		rule_broken(context, key, "expected another address than floating_ip, found the same, '%s'", own);
}

static void check_network(const struct value_context *context, const char *name, struct config_network *network) {
	_cleanup_free_ char *floating = str_printf("cluster.networks.%s.floating_ip", name);
	_cleanup_free_ char *gateway = str_printf("cluster.networks.%s.gateway", name);
	char block[IP_PREFIX_TEXT], found[IP_PREFIX_TEXT];

	if (!floating || !gateway) {
		context->problems->failed = true;
		return;
	}
	check_own_address(context, name, network);
	if (network->network.family == 0)
		return;
	ip_prefix_format(&network->network, true, block);
	if (network->floating_ip.family != 0 && !is_host_of(&network->network, &network->floating_ip)) {
		ip_prefix_format(&network->floating_ip, true, found);
		rule_broken(context, floating, "expected an address of a host in %s, found '%s'", block, found);
	}
	if (network->gateway.family != 0 && !is_host_of(&network->network, &network->gateway)) {
		ip_prefix_format(&network->gateway, false, found);
		rule_broken(context, gateway, "expected an address of a host in %s, or None, found '%s'", block, found);
	}
	if (same_address(&network->gateway, &network->floating_ip))
		rule_broken(context, gateway, "expected another address than floating_ip, found the same");
	if (same_address(&network->gateway, &network->address))
		rule_broken(context, gateway, "expected another host's address, found this host's own");
}

void config_fence_rules(const struct config *config, struct fence_rules *ret) {
	*ret = (struct fence_rules){
	    .interval = config->keepalive_interval * USEC_PER_SEC,
	    .fence_intervals = config->fence_intervals,
	    .suicide_intervals = config->suicide_intervals,
	    .recover_off = config->successful_fence == CONFIG_FENCE_MIGRATE,
	    .recover_cut = config->failed_fence == CONFIG_FENCE_MIGRATE,
	};
}

/* A node must have reset itself before others may take over what it ran, and nothing may be taken over unproven. */
static void check_intervals(const struct value_context *context) {
	const struct config *config = context->config;
	_cleanup_free_ char *reason = NULL;
	struct fence_rules rules;

	config_fence_rules(config, &rules);
	if (fence_rules_check(&rules, &reason) < 0)
		rule_broken(context, "system.intervals.suicide_intervals", "%s", reason ? reason : "out of order");
	if (config->failed_fence == CONFIG_FENCE_MIGRATE && config->suicide_intervals == 0)
		rule_broken(context, "system.fencing.actions.failed_fence",
			    "expected None, or suicide_intervals above 0: without either, a machine could run twice");
}

/* Devices with one name are one device: it has one MTU. */
static void check_shared_devices(const struct value_context *context) {
	const struct config *config = context->config;
	const struct {
		const struct config_network *network;
		const char *key;
	} others[] = {
	    {&config->upstream, "system.configuration.networking.upstream.mtu"},
	    {&config->storage, "system.configuration.networking.storage.mtu"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (config->cluster.device && str_equal(others[i].network->device, config->cluster.device) &&
		    others[i].network->mtu != config->cluster.mtu && others[i].network->mtu && config->cluster.mtu)
			rule_broken(context, others[i].key,
				    "expected %llu as for the cluster network, which shares device '%s', found '%llu'",
				    (unsigned long long)config->cluster.mtu, config->cluster.device,
				    (unsigned long long)others[i].network->mtu);
}

static void check_credentials(const struct value_context *context) {
	const char *credentials = context->config->fence_credentials;

	if (credentials && *credentials && (*credentials == ':' || !strchr(credentials, ':')))
		rule_broken(context, "system.fencing.credentials", "expected USER:PASSWORD, found something else");
}

int rules_apply(const struct value_context *context) {
	struct config *config = context->config;

	check_network(context, "upstream", &config->upstream);
	check_network(context, "cluster", &config->cluster);
	check_network(context, "storage", &config->storage);
	check_shared_devices(context);
	check_intervals(context);
	check_credentials(context);
	return context->problems->failed ? -ENOMEM : 0;
}
