#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What pvc-keepalive does about its own host: against a real ZooKeeper, with a watchdog device and a reboot(2) of the test
# (tests/lib/watchdog.c), whose log says what was done with them and when. A real device is in tests/lab/machine.bats.

bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/keepalive.bash

setup_file() {
	test_begin
	cc -shared -fPIC -o "$T/dog.so" "$TOP/tests/lib/watchdog.c"
	zk_start
}
teardown_file() { test_cleanup; }
setup() {
	touch "$T/dog"
	mkdir "$T/machines"
	export DOG=$T/dog PRELOAD=$T/dog.so
	configure
	node_make init
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 40 "$T/out" "$T/dog.log" || :
	kill -KILL "$PID" || :
	kill -CONT "$ZK_PID"
	zk rm $N
	zk rm /pvc
	rm -rf "$T/out" "$T/dog" "$T/dog.log" "$T/machines" "$T/run" "$T/late" "$T/killed"
}

# Intervals of 2 s, 6 of them: the watchdog's time is 10 s (an answer may take 2 s), VMs are ended after 8 s.
configure() { # [SED...]
	write_config "$T/pvcd.yaml" 's/keepalive_interval: 1/keepalive_interval: 2/' 's/suicide_intervals: 0/suicide_intervals: 6/' \
		"s|^    fencing:|&\n      watchdog: $T/dog|" "$@"
}
dog() { grep -c " $1 " "$T/dog.log" || :; }
at() { awk -v what="$1" '$2 == what { t = $1 } END { print t }' "$T/dog.log"; } # when it was done last
first() { awk -v what="$1" '$2 == what { print $1; exit }' "$T/dog.log"; }
barked() { [ "$(dog "$1")" -gt 0 ]; }
armed() { wait_until 60 heart_says "$BOOT True"; }
seconds() { awk "BEGIN { exit !($*) }"; }
heart_zxid() { zk stat $HEART | sed 's/.*mzxid=\([0-9]*\).*/\1/'; }
fed_more() { [ "$(dog fed)" -gt "$1" ]; }
# machine NAME: a process that holds the lock of its pid file as QEMU does; what ends it goes to $T/killed
machine() {
	$PYTHON - "$T/machines/$1.pid" "$T/killed" "$1" <<-'E' 3>&- &
		import fcntl, os, signal, sys, time
		def ended(number, frame):
		    with open(sys.argv[2], "a") as f:
		        f.write("%.3f %s ended\n" % (time.monotonic(), sys.argv[3]))
		signal.signal(signal.SIGTERM, ended)
		f = open(sys.argv[1], "w")
		fcntl.lockf(f, fcntl.LOCK_EX)
		f.write(str(os.getpid()))
		f.flush()
		while True:
		    signal.pause()
	E
	MACHINE=$!
	remember $MACHINE
	wait_until 60 test -s "$T/machines/$1.pid"
}
gone() { ! kill -0 "$1" 2>/dev/null; }

@test "D24: a host that is cut off feeds its watchdog no more, ends its VMs and resets itself; armed is said after the first feed" {
	machine vm1
	sleep infinity 3>&- &
	bystander=$!
	remember $bystander
	echo $bystander >"$T/machines/stale.pid" # of a VM that is gone; its number is somebody else's
	keepalive_start
	wait_until 60 said "self-fencing is armed: $T/dog (a dog of the test) resets this host 10 s after"
	armed
	[ "$(zk get $HEART | jq .cut)" -gt 10000 ] # by then it has been reset, in ms after its last heartbeat
	[ "$(sed -n '1s/.* open .*/open/p;2s/.* set 10/set/p' "$T/dog.log" | paste -sd' ')" = "open set" ]
	[ "$(zk stat $HEART | sed 's/.*version=\([0-9]*\) .*/\1/')" = 1 ] # first it said false
	wait_until 60 fed_more 1
	kill -STOP "$ZK_PID"
	wait_until 60 barked reboot
	first=$(first reboot) fed=$(at fed)
	# this device does not fire: after the last moment at which it could have, the host is reset all the same
	seconds "$first - $fed > 9.9 && $first - $fed < 40"
	wait_until 60 said "this host will be reset; 1 virtual machines are ended before"
	[ "$(awk '{ print $2, $3 }' "$T/killed")" = "vm1 ended" ]
	seconds "$first - $(cut -d' ' -f1 "$T/killed") > 0"
	wait_until 60 gone $MACHINE # by force at the reset
	kill -0 $bystander
	wait_until 60 eval '[ "$(dog reboot)" -gt 1 ]' # one that was refused is tried again, and nothing feeds any more
	kill -CONT "$ZK_PID"
	wait_until 60 eval '[ "$(dog reboot)" -gt 3 ]'
	[ "$(at fed)" = "$fed" ]
}

@test "kill -9 and a new start feed it on; an orderly stop disarms it, says so first, and a start arms it again" {
	keepalive_start
	armed
	said_at=$(heart_zxid)
	wait_until 60 fed_more 0
	before=$(at fed)
	kill -KILL "$PID"
	wait "$PID" || :
	[ "$(dog V)" = 0 ]
	keepalive_start
	wait_until 60 eval '[ "$(dog open)" = 2 ]' # opening feeds
	seconds "$(at open) - $before < 30"
	beats
	beats
	[ "$(heart_zxid)" = "$said_at" ] # all the time
	keepalive_stop
	[ "$(dog V)" = 1 ] && [ "$(tail -n 1 "$T/dog.log" | cut -d' ' -f2)" = closed ]
	heart_says "$BOOT False"
	said "self-fencing is off"
	# an armed device is taken over when self-fencing was switched off meanwhile
	keepalive_start
	armed
	kill -KILL "$PID"
	wait "$PID" || :
	configure 's/suicide_intervals: 6/suicide_intervals: 0/'
	keepalive_start
	wait_until 60 said "which was armed before, is stopped"
	[ "$(dog V)" = 2 ]
	heart_says "$BOOT False"
	[ "$(dog reboot)" = 0 ]
}

@test "D24: stopped while ZooKeeper cannot be told, the watchdog stays armed, and that is said" {
	keepalive_start
	armed
	freeze "$ZK_PID"
	keepalive_stop
	said "stays armed, because ZooKeeper could not be told otherwise"
	[ "$(dog V)" = 0 ]
	kill -CONT "$ZK_PID"
	# what was on its way may still arrive: a node that says less than is the case is no danger
}

@test "D24: answers that come late feed nothing, and a program that hangs feeds nothing" {
	port=$(free_port)
	$PYTHON "$TOP/tests/lib/relay.py" "$port" "$ZK_PORT" "$T/late" >"$T/relay" 3>&- &
	remember $!
	wait_until 60 grep -q ready "$T/relay"
	configure "s/127.0.0.1:$ZK_PORT/127.0.0.1:$port/"
	keepalive_start
	armed
	wait_until 60 fed_more 0
	echo 3 >"$T/late"
	beats
	beats # they are committed all the same
	fed=$(at fed)
	wait_until 60 said "this host will be reset"
	[ "$(at fed)" = "$fed" ]
	rm "$T/late"
	wait_until 60 said "confirmed in time again"
	wait_until 60 fed_more "$(dog fed)" # so that all of its time is left
	freeze "$PID"
	fed=$(dog fed)
	passed() { [ "$SECONDS" -gt "$1" ]; }
	wait_until 60 passed $((SECONDS + 5))
	[ "$(dog fed)" = "$fed" ]
	[ "$(dog reboot)" = 0 ]
	kill -CONT "$PID"
	wait_until 60 fed_more $((fed + 1))
}

@test "D24: without a watchdog that is fit, a forced reboot; also by the program that comes after one that died" {
	for kind in busy rigid plain none; do
		rm -f "$T/out" "$T/dog.log"
		touch "$T/dog.log"
		case $kind in
		busy) why='Device or resource busy (somebody else feeds it' ;;
		rigid) why='cannot be set to 10 s' ;;
		plain) why='stops when it is closed, so it guards nothing' ;;
		none) why='system.fencing.watchdog is none' && configure "s|watchdog: .*|watchdog: none|" ;;
		esac
		DOG_KIND=$kind keepalive_start
		wait_until 60 said "a forced reboot 10 s after the last heartbeat"
		said "$why"
		beats
		beats
		heart_says "$BOOT False"
		[ "$(dog V)" = "$(dog open)" ] # one that was started is stopped
		[ "$kind" = none ] || keepalive_stop
	done
	freeze "$ZK_PID"
	kill -KILL "$PID"
	wait "$PID" || :
	died=$($PYTHON -c 'import time; print(time.monotonic())')
	keepalive_start
	wait_until 60 barked reboot
	seconds "$(at reboot) - $died >= 10 && $(at reboot) - $died < 60"
}

@test "D24: a host that reads that it was declared dead in this boot resets itself at once, self-fencing or not" {
	record='{"step":"%s","verdict":"off","fencer":"pvchv2","boot":"%s","beat":1,"state_version":1,"attempt":0,"claim":"c","since":"","reason":""}'
	configure 's/suicide_intervals: 6/suicide_intervals: 0/'
	machine vm1
	keepalive_start
	wait_until 60 is daemonstate run
	# shellcheck disable=SC2059
	for other in "$(printf "$record" claimed "$BOOT")" "$(printf "$record" "done" another-boot)" 'nonsense {' \
		"$(printf "$record" proven '')"; do
		zk exists /pvc/fence/pvchv1 && zk rm /pvc/fence/pvchv1
		zk create /pvc/fence/pvchv1 "$other"
		beats
		[[ $other != nonsense* ]] || wait_until 60 said "the record of this node's fencing is none"
	done
	beats
	[ ! -e "$T/dog.log" ] # no reset, and no watchdog was ever opened
	# shellcheck disable=SC2059
	zk set /pvc/fence/pvchv1 "$(printf "$record" sealed "$BOOT")"
	wait_until 60 barked reboot
	wait_until 60 gone $MACHINE
	[ ! -e "$T/killed" ] # by force: it may write to nothing any more
	wait_until 60 said "this host is reset now: it was declared dead, and its virtual machines may run elsewhere"
}
