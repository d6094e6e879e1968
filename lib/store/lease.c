/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The value of /pvc/primary/lease: a JSON object. Only its owner's session counts for who holds the role. */
#include <jansson.h>

#include "store/store.h"

void store_lease_free(struct store_lease *lease) {
	free(lease->node);
	free(lease->boot);
	free(lease->since);
	*lease = (struct store_lease){0};
}

char *store_lease_format(const struct store_lease *lease) {
	json_t *json = json_pack("{s:s, s:s, s:I, s:s, s:I}", "node", lease->node, "boot", lease->boot, "pid",
				 (json_int_t)lease->pid, "since", lease->since, "held", (json_int_t)lease->held);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

static int take(const json_t *json, const char *key, char **ret) {
	const char *text = json_string_value(json_object_get(json, key));

	*ret = text ? strdup(text) : NULL;
	return *ret ? 0 : text ? -ENOMEM : -EBADMSG;
}

int store_lease_parse(const char *text, struct store_lease *ret) {
	json_t *json = json_loads(text, 0, NULL);
	struct store_lease lease = {0};
	int r = json ? take(json, "node", &lease.node) : -EBADMSG;

	if (r >= 0)
		r = take(json, "boot", &lease.boot);
	if (r >= 0)
		r = take(json, "since", &lease.since);
	if (r >= 0) {
		lease.pid = json_integer_value(json_object_get(json, "pid"));
		lease.held = json_integer_value(json_object_get(json, "held"));
		r = lease.pid > 0 && lease.held >= 0 ? 0 : -EBADMSG;
	}
	json_decref(json);
	if (r < 0)
		store_lease_free(&lease);
	else
		*ret = lease;
	return r;
}
