/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Storage commands: every verb's text, every odd text, every cell of whose turn it is, every precondition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/storage.h"

static void every_command_of_the_data_model_is_understood(void **state) {
	static const struct {
		enum storage_queue queue;
		const char *text;
		struct storage_command is;
	} rows[] = {
	    {0, "osd_add hv1,/dev/sdb,1.5", {STORAGE_OSD_ADD, .node = "hv1", .device = "/dev/sdb", .weight = 1.5}},
	    {0, "osd_remove 3", {STORAGE_OSD_REMOVE, .osd = 3}},
	    {0, "osd_in 0", {STORAGE_OSD_IN, .osd = 0}},
	    {0, "osd_out 12", {STORAGE_OSD_OUT, .osd = 12}},
	    {0, "osd_set noout", {STORAGE_OSD_SET, .flag = "noout"}},
	    {0, "osd_unset noout", {STORAGE_OSD_UNSET, .flag = "noout"}},
	    {0,
	     "pool_add vms,64,copies=3,mincopies=2",
	     {STORAGE_POOL_ADD, .pool = "vms", .pgs = 64, .copies = 3, .mincopies = 2}},
	    {0, "pool_remove vms", {STORAGE_POOL_REMOVE, .pool = "vms"}},
	    {0,
	     "volume_add vms,v,10737418240B",
	     {STORAGE_VOLUME_ADD, .pool = "vms", .volume = "v", .bytes = 10737418240}},
	    {0, "volume_add vms,v,10G", {STORAGE_VOLUME_ADD, .pool = "vms", .volume = "v", .bytes = 10737418240}},
	    {0,
	     "volume_resize vms,v,1024P",
	     {STORAGE_VOLUME_RESIZE, .pool = "vms", .volume = "v", .bytes = 1ull << 60}},
	    /* D55: three fields and four */
	    {0, "volume_clone vms,v,w", {STORAGE_VOLUME_CLONE, .pool = "vms", .volume = "v", .name = "w"}},
	    {0, "volume_clone vms,v,w,pre_", {STORAGE_VOLUME_CLONE, .pool = "vms", .volume = "v", .name = "pre_w"}},
	    {0, "volume_clone vms,v,w,", {STORAGE_VOLUME_CLONE, .pool = "vms", .volume = "v", .name = "w"}},
	    {0, "volume_rename vms,v,w", {STORAGE_VOLUME_RENAME, .pool = "vms", .volume = "v", .name = "w"}},
	    {0, "volume_remove vms,v", {STORAGE_VOLUME_REMOVE, .pool = "vms", .volume = "v"}},
	    {0, "snapshot_add vms,v,s", {STORAGE_SNAPSHOT_ADD, .pool = "vms", .volume = "v", .snapshot = "s"}},
	    {0,
	     "snapshot_rename vms,v,s,t",
	     {STORAGE_SNAPSHOT_RENAME, .pool = "vms", .volume = "v", .snapshot = "s", .name = "t"}},
	    {0, "snapshot_remove vms,v,s", {STORAGE_SNAPSHOT_REMOVE, .pool = "vms", .volume = "v", .snapshot = "s"}},
	    {1,
	     "flush_locks 11111111-2222-4333-8444-555555555555",
	     {STORAGE_FLUSH_LOCKS, .vm = "11111111-2222-4333-8444-555555555555"}},
	};
	bool seen[STORAGE_VERB_COUNT] = {false};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_storage_command_ struct storage_command c = {0};

		assert_int_equal(storage_parse(rows[i].queue, rows[i].text, &c, NULL), 0);
		assert_int_equal(c.verb, rows[i].is.verb);
		assert_true(str_equal(c.node, rows[i].is.node) && str_equal(c.device, rows[i].is.device));
		assert_true(str_equal(c.flag, rows[i].is.flag) && str_equal(c.vm, rows[i].is.vm));
		assert_true(str_equal(c.pool, rows[i].is.pool) && str_equal(c.volume, rows[i].is.volume));
		assert_true(str_equal(c.snapshot, rows[i].is.snapshot) && str_equal(c.name, rows[i].is.name));
		assert_true(c.weight >= rows[i].is.weight && c.weight <= rows[i].is.weight);
		assert_true(c.osd == rows[i].is.osd && c.pgs == rows[i].is.pgs && c.bytes == rows[i].is.bytes);
		assert_true(c.copies == rows[i].is.copies && c.mincopies == rows[i].is.mincopies);
		assert_true(str_starts(rows[i].text, storage_verb_name(c.verb)));
		seen[c.verb] = true;
	}
	for (size_t i = 0; i < STORAGE_VERB_COUNT; i++)
		assert_true(seen[i]);
}

static void d54_odd_texts_are_refused_with_the_reason(void **state) {
	static const struct {
		enum storage_queue queue;
		const char *text, *reason;
	} rows[] = {
	    {0, "nonsense x", "no such command"},
	    {0, "flush_locks 11111111-2222-4333-8444-555555555555", "no such command"}, /* the other queue's */
	    {1, "volume_remove vms,v", "no such command"},
	    {0, "osd_addx hv1,/dev/sdb,1", "no such command"},
	    {0, " osd_in 1", "no such command"},
	    {0, "osd_in", "one blank"},
	    {0, "osd_in ", "one blank"},
	    {0, "osd_in  1", "one blank"},
	    {0, "osd_in 1 ", "one blank"},
	    {0, "osd_in 1\n", "one blank"},
	    {0, "osd_in -1", "OSD: expected a number"},
	    {0, "osd_in 1,2", "expected 1 fields, found 2"},
	    {0, "osd_in 99999999999", "OSD: expected"},
	    {0, "volume_remove vms", "expected 2 fields, found 1"},
	    {0, "volume_remove vms,", "the volume name is missing"},
	    {0, "volume_remove ,v", "the pool name is missing"},
	    {0, "snapshot_rename vms,s,t", "expected 4 fields, found 3"},
	    {0, "volume_clone vms,v", "found 2"},
	    {0, "volume_clone vms,v,w,p,q", "found 5"},
	    {0, "volume_remove vms,a/b", "'a/b' cannot be"},
	    {0, "volume_remove vms,a@b", "'a@b' cannot be"},
	    {0, "volume_remove vms,..", "'..' cannot be"},
	    {0, "volume_remove vms,-f", "'-f' cannot be"},
	    {0, "volume_remove vms,\x7f", "cannot be"},
	    {0, "volume_remove vms,\xc3\xa4", "cannot be"},
	    {0, "volume_add vms,v,0B", "above 0"},
	    {0, "volume_add vms,v,10", "size: expected"},
	    {0, "volume_add vms,v,B", "size: expected"},
	    {0, "volume_add vms,v,-1G", "size: expected"},
	    {0, "volume_add vms,v,1.5G", "size: expected"},
	    {0, "volume_add vms,v,1025P", "size: expected"},
	    {0, "volume_add vms,v,18446744073709551617B", "size: expected"},
	    {0, "pool_add vms,0,copies=3,mincopies=2", "placement groups"},
	    {0, "pool_add vms,64,3,2", "copies=NUMBER"},
	    {0, "pool_add vms,64,copies=0,mincopies=0", "copies: expected"},
	    {0, "pool_add vms,64,copies=2,mincopies=3", "is more than"},
	    {0, "osd_add hv1,sdb,1", "below /dev"},
	    {0, "osd_add hv1,/dev/../etc/passwd,1", "below /dev"},
	    {0, "osd_add hv1,/dev/sdb;x,1", "below /dev"},
	    {0, "osd_add hv1,/dev/sdb,nan", "weight"},
	    {0, "osd_add hv1,/dev/sdb,1e400", "weight"},
	    {0, "osd_add hv1,/dev/sdb,", "weight"},
	    {0, "osd_add a/b,/dev/sdb,1", "is no node's name"},
	    {0, "osd_set --force", "is no flag"},
	    {1, "flush_locks x", "a VM's uuid"},
	    {1, "flush_locks ../../../../nodes/aaaaaaaaaaaaaaaaaa", "a VM's uuid"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_storage_command_ struct storage_command c = {0};
		_cleanup_free_ char *error = NULL;

		assert_int_equal(storage_parse(rows[i].queue, rows[i].text, &c, &error), -EINVAL);
		if (!strstr(error, rows[i].reason))
			fail_msg("%s: %s", rows[i].text, error);
	}
}

static void answers_and_emptiness_are_no_commands(void **state) {
	(void)state;
	assert_true(storage_is_command("osd_in 1"));
	assert_true(storage_is_command("nonsense")); /* is answered */
	assert_false(storage_is_command(""));
	assert_false(storage_is_command(NULL));
	assert_false(storage_is_command("success-osd_in 1"));
	assert_false(storage_is_command("failure-osd_in 1"));
}

/* One node carries a command out, and when nobody can, the primary answers. */
static void whose_turn_it_is_in_every_case(void **state) {
	(void)state;
	for (unsigned bits = 0; bits < 16; bits++)
		for (int place = STORAGE_ON_PRIMARY; place <= STORAGE_ON_OWNER; place++) {
			struct storage_turn_view v = {bits & 1, bits & 2, (enum storage_place)place, bits & 4,
						      bits & 8};
			enum storage_turn expected;

			if (!v.understood)
				expected = v.primary ? STORAGE_REFUSE : STORAGE_OTHERS;
			else if (place == STORAGE_ON_PRIMARY)
				expected = v.primary ? STORAGE_MINE : STORAGE_OTHERS;
			else
				expected = v.here                 ? STORAGE_MINE
					   : v.primary && !v.runs ? STORAGE_REFUSE
								  : STORAGE_OTHERS;
			assert_int_equal(storage_turn(&v), expected);
		}
}

enum { POOL = 1, VOLUME = 2, SNAPSHOT = 4, NAME = 8, OSD = 16, VMX = 32, OFF = 64 };
static void what_must_be_the_case_for_each_command(void **state) {
	/* must, must not: of the facts; all others do not matter */
	static const struct {
		enum storage_queue queue;
		const char *text;
		unsigned must, must_not;
	} rows[] = {
	    {0, "osd_add hv1,/dev/sdb,1", 0, OSD},
	    {0, "osd_remove 1", OSD, 0},
	    {0, "osd_in 1", OSD, 0},
	    {0, "osd_out 1", OSD, 0},
	    {0, "osd_set noout", 0, 0},
	    {0, "osd_unset noout", 0, 0},
	    {0, "pool_add p,1,copies=1,mincopies=1", 0, POOL},
	    {0, "pool_remove p", POOL, 0},
	    {0, "volume_add p,v,1G", POOL, VOLUME},
	    {0, "volume_clone p,v,w", POOL | VOLUME, NAME},
	    {0, "volume_resize p,v,1G", POOL | VOLUME, 0},
	    {0, "volume_rename p,v,w", POOL | VOLUME, NAME},
	    {0, "volume_remove p,v", POOL | VOLUME, 0},
	    {0, "snapshot_add p,v,s", POOL | VOLUME, SNAPSHOT},
	    {0, "snapshot_rename p,v,s,t", POOL | VOLUME | SNAPSHOT, NAME},
	    {0, "snapshot_remove p,v,s", POOL | VOLUME | SNAPSHOT, 0},
	    {1, "flush_locks 11111111-2222-4333-8444-555555555555", VMX | OFF, 0},
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), STORAGE_VERB_COUNT);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_storage_command_ struct storage_command c = {0};

		assert_int_equal(storage_parse(rows[i].queue, rows[i].text, &c, NULL), 0);
		for (unsigned is = 0; is < 128; is++) {
			struct storage_facts facts = {is & POOL, is & VOLUME, is & SNAPSHOT, is & NAME,
						      is & OSD,  is & VMX,    is & OFF};
			_cleanup_free_ char *error = NULL;
			bool fine = (is & rows[i].must) == rows[i].must && !(is & rows[i].must_not);
			int r = storage_check(&c, &facts, &error);

			assert_true(fine ? r == 0 : r < 0 && error);
		}
	}
}

static void a_volume_is_started_on_only_when_no_other_machine_holds_it(void **state) {
	char *items[] = {"10.0.0.1", "2001:db8::1", NULL};
	struct strlist own = {.items = items, .count = 2}, none = {0};

	(void)state;
	assert_int_equal(storage_hold("10.0.0.1:0/123", true, &own, &none), STORAGE_HOLD_STALE);
	assert_int_equal(storage_hold("10.0.0.1:0/123", false, &own, &none), STORAGE_HOLD_IGNORED);
	assert_int_equal(storage_hold("[2001:db8::1]:0/9", true, &own, &none), STORAGE_HOLD_STALE);
	for (int locked = 0; locked < 2; locked++) {
		assert_int_equal(storage_hold("10.0.0.2:0/123", locked, &own, &none), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("10.0.0.11:0/1", locked, &own, &none), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("10.0.0.:0/1", locked, &own, &none), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("[2001:db8::12]:0/9", locked, &own, &none), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("2001:db8::1", locked, &own, &none), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("", locked, &own, &none), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("[", locked, &own, &none), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("10.0.0.1:0/123", locked, &none, &none), STORAGE_HOLD_FOREIGN);
	}

	/* a client that was blocklisted, alone or with its host, is dead for good */
	for (int whole = 0; whole < 2; whole++) {
		char *listed[] = {whole ? "10.0.0.2:0/0" : "10.0.0.2:0/123",
				  whole ? "[2001:db8::2]:0/0" : "[2001:db8::2]:0/7", NULL};
		struct strlist blocklisted = {.items = listed, .count = 2};

		assert_int_equal(storage_hold("10.0.0.2:0/123", true, &own, &blocklisted), STORAGE_HOLD_STALE);
		assert_int_equal(storage_hold("10.0.0.2:0/123", false, &own, &blocklisted), STORAGE_HOLD_IGNORED);
		assert_int_equal(storage_hold("[2001:db8::2]:0/7", true, &own, &blocklisted), STORAGE_HOLD_STALE);
		assert_int_equal(storage_hold("10.0.0.2:0/124", true, &own, &blocklisted),
				 whole ? STORAGE_HOLD_STALE : STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("10.0.0.22:0/123", true, &own, &blocklisted), STORAGE_HOLD_FOREIGN);
		assert_int_equal(storage_hold("10.0.0.2", true, &own, &blocklisted), STORAGE_HOLD_FOREIGN);
	}
}

static void a_host_is_sealed_off_by_what_is_its_own(void **state) {
	char *victim[] = {"10.0.0.1", "192.168.122.1", "10.0.0.1", "2001:db8::1", NULL};
	char *other[] = {"10.0.0.2", "192.168.122.1", NULL};
	struct strlist victims = {.items = victim, .count = 4}, others = {.items = other, .count = 2};
	_cleanup_strlist_ struct strlist hosts = {0};
	_cleanup_free_ char *text = NULL, *four = NULL, *six = NULL;

	(void)state;
	assert_int_equal(storage_seal_hosts(&victims, &others, &hosts), 0);
	text = strlist_join(&hosts, " ");
	assert_string_equal(text, "10.0.0.1 2001:db8::1");
	four = storage_host_client("10.0.0.1");
	six = storage_host_client("2001:db8::1");
	assert_string_equal(four, "10.0.0.1:0/0");
	assert_string_equal(six, "[2001:db8::1]:0/0");
	assert_true(storage_seal_takes("10.0.0.1:0/5", &hosts, &others));
	assert_true(storage_seal_takes("[2001:db8::1]:0/5", &hosts, &others));
	assert_false(storage_seal_takes("10.0.0.2:0/5", &hosts, &others)); /* a VM that has arrived there */
	assert_true(storage_seal_takes("10.0.0.3:0/5", &hosts, &others));  /* nobody's that is known */
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_command_of_the_data_model_is_understood),
	    cmocka_unit_test(d54_odd_texts_are_refused_with_the_reason),
	    cmocka_unit_test(answers_and_emptiness_are_no_commands),
	    cmocka_unit_test(whose_turn_it_is_in_every_case),
	    cmocka_unit_test(what_must_be_the_case_for_each_command),
	    cmocka_unit_test(a_volume_is_started_on_only_when_no_other_machine_holds_it),
	    cmocka_unit_test(a_host_is_sealed_off_by_what_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
