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
	ip netns exec "$NODE" "$PYTHON" - "$ZK" "$vni" "$@" <<-'E'
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

# gateway_start [OPTION]...: the program; its log is $T/gateway.out, its process $GATEWAY
gateway_start() {
	local before
	before=$(grep -c 'serving the managed' "$T/gateway.out" 2>/dev/null || :)
	# shellcheck disable=SC2016 # the inner shell expands it
	ip netns exec "$NODE" unshare --uts sh -c 'hostname pvchv1 && exec pvc-gateway --config "$0" "$@"' "$T/pvcd.yaml" "$@" >>"$T/gateway.out" 2>&1 3>&- &
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
not() { ! "$@"; }
has_address() { ip -n "$NODE" -o address show dev "vmbr$1" | grep -qF " $2 "; }
# the dnsmasq processes of this test, without their helpers for the lease script: VNI, or all
servers() {
	local pid parent
	for pid in $(pgrep -f "^dnsmasq --dhcp-hostsfile=$T/run/dnsmasq/${1:+$1/}"); do
		parent=$(ppid "$pid") || continue
		# shellcheck disable=SC2002 # a process that is gone is not the shell's error
		[ "$(cat "/proc/$parent/cmdline" 2>/dev/null | tr '\0' ' ')" = "$(cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' ' ')" ] || echo "$pid"
	done
}
ppid() { sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$1/stat" 2>/dev/null; }
one_server() { [ "$(servers "$1" | wc -l)" = 1 ]; }
another_server() { one_server 100 && [ "$(servers 100)" != "$1" ]; }
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

@test "150 networks: a dnsmasq each with the 128 inotify instances that root has by default" {
	for vni in $(seq 1001 1150); do echo "link add vmbr$vni type bridge"; echo "link set vmbr$vni up"; done | ip -n "$NODE" -batch -
	many_networks 1001 1150
	gateway_start
	wait_until 120 all_serve 150
	[ "$(inotify_of_servers)" = 0 ]
	gateway_stop
	no_server
}
all_serve() { [ "$(ip netns exec "$NODE" ss -Hlunp 'sport = :67' | grep -c dnsmasq)" = "$1" ]; }
inotify_of_servers() { for pid in $(servers); do ls -l "/proc/$pid/fd"; done | grep -c inotify || :; }
# many_networks FIRST LAST: 10.x.y.0/24 each
many_networks() {
	ip netns exec "$NODE" "$PYTHON" - "$ZK" "$1" "$2" <<-'E'
		import logging, sys
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1]); zk.start(timeout=60)
		for vni in range(int(sys.argv[2]), int(sys.argv[3]) + 1):
		    net = "10.%d.%d." % (100 + vni // 250, vni % 250)
		    t = zk.transaction()
		    t.create("/networks/%d" % vni, b"n")
		    for key, value in dict(nettype="managed", domain="n%d.local" % vni, ip4_network=net + "0/24", ip4_gateway=net + "1", dhcp4_flag="True",
		            dhcp4_start=net + "10", dhcp4_end=net + "99", dhcp4_leases="", dhcp4_reservations="").items():
		        t.create("/networks/%d/%s" % (vni, key), value.encode())
		    t.commit()
		zk.stop()
	E
}

@test "D70: stop removes the gateway address and gives dnsmasq time to end; nothing of ours is left" {
	network 100 ip6_network=2001:db8:100::/64 ip6_gateway=2001:db8:100::1 dhcp6_flag=True
	gateway_start
	wait_until 60 dhcp_listens 100
	has_address 100 2001:db8:100::1/64
	gateway_stop
	not has_address 100 10.100.0.1/24
	not has_address 100 2001:db8:100::1/64
	no_server 100
	said "dnsmasq ("
	not said "killed"
}

@test "all gateways are in one key for the next primary, which begins with it; what is wrong in it harms nothing" {
	zk create /pvc ''
	zk create /pvc/primary ''
	network 100 ip6_network=2001:db8:100::/64 ip6_gateway=2001:db8:100::1
	gateway_start
	hint_is() { [ "$(zk get /pvc/primary/gateways | tr '\n' '|')" = "$1" ]; }
	wait_until 60 hint_is '100 10.100.0.1/24|100 2001:db8:100::1/64|'
	zk set /networks/100/ip6_gateway None
	wait_until 60 hint_is '100 10.100.0.1/24|'
	# one that was killed left its addresses: the key does not take them away
	zk set /pvc/primary/gateways '100 10.100.0.77/24'
	kill -KILL "$GATEWAY"
	wait "$GATEWAY" || :
	gateway_start
	[ "$(times_said 'gateway address 10.100.0.1/24')" = 1 ]
	[ "$(times_said 'gateway address 10.100.0.77/24')" = 0 ]
	wait_until 60 hint_is '100 10.100.0.1/24|'
	gateway_stop
	# otherwise its addresses come first, unless the keys come in the same breath; the networks' own keys have the last word
	bridge 200
	begins_with_the_hint() {
		zk set /pvc/primary/gateways $'100 10.100.0.77/24\n200 10.200.0.1/24\n0 10.1.0.1/24\n../x 10.1.0.1/24\n100\n100 x\n4294967296 10.1.0.1/8\n\377'
		gateway_start
		wait_until 60 hint_is '100 10.100.0.1/24|'
		if said 'VNI 100: gateway address 10.100.0.77/24 added' && said 'VNI 200: gateway address 10.200.0.1/24 added'; then return; fi
		gateway_stop
		return 1
	}
	wait_until 120 begins_with_the_hint
	has_address 100 10.100.0.1/24
	not has_address 100 10.100.0.77/24
	not has_address 200 10.200.0.1/24
	not said '10.1.0.1'
	no_server 200
	[ ! -e "$T/run/dnsmasq/200" ]
	wait_until 60 dhcp_listens 100
	gateway_stop
}

state_is() { [ "$(sed 's/.*) \(.\) .*/\1/' "/proc/$1/stat" 2>/dev/null)" = "$2" ]; }

@test "--no-wait leaves each dnsmasq paused, which no end of the program continues: --release ends it, a next program has one that serves" {
	local pid
	network 100
	gateway_start --no-wait
	wait_until 60 dhcp_listens 100
	pid=$(servers 100)
	gateway_stop
	not has_address 100 10.100.0.1/24
	wait_until 60 state_is "$pid" T
	[ "$(servers 100)" = "$pid" ]
	ip netns exec "$NODE" pvc-gateway --config "$T/pvcd.yaml" --release
	no_server 100
	[ ! -e "$T/run/dnsmasq/100/gateways" ]
	# taken up by another one before anybody released it
	gateway_start --no-wait
	wait_until 60 dhcp_listens 100
	pid=$(servers 100)
	gateway_stop
	wait_until 60 state_is "$pid" T
	gateway_start
	wait_until 60 another_server "$pid"
	has_address 100 10.100.0.1/24
	wait_until 60 dhcp_listens 100
	guest g1 100
	dhcp "$GUEST"
	[[ "$LEASE" == ip=10.100.0.* ]]
	gateway_stop
	no_server 100
}

@test "D61, D62: a reservation gives the reserved address, whichever node becomes primary, also to a card that had another" {
	network 100
	reserve 100 52:54:00:00:00:01 10.100.0.200 web1
	gateway_start
	wait_until 60 dhcp_listens 100
	guest g1 100
	dhcp "$GUEST"
	[[ "$LEASE" == "ip=10.100.0.200 "* ]]
	wait_until 60 key_is /networks/100/dhcp4_leases/52:54:00:00:00:01/ipaddr 10.100.0.200
	[ "$(lease_key 52:54:00:00:00:01 hostname)" = web1 ]
	# another node takes over: nothing on its disk but what it reads
	gateway_stop
	rm -rf "$T/run"
	gateway_start
	wait_until 60 dhcp_listens 100
	dhcp "$GUEST"
	[[ "$LEASE" == "ip=10.100.0.200 "* ]]
}

@test "a reservation that comes, changes or goes is a reload: the same dnsmasq runs on and hands out what is reserved now" {
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	local pid
	pid=$(servers 100)
	guest g1 100
	dhcp "$GUEST"
	[[ "$LEASE" != "ip=10.100.0.201 "* ]]
	reserve 100 52:54:00:00:00:01 10.100.0.201
	wait_until 60 grep -q 10.100.0.201 "$T/run/dnsmasq/100/hosts"
	wait_until 60 gets 10.100.0.201
	zk set /networks/100/dhcp4_reservations/52:54:00:00:00:01/ipaddr 10.100.0.202
	wait_until 60 gets 10.100.0.202
	# a reservation that went holds nothing any more: the address is free for another card
	zk rm /networks/100/dhcp4_reservations/52:54:00:00:00:01
	wait_until 60 not grep -q 52:54 "$T/run/dnsmasq/100/hosts"
	reserve 100 52:54:00:00:00:02 10.100.0.203
	wait_until 60 grep -q 52:54:00:00:00:02 "$T/run/dnsmasq/100/hosts"
	guest g2 100 52:54:00:00:00:02
	wait_until 60 gets 10.100.0.203
	[ "$(servers 100)" = "$pid" ]
}
gets() { dhcp "$GUEST" && [[ "$LEASE" == "ip=$1 "* ]]; }

@test "a lease survives: a restart of everything gives the guest the same address, and its lease stays in ZooKeeper" {
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	guest g1 100
	dhcp "$GUEST" -x hostname:vm1
	local first=${LEASE%% *} expiry
	wait_until 60 key_is /networks/100/dhcp4_leases/52:54:00:00:00:01/ipaddr "${first#ip=}"
	expiry=$(lease_key 52:54:00:00:00:01 expiry)
	gateway_stop
	zk_stop
	rm -rf "$T/run"
	zk_start "$ZK_PORT"
	gateway_start
	wait_until 60 dhcp_listens 100
	[ "$(lease_key 52:54:00:00:00:01 expiry)" = "$expiry" ]
	known() { ip netns exec "$GUEST" busybox nslookup vm1.net1.local 10.100.0.1 | grep -qF "${first#ip=}"; }
	wait_until 60 known # before it asks again
	dhcp "$GUEST"
	[ "${LEASE%% *}" = "$first" ]
}

@test "IPv6 by router advertisement: a guest makes its address in the network and has the gateway as its router" {
	network 100 ip6_network=2001:db8:100::/64 ip6_gateway=2001:db8:100::1 dhcp6_flag=True
	gateway_start
	wait_until 60 dhcp_listens 100
	guest g1 100
	ip netns exec "$GUEST" sh -c 'echo 2 >/proc/sys/net/ipv6/conf/eth0/accept_ra'
	wait_until 60 made_address
	ip netns exec "$GUEST" ping -6 -c 1 -W 10 2001:db8:100::1
	[[ "$(ip -n "$GUEST" -6 route show default)" == "default via fe80:"* ]]
}
made_address() { ip -n "$GUEST" -6 -o address show dev eth0 scope global | grep -v tentative | grep -q 'inet6 2001:db8:100:'; }

@test "DHCPv6 without DHCPv4: a guest gets an address, its lease is apart from those of IPv4, and a new primary knows it" {
	network 100 ip4_network=None ip4_gateway=None dhcp4_flag=False dhcp4_start=None dhcp4_end=None \
		ip6_network=2001:db8:100::/64 ip6_gateway=2001:db8:100::1 dhcp6_flag=True
	gateway_start
	wait_until 60 dhcp6_listens 100
	guest g1 100
	wait_until 60 link_local
	local first second
	wait_until 60 dhcp6
	first=$(cat "$T/lease6")
	[[ "$first" == 2001:db8:100:* ]]
	wait_until 60 zk exists "/networks/100/dhcp6_leases/$first/duid"
	[ "$(zk get "/networks/100/dhcp6_leases/$first/duid")" = 00:03:00:01:52:54:00:00:00:01 ]
	[ -z "$(zk ls /networks/100/dhcp4_leases)" ]
	local server
	server=$(zk get /networks/100/dhcp6_leases)
	[[ "$server" =~ ^[0-9a-f:]+$ ]]
	gateway_stop
	rm -rf "$T/run"
	gateway_start
	wait_until 60 dhcp6_listens 100
	wait_until 60 dhcp6
	second=$(cat "$T/lease6")
	[ "$first" = "$second" ]
	[ "$(zk get /networks/100/dhcp6_leases)" = "$server" ]
}
dhcp6_listens() { one_server "$1" && ip netns exec "$NODE" ss -Hlunp 'sport = :547' | grep -q "pid=$(servers "$1"),"; }
link_local() { ip -n "$GUEST" -6 -o address show dev eth0 scope link | grep -v tentative | grep -q fe80; }
# one address into $T/lease6: a Solicit with rapid commit, as RFC 8415 has it
dhcp6() {
	ip netns exec "$GUEST" "$PYTHON" - >"$T/lease6" <<-'E'
		import ipaddress, socket, struct
		def option(code, data):
		    return struct.pack("!HH", code, len(data)) + data
		def options(data):
		    while len(data) >= 4:
		        code, length = struct.unpack("!HH", data[:4])
		        yield code, data[4 : 4 + length]
		        data = data[4 + length :]
		index = socket.if_nametoindex("eth0")
		s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
		s.bind(("::", 546))
		s.settimeout(5)
		mac = bytes.fromhex(open("/sys/class/net/eth0/address").read().strip().replace(":", ""))
		message = b"\x01abc" + option(1, b"\0\3\0\1" + mac) + option(3, struct.pack("!III", 7, 0, 0)) + option(14, b"") + option(8, b"\0\0")
		s.sendto(message, ("ff02::1:2", 547, 0, index))
		answer = s.recv(2000)
		assert answer[:4] == b"\x07abc"
		for code, data in options(answer[4:]):
		    if code == 3:
		        for code, data in options(data[12:]):
		            if code == 5:
		                print(ipaddress.IPv6Address(data[:16]))
	E
	[ -s "$T/lease6" ]
}

@test "D68: a dnsmasq that was killed is started again and knows its leases" {
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	guest g1 100
	dhcp "$GUEST"
	local first=${LEASE%% *} pid
	pid=$(servers 100)
	kill -KILL "$pid"
	wait_until 60 other_server 100 "$pid"
	wait_until 60 dhcp_listens 100
	said "was ended by signal 9"
	dhcp "$GUEST"
	[ "${LEASE%% *}" = "$first" ]
}
other_server() { one_server "$1" && [ "$(servers "$1")" != "$2" ]; }

@test "kill -9 of pvc-gateway: address and dnsmasq serve on, the next one takes the same dnsmasq over" {
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	local pid
	pid=$(servers 100)
	kill -KILL "$GATEWAY"
	wait "$GATEWAY" || :
	guest g1 100
	dhcp "$GUEST" # without it: the lease script has a session of its own
	wait_until 60 key_is /networks/100/dhcp4_leases/52:54:00:00:00:01/ipaddr "$(sed 's/ip=\([^ ]*\).*/\1/' <<<"$LEASE")"
	gateway_start
	[ "$(servers 100)" = "$pid" ]
	said "dnsmasq ($pid) of an earlier pvc-gateway was found"
	# and one that it took over is watched, reloaded and ended like its own
	kill -KILL "$pid"
	wait_until 60 other_server 100 "$pid"
	gateway_stop
	no_server 100
	not has_address 100 10.100.0.1/24
}

@test "what a killed pvc-gateway left of a network that is deleted meanwhile goes away at the next start; --release does it too" {
	network 100
	bridge 200
	network 200 ip4_network=10.200.0.0/24 ip4_gateway=10.200.0.1 dhcp4_start=10.200.0.10 dhcp4_end=10.200.0.99
	gateway_start
	wait_until 60 dhcp_listens 100
	wait_until 60 dhcp_listens 200
	kill -KILL "$GATEWAY"
	wait "$GATEWAY" || :
	zk rm /networks/200
	gateway_start
	wait_until 60 no_server 200
	wait_until 60 not has_address 200 10.200.0.1/24
	has_address 100 10.100.0.1/24
	one_server 100
	kill -KILL "$GATEWAY"
	wait "$GATEWAY" || :
	ip netns exec "$NODE" pvc-gateway --config "$T/pvcd.yaml" --release
	no_server 100
	not has_address 100 10.100.0.1/24
}

@test "D69: a foreign dnsmasq and a foreign address on the bridge are never touched" {
	ip -n "$NODE" address add 192.0.2.1/24 dev vmbr100
	ip netns exec "$NODE" dnsmasq --conf-file=/dev/null --keep-in-foreground --pid-file="$T/foreign.pid" --port=5353 --listen-address=127.0.0.1 --bind-interfaces \
		>>"$T/foreign.out" 2>&1 3>&- &
	local foreign=$!
	remember "$foreign"
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	gateway_stop
	kill -0 "$foreign"
	has_address 100 192.0.2.1/24
	kill -TERM "$foreign"
}

@test "keys that change: gateway, range and domain follow; a network without DHCP keeps its gateway; a deleted one goes" {
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	zk set /networks/100/ip4_gateway 10.100.0.254
	wait_until 60 has_address 100 10.100.0.254/24
	wait_until 60 not has_address 100 10.100.0.1/24
	zk set /networks/100/domain other.example
	wait_until 60 runs_with --domain=other.example
	wait_until 60 runs_with --dhcp-option=option:router,10.100.0.254
	zk set /networks/100/dhcp4_flag False
	wait_until 60 not runs_with --dhcp-range=10.100.0.10,10.100.0.99,255.255.255.0,48h
	wait_until 60 one_server 100
	has_address 100 10.100.0.254/24
	zk rm /networks/100
	wait_until 60 no_server 100
	wait_until 60 not has_address 100 10.100.0.254/24
	[ ! -e "$T/run/dnsmasq/100" ] || wait_until 60 [ ! -e "$T/run/dnsmasq/100" ]
}
runs_word() { tr '\0' '\n' <"/proc/$(servers "$1")/cmdline" | grep -q -- "=$2"; }
runs_with() { one_server 100 && tr '\0' '\n' <"/proc/$(servers 100)/cmdline" | grep -qxF -- "$1"; }

@test "a bridge that comes later gets its gateway; an address that somebody removed comes back" {
	network 300 ip4_network=10.30.0.0/24 ip4_gateway=10.30.0.1 dhcp4_start=10.30.0.10 dhcp4_end=10.30.0.99
	gateway_start
	bridge 300
	wait_until 60 has_address 300 10.30.0.1/24
	wait_until 60 dhcp_listens 300
	ip -n "$NODE" address del 10.30.0.1/24 dev vmbr300
	wait_until 60 has_address 300 10.30.0.1/24
	# a bridge that is made anew is another link: its dnsmasq is another one
	local pid
	pid=$(servers 300)
	ip -n "$NODE" link del vmbr300
	bridge 300
	wait_until 60 has_address 300 10.30.0.1/24
	wait_until 60 other_server 300 "$pid"
}

@test "wrong keys are named and harm no other network: gateway outside, overlapping networks, the node's own, no VNI" {
	network 100
	for vni in 201 202 203; do bridge $vni; done
	network 201 ip4_network=10.201.0.0/24 ip4_gateway=10.99.0.1
	network 202 ip4_network=10.100.0.128/25 ip4_gateway=10.100.0.129
	network 203 ip4_network=10.78.1.0/24 ip4_gateway=10.78.1.77
	network 99999999
	network 204 "domain=x --dhcp-script=/bin/sh" ip4_network=10.204.0.0/24 ip4_gateway=10.204.0.1 dhcp4_start=10.205.0.1 dhcp4_end=10.204.0.9
	bridge 204
	gateway_start
	wait_until 60 dhcp_listens 100
	wait_until 60 said "VNI 201: ip4_gateway holds '10.99.0.1', which is no host's address inside the network"
	grep -q "VNI 202: .*its IPv4 network overlaps with VNI 100" "$T/gateway.out"
	grep -q "VNI 203: .*its IPv4 network overlaps with the cluster network" "$T/gateway.out"
	said "/networks/99999999 is left alone"
	said "dhcp4_start holds '10.205.0.1'"
	said "domain holds 'x --dhcp-script=/bin/sh', which is no domain"
	wait_until 60 one_server 204
	not runs_word 204 /bin/sh
	no_server 201
	no_server 202
	no_server 203
	ip -n "$NODE" address show dev eth1 | grep -q 10.78.1.1/24
}

# lease ACTION MAC ADDRESS [NAME]: as dnsmasq of network 100 calls the script
lease() {
	ip netns exec "$NODE" env DNSMASQ_BRIDGE_INTERFACE=vmbr100 DNSMASQ_LEASE_EXPIRES="${EXPIRES:-1900000000}" PVCD_CONFIG_FILE="$T/pvcd.yaml" \
		DNSMASQ_CLIENT_ID="${CLIENT-01:52:54:00:00:00:01}" PVC_LEASE_SOCKET="$T/run/gateway.socket" "${V6[@]}" pvc-dhcp-lease "$@"
}
V6=()

@test "D71: another lease of a card replaces its first, a renewal its expiry, in one transaction; the end of an old one harms nothing" {
	network 100 dhcp4_flag=False # the gateway's own dnsmasq would tell of the first lease too, when it comes to know it at its start
	for with in nothing gateway; do
		[ $with = nothing ] || gateway_start
		EXPIRES=1900000000 lease add 52:54:00:00:00:01 10.100.0.20 vm1
		EXPIRES=1900000001 lease add 52:54:00:00:00:01 10.100.0.21 vm2
		[ "$(lease_key 52:54:00:00:00:01 ipaddr)" = 10.100.0.21 ]
		[ "$(lease_key 52:54:00:00:00:01 hostname)" = vm2 ]
		EXPIRES=1900000002 lease old 52:54:00:00:00:01 10.100.0.21 vm2
		[ "$(lease_key 52:54:00:00:00:01 expiry)" = 1900000002 ]
		lease del 52:54:00:00:00:01 10.100.0.20
		[ "$(lease_key 52:54:00:00:00:01 ipaddr)" = 10.100.0.21 ]
		[ "$(lease init)" = "1900000002 52:54:00:00:00:01 10.100.0.21 vm2 01:52:54:00:00:00:01" ]
		lease del 52:54:00:00:00:01 10.100.0.21
		gone /networks/100/dhcp4_leases/52:54:00:00:00:01
		lease del 52:54:00:00:00:01 10.100.0.21
		[ -z "$(lease init)" ]
	done
}

@test "D71: IPv6 leases are kept apart, with the server's identity, and come back as dnsmasq reads them" {
	network 100
	V6=(DNSMASQ_IAID=4711 DNSMASQ_SERVER_DUID=00:01:00:01:aa:bb DNSMASQ_MAC=52:54:00:00:00:01)
	lease add 00:01:00:01:cc:dd 2001:db8:100::5 vm6
	lease add 00:01:00:01:cc:dd 2001:db8:100::6
	V6=()
	[ -z "$(zk ls /networks/100/dhcp4_leases)" ]
	[ "$(zk get /networks/100/dhcp6_leases/2001:db8:100::5/duid)" = 00:01:00:01:cc:dd ]
	run lease init
	[ "$output" = "duid 00:01:00:01:aa:bb
1900000000 4711 2001:db8:100::5 vm6 00:01:00:01:cc:dd
1900000000 4711 2001:db8:100::6 * 00:01:00:01:cc:dd" ]
}

@test "hostile names and values: none reaches ZooKeeper or dnsmasq's lease file as more than what it is" {
	network 100
	gateway_start
	local name
	# shellcheck disable=SC2016
	for name in $'a\nb' 'a b' '--config' '../../x' '$(id)' "$(head -c 300 /dev/zero | tr '\0' a)" $'\xff\xfe' 'a..b' '-a' 'ä'; do
		lease add 52:54:00:00:00:01 10.100.0.20 "$name"
		[ -z "$(lease_key 52:54:00:00:00:01 hostname)" ]
	done
	CLIENT=$'01:02\n9 52:54:00:00:00:66 10.100.0.66 * *' run lease add 52:54:00:00:00:02 10.100.0.21
	[ "$status" -eq 64 ]
	run lease add ../../../primary_node 10.100.0.22
	[ "$status" -eq 64 ]
	run lease add 52:54:00:00:00:02 10.100.0.22/../x
	[ "$status" -eq 64 ]
	[ "$(zk ls /networks/100/dhcp4_leases)" = 52:54:00:00:00:01 ]
	# and what others wrote into ZooKeeper: the bad one is left out, the others are read
	zk create /networks/100/dhcp4_leases/52:54:00:00:00:03/expiry 1900000000
	zk create /networks/100/dhcp4_leases/52:54:00:00:00:03/ipaddr 10.100.0.30
	zk create /networks/100/dhcp4_leases/52:54:00:00:00:03/hostname $'x *\nduid 00:00'
	zk create /networks/100/dhcp4_leases/52:54:00:00:00:03/clientid '*'
	zk create /networks/100/dhcp4_leases/52:54:00:00:00:04/expiry 1900000000
	[ "$(lease init)" = "1900000000 52:54:00:00:00:01 10.100.0.20 * 01:52:54:00:00:00:01" ]
	# a network that is not there is not made by its leases; other actions are none of ours
	ip netns exec "$NODE" env DNSMASQ_BRIDGE_INTERFACE=vmbr555 PVC_LEASE_SOCKET="$T/run/gateway.socket" pvc-dhcp-lease add 52:54:00:00:00:01 10.5.0.1
	gone /networks/555
	lease tftp 1 10.0.0.1 file
	lease arp-add 52:54:00:00:00:09 10.100.0.77
}

@test "while ZooKeeper is away guests get leases, which are said to wait and are written when it is back" {
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	guest g1 100
	zk_stop
	wait_until 60 said "no connection to ZooKeeper"
	dhcp "$GUEST"
	[[ "$LEASE" == "ip=10.100.0."* ]]
	wait_until 60 said "leases wait"
	run lease old 52:54:00:00:00:07 10.100.0.70
	[ "$status" -eq 75 ]
	[[ "$output" == *"kept, written when"* ]]
	zk_start "$ZK_PORT"
	wait_until 60 key_is /networks/100/dhcp4_leases/52:54:00:00:00:01/ipaddr "$(sed 's/ip=\([^ ]*\).*/\1/' <<<"$LEASE")"
	wait_until 60 key_is /networks/100/dhcp4_leases/52:54:00:00:00:07/ipaddr 10.100.0.70
}

@test "a connection that is lost while a child still has a copy of its descriptor harms nothing" {
	network 100
	gateway_start
	wait_until 60 dhcp_listens 100
	# a child has copies until it has become another program; here somebody keeps one of each socket for longer
	"$PYTHON" - "$GATEWAY" >"$T/copies" 2>&1 3>&- <<-'E' &
		import ctypes, os, signal, sys
		libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
		process, copies = os.pidfd_open(pid), 0
		for fd in os.listdir("/proc/%d/fd" % pid):
		    if os.readlink("/proc/%d/fd/%s" % (pid, fd)).startswith("socket:"):
		        assert libc.syscall(438, process, int(fd), 0) >= 0, ctypes.get_errno()  # pidfd_getfd()
		        copies += 1
		print("copies", copies, flush=True)
		signal.pause()
	E
	remember $!
	wait_until 60 grep -q '^copies [1-9]' "$T/copies"
	zk_stop
	zk_start "$ZK_PORT"
	wait_until 60 said "connected to ZooKeeper again"
	bridge 200
	network 200 ip4_network=10.200.0.0/24 ip4_gateway=10.200.0.1 dhcp4_start=10.200.0.10 dhcp4_end=10.200.0.99
	wait_until 60 dhcp_listens 200
	kill -0 "$GATEWAY"
}
