/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What nft(8) lists, in whatever network namespace this process is at the time. */
#include "ruleset.h"

int nft_tables(char **ret, char **ret_error) {
	static const char *const argv[] = {"nft", "list", "tables", NULL};
	_cleanup_run_result_ struct run_result result = {0};
	int r = nft_run(argv, NULL, &result, ret_error);

	if (r >= 0)
		*ret = move_ptr(result.output);
	return r;
}

int nft_listing(bool terse, struct listing *ret, char **ret_error) {
	const char *argv[] = {"nft", terse ? "-st" : "-s", "list", "table", "inet", RULESET_TABLE, NULL};
	_cleanup_run_result_ struct run_result result = {0};
	int r = nft_run(argv, NULL, &result, ret_error);

	if (r < 0)
		return r;
	r = listing_parse(result.output, ret);
	if (r == -EINVAL) /* also when it was longer than what is kept of an output */
		return error_set(ret_error, -EFBIG,
				 "nft's listing of table inet %s cannot be read, or is longer than %u bytes",
				 RULESET_TABLE, RUN_OUTPUT_MAX);
	return r;
}
