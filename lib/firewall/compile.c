/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many texts are tried in one run of nft: each stands on a line of its own (rule_text_lint() sees to that it cannot
 * leave it), so nft's words name the bad ones, and the rest is tried again. What cannot be blamed on one is tried in
 * halves.
 */
#include "firewall/compile.h"

#include "firewall/harvest.h"
#include "firewall/nft.h"
#include "firewall/rule_text.h"

#define RUN_RULES     256 /* texts in one run of nft */
#define PROBLEM_BYTES 300 /* of nft's words */

/* Lines of the input: two of the table, then three for each text, whose last is the rule. */
#define HEAD_LINES 2
#define TEXT_LINES 3
#define RULE_LINE  "add rule inet " HARVEST_TABLE " " HARVEST_PREFIX "%zu counter "

static char *commands(struct rule_source *const sources[], size_t count) {
	_cleanup_strbuf_ struct strbuf out = {0};

	/* failures are kept in out.failed; reachable from a chain like the host's, for what the kernel checks of hooks
	 */
	(void)strbuf_puts(&out, "add table inet " HARVEST_TABLE "\nadd chain inet " HARVEST_TABLE " " HARVEST_BASE
				" { type filter hook forward priority 0; }\n");
	for (size_t i = 0; i < count; i++) {
		(void)strbuf_addf(&out, "add chain inet " HARVEST_TABLE " " HARVEST_PREFIX "%zu\n", i);
		(void)strbuf_addf(&out, "add rule inet " HARVEST_TABLE " " HARVEST_BASE " jump " HARVEST_PREFIX "%zu\n",
				  i);
		(void)strbuf_addf(&out, RULE_LINE "%s\n", i, sources[i]->text);
	}
	return strbuf_steal(&out);
}

/* nft's columns count from 1 over the whole line; the part of the text that they mean. */
static char *part_of(const char *text, size_t index, unsigned long first, unsigned long last) {
	char head[128];
	size_t before = (size_t)snprintf(head, sizeof(head), RULE_LINE, index), length = strlen(text);

	if (first <= before || last < first || first - before > length)
		return NULL;
	first -= before + 1;
	last = last - before < length ? last - before : length;
	return strndup(text + first, last - first);
}

/* "/dev/stdin:LINE:FIRST-LAST: Error: WORDS" is the problem of the text on that line. */
static bool blame_line(const char *line, struct rule_source *const sources[], size_t count) {
	_cleanup_free_ char *words = NULL, *part = NULL, *all = NULL;
	unsigned long number, first, last;
	const char *error = strstr(line, "Error: ");
	size_t index;

	if (!error || sscanf(line, "/dev/stdin:%lu:%lu-%lu:", &number, &first, &last) != 3 || number <= HEAD_LINES ||
	    (number - HEAD_LINES - 1) % TEXT_LINES != TEXT_LINES - 1)
		return false;
	index = (number - HEAD_LINES - 1) / TEXT_LINES;
	if (index >= count || sources[index]->problem)
		return false;
	words = strndup(error + strlen("Error: "), strcspn(error, "\n") - strlen("Error: "));
	part = part_of(sources[index]->text, index, first, last);
	all =
	    words ? str_printf("nft: %s%s%s%s", words, part ? ", at '" : "", part ? part : "", part ? "'" : "") : NULL;
	sources[index]->problem = all ? str_printable(all, PROBLEM_BYTES) : NULL;
	return sources[index]->problem != NULL;
}

/* Of what the kernel refuses the first line alone is meant for sure: once it has found a rule that its hook does not
 * allow, it refuses all that come after. */
static size_t blame(const char *words, struct rule_source *const sources[], size_t count) {
	static const char of_kernel[] = "Error: Could not process rule";
	bool kernel_spoke = false;
	size_t blamed = 0;

	for (const char *line = words; line && *line;) {
		const char *spoken = strstr(line, of_kernel);
		bool by_kernel = spoken && spoken < line + strcspn(line, "\n");

		if (str_starts(line, "/dev/stdin:") && !(by_kernel && kernel_spoke))
			blamed += blame_line(line, sources, count);
		kernel_spoke = kernel_spoke || by_kernel;
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return blamed;
}

/* One run in a new namespace: 0; -EIO: refused, *ret_words says by nft or by harvest(); other errors end it all. */
static int attempt(struct rule_source *const sources[], size_t count, char **ret_words) {
	_cleanup_free_ char *input = commands(sources, count);
	int r;

	if (!input)
		return -ENOMEM;
	r = nft_namespace_new(ret_words);
	if (r >= 0)
		r = nft_try(input, ret_words);
	return r < 0 ? r : harvest(sources, count, ret_words);
}

static int try_rules(struct rule_source *sources[], size_t count, char **ret_error) {
	while (count > 0) {
		_cleanup_free_ char *words = NULL;
		size_t left = 0;
		int r = attempt(sources, count, &words);

		if (r >= 0)
			return 0;
		if (r != -EIO && r != -ETIMEDOUT)
			return error_set(ret_error, r, "%s", words ? words : strerror(-r));
		if (blame(words, sources, count) > 0) {
			for (size_t i = 0; i < count; i++)
				if (!sources[i]->problem)
					sources[left++] = sources[i];
			count = left;
			continue;
		}
		if (count == 1) {
			sources[0]->problem = str_printable(words ? words : "nft refuses it", PROBLEM_BYTES);
			return sources[0]->problem ? 0 : -ENOMEM;
		}
		r = try_rules(sources, count / 2, ret_error);
		return r < 0 ? r : try_rules(sources + count / 2, count - count / 2, ret_error);
	}
	return 0;
}

int compile_rules(struct rule_source *sources, size_t count, char **ret_error) {
	_cleanup_free_ struct rule_source **open = calloc(count + 1, sizeof(struct rule_source *));
	_cleanup_close_ int home = -1;
	size_t left = 0;
	int r = 0;

	if (!open)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		sources[i].problem = rule_text_lint(sources[i].text);
		if (!sources[i].problem)
			open[left++] = &sources[i];
	}
	if (left == 0)
		return 0;
	home = nft_namespace_home(ret_error);
	if (home < 0)
		return home;
	for (size_t from = 0; from < left && r >= 0; from += RUN_RULES)
		r = try_rules(open + from, left - from < RUN_RULES ? left - from : RUN_RULES, ret_error);
	nft_namespace_leave(home);
	return r;
}
