/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as /proc/meminfo, /proc/loadavg and a status file: refused, or within what the header promises. */
#include "host/host.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64], directory[] = "/tmp/pvc-fuzz-host-XXXXXX";

static void clean(void) {
	char name[128];

	snprintf(name, sizeof(name), "%s/status/x", directory);
	unlink(name);
	snprintf(name, sizeof(name), "%s/status", directory);
	rmdir(name);
	rmdir(directory);
}

/* A file in memory, and a status file that is a link to it. */
static int prepare(void) {
	char name[128];
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || !mkdtemp(directory))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(name, sizeof(name), "%s/status", directory);
	if (dir_make(name, 0700) < 0)
		abort();
	snprintf(name, sizeof(name), "%s/status/x", directory);
	if (symlink(path, name) < 0 || atexit(clean) != 0)
		abort();
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static int fd = -1;
	_cleanup_(status_freep) struct status *status = NULL;
	_cleanup_free_ char *load = NULL, *boot = NULL;
	_cleanup_strbuf_ struct strbuf text = {0};
	struct host_memory memory;

	if (fd < 0)
		fd = prepare();
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (host_memory_read_from(path, &memory) >= 0 && (memory.used > memory.total || memory.free > memory.total))
		abort();
	if (host_load_read_from(path, &load) >= 0 && load[strspn(load, "0123456789.")])
		abort();
	/* past the stamp, which a fuzzer would not guess */
	if (host_boot_id(&boot) < 0 || strbuf_addf(&text, "boot=%s\nstamp=1\n", boot) < 0 ||
	    strbuf_add(&text, (const char *)data, size) < 0 || ftruncate(fd, 0) < 0 ||
	    pwrite(fd, text.data, text.length, 0) != (ssize_t)text.length)
		abort();
	if (status_read(directory, "x", &status, NULL) >= 0 && !status_get(status, "boot"))
		abort();
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
