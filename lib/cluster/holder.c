/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who may have a virtual machine's process: the key `holder`. See cluster.h. */
#include "cluster/cluster.h"

static bool is_word(const char *text, size_t length) {
	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return false;
	return true;
}

static bool is_nobody(const char *node) {
	return strcmp(node, "-") == 0;
}

/* "A", "A > B", "A ! B" or "- > B" */
struct holder holder_parse(const char *text) {
	struct holder holder = {.kind = HOLDER_UNCLEAR};
	size_t first = text ? strcspn(text, " ") : 0, second;
	char mark;

	if (str_is_absent(text))
		return (struct holder){.kind = HOLDER_NONE};
	if (!is_word(text, first) || first >= sizeof(holder.node))
		return holder;
	memcpy(holder.node, text, first);
	if (!text[first]) {
		holder.kind = is_nobody(holder.node) ? HOLDER_UNCLEAR : HOLDER_HAS;
		return holder;
	}
	mark = text[first + 1];
	if ((mark != '>' && mark != '!') || text[first + 2] != ' ')
		return holder;
	text += first + 3;
	second = strlen(text);
	if (!is_word(text, second) || second >= sizeof(holder.target) || is_nobody(text))
		return holder;
	memcpy(holder.target, text, second);
	if (is_nobody(holder.node))
		holder.kind = mark == '>' ? HOLDER_HANDED : HOLDER_UNCLEAR;
	else
		holder.kind = mark == '>' ? HOLDER_SENDS : HOLDER_OFFERS;
	return holder;
}

char *holder_text(enum holder_kind kind, const char *node, const char *target) {
	switch (kind) {
	case HOLDER_HAS:
		return strdup(node);
	case HOLDER_SENDS:
		return str_printf("%s > %s", node, target);
	case HOLDER_OFFERS:
		return str_printf("%s ! %s", node, target);
	case HOLDER_HANDED:
		return str_printf("- > %s", target);
	default:
		return strdup("");
	}
}

enum vm_holder holder_relation(const struct holder *holder, const char *me) {
	bool mine = strcmp(holder->node, me) == 0, to_me = strcmp(holder->target, me) == 0;

	switch (holder->kind) {
	case HOLDER_NONE:
		return VM_FREE;
	case HOLDER_HAS:
		return mine ? VM_HELD : VM_HELD_ELSEWHERE;
	case HOLDER_SENDS:
		return mine ? VM_SENDING : to_me ? VM_COMING : VM_HELD_ELSEWHERE;
	case HOLDER_OFFERS:
		return mine ? VM_OFFERING : to_me ? VM_OFFERED : VM_HELD_ELSEWHERE;
	case HOLDER_HANDED:
		return to_me ? VM_HANDED : VM_HELD_ELSEWHERE;
	default:
		return VM_HELD_ELSEWHERE;
	}
}

int holder_without(const struct holder *holder, const char *dead, char **ret) {
	bool held = strcmp(holder->node, dead) == 0, to_it = strcmp(holder->target, dead) == 0;
	char *text;

	if (holder->kind == HOLDER_SENDS && held) /* it may have arrived */
		text = holder_text(HOLDER_HANDED, NULL, holder->target);
	else if (held || (holder->kind == HOLDER_HANDED && to_it))
		text = strdup("");
	else
		return 0; /* whoever has it finds out by itself that it cannot send it there */
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 1;
}
