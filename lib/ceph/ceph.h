/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ceph: the storage cluster through librados and librbd. The only place that includes their headers; whoever links this
 * carries 17 MB more, so few programs do (tests/bats/programs.bats holds the list).
 *
 * Every function here blocks and may be called from any thread, so daemons call them on worker threads only. How long a
 * call can take is bounded by options of the connection that it uses (the calls that hang for ever by default, and the
 * option that bounds each, were measured with Ceph 16.2):
 *
 *   CEPH_MONITORING  connecting and commands 5 s, reads from OSDs 10 s: for figures and short questions
 *   CEPH_WORK        connecting and commands 30 s; reads and writes of OSDs take as long as they take, because one that
 *                    is given up in the middle of a copy, a resize or a removal has an unknown outcome. The caller's
 *                    job has its own deadline and reports what has not come back.
 *
 * A connection is made when it is needed first and kept. One that failed, or whose client was blocklisted, is spent: it
 * is thrown away, and the next call makes a new one. Connecting is done by one thread at a time; the others get its
 * result.
 *
 * Results are 0 or -errno as Ceph gives it, with a printable sentence in *ret_error:
 *   -ETIMEDOUT no answer in time (outcome unknown) · -ENOENT no such pool, image, snapshot, OSD · -EEXIST name taken
 *   -EBUSY in use · -ENOTEMPTY has snapshots · -EACCES the key is refused · -ESHUTDOWN this client was blocklisted
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct ceph;
enum ceph_use { CEPH_MONITORING, CEPH_WORK, CEPH_USE_COUNT };

/* ---- connections (connection.c) ---- */

/* Reads nothing and connects to nothing yet. The cluster is that of $CEPH_CONF, else /etc/ceph/ceph.conf; the client is
 * client.admin unless $CEPH_ARGS names another. */
int ceph_new(struct ceph **ret);
/* Calls under way on other threads keep what they use; their connections go when they come back. */
void ceph_free(struct ceph *ceph);
static inline void ceph_freep(struct ceph **ceph) {
	ceph_free(*ceph);
}
#define _cleanup_ceph_ _cleanup_(ceph_freep)
/* Is there a connection, or can one be made? */
int ceph_connect(struct ceph *ceph, enum ceph_use use, char **ret_error);
/* The addresses of this client on the connection, "10.0.0.1:0/123": what others blocklist. The caller frees. */
int ceph_own_addresses(struct ceph *ceph, enum ceph_use use, struct strlist *ret, char **ret_error);

/* ---- commands (command.c) ---- */

enum ceph_target { CEPH_MON, CEPH_MGR, CEPH_OSD };
struct ceph_command {
	enum ceph_use use;
	enum ceph_target target;
	json_t *arguments; /* {"prefix": "osd df", ...}; taken over, also on failure. NULL gives -ENOMEM */
	const char *input; /* or NULL */
	int64_t osd;       /* CEPH_OSD: which one; its answer is bounded on CEPH_MONITORING only */
};
/* What it answered, as text (NUL-terminated; the caller frees); ret_output may be NULL. */
int ceph_command(struct ceph *ceph, const struct ceph_command *command, char **ret_output, char **ret_error);
/* The same with "format": "json" added; the first JSON value of the answer (some answers hold two). The caller
 * json_decref()s. -EBADMSG when it is none. */
int ceph_query(struct ceph *ceph, const struct ceph_command *command, json_t **ret, char **ret_error);

/* ---- pools (pool.c) ---- */

int ceph_pool_exists(struct ceph *ceph, const char *pool, bool *ret, char **ret_error);
/* A replicated pool for RBD. -EEXIST when there is one of that name. A pool that cannot be set up is removed again. */
int ceph_pool_create(struct ceph *ceph, const char *pool, uint64_t pgs, uint64_t copies, uint64_t mincopies,
		     char **ret_error);
/* With everything in it. -EBUSY, and nothing was done, while a client has one of its images open; missing is success.
 */
int ceph_pool_remove(struct ceph *ceph, const char *pool, char **ret_error);

/* ---- images (image.c): volumes ---- */

int ceph_image_list(struct ceph *ceph, const char *pool, struct strlist *ret, char **ret_error); /* sorted */
/* With the features layering and exclusive-lock. */
int ceph_image_create(struct ceph *ceph, const char *pool, const char *image, uint64_t bytes, char **ret_error);
/* A full copy. It is made as `scratch` and gets its name when it is complete, so an interrupted one is never taken for
 * a volume. */
int ceph_image_copy(struct ceph *ceph, const char *pool, const char *image, const char *copy, const char *scratch,
		    char **ret_error);
/* Only grows: -ERANGE for less than the present size. */
int ceph_image_resize(struct ceph *ceph, const char *pool, const char *image, uint64_t bytes, char **ret_error);
int ceph_image_rename(struct ceph *ceph, const char *pool, const char *image, const char *name, char **ret_error);
/* -EBUSY while a client has it open, -ENOTEMPTY while it has snapshots. */
int ceph_image_remove(struct ceph *ceph, const char *pool, const char *image, char **ret_error);
/* The text of `rbd info --format json`. The caller frees. */
int ceph_image_info(struct ceph *ceph, const char *pool, const char *image, char **ret_json, char **ret_error);

/* ---- snapshots (snapshot.c) ---- */

int ceph_snapshot_list(struct ceph *ceph, const char *pool, const char *image, struct strlist *ret, char **ret_error);
int ceph_snapshot_create(struct ceph *ceph, const char *pool, const char *image, const char *snapshot,
			 char **ret_error);
int ceph_snapshot_rename(struct ceph *ceph, const char *pool, const char *image, const char *snapshot, const char *name,
			 char **ret_error);
/* -EBUSY while it is protected or has clones. */
int ceph_snapshot_remove(struct ceph *ceph, const char *pool, const char *image, const char *snapshot,
			 char **ret_error);

/* ---- who holds an image (lock.c) ---- */

struct ceph_holder {
	char *client;  /* "client.4123" */
	char *cookie;  /* of the lock; NULL for a watcher: a client that has it open and holds no lock */
	char *address; /* "10.0.0.1:0/2872362870", as `osd blocklist add` takes it */
};
struct ceph_holders {
	struct ceph_holder *items;
	size_t count;
};
void ceph_holders_free(struct ceph_holders *holders);
#define _cleanup_ceph_holders_ _cleanup_(ceph_holders_free)
/* Lockers first, then watchers that hold no lock; looking sets neither lock nor watch. */
int ceph_image_holders(struct ceph *ceph, enum ceph_use use, const char *pool, const char *image,
		       struct ceph_holders *ret, char **ret_error);
/* Nothing that the client behind this address sends is accepted any more, for so long. "ADDRESS:0/0" is the whole host.
 * ceph_wait_map() then makes everything that this process does later on that connection come after it. */
int ceph_blocklist(struct ceph *ceph, enum ceph_use use, const char *address, uint64_t seconds, char **ret_error);
int ceph_wait_map(struct ceph *ceph, enum ceph_use use, char **ret_error);
/* Takes it away from one client that is known to be dead: blocklists it, waits for the map, breaks its lock. */
int ceph_image_release(struct ceph *ceph, enum ceph_use use, const char *pool, const char *image,
		       const struct ceph_holder *holder, uint64_t seconds, char **ret_error);
/* Only the last of these three steps, for all the locks among these holders: whoever calls it has done the others. */
int ceph_image_break_locks(struct ceph *ceph, enum ceph_use use, const char *pool, const char *image,
			   const struct ceph_holders *holders, char **ret_error);
/* Takes the image away from all who hold it, for good: blocklists lockers and watchers, waits for the map, breaks the
 * locks, in that order. What they still send is refused. *ret_broken (or NULL): how many there were. */
int ceph_image_seize(struct ceph *ceph, const char *pool, const char *image, uint64_t seconds, size_t *ret_broken,
		     char **ret_error);

/* ---- sealing a host off (seal.c): on the connection CEPH_MONITORING, unless said ---- */

/* The addresses that are blocklisted now. */
int ceph_blocklisted(struct ceph *ceph, enum ceph_use use, struct strlist *ret, char **ret_error);
/* Like ceph_blocklist() for each of these, but at the same time: a change of the map takes the monitors a second, and
 * they put all that waits for one into it. The first error ends it, with some of them done. */
int ceph_blocklist_all(struct ceph *ceph, const struct strlist *addresses, uint64_t seconds, char **ret_error);
/* The other way; an address that is not listed is as it should be. */
int ceph_blocklist_remove_all(struct ceph *ceph, const struct strlist *addresses, char **ret_error);
/* Waits until every OSD that is up has the map as it is now, or a newer one, by its own word; one that is down counts
 * for nothing, as it gets the map before it takes anything again. -ETIMEDOUT names the first that is behind, at most
 * one bound of the connection after the deadline. */
int ceph_osds_have_map(struct ceph *ceph, usec_t deadline, uint64_t *ret_epoch, char **ret_error);
/* Says that these are down; one that lives says that it is up again. Saves waiting for the cluster to notice. */
int ceph_osd_down(struct ceph *ceph, const struct strlist *ids, char **ret_error);

/* ---- OSDs (osd.c) ---- */

struct ceph_osd {
	int64_t id;
	char uuid[37];
	bool up, in;
	bool was_up; /* now or ever: it may hold data */
};
/* -ENOENT when the map has no such id. */
int ceph_osd_find(struct ceph *ceph, int64_t id, struct ceph_osd *ret, char **ret_error);
int ceph_osd_find_uuid(struct ceph *ceph, const char *uuid, struct ceph_osd *ret, char **ret_error);
int ceph_osd_set_in(struct ceph *ceph, int64_t id, bool in, char **ret_error);
int ceph_osd_flag(struct ceph *ceph, const char *flag, bool set, char **ret_error);
int ceph_osd_crush_add(struct ceph *ceph, int64_t id, double weight, const char *host, char **ret_error);
/* 1: nothing would be lost; 0: not yet, *ret_pgs (or NULL) placement groups are still on it. An OSD tells its number of
 * placement groups every some seconds: while not all are clean the answer about one that just got some may be 1 too
 * early. */
int ceph_osd_safe_to_destroy(struct ceph *ceph, int64_t id, uint64_t *ret_pgs, char **ret_error);
/* 1: every placement group of the cluster is whole and where it is to be (active+clean); 0: not so. */
int ceph_all_clean(struct ceph *ceph, char **ret_error);
/* Forgets it: map, key and place in the CRUSH map. -EBUSY while it is up. Whether that loses data is not looked at. */
int ceph_osd_purge(struct ceph *ceph, int64_t id, char **ret_error);

/* ---- figures (stats.c, osd_status.c): on the connection CEPH_MONITORING ---- */

struct ceph_figure {
	char *name; /* of a pool; number of an OSD */
	char *json; /* an object with the reference's fields (data model, 7) */
};
struct ceph_figures {
	char *status;  /* text of `ceph status` */
	char *radosdf; /* text in the manner of `rados df` */
	char *health;  /* "HEALTH_OK"... */
	struct ceph_figure *pools;
	size_t pool_count;
	struct ceph_figure *osds;
	size_t osd_count;
	uint64_t osds_up, osds_in;
};
void ceph_figures_free(struct ceph_figures *figures);
#define _cleanup_ceph_figures_ _cleanup_(ceph_figures_free)
/* The whole picture; each question has the connection's bound, and the first that is not answered ends it. */
int ceph_figures_read(struct ceph *ceph, struct ceph_figures *ret, char **ret_error);

/* One row of the manager's `osd status`, which it gives as a table for people only. */
struct ceph_osd_row {
	int64_t id;
	char *host, *used, *available, *state;
	uint64_t write_ops, write_bytes, read_ops, read_bytes; /* a second */
};
void ceph_osd_row_free(struct ceph_osd_row *row);
/* Reads the row by its words, not by columns. -EINVAL for what is no row of an OSD (the heading). */
int ceph_osd_row_parse(const char *line, struct ceph_osd_row *ret);
