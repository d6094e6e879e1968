/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * probe: does a service answer? Each probe is one bounded attempt at the service's own socket: a connection alone would
 * prove nothing where systemd listens in the service's place, so each asks something small and waits for a reply. No
 * client library of any service is needed for that.
 *
 * Return 0 when it answers, else -errno; *ret_detail says what was found in either case (the caller frees).
 */
#pragma once

#include "base/base.h"

#define PROBE_ATTEMPT (1 * USEC_PER_SEC) /* how long one attempt may wait for a reply */

/* A connected socket or -errno. `ip` must be an address of this host: else -EADDRNOTAVAIL, nothing is sent. */
int probe_connect_local(const struct ip_prefix *ip, uint16_t port, usec_t deadline);
int probe_connect_unix(const char *path, usec_t deadline);
/* Sends the request (length 0: none), then reads until `enough` bytes are there, the other side closed, or the reply is
 * full. Returns the bytes read, -ECONNRESET for none, -ETIMEDOUT. */
ssize_t probe_exchange(int fd, const void *request, size_t length, void *reply, size_t size, size_t enough,
		       usec_t deadline);

/* ZooKeeper: "srvr" on the client port. A member without a quorum answers too, and says so in the detail. */
int probe_zookeeper(const struct ip_prefix *addresses, size_t count, uint16_t port, char **ret_detail);
/* libvirtd: asks which authentication it wants, the first call of any client (REMOTE_PROC_AUTH_LIST). */
int probe_libvirt(const char *socket_path, char **ret_detail);
int probe_libvirt_tcp(const struct ip_prefix *address, uint16_t port, char **ret_detail);
/* zebra: the "enable" with which vtysh begins. */
int probe_frr(const char *socket_path, char **ret_detail);
/* A Ceph daemon's admin socket: "version". */
int probe_ceph_admin(const char *socket_path, char **ret_detail);
/* A monitor's port: the banner that every messenger sends first. */
int probe_ceph_port(const struct ip_prefix *addresses, size_t count, uint16_t port, char **ret_detail);
