/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One dnsmasq. It is watched and signalled through a pidfd, so a number that was used again is never hit, and one that
 * an earlier pvc-gateway started is watched like a child. What is wanted is an argument vector: when that differs from
 * the running one's, it is ended and another started.
 *
 *               wanted as it runs   wanted otherwise      not wanted
 *   none        -                   start                 -
 *   running     -                   TERM, then start      TERM
 *   ending      wait                wait                  wait (KILL after STOP_TIME)
 *   died        start after a pause, longer each time (D68)
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "gateway.h"
#include "log/log.h"

#define END_NICE   19
#define START_TIME USEC_PER_SEC /* a dnsmasq so young may not have its signal handlers yet: SIGHUP would end it */

struct server {
	struct network *network;
	struct strlist wanted, running;
	pid_t pid; /* 0: none */
	int pidfd;
	bool child, ending, reload;
	unsigned failures;
	usec_t started;
	usec_t not_before; /* the pause after a failure */
	sd_event_source *exit, *timer;
};

static void next(struct server *server);

struct server *server_new(struct network *network) {
	struct server *server = calloc(1, sizeof(*server));

	if (server) {
		server->network = network;
		server->pidfd = -1;
	}
	return server;
}

static void forget_process(struct server *server) {
	server->exit = sd_event_source_disable_unref(server->exit);
	if (server->pidfd >= 0)
		(void)close(server->pidfd); /* nothing was written */
	server->pidfd = -1;
	server->pid = 0;
	server->ending = server->reload = false;
	strlist_free(&server->running);
}

void server_free(struct server *server) {
	if (!server)
		return;
	forget_process(server);
	(void)sd_event_source_disable_unref(server->timer); /* returns NULL */
	strlist_free(&server->wanted);
	free(server);
}

bool server_is_running(const struct server *server) {
	return server->pid > 0;
}

static bool same(const struct strlist *a, const struct strlist *b) {
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!str_equal(a->items[i], b->items[i]))
			return false;
	return true;
}

static int copy(const struct strlist *from, struct strlist *to) {
	struct strlist list = {0};

	for (size_t i = 0; from && i < from->count; i++)
		if (strlist_add(&list, from->items[i]) < 0) {
			strlist_free(&list);
			return -ENOMEM;
		}
	strlist_free(to);
	*to = list;
	return 0;
}

static const char *vni(const struct server *server) {
	return server->network->vni;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	struct server *server = userdata;

	(void)source;
	(void)usec;
	if (server->ending) {
		log_warning("VNI %s: dnsmasq (%d) did not end within %u s: killed", vni(server), (int)server->pid,
			    (unsigned)(STOP_TIME / USEC_PER_SEC));
		(void)pidfd_send_signal(server->pidfd, SIGKILL, NULL, 0); /* it is ours: fails only when it has ended */
	} else if (server->pid > 0 && server->reload) {
		server->reload = false;
		(void)pidfd_send_signal(server->pidfd, SIGHUP, NULL, 0); /* likewise */
	} else {
		next(server);
	}
	return 0;
}

static void arm(struct server *server, usec_t delay) {
	int r = event_timer(loop_event(server->network->gateway->loop), &server->timer, delay, on_timer, server);

	if (r < 0)
		log_error("VNI %s: cannot set a timer: %s", vni(server), strerror(-r));
}

/* ---- its end ---- */

static void say_end(const struct server *server, const siginfo_t *info) {
	if (!server->child)
		log_warning("VNI %s: dnsmasq (%d) ended", vni(server), (int)server->pid);
	else if (info->si_code == CLD_EXITED)
		log_warning("VNI %s: dnsmasq (%d) ended with status %d: see its log", vni(server), (int)server->pid,
			    info->si_status);
	else
		log_warning("VNI %s: dnsmasq (%d) was ended by signal %d", vni(server), (int)server->pid,
			    info->si_status);
}

static void back_off(struct server *server) {
	usec_t delay = BACKOFF_FIRST;

	if (now_monotonic() - server->started > HEALTHY_TIME)
		server->failures = 0;
	for (unsigned i = 0; i < server->failures && delay < BACKOFF_LAST; i++)
		delay *= 2;
	if (delay > BACKOFF_LAST)
		delay = BACKOFF_LAST;
	server->failures++;
	server->not_before = deadline_after(delay);
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct server *server = userdata;
	siginfo_t info = {0};

	(void)source;
	(void)fd;
	(void)events;
	if (server->child)
		(void)waitid(P_PIDFD, (id_t)server->pidfd, &info, WEXITED | WNOHANG); /* readable: it has ended */
	if (server->ending) {
		log_info("VNI %s: dnsmasq (%d) ended", vni(server), (int)server->pid);
	} else {
		say_end(server, &info);
		back_off(server);
	}
	forget_process(server);
	reconcile_soon(server->network->gateway); /* a network that is gone can be forgotten now */
	next(server);
	if (server->network->gateway->stopping && gateway_is_empty(server->network->gateway))
		gateway_try_end(server->network->gateway);
	return 0;
}

static int watch(struct server *server, pid_t pid, const struct strlist *arguments) {
	int fd = pidfd_open(pid, 0), r;

	if (fd < 0)
		return -errno;
	r = copy(arguments, &server->running);
	if (r >= 0)
		r = sd_event_add_io(loop_event(server->network->gateway->loop), &server->exit, fd, POLLIN, on_end,
				    server);
	if (r < 0) {
		strlist_free(&server->running);
		(void)close(fd); /* nothing was written */
		return r;
	}
	server->pid = pid;
	server->pidfd = fd;
	server->started = now_monotonic();
	return 0;
}

/* ---- its start ---- */

/* What its lease script finds; nothing of systemd's notification goes to it. */
static int make_environment(const struct network *network, struct strlist *ret) {
	const struct gateway *gateway = network->gateway;
	int r = strlist_add(ret, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");

	if (r >= 0)
		r = strlist_add(ret, "LC_ALL=C");
	if (r >= 0)
		r = strlist_addf(ret, "DNSMASQ_BRIDGE_INTERFACE=%s", network->bridge);
	if (r >= 0)
		r = strlist_addf(ret, "PVCD_CONFIG_FILE=%s", gateway->config_path);
	if (r >= 0)
		r = strlist_addf(ret, "PVC_LEASE_SOCKET=%s", gateway->socket_path);
	return r;
}

/* A session of its own: what an operator types at a terminal does not reach it past us, and the kernel does not
 * continue it when we end while it is paused, as it does with a process group of our session (setpgid(2), "orphaned").
 */
static int spawn(const struct strlist *arguments, const struct strlist *environment, pid_t *ret) {
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none); /* both cannot fail */
	(void)sigfillset(&all);
	r = posix_spawn_file_actions_init(&files);
	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
		if (r == 0)
			r = posix_spawnattr_setsigmask(&attributes, &none);
		if (r == 0)
			r = posix_spawnattr_setsigdefault(&attributes, &all);
		if (r == 0)
			r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
								      POSIX_SPAWN_SETSID);
		if (r == 0)
			r = posix_spawnp(ret, arguments->items[0], &files, &attributes, arguments->items,
					 environment->items);
		(void)posix_spawnattr_destroy(&attributes); /* always 0 */
	}
	(void)posix_spawn_file_actions_destroy(&files); /* always 0 */
	return -r;
}

static int start(struct server *server) {
	_cleanup_strlist_ struct strlist environment = {0};
	pid_t pid = 0;
	int r = make_environment(server->network, &environment);

	if (r >= 0)
		r = spawn(&server->wanted, &environment, &pid);
	if (r < 0)
		return r;
	r = watch(server, pid, &server->wanted);
	if (r < 0) { /* one that cannot be watched is not left behind */
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	(void)setpriority(PRIO_PGRP, (id_t)pid,
			  0); /* what is urgent of ours is not of theirs; else it has our priority */
	server->child = true;
	server->network->gateway->started++;
	log_info("VNI %s: dnsmasq (%d) was started on %s", vni(server), (int)pid, server->network->bridge);
	return 0;
}

static void end(struct server *server) {
	server->ending = true;
	arm(server, STOP_TIME);
	if (pidfd_send_signal(server->pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		log_error("VNI %s: cannot end dnsmasq (%d): %s", vni(server), (int)server->pid, strerror(errno));
	if (server->network->gateway->no_wait) /* a paused one ends when it is continued: not now, see gateway.h */
		return;
	/* it has time; those who take over have not. Without the right to it, which only --release needs, nothing is
	 * lost */
	(void)setpriority(PRIO_PGRP, (id_t)server->pid, END_NICE);
	(void)pidfd_send_signal(server->pidfd, SIGCONT, NULL, 0); /* fails only when it has ended */
}

void server_pause(struct server *server) {
	if (server->pid > 0 && !server->ending)
		(void)pidfd_send_signal(server->pidfd, SIGSTOP, NULL, 0); /* fails only when it has ended */
}

static void next(struct server *server) {
	usec_t wait;
	int r;

	if (server->ending)
		return;
	if (server->pid > 0) {
		if (!same(&server->wanted, &server->running))
			end(server);
		return;
	}
	if (server->wanted.count == 0)
		return;
	wait = deadline_left(server->not_before);
	if (wait > 0) {
		arm(server, wait);
		return;
	}
	r = start(server);
	if (r < 0) {
		log_error("VNI %s: cannot start dnsmasq: %s%s; tried again", vni(server), strerror(-r),
			  r == -ENOENT ? " (package dnsmasq-base)" : "");
		server->started = now_monotonic();
		back_off(server);
		arm(server, deadline_left(server->not_before));
	}
}

void server_want(struct server *server, const struct strlist *arguments) {
	static const struct strlist none = {0};

	if (same(&server->wanted, arguments ? arguments : &none)) {
		if (server->pid > 0)
			next(server); /* an adopted one that is not wanted */
		return;
	}
	if (copy(arguments, &server->wanted) < 0) {
		log_error("VNI %s: no memory", vni(server));
		return;
	}
	server->failures = 0; /* other arguments, another try */
	server->not_before = 0;
	next(server);
}

void server_adopt(struct server *server, pid_t pid, const struct strlist *arguments) {
	int r;

	if (server->pid > 0) {
		log_error("VNI %s: there are two dnsmasq, %d and %d", vni(server), (int)server->pid, (int)pid);
		return;
	}
	r = watch(server, pid, arguments);
	if (r < 0) {
		log_error("VNI %s: cannot take over dnsmasq (%d): %s", vni(server), (int)pid, strerror(-r));
		return;
	}
	server->child = false;
	/* the earlier one may have paused it; see server_pause() */
	if (!server->network->gateway->stopping)
		(void)pidfd_send_signal(server->pidfd, SIGCONT, NULL, 0); /* fails only when it has ended */
	log_info("VNI %s: dnsmasq (%d) of an earlier pvc-gateway was found", vni(server), (int)pid);
}

void server_reload(struct server *server) {
	usec_t age = now_monotonic() - server->started;

	if (server->pid == 0 || server->ending || server->reload)
		return;
	if (age < START_TIME) {
		server->reload = true;
		arm(server, START_TIME - age);
	} else {
		(void)pidfd_send_signal(server->pidfd, SIGHUP, NULL, 0); /* fails only when it has ended */
	}
	log_info("VNI %s: dnsmasq (%d) reads the reservations again", vni(server), (int)server->pid);
}
