/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel settings: reading and writing the files, and what pvc-sysctl plans. */
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../../cmd/pvc-sysctl/settings.h"
#include "host/sysctl.h"

/* ---- files ---- */

static char root[] = "/tmp/pvc-test-sysctl-XXXXXX";

static void put(const char *path, const char *text) {
	_cleanup_free_ char *full = str_printf("%s/%s", root, path);
	_cleanup_free_ char *directory = strdup(full);

	assert_true(full && directory);
	*strrchr(directory, '/') = '\0';
	assert_int_equal(dir_make(directory, 0700), 0);
	assert_int_equal(file_write_atomic(full, text, strlen(text), 0600), 0);
}

static int make_root(void **state) {
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
	_cleanup_run_result_ struct run_result result = {0};
	const char *const argv[] = {"rm", "-rf", root, NULL};

	(void)state;
	return run_command(argv, NULL, deadline_after(60 * USEC_PER_SEC), &result);
}

static void keys_are_files_and_slashes_are_dots_in_names(void **state) {
	_cleanup_free_ char *a = NULL, *b = NULL;

	(void)state;
	put("net/ipv4/ip_forward", "1\n");
	put("net/ipv4/conf/eth0.10/rp_filter", "2\n");
	assert_int_equal(host_sysctl_read_below(root, "net.ipv4.ip_forward", &a), 0);
	assert_string_equal(a, "1");
	assert_int_equal(host_sysctl_read_below(root, "net.ipv4.conf.eth0/10.rp_filter", &b), 0);
	assert_string_equal(b, "2");
}

static void a_value_that_was_written_is_read_again(void **state) {
	_cleanup_free_ char *value = NULL;

	(void)state;
	put("net/x", "0");
	assert_int_equal(host_sysctl_write_below(root, "net.x", "1"), 0);
	assert_int_equal(host_sysctl_read_below(root, "net.x", &value), 0);
	assert_string_equal(value, "1");
}

static void a_key_that_does_not_exist_is_not_made(void **state) {
	_cleanup_free_ char *value = NULL;

	(void)state;
	put("net/x", "0");
	assert_int_equal(host_sysctl_read_below(root, "net.none", &value), -ENOENT);
	assert_int_equal(host_sysctl_write_below(root, "net.none", "1"), -ENOENT);
	assert_int_equal(host_sysctl_read_below(root, "net.x.below", &value), -ENOENT);
	assert_int_equal(host_sysctl_write_below(root, "net.x.below", "1"), -ENOENT);
	assert_int_equal(host_sysctl_read_below(root, "net.none", &value), -ENOENT);
	assert_null(value);
}

static void keys_cannot_leave_the_directory(void **state) {
	static const char *const bad[] = {"", ".", "/etc/passwd", "net.//.//.x", "net..x", "net.//x"};
	char *value = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(host_sysctl_read_below(root, bad[i], &value), -EINVAL);
		assert_int_equal(host_sysctl_write_below(root, bad[i], "1"), -EINVAL);
	}
}

static void the_kernels_own_settings_are_there(void **state) {
	_cleanup_free_ char *value = NULL;

	(void)state;
	assert_int_equal(host_sysctl_read("kernel.ostype", &value), 0);
	assert_string_equal(value, "Linux");
	assert_int_equal(host_sysctl_write("kernel.no_such_setting", "1"), -ENOENT);
}

/* ---- the plan ---- */

#define KERNEL_KEYS 64
struct kernel { /* a kernel with these keys and no others */
	const char *keys[KERNEL_KEYS];
	char values[KERNEL_KEYS][8];
	size_t count;
};

static void has(struct kernel *kernel, const char *key, const char *value) {
	for (size_t i = 0; i < kernel->count; i++)
		if (str_equal(kernel->keys[i], key)) {
			snprintf(kernel->values[i], sizeof(kernel->values[i]), "%s", value);
			return;
		}
	assert_true(kernel->count < KERNEL_KEYS);
	kernel->keys[kernel->count] = key;
	snprintf(kernel->values[kernel->count++], sizeof(kernel->values[0]), "%s", value);
}

static int read_kernel(const char *key, char **ret, void *data) {
	const struct kernel *kernel = data;

	for (size_t i = 0; i < kernel->count; i++)
		if (str_equal(kernel->keys[i], key)) {
			*ret = strdup(kernel->values[i]);
			return *ret ? 0 : -ENOMEM;
		}
	return -ENOENT;
}

static const struct settings_link links[] = {{"lo", false},        {"eth0", false},       {"eth1", false},
					     {"brcluster", false}, {"brupstream", false}, {"virbr0", false}};

static struct config two_devices(void) {
	struct config config = {0};

	config.upstream.device = "eth0";
	config.cluster.device = config.storage.device = "eth1";
	return config;
}

/* As a Debian host is after pvc-netsetup. */
static struct kernel debian(void) {
	struct kernel k = {0};

	has(&k, "net.ipv4.ip_forward", "0");
	has(&k, "net.ipv4.conf.default.forwarding", "0");
	has(&k, "net.ipv4.conf.brcluster.forwarding", "0");
	has(&k, "net.ipv4.conf.brupstream.forwarding", "0");
	has(&k, "net.ipv6.conf.all.forwarding", "0");
	has(&k, "net.ipv6.conf.default.forwarding", "0");
	has(&k, "net.ipv4.conf.all.send_redirects", "1");
	has(&k, "net.ipv4.conf.default.send_redirects", "1");
	has(&k, "net.ipv4.conf.all.accept_source_route", "0");
	has(&k, "net.ipv4.conf.default.accept_source_route", "1");
	has(&k, "net.ipv6.conf.all.accept_source_route", "0");
	has(&k, "net.ipv6.conf.default.accept_source_route", "0");
	has(&k, "net.ipv6.conf.eth0.accept_ra", "1");
	has(&k, "net.ipv6.conf.brupstream.accept_ra", "1");
	has(&k, "net.ipv4.conf.all.rp_filter", "0");
	has(&k, "net.ipv4.conf.default.rp_filter", "2");
	has(&k, "net.ipv4.conf.lo.rp_filter", "0");
	has(&k, "net.ipv4.conf.eth0.rp_filter", "2");
	has(&k, "net.ipv4.conf.eth1.rp_filter", "2");
	has(&k, "net.ipv4.conf.brcluster.rp_filter", "2");
	has(&k, "net.ipv4.conf.brupstream.rp_filter", "2");
	has(&k, "net.ipv4.conf.virbr0.rp_filter", "2");
	return k;
}

/* "key=value" of each step, the keys without "net.", with blanks between. */
static char *planned(struct kernel *kernel, const struct config *config, const struct settings_link *l, size_t n) {
	_cleanup_settings_ struct settings settings = {0};
	struct strbuf text = {0};

	assert_int_equal(settings_plan(config, l, n, read_kernel, kernel, &settings, NULL), 0);
	for (size_t i = 0; i < settings.count; i++) {
		assert_true(str_starts(settings.items[i].key, "net."));
		(void)strbuf_addf(&text, "%s%s=%llu", i ? " " : "", settings.items[i].key + 4,
				  (unsigned long long)settings.items[i].value);
		assert_true(*settings.items[i].reason);
	}
	return strbuf_steal(&text);
}

static void a_debian_host_gets_what_the_reference_meant(void **state) {
	const struct config config = two_devices();
	struct kernel kernel = debian();
	_cleanup_free_ char *text = planned(&kernel, &config, links, ARRAY_SIZE(links));

	(void)state;
	assert_string_equal(text,
			    "ipv6.conf.eth0.accept_ra=2 ipv6.conf.brupstream.accept_ra=2 ipv4.ip_forward=1 "
			    "ipv4.conf.default.forwarding=1 ipv6.conf.all.forwarding=1 ipv6.conf.default.forwarding=1 "
			    "ipv4.conf.default.accept_source_route=0 "
			    "ipv4.conf.brcluster.forwarding=1 ipv4.conf.brupstream.forwarding=1 "
			    "ipv4.conf.eth1.rp_filter=0 ipv4.conf.brcluster.rp_filter=0 ipv4.conf.eth0.rp_filter=0 "
			    "ipv4.conf.brupstream.rp_filter=0");
}

static void what_was_written_leaves_nothing_to_plan(void **state) {
	const struct config config = two_devices();
	struct kernel kernel = debian();
	_cleanup_settings_ struct settings settings = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	has(&kernel, "net.ipv4.conf.all.rp_filter", "1");
	assert_int_equal(settings_plan(&config, links, ARRAY_SIZE(links), read_kernel, &kernel, &settings, NULL), 0);
	for (size_t i = 0; i < settings.count; i++)
		has(&kernel, settings.items[i].key,
		    settings.items[i].value == 0   ? "0"
		    : settings.items[i].value == 1 ? "1"
						   : "2");
	text = planned(&kernel, &config, links, ARRAY_SIZE(links));
	assert_string_equal(text, "");
}

static void other_links_keep_the_filter_that_all_gave_them(void **state) {
	const struct config config = two_devices();
	struct kernel kernel = debian();
	_cleanup_free_ char *text = NULL;
	const char *lo, *all;

	(void)state;
	has(&kernel, "net.ipv4.conf.all.rp_filter", "1");
	text = planned(&kernel, &config, links, ARRAY_SIZE(links));
	lo = strstr(text, "ipv4.conf.lo.rp_filter=1");
	all = strstr(text, "ipv4.conf.all.rp_filter=0");
	assert_true(lo && all && lo < all);  /* before: there is no moment without */
	assert_null(strstr(text, "virbr0")); /* its own 2 is greater */
}

static void keys_that_the_kernel_lacks_are_left_out_and_remembered_once(void **state) {
	const struct config config = two_devices();
	struct kernel kernel = {0};
	_cleanup_settings_ struct settings settings = {0};

	(void)state;
	has(&kernel, "net.ipv4.ip_forward", "0");
	assert_int_equal(settings_plan(&config, links, ARRAY_SIZE(links), read_kernel, &kernel, &settings, NULL), 0);
	assert_int_equal(settings.count, 1);
	assert_true(strlist_contains(&settings.missing, "net.ipv6.conf.all.forwarding"));
	for (size_t i = 0; i < settings.missing.count; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(settings.missing.items[i], settings.missing.items[j]);
}

static void names_with_dots_are_written_with_slashes(void **state) {
	struct config config = two_devices();
	struct kernel kernel = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	config.upstream.device = "eth0.10";
	has(&kernel, "net.ipv6.conf.eth0/10.accept_ra", "1");
	text = planned(&kernel, &config, links, ARRAY_SIZE(links));
	assert_string_equal(text, "ipv6.conf.eth0/10.accept_ra=2");
}

static void only_hosts_that_listen_to_router_advertisements_go_on_doing_so(void **state) {
	static const struct settings_link advertised[] = {{"eth5", true}, {"eth6", false}};
	const struct config config = two_devices();
	struct kernel kernel = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	has(&kernel, "net.ipv6.conf.eth0.accept_ra", "0");
	has(&kernel, "net.ipv6.conf.brupstream.accept_ra", "2");
	has(&kernel, "net.ipv6.conf.eth5.accept_ra", "1");
	has(&kernel, "net.ipv6.conf.eth6.accept_ra", "1");
	text = planned(&kernel, &config, advertised, ARRAY_SIZE(advertised));
	assert_string_equal(text, "ipv6.conf.eth5.accept_ra=2");
}

static int refuse(const char *key, char **ret, void *data) {
	(void)key;
	(void)ret;
	(void)data;
	return -EACCES;
}

static void a_key_that_cannot_be_read_is_named(void **state) {
	const struct config config = two_devices();
	struct settings settings = {0};
	_cleanup_free_ char *error = NULL;

	(void)state;
	assert_int_equal(settings_plan(&config, NULL, 0, refuse, NULL, &settings, &error), -EACCES);
	assert_non_null(strstr(error, "net.ipv6.conf.eth0.accept_ra"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_files_and_slashes_are_dots_in_names),
	    cmocka_unit_test(a_value_that_was_written_is_read_again),
	    cmocka_unit_test(a_key_that_does_not_exist_is_not_made),
	    cmocka_unit_test(keys_cannot_leave_the_directory),
	    cmocka_unit_test(the_kernels_own_settings_are_there),
	    cmocka_unit_test(a_debian_host_gets_what_the_reference_meant),
	    cmocka_unit_test(what_was_written_leaves_nothing_to_plan),
	    cmocka_unit_test(other_links_keep_the_filter_that_all_gave_them),
	    cmocka_unit_test(keys_that_the_kernel_lacks_are_left_out_and_remembered_once),
	    cmocka_unit_test(names_with_dots_are_written_with_slashes),
	    cmocka_unit_test(only_hosts_that_listen_to_router_advertisements_go_on_doing_so),
	    cmocka_unit_test(a_key_that_cannot_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
