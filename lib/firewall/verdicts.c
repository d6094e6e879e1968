/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What became of rule texts that were tried, so that none is tried twice. */
#include "firewall/network_internal.h"

#include <search.h>

static int by_digest(const void *a, const void *b) {
	return memcmp(((const struct verdict *)a)->digest.words, ((const struct verdict *)b)->digest.words,
		      sizeof(((const struct verdict *)a)->digest.words));
}

static void verdict_free(void *item) {
	struct verdict *verdict = item;

	if (!verdict)
		return;
	compiled_free(verdict->compiled);
	free(verdict->problem);
	free(verdict);
}

struct verdict *verdict_find(struct network_firewall *firewall, const struct rule_digest *digest) {
	const struct verdict key = {.digest = *digest};
	struct verdict **found = tfind(&key, &firewall->verdicts, by_digest);

	return found ? *found : NULL;
}

int verdict_add(struct network_firewall *firewall, const struct rule_digest *digest, struct compiled *compiled,
		char *problem) {
	struct verdict *verdict = malloc(sizeof(*verdict)), **slot = NULL;

	if (verdict) {
		*verdict = (struct verdict){*digest, compiled, problem};
		slot = tsearch(verdict, &firewall->verdicts, by_digest);
	}
	if (!slot) {
		free(verdict);
		compiled_free(compiled);
		free(problem);
		return -ENOMEM;
	}
	if (*slot != verdict)
		verdict_free(verdict);
	else
		firewall->verdict_count++;
	return 0;
}

void verdict_forget(struct network_firewall *firewall, const struct rule_digest *digest) {
	struct verdict *verdict = verdict_find(firewall, digest);

	if (!verdict)
		return;
	(void)tdelete(verdict, &firewall->verdicts, by_digest); /* its result is a pointer without a meaning here */
	firewall->verdict_count--;
	verdict_free(verdict);
}

void verdicts_clear(struct network_firewall *firewall) {
	tdestroy(firewall->verdicts, verdict_free);
	firewall->verdicts = NULL;
	firewall->verdict_count = 0;
}
