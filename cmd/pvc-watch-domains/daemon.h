/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-watch-domains: keeps the virtual machines of this node equal to what ZooKeeper says.
 *
 * One struct vm for each key below /domains, whichever node it belongs to. What is wanted (keys state and node) comes
 * from watches, what is comes from libvirt's events and listings; vm_decide() says what to do; at most one action a VM
 * is under way, and the end of every action decides anew. Domains of libvirt that have no key are never touched.
 */
#pragma once

#include "cluster/cluster.h"
#include "config/config.h"
#include "event/event.h"
#include "host/host.h"
#include "log/log.h"
#include "store/store.h"
#include "virt/virt.h"

#define STARTS_MAX        4                    /* VMs that are being created at the same time */
#define CALLS_MAX         8                    /* libvirt calls at the same time */
#define START_PATIENCE    (120 * USEC_PER_SEC) /* then a call is reported as hanging; it is waited for nevertheless */
#define DESTROY_PATIENCE  (60 * USEC_PER_SEC)
#define SHUTDOWN_PATIENCE (30 * USEC_PER_SEC)
#define LIST_PATIENCE     (20 * USEC_PER_SEC)
#define PERMISSION        (5 * USEC_PER_SEC)  /* an action must reach libvirt so soon after the read that allows it */
#define RETRY_PAUSE       (5 * USEC_PER_SEC)  /* after a call to libvirt that failed */
#define TICKS_A_LISTING   6                   /* events tell of changes; the listing is for what they miss */
#define REASON_MAX        1000                /* bytes of failedreason */
#define OFFER_PATIENCE    (15 * USEC_PER_SEC) /* what could not be sent stays here when its target is silent so long */
#define BLOCKED_PATIENCE  (60 * USEC_PER_SEC) /* then failedreason says what a start waits for */
#define SEND_ATTEMPTS     3                   /* of a live migration, before the cold way */

struct console;

struct daemon {
	struct loop *loop;
	sd_event *event;
	struct config *config;
	struct store *store;
	struct virt *virt;
	struct workers *helpers; /* threads that wait for child processes */
	struct store_watch *list_watch;

	struct vm **vms; /* sorted by uuid */
	size_t count;
	size_t unloaded; /* VMs whose state or node was not read yet */
	bool list_known; /* /domains was read */

	bool tried;      /* libvirt was tried: it answered, or it is known why not */
	bool listed;     /* libvirt is up and what is known of its domains is complete */
	bool listing;    /* a listing is under way */
	bool list_late;  /* ... and takes long */
	bool list_stale; /* ... and began on a connection that is no more */
	bool list_again; /* ... and was overtaken by something new */
	char *down;      /* why libvirt is down; NULL while up */
	size_t active;   /* domains in the last listing, ours or not */
	sd_event_source *list_timer, *tick;

	unsigned sends_waiting; /* VMs that wait for their turn to be sent */
	unsigned starts;        /* slots taken */
	struct vm *starts_first, **starts_last;

	sd_event_source *console_watch, *console_retry;
	ino_t console_inode; /* of the directory that is watched */
	char *published;     /* what the status file said */
	unsigned ticks;      /* keepalive intervals so far */
	bool ready, stopping;
};

/* A live migration out (send.c). */
struct sending {
	bool running;        /* a call of ours is under way */
	bool aborting;       /* and it was told to end */
	bool unwanted;       /* because of a change of the keys */
	bool overdue;        /* because of system.migration.timeout */
	bool looking;        /* at its progress */
	unsigned attempts;   /* that ended without an answer */
	usec_t written_at;   /* CLOCK_MONOTONIC of the event that asked for it */
	usec_t since;        /* CLOCK_MONOTONIC of the first look at it; 0: none */
	usec_t paused_at;    /* CLOCK_MONOTONIC of the event that the guest stands still; 0: not yet */
	usec_t published_at; /* CLOCK_MONOTONIC of the last progress */
	struct virt_job job; /* as last seen */
	char *target, *error;
	sd_event_source *timer;
};

/* What pvcctl asks of one migration, in the key migrate_options; only valid for the write of `node` it came with. */
struct options {
	bool live_only;
	char *home; /* lastnode as it was before; NULL: not known */
};

struct vm {
	struct daemon *daemon;
	char uuid[VIRT_UUID_TEXT];
	char *name; /* as last read; NULL before */

	/* wanted */
	struct store_watch *state_watch, *node_watch, *holder_watch;
	bool state_known, node_known, holder_known;
	enum vm_state state;
	char *word; /* the state as it is written */
	char *node;
	enum vm_owner owner;
	int32_t node_version;
	struct holder holder;
	char *holder_text; /* as it is written */
	enum vm_holder holds;
	usec_t handed_at; /* CLOCK_MONOTONIC: when it was seen that this node may take it */
	bool gone;        /* its key is missing in the list of /domains */
	bool left;        /* ... and it was decided to leave its copy running */
	int64_t
	    parent; /* czxid of /domains when the VM was found in it; another one is another cluster's; 0: not read */

	/* actual */
	bool here_known;
	enum vm_here here;
	uint64_t serial;        /* of the last event that told */
	uint64_t memory, vcpus; /* MiB; as listed */

	/* under way */
	bool busy;
	enum vm_action action;
	bool crashed;        /* what it is about had crashed */
	usec_t event_at;     /* CLOCK_MONOTONIC of the last state event */
	usec_t read_at;      /* CLOCK_BOOTTIME before which nothing of what allows the action was read */
	char *failedreason;  /* as last read */
	bool asked, overdue; /* the guest was asked to shut down */
	bool unwritable;     /* its key state is missing */
	bool offer_over;     /* nobody asked for the cold way */
	bool said_blocked;   /* failedreason says what it waits for */
	usec_t blocked_at;   /* CLOCK_MONOTONIC; 0: it is not blocked */
	bool send_waits;     /* for its turn */
	struct sending sending;
	struct options options;
	usec_t arrived_at;     /* CLOCK_MONOTONIC of the event that told that all of it is here */
	bool has_slot, queued; /* among the starts */
	struct vm *starts_next;
	usec_t started_at; /* CLOCK_MONOTONIC; 0: not by us */
	usec_t not_before; /* CLOCK_MONOTONIC: pause after a failure or a short run */
	unsigned short_runs;
	usec_t volumes_free; /* CLOCK_MONOTONIC: when it was told that nobody else holds them; 0: not */
	enum vm_action said; /* the last odd decision that was logged */
	sd_event_source *ask_timer, *retry_timer, *offer_timer;
	struct console *console;
	bool reading_name;
};

/* ---- table.c: the VMs of the cluster ---- */
int table_start(struct daemon *daemon);
struct vm *table_find(const struct daemon *daemon, const char *uuid); /* NULL when it is not one of ours */
void table_remove(struct vm *vm);                                     /* frees it; it must not be busy */
void table_unwatch(struct daemon *daemon);                            /* before the store is closed */
void table_free(struct daemon *daemon);                               /* after it: completions still come for VMs */
const char *vm_label(const struct vm *vm); /* for log lines: its name and uuid, valid until the next call */
void vm_see_state(struct vm *vm, const struct store_value *value);
void vm_see_node(struct vm *vm, const struct store_value *value);
void vm_see_holder(struct vm *vm, const struct store_value *value);
void vm_see_name(struct vm *vm, const struct store_value *value);
void table_read_name(struct vm *vm); /* then watches its console, if it still runs here */

/* ---- reconcile.c: one VM ---- */
void vm_evaluate(struct vm *vm); /* may free it */
void vm_evaluate_all(struct daemon *daemon);
enum vm_action vm_next(const struct vm *vm);
/* Actual state as a call submitted at `serial` or an event says; false when something newer is known. */
bool vm_observe(struct vm *vm, enum virt_state state, uint64_t serial);
void vm_finish(struct vm *vm, usec_t pause); /* the action is over: look again, not before `pause`; may free it */
void vm_pause(struct vm *vm);                /* looks again at not_before */
void vm_release(struct vm *vm);              /* its place among the starts, for the next in the queue */

/* ---- act.c: actions ---- */
void act_check(struct vm *vm, enum vm_action action); /* start, ask, destroy: after a synced read */
void act_write(struct vm *vm, enum vm_action action); /* write start, stop, restart; claim, release */
void virt_failed(struct vm *vm, const char *what, int result, const char *error);
void act_destroy(struct vm *vm);  /* busy already, permission read */
void vanish_check(struct vm *vm); /* vanish.c: its key is gone and it runs here */

/* ---- volumes.c ---- */
/* False: that is being asked, and the start begins anew when it is known. */
bool volumes_are_free(struct vm *vm, const struct store_value *xml);

/* ---- write.c: conditional writes ---- */
struct change {
	struct vm *vm;     /* set by change_write() */
	unsigned from;     /* bits of the states that allow it; 0: any */
	int to;            /* state; -1: stays */
	bool mine;         /* only while the VM is this node's */
	bool arrive;       /* instead of `to`: start, if it is to move here */
	bool restore;      /* node becomes this node, lastnode what it was */
	char *at_node;     /* only while `node` is this; the texts are taken over; NULL: whatever, or it stays */
	char *holder;      /* becomes this, if it still is what this program saw last */
	char *holder_from; /* set by change_write() */
	char *reason, *migration;
	int written;                             /* the state that was written; set by compute() */
	void (*done)(struct vm *vm, int result); /* NULL: vm_finish() */
};
void change_write(struct vm *vm, const struct change *wanted);
char *holder_mine(const struct vm *vm);         /* the key's value when this node is the holder; NULL without memory */
void holder_write(struct vm *vm, char *holder); /* takes the text */
void reason_write(struct vm *vm, const char *reason);
void fail_write(struct vm *vm, const char *reason);
void fail_clear(struct vm *vm);
void word_write(struct vm *vm, enum vm_state from, enum vm_state to);

/* ---- send.c: live migration out ---- */
void send_begin(struct vm *vm);
void send_abort(struct vm *vm);
void send_settle(struct vm *vm);
void send_hand(struct vm *vm);
void send_offer(struct vm *vm);
void send_restore(struct vm *vm);
void send_next(struct daemon *daemon); /* gives those that wait their turn */
void send_moved(struct vm *vm);        /* its holder changed: is it the other end that runs it now? */
void send_forget(struct vm *vm);       /* frees what vm->sending holds */

/* ---- progress.c: what is told about a migration ---- */
char *progress_text(const struct vm *vm, const char *phase, const char *error); /* of the key `migration` */
void progress_watch(struct vm *vm);                                             /* from now on, while it is sent */
void options_see(struct vm *vm, const struct store_value *options, const struct store_value *node);

/* ---- take.c: live migration in ---- */
void take_over(struct vm *vm);
void take_prepare(struct vm *vm); /* another node is sending it here */

/* ---- hypervisor.c: libvirt's side ---- */
int hypervisor_start(struct daemon *daemon);
void hypervisor_list(struct daemon *daemon);      /* asks for a listing now */
void hypervisor_list_soon(struct daemon *daemon); /* the same, collecting several wishes */

/* ---- publish.c ---- */
void publish(struct daemon *daemon, bool even_unchanged);
void ready_check(struct daemon *daemon);

/* ---- console.c ---- */
int consoles_start(struct daemon *daemon);
void consoles_check(struct daemon *daemon); /* now and then: is the watched directory still the one of that name? */
void consoles_stop(struct daemon *daemon);
int console_prepare(struct daemon *daemon, const char *name, char **ret_error); /* the file, for QEMU to write to */
void console_watch(struct vm *vm);                                              /* idempotent: one watcher a VM (D46) */
void console_unwatch(struct vm *vm);

/* ---- console_window.c ---- */
#define CONSOLE_BYTES_MAX (256u * 1024u - 1u)
/* The last max_lines lines of a log's tail, at most max_bytes, beginning with a whole line: printable as UTF-8 (other
 * bytes and NUL become '?'; a character that is only half written is left out). `cut`: the tail begins inside the log.
 * A single line that is longer than max_bytes keeps its end. NULL without memory; the caller frees. */
char *console_window(const char *data, size_t length, bool cut, size_t max_lines, size_t max_bytes);
