/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libvirt's side: is it up, what does it run. */
#include "daemon.h"

/* Takes over a complete listing. Sorted like the table. */
static void take(struct daemon *daemon, const struct virt_reply *reply) {
	size_t n = 0;

	daemon->active = reply->count;
	for (size_t i = 0; i < daemon->count; i++) {
		struct vm *vm = daemon->vms[i];
		const struct virt_domain *domain;

		while (n < reply->count && strcmp(reply->domains[n].uuid, vm->uuid) < 0)
			n++;
		domain = n < reply->count && strcmp(reply->domains[n].uuid, vm->uuid) == 0 ? &reply->domains[n] : NULL;
		if (domain) {
			vm->memory = domain->memory;
			vm->vcpus = domain->vcpus;
		}
		(void)vm_observe(vm, domain ? domain->state : VIRT_OFF, reply->serial);
	}
}

static void on_list(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct daemon *daemon = userdata;

	(void)virt;
	daemon->listing = daemon->list_late = false;
	if (daemon->stopping || result == -ECANCELED)
		return;
	if (daemon->list_stale) {
		daemon->list_stale = false;
		hypervisor_list(daemon);
		return;
	}
	if (result < 0) {
		if (result != -ENOTCONN) /* else the connection says so itself */
			log_error("cannot list libvirt's domains: %s",
				  *reply->error ? reply->error : strerror(-result));
		hypervisor_list_soon(daemon);
		return;
	}
	take(daemon, reply);
	daemon->listed = virt_is_up(daemon->virt);
	daemon->tried = true;
	vm_evaluate_all(daemon);
	publish(daemon, false);
	ready_check(daemon);
	if (daemon->list_again)
		hypervisor_list(daemon);
}

static void on_late(struct virt *virt, void *userdata) {
	struct daemon *daemon = userdata;

	(void)virt;
	log_error("libvirtd has not answered for %u s; VMs run on, changes wait",
		  (unsigned)(LIST_PATIENCE / USEC_PER_SEC));
	daemon->tried = daemon->list_late = true;
	ready_check(daemon);
}

void hypervisor_list(struct daemon *daemon) {
	struct virt_call call = {
	    .verb = VIRT_LIST, .patience = LIST_PATIENCE, .done = on_list, .late = on_late, .userdata = daemon};

	if (daemon->listing) {
		daemon->list_again = true;
		return;
	}
	daemon->list_again = false;
	daemon->listing = virt_is_up(daemon->virt) && virt_submit(daemon->virt, &call) == 0;
}

static int on_soon(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	hypervisor_list(userdata);
	return 0;
}

void hypervisor_list_soon(struct daemon *daemon) {
	if (event_timer(daemon->event, &daemon->list_timer, 100 * USEC_PER_MSEC, on_soon, daemon) < 0)
		hypervisor_list(daemon);
}

/* Every keepalive interval: that the figures are fresh. Every few of them: whatever no event told. */
static int on_tick(sd_event_source *source, uint64_t usec, void *userdata) {
	struct daemon *daemon = userdata;

	(void)source;
	(void)usec;
	if (daemon->ticks++ % TICKS_A_LISTING == 0)
		hypervisor_list(daemon);
	publish(daemon, true);
	consoles_check(daemon);
	return event_timer(daemon->event, &daemon->tick, daemon->config->keepalive_interval * USEC_PER_SEC, on_tick,
			   daemon);
}

static void on_connection(struct virt *virt, bool up, const char *reason, void *userdata) {
	struct daemon *daemon = userdata;
	bool same = daemon->down && strcmp(daemon->down, reason) == 0;

	(void)virt;
	daemon->listed = false;
	daemon->list_stale = daemon->listing;
	if (up) {
		log_system("connected to libvirt");
		free(daemon->down);
		daemon->down = NULL;
		hypervisor_list(daemon);
		return;
	}
	if (!same)
		log_error("libvirt is not reachable: %s; tried again (systemctl status libvirtd)", reason);
	free(daemon->down);
	daemon->down = strdup(reason);
	daemon->tried = true;
	publish(daemon, false);
	ready_check(daemon);
}

static void on_event(struct virt *virt, const struct virt_event *event, void *userdata) {
	struct daemon *daemon = userdata;
	struct vm *vm = table_find(daemon, event->uuid);

	if (event->state != VIRT_SAME)
		hypervisor_list_soon(daemon); /* the figures */
	if (!vm)
		return; /* not one of ours */
	log_debug("VM %s: libvirt: %s%s%s", vm_label(vm), event->what, *event->detail ? ", " : "", event->detail);
	if (event->state == VIRT_SAME)
		return;
	vm->serial = virt_serial(virt);
	if (event->state == VIRT_MOVING && vm->sending.running)
		vm->sending.paused_at = now_monotonic();
	if (event->state == VIRT_PAUSED && vm->holds == VM_COMING)
		vm->arrived_at = now_monotonic();
	(void)vm_observe(vm, event->state, vm->serial);
	vm_evaluate(vm);
}

int hypervisor_start(struct daemon *daemon) {
	struct virt_options options = {.workers = CALLS_MAX + (unsigned)daemon->config->migrations_outgoing,
				       .on_connection = on_connection,
				       .on_event = on_event,
				       .userdata = daemon};
	int r = virt_new(&daemon->virt, daemon->event, &options);

	return r < 0 ? r : on_tick(NULL, 0, daemon);
}
