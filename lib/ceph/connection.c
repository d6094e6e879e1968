/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections, one for each use, made when needed and shared by all threads. After a failed rados_connect() every
 * further call on that handle fails or hangs, so it is never kept. The lock is not held while connecting.
 */
#include <pthread.h>

#include "ceph/internal.h"

static const struct {
	const char *option, *value[CEPH_USE_COUNT];
} bounds[] = {
    {"client_mount_timeout", {"5", "30"}},
    {"rados_mon_op_timeout", {"5", "30"}},
    {"rados_osd_op_timeout", {"10", "0"}},
    /* a monitor that is frozen, not gone, is left for another one after 3 s and not after 30 */
    {"mon_client_ping_interval", {"1", "1"}},
    {"mon_client_ping_timeout", {"3", "3"}},
    /* pvc-seal has blocklisted whose locks it breaks: once more would be a second of the monitors' for each VM */
    {"rbd_blocklist_on_break_lock", {"false", "true"}},
    /* what goes wrong is told by results; a library does not print */
    {"log_to_stderr", {"false", "false"}},
    {"err_to_stderr", {"false", "false"}},
};

struct connection {
	struct ceph *ceph;
	rados_t rados;
	unsigned references; /* under ceph's lock; the cluster's own included while it is not spent */
};

struct ceph {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned references; /* the owner's and one for each connection */
	bool closed;
	struct {
		struct connection *connection;
		bool connecting;
		uint64_t attempts; /* that have ended */
		int result;        /* of the last one */
		char *error;
	} uses[CEPH_USE_COUNT];
};

const char *ceph_strerror(int result) {
	switch (-result) {
	case ETIMEDOUT:
		return "Ceph has not answered in time (look at its monitors: ceph status)";
	case ESHUTDOWN:
		return "this client was blocklisted";
	case EACCES:
	case EPERM:
		return "permission denied (is the keyring right, and the client allowed to?)";
	default:
		return strerror(-result);
	}
}

int ceph_new(struct ceph **ret) {
	struct ceph *ceph = calloc(1, sizeof(*ceph));

	if (!ceph)
		return -ENOMEM;
	(void)pthread_mutex_init(&ceph->lock, NULL); /* default attributes: cannot fail */
	(void)pthread_cond_init(&ceph->changed, NULL);
	ceph->references = 1;
	*ret = ceph;
	return 0;
}

/* Called with the lock held, which it releases. */
static void ceph_unref_unlock(struct ceph *ceph) {
	bool last = --ceph->references == 0;

	(void)pthread_mutex_unlock(&ceph->lock);
	if (!last)
		return;
	for (size_t i = 0; i < CEPH_USE_COUNT; i++)
		free(ceph->uses[i].error);
	(void)pthread_mutex_destroy(&ceph->lock);
	(void)pthread_cond_destroy(&ceph->changed);
	free(ceph);
}

/* Called with the lock held, which it releases. */
static void connection_unref_unlock(struct connection *connection) {
	struct ceph *ceph = connection->ceph;

	if (--connection->references > 0) {
		(void)pthread_mutex_unlock(&ceph->lock);
		return;
	}
	(void)pthread_mutex_unlock(&ceph->lock);
	rados_shutdown(connection->rados);
	free(connection);
	(void)pthread_mutex_lock(&ceph->lock);
	ceph_unref_unlock(ceph);
}

void ceph_free(struct ceph *ceph) {
	if (!ceph)
		return;
	(void)pthread_mutex_lock(&ceph->lock);
	ceph->closed = true;
	for (size_t i = 0; i < CEPH_USE_COUNT; i++) {
		struct connection *connection = move_ptr(ceph->uses[i].connection);

		if (!connection)
			continue;
		connection_unref_unlock(connection);
		(void)pthread_mutex_lock(&ceph->lock);
	}
	ceph_unref_unlock(ceph);
}

static int connect_new(enum ceph_use use, rados_t *ret, char **ret_error) {
	const char *path = getenv("CEPH_CONF");
	rados_t rados;
	int r = rados_create(&rados, NULL);

	if (r < 0)
		return error_set(ret_error, r, "cannot use librados: %s", strerror(-r));
	r = rados_conf_read_file(rados, NULL);
	if (r < 0)
		(void)error_set(ret_error, r, "cannot read %s: %s", path ? path : "/etc/ceph/ceph.conf", strerror(-r));
	if (r == 0 && (r = rados_conf_parse_env(rados, NULL)) < 0)
		(void)error_set(ret_error, r, "CEPH_ARGS is not understood: %s", strerror(-r));
	for (size_t i = 0; i < ARRAY_SIZE(bounds) && r == 0; i++)
		if ((r = rados_conf_set(rados, bounds[i].option, bounds[i].value[use])) < 0)
			(void)error_set(ret_error, r, "librados refuses its option %s: %s", bounds[i].option,
					strerror(-r));
	if (r == 0 && (r = rados_connect(rados)) < 0)
		(void)error_set(ret_error, r, "cannot connect to Ceph: %s",
				r == -ENOENT   ? "no keyring for this client (ceph.conf: keyring)"
				: r == -EINVAL ? "ceph.conf names no monitor that can be reached (mon_host)"
					       : ceph_strerror(r));
	if (r < 0) {
		rados_shutdown(rados);
		return r;
	}
	*ret = rados;
	return 0;
}

/* Called with the lock held; drops it meanwhile. */
static int connect_once(struct ceph *ceph, enum ceph_use use) {
	struct connection *connection = calloc(1, sizeof(*connection));
	char *error = NULL;
	int r;

	ceph->uses[use].connecting = true;
	(void)pthread_mutex_unlock(&ceph->lock);
	r = connection ? connect_new(use, &connection->rados, &error) : -ENOMEM;
	(void)pthread_mutex_lock(&ceph->lock);
	ceph->uses[use].connecting = false;
	ceph->uses[use].attempts++;
	ceph->uses[use].result = r;
	free(ceph->uses[use].error);
	ceph->uses[use].error = error;
	(void)pthread_cond_broadcast(&ceph->changed);
	if (r < 0) {
		free(connection);
		return r;
	}
	connection->ceph = ceph;
	connection->references = 1;
	ceph->references++;
	ceph->uses[use].connection = connection;
	return 0;
}

int connection_get(struct ceph *ceph, enum ceph_use use, struct connection **ret, rados_t *ret_rados,
		   char **ret_error) {
	int r = 0;

	(void)pthread_mutex_lock(&ceph->lock);
	if (!ceph->uses[use].connection && ceph->uses[use].connecting) {
		uint64_t attempt = ceph->uses[use].attempts;

		while (ceph->uses[use].attempts == attempt)
			(void)pthread_cond_wait(&ceph->changed, &ceph->lock);
		r = ceph->uses[use].result;
	}
	if (r == 0 && !ceph->uses[use].connection)
		r = ceph->closed ? -ECANCELED : connect_once(ceph, use);
	if (r < 0) {
		(void)error_set(ret_error, r, "%s", ceph->uses[use].error ? ceph->uses[use].error : strerror(-r));
	} else {
		ceph->uses[use].connection->references++;
		*ret = ceph->uses[use].connection;
		*ret_rados = (*ret)->rados;
	}
	(void)pthread_mutex_unlock(&ceph->lock);
	return r;
}

void connection_put(struct connection *connection, int result) {
	struct ceph *ceph = connection->ceph;
	bool spent = result == -ESHUTDOWN || result == -ENOTCONN;

	(void)pthread_mutex_lock(&ceph->lock);
	for (size_t i = 0; i < CEPH_USE_COUNT && spent; i++)
		if (ceph->uses[i].connection == connection) {
			ceph->uses[i].connection = NULL;
			connection->references--;
		}
	connection_unref_unlock(connection);
}

int ceph_connect(struct ceph *ceph, enum ceph_use use, char **ret_error) {
	struct connection *connection;
	rados_t rados;
	int r = connection_get(ceph, use, &connection, &rados, ret_error);

	if (r == 0)
		connection_put(connection, 0);
	return r;
}

/* "[v2:10.0.0.1:0/7,v1:...]", "10.0.0.1:0/7", "v1:10.0.0.1:0/7", several with commas: the plain "10.0.0.1:0/7". */
int ceph_own_addresses(struct ceph *ceph, enum ceph_use use, struct strlist *ret, char **ret_error) {
	_cleanup_strlist_ struct strlist words = {0};
	struct connection *connection;
	rados_t rados;
	char *text = NULL;
	int r = connection_get(ceph, use, &connection, &rados, ret_error);

	if (r < 0)
		return r;
	r = rados_getaddrs(rados, &text);
	if (r == 0)
		r = strlist_split(&words, text, "[],");
	for (size_t i = 0; i < words.count && r == 0; i++) {
		const char *word = words.items[i];

		if (str_starts(word, "v1:") || str_starts(word, "v2:"))
			word += 3;
		if (!strlist_contains(ret, word))
			r = strlist_add(ret, word);
	}
	free(text);
	connection_put(connection, r);
	return r < 0 ? error_set(ret_error, r, "cannot tell this client's own address: %s", ceph_strerror(r)) : 0;
}

int io_open(struct ceph *ceph, enum ceph_use use, const char *pool, struct io *ret, char **ret_error) {
	struct io io = {0};
	int r = connection_get(ceph, use, &io.connection, &io.rados, ret_error);

	if (r < 0)
		return r;
	r = rados_ioctx_create(io.rados, pool, &io.pool);
	if (r < 0) {
		connection_put(io.connection, r);
		return r == -ENOENT ? error_set(ret_error, r, "Ceph has no pool '%s'", pool)
				    : error_set(ret_error, r, "pool '%s': %s", pool, ceph_strerror(r));
	}
	*ret = io;
	return 0;
}

void io_close(struct io *io) {
	if (!io->connection)
		return;
	rados_ioctx_destroy(io->pool);
	connection_put(io->connection, io->result);
	io->connection = NULL;
}
