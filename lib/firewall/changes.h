/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages to the kernel about networks' chains, collected for one transaction. */
#pragma once

#include "firewall/compile.h"
#include "firewall/internal.h"
#include "firewall/network.h"
#include "firewall/rule_text.h"

struct changes {
	struct operation *operations; /* each with a message of its own */
	void **subjects;              /* what the caller said a message is about */
	size_t count;
	uint32_t set_numbers; /* anonymous sets in this transaction */
	bool failed;          /* an allocation failed */
	union {
		struct nlmsghdr header; /* for its alignment */
		char bytes[MESSAGE_MAX];
	} scratch;
};
void changes_clear(struct changes *changes); /* leaves it as if new */

void change_chain_add(struct changes *changes, const char *chain);
void change_chain_delete(struct changes *changes, const char *chain); /* with its rules */
/* In a map of firewall_map_add(): `interface` to a jump (or goto) to `chain`. */
void change_element_add(struct changes *changes, const char *map, const char *interface, bool jump, const char *chain);
void change_element_delete(struct changes *changes, const char *map, const uint8_t key[], size_t key_length);
void change_rule_delete(struct changes *changes, const char *chain, uint64_t handle);
/* Before the rule `before` of the chain, or at its end when that is 0. `compiled` NULL: a rule that counts. `names` is
 * what names of sets are made of: unique on this host. */
void change_rule_add(struct changes *changes, const char *chain, uint64_t before, const struct rule_digest *digest,
		     const struct compiled *compiled, uint64_t *names, void *subject);

/* The digest in a rule's userdata; false when there is none. */
bool change_digest_of(const void *userdata, size_t length, struct rule_digest *ret);
