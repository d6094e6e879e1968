/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The address on lo: this program adds it, keeps it and removes it; nobody else does. The kernel takes it away when it
 * is not renewed for ADDRESS_LIFE, so nothing has to clean up after a program that was killed or hangs, which would
 * take time when the primary role is handed over.
 */
#include "log/log.h"
#include "metadata.h"

#define LOOPBACK "lo"

static struct net_address address_wanted(int index) {
	struct ip_prefix ip;
	struct net_address address;

	(void)ip_prefix_parse(METADATA_ADDRESS, true, &ip); /* a constant */
	address = net_address_of(&ip);
	address.index = index;
	address.valid = address.preferred = ADDRESS_LIFE;
	return address;
}

/* The address as it should be, and for how long it will still be there. */
static int address_find(struct net *net, const struct net_links *links, struct net_address *ret, uint32_t *ret_left,
			char **ret_error) {
	_cleanup_net_addresses_ struct net_addresses all = {0};
	const struct net_link *link = net_link_find(links, LOOPBACK);
	int r;

	if (!link)
		return error_set(ret_error, -ENODEV, "there is no interface " LOOPBACK);
	*ret = address_wanted(link->index);
	*ret_left = 0;
	r = net_addresses_read(net, &all, ret_error);
	for (size_t i = 0; i < all.count && r >= 0; i++)
		if (all.items[i].index == link->index && ip_prefix_equal(&all.items[i].local, &ret->local))
			*ret_left = all.items[i].valid;
	return r;
}

int address_ensure(struct metadata *metadata, const struct net_links *links) {
	_cleanup_free_ char *error = NULL;
	struct net_address address;
	uint32_t left = 0;
	int r = address_find(metadata->net, links, &address, &left, &error);

	if (r >= 0 && (left <= ADDRESS_LIFE - ADDRESS_RENEW || left > ADDRESS_LIFE)) {
		r = net_address_add(metadata->net, &address, &error);
		if (r >= 0 && left == 0)
			log_info(METADATA_ADDRESS " added to " LOOPBACK);
	}
	if (r < 0)
		log_error("cannot add " METADATA_ADDRESS " to " LOOPBACK ": %s; tried again",
			  error ? error : strerror(-r));
	metadata->address_there = r >= 0;
	return r;
}

void address_release(struct metadata *metadata) {
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_free_ char *error = NULL;
	struct net_address address;
	uint32_t left = 0;
	int r = net_links_read(metadata->net, &links, &error);

	if (r >= 0)
		r = address_find(metadata->net, &links, &address, &left, &error);
	if (r >= 0 && left > 0) {
		r = net_address_remove(metadata->net, &address, &error);
		if (r >= 0)
			log_info(METADATA_ADDRESS " removed from " LOOPBACK);
	}
	if (r < 0)
		log_error("cannot remove " METADATA_ADDRESS " from " LOOPBACK ": %s", error ? error : strerror(-r));
}
