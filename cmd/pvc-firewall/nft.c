/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs of nft(8), in whatever network namespace this process is at the time. No file of others and no variable gets
 * in: commands come through standard input. */
#include "ruleset.h"

#define PROBLEM_BYTES 500 /* of nft's words in one message */

/* "/dev/stdin:3:12-20: Error: ..." becomes "line 3:12-20: Error: ...", the first one of them. */
static char *first_error(const char *words) {
	static const char name[] = "/dev/stdin:";
	_cleanup_free_ char *line = NULL, *printable = NULL;
	const char *start = strstr(words, "Error: ");
	bool numbered;

	if (!start)
		start = words;
	while (start > words && start[-1] != '\n')
		start--;
	numbered = str_starts(start, name);
	if (numbered)
		start += strlen(name);
	line = strndup(start, strcspn(start, "\n"));
	printable = line ? str_printable(line, PROBLEM_BYTES) : NULL;
	return printable ? str_printf("%s%s", numbered ? "line " : "", printable) : NULL;
}

static int run(const char *const argv[], const char *input, struct run_result *ret, char **ret_error) {
	int r = run_command(argv, input, deadline_after(NFT_TIME), ret);

	if (r == -ENOENT)
		return error_set(ret_error, r, "there is no program nft: install nftables");
	if (r == -ETIMEDOUT)
		return error_set(ret_error, r, "nft did not end within %u s and was killed",
				 (unsigned)(NFT_TIME / USEC_PER_SEC));
	if (r < 0)
		return error_set(ret_error, r, "nft cannot be run: %s", strerror(-r));
	if (ret->status != 0) {
		_cleanup_free_ char *why = first_error(ret->error);
		int status = ret->status;

		run_result_free(ret);
		if (!why || !*why)
			return error_set(ret_error, -EIO, "nft failed with status %d", status);
		return error_set(ret_error, -EIO, "%s", why);
	}
	return 0;
}

int nft_load(const char *commands, char **ret_error) {
	static const char *const argv[] = {"nft", "-f", "-", NULL};
	_cleanup_run_result_ struct run_result result = {0};

	return run(argv, commands, &result, ret_error);
}

int nft_tables(char **ret, char **ret_error) {
	static const char *const argv[] = {"nft", "list", "tables", NULL};
	_cleanup_run_result_ struct run_result result = {0};
	int r = run(argv, NULL, &result, ret_error);

	if (r >= 0)
		*ret = move_ptr(result.output);
	return r;
}

int nft_listing(bool terse, struct listing *ret, char **ret_error) {
	const char *argv[] = {"nft", terse ? "-st" : "-s", "list", "table", "inet", RULESET_TABLE, NULL};
	_cleanup_run_result_ struct run_result result = {0};
	int r = run(argv, NULL, &result, ret_error);

	if (r < 0)
		return r;
	r = listing_parse(result.output, ret);
	if (r == -EINVAL) /* also when it was longer than what is kept of an output */
		return error_set(ret_error, -EFBIG,
				 "nft's listing of table inet %s cannot be read, or is longer than %u bytes",
				 RULESET_TABLE, RUN_OUTPUT_MAX);
	return r;
}
