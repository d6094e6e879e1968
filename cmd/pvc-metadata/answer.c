/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One request: who asks, for what, and what is answered. */
#include "log/log.h"
#include "metadata.h"

#define TOKEN_HEADER "X-aws-ec2-metadata-token"
#define TTL_HEADER   "X-aws-ec2-metadata-token-ttl-seconds"

enum {
	STATUS_OK = 200,
	STATUS_BAD = 400,
	STATUS_UNAUTHORIZED = 401,
	STATUS_FORBIDDEN = 403,
	STATUS_NOT_FOUND = 404,
	STATUS_METHOD = 405,
	STATUS_INTERNAL = 500,
	STATUS_UNAVAILABLE = 503,
};

struct asking {
	struct metadata *metadata;
	struct http_request *request;
	struct tree_path path;
};

/* Without a body of its own an answer says its reason, for people who look with curl. */
static void refuse(struct asking *asking, unsigned status) {
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
	    {STATUS_BAD, "the header " TTL_HEADER " must be 1 to 21600\n"},
	    {STATUS_UNAUTHORIZED, "the token is not valid (any more): ask for a new one\n"},
	    {STATUS_FORBIDDEN, "not through a proxy\n"},
	    {STATUS_NOT_FOUND, "there is no such thing here for this guest\n"},
	    {STATUS_INTERNAL, "the user-data of this guest's profile is too long\n"},
	    {STATUS_UNAVAILABLE, "cannot be answered now: ask again\n"},
	};
	struct http_answer answer = {.status = status, .body = ""};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].status == status)
			answer.body = texts[i].text;
	answer.length = strlen(answer.body);
	if (status == STATUS_UNAVAILABLE) {
		answer.header = "Retry-After";
		answer.value = "2";
	}
	http_answer(asking->request, &answer);
	free(asking);
}

static void give(struct asking *asking, const char *type, const char *text) {
	http_answer(asking->request,
		    &(struct http_answer){.status = STATUS_OK, .type = type, .body = text, .length = strlen(text)});
	free(asking);
}

static struct token_owner owner_of(const struct asking *asking) {
	return (struct token_owner){http_index(asking->request), http_address(asking->request)};
}

static bool shows_valid_token(const struct asking *asking) {
	const char *token = http_header(asking->request, TOKEN_HEADER);
	struct token_owner owner = owner_of(asking);

	return !token || token_is_valid(asking->metadata->token_key, &owner, now_boottime(), token);
}

static void give_token(struct asking *asking) {
	struct token_owner owner = owner_of(asking);
	char token[TOKEN_TEXT], seconds[24];
	uint64_t ttl;

	if (http_header(asking->request, "X-Forwarded-For")) { /* EC2's rule: no tokens through proxies left open */
		refuse(asking, STATUS_FORBIDDEN);
		return;
	}
	if (token_ttl(http_header(asking->request, TTL_HEADER), &ttl) < 0) {
		refuse(asking, STATUS_BAD);
		return;
	}
	token_make(asking->metadata->token_key, &owner, now_boottime(), ttl, token);
	(void)snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)ttl);
	http_answer(
	    asking->request,
	    &(struct http_answer){
		.status = STATUS_OK, .body = token, .length = strlen(token), .header = TTL_HEADER, .value = seconds});
	free(asking);
}

static void on_userdata(int result, const char *text, void *userdata) {
	struct asking *asking = userdata;

	if (result >= 0)
		give(asking, "application/octet-stream", text);
	else
		refuse(asking, result == -ENOENT  ? STATUS_NOT_FOUND
			       : result == -EFBIG ? STATUS_INTERNAL
						  : STATUS_UNAVAILABLE);
}

static void give_text(struct asking *asking, const struct tree_guest *guest) {
	_cleanup_free_ char *text = NULL;
	int r = tree_text(&asking->path, guest, &text);

	if (r < 0)
		refuse(asking, r == -ENOENT ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE);
	else
		give(asking, NULL, text);
}

static void on_guest(int result, const struct tree_guest *guest, void *userdata) {
	struct asking *asking = userdata;

	if (result < 0)
		refuse(asking, result == -ENOENT ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE);
	else if (asking->path.kind == TREE_TOKEN)
		give_token(asking);
	else if (!shows_valid_token(asking))
		refuse(asking, STATUS_UNAUTHORIZED);
	else if (asking->path.kind != TREE_USER_DATA)
		give_text(asking, guest);
	else if (!guest->profile)
		refuse(asking, STATUS_NOT_FOUND);
	else
		userdata_ask(asking->metadata, guest->profile, on_userdata, asking);
}

void answer_request(struct http_request *request, void *userdata) {
	struct metadata *metadata = userdata;
	struct asking *asking = calloc(1, sizeof(*asking));
	const char *allowed;

	if (!asking) {
		http_answer(request, &(struct http_answer){.status = STATUS_UNAVAILABLE, .body = ""});
		return;
	}
	*asking = (struct asking){metadata, request, tree_parse(http_path(request))};
	allowed = tree_allows(asking->path.kind, http_method(request));
	if (asking->path.kind == TREE_NOTHING) {
		refuse(asking, STATUS_NOT_FOUND);
	} else if (allowed) {
		http_answer(request, &(struct http_answer){
					 .status = STATUS_METHOD, .body = "", .header = "Allow", .value = allowed});
		free(asking);
	} else {
		guest_find(metadata, http_index(request), http_address(request), on_guest, asking);
	}
}
