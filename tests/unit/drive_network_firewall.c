/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The networks' firewall, steered by bats tests and benchmarks, in the network namespace that it is started in:
 *   drive_network_firewall list            networks of which anything is there
 *   drive_network_firewall apply <INPUT    lines "network VNI" and, for that network, "rule in|out NAME ORDER TEXT";
 *                                          prints "changed" or "unchanged", and "VNI in/NAME: PROBLEM" lines
 *   drive_network_firewall remove VNI...
 * With --times also the milliseconds that each step took.
 */
#include "firewall/network.h"

static struct network_rules *networks;
static struct network_rules **pointers;
static size_t network_count;
static bool times;

static void failed(const char *what, int r, const char *error) {
	fprintf(stderr, "%s: %s\n", what, error ? error : strerror(-r));
	exit(1);
}

static void took(const char *what, usec_t since) {
	if (times)
		printf("%s %.1f ms\n", what, (double)(now_monotonic() - since) / 1000);
}

static void read_input(void) {
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		char *save, *word = strtok_r(line, " \n", &save);

		if (word && str_equal(word, "network")) {
			networks = reallocarray(networks, network_count + 1, sizeof(*networks));
			if (!networks)
				abort();
			networks[network_count++] =
			    (struct network_rules){.vni = (uint32_t)strtoul(strtok_r(NULL, " \n", &save), NULL, 10)};
		} else if (word && network_count > 0) {
			const char *direction = strtok_r(NULL, " ", &save), *name = strtok_r(NULL, " ", &save),
				   *order = strtok_r(NULL, " ", &save), *text = strtok_r(NULL, "\n", &save);

			if (network_rules_add(&networks[network_count - 1],
					      str_equal(direction, "in") ? NETWORK_IN : NETWORK_OUT, name, order,
					      text) < 0)
				abort();
		}
	}
	pointers = calloc(network_count + 1, sizeof(struct network_rules *));
	if (!pointers)
		abort();
	for (size_t i = 0; i < network_count; i++)
		pointers[i] = &networks[i];
}

static void print_problems(void) {
	for (size_t i = 0; i < network_count; i++) {
		_cleanup_free_ char *problems = network_rules_problems(&networks[i]);
		char *save, *line = strtok_r(problems, "\n", &save);

		for (; line; line = strtok_r(NULL, "\n", &save))
			printf("%u %s\n", networks[i].vni, line);
	}
}

int main(int argc, char **argv) {
	_cleanup_network_firewall_ struct network_firewall *firewall = NULL;
	_cleanup_free_ uint32_t *vnis = NULL;
	_cleanup_free_ char *error = NULL;
	const char *command;
	size_t count = 0;
	usec_t since;
	int r;

	if (argc > 1 && str_equal(argv[1], "--times")) {
		times = true;
		argc--, argv++;
	}
	command = argc > 1 ? argv[1] : "";
	if (str_equal(command, "apply"))
		read_input();
	since = now_monotonic();
	r = network_firewall_open(&firewall);
	if (r >= 0)
		r = network_firewall_begin(firewall, &vnis, &count, &error);
	if (r < 0)
		failed("begin", r, error);
	took("begin", since);
	since = now_monotonic();
	if (str_equal(command, "list")) {
		for (size_t i = 0; i < count; i++)
			printf("%u\n", vnis[i]);
	} else if (str_equal(command, "apply")) {
		r = network_firewall_apply(firewall, pointers, network_count, &error);
		if (r < 0)
			failed("apply", r, error);
		took("apply", since);
		printf("%s\n", r > 0 ? "changed" : "unchanged");
		print_problems();
	} else if (str_equal(command, "remove")) {
		for (int i = 2; i < argc; i++) {
			uint32_t vni = (uint32_t)strtoul(argv[i], NULL, 10);

			r = network_firewall_remove(firewall, &vni, 1, &error);
			if (r < 0)
				failed("remove", r, error);
			printf("%s\n", r > 0 ? "removed" : "nothing");
		}
		took("remove", since);
	}
	for (size_t i = 0; i < network_count; i++)
		network_rules_free(&networks[i]);
	free(networks);
	free(pointers);
	return network_firewall_disturbed(firewall) ? 3 : 0;
}
