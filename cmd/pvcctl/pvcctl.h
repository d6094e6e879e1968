/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvcctl: what an operator types. One table of commands (commands.c) drives parsing, help and completion; a command
 * reads the cluster through fetch.c, changes it in conditional transactions, and returns the program's exit code,
 * having printed one line on standard error when that is not 0.
 *
 * Everything read from the cluster may be missing or wrong: it is shown as "-" in tables and null in JSON, and never
 * breaks a list.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "cluster/cluster.h"
#include "config/config.h"
#include "domain/domain.h"
#include "network_check.h"
#include "store/store.h"

#define CONNECT_TIMEOUT   (15 * USEC_PER_SEC)
#define OPERATION_TIMEOUT (60 * USEC_PER_SEC)

/* ---- the command line (commands.c) ---- */

struct options {
	const char *config, *zookeeper, *format, *node, *limit, *selector, *profile, *state;
	bool debug, autostart, wait, yes, follow, live_only, force, test;
	uint64_t timeout; /* seconds */
	uint64_t lines;
	struct net_options net;
	const char *hostname;
	uint64_t order; /* UINT64_MAX: not given */
	const char *weight;
	uint64_t copies, mincopies; /* mincopies 0: not given */
};

struct ctl {
	struct options options;
	struct config *config; /* NULL with --zookeeper */
	struct store *store;
	char **arguments; /* after the command's words */
	int argument_count;
};

struct command {
	const char *noun, *verb; /* "vm", "define"; or "network", "rule add"; verb NULL for commands of one word */
	const char *arguments;   /* for the usage line */
	const char *summary;
	unsigned options; /* bits of enum command_option */
	unsigned min_arguments, max_arguments;
	bool offline; /* needs no cluster */
	int (*run)(struct ctl *ctl);
};
/* Parses the command line; ends the program for --help, --version and wrong usage. */
const struct command *command_parse(int argc, char **argv, struct ctl *ctl);
bool wants_json(const struct ctl *ctl);

int cluster_status(struct ctl *ctl);      /* status.c */
int cluster_maintenance(struct ctl *ctl); /* maintenance.c */
int node_list(struct ctl *ctl);           /* node.c */
int node_info(struct ctl *ctl);
int node_ready(struct ctl *ctl); /* node_duty.c */
int node_flush(struct ctl *ctl);
int node_primary(struct ctl *ctl); /* node_primary.c */
int node_secondary(struct ctl *ctl);
int node_fence(struct ctl *ctl); /* node_fence.c */
int vm_define(struct ctl *ctl);  /* vm_define.c */
int vm_list(struct ctl *ctl);    /* vm_list.c */
int vm_info(struct ctl *ctl);    /* vm_info.c */
int vm_dump(struct ctl *ctl);    /* vm_log.c */
int vm_log(struct ctl *ctl);     /* vm_log.c */
int vm_start(struct ctl *ctl);   /* vm_state.c */
int vm_stop(struct ctl *ctl);
int vm_shutdown(struct ctl *ctl);
int vm_restart(struct ctl *ctl);
int vm_disable(struct ctl *ctl);
int vm_migrate(struct ctl *ctl); /* vm_migrate.c */
int vm_move(struct ctl *ctl);
int vm_unmigrate(struct ctl *ctl);
int vm_release(struct ctl *ctl);  /* vm_release.c */
int vm_undefine(struct ctl *ctl); /* vm_undefine.c */
int network_add(struct ctl *ctl); /* network_add.c */
int network_modify(struct ctl *ctl);
int network_remove(struct ctl *ctl); /* network_remove.c */
int network_list(struct ctl *ctl);   /* network_show.c */
int network_info(struct ctl *ctl);
int network_rule_add(struct ctl *ctl); /* network_rules.c */
int network_rule_remove(struct ctl *ctl);
int network_rule_list(struct ctl *ctl);
int network_dhcp_add(struct ctl *ctl); /* network_dhcp.c */
int network_dhcp_remove(struct ctl *ctl);
int network_dhcp_list(struct ctl *ctl);
int vm_flush_locks(struct ctl *ctl); /* storage_change.c */
int storage_status(struct ctl *ctl); /* storage_show.c */
int storage_jobs(struct ctl *ctl);
int storage_osd_list(struct ctl *ctl);
int storage_osd_info(struct ctl *ctl);
int storage_pool_list(struct ctl *ctl);
int storage_pool_info(struct ctl *ctl);
int storage_volume_list(struct ctl *ctl);
int storage_volume_info(struct ctl *ctl);
int storage_snapshot_list(struct ctl *ctl);
int storage_osd_add(struct ctl *ctl); /* storage_change.c */
int storage_osd_remove(struct ctl *ctl);
int storage_osd_in(struct ctl *ctl);
int storage_osd_out(struct ctl *ctl);
int storage_osd_set(struct ctl *ctl);
int storage_osd_unset(struct ctl *ctl);
int storage_pool_add(struct ctl *ctl);
int storage_pool_remove(struct ctl *ctl);
int storage_volume_add(struct ctl *ctl);
int storage_volume_resize(struct ctl *ctl);
int storage_volume_rename(struct ctl *ctl);
int storage_volume_clone(struct ctl *ctl);
int storage_volume_remove(struct ctl *ctl);
int storage_snapshot_add(struct ctl *ctl);
int storage_snapshot_rename(struct ctl *ctl);
int storage_snapshot_remove(struct ctl *ctl);
int print_completion(struct ctl *ctl); /* completion.c */

/* ---- messages (output.c) ---- */

/* "pvcctl: ..." on standard error; returns the exit code that is given, */
int failed_with(int code, const char *format, ...) _printf_(2, 3);
/* or the one that fits a negative errno. */
#define failed(error, ...) failed_with(exit_code_of(error), __VA_ARGS__)
/* Text for the error numbers of the store. */
const char *store_error_text(int error);

/* ---- tables and JSON (output.c) ---- */

struct table {
	const char *const *titles; /* a leading '>' right-aligns the column */
	size_t columns;
	struct strlist cells; /* row by row */
	bool failed;
};
void table_free(struct table *table);
#define _cleanup_table_ _cleanup_(table_free)
void table_add(struct table *table, const char *text);      /* NULL, "" and "None": "-"; made printable */
void table_add_number(struct table *table, int64_t number); /* < 0: "-" */
int table_print(const struct table *table);                 /* exit code */
/* "Title:   value" lines. */
void print_field(const char *title, const char *text);
void print_field_number(const char *title, int64_t number, const char *unit);

json_t *json_text(const char *text); /* null for NULL, "" and "None"; made printable UTF-8 */
json_t *json_number(int64_t number); /* null for < 0 */
json_t *json_list(const struct strlist *list);
int json_print(json_t *value); /* takes the reference; exit code */

/* ---- reading (fetch.c) ---- */

struct fetched {
	bool exists;
	char *data; /* "" when absent; NUL-terminated */
	size_t length;
	struct store_stat stat;
};
struct snapshot {
	struct fetched *values;
	size_t count;
};
void snapshot_free(struct snapshot *snapshot);
#define _cleanup_snapshot_ _cleanup_(snapshot_free)
/* Reads all paths, pipelined, a bounded number at a time. -errno. */
int fetch_many(struct ctl *ctl, const struct strlist *paths, struct snapshot *ret);
/* The children of a base key; a missing key has none. */
int fetch_children(struct ctl *ctl, const char *path, struct strlist *ret);
bool is_key_name(const char *text);                  /* can be one component of a path: operators type node names */
int64_t fetched_number(const struct fetched *value); /* -1 when missing or no number */

/* ---- waiting (await.c) ---- */

struct await_key {
	char *path;
	char *data; /* "" when missing */
	bool exists, known;
	int64_t mzxid;
	struct store_watch *watch;
	struct await *await;
};
struct await {
	struct await_key *keys;
	size_t count;
	bool (*reached)(struct await *await); /* called when all keys are known and after each change */
	void *userdata;
	bool known; /* all keys were read */
	bool done;
};
void await_free(struct await *await);
#define _cleanup_await_ _cleanup_(await_free)
int await_add(struct await *await, char *path); /* takes path, also on failure */
/* Watches the keys until reached() says true of keys that were so at one and the same moment: 0, or -ETIMEDOUT, or another
 * -errno. It may say true of a mixture before, and is then asked again. */
int await_run(struct ctl *ctl, struct await *await, usec_t deadline);

/* ---- nodes (node_read.c) ---- */

enum node_key {
	NODE_SELF,
	NODE_MODE,
	NODE_DAEMON,
	NODE_ROUTER,
	NODE_DOMAIN,
	NODE_STATIC,
	NODE_MEMTOTAL,
	NODE_MEMUSED,
	NODE_MEMFREE,
	NODE_MEMALLOC,
	NODE_VCPUALLOC,
	NODE_LOAD,
	NODE_VMS,
	NODE_RUNNING,
	NODE_KEEPALIVE,
	NODE_AGENTS, /* our own key: what is wrong with its fencing agents, or nothing */
	NODE_DRAIN, /* our own key: how far a drain is, or how it ended (cluster.h) */
	NODE_FENCE, /* our own key, /pvc/fence/NODE: how far its fencing is */
	NODE_HEART, /* our own key, /pvc/heart/NODE: its heartbeats are pvc-keepalive's */
	NODE_ALIVE, /* our own key, /pvc/alive/NODE: ... which has a session */
	NODE_KEY_COUNT
};
struct nodes {
	struct strlist names; /* sorted */
	struct snapshot keys;
};
void nodes_free(struct nodes *nodes);
#define _cleanup_nodes_ _cleanup_(nodes_free)
int nodes_read(struct ctl *ctl, const char *only, struct nodes *ret); /* `only` one node, or NULL; -ENOENT */
const struct fetched *node_value(const struct nodes *nodes, size_t index, enum node_key key);
/* All of them as select_target() wants them, in their order; the names are borrowed. NULL without memory. */
struct select_node *node_candidates(const struct nodes *nodes);
/* Is the VM among the running ones that the node reports? */
bool node_reports_vm(const char *runningdomains, const char *uuid);

/* What NODE_FENCE says (node_fence.c): null, an object; NULL (nothing), a sentence; what an operator can do, or NULL. */
json_t *fence_json(const struct fetched *value);
char *fence_text(const struct fetched *value);
char *fence_hint(const char *node, const struct fetched *value);
/* It is in state run, and nothing of it has a session: the others fence it, unless maintenance is on. */
bool node_is_silent(const struct nodes *nodes, size_t index);
/* The daemon's state with all that. */
char *fence_daemon_text(const struct nodes *nodes, size_t index);

/* ---- VMs that a drain would shut down (node_unmovable.c) ---- */

/* The names of the VMs of a node that no other node can take as things are. */
int unmovable_vms(struct ctl *ctl, const struct nodes *nodes, const char *node, struct strlist *ret);

/* ---- VMs (vm_read.c) ---- */

enum vm_key {
	VM_KEY_NAME,
	VM_KEY_STATE,
	VM_KEY_NODE,
	VM_KEY_LASTNODE,
	VM_KEY_XML,
	VM_KEY_BRIEF_COUNT, /* the keys above are what a table needs */
	VM_KEY_LIMIT = VM_KEY_BRIEF_COUNT,
	VM_KEY_SELECTOR,
	VM_KEY_AUTOSTART,
	VM_KEY_FAILEDREASON,
	VM_KEY_PROFILE,
	VM_KEY_HOLDER,
	VM_KEY_MIGRATION,
	VM_KEY_COUNT
};
struct vms {
	struct strlist uuids;
	size_t keys_each;
	struct snapshot keys;
};
void vms_free(struct vms *vms);
#define _cleanup_vms_ _cleanup_(vms_free)
int vms_read(struct ctl *ctl, const struct strlist *uuids, size_t keys_each, struct vms *ret);
const struct fetched *vm_value(const struct vms *vms, size_t index, enum vm_key key);
char *vm_key_path(const char *uuid, const char *key); /* "" for the VM itself; the caller frees */
json_t *vm_json(const struct vms *vms, size_t index, const struct domain_xml *xml);

/* A VM by name or UUID. On failure the exit code (> 0), having said why. */
struct vm_ref {
	char *uuid;
	char *name; /* printable */
};
void vm_ref_free(struct vm_ref *vm);
#define _cleanup_vm_ref_ _cleanup_(vm_ref_free)
int vm_find(struct ctl *ctl, const char *named, struct vm_ref *ret);

/* ---- moving VMs (vm_migrate.c, vm_arrival.c) ---- */

/* The value after `word=` in a key of lines; NULL when there is none or no memory. */
char *line_value(const char *text, const char *word);
/* One line about a migration, of the VM's key; NULL when it says nothing. The caller frees. */
char *migration_text(const char *migration);
/* Waits, telling how far it is, until the VM runs on `target`. Exit code: 0, 1 (failed, changed, stayed) or 75. */
int vm_wait_arrival(struct ctl *ctl, const struct vm_ref *vm, const char *source, const char *target);

/* ---- changing VMs (vm_state.c, vm_wait.c) ---- */

enum vm_request { REQUEST_START, REQUEST_RESTART, REQUEST_SHUTDOWN, REQUEST_STOP, REQUEST_DISABLE, REQUEST_COUNT };
enum vm_verdict {
	VERDICT_WAIT,    /* on its way */
	VERDICT_RUNS,    /* reached once its node reports it as running */
	VERDICT_OFF,     /* reached once no node reports it */
	VERDICT_FAILED,  /* its node gave up: failedreason */
	VERDICT_CHANGED, /* somebody else wants something else */
};
/* What a VM's state means to someone who waits for the request. */
enum vm_verdict vm_verdict(enum vm_request request, enum vm_state state);
/* Writes the request's state when the present one allows it. Exit code, having said why. */
int vm_write_request(struct ctl *ctl, const struct vm_ref *vm, enum vm_request request);
/* Waits for what the request wants. Exit code: 0, 1 (failed, changed, gone) or 75, having said why. */
int vm_wait(struct ctl *ctl, const struct vm_ref *vm, enum vm_request request);
