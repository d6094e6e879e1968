/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a VM's definition: a verdict, and a refusal has a printable reason. */
#include "virt/virt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_free_ char *error = NULL, *printable = NULL;
	int r = virt_xml_check((const char *)data, size, "11111111-2222-4333-8444-555555555555", "vm1", &error);

	if ((r != 0 && r != -EINVAL) || (r < 0 && (!error || !*error)))
		abort();
	printable = error ? str_printable(error, 10000) : NULL;
	if (error && (!printable || strcmp(printable, error) != 0))
		abort();
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
