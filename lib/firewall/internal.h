/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of lib/firewall share. The only place that includes libnftnl. */
#pragma once

#include "firewall/firewall.h" /* first: <netinet/in.h> comes before <linux/in.h> */

#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#define RECEIVE_SIZE 32768 /* bytes: the kernel fills a dump's messages up to this */

/* Netlink attributes one after the other in a struct strbuf. */
#define attributes_for_each(attribute, buffer)                                                                         \
	for ((attribute) = (struct nlattr *)(void *)(buffer)->data;                                                    \
	     (attribute) && mnl_attr_ok((attribute), (int)((buffer)->data + (buffer)->length - (char *)(attribute)));  \
	     (attribute) = mnl_attr_next(attribute))

struct firewall_rule {
	struct firewall_chain *chain;
	struct nftnl_rule *rule;
	struct strbuf text; /* nft's syntax; empty for a rule that was read from the kernel */
	char *canonical;    /* libnftnl's words for its expressions, without counter values: what is compared */
	uint64_t handle;    /* of the kernel; 0 for a wanted one */
};

struct firewall_chain {
	struct firewall_table *table;
	char *name;
	bool is_base, is_open;
	char *type; /* of a base chain: "filter" */
	uint32_t hook;
	int32_t priority;
	uint32_t policy; /* NF_DROP, NF_ACCEPT */
	struct firewall_rule **rules;
	size_t count;
};

struct firewall_table {
	char *name;
	const char *leave; /* prefix of base chains of others, or NULL */
	bool exists;       /* a read one: the kernel has it */
	uint32_t flags;    /* a read one */
	bool failed;       /* an allocation failed */
	struct firewall_chain **chains;
	size_t count;
	struct strlist maps; /* from interface name to verdict */
};

struct firewall {
	struct mnl_socket *socket;
	uint32_t port;
	uint32_t sequence;
};

enum operation_kind {
	OPERATION_TABLE_SET,
	OPERATION_TABLE_DELETE,
	OPERATION_RULE_DELETE, /* one rule, by handle */
	OPERATION_CHAIN_FLUSH, /* all rules */
	OPERATION_CHAIN_DELETE,
	OPERATION_MAP_ADD,
	OPERATION_CHAIN_SET, /* new, or its policy */
	OPERATION_RULE_ADD,  /* at the end, or before `handle` */
	OPERATION_MESSAGE,   /* `message`, of which only the sequence number is set here */
};
struct operation {
	enum operation_kind kind;
	const struct firewall_chain *chain; /* wanted or actual one; NULL for the table's operations */
	const struct firewall_rule *rule;   /* OPERATION_RULE_ADD */
	uint64_t handle;
	const char *map;                /* OPERATION_MAP_ADD */
	const struct nlmsghdr *message; /* OPERATION_MESSAGE: at most MESSAGE_MAX bytes */
	const char *what;               /* OPERATION_MESSAGE: for an error's text */
};

#define MESSAGE_MAX 16384 /* bytes: what the batch has room for */

struct firewall_plan {
	const char *table; /* borrowed from what is wanted */
	struct firewall_table *actual;
	uint32_t generation; /* of the ruleset that was read */
	struct operation *operations;
	size_t count;
	struct strlist differences;
};

struct firewall_chain *firewall_chain_find(const struct firewall_table *table, const char *name);
/* Takes `rule` over, also on failure (NULL is a failure). */
struct firewall_rule *firewall_rule_take(struct firewall_chain *chain, struct nftnl_rule *rule);
/* Makes rule->canonical. */
int firewall_rule_canonical(struct firewall_rule *rule);

/* Sends one request and calls `each` for every message of the answer. -EINTR: the ruleset changed meanwhile. */
int firewall_talk(struct firewall *firewall, const struct nlmsghdr *request, mnl_cb_t each, void *userdata);
int firewall_generation(struct firewall *firewall, uint32_t *ret);
/* Reads one table with its chains and maps, and the rules of the chains that `wanted` (or NULL) lists rules of; a
 * missing one has exists=false. Consistent: all of one generation. */
int firewall_read(struct firewall *firewall, const char *name, const struct firewall_table *wanted,
		  struct firewall_table **ret, uint32_t *ret_generation);
/* One transaction. *generation is checked by the kernel (-ERESTART when it is another), unless it is NULL. On failure
 * *ret_failed is the index of the operation that was refused, or `count`. */
int firewall_transact(struct firewall *firewall, const char *table, const struct operation *operations, size_t count,
		      const uint32_t *generation, size_t *ret_failed, char **ret_error);
/* Fills operations and differences from plan->actual. Pure. */
int firewall_compare(const struct firewall_table *wanted, struct firewall_plan *plan);
