/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firewall/network.h"

#include "firewall/network_internal.h"

#include <net/if.h>

int network_firewall_open(struct network_firewall **ret) {
	struct network_firewall *firewall = calloc(1, sizeof(*firewall));
	int r;

	if (!firewall)
		return -ENOMEM;
	r = firewall_open(&firewall->firewall);
	if (r < 0) {
		free(firewall);
		return r;
	}
	firewall->names = now_boottime() << 16; /* microseconds apart, and not as many sets in one */
	*ret = firewall;
	return 0;
}

void network_firewall_close(struct network_firewall *firewall) {
	if (!firewall)
		return;
	changes_clear(&firewall->changes);
	verdicts_clear(firewall);
	firewall_close(firewall->firewall);
	free(firewall->known);
	free(firewall);
}

/* After a transaction of our own that was bound to `generation` (nft_base_seq_inc() in the kernel: never 0). */
static void step_generation(struct network_firewall *firewall, uint32_t generation) {
	firewall->generation = generation + 1 ? generation + 1 : 1;
}

static int commit(struct network_firewall *firewall, uint32_t generation, size_t *ret_failed, char **ret_error) {
	struct changes *changes = &firewall->changes;
	int r;

	*ret_failed = changes->count;
	if (changes->failed)
		return -ENOMEM;
	if (changes->count == 0)
		return 0;
	r = firewall_transact(firewall->firewall, NETWORK_TABLE, changes->operations, changes->count, &generation,
			      ret_failed, ret_error);
	if (r < 0)
		return r;
	step_generation(firewall, generation);
	return 1;
}

/* Reads until nobody changes it meanwhile, and removes what is nobody's. */
static int read_known(struct network_firewall *firewall, char **ret_error) {
	for (unsigned i = 0; i < FIREWALL_TRIES; i++) {
		_cleanup_free_ char *error = NULL;
		uint32_t before = 0, after = 0;
		size_t failed;
		int r;

		firewall->was_read = false;
		changes_clear(&firewall->changes);
		r = firewall_generation(firewall->firewall, &before);
		if (r >= 0)
			r = known_read(firewall);
		if (r >= 0)
			r = firewall_generation(firewall->firewall, &after);
		if (r == -EINTR || (r >= 0 && before != after))
			continue;
		if (r < 0)
			return error_set(ret_error, r, "cannot read the networks' part of table inet %s: %s",
					 NETWORK_TABLE, strerror(-r));
		firewall->generation = after;
		r = commit(firewall, after, &failed, &error);
		if (r == -ERESTART)
			continue;
		if (r < 0)
			return error_set(ret_error, r, "%s", error ? error : strerror(-r));
		firewall->was_read = true;
		return 0;
	}
	return error_set(ret_error, -EAGAIN, "another program changes the ruleset all the time");
}

int network_firewall_begin(struct network_firewall *firewall, uint32_t **ret_vnis, size_t *ret_count,
			   char **ret_error) {
	_cleanup_free_ uint32_t *vnis = NULL;
	int r = network_base_apply(firewall, ret_error);

	if (r >= 0)
		r = read_known(firewall, ret_error);
	if (r < 0)
		return r;
	vnis = calloc(firewall->known_count + 1, sizeof(*vnis));
	if (!vnis)
		return -ENOMEM;
	for (size_t i = 0; i < firewall->known_count; i++)
		vnis[i] = firewall->known[i].vni;
	*ret_vnis = move_ptr(vnis);
	*ret_count = firewall->known_count;
	return 0;
}

static void plan_removal(struct network_firewall *firewall, const struct known *known) {
	char name[NETWORK_NAME];
	uint8_t key[IFNAMSIZ] = {0};

	network_bridge_name(known->vni, name);
	memcpy(key, name, strnlen(name, sizeof(key)));
	for (enum network_map map = MAP_IN; map < MAP_COUNT; map++)
		if (known->elements[map])
			change_element_delete(&firewall->changes, network_maps[map], key, sizeof(key));
	for (enum network_direction d = NETWORK_IN; d < NETWORK_DIRECTION_COUNT; d++)
		if (known->chains[d]) {
			network_chain_name(known->vni, d, name);
			change_chain_delete(&firewall->changes, name);
		}
}

int network_firewall_remove(struct network_firewall *firewall, const uint32_t vnis[], size_t count, char **ret_error) {
	for (unsigned i = 0; i < FIREWALL_TRIES; i++) {
		_cleanup_free_ char *error = NULL;
		size_t failed;
		int r = firewall->was_read ? 0 : read_known(firewall, ret_error);

		if (r < 0)
			return r;
		changes_clear(&firewall->changes);
		for (size_t k = 0; k < count; k++) {
			const struct known *known = known_find(firewall, vnis[k]);

			if (known)
				plan_removal(firewall, known);
		}
		r = commit(firewall, firewall->generation, &failed, &error);
		if (r >= 0) {
			for (size_t k = 0; k < count; k++)
				known_remove(firewall, vnis[k]);
			return r;
		}
		firewall->was_read = false;
		if (r != -ERESTART && r != -ENOENT)
			return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	}
	return error_set(ret_error, -EAGAIN, "another program changes the ruleset all the time");
}

int network_firewall_disturbed(struct network_firewall *firewall) {
	uint32_t generation = 0;
	int r;

	if (!firewall->was_read)
		return 1;
	r = firewall_generation(firewall->firewall, &generation);
	return r < 0 ? r : generation != firewall->generation;
}

/* ---- apply ---- */

int network_firewall_apply(struct network_firewall *firewall, struct network_rules *const networks[], size_t count,
			   char **ret_error) {
	for (size_t i = 0; i < count; i++)
		if (networks[i]->vni < 1 || networks[i]->vni > VNI_MAX)
			return error_set(ret_error, -ERANGE, "network %u: a VNI is from 1 to %u", networks[i]->vni,
					 VNI_MAX);
	for (unsigned i = 0; i < FIREWALL_TRIES + count; i++) {
		_cleanup_free_ char *error = NULL;
		size_t failed;
		int r = firewall->was_read ? 0 : read_known(firewall, ret_error);
		uint32_t generation = firewall->generation;

		if (r < 0)
			return r;
		changes_clear(&firewall->changes);
		r = network_plan(firewall, networks, count, ret_error);
		if (r == -EINTR) { /* changed while it was read */
			firewall->was_read = false;
			continue;
		}
		if (r < 0)
			return r;
		r = commit(firewall, generation, &failed, &error);
		if (r >= 0) {
			network_planned(firewall, networks, count);
			return r;
		}
		firewall->was_read = false;
		if (r != -ENOMEM && r != -EPERM && failed < firewall->changes.count &&
		    network_refuse(firewall, failed, error) >= 0)
			continue; /* without that rule */
		if (r != -ERESTART && (r != -ENOENT || i >= FIREWALL_TRIES))
			return error_set(ret_error, r, "%s", error ? error : strerror(-r));
	}
	return error_set(ret_error, -EAGAIN, "another program changes the ruleset all the time");
}
