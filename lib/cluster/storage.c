/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/storage.h"

#include <math.h>

enum field {
	END,
	NODE,
	DEVICE,
	WEIGHT,
	OSD,
	FLAG,
	POOL,
	VOLUME,
	SNAPSHOT,
	NEW_NAME,
	PREFIX, /* may be left out */
	PGS,
	COPIES,
	MINCOPIES,
	BYTES,
	VM,
};

enum need { ANY, MUST, MUST_NOT };

#define FIELDS_MAX 4
static const struct {
	const char *name;
	enum storage_queue queue;
	enum storage_place place;
	enum field fields[FIELDS_MAX];
	enum need pool, volume, snapshot, new_name, osd;
} verbs[STORAGE_VERB_COUNT] = {
    /* clang-format off */
    [STORAGE_OSD_ADD]         = {"osd_add", STORAGE_CMD_CEPH, STORAGE_ON_NODE, {NODE, DEVICE, WEIGHT}, .osd = MUST_NOT},
    [STORAGE_OSD_REMOVE]      = {"osd_remove", STORAGE_CMD_CEPH, STORAGE_ON_OWNER, {OSD}, .osd = MUST},
    [STORAGE_OSD_IN]          = {"osd_in", STORAGE_CMD_CEPH, STORAGE_ON_OWNER, {OSD}, .osd = MUST},
    [STORAGE_OSD_OUT]         = {"osd_out", STORAGE_CMD_CEPH, STORAGE_ON_OWNER, {OSD}, .osd = MUST},
    [STORAGE_OSD_SET]         = {"osd_set", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {FLAG}},
    [STORAGE_OSD_UNSET]       = {"osd_unset", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {FLAG}},
    [STORAGE_POOL_ADD]        = {"pool_add", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, PGS, COPIES, MINCOPIES}, MUST_NOT},
    [STORAGE_POOL_REMOVE]     = {"pool_remove", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL}, MUST},
    [STORAGE_VOLUME_ADD]      = {"volume_add", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME, BYTES}, MUST, MUST_NOT},
    [STORAGE_VOLUME_CLONE]    = {"volume_clone", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME, NEW_NAME, PREFIX}, MUST, MUST, .new_name = MUST_NOT},
    [STORAGE_VOLUME_RESIZE]   = {"volume_resize", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME, BYTES}, MUST, MUST},
    [STORAGE_VOLUME_RENAME]   = {"volume_rename", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME, NEW_NAME}, MUST, MUST, .new_name = MUST_NOT},
    [STORAGE_VOLUME_REMOVE]   = {"volume_remove", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME}, MUST, MUST},
    [STORAGE_SNAPSHOT_ADD]    = {"snapshot_add", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME, SNAPSHOT}, MUST, MUST, MUST_NOT},
    [STORAGE_SNAPSHOT_RENAME] = {"snapshot_rename", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME, SNAPSHOT, NEW_NAME}, MUST, MUST, MUST, MUST_NOT},
    [STORAGE_SNAPSHOT_REMOVE] = {"snapshot_remove", STORAGE_CMD_CEPH, STORAGE_ON_PRIMARY, {POOL, VOLUME, SNAPSHOT}, MUST, MUST, MUST},
    [STORAGE_FLUSH_LOCKS]     = {"flush_locks", STORAGE_CMD_DOMAINS, STORAGE_ON_PRIMARY, {VM}},
    /* clang-format on */
};

const char *storage_verb_name(enum storage_verb verb) {
	return verb >= 0 && verb < STORAGE_VERB_COUNT ? verbs[verb].name : NULL;
}

enum storage_place storage_place(enum storage_verb verb) {
	return verbs[verb].place;
}

bool storage_is_command(const char *text) {
	return text && *text && !str_starts(text, "success-") && !str_starts(text, "failure-");
}

void storage_command_free(struct storage_command *command) {
	free(command->node);
	free(command->device);
	free(command->flag);
	free(command->pool);
	free(command->volume);
	free(command->snapshot);
	free(command->name);
	free(command->vm);
	*command = (struct storage_command){0};
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static bool only(const char *text, const char *extra) {
	for (const char *c = text; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') &&
		    !strchr(extra, *c))
			return false;
	return *text != '\0';
}

/* A name becomes a part of a path in ZooKeeper and an argument of Ceph's: printable, no separators of either. */
static int name(const char *text, const char *what, char **ret, char **ret_error) {
	bool odd = strlen(text) > STORAGE_NAME_MAX || strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || *text == '-';

	for (const char *c = text; *c && !odd; c++)
		odd = *c <= ' ' || *c >= 0x7f || strchr("/@,", *c);
	if (!*text)
		return error_set(ret_error, -EINVAL, "the %s name is missing", what);
	if (odd)
		return error_set(
		    ret_error, -EINVAL,
		    "'%s' cannot be a %s name (up to %u printable characters, no blank, comma, '/' or '@', "
		    "and no '-' first)",
		    text, what, STORAGE_NAME_MAX);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret, char **ret_error) {
	if (parse_u64(text, min, max, ret) < 0)
		return error_set(ret_error, -EINVAL, "%s: expected a number from %llu to %llu, found '%s'", what,
				 (unsigned long long)min, (unsigned long long)max, text);
	return 0;
}

/* "10737418240B", also with K, M, G, T, P for powers of 1024. */
static int bytes(const char *text, uint64_t *ret, char **ret_error) {
	static const char units[] = "BKMGTP";
	size_t length = strlen(text);
	const char *unit = length > 1 ? strchr(units, text[length - 1]) : NULL;
	_cleanup_free_ char *digits = unit ? strndup(text, length - 1) : NULL;
	uint64_t value = 0, factor = unit ? 1ull << (10 * (unit - units)) : 1;

	if (unit && !digits)
		return -ENOMEM;
	if (!unit || parse_u64(digits, 1, STORAGE_BYTES_MAX / factor, &value) < 0)
		return error_set(
		    ret_error, -EINVAL,
		    "size: expected a number above 0 and a unit (B, K, M, G, T, P), as 10737418240B or 10G, "
		    "1024P at the most, found '%s'",
		    text);
	*ret = value * factor;
	return 0;
}

static int weight(const char *text, double *ret, char **ret_error) {
	char *end;
	double value = strtod(text, &end);

	if (!only(text, ".") || *end || !isfinite(value) || value < 0 || value > 10000)
		return error_set(ret_error, -EINVAL, "weight: expected a number from 0 to 10000, found '%s'", text);
	*ret = value;
	return 0;
}

static int keyed(const char *text, const char *key, uint64_t max, uint64_t *ret, char **ret_error) {
	size_t length = strlen(key);

	if (strncmp(text, key, length) != 0 || text[length] != '=')
		return error_set(ret_error, -EINVAL, "expected %s=NUMBER, found '%s'", key, text);
	return number(text + length + 1, key, 1, max, ret, ret_error);
}

static int uuid(const char *text, char **ret, char **ret_error) {
	if (strlen(text) != 36 || !only(text, "-"))
		return error_set(ret_error, -EINVAL, "expected a VM's uuid, found '%s'", text);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int device(const char *text, char **ret, char **ret_error) {
	if (!str_starts(text, "/dev/") || !only(text, "/-_.:+@=") || strstr(text, "/../"))
		return error_set(ret_error, -EINVAL, "expected a block device below /dev, found '%s'", text);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int word(const char *text, const char *what, const char *extra, char **ret, char **ret_error) {
	if (strlen(text) > STORAGE_NAME_MAX || !only(text, extra) || *text == '-' || *text == '.')
		return error_set(ret_error, -EINVAL, "'%s' is no %s", text, what);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int prefix(struct storage_command *command, const char *text, char **ret_error) {
	_cleanup_free_ char *whole = str_printf("%s%s", text, command->name);

	if (!whole)
		return -ENOMEM;
	free(move_ptr(command->name));
	return name(whole, "volume", &command->name, ret_error);
}

static int take(struct storage_command *c, enum field field, const char *text, char **e) {
	switch (field) {
	case NODE:
		return word(text, "node's name", "-.", &c->node, e);
	case DEVICE:
		return device(text, &c->device, e);
	case WEIGHT:
		return weight(text, &c->weight, e);
	case OSD:
		return number(text, "OSD", 0, INT32_MAX, &c->osd, e);
	case FLAG:
		return word(text, "flag of OSDs", "_-", &c->flag, e);
	case POOL:
		return name(text, "pool", &c->pool, e);
	case VOLUME:
		return name(text, "volume", &c->volume, e);
	case SNAPSHOT:
		return name(text, "snapshot", &c->snapshot, e);
	case NEW_NAME:
		return name(text, "new", &c->name, e);
	case PREFIX:
		return prefix(c, text, e);
	case PGS:
		return number(text, "placement groups", 1, 65536, &c->pgs, e);
	case COPIES:
		return keyed(text, "copies", 10, &c->copies, e);
	case MINCOPIES:
		return keyed(text, "mincopies", 10, &c->mincopies, e);
	case BYTES:
		return bytes(text, &c->bytes, e);
	case VM:
		return uuid(text, &c->vm, e);
	case END:
		break;
	}
	return -EINVAL;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static int find(enum storage_queue queue, const char *text, size_t length, enum storage_verb *ret) {
	for (size_t i = 0; i < STORAGE_VERB_COUNT; i++)
		if (verbs[i].queue == queue && strlen(verbs[i].name) == length &&
		    strncmp(verbs[i].name, text, length) == 0) {
			*ret = (enum storage_verb)i;
			return 0;
		}
	return -EINVAL;
}

/* Splits at every comma, so that empty fields are seen. */
static int fields(struct storage_command *command, char *arguments, char **ret_error) {
	size_t wanted = 0, least, count = 0;
	char *rest = arguments;
	int r = 0;

	while (wanted < FIELDS_MAX && verbs[command->verb].fields[wanted] != END)
		wanted++;
	least = verbs[command->verb].fields[wanted - 1] == PREFIX ? wanted - 1 : wanted;
	while (rest && r == 0) {
		char *field = strsep(&rest, ",");

		if (count < wanted)
			r = take(command, verbs[command->verb].fields[count], field, ret_error);
		count++;
	}
	if (r == 0 && (count < least || count > wanted))
		return error_set(ret_error, -EINVAL, "%s: expected %zu fields, found %zu", verbs[command->verb].name,
				 wanted, count);
	return r;
}

int storage_parse(enum storage_queue queue, const char *text, struct storage_command *ret, char **ret_error) {
	_cleanup_storage_command_ struct storage_command command = {0};
	const char *blank = strchr(text, ' ');
	_cleanup_free_ char *arguments = NULL;
	int r;

	if (strlen(text) > STORAGE_COMMAND_MAX)
		return error_set(ret_error, -EINVAL, "longer than %u bytes", STORAGE_COMMAND_MAX);
	if (find(queue, text, blank ? (size_t)(blank - text) : strlen(text), &command.verb) < 0)
		return error_set(ret_error, -EINVAL, "no such command");
	if (!blank || !blank[1] || strpbrk(blank + 1, " \t\r\n"))
		return error_set(ret_error, -EINVAL, "expected one blank and then arguments with commas between");
	arguments = strdup(blank + 1);
	if (!arguments)
		return -ENOMEM;
	r = fields(&command, arguments, ret_error);
	if (r == 0 && command.verb == STORAGE_POOL_ADD && command.mincopies > command.copies)
		r = error_set(ret_error, -EINVAL, "mincopies=%llu is more than copies=%llu",
			      (unsigned long long)command.mincopies, (unsigned long long)command.copies);
	if (r < 0)
		return r;
	*ret = command;
	command = (struct storage_command){0};
	return 0;
}

enum storage_turn storage_turn(const struct storage_turn_view *view) {
	if (!view->understood)
		return view->primary ? STORAGE_REFUSE : STORAGE_OTHERS;
	if (view->place == STORAGE_ON_PRIMARY)
		return view->primary ? STORAGE_MINE : STORAGE_OTHERS;
	if (view->here)
		return STORAGE_MINE;
	return view->primary && !view->runs ? STORAGE_REFUSE : STORAGE_OTHERS;
}

static int need(enum need need, bool is, const char *what, const char *which, char **ret_error) {
	if (need == MUST && !is)
		return error_set(ret_error, -ENOENT, "the cluster has no %s '%s'", what, which);
	if (need == MUST_NOT && is)
		return error_set(ret_error, -EEXIST, "the cluster already has a %s '%s'", what, which);
	return 0;
}

int storage_check(const struct storage_command *command, const struct storage_facts *facts, char **ret_error) {
	const enum storage_verb verb = command->verb;
	int r = need(verbs[verb].pool, facts->pool, "pool", command->pool, ret_error);

	if (r == 0)
		r = need(verbs[verb].volume, facts->volume, "volume", command->volume, ret_error);
	if (r == 0)
		r = need(verbs[verb].snapshot, facts->snapshot, "snapshot", command->snapshot, ret_error);
	if (r == 0)
		r = need(verbs[verb].new_name, facts->name, command->snapshot ? "snapshot" : "volume", command->name,
			 ret_error);
	if (r == 0 && verbs[verb].osd == MUST && !facts->osd)
		r = error_set(ret_error, -ENOENT, "the cluster has no OSD %llu", (unsigned long long)command->osd);
	if (r == 0 && verbs[verb].osd == MUST_NOT && facts->osd)
		r = error_set(ret_error, -EEXIST, "an OSD of node %s is on %s already", command->node, command->device);
	if (r == 0 && verb == STORAGE_FLUSH_LOCKS && !facts->vm)
		r = error_set(ret_error, -ENOENT, "the cluster has no VM %s", command->vm);
	if (r == 0 && verb == STORAGE_FLUSH_LOCKS && !facts->vm_off)
		r = error_set(ret_error, -EBUSY,
			      "VM %s is not stopped: without its locks a VM that runs would lose its volumes",
			      command->vm);
	return r;
}

bool storage_client_on(const char *client, const struct strlist *hosts) {
	bool bracket = *client == '[';
	const char *begin = client + bracket, *end = strchr(begin, bracket ? ']' : ':');

	for (size_t i = 0; end && i < hosts->count; i++)
		if (strlen(hosts->items[i]) == (size_t)(end - begin) &&
		    strncmp(hosts->items[i], begin, (size_t)(end - begin)) == 0)
			return true;
	return false;
}

char *storage_host_client(const char *host) {
	return str_printf(strchr(host, ':') ? "[%s]:0/0" : "%s:0/0", host);
}

bool storage_client_blocklisted(const char *client, const struct strlist *blocklisted) {
	const char *port = strrchr(client, ':');

	for (size_t i = 0; port && i < blocklisted->count; i++) {
		const char *entry = blocklisted->items[i];
		size_t length = (size_t)(port - client);

		if (str_equal(entry, client) ||
		    (strncmp(entry, client, length) == 0 && str_equal(entry + length, ":0/0")))
			return true;
	}
	return false;
}

int storage_seal_hosts(const struct strlist *victims, const struct strlist *others, struct strlist *ret) {
	int r = 0;

	for (size_t i = 0; i < victims->count && r == 0; i++)
		if (!strlist_contains(others, victims->items[i]) && !strlist_contains(ret, victims->items[i]))
			r = strlist_add(ret, victims->items[i]);
	return r;
}

bool storage_seal_takes(const char *client, const struct strlist *victims, const struct strlist *others) {
	return storage_client_on(client, victims) || !storage_client_on(client, others);
}

enum storage_hold storage_hold(const char *client, bool locked, const struct strlist *own,
			       const struct strlist *blocklisted) {
	if (storage_client_on(client, own) || storage_client_blocklisted(client, blocklisted))
		return locked ? STORAGE_HOLD_STALE : STORAGE_HOLD_IGNORED;
	return STORAGE_HOLD_FOREIGN;
}
