/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "self.h"

#include <signal.h>

#include "cluster/fence.h"
#include "cluster/fence_record.h"
#include "host/host.h"
#include "say.h"

#define STATUS_SELF  "self"                /* says whether a forced reboot was armed in this boot */
#define LOG_LIMIT    (200 * USEC_PER_MSEC) /* for the last lines before the reset */
#define RESET_AGAIN  USEC_PER_SEC          /* after one that was refused */
#define TAKE_OVER    (60 * USEC_PER_SEC)   /* of a watchdog that is opened only to be stopped */
#define DEVICE_LINUX "/dev/watchdog"       /* where one is that a predecessor armed, when none is configured */

struct self {
	struct loop *loop;
	const struct config *config;
	struct heart *heart;
	struct fence_rules rules;
	struct self_view view;
	struct watchdog *watchdog;
	bool refused; /* the device is there and is not fit: not asked again */
	bool told_none, told_foreign, told_failed;
	sd_event_source *timer;
	struct store_watch *record;
	const char *resetting; /* why; NULL: it is not */
};

static void look(struct self *self);

static unsigned long long seconds(usec_t duration) {
	return (unsigned long long)(duration / USEC_PER_SEC);
}

static void note_status(const struct self *self, const char *armed) {
	const struct status_field field = {"armed", armed};
	int r = status_write(self->config->dynamic_directory, STATUS_SELF, &field, 1);

	if (r < 0)
		say(LOG_LEVEL_WARNING, "cannot write %s/status/%s: %s", self->config->dynamic_directory, STATUS_SELF,
		    strerror(-r));
}

/* ---- the reset -------------------------------------------------------------------------------------------------- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	look(userdata);
	return 0;
}

static void look_after(struct self *self, usec_t delay) {
	int r = event_timer(loop_event(self->loop), &self->timer, delay, on_timer, self);

	if (r < 0)
		say(LOG_LEVEL_ERROR, "cannot arm the timer of self-fencing: %s", strerror(-r));
}

static void reset(struct self *self, const char *why) {
	int r;

	if (!self->resetting)
		say(LOG_LEVEL_ERROR, "this host is reset now: %s", why);
	self->resetting = why;
	(void)host_machines_end(SIGKILL); /* whatever becomes of the reset, they may run elsewhere */
	say_stop(deadline_after(LOG_LIMIT));
	r = host_reset();
	say(LOG_LEVEL_ERROR, "the reset was refused: %s: trying again", strerror(-r));
	look_after(self, RESET_AGAIN);
}

static void end_machines(struct self *self) {
	int count = host_machines_end(SIGTERM);

	self->view.ended = true;
	say(LOG_LEVEL_ERROR,
	    "no heartbeat was confirmed in time for %llu s: this host will be reset; %d virtual machines are ended "
	    "before",
	    seconds(self->view.now - self->view.fed_sent), count < 0 ? 0 : count);
}

/* ---- the watchdog ----------------------------------------------------------------------------------------------- */

/* What is there to guard this host; asked with each heartbeat, since a module may be loaded later. */
static void find_device(struct self *self) {
	_cleanup_free_ char *why = NULL;
	int r = -ENOENT;

	if (self->config->watchdog && !self->refused)
		r = watchdog_open(&self->watchdog, self->config->watchdog, fence_watchdog_time(&self->rules), &why);
	if (r >= 0) {
		say(LOG_LEVEL_OK,
		    "self-fencing is armed: %s (%s) resets this host %llu s after the last heartbeat that was "
		    "confirmed "
		    "in time",
		    self->config->watchdog, watchdog_name(self->watchdog), seconds(fence_watchdog_time(&self->rules)));
		note_status(self, "watchdog");
		return;
	}
	self->refused = self->refused || r == -EOPNOTSUPP || r == -ERANGE;
	if (self->told_none)
		return;
	self->told_none = true;
	say(LOG_LEVEL_WARNING,
	    "self-fencing without a hardware watchdog: a forced reboot %llu s after the last heartbeat that was "
	    "confirmed; other nodes do not rely on that (%s)",
	    seconds(fence_watchdog_time(&self->rules)),
	    why                      ? why
	    : self->config->watchdog ? strerror(-r)
				     : "system.fencing.watchdog is none");
	note_status(self, "reboot");
}

static void feed(struct self *self) {
	int r = self->watchdog ? watchdog_feed(self->watchdog) : 0;

	if (!self->watchdog)
		find_device(self); /* opening feeds */
	if (r < 0 && !self->told_failed)
		say(LOG_LEVEL_ERROR, "%s cannot be fed: %s: it will reset this host", self->config->watchdog,
		    strerror(-r));
	self->told_failed = r < 0;
	if (self->view.ended)
		say(LOG_LEVEL_OK, "heartbeats are confirmed in time again: this host is not reset");
	self->view.armed = self->view.fed = true;
	self->view.ended = false;
	self->view.fed_sent = self->view.sent;
	self->view.device = self->watchdog != NULL;
	heart_set_armed(self->heart, self->view.device);
}

static void look(struct self *self) {
	usec_t next;

	if (self->resetting) {
		reset(self, self->resetting);
		return;
	}
	self->view.now = now_monotonic();
	switch (self_decide(&self->rules, &self->view)) {
	case SELF_FEED:
		feed(self);
		break;
	case SELF_END:
		end_machines(self);
		break;
	case SELF_RESET:
		reset(self, self->view.device ? "no heartbeat was confirmed in time, and the watchdog has not fired"
					      : "no heartbeat was confirmed in time");
		return;
	case SELF_LEAVE:
	case SELF_ACTION_COUNT:
		break;
	}
	next = self_next(&self->rules, &self->view);
	if (next != DEADLINE_NEVER)
		look_after(self, next - self->view.now);
}

/* One that a predecessor armed and that is not wanted any more; called once no other node relies on it. */
static void disarm_foreign(struct self *self) {
	_cleanup_free_ char *why = NULL;
	const char *path = self->config->watchdog ? self->config->watchdog : DEVICE_LINUX;
	int r = watchdog_open(&self->watchdog, path, TAKE_OVER, &why);

	if (r >= 0)
		r = watchdog_stop(move_ptr(self->watchdog));
	if (r < 0 && r != -ERANGE) /* with -ERANGE it was stopped */
		say(LOG_LEVEL_ERROR, "a watchdog that was armed before cannot be stopped, and may reset this host: %s",
		    why ? why : strerror(-r));
	else
		say(LOG_LEVEL_OK, "%s, which was armed before, is stopped", path);
}

void self_beaten(struct self *self, usec_t sent) {
	if (self->resetting)
		return;
	if (fence_watchdog_time(&self->rules) == 0 && heart_was_armed(self->heart) && !self->told_foreign) {
		self->told_foreign = true;
		disarm_foreign(self); /* this heartbeat said that none is */
	}
	self->view.sent = sent;
	self->view.answered = now_monotonic();
	self->view.fed = false;
	look(self);
}

void self_ended(struct self *self, bool committed) {
	int r;

	if (self->resetting)
		return;
	event_source_unrefp(&self->timer);
	self->timer = NULL;
	if (self->view.armed)
		note_status(self, "no");
	if (!self->watchdog && heart_was_armed(self->heart) && !self->told_foreign && committed)
		disarm_foreign(self);
	if (!self->watchdog)
		return;
	if (!committed) {
		say(LOG_LEVEL_ERROR,
		    "%s stays armed, because ZooKeeper could not be told otherwise: it resets this host %llu s after "
		    "the "
		    "last heartbeat unless pvc-keepalive runs again by then",
		    self->config->watchdog, seconds(fence_watchdog_time(&self->rules)));
		return;
	}
	r = watchdog_stop(move_ptr(self->watchdog));
	if (r < 0)
		say(LOG_LEVEL_ERROR, "%s cannot be stopped, and may reset this host: %s", self->config->watchdog,
		    strerror(-r));
	else
		say(LOG_LEVEL_OK, "self-fencing is off: %s is stopped", self->config->watchdog);
}

/* ---- declared dead ---------------------------------------------------------------------------------------------- */

static void record_changed(struct store *store, const struct store_value *value, void *userdata) {
	struct self *self = userdata;
	struct fence_record record;

	(void)store;
	if (fence_record_parse(value->exists ? value->data : NULL, &record) < 0) {
		say(LOG_LEVEL_WARNING, "the record of this node's fencing is none: it is not looked at");
		return;
	}
	if (fence_record_condemns(&record, heart_boot(self->heart)))
		reset(self, "it was declared dead, and its virtual machines may run elsewhere");
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

/* After a crash of this program the time of a forced reboot begins anew: it is not known how much of it is over, and a
 * program that comes back after long must not find itself overdue. */
static void resume(struct self *self) {
	_cleanup_(status_freep) struct status *status = NULL;

	if (fence_watchdog_time(&self->rules) == 0 ||
	    status_read(self->config->dynamic_directory, STATUS_SELF, &status, NULL) < 0 ||
	    !str_equal(status_get(status, "armed"), "reboot"))
		return;
	self->view.armed = true;
	self->view.fed_sent = now_monotonic();
	look(self);
}

int self_new(struct self **ret, struct loop *loop, const struct config *config) {
	struct self *self = calloc(1, sizeof(*self));

	if (!self)
		return -ENOMEM;
	self->loop = loop;
	self->config = config;
	config_fence_rules(config, &self->rules);
	*ret = self;
	return 0;
}

int self_start(struct self *self, struct heart *heart) {
	_cleanup_free_ char *path = store_path(STORE_PVC_FENCE, self->config->node, (char *)NULL);

	self->heart = heart;
	if (!path)
		return -ENOMEM;
	if (fence_watchdog_time(&self->rules) == 0)
		heart_set_armed(heart, false);
	resume(self);
	return store_watch_value(heart_store(heart), path, record_changed, self, &self->record);
}

void self_free(struct self *self) {
	if (!self)
		return;
	if (self->record)
		store_watch_free(self->record);
	event_source_unrefp(&self->timer);
	watchdog_leave(self->watchdog);
	free(self);
}
