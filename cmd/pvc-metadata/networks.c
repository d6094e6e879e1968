/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Managed networks: each has a socket of its own that listens at METADATA_ADDRESS and is bound to its bridge. So what
 * comes in another way finds nobody (the host itself, its other networks, bridged client networks), the network of a
 * request is known for certain, and answers leave through the bridge that the request came in by, also where addresses
 * of networks overlap.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "dhcp/dhcp.h"
#include "log/log.h"
#include "metadata.h"

#define BACKLOG     1024
#define ACCEPT_ONCE 16 /* connections of one network before the loop serves others */

struct network {
	struct metadata *metadata;
	char *vni;
	char bridge[IFNAMSIZ];
	struct store_watch *watch;
	bool seen, managed, listed, paused;
	int index; /* of the bridge that `fd` is bound to */
	int fd;
	sd_event_source *io;
	char *said; /* failure that was named in the log */
	struct network *next;
};

static void compare(struct metadata *metadata);

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	compare(userdata);
	return 0;
}

static void arm(struct metadata *metadata, sd_event_source **source, usec_t delay) {
	int r = event_timer(loop_event(metadata->loop), source, delay, on_settle, metadata);

	if (r < 0)
		log_error("cannot set a timer: %s", strerror(-r));
}

/* ---- connections ----------------------------------------------------------------------------------------------- */

/* Paused, connections wait in the socket's own queue. */
static void set_accepting(struct network *network, bool on) {
	int r = sd_event_source_set_enabled(network->io, on ? SD_EVENT_ON : SD_EVENT_OFF);

	if (r < 0)
		log_error("VNI %s: cannot %s accepting connections: %s", network->vni, on ? "go on" : "pause",
			  strerror(-r));
	if (network->paused == on)
		network->metadata->paused += on ? -1 : 1;
	network->paused = !on;
}

/* A network's guests do not shut out those of others, and nobody is refused because of the others. */
static bool is_full(const struct network *network) {
	struct http *http = network->metadata->http;

	return http_count(http, network->index) >= PER_NETWORK || http_count(http, 0) >= HTTP_CONNECTIONS;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct network *network = userdata;

	(void)source;
	(void)events;
	for (int i = 0; i < ACCEPT_ONCE; i++) {
		int accepted;

		if (is_full(network)) {
			set_accepting(network, false);
			return 0;
		}
		accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (accepted < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			set_accepting(network, false); /* not again at once and for ever */
			arm(network->metadata, &network->metadata->retry, RETRY_TIME);
		}
		if (accepted < 0)
			return 0; /* none any more, or one that has gone again */
		http_add(network->metadata->http, accepted);
	}
	return 0;
}

void networks_go_on(struct metadata *metadata) {
	for (struct network *network = metadata->networks; network && metadata->paused > 0; network = network->next)
		if (network->paused)
			set_accepting(network, true);
}

/* ---- listening ------------------------------------------------------------------------------------------------- */

static void say(struct network *network, const char *error) {
	if (error && !str_equal(error, network->said))
		log_error("VNI %s: cannot listen at " METADATA_ADDRESS " on %s: %s; tried again", network->vni,
			  network->bridge, error);
	free(network->said);
	network->said = error ? strdup(error) : NULL; /* without memory it is named again */
}

static void close_listener(struct network *network) {
	if (network->paused)
		network->metadata->paused--;
	network->paused = false;
	network->io = sd_event_source_disable_unref(network->io);
	if (network->fd >= 0)
		(void)close(network->fd); /* it only listens */
	network->fd = -1;
	network->index = 0;
}

static int open_socket(const struct network *network) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(METADATA_PORT)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0 || inet_pton(AF_INET, METADATA_ADDRESS, &address.sin_addr) != 1)
		return -errno;
	/* reuse: past connections linger; freebind: the address may come and go without us */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, network->bridge, (socklen_t)strlen(network->bridge) + 1) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return move_fd(&fd);
}

static int open_listener(struct network *network, int index) {
	int fd = open_socket(network), bound = 0, r;
	socklen_t size = sizeof(bound);

	if (fd == -EADDRINUSE)
		say(network,
		    "another program listens at port 80 of all addresses; let it listen at its own addresses alone");
	else if (fd < 0)
		say(network, strerror(-fd));
	if (fd < 0)
		return fd;
	network->fd = fd;
	/* the name may have gone to another bridge since the links were read: the news of that is on its way */
	r = getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &bound, &size) < 0 ? -errno : 0;
	if (r >= 0 && bound != index)
		r = -EAGAIN;
	if (r >= 0)
		r = sd_event_add_io(loop_event(network->metadata->loop), &network->io, fd, EPOLLIN, on_connect,
				    network);
	if (r < 0) {
		close_listener(network);
		say(network, strerror(-r));
		return r;
	}
	network->index = index;
	say(network, NULL);
	log_info("VNI %s: serving instance metadata on %s", network->vni, network->bridge);
	return 0;
}

static int apply(struct network *network, const struct net_links *links) {
	const struct net_link *link = network->managed ? net_link_find(links, network->bridge) : NULL;
	int index = link ? link->index : 0;

	if (network->index == index)
		return 0;
	close_listener(network);
	return index ? open_listener(network, index) : 0;
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

/* The first change starts the clock, so that a steady stream of changes does not put it off for ever. */
static void compare_soon(struct metadata *metadata) {
	int enabled = 0;

	if (metadata->settle && sd_event_source_get_enabled(metadata->settle, &enabled) >= 0 && enabled)
		return;
	if (!metadata->stopping)
		arm(metadata, &metadata->settle, SETTLE_TIME);
}

static void compare(struct metadata *metadata) {
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_free_ char *error = NULL;
	int r, first;

	if (metadata->stopping)
		return;
	r = first = net_links_read(metadata->net, &links, &error);
	if (r < 0)
		log_error("cannot read links: %s", error ? error : strerror(-r));
	else
		first = address_ensure(metadata, &links);
	for (struct network *network = metadata->networks; network && links.count > 0; network = network->next) {
		r = apply(network, &links);
		if (r < 0)
			first = r;
	}
	networks_go_on(metadata);
	if (first < 0)
		arm(metadata, &metadata->retry, RETRY_TIME);
	arm(metadata, &metadata->renew, ADDRESS_RENEW * USEC_PER_SEC);
	metadata_try_ready(metadata);
}

static int on_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct metadata *metadata = userdata;
	int r = net_monitor_wait(metadata->monitor, 0);

	(void)source;
	(void)fd;
	(void)events;
	if (r < 0)
		log_error("cannot hear of changes of links: %s", strerror(-r));
	if (r != 0)
		compare_soon(metadata);
	return 0;
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

bool networks_are_seen(const struct metadata *metadata) {
	for (const struct network *network = metadata->networks; network; network = network->next)
		if (!network->seen)
			return false;
	return metadata->networks_listed;
}

const char *networks_vni(const struct metadata *metadata, int index) {
	for (const struct network *network = metadata->networks; network && index; network = network->next)
		if (network->index == index)
			return network->vni;
	return NULL;
}

static void type_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct network *network = userdata;

	(void)store;
	network->seen = true;
	network->managed = value->exists && str_equal(value->data, "managed");
	compare_soon(network->metadata);
}

static void network_free(struct network *network) {
	close_listener(network);
	free(network->said);
	free(network->vni);
	free(network);
}

static int network_add(struct metadata *metadata, const char *vni) {
	struct network *network = calloc(1, sizeof(*network));
	_cleanup_free_ char *path = store_path(STORE_NETWORKS, vni, "nettype", (char *)NULL);
	int r = -ENOMEM;

	if (!network)
		return -ENOMEM;
	network->metadata = metadata;
	network->fd = -1;
	network->listed = true;
	network->vni = strdup(vni);
	(void)snprintf(network->bridge, sizeof(network->bridge), "vmbr%s", vni); /* 12 bytes at the most */
	if (path && network->vni)
		r = store_watch_value(metadata->store, path, type_changed, network, &network->watch);
	if (r < 0) {
		network_free(network);
		return r;
	}
	network->next = metadata->networks;
	metadata->networks = network;
	return 0;
}

static void appear(struct metadata *metadata, const char *vni) {
	struct network *network = metadata->networks;
	int r;

	if (!dhcp_is_vni(vni)) /* pvc-gateway names it */
		return;
	while (network && !str_equal(network->vni, vni))
		network = network->next;
	if (network) {
		network->listed = true;
		return;
	}
	r = network_add(metadata, vni);
	if (r < 0)
		log_error("VNI %s cannot be watched: %s", vni, strerror(-r));
}

static void list_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct metadata *metadata = userdata;

	(void)store;
	metadata->networks_listed = true;
	for (struct network *network = metadata->networks; network; network = network->next)
		network->listed = false;
	for (size_t i = 0; children && i < children->count; i++)
		appear(metadata, children->items[i]);
	for (struct network **at = &metadata->networks; *at;) {
		struct network *network = *at;

		if (network->listed) {
			at = &network->next;
			continue;
		}
		*at = network->next;
		store_watch_free(network->watch);
		network_free(network);
	}
	compare_soon(metadata);
}

int networks_start(struct metadata *metadata) {
	_cleanup_free_ char *error = NULL;
	int r = net_open(&metadata->net, &error);

	if (r >= 0)
		r = net_monitor_open(&metadata->monitor, &error);
	if (r >= 0)
		r = sd_event_add_io(loop_event(metadata->loop), &metadata->monitor_source,
				    net_monitor_fd(metadata->monitor), POLLIN, on_monitor, metadata);
	if (r < 0) {
		log_error("cannot talk to the kernel about links: %s", error ? error : strerror(-r));
		return r;
	}
	return store_watch_list(metadata->store, store_base(STORE_NETWORKS), list_changed, metadata,
				&metadata->networks_watch);
}

void networks_stop(struct metadata *metadata) {
	for (struct network *network = metadata->networks; network; network = network->next)
		close_listener(network);
	if (metadata->net)
		address_release(metadata);
}

void networks_free(struct metadata *metadata) {
	sd_event_source **sources[] = {&metadata->monitor_source, &metadata->settle, &metadata->retry,
				       &metadata->renew};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		*sources[i] = sd_event_source_disable_unref(*sources[i]);
	while (metadata->networks) { /* the store took the watches with it */
		struct network *network = metadata->networks;

		metadata->networks = network->next;
		network_free(network);
	}
	net_close(metadata->monitor);
	net_close(metadata->net);
}
