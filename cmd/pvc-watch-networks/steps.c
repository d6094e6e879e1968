/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps as people read them. */
#include "network.h"

static char *change_text(const struct step *step) {
	const struct net_link *values = &step->values;

	switch (step->what) {
	case NET_BATCH_UP:
		return str_printf("set %s %s", values->name, values->up ? "up" : "down");
	case NET_BATCH_MTU:
		return str_printf("set the MTU of %s to %u", values->name, values->mtu);
	case NET_BATCH_MAC:
		return str_printf("set the MAC of %s", values->name);
	case NET_BATCH_MASTER:
		return str_printf("join %s to its bridge", values->name);
	case NET_BATCH_ALIAS:
		return str_printf("mark %s", values->name);
	case NET_BATCH_ADDRESS_MODE:
		return str_printf("set how %s gets IPv6 addresses", values->name);
	case NET_BATCH_STP:
		return str_printf("turn the spanning tree of %s off", values->name);
	case NET_BATCH_DELAY:
		return str_printf("take the forwarding delay of %s away", values->name);
	case NET_BATCH_DELETE:
		return str_printf("delete %s", values->name);
	}
	return str_printf("change %s", values->name);
}

char *step_text(const struct step *step) {
	const char *name = step->values.name;
	char ip[IP_PREFIX_TEXT];

	switch (step->kind) {
	case STEP_BRIDGE:
		return str_printf("make the bridge %s", name);
	case STEP_VXLAN:
		return str_printf("make the VXLAN %s", name);
	case STEP_VLAN:
		return str_printf("make the VLAN %s", name);
	case STEP_CHANGE:
		return change_text(step);
	case STEP_FLOOD:
	case STEP_UNFLOOD:
		ip_prefix_format(&step->flood.to, false, ip);
		return str_printf("%s %s as a peer of %s", step->kind == STEP_FLOOD ? "add" : "remove", ip, name);
	case STEP_SETTING:
		return str_printf("set %s of %s to %s", step->setting, name, step->value);
	}
	return NULL;
}
