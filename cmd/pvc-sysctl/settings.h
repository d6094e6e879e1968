/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-sysctl: what the kernel has to be told so that a node can route for its virtual machines.
 *
 * settings_plan() decides, without I/O of its own: it is given the links and a way to read values. Executing its list
 * in order gives the wanted state; when the list is empty the host is as configured.
 */
#pragma once

#include "base/base.h"
#include "config/config.h"

/* One link as the planner has to know it. */
struct settings_link {
	const char *name;
	bool router_advertised; /* its default route came by a router advertisement */
};

/* Value of a key as host_sysctl_read() gives it; -ENOENT for a key that this kernel does not have. */
typedef int (*settings_read_fn)(const char *key, char **ret, void *data);

struct setting {
	char *key;
	char *now;          /* value that the kernel has */
	uint64_t value;     /* wanted */
	const char *reason; /* static: "..., so that ..." */
};
struct settings {
	struct setting *items; /* what differs, in the order to write it */
	size_t count;
	struct strlist missing; /* keys that this kernel does not have */
};
void settings_free(struct settings *settings);
#define _cleanup_settings_ _cleanup_(settings_free)

/* 0, -ENOMEM, or what reading gave, with the key in *ret_error. */
int settings_plan(const struct config *config, const struct settings_link *links, size_t link_count,
		  settings_read_fn read_value, void *data, struct settings *ret, char **ret_error);
