/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

#define CELL_MAX 120 /* bytes of a table's cell or field: what comes from the cluster may be anything */

/* ---- messages ---- */

int failed_with(int code, const char *format, ...) {
	va_list ap;

	fputs("pvcctl: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

const char *store_error_text(int error) {
	static const struct {
		int error;
		const char *text;
	} texts[] = {
	    {-ENOENT, "the key is not there"},
	    {-ESTALE, "others keep changing it; try again"},
	    {-EEXIST, "it is there already"},
	    {-ENOTCONN, "the connection was lost, so it is unknown whether it was done; look, then try again"},
	    {-ECONNRESET, "the session was lost, so it is unknown whether it was done; look, then try again"},
	    {-ETIMEDOUT, "the cluster did not answer in time"},
	    {-EFBIG, "the value is too big"},
	    {-EIO, "ZooKeeper refused it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].error == error)
			return texts[i].text;
	return strerror(-error);
}

/* ---- tables ---- */

void table_free(struct table *table) {
	strlist_free(&table->cells);
}

void table_add(struct table *table, const char *text) {
	char *cell = str_is_absent(text) ? strdup("-") : str_printable(text, CELL_MAX);

	if (strlist_take(&table->cells, cell) < 0)
		table->failed = true;
}

void table_add_number(struct table *table, int64_t number) {
	if ((number < 0 ? strlist_add(&table->cells, "-") : strlist_addf(&table->cells, "%lld", (long long)number)) < 0)
		table->failed = true;
}

static void print_cell(const char *text, size_t width, bool right, bool last) {
	int pad = (int)(width - strlen(text));

	if (right)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

int table_print(const struct table *t) {
	_cleanup_free_ size_t *widths = calloc(t->columns, sizeof(*widths));
	bool right;

	if (t->failed || !widths)
		return failed(-ENOMEM, "out of memory");
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = strlen(t->titles[i]) - (t->titles[i][0] == '>');
	for (size_t i = 0; i < t->cells.count; i++)
		if (strlen(t->cells.items[i]) > widths[i % t->columns])
			widths[i % t->columns] = strlen(t->cells.items[i]);
	for (size_t i = 0; i < t->columns + t->cells.count; i++) {
		size_t column = i % t->columns;

		right = t->titles[column][0] == '>';
		print_cell(i < t->columns ? t->titles[i] + right : t->cells.items[i - t->columns], widths[column],
			   right, column == t->columns - 1);
	}
	return EXIT_OK;
}

void print_field(const char *title, const char *text) {
	_cleanup_free_ char *shown = text && !str_is_absent(text) ? str_printable(text, 1000) : strdup("-");

	printf("%-16s %s\n", title, shown ? shown : "-");
}

void print_field_number(const char *title, int64_t number, const char *unit) {
	if (number < 0)
		print_field(title, NULL);
	else
		printf("%-16s %lld%s%s\n", title, (long long)number, *unit ? " " : "", unit);
}

/* ---- JSON ---- */

json_t *json_text(const char *text) {
	_cleanup_free_ char *printable = str_is_absent(text) ? NULL : str_printable(text, SIZE_MAX / 2);

	return printable ? json_string(printable) : json_null();
}

json_t *json_number(int64_t number) {
	return number < 0 ? json_null() : json_integer((json_int_t)number);
}

json_t *json_list(const struct strlist *list) {
	json_t *array = json_array();

	for (size_t i = 0; array && i < list->count; i++)
		(void)json_array_append_new(array, json_text(list->items[i])); /* fails only without memory */
	return array;
}

int json_print(json_t *value) {
	int r = value ? json_dumpf(value, stdout, JSON_INDENT(2)) : -1;

	json_decref(value);
	if (r < 0)
		return failed(-ENOMEM, "cannot write the JSON: out of memory, or the output is closed");
	fputc('\n', stdout);
	return EXIT_OK;
}
