/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The connection to libvirt: opened on a worker, watched by libvirt's keepalive, opened again when lost. */
#include "virt/internal.h"

#include <stdatomic.h>

#define OPEN_PATIENCE (10 * USEC_PER_SEC) /* then libvirt is reported not to answer */
#define RETRY_FIRST   (250 * USEC_PER_MSEC)
#define RETRY_LAST    (5 * USEC_PER_SEC)

/* ---- events, on libvirt's thread ------------------------------------------------------------------------------ */

struct source {
	struct post *post;
	uint64_t generation;
};

static void source_free(void *argument) {
	struct source *source = argument;

	post_unref(source->post);
	free(source);
}

static struct source *source_new(struct post *post, uint64_t generation) {
	struct source *source = malloc(sizeof(*source));

	if (!source)
		return NULL;
	source->post = post_ref(post);
	source->generation = generation;
	return source;
}

struct meaning {
	enum virt_state state;
	const char *what;
	const char *details[10];
};
static const struct meaning meanings[] = {
    [VIR_DOMAIN_EVENT_DEFINED] = {VIRT_SAME, "defined", {NULL}},
    [VIR_DOMAIN_EVENT_UNDEFINED] = {VIRT_SAME, "undefined", {NULL}},
    [VIR_DOMAIN_EVENT_STARTED] = {VIRT_RUNNING, "started", {"booted", "migrated", "restored", "snapshot", "wakeup"}},
    [VIR_DOMAIN_EVENT_SUSPENDED] = {VIRT_PAUSED,
				    "paused",
				    {"by a user", "migrated", "I/O error", "watchdog", "restored", "snapshot",
				     "API error", "post-copy", "post-copy failed"}},
    [VIR_DOMAIN_EVENT_RESUMED] = {VIRT_RUNNING, "resumed", {"by a user", "migrated", "snapshot", "post-copy"}},
    [VIR_DOMAIN_EVENT_STOPPED] = {VIRT_OFF,
				  "stopped",
				  {"shut down", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot"}},
    /* it may come after the answer to the call that ended the domain */
    [VIR_DOMAIN_EVENT_SHUTDOWN] = {VIRT_SAME, "shutting down", {"finished", "by the guest", "by the host"}},
    [VIR_DOMAIN_EVENT_PMSUSPENDED] = {VIRT_PAUSED, "asleep", {"memory", "disk"}},
    [VIR_DOMAIN_EVENT_CRASHED] = {VIRT_CRASHED, "crashed", {"panicked", "crash loaded"}},
};

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *userdata) {
	struct source *source = userdata;
	struct note note = {.kind = NOTE_EVENT, .generation = source->generation};
	const struct meaning *m;

	(void)conn;
	if (event < 0 || (size_t)event >= ARRAY_SIZE(meanings) || virDomainGetUUIDString(domain, note.event.uuid) < 0)
		return 0;
	m = &meanings[event];
	note.event.state = m->state;
	if ((event == VIR_DOMAIN_EVENT_STARTED && detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED) ||
	    (event == VIR_DOMAIN_EVENT_SUSPENDED && detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED))
		note.event.state = VIRT_MOVING; /* its memory begins to arrive, or was sent to its end */
	note.event.what = m->what;
	note.event.detail =
	    detail >= 0 && (size_t)detail < ARRAY_SIZE(m->details) && m->details[detail] ? m->details[detail] : "";
	(void)post_put(source->post, &note); /* without memory the next listing tells */
	return 0;
}

static void on_close(virConnectPtr conn, int reason, void *userdata) {
	static const char *const reasons[] = {
	    [VIR_CONNECT_CLOSE_REASON_ERROR] = "connection to libvirt broke",
	    [VIR_CONNECT_CLOSE_REASON_EOF] = "libvirtd closed the connection",
	    [VIR_CONNECT_CLOSE_REASON_KEEPALIVE] = "libvirtd does not answer",
	    [VIR_CONNECT_CLOSE_REASON_CLIENT] = "connection closed",
	};
	struct source *source = userdata;
	struct note note = {.kind = NOTE_DOWN, .generation = source->generation};

	(void)conn;
	note.text = strdup(reason >= 0 && (size_t)reason < ARRAY_SIZE(reasons) ? reasons[reason] : "connection lost");
	if (post_put(source->post, &note) < 0)
		free(note.text);
}

/* ---- opening and closing, on a worker ------------------------------------------------------------------------- */

struct attempt {
	struct post *post;
	uint64_t generation;
	atomic_bool begun;
};

/* An attempt always ends with a note, also when all threads wait for a libvirtd that hangs and none got to it. */
static void attempt_free(void *argument) {
	struct attempt *attempt = argument;
	struct note note = {.kind = NOTE_FAILED, .generation = attempt->generation};

	if (!attempt->begun) {
		note.text = strdup("libvirtd does not answer any call");
		if (post_put(attempt->post, &note) < 0)
			free(note.text);
	}
	post_unref(attempt->post);
	free(attempt);
}

static int listen_to(virConnectPtr conn, const struct attempt *attempt) {
	struct source *lifecycle = source_new(attempt->post, attempt->generation);
	struct source *closing = source_new(attempt->post, attempt->generation);
	int id = -1;

	if (lifecycle)
		id = virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						      VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), lifecycle, source_free);
	if (id < 0 && lifecycle)
		source_free(lifecycle);
	/* a driver inside this process cannot be lost: it accepts the callback, but never calls or frees it */
	if (closing && (str_starts(attempt->post->uri, "test:") ||
			virConnectRegisterCloseCallback(conn, on_close, closing, source_free) < 0))
		source_free(closing);
	virt_keepalive(conn);
	return id;
}

/* Stops listening (which drops the references that the callbacks hold) and closes. */
static void shut(virConnectPtr conn, int event_id) {
	(void)virConnectUnregisterCloseCallback(conn, on_close);
	if (event_id >= 0)
		(void)virConnectDomainEventDeregisterAny(conn, event_id);
	(void)virConnectClose(conn);
}

static int open_work(void *argument) {
	struct attempt *attempt = argument;
	struct note note = {.kind = NOTE_FAILED, .generation = attempt->generation};
	virConnectPtr conn;
	int id;

	attempt->begun = true;
	conn = virConnectOpen(attempt->post->uri);
	id = conn ? listen_to(conn, attempt) : -1;
	if (id >= 0 && virConnectIsAlive(conn) != 1) { /* lost before the callback could tell so */
		shut(conn, id);
		note.text = strdup("libvirtd closed the connection");
	} else if (id < 0) {
		note.text = virt_last_message();
		if (conn)
			shut(conn, id);
	} else {
		note.kind = NOTE_UP;
		note.conn = conn;
		note.event_id = id;
	}
	if (post_put(attempt->post, &note) < 0) {
		free(note.text);
		if (note.conn)
			shut(conn, id);
	}
	return 0;
}

static void report_down(struct virt *virt, const char *reason) {
	virt->reported = true;
	if (virt->options.on_connection)
		virt->options.on_connection(virt, false, reason, virt->options.userdata);
}

/* The note says how it went; this is only for the attempt that takes long. */
static void open_done(void *argument, int result, void *userdata) {
	const struct attempt *attempt = argument;
	struct virt *virt = userdata;

	if (result == -ETIMEDOUT && attempt->begun)
		report_down(virt, "libvirtd does not answer");
}

int connection_open(struct virt *virt) {
	struct attempt *attempt = calloc(1, sizeof(*attempt));
	struct job job = {.work = open_work,
			  .done = open_done,
			  .free_arg = attempt_free,
			  .arg = attempt,
			  .userdata = virt,
			  .deadline = deadline_after(OPEN_PATIENCE)};
	int r;

	if (!attempt)
		return -ENOMEM;
	attempt->post = post_ref(virt->post);
	attempt->generation = ++virt->generation;
	r = workers_submit(virt->workers, &job);
	if (r < 0) {
		attempt->begun = true; /* the caller is told */
		attempt_free(attempt);
	}
	return r;
}

struct closing {
	virConnectPtr conn; /* or NULL */
	int event_id;
	struct link *links;
};

static int close_work(void *argument) {
	struct closing *closing = argument;

	if (closing->conn)
		shut(closing->conn, closing->event_id);
	link_close_all(closing->links);
	return 0;
}

static void close_done(void *argument, int result, void *userdata) {
	(void)argument;
	(void)result;
	(void)userdata;
}

static void *close_main(void *argument) {
	(void)close_work(argument);
	free(argument);
	return NULL;
}

/* Closing may wait for libvirtd. While the workers live it is a job for them, at the end a thread that is left alone.
 */
void connection_drop(struct virt *virt) {
	struct closing *closing = malloc(sizeof(*closing));
	struct job job = {
	    .work = close_work, .done = close_done, .free_arg = free, .arg = closing, .deadline = DEADLINE_NEVER};
	pthread_t thread;

	if (closing) { /* without memory the connection is left open; it is dead or the process ends */
		closing->conn = virt->conn;
		closing->event_id = virt->event_id;
		closing->links = link_detach_all(virt->post);
		if (virt->workers) {
			if (workers_submit(virt->workers, &job) < 0)
				free(closing);
		} else if (pthread_create(&thread, NULL, close_main, closing) == 0) {
			(void)pthread_detach(thread);
		} else {
			free(closing);
		}
	}
	virt->conn = NULL;
}

/* ---- on the loop ---------------------------------------------------------------------------------------------- */

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
	struct virt *virt = userdata;

	(void)source;
	(void)usec;
	if (connection_open(virt) < 0) /* no memory, no thread: later */
		return event_timer(virt->event, &virt->retry, RETRY_LAST, on_retry, virt);
	return 0;
}

static int retry_later(struct virt *virt) {
	usec_t pause = virt->pause ? virt->pause : RETRY_FIRST;

	virt->pause = pause * 2 > RETRY_LAST ? RETRY_LAST : pause * 2;
	return event_timer(virt->event, &virt->retry, pause, on_retry, virt);
}

static void went_down(struct virt *virt, const char *reason) {
	connection_drop(virt);
	report_down(virt, reason);
	(void)retry_later(virt);
}

static void handle(struct virt *virt, struct note *note) {
	switch (note->kind) {
	case NOTE_UP:
		virt->conn = note->conn;
		virt->event_id = note->event_id;
		if (note->generation == virt->lost) { /* and this note was overtaken by that */
			went_down(virt, "libvirtd closed the connection");
			break;
		}
		virt->pause = 0;
		virt->reported = true;
		if (virt->options.on_connection)
			virt->options.on_connection(virt, true, "", virt->options.userdata);
		break;
	case NOTE_FAILED:
		report_down(virt, note->text ? note->text : "out of memory");
		(void)retry_later(virt);
		break;
	case NOTE_DOWN:
		virt->lost = note->generation;
		if (note->generation == virt->generation && virt->conn)
			went_down(virt, note->text ? note->text : "connection lost");
		break;
	case NOTE_EVENT:
		virt->serial++;
		if (note->generation == virt->generation && virt->options.on_event)
			virt->options.on_event(virt, &note->event, virt->options.userdata);
		break;
	case NOTE_RETURNED:
		call_returned(virt, note->call);
		break;
	}
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct virt *virt = userdata;
	struct note *note;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	while ((note = post_take(virt->post))) {
		handle(virt, note);
		free(note->text);
		free(note);
	}
	return 0;
}

int virt_new(struct virt **ret, sd_event *event, const struct virt_options *options) {
	_cleanup_virt_ struct virt *virt = calloc(1, sizeof(*virt));
	int r;

	if (!virt)
		return -ENOMEM;
	virt->options = *options;
	virt->event = sd_event_ref(event);
	if ((r = virt_loop_start()) < 0 || (r = post_new(&virt->post, options->uri ? options->uri : VIRT_URI)) < 0 ||
	    (r = workers_new(&virt->workers, event, options->workers)) < 0 ||
	    (r = sd_event_add_io(event, &virt->wake, virt->post->fd, EPOLLIN, on_wake, virt)) < 0 ||
	    (r = connection_open(virt)) < 0)
		return r;
	*ret = move_ptr(virt);
	return 0;
}

void virt_free(struct virt *virt) {
	struct note *note;

	if (!virt)
		return;
	virt->wake = sd_event_source_disable_unref(virt->wake);
	virt->retry = sd_event_source_disable_unref(virt->retry);
	if (virt->post)
		post_close(virt->post);
	workers_free(virt->workers);
	virt->workers = NULL;
	while (virt->post && (note = post_take(virt->post))) {
		if (note->kind == NOTE_UP) {
			virt->conn = note->conn;
			virt->event_id = note->event_id;
		} else if (note->kind == NOTE_RETURNED) {
			call_returned(virt, note->call);
		}
		free(note->text);
		free(note);
	}
	if (virt->post)
		connection_drop(virt);
	if (virt->post)
		post_unref(virt->post);
	sd_event_unref(virt->event);
	free(virt);
}

bool virt_is_up(const struct virt *virt) {
	return virt->conn;
}

uint64_t virt_serial(const struct virt *virt) {
	return virt->serial;
}
