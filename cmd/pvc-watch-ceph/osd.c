/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "osd.h"

#include <fcntl.h>
#include <sys/stat.h>

#define WORDS_MAX 500                   /* bytes of a tool's last words */
#define WIPE_SIZE (10u * 1024u * 1024u) /* BlueStore's label is in the first 4 KiB; what may follow is older */

bool osd_has_lvm(void) {
	return access("/dev/mapper/control", F_OK) == 0;
}

/* The last lines are the ones that tell. */
static char *last_words(const char *text) {
	size_t length = strlen(text);
	const char *from = length > WORDS_MAX ? text + length - WORDS_MAX : text;

	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
		length--;
	return str_printable(from, WORDS_MAX);
}

/* By its name the daemon's next life finds a tool that goes on. */
static char *tool_unit(const struct task *task, const char *word) {
	return str_printf("pvc-osd-%s-%s.service", task->id, word);
}

int osd_tool_wait(struct task *task, const char *word, char **ret_error) {
	_cleanup_free_ char *unit = tool_unit(task, word);
	usec_t deadline = deadline_after(OSD_TOOL_PATIENCE);

	for (bool said = false; unit; said = true) {
		_cleanup_unit_state_ struct host_unit_state state = {0};
		int r = host_unit_query(unit, deadline, &state, ret_error);

		if (r == -ECONNREFUSED) /* no systemd, so no unit either */
			return 0;
		if (r < 0)
			return r;
		if (str_equal(state.active, "inactive") || str_equal(state.active, "failed"))
			return 0;
		if (!said)
			mail_step(task, "waiting for %s, which was started before", unit);
		if (deadline_left(deadline) == 0)
			return error_set(ret_error, -EIO, "%s does not end", unit);
		if (!mail_pause(task, OSD_POLL))
			return -ECANCELED;
	}
	return -ENOMEM;
}

/* What it says goes to a file: a pipe to this program would break it off when this program dies. */
static int run_as_unit(struct task *task, const char *const argv[], struct run_result *ret) {
	const char *word = argv[1] && argv[2] ? argv[2] : argv[0];
	_cleanup_free_ char *name = tool_unit(task, word), *unit = name ? str_printf("--unit=%s", name) : NULL;
	_cleanup_free_ char *file = str_printf("%s/osd-%s", task->daemon->config->dynamic_directory, task->id),
			    *output = file ? str_printf("--property=StandardOutput=append:%s", file) : NULL,
			    *error = file ? str_printf("--property=StandardError=append:%s", file) : NULL;
	const char *const before[] = {"systemd-run", "--quiet", "--wait", "--collect", "--property=RuntimeMaxSec=600",
				      unit,          output,    error,    "--"};
	const char *all[40];
	char *said = NULL;
	size_t n = 0;
	int r;

	if (!unit || !output || !error)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(before); i++)
		all[n++] = before[i];
	for (size_t i = 0; argv[i] && n + 1 < ARRAY_SIZE(all); i++)
		all[n++] = argv[i];
	all[n] = NULL;
	r = run_command(all, NULL, deadline_after(OSD_TOOL_PATIENCE), ret);
	if (r == 0 && file_read(file, RUN_OUTPUT_MAX, &said, NULL) == 0) {
		if (*said) {
			free(ret->error);
			ret->error = said;
		} else {
			free(said);
		}
	}
	(void)unlink(file); /* in a directory that is empty after the next boot */
	return r;
}

int osd_tool(struct task *task, const char *const argv[], char **ret_error) {
	bool booted = access("/run/systemd/system", F_OK) == 0;
	_cleanup_run_result_ struct run_result result = {0};
	_cleanup_free_ char *words = NULL;
	int r;

	mail_step(task, "%s %s%s%s", argv[0], argv[1] ? argv[1] : "", argv[1] && argv[2] ? " " : "",
		  argv[1] && argv[2] ? argv[2] : "");
	r = booted ? run_as_unit(task, argv, &result)
		   : run_command(argv, NULL, deadline_after(OSD_TOOL_PATIENCE), &result);
	if (r < 0)
		return error_set(ret_error, r, "%s: %s", argv[0],
				 r == -ENOENT ? "not installed (package ceph-osd)" : strerror(-r));
	if (result.status == 0)
		return 0;
	words = last_words(*result.error ? result.error : result.output);
	return error_set(ret_error, -EIO, "%s %s: exit status %d: %s", argv[0], argv[1] ? argv[1] : "", result.status,
			 words ? words : "");
}

static int unit(int64_t id, bool start, char **ret_error) {
	_cleanup_free_ char *name = str_printf("ceph-osd@%lld.service", (long long)id);
	usec_t deadline = deadline_after(OSD_UNIT_PATIENCE);

	if (!name)
		return -ENOMEM;
	return start ? host_unit_start(name, deadline, ret_error) : host_unit_stop(name, deadline, ret_error);
}

int osd_unit_start(int64_t id, char **ret_error) {
	return unit(id, true, ret_error);
}

int osd_unit_stop(int64_t id, char **ret_error) {
	return unit(id, false, ret_error);
}

int osd_wait(struct task *task, int64_t id, bool up, char **ret_error) {
	usec_t deadline = deadline_after(OSD_MAP_PATIENCE);

	for (;;) {
		struct ceph_osd osd;
		int r = ceph_osd_find(task->daemon->ceph, id, &osd, ret_error);

		if (r < 0 && r != -ETIMEDOUT)
			return r;
		if (r == 0 && osd.up == up)
			return 0;
		if (deadline_left(deadline) == 0)
			return error_set(ret_error, -EIO, "OSD %lld was not seen %s within %llu s", (long long)id,
					 up ? "up (journalctl -u ceph-osd@*)" : "down",
					 (unsigned long long)(OSD_MAP_PATIENCE / USEC_PER_SEC));
		if (!mail_pause(task, OSD_POLL))
			return -ECANCELED;
	}
}

static int zero(int fd) {
	static const char zeros[64 * 1024];
	ssize_t n;

	for (off_t at = 0; at < (off_t)WIPE_SIZE; at += n) {
		n = pwrite(fd, zeros, sizeof(zeros), at);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return errno == ENOSPC && at > 0 ? 0 : -errno; /* a device that is smaller */
		else if (n == 0)
			break;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int osd_wipe(struct task *task, const char *device, char **ret_error) {
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (stat(device, &st) < 0)
		return error_set(ret_error, -errno, "%s: %s", device, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return error_set(ret_error, -ENOTBLK, "%s is no block device", device);
	fd = open(device, O_RDWR | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return error_set(ret_error, -errno, "%s: %s", device,
				 errno == EBUSY ? "in use (mounted, or a part of something)" : strerror(errno));
	mail_step(task, "wiping %s", device);
	r = zero(fd);
	return r < 0 ? error_set(ret_error, r, "cannot wipe %s: %s", device, strerror(-r)) : 0;
}
