/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The node's table `inet pvc` and who owns what in it:
 *
 *   input, forward                      base chains, this program's: they jump to the chains below and accept the rest
 *   static-input, static-forward        the operator's snippets; so does every other object named static-...
 *   networks-input, networks-forward    the client networks' rules; made here, filled by the program that owns them
 *
 * Snippets come first, so an `accept` in one of them is final also for traffic of client networks, as it was in the
 * reference's one chain.
 *
 * Snippets are run by nft(8) in a throw-away network namespace (probe.c), never on the host. What the host gets is
 * nft's own listing of the objects named static-... that came out of it: by construction nothing in a snippet can touch
 * another table or chain of the host.
 */
#pragma once

#include "base/base.h"
#include "firewall/firewall.h"
#include "firewall/nft.h"

#define RULESET_TABLE   "pvc"
#define RULESET_PREFIX  "static-"
#define RULESET_DIGEST  "static-digest" /* a counter whose comment tells of which snippets the static part is made */
#define SNIPPET_BYTES   (1024u * 1024u)
#define SNIPPET_FILES   256u /* of one directory */
#define SNIPPET_DEFAULT "/etc/pvc/nft.d"

/* ---- base.c ---- */

/* What the base ruleset wants; NULL without memory. */
struct firewall_table *ruleset_base(void);

/* ---- snippet.c ---- */

struct snippet {
	char *path;
	char *name;    /* within its directory: what they are sorted by */
	char *content; /* NULL when it could not be read */
	char *problem; /* why it is left out, or NULL */
};
struct snippets {
	struct snippet *items;
	size_t count;
};
void snippets_free(struct snippets *snippets);
#define _cleanup_snippets_ _cleanup_(snippets_free)
/* Reads the files of a directory: all whose names do not begin with a dot, or end in `suffix` when that is not NULL. A
 * directory that is missing has none. A file (or the directory) that is unsafe or too big stands in the list with its
 * problem. -errno when nothing can be said at all. */
int snippets_read(struct snippets *snippets, const char *directory, const char *suffix);
/* By name; the same name twice: the order in which they were read. */
void snippets_sort(struct snippets *snippets);
void snippet_reject(struct snippet *snippet, const char *format, ...) _printf_(2, 3); /* keeps the first problem */
size_t snippets_rejected(const struct snippets *snippets);
/* What nft's own parser must not see: `include` (other files), strings over line ends (they would make listings
 * ambiguous). NULL when fine, else what and where; the caller frees. Pure. */
char *snippet_lint(const char *content);

/* ---- listing.c: what `nft list table` prints. Pure. ---- */

struct listing_object {
	char *kind; /* as in "delete KIND ...": "chain", "set", "ct helper"... */
	char *name;
	char *text; /* its block, with the newline at the end */
};
struct listing {
	struct listing_object *objects;
	size_t count;
	char *other; /* the first line that belongs to no object ("flags dormant"), or NULL */
};
void listing_free(struct listing *listing);
#define _cleanup_listing_ _cleanup_(listing_free)
/* Cuts a table's listing into its objects. -EINVAL when it is no such text. */
int listing_parse(const char *text, struct listing *ret);
const struct listing_object *listing_find(const struct listing *listing, const char *kind, const char *name);
/* The text of all objects named static-..., sorted when `sorted` (for comparing), else in order (for loading). */
char *listing_static(const struct listing *listing, bool sorted);
/* The commands that empty the static part of a table as listed and load `objects` instead: one transaction. The
 * caller frees; NULL without memory. */
char *listing_replace(const struct listing *present, const char *objects);

/* ---- nft.c ---- */

int nft_tables(char **ret, char **ret_error); /* "table FAMILY NAME" lines; the caller frees */
/* The objects of our table. `terse` leaves out the elements of sets. */
int nft_listing(bool terse, struct listing *ret, char **ret_error);

/* ---- probe.c ---- */

struct probe_result {
	char *objects; /* full text of the static objects, for loading */
	char *terse;   /* the same without set elements, sorted, for comparing */
	char *digest;  /* of objects, or NULL when there is nothing but the two empty chains */
};
void probe_result_free(struct probe_result *result);
#define _cleanup_probe_ _cleanup_(probe_result_free)
/* Tries the snippets in a throw-away network namespace, one after the other; those that fail get a problem and leave no
 * trace. -errno when there is no namespace or no nft: then nothing is known about them, and *ret_error says why. */
int probe_snippets(struct snippets *snippets, struct probe_result *ret, char **ret_error);

/* ---- overlay.c: the static part on the host ---- */

/* 1 when the host's static part is as wanted, 0 when it differs, -errno. */
int overlay_matches(const struct probe_result *wanted, char **ret_error);
/* Replaces it in one transaction. */
int overlay_load(const struct probe_result *wanted, char **ret_error);
