/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gateway addresses of one network. Only addresses that this program added are ever removed. */
#include "gateway.h"
#include "log/log.h"

static bool contains(const struct owned *owned, const struct ip_prefix *ip) {
	for (size_t i = 0; i < owned->count; i++)
		if (ip_prefix_equal(&owned->items[i], ip))
			return true;
	return false;
}

static void add(struct owned *owned, const struct ip_prefix *ip) {
	if (ip->family && !contains(owned, ip) && owned->count < OWNED_MAX)
		owned->items[owned->count++] = *ip;
}

static char *file_of(const struct network *network) {
	return str_printf("%s/gateways", network->directory);
}

int owned_read(struct network *network) {
	_cleanup_free_ char *path = file_of(network), *text = NULL;
	_cleanup_strlist_ struct strlist lines = {0};
	size_t length;
	int r = path ? file_read(path, 4096, &text, &length) : -ENOMEM;

	if (r >= 0)
		r = strlist_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.count && r >= 0; i++) {
		struct ip_prefix ip;

		if (ip_prefix_parse(lines.items[i], false, &ip) >= 0)
			add(&network->owned, &ip);
	}
	return r == -ENOENT ? 0 : r;
}

static int owned_write(struct network *network, const struct owned *owned) {
	_cleanup_free_ char *path = file_of(network);
	_cleanup_strbuf_ struct strbuf text = {0};
	char line[IP_PREFIX_TEXT];
	int r = path ? 0 : -ENOMEM;

	if (r >= 0 && owned->count == 0)
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	for (size_t i = 0; i < owned->count; i++) {
		ip_prefix_format(&owned->items[i], true, line);
		(void)strbuf_addf(&text, "%s\n", line);
	}
	if (text.failed)
		r = -ENOMEM;
	if (r >= 0)
		r = network_make_directory(network);
	if (r >= 0)
		r = file_write_atomic(path, text.data, text.length, 0644);
	return r;
}

static const struct net_address *find(const struct net_addresses *now, int index, const struct ip_prefix *ip) {
	for (size_t i = 0; i < now->count; i++)
		if (now->items[i].index == index && ip_prefix_equal(&now->items[i].local, ip))
			return &now->items[i];
	return NULL;
}

/* Says what was done, or what was not and why. */
static int report(const struct network *network, const char *verb, const char *past, const struct ip_prefix *ip, int r,
		  const char *error) {
	char text[IP_PREFIX_TEXT];

	ip_prefix_format(ip, true, text);
	if (r < 0)
		log_error("VNI %s: cannot %s gateway address %s on %s: %s; tried again", network->vni, verb, text,
			  network->bridge, error ? error : strerror(-r));
	else
		log_info("VNI %s: gateway address %s %s %s", network->vni, text, past, network->bridge);
	return r;
}

static int remove_one(struct network *network, const struct net_link *link, const struct net_address *address) {
	_cleanup_free_ char *error = NULL;
	int r = net_address_remove(network->gateway->net, address, &error);

	(void)link;
	return report(network, "remove", "removed from", &address->local, r, error);
}

static int add_one(struct network *network, const struct net_link *link, const struct ip_prefix *ip) {
	struct net_address address = net_address_of(ip);
	_cleanup_free_ char *error = NULL;
	int r;

	address.index = link->index;
	/* the old primary may still be answering for a moment; waiting for that would keep dnsmasq from its socket */
	address.flags = IFA_F_NODAD;
	if (ip->family == AF_INET && ip->prefix < 31)
		address.broadcast.s_addr = ip->v4.s_addr | htonl((uint32_t)(0xffffffffu >> ip->prefix));
	r = net_address_add(network->gateway->net, &address, &error);
	if (r >= 0)
		network->announce = ANNOUNCEMENTS;
	return report(network, "add", "added to", ip, r, error);
}

int addresses_apply(struct network *network, const struct net_link *link, const struct net_addresses *now) {
	struct owned wanted = {0}, both = network->owned;
	int r = 0, first = 0;

	if (link) { /* without the bridge there is nothing to own: the kernel took the addresses with it */
		add(&wanted, &network->wanted.gateway4);
		add(&wanted, &network->wanted.gateway6);
	}
	for (size_t i = 0; i < wanted.count; i++)
		if (!find(now, link->index, &wanted.items[i]))
			add(&both, &wanted.items[i]);
	if (both.count != network->owned.count) {
		r = owned_write(network, &both); /* before the kernel is asked */
		if (r < 0) {
			log_error("VNI %s: cannot note its gateway addresses in %s: %s", network->vni,
				  network->directory, strerror(-r));
			return r;
		}
	}
	network->owned = (struct owned){0};
	for (size_t i = 0; i < both.count; i++) {
		const struct net_address *there = link ? find(now, link->index, &both.items[i]) : NULL;

		r = 0;
		if (!contains(&wanted, &both.items[i])) {
			if (there)
				r = remove_one(network, link, there);
			if (r < 0)
				add(&network->owned, &both.items[i]);
		} else {
			add(&network->owned, &both.items[i]);
			if (!there)
				r = add_one(network, link, &both.items[i]);
		}
		if (r < 0 && first >= 0)
			first = r;
	}
	if (network->owned.count != both.count)
		r = owned_write(network, &network->owned);
	return first < 0 ? first : r;
}

static void announce_one(const struct network *network, const struct net_link *link, const struct ip_prefix *ip) {
	struct gateway *gateway = network->gateway;
	_cleanup_free_ char *error = NULL;
	int r = 0;

	if (!ip->family)
		return;
	if (gateway->announcer < 0)
		gateway->announcer = r = net_announce_open(&error);
	if (r >= 0)
		r = net_announce(gateway->announcer, link->index, link->mac, ip, &error);
	if (r < 0)
		log_debug("VNI %s: announcing its gateway: %s", network->vni, error ? error : "no memory");
}

void addresses_announce(struct network *network, const struct net_link *link) {
	if (network->announce == 0)
		return;
	network->announce--;
	if (!link || !link->has_mac)
		return;
	announce_one(network, link, &network->wanted.gateway4);
	announce_one(network, link, &network->wanted.gateway6);
}
