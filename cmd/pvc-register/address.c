/* SPDX-License-Identifier: GPL-3.0-or-later */
/* By which addresses others know this host: all but the floating ones, which are on another node tomorrow. */
#include "host/host.h"
#include "register.h"

int address_list(const struct config *config, char **ret) {
	const struct config_network *const networks[] = {&config->upstream, &config->cluster, &config->storage};
	_cleanup_strlist_ struct strlist all = {0}, own = {0};
	int r = host_addresses(true, &all);

	for (size_t i = 0; i < all.count && r == 0; i++) {
		bool floating = false;

		for (size_t n = 0; n < ARRAY_SIZE(networks); n++) {
			char text[IP_PREFIX_TEXT] = "";

			if (networks[n]->floating_ip.family)
				ip_prefix_format(&networks[n]->floating_ip, false, text);
			floating = floating || str_equal(text, all.items[i]);
		}
		if (!floating)
			r = strlist_add(&own, all.items[i]);
	}
	if (r < 0)
		return r;
	strlist_sort(&own);
	*ret = strlist_join(&own, " ");
	return *ret ? 0 : -ENOMEM;
}
