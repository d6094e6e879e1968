/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against a real ZooKeeper at $PVC_TEST_ZOOKEEPER (tests/run-unit starts one). Each test has a tree of its own. */
#include <setjmp.h>
#include <cmocka.h>

#include "store/store.h"

#define WITHIN deadline_after(60 * USEC_PER_SEC)

static const char *servers;
static unsigned tree;

struct fixture {
	struct store *store, *other;
	char *root;
};

static struct store *connected(void) {
	struct store *store = NULL;
	char *error = NULL;

	if (store_connect(servers, WITHIN, &store, &error) < 0)
		fail_msg("%s", error);
	return store;
}

static void put(struct store *store, const char *path, const char *data) {
	struct store_txn *txn = store_txn_new();

	(void)store_txn_create(txn, path, data);
	assert_int_equal(store_commit_wait(store, txn, WITHIN), 0);
}

static void set(struct store *store, const char *path, const char *data) {
	struct store_txn *txn = store_txn_new();

	(void)store_txn_set(txn, path, data, STORE_ANY_VERSION);
	assert_int_equal(store_commit_wait(store, txn, WITHIN), 0);
}

static int setup(void **state) {
	struct fixture *f = calloc(1, sizeof(*f));

	f->store = connected();
	f->other = connected();
	f->root = str_printf("/test-%d-%u", (int)getpid(), tree++);
	put(f->store, f->root, "");
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;

	assert_int_equal(store_delete_tree_wait(f->store, f->root, WITHIN), 0);
	store_close(f->store);
	store_close(f->other);
	free(f->root);
	free(f);
	return 0;
}

static char *below(const struct fixture *f, const char *name) {
	char *path = str_printf("%s/%s", f->root, name);

	assert_non_null(path);
	return path;
}

static void what_was_committed_is_read(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *a = below(f, "a");
	struct store_value value;

	put(f->store, a, "one");
	assert_int_equal(store_get_wait(f->other, a, WITHIN, &value), 0);
	assert_true(value.exists);
	assert_string_equal(value.data, "one");
	store_value_free(&value);
}

struct seen {
	unsigned calls;
	bool exists, changed;
	char data[100];
};

static void note(struct store *store, const struct store_value *value, void *userdata) {
	struct seen *seen = userdata;

	(void)store;
	seen->calls++;
	seen->exists = value->exists;
	seen->changed = true;
	(void)snprintf(seen->data, sizeof(seen->data), "%s", value->data);
}

static void expect_change(struct fixture *f, struct seen *seen) {
	assert_int_equal(store_wait(f->store, &seen->changed, WITHIN), 0);
	seen->changed = false;
}

static void a_watch_tells_every_write_also_of_the_same_value(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "key");
	struct store_watch *watch;
	struct seen seen = {0};

	assert_int_equal(store_watch_value(f->store, key, note, &seen, &watch), 0);
	assert_int_equal(seen.calls, 0); /* never from inside the call */
	expect_change(f, &seen);
	assert_false(seen.exists);
	put(f->other, key, "one");
	expect_change(f, &seen);
	assert_string_equal(seen.data, "one");
	set(f->other, key, "one");
	expect_change(f, &seen);
	assert_string_equal(seen.data, "one");
	assert_int_equal(store_delete_tree_wait(f->other, key, WITHIN), 0);
	expect_change(f, &seen);
	assert_false(seen.exists);
	assert_int_equal(seen.calls, 4);
	store_watch_free(watch);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_committed_is_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_watch_tells_every_write_also_of_the_same_value, setup, teardown),
	};

	servers = getenv("PVC_TEST_ZOOKEEPER");
	if (!servers) {
		(void)fprintf(stderr, "test_store: $PVC_TEST_ZOOKEEPER is not set: run it with tests/run-unit\n");
		return 1;
	}
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
