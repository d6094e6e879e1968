/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config/internal.h"

void problems_free(struct problems *problems) {
	for (size_t i = 0; i < problems->count; i++)
		free(problems->items[i].text);
	free(problems->items);
	*problems = (struct problems){.file = problems->file};
}

void problem_add(struct problems *problems, unsigned line, const char *key, const char *format, ...) {
	_cleanup_free_ char *text = NULL, *place = NULL, *name = NULL;
	struct problem *items;
	va_list ap;
	int n;

	if (problems->count == CONFIG_PROBLEMS_MAX) {
		problems->dropped++;
		return;
	}
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		goto fail;
	}
	place = line > 0 ? str_printf("%s:%u", problems->file, line) : strdup(problems->file);
	if (key && str_starts(key, "pvc."))
		key += 4; /* keys are told as the manual page tells them */
	name = key && *key ? str_printf("%s: ", key) : strdup("");
	items = reallocarray(problems->items, problems->count + 1, sizeof(*items));
	if (!items || !place || !name) {
		problems->items = items ? items : problems->items;
		goto fail;
	}
	problems->items = items;
	items[problems->count].line = line;
	items[problems->count].text = str_printf("%s: %s%s", place, name, text);
	if (!items[problems->count].text)
		goto fail;
	problems->count++;
	return;
fail:
	problems->failed = true;
}

static int by_line(const void *a, const void *b) {
	const struct problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return strcmp(x->text, y->text);
}

char *problems_text(struct problems *problems) {
	struct strbuf out = {0};

	if (problems->count > 1)
		qsort(problems->items, problems->count, sizeof(*problems->items), by_line);
	for (size_t i = 0; i < problems->count; i++)
		(void)strbuf_addf(&out, "%s%s", i > 0 ? "\n" : "", problems->items[i].text); /* kept in out.failed */
	if (problems->dropped > 0)
		(void)strbuf_addf(&out, "\n%s: and %zu more", problems->file, problems->dropped);
	return strbuf_steal(&out);
}
