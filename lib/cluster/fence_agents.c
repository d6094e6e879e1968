/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/fence_agents.h"

#include <jansson.h>

#define TEXT_MAX    65536 /* bytes of a text that is looked at */
#define NAME_MAX_   64    /* of a name */
#define OPTIONS_MAX 64    /* of one level */
#define SMALL       "abcdefghijklmnopqrstuvwxyz"
#define NAME_CHARS  SMALL "0123456789_"
#define KEY_CHARS   NAME_CHARS "-ABCDEFGHIJKLMNOPQRSTUVWXYZ"

void fence_agents_free(struct fence_agents *agents) {
	for (size_t i = 0; i < agents->count; i++) {
		struct strlist *options = &agents->items[i].options;

		for (size_t j = 0; j < options->count; j++)
			explicit_bzero(options->items[j], strlen(options->items[j]));
		strlist_free(options);
		free(agents->items[i].name);
	}
	free(agents->items);
	*agents = (struct fence_agents){0};
}

static bool consists_of(const char *text, const char *characters, size_t limit) {
	size_t length = strlen(text);

	return length > 0 && length <= limit && strspn(text, characters) == length;
}

int fence_agents_add(struct fence_agents *agents, const char *name, const char **ret_expected) {
	struct fence_agent *items;
	char *copy;

	if (!str_equal(name, FENCE_AGENT_BMC) &&
	    !(str_starts(name, "fence_") && consists_of(name, NAME_CHARS, NAME_MAX_))) {
		*ret_expected = "ipmitool, or a program of the package fence-agents without its path, as in fence_apc";
		return -EINVAL;
	}
	if (agents->count == FENCE_AGENTS_MAX) {
		*ret_expected = "8 agents at the most";
		return -EINVAL;
	}
	items = realloc(agents->items, (agents->count + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	agents->items = items;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	items[agents->count++] = (struct fence_agent){.name = copy};
	return 0;
}

static bool ends_with(const char *text, const char *end) {
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Of all agents of Debian's package: what names a program, a file to write, or options of a program. */
static bool runs_programs(const char *key) {
	static const char *const ends[] = {"_path",       "-path", "_script",    "-script",   "ssh_options",
					   "ssh-options", "debug", "debug_file", "debug-file"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (ends_with(key, ends[i]))
			return true;
	return false;
}

static bool is_one_line(const char *text) {
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return true;
}

int fence_agents_option(struct fence_agents *agents, const char *key, const char *value, const char **ret_expected) {
	struct fence_agent *agent = &agents->items[agents->count - 1];

	*ret_expected = NULL;
	if (str_equal(agent->name, FENCE_AGENT_BMC))
		*ret_expected = "no options: those of ipmitool are in system.fencing.ipmi";
	else if (!consists_of(key, KEY_CHARS, NAME_MAX_))
		*ret_expected = "an option's name as the agent's manual page has it under STDIN PARAMETERS";
	else if (str_equal(key, "action"))
		*ret_expected = "no action: pvc-fence gives it";
	else if (runs_programs(key))
		*ret_expected =
		    "no option that names a program or a file to write: it would be used as root by other nodes";
	else if (!is_one_line(value))
		*ret_expected = "a value of one line";
	else if (agent->options.count == OPTIONS_MAX)
		*ret_expected = "64 options at the most";
	return *ret_expected ? -EINVAL : strlist_addf(&agent->options, "%s=%s", key, value);
}

static json_t *options_json(const struct strlist *options) {
	json_t *json = json_object();

	for (size_t i = 0; json && i < options->count; i++) {
		const char *equals = strchr(options->items[i], '=');
		_cleanup_free_ char *key = strndup(options->items[i], (size_t)(equals - options->items[i]));

		if (!key || json_object_set_new(json, key, json_string(equals + 1)) < 0) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}

char *fence_agents_format(const struct fence_agents *agents) {
	json_t *list = json_array(), *json;
	char *text;

	for (size_t i = 0; list && i < agents->count; i++) {
		const struct fence_agent *agent = &agents->items[i];
		json_t *item = agent->options.count > 0 ? json_pack("{s:s, s:o}", "agent", agent->name, "options",
								    options_json(&agent->options))
							: json_pack("{s:s}", "agent", agent->name);

		if (json_array_append_new(list, item) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	json = list ? json_pack("{s:o}", "agents", list) : NULL;
	text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(json);
	return text;
}

static int parse_item(const json_t *item, struct fence_agents *agents, const char **ret_expected) {
	const char *name = json_string_value(json_object_get(item, "agent"));
	json_t *options = json_object_get(item, "options"), *value;
	const char *key;
	int r;

	*ret_expected = "a list of agents, each with its name in 'agent'";
	if (!name || (options && !json_is_object(options)))
		return -EINVAL;
	r = fence_agents_add(agents, name, ret_expected);
	json_object_foreach(options, key, value) {
		if (r < 0)
			break;
		*ret_expected = "texts as values of options";
		r = json_is_string(value) ? fence_agents_option(agents, key, json_string_value(value), ret_expected)
					  : -EINVAL;
	}
	return r;
}

int fence_agents_parse(const char *text, struct fence_agents *ret, char **ret_error) {
	_cleanup_fence_agents_ struct fence_agents agents = {0};
	json_t *json = strlen(text) <= TEXT_MAX ? json_loads(text, 0, NULL) : NULL;
	const json_t *list = json_object_get(json, "agents");
	const char *expected = "a list of agents, each with its name in 'agent'";
	int r = json_array_size(list) > 0 ? 0 : -EINVAL;

	for (size_t i = 0; r >= 0 && i < json_array_size(list); i++)
		r = parse_item(json_array_get(list, i), &agents, &expected);
	json_decref(json);
	if (r == -EINVAL)
		return error_set(ret_error, -EBADMSG, "expected %s", expected);
	if (r < 0)
		return r;
	*ret = agents;
	agents = (struct fence_agents){0};
	return 0;
}
