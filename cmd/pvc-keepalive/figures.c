/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "figures.h"

/* All nine go into one packet of at most 1 MiB: longer lists of VMs are not believed. 13,000 UUIDs fit. */
#define RUNNING_LIMIT (500u * 1000u)

const char *const figure_keys[FIGURE_COUNT] = {
    [FIGURE_MEMTOTAL] = "memtotal",         [FIGURE_MEMUSED] = "memused",
    [FIGURE_MEMFREE] = "memfree",           [FIGURE_MEMALLOC] = "memalloc",
    [FIGURE_VCPUALLOC] = "vcpualloc",       [FIGURE_CPULOAD] = "cpuload",
    [FIGURE_DOMAINSCOUNT] = "domainscount", [FIGURE_RUNNINGDOMAINS] = "runningdomains",
    [FIGURE_KEEPALIVE] = "keepalive",
};

void figures_free(struct figures *figures) {
	free(figures->load);
	free(figures->running);
	free(figures->trouble);
	*figures = (struct figures){0};
}

/* Takes the number when there is one; else the old value stays. */
static void number(const char *text, uint64_t *value) {
	uint64_t parsed;

	if (parse_u64(text, 0, UINT64_MAX, &parsed) >= 0)
		*value = parsed;
}

static void list(const char *text, char **value) {
	char *copy = text ? strdup(text) : NULL;

	if (!copy) /* absent, or without memory: the old one is the best there is */
		return;
	free(*value);
	*value = copy;
}

void figures_seed(struct figures *figures, const struct config *config, const char *const texts[FIGURE_COUNT]) {
	if (figures->seeded || !config->enable_hypervisor)
		return;
	number(texts[FIGURE_MEMALLOC], &figures->memalloc);
	number(texts[FIGURE_VCPUALLOC], &figures->vcpualloc);
	number(texts[FIGURE_DOMAINSCOUNT], &figures->domains);
	list(texts[FIGURE_RUNNINGDOMAINS], &figures->running);
	figures->seeded = true;
}

static void complain(struct figures *figures, const char *what, const char *why) {
	char *text =
	    figures->trouble ? str_printf("%s; %s: %s", figures->trouble, what, why) : str_printf("%s: %s", what, why);

	free(figures->trouble);
	figures->trouble = text;
}

static void collect_machine(struct figures *figures) {
	struct host_memory memory;
	char *load = NULL;
	int r = host_memory_read(&memory);

	if (r >= 0)
		figures->memory = memory;
	else
		complain(figures, "cannot read the memory's figures from /proc/meminfo", strerror(-r));
	r = host_load_read(&load);
	if (r < 0) {
		complain(figures, "cannot read the load from /proc/loadavg", strerror(-r));
		return;
	}
	free(figures->load);
	figures->load = load;
}

static const char *published_trouble(const struct status *status, enum heartbeat_figures trust) {
	const char *libvirt = status_get(status, STATUS_DOMAINS_LIBVIRT);

	if (trust == FIGURES_STALE)
		return "pvc-watch-domains has not published for a while (is it running?)";
	return libvirt && !str_equal(libvirt, "up") ? libvirt : NULL;
}

static void collect_domains(struct figures *figures, const struct config *config) {
	_cleanup_(status_freep) struct status *status = NULL;
	const char *running = NULL, *trouble;
	int r = status_read(config->dynamic_directory, STATUS_DOMAINS, &status, &figures->age);

	if (r >= 0) {
		running = status_get(status, STATUS_DOMAINS_RUNNING);
		if (running && strlen(running) > RUNNING_LIMIT)
			r = -EFBIG;
	}
	figures->trust = heartbeat_figures(r >= 0, figures->age, config->keepalive_interval * USEC_PER_SEC);
	if (r < 0) {
		complain(figures, "VM figures stay as they were last known",
			 r == -ENOENT ? "pvc-watch-domains has published none since boot" : strerror(-r));
		return;
	}
	number(status_get(status, STATUS_DOMAINS_COUNT), &figures->domains);
	number(status_get(status, STATUS_DOMAINS_MEMORY), &figures->memalloc);
	number(status_get(status, STATUS_DOMAINS_VCPUS), &figures->vcpualloc);
	list(running, &figures->running);
	figures->seeded = true;
	trouble = published_trouble(status, figures->trust);
	if (trouble)
		complain(figures, figures->trust == FIGURES_STALE ? "VM figures are old" : "libvirt", trouble);
}

void figures_collect(struct figures *figures, const struct config *config) {
	free(figures->trouble);
	figures->trouble = NULL;
	figures->trust = FIGURES_FRESH;
	figures->age = 0;
	collect_machine(figures);
	if (config->enable_hypervisor)
		collect_domains(figures, config);
}

char *figures_text(const struct figures *figures, enum figure figure, uint64_t wall_clock) {
	const uint64_t numbers[FIGURE_COUNT] = {
	    [FIGURE_MEMTOTAL] = figures->memory.total, [FIGURE_MEMUSED] = figures->memory.used,
	    [FIGURE_MEMFREE] = figures->memory.free,   [FIGURE_MEMALLOC] = figures->memalloc,
	    [FIGURE_VCPUALLOC] = figures->vcpualloc,   [FIGURE_DOMAINSCOUNT] = figures->domains,
	    [FIGURE_KEEPALIVE] = wall_clock,
	};

	if (figure == FIGURE_CPULOAD)
		return strdup(figures->load ? figures->load : "0.0");
	if (figure == FIGURE_RUNNINGDOMAINS)
		return strdup(figures->running ? figures->running : "");
	return str_printf("%llu", (unsigned long long)numbers[figure]);
}

size_t figures_running(const struct figures *figures) {
	size_t count = 0;
	bool inside = false;

	for (const char *p = figures->running ? figures->running : ""; *p; p++) {
		count += *p != ' ' && !inside;
		inside = *p != ' ';
	}
	return count;
}
