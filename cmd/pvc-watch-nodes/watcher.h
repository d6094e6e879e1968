/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-watch-nodes: the entries below /nodes. One object, in main(); all of it runs on the loop, so nothing is locked.
 *
 * Each part keeps what it saw last and is told again after every new session, when it compares everything (D21):
 *   roster.c   all nodes and their daemonstate, and /maintenance: seen and logged, nothing is written
 *   duty.c     this node's domainstate: flush and unflush, each a tour (tour.h)
 *   role.c     the primary role: /primary_node, its lease, and what is next; lease.c writes
 *   primary.c  pvc-primary.target: runs under the lease
 */
#pragma once

#include "cluster/cluster.h"
#include "config/config.h"
#include "event/event.h"
#include "store/store.h"

#define RETRY_TIME (2 * USEC_PER_SEC) /* before something that failed is tried again */

struct roster;
struct duty;
struct role;
struct primary;

struct watcher {
	const struct config *config;
	struct loop *loop;
	struct store *store; /* NULL once it was closed: it took all watches with it */
	char *path;          /* /nodes/ME */
	struct roster *roster;
	struct duty *duty;
	struct role *role;
	struct primary *primary;
	sd_event_source *end_timer;
	bool stopping;   /* the store is being closed: answers come, nothing is asked any more */
	unsigned unseen; /* parts that have not seen their keys yet: ready at 0 */
};

/* A part has seen all of its keys for the first time. */
void watcher_seen(struct watcher *watcher);
/* The role is given away, after role_leave(). */
void watcher_left(struct watcher *watcher);
/* The text of a value, or NULL when the key is missing; a value with a NUL inside is no text: "?". Borrowed. */
const char *value_text(const struct store_value *value);
/* Foreign text for a message; "(none)" for NULL. The caller frees; NULL without memory. */
char *shown(const char *text);
#define SHOWN(text) ((text) ? (text) : "?")

int roster_start(struct watcher *watcher);
void roster_stop(struct watcher *watcher);
bool roster_is_known(const struct watcher *watcher);
int roster_names(const struct watcher *watcher, struct strlist *ret); /* all nodes, sorted */

int duty_start(struct watcher *watcher);
void duty_stop(struct watcher *watcher);
void duty_compare(struct watcher *watcher); /* a new session, or the nodes are known now */

int role_start(struct watcher *watcher);
void role_stop(struct watcher *watcher);
void role_compare(struct watcher *watcher); /* a new session */
void role_look(struct watcher *watcher);    /* something that it judges by may have changed */
void role_leave(struct watcher *watcher);   /* give the role away; watcher_left() is called when that is done */

int primary_start(struct watcher *watcher);
void primary_stop(struct watcher *watcher);
void primary_want(struct watcher *watcher, bool runs); /* told again and again; acts when it differs */
enum primary_services primary_services(const struct watcher *watcher);
