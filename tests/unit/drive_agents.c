/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steered by tests/bats/fence-agents.bats: asks agents as the daemon does. drive_agents status|off|on SECONDS [HOST
 * USER]; the password is $BMC_PASSWORD, the value of /pvc/agents/NODE $AGENTS. SIGUSR1 calls it off. Prints the
 * verdict, the power and what was said, one a line. */
#include <signal.h>

#include "../../cmd/pvc-fence/agents.h"

static atomic_bool abandon;

static void on_signal(int signal) {
	(void)signal;
	atomic_store(&abandon, true);
}

int main(int argc, char **argv) {
	static const char *const powers[] = {"unknown", "on", "off"};
	struct agents_known known = {.node = "victim"};
	_cleanup_agents_ struct agents *agents = NULL;
	_cleanup_agents_answer_ struct agents_answer answer = {0};
	_cleanup_free_ char *error = NULL;
	uint64_t seconds;

	if (argc < 3 || parse_u64(argv[2], 1, 3600, &seconds) < 0)
		return EXIT_USAGE;
	(void)signal(SIGUSR1, on_signal);
	if (argc >= 5) {
		known.ipmi_host = argv[3];
		known.ipmi_user = argv[4];
	}
	known.ipmi_password = getenv("BMC_PASSWORD");
	known.agents = getenv("AGENTS");
	if (agents_new(&known, &agents, &error) < 0) {
		printf("wrong\n%s\n", error ? error : "");
		return EXIT_CONFIG;
	}
	agents_ask(agents,
		   str_equal(argv[1], "off")  ? AGENTS_OFF
		   : str_equal(argv[1], "on") ? AGENTS_ON
					      : AGENTS_STATUS,
		   deadline_after(seconds * USEC_PER_SEC), &abandon, &answer);
	printf("%s\n%s\n%s\n", fence_verdict_name(agents_verdict(&answer)), powers[answer.power],
	       answer.said ? answer.said : "(nothing)");
	return EXIT_OK;
}
