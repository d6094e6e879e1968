/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lib/ceph's reading of the manager's table for people: by words, never by columns (D60). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ceph/ceph.h"

static void rows_of_osds_are_read_by_their_words(void **state) {
	static const struct {
		const char *line;
		struct ceph_osd_row is;
	} rows[] = {
	    {" 0  hv1   17.9M  2029M      0      819k       0        0   exists,up  ",
	     {0, "hv1", "17.9M", "2029M", "exists,up", 0, 819 * 1024, 0, 0}},
	    {"12 a-long-host-name-1 1126M 462G 1430 1.5M 2k 12 exists,up\n",
	     {12, "a-long-host-name-1", "1126M", "462G", "exists,up", 1430, 1572864, 2000, 12}},
	    {" 1           0      0      0        0       0        0   exists  ",
	     {1, "", "0", "0", "exists", 0, 0, 0, 0}},
	    {"3 exists,new", {3, "", "0", "0", "exists,new", 0, 0, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ceph_osd_row row = {0};

		assert_int_equal(ceph_osd_row_parse(rows[i].line, &row), 0);
		assert_int_equal(row.id, rows[i].is.id);
		assert_string_equal(row.host, rows[i].is.host);
		assert_string_equal(row.used, rows[i].is.used);
		assert_string_equal(row.available, rows[i].is.available);
		assert_string_equal(row.state, rows[i].is.state);
		assert_true(row.write_ops == rows[i].is.write_ops && row.write_bytes == rows[i].is.write_bytes);
		assert_true(row.read_ops == rows[i].is.read_ops && row.read_bytes == rows[i].is.read_bytes);
		ceph_osd_row_free(&row);
	}
}

static void what_is_no_row_is_left_out(void **state) {
	static const char *const lines[] = {
	    "",
	    "ID  HOST   USED  AVAIL  WR OPS  WR DATA  RD OPS  RD DATA  STATE",
	    "0",
	    "-1 hv1 1M 1M 0 0 0 0 exists,up",
	    "0 hv1 1M 1M x 0 0 0 exists,up",
	    "0 hv1 1M 1M 0 1q 0 0 exists,up",
	    "0 hv1 1M 1M 0 1kk 0 0 exists,up",
	    "0 hv1 1M 1M 0 -1 0 0 exists,up",
	    "0 hv1 1M 1M nan 0 0 0 exists,up",
	    "0 a b c d e f g h i j k",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct ceph_osd_row row = {.id = 77};

		assert_int_equal(ceph_osd_row_parse(lines[i], &row), -EINVAL);
		assert_int_equal(row.id, 77);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_of_osds_are_read_by_their_words),
	    cmocka_unit_test(what_is_no_row_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
