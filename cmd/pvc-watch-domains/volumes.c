/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The volumes of a VM that is about to be started (D40, D41): a program of its own asks Ceph who holds them, because
 * this one must neither link librados nor hang with it. The disks are those of the definition as it is now (D49).
 *
 * It takes longer than what a synced read allows, so when the volumes are free the start begins anew, and its next
 * synced read, which must find the same definition, carries it out.
 */
#include "daemon.h"

#define HELPER          "pvc-volume-locks"
#define HELPER_PATIENCE (60 * USEC_PER_SEC)
#define FREE_FOR        (10 * USEC_PER_SEC) /* what the helper said is believed */

struct asking {
	struct vm *vm;
	struct strlist volumes;
	char *config;
	char *said;
	int status;
};

static void asking_free(void *arg) {
	struct asking *asking = arg;

	strlist_free(&asking->volumes);
	free(asking->config);
	free(asking->said);
	free(asking);
}

static int work(void *arg) {
	_cleanup_run_result_ struct run_result result = {0};
	struct asking *asking = arg;
	const char **argv = calloc(asking->volumes.count + 4, sizeof(*argv));
	size_t n = 0;
	int r = -ENOMEM;

	if (argv) {
		argv[n++] = HELPER;
		argv[n++] = "--config";
		argv[n++] = asking->config;
		for (size_t i = 0; i < asking->volumes.count; i++)
			argv[n++] = asking->volumes.items[i];
		r = run_command(argv, NULL, deadline_after(HELPER_PATIENCE), &result);
		free(argv);
	}
	if (r < 0)
		return r;
	asking->status = result.status;
	asking->said = str_printable(result.error, REASON_MAX);
	return 0;
}

/* The helper's last line, without its name. */
static const char *reason_of(const struct asking *asking) {
	static const char name[] = HELPER ": ";
	const char *text = asking->said ? strstr(asking->said, name) : NULL;

	return text ? text + strlen(name) : asking->said && *asking->said ? asking->said : "no reason given";
}

static void on_done(void *arg, int result, void *userdata) {
	struct asking *asking = arg;
	struct vm *vm = asking->vm;

	(void)userdata;
	if (result == -ECANCELED || vm->daemon->stopping)
		return;
	if (result < 0 || (asking->status != EXIT_OK && asking->status != EXIT_FAILED)) {
		log_error("VM %s: whether its volumes are free cannot be told: %s; tried again in %u s", vm_label(vm),
			  result < 0 ? strerror(-result) : reason_of(asking), (unsigned)(RETRY_PAUSE / USEC_PER_SEC));
		vm_finish(vm, RETRY_PAUSE);
		return;
	}
	if (asking->status == EXIT_FAILED) {
		log_error("VM %s: cannot be started: %s; its state becomes 'fail'", vm_label(vm), reason_of(asking));
		fail_write(vm, reason_of(asking));
		return;
	}
	if (asking->said && *asking->said)
		log_info("VM %s: %s", vm_label(vm), reason_of(asking));
	vm->volumes_free = now_monotonic();
	vm_finish(vm, 0);
}

bool volumes_are_free(struct vm *vm, const struct store_value *xml) {
	struct asking *asking;
	usec_t free_since = vm->volumes_free;
	struct job job = {.work = work, .done = on_done, .free_arg = asking_free, .deadline = DEADLINE_NEVER};
	int r;

	vm->volumes_free = 0;
	if (!vm->daemon->config->enable_storage || (free_since && now_monotonic() - free_since < FREE_FOR))
		return true;
	asking = calloc(1, sizeof(*asking));
	r = asking ? virt_xml_volumes(xml->data, xml->length, &asking->volumes) : -ENOMEM;
	if (asking && (r == -EINVAL || (r == 0 && asking->volumes.count == 0))) {
		asking_free(asking);
		return true; /* what is no definition is refused later */
	}
	if (r == 0) {
		asking->vm = vm;
		asking->config = strdup(vm->daemon->config->path);
		job.arg = asking;
		r = asking->config ? workers_submit(vm->daemon->helpers, &job) : -ENOMEM;
	}
	if (r == 0) {
		log_debug("VM %s: who holds its volumes?", vm_label(vm));
		return false;
	}
	if (asking)
		asking_free(asking);
	log_error("VM %s: cannot ask who holds its volumes: %s", vm_label(vm), strerror(-r));
	vm_finish(vm, RETRY_PAUSE);
	return false;
}
