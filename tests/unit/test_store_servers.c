/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Servers that come and go, in front of the real ZooKeeper at $PVC_TEST_ZOOKEEPER (tests/run-unit starts one). */
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "store/store.h"

#define WITHIN deadline_after(60 * USEC_PER_SEC)

static const char *real;

/* Two servers that take connections and close them, as those without a quorum do; after `shut`, and after a few tries,
 * one lets in. */
struct door {
	int listeners[2];
	usec_t shut;
	unsigned taken;
	char *servers;
	pthread_t thread;
	atomic_bool ended;
};

static int socket_at(in_port_t port, bool listens) {
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (listens) {
		assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(fd, 64), 0);
	} else {
		assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	}
	return fd;
}

/* Both ways, until one side ends. */
static void let_in(struct door *door, int client) {
	uint64_t port = 0;
	int server =
	    parse_u64(strrchr(real, ':') + 1, 1, UINT16_MAX, &port) < 0 ? -1 : socket_at(htons((in_port_t)port), false);
	struct pollfd both[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
	char buffer[4096];
	bool goes_on = true;

	while (goes_on && !atomic_load(&door->ended) && poll(both, 2, 50) >= 0)
		for (int i = 0; i < 2; i++) {
			ssize_t n = both[i].revents ? read(both[i].fd, buffer, sizeof(buffer)) : 1;

			if (both[i].revents && (n <= 0 || write(both[1 - i].fd, buffer, (size_t)n) != n))
				goes_on = false;
		}
	close(server);
}

static void *door_main(void *argument) {
	struct door *door = argument;
	struct pollfd both[] = {{.fd = door->listeners[0], .events = POLLIN},
				{.fd = door->listeners[1], .events = POLLIN}};

	while (!atomic_load(&door->ended) && poll(both, 2, 50) >= 0)
		for (int i = 0; i < 2; i++) {
			int client = both[i].revents ? accept(both[i].fd, NULL, NULL) : -1;

			if (client < 0)
				continue;
			if (deadline_left(door->shut) == 0 && door->taken > 2)
				let_in(door, client);
			else
				door->taken++;
			close(client);
		}
	return NULL;
}

static void servers_without_a_quorum_are_not_flooded_and_found_when_they_have_one(void **state) {
	struct door door = {.shut = deadline_after(3 * USEC_PER_SEC)};
	struct store *store = NULL;
	char *error = NULL;
	int ports[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sockaddr_in address;
		socklen_t length = sizeof(address);

		door.listeners[i] = socket_at(0, true);
		assert_int_equal(getsockname(door.listeners[i], (struct sockaddr *)&address, &length), 0);
		ports[i] = ntohs(address.sin_port);
	}
	door.servers = str_printf("127.0.0.1:%d,127.0.0.1:%d", ports[0], ports[1]);
	assert_int_equal(pthread_create(&door.thread, NULL, door_main, &door), 0);
	if (store_connect(door.servers, WITHIN, &store, &error) < 0)
		fail_msg("%s (%u connections)", error, door.taken);
	assert_true(door.taken < 100); /* without a pause it is thousands */
	store_close(store);
	atomic_store(&door.ended, true);
	(void)pthread_join(door.thread, NULL);
	close(door.listeners[0]);
	close(door.listeners[1]);
	free(door.servers);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(servers_without_a_quorum_are_not_flooded_and_found_when_they_have_one),
	};

	real = getenv("PVC_TEST_ZOOKEEPER");
	if (!real) {
		(void)fprintf(stderr,
			      "test_store_servers: $PVC_TEST_ZOOKEEPER is not set: run it with tests/run-unit\n");
		return EXIT_USAGE;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
