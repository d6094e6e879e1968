/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The static part of the host's table against the probe's outcome. Structure (chains, rules, definitions of sets) is
 * compared as nft prints it, without counters and without elements of sets, because rules may add elements while
 * packets flow; a change of the elements in the snippets themselves shows in the digest.
 */
#include "ruleset.h"

int overlay_matches(const struct probe_result *wanted, char **ret_error) {
	_cleanup_listing_ struct listing present = {0};
	_cleanup_free_ char *text = NULL;
	int r = nft_listing(true, &present, ret_error);

	if (r < 0)
		return r;
	text = listing_static(&present, true);
	return text ? str_equal(text, wanted->terse) : -ENOMEM;
}

int overlay_load(const struct probe_result *wanted, char **ret_error) {
	_cleanup_listing_ struct listing present = {0};
	_cleanup_free_ char *commands = NULL, *why = NULL;
	int r = nft_listing(true, &present, ret_error);

	if (r < 0)
		return r;
	commands = listing_replace(&present, wanted->objects);
	if (!commands)
		return -ENOMEM;
	r = nft_load(commands, &why);
	if (r < 0)
		return error_set(ret_error, r, "the host refuses the snippets' rules: %s", why ? why : strerror(-r));
	return 0;
}
