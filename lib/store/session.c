/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The session: the ZooKeeper library's single-threaded client on an sd_event loop.
 *
 * The library wants to be asked before each wait which descriptor and for how long (zookeeper_interest()): that is done
 * in the prepare callback of `tick`, a timer that is always on, since sd-event does not prepare disabled sources. Both
 * `tick` and `io` come before everything else of the program.
 *
 * The library closes and opens sockets as it likes, and a new one can get the number of the old one: `io` is made anew
 * whenever that can have happened.
 */
#include "store/internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define RETRY_USEC       USEC_PER_SEC           /* between tries to make a handle at all: no name resolves */
#define ATTEMPT_USEC     (1000 * USEC_PER_MSEC) /* first limit for one try to connect; doubled after each round */
#define ATTEMPT_MAX      (16 * ATTEMPT_USEC)
#define ROUND_USEC       (200 * USEC_PER_MSEC) /* between two rounds through all servers */
#define CLOSE_USEC       (500 * USEC_PER_MSEC) /* what store_close() may wait for the server */
#define PROBES_A_TIMEOUT 6
#define FORGET_TIMEOUTS  6 /* a session is given up when it could not be taken up again for so many of its time-outs */

/*
 * The loop waits on a copy of the library's descriptor. The library closes its own before anybody can be told, and as
 * long as a child has not become another program yet it has copies of everything: the kernel would go on reporting the
 * socket for an event source that is freed, which sd-event takes for memory that was overwritten, and aborts.
 */
static void io_drop(struct store *store) {
	store->io = sd_event_source_disable_unref(store->io);
	if (store->copy >= 0)
		(void)close(store->copy); /* nothing is written through it */
	store->copy = store->fd = -1;
}

/* ---- closing within bounds: zookeeper_close() waits up to 4.5 s for a server that does not react --------------- */

struct closer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	bool closed;
};

/* Cuts the connection when the time is up: every wait of zookeeper_close() ends at once then. */
static void *closer_main(void *argument) {
	struct closer *closer = argument;
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(CLOSE_USEC * 1000);
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_mutex_lock(&closer->lock);
	while (!closer->closed)
		if (pthread_cond_clockwait(&closer->changed, &closer->lock, CLOCK_MONOTONIC, &until) != 0)
			break;
	if (!closer->closed)
		(void)shutdown(closer->fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&closer->lock);
	return NULL;
}

static void handle_close(struct store *store) {
	struct closer closer = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, -1, false};
	bool bounded = false;
	pthread_t thread;

	if (!store->zh)
		return;
	if (zoo_state(store->zh) == ZOO_CONNECTED_STATE && store->fd >= 0) {
		closer.fd = dup(store->fd);
		bounded = closer.fd >= 0 && pthread_create(&thread, NULL, closer_main, &closer) == 0;
		if (!bounded)
			(void)shutdown(store->fd, SHUT_RDWR); /* the session then ends by its time-out */
	}
	io_drop(store);
	store->in_library++;
	(void)zookeeper_close(store->zh); /* says only whether the server acknowledged in time */
	store->in_library--;
	store->zh = NULL;
	if (bounded) {
		(void)pthread_mutex_lock(&closer.lock);
		closer.closed = true;
		(void)pthread_cond_signal(&closer.changed);
		(void)pthread_mutex_unlock(&closer.lock);
		(void)pthread_join(thread, NULL);
	}
	if (closer.fd >= 0)
		(void)close(closer.fd);
}

/* ---- the handle ------------------------------------------------------------------------------------------------ */

static void on_session_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
	(void)zh; /* the state is looked at after every call of the library instead */
	(void)type;
	(void)state;
	(void)path;
	(void)context;
}

static int handle_open(struct store *store) {
	store->zh = zookeeper_init(store->addresses, on_session_event, (int)store->options.session_timeout_ms, NULL,
				   store, ZOO_NO_LOG_CLIENTENV);
	if (!store->zh)
		return errno > 0 ? -errno : -EIO;
	/* kept by the handle, which sends it with each connection */
	if (store->credentials)
		(void)zoo_add_auth(store->zh, "digest", store->credentials, (int)strlen(store->credentials), NULL,
				   NULL);
	/* by default it looks at the list again before every wait */
	(void)zoo_set_servers_resolution_delay(store->zh, -1);
	store->attempts = 0;
	store->attempt_limit = ATTEMPT_USEC;
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	struct store *store = userdata;

	(void)source;
	(void)usec;
	if (store->zh || (store->addresses && handle_open(store) == 0))
		return 0;
	(void)resolve_start(store); /* tried again as well */
	return event_timer(store->event, &store->retry, RETRY_USEC, on_retry, store);
}

void session_resolved(struct store *store) {
	if (!store->zh)
		(void)handle_open(store); /* or by the timer */
	else if (!store->connected)
		(void)zoo_set_servers(store->zh, store->addresses); /* on failure it has the ones it had */
	session_update(store);
}

static int handle_replace(struct store *store) {
	handle_close(store);
	store->session_id = 0;
	store->confirmed = 0;
	op_fail_waiting(store, -ECONNRESET, false);
	lock_session_lost(store);
	if (handle_open(store) == 0)
		return 0;
	return event_timer(store->event, &store->retry, RETRY_USEC, on_retry, store);
}

static int on_probe(sd_event_source *source, uint64_t usec, void *userdata) {
	struct store *store = userdata;

	(void)source;
	(void)usec;
	(void)op_probe(store); /* without memory: the next one */
	return event_timer(store->event, &store->probe, (usec_t)store->timeout_ms * USEC_PER_MSEC / PROBES_A_TIMEOUT,
			   on_probe, store);
}

static void session_up(struct store *store) {
	int64_t id = zoo_client_id(store->zh)->client_id;
	bool fresh = id != store->session_id;

	store->connected = store->reached = true;
	store->session_id = id;
	store->timeout_ms = (unsigned)zoo_recv_timeout(store->zh);
	store->attempts = 0;
	store->attempt_limit = ATTEMPT_USEC;
	if (fresh) {
		store->session++;
		store->confirmed = 0;
	}
	store->announce_up = true;
	store->announce_new |= fresh;
	watch_rearm(store);
	/* without memory there is no probe, so a lease's holder gives up: safe */
	if (store->options.confirm)
		(void)event_timer(store->event, &store->probe, 0, on_probe, store);
}

void session_update(struct store *store) {
	int state = store->zh ? zoo_state(store->zh) : 0;
	bool connected = state == ZOO_CONNECTED_STATE;

	/* neither of the two has a socket: whatever the library had is closed, and the next may get its number */
	store->dropped |= state == 0 || state == ZOO_NOTCONNECTED_STATE;

	if (connected == store->connected)
		return;
	if (connected) {
		session_up(store);
	} else {
		store->connected = false;
		store->lost_at = now_monotonic();
		store->announce_lost = true;
	}
	op_wake(store);
}

static void process(struct store *store, int events) {
	store->in_library++;
	(void)zookeeper_process(store->zh, events); /* what went wrong shows in the state */
	store->in_library--;
	session_update(store);
	op_pump(store);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct store *store = userdata;
	int what = 0;

	(void)source;
	(void)fd;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		what |= ZOOKEEPER_READ;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		what |= ZOOKEEPER_WRITE;
	process(store, what);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
	struct store *store = userdata;

	(void)source;
	(void)usec;
	if (store->zh && !is_unrecoverable(store->zh))
		process(store, 0);
	return 0;
}

/* The library gives one server two thirds of the session's time to answer: with two servers of five dead that alone
 * would cost the session. So the first tries are shorter; each round through all servers doubles the limit. */
static void attempt_check(struct store *store, bool fresh, usec_t *wait) {
	usec_t now = now_monotonic();

	if (store->connected || store->fd < 0)
		return;
	if (fresh) {
		if (++store->attempts % (store->server_count + 1) == 0) {
			if (store->attempt_limit < ATTEMPT_MAX)
				store->attempt_limit *= 2;
			store->next_attempt = now + ROUND_USEC;
			(void)resolve_start(store); /* tried again in the next round */
		}
		store->attempt_deadline = now + store->attempt_limit;
	}
	if (now >= store->attempt_deadline) {
		store->attempt_deadline = DEADLINE_NEVER;
		(void)shutdown(store->fd, SHUT_RDWR);
		*wait = 0;
	} else if (store->attempt_deadline - now < *wait) {
		*wait = store->attempt_deadline - now;
	}
}

static int io_update(struct store *store, int fd, uint32_t mask, bool fresh) {
	int r;

	if (fresh)
		io_drop(store);
	if (fd < 0)
		return 0;
	if (store->io)
		return sd_event_source_set_io_events(store->io, mask);
	store->copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (store->copy < 0)
		return -errno;
	store->fd = fd;
	r = sd_event_add_io(store->event, &store->io, store->copy, mask, on_io, store);
	if (r < 0) {
		io_drop(store);
		return r;
	}
	return sd_event_source_set_priority(store->io, SD_EVENT_PRIORITY_IMPORTANT);
}

/* Servers that lost their data, or have an older copy of it, refuse a client that has seen newer: they close the
 * connection without saying that the session is over, for ever. A new session has seen nothing. */
static bool is_refused(const struct store *store) {
	return !store->connected && store->session_id != 0 &&
	       now_monotonic() - store->lost_at > FORGET_TIMEOUTS * (usec_t)store->timeout_ms * USEC_PER_MSEC;
}

/* Servers without a quorum take connections and close them at once, and the library goes to the next one without a
 * pause: thousands of connections a second, just when the servers elect a leader. */
static usec_t pause_left(const struct store *store) {
	int state = zoo_state(store->zh);

	return state == 0 || state == ZOO_NOTCONNECTED_STATE ? deadline_left(store->next_attempt) : 0;
}

static int tick_in(struct store *store, usec_t wait) {
	int r = sd_event_source_set_time_relative(store->tick, wait);

	return r < 0 ? r : sd_event_source_set_enabled(store->tick, SD_EVENT_ON);
}

static int on_prepare(sd_event_source *source, void *userdata) {
	struct store *store = userdata;
	struct timeval tv = {0};
	int fd = -1, interest = 0, rc, r, state;
	usec_t wait;
	bool fresh;

	(void)source;
	if (store->zh && (is_unrecoverable(store->zh) || is_refused(store))) {
		session_update(store);
		r = handle_replace(store);
		if (r < 0)
			return r;
	}
	if (!store->zh)
		return event_timer(store->event, &store->tick, RETRY_USEC, on_tick, store);
	wait = pause_left(store);
	if (wait > 0) {
		io_drop(store);
		return tick_in(store, wait);
	}
	store->in_library++;
	rc = zookeeper_interest(store->zh, &fd, &interest, &tv);
	store->in_library--;
	state = zoo_state(store->zh);
	fresh = rc != ZOK || fd != store->fd || store->dropped;
	store->dropped = false;
	if (state == ZOO_ASSOCIATING_STATE)
		store->reached = true;
	session_update(store);
	wait = (usec_t)tv.tv_sec * USEC_PER_SEC + (usec_t)tv.tv_usec;
	if (rc != ZOK && wait == 0)
		wait = 20 * USEC_PER_MSEC; /* a connect that fails at once is not tried in a busy loop */
	r = io_update(store, rc == ZOK ? fd : -1,
		      ((interest & ZOOKEEPER_READ) ? EPOLLIN : 0u) | ((interest & ZOOKEEPER_WRITE) ? EPOLLOUT : 0u),
		      fresh);
	if (r < 0)
		return r;
	attempt_check(store, fresh, &wait);
	return tick_in(store, wait);
}

/* ---- public ---------------------------------------------------------------------------------------------------- */

static int store_init(struct store *store, const struct store_options *options) {
	int r;

	zoo_set_debug_level((ZooLogLevel)0); /* nothing: the states tell it all */
	store->options = *options;
	if (store->options.session_timeout_ms == 0)
		store->options.session_timeout_ms = STORE_SESSION_TIMEOUT_MS;
	if (options->credentials && *options->credentials) {
		store->credentials = strdup(options->credentials);
		if (!store->credentials)
			return -ENOMEM;
	}
	store->servers = strdup(options->servers);
	if (!store->servers)
		return -ENOMEM;
	store->server_count = 1;
	for (const char *p = store->servers; (p = strchr(p, ',')); p++)
		store->server_count++;
	r = op_dispatch_init(store);
	if (r >= 0)
		r = sd_event_add_time(store->event, &store->tick, CLOCK_MONOTONIC, 0, 1, on_tick, store);
	if (r >= 0)
		r = sd_event_source_set_prepare(store->tick, on_prepare);
	if (r >= 0)
		r = sd_event_source_set_priority(store->tick, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_source_set_enabled(store->tick, SD_EVENT_ON);
	if (r < 0)
		return r;
	r = resolve_init(store);
	if (r >= 0)
		r = store->addresses ? handle_open(store)
				     : event_timer(store->event, &store->retry, RETRY_USEC, on_retry, store);
	return r < 0 ? r : 0;
}

int store_open(struct store **ret, sd_event *event, const struct store_options *options) {
	struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return -ENOMEM;
	store->references = 1;
	store->copy = store->fd = -1;
	store->event = sd_event_ref(event);
	for (int i = 0; i < QUEUE_COUNT; i++)
		op_list_init(&store->queues[i]);
	op_list_init(&store->finished);
	r = store_init(store, options);
	if (r < 0) {
		store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

void store_unref(struct store *store) {
	if (--store->references > 0)
		return;
	sd_event_unref(store->private_event);
	sd_event_unref(store->event);
	if (store->credentials)
		explicit_bzero(store->credentials, strlen(store->credentials));
	free(store->credentials);
	free(store->servers);
	free(store->addresses);
	free(store);
}

void store_close(struct store *store) {
	if (!store || store->closing)
		return;
	store->closing = true;
	store->options.on_state = NULL;
	handle_close(store);
	session_update(store);
	op_fail_waiting(store, -ECONNRESET, true);
	lock_session_lost(store);
	op_dispatch(store, DEADLINE_NEVER);
	watch_free_all(store);
	lock_free_all(store);
	workers_free(move_ptr(store->workers));
	for (struct op *op; (op = op_list_pop(&store->finished));)
		op_free(op);
	sd_event_source_disable_unref(store->tick);
	sd_event_source_disable_unref(store->retry);
	sd_event_source_disable_unref(store->probe);
	sd_event_source_disable_unref(store->dispatch);
	sd_event_source_disable_unref(store->watch_retry);
	store->tick = store->retry = store->probe = store->dispatch = store->watch_retry = NULL;
	store_unref(store);
}

bool store_is_connected(const struct store *store) {
	return store->connected;
}

unsigned store_session_timeout_ms(const struct store *store) {
	return store->timeout_ms;
}

int64_t store_session_id(const struct store *store) {
	return store->session_id;
}

usec_t store_last_confirmed(const struct store *store) {
	return store->confirmed;
}

const char *store_servers(const struct store *store) {
	return store->servers;
}
