/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The other nodes' cluster addresses. Each of ours publishes it; a node without the key (of another implementation) is
 * looked up by its name in the cluster's domain. What is not known does not take an address away.
 */
#include "daemon.h"

#include <netdb.h>

#define NODES_MAX   1000
#define LOOKUP_TIME (30 * USEC_PER_SEC)

struct node {
	struct daemon *daemon;
	char *name;
	struct store_watch *watch;
	bool seen, published;     /* its key exists */
	struct ip_prefix address; /* family 0: none, or not known */
	char *odd;                /* the value that was told to be no address */
	bool failed;              /* the last look-up: told */
	usec_t lookup_at;         /* 0: no look-up is wanted */
	struct lookup *lookup;    /* under way */
};

struct peers {
	struct store_watch *watch;
	bool seen, told;
	struct node **nodes; /* sorted by name, as the list is */
	size_t count;
	struct ip_prefix *addresses; /* what the underlay borrows */
};

struct lookup {
	struct node *node; /* NULL once it went; only touched on the loop */
	char *name;
	int family;
	struct ip_prefix address; /* result */
};

/* No network is touched before. */
static void tell_seen(struct daemon *daemon) {
	if (!daemon->peers->told && peers_seen(daemon)) {
		daemon->peers->told = true;
		links_mark_all(daemon);
	}
	daemon_check_ready(daemon);
}

static void collect(struct daemon *daemon) {
	struct peers *peers = daemon->peers;
	struct ip_prefix *addresses = calloc(peers->count + 1, sizeof(*addresses));
	bool complete = peers->seen, changed;
	size_t count = 0;

	if (!addresses) {
		log_error("not enough memory for the list of nodes");
		return;
	}
	for (size_t i = 0; i < peers->count; i++) {
		const struct node *node = peers->nodes[i];

		if (node->address.family && !ip_prefix_equal(&node->address, &daemon->underlay.local))
			addresses[count++] = node->address;
		else if (!node->seen || !node->published || node->odd)
			complete = false;
	}
	changed = complete != daemon->underlay.peers_complete || count != daemon->underlay.peer_count ||
		  (count && memcmp(addresses, peers->addresses, count * sizeof(*addresses)) != 0);
	free(peers->addresses);
	peers->addresses = addresses;
	daemon->underlay.peers = addresses;
	daemon->underlay.peer_count = count;
	daemon->underlay.peers_complete = complete;
	if (changed)
		links_mark_all(daemon);
	tell_seen(daemon);
}

/* ---- looking a name up ---- */

static int look_up(void *arg) {
	struct lookup *lookup = arg;
	const struct addrinfo hints = {.ai_family = lookup->family, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;

	if (getaddrinfo(lookup->name, NULL, &hints, &found) != 0 || !found)
		return -ENOENT;
	lookup->address = (struct ip_prefix){.family = lookup->family};
	if (lookup->family == AF_INET) {
		lookup->address.prefix = 32;
		memcpy(&lookup->address.v4, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr, 4);
	} else {
		lookup->address.prefix = 128;
		memcpy(&lookup->address.v6, &((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_addr, 16);
	}
	freeaddrinfo(found);
	return 0;
}

static void looked_up(void *arg, int result, void *userdata) {
	struct lookup *lookup = arg;
	struct node *node = lookup->node;

	(void)userdata;
	if (!node)
		return;
	node->lookup = NULL;
	if (node->published || node->daemon->stopping)
		return;
	node->lookup_at = now_monotonic() + COMPARE_TIME; /* it may change, and it may be published one day */
	if (result < 0 && !node->failed)
		log_warning("node %s publishes no cluster address and the name %s is not found: client networks do not "
			    "reach it",
			    node->name, lookup->name);
	node->failed = result < 0;
	if (result == 0)
		node->address = lookup->address;
	collect(node->daemon);
}

static void free_lookup(void *arg) {
	struct lookup *lookup = arg;

	free(lookup->name);
	free(lookup);
}

static void start_lookup(struct node *node) {
	const struct daemon *daemon = node->daemon;
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	const char *domain = daemon->config->cluster.domain;
	struct job job = {.work = look_up,
			  .done = looked_up,
			  .free_arg = free_lookup,
			  .arg = lookup,
			  .deadline = deadline_after(LOOKUP_TIME)};

	node->lookup_at = now_monotonic() + RETRY_TIME; /* if it cannot even begin */
	if (!lookup)
		return;
	lookup->node = node;
	lookup->family = daemon->underlay.local.family == AF_INET6 ? AF_INET6 : AF_INET;
	lookup->name = domain ? str_printf("%s.%s", node->name, domain) : strdup(node->name);
	if (!lookup->name || workers_submit(daemon->workers, &job) < 0) {
		free_lookup(lookup);
		return;
	}
	node->lookup = lookup;
	node->lookup_at = 0;
}

void peers_tick(struct daemon *daemon) {
	struct peers *peers = daemon->peers;

	for (size_t i = 0; peers && i < peers->count; i++) {
		struct node *node = peers->nodes[i];

		if (node->lookup_at && !node->lookup && now_monotonic() >= node->lookup_at)
			start_lookup(node);
	}
}

/* ---- the keys ---- */

static void take_address(struct node *node, const char *text) {
	struct ip_prefix address = {0};

	node->published = true;
	node->lookup_at = 0;
	if (str_is_absent(text) || ip_prefix_parse(text, true, &address) >= 0) {
		if (address.family)
			address.prefix = address.family == AF_INET ? 32 : 128;
		free(node->odd);
		node->odd = NULL;
		node->address = address;
		return;
	}
	if (!str_equal(text, node->odd)) {
		_cleanup_free_ char *shown = str_printable(text, MESSAGE_BYTES);

		log_warning("the cluster address of node %s is '%s', which is none: the last one that was known stays",
			    node->name, shown ? shown : "?");
		free(node->odd);
		node->odd = strdup(text); /* without memory it is told again */
	}
}

static void address_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct node *node = userdata;
	const char *text = value_text(value);

	(void)store;
	node->seen = true;
	if (text)
		take_address(node, text);
	else
		node->published = false;
	if (!text && !node->lookup)
		start_lookup(node);
	collect(node->daemon);
}

static void node_free(struct node *node) {
	if (node->daemon->store)
		store_watch_free(node->watch);
	if (node->lookup)
		node->lookup->node = NULL;
	free(node->name);
	free(node->odd);
	free(node);
}

static struct node *node_new(struct daemon *daemon, const char *name) {
	_cleanup_free_ char *path = store_path(STORE_NODES, name, "cluster_address", NULL);
	struct node *node = calloc(1, sizeof(*node));
	int r = -ENOMEM;

	if (node && path && (node->name = strdup(name))) {
		node->daemon = daemon;
		r = store_watch_value(daemon->store, path, address_changed, node, &node->watch);
	}
	if (r < 0) {
		log_error("cannot watch the nodes: %s", strerror(-r));
		if (node)
			free(node->name);
		free(node);
		return NULL;
	}
	return node;
}

/* Names of hosts, and nothing that would be odd in a look-up or a log line. */
static bool is_host(const char *name) {
	return *name &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(name) &&
	       strlen(name) <= 255;
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct daemon *daemon = userdata;
	struct peers *peers = daemon->peers;
	size_t old = 0, count = 0;
	struct node **nodes;

	(void)store;
	if (!children) { /* no cluster: what is known stays */
		peers->seen = true;
		tell_seen(daemon);
		return;
	}
	nodes = calloc(children->count + 1, sizeof(struct node *));
	if (!nodes) {
		log_error("not enough memory for the list of nodes");
		return;
	}
	for (size_t i = 0; i < children->count && count < NODES_MAX; i++) {
		const char *name = children->items[i];
		struct node *node = NULL;

		if (str_equal(name, daemon->config->node) || !is_host(name))
			continue;
		while (old < peers->count && strcmp(peers->nodes[old]->name, name) < 0)
			node_free(peers->nodes[old++]);
		if (old < peers->count && str_equal(peers->nodes[old]->name, name))
			node = peers->nodes[old++];
		else
			node = node_new(daemon, name);
		if (node)
			nodes[count++] = node;
	}
	while (old < peers->count)
		node_free(peers->nodes[old++]);
	free(peers->nodes);
	peers->nodes = nodes;
	peers->count = count;
	peers->seen = true;
	collect(daemon);
}

bool peers_seen(const struct daemon *daemon) {
	const struct peers *peers = daemon->peers;

	for (size_t i = 0; i < peers->count; i++)
		if (!peers->nodes[i]->seen)
			return false;
	return peers->seen;
}

int peers_start(struct daemon *daemon) {
	daemon->peers = calloc(1, sizeof(struct peers));
	if (!daemon->peers)
		return -ENOMEM;
	return store_watch_list(daemon->store, store_base(STORE_NODES), list_changed, daemon, &daemon->peers->watch);
}

void peers_stop(struct daemon *daemon) {
	struct peers *peers = daemon->peers;

	if (!peers)
		return;
	for (size_t i = 0; i < peers->count; i++)
		node_free(peers->nodes[i]);
	free(peers->nodes);
	free(peers->addresses);
	free(peers);
	daemon->peers = NULL;
}
