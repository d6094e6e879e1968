/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Traffic between two network namespaces (below /run/netns):
 *
 *   flood udp FROM TO ADDRESS PACKETS   packets per second that get through to TO, in the best spell
 *   flood tcp FROM TO ADDRESS MIB       Gbit/s of one TCP connection
 *
 * The UDP sender stays on one CPU: veth devices pass a packet on within the sender's own call, so its time is the time
 * of the whole way.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BURST 64
#define SPELL 1024 /* packets in a few milliseconds: the best spell is one in which nothing else ran */

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void enter(const char *name) {
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static double now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What came in through eth0 of the namespace that this process is in. */
static unsigned long received(void) {
	unsigned long packets = 0;
	char line[512];
	FILE *f = fopen("/proc/thread-self/net/dev", "re");

	if (!f)
		die("/proc/thread-self/net/dev");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " eth0: %*u %lu", &packets) == 1)
			break;
	fclose(f);
	return packets;
}

static void flood_udp(const char *from, const char *to, const struct sockaddr_in *address, unsigned long packets) {
	struct mmsghdr messages[BURST] = {0};
	struct iovec data = {.iov_base = (char[18]){0}, .iov_len = 18}; /* a frame of 60 octets */
	unsigned long before, got;
	double best = 0;
	int fd;

	enter(to);
	before = received();
	enter(from);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		die("connect");
	for (int i = 0; i < BURST; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
	for (unsigned long sent = 0; sent < packets; sent += SPELL) {
		double begin = now(), rate;

		for (unsigned i = 0; i < SPELL; i += BURST)
			if (sendmmsg(fd, messages, BURST, 0) < 0)
				die("sendmmsg");
		rate = SPELL / (now() - begin);
		best = rate > best ? rate : best;
	}
	enter(to);
	got = received() - before;
	if (got < packets * 9 / 10) {
		fprintf(stderr, "flood: only %lu of %lu packets arrived\n", got, packets);
		exit(1);
	}
	printf("%.0f\n", best);
}

static void flood_tcp(const char *from, const char *to, struct sockaddr_in *address, unsigned long mebibytes) {
	static char buffer[1 << 18];
	int listener, fd, one = 1;
	unsigned long left = mebibytes << 20;
	double begin;
	ssize_t n;

	enter(to);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)address, sizeof(*address)) < 0 || listen(listener, 1) < 0)
		die("listen");
	if (fork() == 0) {
		enter(from);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)address, sizeof(*address)) < 0)
			die("connect");
		while (left > 0 && (n = send(fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer), 0)) > 0)
			left -= (unsigned long)n;
		_exit(left > 0);
	}
	fd = accept(listener, NULL, NULL);
	begin = now();
	while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		;
	printf("%.2f\n", (double)(mebibytes << 20) * 8 / 1e9 / (now() - begin));
	wait(NULL);
}

int main(int argc, char **argv) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(5001)};
	bool udp = argc == 6 && strcmp(argv[1], "udp") == 0;

	if (argc != 6 || inet_pton(AF_INET, argv[4], &address.sin_addr) != 1)
		return 64;
	if (udp) {
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		CPU_SET(0, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
		flood_udp(argv[2], argv[3], &address, strtoul(argv[5], NULL, 10));
	} else {
		flood_tcp(argv[2], argv[3], &address, strtoul(argv[5], NULL, 10));
	}
	return 0;
}
