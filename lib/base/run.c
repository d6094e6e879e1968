/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Child processes: fork through posix_spawn, three pipes, one poll loop until the child has ended and all is read. */
#include "base/base.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

#define ABANDON_LOOK_MS 50

void run_result_free(struct run_result *result) {
	free(result->output);
	free(result->error);
	*result = (struct run_result){0};
}

struct pipes {
	int in[2], out[2], err[2];
};

static void close_pair(int pair[2]) {
	base_closep(&pair[0]);
	base_closep(&pair[1]);
	pair[0] = pair[1] = -1;
}

static void pipes_close(struct pipes *p) {
	close_pair(p->in);
	close_pair(p->out);
	close_pair(p->err);
}

/* The environment with LC_ALL=C and what is added, which comes first and so hides what has the same name; borrowed
 * strings but for the first. */
static char **environment_c(const char *const *added) {
	static char locale[] = "LC_ALL=C";
	size_t n = 0, more = 0, used = 0;
	char **env;

	while (environ && environ[n])
		n++;
	while (added && added[more])
		more++;
	env = calloc(n + more + 2, sizeof(*env));
	if (!env)
		return NULL;
	env[used++] = locale;
	for (size_t i = 0; i < more; i++)
		env[used++] = (char *)added[i];
	for (size_t i = 0; i < n; i++)
		if (!str_starts(environ[i], "LC_ALL=") && !str_starts(environ[i], "LANG="))
			env[used++] = environ[i];
	return env;
}

static int spawn(const char *const argv[], const char *const *environment, const struct pipes *p, pid_t *ret) {
	_cleanup_free_ char **env = environment_c(environment);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	if (!env)
		return -ENOMEM;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	if ((r = posix_spawn_file_actions_adddup2(&actions, p->in[0], STDIN_FILENO)) == 0 &&
	    (r = posix_spawn_file_actions_adddup2(&actions, p->out[1], STDOUT_FILENO)) == 0 &&
	    (r = posix_spawn_file_actions_adddup2(&actions, p->err[1], STDERR_FILENO)) == 0 &&
	    (r = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
	    (r = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
	    (r = posix_spawnattr_setpgroup(&attributes, 0)) == 0 &&
	    (r = posix_spawnattr_setflags(&attributes,
					  POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP)) == 0)
		r = posix_spawnp(ret, argv[0], &actions, &attributes, (char *const *)argv, env);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Reads what is there into buffer (keeping RUN_OUTPUT_MAX bytes); closes *fd at its end. */
static int drain(int *fd, struct strbuf *buffer) {
	char chunk[8192];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0) {
		base_closep(fd);
		*fd = -1;
		return 0;
	}
	if (buffer->length < RUN_OUTPUT_MAX) {
		size_t room = RUN_OUTPUT_MAX - buffer->length;

		return strbuf_add(buffer, chunk, (size_t)n < room ? (size_t)n : room);
	}
	return 0;
}

/* Writes more of *input; closes *fd when all was written or the child reads no more. */
static void feed(int *fd, const char **input) {
	size_t left = strlen(*input);
	ssize_t n = left > 0 ? write(*fd, *input, left) : 0;

	if (n > 0)
		*input += n;
	if (!**input || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		base_closep(fd);
		*fd = -1;
	}
}

static int exchange(struct pipes *p, int child, const struct run_options *options, struct strbuf *out,
		    struct strbuf *err) {
	const char *input = options->input ? options->input : "";

	for (;;) {
		struct pollfd fds[] = {
		    {.fd = p->out[0], .events = POLLIN},
		    {.fd = p->err[0], .events = POLLIN},
		    {.fd = p->in[1], .events = POLLOUT},
		    {.fd = child, .events = POLLIN},
		};
		int wait = deadline_poll_ms(options->deadline), r;

		if (options->abandon && atomic_load(options->abandon))
			return -ECANCELED;
		if (options->abandon && (wait < 0 || wait > ABANDON_LOOK_MS))
			wait = ABANDON_LOOK_MS;
		r = poll(fds, ARRAY_SIZE(fds), wait);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0 && deadline_left(options->deadline) > 0)
			continue;
		if (r == 0)
			return -ETIMEDOUT;
		if (fds[0].revents && (r = drain(&p->out[0], out)) < 0)
			return r;
		if (fds[1].revents && (r = drain(&p->err[0], err)) < 0)
			return r;
		if (fds[2].revents)
			feed(&p->in[1], &input);
		/* a grandchild may keep the outputs open; what the child itself wrote is in the pipes by now */
		if (fds[3].revents && !fds[0].revents && !fds[1].revents)
			return 0;
	}
}

static int reap(pid_t pid, int *ret_status) {
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

int run_command_with(const char *const argv[], const struct run_options *options, struct run_result *ret) {
	struct pipes p = {{-1, -1}, {-1, -1}, {-1, -1}};
	_cleanup_strbuf_ struct strbuf out = {0}, err = {0};
	_cleanup_close_ int child = -1;
	struct run_result result = {0};
	sigset_t blocked, old;
	pid_t pid = -1;
	int r, reaped;

	/* one that is called off in the moment in which it begins may have done its work all the same */
	if (options->abandon && atomic_load(options->abandon))
		return -ECANCELED;
	if (deadline_left(options->deadline) == 0)
		return -ETIMEDOUT;
	if (pipe2(p.in, O_CLOEXEC) < 0 || pipe2(p.out, O_CLOEXEC) < 0 || pipe2(p.err, O_CLOEXEC) < 0) {
		r = -errno;
		pipes_close(&p);
		return r;
	}
	r = spawn(argv, options->environment, &p, &pid);
	base_closep(&p.in[0]);
	base_closep(&p.out[1]);
	base_closep(&p.err[1]);
	p.in[0] = p.out[1] = p.err[1] = -1;
	if (r < 0) {
		pipes_close(&p);
		return r;
	}
	/* a child that does not read its input must not kill us */
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &blocked, &old);
	(void)fcntl(p.in[1], F_SETFL, O_NONBLOCK);
	child = (int)syscall(SYS_pidfd_open, pid, 0);
	r = child < 0 ? -errno : exchange(&p, child, options, &out, &err);
	pipes_close(&p);
	if (r < 0)
		(void)kill(-pid, SIGKILL); /* the whole group, so that nothing of it stays */
	reaped = reap(pid, &result.status);
	if (!sigismember(&old, SIGPIPE)) { /* take a pending SIGPIPE before it is let through again */
		struct timespec zero = {0};

		while (sigtimedwait(&blocked, NULL, &zero) > 0)
			;
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (r < 0)
		return r;
	if (reaped < 0)
		return reaped;
	result.output = strbuf_steal(&out);
	result.error = strbuf_steal(&err);
	if (!result.output || !result.error) {
		run_result_free(&result);
		return -ENOMEM;
	}
	*ret = result;
	return 0;
}

int run_command(const char *const argv[], const char *input, usec_t deadline, struct run_result *ret) {
	return run_command_with(argv, &(struct run_options){.input = input, .deadline = deadline}, ret);
}
