/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

/* How often each word occurs, in the order of first appearance. */
struct counts {
	struct strlist words;
	int64_t numbers[64];
	int64_t total;
};

static int count_word(struct counts *c, const char *word) {
	_cleanup_free_ char *shown = str_is_absent(word) ? strdup("-") : str_printable(word, 40);
	size_t i;
	int r;

	c->total++;
	if (!shown)
		return -ENOMEM;
	for (i = 0; i < c->words.count && !str_equal(c->words.items[i], shown); i++)
		;
	if (i == ARRAY_SIZE(c->numbers))
		return 0; /* so many different words are garbage; the total is still right */
	if (i == c->words.count) {
		r = strlist_add(&c->words, shown);
		if (r < 0)
			return r;
		c->numbers[i] = 0;
	}
	c->numbers[i]++;
	return 0;
}

struct status {
	struct snapshot base; /* of base_paths */
	bool maintenance;
	struct store_lease lease; /* node NULL: nobody has it */
	struct counts nodes, vms, osds;
	int64_t networks, pools, volumes, snapshots;
	struct strlist problems; /* why the health is not optimal */
};

static void status_free(struct status *s) {
	snapshot_free(&s->base);
	store_lease_free(&s->lease);
	strlist_free(&s->nodes.words);
	strlist_free(&s->vms.words);
	strlist_free(&s->osds.words);
	strlist_free(&s->problems);
}

enum {
	BASE_PRIMARY,
	BASE_UPSTREAM,
	BASE_MAINTENANCE,
	BASE_NETWORKS,
	BASE_POOLS,
	BASE_PVC_PRIMARY,
	BASE_LEASE,
	BASE_COUNT,
	BASE_KEYS = BASE_LEASE /* those before are base keys */
};

/* Who holds the primary role, by the lease; a cluster that has no such keys (yet) has no problem with it. */
static int read_lease(struct status *s) {
	const char *named = s->base.values[BASE_PRIMARY].data;
	bool absent = str_is_absent(named);
	int r = 0;

	if (absent)
		r = strlist_add(&s->problems, "no node is primary");
	if (r < 0 || !s->base.values[BASE_PVC_PRIMARY].exists)
		return r;
	if (store_lease_parse(s->base.values[BASE_LEASE].data, &s->lease) < 0) /* not there, or no lease */
		return strlist_add(&s->problems, "no node holds the primary role");
	if (!absent && !str_equal(s->lease.node, named)) {
		_cleanup_free_ char *holder = str_printable(s->lease.node, 40), *next = str_printable(named, 40);

		return strlist_addf(&s->problems, "%s holds the primary role, which %s is to have",
				    holder ? holder : "?", next ? next : "?");
	}
	return 0;
}

static int read_base(struct ctl *ctl, struct status *s) {
	static const enum store_base bases[BASE_KEYS] = {STORE_PRIMARY_NODE, STORE_UPSTREAM_IP, STORE_MAINTENANCE,
							 STORE_NETWORKS,     STORE_CEPH_POOLS,  STORE_PVC_PRIMARY};
	_cleanup_strlist_ struct strlist paths = {0};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < BASE_KEYS; i++)
		r = strlist_add(&paths, store_base(bases[i]));
	if (r >= 0)
		r = strlist_take(&paths, store_path(STORE_PVC_PRIMARY, "lease", NULL));
	if (r >= 0)
		r = fetch_many(ctl, &paths, &s->base);
	if (r < 0)
		return r;
	if (parse_bool(s->base.values[BASE_MAINTENANCE].data, &s->maintenance) < 0)
		s->maintenance = false; /* as the nodes take it */
	s->networks = s->base.values[BASE_NETWORKS].stat.children;
	s->pools = s->base.values[BASE_POOLS].stat.children;
	return read_lease(s);
}

/* Records of nodes that were removed while they were being fenced: nobody goes on with those. */
static int read_orphans(struct ctl *ctl, const struct strlist *nodes, struct status *s) {
	_cleanup_strlist_ struct strlist records = {0};
	int r = fetch_children(ctl, store_base(STORE_PVC_FENCE), &records);

	for (size_t i = 0; r >= 0 && i < records.count; i++)
		if (!strlist_contains(nodes, records.items[i])) {
			_cleanup_free_ char *shown = str_printable(records.items[i], 100);

			r = strlist_addf(
			    &s->problems,
			    "node %s was removed while it was being fenced: see to its VMs, then delete %s/%s",
			    shown ? shown : "?", store_base(STORE_PVC_FENCE), shown ? shown : "?");
		}
	return r;
}

static int read_nodes(struct ctl *ctl, struct status *s) {
	_cleanup_nodes_ struct nodes nodes = {0};
	int r = nodes_read(ctl, NULL, &nodes);

	for (size_t i = 0; r >= 0 && i < nodes.names.count; i++) {
		const char *daemon = node_value(&nodes, i, NODE_DAEMON)->data;
		const char *domain = node_value(&nodes, i, NODE_DOMAIN)->data;
		_cleanup_free_ char *both = str_printf("%s,%s", *daemon ? daemon : "-", *domain ? domain : "-");
		_cleanup_free_ char *shown = str_printable(both ? both : "", 40);
		_cleanup_free_ char *fence = fence_text(node_value(&nodes, i, NODE_FENCE));

		r = count_word(&s->nodes, both);
		if (r >= 0 && (daemon_state_parse(daemon) != DAEMON_RUN || domain_state_parse(domain) != DOMAINS_READY))
			r = strlist_addf(&s->problems, "node %s is %s", nodes.names.items[i], shown);
		if (r >= 0 && fence)
			r = strlist_addf(&s->problems, "fencing of node %s: %s", nodes.names.items[i], fence);
		if (r >= 0 && !fence && node_is_silent(&nodes, i))
			r = strlist_addf(&s->problems, "node %s is silent: its pvc-keepalive has no session%s",
					 nodes.names.items[i], s->maintenance ? ", and maintenance is on" : "");
	}
	return r < 0 ? r : read_orphans(ctl, &nodes.names, s);
}

/* The reference's rule: these are states in which a VM is as it should be. */
static bool vm_is_healthy(enum vm_state state) {
	return state == VM_START || state == VM_DISABLE || state == VM_MIGRATE || state == VM_UNMIGRATE ||
	       state == VM_PROVISION;
}

static int read_vms(struct ctl *ctl, struct status *s) {
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	int64_t unhealthy = 0;
	int r = fetch_children(ctl, store_base(STORE_DOMAINS), &uuids);

	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_STATE + 1, &vms);
	for (size_t i = 0; r >= 0 && i < uuids.count; i++) {
		const char *state = vm_value(&vms, i, VM_KEY_STATE)->data;

		r = count_word(&s->vms, state);
		unhealthy += !vm_is_healthy(vm_state_parse(state));
	}
	if (r >= 0 && unhealthy)
		r = strlist_addf(&s->problems, "%lld of %lld VMs do not run", (long long)unhealthy,
				 (long long)s->vms.total);
	return r;
}

static bool json_flag(const json_t *stats, const char *key) {
	const json_t *value = json_object_get(stats, key);

	return json_is_true(value) || json_integer_value(value) != 0;
}

static int read_osds(struct ctl *ctl, struct status *s) {
	_cleanup_strlist_ struct strlist ids = {0}, paths = {0};
	_cleanup_snapshot_ struct snapshot stats = {0};
	int r = fetch_children(ctl, store_base(STORE_CEPH_OSDS), &ids);

	for (size_t i = 0; r >= 0 && i < ids.count; i++)
		r = strlist_take(&paths, store_path(STORE_CEPH_OSDS, ids.items[i], "stats", NULL));
	if (r >= 0)
		r = fetch_many(ctl, &paths, &stats);
	for (size_t i = 0; r >= 0 && i < stats.count; i++) {
		json_t *json = json_loads(stats.values[i].data, 0, NULL);
		bool up = json_flag(json, "up"), in = json_flag(json, "in");
		_cleanup_free_ char *word = str_printf("%s,%s", up ? "up" : "down", in ? "in" : "out");

		json_decref(json);
		r = count_word(&s->osds, word);
		if (r >= 0 && !(up && in))
			r = strlist_addf(&s->problems, "OSD %s is %s", ids.items[i], word);
	}
	return r;
}

/* How many keys there are two below `base`: pool/volume; and three below `base3`: pool/volume/snapshot. */
static int count_below(struct ctl *ctl, enum store_base base, int64_t *ret, struct strlist *ret_volumes) {
	_cleanup_strlist_ struct strlist pools = {0};
	int r = fetch_children(ctl, store_base(base), &pools);

	*ret = 0;
	for (size_t i = 0; r >= 0 && i < pools.count; i++) {
		_cleanup_strlist_ struct strlist volumes = {0};
		_cleanup_free_ char *path = store_path(base, pools.items[i], NULL);

		r = path ? fetch_children(ctl, path, &volumes) : -ENOMEM;
		*ret += (int64_t)volumes.count;
		for (size_t k = 0; ret_volumes && r >= 0 && k < volumes.count; k++)
			r = strlist_take(ret_volumes, store_path(base, pools.items[i], volumes.items[k], NULL));
	}
	return r;
}

static int read_storage(struct ctl *ctl, struct status *s) {
	_cleanup_strlist_ struct strlist paths = {0};
	_cleanup_snapshot_ struct snapshot volumes = {0};
	int64_t unused;
	int r = count_below(ctl, STORE_CEPH_VOLUMES, &s->volumes, NULL);

	if (r >= 0)
		r = count_below(ctl, STORE_CEPH_SNAPSHOTS, &unused, &paths);
	if (r >= 0)
		r = fetch_many(ctl, &paths, &volumes);
	for (size_t i = 0; r >= 0 && i < volumes.count; i++)
		s->snapshots += volumes.values[i].stat.children;
	return r;
}

static const char *health(const struct status *s) {
	return s->maintenance ? "Maintenance" : s->problems.count ? "Degraded" : "Optimal";
}

/* ---- showing it ---- */

static void print_counts(const char *title, const struct counts *c) {
	_cleanup_strbuf_ struct strbuf text = {0};

	(void)strbuf_addf(&text, "%lld total", (long long)c->total); /* without memory the line ends early */
	for (size_t i = 0; i < c->words.count; i++)
		(void)strbuf_addf(&text, ", %lld %s", (long long)c->numbers[i], c->words.items[i]);
	print_field(title, text.data);
}

static json_t *counts_json(const struct counts *c) {
	json_t *object = json_pack("{s:I}", "total", (json_int_t)c->total);

	for (size_t i = 0; i < c->words.count; i++)
		(void)json_object_set_new(object, c->words.items[i], json_integer((json_int_t)c->numbers[i]));
	return object; /* NULL without memory, which json_print() tells */
}

static json_t *role_json(const struct status *s) {
	if (!s->lease.node)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "holder", json_text(s->lease.node), "held_seconds",
			 json_number(s->lease.held), "since", json_text(s->lease.since));
}

static int print_json(const struct status *s) {
	return json_print(json_pack(
	    "{s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "health", health(s), "problems",
	    json_list(&s->problems), "maintenance", s->maintenance, "primary_node",
	    json_text(s->base.values[BASE_PRIMARY].data), "primary_role", role_json(s), "upstream_ip",
	    json_text(s->base.values[BASE_UPSTREAM].data), "nodes", counts_json(&s->nodes), "vms", counts_json(&s->vms),
	    "networks", json_number(s->networks), "osds", counts_json(&s->osds), "pools", json_number(s->pools),
	    "volumes", json_number(s->volumes), "snapshots", json_number(s->snapshots)));
}

/* By the holder's own clock: clocks of different machines are not compared. */
static void print_role(const struct status *s) {
	_cleanup_free_ char *since = s->lease.since ? str_printable(s->lease.since, 40) : NULL, *text = NULL;
	_cleanup_free_ char *node = s->lease.node ? str_printable(s->lease.node, 60) : NULL;
	long long held = s->lease.held, days = held / 86400;

	if (!node) {
		print_field("Role held by:", NULL);
		return;
	}
	text = days ? str_printf("%s, for %lld d %lld h, since %s", node, days, held / 3600 % 24, since ? since : "?")
		    : str_printf("%s, for %lld:%02lld:%02lld, since %s", node, held / 3600, held / 60 % 60, held % 60,
				 since ? since : "?");
	print_field("Role held by:", text);
}

static void print_status(const struct status *s) {
	print_field("Health:", health(s));
	for (size_t i = 0; i < s->problems.count && i < 10; i++)
		print_field("", s->problems.items[i]);
	if (s->problems.count > 10)
		printf("%-16s and %zu more\n", "", s->problems.count - 10);
	print_field("Maintenance:", s->maintenance ? "on" : "off");
	print_field("Primary node:", s->base.values[BASE_PRIMARY].data);
	print_role(s);
	print_field("Upstream IP:", s->base.values[BASE_UPSTREAM].data);
	print_counts("Nodes:", &s->nodes);
	print_counts("VMs:", &s->vms);
	print_field_number("Networks:", s->networks, "");
	print_counts("OSDs:", &s->osds);
	print_field_number("Pools:", s->pools, "");
	print_field_number("Volumes:", s->volumes, "");
	print_field_number("Snapshots:", s->snapshots, "");
}

int cluster_status(struct ctl *ctl) {
	struct status s = {0};
	int (*const parts[])(struct ctl *, struct status *) = {read_base, read_nodes, read_vms, read_osds,
							       read_storage};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(parts); i++)
		r = parts[i](ctl, &s);
	if (r < 0)
		r = failed(r, "cannot read the cluster's state: %s", store_error_text(r));
	else if (wants_json(ctl))
		r = print_json(&s);
	else
		print_status(&s);
	status_free(&s);
	return r;
}
