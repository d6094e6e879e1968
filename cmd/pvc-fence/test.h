/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test: would fencing this node work? Asks all its levels for the power and switches nothing. */
#pragma once

#include "config/config.h"

/* Prints a line a level. EXIT_OK: all of them answer, and fit what the node says of itself; else an exit code. */
int fence_test(const struct config *config, const char *node);
