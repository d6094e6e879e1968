/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzz target of fencing's keys, which anybody who reaches ZooKeeper can write; `make fuzz` runs it. */
#include "cluster/fence_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text = malloc(size + 1), *again = NULL;
	struct fence_record record = {0}, read = {0};
	struct fence_heart heart;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (fence_record_parse(text, &record) >= 0 && record.step != FENCE_NONE) {
		if (record.step >= FENCE_PROVEN && record.verdict == FENCE_UNKNOWN)
			abort();
		again = fence_record_format(&record);
		if (!again || fence_record_parse(again, &read) < 0 || memcmp(&record, &read, sizeof(read)) != 0)
			abort(); /* what was read is written and read again as it was */
	}
	heart = fence_heart_parse(text);
	if (strlen(heart.boot) >= sizeof(heart.boot))
		abort();
	free(again);
	free(text);
	return 0;
}
