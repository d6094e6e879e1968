/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base.h"

#include <ctype.h>
#include <strings.h>

char *str_printf(const char *format, ...) {
	va_list ap;
	char *text = NULL;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	return text;
}

bool str_equal(const char *a, const char *b) {
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts(const char *text, const char *prefix) {
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_is_absent(const char *text) {
	return !text || !*text || strcmp(text, "None") == 0 || strcmp(text, "none") == 0;
}

int parse_bool(const char *text, bool *ret) {
	static const char *const yes[] = {"y", "yes", "t", "true", "on", "1"};
	static const char *const no[] = {"n", "no", "f", "false", "off", "0"};

	for (size_t i = 0; text && i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcasecmp(text, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return -EINVAL;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
	uint64_t value = 0;

	if (!text || !*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		uint64_t digit;

		if (*p < '0' || *p > '9')
			return -EINVAL;
		digit = (uint64_t)(*p - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* Length of the valid UTF-8 sequence at p (of n bytes), or 0. Overlong forms and surrogates are refused. */
static size_t utf8_length(const unsigned char *p, size_t n) {
	size_t need;
	uint32_t c;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		need = 2, c = p[0] & 0x1fu;
	else if ((p[0] & 0xf0) == 0xe0)
		need = 3, c = p[0] & 0x0fu;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		need = 4, c = p[0] & 0x07u;
	else
		return 0;
	if (n < need)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = (c << 6) | (p[i] & 0x3fu);
	}
	if ((need == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) || (need == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return need;
}

char *str_printable(const char *text, size_t limit) {
	struct strbuf out = {0};
	size_t length = strlen(text);

	for (size_t i = 0; i < length;) {
		const unsigned char *p = (const unsigned char *)text + i;
		size_t n = utf8_length(p, length - i);

		if (out.length + (n ? n : 1) > limit) {
			(void)strbuf_puts(&out, "..."); /* a failure is kept in out.failed */
			break;
		}
		if (n == 0 || (n == 1 && iscntrl(p[0]))) {
			(void)strbuf_puts(&out, "?");
			i++;
		} else {
			(void)strbuf_add(&out, text + i, n);
			i += n;
		}
	}
	return strbuf_steal(&out);
}

void strlist_free(struct strlist *list) {
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct strlist){0};
}

int strlist_take(struct strlist *list, char *item) {
	char **items;

	if (!item)
		return -ENOMEM;
	/* grows at powers of two; one slot more for the NULL at the end */
	if ((list->count & (list->count + 1)) == 0) {
		items = reallocarray(list->items, (list->count + 1) * 2, sizeof(*items));
		if (!items) {
			free(item);
			return -ENOMEM;
		}
		list->items = items;
	}
	list->items[list->count++] = item;
	list->items[list->count] = NULL;
	return 0;
}

int strlist_add(struct strlist *list, const char *item) {
	return strlist_take(list, strdup(item));
}

int strlist_addf(struct strlist *list, const char *format, ...) {
	va_list ap;
	char *text = NULL;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	return strlist_take(list, text);
}

int strlist_split(struct strlist *list, const char *text, const char *separators) {
	for (;;) {
		size_t n;
		int r;

		text += strspn(text, separators);
		n = strcspn(text, separators);
		if (n == 0)
			return 0;
		r = strlist_take(list, strndup(text, n));
		if (r < 0)
			return r;
		text += n;
	}
}

bool strlist_contains(const struct strlist *list, const char *item) {
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], item) == 0)
			return true;
	return false;
}

static int compare_items(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *list) {
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), compare_items);
}

char *strlist_join(const struct strlist *list, const char *separator) {
	struct strbuf out = {0};

	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			(void)strbuf_puts(&out, separator); /* a failure is kept in out.failed */
		(void)strbuf_puts(&out, list->items[i]);
	}
	return strbuf_steal(&out);
}

void strbuf_free(struct strbuf *buffer) {
	free(buffer->data);
	*buffer = (struct strbuf){0};
}

static int grow(struct strbuf *buffer, size_t more) {
	size_t size = buffer->size ? buffer->size : 64;
	char *data;

	if (buffer->failed || more > SIZE_MAX / 2 - buffer->length - 1)
		goto fail;
	while (size < buffer->length + more + 1)
		size *= 2;
	if (size == buffer->size)
		return 0;
	data = realloc(buffer->data, size);
	if (!data)
		goto fail;
	buffer->data = data;
	buffer->size = size;
	return 0;
fail:
	buffer->failed = true;
	return -ENOMEM;
}

int strbuf_add(struct strbuf *buffer, const char *data, size_t length) {
	int r = grow(buffer, length);

	if (r < 0)
		return r;
	if (length > 0)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
	return 0;
}

int strbuf_puts(struct strbuf *buffer, const char *text) {
	return strbuf_add(buffer, text, strlen(text));
}

int strbuf_addf(struct strbuf *buffer, const char *format, ...) {
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		buffer->failed = true;
		return -ENOMEM;
	}
	return strbuf_add(buffer, text, (size_t)n);
}

char *strbuf_steal(struct strbuf *buffer) {
	char *text = NULL;

	if (buffer->failed) {
		strbuf_free(buffer);
		return NULL;
	}
	text = buffer->data ? buffer->data : strdup("");
	*buffer = (struct strbuf){0};
	return text;
}
