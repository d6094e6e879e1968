/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log: what programs say while they run. The only global state of the library. Libraries do not log: they return
 * errors, the program's edge logs once. Thread-safe; a line is one write(2).
 *
 * Where lines go: before log_open(), and for one-shots by hand, to stderr. Under systemd (stdout is the journal,
 * $JOURNAL_STREAM) to the journal with its priority. With stdout_logging to stdout, with file_logging to
 * LOGDIR/pvc.log, each with colours and dates as configured. SIGHUP: call log_reopen().
 */
#pragma once

#include "base/base.h"

enum log_level {
	LOG_LEVEL_ERROR,   /* failed: somebody has to do something */
	LOG_LEVEL_WARNING, /* odd, but handled */
	LOG_LEVEL_OK,      /* something was brought to a good end */
	LOG_LEVEL_INFO,    /* what is being done */
	LOG_LEVEL_SYSTEM,  /* start and end of the program and its big phases */
	LOG_LEVEL_TICK,    /* the heartbeat's line */
	LOG_LEVEL_DEBUG,
};

struct config;
/* Program name for the lines, and whether debug lines are wanted; usable before there is a configuration. */
void log_init(const char *program, bool debug);
/* Follows the configuration from now on. -errno when the log file cannot be opened (then the other outputs still work).
 */
int log_open(const struct config *config);
/* Opens the log file anew (after logrotate moved it). Never loses a line: the old one stays when the new one cannot be
 * opened. */
int log_reopen(void);
void log_close(void);
/* Is standard output or standard error the journal: does systemd run this program as a unit? */
bool log_is_journal(void);

/* The beginning of a program: log_init(), config_load() with its errors logged, then log_open() as the mode asks.
 * Returns EXIT_OK, or what to exit with: EXIT_CONFIG, or EXIT_PERMISSION when the file may not be read. */
enum log_start_mode {
	LOG_START_CONFIGURED, /* follow the configuration */
	LOG_START_ONE_SHOT, /* by hand all lines go to the terminal; as a unit to where the other programs' lines go */
	LOG_START_TERMINAL, /* leave the log alone: --check, --dry-run */
};
int log_start(const char *program, const char *config_option, bool debug, enum log_start_mode mode,
	      struct config **ret);
bool log_wants(enum log_level level);
void log_message(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...)   log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_ok(...)      log_message(LOG_LEVEL_OK, __VA_ARGS__)
#define log_info(...)    log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_system(...)  log_message(LOG_LEVEL_SYSTEM, __VA_ARGS__)
#define log_tick(...)    log_message(LOG_LEVEL_TICK, __VA_ARGS__)
#define log_debug(...)                                                                                                 \
	do {                                                                                                           \
		if (log_wants(LOG_LEVEL_DEBUG))                                                                        \
			log_message(LOG_LEVEL_DEBUG, __VA_ARGS__);                                                     \
	} while (0)
