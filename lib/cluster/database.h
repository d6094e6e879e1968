/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The leader of the database that Patroni keeps: it follows the primary coordinator. */
#pragma once

#include "base/base.h"

/* What a look at Patroni's members asks the primary coordinator to do. */
enum database_step {
	DATABASE_DONE,     /* the leader is here: nothing, and that is no failure (D30) */
	DATABASE_MOVE,     /* it is elsewhere: ask for a switchover */
	DATABASE_WAIT,     /* no leader at the moment, or this node's own server does not run: look again */
	DATABASE_STRANGER, /* this node is no member: nothing can be asked for */
	DATABASE_STEP_COUNT
};
struct database_member {
	const char *name, *role, *state; /* as patronictl lists them; NULL for what is not there */
};
enum database_step database_decide(const struct database_member *members, size_t count, const char *me);
