/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The beginning that all programs share: configuration, then the log as it says. */
#include "config/config.h"
#include "log/log.h"

int log_start(const char *program, const char *config_option, bool debug, enum log_start_mode mode,
	      struct config **ret) {
	const char *path = config_path(config_option);
	_cleanup_free_ char *error = NULL;
	int r;

	log_init(program, debug);
	r = config_load(path, ret, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return access(path, F_OK) == 0 && access(path, R_OK) < 0 && errno == EACCES ? EXIT_PERMISSION
											    : EXIT_CONFIG;
	}
	if (mode == LOG_START_TERMINAL || (mode == LOG_START_ONE_SHOT && !log_is_journal()))
		return EXIT_OK;
	r = log_open(*ret);
	if (r < 0)
		log_warning("cannot open the log file in %s: %s: logging goes on without it", (*ret)->log_directory,
			    strerror(-r));
	return EXIT_OK;
}
