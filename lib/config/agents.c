/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of fencing agents, each a mapping: {agent: NAME, options: {KEY: VALUE...}}. No value is ever shown: it may
 * be a password. */
#include "config/internal.h"

static void wrong(const struct value_context *context, const struct key *key, const struct entry *entry,
		  const char *expected) {
	problem_add(context->problems, entry->line, key->path, "expected %s", expected);
}

/* What lies below a path; the rest of the entry's path in *ret_name when it does, and is one name. */
static bool is_child(const struct entry *entry, const char *parent, const char **ret_name) {
	size_t length = strlen(parent);

	if (strncmp(entry->path, parent, length) != 0 || entry->path[length] != '.')
		return false;
	*ret_name = entry->path + length + 1;
	return !strchr(*ret_name, '.');
}

static int read_options(const struct value_context *context, const struct key *key, const char *item,
			struct fence_agents *agents) {
	_cleanup_free_ char *parent = str_printf("%s.options", item);
	const char *expected = NULL, *name;
	int r = parent ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < context->document->count; i++) {
		const struct entry *entry = &context->document->entries[i];

		if (!is_child(entry, parent, &name))
			continue;
		expected = "a text or a number as the value of an option";
		r = entry->kind == ENTRY_SCALAR && !entry_is_null(entry)
			? fence_agents_option(agents, name, entry->text, &expected)
			: -EINVAL;
		if (r == -EINVAL) {
			wrong(context, key, entry, expected);
			r = 0;
		}
	}
	return r;
}

/* The item's own names: `agent` and `options`, nothing else. */
static void check_names(const struct value_context *context, const struct key *key, const char *item) {
	const char *name;

	for (size_t i = 0; i < context->document->count; i++) {
		const struct entry *entry = &context->document->entries[i];

		if (is_child(entry, item, &name) && !str_equal(name, "agent") &&
		    !(str_equal(name, "options") && entry->kind == ENTRY_MAPPING))
			wrong(context, key, entry, "{agent: NAME, options: {KEY: VALUE...}} for each agent");
	}
}

int read_agents(const struct value_context *context, const struct key *key, const struct entry *entry, void *target) {
	struct fence_agents *agents = target;
	int r = 0;

	if (entry_is_null(entry))
		return 0;
	if (entry->kind != ENTRY_LIST) {
		wrong(context, key, entry, "a list of agents, as in [{agent: ipmitool}]");
		return 0;
	}
	for (size_t i = 0; r >= 0 && i < entry->items; i++) {
		_cleanup_free_ char *item = str_printf("pvc.%s.#%zu", key->path, i);
		_cleanup_free_ char *path = item ? str_printf("%s.agent", item) : NULL;
		const struct entry *name = path ? document_find(context->document, path) : NULL;
		const char *expected = "a name in `agent` for each agent";

		if (!path)
			return -ENOMEM;
		check_names(context, key, item);
		r = name && name->kind == ENTRY_SCALAR ? fence_agents_add(agents, name->text, &expected) : -EINVAL;
		if (r >= 0)
			r = read_options(context, key, item, agents);
		if (r == -EINVAL) {
			wrong(context, key, name ? name : entry, expected);
			r = 0;
		}
	}
	return r;
}
