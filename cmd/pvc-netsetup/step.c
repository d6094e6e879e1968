/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plans: lists of steps, how they read, and the states that they are made from. */
#include "netsetup.h"

void observed_free(struct observed *observed) {
	net_links_free(&observed->links);
	net_addresses_free(&observed->addresses);
	net_routes_free(&observed->routes);
}

void plan_free(struct plan *plan) {
	for (size_t i = 0; i < plan->count; i++)
		free(plan->steps[i].drift);
	free(plan->steps);
	strlist_free(&plan->errors);
	strlist_free(&plan->notes);
	*plan = (struct plan){0};
}

static char *text_of(struct plan *plan, const char *format, va_list ap) {
	char *text = NULL;

	if (vasprintf(&text, format, ap) < 0) {
		plan->failed = true;
		return NULL;
	}
	return text;
}

struct step *plan_step(struct plan *plan, enum step_kind kind, const char *link, const char *format, ...) {
	static struct step spare; /* written to and never read */
	struct step *steps, *step;
	va_list ap;

	spare = (struct step){0};
	steps = reallocarray(plan->steps, plan->count + 1, sizeof(*steps));
	if (!steps) {
		plan->failed = true;
		return &spare;
	}
	plan->steps = steps;
	step = &steps[plan->count++];
	*step = (struct step){.kind = kind};
	snprintf(step->link, sizeof(step->link), "%s", link);
	va_start(ap, format);
	step->drift = text_of(plan, format, ap);
	va_end(ap);
	return step;
}

void plan_error(struct plan *plan, const char *format, ...) {
	va_list ap;

	va_start(ap, format);
	if (strlist_take(&plan->errors, text_of(plan, format, ap)) < 0)
		plan->failed = true;
	va_end(ap);
}

void plan_note(struct plan *plan, const char *format, ...) {
	va_list ap;

	va_start(ap, format);
	if (strlist_take(&plan->notes, text_of(plan, format, ap)) < 0)
		plan->failed = true;
	va_end(ap);
}

char *route_text(const struct net_route *route, const char *link) {
	_cleanup_strbuf_ struct strbuf text = {0};
	char ip[IP_PREFIX_TEXT];

	/* failures are kept in the buffer and seen by strbuf_steal() */
	ip_prefix_format(&route->destination, true, ip);
	(void)strbuf_puts(
	    &text, route->destination.prefix == 0 ? route->family == AF_INET ? "default" : "default (IPv6)" : ip);
	if (route->gateway.family) {
		ip_prefix_format(&route->gateway, false, ip);
		(void)strbuf_addf(&text, " via %s", ip);
	}
	(void)strbuf_addf(&text, " dev %s", link);
	if (route->metric)
		(void)strbuf_addf(&text, " metric %u", route->metric);
	if (route->table != RT_TABLE_MAIN)
		(void)strbuf_addf(&text, " table %u", route->table);
	return strbuf_steal(&text);
}

static char *create_text(const struct step *s) {
	if (!s->has_mac)
		return str_printf("create bridge %s", s->link);
	return str_printf("create bridge %s with MAC %02x:%02x:%02x:%02x:%02x:%02x", s->link, s->mac[0], s->mac[1],
			  s->mac[2], s->mac[3], s->mac[4], s->mac[5]);
}

char *step_text(const struct step *s) {
	_cleanup_free_ char *route = NULL;
	char ip[IP_PREFIX_TEXT] = "";

	if (s->kind == STEP_ADDRESS_ADD || s->kind == STEP_ADDRESS_REMOVE)
		ip_prefix_format(&s->address.local, true, ip);
	if (s->kind == STEP_ROUTE_ADD || s->kind == STEP_ROUTE_REMOVE) {
		route = route_text(&s->route, s->link);
		if (!route)
			return NULL;
	}
	switch (s->kind) {
	case STEP_BRIDGE_CREATE:
		return create_text(s);
	case STEP_BRIDGE_TIMING:
		return str_printf("set spanning tree of %s %s, forwarding delay %u.%02u s", s->link,
				  s->stp ? "on" : "off", s->forward_delay / 100, s->forward_delay % 100);
	case STEP_LINK_MAC:
		return str_printf("set MAC of %s to %02x:%02x:%02x:%02x:%02x:%02x", s->link, s->mac[0], s->mac[1],
				  s->mac[2], s->mac[3], s->mac[4], s->mac[5]);
	case STEP_LINK_MTU:
		return str_printf("set MTU of %s to %u", s->link, s->mtu);
	case STEP_LINK_UP:
		return str_printf("bring %s up", s->link);
	case STEP_LINK_DOWN:
		return str_printf("bring %s down", s->link);
	case STEP_LINK_MASTER:
		return *s->target ? str_printf("make %s a port of %s", s->link, s->target)
				  : str_printf("take %s out of its bridge", s->link);
	case STEP_LINK_DELETE:
		return str_printf("delete bridge %s", s->link);
	case STEP_ADDRESS_ADD:
		return str_printf("add address %s to %s", ip, s->link);
	case STEP_ADDRESS_REMOVE:
		return str_printf("remove address %s from %s", ip, s->link);
	case STEP_ROUTE_ADD:
		return str_printf("%s route %s", s->mode == NET_ROUTE_REPLACE ? "put in place" : "add", route);
	case STEP_ROUTE_REMOVE:
		return str_printf("remove route %s", route);
	}
	return NULL;
}
