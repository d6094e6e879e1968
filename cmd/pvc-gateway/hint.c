/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /pvc/primary/gateways: all gateway addresses in one key, "VNI ADDRESS/LENGTH" lines, written by the primary whenever
 * they change. A new primary sets what it says at once, since to read it takes one question where the networks' keys
 * take hundreds, and guests miss their gateway meanwhile. It is a hint and no truth: as soon as the networks' own keys
 * are read these alone count, and what the hint had wrong is removed.
 */
#include "dhcp/dhcp.h"
#include "gateway.h"
#include "log/log.h"

static int take_line(struct gateway *gateway, char *line) {
	char *blank = strchr(line, ' ');
	struct network *network;
	struct ip_prefix ip;

	if (!blank)
		return 0;
	*blank = '\0';
	if (!dhcp_is_vni(line) || ip_prefix_parse(blank + 1, true, &ip) < 0)
		return 0;
	network = network_find(gateway, line);
	if (!network)
		network = network_leftover(gateway, line);
	if (!network)
		return -ENOMEM;
	if (!network->gone ||
	    network->owned.count > 0) /* known already, or as a killed pvc-gateway left it: good enough */
		return 0;
	network->hinted = true;
	*(ip.family == AF_INET ? &network->wanted.gateway4 : &network->wanted.gateway6) = ip;
	return 0;
}

static void got(struct store *store, int result, const struct store_value *value, void *userdata) {
	_cleanup_strlist_ struct strlist lines = {0};
	struct gateway *gateway = userdata;
	const char *text = result >= 0 ? VALUE_TEXT(value) : NULL;
	int r;

	(void)store;
	if (!text || gateway->listed || gateway->stopping)
		return;
	r = strlist_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.count && r >= 0; i++)
		r = take_line(gateway, lines.items[i]);
	if (r < 0)
		log_error("cannot keep what %s says: %s", gateway->hint_path, strerror(-r));
	gateway->fresh_hint = true;
	reconcile_soon(gateway);
}

int hint_start(struct gateway *gateway) {
	return store_get(gateway->store, gateway->hint_path, got, gateway);
}

static int add_line(struct strbuf *text, const struct network *network, const struct ip_prefix *ip) {
	char address[IP_PREFIX_TEXT];

	if (!ip->family)
		return 0;
	ip_prefix_format(ip, true, address);
	return strbuf_addf(text, "%s %s\n", network->vni, address);
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct gateway *gateway = userdata;

	(void)count;
	if (values->exists && str_equal(VALUE_TEXT(values), gateway->hint))
		return 1;
	return store_txn_put(txn, gateway->hint_path, values, gateway->hint);
}

static void written(struct store *store, int result, void *userdata) {
	struct gateway *gateway = userdata;

	(void)store;
	gateway->hinting = false;
	if (result < 0) { /* the next comparison tries again; without it the next primary is a little slower */
		log_debug("cannot write %s: %s", gateway->hint_path, strerror(-result));
		free(gateway->hint);
		gateway->hint = NULL;
	} else if (!gateway->stopping) {
		hint_write(gateway); /* should it have changed meanwhile */
	}
}

void hint_write(struct gateway *gateway) {
	_cleanup_strbuf_ struct strbuf text = {0};
	int r = 0;

	if (gateway->hinting || !gateway->complete || gateway->stopping || !gateway->store)
		return;
	for (const struct network *network = gateway->networks; network && r >= 0; network = network->next) {
		r = network->gone ? 0 : add_line(&text, network, &network->wanted.gateway4);
		if (r >= 0 && !network->gone)
			r = add_line(&text, network, &network->wanted.gateway6);
	}
	if (r < 0 || (gateway->hint && str_equal(text.data ? text.data : "", gateway->hint)))
		return;
	free(gateway->hint);
	gateway->hint = strdup(text.data ? text.data : "");
	if (!gateway->hint)
		return;
	gateway->hinting = true;
	r = store_update(gateway->store, (const char *const *)&gateway->hint_path, 1, compute, written, gateway);
	if (r < 0)
		written(gateway->store, r, gateway);
}
