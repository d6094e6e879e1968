/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Storage commands, as clients write them into /cmd/ceph and /cmd/domains (data model, 8): what a text means, whose
 * turn it is, what must be the case before it is carried out. Without I/O.
 */
#pragma once

#include "base/base.h"

enum storage_queue { STORAGE_CMD_CEPH, STORAGE_CMD_DOMAINS, STORAGE_QUEUE_COUNT };

enum storage_verb {
	STORAGE_OSD_ADD,
	STORAGE_OSD_REMOVE,
	STORAGE_OSD_IN,
	STORAGE_OSD_OUT,
	STORAGE_OSD_SET,
	STORAGE_OSD_UNSET,
	STORAGE_POOL_ADD,
	STORAGE_POOL_REMOVE,
	STORAGE_VOLUME_ADD,
	STORAGE_VOLUME_CLONE,
	STORAGE_VOLUME_RESIZE,
	STORAGE_VOLUME_RENAME,
	STORAGE_VOLUME_REMOVE,
	STORAGE_SNAPSHOT_ADD,
	STORAGE_SNAPSHOT_RENAME,
	STORAGE_SNAPSHOT_REMOVE,
	STORAGE_FLUSH_LOCKS,
	STORAGE_VERB_COUNT
};
const char *storage_verb_name(enum storage_verb verb); /* "osd_add"... */

#define STORAGE_COMMAND_MAX 1000u        /* bytes of a command; names are far shorter */
#define STORAGE_NAME_MAX    200u         /* bytes of a pool's, volume's or snapshot's name */
#define STORAGE_BYTES_MAX   (1ull << 60) /* of a volume: 1 EiB */

struct storage_command {
	enum storage_verb verb;
	/* what the verb has; others are NULL or 0 */
	char *node, *device;
	double weight;
	uint64_t osd;
	char *flag;
	char *pool, *volume, *snapshot;
	char *name; /* the new name of a volume (a clone's with its prefix) or of a snapshot */
	uint64_t pgs, copies, mincopies;
	uint64_t bytes;
	char *vm; /* uuid */
};
void storage_command_free(struct storage_command *command); /* frees what it holds */
#define _cleanup_storage_command_ _cleanup_(storage_command_free)

/* Is this text in a queue something to do: neither empty nor an answer ("success-...", "failure-...")? */
bool storage_is_command(const char *text);
/* "VERB ARGUMENT,ARGUMENT...", exactly one blank. -EINVAL and a sentence for everything else, -ENOMEM. */
int storage_parse(enum storage_queue queue, const char *text, struct storage_command *ret, char **ret_error);

/* ---- whose turn ---- */

enum storage_place {
	STORAGE_ON_PRIMARY, /* the primary coordinator */
	STORAGE_ON_NODE,    /* the node that the command names */
	STORAGE_ON_OWNER,   /* the node that the OSD belongs to */
};
enum storage_place storage_place(enum storage_verb verb);
enum storage_turn {
	STORAGE_OTHERS, /* another node's, or nobody's */
	STORAGE_MINE,
	STORAGE_REFUSE, /* nobody will do it: the primary answers with failure at once */
};
struct storage_turn_view {
	bool primary;    /* this node is */
	bool understood; /* storage_parse() made sense of it */
	enum storage_place place;
	bool here; /* the node that it is for is this one */
	bool runs; /* that node is in daemonstate `run` */
};
enum storage_turn storage_turn(const struct storage_turn_view *view);

/* ---- what must be the case ---- */

struct storage_facts { /* as the keys have it */
	bool pool, volume, snapshot;
	bool name;       /* something has the new name */
	bool osd;        /* osd_add: an OSD of that node has the device; else: the OSD is known */
	bool vm, vm_off; /* known; neither runs nor is about to */
};
/* 0, or -ENOENT, -EEXIST, -EBUSY and a sentence. */
int storage_check(const struct storage_command *command, const struct storage_facts *facts, char **ret_error);

/* ---- clients, by their addresses ---- */

/* Is a client, "10.0.0.1:0/123" or "[2001:db8::1]:0/123" as Ceph writes them, on one of these hosts (addresses without
 * ports)? */
bool storage_client_on(const char *client, const struct strlist *hosts);
/* Is it blocklisted, by itself or with its whole host ("10.0.0.1:0/0")? */
bool storage_client_blocklisted(const char *client, const struct strlist *blocklisted);
char *storage_host_client(const char *host); /* what blocklists a whole host; NULL without memory; the caller frees */

/* Which addresses a host is sealed off by: those that it has, less those that another node has too (a bridge of libvirt
 * has the same on every node). */
int storage_seal_hosts(const struct strlist *victims, const struct strlist *others, struct strlist *ret);
/* A client that holds a volume of one of the victim's VMs: is it taken from it? Not when it is on another node that is
 * known. One that nobody knows is: it is the victim's by an address that was not told, or somebody's whose lock would
 * keep the VM from starting. */
bool storage_seal_takes(const char *client, const struct strlist *victims, const struct strlist *others);

/* ---- who holds a volume that a VM is about to be started on ---- */

enum storage_hold {
	STORAGE_HOLD_IGNORED, /* opened on this node and not locked: whoever it is cannot write beside the VM for long
			       */
	STORAGE_HOLD_STALE,   /* locked by an earlier client of this node: the VM does not run here, so it is dead */
	STORAGE_HOLD_FOREIGN, /* locked or open on another machine: the VM must not be started */
};
/* own: this machine's addresses without ports; blocklisted: Ceph's list. A client that was blocklisted cannot write any
 * more, wherever it is: its lock is stale. What is not understood counts as foreign. */
enum storage_hold storage_hold(const char *client, bool locked, const struct strlist *own,
			       const struct strlist *blocklisted);
