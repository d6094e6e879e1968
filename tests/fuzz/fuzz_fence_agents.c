/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a node's list of fencing agents: what is read of it is written and read again as the same. */
#include "cluster/fence_agents.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_fence_agents_ struct fence_agents first = {0}, second = {0};
	_cleanup_free_ char *text = strndup((const char *)data, size), *written = NULL, *again = NULL;

	if (!text)
		abort();
	if (fence_agents_parse(text, &first, NULL) < 0)
		return 0;
	written = fence_agents_format(&first);
	if (!written || fence_agents_parse(written, &second, NULL) < 0)
		abort();
	again = fence_agents_format(&second);
	if (!again || strcmp(written, again) != 0)
		abort();
	return 0;
}
