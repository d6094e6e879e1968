/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base.h"

#include <arpa/inet.h>

static unsigned bits_of(int family) {
	return family == AF_INET ? 32 : 128;
}

int ip_prefix_parse(const char *text, bool allow_bare, struct ip_prefix *ret) {
	char address[INET6_ADDRSTRLEN];
	const char *slash;
	struct ip_prefix ip = {0};
	uint64_t length;
	size_t n;

	if (!text)
		return -EINVAL;
	slash = strchr(text, '/');
	if (!slash && !allow_bare)
		return -EINVAL;
	n = slash ? (size_t)(slash - text) : strlen(text);
	if (n >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	ip.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(ip.family, address, ip.bytes) != 1)
		return -EINVAL;
	length = bits_of(ip.family);
	if (slash && (strlen(slash + 1) > 3 || parse_u64(slash + 1, 0, length, &length) < 0))
		return -EINVAL;
	ip.prefix = (unsigned)length;
	*ret = ip;
	return 0;
}

void ip_prefix_format(const struct ip_prefix *ip, bool with_length, char out[IP_PREFIX_TEXT]) {
	char address[INET6_ADDRSTRLEN];

	if (ip->family == 0 || !inet_ntop(ip->family, ip->bytes, address, sizeof(address)))
		(void)snprintf(out, IP_PREFIX_TEXT, "none"); /* always fits */
	else if (with_length)
		(void)snprintf(out, IP_PREFIX_TEXT, "%s/%u", address, ip->prefix);
	else
		(void)snprintf(out, IP_PREFIX_TEXT, "%s", address);
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b) {
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->bytes, b->bytes, bits_of(a->family) / 8) == 0;
}

/* The mask's byte i for a prefix length. */
static uint8_t mask_byte(unsigned prefix, unsigned i) {
	if (prefix >= (i + 1) * 8)
		return 0xff;
	if (prefix <= i * 8)
		return 0;
	return (uint8_t)(0xff << (8 - (prefix - i * 8)));
}

bool ip_prefix_contains(const struct ip_prefix *net, const struct ip_prefix *ip) {
	if (net->family != ip->family)
		return false;
	for (unsigned i = 0; i < bits_of(net->family) / 8; i++)
		if ((net->bytes[i] ^ ip->bytes[i]) & mask_byte(net->prefix, i))
			return false;
	return true;
}

int ip_prefix_nth(const struct ip_prefix *net, uint64_t n, struct ip_prefix *ret) {
	unsigned bytes = bits_of(net->family) / 8, host_bits = bits_of(net->family) - net->prefix;
	struct ip_prefix ip = *net;

	if (host_bits < 64 && n >= (UINT64_C(1) << host_bits))
		return -ERANGE;
	/* n=0 is the network itself, the last one of IPv4 the broadcast address; /31 and /32 have neither (RFC 3021) */
	if (net->family == AF_INET && host_bits >= 2 && (n == 0 || n == (UINT64_C(1) << host_bits) - 1))
		return -ERANGE;
	for (unsigned i = 0; i < bytes; i++)
		ip.bytes[i] &= mask_byte(net->prefix, i);
	for (unsigned i = bytes; i-- > 0 && n > 0; n >>= 8)
		ip.bytes[i] |= (uint8_t)n; /* no carry: host bits are zero */
	*ret = ip;
	return 0;
}
