# SPDX-License-Identifier: GPL-3.0-or-later
# What the lab's bats files share: a lab of their own with one node, and looks into it.
# shellcheck shell=bash disable=SC2034

bats_require_minimum_version 1.5.0
load ../lib/common.bash

LAB=$TOP/tests/lab/lab
NODE=pvchv1
NODE_ZK=10.77.1.1:2181 # as seen from the lab's own network
PROGRAMS="pvc-watch-nodes pvc-watch-networks pvc-watch-domains pvc-keepalive pvc-fence"
STEPS="pvc-netsetup pvc-sysctl pvc-coordinator pvc-register pvc-firewall pvc-watch-nodes pvc-watch-networks pvc-watch-domains pvc-keepalive pvc-fence pvc-online"

# lab_begin: call in setup_file. The lab goes away with this bats process, also when that is killed (lab gc).
lab_begin() {
	test_begin
	export LAB_NAME=t$$ LAB_OWNER=$$ NODES=${NODES:-$NODE} LAB_QUIET=1
	cp "${LAB_DEB:-$(ls "$TOP"/build/deb/pvc-node_*.deb)}" "$T/pvc-node.deb" # a build that goes on does not disturb
	export LAB_DEB=$T/pvc-node.deb
	"$LAB" up fresh 3>&-
}
lab_end() {
	[ -z "${LAB_NAME:-}" ] || "$LAB" down
	test_cleanup
}

no() { ! "$@"; } # as a command of its own: bats takes no notice of a bare !
node() { "$LAB" exec "$NODE" "$@"; }
zk_in_node() { "$LAB" net $PYTHON "$TOP/tests/lib/zk.py" "${LAB_ZK:-$NODE_ZK}" "$@"; }
node_key() { zk_in_node get "/nodes/$NODE/$1"; }
node_key_is() { [ "$(node_key "$1")" = "$2" ]; }

# all_active NODE UNIT...: each of them; `systemctl is-active` is content with one.
all_active() {
	local node=$1 unit
	shift
	for unit; do "$LAB" exec "$node" systemctl -q is-active "$unit" || return 1; done
}

# What the journal of this boot has of one unit: journal_of UNIT [ARGS].
journal_of() {
	local unit=$1
	shift
	journal_is_written
	node journalctl --no-pager -q -b -o cat -u "$unit" "$@"
}
# All that was logged before is in the journal.
journal_is_written() { node journalctl --sync; }
# Shows what an operator would look at; for failed tests.
explain() {
	node systemctl --no-pager --failed || :
	node journalctl --no-pager -b -n 60 -u 'pvc*' || :
	return 1
}

pvc_start() { node systemctl start pvc.target || explain; }
node_runs() { node_key_is daemonstate run; }

# node_ready: pvc.target is up and the node takes VMs.
node_ready() {
	pvc_start
	node pvcctl node ready $NODE --wait --timeout 120 >/dev/null || explain
}

# vm_run NAME [KEY=VALUE]... (see lab help): defines and starts a VM, returns when it counts.
vm_run() {
	vm_define "$@"
	node pvcctl vm start "$1" --wait --timeout 120 || explain
	wait_until 180 vm_counts_beyond "$1" 0 || explain
}
vm_define() {
	"$LAB" domain "$@" >"$T/$1.xml"
	"$LAB" put $NODE "$T/$1.xml" "/root/$1.xml"
	node pvcctl vm define "/root/$1.xml" >/dev/null || explain
}
vm_uuid() { "$LAB" domain "$1" | sed -n 's:.*<uuid>\(.*\)</uuid>.*:\1:p'; }
vm_key() { zk_in_node get "/domains/$(vm_uuid "$1")/$2"; }
vm_key_is() { [ "$(vm_key "$1" "$2")" = "$3" ]; }
vm_pid() { node pgrep -f "^/usr/bin/qemu-system-x86_64 -name guest=$1,"; }
# last_count NODE VM: the last count that it wrote there to the line's end: there may be half of another, for ever where it moved away meanwhile.
last_count() { "$LAB" exec "$1" sed -n 's/^COUNT \([0-9]*\) [0-9.]* [0-9a-f]\{8\}\r\{0,1\}$/\1/p' "/var/log/libvirt/$2.log" | tail -n 1; }
vm_count() { last_count $NODE "$1"; }
vm_counts_beyond() {
	local now
	now=$(vm_count "$1") && [ -n "$now" ] && [ "$now" -gt "$2" ]
}
# vm_goes_on NAME PID: the same QEMU process, and the guest counts further.
vm_goes_on() {
	local before
	[ "$(vm_pid "$1")" = "$2" ] || {
		echo "$1: QEMU was $2, is $(vm_pid "$1")"
		return 1
	}
	before=$(vm_count "$1")
	wait_until 60 vm_counts_beyond "$1" "$before"
}
# patient_watchdog NODE...: where processes are compared, one that systemd's watchdog ended would be taken for one that a test has hit; that of
# pvc-watch-nodes has but 2.5 s, for which a busy machine may stand still.
patient_watchdog() {
	local n
	printf '[Service]\nWatchdogSec=15\n' >"$T/patient.conf"
	for n; do
		"$LAB" put "$n" "$T/patient.conf" /etc/systemd/system/pvc-watch-nodes.service.d/patient.conf
		"$LAB" exec "$n" systemctl daemon-reload
	done
}
main_pid() { node systemctl show -P MainPID "$1"; }
# came_back UNIT PID: it runs as another process, and is ready.
came_back() {
	local pid
	pid=$(main_pid "$1")
	[ "$pid" != 0 ] && [ "$pid" != "$2" ] && node systemctl is-active --quiet "$1"
}
