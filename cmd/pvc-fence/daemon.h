/* SPDX-License-Identifier: GPL-3.0-or-later */
/* daemon: judges the other nodes, fences and recovers those that are dead. */
#pragma once

#include "config/config.h"

/* Until a signal; returns the exit code. The log is open. */
int fence_daemon_run(const struct config *config);
