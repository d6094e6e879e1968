/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The socket where dnsmasq's lease script hands in events and asks for leases, so that an event costs no session with
 * ZooKeeper of its own (D71). One connection, one request, read until its end:
 *
 *   "L" VNI                       all leases of the network, as lines of dnsmasq's lease file
 *   "E" fields of lease_event     one event
 *
 * The answer is a line "ok", "later TEXT" or "failed TEXT", then the leases. Events are written one after the other in
 * the order in which they came; of one lease only the newest waits. An event that could not be written because
 * ZooKeeper is away stays, and is written when it is back; what is lost by a kill comes again with the renewal.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "dhcp/dhcp.h"
#include "gateway.h"
#include "log/log.h"

#define REQUEST_MAX     8192u
#define CONNECTIONS_MAX 512u
#define ANSWER_TIME     (4 * USEC_PER_SEC) /* after that an event that waits for the store is answered with "later" */

struct connection {
	struct leases *leases;
	int fd;
	sd_event_source *io, *timer;
	struct strbuf in, out;
	size_t sent;
	bool asked, answered;
	struct event *event; /* that it waits for */
	unsigned reading;    /* leases_read() that will call back */
	struct connection *next;
};

struct event {
	struct leases *leases;
	struct lease_event lease;
	struct connection *connection; /* that waits for it, or NULL */
	struct event *next;
};

struct leases {
	struct gateway *gateway;
	int fd;
	sd_event_source *io, *retry;
	struct connection *connections;
	unsigned connection_count;
	struct event *first, **last;
	size_t count;
	bool busy;   /* the first one is being written */
	bool warned; /* that the store is away */
};

static void write_next(struct leases *leases);

/* ---- connections ---- */

static void connection_free(struct connection *connection) {
	struct connection **at = &connection->leases->connections;

	while (*at != connection)
		at = &(*at)->next;
	*at = connection->next;
	connection->leases->connection_count--;
	if (connection->event)
		connection->event->connection = NULL;
	(void)sd_event_source_disable_unref(connection->io); /* both return NULL */
	(void)sd_event_source_disable_unref(connection->timer);
	(void)close(connection->fd); /* nothing to be done about a failure */
	strbuf_free(&connection->in);
	strbuf_free(&connection->out);
	free(connection);
}

/* While the store will call back the object stays, without a descriptor. */
static void hang_up(struct connection *connection) {
	if (connection->reading == 0) {
		connection_free(connection);
		return;
	}
	connection->answered = true;
	connection->io = sd_event_source_disable_unref(connection->io);
}

static void send_more(struct connection *connection) {
	while (connection->sent < connection->out.length) {
		ssize_t n = send(connection->fd, connection->out.data + connection->sent,
				 connection->out.length - connection->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (sd_event_source_set_io_events(connection->io, POLLOUT) < 0)
				hang_up(connection);
			return;
		}
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			connection->sent += (size_t)n;
	}
	hang_up(connection);
}

static void answer(struct connection *connection, const char *word, const char *text, const char *data) {
	if (connection->event)
		connection->event->connection = NULL;
	connection->event = NULL;
	if (connection->answered)
		return;
	connection->answered = true;
	(void)strbuf_addf(&connection->out, "%s%s%s\n%s", word, *text ? " " : "", text, data);
	if (connection->out.failed)
		hang_up(connection);
	else
		send_more(connection);
}

static int on_patience(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	answer(userdata, "later", "ZooKeeper does not answer: kept, written when it does", "");
	return 0;
}

/* ---- events ---- */

static void event_free(struct event *event) {
	if (event->connection)
		event->connection->event = NULL;
	lease_event_free(&event->lease);
	free(event);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	write_next(userdata);
	return 0;
}

static void say_written(const struct lease_event *lease, int result) {
	static const char *const words[LEASE_ACTION_COUNT] = {
	    [LEASE_ADD] = "has", [LEASE_OLD] = "keeps", [LEASE_DEL] = "no longer has"};

	if (result != 0)
		return; /* nothing was to be written */
	log_info("VNI %s: %s %s %s%s%s%s", lease->fields[LEASE_VNI],
		 *lease->fields[LEASE_MAC] ? lease->fields[LEASE_MAC] : lease->fields[LEASE_CLIENT],
		 words[lease->action], lease->fields[LEASE_ADDRESS], *lease->fields[LEASE_HOSTNAME] ? " (" : "",
		 lease->fields[LEASE_HOSTNAME], *lease->fields[LEASE_HOSTNAME] ? ")" : "");
}

static bool is_temporary(int result) {
	return result == -ENOTCONN || result == -ECONNRESET || result == -ETIMEDOUT || result == -ESTALE;
}

static void written(struct store *store, int result, void *userdata) {
	struct event *event = userdata;
	struct leases *leases = event->leases;

	(void)store;
	leases->busy = false;
	if (!leases->gateway->store) /* it is being closed */
		return;
	if (is_temporary(result)) { /* the same once more does no harm, whether or not it was written */
		if (event_timer(loop_event(leases->gateway->loop), &leases->retry, USEC_PER_SEC, on_retry, leases) < 0)
			log_error("cannot set a timer");
		return;
	}
	if (result < 0)
		log_error("VNI %s: the lease of %s cannot be written: %s; tried again when it is renewed",
			  event->lease.fields[LEASE_VNI], event->lease.fields[LEASE_ADDRESS], strerror(-result));
	else
		say_written(&event->lease, result);
	if (event->connection)
		answer(event->connection, result < 0 ? "failed" : "ok", result < 0 ? strerror(-result) : "", "");
	leases->first = event->next;
	if (!leases->first)
		leases->last = &leases->first;
	leases->count--;
	event_free(event);
	if (leases->first)
		write_next(leases);
	else if (leases->gateway->stopping)
		gateway_try_end(leases->gateway);
}

static void write_next(struct leases *leases) {
	int r;

	if (leases->busy || !leases->first)
		return;
	leases->busy = true;
	r = lease_record(leases->gateway->store, &leases->first->lease, written, leases->first);
	if (r < 0) {
		leases->busy = false;
		log_error("cannot write a lease: %s; tried again", strerror(-r));
		if (event_timer(loop_event(leases->gateway->loop), &leases->retry, USEC_PER_SEC, on_retry, leases) < 0)
			log_error("cannot set a timer");
	}
}

bool leases_are_written(const struct leases *leases) {
	return !leases || !leases->first;
}

void leases_connected(struct leases *leases) {
	if (!leases)
		return;
	leases->warned = false;
	write_next(leases);
}

/* The newest of a lease is enough; the one that is being written is left alone. */
static struct event *waiting_for_same(struct leases *leases, const struct lease_event *lease) {
	struct event *event = leases->first;

	if (leases->busy && event)
		event = event->next;
	while (event && !lease_event_same_lease(&event->lease, lease))
		event = event->next;
	return event;
}

static void take_event(struct connection *connection, struct lease_event *lease) {
	struct leases *leases = connection->leases;
	struct event *event = waiting_for_same(leases, lease);
	bool fresh = !event;

	if (fresh && leases->count >= QUEUE_MAX) {
		lease_event_free(lease);
		answer(connection, "failed", "too many leases wait for ZooKeeper: tried again when it is renewed", "");
		return;
	}
	if (fresh) {
		event = calloc(1, sizeof(*event));
		if (!event) {
			lease_event_free(lease);
			answer(connection, "failed", "no memory", "");
			return;
		}
		event->leases = leases;
		*leases->last = event;
		leases->last = &event->next;
		leases->count++;
	} else {
		if (event->connection) /* its event is overtaken */
			answer(event->connection, "ok", "", "");
		lease_event_free(&event->lease);
	}
	event->lease = *lease;
	event->connection = connection;
	connection->event = event;
	if (!store_is_connected(leases->gateway->store)) {
		if (!leases->warned)
			log_warning("leases wait: there is no connection to ZooKeeper");
		leases->warned = true;
		answer(connection, "later", "no connection to ZooKeeper: kept, written when there is one", "");
	} else if (event_timer(loop_event(leases->gateway->loop), &connection->timer, ANSWER_TIME, on_patience,
			       connection) < 0) {
		log_error("cannot set a timer");
	}
	write_next(leases);
}

/* ---- requests ---- */

static void got_leases(int result, const char *text, size_t bad, void *userdata) {
	struct connection *connection = userdata;

	connection->reading--;
	if (bad > 0)
		log_warning("%zu leases in ZooKeeper are not in order and were left out", bad);
	if (connection->answered) /* it hung up meanwhile */
		connection_free(connection);
	else
		answer(connection, result < 0 ? "failed" : "ok", result < 0 ? strerror(-result) : "", text);
}

static void take_request(struct connection *connection) {
	const char *data = connection->in.data ? connection->in.data : "";
	struct lease_event lease;
	int r;

	connection->asked = true;
	if (data[0] == 'L' && dhcp_is_vni(data + 1) && strlen(data) == connection->in.length) {
		r = leases_read(connection->leases->gateway->store, data + 1, got_leases, connection);
		if (r < 0)
			answer(connection, "failed", strerror(-r), "");
		else
			connection->reading++;
	} else if (data[0] == 'E' && lease_event_decode(data + 1, connection->in.length - 1, &lease) >= 0) {
		take_event(connection, &lease);
	} else {
		answer(connection, "failed", "not a request", "");
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct connection *connection = userdata;
	char buf[4096];
	ssize_t n;

	(void)source;
	if (connection->answered) {
		if (events & (POLLERR | POLLHUP))
			hang_up(connection);
		else
			send_more(connection);
		return 0;
	}
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && !connection->asked && connection->in.length + (size_t)n <= REQUEST_MAX &&
	    strbuf_add(&connection->in, buf, (size_t)n) >= 0)
		return 0;
	if (n != 0 || connection->asked) { /* too much, or gone while it waits */
		hang_up(connection);
		return 0;
	}
	/* the end of the request; only a hang-up is of interest until the answer is there */
	if (sd_event_source_set_io_events(connection->io, 0) < 0)
		hang_up(connection);
	else
		take_request(connection);
	return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct leases *leases = userdata;
	_cleanup_close_ int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *connection;

	(void)source;
	(void)events;
	if (accepted < 0 || leases->connection_count >= CONNECTIONS_MAX)
		return 0; /* the script falls back to a session of its own */
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		return 0;
	connection->leases = leases;
	if (sd_event_add_io(loop_event(leases->gateway->loop), &connection->io, accepted, POLLIN, on_io, connection) <
	    0) {
		free(connection);
		return 0;
	}
	connection->fd = move_fd(&accepted);
	connection->next = leases->connections;
	leases->connections = connection;
	leases->connection_count++;
	return 0;
}

int leases_start(struct gateway *gateway) {
	struct leases *leases = calloc(1, sizeof(*leases));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	if (!leases)
		return -ENOMEM;
	leases->gateway = gateway;
	leases->last = &leases->first;
	gateway->leases = leases;
	leases->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (leases->fd < 0)
		return -errno;
	if (strlen(gateway->socket_path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, gateway->socket_path, strlen(gateway->socket_path) + 1);
	if (unlink(gateway->socket_path) < 0 && errno != ENOENT)
		return -errno;
	mask = umask(0177); /* root alone */
	r = bind(leases->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r >= 0 && listen(leases->fd, 128) < 0)
		r = -errno;
	if (r >= 0)
		r = sd_event_add_io(loop_event(gateway->loop), &leases->io, leases->fd, POLLIN, on_connect, leases);
	return r;
}

void leases_stop(struct leases *leases) {
	if (!leases)
		return;
	while (leases->connections)
		connection_free(leases->connections);
	while (leases->first) {
		struct event *event = leases->first;

		leases->first = event->next;
		event_free(event);
	}
	(void)sd_event_source_disable_unref(leases->io); /* both return NULL */
	(void)sd_event_source_disable_unref(leases->retry);
	if (leases->fd >= 0)
		(void)close(leases->fd);
	free(leases);
}
