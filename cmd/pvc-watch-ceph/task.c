/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One command: turn -> lock (queue.c) -> facts -> record -> thread -> keys -> record -> answer.
 *
 * A command whose client has waited long enough is answered with failure and goes on: its keys are written when it
 * comes to its end. One that no thread had begun is not begun any more. One whose outcome is unknown, because Ceph did
 * not answer, is settled when Ceph answers again.
 */
#include "daemon.h"

#define TASKS_MAX    64 /* under way at the same time, those that hang included */
#define SETTLE_PAUSE (10 * USEC_PER_SEC)

const char *task_label(const struct task *task) {
	static char label[SHOWN_BYTES + 8];
	_cleanup_free_ char *text = str_printable(task->text, SHOWN_BYTES);

	(void)snprintf(label, sizeof(label), "%s", text ? text : "?");
	return label;
}

struct task *task_new(struct daemon *daemon, const char *text, int64_t zxid) {
	struct task *task = calloc(1, sizeof(*task));

	if (!task)
		return NULL;
	task->daemon = daemon;
	task->zxid = zxid;
	task->text = strdup(text);
	(void)snprintf(task->id, sizeof(task->id), "%016llx", (unsigned long long)zxid);
	task->record = store_path(STORE_NODES, daemon->config->node, JOBS_DIRECTORY, task->id, (char *)NULL);
	task->next = daemon->tasks;
	daemon->tasks = task;
	if (task->text && task->record)
		return task;
	task_drop(task);
	return NULL;
}

static void task_free(struct task *task) {
	storage_command_free(&task->command);
	strlist_free(&task->volumes);
	strlist_free(&task->result.others);
	free(task->result.error);
	free(task->result.info);
	free(task->result.name_info);
	free(task->result.uuid);
	free(task->text);
	free(task->uuid);
	free(task->device);
	free(task->record);
	free(task->step);
	free(task->reason);
	(void)sd_event_source_disable_unref(task->timer);
	free(task);
}

void task_drop(struct task *task) {
	for (struct task **p = &task->daemon->tasks; *p; p = &(*p)->next)
		if (*p == task) {
			*p = task->next;
			break;
		}
	task_free(task);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void settle_later(struct task *task);

static void on_told(struct task *task, int result) {
	struct queue *queue = move_ptr(task->queue);

	(void)result; /* logged; the client is answered all the same */
	if (queue)
		queue_answer(queue, task, task->success);
	if (!task->ended || task->running)
		return;
	records_prune(task->daemon);
	task_drop(task);
}

static void tell(struct task *task, bool success, bool ended) {
	task->success = success;
	task->ended = ended;
	task->timer = sd_event_source_disable_unref(task->timer);
	record_write(task,
		     !success                                          ? (ended ? "failed" : "running")
		     : task->kind == TASK_SETTLE && task->command.pool ? "settled"
								       : "done",
		     on_told);
}

void task_fail(struct task *task, int result, const char *format, ...) {
	char *text = NULL;
	va_list arguments;

	(void)result;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (task->turn == STORAGE_REFUSE)
		log_warning("'%s' is refused: %s", task_label(task), text ? text : "out of memory");
	else
		log_error("'%s' failed: %s", task_label(task), text ? text : "out of memory");
	free(task->reason);
	task->reason = text;
	tell(task, false, !task->running);
}

void task_end(struct task *task, int result) {
	if (result < 0) {
		task_fail(task, result, "its keys cannot be written: %s", strerror(-result));
		return;
	}
	free(move_ptr(task->step));
	free(move_ptr(task->reason));
	log_ok("'%s': %s", task_label(task), task->kind == TASK_SETTLE ? "settled" : "done");
	tell(task, true, true);
}

void task_detach(struct task *task, const char *why) {
	task->queue = NULL;
	if (!task->started) {
		log_warning("'%s' is not carried out: %s", task_label(task), why);
		task_drop(task);
		return;
	}
	log_warning("'%s' goes on, but its client cannot be answered: %s", task_label(task), why);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static int on_impatient(sd_event_source *source, uint64_t usec, void *userdata) {
	struct task *task = userdata;

	(void)source;
	(void)usec;
	__atomic_store_n(&task->abandoned, true, __ATOMIC_SEQ_CST);
	task_fail(task, -ETIMEDOUT,
		  "Ceph has not finished it in %llu s; if it does later, the keys will follow (see: ceph status)",
		  (unsigned long long)(work_patience(task) / USEC_PER_SEC));
	return 0;
}

static int work(void *arg) {
	return work_run(arg);
}

static void on_worked(void *arg, int result, void *userdata) {
	struct task *task = arg;

	(void)userdata;
	if (result == -ECANCELED && task->daemon->stopping)
		return; /* the thread may still be at it; what is left is settled at the next start */
	task->running = false;
	task->timer = sd_event_source_disable_unref(task->timer);
	if (result == 0) {
		if (task->kind == TASK_SETTLE)
			keys_settle(task);
		else
			keys_write(task);
	} else if (result == -ECANCELED) { /* told already, and never begun */
		tell(task, false, true);
	} else if (result == -ETIMEDOUT && task->started && task->kind == TASK_COMMAND &&
		   task->command.verb != STORAGE_FLUSH_LOCKS) {
		task->running = true; /* not the end yet */
		task_fail(task, result, "%s", task->result.error ? task->result.error : strerror(-result));
		task->running = false;
		settle_later(task);
	} else if (result == -ETIMEDOUT && task->kind == TASK_SETTLE) {
		settle_later(task);
	} else {
		task_fail(task, result, "%s", task->result.error ? task->result.error : strerror(-result));
	}
}

static void submit(struct task *task) {
	const struct job job = {.work = work, .done = on_worked, .arg = task, .deadline = DEADLINE_NEVER};
	int r = workers_submit(task->daemon->workers, &job);

	if (r < 0) {
		task_fail(task, r, "no thread for it: %s", strerror(-r));
		return;
	}
	task->running = true;
	if (task->queue)
		(void)event_timer(task->daemon->event, &task->timer, work_patience(task), on_impatient, task);
}

/* ---- before ------------------------------------------------------------------------------------------------------ */

static bool touches(const struct storage_command *command, const char *volume) {
	return str_equal(command->volume, volume) || (!command->snapshot && str_equal(command->name, volume));
}

/* Two commands about the same object at the same time would write over each other's keys. */
static const struct task *conflict(const struct task *task) {
	const struct storage_command *mine = &task->command;

	for (const struct task *other = task->daemon->tasks; other; other = other->next) {
		const struct storage_command *theirs = &other->command;

		if (other == task || !other->started || !other->understood || other->ended)
			continue;
		if (mine->pool && str_equal(mine->pool, theirs->pool) &&
		    (!mine->volume || !theirs->volume || touches(theirs, mine->volume) ||
		     (mine->name && !mine->snapshot && touches(theirs, mine->name))))
			return other;
		if (storage_place(mine->verb) == STORAGE_ON_OWNER && storage_place(theirs->verb) == STORAGE_ON_OWNER &&
		    mine->osd == theirs->osd)
			return other;
		if (mine->device && str_equal(mine->device, theirs->device))
			return other;
	}
	return NULL;
}

static void on_recorded(struct task *task, int result) {
	if (result < 0)
		task_fail(task, result, "its record cannot be written: %s", strerror(-result));
	else
		submit(task);
}

/* The uuid of an OSD to be: in the command's record before anything is done. */
static int make_uuid(struct task *task) {
	_cleanup_free_ char *text = NULL;
	int r;

	if (task->uuid || task->command.verb != STORAGE_OSD_ADD)
		return 0;
	r = file_read("/proc/sys/kernel/random/uuid", 64, &text, NULL);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	task->uuid = move_ptr(text);
	return 0;
}

static void on_facts(struct task *task, int result) {
	_cleanup_free_ char *error = NULL;

	if (result == 0 && task->kind == TASK_COMMAND)
		result = storage_check(&task->command, &task->facts, &error);
	if (result == 0)
		result = make_uuid(task);
	if (result < 0)
		task_fail(task, result, "%s", error ? error : strerror(-result));
	else
		record_write(task, "running", on_recorded);
}

static void read_facts(struct task *task) {
	facts_read(task, on_facts);
}

void task_go(struct task *task) {
	const struct task *other;

	task->started = true;
	if (task->turn == STORAGE_REFUSE) {
		_cleanup_free_ char *why = move_ptr(task->reason);

		task_fail(task, -EINVAL, "%s", why ? why : "not understood");
		return;
	}
	other = conflict(task);
	if (other) {
		_cleanup_free_ char *label = strdup(task_label(other));

		task_fail(task, -EBUSY, "'%s' is still under way", label ? label : "another command");
		return;
	}
	log_info("'%s'", task_label(task));
	read_facts(task);
}

static void on_turn(struct task *task, enum storage_turn turn, const char *why) {
	struct queue *queue = task->queue;

	task->turn = turn;
	if (turn == STORAGE_OTHERS) {
		log_debug("'%s' is not this node's turn", task_label(task));
		task_drop(task);
		queue_pass(queue);
		return;
	}
	if (why && why != task->reason) {
		free(task->reason);
		task->reason = strdup(why);
	}
	queue_take(queue, task);
}

void task_begin(struct queue *queue, const char *text, int64_t zxid) {
	struct daemon *daemon = queue_daemon(queue);
	struct task *task;
	size_t count = 0;

	for (const struct task *other = daemon->tasks; other; other = other->next)
		count++;
	task = task_new(daemon, text, zxid);
	if (!task) {
		log_error("out of memory: a command is left unanswered");
		return;
	}
	task->queue = queue;
	task->understood = storage_parse(queue_which(queue), text, &task->command, &task->reason) == 0;
	if (count >= TASKS_MAX && daemon->primary) {
		task->understood = false;
		free(task->reason);
		task->reason = strdup("too many commands are under way");
	}
	facts_turn(task, on_turn);
}

void task_resume(struct task *task) {
	const struct task *other = conflict(task);

	task->started = true;
	if (other) {
		task_fail(task, -EBUSY, "it was interrupted, and a newer command is about the same");
		return;
	}
	log_info("'%s' was interrupted: its keys are brought in line with Ceph", task_label(task));
	read_facts(task);
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata) {
	struct task *task = userdata;

	(void)source;
	(void)usec;
	task->kind = TASK_SETTLE;
	free(move_ptr(task->result.error));
	read_facts(task);
	return 0;
}

static void settle_later(struct task *task) {
	task->timer = sd_event_source_disable_unref(task->timer);
	if (event_timer(task->daemon->event, &task->timer, SETTLE_PAUSE, on_settle, task) < 0)
		task_drop(task);
}
