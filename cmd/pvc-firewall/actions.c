/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "actions.h"

#include "host/host.h"
#include "log/log.h"

#define STATUS_FIREWALL "firewall"

/* All snippets with what becomes of them. A problem with them is never a failure of the program: a typing error in an
 * operator's file must not keep the whole node from starting. */
static int gather(const struct places *places, struct snippets *snippets, struct probe_result *probe) {
	_cleanup_free_ char *directory = str_printf("%s/nft/static", places->config->dynamic_directory);
	_cleanup_free_ char *error = NULL;
	int r;

	r = directory ? snippets_read(snippets, places->persistent, ".nft") : -ENOMEM;
	if (r >= 0)
		r = snippets_read(snippets, directory, NULL);
	if (r < 0) {
		log_error("cannot read the snippets: %s", strerror(-r));
		return r;
	}
	snippets_sort(snippets);
	r = probe_snippets(snippets, probe, &error);
	if (r < 0)
		log_warning("snippets cannot be tried, what is in force of them stays as it is: %s",
			    error ? error : strerror(-r));
	for (size_t i = 0; i < snippets->count; i++)
		if (snippets->items[i].problem)
			log_warning("snippet %s is left out: %s", snippets->items[i].path, snippets->items[i].problem);
	return r;
}

/* Names of files are the operator's: made printable, on one line. */
static char *names(const struct snippets *snippets, bool accepted) {
	_cleanup_strlist_ struct strlist list = {0};

	for (size_t i = 0; i < snippets->count; i++) {
		const struct snippet *s = &snippets->items[i];
		_cleanup_free_ char *line = NULL, *clean = NULL;

		if (accepted != (s->problem == NULL))
			continue;
		line = str_printf("%s%s%s", s->path, s->problem ? ": " : "", s->problem ? s->problem : "");
		clean = line ? str_printable(line, 1000) : NULL;
		if (!clean || strlist_add(&list, clean) < 0)
			return NULL;
	}
	return strlist_join(&list, accepted ? " " : " | ");
}

static void publish(const struct places *places, const struct snippets *snippets, bool degraded) {
	_cleanup_free_ char *accepted = names(snippets, true), *refused = names(snippets, false);
	const struct status_field fields[] = {
	    {"state", degraded ? "degraded" : "ok"},
	    {"snippets", accepted ? accepted : "?"},
	    {"refused", refused ? refused : "?"},
	};
	int r = status_write(places->config->dynamic_directory, STATUS_FIREWALL, fields, ARRAY_SIZE(fields));

	if (r < 0)
		log_warning("cannot write %s/status/%s: %s", places->config->dynamic_directory, STATUS_FIREWALL,
			    strerror(-r));
}

static int open_firewall(struct firewall **firewall, struct firewall_table **base) {
	int r = firewall_open(firewall);

	if (r < 0) {
		log_error("cannot open a netlink socket to nf_tables: %s", strerror(-r));
		return r;
	}
	*base = ruleset_base();
	if (!*base)
		log_error("not enough memory for the base ruleset");
	return *base ? 0 : -ENOMEM;
}

/* True when the static part is in force as the good snippets want it. */
static bool apply_snippets(const struct probe_result *probe) {
	_cleanup_free_ char *error = NULL;
	int r = overlay_matches(probe, &error);

	if (r > 0)
		return true;
	if (r == 0) {
		r = overlay_load(probe, &error);
		if (r >= 0)
			log_ok("the snippets' rules were loaded");
		if (r >= 0 && overlay_matches(probe, &error) == 0)
			log_warning(
			    "the snippets' rules are not listed as they were loaded: each run loads them again");
	}
	if (r < 0)
		log_error("the snippets' rules stay as they were: %s", error ? error : strerror(-r));
	return r >= 0;
}

int action_apply(const struct places *places) {
	_cleanup_firewall_table_ struct firewall_table *base = NULL;
	_cleanup_firewall_ struct firewall *firewall = NULL;
	_cleanup_snippets_ struct snippets snippets = {0};
	_cleanup_probe_ struct probe_result probe = {0};
	_cleanup_strlist_ struct strlist changes = {0};
	_cleanup_free_ char *error = NULL;
	bool good;
	int r;

	r = config_make_directories(places->config, &error);
	if (r < 0)
		log_warning("%s", error ? error : strerror(-r));
	r = open_firewall(&firewall, &base);
	if (r < 0)
		return exit_code_of(r);
	r = firewall_apply(firewall, base, &changes, &error);
	if (r < 0) {
		log_error("the base ruleset is not in force: %s", error ? error : strerror(-r));
		return exit_code_of(r);
	}
	for (size_t i = 0; i < changes.count; i++)
		log_debug("was: %s", changes.items[i]);
	good = gather(places, &snippets, &probe) >= 0 && apply_snippets(&probe);
	publish(places, &snippets, !good || snippets_rejected(&snippets) > 0);
	log_ok("table inet %s %s, %zu of %zu snippets in force", RULESET_TABLE,
	       changes.count > 0 ? "was brought to the base ruleset" : "has the base ruleset",
	       good ? snippets.count - snippets_rejected(&snippets) : 0, snippets.count);
	return EXIT_OK;
}

int action_check(const struct places *places) {
	_cleanup_firewall_table_ struct firewall_table *base = NULL;
	_cleanup_firewall_plan_ struct firewall_plan *plan = NULL;
	_cleanup_firewall_ struct firewall *firewall = NULL;
	_cleanup_snippets_ struct snippets snippets = {0};
	_cleanup_probe_ struct probe_result probe = {0};
	_cleanup_free_ char *error = NULL;
	bool differs = false;
	int r;

	r = open_firewall(&firewall, &base);
	if (r < 0)
		return exit_code_of(r);
	r = firewall_plan(firewall, base, &plan, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return exit_code_of(r);
	}
	for (size_t i = 0; i < firewall_plan_differences(plan)->count; i++, differs = true)
		printf("%s\n", firewall_plan_differences(plan)->items[i]);
	r = gather(places, &snippets, &probe);
	differs = differs || r < 0 || snippets_rejected(&snippets) > 0;
	/* without the base there is nothing to compare the snippets with */
	if (r >= 0 && firewall_plan_differences(plan)->count == 0) {
		r = overlay_matches(&probe, &error);
		if (r < 0)
			log_error("%s", error ? error : strerror(-r));
		if (r == 0)
			printf("chains and objects %s...: not what the snippets want\n", RULESET_PREFIX);
		differs = differs || r <= 0;
	}
	return differs ? EXIT_DIFFERS : EXIT_OK;
}

int action_dry_run(const struct places *places) {
	_cleanup_firewall_table_ struct firewall_table *base = ruleset_base();
	_cleanup_free_ char *text = firewall_table_text(base);
	_cleanup_snippets_ struct snippets snippets = {0};
	_cleanup_probe_ struct probe_result probe = {0};

	if (!text) {
		log_error("not enough memory for the base ruleset");
		return EXIT_SYSTEM;
	}
	printf("%s", text);
	if (gather(places, &snippets, &probe) >= 0 && probe.digest)
		printf("# of the snippets:\ntable inet %s {\n%s}\n", RULESET_TABLE, probe.objects);
	return EXIT_OK;
}

int action_undo(bool dry_run) {
	_cleanup_firewall_ struct firewall *firewall = NULL;
	_cleanup_free_ char *error = NULL;
	int r = firewall_open(&firewall);

	if (r >= 0)
		r = dry_run ? firewall_exists(firewall, RULESET_TABLE, &error)
			    : firewall_remove(firewall, RULESET_TABLE, &error);
	if (r < 0) {
		log_error("table inet %s cannot be removed: %s", RULESET_TABLE, error ? error : strerror(-r));
		return exit_code_of(r);
	}
	if (dry_run && r > 0)
		printf("delete table inet %s\n", RULESET_TABLE);
	else if (!dry_run)
		log_ok(r > 0 ? "table inet %s was removed" : "there is no table inet %s", RULESET_TABLE);
	return EXIT_OK;
}
