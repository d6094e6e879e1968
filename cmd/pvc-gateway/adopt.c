/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a pvc-gateway that was killed left behind: its dnsmasq processes, known by the program's name and by their
 * second word, the hosts file in our dynamic directory; and the addresses it noted. No other process is looked at twice
 * (D69). dnsmasq's helper for the lease script has the same words and is told apart by its parent; it ends by itself.
 */
#include <ctype.h>
#include <dirent.h>

#include "dhcp/dhcp.h"
#include "gateway.h"
#include "log/log.h"

#define CMDLINE_MAX (64u * 1024u)

struct process {
	pid_t pid, parent;
	char *vni;
	struct strlist words;
};
struct processes {
	struct process *items;
	size_t count;
};

static void processes_free(struct processes *processes) {
	for (size_t i = 0; i < processes->count; i++) {
		free(processes->items[i].vni);
		strlist_free(&processes->items[i].words);
	}
	free(processes->items);
}

/* The kernel's own name of the program, which needs no right to look into the process, as its exe would. */
static bool runs_dnsmasq(const char *pid) {
	char path[300];
	_cleanup_free_ char *name = NULL;
	size_t length;

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid); /* always fits */
	return file_read(path, 64, &name, &length) >= 0 && str_equal(name, "dnsmasq\n");
}

static int read_words(const char *pid, struct strlist *ret) {
	char path[300];
	_cleanup_free_ char *data = NULL;
	size_t length;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid); /* always fits */
	r = file_read(path, CMDLINE_MAX, &data, &length);
	for (size_t at = 0; r >= 0 && at < length; at += strlen(data + at) + 1)
		r = strlist_add(ret, data + at);
	return r;
}

/* "--dhcp-hostsfile=DYNAMIC/dnsmasq/VNI/hosts": the VNI, or NULL. */
static char *vni_of(const struct gateway *gateway, const struct strlist *words) {
	_cleanup_free_ char *prefix = str_printf("--dhcp-hostsfile=%s/dnsmasq/", gateway->config->dynamic_directory);
	_cleanup_free_ char *vni = NULL;
	const char *rest;
	size_t digits;

	if (!prefix || words->count < 2 || !str_starts(words->items[1], prefix))
		return NULL;
	rest = words->items[1] + strlen(prefix);
	digits = strspn(rest, "0123456789");
	if (!str_equal(rest + digits, "/hosts"))
		return NULL;
	vni = strndup(rest, digits);
	return vni && dhcp_is_vni(vni) ? move_ptr(vni) : NULL;
}

static pid_t parent_of(const char *pid) {
	char path[300];
	_cleanup_free_ char *text = NULL;
	size_t length;
	char *after;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid); /* always fits */
	if (file_read(path, 4096, &text, &length) < 0)
		return 0;
	after = strrchr(text, ')'); /* "pid (name) state parent" */
	return after && strlen(after) > 4 ? (pid_t)strtol(after + 4, NULL, 10) : 0;
}

static int look_at(const struct gateway *gateway, const char *pid, struct processes *processes) {
	struct process process = {.pid = (pid_t)strtol(pid, NULL, 10)};
	struct process *grown;

	if (!runs_dnsmasq(pid))
		return 0;
	if (read_words(pid, &process.words) < 0 || !(process.vni = vni_of(gateway, &process.words))) {
		strlist_free(&process.words); /* foreign, or gone meanwhile */
		return 0;
	}
	process.parent = parent_of(pid);
	grown = reallocarray(processes->items, processes->count + 1, sizeof(*grown));
	if (!grown) {
		free(process.vni);
		strlist_free(&process.words);
		return -ENOMEM;
	}
	processes->items = grown;
	processes->items[processes->count++] = process;
	return 0;
}

static bool is_helper(const struct processes *processes, const struct process *process) {
	for (size_t i = 0; i < processes->count; i++)
		if (processes->items[i].pid == process->parent)
			return true;
	return false;
}

static struct network *leftover(struct gateway *gateway, const char *vni) {
	struct network *network = network_find(gateway, vni);

	return network ? network : network_leftover(gateway, vni);
}

static int adopt_processes(struct gateway *gateway) {
	_cleanup_(processes_free) struct processes processes = {0};
	DIR *directory = opendir("/proc");
	int r = 0;

	if (!directory)
		return -errno;
	for (struct dirent *entry; r >= 0 && (entry = readdir(directory));)
		if (isdigit((unsigned char)entry->d_name[0]))
			r = look_at(gateway, entry->d_name, &processes);
	(void)closedir(directory); /* it was only read */
	for (size_t i = 0; i < processes.count && r >= 0; i++) {
		struct process *process = &processes.items[i];
		struct network *network;

		if (is_helper(&processes, process))
			continue;
		network = leftover(gateway, process->vni);
		if (network)
			server_adopt(network->server, process->pid, &process->words);
		else
			r = -ENOMEM;
	}
	return r;
}

static int adopt_addresses(struct gateway *gateway) {
	_cleanup_free_ char *path = str_printf("%s/dnsmasq", gateway->config->dynamic_directory);
	DIR *directory = path ? opendir(path) : NULL;
	int r = 0;

	if (!directory)
		return !path ? -ENOMEM : errno == ENOENT ? 0 : -errno;
	for (struct dirent *entry; r >= 0 && (entry = readdir(directory));) {
		struct network *network;

		if (!dhcp_is_vni(entry->d_name))
			continue;
		network = leftover(gateway, entry->d_name);
		r = network ? owned_read(network) : -ENOMEM;
	}
	(void)closedir(directory); /* it was only read */
	return r;
}

int adopt_all(struct gateway *gateway) {
	int r = adopt_processes(gateway);

	if (r >= 0)
		r = adopt_addresses(gateway);
	if (r < 0)
		log_error("cannot look for what an earlier pvc-gateway left: %s", strerror(-r));
	return r;
}
