/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chance, messages, sessions. */
#include "world.h"

#define SESSION TIMELINE_SESSION

uint64_t chance(struct world *world, uint64_t below) { /* xorshift64* */
	world->random ^= world->random >> 12;
	world->random ^= world->random << 25;
	world->random ^= world->random >> 27;
	return below ? (world->random * UINT64_C(2685821657736338717) >> 16) % below : 0;
}

bool happens(struct world *world, unsigned percent) {
	return chance(world, 100) < percent;
}

void say(struct world *world, const char *format, ...) {
	char line[256];
	int length;
	va_list args;

	if (!world->trace)
		return;
	length = snprintf(line, sizeof(line), "%9.2f ", (double)world->now / USEC_PER_SEC);
	va_start(args, format);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, args);
	va_end(args);
	if ((size_t)length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (world->trace_length + (size_t)length < world->trace_room) {
		memcpy(world->trace + world->trace_length, line, (size_t)length);
		world->trace_length += (size_t)length;
	}
}

void broken(struct world *world, const char *format, ...) {
	va_list args;

	if (world->broken[0]) /* the first is the one that matters */
		return;
	va_start(args, format);
	(void)vsnprintf(world->broken, sizeof(world->broken), format, args); /* cut short is fine */
	va_end(args);
	say(world, "BROKEN: %s", world->broken);
}

/* ---- sessions ---- */

bool session_lives(const struct world *world, int session) {
	return session != NOBODY && world->sessions[session].open;
}

static int session_open(struct world *world) {
	if (world->session_count == world->session_room) {
		world->session_room = world->session_room ? world->session_room * 2 : 64;
		world->sessions = realloc(world->sessions, (size_t)world->session_room * sizeof(*world->sessions));
		if (!world->sessions)
			abort();
	}
	world->sessions[world->session_count] = (struct session){.open = true, .heard = world->now};
	return world->session_count++;
}

static void session_heard(struct world *world, int session) {
	world->sessions[session].heard = world->now;
	world->sessions[session].lag = chance(world, TIMELINE_LAG);
}

void ensemble_tick(struct world *world) {
	if (!world->quorum) {
		if (world->now < world->quorum_at)
			return;
		world->quorum = true;
		say(world, "ensemble: a quorum again");
		for (int i = 0; i < world->session_count; i++)
			if (world->sessions[i].open)
				world->sessions[i].heard = world->now; /* a new leader gives everybody a new life */
	}
	for (int i = 0; i < world->session_count; i++) {
		struct session *session = &world->sessions[i];

		if (session->open && world->now - session->heard > SESSION - session->lag) {
			session->open = false;
			tree_session_gone(world, i);
		}
	}
}

/* ---- messages ---- */

static usec_t latency(struct world *world) {
	return (1 + chance(world, 3) + (happens(world, 3) ? chance(world, 16) : 0)) * TICK;
}

bool ask(struct world *world, int node, enum program program, struct message request) {
	const struct process *process = &world->hosts[node].processes[program];

	for (int i = 0; i < MESSAGES; i++) {
		if (world->messages[i].used)
			continue;
		request.used = true;
		request.is_reply = request.arrived = false;
		request.sent = world->now;
		request.at = world->now + latency(world);
		request.node = node;
		request.program = program;
		request.life = process->life;
		request.session = process->session;
		world->messages[i] = request;
		return true;
	}
	return false;
}

static void serve(struct world *world, struct message *message) {
	if (!world->hosts[message->node].linked || !world->quorum) {
		message->used = false;
		return;
	}
	if (message->kind == REQUEST_OPEN) {
		message->session = session_open(world);
		message->result = 0;
	} else if (!session_lives(world, message->session)) {
		message->result = -ESTALE;
		message->session = NOBODY;
	} else {
		session_heard(world, message->session);
		message->result = tree_apply(world, message);
	}
	message->is_reply = true;
	message->at = world->now + latency(world);
	if (world->hosts[message->node].slow)
		message->at += chance(world, 12 * USEC_PER_SEC);
}

static void take_back(struct world *world, struct message *message) {
	struct host *host = &world->hosts[message->node];
	struct process *process = &host->processes[message->program];

	if (!host->on || !process->runs || process->life != message->life) {
		message->used = false;
		return;
	}
	if (host->frozen || process->hung) { /* it lies in the socket, also when the link is cut meanwhile */
		message->arrived |= host->linked;
		message->at = world->now + TICK;
		return;
	}
	if (!host->linked && !message->arrived) {
		message->used = false;
		return;
	}
	message->used = false;
	if (message->kind != REQUEST_OPEN && message->session == NOBODY) {
		process->session = NOBODY;
		process->asking = false;
		return;
	}
	if (message->session == process->session && message->sent > process->confirmed)
		process->confirmed = message->sent;
	answered(world, message);
}

void deliver(struct world *world) {
	for (int i = 0; i < MESSAGES; i++) {
		struct message *message = &world->messages[i];

		if (!message->used || message->at > world->now)
			continue;
		if (message->is_reply)
			take_back(world, message);
		else
			serve(world, message);
	}
}
