/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands, for what parses, documents and completes them. */
#pragma once

#include "pvcctl.h"

enum command_option {
	OPT_FORMAT = 1 << 0,
	OPT_WAIT = 1 << 1,
	OPT_DEFINE = 1 << 2,
	OPT_FILTER = 1 << 3,
	OPT_LOG = 1 << 4,
	OPT_YES = 1 << 5,
	OPT_NETWORK = 1 << 6,
	OPT_TYPE = 1 << 7,
	OPT_RENAME = 1 << 8,
	OPT_USED = 1 << 9,
	OPT_ORDER = 1 << 10,
	OPT_HOSTNAME = 1 << 11,
	OPT_UNMOVABLE = 1 << 12,
	OPT_TARGET = 1 << 13,
	OPT_FORCE = 1 << 14,
	OPT_LIVE = 1 << 15,
	OPT_CERTAIN = 1 << 16,
	OPT_WEIGHT = 1 << 17,
	OPT_COPIES = 1 << 18,
	OPT_DATA = 1 << 19,
	OPT_FENCE = 1 << 20,
};
#define OPTIONS_MAX 48

extern const struct command commands[];
extern const size_t command_count;
size_t command_options(const struct command *command, struct options *o, struct cli_option out[OPTIONS_MAX]);
