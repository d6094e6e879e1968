/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What ZooKeeper knows of the victim: addresses, OSDs, VMs and their volumes; and the record of what was sealed. */
#include "cluster/cluster.h"
#include "cluster/storage.h"
#include "log/log.h"
#include "seal.h"
#include "virt/virt.h"

/* The value of a key below an object; "" when there is none. */
static int get(struct seal *seal, enum store_base base, const char *name, const char *key, char **ret) {
	_cleanup_free_ char *path = store_path(base, name, key, (char *)NULL);
	struct store_value value;
	int r = path ? store_get_wait(seal->store, path, seal->deadline, &value) : -ENOMEM;

	if (r < 0)
		return r;
	*ret = strndup(value.exists ? value.data : "", value.length);
	store_value_free(&value);
	return *ret ? 0 : -ENOMEM;
}

static int read_words(struct seal *seal, const char *node, const char *key, struct strlist *ret) {
	_cleanup_free_ char *text = NULL;
	int r = get(seal, STORE_NODES, node, key, &text);

	return r < 0 ? r : strlist_split(ret, text, " \n");
}

static int read_addresses(struct seal *seal) {
	_cleanup_strlist_ struct strlist nodes = {0}, victims = {0};
	int r = store_list_wait(seal->store, store_base(STORE_NODES), seal->deadline, &nodes);

	for (size_t i = 0; i < nodes.count && r == 0; i++)
		r = read_words(seal, nodes.items[i], "addresses",
			       str_equal(nodes.items[i], seal->node) ? &victims : &seal->others);
	if (r == 0)
		r = read_words(seal, seal->node, "sealed", &seal->sealed);
	if (r < 0)
		return r;
	if (!strlist_contains(&nodes, seal->node)) {
		log_error("the cluster has no node '%s'", seal->node);
		return -ENOENT;
	}
	for (size_t i = 0; i < seal->given.count && r == 0; i++)
		r = strlist_add(&victims, seal->given.items[i]);
	/* given by hand before, where the node had told none: whoever fences it asks again without */
	for (size_t i = 0; i < seal->sealed.count && r == 0; i++)
		r = strlist_add(&victims, seal->sealed.items[i]);
	return r < 0 ? r : storage_seal_hosts(&victims, &seal->others, &seal->hosts);
}

static int read_osds(struct seal *seal) {
	_cleanup_strlist_ struct strlist osds = {0};
	int r = store_list_wait(seal->store, store_base(STORE_CEPH_OSDS), seal->deadline, &osds);

	for (size_t i = 0; i < osds.count && r == 0; i++) {
		_cleanup_free_ char *node = NULL;
		uint64_t id;

		r = get(seal, STORE_CEPH_OSDS, osds.items[i], "node", &node);
		if (r == 0 && str_equal(node, seal->node) && parse_u64(osds.items[i], 0, INT32_MAX, &id) == 0)
			r = strlist_add(&seal->osds, osds.items[i]);
	}
	return r == -ENOENT ? 0 : r;
}

/* May the victim have the VM's process? Its keys may be wrong or missing: then it counts. */
static int may_have(struct seal *seal, const char *vm, bool *ret) {
	_cleanup_free_ char *node = NULL, *text = NULL;
	struct holder holder;
	int r = get(seal, STORE_DOMAINS, vm, "node", &node);

	if (r == 0)
		r = get(seal, STORE_DOMAINS, vm, "holder", &text);
	if (r < 0)
		return r;
	holder = holder_parse(text);
	*ret = str_equal(node, seal->node) || holder.kind == HOLDER_UNCLEAR || str_equal(holder.node, seal->node) ||
	       str_equal(holder.target, seal->node);
	return 0;
}

static int read_volumes(struct seal *seal) {
	_cleanup_strlist_ struct strlist vms = {0};
	int r = store_list_wait(seal->store, store_base(STORE_DOMAINS), seal->deadline, &vms);

	for (size_t i = 0; i < vms.count && r == 0; i++) {
		_cleanup_free_ char *xml = NULL;
		bool counts = false;

		r = may_have(seal, vms.items[i], &counts);
		if (r == 0 && counts)
			r = get(seal, STORE_DOMAINS, vms.items[i], "xml", &xml);
		if (r == 0 && xml)
			r = virt_xml_volumes(xml, strlen(xml), &seal->volumes);
		if (r == -EINVAL)
			r = 0; /* no definition, no volumes */
	}
	return r == -ENOENT ? 0 : r;
}

int cluster_read(struct seal *seal) {
	int r = read_addresses(seal);

	if (r == -ENOENT)
		return r;
	if (r == 0)
		r = read_osds(seal);
	if (r == 0)
		r = read_volumes(seal);
	if (r < 0)
		log_error("the cluster cannot be read at %s: %s", seal->config->servers, strerror(-r));
	return r;
}

static int decide_record(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct seal *seal = userdata;
	_cleanup_strlist_ struct strlist all = {0};
	_cleanup_free_ char *text = NULL, *path = store_path(STORE_NODES, seal->node, "sealed", (char *)NULL);
	int r = path ? strlist_split(&all, values[0].data, " \n") : -ENOMEM;

	(void)count;
	for (size_t i = 0; i < seal->hosts.count && r == 0; i++)
		if (!strlist_contains(&all, seal->hosts.items[i]))
			r = strlist_add(&all, seal->hosts.items[i]);
	text = r == 0 ? strlist_join(&all, " ") : NULL;
	if (!text)
		return r < 0 ? r : -ENOMEM;
	if (values[0].exists && str_equal(text, values[0].data))
		return 1;
	return store_txn_put(txn, path, &values[0], text);
}

static int decide_forget(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct seal *seal = userdata;
	_cleanup_free_ char *path = store_path(STORE_NODES, seal->node, "sealed", (char *)NULL);

	(void)count;
	if (!path)
		return -ENOMEM;
	return values[0].exists ? store_txn_delete(txn, path, values[0].stat.version) : 1;
}

static int update(struct seal *seal, store_compute_fn compute) {
	_cleanup_free_ char *path = store_path(STORE_NODES, seal->node, "sealed", (char *)NULL);
	const char *const paths[] = {path};
	int r = path ? store_update_wait(seal->store, paths, 1, compute, seal, seal->deadline) : -ENOMEM;

	if (r < 0)
		log_error("%s could not be written at %s: %s", path ? path : "a key", seal->config->servers,
			  strerror(-r));
	return r < 0 ? r : 0;
}

int cluster_record(struct seal *seal) {
	return update(seal, decide_record);
}

int cluster_forget(struct seal *seal) {
	return update(seal, decide_forget);
}
