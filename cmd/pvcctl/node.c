/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

#include <math.h>
#include <time.h>

/* The four words of staticdata; NULL for those that are not there. */
struct static_data {
	struct strlist words;
	int64_t cpus;
	const char *kernel, *os, *arch;
};

static int static_data_read(const struct fetched *value, struct static_data *ret) {
	int r;

	*ret = (struct static_data){.cpus = -1};
	r = strlist_split(&ret->words, value->data, " ");
	if (r < 0 || ret->words.count < 4)
		return r;
	ret->cpus = select_figure(ret->words.items[0]);
	if (ret->cpus == SELECT_UNKNOWN)
		ret->cpus = -1;
	ret->kernel = ret->words.items[1];
	ret->os = ret->words.items[2];
	ret->arch = ret->words.items[3];
	return 0;
}

/* The time that the node itself wrote. Its age is not computed: clocks of different machines are not compared. */
static char *keepalive_text(const struct fetched *value) {
	int64_t stamp = fetched_number(value);
	time_t t = (time_t)stamp;
	struct tm tm;
	char text[40];

	if (stamp < 0 || !gmtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		return NULL;
	return strdup(text);
}

/* How a drain stands or ended; null when the node never had one. */
static json_t *drain_json(const struct fetched *value) {
	_cleanup_progress_ struct progress p = {0};
	json_t *vms;

	if (!value->exists || progress_parse(value->data, &p) < 0)
		return json_null();
	vms = json_array();
	for (size_t i = 0; vms && i < p.count; i++)
		(void)json_array_append_new(vms, /* fails only without memory */
					    json_pack("{s:o, s:o, s:o, s:o, s:o}", "uuid", json_text(p.vms[i].uuid),
						      "name", json_text(p.vms[i].name), "outcome",
						      json_text(progress_word_name(p.vms[i].word)), "node",
						      json_text(p.vms[i].node), "note", json_text(p.vms[i].note)));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "asked", json_text(domain_state_name(p.asked)), "phase",
			 json_text(progress_phase_name(p.phase)), "total", json_integer((json_int_t)p.total), "ended",
			 json_integer((json_int_t)progress_ended(&p)), "vms", vms);
}

static char *drain_text(const struct fetched *value) {
	_cleanup_progress_ struct progress p = {0};
	_cleanup_free_ char *summary = NULL;

	if (!value->exists || progress_parse(value->data, &p) < 0)
		return NULL;
	summary = progress_summary(&p);
	return summary ? str_printf("%s %s, %s", domain_state_name(p.asked), progress_phase_name(p.phase), summary)
		       : NULL;
}

static json_t *load_json(const struct fetched *value) {
	double load = select_load(value->data);

	return isnan(load) ? json_null() : json_real(load);
}

static json_t *node_json(const struct nodes *n, size_t i) {
	struct static_data s;
	_cleanup_strlist_ struct strlist running = {0};
	json_t *json = NULL;

	if (static_data_read(node_value(n, i, NODE_STATIC), &s) >= 0 &&
	    strlist_split(&running, node_value(n, i, NODE_RUNNING)->data, " ") >= 0)
		json = json_pack(
		    "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:{s:o, s:o, "
		    "s:o, "
		    "s:o}}",
		    "name", json_text(n->names.items[i]), "mode", json_text(node_value(n, i, NODE_MODE)->data),
		    "daemon_state", json_text(node_value(n, i, NODE_DAEMON)->data), "coordinator_state",
		    json_text(node_value(n, i, NODE_ROUTER)->data), "domain_state",
		    json_text(node_value(n, i, NODE_DOMAIN)->data), "kernel", json_text(s.kernel), "os",
		    json_text(s.os), "arch", json_text(s.arch), "load", load_json(node_value(n, i, NODE_LOAD)),
		    "domains_count", json_number(fetched_number(node_value(n, i, NODE_VMS))), "running_domains",
		    json_list(&running), "keepalive", json_number(fetched_number(node_value(n, i, NODE_KEEPALIVE))),
		    "drain", drain_json(node_value(n, i, NODE_DRAIN)), "fencing",
		    fence_json(node_value(n, i, NODE_FENCE)), "vcpu", "total", json_number(s.cpus), "allocated",
		    json_number(fetched_number(node_value(n, i, NODE_VCPUALLOC))), "memory", "total",
		    json_number(fetched_number(node_value(n, i, NODE_MEMTOTAL))), "used",
		    json_number(fetched_number(node_value(n, i, NODE_MEMUSED))), "free",
		    json_number(fetched_number(node_value(n, i, NODE_MEMFREE))), "allocated",
		    json_number(fetched_number(node_value(n, i, NODE_MEMALLOC))));
	strlist_free(&s.words);
	return json;
}

static void add_row(struct table *t, const struct nodes *n, size_t i) {
	static const enum node_key numbers[] = {NODE_MEMTOTAL, NODE_MEMUSED, NODE_MEMFREE, NODE_MEMALLOC};
	_cleanup_free_ char *daemon = fence_daemon_text(n, i);
	struct static_data s;

	if (static_data_read(node_value(n, i, NODE_STATIC), &s) < 0 || !daemon)
		t->failed = true;
	table_add(t, n->names.items[i]);
	table_add(t, daemon);
	table_add(t, node_value(n, i, NODE_ROUTER)->data);
	table_add(t, node_value(n, i, NODE_DOMAIN)->data);
	table_add_number(t, fetched_number(node_value(n, i, NODE_VMS)));
	table_add_number(t, s.cpus);
	table_add_number(t, fetched_number(node_value(n, i, NODE_VCPUALLOC)));
	table_add(t, isnan(select_load(node_value(n, i, NODE_LOAD)->data)) ? NULL : node_value(n, i, NODE_LOAD)->data);
	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++)
		table_add_number(t, fetched_number(node_value(n, i, numbers[k])));
	strlist_free(&s.words);
}

int node_list(struct ctl *ctl) {
	static const char *const titles[] = {"NAME",   "DAEMON", "COORDINATOR", "DOMAIN", ">VMS",  ">CPUS",
					     ">VCPUS", ">LOAD",  ">MEM(MiB)",   ">USED",  ">FREE", ">ALLOCATED"};
	_cleanup_nodes_ struct nodes nodes = {0};
	_cleanup_table_ struct table table = {.titles = titles, .columns = ARRAY_SIZE(titles)};
	json_t *array = NULL;
	int r = nodes_read(ctl, NULL, &nodes);

	if (r < 0)
		return failed(r, "cannot read the nodes: %s", store_error_text(r));
	if (wants_json(ctl)) {
		array = json_array();
		for (size_t i = 0; array && i < nodes.names.count; i++)
			if (json_array_append_new(array, node_json(&nodes, i)) < 0)
				return failed(-ENOMEM, "out of memory");
		return json_print(array);
	}
	for (size_t i = 0; i < nodes.names.count; i++)
		add_row(&table, &nodes, i);
	return table_print(&table);
}

static void print_node(const struct nodes *n) {
	_cleanup_free_ char *keepalive = keepalive_text(node_value(n, 0, NODE_KEEPALIVE));
	_cleanup_free_ char *drain = drain_text(node_value(n, 0, NODE_DRAIN));
	_cleanup_free_ char *fence = fence_text(node_value(n, 0, NODE_FENCE)),
			    *hint = fence_hint(n->names.items[0], node_value(n, 0, NODE_FENCE));
	const struct fetched *agents = node_value(n, 0, NODE_AGENTS);
	struct static_data s;

	(void)static_data_read(node_value(n, 0, NODE_STATIC), &s); /* without memory the fields show "-" */
	print_field("Name:", n->names.items[0]);
	print_field("Mode:", node_value(n, 0, NODE_MODE)->data);
	print_field("Daemon:", node_value(n, 0, NODE_DAEMON)->data);
	if (node_is_silent(n, 0))
		print_field("", "silent: its pvc-keepalive has no session with ZooKeeper");
	if (fence)
		print_field("Fencing:", fence);
	if (hint)
		print_field("", hint);
	print_field("Coordinator:", node_value(n, 0, NODE_ROUTER)->data);
	print_field("Domain:", node_value(n, 0, NODE_DOMAIN)->data);
	print_field("Last drain:", drain);
	print_field("Last keepalive:", keepalive);
	if (agents->exists)
		print_field("Fencing agents:", *agents->data ? agents->data : "answer");
	print_field("Kernel:", s.kernel);
	print_field("System:", s.os);
	print_field("Architecture:", s.arch);
	print_field_number("CPUs:", s.cpus, "");
	print_field_number("vCPUs given:", fetched_number(node_value(n, 0, NODE_VCPUALLOC)), "");
	print_field("Load:",
		    isnan(select_load(node_value(n, 0, NODE_LOAD)->data)) ? NULL : node_value(n, 0, NODE_LOAD)->data);
	print_field_number("Memory:", fetched_number(node_value(n, 0, NODE_MEMTOTAL)), "MiB");
	print_field_number("Memory used:", fetched_number(node_value(n, 0, NODE_MEMUSED)), "MiB");
	print_field_number("Memory free:", fetched_number(node_value(n, 0, NODE_MEMFREE)), "MiB");
	print_field_number("Memory given:", fetched_number(node_value(n, 0, NODE_MEMALLOC)), "MiB");
	print_field_number("Running VMs:", fetched_number(node_value(n, 0, NODE_VMS)), "");
	print_field("", node_value(n, 0, NODE_RUNNING)->data);
	strlist_free(&s.words);
}

int node_info(struct ctl *ctl) {
	_cleanup_nodes_ struct nodes nodes = {0};
	int r = nodes_read(ctl, ctl->arguments[0], &nodes);

	if (r == -ENOENT)
		return failed(r, "the cluster has no node named '%s'", ctl->arguments[0]);
	if (r < 0)
		return failed(r, "cannot read node '%s': %s", ctl->arguments[0], store_error_text(r));
	if (wants_json(ctl))
		return json_print(node_json(&nodes, 0));
	print_node(&nodes);
	return EXIT_OK;
}
