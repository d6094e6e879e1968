/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a console log: the window is bounded and printable. The first three bytes choose cut, lines and size. */
#include "../../cmd/pvc-watch-domains/console_window.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_free_ char *text = NULL;
	size_t lines = 0;

	if (size < 3)
		return 0;
	text = console_window((const char *)data + 3, size - 3, data[0] & 1, data[1], data[2] + 1u);
	if (!text || strlen(text) > data[2] + 1u)
		abort();
	for (const char *p = text; *p; p++)
		lines += *p == '\n' || !p[1];
	for (size_t i = 0, n = strlen(text); i < n;) {
		int c = character((const unsigned char *)text + i, n - i);

		if (c <= 0)
			abort();
		i += (size_t)c;
	}
	if (lines > data[1])
		abort();
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
