/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * While this node is the primary: everything is compared whenever the kernel tells of a change of links or addresses.
 * An address that was taken away comes back, one whose bridge was missing comes with the bridge; what is new, or is on
 * a link that came up or has another MAC, is announced: quickly a few times, as frames get lost and switches learn
 * late, then now and then, which mends the cache of a neighbour that somebody misled (a former primary that was
 * frozen).
 */
#include <poll.h>

#include "floating.h"
#include "log/log.h"

/* from one announcement to the next, since the last change; then REPEAT_TIME */
static const usec_t delays[] = {100 * USEC_PER_MSEC, 200 * USEC_PER_MSEC, 500 * USEC_PER_MSEC,
				1 * USEC_PER_SEC,    2 * USEC_PER_SEC,    4 * USEC_PER_SEC};

static void arm(struct floating *floating, sd_event_source **source, usec_t delay, sd_event_time_handler_t handler) {
	int r = event_timer(loop_event(floating->loop), source, delay, handler, floating);

	if (r < 0)
		log_error("cannot set a timer: %s", strerror(-r));
}

static void announce_one(const struct floating *floating, const struct net_link *link,
			 const struct floating_address *what) {
	_cleanup_free_ char *error = NULL, *text = NULL;

	if (net_announce(floating->announcer, link->index, link->mac, &what->ip, &error) >= 0)
		return;
	text = floating_text(what);
	log_debug("cannot announce the %s on %s: %s", text ? text : "floating address", what->link,
		  error ? error : "no memory");
}

static int on_announce(sd_event_source *source, uint64_t usec, void *userdata) {
	struct floating *floating = userdata;
	size_t round = floating->announced++;

	(void)source;
	(void)usec;
	if (floating->stopping)
		return 0;
	for (size_t i = 0; i < floating->wanted.count; i++)
		if (floating->links[i].index)
			announce_one(floating, &floating->links[i], &floating->wanted.items[i]);
	arm(floating, &floating->announce, round < ARRAY_SIZE(delays) ? delays[round] : REPEAT_TIME, on_announce);
	return 0;
}

/* Where each address can be heard now; true when that is another place than before. */
static bool take_links(struct floating *floating, const struct net_links *links) {
	bool changed = false;

	for (size_t i = 0; i < floating->wanted.count; i++) {
		const struct net_link *link = net_link_find(links, floating->wanted.items[i].link);
		struct net_link *last = &floating->links[i];

		if (!link || !link->running || !link->has_mac || floating->said[i]) {
			*last = (struct net_link){0};
			continue;
		}
		changed = changed || last->index != link->index || memcmp(last->mac, link->mac, NET_MAC_LENGTH) != 0;
		*last = *link;
	}
	return changed;
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata);

static int compare(struct floating *floating) {
	_cleanup_floating_state_ struct floating_state state = {0};
	_cleanup_free_ char *error = NULL;
	int r = floating_observe(floating, false, &state, &error);

	if (r < 0)
		log_error("cannot read links and addresses: %s; tried again", error ? error : strerror(-r));
	else
		r = floating_apply(floating, &state);
	if (r < 0)
		arm(floating, &floating->settle, RETRY_TIME, on_settle);
	if (take_links(floating, &state.links) || r > 0) {
		floating->announced = 0;
		(void)on_announce(NULL, 0, floating);
	}
	loop_status(floating->loop, "%s", r < 0 || state.plan.missing_count ? "not all addresses are set" : "serving");
	return r;
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata) {
	struct floating *floating = userdata;

	(void)source;
	(void)usec;
	if (!floating->stopping)
		(void)compare(floating); /* failures are in the log, and a timer is set */
	return 0;
}

/* The first change starts the clock, so that a steady stream of changes does not put it off for ever. */
static int on_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct floating *floating = userdata;
	int r = net_monitor_wait(floating->monitor, 0);
	uint64_t due = UINT64_MAX;
	int armed = 0;

	(void)source;
	(void)fd;
	(void)events;
	if (r < 0)
		log_error("cannot hear of changes of addresses: %s", strerror(-r));
	if (floating->settle && sd_event_source_get_enabled(floating->settle, &armed) >= 0 && armed)
		(void)sd_event_source_get_time(floating->settle, &due); /* it is ours: cannot fail */
	if (r != 0 && due > deadline_after(SETTLE_TIME))
		arm(floating, &floating->settle, SETTLE_TIME, on_settle);
	return 0;
}

int keep_start(struct floating *floating) {
	_cleanup_free_ char *error = NULL;
	/* the monitor first: what changes from here on is heard */
	int r = net_monitor_open(&floating->monitor, &error);

	if (r < 0) {
		log_error("cannot hear of changes of addresses: %s", error ? error : strerror(-r));
		return r;
	}
	floating->announcer = net_announce_open(&error);
	if (floating->announcer < 0)
		log_error("cannot announce addresses: %s", error ? error : "no memory");
	r = compare(floating);
	floating->first_error = r < 0 ? r : 0;
	r = sd_event_add_io(loop_event(floating->loop), &floating->monitor_source, net_monitor_fd(floating->monitor),
			    POLLIN, on_monitor, floating);
	return r < 0 ? r : 0;
}

void keep_stop(struct floating *floating) {
	(void)sd_event_source_disable_unref(floating->monitor_source); /* returns NULL, as do the others */
	(void)sd_event_source_disable_unref(floating->settle);
	(void)sd_event_source_disable_unref(floating->announce);
	base_closep(&floating->announcer);
	net_close(floating->monitor);
}
