/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against a real ZooKeeper at $PVC_TEST_ZOOKEEPER (tests/run-unit starts one). Each test has a tree of its own. */
#include <setjmp.h>
#include <cmocka.h>

#include "store/internal.h"
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

static void a_watch_tells_again_what_it_told_before_when_asked(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "key");
	struct store_watch *watch;
	struct seen seen = {0};

	assert_int_equal(store_watch_value(f->store, key, note, &seen, &watch), 0);
	expect_change(f, &seen);
	store_watch_again(watch);
	expect_change(f, &seen);
	assert_false(seen.exists);
	put(f->other, key, "one");
	expect_change(f, &seen);
	store_watch_again(watch);
	assert_int_equal(seen.calls, 3); /* never from inside the call */
	expect_change(f, &seen);
	assert_string_equal(seen.data, "one");
	set(f->other, key, "two"); /* and it goes on */
	expect_change(f, &seen);
	assert_string_equal(seen.data, "two");
	assert_int_equal(seen.calls, 5);
	store_watch_free(watch);
}

/* ---- values ---- */

static int commit_one(struct store *store, const char *path, const char *data) {
	struct store_txn *txn = store_txn_new();

	(void)store_txn_create(txn, path, data);
	return store_commit_wait(store, txn, WITHIN);
}

static void a_missing_key_is_no_error_to_the_waiting_read(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "none");
	struct store_value value;
	struct strlist list;

	assert_int_equal(store_get_wait(f->store, key, WITHIN, &value), 0);
	assert_false(value.exists);
	assert_string_equal(value.data, "");
	assert_int_equal(store_list_wait(f->store, key, WITHIN, &list), -ENOENT);
}

static void values_keep_their_bytes(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *empty = below(f, "empty"), *binary = below(f, "b\xc3\xa9");
	struct store_value value;

	put(f->store, empty, "");
	assert_int_equal(store_get_wait(f->other, empty, WITHIN, &value), 0);
	assert_true(value.exists);
	assert_int_equal(value.length, 0);
	assert_string_equal(value.data, "");
	store_value_free(&value);
	put(f->store, binary, "\x01\xff\xc3\n");
	assert_int_equal(store_get_wait(f->other, binary, WITHIN, &value), 0);
	assert_int_equal(value.length, 4);
	assert_memory_equal(value.data, "\x01\xff\xc3\n", 5);
	store_value_free(&value);
}

static char *text_of(size_t length) {
	char *text = malloc(length + 1);

	assert_non_null(text);
	memset(text, 'x', length);
	text[length] = '\0';
	return text;
}

static void a_value_up_to_the_limit_passes_and_a_larger_one_is_refused_before_it_is_sent(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "big"), *other = below(f, "other");
	_cleanup_free_ char *most = text_of(STORE_VALUE_MAX), *more = text_of(STORE_VALUE_MAX + 1);
	struct store_txn *txn;
	struct store_value value;

	put(f->store, key, most);
	assert_int_equal(store_get_wait(f->other, key, WITHIN, &value), 0);
	assert_int_equal(value.length, STORE_VALUE_MAX);
	store_value_free(&value);
	assert_int_equal(commit_one(f->store, other, more), -EFBIG);
	/* two that are too much together */
	txn = store_txn_new();
	assert_int_equal(store_txn_set(txn, key, most, 0), 0);
	assert_int_equal(store_txn_create(txn, other, most), -EFBIG);
	assert_int_equal(store_commit_wait(f->store, txn, WITHIN), -EFBIG);
	assert_true(store_is_connected(f->store));
}

static void bad_paths_are_refused_before_they_are_sent(void **state) {
	static const char *const bad[] = {"", "a", "/a/", "//a", "/a//b", "/./a", "/a/..", "/a\nb", "/a\x7f"};
	struct fixture *f = *state;
	struct store_value value;
	struct strlist list;
	struct store_watch *watch;
	struct store_lock *lock;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(commit_one(f->store, bad[i], ""), -EINVAL);
		assert_int_equal(store_get_wait(f->store, bad[i], WITHIN, &value), -EINVAL);
		assert_int_equal(store_list_wait(f->store, bad[i], WITHIN, &list), -EINVAL);
		assert_int_equal(store_delete_tree_wait(f->store, bad[i], WITHIN), -EINVAL);
		assert_int_equal(store_watch_value(f->store, bad[i], NULL, NULL, &watch), -EINVAL);
		assert_int_equal(store_lock(f->store, bad[i], STORE_LOCK_READ, WITHIN, NULL, NULL, &lock), -EINVAL);
	}
	assert_int_equal(store_delete_tree_wait(f->store, "/", WITHIN), -EINVAL);
}

static void children_come_sorted(void **state) {
	static const char *const names[] = {"c", "a", "b"};
	struct fixture *f = *state;
	_cleanup_strlist_ struct strlist list = {0};
	_cleanup_free_ char *joined = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *key = below(f, names[i]);

		put(f->store, key, "");
	}
	assert_int_equal(store_list_wait(f->other, f->root, WITHIN, &list), 0);
	joined = strlist_join(&list, ",");
	assert_string_equal(joined, "a,b,c");
}

struct many_seen {
	bool done;
	int result;
	size_t count, exist;
};

static void on_values(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct many_seen *seen = userdata;

	(void)store;
	seen->done = true;
	seen->result = result;
	seen->count = count;
	for (size_t i = 0; i < count; i++)
		if (values[i].exists) {
			char expected[24];

			(void)snprintf(expected, sizeof(expected), "%zu", i);
			assert_string_equal(values[i].data, expected);
			seen->exist++;
		} else {
			assert_string_equal(values[i].data, "");
		}
}

static void many_keys_come_in_their_order_with_the_missing_ones_marked(void **state) {
	enum { MANY = 1000 };
	struct fixture *f = *state;
	_cleanup_strlist_ struct strlist paths = {0};
	struct many_seen seen = {0}, none = {0};
	struct store_txn *txn = store_txn_new();

	for (int i = 0; i < MANY; i++) {
		char value[24];

		assert_int_equal(strlist_addf(&paths, "%s/key-%d", f->root, i), 0);
		(void)snprintf(value, sizeof(value), "%d", i);
		if (i % 2 == 0)
			(void)store_txn_create(txn, paths.items[i], value);
	}
	assert_int_equal(store_commit_wait(f->store, txn, WITHIN), 0);
	assert_int_equal(store_get_many(f->store, (const char *const *)paths.items, MANY, on_values, &seen), 0);
	assert_false(seen.done);
	assert_int_equal(store_wait(f->store, &seen.done, WITHIN), 0);
	assert_int_equal(seen.result, 0);
	assert_int_equal(seen.count, MANY);
	assert_int_equal(seen.exist, MANY / 2);
	assert_int_equal(store_get_many(f->store, NULL, 0, on_values, &none), 0);
	assert_int_equal(store_wait(f->store, &none.done, WITHIN), 0);
	assert_int_equal(none.result, 0);
}

/* ---- transactions ---- */

static void a_transaction_is_all_or_nothing_and_says_why(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *a = below(f, "a"), *b = below(f, "b"), *deep = below(f, "x/y");
	struct store_txn *txn = store_txn_new();
	struct store_value value;

	put(f->store, b, "");
	(void)store_txn_create(txn, a, "1");
	(void)store_txn_create(txn, b, "2");
	assert_int_equal(store_commit_wait(f->store, txn, WITHIN), -EEXIST);
	assert_int_equal(store_get_wait(f->store, a, WITHIN, &value), 0);
	assert_false(value.exists);
	assert_int_equal(commit_one(f->store, deep, ""), -ENOENT);

	txn = store_txn_new();
	(void)store_txn_set(txn, b, "3", 0);
	(void)store_txn_check(txn, b, 1);
	assert_int_equal(store_commit_wait(f->store, txn, WITHIN), 0);
	txn = store_txn_new();
	(void)store_txn_create(txn, a, "1");
	(void)store_txn_check(txn, b, 0);
	assert_int_equal(store_commit_wait(f->store, txn, WITHIN), -ESTALE);
	txn = store_txn_new();
	(void)store_txn_delete(txn, f->root, STORE_ANY_VERSION);
	assert_int_equal(store_commit_wait(f->store, txn, WITHIN), -ENOTEMPTY);
	assert_int_equal(store_commit_wait(f->store, store_txn_new(), WITHIN), 0);
	assert_int_equal(store_commit_wait(f->store, NULL, WITHIN), -ENOMEM);
}

struct race {
	struct store *other;
	const char *path;
	unsigned calls, disturb;
};

/* Adds one; somebody else does it in between as often as asked for. */
static int add_one(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	struct race *race = userdata;
	char text[24];
	uint64_t n = 0;

	assert_int_equal(count, 1);
	if (values[0].exists)
		assert_int_equal(parse_u64(values[0].data, 0, 1000, &n), 0);
	if (race->calls++ < race->disturb) {
		struct store_txn *theirs = store_txn_new();

		(void)snprintf(text, sizeof(text), "%u", (unsigned)n + 1);
		(void)store_txn_put(theirs, race->path, &values[0], text);
		assert_int_equal(store_commit_wait(race->other, theirs, WITHIN), 0);
	}
	(void)snprintf(text, sizeof(text), "%u", (unsigned)n + 1);
	(void)store_txn_put(txn, race->path, &values[0], text);
	return 0;
}

static void d51_a_lost_update_is_noticed_and_computed_again(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "counter");
	struct race race = {f->other, key, 0, 3};
	struct store_value value;

	assert_int_equal(store_update_wait(f->store, (const char *const[]){key}, 1, add_one, &race, WITHIN), 0);
	assert_int_equal(race.calls, 4);
	assert_int_equal(store_get_wait(f->store, key, WITHIN, &value), 0);
	assert_string_equal(value.data, "4");
	store_value_free(&value);
}

static void d51_a_race_lost_for_ever_is_an_error(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "counter");
	struct race race = {f->other, key, 0, 1000};

	assert_int_equal(store_update_wait(f->store, (const char *const[]){key}, 1, add_one, &race, WITHIN), -ESTALE);
	assert_int_equal(race.calls, STORE_UPDATE_TRIES);
}

static int decide_nothing(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	(void)values;
	(void)count;
	(void)store_txn_create(txn, "/never", "");
	return *(int *)userdata;
}

static void an_update_may_decide_to_write_nothing(void **state) {
	struct fixture *f = *state;
	int results[] = {7, -EPERM};

	for (size_t i = 0; i < ARRAY_SIZE(results); i++)
		assert_int_equal(
		    store_update_wait(f->store, (const char *const[]){f->root}, 1, decide_nothing, &results[i], WITHIN),
		    results[i]);
}

static void a_tree_is_deleted_whole_and_missing_is_success(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *top = below(f, "top");
	struct store_txn *txn = store_txn_new();
	struct store_value value;

	(void)store_txn_create(txn, top, "");
	for (int i = 0; i < 300; i++) {
		_cleanup_free_ char *key = str_printf("%s/%d", top, i), *deep = str_printf("%s/%d/deep", top, i);

		(void)store_txn_create(txn, key, "");
		(void)store_txn_create(txn, deep, "");
	}
	assert_int_equal(store_commit_wait(f->store, txn, WITHIN), 0);
	assert_int_equal(store_delete_tree_wait(f->store, top, WITHIN), 0);
	assert_int_equal(store_get_wait(f->other, top, WITHIN, &value), 0);
	assert_false(value.exists);
	assert_int_equal(store_delete_tree_wait(f->store, top, WITHIN), 0);
}

static void an_ephemeral_goes_with_its_session(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "lease");
	struct store *owner = connected();
	struct store_txn *txn = store_txn_new();
	struct store_watch *watch;
	struct seen seen = {0};

	(void)store_txn_create_ephemeral(txn, key, "me");
	assert_int_equal(store_commit_wait(owner, txn, WITHIN), 0);
	assert_int_equal(store_watch_value(f->store, key, note, &seen, &watch), 0);
	expect_change(f, &seen);
	assert_true(seen.exists);
	store_close(owner);
	expect_change(f, &seen);
	assert_false(seen.exists);
	store_watch_free(watch);
}

/* ---- watches ---- */

struct list_seen {
	bool changed, exists;
	unsigned calls;
	size_t count;
};

static void note_list(struct store *store, const struct strlist *children, void *userdata) {
	struct list_seen *seen = userdata;

	(void)store;
	seen->calls++;
	seen->changed = true;
	seen->exists = children;
	seen->count = children ? children->count : 0;
}

static void expect_list(struct fixture *f, struct list_seen *seen, bool exists, size_t count) {
	assert_int_equal(store_wait(f->store, &seen->changed, WITHIN), 0);
	seen->changed = false;
	assert_int_equal(seen->exists, exists);
	assert_int_equal(seen->count, count);
}

static void a_list_watch_works_also_on_a_parent_that_is_made_later(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *parent = below(f, "p"), *child = below(f, "p/c");
	struct list_seen seen = {0};
	struct store_watch *watch;

	assert_int_equal(store_watch_list(f->store, parent, note_list, &seen, &watch), 0);
	expect_list(f, &seen, false, 0);
	put(f->other, parent, "");
	expect_list(f, &seen, true, 0);
	put(f->other, child, "");
	expect_list(f, &seen, true, 1);
	set(f->other, child, "a value below is not a change of the list");
	assert_int_equal(store_delete_tree_wait(f->other, child, WITHIN), 0);
	expect_list(f, &seen, true, 0);
	assert_int_equal(store_delete_tree_wait(f->other, parent, WITHIN), 0);
	expect_list(f, &seen, false, 0);
	put(f->other, parent, "");
	expect_list(f, &seen, true, 0);
	assert_int_equal(seen.calls, 6);
	store_watch_free(watch);
}

struct self_freeing {
	struct store_watch *watch;
	bool called;
};

static void free_itself(struct store *store, const struct store_value *value, void *userdata) {
	struct self_freeing *self = userdata;

	(void)store;
	(void)value;
	assert_false(self->called);
	self->called = true;
	store_watch_free(move_ptr(self->watch));
}

static void a_watch_may_free_itself_and_others_on_the_same_key_go_on(void **state) {
	struct fixture *f = *state;
	struct self_freeing self = {0};
	struct store_watch *watch;
	struct seen seen = {0};

	assert_int_equal(store_watch_value(f->store, f->root, note, &seen, &watch), 0);
	assert_int_equal(store_watch_value(f->store, f->root, free_itself, &self, &self.watch), 0);
	assert_int_equal(store_wait(f->store, &self.called, WITHIN), 0);
	expect_change(f, &seen);
	set(f->other, f->root, "x");
	expect_change(f, &seen);
	assert_string_equal(seen.data, "x");
	store_watch_free(watch);
}

static void a_thousand_watches_all_tell(void **state) {
	enum { MANY = 1000 };
	struct fixture *f = *state;
	struct store_watch **watches = calloc(MANY, sizeof(struct store_watch *));
	struct seen *seen = calloc(MANY, sizeof(*seen));
	struct store_txn *txn = store_txn_new();

	assert_non_null(watches);
	assert_non_null(seen);
	for (int i = 0; i < MANY; i++) {
		_cleanup_free_ char *key = str_printf("%s/%d", f->root, i);

		(void)store_txn_create(txn, key, "old");
		assert_int_equal(store_watch_value(f->store, key, note, &seen[i], &watches[i]), 0);
	}
	for (int i = 0; i < MANY; i++)
		expect_change(f, &seen[i]);
	assert_int_equal(store_commit_wait(f->other, txn, WITHIN), 0);
	for (int i = 0; i < MANY; i++) {
		expect_change(f, &seen[i]);
		assert_string_equal(seen[i].data, "old");
		store_watch_free(watches[i]);
	}
	free(watches);
	free(seen);
}

/* ---- session ---- */

static void the_lease_clock_moves_by_itself_and_is_never_ahead(void **state) {
	struct fixture *f = *state;
	usec_t first, deadline = WITHIN;
	bool never = false;

	assert_int_equal(store_sync_wait(f->store, f->root, WITHIN), 0);
	first = store_last_confirmed(f->store);
	assert_true(first > 0 && first <= now_monotonic());
	while (store_last_confirmed(f->store) == first && deadline_left(deadline) > 0)
		(void)store_wait(f->store, &never, deadline_after(10 * USEC_PER_MSEC));
	assert_true(store_last_confirmed(f->store) > first);
	assert_true(store_last_confirmed(f->store) <= now_monotonic());
	assert_true(store_session_timeout_ms(f->store) >= 1000);
}

static void nobody_there_is_an_error_with_a_reason_at_the_deadline(void **state) {
	struct store *store = NULL;
	char *error = NULL;

	(void)state;
	assert_int_equal(store_connect("127.0.0.1:1", deadline_after(50 * USEC_PER_MSEC), &store, &error), -ETIMEDOUT);
	assert_non_null(strstr(error, "127.0.0.1:1"));
	assert_non_null(strstr(error, "no server takes connections"));
	assert_null(store);
	assert_int_equal(store_connect("no.such.host.invalid:2181", deadline_after(50 * USEC_PER_MSEC), &store, &error),
			 -ETIMEDOUT);
	assert_non_null(strstr(error, "no.such.host.invalid"));
	free(error);
}

static void what_is_no_list_of_servers_is_refused_at_once(void **state) {
	static const char *const bad[] = {"",       ",",          "name",   "name:",   ":2181",
					  "name:0", "name:65536", "name:x", "a b:2181"};
	struct store *store = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(store_connect(bad[i], WITHIN, &store, NULL), -EINVAL);
}

static void servers_may_be_names_and_some_of_them_unknown(void **state) {
	_cleanup_free_ char *list = str_printf("no.such.host.invalid:2181,localhost%s", strrchr(servers, ':'));
	struct store *store = NULL;
	char *error = NULL;

	(void)state;
	if (store_connect(list, WITHIN, &store, &error) < 0)
		fail_msg("%s", error);
	assert_string_equal(store_servers(store), list);
	store_close(store);
}

static void servers_that_refuse_are_passed_over(void **state) {
	_cleanup_free_ char *list =
	    str_printf("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5,%s", servers);

	(void)state;
	for (int i = 0; i < 5; i++) { /* their order is random */
		struct store *store = NULL;

		assert_int_equal(store_connect(list, deadline_after(30 * USEC_PER_SEC), &store, NULL), 0);
		store_close(store);
	}
}

struct ending {
	bool called;
	int result;
};

static void note_end(struct store *store, int result, void *userdata) {
	struct ending *ending = userdata;

	(void)store;
	assert_false(ending->called);
	ending->called = true;
	ending->result = result;
}

static void what_waits_for_a_connection_ends_when_the_store_is_closed(void **state) {
	struct store_options options = {.servers = "127.0.0.1:1"};
	struct ending write = {0}, read = {0};
	struct store_txn *txn = store_txn_new();
	sd_event *event = NULL;
	struct store *store;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(store_open(&store, event, &options), 0);
	(void)store_txn_create(txn, "/x", "");
	assert_int_equal(store_commit(store, txn, note_end, &write), 0);
	assert_int_equal(store_sync(store, "/", note_end, &read), 0);
	assert_true(sd_event_run(event, 1000) >= 0);
	assert_false(write.called);
	store_close(store);
	assert_int_equal(write.result, -ECONNRESET);
	assert_int_equal(read.result, -ECONNRESET);
	sd_event_unref(event);
}

static void close_it(struct store *store, int result, void *userdata) {
	note_end(store, result, userdata);
	store_close(store);
}

static void a_completion_may_close_the_store(void **state) {
	struct store_options options = {.servers = servers};
	struct ending first = {0}, second = {0};
	sd_event *event = NULL;
	struct store *store;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(store_open(&store, event, &options), 0);
	assert_int_equal(store_sync(store, "/", close_it, &first), 0);
	assert_int_equal(store_sync(store, "/", note_end, &second), 0);
	for (usec_t deadline = WITHIN; !second.called && deadline_left(deadline) > 0;)
		assert_true(sd_event_run(event, deadline_left(deadline)) >= 0);
	assert_int_equal(first.result, 0);
	assert_true(second.called);
	sd_event_unref(event);
}

/* ---- locks ---- */

static void a_writer_excludes_readers_and_writers_until_it_unlocks(void **state) {
	static const enum store_lock_kind kinds[] = {STORE_LOCK_READ, STORE_LOCK_WRITE, STORE_LOCK_EXCLUSIVE};
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "deep/lock");
	struct store_lock *held, *lock = NULL;

	assert_int_equal(store_lock_wait(f->store, key, STORE_LOCK_WRITE, WITHIN, &held), 0);
	assert_true(store_lock_is_held(held));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(store_lock_wait(f->other, key, kinds[i], deadline_after(100 * USEC_PER_MSEC), &lock),
				 -ETIMEDOUT);
	store_unlock(held);
	assert_int_equal(store_sync_wait(f->store, key, WITHIN), 0); /* lets its loop run */
	assert_int_equal(store_lock_wait(f->other, key, STORE_LOCK_WRITE, WITHIN, &lock), 0);
	store_unlock(lock);
	assert_int_equal(store_sync_wait(f->other, key, WITHIN), 0);
}

static void readers_share_and_hold_up_a_writer_but_not_an_exclusive_lock(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "lock");
	struct store_lock *a, *b, *writer = NULL, *exclusive;

	assert_int_equal(store_lock_wait(f->store, key, STORE_LOCK_READ, WITHIN, &a), 0);
	assert_int_equal(store_lock_wait(f->other, key, STORE_LOCK_READ, WITHIN, &b), 0);
	/* longer than a writer stays queued: it withdraws, queues again and still does not get it */
	assert_int_equal(store_lock_wait(f->other, key, STORE_LOCK_WRITE, deadline_after(600 * USEC_PER_MSEC), &writer),
			 -ETIMEDOUT);
	assert_int_equal(store_lock_wait(f->store, key, STORE_LOCK_EXCLUSIVE, WITHIN, &exclusive), 0);
	store_unlock(exclusive);
	store_unlock(a);
	store_unlock(b);
	assert_int_equal(store_sync_wait(f->store, key, WITHIN), 0);
	assert_int_equal(store_sync_wait(f->other, key, WITHIN), 0);
	assert_int_equal(store_lock_wait(f->other, key, STORE_LOCK_WRITE, WITHIN, &writer), 0);
	store_unlock(writer);
	assert_int_equal(store_sync_wait(f->other, key, WITHIN), 0);
}

static void nothing_is_left_of_a_lock_that_was_given_up(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "lock");
	_cleanup_strlist_ struct strlist left = {0};
	struct store_lock *held, *lock = NULL;

	assert_int_equal(store_lock_wait(f->store, key, STORE_LOCK_WRITE, WITHIN, &held), 0);
	assert_int_equal(store_lock_wait(f->other, key, STORE_LOCK_WRITE, deadline_after(50 * USEC_PER_MSEC), &lock),
			 -ETIMEDOUT);
	for (int i = 0; i < 20; i++) { /* given up at every stage of asking */
		bool never = false;

		assert_int_equal(store_lock(f->other, key, STORE_LOCK_READ, WITHIN, NULL, NULL, &lock), 0);
		(void)store_wait(f->other, &never, deadline_after((usec_t)i * 200));
		store_unlock(lock);
	}
	store_unlock(held);
	assert_int_equal(store_sync_wait(f->store, key, WITHIN), 0);
	for (usec_t deadline = WITHIN; deadline_left(deadline) > 0;) {
		strlist_free(&left);
		assert_int_equal(store_list_wait(f->other, key, WITHIN, &left), 0);
		if (left.count == 0)
			break;
	}
	assert_int_equal(left.count, 0);
}

struct lock_seen {
	bool called;
	int result;
	struct store_lock *lock;
};

static void note_lock(struct store *store, struct store_lock *lock, int result, void *userdata) {
	struct lock_seen *seen = userdata;

	(void)store;
	seen->called = true;
	seen->result = result;
	if (result < 0)
		store_unlock(lock);
}

static void a_holder_learns_that_its_contender_was_deleted(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "lock");
	struct lock_seen seen = {0};

	assert_int_equal(store_lock(f->store, key, STORE_LOCK_WRITE, WITHIN, note_lock, &seen, &seen.lock), 0);
	assert_int_equal(store_wait(f->store, &seen.called, WITHIN), 0);
	assert_int_equal(seen.result, 0);
	seen.called = false;
	assert_int_equal(store_delete_tree_wait(f->other, key, WITHIN), 0);
	assert_int_equal(store_wait(f->store, &seen.called, WITHIN), 0);
	assert_int_equal(seen.result, -ECONNRESET);
}

static void a_waiter_whose_contender_was_deleted_queues_again(void **state) {
	struct fixture *f = *state;
	_cleanup_free_ char *key = below(f, "lock");
	struct lock_seen first = {0}, second = {0};
	_cleanup_strlist_ struct strlist names = {0};

	assert_int_equal(store_lock(f->store, key, STORE_LOCK_WRITE, WITHIN, note_lock, &first, &first.lock), 0);
	assert_int_equal(store_wait(f->store, &first.called, WITHIN), 0);
	assert_int_equal(store_lock(f->store, key, STORE_LOCK_WRITE, WITHIN, note_lock, &second, &second.lock), 0);
	for (usec_t deadline = WITHIN; names.count < 2 && deadline_left(deadline) > 0;) {
		strlist_free(&names);
		assert_int_equal(store_list_wait(f->store, key, WITHIN, &names), 0);
	}
	assert_int_equal(store_delete_tree_wait(f->other, key, WITHIN), 0);
	assert_int_equal(store_wait(f->store, &second.called, WITHIN), 0);
	assert_int_equal(second.result, 0);
	store_unlock(second.lock);
	assert_int_equal(store_sync_wait(f->store, f->root, WITHIN), 0);
}

static void the_predecessor_is_the_nearest_lower_contender_of_those_that_count(void **state) {
	static const struct {
		const char *names, *own, *behind_all, *behind_writers; /* "" for none, NULL: ours is not there */
	} rows[] = {
	    {"a__lock__0000000001", "a__lock__0000000001", "", ""},
	    {"a__lock__0000000001 b__rlock__0000000002 c__lock__0000000003", "c__lock__0000000003",
	     "b__rlock__0000000002", "a__lock__0000000001"},
	    /* the order is that of the numbers, not of the names */
	    {"z__lock__0000000001 a__lock__0000000002 m__lock__0000000009 k__lock__0000000010", "k__lock__0000000010",
	     "m__lock__0000000009", "m__lock__0000000009"},
	    /* a writer that queued later never holds up (kazoo 2.8.0 errs here) */
	    {"r__rlock__0000000005 w__lock__0000000006", "r__rlock__0000000005", "", ""},
	    /* numbers wrap around to negative ones, which come first */
	    {"a__lock__-2147483648 b__lock__0000000001", "b__lock__0000000001", "a__lock__-2147483648",
	     "a__lock__-2147483648"},
	    /* children that are no contenders */
	    {"other x__lock__12 __lock__ y-0000000001 a__lock__0000000002", "a__lock__0000000002", "", ""},
	    {"a__lock__0000000001", "b__lock__0000000002", NULL, NULL},
	    {"", "b__lock__0000000002", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_strlist_ struct strlist names = {0};
		bool present, reader;

		assert_int_equal(strlist_split(&names, rows[i].names, " "), 0);
		for (int all = 0; all < 2; all++) {
			const char *expected = all ? rows[i].behind_all : rows[i].behind_writers;
			const char *found = lock_names_predecessor(&names, rows[i].own, all, &present, &reader);

			assert_int_equal(present, expected != NULL);
			assert_string_equal(found ? found : "", expected ? expected : "");
			if (found)
				assert_int_equal(reader, strstr(found, "__rlock__") != NULL);
		}
	}
}

/* ---- layout ---- */

static void base_keys_have_the_values_of_a_new_cluster(void **state) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, "uuid", "state", NULL);
	_cleanup_free_ char *bare = store_path(STORE_NODES, NULL);

	int foreign = 0;

	(void)state;
	for (enum store_base key = 0; key < STORE_BASE_COUNT; key++) {
		assert_int_equal(store_base(key)[0], '/');
		assert_non_null(store_base_initial(key));
		foreign += !str_equal(store_base(key), "/pvc") && !str_starts(store_base(key), "/pvc/");
	}
	assert_int_equal(foreign, 17); /* the reference's; all others are below /pvc */
	assert_string_equal(store_base_initial(STORE_PRIMARY_NODE), "none");
	assert_string_equal(store_base_initial(STORE_MAINTENANCE), "False");
	assert_string_equal(path, "/domains/uuid/state");
	assert_string_equal(bare, "/nodes");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(what_was_committed_is_read),
	    WITH_SERVER(a_watch_tells_every_write_also_of_the_same_value),
	    WITH_SERVER(a_watch_tells_again_what_it_told_before_when_asked),
	    WITH_SERVER(a_missing_key_is_no_error_to_the_waiting_read),
	    WITH_SERVER(values_keep_their_bytes),
	    WITH_SERVER(a_value_up_to_the_limit_passes_and_a_larger_one_is_refused_before_it_is_sent),
	    WITH_SERVER(bad_paths_are_refused_before_they_are_sent),
	    WITH_SERVER(children_come_sorted),
	    WITH_SERVER(many_keys_come_in_their_order_with_the_missing_ones_marked),
	    WITH_SERVER(a_transaction_is_all_or_nothing_and_says_why),
	    WITH_SERVER(d51_a_lost_update_is_noticed_and_computed_again),
	    WITH_SERVER(d51_a_race_lost_for_ever_is_an_error),
	    WITH_SERVER(an_update_may_decide_to_write_nothing),
	    WITH_SERVER(a_tree_is_deleted_whole_and_missing_is_success),
	    WITH_SERVER(an_ephemeral_goes_with_its_session),
	    WITH_SERVER(a_list_watch_works_also_on_a_parent_that_is_made_later),
	    WITH_SERVER(a_watch_may_free_itself_and_others_on_the_same_key_go_on),
	    WITH_SERVER(a_thousand_watches_all_tell),
	    WITH_SERVER(the_lease_clock_moves_by_itself_and_is_never_ahead),
	    cmocka_unit_test(nobody_there_is_an_error_with_a_reason_at_the_deadline),
	    cmocka_unit_test(what_is_no_list_of_servers_is_refused_at_once),
	    cmocka_unit_test(servers_may_be_names_and_some_of_them_unknown),
	    cmocka_unit_test(servers_that_refuse_are_passed_over),
	    cmocka_unit_test(what_waits_for_a_connection_ends_when_the_store_is_closed),
	    cmocka_unit_test(a_completion_may_close_the_store),
	    WITH_SERVER(a_writer_excludes_readers_and_writers_until_it_unlocks),
	    WITH_SERVER(readers_share_and_hold_up_a_writer_but_not_an_exclusive_lock),
	    WITH_SERVER(nothing_is_left_of_a_lock_that_was_given_up),
	    WITH_SERVER(a_holder_learns_that_its_contender_was_deleted),
	    WITH_SERVER(a_waiter_whose_contender_was_deleted_queues_again),
	    cmocka_unit_test(the_predecessor_is_the_nearest_lower_contender_of_those_that_count),
	    cmocka_unit_test(base_keys_have_the_values_of_a_new_cluster),
	};

	servers = getenv("PVC_TEST_ZOOKEEPER");
	if (!servers) {
		(void)fprintf(stderr, "test_store: $PVC_TEST_ZOOKEEPER is not set: run it with tests/run-unit\n");
		return 1;
	}
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
