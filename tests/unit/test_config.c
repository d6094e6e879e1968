/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Configuration: the example loads, every wrong value is told with file, line, key, what was expected and found, and
 * the manual page says what the table says. (D86, a reader that fails on a current Debian for want of a Loader
 * argument, has no counterpart here: libyaml builds no objects from tags, and tags are refused, which is tested below.)
 */
#include <grp.h>
#include <setjmp.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "config/internal.h"

#define HOST "pvchv2.example.org"

/* The file from the repository's top, where the tests run, or below $TOP. */
static char *repository_file(const char *name) {
	const char *top = getenv("TOP");
	_cleanup_free_ char *path = str_printf("%s/%s", top ? top : ".", name);
	char *text = NULL;

	assert_int_equal(file_read(path, 1000000, &text, NULL), 0);
	return text;
}

/* The example with the first occurrence of a text replaced, or unchanged for NULL. */
static char *example_with(const char *old, const char *new) {
	_cleanup_free_ char *text = repository_file("pvcd.yaml.example");
	char *at;

	if (!old)
		return move_ptr(text);
	at = strstr(text, old);
	if (!at)
		fail_msg("the example has no '%s'", old);
	*at = '\0';
	return str_printf("%s%s%s", text, new, at + strlen(old));
}

static int load(const char *text, const char *host, struct config **config, char **error) {
	return config_parse("file.yaml", text, strlen(text), host, config, error);
}

/* Loads the changed example, which must work. */
static struct config *loaded(const char *old, const char *new, const char *host) {
	_cleanup_free_ char *text = example_with(old, new), *error = NULL;
	struct config *config = NULL;

	if (load(text, host, &config, &error) < 0)
		fail_msg("%s", error);
	return config;
}

/* Loads the changed example, which must fail; returns the messages. */
static char *refused(const char *old, const char *new) {
	_cleanup_free_ char *text = example_with(old, new);
	struct config *config = NULL;
	char *error = NULL;

	if (load(text, HOST, &config, &error) != -EINVAL)
		fail_msg("accepted: %s", new);
	assert_null(config);
	assert_non_null(error);
	return error;
}

static void the_example_loads_as_it_is(void **state) {
	_cleanup_config_ struct config *c = loaded(NULL, NULL, HOST);
	char text[IP_PREFIX_TEXT];

	(void)state;
	assert_string_equal(c->node, "pvchv2");
	assert_string_equal(c->fqdn, HOST);
	assert_int_equal(c->node_id, 2);
	assert_true(c->is_coordinator);
	assert_string_equal(c->servers, "pvchv1:2181,pvchv2:2181,pvchv3:2181");
	assert_true(c->enable_networking);
	assert_false(c->enable_api);
	assert_false(c->debug);
	assert_int_equal(c->keepalive_interval, 5);
	assert_int_equal(c->vm_shutdown_timeout, 180);
	assert_int_equal(c->drain_parallel, 4);
	assert_int_equal(c->drain_timeout, 1800);
	assert_int_equal(c->successful_fence, CONFIG_FENCE_MIGRATE);
	assert_int_equal(c->failed_fence, CONFIG_FENCE_NONE);
	assert_int_equal(c->target_selector, CONFIG_SELECTOR_MEM);
	assert_string_equal(config_selector_name(c->target_selector), "mem");
	assert_string_equal(c->dns_database.pass, "change-me-dns");
	/* D77: nobody may transfer a zone, and encryption is not switched off, unless the file says so */
	assert_string_equal(c->dns_database.sslmode, "prefer");
	assert_string_equal(c->metadata_database.sslmode, "prefer");
	assert_int_equal(c->zone_transfer.count, 0);
	assert_string_equal(c->patroni_config, "/etc/patroni/config.yml");
	assert_int_equal(c->metadata_database.port, 5432);
	assert_string_equal(c->cluster.device, "eno2");
	assert_int_equal(c->cluster.mtu, 9000);
	ip_prefix_format(&c->cluster.address, true, text);
	assert_string_equal(text, "10.255.0.2/24");
	ip_prefix_format(&c->upstream.gateway, false, text);
	assert_string_equal(text, "192.0.2.254");
	assert_string_equal(c->dynamic_directory, "/run/pvc");
}

static void every_wrong_value_is_told_with_line_and_key(void **state) {
	static const struct {
		const char *old, *new, *told;
	} cases[] = {
	    {"debug: False", "debug: 'False'",
	     "debug: expected True or False (without quotes), found 'False' in quotes"},
	    {"enable_api: False", "enable_api: maybe",
	     "functions.enable_api: expected True or False (without quotes), found 'maybe'"},
	    {"enable_api: False",
	     "enable_api:", "functions.enable_api: expected True or False (without quotes), found nothing"},
	    {"enable_api: False", "enable_api: [a]",
	     "functions.enable_api: expected True or False (without quotes), found a list"},
	    {"keepalive_interval: 5", "keepalive_interval: 0",
	     "system.intervals.keepalive_interval: expected a decimal number from 1 to 3600 seconds, found '0'"},
	    {"keepalive_interval: 5", "keepalive_interval: -1", "found '-1'"},
	    {"keepalive_interval: 5", "keepalive_interval: 010", "found '010'"},
	    {"keepalive_interval: 5", "keepalive_interval: 5.0", "found '5.0'"},
	    {"keepalive_interval: 5", "keepalive_interval: 99999999999999999999999", "found '99999999999999999999999'"},
	    {"port: 5432", "port: 65536",
	     "coordinator.dns.database.port: expected a decimal number from 1 to 65535, found '65536'"},
	    {"sslmode: prefer", "sslmode: allow",
	     "coordinator.dns.database.sslmode: expected disable, prefer, require, verify-ca or verify-full, found "
	     "'allow'"},
	    {"zone_transfer: []", "zone_transfer: [192.0.2.53, 10.0.0.1/24]",
	     "coordinator.dns.zone_transfer: expected an address or a network, as in 192.0.2.53 or 10.0.0.0/24, found "
	     "'10.0.0.1/24'"},
	    {"zone_transfer: []", "zone_transfer: 192.0.2.53", "expected a list of addresses and networks"},
	    {"      ipmi:\n", "      credentials: hidden\n      ipmi:\n",
	     "system.fencing.credentials: expected USER:PASSWORD, found something else"},
	    {"      ipmi:\n", "      agents: fence_apc\n      ipmi:\n",
	     "system.fencing.agents: expected a list of agents, as in [{agent: ipmitool}]"},
	    {"      ipmi:\n", "      agents: [fence_apc]\n      ipmi:\n",
	     "system.fencing.agents: expected a name in `agent` for each agent"},
	    {"      ipmi:\n", "      agents: [{agent: /bin/sh}]\n      ipmi:\n",
	     "system.fencing.agents: expected ipmitool, or a program of the package fence-agents without its path"},
	    {"      ipmi:\n", "      agents: [{agent: fence_apc, optoins: {ip: a}}]\n      ipmi:\n",
	     "system.fencing.agents: expected {agent: NAME, options: {KEY: VALUE...}} for each agent"},
	    {"      ipmi:\n",
	     "      agents: [{agent: fence_apc, options: {password-script: /bin/reboot}}]\n      ipmi:\n",
	     "system.fencing.agents: expected no option that names a program or a file to write"},
	    {"      ipmi:\n", "      agents: [{agent: fence_apc, options: {action: on}}]\n      ipmi:\n",
	     "system.fencing.agents: expected no action"},
	    {"      ipmi:\n", "      agents: [{agent: fence_apc, options: {ip: [a]}}]\n      ipmi:\n",
	     "system.fencing.agents: expected a text or a number as the value of an option"},
	    {"      ipmi:\n", "      agents: [{agent: ipmitool, options: {ip: a}}]\n      ipmi:\n",
	     "system.fencing.agents: expected no options: those of ipmitool are in system.fencing.ipmi"},
	    {"mtu: 1500", "mtu: 575",
	     "system.configuration.networking.upstream.mtu: expected a decimal number from 576 to 65535 bytes, found "
	     "'575'"},
	    {"      - pvchv2", "      - pvc hv2",
	     "cluster.coordinators: expected a host name or HOST:PORT, found 'pvc hv2'"},
	    {"      - pvchv2", "      - pvchv2:0", "found 'pvchv2:0'"},
	    {"      - pvchv2", "      - -pvchv2", "found '-pvchv2'"},
	    {"      - pvchv2", "      - pvchv1:2181",
	     "cluster.coordinators: expected each coordinator once, found 'pvchv1:2181'"},
	    {"      - pvchv2", "      - {a: b}",
	     "cluster.coordinators: expected a host name or HOST:PORT, found a mapping"},
	    {"domain: cluster.example.org", "domain: None",
	     "cluster.networks.cluster.domain: expected a domain name (migrations need it), found 'None'"},
	    {"domain: example.org", "domain: exa_mple",
	     "cluster.networks.upstream.domain: expected a domain name or None, found 'exa_mple'"},
	    {"network: 10.255.0.0/24", "network: 10.255.0.1/24",
	     "cluster.networks.cluster.network: expected the first address of the network and its length, as in "
	     "10.0.0.0/24, found '10.255.0.1/24'"},
	    {"network: 10.255.0.0/24", "network: 10.255.0.0",
	     "cluster.networks.cluster.network: expected a network as in 10.0.0.0/24, found '10.255.0.0'"},
	    {"floating_ip: 10.255.0.250/24", "floating_ip: 10.255.1.250/24",
	     "cluster.networks.cluster.floating_ip: expected an address of a host in 10.255.0.0/24, found "
	     "'10.255.1.250/24'"},
	    {"floating_ip: 10.255.0.250/24", "floating_ip: 10.255.0.0/24", "found '10.255.0.0/24'"},
	    {"floating_ip: 10.255.0.250/24", "floating_ip: 10.255.0.255/24", "found '10.255.0.255/24'"},
	    {"floating_ip: 10.255.0.250/24", "floating_ip: 10.255.0.2/24",
	     "networking.cluster.address: expected another address than floating_ip"},
	    {"floating_ip: 10.255.0.250/24", "floating_ip: 10.255.0.250",
	     "expected an address with the length of its network"},
	    {"gateway: 192.0.2.254", "gateway: 192.0.3.254",
	     "cluster.networks.upstream.gateway: expected an address of a host in 192.0.2.0/24, or None, found "
	     "'192.0.3.254'"},
	    {"gateway: 192.0.2.254", "gateway: 192.0.2.255", "found '192.0.2.255'"},
	    {"gateway: 192.0.2.254", "gateway: 192.0.2.254/24",
	     "expected an address as in 10.0.0.254, or None, found '192.0.2.254/24'"},
	    {"gateway: 192.0.2.254", "gateway: 192.0.2.2", "expected another host's address, found this host's own"},
	    {"gateway: 192.0.2.254", "gateway: 192.0.2.250", "expected another address than floating_ip"},
	    {"device: eno1", "device: enp0123456789012",
	     "system.configuration.networking.upstream.device: expected the name of a network device (1 to 15 "
	     "characters), found 'enp0123456789012'"},
	    {"device: eno1", "device: ../eno1", "found '../eno1'"},
	    {"device: eno1", "device: 'a b'", "found 'a b' in quotes"},
	    {"address: by-id", "address: by_id",
	     "system.configuration.networking.upstream.address: expected by-id, an address with length as in "
	     "10.0.0.1/24, or None, found 'by_id'"},
	    {"address: by-id", "address: 192.0.2.9", "found '192.0.2.9'"},
	    {"address: by-id", "address: 192.0.2.255/24", "expected a host's address, found '192.0.2.255/24'"},
	    {"mtu: 1500", "mtu: 1500 # \n          mtu: 1400", "expected once, found again (first on line "},
	    {"device: eno1", "device: eno2",
	     "upstream.mtu: expected 9000 as for the cluster network, which shares device 'eno2', found '1500'"},
	    {"dynamic_directory: /run/pvc", "dynamic_directory: run/pvc",
	     "system.configuration.directories.dynamic_directory: expected the absolute path of a directory, found "
	     "'run/pvc'"},
	    {"dynamic_directory: /run/pvc", "dynamic_directory: /", "found '/'"},
	    {"dynamic_directory: /run/pvc", "dynamic_directory: /run/../etc", "found '/run/../etc'"},
	    {"successful_fence: migrate", "successful_fence: Migrate",
	     "system.fencing.actions.successful_fence: expected migrate or None, found 'Migrate'"},
	    {"failed_fence: None", "failed_fence: migrate",
	     "system.fencing.actions.failed_fence: expected None, or suicide_intervals above 0"},
	    {"suicide_intervals: 0", "suicide_intervals: 7",
	     "system.intervals.suicide_intervals: expected 0 or at most 6 with fence_intervals 6"},
	    {"suicide_intervals: 0", "suicide_intervals: 2",
	     "system.intervals.suicide_intervals: expected 0 or at least 3, so that one heartbeat"},
	    {"suicide_intervals: 0", "suicide_intervals: True",
	     "system.intervals.suicide_intervals: expected a decimal number from 0 to 86400 intervals, found 'True'"},
	    {"suicide_intervals: 0", "suicide_intervals: -1", "suicide_intervals: expected a decimal number"},
	    {"suicide_intervals: 0", "suicide_intervals: 1.5", "suicide_intervals: expected a decimal number"},
	    {"suicide_intervals: 0", "suicide_intervals:", "suicide_intervals: expected a decimal number"},
	    {"watchdog: /dev/watchdog", "watchdog: watchdog0",
	     "system.fencing.watchdog: expected the absolute path of a device file, or none, found 'watchdog0'"},
	    {"watchdog: /dev/watchdog", "watchdog: [/dev/watchdog]",
	     "system.fencing.watchdog: expected the absolute path of a device file, or none, found a list"},
	    {"target_selector: mem", "target_selector: cpu",
	     "system.migration.target_selector: expected mem, load, vcpus or vms, found 'cpu'"},
	    {"  # node: pvchv1", "  node: pvchv1",
	     "node: expected 'pvchv2', the short name of this host (hostname -s), found 'pvchv1'"},
	    {"user: pvcfence", "user: \"a\\nb\"",
	     "system.fencing.ipmi.user: expected one line of text, found control characters"},
	    {"user: pvcfence", "user: \"a\\0b\"",
	     "system.fencing.ipmi.user: expected one line of text, found control characters"},
	    {"user: pvcdns", "user: ''", "coordinator.dns.database.user: expected a text, found '' in quotes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = refused(cases[i].old, cases[i].new);
		_cleanup_free_ char *text = example_with(NULL, NULL);
		unsigned line = 1, told = 0;

		if (!strstr(error, cases[i].told))
			fail_msg("'%s' is told as: %s", cases[i].new, error);
		for (const char *p = text; p < strstr(text, cases[i].old); p++)
			line += *p == '\n';
		/* most are told at the line of the change; those between two keys at one of the two */
		assert_int_equal(sscanf(error, "file.yaml:%u: ", &told), 1);
		assert_true(told > 0);
		if (!strstr(cases[i].told, "another") && !strstr(cases[i].told, "again") &&
		    !strstr(cases[i].told, "shares"))
			assert_int_equal(told, line);
	}
}

static void values_that_are_allowed_are_taken(void **state) {
	static const struct {
		const char *old, *new;
	} cases[] = {
	    {"debug: False", "debug: yes"},
	    {"debug: False", "debug: ON"},
	    {"  debug: False\n", ""},
	    {"      vm_shutdown_timeout: 180", ""},
	    {"drain_parallel: 4", "drain_parallel: 1"},
	    {"      drain_timeout: 1800", ""},
	    {"gateway: 192.0.2.254", "gateway: None"},
	    {"gateway: 192.0.2.254", "gateway:"},
	    {"gateway: 192.0.2.254", "gateway: ''"},
	    {"domain: example.org", "domain: None"},
	    {"address: by-id", "address: None"},
	    {"address: by-id", "address: 192.0.2.77/24"},
	    {"keepalive_interval: 5", "keepalive_interval: '5'"},
	    {"failed_fence: None", "failed_fence: null"},
	    {"suicide_intervals: 0", "suicide_intervals: 6"},
	    {"suicide_intervals: 0", "suicide_intervals: 3"},
	    {"watchdog: /dev/watchdog", "watchdog: none"},
	    {"watchdog: /dev/watchdog", "watchdog: /dev/watchdog1"},
	    {"fence_intervals: 6", "fence_intervals: 0"},
	    {"      - pvchv2", "      - pvchv2.example.org:2182"},
	    {"      - pvchv2", "      - 127.0.0.1:2182"},
	    {"  # node: pvchv1", "  node: pvchv2"},
	    {"pass: change-me-ipmi", "pass: ''"},
	    {"pass: change-me-ipmi", "pass: 12345"},
	    {"dynamic_directory: /run/pvc", "dynamic_directory: /run/pvc//"},
	    {"network: 10.255.0.0/24\n        floating_ip: 10.255.0.250/24",
	     "network: fd00:1::/64\n        floating_ip: fd00:1::fa/64"},
	    {"network: 10.255.0.0/24\n        floating_ip: 10.255.0.250/24",
	     "network: 10.255.0.0/30\n        floating_ip: 10.255.0.1/32"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		config_free(loaded(cases[i].old, cases[i].new, HOST));
}

static void all_problems_are_told_together_in_the_order_of_lines(void **state) {
	_cleanup_free_ char *text = example_with("device: eno1", "device: ''"), *error = NULL, *first = NULL,
			    *second = NULL, *third = NULL;
	struct config *config = NULL;

	(void)state;
	memcpy(strstr(text, "mem #"), "bad", 3);
	memcpy(strstr(text, "file_logging"), "file_lagging", 12);
	assert_int_equal(load(text, HOST, &config, &error), -EINVAL);
	first = strstr(error, "target_selector") ? strdup(strstr(error, "target_selector")) : NULL;
	assert_non_null(first);
	second = strstr(first, "did you mean 'file_logging'?") ? strdup(strstr(first, "did you mean")) : NULL;
	assert_non_null(second);
	third = strstr(second, "upstream.device") ? strdup("") : NULL;
	assert_non_null(third);
}

static void unknown_keys_are_named_with_the_nearest_known_one(void **state) {
	static const struct {
		const char *old, *new, *told;
	} cases[] = {
	    {"log_dates", "log_date", "system.configuration.logging.log_date: unknown key, did you mean 'log_dates'?"},
	    {"  functions:", "  function:", "function: unknown key, did you mean 'functions'?"},
	    {"      fence_intervals", "      xyzzy: 1\n      fence_intervals", "system.intervals.xyzzy: unknown key"},
	    {"    migration:", "    mtu: 1\n    migration:",
	     "system.mtu: unknown key, did you mean 'system.configuration.networking"},
	    {"pvc:", "other: 1\npvc:", ": other: unknown key: everything belongs below 'pvc'"},
	    {"debug: False", "\"de\\nbug\": False", "de?bug: unknown key"},
	    {"debug: False", "system.intervals.keepalive_interval: 5", "unknown key"},
	    {"debug: False", "? [a, b]\n  : False", "expected a name before the colon"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = refused(cases[i].old, cases[i].new);

		if (!strstr(error, cases[i].told))
			fail_msg("'%s' is told as: %s", cases[i].new, error);
	}
}

/* Takes one key's line out of the example; NULL when it has none. */
static char *example_without(const char *path) {
	_cleanup_free_ char *text = repository_file("pvcd.yaml.example");
	struct document document = {0};
	struct problems problems = {.file = "x"};
	_cleanup_free_ char *full = str_printf("pvc.%s", path);
	const struct entry *entry;
	char *from = text, *to;

	assert_int_equal(document_parse(text, strlen(text), &document, &problems), 0);
	entry = document_find(&document, full);
	if (!entry) {
		document_free(&document);
		return NULL;
	}
	for (unsigned line = 1; line < entry->line; line++)
		from = strchr(from, '\n') + 1;
	to = strchr(from, '\n') + 1;
	memmove(from, to, strlen(to) + 1);
	document_free(&document);
	return move_ptr(text);
}

static void every_required_key_is_missed(void **state) {
	(void)state;
	for (size_t i = 0; i < config_key_count(); i++) {
		struct config_key key = config_key_at(i);
		_cleanup_free_ char *text = NULL, *error = NULL,
				    *told = str_printf(": %s: missing: expected", key.path);
		struct config *config = NULL;

		if (str_equal(key.path, "node") || str_equal(key.path, "cluster.coordinators"))
			continue; /* the one is not in the example, the other is more than a line */
		text = example_without(key.path);
		if (key.fallback && !text)
			continue;
		assert_non_null(text);
		if (key.fallback) {
			assert_int_equal(load(text, HOST, &config, &error), 0);
			config_free(config);
			continue;
		}
		assert_int_equal(load(text, HOST, &config, &error), -EINVAL);
		/* the only key of its group: then the group is told to be empty */
		if (!strstr(error, told) && !strstr(error, ": expected a mapping, found nothing"))
			fail_msg("without %s: %s", key.path, error);
	}
}

static void a_missing_group_is_told_once(void **state) {
	_cleanup_free_ char *error = NULL;
	struct config *config = NULL;
	const char text[] = "pvc:\n  functions: 5\n  cluster:\n";
	size_t lines = 1;

	(void)state;
	assert_int_equal(load(text, HOST, &config, &error), -EINVAL);
	assert_non_null(strstr(error, "file.yaml:2: functions: expected a mapping, found a text"));
	assert_non_null(strstr(error, "file.yaml:3: cluster: expected a mapping, found nothing"));
	assert_non_null(strstr(error, "system: missing: expected a mapping here"));
	for (const char *p = error; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 3);
}

static void network_keys_are_optional_without_networking(void **state) {
	const char text[] =
	    "pvc:\n  functions: {enable_hypervisor: true, enable_networking: no, enable_storage: off, enable_api: No}\n"
	    "  cluster: {coordinators: [hv1]}\n  system:\n    fencing:\n"
	    "      intervals: {keepalive_interval: 5, fence_intervals: 6, suicide_intervals: 0}\n"
	    "      actions: {successful_fence: migrate, failed_fence: None}\n      ipmi: {host: , user: u, pass: p}\n"
	    "    migration: {target_selector: vms}\n    configuration:\n"
	    "      directories: {dynamic_directory: /a, log_directory: /b, console_log_directory: /c}\n"
	    "      logging: {file_logging: no, stdout_logging: no, log_colours: no, log_dates: no, log_keepalives: no, "
	    "log_keepalive_cluster_details: no, log_keepalive_storage_details: no, console_log_lines: 10}\n";
	_cleanup_config_ struct config *config = NULL;
	_cleanup_free_ char *error = NULL;

	(void)state;
	if (load(text, "hv9", &config, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(config->cluster.network.family, 0);
	assert_int_equal(config->keepalive_interval, 5); /* read from the place that the documentation names */
	assert_false(config->is_coordinator);
	assert_string_equal(config->ipmi_host, "hv9-lom"); /* D85, without a domain */
}

static void intervals_in_both_places_must_agree(void **state) {
	_cleanup_free_ char *error =
	    refused("    fencing:\n", "    fencing:\n      intervals:\n        keepalive_interval: 7\n");

	(void)state;
	assert_non_null(strstr(error, "system.fencing.intervals.keepalive_interval: expected the same value as in "
				      "system.intervals.keepalive_interval on line "));
	config_free(loaded("    fencing:\n", "    fencing:\n      intervals:\n        keepalive_interval: 5\n", HOST));
}

static void d85_an_empty_ipmi_host_becomes_node_lom_in_the_hosts_domain(void **state) {
	_cleanup_config_ struct config *with = loaded(NULL, NULL, "pvchv2.a.example.org");
	_cleanup_config_ struct config *without = loaded(NULL, NULL, "pvchv2");
	_cleanup_config_ struct config *own = loaded("host: ''", "host: 10.1.1.1", HOST);

	(void)state;
	assert_string_equal(with->ipmi_host, "pvchv2-lom.a.example.org");
	assert_string_equal(without->ipmi_host, "pvchv2-lom");
	assert_string_equal(own->ipmi_host, "10.1.1.1");
}

static void the_nodes_number_is_the_last_one_in_its_short_name(void **state) {
	static const struct {
		const char *host;
		uint64_t number;
	} cases[] = {
	    {"pvchv12.x9.org", 12}, {"hv1-rack3b", 3}, {"node", 1},
	    {"hv007", 7},           {"hv0", 0},        {"hv99999999999999999999999", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = example_with(NULL, NULL), *error = NULL;
		_cleanup_config_ struct config *config = NULL;

		if (cases[i].number > 0) {
			assert_int_equal(load(text, cases[i].host, &config, &error), 0);
			assert_int_equal(config->node_id, cases[i].number);
			continue;
		}
		assert_int_equal(load(text, cases[i].host, &config, &error), -EINVAL);
		assert_non_null(strstr(error, "gives no such number"));
	}
}

static void a_host_without_a_usable_name_is_told(void **state) {
	static const char *const names[] = {"", ".example.org", "(none)", "a/b", "a b", "a\nb"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *text = example_with(NULL, NULL), *error = NULL;
		struct config *config = NULL;

		assert_int_equal(load(text, names[i], &config, &error), -EINVAL);
		assert_non_null(strstr(error, "which no node can be called"));
	}
}

static void d88_huge_networks_are_checked_by_arithmetic(void **state) {
	/* 2^24, 2^64 and 2^120 hosts: a list of them would not fit into any machine */
	static const char *const networks[][3] = {
	    {"10.0.0.0/8", "10.200.0.250/8", "10.0.0.2/8"},
	    {"fd00:1::/64", "fd00:1::fa/64", "fd00:1::2/64"},
	    {"fd00::/8", "fdff::fa/8", "fd00::2/8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		_cleanup_free_ char *new =
		    str_printf("network: %s\n        floating_ip: %s", networks[i][0], networks[i][1]);
		_cleanup_config_ struct config *config =
		    loaded("network: 10.255.0.0/24\n        floating_ip: 10.255.0.250/24", new, HOST);
		char text[IP_PREFIX_TEXT];

		ip_prefix_format(&config->cluster.address, true, text);
		assert_string_equal(text, networks[i][2]);
	}
}

static void by_id_beyond_the_network_is_told(void **state) {
	_cleanup_free_ char *text = example_with(NULL, NULL), *error = NULL;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(load(text, "pvchv255", &config, &error), -EINVAL); /* .255 is the broadcast address */
	assert_non_null(strstr(error, "expected a host of 10.255.0.0/24 with the number of this node"));
}

static void passwords_are_never_shown(void **state) {
	static const struct {
		const char *old, *new;
	} cases[] = {
	    {"pass: change-me-ipmi", "pass: [change-me-ipmi]"},
	    {"pass: change-me-ipmi", "pass: {change-me-ipmi}"},
	    {"pass: change-me-ipmi", "pass: {change-me ipmi, change-me ipmi}"},
	    {"pass: change-me-ipmi", "pass: \"change-me-ipmi\\x07\""},
	    {"pass: change-me-ipmi", "passs: change-me-ipmi"},
	    {"pass: change-me-ipmi", "pass: !secret change-me-ipmi"},
	    {"pass: change-me-ipmi", "pass: 'change-me-ipmi"},
	    {"pass: change-me-ipmi", "pass: &a change-me-ipmi\n        password: *a"},
	    {"      ipmi:\n", "      ipmi: change-me-ipmi\n      x:\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = refused(cases[i].old, cases[i].new);

		if (strstr(error, "change-me"))
			fail_msg("shown: %s", error);
	}
}

static void broken_yaml_is_told_with_its_line(void **state) {
	static const struct {
		const char *text, *told;
	} cases[] = {
	    {"", "file.yaml: expected the mapping 'pvc', found an empty file"},
	    {"# nothing\n", "found an empty file"},
	    {"pvc:\n  a: [1\n  b: 2\n", "file.yaml:3: expected YAML, found an error at column "},
	    {"pvc:\n\tdebug: true\n", "file.yaml:2: expected YAML"},
	    {"pvc: 'x\n", "file.yaml:2: expected YAML"},
	    {"[1, 2]", "expected the mapping 'pvc', found none"},
	    {"pvc: 1", "file.yaml:1: expected the mapping 'pvc', found it without content"},
	    {"pvc: {}\n---\npvc: {}\n", "file.yaml:3: expected one YAML document, found a second one"},
	    {"a: &x [*x]", "found a YAML alias"},
	    {"pvc: !!python/object/apply:os.system [id]", "found a YAML tag"}, /* D86 */
	    {"pvc: !!set {a}", "found a YAML tag"},
	    {"\x7f"
	     "ELF\x02\x01\x01",
	     "expected YAML text, found other bytes"},
	    {"pvc: \xff\xfe", "expected YAML text, found other bytes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = NULL;
		struct config *config = NULL;

		assert_int_equal(load(cases[i].text, HOST, &config, &error), -EINVAL);
		if (!strstr(error, cases[i].told))
			fail_msg("case %zu is told as: %s", i, error);
	}
}

static void hostile_files_are_bounded(void **state) {
	_cleanup_strbuf_ struct strbuf wide = {0}, deep = {0}, wrong = {0};
	_cleanup_free_ char *error = NULL;
	struct config *config = NULL;
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_int_equal(strbuf_addf(&wide, "k%d: 1\n", i), 0);
	assert_int_equal(load(wide.data, HOST, &config, &error), -EINVAL);
	assert_non_null(strstr(error, "expected at most 1000 keys"));
	for (int i = 0; i < 500; i++)
		assert_int_equal(strbuf_puts(&deep, "{a: "), 0);
	for (int i = 0; i < 500; i++)
		assert_int_equal(strbuf_puts(&deep, "}"), 0);
	assert_int_equal(load(deep.data, HOST, &config, &error), -EINVAL);
	assert_non_null(strstr(error, "in 16 levels"));
	assert_int_equal(strbuf_puts(&wrong, "pvc:\n"), 0);
	for (int i = 0; i < 500; i++)
		assert_int_equal(strbuf_addf(&wrong, "  k%d: 1\n", i), 0);
	assert_int_equal(load(wrong.data, HOST, &config, &error), -EINVAL);
	for (const char *p = error; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, CONFIG_PROBLEMS_MAX);
	assert_non_null(strstr(error, " more"));
}

/* ---- the file itself ---- */

static char *directory;

static int make_directory(void **state) {
	char template[] = "/tmp/pvc-test-XXXXXX";

	(void)state;
	directory = mkdtemp(template) ? strdup(template) : NULL;
	return directory ? 0 : -1;
}

static int remove_directory(void **state) {
	_cleanup_run_result_ struct run_result result = {0};

	(void)state;
	(void)run_command((const char *const[]){"rm", "-rf", directory, NULL}, NULL, DEADLINE_NEVER, &result);
	free(directory);
	return 0;
}

static char *write_example(mode_t mode) {
	_cleanup_free_ char *text = example_with(NULL, NULL);
	char *path = str_printf("%s/pvcd.yaml", directory);

	assert_non_null(path);
	assert_int_equal(file_write_atomic(path, text, strlen(text), mode), 0);
	return path;
}

static void a_file_that_others_may_read_or_change_is_refused(void **state) {
	static const struct {
		mode_t mode;
		const char *command;
	} cases[] = {{0644, "chmod o-rw"}, {0604, "chmod o-rw"}, {0602, "chmod o-rw"}, {0666, "chmod o-rw"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path = write_example(cases[i].mode), *error = NULL;
		_cleanup_free_ char *mode = str_printf("its mode %04o", cases[i].mode);
		struct config *config = NULL;

		assert_int_equal(config_load_as(path, HOST, &config, &error), -EACCES);
		assert_non_null(strstr(error, mode));
		assert_non_null(strstr(error, cases[i].command));
	}
}

static gid_t group_number(const char *name) {
	const struct group *group = getgrnam(name);

	return group ? group->gr_gid : 0;
}

static void the_groups_root_and_adm_may_read_the_file(void **state) {
	gid_t adm = group_number("adm"), other = group_number("users");
	_cleanup_free_ char *path = write_example(0640), *error = NULL;
	struct config *config = NULL;

	(void)state;
	if (geteuid() != 0 || adm == 0 || other == 0)
		skip();
	assert_int_equal(config_load_as(path, HOST, &config, &error), 0);
	config_free(config);
	assert_int_equal(chown(path, 0, adm), 0);
	assert_int_equal(config_load_as(path, HOST, &config, &error), 0);
	config_free(config);
	assert_int_equal(chown(path, 0, other), 0);
	assert_int_equal(config_load_as(path, HOST, &config, &error), -EACCES);
	assert_non_null(strstr(error, "chmod g-rw"));
}

static void a_missing_huge_or_odd_file_is_told(void **state) {
	_cleanup_free_ char *path = write_example(0600), *error = NULL;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(truncate(path, (off_t)1 << 40), 0); /* a sparse TiB: must not be read */
	assert_int_equal(config_load_as(path, HOST, &config, &error), -EINVAL);
	assert_non_null(strstr(error, "expected at most 1048576 bytes"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_load_as(path, HOST, &config, &error), -ENOENT);
	assert_non_null(strstr(error, "cannot be read: No such file or directory"));
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: reading would wait for ever */
	assert_int_equal(config_load_as(path, HOST, &config, &error), -EINVAL);
	assert_int_equal(config_load_as(directory, HOST, &config, &error), -EINVAL);
	assert_non_null(strstr(error, "expected a file"));
}

static void the_path_comes_from_the_option_the_environment_or_the_default(void **state) {
	(void)state;
	assert_int_equal(unsetenv("PVCD_CONFIG_FILE"), 0);
	assert_string_equal(config_path(NULL), "/etc/pvc/pvcd.yaml");
	assert_int_equal(setenv("PVCD_CONFIG_FILE", "/x", 1), 0);
	assert_string_equal(config_path(NULL), "/x");
	assert_string_equal(config_path("/y"), "/y");
	assert_int_equal(setenv("PVCD_CONFIG_FILE", "", 1), 0);
	assert_string_equal(config_path(NULL), "/etc/pvc/pvcd.yaml");
}

static void d82_each_missing_directory_is_made_whatever_else_exists(void **state) {
	static const char *const below[] = {
	    "run",        "run/dnsmasq", "run/pdns",    "run/nft",  "run/nft/static", "run/nft/networks",
	    "run/status", "log",         "log/dnsmasq", "log/pdns", "log/nft",        "console"};
	_cleanup_config_ struct config *config = loaded(NULL, NULL, HOST);
	char **const targets[] = {&config->dynamic_directory, &config->log_directory, &config->console_log_directory};
	const char *const names[] = {"run", "log", "console"};
	_cleanup_free_ char *error = NULL, *file = str_printf("%s/run/nft/static", directory);
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		free(*targets[i]);
		*targets[i] = str_printf("%s/%s", directory, names[i]);
		assert_non_null(*targets[i]);
	}
	assert_int_equal(config_make_directories(config, &error), 0);
	for (size_t gone = 0; gone < ARRAY_SIZE(below); gone++) {
		_cleanup_run_result_ struct run_result result = {0};
		_cleanup_free_ char *removed = str_printf("%s/%s", directory, below[gone]);

		assert_int_equal(
		    run_command((const char *const[]){"rm", "-r", removed, NULL}, NULL, DEADLINE_NEVER, &result), 0);
		assert_int_equal(config_make_directories(config, &error), 0);
		for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
			_cleanup_free_ char *path = str_printf("%s/%s", directory, below[i]);

			assert_int_equal(stat(path, &st), 0);
			assert_true(S_ISDIR(st.st_mode));
			assert_int_equal(st.st_mode & 0022, 0);
		}
	}
	assert_int_equal(rmdir(file), 0);
	assert_int_equal(file_write_atomic(file, "", 0, 0600), 0);
	assert_int_equal(config_make_directories(config, &error), -ENOTDIR);
	assert_non_null(strstr(error, "run/nft/static cannot be made: Not a directory"));
}

/* ---- the manual page ---- */

static void the_manual_page_has_every_key_as_the_table_says(void **state) {
	_cleanup_free_ char *page = repository_file("man/pvcd.yaml.5");
	size_t items = 0;

	(void)state;
	for (size_t i = 0; i < config_key_count(); i++) {
		struct config_key key = config_key_at(i);
		_cleanup_free_ char *said =
		    str_printf("\n.It Ic %s\n.Pq %s%s%s; %s%s%s%s\n", key.path, key.type, *key.unit ? ", " : "",
			       key.unit, key.fallback ? "default: " : "required", key.fallback ? key.fallback : "",
			       key.needs ? "; only with functions." : "", key.needs ? key.needs : "");

		if (!strstr(page, said))
			fail_msg("man/pvcd.yaml.5 lacks:%s", said);
		assert_true(strlen(key.meaning) > 0);
	}
	for (const char *p = page; (p = strstr(p, "\n.It Ic ")); p++)
		items++;
	assert_int_equal(items, config_key_count());
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_example_loads_as_it_is),
	    cmocka_unit_test(every_wrong_value_is_told_with_line_and_key),
	    cmocka_unit_test(values_that_are_allowed_are_taken),
	    cmocka_unit_test(all_problems_are_told_together_in_the_order_of_lines),
	    cmocka_unit_test(unknown_keys_are_named_with_the_nearest_known_one),
	    cmocka_unit_test(every_required_key_is_missed),
	    cmocka_unit_test(a_missing_group_is_told_once),
	    cmocka_unit_test(network_keys_are_optional_without_networking),
	    cmocka_unit_test(intervals_in_both_places_must_agree),
	    cmocka_unit_test(d85_an_empty_ipmi_host_becomes_node_lom_in_the_hosts_domain),
	    cmocka_unit_test(the_nodes_number_is_the_last_one_in_its_short_name),
	    cmocka_unit_test(a_host_without_a_usable_name_is_told),
	    cmocka_unit_test(d88_huge_networks_are_checked_by_arithmetic),
	    cmocka_unit_test(by_id_beyond_the_network_is_told),
	    cmocka_unit_test(passwords_are_never_shown),
	    cmocka_unit_test(broken_yaml_is_told_with_its_line),
	    cmocka_unit_test(hostile_files_are_bounded),
	    cmocka_unit_test_setup_teardown(a_file_that_others_may_read_or_change_is_refused, make_directory,
					    remove_directory),
	    cmocka_unit_test_setup_teardown(the_groups_root_and_adm_may_read_the_file, make_directory,
					    remove_directory),
	    cmocka_unit_test_setup_teardown(a_missing_huge_or_odd_file_is_told, make_directory, remove_directory),
	    cmocka_unit_test(the_path_comes_from_the_option_the_environment_or_the_default),
	    cmocka_unit_test_setup_teardown(d82_each_missing_directory_is_made_whatever_else_exists, make_directory,
					    remove_directory),
	    cmocka_unit_test(the_manual_page_has_every_key_as_the_table_says),
	};
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
