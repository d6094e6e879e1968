/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A BMC by ipmitool. The password goes through the environment (-E): arguments are for everybody to read (D12). */
#include <strings.h>

#include "level.h"

/* "Chassis Power is on": whatever its case and the white space around it (D10: the newline at its end counted in the
 * reference's comparison). Any other text is no answer. */
enum agents_power ipmi_parse_power(const char *text) {
	static const char prefix[] = "chassis power is ";
	static const char blank[] = " \t\r\n";
	const char *word = text + strspn(text, blank);
	size_t length;

	if (strncasecmp(word, prefix, sizeof(prefix) - 1) != 0)
		return AGENTS_POWER_UNKNOWN;
	word += sizeof(prefix) - 1;
	word += strspn(word, blank);
	length = strcspn(word, blank);
	if (word[length + strspn(word + length, blank)])
		return AGENTS_POWER_UNKNOWN;
	if (length == 2 && strncasecmp(word, "on", 2) == 0)
		return AGENTS_POWER_ON;
	return length == 3 && strncasecmp(word, "off", 3) == 0 ? AGENTS_POWER_OFF : AGENTS_POWER_UNKNOWN;
}

/* -C 3: cipher suite 3 is what every BMC has; without it ipmitool asks which there are, which takes 10 s more with one
 * that does not answer that question. */
static int chassis_power(const struct level *level, const char *verb, const struct level_call *call,
			 struct run_result *ret, char **ret_error) {
	const char *const argv[] = {"ipmitool", "-I",        "lanplus", "-C",      "3",     "-H", level->host,
				    "-U",       level->user, "-E",      "chassis", "power", verb, NULL};
	const char *const environment[] = {level->environment, NULL};
	const struct run_options options = {
	    .environment = environment, .deadline = call->deadline, .abandon = call->abandon};

	return level_run(argv, &options, ret, ret_error);
}

static enum agents_power ipmi_power(const struct level *level, const struct level_call *call, char **ret_error) {
	_cleanup_run_result_ struct run_result result = {0};
	enum agents_power power = AGENTS_POWER_UNKNOWN;

	if (chassis_power(level, "status", call, &result, ret_error) < 0)
		return power;
	/* also what was said before a failure is no answer */
	if (result.status == 0)
		power = ipmi_parse_power(result.output);
	if (power == AGENTS_POWER_UNKNOWN && ret_error)
		*ret_error = level_complaint(&result);
	return power;
}

static int ipmi_turn(const struct level *level, bool on, const struct level_call *call, char **ret_error) {
	_cleanup_run_result_ struct run_result result = {0};
	int r = chassis_power(level, on ? "on" : "off", call, &result, ret_error);

	if (r < 0 || result.status == 0)
		return r;
	if (ret_error)
		*ret_error = level_complaint(&result);
	return -EIO;
}

static const struct level_kind kind_ipmi = {ipmi_power, ipmi_turn};

int level_ipmi(const struct agents_known *known, struct level *ret) {
	struct level level = {
	    .kind = &kind_ipmi,
	    .shown = str_printf("ipmitool at %s", known->ipmi_host),
	    .host = strdup(known->ipmi_host),
	    .user = strdup(known->ipmi_user ? known->ipmi_user : ""),
	    .environment = str_printf("IPMITOOL_PASSWORD=%s", known->ipmi_password ? known->ipmi_password : ""),
	};

	if (!level.shown || !level.host || !level.user || !level.environment) {
		level_free(&level);
		return -ENOMEM;
	}
	*ret = level;
	return 0;
}
