/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded: the file $DOG is a watchdog device, as the kernel's are, and reboot(2) is refused. What is done with it is
 * written to $DOG.log, one line each: "SECONDS open", "set N", "fed", "V", "closed", and "reboot". $DOG_KIND: "busy" and
 * "rigid" (it knows one time only), "plain" (it knows no magic close).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int dog = -1, time_set = 30;

static const char *kind(void) {
	return getenv("DOG_KIND") ? getenv("DOG_KIND") : "";
}

static void note(const char *what, int number) {
	char path[4096], line[100];
	struct timespec now;
	int fd;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(path, sizeof(path), "%s.log", getenv("DOG"));
	(void)snprintf(line, sizeof(line), "%ld.%03ld %s %d\n", (long)now.tv_sec, now.tv_nsec / 1000000, what, number);
	fd = open64(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		abort();
	(void)close(fd);
}

int open(const char *path, int flags, ...) {
	int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
	va_list ap;
	int mode, fd;

	va_start(ap, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, int) : 0;
	va_end(ap);
	if (!getenv("DOG") || strcmp(path, getenv("DOG")) != 0)
		return real(path, flags, mode);
	if (strcmp(kind(), "busy") == 0) {
		errno = EBUSY;
		return -1;
	}
	fd = real(path, flags, mode);
	if (fd >= 0) {
		dog = fd;
		note("open", fd);
	}
	return fd;
}

int ioctl(int fd, unsigned long request, ...) {
	int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	va_list ap;
	void *argument;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (fd < 0 || fd != dog)
		return real(fd, request, argument);
	switch (request) {
	case WDIOC_GETSUPPORT:
		*(struct watchdog_info *)argument =
		    (struct watchdog_info){.options = WDIOF_SETTIMEOUT | WDIOF_KEEPALIVEPING |
						      (strcmp(kind(), "plain") == 0 ? 0 : WDIOF_MAGICCLOSE),
					   .identity = "a dog of the test"};
		return 0;
	case WDIOC_SETTIMEOUT:
		if (strcmp(kind(), "rigid") != 0)
			time_set = *(int *)argument;
		note("set", time_set);
		return 0;
	case WDIOC_GETTIMEOUT:
		*(int *)argument = time_set;
		return 0;
	case WDIOC_KEEPALIVE:
		note("fed", 0);
		return 0;
	default:
		errno = ENOTTY;
		return -1;
	}
}

ssize_t write(int fd, const void *data, size_t length) {
	ssize_t (*real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");

	if (fd < 0 || fd != dog)
		return real(fd, data, length);
	note(memchr(data, 'V', length) ? "V" : "fed", 0);
	return (ssize_t)length;
}

int close(int fd) {
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");

	if (fd >= 0 && fd == dog) {
		dog = -1;
		note("closed", 0);
	}
	return real(fd);
}

int reboot(int command) {
	note("reboot", command);
	errno = EPERM;
	return -1;
}
