/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of servers to addresses, on a worker thread. The library itself would ask the resolver from the loop, before
 * every try to connect: with the name servers out of reach that blocks the loop for seconds, just when a lease is to be
 * given up. So it only ever sees addresses; the names are looked up at the start, and anew after each round of servers
 * that could not be reached.
 */
#include <netdb.h>
#include <sys/socket.h>

#include "store/internal.h"

#define LOOKUP_USEC (10 * USEC_PER_SEC)

struct lookup {
	char *servers;
	struct strbuf addresses; /* "ADDRESS:PORT,..." */
};

/* Appends the addresses of one "HOST:PORT". A name that does not resolve adds nothing and is no error. */
static int lookup_one(const char *server, int flags, struct strbuf *addresses) {
	const char *colon = strrchr(server, ':');
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found = NULL;
	_cleanup_free_ char *host = NULL;
	uint64_t port;
	size_t length;

	if (!colon || colon == server || parse_u64(colon + 1, 1, 65535, &port) < 0)
		return -EINVAL;
	length = (size_t)(colon - server);
	if (server[0] == '[' && server[length - 1] == ']') {
		server++;
		length -= 2;
	}
	host = strndup(server, length);
	if (!host)
		return -ENOMEM;
	if (strpbrk(host, " \t[]"))
		return -EINVAL;
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return 0;
	for (struct addrinfo *a = found; a; a = a->ai_next) {
		char text[NI_MAXHOST];

		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
			(void)strbuf_addf(addresses, "%s%s:%u", addresses->length > 0 ? "," : "", text, (unsigned)port);
	}
	freeaddrinfo(found);
	return addresses->failed ? -ENOMEM : 0;
}

/* Returns how many of the servers have an address, or -errno. */
static int lookup_all(const char *servers, int flags, struct strbuf *addresses) {
	_cleanup_strlist_ struct strlist list = {0};
	int r = strlist_split(&list, servers, ","), count = 0;

	if (r == 0 && list.count == 0)
		r = -EINVAL;
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		size_t before = addresses->length;

		r = lookup_one(list.items[i], flags, addresses);
		count += addresses->length > before;
	}
	return r < 0 ? r : count;
}

static int lookup_work(void *arg) {
	struct lookup *lookup = arg;

	return lookup_all(lookup->servers, 0, &lookup->addresses);
}

static void lookup_free(void *arg) {
	struct lookup *lookup = arg;

	strbuf_free(&lookup->addresses);
	free(lookup->servers);
	free(lookup);
}

static void lookup_done(void *arg, int result, void *userdata) {
	struct lookup *lookup = arg;
	struct store *store = userdata;
	char *addresses;

	store->resolving = false;
	if (result <= 0 || store->closing) /* asked again after the next round, or by the timer */
		return;
	addresses = strbuf_steal(&lookup->addresses);
	if (!addresses)
		return;
	free(store->addresses);
	store->addresses = addresses;
	session_resolved(store);
}

int resolve_start(struct store *store) {
	struct lookup *lookup;
	struct job job = {lookup_work, lookup_done, lookup_free, NULL, store, deadline_after(LOOKUP_USEC)};
	int r = 0;

	if (!store->named || store->resolving)
		return 0;
	if (!store->workers)
		r = workers_new(&store->workers, store->event, 1);
	if (r < 0)
		return r;
	lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return -ENOMEM;
	lookup->servers = strdup(store->servers);
	job.arg = lookup;
	r = lookup->servers ? workers_submit(store->workers, &job) : -ENOMEM;
	if (r < 0)
		lookup_free(lookup);
	else
		store->resolving = true;
	return r;
}

int resolve_init(struct store *store) {
	_cleanup_strbuf_ struct strbuf addresses = {0};
	int r = lookup_all(store->servers, AI_NUMERICHOST, &addresses);

	if (r < 0)
		return r;
	if ((unsigned)r < store->server_count) {
		store->named = true;
		return resolve_start(store);
	}
	store->addresses = strbuf_steal(&addresses);
	return store->addresses ? 0 : -ENOMEM;
}
