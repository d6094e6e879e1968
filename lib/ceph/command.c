/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands to monitors and to the manager: JSON there, text or JSON back. */
#include "ceph/internal.h"

#define SAID_MAX 400 /* bytes of Ceph's own words in a message */

static int ask(rados_t rados, const struct ceph_command *command, const char *text, char **ret_output,
	       size_t *ret_length, char **ret_said) {
	const char *input = command->input;
	_cleanup_free_ char *said = NULL;
	char *status = NULL, *output = NULL;
	size_t status_length = 0, output_length = 0, length = input ? strlen(input) : 0;
	int r;

	/* What is for the manager goes through the monitor, which passes it on: in Ceph 16 rados_mgr_command() that has
	 * timed out leaves its own stack to the answer that may come later. */
	if (command->target == CEPH_OSD)
		r = rados_osd_command(rados, (int)command->osd, &text, 1, input ? input : "", length, &output,
				      &output_length, &status, &status_length);
	else
		r = rados_mon_command(rados, &text, 1, input ? input : "", length, &output, &output_length, &status,
				      &status_length);
	if (r > 0)
		r = -r; /* 110 is an error in either sign */
	if (status && status_length > 0) {
		said = strndup(status, status_length);
		*ret_said = said ? str_printable(said, SAID_MAX) : NULL;
	}
	if (r == 0 && ret_output) {
		char *copy = malloc(output_length + 1);

		if (copy) {
			if (output_length > 0)
				memcpy(copy, output, output_length);
			copy[output_length] = '\0';
			*ret_output = copy;
			*ret_length = output_length;
		} else {
			r = -ENOMEM;
		}
	}
	rados_buffer_free(output);
	rados_buffer_free(status);
	return r;
}

static int run(struct ceph *ceph, const struct ceph_command *command, char **ret_output, size_t *ret_length,
	       char **ret_error) {
	const char *prefix = json_string_value(json_object_get(command->arguments, "prefix"));
	_cleanup_free_ char *text = json_dumps(command->arguments, JSON_COMPACT), *said = NULL;
	struct connection *connection;
	rados_t rados;
	int r;

	if (!text || !prefix)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = connection_get(ceph, command->use, &connection, &rados, ret_error);
	if (r < 0)
		return r;
	r = ask(rados, command, text, ret_output, ret_length, &said);
	connection_put(connection, r);
	if (r < 0)
		return error_set(ret_error, r, "Ceph's '%s': %s", prefix,
				 r != -ETIMEDOUT && said && *said ? said : ceph_strerror(r));
	return 0;
}

int ceph_command(struct ceph *ceph, const struct ceph_command *command, char **ret_output, char **ret_error) {
	size_t length = 0;
	int r = command->arguments ? run(ceph, command, ret_output, &length, ret_error) : -ENOMEM;

	json_decref(command->arguments);
	return r;
}

int ceph_query(struct ceph *ceph, const struct ceph_command *command, json_t **ret, char **ret_error) {
	const char *prefix = json_string_value(json_object_get(command->arguments, "prefix"));
	_cleanup_free_ char *output = NULL;
	json_error_t problem;
	size_t length = 0;
	json_t *value;
	int r = -ENOMEM;

	if (command->arguments && json_object_set_new(command->arguments, "format", json_string("json")) == 0)
		r = run(ceph, command, &output, &length, ret_error);
	if (r == 0) {
		value = json_loadb(output, length, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &problem);
		if (value)
			*ret = value;
		else
			r = error_set(ret_error, -EBADMSG, "Ceph's answer to '%s' is not JSON: %s", prefix,
				      problem.text);
	}
	json_decref(command->arguments);
	return r;
}
