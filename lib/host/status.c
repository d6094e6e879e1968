/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Status files: how the daemons of one node tell each other figures without talking to each other. The writer replaces
 * the whole file; the reader learns how old it is and never waits. The first two lines are the stamp: the boot it was
 * written in and the CLOCK_BOOTTIME of that moment, because the wall clock may be stepped and the dynamic directory may
 * outlive a boot.
 */
#include "host/host.h"

#define STATUS_LIMIT (1024u * 1024u) /* a thousand running VMs are 37 kB */

struct status {
	char *text; /* cut into keys and values in place */
	struct entry {
		const char *key, *value;
	} * entries;
	size_t count;
};

static char *status_path(const char *dynamic_directory, const char *name) {
	return str_printf("%s/status/%s", dynamic_directory, name);
}

static bool field_is_valid(const struct status_field *field) {
	return field->key && field->value && *field->key && !strpbrk(field->key, "=\n") && !strchr(field->value, '\n');
}

int status_write(const char *dynamic_directory, const char *name, const struct status_field *fields, size_t count) {
	_cleanup_free_ char *directory = str_printf("%s/status", dynamic_directory);
	_cleanup_free_ char *path = status_path(dynamic_directory, name), *boot = NULL;
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	if (!directory || !path)
		return -ENOMEM;
	r = host_boot_id(&boot);
	if (r < 0)
		return r;
	(void)strbuf_addf(&text, "boot=%s\nstamp=%llu\n", boot, (unsigned long long)now_boottime());
	for (size_t i = 0; i < count; i++) {
		if (!field_is_valid(&fields[i]))
			return -EINVAL;
		(void)strbuf_addf(&text, "%s=%s\n", fields[i].key, fields[i].value);
	}
	if (text.failed) /* of any of the additions above */
		return -ENOMEM;
	r = dir_make(directory, 0755);
	return r < 0 ? r : file_write_atomic(path, text.data, text.length, 0644);
}

static int status_parse(struct status *status) {
	size_t lines = 0;

	for (const char *p = status->text; (p = strchr(p, '\n')); p++)
		lines++;
	status->entries = calloc(lines + 1, sizeof(*status->entries));
	if (!status->entries)
		return -ENOMEM;
	for (char *line = status->text, *end; *line; line = end + 1) {
		char *equals = strchr(line, '=');

		end = strchr(line, '\n');
		if (!end || !equals || equals > end)
			return -EBADMSG;
		*equals = *end = '\0';
		status->entries[status->count++] = (struct entry){line, equals + 1};
	}
	return 0;
}

/* The age of what was written in this boot; -ENOENT for another boot's. */
static int status_age(const struct status *status, usec_t *ret) {
	const char *boot = status_get(status, "boot"), *stamp = status_get(status, "stamp");
	_cleanup_free_ char *this_boot = NULL;
	uint64_t written;
	usec_t now = now_boottime();
	int r = host_boot_id(&this_boot);

	if (r < 0)
		return r;
	if (!boot || parse_u64(stamp, 0, UINT64_MAX, &written) < 0)
		return -EBADMSG;
	if (!str_equal(boot, this_boot) || written > now)
		return -ENOENT;
	*ret = now - written;
	return 0;
}

int status_read(const char *dynamic_directory, const char *name, struct status **ret, usec_t *ret_age) {
	_cleanup_free_ char *path = status_path(dynamic_directory, name);
	_cleanup_(status_freep) struct status *status = calloc(1, sizeof(*status));
	usec_t age;
	int r;

	if (!path || !status)
		return -ENOMEM;
	r = file_read(path, STATUS_LIMIT, &status->text, NULL);
	if (r >= 0)
		r = status_parse(status);
	if (r >= 0)
		r = status_age(status, &age);
	if (r < 0)
		return r;
	if (ret_age)
		*ret_age = age;
	*ret = move_ptr(status);
	return 0;
}

const char *status_get(const struct status *status, const char *key) {
	for (size_t i = 0; i < status->count; i++)
		if (str_equal(status->entries[i].key, key))
			return status->entries[i].value;
	return NULL;
}

void status_free(struct status *status) {
	if (!status)
		return;
	free(status->entries);
	free(status->text);
	free(status);
}
