/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-dhcp-lease: dnsmasq's lease script. Hands events to pvc-gateway, which has a session with ZooKeeper; when that is
 * away it makes one of its own. What dnsmasq says is never read as options: guests choose parts of it.
 */
#include "deliver.h"

#include "config/config.h"

static const char details[] =
    "Actions: init (prints the leases), add, old, del; all others are accepted and do nothing.\n"
    "With an action as first word no options are read: that is how dnsmasq calls it. The network is that of\n"
    "--network, else of the interface in $DNSMASQ_BRIDGE_INTERFACE or $DNSMASQ_INTERFACE (vmbrVNI).\n"
    "\n"
    "Exit status: 0 done, 64 usage, 71 system error, 75 the lease could not be written now, 78 configuration.\n";

static bool is_action(const char *word) {
	return str_equal(word, "init") || lease_action_parse(word) != LEASE_ACTION_UNKNOWN;
}

/* "vmbr100" -> "100" */
static const char *vni_of_interface(void) {
	const char *interface = getenv("DNSMASQ_BRIDGE_INTERFACE");

	if (!interface)
		interface = getenv("DNSMASQ_INTERFACE");
	return interface && str_starts(interface, "vmbr") ? interface + strlen("vmbr") : NULL;
}

static int fail(int code, const char *text) {
	(void)fprintf(stderr, "pvc-dhcp-lease: %s\n", text);
	return code;
}

static int do_event(const char *vni, char **arguments, int count, const char *config) {
	_cleanup_lease_event_ struct lease_event event = {0};
	_cleanup_free_ char *error = NULL, *dropped = NULL;
	int r = lease_event_parse(vni, arguments, count, getenv, &event, &dropped, &error);

	if (r == -EOPNOTSUPP) /* not for us */
		return EXIT_OK;
	if (r < 0)
		return fail(r == -EINVAL ? EXIT_USAGE : EXIT_SYSTEM, error ? error : strerror(-r));
	if (dropped)
		(void)fprintf(stderr, "pvc-dhcp-lease: VNI %s: the name '%s' of %s is none and was left out\n", vni,
			      dropped, event.fields[LEASE_ADDRESS]);
	return deliver_event(&event, config);
}

int main(int argc, char **argv) {
	const char *config = NULL, *vni = NULL;
	bool debug = false;
	const struct cli_option options[] = {
	    CLI_COMMON(config, debug),
	    {"network", 'n', CLI_TEXT, &vni, "VNI", "the network that the lease belongs to", 0, 0},
	};
	const struct cli cli = {"pvc-dhcp-lease",
				"ACTION [MAC ADDRESS [NAME]]",
				"Keeps dnsmasq's leases in ZooKeeper; dnsmasq runs it as its lease script.",
				details,
				options,
				ARRAY_SIZE(options),
				1,
				4};
	char **arguments = argv + 1;
	int count = argc - 1;

	if (argc < 2 || !is_action(argv[1]))
		arguments = cli_parse(&cli, argc, argv, &count);
	if (!is_action(arguments[0])) /* tftp, arp-add...: not of leases */
		return EXIT_OK;
	if (!vni)
		vni = vni_of_interface();
	if (!vni || !dhcp_is_vni(vni))
		return fail(EXIT_USAGE, "which network? neither --network nor $DNSMASQ_BRIDGE_INTERFACE names one");
	if (str_equal(arguments[0], "init"))
		return deliver_leases(vni, config);
	return do_event(vni, arguments, count, config);
}
