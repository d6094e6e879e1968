/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host: systemd units (sd-bus), kernel settings, statistics of this machine, and the status files with which the
 * daemons of one node tell each other figures. Blocking calls have a deadline; none of it is for the loop of a daemon
 * except the /proc and status file functions.
 */
#pragma once

#include "base/base.h"

/* ---- units (unit.c) ---- */

/* Starts (stops, restarts) a unit and waits for its job's result. -ENOENT: no such unit; -ETIMEDOUT; -EIO with the
 * job's result ("failed", "dependency"...) in *ret_error; -EPERM: the unit is masked; -EACCES: not allowed;
 * -ECONNREFUSED: no systemd. Already in that state is success. The texts name the unit and what the operator can do.
 */
int host_unit_start(const char *unit, usec_t deadline, char **ret_error);
int host_unit_stop(const char *unit, usec_t deadline, char **ret_error);
int host_unit_restart(const char *unit, usec_t deadline, char **ret_error);

enum host_unit_verb { HOST_UNIT_START, HOST_UNIT_STOP, HOST_UNIT_RESTART };
struct host_unit_job {
	const char *unit;
	enum host_unit_verb verb;
	int result;  /* out: 0 or one of the above */
	char *error; /* out: the sentence for a result < 0; the caller frees */
};
/* The same for several units at once: all are asked for first, then all results are awaited. Returns 0 when every
 * result is 0, else the first result that is not; each job has its own. */
int host_units_run(struct host_unit_job *jobs, size_t count, usec_t deadline);

/* The services that are PartOf= this unit and whose last run came to another end than an orderly one (Result=): killed,
 * a time-out... *ret_all: all units that are. Those that systemd does not have in memory are none of them. */
int host_unit_disorderly_parts(const char *unit, usec_t deadline, struct strlist *ret, struct strlist *ret_all,
			       char **ret_error);

struct host_unit_state {
	char *active; /* ActiveState: "active", "inactive", "failed", "activating"... */
	char *sub;    /* SubState: "running", "exited", "dead"... */
	char *load;   /* LoadState: "loaded", "not-found", "masked"... */
	bool job;     /* it is being started or stopped, or is going to be: a job of it is in systemd's queue */
};
void host_unit_state_free(struct host_unit_state *state); /* frees what it holds */
#define _cleanup_unit_state_ _cleanup_(host_unit_state_free)
int host_unit_query(const char *unit, usec_t deadline, struct host_unit_state *ret, char **ret_error);
/* ActiveState and LoadState alone; the caller frees both. Waits for the answer five seconds at the most. */
int host_unit_state(const char *unit, char **ret_active, char **ret_load, char **ret_error);

/* ---- kernel settings (sysctl.c) ---- */

/* key with dots ("net.ipv4.ip_forward"); a dot inside an interface name is written as '/', as sysctl(8) does. */
int host_sysctl_read(const char *key, char **ret); /* without the newline; -ENOENT when the kernel has no such key */
int host_sysctl_write(const char *key, const char *value);

/* ---- a hardware watchdog (watchdog.c) ---- */

struct watchdog;
/* Opens the device, which starts it or feeds one that runs, and sets its time (whole seconds). It resets the host
 * unless it is fed within that time, whatever becomes of this process. -EBUSY: somebody else has it; -ERANGE: it does
 * not take that time; -EOPNOTSUPP: it is not fit for it; it is stopped again in these cases. Nothing here waits. */
int watchdog_open(struct watchdog **ret, const char *path, usec_t time, char **ret_error);
const char *watchdog_name(const struct watchdog *watchdog); /* what the driver calls it; borrowed */
int watchdog_feed(struct watchdog *watchdog);
int watchdog_stop(
    struct watchdog *watchdog); /* the host is reset no more, unless the driver knows no way back; frees */
void watchdog_leave(struct watchdog *watchdog); /* it runs on, and the host is reset unless somebody opens it; frees */

/* ---- the end of this host (reset.c): nothing here waits either ---- */

#define HOST_MACHINES "/run/libvirt/qemu" /* where libvirt keeps its machines' pid files */
/* Sends the signal to the process of each virtual machine of libvirt's; libvirtd is not needed for it. Returns to how
 * many. */
int host_machines_end(int signal);
/* Reboots at once, without ending anything and without writing anything out. Returns only when that was refused. */
int host_reset(void);

/* ---- statistics (stat.c) ---- */

struct host_memory { /* MiB, as the reference's: used = total - free - buffers - cached (with reclaimable slab), free =
			MemFree */
	uint64_t total, used, free;
};
int host_memory_read(struct host_memory *ret);
int host_load_read(char **ret); /* one-minute load as text, "0.42"; the caller frees */
/* The same from another file than /proc/meminfo and /proc/loadavg; -EBADMSG when it is not of that form. */
int host_memory_read_from(const char *path, struct host_memory *ret);
int host_load_read_from(const char *path, char **ret);
/* "8 6.1.0-1-amd64 GNU/Linux x86_64": logical CPUs, release, operating system, machine (data model, 4). The caller
 * frees. */
int host_static_data(char **ret);
int host_boot_id(char **ret);

/* ---- addresses (address.c) ---- */

/* Adds this machine's addresses, without lengths; `global`: without loopback and link-local ones. */
int host_addresses(bool global, struct strlist *ret);

/* ---- status files (status.c): DYNAMIC/status/NAME, "key=value" lines ---- */

struct status_field {
	const char *key;
	const char *value; /* no newlines */
};
/* Atomic; stamped with CLOCK_BOOTTIME. Makes the directory. */
int status_write(const char *dynamic_directory, const char *name, const struct status_field *fields, size_t count);
struct status;
/* -ENOENT when nobody wrote it (since boot); -EBADMSG when it is no status file. *ret_age (or NULL): microseconds since
 * it was written, time asleep included. */
int status_read(const char *dynamic_directory, const char *name, struct status **ret, usec_t *ret_age);
const char *status_get(const struct status *status, const char *key); /* borrowed, NULL when absent */
void status_free(struct status *status);
static inline void status_freep(struct status **status) {
	status_free(*status);
}
/* The file "domains", written by pvc-watch-domains, read by pvc-keepalive and pvcctl: */
#define STATUS_DOMAINS         "domains"
#define STATUS_DOMAINS_LIBVIRT "libvirt"   /* "up" or "down: reason" */
#define STATUS_DOMAINS_COUNT   "count"     /* active domains of libvirt, ours or not */
#define STATUS_DOMAINS_MEMORY  "memalloc"  /* MiB of ours running here */
#define STATUS_DOMAINS_VCPUS   "vcpualloc" /* of ours running here */
#define STATUS_DOMAINS_RUNNING "running"   /* UUIDs of ours running here, single blanks between */
