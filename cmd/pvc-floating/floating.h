/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-floating: the floating addresses of the primary coordinator. One object, in main(); all of it runs on the loop.
 *
 *   plan.c      what has to be done (pure)
 *   apply.c     the note, the kernel
 *   keep.c      while it runs: addresses that go missing, links that come, announcements
 *   publish.c   /upstream_ip
 *   report.c    --check and --dry-run
 *
 * Addresses come first and need nothing but the configuration and the kernel: no ZooKeeper, no other program.
 */
#pragma once

#include "event/event.h"
#include "plan.h"
#include "store/store.h"

#define RETRY_TIME  (2 * USEC_PER_SEC)  /* before something that failed is tried again */
#define SETTLE_TIME (5 * USEC_PER_MSEC) /* changes of links and addresses that come together are looked at together */
#define REPEAT_TIME (15 * USEC_PER_SEC) /* between announcements in the long run: mends a cache that was misled */

struct floating {
	const struct config *config; /* NULL: --release with a configuration that is not to be read */
	struct floating_list wanted, noted;
	char *note_path; /* DYNAMIC/floating */
	struct net *net;
	/* while it runs */
	struct loop *loop;
	struct net *monitor;
	int announcer; /* net_announce_open(), or -errno */
	sd_event_source *monitor_source, *settle, *announce;
	size_t announced;         /* times since something changed */
	char *said[FLOATING_MAX]; /* what is wrong with each wanted address, as named in the log; NULL: nothing */
	struct net_link links[FLOATING_MAX]; /* where each was announced last; index 0: nowhere */
	struct store *store;
	struct store_watch *watch;
	sd_event_source *publish_retry;
	bool publishing, stopping;
	int first_error; /* of the first look at the kernel: 0 or -errno */
};

/* ---- apply.c ---- */
/* Reads the note; `directory` is the dynamic directory. */
int floating_open(struct floating *floating, const char *directory);
void floating_close(struct floating *floating);
/* The links and addresses of the host; what is missing to have what is wanted (or, with `release`, to have none). */
struct floating_state {
	struct net_links links;
	struct net_addresses addresses;
	struct floating_list owned, none;
	struct floating_plan plan;
};
int floating_observe(struct floating *floating, bool release, struct floating_state *ret, char **ret_error);
void floating_state_free(struct floating_state *state);
#define _cleanup_floating_state_ _cleanup_(floating_state_free)
/* Does it, going on after what failed; each failure is named once in the log until it is over. Returns how many
 * addresses were added, or the first -errno. */
int floating_apply(struct floating *floating, struct floating_state *state);
int floating_release(struct floating *floating); /* all away; 0, or the first -errno, named in the log */

/* ---- keep.c ---- */
int keep_start(struct floating *floating); /* addresses are set and announced on return */
void keep_stop(struct floating *floating);

/* ---- publish.c ---- */
int publish_start(struct floating *floating);
void publish_stop(struct floating *floating);

/* ---- report.c: return an exit code ---- */
int report_check(struct floating *floating, bool release);
int report_dry(struct floating *floating, bool release);
