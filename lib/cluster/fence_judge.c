/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The clockwork of fencing: how long is what, who is silent, and when this node resets itself. */
#include "cluster/fence.h"

#define MARGIN        (100 * USEC_PER_MSEC) /* between two timers' granularities */
#define LEAST_SUICIDE 3u                    /* the watchdog outlives one heartbeat that was lost */

/* A third of what a cut-off node has left: the rest is the watchdog's. */
usec_t fence_reply_limit(const struct fence_rules *rules) {
	return rules->interval;
}

/* Whole seconds: what watchdog devices know. Feeding late by the reply limit, it still fires within suicide_intervals.
 */
usec_t fence_watchdog_time(const struct fence_rules *rules) {
	usec_t all = rules->suicide_intervals * rules->interval;

	if (rules->suicide_intervals < LEAST_SUICIDE)
		return 0;
	return (all - fence_reply_limit(rules)) / USEC_PER_SEC * USEC_PER_SEC;
}

usec_t fence_cut_time(const struct fence_rules *rules) {
	usec_t time = fence_reply_limit(rules) + fence_watchdog_time(rules);

	if (fence_watchdog_time(rules) == 0)
		return DEADLINE_NEVER;
	return time + time / 100 * FENCE_CLOCK_PERCENT + MARGIN;
}

usec_t fence_dead_time(const struct fence_rules *rules) {
	return rules->fence_intervals == 0 ? DEADLINE_NEVER : rules->fence_intervals * rules->interval;
}

int fence_rules_check(const struct fence_rules *rules, char **ret_error) {
	if (rules->suicide_intervals > 0 && rules->suicide_intervals < LEAST_SUICIDE)
		return error_set(
		    ret_error, -EINVAL,
		    "suicide_intervals: expected 0 or at least %u, so that one heartbeat that is lost does "
		    "not reset the node, found %llu",
		    LEAST_SUICIDE, (unsigned long long)rules->suicide_intervals);
	if (rules->fence_intervals == 0 || rules->suicide_intervals == 0)
		return 0;
	if (fence_cut_time(rules) > fence_dead_time(rules) + rules->interval)
		return error_set(
		    ret_error, -EINVAL,
		    "suicide_intervals (%llu): expected at most fence_intervals (%llu), so that a node that "
		    "is cut off has reset itself before others take over what it ran",
		    (unsigned long long)rules->suicide_intervals, (unsigned long long)rules->fence_intervals);
	return 0;
}

usec_t fence_silence(const struct fence_sight *sight) {
	usec_t since = sight->changed > sight->watching ? sight->changed : sight->watching;

	return sight->now > since ? sight->now - since : 0;
}

enum fence_health fence_judge(const struct fence_rules *rules, const struct fence_sight *sight) {
	usec_t dead = fence_dead_time(rules), silence = fence_silence(sight);

	if (!sight->confirmed || dead == DEADLINE_NEVER || silence < dead)
		return FENCE_WELL;
	return silence < dead + (sight->session ? 3 : 1) * rules->interval ? FENCE_SILENT : FENCE_DEAD;
}

enum self_action self_decide(const struct fence_rules *rules, const struct self_view *view) {
	usec_t limit = fence_watchdog_time(rules);

	if (limit == 0)
		return SELF_LEAVE;
	if (view->sent > 0 && !view->fed && view->answered >= view->sent &&
	    view->answered - view->sent <= fence_reply_limit(rules) &&
	    view->now - view->sent <= fence_reply_limit(rules))
		return SELF_FEED;
	/* a device counts from its last feed, which was at most the reply limit after the heartbeat was sent */
	if (view->armed && !view->device && view->now - view->sent >= limit)
		return SELF_RESET;
	return SELF_LEAVE;
}
