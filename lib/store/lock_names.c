/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of lock contenders, as kazoo makes and orders them (data model, 1). */
#include <sys/random.h>
#include <time.h>

#include "store/internal.h"

int lock_names_make(const char *tag, char prefix[LOCK_PREFIX_TEXT], char identifier[LOCK_IDENTIFIER_TEXT]) {
	uint8_t random[24];
	struct timespec now;
	uint64_t ticks; /* of 100 ns since 1582 */

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(prefix + 2 * i, 3, "%02x", random[i]);
	(void)snprintf(prefix + 32, LOCK_PREFIX_TEXT - 32, "%s", tag);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ticks = (uint64_t)now.tv_sec * 10000000u + (uint64_t)now.tv_nsec / 100u + 0x01b21dd213814000u;
	(void)snprintf(identifier, LOCK_IDENTIFIER_TEXT, "%08x-%04x-1%03x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		       (unsigned)(ticks & 0xffffffffu), (unsigned)(ticks >> 32 & 0xffffu),
		       (unsigned)(ticks >> 48 & 0xfffu), (random[16] & 0x3fu) | 0x80u, random[17], random[18] | 1u,
		       random[19], random[20], random[21], random[22], random[23]);
	return 0;
}

/* The text of the sequence number when the name is that of a contender: TAG and ten digits (or a minus and nine or ten)
 * at its end. */
static const char *sequence_of(const char *name, bool *ret_reader) {
	const char *end = name + strlen(name), *digits = end;

	while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	if (end - digits < 10)
		return NULL;
	digits = end - 10;
	if (digits > name && digits[-1] == '-')
		digits--;
	*ret_reader = digits - name >= 9 && strncmp(digits - 9, "__rlock__", 9) == 0;
	if (*ret_reader || (digits - name >= 8 && strncmp(digits - 8, "__lock__", 8) == 0))
		return digits;
	return NULL;
}

const char *lock_names_predecessor(const struct strlist *names, const char *own, bool after_readers, bool *ret_present,
				   bool *ret_reader) {
	const char *best = NULL, *best_sequence = NULL, *own_sequence;
	bool reader;

	*ret_present = own && strlist_contains(names, own);
	own_sequence = *ret_present ? sequence_of(own, &reader) : NULL;
	if (!own_sequence)
		return NULL;
	for (size_t i = 0; i < names->count; i++) {
		const char *sequence = sequence_of(names->items[i], &reader);

		if (!sequence || (reader && !after_readers) || strcmp(sequence, own_sequence) >= 0)
			continue;
		if (best && strcmp(sequence, best_sequence) <= 0)
			continue;
		best = names->items[i];
		best_sequence = sequence;
		*ret_reader = reader;
	}
	return best;
}
