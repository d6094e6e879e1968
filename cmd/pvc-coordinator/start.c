/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bringing the services up: all jobs at once, then all answers, until one deadline. */
#include "services.h"

#include "log/log.h"

#include <poll.h>

#define RETRY_MS    20                    /* between two attempts at services that do not answer yet */
#define QUERY_EVERY (250 * USEC_PER_MSEC) /* how often systemd is asked whether one of them has failed meanwhile */

void services_look(struct service *services, const struct config *config, usec_t deadline) {
	for (size_t i = 0; i < service_kind_count; i++) {
		(void)service_query(&services[i], deadline); /* the reason stays in state_error */
		if (services[i].wanted)
			service_probe(&services[i], config);
	}
}

char *service_complaint(const struct service *service) {
	const char *detail = service->detail ? service->detail : "no answer";

	if (service->failure_text)
		return strdup(service->failure_text);
	if (service->state_error)
		return str_printf("%s does not answer: %s", service->unit, detail);
	if (str_equal(service->state.load, "not-found"))
		return str_printf("%s does not exist: install package %s", service->unit, service->kind->package);
	if (str_equal(service->state.load, "masked"))
		return str_printf("%s is masked: 'systemctl unmask %s', or disable its function in pvcd.yaml",
				  service->unit, service->unit);
	return str_printf("%s is %s (%s), but does not answer: %s: see 'journalctl -u %s'", service->unit,
			  service->state.active, service->state.sub, detail, service->unit);
}

const char *services_bus_error(const struct service *services) {
	for (size_t i = 0; i < service_kind_count; i++)
		if (services[i].wanted && services[i].state_error)
			return services[i].state_error;
	return NULL;
}

static void fail(struct service *service, int error) {
	char *text;

	if (service->kind->optional && str_equal(service->state.load, "not-found"))
		return; /* warned of by the caller */
	text = service_complaint(service);
	service->failure = error;
	free(service->failure_text);
	service->failure_text = text;
}

static bool is_pending(const struct service *service) {
	return service->wanted && !service->answers && !service->failure &&
	       !str_equal(service->state.load, "not-found");
}

static void answered(const struct service *service) {
	log_ok("%s: %s", service->unit, service->detail ? service->detail : "answers");
	if (service->warning)
		log_warning("%s: %s", service->unit, service->warning);
}

/* Decides for each; those that need a job get one in `jobs`, whose owner is noted in `owners`. */
static size_t plan(struct service *services, struct host_unit_job *jobs, struct service **owners) {
	size_t count = 0;

	for (size_t i = 0; i < service_kind_count; i++) {
		struct service *s = &services[i];
		enum service_action action;

		if (!s->wanted)
			continue;
		if (!s->state.active && !s->answers) {
			fail(s, -ECONNREFUSED); /* without systemd nothing can be started */
			continue;
		}
		action = service_decide(&s->state, s->answers);
		if (action == SERVICE_MISSING || action == SERVICE_MASKED) {
			fail(s, action == SERVICE_MISSING ? -ENOENT : -EPERM);
			if (!s->failure)
				log_warning("%s does not exist: package %s is not installed: going on without it",
					    s->unit, s->kind->package);
		} else if (action == SERVICE_START || action == SERVICE_RESTART) {
			log_info("%s %s", action == SERVICE_START ? "starting" : "restarting (its processes have died)",
				 s->unit);
			s->answers = false;
			owners[count] = s;
			jobs[count++] = (struct host_unit_job){
			    .unit = s->unit, .verb = action == SERVICE_START ? HOST_UNIT_START : HOST_UNIT_RESTART};
		} else if (s->answers) {
			answered(s);
		}
	}
	return count;
}

/* One more look at a service that has not answered yet. */
static void look_again(struct service *service, const struct config *config, bool query, usec_t deadline) {
	const char *active;

	if ((query || !service->kind->probe) && service_query(service, deadline) < 0) {
		fail(service, -ECONNREFUSED);
		return;
	}
	service_probe(service, config);
	if (service->answers) {
		answered(service);
		return;
	}
	/* one that has ended will not answer any more; behind a socket it may be inactive until asked */
	active = query ? service->state.active : NULL;
	if (str_equal(active, "failed") || (str_equal(active, "inactive") && !service->kind->by_socket))
		fail(service, -EIO);
}

static void wait_for_answers(struct service *services, const struct config *config, usec_t deadline) {
	usec_t next_query = 0;
	size_t pending;

	do {
		bool late = deadline_left(deadline) == 0, query = late || now_monotonic() >= next_query;
		usec_t limit = late ? deadline_after(QUERY_EVERY) : deadline; /* the last look gets its chance */

		if (query)
			next_query = deadline_after(QUERY_EVERY);
		pending = 0;
		for (size_t i = 0; i < service_kind_count; i++) {
			if (is_pending(&services[i]))
				look_again(&services[i], config, query, limit);
			if (late && is_pending(&services[i]))
				fail(&services[i], -ETIMEDOUT);
			pending += is_pending(&services[i]);
		}
		if (pending > 0)
			(void)poll(NULL, 0, RETRY_MS); /* there is nothing to watch: the next attempt tells */
	} while (pending > 0);
}

size_t services_start(struct service *services, const struct config *config, usec_t deadline) {
	_cleanup_free_ struct host_unit_job *jobs = calloc(service_kind_count, sizeof(*jobs));
	_cleanup_free_ struct service **owners = calloc(service_kind_count, sizeof(struct service *));
	size_t count = 0, failed = 0;

	services_look(services, config, deadline);
	if (jobs && owners)
		count = plan(services, jobs, owners);
	else
		log_error("cannot start services: out of memory");
	(void)host_units_run(jobs, count, deadline); /* each job tells its own result */
	for (size_t i = 0; i < count; i++) {
		owners[i]->failure = jobs[i].result;
		owners[i]->failure_text = jobs[i].error;
	}
	wait_for_answers(services, config, deadline);
	for (size_t i = 0; i < service_kind_count; i++)
		failed += services[i].failure != 0;
	return jobs && owners ? failed : service_kind_count;
}
