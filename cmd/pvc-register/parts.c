/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the three parts write. */
#include "register.h"

#include "cluster/fence_record.h"

/* ---- the base keys ---- */

static int tree_paths(const struct plan *plan, struct strlist *ret) {
	(void)plan;
	for (int key = 0; key < STORE_BASE_COUNT; key++) {
		int r = strlist_add(ret, store_base((enum store_base)key));

		if (r < 0)
			return r;
	}
	return 0;
}

/* All that is missing, parents first as the enumeration has them. A value that is there is never touched. */
static int decide_tree(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct plan *plan = userdata;

	strlist_free(&plan->lines);
	for (size_t key = 0; key < count; key++) {
		int r = 0;

		if (!values[key].exists)
			r = plan_put(plan, txn, store_base((enum store_base)key), &values[key],
				     store_base_initial((enum store_base)key), false);
		if (r < 0)
			return r;
	}
	return plan->lines.count > 0 ? 0 : 1;
}

const struct part part_tree = {"the base keys", tree_paths, decide_tree};

/* ---- the node ---- */

enum source {
	AS_FIRST,
	MODE,
	ROUTER_STATE,
	STATIC_DATA,
	NOW,
	IPMI_HOST,
	IPMI_USER,
	IPMI_PASSWORD,
	CLUSTER_ADDRESS,
	ADDRESSES
};

/* One row a key (data model, 4). A key that is missing gets its first value; of one that exists only the refreshed
 * ones are written. Of those, the running ones change while the node runs, so that they are no drift. */
static const struct {
	const char *name; /* below the node; NULL: the node itself */
	enum source source;
	const char *first;
	bool refreshed, running;
} node_keys[] = {
    {NULL, MODE, NULL, false, false},
    {"daemonmode", MODE, NULL, true, false},
    {"daemonstate", AS_FIRST, "init", true, true},
    {"routerstate", ROUTER_STATE, "client", true, true},
    {"domainstate", AS_FIRST, "flushed", false, false},
    {"staticdata", STATIC_DATA, NULL, true, false},
    {"memtotal", AS_FIRST, "0", false, false},
    {"memfree", AS_FIRST, "0", false, false},
    {"memused", AS_FIRST, "0", false, false},
    {"memalloc", AS_FIRST, "0", false, false},
    {"vcpualloc", AS_FIRST, "0", false, false},
    {"cpuload", AS_FIRST, "0.0", false, false},
    {"networkscount", AS_FIRST, "0", false, false},
    {"domainscount", AS_FIRST, "0", false, false},
    {"runningdomains", AS_FIRST, "", false, false},
    {"keepalive", NOW, NULL, false, false},
    {"ipmihostname", IPMI_HOST, NULL, true, false},
    {"ipmiusername", IPMI_USER, NULL, true, false},
    {"ipmipassword", IPMI_PASSWORD, NULL, true, false},
    {"cluster_address", CLUSTER_ADDRESS, NULL, true, false}, /* our own: where the others send VXLAN packets */
    {"addresses", ADDRESSES, NULL, true, false}, /* our own: what pvc-seal keeps from Ceph when this host is dead */
};

static const char *value_of(const struct plan *plan, size_t key, bool exists) {
	const struct config *config = plan->config;

	switch (node_keys[key].source) {
	case MODE:
		return config->is_coordinator ? "coordinator" : "hypervisor";
	case ROUTER_STATE: /* a new coordinator begins as `client` too, as with the reference */
		return exists && config->is_coordinator ? "secondary" : node_keys[key].first;
	case STATIC_DATA:
		return plan->static_data;
	case NOW:
		return plan->now;
	case IPMI_HOST:
		return config->ipmi_host;
	case IPMI_USER:
		return config->ipmi_user;
	case IPMI_PASSWORD:
		return config->ipmi_pass;
	case CLUSTER_ADDRESS:
		return plan->cluster_address;
	case ADDRESSES:
		return plan->addresses;
	default:
		return node_keys[key].first;
	}
}

static int node_paths(const struct plan *plan, struct strlist *ret) {
	for (size_t key = 0; key < ARRAY_SIZE(node_keys); key++) {
		int r =
		    strlist_take(ret, store_path(STORE_NODES, plan->config->node, node_keys[key].name, (char *)NULL));

		if (r < 0)
			return r;
	}
	/* the three last ones */
	if (strlist_take(ret, store_path(STORE_PVC_HEART, plan->config->node, (char *)NULL)) < 0 ||
	    strlist_take(ret, store_path(STORE_PVC_AGENTS, plan->config->node, (char *)NULL)) < 0)
		return -ENOMEM;
	return strlist_take(ret, admission_path(plan->config));
}

static bool is_secret(enum source source) {
	return source == IPMI_HOST || source == IPMI_USER || source == IPMI_PASSWORD;
}

static bool has_private_keys(const struct plan *plan) {
	return plan->config->fence_credentials && *plan->config->fence_credentials && !plan->dry;
}

/* Puts a key that holds how to switch this node off. With credentials it is for those who have them: an ACL cannot be
 * seen in what was read, so the key is made anew each time. */
static int put_secret(struct plan *plan, struct store_txn *txn, const char *path, const struct store_value *seen,
		      const char *value, bool hidden) {
	struct store_txn *unused = NULL;
	int r;

	if (!has_private_keys(plan))
		return plan_put(plan, txn, path, seen, value, hidden);
	unused = store_txn_new(); /* the line that it gives is wanted, its write is not */
	r = plan_put(plan, unused, path, seen, value, hidden);
	store_txn_free(unused);
	if (r >= 0 && seen->exists)
		r = store_txn_delete(txn, path, seen->stat.version);
	return r < 0 ? r : store_txn_create_private(txn, path, value);
}

/* Nothing is published for a node that has its BMC alone, as with the reference; what was, is taken back. */
static int put_agents(struct plan *plan, struct store_txn *txn, const char *path, const struct store_value *seen) {
	const struct fence_agents *agents = &plan->config->fence_agents;
	_cleanup_free_ char *text = NULL;
	int r;

	if (agents->count == 0) {
		r = seen->exists ? store_txn_delete(txn, path, seen->stat.version) : 0;
		return r < 0 || !seen->exists ? r : strlist_addf(&plan->lines, "delete %s", path);
	}
	text = fence_agents_format(agents);
	if (!text)
		return -ENOMEM;
	r = put_secret(plan, txn, path, seen, text, true);
	explicit_bzero(text, strlen(text));
	return r;
}

/* What the node said of itself in an earlier boot holds no more: no watchdog is armed in this one, so nobody may count
 * on it, and a record of a fencing has to name this boot. From here on it is pvc-keepalive's. */
static int put_heart(struct plan *plan, struct store_txn *txn, const char *path, const struct store_value *seen) {
	const struct fence_heart told = fence_heart_parse(seen->exists ? seen->data : NULL);
	struct fence_heart heart = {.armed = false};
	_cleanup_free_ char *text = NULL;

	(void)snprintf(heart.boot, sizeof(heart.boot), "%s", plan->boot); /* fits */
	if (str_equal(told.boot, heart.boot))
		return 0;
	text = fence_heart_format(&heart);
	return text ? plan_put(plan, txn, path, seen, text, false) : -ENOMEM;
}

static int decide_node(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	_cleanup_strlist_ struct strlist paths = {0};
	struct plan *plan = userdata;
	int r = node_paths(plan, &paths);

	strlist_free(&plan->lines);
	if (r >= 0)
		r = admission_decide(&values[count - 1], paths.items[count - 1], txn, plan);
	if (r >= 0)
		r = put_agents(plan, txn, paths.items[count - 2], &values[count - 2]);
	if (r >= 0)
		r = put_heart(plan, txn, paths.items[count - 3], &values[count - 3]);
	for (size_t key = 0; r >= 0 && key < ARRAY_SIZE(node_keys); key++) {
		bool exists = values[key].exists;

		if (exists && (!node_keys[key].refreshed || (plan->lasting && node_keys[key].running)))
			continue;
		r = (is_secret(node_keys[key].source) ? put_secret : plan_put)(
		    plan, txn, paths.items[key], &values[key], value_of(plan, key, values[0].exists),
		    node_keys[key].source == IPMI_PASSWORD);
	}
	if (r < 0)
		return r;
	return plan->lines.count > 0 || has_private_keys(plan) ? 0 : 1;
}

const struct part part_node = {"the keys of this node", node_paths, decide_node};

/* ---- the primary role ---- */

static int primary_paths(const struct plan *plan, struct strlist *ret) {
	(void)plan;
	return strlist_add(ret, store_base(STORE_PRIMARY_NODE));
}

/* A coordinator takes the role when nobody has it; the version that was seen decides between several. */
static int decide_primary(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct plan *plan = userdata;
	int r;

	(void)count;
	strlist_free(&plan->lines);
	if (!plan->config->is_coordinator || !str_is_absent(values[0].data))
		return 1;
	r = plan_put(plan, txn, store_base(STORE_PRIMARY_NODE), &values[0], plan->config->node, false);
	return r < 0 ? r : 0;
}

const struct part part_primary = {"the claim of the primary role", primary_paths, decide_primary};
