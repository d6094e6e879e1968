/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a path, as what the store says of a guest, as a token and as a token's life: texts that are answered are
 * whole lines of what is known, host names are host names, and no token is taken that was not given. */
#include "../../cmd/pvc-metadata/token.c"
#include "../../cmd/pvc-metadata/tree.c"

enum { WORD_PATH, WORD_NAME, WORD_PROFILE, WORD_DOMAIN, WORD_TOKEN, WORD_TTL, WORDS };

static void check_hostname(const char *name, const char *domain) {
	_cleanup_free_ char *host = tree_hostname(name, domain);

	if (host && !is_domain(host))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const uint8_t key[TOKEN_KEY] = {42};
	const struct token_owner owner = {.index = 3};
	_cleanup_free_ char *input = malloc(size + 1), *text = NULL;
	const char *words[WORDS];
	struct tree_guest guest = {.uuid = "u", .address = "a", .mac = "m"};
	struct tree_path path;
	uint64_t ttl;
	size_t at = 0;

	if (!input)
		return 0;
	memcpy(input, data, size);
	input[size] = '\0';
	for (size_t i = 0; i < WORDS; i++) { /* lines are the words */
		words[i] = input + at;
		at += strcspn(input + at, "\n");
		if (at < size)
			input[at++] = '\0';
	}
	guest.name = words[WORD_NAME];
	guest.profile = *words[WORD_PROFILE] ? words[WORD_PROFILE] : NULL;
	guest.domain = *words[WORD_DOMAIN] ? words[WORD_DOMAIN] : NULL;
	path = tree_parse(words[WORD_PATH]);
	if (path.kind == TREE_LEAF && path.leaf >= ARRAY_SIZE(leaves))
		abort();
	if (tree_text(&path, &guest, &text) >= 0 && !text)
		abort();
	check_hostname(words[WORD_NAME], words[WORD_DOMAIN]);
	if (token_is_valid(key, &owner, 0, words[WORD_TOKEN]))
		abort(); /* nobody guesses 256 bits */
	if (token_ttl(words[WORD_TTL], &ttl) >= 0 && (ttl < 1 || ttl > TOKEN_TTL_MAX))
		abort();
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
