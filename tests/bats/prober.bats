#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The judgement of tests/lab/prober.py, which tests of the primary role rest on: with recorded input, and once with real neighbours.
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup() { test_begin; }
teardown() { test_cleanup; }

PROBER=$TOP/tests/lab/prober.py
A='"02:00:00:00:00:0a"' B='"02:00:00:00:00:0b"'
# record LINE...: T MACS (of the one address), T mark WORD, T blind SECONDS
record() {
	local t what more
	echo '{"t": 10.0, "start": ["eth0:10.0.0.250"], "period": 0.02}' >"$T/record"
	for line; do
		read -r t what more <<<"$line"
		case $what in
		mark) echo "{\"t\": $t, \"mark\": \"$more\"}" ;;
		blind) echo "{\"t\": $t, \"blind\": $more}" ;;
		end) echo "{\"t\": $t, \"alive\": true}" ;;
		-) echo "{\"t\": $t, \"a\": 0, \"m\": []}" ;;
		*) echo "{\"t\": $t, \"a\": 0, \"m\": [$what]}" ;;
		esac >>"$T/record"
	done
}
judge() { run "$PROBER" judge "$T/record" "$@"; }

@test "a clean hand-over: no overlap, its gap is told and may be bounded" {
	record "10 $A" "12 -" "12.22 $B" "20 end"
	judge
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "eth0:10.0.0.250: changed hands 1 times, 1 gaps, longest 220 ms; two holders 0 times, longest 0 ms" ]
	judge --max-gap 221
	[ "$status" -eq 0 ]
	judge --max-gap 200
	[ "$status" -eq 1 ]
	[[ "$output" == *"nobody answered for 220 ms"* ]]
}

@test "two answers to one request are two holders, however short" {
	record "10 $A" "12 mark move" "12.1 $A,$B" "12.12 $B" "20 end"
	judge
	[ "$status" -eq 1 ]
	[[ "$output" == *"TWO HOLDERS for 20 ms, 0.100 s after 'move'"* ]]
}

@test "an address that goes back and forth within 300 ms had two holders; one that comes back later had not" {
	record "10 $A" "12 $B" "12.1 $A" "20 end"
	judge
	[ "$status" -eq 1 ]
	[[ "$output" == *"TWO HOLDERS"* ]]
	record "10 $A" "12 $B" "12.4 $A" "20 end"
	judge
	[ "$status" -eq 0 ]
}

@test "after a thaw two holders are allowed for less than 200 ms, and only then" {
	record "10 $A" "11 mark freeze 1" "11.01 -" "16 $B" "20 mark thaw 1" "20.02 $A,$B" "20.2 $B" "30 end"
	judge
	[ "$status" -eq 0 ]
	[[ "$output" == *"two holders 1 times, longest 180 ms"* ]]
	record "10 $A" "11 mark freeze 1" "11.01 -" "16 $B" "20 mark thaw 1" "20.02 $A,$B" "20.24 $B" "30 end"
	judge
	[ "$status" -eq 1 ]
	record "10 $A" "11 mark freeze 1" "11.01 -" "16 $B" "20 mark thaw 1" "26.02 $A,$B" "26.06 $B" "30 end"
	judge
	[ "$status" -eq 1 ]
	# a machine that holds up the prober holds up the nodes too
	record "10 $A" "11 mark freeze 1" "11.01 -" "16 $B" "20 mark thaw 1" "20.02 $A,$B" "20.24 $B" "22 blind 0.005" "30 end"
	judge
	[ "$status" -eq 0 ]
	record "10 $A" "19.9 $A,$B" "20 mark thaw 1" "20.1 $B" "30 end"
	judge --thaw-overlap 50
	[ "$status" -eq 1 ]
}

@test "what lies outside of the marks does not count; an unknown mark, an empty record and an address that never answered fail" {
	record "10 $A" "11 $A,$B" "11.1 $B" "12 mark calm" "14 -" "14.1 $B" "15 mark over" "16 -" "20 end"
	judge --since calm --until over --max-gap 150
	[ "$status" -eq 0 ]
	judge --since calm --max-gap 150
	[ "$status" -eq 1 ]
	judge
	[ "$status" -eq 1 ]
	judge --since nothing
	[ "$status" -eq 1 ]
	record "10 -" "20 end"
	judge
	[ "$status" -eq 1 ]
	[[ "$output" == *"nobody ever answered"* ]]
	: >"$T/record"
	judge
	[ "$status" -eq 1 ]
}

@test "the prober tells when it was held up itself" {
	record "10 $A" "13 blind 0.7" "20 end"
	judge
	[[ "$output" == *"held up for 700 ms"* ]]
}

@test "with real neighbours: none, one, another one, both" {
	not_all() { [ "$("$PROBER" holder "$T/record")" = "$1" ]; }
	netns_make net
	net=$NETNS
	ip -n "$net" link add br0 type bridge forward_delay 0
	ip -n "$net" link set br0 up
	for n in a b; do
		netns_make $n
		ip -n "$NETNS" link add eth0 address 02:00:00:00:00:0$n type veth peer name port$n netns "$net"
		ip -n "$NETNS" link set eth0 up
		ip -n "$net" link set port$n master br0 up
	done
	ip netns exec "$net" "$PROBER" run "$T/record" br0:10.0.0.250 br0:10.0.0.251 3>&- &
	pid=$!
	remember $pid
	wait_until 60 not_all -
	ip -n "pvct-$$-a" address add 10.0.0.250/24 dev eth0
	ip -n "pvct-$$-a" address add 10.0.0.251/24 dev eth0
	wait_until 60 not_all 02:00:00:00:00:0a
	ip -n "pvct-$$-a" address flush dev eth0
	wait_until 60 not_all -
	ip -n "pvct-$$-b" address add 10.0.0.251/24 dev eth0
	ip -n "pvct-$$-b" address add 10.0.0.250/24 dev eth0
	wait_until 60 not_all 02:00:00:00:00:0b
	judge
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	ip -n "pvct-$$-a" address add 10.0.0.251/24 dev eth0
	wait_until 60 not_all two
	ip -n "pvct-$$-a" address flush dev eth0
	wait_until 60 not_all 02:00:00:00:00:0b
	kill -TERM $pid
	wait $pid
	judge
	[ "$status" -eq 1 ]
	[[ "$output" == *"br0:10.0.0.251: TWO HOLDERS for "* ]]
	[[ "$output" != *"br0:10.0.0.250: TWO"* ]]
}
