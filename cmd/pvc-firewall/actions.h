/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What pvc-firewall does, each action with the exit code of the program as its result. They log what they do. */
#pragma once

#include "config/config.h"
#include "ruleset.h"

struct places {
	const struct config *config;
	const char *persistent; /* directory of *.nft files that survives a reboot */
};

int action_apply(const struct places *places);
int action_check(const struct places *places);   /* differences to standard output, one a line */
int action_dry_run(const struct places *places); /* the wanted table as nft commands to standard output */
int action_undo(bool dry_run);
