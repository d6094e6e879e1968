/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agents: what can tell whether a node has power, and switch it: its BMC by ipmitool, and fence agents. A node has
 * several levels of them, asked in order. All of it blocks (worker threads and --test only) and knows no ZooKeeper:
 * texts come in, an answer comes out.
 *
 * An answer is never more than what was read back: a command that was accepted proves nothing (D9).
 */
#pragma once

#include "base/base.h"
#include "cluster/fence.h"

/* One level has that long at the most, less when the caller's deadline leaves less for each. */
#define AGENTS_STATUS_TIME (20 * USEC_PER_SEC)
#define AGENTS_SWITCH_TIME (30 * USEC_PER_SEC)

/* What ZooKeeper knows about a node's agents; NULL or "" for what is not there. Borrowed. */
struct agents_known {
	const char *node;
	const char *ipmi_host, *ipmi_user, *ipmi_password; /* /nodes/NODE/ipmi* */
	const char *agents;                                /* /pvc/agents/NODE */
};
struct agents; /* the levels of one node; never changes, so threads may share it */
/* -ENOENT: it has none at all; -EBADMSG: a value is wrong, and says which. */
int agents_new(const struct agents_known *known, struct agents **ret, char **ret_error);
void agents_free(struct agents *agents);
static inline void agents_freep(struct agents **agents) {
	agents_free(*agents);
}
#define _cleanup_agents_ _cleanup_(agents_freep)
size_t agents_count(const struct agents *agents);                    /* of levels, at least 1 */
const char *agents_level(const struct agents *agents, size_t level); /* "ipmitool at HOST", for people; borrowed */
/* How long agents_ask() can take at the most when no deadline is nearer. */
enum agents_question { AGENTS_STATUS, AGENTS_OFF, AGENTS_ON };
usec_t agents_time(const struct agents *agents, enum agents_question question);

enum agents_power { AGENTS_POWER_UNKNOWN, AGENTS_POWER_ON, AGENTS_POWER_OFF };
struct agents_answer {
	enum agents_power power; /* as read back by the level that answered; unknown: none could tell */
	char *said;              /* who said what, or why nobody could tell: a sentence without secrets */
};
void agents_answer_free(struct agents_answer *answer); /* frees what it holds */
#define _cleanup_agents_answer_ _cleanup_(agents_answer_free)
/* FENCE_OFF when the answer proves it, else FENCE_UNKNOWN. */
enum fence_verdict agents_verdict(const struct agents_answer *answer);

/* Level by level, until one reads back what was asked for (for AGENTS_STATUS: anything). AGENTS_OFF succeeds as well
 * when it was off before. Once *abandon (or NULL) is true, children are killed and the answer is unknown. A level that
 * hangs costs its share of the time, not more. Fills `ret`, whatever happens. */
void agents_ask(const struct agents *agents, enum agents_question question, usec_t deadline, const atomic_bool *abandon,
		struct agents_answer *ret);
/* The same of one level alone. */
void agents_ask_level(const struct agents *agents, size_t level, enum agents_question question, usec_t deadline,
		      const atomic_bool *abandon, struct agents_answer *ret);
