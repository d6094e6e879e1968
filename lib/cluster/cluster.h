/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cluster: what to do next, decided without I/O. Given what is wanted and what is, these functions return the action;
 * they include nothing but base, and are tested over their whole input space. Words are the reference's (data model, 4
 * and 5).
 */
#pragma once

#include "base/base.h"

/* ---- words (words.c) ---- */

enum vm_state {
	VM_START,
	VM_RESTART,
	VM_SHUTDOWN,
	VM_STOP,
	VM_DISABLE,
	VM_MIGRATE,
	VM_UNMIGRATE, /* legacy, never written */
	VM_PROVISION,
	VM_FAIL,
	VM_DELETE,
	VM_STATE_COUNT,
	VM_STATE_UNKNOWN = -1, /* any other word, or no key */
};
const char *vm_state_name(enum vm_state state); /* NULL for unknown */
enum vm_state vm_state_parse(const char *word);

enum daemon_state {
	DAEMON_INIT,
	DAEMON_RUN,
	DAEMON_SHUTDOWN,
	DAEMON_STOP,
	DAEMON_DEAD,
	DAEMON_STATE_COUNT,
	DAEMON_STATE_UNKNOWN = -1
};
const char *daemon_state_name(enum daemon_state state);
enum daemon_state daemon_state_parse(const char *word);

enum domain_state {
	DOMAINS_FLUSHED,
	DOMAINS_UNFLUSH,
	DOMAINS_READY,
	DOMAINS_FLUSH,
	DOMAINS_STATE_COUNT,
	DOMAINS_STATE_UNKNOWN = -1
};
const char *domain_state_name(enum domain_state state);
enum domain_state domain_state_parse(const char *word);

enum router_state { ROUTER_PRIMARY, ROUTER_SECONDARY, ROUTER_CLIENT, ROUTER_STATE_COUNT, ROUTER_STATE_UNKNOWN = -1 };
const char *router_state_name(enum router_state state);
enum router_state router_state_parse(const char *word);

/* ---- where a VM may go (select.c; data model, 5.4) ---- */

enum select_by {
	SELECT_MEM,   /* most memory not yet given away: used + free - allocated; must be above 0 */
	SELECT_LOAD,  /* lowest load */
	SELECT_VCPUS, /* fewest vCPUs given away */
	SELECT_VMS,   /* fewest VMs */
	SELECT_BY_COUNT,
	SELECT_BY_UNKNOWN = -1 /* any other word, or no key */
};
const char *select_by_name(enum select_by by); /* "mem"...; NULL for unknown */
enum select_by select_by_parse(const char *word);

#define SELECT_UNKNOWN INT64_MIN /* a figure that is missing or no number */
struct select_node {
	const char *name;
	enum daemon_state daemon_state;
	enum domain_state domain_state;
	int64_t memused, memfree, memalloc; /* MiB */
	int64_t vcpualloc, domainscount;
	double cpuload; /* NAN when missing or no number */
};
struct select_request {
	const struct strlist *limit; /* allowed nodes; NULL or empty: all */
	const char *exclude;         /* the VM's present node, or NULL */
	enum select_by by;
};
/* The index of the node that takes the VM: one that is `run` and `ready`, inside the limit, not excluded, and best by
 * the wanted figure; among equals the one whose name sorts first, so that the order of `nodes` does not matter. -ENOENT
 * when there is none: *ret_error says of each node why. -EINVAL for an unknown `by`. */
int select_target(const struct select_node *nodes, size_t count, const struct select_request *request,
		  char **ret_error);
/* Parses a figure as the keys hold it: SELECT_UNKNOWN / NAN for anything that is not a number. */
int64_t select_figure(const char *text);
double select_load(const char *text);
