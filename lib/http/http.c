/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The library runs without threads and without sockets of its own to listen on: its epoll descriptor is a source of the
 * loop. A request that cannot be answered at once is suspended, which takes its connection out of the library's hands
 * until it is resumed. Connections (struct peer) are noted in the order of their age, so that one timer ends the
 * oldest.
 */
#include "http/http.h"

#include <microhttpd.h>
#include <sys/socket.h>

struct peer {
	struct http *http;
	struct peer *older, *younger;
	int fd;
	int index;
	struct in_addr address;
	usec_t since;
};

struct http_request {
	struct peer *peer;
	struct MHD_Connection *connection;
	const char *method, *path;
	bool begun, suspended;
	unsigned status;
	struct MHD_Response *response;
};

struct http {
	struct http_options options;
	sd_event *event;
	sd_event_source *io, *timer, *age, *soon;
	struct MHD_Daemon *daemon;
	struct peer *oldest, *youngest;
};

static void run(struct http *http);

/* ---- connections ----------------------------------------------------------------------------------------------- */

static int on_age(sd_event_source *source, uint64_t usec, void *userdata);

static void watch_age(struct http *http) {
	usec_t end = http->oldest ? http->oldest->since + HTTP_TIME : 0, now = now_monotonic();

	if (http->oldest) /* without memory for it the next connection sets it */
		(void)event_timer(http->event, &http->age, end > now ? end - now : 0, on_age, http);
}

/* Shut down, not closed: the library finds it so and closes it. One that waits for its answer does so when it has it.
 */
static int on_age(sd_event_source *source, uint64_t usec, void *userdata) {
	struct http *http = userdata;
	usec_t now = now_monotonic();

	(void)source;
	(void)usec;
	for (struct peer *peer = http->oldest; peer && peer->since + HTTP_TIME <= now; peer = peer->younger)
		(void)shutdown(peer->fd, SHUT_RDWR); /* fails when the peer has gone, which is what is wanted */
	run(http);
	if (http->oldest && http->oldest->since + HTTP_TIME <= now) /* it waits: look again in a while */
		(void)event_timer(http->event, &http->age, USEC_PER_SEC, on_age, http); /* it exists: cannot fail */
	else
		watch_age(http);
	return 0;
}

/* Whose connection it is: the interface is inherited from the listening socket. */
static int identify(int fd, struct sockaddr_in *ret_address, int *ret_index) {
	socklen_t length = sizeof(*ret_address), size = sizeof(*ret_index);

	if (getpeername(fd, (struct sockaddr *)ret_address, &length) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, ret_index, &size) < 0)
		return -errno;
	return ret_address->sin_family == AF_INET ? 0 : -EAFNOSUPPORT;
}

static struct peer *peer_new(struct http *http, struct MHD_Connection *connection) {
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct peer *peer = calloc(1, sizeof(*peer));
	struct sockaddr_in address = {0};

	if (!peer || !info) {
		free(peer);
		return NULL;
	}
	peer->http = http;
	peer->fd = info->connect_fd;
	peer->since = now_monotonic();
	if (identify(peer->fd, &address, &peer->index) >= 0)
		peer->address = address.sin_addr;
	else
		peer->index = 0; /* of nobody */
	peer->older = http->youngest;
	if (http->youngest)
		http->youngest->younger = peer;
	else
		http->oldest = peer;
	http->youngest = peer;
	watch_age(http);
	return peer;
}

static void peer_free(struct peer *peer) {
	struct http *http = peer->http;

	if (peer->older)
		peer->older->younger = peer->younger;
	else
		http->oldest = peer->younger;
	if (peer->younger)
		peer->younger->older = peer->older;
	else
		http->youngest = peer->older;
	free(peer);
	http->options.closed(http->options.userdata);
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code) {
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = peer_new(userdata, connection);
	} else if (*context) {
		peer_free(*context);
		*context = NULL;
	}
}

unsigned http_count(const struct http *http, int index) {
	unsigned count = 0;

	for (const struct peer *peer = http->oldest; peer; peer = peer->younger)
		count += index == 0 || peer->index == index;
	return count;
}

static unsigned count_of(const struct http *http, int index, struct in_addr address) {
	unsigned count = 0;

	for (const struct peer *peer = http->oldest; peer; peer = peer->younger)
		count += peer->index == index && peer->address.s_addr == address.s_addr;
	return count;
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static bool has_body(struct MHD_Connection *connection) {
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
	       (length && !str_equal(length, "0"));
}

static enum MHD_Result begin(struct http *http, struct MHD_Connection *connection, const char *path, const char *method,
			     void **context) {
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_request *request = calloc(1, sizeof(*request));

	(void)http;
	if (!request || !info || !info->socket_context) {
		free(request);
		return MHD_NO; /* the library closes the connection */
	}
	*request = (struct http_request){
	    .peer = info->socket_context, .connection = connection, .method = method, .path = path};
	*context = request;
	if (!has_body(connection))
		return MHD_YES;
	request->begun = true;
	http_answer(request, &(struct http_answer){.status = MHD_HTTP_CONTENT_TOO_LARGE, .body = "", .length = 0});
	return request->response ? MHD_queue_response(connection, request->status, request->response) : MHD_NO;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *length,
				  void **context) {
	struct http *http = userdata;
	struct http_request *request = *context;

	(void)version;
	(void)data;
	if (!request)
		return begin(http, connection, path, method, context);
	if (*length > 0) { /* of a body that was refused */
		*length = 0;
		return MHD_YES;
	}
	if (!request->begun) {
		request->begun = true;
		http->options.handle(request, http->options.userdata);
		if (request->status == 0) {
			request->suspended = true;
			MHD_suspend_connection(connection);
			return MHD_YES;
		}
	}
	return request->response ? MHD_queue_response(connection, request->status, request->response) : MHD_NO;
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code) {
	struct http_request *request = *context;

	(void)userdata;
	(void)connection;
	(void)code;
	if (!request)
		return;
	if (request->response)
		MHD_destroy_response(request->response);
	free(request);
	*context = NULL;
}

static int on_soon(sd_event_source *source, void *userdata) {
	(void)source;
	run(userdata);
	return 0;
}

static void run_soon(struct http *http) {
	(void)sd_event_source_set_enabled(http->soon, SD_EVENT_ONESHOT); /* a source that exists: cannot fail */
}

void http_answer(struct http_request *request, const struct http_answer *answer) {
	struct http *http = request->peer->http;
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    answer->length, (void *)answer->body, MHD_RESPMEM_MUST_COPY); /* the library does not write into it */
	bool complete = response &&
			MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
						answer->type ? answer->type : "text/plain; charset=utf-8") == MHD_YES &&
			MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;

	if (complete && answer->header)
		complete = MHD_add_response_header(response, answer->header, answer->value) == MHD_YES;
	if (response && !complete) {
		MHD_destroy_response(response);
		response = NULL;
	}
	request->status = answer->status;
	request->response = response; /* without one, for want of memory, the connection is closed */
	if (!request->suspended)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
	run_soon(http);
}

const char *http_method(const struct http_request *request) {
	return request->method;
}

const char *http_path(const struct http_request *request) {
	return request->path;
}

const char *http_header(const struct http_request *request, const char *name) {
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

int http_index(const struct http_request *request) {
	return request->peer->index;
}

struct in_addr http_address(const struct http_request *request) {
	return request->peer->address;
}

/* ---- the library on the loop ----------------------------------------------------------------------------------- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	run(userdata);
	return 0;
}

static void run(struct http *http) {
	MHD_UNSIGNED_LONG_LONG wait;

	(void)MHD_run(http->daemon);                         /* fails for daemons with threads of their own */
	if (MHD_get_timeout(http->daemon, &wait) == MHD_YES) /* without memory for it the next event runs it */
		(void)event_timer(http->event, &http->timer, wait * USEC_PER_MSEC, on_timer, http);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	(void)source;
	(void)fd;
	(void)events;
	run(userdata);
	return 0;
}

void http_add(struct http *http, int fd) {
	struct sockaddr_in address = {0};
	int index = 0;

	if (identify(fd, &address, &index) < 0 || count_of(http, index, address.sin_addr) >= HTTP_PER_ADDRESS) {
		(void)close(fd); /* nothing was written to it */
		return;
	}
	/* refused when there are too many; the library closes it then */
	if (MHD_add_connection(http->daemon, fd, (struct sockaddr *)&address, sizeof(address)) == MHD_YES)
		run_soon(http);
}

static size_t as_it_is(void *userdata, struct MHD_Connection *connection, char *text) {
	(void)userdata;
	(void)connection;
	return strlen(text);
}

static int start(struct http *http) {
	const union MHD_DaemonInfo *info;
	int r;

	http->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, http,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)HTTP_MEMORY, MHD_OPTION_UNESCAPE_CALLBACK, as_it_is, NULL, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
	if (!http->daemon)
		return errno ? -errno : -ENOMEM;
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	r = sd_event_add_io(http->event, &http->io, info->epoll_fd, EPOLLIN, on_io, http);
	if (r >= 0)
		r = sd_event_add_defer(http->event, &http->soon, on_soon, http);
	return r;
}

int http_new(struct http **ret, sd_event *event, const struct http_options *options) {
	struct http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return -ENOMEM;
	http->options = *options;
	http->event = sd_event_ref(event);
	errno = 0;
	r = start(http);
	if (r < 0) {
		http_free(http);
		return r;
	}
	*ret = http;
	return 0;
}

void http_free(struct http *http) {
	sd_event_source **sources[] = {&http->io, &http->timer, &http->age, &http->soon};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		*sources[i] = sd_event_source_disable_unref(*sources[i]);
	if (http->daemon) {
		(void)MHD_run(http->daemon); /* what was answered last is on its way */
		MHD_stop_daemon(http->daemon);
	}
	sd_event_unref(http->event);
	free(http);
}
