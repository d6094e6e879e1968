#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The network calls of the reference's client library of v0.6, replayed (tests/data/client-v06) against networks that
# pvcctl made, and pvcctl against networks that the library made. tests/interop/run-client drives the library itself,
# and records.
# shellcheck disable=SC2154 # status, output
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() {
	test_begin
	zk_start
}
teardown_file() { test_cleanup; }
setup() {
	for key in $(zk ls /); do [ "$key" = zookeeper ] || zk rm "/$key"; done
	"$PYTHON" "$TOP/tests/lib/cluster.py" "$ZK" init
}

MAC=52:54:00:aa:bb:02
net() { timeout 120 pvcctl -z "$ZK" network "$@"; }
client() { # TRANSCRIPT [WORD=VALUE]...
	local transcript=$1
	shift
	"$PYTHON" "$TOP/tests/lib/replay.py" "$ZK" "$TOP/tests/data/client-v06/network-$transcript.json" "$@"
}
client_net() { client "$1" VNI=3900 NET=green "${@:2}"; }
add() { # as the recorded call did
	net add 3900 green --ipnet 10.77.0.0/24 --gateway 10.77.0.1 --ipnet6 2001:db8:77::/64 \
		--dhcp --dhcp-start 10.77.0.10 --dhcp-end 10.77.0.99
}

@test "a network made with pvcctl has the very keys and values that the v0.6 client writes, managed and bridged" {
	client_net add-network
	zk tree /networks/3900 >"$T/theirs"
	client_net remove-network
	run ! zk exists /networks/3900
	add
	diff "$T/theirs" <(zk tree /networks/3900)
	net remove green
	client_net add-network-bridged
	zk tree /networks/3900 >"$T/theirs"
	net remove 3900
	net add 3900 green --type bridged
	diff "$T/theirs" <(zk tree /networks/3900)
}

@test "rules and reservations of pvcctl have the very keys and values that the v0.6 client writes" {
	client_net add-network
	client_net add-acl RULE=ssh
	client_net add-dhcp-reservation MAC=$MAC
	zk tree /networks/3900 >"$T/theirs"
	net rule remove 3900 ssh
	net dhcp remove 3900 $MAC
	net rule add 3900 in ssh 'tcp dport 22 accept'
	net dhcp add 3900 $MAC 10.77.0.5 --hostname web1
	diff "$T/theirs" <(zk tree /networks/3900)
}

@test "v0.6 client: lists, shows, changes and removes networks that pvcctl made" {
	add
	net add 3901 blue --type bridged
	net add 3902 red --ipnet6 2001:db8:1::/64
	net rule add green in ssh 'tcp dport 22 accept'
	net rule add green out last drop
	net dhcp add green $MAC 10.77.0.5
	client get-list
	client get-info VNI=3900
	client get-info VNI=3901
	client get-info VNI=3902
	client get-list-acl VNI=3900
	client get-list-dhcp VNI=3900
	client_net modify-network
	client_net remove-acl RULE=ssh
	client_net remove-dhcp-reservation MAC=$MAC
	run net rule list 3900
	[ "${#lines[@]}" -eq 2 ] && [[ "${lines[1]}" == *last* ]]
	run net dhcp list 3900
	[ "${#lines[@]}" -eq 1 ]
	client_net remove-network
	client get-list
	[ "$(net list | wc -l)" -eq 3 ]
}

@test "pvcctl: reads what the v0.6 client wrote, a list of name servers too, and goes on with it" {
	client_net add-network
	client_net add-acl RULE=ssh
	zk create /networks/3900/firewall_rules/out/last/order 0
	zk create /networks/3900/firewall_rules/out/last/rule drop
	client_net add-dhcp-reservation MAC=$MAC
	client_net modify-network
	[ "$(zk get /networks/3900/name_servers)" = "['192.0.2.1', '192.0.2.2']" ]
	run net info green
	[[ "$output" == *"Name servers:    192.0.2.1, 192.0.2.2"* ]]
	[[ "$output" == *"DHCP to:         10.77.0.88"* ]]
	[[ "$output" == *"IPv6 gateway:    2001:db8:78::1"* ]]
	[[ "$output" == *"Rules in:        ssh: tcp dport 22 accept"* ]]
	net modify green --no-dhcp --name olive
	net rule add olive in first accept --order 0
	[ "$(zk get /networks/3900/firewall_rules/in/ssh/order)" = 1 ]
	net rule remove olive ssh
	net dhcp remove olive 10.77.0.5
	client get-list-acl VNI=3900
	net remove olive
}

@test "no moment shows half a network, which the v0.6 client could not list, while pvcctl adds, changes and removes it" {
	add
	timeout 120 "$PYTHON" - "$ZK" >"$T/listed" 2>&1 3>&- <<-'E' &
		import sys, logging
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		keys = ["", "/nettype", "/domain", "/name_servers", "/ip6_network", "/ip6_gateway", "/dhcp6_flag", "/ip4_network",
		        "/ip4_gateway", "/dhcp4_flag", "/dhcp4_start", "/dhcp4_end", "/firewall_rules/in", "/dhcp4_leases"]
		c = KazooClient(hosts=sys.argv[1]); c.start()
		base = "/networks/3901"
		print("looking", flush=True)
		while not c.exists("/stop"):
		    # (one look is many reads: it counts when the network was the same one when it began and when it ended)
		    before = c.exists(base)
		    missing = [k for k in keys if not c.exists(base + k)]
		    after = c.exists(base)
		    if missing and before and after and before.czxid == after.czxid:
		        print("without", missing, flush=True)
		print("end", flush=True)
		c.stop()
	E
	pid=$!
	wait_until 60 grep -q looking "$T/listed"
	for i in {1..10}; do
		net add 3901 blue --ipnet 10.78.0.0/24 --gateway 10.78.0.1
		net modify blue --gateway 10.78.0.2 --domain "d$i.example"
		net rule add blue in a accept
		net remove blue
	done
	zk create /stop
	wait "$pid"
	diff - "$T/listed" <<-E
		looking
		end
	E
}

@test "the replay fails where the library would: each key it needs taken away is named" {
	add
	for key in nettype domain name_servers ip6_network ip6_gateway dhcp6_flag ip4_network ip4_gateway dhcp4_flag dhcp4_start dhcp4_end; do
		value=$(zk get "/networks/3900/$key")
		zk rm "/networks/3900/$key"
		run client get-list
		[ "$status" -ne 0 ] && [[ "$output" == *"/networks/3900/$key does not exist"* ]]
		zk create "/networks/3900/$key" "$value"
	done
	client get-list
	net rule add green in ssh accept
	net rule add green out last accept
	zk set /networks/3900/firewall_rules/in/ssh/order first
	run client get-list-acl VNI=3900
	[ "$status" -ne 0 ] && [[ "$output" == *"/in/ssh/order = "*"ValueError"* ]]
	zk create /networks/text
	run client get-list
	[ "$status" -ne 0 ] && [[ "$output" == *"text"* ]]
}
