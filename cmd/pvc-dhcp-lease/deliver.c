/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "deliver.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "config/config.h"

#define EVENT_TIME  (6 * USEC_PER_SEC) /* dnsmasq's events queue up behind one that waits */
#define LEASES_TIME (30 * USEC_PER_SEC)
#define ANSWER_MAX  (64u * 1024u * 1024u)

/* Without a program of its own that listens there is no answer: not worth a message, the other way is tried. */
static int connect_to(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return move_fd(&fd);
}

static int exchange(int fd, const struct strbuf *request, usec_t deadline, struct strbuf *answer) {
	char buf[16384];

	for (size_t sent = 0; sent < request->length;) {
		ssize_t n = send(fd, request->data + sent, request->length - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	if (shutdown(fd, SHUT_WR) < 0)
		return -errno;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int r = poll(&p, 1, deadline_poll_ms(deadline));
		ssize_t n;

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0)
			return answer->length > 0 ? 0 : -EPIPE;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0 && (answer->length + (size_t)n > ANSWER_MAX || strbuf_add(answer, buf, (size_t)n) < 0))
			return -ENOMEM;
	}
}

/* The gateway that started this dnsmasq says where it listens; else it is where the configuration says. */
static int ask_gateway(const struct config *config, const struct strbuf *request, usec_t deadline,
		       struct strbuf *answer) {
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (config)
		path = str_printf("%s/gateway.socket", config->dynamic_directory);
	else if (getenv("PVC_LEASE_SOCKET"))
		path = strdup(getenv("PVC_LEASE_SOCKET"));
	else
		return -ENOENT;
	if (!path)
		return -ENOMEM;
	fd = connect_to(path);
	return fd < 0 ? fd : exchange(fd, request, deadline, answer);
}

/* > 0: an exit code, the gateway answered; 0: it did and all is well, *ret_rest is what follows; < 0: it did not. */
static int take_answer(const struct strbuf *answer, const char **ret_rest) {
	const char *end = strchr(answer->data, '\n');
	int length = end ? (int)(end - answer->data) : 0;

	if (length == 0)
		return -EPIPE;
	*ret_rest = end + 1;
	if (length == 2 && str_starts(answer->data, "ok"))
		return 0;
	(void)fprintf(stderr, "pvc-dhcp-lease: %.*s\n", length, answer->data);
	return EXIT_TEMPORARY;
}

static int load(const char *option, struct config **ret) {
	_cleanup_free_ char *error = NULL;
	int r = config_load(config_path(option), ret, &error);

	if (r < 0)
		(void)fprintf(stderr, "pvc-dhcp-lease: %s\n", error ? error : strerror(-r));
	return r;
}

static int open_store(const struct config *config, usec_t deadline, struct store **ret) {
	_cleanup_free_ char *error = NULL;
	int r = store_connect(config->servers, deadline, ret, &error);

	if (r < 0)
		(void)fprintf(stderr, "pvc-dhcp-lease: %s\n", error ? error : strerror(-r));
	return r;
}

struct waiting {
	bool done;
	int result;
	char *text;
};

static void on_done(struct store *store, int result, void *userdata) {
	struct waiting *waiting = userdata;

	(void)store;
	waiting->result = result;
	waiting->done = true;
}

static void on_leases(int result, const char *text, size_t bad, void *userdata) {
	struct waiting *waiting = userdata;

	if (bad > 0)
		(void)fprintf(stderr, "pvc-dhcp-lease: %zu leases are not in order and were left out\n", bad);
	waiting->text = strdup(text);
	waiting->result = result < 0 || waiting->text ? result : -ENOMEM;
	waiting->done = true;
}

static int finish(struct store *store, int r, struct waiting *waiting, usec_t deadline, const char *what) {
	if (r >= 0)
		r = store_wait(store, &waiting->done, deadline);
	if (r >= 0)
		r = waiting->result;
	if (r >= 0)
		return EXIT_OK;
	(void)fprintf(stderr, "pvc-dhcp-lease: cannot %s: %s\n", what, strerror(-r));
	return EXIT_TEMPORARY;
}

/* Both ways, first the short one. With a configuration asked for by the operator that one says where the socket is. */
static int through_gateway(const char *option, struct config **config, const struct strbuf *request, usec_t deadline,
			   struct strbuf *answer, const char **ret_rest) {
	int r = -ENOENT;

	if (request->failed)
		return -ENOMEM;
	if (!option)
		r = ask_gateway(NULL, request, deadline, answer);
	if (r < 0) {
		if (load(option, config) < 0)
			return EXIT_CONFIG;
		strbuf_free(answer);
		r = ask_gateway(*config, request, deadline, answer);
	}
	return r < 0 ? r : take_answer(answer, ret_rest);
}

int deliver_event(const struct lease_event *event, const char *config_option) {
	usec_t deadline = deadline_after(EVENT_TIME);
	_cleanup_config_ struct config *config = NULL;
	_cleanup_strbuf_ struct strbuf request = {0}, answer = {0};
	struct waiting waiting = {0};
	struct store *store = NULL;
	const char *rest;
	int r;

	(void)strbuf_puts(&request, "E"); /* failures stay in the buffer */
	(void)lease_event_encode(event, &request);
	r = through_gateway(config_option, &config, &request, deadline, &answer, &rest);
	if (r >= 0)
		return r;
	if (!config && load(config_option, &config) < 0)
		return EXIT_CONFIG;
	if (open_store(config, deadline, &store) < 0)
		return EXIT_TEMPORARY;
	r = finish(store, lease_record(store, event, on_done, &waiting), &waiting, deadline, "write the lease");
	store_close(store);
	return r;
}

static int print(const char *text) {
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0) {
		(void)fprintf(stderr, "pvc-dhcp-lease: cannot print the leases: %s\n", strerror(errno));
		return EXIT_SYSTEM;
	}
	return EXIT_OK;
}

int deliver_leases(const char *vni, const char *config_option) {
	usec_t deadline = deadline_after(LEASES_TIME);
	_cleanup_config_ struct config *config = NULL;
	_cleanup_strbuf_ struct strbuf request = {0}, answer = {0};
	struct waiting waiting = {0};
	struct store *store = NULL;
	const char *rest;
	int r;

	(void)strbuf_addf(&request, "L%s", vni); /* failures stay in the buffer */
	r = through_gateway(config_option, &config, &request, deadline, &answer, &rest);
	if (r >= 0)
		return r == 0 ? print(rest) : r;
	if (!config && load(config_option, &config) < 0)
		return EXIT_CONFIG;
	if (open_store(config, deadline, &store) < 0)
		return EXIT_TEMPORARY;
	r = finish(store, leases_read(store, vni, on_leases, &waiting), &waiting, deadline, "read the leases");
	store_close(store);
	if (r == EXIT_OK)
		r = print(waiting.text);
	free(waiting.text);
	return r;
}
