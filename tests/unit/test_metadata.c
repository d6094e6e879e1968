/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tree that guests read, host names, and tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "../../cmd/pvc-metadata/token.h"
#include "../../cmd/pvc-metadata/tree.h"

#define UUID "11111111-0000-4000-8000-000000000001"

static const struct tree_guest guest = {.uuid = UUID,
					.name = "web1",
					.profile = "web",
					.domain = "net1.local",
					.address = "10.0.0.5",
					.mac = "52:54:00:00:00:01"};

static void every_path_is_what_it_should_be(void **state) {
	static const struct {
		const char *path;
		enum tree_kind kind;
	} paths[] = {
	    {"/", TREE_VERSIONS},
	    {"//", TREE_VERSIONS},
	    {"/latest", TREE_VERSION},
	    {"/latest/", TREE_VERSION},
	    {"/1.0/", TREE_VERSION},
	    {"/2009-04-04", TREE_VERSION},
	    {"/9999-99-99", TREE_VERSION},
	    {"/latest/meta-data", TREE_META_DATA},
	    {"/latest/meta-data/", TREE_META_DATA},
	    {"//latest///meta-data//", TREE_META_DATA},
	    {"/latest/meta-data/name", TREE_LEAF},
	    {"/2021-03-23//meta-data//instance-id", TREE_LEAF},
	    {"/latest/user-data", TREE_USER_DATA},
	    {"/latest/api/token", TREE_TOKEN},
	    {"", TREE_NOTHING},
	    {"latest", TREE_NOTHING},
	    {"/Latest", TREE_NOTHING},
	    {"/lates", TREE_NOTHING},
	    {"/latestx", TREE_NOTHING},
	    {"/2009-04-0", TREE_NOTHING},
	    {"/2009-04-044", TREE_NOTHING},
	    {"/2009/04/04", TREE_NOTHING},
	    {"/200x-04-04", TREE_NOTHING},
	    {"/meta-data/name", TREE_NOTHING},
	    {"/latest/meta-dat", TREE_NOTHING},
	    {"/latest/meta-data/name/", TREE_NOTHING},
	    {"/latest/meta-data/names", TREE_NOTHING},
	    {"/latest/meta-data/nam", TREE_NOTHING},
	    {"/latest/meta-data/name/x", TREE_NOTHING},
	    {"/latest/meta-data/name/x/y/z", TREE_NOTHING},
	    {"/latest/meta-data/iam/security-credentials/", TREE_NOTHING},
	    {"/latest/user-data/", TREE_NOTHING},
	    {"/latest/api", TREE_NOTHING},
	    {"/latest/api/token/", TREE_NOTHING},
	    {"/2009-04-04/api/token", TREE_NOTHING},
	    {"/latest/..", TREE_NOTHING},
	    {"/latest/%6deta-data", TREE_NOTHING},
	};
	char longest[TREE_PATH_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (tree_parse(paths[i].path).kind != paths[i].kind)
			fail_msg("%s is %d", paths[i].path, (int)tree_parse(paths[i].path).kind);
	memset(longest, '/', sizeof(longest));
	longest[TREE_PATH_MAX] = '\0';
	assert_int_equal(tree_parse(longest).kind, TREE_VERSIONS);
	longest[TREE_PATH_MAX] = '/';
	longest[TREE_PATH_MAX + 1] = '\0';
	assert_int_equal(tree_parse(longest).kind, TREE_NOTHING);
}

static void assert_text(const char *path, const struct tree_guest *of, const char *wanted) {
	struct tree_path parsed = tree_parse(path);
	_cleanup_free_ char *text = NULL;
	int r = tree_text(&parsed, of, &text);

	if (!wanted) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(text, wanted);
}

static void a_guest_reads_what_is_known_of_it(void **state) {
	(void)state;
	assert_text("/latest/", &guest, "meta-data\nuser-data");
	assert_text("/latest/meta-data/", &guest,
		    "hostname\ninstance-id\nlocal-hostname\nlocal-ipv4\nmac\nname\nprofile");
	assert_text("/latest/meta-data/instance-id", &guest, UUID);
	assert_text("/latest/meta-data/name", &guest, "web1");
	assert_text("/latest/meta-data/profile", &guest, "web");
	assert_text("/latest/meta-data/hostname", &guest, "web1.net1.local");
	assert_text("/latest/meta-data/local-hostname", &guest, "web1.net1.local");
	assert_text("/latest/meta-data/local-ipv4", &guest, "10.0.0.5");
	assert_text("/latest/meta-data/mac", &guest, "52:54:00:00:00:01");
	assert_text("/latest/user-data", &guest, NULL);
	assert_text("/latest/api/token", &guest, NULL);
	assert_text("/latest/nothing", &guest, NULL);
}

static void what_a_guest_does_not_have_is_not_listed(void **state) {
	struct tree_guest bare = {.uuid = UUID, .name = "", .address = "10.0.0.5", .mac = "52:54:00:00:00:01"};

	(void)state;
	assert_text("/latest/meta-data/", &bare, "instance-id\nlocal-ipv4\nmac\nname");
	assert_text("/latest/meta-data/profile", &bare, NULL);
	assert_text("/latest/meta-data/hostname", &bare, NULL);
	assert_text("/latest/meta-data/name", &bare, "");
}

static void every_name_becomes_a_hosts_name_or_none(void **state) {
	static const char long_name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-aaaa";
	static const struct {
		const char *name, *domain, *host;
	} names[] = {
	    {"web1", "net1.local", "web1.net1.local"},
	    {"web1", NULL, "web1"},
	    {"web1", "", "web1"},
	    {"web1", "net_1", "web1"},
	    {"web1", "net1.", "web1"},
	    {"web1", ".net1", "web1"},
	    {"web1", "-net1", "web1"},
	    {"web1", "net1-", "web1"},
	    {"web1", "net1-.local", "web1"},
	    {"web1", "net1 local", "web1"},
	    {"web1", "a..b", "web1"},
	    {"Web_1.b", "net1", "Web-1-b.net1"},
	    {"_web__1_", NULL, "web-1"},
	    {"w\xc3\xa4"
	     "b",
	     NULL, "w-b"},
	    {"a\nb", NULL, "a-b"},
	    {"", "net1", NULL},
	    {"___", "net1", NULL},
	    {"-", NULL, NULL},
	    {long_name, NULL, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *host = tree_hostname(names[i].name, names[i].domain);

		if (!str_equal(host, names[i].host))
			fail_msg("'%s' in '%s' is '%s'", names[i].name, names[i].domain ? names[i].domain : "",
				 host ? host : "(none)");
	}
}

static void only_reading_is_allowed_and_put_for_a_token(void **state) {
	(void)state;
	for (int kind = TREE_VERSIONS; kind < TREE_TOKEN; kind++) {
		assert_null(tree_allows((enum tree_kind)kind, "GET"));
		assert_null(tree_allows((enum tree_kind)kind, "HEAD"));
		assert_string_equal(tree_allows((enum tree_kind)kind, "PUT"), "GET, HEAD");
		assert_string_equal(tree_allows((enum tree_kind)kind, "get"), "GET, HEAD");
		assert_string_equal(tree_allows((enum tree_kind)kind, "POST"), "GET, HEAD");
	}
	assert_null(tree_allows(TREE_TOKEN, "PUT"));
	assert_string_equal(tree_allows(TREE_TOKEN, "GET"), "PUT");
}

/* ---- tokens ---- */

static void a_token_is_its_owners_until_it_expires(void **state) {
	const uint8_t key[TOKEN_KEY] = {1, 2, 3}, other_key[TOKEN_KEY] = {1, 2, 4};
	const struct token_owner owner = {.index = 7, .address = {.s_addr = 5}};
	const struct token_owner other_link = {.index = 8, .address = {.s_addr = 5}};
	const struct token_owner other_address = {.index = 7, .address = {.s_addr = 6}};
	const usec_t now = 1000 * USEC_PER_SEC;
	char token[TOKEN_TEXT];

	(void)state;
	token_make(key, &owner, now, 60, token);
	assert_int_equal(strlen(token), TOKEN_TEXT - 1);
	assert_true(token_is_valid(key, &owner, now, token));
	assert_true(token_is_valid(key, &owner, now + 60 * USEC_PER_SEC - 1, token));
	assert_false(token_is_valid(key, &owner, now + 60 * USEC_PER_SEC, token));
	assert_false(token_is_valid(other_key, &owner, now, token));
	assert_false(token_is_valid(key, &other_link, now, token));
	assert_false(token_is_valid(key, &other_address, now, token));
}

static void a_token_with_any_other_digit_is_none(void **state) {
	const uint8_t key[TOKEN_KEY] = {9};
	const struct token_owner owner = {.index = 1};
	char token[TOKEN_TEXT];

	(void)state;
	token_make(key, &owner, 0, TOKEN_TTL_MAX, token);
	for (size_t i = 0; i < TOKEN_TEXT - 1; i++) {
		char right = token[i];

		token[i] = right == '0' ? '1' : '0';
		assert_false(token_is_valid(key, &owner, 1, token));
		token[i] = (char)(right - ' '); /* the other case, or no digit at all */
		assert_false(token_is_valid(key, &owner, 1, token));
		token[i] = right;
	}
	assert_true(token_is_valid(key, &owner, 1, token));
	token[TOKEN_TEXT - 2] = '\0';
	assert_false(token_is_valid(key, &owner, 1, token));
	assert_false(token_is_valid(key, &owner, 1, ""));
}

static void a_life_is_a_number_of_seconds(void **state) {
	static const char *const bad[] = {NULL, "", "0", "21601", "-1", "1.5", "60s", " 60", "99999999999999999999"};
	uint64_t ttl = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(token_ttl(bad[i], &ttl), -EINVAL);
	assert_int_equal(ttl, 0);
	assert_int_equal(token_ttl("1", &ttl), 0);
	assert_int_equal(token_ttl("21600", &ttl), 0);
	assert_int_equal(ttl, 21600);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_path_is_what_it_should_be),
	    cmocka_unit_test(a_guest_reads_what_is_known_of_it),
	    cmocka_unit_test(what_a_guest_does_not_have_is_not_listed),
	    cmocka_unit_test(every_name_becomes_a_hosts_name_or_none),
	    cmocka_unit_test(only_reading_is_allowed_and_put_for_a_token),
	    cmocka_unit_test(a_token_is_its_owners_until_it_expires),
	    cmocka_unit_test(a_token_with_any_other_digit_is_none),
	    cmocka_unit_test(a_life_is_a_number_of_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
