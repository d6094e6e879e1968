/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rule texts become what the kernel makes of them, in a throw-away network namespace: nft(8) loads each into a chain of
 * its own there, and the outcome is read back as netlink attributes, which can be put into a message to the host's
 * kernel as they are. No text reaches the host.
 */
#pragma once

#include "base/base.h"

#define COMPILED_MAX 12000 /* bytes of a rule's expressions, or of the parts of a set that go into one message */

/* An anonymous set or map, as in `tcp dport { 22, 80 }`. Buffers hold netlink attributes one after the other. */
struct compiled_set {
	char *name;               /* that it had in the probe: what the expressions call it */
	struct strbuf attributes; /* of NFT_MSG_NEWSET but table, name and number */
	struct strbuf elements;   /* NFTA_LIST_ELEM, in ascending order */
};
struct compiled {
	struct strbuf expressions; /* NFTA_LIST_ELEM */
	struct strbuf userdata;    /* nft's: the comment */
	struct compiled_set *sets;
	size_t set_count;
};
void compiled_free(struct compiled *compiled);

struct rule_source {
	const char *text;
	struct compiled *compiled; /* after success, else NULL; owned by whoever takes it */
	char *problem;             /* why there is none: one line */
};

/* Compiles all. -errno when nothing can be said (no nft, no namespaces): *ret_error says why, and those that have
 * neither a result nor a problem are open. */
int compile_rules(struct rule_source *sources, size_t count, char **ret_error);
