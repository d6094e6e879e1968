/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all kinds of levels share: running a tool, and what it says when it fails. */
#include "level.h"

#define SHOWN_BYTES 200 /* of a tool's words in one message */

static void secret_free(char *text) {
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void level_free(struct level *level) {
	free(level->shown);
	free(level->host);
	free(level->user);
	secret_free(level->environment);
	free(level->program);
	secret_free(level->input);
	*level = (struct level){0};
}

int level_run(const char *const argv[], const struct run_options *options, struct run_result *ret, char **ret_error) {
	int r = run_command_with(argv, options, ret);

	if (r == -ENOENT)
		return error_set(ret_error, r, "%s is not installed", argv[0]);
	if (r == -ETIMEDOUT)
		return error_set(ret_error, r, "no answer in time");
	if (r == -ECANCELED)
		return error_set(ret_error, r, "it was called off");
	return r < 0 ? error_set(ret_error, r, "%s cannot be run: %s", argv[0], strerror(-r)) : 0;
}

/* Borrowed; *ret_length without the newline. */
static const char *last_line(const char *text, size_t *ret_length) {
	const char *end = text + strlen(text), *begin;

	while (end > text && strchr(" \t\r\n", end[-1]))
		end--;
	begin = end;
	while (begin > text && begin[-1] != '\n')
		begin--;
	*ret_length = (size_t)(end - begin);
	return begin;
}

char *level_complaint(const struct run_result *result) {
	_cleanup_free_ char *line = NULL;
	size_t length;
	const char *text = last_line(result->error, &length);

	if (length == 0)
		text = last_line(result->output, &length);
	line = strndup(text, length);
	if (!line)
		return NULL;
	return *line ? str_printable(line, SHOWN_BYTES) : str_printf("exit status %d without a word", result->status);
}
