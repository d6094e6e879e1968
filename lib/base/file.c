/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base.h"

#include <fcntl.h>
#include <sys/stat.h>

int file_read(const char *path, size_t limit, char **ret, size_t *ret_length) {
	_cleanup_close_ int fd = -1;
	_cleanup_strbuf_ struct strbuf out = {0};
	char chunk[16384];

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (out.length + (size_t)n > limit)
			return -EFBIG;
		if (strbuf_add(&out, chunk, (size_t)n) < 0)
			return -ENOMEM;
	}
	if (ret_length)
		*ret_length = out.length;
	*ret = strbuf_steal(&out);
	return *ret ? 0 : -ENOMEM;
}

static int write_all(int fd, const char *data, size_t length) {
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

int file_write_atomic(const char *path, const char *data, size_t length, mode_t mode) {
	_cleanup_free_ char *temporary = str_printf("%s.XXXXXX", path);
	_cleanup_close_ int fd = -1;
	int r;

	if (!temporary)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, length);
	if (r >= 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r >= 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary); /* the first error is the one to report */
	return r;
}

int dir_make(const char *path, mode_t mode) {
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *copy; p++) {
		bool last = *p == '\0';

		if (!last && *p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		if (last)
			break;
		*p = '/';
	}
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}
