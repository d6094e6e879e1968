/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of `osd status`:
 *   ID  HOST    USED  AVAIL  WR OPS  WR DATA  RD OPS  RD DATA  STATE
 *    0  hv1   17.9M  2029M      0      819k       0        0   exists,up
 * An OSD that is down has no host and no figures. Figures have the suffixes k, M, G, T, P (of 1000, or of 1024 for
 * data).
 */
#include "ceph/ceph.h"

void ceph_osd_row_free(struct ceph_osd_row *row) {
	free(row->host);
	free(row->used);
	free(row->available);
	free(row->state);
	*row = (struct ceph_osd_row){0};
}

static int figure(const char *text, uint64_t unit, uint64_t *ret) {
	static const char suffixes[] = "kMGTPE";
	const char *suffix;
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0 && value <= 1e18))
		return -EINVAL;
	for (suffix = suffixes; *end && *suffix; suffix++) {
		value *= (double)unit;
		if (*suffix == *end)
			break;
	}
	if ((*end && (!*suffix || end[1])) || value > 1e18)
		return -EINVAL;
	*ret = (uint64_t)value;
	return 0;
}

int ceph_osd_row_parse(const char *line, struct ceph_osd_row *ret) {
	_cleanup_strlist_ struct strlist words = {0};
	struct ceph_osd_row row = {0};
	uint64_t id;
	size_t n;
	int r = strlist_split(&words, line, " \t\r\n");

	if (r < 0)
		return r;
	if (words.count < 2 || words.count > 9 || parse_u64(words.items[0], 0, INT32_MAX, &id) < 0)
		return -EINVAL;
	row.id = (int64_t)id;
	n = words.count;
	row.state = strdup(words.items[n - 1]);
	row.host = strdup(n == 9 ? words.items[1] : "");
	row.used = strdup(n >= 8 ? words.items[n - 7] : "0");
	row.available = strdup(n >= 8 ? words.items[n - 6] : "0");
	if (!row.state || !row.host || !row.used || !row.available)
		r = -ENOMEM;
	if (r == 0 && n >= 8 &&
	    (figure(words.items[n - 5], 1000, &row.write_ops) < 0 ||
	     figure(words.items[n - 4], 1024, &row.write_bytes) < 0 ||
	     figure(words.items[n - 3], 1000, &row.read_ops) < 0 ||
	     figure(words.items[n - 2], 1024, &row.read_bytes) < 0))
		r = -EINVAL;
	if (r < 0) {
		ceph_osd_row_free(&row);
		return r;
	}
	*ret = row;
	return 0;
}
