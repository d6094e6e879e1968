/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/cluster.h"

#define NAME_BYTES 100 /* of a name in the text */
#define NOTE_BYTES 300 /* of a note */

static const struct {
	const char *name, *counted; /* in the text; in a summary */
} words[PROGRESS_WORD_COUNT] = {
    [PROGRESS_WAITING] = {"waiting", "waiting"},
    [PROGRESS_MOVING] = {"moving", "on the way"},
    [PROGRESS_MOVED] = {"moved", "moved"},
    [PROGRESS_RESTARTED] = {"restarted", "moved by a restart"},
    [PROGRESS_STARTED] = {"started", "started"},
    [PROGRESS_ASSIGNED] = {"assigned", "assigned"},
    [PROGRESS_SHUT_DOWN] = {"shutdown", "shut down"},
    [PROGRESS_OFF] = {"off", "off"},
    [PROGRESS_STAYED] = {"stayed", "stayed"},
    [PROGRESS_FAILED] = {"failed", "failed"},
};
static const char *const phases[PROGRESS_PHASE_COUNT] = {
    [PROGRESS_RUNNING] = "running",
    [PROGRESS_DONE] = "done",
    [PROGRESS_CANCELLED] = "cancelled",
};

const char *progress_word_name(enum progress_word word) {
	return word < PROGRESS_WORD_COUNT ? words[word].name : NULL;
}

const char *progress_phase_name(enum progress_phase phase) {
	return phase < PROGRESS_PHASE_COUNT ? phases[phase] : NULL;
}

static void vm_clear(struct progress_vm *vm) {
	free(vm->uuid);
	free(vm->node);
	free(vm->name);
	free(vm->note);
}

void progress_free(struct progress *p) {
	for (size_t i = 0; i < p->count; i++)
		vm_clear(&p->vms[i]);
	free(p->vms);
	*p = (struct progress){0};
}

static struct progress_vm *place(struct progress *p, const char *uuid) {
	struct progress_vm *grown;

	for (size_t i = 0; i < p->count; i++)
		if (str_equal(p->vms[i].uuid, uuid))
			return &p->vms[i];
	grown = reallocarray(p->vms, p->count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	p->vms = grown;
	grown[p->count] = (struct progress_vm){0};
	return &grown[p->count++];
}

int progress_put(struct progress *p, enum progress_word word, const char *uuid, const char *node, const char *name,
		 const char *note) {
	struct progress_vm vm = {
	    .word = word,
	    .uuid = str_printable(uuid, NAME_BYTES),
	    .node = str_printable(node ? node : "", NAME_BYTES),
	    .name = str_printable(name ? name : "", NAME_BYTES),
	    .note = str_printable(note ? note : "", NOTE_BYTES),
	};
	struct progress_vm *at = vm.uuid && vm.node && vm.name && vm.note ? place(p, vm.uuid) : NULL;

	if (!at) {
		vm_clear(&vm);
		return -ENOMEM;
	}
	vm_clear(at);
	*at = vm;
	return 0;
}

void progress_drop(struct progress *p, const char *uuid) {
	for (size_t i = 0; i < p->count; i++) {
		if (!str_equal(p->vms[i].uuid, uuid))
			continue;
		vm_clear(&p->vms[i]);
		p->vms[i] = p->vms[--p->count];
		return;
	}
}

bool progress_is_end(enum progress_word word) {
	return word != PROGRESS_WAITING && word != PROGRESS_MOVING;
}

size_t progress_counted(const struct progress *p, enum progress_word word) {
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += p->vms[i].word == word;
	return n;
}

size_t progress_ended(const struct progress *p) {
	return p->count - progress_counted(p, PROGRESS_MOVING) - progress_counted(p, PROGRESS_WAITING);
}

static void add_lines(struct strbuf *text, const struct progress *p, bool ended) {
	for (size_t i = 0; i < p->count; i++) {
		const struct progress_vm *vm = &p->vms[i];

		if (progress_is_end(vm->word) != ended || text->length > PROGRESS_TEXT_MAX - 1000)
			continue;
		(void)strbuf_addf(text, "%s\t%s\t%s\t%s\t%s\n", words[vm->word].name, vm->uuid, vm->node, vm->name,
				  vm->note); /* failures are kept in text.failed */
	}
}

char *progress_format(const struct progress *p) {
	_cleanup_strbuf_ struct strbuf text = {0};

	(void)strbuf_addf(&text, "%s %s %llu\n", domain_state_name(p->asked), phases[p->phase],
			  (unsigned long long)p->total);
	/* those that are to be dealt with first: who takes the work up after a crash has to know them */
	add_lines(&text, p, false);
	add_lines(&text, p, true);
	return strbuf_steal(&text);
}

static int parse_head(const char *line, struct progress *p) {
	_cleanup_strlist_ struct strlist fields = {0};
	int r = strlist_split(&fields, line, " ");

	if (r < 0)
		return r;
	if (fields.count != 3 || parse_u64(fields.items[2], 0, UINT32_MAX, &p->total) < 0)
		return -EINVAL;
	p->asked = domain_state_parse(fields.items[0]);
	p->phase = PROGRESS_PHASE_COUNT;
	for (unsigned i = 0; i < PROGRESS_PHASE_COUNT; i++)
		if (strcmp(phases[i], fields.items[1]) == 0)
			p->phase = (enum progress_phase)i;
	return (p->asked == DOMAINS_FLUSH || p->asked == DOMAINS_UNFLUSH) && p->phase != PROGRESS_PHASE_COUNT ? 0
													      : -EINVAL;
}

/* `line` is cut at its tabs. */
static int parse_vm(char *line, struct progress *p) {
	char *fields[5] = {line, NULL, NULL, NULL, NULL};

	for (size_t i = 1; i < ARRAY_SIZE(fields); i++) {
		char *tab = strchr(fields[i - 1], '\t');

		if (!tab)
			return 0;
		*tab = '\0';
		fields[i] = tab + 1;
	}
	for (unsigned i = 0; *fields[1] && i < PROGRESS_WORD_COUNT; i++)
		if (strcmp(words[i].name, fields[0]) == 0)
			return progress_put(p, (enum progress_word)i, fields[1], fields[2], fields[3], fields[4]);
	return 0;
}

int progress_parse(const char *text, struct progress *ret) {
	_cleanup_strlist_ struct strlist lines = {0};
	_cleanup_progress_ struct progress p = {0};
	int r = strlist_split(&lines, text ? text : "", "\n");

	if (r >= 0)
		r = lines.count ? parse_head(lines.items[0], &p) : -EINVAL;
	for (size_t i = 1; r >= 0 && i < lines.count; i++)
		r = parse_vm(lines.items[i], &p);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct progress){0};
	return 0;
}

char *progress_summary(const struct progress *p) {
	_cleanup_strbuf_ struct strbuf text = {0};
	const char *separator = ": ";

	(void)strbuf_addf(&text, "%llu VM%s", (unsigned long long)p->total, p->total == 1 ? "" : "s");
	for (unsigned i = 0; i < PROGRESS_WORD_COUNT; i++) {
		size_t n = progress_counted(p, (enum progress_word)i);

		if (!n)
			continue;
		(void)strbuf_addf(&text, "%s%zu %s", separator, n, words[i].counted);
		separator = ", ";
	}
	return strbuf_steal(&text);
}
