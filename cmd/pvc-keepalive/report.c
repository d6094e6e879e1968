/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report.h"

#include "say.h"

#define FOREIGN_TEXT 100 /* bytes of others' values shown in a line */

struct report {
	struct loop *loop;
	const struct config *config;
	struct store_watch *maintenance_watch, *primary_watch, *nodes_watch;
	bool maintenance;
	char *primary;
	size_t nodes;
	char *told_trouble; /* last told, or NULL */
};

int report_new(struct report **ret, struct loop *loop, const struct config *config) {
	struct report *report = calloc(1, sizeof(*report));

	if (!report)
		return -ENOMEM;
	report->loop = loop;
	report->config = config;
	*ret = report;
	return 0;
}

void report_free(struct report *report) {
	struct store_watch *const watches[] = {report ? report->maintenance_watch : NULL,
					       report ? report->primary_watch : NULL,
					       report ? report->nodes_watch : NULL};

	if (!report)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(watches); i++)
		if (watches[i])
			store_watch_free(watches[i]);
	free(report->primary);
	free(report->told_trouble);
	free(report);
}

static void maintenance_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct report *report = userdata;

	(void)store;
	if (!value->exists || parse_bool(value->data, &report->maintenance) < 0)
		report->maintenance = false; /* anything else counts as off (data model, 3) */
}

static void primary_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct report *report = userdata;

	(void)store;
	free(report->primary);
	report->primary =
	    value->exists && !str_is_absent(value->data) ? str_printable(value->data, FOREIGN_TEXT) : NULL;
}

static void nodes_changed(struct store *store, const struct strlist *children, void *userdata) {
	struct report *report = userdata;

	(void)store;
	report->nodes = children ? children->count : 0;
}

int report_watch(struct report *report, struct store *store) {
	int r;

	if (!report->config->log_keepalives || !report->config->log_keepalive_cluster_details)
		return 0;
	r = store_watch_value(store, store_base(STORE_MAINTENANCE), maintenance_changed, report,
			      &report->maintenance_watch);
	if (r >= 0)
		r = store_watch_value(store, store_base(STORE_PRIMARY_NODE), primary_changed, report,
				      &report->primary_watch);
	if (r >= 0)
		r = store_watch_list(store, store_base(STORE_NODES), nodes_changed, report, &report->nodes_watch);
	return r;
}

/* A trouble is told when it comes, when it changes and when it ends, not at each tick. */
static void report_trouble(struct report *report, const char *trouble) {
	if (str_equal(trouble, report->told_trouble))
		return;
	if (trouble)
		say(LOG_LEVEL_WARNING, "the heartbeat goes on, but: %s", trouble);
	else
		say(LOG_LEVEL_OK, "all figures of the heartbeat are up to date again");
	free(report->told_trouble);
	report->told_trouble = trouble ? strdup(trouble) : NULL;
}

/* "12 s ago" for figures that are not of now. */
static char *age_text(const struct figures *figures) {
	if (figures->trust == FIGURES_MISSING)
		return strdup(" (VM figures as last known)");
	if (figures->trust == FIGURES_STALE)
		return str_printf(" (VM figures %llu s old)", (unsigned long long)(figures->age / USEC_PER_SEC));
	return strdup("");
}

static void report_tick(const struct report *report, const struct figures *figures, const char *age) {
	if (!report->config->log_keepalives)
		return;
	say(LOG_LEVEL_TICK,
	    "heartbeat: %zu VMs, %llu vCPUs and %llu MiB given to them, load %s, memory %llu MiB used, %llu free of "
	    "%llu%s",
	    figures_running(figures), (unsigned long long)figures->vcpualloc, (unsigned long long)figures->memalloc,
	    figures->load ? figures->load : "unknown", (unsigned long long)figures->memory.used,
	    (unsigned long long)figures->memory.free, (unsigned long long)figures->memory.total, age);
	if (report->config->log_keepalive_cluster_details)
		say(LOG_LEVEL_TICK, "cluster: nodes %zu, primary %s, maintenance %s", report->nodes,
		    report->primary ? report->primary : "none", report->maintenance ? "on" : "off");
}

void report_beat(struct report *report, const struct figures *figures) {
	_cleanup_free_ char *age = age_text(figures);

	report_trouble(report, figures->trouble);
	report_tick(report, figures, age ? age : "");
	loop_status(report->loop, "heartbeat every %llu s, %zu VMs%s",
		    (unsigned long long)report->config->keepalive_interval, figures_running(figures), age ? age : "");
}
