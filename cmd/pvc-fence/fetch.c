/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fetch.h"

int fetch_paths(const char *node, struct strlist *ret) {
	static const char *const names[] = {"ipmihostname", "ipmiusername", "ipmipassword"};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		r = strlist_take(ret, store_path(STORE_NODES, node, names[i], (char *)NULL));
	if (r >= 0)
		r = strlist_take(ret, store_path(STORE_PVC_AGENTS, node, (char *)NULL));
	return r;
}

int fetch_agents(const char *node, const struct store_value values[FETCH_KEYS], struct agents **ret, char **ret_error) {
	const struct agents_known known = {.node = node,
					   .ipmi_host = values[0].data,
					   .ipmi_user = values[1].data,
					   .ipmi_password = values[2].data,
					   .agents = values[3].data};

	return agents_new(&known, ret, ret_error);
}
