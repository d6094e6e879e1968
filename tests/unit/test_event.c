/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "event/event.h"

#define WITHIN deadline_after(60 * USEC_PER_SEC)

/* Runs the loop until *flag or a minute is over. */
static void run_until(sd_event *event, const bool *flag) {
	usec_t deadline = WITHIN;

	while (!*flag) {
		assert_true(deadline_left(deadline) > 0);
		assert_true(sd_event_run(event, deadline_left(deadline)) >= 0);
	}
}

/* ---- worker threads ---- */

struct work {
	int returns;
	int hang[2]; /* a pipe: work() returns when its other end was written to, when set */
	unsigned *order, place;
	pthread_t ran_in;
	bool begun, freed;
};

struct outcome {
	bool done;
	unsigned calls;
	int result;
};

static int do_work(void *arg) {
	struct work *work = arg;
	char byte;

	work->ran_in = pthread_self();
	__atomic_store_n(&work->begun, true, __ATOMIC_RELEASE);
	if (work->hang[0] > 0)
		while (read(work->hang[0], &byte, 1) < 0 && errno == EINTR)
			;
	if (work->order)
		work->place = ++*work->order; /* only with one thread */
	return work->returns;
}

static void on_done(void *arg, int result, void *userdata) {
	struct outcome *outcome = userdata;

	(void)arg;
	outcome->calls++;
	outcome->result = result;
	outcome->done = true;
}

static void on_free(void *arg) {
	struct work *work = arg;

	__atomic_store_n(&work->freed, true, __ATOMIC_RELEASE);
}

static bool is_freed(struct work *work) {
	return __atomic_load_n(&work->freed, __ATOMIC_ACQUIRE);
}

/* Waits without the loop: the one who frees may be a thread. */
static void wait_freed(struct work *work) {
	usec_t deadline = WITHIN;

	while (!is_freed(work)) {
		assert_true(deadline_left(deadline) > 0);
		(void)poll(NULL, 0, 1);
	}
}

static void wait_begun(struct work *work) {
	usec_t deadline = WITHIN;

	while (!__atomic_load_n(&work->begun, __ATOMIC_ACQUIRE)) {
		assert_true(deadline_left(deadline) > 0);
		(void)poll(NULL, 0, 1);
	}
}

struct pool {
	sd_event *event;
	struct workers *workers;
};

static int pool_setup(void **state) {
	struct pool *pool = calloc(1, sizeof(*pool));

	assert_non_null(pool);
	assert_true(sd_event_new(&pool->event) >= 0);
	*state = pool;
	return 0;
}

static int pool_teardown(void **state) {
	struct pool *pool = *state;

	workers_free(pool->workers);
	sd_event_unref(pool->event);
	free(pool);
	return 0;
}

static void submit(struct pool *pool, struct work *work, struct outcome *outcome, usec_t deadline) {
	struct job job = {do_work, on_done, on_free, work, outcome, deadline};

	assert_int_equal(workers_submit(pool->workers, &job), 0);
}

static void a_job_runs_on_another_thread_and_its_result_comes_to_the_loop(void **state) {
	struct pool *pool = *state;
	struct work work = {.returns = -EPERM};
	struct outcome outcome = {0};

	assert_int_equal(workers_new(&pool->workers, pool->event, 2), 0);
	submit(pool, &work, &outcome, WITHIN);
	run_until(pool->event, &outcome.done);
	assert_int_equal(outcome.result, -EPERM);
	assert_true(is_freed(&work));
	assert_false(pthread_equal(work.ran_in, pthread_self()));
	assert_int_equal(workers_stuck(pool->workers), 0);
}

static void jobs_over_the_limit_wait_in_order(void **state) {
	struct pool *pool = *state;
	struct work work[20] = {0};
	struct outcome outcome[20] = {0};
	unsigned order = 0;

	assert_int_equal(workers_new(&pool->workers, pool->event, 1), 0);
	for (unsigned i = 0; i < 20; i++) {
		work[i].order = &order;
		submit(pool, &work[i], &outcome[i], DEADLINE_NEVER);
	}
	for (unsigned i = 0; i < 20; i++) {
		run_until(pool->event, &outcome[i].done);
		assert_int_equal(work[i].place, i + 1);
	}
}

static void a_job_that_hangs_is_reported_at_its_deadline_and_left_behind(void **state) {
	struct pool *pool = *state;
	struct work work = {0}, next = {0};
	struct outcome outcome = {0}, next_outcome = {0};

	assert_int_equal(pipe(work.hang), 0);
	assert_int_equal(workers_new(&pool->workers, pool->event, 1), 0);
	submit(pool, &work, &outcome, deadline_after(20 * USEC_PER_MSEC));
	wait_begun(&work); /* else its turn never came; the loop, which keeps deadlines, does not run yet */
	run_until(pool->event, &outcome.done);
	assert_int_equal(outcome.result, -ETIMEDOUT);
	assert_int_equal(workers_stuck(pool->workers), 1);
	assert_false(is_freed(&work)); /* its thread may still use it */
	/* the only thread hangs: later work has a substitute */
	submit(pool, &next, &next_outcome, WITHIN);
	run_until(pool->event, &next_outcome.done);
	assert_int_equal(next_outcome.result, 0);
	assert_int_equal(write(work.hang[1], "x", 1), 1);
	wait_freed(&work);
	assert_int_equal(outcome.calls, 1);
	(void)close(work.hang[0]);
	(void)close(work.hang[1]);
}

static void a_job_whose_turn_never_came_ends_at_its_deadline_too(void **state) {
	struct pool *pool = *state;
	struct work work = {0}, waits = {0};
	struct outcome outcome = {0}, waits_outcome = {0};

	assert_int_equal(pipe(work.hang), 0);
	assert_int_equal(workers_new(&pool->workers, pool->event, 1), 0);
	submit(pool, &work, &outcome, DEADLINE_NEVER);
	submit(pool, &waits, &waits_outcome, deadline_after(20 * USEC_PER_MSEC));
	run_until(pool->event, &waits_outcome.done);
	assert_int_equal(waits_outcome.result, -ETIMEDOUT);
	assert_true(is_freed(&waits));
	assert_int_equal(workers_stuck(pool->workers), 0);
	assert_int_equal(write(work.hang[1], "x", 1), 1);
	run_until(pool->event, &outcome.done);
	assert_int_equal(outcome.result, 0);
	assert_int_equal(waits_outcome.calls, 1);
	(void)close(work.hang[0]);
	(void)close(work.hang[1]);
}

static void freeing_the_pool_cancels_and_does_not_wait(void **state) {
	struct pool *pool = *state;
	struct work work = {0}, waits = {0};
	struct outcome outcome = {0}, waits_outcome = {0};

	assert_int_equal(pipe(work.hang), 0);
	assert_int_equal(workers_new(&pool->workers, pool->event, 1), 0);
	submit(pool, &work, &outcome, DEADLINE_NEVER);
	submit(pool, &waits, &waits_outcome, DEADLINE_NEVER);
	workers_free(move_ptr(pool->workers));
	assert_int_equal(outcome.result, -ECANCELED);
	assert_int_equal(waits_outcome.result, -ECANCELED);
	assert_true(is_freed(&waits));
	assert_int_equal(write(work.hang[1], "x", 1), 1);
	wait_freed(&work);
	assert_int_equal(outcome.calls, 1);
	(void)close(work.hang[0]);
	(void)close(work.hang[1]);
}

static void free_the_pool(void *arg, int result, void *userdata) {
	struct pool *pool = userdata;

	(void)arg;
	(void)result;
	workers_free(move_ptr(pool->workers));
}

static void the_pool_may_be_freed_by_a_completion(void **state) {
	struct pool *pool = *state;
	struct work work[3] = {0};
	struct outcome outcome = {0};
	struct job job = {do_work, free_the_pool, on_free, &work[0], pool, DEADLINE_NEVER};

	assert_int_equal(workers_new(&pool->workers, pool->event, 1), 0);
	assert_int_equal(workers_submit(pool->workers, &job), 0);
	submit(pool, &work[1], &outcome, DEADLINE_NEVER);
	submit(pool, &work[2], &outcome, DEADLINE_NEVER);
	run_until(pool->event, &outcome.done);
	assert_null(pool->workers);
	assert_int_equal(outcome.calls, 2);
	for (int i = 0; i < 3; i++)
		wait_freed(&work[i]);
}

static void a_thousand_jobs_all_come_back(void **state) {
	enum { MANY = 1000 };
	struct pool *pool = *state;
	struct work *work = calloc(MANY, sizeof(*work));
	struct outcome *outcome = calloc(MANY, sizeof(*outcome));

	assert_non_null(work);
	assert_non_null(outcome);
	assert_int_equal(workers_new(&pool->workers, pool->event, 4), 0);
	for (int i = 0; i < MANY; i++) {
		work[i].returns = -i;
		submit(pool, &work[i], &outcome[i], WITHIN);
	}
	for (int i = 0; i < MANY; i++) {
		run_until(pool->event, &outcome[i].done);
		assert_int_equal(outcome[i].result, -i);
		assert_int_equal(outcome[i].calls, 1);
		assert_true(is_freed(&work[i]));
	}
	free(work);
	free(outcome);
}

/* ---- timers ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	bool *fired = userdata;

	(void)source;
	assert_false(*fired); /* one-shot */
	*fired = true;
	return usec > now_monotonic() ? -EINVAL : 0; /* never early */
}

static void a_timer_fires_once_and_can_be_armed_anew(void **state) {
	struct pool *pool = *state;
	_cleanup_source_ sd_event_source *timer = NULL, *never = NULL;
	bool fired = false, not_fired = false;

	assert_true(event_timer(pool->event, &never, DEADLINE_NEVER, on_timer, &not_fired) >= 0);
	assert_true(event_timer(pool->event, &timer, 0, on_timer, &fired) >= 0);
	run_until(pool->event, &fired);
	fired = false;
	assert_true(event_timer(pool->event, &timer, 10 * USEC_PER_MSEC, on_timer, &fired) >= 0);
	run_until(pool->event, &fired);
	assert_false(not_fired);
}

/* ---- signals and systemd: each in a child, which may change its signals and environment ---- */

static int in_child(int (*function)(void)) {
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(function());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int stop_without_handler(void) {
	struct loop *loop;
	int r;

	if (loop_new(&loop, NULL) < 0)
		return 100;
	(void)raise(SIGTERM);
	r = loop_run(loop);
	loop_free(loop);
	return r;
}

static void a_stop_signal_ends_the_loop(void **state) {
	(void)state;
	assert_int_equal(in_child(stop_without_handler), 0);
}

struct count {
	int stops, reloads;
};

static void on_stop(struct loop *loop, void *userdata) {
	struct count *count = userdata;

	count->stops++;
	(void)raise(SIGINT); /* asked again while stopping: once is enough */
	(void)raise(SIGQUIT);
	(void)raise(SIGHUP);
	(void)loop;
}

static void on_reload(struct loop *loop, void *userdata) {
	struct count *count = userdata;

	count->reloads++;
	if (count->stops > 0)
		loop_exit(loop, 10 * count->stops + count->reloads);
	else
		(void)raise(SIGTERM);
}

static int stop_and_reload(void) {
	struct count count = {0};
	struct loop_options options = {on_stop, on_reload, &count};
	struct loop *loop;
	int r;

	if (loop_new(&loop, &options) < 0)
		return 100;
	(void)raise(SIGPIPE); /* ignored */
	(void)raise(SIGHUP);
	r = loop_run(loop);
	loop_free(loop);
	return r;
}

static void reload_and_stop_reach_their_handlers_and_stop_comes_once(void **state) {
	(void)state;
	assert_int_equal(in_child(stop_and_reload), 12);
}

/* Plays systemd: a datagram socket named in $NOTIFY_SOCKET. Returns how many of the expected texts came. */
static int notifies(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "@pvct-notify-"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), score = 0;
	bool watchdog = false;
	struct loop *loop;
	char text[200];
	ssize_t n;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "@pvct-notify-%d", (int)getpid());
	(void)setenv("NOTIFY_SOCKET", address.sun_path, 1);
	(void)setenv("WATCHDOG_USEC", "100000", 1);
	n = (ssize_t)strlen(address.sun_path);
	address.sun_path[0] = '\0';
	if (bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)) <
		0 ||
	    loop_new(&loop, NULL) < 0)
		return 100;
	loop_ready(loop, "serving");
	loop_ready(loop, "again");
	loop_status(loop, "%d things\nREADY=0", 5);
	loop_stopping(loop);
	for (usec_t deadline = WITHIN; !watchdog && deadline_left(deadline) > 0;) {
		(void)sd_event_run(loop_event(loop), 10 * USEC_PER_MSEC);
		while ((n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
			text[n] = '\0';
			score += str_equal(text, "READY=1\nSTATUS=serving") + str_equal(text, "STATUS=again") +
				 str_equal(text, "STATUS=5 things READY=0") + str_equal(text, "STOPPING=1");
			watchdog |= str_equal(text, "WATCHDOG=1");
		}
	}
	loop_free(loop);
	(void)close(fd);
	return score + (watchdog ? 10 : 0);
}

static void systemd_is_told_readiness_status_stopping_and_life(void **state) {
	(void)state;
	assert_int_equal(in_child(notifies), 14);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_job_runs_on_another_thread_and_its_result_comes_to_the_loop, pool_setup,
					    pool_teardown),
	    cmocka_unit_test_setup_teardown(jobs_over_the_limit_wait_in_order, pool_setup, pool_teardown),
	    cmocka_unit_test_setup_teardown(a_job_that_hangs_is_reported_at_its_deadline_and_left_behind, pool_setup,
					    pool_teardown),
	    cmocka_unit_test_setup_teardown(a_job_whose_turn_never_came_ends_at_its_deadline_too, pool_setup,
					    pool_teardown),
	    cmocka_unit_test_setup_teardown(freeing_the_pool_cancels_and_does_not_wait, pool_setup, pool_teardown),
	    cmocka_unit_test_setup_teardown(the_pool_may_be_freed_by_a_completion, pool_setup, pool_teardown),
	    cmocka_unit_test_setup_teardown(a_thousand_jobs_all_come_back, pool_setup, pool_teardown),
	    cmocka_unit_test_setup_teardown(a_timer_fires_once_and_can_be_armed_anew, pool_setup, pool_teardown),
	    cmocka_unit_test(a_stop_signal_ends_the_loop),
	    cmocka_unit_test(reload_and_stop_reach_their_handlers_and_stop_comes_once),
	    cmocka_unit_test(systemd_is_told_readiness_status_stopping_and_life),
	};
	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
