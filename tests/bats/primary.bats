#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The primary role: several pvc-watch-nodes against a real ZooKeeper. There is no systemd here: what the services do is shown in
# tests/lab; here who holds the lease, when, and what the keys say.
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/watcher.bash

LEASE=/pvc/primary/lease
holder() { zk get $LEASE | sed -n 's/.*"node":"\([^"]*\)".*/\1/p'; }
held_by() { [ "$(holder)" = "$1" ]; }
held() { [ -n "$(holder)" ]; }
held_by_another() { held && ! held_by pvchv1; } # than pvchv1
candidates() { [ "$(zk ls /pvc/primary/candidates | sort | paste -sd' ')" = "$*" ]; }
three() {
	node_start pvchv1 coordinator
	PID1=$PID
	wait_until 60 held_by pvchv1
	node_start pvchv2 coordinator
	PID2=$PID
	node_start pvchv3 coordinator
	wait_until 60 candidates pvchv1 pvchv2 pvchv3
}
all_settled() { for n in 1 2 3; do wait_until 60 settled "pvchv$n" || return 1; done; }
# watch_role: writes into $T/role one line for each change of the lease's holder, as a client sees it
watch_role() {
	cat >"$T/watch.py" <<-'E'
		import json, logging, sys, threading, time
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1], timeout=10)
		zk.start(timeout=60)
		start = time.monotonic()
		@zk.DataWatch("/pvc/primary/lease")
		def lease(data, stat):
		    print("%.3f %s" % (time.monotonic() - start, json.loads(data)["node"] if data else "-"), flush=True)
		threading.Event().wait()
	E
	$PYTHON "$T/watch.py" "$ZK" >"$T/role" 2>/dev/null 3>&- &
	remember $!
	wait_until 60 test -s "$T/role"
}

@test "D25: of three coordinators exactly one gets a free role, with one write; given away, another gets it without a gap" {
	node_start pvchv1 coordinator
	node_start pvchv2 coordinator
	node_start pvchv3 coordinator
	wait_until 60 held
	wait_until 60 candidates pvchv1 pvchv2 pvchv3
	all_settled
	before=$(zk stat /primary_node)
	first=$(zk get /primary_node)
	held_by "$first"
	zk set /primary_node none # what v0.6's `node secondary` writes
	moved() { [ "$(zk get /primary_node)" != "$first" ] && [ "$(zk get /primary_node)" != none ] && held_by "$(zk get /primary_node)"; }
	wait_until 60 moved
	all_settled
	[[ "$before" == version=1\ * ]]
	[[ "$(zk stat /primary_node)" == version=3\ * ]]
}

@test "D26, D27: twenty planned hand-overs: never two, each in one transaction, no locks and no waiting" {
	three
	watch_role
	for n in 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3 1 2 3; do
		zk set /primary_node "pvchv$n" # what v0.6's `node primary` writes
		wait_until 60 held_by "pvchv$n"
	done
	all_settled
	# the words of both nodes are in the transaction that makes or deletes the lease: no moment shows two primaries
	py <<-'E'
		lease = zk.exists("/pvc/primary/lease")
		assert lease.ephemeralOwner != 0
		assert zk.get("/nodes/pvchv3/routerstate")[1].mzxid == lease.czxid
		assert [get("/nodes/pvchv%d/routerstate" % n) for n in (1, 2, 3)] == ["secondary", "secondary", "primary"]
		assert zk.get_children("/locks") == [] if zk.exists("/locks") else True
	E
	# from one holder to the next at once, half of the times: no pause of a second or more is in it (tests/bench/handover has the figures)
	awk '$2 == "-" { free = $1 } $2 != "-" && free { print $1 - free; free = 0 }' "$T/role" | sort -n >"$T/gaps"
	# (a client on a busy machine sees only some of them, or none)
	cat "$T/gaps"
	[ "$(awk 'NR == int((n + 1) / 2) && $1 >= 1' n="$(wc -l <"$T/gaps")" "$T/gaps")" = "" ]
}

@test "two clients that name two nodes at once: one of them has the role in the end, and the keys agree" {
	three
	for _ in 1 2 3; do
		py <<-'E'
			for n in (2, 3, 1, 3, 2, 1, 2, 3):
			    zk.set_async("/primary_node", b"pvchv%d" % n)
			zk.get("/primary_node")
		E
		agreed() { held_by "$(zk get /primary_node)"; }
		wait_until 60 held_by pvchv3
		wait_until 60 agreed
		all_settled
	done
}

@test "D29: a node that is named but dead, unknown or no coordinator does not get the role: the holder says so and stays" {
	node_start pvchv1 coordinator
	wait_until 60 held_by pvchv1
	before=$(zk stat $LEASE)
	for name in pvchv2 nobody-knows-me $'\xff\xfe'; do
		zk set /primary_node "$name"
		wait_until 60 is /primary_node pvchv1
	done
	zk rm /primary_node
	back() { zk exists /primary_node && is /primary_node pvchv1; }
	wait_until 60 back
	[ -n "$before" ]
	held_by pvchv1
	is /nodes/pvchv1/routerstate primary
	[ "$(times_said pvchv1 'this node gave the primary role away')" = 0 ]
}

@test "D29: a named node that hangs: the others wait a little and take the role back; it finds itself secondary" {
	three
	freeze "$PID2"
	zk set /primary_node pvchv2
	back() { held_by pvchv1 || held_by pvchv3; }
	said_gave() { said pvchv1 'gave the primary role away'; }
	wait_until 60 said_gave
	wait_until 60 back
	kill -CONT "$PID2"
	wait_until 60 candidates pvchv1 pvchv2 pvchv3
	all_settled
	back
}

@test "D31: SIGTERM to the holder: another has the role before the program has ended" {
	three
	local begun=${EPOCHREALTIME/./}
	kill -TERM "$PID1"
	wait "$PID1"
	# (it waits for the others for three seconds, which a busy machine may need)
	[ $((${EPOCHREALTIME/./} - begun)) -ge 3000000 ] || held_by_another
	wait_until 60 held_by_another
	wait_until 60 candidates pvchv2 pvchv3
	for n in 2 3; do wait_until 60 settled "pvchv$n"; done
	is /nodes/pvchv1/routerstate secondary
}

@test "D31: the holder announces shutdown: another has the role, and the node claims nothing any more" {
	three
	zk set /nodes/pvchv1/daemonstate shutdown
	wait_until 60 held_by_another
	all_settled
	wait_until 60 candidates pvchv2 pvchv3
	zk set /primary_node pvchv1 # to a node that goes down
	back() { ! is /primary_node pvchv1; }
	wait_until 60 back
	held_by_another
}

@test "kill -9 of the holder and a start soon after: it takes its own old lease over, and nobody else gets it" {
	three
	watch_role
	since=$(zk get $LEASE | sed 's/.*"since":"\([^"]*\)".*/\1/')
	kill -KILL "$PID1"
	wait "$PID1" || :
	node_start pvchv1 coordinator
	wait_until 60 said pvchv1 "the primary role was this node's already"
	held_by pvchv1
	[ "$(zk get $LEASE | sed 's/.*"since":"\([^"]*\)".*/\1/')" = "$since" ]
	wait_until 60 candidates pvchv1 pvchv2 pvchv3
	run ! grep -q 'pvchv[23]' "$T/role"
}

@test "kill -9 of the holder, no start: another has the role once the session is over" {
	three
	kill -KILL "$PID1"
	taken() { held_by pvchv2 || held_by pvchv3; }
	wait_until 60 taken
	for n in 2 3; do wait_until 60 settled "pvchv$n"; done
	run ! is /primary_node pvchv1
}

@test "the holder hangs beyond its session: it has let go before it looks at anything else, and stays out" {
	three
	freeze "$PID1"
	taken() { held_by pvchv2 || held_by pvchv3; }
	wait_until 60 taken
	kill -CONT "$PID1"
	wait_until 60 candidates pvchv1 pvchv2 pvchv3
	all_settled
	taken
	said pvchv1 'the lease of the primary role cannot be confirmed'
	after=$(sed '1,/cannot be confirmed/d' "$T/pvchv1.out")
	[[ "$after" != *'holds the primary role'* ]]
}

@test "ZooKeeper away for longer than the lease is good: let go by the own clock, then the same node goes on" {
	three
	lease=$(zk stat $LEASE)
	freeze "$ZK_PID"
	wait_until 60 said pvchv1 'the lease of the primary role cannot be confirmed'
	kill -CONT "$ZK_PID"
	wait_until 60 said pvchv1 'the lease of the primary role is confirmed again'
	held_by pvchv1
	all_settled
	[ "$(times_said pvchv1 'cannot be confirmed')" = 1 ]
	[ -n "$lease" ]
}

@test "a coordinator that does not run claims nothing until it does; a single one keeps the role" {
	zk set /nodes/pvchv1/daemonstate init
	node_start pvchv1 coordinator
	wait_until 60 is /nodes/pvchv1/routerstate secondary
	is /primary_node none
	zk set /nodes/pvchv1/daemonstate run
	wait_until 60 is /primary_node pvchv1
	wait_until 60 is /nodes/pvchv1/routerstate primary
	zk set /primary_node none
	wait_until 60 is /primary_node pvchv1
	is /nodes/pvchv1/routerstate primary
	zk set /nodes/pvchv1/daemonstate shutdown
	wait_until 60 is /nodes/pvchv1/routerstate secondary
	zk set /primary_node none
	is /primary_node none
	run ! held
}

@test "keys that somebody made by hand: a lease without a session is nobody's, junk in it is put right" {
	zk create $LEASE junk
	zk rm /pvc/primary/candidates
	node_start pvchv1 coordinator
	wait_until 60 held_by pvchv1
	wait_until 60 candidates pvchv1
	py <<<'assert zk.exists("/pvc/primary/lease").ephemeralOwner != 0'
	zk rm $LEASE # taken away: made anew
	wait_until 60 held_by pvchv1
	wait_until 60 is /nodes/pvchv1/routerstate primary
}

@test "pvcctl node primary and secondary: the role is where it was wanted when --wait returns; a node that cannot take it is named" {
	pvc() { timeout 120 pvcctl -z "$ZK" "$@"; }
	three
	pvc node primary pvchv2 --wait | grep -qx "Node 'pvchv2' is primary."
	held_by pvchv2
	[ "$(pvc node primary pvchv2)" = "Node 'pvchv2' is primary already." ]
	pvc node secondary pvchv2 --wait | grep -qx "Node 'pvchv2' is secondary."
	run ! held_by pvchv2
	[ "$(pvc node secondary pvchv2)" = "Node 'pvchv2' is secondary already." ]
	# status: who, and for how long by the holder's own clock
	pvc status >"$T/status"
	grep -Eq "^Role held by: +$(holder), for 0:0[01]:[0-9]{2}, since 20[0-9-]+ [0-9:]+ UTC$" "$T/status"
	pvc status --format json | $PYTHON -c 'import json,sys; r = json.load(sys.stdin)["primary_role"]; assert r["holder"] == sys.argv[1] and 0 <= r["held_seconds"] < 120 and r["since"], r' "$(holder)"
	# the figure goes on
	longer() { [ "$(zk get $LEASE | sed 's/.*"held":\([0-9]*\).*/\1/')" -ge 10 ]; }
	wait_until 60 longer
	# who cannot
	run pvc node primary pvchv9
	[ "$status" -eq 1 ] && [[ "$output" == *"no node named 'pvchv9'"* ]]
	zk set /nodes/pvchv1/daemonmode hypervisor
	run pvc node primary pvchv1
	[ "$status" -eq 1 ] && [[ "$output" == *"'pvchv1' is no coordinator"* ]]
	zk set /nodes/pvchv1/daemonmode coordinator
	kill -TERM "$PID1"
	wait "$PID1"
	wait_until 60 candidates pvchv2 pvchv3 # a slow server is not waited for at the end
	run pvc node primary pvchv1
	[ "$status" -eq 1 ] && [[ "$output" == *"its pvc-watch-nodes does not answer"* ]]
	zk set /nodes/pvchv1/daemonstate dead
	run pvc node primary pvchv1
	[ "$status" -eq 1 ] && [[ "$output" == *"its daemon state is 'dead'"* ]]
	# the only one left keeps it, and that is said
	kill -TERM "$PID" # of the third
	wait "$PID"
	wait_until 60 held_by pvchv2
	run pvc node secondary pvchv2 --wait
	[ "$status" -eq 1 ] && [[ "$output" == *"no other coordinator took it"* ]]
	held_by pvchv2
}

@test "the times in the units are those of the timeline" {
	milliseconds() { sed -n "s/^#define $1 .*(\([0-9]*\) \* USEC_PER_MSEC).*/\1/p;s/^#define $1 .*(\([0-9]*\) \* USEC_PER_SEC).*/\1000/p" "$TOP/lib/cluster/timeline.h"; }
	[ "$(sed -n 's/^WatchdogSec=\([0-9]*\)ms$/\1/p' "$TOP/systemd/pvc-watch-nodes.service")" = "$(milliseconds TIMELINE_WATCHDOG)" ]
	# one after another, should each hang: what goes before the addresses, who removes them, and who does it in its place
	stop() { sed -n 's/^TimeoutStopSec=\([0-9]*\)ms$/\1/p' "$TOP/systemd/$1.service"; }
	for first in pvc-dns pvc-metadata; do
		for unit in pvc-gateway pvc-floating; do
			[ $(($(stop $first) + $(stop $unit))) -le $(($(milliseconds TIMELINE_RELEASE) - 500)) ]
		done
	done
	# nothing but the service itself is waited for before its addresses are removed in its place
	for unit in pvc-gateway pvc-floating; do
		[ "$(grep -l "^After=.* $unit-release.service" "$TOP"/systemd/*.service)" = "$TOP/systemd/$unit.service" ]
		[ -z "$(grep "^Before=" "$TOP/systemd/$unit-release.service")" ]
		[ "$(cd "$TOP/systemd" && grep -lE "^After=.* $unit.service( |$)" ./*.service | sort | tr '\n' ' ')" = "./pvc-dns.service ./pvc-metadata.service " ]
	done
}
