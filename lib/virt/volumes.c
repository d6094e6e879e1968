/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The RBD volumes of a domain's definition. */
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "virt/virt.h"

static const xmlNode *child(const xmlNode *parent, const char *name, const xmlNode *after) {
	for (const xmlNode *n = after ? after->next : parent->children; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0)
			return n;
	return NULL;
}

/* POOL/VOLUME of a disk; other disks and other spellings give none. */
static int disk_volume(const xmlNode *disk, struct strlist *ret) {
	const xmlNode *source = child(disk, "source", NULL);
	xmlChar *protocol = source ? xmlGetProp(source, (const xmlChar *)"protocol") : NULL;
	xmlChar *name = source ? xmlGetProp(source, (const xmlChar *)"name") : NULL;
	const char *slash = name ? strchr((const char *)name, '/') : NULL;
	int r = 0;

	if (protocol && slash && slash != (const char *)name && slash[1] && !strchr(slash + 1, '/') &&
	    strcmp((const char *)protocol, "rbd") == 0 && !strlist_contains(ret, (const char *)name))
		r = strlist_add(ret, (const char *)name);
	xmlFree(protocol);
	xmlFree(name);
	return r;
}

int virt_xml_volumes(const char *xml, size_t length, struct strlist *ret) {
	const xmlNode *root, *devices;
	xmlDoc *document;
	int r = 0;

	if (length > VIRT_XML_MAX)
		return -EINVAL;
	document = xmlReadMemory(xml, (int)length, NULL, NULL,
				 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT);
	root = document && !document->intSubset ? xmlDocGetRootElement(document) : NULL;
	if (!root) {
		xmlFreeDoc(document);
		return -EINVAL;
	}
	devices = child(root, "devices", NULL);
	for (const xmlNode *disk = devices ? child(devices, "disk", NULL) : NULL; disk && r == 0;
	     disk = child(devices, "disk", disk))
		r = disk_volume(disk, ret);
	xmlFreeDoc(document);
	return r;
}
