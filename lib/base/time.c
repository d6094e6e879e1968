/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base.h"

#include <limits.h>
#include <time.h>

static usec_t now(clockid_t clock) {
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		abort(); /* both clocks always exist on Linux */
	return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_nsec / 1000;
}

usec_t now_monotonic(void) {
	return now(CLOCK_MONOTONIC);
}

usec_t now_boottime(void) {
	return now(CLOCK_BOOTTIME);
}

usec_t deadline_after(usec_t duration) {
	usec_t t = now_monotonic();

	return duration > DEADLINE_NEVER - t ? DEADLINE_NEVER : t + duration;
}

usec_t deadline_left(usec_t deadline) {
	usec_t t;

	if (deadline == DEADLINE_NEVER)
		return DEADLINE_NEVER;
	t = now_monotonic();
	return deadline > t ? deadline - t : 0;
}

int deadline_poll_ms(usec_t deadline) {
	usec_t left = deadline_left(deadline);

	if (left == DEADLINE_NEVER)
		return -1;
	left = (left + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	return left > INT_MAX ? INT_MAX : (int)left;
}
