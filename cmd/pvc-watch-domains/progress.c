/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is told about a migration: the key `migration`, lines of WORD=VALUE, for people and for pvcctl; nothing is
 * decided by it. And what pvcctl asks of one: the key `migrate_options`, likewise.
 */
#include "daemon.h"

#define LOOK_PAUSE    (500 * USEC_PER_MSEC)
#define PUBLISH_PAUSE (1 * USEC_PER_SEC)

static uint64_t mebibytes(uint64_t bytes) {
	return bytes / 1048576;
}

char *progress_text(const struct vm *vm, const char *phase, const char *error) {
	const struct virt_job *job = &vm->sending.job;
	_cleanup_free_ char *line = error ? str_printable(error, REASON_MAX) : NULL;

	return str_printf("phase=%s\nsource=%s\ntarget=%s\nelapsed_ms=%llu\nsent_mib=%llu\nremaining_mib=%llu\n"
			  "total_mib=%llu\n%s%s%s",
			  phase, vm->daemon->config->node, vm->sending.target ? vm->sending.target : vm->holder.target,
			  (unsigned long long)(vm->sending.since ? (now_monotonic() - vm->sending.since) / 1000 : 0),
			  (unsigned long long)mebibytes(job->processed), (unsigned long long)mebibytes(job->remaining),
			  (unsigned long long)mebibytes(job->total), line ? "error=" : "", line ? line : "",
			  line ? "\n" : "");
}

static void on_published(struct store *store, int result, void *userdata) {
	(void)store;
	(void)userdata;
	if (result < 0)
		log_debug("progress of a migration was not written: %s", strerror(-result));
}

static void publish_progress(struct vm *vm) {
	_cleanup_free_ char *path = store_path(STORE_DOMAINS, vm->uuid, "migration", NULL),
			    *text = progress_text(vm, "sending", NULL);
	struct store_txn *txn = path && text ? store_txn_new() : NULL;

	vm->sending.published_at = now_monotonic();
	if (!txn)
		return; /* only told */
	if (store_txn_set(txn, path, text, STORE_ANY_VERSION) < 0)
		store_txn_free(txn);
	else
		(void)store_commit(vm->daemon->store, txn, on_published, NULL);
}

struct look {
	struct daemon *daemon;
	char uuid[VIRT_UUID_TEXT]; /* not the VM itself: it may be gone when the answer comes */
};

static void on_look(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct look *look = userdata;
	struct vm *vm = table_find(look->daemon, look->uuid);

	(void)virt;
	free(look);
	if (!vm)
		return;
	vm->sending.looking = false;
	if (result != 1 || !vm->sending.running || vm->daemon->stopping)
		return;
	vm->sending.job = reply->job;
	if (now_monotonic() - vm->sending.published_at < PUBLISH_PAUSE)
		return;
	log_info("VM %s: on its way to node %s: %llu MiB sent, %llu of %llu MiB left", vm_label(vm), vm->holder.target,
		 (unsigned long long)mebibytes(reply->job.processed),
		 (unsigned long long)mebibytes(reply->job.remaining), (unsigned long long)mebibytes(reply->job.total));
	publish_progress(vm);
}

static void look_at(struct vm *vm) {
	struct look *look = vm->sending.looking ? NULL : malloc(sizeof(*look));
	struct virt_call call = {
	    .verb = VIRT_JOB, .uuid = vm->uuid, .patience = LIST_PATIENCE, .done = on_look, .userdata = look};

	if (!look)
		return;
	look->daemon = vm->daemon;
	memcpy(look->uuid, vm->uuid, sizeof(look->uuid));
	vm->sending.looking = virt_submit(vm->daemon->virt, &call) == 0;
	if (!vm->sending.looking)
		free(look);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
	struct vm *vm = userdata;

	(void)source;
	(void)usec;
	if (!vm->sending.running)
		return 0;
	if (now_monotonic() - vm->sending.since > vm->daemon->config->migration_timeout * USEC_PER_SEC)
		vm->sending.overdue = true;
	if (vm->sending.overdue)
		send_abort(vm);
	else
		vm_evaluate(vm); /* one that could not be ended in its first moment */
	look_at(vm);
	progress_watch(vm);
	return 0;
}

void progress_watch(struct vm *vm) {
	if (event_timer(vm->daemon->event, &vm->sending.timer, LOOK_PAUSE, on_time, vm) < 0)
		log_error("VM %s: no timer for its migration: it is not limited in time", vm_label(vm));
}

/* The value after `word=` in lines; NULL when there is none or no memory. */
static char *field(const char *text, const char *word) {
	size_t length = strlen(word);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, word, length) == 0 && line[length] == '=')
			return strndup(line + length + 1, strcspn(line, "\n") - length - 1);
	return NULL;
}

void options_see(struct vm *vm, const struct store_value *options, const struct store_value *node) {
	bool valid = options->exists && node->exists && options->stat.mzxid == node->stat.mzxid;
	_cleanup_free_ char *live_only = valid ? field(options->data, "live_only") : NULL;

	free(vm->options.home);
	vm->options = (struct options){.live_only = str_equal(live_only, "True"),
				       .home = valid ? field(options->data, "lastnode") : NULL};
}
