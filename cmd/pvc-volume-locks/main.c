/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvc-volume-locks: may a VM be started on these volumes? A helper of pvc-watch-domains, which must not link librados.
 * First every volume is looked at, and only when no other machine holds one, stale locks of this one are released.
 */
#include "ceph/ceph.h"
#include "config/config.h"
#include "cluster/storage.h"
#include "host/host.h"
#include "log/log.h"

#define BLOCKLIST_SECONDS 3600 /* as librbd's own default */

static const char details[] =
    "A lock that an earlier client of this machine left is released: that client is blocklisted first; so is one of a\n"
    "client that was blocklisted already. A volume that another machine has locked or open is left alone, and said.\n"
    "\n"
    "Exit status: 0 they are free, 1 one is held elsewhere or does not exist, 64 usage, 69 Ceph does not answer,\n"
    "71 system error, 78 configuration. See pvc(7).\n";

struct volume {
	char *pool;
	const char *image; /* inside pool */
	struct ceph_holders holders;
};

struct known {
	struct strlist own, blocklisted; /* addresses: of this machine; that Ceph refuses, once asked */
	bool asked;
};

static void known_free(struct known *known) {
	strlist_free(&known->own);
	strlist_free(&known->blocklisted);
}

static void volume_free(struct volume *volume) {
	free(volume->pool);
	ceph_holders_free(&volume->holders);
}

static int exit_code(int r) {
	return r == -ENOENT || r == -EBUSY ? EXIT_FAILED : r == -EINVAL ? EXIT_USAGE : EXIT_UNAVAILABLE;
}

/* -EBUSY: another machine holds it. */
static int look(struct ceph *ceph, struct volume *volume, struct known *known) {
	_cleanup_free_ char *error = NULL;
	int r = ceph_image_holders(ceph, CEPH_WORK, volume->pool, volume->image, &volume->holders, &error);

	if (r == 0 && volume->holders.count > 0 && !known->asked) {
		r = ceph_blocklisted(ceph, CEPH_WORK, &known->blocklisted, &error);
		known->asked = r == 0;
	}
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return r;
	}
	for (size_t i = 0; i < volume->holders.count; i++) {
		const struct ceph_holder *holder = &volume->holders.items[i];

		if (storage_hold(holder->address, holder->cookie != NULL, &known->own, &known->blocklisted) !=
		    STORAGE_HOLD_FOREIGN)
			continue;
		log_error(
		    "volume %s/%s is %s by %s at %s: if nothing of this VM runs there any more, stop the VM, free "
		    "its volumes (flush_locks), and start it again",
		    volume->pool, volume->image, holder->cookie ? "locked" : "open", holder->client, holder->address);
		return -EBUSY;
	}
	return 0;
}

static int release(struct ceph *ceph, const struct volume *volume, const struct known *known) {
	for (size_t i = 0; i < volume->holders.count; i++) {
		const struct ceph_holder *holder = &volume->holders.items[i];
		_cleanup_free_ char *error = NULL;
		int r;

		if (storage_hold(holder->address, holder->cookie != NULL, &known->own, &known->blocklisted) !=
		    STORAGE_HOLD_STALE)
			continue;
		r = ceph_image_release(ceph, CEPH_WORK, volume->pool, volume->image, holder, BLOCKLIST_SECONDS, &error);
		if (r < 0) {
			log_error("%s", error ? error : strerror(-r));
			return r;
		}
		log_info("volume %s/%s: the lock that %s of %s had left was released", volume->pool, volume->image,
			 holder->client,
			 storage_client_on(holder->address, &known->own) ? "this machine"
									 : "a machine that was sealed off");
	}
	return 0;
}

static int run(char **names, size_t count) {
	_cleanup_ceph_ struct ceph *ceph = NULL;
	_cleanup_(known_free) struct known known = {0};
	struct volume *volumes = calloc(count, sizeof(*volumes));
	int r = volumes ? host_addresses(false, &known.own) : -ENOMEM;

	if (r == 0)
		r = ceph_new(&ceph);
	for (size_t i = 0; i < count && r == 0; i++) {
		char *slash;

		volumes[i].pool = strdup(names[i]);
		slash = volumes[i].pool ? strchr(volumes[i].pool, '/') : NULL;
		if (!slash || slash == volumes[i].pool || !slash[1]) {
			log_error("'%s': expected POOL/VOLUME", names[i]);
			r = -EINVAL;
			break;
		}
		*slash = '\0';
		volumes[i].image = slash + 1;
		r = look(ceph, &volumes[i], &known);
	}
	for (size_t i = 0; i < count && r == 0; i++)
		r = release(ceph, &volumes[i], &known);
	for (size_t i = 0; volumes && i < count; i++)
		volume_free(&volumes[i]);
	free(volumes);
	return r < 0 ? exit_code(r) : EXIT_OK;
}

int main(int argc, char **argv) {
	const char *path = NULL;
	bool debug = false;
	const struct cli_option options[] = {CLI_COMMON(path, debug)};
	const struct cli cli = {
	    .name = "pvc-volume-locks",
	    .synopsis = "POOL/VOLUME...",
	    .summary = "Tells whether a VM may be started on volumes, and releases stale locks of this node.",
	    .details = details,
	    .options = options,
	    .option_count = ARRAY_SIZE(options),
	    .min_arguments = 1,
	    .max_arguments = 64};
	_cleanup_config_ struct config *config = NULL;
	int count, r;
	char **names = cli_parse(&cli, argc, argv, &count);

	r = log_start(cli.name, path, debug, LOG_START_TERMINAL, &config);
	if (r != EXIT_OK)
		return r;
	return run(names, (size_t)count);
}
