/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Operations: queued, sent to the library, answered, and their completions called from the loop. */
#include "store/internal.h"

void op_list_init(struct op_list *list) {
	list->first = NULL;
	list->last = &list->first;
}

void op_list_push(struct op_list *list, struct op *op) {
	op->next = NULL;
	*list->last = op;
	list->last = &op->next;
}

struct op *op_list_pop(struct op_list *list) {
	struct op *op = list->first;

	if (!op)
		return NULL;
	list->first = op->next;
	if (!list->first)
		list->last = &list->first;
	op->next = NULL;
	return op;
}

void op_free(struct op *op) {
	if (!op)
		return;
	store_txn_free(op->txn);
	strlist_free(&op->children);
	free(op->path);
	free(op->data);
	free(op->reply);
	free(op->created);
	free(op);
}

struct op *op_new(struct store *store, enum op_kind kind, const char *path, op_done_fn done, void *userdata) {
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->store = store;
	op->kind = kind;
	op->queue = QUEUE_NORMAL;
	op->done = done;
	op->userdata = userdata;
	op->path = path ? strdup(path) : NULL;
	if (path && !op->path) {
		op_free(op);
		return NULL;
	}
	return op;
}

/* What the library itself would refuse, and what the server would. */
bool store_path_valid(const char *path) {
	if (!path || path[0] != '/')
		return false;
	if (path[1] == '\0')
		return true;
	for (const char *component = path; *component;) {
		size_t length = strcspn(++component, "/");

		if (length == 0 || (length == 1 && component[0] == '.') ||
		    (length == 2 && strncmp(component, "..", 2) == 0))
			return false;
		for (size_t i = 0; i < length; i++)
			if ((unsigned char)component[i] < 0x20 || component[i] == 0x7f)
				return false;
		component += length;
	}
	return true;
}

static bool is_read(const struct op *op) {
	return op->kind != OP_CREATE && op->kind != OP_MULTI;
}

/* Errors that the library makes up itself, when the connection broke: no server said anything about the operation. */
static bool is_loss(int rc) {
	return (rc < ZOK && rc > ZAPIERROR) || rc == ZCLOSING || rc == ZSESSIONEXPIRED || rc == ZSESSIONMOVED ||
	       rc == ZTHROTTLEDOP || rc == ZAUTHFAILED;
}

static int errno_of(int rc) {
	switch (rc) {
	case ZOK:
		return 0;
	case ZNONODE:
		return -ENOENT;
	case ZNODEEXISTS:
		return -EEXIST;
	case ZBADVERSION:
		return -ESTALE;
	case ZNOTEMPTY:
		return -ENOTEMPTY;
	case ZSESSIONEXPIRED:
	case ZCLOSING:
		return -ECONNRESET;
	case ZNOAUTH:
	case ZINVALIDACL:
		return -EACCES;
	case ZBADARGUMENTS:
		return -EINVAL;
	default:
		return is_loss(rc) ? -ENOTCONN : -EIO;
	}
}

/* One turn of op_dispatch(). One-shot each time: a source that is always on would starve others of its priority. */
void op_wake(struct store *store) {
	if (store->dispatch)
		(void)sd_event_source_set_enabled(store->dispatch, SD_EVENT_ONESHOT); /* cannot fail on our own loop */
}

void op_finish(struct op *op, int result) {
	struct store *store = op->store;

	op->state = OP_FINISHED;
	op->result = result;
	op_list_push(&store->finished, op);
	op_wake(store);
}

/* Every answer, from inside the library. Reads that were lost with the connection are asked again. */
static void op_answered(struct op *op, int rc) {
	struct store *store = op->store;

	if (op == store->probing)
		store->probing = NULL;
	if (!is_loss(rc) && op->session == store->session && op->kind >= OP_SYNC && op->sent_at > store->confirmed)
		store->confirmed = op->sent_at; /* it went through the leader, who knows of the session */
	if (is_loss(rc) && is_read(op) && !op->own && !store->closing && ++op->tries < STORE_READ_TRIES) {
		op->state = OP_WAITING;
		op->counted = false;
		store->in_flight--;
		op_list_push(&store->queues[QUEUE_RETRY], op);
		return;
	}
	op_finish(op, errno_of(rc));
}

static void on_data(int rc, const char *value, int length, const struct Stat *stat, const void *context) {
	struct op *op = (struct op *)context;

	if (rc == ZOK) {
		op->stat = *stat;
		op->reply_length = length > 0 ? (size_t)length : 0;
		op->reply = malloc(op->reply_length + 1);
		if (op->reply) {
			if (op->reply_length > 0)
				memcpy(op->reply, value, op->reply_length);
			op->reply[op->reply_length] = '\0';
		} else {
			rc = ZSYSTEMERROR;
		}
	}
	op_answered(op, rc);
}

static void on_strings(int rc, const struct String_vector *strings, const struct Stat *stat, const void *context) {
	struct op *op = (struct op *)context;

	strlist_free(&op->children);
	if (rc == ZOK) {
		op->stat = *stat;
		for (int i = 0; rc == ZOK && i < strings->count; i++)
			if (strlist_add(&op->children, strings->data[i]) < 0)
				rc = ZSYSTEMERROR;
		strlist_sort(&op->children);
	}
	op_answered(op, rc);
}

static void on_stat(int rc, const struct Stat *stat, const void *context) {
	struct op *op = (struct op *)context;

	if (rc == ZOK)
		op->stat = *stat;
	op_answered(op, rc);
}

static void on_string(int rc, const char *value, const void *context) {
	struct op *op = (struct op *)context;

	if (rc == ZOK && op->kind == OP_CREATE) {
		op->created = strdup(value);
		if (!op->created)
			rc = ZSYSTEMERROR; /* as if lost: whoever asked looks for what was made */
	}
	op_answered(op, rc);
}

static void on_void(int rc, const void *context) {
	op_answered((struct op *)context, rc);
}

static int op_call(struct store *store, struct op *op) {
	watcher_fn watcher = op->watch ? watch_event : NULL;

	switch (op->kind) {
	case OP_GET:
		return zoo_awget(store->zh, op->path, watcher, store, on_data, op);
	case OP_LIST:
		return zoo_awget_children2(store->zh, op->path, watcher, store, on_strings, op);
	case OP_EXISTS:
		return zoo_awexists(store->zh, op->path, watcher, store, on_stat, op);
	case OP_SYNC:
		return zoo_async(store->zh, op->path, on_string, op);
	case OP_CREATE:
		return zoo_acreate(store->zh, op->path, op->data, (int)strlen(op->data), &ZOO_OPEN_ACL_UNSAFE,
				   op->flags, on_string, op);
	case OP_MULTI:
		return txn_send(op, on_void);
	}
	return ZBADARGUMENTS;
}

static void op_send(struct store *store, struct op *op) {
	int rc;

	op->state = OP_SENT;
	op->sent_at = now_monotonic();
	op->session = store->session;
	if (op != store->probing) {
		op->counted = true;
		store->in_flight++;
	}
	store->in_library++;
	rc = op_call(store, op);
	store->in_library--;
	if (rc != ZOK) /* the library did not take it, so it will not answer */
		op_answered(op, rc == ZINVALIDSTATE ? ZCONNECTIONLOSS : rc);
}

void op_pump(struct store *store) {
	if (store->in_library > 0 || !store->zh)
		return;
	while (store->connected && store->in_flight < STORE_WINDOW) {
		struct op *op = NULL;

		for (int i = 0; !op && i < QUEUE_COUNT; i++)
			op = op_list_pop(&store->queues[i]);
		if (!op)
			return;
		if (op->cancelled) {
			op_free(op);
			continue;
		}
		op_send(store, op);
		session_update(store);
	}
}

int op_submit(struct op *op) {
	struct store *store = op->store;

	if (store->closing || (op->path && !store_path_valid(op->path))) {
		int r = store->closing ? -ECONNRESET : -EINVAL;

		op_free(op);
		return r;
	}
	op->state = OP_WAITING;
	op_list_push(&store->queues[op->queue], op);
	op_pump(store);
	return 0;
}

void op_fail_waiting(struct store *store, int result, bool reads_too) {
	for (int i = 0; i < QUEUE_COUNT; i++) {
		struct op_list list = store->queues[i];
		struct op *op, *next;

		op_list_init(&store->queues[i]);
		for (op = list.first; op; op = next) {
			next = op->next;
			if (is_read(op) && !reads_too)
				op_list_push(&store->queues[i], op);
			else
				op_finish(op, result);
		}
	}
}

/* The store's own question: only its time counts. Past the window, so that a full queue does not hide the server. */
int op_probe(struct store *store) {
	if (!store->connected || store->probing || store->in_library > 0)
		return 0;
	store->probing = op_new(store, OP_SYNC, "/", NULL, NULL);
	if (!store->probing)
		return -ENOMEM;
	store->probing->own = true;
	op_send(store, store->probing);
	session_update(store);
	return 0;
}

static void announce(struct store *store, enum store_state state) {
	if (store->options.on_state) /* not once it is closing */
		store->options.on_state(store, state, store->options.userdata);
}

/* Says what the connection did; several changes come as one or two, the last one last. False when the store was closed.
 */
static void announce_changes(struct store *store) {
	for (int i = 0; i < 2; i++) {
		/* when it is up now the loss came before, else after */
		bool lost = (i == 0) == store->connected;

		if (lost && store->announce_lost) {
			store->announce_lost = false;
			announce(store, STORE_CONNECTING);
		} else if (!lost && store->announce_up) {
			enum store_state state = store->announce_new ? STORE_NEW_SESSION : STORE_CONNECTED;

			store->announce_up = store->announce_new = false;
			announce(store, state);
		}
	}
}

/* Calls completions until there are none, or the time is up: then the loop gets its turn first. */
void op_dispatch(struct store *store, usec_t until) {
	bool was_closing = store->closing;

	store->references++;
	announce_changes(store);
	/* once a completion closed the store, the rest were called from inside store_close() */
	while (store->closing == was_closing) {
		struct op *op = op_list_pop(&store->finished);

		if (!op)
			break;
		if (op->counted)
			store->in_flight--;
		if (op->done)
			op->done(store, op);
		op_free(op);
		if (until != DEADLINE_NEVER && now_monotonic() >= until)
			break;
	}
	if (!store->closing) {
		op_pump(store);
		if (store->finished.first || store->announce_lost || store->announce_up)
			op_wake(store);
	}
	store_unref(store);
}

static int on_dispatch(sd_event_source *source, void *userdata) {
	(void)source;
	op_dispatch(userdata, deadline_after(5 * USEC_PER_MSEC));
	return 0;
}

int op_dispatch_init(struct store *store) {
	int r = sd_event_add_defer(store->event, &store->dispatch, on_dispatch, store);

	return r < 0 ? r : sd_event_source_set_enabled(store->dispatch, SD_EVENT_OFF);
}
