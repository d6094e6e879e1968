/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * This node's domainstate. The word in ZooKeeper is all there is: an unflush that was interrupted, by kill -9 or a lost
 * session, is begun anew because the word is still there, and finds the VMs that it has started already without their
 * flag.
 */
#include "log/log.h"
#include "watcher.h"

struct duty {
	struct watcher *watcher;
	struct store_watch *watch;
	bool seen;
	char *word; /* domainstate as seen last, or NULL */
	struct unflush *running;
	sd_event_source *retry;
};

static void evaluate(struct duty *duty);

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

static void finished(struct watcher *watcher, int result, const struct unflush_report *report) {
	struct duty *duty = watcher->duty;

	unflush_free(duty->running);
	duty->running = NULL;
	if (watcher->stopping)
		return;
	if (report->away > 0)
		log_warning(
		    "%u VMs that were moved away from here stay where they are: move them back with 'vm unmigrate'",
		    report->away);
	if (result == 0) {
		log_ok("node %s is ready: %u VMs were set to start%s", watcher->config->node, report->started,
		       report->failed ? ", some could not be (see above)" : "");
		return;
	}
	if (result == -ECANCELED) {
		log_info("making node %s ready was taken back after %u VMs", watcher->config->node, report->started);
	} else if (store_is_connected(watcher->store)) {
		log_warning("making node %s ready was interrupted: %s; it goes on", watcher->config->node,
			    strerror(-result));
		try_later(duty);
		return;
	}
	evaluate(duty); /* without a connection its first read waits for one */
}

static void evaluate(struct duty *duty) {
	struct watcher *watcher = duty->watcher;
	int r;

	if (watcher->stopping || duty->running ||
	    node_duty(duty->word) != NODE_DUTY_UNFLUSH) /* its end comes back here */
		return;
	log_info("node %s is being made ready", watcher->config->node);
	r = unflush_start(watcher, finished, &duty->running);
	if (r < 0) {
		log_error("cannot begin to make node %s ready: %s", watcher->config->node, strerror(-r));
		try_later(duty);
	}
}

static void say(const struct duty *duty) {
	_cleanup_free_ char *clean = shown(duty->word);
	const char *node = duty->watcher->config->node;

	switch (node_duty(duty->word)) {
	case NODE_DUTY_NONE:
	case NODE_DUTY_UNFLUSH:
		break;
	case NODE_DUTY_FLUSH:
		log_warning(
		    "node %s is asked to move its VMs away (domainstate flush), which this version does not do: "
		    "stop or migrate its VMs yourself, or take it back with 'pvcctl node ready %s'",
		    node, node);
		break;
	case NODE_DUTY_UNCLEAR:
		if (!duty->word)
			log_warning("node %s has no domainstate: it is not registered; run pvc-register", node);
		else
			log_warning("node %s: domainstate '%s' is no known word: left alone", node, SHOWN(clean));
		break;
	}
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
	unflush_free(duty->running);
	(void)sd_event_source_disable_unref(duty->retry); /* returns NULL */
	free(duty->word);
	free(duty);
	watcher->duty = NULL;
}
