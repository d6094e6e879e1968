/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel settings: files below /proc/sys. */
#include "host/sysctl.h"

#include <fcntl.h>

#define VALUE_MAX 4096 /* bytes: the kernel gives and takes at most a page */

/* Dots and slashes change places, as sysctl(8) has it: net.ipv4.conf.eth0/10.rp_filter is the device eth0.10. */
static int path_of(const char *root, const char *key, char **ret) {
	char *path;

	if (!*key || *key == '.' || *key == '/' || strstr(key, "..") || strstr(key, "//"))
		return -EINVAL;
	path = str_printf("%s/%s", root, key);
	if (!path)
		return -ENOMEM;
	for (char *p = path + strlen(root) + 1; *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	*ret = path;
	return 0;
}

int host_sysctl_read_below(const char *root, const char *key, char **ret) {
	_cleanup_free_ char *path = NULL, *value = NULL;
	size_t length;
	int r = path_of(root, key, &path);

	if (r >= 0)
		r = file_read(path, VALUE_MAX, &value, &length);
	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	while (length > 0 && value[length - 1] == '\n')
		value[--length] = '\0';
	*ret = move_ptr(value);
	return 0;
}

int host_sysctl_write_below(const char *root, const char *key, const char *value) {
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	size_t length = strlen(value);
	ssize_t n;
	int r = path_of(root, key, &path);

	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	do /* in one write: the kernel takes each as a value of its own */
		n = write(fd, value, length);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EIO;
}

int host_sysctl_read(const char *key, char **ret) {
	return host_sysctl_read_below(HOST_SYSCTL_ROOT, key, ret);
}

int host_sysctl_write(const char *key, const char *value) {
	return host_sysctl_write_below(HOST_SYSCTL_ROOT, key, value);
}
