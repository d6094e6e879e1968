/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base.h"

int error_set(char **ret_error, int error, const char *format, ...) {
	va_list ap;
	char *text = NULL;

	if (!ret_error)
		return error;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	free(*ret_error); /* after formatting: the old text may be one of the arguments */
	*ret_error = text;
	return error;
}

int exit_code_of(int error) {
	switch (error < 0 ? -error : error) {
	case 0:
		return EXIT_OK;
	case EACCES:
	case EPERM:
		return EXIT_PERMISSION;
	case EAGAIN:
	case ETIMEDOUT:
		return EXIT_TEMPORARY;
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOTCONN:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return EXIT_UNAVAILABLE;
	case EINVAL:
	case ENOENT:
	case EEXIST:
		return EXIT_FAILED;
	default:
		return EXIT_SYSTEM;
	}
}
