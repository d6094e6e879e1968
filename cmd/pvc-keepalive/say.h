/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * say: log lines that never hold up a heartbeat. A log file on a disk that hangs, or a journal that is stuck, blocks
 * whoever writes to it; so a thread of its own writes, and the loop only queues. When the queue is full lines are
 * dropped, and their number is told once the thread comes back.
 */
#pragma once

#include "config/config.h"
#include "log/log.h"

#define SAY_QUEUE 1000 /* lines */

/* Opens the log as configured and starts the thread. Call after loop_new(), which blocks the signals for all threads.
 * Without the thread (-errno) lines are written directly. */
int say_start(const struct config *config);
/* Writes what is queued and ends the thread, waiting until the deadline at the most. */
void say_stop(usec_t deadline);
void say_reopen(void); /* log_reopen() on that thread */
void say(enum log_level level, const char *format, ...) _printf_(2, 3);
