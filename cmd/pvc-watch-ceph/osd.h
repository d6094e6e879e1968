/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What making and removing an OSD share: tools of Ceph and devices, on a worker thread. */
#pragma once

#include "daemon.h"

#define OSD_UNIT_PATIENCE (180 * USEC_PER_SEC) /* for ceph-osd@ID to start or stop */
#define OSD_TOOL_PATIENCE (600 * USEC_PER_SEC) /* for one run of ceph-volume: a whole disk may be discarded */
#define OSD_MAP_PATIENCE  (180 * USEC_PER_SEC) /* for the map to say that it is up, or down */
#define OSD_POLL          USEC_PER_SEC

/* LVM needs the kernel's device mapper; without it OSDs are made straight on the device. */
bool osd_has_lvm(void);
/* Runs a tool with an argument vector; its last words are the error. As a unit of its own where systemd runs: the
 * daemon's own restrictions are not for tools that set up disks, and the tool is not broken off in the middle when the
 * daemon dies. */
int osd_tool(struct task *task, const char *const argv[], char **ret_error);
/* Waits until a tool that an earlier life of this command started (`word`: its third word, "prepare") has ended. */
int osd_tool_wait(struct task *task, const char *word, char **ret_error);
int osd_unit_start(int64_t id, char **ret_error);
int osd_unit_stop(int64_t id, char **ret_error);
/* Until the map has it up (or down). -ETIMEDOUT, -ECANCELED. */
int osd_wait(struct task *task, int64_t id, bool up, char **ret_error);
/* The signatures at the beginning of a device that nothing else uses. -EBUSY when something does. */
int osd_wipe(struct task *task, const char *device, char **ret_error);
