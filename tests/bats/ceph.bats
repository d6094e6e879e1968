#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# lib/ceph against a real Ceph: connections that stall, are lost and come back; what volumes look like; who holds one.
# shellcheck disable=SC2030,SC2031,SC2154 # bats runs each test in a subshell on purpose
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/ceph.bash

setup_file() {
	test_begin
	netns_make ceph
	ceph_begin 2
}
teardown_file() { test_cleanup; }
setup() {
	coproc DRIVE { exec ${NETNS:+ip netns exec "$NETNS"} "$BUILD/tests/drive_ceph" 3>&-; }
	remember "$DRIVE_PID"
}
teardown() {
	local name
	for name in mon.a mgr.x osd.0 osd.1; do kill -CONT "$(ceph_pid $name)" 2>/dev/null || :; done
	kill -KILL "$DRIVE_PID" 2>/dev/null || :
	wait "$DRIVE_PID" 2>/dev/null || :
}
# does VERB...: one command; $result, $took (ms) and $text are its answer
does() {
	echo "$*" >&"${DRIVE[1]}"
	read -r -t 120 result took text <&"${DRIVE[0]}"
}

@test "a volume's figures are those that rbd info tells, word for word" {
	does create rbd figures 10737418240
	[ "$result" = ok ]
	ceph_rbd snap create --no-progress rbd/figures@one
	does info rbd figures
	[ "$result" = ok ]
	ceph_rbd info --format json rbd/figures >"$T/theirs"
	diff <($PYTHON -m json.tool --sort-keys "$T/theirs") <($PYTHON -m json.tool --sort-keys <<<"$text")
	does list rbd
	[[ " $text " == *" figures "* ]]
}

@test "what fails says what and why: no pool, no image, a name that is taken" {
	does list nowhere
	[ "$result" = ENOENT ] && [[ "$text" == *"no pool 'nowhere'"* ]]
	does info rbd nothing
	[ "$result" = ENOENT ] && [[ "$text" == *"rbd/nothing: Ceph has no such image"* ]]
	does create rbd taken 1048576
	does create rbd taken 1048576
	[ "$result" = EEXIST ] && [[ "$text" == *"rbd/taken"* ]]
}

@test "a frozen monitor: commands end within their bound, and work again on the same connection when it is back" {
	does query monitoring mon status
	[ "$result $text" = "ok object" ]
	kill -STOP "$(ceph_pid mon.a)"
	does query monitoring mon status
	[ "$result" = ETIMEDOUT ] && [ "$took" -lt 60000 ]
	kill -CONT "$(ceph_pid mon.a)"
	does query monitoring mon status
	[ "$result $text" = "ok object" ]
}

@test "a monitor that cannot be reached at all: connecting ends within its bound, and the next try connects" {
	kill -STOP "$(ceph_pid mon.a)"
	does query monitoring mon status
	[ "$result" = ETIMEDOUT ] && [ "$took" -lt 60000 ]
	[[ "$text" == "cannot connect to Ceph: "* ]]
	kill -CONT "$(ceph_pid mon.a)"
	does query monitoring mon status # a handle is spent after a failed connect
	[ "$result $text" = "ok object" ]
}

@test "a frozen manager: its positive 110 is an error" {
	does query monitoring mgr osd df
	[ "$result $text" = "ok object" ]
	kill -STOP "$(ceph_pid mgr.x)"
	does query monitoring mgr osd df
	[ "$result" = ETIMEDOUT ] && [ "$took" -lt 60000 ]
	kill -CONT "$(ceph_pid mgr.x)"
	does query monitoring mgr osd df
	[ "$result $text" = "ok object" ]
}

@test "no configuration, no keyring, a wrong key: said by name" {
	kill -KILL "$DRIVE_PID" && wait "$DRIVE_PID" || :
	run bash -c "echo query monitoring mon status | CEPH_CONF=$T/nowhere.conf $BUILD/tests/drive_ceph"
	[[ "$output" == "ENOENT "*"$T/nowhere.conf"* ]]
	sed 's|^keyring = .*|keyring = /nonexistent/keyring|' "$CEPH_CONF" >"$T/nokey.conf"
	run bash -c "echo query monitoring mon status | CEPH_CONF=$T/nokey.conf ${NETNS:+ip netns exec $NETNS} $BUILD/tests/drive_ceph"
	[[ "$output" == "ENOENT "*"no keyring"* ]]
	ceph-authtool -C "$T/wrong" --gen-key -n client.admin >/dev/null
	sed "s|^keyring = .*|keyring = $T/wrong|" "$CEPH_CONF" >"$T/wrong.conf"
	run bash -c "echo query monitoring mon status | CEPH_CONF=$T/wrong.conf ${NETNS:+ip netns exec $NETNS} $BUILD/tests/drive_ceph"
	[[ "$output" == "EACCES "*"permission denied"* ]]
}

held() { does holders rbd held && [[ "$text" == *lock:* ]]; }
@test "a volume that is seized: its writer, alive, is refused from then on" {
	does create rbd held 67108864
	# a real client that writes: rbd bench
	_in_netns timeout 120 rbd bench --io-type write --io-size 4K --io-threads 1 --io-total 4G --io-pattern seq rbd/held >"$T/writer" 2>&1 3>&- &
	WRITER=$!
	remember $WRITER
	wait_until 60 held
	does seize rbd held
	[ "$result" = ok ] && [ "$text" -ge 1 ]
	does holders rbd held
	[ "$result" = ok ] && [[ "$text" != *lock:* ]]
	wait_until 60 grep -q 'endpoint shutdown' "$T/writer"
	does info rbd held # we ourselves work on
	[ "$result" = ok ]
}

@test "an OSD is forgotten only when it is down: then map, key and place are gone" {
	ceph_ask osd new 99999999-2222-4333-8444-000000000001 </dev/null
	does purge 0
	[ "$result" = EBUSY ]
	does purge 2
	[ "$result" = ok ]
	[ "$(ceph_ask osd ls </dev/null)" = "$(printf '0\n1')" ]
}

# the eight commands that the reference runs on every heartbeat; prints microseconds of processor time
eight_commands() {
	local TIMEFORMAT='%U %S' user system
	read -r user system < <({ time {
		ceph_ask health && ceph_ask status && ceph_ask df --format json && ceph_ask osd dump --format json &&
			ceph_ask osd df --format json && ceph_ask osd status && ceph_ask pg dump osds --format json && _in_netns rados df
	} >/dev/null </dev/null 2>>"$CEPH_DIR/log/client"; } 2>&1)
	echo $((10#${user/./}000 + 10#${system/./}000))
}
@test "one reading of all figures takes less than 5 ms of processor time, less than a 200th of the reference's commands" {
	local best=1000000 theirs
	does figures # connects
	for _ in {1..10}; do
		does figures
		[ "$result" = ok ]
		[ "$text" -ge "$best" ] || best=$text
	done
	theirs=$(eight_commands)
	echo "# one reading: $best us of processor time; the eight commands: $theirs us" >&3
	[ "$best" -lt 5000 ]
	[ $((best * 200)) -lt "$theirs" ]
}
