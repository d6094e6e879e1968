/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A node that was declared dead waits until what it ran is settled: the others rely on it being off until then. The
 * record's version is part of the transaction that registers the node, so a proof that comes meanwhile is noticed; and
 * the proof's transaction fails when the node's state was written since the claim.
 */
#include "register.h"

#include "cluster/fence_record.h"
#include "log/log.h"

char *admission_path(const struct config *config) {
	return store_path(STORE_PVC_FENCE, config->node, (char *)NULL);
}

static int read_record(const struct store_value *value, struct fence_record *ret) {
	if (strlen(value->data) != value->length)
		return -EBADMSG;
	return fence_record_parse(value->exists ? value->data : NULL, ret);
}

int admission_decide(const struct store_value *value, const char *path, struct store_txn *txn, struct plan *plan) {
	struct fence_record record;
	int r = read_record(value, &record);

	if (r < 0 || !fence_record_admits(&record)) {
		if (!plan->dry)
			return r < 0 ? r : -EBUSY;
		return strlist_addf(&plan->lines,
				    "wait until %s does not say any more that this node is being recovered", path);
	}
	return value->exists ? store_txn_check(txn, path, value->stat.version) : 0;
}

struct waiting {
	const struct config *config;
	bool admitted;
	int result; /* of reading the record */
};

static void on_record(struct store *store, const struct store_value *value, void *userdata) {
	struct waiting *waiting = userdata;
	struct fence_record record;

	(void)store;
	waiting->result = read_record(value, &record);
	waiting->admitted = waiting->result < 0 || fence_record_admits(&record);
	if (!waiting->admitted)
		log_warning("this node was declared dead (%s, by %s since %s) and what it ran is being given to other "
			    "nodes (step '%s'): it registers when that is done",
			    fence_verdict_name(record.verdict), record.fencer, record.since,
			    fence_step_name(record.step));
}

int admission_wait(struct store *store, const struct config *config, usec_t deadline) {
	_cleanup_free_ char *path = admission_path(config);
	struct waiting waiting = {.config = config};
	struct store_watch *watch = NULL;
	int r = path ? store_watch_value(store, path, on_record, &waiting, &watch) : -ENOMEM;

	if (r >= 0)
		r = store_wait(store, &waiting.admitted, deadline);
	store_watch_free(watch);
	if (r == -ETIMEDOUT) {
		log_error("what this node ran has not been given to other nodes in time: see 'pvcctl node info %s' and "
			  "pvc-fence.service on the coordinators; tried again",
			  config->node);
		return -EBUSY;
	}
	return r < 0 ? r : waiting.result;
}
