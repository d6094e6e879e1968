/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sign.h"

#include "host/host.h"

int sign_init(struct sign *sign, const char *node) {
	_cleanup_free_ char *boot = NULL;
	int r = host_boot_id(&boot);

	if (r < 0)
		return r;
	(void)snprintf(sign->heart.boot, sizeof(sign->heart.boot), "%s", boot);
	sign->paths[SIGN_ROOT] = store_path(STORE_PVC, (char *)NULL);
	sign->paths[SIGN_SESSIONS] = store_path(STORE_PVC_ALIVE, (char *)NULL);
	sign->paths[SIGN_HEARTS] = store_path(STORE_PVC_HEART, (char *)NULL);
	sign->paths[SIGN_ALIVE] = store_path(STORE_PVC_ALIVE, node, (char *)NULL);
	sign->paths[SIGN_HEART] = store_path(STORE_PVC_HEART, node, (char *)NULL);
	for (size_t i = 0; i < SIGN_COUNT; i++)
		if (!sign->paths[i])
			return -ENOMEM;
	return 0;
}

void sign_deinit(struct sign *sign) {
	for (size_t i = 0; i < SIGN_COUNT; i++)
		free(sign->paths[i]);
}

void sign_note(struct sign *sign, const struct store_value values[SIGN_COUNT]) {
	for (size_t i = 0; i < SIGN_COUNT; i++)
		sign->seen[i] = (struct store_value){.exists = values[i].exists, .stat = values[i].stat};
	sign->told = fence_heart_parse(values[SIGN_HEART].exists ? values[SIGN_HEART].data : NULL);
}

bool sign_was_armed(const struct sign *sign) {
	return sign->told.armed && str_equal(sign->told.boot, sign->heart.boot);
}

static void made(struct store_value *value, int64_t owner) {
	*value = (struct store_value){.exists = true, .stat = {.ephemeral_owner = owner}};
}

static void add_alive(struct sign *sign, struct store_txn *txn, int64_t session) {
	const struct store_value *seen = &sign->seen[SIGN_ALIVE];

	if (seen->exists && seen->stat.ephemeral_owner == session) {
		/* it went with its session, or somebody deleted it: the commit fails, and the next one makes it anew */
		(void)store_txn_check(txn, sign->paths[SIGN_ALIVE], seen->stat.version);
		return;
	}
	if (seen->exists) /* of a session that this program, or the one before it, had */
		(void)store_txn_delete(txn, sign->paths[SIGN_ALIVE], seen->stat.version);
	(void)store_txn_create_ephemeral(txn, sign->paths[SIGN_ALIVE], sign->heart.boot);
	made(&sign->after[SIGN_ALIVE], session);
}

static void add_heart(struct sign *sign, struct store_txn *txn) {
	const struct store_value *seen = &sign->seen[SIGN_HEART];
	_cleanup_free_ char *text = NULL;

	if (seen->exists && sign->told.armed == sign->heart.armed && sign->told.cut == sign->heart.cut &&
	    str_equal(sign->told.boot, sign->heart.boot)) {
		(void)store_txn_check(txn, sign->paths[SIGN_HEART], seen->stat.version);
		return;
	}
	text = fence_heart_format(&sign->heart);
	if (!text)
		return; /* no memory: with the next heartbeat */
	(void)store_txn_put(txn, sign->paths[SIGN_HEART], seen, text);
	sign->telling = sign->heart;
	if (seen->exists)
		sign->after[SIGN_HEART].stat.version++;
	else
		made(&sign->after[SIGN_HEART], 0);
}

void sign_add(struct sign *sign, struct store_txn *txn, int64_t session) {
	memcpy(sign->after, sign->seen, sizeof(sign->after));
	sign->telling = sign->told;
	for (size_t i = SIGN_ROOT; i <= SIGN_HEARTS; i++)
		if (!sign->seen[i].exists) {
			(void)store_txn_create(txn, sign->paths[i], "");
			made(&sign->after[i], 0);
		}
	add_alive(sign, txn, session);
	add_heart(sign, txn);
}

void sign_committed(struct sign *sign) {
	memcpy(sign->seen, sign->after, sizeof(sign->seen));
	sign->told = sign->telling;
}
