/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim: many nodes in virtual time. What decides is lib/cluster, the code that the programs run; everything around it is
 * a model: a clock, a network, a ZooKeeper, power, baseboard controllers, watchdogs, storage, processes that hang, die
 * and are frozen. One seed gives one run, always the same.
 *
 * The truth (struct host) and what is written (struct tree) are two things; a node sees neither, only its own copy of
 * the tree as of when it last had a connection, and the answers to what it asked. The oracle sees the truth alone.
 */
#pragma once

#include "cluster/cluster.h"
#include "cluster/fence.h"
#include "cluster/timeline.h"

#define TICK      (50 * USEC_PER_MSEC) /* of the virtual clock: everything happens on one */
#define NODES     5                    /* at most */
#define VMS       10
#define MESSAGES  512
#define NOBODY    (-1)
#define BOOT_TIME (15 * USEC_PER_SEC)
/* No two boots take as long: with a fixed time one that is switched off while it registers may be so each time. */
#define BOOT_SPREAD (4 * USEC_PER_SEC)

/* Deliberate breakages: each must be caught by the oracle. */
enum mutation {
	MUTATION_NONE,
	MUTATE_NO_FENCE_CHECK,   /* an unknown verdict counts as off */
	MUTATE_WALL_CLOCK,       /* silence is measured between the two machines' wall clocks */
	MUTATE_TRUST_CONNECTING, /* one's own session is never in doubt */
	MUTATE_RELEASE_FIRST,    /* the lease is given away before the services have stopped */
	MUTATE_BARE_FEED,        /* the watchdog is fed by a timer */
	MUTATE_WRONG_CASE,       /* "Chassis power is off" is what is looked for: an agent's word is never understood */
	MUTATE_NO_SEAL,          /* the blocklist is forgotten */
	MUTATE_LATE_FEED,        /* an answer feeds the watchdog whenever it comes */
	MUTATE_BLIND_REGISTER,   /* a host that comes up does not look whether it is being recovered */
	MUTATE_TWO_FENCERS,      /* a claim is written without comparing */
	MUTATE_NO_RESUME,        /* nobody goes on where a fencer died */
	MUTATE_KEEP_SERVICES,    /* services run on while the lease cannot be confirmed */
	MUTATE_OLD_SILENCE,      /* silence from before its registration is held against a host */
	MUTATION_COUNT
};
extern const char *const mutation_names[MUTATION_COUNT];

enum program { KEEPALIVE, WATCH_NODES, WATCH_DOMAINS, PROGRAMS };

/* ---- what ZooKeeper holds ---- */

struct node_keys {
	int beat;    /* version of the heartbeat's key */
	usec_t wall; /* what the heartbeat says: for a mutation alone */
	enum daemon_state state;
	int state_version;
	unsigned boot;
	bool armed;
	int alive; /* session of its keepalive program, or NOBODY */
};
struct record {
	enum fence_step step;
	enum fence_verdict verdict;
	int fencer;        /* node */
	int session;       /* the fencer's ephemeral key, or NOBODY */
	unsigned boot;     /* the victim's */
	int beat;          /* its heartbeat at the claim */
	int state_version; /* of its daemonstate as the claim left it */
	int version;
	unsigned claim; /* a number of its own */
};
struct vm_keys {
	int node;
	int holder; /* node, or NOBODY: nothing migrates here */
	enum vm_state state;
	int version;
};
struct tree {
	struct node_keys nodes[NODES];
	struct record records[NODES];
	struct vm_keys vms[VMS];
	int wish, wish_version;
	int lease_node, lease_session;
};
struct session {
	bool open;
	usec_t heard, lag; /* the server's view; lag: a follower tells the leader late */
};

/* ---- what is ---- */

struct service { /* what holds the addresses of the primary coordinator */
	bool runs;
	usec_t stops_at; /* 0: is not being stopped */
	usec_t starts_at;
};
struct process {
	bool runs, hung;
	usec_t starts_at, thaws_at; /* 0: never */
	unsigned life;              /* counts its starts: answers to an earlier life are lost */
	int session;                /* index, or NOBODY */
	usec_t confirmed, pinged;
	bool asking; /* a request that changes something is outstanding */
	usec_t asked_at;
	usec_t lost_at; /* without a connection since */
	usec_t fed_dog; /* systemd's watchdog */
	struct tree view;
	bool has_view;
};
struct host {
	bool on;
	usec_t boots_at;        /* 0: it is up or off for good */
	usec_t power_at;        /* when somebody switches it on again; 0: nobody */
	unsigned boot, planned; /* planned: of these, how often it was switched off on purpose */
	bool frozen;
	usec_t thaws_at;
	bool linked;  /* to ZooKeeper */
	bool stored;  /* to the storage */
	bool bmc_fed; /* its controller has power of its own */
	enum { BMC_WORKS, BMC_FAILS, BMC_HANGS, BMC_LIES } bmc;
	bool dog_armed;
	usec_t dog_fires;
	bool vms[VMS];
	usec_t vm_starts[VMS]; /* 0: is not being started */
	bool blocked;          /* its clients are blocklisted */
	bool registered;       /* in this boot */
	int64_t wall_offset;
	usec_t pulled_at; /* a controller switches it off then; 0: none */
	bool lied;        /* its controller said that it was off, in this boot */
	bool slow;        /* what ZooKeeper answers comes seconds later */
	struct service service;
	struct process processes[PROGRAMS];
	/* memory of its keepalive program */
	struct {
		usec_t sent, answered, asked, fed_sent;
		bool fed, ended, said_armed;
		usec_t next;
	} beat;
	usec_t watching;
	struct peer {
		int seen_beat, seen_state; /* versions */
		usec_t changed;
		bool asked;
		usec_t agents_until; /* an agent is at work */
		enum fence_verdict answer, verdict;
		unsigned attempts, told_of; /* the claim for which a controller switched it off */
		usec_t retry_at;
	} peers[NODES];
	/* ... of its watch-nodes */
	usec_t others_until;
	int last_wish;
};

enum request_kind {
	REQUEST_PING,
	REQUEST_OPEN, /* a session */
	REQUEST_BEAT,
	REQUEST_REGISTER,
	REQUEST_READ_VM,
	REQUEST_HOLD, /* become its holder, or be it no longer */
	REQUEST_CLAIM,
	REQUEST_RESUME,
	REQUEST_CANCEL,
	REQUEST_PROVE,
	REQUEST_SEAL,
	REQUEST_RECOVER,
	REQUEST_FORGET,
	REQUEST_LEASE, /* claim, adopt, bid, release */
};
struct message {
	bool used, is_reply, arrived;
	usec_t at, sent;
	int node;
	enum program program;
	unsigned life;
	int session;
	enum request_kind kind;
	int subject; /* node or VM */
	int detail;
	struct record seen; /* what the writer went by */
	int seen_wish_version, seen_lease_session, seen_state_version, seen_vm_version;
	int result; /* 0, or -errno */
};

struct world {
	uint64_t seed, random;
	enum mutation mutation;
	struct fence_rules rules;
	int nodes, vms;
	usec_t now, faults_end, end;
	bool quorum;
	usec_t quorum_at; /* when it comes back */
	struct tree tree;
	struct session *sessions;
	int session_count, session_room;
	struct host hosts[NODES];
	struct message messages[MESSAGES];
	/* what the oracle and the figures need */
	char broken[200];
	bool ride_out; /* only faults that must cost nothing */
	bool device;   /* hosts have hardware watchdogs */
	usec_t thawed; /* when a host thawed last */
	struct {
		unsigned claims, proofs, recovered, resets, cancels, handovers, faults;
	} figures;
	char *trace;
	size_t trace_length, trace_room;
};

/* ---- world.c: chance, time, ZooKeeper ---- */
uint64_t chance(struct world *world, uint64_t below);
bool happens(struct world *world, unsigned percent);
void say(struct world *world, const char *format, ...) _printf_(2, 3);
void broken(struct world *world, const char *format, ...) _printf_(2, 3);
/* Sends a request of that program; false when there is no room for it. */
bool ask(struct world *world, int node, enum program program, struct message request);
void deliver(struct world *world);
void ensemble_tick(struct world *world);
bool session_lives(const struct world *world, int session);

/* ---- zookeeper.c: what a request does to the tree ---- */
int tree_apply(struct world *world, struct message *message);
void tree_session_gone(struct world *world, int session);
/* As pvc-register does at the end of a host that is shut down; false when it cannot. */
bool tree_unregister(struct world *world, int node);

/* ---- host.c: power, freezing, machines, services, storage ---- */
void host_tick(struct world *world, int node);
void host_off(struct world *world, int node, const char *why);
void host_on(struct world *world, int node);
void process_kill(struct world *world, int node, enum program program);
/* What the key `holder` means to a node, by the programs' own functions. */
enum vm_holder vm_relation(const struct vm_keys *vm, int node);
bool process_acts(const struct world *world, int node, enum program program);
void services_stop(struct world *world, int node);

/* ---- agents.c: the programs' loops around the decisions ---- */
void keepalive_tick(struct world *world, int node);
void watch_nodes_tick(struct world *world, int node);
void watch_domains_tick(struct world *world, int node);
void answered(struct world *world, const struct message *reply);
bool is_confirmed(const struct world *world, const struct process *process);

/* ---- faults.c, oracle.c ---- */
void faults_tick(struct world *world);
void faults_heal(struct world *world);
void oracle_tick(struct world *world);
void oracle_end(struct world *world);
