/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hardware watchdog, as Linux has them: Documentation/watchdog/watchdog-api.rst. Opening the device starts it, or
 * feeds one that runs; closing it stops it only after a 'V' was written, and with some drivers ("nowayout") not even
 * then.
 */
#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>

#include "host/host.h"

struct watchdog {
	int fd;
	char name[sizeof(((struct watchdog_info *)NULL)->identity) + 1];
};

static int stop(int fd) {
	int r = write(fd, "V", 1) == 1 ? 0 : -errno;

	return close(fd) < 0 && r == 0 ? -errno : r;
}

/* Whatever goes wrong here leaves no watchdog behind that nobody feeds, as far as the driver allows. */
static int refuse(int fd, char **ret_error, int error, const char *path, const char *why) {
	int r = stop(fd);

	return error_set(ret_error, error, "%s %s%s", path, why,
			 r < 0 ? "; it could not be stopped either, and may reset this host" : "");
}

static int set_time(int fd, usec_t time) {
	int seconds = (int)(time / USEC_PER_SEC), set = 0;

	if (ioctl(fd, WDIOC_SETTIMEOUT, &seconds) < 0 || ioctl(fd, WDIOC_GETTIMEOUT, &set) < 0)
		return -errno;
	/* the driver may have rounded */
	return (usec_t)set * USEC_PER_SEC == time ? 0 : -ERANGE;
}

int watchdog_open(struct watchdog **ret, const char *path, usec_t time, char **ret_error) {
	_cleanup_free_ struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
	struct watchdog_info info = {.options = 0};
	int r;

	if (!watchdog)
		return -ENOMEM;
	watchdog->fd = open(path, O_WRONLY | O_CLOEXEC);
	if (watchdog->fd < 0) {
		r = -errno;
		return error_set(ret_error, r, "%s: %s%s", path, strerror(-r),
				 r == -EBUSY ? " (somebody else feeds it: RuntimeWatchdogSec= of systemd, or the "
					       "package watchdog?)"
					     : "");
	}
	if (ioctl(watchdog->fd, WDIOC_GETSUPPORT, &info) < 0) {
		(void)close(watchdog->fd); /* it may be anything: nothing is written to it */
		return error_set(ret_error, -EOPNOTSUPP, "%s is no watchdog", path);
	}
	/* without it the device stops when its program dies: nobody could rely on it */
	if (!(info.options & WDIOF_MAGICCLOSE))
		return refuse(watchdog->fd, ret_error, -EOPNOTSUPP, path,
			      "stops when it is closed, so it guards nothing");
	r = set_time(watchdog->fd, time);
	if (r < 0) {
		_cleanup_free_ char *why =
		    str_printf("cannot be set to %llu s (%s)", (unsigned long long)(time / USEC_PER_SEC), strerror(-r));

		return refuse(watchdog->fd, ret_error, r == -ERANGE ? r : -EOPNOTSUPP, path,
			      why ? why : "cannot be set");
	}
	(void)snprintf(watchdog->name, sizeof(watchdog->name), "%.*s", (int)sizeof(info.identity),
		       (const char *)info.identity);
	*ret = move_ptr(watchdog);
	return 0;
}

const char *watchdog_name(const struct watchdog *watchdog) {
	return watchdog->name;
}

int watchdog_feed(struct watchdog *watchdog) {
	return ioctl(watchdog->fd, WDIOC_KEEPALIVE, 0) < 0 ? -errno : 0;
}

int watchdog_stop(struct watchdog *watchdog) {
	int r = stop(watchdog->fd);

	free(watchdog);
	return r;
}

void watchdog_leave(struct watchdog *watchdog) {
	if (!watchdog)
		return;
	(void)close(watchdog->fd); /* without the 'V' it runs on */
	free(watchdog);
}
