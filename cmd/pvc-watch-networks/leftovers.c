/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Links of networks that were deleted while this program did not run. The list of networks is read after a sync: a
 * server that lags behind must not make a new network look like an old one.
 */
#include "daemon.h"

static void failed(struct daemon *daemon, const char *what, const char *why) {
	daemon->leftovers_busy = false;
	if (!daemon->stopping)
		log_warning("cannot look for links of deleted networks: %s: %s; tried again", what, why);
}

static bool is_listed(const struct strlist *children, uint32_t vni) {
	char text[16];

	snprintf(text, sizeof(text), "%u", vni);
	return strlist_contains(children, text);
}

static void look(struct daemon *daemon, const struct net_links *links, const struct strlist *children) {
	for (size_t i = 0; i < links->count; i++) {
		const struct net_link *link = &links->items[i];
		enum network_role role;
		uint32_t vni;

		if (!str_equal(link->alias, NETWORK_ALIAS) || !network_parse_name(link->name, &role, &vni) ||
		    table_find(daemon, vni) || is_listed(children, vni))
			continue;
		log_info("%s is left of network %u, which is no more", link->name, vni);
		if (!table_add_gone(daemon, vni))
			log_error("not enough memory to remove %s", link->name);
	}
}

static void seen(struct daemon *daemon) {
	daemon->leftovers_busy = false;
	daemon->leftovers_seen = true;
	filters_compare(daemon);
	daemon_check_ready(daemon);
}

static void listed(struct store *store, int result, const struct strlist *children, void *userdata) {
	struct daemon *daemon = userdata;
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_free_ char *error = NULL;
	int r;

	(void)store;
	if (result == -ENOENT) { /* no cluster yet: nothing is known to be deleted */
		seen(daemon);
		return;
	}
	if (result < 0) {
		failed(daemon, "reading the list of networks", strerror(-result));
		return;
	}
	r = links_read(daemon, &links, &error);
	if (r < 0) {
		failed(daemon, "reading the links", error ? error : strerror(-r));
		return;
	}
	look(daemon, &links, children);
	seen(daemon);
}

static void synced(struct store *store, int result, void *userdata) {
	struct daemon *daemon = userdata;

	if (result >= 0 && !daemon->stopping)
		result = store_list(store, store_base(STORE_NETWORKS), listed, daemon);
	if (result < 0)
		failed(daemon, "asking ZooKeeper", strerror(-result));
}

void leftovers_look(struct daemon *daemon) {
	int r;

	if (daemon->leftovers_busy || daemon->stopping)
		return;
	daemon->leftovers_busy = true;
	r = store_sync(daemon->store, store_base(STORE_NETWORKS), synced, daemon);
	if (r < 0)
		failed(daemon, "asking ZooKeeper", strerror(-r));
}

bool leftovers_seen(const struct daemon *daemon) {
	return daemon->leftovers_seen;
}
