/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firewall/nft.h"

#include <fcntl.h>
#include <sched.h>

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

/* Success also when nft says no: ret->status. */
static int run(const char *const argv[], const char *input, struct run_result *ret, char **ret_error) {
	int r = run_command(argv, input, deadline_after(NFT_TIME), ret);

	if (r == -ENOENT)
		return error_set(ret_error, r, "there is no program nft: install nftables");
	if (r == -ETIMEDOUT)
		return error_set(ret_error, r, "nft did not end within %u s and was killed",
				 (unsigned)(NFT_TIME / USEC_PER_SEC));
	if (r < 0)
		return error_set(ret_error, r, "nft cannot be run: %s", strerror(-r));
	return 0;
}

int nft_run(const char *const argv[], const char *input, struct run_result *ret, char **ret_error) {
	int r = run(argv, input, ret, ret_error);

	if (r < 0)
		return r;
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

static const char *const load[] = {"nft", "-f", "-", NULL};

int nft_load(const char *commands, char **ret_error) {
	_cleanup_run_result_ struct run_result result = {0};

	return nft_run(load, commands, &result, ret_error);
}

int nft_try(const char *commands, char **ret_words) {
	_cleanup_run_result_ struct run_result result = {0};
	int r = run(load, commands, &result, ret_words);

	if (r < 0 || result.status == 0)
		return r;
	*ret_words = move_ptr(result.error);
	return -EIO;
}

int nft_namespace_home(char **ret_error) {
	/* of this thread, which may be in another one than its process' first */
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		return error_set(ret_error, -errno, "cannot open /proc/thread-self/ns/net: %s", strerror(errno));
	return home;
}

int nft_namespace_new(char **ret_error) {
	if (unshare(CLONE_NEWNET) < 0)
		return error_set(ret_error, -errno, "no network namespace to try rules in: %s", strerror(errno));
	return 0;
}

void nft_namespace_leave(int home) {
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
}
