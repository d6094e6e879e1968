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
#define CLIENT_SECONDS 86400                 /* a client by itself: its process is dead, its number never comes again */

static int blocklist_hosts(struct seal *seal) {
	_cleanup_free_ char *error = NULL;
	int r = 0;

	for (size_t i = 0; i < seal->hosts.count && r == 0; i++) {
		_cleanup_free_ char *client = storage_host_client(seal->hosts.items[i]);

		r = client ? ceph_blocklist(seal->ceph, CEPH_MONITORING, client, HOST_SECONDS, &error) : -ENOMEM;
	}
	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	return r;
}

/* A volume's holders that are to lose it. *ret_unknown: an address that no node has was among them. */
static int take_clients(struct seal *seal, const char *pool, const char *image, struct ceph_holders *holders,
			bool *ret_unknown) {
	_cleanup_free_ char *error = NULL;
	int r = ceph_image_holders(seal->ceph, CEPH_MONITORING, pool, image, holders, &error);

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; i < holders->count && r == 0; i++) {
		const char *client = holders->items[i].address;

		if (!storage_seal_takes(client, &seal->hosts, &seal->others))
			continue;
		if (!strlist_contains(&seal->clients, client)) {
			r = ceph_blocklist(seal->ceph, CEPH_MONITORING, client, CLIENT_SECONDS, &error);
			if (r == 0)
				r = strlist_add(&seal->clients, client);
			*ret_unknown = *ret_unknown || !storage_client_on(client, &seal->hosts);
		}
	}
	if (r < 0)
		log_warning("%s/%s: %s", pool, image, error ? error : strerror(-r));
	return r;
}

static int break_locks(struct seal *seal, const char *pool, const char *image, const struct ceph_holders *holders) {
	int r = 0;

	for (size_t i = 0; i < holders->count && r == 0; i++) {
		const struct ceph_holder *holder = &holders->items[i];
		_cleanup_free_ char *error = NULL;

		if (!holder->cookie || !storage_seal_takes(holder->address, &seal->hosts, &seal->others))
			continue;
		r = ceph_image_release(seal->ceph, CEPH_MONITORING, pool, image, holder, 0, &error);
		if (r == 0)
			seal->locks++;
		else
			log_warning("%s", error ? error : strerror(-r));
	}
	return r;
}

static int wait_for_osds(struct seal *seal) {
	_cleanup_free_ char *error = NULL;
	int r = ceph_osds_have_map(seal->ceph, seal->deadline, &seal->epoch, &error);

	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	return r;
}

/* All volumes; the first that cannot be looked at because its OSDs do not answer ends it. */
static int take_volumes(struct seal *seal) {
	bool unknown = false;
	int r = 0;

	for (size_t i = 0; i < seal->volumes.count && r != -ETIMEDOUT && r != -ENOMEM; i++) {
		_cleanup_ceph_holders_ struct ceph_holders holders = {0};
		_cleanup_free_ char *pool = strdup(seal->volumes.items[i]);
		char *slash = pool ? strchr(pool, '/') : NULL;

		if (!slash)
			return -ENOMEM;
		*slash = '\0';
		r = take_clients(seal, pool, slash + 1, &holders, &unknown);
		if (r == 0)
			r = break_locks(seal, pool, slash + 1, &holders);
	}
	if (r < 0)
		log_warning("not all locks of %s are broken: when its VMs are started, those of its volumes are",
			    seal->node);
	return unknown ? wait_for_osds(seal) : 0;
}

int storage_seal(struct seal *seal) {
	_cleanup_free_ char *error = NULL;
	int r = blocklist_hosts(seal);

	/* a dead node's OSDs are noticed to be down 20 seconds later by default: what it shared with others is held up
	 * until then, and waiting for them as well */
	if (r == 0 && seal->osds.count > 0) {
		r = ceph_osd_down(seal->ceph, &seal->osds, &error);
		if (r < 0)
			log_error("%s", error ? error : strerror(-r));
	}
	if (r == 0)
		r = wait_for_osds(seal);
	return r < 0 ? r : take_volumes(seal);
}

int storage_lift(struct seal *seal) {
	_cleanup_strlist_ struct strlist listed = {0};
	_cleanup_free_ char *error = NULL;
	int r = ceph_blocklisted(seal->ceph, CEPH_MONITORING, &listed, &error);

	/* of the record too: the node may have other addresses now */
	for (size_t i = 0; i < seal->hosts.count + seal->sealed.count && r == 0; i++) {
		const char *host =
		    i < seal->hosts.count ? seal->hosts.items[i] : seal->sealed.items[i - seal->hosts.count];
		_cleanup_free_ char *client = storage_host_client(host);

		if (!client)
			r = -ENOMEM;
		else if (strlist_contains(&listed, client))
			r = ceph_blocklist_remove(seal->ceph, client, &error);
	}
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
