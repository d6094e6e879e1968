/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fence_record: the texts of /pvc/fence/NODE (how far the fencing of a node is) and /pvc/heart/NODE (what a node says
 * of itself beside its heartbeat). JSON objects; anybody who reaches ZooKeeper can write them, so nothing in them is
 * trusted before it was checked here.
 */
#pragma once

#include "cluster/cluster.h"
#include "cluster/fence.h"

#define FENCE_BOOT_MAX   64  /* of a boot id, with the NUL: the kernel's have 36 characters */
#define FENCE_CLAIM_MAX  64  /* of a claim's id, with the NUL */
#define FENCE_SINCE_MAX  40  /* of a time for people, with the NUL */
#define FENCE_REASON_MAX 400 /* of a reason, with the NUL; a longer one is cut */

struct fence_record {
	enum fence_step step; /* FENCE_NONE: there is no record */
	enum fence_verdict verdict;
	char fencer[HOLDER_NODE_MAX]; /* who claimed or resumed it last; whether it lives says the key `fencer` below */
	char boot[FENCE_BOOT_MAX];    /* the victim's boot id at the claim, "" when it was not known */
	int32_t beat;                 /* version of its key `keepalive` at the claim */
	int32_t state_version;        /* of its key `daemonstate`, as the claim left it */
	unsigned attempt;             /* how many times its agents were asked without a verdict */
	char claim[FENCE_CLAIM_MAX];  /* unlike any other claim's */
	char since[FENCE_SINCE_MAX];  /* of the claim, by the fencer's clock, for people */
	char reason[FENCE_REASON_MAX]; /* what was found last, for people */
};
char *fence_record_format(const struct fence_record *record); /* NULL without memory; the caller frees */
/* NULL and "" are no record: step FENCE_NONE. -EBADMSG for what is no record: nobody acts on it, nobody overwrites it.
 */
int fence_record_parse(const char *text, struct fence_record *ret);
/* Sets a text of it, cut to its size, foreign bytes replaced. */
void fence_record_say(struct fence_record *record, const char *reason);
/* May the node register, as far as its record says? Not while what it ran is on its way to other nodes. */
bool fence_record_admits(const struct fence_record *record);
/* Does the record declare the node dead that is in boot `boot`? It has to reset itself then. */
bool fence_record_condemns(const struct fence_record *record, const char *boot);

struct fence_heart {
	char boot[FENCE_BOOT_MAX]; /* the kernel's boot id, "" when it is not known */
	bool armed;                /* its watchdog was fed, so it resets the node unless that goes on */
	usec_t cut;                /* ... by then, counted from its last heartbeat; 0: it does not say */
};
char *fence_heart_format(const struct fence_heart *heart); /* NULL without memory; the caller frees */
/* Anything else than such a text is a node of which nothing is known. */
struct fence_heart fence_heart_parse(const char *text);
