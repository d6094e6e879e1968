#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-gateway and pvc-dhcp-lease with a real ZooKeeper, real dnsmasq and a real DHCP client, in network namespaces: the
# node's, and a guest's that hangs on the network's bridge.
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup() {
	test_begin
	netns_make node
	NODE=$NETNS ZK_NETNS=$NETNS
	export NODE ZK_NETNS
	ip -n "$NODE" link add eth1 type bridge # a node has addresses: without any none is looked up
	ip -n "$NODE" address add 10.78.1.1/24 dev eth1
	ip -n "$NODE" link set eth1 up
	zk_start
	mkdir -p "$T/run" "$T/log" "$T/console"
	chmod 755 "$T" # dnsmasq reads its hosts file with rights of its own
	write_config "$T/pvcd.yaml"
	zk create /networks ''
	bridge 100
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 60 "$T"/*.out
	# what the test made it ends: the daemons, and every dnsmasq of this test's directory
	local pid
	[ -z "${GATEWAY:-}" ] || kill -KILL "$GATEWAY" 2>/dev/null || :
	for pid in $(servers); do kill -KILL "$pid" 2>/dev/null || :; done
	test_cleanup
}

# bridge VNI: as pvc-watch-networks makes it
bridge() {
	ip -n "$NODE" link add "vmbr$1" mtu 1450 type bridge forward_delay 0
	ip -n "$NODE" link set "vmbr$1" up
}
# network VNI KEY=VALUE...: a managed network as the reference's client writes it
network() {
	local vni=$1
	shift
	ip netns exec "$NODE" $PYTHON - "$ZK" "$vni" "$@" <<-'E'
		import logging, sys
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1]); zk.start(timeout=60)
		path = "/networks/" + sys.argv[2]
		keys = dict(nettype="managed", domain="net1.local", name_servers="", ip6_network="None", ip6_gateway="None", dhcp6_flag="False",
		    ip4_network="10.100.0.0/24", ip4_gateway="10.100.0.1", dhcp4_flag="True", dhcp4_start="10.100.0.10", dhcp4_end="10.100.0.99",
		    dhcp4_leases="", dhcp4_reservations="", firewall_rules="")
		keys.update(a.split("=", 1) for a in sys.argv[3:])
		t = zk.transaction()
		t.create(path, b"net1")
		for key, value in keys.items():
		    t.create(path + "/" + key, value.encode())
		for direction in ("in", "out"):
		    t.create(path + "/firewall_rules/" + direction, b"")
		assert all(isinstance(r, str) for r in t.commit())
		zk.stop()
	E
}
reserve() { # VNI MAC ADDRESS [NAME]
	zk create "/networks/$1/dhcp4_reservations/$2" static
	zk create "/networks/$1/dhcp4_reservations/$2/hostname" "${4:-None}"
	zk create "/networks/$1/dhcp4_reservations/$2/ipaddr" "$3"
}

# gateway_start: the program; its log is $T/gateway.out, its process $GATEWAY
gateway_start() {
	local before
	before=$(grep -c 'serving the managed' "$T/gateway.out" 2>/dev/null || :)
	ip netns exec "$NODE" unshare --uts sh -c 'hostname pvchv1 && exec pvc-gateway --config "$0"' "$T/pvcd.yaml" >>"$T/gateway.out" 2>&1 3>&- &
	GATEWAY=$!
	remember "$GATEWAY"
	wait_until 60 serving_or_dead $((${before:-0}))
	serving $((${before:-0}))
}
serving_or_dead() { serving "$1" || ! kill -0 "$GATEWAY"; }
serving() { [ "$(grep -c 'serving the managed' "$T/gateway.out")" -gt "$1" ]; }
gateway_stop() {
	kill -TERM "$GATEWAY"
	wait "$GATEWAY"
}
said() { grep -qF -- "$1" "$T/gateway.out"; }
times_said() { grep -cF -- "$1" "$T/gateway.out" || :; }
has_address() { ip -n "$NODE" -o address show dev "vmbr$1" | grep -qF " $2 "; }
# the dnsmasq processes of this test, without their helpers for the lease script: VNI, or all
servers() {
	local pid words
	for pid in /proc/[0-9]*; do
		# shellcheck disable=SC2162
		words=$(cat "$pid/cmdline" 2>/dev/null | tr '\0' ' ') || continue
		case $words in "dnsmasq --pid-file=$T/run/dnsmasq/${1:+$1/}"*) ;; *) continue ;; esac
		[ "$(cat "/proc/$(ppid "${pid#/proc/}")/cmdline" 2>/dev/null | tr '\0' ' ')" = "$words" ] || echo "${pid#/proc/}"
	done
}
ppid() { sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$1/stat" 2>/dev/null; }
one_server() { [ "$(servers "$1" | wc -l)" = 1 ]; }
no_server() { [ -z "$(servers "$1")" ]; }
# the DHCP sockets of a network's server are open: it is past its start
dhcp_listens() { one_server "$1" && ip netns exec "$NODE" ss -Hlunp 'sport = :67' | grep -q "pid=$(servers "$1"),"; }

# guest NAME VNI [MAC]: a namespace with eth0 on that bridge; $GUEST is its name
guest() {
	local node=$NETNS
	netns_make "$1"
	GUEST=$NETNS NETNS=$node
	ip -n "$NODE" link add "tap$1" type veth peer name eth0 netns "$GUEST"
	ip -n "$NODE" link set "tap$1" master "vmbr$2" up
	ip -n "$GUEST" link set eth0 address "${3:-52:54:00:00:00:01}" up
}
cat_script() {
	cat >"$T/udhcpc" <<-'E'
		#!/bin/busybox sh
		[ "$1" != bound ] && [ "$1" != renew ] || {
		  ip address replace "$ip/$mask" dev "$interface"
		  printf 'ip=%s router=%s dns=%s domain=%s mtu=%s lease=%s mask=%s\n' "$ip" "$router" "$dns" "$domain" "$mtu" "$lease" "$mask" >>"$OUT"
		}
	E
	chmod 755 "$T/udhcpc"
}
# dhcp GUEST [OPTION]...: one lease, said in $T/lease and into $LEASE
dhcp() {
	local ns=$1
	shift
	cat_script
	: >"$T/lease"
	OUT=$T/lease ip netns exec "$ns" busybox udhcpc -i eth0 -s "$T/udhcpc" -n -q -f -t 20 -T 2 -O mtu "$@" >>"$T/udhcpc.out" 2>&1 3>&-
	LEASE=$(tail -n 1 "$T/lease")
}
lease_key() { zk get "/networks/100/dhcp4_leases/$1/$2"; }
key_is() { [ "$(zk get "$1")" = "$2" ]; }
gone() { ! zk exists "$1"; }

@test "a guest gets an address, router, name server, domain and MTU; the lease is in ZooKeeper; the gateway answers" {
	network 100
	gateway_start
	has_address 100 10.100.0.1/24
	wait_until 60 dhcp_listens 100
	guest g1 100
	dhcp "$GUEST" -x hostname:vm1
	[[ "$LEASE" =~ ^ip=10\.100\.0\.([0-9]+)\ router=10.100.0.1\ dns=10.100.0.1\ domain=net1.local\ mtu=1450\ lease=172800\ mask=24$ ]]
	[ "${BASH_REMATCH[1]}" -ge 10 ] && [ "${BASH_REMATCH[1]}" -le 99 ]
	wait_until 60 key_is /networks/100/dhcp4_leases/52:54:00:00:00:01/ipaddr "10.100.0.${BASH_REMATCH[1]}"
	[ "$(lease_key 52:54:00:00:00:01 hostname)" = vm1 ]
	[[ "$(lease_key 52:54:00:00:00:01 clientid)" =~ ^(\*|[0-9a-f:]+)$ ]]
	[ "$(lease_key 52:54:00:00:00:01 expiry)" -gt "$(date +%s)" ]
	ip netns exec "$GUEST" ping -c 1 -W 10 10.100.0.1
	run ip netns exec "$GUEST" busybox nslookup vm1.net1.local 10.100.0.1
	[[ "$output" == *"10.100.0.${BASH_REMATCH[1]}"* ]] || [[ "$output" == *"10.100.0."* ]]
}

@test "D70: stop removes the gateway address and gives dnsmasq time to end; nothing of ours is left" {
	network 100 ip6_network=2001:db8:100::/64 ip6_gateway=2001:db8:100::1 dhcp6_flag=True
	gateway_start
	wait_until 60 dhcp_listens 100
	has_address 100 2001:db8:100::1/64
	gateway_stop
	! has_address 100 10.100.0.1/24
	! has_address 100 2001:db8:100::1/64
	no_server 100
	said "dnsmasq ("
	! said "killed"
}
