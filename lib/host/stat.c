/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Figures of this machine from /proc and uname(2), counted as the reference's psutil counts them (data model, 4). */
#include "host/host.h"

#include <ctype.h>
#include <sys/utsname.h>

#define PROC_LIMIT  (1024u * 1024u) /* far over what the kernel writes into the files read here */
#define KIB_PER_MIB 1024u

/* The lines of /proc/meminfo that are needed, in KiB. Buffers, Cached and SReclaimable may be missing in a container's
 * made-up file (lxcfs): then they count as nothing. */
enum { MEM_TOTAL, MEM_FREE, MEM_BUFFERS, MEM_CACHED, MEM_RECLAIMABLE, MEM_COUNT };
static const char *const memory_names[MEM_COUNT] = {"MemTotal:", "MemFree:", "Buffers:", "Cached:", "SReclaimable:"};

static int memory_line(const char *line, uint64_t values[MEM_COUNT], bool found[MEM_COUNT]) {
	for (size_t i = 0; i < MEM_COUNT; i++) {
		const char *digits = line + strlen(memory_names[i]);
		char *end;

		if (!str_starts(line, memory_names[i]) || found[i])
			continue;
		digits += strspn(digits, " \t");
		if (!isdigit((unsigned char)*digits))
			return -EBADMSG;
		errno = 0;
		values[i] = strtoull(digits, &end, 10);
		if (errno || (*end && !isspace((unsigned char)*end)))
			return -EBADMSG;
		found[i] = true;
	}
	return 0;
}

/* used + free is what target selection takes for a node's memory, so `used` leaves out what the kernel gives back on
 * demand. A file whose parts exceed the total (seen in containers) falls back to total - free, as psutil does. */
static void memory_count(const uint64_t kib[MEM_COUNT], struct host_memory *ret) {
	uint64_t given_back = kib[MEM_BUFFERS] + kib[MEM_CACHED] + kib[MEM_RECLAIMABLE];
	uint64_t total = kib[MEM_TOTAL], free_kib = kib[MEM_FREE] < total ? kib[MEM_FREE] : total;
	uint64_t busy = total - free_kib;

	*ret = (struct host_memory){
	    .total = total / KIB_PER_MIB,
	    .used = (given_back <= busy ? busy - given_back : busy) / KIB_PER_MIB,
	    .free = free_kib / KIB_PER_MIB,
	};
}

int host_memory_read_from(const char *path, struct host_memory *ret) {
	_cleanup_free_ char *text = NULL;
	_cleanup_strlist_ struct strlist lines = {0};
	uint64_t values[MEM_COUNT] = {0};
	bool found[MEM_COUNT] = {false};
	int r = file_read(path, PROC_LIMIT, &text, NULL);

	if (r >= 0)
		r = strlist_split(&lines, text, "\n");
	for (size_t i = 0; r >= 0 && i < lines.count; i++)
		r = memory_line(lines.items[i], values, found);
	if (r < 0)
		return r;
	if (!found[MEM_TOTAL] || !found[MEM_FREE] || values[MEM_TOTAL] == 0)
		return -EBADMSG;
	memory_count(values, ret);
	return 0;
}

int host_memory_read(struct host_memory *ret) {
	return host_memory_read_from("/proc/meminfo", ret);
}

int host_load_read_from(const char *path, char **ret) {
	_cleanup_free_ char *text = NULL;
	size_t whole, fraction, end;
	int r = file_read(path, PROC_LIMIT, &text, NULL);

	if (r < 0)
		return r;
	/* "0.42 0.30 0.20 1/234 5678": kept as text, so that no locale turns the point into a comma */
	whole = strspn(text, "0123456789");
	fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	end = whole + 1 + fraction;
	if (whole == 0 || fraction == 0 || (text[end] && !isspace((unsigned char)text[end])))
		return -EBADMSG;
	text[end] = '\0';
	*ret = move_ptr(text);
	return 0;
}

int host_load_read(char **ret) {
	return host_load_read_from("/proc/loadavg", ret);
}

int host_static_data(char **ret) {
	struct utsname name;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char *text;

	if (cpus < 1)
		return -EIO;
	if (uname(&name) < 0)
		return -errno;
	/* uname -o is no field of uname(2): coreutils prints GNU/Linux for every Linux with the GNU C library */
	text = str_printf("%ld %s GNU/Linux %s", cpus, name.release, name.machine);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

int host_boot_id(char **ret) {
	_cleanup_free_ char *text = NULL;
	int r = file_read("/proc/sys/kernel/random/boot_id", PROC_LIMIT, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (!*text)
		return -EBADMSG;
	*ret = move_ptr(text);
	return 0;
}
