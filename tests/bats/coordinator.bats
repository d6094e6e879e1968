#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-coordinator where there is no systemd: what it decides, asks and says. With systemd: tests/lab/coordinator.bats.

bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() {
	test_begin
	zk_start
	# where the tests run there may be a systemd; these are about its absence
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/bus
}
teardown_file() { test_cleanup; }

# config [sed expression]...: this node, pvchv1, is a coordinator and its ZooKeeper is the test's.
config() { write_config "$T/pvcd.yaml" "s|- 127.0.0.1:.*|- pvchv1:$ZK_PORT|" "$@"; }
only_zookeeper=('s|enable_hypervisor: .*|enable_hypervisor: False|' 's|enable_networking: .*|enable_networking: False|')
coordinator() { as_node "${NODE:-pvchv1}" pvc-coordinator --config "$T/pvcd.yaml" "$@"; }
# service NAME FIELD: out of the status in $output
service() { $PYTHON -c 'import json,sys
print({s["name"]: s for s in json.load(sys.stdin)["services"]}[sys.argv[1]][sys.argv[2]])' "$1" "$2" <<<"$output"; }
field() { $PYTHON -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <<<"$output"; }

@test "a node in cluster.coordinators is a coordinator and wants ZooKeeper" {
	config
	run --separate-stderr coordinator status --format json
	[ "$(field mode)" = coordinator ]
	[ "$(service zookeeper wanted)" = True ]
	[ "$(service frr wanted)" = True ]
	[ "$(service ceph-mon wanted)" = False ]
}

@test "another node is a hypervisor and wants libvirt alone" {
	config
	NODE=pvchv2 run --separate-stderr coordinator status --format json
	[ "$(field mode)" = hypervisor ]
	[ "$(service libvirt wanted)" = True ]
	for name in zookeeper patroni frr ceph-mon ceph-mgr; do [ "$(service $name wanted)" = False ]; done
}

@test "storage makes a coordinator want the monitor and the manager of its own host name" {
	config 's|enable_storage: .*|enable_storage: True|'
	run --separate-stderr coordinator status --format json
	[ "$(service ceph-mon wanted)" = True ]
	[ "$(service ceph-mgr unit)" = ceph-mgr@pvchv1.service ]
}

@test "a running ZooKeeper answers and its mode is told" {
	config "${only_zookeeper[@]}"
	run --separate-stderr coordinator status --format json
	[ "$status" -eq 0 ]
	[ "$(field ready)" = True ]
	[ "$(service zookeeper answers)" = True ]
	[ "$(service zookeeper detail)" = "serves as standalone" ]
}

@test "a service that answers already needs no systemd, and a second run changes nothing" {
	config "${only_zookeeper[@]}"
	for _ in 1 2; do
		run coordinator
		[ "$status" -eq 0 ]
		[[ "$output" == *"zookeeper.service: serves as standalone"* ]]
	done
	kill -0 "$ZK_PID"
}

@test "a ZooKeeper that hangs is not taken for one that answers" {
	config "${only_zookeeper[@]}"
	freeze "$ZK_PID"
	run --separate-stderr coordinator status --format json
	kill -CONT "$ZK_PID"
	[ "$status" -eq 2 ]
	[ "$(service zookeeper answers)" = False ]
	[[ "$(service zookeeper detail)" == *"$ZK_PORT"*"does not reply"* ]]
}

@test "without systemd what has to be started fails with the unit, the reason and what is missing" {
	config 's|enable_networking: .*|enable_networking: False|'
	run coordinator start
	[ "$status" -eq 69 ]
	[[ "$output" == *"libvirtd.service does not answer: "* ]]
	[[ "$output" == *"cannot connect to the system bus"*"systemd"* ]]
}

@test "--check names each wanted service that does not answer and exits 2, or says nothing and exits 0" {
	config
	run coordinator --check
	[ "$status" -eq 2 ]
	[[ "$output" == *"frr.service does not answer"* ]]
	[[ "$output" != *"zookeeper.service does not"* ]]
	config "${only_zookeeper[@]}"
	run --separate-stderr coordinator --check
	[ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "--dry-run names what would be started" {
	config
	run --separate-stderr coordinator --dry-run
	[[ "$output" == *"pvchv1 is a coordinator"* ]]
	[[ "$output" == *"nothing to do for zookeeper.service"* ]]
	[[ "$output" == *"would start frr.service"* ]]
}

@test "the table names every unit with its state" {
	config
	run --separate-stderr coordinator status
	[ "$status" -eq 2 ]
	for unit in zookeeper libvirtd patroni frr ceph-mon@pvchv1 ceph-mgr@pvchv1; do
		[[ "$output" == *" $unit.service "* ]] || { echo "no $unit"; false; }
	done
}

@test "unknown commands and formats are usage errors" {
	run coordinator nonsense
	[ "$status" -eq 64 ] && [[ "$output" == *"'nonsense'"* ]]
	run coordinator status --format xml
	[ "$status" -eq 64 ] && [[ "$output" == *"'xml'"* ]]
}
