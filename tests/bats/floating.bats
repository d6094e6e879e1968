#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-floating on a host in a network namespace of its own, whose three bridges are wired to a neighbour in a second one.
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup() {
	test_begin
	netns_make peer
	PEER=$NETNS
	netns_make host
	HOST=$NETNS ZK_NETNS=$NETNS
	export HOST PEER ZK_NETNS
	bridge upstream 10.78.0.1/24 10.78.0.99/24
	bridge cluster 10.78.1.1/24 10.78.1.99/24
	bridge storage 10.78.2.1/24 10.78.2.99/24
	mkdir -p "$T/run" "$T/log" "$T/console"
	write_config "$T/pvcd.yaml"
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 60 "$T"/*.out
	test_cleanup
}

# bridge NETWORK OWN NEIGHBOUR: as pvc-netsetup makes it, with a neighbour on it
bridge() {
	ip -n "$HOST" link add "br$1" type bridge forward_delay 0
	ip -n "$HOST" link add "to$1" type veth peer name "$1" netns "$PEER"
	ip -n "$HOST" link set "to$1" master "br$1" up
	ip -n "$HOST" link set "br$1" up
	ip -n "$HOST" address add "$2" dev "br$1"
	ip -n "$PEER" link set "$1" up
	ip -n "$PEER" address add "$3" dev "$1"
}
# the program; its log is $T/floating.out, its process $FLOATING
floating_start() {
	# shellcheck disable=SC2016 # the inner shell expands it
	ip netns exec "$HOST" unshare --uts sh -c 'hostname pvchv1 && exec pvc-floating --debug --config "$0"' "$T/pvcd.yaml" >>"$T/floating.out" 2>&1 3>&- &
	FLOATING=$!
	remember "$FLOATING"
}
floating_stop() {
	kill -TERM "$FLOATING"
	wait "$FLOATING"
}
floating() { NETNS=$HOST as_node pvchv1 pvc-floating --config "$T/pvcd.yaml" "$@"; }
has() { ip -n "$HOST" -o address show dev "$1" | grep -qF " $2 "; }
all_set() { has brupstream 10.78.0.250/24 && has brcluster 10.78.1.250/24 && has brstorage 10.78.2.250/24; }
none_set() { [ "$(ip -n "$HOST" -o -4 address show scope global | grep -c '\.250/')" = 0 ]; }
not() { ! "$@"; }
said() { grep -qF -- "$1" "$T/floating.out"; }
times_said() { grep -cF -- "$1" "$T/floating.out" || :; }
mac() { ip -n "$HOST" -o link show dev "$1" | sed -n 's/.*link\/ether \([^ ]*\) .*/\1/p'; }
neighbour_knows() { [ "$(ip -n "$PEER" neighbour show "$1" | sed -n 's/.*lladdr \([^ ]*\) .*/\1/p')" = "$2" ]; }
key_is() { [ "$(zk get "$1")" = "$2" ]; }

@test "the three floating addresses are set, answer, and go at the end; the host's own stay; no ZooKeeper is needed" {
	floating_start
	wait_until 60 all_set
	ip netns exec "$PEER" ping -q -c 1 -W 10 10.78.0.250
	ip netns exec "$PEER" ping -q -c 1 -W 10 10.78.1.250
	ip netns exec "$PEER" ping -q -c 1 -W 10 10.78.2.250
	floating_stop
	none_set
	has brupstream 10.78.0.1/24
	has brcluster 10.78.1.1/24
	[ ! -e "$T/run/floating" ]
}

@test "D32: networks that share a device have their addresses on the bridge that they share" {
	ip -n "$HOST" link del brupstream
	ip -n "$HOST" link del brstorage
	sed -i -e '/^      networking:/,$s/device: .*/device: eth1/' "$T/pvcd.yaml"
	floating_start
	wait_until 60 has brcluster 10.78.0.250/24
	wait_until 60 has brcluster 10.78.1.250/24
	wait_until 60 has brcluster 10.78.2.250/24
	floating_stop
	none_set
}

@test "a neighbour that knew another host's MAC is told the new one, again and again, also when it comes late" {
	ip -n "$PEER" neighbour replace 10.78.0.250 lladdr 02:00:00:00:00:01 nud stale dev upstream
	floating_start
	wait_until 60 neighbour_knows 10.78.0.250 "$(mac brupstream)"
	# one whose link was down when the addresses were set
	wait_until 60 said 'added to brcluster'
	ip -n "$PEER" link set cluster down
	ip -n "$PEER" link set cluster up
	ip -n "$PEER" neighbour replace 10.78.1.250 lladdr 02:00:00:00:00:01 nud stale dev cluster
	wait_until 60 neighbour_knows 10.78.1.250 "$(mac brcluster)"
	# and when the bridge gets another MAC
	ip -n "$PEER" neighbour replace 10.78.2.250 lladdr "$(mac brstorage)" nud stale dev storage
	ip -n "$HOST" link set brstorage address 02:00:00:00:00:77
	wait_until 60 neighbour_knows 10.78.2.250 02:00:00:00:00:77
	floating_stop
}

@test "IPv6: set without a wait, announced, and never the source of the host's own connections" {
	sed -i -e 's|10\.78\.1\.0/24|2001:db8:1::/64|; s|10\.78\.1\.250/24|2001:db8:1::250/64|' "$T/pvcd.yaml"
	sed -i -e '/^        cluster:$/,/address/s/address: .*/address: 2001:db8:1::1\/64/' "$T/pvcd.yaml"
	ip -n "$HOST" address add 2001:db8:1::1/64 dev brcluster nodad
	ip -n "$PEER" address add 2001:db8:1::99/64 dev cluster nodad
	ip -n "$PEER" neighbour replace 2001:db8:1::250 lladdr 02:00:00:00:00:01 nud stale dev cluster
	floating_start
	wait_until 60 has brcluster 2001:db8:1::250/64
	not grep -q tentative <<<"$(ip -n "$HOST" -6 address show dev brcluster to 2001:db8:1::250)"
	wait_until 60 neighbour_knows 2001:db8:1::250 "$(mac brcluster)"
	ip netns exec "$PEER" ping -q -c 1 -W 10 2001:db8:1::250
	[[ "$(ip -n "$HOST" route get 2001:db8:1::99)" == *" src 2001:db8:1::1 "* ]]
	floating_stop
	not has brcluster 2001:db8:1::250/64
}

@test "drift: an address that somebody took away comes back, a bridge made anew gets its address" {
	floating_start
	wait_until 60 all_set
	ip -n "$HOST" address del 10.78.0.250/24 dev brupstream
	wait_until 60 has brupstream 10.78.0.250/24
	ip -n "$HOST" link del brstorage
	wait_until 60 said 'there is no brstorage for the storage floating address 10.78.2.250/24'
	ip -n "$HOST" link del tostorage
	bridge storage 10.78.2.1/24 10.78.2.99/24
	wait_until 60 has brstorage 10.78.2.250/24
	all_set
	floating_stop
	none_set
}

@test "a bridge that is absent is named once with its remedy, the other addresses are set" {
	ip -n "$HOST" link del brupstream
	floating_start
	wait_until 60 has brcluster 10.78.1.250/24
	wait_until 60 has brstorage 10.78.2.250/24
	wait_until 60 said "there is no brupstream for the upstream floating address 10.78.0.250/24: 'pvc-netsetup' makes it"
	ip -n "$HOST" address add 10.78.2.77/24 dev brstorage # makes it look again
	ip -n "$HOST" address del 10.78.2.250/24 dev brstorage
	wait_until 60 has brstorage 10.78.2.250/24
	[ "$(times_said 'there is no brupstream')" = 1 ]
	floating_stop
}

@test "an address that the kernel refuses is named once, the others are set; it is set when the kernel takes it" {
	sed -i -e 's|10\.78\.1\.0/24|2001:db8:1::/64|; s|10\.78\.1\.250/24|2001:db8:1::250/64|' "$T/pvcd.yaml"
	sed -i -e '/^        cluster:$/,/address/s/address: .*/address: None/' "$T/pvcd.yaml"
	ip netns exec "$HOST" sysctl -qw net.ipv6.conf.brcluster.disable_ipv6=1
	floating_start
	wait_until 60 has brstorage 10.78.2.250/24
	wait_until 60 said 'cannot add cluster floating address 2001:db8:1::250/64 to brcluster'
	has brupstream 10.78.0.250/24
	ip netns exec "$HOST" sysctl -qw net.ipv6.conf.brcluster.disable_ipv6=0
	wait_until 60 has brcluster 2001:db8:1::250/64
	[ "$(times_said 'cannot add cluster')" = 1 ]
	floating_stop
}

@test "kill -9: the addresses stay, the next one takes them over; --release removes them, also those of an earlier configuration" {
	floating_start
	wait_until 60 all_set
	kill -KILL "$FLOATING"
	wait "$FLOATING" || :
	all_set
	ip -n "$HOST" -o address show >"$T/before"
	: >"$T/floating.out"
	floating_start
	wait_until 60 said 'has the floating addresses'
	not said 'added to'
	kill -KILL "$FLOATING"
	wait "$FLOATING" || :
	# the operator changes an address before anybody releases
	sed -i 's|floating_ip: 10.78.0.250/24|floating_ip: 10.78.0.251/24|' "$T/pvcd.yaml"
	run floating --release --check
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "differs: brcluster has the cluster floating address 10.78.1.250/24" ]
	[[ "$output" == *"differs: brupstream has the former floating address 10.78.0.250/24"* ]]
	floating --release
	none_set
	has brupstream 10.78.0.1/24
	floating --release
	run floating --release --check
	[ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "--release works with a configuration that is broken meanwhile, by the note; without it nothing starts" {
	floating_start
	wait_until 60 all_set
	kill -KILL "$FLOATING"
	wait "$FLOATING" || :
	sed -i 's|floating_ip: 10.78.0.250/24|floating_ip: 10.78.0.999/24|' "$T/pvcd.yaml"
	run floating
	[ "$status" -eq 78 ]
	[[ "$output" == *"pvcd.yaml:"*"cluster.networks.upstream.floating_ip"*"10.78.0.999/24"* ]]
	all_set
	RUNTIME_DIRECTORY=$T/run run floating --release
	[ "$status" -eq 0 ]
	none_set
}

@test "a note with rubbish in it does no harm" {
	printf 'lo\n%s\nbrcluster 10.78.1.77/24\n\xff\xfe 1.2.3.4/5\nbrcluster \0 10.78.1.1/24\n' "$(printf 'x%.0s' {1..300})" >"$T/run/floating"
	ip -n "$HOST" address add 10.78.1.77/24 dev brcluster
	floating_start
	wait_until 60 all_set
	wait_until 60 not has brcluster 10.78.1.77/24 # that line is one of ours
	head -c 100000 /dev/urandom >"$T/run/floating"
	floating_stop
	none_set
	has brcluster 10.78.1.1/24
}

@test "--check and --dry-run say what differs and change nothing" {
	ip -n "$HOST" link del brstorage
	run floating --check
	[ "$status" -eq 2 ]
	[ "${lines[0]}" = "differs: there is no brstorage for the storage floating address 10.78.2.250/24" ]
	[ "${lines[1]}" = "differs: brupstream lacks the upstream floating address 10.78.0.250/24" ]
	[ "${lines[2]}" = "differs: brcluster lacks the cluster floating address 10.78.1.250/24" ]
	run floating --dry-run
	[ "$status" -eq 1 ]
	[[ "$output" == *"would add the upstream floating address 10.78.0.250/24 to brupstream"* ]]
	none_set
	bridge storage 10.78.2.1/24 10.78.2.98/24 || ip -n "$HOST" link set tostorage master brstorage
	floating_start
	wait_until 60 all_set
	run floating --check
	[ "$status" -eq 0 ] && [ -z "$output" ]
	run floating --dry-run
	[ "$status" -eq 0 ] && [ -z "$output" ]
	run floating --dry-run --release
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "would remove the upstream floating address 10.78.0.250/24 from brupstream" ]
	all_set
	floating_stop
}

@test "without rights it says so and ends with 77" {
	run --separate-stderr ip netns exec "$HOST" unshare --uts sh -c 'hostname pvchv1 && exec setpriv --bounding-set=-net_admin,-net_raw --inh-caps=-all pvc-floating --config "$0"' "$T/pvcd.yaml"
	[ "$status" -eq 77 ]
	none_set
}

@test "/upstream_ip tells the upstream address: written when it differs, again when somebody changes it, and after ZooKeeper was away" {
	zk_start
	write_config "$T/pvcd.yaml"
	zk create /upstream_ip none
	floating_start
	wait_until 60 key_is /upstream_ip 10.78.0.250/24
	zk set /upstream_ip 192.0.2.1
	wait_until 60 key_is /upstream_ip 10.78.0.250/24
	zk_stop
	wait_until 60 said 'no connection to ZooKeeper'
	all_set # the addresses depend on nothing
	ip -n "$HOST" address del 10.78.0.250/24 dev brupstream
	wait_until 60 has brupstream 10.78.0.250/24
	zk_start
	zk set /upstream_ip none
	wait_until 60 key_is /upstream_ip 10.78.0.250/24
	zk_stop
	floating_stop # does not wait for a server that is gone
	none_set
}
