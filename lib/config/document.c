/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * YAML text -> a flat list of entries with their lines. Everything foreign ends here: what leaves this file is bounded
 * in number and depth, has no aliases, no tags of other languages, no key twice, and no control characters in texts.
 */
#include <yaml.h>

#include "config/internal.h"

struct reader {
	yaml_document_t yaml;
	struct document *document;
	struct problems *problems;
	bool *seen; /* by node number: an alias leads to the same node again */
	bool full;
};

void document_free(struct document *document) {
	for (size_t i = 0; i < document->count; i++) {
		free(document->entries[i].path);
		free(document->entries[i].text);
	}
	free(document->entries);
	*document = (struct document){0};
}

struct entry *document_find(const struct document *document, const char *path) {
	for (size_t i = 0; i < document->count; i++)
		if (strcmp(document->entries[i].path, path) == 0)
			return &document->entries[i];
	return NULL;
}

bool entry_is_null(const struct entry *entry) {
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; entry->kind == ENTRY_SCALAR && entry->plain && i < ARRAY_SIZE(words); i++)
		if (strcmp(entry->text, words[i]) == 0)
			return true;
	return false;
}

static unsigned line_of(const yaml_node_t *node) {
	return (unsigned)node->start_mark.line + 1;
}

static bool tag_is_foreign(const yaml_node_t *node) {
	static const char *const known[] = {YAML_STR_TAG,  YAML_BOOL_TAG, YAML_INT_TAG,
					    YAML_NULL_TAG, YAML_SEQ_TAG,  YAML_MAP_TAG};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp((const char *)node->tag, known[i]) == 0)
			return false;
	return true;
}

/* Takes the path over, also on failure. */
static struct entry *add_entry(struct reader *reader, const yaml_node_t *node, char *path) {
	struct document *document = reader->document;
	struct entry *entries = NULL;

	if (path)
		entries = reallocarray(document->entries, document->count + 1, sizeof(*entries));
	if (!entries) {
		free(path);
		reader->problems->failed = true;
		return NULL;
	}
	document->entries = entries;
	entries[document->count] = (struct entry){.path = path, .line = line_of(node)};
	return &entries[document->count++];
}

static bool has_control_characters(const char *text, size_t length) {
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

static bool is_key_name(const yaml_node_t *node) {
	const char *text = (const char *)node->data.scalar.value;
	size_t length = node->data.scalar.length;

	return length > 0 && length <= 64 && !has_control_characters(text, length) && !strpbrk(text, ".# ");
}

static char *join(const char *parent, const char *name) {
	return *parent ? str_printf("%s.%s", parent, name) : strdup(name);
}

/* A password without quotes such as {x y} is a mapping for YAML: what is in it must not be told as keys. */
static bool ends_in_password(const char *path) {
	size_t length = strlen(path);

	return length >= 5 && strcmp(path + length - 5, ".pass") == 0;
}

static void walk(struct reader *reader, int number, char *path, int depth);

static void walk_mapping(struct reader *reader, const yaml_node_t *node, const char *parent, int depth) {
	const yaml_node_pair_t *pair;

	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top && !reader->full; pair++) {
		const yaml_node_t *name = yaml_document_get_node(&reader->yaml, pair->key);
		_cleanup_free_ char *path = NULL, *shown = NULL;
		const struct entry *twin;

		if (name->type != YAML_SCALAR_NODE) {
			problem_add(reader->problems, line_of(name), *parent ? parent : NULL,
				    "expected a name before the colon, found a list or a mapping");
			continue;
		}
		path = join(parent, (const char *)name->data.scalar.value);
		shown = path ? str_printable(path, 120) : NULL;
		if (!shown) {
			reader->problems->failed = true;
			return;
		}
		if (!is_key_name(name)) {
			problem_add(reader->problems, line_of(name), shown, "unknown key");
			continue;
		}
		twin = document_find(reader->document, path);
		if (twin) {
			problem_add(reader->problems, line_of(name), shown,
				    "expected once, found again (first on line %u): remove one of them", twin->line);
			continue;
		}
		walk(reader, pair->value, move_ptr(path), depth + 1);
	}
}

static void walk_list(struct reader *reader, const yaml_node_t *node, const char *parent, int depth) {
	const yaml_node_item_t *item;
	size_t n = 0;

	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top && !reader->full; item++)
		walk(reader, *item, str_printf("%s.#%zu", parent, n++), depth + 1);
}

static void walk_scalar(struct reader *reader, const yaml_node_t *node, struct entry *entry) {
	const char *text = (const char *)node->data.scalar.value;

	if (has_control_characters(text, node->data.scalar.length))
		problem_add(reader->problems, entry->line, entry->path,
			    "expected one line of text, found control characters (a line break, a tab...) in it");
	entry->text = strdup(text);
	if (!entry->text)
		reader->problems->failed = true;
	entry->plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Takes the path over. */
static void walk(struct reader *reader, int number, char *path, int depth) {
	const yaml_node_t *node = yaml_document_get_node(&reader->yaml, number);
	const char *where = path ? path : "";
	struct entry *entry;

	if (reader->document->count >= CONFIG_ENTRIES_MAX || depth > CONFIG_DEPTH_MAX) {
		problem_add(reader->problems, line_of(node), NULL,
			    "expected at most %u keys in %d levels, found more: is this pvcd.yaml?", CONFIG_ENTRIES_MAX,
			    CONFIG_DEPTH_MAX);
		reader->full = true;
		free(path);
		return;
	}
	if (reader->seen[number]) {
		problem_add(reader->problems, line_of(node), where,
			    "expected a value, found a YAML alias (*name) to this line: write the value out");
		free(path);
		return;
	}
	reader->seen[number] = true;
	if (tag_is_foreign(node))
		problem_add(reader->problems, line_of(node), where, "expected a plain value, found a YAML tag (!...)");
	entry = add_entry(reader, node, path);
	if (!entry)
		return;
	path = entry->path; /* the entry itself may move when others are added */
	if (node->type != YAML_SCALAR_NODE && ends_in_password(path)) {
		entry->kind = node->type == YAML_MAPPING_NODE ? ENTRY_MAPPING : ENTRY_LIST;
		return;
	}
	switch (node->type) {
	case YAML_MAPPING_NODE:
		entry->kind = ENTRY_MAPPING;
		walk_mapping(reader, node, path, depth);
		break;
	case YAML_SEQUENCE_NODE:
		entry->kind = ENTRY_LIST;
		entry->items = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
		walk_list(reader, node, path, depth);
		break;
	default:
		entry->kind = ENTRY_SCALAR;
		walk_scalar(reader, node, entry);
	}
}

static void syntax_problem(struct problems *problems, const yaml_parser_t *parser) {
	const yaml_mark_t *mark = &parser->problem_mark;
	const char *problem = parser->problem ? parser->problem : "not YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		problems->failed = true;
	else if (parser->error == YAML_READER_ERROR)
		problem_add(problems, 0, NULL, "expected YAML text, found other bytes at offset %zu (%s)",
			    parser->problem_offset, problem);
	else
		problem_add(problems, (unsigned)mark->line + 1, NULL,
			    "expected YAML, found an error at column %zu: %s%s%s", mark->column + 1, problem,
			    parser->context ? ", " : "", parser->context ? parser->context : "");
}

/* The parser holds nothing, one, or more documents: exactly one is wanted. */
static void walk_document(yaml_parser_t *parser, struct reader *reader) {
	yaml_document_t next;
	const yaml_node_t *root;
	size_t nodes;

	if (!yaml_parser_load(parser, &reader->yaml)) {
		syntax_problem(reader->problems, parser);
		return;
	}
	root = yaml_document_get_root_node(&reader->yaml);
	if (!root) {
		problem_add(reader->problems, 0, NULL, "expected the mapping 'pvc', found an empty file");
		yaml_document_delete(&reader->yaml);
		return;
	}
	nodes = (size_t)(reader->yaml.nodes.top - reader->yaml.nodes.start);
	reader->seen = calloc(nodes + 1, sizeof(*reader->seen));
	if (reader->seen)
		walk(reader, 1, strdup(""), 0);
	else
		reader->problems->failed = true;
	free(reader->seen);
	yaml_document_delete(&reader->yaml);

	if (!yaml_parser_load(parser, &next)) {
		syntax_problem(reader->problems, parser);
		return;
	}
	root = yaml_document_get_root_node(&next);
	if (root)
		problem_add(reader->problems, line_of(root), NULL, "expected one YAML document, found a second one");
	yaml_document_delete(&next);
}

int document_parse(const char *text, size_t length, struct document *document, struct problems *problems) {
	struct reader reader = {.document = document, .problems = problems};
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	walk_document(&parser, &reader);
	yaml_parser_delete(&parser);
	return problems->failed ? -ENOMEM : 0;
}
