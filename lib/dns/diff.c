/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is there against what is wanted. A row is deleted by the id that was read with it (D76). */
#include "dns/dns.h"

/* Anything that is told apart by name, type and content, in one order. */
struct item {
	const char *name, *type, *content;
	const void *of; /* the row, mark or record that it stands for */
};
struct items {
	struct item *items;
	size_t count;
};

static int compare_items(const void *a, const void *b) {
	const struct item *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = strcmp(x->type, y->type);
	return r ? r : strcmp(x->content, y->content);
}

/* A row may hold nulls, which are nothing of ours. */
static const char *text(const char *value) {
	return value ? value : "";
}

static void items_add(struct items *items, const char *name, const char *type, const char *content, const void *of) {
	items->items[items->count++] = (struct item){text(name), text(type), text(content), of};
}

static bool items_hold(const struct items *items, const struct item *like) {
	return items->count > 0 && bsearch(like, items->items, items->count, sizeof(*items->items), compare_items);
}

struct comparison {
	const struct dns_zone *zone;
	const struct dns_there *there;
	struct items wanted, marked, rows;
	struct dns_changes *changes;
};

static bool is_soa(const char *type) {
	return str_equal(type, "SOA");
}

static bool is_ours(const struct comparison *c, const struct item *row) {
	return items_hold(&c->marked, row) ||
	       (c->there->adopt &&
		(str_equal(row->type, "A") || str_equal(row->type, "AAAA") || str_equal(row->type, "NS")));
}

static bool is_as_wanted(const struct item *row, const struct item *wanted) {
	const struct dns_row *there = row->of;
	const struct dns_record *record = wanted->of;

	return there->ttl == record->ttl && !there->disabled;
}

/* Rows of ours that are not wanted, or not so, or twice, go; what stays is set to true. */
static int judge_rows(struct comparison *c, bool *satisfied) {
	for (size_t i = 0; i < c->rows.count; i++) {
		const struct item *row = &c->rows.items[i], *wanted = NULL;
		const struct dns_row *there = row->of;
		bool ours = is_ours(c, row);
		size_t at;

		if (is_soa(row->type))
			continue;
		if (c->wanted.count > 0)
			wanted = bsearch(row, c->wanted.items, c->wanted.count, sizeof(*wanted), compare_items);
		at = wanted ? (size_t)(wanted - c->wanted.items) : 0;
		if (!ours)
			c->changes->foreign = true;
		if (wanted && !satisfied[at] && (!ours || is_as_wanted(row, wanted)))
			satisfied[at] = true;
		else if (ours && strlist_add(&c->changes->delete_rows, there->id) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Beside an alias of somebody else's no other record of its name may be (RFC 1034, 3.6.2). */
static bool has_foreign_alias(const struct comparison *c, const char *name) {
	for (size_t i = 0; i < c->rows.count; i++)
		if (str_equal(c->rows.items[i].type, "CNAME") && str_equal(c->rows.items[i].name, name) &&
		    !is_ours(c, &c->rows.items[i]))
			return true;
	return false;
}

static bool has_alias(const struct comparison *c) {
	for (size_t i = 0; i < c->rows.count; i++)
		if (str_equal(c->rows.items[i].type, "CNAME"))
			return true;
	return false;
}

/* A foreign row that says what we want is left as it is, without a mark of ours. */
static bool is_foreign_row(const struct comparison *c, const struct item *like) {
	return items_hold(&c->rows, like) && !is_ours(c, like);
}

static int judge_wanted(struct comparison *c, const bool *satisfied) {
	struct dns_changes *changes = c->changes;
	bool aliases = has_alias(c);

	for (size_t i = 0; i < c->wanted.count; i++) {
		const struct item *wanted = &c->wanted.items[i];

		if (!satisfied[i] && aliases && has_foreign_alias(c, wanted->name)) {
			if (strlist_addf(&changes->problems, "%s gets no %s record: it is an alias (CNAME) already",
					 wanted->name, wanted->type) < 0)
				return -ENOMEM;
			continue;
		}
		if (!satisfied[i])
			changes->insert_rows[changes->insert_row_count++] = wanted->of;
		if (!items_hold(&c->marked, wanted) && !is_foreign_row(c, wanted))
			changes->insert_marks[changes->insert_mark_count++] = wanted->of;
	}
	return 0;
}

static int judge_marks(struct comparison *c) {
	for (size_t i = 0; i < c->marked.count; i++) {
		const struct item *mark = &c->marked.items[i];
		const struct dns_mark *there = mark->of;
		bool twice = i > 0 && compare_items(mark - 1, mark) == 0;

		if ((twice || !items_hold(&c->wanted, mark)) && strlist_add(&c->changes->delete_marks, there->id) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the SOA --------------------------------------------------------------------------------------------------- */

char *dns_soa_next(const char *content) {
	_cleanup_strlist_ struct strlist words = {0};
	uint64_t number;

	if (strlist_split(&words, content, " \t") < 0 || words.count != 7)
		return NULL;
	for (size_t i = 2; i < 7; i++)
		if (parse_u64(words.items[i], 0, UINT32_MAX, &number) < 0)
			return NULL;
	(void)parse_u64(words.items[2], 0, UINT32_MAX, &number); /* it was a number a line ago */
	number = number == UINT32_MAX ? 1 : number + 1;
	return str_printf("%s %s %llu %s %s %s %s", words.items[0], words.items[1], (unsigned long long)number,
			  words.items[3], words.items[4], words.items[5], words.items[6]);
}

/* One serial a change; an unusable one is made anew. Refresh, retry, expire as RIPE-203 advises; the last is how long
 * it is believed that a name is not there. */
static int judge_soa(struct comparison *c, uint32_t serial) {
	struct dns_changes *changes = c->changes;
	const struct dns_row *first = NULL;
	bool usable;

	for (size_t i = 0; i < c->rows.count; i++) {
		if (!is_soa(c->rows.items[i].type) || (c->zone && !str_equal(c->rows.items[i].name, c->zone->name)))
			continue;
		if (!first)
			first = c->rows.items[i].of;
		else if (strlist_add(&changes->delete_rows, ((const struct dns_row *)c->rows.items[i].of)->id) < 0)
			return -ENOMEM;
	}
	if (first) {
		_cleanup_free_ char *next = dns_soa_next(text(first->content));

		usable = next && !first->disabled;
		if ((usable || !c->zone) && !dns_changes_any(changes))
			return 0;
		changes->soa_id = strdup(first->id);
		if (!changes->soa_id)
			return -ENOMEM;
		if (next)
			changes->soa = move_ptr(next);
	}
	if (changes->soa || !c->zone)
		return 0;
	changes->soa =
	    str_printf("%s %s %lu 3600 900 1209600 %u", c->zone->mname, c->zone->rname, (unsigned long)serial, DNS_TTL);
	return changes->soa ? 0 : -ENOMEM;
}

/* ---- all ------------------------------------------------------------------------------------------------------- */

void dns_changes_free(struct dns_changes *changes) {
	strlist_free(&changes->delete_rows);
	strlist_free(&changes->delete_marks);
	strlist_free(&changes->problems);
	free(changes->insert_rows);
	free(changes->insert_marks);
	free(changes->soa);
	free(changes->soa_id);
	*changes = (struct dns_changes){0};
}

bool dns_changes_any(const struct dns_changes *changes) {
	return changes->delete_rows.count > 0 || changes->insert_row_count > 0;
}

static int prepare(struct comparison *c) {
	size_t wanted = c->zone ? c->zone->count : 0;

	c->wanted.items = calloc(wanted + 1, sizeof(struct item));
	c->marked.items = calloc(c->there->mark_count + 1, sizeof(struct item));
	c->rows.items = calloc(c->there->row_count + 1, sizeof(struct item));
	c->changes->insert_rows = calloc(wanted + 1, sizeof(*c->changes->insert_rows));
	c->changes->insert_marks = calloc(wanted + 1, sizeof(*c->changes->insert_marks));
	if (!c->wanted.items || !c->marked.items || !c->rows.items || !c->changes->insert_rows ||
	    !c->changes->insert_marks)
		return -ENOMEM;
	for (size_t i = 0; i < wanted; i++) {
		const struct dns_record *r = &c->zone->records[i];

		items_add(&c->wanted, r->name, r->type, r->content, r);
	}
	for (size_t i = 0; i < c->there->mark_count; i++) {
		const struct dns_mark *m = &c->there->marks[i];

		items_add(&c->marked, m->name, m->type, m->content, m);
	}
	for (size_t i = 0; i < c->there->row_count; i++) {
		const struct dns_row *r = &c->there->rows[i];

		items_add(&c->rows, r->name, r->type, r->content, r);
	}
	for (size_t i = 0; i < 3; i++) {
		struct items *items = i == 0 ? &c->wanted : i == 1 ? &c->marked : &c->rows;

		if (items->count > 1)
			qsort(items->items, items->count, sizeof(struct item), compare_items);
	}
	return 0;
}

int dns_diff(const struct dns_zone *zone, const struct dns_there *there, uint32_t serial, struct dns_changes *ret) {
	struct dns_changes changes = {0};
	struct comparison c = {.zone = zone, .there = there, .changes = &changes};
	_cleanup_free_ bool *satisfied = calloc((zone ? zone->count : 0) + 1, sizeof(bool));
	int r = satisfied ? prepare(&c) : -ENOMEM;

	if (r >= 0)
		r = judge_rows(&c, satisfied);
	if (r >= 0)
		r = judge_wanted(&c, satisfied);
	if (r >= 0)
		r = judge_marks(&c);
	if (r >= 0 && (zone || changes.foreign))
		r = judge_soa(&c, serial);
	free(c.wanted.items);
	free(c.marked.items);
	free(c.rows.items);
	if (r < 0)
		dns_changes_free(&changes);
	else
		*ret = changes;
	return r;
}
