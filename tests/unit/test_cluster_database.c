/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a look at Patroni's members asks for: every cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/database.h"

static void the_leader_follows_the_primary(void **state) {
	static const struct {
		struct database_member members[3];
		enum database_step step;
	} cases[] = {
	    {{{"a", "Leader", "running"}, {"me", "Replica", "running"}}, DATABASE_MOVE},
	    {{{"a", "Leader", "running"}, {"me", "Replica", "streaming"}}, DATABASE_MOVE},
	    {{{"a", "Leader", "running"}, {"me", "Sync Standby", "running"}}, DATABASE_MOVE},
	    {{{"a", "Standby Leader", "running"}, {"me", "Replica", "running"}}, DATABASE_MOVE},
	    /* D30: it is here */
	    {{{"me", "Leader", "running"}, {"a", "Replica", "running"}}, DATABASE_DONE},
	    {{{"me", "Standby Leader", "running"}}, DATABASE_DONE},
	    /* not yet */
	    {{{"a", "Replica", "running"}, {"me", "Replica", "running"}}, DATABASE_WAIT},
	    {{{"a", "Leader", "running"}, {"me", "Replica", "starting"}}, DATABASE_WAIT},
	    {{{"a", "Leader", "running"}, {"me", "Replica", "stopped"}}, DATABASE_WAIT},
	    {{{"a", "Leader", "running"}, {"me", "Replica", NULL}}, DATABASE_WAIT},
	    {{{"a", NULL, NULL}, {"me", NULL, NULL}}, DATABASE_WAIT},
	    /* not a member */
	    {{{"a", "Leader", "running"}, {"me2", "Replica", "running"}}, DATABASE_STRANGER},
	    {{{NULL, "Leader", "running"}}, DATABASE_STRANGER},
	    {{{0}}, DATABASE_STRANGER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (database_decide(cases[i].members, 3, "me") != cases[i].step)
			fail_msg("case %zu: %d", i, (int)database_decide(cases[i].members, 3, "me"));
	assert_int_equal(database_decide(NULL, 0, "me"), DATABASE_STRANGER);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_leader_follows_the_primary)};

	return cmocka_run_group_tests_name("cluster_database", tests, NULL, NULL);
}
