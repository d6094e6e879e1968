#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Virtual machines on a whole node: real libvirt, real QEMU, a real kernel in the guest.

load lab.bash

setup_file() {
	lab_begin
	node_ready
	vm_run steady
	STEADY=$(vm_pid steady)
	export STEADY
}
teardown_file() {
	vm_goes_on steady "$STEADY" || echo "the VM that nobody touched was touched" >&2
	lab_end
}

@test "a VM is defined, started, shut down by its power button, started again, stopped and removed" {
	vm_run life
	node pvcctl vm shutdown life --wait --timeout 240 || explain
	no vm_pid life
	vm_key_is life state stop
	wait_until 60 node grep -aq 'GUEST power button' /var/log/libvirt/life.log # virtlogd writes it
	node pvcctl vm start life --wait --timeout 120
	node pvcctl vm stop life --wait --timeout 120
	no vm_pid life
	node pvcctl vm undefine life
	no zk_in_node exists "/domains/$(vm_uuid life)"
}

@test "the console log in ZooKeeper follows the guest" {
	in_log() { vm_key steady consolelog | grep -q "^COUNT $1 "; }
	local now
	now=$(vm_count steady)
	wait_until 60 in_log $((now + 2))
	node pvcctl vm log steady --lines 1000 | grep -q 'GUEST up'
}

@test "a VM without VMs of its own in libvirt: domains are transient" {
	[ "$(node virsh list --all --name | grep -c steady)" = 1 ]
	[ -z "$(node virsh list --all --persistent --name | tr -d '\n')" ]
}

@test "a guest that powers itself off is started again" {
	vm_run sleepy "cmdline=tick=0.5 off=5"
	local first
	first=$(vm_pid sleepy)
	another() { local now; now=$(vm_pid sleepy) && [ "$now" != "$first" ]; }
	wait_until 120 another || explain
	node pvcctl vm stop sleepy --wait --timeout 120
}

@test "broken XML: the VM fails with the reason, the others go on, and a mended definition starts" {
	local uuid xml
	vm_define bad
	uuid=$(vm_uuid bad)
	xml=$(zk_in_node get "/domains/$uuid/xml")
	zk_in_node set "/domains/$uuid/xml" "${xml/<devices>/<devices><unclosed>}"
	run node pvcctl vm start bad --wait --timeout 120
	[ "$status" -ne 0 ]
	wait_until 60 vm_key_is bad state fail || explain
	[ -n "$(vm_key bad failedreason)" ]
	[[ "$output" == *bad* ]]
	vm_goes_on steady "$STEADY"
	zk_in_node set "/domains/$uuid/xml" "$xml"
	node pvcctl vm start bad --wait --timeout 120
	wait_until 60 vm_pid bad
	wait_until 60 vm_key_is bad failedreason ''
	node pvcctl vm stop bad --wait --timeout 120
}

@test "a definition that libvirt refuses: its own words are the reason" {
	local uuid xml
	vm_define odd
	uuid=$(vm_uuid odd)
	xml=$(zk_in_node get "/domains/$uuid/xml")
	zk_in_node set "/domains/$uuid/xml" "${xml/qemu-system-x86_64/qemu-nonsense}"
	run node pvcctl vm start odd --wait --timeout 120
	[ "$status" -ne 0 ]
	wait_until 60 vm_key_is odd state fail
	[[ "$(vm_key odd failedreason)" == *nonsense* ]] || { vm_key odd failedreason; false; }
}

@test "a guest that ignores its power button can be stopped" {
	vm_run deaf cmdline=acpi=ignore
	node pvcctl vm stop deaf --wait --timeout 120
	no vm_pid deaf
}

@test "twenty VMs are defined and undefined, and nothing of them is left" {
	local i
	for i in $(seq 20); do vm_define "many$i"; done
	[ "$(node pvcctl vm list --format json | grep -o '"many[0-9]*"' | sort -u | wc -l)" = 20 ]
	for i in $(seq 20); do node pvcctl vm undefine "many$i"; done
	no grep -q many <<<"$(node pvcctl vm list)"
}

@test "another program's libvirt domain is left alone" {
	"$LAB" domain foreign >"$T/foreign.xml"
	"$LAB" put $NODE "$T/foreign.xml" /root/foreign.xml
	node virsh create /root/foreign.xml
	local pid
	pid=$(vm_pid foreign)
	node systemctl restart pvc.target
	[ "$(vm_pid foreign)" = "$pid" ]
	node virsh destroy foreign
}
