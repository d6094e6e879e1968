/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The operator's files: found, judged by their owner and size, read. Their content goes to nft alone (probe.c). */
#include "ruleset.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

void snippets_free(struct snippets *snippets) {
	for (size_t i = 0; i < snippets->count; i++) {
		free(snippets->items[i].path);
		free(snippets->items[i].name);
		free(snippets->items[i].content);
		free(snippets->items[i].problem);
	}
	free(snippets->items);
	*snippets = (struct snippets){0};
}

void snippet_reject(struct snippet *snippet, const char *format, ...) {
	va_list ap;

	if (snippet->problem)
		return;
	va_start(ap, format);
	if (vasprintf(&snippet->problem, format, ap) < 0)
		snippet->problem = NULL;
	va_end(ap);
	if (!snippet->problem) /* a snippet without a problem would be loaded */
		snippet->problem = strdup("out of memory");
	free(snippet->content);
	snippet->content = NULL;
}

size_t snippets_rejected(const struct snippets *snippets) {
	size_t n = 0;

	for (size_t i = 0; i < snippets->count; i++)
		n += !snippets->items[i].content;
	return n;
}

static struct snippet *add(struct snippets *snippets, const char *path, const char *name) {
	struct snippet *grown = reallocarray(snippets->items, snippets->count + 1, sizeof(*grown)), *item;

	if (!grown)
		return NULL;
	snippets->items = grown;
	item = &grown[snippets->count];
	*item = (struct snippet){.path = strdup(path), .name = strdup(name)};
	if (!item->path || !item->name) {
		free(item->path);
		free(item->name);
		return NULL;
	}
	snippets->count++;
	return item;
}

/* Whoever may write here writes rules of this host as root. */
static const char *unsafe(const struct stat *st) {
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "it does not belong to root";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "others than root may write to it: chmod go-w";
	return NULL;
}

static void read_file(struct snippet *snippet) {
	/* O_NONBLOCK: a pipe is refused, not waited for */
	_cleanup_close_ int fd = open(snippet->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *self = NULL, *problem = NULL;
	size_t length;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return snippet_reject(snippet, "cannot be opened: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return snippet_reject(snippet, "is no regular file");
	if (unsafe(&st))
		return snippet_reject(snippet, "%s", unsafe(&st));
	self = str_printf("/proc/self/fd/%d", fd); /* the file that was judged, whatever its name means by now */
	r = self ? file_read(self, SNIPPET_BYTES, &snippet->content, &length) : -ENOMEM;
	if (r == -EFBIG)
		return snippet_reject(snippet, "is longer than %u bytes", SNIPPET_BYTES);
	if (r < 0)
		return snippet_reject(snippet, "cannot be read: %s", strerror(-r));
	if (strlen(snippet->content) != length)
		return snippet_reject(snippet, "holds a NUL byte: it is no text");
	problem = snippet_lint(snippet->content);
	if (problem)
		snippet_reject(snippet, "%s", problem);
}

static bool wanted(const char *name, const char *suffix) {
	size_t n = strlen(name), s = suffix ? strlen(suffix) : 0;

	return name[0] != '.' && n >= s && (!suffix || strcmp(name + n - s, suffix) == 0);
}

static int refuse_directory(struct snippets *snippets, const char *directory, const char *why) {
	struct snippet *item = add(snippets, directory, "");

	if (!item)
		return -ENOMEM;
	snippet_reject(item, "all of it is left out: %s", why);
	return 0;
}

int snippets_read(struct snippets *snippets, const char *directory, const char *suffix) {
	DIR *dir = opendir(directory);
	struct dirent *entry;
	struct stat st;
	size_t taken = 0;
	int r = 0;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return refuse_directory(snippets, directory, strerror(errno));
	if (fstat(dirfd(dir), &st) < 0 || unsafe(&st))
		r = refuse_directory(snippets, directory, unsafe(&st) ? unsafe(&st) : strerror(errno));
	else
		while (r >= 0 && (entry = readdir(dir))) {
			_cleanup_free_ char *path = str_printf("%s/%s", directory, entry->d_name);
			struct snippet *item;

			if (!wanted(entry->d_name, suffix))
				continue;
			item = path ? add(snippets, path, entry->d_name) : NULL;
			if (!item)
				r = -ENOMEM;
			else if (++taken > SNIPPET_FILES)
				snippet_reject(item, "there are more than %u files in its directory", SNIPPET_FILES);
			else
				read_file(item);
		}
	(void)closedir(dir); /* was only read */
	return r;
}

static int by_name(const void *a, const void *b) {
	const struct snippet *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : strcmp(x->path, y->path);
}

void snippets_sort(struct snippets *snippets) {
	if (snippets->count > 1)
		qsort(snippets->items, snippets->count, sizeof(*snippets->items), by_name);
}

static bool is_word(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-./", c));
}

char *snippet_lint(const char *content) {
	unsigned line = 1;

	for (const char *p = content; *p;) {
		size_t n = 1;

		if (*p == '#') { /* a comment, to the end of the line */
			n = strcspn(p, "\n");
		} else if (*p == '"') {
			n = strcspn(p + 1, "\"\n") + 1;
			if (p[n] != '"')
				return str_printf("line %u: a string that does not end on its line", line);
			n++;
		} else if (is_word(*p)) {
			n = 0;
			while (is_word(p[n]))
				n++;
			if (n == strlen("include") && strncmp(p, "include", n) == 0)
				return str_printf(
				    "line %u: include is not possible: put the other file beside this one", line);
		} else if (*p == '\n') {
			line++;
		}
		p += n;
	}
	return NULL;
}
