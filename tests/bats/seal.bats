#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-seal against a real Ceph and clients of another machine (a namespace with an address of its own) that write: what
# they send is refused once their host is sealed off, and accepted again after that is lifted.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # bats runs each test in a subshell on purpose
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/ceph.bash

setup_file() {
	test_begin
	netns_make victim
	VICTIM=$NETNS
	netns_make well
	export VICTIM ZK_NETNS=$NETNS CEPH_IP=10.99.0.1
	ip -n "$NETNS" link add c0 type veth peer name c1 netns "$VICTIM"
	ip -n "$NETNS" addr add 10.99.0.1/24 dev c0
	ip -n "$VICTIM" addr add 10.99.0.2/24 dev c1
	ip -n "$NETNS" link set c0 up
	ip -n "$VICTIM" link set c1 up
	zk_start
	ceph_begin 2
	write_config "$T/pvcd.yaml" 's/enable_storage: .*/enable_storage: True/'
	ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/cluster.py" "$ZK" init
	for n in 1 2; do
		zk create /nodes/pvchv$n hypervisor
		zk create /nodes/pvchv$n/addresses "10.99.0.$n 192.168.122.1"
	done
}
teardown_file() { test_cleanup; }
setup() {
	local name
	V=vol$BATS_TEST_NUMBER
	for name in mon.a osd.0 osd.1; do kill -CONT "$(ceph_pid $name)"; done
	ceph_ask osd unset nodown </dev/null
	wait_until 120 ceph_is_healthy
	ceph_rbd create --size 64M --image-feature layering,exclusive-lock "rbd/$V"
}
teardown() {
	[ ! -e "$T/writers" ] || while read -r pid; do kill -KILL "$pid" 2>/dev/null || :; done <"$T/writers"
	rm -f "$T/writers"
	zk rm /domains/guest 2>/dev/null || :
	zk rm /ceph/osds/1 2>/dev/null || :
	zk set /nodes/pvchv2/addresses "10.99.0.2 192.168.122.1"
	seal --lift pvchv2
}

seal() { as_node pvchv1 timeout 180 pvc-seal --config "$T/pvcd.yaml" "$@"; }
# writer NETNS VOLUME: a client that writes; its pid in $W
writer() {
	ip netns exec "$1" rbd bench --io-type write --io-size 4K --io-threads 1 --io-total 64G "rbd/$2" >"$T/bench.$2" 2>&1 3>&- &
	W=$!
	echo $W >>"$T/writers"
	remember $W
	wait_until 60 written "$2"
}
written() { grep -q '^ *[1-9]' "$T/bench.$1"; }
refused() { grep -q 'endpoint shutdown' "$T/bench.$1"; }
can_write() { timeout 60 ip netns exec "$1" rbd bench --io-type write --io-size 4K --io-total 4K "rbd/$2" >"$T/once" 2>&1; }
listed() { ceph_ask osd blocklist ls </dev/null | grep -q "^$1 "; }
locked() { ceph_rbd lock ls "rbd/$1" | grep -q client; }
has_vm() { # VOLUME: a VM of the victim's
	zk create /domains/guest guest
	zk create /domains/guest/node pvchv2
	zk create /domains/guest/xml "<domain><devices><disk type='network'><source protocol='rbd' name='rbd/$1'/></disk></devices></domain>"
}

@test "a sealed host: its writer and every new client of it are refused, also one that was frozen; others work on; lifted, it writes again" {
	local frozen before
	ceph_rbd create --size 64M --image-feature layering rbd/plain # no lock, so that nothing but the address stops a client
	writer "$VICTIM" plain
	frozen=$W
	kill -STOP $frozen
	before=$(wc -l <"$T/bench.plain")
	writer "$VICTIM" "$V"
	has_vm "$V"
	run seal --check pvchv2
	[ "$status" -eq 2 ] && [[ "$output" == *"10.99.0.2 of pvchv2 is not blocklisted"* ]]

	run --separate-stderr seal --json pvchv2
	[ "$status" -eq 0 ]
	$PYTHON -c 'import json,sys; r=json.loads(sys.argv[1]); assert (r["node"],r["sealed"],r["addresses"],r["locks"])==("pvchv2",True,["10.99.0.2"],1) and r["epoch"]>0 and r["clients"][0].startswith("10.99.0.2:0/"), r' "$output"
	# each change of the map costs a second, for each VM: one for its client by itself, none for its lock
	[ "$(changes "$(jq .epoch <<<"$output")" "$(epoch)")" -le 2 ]
	wait_until 60 refused "$V"
	run ! locked "$V"
	listed 10.99.0.2:0/0
	run ! listed 192.168.122.1:0/0 # every node has that
	run ! can_write "$VICTIM" "$V"
	can_write "$NETNS" "$V"
	kill -CONT $frozen
	wait_until 60 refused plain
	[ "$(zk get /nodes/pvchv2/sealed)" = 10.99.0.2 ]
	seal --check pvchv2
	seal pvchv2 # again: nothing happens to it

	# the node has another address when it comes back
	zk set /nodes/pvchv2/addresses 10.99.0.22
	seal --lift pvchv2
	run ! listed 10.99.0.2:0/0
	run ! zk exists /nodes/pvchv2/sealed
	can_write "$VICTIM" "$V"
}

@test "many clients, and monitors as slow as by default: all are refused within a few changes of the map, each of which costs a second" {
	local count=${SEAL_CLIENTS:-60} before changes
	# locks of clients that are gone, each a client of its own
	ip netns exec "$VICTIM" "$PYTHON" -c '
import sys, rados, rbd
for i in range(int(sys.argv[1])):
    with rados.Rados(conffile=sys.argv[2]) as cluster, cluster.open_ioctx("rbd") as pool:
        rbd.RBD().create(pool, f"many{i}", 1 << 22, features=1)
        with rbd.Image(pool, f"many{i}") as image:
            image.lock_exclusive("many")' "$count" "$CEPH_CONF"
	has_vm "$(seq -s "'/></disk><disk type='network'><source protocol='rbd' name='rbd/many" 0 $((count - 1)) | sed "s|^|$V'/></disk><disk type='network'><source protocol='rbd' name='rbd/many|")"
	[ "$(ceph_rbd lock ls "rbd/many$((count - 1))" | grep -c client)" = 1 ]
	ceph_ask tell mon.a config set paxos_propose_interval 1 </dev/null
	before=$(epoch)
	SECONDS=0
	run --separate-stderr seal --json pvchv2
	changes=$(changes "$before" "$(epoch)")
	echo "# $count clients: $SECONDS s, $changes changes of the map" >&3
	ceph_ask tell mon.a config set paxos_propose_interval 0.05 </dev/null
	[ "$status" -eq 0 ]
	$PYTHON -c 'import json,sys; r=json.loads(sys.argv[1]); assert (len(set(r["clients"])), r["locks"]) == (int(sys.argv[2]),) * 2, r' "$output" "$count"
	[ "$changes" -le 10 ]
	run ! locked "many$((count - 1))"
	ceph_ask osd blocklist ls </dev/null >"$T/listed"
	for client in $($PYTHON -c 'import json,sys; print(*json.loads(sys.argv[1])["clients"])' "$output"); do grep -q "^$client " "$T/listed"; done
}
epoch() { ceph_ask osd dump --format json </dev/null | jq .epoch; }
# changes FROM TO: how often the blocklist was another one from one map to the next (a map may also come of an OSD that a busy machine
# held up)
changes() {
	local e
	for e in $(seq "$1" "$2"); do echo "osd dump $e"; done | ceph_ask --format json | jq -cS 'select(.epoch) | .blocklist' >"$T/maps"
	[ "$(wc -l <"$T/maps")" -eq $(($2 - $1 + 1)) ] && uniq "$T/maps" | awk 'END { print NR - 1 }'
}

@test "a client by an address that nobody knows: blocklisted when it holds a volume of the victim's VM, and only then" {
	zk set /nodes/pvchv2/addresses 10.99.0.77
	ceph_rbd create --size 64M --image-feature layering,exclusive-lock rbd/foreign
	writer "$VICTIM" foreign
	writer "$VICTIM" "$V"
	has_vm "$V"
	seal pvchv2
	wait_until 60 refused "$V"
	run ! locked "$V"
	locked foreign
	run ! refused foreign
}

@test "a VM that has arrived on another node: its client there is left alone" {
	writer "$NETNS" "$V"
	has_vm "$V"
	zk create /domains/guest/holder 'pvchv2 > pvchv1'
	seal pvchv2
	listed 10.99.0.2:0/0
	locked "$V"
	run ! refused "$V"
}

@test "an OSD that hangs has not confirmed: not sealed, and said which; one of the victim's own is marked down and holds up nothing" {
	ceph_ask osd set nodown </dev/null
	kill -STOP "$(ceph_pid osd.1)"
	run seal --timeout 10 pvchv2
	[ "$status" -eq 75 ]
	# (when the monitor has told the one that hangs, the other one has not heard of it either)
	[[ "$output" == *"OSD "[01]" has not confirmed the map "* ]]
	ceph_ask osd unset nodown </dev/null
	zk create /ceph/osds/1/node pvchv2
	SECONDS=0
	seal pvchv2
	[ "$SECONDS" -lt 60 ]
}

@test "pvc-volume-locks: the lock of a client that was blocklisted is released, though another machine's" {
	writer "$VICTIM" "$V"
	run as_node pvchv1 pvc-volume-locks --config "$T/pvcd.yaml" "rbd/$V"
	[ "$status" -eq 1 ] && [[ "$output" == *"is locked by client."*" at 10.99.0.2:0/"* ]]
	seal pvchv2 # knows of no VM with it
	locked "$V"
	run as_node pvchv1 pvc-volume-locks --config "$T/pvcd.yaml" "rbd/$V"
	[ "$status" -eq 0 ] && [[ "$output" == *"of a machine that was sealed off had left was released"* ]]
	run ! locked "$V"
}

@test "monitors that answer nobody for a while, as when one of them was on the node that died: they are asked again" {
	local sealing code=0
	kill -STOP "$(ceph_pid mon.a)"
	as_node pvchv1 timeout 180 pvc-seal --config "$T/pvcd.yaml" pvchv2 >"$T/sealing" 2>&1 3>&- &
	sealing=$!
	remember $sealing
	wait_until 60 grep -q 'Ceph has not answered in time.*asked again' "$T/sealing"
	kill -CONT "$(ceph_pid mon.a)"
	wait $sealing || code=$?
	[ "$code" -eq 0 ] || { cat "$T/sealing"; false; }
	listed 10.99.0.2:0/0
}

@test "what cannot be sealed is said: no storage, this node, no such node, no address, no Ceph, within the time" {
	write_config "$T/without.yaml" 's/enable_storage: .*/enable_storage: False/'
	run as_node pvchv1 pvc-seal --config "$T/without.yaml" pvchv2
	[ "$status" -eq 0 ] && [[ "$output" == *"there is nothing to seal"* ]]
	run seal pvchv1
	[ "$status" -eq 1 ] && [[ "$output" == *"pvchv1 is this node"* ]]
	run seal pvchv7
	[ "$status" -eq 1 ] && [[ "$output" == *"the cluster has no node 'pvchv7'"* ]]
	zk set /nodes/pvchv2/addresses 192.168.122.1
	run seal pvchv2
	[ "$status" -eq 1 ] && [[ "$output" == *"no address of pvchv2 is known"* ]]
	run seal pvchv2 10.99.0.300
	[ "$status" -eq 64 ] && [[ "$output" == *"'10.99.0.300' is no address"* ]]
	seal pvchv2 10.99.0.2
	listed 10.99.0.2:0/0
	seal pvchv2 # as whoever fences it does: what was given by hand holds
	seal --lift pvchv2
	kill -STOP "$(ceph_pid mon.a)"
	run seal --timeout 5 pvchv2 10.99.0.2
	[ "$status" -eq 75 ] && [[ "$output" == *"cannot connect to Ceph"* ]]
	kill -CONT "$(ceph_pid mon.a)"
}
