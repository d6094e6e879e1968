/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as pvcd.yaml: no crash, no leak, no hang, and an error always says something. With clang this is a
 * libFuzzer target (make fuzz); built without -DLIBFUZZER it runs over the files that are its arguments.
 */
#include "config/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_config_ struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	int r = config_parse("fuzz.yaml", (const char *)data, size, "pvchv2.example.org", &config, &error);

	if ((r < 0) != (config == NULL) || (r < 0 && (!error || !*error)))
		abort();
	return 0;
}

#ifndef LIBFUZZER
int main(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		_cleanup_free_ char *text = NULL;
		size_t length;

		if (file_read(argv[i], CONFIG_SIZE_MAX, &text, &length) < 0) {
			fprintf(stderr, "%s: cannot be read\n", argv[i]);
			return 1;
		}
		(void)LLVMFuzzerTestOneInput((const uint8_t *)text, length);
	}
	return 0;
}
#endif
