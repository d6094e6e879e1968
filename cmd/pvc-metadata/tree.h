/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tree that guests read, as paths and texts. Pure.
 *
 *   /                                    the versions, one a line
 *   /VERSION/                            meta-data, user-data
 *   /VERSION/meta-data/                  the names below, those that this guest has
 *   /VERSION/meta-data/{hostname,instance-id,local-hostname,local-ipv4,mac,name,profile}
 *   /VERSION/user-data
 *   /latest/api/token                    PUT only: a token for the session (EC2's IMDSv2)
 *
 * instance-id, name, profile and user-data are the reference's; the others are what EC2's guests look for. Any version
 * is the same tree: `latest`, `1.0` and whatever looks like a date, as the reference takes any word. The slash at the
 * end of a directory may be missing, several count as one. Nothing is unescaped: no name of ours needs it.
 */
#pragma once

#include "base/base.h"

#define TREE_PATH_MAX 256 /* bytes; the longest path of ours has some 40 */

enum tree_kind {
	TREE_NOTHING,   /* there is no such path */
	TREE_VERSIONS,  /* / */
	TREE_VERSION,   /* /VERSION/ */
	TREE_META_DATA, /* /VERSION/meta-data/ */
	TREE_LEAF,      /* /VERSION/meta-data/NAME */
	TREE_USER_DATA,
	TREE_TOKEN,
};
struct tree_path {
	enum tree_kind kind;
	size_t leaf; /* TREE_LEAF: which */
};
struct tree_path tree_parse(const char *path);

/* What is known of a guest; texts that it does not have are NULL. */
struct tree_guest {
	const char *uuid, *name, *profile;
	const char *domain; /* of its network */
	const char *address, *mac;
};
/* The body for any kind up to TREE_LEAF. -ENOENT: this guest has no such leaf. -ENOMEM. */
int tree_text(const struct tree_path *path, const struct tree_guest *guest, char **ret);

/* A name as a host's name: what no host's name may hold becomes '-'; with the domain, when that is one. NULL when
 * nothing is left of it, or without memory. */
char *tree_hostname(const char *name, const char *domain);

/* May a request with this method be answered at such a path? NULL: yes; else the methods that may ("Allow"). */
const char *tree_allows(enum tree_kind kind, const char *method);
