/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>

static void authenticate(const uint8_t key[TOKEN_KEY], const struct token_owner *owner, uint64_t expiry,
			 uint8_t ret[SHA256_DIGEST_SIZE]) {
	struct hmac_sha256_ctx context;

	hmac_sha256_set_key(&context, TOKEN_KEY, key);
	hmac_sha256_update(&context, sizeof(expiry), (const uint8_t *)&expiry);
	hmac_sha256_update(&context, sizeof(owner->index), (const uint8_t *)&owner->index);
	hmac_sha256_update(&context, sizeof(owner->address), (const uint8_t *)&owner->address);
	hmac_sha256_digest(&context, SHA256_DIGEST_SIZE, ret);
}

static void encode(uint64_t expiry, const uint8_t mac[SHA256_DIGEST_SIZE], char ret[TOKEN_TEXT]) {
	size_t at = (size_t)snprintf(ret, TOKEN_TEXT, "%016llx", (unsigned long long)expiry);

	for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++)
		at += (size_t)snprintf(ret + at, TOKEN_TEXT - at, "%02x", mac[i]);
}

void token_make(const uint8_t key[TOKEN_KEY], const struct token_owner *owner, usec_t now, uint64_t ttl,
		char ret[TOKEN_TEXT]) {
	uint64_t expiry = now + ttl * USEC_PER_SEC;
	uint8_t mac[SHA256_DIGEST_SIZE];

	_Static_assert(TOKEN_TEXT == 2 * (sizeof(expiry) + SHA256_DIGEST_SIZE) + 1, "room for all of it");
	authenticate(key, owner, expiry, mac);
	encode(expiry, mac, ret);
}

bool token_is_valid(const uint8_t key[TOKEN_KEY], const struct token_owner *owner, usec_t now, const char *text) {
	char expected[TOKEN_TEXT];
	uint8_t mac[SHA256_DIGEST_SIZE];
	uint64_t expiry = 0;

	if (strlen(text) != TOKEN_TEXT - 1)
		return false;
	for (size_t i = 0; i < 16; i++) {
		const char *digits = "0123456789abcdef", *digit = strchr(digits, text[i]);

		if (!digit)
			return false;
		expiry = expiry << 4 | (uint64_t)(digit - digits);
	}
	authenticate(key, owner, expiry, mac);
	encode(expiry, mac, expected);
	return memeql_sec(expected, text, TOKEN_TEXT - 1) && expiry > now;
}

int token_ttl(const char *text, uint64_t *ret) {
	return text && parse_u64(text, 1, TOKEN_TTL_MAX, ret) >= 0 ? 0 : -EINVAL;
}
