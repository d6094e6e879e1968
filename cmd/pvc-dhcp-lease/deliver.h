/* SPDX-License-Identifier: GPL-3.0-or-later */
/* To pvc-gateway, or to ZooKeeper itself. Both say on stderr what failed and return an exit code. */
#pragma once

#include "dhcp/dhcp.h"

int deliver_event(const struct lease_event *event, const char *config_option);
int deliver_leases(const char *vni, const char *config_option); /* prints them */
