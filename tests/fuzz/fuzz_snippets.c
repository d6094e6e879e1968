/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text as an operator's snippet and as nft's listing of a table. */
#include "../../cmd/pvc-firewall/listing.c"
#define add add_snippet /* both files have a function of this name */
#include "../../cmd/pvc-firewall/snippet.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_free_ char *text = strndup((const char *)data, size), *whole = NULL, *problem = NULL, *commands = NULL;
	_cleanup_listing_ struct listing listing = {0};
	size_t taken = 0;

	if (!text)
		return 0;
	problem = snippet_lint(text);
	whole = str_printf("table inet pvc {\n%s\n}\n", text);
	if (!whole || listing_parse(whole, &listing) < 0)
		return 0;
	for (size_t i = 0; i < listing.count; i++) {
		taken += strlen(listing.objects[i].text);
		if (strpbrk(listing.objects[i].name, " \n") || strchr(listing.objects[i].kind, '\n'))
			abort();
	}
	if (taken > strlen(whole))
		abort();
	commands = listing_replace(&listing, "");
	if (!commands)
		abort();
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
