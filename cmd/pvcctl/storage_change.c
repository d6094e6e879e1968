/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs that change storage: each makes the text of a command (data model, 8) and has it carried out. */
#include "storage.h"

/* text and done are freed or taken. */
static int ask(struct ctl *ctl, char *text, char *done) {
	int r = done ? storage_request(ctl, STORAGE_CMD_CEPH, text, done) : failed(-ENOMEM, "out of memory");

	if (!done)
		free(text);
	free(done);
	return r;
}

/* A volume that VMs have as a disk is neither deleted nor renamed under them, unless that is meant. */
static int check_unused(struct ctl *ctl, const char *pool, const char *volume, const char *what) {
	_cleanup_strlist_ struct strlist users = {0};
	int r = ctl->options.yes ? 0 : storage_users(ctl, pool, volume, &users);

	if (r < 0)
		return failed(r, "cannot read the VMs: %s", store_error_text(r));
	if (users.count == 0)
		return EXIT_OK;
	return failed_with(
	    EXIT_FAILED, "%s%s%s is a disk of VM '%s'%s; take it out of there, or say --yes to %s it anyway", pool,
	    volume ? "/" : "", volume ? volume : "", users.items[0], users.count > 1 ? " and others" : "", what);
}

/* ---- OSDs ---- */

int storage_osd_add(struct ctl *ctl) {
	const char *weight = ctl->options.weight ? ctl->options.weight : "1.0";

	return ask(ctl, str_printf("osd_add %s,%s,%s", ctl->arguments[0], ctl->arguments[1], weight),
		   str_printf("%s of node %s is an OSD.", ctl->arguments[1], ctl->arguments[0]));
}

int storage_osd_remove(struct ctl *ctl) {
	return ask(ctl, str_printf("osd_remove %s", ctl->arguments[0]),
		   str_printf("OSD %s is removed.", ctl->arguments[0]));
}

int storage_osd_in(struct ctl *ctl) {
	return ask(ctl, str_printf("osd_in %s", ctl->arguments[0]),
		   str_printf("OSD %s is in: it gets data.", ctl->arguments[0]));
}

int storage_osd_out(struct ctl *ctl) {
	return ask(ctl, str_printf("osd_out %s", ctl->arguments[0]),
		   str_printf("OSD %s is out: its data move to the others.", ctl->arguments[0]));
}

int storage_osd_set(struct ctl *ctl) {
	return ask(ctl, str_printf("osd_set %s", ctl->arguments[0]),
		   str_printf("The flag %s is set.", ctl->arguments[0]));
}

int storage_osd_unset(struct ctl *ctl) {
	return ask(ctl, str_printf("osd_unset %s", ctl->arguments[0]),
		   str_printf("The flag %s is not set any more.", ctl->arguments[0]));
}

/* ---- pools ---- */

int storage_pool_add(struct ctl *ctl) {
	unsigned long long copies = ctl->options.copies;
	unsigned long long least = ctl->options.mincopies ? ctl->options.mincopies : copies > 1 ? copies - 1 : 1;

	return ask(ctl,
		   str_printf("pool_add %s,%s,copies=%llu,mincopies=%llu", ctl->arguments[0], ctl->arguments[1], copies,
			      least),
		   str_printf("Pool %s is there, with %llu copies of everything.", ctl->arguments[0], copies));
}

int storage_pool_remove(struct ctl *ctl) {
	const char *pool = ctl->arguments[0];
	_cleanup_storage_objects_ struct storage_objects volumes = {0};
	int r = check_unused(ctl, pool, NULL, "remove");

	if (r != EXIT_OK)
		return r;
	r = storage_read(ctl, STORAGE_VOLUMES, pool, NULL, &volumes);
	if (r < 0)
		return failed(r, "cannot read the volumes: %s", store_error_text(r));
	if (volumes.count > 0 && !ctl->options.yes)
		return failed_with(EXIT_FAILED, "pool %s has %zu volumes ('%s'%s); say --yes to delete them with it",
				   pool, volumes.count, volumes.items[0].name, volumes.count > 1 ? " and others" : "");
	return ask(ctl, str_printf("pool_remove %s", pool), str_printf("Pool %s is removed.", pool));
}

/* ---- volumes ---- */

static int parse_size(const char *text, uint64_t *ret) {
	_cleanup_free_ char *shown = str_printable(text, 60);

	if (size_parse(text, ret) == 0)
		return EXIT_OK;
	return failed_with(
	    EXIT_USAGE,
	    "'%s' is no size: expected a number above 0 with a unit (B, K, M, G, T, P; powers of 1024), as "
	    "10G or 1.5T",
	    shown ? shown : "?");
}

int storage_volume_add(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name name = {0};
	_cleanup_free_ char *shown = NULL;
	uint64_t bytes = 0;
	int r = storage_name_parse(ctl->arguments[0], false, &name);

	if (r == EXIT_OK)
		r = parse_size(ctl->arguments[1], &bytes);
	if (r != EXIT_OK)
		return r;
	shown = size_text((int64_t)bytes);
	return ask(ctl, str_printf("volume_add %s,%s,%lluB", name.pool, name.volume, (unsigned long long)bytes),
		   str_printf("Volume %s/%s is there, with %s.", name.pool, name.volume, shown ? shown : "its size"));
}

int storage_volume_resize(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name name = {0};
	_cleanup_free_ char *shown = NULL;
	uint64_t bytes = 0;
	int r = storage_name_parse(ctl->arguments[0], false, &name);

	if (r == EXIT_OK)
		r = parse_size(ctl->arguments[1], &bytes);
	if (r != EXIT_OK)
		return r;
	shown = size_text((int64_t)bytes);
	return ask(ctl, str_printf("volume_resize %s,%s,%lluB", name.pool, name.volume, (unsigned long long)bytes),
		   str_printf("Volume %s/%s has %s.", name.pool, name.volume, shown ? shown : "its size"));
}

/* The new name is one in the same pool: "POOL/NEW" is understood too. */
static int new_name(const struct storage_name *name, const char *text, const char **ret) {
	size_t length = strlen(name->pool);

	if (strncmp(text, name->pool, length) == 0 && text[length] == '/')
		text += length + 1;
	if (strpbrk(text, "/@,"))
		return failed_with(EXIT_USAGE, "'%s' cannot be the new name: it stays in pool %s", text, name->pool);
	*ret = text;
	return EXIT_OK;
}

int storage_volume_rename(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name name = {0};
	const char *to = NULL;
	int r = storage_name_parse(ctl->arguments[0], false, &name);

	if (r == EXIT_OK)
		r = new_name(&name, ctl->arguments[1], &to);
	if (r == EXIT_OK)
		r = check_unused(ctl, name.pool, name.volume, "rename");
	if (r != EXIT_OK)
		return r;
	return ask(ctl, str_printf("volume_rename %s,%s,%s", name.pool, name.volume, to),
		   str_printf("Volume %s/%s is now %s/%s.", name.pool, name.volume, name.pool, to));
}

int storage_volume_clone(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name name = {0};
	const char *to = NULL;
	int r = storage_name_parse(ctl->arguments[0], false, &name);

	if (r == EXIT_OK)
		r = new_name(&name, ctl->arguments[1], &to);
	if (r != EXIT_OK)
		return r;
	return ask(ctl, str_printf("volume_clone %s,%s,%s", name.pool, name.volume, to),
		   str_printf("Volume %s/%s is a copy of %s/%s.", name.pool, to, name.pool, name.volume));
}

int storage_volume_remove(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name name = {0};
	int r = storage_name_parse(ctl->arguments[0], false, &name);

	if (r == EXIT_OK)
		r = check_unused(ctl, name.pool, name.volume, "remove");
	if (r != EXIT_OK)
		return r;
	return ask(ctl, str_printf("volume_remove %s,%s", name.pool, name.volume),
		   str_printf("Volume %s/%s is removed.", name.pool, name.volume));
}

/* ---- snapshots ---- */

int storage_snapshot_add(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name n = {0};
	int r = storage_name_parse(ctl->arguments[0], true, &n);

	return r != EXIT_OK ? r
			    : ask(ctl, str_printf("snapshot_add %s,%s,%s", n.pool, n.volume, n.snapshot),
				  str_printf("Snapshot %s is there.", ctl->arguments[0]));
}

int storage_snapshot_rename(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name n = {0};
	int r = storage_name_parse(ctl->arguments[0], true, &n);

	return r != EXIT_OK
		   ? r
		   : ask(ctl,
			 str_printf("snapshot_rename %s,%s,%s,%s", n.pool, n.volume, n.snapshot, ctl->arguments[1]),
			 str_printf("Snapshot %s is now %s/%s@%s.", ctl->arguments[0], n.pool, n.volume,
				    ctl->arguments[1]));
}

int storage_snapshot_remove(struct ctl *ctl) {
	_cleanup_storage_name_ struct storage_name n = {0};
	int r = storage_name_parse(ctl->arguments[0], true, &n);

	return r != EXIT_OK ? r
			    : ask(ctl, str_printf("snapshot_remove %s,%s,%s", n.pool, n.volume, n.snapshot),
				  str_printf("Snapshot %s is removed.", ctl->arguments[0]));
}

/* ---- locks ---- */

int vm_flush_locks(struct ctl *ctl) {
	_cleanup_vm_ref_ struct vm_ref vm = {0};
	_cleanup_free_ char *done = NULL;
	int r = vm_find(ctl, ctl->arguments[0], &vm);

	if (r != EXIT_OK)
		return r;
	done = str_printf("The volumes of VM '%s' are free.", vm.name);
	return storage_request(ctl, STORAGE_CMD_DOMAINS, str_printf("flush_locks %s", vm.uuid), done ? done : "Done.");
}
