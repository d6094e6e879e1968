#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The reference's v0.6 client library against a whole node with real systemd and libvirt: recorded calls of it are replayed
# (tests/lib/replay.py fails where the library would raise an exception).

load lab.bash

setup_file() {
	lab_begin
	pvc_start
	"$LAB" domain legacy >"$T/legacy.xml"
}
teardown_file() { lab_end; }

client() { # TRANSCRIPT
	"$LAB" net $PYTHON "$TOP/tests/lib/replay.py" $NODE_ZK "$TOP/tests/data/client-v06/$1.json" \
		NODE=$NODE UUID="$(vm_uuid legacy)" NAME=legacy XML=@"$T/legacy.xml"
}
runs() { vm_key_is legacy state start && vm_pid legacy; }
is_off() { vm_key_is legacy state stop && no vm_pid legacy; }

@test "the v0.6 client lists the node, makes it ready, defines, starts, restarts, stops and removes a VM without an exception" {
	local first
	client node-get-list
	client node-ready-node
	wait_until 60 node_key_is domainstate ready
	client vm-define-vm
	client vm-get-list
	client vm-start-vm
	wait_until 120 runs || explain
	wait_until 120 vm_counts_beyond legacy 0
	client vm-get-list
	client vm-get-info
	first=$(vm_pid legacy)
	client vm-restart-vm
	another() { runs && [ "$(vm_pid legacy)" != "$first" ]; }
	wait_until 240 another || explain
	client vm-stop-vm
	wait_until 120 is_off || explain
	client vm-undefine-vm
	no zk_in_node exists "/domains/$(vm_uuid legacy)"
	client node-get-list
}
