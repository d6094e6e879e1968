/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All networks against the kernel: links and addresses are read once, then each network gets what it lacks. Called
 * whenever a key, a link or an address changed; changes that come together are looked at together. Looking costs one
 * dump of links and one of addresses, and nothing is done where nothing differs, so there is no other bookkeeping.
 */
#include <limits.h>
#include <poll.h>

#include "gateway.h"
#include "log/log.h"

#define VXLAN_OVERHEAD4 50u /* bytes of a packet that the tunnel takes, over IPv4 and IPv6 */
#define VXLAN_OVERHEAD6 70u

static void compare(struct gateway *gateway);

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	compare(userdata);
	return 0;
}

static void arm(struct gateway *gateway, sd_event_source **source, usec_t delay, sd_event_time_handler_t handler) {
	int r = event_timer(loop_event(gateway->loop), source, delay, handler, gateway);

	if (r < 0)
		log_error("cannot set a timer: %s", strerror(-r));
}

static bool all(const struct gateway *gateway, bool (*is)(const struct network *network)) {
	for (const struct network *network = gateway->networks; network; network = network->next)
		if (!is(network))
			return false;
	return gateway->listed;
}

/* The first change starts the clock, so that a steady stream of changes does not put it off for ever. In the beginning
 * the last key that says an address does, and the last of all: looking at the kernel in between costs more than the
 * reading. */
void reconcile_soon(struct gateway *gateway) {
	int enabled = 0;

	if (!gateway->stopping &&
	    (gateway->fresh_hint || (!gateway->located && all(gateway, network_addresses_are_seen)) ||
	     (!gateway->complete && all(gateway, network_is_seen)))) {
		arm(gateway, &gateway->settle, 0, on_settle);
		return;
	}
	if (gateway->settle && sd_event_source_get_enabled(gateway->settle, &enabled) >= 0 && enabled)
		return;
	if (!gateway->stopping)
		arm(gateway, &gateway->settle, gateway->complete ? SETTLE_TIME : FIRST_TIME, on_settle);
}

static int on_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct gateway *gateway = userdata;
	int r = net_monitor_wait(gateway->monitor, 0);

	(void)source;
	(void)fd;
	(void)events;
	if (r < 0)
		log_error("cannot hear of changes of links: %s", strerror(-r));
	if (r != 0)
		reconcile_soon(gateway);
	return 0;
}

/* ---- what is wanted ---- */

/* Networks of the host itself, and of networks with a lower VNI, go first. */
static int yield_to_others(struct gateway *gateway, struct network *network) {
	const struct {
		const struct ip_prefix *network;
		const char *name;
	} host[] = {{&gateway->config->upstream.network, "the upstream network"},
		    {&gateway->config->cluster.network, "the cluster network"},
		    {&gateway->config->storage.network, "the storage network"}};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(host) && r >= 0; i++)
		if (host[i].network->family)
			r = wanted_yield(&network->wanted, host[i].network, host[i].name);
	for (struct network *other = gateway->networks; other != network && r >= 0; other = other->next) {
		char name[32];

		(void)snprintf(name, sizeof(name), "VNI %s", other->vni);
		if (other->wanted.gateway4.family)
			r = wanted_yield(&network->wanted, &other->wanted.gateway4, name);
		if (r >= 0 && other->wanted.gateway6.family)
			r = wanted_yield(&network->wanted, &other->wanted.gateway6, name);
	}
	return r;
}

static void say_problems(struct network *network) {
	_cleanup_free_ char *text = strlist_join(&network->wanted.problems, "; ");

	if (!text || str_equal(text, network->said ? network->said : ""))
		return;
	if (*text)
		log_warning("VNI %s: %s", network->vni, text);
	else
		log_ok("VNI %s: its keys are in order now", network->vni);
	free(network->said);
	network->said = move_ptr(text);
}

static int compute_all(struct gateway *gateway) {
	int r = 0;

	for (struct network *network = gateway->networks; network && r >= 0; network = network->next) {
		if (network_is_hinted(network))
			continue;
		network->hinted = false;
		wanted_free(&network->wanted);
		if (network->gone || !network_addresses_are_seen(network))
			continue;
		r = wanted_compute((const char *const *)network->keys, &network->wanted);
		if (r >= 0)
			r = yield_to_others(gateway, network);
		if (r >= 0 && network_is_seen(network))
			say_problems(network);
	}
	gateway->changed = r < 0;
	return r;
}

/* ---- what is ---- */

/* What fits through the tunnel: the tunnel's own MTU, since that of the bridge changes with its ports. */
static unsigned mtu_of(const struct network *network, const struct net_links *links) {
	const struct config_network *cluster = &network->gateway->config->cluster;
	const struct net_link *tunnel;
	char name[IFNAMSIZ];

	(void)snprintf(name, sizeof(name), "vxlan%s", network->vni); /* 13 bytes at the most */
	tunnel = net_link_find(links, name);
	if (tunnel)
		return tunnel->mtu;
	return (unsigned)cluster->mtu - (cluster->network.family == AF_INET6 ? VXLAN_OVERHEAD6 : VXLAN_OVERHEAD4);
}

static int want_server(struct network *network, const struct net_links *links, const struct net_link *link) {
	struct gateway *gateway = network->gateway;
	_cleanup_strlist_ struct strlist arguments = {0};
	struct place place;
	int r;

	if (!link || !wanted_server(&network->wanted)) {
		server_want(network->server, NULL);
		return 0;
	}
	place = (struct place){.bridge = network->bridge,
			       .index = link->index,
			       .mtu = mtu_of(network, links),
			       .directory = network->directory,
			       .script = gateway->script,
			       .servers = gateway->servers_path,
			       .user = gateway->user,
			       .debug = gateway->debug};
	r = wanted_arguments(&network->wanted, &place, &arguments);
	if (r >= 0)
		server_want(network->server, &arguments);
	return r;
}

/* The bridge as far as it can be used: who makes it brings it up when it is ready. */
static const struct net_link *bridge_of(const struct network *network, const struct net_links *links) {
	const struct net_link *link = net_link_find(links, network->bridge);

	return link && link->up ? link : NULL;
}

/* Is there anything that this network could want, or have left? */
static bool concerns_us(const struct network *network, const struct net_link *link) {
	if (network_is_hinted(network))
		return true;
	if (network->gone)
		/* before everything is known, what a killed pvc-gateway left may be of a network not read yet */
		return network->gateway->complete &&
		       !(link && network->owned.count == 0 && !server_is_running(network->server));
	return network_addresses_are_seen(network);
}

static int serve(struct network *network, const struct net_links *links, const struct net_link *link) {
	int r;

	if (network->hosts_dirty && wanted_server(&network->wanted)) {
		r = network_write_hosts(network);
		if (r < 0) {
			log_error("VNI %s: cannot write the reservations into %s: %s", network->vni, network->directory,
				  strerror(-r));
			return r;
		}
		if (r > 0)
			server_reload(network->server);
	}
	return want_server(network, links, link);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	reconcile_soon(userdata);
	return 0;
}

static int on_announce(sd_event_source *source, uint64_t usec, void *userdata);

static void announce(struct gateway *gateway, const struct net_links *links) {
	bool more = false;

	for (struct network *network = gateway->networks; network; network = network->next) {
		addresses_announce(network, net_link_find(links, network->bridge));
		more = more || network->announce > 0;
	}
	if (more)
		arm(gateway, &gateway->announce, USEC_PER_SEC, on_announce);
}

static int on_announce(sd_event_source *source, uint64_t usec, void *userdata) {
	struct gateway *gateway = userdata;
	_cleanup_net_links_ struct net_links links = {0};

	(void)source;
	(void)usec;
	if (!gateway->stopping && net_links_read(gateway->net, &links, NULL) >= 0)
		announce(gateway, &links);
	return 0;
}

/* Networks that are gone and left nothing; their directories go too. */
static void sweep(struct gateway *gateway) {
	for (struct network **at = &gateway->networks; *at;) {
		struct network *network = *at;

		if (!network->gone || network->owned.count > 0 || server_is_running(network->server)) {
			at = &network->next;
			continue;
		}
		*at = network->next;
		network_remove_directory(network);
		network_free(network);
	}
}

static void become_complete(struct gateway *gateway) {
	gateway->located = gateway->located || all(gateway, network_addresses_are_seen);
	gateway->complete = gateway->complete || all(gateway, network_is_seen);
}

static int read_kernel(struct gateway *gateway, struct net_links *links, struct net_addresses *addresses) {
	_cleanup_free_ char *error = NULL;
	int r = net_links_read(gateway->net, links, &error);

	if (r >= 0)
		r = net_addresses_read(gateway->net, addresses, &error);
	if (r < 0)
		log_error("cannot read links and addresses: %s", error ? error : strerror(-r));
	return r;
}

/* The addresses of all networks first: guests miss them, and a dnsmasq takes its time to start. */
static int compare_addresses(struct gateway *gateway, const struct net_links *links,
			     const struct net_addresses *addresses) {
	_cleanup_address_changes_ struct address_changes changes = {0};
	bool fresh = false;
	int first = 0, r;

	for (struct network *network = gateway->networks; network; network = network->next) {
		const struct net_link *link = bridge_of(network, links);

		network->failed = 0;
		if (!concerns_us(network, link))
			continue;
		network->failed = addresses_plan(network, link, addresses, &changes);
		first = first < 0 ? first : network->failed;
	}
	r = addresses_run(gateway, &changes);
	for (struct network *network = gateway->networks; network; network = network->next)
		fresh = fresh || network->announce == ANNOUNCEMENTS;
	if (fresh)
		announce(gateway, links);
	return first < 0 ? first : r;
}

/* 1: there are more to start. */
static int compare_servers(struct gateway *gateway, const struct net_links *links) {
	int first = 0;

	gateway->started = 0;
	if (!gateway->complete) /* the addresses of all of them come first */
		return 0;
	for (struct network *network = gateway->networks; network; network = network->next) {
		const struct net_link *link = bridge_of(network, links);
		int r;

		/* dnsmasq without its address or reservations would give wrong answers */
		if (!concerns_us(network, link) || !network_is_seen(network) || network->failed < 0)
			continue;
		if (gateway->started >= STARTS_MAX)
			return first < 0 ? first : 1;
		r = serve(network, links, link);
		first = first < 0 ? first : r;
	}
	return first;
}

static int compare_kernel(struct gateway *gateway) {
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_net_addresses_ struct net_addresses addresses = {0};
	int r = read_kernel(gateway, &links, &addresses), first;

	if (r < 0)
		return r;
	first = compare_addresses(gateway, &links, &addresses);
	r = compare_servers(gateway, &links);
	if (gateway->started >= STARTS_MAX)
		arm(gateway, &gateway->settle, 0, on_settle);
	return first < 0 ? first : r;
}

static void compare(struct gateway *gateway) {
	int r;

	if (gateway->stopping)
		return;
	become_complete(gateway);
	gateway->fresh_hint = false;
	r = gateway->changed ? compute_all(gateway) : 0;
	if (r >= 0)
		r = compare_kernel(gateway);
	if (r < 0)
		arm(gateway, &gateway->retry, RETRY_TIME, on_retry);
	if (gateway->complete)
		sweep(gateway);
	hint_write(gateway);
	if (gateway->located && !gateway->ready) { /* a hundred dnsmasq are a second's work: nobody waits for that */
		gateway->ready = true;
		loop_ready(gateway->loop, "starting DHCP and DNS");
	}
	if (gateway->complete && !gateway->serving && gateway->started < STARTS_MAX) {
		gateway->serving = true;
		log_system("serving the managed networks of the cluster as %s", gateway->config->node);
		loop_status(gateway->loop, "serving");
	}
}

bool gateway_is_empty(const struct gateway *gateway) {
	for (const struct network *network = gateway->networks; network; network = network->next)
		if (server_is_running(network->server))
			return false;
	return true;
}

static int on_ends(sd_event_source *source, uint64_t usec, void *userdata);

/* A few at a time, all of them within ENDS_TIME: they are paused and harm nobody, but a hundred that end at once keep a
 * machine busy while another node, or other services of this one, take over. */
static void end_some(struct gateway *gateway, unsigned count) {
	unsigned left = 0;

	for (const struct network *network = gateway->next_end; network; network = network->next)
		left++;
	if (count < left * ENDS_PAUSE / ENDS_TIME)
		count = left * ENDS_PAUSE / ENDS_TIME;
	for (; gateway->next_end && count > 0; gateway->next_end = gateway->next_end->next)
		if (server_is_running(gateway->next_end->server)) {
			server_want(gateway->next_end->server, NULL);
			count--;
		}
	if (gateway->next_end)
		arm(gateway, &gateway->ends, ENDS_PAUSE, on_ends);
}

static int on_ends(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	end_some(userdata, ENDS_MAX);
	return 0;
}

void reconcile_release(struct gateway *gateway) {
	_cleanup_net_links_ struct net_links links = {0};
	_cleanup_net_addresses_ struct net_addresses addresses = {0};
	_cleanup_address_changes_ struct address_changes changes = {0};
	int r;

	for (struct network *network = gateway->networks; network; network = network->next)
		server_pause(network->server);
	r = read_kernel(gateway, &links, &addresses);
	for (struct network *network = gateway->networks; network; network = network->next) {
		wanted_free(&network->wanted);
		if (r >= 0) /* a failure is named in the log; the next start finds the note */
			(void)addresses_plan(network, net_link_find(&links, network->bridge), &addresses, &changes);
	}
	(void)addresses_run(gateway, &changes); /* likewise */
	gateway->next_end = gateway->networks;
	end_some(gateway, gateway->no_wait ? UINT_MAX : ENDS_MAX);
}

int reconcile_start(struct gateway *gateway) {
	_cleanup_free_ char *error = NULL;
	int r = net_open(&gateway->net, &error);

	if (r >= 0)
		r = net_monitor_open(&gateway->monitor, &error);
	if (r >= 0)
		r = sd_event_add_io(loop_event(gateway->loop), &gateway->monitor_source,
				    net_monitor_fd(gateway->monitor), POLLIN, on_monitor, gateway);
	if (r < 0)
		log_error("cannot talk to the kernel about links: %s", error ? error : strerror(-r));
	return r;
}

void reconcile_stop(struct gateway *gateway) {
	sd_event_source **sources[] = {
	    &gateway->monitor_source, &gateway->settle,       &gateway->retry, &gateway->announce,
	    &gateway->end_timer,      &gateway->resolv_timer, &gateway->ends};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		(void)sd_event_source_disable_unref(*sources[i]); /* returns NULL */
	base_closep(&gateway->announcer);
	net_close(gateway->monitor);
	net_close(gateway->net);
}
