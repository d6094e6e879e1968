/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text as the rule of a network, and any bytes as the userdata of a rule in the kernel. */
#include "firewall/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_free_ char *text = strndup((const char *)data, size), *problem = NULL, *problems = NULL;
	_cleanup_network_rules_ struct network_rules rules = {.vni = 1};
	struct rule_digest digest;

	if (!text)
		return 0;
	problem = rule_text_lint(text);
	if (!problem) { /* it is one line, and a quote that opens in it closes in it unless a comment begins before */
		bool quoted = false;

		if (strlen(text) > NETWORK_RULE_BYTES)
			abort();
		for (const char *p = text; *p; p++) {
			if (*p == '"')
				quoted = !quoted;
			if ((unsigned char)*p < ' ' && *p != '\t')
				abort();
			if (!quoted && *p == '#')
				break;
			if (!quoted && (*p == ';' || *p == '\\'))
				abort();
			if (quoted && p[1] == '\0')
				abort();
		}
	}
	(void)change_digest_of(data, size, &digest);
	if (network_rules_add(&rules, NETWORK_IN, text, text, text) < 0 ||
	    network_rules_add(&rules, NETWORK_IN, "2", "2", "x") < 0)
		abort();
	problems = network_rules_problems(&rules);
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
