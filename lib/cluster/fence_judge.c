/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The clockwork of fencing: how long is what, who is silent, and when this node resets itself. */
#include "cluster/fence.h"

#define MARGIN        (100 * USEC_PER_MSEC) /* between two timers' granularities */
#define LEAST_SUICIDE 3u                    /* the watchdog outlives one heartbeat that was lost */
#define END_AHEAD     (2 * USEC_PER_SEC)    /* what QEMU has to write out its disks' caches before the reset */

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

/* The least that a watchdog leaves is a feed at the very moment at which the heartbeat was sent. */
usec_t fence_end_time(const struct fence_rules *rules) {
	usec_t time = fence_watchdog_time(rules), ahead = time / 4 < END_AHEAD ? time / 4 : END_AHEAD;

	return time == 0 ? DEADLINE_NEVER : time - ahead;
}

usec_t fence_cut_time(const struct fence_rules *rules) {
	usec_t time = fence_reply_limit(rules) + fence_watchdog_time(rules);

	if (fence_watchdog_time(rules) == 0)
		return DEADLINE_NEVER;
	return time + time / 100 * FENCE_CLOCK_PERCENT + MARGIN;
}

usec_t fence_cut_time_of(const struct fence_rules *rules, usec_t told) {
	usec_t own = fence_cut_time(rules);

	if (told == 0)
		return own;
	return own == DEADLINE_NEVER || told > own ? told : own;
}

usec_t fence_dead_time(const struct fence_rules *rules) {
	return rules->fence_intervals == 0 ? DEADLINE_NEVER : rules->fence_intervals * rules->interval;
}

static uint64_t greatest_suicide(const struct fence_rules *rules) {
	struct fence_rules tried = *rules;

	for (tried.suicide_intervals = rules->fence_intervals; tried.suicide_intervals >= LEAST_SUICIDE;
	     tried.suicide_intervals--)
		if (fence_cut_time(&tried) <= fence_dead_time(&tried) + tried.interval)
			return tried.suicide_intervals;
	return 0;
}

int fence_rules_check(const struct fence_rules *rules, char **ret_error) {
	const unsigned long long fence = rules->fence_intervals, suicide = rules->suicide_intervals;
	unsigned long long greatest;

	if (suicide > 0 && suicide < LEAST_SUICIDE)
		return error_set(ret_error, -EINVAL,
				 "expected 0 or at least %u, so that one heartbeat that is lost does not reset the "
				 "node, found '%llu'",
				 LEAST_SUICIDE, suicide);
	if (fence == 0 || suicide == 0 || fence_cut_time(rules) <= fence_dead_time(rules) + rules->interval)
		return 0;
	greatest = greatest_suicide(rules);
	if (greatest == 0)
		return error_set(ret_error, -EINVAL,
				 "expected 0, or more fence_intervals than %llu, so that a node that is cut off has "
				 "reset itself before others take over, found '%llu'",
				 fence, suicide);
	return error_set(ret_error, -EINVAL,
			 "expected 0 or at most %llu with fence_intervals %llu, so that a node that is cut off has "
			 "reset itself before others take over, found '%llu'",
			 greatest, fence, suicide);
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

/* How long after `from` this host is reset by this program. A device has fired by then: it counts from its last feed,
 * which was at most the reply limit after that heartbeat was sent. */
static usec_t reset_time(const struct fence_rules *rules, const struct self_view *view) {
	return fence_watchdog_time(rules) + (view->device ? fence_reply_limit(rules) : 0);
}

/* Without a device a heartbeat that was answered late counts as well: it is known to have come. */
static usec_t from(const struct self_view *view) {
	return view->device || view->sent == 0 ? view->fed_sent : view->sent;
}

enum self_action self_decide(const struct fence_rules *rules, const struct self_view *view) {
	usec_t limit = fence_watchdog_time(rules);

	if (limit == 0)
		return SELF_LEAVE;
	if (view->sent > 0 && !view->fed && view->answered >= view->sent &&
	    view->answered - view->sent <= fence_reply_limit(rules) &&
	    view->now - view->sent <= fence_reply_limit(rules))
		return SELF_FEED;
	if (!view->armed)
		return SELF_LEAVE;
	if (view->now - from(view) >= reset_time(rules, view))
		return SELF_RESET;
	return !view->ended && view->now - from(view) >= fence_end_time(rules) ? SELF_END : SELF_LEAVE;
}

usec_t self_next(const struct fence_rules *rules, const struct self_view *view) {
	usec_t end, reset;

	if (fence_watchdog_time(rules) == 0 || !view->armed)
		return DEADLINE_NEVER;
	end = from(view) + fence_end_time(rules);
	reset = from(view) + reset_time(rules, view);
	return view->now < end ? end : view->now < reset ? reset : DEADLINE_NEVER;
}
