/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The expressions of rules, each as the kernel's little programs (as nft(8) itself would compile it, so that
 * `nft list` shows it in its own words) and as text.
 */
#include <net/if.h>
#include <stddef.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "firewall/internal.h"

static void fail(struct firewall_rule *rule) {
	rule->chain->table->failed = true;
}

static struct nftnl_expr *expression(struct firewall_rule *rule, const char *name) {
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (e)
		nftnl_rule_add_expr(rule->rule, e);
	else
		fail(rule);
	return e;
}

static _printf_(2, 3) void text(struct firewall_rule *rule, const char *format, ...) {
	va_list ap;
	char words[256]; /* room for any of the formats below: names are at most IFNAMSIZ, chains NFT_NAME_MAXLEN */

	va_start(ap, format);
	if (vsnprintf(words, sizeof(words), format, ap) >= (int)sizeof(words))
		fail(rule);
	va_end(ap);
	if (rule->text.length > 0)
		(void)strbuf_puts(&rule->text, " "); /* a failure shows in the next call */
	if (strbuf_puts(&rule->text, words) < 0)
		fail(rule);
}

static void load_meta(struct firewall_rule *rule, uint32_t key) {
	struct nftnl_expr *e = expression(rule, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void load_payload(struct firewall_rule *rule, uint32_t base, uint32_t offset, uint32_t length) {
	struct nftnl_expr *e = expression(rule, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, length);
}

static void compare(struct firewall_rule *rule, const void *data, uint32_t length) {
	struct nftnl_expr *e = expression(rule, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, length) < 0)
		fail(rule);
}

static void mask(struct firewall_rule *rule, const void *bits, uint32_t length) {
	static const uint8_t zero[16];
	struct nftnl_expr *e = expression(rule, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, length);
	if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, bits, length) < 0 ||
	    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, length) < 0)
		fail(rule);
}

static void match_name(struct firewall_rule *rule, uint32_t key, const char *word, const char *interface) {
	char name[IFNAMSIZ] = {0}; /* compared whole: with its zeros, so that no longer name matches */

	if (!rule)
		return;
	if (strlen(interface) >= sizeof(name)) { /* no such interface can exist */
		fail(rule);
		return;
	}
	memcpy(name, interface, strlen(interface));
	load_meta(rule, key);
	compare(rule, name, sizeof(name));
	text(rule, "%s \"%s\"", word, interface);
}

void firewall_match_iifname(struct firewall_rule *rule, const char *interface) {
	match_name(rule, NFT_META_IIFNAME, "iifname", interface);
}

void firewall_match_oifname(struct firewall_rule *rule, const char *interface) {
	match_name(rule, NFT_META_OIFNAME, "oifname", interface);
}

static void interface_map(struct firewall_rule *rule, uint32_t key, const char *word, const char *map) {
	struct nftnl_expr *e;

	if (!rule)
		return;
	load_meta(rule, key);
	e = expression(rule, "lookup");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, 0); /* as the kernel says it: compared word by word */
	if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, map) < 0)
		fail(rule);
	text(rule, "%s vmap @%s", word, map);
}

void firewall_iifname_map(struct firewall_rule *rule, const char *map) {
	interface_map(rule, NFT_META_IIFNAME, "iifname", map);
}

void firewall_oifname_map(struct firewall_rule *rule, const char *map) {
	interface_map(rule, NFT_META_OIFNAME, "oifname", map);
}

void firewall_match_family(struct firewall_rule *rule, int family) {
	uint8_t protocol = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

	if (!rule)
		return;
	load_meta(rule, NFT_META_NFPROTO);
	compare(rule, &protocol, sizeof(protocol));
	text(rule, "meta nfproto %s", family == AF_INET ? "ipv4" : "ipv6");
}

static const char *protocol_name(uint8_t protocol) {
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "ipv6-icmp";
	default:
		return NULL;
	}
}

static void match_protocol(struct firewall_rule *rule, uint8_t protocol) {
	load_meta(rule, NFT_META_L4PROTO);
	compare(rule, &protocol, sizeof(protocol));
}

void firewall_match_protocol(struct firewall_rule *rule, uint8_t protocol) {
	if (!rule)
		return;
	match_protocol(rule, protocol);
	if (protocol_name(protocol))
		text(rule, "meta l4proto %s", protocol_name(protocol));
	else
		text(rule, "meta l4proto %u", protocol);
}

void firewall_match_port(struct firewall_rule *rule, uint8_t protocol, uint16_t port) {
	uint16_t network_order = htons(port);

	if (!rule)
		return;
	match_protocol(rule, protocol);
	load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(network_order)); /* RFC 768, 9293: at octet 2 */
	compare(rule, &network_order, sizeof(network_order));
	text(rule, "%s dport %u", protocol == IPPROTO_TCP ? "tcp" : "udp", port);
}

static void match_address(struct firewall_rule *rule, const struct ip_prefix *net, bool source) {
	bool v4 = net->family == AF_INET;
	uint32_t length = v4 ? 4 : 16;
	uint8_t family = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, bits[16] = {0}, address[16] = {0};
	uint32_t offset = v4 ? (source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr))
			     : (source ? offsetof(struct ip6_hdr, ip6_src) : offsetof(struct ip6_hdr, ip6_dst));
	struct ip_prefix network = *net;
	char words[IP_PREFIX_TEXT];

	if (!rule)
		return;
	for (uint32_t i = 0; i < length * 8 && i < net->prefix; i++)
		bits[i / 8] = (uint8_t)(bits[i / 8] | 0x80u >> i % 8);
	for (uint32_t i = 0; i < length; i++)
		address[i] = network.bytes[i] = net->bytes[i] & bits[i];
	load_meta(rule, NFT_META_NFPROTO);
	compare(rule, &family, sizeof(family));
	if (net->prefix == 0) { /* any address of the family */
		text(rule, "meta nfproto %s", v4 ? "ipv4" : "ipv6");
		return;
	}
	if (net->prefix % 8 == 0) { /* whole octets need no mask: only so many of them are loaded, as nft does */
		load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, net->prefix / 8);
		compare(rule, address, net->prefix / 8);
	} else {
		load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, length);
		mask(rule, bits, length);
		compare(rule, address, length);
	}
	ip_prefix_format(&network, net->prefix < length * 8, words);
	text(rule, "%s %s %s", v4 ? "ip" : "ip6", source ? "saddr" : "daddr", words);
}

void firewall_match_source(struct firewall_rule *rule, const struct ip_prefix *net) {
	match_address(rule, net, true);
}

void firewall_match_destination(struct firewall_rule *rule, const struct ip_prefix *net) {
	match_address(rule, net, false);
}

void firewall_counter(struct firewall_rule *rule) {
	if (!rule)
		return;
	(void)expression(rule, "counter"); /* a failure is kept in the table */
	text(rule, "counter");
}

static void verdict(struct firewall_rule *rule, int code, const char *chain, const char *words) {
	struct nftnl_expr *e;

	if (!rule)
		return;
	e = expression(rule, "immediate");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
	if (chain && nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
		fail(rule);
	text(rule, "%s%s%s", words, chain ? " " : "", chain ? chain : "");
}

void firewall_accept(struct firewall_rule *rule) {
	verdict(rule, NF_ACCEPT, NULL, "accept");
}
void firewall_drop(struct firewall_rule *rule) {
	verdict(rule, NF_DROP, NULL, "drop");
}
void firewall_return(struct firewall_rule *rule) {
	verdict(rule, NFT_RETURN, NULL, "return");
}
void firewall_jump(struct firewall_rule *rule, const char *chain) {
	verdict(rule, NFT_JUMP, chain, "jump");
}

static int add_words(struct nftnl_expr *e, void *userdata) {
	struct strbuf *out = userdata;
	char words[1024];
	int n;

	if (str_equal(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "counter")) { /* its values are no difference */
		nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_PACKETS, 0);
		nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_BYTES, 0);
	}
	n = nftnl_expr_snprintf(words, sizeof(words), e, NFTNL_OUTPUT_DEFAULT, 0);
	if (n < 0)
		return -1;
	/* a text that was cut is none of ours: it differs anyway */
	return strbuf_addf(out, "[ %s %s]", nftnl_expr_get_str(e, NFTNL_EXPR_NAME), words) < 0 ? -1 : 0;
}

int firewall_rule_canonical(struct firewall_rule *rule) {
	_cleanup_strbuf_ struct strbuf out = {0};

	if (nftnl_expr_foreach(rule->rule, add_words, &out) < 0 && !out.failed)
		return -EIO;
	free(rule->canonical);
	rule->canonical = strbuf_steal(&out);
	return rule->canonical ? 0 : -ENOMEM;
}
