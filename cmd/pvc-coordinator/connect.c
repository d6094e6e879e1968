/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounded connections and exchanges for the probes. */
#include "probe.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int wait_for(int fd, short events, usec_t deadline) {
	struct pollfd p = {.fd = fd, .events = events};
	int r;

	do
		r = poll(&p, 1, deadline_poll_ms(deadline));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* Waits for the end of a connect(2) that returned `result`. */
static int connected(int fd, int result, usec_t deadline) {
	int error = 0, r;
	socklen_t length = sizeof(error);

	if (result == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno; /* EAGAIN of a unix socket: its queue of connections is full, so nobody accepts */
	r = wait_for(fd, POLLOUT, deadline);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	return -error;
}

static socklen_t socket_address(const struct ip_prefix *ip, uint16_t port, struct sockaddr_storage *ret) {
	*ret = (struct sockaddr_storage){.ss_family = (sa_family_t)ip->family};
	if (ip->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;

		in->sin_addr = ip->v4;
		in->sin_port = htons(port);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	in6->sin6_addr = ip->v6;
	in6->sin6_port = htons(port);
	return sizeof(*in6);
}

int probe_connect_local(const struct ip_prefix *ip, uint16_t port, usec_t deadline) {
	_cleanup_close_ int fd = socket(ip->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage address;
	socklen_t length = socket_address(ip, 0, &address);
	int r;

	if (fd < 0)
		return -errno;
	/* Bound to the very address: fails unless it is this host's, so that no other machine's service answers for
	 * ours.
	 */
	if (bind(fd, (struct sockaddr *)&address, length) < 0)
		return -errno;
	length = socket_address(ip, port, &address);
	r = connected(fd, connect(fd, (struct sockaddr *)&address, length), deadline);
	return r < 0 ? r : move_fd(&fd);
}

int probe_connect_unix(const char *path, usec_t deadline) {
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	r = connected(fd, connect(fd, (struct sockaddr *)&address, sizeof(address)), deadline);
	return r < 0 ? r : move_fd(&fd);
}

static int send_all(int fd, const char *data, size_t length, usec_t deadline) {
	while (length > 0) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			data += n;
			length -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_for(fd, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t probe_exchange(int fd, const void *request, size_t length, void *reply, size_t size, size_t enough,
		       usec_t deadline) {
	size_t got = 0;
	int r = send_all(fd, request, length, deadline);

	while (r >= 0 && got < enough && got < size) {
		ssize_t n = recv(fd, (char *)reply + got, size - got, 0);

		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno == EAGAIN)
			r = wait_for(fd, POLLIN, deadline);
		else if (errno != EINTR)
			r = -errno;
	}
	if (r < 0)
		return r;
	return got > 0 ? (ssize_t)got : -ECONNRESET;
}
