/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The addresses of this machine. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include "host/host.h"

/* Does the world know this machine by it? Not by loopback and link-local ones. */
static bool is_global(const struct ifaddrs *entry) {
	if (entry->ifa_flags & IFF_LOOPBACK)
		return false;
	if (entry->ifa_addr->sa_family == AF_INET) {
		uint32_t address = ntohl(((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr.s_addr);

		return address >> 16 != 0xa9fe; /* 169.254.0.0/16 */
	}
	return !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)entry->ifa_addr)->sin6_addr);
}

int host_addresses(bool global, struct strlist *ret) {
	struct ifaddrs *list;
	int r = 0;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (const struct ifaddrs *i = list; i && r == 0; i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN] = "";

		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6) ||
		    (global && !is_global(i)))
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			(void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr,
					text, sizeof(text));
		else
			(void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr,
					text, sizeof(text));
		if (*text && !strlist_contains(ret, text))
			r = strlist_add(ret, text);
	}
	freeifaddrs(list);
	return r;
}
