/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firewall/rule_text.h"

#include "firewall/network.h"

static bool is_word(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Words of nft that name something outside the rule, with the reason in the operator's terms. */
static const char *refused_word(const char *word, size_t length) {
	static const struct {
		const char *word, *why;
	} refused[] = {
	    {"jump", "a rule cannot lead to another chain: jump"},
	    {"goto", "a rule cannot lead to another chain: goto"},
	    {"include", "a rule cannot bring in a file: include"},
	    {"define", "a rule cannot define anything: define"},
	    {"redefine", "a rule cannot define anything: redefine"},
	    {"undefine", "a rule cannot define anything: undefine"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (strlen(refused[i].word) == length && strncmp(word, refused[i].word, length) == 0)
			return refused[i].why;
	return NULL;
}

/* One character outside of strings and words. NULL when it is fine. */
static const char *refused_character(char c, int *depth) {
	switch (c) {
	case ';':
		return "it is more than one statement: ';'";
	case '\\':
		return "a backslash is possible inside of strings alone";
	case '{':
		++*depth;
		return NULL;
	case '}':
		return --*depth < 0 ? "a '}' without its '{'" : NULL;
	default:
		return NULL;
	}
}

static const char *scan(const char *text) {
	int depth = 0;

	for (const char *p = text; *p && *p != '#';) { /* the rest of a line after # is a comment */
		size_t n = 1;
		const char *why = NULL;

		if (*p == '"') {
			n = strcspn(p + 1, "\"") + 1;
			if (p[n] != '"')
				return "a string that does not end";
			n++;
		} else if (is_word(*p)) {
			while (is_word(p[n]))
				n++;
			why = refused_word(p, n);
		} else {
			why = refused_character(*p, &depth);
		}
		if (why)
			return why;
		p += n;
	}
	return depth > 0 ? "a '{' without its '}'" : NULL;
}

char *rule_text_lint(const char *text) {
	size_t length = strlen(text);
	const char *why;

	if (length > NETWORK_RULE_BYTES)
		return str_printf("its text is longer than %d bytes", NETWORK_RULE_BYTES);
	if (text[strspn(text, " \t")] == '\0' || text[strspn(text, " \t")] == '#')
		return strdup("its text is empty");
	for (const char *p = text; *p; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return str_printf("%s at character %zu: a rule is one line of text",
					  *p == '\n' ? "a line end" : "a control character", (size_t)(p - text) + 1);
	why = scan(text);
	return why ? strdup(why) : NULL;
}

/* FNV-1a, 64 bits, from two starting points. */
struct rule_digest rule_text_digest(const char *text) {
	struct rule_digest digest = {{0xcbf29ce484222325u, 0x9ae16a3b2f90404fu}};

	for (; *text; text++)
		for (size_t i = 0; i < ARRAY_SIZE(digest.words); i++)
			digest.words[i] = (digest.words[i] ^ (uint8_t)*text) * 0x100000001b3u;
	return digest;
}
