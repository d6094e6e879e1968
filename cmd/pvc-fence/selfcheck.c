/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "selfcheck.h"

#include "agents.h"
#include "fencer.h"
#include "fetch.h"
#include "host/host.h"
#include "log/log.h"

#define FIRST_DELAY  (2 * USEC_PER_SEC)
#define PERIOD       (15 * 60 * USEC_PER_SEC) /* while all is well */
#define AGAIN_PERIOD (30 * USEC_PER_SEC)      /* so that a repair is seen soon */
#define MARGIN       (10 * USEC_PER_SEC)

struct selfcheck {
	struct fencer *fencer;
	sd_event_source *timer;
	char *path;    /* /nodes/ME/fence_agents */
	char *said;    /* what was wrong; "" nothing; NULL: not looked yet */
	char *written; /* what the key has, as far as this process knows */
};

/* One look, on its own, since a worker that hangs may outlive everything else. */
struct look {
	struct selfcheck *check;
	struct agents *agents;
	struct strbuf wrong;
	atomic_bool abandon;
};

static void look_free(void *arg) {
	struct look *look = arg;

	agents_free(look->agents);
	strbuf_free(&look->wrong);
	free(look);
}

static int work(void *arg) {
	struct look *look = arg;

	for (size_t i = 0; i < agents_count(look->agents); i++) {
		_cleanup_agents_answer_ struct agents_answer answer = {0};
		const char *mark = look->wrong.length > 0 ? "; " : "";

		agents_ask_level(look->agents, i, AGENTS_STATUS, DEADLINE_NEVER, &look->abandon, &answer);
		if (answer.power == AGENTS_POWER_UNKNOWN)
			(void)strbuf_addf(&look->wrong, "%s%s", mark, answer.said ? answer.said : "no memory");
		else if (answer.power == AGENTS_POWER_OFF)
			(void)strbuf_addf(&look->wrong, "%s%s says that this host is off: is it another machine's?",
					  mark, agents_level(look->agents, i));
	}
	return look->wrong.failed ? -ENOMEM : 0;
}

static int put(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct selfcheck *check = userdata;

	(void)count;
	if (values[0].exists && str_equal(values[0].data, check->said))
		return 1;
	return store_txn_put(txn, check->path, &values[0], check->said);
}

static void was_put(struct store *store, int result, void *userdata) {
	struct selfcheck *check = userdata;

	(void)store;
	if (result < 0) {
		free(move_ptr(check->written)); /* tried again with the next look */
		log_debug("%s could not be written: %s", check->path, strerror(-result));
	}
}

static void publish(struct selfcheck *check) {
	const char *const paths[] = {check->path};
	const struct status_field fields[] = {{"agents", *check->said ? check->said : "well"}};

	(void)status_write(check->fencer->config->dynamic_directory, "fence-agents", fields, 1); /* only shown */
	if (str_equal(check->written, check->said))
		return;
	free(check->written);
	check->written = strdup(check->said);
	if (store_update(check->fencer->store, paths, 1, put, was_put, check) < 0)
		free(move_ptr(check->written));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

/* Takes `wrong` over; NULL: no memory, looked again later. */
static void looked(struct selfcheck *check, char *wrong) {
	bool changed = wrong && !str_equal(check->said, wrong);

	if (check->fencer->stopping) {
		free(wrong);
		return;
	}
	if (wrong) {
		if (changed && *wrong)
			log_warning("fencing of this node would not work: %s; see 'pvc-fence --test %s'", wrong,
				    check->fencer->config->node);
		else if (changed)
			log_ok("the agents that would switch this node off answer");
		free(check->said);
		check->said = wrong;
		publish(check);
	}
	if (event_timer(loop_event(check->fencer->loop), &check->timer,
			check->said && !*check->said ? PERIOD : AGAIN_PERIOD, on_timer, check) < 0)
		log_error("this node's own agents are not looked at any more: no timer");
}

static void done(void *arg, int result, void *userdata) {
	struct look *look = arg;

	(void)userdata;
	atomic_store(&look->abandon, true); /* when the deadline came first */
	if (result == -ETIMEDOUT)
		looked(look->check, strdup("its agents did not answer in time"));
	else
		looked(look->check, result == 0 ? strbuf_steal(&look->wrong) : NULL);
}

static void fetched(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct selfcheck *check = userdata;
	struct look *look = calloc(1, sizeof(*look));
	struct job job = {.work = work, .done = done, .free_arg = look_free, .arg = look};
	_cleanup_free_ char *error = NULL;

	(void)store;
	(void)count;
	if (!look || check->fencer->stopping) {
		free(look);
		looked(check, NULL);
		return;
	}
	look->check = check;
	if (result == -ENOTCONN || result == -ECONNRESET) { /* says nothing of the agents */
		free(look);
		looked(check, NULL);
		return;
	}
	if (result >= 0)
		result = fetch_agents(check->fencer->config->node, values, &look->agents, &error);
	if (result >= 0) {
		job.deadline = deadline_after(agents_time(look->agents, AGENTS_STATUS) + MARGIN);
		result = workers_submit(check->fencer->workers, &job);
	}
	if (result >= 0)
		return;
	look_free(look);
	looked(check, error ? move_ptr(error) : strdup(strerror(-result)));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	struct selfcheck *check = userdata;
	_cleanup_strlist_ struct strlist paths = {0};
	int r = fetch_paths(check->fencer->config->node, &paths);

	(void)source;
	(void)usec;
	if (r >= 0)
		r = store_get_many(check->fencer->store, (const char *const *)paths.items, paths.count, fetched, check);
	if (r < 0)
		looked(check, NULL);
	return 0;
}

int selfcheck_new(struct selfcheck **ret, struct fencer *fencer) {
	struct selfcheck *check = calloc(1, sizeof(*check));
	int r;

	if (!check)
		return -ENOMEM;
	check->fencer = fencer;
	check->path = store_path(STORE_NODES, fencer->config->node, "fence_agents", (char *)NULL);
	r = check->path ? event_timer(loop_event(fencer->loop), &check->timer, FIRST_DELAY, on_timer, check) : -ENOMEM;
	if (r < 0) {
		selfcheck_free(check);
		return r;
	}
	*ret = check;
	return 0;
}

void selfcheck_free(struct selfcheck *check) {
	if (!check)
		return;
	(void)sd_event_source_disable_unref(check->timer); /* returns NULL */
	free(check->path);
	free(check->said);
	free(check->written);
	free(check);
}
