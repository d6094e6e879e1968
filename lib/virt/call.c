/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Calls to libvirt as jobs. A call that is late is reported so, but it is over only when its thread has come back: what
 * it did is not known before, and a second one must not be made beside it.
 *
 * A struct call belongs to its job until the job's free_arg; if it was late, then to the queue, and the loop ends it.
 */
#include "virt/internal.h"

#include <poll.h>

#define REMOVAL_PATIENCE (2 * USEC_PER_SEC)

struct call {
	struct virt_call call; /* uuid, xml and migration are copies */
	struct virt_migration migration;
	struct virt *virt; /* loop only */
	struct post *post;
	virConnectPtr conn; /* worker only */
	struct virt_reply reply;
	struct virt_domain *domains;
	char *error;
	int result;
	uint64_t generation; /* of the connection */
	bool late;
};

void call_free(struct call *call) {
	if (call->post)
		post_unref(call->post);
	free(call->domains);
	free(call->error);
	free((char *)call->call.uuid);
	free((char *)call->call.xml);
	free((char *)call->migration.connect);
	free((char *)call->migration.transfer);
	free(call);
}

/* ---- on a worker ---------------------------------------------------------------------------------------------- */

enum virt_state virt_state_of(int state, int reason) {
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
	case VIR_DOMAIN_SHUTDOWN:
		return VIRT_RUNNING;
	case VIR_DOMAIN_PAUSED:
		return reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_STARTING_UP ? VIRT_MOVING
													: VIRT_PAUSED;
	case VIR_DOMAIN_PMSUSPENDED:
		return VIRT_PAUSED;
	case VIR_DOMAIN_CRASHED:
		return VIRT_CRASHED;
	default:
		return VIRT_OFF;
	}
}

/* Keeps libvirt's message of this thread and finds the errno for it. */
static int failed(struct call *call) {
	int code = virGetLastErrorCode();

	free(call->error);
	call->error = virt_last_message();
	if (virConnectIsAlive(call->conn) == 0)
		return -ENOTCONN;
	switch (code) {
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	case VIR_ERR_OPERATION_TIMEOUT:
		return -EBUSY;
	case VIR_ERR_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int compare_domains(const void *a, const void *b) {
	return strcmp(((const struct virt_domain *)a)->uuid, ((const struct virt_domain *)b)->uuid);
}

static int work_list(struct call *call) {
	virDomainPtr *list = NULL;
	int n = virConnectListAllDomains(call->conn, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE), r = 0;

	if (n < 0)
		return failed(call);
	call->domains = calloc((size_t)n + 1, sizeof(*call->domains));
	for (int i = 0; i < n; i++) {
		struct virt_domain *domain = call->domains ? &call->domains[call->reply.count] : NULL;
		virDomainInfo info;
		int state, reason;

		if (!domain) {
			r = -ENOMEM;
		} else if (r == 0 && virDomainGetInfo(list[i], &info) == 0 &&
			   virDomainGetState(list[i], &state, &reason, 0) == 0 &&
			   virDomainGetUUIDString(list[i], domain->uuid) == 0) {
			domain->state = virt_state_of(state, reason);
			domain->memory = info.memory / 1024;
			domain->vcpus = info.nrVirtCpu;
			call->reply.count += domain->state != VIRT_OFF;
		} else if (r == 0 && failed(call) != -ENOENT && virConnectIsAlive(call->conn) == 0) {
			r = -ENOTCONN; /* one that just went away is left out; a lost connection is not an empty list */
		}
		(void)virDomainFree(list[i]);
	}
	free(list);
	if (r == 0 && call->reply.count > 0)
		qsort(call->domains, call->reply.count, sizeof(*call->domains), compare_domains);
	call->reply.domains = call->domains;
	return r;
}

static int domain_state(struct call *call, virDomainPtr domain) {
	int state, reason;

	if (virDomainGetState(domain, &state, &reason, 0) < 0)
		return failed(call);
	call->reply.state = virt_state_of(state, reason);
	return 0;
}

/* libvirt tells that a domain stopped while it still removes it, and refuses to make it again in that moment: with this
 * code, which it also has for a name that another domain bears. So such a refusal is only believed when it stays. */
static virDomainPtr create(struct call *call) {
	usec_t deadline = deadline_after(REMOVAL_PATIENCE);

	for (;;) {
		virDomainPtr domain = virDomainCreateXML(call->conn, call->call.xml, 0);

		if (domain || virGetLastErrorCode() != VIR_ERR_OPERATION_FAILED || deadline_left(deadline) == 0 ||
		    (call->call.not_after && now_boottime() > call->call.not_after))
			return domain;
		(void)poll(NULL, 0, 50);
	}
}

static int work_create(struct call *call, virDomainPtr present) {
	char uuid[VIRT_UUID_TEXT];
	virDomainPtr domain;
	int r = 0;

	if (present && virDomainIsActive(present) == 1) {
		r = domain_state(call, present);
		return r < 0 ? r : 1;
	}
	domain = create(call);
	if (!domain)
		return failed(call);
	call->reply.state = VIRT_RUNNING;
	if (virDomainGetUUIDString(domain, uuid) < 0 || strcmp(uuid, call->call.uuid) != 0) {
		(void)virDomainDestroy(domain); /* cannot happen after virt_xml_check(); running it would be worse */
		r = error_set(&call->error, -EIO, "libvirt made another domain of the definition");
	}
	(void)virDomainFree(domain);
	return r;
}

static int work_migrate(struct call *call, virDomainPtr domain) {
	int r = -1;

	switch (call->call.verb) {
	case VIRT_MIGRATE:
		r = migrate_out(domain, call->call.migration);
		break;
	case VIRT_ABORT:
		r = virDomainAbortJob(domain);
		break;
	case VIRT_JOB:
		r = migrate_job(domain, &call->reply.job);
		break;
	case VIRT_SETTLE:
		r = migrate_settle(domain);
		break;
	default:
		r = migrate_take(domain, &call->reply.job);
		break;
	}
	if (r < 0)
		return failed(call);
	if (call->call.verb == VIRT_SETTLE || call->call.verb == VIRT_TAKE) {
		int s = domain_state(call, domain);

		return s < 0 && s != -ENOENT ? s : r;
	}
	return r;
}

static int work_one(struct call *call) {
	virDomainPtr domain = virDomainLookupByUUIDString(call->conn, call->call.uuid);
	int r = domain ? 0 : failed(call);

	call->reply.state = VIRT_OFF;
	if (r < 0 && r != -ENOENT)
		return r;
	if (call->call.not_after && now_boottime() > call->call.not_after) {
		if (domain)
			(void)virDomainFree(domain);
		return -ESTALE;
	}
	switch (call->call.verb) {
	case VIRT_CREATE:
		r = work_create(call, domain);
		break;
	case VIRT_SHUTDOWN:
		if (domain)
			r = virDomainShutdown(domain) < 0 ? failed(call) : 0;
		break;
	case VIRT_DESTROY:
		r = domain && virDomainIsActive(domain) != 0 && virDomainDestroy(domain) < 0 ? failed(call) : 0;
		if (r == -ENOENT || (r < 0 && r != -ENOTCONN && virDomainIsActive(domain) == 0))
			r = 0; /* it ended by itself meanwhile */
		break;
	case VIRT_MIGRATE:
	case VIRT_ABORT:
	case VIRT_JOB:
		if (domain)
			r = work_migrate(call, domain);
		break;
	case VIRT_SETTLE:
	case VIRT_TAKE:
		r = domain && virDomainIsActive(domain) != 0 ? work_migrate(call, domain) : 0;
		break;
	default:
		r = domain ? domain_state(call, domain) : 0;
		break;
	}
	if (domain)
		(void)virDomainFree(domain);
	return r;
}

static int call_work(void *argument) {
	struct call *call = argument;

	call->reply.asked = now_monotonic();
	call->conn = link_take(call->post, call->generation);
	if (!call->conn) {
		call->error = virt_last_message();
		call->result = -ENOTCONN;
	} else {
		call->result = call->call.verb == VIRT_LIST ? work_list(call) : work_one(call);
	}
	call->reply.answered = now_monotonic();
	if (call->conn)
		link_give(call->post, call->conn, call->generation);
	call->conn = NULL;
	return call->result;
}

/* ---- on the loop ---------------------------------------------------------------------------------------------- */

static void call_end(struct call *call, int result) {
	call->reply.error = result < 0 && call->error ? call->error : "";
	call->call.done(call->virt, result, &call->reply, call->call.userdata);
}

static void call_done(void *argument, int result, void *userdata) {
	struct call *call = argument;

	(void)userdata;
	if (result == -ECANCELED) {
		static const struct virt_reply nothing = {.error = ""};

		call->call.done(call->virt, result, &nothing, call->call.userdata);
	} else if (result == -ETIMEDOUT) {
		call->late = true;
		if (call->call.late)
			call->call.late(call->virt, call->call.userdata);
	} else {
		call_end(call, result);
	}
}

static void call_over(void *argument) {
	struct call *call = argument;
	struct note note = {.kind = NOTE_RETURNED, .call = call};

	if (!call->late || post_put(call->post, &note) < 0)
		call_free(
		    call); /* without memory for the note the domain's action stays `busy` until the program restarts */
}

void call_returned(struct virt *virt, struct call *call) {
	if (virt->workers)
		call_end(call, call->reply.asked ? call->result : -ETIMEDOUT);
	else
		call->call.done(virt, -ECANCELED, &(struct virt_reply){.error = ""}, call->call.userdata);
	call_free(call);
}

int virt_submit(struct virt *virt, const struct virt_call *request) {
	struct job job = {.work = call_work, .done = call_done, .free_arg = call_over, .userdata = virt};
	struct call *call;
	int r;

	if (!virt->conn)
		return -ENOTCONN;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->call = *request;
	call->call.uuid = request->uuid ? strdup(request->uuid) : NULL;
	call->call.xml = request->xml ? strdup(request->xml) : NULL;
	if (request->migration) {
		call->migration = *request->migration;
		call->migration.connect = strdup(request->migration->connect);
		call->migration.transfer = request->migration->transfer ? strdup(request->migration->transfer) : NULL;
		call->call.migration = &call->migration;
	}
	call->virt = virt;
	call->post = post_ref(virt->post);
	call->reply.serial = virt->serial;
	call->generation = virt->generation;
	call->reply.state = VIRT_SAME;
	if ((request->uuid && !call->call.uuid) || (request->xml && !call->call.xml) ||
	    (request->migration &&
	     (!call->migration.connect || (request->migration->transfer && !call->migration.transfer)))) {
		call_free(call);
		return -ENOMEM;
	}
	job.arg = call;
	job.deadline = deadline_after(request->patience ? request->patience : DEADLINE_NEVER);
	r = workers_submit(virt->workers, &job);
	if (r < 0)
		call_free(call);
	return r;
}
