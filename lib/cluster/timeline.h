/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When a holder of the primary role has let go, and when another may have it. All of it is counted from C, the moment
 * at which the holder sent the newest request that the ensemble's leader answered (store_last_confirmed()): the leader
 * lets the session live until C + session - lag at least, since a follower tells it of its sessions once a tick.
 *
 *   the connection is lost, the program goes on:
 *
 *     C ---------------- late -------------> the holder stops its services ---- release ----> all addresses are away
 *     0                  3.5 s               by its own clock                                 5.5 s
 *
 *   and if in the last moment before that the program hangs or dies as well:
 *
 *     C ---------------- late ----> hangs --- watchdog ---> systemd stops them --- release ---> all addresses are away
 *     0                  3.5 s                              6.0 s                               8.0 s
 *
 *   C -------------------------------------------------- session - lag ----------------------> the lease can be free
 *     0                                                                                        8.0 s
 *
 * A program that dies: systemd stops the services in that moment (PropagatesStopTo=). Only a whole machine that is
 * frozen cannot keep this order.
 */
#pragma once

#include <assert.h>

#include "base/base.h"

#define TIMELINE_SESSION  (10 * USEC_PER_SEC)    /* what pvc-watch-nodes asks for */
#define TIMELINE_LAG      (2 * USEC_PER_SEC)     /* a tick of ZooKeeper's default configuration; see timeline_lag() */
#define TIMELINE_WATCHDOG (2500 * USEC_PER_MSEC) /* WatchdogSec= of pvc-watch-nodes.service */
#define TIMELINE_RELEASE  (2 * USEC_PER_SEC)  /* from a stop of pvc-primary.target to the last address gone: see below \
					       */
#define TIMELINE_PROBE (TIMELINE_SESSION / 6) /* between two confirmations, when all is well (lib/store) */

/* How long a lease is good from C on; 0: such a session cannot carry a lease. */
static inline usec_t timeline_late(usec_t session) {
	/* no tick is longer than half of the shortest session that the server grants: when it granted more than was
	 * asked for, that is what it granted */
	usec_t lag = session > TIMELINE_SESSION ? session / 2 : TIMELINE_LAG;
	usec_t order = lag + TIMELINE_WATCHDOG + TIMELINE_RELEASE;

	return session > order && session - order >= session / 6 ? session - order : 0;
}

/* two confirmations in a row may get lost without harm */
static_assert(TIMELINE_SESSION - TIMELINE_LAG - TIMELINE_WATCHDOG - TIMELINE_RELEASE >= 2 * TIMELINE_PROBE,
	      "a holder gives up at the first hiccup");

/* The parts of TIMELINE_RELEASE when all of them hang: TimeoutStopSec= of pvc-dns and pvc-metadata, 400 ms, which go
 * before the addresses; of pvc-floating and pvc-gateway, 1100 ms; and 500 ms for the --release of these, which removes
 * what they left. No service but these is ordered before that. tests/bats/primary.bats adds them up. */

#define TIMELINE_TAKE  (5 * USEC_PER_SEC)  /* how long a node that is named and could take a free role has to do so */
#define TIMELINE_YIELD (10 * USEC_PER_SEC) /* how long a holder that was asked to give it away waits for a bid */
