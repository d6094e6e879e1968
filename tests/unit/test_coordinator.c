/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../../cmd/pvc-coordinator/probe.h"
#include "../../cmd/pvc-coordinator/services.h"

static enum service_action decide(const char *load, const char *active, const char *sub, bool answers) {
	const struct host_unit_state state = {.active = (char *)active, .sub = (char *)sub, .load = (char *)load};

	return service_decide(&state, answers);
}

static void every_unit_state_has_its_action(void **state) {
	static const char *const loads[] = {"loaded", "not-found", "masked", "error", "bad-setting"};
	static const char *const actives[] = {"active", "reloading",  "inactive",
					      "failed", "activating", "deactivating"};
	static const char *const subs[] = {"running", "exited", "dead", "auto-restart"};

	(void)state;
	for (size_t l = 0; l < ARRAY_SIZE(loads); l++)
		for (size_t a = 0; a < ARRAY_SIZE(actives); a++)
			for (size_t s = 0; s < ARRAY_SIZE(subs); s++) {
				enum service_action yes = decide(loads[l], actives[a], subs[s], true);
				enum service_action no = decide(loads[l], actives[a], subs[s], false);
				bool leaving = str_equal(actives[a], "deactivating");

				/* what answers is left alone, unless it is about to go */
				assert_int_equal(yes, leaving ? SERVICE_START : SERVICE_LEAVE);
				/* only one whose processes are all gone is restarted */
				if (no == SERVICE_RESTART)
					assert_true(str_equal(actives[a], "active") && str_equal(subs[s], "exited"));
				if (!leaving && str_equal(loads[l], "not-found"))
					assert_int_equal(no, SERVICE_MISSING);
				else if (!leaving && str_equal(loads[l], "masked"))
					assert_int_equal(no, SERVICE_MASKED);
				else if (str_equal(actives[a], "active") && str_equal(subs[s], "exited"))
					assert_int_equal(no, SERVICE_RESTART);
				else if (str_equal(actives[a], "active") || str_equal(actives[a], "reloading"))
					assert_int_equal(no, SERVICE_LEAVE);
				else
					assert_int_equal(no, SERVICE_START);
			}
}

static void services_follow_mode_and_functions(void **state) {
	(void)state;
	for (unsigned bits = 0; bits < 16; bits++) {
		const struct config config = {.is_coordinator = bits & 1,
					      .enable_hypervisor = bits & 2,
					      .enable_networking = bits & 4,
					      .enable_storage = bits & 8};
		bool c = bits & 1;

		for (size_t i = 0; i < service_kind_count; i++) {
			const char *name = service_kinds[i].name;
			bool wanted = service_is_wanted(&service_kinds[i], &config);

			if (str_equal(name, "zookeeper"))
				assert_int_equal(wanted, c);
			else if (str_equal(name, "libvirt"))
				assert_int_equal(wanted, (bits & 2) != 0);
			else if (str_equal(name, "patroni") || str_equal(name, "frr"))
				assert_int_equal(wanted, c && bits & 4);
			else if (str_equal(name, "ceph-mon") || str_equal(name, "ceph-mgr"))
				assert_int_equal(wanted, c && bits & 8);
			else
				fail();
		}
	}
}

static void ceph_units_carry_the_host_name(void **state) {
	struct config config = {.node = (char *)"pvchv1"};
	_cleanup_(services_freep) struct service *services = NULL;
	bool found = false;

	(void)state;
	assert_int_equal(services_new(&config, &services), 0);
	for (size_t i = 0; i < service_kind_count; i++)
		found = found || str_equal(services[i].unit, "ceph-mon@pvchv1.service");
	assert_true(found);
}

/* A stand-in behind a unix socket: replies with `reply` to whatever comes, or only lets connections wait. */
struct peer {
	char directory[32];
	char *path;
	int fd;
	pid_t pid;
};

static void peer_start(struct peer *peer, const char *reply, size_t length, bool accepts) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strncpy(peer->directory, "/tmp/pvc-test-peer-XXXXXX", sizeof(peer->directory) - 1);
	assert_non_null(mkdtemp(peer->directory));
	peer->path = str_printf("%s/socket", peer->directory);
	assert_non_null(peer->path);
	memcpy(address.sun_path, peer->path, strlen(peer->path));
	peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(peer->fd >= 0);
	assert_int_equal(bind(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(peer->fd, 5), 0);
	peer->pid = accepts ? fork() : 0;
	if (accepts && peer->pid == 0) {
		int client = accept(peer->fd, NULL, NULL);
		char buffer[256];

		if (client < 0 || recv(client, buffer, sizeof(buffer), 0) <= 0 ||
		    send(client, reply, length, MSG_NOSIGNAL) < 0)
			_exit(1);
		_exit(0);
	}
}

static void peer_end(struct peer *peer) {
	(void)close(peer->fd);
	if (peer->pid > 0)
		assert_int_equal(waitpid(peer->pid, NULL, 0), peer->pid);
	(void)unlink(peer->path);
	(void)rmdir(peer->directory);
	free(peer->path);
}

static void a_socket_that_nobody_serves_is_no_answer(void **state) {
	_cleanup_free_ char *detail = NULL;
	struct peer peer;

	(void)state;
	peer_start(&peer, NULL, 0, false); /* as systemd listens for libvirtd */
	assert_int_equal(probe_libvirt(peer.path, &detail), -ETIMEDOUT);
	assert_non_null(strstr(detail, "does not reply"));
	assert_non_null(strstr(detail, peer.path));
	peer_end(&peer);
}

static void a_missing_socket_is_named(void **state) {
	_cleanup_free_ char *detail = NULL;

	(void)state;
	assert_int_equal(probe_frr("/nonexistent/zebra.vty", &detail), -ENOENT);
	assert_string_equal(detail, "/nonexistent/zebra.vty: there is no such socket");
	assert_int_equal(probe_ceph_admin("/nonexistent/a.asok", &detail), -ENOENT);
}

static void somebody_else_behind_the_socket_is_no_libvirt(void **state) {
	_cleanup_free_ char *detail = NULL;
	struct peer peer;

	(void)state;
	peer_start(&peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, true);
	assert_int_equal(probe_libvirt(peer.path, &detail), -EBADMSG);
	peer_end(&peer);
	peer_start(&peer, "hello", 5, true);
	assert_int_equal(probe_libvirt(peer.path, &detail), -EBADMSG);
	peer_end(&peer);
}

static void a_port_is_only_asked_at_our_own_addresses(void **state) {
	struct ip_prefix foreign;

	(void)state;
	assert_int_equal(ip_prefix_parse("192.0.2.1", true, &foreign), 0);
	assert_int_equal(probe_connect_local(&foreign, 2181, DEADLINE_NEVER), -EADDRNOTAVAIL);
	assert_int_equal(probe_zookeeper(&foreign, 1, 2181, NULL), -EADDRNOTAVAIL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_unit_state_has_its_action),
	    cmocka_unit_test(services_follow_mode_and_functions),
	    cmocka_unit_test(ceph_units_carry_the_host_name),
	    cmocka_unit_test(a_socket_that_nobody_serves_is_no_answer),
	    cmocka_unit_test(a_missing_socket_is_named),
	    cmocka_unit_test(somebody_else_behind_the_socket_is_no_libvirt),
	    cmocka_unit_test(a_port_is_only_asked_at_our_own_addresses),
	};
	return cmocka_run_group_tests_name("coordinator", tests, NULL, NULL);
}
