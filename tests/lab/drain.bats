#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Nodes that are emptied and filled again, with real VMs: by the operator, taken back in the middle, and by a reboot. What is looked
# at are QEMU's processes and what the guests themselves counted, on all nodes.

load lab.bash

VMS="d1 d2 d3 d4"

setup_file() {
	local n name
	export NODES="pvchv1 pvchv2 pvchv3"
	lab_begin
	for n in $NODES; do
		# two at a time, so that a drain has a middle
		on $n sed -i -e 's/target_selector: mem/target_selector: vms\n      drain_parallel: 2/' /etc/pvc/pvcd.yaml
		on $n systemctl --no-block start pvc.target
	done
	for n in $NODES; do
		wait_until 300 on $n systemctl -q is-active pvc.target || explain
		on $n pvcctl node ready $n --wait --timeout 120 >/dev/null || explain
	done
	for name in $VMS; do guest $name; done
	guest stuck --limit pvchv1
	guest spare # stays off
	for name in $VMS stuck; do
		on pvchv1 pvcctl vm start $name --wait --timeout 180 >/dev/null
		wait_until 180 counts_on pvchv1 $name 0
	done
}
teardown_file() { lab_end; }
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || for n in $NODES; do
		echo "== $n"
		on $n journalctl --no-pager -q -b -n 40 -o short-precise -u pvc-watch-nodes -u pvc-watch-domains -u pvc-flush -u pvc-ready | cut -c1-260 || :
	done
}

on() { "$LAB" exec "$@"; }
guest() { # NAME [OPTION]...
	"$LAB" domain "$1" bridge= "cmdline=tick=0.2" >"$T/$1.xml"
	"$LAB" put pvchv1 "$T/$1.xml" "/root/$1.xml"
	on pvchv1 pvcctl vm define --node pvchv1 --selector vms "${@:2}" "/root/$1.xml" >/dev/null
}
counts_on() { [ "$(last_count "$1" "$2")" -gt "$3" ]; }
places() { for n in $NODES; do on $n pgrep -f "^/usr/bin/qemu-system-x86_64 -name guest=$1," | sed "s/.*/$n/"; done; }
is_at() { [ "$(places "$1")" = "$2" ] && vm_key_is "$1" state start && vm_key_is "$1" node "$2"; }
all_at_home() { for name in $VMS stuck; do is_at $name pvchv1 && vm_key_is $name lastnode '' || return 1; done; }
is_empty() { ! on "$1" pgrep -f '^/usr/bin/qemu-system-x86_64 -name guest=' >/dev/null; }
# every count of every boot is there, and once (a line that is half on one node's log and half on another's is in none); and the VM
# was booted so many times
whole() { # NAME BOOTS
	local n
	for n in $NODES; do
		on $n cat "/var/log/libvirt/$1.log" 2>/dev/null | tr -d '\r' | sed -n "s/^COUNT \([0-9]*\) [0-9.]* \([0-9a-f]\{8\}\)\$/\2 \1 $n/p" || :
	done | sort -k1,1 -k2,2n >"$T/counts"
	awk '
		$1 == boot && $2 == n { print "counted twice:", $0; bad = 1 }
		$1 == boot && $2 != n && $2 != n + 1 && !($2 == n + 2 && $3 != node) { print "lost after", n, "before", $0; bad = 1 }
		{ boot = $1; n = $2; node = $3 }
		END { exit bad }' "$T/counts" || return 1
	[ "$(cut -d' ' -f1 "$T/counts" | sort -u | wc -l)" = "$2" ]
}
node_is() { [ "$(zk_in_node get /nodes/pvchv1/domainstate)" = "$1" ]; }

@test "a drain moves running VMs without a lost count, shuts down the one that may go nowhere, leaves the one that is off, and all come back" {
	run on pvchv1 pvcctl node flush pvchv1 --wait
	[ "$status" = 1 ]
	[[ "$output" == *"1 VM of node 'pvchv1' can go to no other node and would be shut down (stuck)"* ]]
	run on pvchv1 pvcctl node flush pvchv1 --wait --yes
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"Node 'pvchv1' is drained: 5 VMs: 4 moved, 1 shut down."* ]]
	node_is flushed
	is_empty pvchv1
	for name in $VMS; do
		vm_key_is $name lastnode pvchv1
		wait_until 60 counts_on "$(places $name)" $name "$(last_count pvchv1 $name)"
	done
	# both got some; how many depends on when their heartbeats said so
	[ "$(for name in $VMS; do places $name; done | sort | uniq | tr '\n' ' ')" = "pvchv2 pvchv3 " ]
	vm_key_is stuck state stop
	vm_key_is spare state stop
	vm_key_is spare node pvchv1
	run on pvchv1 pvcctl node ready pvchv1 --wait
	echo "$output"
	[ "$status" = 0 ]
	[[ "$output" == *"Node 'pvchv1' is ready: 5 VMs: 4 moved, 1 started."* ]]
	wait_until 120 all_at_home
	for name in $VMS; do whole $name 1; done
	wait_until 120 whole stuck 2
}

@test "D42: taken back in the middle, VMs that left come home and those that did not stay; killed pvc-watch-nodes or not" {
	zk_in_node set /nodes/pvchv1/domainstate flush
	some_moved() { zk_in_node get /nodes/pvchv1/drain | grep -q '^moved'; }
	wait_until 120 some_moved
	on pvchv1 kill -KILL "$(main_pid pvc-watch-nodes)"
	run on pvchv1 pvcctl node ready pvchv1 --wait
	echo "$output"
	[ "$status" = 0 ]
	wait_until 180 all_at_home
	for name in $VMS; do whole $name 1; done
}

@test "pvc-flush and pvc-ready: a reboot moves the VMs away before anything ends, and brings them back" {
	on pvchv1 systemctl enable --now pvc-flush.service
	on pvchv1 systemctl enable pvc.target pvc-ready.service
	# restarting our own programs is no drain
	on pvchv1 systemctl restart pvc.target
	all_at_home
	on pvchv1 systemctl --no-block reboot
	# what it was in between may last for less than it takes to look: the journal of that boot says it
	drained() { on pvchv1 journalctl --no-pager -q -b -1 -o cat -u pvc-flush | grep -q 'is drained'; }
	wait_until 300 drained
	wait_until 240 node_is ready
	wait_until 240 all_at_home
	for name in $VMS; do whole $name 1; done
	[ "$(on pvchv1 journalctl --no-pager -q -b -1 -o cat -u pvc-flush | grep -c "Node 'pvchv1' is drained: 5 VMs: 4 moved, 1 shut down")" = 1 ]
	# it was the first thing to end: the node had not signed off, and the agents were there
	on pvchv1 journalctl --no-pager -q -b -1 -o cat -u pvc-flush -u pvc-online -u pvc-watch-domains >"$T/order"
	grep -nE "is drained|^Stopping PVC: (this node is in state run|virtual machines)" "$T/order" | tail -n 3 >"$T/lines"
	cat "$T/lines"
	sed -n 1p "$T/lines" | grep -q "is drained"
}
