/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes as people write and read them. */
#include <ctype.h>
#include <math.h>

#include "storage.h"

static const char units[] = "BKMGTP";

/* "G", "g", "GB", "GiB": all the same power of 1024. */
static int unit_parse(const char *text, unsigned *ret) {
	const char *unit = *text ? strchr(units, toupper((unsigned char)*text)) : NULL;

	if (!unit)
		return -EINVAL;
	text++;
	if (unit != units && tolower((unsigned char)text[0]) == 'i' && tolower((unsigned char)text[1]) == 'b')
		text += 2;
	else if (unit != units && tolower((unsigned char)text[0]) == 'b')
		text++;
	*ret = (unsigned)(unit - units);
	return *text ? -EINVAL : 0;
}

int size_parse(const char *text, uint64_t *ret) {
	size_t digits = strspn(text, "0123456789."), whole = strspn(text, "0123456789");
	_cleanup_free_ char *number = strndup(text, digits);
	unsigned unit;
	double value;
	char *end;

	if (!number)
		return -ENOMEM;
	value = strtod(number, &end);
	if (whole == 0 || *end || unit_parse(text + digits, &unit) < 0)
		return -EINVAL;
	value = round(ldexp(value, (int)(10 * unit)));
	if (value < 1 || value > (double)STORAGE_BYTES_MAX)
		return -EINVAL;
	*ret = (uint64_t)value;
	return 0;
}

char *size_text(int64_t bytes) {
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 0)
		return NULL;
	while (value >= 1024 && unit + 2 < sizeof(units)) {
		value /= 1024;
		unit++;
	}
	/* a value that is not exactly so is one digit more precise, and never rounded up to what it is not */
	if (value == floor(value) || value >= 100)
		return str_printf("%.0f%c", floor(value), units[unit]);
	return str_printf("%.1f%c", floor(value * 10) / 10, units[unit]);
}
