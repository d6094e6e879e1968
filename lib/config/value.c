/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One entry of the document -> one member of struct config, or a problem that says what was expected and found. */
#include <limits.h>
#include <net/if.h>
#include <strings.h>

#include "config/internal.h"

#define SHOWN_MAX 60 /* bytes of a wrong value in a message */
#define PATH_LONG 1024

static char *describe(const struct key *key, const struct entry *entry) {
	_cleanup_free_ char *shown = NULL;

	if (entry->kind == ENTRY_LIST)
		return strdup("a list");
	if (entry->kind == ENTRY_MAPPING)
		return strdup("a mapping");
	if (entry_is_null(entry))
		return strdup("nothing");
	if (key->kind == VALUE_SECRET)
		return strdup("something else");
	shown = str_printable(entry->text, SHOWN_MAX);
	return shown ? str_printf("'%s'%s", shown, entry->plain ? "" : " in quotes") : NULL;
}

static int mismatch(const struct value_context *context, const struct key *key, const struct entry *entry,
		    const char *expected) {
	_cleanup_free_ char *found = describe(key, entry);

	if (!found)
		return -ENOMEM;
	problem_add(context->problems, entry->line, key->path, "expected %s, found %s", expected, found);
	return 0;
}

static bool has_text(const struct entry *entry) {
	return entry->kind == ENTRY_SCALAR && !entry_is_null(entry) && *entry->text;
}

/* "no value" in the spellings of the reference; YAML has no None, so it comes as text. */
static bool is_none(const struct entry *entry) {
	return entry->kind == ENTRY_SCALAR && (entry_is_null(entry) || str_is_absent(entry->text));
}

static int keep(char **target, const char *text) {
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*target);
	*target = copy;
	return 0;
}

/* The words that YAML 1.1 loaders take for booleans. A word in quotes is a text, which Python would take for true. */
static int read_bool(const struct value_context *context, const struct key *key, const struct entry *entry,
		     void *target) {
	static const char *const yes[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
	static const char *const no[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};

	for (size_t i = 0; entry->kind == ENTRY_SCALAR && entry->plain && i < ARRAY_SIZE(yes); i++)
		if (strcmp(entry->text, yes[i]) == 0 || strcmp(entry->text, no[i]) == 0) {
			*(bool *)target = strcmp(entry->text, yes[i]) == 0;
			return 0;
		}
	return mismatch(context, key, entry, "True or False (without quotes)");
}

static int read_integer(const struct value_context *context, const struct key *key, const struct entry *entry,
			void *target) {
	_cleanup_free_ char *expected = NULL;

	/* a leading zero is octal in YAML 1.1: too easily misread to be taken */
	if (has_text(entry) && !(entry->text[0] == '0' && entry->text[1] != '\0') &&
	    parse_u64(entry->text, key->min, key->max, target) >= 0)
		return 0;
	expected = str_printf("a decimal number from %llu to %llu%s%s", (unsigned long long)key->min,
			      (unsigned long long)key->max, *key->unit ? " " : "", key->unit);
	return expected ? mismatch(context, key, entry, expected) : -ENOMEM;
}

static int read_text(const struct value_context *context, const struct key *key, const struct entry *entry,
		     void *target) {
	if (!has_text(entry))
		return mismatch(context, key, entry, "a text");
	return keep(target, entry->text);
}

static int read_possibly_empty(const struct value_context *context, const struct key *key, const struct entry *entry,
			       void *target) {
	if (entry->kind != ENTRY_SCALAR)
		return mismatch(context, key, entry, "a text");
	return keep(target, entry_is_null(entry) ? "" : entry->text);
}

static bool is_host_name(const char *text, size_t length) {
	size_t label = 0;

	if (length == 0 || length > HOST_NAME_MAX * 4 - 3) /* 253 characters (RFC 1035) */
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (c == '.') {
			if (label == 0 || text[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c == '-' && label > 0)))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && text[length - 1] != '-';
}

static int read_node(const struct value_context *context, const struct key *key, const struct entry *entry,
		     void *target) {
	_cleanup_free_ char *expected = NULL;

	(void)target; /* the name is the host's own; the file can only agree */
	if (has_text(entry) && strcmp(entry->text, context->config->node) == 0)
		return 0;
	expected = str_printf("'%s', the short name of this host (hostname -s)", context->config->node);
	return expected ? mismatch(context, key, entry, expected) : -ENOMEM;
}

static bool is_server(const char *text) {
	const char *colon = strchr(text, ':');
	uint64_t port;

	return is_host_name(text, colon ? (size_t)(colon - text) : strlen(text)) &&
	       (!colon || parse_u64(colon + 1, 1, 65535, &port) >= 0);
}

static bool same_server(const char *a, const char *b) {
	size_t na = strcspn(a, ":"), nb = strcspn(b, ":");

	return na == nb && strncasecmp(a, b, na) == 0 &&
	       strcmp(a[na] ? a + na : ":2181", b[nb] ? b + nb : ":2181") == 0;
}

static int read_servers(const struct value_context *context, const struct key *key, const struct entry *entry,
			void *target) {
	struct strlist *list = target;

	if (entry->kind != ENTRY_LIST || entry->items == 0)
		return mismatch(context, key, entry, "a list of one or more host names");
	for (size_t i = 0; i < entry->items; i++) {
		_cleanup_free_ char *path = str_printf("pvc.%s.#%zu", key->path, i);
		const struct entry *item = path ? document_find(context->document, path) : NULL;
		int r;

		if (!path)
			return -ENOMEM;
		if (!item) /* an alias: told already */
			continue;
		if (!has_text(item) || !is_server(item->text)) {
			r = mismatch(context, key, item, "a host name or HOST:PORT");
			if (r < 0)
				return r;
			continue;
		}
		for (size_t j = 0; j < list->count; j++)
			if (same_server(list->items[j], item->text)) {
				r = mismatch(context, key, item, "each coordinator once");
				if (r < 0)
					return r;
			}
		r = strlist_add(list, item->text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_domain(const struct value_context *context, const struct key *key, const struct entry *entry,
		       void *target) {
	if (key->optional && is_none(entry))
		return 0;
	if (is_none(entry) || !has_text(entry) || !is_host_name(entry->text, strlen(entry->text)))
		return mismatch(context, key, entry,
				key->optional ? "a domain name or None" : "a domain name (migrations need it)");
	return keep(target, entry->text);
}

static bool has_host_bits(const struct ip_prefix *ip) {
	struct ip_prefix base = *ip;

	base.prefix = ip->family == AF_INET ? 32 : 128;
	for (unsigned bit = ip->prefix; bit < base.prefix; bit++)
		if (ip->bytes[bit / 8] & (0x80u >> (bit % 8)))
			return true;
	return false;
}

static int read_network(const struct value_context *context, const struct key *key, const struct entry *entry,
			void *target) {
	struct ip_prefix ip;

	if (!has_text(entry) || ip_prefix_parse(entry->text, false, &ip) < 0)
		return mismatch(context, key, entry, "a network as in 10.0.0.0/24");
	if (has_host_bits(&ip))
		return mismatch(context, key, entry,
				"the first address of the network and its length, as in 10.0.0.0/24");
	*(struct ip_prefix *)target = ip;
	return 0;
}

static int read_host_cidr(const struct value_context *context, const struct key *key, const struct entry *entry,
			  void *target) {
	if (!has_text(entry) || ip_prefix_parse(entry->text, false, target) < 0)
		return mismatch(context, key, entry, "an address with the length of its network, as in 10.0.0.250/24");
	return 0;
}

static int read_gateway(const struct value_context *context, const struct key *key, const struct entry *entry,
			void *target) {
	if (is_none(entry))
		return 0;
	if (!has_text(entry) || strchr(entry->text, '/') || ip_prefix_parse(entry->text, true, target) < 0)
		return mismatch(context, key, entry, "an address as in 10.0.0.254, or None");
	return 0;
}

/* What the kernel takes for a device name (dev_valid_name). */
static int read_device(const struct value_context *context, const struct key *key, const struct entry *entry,
		       void *target) {
	if (!has_text(entry) || strlen(entry->text) >= IFNAMSIZ || strpbrk(entry->text, "/: ") ||
	    strcmp(entry->text, ".") == 0 || strcmp(entry->text, "..") == 0 || is_none(entry))
		return mismatch(context, key, entry, "the name of a network device (1 to 15 characters)");
	return keep(target, entry->text);
}

static int read_address(const struct value_context *context, const struct key *key, const struct entry *entry,
			void *target) {
	struct config_network *network = target;

	if (is_none(entry))
		network->address_kind = CONFIG_ADDRESS_NONE;
	else if (has_text(entry) && strcmp(entry->text, "by-id") == 0)
		network->address_kind = CONFIG_ADDRESS_BY_ID; /* rules.c computes it, once the network is known */
	else if (has_text(entry) && ip_prefix_parse(entry->text, false, &network->address) >= 0)
		network->address_kind = CONFIG_ADDRESS_STATIC;
	else
		return mismatch(context, key, entry, "by-id, an address with length as in 10.0.0.1/24, or None");
	return 0;
}

static bool is_absolute(const char *text) {
	size_t length = strlen(text);

	return text[0] == '/' && length <= PATH_LONG && strspn(text, "/") < length && !strstr(text, "/../") &&
	       !(length >= 3 && strcmp(text + length - 3, "/..") == 0);
}

static int read_path(const struct value_context *context, const struct key *key, const struct entry *entry,
		     void *target) {
	_cleanup_free_ char *path = NULL;
	size_t length;

	if (!has_text(entry) || !is_absolute(entry->text))
		return mismatch(context, key, entry, "the absolute path of a directory");
	path = strdup(entry->text);
	if (!path)
		return -ENOMEM;
	for (length = strlen(path); path[length - 1] == '/'; length--)
		path[length - 1] = '\0';
	return keep(target, path);
}

static int read_device_file(const struct value_context *context, const struct key *key, const struct entry *entry,
			    void *target) {
	if (is_none(entry)) {
		free(*(char **)target);
		*(char **)target = NULL;
		return 0;
	}
	if (!has_text(entry) || !is_absolute(entry->text))
		return mismatch(context, key, entry, "the absolute path of a device file, or none");
	return keep(target, entry->text);
}

static int read_action(const struct value_context *context, const struct key *key, const struct entry *entry,
		       void *target) {
	if (is_none(entry))
		*(enum config_fence_action *)target = CONFIG_FENCE_NONE;
	else if (has_text(entry) && strcmp(entry->text, "migrate") == 0)
		*(enum config_fence_action *)target = CONFIG_FENCE_MIGRATE;
	else
		return mismatch(context, key, entry, "migrate or None");
	return 0;
}

static const char *const selector_names[] = {
    [CONFIG_SELECTOR_MEM] = "mem",
    [CONFIG_SELECTOR_LOAD] = "load",
    [CONFIG_SELECTOR_VCPUS] = "vcpus",
    [CONFIG_SELECTOR_VMS] = "vms",
};

const char *config_selector_name(enum config_selector selector) {
	return selector_names[selector];
}

static int read_transport(const struct value_context *context, const struct key *key, const struct entry *entry,
			  void *target) {
	static const char *const names[] = {
	    [CONFIG_TRANSPORT_TCP] = "tcp", [CONFIG_TRANSPORT_TLS] = "tls", [CONFIG_TRANSPORT_TUNNEL] = "tunnel"};

	for (size_t i = 0; has_text(entry) && i < ARRAY_SIZE(names); i++)
		if (strcmp(entry->text, names[i]) == 0) {
			*(enum config_transport *)target = (enum config_transport)i;
			return 0;
		}
	return mismatch(context, key, entry, "tcp, tls or tunnel");
}

static int read_selector(const struct value_context *context, const struct key *key, const struct entry *entry,
			 void *target) {
	for (size_t i = 0; has_text(entry) && i < ARRAY_SIZE(selector_names); i++)
		if (strcmp(entry->text, selector_names[i]) == 0) {
			*(enum config_selector *)target = (enum config_selector)i;
			return 0;
		}
	return mismatch(context, key, entry, "mem, load, vcpus or vms");
}

/* libpq's words, without `allow`, which means to encrypt only where the server insists. */
static int read_sslmode(const struct value_context *context, const struct key *key, const struct entry *entry,
			void *target) {
	static const char *const words[] = {"disable", "prefer", "require", "verify-ca", "verify-full"};

	for (size_t i = 0; has_text(entry) && i < ARRAY_SIZE(words); i++)
		if (strcmp(entry->text, words[i]) == 0)
			return keep(target, entry->text);
	return mismatch(context, key, entry, "disable, prefer, require, verify-ca or verify-full");
}

static int read_ranges(const struct value_context *context, const struct key *key, const struct entry *entry,
		       void *target) {
	struct strlist *list = target;

	if (is_none(entry))
		return 0;
	if (entry->kind != ENTRY_LIST)
		return mismatch(context, key, entry,
				"a list of addresses and networks, as in [192.0.2.53, 10.0.0.0/24]");
	for (size_t i = 0; i < entry->items; i++) {
		_cleanup_free_ char *path = str_printf("pvc.%s.#%zu", key->path, i);
		const struct entry *item = path ? document_find(context->document, path) : NULL;
		struct ip_prefix ip;
		int r;

		if (!path)
			return -ENOMEM;
		if (!item) /* an alias: told already */
			continue;
		if (!has_text(item) || ip_prefix_parse(item->text, true, &ip) < 0 || has_host_bits(&ip))
			r = mismatch(context, key, item, "an address or a network, as in 192.0.2.53 or 10.0.0.0/24");
		else
			r = strlist_add(list, item->text);
		if (r < 0)
			return r;
	}
	return 0;
}

int value_read(const struct value_context *context, const struct key *key, const struct entry *entry) {
	static int (*const readers[VALUE_COUNT])(const struct value_context *, const struct key *, const struct entry *,
						 void *) = {
	    [VALUE_BOOL] = read_bool,
	    [VALUE_INTEGER] = read_integer,
	    [VALUE_TEXT] = read_text,
	    [VALUE_USER] = read_possibly_empty,
	    [VALUE_SECRET] = read_possibly_empty,
	    [VALUE_NODE] = read_node,
	    [VALUE_SERVERS] = read_servers,
	    [VALUE_DOMAIN] = read_domain,
	    [VALUE_NETWORK] = read_network,
	    [VALUE_HOST_CIDR] = read_host_cidr,
	    [VALUE_GATEWAY] = read_gateway,
	    [VALUE_DEVICE] = read_device,
	    [VALUE_ADDRESS] = read_address,
	    [VALUE_PATH] = read_path,
	    [VALUE_DEVICE_FILE] = read_device_file,
	    [VALUE_ACTION] = read_action,
	    [VALUE_TRANSPORT] = read_transport,
	    [VALUE_SELECTOR] = read_selector,
	    [VALUE_SSLMODE] = read_sslmode,
	    [VALUE_RANGES] = read_ranges,
	    [VALUE_AGENTS] = read_agents,
	};

	return readers[key->kind](context, key, entry, (char *)context->config + key->offset);
}
