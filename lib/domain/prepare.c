/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an operator's XML needs before it may become a VM's key. */
#include "domain/domain.h"

#include <sys/random.h>

#define NAME_MAX_BYTES 200 /* "<name>.log" is a file name, which ends at 255 */

bool is_uuid(const char *text) {
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	}
	return !text[36];
}

const char *domain_name_objection(const char *name) {
	_cleanup_free_ char *printable = str_printable(name, SIZE_MAX / 2);

	if (!*name)
		return "is empty";
	if (strlen(name) > NAME_MAX_BYTES)
		return "is longer than 200 bytes";
	if (!printable || strcmp(printable, name) != 0)
		return "has control characters";
	if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "cannot be a file's name, which its console log needs";
	if (name[0] == '-')
		return "begins with '-', which makes it look like an option";
	if (strchr(name, ' '))
		return "has blanks";
	if (is_uuid(name))
		return "looks like a UUID";
	return NULL;
}

static int new_uuid(char out[37]) {
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return -errno;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4: random */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		       b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

/* The position after the root's opening tag of a text that is known to be well-formed and to have no DOCTYPE. */
static size_t after_opening_tag(const char *text) {
	const char *p = text;

	while ((p = strchr(p, '<'))) {
		if (p[1] == '?') {
			p = strstr(p, "?>");
		} else if (str_starts(p, "<!--")) {
			p = strstr(p, "-->");
		} else {
			char quote = 0;

			for (; *p && (quote || *p != '>'); p++)
				if (quote ? *p == quote : (*p == '"' || *p == '\''))
					quote = quote ? 0 : *p;
			return *p && p[-1] != '/' ? (size_t)(p - text) + 1 : 0;
		}
		if (!p)
			return 0;
	}
	return 0;
}

static char *insert_uuid(const char *text, const char *uuid) {
	size_t at = after_opening_tag(text);

	return at ? str_printf("%.*s\n  <uuid>%s</uuid>%s", (int)at, text, uuid, text + at) : NULL;
}

/* The text without `encoding="..."` in its XML declaration. NULL when there is none. */
static char *without_encoding(const char *text) {
	const char *start = text + (str_starts(text, "\xef\xbb\xbf") ? 3 : 0);
	const char *end = str_starts(start, "<?xml") ? strstr(start, "?>") : NULL;
	const char *encoding = end ? memmem(start, (size_t)(end - start), "encoding", 8) : NULL;

	if (!encoding)
		return NULL;
	end += 2;
	end += strspn(end, "\r\n");
	return strdup(end);
}

static int all_problems(const struct domain_xml *x, char **ret_error) {
	_cleanup_free_ char *text = strlist_join(&x->problems, "; ");

	if (!x->problems.count)
		return 0;
	return error_set(ret_error, -EINVAL, "the XML cannot be a VM's: %s", text ? text : "out of memory");
}

static int check_identity(const struct domain_xml *x, char **ret_error) {
	const char *objection = x->name ? domain_name_objection(x->name) : NULL;
	_cleanup_free_ char *shown = str_printable(objection ? x->name : x->uuid ? x->uuid : "", 100);

	if (objection)
		return error_set(ret_error, -EINVAL, "the VM's name '%s' %s", shown, objection);
	if (x->uuid && !is_uuid(x->uuid))
		return error_set(ret_error, -EINVAL,
				 "<uuid> is '%s'; it must be 36 lower-case characters like "
				 "4f8c2a3e-0d1b-4c5d-8e9f-a0b1c2d3e4f5, with no blanks",
				 shown);
	return 0;
}

/* The only problem is that it has no UUID element at all. */
static bool lacks_uuid(const struct domain_xml *x) {
	return !x->uuid && x->problems.count;
}

int domain_xml_prepare(const char *text, size_t length, char **ret, struct domain_xml *ret_xml, struct strlist *notes,
		       char **ret_error) {
	_cleanup_free_ char *now = NULL;
	_cleanup_domain_xml_ struct domain_xml x = {.memory = -1, .vcpus = -1};
	int r;

	if (memchr(text, 0, length))
		return error_set(ret_error, -EINVAL, "the XML has NUL bytes; it must be UTF-8 text");
	r = domain_xml_read(text, length, &x, ret_error);
	if (r < 0)
		return r;
	/* read first: a declared encoding other than UTF-8 that changes the text's meaning is not ours to convert */
	now = without_encoding(text);
	if (now) {
		domain_xml_free(&x);
		r = domain_xml_read(now, strlen(now), &x, ret_error);
		if (r < 0)
			return error_set(ret_error, -EINVAL, "the XML must be in UTF-8: %s",
					 ret_error && *ret_error ? *ret_error : "it is not");
		r = strlist_add(notes, "left out the XML declaration: clients of the reference's kind cannot read it");
	} else {
		now = strdup(text);
		r = now ? 0 : -ENOMEM;
	}
	if (r >= 0 && lacks_uuid(&x)) {
		char uuid[37];
		char *with = NULL;

		r = new_uuid(uuid);
		if (r >= 0)
			with = insert_uuid(now, uuid);
		if (with) {
			free(now);
			now = with;
			domain_xml_free(&x);
			r = domain_xml_read(now, strlen(now), &x, ret_error);
			if (r >= 0)
				r = strlist_addf(notes, "gave it the UUID %s", uuid);
		}
	}
	if (r < 0)
		return r;
	r = all_problems(&x, ret_error);
	if (r >= 0)
		r = check_identity(&x, ret_error);
	if (r < 0)
		return r;
	*ret = move_ptr(now);
	*ret_xml = x;
	x = (struct domain_xml){.memory = -1, .vcpus = -1};
	return 0;
}
