/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of a node's fencing; an operator who vouches that a node is off, when no agent can tell; and the test
 * of its agents.
 */
#include <sys/random.h>
#include <time.h>

#include "cluster/fence_record.h"
#include "pvcctl.h"

/* ---- showing it ---- */

json_t *fence_json(const struct fetched *value) {
	struct fence_record record;

	if (fence_record_parse(value->data, &record) < 0)
		return json_pack("{s:s}", "step", "damaged");
	if (record.step == FENCE_NONE)
		return json_null();
	return json_pack("{s:s, s:s, s:o, s:o, s:i, s:o}", "step", fence_step_name(record.step), "verdict",
			 fence_verdict_name(record.verdict), "fencer", json_text(record.fencer), "since",
			 json_text(record.since), "attempts", (int)record.attempt, "reason", json_text(record.reason));
}

char *fence_text(const struct fetched *value) {
	struct fence_record record;

	if (fence_record_parse(value->data, &record) < 0)
		return strdup("its record is damaged, so it is not fenced: see pvc-fence(8)");
	if (record.step == FENCE_NONE)
		return NULL;
	return str_printf("%s, verdict %s, by %s since %s, agents asked %u times: %s", fence_step_name(record.step),
			  fence_verdict_name(record.verdict), record.fencer, record.since, record.attempt,
			  record.reason);
}

char *fence_hint(const char *node, const struct fetched *value) {
	struct fence_record record;

	if (fence_record_parse(value->data, &record) < 0)
		return str_printf("make sure that no VM of it runs elsewhere, then delete /pvc/fence/%s", node);
	switch (record.step) {
	case FENCE_CLAIMED:
		return record.attempt > 0 && record.verdict == FENCE_UNKNOWN
			   ? str_printf("once you have seen that it is off: pvcctl node fence --confirmed-off %s", node)
			   : NULL;
	case FENCE_DONE:
		return str_printf("when it is up again: pvcctl node ready %s", node);
	default:
		return NULL;
	}
}

bool node_is_silent(const struct nodes *nodes, size_t index) {
	return node_value(nodes, index, NODE_HEART)->exists && !node_value(nodes, index, NODE_ALIVE)->exists &&
	       daemon_state_parse(node_value(nodes, index, NODE_DAEMON)->data) == DAEMON_RUN;
}

char *fence_daemon_text(const struct nodes *nodes, size_t index) {
	const char *state = node_value(nodes, index, NODE_DAEMON)->data;
	struct fence_record record;

	if (fence_record_parse(node_value(nodes, index, NODE_FENCE)->data, &record) < 0)
		return str_printf("%s, damaged record", state);
	if (record.step != FENCE_NONE)
		return str_printf("%s, %s", state, fence_step_name(record.step));
	return str_printf("%s%s", state, node_is_silent(nodes, index) ? ", silent" : "");
}

/* ---- vouching ---- */

enum { KEY_NODE, KEY_BASE, KEY_RECORD, KEY_STATE, KEY_BEAT, KEY_HEART, KEY_ALIVE, KEY_ROUTER, KEY_MODE, KEY_COUNT };

struct vouching {
	char *paths[KEY_COUNT];
	const char *refusal;
};

static int begin_record(const struct store_value *values, struct fence_record *record) {
	const struct fence_heart heart = fence_heart_parse(values[KEY_HEART].exists ? values[KEY_HEART].data : NULL);
	time_t now = time(NULL);
	uint64_t number;
	struct tm tm;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	*record = (struct fence_record){.beat = values[KEY_BEAT].exists ? values[KEY_BEAT].stat.version : -1};
	memcpy(record->boot, heart.boot, sizeof(heart.boot));
	(void)snprintf(record->claim, sizeof(record->claim), "%016llx", (unsigned long long)number); /* fits */
	if (gmtime_r(&now, &tm))
		(void)strftime(record->since, sizeof(record->since), "%Y-%m-%d %H:%M:%S UTC", &tm); /* fits */
	return 0;
}

/* The same transaction as pvc-fence's: a record with its proof, `dead`, the role; nothing of it if the node writes. */
static int vouch(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct vouching *v = userdata;
	_cleanup_free_ char *text = NULL;
	struct fence_record record = {.step = FENCE_NONE};
	int r;

	(void)count;
	v->refusal = NULL;
	if (!values[KEY_NODE].exists || !values[KEY_STATE].exists)
		return -ENOENT;
	if (values[KEY_ALIVE].exists)
		v->refusal = "its pvc-keepalive has a session: it is not off, or was a few seconds ago";
	else if (fence_record_parse(values[KEY_RECORD].data, &record) < 0)
		v->refusal = "the record of its fencing is damaged: see pvc-fence(8)";
	else if (record.step >= FENCE_PROVEN)
		v->refusal = "that is known already";
	if (v->refusal)
		return -EPERM;
	r = record.step == FENCE_NONE ? begin_record(values, &record) : 0;
	if (r < 0)
		return r;
	record.step = FENCE_PROVEN;
	record.verdict = FENCE_OFF;
	record.state_version = values[KEY_STATE].stat.version + 1;
	record.beat = values[KEY_BEAT].exists ? values[KEY_BEAT].stat.version : -1;
	if (!*record.fencer)
		(void)snprintf(record.fencer, sizeof(record.fencer), "operator"); /* fits */
	fence_record_say(&record, "an operator confirmed that it is off");
	text = fence_record_format(&record);
	if (!text)
		return -ENOMEM;
	/* store_commit() reports failed allocations */
	if (!values[KEY_BASE].exists)
		(void)store_txn_create(txn, v->paths[KEY_BASE], "");
	(void)store_txn_put(txn, v->paths[KEY_RECORD], &values[KEY_RECORD], text);
	(void)store_txn_put(txn, v->paths[KEY_STATE], &values[KEY_STATE], daemon_state_name(DAEMON_DEAD));
	if (values[KEY_BEAT].exists)
		(void)store_txn_check(txn, v->paths[KEY_BEAT], values[KEY_BEAT].stat.version);
	if (values[KEY_ROUTER].exists && str_equal(values[KEY_MODE].data, "coordinator"))
		(void)store_txn_put(txn, v->paths[KEY_ROUTER], &values[KEY_ROUTER],
				    router_state_name(ROUTER_SECONDARY));
	return 0;
}

static int confirm_off(struct ctl *ctl, const char *node) {
	struct vouching v = {
	    .paths =
		{
		    [KEY_NODE] = store_path(STORE_NODES, node, NULL),
		    [KEY_BASE] = store_path(STORE_PVC_FENCE, NULL),
		    [KEY_RECORD] = store_path(STORE_PVC_FENCE, node, NULL),
		    [KEY_STATE] = store_path(STORE_NODES, node, "daemonstate", NULL),
		    [KEY_BEAT] = store_path(STORE_NODES, node, "keepalive", NULL),
		    [KEY_HEART] = store_path(STORE_PVC_HEART, node, NULL),
		    [KEY_ALIVE] = store_path(STORE_PVC_ALIVE, node, NULL),
		    [KEY_ROUTER] = store_path(STORE_NODES, node, "routerstate", NULL),
		    [KEY_MODE] = store_path(STORE_NODES, node, "daemonmode", NULL),
		},
	};
	int r = 0;

	for (size_t i = 0; i < KEY_COUNT; i++)
		if (!v.paths[i])
			r = -ENOMEM;
	if (r >= 0)
		r = store_update_wait(ctl->store, (const char *const *)v.paths, KEY_COUNT, vouch, &v,
				      deadline_after(OPERATION_TIMEOUT));
	for (size_t i = 0; i < KEY_COUNT; i++)
		free(v.paths[i]);
	if (r == -ENOENT)
		return failed(r, "the cluster has no node named '%s'", node);
	if (r == -EPERM)
		return failed_with(EXIT_FAILED, "node '%s': %s", node, v.refusal);
	if (r < 0)
		return failed(r, "cannot write that node '%s' is off: %s", node, store_error_text(r));
	printf(
	    "Node '%s' is off by your word: its storage is sealed and its VMs start elsewhere. See 'pvcctl node info "
	    "%s'.\n",
	    node, node);
	return EXIT_OK;
}

/* ---- asking its agents ---- */

static int test_agents(const struct ctl *ctl, const char *node) {
	const char *arguments[] = {"pvc-fence", "--test", node, NULL, NULL, NULL};

	if (ctl->options.zookeeper)
		return failed_with(EXIT_USAGE, "node fence --test is for a node of the cluster, without --zookeeper");
	if (ctl->options.config) {
		arguments[3] = "--config";
		arguments[4] = ctl->options.config;
	}
	(void)execvp(arguments[0], (char *const *)arguments);
	return failed_with(EXIT_SYSTEM, "cannot run pvc-fence: %s", strerror(errno));
}

int node_fence(struct ctl *ctl) {
	const char *node = ctl->arguments[0];

	if (!is_key_name(node))
		return failed(-ENOENT, "the cluster has no node named '%s'", node);
	if (ctl->options.test == ctl->options.yes)
		return failed_with(EXIT_USAGE, "node fence wants either --test, which switches nothing, or "
					       "--confirmed-off, once you have made sure that the node is off");
	return ctl->options.test ? test_agents(ctl, node) : confirm_off(ctl, node);
}
