/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzz target of storage commands, which anybody who reaches ZooKeeper can write; `make fuzz` runs it. */
#include "cluster/storage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name) {
	if (name && (!*name || strlen(name) > STORAGE_NAME_MAX || strpbrk(name, "/@, \n") || strcmp(name, "..") == 0))
		abort(); /* it becomes a part of a path */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (int queue = 0; queue < STORAGE_QUEUE_COUNT; queue++) {
		struct storage_command command = {0};
		struct storage_facts facts = {0};
		char *error = NULL;

		if (storage_parse((enum storage_queue)queue, text, &command, &error) == 0) {
			check_name(command.pool);
			check_name(command.volume);
			check_name(command.snapshot);
			check_name(command.name);
			check_name(command.node);
			if (!storage_verb_name(command.verb) || command.bytes > STORAGE_BYTES_MAX)
				abort();
			(void)storage_check(&command, &facts, &error);
		} else if (!error) {
			abort(); /* a refusal has a reason */
		}
		storage_command_free(&command);
		free(error);
	}
	free(text);
	return 0;
}
