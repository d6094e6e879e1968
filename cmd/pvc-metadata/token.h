/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tokens of EC2's IMDSv2: a guest that asks with PUT gets one, and may show it with each request. They bind to the
 * network and address that asked, so nothing is kept: a token is its own expiry and a MAC over all of it, made with a
 * key of this process. Another primary does not know the key: its guests get 401 and ask for a new one, as they do when
 * a token is too old.
 */
#pragma once

#include "base/base.h"

#define TOKEN_KEY     32                    /* bytes */
#define TOKEN_TEXT    (2u * (8u + 32u) + 1) /* expiry and MAC in hexadecimal digits, and the NUL */
#define TOKEN_TTL_MAX 21600                 /* seconds, as EC2 has it */

struct token_owner {
	int index; /* of the bridge that the request came in by */
	struct in_addr address;
};
/* now: any clock of microseconds that does not go back while the key lives. ttl: seconds. */
void token_make(const uint8_t key[TOKEN_KEY], const struct token_owner *owner, usec_t now, uint64_t ttl,
		char ret[TOKEN_TEXT]);
bool token_is_valid(const uint8_t key[TOKEN_KEY], const struct token_owner *owner, usec_t now, const char *text);
/* The header with the life that is asked for: 1 to TOKEN_TTL_MAX; -EINVAL. */
int token_ttl(const char *text, uint64_t *ret);
