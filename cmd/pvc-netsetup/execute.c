/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading what is, and doing what a plan says: the only file here that talks to the kernel. */
#include "log/log.h"
#include "netsetup.h"

int observe(struct net *net, struct observed *ret, char **ret_error) {
	struct observed state = {0};
	int r = net_links_read(net, &state.links, ret_error);

	if (r >= 0)
		r = net_addresses_read(net, &state.addresses, ret_error);
	if (r >= 0)
		r = net_routes_read(net, 0, &state.routes, ret_error);
	if (r < 0) {
		observed_free(&state);
		return r;
	}
	*ret = state;
	return 0;
}

static int set_master(struct net *net, const struct step *step, int index, char **ret_error) {
	struct net_link target = {0};

	if (*step->target) {
		int r = net_link_by_name(net, step->target, &target, ret_error);

		if (r < 0)
			return r;
	}
	return net_link_set_master(net, index, target.index, ret_error);
}

static int execute_step(struct net *net, struct step *step, char **ret_error) {
	struct net_link link;
	int r;

	if (step->kind == STEP_BRIDGE_CREATE)
		return net_bridge_create(net, step->link, step->has_mac ? step->mac : NULL, step->mtu, ret_error);
	r = net_link_by_name(net, step->link, &link, ret_error);
	if (r < 0)
		return r;
	step->address.index = step->route.index = link.index;
	switch (step->kind) {
	case STEP_BRIDGE_CREATE:
		break; /* done above: it has no index yet */
	case STEP_BRIDGE_TIMING:
		return net_bridge_set_timing(net, link.index, step->stp, step->forward_delay, ret_error);
	case STEP_LINK_MAC:
		return net_link_set_mac(net, link.index, step->mac, ret_error);
	case STEP_LINK_MTU:
		return net_link_set_mtu(net, link.index, step->mtu, ret_error);
	case STEP_LINK_UP:
	case STEP_LINK_DOWN:
		return net_link_set_up(net, link.index, step->kind == STEP_LINK_UP, ret_error);
	case STEP_LINK_MASTER:
		return set_master(net, step, link.index, ret_error);
	case STEP_LINK_DELETE:
		return net_link_delete(net, link.index, ret_error);
	case STEP_ADDRESS_ADD:
		return net_address_add(net, &step->address, ret_error);
	case STEP_ADDRESS_REMOVE:
		return net_address_remove(net, &step->address, ret_error);
	case STEP_ROUTE_ADD:
		return net_route_add(net, &step->route, step->mode, ret_error);
	case STEP_ROUTE_REMOVE:
		return net_route_remove(net, &step->route, ret_error);
	}
	return -EINVAL;
}

int plan_execute(struct net *net, struct plan *plan, char **ret_error) {
	for (size_t i = 0; i < plan->count; i++) {
		_cleanup_free_ char *text = step_text(&plan->steps[i]), *error = NULL;
		int r;

		if (!text)
			return -ENOMEM;
		log_debug("%s", text);
		r = execute_step(net, &plan->steps[i], &error);
		if (r < 0)
			return error_set(ret_error, r, "cannot %s: %s", text, error ? error : strerror(-r));
		log_info("%s: done", text);
	}
	return 0;
}
