/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config/config.h"

const char *config_bridge_name(const struct config *config, const struct config_network *network) {
	/* the first network on a device gives its bridge the name */
	const struct {
		const struct config_network *network;
		const char *bridge;
	} order[] = {
	    {&config->cluster, "brcluster"},
	    {&config->storage, "brstorage"},
	    {&config->upstream, "brupstream"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (str_equal(order[i].network->device, network->device))
			return order[i].bridge;
	return NULL;
}
