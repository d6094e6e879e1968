/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps that are child processes: the victim's agents, and sealing its storage. */
#include "agents.h"
#include "fencer.h"
#include "fetch.h"
#include "log/log.h"

#define SEAL_TIME  (150 * USEC_PER_SEC) /* above pvc-seal's own bound */
#define ASK_MARGIN (10 * USEC_PER_SEC)  /* what a worker may need beyond what its question may take */

enum ask_kind { ASK_OFF, ASK_ON, ASK_SEAL, ASK_LIFT };
struct ask {
	struct peer *peer;
	enum ask_kind kind;
	char *node;
	const char *config_path; /* of the program's whole life */
	struct agents *agents;
	atomic_bool abandon;
	/* the worker's answer */
	struct agents_answer answer;
	char *error;
};

static void ask_free(void *arg) {
	struct ask *ask = arg;

	free(ask->node);
	agents_free(ask->agents);
	agents_answer_free(&ask->answer);
	free(ask->error);
	free(ask);
}

void ask_abandon(struct ask *ask) {
	atomic_store(&ask->abandon, true);
}

bool ask_switches_off(const struct ask *ask) {
	return ask->kind == ASK_OFF;
}

static bool is_step(const struct ask *ask) {
	return ask->kind != ASK_ON;
}

static struct ask *ask_new(struct peer *peer, enum ask_kind kind) {
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->peer = peer;
	ask->kind = kind;
	ask->config_path = peer->fencer->config->path;
	atomic_init(&ask->abandon, false);
	ask->node = strdup(peer->name);
	if (!ask->node) {
		ask_free(ask);
		return NULL;
	}
	if (is_step(ask))
		peer->ask = ask;
	else
		peer->power = ask;
	return ask;
}

static void leave(struct ask *ask) {
	if (ask->peer->ask == ask)
		ask->peer->ask = NULL;
	if (ask->peer->power == ask)
		ask->peer->power = NULL;
}

/* ---- on a worker thread ---- */

static int work_agents(void *arg) {
	struct ask *ask = arg;

	agents_ask(ask->agents, ask->kind == ASK_ON ? AGENTS_ON : AGENTS_OFF, DEADLINE_NEVER, &ask->abandon,
		   &ask->answer);
	return 0;
}

static int work_seal(void *arg) {
	struct ask *ask = arg;
	const char *const seal[] = {"pvc-seal", "--config", ask->config_path, ask->node, NULL};
	const char *const lift[] = {"pvc-seal", "--config", ask->config_path, "--lift", ask->node, NULL};
	const struct run_options options = {.deadline = deadline_after(SEAL_TIME), .abandon = &ask->abandon};
	_cleanup_run_result_ struct run_result result = {0};
	int r = run_command_with(ask->kind == ASK_LIFT ? lift : seal, &options, &result);
	char *end;

	if (r < 0)
		return error_set(&ask->error, r, "pvc-seal: %s", strerror(-r));
	if (result.status == 0)
		return 0;
	for (end = result.error + strlen(result.error); end > result.error && end[-1] == '\n';)
		*--end = '\0';
	end = strrchr(result.error, '\n');
	return error_set(&ask->error, -EIO, "pvc-seal exited with %d: %s", result.status, end ? end + 1 : result.error);
}

/* ---- back on the loop ---- */

static bool awaits_watchdog(const struct peer *peer) {
	struct fence_view view;

	peer_view(peer, &view);
	return view.armed && !view.cut_time;
}

static void agents_answered(struct ask *ask, int result) {
	struct peer *peer = ask->peer;
	const char *said = result == 0 && ask->answer.said ? ask->answer.said : "they did not answer in time";
	_cleanup_free_ char *text = NULL;

	if (result == 0 && atomic_load(&ask->abandon))
		return; /* decided anew */
	peer->asked = true;
	peer->verdict = result == 0 ? agents_verdict(&ask->answer) : FENCE_UNKNOWN;
	peer->retry_at = deadline_after(fence_retry_pause(++peer->attempts));
	if (peer->verdict == FENCE_OFF) {
		const char *next =
		    awaits_watchdog(peer) ? "; its VMs start elsewhere once its watchdog's time is over too" : "";

		log_ok("node %s is without power: %s%s", peer->name, said, next);
		text = str_printf("%s%s", said, next);
	} else {
		log_error("node %s: no agent could switch it off, so nothing of it is started elsewhere yet: %s; asked "
			  "again in %llu s (if you see that it is off: pvcctl node fence --confirmed-off %s)",
			  peer->name, said, (unsigned long long)(fence_retry_pause(peer->attempts) / USEC_PER_SEC),
			  peer->name);
		text = str_printf("no agent could switch it off: %s", said);
	}
	act_note(peer, text ? text : said, true);
}

static void sealed(struct ask *ask, int result) {
	struct peer *peer = ask->peer;
	enum fence_action action = ask->kind == ASK_LIFT ? FENCE_FORGET : FENCE_SEAL;
	const char *why = result == -ETIMEDOUT ? "pvc-seal did not end in time"
			  : ask->error         ? ask->error
					       : strerror(-result);

	if (result == 0 && atomic_load(&ask->abandon))
		return;
	if (result == 0) {
		act_record(peer, action, "its storage is sealed");
		return;
	}
	act_failed(peer, action, why);
	if (action == FENCE_SEAL)
		act_note(peer, why, false);
}

static void power_answered(const struct ask *ask, int result) {
	const char *said = result == 0 && ask->answer.said ? ask->answer.said : "its agents did not answer in time";

	if (result == 0 && ask->answer.power == AGENTS_POWER_ON)
		log_info("node %s was switched on again", ask->node);
	else
		log_warning("node %s was not switched on again, do that by hand: %s", ask->node, said);
}

static void done(void *arg, int result, void *userdata) {
	struct ask *ask = arg;
	struct peer *peer = ask->peer;

	(void)userdata;
	/* when the deadline came first its worker may still hang in an agent, and must not go on with the next one: the
	 * node may be back by then */
	if (result < 0)
		atomic_store(&ask->abandon, true);
	leave(ask);
	if (peer->fencer->stopping)
		return;
	switch (ask->kind) {
	case ASK_OFF:
		agents_answered(ask, result);
		break;
	case ASK_ON:
		power_answered(ask, result);
		break;
	case ASK_SEAL:
	case ASK_LIFT:
		sealed(ask, result);
		break;
	}
	peer_look(peer);
}

static void submit(struct ask *ask, int (*work)(void *arg), usec_t time) {
	const struct job job = {.work = work,
				.done = done,
				.free_arg = ask_free,
				.arg = ask,
				.deadline = deadline_after(time + ASK_MARGIN)};
	struct peer *peer = ask->peer;
	int r = workers_submit(peer->fencer->workers, &job);

	if (r >= 0)
		return;
	leave(ask);
	ask_free(ask);
	act_failed(peer, FENCE_AGENTS, strerror(-r));
}

/* ---- the agents: what is known of them is read first ---- */

static void agents_fetched(struct store *store, int result, const struct store_value *values, size_t count,
			   void *userdata) {
	struct ask *ask = userdata;
	struct peer *peer = ask->peer;
	_cleanup_free_ char *error = NULL;
	enum agents_question question = ask->kind == ASK_ON ? AGENTS_ON : AGENTS_OFF;

	(void)store;
	(void)count;
	if (result >= 0 && !peer->fencer->stopping && !atomic_load(&ask->abandon))
		result = fetch_agents(peer->name, values, &ask->agents, &error);
	else if (result >= 0)
		result = -ECANCELED;
	if (result >= 0) {
		submit(ask, work_agents, agents_time(ask->agents, question));
		return;
	}
	leave(ask);
	if (result != -ECANCELED && !peer->fencer->stopping && is_step(ask)) {
		ask->answer.said = error ? move_ptr(error) : strdup(strerror(-result));
		agents_answered(ask, 0);
	}
	ask_free(ask);
}

static void fetch(struct peer *peer, enum ask_kind kind) {
	_cleanup_strlist_ struct strlist paths = {0};
	struct ask *ask = ask_new(peer, kind);
	int r = ask ? fetch_paths(peer->name, &paths) : -ENOMEM;

	if (r >= 0)
		r = store_get_many(peer->fencer->store, (const char *const *)paths.items, paths.count, agents_fetched,
				   ask);
	if (r >= 0)
		return;
	if (ask) {
		leave(ask);
		ask_free(ask);
	}
	act_failed(peer, FENCE_AGENTS, strerror(-r));
}

void ask_agents(struct peer *peer) {
	fetch(peer, ASK_OFF);
}

void ask_power_on(struct peer *peer) {
	if (!peer->power)
		fetch(peer, ASK_ON);
}

void ask_seal(struct peer *peer, bool lift) {
	struct ask *ask = ask_new(peer, lift ? ASK_LIFT : ASK_SEAL);

	if (ask)
		submit(ask, work_seal, SEAL_TIME);
	else
		act_failed(peer, FENCE_SEAL, strerror(ENOMEM));
}
