/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "log/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "config/config.h"

#define LINE_MAX_BYTES     8192 /* of one line; what is over ends in "..." */
#define LOG_FILE_MODE      0640 /* root and adm, as other logs of Debian */
#define LOG_DIRECTORY_MODE 0750

/* One row a level: the word that begins the text, its colour on terminals and in files, the journal's priority. */
static const struct {
	const char *marker, *colour;
	char priority; /* as in syslog(3): 3 error ... 7 debug */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"failed", "\033[91m", '3'},  [LOG_LEVEL_WARNING] = {"warning", "\033[93m", '4'},
    [LOG_LEVEL_OK] = {"ok", "\033[92m", '6'},         [LOG_LEVEL_INFO] = {"info", "\033[94m", '6'},
    [LOG_LEVEL_SYSTEM] = {"system", "\033[96m", '5'}, [LOG_LEVEL_TICK] = {"tick", "\033[95m", '6'},
    [LOG_LEVEL_DEBUG] = {"debug", "\033[2m", '7'},
};
#define COLOUR_END "\033[0m"

static struct {
	pthread_mutex_t mutex;
	const char *program;
	bool follows_config, to_stdout, colours, dates;
	char *path; /* of the file, NULL when there shall be none */
	int fd;
	unsigned long lost; /* lines that the file did not take since the last one that it took */
	bool torn;          /* it took a part of the last one */
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .program = "pvc", .fd = -1};
/* read without the mutex, so that an unwanted debug line costs nothing */
static atomic_bool wants_debug, wants_ticks = true;

void log_init(const char *program, bool debug) {
	pthread_mutex_lock(&state.mutex);
	state.program = program;
	pthread_mutex_unlock(&state.mutex);
	wants_debug = debug;
}

bool log_wants(enum log_level level) {
	if (level == LOG_LEVEL_DEBUG)
		return wants_debug;
	return level != LOG_LEVEL_TICK || wants_ticks;
}

static int open_file(const char *path) {
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, LOG_FILE_MODE);

	return fd < 0 ? -errno : fd;
}

/* The first program of the chain finds no directory, and a strict umask in its unit. */
static int make_directory(const char *path) {
	struct stat st;
	bool is_new = stat(path, &st) < 0;
	int r = dir_make(path, LOG_DIRECTORY_MODE);

	if (r >= 0 && is_new && chmod(path, LOG_DIRECTORY_MODE) < 0)
		return -errno;
	return r;
}

int log_open(const struct config *config) {
	char *path = NULL;
	int fd = -1, made = 0;

	if (config->file_logging) {
		path = str_printf("%s/pvc.log", config->log_directory);
		if (!path)
			return -ENOMEM;
		made = make_directory(config->log_directory);
		fd = open_file(path);
	}
	pthread_mutex_lock(&state.mutex);
	if (state.fd >= 0)
		(void)close(state.fd); /* nothing is buffered: nothing can be lost */
	free(state.path);
	state.path = path;
	state.fd = fd >= 0 ? fd : -1;
	state.follows_config = true;
	state.to_stdout = config->stdout_logging;
	state.colours = config->log_colours;
	state.dates = config->log_dates;
	pthread_mutex_unlock(&state.mutex);
	if (config->debug)
		wants_debug = true;
	wants_ticks = config->log_keepalives;
	if (path && fd < 0)
		return made < 0 ? made : fd;
	return 0;
}

int log_reopen(void) {
	int fd = 0;

	pthread_mutex_lock(&state.mutex);
	if (state.path) {
		fd = open_file(state.path);
		if (fd >= 0) {
			if (state.fd >= 0)
				(void)close(state.fd); /* nothing is buffered: nothing can be lost */
			state.fd = fd;
		}
	}
	pthread_mutex_unlock(&state.mutex);
	return fd < 0 ? fd : 0;
}

void log_close(void) {
	pthread_mutex_lock(&state.mutex);
	if (state.fd >= 0)
		(void)close(state.fd); /* nothing is buffered: nothing can be lost */
	free(state.path);
	state.path = NULL;
	state.fd = -1;
	state.lost = 0;
	state.follows_config = false;
	pthread_mutex_unlock(&state.mutex);
}

/* systemd names the journal's socket by device and inode in $JOURNAL_STREAM; an inherited variable may be stale, so
 * the descriptor itself has to match. */
static bool is_journal(int fd) {
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	(void)snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return strcmp(own, stream) == 0;
}

bool log_is_journal(void) {
	return is_journal(STDOUT_FILENO) || is_journal(STDERR_FILENO);
}

static int write_line(int fd, const struct strbuf *line) {
	ssize_t n;

	if (line->failed)
		return -ENOMEM;
	do
		n = write(fd, line->data, line->length);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n == line->length)
		return 0;
	return n > 0 ? -EXDEV : -ENOSPC; /* -EXDEV: only a part was written */
}

static void add_date(struct strbuf *line) {
	struct timespec now;
	struct tm tm;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with a valid clock */
	if (localtime_r(&now.tv_sec, &tm) && strftime(text, sizeof(text), "%Y/%m/%d %H:%M:%S", &tm) > 0)
		(void)strbuf_addf(line, "%s.%06ld ", text, now.tv_nsec / 1000); /* kept in line->failed */
}

/* A line for a file or a terminal: date, program, marker, text. */
static void format_plain(struct strbuf *line, enum log_level level, const char *text, bool dates, bool colours) {
	if (dates)
		add_date(line);
	/* failures are kept in line->failed */
	(void)strbuf_addf(line, "%s: %s%s:%s %s\n", state.program, colours ? levels[level].colour : "",
			  levels[level].marker, colours ? COLOUR_END : "", text);
}

/* To one of the two standard streams. The journal has dates and the program's name of its own, and takes the priority
 * from the prefix. */
static void write_stream(int fd, enum log_level level, const char *text) {
	_cleanup_strbuf_ struct strbuf line = {0};

	if (is_journal(fd))
		(void)strbuf_addf(&line, "<%c>%s: %s\n", levels[level].priority, levels[level].marker, text);
	else
		format_plain(&line, level, text, state.follows_config && state.dates,
			     state.follows_config && state.colours);
	(void)write_line(fd, &line); /* there is no other place left to complain at */
}

static int write_file(enum log_level level, const char *text) {
	_cleanup_strbuf_ struct strbuf line = {0}, loss = {0};
	_cleanup_free_ char *notice = NULL;
	int r;

	if (state.lost > 0) {
		notice = str_printf("%lu lines could not be written here", state.lost);
		if (state.torn)
			(void)strbuf_puts(&loss, "\n"); /* kept in loss.failed */
		if (notice)
			format_plain(&loss, LOG_LEVEL_WARNING, notice, state.dates, state.colours);
		if (!notice || write_line(state.fd, &loss) < 0) {
			state.lost++;
			return -ENOSPC;
		}
		state.lost = 0;
		state.torn = false;
	}
	format_plain(&line, level, text, state.dates, state.colours);
	r = write_line(state.fd, &line);
	if (r < 0)
		state.lost++;
	if (r == -EXDEV)
		state.torn = true;
	return r;
}

static void write_all_outputs(enum log_level level, const char *text) {
	bool in_file;

	if (!state.follows_config) {
		write_stream(STDERR_FILENO, level, text);
		return;
	}
	in_file = state.fd >= 0 && write_file(level, text) >= 0;
	if (state.to_stdout)
		write_stream(STDOUT_FILENO, level, text);
	else if (!in_file && level <= LOG_LEVEL_WARNING)
		write_stream(STDERR_FILENO, level, text); /* what somebody must know is not lost with the file */
}

void log_message(enum log_level level, const char *format, ...) {
	_cleanup_free_ char *text = NULL;
	int saved = errno, n;
	char *rest;
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	rest = text;
	pthread_mutex_lock(&state.mutex);
	/* Several lines are several records. Those after the first are indented: foreign text with a line break in it
	 * cannot pass for a record of its own. */
	for (char *one; (one = strsep(&rest, "\n"));) {
		_cleanup_free_ char *printable = str_printable(one, LINE_MAX_BYTES);
		_cleanup_free_ char *indented = printable && one != text ? str_printf("  %s", printable) : NULL;

		if (printable && (*one || one == text))
			write_all_outputs(level, indented ? indented : printable);
	}
	pthread_mutex_unlock(&state.mutex);
	errno = saved;
}
