/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of a guest's console log is shown. Pure: the bytes are the guest's, so anything may come. */
#include "daemon.h"

/* Bytes of the UTF-8 character at p, 0 if it is none, -1 if it may become one when more bytes follow. */
static int character(const unsigned char *p, size_t left) {
	static const unsigned char lowest[5] = {0, 0, 0, 0xa0, 0x90}; /* of the second byte after e0, f0 */
	int n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : 4;

	if (n == 1)
		return p[0] != 0;
	if (n == 4 && (p[0] < 0xf0 || p[0] > 0xf4))
		return 0;
	for (int i = 1; i < n; i++) {
		if ((size_t)i >= left)
			return -1;
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		if (i == 1 && (((p[0] == 0xe0 || p[0] == 0xf0) && p[1] < lowest[n]) || (p[0] == 0xed && p[1] > 0x9f) ||
			       (p[0] == 0xf4 && p[1] > 0x8f)))
			return 0;
	}
	return n;
}

static size_t clean(const char *data, size_t length, char *out) {
	size_t n = 0;

	for (size_t i = 0; i < length;) {
		int c = character((const unsigned char *)data + i, length - i);

		if (c < 0)
			break;
		if (c == 0) {
			out[n++] = '?';
			i++;
			continue;
		}
		memcpy(out + n, data + i, (size_t)c);
		n += (size_t)c;
		i += (size_t)c;
	}
	return n;
}

/* Where the last max_lines lines begin. What follows the last newline is a line too. */
static size_t last_lines(const char *text, size_t length, size_t max_lines) {
	size_t lines = length > 0 && text[length - 1] != '\n', i = length;

	if (max_lines == 0)
		return length;
	while (i > 0) {
		if (text[i - 1] == '\n' && ++lines > max_lines)
			break;
		i--;
	}
	return i;
}

/* Where the text begins when it may have max_bytes: after a newline if there is one, else at a whole character. */
static size_t last_bytes(const char *text, size_t length, size_t max_bytes, bool cut) {
	size_t begin = length > max_bytes ? length - max_bytes : 0;
	const char *newline;

	if (begin == 0 && !cut)
		return 0;
	if (begin > 0 && text[begin - 1] == '\n')
		return begin;
	newline = memchr(text + begin, '\n', length - begin);
	if (newline && (size_t)(newline - text) + 1 < length)
		return (size_t)(newline - text) + 1;
	while (begin < length && ((unsigned char)text[begin] & 0xc0) == 0x80)
		begin++;
	return begin;
}

char *console_window(const char *data, size_t length, bool cut, size_t max_lines, size_t max_bytes) {
	char *text = malloc(length + 1);
	size_t n, begin;

	if (!text)
		return NULL;
	n = clean(data, length, text);
	begin = last_bytes(text, n, max_bytes, cut);
	begin += last_lines(text + begin, n - begin, max_lines);
	memmove(text, text + begin, n - begin);
	text[n - begin] = '\0';
	return text;
}
