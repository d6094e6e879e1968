/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pure parts of pvc-firewall's snippets: what is looked for in their text, and nft's listings. */
#include <setjmp.h>
#include <cmocka.h>

#include "../../cmd/pvc-firewall/ruleset.h"

static void include_is_found_wherever_nft_would_find_it(void **state) {
	static const struct {
		const char *text, *problem; /* beginning of it */
	} cases[] = {
	    {"", NULL},
	    {"add rule inet pvc static-input accept\n", NULL},
	    {"# include \"x\"\n", NULL},
	    {"add rule x comment \"include\"\n", NULL},
	    {"add rule x comment \"# \" # \"\n", NULL},
	    {"includes include-x x-include include.d\n", NULL},
	    {"include \"/etc/shadow\"", "line 1: include"},
	    {"\n\n  include\t'x'", "line 3: include"},
	    {"add table x;include \"y\"", "line 1: include"},
	    {"comment \"a\"include\"y\"", "line 1: include"},
	    {"table x{include", "line 1: include"},
	    {"$include", "line 1: include"},
	    {"\"", "line 1: a string"},
	    {"a\nb \"c\n\"", "line 2: a string"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *problem = snippet_lint(cases[i].text);

		if (!cases[i].problem)
			assert_null(problem);
		else if (!problem || !str_starts(problem, cases[i].problem))
			fail_msg("%s: %s", cases[i].text, problem ? problem : "fine?");
	}
}

static const char sample[] = "table inet pvc {\n"
			     "\tct helper static-ftp {\n\t\ttype \"ftp\" protocol tcp\n\t}\n\n"
			     "\tcounter static-hits {\n\t}\n\n"
			     "\tmap static-m {\n\t\ttype inet_service : verdict\n\t\telements = { 22 : jump static-x,\n"
			     "\t\t\t     80 : accept }\n\t}\n\n"
			     "\tchain input {\n\t\tcomment \"}\"\n\t}\n\n"
			     "\tchain static-input {\n\t}\n\n"
			     "\tchain static-x {\n\t\taccept\n\t}\n"
			     "}\n";

static void a_listing_is_cut_into_its_objects(void **state) {
	_cleanup_listing_ struct listing listing = {0};

	(void)state;
	assert_int_equal(listing_parse(sample, &listing), 0);
	assert_int_equal(listing.count, 6);
	assert_null(listing.other);
	assert_non_null(listing_find(&listing, "ct helper", "static-ftp"));
	assert_string_equal(listing_find(&listing, "chain", "input")->text,
			    "\tchain input {\n\t\tcomment \"}\"\n\t}\n");
	assert_null(listing_find(&listing, "set", "static-m"));
}

static void lines_of_the_table_itself_are_told(void **state) {
	_cleanup_listing_ struct listing listing = {0};

	(void)state;
	assert_int_equal(listing_parse("table inet pvc {\n\tflags dormant\n\tchain a {\n\t}\n}\n", &listing), 0);
	assert_string_equal(listing.other, "flags dormant");
	assert_int_equal(listing.count, 1);
}

static void a_listing_that_was_cut_off_is_refused(void **state) {
	(void)state;
	for (size_t n = 0; n + 1 < sizeof(sample) - 1; n++) {
		_cleanup_listing_ struct listing listing = {0};
		_cleanup_free_ char *part = strndup(sample, n);

		assert_non_null(part);
		assert_int_equal(listing_parse(part, &listing), -EINVAL);
		assert_int_equal(listing.count, 0);
	}
}

static void the_static_part_is_replaced_in_an_order_that_the_kernel_takes(void **state) {
	_cleanup_listing_ struct listing listing = {0};
	_cleanup_free_ char *commands = NULL;

	(void)state;
	assert_int_equal(listing_parse(sample, &listing), 0);
	commands = listing_replace(&listing, "\tchain static-y {\n\t}\n");
	assert_string_equal(commands, "flush chain inet pvc static-input\n"
				      "flush chain inet pvc static-x\n"
				      "delete map inet pvc static-m\n"
				      "delete chain inet pvc static-x\n"
				      "delete ct helper inet pvc static-ftp\n"
				      "delete counter inet pvc static-hits\n"
				      "table inet pvc {\n\tchain static-y {\n\t}\n}\n");
}

static void only_static_objects_are_taken(void **state) {
	_cleanup_listing_ struct listing listing = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_int_equal(listing_parse("table inet pvc {\n\tchain z {\n\t}\n\tset static-b {\n\t}\n"
				       "\tchain static-a {\n\t}\n}\n",
				       &listing),
			 0);
	text = listing_static(&listing, false);
	assert_string_equal(text, "\tset static-b {\n\t}\n\tchain static-a {\n\t}\n");
	free(text);
	text = listing_static(&listing, true);
	assert_string_equal(text, "\tchain static-a {\n\t}\n\tset static-b {\n\t}\n");
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(include_is_found_wherever_nft_would_find_it),
	    cmocka_unit_test(a_listing_is_cut_into_its_objects),
	    cmocka_unit_test(lines_of_the_table_itself_are_told),
	    cmocka_unit_test(a_listing_that_was_cut_off_is_refused),
	    cmocka_unit_test(the_static_part_is_replaced_in_an_order_that_the_kernel_takes),
	    cmocka_unit_test(only_static_objects_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
