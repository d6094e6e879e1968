/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages from worker threads to the loop, and pauses of threads that the end of the daemon cuts short. */
#include <pthread.h>
#include <sys/eventfd.h>

#include "daemon.h"

struct letter {
	struct letter *next;
	const struct task *task; /* only compared: the task may have ended */
	char *text;
};

/* Left behind when threads still use it at the end. */
struct mailbox {
	struct daemon *daemon;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	struct letter *first, **last;
	int wake;
	bool stopping;
	sd_event_source *source;
};

static void deliver(struct daemon *daemon, const struct letter *letter) {
	struct task *task = daemon->tasks;

	while (task && task != letter->task)
		task = task->next;
	if (!task)
		return;
	log_info("'%s': %s", task_label(task), letter->text);
	if (task->ended) /* its last word is being recorded */
		return;
	free(task->step);
	task->step = strdup(letter->text);
	record_write(task, "running", NULL);
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct mailbox *box = userdata;
	uint64_t count;

	(void)source;
	(void)events;
	(void)!read(fd, &count, sizeof(count)); /* only wakes */
	for (;;) {
		struct letter *letter;

		(void)pthread_mutex_lock(&box->lock);
		letter = box->first;
		if (letter) {
			box->first = letter->next;
			if (!box->first)
				box->last = &box->first;
		}
		(void)pthread_mutex_unlock(&box->lock);
		if (!letter)
			return 0;
		deliver(box->daemon, letter);
		free(letter->text);
		free(letter);
	}
}

int mail_start(struct daemon *daemon) {
	struct mailbox *box = calloc(1, sizeof(*box));
	pthread_condattr_t attributes;

	if (!box)
		return -ENOMEM;
	box->daemon = daemon;
	box->last = &box->first;
	(void)pthread_mutex_init(&box->lock, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&box->stop, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	box->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	daemon->mailbox = box;
	return box->wake < 0 ? -errno : sd_event_add_io(daemon->event, &box->source, box->wake, EPOLLIN, on_wake, box);
}

void mail_stop(struct daemon *daemon) {
	struct mailbox *box = daemon->mailbox;

	if (!box)
		return;
	box->source = sd_event_source_disable_unref(box->source);
	(void)pthread_mutex_lock(&box->lock);
	box->stopping = true;
	(void)pthread_cond_broadcast(&box->stop);
	(void)pthread_mutex_unlock(&box->lock);
}

static void post(struct task *task, char *text) {
	struct mailbox *box = task->daemon->mailbox;
	struct letter *letter = calloc(1, sizeof(*letter));
	uint64_t one = 1;

	if (!letter || !text) {
		free(letter);
		free(text);
		return;
	}
	*letter = (struct letter){.task = task, .text = text};
	(void)pthread_mutex_lock(&box->lock);
	*box->last = letter;
	box->last = &letter->next;
	(void)pthread_mutex_unlock(&box->lock);
	while (write(box->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void mail_step(struct task *task, const char *format, ...) {
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	post(task, text);
}

bool mail_pause(struct task *task, usec_t duration) {
	struct mailbox *box = task->daemon->mailbox;
	usec_t end = now_monotonic() + duration;
	struct timespec until = {.tv_sec = (time_t)(end / USEC_PER_SEC), .tv_nsec = (long)(end % USEC_PER_SEC) * 1000};
	bool stopping;

	(void)pthread_mutex_lock(&box->lock);
	while (!box->stopping && now_monotonic() < end)
		(void)pthread_cond_timedwait(&box->stop, &box->lock, &until);
	stopping = box->stopping;
	(void)pthread_mutex_unlock(&box->lock);
	return !stopping;
}
