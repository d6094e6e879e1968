#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-coordinator with real systemd, ZooKeeper, libvirtd and FRR.

load lab.bash

setup_file() {
	lab_begin
	# the host's network, as the steps before it make it
	node pvc-netsetup
	node pvc-sysctl
}
teardown_file() { lab_end; }

active() { [ "$(node systemctl is-active "$1")" = active ]; }
# service NAME FIELD: of the status in $output
service() { $PYTHON -c 'import json,sys
print({s["name"]: s for s in json.load(sys.stdin)["services"]}[sys.argv[1]][sys.argv[2]])' "$1" "$2" <<<"$output"; }
# stop_all: as after a boot
stop_all() {
	node systemctl stop zookeeper.service frr.service libvirtd.service
	node systemctl reset-failed
}

@test "everything that this node's functions ask for is started and answers (D80: asked, not slept for)" {
	stop_all
	run node pvc-coordinator
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"zookeeper.service: serves as"* || "$output" == *"zookeeper.service: runs"* ]]
	[[ "$output" == *"libvirtd.service: accepts connections"* ]]
	[[ "$output" == *"frr.service: answers"* ]]
	for unit in zookeeper libvirtd frr; do active $unit.service; done
}

@test "a missing patroni is a warning that names the package" {
	run node pvc-coordinator
	[ "$status" -eq 0 ]
	[[ "$output" == *"patroni.service does not exist: package patroni is not installed"* ]]
}

@test "a second run changes nothing: the processes are the same" {
	before=$(node systemctl show -P InvocationID zookeeper.service libvirtd.service frr.service)
	node pvc-coordinator
	[ "$(node systemctl show -P InvocationID zookeeper.service libvirtd.service frr.service)" = "$before" ]
	node pvc-coordinator --check
}

@test "status tells units, states and answers" {
	run --separate-stderr node pvc-coordinator status --format json
	[ "$status" -eq 0 ]
	[ "$(service zookeeper state)" = active ]
	[ "$(service zookeeper answers)" = True ]
	[ "$(service libvirt answers)" = True ]
	[ "$(service libvirt warning)" = None ]
	[ "$(service frr answers)" = True ]
	[ "$(service patroni state)" = not-found ]
	[ "$(service ceph-mon wanted)" = False ]
}

@test "--dry-run starts nothing" {
	node systemctl stop frr.service
	run --separate-stderr node pvc-coordinator --dry-run
	[[ "$output" == *"would start frr.service (inactive)"* ]]
	no active frr.service
	run node pvc-coordinator --check
	[ "$status" -eq 2 ]
	[[ "$output" == *"frr.service"*"does not answer"*"/run/frr/zebra.vty"* ]]
	node pvc-coordinator
	active frr.service
}

@test "a ZooKeeper whose process died, while systemd takes its unit for active, is started again" {
	# as with Debian's own script, which nobody starts again
	node mkdir -p /run/systemd/system/zookeeper.service.d
	node sh -c 'printf "[Service]\nRestart=no\nRemainAfterExit=yes\nSuccessExitStatus=SIGKILL\n" >/run/systemd/system/zookeeper.service.d/stays.conf'
	node systemctl daemon-reload
	node systemctl kill -s KILL zookeeper.service
	gone() { no node pgrep -f QuorumPeerMain; }
	wait_until 60 gone
	active zookeeper.service
	run node pvc-coordinator
	node rm /run/systemd/system/zookeeper.service.d/stays.conf
	node systemctl daemon-reload
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"zookeeper.service: "* ]]
	node pgrep -f QuorumPeerMain
}

@test "a libvirtd that hangs is named, although systemd takes it for active" {
	pid=$(main_pid libvirtd.service)
	node kill -STOP "$pid"
	run node pvc-coordinator --timeout 15
	node kill -CONT "$pid"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"libvirtd.service is active"*"does not answer"*"does not reply"*"journalctl -u libvirtd.service"* ]]
	[ "$(main_pid libvirtd.service)" = "$pid" ] # a living service is never restarted
	node pvc-coordinator
}

@test "a masked service is refused with what to do, and the others are started all the same" {
	stop_all
	node systemctl mask frr.service
	run node pvc-coordinator --timeout 120
	node systemctl unmask frr.service
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"frr.service is masked"*"systemctl unmask frr.service"* ]]
	active zookeeper.service
}

@test "a ZooKeeper that cannot start fails at once with the job's result and the journal to look at" {
	stop_all
	node mkdir -p /etc/systemd/system/zookeeper.service.d
	node sh -c 'printf "[Service]\nExecStartPre=/bin/false\n" >/etc/systemd/system/zookeeper.service.d/broken.conf'
	node systemctl daemon-reload
	run node pvc-coordinator --timeout 60
	node rm /etc/systemd/system/zookeeper.service.d/broken.conf
	node systemctl daemon-reload
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot start zookeeper.service: the job's result is 'failed'"*"journalctl -u zookeeper.service"* ]]
}

@test "a start that hangs ends at the deadline with what to look at" {
	node systemctl stop frr.service
	node mkdir -p /etc/systemd/system/frr.service.d
	node sh -c 'printf "[Service]\nExecStartPre=/bin/sleep 1000\n" >/etc/systemd/system/frr.service.d/hangs.conf'
	node systemctl daemon-reload
	run node pvc-coordinator --timeout 3
	node rm /etc/systemd/system/frr.service.d/hangs.conf
	node systemctl daemon-reload
	node systemctl stop frr.service
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot start frr.service: its job has not ended in time"*"systemctl list-jobs"* ]]
	node pvc-coordinator
}

@test "a missing package is named" {
	node systemctl stop frr.service
	node mv /lib/systemd/system/frr.service /root/
	node mv /etc/init.d/frr /root/frr.init # systemd makes units of these too
	node systemctl daemon-reload
	run node pvc-coordinator --timeout 30
	node mv /root/frr.service /lib/systemd/system/
	node mv /root/frr.init /etc/init.d/frr
	node systemctl daemon-reload
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"frr.service does not exist: install package frr"* ]]
}

@test "without the port for migrations libvirtd answers with a warning that names libvirtd-tcp.socket" {
	node systemctl stop libvirtd-tcp.socket libvirtd.service
	node systemctl mask libvirtd-tcp.socket
	run node pvc-coordinator
	node systemctl unmask libvirtd-tcp.socket
	node systemctl stop libvirtd.service
	node systemctl start libvirtd-tcp.socket
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"cannot be migrated to this node"*"port 16509"*"libvirtd-tcp.socket"* ]]
	run node pvc-coordinator
	[[ "$output" != *"cannot be migrated"* ]]
}
