/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as pvc-floating's note: what is read of it is written and read again as the same. */
#include "../../cmd/pvc-floating/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_strbuf_ struct strbuf text = {0}, again = {0};
	struct floating_list first, second;

	if (strbuf_add(&text, (const char *)data, size) < 0)
		abort();
	floating_parse(text.data ? text.data : "", &first);
	if (floating_format(&first, &again) < 0)
		abort();
	floating_parse(again.data ? again.data : "", &second);
	if (first.count != second.count)
		abort();
	for (size_t i = 0; i < first.count; i++)
		if (!floating_contains(&second, &first.items[i]))
			abort();
	return 0;
}
