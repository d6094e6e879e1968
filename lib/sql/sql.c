/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libpq's non-blocking half with poll(2) and a deadline: its blocking half has none for a server that stopped talking.
 */
#include "sql/sql.h"

#include <libpq-fe.h>
#include <poll.h>

struct sql {
	PGconn *connection;
};

struct sql_rows {
	PGresult *result;
};

void sql_rows_free(struct sql_rows *rows) {
	if (!rows)
		return;
	PQclear(rows->result);
	free(rows);
}

size_t sql_rows_count(const struct sql_rows *rows) {
	return (size_t)PQntuples(rows->result);
}

const char *sql_value(const struct sql_rows *rows, size_t row, int column) {
	return PQgetisnull(rows->result, (int)row, column) ? NULL : PQgetvalue(rows->result, (int)row, column);
}

void sql_close(struct sql *sql) {
	if (!sql)
		return;
	PQfinish(sql->connection);
	free(sql);
}

bool sql_is_open(const struct sql *sql) {
	return sql && PQstatus(sql->connection) == CONNECTION_OK;
}

/* libpq's texts have several lines; a log line has one. */
static int failure(char **ret_error, int error, const char *text) {
	_cleanup_free_ char *copy = strdup(text && *text ? text : strerror(-error));
	size_t length;

	if (!copy)
		return error;
	for (char *c = copy; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	for (length = strlen(copy); length > 0 && copy[length - 1] == ' '; length--)
		copy[length - 1] = '\0';
	return error_set(ret_error, error, "%s", copy);
}

static int wait_socket(const PGconn *connection, short events, usec_t deadline) {
	struct pollfd fd = {.fd = PQsocket(connection), .events = events};
	int r;

	if (fd.fd < 0)
		return -ECONNRESET;
	do {
		if (deadline_left(deadline) == 0)
			return -ETIMEDOUT;
		r = poll(&fd, 1, deadline_poll_ms(deadline));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* ---- connecting ------------------------------------------------------------------------------------------------ */

static PGconn *begin(const struct sql_target *target) {
	_cleanup_free_ char *port = str_printf("%llu", (unsigned long long)target->port);
	const char *names[16], *values[16];
	size_t n = 0;

	const struct {
		const char *name, *value;
	} parameters[] = {
	    {"host", target->host},
	    {"port", port},
	    {"dbname", target->name},
	    {"user", target->user},
	    {"password", target->pass},
	    {"sslmode", target->sslmode},
	    {"sslrootcert", target->sslrootcert},
	    {"application_name", target->application},
	    {"client_encoding", "UTF8"},
	    {"target_session_attrs", target->read_write ? "read-write" : "any"},
	};

	if (!port)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		if (parameters[i].value && *parameters[i].value) {
			names[n] = parameters[i].name;
			values[n++] = parameters[i].value;
		}
	names[n] = values[n] = NULL;
	return PQconnectStartParams(names, values, 0);
}

static int connected(PGconn *connection, usec_t deadline) {
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	while (PQstatus(connection) != CONNECTION_BAD) {
		int r = wait_socket(connection, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);

		if (r < 0)
			return r == -ECONNRESET ? -ECONNREFUSED : r;
		state = PQconnectPoll(connection);
		if (state == PGRES_POLLING_OK)
			return 0;
		if (state == PGRES_POLLING_FAILED)
			break;
	}
	/* the text that libpq has for target_session_attrs: there is no other sign */
	return strstr(PQerrorMessage(connection), "read-only") ? -EROFS : -ECONNREFUSED;
}

/* Nothing of the server's is of interest but errors. */
static void no_notice(void *arg, const PGresult *result) {
	(void)arg;
	(void)result;
}

int sql_open(const struct sql_target *target, usec_t deadline, struct sql **ret, char **ret_error) {
	_cleanup_sql_ struct sql *sql = calloc(1, sizeof(*sql));
	int r;

	if (sql)
		sql->connection = begin(target);
	if (!sql || !sql->connection)
		return error_set(ret_error, -ENOMEM, "no memory");
	r = connected(sql->connection, deadline);
	if (r == -ETIMEDOUT)
		return failure(ret_error, r, "the server does not answer");
	if (r < 0)
		return failure(ret_error, r, PQerrorMessage(sql->connection));
	(void)PQsetNoticeReceiver(sql->connection, no_notice, NULL); /* returns the one before */
	if (PQsetnonblocking(sql->connection, 1) != 0)
		return failure(ret_error, -ECONNREFUSED, PQerrorMessage(sql->connection));
	*ret = move_ptr(sql);
	return 0;
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

static int send_all(PGconn *connection, usec_t deadline) {
	int left;

	while ((left = PQflush(connection)) > 0) {
		int r = wait_socket(connection, POLLIN | POLLOUT, deadline);

		if (r < 0)
			return r;
		if (!PQconsumeInput(connection))
			return -ECONNRESET;
	}
	return left < 0 ? -ECONNRESET : 0;
}

/* The last result of the statement, which is the only one unless the connection broke. */
static int receive(PGconn *connection, usec_t deadline, PGresult **ret) {
	PGresult *last = NULL;

	for (;;) {
		PGresult *next;

		while (PQisBusy(connection)) {
			int r = wait_socket(connection, POLLIN, deadline);

			if (r >= 0 && !PQconsumeInput(connection))
				r = -ECONNRESET;
			if (r < 0) {
				PQclear(last);
				return r;
			}
		}
		next = PQgetResult(connection);
		if (!next)
			break;
		PQclear(last);
		last = next;
	}
	if (!last)
		return -ECONNRESET;
	*ret = last;
	return 0;
}

static int judge(const struct sql *sql, const PGresult *result, char **ret_error) {
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	ExecStatusType status = PQresultStatus(result);
	int error = -EIO;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return 0;
	if (PQstatus(sql->connection) != CONNECTION_OK)
		error = -ECONNRESET;
	else if (str_equal(state, "25006")) /* read_only_sql_transaction */
		error = -EROFS;
	else if (str_equal(state, "23505")) /* unique_violation */
		error = -EEXIST;
	return failure(ret_error, error, PQresultErrorMessage(result));
}

/* A connection in the middle of something cannot be used again. */
static void give_up(struct sql *sql) {
	PQfinish(sql->connection);
	sql->connection = NULL; /* PQstatus(NULL) is CONNECTION_BAD */
}

int sql_run(struct sql *sql, const char *statement, const char *const *parameters, size_t count, usec_t deadline,
	    struct sql_rows **ret_rows, char **ret_error) {
	_cleanup_sql_rows_ struct sql_rows *rows = calloc(1, sizeof(*rows));
	uint64_t changed;
	int r;

	if (!rows)
		return error_set(ret_error, -ENOMEM, "no memory");
	if (!sql_is_open(sql))
		return failure(ret_error, -ECONNRESET, "the connection is gone");
	if (!PQsendQueryParams(sql->connection, statement, (int)count, NULL, parameters, NULL, NULL, 0))
		return failure(ret_error, PQstatus(sql->connection) == CONNECTION_OK ? -EIO : -ECONNRESET,
			       PQerrorMessage(sql->connection));
	r = send_all(sql->connection, deadline);
	if (r >= 0)
		r = receive(sql->connection, deadline, &rows->result);
	if (r < 0) {
		(void)failure(ret_error, r, /* the error is returned below */
			      r == -ETIMEDOUT ? "the server does not answer" : PQerrorMessage(sql->connection));
		give_up(sql);
		return r;
	}
	r = judge(sql, rows->result, ret_error);
	if (r < 0)
		return r;
	if (PQresultStatus(rows->result) == PGRES_TUPLES_OK)
		r = PQntuples(rows->result);
	else
		r = parse_u64(PQcmdTuples(rows->result), 0, INT32_MAX, &changed) >= 0 ? (int)changed : 0;
	if (ret_rows)
		*ret_rows = move_ptr(rows);
	return r;
}
