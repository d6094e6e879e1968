/* SPDX-License-Identifier: GPL-3.0-or-later */
/* host's own: kernel settings below another directory than /proc/sys, for unit tests. */
#pragma once

#include "host/host.h"

#define HOST_SYSCTL_ROOT "/proc/sys"

int host_sysctl_read_below(const char *root, const char *key, char **ret);
int host_sysctl_write_below(const char *root, const char *key, const char *value);
