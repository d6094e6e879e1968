/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The queue from libvirt's threads to the program's loop, and the thread that runs libvirt's own loop. */
#include "virt/internal.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

int post_new(struct post **ret, const char *uri) {
	struct post *post = calloc(1, sizeof(*post));

	if (!post)
		return -ENOMEM;
	post->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (post->fd < 0) {
		int r = -errno;

		free(post);
		return r;
	}
	post->uri = strdup(uri);
	if (!post->uri) {
		(void)close(post->fd);
		free(post);
		return -ENOMEM;
	}
	(void)pthread_mutex_init(&post->lock, NULL); /* default attributes: cannot fail */
	post->references = 1;
	post->last = &post->first;
	*ret = post;
	return 0;
}

struct post *post_ref(struct post *post) {
	(void)pthread_mutex_lock(&post->lock);
	post->references++;
	(void)pthread_mutex_unlock(&post->lock);
	return post;
}

void post_unref(void *argument) {
	struct post *post = argument;
	bool last;

	(void)pthread_mutex_lock(&post->lock);
	last = --post->references == 0;
	(void)pthread_mutex_unlock(&post->lock);
	if (!last)
		return;
	(void)pthread_mutex_destroy(&post->lock);
	(void)close(post->fd);
	link_close_all(post->idle); /* none, unless a call came back just while virt_free() ran */
	free(post->uri);
	free(post);
}

int post_put(struct post *post, const struct note *note) {
	struct note *copy = malloc(sizeof(*copy));
	uint64_t one = 1;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	*copy = *note;
	copy->next = NULL;
	(void)pthread_mutex_lock(&post->lock);
	if (post->closed) {
		r = -ESHUTDOWN;
	} else {
		*post->last = copy;
		post->last = &copy->next;
		while (write(post->fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
	(void)pthread_mutex_unlock(&post->lock);
	if (r < 0)
		free(copy);
	return r;
}

struct note *post_take(struct post *post) {
	struct note *note;

	(void)pthread_mutex_lock(&post->lock);
	note = post->first;
	if (note) {
		post->first = note->next;
		if (!post->first)
			post->last = &post->first;
	}
	(void)pthread_mutex_unlock(&post->lock);
	return note;
}

void post_close(struct post *post) {
	(void)pthread_mutex_lock(&post->lock);
	post->closed = true;
	(void)pthread_mutex_unlock(&post->lock);
}

/* ---- libvirt's own loop --------------------------------------------------------------------------------------- */

static void say_nothing(void *userdata, virErrorPtr error) {
	(void)userdata;
	(void)error; /* without this libvirt prints every error to stderr; the calls report them */
}

static void *loop_main(void *argument) {
	for (;;)
		if (virEventRunDefaultImpl() < 0)
			(void)poll(NULL, 0, 100); /* it fails at once while memory is short: no spinning */
	return argument;
}

static int loop_error;

static void loop_start_once(void) {
	pthread_attr_t attributes;
	sigset_t all, old;
	pthread_t thread;

	virSetErrorFunc(NULL, say_nothing);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
		loop_error = -EIO;
		return;
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the program's loop's */
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	loop_error = -pthread_create(&thread, &attributes, loop_main, NULL);
	(void)pthread_attr_destroy(&attributes);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int virt_loop_start(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, loop_start_once);
	return loop_error;
}

char *virt_last_message(void) {
	virErrorPtr error = virGetLastError();

	return str_printable(error && error->message ? error->message : "unknown error of libvirt", 1000);
}
