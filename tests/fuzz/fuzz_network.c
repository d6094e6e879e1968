/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzz target of what pvcctl takes for client networks: each line of the input is one option. */
#include "../../cmd/pvcctl/network_address.c" /* a program's own files are not in the library */
#undef NONE
#include "../../cmd/pvcctl/network_check.c"
#include "../../cmd/pvcctl/network_values.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS 12

/* The lines; NULL for those that are empty or missing. */
static void split(char *text, const char *fields[FIELDS]) {
	for (size_t i = 0; i < FIELDS; i++)
		fields[i] = NULL;
	for (size_t i = 0; i < FIELDS && text; i++) {
		char *end = strchr(text, '\n');

		if (end)
			*end++ = '\0';
		fields[i] = *text ? text : NULL;
		text = end;
	}
}

/* What was accepted is accepted again and stays as it is. */
static void check_again(struct net_values *v) {
	struct net_options same = {.name = v->text[NET_SELF]};
	struct net_values before = {0};
	char *error = NULL;

	if (str_equal(v->text[NET_TYPE], "managed")) {
		same.domain = v->text[NET_DOMAIN];
		same.dns = *v->text[NET_DNS] ? v->text[NET_DNS] : NULL;
		same.ipnet = str_is_absent(v->text[NET_IP4_NETWORK]) ? NULL : v->text[NET_IP4_NETWORK];
		same.ipnet6 = str_is_absent(v->text[NET_IP6_NETWORK]) ? NULL : v->text[NET_IP6_NETWORK];
		same.gateway6 = same.ipnet6 ? v->text[NET_IP6_GATEWAY] : NULL;
	}
	for (int k = 0; k < NET_KEY_COUNT; k++)
		if (net_put(&before, (enum net_key)k, v->text[k]) < 0)
			abort();
	if (net_values_change(&before, &same, &error) < 0)
		abort();
	for (int k = 0; k < NET_KEY_COUNT; k++)
		if (!str_equal(before.text[k], v->text[k]))
			abort();
	if (net_values_collide(&before, v, "1", &error) != -EEXIST) /* its own name */
		abort();
	net_values_free(&before);
	free(error);
}

static void check_words(const char *text) {
	char mac[NET_MAC_TEXT], address[IP_PREFIX_TEXT];
	struct net_values v = {0};
	struct strlist servers = {0};

	if (net_check_mac(text, mac, NULL) == 0 && net_check_mac(mac, mac, NULL) < 0)
		abort();
	if (net_check_rule(text, NULL) == 0 && (strpbrk(text, ";\n\r") || strlen(text) > 4096))
		abort();
	if (net_check_rule_name(text, NULL) == 0 && strpbrk(text, "/ \t"))
		abort();
	(void)net_dns_read(text, &servers);
	for (size_t i = 0; i < servers.count; i++)
		if (strpbrk(servers.items[i], "[]'\", "))
			abort();
	strlist_free(&servers);
	if (net_put(&v, NET_IP4_NETWORK, "10.1.0.0/24") < 0)
		abort();
	if (net_check_reservation(&v, text, address, NULL) == 0 && !str_starts(address, "10.1.0."))
		abort();
	net_values_free(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *input = malloc(size + 1), *error = NULL;
	const char *f[FIELDS];
	struct net_values v = {0};
	uint32_t vni;

	if (!input)
		return 0;
	memcpy(input, data, size);
	input[size] = '\0';
	check_words(input);
	split(input, f);
	if (net_values_new(f[0] ? f[0] : "1",
			   &(struct net_options){.name = f[1] ? f[1] : "a",
						 .type = f[2],
						 .domain = f[3],
						 .dns = f[4],
						 .ipnet = f[5],
						 .gateway = f[6],
						 .ipnet6 = f[7],
						 .gateway6 = f[8],
						 .dhcp_start = f[9],
						 .dhcp_end = f[10],
						 .dhcp = str_equal(f[11], "1"),
						 .no_dhcp = str_equal(f[11], "0")},
			   &vni, &v, &error) >= 0)
		check_again(&v);
	else if (!error)
		abort(); /* a refusal has a reason */
	net_values_free(&v);
	free(input);
	free(error);
	return 0;
}
