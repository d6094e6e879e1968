/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/cluster.h"

#include <math.h>

static const char *const names[SELECT_BY_COUNT] = {
    [SELECT_MEM] = "mem",
    [SELECT_LOAD] = "load",
    [SELECT_VCPUS] = "vcpus",
    [SELECT_VMS] = "vms",
};

const char *select_by_name(enum select_by by) {
	return by >= 0 && by < SELECT_BY_COUNT ? names[by] : NULL;
}

enum select_by select_by_parse(const char *word) {
	for (int i = 0; word && i < SELECT_BY_COUNT; i++)
		if (strcmp(names[i], word) == 0)
			return (enum select_by)i;
	return SELECT_BY_UNKNOWN;
}

int64_t select_figure(const char *text) {
	uint64_t value;

	/* 2^53: far above any real figure, and sums of three stay exact in int64_t and double */
	return parse_u64(text, 0, UINT64_C(1) << 53, &value) < 0 ? SELECT_UNKNOWN : (int64_t)value;
}

double select_load(const char *text) {
	char *end;
	double value;

	if (!text || !((*text >= '0' && *text <= '9') || *text == '.'))
		return NAN;
	value = strtod(text, &end);
	return *end || !isfinite(value) || value < 0 ? NAN : value;
}

/* How good a node is, higher is better; NAN when its figures cannot be read. */
static double score_mem(const struct select_node *n) {
	if (n->memused == SELECT_UNKNOWN || n->memfree == SELECT_UNKNOWN || n->memalloc == SELECT_UNKNOWN)
		return NAN;
	return (double)(n->memused + n->memfree - n->memalloc);
}
static double score_load(const struct select_node *n) {
	return -n->cpuload;
}
static double score_vcpus(const struct select_node *n) {
	return n->vcpualloc == SELECT_UNKNOWN ? NAN : -(double)n->vcpualloc;
}
static double score_vms(const struct select_node *n) {
	return n->domainscount == SELECT_UNKNOWN ? NAN : -(double)n->domainscount;
}
static double (*const scores[SELECT_BY_COUNT])(const struct select_node *) = {
    [SELECT_MEM] = score_mem,
    [SELECT_LOAD] = score_load,
    [SELECT_VCPUS] = score_vcpus,
    [SELECT_VMS] = score_vms,
};

/* NULL when the node may take the VM, else why not. */
static const char *objection(const struct select_node *node, const struct select_request *request) {
	double score;

	if (request->limit && request->limit->count && !strlist_contains(request->limit, node->name))
		return "is not in the VM's node limit";
	if (request->exclude && str_equal(request->exclude, node->name))
		return "has the VM already";
	if (request->home && str_equal(request->home, node->name))
		return "is the VM's home";
	if (request->tried && strlist_contains(request->tried, node->name))
		return "could not take it";
	if (node->daemon_state != DAEMON_RUN)
		return "does not run";
	if (node->domain_state != DOMAINS_READY)
		return "is not ready for VMs";
	score = scores[request->by](node);
	if (isnan(score))
		return "does not report the figure to choose by";
	if (request->by == SELECT_MEM && score <= 0)
		return "has no memory left";
	return NULL;
}

static void count_in(int64_t *figure, int64_t number) {
	if (*figure != SELECT_UNKNOWN && number > 0)
		*figure += number;
}

void select_add(struct select_node *node, int64_t memory, int64_t vcpus) {
	count_in(&node->memalloc, memory);
	count_in(&node->vcpualloc, vcpus);
	count_in(&node->domainscount, 1);
}

static int no_target(const struct select_node *nodes, size_t count, const struct select_request *request,
		     char **ret_error) {
	_cleanup_strbuf_ struct strbuf text = {0};

	(void)strbuf_puts(&text, "no node can take it: "); /* failures are kept in text.failed */
	for (size_t i = 0; i < count; i++)
		(void)strbuf_addf(&text, "%s%s %s", i ? ", " : "", nodes[i].name, objection(&nodes[i], request));
	if (!count)
		(void)strbuf_puts(&text, "the cluster has no nodes");
	return error_set(ret_error, -ENOENT, "%s", text.failed ? "no node can take it" : text.data);
}

int select_target(const struct select_node *nodes, size_t count, const struct select_request *request,
		  char **ret_error) {
	const struct select_node *best = NULL;
	double best_score = 0;

	if (!select_by_name(request->by))
		return error_set(ret_error, -EINVAL, "unknown selector; it is one of mem, load, vcpus, vms");
	for (size_t i = 0; i < count; i++) {
		double score;

		if (objection(&nodes[i], request))
			continue;
		score = scores[request->by](&nodes[i]);
		if (!best || score > best_score || (!(score < best_score) && strcmp(nodes[i].name, best->name) < 0)) {
			best = &nodes[i];
			best_score = score;
		}
	}
	return best ? (int)(best - nodes) : no_target(nodes, count, request, ret_error);
}
