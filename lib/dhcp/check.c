/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is it what it says? Guests and foreign writers choose these texts. */
#include "dhcp/dhcp.h"

#include <arpa/inet.h>

static bool is_hex(char c) {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter_or_digit(char c) {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Number of bytes in "52:54:00"; 0 when it is not of that form. */
static size_t hex_bytes(const char *text) {
	size_t count = 0;

	while (text && is_hex(text[0]) && is_hex(text[1])) {
		count++;
		if (text[2] == '\0')
			return count;
		if (text[2] != ':')
			return 0;
		text += 3;
	}
	return 0;
}

bool dhcp_is_mac(const char *text) {
	return hex_bytes(text) == 6;
}

bool dhcp_is_hex_bytes(const char *text) {
	size_t count = hex_bytes(text);

	return count > 0 && count <= 255;
}

bool dhcp_is_hostname(const char *text) {
	size_t label = 0, length = text ? strlen(text) : 0;

	if (length == 0 || length > 253)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (c == '.') {
			if (label == 0 || text[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_letter_or_digit(c) && c != '_' && (c != '-' || label == 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && text[length - 1] != '-';
}

bool dhcp_is_address(const char *text, int family) {
	uint8_t bytes[sizeof(struct in6_addr)];

	return text && inet_pton(family, text, bytes) == 1;
}

bool dhcp_is_iaid(const char *text) {
	uint64_t number;

	return text && parse_u64(*text == 'T' ? text + 1 : text, 0, UINT32_MAX, &number) == 0;
}

bool dhcp_is_vni(const char *text) {
	uint64_t vni;

	return text && *text != '0' && parse_u64(text, 1, (1u << 24) - 1, &vni) == 0;
}
