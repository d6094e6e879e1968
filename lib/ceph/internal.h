/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <rados/librados.h>
#include <rbd/librbd.h>

#include "ceph/ceph.h"

/* A kept connection, counted: who holds a reference may use `rados`. */
struct connection;
int connection_get(struct ceph *ceph, enum ceph_use use, struct connection **ret, rados_t *ret_rados, char **ret_error);
/* `result` of what was done with it: -ESHUTDOWN (blocklisted) and -ENOTCONN spend it. */
void connection_put(struct connection *connection, int result);

/* A pool on the working connection. */
struct io {
	struct connection *connection;
	rados_t rados;
	rados_ioctx_t pool;
	int result; /* last error, told to the connection at the end */
};
int io_open(struct ceph *ceph, enum ceph_use use, const char *pool, struct io *ret, char **ret_error);
void io_close(struct io *io);
#define _cleanup_io_ _cleanup_(io_close)

static inline void image_closep(rbd_image_t *image) {
	if (*image)
		(void)rbd_close(*image); /* nothing of what was done is lost by it */
}
#define _cleanup_image_ _cleanup_(image_closep)
int image_open(struct io *io, const char *pool, const char *image, bool read_only, rbd_image_t *ret, char **ret_error);
/* Keeps the result with the io, and makes the sentence "what POOL/IMAGE: reason". */
int image_fail(struct io *io, int result, const char *what, const char *pool, const char *image, char **ret_error);
const char *ceph_strerror(int result);
