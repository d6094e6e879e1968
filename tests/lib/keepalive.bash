# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-keepalive of a node pvchv1 without anything else of a node. Load common.bash first; the test's ZooKeeper runs and $T/pvcd.yaml is
# written.
# shellcheck shell=bash

KEYS="memtotal memused memfree memalloc vcpualloc cpuload domainscount runningdomains keepalive"
N=/nodes/pvchv1

# node_make DAEMONSTATE: the node's keys as pvc-register makes them.
node_make() {
	# shellcheck disable=SC2086 # words
	$PYTHON - "$ZK" $N "$1" $KEYS <<-'E'
		import sys
		from kazoo.client import KazooClient
		server, node, state, *keys = sys.argv[1:]
		client = KazooClient(hosts=server)
		client.start(timeout=60)
		client.ensure_path("/nodes")
		t = client.transaction()
		t.create(node, b"coordinator")
		t.create(node + "/daemonstate", state.encode())
		for key in keys:
		    t.create(node + "/" + key, b"")
		assert t.commit()[0] == node
		client.stop()
	E
}
# keepalive_start: in the background; its pid is in $PID, what it says in $T/out; $T/machines, when it is there, is where libvirt keeps
# its machines' pid files. (Not through as_node: a function in the
# background would be a shell of its own, and $! that shell's.)
keepalive_start() {
	# shellcheck disable=SC2016 # the inner shell's
	unshare --uts --mount --propagation private "${WITHOUT_REBOOT[@]}" sh -c '
		hostname pvchv1
		if [ -d "$1" ]; then mount -t tmpfs t /run && mkdir -p /run/libvirt/qemu && mount --bind "$1" /run/libvirt/qemu; fi
		[ -z "$2" ] || export LD_PRELOAD=$2
		exec pvc-keepalive --config "$0" --debug' "$T/pvcd.yaml" "$T/machines" "${PRELOAD:-}" >>"$T/out" 2>&1 3>&- &
	PID=$!
	remember "$PID"
}
keepalive_stop() {
	kill -TERM "$PID"
	wait "$PID"
}
said() { grep -q -- "$1" "$T/out"; }
never_said() { ! grep -- "$1" "$T/out"; }
said_times() { grep -c -- "$1" "$T/out"; }
mzxid() { zk stat $N/"$1" | sed 's/.*mzxid=\([0-9]*\).*/\1/'; }
is() { [ "$(zk get $N/"$1")" = "$2" ]; }
newer_than() { [ "$(mzxid keepalive)" -gt "$1" ]; }
# beats: a heartbeat comes that was not there before
beats() {
	local before
	before=$(mzxid keepalive)
	wait_until 60 newer_than "$before"
}
ALIVE=/pvc/alive/pvchv1 HEART=/pvc/heart/pvchv1
# shellcheck disable=SC2034 # for those who load this
BOOT=$(cat /proc/sys/kernel/random/boot_id)
owner() { zk stat $ALIVE | sed 's/.*owner=//'; }
another_owner_than() {
	local now
	now=$(owner)
	[ -n "$now" ] && [ "$now" != "$1" ] && [ "$now" != 0 ]
}
heart_says() { [ "$(zk get $HEART | $PYTHON -c 'import json,sys; h = json.load(sys.stdin); print(h["boot"], h["armed"])')" = "$1" ]; }
