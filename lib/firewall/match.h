/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which rules of a chain can stay. Pure. */
#pragma once

#include "firewall/rule_text.h"

struct rule_digest;
/* The longest sequence of equal digests in both lists, so that as many rules as possible keep their counters:
 * kept[i] is the index in `actual` of wanted[i], or -1. NULL in `actual`: a rule without a digest, none of ours.
 * -ENOMEM. */
int rules_match(const struct rule_digest *const wanted[], size_t wanted_count, const struct rule_digest *const actual[],
		size_t actual_count, ssize_t kept[]);
