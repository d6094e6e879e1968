/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of virt share. */
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

#include "virt/virt.h"

enum note_kind {
	NOTE_UP,       /* connection opened; conn is handed over */
	NOTE_FAILED,   /* it could not be opened */
	NOTE_DOWN,     /* connection `generation` was lost */
	NOTE_EVENT,    /* of a domain */
	NOTE_RETURNED, /* a call that was late has come back */
};

struct note {
	struct note *next;
	enum note_kind kind;
	virConnectPtr conn;
	int event_id;
	uint64_t generation;
	char *text;
	struct virt_event event;
	struct call *call;
};

/* From libvirt's threads and the workers to the loop. Counted, because both may outlive the struct virt. */
struct post {
	pthread_mutex_t lock;
	unsigned references;
	int fd; /* eventfd */
	bool closed;
	struct note *first, **last;
	char *uri;
	struct link *idle; /* link.c */
	unsigned idle_count;
};
int post_new(struct post **ret, const char *uri);
struct post *post_ref(struct post *post);
void post_unref(void *post); /* a virFreeCallback */
/* Takes the note, also on failure. -ESHUTDOWN once closed: then the note's contents are the caller's again. */
int post_put(struct post *post, const struct note *note);
struct note *post_take(struct post *post); /* the caller frees it and its text */
void post_close(struct post *post);

struct virt {
	struct virt_options options;
	sd_event *event;
	sd_event_source *wake, *retry;
	struct workers *workers;
	struct post *post;
	virConnectPtr conn; /* NULL while down */
	int event_id;
	uint64_t generation; /* of the connection or attempt */
	uint64_t lost;       /* of the last one that was lost */
	uint64_t serial;
	usec_t pause; /* before the next attempt */
	bool reported;
};

/* link.c: connections for calls, one call at a time each. libvirt 9.0's client goes wrong (a thread hangs, then
 * crashes) when its keepalive gives a connection up that several threads wait on; and libvirtd serves only five
 * requests of one client at a time. `generation` is that of the connection for events: links of an earlier one are
 * closed. */
#define LINKS_IDLE_MAX 2 /* kept open between calls */
struct link;
virConnectPtr link_take(struct post *post, uint64_t generation); /* NULL: see virGetLastError() */
void link_give(struct post *post, virConnectPtr conn, uint64_t generation);
struct link *link_detach_all(struct post *post);
void link_close_all(struct link *links); /* may wait for libvirtd */
void virt_keepalive(virConnectPtr conn);

/* connection.c */
int connection_open(struct virt *virt);
void connection_drop(struct virt *virt);
/* migrate.c: on a worker; 0 or 1, or -1 with libvirt's last error set */
int migrate_out(virDomainPtr domain, const struct virt_migration *migration);
int migrate_job(virDomainPtr domain, struct virt_job *ret);
int migrate_settle(virDomainPtr domain);
int migrate_take(virDomainPtr domain, struct virt_job *ret);
/* call.c */
enum virt_state virt_state_of(int state, int reason);
void call_returned(struct virt *virt, struct call *call); /* calls done() and frees */
void call_free(struct call *call);
/* loop.c: libvirt's own loop on its thread, once a process */
int virt_loop_start(void);
/* A printable copy of libvirt's last error on this thread. */
char *virt_last_message(void);
