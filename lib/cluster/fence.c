/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a coordinator does about a silent node. A step is decided from the record and from what is the case now, never
 * from what this process did before: a fencer that dies anywhere is followed by another.
 *
 * Two rules hold over the whole table: nothing is done while this node's own session is in doubt, and nothing is
 * recovered before it was proven that the node does not run its machines any more.
 */
#include "cluster/fence.h"

/*
 * Is it proven? `off` is an agent's word, and agents lie: of a node that had armed its watchdog nothing is believed
 * before that watchdog's time is over as well, which costs nothing (fence_rules_check(): it is over by then, or
 * nearly). Without agents the watchdog alone proves it.
 */
static bool is_proven(const struct fence_view *view) {
	if (view->verdict == FENCE_OFF)
		return !view->armed || view->cut_time;
	return view->armed && view->cut_time;
}

/* One that is back, by itself or because it was reset, runs its machines itself: the proof would be refused anyway. */
static enum fence_action claimed(const struct fence_view *view) {
	if (view->back)
		return FENCE_CANCEL;
	if (!view->asked)
		return FENCE_AGENTS;
	if (is_proven(view))
		return FENCE_PROVE;
	if (view->verdict == FENCE_OFF)
		return FENCE_WAIT; /* for the watchdog's time */
	return view->retry ? FENCE_AGENTS : FENCE_WAIT;
}

static enum fence_action mine(const struct fence_view *view) {
	switch (view->step) {
	case FENCE_NONE:
		break;
	case FENCE_CLAIMED:
		return claimed(view);
	case FENCE_PROVEN:
		return view->may_recover ? FENCE_SEAL : FENCE_SETTLE;
	case FENCE_SEALED:
		return view->may_recover ? FENCE_RECOVER : FENCE_SETTLE;
	case FENCE_DONE:
		return view->back && view->another_boot ? FENCE_FORGET : FENCE_WAIT;
	case FENCE_STEP_COUNT:
		break;
	}
	return FENCE_WAIT;
}

enum fence_action fence_decide(const struct fence_view *view) {
	if (!view->confirmed)
		return FENCE_WAIT;
	if (view->step == FENCE_NONE)
		return view->health == FENCE_DEAD && view->may_claim ? FENCE_CLAIM : FENCE_WAIT;
	switch (view->fencer) {
	case FENCER_OTHER:
		return FENCE_WAIT;
	case FENCER_NOBODY:
		return view->may_claim || view->step != FENCE_CLAIMED ? FENCE_RESUME : FENCE_WAIT;
	case FENCER_ME:
	case FENCER_COUNT:
		break;
	}
	return mine(view);
}

usec_t fence_retry_pause(unsigned attempts) {
	static const unsigned seconds[] = {5, 5, 10, 20, 40};

	return (attempts < ARRAY_SIZE(seconds) ? seconds[attempts] : 60) * USEC_PER_SEC;
}

/* ---- words ---- */

static const char *const actions[FENCE_ACTION_COUNT] = {
    [FENCE_WAIT] = "wait",     [FENCE_CLAIM] = "claim",   [FENCE_RESUME] = "resume", [FENCE_CANCEL] = "cancel",
    [FENCE_AGENTS] = "agents", [FENCE_PROVE] = "prove",   [FENCE_SEAL] = "seal",     [FENCE_RECOVER] = "recover",
    [FENCE_SETTLE] = "settle", [FENCE_FORGET] = "forget",
};
static const char *const steps[FENCE_STEP_COUNT] = {
    [FENCE_NONE] = "none",     [FENCE_CLAIMED] = "claimed", [FENCE_PROVEN] = "proven",
    [FENCE_SEALED] = "sealed", [FENCE_DONE] = "done",
};
static const char *const verdicts[FENCE_VERDICT_COUNT] = {
    [FENCE_UNKNOWN] = "unknown",
    [FENCE_OFF] = "off",
    [FENCE_CUT] = "cut",
};

static int find(const char *const *words, int count, const char *word) {
	for (int i = 0; i < count; i++)
		if (str_equal(words[i], word))
			return i;
	return -EINVAL;
}

const char *fence_action_name(enum fence_action action) {
	return actions[action];
}
const char *fence_step_name(enum fence_step step) {
	return steps[step];
}
int fence_step_parse(const char *word) {
	return find(steps, FENCE_STEP_COUNT, word);
}
const char *fence_verdict_name(enum fence_verdict verdict) {
	return verdicts[verdict];
}
int fence_verdict_parse(const char *word) {
	return find(verdicts, FENCE_VERDICT_COUNT, word);
}
