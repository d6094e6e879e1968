/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In Ceph. What seals is: the host's addresses are blocklisted, the clients that hold one of its volumes by an address
 * that nobody knew are, and every OSD has that map. Locks are broken after it, so that its VMs' next start finds their
 * volumes free; what cannot be broken now is by pvc-volume-locks then, so it does not make the seal fail.
 */
#include "cluster/storage.h"
#include "log/log.h"
#include "seal.h"

#define HOST_SECONDS   (10ull * 365 * 86400) /* until it is lifted */
#define ELECTION_TIME  (40 * USEC_PER_SEC)   /* longer than the monitors need to go on without one that died */
#define CLIENT_SECONDS 86400                 /* a client by itself: its process is dead, its number never comes again */

static int blocklist_hosts(struct seal *seal, char **ret_error) {
	_cleanup_strlist_ struct strlist clients = {0};
	int r = 0;

	for (size_t i = 0; i < seal->hosts.count && r == 0; i++)
		r = strlist_take(&clients, storage_host_client(seal->hosts.items[i]));
	return r < 0 ? r : ceph_blocklist_all(seal->ceph, &clients, HOST_SECONDS, ret_error);
}

/* A dead node's OSDs are noticed to be down 20 seconds later by default: what it shared with others is held up until
 * then, and waiting for them as well. */
static int mark_down(struct seal *seal, char **ret_error) {
	return seal->osds.count > 0 ? ceph_osd_down(seal->ceph, &seal->osds, ret_error) : 0;
}

/* One of the monitors may have died with the node. Until the others have a leader again, 15 seconds later by default,
 * they answer nobody. */
static int change_map(struct seal *seal) {
	const usec_t own = deadline_after(ELECTION_TIME), until = own < seal->deadline ? own : seal->deadline;

	for (;;) {
		_cleanup_free_ char *error = NULL;
		int r = blocklist_hosts(seal, &error);

		if (r == 0)
			r = mark_down(seal, &error);
		if (r == 0)
			return 0;
		if (r != -ETIMEDOUT || deadline_left(until) == 0) {
			log_error("%s", error ? error : strerror(-r));
			return r;
		}
		log_info("%s; asked again", error ? error : strerror(-r));
	}
}

static int wait_for_osds(struct seal *seal) {
	_cleanup_free_ char *error = NULL;
	int r = ceph_osds_have_map(seal->ceph, seal->deadline, &seal->epoch, &error);

	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	return r;
}

/* A volume of a VM that the victim may have had. */
struct volume {
	char *pool;
	const char *image; /* inside pool */
	struct ceph_holders holders;
};

static void volumes_free(struct volume *volumes, size_t count) {
	for (size_t i = 0; i < count; i++) {
		free(volumes[i].pool);
		ceph_holders_free(&volumes[i].holders);
	}
	free(volumes);
}

/* Who holds it, and which of these clients it is taken from. *ret_unknown: one by an address that no node has. */
static int look(struct seal *seal, const char *name, struct volume *ret, struct strlist *clients, bool *ret_unknown) {
	_cleanup_free_ char *error = NULL;
	char *slash;
	int r;

	ret->pool = strdup(name);
	slash = ret->pool ? strchr(ret->pool, '/') : NULL;
	if (!slash)
		return -ENOMEM;
	*slash = '\0';
	ret->image = slash + 1;
	r = ceph_image_holders(seal->ceph, CEPH_MONITORING, ret->pool, ret->image, &ret->holders, &error);
	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; i < ret->holders.count && r == 0; i++) {
		const char *client = ret->holders.items[i].address;

		if (!storage_seal_takes(client, &seal->hosts, &seal->others) || strlist_contains(clients, client))
			continue;
		r = strlist_add(clients, client);
		*ret_unknown = *ret_unknown || !storage_client_on(client, &seal->hosts);
	}
	if (r < 0) {
		log_warning("%s: %s", name, error ? error : strerror(-r));
		ceph_holders_free(&ret->holders); /* not all of them will be blocklisted: no lock of theirs is broken */
	}
	return r;
}

static int break_locks(struct seal *seal, const struct volume *volume) {
	struct ceph_holders taken = {0}; /* owns no text */
	_cleanup_free_ char *error = NULL;
	int r = 0;

	if (volume->holders.count == 0)
		return 0;
	taken.items = calloc(volume->holders.count, sizeof(*taken.items));
	if (!taken.items)
		return -ENOMEM;
	for (size_t i = 0; i < volume->holders.count; i++) {
		const struct ceph_holder *holder = &volume->holders.items[i];

		if (holder->cookie && storage_seal_takes(holder->address, &seal->hosts, &seal->others))
			taken.items[taken.count++] = *holder;
	}
	if (taken.count > 0)
		r = ceph_image_break_locks(seal->ceph, CEPH_MONITORING, volume->pool, volume->image, &taken, &error);
	if (r == 0)
		seal->locks += taken.count;
	else
		log_warning("%s", error ? error : strerror(-r));
	free(taken.items);
	return r;
}

static int blocklist_clients(struct seal *seal, const struct strlist *clients) {
	_cleanup_free_ char *error = NULL;
	int r = ceph_blocklist_all(seal->ceph, clients, CLIENT_SECONDS, &error);

	if (r == 0)
		r = ceph_wait_map(seal->ceph, CEPH_MONITORING, &error);
	for (size_t i = 0; i < clients->count && r == 0; i++)
		r = strlist_add(&seal->clients, clients->items[i]);
	if (r < 0)
		log_warning("%s", error ? error : strerror(-r));
	return r;
}

/* When OSDs do not answer for one volume, it is not tried for the next. */
static bool goes_on(int result) {
	return result != -ETIMEDOUT && result != -ENOMEM;
}

/* All volumes are looked at, all clients are blocklisted together, and only when the map that says so is there are
 * locks broken. */
static int take_volumes(struct seal *seal) {
	struct volume *volumes = seal->volumes.count > 0 ? calloc(seal->volumes.count, sizeof(*volumes)) : NULL;
	_cleanup_strlist_ struct strlist clients = {0};
	bool unknown = false, all = true, blocked;
	size_t count = 0;
	int r = 0, confirmed;

	if (!volumes)
		return seal->volumes.count > 0 ? -ENOMEM : 0;
	while (count < seal->volumes.count && goes_on(r)) {
		r = look(seal, seal->volumes.items[count], &volumes[count], &clients, &unknown);
		all = all && r == 0;
		count++;
	}
	r = clients.count > 0 ? blocklist_clients(seal, &clients) : 0;
	all = all && r == 0;
	/* of a client by an address that nobody knew this is all that keeps it out */
	confirmed = !unknown ? 0 : r < 0 ? r : wait_for_osds(seal);
	blocked = r == 0 && confirmed == 0;
	for (size_t i = 0; i < count && blocked && goes_on(r); i++) {
		r = break_locks(seal, &volumes[i]);
		all = all && r == 0;
	}
	if (!all)
		log_warning("not all locks of %s are broken: when its VMs are started, those of its volumes are",
			    seal->node);
	volumes_free(volumes, count);
	return confirmed;
}

int storage_seal(struct seal *seal) {
	int r = change_map(seal);

	if (r == 0)
		r = wait_for_osds(seal);
	return r < 0 ? r : take_volumes(seal);
}

int storage_lift(struct seal *seal) {
	_cleanup_strlist_ struct strlist listed = {0}, clients = {0};
	_cleanup_free_ char *error = NULL;
	int r = ceph_blocklisted(seal->ceph, CEPH_MONITORING, &listed, &error);

	/* of the record too: the node may have other addresses now */
	for (size_t i = 0; i < seal->hosts.count + seal->sealed.count && r == 0; i++) {
		const char *host =
		    i < seal->hosts.count ? seal->hosts.items[i] : seal->sealed.items[i - seal->hosts.count];
		_cleanup_free_ char *client = storage_host_client(host);

		if (!client)
			r = -ENOMEM;
		else if (strlist_contains(&listed, client) && !strlist_contains(&clients, client))
			r = strlist_take(&clients, move_ptr(client));
	}
	if (r == 0)
		r = ceph_blocklist_remove_all(seal->ceph, &clients, &error);
	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	return r;
}

int storage_look(struct seal *seal) {
	_cleanup_strlist_ struct strlist listed = {0};
	_cleanup_free_ char *error = NULL;
	int r = ceph_blocklisted(seal->ceph, CEPH_MONITORING, &listed, &error);

	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	for (size_t i = 0; i < seal->hosts.count && r >= 0; i++) {
		_cleanup_free_ char *client = storage_host_client(seal->hosts.items[i]);

		if (client && strlist_contains(&listed, client))
			continue;
		printf("differs: %s of %s is not blocklisted\n", seal->hosts.items[i], seal->node);
		r = 1;
	}
	return r;
}
