/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-dns: names of guests in PowerDNS' database, and the name server that answers from it, on the primary coordinator.
 * One object, in main(); all of it runs on the loop, but for the jobs of database.c and patroni.c.
 *
 *   networks.c   the networks, their leases and reservations, as the store has them
 *   database.c   when the database is compared, and what is said about it
 *   sync.c       on a worker: all zones of the plan against the database
 *   server.c     pdns_server: its configuration, started, watched, started again, ended
 *   patroni.c    the database leader follows the primary coordinator
 */
#pragma once

#include "config/config.h"
#include "dns/dns.h"
#include "event/event.h"
#include "sql/sql.h"
#include "store/store.h"

#define SETTLE_TIME   (100 * USEC_PER_MSEC) /* changes that come together are written together */
#define COMPARE_TIME  (60 * USEC_PER_SEC)   /* all is compared again: what somebody else changed in the database */
#define JOB_TIME      (30 * USEC_PER_SEC)   /* for one comparison */
#define BACKOFF_FIRST USEC_PER_SEC          /* before the database is asked again; doubled each time... */
#define BACKOFF_LAST  (30 * USEC_PER_SEC)   /* ...up to this */
#define STOP_TIME     (10 * USEC_PER_SEC)   /* from SIGTERM to SIGKILL for pdns_server (D70) */

struct network;
struct database;
struct server;
struct patroni;

struct daemon {
	const struct config *config;
	struct loop *loop;
	struct store *store;
	struct workers *workers;
	struct store_watch *list_watch;
	struct network *networks;
	struct database *database;
	struct server *server;
	struct patroni *patroni;
	bool listed; /* /networks was read once */
	bool stopping;
};

/* ---- networks.c ---- */
int networks_start(struct daemon *daemon);
bool networks_are_seen(const struct daemon *daemon); /* all of their keys, once */
int networks_plan(const struct daemon *daemon, struct dns_plan *ret);
void networks_stop(struct daemon *daemon); /* after the store was closed */

/* ---- database.c ---- */
int database_start(struct daemon *daemon);
void database_changed(struct daemon *daemon); /* leases or networks did */
void database_compare(struct daemon *daemon); /* all of it, now */
void database_stop(struct daemon *daemon);

/* ---- sync.c ---- */
struct sync {
	struct sql_target target;
	struct dns_plan plan;
	usec_t deadline;
	struct sql *sql; /* NULL: not connected; kept for the next one */
	/* out */
	int result;  /* 0 or -errno */
	char *error; /* the sentence for it */
	struct strlist changes, problems;
};
int sync_work(void *arg); /* struct job's work(): always 0, so that -ETIMEDOUT means that it still runs */
void sync_free(void *arg);

/* ---- server.c ---- */
int server_start(struct daemon *daemon);
void server_allow(struct server *server); /* the database answers: without it pdns_server cannot even start */
bool server_is_running(const struct server *server);
void server_end(struct server *server);
void server_stop(struct daemon *daemon); /* frees it; the process is left alone */

/* ---- patroni.c ---- */
int patroni_start(struct daemon *daemon);
void patroni_look(struct daemon *daemon); /* the database cannot be written: the leader may be elsewhere */
void patroni_stop(struct daemon *daemon);

/* ---- main.c ---- */
void daemon_try_end(struct daemon *daemon); /* stopping: ends the loop when pdns_server has ended */
