/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Storage: reading OSDs, pools, volumes and snapshots, and giving commands about them to the nodes (storage_*.c). */
#pragma once

#include "cluster/storage.h"
#include "pvcctl.h"

/* ---- sizes (storage_size.c) ---- */

/* "10G", "1.5T", "512MiB", "4096B": a number and a unit of powers of 1024, in either case. -EINVAL. */
int size_parse(const char *text, uint64_t *ret);
/* "10G", "1.5T", "700B": three digits or so. NULL for a negative number or without memory; the caller frees. */
char *size_text(int64_t bytes);

/* ---- reading (storage_read.c) ---- */

enum storage_kind { STORAGE_OSDS, STORAGE_POOLS, STORAGE_VOLUMES, STORAGE_SNAPSHOTS };

struct storage_object {
	char *pool, *volume; /* NULL where there is none */
	char *name;          /* id of an OSD, name of a pool, volume or snapshot */
	char *node, *device; /* of an OSD; "" when missing */
	int64_t pgs;         /* of a pool, as it was made; -1 when missing */
	int64_t snapshots;   /* of a volume; -1 when missing */
	json_t *stats;       /* an object; never NULL */
};
struct storage_objects {
	struct storage_object *items;
	size_t count;
};
void storage_objects_free(struct storage_objects *objects);
#define _cleanup_storage_objects_ _cleanup_(storage_objects_free)
/* All of a kind, in their order; of one pool or of one volume when these are given. A missing pool has none. -errno. */
int storage_read(struct ctl *ctl, enum storage_kind kind, const char *pool, const char *volume,
		 struct storage_objects *ret);
const struct storage_object *storage_find(const struct storage_objects *objects, const char *name);
int64_t storage_number(const struct storage_object *object, const char *key); /* -1 when missing or no number */
const char *storage_text(const struct storage_object *object, const char *key);

/* "POOL/VOLUME" or "POOL/VOLUME@SNAPSHOT"; what the command wants must be there. Exit code, having said why. */
struct storage_name {
	char *pool, *volume, *snapshot;
};
void storage_name_free(struct storage_name *name);
#define _cleanup_storage_name_ _cleanup_(storage_name_free)
int storage_name_parse(const char *text, bool snapshot, struct storage_name *ret);

/* The names of the VMs whose definitions have a volume of the pool, or this one, as a disk. -errno. */
int storage_users(struct ctl *ctl, const char *pool, const char *volume, struct strlist *ret);

/* ---- commands (storage_request.c) ---- */

/* Gives a command to the node whose turn it is and follows it to its end, or for a while without --wait. `done` is
 * printed when it is done. Takes `text`, also NULL. Exit code, having said why. */
int storage_request(struct ctl *ctl, enum storage_queue queue, char *text, const char *done);
