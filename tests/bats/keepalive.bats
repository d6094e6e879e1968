#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-keepalive against a real ZooKeeper; what it wrote is read with kazoo. There is no libvirt and no Ceph here.

bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/keepalive.bash

setup() {
	test_begin
	zk_start
	write_config "$T/pvcd.yaml"
	node_make init
}
teardown() {
	[ -z "${BATS_ERROR_STATUS:-}" ] || [ "$BATS_ERROR_STATUS" -eq 0 ] || tail -n 40 "$T/out"
	test_cleanup
}

# publish KEY=VALUE...: as pvc-watch-domains does
publish() {
	mkdir -p "$T/run/status"
	{
		echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
		echo "stamp=${STAMP:-$($PYTHON -c 'import time; print(int(time.clock_gettime(time.CLOCK_BOOTTIME)*1e6))')}"
		printf '%s\n' "$@"
	} >"$T/run/status/domains.new"
	mv "$T/run/status/domains.new" "$T/run/status/domains"
}

@test "all nine keys come in one transaction, and say what the machine says" {
	keepalive_start
	wait_until 60 is daemonstate run
	keepalive_stop # so that all are of the same, last heartbeat
	zxid=$(mzxid keepalive)
	for key in $KEYS; do [ "$(mzxid "$key")" = "$zxid" ] || { echo "$key is of another transaction"; false; }; done
	total=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
	[ "$(zk get $N/memtotal)" -eq "$total" ]
	[ "$(zk get $N/memused)" -gt 0 ] && [ "$(zk get $N/memfree)" -gt 0 ]
	[[ "$(zk get $N/cpuload)" =~ ^[0-9]+\.[0-9]+$ ]]
	[ "$(zk get $N/keepalive)" -le "$(date +%s)" ]
	[ "$(zk get $N/keepalive)" -gt "$(($(date +%s) - 60))" ]
}

# ---- what the other nodes are told beside it -------------------------------------------------------------------------

@test "D4: the first heartbeat says beside the figures that the program lives, and in which boot the host is" {
	keepalive_start
	wait_until 60 is daemonstate run
	keepalive_zxid=$(mzxid daemonstate)
	[ "$(zk get $ALIVE)" = "$BOOT" ]
	[ "$(owner)" != 0 ] # ephemeral
	heart_says "$BOOT False"
	[ "$(zk stat $HEART | sed 's/.*mzxid=\([0-9]*\).*/\1/')" -eq "$keepalive_zxid" ]
	# written when it changes, not with every heartbeat
	beats
	beats
	[ "$(zk stat $HEART | sed 's/.*mzxid=\([0-9]*\).*/\1/')" -eq "$keepalive_zxid" ]
	keepalive_stop
	for _ in 1 2 3; do # its session is closed, not left to run out, unless the server does not answer for half a second
		zk exists $ALIVE || break
		keepalive_start
		beats
		keepalive_stop
	done
	run zk exists $ALIVE
	[ "$status" -ne 0 ]
	heart_says "$BOOT False"
}

@test "the sign of life goes to the new program after kill -9, is made again when it is deleted, and a new boot is told" {
	zk create $HEART '{"boot":"another-boot","armed":true}'
	keepalive_start
	wait_until 60 is daemonstate run
	heart_says "$BOOT False"
	first=$(owner)
	kill -KILL "$PID"
	wait "$PID" || :
	keepalive_start
	wait_until 60 another_owner_than "$first"
	beats
	zk rm /pvc
	wait_until 60 zk exists $ALIVE
	wait_until 60 heart_says "$BOOT False"
	zk set $HEART 'nonsense {'
	wait_until 60 heart_says "$BOOT False"
	never_said "somebody else has written"
}

@test "a session that expired is replaced, and the sign of life with it" {
	keepalive_start
	wait_until 60 is daemonstate run
	first=$(owner)
	freeze "$PID"
	wait_until 60 eval "! zk exists $ALIVE"
	kill -CONT "$PID"
	wait_until 60 another_owner_than "$first"
	beats
	is daemonstate run
}

@test "heartbeats keep coming" {
	keepalive_start
	wait_until 60 is daemonstate run
	beats
	beats
}

@test "daemonstate becomes run from init with the first heartbeat, in the same transaction" {
	keepalive_start
	wait_until 60 is daemonstate run
	zxid=$(mzxid daemonstate)
	wait_until 60 said "state run (it was init)"
	[ "$(zk stat $N/daemonstate | sed 's/.*version=\([0-9]*\) .*/\1/')" -eq 1 ]
	[ "$(mzxid keepalive)" -ge "$zxid" ]
}

@test "daemonstate becomes run from dead, from nonsense and when it is missing" {
	keepalive_start
	wait_until 60 is daemonstate run
	zk set $N/daemonstate dead
	wait_until 60 is daemonstate run
	wait_until 60 said "declared this node dead"
	zk set $N/daemonstate nonsense
	wait_until 60 is daemonstate run
	zk rm $N/daemonstate
	wait_until 60 is daemonstate run
}

@test "D23: heartbeats go on in shutdown and stop, and never turn them into run" {
	keepalive_start
	wait_until 60 is daemonstate run
	for word in shutdown stop; do
		zk set $N/daemonstate $word
		beats
		beats
		is daemonstate $word
	done
	said "daemonstate stays shutdown"
	zk set $N/daemonstate init
	wait_until 60 is daemonstate run
}

@test "D23: a program that starts in state stop leaves it, and says what changes it" {
	zk set $N/daemonstate stop
	keepalive_start
	wait_until 60 said "daemonstate stays stop"
	beats
	is daemonstate stop
	said "pvc-register start"
}

@test "D23: the last heartbeat comes with SIGTERM, changes no state, and the exit status is 0" {
	keepalive_start
	wait_until 60 is daemonstate run
	zk set $N/daemonstate shutdown
	beats
	freeze "$PID" # so that no tick of its own comes in between
	before=$(mzxid keepalive)
	kill -TERM "$PID"
	kill -CONT "$PID"
	wait "$PID"
	wait_until 60 newer_than "$before" # it does not wait for a slow server's answer for ever
	is daemonstate shutdown
}

@test "SIGTERM with a frozen ZooKeeper ends the program all the same" {
	keepalive_start
	wait_until 60 is daemonstate run
	freeze "$ZK_PID"
	keepalive_stop
	kill -CONT "$ZK_PID"
}

@test "D18: without any libvirt the heartbeat goes on, and the figures of VMs stay as last known" {
	zk set $N/runningdomains "11111111-2222-3333-4444-555555555555"
	zk set $N/memalloc 512
	keepalive_start
	wait_until 60 is daemonstate run
	beats
	beats
	is runningdomains "11111111-2222-3333-4444-555555555555"
	is memalloc 512
	is vcpualloc 0
	said "VM figures stay as they were last known"
	[ "$(said_times 'the heartbeat goes on, but')" -eq 1 ]
}

@test "D18, D19: the program links neither libvirt nor librados" {
	run ldd "$BUILD/bin/pvc-keepalive"
	[[ "$output" != *libvirt* ]] && [[ "$output" != *librados* ]]
}

@test "D18: what pvc-watch-domains published comes with the next heartbeat, libvirt up or down" {
	publish libvirt=up count=5 memalloc=3072 vcpualloc=7 "running=aaaa bbbb"
	keepalive_start
	wait_until 60 is runningdomains "aaaa bbbb"
	is memalloc 3072 && is vcpualloc 7 && is domainscount 5
	published() { publish "${@:2}" && said "$1"; } # anew each time: after three seconds it would be old
	wait_until 60 published "down: no reply for 12 s" "libvirt=down: no reply for 12 s" count=5 memalloc=3072 vcpualloc=7 "running=aaaa bbbb"
	beats
	is runningdomains "aaaa bbbb"
	wait_until 60 published "up to date again" libvirt=up count=0 memalloc=0 vcpualloc=0 running=
	is runningdomains ""
	is domainscount 0
}

@test "D19: a stale status file delays nothing: its figures are published, and their age is told" {
	STAMP=1 publish libvirt=up count=2 memalloc=100 vcpualloc=2 running=cccc
	keepalive_start
	wait_until 60 is runningdomains cccc
	beats
	said "VM figures are old"
	grep -q "VM figures [0-9]* s old" "$T/out"
}

@test "D19: a status file that cannot be read delays nothing" {
	mkdir -p "$T/run/status"
	head -c 100000 /dev/urandom >"$T/run/status/domains"
	keepalive_start
	wait_until 60 is daemonstate run
	beats
}

@test "D19: a log that hangs delays nothing" {
	mkdir -p "$T/log"
	mkfifo "$T/log/pvc.log"
	exec 9<>"$T/log/pvc.log" # open at both ends, and nobody reads it
	dd if=/dev/zero of="$T/log/pvc.log" bs=65536 count=1 2>/dev/null 9>&-
	keepalive_start 9>&-
	wait_until 60 is daemonstate run
	beats
	beats
	keepalive_stop
	exec 9>&-
}

@test "D20: VMs that come and go during heartbeats harm none of them" {
	publish libvirt=up count=0 memalloc=0 vcpualloc=0 running=
	keepalive_start
	wait_until 60 is daemonstate run
	for i in $(seq 1 200); do publish libvirt=up "count=$i" memalloc=0 vcpualloc=0 "running=$(seq -s ' ' 1 "$i")"; done
	wait_until 60 is domainscount 200
	is runningdomains "$(seq -s ' ' 1 200)"
	kill -0 "$PID"
}

@test "D21: ZooKeeper away and back: told once, and heartbeats go on, with the state watched as before" {
	keepalive_start
	wait_until 60 is daemonstate run
	before=$(mzxid keepalive)
	zk_stop
	wait_until 60 said "connection to ZooKeeper is lost"
	zk_start
	wait_until 60 newer_than "$before"
	beats
	[ "$(said_times 'connection to ZooKeeper is lost')" -eq 1 ]
	zk set $N/daemonstate dead
	wait_until 60 is daemonstate run
}

@test "a start without ZooKeeper waits for it, and beats as soon as it is there" {
	zk_stop
	keepalive_start
	wait_until 60 said "heartbeats of pvchv1"
	zk_start
	wait_until 60 is daemonstate run
}

@test "D21: a frozen ZooKeeper gets one heartbeat when it thaws, not those of all the time between" {
	keepalive_start
	wait_until 60 is daemonstate run
	freeze "$ZK_PID"
	wait_until 60 said "ZooKeeper has not confirmed\|connection to ZooKeeper is lost"
	kill -0 "$PID"
	kill -CONT "$ZK_PID"
	wait_until 60 said "written again"
	beats
	is daemonstate run
	never_said "somebody else has written"
}

@test "a program that was frozen skips the ticks it missed, and says so" {
	keepalive_start
	wait_until 60 is daemonstate run
	freeze "$PID"
	missed() { [ "$(date +%s)" -gt "$(($1 + 3))" ]; }
	wait_until 60 missed "$(date +%s)"
	kill -CONT "$PID"
	wait_until 60 said "heartbeats were skipped"
	beats
}

@test "kill -9 and a new start: heartbeats go on, and the state stays run" {
	keepalive_start
	wait_until 60 is daemonstate run
	kill -KILL "$PID"
	wait "$PID" || :
	keepalive_start
	beats
	beats
	is daemonstate run
	never_said "somebody else has written"
}

@test "a node that was deleted is told once with what to do, is not made anew, and goes on when it is back" {
	keepalive_start
	wait_until 60 is daemonstate run
	zk rm $N
	wait_until 60 said "no heartbeat: $N does not exist"
	said "pvc-register start"
	run zk exists $N
	[ "$status" -ne 0 ]
	node_make init
	wait_until 60 is daemonstate run
	beats
	[ "$(said_times "no heartbeat: $N does not exist")" -eq 1 ]
	never_said "somebody else has written"
}

@test "a single missing key is made again, and is not taken for a second writer" {
	keepalive_start
	wait_until 60 is daemonstate run
	zk rm $N/vcpualloc
	wait_until 60 is vcpualloc 0
	wait_until 60 said "$N/vcpualloc is missing: made anew"
	never_said "somebody else has written"
}

@test "D51: a lost race is noticed, read again and won by the next heartbeat; a second writer is named" {
	keepalive_start
	wait_until 60 is daemonstate run
	zk set $N/memtotal 1
	total=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
	wait_until 60 is memtotal "$total"
	wait_until 60 said "somebody else has written below $N"
}

@test "without a hypervisor the figures of VMs are nothing, and nobody misses pvc-watch-domains" {
	write_config "$T/pvcd.yaml" 's|enable_hypervisor: .*|enable_hypervisor: False|'
	zk set $N/runningdomains "left over"
	keepalive_start
	wait_until 60 is daemonstate run
	is runningdomains ""
	never_said "pvc-watch-domains"
}

@test "log_keepalives says whether each heartbeat is told" {
	write_config "$T/pvcd.yaml" 's|log_keepalives: .*|log_keepalives: False|'
	keepalive_start
	wait_until 60 is daemonstate run
	beats
	never_said "heartbeat: "
	keepalive_stop
	write_config "$T/pvcd.yaml"
	keepalive_start
	wait_until 60 said "heartbeat: 0 VMs.*load.*memory"
	wait_until 60 said "cluster: nodes 1, primary none, maintenance off"
}

@test "READY=1 comes with the first committed heartbeat, not before" {
	$PYTHON - "$T" <<-'E' 3>&- &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1] + "/notify")
		with open(sys.argv[1] + "/notified", "w", buffering=1) as f:
		    while True:
		        f.write(s.recv(4096).decode() + "\n")
	E
	remember $!
	wait_until 60 test -S "$T/notify"
	zk rm $N
	export NOTIFY_SOCKET=$T/notify
	keepalive_start
	unset NOTIFY_SOCKET
	wait_until 60 grep -q "STATUS=no heartbeat" "$T/notified"
	run grep -c READY=1 "$T/notified"
	[ "$output" -eq 0 ]
	node_make init
	wait_until 60 grep -q READY=1 "$T/notified"
	is daemonstate run
	# what systemctl status shows is not taken away by it
	wait_until 60 grep -q "STATUS=heartbeat every 1 s" "$T/notified"
	[ "$(grep STATUS= "$T/notified" | tail -n 1)" != STATUS= ]
}
