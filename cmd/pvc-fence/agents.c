/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The levels of one node, asked in order. */
#include <poll.h>

#include "level.h"

#define LOOK_TIME  (500 * USEC_PER_MSEC) /* between two looks at a power that is to change */
#define AGAIN_TIME (5 * USEC_PER_SEC)    /* then it is asked for once more: some BMCs drop it while a host boots */
#define PAUSE_MS   50
#define TRIES      2 /* with one that neither obeys nor tells: a wrong password locks some BMCs' users */

struct agents {
	struct level *levels;
	size_t count;
};

void agents_free(struct agents *agents) {
	if (!agents)
		return;
	for (size_t i = 0; i < agents->count; i++)
		level_free(&agents->levels[i]);
	free(agents->levels);
	free(agents);
}

void agents_answer_free(struct agents_answer *answer) {
	free(answer->said);
	*answer = (struct agents_answer){0};
}

static bool has(const char *text) {
	return text && *text;
}

/* Without a word of its own the node's level is its BMC, as with the reference. */
static int order(const struct agents_known *known, struct fence_agents *ret, char **ret_error) {
	_cleanup_free_ char *error = NULL;
	const char *expected = NULL;
	int r;

	if (!has(known->agents))
		return fence_agents_add(ret, FENCE_AGENT_BMC, &expected);
	r = fence_agents_parse(known->agents, ret, &error);
	if (r == -EBADMSG)
		return error_set(ret_error, r,
				 "the agents that node %s names in ZooKeeper are wrong: %s; "
				 "correct system.fencing.agents there and restart its pvc-register",
				 known->node, error ? error : strerror(-r));
	return r;
}

static int add_level(struct agents *agents, const struct agents_known *known, const struct fence_agent *agent,
		     char **ret_error) {
	struct level *level = &agents->levels[agents->count];
	bool bmc = str_equal(agent->name, FENCE_AGENT_BMC);
	int r;

	if (bmc && str_is_absent(known->ipmi_host))
		return error_set(ret_error, -ENOENT,
				 "node %s names no BMC: set system.fencing.ipmi or system.fencing.agents there",
				 known->node);
	r = bmc ? level_ipmi(known, level) : level_stdin_agent(agent, level);
	if (r >= 0)
		agents->count++;
	return r;
}

int agents_new(const struct agents_known *known, struct agents **ret, char **ret_error) {
	_cleanup_agents_ struct agents *agents = calloc(1, sizeof(*agents));
	_cleanup_fence_agents_ struct fence_agents named = {0};
	int r = agents ? order(known, &named, ret_error) : -ENOMEM;

	if (r < 0)
		return r;
	agents->levels = calloc(named.count, sizeof(*agents->levels));
	if (!agents->levels)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < named.count; i++)
		r = add_level(agents, known, &named.items[i], ret_error);
	if (r < 0)
		return r;
	*ret = move_ptr(agents);
	return 0;
}

size_t agents_count(const struct agents *agents) {
	return agents->count;
}

const char *agents_level(const struct agents *agents, size_t level) {
	return agents->levels[level].shown;
}

static usec_t level_time(enum agents_question question) {
	return question == AGENTS_STATUS ? AGENTS_STATUS_TIME : AGENTS_SWITCH_TIME;
}

usec_t agents_time(const struct agents *agents, enum agents_question question) {
	return agents->count * level_time(question);
}

enum fence_verdict agents_verdict(const struct agents_answer *answer) {
	return answer->power == AGENTS_POWER_OFF ? FENCE_OFF : FENCE_UNKNOWN;
}

static bool over(const struct level_call *call) {
	return (call->abandon && atomic_load(call->abandon)) || deadline_left(call->deadline) == 0;
}

/* Until the time, the deadline, or the caller gives up. */
static void pause_until(usec_t time, const struct level_call *call) {
	while (!over(call) && deadline_left(time) > 0)
		(void)poll(NULL, 0, PAUSE_MS);
}

static const char *power_word(enum agents_power power) {
	return power == AGENTS_POWER_ON ? "on" : power == AGENTS_POWER_OFF ? "off" : "unknown";
}

/* Asks for it and looks until it is so. That a command was refused says little: a BMC may refuse to switch off what is
 * off. What it reads back counts. */
static enum agents_power turn(const struct level *level, bool on, const struct level_call *call, char **ret_said) {
	const enum agents_power wanted = on ? AGENTS_POWER_ON : AGENTS_POWER_OFF;
	enum agents_power power = AGENTS_POWER_UNKNOWN;
	_cleanup_free_ char *refused = NULL, *blind = NULL;
	unsigned tries = 0;
	usec_t again = 0;

	do {
		enum agents_power seen;

		if (deadline_left(again) == 0) {
			free(move_ptr(refused));
			(void)level->kind->turn(level, on, call, &refused);
			again = deadline_after(AGAIN_TIME);
		}
		free(move_ptr(blind));
		seen = level->kind->power(level, call, &blind);
		if (seen == AGENTS_POWER_UNKNOWN && over(call)) /* it was not given the time to answer */
			break;
		power = seen;
		if (power == wanted || (power == AGENTS_POWER_UNKNOWN && refused && ++tries == TRIES))
			break;
		pause_until(deadline_after(LOOK_TIME), call);
	} while (!over(call));
	if (power == AGENTS_POWER_UNKNOWN)
		*ret_said = str_printf("%s: %s", level->shown, blind ? blind : "no answer");
	else if (power == wanted)
		*ret_said = str_printf("%s: power is %s", level->shown, power_word(power));
	else
		*ret_said = str_printf("%s: power is still %s%s%s", level->shown, power_word(power),
				       refused ? ": " : ", though it accepted the command", refused ? refused : "");
	return power;
}

static enum agents_power look(const struct level *level, const struct level_call *call, char **ret_said) {
	_cleanup_free_ char *blind = NULL;
	enum agents_power power = level->kind->power(level, call, &blind);

	if (power == AGENTS_POWER_UNKNOWN)
		*ret_said = str_printf("%s: %s", level->shown, blind ? blind : "no answer");
	else
		*ret_said = str_printf("%s: power is %s", level->shown, power_word(power));
	return power;
}

void agents_ask_level(const struct agents *agents, size_t level, enum agents_question question, usec_t deadline,
		      const atomic_bool *abandon, struct agents_answer *ret) {
	const usec_t own = deadline_after(level_time(question));
	const struct level_call call = {own < deadline ? own : deadline, abandon};
	const struct level *asked = &agents->levels[level];

	*ret = (struct agents_answer){0};
	ret->power = question == AGENTS_STATUS ? look(asked, &call, &ret->said)
					       : turn(asked, question == AGENTS_ON, &call, &ret->said);
}

static bool answers(enum agents_question question, enum agents_power power) {
	switch (question) {
	case AGENTS_OFF:
		return power == AGENTS_POWER_OFF;
	case AGENTS_ON:
		return power == AGENTS_POWER_ON;
	default:
		return power != AGENTS_POWER_UNKNOWN;
	}
}

void agents_ask(const struct agents *agents, enum agents_question question, usec_t deadline, const atomic_bool *abandon,
		struct agents_answer *ret) {
	_cleanup_strlist_ struct strlist said = {0};

	*ret = (struct agents_answer){0};
	for (size_t i = 0; i < agents->count; i++) {
		_cleanup_agents_answer_ struct agents_answer answer = {0};
		usec_t share =
		    deadline == DEADLINE_NEVER ? DEADLINE_NEVER : deadline_left(deadline) / (agents->count - i);

		agents_ask_level(agents, i, question, deadline_after(share), abandon, &answer);
		if (answers(question, answer.power)) {
			*ret = answer;
			answer = (struct agents_answer){0};
			return;
		}
		(void)strlist_add(&said, answer.said ? answer.said : strerror(ENOMEM)); /* a word less */
		if (abandon && atomic_load(abandon))
			break;
	}
	ret->said = strlist_join(&said, "; ");
}
