/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of lib/config share: the YAML text as a flat list of entries (document.c), the problems found
 * (problems.c), the table (table.c), the readers of single values (value.c) and the rules between keys (rules.c).
 */
#pragma once

#include "config/config.h"

#define CONFIG_SIZE_MAX     (1024u * 1024u) /* bytes; a real file has about 5 KiB */
#define CONFIG_ENTRIES_MAX  1000u           /* keys and list items of one file */
#define CONFIG_DEPTH_MAX    16              /* levels; the table needs 6 */
#define CONFIG_PROBLEMS_MAX 40              /* told at once; what is over is counted */

/* ---- problems.c ---- */

struct problem {
	unsigned line;
	char *text;
};
struct problems {
	const char *file;
	struct problem *items;
	size_t count, dropped;
	bool failed; /* no memory for one of them */
};
void problems_free(struct problems *problems);
/* Line 0 is for what belongs to no line. `key` may be NULL. */
void problem_add(struct problems *problems, unsigned line, const char *key, const char *format, ...) _printf_(4, 5);
/* All of them in the order of their lines, one a line, "FILE:LINE: KEY: text"; NULL without memory. */
char *problems_text(struct problems *problems);

/* ---- document.c ---- */

enum entry_kind { ENTRY_SCALAR, ENTRY_LIST, ENTRY_MAPPING };
struct entry {
	char *path; /* keys joined with '.', "" for the whole file; items of a list: "list.#0" */
	unsigned line;
	enum entry_kind kind;
	char *text;   /* ENTRY_SCALAR, else NULL */
	bool plain;   /* without quotes: may be a boolean or null */
	size_t items; /* ENTRY_LIST */
	bool used;    /* the table knows it */
};
struct document {
	struct entry *entries;
	size_t count;
};
void document_free(struct document *document);
/* Reads YAML into entries. Syntax, duplicate keys, aliases and foreign tags become problems. -ENOMEM only. */
int document_parse(const char *text, size_t length, struct document *document, struct problems *problems);
struct entry *document_find(const struct document *document, const char *path);
bool entry_is_null(const struct entry *entry); /* YAML's own null: nothing, ~ or null, not quoted */

/* ---- table.c ---- */

enum value_kind {
	VALUE_BOOL,
	VALUE_INTEGER, /* min..max */
	VALUE_TEXT,    /* not empty */
	VALUE_USER,    /* may be empty */
	VALUE_SECRET,  /* may be empty; never shown */
	VALUE_NODE,    /* must be this host's short name */
	VALUE_SERVERS, /* list of host[:port] */
	VALUE_DOMAIN,  /* optional: may be None */
	VALUE_NETWORK, /* CIDR without host bits */
	VALUE_HOST_CIDR,
	VALUE_GATEWAY, /* address or None */
	VALUE_DEVICE,
	VALUE_ADDRESS, /* by-id, CIDR or None */
	VALUE_PATH,
	VALUE_DEVICE_FILE, /* absolute path, or none */
	VALUE_ACTION,
	VALUE_TRANSPORT,
	VALUE_SELECTOR,
	VALUE_SSLMODE,
	VALUE_RANGES, /* list of addresses and networks */
	VALUE_AGENTS, /* list of fencing agents with their options */
	VALUE_COUNT
};
struct key {
	const char *path;
	enum value_kind kind;
	const char *unit, *fallback, *needs;
	size_t offset; /* of the target in struct config, or of the struct config_network for VALUE_ADDRESS */
	uint64_t min, max;
	bool optional; /* VALUE_DOMAIN: None is allowed */
	const char *meaning;
};
extern const struct key config_table[];
extern const size_t config_table_count;
/* The other spelling of a key (that of the reference's documentation), or NULL. */
const char *config_other_spelling(const char *path);
const char *value_kind_name(enum value_kind kind);

/* ---- value.c ---- */

struct value_context {
	struct config *config;
	const struct document *document;
	struct problems *problems;
};
/* Reads the entry into the key's target; what is wrong becomes a problem. -ENOMEM only. */
int value_read(const struct value_context *context, const struct key *key, const struct entry *entry);

/* agents.c: one of value_read()'s readers */
int read_agents(const struct value_context *context, const struct key *key, const struct entry *entry, void *target);

/* ---- rules.c ---- */

/* Checks what lies between keys and resolves by-id addresses; only called when every single value is right. */
int rules_apply(const struct value_context *context);

/* ---- unknown.c ---- */

/* After the table was read: every entry that was not used becomes a problem. */
void find_unknown_keys(const struct value_context *context);

/* ---- load.c ---- */

/* All of config_load_as() but reading the file: no I/O. */
int config_parse(const char *file, const char *text, size_t length, const char *fqdn, struct config **ret,
		 char **ret_error);
