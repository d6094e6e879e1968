/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The identity of a domain in its XML definition, which comes from whoever may write to ZooKeeper. */
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "virt/virt.h"

bool virt_uuid_is_valid(const char *uuid) {
	if (!uuid || strlen(uuid) != VIRT_UUID_TEXT - 1)
		return false;
	for (int i = 0; i < VIRT_UUID_TEXT - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? uuid[i] != '-' : !strchr("0123456789abcdef", uuid[i]))
			return false;
	}
	return true;
}

bool virt_name_is_valid(const char *name) {
	_cleanup_free_ char *printable = name ? str_printable(name, 200) : NULL;

	return printable && *name && *name != '.' && !strchr(name, '/') && strcmp(printable, name) == 0;
}

/* Every spelling that libvirt reads as this uuid: any case, dashes anywhere, blanks around. */
static bool uuid_matches(const char *text, const char *uuid) {
	for (;;) {
		while (*text == '-' || *text == ' ' || *text == '\t' || *text == '\n' || *text == '\r')
			text++;
		while (*uuid == '-')
			uuid++;
		if (!*text || !*uuid)
			return !*text && !*uuid;
		if ((*text >= 'A' && *text <= 'F' ? *text + 'a' - 'A' : *text) != *uuid)
			return false;
		text++;
		uuid++;
	}
}

/* The text of the root's only child element of that name. */
static int only_child(const xmlNode *root, const char *element, xmlChar **ret, char **ret_error) {
	const xmlNode *found = NULL;

	for (const xmlNode *n = root->children; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, element) == 0) {
			if (found)
				return error_set(ret_error, -EINVAL, "the definition has more than one <%s>", element);
			found = n;
		}
	if (!found)
		return error_set(ret_error, -EINVAL, "the definition has no <%s>", element);
	*ret = xmlNodeGetContent(found);
	return *ret ? 0 : -ENOMEM;
}

static int check_child(const xmlNode *root, const char *element, const char *wanted, bool is_uuid, char **ret_error) {
	_cleanup_free_ char *printable = NULL;
	xmlChar *content = NULL;
	int r = only_child(root, element, &content, ret_error);

	if (r < 0)
		return r;
	if (is_uuid ? !uuid_matches((const char *)content, wanted) : strcmp((const char *)content, wanted) != 0) {
		printable = str_printable((const char *)content, 80);
		r = error_set(ret_error, -EINVAL, "the definition is of another VM: its %s is '%s', expected '%s'",
			      element, printable ? printable : "?", wanted);
	}
	xmlFree(content);
	return r;
}

static int check_document(const xmlDoc *doc, const char *uuid, const char *name, char **ret_error) {
	const xmlNode *root = xmlDocGetRootElement(doc);
	int r;

	if (doc->intSubset || doc->extSubset)
		return error_set(ret_error, -EINVAL, "the definition has a document type (DOCTYPE), which is refused");
	if (!root || strcmp((const char *)root->name, "domain") != 0) {
		_cleanup_free_ char *found = str_printable(root ? (const char *)root->name : "", 80);

		return error_set(ret_error, -EINVAL, "the definition is no libvirt domain but <%s>",
				 found ? found : "?");
	}
	r = check_child(root, "uuid", uuid, true, ret_error);
	return r < 0 ? r : check_child(root, "name", name, false, ret_error);
}

static int syntax_error(xmlParserCtxtPtr parser, char **ret_error) {
	const xmlError *error = xmlCtxtGetLastError(parser);
	_cleanup_free_ char *message = NULL;

	if (error && error->message) {
		size_t n = strcspn(error->message, "\n");
		_cleanup_free_ char *line = strndup(error->message, n);

		message = line ? str_printable(line, 200) : NULL;
	}
	return error_set(ret_error, -EINVAL, "the definition is no valid XML: line %d: %s", error ? error->line : 0,
			 message ? message : "unreadable");
}

int virt_xml_check(const char *xml, size_t length, const char *uuid, const char *name, char **ret_error) {
	xmlParserCtxtPtr parser;
	xmlDoc *doc;
	int r;

	if (length == 0)
		return error_set(ret_error, -EINVAL, "there is no definition (key xml is empty or missing)");
	if (length > VIRT_XML_MAX)
		return error_set(ret_error, -EINVAL, "the definition has %zu bytes, more than %u", length,
				 VIRT_XML_MAX);
	if (memchr(xml, '\0', length))
		return error_set(ret_error, -EINVAL, "the definition holds a NUL byte");
	parser = xmlNewParserCtxt();
	if (!parser)
		return -ENOMEM;
	/* no network, no entities replaced, libxml's own limits on depth and size */
	doc = xmlCtxtReadMemory(parser, xml, (int)length, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	r = doc ? check_document(doc, uuid, name, ret_error) : syntax_error(parser, ret_error);
	if (doc)
		xmlFreeDoc(doc);
	xmlFreeParserCtxt(parser);
	return r;
}
