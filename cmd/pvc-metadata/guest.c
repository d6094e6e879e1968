/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who asks. The MAC is the kernel's, not what the guest says, and the lease of that MAC must be of the address that
 * asks: a guest that takes another's address is nobody. A reservation is as good as a lease: guests that configure
 * their address themselves are known by it, too.
 *
 * A read of the store cannot be taken back. One that takes too long is answered for without it (the request is NULL
 * then), and counted until it returns, so that a ZooKeeper that is away does not pile them up.
 */
#include "metadata.h"
#include "log/log.h"

#define MAC_TEXT 18

enum { READ_NAME, READ_PROFILE, READ_LEASE, READ_RESERVATION, READ_DOMAIN, READ_COUNT };

struct lookup {
	struct metadata *metadata;
	guest_fn done; /* NULL: was told already */
	void *userdata;
	int index;
	struct in_addr address;
	char address_text[INET_ADDRSTRLEN];
	char mac[MAC_TEXT];
	char *vni, *uuid;
	unsigned tries;
	bool reading;
	sd_event_source *pause, *deadline;
	struct lookup *next, **link;
};

static int read_store(struct lookup *lookup);

static void lookup_free(struct lookup *lookup) {
	*lookup->link = lookup->next;
	if (lookup->next)
		lookup->next->link = lookup->link;
	(void)sd_event_source_disable_unref(lookup->pause); /* both return NULL */
	(void)sd_event_source_disable_unref(lookup->deadline);
	free(lookup->vni);
	free(lookup->uuid);
	free(lookup);
}

/* Frees it, or leaves that to the read that is under way. */
static void finish(struct lookup *lookup, int result, const struct tree_guest *guest) {
	guest_fn done = lookup->done;
	void *userdata = lookup->userdata;

	lookup->done = NULL;
	if (done)
		done(result, guest, userdata);
	lookup->pause = sd_event_source_disable_unref(lookup->pause);
	lookup->deadline = sd_event_source_disable_unref(lookup->deadline);
	if (!lookup->reading)
		lookup_free(lookup);
}

static struct nic *nic_of(const struct lookup *lookup) {
	char bridge[IFNAMSIZ];

	(void)snprintf(bridge, sizeof(bridge), "vmbr%s", lookup->vni); /* 12 bytes at the most */
	return vms_find(lookup->metadata, bridge, lookup->mac);
}

/* ---- what was read --------------------------------------------------------------------------------------------- */

/* Texts of others: printable, or as if they were not there. */
static const char *text_of(const struct store_value *value) {
	_cleanup_free_ char *printable = NULL;

	if (!value->exists || strlen(value->data) != value->length || str_is_absent(value->data))
		return NULL;
	printable = str_printable(value->data, value->length);
	return str_equal(printable, value->data) ? value->data : NULL;
}

static bool is_address(const struct lookup *lookup, const struct store_value *value) {
	return value->exists && str_equal(value->data, lookup->address_text);
}

static int on_pause(sd_event_source *source, uint64_t usec, void *userdata) {
	struct lookup *lookup = userdata;
	int r = read_store(lookup);

	(void)source;
	(void)usec;
	if (r < 0)
		finish(lookup, -EAGAIN, NULL);
	return 0;
}

static void try_again(struct lookup *lookup) {
	if (++lookup->tries >= LEASE_TRIES || event_timer(loop_event(lookup->metadata->loop), &lookup->pause,
							  LEASE_PAUSE << (lookup->tries - 1), on_pause, lookup) < 0) {
		log_debug("VNI %s: %s has no lease of %s", lookup->vni, lookup->mac, lookup->address_text);
		finish(lookup, -ENOENT, NULL);
	}
}

static int copy(char **at, const char *text) {
	free(*at);
	*at = text ? strdup(text) : NULL;
	return text && !*at ? -ENOMEM : 0;
}

/* Into the interface, if that still is the same VM's. */
static void keep(const struct lookup *lookup, struct nic *nic, const struct tree_guest *guest) {
	nic->fresh_until = 0;
	if (copy(&nic->name, guest->name) < 0 || copy(&nic->profile, guest->profile) < 0 ||
	    copy(&nic->domain, guest->domain) < 0)
		return; /* without memory it is read again */
	nic->address = lookup->address;
	nic->fresh_until = deadline_after(FRESH_TIME);
}

static void got(struct store *store, int result, const struct store_value *values, size_t count, void *userdata) {
	struct lookup *lookup = userdata;
	struct tree_guest guest = {.uuid = lookup->uuid, .address = lookup->address_text, .mac = lookup->mac};
	struct nic *nic;

	(void)store;
	(void)count;
	lookup->reading = false;
	lookup->metadata->reading--;
	if (!lookup->done) {
		lookup_free(lookup);
		return;
	}
	if (result < 0) {
		finish(lookup, -EAGAIN, NULL);
		return;
	}
	nic = nic_of(lookup);
	if (!nic || nic->twin || !str_equal(vm_uuid(nic->vm), lookup->uuid) || !values[READ_NAME].exists) {
		finish(lookup, -ENOENT, NULL); /* it changed meanwhile */
		return;
	}
	if (!is_address(lookup, &values[READ_LEASE]) && !is_address(lookup, &values[READ_RESERVATION])) {
		try_again(lookup);
		return;
	}
	guest.name = text_of(&values[READ_NAME]);
	if (!guest.name)
		guest.name = "";
	guest.profile = text_of(&values[READ_PROFILE]);
	guest.domain = text_of(&values[READ_DOMAIN]);
	keep(lookup, nic, &guest);
	finish(lookup, 0, &guest);
}

static int read_store(struct lookup *lookup) {
	struct metadata *metadata = lookup->metadata;
	char *paths[READ_COUNT] = {
	    [READ_NAME] = store_path(STORE_DOMAINS, lookup->uuid, (char *)NULL),
	    [READ_PROFILE] = store_path(STORE_DOMAINS, lookup->uuid, "profile", (char *)NULL),
	    [READ_LEASE] = store_path(STORE_NETWORKS, lookup->vni, "dhcp4_leases", lookup->mac, "ipaddr", (char *)NULL),
	    [READ_RESERVATION] =
		store_path(STORE_NETWORKS, lookup->vni, "dhcp4_reservations", lookup->mac, "ipaddr", (char *)NULL),
	    [READ_DOMAIN] = store_path(STORE_NETWORKS, lookup->vni, "domain", (char *)NULL),
	};
	int r = 0;

	for (int i = 0; i < READ_COUNT; i++)
		if (!paths[i])
			r = -ENOMEM;
	if (r >= 0 && (!store_is_connected(metadata->store) || metadata->reading >= LOOKUPS_MAX))
		r = -EAGAIN;
	if (r >= 0)
		r = store_get_many(metadata->store, (const char *const *)paths, READ_COUNT, got, lookup);
	for (int i = 0; i < READ_COUNT; i++)
		free(paths[i]);
	if (r < 0)
		return r;
	lookup->reading = true;
	metadata->reading++;
	return 0;
}

/* ---- who it may be --------------------------------------------------------------------------------------------- */

static int find_mac(struct lookup *lookup) {
	struct ip_prefix ip = {.family = AF_INET, .prefix = 32, .v4 = lookup->address};
	uint8_t mac[NET_MAC_LENGTH];
	int r = net_neighbour_mac(lookup->metadata->net, lookup->index, &ip, mac, NULL);

	if (r < 0)
		return r;
	(void)snprintf(lookup->mac, sizeof(lookup->mac), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		       mac[3], mac[4], mac[5]);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	(void)source;
	(void)usec;
	finish(userdata, -EAGAIN, NULL);
	return 0;
}

static struct lookup *lookup_new(struct metadata *metadata, int index, struct in_addr address) {
	const char *vni = networks_vni(metadata, index);
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	struct ip_prefix ip = {.family = AF_INET, .prefix = 32, .v4 = address};
	char text[IP_PREFIX_TEXT];

	if (!lookup)
		return NULL;
	ip_prefix_format(&ip, false, text);
	(void)snprintf(lookup->address_text, sizeof(lookup->address_text), "%.15s", text);
	lookup->metadata = metadata;
	lookup->index = index;
	lookup->address = address;
	lookup->vni = vni ? strdup(vni) : NULL;
	lookup->link = &metadata->lookups;
	lookup->next = metadata->lookups;
	if (lookup->next)
		lookup->next->link = &lookup->next;
	metadata->lookups = lookup;
	return lookup;
}

/* The interface, or the reason why there is none. */
static int identify(struct lookup *lookup, struct nic **ret) {
	struct nic *nic;
	int r;

	if (!lookup->vni) /* the network went since the connection was made */
		return -ENOENT;
	r = find_mac(lookup);
	if (r < 0)
		return r == -ENOENT ? r : -EAGAIN;
	nic = nic_of(lookup);
	if (!nic || nic->twin) {
		log_debug("VNI %s: %s, %s, is an interface of %s VM", lookup->vni, lookup->address_text, lookup->mac,
			  nic ? "more than one" : "no");
		return -ENOENT;
	}
	lookup->uuid = strdup(vm_uuid(nic->vm));
	if (!lookup->uuid)
		return -EAGAIN;
	*ret = nic;
	return 0;
}

void guest_find(struct metadata *metadata, int index, struct in_addr address, guest_fn done, void *userdata) {
	struct lookup *lookup = metadata->ready ? lookup_new(metadata, index, address) : NULL;
	struct nic *nic;
	int r;

	if (!lookup) {
		done(-EAGAIN, NULL, userdata);
		return;
	}
	lookup->done = done;
	lookup->userdata = userdata;
	r = identify(lookup, &nic);
	if (r < 0) {
		finish(lookup, r, NULL);
		return;
	}
	if (nic->fresh_until > now_monotonic() && nic->address.s_addr == address.s_addr) {
		struct tree_guest guest = {.uuid = lookup->uuid,
					   .name = nic->name,
					   .profile = nic->profile,
					   .domain = nic->domain,
					   .address = lookup->address_text,
					   .mac = lookup->mac};

		finish(lookup, 0, &guest);
		return;
	}
	r = event_timer(loop_event(metadata->loop), &lookup->deadline, LOOKUP_TIME, on_deadline, lookup);
	if (r >= 0)
		r = read_store(lookup);
	if (r < 0)
		finish(lookup, -EAGAIN, NULL);
}

void guests_cancel(struct metadata *metadata) {
	while (metadata->lookups) { /* the store is closed: nothing is being read */
		metadata->lookups->reading = false;
		finish(metadata->lookups, -EAGAIN, NULL);
	}
}
