/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Against libvirt's built-in test driver: the real library, its threads and events, without a hypervisor. */
#include <setjmp.h>
#include <cmocka.h>

#include "virt/virt.h"

#define UUID_A "11111111-2222-4333-8444-5555555555aa"
#define UUID_B "11111111-2222-4333-8444-5555555555bb"
#define XML(uuid, name)                                                                                                \
	"<domain type='test'><name>" name "</name><uuid>" uuid "</uuid><memory unit='MiB'>32</memory><vcpu>2</vcpu>"   \
	"<os><type>hvm</type></os></domain>"

struct seen {
	sd_event *event;
	struct virt *virt;
	bool tried, up, done, late;
	int result;
	char reason[256], error[1024];
	struct virt_event events[32];
	size_t event_count;
	struct virt_domain domains[16];
	size_t domain_count;
	enum virt_state state;
};

static void on_connection(struct virt *virt, bool up, const char *reason, void *userdata) {
	struct seen *seen = userdata;

	(void)virt;
	seen->tried = true;
	seen->up = up;
	(void)snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
}

static void on_event(struct virt *virt, const struct virt_event *event, void *userdata) {
	struct seen *seen = userdata;

	(void)virt;
	if (seen->event_count < ARRAY_SIZE(seen->events))
		seen->events[seen->event_count++] = *event;
}

static void on_done(struct virt *virt, int result, const struct virt_reply *reply, void *userdata) {
	struct seen *seen = userdata;

	(void)virt;
	assert_false(seen->done); /* once */
	seen->done = true;
	seen->result = result;
	seen->state = reply->state;
	(void)snprintf(seen->error, sizeof(seen->error), "%s", reply->error);
	seen->domain_count = reply->count;
	for (size_t i = 0; i < reply->count && i < ARRAY_SIZE(seen->domains); i++)
		seen->domains[i] = reply->domains[i];
}

static void on_late(struct virt *virt, void *userdata) {
	(void)virt;
	((struct seen *)userdata)->late = true;
}

static void run_until(struct seen *seen, const bool *flag) {
	usec_t deadline = deadline_after(60 * USEC_PER_SEC);

	while (!*flag) {
		assert_true(deadline_left(deadline) > 0);
		assert_true(sd_event_run(seen->event, 100000) >= 0);
	}
}

static struct seen *open_uri(const char *uri) {
	struct seen *seen = calloc(1, sizeof(*seen));
	struct virt_options options = {
	    .uri = uri, .workers = 3, .on_connection = on_connection, .on_event = on_event, .userdata = seen};

	assert_non_null(seen);
	assert_true(sd_event_new(&seen->event) >= 0);
	assert_int_equal(virt_new(&seen->virt, seen->event, &options), 0);
	run_until(seen, &seen->tried);
	return seen;
}

static void close_seen(struct seen *seen) {
	virt_free(seen->virt);
	sd_event_unref(seen->event);
	free(seen);
}

static int call(struct seen *seen, enum virt_verb verb, const char *uuid, const char *xml, usec_t not_after) {
	struct virt_call request = {.verb = verb,
				    .uuid = uuid,
				    .xml = xml,
				    .not_after = not_after,
				    .patience = 60 * USEC_PER_SEC,
				    .done = on_done,
				    .late = on_late,
				    .userdata = seen};

	seen->done = false;
	assert_int_equal(virt_submit(seen->virt, &request), 0);
	run_until(seen, &seen->done);
	assert_false(seen->late);
	return seen->result;
}

static const struct virt_domain *listed(const struct seen *seen, const char *uuid) {
	for (size_t i = 0; i < seen->domain_count; i++)
		if (strcmp(seen->domains[i].uuid, uuid) == 0)
			return &seen->domains[i];
	return NULL;
}

static void wait_for_event(struct seen *seen, const char *uuid, enum virt_state state) {
	usec_t deadline = deadline_after(60 * USEC_PER_SEC);

	for (;;) {
		for (size_t i = 0; i < seen->event_count; i++)
			if (strcmp(seen->events[i].uuid, uuid) == 0 && seen->events[i].state == state)
				return;
		assert_true(deadline_left(deadline) > 0);
		assert_true(sd_event_run(seen->event, 100000) >= 0);
	}
}

static void a_domain_is_created_listed_and_destroyed_with_events(void **state) {
	struct seen *seen = open_uri("test:///default");
	uint64_t serial;

	(void)state;
	assert_true(seen->up);
	assert_true(virt_is_up(seen->virt));
	serial = virt_serial(seen->virt);
	assert_int_equal(call(seen, VIRT_CREATE, UUID_A, XML(UUID_A, "one"), 0), 0);
	wait_for_event(seen, UUID_A, VIRT_RUNNING);
	assert_true(virt_serial(seen->virt) > serial);
	assert_int_equal(call(seen, VIRT_LIST, NULL, NULL, 0), 0);
	assert_non_null(listed(seen, UUID_A));
	assert_int_equal(listed(seen, UUID_A)->memory, 32);
	assert_int_equal(listed(seen, UUID_A)->vcpus, 2);
	assert_int_equal(listed(seen, UUID_A)->state, VIRT_RUNNING);
	for (size_t i = 1; i < seen->domain_count; i++)
		assert_true(strcmp(seen->domains[i - 1].uuid, seen->domains[i].uuid) < 0);
	assert_int_equal(call(seen, VIRT_DESTROY, UUID_A, NULL, 0), 0);
	wait_for_event(seen, UUID_A, VIRT_OFF);
	assert_int_equal(call(seen, VIRT_LIST, NULL, NULL, 0), 0);
	assert_null(listed(seen, UUID_A));
	close_seen(seen);
}

static void creating_what_runs_changes_nothing_and_says_so(void **state) {
	struct seen *seen = open_uri("test:///default");

	(void)state;
	assert_int_equal(call(seen, VIRT_CREATE, UUID_A, XML(UUID_A, "one"), 0), 0);
	assert_int_equal(call(seen, VIRT_CREATE, UUID_A, XML(UUID_A, "one"), 0), 1);
	assert_int_equal(seen->state, VIRT_RUNNING);
	assert_int_equal(call(seen, VIRT_STATE, UUID_A, NULL, 0), 0);
	assert_int_equal(seen->state, VIRT_RUNNING);
	assert_int_equal(call(seen, VIRT_SHUTDOWN, UUID_A, NULL, 0), 0);
	wait_for_event(seen, UUID_A, VIRT_OFF);
	close_seen(seen);
}

static void what_is_not_there_is_off_and_destroyed_already(void **state) {
	struct seen *seen = open_uri("test:///default");

	(void)state;
	assert_int_equal(call(seen, VIRT_DESTROY, UUID_B, NULL, 0), 0);
	assert_int_equal(call(seen, VIRT_STATE, UUID_B, NULL, 0), 0);
	assert_int_equal(seen->state, VIRT_OFF);
	assert_int_equal(call(seen, VIRT_SHUTDOWN, UUID_B, NULL, 0), -ENOENT);
	close_seen(seen);
}

static void errors_carry_libvirts_message(void **state) {
	struct seen *seen = open_uri("test:///default");

	(void)state;
	assert_int_equal(call(seen, VIRT_CREATE, UUID_B, "<domain type='test'><name>x</name>", 0), -EIO);
	assert_non_null(strstr(seen->error, "domain_definition"));
	assert_null(strchr(seen->error, '\n'));
	close_seen(seen);
}

static void a_start_whose_permission_is_old_is_not_made(void **state) {
	struct seen *seen = open_uri("test:///default");

	(void)state;
	assert_int_equal(call(seen, VIRT_CREATE, UUID_B, XML(UUID_B, "two"), now_boottime() - 1), -ESTALE);
	assert_int_equal(call(seen, VIRT_STATE, UUID_B, NULL, 0), 0);
	assert_int_equal(seen->state, VIRT_OFF);
	assert_int_equal(call(seen, VIRT_CREATE, UUID_B, XML(UUID_B, "two"), now_boottime() + 60 * USEC_PER_SEC), 0);
	assert_int_equal(call(seen, VIRT_DESTROY, UUID_B, NULL, 0), 0);
	close_seen(seen);
}

static void a_domain_made_of_another_definition_does_not_stay(void **state) {
	struct seen *seen = open_uri("test:///default");

	(void)state;
	assert_int_equal(call(seen, VIRT_CREATE, UUID_A, XML(UUID_B, "two"), 0), -EIO);
	assert_int_equal(call(seen, VIRT_STATE, UUID_B, NULL, 0), 0);
	assert_int_equal(seen->state, VIRT_OFF);
	close_seen(seen);
}

static void an_unreachable_libvirt_is_reported_and_calls_are_refused(void **state) {
	struct seen *seen = open_uri("qemu+unix:///system?socket=/nonexistent/pvc-test/socket");
	struct virt_call request = {.verb = VIRT_LIST, .done = on_done, .userdata = seen};

	(void)state;
	assert_false(seen->up);
	assert_non_null(strstr(seen->reason, "/nonexistent/pvc-test/socket"));
	assert_int_equal(virt_submit(seen->virt, &request), -ENOTCONN);
	seen->tried = false;
	run_until(seen, &seen->tried); /* it is tried again */
	assert_false(seen->up);
	close_seen(seen);
}

static void freeing_ends_calls_under_way_once(void **state) {
	struct seen *seen = open_uri("test:///default");
	struct virt_call request = {.verb = VIRT_LIST, .done = on_done, .userdata = seen};

	(void)state;
	assert_int_equal(virt_submit(seen->virt, &request), 0);
	virt_free(seen->virt);
	seen->virt = NULL;
	assert_true(seen->done);
	assert_int_equal(seen->result, -ECANCELED);
	close_seen(seen);
}

/* ---- definitions ---- */

static void only_the_definition_of_this_very_vm_is_taken(void **state) {
	static const struct {
		const char *xml, *complaint;
	} bad[] = {
	    {"", "no definition"},
	    {"not xml", "no valid XML"},
	    {"<domain><uuid>" UUID_A "</uuid><name>one</name>", "no valid XML"},
	    {"<network><uuid>" UUID_A "</uuid><name>one</name></network>", "<network>"},
	    {"<domain><name>one</name></domain>", "no <uuid>"},
	    {"<domain><uuid>" UUID_A "</uuid></domain>", "no <name>"},
	    {"<domain><uuid>" UUID_B "</uuid><name>one</name></domain>", UUID_B},
	    {"<domain><uuid>" UUID_A "</uuid><name>two</name></domain>", "its name is 'two'"},
	    {"<domain><uuid>" UUID_A "</uuid><uuid>" UUID_B "</uuid><name>one</name></domain>", "more than one <uuid>"},
	    {"<domain><uuid>" UUID_A "</uuid><name>one</name><name>two</name></domain>", "more than one <name>"},
	    {"<domain><x><uuid>" UUID_A "</uuid></x><name>one</name></domain>", "no <uuid>"},
	    {"<domain><uuid>" UUID_A "0</uuid><name>one</name></domain>", "another VM"},
	    {"<domain><uuid>1111</uuid><name>one</name></domain>", "another VM"},
	    {"<!DOCTYPE domain [<!ENTITY e \"" UUID_A "\">]><domain><uuid>&e;</uuid><name>one</name></domain>",
	     "DOCTYPE"},
	    {"<domain><uuid>" UUID_A "</uuid><name>\xff\xfe</name></domain>", "no valid XML"},
	};
	char *error = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(virt_xml_check(bad[i].xml, strlen(bad[i].xml), UUID_A, "one", &error), -EINVAL);
		if (!strstr(error, bad[i].complaint))
			fail_msg("%zu: %s", i, error);
	}
	free(error);
	assert_int_equal(virt_xml_check(XML(UUID_A, "one"), strlen(XML(UUID_A, "one")), UUID_A, "one", NULL), 0);
}

static void a_uuid_may_be_spelled_as_libvirt_reads_it(void **state) {
	static const char *const good[] = {
	    "<domain><uuid>\n 11111111-2222-4333-8444-5555555555AA </uuid><name>one</name></domain>",
	    "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><uuid>11111111222243338444"
	    "5555555555aa</uuid><name>one</name></domain>",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(virt_xml_check(good[i], strlen(good[i]), UUID_A, "one", NULL), 0);
}

static void definitions_are_bounded_and_hold_no_nul(void **state) {
	_cleanup_free_ char *big = malloc(VIRT_XML_MAX + 2), *error = NULL;

	(void)state;
	memset(big, ' ', VIRT_XML_MAX + 1);
	big[VIRT_XML_MAX + 1] = '\0';
	assert_int_equal(virt_xml_check(big, VIRT_XML_MAX + 1, UUID_A, "one", &error), -EINVAL);
	assert_non_null(strstr(error, "bytes"));
	assert_int_equal(virt_xml_check("<domain>\0</domain>", 18, UUID_A, "one", &error), -EINVAL);
	assert_non_null(strstr(error, "NUL"));
}

/* Any bytes in, a verdict out: the sanitizer build looks for what is wrong on the way. */
static void any_bytes_as_a_definition_are_survived(void **state) {
	char base[] = XML(UUID_A, "one"), text[sizeof(base)];
	unsigned seed = 20240607;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t length = sizeof(base) - 1;
		char *error = NULL;
		int r;

		memcpy(text, base, sizeof(base));
		for (int k = 0; k < 1 + round % 7; k++) {
			seed = seed * 1103515245 + 12345;
			text[(seed >> 8) % length] = (char)(seed >> 24);
		}
		r = virt_xml_check(text, length, UUID_A, "one", &error);
		assert_true(r == 0 || r == -EINVAL);
		assert_true(r == 0 || error);
		free(error);
	}
}

static void names_are_safe_as_file_names(void **state) {
	char *longest = malloc(202);

	(void)state;
	assert_true(virt_name_is_valid("vm1"));
	assert_true(virt_name_is_valid("a b-c_d.e"));
	assert_false(virt_name_is_valid(NULL));
	assert_false(virt_name_is_valid(""));
	assert_false(virt_name_is_valid("."));
	assert_false(virt_name_is_valid(".."));
	assert_false(virt_name_is_valid("../x"));
	assert_false(virt_name_is_valid("a/b"));
	assert_false(virt_name_is_valid("a\nb"));
	assert_false(virt_name_is_valid("\xff"));
	memset(longest, 'x', 201);
	longest[200] = '\0';
	assert_true(virt_name_is_valid(longest));
	longest[200] = 'x';
	longest[201] = '\0';
	assert_false(virt_name_is_valid(longest));
	free(longest);
	assert_true(virt_uuid_is_valid(UUID_A));
	assert_false(virt_uuid_is_valid("11111111-2222-4333-8444-5555555555AA"));
	assert_false(virt_uuid_is_valid("11111111222243338444-5555555555aa---"));
	assert_false(virt_uuid_is_valid(NULL));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_domain_is_created_listed_and_destroyed_with_events),
	    cmocka_unit_test(creating_what_runs_changes_nothing_and_says_so),
	    cmocka_unit_test(what_is_not_there_is_off_and_destroyed_already),
	    cmocka_unit_test(errors_carry_libvirts_message),
	    cmocka_unit_test(a_start_whose_permission_is_old_is_not_made),
	    cmocka_unit_test(a_domain_made_of_another_definition_does_not_stay),
	    cmocka_unit_test(an_unreachable_libvirt_is_reported_and_calls_are_refused),
	    cmocka_unit_test(freeing_ends_calls_under_way_once),
	    cmocka_unit_test(only_the_definition_of_this_very_vm_is_taken),
	    cmocka_unit_test(a_uuid_may_be_spelled_as_libvirt_reads_it),
	    cmocka_unit_test(definitions_are_bounded_and_hold_no_nul),
	    cmocka_unit_test(any_bytes_as_a_definition_are_survived),
	    cmocka_unit_test(names_are_safe_as_file_names),
	};
	return cmocka_run_group_tests_name("virt", tests, NULL, NULL);
}
