/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

static int write_word(const struct store_value *values, size_t count, struct store_txn *txn, void *userdata) {
	(void)count;
	return store_txn_put(txn, store_base(STORE_MAINTENANCE), &values[0], userdata);
}

int cluster_maintenance(struct ctl *ctl) {
	/* the words of the reference's client, which compares with exactly these */
	static const struct {
		const char *argument, *word, *done;
	} words[] = {
	    {"on", "true", "Maintenance is on: silent nodes are not fenced."},
	    {"off", "false", "Maintenance is off: silent nodes are fenced."},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int r;

		if (!str_equal(ctl->arguments[0], words[i].argument))
			continue;
		r = store_update_wait(ctl->store, (const char *const[]){store_base(STORE_MAINTENANCE)}, 1, write_word,
				      (void *)words[i].word, deadline_after(OPERATION_TIMEOUT));
		if (r < 0)
			return failed(r, "cannot switch maintenance %s: %s", words[i].argument, store_error_text(r));
		puts(words[i].done);
		return EXIT_OK;
	}
	return failed_with(EXIT_USAGE, "maintenance is 'on' or 'off'; try 'pvcctl maintenance --help'");
}
