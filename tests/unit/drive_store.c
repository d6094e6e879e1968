/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A program for tests/bats/store.bats: does what the lines of its standard input say, tells on standard output what
 * happens. Ends at the end of its input.
 *
 *   watch PATH              value PATH VERSION DATA | missing PATH, now and at every change
 *   list PATH               children PATH NAME... | missing PATH
 *   get PATH                got PATH LENGTH | got PATH RESULT
 *   create PATH DATA        created PATH RESULT          (RESULT: 0 or the name of the error)
 *   ephemeral PATH DATA     created PATH RESULT
 *   add PATH                added PATH RESULT            (read, add one, write)
 *   lock NAME KIND PATH [MS]  held NAME | ended NAME RESULT, lost NAME; KIND: read, write, exclusive
 *   unlock NAME
 *   fresh                   fresh MILLISECONDS           (age of the last confirmation)
 *   exit                    closes the store first, and says closed MILLISECONDS (how long that took)
 *
 * Unasked: state connecting | connected | new.
 */
#include <errno.h>
#include <fcntl.h>

#include "store/store.h"

struct driver {
	sd_event *event;
	struct store *store;
	struct strbuf input;
};

struct named_lock {
	struct named_lock *next;
	struct store_lock *lock;
	bool held;
	char name[64];
};

static struct named_lock *locks;

static const char *result_name(int result) {
	return result == 0 ? "0" : strerrorname_np(-result);
}

static void on_state(struct store *store, enum store_state state, void *userdata) {
	static const char *const names[] = {"connecting", "connected", "new"};

	(void)store;
	(void)userdata;
	(void)printf("state %s\n", names[state]);
}

static void on_value(struct store *store, const struct store_value *value, void *userdata) {
	(void)store;
	if (value->exists)
		(void)printf("value %s %d %s\n", (char *)userdata, value->stat.version, value->data);
	else
		(void)printf("missing %s\n", (char *)userdata);
}

static void on_got(struct store *store, int result, const struct store_value *value, void *userdata) {
	_cleanup_free_ char *path = userdata;

	(void)store;
	if (result < 0)
		(void)printf("got %s %s\n", path, result_name(result));
	else
		(void)printf("got %s %zu\n", path, value->length);
}

static void on_list(struct store *store, const struct strlist *children, void *userdata) {
	(void)store;
	(void)printf("%s %s", children ? "children" : "missing", (char *)userdata);
	for (size_t i = 0; children && i < children->count; i++)
		(void)printf(" %s", children->items[i]);
	(void)printf("\n");
}

static void on_created(struct store *store, int result, void *userdata) {
	_cleanup_free_ char *path = userdata;

	(void)store;
	(void)printf("created %s %s\n", path, result_name(result));
}

static int add_one(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	uint64_t n = 0;
	char text[24];

	(void)count;
	if (values[0].exists && parse_u64(values[0].data, 0, UINT32_MAX, &n) < 0)
		return -EINVAL;
	(void)snprintf(text, sizeof(text), "%u", (unsigned)n + 1);
	return store_txn_put(txn, userdata, &values[0], text);
}

static void on_added(struct store *store, int result, void *userdata) {
	_cleanup_free_ char *path = userdata;

	(void)store;
	(void)printf("added %s %s\n", path, result_name(result));
}

static void on_lock(struct store *store, struct store_lock *lock, int result, void *userdata) {
	struct named_lock *named = userdata;

	(void)store;
	(void)lock;
	if (result == 0)
		(void)printf("held %s\n", named->name);
	else if (named->held)
		(void)printf("lost %s\n", named->name);
	else
		(void)printf("ended %s %s\n", named->name, result_name(result));
	named->held = result == 0;
}

static void do_lock(struct driver *driver, const char *name, const char *kind, const char *path, const char *ms) {
	struct named_lock *named = calloc(1, sizeof(*named));
	enum store_lock_kind k = str_equal(kind, "read")    ? STORE_LOCK_READ
				 : str_equal(kind, "write") ? STORE_LOCK_WRITE
							    : STORE_LOCK_EXCLUSIVE;
	usec_t deadline = ms ? deadline_after(strtoull(ms, NULL, 10) * USEC_PER_MSEC) : DEADLINE_NEVER;
	int r;

	if (!named)
		abort();
	(void)snprintf(named->name, sizeof(named->name), "%s", name);
	r = store_lock(driver->store, path, k, deadline, on_lock, named, &named->lock);
	if (r < 0)
		(void)printf("ended %s %s\n", name, result_name(r));
	named->next = locks;
	locks = named;
}

static void do_unlock(const char *name) {
	for (struct named_lock *named = locks; named; named = named->next)
		if (named->lock && str_equal(named->name, name))
			store_unlock(move_ptr(named->lock));
}

static void do_exit(struct driver *driver) {
	usec_t begin = now_monotonic();

	for (struct named_lock *named = locks; named; named = named->next)
		named->lock = NULL; /* store_close() frees them */
	store_close(move_ptr(driver->store));
	(void)printf("closed %u\n", (unsigned)((now_monotonic() - begin) / USEC_PER_MSEC));
	(void)sd_event_exit(driver->event, 0);
}

static void do_line(struct driver *driver, const char *line) {
	_cleanup_strlist_ struct strlist words = {0};
	struct store_txn *txn = NULL;
	struct store_watch *watch; /* left to store_close() */
	const char *verb, *a, *b, *c;
	int r = 0;

	if (strlist_split(&words, line, " ") < 0 || words.count == 0)
		return;
	verb = words.items[0];
	a = words.count > 1 ? words.items[1] : "";
	b = words.count > 2 ? words.items[2] : "";
	c = words.count > 3 ? words.items[3] : "";
	if (str_equal(verb, "watch")) {
		r = store_watch_value(driver->store, a, on_value, strdup(a), &watch);
	} else if (str_equal(verb, "list")) {
		r = store_watch_list(driver->store, a, on_list, strdup(a), &watch);
	} else if (str_equal(verb, "get")) {
		r = store_get(driver->store, a, on_got, strdup(a));
	} else if (str_equal(verb, "create") || str_equal(verb, "ephemeral")) {
		txn = store_txn_new();
		r = (verb[0] == 'c' ? store_txn_create : store_txn_create_ephemeral)(txn, a, b);
		r = store_commit(driver->store, txn, on_created, strdup(a));
	} else if (str_equal(verb, "add")) {
		char *path = strdup(a);

		r = store_update(driver->store, (const char *const[]){path}, 1, add_one, on_added, path);
	} else if (str_equal(verb, "lock")) {
		do_lock(driver, a, b, c, words.count > 4 ? words.items[4] : NULL);
	} else if (str_equal(verb, "unlock")) {
		do_unlock(a);
	} else if (str_equal(verb, "fresh")) {
		(void)printf("fresh %u\n",
			     (unsigned)((now_monotonic() - store_last_confirmed(driver->store)) / USEC_PER_MSEC));
	} else if (str_equal(verb, "exit")) {
		do_exit(driver);
	} else {
		r = -EINVAL;
	}
	if (r < 0)
		(void)printf("%s %s %s\n", verb, a, result_name(r));
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct driver *driver = userdata;
	char text[4096], *newline;
	ssize_t n = read(fd, text, sizeof(text));

	(void)source;
	(void)events;
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : sd_event_exit(driver->event, 0);
	(void)strbuf_add(&driver->input, text, (size_t)n);
	while (driver->store && driver->input.data && (newline = strchr(driver->input.data, '\n'))) {
		*newline = '\0';
		do_line(driver, driver->input.data);
		driver->input.length -= (size_t)(newline + 1 - driver->input.data);
		memmove(driver->input.data, newline + 1, driver->input.length + 1);
	}
	return 0;
}

int main(int argc, char **argv) {
	struct driver driver = {0};
	struct store_options options = {.confirm = true, .on_state = on_state, .userdata = &driver};
	int r;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: drive_store HOST:PORT,... SESSION_MS\n");
		return EXIT_USAGE;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	options.servers = argv[1];
	options.session_timeout_ms = (unsigned)strtoul(argv[2], NULL, 10);
	r = sd_event_new(&driver.event);
	if (r >= 0)
		r = store_open(&driver.store, driver.event, &options);
	if (r >= 0)
		r = sd_event_add_io(driver.event, NULL, 0, EPOLLIN, on_input, &driver);
	if (r >= 0)
		r = sd_event_loop(driver.event);
	store_close(driver.store);
	sd_event_unref(driver.event);
	strbuf_free(&driver.input);
	return r < 0 ? EXIT_SYSTEM : r;
}
