/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/database.h"

static bool is_leader(const char *role) {
	return str_equal(role, "Leader") || str_equal(role, "Standby Leader");
}

/* Releases differ in the word for a replica that follows. */
static bool runs(const char *state) {
	return str_equal(state, "running") || str_equal(state, "streaming");
}

enum database_step database_decide(const struct database_member *members, size_t count, const char *me) {
	const struct database_member *mine = NULL, *leader = NULL;

	for (size_t i = 0; i < count; i++) {
		if (str_equal(members[i].name, me))
			mine = &members[i];
		if (is_leader(members[i].role))
			leader = &members[i];
	}
	if (!mine)
		return DATABASE_STRANGER;
	if (leader == mine)
		return DATABASE_DONE;
	return leader && runs(mine->state) ? DATABASE_MOVE : DATABASE_WAIT;
}
