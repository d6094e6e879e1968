/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * This node's domainstate. The word in ZooKeeper is all there is: a tour that was interrupted, by kill -9 or a reboot,
 * is begun anew because the word is still there, and finds what was done. Another word ends a tour at once, without
 * waiting for the VMs that are on their way (D42).
 */
#include "log/log.h"
#include "tour.h"

struct duty {
	struct watcher *watcher;
	struct store_watch *watch;
	bool seen;
	char *word; /* domainstate as seen last, or NULL */
	struct tour *tour;
	sd_event_source *retry;
};

static void evaluate(struct duty *duty);

static const struct tour_kind *kind_of(const struct duty *duty) {
	switch (node_duty(duty->word)) {
	case NODE_DUTY_FLUSH:
		return &flush_kind;
	case NODE_DUTY_UNFLUSH:
		return &unflush_kind;
	case NODE_DUTY_NONE:
	case NODE_DUTY_UNCLEAR:
		break;
	}
	return NULL;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	evaluate(userdata);
	return 0;
}

static void try_later(struct duty *duty) {
	int r = event_timer(loop_event(duty->watcher->loop), &duty->retry, RETRY_TIME, on_retry, duty);

	if (r < 0)
		log_error("cannot set a timer: %s", strerror(-r));
}

static void report(const struct tour *tour, int result) {
	const char *node = tour->watcher->config->node;
	_cleanup_free_ char *summary = progress_summary(&tour->progress);
	bool clean = progress_counted(&tour->progress, PROGRESS_STAYED) == 0 &&
		     progress_counted(&tour->progress, PROGRESS_FAILED) == 0;
	const char *text = summary ? summary : "";

	if (result == -ECANCELED)
		log_info("%s node %s was taken back: %s; what is on its way goes on",
			 tour->kind->asked == DOMAINS_FLUSH ? "draining" : "making ready", node, text);
	else if (result < 0)
		log_warning("%s node %s was interrupted: %s; it goes on",
			    tour->kind->asked == DOMAINS_FLUSH ? "draining" : "making ready", node, strerror(-result));
	else if (clean)
		log_ok("node %s is %s: %s", node, domain_state_name(tour->kind->reached), text);
	else
		log_warning("node %s is %s, but not with all VMs: %s (see above)", node,
			    domain_state_name(tour->kind->reached), text);
}

static void finished(struct watcher *watcher, int result) {
	struct duty *duty = watcher->duty;

	const struct tour_kind *kind = duty->tour->kind;

	report(duty->tour, result);
	tour_free(duty->tour);
	duty->tour = NULL;
	if (result == 0) { /* what it wrote; the watch tells it in a moment, or what somebody wrote after that */
		free(duty->word);
		duty->word = strdup(domain_state_name(kind->reached));
	}
	if (result < 0 && kind_of(duty) == kind) /* the watch is late, or the cluster is away */
		try_later(duty);
	else
		evaluate(duty);
}

static void evaluate(struct duty *duty) {
	struct watcher *watcher = duty->watcher;
	const struct tour_kind *kind = kind_of(duty);
	int r;

	if (watcher->stopping)
		return;
	if (duty->tour) { /* its end comes back here */
		if (duty->tour->kind != kind)
			tour_stop(duty->tour, -ECANCELED);
		return;
	}
	if (!kind || !roster_is_known(watcher)) /* where VMs may go is known when the nodes are */
		return;
	log_info(kind == &flush_kind ? "node %s is being drained" : "node %s is being made ready",
		 watcher->config->node);
	r = tour_start(watcher, kind, finished, &duty->tour);
	if (r < 0) {
		log_error("cannot begin: %s", strerror(-r));
		try_later(duty);
	}
}

static void say(const struct duty *duty) {
	_cleanup_free_ char *clean = shown(duty->word);
	const char *node = duty->watcher->config->node;

	if (node_duty(duty->word) != NODE_DUTY_UNCLEAR)
		return;
	if (!duty->word)
		log_warning("node %s has no domainstate: it is not registered; run pvc-register", node);
	else
		log_warning("node %s: domainstate '%s' is no known word: left alone", node, SHOWN(clean));
}

static void changed(struct store *store, const struct store_value *value, void *userdata) {
	struct duty *duty = userdata;
	const char *text = value_text(value);
	bool first = !duty->seen, same = duty->seen && str_equal(text, duty->word);

	(void)store;
	duty->seen = true;
	if (!same) {
		free(duty->word);
		duty->word = text ? strdup(text) : NULL;
		say(duty);
	}
	evaluate(duty);
	if (first)
		watcher_seen(duty->watcher);
}

int duty_start(struct watcher *watcher) {
	_cleanup_free_ char *path = str_printf("%s/domainstate", watcher->path);
	struct duty *duty = calloc(1, sizeof(*duty));

	if (!duty || !path) {
		free(duty);
		return -ENOMEM;
	}
	duty->watcher = watcher;
	watcher->duty = duty;
	return store_watch_value(watcher->store, path, changed, duty, &duty->watch);
}

void duty_compare(struct watcher *watcher) {
	if (watcher->duty)
		evaluate(watcher->duty);
}

void duty_stop(struct watcher *watcher) {
	struct duty *duty = watcher->duty;

	if (!duty)
		return;
	tour_free(duty->tour);
	(void)sd_event_source_disable_unref(duty->retry); /* returns NULL */
	free(duty->word);
	free(duty);
	watcher->duty = NULL;
}
