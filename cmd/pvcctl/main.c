/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

#include "log/log.h"

static int read_config(struct ctl *ctl) {
	_cleanup_free_ char *error = NULL;
	const char *path = config_path(ctl->options.config);
	int r = config_load(path, &ctl->config, &error);

	if (r == -EACCES || r == -EPERM)
		return failed_with(
		    EXIT_PERMISSION,
		    "cannot read %s to learn the cluster's servers: %s; run as root (it holds passwords), or "
		    "name the servers with --zookeeper",
		    path, error ? error : strerror(-r));
	if (r < 0)
		return failed_with(EXIT_CONFIG, "%s", error ? error : path);
	return EXIT_OK;
}

/* Server names without a port get ZooKeeper's, as in the configuration. */
static char *with_ports(const char *servers) {
	_cleanup_strlist_ struct strlist names = {0}, complete = {0};

	if (strlist_split(&names, servers, ", ") < 0)
		return NULL;
	for (size_t i = 0; i < names.count; i++)
		if (strlist_addf(&complete, strchr(names.items[i], ':') ? "%s" : "%s:2181", names.items[i]) < 0)
			return NULL;
	return strlist_join(&complete, ",");
}

static int connect_cluster(struct ctl *ctl) {
	_cleanup_free_ char *servers = NULL, *error = NULL;
	int r;

	if (!ctl->options.zookeeper) {
		r = read_config(ctl);
		if (r != EXIT_OK)
			return r;
	}
	servers = with_ports(ctl->config ? ctl->config->servers : ctl->options.zookeeper);
	if (!servers)
		return failed(-ENOMEM, "out of memory");
	if (!*servers)
		return failed_with(EXIT_USAGE, "--zookeeper names no server; try 'pvcctl --help'");
	log_debug("connecting to %s", servers);
	r = store_connect(servers, deadline_after(CONNECT_TIMEOUT), &ctl->store, &error);
	if (r < 0)
		return failed_with(EXIT_UNAVAILABLE, "%s", error ? error : "cannot connect to ZooKeeper");
	return EXIT_OK;
}

int main(int argc, char **argv) {
	struct ctl ctl = {0};
	const struct command *command = command_parse(argc, argv, &ctl);
	int r = EXIT_OK;

	log_init("pvcctl", ctl.options.debug);
	if (!command->offline)
		r = connect_cluster(&ctl);
	if (r == EXIT_OK)
		r = command->run(&ctl);
	store_close(ctl.store);
	config_free(ctl.config);
	if (fflush(stdout) != 0 && r == EXIT_OK)
		r = failed(-errno, "cannot write the output: %s", strerror(errno));
	return r;
}
