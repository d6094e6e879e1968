/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who holds an image, and how to take it from them for good. RBD's exclusive lock alone stops nobody: a lock that is
 * broken without blocklisting its owner leaves an owner that is alive writing as before. So: blocklist, wait until
 * every later operation of ours carries that map, break the lock.
 */
#include "ceph/internal.h"

void ceph_holders_free(struct ceph_holders *holders) {
	for (size_t i = 0; i < holders->count; i++) {
		free(holders->items[i].client);
		free(holders->items[i].cookie);
		free(holders->items[i].address);
	}
	free(holders->items);
	*holders = (struct ceph_holders){0};
}

static int add(struct ceph_holders *holders, const char *client, const char *cookie, const char *address) {
	struct ceph_holder *more = reallocarray(holders->items, holders->count + 1, sizeof(*more));
	struct ceph_holder *last;

	if (!more)
		return -ENOMEM;
	holders->items = more;
	last = &more[holders->count++];
	*last = (struct ceph_holder){
	    .client = strdup(client), .cookie = cookie ? strdup(cookie) : NULL, .address = strdup(address)};
	return last->client && last->address && (last->cookie || !cookie) ? 0 : -ENOMEM;
}

static bool listed(const struct ceph_holders *holders, const char *address) {
	for (size_t i = 0; i < holders->count; i++)
		if (strcmp(holders->items[i].address, address) == 0)
			return true;
	return false;
}

static int lockers(rbd_image_t image, struct ceph_holders *ret) {
	size_t tag_length, clients_length = 0, cookies_length = 0, addresses_length = 0;
	_cleanup_free_ char *clients = NULL, *cookies = NULL, *addresses = NULL;
	char tag[512];
	const char *client, *cookie, *address;
	ssize_t count;
	int exclusive, r = 0;

	for (size_t room = 4096;; room *= 4) {
		tag_length = sizeof(tag);
		clients_length = cookies_length = addresses_length = room;
		free(clients);
		free(cookies);
		free(addresses);
		clients = malloc(room);
		cookies = malloc(room);
		addresses = malloc(room);
		if (!clients || !cookies || !addresses)
			return -ENOMEM;
		count = rbd_list_lockers(image, &exclusive, tag, &tag_length, clients, &clients_length, cookies,
					 &cookies_length, addresses, &addresses_length);
		if (count != -ERANGE || room > 1024u * 1024u)
			break;
	}
	client = clients;
	cookie = cookies;
	address = addresses;
	for (ssize_t i = 0; i < count && r == 0; i++) {
		r = add(ret, client, cookie, address);
		client += strlen(client) + 1;
		cookie += strlen(cookie) + 1;
		address += strlen(address) + 1;
	}
	return count < 0 ? (int)count : r;
}

static int watchers(rbd_image_t image, struct ceph_holders *ret) {
	rbd_image_watcher_t found[64];
	size_t count = ARRAY_SIZE(found);
	int r = rbd_watchers_list(image, found, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++) {
		_cleanup_free_ char *client = str_printf("client.%lld", (long long)found[i].id);

		if (listed(ret, found[i].addr))
			continue;
		r = client ? add(ret, client, NULL, found[i].addr) : -ENOMEM;
	}
	rbd_watchers_list_cleanup(found, count);
	return r;
}

static int holders_of(struct io *io, const char *pool, const char *image, struct ceph_holders *ret, char **ret_error) {
	_cleanup_image_ rbd_image_t opened = NULL;
	int r = image_open(io, pool, image, true, &opened, ret_error);

	if (r < 0)
		return r;
	r = lockers(opened, ret);
	if (r == 0)
		r = watchers(opened, ret);
	return r < 0 ? image_fail(io, r, "cannot tell who holds", pool, image, ret_error) : 0;
}

int ceph_image_holders(struct ceph *ceph, enum ceph_use use, const char *pool, const char *image,
		       struct ceph_holders *ret, char **ret_error) {
	_cleanup_ceph_holders_ struct ceph_holders found = {0};
	_cleanup_io_ struct io io = {0};
	int r = io_open(ceph, use, pool, &io, ret_error);

	if (r == 0)
		r = holders_of(&io, pool, image, &found, ret_error);
	if (r < 0)
		return r;
	*ret = found;
	found = (struct ceph_holders){0};
	return 0;
}

int ceph_blocklist(struct ceph *ceph, enum ceph_use use, const char *address, uint64_t seconds, char **ret_error) {
	struct connection *connection;
	_cleanup_free_ char *copy = strdup(address);
	rados_t rados;
	int r = copy ? connection_get(ceph, use, &connection, &rados, ret_error) : -ENOMEM;

	if (r < 0)
		return r;
	r = rados_blocklist_add(rados, copy, seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds);
	connection_put(connection, r);
	return r < 0 ? error_set(ret_error, r, "cannot blocklist %s: %s", address, ceph_strerror(r)) : 0;
}

/* Waiting for the map has no bound of its own, so the monitor is asked first whether it answers. */
int ceph_wait_map(struct ceph *ceph, enum ceph_use use, char **ret_error) {
	struct connection *connection = NULL;
	rados_t rados = NULL;
	int r = ceph_command(ceph,
			     &(struct ceph_command){
				 .use = use, .target = CEPH_MON, .arguments = json_pack("{s:s}", "prefix", "osd stat")},
			     NULL, ret_error);

	if (r == 0)
		r = connection_get(ceph, use, &connection, &rados, ret_error);
	if (r < 0)
		return r;
	r = rados_wait_for_latest_osdmap(rados);
	connection_put(connection, r);
	return r < 0 ? error_set(ret_error, r, "cannot wait for Ceph's map: %s", ceph_strerror(r)) : 0;
}

/* Blocklisted already, so an owner that comes back cannot write; what is left is the entry. */
static int break_locks(struct io *io, const char *pool, const char *image, const struct ceph_holders *holders,
		       char **ret_error) {
	_cleanup_image_ rbd_image_t opened = NULL;
	int r = image_open(io, pool, image, false, &opened, ret_error);

	for (size_t i = 0; i < holders->count && r == 0; i++) {
		if (!holders->items[i].cookie)
			continue;
		r = rbd_break_lock(opened, holders->items[i].client, holders->items[i].cookie);
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			r = image_fail(io, r, "cannot break the lock of", pool, image, ret_error);
	}
	return r;
}

int ceph_image_seize(struct ceph *ceph, const char *pool, const char *image, uint64_t seconds, size_t *ret_broken,
		     char **ret_error) {
	_cleanup_ceph_holders_ struct ceph_holders holders = {0};
	_cleanup_strlist_ struct strlist own = {0};
	_cleanup_io_ struct io io = {0};
	int r = io_open(ceph, CEPH_WORK, pool, &io, ret_error);

	if (r == 0)
		r = holders_of(&io, pool, image, &holders, ret_error);
	if (r == 0)
		r = ceph_own_addresses(ceph, CEPH_WORK, &own, ret_error);
	for (size_t i = 0; i < holders.count && r == 0; i++)
		if (!strlist_contains(&own, holders.items[i].address))
			r = ceph_blocklist(ceph, CEPH_WORK, holders.items[i].address, seconds, ret_error);
	if (r == 0)
		r = ceph_wait_map(ceph, CEPH_WORK, ret_error);
	if (r == 0 && holders.count > 0)
		r = break_locks(&io, pool, image, &holders, ret_error);
	if (r == 0 && ret_broken)
		*ret_broken = holders.count;
	return r;
}

int ceph_image_break_locks(struct ceph *ceph, enum ceph_use use, const char *pool, const char *image,
			   const struct ceph_holders *holders, char **ret_error) {
	_cleanup_io_ struct io io = {0};
	int r = io_open(ceph, use, pool, &io, ret_error);

	return r < 0 ? r : break_locks(&io, pool, image, holders, ret_error);
}

int ceph_image_release(struct ceph *ceph, enum ceph_use use, const char *pool, const char *image,
		       const struct ceph_holder *holder, uint64_t seconds, char **ret_error) {
	const struct ceph_holders one = {.items = (struct ceph_holder *)holder, .count = 1};
	int r = ceph_blocklist(ceph, use, holder->address, seconds, ret_error);

	if (r == 0)
		r = ceph_wait_map(ceph, use, ret_error);
	return r < 0 ? r : ceph_image_break_locks(ceph, use, pool, image, &one, ret_error);
}
