/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * base: what every other file may use. No I/O policy, no logging, no global state.
 *
 * Errors: functions return 0 or a positive result on success and -errno on failure; outputs named ret_* are
 * untouched on failure. Where a text has to cross layers a function takes `char **ret_error`: on failure it holds
 * a sentence that the caller frees (or NULL, when there was no memory for it). Passing NULL is allowed.
 */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- cleanup and ownership (base.h) ------------------------------------------------------------------------- */

#define _cleanup_(f)         __attribute__((cleanup(f)))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))
#define ARRAY_SIZE(a)        (sizeof(a) / sizeof((a)[0]))

static inline void base_freep(void *p) {
	free(*(void **)p);
}
static inline void base_closep(int *fd) {
	if (*fd >= 0)
		(void)close(*fd); /* nothing can be done about a failed close of a file that was only read */
}
static inline void base_fclosep(FILE **f) {
	if (*f)
		(void)fclose(*f);
}
#define _cleanup_free_   _cleanup_(base_freep)
#define _cleanup_close_  _cleanup_(base_closep)
#define _cleanup_fclose_ _cleanup_(base_fclosep)

/* Takes the pointer out of a variable, for returning what a cleanup attribute would free. */
#define move_ptr(p)                                                                                                    \
	({                                                                                                             \
		__typeof__(p) *_p = &(p);                                                                              \
		__typeof__(p) _v = *_p;                                                                                \
		*_p = NULL;                                                                                            \
		_v;                                                                                                    \
	})
static inline int move_fd(int *fd) {
	int v = *fd;
	*fd = -1;
	return v;
}

/* ---- time (time.c) ------------------------------------------------------------------------------------------ */

typedef uint64_t usec_t;
#define USEC_PER_SEC   ((usec_t)1000000)
#define USEC_PER_MSEC  ((usec_t)1000)
#define DEADLINE_NEVER UINT64_MAX

usec_t now_monotonic(void);             /* CLOCK_MONOTONIC: what deadlines and leases are measured on */
usec_t now_boottime(void);              /* CLOCK_BOOTTIME: stamps that other processes of this host compare */
usec_t deadline_after(usec_t duration); /* absolute CLOCK_MONOTONIC time; DEADLINE_NEVER stays so */
usec_t deadline_left(usec_t deadline);  /* 0 once it has passed */
int deadline_poll_ms(usec_t deadline);  /* the same for poll(2): rounded up, -1 for never */

/* ---- errors and exit codes (error.c) ------------------------------------------------------------------------ */

/* The suite's exit codes, one table for all programs; documented in pvc(7). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,       /* the operation failed */
	EXIT_DIFFERS = 2,      /* --check: the host is not as configured */
	EXIT_USAGE = 64,       /* wrong command line */
	EXIT_UNAVAILABLE = 69, /* a service that is needed does not answer */
	EXIT_SYSTEM = 71,      /* the operating system refused something */
	EXIT_TEMPORARY = 75,   /* try again */
	EXIT_PERMISSION = 77,  /* not allowed */
	EXIT_CONFIG = 78,      /* configuration is wrong */
};

/* Sets *ret_error (when not NULL) to the formatted text, freeing what it held. Returns `error` for `return`. */
int error_set(char **ret_error, int error, const char *format, ...) _printf_(3, 4);
/* The exit code that fits a negative errno. */
int exit_code_of(int error);

/* ---- strings (str.c) ---------------------------------------------------------------------------------------- */

char *str_printf(const char *format, ...) _printf_(1, 2); /* NULL without memory; the caller frees */
bool str_equal(const char *a, const char *b);             /* NULL equals only NULL */
bool str_starts(const char *text, const char *prefix);
/* True for NULL, "", "None", "none": how the reference's writers spell "no value" (data model, 0). */
bool str_is_absent(const char *text);
/* Python's strtobool: y/yes/t/true/on/1 and n/no/f/false/off/0 in any case; -EINVAL for anything else. */
int parse_bool(const char *text, bool *ret);
/* Decimal digits only, within [min, max]; -EINVAL or -ERANGE. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/* The text with control characters and bytes that are no UTF-8 replaced by '?', at most `limit` bytes and then
 * "...": for foreign text in messages. NULL without memory; the caller frees. */
char *str_printable(const char *text, size_t limit);

/* A growing list of strings that it owns. Zero-initialised is empty. */
struct strlist {
	char **items; /* NULL-terminated once anything was added */
	size_t count;
};
void strlist_free(struct strlist *list); /* frees the items; the list is empty again */
int strlist_add(struct strlist *list, const char *item);
int strlist_addf(struct strlist *list, const char *format, ...) _printf_(2, 3);
int strlist_take(struct strlist *list, char *item); /* owns item, also on failure; NULL gives -ENOMEM */
/* Adds the non-empty words of text between any of the separator characters. */
int strlist_split(struct strlist *list, const char *text, const char *separators);
bool strlist_contains(const struct strlist *list, const char *item);
void strlist_sort(struct strlist *list);                               /* strcmp order */
char *strlist_join(const struct strlist *list, const char *separator); /* NULL without memory */
#define _cleanup_strlist_ _cleanup_(strlist_free)

/* A growing text, always NUL-terminated once anything was added. Zero-initialised is empty. The first failed
 * allocation sets `failed`; later calls return -ENOMEM too, so one check at the end is enough. */
struct strbuf {
	char *data;
	size_t length;
	size_t size;
	bool failed;
};
void strbuf_free(struct strbuf *buffer);
int strbuf_add(struct strbuf *buffer, const char *data, size_t length);
int strbuf_puts(struct strbuf *buffer, const char *text);
int strbuf_addf(struct strbuf *buffer, const char *format, ...) _printf_(2, 3);
char *strbuf_steal(struct strbuf *buffer); /* "" when empty; NULL when failed; the caller frees */
#define _cleanup_strbuf_ _cleanup_(strbuf_free)

/* ---- addresses (ip.c) --------------------------------------------------------------------------------------- */

/* An IPv4 or IPv6 address with its prefix length, as in 10.0.0.1/24. family is AF_INET, AF_INET6, or 0 for none. */
struct ip_prefix {
	int family;
	unsigned prefix; /* bits: 0-32 or 0-128 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};
#define IP_PREFIX_TEXT 64 /* room for any ip_prefix_format() */
/* Strict: "ADDRESS/LENGTH"; without a length it is that of a single host when `allow_bare`. -EINVAL. */
int ip_prefix_parse(const char *text, bool allow_bare, struct ip_prefix *ret);
void ip_prefix_format(const struct ip_prefix *ip, bool with_length, char out[IP_PREFIX_TEXT]);
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b); /* address and length */
/* Is the address of `ip` inside the network that `net` spans (of the same family)? */
bool ip_prefix_contains(const struct ip_prefix *net, const struct ip_prefix *ip);
/* The n-th address of a network counted from its network address (n=1: first host), with the network's length.
 * -ERANGE when outside, or when it would be the IPv4 network or broadcast address. Computed, never enumerated. */
int ip_prefix_nth(const struct ip_prefix *net, uint64_t n, struct ip_prefix *ret);

/* ---- files (file.c) ----------------------------------------------------------------------------------------- */

/* Reads a whole file, NUL-terminated. -EFBIG when it is longer than limit bytes. */
int file_read(const char *path, size_t limit, char **ret, size_t *ret_length);
/* Writes a temporary file beside path and renames it over. The directory must exist. */
int file_write_atomic(const char *path, const char *data, size_t length, mode_t mode);
/* mkdir -p: every missing directory of the path, with that mode (before umask). */
int dir_make(const char *path, mode_t mode);

/* ---- child processes (run.c) -------------------------------------------------------------------------------- */

#define RUN_OUTPUT_MAX (256u * 1024u) /* bytes kept of each of the two output streams; what is over is dropped */
struct run_result {
	int status;   /* exit status, or 128 + signal */
	char *output; /* standard output, never NULL after success */
	char *error;  /* standard error, likewise */
};
void run_result_free(struct run_result *result);
#define _cleanup_run_result_ _cleanup_(run_result_free)
/* Runs argv[0] (looked up in PATH) with an argument vector, no shell; blocks, so only one-shots and worker jobs may
 * call it. `input` (or NULL) is its standard input. At the deadline the child is killed and -ETIMEDOUT returned;
 * -ENOENT when there is no such program. A status that is not 0 is a success of this call. Its own process group,
 * default signals, C locale. */
int run_command(const char *const argv[], const char *input, usec_t deadline, struct run_result *ret);
struct run_options {
	const char *input;              /* or NULL */
	const char *const *environment; /* "NAME=value"... added to this program's own, NULL-terminated; or NULL */
	usec_t deadline;
	const atomic_bool *abandon; /* once true the child is killed within 100 ms and -ECANCELED returned; or NULL */
};
int run_command_with(const char *const argv[], const struct run_options *options, struct run_result *ret);

/* ---- command lines (cli.c) ---------------------------------------------------------------------------------- */

enum cli_kind {
	CLI_FLAG,   /* target is bool * */
	CLI_TEXT,   /* target is const char ** */
	CLI_NUMBER, /* target is uint64_t *, between min and max */
};
struct cli_option {
	const char *name; /* long name without dashes */
	char letter;      /* or 0 */
	enum cli_kind kind;
	void *target;
	const char *argument; /* name of the argument in the help, e.g. "FILE" */
	const char *help;
	uint64_t min, max; /* CLI_NUMBER */
};
struct cli {
	const char *name;     /* program */
	const char *synopsis; /* what follows "[OPTION]..." in the usage line, or "" */
	const char *summary;  /* one line: what it does */
	const char *details;  /* more lines, e.g. the list of commands and exit codes, or NULL */
	const struct cli_option *options;
	size_t option_count;
	unsigned min_arguments, max_arguments; /* positional arguments */
};
/* The options that every program has; list them first in its table. */
#define CLI_COMMON(config_path, debug)                                                                                 \
	{"config", 'c',                                                                                                \
	 CLI_TEXT, &(config_path),                                                                                     \
	 "FILE",   "configuration file (default: $PVCD_CONFIG_FILE, else /etc/pvc/pvcd.yaml)",                         \
	 0,        0},                                                                                                 \
	{                                                                                                              \
		"debug", 'd', CLI_FLAG, &(debug), NULL, "say more about what is done", 0, 0                            \
	}
#define CLI_ONE_SHOT(dry_run, check)                                                                                   \
	{"dry-run", 'n', CLI_FLAG, &(dry_run), NULL, "only say what would be done", 0, 0}, {                           \
		"check", 0, CLI_FLAG, &(check), NULL, "change nothing; exit 0 when the host is as configured, else 2", \
		    0, 0                                                                                               \
	}
/* Parses the command line into the targets, and adds --help and --version. Ends the program itself for those two
 * (exit 0, text to stdout) and for a wrong command line (exit 64, one line on stderr). Options and arguments may be
 * mixed. Returns the positional arguments (pointing into argv) and their number. */
char **cli_parse(const struct cli *cli, int argc, char **argv, int *ret_count);
extern const char base_version[]; /* of the suite, e.g. "0.1.0" */
