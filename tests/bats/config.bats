#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Broken configuration of every kind, as an operator meets it: through the programs. The rules for single values are in
# tests/unit/test_config.c; here are the file, the exit code and the messages.

# shellcheck disable=SC2016,SC2154 # texts for sed; variables of bats
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() { test_begin; }
teardown_file() { test_cleanup; }
setup() {
	C=$T/pvcd.yaml
	rm -rf "$C"
	write_config "$C"
}

# refused TEXT...: the program exits with 78, and says each of the texts.
refused() {
	run --separate-stderr as_node pvchv1 pvc-register --config "$C" --check --timeout 1
	[ "$status" -eq 78 ] || { echo "status $status: $output $stderr"; return 1; }
	[ -z "$output" ] || { echo "on standard output: $output"; return 1; }
	for text; do
		grep -qF -- "$text" <<<"$stderr" || { echo "not told: $text; but: $stderr"; return 1; }
	done
	[[ "$stderr" != *secret* ]] || { echo "a password is shown: $stderr"; return 1; }
}
# fine: the configuration was taken (no ZooKeeper is there, so the next step fails)
fine() {
	run --separate-stderr as_node "${1:-pvchv1}" pvc-register --config "$C" --check --timeout 1
	[ "$status" -eq 75 ] || { echo "status $status: $output $stderr"; return 1; }
}

@test "the tests' own configuration and the example are fine" {
	fine
	cp "$TOP/pvcd.yaml.example" "$C"
	chmod 600 "$C"
	# its coordinators do not resolve here
	sed -i 's/^      - pvchv\(.\)$/      - 127.0.0.\1:1/' "$C"
	fine
}

@test "a missing file, a directory, a device: told with the path" {
	rm "$C"
	refused "$C: cannot be read: No such file or directory"
	mkdir "$C"
	refused "$C: expected a file"
	rmdir "$C"
	ln -s /dev/zero "$C"
	refused "$C: expected a file"
}

@test "a file with passwords that others may read is refused, with the command that mends it" {
	chmod 644 "$C"
	refused "$C: holds passwords, but its mode 0644 lets others read it: run chmod o-rw $C"
	chmod o-rw "$C" # what it says mends it
	fine
	chmod 640 "$C"
	chgrp users "$C"
	refused "its mode 0640 lets others read it: run chmod g-rw $C"
	chgrp adm "$C"
	fine
}

@test "an empty, huge, binary or foreign file is told as such" {
	: >"$C"
	refused "$C: expected the mapping 'pvc', found an empty file"
	truncate -s 1T "$C"
	refused "$C: expected at most 1048576 bytes"
	head -c 5000 /bin/true >"$C"
	refused "$C: expected YAML text, found other bytes"
	head -c 5000 /dev/zero >"$C"
	refused "$C"
	echo '{"api": 1}' >"$C"
	refused "$C:1: expected the mapping 'pvc', found none"
}

@test "bad YAML is told with its line" {
	line=$(grep -n 'enable_storage' "$C" | cut -d: -f1)
	sed -i "${line}s/^ /\t/" "$C"
	refused "$C:$line: expected YAML, found an error at column 1"
	write_config "$C" "${line}s/:/ /"
	refused "$C:"
	write_config "$C" '$a---\nsecond: document'
	refused "expected one YAML document, found a second one"
	printf '%s\n' '- [1' >"$C"
	refused "$C:2: expected YAML"
}

@test "a wrong value of each kind is told with line, key, what is expected and what was found" {
	for case in \
		'enable_api: False|enable_api: 2|functions.enable_api: expected True or False (without quotes), found '"'2'" \
		'keepalive_interval: 1|keepalive_interval: fast|system.intervals.keepalive_interval: expected a decimal number from 1 to 3600 seconds, found '"'fast'" \
		'floating_ip: 10.78.1.250/24|floating_ip: 10.79.1.250/24|cluster.networks.cluster.floating_ip: expected an address of a host in 10.78.1.0/24, found' \
		'device: eth2|device: thisnameistoolong|system.configuration.networking.storage.device: expected the name of a network device (1 to 15 characters)' \
		'target_selector: mem|target_selector: random|system.migration.target_selector: expected mem, load, vcpus or vms' \
		'log_directory: |log_directory: relative|system.configuration.directories.log_directory: expected the absolute path' \
		'gateway: 10.78.0.254|gateway: none of your business|cluster.networks.upstream.gateway: expected an address'; do
		IFS='|' read -r old new told <<<"$case"
		write_config "$C" "s|^\( *\)$old|\1$new|"
		line=$(grep -nF -- "$new" "$C" | head -1 | cut -d: -f1)
		refused "$C:$line: $told"
	done
}

@test "passwords are not shown, whatever is wrong with them" {
	write_config "$C" 's|pass: ipmi-secret|pass: [ipmi-secret]|'
	refused "system.fencing.ipmi.pass: expected a text, found a list"
	write_config "$C" 's|pass: ipmi-secret|pass: {ipmi secret}|'
	refused "system.fencing.ipmi.pass: expected a text, found a mapping"
	write_config "$C" 's|pass: ipmi-secret|pass: "ipmi-secret|'
	refused "$C:"
	write_config "$C" 's|pass: ipmi-secret|password: ipmi-secret|'
	refused "system.fencing.ipmi.password: unknown key" "system.fencing.ipmi.pass: missing"
}

@test "all problems of a file are told in one go" {
	write_config "$C" 's/mtu: 1500/mtu: 0/' 's/enable_api/enable_appi/' 's/suicide_intervals: 0/suicide_intervals: -1/'
	refused "functions.enable_api: missing" "functions.enable_appi: unknown key, did you mean 'enable_api'?" \
		"system.intervals.suicide_intervals: expected" "networking.upstream.mtu: expected" \
		"networking.cluster.mtu: expected" "networking.storage.mtu: expected"
	[ "$(wc -l <<<"$stderr")" -eq 6 ]
}

@test "a key that stands twice, an alias, a tag and a foreign key are refused" {
	write_config "$C" 's/^  debug: False/  debug: False\n  debug: True/'
	refused "$C:4: debug: expected once, found again (first on line 3): remove one of them"
	write_config "$C" 's/^  debug: False/  debug: \&d False/' 's/enable_api: False/enable_api: *d/'
	refused "functions.enable_api: expected a value, found a YAML alias"
	write_config "$C" 's/^  debug: False/  debug: !!python\/name:os.system False/'
	refused "$C:3: debug: expected a plain value, found a YAML tag"
	write_config "$C" '$aother: {}'
	refused "other: unknown key: everything belongs below 'pvc'"
}

@test "intervals may stand where the reference documents them, but not in both places with different values" {
	write_config "$C" '/^    intervals:/,/suicide_intervals/d' \
		's/^    fencing:/    fencing:\n      intervals:\n        keepalive_interval: 1\n        fence_intervals: 6\n        suicide_intervals: 0/'
	fine
	write_config "$C" 's/^    fencing:/    fencing:\n      intervals:\n        keepalive_interval: 2/'
	refused "system.fencing.intervals.keepalive_interval: expected the same value as in system.intervals.keepalive_interval"
}

@test "D8, E2: suicide_intervals counts: a wrong value, one that breaks the order of fencing, and a misspelt key are refused" {
	local value
	for value in soon True -1 0x3 3.5 1e1 '' '[3]' '"three"' 86401; do
		write_config "$C" "s/suicide_intervals: 0/suicide_intervals: $value/"
		refused "system.intervals.suicide_intervals: expected a decimal number from 0 to 86400 intervals"
	done
	for value in 1 2; do
		write_config "$C" "s/suicide_intervals: 0/suicide_intervals: $value/"
		refused "suicide_intervals: expected 0 or at least 3, so that one heartbeat that is lost does not reset the node, found '$value'"
	done
	write_config "$C" "s/suicide_intervals: 0/suicide_intervals: 7/"
	refused "suicide_intervals: expected 0 or at most 6 with fence_intervals 6, so that a node that is cut off has reset itself before others"
	write_config "$C" "s/suicide_intervals: 0/suicide_intervals: 3/" "s/fence_intervals: 6/fence_intervals: 2/"
	refused "suicide_intervals: expected 0, or more fence_intervals than 2"
	for value in 0 3 6; do
		write_config "$C" "s/suicide_intervals: 0/suicide_intervals: $value/"
		fine
	done
	write_config "$C" "s/suicide_intervals: 0/suicide_interval: 0/"
	refused "suicide_interval: unknown key, did you mean 'suicide_intervals'?" "system.intervals.suicide_intervals: missing"
	# the reference's check passed whatever the value was; here nothing is taken over from a node that never resets itself
	write_config "$C" "s/failed_fence: None/failed_fence: migrate/"
	refused "system.fencing.actions.failed_fence: expected None, or suicide_intervals above 0"
	write_config "$C" "s/failed_fence: None/failed_fence: migrate/" "s/suicide_intervals: 0/suicide_intervals: '5'/"
	fine # as every number in quotes
}

@test "a file of another host is refused when it says so" {
	write_config "$C" 's/^  debug: False/  node: pvchv7\n  debug: False/'
	refused "$C:3: node: expected 'pvchv1', the short name of this host (hostname -s), found 'pvchv7'"
	fine pvchv7
	fine pvchv7.example.org
}

@test "D88: by-id in a network of 2^24 hosts is computed at once" {
	write_config "$C" 's|network: 10.78.1.0/24|network: 10.0.0.0/8|' 's|floating_ip: 10.78.1.250/24|floating_ip: 10.78.1.250/8|' \
		'/^        upstream:/,/address/s/by-id/None/' '/^        storage:/,/address/s/by-id/None/'
	fine pvchv70000
}

@test "every program refuses the same broken file with exit 78 and the same message" {
	write_config "$C" 's/keepalive_interval: 1/keepalive_interval: soon/'
	for d in "$TOP"/cmd/*/; do
		p=$(basename "$d")
		case $p in pvcctl) set -- status ;; pvc-dhcp-lease) set -- --network 1 init ;; pvc-volume-locks) set -- a/b ;; pvc-seal) set -- pvchv9 ;; *) set -- ;; esac
		run as_node pvchv1 "$p" --config "$C" "$@"
		[ "$status" -eq 78 ] || { echo "$p: $status: $output"; false; }
		[[ "$output" == *"system.intervals.keepalive_interval: expected a decimal number from 1 to 3600 seconds, found 'soon'"* ]]
	done
}
