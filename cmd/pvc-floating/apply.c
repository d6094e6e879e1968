/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The note and the kernel. What is about to be added is noted first, so that a later pvc-floating finds it whenever
 * this one is killed and whatever the configuration says by then.
 */
#include "floating.h"
#include "log/log.h"

#define NOTE_LIMIT 4096 /* bytes: FLOATING_MAX lines */

int floating_open(struct floating *floating, const char *directory) {
	_cleanup_free_ char *text = NULL, *error = NULL;
	int r;

	floating->note_path = str_printf("%s/floating", directory);
	r = floating->note_path ? file_read(floating->note_path, NOTE_LIMIT, &text, NULL) : -ENOMEM;
	if (r >= 0)
		floating_parse(text, &floating->noted);
	else if (r != -ENOENT)
		log_warning("cannot read the note of floating addresses in %s: %s", floating->note_path,
			    strerror(-r)); /* those of the configuration are known without it */
	if (r == -ENOMEM)
		return r;
	r = net_open(&floating->net, &error);
	if (r < 0)
		log_error("cannot talk to the kernel about addresses: %s", error ? error : strerror(-r));
	return r;
}

void floating_close(struct floating *floating) {
	net_close(floating->net);
	free(floating->note_path);
	for (size_t i = 0; i < ARRAY_SIZE(floating->said); i++)
		free(floating->said[i]);
}

static bool same(const struct floating_list *a, const struct floating_list *b) {
	bool all = a->count == b->count; /* none is twice in either */

	for (size_t i = 0; all && i < a->count; i++)
		all = floating_contains(b, &a->items[i]);
	return all;
}

static int write_note(struct floating *floating, const struct floating_list *list) {
	_cleanup_strbuf_ struct strbuf text = {0};
	int r;

	if (same(list, &floating->noted))
		return 0;
	r = floating_format(list, &text);
	if (r >= 0 && list->count == 0)
		r = unlink(floating->note_path) < 0 && errno != ENOENT ? -errno : 0;
	else if (r >= 0)
		r = file_write_atomic(floating->note_path, text.data, text.length, 0644);
	if (r < 0)
		log_error("cannot note the floating addresses in %s: %s", floating->note_path, strerror(-r));
	else
		floating->noted = *list;
	return r;
}

void floating_state_free(struct floating_state *state) {
	floating_plan_free(&state->plan);
	net_links_free(&state->links);
	net_addresses_free(&state->addresses);
}

int floating_observe(struct floating *floating, bool release, struct floating_state *ret, char **ret_error) {
	int r;

	*ret = (struct floating_state){.owned = floating->wanted};
	for (size_t i = 0; i < floating->noted.count; i++)
		(void)floating_add(&ret->owned, &floating->noted.items[i]); /* the note holds no more than fit */
	r = net_links_read(floating->net, &ret->links, ret_error);
	if (r >= 0)
		r = net_addresses_read(floating->net, &ret->addresses, ret_error);
	if (r >= 0)
		r = floating_plan(release ? &ret->none : &floating->wanted, &ret->owned, &ret->links, &ret->addresses,
				  &ret->plan);
	return r;
}

/* What is wrong with a wanted address, once until it changes; NULL: nothing any more. */
static void say(struct floating *floating, const struct floating_address *what, const char *problem) {
	char **said = &floating->said[what - floating->wanted.items];

	if (str_equal(*said, problem))
		return;
	if (problem)
		log_error("%s", problem);
	free(*said);
	*said = problem ? strdup(problem) : NULL; /* without memory it is named again */
}

static bool is_wanted(const struct floating *floating, const struct floating_address *what) {
	return what >= floating->wanted.items && what < floating->wanted.items + floating->wanted.count;
}

static int execute(struct floating *floating, const struct floating_step *step) {
	_cleanup_free_ char *error = NULL, *text = floating_text(step->what), *problem = NULL;
	bool add = step->kind == FLOATING_ADD;
	int r = add ? net_address_add(floating->net, &step->address, &error)
		    : net_address_remove(floating->net, &step->address, &error);

	if (r < 0)
		problem = str_printf("cannot %s %s %s %s: %s", add ? "add" : "remove", text ? text : "an address",
				     add ? "to" : "from", step->what->link, error ? error : strerror(-r));
	else
		log_info("%s %s %s", text ? text : "an address", add ? "added to" : "removed from", step->what->link);
	if (add && is_wanted(floating, step->what))
		say(floating, step->what, problem);
	else if (problem)
		log_error("%s", problem);
	return r;
}

static void say_missing(struct floating *floating, const struct floating_address *what) {
	_cleanup_free_ char *text = floating_text(what), *problem = NULL;

	problem = str_printf("there is no %s for the %s: 'pvc-netsetup' makes it; the address is set as soon as it is "
			     "there",
			     what->link, text ? text : "floating address");
	say(floating, what, problem ? problem : "no memory");
}

int floating_apply(struct floating *floating, struct floating_state *state) {
	int first = 0, added = 0;

	/* a failure is named in the log; those of the configuration are found without the note */
	(void)write_note(floating, &state->owned);
	for (size_t i = 0; i < state->plan.count; i++) {
		int r = execute(floating, &state->plan.steps[i]);

		if (r < 0 && first >= 0)
			first = r;
		else if (r >= 0 && state->plan.steps[i].kind == FLOATING_ADD)
			added++;
	}
	for (size_t i = 0; i < state->plan.missing_count; i++)
		say_missing(floating, state->plan.missing[i]);
	if (first >= 0) /* what is left of an earlier configuration is gone */
		(void)write_note(floating, &floating->wanted);
	return first < 0 ? first : added;
}

int floating_release(struct floating *floating) {
	_cleanup_floating_state_ struct floating_state state = {0};
	const struct floating_list none = {0};
	_cleanup_free_ char *error = NULL;
	int r = floating_observe(floating, true, &state, &error);

	if (r < 0) {
		log_error("cannot read links and addresses: %s", error ? error : strerror(-r));
		return r;
	}
	for (size_t i = 0; i < state.plan.count; i++) {
		int result = execute(floating, &state.plan.steps[i]);

		if (result < 0 && r >= 0)
			r = result;
	}
	if (r >= 0)
		r = write_note(floating, &none);
	return r;
}
