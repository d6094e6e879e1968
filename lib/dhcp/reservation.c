/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dhcp/dhcp.h"

/* In a dhcp-host line these words are no names: `ignore`, and lease times such as 48h, 600 or infinite. */
static bool is_word_of_dnsmasq(const char *name) {
	size_t digits = strspn(name, "0123456789");

	if (!strcasecmp(name, "ignore") || !strcasecmp(name, "infinite"))
		return true;
	return digits > 0 && (name[digits] == '\0' || (strchr("sSmMhHdDwW", name[digits]) && name[digits + 1] == '\0'));
}

char *reservation_line(const char *mac, const char *address, const char *hostname, const struct ip_prefix *network,
		       const char **ret_why) {
	struct ip_prefix ip;
	bool named = !str_is_absent(hostname) && dhcp_is_hostname(hostname) && !strchr(hostname, '.') &&
		     !is_word_of_dnsmasq(hostname);

	*ret_why = NULL;
	if (!dhcp_is_mac(mac))
		*ret_why = "its key is no MAC";
	else if (ip_prefix_parse(address, true, &ip) < 0 || ip.family != AF_INET || ip.prefix != 32)
		*ret_why = "its address is no IPv4 address";
	else if (network->family != AF_INET || !ip_prefix_contains(network, &ip))
		*ret_why = "its address is outside the network";
	if (*ret_why)
		return NULL;
	return named ? str_printf("%s,%s,%s", mac, address, hostname) : str_printf("%s,%s", mac, address);
}
