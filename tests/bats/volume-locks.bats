#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-volume-locks, and pvc-watch-domains that asks it before a start: a real Ceph, a real libvirtd and QEMU on RBD disks,
# and clients on another machine (a namespace with an address of its own).
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # bats runs each test in a subshell on purpose
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/libvirt.bash
load ../lib/ceph.bash

setup_file() {
	local hv
	test_begin
	netns_make other
	OTHER=$NETNS
	netns_make hv
	hv=$NETNS
	export OTHER ZK_NETNS=$NETNS CEPH_IP=10.99.0.1
	ip -n "$hv" link add c0 type veth peer name c1 netns "$OTHER"
	ip -n "$hv" addr add 10.99.0.1/24 dev c0
	ip -n "$OTHER" addr add 10.99.0.2/24 dev c1
	ip -n "$hv" link set c0 up
	ip -n "$OTHER" link set c1 up
	zk_start
	ceph_begin 2
	libvirt_begin
	libvirtd_start
	cat >"$T/secret.xml" <<-'E'
		<secret ephemeral='no' private='yes'><uuid>55555555-2222-4333-8444-000000000001</uuid>
		<usage type='ceph'><name>client.admin</name></usage></secret>
	E
	lv_virsh secret-define "$T/secret.xml"
	lv_virsh secret-set-value 55555555-2222-4333-8444-000000000001 "$(ceph-authtool -p -n client.admin "$CEPH_DIR/keyring")" 2>/dev/null
	write_config "$T/pvcd.yaml" 's/enable_storage: .*/enable_storage: True/'
	mkdir -p "$T/console"
	zk create /domains
	nsenter -t "$LV_PID" -m -n unshare --uts sh -c 'hostname pvchv1 && exec "$@"' sh \
		pvc-watch-domains --debug --config "$T/pvcd.yaml" >>"$T/daemon.log" 2>&1 3>&- &
	remember $!
	wait_until 60 said 'ready'
}
teardown_file() {
	libvirt_end
	test_cleanup
}
setup() {
	V=vol$BATS_TEST_NUMBER U=$(printf '44444444-2222-4333-8444-%012d' "$BATS_TEST_NUMBER")
	kill -CONT "$(ceph_pid mon.a)"
	ceph_rbd create --size 64M --image-feature layering,exclusive-lock "rbd/$V"
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 30 "$T/daemon.log" >&2
	kill -CONT "$(ceph_pid mon.a)"
	[ ! -e "$T/writers" ] || while read -r pid; do kill -KILL "$pid" 2>/dev/null || :; done <"$T/writers"
	rm -f "$T/writers"
}

said() { grep -qF -- "$*" "$T/daemon.log"; }
# writer NETNS VOLUME: a client that holds its lock; its pid in $W
writer() {
	ip netns exec "$1" rbd bench --io-type write --io-size 4K --io-threads 1 --io-total 64G "rbd/$2" >"$T/bench.$2" 2>&1 3>&- &
	W=$!
	echo $W >>"$T/writers"
	remember $W
	wait_until 60 locked "$2"
}
locked() { ceph_rbd lock ls "rbd/$1" | grep -q client; }
writes() { kill -0 "$W" && ! grep -q 'error\|endpoint shutdown' "$T/bench.$1"; }
locks() { ip netns exec "${1}" timeout 120 pvc-volume-locks --config "$T/pvcd.yaml" "${@:2}"; }
state_is() { [ "$(zk get "/domains/$U/state")" = "$1" ]; }
runs() { lv_virsh list --name | grep -qx "$V"; }
dom() { ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/domains.py" "$ZK" "$@"; }
vm() { # a VM on rbd/$V
	guest_xml "$V" "$U" | sed "s|<emulator>|<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/><auth username='admin'><secret type='ceph' uuid='55555555-2222-4333-8444-000000000001'/></auth><source protocol='rbd' name='rbd/$V'><host name='10.99.0.1' port='3300'/></source><target dev='vda' bus='virtio'/></disk>&|" >"$T/$V.xml"
	dom define "$U" "$V" "$1" pvchv1 "$T/$V.xml"
}

@test "free volumes: nothing is said, nothing is done" {
	run locks "$NETNS" "rbd/$V"
	[ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "a lock that a client of this machine left: that client is blocklisted, then the lock is released" {
	local before
	writer "$NETNS" "$V"
	kill -KILL $W
	run locks "$NETNS" "rbd/$V"
	[ "$status" -eq 0 ]
	[[ "$output" == *"rbd/$V: the lock that client."*"had left was released"* ]]
	run ! locked "$V"
	ceph_ask osd blocklist ls </dev/null | grep -q '^10.99.0.1:0/'
}

@test "a volume that another machine holds: refused with who and where, and its client works on" {
	writer "$OTHER" "$V"
	ceph_rbd create --size 1M "rbd/${V}a"
	run locks "$NETNS" "rbd/${V}a" "rbd/$V"
	[ "$status" -eq 1 ]
	[[ "$output" == *"volume rbd/$V is locked by client."*" at 10.99.0.2:0/"*"flush_locks"* ]]
	locked "$V"
	writes "$V"
	run locks "$OTHER" rbd/none
	[ "$status" -eq 1 ] && [[ "$output" == *"rbd/none: Ceph has no such image"* ]]
	run locks "$OTHER" none
	[ "$status" -eq 64 ] && [[ "$output" == *"expected POOL/VOLUME"* ]]
}

@test "D40: a VM whose volume another node holds is not started, and says why; the other's client is unharmed" {
	writer "$OTHER" "$V"
	vm start
	wait_until 90 state_is fail
	zk get "/domains/$U/failedreason" | grep -q "volume rbd/$V is locked by client.* at 10.99.0.2"
	run ! runs
	writes "$V"
	kill -KILL $W
	locks "$OTHER" "rbd/$V" # what flush_locks or that node does
	dom set "$U" state=start
	wait_until 90 runs
}

@test "D41: a VM whose last QEMU was killed on this node starts with its volume writable" {
	writer "$NETNS" "$V"
	kill -KILL $W
	vm start
	wait_until 90 runs
	wait_until 60 said "volume rbd/$V: the lock that client."
	run ! locked "$V"
	state_is start
}

@test "Ceph does not answer: said within its bound, the VM is tried again and starts when it does" {
	kill -STOP "$(ceph_pid mon.a)"
	run locks "$NETNS" "rbd/$V"
	[ "$status" -eq 69 ] && [[ "$output" == *"cannot connect to Ceph"* ]]
	vm start
	wait_until 90 said 'whether its volumes are free cannot be told'
	state_is start
	kill -CONT "$(ceph_pid mon.a)"
	wait_until 90 runs
}
