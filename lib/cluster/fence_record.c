/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cluster/fence_record.h"

#include <jansson.h>

#define TEXT_MAX 4096            /* bytes of a text that is looked at */
#define CUT_MAX  1000000000000ll /* ms: above what any configuration makes */

static json_t *load(const char *text) {
	json_t *json = text && strlen(text) <= TEXT_MAX ? json_loads(text, 0, NULL) : NULL;

	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static char *dump(json_t *json) {
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

/* A word for comparing: no blanks, no control characters; "" when it is missing. */
static int take_word(const json_t *json, const char *key, char *ret, size_t size) {
	const json_t *value = json_object_get(json, key);
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || strlen(text) >= size)
		return -EBADMSG;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '/')
			return -EBADMSG;
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

/* Text for people: whatever it is, it is made fit to be shown, and cut between characters. */
static void set_text(char *ret, size_t size, const char *text) {
	size_t limit =
	    text && strlen(text) >= size ? size - sizeof("...") : size; /* what was cut once is not cut again */
	_cleanup_free_ char *shown = str_printable(text ? text : "", limit);

	(void)snprintf(ret, size, "%s", shown ? shown : "");
}

static int take_number(const json_t *json, const char *key, int64_t min, int64_t max, int64_t *ret) {
	const json_t *value = json_object_get(json, key);

	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
		return -EBADMSG;
	*ret = json_integer_value(value);
	return 0;
}

static int take_words(const json_t *json, struct fence_record *record) {
	int step = fence_step_parse(json_string_value(json_object_get(json, "step")));
	int verdict = fence_verdict_parse(json_string_value(json_object_get(json, "verdict")));

	if (step <= FENCE_NONE || verdict < 0)
		return -EBADMSG;
	record->step = (enum fence_step)step;
	record->verdict = (enum fence_verdict)verdict;
	/* a step that rests on a proof without one is nobody's record */
	return record->step >= FENCE_PROVEN && record->verdict == FENCE_UNKNOWN ? -EBADMSG : 0;
}

int fence_record_parse(const char *text, struct fence_record *ret) {
	struct fence_record record = {.step = FENCE_NONE};
	int64_t beat = 0, state_version = 0, attempt = 0;
	json_t *json;
	int r;

	if (!text || !*text) {
		*ret = record;
		return 0;
	}
	json = load(text);
	r = json ? take_words(json, &record) : -EBADMSG;
	if (r >= 0)
		r = take_word(json, "fencer", record.fencer, sizeof(record.fencer));
	if (r >= 0)
		r = take_word(json, "boot", record.boot, sizeof(record.boot));
	if (r >= 0)
		r = take_word(json, "claim", record.claim, sizeof(record.claim));
	if (r >= 0)
		r = take_number(json, "beat", -1, INT32_MAX, &beat);
	if (r >= 0)
		r = take_number(json, "state_version", 0, INT32_MAX, &state_version);
	if (r >= 0)
		r = take_number(json, "attempt", 0, INT32_MAX, &attempt);
	if (r >= 0) {
		record.beat = (int32_t)beat;
		record.state_version = (int32_t)state_version;
		record.attempt = (unsigned)attempt;
		set_text(record.since, sizeof(record.since), json_string_value(json_object_get(json, "since")));
		set_text(record.reason, sizeof(record.reason), json_string_value(json_object_get(json, "reason")));
		*ret = record;
	}
	json_decref(json);
	return r;
}

char *fence_record_format(const struct fence_record *record) {
	return dump(json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:s}", "step",
			      fence_step_name(record->step), "verdict", fence_verdict_name(record->verdict), "fencer",
			      record->fencer, "boot", record->boot, "beat", record->beat, "state_version",
			      record->state_version, "attempt", (int)record->attempt, "claim", record->claim, "since",
			      record->since, "reason", record->reason));
}

void fence_record_say(struct fence_record *record, const char *reason) {
	set_text(record->reason, sizeof(record->reason), reason);
}

bool fence_record_admits(const struct fence_record *record) {
	return record->step != FENCE_PROVEN && record->step != FENCE_SEALED;
}

bool fence_record_condemns(const struct fence_record *record, const char *boot) {
	return record->step >= FENCE_PROVEN && *record->boot && str_equal(record->boot, boot);
}

/* ---- what a node says of itself ---- */

char *fence_heart_format(const struct fence_heart *heart) {
	json_t *json = json_pack("{s:s, s:b}", "boot", heart->boot, "armed", heart->armed);

	if (json && heart->armed && heart->cut > 0 &&
	    json_object_set_new(json, "cut", json_integer((json_int_t)((heart->cut + 999) / USEC_PER_MSEC))) < 0) {
		json_decref(json);
		return NULL;
	}
	return dump(json);
}

struct fence_heart fence_heart_parse(const char *text) {
	struct fence_heart heart = {.armed = false};
	json_t *json = load(text);
	int64_t cut = 0; /* ms */

	if (json && take_word(json, "boot", heart.boot, sizeof(heart.boot)) >= 0 &&
	    (!json_object_get(json, "cut") || take_number(json, "cut", 1, CUT_MAX, &cut) >= 0)) {
		heart.armed = json_is_true(json_object_get(json, "armed"));
		heart.cut = heart.armed ? (usec_t)cut * USEC_PER_MSEC : 0;
	}
	json_decref(json);
	return heart;
}
