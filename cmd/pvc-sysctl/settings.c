/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings.h"

struct planner {
	const struct config *config;
	const struct settings_link *links;
	size_t link_count;
	settings_read_fn read_value;
	void *data;
	struct settings *out;
	char **ret_error;
};

/*
 * The settings that every node has. In the reference's list stand keys that no kernel has (net.ipv6.ip_forward,
 * net.ipv6.conf.*.send_redirects and .rp_filter); what the first of them meant is conf.*.forwarding, and IPv6 has no
 * counterpart of the others. Source routing is off, not on: it lets a sender choose the way around a firewall.
 */
static const struct {
	const char *key;
	uint64_t value;
	const char *reason;
} fixed[] = {
    {"net.ipv4.ip_forward", 1, "so that this node routes for its virtual machines"},
    {"net.ipv4.conf.default.forwarding", 1, "so that new links route too"},
    {"net.ipv6.conf.all.forwarding", 1, "so that this node routes for its virtual machines"},
    {"net.ipv6.conf.default.forwarding", 1, "so that new links route too"},
    {"net.ipv4.conf.all.send_redirects", 1, "so that neighbours learn of a shorter way"},
    {"net.ipv4.conf.default.send_redirects", 1, "so that neighbours learn of a shorter way"},
    {"net.ipv4.conf.all.accept_source_route", 0, "so that no sender chooses the way past the firewall"},
    {"net.ipv4.conf.default.accept_source_route", 0, "so that no sender chooses the way past the firewall"},
    {"net.ipv6.conf.all.accept_source_route", 0, "so that no sender chooses the way past the firewall"},
    {"net.ipv6.conf.default.accept_source_route", 0, "so that no sender chooses the way past the firewall"},
};

void settings_free(struct settings *settings) {
	for (size_t i = 0; i < settings->count; i++) {
		free(settings->items[i].key);
		free(settings->items[i].now);
	}
	free(settings->items);
	strlist_free(&settings->missing);
	*settings = (struct settings){0};
}

/* The key of a link: dots of its name are written as slashes, as sysctl(8) does. */
static char *link_key(const char *family, const char *link, const char *what) {
	_cleanup_free_ char *name = strdup(link);

	if (!name)
		return NULL;
	for (char *p = name; *p; p++)
		if (*p == '.')
			*p = '/';
	return str_printf("net.%s.conf.%s.%s", family, name, what);
}

/* 1 with the value, 0 when there is no such key (which is remembered), or the error. */
static int read_number(const struct planner *p, const char *key, uint64_t *ret_value, char **ret_text) {
	_cleanup_free_ char *text = NULL;
	int r;

	if (!key)
		return -ENOMEM;
	r = p->read_value(key, &text, p->data);
	if (r == -ENOENT)
		return strlist_contains(&p->out->missing, key) ? 0 : strlist_add(&p->out->missing, key);
	if (r < 0)
		return error_set(p->ret_error, r, "cannot read %s: %s", key, strerror(-r));
	/* a negative number or something else is just another value than the wanted one */
	if (parse_u64(text, 0, UINT64_MAX - 1, ret_value) < 0)
		*ret_value = UINT64_MAX;
	*ret_text = move_ptr(text);
	return 1;
}

/* Adds what has to be written. Owns the texts, also on failure. */
static int add(const struct planner *p, char *key, char *now, uint64_t value, const char *reason) {
	struct setting *items = reallocarray(p->out->items, p->out->count + 1, sizeof(*items));

	if (!items) {
		free(key);
		free(now);
		return -ENOMEM;
	}
	p->out->items = items;
	items[p->out->count++] = (struct setting){key, now, value, reason};
	return 0;
}

static bool planned(const struct planner *p, const char *key) {
	for (size_t i = 0; i < p->out->count; i++)
		if (str_equal(p->out->items[i].key, key))
			return true;
	return false;
}

/* Wants the value where the current one is in [from, to]. Owns the key. */
static int want(const struct planner *p, char *key, uint64_t from, uint64_t to, uint64_t value, const char *reason) {
	_cleanup_free_ char *owned = key, *now = NULL;
	uint64_t current = 0;
	int r = read_number(p, key, &current, &now);

	if (r <= 0)
		return r;
	if (current == value || current < from || current > to || planned(p, key))
		return 0;
	return add(p, move_ptr(owned), move_ptr(now), value, reason);
}

static int want_exactly(const struct planner *p, char *key, uint64_t value, const char *reason) {
	return want(p, key, 0, UINT64_MAX, value, reason);
}

/*
 * The links that the node routes for: the devices and bridges of the cluster and upstream networks, where packets may
 * come in on another link than the answers leave by ("traffic pivoting"). Terminated by NULL.
 */
#define PIVOTS 5
static void pivots(const struct config *config, const char *names[PIVOTS]) {
	names[0] = config->cluster.device;
	names[1] = config_bridge_name(config, &config->cluster);
	names[2] = config->upstream.device;
	names[3] = config_bridge_name(config, &config->upstream);
	names[4] = NULL;
}

static bool is_pivot(const struct config *config, const char *link) {
	const char *names[PIVOTS];

	pivots(config, names);
	for (size_t i = 0; names[i]; i++)
		if (str_equal(names[i], link))
			return true;
	return false;
}

/* A router does not listen to router advertisements unless it is told so with 2; turning forwarding on even drops the
 * default route that came by one. So this comes first, and only where the host did listen. */
static int plan_router_advertisements(const struct planner *p) {
	static const char reason[] = "so that a router still listens to router advertisements, and keeps its way out";
	const char *const upstream[] = {p->config->upstream.device,
					config_bridge_name(p->config, &p->config->upstream)};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(upstream); i++)
		r = want(p, link_key("ipv6", upstream[i], "accept_ra"), 1, 1, 2, reason);
	for (size_t i = 0; r >= 0 && i < p->link_count; i++)
		if (p->links[i].router_advertised)
			r = want(p, link_key("ipv6", p->links[i].name, "accept_ra"), 1, 1, 2, reason);
	return r;
}

/*
 * The kernel takes the greater of conf.all and conf.LINK, so a link's 0 counts only when "all" is 0 too. Where the
 * operator has set "all", other links get that value for themselves first: for them nothing changes.
 */
static int plan_path_filter(const struct planner *p) {
	static const char kept[] = "so that it keeps what conf.all gave it";
	_cleanup_free_ char *now = NULL;
	const char *names[PIVOTS];
	uint64_t all = 0;
	int r = read_number(p, "net.ipv4.conf.all.rp_filter", &all, &now);

	if (r <= 0)
		return r;
	if (all > 0 && all != UINT64_MAX) {
		r = want(p, strdup("net.ipv4.conf.default.rp_filter"), 0, all - 1, all, kept);
		for (size_t i = 0; r >= 0 && i < p->link_count; i++)
			if (!is_pivot(p->config, p->links[i].name))
				r = want(p, link_key("ipv4", p->links[i].name, "rp_filter"), 0, all - 1, all, kept);
	}
	pivots(p->config, names);
	for (size_t i = 0; r >= 0 && names[i]; i++)
		r = want_exactly(p, link_key("ipv4", names[i], "rp_filter"), 0,
				 "so that answers may come by another link than questions went");
	return r < 0
		   ? r
		   : want_exactly(p, strdup("net.ipv4.conf.all.rp_filter"), 0, "so that what single links have counts");
}

int settings_plan(const struct config *config, const struct settings_link *links, size_t link_count,
		  settings_read_fn read_value, void *data, struct settings *ret, char **ret_error) {
	struct settings out = {0};
	const struct planner p = {config, links, link_count, read_value, data, &out, ret_error};
	const char *const bridges[] = {config_bridge_name(config, &config->cluster),
				       config_bridge_name(config, &config->upstream)};
	int r = plan_router_advertisements(&p);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(fixed); i++)
		r = want_exactly(&p, strdup(fixed[i].key), fixed[i].value, fixed[i].reason);
	/* net.ipv4.ip_forward sets it on the links of that moment; somebody may have changed a single one since */
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(bridges); i++)
		r = want_exactly(&p, link_key("ipv4", bridges[i], "forwarding"), 1,
				 "so that this node routes for its virtual machines");
	if (r >= 0)
		r = plan_path_filter(&p);
	if (r < 0) {
		settings_free(&out);
		return r;
	}
	*ret = out;
	return 0;
}
