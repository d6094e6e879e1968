/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /upstream_ip: the upstream floating address with its length, for clients (data model, 9). It is compared whenever the
 * key changes and over every new session, and written when it differs.
 */
#include "floating.h"
#include "log/log.h"

static void publish(struct floating *floating);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	publish(userdata);
	return 0;
}

static int compute(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	const struct floating *floating = userdata;
	char text[IP_PREFIX_TEXT];

	(void)count;
	ip_prefix_format(&floating->config->upstream.floating_ip, true, text);
	if (values->exists && values->length == strlen(text) && str_equal(values->data, text))
		return 1;
	return store_txn_put(txn, store_base(STORE_UPSTREAM_IP), values, text);
}

static void published(struct store *store, int result, void *userdata) {
	struct floating *floating = userdata;

	(void)store;
	floating->publishing = false;
	if (floating->stopping)
		return;
	if (result == 0)
		log_info("%s tells the upstream floating address now", store_base(STORE_UPSTREAM_IP));
	if (result >= 0)
		return;
	log_warning("cannot write %s: %s; tried again", store_base(STORE_UPSTREAM_IP), strerror(-result));
	if (event_timer(loop_event(floating->loop), &floating->publish_retry, RETRY_TIME, on_retry, floating) < 0)
		log_error("cannot set a timer");
}

static void publish(struct floating *floating) {
	const char *path = store_base(STORE_UPSTREAM_IP);
	int r;

	if (floating->stopping || floating->publishing || !floating->store)
		return;
	floating->publishing = true;
	r = store_update(floating->store, &path, 1, compute, published, floating);
	if (r < 0)
		published(floating->store, r, floating);
}

static void changed(struct store *store, const struct store_value *value, void *userdata) {
	(void)store;
	(void)value;
	publish(userdata);
}

static void on_state(struct store *store, enum store_state state, void *userdata) {
	(void)userdata;
	if (state == STORE_CONNECTING)
		log_warning("no connection to ZooKeeper at %s: the addresses stay, %s is written later",
			    store_servers(store), store_base(STORE_UPSTREAM_IP));
	else
		log_info("connected to ZooKeeper at %s", store_servers(store));
}

int publish_start(struct floating *floating) {
	const struct store_options options = {
	    .servers = floating->config->servers, .on_state = on_state, .userdata = floating};
	int r = 0;

	if (!floating->config->upstream.floating_ip.family)
		return 0;
	r = store_open(&floating->store, loop_event(floating->loop), &options);
	if (r >= 0)
		r = store_watch_value(floating->store, store_base(STORE_UPSTREAM_IP), changed, floating,
				      &floating->watch);
	if (r < 0)
		log_error("cannot begin to write %s: %s", store_base(STORE_UPSTREAM_IP), strerror(-r));
	return r;
}

void publish_stop(struct floating *floating) {
	struct store *store = floating->store;

	floating->store = NULL; /* answers that come during the close find it gone */
	store_close(store);
	(void)sd_event_source_disable_unref(floating->publish_retry); /* returns NULL */
}
