/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-metadata: what guests of managed networks may know about themselves, on the primary coordinator. One object, in
 * main(); all of it runs on the loop but the questions to PostgreSQL.
 *
 *   tree.c      paths and texts of the tree (pure)
 *   token.c     tokens of IMDSv2 (pure)
 *   networks.c  managed networks: a listening socket on the bridge of each
 *   address.c   169.254.169.254 on lo
 *   vms.c       whose VM an interface is, out of the definitions
 *   guest.c     who asks: neighbour, VM, lease
 *   userdata.c  user-data of a profile, from PostgreSQL
 *   answer.c    one request
 *
 * How a guest is found (D79): the listening socket tells the bridge, and so the network; the kernel's table of
 * neighbours tells the MAC that has the source address on that bridge (the handshake has just been through it); an
 * index tells the VM that has that MAC on that bridge. Then one round trip to ZooKeeper reads its lease, which must be
 * of that address, its name and profile. Nothing is scanned; what was read is used again for a second. The index is
 * kept by one watch a VM; leases, of which there are many more, are not watched.
 */
#pragma once

#include "config/config.h"
#include "event/event.h"
#include "http/http.h"
#include "net/net.h"
#include "store/store.h"
#include "token.h"
#include "tree.h"

#define METADATA_ADDRESS "169.254.169.254"
#define METADATA_PORT    80

#define RETRY_TIME  (2 * USEC_PER_SEC)   /* before something that failed is tried again */
#define SETTLE_TIME (30 * USEC_PER_MSEC) /* changes of links that come together are looked at together */
/* From the guest's point of view: cloud-init waits 5 s for one answer. */
#define LOOKUP_TIME   (4 * USEC_PER_SEC)   /* to find out who asks; then 503 */
#define QUERY_TIME    (3 * USEC_PER_SEC)   /* for PostgreSQL's answer; then 503 */
#define LEASE_TRIES   6                    /* a guest may be faster than its new lease's way into ZooKeeper... */
#define LEASE_PAUSE   (50 * USEC_PER_MSEC) /* ...so it is looked for again after this, doubled each time: 1.6 s */
#define FRESH_TIME    (1 * USEC_PER_SEC)   /* what is known of a guest is used again for so long */
#define LOOKUPS_MAX   1024                 /* reads under way */
#define ADDRESS_LIFE  15                   /* seconds; what is not renewed the kernel removes */
#define ADDRESS_RENEW 5                    /* seconds between two looks at it */
#define PER_NETWORK   32                   /* connections out of one network; more wait to be accepted */
#define VMS_MAX       8000         /* of 10 000 watched keys (store/watch.c): a limit of the packets of a reconnect */
#define USERDATA_MAX  (256 * 1024) /* bytes; with HTTP_CONNECTIONS a bound on memory */
#define QUERY_THREADS 2

struct network;
struct vm;
struct lookup;
struct userdata;

struct metadata {
	const struct config *config;
	struct loop *loop;
	struct store *store;
	struct http *http;
	uint8_t token_key[TOKEN_KEY];
	/* networks.c */
	struct net *net, *monitor;
	sd_event_source *monitor_source, *settle, *retry, *renew;
	struct store_watch *networks_watch;
	struct network *networks;
	unsigned paused; /* networks that accept nothing for the moment */
	bool networks_listed, address_there;
	/* vms.c */
	struct store_watch *vms_watch;
	struct vm *vms;
	void *vms_by_uuid, *ports; /* trees of tsearch(3) */
	size_t vm_count, vms_unseen;
	bool vms_listed, vms_too_many;
	/* guest.c */
	struct lookup *lookups;
	unsigned reading;
	/* userdata.c */
	struct userdata *userdata;
	bool ready, stopping;
};

/* ---- main.c ---- */
void metadata_try_ready(struct metadata *metadata);

/* ---- networks.c ---- */
int networks_start(struct metadata *metadata);
void networks_stop(struct metadata *metadata); /* no more connections are taken, the address goes */
void networks_free(struct metadata *metadata);
bool networks_are_seen(const struct metadata *metadata);
/* The VNI of the managed network whose bridge has that index; NULL: none. */
const char *networks_vni(const struct metadata *metadata, int index);
void networks_go_on(struct metadata *metadata); /* there is room for connections again */

/* ---- address.c ---- */
int address_ensure(struct metadata *metadata, const struct net_links *links);
void address_release(struct metadata *metadata);

/* ---- vms.c ---- */
struct nic {
	struct vm *vm;
	struct port *port;
	struct nic *twin; /* another VM's with the same MAC on the same bridge: then nobody can tell who asks */
	/* what was read of its guest */
	usec_t fresh_until;
	struct in_addr address;
	char *name, *profile, *domain;
};
int vms_start(struct metadata *metadata);
void vms_free(struct metadata *metadata);
/* The interface with that MAC (six bytes in lower case) on that bridge; NULL: none. */
struct nic *vms_find(const struct metadata *metadata, const char *bridge, const char *mac);
const char *vm_uuid(const struct vm *vm);

/* ---- guest.c ---- */
/* 0: it is known (texts live for the call); -ENOENT: nobody that is known; -EAGAIN: cannot be told now. */
typedef void (*guest_fn)(int result, const struct tree_guest *guest, void *userdata);
/* Calls `done` exactly once, perhaps from in here. */
void guest_find(struct metadata *metadata, int index, struct in_addr address, guest_fn done, void *userdata);
void guests_cancel(struct metadata *metadata); /* those that still wait get -EAGAIN */

/* ---- userdata.c ---- */
int userdata_start(struct metadata *metadata);
void userdata_free(struct metadata *metadata); /* those that still wait get -EAGAIN */
/* text NULL with -ENOENT: the profile has none; -EAGAIN: PostgreSQL gives none now; -EFBIG: more than USERDATA_MAX. */
typedef void (*userdata_fn)(int result, const char *text, void *userdata);
void userdata_ask(struct metadata *metadata, const char *profile, userdata_fn done, void *userdata);

/* ---- answer.c ---- */
void answer_request(struct http_request *request, void *metadata);
