/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-watch-ceph: carries out the storage commands of /cmd/ceph and /cmd/domains.
 *
 * A struct queue watches one of the two keys and does the handshake with the client. Each command becomes a struct
 * task: facts are read from ZooKeeper on the loop, Ceph is worked on a thread, keys are written on the loop. Keys
 * follow what Ceph says: a command whose client was told "failure" because it took too long still has its keys written
 * when it comes to its end.
 *
 * Every command has a record in /nodes/ME/ceph_jobs/ID (ID: the command's zxid, 16 hexadecimal digits, so that whoever
 * wrote the command finds it): JSON with "command", "state" (running, done, failed, settled), "step", "reason". A
 * record that is `running` when the daemon starts is an interrupted command: it is settled, never executed again
 * (settle.c).
 */
#pragma once

#include "ceph/ceph.h"
#include "cluster/storage.h"
#include "config/config.h"
#include "event/event.h"
#include "host/host.h"
#include "log/log.h"
#include "store/store.h"

#define JOBS_DIRECTORY "ceph_jobs"
#define JOBS_KEPT      20 /* records of jobs that have ended */
#define TASK_THREADS   8
#define SHOWN_BYTES    200 /* of a foreign command in one message */

struct queue;

struct mailbox;
struct stats;

struct daemon {
	struct loop *loop;
	sd_event *event;
	struct config *config;
	struct store *store;
	struct ceph *ceph;
	struct workers *workers;
	struct mailbox *mailbox;
	struct stats *stats;
	struct queue *queues[STORAGE_QUEUE_COUNT];
	struct store_watch *role_watch;
	bool role_known, primary;
	struct task *tasks;
	bool settled; /* records of an earlier life were looked at, or are being */
	bool ready, stopping;
};
void daemon_ready_check(struct daemon *daemon);

/* ---- task.c: one command, from its text to its end ---- */

enum task_kind {
	TASK_COMMAND,
	TASK_SETTLE, /* brings the keys of an interrupted command in line with Ceph, and finishes what must be */
};

/* What the thread finds out; the loop reads it when the thread is done. */
struct task_result {
	char *error;           /* sentence of a failure */
	char *info;            /* rbd info of the volume that the command is about, or of the clone */
	uint64_t osd;          /* osd_add: its id */
	char *uuid;            /* osd_add: as its device says */
	bool gone;             /* settle: Ceph has no such pool */
	char *name_info;       /* settle: of the volume's other name */
	struct strlist others; /* settle: snapshots that Ceph has */
};

struct task {
	struct task *next;
	struct daemon *daemon;
	struct queue *queue; /* whose client waits for the answer; NULL once it was answered or has no client */
	enum task_kind kind;
	char id[17];
	char *text; /* the command as it was written */
	int64_t zxid;
	bool understood;
	struct storage_command command;
	struct storage_facts facts;
	char *uuid;             /* of the OSD that is being made */
	char *device;           /* of the OSD that is being removed */
	struct strlist volumes; /* flush_locks: POOL/VOLUME */
	char *record;           /* path */
	char *step, *reason;
	enum storage_turn turn;
	bool started;                        /* task_go(): it is carried out */
	bool running;                        /* a thread has it */
	bool success;                        /* of what is being told */
	bool ended;                          /* ... and that is the end of it */
	const char *recording, *record_next; /* state that is being written to the record, and the one to follow */
	void (*record_done)(struct task *task, int result); /* ... and what follows that */
	bool abandoned; /* atomic: the client was told of a failure before a thread began */
	sd_event_source *timer;
	struct task_result result;
};
/* Takes a command that was found in a queue. It ends by itself. */
void task_begin(struct queue *queue, const char *text, int64_t zxid);
/* The queue holds the lock, and the command still stands in the key: go. */
void task_go(struct task *task);
/* The client has gone, or another one has written over the command: nobody is answered any more. */
void task_detach(struct task *task, const char *why);
void task_drop(struct task *task); /* was never begun: frees it */
/* One that has no client: an interrupted command, with the record it left. Takes `task` over. */
void task_resume(struct task *task);
struct task *task_new(struct daemon *daemon, const char *text, int64_t zxid);
void task_end(struct task *task, int result); /* keys are written: record, answer, free */
void task_fail(struct task *task, int result, const char *format, ...) _printf_(3, 4);
const char *task_label(const struct task *task); /* printable, for log lines; valid until the next call */

/* ---- facts.c: what ZooKeeper says, before ---- */
typedef void (*facts_fn)(struct task *task, int result);
void facts_turn(struct task *task, void (*done)(struct task *task, enum storage_turn turn, const char *why));
void facts_read(struct task *task, facts_fn done);

/* ---- record.c: /nodes/ME/ceph_jobs ---- */
/* `state`: running, done, failed. `done` may be NULL. */
void record_write(struct task *task, const char *state, facts_fn done);
void records_prune(struct daemon *daemon);
void records_settle(struct daemon *daemon); /* at the start: what an earlier life left running */

/* ---- work.c, osd_add.c, osd_remove.c: on a worker thread ---- */
int work_run(struct task *task);
usec_t work_patience(const struct task *task); /* how long a client is made to wait */
int work_osd_add(struct task *task, char **ret_error);
int work_osd_remove(struct task *task, char **ret_error);
int work_settle(struct task *task, char **ret_error);

/* ---- keys.c: what ZooKeeper says, after ---- */
void keys_write(struct task *task); /* ends in task_end() */
void keys_settle(struct task *task);

/* ---- mail.c: from the threads to the loop ---- */
int mail_start(struct daemon *daemon);
void mail_stop(struct daemon *daemon);
/* From a thread: what it is doing now; logged, and kept in the task's record. */
void mail_step(struct task *task, const char *format, ...) _printf_(2, 3);
/* From a thread: waits, but not beyond the end of the daemon. */
bool mail_pause(struct task *task, usec_t duration); /* false: the daemon is stopping */

/* ---- queue.c: the handshake ---- */
int queue_start(struct daemon *daemon, enum storage_queue which);
void queue_unwatch(struct queue *queue);
void queue_free(struct queue *queue);
void queue_look(struct queue *queue);  /* there is a connection (again): what the key holds now is old */
void queue_stale(struct queue *queue); /* the connection was lost */
bool queue_seen(const struct queue *queue);
enum storage_queue queue_which(const struct queue *queue);
struct daemon *queue_daemon(const struct queue *queue);
/* It is this node's turn: takes the lock for the task; task_go() or task_detach()+task_drop() follows. */
void queue_take(struct queue *queue, struct task *task);
/* It is not: an own lock that is held for an older command is given up. */
void queue_pass(struct queue *queue);
/* The answer, then the lock is released. */
void queue_answer(struct queue *queue, struct task *task, bool success);

/* ---- stats.c: the figures of the cluster ---- */
int stats_start(struct daemon *daemon);
void stats_stop(struct daemon *daemon);
bool stats_hang(const struct daemon *daemon); /* a thread is still asking */
