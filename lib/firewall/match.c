/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firewall/match.h"

#define TABLE_MAX (4u * 1024u * 1024u) /* cells; beyond that only heads and tails are compared */

static bool same(const struct rule_digest *a, const struct rule_digest *b) {
	return a && b && memcmp(a->words, b->words, sizeof(a->words)) == 0;
}

/* Lengths of the longest common sequences of what follows, then a walk along them. */
static int match_middle(const struct rule_digest *const wanted[], size_t n, const struct rule_digest *const actual[],
			size_t m, size_t offset, ssize_t kept[]) {
	_cleanup_free_ uint32_t *lengths = calloc((n + 1) * (m + 1), sizeof(*lengths));
	size_t width = m + 1, i = 0, k = 0;

	if (!lengths)
		return -ENOMEM;
	for (size_t a = n; a-- > 0;)
		for (size_t b = m; b-- > 0;) {
			uint32_t down = lengths[(a + 1) * width + b], right = lengths[a * width + b + 1];

			lengths[a * width + b] = same(wanted[a], actual[b]) ? lengths[(a + 1) * width + b + 1] + 1
						 : down > right             ? down
									    : right;
		}
	while (i < n && k < m)
		if (same(wanted[i], actual[k]))
			kept[i++] = (ssize_t)(offset + k++);
		else if (lengths[(i + 1) * width + k] >= lengths[i * width + k + 1])
			i++;
		else
			k++;
	return 0;
}

int rules_match(const struct rule_digest *const wanted[], size_t wanted_count, const struct rule_digest *const actual[],
		size_t actual_count, ssize_t kept[]) {
	size_t least = wanted_count < actual_count ? wanted_count : actual_count, head = 0, tail = 0, n, m;

	for (size_t i = 0; i < wanted_count; i++)
		kept[i] = -1;
	for (; head < least && same(wanted[head], actual[head]); head++)
		kept[head] = (ssize_t)head;
	for (; tail < least - head && same(wanted[wanted_count - 1 - tail], actual[actual_count - 1 - tail]); tail++)
		kept[wanted_count - 1 - tail] = (ssize_t)(actual_count - 1 - tail);
	n = wanted_count - head - tail;
	m = actual_count - head - tail;
	if (n == 0 || m == 0 || (n + 1) > TABLE_MAX / (m + 1))
		return 0;
	return match_middle(wanted + head, n, actual + head, m, head, kept + head);
}
