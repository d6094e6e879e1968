/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain/domain.h"

#define UUID "4f8c2a3e-0d1b-4c5d-8e9f-a0b1c2d3e4f5"
#define DEVICE                                                                                                         \
	"<emulator>/usr/bin/qemu</emulator><console type='pty'/>"                                                      \
	"<disk type='network' device='disk'><source protocol='rbd' name='vms/a_sda'/><target dev='sda' "               \
	"bus='scsi'/></disk>"                                                                                          \
	"<disk type='file' device='disk'><source file='/a.qcow2'/><target dev='vda' bus='virtio'/></disk>"             \
	"<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='vmbr100'/><model type='virtio'/>"  \
	"</interface><controller type='usb'/>"
#define REST                                                                                                           \
	"<memory unit='MiB'>512</memory><vcpu>2</vcpu><cpu><topology sockets='1' cores='2' threads='1'/></cpu>"        \
	"<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/><apic/></features>"                      \
	"<devices>" DEVICE "</devices>"
#define GOOD "<domain type='kvm'><name>vm1</name><uuid>" UUID "</uuid>" REST "</domain>"

static int prepare(const char *text, char **ret_text, struct domain_xml *ret, struct strlist *notes, char **error) {
	return domain_xml_prepare(text, strlen(text), ret_text, ret, notes, error);
}

/* Replaces the first `from` of the good XML by `to`. */
static char *good_with(const char *from, const char *to) {
	const char *at = strstr(GOOD, from);

	assert_non_null(at);
	return str_printf("%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
}

static void good_xml_is_kept_byte_for_byte_and_read(void **state) {
	_cleanup_domain_xml_ struct domain_xml x = {0};
	_cleanup_strlist_ struct strlist notes = {0};
	_cleanup_free_ char *text = NULL, *error = NULL;

	(void)state;
	assert_int_equal(prepare(GOOD, &text, &x, &notes, &error), 0);
	assert_string_equal(text, GOOD);
	assert_int_equal(notes.count, 0);
	assert_string_equal(x.uuid, UUID);
	assert_string_equal(x.name, "vm1");
	assert_int_equal(x.memory, 512);
	assert_int_equal(x.vcpus, 2);
	assert_string_equal(x.topology, "1/2/1");
	assert_string_equal(x.type, "hvm");
	assert_string_equal(x.arch, "x86_64");
	assert_string_equal(x.machine, "pc");
	assert_string_equal(x.console, "pty");
	assert_int_equal(x.features.count, 2);
	assert_int_equal(x.disk_count, 2);
	assert_string_equal(x.disks[0].kind, "rbd");
	assert_string_equal(x.disks[0].name, "vms/a_sda");
	assert_string_equal(x.disks[1].name, "/a.qcow2");
	assert_int_equal(x.interface_count, 1);
	assert_string_equal(x.interfaces[0].name, "vmbr100");
	assert_string_equal(x.interfaces[0].detail, "52:54:00:00:00:01");
}

/* What the reference's client needs of each VM's XML: without one of these its list of all VMs fails. */
static void xml_that_would_break_the_list_of_all_vms_is_refused_and_the_lack_is_named(void **state) {
	static const struct {
		const char *from, *to, *named;
	} rows[] = {
	    {"<name>vm1</name>", "", "<name>"},
	    {"<uuid>" UUID "</uuid>", "<uuid/>", "<uuid>"},
	    {"<memory unit='MiB'>512</memory>", "", "<memory>"},
	    {" unit='MiB'", "", "unit"},
	    {"unit='MiB'", "unit='TiB'", "unit"},
	    {">512<", ">much<", "<memory>"},
	    {">512<", ">99999999999999999999<", "<memory>"},
	    {"<vcpu>2</vcpu>", "", "<vcpu>"},
	    {"<vcpu>2</vcpu>", "<vcpu>two</vcpu>", "<vcpu>"},
	    {"<vcpu>2</vcpu>", "<vcpu>0</vcpu>", "<vcpu>"},
	    {"<os><type arch='x86_64' machine='pc'>hvm</type></os>", "", "<os/type>"},
	    {"arch='x86_64' ", "", "arch"},
	    {" machine='pc'", "", "machine"},
	    {"<features><acpi/><apic/></features>", "", "<features>"},
	    {"<devices>" DEVICE "</devices>", "", "<devices>"},
	    {"<emulator>/usr/bin/qemu</emulator>", "", "<devices/emulator>"},
	    {"<console type='pty'/>", "", "<devices/console>"},
	    {"<console type='pty'/>", "<console/>", "type"},
	    {"<disk type='network'", "<disk", "'type'"},
	    {"<source protocol='rbd' name='vms/a_sda'/>", "", "sda has no <source>"},
	    {"protocol='rbd' ", "", "'protocol'"},
	    {" name='vms/a_sda'", "", "'name'"},
	    {"<target dev='sda' bus='scsi'/>", "", "<target>"},
	    {"<interface type='bridge'>", "<interface>", "'type'"},
	    {"<mac address='52:54:00:00:00:01'/>", "", "<mac>"},
	    {" address='52:54:00:00:00:01'", "", "'address'"},
	    {"<source bridge='vmbr100'/>", "", "<source>"},
	    {"bridge='vmbr100'", "network='default'", "'bridge'"},
	    {"<model type='virtio'/>", "", "<model>"},
	    {"<controller type='usb'/>", "<controller/>", "<controller>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_domain_xml_ struct domain_xml x = {0};
		_cleanup_strlist_ struct strlist notes = {0};
		_cleanup_free_ char *text = NULL, *error = NULL, *xml = good_with(rows[i].from, rows[i].to);

		if (prepare(xml, &text, &x, &notes, &error) != -EINVAL || !error || !strstr(error, rows[i].named))
			fail_msg("without %s: %s", rows[i].from, error ? error : "accepted");
	}
}

static void all_lacks_are_named_at_once(void **state) {
	_cleanup_domain_xml_ struct domain_xml x = {0};
	_cleanup_strlist_ struct strlist notes = {0};
	_cleanup_free_ char *text = NULL, *error = NULL;

	(void)state;
	assert_int_equal(prepare("<domain><name>a</name><devices/></domain>", &text, &x, &notes, &error), -EINVAL);
	assert_non_null(strstr(error, "<memory>"));
	assert_non_null(strstr(error, "<vcpu>"));
	assert_non_null(strstr(error, "<features>"));
	assert_non_null(strstr(error, "<devices/console>"));
}

static void memory_is_in_mib_whatever_its_unit(void **state) {
	static const struct {
		const char *xml;
		int64_t mib;
	} rows[] = {{"<memory unit='KiB'>1048576</memory>", 1024},
		    {"<memory unit='GiB'>3</memory>", 3072},
		    {"<memory unit='MiB'> 7\n</memory>", 7}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_domain_xml_ struct domain_xml x = {0};
		_cleanup_free_ char *xml = good_with("<memory unit='MiB'>512</memory>", rows[i].xml);

		assert_int_equal(domain_xml_read(xml, strlen(xml), &x, NULL), 0);
		assert_int_equal(x.memory, rows[i].mib);
	}
}

static void a_missing_uuid_is_made_and_put_into_the_text(void **state) {
	static const char *const heads[] = {"<domain type='kvm'>",
					    "<?xml version='1.0'?>\n<!-- <domain> -->\n<domain type=\"a>b\">"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		_cleanup_domain_xml_ struct domain_xml x = {0};
		_cleanup_strlist_ struct strlist notes = {0};
		_cleanup_free_ char *text = NULL, *error = NULL, *rest = NULL,
				    *xml = str_printf("%s<name>vm1</name>" REST "</domain>", heads[i]);

		if (prepare(xml, &text, &x, &notes, &error) < 0)
			fail_msg("%s", error);
		assert_true(is_uuid(x.uuid));
		assert_int_equal(notes.count, 1);
		assert_non_null(strstr(notes.items[0], x.uuid));
		rest = str_printf("%s\n  <uuid>%s</uuid><name>vm1</name>" REST "</domain>", heads[i], x.uuid);
		assert_string_equal(text, rest);
	}
}

static void an_encoding_declaration_is_left_out_because_clients_cannot_read_it(void **state) {
	_cleanup_domain_xml_ struct domain_xml x = {0};
	_cleanup_strlist_ struct strlist notes = {0};
	_cleanup_free_ char *text = NULL, *error = NULL;

	(void)state;
	assert_int_equal(prepare("<?xml version='1.0' encoding='UTF-8'?>\n" GOOD, &text, &x, &notes, &error), 0);
	assert_string_equal(text, GOOD);
	assert_int_equal(notes.count, 1);
}

static void text_in_another_encoding_is_refused(void **state) {
	static const char *const bad[] = {
	    "<?xml version='1.0' encoding='ISO-8859-1'?><domain><name>\xe9</name></domain>",
	    "<domain><name>\xff</name></domain>", "\xff\xfe<"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_domain_xml_ struct domain_xml x = {0};
		_cleanup_strlist_ struct strlist notes = {0};
		_cleanup_free_ char *text = NULL, *error = NULL;

		assert_int_equal(prepare(bad[i], &text, &x, &notes, &error), -EINVAL);
		assert_non_null(error);
	}
}

static void entities_and_other_files_are_never_read(void **state) {
	static const char *const bad[] = {
	    "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain><name>&e;</name></domain>",
	    "<!DOCTYPE d SYSTEM 'http://127.0.0.1:1/x.dtd'><domain/>",
	    "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]>"
	    "<domain><name>&c;</name></domain>",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_domain_xml_ struct domain_xml x = {0};
		_cleanup_free_ char *error = NULL;

		assert_int_equal(domain_xml_read(bad[i], strlen(bad[i]), &x, &error), -EINVAL);
		assert_non_null(strstr(error, "DOCTYPE"));
	}
}

static void anything_else_than_one_domain_is_refused_with_the_reason(void **state) {
	static const char *const bad[] = {"",
					  " ",
					  "x",
					  "<domain>",
					  "<network/>",
					  "<domain/><domain/>",
					  "<d:domain xmlns:d='u'/>",
					  "<domain><a></domain>"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_domain_xml_ struct domain_xml x = {0};
		_cleanup_free_ char *error = NULL;

		assert_int_equal(domain_xml_read(bad[i], strlen(bad[i]), &x, &error), -EINVAL);
		assert_non_null(error);
		assert_null(strchr(error, '\n'));
	}
}

static void too_long_xml_is_refused_before_it_is_parsed(void **state) {
	_cleanup_free_ char *much = malloc(DOMAIN_XML_MAX + 2);
	_cleanup_domain_xml_ struct domain_xml x = {0};

	(void)state;
	memset(much, ' ', DOMAIN_XML_MAX + 1);
	assert_int_equal(domain_xml_read(much, DOMAIN_XML_MAX + 1, &x, NULL), -EFBIG);
}

static void deep_xml_does_not_exhaust_the_stack(void **state) {
	_cleanup_strbuf_ struct strbuf text = {0};
	_cleanup_domain_xml_ struct domain_xml x = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(strbuf_puts(&text, "<a>"), 0);
	assert_int_equal(domain_xml_read(text.data, text.length, &x, NULL), -EINVAL);
}

static void names_are_safe_as_files_arguments_and_messages(void **state) {
	static const char *const bad[] = {"", ".", "..", "a/b", "-a", "a b", "a\nb", "a\033[1m", "a\xff", UUID};
	static const char *const good[] = {"vm1", "web.example.org", "a_b-c", "\xc3\xa9t\xc3\xa9", "0"};
	_cleanup_free_ char *much = str_printf("%0201d", 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_non_null(domain_name_objection(bad[i]));
	assert_non_null(domain_name_objection(much));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_null(domain_name_objection(good[i]));
}

static void uuids_are_in_the_one_form_that_keys_have(void **state) {
	static const char *const bad[] = {
	    "",       "4F8C2A3E-0D1B-4C5D-8E9F-A0B1C2D3E4F5", UUID "0",
	    " " UUID, "4f8c2a3e0d1b4c5d8e9fa0b1c2d3e4f5",     "4f8c2a3e-0d1b-4c5d-8e9f-a0b1c2d3e4fg"};

	(void)state;
	assert_true(is_uuid(UUID));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(is_uuid(bad[i]));
}

static void a_disk_that_clients_cannot_show_is_taken_with_a_warning(void **state) {
	_cleanup_domain_xml_ struct domain_xml x = {0};
	_cleanup_free_ char *xml = good_with("type='file'", "type='block'");

	(void)state;
	assert_int_equal(domain_xml_read(xml, strlen(xml), &x, NULL), 0);
	assert_int_equal(x.problems.count, 0);
	assert_int_equal(x.warnings.count, 1);
	assert_non_null(strstr(x.warnings.items[0], "vda"));
}

/* Cut and garbled copies of good XML: any answer is right, a crash or leak is not (the sanitizers watch). */
static void garbled_xml_never_crashes(void **state) {
	unsigned seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(GOOD) * 4; i++) {
		_cleanup_domain_xml_ struct domain_xml x = {0};
		_cleanup_strlist_ struct strlist notes = {0};
		_cleanup_free_ char *copy = strdup(GOOD), *text = NULL, *error = NULL;
		size_t length = i % sizeof(GOOD);

		for (int k = 0; i >= sizeof(GOOD) && k < 3; k++) {
			seed = seed * 1103515245u + 12345u;
			copy[(seed >> 8) % (sizeof(GOOD) - 1)] = (char)(seed >> 24);
			length = sizeof(GOOD) - 1;
		}
		(void)domain_xml_prepare(copy, length, &text, &x, &notes, &error);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_xml_is_kept_byte_for_byte_and_read),
	    cmocka_unit_test(xml_that_would_break_the_list_of_all_vms_is_refused_and_the_lack_is_named),
	    cmocka_unit_test(all_lacks_are_named_at_once),
	    cmocka_unit_test(memory_is_in_mib_whatever_its_unit),
	    cmocka_unit_test(a_missing_uuid_is_made_and_put_into_the_text),
	    cmocka_unit_test(an_encoding_declaration_is_left_out_because_clients_cannot_read_it),
	    cmocka_unit_test(text_in_another_encoding_is_refused),
	    cmocka_unit_test(entities_and_other_files_are_never_read),
	    cmocka_unit_test(anything_else_than_one_domain_is_refused_with_the_reason),
	    cmocka_unit_test(too_long_xml_is_refused_before_it_is_parsed),
	    cmocka_unit_test(deep_xml_does_not_exhaust_the_stack),
	    cmocka_unit_test(names_are_safe_as_files_arguments_and_messages),
	    cmocka_unit_test(uuids_are_in_the_one_form_that_keys_have),
	    cmocka_unit_test(a_disk_that_clients_cannot_show_is_taken_with_a_warning),
	    cmocka_unit_test(garbled_xml_never_crashes),
	};
	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
