/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is said to each service, and what counts as its answer. */
#include "probe.h"

#include <arpa/inet.h>

static int no_answer(char **ret_detail, int error, const char *where) {
	const char *why = strerror(-error);

	switch (error) {
	case -ENOENT:
		why = "there is no such socket";
		break;
	case -ETIMEDOUT:
	case -EAGAIN:
		why = "it does not reply";
		break;
	case -ECONNRESET:
		why = "it closed the connection without a reply";
		break;
	case -EADDRNOTAVAIL:
		why = "this host does not have that address";
		break;
	}
	return error_set(ret_detail, error, "%s: %s", where, why);
}

/* The first of the addresses of this host on which somebody replies; the request may be empty. */
static ssize_t exchange_any(const struct ip_prefix *addresses, size_t count, uint16_t port, const char *request,
			    char *reply, size_t size, size_t enough, char **ret_detail) {
	ssize_t result = -EADDRNOTAVAIL;

	for (size_t i = 0; i < count; i++) {
		usec_t deadline = deadline_after(PROBE_ATTEMPT);
		char ip[IP_PREFIX_TEXT];
		_cleanup_free_ char *where = NULL;
		_cleanup_close_ int fd = -1;
		ssize_t n;

		if (addresses[i].family == 0)
			continue;
		fd = probe_connect_local(&addresses[i], port, deadline);
		n = fd < 0 ? fd : probe_exchange(fd, request, strlen(request), reply, size, enough, deadline);
		if (n >= 0)
			return n;
		/* the first failure is told, unless a later one says more than that nobody listens there */
		if (result != -EADDRNOTAVAIL && (n == -EADDRNOTAVAIL || n == -ECONNREFUSED))
			continue;
		result = n;
		ip_prefix_format(&addresses[i], false, ip);
		where = str_printf("port %u on %s", port, ip);
		(void)no_answer(ret_detail, (int)result, where ? where : ip);
	}
	return result;
}

int probe_zookeeper(const struct ip_prefix *addresses, size_t count, uint16_t port, char **ret_detail) {
	char reply[1024];
	ssize_t n = exchange_any(addresses, count, port, "srvr", reply, sizeof(reply) - 1, SIZE_MAX, ret_detail);
	const char *mode;

	if (n < 0)
		return (int)n;
	reply[n] = '\0';
	mode = strstr(reply, "Mode: ");
	if (mode)
		return error_set(ret_detail, 0, "serves as %.*s", (int)strcspn(mode + 6, "\n"), mode + 6);
	if (strstr(reply, "not currently serving"))
		return error_set(ret_detail, 0, "runs, has no quorum yet");
	return error_set(ret_detail, 0, "runs"); /* e.g. "srvr" is not in its 4lw.commands.whitelist */
}

/* XDR header of libvirt's RPC: length, program, version, procedure, type, serial, status. */
enum { RPC_LENGTH, RPC_PROGRAM, RPC_VERSION, RPC_PROCEDURE, RPC_TYPE, RPC_SERIAL, RPC_STATUS, RPC_WORDS };
#define REMOTE_PROGRAM        0x20008086u
#define REMOTE_PROC_AUTH_LIST 66u
#define RPC_TYPE_REPLY        1u

static int libvirt_ask(int fd, const char *where, usec_t deadline, char **ret_detail) {
	uint32_t call[RPC_WORDS] = {
	    [RPC_LENGTH] = htonl(sizeof(call)),
	    [RPC_PROGRAM] = htonl(REMOTE_PROGRAM),
	    [RPC_VERSION] = htonl(1),
	    [RPC_PROCEDURE] = htonl(REMOTE_PROC_AUTH_LIST),
	    [RPC_SERIAL] = htonl(1),
	};
	uint32_t reply[RPC_WORDS];
	ssize_t n = probe_exchange(fd, call, sizeof(call), reply, sizeof(reply), sizeof(reply), deadline);

	if (n < 0)
		return no_answer(ret_detail, (int)n, where);
	if ((size_t)n < sizeof(reply) || ntohl(reply[RPC_PROGRAM]) != REMOTE_PROGRAM ||
	    ntohl(reply[RPC_TYPE]) != RPC_TYPE_REPLY)
		return error_set(ret_detail, -EBADMSG, "%s: the reply is not libvirt's", where);
	return error_set(ret_detail, 0, "accepts connections");
}

int probe_libvirt(const char *socket_path, char **ret_detail) {
	usec_t deadline = deadline_after(PROBE_ATTEMPT);
	_cleanup_close_ int fd = probe_connect_unix(socket_path, deadline);

	return fd < 0 ? no_answer(ret_detail, fd, socket_path) : libvirt_ask(fd, socket_path, deadline, ret_detail);
}

int probe_libvirt_tcp(const struct ip_prefix *address, uint16_t port, char **ret_detail) {
	usec_t deadline = deadline_after(PROBE_ATTEMPT);
	_cleanup_close_ int fd = probe_connect_local(address, port, deadline);
	char ip[IP_PREFIX_TEXT];
	_cleanup_free_ char *where = NULL;

	ip_prefix_format(address, false, ip);
	where = str_printf("port %u on %s", port, ip);
	if (!where)
		return -ENOMEM;
	return fd < 0 ? no_answer(ret_detail, fd, where) : libvirt_ask(fd, where, deadline, ret_detail);
}

static int ask_unix(const char *path, const void *request, size_t length, size_t enough, char **ret_detail) {
	usec_t deadline = deadline_after(PROBE_ATTEMPT);
	_cleanup_close_ int fd = probe_connect_unix(path, deadline);
	char reply[64];
	ssize_t n = fd < 0 ? fd : probe_exchange(fd, request, length, reply, sizeof(reply), enough, deadline);

	if (n < 0)
		return no_answer(ret_detail, (int)n, path);
	return error_set(ret_detail, 0, "answers");
}

int probe_frr(const char *socket_path, char **ret_detail) {
	static const char enable[] = "enable"; /* vtysh sends commands with their NUL */

	return ask_unix(socket_path, enable, sizeof(enable), 1, ret_detail);
}

int probe_ceph_admin(const char *socket_path, char **ret_detail) {
	static const char version[] = "{\"prefix\": \"version\"}"; /* ends with NUL; the reply begins with its length */

	return ask_unix(socket_path, version, sizeof(version), sizeof(uint32_t), ret_detail);
}

int probe_ceph_port(const struct ip_prefix *addresses, size_t count, uint16_t port, char **ret_detail) {
	static const char banner[] = "ceph v"; /* "ceph v027" of the first protocol, "ceph v2\n" of the second */
	char reply[sizeof(banner)];
	ssize_t n = exchange_any(addresses, count, port, "", reply, sizeof(banner) - 1, sizeof(banner) - 1, ret_detail);

	if (n < 0)
		return (int)n;
	if ((size_t)n != sizeof(banner) - 1 || memcmp(reply, banner, sizeof(banner) - 1) != 0)
		return error_set(ret_detail, -EBADMSG, "port %u: the reply is not Ceph's", port);
	return error_set(ret_detail, 0, "answers on port %u", port);
}
