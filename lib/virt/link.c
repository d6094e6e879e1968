/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections for calls: see internal.h for why there are several. */
#include "virt/internal.h"

#define KEEPALIVE_INTERVAL 5 /* seconds; with the count, a hung libvirtd is given up after 20 s */
#define KEEPALIVE_COUNT    3

struct link {
	struct link *next;
	virConnectPtr conn;
	uint64_t generation;
};

/* A driver inside this process has none: not an error. */
void virt_keepalive(virConnectPtr conn) {
	(void)virConnectSetKeepAlive(conn, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT);
}

struct link *link_detach_all(struct post *post) {
	struct link *links;

	(void)pthread_mutex_lock(&post->lock);
	links = post->idle;
	post->idle = NULL;
	post->idle_count = 0;
	(void)pthread_mutex_unlock(&post->lock);
	return links;
}

void link_close_all(struct link *links) {
	while (links) {
		struct link *next = links->next;

		(void)virConnectClose(links->conn);
		free(links);
		links = next;
	}
}

static struct link *link_pop(struct post *post) {
	struct link *link;

	(void)pthread_mutex_lock(&post->lock);
	link = post->idle;
	if (link) {
		post->idle = link->next;
		post->idle_count--;
		link->next = NULL;
	}
	(void)pthread_mutex_unlock(&post->lock);
	return link;
}

virConnectPtr link_take(struct post *post, uint64_t generation) {
	virConnectPtr conn = NULL;
	struct link *link;

	while (!conn && (link = link_pop(post))) {
		if (link->generation == generation && virConnectIsAlive(link->conn) == 1) {
			conn = link->conn;
			free(link);
		} else {
			link_close_all(link);
		}
	}
	if (!conn) {
		conn = virConnectOpen(post->uri);
		if (conn)
			virt_keepalive(conn);
	}
	return conn;
}

void link_give(struct post *post, virConnectPtr conn, uint64_t generation) {
	struct link *link = virConnectIsAlive(conn) == 1 ? malloc(sizeof(*link)) : NULL;

	if (link) {
		*link = (struct link){.conn = conn, .generation = generation};
		(void)pthread_mutex_lock(&post->lock);
		if (!post->closed && post->idle_count < LINKS_IDLE_MAX) {
			link->next = post->idle;
			post->idle = link;
			post->idle_count++;
			conn = NULL;
			link = NULL;
		}
		(void)pthread_mutex_unlock(&post->lock);
	}
	free(link);
	if (conn)
		(void)virConnectClose(conn);
}
