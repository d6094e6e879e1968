/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting for a VM that moves, and what the nodes tell about it in the VM's key `migration`. */
#include "pvcctl.h"

char *line_value(const char *text, const char *word) {
	size_t length = strlen(word);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, word, length) == 0 && line[length] == '=') {
			_cleanup_free_ char *value = strndup(line + length + 1, strcspn(line, "\n") - length - 1);

			return value ? str_printable(value, 1000) : NULL;
		}
	return NULL;
}

static double seconds_of(const char *milliseconds) {
	uint64_t value = 0;

	return milliseconds && parse_u64(milliseconds, 0, UINT64_MAX, &value) == 0 ? (double)value / 1000 : 0;
}

char *migration_text(const char *text) {
	_cleanup_free_ char *phase = line_value(text, "phase"), *target = line_value(text, "target"),
			    *elapsed = line_value(text, "elapsed_ms"), *downtime = line_value(text, "downtime_ms"),
			    *sent = line_value(text, "sent_mib"), *remaining = line_value(text, "remaining_mib"),
			    *total = line_value(text, "total_mib"), *error = line_value(text, "error");

	if (str_equal(phase, "done"))
		return str_printf("to node '%s' in %.2f s, %s MiB; the guest stood still for %s ms",
				  target ? target : "-", seconds_of(elapsed), sent ? sent : "-",
				  downtime ? downtime : "-");
	if (str_equal(phase, "failed"))
		return str_printf("to node '%s' failed: %s", target ? target : "-", error ? error : "-");
	if (str_equal(phase, "sending"))
		return str_printf("on its way to node '%s': %s MiB sent, %s of %s MiB left", target ? target : "-",
				  sent ? sent : "-", remaining ? remaining : "-", total ? total : "-");
	return NULL;
}

enum { KEY_STATE, KEY_NODE, KEY_HOLDER, KEY_REASON, KEY_MIGRATION, KEY_SELF, KEY_COUNT };

enum outcome { ARRIVED, STAYED, FAILED, CHANGED, GONE };

struct arrival {
	const struct vm_ref *vm;
	const char *source, *target;
	char *told;
	int64_t began; /* mzxid of the key migration when it was first seen: told before this move */
	bool restarted, known;
	enum outcome outcome;
};

static void progress(struct arrival *a, const struct await_key *key) {
	_cleanup_free_ char *text = migration_text(key->data);

	if (!a->known) {
		a->known = true;
		a->began = key->mzxid;
	}
	if (!text || key->mzxid == a->began || str_equal(text, a->told))
		return;
	printf("VM '%s': %s\n", a->vm->name, text);
	(void)fflush(stdout); /* for people: told again at the end */
	free(a->told);
	a->told = strdup(text);
}

static bool end(struct arrival *a, enum outcome outcome) {
	a->outcome = outcome;
	return true;
}

static bool reached(struct await *await) {
	struct arrival *a = await->userdata;
	const char *node = await->keys[KEY_NODE].data, *holder = await->keys[KEY_HOLDER].data;
	enum vm_state state = vm_state_parse(await->keys[KEY_STATE].data);

	if (!await->keys[KEY_SELF].exists)
		return end(a, GONE);
	progress(a, &await->keys[KEY_MIGRATION]);
	if (state == VM_FAIL)
		return end(a, FAILED);
	if (str_equal(node, a->source) && state == VM_START)
		return end(a, STAYED);
	if (!str_equal(node, a->target))
		return end(a, CHANGED);
	a->restarted = a->restarted || state == VM_RESTART;
	if (state == VM_MIGRATE || state == VM_UNMIGRATE || state == VM_RESTART)
		return false;
	if (state != VM_START)
		return end(a, CHANGED);
	return str_equal(holder, a->target) ? end(a, ARRIVED) : false;
}

static int tell(struct await *await, const struct arrival *a) {
	_cleanup_free_ char *reason = str_printable(await->keys[KEY_REASON].data, 2000);
	_cleanup_free_ char *state = str_printable(await->keys[KEY_STATE].data, 40);
	_cleanup_free_ char *node = str_printable(await->keys[KEY_NODE].data, 60);

	switch (a->outcome) {
	case ARRIVED:
		printf("VM '%s' runs on node '%s'%s.\n", a->vm->name, a->target,
		       a->restarted ? "; it could not be moved while it ran, so it was restarted" : "");
		return EXIT_OK;
	case STAYED:
		return failed_with(EXIT_FAILED, "VM '%s' stays on node '%s': %s", a->vm->name, a->source,
				   reason && *reason ? reason : "it was called back");
	case FAILED:
		return failed_with(EXIT_FAILED, "VM '%s' failed: %s", a->vm->name,
				   reason && *reason ? reason : "its node gave no reason");
	case GONE:
		return failed_with(EXIT_FAILED, "VM '%s' is gone: somebody undefined it", a->vm->name);
	default:
		return failed_with(EXIT_FAILED, "somebody else set VM '%s' to '%s' on node '%s' meanwhile", a->vm->name,
				   state, node);
	}
}

int vm_wait_arrival(struct ctl *ctl, const struct vm_ref *vm, const char *source, const char *target) {
	static const char *const keys[KEY_COUNT] = {"state", "node", "holder", "failedreason", "migration", ""};
	struct arrival a = {.vm = vm, .source = source, .target = target};
	_cleanup_await_ struct await await = {.reached = reached, .userdata = &a};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < KEY_COUNT; i++)
		r = await_add(&await, vm_key_path(vm->uuid, keys[i]));
	if (r >= 0)
		r = await_run(ctl, &await, deadline_after(ctl->options.timeout * USEC_PER_SEC));
	free(a.told);
	if (r == -ETIMEDOUT) {
		_cleanup_free_ char *state = str_printable(await.keys[KEY_STATE].data, 40);
		_cleanup_free_ char *holder = str_printable(await.keys[KEY_HOLDER].data, 200);

		return failed_with(EXIT_TEMPORARY,
				   "VM '%s' does not run on node '%s' after %llu s: its state is '%s', held by '%s'",
				   vm->name, target, (unsigned long long)ctl->options.timeout, state, holder);
	}
	return r < 0 ? failed(r, "cannot watch VM '%s': %s", vm->name, store_error_text(r)) : tell(&await, &a);
}
