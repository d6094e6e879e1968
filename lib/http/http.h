/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http: libmicrohttpd on the program's loop. It is given connections that were accepted elsewhere, and reads one
 * request of each; the answer may come later, from anything that runs on the loop.
 *
 * Bounds: HTTP_CONNECTIONS connections, HTTP_PER_ADDRESS of one address behind one interface; a connection ends after
 * HTTP_TIME whatever it does (a peer that sends a byte now and then gains nothing); head of a request with HTTP_MEMORY
 * bytes at the most (431 or 414); no request has a body (413); every answer closes its connection.
 */
#pragma once

#include "base/base.h"
#include "event/event.h"

#define HTTP_CONNECTIONS 512
#define HTTP_PER_ADDRESS 8
#define HTTP_MEMORY      8192 /* bytes of a connection, for its request's head and its answer's */
#define HTTP_TIME        (10 * USEC_PER_SEC)

struct http;
struct http_request;
struct http_options {
	/* A request: exactly one http_answer() must follow, now or later. */
	void (*handle)(struct http_request *request, void *userdata);
	void (*closed)(void *userdata); /* a connection has ended */
	void *userdata;
};
int http_new(struct http **ret, sd_event *event, const struct http_options *options);
/* All requests must be answered before. */
void http_free(struct http *http);
/* Takes over a connection, also on failure: it is closed when there are too many. It must be bound to an interface, as
 * its listening socket was. */
void http_add(struct http *http, int fd);
/* Connections that came in by that interface; 0: all. */
unsigned http_count(const struct http *http, int index);

/* ---- one request: texts live until it is answered ---- */
const char *http_method(const struct http_request *request);
const char *http_path(const struct http_request *request); /* as it was sent, without what follows '?' */
const char *http_header(const struct http_request *request, const char *name); /* NULL: none */
int http_index(const struct http_request *request); /* of the interface that it came in by; 0: unknown */
struct in_addr http_address(const struct http_request *request);

struct http_answer {
	unsigned status;
	const char *type; /* NULL: text/plain */
	const char *body;
	size_t length;
	const char *header, *value; /* one more, or NULL */
};
/* Copies what it is given. The request is gone after it. */
void http_answer(struct http_request *request, const struct http_answer *answer);
