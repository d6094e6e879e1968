/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Console logs: the last lines of DIRECTORY/NAME.log, which QEMU (or virtlogd) writes, kept in the VM's key consolelog.
 * One inotify watch on the directory tells of every file's changes, of truncation and of rotation; a watcher reads at
 * most the tail of the file, at most every WRITE_PAUSE, with at most one write on its way.
 */
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "daemon.h"

#define WRITE_PAUSE  (500 * USEC_PER_MSEC)
#define SETTLE_PAUSE (100 * USEC_PER_MSEC) /* a guest writes a line in several pieces: one look for all of them */
#define RETRY_FOLDER (5 * USEC_PER_SEC)

struct console {
	struct vm *vm; /* NULL once the VM is gone or no longer watched, while a last write is on its way */
	struct daemon *daemon;
	char *file, *key, *node_key;
	sd_event_source *timer;
	bool armed, writing, changed;
	usec_t wrote_at;
	uint64_t written; /* hash of the text that the key holds; 0: not known */
	uint64_t pending;
	char *text; /* for a second try when the key does not exist */
};

static void console_free(struct console *console) {
	(void)sd_event_source_disable_unref(console->timer);
	free(console->file);
	free(console->key);
	free(console->node_key);
	free(console->text);
	free(console);
}

static char *console_path(const struct daemon *daemon, const char *file) {
	return str_printf("%s/%s", daemon->config->console_log_directory, file);
}

int console_prepare(struct daemon *daemon, const char *name, char **ret_error) {
	_cleanup_free_ char *file = str_printf("%s.log", name), *path = file ? console_path(daemon, file) : NULL;
	_cleanup_close_ int fd = -1;

	if (!path)
		return -ENOMEM;
	/* never through a symbolic link: the name is foreign input */
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return error_set(ret_error, -errno, "cannot make the console log %s: %s", path, strerror(errno));
	return 0;
}

/* FNV-1a: only to tell whether the text is the one that was written last. */
static uint64_t hash(const char *text) {
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h ? h : 1;
}

/* The window of the file as it is now; "" when there is none. */
static int console_read(const struct console *console, char **ret) {
	_cleanup_free_ char *path = console_path(console->daemon, console->file), *data = malloc(CONSOLE_BYTES_MAX + 1);
	_cleanup_close_ int fd = -1;
	struct stat st;
	off_t begin;
	size_t n = 0;

	if (!path || !data)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		if (errno != ENOENT)
			return -errno;
		st = (struct stat){.st_mode = S_IFREG};
	}
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	begin = st.st_size > (off_t)CONSOLE_BYTES_MAX ? st.st_size - (off_t)CONSOLE_BYTES_MAX : 0;
	while (fd >= 0 && n < CONSOLE_BYTES_MAX) {
		ssize_t r = pread(fd, data + n, CONSOLE_BYTES_MAX - n, begin + (off_t)n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	*ret = console_window(data, n, begin > 0, console->daemon->config->console_log_lines, CONSOLE_BYTES_MAX);
	return *ret ? 0 : -ENOMEM;
}

static void console_update(struct console *console);

static void on_written(struct store *store, int result, void *userdata);

static int console_write(struct console *console, bool create) {
	struct store_txn *txn = store_txn_new();

	if (create)
		(void)store_txn_create(txn, console->key, console->text);
	else
		(void)store_txn_set(txn, console->key, console->text, STORE_ANY_VERSION);
	/* only while it is this node's VM; all errors so far are kept in the transaction */
	if (console->vm)
		(void)store_txn_check(txn, console->node_key, console->vm->node_version);
	return store_commit(console->daemon->store, txn, on_written, console);
}

static void console_done(struct console *console) {
	console->writing = false;
	free(console->text);
	console->text = NULL;
	if (!console->vm)
		console_free(console);
	else if (console->changed)
		console_update(console);
}

static void on_written(struct store *store, int result, void *userdata) {
	struct console *console = userdata;

	(void)store;
	if (result == -ENOENT && console->vm && !console->vm->gone && console->pending) {
		console->pending = 0; /* once: the VM may have been deleted */
		if (console_write(console, true) == 0)
			return;
	} else if (result == 0) {
		console->written = console->pending ? console->pending : hash(console->text);
	} else if (console->vm && result != -ESTALE && result != -ENOENT && result != -EEXIST) {
		console->changed = true; /* lost connection: once more, after the pause */
	}
	console_done(console);
}

static void console_flush(struct console *console) {
	int r;

	console->changed = false;
	free(console->text);
	console->text = NULL;
	r = console_read(console, &console->text);
	if (r < 0) {
		log_debug("console log %s: %s", console->file, strerror(-r));
		return;
	}
	console->pending = hash(console->text);
	if (console->pending == console->written)
		return;
	console->wrote_at = now_monotonic();
	console->writing = console_write(console, false) == 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	struct console *console = userdata;

	(void)source;
	(void)usec;
	console->armed = false;
	if (!console->writing) /* else its end looks again */
		console_flush(console);
	return 0;
}

/* Reads and writes once the pauses are over. */
static void console_update(struct console *console) {
	usec_t pause = deadline_left(console->wrote_at + WRITE_PAUSE);

	console->changed = true;
	if (console->writing || console->armed)
		return;
	if (pause < SETTLE_PAUSE)
		pause = SETTLE_PAUSE;
	console->armed = event_timer(console->daemon->event, &console->timer, pause, on_timer, console) >= 0;
	if (!console->armed) /* without memory: now */
		console_flush(console);
}

void console_watch(struct vm *vm) {
	_cleanup_free_ char *printable = NULL, *error = NULL;
	struct console *console;

	if (vm->console || !vm->name || !virt_name_is_valid(vm->name))
		return;
	console = calloc(1, sizeof(*console));
	if (!console)
		return;
	console->vm = vm;
	console->daemon = vm->daemon;
	console->file = str_printf("%s.log", vm->name);
	console->key = store_path(STORE_DOMAINS, vm->uuid, "consolelog", NULL);
	console->node_key = store_path(STORE_DOMAINS, vm->uuid, "node", NULL);
	if (!console->file || !console->key || !console->node_key) {
		console_free(console);
		return;
	}
	if (console_prepare(vm->daemon, vm->name, &error) < 0)
		log_error("VM %s: %s", vm_label(vm), error ? error : "no console log");
	vm->console = console;
	console_update(console);
}

/* With a last look: what the guest said when it went down. */
void console_unwatch(struct vm *vm) {
	struct console *console = vm->console;

	vm->console = NULL;
	if (!console)
		return;
	console->timer = sd_event_source_disable_unref(console->timer);
	if (!console->writing && !vm->gone && !vm->daemon->stopping)
		console_flush(console);
	console->vm = NULL;
	if (!console->writing)
		console_free(console);
}

/* ---- the directory ------------------------------------------------------------------------------------------------
 */

static void update_all(struct daemon *daemon) {
	for (size_t i = 0; i < daemon->count; i++)
		if (daemon->vms[i]->console)
			console_update(daemon->vms[i]->console);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	struct daemon *daemon = userdata;

	(void)source;
	(void)usec;
	if (consoles_start(daemon) == 0)
		update_all(daemon);
	return 0;
}

/* inotify does not tell that a directory was removed for as long as a guest has its log open in it. */
void consoles_check(struct daemon *daemon) {
	const char *directory = daemon->config->console_log_directory;
	struct stat st;

	if (!daemon->console_watch || (stat(directory, &st) == 0 && st.st_ino == daemon->console_inode))
		return;
	log_warning("%s was removed or replaced; it is watched anew", directory);
	if (event_timer(daemon->event, &daemon->console_retry, 0, on_retry, daemon) < 0)
		log_debug("no timer; the next check tries again");
}

static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *userdata) {
	struct daemon *daemon = userdata;

	(void)source;
	if (event->mask & (IN_IGNORED | IN_MOVE_SELF)) {
		consoles_check(daemon);
		return 0;
	}
	if (event->mask & IN_Q_OVERFLOW) {
		update_all(daemon);
		return 0;
	}
	for (size_t i = 0; event->len > 0 && i < daemon->count; i++) {
		struct console *console = daemon->vms[i]->console;

		if (console && strcmp(console->file, event->name) == 0)
			console_update(console);
	}
	return 0;
}

int consoles_start(struct daemon *daemon) {
	const char *directory = daemon->config->console_log_directory;
	struct stat st;
	int r;

	daemon->console_watch = sd_event_source_disable_unref(daemon->console_watch);
	r = dir_make(directory, 0755);
	if (r == 0)
		r = sd_event_add_inotify(daemon->event, &daemon->console_watch, directory,
					 IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
					     IN_MOVE_SELF | IN_ONLYDIR,
					 on_inotify, daemon);
	if (r >= 0) {

		daemon->console_inode = stat(directory, &st) == 0 ? st.st_ino : 0;
		return 0;
	}
	log_error("cannot watch console logs in %s: %s; tried again in %u s", directory, strerror(-r),
		  (unsigned)(RETRY_FOLDER / USEC_PER_SEC));
	(void)event_timer(daemon->event, &daemon->console_retry, RETRY_FOLDER, on_retry, daemon);
	return r;
}

void consoles_stop(struct daemon *daemon) {
	daemon->console_watch = sd_event_source_disable_unref(daemon->console_watch);
	daemon->console_retry = sd_event_source_disable_unref(daemon->console_retry);
}
