/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dns: which zones and records the client networks ask for, and what has to change in a zone of PowerDNS' database to
 * get there. Pure: no I/O, no clock.
 *
 * A record in the database is ours when a row of `comments` with our account has its name, its type, and its content as
 * the comment's text. A zone is ours when its own account is ours. Everything else is somebody else's: it is never
 * changed and never deleted, and where it already says what we want, nothing is added.
 */
#pragma once

#include "base/base.h"

#define DNS_ACCOUNT           "pvc"      /* domains.account, comments.account */
#define DNS_ACCOUNT_REFERENCE "internal" /* what the Python reference writes: its zones are taken over */
#define DNS_TTL               300u       /* seconds, of a guest's records: how long its old address may be believed */
#define DNS_TTL_ZONE          86400u     /* of NS and SOA */

/* ---- what is wanted (plan.c) ---- */

/* A lease or a reservation. Texts as they are in the store: guests and foreign writers choose them. */
struct dns_host {
	bool reserved;
	int family;      /* of the address that it should have */
	const char *mac; /* lower case; "" or NULL when it is not known */
	const char *address;
	const char *hostname; /* or NULL, "", None: none */
	int64_t order;        /* of two leases that claim one name, the higher one has it */
};

/* A managed network; texts are NULL when their key is missing. */
struct dns_network {
	const char *vni, *domain, *name_servers, *ip4_network, *ip6_network;
	const struct dns_host *hosts;
	size_t count;
};

struct dns_record {
	char *name, *type, *content; /* names in lower case, without a dot at the end */
	unsigned ttl;
};

struct dns_zone {
	char *name;
	char *mname, *rname;        /* of its SOA */
	struct dns_record *records; /* without the SOA; sorted, each once */
	size_t count;
};

struct dns_plan {
	struct dns_zone *zones; /* sorted by name, each once */
	size_t count;
	struct strlist problems; /* what was left out, and why: one sentence each, in order, each once */
};
void dns_plan_free(struct dns_plan *plan);
#define _cleanup_dns_plan_ _cleanup_(dns_plan_free)

/* upstream: the domain of the upstream network, or NULL; name servers and the zones' contact are named below it.
 * Networks in the order of their numbers: where they share a zone the first one's name servers hold. -ENOMEM. */
int dns_plan_make(const struct dns_network *networks, size_t count, const char *upstream, struct dns_plan *ret);
/* The zone of an address block: "0.100.10.in-addr.arpa". NULL when its length is at no boundary between labels (8, 16,
 * 24; a multiple of 4 for IPv6), or without memory. The caller frees. */
char *dns_reverse_zone(const struct ip_prefix *network);

/* ---- what is there, and what has to change (diff.c) ---- */

struct dns_row { /* of `records` */
	const char *id, *name, *type, *content;
	unsigned ttl;
	bool disabled;
};
struct dns_mark { /* of `comments`, with our account */
	const char *id, *name, *type, *content;
};
struct dns_there {
	const struct dns_row *rows;
	size_t row_count;
	const struct dns_mark *marks;
	size_t mark_count;
	bool adopt; /* a zone of the reference: its A, AAAA and NS rows are taken for ours */
};

struct dns_changes {
	struct strlist delete_rows, delete_marks;              /* ids */
	const struct dns_record **insert_rows, **insert_marks; /* into the zone's records */
	size_t insert_row_count, insert_mark_count;
	char *soa;    /* its new content; NULL: as it is */
	char *soa_id; /* the row that gets it; NULL: a new one */
	bool foreign; /* there are rows of others: the zone outlives its network */
	struct strlist problems;
};
void dns_changes_free(struct dns_changes *changes);
#define _cleanup_dns_changes_ _cleanup_(dns_changes_free)
/* zone NULL: none of ours is wanted any more (then `soa` stays NULL). `serial` is that of a new zone. -ENOMEM. */
int dns_diff(const struct dns_zone *zone, const struct dns_there *there, uint32_t serial, struct dns_changes *ret);
bool dns_changes_any(const struct dns_changes *changes);
/* The content with the next serial (RFC 1982; 0 is left out), all else as it is; NULL without memory or when it is no
 * SOA. The caller frees. */
char *dns_soa_next(const char *content);
