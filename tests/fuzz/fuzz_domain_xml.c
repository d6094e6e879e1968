/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzz target of the domain XML reader; `make fuzz` runs it. */
#include "domain/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct domain_xml xml = {0};
	struct strlist notes = {0};
	char *input = malloc(size + 1), *text = NULL, *error = NULL;

	if (!input)
		return 0;
	memcpy(input, data, size); /* callers hold it NUL-terminated */
	input[size] = '\0';
	if (domain_xml_prepare(input, size, &text, &xml, &notes, &error) >= 0) {
		struct domain_xml again = {0};

		/* what was accepted is accepted again, with the same identity */
		if (domain_xml_read(text, strlen(text), &again, NULL) < 0 || again.problems.count ||
		    !str_equal(again.uuid, xml.uuid) || !str_equal(again.name, xml.name))
			abort();
		domain_xml_free(&again);
	} else if (!error) {
		abort(); /* a refusal has a reason */
	}
	domain_xml_free(&xml);
	strlist_free(&notes);
	free(input);
	free(text);
	free(error);
	return 0;
}
