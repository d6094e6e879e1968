/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "say.h"

#include <pthread.h>
#include <time.h>

struct line {
	enum log_level level;
	char *text; /* NULL: open the log anew */
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	bool running, stopping;
	const struct config *config;
	struct line lines[SAY_QUEUE]; /* a ring */
	size_t first, count, dropped;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void write_line(struct line *line) {
	int r;

	if (line->text) {
		log_message(line->level, "%s", line->text);
		free(line->text);
		return;
	}
	r = log_reopen();
	if (r < 0)
		log_error("cannot open the log file anew: %s", strerror(-r));
}

/* The next line; false when there is none any more and the program ends. */
static bool take(struct line *ret, size_t *ret_dropped) {
	bool found;

	pthread_mutex_lock(&queue.mutex);
	while (queue.count == 0 && !queue.stopping)
		pthread_cond_wait(&queue.changed, &queue.mutex);
	found = queue.count > 0;
	if (found) {
		*ret = queue.lines[queue.first];
		queue.first = (queue.first + 1) % SAY_QUEUE;
		queue.count--;
	}
	*ret_dropped = queue.dropped;
	queue.dropped = 0;
	pthread_mutex_unlock(&queue.mutex);
	return found;
}

static void *writer(void *unused) {
	struct line line;
	size_t dropped;
	int r = log_open(queue.config);

	(void)unused;
	if (r < 0)
		log_warning("cannot open the log file in %s: %s: logging goes on without it",
			    queue.config->log_directory, strerror(-r));
	while (take(&line, &dropped)) {
		if (dropped > 0)
			log_warning("%zu lines were dropped: the log could not be written", dropped);
		write_line(&line);
	}
	return NULL;
}

static void put(enum log_level level, char *text) {
	pthread_mutex_lock(&queue.mutex);
	if (queue.count == SAY_QUEUE) {
		queue.dropped++;
		free(text);
	} else {
		queue.lines[(queue.first + queue.count++) % SAY_QUEUE] = (struct line){level, text};
		pthread_cond_signal(&queue.changed);
	}
	pthread_mutex_unlock(&queue.mutex);
}

int say_start(const struct config *config) {
	int r;

	queue.config = config;
	r = pthread_create(&queue.thread, NULL, writer, NULL);
	queue.running = r == 0;
	return -r;
}

void say_stop(usec_t deadline) {
	usec_t left = deadline_left(deadline);
	struct timespec until;

	if (!queue.running)
		return;
	pthread_mutex_lock(&queue.mutex);
	queue.stopping = true;
	pthread_cond_signal(&queue.changed);
	pthread_mutex_unlock(&queue.mutex);
	if (clock_gettime(CLOCK_MONOTONIC, &until) < 0)
		return;
	until.tv_sec += (time_t)(left / USEC_PER_SEC);
	until.tv_nsec += (long)(left % USEC_PER_SEC) * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	/* a writer that hangs is left behind: the process ends with it */
	(void)pthread_clockjoin_np(queue.thread, NULL, CLOCK_MONOTONIC, &until);
	queue.running = false;
}

void say_reopen(void) {
	if (queue.running)
		put(LOG_LEVEL_DEBUG, NULL);
}

void say(enum log_level level, const char *format, ...) {
	char *text = NULL;
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return; /* no memory: a heartbeat is worth more than its line */
	if (queue.running) {
		put(level, text);
		return;
	}
	log_message(level, "%s", text);
	free(text);
}
