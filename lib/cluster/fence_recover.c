/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/fence_recover.h"

/* Who has its process by its key `holder`, as far as the fallen nodes are concerned. */
enum has {
	HAS_NOBODY,  /* nobody, or one that is gone and did not send it anywhere that lives */
	HAS_ANOTHER, /* a node that is not gone */
	HAS_COMING,  /* what a gone node sent may have arrived at a node that is not gone */
	HAS_UNCLEAR,
	HAS_COUNT
};

static bool is_gone(const struct strlist *gone, const char *node) {
	return *node && strlist_contains(gone, node);
}

/* holder_without() for each of them: "A > B" of two that are gone becomes "- > B", and then nobody's. */
static int without(const struct strlist *gone, struct holder *holder, char **ret) {
	_cleanup_free_ char *text = NULL;
	int changed = 0;

	for (size_t i = 0, since = 0; since < gone->count; i = (i + 1) % gone->count) {
		char *next = NULL;
		int r = holder_without(holder, gone->items[i], &next);

		if (r < 0)
			return r;
		if (r == 0) {
			since++;
			continue;
		}
		free(text);
		text = next;
		*holder = holder_parse(text);
		changed = 1;
		since = 0;
	}
	if (changed)
		*ret = move_ptr(text);
	return changed;
}

static enum has relation(const struct holder *holder, const struct strlist *gone) {
	switch (holder->kind) {
	case HOLDER_NONE:
		return HAS_NOBODY;
	case HOLDER_HAS:
	case HOLDER_SENDS:
	case HOLDER_OFFERS:
		return is_gone(gone, holder->node) ? HAS_NOBODY : HAS_ANOTHER;
	case HOLDER_HANDED:
		return HAS_COMING;
	case HOLDER_UNCLEAR:
		break;
	}
	return HAS_UNCLEAR;
}

/* What its state asks for, when it belongs to a node that is gone and nobody has it. */
static const enum recover_kind of_state[VM_STATE_COUNT] = {
    [VM_START] = RECOVER_PLACE,     [VM_RESTART] = RECOVER_PLACE,     [VM_SHUTDOWN] = RECOVER_END,
    [VM_STOP] = RECOVER_RELEASE,    [VM_DISABLE] = RECOVER_RELEASE,   [VM_MIGRATE] = RECOVER_PLACE,
    [VM_UNMIGRATE] = RECOVER_PLACE, [VM_PROVISION] = RECOVER_RELEASE, [VM_FAIL] = RECOVER_RELEASE,
    [VM_DELETE] = RECOVER_RELEASE,
};

/* A VM of a node that is gone. */
static enum recover_kind of_gone(enum vm_state state, enum has has) {
	bool moving = state == VM_MIGRATE || state == VM_UNMIGRATE;

	if (state == VM_STATE_UNKNOWN)
		return RECOVER_RELEASE;
	if (of_state[state] == RECOVER_RELEASE)
		return RECOVER_RELEASE;
	if (has == HAS_UNCLEAR)
		return RECOVER_UNCLEAR;
	/* the sender finds out that it cannot send it there, and keeps it; taking the VM away from it would end it */
	if (has == HAS_ANOTHER && moving)
		return RECOVER_AWAIT;
	return of_state[state];
}

int recover_decide(const struct recover_vm *vm, const char *victim, const struct strlist *gone,
		   struct recover_step *ret) {
	struct holder holder = holder_parse(vm->holder);
	bool belongs = !str_is_absent(vm->node) && is_gone(gone, vm->node);
	bool named =
	    holder.kind != HOLDER_UNCLEAR && (str_equal(holder.node, victim) || str_equal(holder.target, victim));
	struct recover_step step = {.kind = RECOVER_NOTHING};
	int r;

	/* one that belongs to another fallen node and has nothing to do with this one is that one's recovery's */
	if (!str_equal(vm->node, victim) && !named) {
		*ret = step;
		return 0;
	}
	r = holder.kind == HOLDER_UNCLEAR ? 0 : without(gone, &holder, &step.holder);
	if (r < 0)
		return r;
	if (belongs)
		step.kind = of_gone(vm_state_parse(vm->state), relation(&holder, gone));
	if (step.kind == RECOVER_NOTHING || step.kind == RECOVER_RELEASE)
		step.kind = step.holder ? RECOVER_RELEASE : RECOVER_NOTHING;
	if (step.kind == RECOVER_END)
		step.state = vm_state_name(VM_STOP);
	*ret = step;
	return 0;
}

void recover_settle(struct recover_step *step, const struct recover_vm *vm, const char *target) {
	step->state = vm_state_name(target ? VM_START : VM_STOP);
	step->node = target;
	step->lastnode = target ? vm->node : NULL;
	step->autostart = target ? NULL : "True";
}

int recover_target(const struct recover_vm *vm, const char *victim, const struct strlist *gone, enum select_by fallback,
		   const struct select_node *nodes, size_t count, char **ret_error) {
	_cleanup_strlist_ struct strlist allowed = {0};
	struct select_request request = {
	    .limit = &allowed,
	    .tried = gone,
	    .exclude = victim,
	    .by = select_by_parse(vm->selector),
	};
	int r = str_is_absent(vm->limit) ? 0 : strlist_split(&allowed, vm->limit, ", ");

	if (r < 0)
		return r;
	if (request.by == SELECT_BY_UNKNOWN)
		request.by = fallback;
	return select_target(nodes, count, &request, ret_error);
}

void recover_step_free(struct recover_step *step) {
	free(step->holder);
	*step = (struct recover_step){0};
}

const char *recover_kind_name(enum recover_kind kind) {
	static const char *const names[RECOVER_KIND_COUNT] = {
	    [RECOVER_NOTHING] = "nothing", [RECOVER_RELEASE] = "release", [RECOVER_PLACE] = "place",
	    [RECOVER_END] = "end",         [RECOVER_AWAIT] = "await",     [RECOVER_UNCLEAR] = "unclear",
	};

	return names[kind];
}
