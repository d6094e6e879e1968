/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A snippet is tried where it can do no harm: in an empty network namespace that holds our table with its two static
 * chains, and one table of every family as bait. Afterwards only our table may have changed, and only objects named
 * static-... may have come. nft is the parser; its own listing of the outcome is what the host is given.
 */
#include "ruleset.h"

/* The two chains that are always there, empty, as nft prints them. */
#define STATIC_INPUT   "\tchain static-input {\n\t}\n"
#define STATIC_FORWARD "\tchain static-forward {\n\t}\n"

struct probe {
	char *tables; /* before any snippet */
};

void probe_result_free(struct probe_result *result) {
	free(result->objects);
	free(result->terse);
	free(result->digest);
	*result = (struct probe_result){0};
}

static int lay_bait(void) {
	static const char *const families[] = {"ip", "ip6", "inet", "arp", "bridge", "netdev"};
	_cleanup_strbuf_ struct strbuf all = {0};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		(void)strbuf_addf(&all, "table %s pvc-bait {\n}\n", families[i]); /* kept in all.failed */
	if (all.failed)
		return -ENOMEM;
	if (nft_load(all.data, NULL) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		_cleanup_free_ char *bait = str_printf("table %s pvc-bait {\n}\n", families[i]);

		if (!bait)
			return -ENOMEM;
		(void)nft_load(bait, NULL); /* a kernel may lack a family: then no snippet can harm it */
	}
	return 0;
}

/* A new namespace with what a snippet finds there. The one before goes away by itself. */
static int enter(struct probe *probe, char **ret_error) {
	static const char table[] = "table inet " RULESET_TABLE " {\n" STATIC_INPUT STATIC_FORWARD "}\n";
	int r;

	r = nft_namespace_new(ret_error);
	if (r < 0)
		return r;
	r = nft_load(table, ret_error);
	if (r >= 0)
		r = lay_bait();
	free(probe->tables);
	probe->tables = NULL;
	return r < 0 ? r : nft_tables(&probe->tables, ret_error);
}

static bool is_static_chain(const struct listing *listing, const char *name) {
	const struct listing_object *chain = listing_find(listing, "chain", name);

	return chain && !strstr(chain->text, "\n\t\ttype "); /* a jump to a base chain is not possible */
}

/* What a snippet did that it may not: the problem as text, or NULL. */
static char *judge(const struct probe *probe) {
	_cleanup_free_ char *tables = NULL, *error = NULL;
	_cleanup_listing_ struct listing listing = {0};

	if (nft_tables(&tables, &error) < 0)
		return move_ptr(error);
	if (!str_equal(tables, probe->tables))
		return str_printf("it makes or removes tables other than inet %s: only objects named %s... in that "
				  "table are possible",
				  RULESET_TABLE, RULESET_PREFIX);
	if (nft_listing(false, &listing, &error) < 0)
		return move_ptr(error);
	if (listing.other)
		return str_printf("it changes table inet %s itself (%s)", RULESET_TABLE, listing.other);
	for (size_t i = 0; i < listing.count; i++) {
		const char *name = listing.objects[i].name;

		if (!str_starts(name, RULESET_PREFIX) || str_equal(name, RULESET_DIGEST))
			return str_printf("it makes %s %s: only names that begin with %s (but %s) are possible",
					  listing.objects[i].kind, name, RULESET_PREFIX, RULESET_DIGEST);
	}
	if (!is_static_chain(&listing, "static-input") || !is_static_chain(&listing, "static-forward"))
		return strdup("it removes chain static-input or static-forward, or makes it a base chain");
	return NULL;
}

/* nft must be able to read what it printed, and then print the same: not so for a few constructs of some versions. */
static char *try_reload(void) {
	_cleanup_listing_ struct listing before = {0}, after = {0};
	_cleanup_free_ char *error = NULL, *objects = NULL, *commands = NULL, *again = NULL;

	if (nft_listing(false, &before, &error) < 0)
		return move_ptr(error);
	objects = listing_static(&before, false);
	commands = objects ? listing_replace(&before, objects) : NULL;
	if (!commands)
		return strdup("out of memory");
	if (nft_load(commands, &error) < 0)
		return str_printf("nft cannot load what it makes of it: %s", error ? error : "");
	if (nft_listing(false, &after, &error) < 0)
		return move_ptr(error);
	again = listing_static(&after, false);
	return str_equal(objects, again) ? NULL : strdup("nft prints it differently each time");
}

/* Those before `end` that are still good, in a new namespace. */
static int rebuild(struct probe *probe, struct snippets *snippets, size_t end, char **ret_error) {
	int r = enter(probe, ret_error);

	for (size_t i = 0; i < end && r >= 0; i++)
		if (snippets->items[i].content)
			r = nft_load(snippets->items[i].content, ret_error);
	return r;
}

static int try_all(struct probe *probe, struct snippets *snippets, char **ret_error) {
	int r = enter(probe, ret_error);

	for (size_t i = 0; i < snippets->count && r >= 0; i++) {
		_cleanup_free_ char *problem = NULL;
		struct snippet *snippet = &snippets->items[i];

		if (!snippet->content)
			continue;
		r = nft_load(snippet->content, &problem);
		if (r == -EIO || r == -ETIMEDOUT) { /* refused as a whole: nothing of it is there */
			snippet_reject(snippet, "%s", problem ? problem : "nft refuses it");
			r = r == -ETIMEDOUT ? rebuild(probe, snippets, i, ret_error) : 0;
			continue;
		}
		if (r < 0)
			return error_set(ret_error, r, "%s", problem ? problem : strerror(-r));
		problem = judge(probe);
		if (!problem)
			problem = try_reload();
		if (problem) {
			snippet_reject(snippet, "%s", problem);
			r = rebuild(probe, snippets, i, ret_error);
		}
	}
	return r;
}

/* FNV-1a, 64 bits: tells whether the snippets' outcome changed; not a safeguard against anybody. */
static char *digest(const char *text) {
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
	return str_printf("%016llx", (unsigned long long)hash);
}

/* Puts the digest beside the objects and takes all of it. */
static int harvest(struct probe_result *ret, char **ret_error) {
	_cleanup_listing_ struct listing plain = {0}, full = {0}, terse = {0};
	_cleanup_free_ char *objects = NULL, *mark = NULL;
	int r = nft_listing(false, &plain, ret_error);

	if (r < 0)
		return r;
	objects = listing_static(&plain, false);
	if (!objects)
		return -ENOMEM;
	if (!str_equal(objects, STATIC_INPUT STATIC_FORWARD)) {
		ret->digest = digest(objects);
		mark = str_printf("table inet %s {\n\tcounter %s {\n\t\tcomment \"%s\"\n\t}\n}\n", RULESET_TABLE,
				  RULESET_DIGEST, ret->digest ? ret->digest : "");
		if (!ret->digest || !mark)
			return -ENOMEM;
		r = nft_load(mark, ret_error);
		if (r < 0)
			return r;
	}
	r = nft_listing(false, &full, ret_error);
	if (r >= 0)
		r = nft_listing(true, &terse, ret_error);
	if (r < 0)
		return r;
	ret->objects = listing_static(&full, false);
	ret->terse = listing_static(&terse, true);
	return ret->objects && ret->terse ? 0 : -ENOMEM;
}

/* No snippets, as on most nodes: known without a namespace. */
static int result_of_none(struct probe_result *ret) {
	struct probe_result result = {.objects = strdup(STATIC_INPUT STATIC_FORWARD),
				      .terse = strdup(STATIC_FORWARD STATIC_INPUT)}; /* sorted */

	if (!result.objects || !result.terse) {
		probe_result_free(&result);
		return -ENOMEM;
	}
	*ret = result;
	return 0;
}

int probe_snippets(struct snippets *snippets, struct probe_result *ret, char **ret_error) {
	_cleanup_close_ int home = nft_namespace_home(ret_error);
	_cleanup_probe_ struct probe_result result = {0};
	struct probe probe = {0};
	int r;

	if (snippets_rejected(snippets) == snippets->count)
		return result_of_none(ret);
	if (home < 0)
		return home;
	r = try_all(&probe, snippets, ret_error);
	if (r >= 0)
		r = harvest(&result, ret_error);
	free(probe.tables);
	nft_namespace_leave(home);
	if (r < 0)
		return r;
	*ret = result;
	result = (struct probe_result){0};
	return 0;
}
