/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * systemd units over sd-bus. A job's result comes as the signal JobRemoved, possibly before the answer to the call that
 * made the job: so the match is installed first, and every JobRemoved that arrives is kept until the calls' answers
 * say which jobs are ours.
 */
#include "host/host.h"

#include <systemd/sd-bus.h>

#define MANAGER_NAME      "org.freedesktop.systemd1"
#define MANAGER_PATH      "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define UNIT_INTERFACE    "org.freedesktop.systemd1.Unit"
#define SERVICE_INTERFACE "org.freedesktop.systemd1.Service"
#define UNITS_PATH        "/org/freedesktop/systemd1/unit"
#define QUERY_LIMIT       (5 * USEC_PER_SEC) /* host_unit_state() has no deadline of its own */

static const struct verb {
	const char *method, *word;
} verbs[] = {
    [HOST_UNIT_START] = {"StartUnit", "start"},
    [HOST_UNIT_STOP] = {"StopUnit", "stop"},
    [HOST_UNIT_RESTART] = {"RestartUnit", "restart"},
};

/* What systemd's error names mean to us; a name that ends in '.' stands for all that begin with it. */
static const struct bus_error_meaning {
	const char *name;
	int error;
	const char *hint;
} bus_error_meanings[] = {
    {"org.freedesktop.systemd1.NoSuchUnit", -ENOENT, "no such unit: install the package that brings it"},
    {"org.freedesktop.systemd1.UnitMasked", -EPERM, "the unit is masked: see 'systemctl unmask'"},
    {"org.freedesktop.DBus.Error.AccessDenied", -EACCES, "not allowed: run this as root"},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", -EACCES, "not allowed: run this as root"},
    {"org.freedesktop.DBus.Error.Timeout", -ETIMEDOUT, "systemd did not answer in time"},
    {"org.freedesktop.DBus.Error.NoReply", -ETIMEDOUT, "systemd did not answer in time"},
    {"org.freedesktop.DBus.Error.ServiceUnknown", -ECONNREFUSED, "systemd does not run here"},
    {"org.freedesktop.DBus.Error.NameHasNoOwner", -ECONNREFUSED, "systemd does not run here"},
    {"org.freedesktop.DBus.Error.Disconnected", -ECONNREFUSED, "the system bus went away"},
    {"org.freedesktop.DBus.Error.Spawn.", -ECONNREFUSED, "systemd does not run here"},
};

static int bus_failure(const sd_bus_error *error, int r, const char *word, const char *unit, char **ret_error) {
	for (size_t i = 0; error->name && i < ARRAY_SIZE(bus_error_meanings); i++) {
		const struct bus_error_meaning *m = &bus_error_meanings[i];
		bool family = m->name[strlen(m->name) - 1] == '.';

		if (family ? str_starts(error->name, m->name) : str_equal(error->name, m->name))
			return error_set(ret_error, m->error, "cannot %s %s: %s", word, unit, m->hint);
	}
	if (r == -ETIMEDOUT)
		return error_set(ret_error, r, "cannot %s %s: systemd did not answer in time", word, unit);
	return error_set(ret_error, -EIO, "cannot %s %s: %s", word, unit,
			 error->message ? error->message : strerror(-r));
}

/* systemd's own socket, for root: it is there also while D-Bus is not. */
static int bus_open_private(sd_bus **ret) {
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		*ret = move_ptr(bus);
	return r;
}

/* A connection of our own, not the thread's default one: it ends with the call. */
static int bus_open(sd_bus **ret, char **ret_error) {
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	int r = bus_open_private(&bus);

	if (r < 0)
		r = sd_bus_open_system(&bus);

	if (r == -EACCES || r == -EPERM)
		return error_set(ret_error, -EACCES, "cannot connect to the system bus: not allowed: run this as root");
	if (r < 0)
		return error_set(ret_error, -ECONNREFUSED,
				 "cannot connect to the system bus: %s: units are started by systemd, which needs its "
				 "D-Bus (package dbus) on this machine",
				 strerror(-r));
	*ret = move_ptr(bus);
	return 0;
}

static usec_t call_timeout(usec_t deadline) {
	usec_t left = deadline_left(deadline);

	return left ? left : 1; /* for sd-bus 0 means its default of 25 s */
}

/* One method of the manager; the answer's object path goes to *ret_path. */
static int manager_call(sd_bus *bus, const char *method, const char *types, const char *unit, usec_t deadline,
			sd_bus_error *error, char **ret_path) {
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	const char *path = NULL;
	int r = sd_bus_message_new_method_call(bus, &call, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE, method);

	if (r >= 0 && unit)
		r = sd_bus_message_append_basic(call, 's', unit);
	if (r >= 0 && str_equal(types, "ss"))
		r = sd_bus_message_append_basic(call, 's', "replace"); /* as systemctl: a contrary job gives way */
	if (r >= 0)
		r = sd_bus_call(bus, call, call_timeout(deadline), error, &reply);
	if (r >= 0 && ret_path)
		r = sd_bus_message_read(reply, "o", &path);
	if (r < 0 || !ret_path)
		return r;
	*ret_path = strdup(path);
	return *ret_path ? 0 : -ENOMEM;
}

/* ---- state ------------------------------------------------------------------------------------------------------ */

void host_unit_state_free(struct host_unit_state *state) {
	free(state->active);
	free(state->sub);
	free(state->load);
	*state = (struct host_unit_state){0};
}

static int get_job(sd_bus *bus, const char *unit_path, sd_bus_error *error, bool *ret) {
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	uint32_t id = 0;
	int r = sd_bus_get_property(bus, MANAGER_NAME, unit_path, UNIT_INTERFACE, "Job", error, &reply, "(uo)");

	if (r >= 0)
		r = sd_bus_message_read(reply, "(uo)", &id, NULL);
	*ret = id != 0;
	return r;
}

int host_unit_query(const char *unit, usec_t deadline, struct host_unit_state *ret, char **ret_error) {
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_unit_state_ struct host_unit_state state = {0};
	_cleanup_free_ char *path = NULL;
	const struct {
		const char *property;
		char **target;
	} wanted[] = {{"ActiveState", &state.active}, {"SubState", &state.sub}, {"LoadState", &state.load}};
	int r = bus_open(&bus, ret_error);

	if (r < 0)
		return r;
	(void)sd_bus_set_method_call_timeout(bus, call_timeout(deadline)); /* else the default of 25 s holds */
	/* LoadUnit rather than GetUnit: that one knows only units which are in memory, and cannot tell the rest apart
	 */
	r = manager_call(bus, "LoadUnit", "s", unit, deadline, &error, &path);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(wanted); i++)
		r = sd_bus_get_property_string(bus, MANAGER_NAME, path, UNIT_INTERFACE, wanted[i].property, &error,
					       wanted[i].target);
	if (r >= 0) /* after the states: what a job brought about is not read without it */
		r = get_job(bus, path, &error, &state.job);
	if (r < 0)
		return bus_failure(&error, r, "read the state of", unit, ret_error);
	*ret = state;
	state = (struct host_unit_state){0};
	return 0;
}

int host_unit_state(const char *unit, char **ret_active, char **ret_load, char **ret_error) {
	_cleanup_unit_state_ struct host_unit_state state = {0};
	int r = host_unit_query(unit, deadline_after(QUERY_LIMIT), &state, ret_error);

	if (r < 0)
		return r;
	*ret_active = move_ptr(state.active);
	*ret_load = move_ptr(state.load);
	return 0;
}

int host_unit_disorderly_parts(const char *unit, usec_t deadline, struct strlist *ret, struct strlist *ret_all,
			       char **ret_error) {
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *path = NULL;
	char **parts = NULL;
	int r = bus_open(&bus, ret_error);

	if (r < 0)
		return r;
	(void)sd_bus_set_method_call_timeout(bus, call_timeout(deadline)); /* else the default of 25 s holds */
	r = sd_bus_path_encode(UNITS_PATH, unit, &path);
	if (r >= 0)
		r = sd_bus_get_property_strv(bus, MANAGER_NAME, path, UNIT_INTERFACE, "ConsistsOf", &error, &parts);
	for (char **part = parts; r >= 0 && part && *part; part++) {
		_cleanup_free_ char *part_path = NULL, *result = NULL;
		size_t length = strlen(*part);

		r = strlist_add(ret_all, *part);
		if (r < 0 || length < 8 || !str_equal(*part + length - 8, ".service"))
			continue;
		r = sd_bus_path_encode(UNITS_PATH, *part, &part_path);
		if (r >= 0)
			r = sd_bus_get_property_string(bus, MANAGER_NAME, part_path, SERVICE_INTERFACE, "Result",
						       &error, &result);
		if (r >= 0 && !str_equal(result, "success"))
			r = strlist_add(ret, *part);
	}
	for (char **part = parts; part && *part; part++)
		free(*part);
	free(parts);
	return r < 0 ? bus_failure(&error, r, "read the parts of", unit, ret_error) : 0;
}

/* ---- jobs ------------------------------------------------------------------------------------------------------- */

/* One run: which job object belongs to which unit, and the results seen so far. */
struct run {
	struct host_unit_job *jobs;
	char **paths; /* of the job objects; NULL: not asked for, or failed, or done */
	size_t count;
	struct strlist removed; /* pairs: job object, result */
};

static int job_removed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
	struct run *run = userdata;
	const char *path, *result;
	uint32_t id;
	int r = sd_bus_message_read(message, "uoss", &id, &path, NULL, &result);

	(void)error; /* nobody waits for an answer to a signal */
	if (r >= 0)
		r = strlist_add(&run->removed, path);
	if (r >= 0)
		r = strlist_add(&run->removed, result);
	return r;
}

/* systemd's job results: "skipped" is a unit that already was in that state. */
static void job_finish(struct host_unit_job *job, const char *result) {
	const char *word = verbs[job->verb].word;

	if (str_equal(result, "done") || str_equal(result, "skipped")) {
		job->result = 0;
		return;
	}
	job->result = error_set(&job->error, -EIO, "cannot %s %s: the job's result is '%s': see 'journalctl -u %s'",
				word, job->unit, result, job->unit);
}

/* Matches results with jobs; how many are still awaited. */
static size_t run_sort(struct run *run) {
	size_t open = 0;

	for (size_t i = 0; i < run->count; i++) {
		for (size_t k = 0; run->paths[i] && k + 1 < run->removed.count; k += 2) {
			if (!str_equal(run->removed.items[k], run->paths[i]))
				continue;
			job_finish(&run->jobs[i], run->removed.items[k + 1]);
			free(run->paths[i]);
			run->paths[i] = NULL;
		}
		open += run->paths[i] != NULL;
	}
	strlist_free(&run->removed); /* nobody else's result can concern us once all calls were answered */
	return open;
}

static int run_wait(struct run *run, sd_bus *bus, usec_t deadline) {
	int r = 0;

	while (r >= 0 && run_sort(run) > 0) {
		usec_t left = deadline_left(deadline);

		if (left == 0)
			return -ETIMEDOUT;
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, left);
		if (r == -EINTR)
			r = 0;
	}
	return r;
}

static void run_ask(struct run *run, sd_bus *bus, usec_t deadline) {
	for (size_t i = 0; i < run->count; i++) {
		struct host_unit_job *job = &run->jobs[i];
		_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
		int r = manager_call(bus, verbs[job->verb].method, "ss", job->unit, deadline, &error, &run->paths[i]);

		if (r < 0)
			job->result = bus_failure(&error, r, verbs[job->verb].word, job->unit, &job->error);
	}
}

static int run_on_bus(struct run *run, usec_t deadline, char **ret_error) {
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	_cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = bus_open(&bus, ret_error);

	if (r < 0)
		return r;
	(void)sd_bus_set_method_call_timeout(bus, call_timeout(deadline)); /* else the default of 25 s holds */
	r = sd_bus_match_signal(bus, &slot, MANAGER_NAME, MANAGER_PATH, MANAGER_INTERFACE, "JobRemoved", job_removed,
				run);
	if (r >= 0)
		r = manager_call(bus, "Subscribe", "", NULL, deadline, &error, NULL);
	if (r < 0)
		return bus_failure(&error, r, "follow the jobs of", "systemd", ret_error);
	run_ask(run, bus, deadline);
	return run_wait(run, bus, deadline);
}

/* What a job that got no result of its own ends with: `r` and `error` are those of the whole run. */
static void job_without_result(struct host_unit_job *job, int r, const char *error) {
	const char *word = verbs[job->verb].word;

	if (r == -ETIMEDOUT)
		job->result = error_set(&job->error, r,
					"cannot %s %s: its job has not ended in time: see 'systemctl list-jobs' and "
					"'journalctl -u %s'",
					word, job->unit, job->unit);
	else
		job->result = error_set(&job->error, r < 0 ? r : -EIO, "cannot %s %s: %s", word, job->unit,
					error ? error : strerror(r < 0 ? -r : EIO));
}

int host_units_run(struct host_unit_job *jobs, size_t count, usec_t deadline) {
	_cleanup_free_ char *error = NULL;
	struct run run = {.jobs = jobs, .count = count, .paths = calloc(count + 1, sizeof(char *))};
	int r = -ENOMEM, first = 0;

	for (size_t i = 0; i < count; i++) {
		jobs[i].result = -EINPROGRESS;
		jobs[i].error = NULL;
	}
	if (run.paths)
		r = count ? run_on_bus(&run, deadline, &error) : 0;
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].result == -EINPROGRESS)
			job_without_result(&jobs[i], r, error);
		if (!first)
			first = jobs[i].result;
		if (run.paths)
			free(run.paths[i]);
	}
	free(run.paths);
	strlist_free(&run.removed);
	return first;
}

static int run_one(const char *unit, enum host_unit_verb verb, usec_t deadline, char **ret_error) {
	struct host_unit_job job = {.unit = unit, .verb = verb};
	int r = host_units_run(&job, 1, deadline);

	if (r < 0)
		(void)error_set(ret_error, r, "%s", job.error ? job.error : strerror(-r));
	free(job.error);
	return r;
}

int host_unit_start(const char *unit, usec_t deadline, char **ret_error) {
	return run_one(unit, HOST_UNIT_START, deadline, ret_error);
}

int host_unit_stop(const char *unit, usec_t deadline, char **ret_error) {
	return run_one(unit, HOST_UNIT_STOP, deadline, ret_error);
}

int host_unit_restart(const char *unit, usec_t deadline, char **ret_error) {
	return run_one(unit, HOST_UNIT_RESTART, deadline, ret_error);
}
