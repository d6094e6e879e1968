/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Links: a network that is marked is looked at, what the planner lists is done, and it is looked at again, until there
 * is nothing to do. Some networks at a time, and between those the loop serves ZooKeeper. The kernel tells of each
 * change of a link, ours too, which marks the network: so drift is repaired at once, by the same comparison.
 */
#include "daemon.h"

#include "host/host.h"

#define PASS_NETWORKS 16 /* looked at in one turn of the loop */
#define PASS_DELETES  4  /* of links in one turn: the kernel takes tens of milliseconds for each */
#define ROUNDS_MAX    6  /* comparisons in a row with something to do: three are usual */
#define REPAIRS_MAX   5  /* in REPAIR_TIME: more is somebody who works against us */
#define REPAIR_TIME   (10 * USEC_PER_SEC)

struct item {
	struct network *network;
	struct network_plan plan;
	struct strlist failures;
};

struct links {
	struct daemon *daemon;
	struct net *net, *monitor;
	sd_event_source *news, *pass;
	bool underlay_dirty;
	struct item items[PASS_NETWORKS];
	size_t count;
	struct {
		size_t item, step;
	} * sent; /* what the changes of the batch belong to */
	size_t sent_count;
	struct net_links guests; /* for networks that are gone: all links, read once a pass */
	bool guests_read;
};

static void schedule(struct links *links) {
	int r = sd_event_source_set_enabled(links->pass, SD_EVENT_ONESHOT);

	if (r < 0)
		log_error("cannot go on comparing networks: %s", strerror(-r));
}

void links_mark(struct network *network) {
	network->dirty = true;
	schedule(network->daemon->links);
}

void links_mark_all(struct daemon *daemon) {
	for (size_t i = 0; i < daemon->table.count; i++)
		daemon->table.items[i]->dirty = true;
	schedule(daemon->links);
}

bool links_idle(const struct daemon *daemon) {
	for (size_t i = 0; i < daemon->table.count; i++)
		if (daemon->table.items[i]->dirty)
			return false;
	return true;
}

int links_read(struct daemon *daemon, struct net_links *ret, char **ret_error) {
	return net_links_read(daemon->links->net, ret, ret_error);
}

/* ---- looking ---- */

static size_t count_guests(struct links *links, const struct net_link *bridge, char **ret_error) {
	size_t count = 0;

	if (!links->guests_read && net_links_read(links->net, &links->guests, ret_error) < 0)
		return 1; /* not known: better none is cut off */
	links->guests_read = true;
	for (size_t i = 0; i < links->guests.count; i++) {
		const struct net_link *link = &links->guests.items[i];

		if (link->master == bridge->index && !str_equal(link->alias, NETWORK_ALIAS))
			count++;
	}
	return count;
}

static int observe(struct links *links, const struct network *network, struct network_state *ret, char **ret_error) {
	for (int role = 0; role < NETWORK_ROLES; role++) {
		_cleanup_free_ char *error = NULL;
		char name[IFNAMSIZ];
		int r;

		network_link_name((enum network_role)role, network->vni, name);
		r = net_link_by_name(links->net, name, &ret->links[role], &error);
		if (r < 0 && r != -ENODEV)
			return error_set(ret_error, r, "cannot look at %s: %s", name, error ? error : strerror(-r));
		ret->has[role] = r >= 0;
	}
	if (network->gone && ret->has[NETWORK_BRIDGE])
		ret->guests = count_guests(links, &ret->links[NETWORK_BRIDGE], ret_error);
	if (network->type == NETWORK_MANAGED && ret->has[NETWORK_VXLAN] && !links->daemon->underlay.evpn)
		return net_floods_read(links->net, ret->links[NETWORK_VXLAN].index, &ret->floods, ret_error);
	return 0;
}

/* ---- what came of it ---- */

static void failed(struct network *network, const struct strlist *lines) {
	_cleanup_free_ char *text = strlist_join(lines, "\n");

	network->dirty = false;
	network->rounds = 0;
	network->in_force = false;
	network->retry_at = now_monotonic() + RETRY_TIME;
	report_set_vni(network->daemon, network->vni, REPORT_LINKS, text ? text : "not enough memory");
}

/* True when it was repaired so often that somebody must be working against us. */
static bool is_fight(struct network *network) {
	usec_t now = now_monotonic();

	if (now - network->repair_time > REPAIR_TIME) {
		network->repair_time = now;
		network->repairs = 0;
	}
	return ++network->repairs > REPAIRS_MAX;
}

static void say_done(struct network *network) {
	const char *did = network->did ? network->did : "nothing";

	if (network->gone && network->waits)
		log_warning(
		    "network %u is deleted, but guests are attached to vmbr%u: the bridge stays until they are gone",
		    network->vni, network->vni);
	else if (network->gone)
		log_info("network %u is gone from this host", network->vni);
	else if (!network->in_force)
		log_info("network %u is in force on this host", network->vni);
	else
		log_info("network %u was not as wanted and was put right: %s", network->vni, did);
}

/* Nothing is left to be done. */
static void settled(struct network *network, const struct network_plan *plan) {
	bool news = network->rounds > 0, fight = news && network->in_force && is_fight(network);

	network->dirty = false;
	if (plan->errors.count) {
		failed(network, &plan->errors);
		return;
	}
	if (news || (network->gone && plan->waits && !network->waits)) {
		network->waits = plan->waits;
		say_done(network);
	}
	network->rounds = 0;
	network->retry_at = fight ? now_monotonic() + RETRY_TIME : 0;
	network->in_force = true;
	network->waits = plan->waits;
	free(network->did);
	network->did = NULL;
	if (fight)
		log_warning("network %u is being changed again and again by somebody else: looked at again in %u s",
			    network->vni, (unsigned)(RETRY_TIME / USEC_PER_SEC));
	report_set_vni(network->daemon, network->vni, REPORT_LINKS, NULL);
	if (network->gone && !plan->waits)
		table_forget(network);
}

/* True when there is something to do. */
static bool look(struct links *links, struct network *network, struct item *item) {
	struct network_state state = {0};
	_cleanup_free_ char *error = NULL;
	struct strlist lines = {0};
	int r = observe(links, network, &state, &error);

	*item = (struct item){.network = network};
	if (r >= 0)
		r = network_plan_make(network->vni, network->type, &state, &links->daemon->underlay, &item->plan);
	net_floods_free(&state.floods);
	if (r >= 0 && item->plan.count == 0) {
		settled(network, &item->plan);
		return false;
	}
	if (r >= 0 && network->rounds < ROUNDS_MAX) {
		network->rounds++;
		if (!network->did)
			network->did = step_text(&item->plan.steps[0]);
		return true;
	}
	if (r >= 0) {
		_cleanup_free_ char *text = step_text(&item->plan.steps[0]);

		(void)strlist_addf(&lines, "it does not stay as wanted: still to do: %s", text ? text : "?");
	} else {
		(void)strlist_addf(&lines, "%s", error ? error : strerror(-r)); /* without memory: failed() says so */
	}
	failed(network, &lines);
	strlist_free(&lines);
	return false;
}

/* ---- doing ---- */

static void note_failure(struct item *item, const struct step *step, int error, const char *text) {
	_cleanup_free_ char *what = NULL;

	if (item->failures.count && step->values.index == 0) /* because the link could not be made, which is said */
		return;
	what = step_text(step);
	if (error == -EOPNOTSUPP && step->kind == STEP_VLAN)
		text = "the kernel has no VLAN devices: load its module 8021q (modprobe 8021q)";
	else if (error == -EOPNOTSUPP && step->kind == STEP_VXLAN)
		text = "the kernel has no VXLAN devices: load its module vxlan (modprobe vxlan)";
	(void)strlist_addf(&item->failures, "cannot %s: %s", what ? what : "?", text); /* without memory: not told */
}

static void set(struct item *item, const struct step *step) {
	_cleanup_free_ char *key = str_printf("net.ipv6.conf.%s.%s", step->values.name, step->setting);
	int r = key ? host_sysctl_write(key, step->value) : -ENOMEM;

	if (r < 0)
		note_failure(item, step, r, strerror(-r));
}

static void add(struct net_batch *batch, const struct step *step) {
	const struct net_link *values = &step->values;

	switch (step->kind) {
	case STEP_BRIDGE:
		net_batch_bridge(batch, values->name, values->mac, values->mtu);
		break;
	case STEP_VXLAN:
		net_batch_vxlan(batch, values->name, &values->vxlan, values->mtu);
		break;
	case STEP_VLAN:
		net_batch_vlan(batch, values->name, values->parent, values->vlan, values->mtu);
		break;
	case STEP_CHANGE:
		net_batch_change(batch, step->what, values);
		break;
	case STEP_FLOOD:
	case STEP_UNFLOOD:
		net_batch_flood(batch, &step->flood, step->kind == STEP_FLOOD);
		break;
	case STEP_SETTING:
		break;
	}
}

static void refused(size_t number, int error, const char *text, void *userdata) {
	struct links *links = userdata;
	struct item *item;

	if (number >= links->sent_count)
		return;
	item = &links->items[links->sent[number].item];
	note_failure(item, &item->plan.steps[links->sent[number].step], error, text);
}

/* All steps of one network as one group: a link of ours and its mark are made together or not at all. */
static int enqueue(struct links *links, struct net_batch *batch, size_t number) {
	struct item *item = &links->items[number];
	void *grown = reallocarray(links->sent, links->sent_count + item->plan.count, sizeof(*links->sent));

	if (!grown)
		return -ENOMEM;
	links->sent = grown;
	net_batch_group(batch);
	for (size_t i = 0; i < item->plan.count; i++) {
		const struct step *step = &item->plan.steps[i];

		if (step->kind == STEP_SETTING) {
			set(item, step);
			continue;
		}
		links->sent[links->sent_count].item = number;
		links->sent[links->sent_count++].step = i;
		add(batch, step);
	}
	return 0;
}

static void execute(struct links *links) {
	_cleanup_net_batch_ struct net_batch *batch = net_batch_new();
	_cleanup_free_ char *error = NULL;
	int r = 0;

	links->sent_count = 0;
	for (size_t i = 0; r >= 0 && i < links->count; i++)
		r = enqueue(links, batch, i);
	if (r >= 0)
		r = net_batch_run(links->net, batch, refused, links, &error);
	if (r < 0)
		log_error("cannot change links: %s; tried again", error ? error : strerror(-r));
	for (size_t i = 0; i < links->count; i++) {
		struct item *item = &links->items[i];

		/* what changed between the look and the change is right at the second try */
		if (item->failures.count && item->network->rounds > 2)
			failed(item->network, &item->failures);
		strlist_free(&item->failures);
		network_plan_free(&item->plan);
	}
	links->count = 0;
}

/* ---- passes ---- */

static size_t deletes_in(const struct network_plan *plan) {
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		count += plan->steps[i].kind == STEP_CHANGE && plan->steps[i].what == NET_BATCH_DELETE;
	return count;
}

static bool is_due(struct network *network) {
	usec_t now = now_monotonic();

	if (!network->dirty || !network->seen)
		return false;
	if (network->type == NETWORK_INCOMPLETE && now - network->incomplete_since < SETTLE_TIME) {
		network->dirty = false; /* the tick comes back to it */
		return false;
	}
	if (network->in_force && network->retry_at > now) { /* somebody works against us */
		network->dirty = false;
		return false;
	}
	return true;
}

/* Removing an entry moves those behind it one place down: it is looked at from the end. */
static void look_at_some(struct links *links) {
	const struct table *table = &links->daemon->table;
	size_t deletes = 0;

	for (size_t i = table->count; i > 0 && links->count < PASS_NETWORKS && deletes < PASS_DELETES; i--) {
		struct item *item = &links->items[links->count];

		if (!is_due(table->items[i - 1]))
			continue;
		if (look(links, table->items[i - 1], item)) {
			deletes += deletes_in(&item->plan);
			links->count++;
		} else {
			network_plan_free(&item->plan);
		}
	}
}

static bool any_due(const struct daemon *daemon) {
	for (size_t i = 0; i < daemon->table.count; i++)
		if (is_due(daemon->table.items[i]))
			return true;
	return false;
}

static int on_pass(sd_event_source *source, void *userdata) {
	struct links *links = userdata;
	struct daemon *daemon = links->daemon;

	(void)source;
	if (links->underlay_dirty) {
		links->underlay_dirty = false;
		if (underlay_read(daemon, false))
			links_mark_all(daemon);
	}
	if (peers_seen(daemon)) { /* else what is wanted is not known */
		look_at_some(links);
		if (links->count)
			execute(links);
		net_links_free(&links->guests);
		links->guests_read = false;
		if (any_due(daemon))
			schedule(links);
	}
	daemon_check_ready(daemon);
	return 0;
}

void links_tick(struct daemon *daemon) {
	usec_t now = now_monotonic();

	for (size_t i = 0; i < daemon->table.count; i++) {
		struct network *network = daemon->table.items[i];

		if ((network->retry_at && network->retry_at <= now) || network->waits ||
		    (network->incomplete_since && now - network->incomplete_since >= SETTLE_TIME && !network->retry_at))
			links_mark(network);
	}
}

/* ---- news of the kernel ---- */

static void link_changed(const struct net_link *link, bool gone, void *userdata) {
	struct links *links = userdata;
	enum network_role role;
	uint32_t vni;
	struct network *network;

	(void)gone;
	if (underlay_concerns(links->daemon, link->name)) {
		links->underlay_dirty = true;
		schedule(links);
	}
	if (!network_parse_name(link->name, &role, &vni))
		return;
	network = table_find(links->daemon, vni);
	if (network && (!network->retry_at || network->in_force))
		links_mark(network);
}

static int on_news(sd_event_source *source, int fd, uint32_t events, void *userdata) {
	struct links *links = userdata;
	int r = net_link_monitor_read(links->monitor, link_changed, links);

	(void)source;
	(void)fd;
	(void)events;
	if (r < 0)
		log_error("cannot hear of changes of links: %s", strerror(-r));
	if (r != 0) {
		links->underlay_dirty = true;
		links_mark_all(links->daemon);
	}
	return 0;
}

int links_start(struct daemon *daemon) {
	struct links *links = calloc(1, sizeof(*links));
	_cleanup_free_ char *error = NULL;
	int r;

	if (!links)
		return -ENOMEM;
	links->daemon = daemon;
	daemon->links = links;
	r = net_link_monitor_open(&links->monitor, &error);
	if (r >= 0)
		r = net_open(&links->net, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return r;
	}
	r = sd_event_add_io(daemon->event, &links->news, net_monitor_fd(links->monitor), EPOLLIN, on_news, links);
	if (r >= 0)
		r = sd_event_add_defer(daemon->event, &links->pass, on_pass, links);
	if (r >= 0) /* after all that tells what is wanted */
		r = sd_event_source_set_priority(links->pass, SD_EVENT_PRIORITY_IDLE);
	(void)underlay_read(daemon, true);
	return r;
}

void links_stop(struct daemon *daemon) {
	struct links *links = daemon->links;

	if (!links)
		return;
	(void)sd_event_source_disable_unref(links->news); /* these return NULL */
	(void)sd_event_source_disable_unref(links->pass);
	net_close(links->monitor);
	net_close(links->net);
	free(links->sent);
	free(links);
	daemon->links = NULL;
}
