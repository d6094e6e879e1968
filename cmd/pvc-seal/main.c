/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pvc-seal: keeps a dead node's clients from Ceph. Whoever fences runs it as a child process. */
#include <arpa/inet.h>
#include <signal.h>

#include "log/log.h"
#include "seal.h"

#define CALL_BOUND 15 /* s: one call of Ceph's may take so much longer, and says then what it waited for */

static const char details[] =
    "All addresses of the node (/nodes/NODE/addresses, and those given) are blocklisted, and every OSD has confirmed "
    "it,\n"
    "when it ends with 0. Doing it again changes nothing. Without functions.enable_storage there is nothing to seal.\n"
    "\n"
    "Exit status: 0 done (or nothing to do), 1 it is this node, or no such node, or nobody knows its addresses,\n"
    "2 (--check) it is not sealed off, 64 usage, 69 ZooKeeper does not answer, or Ceph refuses, 71 system error,\n"
    "75 Ceph, or an OSD of it, did not answer in time, 78 configuration. See pvc(7).\n";

struct options {
	const char *config;
	bool debug, lift, check, json;
	uint64_t timeout; /* seconds */
};

/* Ceph's calls block, each with a bound of its own; this is the bound of all. */
static void on_alarm(int number) {
	static const char text[] =
	    "pvc-seal: not done within the time: Ceph or ZooKeeper is too slow; it may be run again\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(EXIT_TEMPORARY);
}

static int code_of(int error) {
	switch (-error) {
	case 0:
		return EXIT_OK;
	case ENOENT:
		return EXIT_FAILED;
	case ETIMEDOUT:
		return EXIT_TEMPORARY;
	case ENOMEM:
		return EXIT_SYSTEM;
	default:
		return EXIT_UNAVAILABLE;
	}
}

static void seal_free(struct seal *seal) {
	strlist_free(&seal->given);
	strlist_free(&seal->hosts);
	strlist_free(&seal->sealed);
	strlist_free(&seal->others);
	strlist_free(&seal->osds);
	strlist_free(&seal->volumes);
	strlist_free(&seal->clients);
	ceph_free(seal->ceph);
	store_close(seal->store);
}

static json_t *texts(const struct strlist *list) {
	json_t *array = json_array();

	for (size_t i = 0; array && i < list->count; i++)
		(void)json_array_append_new(array, json_string(list->items[i])); /* NULL is refused: it is left out */
	return array;
}

static int tell(const struct seal *seal, const struct options *options) {
	_cleanup_free_ char *hosts = strlist_join(&seal->hosts, ", "), *text = NULL;
	json_t *object;

	if (options->lift)
		log_ok("%s: no address of it is blocklisted", seal->node);
	else
		log_ok("%s is sealed off from Ceph: %s; %zu clients, %zu locks, map %llu at every OSD", seal->node,
		       hosts ? hosts : "", seal->clients.count, seal->locks, (unsigned long long)seal->epoch);
	if (!options->json)
		return EXIT_OK;
	object = json_pack("{s:s, s:b, s:o, s:o, s:I, s:I}", "node", seal->node, "sealed", !options->lift, "addresses",
			   texts(&seal->hosts), "clients", texts(&seal->clients), "locks", (json_int_t)seal->locks,
			   "epoch", (json_int_t)seal->epoch);
	text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return text && puts(text) >= 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_SYSTEM;
}

static int act(struct seal *seal, const struct options *options) {
	int r;

	if (options->check) {
		r = storage_look(seal);
		return r > 0 ? EXIT_DIFFERS : code_of(r);
	}
	if (options->lift) {
		r = storage_lift(seal);
		if (r == 0)
			r = cluster_forget(seal);
	} else {
		r = cluster_record(seal);
		if (r == 0)
			r = storage_seal(seal);
	}
	return r < 0 ? code_of(r) : tell(seal, options);
}

static int run(struct seal *seal, const struct options *options) {
	_cleanup_free_ char *error = NULL;
	int r;

	if (!seal->config->enable_storage) {
		log_info("functions.enable_storage is off: there is nothing to seal");
		return EXIT_OK;
	}
	if (str_equal(seal->node, seal->config->node) && !options->lift && !options->check) {
		log_error("%s is this node: sealed off, it would lose its own storage", seal->node);
		return EXIT_FAILED;
	}
	r = store_connect(seal->config->servers, seal->deadline, &seal->store, &error);
	if (r < 0) {
		log_error("%s", error ? error : strerror(-r));
		return EXIT_UNAVAILABLE;
	}
	r = cluster_read(seal);
	if (r < 0)
		return code_of(r);
	if (seal->hosts.count == 0 && !(options->lift && seal->sealed.count > 0)) {
		log_error(
		    "no address of %s is known that is its own alone: give them by hand, 'pvc-seal %s ADDRESS...', and "
		    "its fencing goes on (a node tells them when pvc-register starts there)",
		    seal->node, seal->node);
		return EXIT_FAILED;
	}
	r = ceph_new(&seal->ceph);
	return r < 0 ? code_of(r) : act(seal, options);
}

static int take_address(struct seal *seal, const char *text) {
	unsigned char bytes[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1) {
		fprintf(stderr, "pvc-seal: '%s' is no address; try 'pvc-seal --help'\n", text);
		return EXIT_USAGE;
	}
	return strlist_add(&seal->given, text) < 0 ? EXIT_SYSTEM : EXIT_OK;
}

int main(int argc, char **argv) {
	struct options o = {.timeout = 120};
	const struct cli_option table[] = {
	    CLI_COMMON(o.config, o.debug),
	    {"lift", 'l', CLI_FLAG, &o.lift, NULL, "undo it: let the node's clients in again", 0, 0},
	    {"check", 0, CLI_FLAG, &o.check, NULL, "change nothing; exit 0 when the node is sealed off, else 2", 0, 0},
	    {"json", 0, CLI_FLAG, &o.json, NULL, "say on standard output what was done, as one JSON object", 0, 0},
	    {"timeout", 't', CLI_NUMBER, &o.timeout, "SECONDS", "how long it may take (default: 120)", 1, 3600},
	};
	const struct cli cli = {.name = "pvc-seal",
				.synopsis = "NODE [ADDRESS]...",
				.summary = "Keep a dead node's clients from Ceph, so that its VMs can run elsewhere.",
				.details = details,
				.options = table,
				.option_count = ARRAY_SIZE(table),
				.min_arguments = 1,
				.max_arguments = 64};
	_cleanup_config_ struct config *config = NULL;
	_cleanup_(seal_free) struct seal seal = {0};
	int count, code = EXIT_OK;
	char **arguments = cli_parse(&cli, argc, argv, &count);

	seal.node = arguments[0];
	if (strchr(seal.node, '/')) {
		fprintf(stderr, "pvc-seal: '%s' is no node's name; try 'pvc-seal --help'\n", seal.node);
		return EXIT_USAGE;
	}
	for (int i = 1; i < count && code == EXIT_OK; i++)
		code = take_address(&seal, arguments[i]);
	if (code != EXIT_OK)
		return code;
	code = log_start(cli.name, o.config, o.debug, LOG_START_TERMINAL, &config);
	if (code != EXIT_OK)
		return code;
	seal.config = config;
	seal.deadline = deadline_after(o.timeout * USEC_PER_SEC);
	(void)signal(SIGALRM, on_alarm);
	(void)alarm((unsigned)o.timeout + CALL_BOUND);
	return run(&seal, &o);
}
