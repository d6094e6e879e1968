/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-seal: nothing that a dead node's clients of Ceph still send is accepted any more. cluster.c reads from ZooKeeper
 * what there is to seal and keeps the record of what was sealed; storage.c does it in Ceph. Every step may be done
 * again.
 */
#pragma once

#include "ceph/ceph.h"
#include "config/config.h"
#include "store/store.h"

struct seal {
	const struct config *config;
	const char *node; /* the victim */
	usec_t deadline;
	struct store *store;
	struct ceph *ceph;
	struct strlist given;   /* further addresses of the victim, from the command line */
	struct strlist hosts;   /* by which it is sealed off, without ports */
	struct strlist sealed;  /* of the record: by which it was sealed off before */
	struct strlist others;  /* addresses of the other nodes */
	struct strlist osds;    /* ids of the victim's OSDs */
	struct strlist volumes; /* POOL/VOLUME of the VMs that it may have had */
	/* what was done */
	struct strlist clients; /* that held a volume and were blocklisted by themselves */
	size_t locks;           /* broken */
	uint64_t epoch;         /* of the OSD map that all OSDs have */
};

/* cluster.c; all return 0 or -errno, having said why. */
int cluster_read(struct seal *seal);
int cluster_record(struct seal *seal); /* before anything is done: hosts and what was recorded before */
int cluster_forget(struct seal *seal);

/* storage.c */
int storage_seal(struct seal *seal);
int storage_lift(struct seal *seal);
/* 0: sealed off by each address; 1: not, having said by which it is not */
int storage_look(struct seal *seal);
