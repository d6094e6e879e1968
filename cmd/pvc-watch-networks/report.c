/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is wrong with networks on this node: in the log, and in /nodes/ME/network_errors/<vni> for everybody. A key
 * there exists only as long as something is wrong. Each node writes below its own entry, so no two writers meet, and
 * nothing is ever made inside of a network that a client is deleting.
 */
#include "daemon.h"

#define REPORT_BYTES 16384 /* of one key */

struct report {
	struct daemon *daemon;
	struct report *next;
	char *key;
	char *parts[REPORT_PARTS]; /* NULL: nothing is wrong */
	bool busy, again;          /* being written; changed meanwhile */
	char *paths[3];            /* the node, network_errors, the key in it */
};
enum { NODE, CONTAINER, REPORT };

struct reports {
	struct report *first;
};

static const char *const part_names[REPORT_PARTS] = {"links", "firewall"};

static void publish(struct report *report);

static void report_free(struct report *report) {
	for (size_t i = 0; i < REPORT_PARTS; i++)
		free(report->parts[i]);
	for (size_t i = 0; i < ARRAY_SIZE(report->paths); i++)
		free(report->paths[i]);
	free(report->key);
	free(report);
}

static void forget(struct report *report) {
	struct report **place = &report->daemon->reports->first;

	while (*place != report)
		place = &(*place)->next;
	*place = report->next;
	report_free(report);
}

static struct report *report_get(struct daemon *daemon, const char *key) {
	struct report *report;

	for (report = daemon->reports->first; report; report = report->next)
		if (str_equal(report->key, key))
			return report;
	report = calloc(1, sizeof(*report));
	if (!report)
		return NULL;
	report->daemon = daemon;
	report->key = strdup(key);
	report->paths[NODE] = store_path(STORE_NODES, daemon->config->node, NULL);
	report->paths[CONTAINER] = store_path(STORE_NODES, daemon->config->node, "network_errors", NULL);
	report->paths[REPORT] = store_path(STORE_NODES, daemon->config->node, "network_errors", key, NULL);
	if (!report->key || !report->paths[NODE] || !report->paths[CONTAINER] || !report->paths[REPORT]) {
		report_free(report);
		return NULL;
	}
	report->next = daemon->reports->first;
	daemon->reports->first = report;
	return report;
}

/* "PART: LINE" for each line. NULL when nothing is wrong, or without memory. */
static char *text_of(const struct report *report) {
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < REPORT_PARTS; i++) {
		const char *line = report->parts[i];

		while (line && *line && text.length < REPORT_BYTES) {
			size_t length = strcspn(line, "\n");

			(void)strbuf_addf(&text, "%s%s: %.*s", text.length ? "\n" : "", part_names[i], (int)length,
					  line);
			line += length + (line[length] == '\n');
		}
	}
	return text.length ? strbuf_steal(&text) : NULL;
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct report *report = userdata;
	_cleanup_free_ char *text = text_of(report);

	(void)count;
	if (!values[NODE].exists) /* not registered: nowhere to write to */
		return 1;
	if (!text && !values[REPORT].exists)
		return 1;
	if (!text)
		return store_txn_delete(txn, report->paths[REPORT], values[REPORT].stat.version);
	if (values[REPORT].exists && str_equal(values[REPORT].data, text))
		return 1;
	if (!values[CONTAINER].exists)
		(void)store_txn_create(txn, report->paths[CONTAINER], ""); /* the commit tells */
	return store_txn_put(txn, report->paths[REPORT], &values[REPORT], text);
}

static void published(struct store *store, int result, void *userdata) {
	struct report *report = userdata;
	bool again = report->again;
	bool empty = true;

	report->busy = report->again = false;
	for (size_t i = 0; i < REPORT_PARTS; i++)
		empty = empty && !report->parts[i];
	if (report->daemon->stopping)
		return;
	if (result < 0 && store_is_connected(store) && result != -ECONNRESET)
		log_warning("cannot write %s: %s", report->paths[REPORT], strerror(-result));
	if (again || result == -ENOTCONN || result == -ECONNRESET)
		publish(report); /* its reads wait for a connection */
	else if (empty && result >= 0)
		forget(report);
}

static void publish(struct report *report) {
	int r;

	if (report->busy) {
		report->again = true;
		return;
	}
	r = store_update(report->daemon->store, (const char *const *)report->paths, ARRAY_SIZE(report->paths), compute,
			 published, report);
	if (r < 0)
		log_warning("cannot write %s: %s", report->paths[REPORT], strerror(-r));
	else
		report->busy = true;
}

void report_set(struct daemon *daemon, const char *key, enum report_part part, const char *lines) {
	struct report *report;

	if (lines && !*lines)
		lines = NULL;
	if (!lines) {
		for (report = daemon->reports->first; report && !str_equal(report->key, key); report = report->next)
			;
		if (!report) /* nothing was wrong */
			return;
	} else {
		report = report_get(daemon, key);
	}
	if (!report) {
		log_error("network %s: %s: %s", key, part_names[part], lines);
		return;
	}
	if (str_equal(lines, report->parts[part]))
		return;
	if (lines)
		log_error("network %s: %s: %s", key, part_names[part], lines);
	else
		log_ok("network %s: %s: nothing is wrong any more", key, part_names[part]);
	free(report->parts[part]);
	report->parts[part] = lines ? strdup(lines) : NULL;
	publish(report);
}

void report_set_vni(struct daemon *daemon, uint32_t vni, enum report_part part, const char *lines) {
	char key[16];

	snprintf(key, sizeof(key), "%u", vni);
	report_set(daemon, key, part, lines);
}

/* What an earlier run left: each is compared with what is wrong now, which is nothing for those not known here. */
static void listed(struct store *store, int result, const struct strlist *children, void *userdata) {
	struct daemon *daemon = userdata;

	(void)store;
	if (daemon->stopping || result < 0) /* none, or a lost connection: the next session looks again */
		return;
	for (size_t i = 0; i < children->count; i++) {
		struct report *report = report_get(daemon, children->items[i]);

		if (report)
			publish(report);
	}
}

void reports_new_session(struct daemon *daemon) {
	_cleanup_free_ char *path = store_path(STORE_NODES, daemon->config->node, "network_errors", NULL);

	if (path)
		(void)store_list(daemon->store, path, listed, daemon); /* only tidying */
}

int reports_start(struct daemon *daemon) {
	daemon->reports = calloc(1, sizeof(struct reports));
	return daemon->reports ? 0 : -ENOMEM;
}

void reports_stop(struct daemon *daemon) {
	if (!daemon->reports)
		return;
	while (daemon->reports->first) {
		struct report *report = daemon->reports->first;

		daemon->reports->first = report->next;
		report_free(report);
	}
	free(daemon->reports);
	daemon->reports = NULL;
}
