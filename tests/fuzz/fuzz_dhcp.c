/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as the keys of a network, as a reservation, as what dnsmasq tells and as an event in the gateway's socket:
 * what comes out is never more than one word. */
#include "../../cmd/pvc-gateway/wanted.c"

#define WORDS 24

static const char *words[WORDS];
static char *variable(const char *name) {
	return (char *)words[(unsigned char)name[strlen(name) - 1] % WORDS];
}

static void must_be_a_word(const char *text) {
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			abort();
}

static void take_event(int r, struct lease_event *event) {
	if (r < 0)
		return;
	for (int i = 0; i < LEASE_FIELDS; i++)
		must_be_a_word(event->fields[i]);
	lease_event_free(event);
}

static void take_keys(void) {
	const struct place place = {
	    "vmbr1",   7,    1450, "/run/pvc/dnsmasq/1", "/usr/sbin/pvc-dhcp-lease", "/run/pvc/dnsmasq/servers",
	    "dnsmasq", false};
	const char *keys[KEY_COUNT];
	_cleanup_strlist_ struct strlist arguments = {0};
	struct wanted wanted;

	memcpy(keys, words, sizeof(keys));
	keys[KEY_NETTYPE] = "managed";
	if (wanted_compute(keys, &wanted) < 0)
		return;
	if (wanted_server(&wanted) && wanted_arguments(&wanted, &place, &arguments) >= 0)
		for (size_t i = 1; i < arguments.count; i++) {
			must_be_a_word(arguments.items[i]);
			if (!str_starts(arguments.items[i], "--"))
				abort();
		}
	wanted_free(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_free_ char *text = malloc(size + 1), *line = NULL;
	char *arguments[4];
	struct lease_event event;
	struct ip_prefix network;
	const char *why;
	size_t at = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	take_event(lease_event_decode(text, size, &event), &event);
	for (size_t i = 0; i < WORDS; i++) { /* lines are the words */
		words[i] = text + at;
		at += strcspn(text + at, "\n");
		if (text[at])
			text[at++] = '\0';
	}
	take_keys();
	for (size_t i = 0; i < 4; i++)
		arguments[i] = (char *)words[i];
	take_event(lease_event_parse(words[4], arguments, 4, variable, &event, NULL, NULL), &event);
	if (ip_prefix_parse("10.0.0.0/8", false, &network) >= 0)
		line = reservation_line(words[0], words[1], words[2], &network, &why);
	if (line)
		must_be_a_word(line);
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
