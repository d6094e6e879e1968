/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The host's name servers, for the names that no network knows: out of /etc/resolv.conf into DYNAMIC/dnsmasq/servers,
 * which each dnsmasq reads again at SIGHUP. Reading /etc/resolv.conf itself, each would need an inotify instance, of
 * which a user has 128: not enough for the networks of a cluster.
 */
#include "gateway.h"
#include "log/log.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_MAX  65536u
#define LOOK_TIME   (30 * USEC_PER_SEC) /* it may be a link to anywhere, so it is looked at rather than watched */

static int write_servers(struct gateway *gateway, const struct strbuf *servers) {
	const char *text = servers->data ? servers->data : "";
	char *copy;
	int r;

	if (str_equal(text, gateway->resolvers))
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	r = file_write_atomic(gateway->servers_path, text, strlen(text), 0644); /* dnsmasq has rights of its own */
	if (r < 0) {
		free(copy);
		return r;
	}
	free(gateway->resolvers);
	gateway->resolvers = copy;
	return 1;
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	resolv_look(userdata);
	return 0;
}

void resolv_look(struct gateway *gateway) {
	_cleanup_free_ char *text = NULL;
	_cleanup_strbuf_ struct strbuf servers = {0};
	bool first = !gateway->resolvers;
	size_t length;
	int r = file_read(RESOLV_CONF, RESOLV_MAX, &text, &length);

	if (r >= 0)
		r = wanted_name_servers(text, &servers);
	else if (r == -ENOENT) /* names of the networks are still known */
		r = 0;
	if (r >= 0)
		r = write_servers(gateway, &servers);
	if (r < 0)
		log_error("cannot take the name servers of %s into %s: %s", RESOLV_CONF, gateway->servers_path,
			  strerror(-r));
	for (struct network *network = gateway->networks; r > 0 && !first && network; network = network->next)
		server_reload(network->server);
	if (event_timer(loop_event(gateway->loop), &gateway->resolv_timer, LOOK_TIME, on_look, gateway) < 0)
		log_error("cannot set a timer");
}
