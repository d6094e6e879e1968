/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzz target of the manager's table of OSDs; `make fuzz` runs it. */
#include "ceph/ceph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct ceph_osd_row row = {0};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (ceph_osd_row_parse(text, &row) == 0 &&
	    (row.id < 0 || !row.host || !row.used || !row.available || !row.state || !*row.state))
		abort();
	ceph_osd_row_free(&row);
	free(text);
	return 0;
}
