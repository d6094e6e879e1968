/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directories that our programs write below, each made when it is missing, whatever else is there (D82). */
#include <sys/stat.h>

#include "config/config.h"

/* The mode holds whatever the umask of a unit is; a directory that is there is the operator's. */
static int make(const char *path, mode_t mode) {
	struct stat st;
	bool is_new = stat(path, &st) < 0;
	int r = dir_make(path, mode);

	if (r >= 0 && is_new && chmod(path, mode) < 0)
		return -errno;
	return r;
}

int config_make_directories(const struct config *config, char **ret_error) {
	const struct {
		const char *top, *below;
		mode_t mode;
	} directories[] = {
	    {config->dynamic_directory, "", 0755},
	    {config->dynamic_directory, "/dnsmasq", 0755}, /* dnsmasq reads it with rights of its own */
	    {config->dynamic_directory, "/pdns", 0755},
	    {config->dynamic_directory, "/nft", 0755},
	    {config->dynamic_directory, "/nft/static", 0755},
	    {config->dynamic_directory, "/nft/networks", 0755},
	    {config->dynamic_directory, "/status", 0755},
	    {config->log_directory, "", 0750}, /* as other logs: root and adm */
	    {config->log_directory, "/dnsmasq", 0750},
	    {config->log_directory, "/pdns", 0750},
	    {config->log_directory, "/nft", 0750},
	    {config->console_log_directory, "",
	     0755}, /* libvirt's own directory in most set-ups: QEMU's user enters it */
	};

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_free_ char *path = str_printf("%s%s", directories[i].top, directories[i].below);
		int r = path ? make(path, directories[i].mode) : -ENOMEM;

		if (r < 0)
			return error_set(ret_error, r, "directory %s cannot be made: %s", path ? path : "",
					 strerror(-r));
	}
	return 0;
}
