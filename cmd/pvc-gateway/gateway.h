/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-gateway: what the primary coordinator does for managed networks. One object, in main(); all of it runs on the
 * loop, so nothing is locked.
 *
 *   wanted.c     what a network asks for, out of its keys (pure)
 *   networks.c   the networks and their keys in the store; the hosts file of each
 *   hint.c       all addresses in one key, for the next primary's first moment
 *   reconcile.c  all networks against the kernel, whenever anything changed
 *   addresses.c  gateway addresses of one network
 *   server.c     one dnsmasq: started, watched, started again, ended
 *   adopt.c      those that a killed pvc-gateway left
 *   resolv.c     the host's name servers, for all of them
 *   leases.c     the socket where dnsmasq's lease script hands in its events
 */
#pragma once

#include "config/config.h"
#include "event/event.h"
#include "net/net.h"
#include "store/store.h"
#include "wanted.h"

#define RETRY_TIME    (2 * USEC_PER_SEC)    /* before something that failed is tried again */
#define SETTLE_TIME   (30 * USEC_PER_MSEC)  /* changes that come together are looked at together */
#define FIRST_TIME    (300 * USEC_PER_MSEC) /* in the beginning, when some key does not come */
#define ANNOUNCEMENTS 5                     /* of a new gateway address, a second apart: frames get lost */
#define STOP_TIME     (10 * USEC_PER_SEC)   /* from SIGTERM to SIGKILL for a dnsmasq (D70) */
#define BACKOFF_FIRST (250 * USEC_PER_MSEC) /* before a dnsmasq that died is started again; doubled each time... */
#define BACKOFF_LAST  (30 * USEC_PER_SEC)   /* ...up to this */
#define HEALTHY_TIME  (60 * USEC_PER_SEC)   /* one that ran for so long starts with the first delay again */
#define ENDS_MAX      4                     /* dnsmasq processes that are ended in one go... */
#define ENDS_PAUSE    (20 * USEC_PER_MSEC)  /* ...with a pause between two... */
#define ENDS_TIME     (2 * USEC_PER_SEC)    /* ...until all of them are asked, more at a time when there are many */
#define STARTS_MAX    8                     /* dnsmasq processes in one go: the loop goes on in between */
#define QUEUE_MAX     65536                 /* events of leases that wait for the store */
#define VALUE_TEXT(v) ((v)->exists && strlen((v)->data) == (v)->length ? (v)->data : NULL)

struct gateway;
struct network;
struct server;
struct leases;

/* Gateway addresses that this program added, or is about to add: noted in DYNAMIC/dnsmasq/VNI/gateways before the
 * kernel is asked, so that the next pvc-gateway finds them whenever this one is killed. */
#define OWNED_MAX 8
struct owned {
	struct ip_prefix items[OWNED_MAX];
	size_t count;
};

struct network {
	struct gateway *gateway;
	char *vni, *path;
	char bridge[IFNAMSIZ];
	char *directory; /* DYNAMIC/dnsmasq/VNI */
	/* the store */
	struct store_watch *node_watch, *watches[KEY_COUNT], *reservations_watch;
	char *keys[KEY_COUNT]; /* NULL: missing */
	struct key_slot {
		struct network *network;
		enum network_key key;
		bool seen;
	} slots[KEY_COUNT];
	struct reservation *reservations; /* linked list */
	bool reservations_seen;
	bool gone;   /* /networks does not list it: freed once nothing of it is left */
	bool hinted; /* `wanted` has addresses out of the hint; see network_is_hinted() */
	/* what was made of it */
	struct wanted wanted;
	char *hosts; /* what was written into its hosts file, NULL: nothing yet */
	bool hosts_dirty;
	struct owned owned, noted; /* noted: as the file says */
	int failed;                /* of the last comparison: 0 or -errno */
	unsigned announce;         /* announcements that are still to be made */
	struct server *server;
	char *said; /* problems that were named in the log */
	struct network *next;
};

struct gateway {
	const struct config *config;
	struct loop *loop;
	struct store *store;
	struct net *net, *monitor;
	int announcer; /* net_announce_open(), once there was something to announce; negative before */
	sd_event_source *monitor_source, *settle, *retry, *announce, *end_timer, *ends, *resolv_timer;
	struct store_watch *list_watch;
	struct network *networks;
	struct network *next_end; /* stopping: the next whose dnsmasq is to end */
	struct leases *leases;
	char *script, *config_path, *socket_path, *servers_path;
	char *resolvers; /* what was written there */
	char *hint_path;
	char *hint;      /* what was written there, or is being written */
	bool hinting;    /* it is being written */
	bool fresh_hint; /* it was read and is not in force yet */
	const char *user;
	bool listed;   /* /networks was read once */
	bool located;  /* and of all that it listed, which addresses they have */
	bool complete; /* and all keys of what it listed: leftovers can be told from what is wanted */
	bool ready;    /* the addresses were set once */
	bool serving;  /* and all of it was brought about once */
	bool stopping;
	/* for the end of a dnsmasq: another does (--no-wait). It stays paused until then, so that a hundred of them
	 * that end do not hold up those that the next primary waits for */
	bool no_wait;
	bool changed; /* keys changed: the networks are compared with each other again */
	bool debug;
	unsigned started; /* dnsmasq processes in this comparison */
};

/* ---- networks.c ---- */
int networks_start(struct gateway *gateway);
struct network *network_find(struct gateway *gateway, const char *vni);
/* A network that is only known by what it left; NULL without memory. */
struct network *network_leftover(struct gateway *gateway, const char *vni);
bool network_is_seen(const struct network *network);            /* all of its keys, once */
bool network_addresses_are_seen(const struct network *network); /* those that say its addresses */
bool network_is_hinted(const struct network *network);          /* nothing is known of it but what the hint says */
int network_write_hosts(struct network *network);               /* when they changed; > 0: they did */
int network_make_directory(const struct network *network);
void network_remove_directory(const struct network *network);
void network_free(struct network *network); /* its watches too, when the store is still there */

/* ---- hint.c ---- */
int hint_start(struct gateway *gateway);
void hint_write(struct gateway *gateway); /* if it differs from what was written */

/* ---- reconcile.c ---- */
int reconcile_start(struct gateway *gateway);
void reconcile_soon(struct gateway *gateway);
void reconcile_stop(struct gateway *gateway);
void reconcile_release(struct gateway *gateway); /* all addresses away, then all servers are asked to end */
bool gateway_is_empty(const struct gateway *gateway);

/* ---- main.c ---- */
void gateway_try_end(struct gateway *gateway); /* stopping: ends the loop when everything is done */

/* ---- addresses.c ---- */
int owned_read(struct network *network);
/* What one network needs on `link` (NULL: there is none) is noted and collected; `now`: all addresses of the host. */
struct address_changes {
	struct address_change *items;
	size_t count;
	struct net_batch *batch;
};
int addresses_plan(struct network *network, const struct net_link *link, const struct net_addresses *now,
		   struct address_changes *changes);
/* All of it in one call. Sets `failed` of the networks that it did not go well with; the first failure, or 0. */
int addresses_run(struct gateway *gateway, struct address_changes *changes);
void addresses_free(struct address_changes *changes);
#define _cleanup_address_changes_ _cleanup_(addresses_free)
void addresses_announce(struct network *network, const struct net_link *link);

/* ---- server.c ---- */
struct server *server_new(struct network *network);
/* NULL or empty arguments: none. Asks again and again with the same arguments change nothing. */
void server_want(struct server *server, const struct strlist *arguments);
/* It does nothing more until it is ended: for the moment in which all addresses go. Each dnsmasq would look at all
 * links and addresses for each of them, under the kernel's one lock that the removals need. */
void server_pause(struct server *server);
void server_adopt(struct server *server, pid_t pid, const struct strlist *arguments);
void server_reload(struct server *server); /* the hosts file changed */
bool server_is_running(const struct server *server);
void server_free(struct server *server); /* leaves the process alone */

/* ---- adopt.c ---- */
/* Finds what an earlier pvc-gateway of this dynamic directory left: processes and noted addresses. */
int adopt_all(struct gateway *gateway);

/* ---- resolv.c ---- */
void resolv_look(struct gateway *gateway); /* now, and every half minute from then on */

/* ---- leases.c ---- */
int leases_start(struct gateway *gateway);
void leases_connected(struct leases *leases); /* a connection to the store came */
bool leases_are_written(const struct leases *leases);
void leases_stop(struct leases *leases);
