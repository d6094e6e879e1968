/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tree.h"

#define COMPONENTS_MAX 4  /* one more than the deepest path has */
#define LABEL_MAX      63 /* bytes of one part of a host's name, and of all of it (RFC 1035) */
#define HOSTNAME_MAX   253

static const char versions[] = "1.0\n2009-04-04\n2016-09-02\n2018-09-24\n2021-03-23\nlatest";

struct piece {
	const char *text;
	size_t length;
};

static bool is(const struct piece *piece, const char *word) {
	return piece->length == strlen(word) && memcmp(piece->text, word, piece->length) == 0;
}

static bool is_version(const struct piece *piece) {
	static const char shape[] = "dddd-dd-dd";

	if (is(piece, "latest") || is(piece, "1.0"))
		return true;
	if (piece->length != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < piece->length; i++) {
		char c = piece->text[i];

		if (shape[i] == 'd' ? c < '0' || c > '9' : c != shape[i])
			return false;
	}
	return true;
}

/* ---- leaves, in the order of the listing ---------------------------------------------------------------------- */

static char *leaf_hostname(const struct tree_guest *guest) {
	return tree_hostname(guest->name, guest->domain);
}

static char *leaf_instance_id(const struct tree_guest *guest) {
	return strdup(guest->uuid);
}

static char *leaf_address(const struct tree_guest *guest) {
	return strdup(guest->address);
}

static char *leaf_mac(const struct tree_guest *guest) {
	return strdup(guest->mac);
}

static char *leaf_name(const struct tree_guest *guest) {
	return strdup(guest->name);
}

static char *leaf_profile(const struct tree_guest *guest) {
	return guest->profile ? strdup(guest->profile) : NULL;
}

static const struct {
	const char *name;
	char *(*text)(const struct tree_guest *guest); /* NULL: the guest has none, or there is no memory */
} leaves[] = {
    {"hostname", leaf_hostname},
    {"instance-id", leaf_instance_id},
    {"local-hostname", leaf_hostname},
    {"local-ipv4", leaf_address},
    {"mac", leaf_mac},
    {"name", leaf_name},
    {"profile", leaf_profile},
};

static bool has_leaf(const struct tree_guest *guest, size_t leaf) {
	_cleanup_free_ char *text = leaves[leaf].text(guest);

	return text != NULL;
}

/* ---- paths ----------------------------------------------------------------------------------------------------- */

/* The parts between slashes; COMPONENTS_MAX stands for too many. */
static size_t split(const char *path, struct piece pieces[COMPONENTS_MAX]) {
	size_t count = 0;

	while (*path && count < COMPONENTS_MAX) {
		size_t length = strcspn(path, "/");

		if (length > 0)
			pieces[count++] = (struct piece){path, length};
		path += length + (path[length] == '/');
	}
	return count;
}

static struct tree_path parse_leaf(const struct piece *piece) {
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		if (is(piece, leaves[i].name))
			return (struct tree_path){TREE_LEAF, i};
	return (struct tree_path){TREE_NOTHING, 0};
}

struct tree_path tree_parse(const char *path) {
	struct tree_path nothing = {TREE_NOTHING, 0};
	struct piece pieces[COMPONENTS_MAX];
	size_t length = strlen(path), count;
	bool slash = length > 0 && path[length - 1] == '/';

	if (path[0] != '/' || length > TREE_PATH_MAX)
		return nothing;
	count = split(path, pieces);
	if (count == 0)
		return (struct tree_path){TREE_VERSIONS, 0};
	if (!is_version(&pieces[0]))
		return nothing;
	if (count == 1)
		return (struct tree_path){TREE_VERSION, 0};
	if (count == 2 && is(&pieces[1], "meta-data"))
		return (struct tree_path){TREE_META_DATA, 0};
	if (slash) /* what follows are no directories */
		return nothing;
	if (count == 2 && is(&pieces[1], "user-data"))
		return (struct tree_path){TREE_USER_DATA, 0};
	if (count == 3 && is(&pieces[1], "meta-data"))
		return parse_leaf(&pieces[2]);
	if (count == 3 && is(&pieces[0], "latest") && is(&pieces[1], "api") && is(&pieces[2], "token"))
		return (struct tree_path){TREE_TOKEN, 0};
	return nothing;
}

static int list_leaves(const struct tree_guest *guest, char **ret) {
	_cleanup_strbuf_ struct strbuf text = {0};
	char *all;

	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++)
		if (has_leaf(guest, i))
			(void)strbuf_addf(&text, "%s%s", text.length ? "\n" : "", leaves[i].name); /* kept in failed */
	all = strbuf_steal(&text);
	if (!all)
		return -ENOMEM;
	*ret = all;
	return 0;
}

int tree_text(const struct tree_path *path, const struct tree_guest *guest, char **ret) {
	char *text = NULL;

	switch (path->kind) {
	case TREE_VERSIONS:
		text = strdup(versions);
		break;
	case TREE_VERSION:
		text = strdup("meta-data\nuser-data");
		break;
	case TREE_META_DATA:
		return list_leaves(guest, ret);
	case TREE_LEAF:
		text = leaves[path->leaf].text(guest);
		if (!text)
			return -ENOENT;
		break;
	case TREE_NOTHING:
	case TREE_USER_DATA:
	case TREE_TOKEN:
		return -ENOENT;
	}
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

const char *tree_allows(enum tree_kind kind, const char *method) {
	if (kind == TREE_TOKEN)
		return str_equal(method, "PUT") ? NULL : "PUT";
	return str_equal(method, "GET") || str_equal(method, "HEAD") ? NULL : "GET, HEAD";
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static bool is_alphanumeric(char c) {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Labels of letters, digits and inner dashes, as in net1.local. */
static bool is_domain(const char *text) {
	size_t label = 0;

	for (size_t i = 0;; i++) {
		if (text[i] == '.' || text[i] == '\0') {
			if (label == 0 || label > LABEL_MAX || text[i - 1] == '-')
				return false;
			label = 0;
			if (!text[i])
				return i <= HOSTNAME_MAX;
		} else if (is_alphanumeric(text[i]) || (text[i] == '-' && label > 0)) {
			label++;
		} else {
			return false;
		}
	}
}

char *tree_hostname(const char *name, const char *domain) {
	char label[LABEL_MAX + 1];
	size_t n = 0;

	/* one label: a dot in a VM's name would make a domain of the rest */
	for (; *name && n < LABEL_MAX; name++) {
		if (is_alphanumeric(*name))
			label[n++] = *name;
		else if (n > 0 && label[n - 1] != '-')
			label[n++] = '-';
	}
	while (n > 0 && label[n - 1] == '-')
		n--;
	label[n] = '\0';
	if (n == 0)
		return NULL;
	if (!domain || !is_domain(domain) || n + 1 + strlen(domain) > HOSTNAME_MAX)
		return strdup(label);
	return str_printf("%s.%s", label, domain);
}
