/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config: /etc/pvc/pvcd.yaml. One table (config_keys) says of every key: path, type, unit, default, meaning, check; the
 * loader, the error messages, the manual page's test and `pvcctl` read that table and nothing else.
 */
#pragma once

#include "base/base.h"
#include "cluster/fence_agents.h"

#define CONFIG_PATH_DEFAULT "/etc/pvc/pvcd.yaml"

enum config_address_kind {
	CONFIG_ADDRESS_NONE,   /* None: no address */
	CONFIG_ADDRESS_BY_ID,  /* the n-th host of the network, n from the host's name */
	CONFIG_ADDRESS_STATIC, /* as written */
};

/* One of the three host networks: cluster.networks.X joined with system.configuration.networking.X. */
struct config_network {
	char *domain;                 /* or NULL */
	struct ip_prefix network;     /* family 0 when the key is absent */
	struct ip_prefix floating_ip; /* with prefix length */
	struct ip_prefix gateway;     /* upstream only; family 0 for none */
	char *device;
	uint64_t mtu; /* bytes */
	enum config_address_kind address_kind;
	struct ip_prefix address; /* resolved, also for by-id; family 0 for none */
};

struct config_database {
	char *host;
	uint64_t port;
	char *name, *user, *pass;
	char *sslmode;     /* libpq's word; never NULL */
	char *sslrootcert; /* or NULL: libpq's own default */
};

enum config_fence_action { CONFIG_FENCE_NONE, CONFIG_FENCE_MIGRATE };
/* How a machine's memory goes to another node: in the clear, with TLS of libvirt and QEMU each, or all inside
 * libvirt's. */
enum config_transport { CONFIG_TRANSPORT_TCP, CONFIG_TRANSPORT_TLS, CONFIG_TRANSPORT_TUNNEL };
enum config_selector { CONFIG_SELECTOR_MEM, CONFIG_SELECTOR_LOAD, CONFIG_SELECTOR_VCPUS, CONFIG_SELECTOR_VMS };

struct config {
	char *path; /* file it was read from */

	/* derived */
	char *fqdn;          /* gethostname() */
	char *node;          /* short host name: what ZooKeeper knows this node by */
	uint64_t node_id;    /* last group of digits in the short host name, 1 if none */
	bool is_coordinator; /* node is in coordinators */
	char *servers;       /* coordinators as a ZooKeeper connection string "a:2181,b:2181" */

	bool debug;
	bool enable_hypervisor, enable_networking, enable_storage, enable_api;
	struct strlist coordinators; /* "host" or "host:port" */
	struct config_network upstream, cluster, storage;
	struct config_database dns_database, metadata_database;
	struct strlist zone_transfer; /* addresses and networks that may transfer zones; empty: nobody */
	char *patroni_config;         /* patronictl's configuration file; Patroni is used when it exists */

	uint64_t keepalive_interval;  /* seconds */
	uint64_t fence_intervals;     /* keepalive intervals; 0: never fence */
	uint64_t suicide_intervals;   /* keepalive intervals; 0: never */
	uint64_t vm_shutdown_timeout; /* seconds; our own optional key, default 180 */
	uint64_t osd_drain_timeout;   /* seconds; our own optional key, default one day */
	enum config_fence_action successful_fence, failed_fence;
	char *ipmi_host, *ipmi_user, *ipmi_pass; /* host: "<short>-lom.<domain>" when empty */
	char *watchdog; /* device file; our own optional key, default /dev/watchdog; NULL: none is to be used */
	struct fence_agents fence_agents; /* our own optional key; empty: the BMC alone */
	char *fence_credentials;          /* our own optional key: "USER:PASSWORD" for ZooKeeper, or NULL */
	enum config_selector target_selector;
	uint64_t drain_parallel; /* VMs; our own optional key, default 4 */
	uint64_t drain_timeout;  /* seconds, for one VM; our own optional key, default 1800 */
	/* our own optional keys */
	enum config_transport migration_transport;
	uint64_t migration_timeout;                        /* seconds; then the live migration is given up */
	uint64_t migration_downtime;                       /* milliseconds */
	uint64_t migration_bandwidth;                      /* MiB a second; 0: no limit */
	uint64_t migrations_outgoing, migrations_incoming; /* at the same time */
	bool migration_unsafe;

	char *dynamic_directory, *log_directory, *console_log_directory;
	bool file_logging, stdout_logging, log_colours, log_dates;
	bool log_keepalives, log_keepalive_cluster_details, log_keepalive_storage_details;
	uint64_t console_log_lines;
	char *bridge_device;
};

/* The file to read: `option` when not NULL, else $PVCD_CONFIG_FILE, else CONFIG_PATH_DEFAULT. Borrowed. */
const char *config_path(const char *option);
/* Reads and checks everything; on failure *ret_error has every problem found, one line each: "FILE:LINE: KEY: what was
 * expected, what was found". Unknown keys are named as errors. A file with passwords that others may read is refused.
 * -EINVAL for wrong content, -EACCES for permissions, else -errno of reading. */
int config_load(const char *path, struct config **ret, char **ret_error);
/* For tests and tools: the same with the host's name given instead of gethostname(). */
int config_load_as(const char *path, const char *fqdn, struct config **ret, char **ret_error);
void config_free(struct config *config);
static inline void config_freep(struct config **config) {
	config_free(*config);
}
#define _cleanup_config_ _cleanup_(config_freep)

/* The bridge that carries a network of this configuration: "brcluster", "brstorage" or "brupstream". A device can be in
 * one bridge only, so networks that share a device share the bridge of the first in that order. Static. */
const char *config_bridge_name(const struct config *config, const struct config_network *network);
/* What lib/cluster/fence.h goes by; every configuration that was loaded has passed fence_rules_check(). */
struct fence_rules;
void config_fence_rules(const struct config *config, struct fence_rules *ret);
const char *config_selector_name(enum config_selector selector); /* "mem"... */
/* Makes the dynamic, log and console log directories, and those of ours below them that are missing (D82). */
int config_make_directories(const struct config *config, char **ret_error);

/* The table, for tools that document or complete keys. */
struct config_key {
	const char *path;     /* below pvc, e.g. "system.intervals.keepalive_interval" */
	const char *type;     /* "bool", "integer", "text", "CIDR", ... */
	const char *unit;     /* "s", "bytes"... or "" */
	const char *fallback; /* default as text, or NULL when the key is required */
	const char *needs;    /* function whose keys they are, e.g. "enable_networking", or NULL */
	const char *meaning;
};
size_t config_key_count(void);
struct config_key config_key_at(size_t index);
