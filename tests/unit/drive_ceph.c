/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Steers lib/ceph for tests/bats/ceph.bats: one command a line on standard input, one answer a line:
 * "ok|error-name MILLISECONDS [text]".
 */
#include <time.h>

#include "ceph/ceph.h"

static int answer_list(struct strlist *list, char **text) {
	*text = strlist_join(list, " ");
	strlist_free(list);
	return 0;
}

static int holders(struct ceph *ceph, char **words, char **text, char **error) {
	_cleanup_ceph_holders_ struct ceph_holders found = {0};
	struct strlist list = {0};
	int r = ceph_image_holders(ceph, CEPH_WORK, words[1], words[2], &found, error);

	for (size_t i = 0; i < found.count && r == 0; i++)
		r = strlist_addf(&list, "%s:%s", found.items[i].cookie ? "lock" : "watch", found.items[i].address);
	return r < 0 ? r : answer_list(&list, text);
}

static int query(struct ceph *ceph, const char *use, const char *target, const char *prefix, char **text,
		 char **error) {
	struct ceph_command command = {.use = strcmp(use, "monitoring") == 0 ? CEPH_MONITORING : CEPH_WORK,
				       .target = strcmp(target, "mgr") == 0 ? CEPH_MGR : CEPH_MON};
	json_t *value = NULL;
	int r;

	command.arguments = json_pack("{s:s}", "prefix", prefix);
	r = ceph_query(ceph, &command, &value, error);
	*text = r < 0 ? NULL : strdup(json_is_object(value) ? "object" : json_is_array(value) ? "array" : "other");
	json_decref(value);
	return r;
}

/* The text: microseconds of processor time that all threads of this process took for it. */
static int figures(struct ceph *ceph, char **text, char **error) {
	_cleanup_ceph_figures_ struct ceph_figures read = {0};
	struct timespec begin, end;
	int r;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	r = ceph_figures_read(ceph, &read, error);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	*text =
	    str_printf("%lld", (long long)(end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000);
	return r;
}

static int act(struct ceph *ceph, char **words, size_t count, char **text, char **error) {
	struct strlist list = {0};
	const char *verb = words[0];
	size_t broken = 0;
	int r;

	if (strcmp(verb, "query") == 0 && count >= 4) {
		_cleanup_free_ char *prefix = count > 4 ? str_printf("%s %s", words[3], words[4]) : strdup(words[3]);

		return query(ceph, words[1], words[2], prefix, text, error);
	}
	if (strcmp(verb, "addresses") == 0) {
		r = ceph_own_addresses(ceph, CEPH_WORK, &list, error);
		return r < 0 ? r : answer_list(&list, text);
	}
	if (strcmp(verb, "list") == 0 && count == 2) {
		r = ceph_image_list(ceph, words[1], &list, error);
		return r < 0 ? r : answer_list(&list, text);
	}
	if (strcmp(verb, "info") == 0 && count == 3)
		return ceph_image_info(ceph, words[1], words[2], text, error);
	if (strcmp(verb, "holders") == 0 && count == 3)
		return holders(ceph, words, text, error);
	if (strcmp(verb, "figures") == 0)
		return figures(ceph, text, error);
	if (strcmp(verb, "create") == 0 && count == 4)
		return ceph_image_create(ceph, words[1], words[2], strtoull(words[3], NULL, 10), error);
	if (strcmp(verb, "purge") == 0 && count == 2)
		return ceph_osd_purge(ceph, strtoll(words[1], NULL, 10), error);
	if (strcmp(verb, "seize") == 0 && count == 3) {
		r = ceph_image_seize(ceph, words[1], words[2], 3600, &broken, error);
		*text = str_printf("%zu", broken);
		return r;
	}
	return -ENOSYS;
}

int main(void) {
	_cleanup_ceph_ struct ceph *ceph = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (ceph_new(&ceph) < 0)
		return 1;
	while (getline(&line, &size, stdin) > 0) {
		_cleanup_strlist_ struct strlist words = {0};
		_cleanup_free_ char *text = NULL, *error = NULL;
		usec_t begin = now_monotonic();
		int r;

		if (strlist_split(&words, line, " \n") < 0 || words.count == 0)
			continue;
		r = act(ceph, words.items, words.count, &text, &error);
		printf("%s %llu %s\n", r < 0 ? strerrorname_np(-r) : "ok",
		       (unsigned long long)((now_monotonic() - begin) / USEC_PER_MSEC),
		       r < 0 ? (error ? error : "") : (text ? text : ""));
		(void)fflush(stdout);
	}
	return 0;
}
