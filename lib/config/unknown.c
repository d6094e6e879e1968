/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the file has and the table does not know, each with what was probably meant. */
#include <limits.h>

#include "config/internal.h"

/* Edit distance, of names up to 64 bytes; anything longer is far from everything. */
static unsigned distance(const char *a, const char *b) {
	unsigned row[65];
	size_t na = strlen(a), nb = strlen(b);

	if (na > 64 || nb > 64)
		return UINT_MAX;
	for (unsigned j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
			row[j] = change < row[j] ? change : row[j];
		}
	}
	return row[nb];
}

/* The known name in the same mapping that is nearest, or the place where that name belongs, or NULL. */
static char *suggestion(const char *path) {
	const char *name = strrchr(path, '.') ? strrchr(path, '.') + 1 : path;
	size_t parent = (size_t)(name - path);
	unsigned best = 4; /* more edits than 3 are another word */
	char *found = NULL;

	for (size_t i = 0; i < config_table_count; i++) {
		const char *known = config_table[i].path;
		_cleanup_free_ char *component = NULL;
		unsigned d;

		if (strncmp(known, path, parent) != 0)
			continue;
		component = strndup(known + parent, strcspn(known + parent, "."));
		d = component ? distance(component, name) : UINT_MAX;
		if (d < best && d * 2 < strlen(name) + 1) {
			best = d;
			free(found);
			found = move_ptr(component);
		}
	}
	for (size_t i = 0; !found && i < config_table_count; i++) {
		const char *dot = strrchr(config_table[i].path, '.');

		if (dot && strcmp(dot + 1, name) == 0)
			found = strdup(config_table[i].path);
	}
	return found;
}

static bool is_mapping_of_table(const char *path) {
	size_t length = strlen(path);

	for (size_t i = 0; i < config_table_count; i++) {
		const char *spellings[] = {config_table[i].path, config_other_spelling(config_table[i].path)};

		for (size_t j = 0; j < ARRAY_SIZE(spellings); j++)
			if (spellings[j] && strncmp(spellings[j], path, length) == 0 && spellings[j][length] == '.')
				return true;
	}
	return false;
}

static bool is_list_item(const char *path) {
	return strstr(path, ".#") != NULL;
}

void find_unknown_keys(const struct value_context *context) {
	const char *skip = NULL; /* below an unknown key everything is unknown: said once */

	for (size_t i = 0; i < context->document->count; i++) {
		const struct entry *entry = &context->document->entries[i];
		const char *path = str_starts(entry->path, "pvc.") ? entry->path + strlen("pvc.") : NULL;
		_cleanup_free_ char *nearest = NULL;

		if (!*entry->path || strcmp(entry->path, "pvc") == 0 || is_list_item(entry->path) || entry->used)
			continue;
		if (skip && str_starts(entry->path, skip) && entry->path[strlen(skip)] == '.')
			continue;
		if (path && is_mapping_of_table(path)) {
			if (entry->kind != ENTRY_MAPPING && !(entry_is_null(entry)))
				problem_add(context->problems, entry->line, path, "expected a mapping, found %s",
					    entry->kind == ENTRY_LIST ? "a list" : "a text");
			else if (entry->kind != ENTRY_MAPPING)
				problem_add(context->problems, entry->line, path,
					    "expected a mapping, found nothing: check the indentation below it");
			continue;
		}
		skip = entry->path;
		nearest = path ? suggestion(path) : NULL;
		if (path)
			problem_add(context->problems, entry->line, path, "unknown key%s%s%s",
				    nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
		else
			problem_add(context->problems, entry->line, entry->path,
				    "unknown key: everything belongs below 'pvc'");
	}
}
