#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The reference's client library of v0.6, unchanged, against a whole node of ours: transcripts of its calls (what it read
# and wrote, key for key, in tests/data/client-v06) are replayed, and the node does what they ask. tests/interop/run-client
# drives the library itself, and records.
# shellcheck disable=SC2154 # status, output
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/libvirt.bash
load ../lib/node.bash

setup_file() {
	test_begin
	node_begin || {
		node_logs
		return 1
	}
}
teardown_file() {
	node_end
	test_cleanup
}

# Each test has a VM of its own.
setup() {
	U=$(printf '22222222-2222-4333-8444-%012d' "$BATS_TEST_NUMBER") N=guest$BATS_TEST_NUMBER
	guest_xml_full "$N" "$U" "$T/listens.img" >"$T/$N.xml"
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || node_logs
	zk exists "/domains/$U" && pvc vm undefine "$U" --yes
	return 0
}

client() { # TRANSCRIPT [WORD=VALUE]...
	local transcript=$1
	shift
	ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/replay.py" "$ZK" "$TOP/tests/data/client-v06/$transcript.json" "$@"
}
client_vm() { client "$1" NODE=pvchv1 UUID="$U" NAME="$N" XML=@"$T/$N.xml"; }
pvc() { ip netns exec "$NETNS" timeout 120 pvcctl -z "$ZK" "$@"; }
state_is() { key_is "/domains/$U/state" "$1"; }
runs() { state_is start && node_lists "$U" && lv_virsh list --name | grep -qx "$N"; }
is_off() { state_is "$1" && node_lists_not "$U" && ! lv_virsh list --name | grep -qx "$N"; }
log_has() { zk get "/domains/$U/consolelog" | grep -q "$1"; }

@test "v0.6 client: lists and shows the node and makes it ready" {
	client node-get-list
	client node-get-info NODE=pvchv1
	client node-ready-node NODE=pvchv1
	wait_until 60 key_is /nodes/pvchv1/domainstate ready
	client node-get-list
}

@test "v0.6 client: defines a VM, lists it, shows it and gives its XML back" {
	client_vm vm-define-vm
	client vm-get-list
	client_vm vm-get-info
	client_vm vm-dump-vm
	[ "$(zk get "/domains/$U/xml")" = "$(cat "$T/$N.xml")" ]
	state_is stop
}

@test "v0.6 client: starts a VM, which runs, is counted by the cluster and has a console log" {
	client_vm vm-define-vm
	client_vm vm-start-vm
	wait_until 60 runs
	wait_until 60 log_has booted
	client_vm vm-get-console-log
	client cluster-get-info
	client vm-get-list
	client node-get-list
	[ "$(zk get /nodes/pvchv1/domainscount)" = 1 ]
}

@test "v0.6 client: restarts, shuts down, disables and stops a VM" {
	client_vm vm-define-vm
	client_vm vm-start-vm
	wait_until 60 log_has booted
	before=$(qemu_pid "$N")
	client_vm vm-restart-vm
	is_another_that_runs() { runs && [ "$(qemu_pid "$N")" != "$before" ]; }
	wait_until 60 is_another_that_runs
	client_vm vm-shutdown-vm
	wait_until 60 is_off stop
	client_vm vm-disable-vm
	wait_until 60 is_off disable
	client_vm vm-start-vm
	wait_until 60 runs
	client_vm vm-stop-vm
	wait_until 60 is_off stop
}

@test "v0.6 client: undefines a stopped VM and removes a running one; nothing is left of them" {
	client_vm vm-define-vm
	client_vm vm-undefine-vm
	run ! zk exists "/domains/$U"
	client_vm vm-define-vm-selected
	client_vm vm-start-vm
	wait_until 60 runs
	client_vm vm-remove-vm-running
	run ! zk exists "/domains/$U"
	wait_until 60 node_lists_not "$U"
	run ! lv_virsh domstate "$N"
	client cluster-get-info
}

@test "v0.6 client: switches maintenance on and off, and pvcctl sees it" {
	client cluster-set-maintenance-on
	run pvc status
	[ "${lines[0]}" = "Health:          Maintenance" ]
	client cluster-set-maintenance-off
	run pvc status
	[[ "$output" == *"Maintenance:     off"* ]]
}

@test "a VM made with pvcctl has the very keys and values that the v0.6 client writes" {
	client_vm vm-define-vm-selected
	zk tree "/domains/$U" >"$T/theirs"
	pvc vm undefine "$U"
	pvc vm define "$T/$N.xml" --limit pvchv1 --selector mem --autostart
	zk tree "/domains/$U" >"$T/ours"
	diff "$T/theirs" "$T/ours"
}

@test "v0.6 client: handles a VM that was made and is run with pvcctl, and pvcctl one that the client made" {
	pvc vm define "$T/$N.xml" --node pvchv1
	client vm-get-list
	client_vm vm-get-info
	pvc vm start "$N" --wait
	client cluster-get-info
	client_vm vm-restart-vm
	wait_until 60 state_is start
	client_vm vm-stop-vm
	pvc vm stop "$N" --wait
	client_vm vm-undefine-vm
	client_vm vm-define-vm
	pvc vm start "$N" --wait
	pvc vm shutdown "$N" --wait
	pvc vm undefine "$N"
}

@test "the replay fails where the library would: each key it needs taken away or garbled is named" {
	client_vm vm-define-vm
	for key in state node lastnode failedreason node_autostart xml; do
		value=$(zk get "/domains/$U/$key")
		zk rm "/domains/$U/$key"
		run client vm-get-list
		[ "$status" -ne 0 ] && [[ "$output" == *"/domains/$U/$key does not exist"* ]]
		zk create "/domains/$U/$key" "$value"
	done
	zk set "/domains/$U/xml" "<?xml version='1.0' encoding='UTF-8'?>$(cat "$T/$N.xml")"
	run client vm-get-list
	[ "$status" -ne 0 ] && [[ "$output" == *"/domains/$U/xml = "*"ValueError"* ]]
	zk set "/domains/$U/xml" "$(sed "s/ unit='MiB'//" "$T/$N.xml")"
	run client vm-get-list
	[ "$status" -ne 0 ] && [[ "$output" == *"/domains/$U/xml = "*"KeyError"* ]]
	zk set "/domains/$U/xml" "$(cat "$T/$N.xml")"
	client vm-get-list
}
