/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A program of the package fence-agents by its stdin protocol: "key=value" lines, so that no secret is an argument. */
#include <strings.h>

#include "level.h"

/* Exit status 2 says "off" but also comes from a program that did not even begin (an interpreter without its script),
 * so the word has to be there too: the agents' common library writes "Status: OFF". */
enum agents_power stdin_agent_power(int status, const char *output) {
	static const char prefix[] = "status:";
	enum agents_power power = AGENTS_POWER_UNKNOWN;

	for (const char *line = output; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *word = line + strspn(line, " \t\r");
		size_t length;

		if (strncasecmp(word, prefix, sizeof(prefix) - 1) != 0)
			continue;
		word += sizeof(prefix) - 1;
		word += strspn(word, " \t");
		length = strcspn(word, " \t\r\n");
		if (power != AGENTS_POWER_UNKNOWN) /* said twice: of what? */
			return AGENTS_POWER_UNKNOWN;
		if (status == 0 && length == 2 && strncasecmp(word, "on", 2) == 0)
			power = AGENTS_POWER_ON;
		else if (status == 2 && length == 3 && strncasecmp(word, "off", 3) == 0)
			power = AGENTS_POWER_OFF;
		else
			return AGENTS_POWER_UNKNOWN;
	}
	return power;
}

static int act(const struct level *level, const char *action, const struct level_call *call, struct run_result *ret,
	       char **ret_error) {
	const char *const argv[] = {level->program, NULL};
	_cleanup_free_ char *input = str_printf("action=%s\n%s", action, level->input);
	const struct run_options options = {.input = input, .deadline = call->deadline, .abandon = call->abandon};
	int r = input ? level_run(argv, &options, ret, ret_error) : -ENOMEM;

	if (input)
		explicit_bzero(input, strlen(input));
	return r;
}

static enum agents_power power_of(const struct level *level, const struct level_call *call, char **ret_error) {
	_cleanup_run_result_ struct run_result result = {0};
	enum agents_power power = AGENTS_POWER_UNKNOWN;

	if (act(level, "status", call, &result, ret_error) < 0)
		return power;
	power = stdin_agent_power(result.status, result.output);
	if (power == AGENTS_POWER_UNKNOWN && ret_error)
		*ret_error = level_complaint(&result);
	return power;
}

static int turn(const struct level *level, bool on, const struct level_call *call, char **ret_error) {
	_cleanup_run_result_ struct run_result result = {0};
	int r = act(level, on ? "on" : "off", call, &result, ret_error);

	if (r < 0 || result.status == 0)
		return r;
	if (ret_error)
		*ret_error = level_complaint(&result);
	return -EIO;
}

static const struct level_kind kind_stdin = {power_of, turn};

int level_stdin_agent(const struct fence_agent *agent, struct level *ret) {
	_cleanup_free_ char *options = strlist_join(&agent->options, "\n");
	struct level level = {.kind = &kind_stdin,
			      .shown = strdup(agent->name),
			      .program = strdup(agent->name),
			      .input = options ? str_printf("%s\n", options) : NULL};

	if (options)
		explicit_bzero(options, strlen(options));
	if (!level.shown || !level.program || !level.input) {
		level_free(&level);
		return -ENOMEM;
	}
	*ret = level;
	return 0;
}
