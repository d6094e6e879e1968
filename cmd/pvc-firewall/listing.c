/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nft's listing of one table: objects are blocks that begin with one tab, "\tKIND NAME {", and end with "\t}". */
#include "ruleset.h"

void listing_free(struct listing *listing) {
	for (size_t i = 0; i < listing->count; i++) {
		free(listing->objects[i].kind);
		free(listing->objects[i].name);
		free(listing->objects[i].text);
	}
	free(listing->objects);
	free(listing->other);
	*listing = (struct listing){0};
}

/* "\tct helper NAME {\n...\t}\n" of `length` bytes, whose first line has `head` bytes */
static int add(struct listing *listing, const char *block, size_t head, size_t length) {
	struct listing_object *grown = reallocarray(listing->objects, listing->count + 1, sizeof(*grown)), *object;
	_cleanup_free_ char *words = strndup(block + 1, head - strlen("\t {"));
	char *blank = words ? strrchr(words, ' ') : NULL;

	if (!grown)
		return -ENOMEM;
	listing->objects = grown;
	if (!words)
		return -ENOMEM;
	if (!blank)
		return -EINVAL;
	*blank = '\0';
	object = &grown[listing->count];
	*object = (struct listing_object){strdup(words), strdup(blank + 1), strndup(block, length)};
	listing->count++;
	return object->kind && object->name && object->text ? 0 : -ENOMEM;
}

static int parse(const char *p, struct listing *listing) {
	while (*p && strncmp(p, "}\n", 2) != 0) {
		size_t head = strcspn(p, "\n");
		const char *end;
		int r;

		if (head == 0) {
			p++;
		} else if (head > 4 && p[0] == '\t' && p[1] != '\t' && strncmp(p + head - 2, " {", 2) == 0) {
			end = strstr(p + head, "\n\t}\n");
			if (!end)
				return -EINVAL;
			end += strlen("\n\t}\n");
			r = add(listing, p, head, (size_t)(end - p));
			if (r < 0)
				return r;
			p = end;
		} else {
			if (!listing->other && !(listing->other = strndup(p + strspn(p, "\t"), head - strspn(p, "\t"))))
				return -ENOMEM;
			p += head + (p[head] == '\n');
		}
	}
	return *p ? 0 : -EINVAL;
}

int listing_parse(const char *text, struct listing *ret) {
	_cleanup_listing_ struct listing listing = {0};
	const char *body = strchr(text, '\n');
	int r;

	if (!str_starts(text, "table ") || !body)
		return -EINVAL;
	r = parse(body + 1, &listing);
	if (r < 0)
		return r;
	*ret = listing;
	listing = (struct listing){0};
	return 0;
}

const struct listing_object *listing_find(const struct listing *listing, const char *kind, const char *name) {
	for (size_t i = 0; i < listing->count; i++)
		if (str_equal(listing->objects[i].kind, kind) && str_equal(listing->objects[i].name, name))
			return &listing->objects[i];
	return NULL;
}

char *listing_static(const struct listing *listing, bool sorted) {
	_cleanup_strlist_ struct strlist texts = {0};

	for (size_t i = 0; i < listing->count; i++)
		if (str_starts(listing->objects[i].name, RULESET_PREFIX) &&
		    strlist_add(&texts, listing->objects[i].text) < 0)
			return NULL;
	if (sorted)
		strlist_sort(&texts);
	return strlist_join(&texts, "");
}

enum pass { PASS_FLUSH, PASS_SETS, PASS_CHAINS, PASS_OTHERS, PASS_COUNT };

/* The order in which the kernel lets go: rules use sets and objects, elements of maps use chains and objects. */
static enum pass pass_of(const struct listing_object *object) {
	if (str_equal(object->kind, "chain"))
		return PASS_CHAINS;
	return str_equal(object->kind, "set") || str_equal(object->kind, "map") ? PASS_SETS : PASS_OTHERS;
}

static bool stays(const struct listing_object *object) {
	return str_equal(object->name, "static-input") || str_equal(object->name, "static-forward");
}

char *listing_replace(const struct listing *present, const char *objects) {
	_cleanup_strbuf_ struct strbuf out = {0};

	/* failures are kept in out.failed */
	for (enum pass pass = PASS_FLUSH; pass < PASS_COUNT; pass++)
		for (size_t i = 0; i < present->count; i++) {
			const struct listing_object *o = &present->objects[i];
			enum pass own = pass_of(o);

			if (!str_starts(o->name, RULESET_PREFIX))
				continue;
			if (pass == PASS_FLUSH && own == PASS_CHAINS)
				(void)strbuf_addf(&out, "flush chain inet %s %s\n", RULESET_TABLE, o->name);
			else if (pass == own && !(own == PASS_CHAINS && stays(o)))
				(void)strbuf_addf(&out, "delete %s inet %s %s\n", o->kind, RULESET_TABLE, o->name);
		}
	(void)strbuf_addf(&out, "table inet %s {\n%s}\n", RULESET_TABLE, objects);
	return strbuf_steal(&out);
}
