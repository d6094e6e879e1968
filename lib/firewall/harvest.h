/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What nft made of texts in a probe's namespace. */
#pragma once

#include "firewall/compile.h"

#define HARVEST_TABLE  "pvc"
#define HARVEST_BASE   "forward"
#define HARVEST_PREFIX "r" /* chains r0, r1...: one for each text */

/* Reads the rules of the calling thread's network namespace into sources[i]->compiled. -EIO when there is anything but
 * one table with exactly one rule in each chain, and what these rules alone use: *ret_words says what. */
int harvest(struct rule_source *const sources[], size_t count, char **ret_words);
