#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The log as programs write it: rotation, full and read-only disks, colours.

bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() {
	test_begin
	zk_start
	write_config "$T/pvcd.yaml"
	as_node pvchv1 pvc-register --config "$T/pvcd.yaml"
}
teardown_file() { test_cleanup; }
setup() { rm -rf "$T/log"; }

@test "D83: SIGHUP makes a daemon follow a rotated log file, and it lives on" {
	# not as_node: its process would be a shell of ours, not the daemon
	unshare --uts "${WITHOUT_REBOOT[@]}" sh -c 'hostname pvchv1 && exec pvc-keepalive --config "$0"' "$T/pvcd.yaml" >"$T/out" 2>&1 3>&- &
	pid=$!
	remember "$pid"
	wait_until 60 grep -q 'pvc-keepalive: ' "$T/log/pvc.log"
	wait_until 60 grep -q 'pvc-keepalive: tick: ' "$T/log/pvc.log"
	for n in 1 2 3; do
		mv "$T/log/pvc.log" "$T/log/pvc.log.$n"
		kill -HUP "$pid"
		wait_until 60 grep -q 'pvc-keepalive: tick: ' "$T/log/pvc.log"
	done
	kill -0 "$pid"
	# each line is in exactly one of the files, and standard output had them all
	kill -TERM "$pid"
	wait "$pid"
	diff <(sort "$T/out" | sed 's/^[^ ]* [^ ]* //' | sort) <(cat "$T"/log/pvc.log* | sed 's/^[^ ]* [^ ]* //' | sort)
}

# follows PROGRAM: its log file is moved away, and after SIGHUP it has a new one open.
follows() {
	unshare --uts sh -c 'hostname pvchv1 && exec "$0" --config "$1"' "$1" "$T/pvcd.yaml" >"$T/out" 2>&1 3>&- &
	local pid=$!
	remember "$pid"
	# shellcheck disable=SC2317 # called by wait_until
	writes() { readlink /proc/"$pid"/fd/* | grep -qxF "$T/log/pvc.log"; }
	wait_until 60 writes
	wait_until 60 grep -q "^SigBlk:.*[13579bdf]$" "/proc/$pid/status" # before, SIGHUP would end it
	mv "$T/log/pvc.log" "$T/log/pvc.log.1"
	kill -HUP "$pid"
	wait_until 60 writes
	kill -TERM "$pid"
	wait "$pid"
}

@test "D83: pvc-watch-nodes follows a rotated log file" { follows pvc-watch-nodes; }
@test "D83: pvc-watch-domains follows a rotated log file" { follows pvc-watch-domains; }

# with_log_mount OPTIONS COMMAND...: with the log directory on a file system of its own.
with_log_mount() {
	local options=$1
	shift
	mkdir -p "$T/log"
	unshare --uts --mount sh -c 'mount -t tmpfs -o "$1" tmpfs "$2/log" && hostname pvchv1 && export T="$2" && shift 2 && exec "$@"' \
		sh "$options" "$T" "$@"
}

@test "a full disk stops no program: it does its work and says so elsewhere" {
	# shellcheck disable=SC2016
	run with_log_mount size=4k sh -c 'cat /dev/zero >"$T/log/filler" 2>/dev/null; pvc-register --config "$T/pvcd.yaml" && stat -c %s "$T/log/pvc.log"'
	[ "$status" -eq 0 ]
	[[ "$output" == *"node pvchv1 is registered"* ]]
	[ "${lines[-1]}" = 0 ] # the file took nothing
}

@test "a read-only log directory stops no program, and is told once" {
	run with_log_mount ro pvc-register --config "$T/pvcd.yaml"
	[ "$status" -eq 0 ]
	[[ "$output" == *"node pvchv1 is registered"* ]]
	[ "$(grep -c 'cannot open the log file' <<<"$output")" -eq 1 ]
}

@test "with both outputs off only failures are said" {
	write_config "$T/quiet.yaml" 's/file_logging: True/file_logging: False/' 's/stdout_logging: True/stdout_logging: False/'
	run as_node pvchv1 pvc-register --config "$T/quiet.yaml"
	[ "$status" -eq 0 ] && [ -z "$output" ]
	sed -i "s/$ZK_PORT/1/" "$T/quiet.yaml"
	run as_node pvchv1 pvc-register --config "$T/quiet.yaml" --timeout 1
	[ "$status" -eq 75 ] && [[ "$output" == "2"*"pvc-register: failed: cannot connect"* ]]
}

@test "D84: with colours and without, every program's lines are there" {
	write_config "$T/colours.yaml" 's/log_colours: False/log_colours: True/'
	run as_node pvchv1 pvc-register --config "$T/colours.yaml"
	[ "$status" -eq 0 ]
	[[ "$output" == *$'\033[92mok:\033[0m node pvchv1 is registered'* ]]
	run as_node pvchv1 pvc-register --config "$T/pvcd.yaml"
	[ "$status" -eq 0 ]
	[[ "$output" == *"ok: node pvchv1 is registered"* && "$output" != *$'\033'* ]]
}
