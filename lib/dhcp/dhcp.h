/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dhcp: leases and reservations of client networks as the store keeps them, and as dnsmasq reads and tells them.
 *
 * In the store, below /networks/VNI:
 *   dhcp4_leases/MAC/{expiry,ipaddr,hostname,clientid}            the reference's (data model, 6)
 *   dhcp6_leases                                                  ours; its value is the server's DUID
 *   dhcp6_leases/ADDRESS/{expiry,iaid,duid,hostname,macaddr}      ours; a client may hold several addresses
 *   dhcp4_reservations/MAC/{ipaddr,hostname}                      written by clients of the data model
 *
 * Everything that comes from outside (guests choose their names, anybody may write into the store) is checked here
 * before it goes to the other side. Nothing here does I/O but lease_record(), lease_forget() and leases_read().
 */
#pragma once

#include "base/base.h"
#include "store/store.h"

/* ---- words (check.c) ---- */

bool dhcp_is_mac(const char *text);       /* six bytes, "52:54:00:..", either case */
bool dhcp_is_hostname(const char *text);  /* letters, digits, '-', '_', dots between; 1 to 253 bytes, labels to 63 */
bool dhcp_is_hex_bytes(const char *text); /* "01:52:54:..": client ids, DUIDs; 1 to 255 bytes */
bool dhcp_is_address(const char *text, int family);
/* An IAID as dnsmasq writes it: decimal, with a "T" before it for a temporary address. */
bool dhcp_is_iaid(const char *text);
/* vni: "1" to "16777215", without leading zeros. */
bool dhcp_is_vni(const char *text);

/* ---- one event of a lease (event.c) ---- */

enum lease_action { LEASE_ADD, LEASE_OLD, LEASE_DEL, LEASE_ACTION_COUNT, LEASE_ACTION_UNKNOWN = -1 };
const char *lease_action_name(enum lease_action action);
enum lease_action lease_action_parse(const char *word);

enum lease_field {
	LEASE_VNI,
	LEASE_ACTION,
	LEASE_ADDRESS,
	LEASE_HOSTNAME, /* "": none */
	LEASE_EXPIRY,   /* Unix seconds; "0": for ever */
	LEASE_MAC,      /* lower case; IPv6: "" when unknown */
	LEASE_CLIENT,   /* IPv4: client id or "*"; IPv6: the client's DUID */
	LEASE_IAID,     /* IPv6 */
	LEASE_SERVER,   /* IPv6: the server's DUID, "" when unknown */
	LEASE_FIELDS
};
struct lease_event {
	char *fields[LEASE_FIELDS]; /* each set */
	enum lease_action action;
	int family; /* of the address */
};
void lease_event_free(struct lease_event *event);
#define _cleanup_lease_event_ _cleanup_(lease_event_free)

/* What dnsmasq tells its script: `arguments` are action, MAC (IPv6: DUID), address and perhaps a name; `variable` gives
 * DNSMASQ_*, as getenv(). *ret_dropped (or NULL) is a name that is not one and was left out, else NULL; the caller
 * frees. -EINVAL with *ret_error when the rest is not what dnsmasq tells. -EOPNOTSUPP: a lease of something that is no
 * Ethernet card, or an action that is none of a lease: nothing to do. */
int lease_event_parse(const char *vni, char *const *arguments, int count, char *(*variable)(const char *),
		      struct lease_event *ret, char **ret_dropped, char **ret_error);
/* The fields, each with a NUL at its end, and back: what goes through the gateway's socket. */
int lease_event_encode(const struct lease_event *event, struct strbuf *out);
int lease_event_decode(const char *data, size_t length, struct lease_event *ret); /* checks it all again; -EINVAL */
/* Are both about the same lease? */
bool lease_event_same_lease(const struct lease_event *a, const struct lease_event *b);

/* ---- leases in the store (lease.c) ---- */

/* Writes or deletes the lease in one transaction: created or replaced (D71); nothing is written when it is there as it
 * should be, or when the network is gone; a lease that has another address by now is not deleted. `event` must live
 * until done(): 0, or > 0 when there was nothing to do. */
int lease_record(struct store *store, const struct lease_event *event, store_done_fn done, void *userdata);
/* All leases of a network as the lines of dnsmasq's lease file, those that are not in order left out (*ret_bad of
 * them). `text` is "" on failure. */
typedef void (*leases_fn)(int result, const char *text, size_t bad, void *userdata);
int leases_read(struct store *store, const char *vni, leases_fn done, void *userdata);

/* ---- reservations (reservation.c) ---- */

/* The line of dnsmasq's hosts file for it, NULL without memory or when it is unusable (*ret_why: static text). The name
 * is left out when it is none, or when dnsmasq would take it for something else. `network`: where the address must be.
 */
char *reservation_line(const char *mac, const char *address, const char *hostname, const struct ip_prefix *network,
		       const char **ret_why);
