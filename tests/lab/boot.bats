#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The start-up sequence of a whole node, with real systemd, ZooKeeper and libvirt; its end; power cuts and reboots.

load lab.bash

setup_file() {
	lab_begin
	patient_watchdog $NODE
	node systemctl enable pvc.target
	"$LAB" stop $NODE
	"$LAB" start $NODE 3>&-
	"$LAB" wait $NODE
}
teardown_file() { lab_end; }

runs_again() { node systemctl is-active --quiet pvc.target && node_runs; }

@test "a cold boot reaches run by itself, and nothing is failed" {
	wait_until 120 runs_again || explain
	[ -z "$(node systemctl list-units --failed --no-legend --plain 'pvc*')" ]
}

@test "the journal shows the start-up sequence: each step ends before the next one starts" {
	local previous='' step ended started lines
	journal_is_written
	lines=$(node journalctl -b --no-pager -o cat _PID=1)
	for step in $STEPS; do
		started=$(grep -nE "^Starting $step\.service" <<<"$lines" | head -n 1 | cut -d: -f1)
		[ -n "$started" ] || { echo "$step was not started"; false; }
		if [ -n "$previous" ]; then
			ended=$(grep -nE "^(Finished|Started) $previous\.service" <<<"$lines" | head -n 1 | cut -d: -f1)
			[ -n "$ended" ] && [ "$ended" -lt "$started" ] || { echo "$previous had not ended when $step started"; false; }
		fi
		previous=$step
	done
}

@test "the host's network was made by pvc-netsetup out of devices without addresses" {
	[ "$(node ip -4 -br addr show dev brcluster | awk '{print $3}')" = 10.77.1.1/24 ]
	[ "$(node ip -4 -br addr show dev brupstream | awk '{print $3}')" = 10.77.0.1/24 ]
	[ "$(node ip -4 -br addr show dev brstorage | awk '{print $3}')" = 10.77.2.1/24 ]
	[[ "$(node ip route show default)" == *"via 10.77.0.254 dev brupstream"* ]]
	[ "$(node cat /sys/class/net/brcluster/mtu)" = 1550 ]
	node pvc-netsetup --check
	node pvc-sysctl --check
}

@test "D80: nothing of the sequence waits for a fixed time: the services that it starts are asked until they answer" {
	journal_of pvc-coordinator.service | grep -q 'zookeeper.service: '
	[ "$(node systemctl is-active zookeeper.service libvirtd.service frr.service | sort -u)" = active ]
}

@test "restarting pvc.target writes shutdown, stop, init, run in this order" {
	local before
	# from ZooKeeper's own log: who watches a key is told only what it is when he looks again
	states() { $PYTHON "$TOP/tests/lab/history.py" "${LAB_ROOT:-/var/tmp/pvc-lab}/run/$LAB_NAME/$NODE/upper/var/lib/zookeeper" "/nodes/$NODE/daemonstate"; }
	wait_until 120 node_runs
	before=$(states | wc -l)
	node systemctl restart pvc.target
	is_complete() { [ "$(states | tail -n +$((before + 1)) | paste -sd' ')" = "shutdown stop init run" ]; }
	wait_until 60 is_complete || { states; false; }
}

register_is_down() { [ "$(node systemctl is-active pvc-register.service)" = inactive ]; }

@test "stopping pvc.target announces shutdown, ends the daemons, writes stop, in this order" {
	local lines offline ended stopped
	node systemctl stop pvc.target # returns before the units are down: the target itself is the first to go
	wait_until 120 node_key_is daemonstate stop
	wait_until 120 register_is_down
	for p in $PROGRAMS; do [ "$(main_pid "$p")" = 0 ]; done
	journal_is_written
	lines=$(node journalctl -b --no-pager -o cat _PID=1)
	offline=$(grep -n '^Stopped pvc-online' <<<"$lines" | tail -n 1 | cut -d: -f1)
	stopped=$(grep -n '^Stopped pvc-register' <<<"$lines" | tail -n 1 | cut -d: -f1)
	for p in $PROGRAMS; do
		ended=$(grep -n "^Stopped $p" <<<"$lines" | tail -n 1 | cut -d: -f1)
		[ "$offline" -lt "$ended" ] && [ "$ended" -lt "$stopped" ]
	done
	# the network stays: an operator who stops PVC over it must not cut the branch
	[ "$(node ip -4 -br addr show dev brcluster | awk '{print $3}')" = 10.77.1.1/24 ]
}

@test "systemctl start pvc.target returns when the node is in run" {
	pvc_start
	node_key_is daemonstate run
}

@test "the distribution's dnsmasq is stopped when PVC starts" {
	node systemctl stop pvc.target
	wait_until 120 register_is_down
	# as installed it would answer on port 53 of every address
	node systemctl start dnsmasq.service
	pvc_start
	[ "$(node systemctl is-active dnsmasq.service)" = inactive ]
}

@test "starting dnsmasq by hand takes nothing of PVC down" {
	local pids
	pids=$(for p in $PROGRAMS; do main_pid "$p"; done)
	node systemctl start dnsmasq.service
	wait_until 60 runs_again
	[ "$(for p in $PROGRAMS; do main_pid "$p"; done)" = "$pids" ]
	node systemctl stop dnsmasq.service
	pvc_start
}

@test "a clean reboot leads back to run, and dnsmasq enabled at boot does not run" {
	local before
	node systemctl enable dnsmasq.service
	before=$(node journalctl --list-boots -q | wc -l)
	node systemctl reboot
	rebooted() { [ "$(node journalctl --list-boots -q | wc -l)" -gt "$before" ]; }
	wait_until 120 rebooted
	wait_until 120 runs_again || explain
	[ "$(node systemctl is-active dnsmasq.service)" = inactive ]
	node systemctl disable dnsmasq.service
}

@test "a clean shutdown of the host writes stop before ZooKeeper ends" {
	local before
	"$LAB" stop $NODE
	"$LAB" start $NODE 3>&-
	"$LAB" wait $NODE
	before=$("$LAB" journal $NODE -b -1 -o cat -q)
	[ "$(grep -n '^Stopped pvc-register' <<<"$before" | tail -n 1 | cut -d: -f1)" -lt "$(grep -nE '^Stopp(ing|ed) zookeeper' <<<"$before" | tail -n 1 | cut -d: -f1)" ]
	no grep -qE 'pvc-register.*(Failed|failed)' <<<"$before"
	wait_until 120 runs_again || explain
}

@test "after a power cut the node reaches run again, and a VM that should run is started again" {
	node pvcctl node ready $NODE --wait --timeout 120
	vm_run survivor
	"$LAB" kill $NODE
	"$LAB" start $NODE 3>&-
	"$LAB" wait $NODE
	wait_until 120 runs_again || explain
	wait_until 120 vm_pid survivor || explain
	vm_key_is survivor state start
	vm_goes_on survivor "$(vm_pid survivor)"
}
