/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --check and --dry-run: what differs, what would be done. */
#include "floating.h"
#include "log/log.h"

static int observe(struct floating *floating, bool release, struct floating_state *ret) {
	_cleanup_free_ char *error = NULL;
	int r = floating_observe(floating, release, ret, &error);

	if (r >= 0)
		return EXIT_OK;
	log_error("cannot read links and addresses: %s", error ? error : strerror(-r));
	return exit_code_of(r);
}

int report_check(struct floating *floating, bool release) {
	_cleanup_floating_state_ struct floating_state state = {0};
	int code = observe(floating, release, &state);

	if (code != EXIT_OK)
		return code;
	for (size_t i = 0; i < state.plan.missing_count; i++) {
		_cleanup_free_ char *text = floating_text(state.plan.missing[i]);

		printf("differs: there is no %s for the %s\n", state.plan.missing[i]->link, text ? text : "address");
	}
	for (size_t i = 0; i < state.plan.count; i++) {
		const struct floating_step *step = &state.plan.steps[i];
		_cleanup_free_ char *text = floating_text(step->what);

		printf("differs: %s %s the %s\n", step->what->link, step->kind == FLOATING_ADD ? "lacks" : "has",
		       text ? text : "address");
	}
	return state.plan.missing_count + state.plan.count ? EXIT_DIFFERS : EXIT_OK;
}

int report_dry(struct floating *floating, bool release) {
	_cleanup_floating_state_ struct floating_state state = {0};
	int code = observe(floating, release, &state);

	if (code != EXIT_OK)
		return code;
	for (size_t i = 0; i < state.plan.count; i++) {
		const struct floating_step *step = &state.plan.steps[i];
		_cleanup_free_ char *text = floating_text(step->what);
		bool add = step->kind == FLOATING_ADD;

		printf("would %s the %s %s %s\n", add ? "add" : "remove", text ? text : "address", add ? "to" : "from",
		       step->what->link);
	}
	for (size_t i = 0; i < state.plan.missing_count; i++) {
		_cleanup_free_ char *text = floating_text(state.plan.missing[i]);

		log_error("there is no %s for the %s: 'pvc-netsetup' makes it", state.plan.missing[i]->link,
			  text ? text : "address");
	}
	return state.plan.missing_count ? EXIT_FAILED : EXIT_OK;
}
