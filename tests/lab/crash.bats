#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Whatever of ours dies, is stopped, restarted or upgraded: the VM does not notice, and the node is back in run.

load lab.bash

setup_file() {
	lab_begin
	# self-fencing is on, with more time than any of these needs on a loaded machine
	node sed -i -e 's/fence_intervals:.*/fence_intervals: 60/' -e 's/suicide_intervals:.*/suicide_intervals: 45/' /etc/pvc/pvcd.yaml
	patient_watchdog $NODE
	node_ready
	vm_run v1
	QEMU=$(vm_pid v1)
	export QEMU
}
teardown_file() { lab_end; }
setup() { node systemctl start pvc.target; } # whatever the test before left

all_is_well() {
	wait_until 60 node_runs || explain
	vm_goes_on v1 "$QEMU" || explain
	vm_key_is v1 state start
}

killed_comes_back() { # UNIT
	local pid others='' p
	for p in $PROGRAMS; do [ "$p" = "$1" ] || others+="$p=$(main_pid "$p") "; done
	pid=$(main_pid "$1")
	node kill -KILL "$pid"
	wait_until 60 came_back "$1" "$pid" || explain
	# it alone: nobody else was restarted, and the node did not sign off
	for p in $PROGRAMS; do
		[ "$p" = "$1" ] || [[ "$others" == *"$p=$(main_pid "$p") "* ]] || { echo "$p was restarted too"; false; }
	done
	node systemctl is-active --quiet pvc.target
	[ "$(node systemctl show -P NRestarts pvc-online.service)" = 0 ]
	all_is_well
}

@test "kill -9 of pvc-watch-nodes" { killed_comes_back pvc-watch-nodes; }
@test "kill -9 of pvc-watch-networks" { killed_comes_back pvc-watch-networks; }

@test "kill -9 of pvc-watch-domains: the running VM is adopted again" {
	killed_comes_back pvc-watch-domains
	owned() { [ "$(node_key runningdomains)" = "$(vm_uuid v1)" ]; }
	wait_until 60 owned
}

@test "kill -9 of pvc-keepalive: the heartbeat goes on" {
	local beat
	killed_comes_back pvc-keepalive
	beat=$(node_key keepalive)
	newer() { [ "$(node_key keepalive)" -gt "$beat" ]; }
	wait_until 60 newer
}

@test "kill -9 of all daemons at once, ten times: no start limit keeps one of them down" {
	local p
	local -A pids
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		for p in $PROGRAMS; do pids[$p]=$(main_pid "$p"); done
		for p in $PROGRAMS; do node kill -KILL "${pids[$p]}"; done
		for p in $PROGRAMS; do wait_until 60 came_back "$p" "${pids[$p]}" || explain; done
	done
	all_is_well
}

@test "a daemon that hangs is ended by the watchdog and comes back" {
	local pid
	pid=$(main_pid pvc-watch-nodes)
	node kill -STOP "$pid"
	wait_until 120 came_back pvc-watch-nodes "$pid" || explain
	journal_of pvc-watch-nodes.service | grep -qi watchdog
	all_is_well
}

@test "restarting pvc.target leaves the VM alone" {
	node systemctl restart pvc.target || explain
	all_is_well
}

@test "stopping pvc.target leaves the VM running; starting it takes the VM in again" {
	node systemctl stop pvc.target
	wait_until 120 node_key_is daemonstate stop
	vm_goes_on v1 "$QEMU"
	pvc_start
	all_is_well
}

@test "restarting libvirtd leaves the VM alone, and VMs can be started and stopped afterwards" {
	local pid
	pid=$(main_pid pvc-watch-domains)
	node systemctl restart libvirtd.service
	all_is_well
	vm_run v2
	node pvcctl vm stop v2 --wait --timeout 120
	wait_until 60 no vm_pid v2
	[ "$(main_pid pvc-watch-domains)" = "$pid" ]
}

@test "D18: while libvirtd is down the heartbeat goes on" {
	local beat
	node systemctl stop libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd-tcp.socket
	beat=$(node_key keepalive)
	newer() { [ "$(node_key keepalive)" -gt "$((beat + 3))" ]; }
	wait_until 60 newer
	node_runs
	node systemctl start libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd-tcp.socket libvirtd.service
	all_is_well
}

@test "D21: after ZooKeeper was restarted the daemons hear again" {
	local pids p
	pids=$(for p in $PROGRAMS; do main_pid "$p"; done)
	node systemctl restart zookeeper.service
	wait_until 120 node_runs
	vm_run v3
	node pvcctl vm stop v3 --wait --timeout 120
	[ "$(for p in $PROGRAMS; do main_pid "$p"; done)" = "$pids" ]
	all_is_well
}

@test "upgrading the package restarts nothing and starts nothing" {
	local pids p
	"$LAB" put $NODE "$LAB_DEB" /root/pvc-node.deb
	pids=$(for p in $PROGRAMS; do main_pid "$p"; done)
	node env DEBIAN_FRONTEND=noninteractive dpkg -i /root/pvc-node.deb
	[ "$(for p in $PROGRAMS; do main_pid "$p"; done)" = "$pids" ]
	all_is_well
	node systemctl restart pvc.target
	all_is_well
}

@test "while a daemon is stopped by the operator, the others and the VM go on" {
	node systemctl stop pvc-watch-domains.service
	all_is_well
	node systemctl start pvc-watch-domains.service
	all_is_well
}

@test "D24: a node that is cut off from ZooKeeper ends its VMs and resets itself in time; it comes back, and so does the VM" {
	local boot cut down
	# in hundredths of a second since this machine booted: the node's kernel is this one
	began() { node sed 's/.*) //' /proc/1/stat | cut -d' ' -f20; }
	boot_id() { node cat /proc/sys/kernel/random/boot_id; }
	rebooted() { local now; now=$(boot_id) && [ "$now" != "$boot" ]; }
	boot=$(boot_id)
	# heartbeats every 2 s: the reset comes 14 s after the last one that was confirmed was sent; a machine may stand still for some of them before that
	node sed -i 's/suicide_intervals:.*/suicide_intervals: 8/' /etc/pvc/pvcd.yaml
	node systemctl restart pvc-keepalive.service
	armed() { journal_of pvc-keepalive.service | grep -q 'a forced reboot 14 s after'; }
	wait_until 60 armed
	all_is_well
	cut=$(cut -d' ' -f1 /proc/uptime)
	node systemctl kill -s STOP zookeeper.service
	wait_until 120 rebooted
	down=$((($(began) - ${cut/./}) * 10))
	echo "# cut off at 0, boots again at $down ms; the reset is due 14000 after the last heartbeat" >&3
	[ "$down" -gt 4000 ] && [ "$down" -lt 60000 ] # less than the 120 s after which others would take its VMs
	"$LAB" wait $NODE
	node grep -aq 'terminating on signal 15 from pid .*pvc-keepalive' /var/log/libvirt/qemu/v1.log
	node_ready
	wait_until 180 vm_counts_beyond v1 0
}
