/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "domain/domain.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

static void devices_free(struct domain_xml_device *devices, size_t count) {
	for (size_t i = 0; i < count; i++) {
		free(devices[i].kind);
		free(devices[i].name);
		free(devices[i].detail);
		free(devices[i].model);
	}
	free(devices);
}

void domain_xml_free(struct domain_xml *x) {
	free(x->uuid);
	free(x->name);
	free(x->description);
	free(x->topology);
	free(x->type);
	free(x->arch);
	free(x->machine);
	free(x->emulator);
	free(x->console);
	strlist_free(&x->features);
	devices_free(x->disks, x->disk_count);
	devices_free(x->interfaces, x->interface_count);
	strlist_free(&x->problems);
	strlist_free(&x->warnings);
	*x = (struct domain_xml){.memory = -1, .vcpus = -1};
}

/* ---- the tree: first child of a name, own text, attributes ---------------------------------------------------- */

static const xmlNode *child(const xmlNode *node, const char *name) {
	for (const xmlNode *c = node ? node->children : NULL; c; c = c->next)
		if (c->type == XML_ELEMENT_NODE && !c->ns && strcmp((const char *)c->name, name) == 0)
			return c;
	return NULL;
}

/* The text right inside the element, as the reference's parser takes it: up to the first comment or element. */
static char *text_of(const xmlNode *node) {
	_cleanup_strbuf_ struct strbuf text = {0};

	if (!node)
		return NULL;
	for (const xmlNode *c = node->children; c && (c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE);
	     c = c->next)
		if (c->content)
			(void)strbuf_puts(&text, (const char *)c->content); /* kept in text.failed */
	return strbuf_steal(&text);
}

static char *attribute(const xmlNode *node, const char *name) {
	xmlChar *value = node ? xmlGetNoNsProp((xmlNode *)node, (const xmlChar *)name) : NULL;
	char *copy = value ? strdup((const char *)value) : NULL;

	xmlFree(value);
	return copy;
}

/* ---- the parts ------------------------------------------------------------------------------------------------ */

struct reading {
	struct domain_xml *x;
	int error; /* first failed allocation */
};

static _printf_(2, 3) void problem(struct reading *r, const char *format, ...) {
	va_list ap;
	char *text = NULL;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	n = strlist_take(&r->x->problems, n < 0 ? NULL : text);
	if (n < 0)
		r->error = n;
}

static char *want_text(struct reading *r, const xmlNode *parent, const char *name, const char *path) {
	char *text = text_of(child(parent, name));

	if (!text || !*text)
		problem(r, "<%s> is missing or empty", path);
	return text;
}

static char *want_attribute(struct reading *r, const xmlNode *node, const char *name, const char *what) {
	char *value = attribute(node, name);

	if (!value)
		problem(r, "%s has no attribute '%s'", what, name);
	return value;
}

static int64_t whole_number(const char *text) {
	uint64_t value;
	_cleanup_strlist_ struct strlist words = {0};

	if (!text || strlist_split(&words, text, " \t\r\n") < 0 || words.count != 1)
		return -1;
	return parse_u64(words.items[0], 0, INT64_MAX / 1024, &value) < 0 ? -1 : (int64_t)value;
}

static void read_memory(struct reading *r, const xmlNode *root) {
	static const struct {
		const char *unit;
		int64_t times, by;
	} units[] = {{"KiB", 1, 1024}, {"MiB", 1, 1}, {"GiB", 1024, 1}};
	_cleanup_free_ char *text = want_text(r, root, "memory", "memory");
	_cleanup_free_ char *unit = attribute(child(root, "memory"), "unit");
	int64_t value = whole_number(text);

	if (text && *text && value < 0)
		problem(r, "<memory> is no whole number");
	for (size_t i = 0; unit && i < ARRAY_SIZE(units); i++)
		if (str_equal(unit, units[i].unit)) {
			r->x->memory = value < 0 ? -1 : value * units[i].times / units[i].by;
			return;
		}
	if (text)
		problem(r, "<memory> has %s attribute 'unit': it must be KiB, MiB or GiB", unit ? "an unknown" : "no");
}

static void read_topology(struct reading *r, const xmlNode *root) {
	const xmlNode *topology = child(child(root, "cpu"), "topology");
	_cleanup_free_ char *sockets = attribute(topology, "sockets"), *cores = attribute(topology, "cores"),
			    *threads = attribute(topology, "threads");

	if (!sockets || !cores || !threads)
		return; /* optional */
	r->x->topology = str_printf("%s/%s/%s", sockets, cores, threads);
	if (!r->x->topology)
		r->error = -ENOMEM;
}

static void read_features(struct reading *r, const xmlNode *root) {
	const xmlNode *features = child(root, "features");

	if (!features)
		problem(r, "<features> is missing (it may be empty)");
	for (const xmlNode *c = features ? features->children : NULL; c; c = c->next)
		if (c->type == XML_ELEMENT_NODE && strlist_add(&r->x->features, (const char *)c->name) < 0)
			r->error = -ENOMEM;
}

static struct domain_xml_device *add_device(struct reading *r, struct domain_xml_device **list, size_t *count) {
	struct domain_xml_device *grown = reallocarray(*list, *count + 1, sizeof(**list));

	if (!grown) {
		r->error = -ENOMEM;
		return NULL;
	}
	*list = grown;
	grown[*count] = (struct domain_xml_device){0};
	return &grown[(*count)++];
}

static void read_disk(struct reading *r, const xmlNode *disk) {
	struct domain_xml_device *d = add_device(r, &r->x->disks, &r->x->disk_count);
	const xmlNode *source = child(disk, "source"), *target = child(disk, "target");
	_cleanup_free_ char *type = attribute(disk, "type");

	if (!d)
		return;
	d->detail = attribute(target, "dev");
	d->model = attribute(target, "bus");
	if (!type)
		problem(r, "a <disk> has no attribute 'type'");
	if (!source)
		problem(r, "disk %s has no <source>", d->detail ? d->detail : "without a target");
	if (!target)
		problem(r, "a <disk> has no <target>");
	if (str_equal(type, "network")) {
		d->kind = source ? want_attribute(r, source, "protocol", "a network disk's <source>") : NULL;
		d->name = source ? want_attribute(r, source, "name", "a network disk's <source>") : NULL;
	} else if (str_equal(type, "file")) {
		d->kind = move_ptr(type);
		d->name = attribute(source, "file");
	} else if (type) {
		d->kind = move_ptr(type);
		d->name = attribute(source, "dev");
		if (strlist_addf(
			&r->x->warnings,
			"disk %s is of type '%s': clients of the reference's kind cannot show it or remove the VM",
			d->detail ? d->detail : "?", d->kind) < 0)
			r->error = -ENOMEM;
	}
}

static void read_interface(struct reading *r, const xmlNode *interface) {
	struct domain_xml_device *i = add_device(r, &r->x->interfaces, &r->x->interface_count);
	const xmlNode *source = child(interface, "source"), *mac = child(interface, "mac"),
		      *model = child(interface, "model");

	if (!i)
		return;
	i->kind = want_attribute(r, interface, "type", "an <interface>");
	if (!mac)
		problem(r, "an <interface> has no <mac>");
	else
		i->detail = want_attribute(r, mac, "address", "an interface's <mac>");
	if (!source)
		problem(r, "an <interface> has no <source>");
	else if (i->kind)
		i->name = want_attribute(r, source, i->kind, "an interface's <source>");
	if (!model)
		problem(r, "an <interface> has no <model>");
	else
		i->model = want_attribute(r, model, "type", "an interface's <model>");
}

static void read_devices(struct reading *r, const xmlNode *root) {
	const xmlNode *devices = child(root, "devices"), *console = child(devices, "console");

	if (!devices) {
		problem(r, "<devices> is missing");
		return;
	}
	r->x->emulator = want_text(r, devices, "emulator", "devices/emulator");
	if (!console)
		problem(r, "<devices/console> is missing");
	else
		r->x->console = want_attribute(r, console, "type", "<devices/console>");
	for (const xmlNode *c = devices->children; c; c = c->next) {
		if (c->type != XML_ELEMENT_NODE || c->ns)
			continue;
		if (strcmp((const char *)c->name, "disk") == 0)
			read_disk(r, c);
		else if (strcmp((const char *)c->name, "interface") == 0)
			read_interface(r, c);
		else if (strcmp((const char *)c->name, "controller") == 0 &&
			 !xmlHasProp((xmlNode *)c, (const xmlChar *)"type"))
			problem(r, "a <controller> has no attribute 'type'");
	}
}

static void read_domain(struct reading *r, const xmlNode *root) {
	const xmlNode *type = child(child(root, "os"), "type");
	_cleanup_free_ char *vcpus = want_text(r, root, "vcpu", "vcpu");

	r->x->uuid = want_text(r, root, "uuid", "uuid");
	r->x->name = want_text(r, root, "name", "name");
	r->x->description = text_of(child(root, "description"));
	read_memory(r, root);
	r->x->vcpus = whole_number(vcpus);
	if (vcpus && *vcpus && r->x->vcpus <= 0)
		problem(r, "<vcpu> is no whole number above 0");
	read_topology(r, root);
	r->x->type = want_text(r, child(root, "os"), "type", "os/type");
	if (type) {
		r->x->arch = want_attribute(r, type, "arch", "<os/type>");
		r->x->machine = want_attribute(r, type, "machine", "<os/type>");
	}
	read_features(r, root);
	read_devices(r, root);
}

/* ---- parsing -------------------------------------------------------------------------------------------------- */

static void refuse_doctype(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system_id) {
	xmlParserCtxt *parser = context;

	(void)name;
	(void)external;
	(void)system_id;
	*(bool *)parser->_private = true;
	xmlStopParser(parser);
}

static void ignore_error(void *context, const xmlError *error) {
	(void)context; /* the parser keeps the last error; nothing of the library may print */
	(void)error;
}

static xmlDoc *parse(const char *text, size_t length, char **ret_error, int *ret) {
	xmlParserCtxt *parser = xmlNewParserCtxt();
	bool doctype = false;
	xmlDoc *doc;

	*ret = -ENOMEM;
	if (!parser)
		return NULL;
	parser->_private = &doctype;
	parser->sax->internalSubset = refuse_doctype;
	parser->sax->serror = (xmlStructuredErrorFunc)ignore_error;
	doc = xmlCtxtReadMemory(parser, text, (int)length, NULL, NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	*ret = 0;
	if (doctype) {
		*ret = error_set(ret_error, -EINVAL, "the XML has a DOCTYPE, which a domain does not need; remove it");
	} else if (!doc || !parser->wellFormed) {
		const xmlError *e = xmlCtxtGetLastError(parser);
		_cleanup_free_ char *why = str_printable(e && e->message ? e->message : "no element at all", 200);
		size_t n = why ? strlen(why) : 0;

		if (n && why[n - 1] == '?')
			why[n - 1] = '\0'; /* the newline that ends the parser's messages */
		*ret = error_set(ret_error, -EINVAL, "the XML is not well-formed: line %d: %s", e ? e->line : 0, why);
	}
	xmlFreeParserCtxt(parser);
	if (*ret < 0) {
		xmlFreeDoc(doc);
		return NULL;
	}
	return doc;
}

int domain_xml_read(const char *text, size_t length, struct domain_xml *ret, char **ret_error) {
	struct domain_xml x = {.memory = -1, .vcpus = -1};
	struct reading reading = {&x, 0};
	const xmlNode *root;
	xmlDoc *doc;
	int r;

	if (length > DOMAIN_XML_MAX)
		return error_set(ret_error, -EFBIG, "the XML is %zu bytes long; at most %u are allowed", length,
				 DOMAIN_XML_MAX);
	doc = parse(text, length, ret_error, &r);
	if (!doc)
		return r;
	root = xmlDocGetRootElement(doc);
	if (!root || root->ns || strcmp((const char *)root->name, "domain") != 0) {
		xmlFreeDoc(doc);
		return error_set(ret_error, -EINVAL, "the XML is no libvirt <domain>");
	}
	read_domain(&reading, root);
	xmlFreeDoc(doc);
	if (reading.error < 0) {
		domain_xml_free(&x);
		return error_set(ret_error, reading.error, "out of memory");
	}
	*ret = x;
	return 0;
}
