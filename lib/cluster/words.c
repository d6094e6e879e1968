/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/cluster.h"

static const char *const vm_states[VM_STATE_COUNT] = {
    [VM_START] = "start",     [VM_RESTART] = "restart", [VM_SHUTDOWN] = "shutdown",   [VM_STOP] = "stop",
    [VM_DISABLE] = "disable", [VM_MIGRATE] = "migrate", [VM_UNMIGRATE] = "unmigrate", [VM_PROVISION] = "provision",
    [VM_FAIL] = "fail",       [VM_DELETE] = "delete",
};
static const char *const daemon_states[DAEMON_STATE_COUNT] = {
    [DAEMON_INIT] = "init", [DAEMON_RUN] = "run",   [DAEMON_SHUTDOWN] = "shutdown",
    [DAEMON_STOP] = "stop", [DAEMON_DEAD] = "dead",
};
static const char *const domain_states[DOMAINS_STATE_COUNT] = {
    [DOMAINS_FLUSHED] = "flushed",
    [DOMAINS_UNFLUSH] = "unflush",
    [DOMAINS_READY] = "ready",
    [DOMAINS_FLUSH] = "flush",
};
static const char *const router_states[ROUTER_STATE_COUNT] = {
    [ROUTER_PRIMARY] = "primary",
    [ROUTER_SECONDARY] = "secondary",
    [ROUTER_CLIENT] = "client",
};

static const char *name_of(const char *const *words, int count, int index) {
	return index >= 0 && index < count ? words[index] : NULL;
}

static int index_of(const char *const *words, int count, const char *word) {
	for (int i = 0; word && i < count; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

const char *vm_state_name(enum vm_state state) {
	return name_of(vm_states, VM_STATE_COUNT, state);
}
enum vm_state vm_state_parse(const char *word) {
	return (enum vm_state)index_of(vm_states, VM_STATE_COUNT, word);
}
const char *daemon_state_name(enum daemon_state state) {
	return name_of(daemon_states, DAEMON_STATE_COUNT, state);
}
enum daemon_state daemon_state_parse(const char *word) {
	return (enum daemon_state)index_of(daemon_states, DAEMON_STATE_COUNT, word);
}
const char *domain_state_name(enum domain_state state) {
	return name_of(domain_states, DOMAINS_STATE_COUNT, state);
}
enum domain_state domain_state_parse(const char *word) {
	return (enum domain_state)index_of(domain_states, DOMAINS_STATE_COUNT, word);
}
const char *router_state_name(enum router_state state) {
	return name_of(router_states, ROUTER_STATE_COUNT, state);
}
enum router_state router_state_parse(const char *word) {
	return (enum router_state)index_of(router_states, ROUTER_STATE_COUNT, word);
}
