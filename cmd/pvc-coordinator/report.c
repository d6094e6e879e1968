/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The status of the services for people and for scripts. */
#include "services.h"

#include <jansson.h>

static const char *state_word(const struct service *service) {
	if (!service->state.active)
		return "unknown";
	return str_equal(service->state.load, "loaded") ? service->state.active : service->state.load;
}

static const char *mode_word(const struct config *config) {
	return config->is_coordinator ? "coordinator" : "hypervisor";
}

int report_text(const struct service *services, const struct config *config) {
	printf("%s is a %s: it is %sin cluster.coordinators of %s\n\n", config->node, mode_word(config),
	       config->is_coordinator ? "" : "not ", config->path);
	printf("%-10s %-28s %-7s %-12s %s\n", "SERVICE", "UNIT", "WANTED", "STATE", "ANSWERS");
	for (size_t i = 0; i < service_kind_count; i++) {
		const struct service *s = &services[i];

		printf("%-10s %-28s %-7s %-12s ", s->kind->name, s->unit, s->wanted ? "yes" : "no", state_word(s));
		if (!s->wanted)
			puts("-");
		else
			printf("%s%s%s\n", s->answers ? "yes" : "no", s->detail ? ": " : "",
			       s->detail ? s->detail : "");
		if (s->warning)
			printf("%10s warning: %s\n", "", s->warning);
	}
	return fflush(stdout) < 0 ? -errno : 0;
}

static json_t *text_or_null(const char *text) {
	return text ? json_string(text) : json_null();
}

static json_t *service_json(const struct service *s) {
	return json_pack("{s:s, s:s, s:b, s:b, s:s, s:o, s:o, s:o, s:o}", "name", s->kind->name, "unit", s->unit,
			 "wanted", (int)s->wanted, "optional", (int)s->kind->optional, "state", state_word(s), "sub",
			 text_or_null(s->state.sub), "answers", s->probed ? json_boolean(s->answers) : json_null(),
			 "detail", text_or_null(s->detail), "warning", text_or_null(s->warning));
}

int report_json(const struct service *services, const struct config *config) {
	json_t *list = json_array(), *root = NULL;
	bool ready = true;
	int r = list ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < service_kind_count; i++) {
		if (json_array_append_new(list, service_json(&services[i])) < 0)
			r = -ENOMEM;
		ready = ready && (!services[i].wanted || services[i].answers || services[i].kind->optional);
	}
	root = r < 0 ? NULL
		     : json_pack("{s:s, s:s, s:b, s:O}", "node", config->node, "mode", mode_word(config), "ready",
				 (int)ready, "services", list);
	if (root && (json_dumpf(root, stdout, JSON_INDENT(2)) < 0 || printf("\n") < 0 || fflush(stdout) < 0))
		r = -EIO;
	if (!root)
		r = -ENOMEM;
	json_decref(root);
	json_decref(list);
	return r;
}
