/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The status file, from which the heartbeat and pvcctl learn what runs here, and readiness. */
#include "daemon.h"

static bool is_here(const struct vm *vm) {
	return vm->here_known && vm->here != VM_HERE_ABSENT && !vm->gone;
}

/* A copy that another node's holds, or that has not arrived yet, is not reported as running here (D39). */
static bool runs_here(const struct vm *vm) {
	return vm->holds == VM_FREE ? vm->owner == VM_MINE
				    : vm->holds == VM_HELD || vm->holds == VM_SENDING || vm->holds == VM_OFFERING;
}

void publish(struct daemon *daemon, bool even_unchanged) {
	_cleanup_strbuf_ struct strbuf running = {0};
	_cleanup_free_ char *libvirt = NULL, *all = NULL, *count = NULL, *memory = NULL, *vcpus = NULL;
	uint64_t memory_sum = 0, vcpu_sum = 0;
	int r;

	if (!daemon->tried)
		return;
	for (size_t i = 0; i < daemon->count; i++) {
		const struct vm *vm = daemon->vms[i];

		if (!is_here(vm))
			continue;
		memory_sum += vm->memory;
		vcpu_sum += vm->vcpus;
		if (runs_here(vm))
			(void)strbuf_addf(&running, "%s%s", running.length ? " " : "", vm->uuid);
	}
	libvirt = daemon->down ? str_printf("down: %s", daemon->down)
			       : strdup(daemon->listed ? "up" : "down: has not answered yet");
	count = str_printf("%zu", daemon->active);
	memory = str_printf("%llu", (unsigned long long)memory_sum);
	vcpus = str_printf("%llu", (unsigned long long)vcpu_sum);
	if (running.failed || !libvirt || !count || !memory || !vcpus)
		return; /* the file's age tells */
	all = str_printf("%s|%s|%s|%s|%s", libvirt, count, memory, vcpus, running.length ? running.data : "");
	if (!even_unchanged && str_equal(all, daemon->published))
		return;
	r = status_write(daemon->config->dynamic_directory, STATUS_DOMAINS,
			 (const struct status_field[]){{STATUS_DOMAINS_LIBVIRT, libvirt},
						       {STATUS_DOMAINS_COUNT, count},
						       {STATUS_DOMAINS_MEMORY, memory},
						       {STATUS_DOMAINS_VCPUS, vcpus},
						       {STATUS_DOMAINS_RUNNING, running.length ? running.data : ""}},
			 5);
	if (r < 0) {
		log_error("cannot write %s/status/%s: %s", daemon->config->dynamic_directory, STATUS_DOMAINS,
			  strerror(-r));
		return;
	}
	if (!str_equal(all, daemon->published))
		loop_status(daemon->loop, "libvirt %s; %s domain(s) active, %zu VM(s) in the cluster", libvirt, count,
			    daemon->count);
	free(daemon->published);
	daemon->published = move_ptr(all);
}

/* Ready: every VM was compared once. A libvirt that is down or hangs does not hold the unit up. */
void ready_check(struct daemon *daemon) {
	if (daemon->ready || !daemon->list_known || daemon->unloaded > 0 || !daemon->tried)
		return;
	if (!daemon->down && virt_is_up(daemon->virt) && !daemon->listed && daemon->listing && !daemon->list_late)
		return; /* the answer is on its way; on_late() comes here too, when it is not */
	daemon->ready = true;
	publish(daemon, true);
	log_system("watching %zu VM(s); ready", daemon->count);
	loop_ready(daemon->loop, "watching VMs");
}
