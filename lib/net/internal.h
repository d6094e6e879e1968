/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net's own: building requests, sending them, and reading dumps. */
#pragma once

#include "net/net.h"

#include <libmnl/libmnl.h>

#define NET_REQUEST_MAX 4096 /* bytes of one request: none of ours comes near */

/* A zeroed next item at the end of a list, NULL without memory. */
void *net_list_grow(void *items_pointer, size_t *count, size_t item_size);

/* Starts a request in buf (NET_REQUEST_MAX bytes). `extra` is the family's header, zeroed. */
struct nlmsghdr *net_request(void *buf, uint16_t type, uint16_t flags, size_t extra_size, void **ret_extra);
/* Sends it and waits for the acknowledgement. */
int net_acknowledge(struct net *net, struct nlmsghdr *request, char **ret_error);
/* The socket below, for batches and monitors. */
struct mnl_socket *net_socket(struct net *net);
uint32_t net_next_sequence(struct net *net);
int net_open_groups(unsigned groups, int flags, struct net **ret, char **ret_error);
/* The error in an NLMSG_ERROR with the kernel's sentence; 0 for an acknowledgement. */
int net_take_error(const struct nlmsghdr *message, char **ret_error);
/* A link out of an RTM_NEWLINK or RTM_DELLINK; false when it is something else. */
bool net_take_link(const struct nlmsghdr *message, struct net_link *ret);
struct nlmsghdr *net_link_request(char *buf, uint16_t type, uint16_t flags, int index);
void net_put_bridge(struct nlmsghdr *request, const bool *stp, const unsigned *forward_delay); /* NULL: not this */
void net_put_address_mode(struct nlmsghdr *request, uint8_t mode);
/* Room at the end of a batch for one more request, NULL without memory (the batch knows). */
char *net_batch_room(struct net_batch *batch);
void net_batch_added(struct net_batch *batch);
/* The answer of a request for one object: `parse` is called with it. */
typedef int (*net_parse_fn)(const struct nlmsghdr *message, void *data);
int net_get(struct net *net, struct nlmsghdr *request, net_parse_fn parse, void *data, char **ret_error);
/* A whole dump; `reset` forgets what was collected, when it has to be read again. */
int net_dump(struct net *net, struct nlmsghdr *request, net_parse_fn parse, void (*reset)(void *data), void *data,
	     char **ret_error);
/* The attributes of a message, by type; those above max are left out. NULL-filled table of max + 1 entries. */
void net_attributes(const struct nlmsghdr *message, size_t header, const struct nlattr **table, uint16_t max);
void net_nested_attributes(const struct nlattr *nest, const struct nlattr **table, uint16_t max);
/* An address attribute of that family; false when it is absent or of another size. */
bool net_attribute_ip(const struct nlattr *attribute, int family, struct ip_prefix *ret);
uint32_t net_attribute_u32(const struct nlattr *attribute, uint32_t fallback);
static inline unsigned net_family_bits(int family) {
	return family == AF_INET ? 32 : 128;
}
static inline void net_put_ip(struct nlmsghdr *request, uint16_t type, const struct ip_prefix *ip) {
	mnl_attr_put(request, type, net_family_bits(ip->family) / 8, ip->bytes);
}
