/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One event of a lease: out of what dnsmasq says, and through a socket. */
#include "dhcp/dhcp.h"

#include <ctype.h>

static const char *const action_names[LEASE_ACTION_COUNT] = {
    [LEASE_ADD] = "add", [LEASE_OLD] = "old", [LEASE_DEL] = "del"};

const char *lease_action_name(enum lease_action action) {
	return action_names[action];
}

enum lease_action lease_action_parse(const char *word) {
	for (int i = 0; i < LEASE_ACTION_COUNT; i++)
		if (str_equal(word, action_names[i]))
			return (enum lease_action)i;
	return LEASE_ACTION_UNKNOWN;
}

void lease_event_free(struct lease_event *event) {
	for (int i = 0; i < LEASE_FIELDS; i++)
		free(event->fields[i]);
	*event = (struct lease_event){0};
}

/* Says which field is not what it should be; NULL when all are. Sets action and family. */
static const char *wrong_field(struct lease_event *event) {
	char *const *f = event->fields;
	uint64_t number;

	event->action = lease_action_parse(f[LEASE_ACTION]);
	event->family = strchr(f[LEASE_ADDRESS], ':') ? AF_INET6 : AF_INET;
	if (!dhcp_is_vni(f[LEASE_VNI]))
		return "VNI";
	if (event->action == LEASE_ACTION_UNKNOWN)
		return "action";
	if (!dhcp_is_address(f[LEASE_ADDRESS], event->family))
		return "address";
	if (*f[LEASE_HOSTNAME] && !dhcp_is_hostname(f[LEASE_HOSTNAME]))
		return "host name";
	if (parse_u64(f[LEASE_EXPIRY], 0, INT64_MAX, &number) < 0)
		return "expiry";
	if (event->family == AF_INET) {
		if (!dhcp_is_mac(f[LEASE_MAC]))
			return "MAC";
		if (*f[LEASE_IAID] || *f[LEASE_SERVER])
			return "IAID";
		return str_equal(f[LEASE_CLIENT], "*") || dhcp_is_hex_bytes(f[LEASE_CLIENT]) ? NULL : "client id";
	}
	if (*f[LEASE_MAC] && !dhcp_is_mac(f[LEASE_MAC]))
		return "MAC";
	if (!dhcp_is_hex_bytes(f[LEASE_CLIENT]))
		return "DUID";
	if (!dhcp_is_iaid(f[LEASE_IAID]))
		return "IAID";
	return !*f[LEASE_SERVER] || dhcp_is_hex_bytes(f[LEASE_SERVER]) ? NULL : "DUID of the server";
}

static int set_field(struct lease_event *event, enum lease_field field, const char *value) {
	char *copy = strdup(value ? value : "");

	if (!copy)
		return -ENOMEM;
	free(event->fields[field]);
	event->fields[field] = copy;
	return 0;
}

/* "06-52:54:..": dnsmasq writes the kind of hardware before a MAC that is not Ethernet's. */
static bool is_of_other_hardware(const char *mac) {
	return isxdigit((unsigned char)mac[0]) && isxdigit((unsigned char)mac[1]) && mac[2] == '-';
}

int lease_event_parse(const char *vni, char *const *arguments, int count, char *(*variable)(const char *),
		      struct lease_event *ret, char **ret_dropped, char **ret_error) {
	_cleanup_lease_event_ struct lease_event event = {0};
	_cleanup_free_ char *dropped = NULL;
	bool is_v6 = count >= 3 && strchr(arguments[2], ':');
	const char *name = count >= 4 ? arguments[3] : "", *wrong;
	const char *expiry = variable("DNSMASQ_LEASE_EXPIRES");
	const struct {
		enum lease_field field;
		const char *value;
	} values[] = {
	    {LEASE_VNI, vni},
	    {LEASE_ACTION, count >= 1 ? arguments[0] : ""},
	    {LEASE_ADDRESS, count >= 3 ? arguments[2] : ""},
	    {LEASE_HOSTNAME, *name && dhcp_is_hostname(name) ? name : ""},
	    {LEASE_EXPIRY, expiry ? expiry : "0"},
	    {LEASE_MAC, is_v6        ? variable("DNSMASQ_MAC")
			: count >= 2 ? arguments[1]
				     : ""},
	    {LEASE_CLIENT, is_v6 ? arguments[1] : variable("DNSMASQ_CLIENT_ID")},
	    {LEASE_IAID, is_v6 ? variable("DNSMASQ_IAID") : ""},
	    {LEASE_SERVER, is_v6 ? variable("DNSMASQ_SERVER_DUID") : ""},
	};

	if (count < 1 || lease_action_parse(arguments[0]) == LEASE_ACTION_UNKNOWN)
		return error_set(ret_error, -EOPNOTSUPP, "not an action of a lease");
	if (count < 3)
		return error_set(ret_error, -EINVAL, "MAC and address are missing");
	if (!is_v6 && is_of_other_hardware(arguments[1]))
		return error_set(ret_error, -EOPNOTSUPP, "not an Ethernet card");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (set_field(&event, values[i].field, values[i].value) < 0)
			return -ENOMEM;
	if (!is_v6 && !*event.fields[LEASE_CLIENT] && set_field(&event, LEASE_CLIENT, "*") < 0)
		return -ENOMEM;
	for (char *c = event.fields[LEASE_MAC]; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	wrong = wrong_field(&event);
	if (wrong)
		return error_set(ret_error, -EINVAL, "the %s of the lease is not one", wrong);
	if (*name && !*event.fields[LEASE_HOSTNAME] && !(dropped = str_printable(name, 100)))
		return -ENOMEM;
	*ret = event;
	event = (struct lease_event){0};
	if (ret_dropped)
		*ret_dropped = move_ptr(dropped);
	return 0;
}

int lease_event_encode(const struct lease_event *event, struct strbuf *out) {
	int r = 0;

	for (int i = 0; i < LEASE_FIELDS && r >= 0; i++)
		r = strbuf_add(out, event->fields[i], strlen(event->fields[i]) + 1);
	return r;
}

int lease_event_decode(const char *data, size_t length, struct lease_event *ret) {
	_cleanup_lease_event_ struct lease_event event = {0};

	for (int i = 0; i < LEASE_FIELDS; i++) {
		const char *end = memchr(data, '\0', length);

		if (!end)
			return -EINVAL;
		if (set_field(&event, (enum lease_field)i, data) < 0)
			return -ENOMEM;
		length -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	if (length > 0 || wrong_field(&event))
		return -EINVAL;
	*ret = event;
	event = (struct lease_event){0};
	return 0;
}

bool lease_event_same_lease(const struct lease_event *a, const struct lease_event *b) {
	enum lease_field key = a->family == AF_INET ? LEASE_MAC : LEASE_ADDRESS;

	return a->family == b->family && str_equal(a->fields[LEASE_VNI], b->fields[LEASE_VNI]) &&
	       str_equal(a->fields[key], b->fields[key]);
}
