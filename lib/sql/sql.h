/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sql: PostgreSQL with a deadline for every call. The calls block, so they belong on worker threads (event/workers.c);
 * one connection is used by one thread at a time. Looking up the server's name is the one step that the deadline cannot
 * end: the job's own deadline covers it.
 *
 * Errors: -ECONNREFUSED no connection could be made (the server's own refusals too) · -ECONNRESET it broke ·
 * -ETIMEDOUT · -EROFS the server is a replica · -EEXIST a row with that key is there · -EIO the server refused the
 * statement. Passwords go to libpq in memory and are in no message.
 */
#pragma once

#include "base/base.h"

struct sql_target {
	const char *host; /* name, address, or directory of a socket; several with commas between */
	uint64_t port;
	const char *name, *user, *pass; /* pass "": none */
	const char *sslmode;            /* one of libpq's words */
	const char *sslrootcert;        /* file, or "": libpq's default */
	bool read_write;                /* -EROFS instead of a connection to a replica */
	const char *application;        /* what the server's lists show */
};

struct sql;
int sql_open(const struct sql_target *target, usec_t deadline, struct sql **ret, char **ret_error);
void sql_close(struct sql *sql); /* NULL is fine; what is under way is rolled back by the server */
static inline void sql_closep(struct sql **sql) {
	sql_close(*sql);
}
#define _cleanup_sql_ _cleanup_(sql_closep)
bool sql_is_open(const struct sql *sql); /* false after -ECONNRESET and -ETIMEDOUT: open another one */

/* Rows of texts, as the server prints the values. */
struct sql_rows;
void sql_rows_free(struct sql_rows *rows);
static inline void sql_rows_freep(struct sql_rows **rows) {
	sql_rows_free(*rows);
}
#define _cleanup_sql_rows_ _cleanup_(sql_rows_freep)
size_t sql_rows_count(const struct sql_rows *rows);
const char *sql_value(const struct sql_rows *rows, size_t row, int column); /* borrowed; NULL for null */

/* Runs one statement with parameters $1, $2... (NULL for null). ret_rows may be NULL. Returns how many rows it gave or
 * changed. */
int sql_run(struct sql *sql, const char *statement, const char *const *parameters, size_t count, usec_t deadline,
	    struct sql_rows **ret_rows, char **ret_error);
