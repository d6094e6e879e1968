/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The address on lo: this program adds it, keeps it and removes it; nobody else does. */
#include "log/log.h"
#include "metadata.h"

#define LOOPBACK "lo"

static struct net_address address_wanted(int index) {
	struct ip_prefix ip;
	struct net_address address;

	(void)ip_prefix_parse(METADATA_ADDRESS, true, &ip); /* a constant */
	address = net_address_of(&ip);
	address.index = index;
	return address;
}

static int address_find(struct net *net, const struct net_links *links, struct net_address *ret, bool *ret_there,
			char **ret_error) {
	_cleanup_net_addresses_ struct net_addresses all = {0};
	const struct net_link *link = net_link_find(links, LOOPBACK);
	int r;

	if (!link)
		return error_set(ret_error, -ENODEV, "there is no interface " LOOPBACK);
	*ret = address_wanted(link->index);
	*ret_there = false;
	r = net_addresses_read(net, &all, ret_error);
	for (size_t i = 0; i < all.count && r >= 0; i++)
		*ret_there = *ret_there ||
			     (all.items[i].index == link->index && ip_prefix_equal(&all.items[i].local, &ret->local));
	return r;
}

int address_ensure(struct metadata *metadata, const struct net_links *links) {
	_cleanup_free_ char *error = NULL;
	struct net_address address;
	bool there = false;
	int r = address_find(metadata->net, links, &address, &there, &error);

	if (r >= 0 && !there) {
		r = net_address_add(metadata->net, &address, &error);
		if (r >= 0)
			log_info(METADATA_ADDRESS " added to " LOOPBACK);
	}
	if (r < 0)
		log_error("cannot add " METADATA_ADDRESS " to " LOOPBACK ": %s; tried again",
			  error ? error : strerror(-r));
	metadata->address_there = r >= 0;
	return r;
}

int address_release(struct metadata *metadata) {
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_free_ char *error = NULL;
	struct net_address address;
	bool there = false;
	int r = metadata->net ? 0 : net_open(&metadata->net, &error);

	if (r >= 0)
		r = net_links_read(metadata->net, &links, &error);
	if (r >= 0)
		r = address_find(metadata->net, &links, &address, &there, &error);
	if (r >= 0 && there) {
		r = net_address_remove(metadata->net, &address, &error);
		if (r >= 0)
			log_info(METADATA_ADDRESS " removed from " LOOPBACK);
	}
	if (r < 0)
		log_error("cannot remove " METADATA_ADDRESS " from " LOOPBACK ": %s", error ? error : strerror(-r));
	return r;
}
