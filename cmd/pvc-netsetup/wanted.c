/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the configuration to the bridges that it asks for. */
#include "netsetup.h"

#define KEY(net, what) "system.configuration.networking." net "." what

static const char *const bridge_names[NETWORKS] = {"brcluster", "brstorage", "brupstream"};

bool wanted_is_our_bridge(const char *name) {
	for (size_t i = 0; i < NETWORKS; i++)
		if (str_equal(name, bridge_names[i]))
			return true;
	return false;
}

void wanted_from_config(const struct config *config, struct wanted *ret) {
	const struct {
		const struct config_network *network;
		const char *device_key, *mtu_key, *address_key;
	} networks[NETWORKS] = {
	    {&config->cluster, KEY("cluster", "device"), KEY("cluster", "mtu"), KEY("cluster", "address")},
	    {&config->storage, KEY("storage", "device"), KEY("storage", "mtu"), KEY("storage", "address")},
	    {&config->upstream, KEY("upstream", "device"), KEY("upstream", "mtu"), KEY("upstream", "address")},
	};

	*ret = (struct wanted){0};
	for (size_t i = 0; i < NETWORKS; i++) {
		const struct config_network *network = networks[i].network;
		struct wanted_bridge *bridge = NULL;
		const char *name = config_bridge_name(config, network);

		for (size_t j = 0; j < ret->count; j++)
			if (str_equal(ret->bridges[j].name, name))
				bridge = &ret->bridges[j];
		if (!bridge) {
			bridge = &ret->bridges[ret->count++];
			snprintf(bridge->name, sizeof(bridge->name), "%s", name);
			bridge->device = network->device;
			bridge->device_key = networks[i].device_key;
		}
		/* the largest packet of any network has to pass; smaller ones do anyway */
		if (network->mtu > bridge->mtu) {
			bridge->mtu = (unsigned)network->mtu;
			bridge->mtu_key = networks[i].mtu_key;
		}
		if (network->address.family) {
			bridge->address_keys[bridge->address_count] = networks[i].address_key;
			bridge->addresses[bridge->address_count++] = network->address;
		}
		if (network->gateway.family)
			bridge->gateway = network->gateway;
	}
}

const struct wanted_bridge *wanted_missing(const struct wanted *wanted, const struct net_links *links) {
	for (size_t i = 0; i < wanted->count; i++)
		if (!net_link_find(links, wanted->bridges[i].device))
			return &wanted->bridges[i];
	return NULL;
}
