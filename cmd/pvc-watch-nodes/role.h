/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The primary role on this node: what role.c (deciding), lease.c (writing) and say.c (telling) share. */
#pragma once

#include "watcher.h"

enum role_key {
	KEY_PRIMARY,
	KEY_LEASE,
	KEY_DAEMONSTATE,
	KEY_ROUTERSTATE,
	KEY_SEEN_COUNT, /* those above are watched */
	KEY_CANDIDATE = KEY_SEEN_COUNT,
	KEY_PVC, /* our own base keys, made when they are missing: parents first */
	KEY_PVC_PRIMARY,
	KEY_PVC_CANDIDATES,
	KEY_COUNT
};

struct role_key_seen {
	struct role *role;
	bool known;
	char *text; /* NULL: missing */
	int64_t owner;
	int32_t version;
	struct store_watch *watch;
};

struct role {
	struct watcher *watcher;
	char *paths[KEY_COUNT];
	char *boot; /* this host's boot id */
	struct role_key_seen seen[KEY_SEEN_COUNT];
	struct store_watch *candidates_watch;
	struct strlist candidates;
	bool listed;        /* the candidates are known */
	bool compared;      /* everything was written once as it should be */
	bool unsure;        /* the outcome of a write is unknown: nothing is believed until it was read again */
	bool busy;          /* a write is under way; its end looks again */
	bool refreshing;    /* the lease's own figure is being written */
	bool leaving;       /* this program ends */
	usec_t leave_until; /* how long a leaving node waits for somebody to take the role over */
	usec_t yield_until, take_until;
	usec_t refresh_at, retry_at;
	usec_t since; /* when this node got the role (CLOCK_MONOTONIC), and as text */
	char *since_text;
	sd_event_source *timer;
	/* what the last write was to do */
	enum primary_action wrote;
	/* what was said last, so that it is said once */
	char *named, *said_holder;
	bool said_late, said_short;
};

/* ---- role.c ---- */
void role_view(struct role *role, struct primary_view *ret);
/* Takes over what a key holds now. */
void role_see(struct role *role, enum role_key key, const struct store_value *value);
void role_evaluate(struct role *role);

/* ---- lease.c ---- */
enum primary_lease role_lease(const struct role *role);
bool role_needs_write(const struct role *role, enum primary_action action);
int role_write(struct role *role);    /* begins it; its end evaluates again */
void role_refresh(struct role *role); /* the lease's figure */
