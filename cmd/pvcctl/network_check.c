/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "network_check.h"

#include <ctype.h>

#include "firewall/network.h"

#define DOMAIN_MAX 253 /* RFC 1035 */
#define LABEL_MAX  63

void net_values_free(struct net_values *values) {
	for (size_t i = 0; i < NET_KEY_COUNT; i++)
		free(values->text[i]);
	*values = (struct net_values){0};
}

int net_put(struct net_values *values, enum net_key key, const char *text) {
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(values->text[key]);
	values->text[key] = copy;
	return 0;
}

/* A refusal that quotes foreign text. */
static int refuse(char **ret_error, const char *before, const char *quoted, const char *after) {
	_cleanup_free_ char *shown = str_printable(quoted, 60);

	return error_set(ret_error, -EINVAL, "%s'%s'%s", before, shown ? shown : "", after);
}

int net_check_vni(const char *text, bool bridged, uint32_t *ret, char **ret_error) {
	uint64_t vni;

	if (parse_u64(text, 1, bridged ? NET_VLAN_MAX : NET_VNI_MAX, &vni) < 0)
		return refuse(ret_error, "VNI ", text,
			      bridged ? ": a bridged network's is its VLAN tag, a number from 1 to 4094"
				      : ": a managed network's is a number from 1 to 16777215");
	*ret = (uint32_t)vni;
	return 0;
}

/* Printable ASCII without blanks: the reference's daemon reads names as ASCII. */
static bool is_word(const char *text) {
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	return *text && strlen(text) <= NET_NAME_MAX;
}

int net_check_name(const char *what, const char *name, char **ret_error) {
	_cleanup_free_ char *before = str_printf("%s ", what);

	if (!before)
		return -ENOMEM;
	if (!is_word(name))
		return refuse(ret_error, before, name, ": 1 to 128 ASCII characters, no blanks");
	if (strspn(name, "0123456789") == strlen(name))
		return refuse(ret_error, before, name, ": digits only would be taken for a VNI");
	return str_is_absent(name) ? refuse(ret_error, before, name, ": that word means that there is none") : 0;
}

int net_check_rule_name(const char *name, char **ret_error) {
	if (!is_word(name) || strchr(name, '/') || str_equal(name, ".") || str_equal(name, "..") || str_is_absent(name))
		return refuse(ret_error, "the rule's name ", name, ": 1 to 128 ASCII characters, no blanks, no '/'");
	return 0;
}

static bool is_label(const char *text, size_t length) {
	if (length == 0 || length > LABEL_MAX || text[0] == '-' || text[length - 1] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			return false;
	return true;
}

bool net_is_hostname(const char *text) {
	return is_label(text, strlen(text));
}

bool net_is_domain(const char *text) {
	if (strlen(text) > DOMAIN_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(text, ".");

		if (!is_label(text, n))
			return false;
		if (!text[n])
			return true;
		text += n + 1;
	}
}

int net_check_mac(const char *text, char ret[NET_MAC_TEXT], char **ret_error) {
	char mac[NET_MAC_TEXT] = {0};

	if (strlen(text) != NET_MAC_TEXT - 1)
		return refuse(ret_error, "MAC ", text, ": six pairs of hexadecimal digits, as in 52:54:00:12:34:56");
	for (size_t i = 0; i < NET_MAC_TEXT - 1; i++) {
		bool separator = i % 3 == 2;

		if (separator ? text[i] != text[2] || !strchr(":-", text[i]) : !isxdigit((unsigned char)text[i]))
			return refuse(ret_error, "MAC ", text,
				      ": six pairs of hexadecimal digits, as in 52:54:00:12:34:56");
		mac[i] = separator ? ':' : (char)tolower((unsigned char)text[i]);
	}
	if (strchr("13579bdf", mac[1]))
		return refuse(ret_error, "MAC ", text, " is a group's, no interface's");
	if (str_equal(mac, "00:00:00:00:00:00"))
		return refuse(ret_error, "MAC ", text, " is no interface's");
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

int net_check_rule(const char *text, char **ret_error) {
	size_t length = strlen(text);

	if (length > NETWORK_RULE_BYTES)
		return error_set(ret_error, -EINVAL, "the rule is %zu bytes long; at most %d are taken", length,
				 NETWORK_RULE_BYTES);
	if (strspn(text, " ") == length)
		return error_set(ret_error, -EINVAL, "the rule is empty; try for example 'tcp dport 22 accept'");
	for (const char *c = text; *c; c++) {
		if (*c < ' ' || *c >= 0x7f)
			return error_set(ret_error, -EINVAL,
					 "the rule holds a line break, control character or character outside ASCII "
					 "(byte %zu)",
					 (size_t)(c - text) + 1);
		if (*c == ';')
			return error_set(ret_error, -EINVAL,
					 "the rule holds a ';' (byte %zu): one rule is one statement of nft, add one "
					 "for each",
					 (size_t)(c - text) + 1);
	}
	return 0;
}

uint64_t net_order(const char *text) {
	uint64_t order;

	return text && parse_u64(text, 0, UINT64_MAX - 1, &order) == 0 ? order : UINT64_MAX;
}
