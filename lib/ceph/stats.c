/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Figures of the cluster, with the reference's fields. What belongs together is found by name and by number, never by
 * place in a list (D60).
 */
#include "ceph/internal.h"

void ceph_figures_free(struct ceph_figures *figures) {
	for (size_t i = 0; i < figures->pool_count; i++) {
		free(figures->pools[i].name);
		free(figures->pools[i].json);
	}
	for (size_t i = 0; i < figures->osd_count; i++) {
		free(figures->osds[i].name);
		free(figures->osds[i].json);
	}
	free(figures->pools);
	free(figures->osds);
	free(figures->status);
	free(figures->radosdf);
	free(figures->health);
	*figures = (struct ceph_figures){0};
}

static int query(struct ceph *ceph, enum ceph_target target, json_t *arguments, json_t **ret, char **ret_error) {
	return ceph_query(ceph,
			  &(struct ceph_command){.use = CEPH_MONITORING, .target = target, .arguments = arguments}, ret,
			  ret_error);
}

static int text(struct ceph *ceph, enum ceph_target target, const char *prefix, char **ret, char **ret_error) {
	return ceph_command(ceph,
			    &(struct ceph_command){.use = CEPH_MONITORING,
						   .target = target,
						   .arguments = json_pack("{s:s}", "prefix", prefix)},
			    ret, ret_error);
}

static int add(struct ceph_figure **figures, size_t *count, char *name, json_t *object) {
	struct ceph_figure *more = reallocarray(*figures, *count + 1, sizeof(*more));
	char *json = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (more)
		*figures = more;
	if (!more || !name || !json) {
		free(name);
		free(json);
		return -ENOMEM;
	}
	more[(*count)++] = (struct ceph_figure){.name = name, .json = json};
	return 0;
}

static json_int_t number(const json_t *object, const char *key) {
	return json_integer_value(json_object_get(object, key));
}

static double real(const json_t *object, const char *key) {
	return json_number_value(json_object_get(object, key));
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

static const char *human(uint64_t bytes, char out[32]) {
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(out, 32, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

static int pool_row(struct strbuf *table, const char *name, const json_t *stats, const struct rados_pool_stat_t *s) {
	char used[32], read[32], written[32];

	return strbuf_addf(table, "%-24s %10s %10llu %8llu %10llu %18llu %8llu %9llu %10llu %10s %10llu %10s\n", name,
			   human((uint64_t)number(stats, "bytes_used"), used), (unsigned long long)s->num_objects,
			   (unsigned long long)s->num_object_clones, (unsigned long long)s->num_object_copies,
			   (unsigned long long)s->num_objects_missing_on_primary,
			   (unsigned long long)s->num_objects_unfound, (unsigned long long)s->num_objects_degraded,
			   (unsigned long long)s->num_rd, human(s->num_rd_kb * 1024, read),
			   (unsigned long long)s->num_wr, human(s->num_wr_kb * 1024, written));
}

static json_t *pool_object(const json_t *pool, const json_t *stats, const struct rados_pool_stat_t *s) {
	return json_pack(
	    "{s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", number(pool, "id"),
	    "free_bytes", number(stats, "max_avail"), "used_bytes", number(stats, "bytes_used"), "used_percent",
	    real(stats, "percent_used"), "num_objects", (json_int_t)s->num_objects, "num_object_clones",
	    (json_int_t)s->num_object_clones, "num_object_copies", (json_int_t)s->num_object_copies,
	    "num_objects_missing_on_primary", (json_int_t)s->num_objects_missing_on_primary, "num_objects_unfound",
	    (json_int_t)s->num_objects_unfound, "num_objects_degraded", (json_int_t)s->num_objects_degraded, "read_ops",
	    (json_int_t)s->num_rd, "read_bytes", (json_int_t)s->num_rd_kb * 1024, "write_ops", (json_int_t)s->num_wr,
	    "write_bytes", (json_int_t)s->num_wr_kb * 1024);
}

static int read_pool(rados_t rados, const json_t *pool, struct ceph_figures *figures, struct strbuf *table) {
	const char *name = json_string_value(json_object_get(pool, "name"));
	const json_t *stats = json_object_get(pool, "stats");
	struct rados_pool_stat_t s = {0};
	rados_ioctx_t io;
	int r = name ? rados_ioctx_create(rados, name, &io) : -ENOENT;

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* removed meanwhile */
	r = rados_ioctx_pool_stat(io, &s);
	rados_ioctx_destroy(io);
	if (r == 0)
		r = pool_row(table, name, stats, &s);
	return r < 0 ? r : add(&figures->pools, &figures->pool_count, strdup(name), pool_object(pool, stats, &s));
}

static int read_pools(struct ceph *ceph, struct ceph_figures *figures, char **ret_error) {
	_cleanup_strbuf_ struct strbuf table = {0};
	struct connection *connection = NULL;
	const json_t *pools, *totals;
	json_t *df = NULL;
	char used[32], available[32], space[32];
	rados_t rados;
	size_t i;
	int r = query(ceph, CEPH_MON, json_pack("{s:s}", "prefix", "df"), &df, ret_error);

	if (r < 0)
		return r;
	pools = json_object_get(df, "pools");
	r = connection_get(ceph, CEPH_MONITORING, &connection, &rados, ret_error);
	if (r == 0) {
		(void)strbuf_addf(&table, "%-24s %10s %10s %8s %10s %18s %8s %9s %10s %10s %10s %10s\n", "POOL_NAME",
				  "USED", "OBJECTS", "CLONES", "COPIES", "MISSING_ON_PRIMARY", "UNFOUND", "DEGRADED",
				  "RD_OPS", "RD", "WR_OPS", "WR");
		for (i = 0; i < json_array_size(pools) && r == 0; i++)
			r = read_pool(rados, json_array_get(pools, i), figures, &table);
		connection_put(connection, r);
		if (r < 0)
			(void)error_set(ret_error, r, "cannot read the figures of pools: %s", ceph_strerror(r));
	}
	totals = json_object_get(df, "stats");
	(void)strbuf_addf(&table, "\ntotal_used       %s\ntotal_avail      %s\ntotal_space      %s\n",
			  human((uint64_t)number(totals, "total_used_raw_bytes"), used),
			  human((uint64_t)number(totals, "total_avail_bytes"), available),
			  human((uint64_t)number(totals, "total_bytes"), space));
	json_decref(df);
	if (r < 0)
		return r;
	figures->radosdf = strbuf_steal(&table);
	return figures->radosdf ? 0 : -ENOMEM;
}

/* ---- OSDs -------------------------------------------------------------------------------------------------------- */

static const json_t *by_number(const json_t *list, const char *key, json_int_t wanted) {
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (number(item, key) == wanted)
			return item;
	}
	return NULL;
}

static void find_row(const char *table, int64_t id, struct ceph_osd_row *ret) {
	for (const char *line = table; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		_cleanup_free_ char *one = strndup(line, strcspn(line, "\n"));
		struct ceph_osd_row row = {0};

		if (!one || ceph_osd_row_parse(one, &row) < 0)
			continue;
		if (row.id == id) {
			*ret = row;
			return;
		}
		ceph_osd_row_free(&row);
	}
}

/* Of an OSD that is down the manager does not tell the host: the key in ZooKeeper does, for whoever publishes this. */
static json_t *osd_object(const json_t *osd, const json_t *usage, const struct ceph_osd_row *row) {
	char figures[4][24];
	const uint64_t values[4] = {row->write_ops, row->write_bytes, row->read_ops, row->read_bytes};

	for (size_t i = 0; i < 4; i++)
		(void)snprintf(figures[i], sizeof(figures[i]), "%llu", (unsigned long long)values[i]);
	return json_pack("{s:s?, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:f, s:f, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
			 "uuid", json_string_value(json_object_get(osd, "uuid")), "up", number(osd, "up"), "in",
			 number(osd, "in"), "primary_affinity", real(osd, "primary_affinity"), "utilization",
			 real(usage, "utilization"), "var", real(usage, "var"), "pgs", number(usage, "pgs"), "kb",
			 number(usage, "kb"), "weight", real(usage, "crush_weight"), "reweight",
			 real(usage, "reweight"), "node", row->host ? row->host : "", "used",
			 row->used ? row->used : "0", "avail", row->available ? row->available : "0", "wr_ops",
			 figures[0], "wr_data", figures[1], "rd_ops", figures[2], "rd_data", figures[3], "state",
			 row->state               ? row->state
			 : number(osd, "up") == 1 ? "exists,up"
						  : "exists");
}

static int read_osds(struct ceph *ceph, struct ceph_figures *figures, char **ret_error) {
	_cleanup_free_ char *table = NULL;
	json_t *dump = NULL, *usage = NULL, *osd;
	size_t i;
	int r = query(ceph, CEPH_MON, json_pack("{s:s}", "prefix", "osd dump"), &dump, ret_error);

	if (r == 0)
		r = query(ceph, CEPH_MGR, json_pack("{s:s}", "prefix", "osd df"), &usage, ret_error);
	if (r == 0 && text(ceph, CEPH_MGR, "osd status", &table, ret_error) == -ETIMEDOUT)
		r = -ETIMEDOUT; /* other failures: the manager has no such module, and the rates are missing */
	json_array_foreach(json_object_get(dump, "osds"), i, osd) {
		struct ceph_osd_row row = {0};
		json_int_t id = number(osd, "osd");

		if (r < 0)
			break;
		figures->osds_up += number(osd, "up") == 1;
		figures->osds_in += number(osd, "in") == 1;
		find_row(table, id, &row);
		r = add(&figures->osds, &figures->osd_count, str_printf("%lld", (long long)id),
			osd_object(osd, by_number(json_object_get(usage, "nodes"), "id", id), &row));
		ceph_osd_row_free(&row);
	}
	json_decref(dump);
	json_decref(usage);
	return r;
}

static int read_health(struct ceph *ceph, struct ceph_figures *figures, char **ret_error) {
	json_t *health = NULL;
	const char *word;
	int r = query(ceph, CEPH_MON, json_pack("{s:s}", "prefix", "health"), &health, ret_error);

	if (r < 0)
		return r;
	word = json_string_value(json_object_get(health, "status"));
	figures->health = strdup(word ? word : "unknown");
	json_decref(health);
	return figures->health ? 0 : -ENOMEM;
}

int ceph_figures_read(struct ceph *ceph, struct ceph_figures *ret, char **ret_error) {
	_cleanup_ceph_figures_ struct ceph_figures figures = {0};
	int r = text(ceph, CEPH_MON, "status", &figures.status, ret_error);

	if (r == 0)
		r = read_health(ceph, &figures, ret_error);
	if (r == 0)
		r = read_pools(ceph, &figures, ret_error);
	if (r == 0)
		r = read_osds(ceph, &figures, ret_error);
	if (r < 0)
		return r;
	*ret = figures;
	figures = (struct ceph_figures){0};
	return 0;
}
