/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an operator reads: why, and what comes next. */
#include "fencer.h"

#include "host/host.h"
#include "log/log.h"

#define SHOW_TIME (2 * USEC_PER_SEC) /* between two writes of the status file */

static unsigned long long seconds(usec_t time) {
	return (unsigned long long)(time / USEC_PER_SEC);
}

/* Why a dead node is left alone; NULL: it is not. */
static const char *reservation(const struct peer *peer) {
	const struct fencer *fencer = peer->fencer;

	if (fencer->maintenance == MAINTENANCE_ON)
		return "maintenance is on";
	if (fencer->own_state != DAEMON_RUN)
		return "this node is not in state run itself";
	if (peer->state == DAEMON_STOP)
		return "it stopped on purpose, and its VMs may run on";
	if (peer->state == DAEMON_STATE_UNKNOWN)
		return "its daemonstate is no known word";
	return NULL;
}

void say_health(struct peer *peer, enum fence_health health) {
	const char *why = reservation(peer);
	usec_t silence = peer_silence(peer);

	if (health == FENCE_SILENT && peer->said_health == FENCE_WELL && !why && peer->record.step == FENCE_NONE)
		log_warning(
		    "node %s has been silent for %llu s%s: unless its heartbeat comes within %llu s, it is fenced",
		    peer->name, seconds(silence),
		    peer->watches[PEER_ALIVE].exists ? ", though its pvc-keepalive has a session" : "",
		    seconds((peer->watches[PEER_ALIVE].exists ? 3 : 1) * peer->fencer->rules.interval));
	if (health == FENCE_DEAD && why && peer->record.step == FENCE_NONE && !peer->said_unclaimed) {
		peer->said_unclaimed = true;
		log_message(peer->state == DAEMON_STOP ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
			    "node %s has been silent for %llu s and is not fenced: %s", peer->name, seconds(silence),
			    why);
	}
	if (health == FENCE_WELL) {
		if (peer->said_health != FENCE_WELL && fencer_sees(peer->fencer) && peer->record.step == FENCE_NONE)
			log_info("node %s is heard of again", peer->name);
		peer->said_unclaimed = false;
	}
	peer->said_health = health;
}

void say_trouble(struct peer *peer, const char *trouble) {
	char *copy = trouble ? strdup(trouble) : NULL;

	if (trouble && !str_equal(trouble, peer->said_trouble))
		log_error("the fencing of node %s: %s; tried again", peer->name, trouble);
	free(peer->said_trouble);
	peer->said_trouble = copy;
}

static int add_peer(struct strlist *texts, const struct peer *peer) {
	static const char *const words[FENCE_HEALTH_COUNT] = {
	    [FENCE_WELL] = "well", [FENCE_SILENT] = "silent", [FENCE_DEAD] = "dead"};
	int r = strlist_addf(texts, "node.%s", peer->name);

	if (r < 0)
		return r;
	if (peer->record.step == FENCE_NONE)
		return strlist_addf(texts, "%s, heard of %llu s ago", words[peer->said_health],
				    seconds(now_monotonic() - peer->changed));
	return strlist_addf(texts, "fenced by %s since %s, step %s, verdict %s: %s", peer->record.fencer,
			    peer->record.since, fence_step_name(peer->record.step),
			    fence_verdict_name(peer->record.verdict), peer->record.reason);
}

/* Pairs of key and value. */
static int collect(const struct fencer *fencer, struct strlist *texts) {
	int r = strlist_add(texts, "session");

	if (r >= 0)
		r = strlist_add(texts, fencer->sees ? "sure" : "in doubt: nobody is judged");
	if (r >= 0)
		r = strlist_add(texts, "maintenance");
	if (r >= 0)
		r = strlist_add(texts, fencer->maintenance == MAINTENANCE_ON ? "on: nobody is fenced" : "off");
	for (size_t i = 0; i < fencer->peer_count && r >= 0; i++)
		if (fencer->peers[i]->listed)
			r = add_peer(texts, fencer->peers[i]);
	return r;
}

void say_status(struct fencer *fencer) {
	_cleanup_strlist_ struct strlist texts = {0};
	_cleanup_free_ struct status_field *fields = NULL;
	size_t count, silent = 0;

	if (deadline_left(fencer->shown_at) > 0)
		return;
	fencer->shown_at = deadline_after(SHOW_TIME);
	for (size_t i = 0; i < fencer->peer_count; i++)
		silent += fencer->peers[i]->listed && fencer->peers[i]->said_health != FENCE_WELL;
	loop_status(fencer->loop, fencer->sees ? "watching %zu nodes, %zu silent" : "in doubt about itself",
		    fencer->peer_count, silent);
	if (collect(fencer, &texts) < 0)
		return; /* the file stays as it is, and says how old it is */
	count = texts.count / 2;
	fields = calloc(count + 1, sizeof(*fields));
	for (size_t i = 0; fields && i < count; i++)
		fields[i] = (struct status_field){texts.items[2 * i], texts.items[2 * i + 1]};
	if (fields)
		(void)status_write(fencer->config->dynamic_directory, "fence", fields, count); /* only shown */
}
