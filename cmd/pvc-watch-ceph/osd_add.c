/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes an OSD, in the reference's steps: wipe the disk, prepare, activate, CRUSH map; then waits until it is up. Its
 * id is given out once, with the uuid that stands in the command's record before anything is done (D57): an interrupted
 * command finds its OSD by that, and goes on or takes it back.
 */
#include <sys/stat.h>

#include "osd.h"

static int prepare(struct task *task, char **ret_error) {
	const char *device = task->command.device;
	const char *const zap[] = {"ceph-volume", "lvm", "zap", "--destroy", device, NULL};
	const char *const lvm[] = {"ceph-volume", "lvm",        "prepare",  "--bluestore", "--data",
				   device,        "--osd-fsid", task->uuid, NULL};
	const char *const raw[] = {"ceph-volume", "raw",  "prepare",    "--bluestore",
				   "--data",      device, "--no-tmpfs", NULL};
	struct stat st;
	int r;

	if (stat(device, &st) < 0)
		return error_set(ret_error, -errno, "%s: %s", device, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return error_set(ret_error, -ENOTBLK, "%s is no block device", device);
	if (!osd_has_lvm()) {
		r = osd_wipe(task, device, ret_error);
		return r < 0 ? r : osd_tool(task, raw, ret_error);
	}
	r = osd_tool(task, zap, ret_error);
	return r < 0 ? r : osd_tool(task, lvm, ret_error);
}

static int activate(struct task *task, int64_t id, char **ret_error) {
	_cleanup_free_ char *text = str_printf("%lld", (long long)id),
			    *unit = str_printf("ceph-osd@%lld.service", (long long)id);
	const char *const lvm[] = {"ceph-volume", "lvm", "activate", "--bluestore", text, task->uuid, NULL};
	const char *const raw[] = {"ceph-volume",        "raw",          "activate",   "--device",
				   task->command.device, "--no-systemd", "--no-tmpfs", NULL};
	const char *const enable[] = {"systemctl", "enable", "--quiet", unit, NULL};
	int r;

	if (!text || !unit)
		return -ENOMEM;
	if (osd_has_lvm())
		return osd_tool(task, lvm, ret_error);
	r = osd_tool(task, raw, ret_error);
	if (r == 0)
		r = osd_tool(task, enable, ret_error); /* LVM's are found and activated at boot; this one is not */
	return r < 0 ? r : osd_unit_start(id, ret_error);
}

static int finish(struct task *task, int64_t id, char **ret_error) {
	struct ceph *ceph = task->daemon->ceph;
	struct ceph_osd osd;
	int r = ceph_osd_find(ceph, id, &osd, ret_error);

	if (r == 0 && !osd.up)
		r = activate(task, id, ret_error);
	if (r == 0)
		r = ceph_osd_crush_add(ceph, id, task->command.weight, task->command.node, ret_error);
	if (r == 0) {
		mail_step(task, "waiting for OSD %lld to be up", (long long)id);
		r = osd_wait(task, id, true, ret_error);
	}
	return r;
}

/* An OSD that never came up holds no data. Of one that did, or of which nothing is known now, nothing is taken. */
static void take_back(struct task *task, int64_t id) {
	_cleanup_free_ char *why = NULL;
	struct ceph_osd osd;
	int r = ceph_osd_find(task->daemon->ceph, id, &osd, &why);

	if (r == -ENOENT)
		return;
	if (r < 0 || osd.was_up) {
		mail_step(task, "OSD %lld is left as it is: %s", (long long)id,
			  r < 0 ? why ? why : strerror(-r) : "it has been up, so it may hold data");
		return;
	}
	(void)osd_unit_stop(id, NULL); /* it may never have started */
	if (osd_wait(task, id, false, &why) < 0 || ceph_osd_purge(task->daemon->ceph, id, &why) < 0)
		mail_step(task, "OSD %lld cannot be taken back: %s", (long long)id, why ? why : "stopping");
	else
		mail_step(task, "OSD %lld was taken back", (long long)id);
}

/* Straight on a device ceph-volume makes up a uuid of its own, and the device's label tells it. */
static int read_label(struct task *task, char **ret_error) {
	const char *const list[] = {"ceph-volume", "raw", "list", task->command.device, "--format", "json", NULL};
	_cleanup_run_result_ struct run_result result = {0};
	json_t *labels, *label;
	const char *uuid, *key;
	int r = run_command(list, NULL, deadline_after(OSD_TOOL_PATIENCE), &result);

	if (r < 0)
		return error_set(ret_error, r, "ceph-volume raw list: %s", strerror(-r));
	labels = json_loads(result.output, JSON_DISABLE_EOF_CHECK, NULL);
	json_object_foreach(labels, key, label) {
		uuid = json_string_value(json_object_get(label, "osd_uuid"));
		if (uuid) {
			free(task->result.uuid);
			task->result.uuid = strdup(uuid);
			r = 1;
		}
	}
	json_decref(labels);
	return r > 0 ? 0 : error_set(ret_error, -EIO, "ceph-volume has left no label on %s", task->command.device);
}

static int find(struct task *task, struct ceph_osd *ret, char **ret_error) {
	const char *uuid = task->result.uuid ? task->result.uuid : task->uuid;

	return ceph_osd_find_uuid(task->daemon->ceph, uuid, ret, ret_error);
}

/* An earlier life's tools have ended; on a disk without LVM the label that they left, if any, tells the OSD. (The disk
 * was wiped before, so it is the label of no other.) */
static int look_again(struct task *task, char **ret_error) {
	_cleanup_free_ char *none = NULL;
	int r = osd_tool_wait(task, "prepare", ret_error);

	if (r == 0)
		r = osd_tool_wait(task, "activate", ret_error);
	if (r == 0 && !osd_has_lvm())
		(void)read_label(task, &none); /* without one the OSD is looked for by the command's own uuid */
	return r;
}

int work_osd_add(struct task *task, char **ret_error) {
	struct ceph_osd osd = {0};
	int r = task->kind == TASK_SETTLE ? look_again(task, ret_error) : 0;

	if (r < 0)
		return r;
	r = find(task, &osd, ret_error);
	if (r == -ENOENT && task->kind == TASK_SETTLE)
		return error_set(ret_error, -EIO, "it was interrupted before its OSD was made; give it again");
	if (r == -ENOENT) {
		r = prepare(task, ret_error); /* when it fails, ceph-volume takes back the id that it was given */
		if (r == 0 && !osd_has_lvm())
			r = read_label(task, ret_error);
		if (r == 0)
			r = find(task, &osd, ret_error);
	}
	if (r < 0)
		return r;
	task->result.osd = (uint64_t)osd.id;
	mail_step(task, "its id is %lld", (long long)osd.id);
	r = finish(task, osd.id, ret_error);
	if (r < 0 && r != -ECANCELED)
		take_back(task, osd.id);
	return r;
}
