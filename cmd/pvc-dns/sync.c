/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * On a worker: the zones of the plan against PowerDNS' tables. Everything is read in three statements; a zone that
 * differs is locked, read again and changed in one transaction of its own. So two that are at it at once (a former
 * primary that has not noticed) come one after the other, and a serial grows by one for each change.
 */
#include "daemon.h"

#define OPEN_TIME (10 * USEC_PER_SEC)

/* ---- reading --------------------------------------------------------------------------------------------------- */

struct tables {
	struct sql_rows *records, *marks; /* both ordered by zone */
	struct dns_row *rows;
	struct dns_mark *mark_list;
};

static void tables_free(struct tables *tables) {
	sql_rows_free(tables->records);
	sql_rows_free(tables->marks);
	free(tables->rows);
	free(tables->mark_list);
	*tables = (struct tables){0};
}

static int run(struct sync *sync, const char *statement, const char *const *parameters, size_t count,
	       struct sql_rows **ret) {
	return sql_run(sync->sql, statement, parameters, count, sync->deadline, ret, &sync->error);
}

/* ids: an array of zones, as PostgreSQL writes it. */
static int tables_read(struct sync *sync, const char *ids, struct tables *tables) {
	int r =
	    run(sync,
		"SELECT domain_id, id, name, type, content, coalesce(ttl, 0), coalesce(disabled, false) FROM records "
		"WHERE domain_id = ANY($1::int[]) ORDER BY domain_id, id",
		&ids, 1, &tables->records);
	size_t rows, marks;

	if (r >= 0)
		r = run(sync,
			"SELECT domain_id, id, name, type, comment FROM comments WHERE account = '" DNS_ACCOUNT "' "
			"AND domain_id = ANY($1::int[]) ORDER BY domain_id, id",
			&ids, 1, &tables->marks);
	if (r < 0)
		return r;
	rows = sql_rows_count(tables->records);
	marks = sql_rows_count(tables->marks);
	tables->rows = calloc(rows + 1, sizeof(*tables->rows));
	tables->mark_list = calloc(marks + 1, sizeof(*tables->mark_list));
	if (!tables->rows || !tables->mark_list)
		return -ENOMEM;
	for (size_t i = 0; i < rows; i++) {
		struct dns_row *row = &tables->rows[i];
		uint64_t ttl = 0;

		(void)parse_u64(sql_value(tables->records, i, 5), 0, UINT32_MAX, &ttl); /* else 0, which differs */
		*row = (struct dns_row){.id = sql_value(tables->records, i, 1),
					.name = sql_value(tables->records, i, 2),
					.type = sql_value(tables->records, i, 3),
					.content = sql_value(tables->records, i, 4),
					.ttl = (unsigned)ttl,
					.disabled = *sql_value(tables->records, i, 6) == 't'};
	}
	for (size_t i = 0; i < marks; i++)
		tables->mark_list[i] = (struct dns_mark){.id = sql_value(tables->marks, i, 1),
							 .name = sql_value(tables->marks, i, 2),
							 .type = sql_value(tables->marks, i, 3),
							 .content = sql_value(tables->marks, i, 4)};
	return 0;
}

/* How many rows from `at` on belong to that zone; *ret_first is the first one. */
static size_t rows_of(const struct sql_rows *rows, const char *zone, size_t *ret_first) {
	size_t low = 0, count = sql_rows_count(rows), end;
	unsigned long wanted = strtoul(zone, NULL, 10); /* the database's own number */

	for (size_t high = count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (strtoul(sql_value(rows, middle, 0), NULL, 10) < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < count && str_equal(sql_value(rows, end, 0), zone); end++)
		;
	*ret_first = low;
	return end - low;
}

static struct dns_there there_of(const struct tables *tables, const char *zone) {
	struct dns_there there = {0};
	size_t first;

	there.row_count = rows_of(tables->records, zone, &first);
	there.rows = tables->rows + first;
	there.mark_count = rows_of(tables->marks, zone, &first);
	there.marks = tables->mark_list + first;
	return there;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void array_add(struct strbuf *array, const char *text) {
	(void)strbuf_puts(array, array->length ? ",\"" : "{\"");
	for (; *text; text++)
		(void)strbuf_addf(array, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	(void)strbuf_puts(array, "\"");
}

static char *array_end(struct strbuf *array) {
	(void)strbuf_puts(array, array->length ? "}" : "{}");
	return strbuf_steal(array);
}

static char *array_of(const struct strlist *list) {
	_cleanup_strbuf_ struct strbuf array = {0};

	for (size_t i = 0; i < list->count; i++)
		array_add(&array, list->items[i]);
	return array_end(&array);
}

static int delete_ids(struct sync *sync, const char *statement, const char *zone, const struct strlist *ids) {
	_cleanup_free_ char *array = array_of(ids);
	const char *parameters[] = {zone, array};

	if (!array)
		return -ENOMEM;
	return ids->count > 0 ? run(sync, statement, parameters, 2, NULL) : 0;
}

static int insert(struct sync *sync, const char *statement, const char *zone, const struct dns_record *const *records,
		  size_t count) {
	_cleanup_strbuf_ struct strbuf names = {0}, types = {0}, contents = {0}, ttls = {0};
	_cleanup_free_ char *name = NULL, *type = NULL, *content = NULL, *ttl = NULL;
	char number[16];

	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(number, sizeof(number), "%u", records[i]->ttl);
		array_add(&names, records[i]->name);
		array_add(&types, records[i]->type);
		array_add(&contents, records[i]->content);
		array_add(&ttls, number);
	}
	name = array_end(&names);
	type = array_end(&types);
	content = array_end(&contents);
	ttl = array_end(&ttls);
	if (!name || !type || !content || !ttl)
		return -ENOMEM;
	return run(sync, statement, (const char *const[]){zone, name, type, content, ttl}, 5, NULL);
}

static int write_soa(struct sync *sync, const char *zone, const char *name, const struct dns_changes *changes) {
	char ttl[16];

	if (!changes->soa)
		return 0;
	(void)snprintf(ttl, sizeof(ttl), "%u", DNS_TTL_ZONE);
	if (changes->soa_id)
		return run(sync, "UPDATE records SET content = $3, disabled = false WHERE domain_id = $1 AND id = $2",
			   (const char *const[]){zone, changes->soa_id, changes->soa}, 3, NULL);
	return run(sync,
		   "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) "
		   "VALUES ($1, $2, 'SOA', $3, $4, 0, false, true)",
		   (const char *const[]){zone, name, changes->soa, ttl}, 4, NULL);
}

static bool is_nothing(const struct dns_changes *changes) {
	return !dns_changes_any(changes) && !changes->soa && changes->delete_marks.count == 0 &&
	       changes->insert_mark_count == 0;
}

static int write_changes(struct sync *sync, const char *zone, const char *name, const struct dns_changes *changes) {
	int r = delete_ids(sync, "DELETE FROM records WHERE domain_id = $1 AND id = ANY($2::bigint[])", zone,
			   &changes->delete_rows);

	if (r >= 0)
		r = delete_ids(sync, "DELETE FROM comments WHERE domain_id = $1 AND id = ANY($2::int[])", zone,
			       &changes->delete_marks);
	if (r >= 0)
		r = insert(sync,
			   "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) "
			   "SELECT $1, n, t, c, l, 0, false, true "
			   "FROM unnest($2::text[], $3::text[], $4::text[], $5::int[]) AS u(n, t, c, l)",
			   zone, changes->insert_rows, changes->insert_row_count);
	if (r >= 0)
		r = insert(sync,
			   "INSERT INTO comments (domain_id, name, type, modified_at, account, comment) "
			   "SELECT $1, n, t, extract(epoch FROM now())::int, '" DNS_ACCOUNT "', c "
			   "FROM unnest($2::text[], $3::text[], $4::text[], $5::int[]) AS u(n, t, c, l)",
			   zone, changes->insert_marks, changes->insert_mark_count);
	return r < 0 ? r : write_soa(sync, zone, name, changes);
}

static int remove_zone(struct sync *sync, const char *zone) {
	/* its SOA, and what a schema without foreign keys would leave */
	int r = run(sync, "DELETE FROM records WHERE domain_id = $1", &zone, 1, NULL);

	if (r >= 0)
		r = run(sync, "DELETE FROM comments WHERE domain_id = $1", &zone, 1, NULL);
	return r < 0 ? r : run(sync, "DELETE FROM domains WHERE id = $1", &zone, 1, NULL);
}

static int add_zone(struct sync *sync, const char *name, struct sql_rows **ret) {
	return run(sync,
		   "INSERT INTO domains (name, type, account, notified_serial) VALUES ($1, 'MASTER', '" DNS_ACCOUNT
		   "', 0) "
		   "ON CONFLICT DO NOTHING RETURNING id",
		   &name, 1, ret);
}

/* ---- one zone -------------------------------------------------------------------------------------------------- */

struct target {
	const struct dns_zone *zone; /* NULL: its networks are gone */
	const char *id;              /* NULL: not there yet */
	const char *name;
	uint32_t serial; /* of a new one */
};

/* Inside a transaction, the zone locked: reads again, decides, writes. */
static int change_locked(struct sync *sync, const struct target *target, const char *id, bool adopt) {
	_cleanup_dns_changes_ struct dns_changes changes = {0};
	_cleanup_free_ char *ids = str_printf("{%s}", id);
	struct tables tables = {0};
	struct dns_there there;
	int r = ids ? tables_read(sync, ids, &tables) : -ENOMEM;

	if (r >= 0) {
		there = there_of(&tables, id);
		there.adopt = adopt;
		r = dns_diff(target->zone, &there, target->serial, &changes);
	}
	if (r >= 0)
		r = write_changes(sync, id, target->name, &changes);
	if (r >= 0 && adopt)
		r = run(sync, "UPDATE domains SET account = '" DNS_ACCOUNT "' WHERE id = $1", &id, 1, NULL);
	if (r >= 0 && !target->zone && !changes.foreign)
		r = remove_zone(sync, id);
	if (r >= 0 && !target->zone)
		r = changes.foreign
			? strlist_addf(&sync->changes,
				       "zone %s: no longer of a network; it stays for the records of others",
				       target->name)
			: strlist_addf(&sync->changes, "zone %s is removed: no network has it", target->name);
	else if (r >= 0 && dns_changes_any(&changes))
		r = strlist_addf(&sync->changes, "zone %s: %zu records more, %zu less%s", target->name,
				 changes.insert_row_count, changes.delete_rows.count,
				 adopt ? "; it was made by an earlier release" : "");
	tables_free(&tables);
	return r;
}

static int change_zone(struct sync *sync, const struct target *target) {
	_cleanup_sql_rows_ struct sql_rows *rows = NULL;
	size_t said = sync->changes.count;
	const char *account;
	int r = run(sync, "BEGIN", NULL, 0, NULL);

	if (r < 0)
		return r;
	if (target->id)
		r = run(sync, "SELECT id, coalesce(account, '') FROM domains WHERE id = $1 FOR UPDATE", &target->id, 1,
			&rows);
	else
		r = add_zone(sync, target->name, &rows);
	if (r > 0) { /* else somebody was faster: the next comparison looks again */
		account = target->id ? sql_value(rows, 0, 1) : DNS_ACCOUNT;
		if (str_equal(account, DNS_ACCOUNT) || (target->zone && str_equal(account, DNS_ACCOUNT_REFERENCE)))
			r = change_locked(sync, target, sql_value(rows, 0, 0), !str_equal(account, DNS_ACCOUNT));
	}
	if (r >= 0)
		return run(sync, "COMMIT", NULL, 0, NULL);
	while (sync->changes.count > said) { /* it did not come about */
		sync->changes.count--;
		free(move_ptr(sync->changes.items[sync->changes.count]));
	}
	if (sql_is_open(sync->sql))
		(void)sql_run(sync->sql, "ROLLBACK", NULL, 0, sync->deadline, NULL, NULL); /* the first error counts */
	return r;
}

/* ---- all zones ------------------------------------------------------------------------------------------------- */

static const struct dns_zone *planned(const struct dns_plan *plan, const char *name) {
	size_t low = 0;

	for (size_t high = plan->count; low < high;) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(plan->zones[middle].name, name);

		if (order == 0)
			return &plan->zones[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* A zone that is in the database: what of it is ours to change? */
static int look_at(struct sync *sync, const struct tables *tables, const char *id, const char *name,
		   const char *account, uint32_t serial) {
	struct target target = {.zone = planned(&sync->plan, name), .id = id, .name = name, .serial = serial};
	_cleanup_dns_changes_ struct dns_changes changes = {0};
	bool ours = str_equal(account, DNS_ACCOUNT), adopt = !ours && str_equal(account, DNS_ACCOUNT_REFERENCE);
	struct dns_there there = there_of(tables, id);
	int r;

	if (!ours && !adopt)
		return strlist_addf(
		    &sync->problems,
		    "zone %s is in the database with the account '%s': it is left alone, and its network's "
		    "hosts are not in it",
		    name, account);
	there.adopt = adopt;
	r = dns_diff(target.zone, &there, serial, &changes);
	for (size_t i = 0; i < changes.problems.count && r >= 0; i++)
		r = strlist_add(&sync->problems, changes.problems.items[i]);
	if (r >= 0 && (adopt || !is_nothing(&changes) || (!target.zone && !changes.foreign)))
		r = change_zone(sync, &target);
	return r;
}

static int list_zones(struct sync *sync, struct sql_rows **ret) {
	_cleanup_strbuf_ struct strbuf array = {0};
	_cleanup_free_ char *names = NULL;

	for (size_t i = 0; i < sync->plan.count; i++)
		array_add(&array, sync->plan.zones[i].name);
	names = array_end(&array);
	if (!names)
		return -ENOMEM;
	return run(sync,
		   "SELECT id, name, coalesce(account, '') FROM domains "
		   "WHERE account = '" DNS_ACCOUNT "' OR name = ANY($1::text[]) ORDER BY id",
		   (const char *const[]){names}, 1, ret);
}

/* The server's clock in seconds: zones that are removed and made again do not go back in their serials. */
static int first_serial(struct sync *sync, uint32_t *ret) {
	_cleanup_sql_rows_ struct sql_rows *rows = NULL;
	int r = run(sync, "SELECT extract(epoch FROM now())::bigint", NULL, 0, &rows);

	if (r >= 0)
		*ret = (uint32_t)strtoul(sql_value(rows, 0, 0), NULL, 10);
	return r;
}

static int sync_all(struct sync *sync) {
	_cleanup_sql_rows_ struct sql_rows *zones = NULL;
	_cleanup_strbuf_ struct strbuf array = {0};
	_cleanup_strlist_ struct strlist there = {0};
	_cleanup_free_ char *ids = NULL;
	struct tables tables = {0};
	uint32_t serial = 1;
	int r = first_serial(sync, &serial);

	if (r >= 0)
		r = list_zones(sync, &zones);
	for (size_t i = 0; r >= 0 && i < sql_rows_count(zones); i++)
		array_add(&array, sql_value(zones, i, 0));
	ids = r >= 0 ? array_end(&array) : NULL;
	if (r >= 0)
		r = ids ? tables_read(sync, ids, &tables) : -ENOMEM;
	for (size_t i = 0; r >= 0 && i < sql_rows_count(zones); i++) {
		const char *name = sql_value(zones, i, 1);

		r = strlist_add(&there, name);
		if (r >= 0)
			r = look_at(sync, &tables, sql_value(zones, i, 0), name, sql_value(zones, i, 2), serial);
	}
	tables_free(&tables);
	for (size_t i = 0; r >= 0 && i < sync->plan.count; i++) {
		const struct dns_zone *zone = &sync->plan.zones[i];

		if (!strlist_contains(&there, zone->name))
			r = change_zone(sync, &(struct target){.zone = zone, .name = zone->name, .serial = serial});
	}
	return r < 0 ? r : 0;
}

int sync_work(void *arg) {
	struct sync *sync = arg;
	usec_t opened = deadline_after(OPEN_TIME);

	for (int attempt = 0; attempt < 2; attempt++) {
		bool fresh = !sql_is_open(sync->sql);

		free(sync->error);
		sync->error = NULL;
		sync->result = 0;
		if (fresh) {
			sql_close(sync->sql);
			sync->sql = NULL;
			sync->result = sql_open(&sync->target, opened < sync->deadline ? opened : sync->deadline,
						&sync->sql, &sync->error);
		}
		if (sync->result >= 0)
			sync->result = sync_all(sync);
		/* a kept connection that the server has closed meanwhile: once more with another */
		if (fresh || sync->result != -ECONNRESET)
			break;
		strlist_free(&sync->changes);
		strlist_free(&sync->problems);
	}
	if (sync->result < 0 && sync->sql) {
		sql_close(sync->sql);
		sync->sql = NULL;
	}
	return 0;
}

void sync_free(void *arg) {
	struct sync *sync = arg;

	sql_close(sync->sql);
	dns_plan_free(&sync->plan);
	strlist_free(&sync->changes);
	strlist_free(&sync->problems);
	free(sync->error);
	free(sync);
}
