/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all networks hang on. pvc-netsetup makes it; here it is only looked at. */
#include "daemon.h"

#define FRR_FILE_MAX (4u * 1024u * 1024u) /* bytes */

static const char *const frr_configs[] = {"/etc/frr/frr.conf", "/etc/frr/bgpd.conf"};

static bool configured_for_evpn(void) {
	_cleanup_free_ char *daemons = NULL;
	int r = file_read("/etc/frr/daemons", FRR_FILE_MAX, &daemons, NULL);

	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		log_warning("cannot read /etc/frr/daemons: %s: taken as no EVPN", strerror(-r));
	if (r < 0 || !evpn_daemon_enabled(daemons))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(frr_configs); i++) {
		_cleanup_free_ char *config = NULL;

		r = file_read(frr_configs[i], FRR_FILE_MAX, &config, NULL);
		if (r < 0 && r != -ENOENT)
			log_warning("cannot read %s: %s: taken as no EVPN", frr_configs[i], strerror(-r));
		if (r >= 0 && evpn_advertises(config))
			return true;
	}
	return false;
}

/* True when it is not as it was. */
static bool read_link(struct net *net, struct underlay_link *link) {
	struct underlay_link was = *link;
	struct net_link now;
	_cleanup_free_ char *error = NULL;
	int r = link->name ? net_link_by_name(net, link->name, &now, &error) : -ENODEV;

	if (r < 0 && r != -ENODEV) {
		log_warning("cannot look at %s: %s", link->name, error ? error : strerror(-r));
		return false;
	}
	link->index = r < 0 ? 0 : now.index;
	link->mtu = r < 0 ? 0 : now.mtu;
	return link->index != was.index || link->mtu != was.mtu;
}

static void say_mtu(const struct underlay *underlay) {
	if (underlay->cluster.index && underlay->cluster.mtu < underlay->cluster_mtu)
		log_warning("%s has MTU %u, less than system.configuration.networking.cluster.mtu %u: managed networks "
			    "get %u",
			    underlay->cluster.name, underlay->cluster.mtu, underlay->cluster_mtu,
			    underlay_vxlan_mtu(underlay));
}

static bool configure(struct daemon *daemon) {
	const struct config *config = daemon->config;
	struct underlay *underlay = &daemon->underlay;

	if (underlay->node)
		return false;
	underlay->node = config->node;
	underlay->cluster.name = config_bridge_name(config, &config->cluster);
	underlay->device.name = config->bridge_device;
	underlay->cluster_mtu = (unsigned)config->cluster.mtu;
	underlay->local = config->cluster.address;
	if (!underlay->local.family)
		log_warning("this host has no address in the cluster network: managed networks reach no other node");
	return true;
}

bool underlay_read(struct daemon *daemon, bool with_evpn) {
	struct underlay *underlay = &daemon->underlay;
	_cleanup_net_ struct net *net = NULL;
	_cleanup_free_ char *error = NULL;
	bool first = configure(daemon), changed = first, evpn = underlay->evpn;
	int r = net_open(&net, &error);

	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return changed;
	}
	if (read_link(net, &underlay->cluster)) {
		changed = true;
		say_mtu(underlay);
	}
	if (read_link(net, &underlay->device))
		changed = true;
	if (with_evpn)
		evpn = configured_for_evpn();
	if (first || evpn != underlay->evpn)
		log_info("managed networks find other nodes by %s",
			 evpn ? "EVPN: FRR is configured to advertise them" : "flooding to the addresses in /nodes");
	changed = changed || evpn != underlay->evpn;
	underlay->evpn = evpn;
	return changed;
}

bool underlay_concerns(const struct daemon *daemon, const char *link) {
	return str_equal(link, daemon->underlay.cluster.name) || str_equal(link, daemon->underlay.device.name);
}
