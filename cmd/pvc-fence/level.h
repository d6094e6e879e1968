/* SPDX-License-Identifier: GPL-3.0-or-later */
/* level: one way to a node's power; agents.c asks several of them in order. Each kind of it is one file. */
#pragma once

#include "agents.h"
#include "cluster/fence_agents.h"

struct level {
	const struct level_kind *kind;
	char *shown; /* "ipmitool at HOST" */
	/* ipmitool: host, user, password */
	char *host, *user, *environment; /* the last: "IPMITOOL_PASSWORD=..." */
	/* an agent of fence-agents: name, and the lines that it reads besides the action */
	char *program, *input;
};
struct level_call { /* bounds of one question */
	usec_t deadline;
	const atomic_bool *abandon;
};
struct level_kind {
	/* What it reads back now; on AGENTS_POWER_UNKNOWN *ret_error says why. */
	enum agents_power (*power)(const struct level *level, const struct level_call *call, char **ret_error);
	/* Asks for it; 0 when that was accepted, which proves nothing. */
	int (*turn)(const struct level *level, bool on, const struct level_call *call, char **ret_error);
};

/* ipmi.c */
enum agents_power ipmi_parse_power(const char *text); /* ipmitool's answer; pure */
int level_ipmi(const struct agents_known *known, struct level *ret);
/* stdin_agent.c */
enum agents_power stdin_agent_power(int status, const char *output); /* its answer to action=status; pure */
int level_stdin_agent(const struct fence_agent *agent, struct level *ret);

void level_free(struct level *level); /* frees what it holds, secrets are wiped */
/* Runs a tool; a sentence in *ret_error when it could not be run or did not end. */
int level_run(const char *const argv[], const struct run_options *options, struct run_result *ret, char **ret_error);
/* What the tool said of its failure: the last line of its error output, else of its output; or a sentence of its own.
 */
char *level_complaint(const struct run_result *result);
