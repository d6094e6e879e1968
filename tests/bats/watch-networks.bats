#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-watch-networks against a real ZooKeeper, on hosts that are network namespaces of their own: eth0 (upstream), eth1
# (cluster, bridge_device) and eth2 (storage), wired to switches in a third one, which also has ZooKeeper (10.78.1.99).
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup() {
	test_begin
	netns_make wire
	WIRE=$NETNS ZK_NETNS=$NETNS ZK_LISTEN=0.0.0.0
	export ZK_NETNS ZK_LISTEN
	for i in 0 1 2; do
		ip -n "$WIRE" link add "sw$i" type bridge
		ip -n "$WIRE" link set "sw$i" up
	done
	ip -n "$WIRE" address add 10.78.1.99/24 dev sw1
	mkdir -p "$T/run" "$T/log" "$T/console"
	zk_start
	py <<-'E'
		for path in ("/nodes", "/networks"):
		    zk.create(path)
		for n in (1, 2):
		    zk.create("/nodes/pvchv%d" % n, b"coordinator")
		    zk.create("/nodes/pvchv%d/cluster_address" % n, b"10.78.1.%d" % n)
	E
	host_up pvchv1
}
teardown() {
	[ -z "${BATS_ERROR_STATUS:-}${BATS_TEST_COMPLETED:-}" ] || [ "${BATS_TEST_COMPLETED:-}" = 1 ] || tail -n 50 "$T"/*.out >&2 || :
	local made=
	[ ! -e "$T/made-frr" ] || made=/etc/frr
	test_cleanup
	[ -z "$made" ] || rmdir "$made"
}

# host_up NAME: a host of that name after pvc-netsetup; $NETNS is its namespace
host_up() {
	local i
	netns_make "$1"
	ns[${1#pvchv}]=$NETNS
	for i in 0 1 2; do
		ip -n "$WIRE" link add "p$i-$1" type veth peer name "eth$i" netns "$NETNS"
		ip -n "$WIRE" link set "p$i-$1" master "sw$i" up
	done
	write_config "$T/$1.yaml" "s|- 127.0.0.1:.*|- 10.78.1.99:$ZK_PORT|"
	[ -z "${CONFIG_EDIT:-}" ] || sed -i -e "$CONFIG_EDIT" "$T/$1.yaml"
	# the base ruleset is pvc-firewall's
	as_node "$1" pvc-netsetup --config "$T/$1.yaml" --timeout 0 >"$T/$1.setup" 2>&1
	! [ -x "$BUILD/bin/pvc-firewall" ] || as_node "$1" pvc-firewall --config "$T/$1.yaml" >>"$T/$1.setup" 2>&1
}
declare -a ns pids
# daemon_start NAME: the program as that node; its log is $T/NAME.out, its process in $PID
daemon_start() {
	local before
	before=$(grep -c 'watching the networks' "$T/$1.out" 2>/dev/null || :)
	# shellcheck disable=SC2016 # the inner shell expands it
	ip netns exec "${ns[${1#pvchv}]}" unshare --uts sh -c 'hostname "$0" && exec pvc-watch-networks --debug --config "$1"' \
		"$1" "$T/$1.yaml" >>"$T/$1.out" 2>&1 3>&- &
	PID=$!
	pids[${1#pvchv}]=$PID
	remember "$PID"
	wait_until 120 started "$1" $((before))
}
started() { [ "$(grep -c 'watching the networks' "$T/$1.out")" -gt "${2:-0}" ]; }
said() { grep -qF -- "$2" "$T/$1.out"; }
times_said() { grep -cF -- "$2" "$T/$1.out" || :; }

# py [ARGUMENT]...: a Python program on standard input with `zk`, a kazoo client, and network() as the client makes them
py() {
	cat - >"$T/py"
	ip netns exec "$ZK_NETNS" $PYTHON - "127.0.0.1:$ZK_PORT" "$T/py" "$@" <<-'E'
		import logging, sys
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1], timeout=10)
		zk.start(timeout=60)
		def network(vni, nettype="managed", **keys):
		    values = dict(nettype=nettype, domain="None", name_servers="", ip6_network="None", ip6_gateway="None", dhcp6_flag="False",
		                  ip4_network="10.1.0.0/24", ip4_gateway="10.1.0.1", dhcp4_flag="False", dhcp4_start="None", dhcp4_end="None",
		                  dhcp4_leases="", dhcp4_reservations="", firewall_rules="")
		    values.update(keys)
		    t = zk.transaction()
		    base = "/networks/%s" % vni
		    t.create(base, b"net")
		    for key, value in values.items():
		        if value is not None:
		            t.create(base + "/" + key, value.encode() if isinstance(value, str) else value)
		    t.create(base + "/firewall_rules/in", b"")
		    t.create(base + "/firewall_rules/out", b"")
		    for r in t.commit():
		        assert not isinstance(r, Exception), r
		program = open(sys.argv[2]).read()
		sys.argv[1:] = sys.argv[3:]
		exec(compile(program, "test", "exec"))
		zk.stop()
	E
}
network() { py <<<"network($1, nettype='${2:-managed}')"; }

# ipn N ...: ip(8) on host N
ipn() {
	local n=$1
	shift
	ip -n "${ns[$n]}" "$@"
}
no_link() { ! ipn "$1" link show dev "$2" >/dev/null 2>&1; }
floods() { bridge -n "${ns[$1]}" fdb show dev "$2" | sed -n 's/^00:00:00:00:00:00 dst \([^ ]*\).*/\1/p' | sort | xargs; }
floods_are() { [ "$(floods "$1" "$2")" = "$3" ]; }
in_force() { link_is "$1" "vmbr$2" UP && link_is "$1" "vxlan$2" UP "master vmbr$2" "vxlan id $2" "dstport 4789" && said "pvchv$1" "network $2 is in force"; }
is() { [ "$(zk get "$1" 2>/dev/null)" = "$2" ]; }
no_key() { ! zk exists "$1"; }
link_is() { # N LINK PATTERN...: each is found in its description
	local text word
	text=$(ipn "$1" -d link show dev "$2" 2>/dev/null | tr '\n' ' ') || return 1
	shift 2
	for word in "$@"; do grep -qE -- "(^|[ ,<])$word([ ,>]|\$)" <<<"$text" || return 1; done
}

@test "a managed network gets its bridge and its VXLAN, as the data model has them" {
	daemon_start pvchv1
	network 100
	wait_until 60 in_force 1 100
	link_is 1 vmbr100 "mtu 1450" "alias pvc" "forward_delay 0" "stp_state 0"
	link_is 1 vxlan100 "mtu 1450" "alias pvc" "vxlan id 100" "local 10.78.1.1" "dev brcluster" "dstport 4789" "addrgenmode none"
	run ! link_is 1 vxlan100 nolearning
	floods_are 1 vxlan100 10.78.1.2
	# nothing of the host but what its gateway needs
	[ "$(ip netns exec "${ns[1]}" cat /proc/sys/net/ipv6/conf/vmbr100/accept_ra)" -eq 0 ]
	[ "$(ip netns exec "${ns[1]}" cat /proc/sys/net/ipv6/conf/vmbr100/disable_ipv6)" -eq 0 ]
	py <<<'zk.delete("/networks/100", recursive=True)'
	wait_until 60 no_link 1 vmbr100
	wait_until 60 no_link 1 vxlan100
	wait_until 60 said pvchv1 "network 100 is gone"
}

@test "what is there is compared at start: nothing that is right is touched, and leftovers are removed, foreign links are not" {
	network 100
	daemon_start pvchv1
	wait_until 60 in_force 1 100
	kill -KILL "$PID"
	wait "$PID" || :
	indices=$(ipn 1 -br link show | sort)
	py <<-'E'
		zk.delete("/networks/100", recursive=True)
		network(200)
	E
	# ours by name and mark; by name alone; by mark alone; and a guest's
	ipn 1 link add vxlan300 type vxlan id 300 dstport 4789
	ipn 1 link set vxlan300 alias pvc
	ipn 1 link add vmbr400 type bridge
	ipn 1 link add other type bridge
	ipn 1 link set other alias pvc
	ipn 1 link add vmbr0400 type bridge
	ipn 1 link set vmbr0400 alias pvc
	daemon_start pvchv1
	no_link 1 vmbr100
	no_link 1 vxlan100
	no_link 1 vxlan300
	in_force 1 200
	for foreign in vmbr400 other vmbr0400 brcluster eth1; do ipn 1 link show dev "$foreign"; done
	# and once more: the same links
	indices=$(ipn 1 -br link show | sort)
	kill -KILL "$PID"
	wait "$PID" || :
	daemon_start pvchv1
	[ "$(ipn 1 -br link show | sort)" = "$indices" ]
	[ "$(ipn 1 -o link show dev vmbr200)" != "" ]
}

@test "a foreign link with the name of a network is left alone and named, until it is gone or handed over" {
	ipn 1 link add vmbr5 type bridge
	ipn 1 link add vxlan6 type bridge
	before=$(ipn 1 -d link show dev vmbr5)
	network 5
	network 6
	network 7
	daemon_start pvchv1
	in_force 1 7
	wait_until 60 said pvchv1 "the link vmbr5 (bridge) was not made by pvc and is left alone"
	wait_until 60 said pvchv1 "the link vxlan6 (bridge) was not made by pvc and is left alone"
	[[ "$(zk get /nodes/pvchv1/network_errors/5)" == "links: the link vmbr5"* ]]
	[ "$(ipn 1 -d link show dev vmbr5)" = "$before" ]
	[ "$(times_said pvchv1 'the link vmbr5 (bridge) was not')" -eq 1 ]
	ipn 1 link set vmbr5 alias pvc
	ipn 1 link del vxlan6
	wait_until 60 in_force 1 5
	wait_until 60 in_force 1 6
	wait_until 60 no_key /nodes/pvchv1/network_errors/5
	wait_until 60 no_key /nodes/pvchv1/network_errors/6
}

@test "drift is repaired: deleted, set down, another MTU or MAC, taken out of the bridge, spanning tree on" {
	daemon_start pvchv1
	network 100
	network 101
	wait_until 60 in_force 1 100
	wait_until 60 in_force 1 101
	mac=$(ipn 1 -br link show dev vmbr100 | awk '{print $3}')
	untouched=$(ipn 1 -o link show dev vxlan101)
	n=0
	for change in "del vmbr100" "del vxlan100" "set vmbr100 down" "set vxlan100 down" "set vmbr100 mtu 1300" \
		"set vxlan100 mtu 1300" "set vxlan100 nomaster" "set vmbr100 address 02:00:00:00:00:01" "set vmbr100 type bridge stp_state 1"; do
		n=$((n + 1))
		# shellcheck disable=SC2086 # words
		ipn 1 link $change
		wait_until 60 put_right "$n"
		wait_until 60 link_is 1 vmbr100 UP "mtu 1450" "stp_state 0" "alias pvc"
		wait_until 60 link_is 1 vxlan100 UP "mtu 1450" "master vmbr100" "alias pvc"
		# guests remember it
		wait_until 60 mac_is 1 vmbr100 "$mac"
		# more than a few repairs in ten seconds count as a fight
		[ $((n % 4)) -ne 0 ] || wait_until 60 later 11
	done
	[ "$(ipn 1 -o link show dev vxlan101)" = "$untouched" ]
	# what the kernel tells nobody about is found by the full comparison
	bridge -n "${ns[1]}" fdb del 00:00:00:00:00:00 dev vxlan100 dst 10.78.1.2
	bridge -n "${ns[1]}" fdb append 00:00:00:00:00:00 dev vxlan100 dst 10.78.1.66
	kill -HUP "$PID"
	wait_until 60 floods_are 1 vxlan100 10.78.1.2
}
mac_is() { [ "$(ipn "$1" -br link show dev "$2" | awk '{print $3}')" = "$3" ]; }
put_right() { [ "$(times_said pvchv1 'network 100 was not as wanted and was put right')" -ge "$1" ]; }
later() { # SECONDS after the first call with that number in this test
	local mark=$T/later.$n
	[ -e "$mark" ] || date +%s >"$mark"
	[ $(($(date +%s) - $(cat "$mark"))) -ge "$1" ]
}

@test "somebody who works against it is named, and the loop does not spin" {
	daemon_start pvchv1
	network 100
	wait_until 60 in_force 1 100
	for _ in $(seq 60); do
		ipn 1 link set vmbr100 mtu 1300
		read -r -t 0.02 <> <(:) || :
	done
	wait_until 60 said pvchv1 "network 100 is being changed again and again by somebody else"
	wait_until 60 link_is 1 vmbr100 "mtu 1450"
}

@test "garbage in one network is named and does not stop the others" {
	py <<-'E'
		network(10, nettype="managed\n")
		network(11, nettype=b"\xff\xfe\x00x")
		network(12, nettype=None)
		network(13, nettype="x" * 100000)
		network(14, nettype="")
		network(5000, nettype="bridged")
		for name in ("0", "16777216", "007", "-1", "net", "99999999999999999999", "\u00fc"):
		    network(name)
		zk.create("/networks/15", b"")
		network(16777215)
		network(1)
	E
	daemon_start pvchv1
	in_force 1 1
	in_force 1 16777215
	for vni in 10 11 13 14; do wait_until 60 key_says "$vni" "links: its nettype is neither 'managed' nor 'bridged'"; done
	for vni in 12 15; do wait_until 60 key_says "$vni" "links: its key nettype is missing"; done
	wait_until 60 key_says 5000 "links: a bridged network's number is its VLAN's: 1 to 4094"
	for name in 0 16777216 007 -1 net 99999999999999999999; do
		wait_until 60 key_says "$name" "links: the number has to be 1 to 16777215, in plain digits"
		said pvchv1 "/networks/$name is no network"
	done
	run ! env LC_ALL=C grep -aP '[^\x09\x0a\x20-\x7e\x80-\xff]' "$T/pvchv1.out"
	[ "$(ipn 1 -br link show | grep -c '^v')" -eq 4 ]
	# put right
	py <<-'E'
		zk.set("/networks/10/nettype", b"managed")
		zk.create("/networks/12/nettype", b"managed")
		zk.delete("/networks/007", recursive=True)
	E
	wait_until 60 in_force 1 10
	wait_until 60 in_force 1 12
	for name in 10 12 007; do wait_until 60 no_key "/nodes/pvchv1/network_errors/$name"; done
	# what is in force stays so when its type becomes unreadable
	zk set /networks/1/nettype nonsense
	wait_until 60 key_says 1 "links: its nettype is neither 'managed' nor 'bridged'"
	link_is 1 vxlan1 UP "master vmbr1"
}
key_says() { is "/nodes/pvchv1/network_errors/$1" "$2"; }

@test "errors that an earlier run published are taken back when nothing is wrong" {
	network 5
	zk create /nodes/pvchv1/network_errors/5 "links: old"
	zk create /nodes/pvchv1/network_errors/77 "links: of a network that is no more"
	zk create /nodes/pvchv2/network_errors/5 "links: of another node"
	daemon_start pvchv1
	wait_until 60 no_key /nodes/pvchv1/network_errors/5
	wait_until 60 no_key /nodes/pvchv1/network_errors/77
	is /nodes/pvchv2/network_errors/5 "links: of another node"
}

# guest N VNI ADDRESS: a guest on that host's bridge, with a tap like a virtual machine's
guest() {
	made=$((${made:-0} + 1))
	netns_make "guest$made"
	guests[$1]=$NETNS
	ip -n "$NETNS" link add eth0 mtu 1450 type veth peer name "tap$2" netns "${ns[$1]}"
	ip -n "$NETNS" address add "$3/24" dev eth0
	ip -n "$NETNS" link set eth0 up
	ipn "$1" link set "tap$2" master "vmbr$2" up
}
declare -a guests
reaches() { ip netns exec "${guests[$1]}" ping -c 1 -W 1 "$2"; }

@test "guests on two nodes reach each other over VXLAN, and go on while the programs are killed and started" {
	host_up pvchv2
	network 100
	daemon_start pvchv1
	daemon_start pvchv2
	wait_until 60 in_force 1 100
	wait_until 60 in_force 2 100
	guest 1 100 192.0.2.1
	guest 2 100 192.0.2.2
	wait_until 60 reaches 1 192.0.2.2
	# full frames pass
	wait_until 60 ip netns exec "${guests[1]}" ping -c 1 -W 5 -M "do" -s 1422 192.0.2.2
	ip netns exec "${guests[1]}" ping -i 0.02 -W 1 192.0.2.2 >"$T/ping" 2>&1 3>&- &
	ping=$!
	remember "$ping"
	for round in 1 2 3; do
		kill -KILL "${pids[1]}" "${pids[2]}"
		wait "${pids[1]}" "${pids[2]}" || :
		daemon_start pvchv1
		daemon_start pvchv2
		zk_stop
		zk_start "$ZK_PORT"
		network $((200 + round))
		wait_until 60 in_force 1 $((200 + round))
	done
	kill -INT "$ping"
	wait "$ping" || :
	cat "$T/ping"
	# each was answered, in order (but perhaps the one that was under way at the end)
	sed -n 's/.*bytes from 192.0.2.2: icmp_seq=\([0-9]*\) .*/\1/p' "$T/ping" >"$T/answered"
	[ "$(wc -l <"$T/answered")" -gt 20 ] # all of it takes some two seconds
	seq "$(wc -l <"$T/answered")" | diff "$T/answered" -
}

@test "a deleted network's bridge stays as long as a guest is attached to it, its VXLAN does not" {
	daemon_start pvchv1
	network 100
	wait_until 60 in_force 1 100
	guest 1 100 192.0.2.1
	py <<<'zk.delete("/networks/100", recursive=True)'
	wait_until 60 no_link 1 vxlan100
	wait_until 60 said pvchv1 "the bridge stays until they are gone"
	link_is 1 tap100 UP "master vmbr100"
	[ "$(times_said pvchv1 'the bridge stays until they are gone')" -eq 1 ]
	# and over a restart
	kill -KILL "$PID"
	wait "$PID" || :
	daemon_start pvchv1
	link_is 1 tap100 UP "master vmbr100"
	ipn 1 link del tap100
	wait_until 60 no_link 1 vmbr100
	# a network that comes back before that takes its bridge over
	network 100
	wait_until 60 in_force 1 100
	guest 1 100 192.0.2.1
	py <<<'zk.delete("/networks/100", recursive=True)'
	wait_until 60 no_link 1 vxlan100
	network 100
	wait_until 60 link_is 1 vxlan100 UP "master vmbr100"
	link_is 1 tap100 UP "master vmbr100"
}

@test "peers come and go with /nodes; a node without the key is looked up in the cluster's domain" {
	daemon_start pvchv1
	network 100
	wait_until 60 floods_are 1 vxlan100 10.78.1.2
	zk create /nodes/pvchv3/cluster_address 10.78.1.3
	wait_until 60 floods_are 1 vxlan100 "10.78.1.2 10.78.1.3"
	zk set /nodes/pvchv3/cluster_address 10.78.1.33
	wait_until 60 floods_are 1 vxlan100 "10.78.1.2 10.78.1.33"
	# no networking there; nonsense changes nothing
	zk set /nodes/pvchv2/cluster_address ""
	wait_until 60 floods_are 1 vxlan100 "10.78.1.33"
	zk set /nodes/pvchv3/cluster_address "10.78.1.33; rm"
	wait_until 60 said pvchv1 "which is none: the last one that was known stays"
	floods_are 1 vxlan100 "10.78.1.33"
	py <<<'zk.delete("/nodes/pvchv3", recursive=True)'
	wait_until 60 floods_are 1 vxlan100 ""
	kill -KILL "$PID"
	wait "$PID" || :
	# what an earlier run knew stays as long as a name is not found
	bridge -n "${ns[1]}" fdb append 00:00:00:00:00:00 dev vxlan100 dst 10.78.1.44
	zk create /nodes/pvchv4
	daemon_start pvchv1
	wait_until 120 said pvchv1 "node pvchv4 publishes no cluster address and the name pvchv4.cluster.test is not found"
	floods_are 1 vxlan100 10.78.1.44
	kill -KILL "$PID"
	wait "$PID" || :
	printf '10.78.1.45 pvchv4.cluster.test\n' >"$T/hosts"
	mkdir -p "/etc/netns/${ns[1]}"
	cp "$T/hosts" "/etc/netns/${ns[1]}/hosts"
	daemon_start pvchv1
	rm -r "/etc/netns/${ns[1]}"
	wait_until 60 floods_are 1 vxlan100 10.78.1.45
}

@test "FRR configured for EVPN: no learning and no floods of ours; what bgpd put there is left alone" {
	daemon_start pvchv1
	network 100
	wait_until 60 in_force 1 100
	kill -KILL "$PID"
	wait "$PID" || :
	mkdir -p "$T/frr"
	printf 'zebra=yes\nbgpd=yes\n' >"$T/frr/daemons"
	printf 'router bgp 65001\n address-family l2vpn evpn\n  neighbor 10.78.1.2 activate\n  advertise-all-vni\n exit-address-family\n' >"$T/frr/frr.conf"
	export FRR=$T/frr
	daemon_start_with_frr
	link_is 1 vxlan100 UP "master vmbr100" nolearning
	floods_are 1 vxlan100 ""
	bridge -n "${ns[1]}" fdb append 00:00:00:00:00:00 dev vxlan100 dst 10.78.1.2 self extern_learn
	kill -HUP "$PID"
	zk create /nodes/pvchv3/cluster_address 10.78.1.3
	network 101
	wait_until 60 in_force 1 101
	floods_are 1 vxlan100 10.78.1.2
	floods_are 1 vxlan101 ""
	# and back
	sed -i 's/bgpd=yes/bgpd=no/' "$T/frr/daemons"
	kill -HUP "$PID"
	wait_until 60 floods_are 1 vxlan100 "10.78.1.2 10.78.1.3"
	run ! link_is 1 vxlan100 nolearning
}
daemon_start_with_frr() {
	[ -d /etc/frr ] || : >"$T/made-frr"
	mkdir -p /etc/frr # a place to put it, in the program's own view; goes again
	# shellcheck disable=SC2016 # the inner shell expands it
	ip netns exec "${ns[1]}" unshare --uts --mount sh -c 'mount --bind "$FRR" /etc/frr && hostname "$0" && exec pvc-watch-networks --debug --config "$1"' \
		pvchv1 "$T/pvchv1.yaml" >>"$T/pvchv1.out" 2>&1 3>&- &
	PID=$!
	remember "$PID"
	wait_until 120 started pvchv1 1
}

@test "D72: a bridged network has the MTU of bridge_device, not the cluster's; without VLANs in the kernel that is said" {
	ipn 1 link add eth9 mtu 4000 type veth peer name eth8
	ipn 1 link set eth9 up
	sed -i 's/bridge_device: eth1/bridge_device: eth9/' "$T/pvchv1.yaml"
	network 77 bridged
	network 78
	daemon_start pvchv1
	in_force 1 78
	link_is 1 vmbr77 UP "mtu 4000"
	link_is 1 vmbr78 "mtu 1450"
	if ipn 1 link add link eth9 name probe type vlan id 9 2>/dev/null; then
		wait_until 60 link_is 1 vlan77 UP "mtu 4000" "master vmbr77" "vlan protocol 802.1Q id 77" "addrgenmode none"
	else
		wait_until 60 key_says 77 "links: cannot make the VLAN vlan77: the kernel has no VLAN devices: load its module 8021q (modprobe 8021q)"
	fi
}

@test "D73: the host has no IPv6 on a bridged network, also when somebody turned it on" {
	network 77 bridged
	daemon_start pvchv1
	wait_until 60 link_is 1 vmbr77 UP "addrgenmode none"
	guest 1 77 192.0.2.1 # a carrier, without which no address would come in any case
	wait_until 60 link_is 1 vmbr77 LOWER_UP
	conf=/proc/sys/net/ipv6/conf/vmbr77
	[ "$(ip netns exec "${ns[1]}" cat $conf/disable_ipv6)" -eq 1 ]
	[ -z "$(ipn 1 -6 address show dev vmbr77)" ]
	ip netns exec "${ns[1]}" sh -c "echo 0 >$conf/disable_ipv6"
	kill -HUP "$PID"
	wait_until 60 setting_is "$conf/disable_ipv6" 1
	[ -z "$(ipn 1 -6 address show dev vmbr77)" ]
}
setting_is() { [ "$(ip netns exec "${ns[1]}" cat "$1")" = "$2" ]; }

@test "a network whose type changes is made anew as that type" {
	daemon_start pvchv1
	network 77
	wait_until 60 in_force 1 77
	zk set /networks/77/nettype bridged
	wait_until 60 no_link 1 vxlan77
	wait_until 60 link_is 1 vmbr77 "addrgenmode none" "mtu 1500"
	zk set /networks/77/nettype managed
	wait_until 60 link_is 1 vxlan77 UP "master vmbr77"
	wait_until 60 link_is 1 vmbr77 "mtu 1450"
	wait_until 60 setting_is /proc/sys/net/ipv6/conf/vmbr77/disable_ipv6 0
}

@test "the cluster bridge's MTU and the bridge itself may change; what does not fit is cut and named" {
	daemon_start pvchv1
	network 100
	wait_until 60 in_force 1 100
	ipn 1 link set brcluster mtu 1400
	wait_until 60 link_is 1 vxlan100 "mtu 1350"
	wait_until 60 link_is 1 vmbr100 "mtu 1350"
	said pvchv1 "brcluster has MTU 1400, less than system.configuration.networking.cluster.mtu 1500: managed networks get 1350"
	ipn 1 link del brcluster
	wait_until 60 said pvchv1 "network 100: links: there is no link brcluster for its VXLAN: run pvc-netsetup" # ZooKeeper was behind it
	NETNS=${ns[1]} as_node pvchv1 pvc-netsetup --config "$T/pvchv1.yaml" --timeout 0
	wait_until 60 link_is 1 vxlan100 "dev brcluster" "mtu 1450" "master vmbr100" UP
	wait_until 60 no_key /nodes/pvchv1/network_errors/100
}

@test "a missing or lost ZooKeeper deletes nothing; a lost /networks neither" {
	daemon_start pvchv1
	network 100
	wait_until 60 in_force 1 100
	zk_stop
	wait_until 60 said pvchv1 "no connection to ZooKeeper"
	ipn 1 link del vxlan100
	wait_until 60 link_is 1 vxlan100 UP "master vmbr100" # repaired all the same
	rm -r "$T/zk/data"
	zk_start "$ZK_PORT"
	# a program that starts now deletes nothing either
	kill -KILL "$PID"
	wait "$PID" || :
	daemon_start pvchv1
	said pvchv1 "/networks does not exist: nothing is changed until it does"
	link_is 1 vxlan100 UP "master vmbr100"
}

@test "D21: after an expired session everything is compared, also what was deleted meanwhile" {
	daemon_start pvchv1
	network 100
	network 101
	wait_until 60 in_force 1 100
	wait_until 60 in_force 1 101
	kill -STOP "$PID"
	wait_until 90 no_session
	py <<<'zk.delete("/networks/100", recursive=True)'
	network 102
	ipn 1 link del vmbr101
	kill -CONT "$PID"
	wait_until 60 in_force 1 102
	wait_until 60 no_link 1 vmbr100
	wait_until 60 link_is 1 vxlan101 "master vmbr101"
}
# no session has a connection
no_session() { ! ip netns exec "$ZK_NETNS" $PYTHON -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10); s.sendall(b"cons"); data = b""
while True:
    part = s.recv(65536)
    if not part: break
    data += part
sys.exit(0 if b"sid=0x" in data else 1)' "$ZK_PORT"; }

@test "300 networks, killed with -9 in the middle of making them: all are in force, none is there twice" {
	py <<-'E'
		for vni in range(1, 301):
		    network(vni)
	E
	for at in 20 90 200; do
		: >"$T/pvchv1.out"
		# shellcheck disable=SC2016 # the inner shell expands it
		ip netns exec "${ns[1]}" unshare --uts sh -c 'hostname "$0" && exec pvc-watch-networks --config "$1"' \
			pvchv1 "$T/pvchv1.yaml" >>"$T/pvchv1.out" 2>&1 3>&- &
		PID=$!
		remember "$PID"
		wait_until 60 links_made "$at"
		kill -KILL "$PID"
		wait "$PID" || :
		# each link of ours was made with its mark
		[ "$(ipn 1 -o link show | grep -cE ': (vmbr|vxlan)[0-9]+:')" -eq "$(ipn 1 -o link show | grep -c 'alias pvc')" ]
	done
	daemon_start pvchv1
	[ "$(ipn 1 -o link show | grep -cE ': vmbr[0-9]+: .*[<,]UP[,>].* mtu 1450')" -eq 300 ]
	[ "$(ipn 1 -o link show | grep -cE ': vxlan[0-9]+: .*[<,]UP[,>].* mtu 1450 .* master vmbr')" -eq 300 ]
	[ "$(bridge -n "${ns[1]}" fdb show | grep -c '^00:00:00:00:00:00 dev vxlan.* dst 10.78.1.2 ')" -eq 300 ]
	py <<-'E'
		for vni in range(1, 301, 2):
		    zk.delete("/networks/%d" % vni, recursive=True)
	E
	wait_until 120 counted 150
	[ -z "$(zk ls /nodes/pvchv1/network_errors 2>/dev/null)" ]
}
links_made() { [ "$(ipn 1 -o link show | grep -cE ': vxlan[0-9]+:')" -ge "$1" ]; }
counted() { [ "$(ipn 1 -o link show | grep -cE ': (vmbr|vxlan)[0-9]+')" -eq $(($1 * 2)) ]; }

@test "without enable_networking it says so and ends with 0; SIGTERM ends it with 0 and leaves the networks" {
	daemon_start pvchv1
	network 100
	wait_until 60 in_force 1 100
	kill -TERM "$PID"
	wait "$PID"
	link_is 1 vxlan100 UP "master vmbr100"
	sed -i 's/enable_networking: True/enable_networking: False/' "$T/pvchv1.yaml"
	run as_node pvchv1 pvc-watch-networks --config "$T/pvchv1.yaml"
	[ "$status" -eq 0 ]
	[[ $output == *"enable_networking is false"* ]]
}

# rule VNI DIRECTION NAME ORDER TEXT: as the client adds one
rule() { py "$@" <<-'E'
	base = "/networks/%s/firewall_rules/%s/%s" % tuple(sys.argv[1:4])
	t = zk.transaction()
	t.create(base, b"")
	t.create(base + "/order", sys.argv[4].encode())
	t.create(base + "/rule", sys.argv[5].encode())
	for r in t.commit():
	    assert not isinstance(r, Exception), r
	E
}
nftn() { ip netns exec "${ns[$1]}" nft "${@:2}"; }
# what the operator's rules of a chain match, in their order, in one line
chain() { nftn 1 list chain inet pvc "$1" 2>/dev/null | sed -n 's/^\t\t\(.*\) counter packets .* bytes [0-9]* \(.*\)$/\1 \2/p; s/^\t\tcounter packets .* bytes [0-9]* \(.*\)$/\1/p' | sed 's/ comment .*//' | xargs -d '\n' | tr -d '"'; }
chain_is() { [ "$(chain "$1")" = "$2" ]; }

@test "D66, D67: rules are in force in the order of their numbers; a changed text or number of a rule that is there is noticed" {
	network 100
	rule 100 in ten 10 "tcp dport 1010 accept"
	rule 100 in two 2 "tcp dport 1002 accept"
	rule 100 in same1 5 "tcp dport 1051 accept"
	rule 100 in same2 5 "tcp dport 1052 accept"
	daemon_start pvchv1
	wait_until 60 chain_is vxlan100-in "tcp dport 1002 accept tcp dport 1051 accept tcp dport 1052 accept tcp dport 1010 accept" || {
		nftn 1 list chain inet pvc vxlan100-in
		false
	}
	zk set /networks/100/firewall_rules/in/two/rule "udp dport 53 accept"
	wait_until 60 chain_is vxlan100-in "udp dport 53 accept tcp dport 1051 accept tcp dport 1052 accept tcp dport 1010 accept"
	zk set /networks/100/firewall_rules/in/ten/order 1
	wait_until 60 chain_is vxlan100-in "tcp dport 1010 accept udp dport 53 accept tcp dport 1051 accept tcp dport 1052 accept"
	rule 100 out all 0 "ip daddr 192.0.2.1 drop"
	wait_until 60 chain_is vxlan100-out "ip daddr 192.0.2.1 drop"
	py <<<'zk.delete("/networks/100/firewall_rules/in/two", recursive=True)'
	wait_until 60 chain_is vxlan100-in "tcp dport 1010 accept tcp dport 1051 accept tcp dport 1052 accept"
	[ -z "$(zk ls /nodes/pvchv1/network_errors 2>/dev/null)" ]
}

@test "D64, D65: a bad rule and an injection are named; the network's other rules and all other networks are in force" {
	network 100
	network 101
	rule 100 in good 1 "tcp dport 22 accept"
	rule 100 in syntax 2 "tcp dport twenty-two accept"
	rule 100 in inject 3 "accept; add table inet stolen"
	py <<-'E'
		zk.create("/networks/100/firewall_rules/in/long", b"")
		zk.create("/networks/100/firewall_rules/in/long/order", b"4")
		zk.create("/networks/100/firewall_rules/in/long/rule", b"accept " * 10000)
	E
	rule 101 out good 1 "tcp dport 23 accept"
	daemon_start pvchv1
	wait_until 60 chain_is vxlan100-in "tcp dport 22 accept"
	wait_until 60 chain_is vxlan101-out "tcp dport 23 accept"
	for name in syntax inject long; do wait_until 60 error_of 100 "firewall: in/$name: "; done
	for name in syntax inject long; do said pvchv1 "in/$name: "; done
	run ! nftn 1 list table inet stolen
	no_key /nodes/pvchv1/network_errors/101
	zk set /networks/100/firewall_rules/in/syntax/rule "tcp dport 222 accept"
	wait_until 60 chain_is vxlan100-in "tcp dport 22 accept tcp dport 222 accept"
	py <<-'E'
		zk.delete("/networks/100/firewall_rules/in/inject", recursive=True)
		zk.delete("/networks/100/firewall_rules/in/long", recursive=True)
	E
	wait_until 60 no_key /nodes/pvchv1/network_errors/100
}
error_of() { zk get "/nodes/pvchv1/network_errors/$1" | grep -qF -- "$2"; }

@test "chains come and go with networks, also over kill -9; what somebody else does to them is put right" {
	network 100
	network 101
	rule 100 in a 1 "tcp dport 22 accept"
	daemon_start pvchv1
	wait_until 60 chain_is vxlan100-in "tcp dport 22 accept"
	kill -KILL "$PID"
	wait "$PID" || :
	chain_is vxlan100-in "tcp dport 22 accept" # filtered all the while
	py <<<'zk.delete("/networks/101", recursive=True)'
	network 102
	daemon_start pvchv1
	wait_until 60 no_chain vxlan101-in
	nftn 1 list chain inet pvc vxlan102-in
	chain_is vxlan100-in "tcp dport 22 accept"
	py <<<'zk.delete("/networks/100", recursive=True)'
	wait_until 60 no_chain vxlan100-in
	nftn 1 flush table inet pvc
	NETNS=${ns[1]} as_node pvchv1 pvc-firewall --config "$T/pvchv1.yaml"
	network 103
	wait_until 60 in_force 1 103
	wait_until 60 nftn 1 list chain inet pvc vxlan103-in
	wait_until 60 dispatched vmbr102
	zk set /networks/103/nettype bridged
	wait_until 60 no_chain vxlan103-in
}
no_chain() { ! nftn 1 list chain inet pvc "$1" >/dev/null 2>&1; }
dispatched() { nftn 1 list table inet pvc | grep -q "\"$1\" : jump"; }
