/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "console.h"

const char *console_tail(const char *log, uint64_t lines) {
	const char *p = log + strlen(log);

	if (!lines)
		return p;
	if (p > log && p[-1] == '\n')
		p--;
	for (; p > log; p--)
		if (p[-1] == '\n' && --lines == 0)
			return p;
	return log;
}

const char *console_new_part(const char *before, const char *now, bool *ret_gap) {
	*ret_gap = false;
	for (const char *line = before; *line;) {
		size_t left = strlen(line);
		const char *newline;

		if (strncmp(now, line, left) == 0)
			return now + left;
		newline = strchr(line, '\n');
		if (!newline)
			break;
		line = newline + 1;
	}
	*ret_gap = *before && *now;
	return now;
}

char *console_harmless(const char *text) {
	_cleanup_strbuf_ struct strbuf out = {0};

	while (*text) {
		size_t plain = strcspn(text, "\n\t");
		_cleanup_free_ char *piece = strndup(text, plain);
		_cleanup_free_ char *printable = piece ? str_printable(piece, SIZE_MAX / 2) : NULL;

		if (!printable)
			return NULL;
		(void)strbuf_puts(&out, printable); /* failures are kept in out.failed */
		if (text[plain])
			(void)strbuf_add(&out, text + plain, 1);
		text += plain + (text[plain] != '\0');
	}
	return strbuf_steal(&out);
}
