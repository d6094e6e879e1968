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
