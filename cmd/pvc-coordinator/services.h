/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * services: which units this node's functions need, as one table, what is to be done with each, and whether it answers.
 */
#pragma once

#include "config/config.h"
#include "host/host.h"

enum service_action {
	SERVICE_LEAVE, /* it answers, or will: hands off */
	SERVICE_START,
	SERVICE_RESTART, /* systemd takes it for active, but none of its processes lives (an LSB script's unit) */
	SERVICE_MISSING, /* its package is not installed */
	SERVICE_MASKED,  /* the operator forbids it */
};

struct service;
struct service_kind {
	const char *name;
	const char *unit; /* ends in '@' when the host's short name is its instance */
	const char *package;
	bool coordinator_only;
	enum service_function { FUNCTION_ALWAYS, FUNCTION_HYPERVISOR, FUNCTION_NETWORKING, FUNCTION_STORAGE } function;
	bool optional;  /* nothing else in the start-up hangs on it: a missing package is only a warning */
	bool by_socket; /* systemd may listen for it: inactive can be fine */
	/* 0 or -errno, detail in either case; NULL: an active unit is all that can be asked for */
	int (*probe)(const struct config *config, char **ret_detail);
	/* Something that is worth a warning although the service answers, or NULL. The caller frees. */
	char *(*warn)(const struct config *config);
};
extern const struct service_kind service_kinds[];
extern const size_t service_kind_count;

struct service {
	const struct service_kind *kind;
	char *unit;
	bool wanted;
	struct host_unit_state state; /* members NULL while unknown */
	char *state_error;            /* why it is unknown */
	bool probed, answers;
	char *detail;  /* of the last probe */
	char *warning; /* or NULL */
	int failure;   /* of bringing it up: 0, or -errno with its sentence: */
	char *failure_text;
};

/* One for each row of the table, wanted or not. */
int services_new(const struct config *config, struct service **ret);
void services_free(struct service *services);
static inline void services_freep(struct service **services) {
	services_free(*services);
}
bool service_is_wanted(const struct service_kind *kind, const struct config *config);

/* Reads the unit's state; -errno with state_error set. */
int service_query(struct service *service, usec_t deadline);
/* One attempt; sets probed, answers, detail and warning. */
void service_probe(struct service *service, const struct config *config);
/* The decision table. */
enum service_action service_decide(const struct host_unit_state *state, bool answers);

/* Reads every unit's state, and asks each wanted service once. */
void services_look(struct service *services, const struct config *config, usec_t deadline);
/* Brings every wanted service up and waits until each answers. Logs progress and warnings. Returns how many failed;
 * each has its failure. */
size_t services_start(struct service *services, const struct config *config, usec_t deadline);
/* What is wrong with a wanted service that does not answer, as a sentence with what to do; the caller frees. */
char *service_complaint(const struct service *service);
/* Why the states are unknown, or NULL when they are known; borrowed. The same for all, so it is told once. */
const char *services_bus_error(const struct service *services);

/* ---- report.c ---- */

/* All of them as a table or as JSON on standard output. */
int report_text(const struct service *services, const struct config *config);
int report_json(const struct service *services, const struct config *config);
