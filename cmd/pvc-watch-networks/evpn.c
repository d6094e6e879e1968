/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading FRR's configuration, as far as the choice between EVPN and flooding goes. */
#include "network.h"

#include <ctype.h>

/* The words of one line, without a comment; false at the end of the text. *text moves on. */
static bool next_line(const char **text, char *line, size_t size) {
	const char *start = *text;
	size_t length = strcspn(start, "\n"), used = 0;

	if (!*start)
		return false;
	*text = start + length + (start[length] == '\n');
	for (size_t i = 0; i < length && start[i] != '#' && start[i] != '!' && used + 1 < size; i++) {
		char c = isspace((unsigned char)start[i]) ? ' ' : start[i];

		if (c != ' ' || (used > 0 && line[used - 1] != ' '))
			line[used++] = c;
	}
	while (used > 0 && line[used - 1] == ' ')
		used--;
	line[used] = '\0';
	return true;
}

bool evpn_daemon_enabled(const char *daemons) {
	bool enabled = false;
	char line[256];

	while (next_line(&daemons, line, sizeof(line)))
		if (str_starts(line, "bgpd="))
			enabled = str_equal(line, "bgpd=yes") || str_equal(line, "bgpd=\"yes\"");
	return enabled;
}

bool evpn_advertises(const char *config) {
	bool in_family = false;
	char line[256];

	while (next_line(&config, line, sizeof(line))) {
		if (str_starts(line, "address-family "))
			in_family = str_equal(line, "address-family l2vpn evpn");
		else if (str_equal(line, "exit-address-family") || str_starts(line, "router "))
			in_family = false;
		else if (in_family && str_equal(line, "advertise-all-vni"))
			return true;
	}
	return false;
}
