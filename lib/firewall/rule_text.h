/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of one rule as an operator writes it, before nft sees it. */
#pragma once

#include "base/base.h"

/* What can be said without nft: too long, control characters, more than one statement, strings and braces that do not
 * end, words that reach out of the rule. NULL when it stands on one line of nft's input and ends there, else what is
 * wrong; the caller frees. Pure. */
char *rule_text_lint(const char *text);

/* 128 bits that stand for a text: unequal digests, unequal texts. No safeguard against anybody. */
struct rule_digest {
	uint64_t words[2];
};
struct rule_digest rule_text_digest(const char *text);
