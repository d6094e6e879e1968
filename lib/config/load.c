/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file, the host's name, the table: from a path to a struct config. */
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sys/stat.h>

#include "config/internal.h"

const char *config_path(const char *option) {
	const char *environment = getenv("PVCD_CONFIG_FILE");

	if (option)
		return option;
	return environment && *environment ? environment : CONFIG_PATH_DEFAULT;
}

static void network_free(struct config_network *network) {
	free(network->domain);
	free(network->device);
}

static void secret_free(char *text) {
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void database_free(struct config_database *database) {
	free(database->host);
	free(database->name);
	free(database->user);
	secret_free(database->pass);
	free(database->sslmode);
	free(database->sslrootcert);
}

void config_free(struct config *config) {
	if (!config)
		return;
	free(config->path);
	free(config->fqdn);
	free(config->node);
	free(config->servers);
	strlist_free(&config->coordinators);
	network_free(&config->upstream);
	network_free(&config->cluster);
	network_free(&config->storage);
	database_free(&config->dns_database);
	database_free(&config->metadata_database);
	strlist_free(&config->zone_transfer);
	free(config->patroni_config);
	free(config->ipmi_host);
	free(config->ipmi_user);
	secret_free(config->ipmi_pass);
	free(config->watchdog);
	fence_agents_free(&config->fence_agents);
	secret_free(config->fence_credentials);
	free(config->dynamic_directory);
	free(config->log_directory);
	free(config->console_log_directory);
	free(config->bridge_device);
	free(config);
}

/* The last group of digits in the short name: pvchv12 is 12, hv1-rack3 is 3; 1 without digits, 0 when over 64 bits. */
static uint64_t node_number(const char *node) {
	size_t end = strlen(node), start;
	uint64_t number;
	_cleanup_free_ char *digits = NULL;

	while (end > 0 && !(node[end - 1] >= '0' && node[end - 1] <= '9'))
		end--;
	if (end == 0)
		return 1;
	for (start = end; start > 0 && node[start - 1] >= '0' && node[start - 1] <= '9';)
		start--;
	digits = strndup(node + start, end - start);
	return digits && parse_u64(digits, 0, UINT64_MAX, &number) >= 0 ? number : 0;
}

/* The name becomes a key of ZooKeeper and a part of host names. */
static bool is_node_name(const char *node) {
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

	return *node && strspn(node, allowed) == strlen(node);
}

static int set_host(struct config *config, const char *fqdn) {
	config->fqdn = strdup(fqdn);
	config->node = strndup(fqdn, strcspn(fqdn, "."));
	if (!config->fqdn || !config->node)
		return -ENOMEM;
	config->node_id = node_number(config->node);
	return 0;
}

/* What follows from the values. */
static int derive(struct config *config) {
	_cleanup_strbuf_ struct strbuf servers = {0};
	const char *domain = strchr(config->fqdn, '.');

	for (size_t i = 0; i < config->coordinators.count; i++) {
		const char *server = config->coordinators.items[i];
		size_t length = strcspn(server, ":");

		(void)strbuf_addf(&servers, "%s%s%s", i > 0 ? "," : "", server, server[length] ? "" : ":2181");
		if ((strlen(config->node) == length && strncmp(server, config->node, length) == 0) ||
		    (strlen(config->fqdn) == length && strncmp(server, config->fqdn, length) == 0))
			config->is_coordinator = true;
	}
	config->servers = strbuf_steal(&servers);
	if (!config->servers)
		return -ENOMEM;
	if (!*config->ipmi_host) { /* D85 */
		free(config->ipmi_host);
		config->ipmi_host = str_printf("%s-lom%s", config->node, domain && domain[1] ? domain : "");
	}
	return config->ipmi_host ? 0 : -ENOMEM;
}

/* ---- the document against the table ---- */

static struct entry *find_key(const struct document *document, const char *path) {
	_cleanup_free_ char *full = str_printf("pvc.%s", path);

	return full ? document_find(document, full) : NULL;
}

/* The entry of a key under either spelling. */
static struct entry *find_spelled(const struct value_context *context, const struct key *key) {
	const char *other = config_other_spelling(key->path);
	struct entry *entry = find_key(context->document, key->path);
	struct entry *twin = other ? find_key(context->document, other) : NULL;

	if (twin)
		twin->used = true;
	if (entry && twin && entry->kind == ENTRY_SCALAR && twin->kind == ENTRY_SCALAR &&
	    strcmp(entry->text, twin->text) != 0)
		problem_add(context->problems, twin->line, other,
			    "expected the same value as in %s on line %u: keep one", key->path, entry->line);
	return entry ? entry : twin;
}

/* Tells what is missing: the key, or the outermost mapping around it that is not there (once). */
static void missing(const struct value_context *context, const struct key *key) {
	_cleanup_free_ char *path = str_printf("pvc.%s", key->path);
	unsigned line = 1;

	for (char *dot = path; dot && (dot = strchr(dot, '.')); dot++) {
		const struct entry *parent;

		*dot = '\0';
		parent = document_find(context->document, path);
		if (parent && parent->kind != ENTRY_MAPPING)
			return; /* told as a mapping that is none */
		if (!parent) {
			for (size_t i = 0; i < context->problems->count; i++) {
				_cleanup_free_ char *told = str_printf(": %s: missing", path + strlen("pvc."));

				if (told && strstr(context->problems->items[i].text, told))
					return;
			}
			problem_add(context->problems, line, path, "missing: expected a mapping here%s%s",
				    key->needs ? ", which is needed with functions." : "",
				    key->needs ? key->needs : "");
			return;
		}
		line = parent->line;
		*dot = '.';
	}
	problem_add(context->problems, line, key->path, "missing: expected %s (%s)%s%s", value_kind_name(key->kind),
		    key->meaning, key->needs ? ", which is needed with functions." : "", key->needs ? key->needs : "");
}

static int apply_fallback(struct config *config, const struct key *key) {
	void *target = (char *)config + key->offset;

	if (key->kind == VALUE_BOOL)
		return parse_bool(key->fallback, target);
	if (key->kind == VALUE_INTEGER)
		return parse_u64(key->fallback, key->min, key->max, target);
	if (key->kind == VALUE_SSLMODE || key->kind == VALUE_DEVICE_FILE ||
	    (key->kind == VALUE_PATH && key->fallback[0] == '/')) {
		*(char **)target = strdup(key->fallback);
		return *(char **)target ? 0 : -ENOMEM;
	}
	return 0; /* VALUE_NODE: always known; the others: a text that says what nothing means */
}

static int read_table(const struct value_context *context) {
	/* functions.* come before what needs them: the table's order */
	for (size_t i = 0; i < config_table_count; i++) {
		const struct key *key = &config_table[i];
		struct entry *entry = find_spelled(context, key);
		bool wanted = !key->needs || context->config->enable_networking;
		int r = 0;

		if (entry)
			entry->used = true;
		if (entry && !wanted && entry_is_null(entry))
			continue;
		if (entry)
			r = value_read(context, key, entry);
		else if (key->fallback)
			r = apply_fallback(context->config, key);
		else if (wanted)
			missing(context, key);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_document(const struct value_context *context) {
	const struct entry *top = document_find(context->document, "pvc");
	int r;

	if (!top || top->kind != ENTRY_MAPPING) {
		problem_add(context->problems, top ? top->line : 1, NULL, "expected the mapping 'pvc', found %s",
			    top ? "it without content" : "none");
		return 0;
	}
	r = read_table(context);
	if (r < 0)
		return r;
	find_unknown_keys(context);
	if (context->problems->count > 0)
		return 0;
	return rules_apply(context);
}

int config_parse(const char *file, const char *text, size_t length, const char *fqdn, struct config **ret,
		 char **ret_error) {
	_cleanup_config_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_(document_free) struct document document = {0};
	_cleanup_(problems_free) struct problems problems = {.file = file};
	struct value_context context = {.config = config, .document = &document, .problems = &problems};
	_cleanup_free_ char *all = NULL;

	if (!config || set_host(config, fqdn) < 0)
		goto memory;
	if (!is_node_name(config->node)) {
		all = str_printable(config->fqdn, HOST_NAME_MAX);
		return error_set(ret_error, -EINVAL,
				 "this host calls itself '%s', which no node can be called: set its name"
				 " with hostnamectl",
				 all ? all : "");
	}
	config->path = strdup(file);
	if (!config->path || document_parse(text, length, &document, &problems) < 0)
		goto memory;
	if (problems.count == 0 && read_document(&context) < 0)
		goto memory;
	if (problems.failed)
		goto memory;
	if (problems.count > 0) {
		all = problems_text(&problems);
		return error_set(ret_error, -EINVAL, "%s", all ? all : "configuration is wrong");
	}
	if (derive(config) < 0)
		goto memory;
	*ret = move_ptr(config);
	return 0;
memory:
	return error_set(ret_error, -ENOMEM, "%s: not enough memory to read it", file);
}

/* ---- the file ---- */

static bool group_may_read(gid_t group) {
	const struct group *adm = getgrnam("adm"); /* Debian's group for those who may read logs */

	return group == 0 || (adm && adm->gr_gid == group);
}

/* The file holds passwords: nobody else may read or change it. */
static int check_mode(const char *path, char **ret_error) {
	unsigned mode, excess;
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return error_set(ret_error, -EINVAL, "%s: expected a file, found a directory or device", path);
	mode = st.st_mode & 07777;
	excess = mode & 0006;
	if ((mode & 0040) && !group_may_read(st.st_gid))
		excess |= mode & 0060;
	if (!excess)
		return 0;
	return error_set(ret_error, -EACCES,
			 "%s: holds passwords, but its mode %04o lets others %s it: run chmod %s%s %s", path, mode,
			 excess & 0044 ? "read" : "change", excess & 0006 ? "o-rw" : "",
			 excess & 0060 ? (excess & 0006 ? ",g-rw" : "g-rw") : "", path);
}

int config_load_as(const char *path, const char *fqdn, struct config **ret, char **ret_error) {
	_cleanup_free_ char *text = NULL, *why = NULL;
	size_t length = 0;
	int r;

	r = check_mode(path, &why);
	if (r >= 0)
		r = file_read(path, CONFIG_SIZE_MAX, &text, &length);
	if (r == -EFBIG)
		return error_set(ret_error, -EINVAL, "%s: expected at most %u bytes, found more: is this pvcd.yaml?",
				 path, CONFIG_SIZE_MAX);
	if (r < 0)
		return why ? error_set(ret_error, r, "%s", why)
			   : error_set(ret_error, r, "%s: cannot be read: %s", path, strerror(-r));
	r = config_parse(path, text, length, fqdn, ret, ret_error);
	explicit_bzero(text, length);
	return r;
}

int config_load(const char *path, struct config **ret, char **ret_error) {
	char fqdn[HOST_NAME_MAX + 1] = {0};

	if (gethostname(fqdn, sizeof(fqdn) - 1) < 0)
		return error_set(ret_error, -errno, "the host's name cannot be read: %s", strerror(errno));
	return config_load_as(path, fqdn, ret, ret_error);
}
