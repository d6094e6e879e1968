/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "services.h"
#include "probe.h"

#define ZOOKEEPER_PORT    2181
#define LIBVIRT_SOCKET    "/run/libvirt/libvirt-sock"
#define LIBVIRT_TCP_PORT  16509
#define FRR_SOCKET        "/run/frr/zebra.vty"
#define CEPH_MON_PORT     3300 /* msgr2 */
#define CEPH_MON_PORT_OLD 6789

/* Where services of this host may listen: on loopback, or on one of its own networks alone. */
enum { LOCAL_ADDRESSES = 5 };
static void local_addresses(const struct config *config, struct ip_prefix out[LOCAL_ADDRESSES]) {
	(void)ip_prefix_parse("127.0.0.1", true, &out[0]);
	(void)ip_prefix_parse("::1", true, &out[1]);
	out[2] = config->cluster.address;
	out[3] = config->storage.address;
	out[4] = config->upstream.address;
}

/* This node's port in its own entry of cluster.coordinators, "host" or "host:port". */
static uint16_t zookeeper_port(const struct config *config) {
	size_t length = strlen(config->node);

	for (size_t i = 0; i < config->coordinators.count; i++) {
		const char *entry = config->coordinators.items[i], *colon = strrchr(entry, ':');
		uint64_t port;

		if (colon && str_starts(entry, config->node) && (entry[length] == ':' || entry[length] == '.') &&
		    parse_u64(colon + 1, 1, UINT16_MAX, &port) >= 0)
			return (uint16_t)port;
	}
	return ZOOKEEPER_PORT;
}

static int zookeeper_answers(const struct config *config, char **ret_detail) {
	struct ip_prefix addresses[LOCAL_ADDRESSES];

	local_addresses(config, addresses);
	return probe_zookeeper(addresses, LOCAL_ADDRESSES, zookeeper_port(config), ret_detail);
}

static int libvirt_answers(const struct config *config, char **ret_detail) {
	(void)config;
	return probe_libvirt(LIBVIRT_SOCKET, ret_detail);
}

/* Other nodes migrate VMs to us over TCP at our cluster address. One node alone works without it, so that is a warning.
 */
static char *libvirt_port_closed(const struct config *config) {
	_cleanup_free_ char *detail = NULL;
	struct ip_prefix loopback;
	int r = -EADDRNOTAVAIL;

	(void)ip_prefix_parse("127.0.0.1", true, &loopback);
	if (config->cluster.address.family)
		r = probe_libvirt_tcp(&config->cluster.address, LIBVIRT_TCP_PORT, &detail);
	if (r == -EADDRNOTAVAIL)
		r = probe_libvirt_tcp(&loopback, LIBVIRT_TCP_PORT, &detail);
	if (r >= 0)
		return NULL;
	return str_printf("VMs cannot be migrated to this node: %s: stop libvirtd.service, enable and start "
			  "libvirtd-tcp.socket, and set auth_tcp in /etc/libvirt/libvirtd.conf",
			  detail ? detail : strerror(-r));
}

static int frr_answers(const struct config *config, char **ret_detail) {
	(void)config;
	return probe_frr(FRR_SOCKET, ret_detail);
}

static int ceph_mon_answers(const struct config *config, char **ret_detail) {
	_cleanup_free_ char *path = str_printf("/run/ceph/ceph-mon.%s.asok", config->node);
	struct ip_prefix addresses[LOCAL_ADDRESSES];
	int r = path ? probe_ceph_admin(path, ret_detail) : -ENOMEM;

	local_addresses(config, addresses);
	if (r < 0)
		r = probe_ceph_port(addresses, LOCAL_ADDRESSES, CEPH_MON_PORT, ret_detail);
	if (r < 0)
		r = probe_ceph_port(addresses, LOCAL_ADDRESSES, CEPH_MON_PORT_OLD, ret_detail);
	return r;
}

const struct service_kind service_kinds[] = {
    {.name = "zookeeper",
     .unit = "zookeeper",
     .package = "zookeeperd",
     .coordinator_only = true,
     .function = FUNCTION_ALWAYS,
     .probe = zookeeper_answers},
    {.name = "libvirt",
     .unit = "libvirtd",
     .package = "libvirt-daemon-system",
     .function = FUNCTION_HYPERVISOR,
     .by_socket = true,
     .probe = libvirt_answers,
     .warn = libvirt_port_closed},
    {.name = "patroni",
     .unit = "patroni",
     .package = "patroni",
     .coordinator_only = true,
     .function = FUNCTION_NETWORKING,
     .optional = true},
    {.name = "frr",
     .unit = "frr",
     .package = "frr",
     .coordinator_only = true,
     .function = FUNCTION_NETWORKING,
     .probe = frr_answers},
    {.name = "ceph-mon",
     .unit = "ceph-mon@",
     .package = "ceph-mon",
     .coordinator_only = true,
     .function = FUNCTION_STORAGE,
     .probe = ceph_mon_answers},
    {.name = "ceph-mgr",
     .unit = "ceph-mgr@",
     .package = "ceph-mgr",
     .coordinator_only = true,
     .function = FUNCTION_STORAGE},
};
const size_t service_kind_count = ARRAY_SIZE(service_kinds);

bool service_is_wanted(const struct service_kind *kind, const struct config *config) {
	const bool enabled[] = {
	    [FUNCTION_ALWAYS] = true,
	    [FUNCTION_HYPERVISOR] = config->enable_hypervisor,
	    [FUNCTION_NETWORKING] = config->enable_networking,
	    [FUNCTION_STORAGE] = config->enable_storage,
	};

	return enabled[kind->function] && (config->is_coordinator || !kind->coordinator_only);
}

int services_new(const struct config *config, struct service **ret) {
	_cleanup_(services_freep) struct service *services = calloc(service_kind_count, sizeof(*services));

	for (size_t i = 0; services && i < service_kind_count; i++) {
		const struct service_kind *kind = &service_kinds[i];
		bool instance = kind->unit[strlen(kind->unit) - 1] == '@';

		services[i].kind = kind;
		services[i].wanted = service_is_wanted(kind, config);
		services[i].unit = str_printf("%s%s.service", kind->unit, instance ? config->node : "");
		if (!services[i].unit)
			return -ENOMEM;
	}
	if (!services)
		return -ENOMEM;
	*ret = move_ptr(services);
	return 0;
}

void services_free(struct service *services) {
	for (size_t i = 0; services && i < service_kind_count; i++) {
		host_unit_state_free(&services[i].state);
		free(services[i].unit);
		free(services[i].state_error);
		free(services[i].detail);
		free(services[i].warning);
		free(services[i].failure_text);
	}
	free(services);
}

int service_query(struct service *service, usec_t deadline) {
	struct host_unit_state state;
	int r = host_unit_query(service->unit, deadline, &state, &service->state_error);

	if (r < 0)
		return r;
	host_unit_state_free(&service->state);
	service->state = state;
	return 0;
}

void service_probe(struct service *service, const struct config *config) {
	int r;

	if (service->kind->probe)
		r = service->kind->probe(config, &service->detail);
	else if (str_equal(service->state.active, "active"))
		r = error_set(&service->detail, 0, "its unit is active");
	else
		r = error_set(&service->detail, -EAGAIN, "its unit is %s",
			      service->state.active ? service->state.active : "in an unknown state");
	service->probed = true;
	service->answers = r >= 0;
	free(service->warning);
	service->warning = service->answers && service->kind->warn ? service->kind->warn(config) : NULL;
}

/* First row that fits; NULL and -1 fit anything. An answer counts for more than what systemd thinks of the unit: the
 * service may be run by other means, or be activated by its socket. */
static const struct decision {
	const char *load, *active, *sub;
	int answers;
	enum service_action action;
} decisions[] = {
    {NULL, "deactivating", NULL, -1, SERVICE_START}, /* whatever it answers, it will not for long */
    {NULL, NULL, NULL, true, SERVICE_LEAVE},
    {"not-found", NULL, NULL, false, SERVICE_MISSING},
    {"masked", NULL, NULL, false, SERVICE_MASKED},
    {NULL, "active", "exited", false, SERVICE_RESTART},
    {NULL, "active", NULL, false, SERVICE_LEAVE}, /* its answer may still come: a living service is never restarted */
    {NULL, "reloading", NULL, false, SERVICE_LEAVE},
    {NULL, NULL, NULL, false, SERVICE_START}, /* inactive, failed; activating: joins the job that is under way */
};

enum service_action service_decide(const struct host_unit_state *state, bool answers) {
	for (size_t i = 0; i < ARRAY_SIZE(decisions); i++) {
		const struct decision *d = &decisions[i];

		if ((!d->load || str_equal(d->load, state->load)) &&
		    (!d->active || str_equal(d->active, state->active)) && (!d->sub || str_equal(d->sub, state->sub)) &&
		    (d->answers < 0 || d->answers == answers))
			return d->action;
	}
	return SERVICE_START;
}
