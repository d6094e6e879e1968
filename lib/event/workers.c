/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Worker threads for calls that block. The pool is shared between the loop and its threads and counted: a thread that
 * hangs in a call keeps its share, and the memory of its job, for as long as it hangs, also after workers_free().
 *
 * A job is "settled" once done() was called (or the pool was freed) and "returned" once work() came back (or will never
 * be called). Whoever does the second of the two frees it.
 */
#include "event/event.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

struct task {
	struct task *next;      /* in waiting or finished, under the lock */
	struct task *all_next;  /* list of unsettled tasks, loop only */
	struct task **all_link; /* what points to this task in that list */
	struct job job;
	int result;
	bool settled, started, returned; /* under the lock */
	sd_event_source *timer;
	struct pool *pool; /* valid until settled */
};

struct queue {
	struct task *first, **last;
	unsigned count;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	unsigned references;
	struct queue waiting, finished;
	unsigned max, threads, idle, stuck;
	int wake; /* eventfd */
	bool closed;
};

struct workers {
	struct pool *pool;
	sd_event *event;
	sd_event_source *wake;
	struct task *all; /* not settled yet */
	bool *freed;      /* set by workers_free() while a done() runs */
};

static void queue_push(struct queue *queue, struct task *task) {
	task->next = NULL;
	*queue->last = task;
	queue->last = &task->next;
	queue->count++;
}

static struct task *queue_pop(struct queue *queue) {
	struct task *task = queue->first;

	if (!task)
		return NULL;
	queue->first = task->next;
	queue->count--;
	if (!queue->first)
		queue->last = &queue->first;
	return task;
}

static void queue_remove(struct queue *queue, struct task *task) {
	for (struct task **p = &queue->first; *p; p = &(*p)->next)
		if (*p == task) {
			*p = task->next;
			queue->count--;
			if (!*p)
				queue->last = p;
			return;
		}
}

static void task_free(struct task *task) {
	if (task->job.free_arg)
		task->job.free_arg(task->job.arg);
	free(task);
}

/* Called with the lock held, which it releases. */
static void pool_unref_unlock(struct pool *pool) {
	bool last = --pool->references == 0;

	(void)pthread_mutex_unlock(&pool->lock);
	if (!last)
		return;
	(void)pthread_mutex_destroy(&pool->lock);
	(void)pthread_cond_destroy(&pool->work);
	(void)close(pool->wake);
	free(pool);
}

/* The thread's half of the end of a job. Called with the lock held; may drop and retake it. */
static void task_returned(struct pool *pool, struct task *task, int result) {
	uint64_t one = 1;

	task->result = result;
	task->returned = true;
	if (!task->settled) {
		queue_push(&pool->finished, task);
		while (write(pool->wake, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		return;
	}
	pool->stuck--;
	(void)pthread_mutex_unlock(&pool->lock);
	task_free(task);
	(void)pthread_mutex_lock(&pool->lock);
}

static void *worker_main(void *argument) {
	struct pool *pool = argument;

	(void)pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct task *task;
		int r;

		pool->idle++;
		while (!pool->waiting.first && !pool->closed)
			(void)pthread_cond_wait(&pool->work, &pool->lock);
		pool->idle--;
		if (pool->closed)
			break;
		task = queue_pop(&pool->waiting);
		task->started = true;
		(void)pthread_mutex_unlock(&pool->lock);
		r = task->job.work(task->job.arg);
		(void)pthread_mutex_lock(&pool->lock);
		task_returned(pool, task, r);
	}
	pool->threads--;
	pool_unref_unlock(pool);
	return NULL;
}

/* Called with the lock held. */
static int thread_start(struct pool *pool) {
	pthread_attr_t attributes;
	sigset_t all, old;
	pthread_t thread;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the loop's */
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attributes, worker_main, pool);
	(void)pthread_attr_destroy(&attributes);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		return -r;
	pool->threads++;
	pool->references++;
	return 0;
}

/* One more thread when more waits than threads are idle. Threads that hang past a deadline do not count against the
 * maximum, so that hung calls do not stop all later work; as many again may hang. Called with the lock held. */
static int thread_add(struct pool *pool) {
	unsigned stuck = pool->stuck < pool->max ? pool->stuck : pool->max;
	int r = 0;

	if (pool->waiting.count > pool->idle && pool->threads < pool->max + stuck)
		r = thread_start(pool);
	return pool->threads > pool->stuck ? 0 : r; /* those that there are will get to it */
}

static void task_unlink(struct task *task) {
	*task->all_link = task->all_next;
	if (task->all_next)
		task->all_next->all_link = task->all_link;
	task->timer = sd_event_source_disable_unref(task->timer);
}

/* The loop's half of the end of a job: done(), then free it unless its thread still runs. done() may free the workers,
 * so nothing of them is touched after it, and the pool is held. */
static void task_settle(struct pool *pool, struct task *task, int result) {
	bool returned;

	task_unlink(task);
	(void)pthread_mutex_lock(&pool->lock);
	pool->references++;
	(void)pthread_mutex_unlock(&pool->lock);
	task->job.done(task->job.arg, result, task->job.userdata);
	(void)pthread_mutex_lock(&pool->lock);
	task->settled = true;
	returned = task->returned;
	if (!returned) {
		pool->stuck++;
		if (!pool->closed)
			(void)thread_add(pool); /* without it, what waits goes on when a thread comes back */
	}
	pool_unref_unlock(pool);
	if (returned)
		task_free(task);
}

/* Takes a job that no thread works on out of its queue. False when a thread has it. */
static bool task_take_back(struct pool *pool, struct task *task, bool *ret_finished) {
	bool mine;

	(void)pthread_mutex_lock(&pool->lock);
	*ret_finished = task->returned;
	queue_remove(task->returned ? &pool->finished : &pool->waiting, task);
	mine = task->returned || !task->started;
	task->returned = mine;
	(void)pthread_mutex_unlock(&pool->lock);
	return mine;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	struct task *task = userdata;
	bool finished;

	(void)source;
	(void)usec;
	(void)task_take_back(task->pool, task, &finished);
	task_settle(task->pool, task, finished ? task->result : -ETIMEDOUT);
	return 0;
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct workers *workers = userdata;
	struct pool *pool = workers->pool;
	bool freed = false;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	workers->freed = &freed;
	while (!freed) {
		struct task *task;

		(void)pthread_mutex_lock(&pool->lock);
		task = queue_pop(&pool->finished);
		(void)pthread_mutex_unlock(&pool->lock);
		if (!task)
			break;
		task_settle(pool, task, task->result);
	}
	if (!freed)
		workers->freed = NULL;
	return 0;
}

static struct pool *pool_new(unsigned max) {
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->wake < 0) {
		free(pool);
		return NULL;
	}
	(void)pthread_mutex_init(&pool->lock, NULL); /* default attributes: cannot fail */
	(void)pthread_cond_init(&pool->work, NULL);
	pool->waiting.last = &pool->waiting.first;
	pool->finished.last = &pool->finished.first;
	pool->references = 1;
	pool->max = max;
	return pool;
}

int workers_new(struct workers **ret, sd_event *event, unsigned max) {
	struct workers *workers;
	int r;

	if (max == 0)
		return -EINVAL;
	workers = calloc(1, sizeof(*workers));
	if (!workers)
		return -ENOMEM;
	workers->event = sd_event_ref(event);
	workers->pool = pool_new(max);
	r = workers->pool ? sd_event_add_io(event, &workers->wake, workers->pool->wake, EPOLLIN, on_wake, workers)
			  : -ENOMEM;
	if (r < 0) {
		workers_free(workers);
		return r;
	}
	*ret = workers;
	return 0;
}

void workers_free(struct workers *workers) {
	struct pool *pool;

	if (!workers)
		return;
	pool = workers->pool;
	workers->wake = sd_event_source_disable_unref(workers->wake);
	if (workers->freed)
		*workers->freed = true;
	if (pool) {
		(void)pthread_mutex_lock(&pool->lock);
		pool->closed = true;
		(void)pthread_cond_broadcast(&pool->work);
		(void)pthread_mutex_unlock(&pool->lock);
		while (workers->all) {
			struct task *task = workers->all;
			bool finished;

			(void)task_take_back(pool, task, &finished);
			task_settle(pool, task, -ECANCELED);
		}
		(void)pthread_mutex_lock(&pool->lock);
		pool_unref_unlock(pool);
	}
	sd_event_unref(workers->event);
	free(workers);
}

int workers_submit(struct workers *workers, const struct job *job) {
	struct pool *pool = workers->pool;
	struct task *task;
	int r = 0;

	if (pool->closed) /* from a done() that workers_free() calls */
		return -ECANCELED;
	task = calloc(1, sizeof(*task));
	if (!task)
		return -ENOMEM;
	task->job = *job;
	task->pool = pool;
	if (job->deadline != DEADLINE_NEVER)
		r = sd_event_add_time(workers->event, &task->timer, CLOCK_MONOTONIC, job->deadline, 1, on_deadline,
				      task);
	if (r < 0) {
		free(task);
		return r;
	}
	task->all_next = workers->all;
	task->all_link = &workers->all;
	if (workers->all)
		workers->all->all_link = &task->all_next;
	workers->all = task;
	(void)pthread_mutex_lock(&pool->lock);
	queue_push(&pool->waiting, task);
	r = thread_add(pool);
	if (r < 0)
		queue_remove(&pool->waiting, task);
	else
		(void)pthread_cond_signal(&pool->work);
	(void)pthread_mutex_unlock(&pool->lock);
	if (r < 0) {
		task_unlink(task);
		free(task);
	}
	return r;
}

unsigned workers_stuck(const struct workers *workers) {
	struct pool *pool = workers->pool;
	unsigned stuck;

	(void)pthread_mutex_lock(&pool->lock);
	stuck = pool->stuck;
	(void)pthread_mutex_unlock(&pool->lock);
	return stuck;
}
