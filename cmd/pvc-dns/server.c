/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pdns_server, a child that is watched through a pidfd (D68) and that gets its time at the end (D70). It never has
 * root's rights: setpriv gives it those of its own user and the one capability for port 53, and a signal for when this
 * program dies. Its file holds no secret; where the database is and the password it finds in its environment, which
 * only its own user can read (D77).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon.h"
#include "log/log.h"

#define PROGRAM      "/usr/sbin/pdns_server"
#define USER         "pdns" /* of Debian's package */
#define FIRST_PAUSE  (250 * USEC_PER_MSEC)
#define LAST_PAUSE   (30 * USEC_PER_SEC)
#define HEALTHY_TIME (60 * USEC_PER_SEC) /* one that ran for so long starts with the first pause again */
#define STEADY_TIME  (5 * USEC_PER_SEC)  /* after a failure: one that runs for so long is said to run again */

struct server {
	struct daemon *daemon;
	char *directory, *log;
	pid_t pid; /* 0: none */
	int pidfd;
	bool allowed, ending;
	unsigned failures;
	usec_t started;
	sd_event_source *exit, *timer;
	char *said; /* the failure that was named in the log */
};

static void start(struct server *server);

/* Once, not at every try. */
static void say(struct server *server, const char *text) {
	if (str_equal(text, server->said))
		return;
	log_warning("%s; tried again", text);
	free(server->said);
	server->said = strdup(text); /* without memory it is named again */
}

/* ---- its configuration ----------------------------------------------------------------------------------------- */

/* "only-notify" and "allow-axfr-ips" take networks, "also-notify" single addresses: the others are found by the zone's
 * NS records. */
static int transfer_lists(const struct strlist *ranges, char **ret_all, char **ret_single) {
	_cleanup_strlist_ struct strlist single = {0};
	int r = 0;

	for (size_t i = 0; i < ranges->count && r >= 0; i++)
		if (!strchr(ranges->items[i], '/'))
			r = strlist_add(&single, ranges->items[i]);
	if (r < 0)
		return r;
	*ret_all = strlist_join(ranges, ",");
	*ret_single = strlist_join(&single, ",");
	return *ret_all && *ret_single ? 0 : -ENOMEM;
}

static char *configuration(const struct server *server) {
	const struct config *config = server->daemon->config;
	_cleanup_free_ char *transfer = NULL, *notify = NULL;
	char cluster[IP_PREFIX_TEXT], upstream[IP_PREFIX_TEXT];

	if (transfer_lists(&config->zone_transfer, &transfer, &notify) < 0)
		return NULL;
	ip_prefix_format(&config->cluster.floating_ip, false, cluster);
	ip_prefix_format(&config->upstream.floating_ip, false, upstream);
	/* zone-cache: 0, new zones are served at once. The short caches are what a change may take. Nothing is asked of
	 * the outside (security-poll-suffix). Bound also while pvc-floating has not set the addresses yet. */
	return str_printf("# Written by pvc-dns at each start of pdns_server.\n"
			  "launch=gpgsql\n"
			  "gpgsql-dnssec=no\n"
			  "gpgsql-dbname=\ngpgsql-user=\ngpgsql-host=\ngpgsql-password=\n"
			  "local-address=%s%s%s\n"
			  "local-port=53\n"
			  "non-local-bind=yes\n"
			  "socket-dir=%s\n"
			  "daemon=no\nguardian=no\nwrite-pid=no\n"
			  "disable-syslog=yes\nlog-timestamp=yes\nloglevel=4\n"
			  "security-poll-suffix=\n"
			  "version-string=anonymous\n"
			  "primary=%s\nsecondary=no\n"
			  "disable-axfr=%s\nallow-axfr-ips=%s\nonly-notify=%s\nalso-notify=%s\n"
			  "xfr-cycle-interval=10\n"
			  "zone-cache-refresh-interval=0\ncache-ttl=3\nquery-cache-ttl=3\nnegquery-cache-ttl=3\n"
			  "receiver-threads=1\ndistributor-threads=2\n",
			  cluster, str_equal(cluster, upstream) ? "" : ",",
			  str_equal(cluster, upstream) ? "" : upstream, server->directory,
			  config->zone_transfer.count ? "yes" : "no", config->zone_transfer.count ? "no" : "yes",
			  transfer, transfer, notify);
}

/* The directory is the server's to make its control socket in, the file is not its to change. */
static int write_configuration(const struct server *server, const struct passwd *user) {
	_cleanup_free_ char *path = str_printf("%s/pdns.conf", server->directory), *text = configuration(server);
	int r;

	if (!path || !text)
		return -ENOMEM;
	r = dir_make(server->directory, 0770);
	if (r < 0)
		return r;
	if (user && chown(server->directory, 0, user->pw_gid) < 0)
		return -errno;
	if (chmod(server->directory, 01770) < 0)
		return -errno;
	r = file_write_atomic(path, text, strlen(text), 0640);
	if (r >= 0 && user && chown(path, 0, user->pw_gid) < 0)
		r = -errno;
	return r;
}

/* ---- its end --------------------------------------------------------------------------------------------------- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	struct server *server = userdata;

	(void)source;
	(void)usec;
	if (server->pid > 0 && server->ending) {
		log_warning("pdns_server (%d) did not end within %u s: killed", (int)server->pid,
			    (unsigned)(STOP_TIME / USEC_PER_SEC));
		(void)pidfd_send_signal(server->pidfd, SIGKILL, NULL, 0); /* it is ours: fails only when it has ended */
	} else if (server->pid == 0) {
		start(server);
	} else if (server->said) {
		log_ok("pdns_server (%d) runs again", (int)server->pid);
		free(move_ptr(server->said));
	}
	return 0;
}

static void arm(struct server *server, usec_t delay) {
	if (event_timer(loop_event(server->daemon->loop), &server->timer, delay, on_timer, server) < 0)
		log_error("cannot set a timer");
}

static void start_later(struct server *server) {
	usec_t delay = FIRST_PAUSE;

	if (now_monotonic() - server->started > HEALTHY_TIME)
		server->failures = 0;
	for (unsigned i = 0; i < server->failures && delay < LAST_PAUSE; i++)
		delay *= 2;
	server->failures++;
	arm(server, delay < LAST_PAUSE ? delay : LAST_PAUSE);
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct server *server = userdata;
	_cleanup_free_ char *text = NULL;
	siginfo_t info = {0};

	(void)source;
	(void)events;
	(void)waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG); /* readable: it has ended */
	text = str_printf("pdns_server ended %s %d: see %s", info.si_code == CLD_EXITED ? "with status" : "by signal",
			  info.si_status, server->log);
	if (server->ending) {
		log_info("pdns_server (%d) ended", (int)server->pid);
	} else {
		say(server, text ? text : "pdns_server ended");
	}
	server->exit = sd_event_source_disable_unref(server->exit);
	(void)close(server->pidfd); /* nothing was written */
	server->pidfd = -1;
	server->pid = 0;
	if (!server->ending)
		start_later(server);
	else
		daemon_try_end(server->daemon);
	return 0;
}

/* ---- its start ------------------------------------------------------------------------------------------------- */

static int make_environment(const struct config_database *database, struct strlist *ret) {
	int r = strlist_add(ret, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");

	if (r >= 0)
		r = strlist_add(ret, "LC_ALL=C");
	if (r >= 0)
		r = strlist_addf(ret, "PGHOST=%s", database->host);
	if (r >= 0)
		r = strlist_addf(ret, "PGPORT=%llu", (unsigned long long)database->port);
	if (r >= 0)
		r = strlist_addf(ret, "PGDATABASE=%s", database->name);
	if (r >= 0)
		r = strlist_addf(ret, "PGUSER=%s", database->user);
	if (r >= 0)
		r = strlist_addf(ret, "PGPASSWORD=%s", database->pass);
	if (r >= 0)
		r = strlist_addf(ret, "PGSSLMODE=%s", database->sslmode);
	if (r >= 0 && database->sslrootcert)
		r = strlist_addf(ret, "PGSSLROOTCERT=%s", database->sslrootcert);
	if (r >= 0)
		r = strlist_add(ret, "PGCONNECT_TIMEOUT=5");
	return r < 0 ? r : strlist_add(ret, "PGAPPNAME=pdns_server");
}

static int make_arguments(const struct server *server, const struct passwd *user, struct strlist *ret) {
	static const char *const drop[] = {"setpriv",
					   "--reuid=" USER,
					   "--regid=" USER,
					   "--init-groups",
					   "--inh-caps=-all,+net_bind_service",
					   "--ambient-caps=-all,+net_bind_service",
					   "--no-new-privs",
					   "--pdeathsig=TERM"};
	static const char *const keep[] = {"setpriv", "--pdeathsig=TERM"}; /* not root: as who we are */
	const char *const *words = user ? drop : keep;
	int r = 0;

	for (size_t i = 0; i < (user ? ARRAY_SIZE(drop) : ARRAY_SIZE(keep)) && r >= 0; i++)
		r = strlist_add(ret, words[i]);
	if (r >= 0)
		r = strlist_add(ret, PROGRAM);
	return r < 0 ? r : strlist_addf(ret, "--config-dir=%s", server->directory);
}

/* A process group of its own: what an operator types at a terminal does not reach it past us. */
static int spawn(const struct server *server, const struct strlist *arguments, const struct strlist *environment,
		 pid_t *ret) {
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
			r = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, server->log,
							     O_WRONLY | O_CREAT | O_APPEND, 0640);
		if (r == 0)
			r = posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
		if (r == 0)
			r = posix_spawnattr_setsigmask(&attributes, &none);
		if (r == 0)
			r = posix_spawnattr_setsigdefault(&attributes, &all);
		if (r == 0)
			r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
								      POSIX_SPAWN_SETPGROUP);
		if (r == 0)
			r = posix_spawnp(ret, arguments->items[0], &files, &attributes, arguments->items,
					 environment->items);
		(void)posix_spawnattr_destroy(&attributes); /* always 0 */
	}
	(void)posix_spawn_file_actions_destroy(&files); /* always 0 */
	return -r;
}

static int try_start(struct server *server, const struct passwd *user) {
	_cleanup_strlist_ struct strlist arguments = {0}, environment = {0};
	pid_t pid = 0;
	int r = make_arguments(server, user, &arguments), fd;

	if (r >= 0)
		r = make_environment(&server->daemon->config->dns_database, &environment);
	if (r >= 0)
		r = write_configuration(server, user);
	if (r >= 0)
		r = spawn(server, &arguments, &environment, &pid);
	if (r < 0)
		return r;
	fd = pidfd_open(pid, 0);
	r = fd < 0 ? -errno
		   : sd_event_add_io(loop_event(server->daemon->loop), &server->exit, fd, POLLIN, on_end, server);
	if (r < 0) { /* one that cannot be watched is not left behind */
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	server->pid = pid;
	server->pidfd = fd;
	return 0;
}

static void start(struct server *server) {
	const struct passwd *user = geteuid() == 0 ? getpwnam(USER) : NULL;
	_cleanup_free_ char *text = NULL;
	int r = 0;

	if (!server->allowed || server->ending || server->pid > 0)
		return;
	server->started = now_monotonic();
	if (access(PROGRAM, X_OK) < 0)
		text = strdup(PROGRAM " is not there: the zones are written, but nobody serves them on this node "
				      "(packages pdns-server and pdns-backend-pgsql)");
	else if (geteuid() == 0 && !user)
		text = strdup("there is no user " USER ": pdns_server cannot be started (package pdns-server)");
	else
		r = try_start(server, user);
	if (r < 0)
		text = str_printf("cannot start pdns_server: %s", strerror(-r));
	if (server->pid > 0) {
		if (server->said)
			arm(server, STEADY_TIME);
		else
			log_info("pdns_server (%d) was started", (int)server->pid);
		return;
	}
	say(server, text ? text : "cannot start pdns_server");
	start_later(server);
}

/* ---- for the others -------------------------------------------------------------------------------------------- */

void server_allow(struct server *server) {
	if (server->allowed)
		return;
	server->allowed = true;
	start(server);
}

bool server_is_running(const struct server *server) {
	return server && server->pid > 0;
}

void server_end(struct server *server) {
	if (!server)
		return;
	server->ending = true;
	if (server->pid == 0)
		return;
	arm(server, STOP_TIME);
	if (pidfd_send_signal(server->pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		log_error("cannot end pdns_server (%d): %s", (int)server->pid, strerror(errno));
}

int server_start(struct daemon *daemon) {
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	daemon->server = server;
	server->daemon = daemon;
	server->pidfd = -1;
	server->directory = str_printf("%s/pdns", daemon->config->dynamic_directory);
	server->log = str_printf("%s/pdns/pdns.log", daemon->config->log_directory);
	return server->directory && server->log ? 0 : -ENOMEM;
}

void server_stop(struct daemon *daemon) {
	struct server *server = daemon->server;

	if (!server)
		return;
	(void)sd_event_source_disable_unref(server->exit); /* both return NULL */
	(void)sd_event_source_disable_unref(server->timer);
	if (server->pidfd >= 0)
		(void)close(server->pidfd);
	free(server->directory);
	free(server->log);
	free(server->said);
	free(server);
	daemon->server = NULL;
}
