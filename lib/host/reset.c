/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The end of a host that must not go on. Nothing here waits for a disk. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/reboot.h>

#include "host/host.h"

/* libvirt's child takes the lock on the machine's pid file before it becomes QEMU, which keeps it as long as it lives:
 * so who holds the lock is that machine, whatever number a stale file has. */
static pid_t lock_holder(int directory, const char *name) {
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

int host_machines_end(int signal) {
	DIR *directory = opendir(HOST_MACHINES);
	const struct dirent *entry;
	int count = 0;

	if (!directory)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(directory))) {
		size_t length = strlen(entry->d_name);
		pid_t pid;

		if (length < sizeof(".pid") || strcmp(entry->d_name + length - strlen(".pid"), ".pid") != 0)
			continue;
		pid = lock_holder(dirfd(directory), entry->d_name);
		count += pid > 1 && kill(pid, signal) == 0;
	}
	(void)closedir(directory);
	return count;
}

int host_reset(void) {
	return reboot(RB_AUTOBOOT) < 0 ? -errno : 0; /* without sync(): that may never return */
}
