/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is shown of a VM as it stands in its keys: the console log and the XML. */
#include "console.h"
#include "pvcctl.h"

static int read_key(struct ctl *ctl, const struct vm_ref *vm, const char *key, struct store_value *ret) {
	_cleanup_free_ char *path = vm_key_path(vm->uuid, key);
	int r = path ? store_get_wait(ctl->store, path, deadline_after(OPERATION_TIMEOUT), ret) : -ENOMEM;

	return r < 0 ? failed(r, "cannot read %s of VM '%s': %s", key, vm->name, store_error_text(r)) : EXIT_OK;
}

int vm_dump(struct ctl *ctl) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	struct store_value xml = {0};
	int r = vm_find(ctl, ctl->arguments[0], &vm);

	if (r == EXIT_OK)
		r = read_key(ctl, &vm, "xml", &xml);
	if (r != EXIT_OK)
		return r;
	if (!xml.length)
		r = failed_with(EXIT_FAILED, "VM '%s' has no XML", vm.name);
	else if (fwrite(xml.data, 1, xml.length, stdout) == xml.length && xml.data[xml.length - 1] != '\n')
		putchar('\n'); /* main() tells a failed write */
	store_value_free(&xml);
	return r;
}

/* To a terminal goes nothing that it would obey; to a file or pipe the log as it is. */
static int print_log(const char *text) {
	_cleanup_free_ char *harmless = isatty(STDOUT_FILENO) ? console_harmless(text) : NULL;

	fputs(harmless ? harmless : text, stdout);
	return fflush(stdout) == 0 ? EXIT_OK : failed(-errno, "cannot write the output: %s", strerror(errno));
}

static int print_json(const struct vm_ref *vm, const char *text) {
	_cleanup_strlist_ struct strlist lines = {0};
	json_t *array = json_array();

	/* empty lines count too, so strlist_split() does not do */
	while (*text) {
		_cleanup_free_ char *line = strndup(text, strcspn(text, "\n"));
		_cleanup_free_ char *harmless = line ? str_printable(line, SIZE_MAX / 2) : NULL;

		if (!harmless || json_array_append_new(array, json_string(harmless)) < 0) {
			json_decref(array);
			return failed(-ENOMEM, "out of memory");
		}
		text += strlen(line);
		text += *text == '\n';
	}
	return json_print(json_pack("{s:o, s:s, s:o}", "name", json_text(vm->name), "uuid", vm->uuid, "lines", array));
}

struct follow {
	char *shown; /* the log as it was printed last; NULL before the first value */
	uint64_t lines;
	bool over;
	int code;
};

static void log_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct follow *f = userdata;
	const char *fresh;
	bool gap = false;
	char *copy;

	(void)store;
	if (!value->exists) {
		f->code = failed_with(EXIT_FAILED, "the VM is gone");
		f->over = true;
		return;
	}
	copy = strdup(value->data);
	if (!copy)
		return; /* the next change shows what was not shown now */
	fresh = f->shown ? console_new_part(f->shown, copy, &gap) : console_tail(copy, f->lines);
	if (gap)
		fputs("pvcctl: note: lines came faster than they could be followed; some are missing here\n", stderr);
	f->code = print_log(fresh);
	f->over = f->code != EXIT_OK;
	free(f->shown);
	f->shown = copy;
}

static int follow_log(struct ctl *ctl, const struct vm_ref *vm) {
	_cleanup_free_ char *path = vm_key_path(vm->uuid, "consolelog");
	struct follow follow = {.lines = ctl->options.lines};
	struct store_watch *watch = NULL;
	int r = path ? store_watch_value(ctl->store, path, log_changed, &follow, &watch) : -ENOMEM;

	if (r >= 0)
		r = store_wait(ctl->store, &follow.over, DEADLINE_NEVER);
	if (watch)
		store_watch_free(watch);
	free(follow.shown);
	return r < 0 ? failed(r, "cannot follow the log of VM '%s': %s", vm->name, store_error_text(r)) : follow.code;
}

int vm_log(struct ctl *ctl) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	struct store_value log = {0};
	const char *tail;
	int r;

	if (ctl->options.follow && wants_json(ctl))
		return failed_with(EXIT_USAGE, "--follow prints text only; try 'pvcctl vm log --help'");
	r = vm_find(ctl, ctl->arguments[0], &vm);
	if (r == EXIT_OK && ctl->options.follow)
		return follow_log(ctl, &vm);
	if (r == EXIT_OK)
		r = read_key(ctl, &vm, "consolelog", &log);
	if (r != EXIT_OK)
		return r;
	tail = console_tail(log.data, ctl->options.lines);
	r = wants_json(ctl) ? print_json(&vm, tail) : print_log(tail);
	if (!wants_json(ctl) && *tail && tail[strlen(tail) - 1] != '\n')
		putchar('\n');
	store_value_free(&log);
	return r;
}
