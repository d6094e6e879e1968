/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs of nft(8), and the throw-away network namespaces in which foreign rule text is tried. */
#pragma once

#include "base/base.h"

#define NFT_TIME (20 * USEC_PER_SEC) /* for one run of nft */

/* Runs nft, in whatever network namespace the calling thread is in. No file of others and no variable gets in: commands
 * come through standard input. 0, or -EIO with nft's first error in *ret_error ("line 3:12-20: Error: ..."), or -errno
 * when nft could not be run. */
int nft_run(const char *const argv[], const char *input, struct run_result *ret, char **ret_error);
int nft_load(const char *commands, char **ret_error);
/* The same with all of nft's words, as it wrote them, in *ret_words after -EIO (and a sentence after another error). */
int nft_try(const char *commands, char **ret_words);

/* The calling thread's network namespace as a file, for nft_namespace_leave(); -errno. */
int nft_namespace_home(char **ret_error);
/* Puts the calling thread into a new, empty namespace; the one before goes away by itself when it was such a one. */
int nft_namespace_new(char **ret_error);
/* Back. The process ends when that is not possible: whatever it did next would be done to the wrong host. */
void nft_namespace_leave(int home);
