/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virt: the host's libvirt, seen from a loop. One connection that is opened again by itself when it is lost; lifecycle
 * events and the results of calls come as callbacks on the loop; libvirt itself is only ever called on threads.
 *
 * Threads: libvirt's default event loop runs on a thread of its own for as long as the process lives (its
 * implementation is global to the process); what it reports goes through a locked queue and an eventfd to the program's
 * loop. That was chosen over driving libvirt's handles from the loop itself, because libvirt changes handles and
 * timeouts from whatever thread calls it.
 *
 * A libvirtd that hangs: the protocol's keepalive (every 5 s, 3 may stay unanswered) ends the connection after 20 s;
 * calls under way then fail with -ENOTCONN. Opening a connection has no such limit, so it is tried by one thread at a
 * time, which waits for as long as it takes.
 */
#pragma once

#include "base/base.h"
#include "event/event.h"

#define VIRT_URI       "qemu:///system"
#define VIRT_UUID_TEXT 37 /* 36 characters and the NUL */

enum virt_state {
	VIRT_OFF,       /* no process */
	VIRT_RUNNING,   /* also while the guest goes down: an event for the end of it follows */
	VIRT_PAUSED,    /* paused or suspended; also what has arrived by a migration and was left paused */
	VIRT_MOVING,    /* paused for a migration: half arrived, or in the last moment of being sent */
	VIRT_CRASHED,   /* the guest crashed and its process was kept */
	VIRT_SAME = -1, /* of an event: it changes nothing of the above */
};

struct virt;

struct virt_event {
	char uuid[VIRT_UUID_TEXT]; /* lower case with dashes */
	enum virt_state state;     /* after the event */
	const char *what;          /* "started", "stopped", ... */
	const char *detail;        /* "booted", "destroyed", "crashed", "shutdown", "migrated", "failed", ... or "" */
};

struct virt_options {
	const char *uri;  /* NULL: VIRT_URI */
	unsigned workers; /* calls at the same time */
	/* Called with every change, and once for the first attempt. reason: why it is down, in libvirt's words. After
	 * up: all that was known of domains is out of date; ask with VIRT_LIST (events from here on are complete). */
	void (*on_connection)(struct virt *virt, bool up, const char *reason, void *userdata);
	void (*on_event)(struct virt *virt, const struct virt_event *event, void *userdata);
	void *userdata;
};
int virt_new(struct virt **ret, sd_event *event, const struct virt_options *options);
/* Never blocks: calls under way get done(-ECANCELED); the connection is closed by a thread, if libvirt lets it. */
void virt_free(struct virt *virt);
static inline void virt_freep(struct virt **virt) {
	virt_free(*virt);
}
#define _cleanup_virt_ _cleanup_(virt_freep)
bool virt_is_up(const struct virt *virt);
/* The number of events delivered so far. An answer to a call that was submitted at serial n may be older than an event
 * with a number above n: then the event is right. */
uint64_t virt_serial(const struct virt *virt);

/* ---- calls (call.c) ---- */

enum virt_verb {
	VIRT_LIST,     /* all active domains */
	VIRT_CREATE,   /* a transient domain from XML; result 1: was active already, nothing was done */
	VIRT_SHUTDOWN, /* ask the guest by ACPI */
	VIRT_DESTROY,  /* end the process; success when there is none */
	VIRT_STATE,    /* of one domain; VIRT_OFF when there is none */
	VIRT_MIGRATE,  /* live, as call.migration says; what arrives there is left paused. Blocks until it is over */
	VIRT_ABORT,    /* end a migration out, if there is one */
	VIRT_JOB,      /* progress of a migration out; result 1: there is one */
	VIRT_SETTLE,   /* after a migration out that failed or was not watched. Result 1: it is still under way. Else it
			  is   not, and reply.state says what is here: a guest that the migration had paused runs again */
	VIRT_TAKE,     /* let run what has arrived. Result 0 and the state; 1: only half of it is here */
};

/* A migration out: libvirtd talks to the other libvirtd by itself (peer to peer), so it goes on when this process ends.
 */
struct virt_migration {
	const char *connect;  /* the other libvirtd as this one reaches it, "qemu+tcp://HOST/system" */
	const char *transfer; /* where QEMU sends the memory to, "tcp://HOST"; NULL with `tunnel` */
	bool tunnel;          /* the memory goes through the two libvirtds' connection */
	bool tls;             /* QEMU's own TLS for the memory */
	bool unsafe;          /* also when libvirt thinks that the disks are not shared */
	uint64_t downtime;    /* milliseconds that the guest may stand still at the end; 0: QEMU's own */
	uint64_t bandwidth;   /* MiB a second; 0: no limit */
};

/* Figures of a migration. */
struct virt_job {
	uint64_t elapsed, downtime;           /* milliseconds */
	uint64_t processed, remaining, total; /* bytes */
};

struct virt_domain {
	char uuid[VIRT_UUID_TEXT];
	enum virt_state state;
	uint64_t memory; /* MiB, as it is now */
	uint64_t vcpus;
};

struct virt_reply {
	uint64_t serial;       /* virt_serial() at submission */
	usec_t asked;          /* CLOCK_MONOTONIC: when the thread turned to libvirt; 0 if never */
	usec_t answered;       /* when libvirt had answered */
	const char *error;     /* libvirt's message, printable and of one line, when the result is negative; else "" */
	enum virt_state state; /* VIRT_STATE, VIRT_CREATE */
	const struct virt_domain *domains; /* VIRT_LIST, sorted by uuid */
	size_t count;
	struct virt_job job; /* VIRT_JOB; VIRT_TAKE: of the migration that brought it; zeros when not known */
};

struct virt_call {
	enum virt_verb verb;
	const char *uuid; /* copied; not for VIRT_LIST */
	const char
	    *xml; /* VIRT_CREATE, copied. The caller has checked that it is the domain `uuid`: virt_xml_check() */
	const struct virt_migration *migration; /* VIRT_MIGRATE, copied */
	/* libvirt is not asked any more after this CLOCK_BOOTTIME: then -ESTALE. What allowed the call may no longer
	 * hold when this process or libvirtd was frozen for a while. 0: no limit. */
	usec_t not_after;
	usec_t patience; /* microseconds after which late() is called */
	/* Exactly once, when the call has really come back (or was never begun). 0 or 1, or -ENOENT no such domain,
	 * -ENOTCONN the connection was lost: outcome unknown, -ESTALE see above, -EBUSY libvirt could not get hold of
	 * the domain in time, -ETIMEDOUT never begun (all threads were busy), -ECANCELED, -EIO with libvirt's message.
	 */
	void (*done)(struct virt *virt, int result, const struct virt_reply *reply, void *userdata);
	/* At most once, before done(): it takes longer than `patience`. May be NULL. */
	void (*late)(struct virt *virt, void *userdata);
	void *userdata;
};
/* -ENOTCONN when there is no connection; done() is called only after success of this. */
int virt_submit(struct virt *virt, const struct virt_call *call);

/* ---- definitions (xml.c) ---- */

#define VIRT_XML_MAX (256u * 1024u) /* bytes; real definitions have a few KiB */
/* Is this text a libvirt domain with exactly this uuid and name? Refused: what is no XML, a document type, another
 * root, no or several uuid or name elements, other values of them, NUL bytes, more than VIRT_XML_MAX. -EINVAL and a
 * printable sentence. Without it a VM could be started under another one's identity. */
int virt_xml_check(const char *xml, size_t length, const char *uuid, const char *name, char **ret_error);
/* The RBD volumes among its disks, as POOL/VOLUME, each once (volumes.c). -EINVAL when it is no XML. */
int virt_xml_volumes(const char *xml, size_t length, struct strlist *ret);
/* May this be a VM's name, and with that part of a file's name? 1 to 200 bytes of UTF-8, no '/', no control characters,
 * no dot first. */
bool virt_name_is_valid(const char *name);
/* 36 characters: lower-case hexadecimal digits and dashes, as libvirt writes it. */
bool virt_uuid_is_valid(const char *uuid);
