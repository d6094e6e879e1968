/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of keys. Everything that is said about a key anywhere comes from here; pvcd.yaml(5) is tested against it.
 */
#include "config/internal.h"

#define SECONDS_PER_DAY 86400
#define MTU_MIN         576   /* what every IPv4 host must take (RFC 791) */
#define MTU_MAX         65535 /* the length field of IPv4 */
#define NETWORKING      "enable_networking"
#define AT(field)       offsetof(struct config, field)

/* clang-format off */
#define KEY(p, k, u, f, n, field, m)          {.path = p, .kind = k, .unit = u, .fallback = f, .needs = n, .offset = AT(field), .meaning = m}
#define NUMBER(p, u, f, n, lo, hi, field, m)  {.path = p, .kind = VALUE_INTEGER, .unit = u, .fallback = f, .needs = n, .offset = AT(field), .min = lo, .max = hi, .meaning = m}
#define FLAG(p, f, field, m)                  KEY(p, VALUE_BOOL, "", f, NULL, field, m)
#define DOMAIN(net, opt, m)                   {.path = "cluster.networks." #net ".domain", .kind = VALUE_DOMAIN, .unit = "", .needs = NETWORKING, .offset = AT(net.domain), .optional = opt, .meaning = m}
#define NETWORK(net, what) \
	KEY("cluster.networks." #net ".network", VALUE_NETWORK, "", NULL, NETWORKING, net.network, "address block of the " what " network"), \
	KEY("cluster.networks." #net ".floating_ip", VALUE_HOST_CIDR, "", NULL, NETWORKING, net.floating_ip, "address in that block which moves with the primary coordinator")
#define DATABASE(p, field, what) \
	KEY("coordinator." p ".database.host", VALUE_TEXT, "", NULL, NETWORKING, field.host, "PostgreSQL server of the " what), \
	NUMBER("coordinator." p ".database.port", "", NULL, NETWORKING, 1, 65535, field.port, "its TCP port"), \
	KEY("coordinator." p ".database.name", VALUE_TEXT, "", NULL, NETWORKING, field.name, "name of the database"), \
	KEY("coordinator." p ".database.user", VALUE_TEXT, "", NULL, NETWORKING, field.user, "role to log in as"), \
	KEY("coordinator." p ".database.pass", VALUE_SECRET, "", NULL, NETWORKING, field.pass, "password of that role"), \
	KEY("coordinator." p ".database.sslmode", VALUE_SSLMODE, "", "prefer", NETWORKING, field.sslmode, "whether the connection is encrypted and the server's certificate checked, in libpq's words"), \
	KEY("coordinator." p ".database.sslrootcert", VALUE_PATH, "", "none", NETWORKING, field.sslrootcert, "file with the certificates of the authorities that sslmode verify-ca and verify-full trust")
#define INTERFACE(net, what) \
	KEY("system.configuration.networking." #net ".device", VALUE_DEVICE, "", NULL, NETWORKING, net.device, "network device of the " what " network"), \
	NUMBER("system.configuration.networking." #net ".mtu", "bytes", NULL, NETWORKING, MTU_MIN, MTU_MAX, net.mtu, "largest packet on that device and its bridge"), \
	KEY("system.configuration.networking." #net ".address", VALUE_ADDRESS, "", NULL, NETWORKING, net, "this host's own address in the " what " network")
#define DIRECTORY(name, m)                    KEY("system.configuration.directories." #name, VALUE_PATH, "", NULL, NULL, name, m)
#define LOGGING(name, m)                      FLAG("system.configuration.logging." #name, NULL, name, m)

const struct key config_table[] = {
	KEY("node", VALUE_NODE, "", "the host's short name", NULL, node, "short name of this host; only compared with what the host calls itself"),
	FLAG("debug", "False", debug, "log much more than an operator usually wants"),

	FLAG("functions.enable_hypervisor", NULL, enable_hypervisor, "run virtual machines on this node"),
	FLAG("functions.enable_networking", NULL, enable_networking, "set up host and client networks, and be a candidate for primary on coordinators"),
	FLAG("functions.enable_storage", NULL, enable_storage, "take part in the Ceph storage"),
	FLAG("functions.enable_api", NULL, enable_api, "start the API services on the primary coordinator"),

	KEY("cluster.coordinators", VALUE_SERVERS, "", NULL, NULL, coordinators, "names of the coordinators, each with :PORT when its ZooKeeper does not listen on 2181"),
	DOMAIN(upstream, true, "domain of the upstream network, for the zones that the DNS aggregator serves"),
	NETWORK(upstream, "upstream"),
	KEY("cluster.networks.upstream.gateway", VALUE_GATEWAY, "", NULL, NETWORKING, upstream.gateway, "default route of the host; None when the host gets it otherwise"),
	DOMAIN(cluster, false, "domain of the cluster network; the other nodes are reached as NODE.DOMAIN for migrations"),
	NETWORK(cluster, "cluster"),
	DOMAIN(storage, true, "domain of the storage network"),
	NETWORK(storage, "storage"),

	DATABASE("dns", dns_database, "DNS aggregator"),
	KEY("coordinator.dns.zone_transfer", VALUE_RANGES, "", "nobody", NETWORKING, zone_transfer, "addresses and networks of the name servers that may transfer the zones, and that are notified of changes"),
	DATABASE("metadata", metadata_database, "provisioner, for user-data"),
	KEY("coordinator.patroni.config", VALUE_PATH, "", "/etc/patroni/config.yml", NETWORKING, patroni_config, "configuration of patronictl; where it exists, the database leader is asked to follow the primary coordinator"),

	NUMBER("system.intervals.keepalive_interval", "seconds", NULL, NULL, 1, 3600, keepalive_interval, "time between two heartbeats of this node"),
	NUMBER("system.intervals.fence_intervals", "intervals", NULL, NULL, 0, SECONDS_PER_DAY, fence_intervals, "missed heartbeats after which a node counts as dead; 0: nothing is fenced"),
	NUMBER("system.intervals.suicide_intervals", "intervals", NULL, NULL, 0, SECONDS_PER_DAY, suicide_intervals, "missed heartbeats after which this node resets itself; 0: never; at least 3, and not above fence_intervals"),
	NUMBER("system.intervals.vm_shutdown_timeout", "seconds", "180", NULL, 1, SECONDS_PER_DAY, vm_shutdown_timeout, "time that a guest has to shut itself down before it is stopped by force"),
	NUMBER("system.intervals.osd_drain_timeout", "seconds", "86400", NULL, 1, 30 * SECONDS_PER_DAY, osd_drain_timeout, "time that the data of an OSD that is being removed has to move to the others"),

	KEY("system.fencing.actions.successful_fence", VALUE_ACTION, "", NULL, NULL, successful_fence, "what becomes of the machines of a node that was fenced"),
	KEY("system.fencing.actions.failed_fence", VALUE_ACTION, "", NULL, NULL, failed_fence, "the same when fencing failed; migrate needs suicide_intervals above 0"),
	KEY("system.fencing.ipmi.host", VALUE_USER, "", NULL, NULL, ipmi_host, "this host's BMC as other nodes reach it; when empty, NODE-lom in the host's own domain"),
	KEY("system.fencing.ipmi.user", VALUE_USER, "", NULL, NULL, ipmi_user, "BMC user that may switch this host off and on"),
	KEY("system.fencing.ipmi.pass", VALUE_SECRET, "", NULL, NULL, ipmi_pass, "password of that user"),
	KEY("system.fencing.watchdog", VALUE_DEVICE_FILE, "", "/dev/watchdog", NULL, watchdog, "hardware watchdog that resets this host after suicide_intervals; none: a forced reboot does it"),
	KEY("system.fencing.agents", VALUE_AGENTS, "", "ipmitool", NULL, fence_agents, "what can switch this host off, asked in this order"),
	KEY("system.fencing.credentials", VALUE_SECRET, "", "none", NULL, fence_credentials, "USER:PASSWORD with which the keys in ZooKeeper that hold agents and their passwords can be read; the same on all nodes"),
	KEY("system.migration.target_selector", VALUE_SELECTOR, "", NULL, NULL, target_selector, "how a node is chosen for a machine that names no way of its own"),
	NUMBER("system.migration.drain_parallel", "machines", "4", NULL, 1, 64, drain_parallel, "machines that are on their way at the same time while this node is drained or made ready"),
	NUMBER("system.migration.drain_timeout", "seconds", "1800", NULL, 1, SECONDS_PER_DAY, drain_timeout, "time that one of them may be on its way before the drain goes on without it"),
	KEY("system.migration.transport", VALUE_TRANSPORT, "", "tcp", NULL, migration_transport, "how libvirt and QEMU reach another node to send a machine there"),
	NUMBER("system.migration.timeout", "seconds", "600", NULL, 1, SECONDS_PER_DAY, migration_timeout, "time after which a live migration is given up"),
	NUMBER("system.migration.max_downtime", "milliseconds", "300", NULL, 1, 2000000, migration_downtime, "how long a guest may stand still at the end of a live migration"),
	NUMBER("system.migration.bandwidth", "MiB/s", "0", NULL, 0, 1000000, migration_bandwidth, "most that one live migration may send; 0: no limit"),
	NUMBER("system.migration.outgoing", "", "2", NULL, 1, 32, migrations_outgoing, "live migrations that this node sends at the same time"),
	NUMBER("system.migration.incoming", "", "2", NULL, 1, 32, migrations_incoming, "live migrations to one node at the same time"),
	FLAG("system.migration.unsafe", "False", migration_unsafe, "send machines also when libvirt thinks that their disks are not shared"),

	DIRECTORY(dynamic_directory, "state that lives until the next boot"),
	DIRECTORY(log_directory, "where pvc.log goes"),
	DIRECTORY(console_log_directory, "where the consoles of the machines are logged"),
	LOGGING(file_logging, "write pvc.log"),
	LOGGING(stdout_logging, "write to standard output, which is the journal under systemd"),
	LOGGING(log_colours, "colour the lines in pvc.log and on standard output"),
	LOGGING(log_dates, "begin lines with date and time (the journal has its own)"),
	LOGGING(log_keepalives, "one line for each heartbeat"),
	LOGGING(log_keepalive_cluster_details, "add figures of the node to it"),
	LOGGING(log_keepalive_storage_details, "add figures of the storage to it"),
	NUMBER("system.configuration.logging.console_log_lines", "lines", NULL, NULL, 0, 100000, console_log_lines, "console lines of each machine kept in ZooKeeper, within 256 KiB"),

	KEY("system.configuration.networking.bridge_device", VALUE_DEVICE, "", NULL, NETWORKING, bridge_device, "device under the VLANs of bridged client networks"),
	INTERFACE(upstream, "upstream"),
	INTERFACE(cluster, "cluster"),
	INTERFACE(storage, "storage"),
};
/* clang-format on */
const size_t config_table_count = ARRAY_SIZE(config_table);

const char *config_other_spelling(const char *path) {
	static const char *const spellings[][2] = {
	    {"system.intervals.keepalive_interval", "system.fencing.intervals.keepalive_interval"},
	    {"system.intervals.fence_intervals", "system.fencing.intervals.fence_intervals"},
	    {"system.intervals.suicide_intervals", "system.fencing.intervals.suicide_intervals"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++)
		if (strcmp(spellings[i][0], path) == 0)
			return spellings[i][1];
	return NULL;
}

const char *value_kind_name(enum value_kind kind) {
	static const char *const names[VALUE_COUNT] = {
	    [VALUE_BOOL] = "boolean",
	    [VALUE_INTEGER] = "integer",
	    [VALUE_TEXT] = "text",
	    [VALUE_USER] = "text",
	    [VALUE_SECRET] = "password",
	    [VALUE_NODE] = "host name",
	    [VALUE_SERVERS] = "list of host names",
	    [VALUE_DOMAIN] = "domain",
	    [VALUE_NETWORK] = "network",
	    [VALUE_HOST_CIDR] = "address/length",
	    [VALUE_GATEWAY] = "address",
	    [VALUE_DEVICE] = "device",
	    [VALUE_ADDRESS] = "by-id, address/length or None",
	    [VALUE_PATH] = "absolute path",
	    [VALUE_DEVICE_FILE] = "absolute path or none",
	    [VALUE_ACTION] = "migrate or None",
	    [VALUE_TRANSPORT] = "tcp, tls or tunnel",
	    [VALUE_SELECTOR] = "mem, load, vcpus or vms",
	    [VALUE_SSLMODE] = "sslmode",
	    [VALUE_RANGES] = "list of addresses and networks",
	    [VALUE_AGENTS] = "list of agents",
	};

	return names[kind];
}

size_t config_key_count(void) {
	return config_table_count;
}

struct config_key config_key_at(size_t index) {
	const struct key *key = &config_table[index];

	return (struct config_key){.path = key->path,
				   .type = value_kind_name(key->kind),
				   .unit = key->unit,
				   .fallback = key->fallback,
				   .needs = key->needs,
				   .meaning = key->meaning};
}
