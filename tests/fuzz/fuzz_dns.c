/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any texts as a network with its leases, and any rows in the database: records are words below their zone, and what is
 * changed once is as wanted: compared again, nothing differs, and what was not ours is still there. */
#include "dns/dns.h"

#define HOSTS 8
#define ROWS  16

static void must(bool so) {
	if (!so)
		abort();
}

static void must_be_a_word(const char *text) {
	must(*text);
	for (; *text; text++)
		must((*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || strchr("-_.:", *text));
}

static void check_zone(const struct dns_zone *zone) {
	for (size_t i = 0; i < zone->count; i++) {
		const struct dns_record *record = &zone->records[i];
		size_t length = strlen(record->name), below = strlen(zone->name);

		must_be_a_word(record->name);
		must_be_a_word(record->content);
		must(length >= below && length <= 255 && str_equal(record->name + length - below, zone->name));
		must(length == below || record->name[length - below - 1] == '.');
	}
}

/* The rows after the changes; ids are numbers from their places. */
struct table {
	struct dns_row rows[512];
	struct dns_mark marks[512];
	size_t row_count, mark_count;
	char ids[1024][8];
	size_t used;
};

static const char *new_id(struct table *table) {
	(void)snprintf(table->ids[table->used], sizeof(table->ids[0]), "%zu", table->used);
	return table->ids[table->used++];
}

static void apply(const struct dns_changes *changes, const char *zone, struct table *table) {
	size_t kept = 0;

	for (size_t i = 0; i < table->row_count; i++)
		if (!strlist_contains(&changes->delete_rows, table->rows[i].id))
			table->rows[kept++] = table->rows[i];
	table->row_count = kept;
	kept = 0;
	for (size_t i = 0; i < table->mark_count; i++)
		if (!strlist_contains(&changes->delete_marks, table->marks[i].id))
			table->marks[kept++] = table->marks[i];
	table->mark_count = kept;
	for (size_t i = 0; i < changes->insert_row_count; i++) {
		const struct dns_record *r = changes->insert_rows[i];

		table->rows[table->row_count++] =
		    (struct dns_row){new_id(table), r->name, r->type, r->content, r->ttl, false};
	}
	for (size_t i = 0; i < changes->insert_mark_count; i++) {
		const struct dns_record *r = changes->insert_marks[i];

		table->marks[table->mark_count++] = (struct dns_mark){new_id(table), r->name, r->type, r->content};
	}
	for (size_t i = 0; changes->soa && changes->soa_id && i < table->row_count; i++)
		if (str_equal(table->rows[i].id, changes->soa_id)) {
			table->rows[i].content = changes->soa;
			table->rows[i].disabled = false;
		}
	if (changes->soa && !changes->soa_id)
		table->rows[table->row_count++] =
		    (struct dns_row){new_id(table), zone, "SOA", changes->soa, DNS_TTL_ZONE, false};
}

static void check_changes(const struct dns_zone *zone, char *const *words, size_t count) {
	static struct table table;
	_cleanup_dns_changes_ struct dns_changes first = {0}, second = {0};
	struct dns_there there = {.rows = table.rows, .marks = table.marks};

	table = (struct table){0};
	for (size_t i = 0; i + 3 < count && table.row_count < ROWS; i += 4) {
		/* rows that are like ours in one thing or another */
		const struct dns_record *like = zone->count ? &zone->records[i % zone->count] : NULL;
		const char *name = like && words[i][0] == 'n' ? like->name : words[i];
		const char *type = like && words[i + 1][0] == 't' ? like->type : words[i + 1];
		const char *content = like && words[i + 2][0] == 'c' ? like->content : words[i + 2];

		table.rows[table.row_count++] =
		    (struct dns_row){new_id(&table), name, type, content, words[i + 3][0] == 'l' ? DNS_TTL : 1, false};
		if (words[i + 3][0] == 'm' || words[i + 3][0] == 'l')
			table.marks[table.mark_count++] = (struct dns_mark){new_id(&table), name, type, content};
	}
	there.row_count = table.row_count;
	there.mark_count = table.mark_count;
	must(dns_diff(zone, &there, 1, &first) == 0);
	for (size_t i = 0; i < first.delete_rows.count; i++) {
		bool ours = false;
		const struct dns_row *row = NULL;

		for (size_t k = 0; k < table.row_count; k++)
			if (str_equal(table.rows[k].id, first.delete_rows.items[i]))
				row = &table.rows[k];
		must(row);
		for (size_t k = 0; k < table.mark_count; k++)
			ours = ours || (str_equal(table.marks[k].name, row->name) &&
					str_equal(table.marks[k].type, row->type) &&
					str_equal(table.marks[k].content, row->content));
		must(ours || str_equal(row->type, "SOA"));
	}
	apply(&first, zone->name, &table);
	there.row_count = table.row_count;
	there.mark_count = table.mark_count;
	must(dns_diff(zone, &there, 1, &second) == 0);
	must(!dns_changes_any(&second) && !second.soa && second.delete_marks.count == 0 &&
	     second.insert_mark_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	_cleanup_free_ char *text = malloc(size + 1), *soa = NULL;
	_cleanup_strlist_ struct strlist words = {0};
	_cleanup_dns_plan_ struct dns_plan plan = {0};
	struct dns_host hosts[HOSTS];
	struct dns_network network = {.vni = "1", .hosts = hosts};
	size_t at = 4;

	memcpy(text, data, size);
	text[size] = '\0';
	soa = dns_soa_next(text);
	must(strlist_split(&words, text, "\n") == 0);
	if (words.count < at)
		return 0;
	network.domain = words.items[0];
	network.name_servers = words.items[1];
	network.ip4_network = words.items[2];
	network.ip6_network = words.items[3];
	for (; at + 3 < words.count && network.count < HOSTS; at += 4)
		hosts[network.count++] = (struct dns_host){.reserved = words.items[at][0] == 'r',
							   .family = strchr(words.items[at], '6') ? AF_INET6 : AF_INET,
							   .mac = words.items[at + 1],
							   .address = words.items[at + 2],
							   .hostname = words.items[at + 3],
							   .order = (int64_t)strlen(words.items[at])};
	must(dns_plan_make(&network, 1, NULL, &plan) == 0);
	for (size_t i = 0; i < plan.count; i++) {
		check_zone(&plan.zones[i]);
		check_changes(&plan.zones[i], words.items + at, words.count - at);
	}
	return 0;
}

#ifndef LIBFUZZER
int main(void) {
	return 0;
}
#endif
