/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Define: all keys of a VM in one transaction, as the reference's client writes them. Two that define a VM of the same
 * name at once: the transaction also rewrites /domains (whose value nobody uses) at the version that was read before
 * the names were, so one of them loses, looks again, and finds the name taken.
 */
#include "pvcctl.h"

#define DEFINE_TRIES 20

struct definition {
	char *text; /* the XML */
	struct domain_xml xml;
	struct strlist notes, limit;
	char *node;
	const char *selector;
};

static void definition_free(struct definition *d) {
	free(d->text);
	domain_xml_free(&d->xml);
	strlist_free(&d->notes);
	strlist_free(&d->limit);
	free(d->node);
}

static int read_input(const char *path, char **ret, size_t *ret_length) {
	_cleanup_strbuf_ struct strbuf text = {0};
	char piece[16384];
	size_t n;

	if (!str_equal(path, "-"))
		return file_read(path, DOMAIN_XML_MAX, ret, ret_length);
	while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
		if (strbuf_add(&text, piece, n) < 0)
			return -ENOMEM;
		else if (text.length > DOMAIN_XML_MAX)
			return -EFBIG;
	if (ferror(stdin))
		return -EIO;
	*ret_length = text.length;
	*ret = strbuf_steal(&text);
	return *ret ? 0 : -ENOMEM;
}

static int read_definition(const char *path, struct definition *d) {
	_cleanup_free_ char *text = NULL, *error = NULL;
	size_t length;
	int r = read_input(path, &text, &length);

	if (r == -EFBIG)
		return failed_with(EXIT_FAILED, "%s is longer than %u bytes, which no domain XML is", path,
				   DOMAIN_XML_MAX);
	if (r < 0)
		return failed_with(EXIT_FAILED, "cannot read %s: %s", path, strerror(-r));
	r = domain_xml_prepare(text, length, &d->text, &d->xml, &d->notes, &error);
	return r < 0 ? failed_with(EXIT_FAILED, "%s: %s", path, error ? error : strerror(-r)) : EXIT_OK;
}

/* ---- where it goes ---- */

static int check_limit(const struct nodes *nodes, const struct definition *d, const char *wanted) {
	for (size_t i = 0; i < d->limit.count; i++)
		if (!strlist_contains(&nodes->names, d->limit.items[i]))
			return failed_with(EXIT_FAILED, "--limit names '%s', and the cluster has no such node",
					   d->limit.items[i]);
	if (wanted && !strlist_contains(&nodes->names, wanted))
		return failed_with(EXIT_FAILED, "the cluster has no node named '%s'", wanted);
	if (wanted && d->limit.count && !strlist_contains(&d->limit, wanted))
		return failed_with(EXIT_FAILED, "node '%s' is not within --limit", wanted);
	return EXIT_OK;
}

static int select_node(const struct nodes *nodes, const struct definition *d, char **ret) {
	_cleanup_free_ struct select_node *candidates = node_candidates(nodes);
	struct select_request request = {.limit = &d->limit, .by = select_by_parse(d->selector)};
	_cleanup_free_ char *error = NULL;
	int r;

	if (!candidates)
		return failed(-ENOMEM, "out of memory");
	r = select_target(candidates, nodes->names.count, &request, &error);
	if (r < 0)
		return failed_with(EXIT_FAILED, "cannot choose a node: %s; --node names one",
				   error ? error : "none fits");
	*ret = strdup(candidates[r].name);
	return *ret ? EXIT_OK : failed(-ENOMEM, "out of memory");
}

static int choose_node(struct ctl *ctl, struct definition *d) {
	_cleanup_nodes_ struct nodes nodes = {0};
	const char *wanted = ctl->options.node;
	int r = nodes_read(ctl, NULL, &nodes);

	if (r >= 0 && ctl->options.limit)
		r = strlist_split(&d->limit, ctl->options.limit, ", ");
	if (r < 0)
		return failed(r, "cannot read the nodes: %s", store_error_text(r));
	r = check_limit(&nodes, d, wanted);
	if (r != EXIT_OK)
		return r;
	if (!wanted)
		return select_node(&nodes, d, &d->node);
	d->node = strdup(wanted);
	return d->node ? EXIT_OK : failed(-ENOMEM, "out of memory");
}

/* ---- writing it ---- */

static int check_unused(struct ctl *ctl, const struct definition *d) {
	_cleanup_strlist_ struct strlist uuids = {0};
	_cleanup_vms_ struct vms vms = {0};
	int r = fetch_children(ctl, store_base(STORE_DOMAINS), &uuids);

	if (r >= 0)
		r = vms_read(ctl, &uuids, VM_KEY_NAME + 1, &vms);
	if (r < 0)
		return failed(r, "cannot read the VMs: %s", store_error_text(r));
	for (size_t i = 0; i < uuids.count; i++) {
		if (str_equal(uuids.items[i], d->xml.uuid))
			return failed_with(EXIT_FAILED, "the UUID %s is used by another VM", d->xml.uuid);
		if (str_equal(vm_value(&vms, i, VM_KEY_NAME)->data, d->xml.name))
			return failed_with(EXIT_FAILED, "the name '%s' is used by another VM (%s)", d->xml.name,
					   uuids.items[i]);
	}
	return EXIT_OK;
}

static char *rbd_list(const struct domain_xml *x) {
	_cleanup_strbuf_ struct strbuf text = {0};

	for (size_t i = 0; i < x->disk_count; i++)
		if (str_equal(x->disks[i].kind, "rbd"))
			(void)strbuf_addf(&text, "%s%s", text.length ? "," : "",
					  x->disks[i].name); /* kept in .failed */
	return strbuf_steal(&text);
}

static struct store_txn *keys_of(const struct options *o, const struct definition *d,
				 const struct store_value *domains) {
	_cleanup_free_ char *limit = strlist_join(&d->limit, ","), *rbd = rbd_list(&d->xml);
	const struct {
		const char *key, *value;
	} keys[] = {
	    {"", d->xml.name},
	    {"state", vm_state_name(VM_STOP)},
	    {"node", d->node},
	    {"lastnode", ""},
	    {"node_limit", limit ? limit : ""},
	    {"node_selector", d->selector},
	    {"node_autostart", o->autostart ? "True" : "False"},
	    {"failedreason", ""},
	    {"consolelog", ""},
	    {"rbdlist", rbd},
	    {"profile", o->profile ? o->profile : "None"},
	    {"xml", d->text},
	};
	struct store_txn *txn = rbd && (limit || !d->limit.count) ? store_txn_new() : NULL;

	/* the first failed allocation is kept, and told by the commit */
	(void)store_txn_set(txn, store_base(STORE_DOMAINS), domains->data, domains->stat.version);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *path = vm_key_path(d->xml.uuid, keys[i].key);

		(void)store_txn_create(txn, path, keys[i].value);
	}
	return txn;
}

/* One try: 0, or a lost race (-ESTALE, -EEXIST), or another -errno; *ret_code is set when it was told already. */
static int try_define(struct ctl *ctl, struct definition *d, int *ret_code) {
	struct store_value domains = {0};
	usec_t deadline = deadline_after(OPERATION_TIMEOUT);
	int r = store_get_wait(ctl->store, store_base(STORE_DOMAINS), deadline, &domains);

	if (r < 0)
		return r;
	if (!domains.exists) {
		*ret_code = failed_with(EXIT_FAILED, "the cluster has no %s yet: start its first node",
					store_base(STORE_DOMAINS));
		return 0;
	}
	*ret_code = check_unused(ctl, d);
	if (*ret_code == EXIT_OK)
		r = store_commit_wait(ctl->store, keys_of(&ctl->options, d, &domains), deadline);
	store_value_free(&domains);
	return r;
}

static int write_definition(struct ctl *ctl, struct definition *d) {
	int r = -ESTALE, code = EXIT_OK;

	for (int i = 0; i < DEFINE_TRIES && (r == -ESTALE || r == -EEXIST); i++)
		r = try_define(ctl, d, &code);
	return r < 0 ? failed(r, "cannot define VM '%s': %s", d->xml.name, store_error_text(r)) : code;
}

static int report(const struct ctl *ctl, const struct definition *d) {
	if (wants_json(ctl))
		return json_print(json_pack("{s:o, s:o, s:o, s:o}", "name", json_text(d->xml.name), "uuid",
					    json_text(d->xml.uuid), "node", json_text(d->node), "notes",
					    json_list(&d->notes)));
	for (size_t i = 0; i < d->notes.count; i++)
		fprintf(stderr, "pvcctl: note: %s\n", d->notes.items[i]);
	printf("VM '%s' is defined on node '%s' with UUID %s.\n", d->xml.name, d->node, d->xml.uuid);
	return EXIT_OK;
}

int vm_define(struct ctl *ctl) {
	struct definition d = {.xml = {.memory = -1, .vcpus = -1}};
	int r = read_definition(ctl->arguments[0], &d);

	d.selector = ctl->options.selector ? ctl->options.selector
		     : ctl->config         ? config_selector_name(ctl->config->target_selector)
					   : select_by_name(SELECT_MEM);
	for (size_t i = 0; r == EXIT_OK && i < d.xml.warnings.count; i++)
		if (strlist_add(&d.notes, d.xml.warnings.items[i]) < 0)
			r = failed(-ENOMEM, "out of memory");
	if (r == EXIT_OK)
		r = choose_node(ctl, &d);
	if (r == EXIT_OK)
		r = write_definition(ctl, &d);
	if (r == EXIT_OK)
		r = report(ctl, &d);
	definition_free(&d);
	return r;
}
