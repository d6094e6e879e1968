/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fence_agents: which agents can switch a node off, in which order, as a node publishes it for the others
 * (/pvc/agents/NODE): {"agents": [{"agent": "ipmitool"}, {"agent": "fence_x", "options": {"ip": "192.0.2.7"}}]}.
 */
#pragma once

#include "base/base.h"

#define FENCE_AGENT_BMC                                                                                                \
	"ipmitool"         /* the BMC of the ipmi keys; every other name is a program of the package fence-agents */
#define FENCE_AGENTS_MAX 8 /* levels of one node */

struct fence_agent {
	char *name;
	struct strlist options; /* "key=value", as the agent reads them; hold passwords */
};
struct fence_agents {
	struct fence_agent *items;
	size_t count;
};
void fence_agents_free(struct fence_agents *agents); /* wipes and frees what it holds; empty again */
#define _cleanup_fence_agents_ _cleanup_(fence_agents_free)
/* Another level at the end. -EINVAL with what was expected: a wrong name, or too many. */
int fence_agents_add(struct fence_agents *agents, const char *name, const char **ret_expected);
/* An option of the last level. -EINVAL with what was expected. Options that name programs to run are refused: whoever
 * may write the key would run them as root on other nodes. */
int fence_agents_option(struct fence_agents *agents, const char *key, const char *value, const char **ret_expected);
char *fence_agents_format(const struct fence_agents *agents); /* NULL without memory; the caller frees */
/* -EBADMSG with a sentence, which has no option's value in it. At least one level. */
int fence_agents_parse(const char *text, struct fence_agents *ret, char **ret_error);
