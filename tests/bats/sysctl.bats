#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-sysctl in a network namespace of its own, which has settings of its own.

bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup() {
	test_begin
	netns_make peer
	PEER=$NETNS
	netns_make host
	HOST=$NETNS
	for i in 0 1 2; do
		ip -n "$PEER" link add "p$i" type veth peer name "eth$i" netns "$HOST"
		ip -n "$PEER" link set "p$i" up
	done
	CONFIG=$T/pvcd.yaml
	write_config "$CONFIG"
	for link in brcluster brupstream; do ip -n "$HOST" link add $link type bridge; done
	set_to net.ipv4.ip_forward 0
	set_to net.ipv6.conf.all.forwarding 0
}
teardown() { test_cleanup; }

in_host() { ip netns exec "$HOST" "$@"; }
set_to() { in_host sysctl -qw "$1=$2"; }
get() { in_host sysctl -n "$1"; }
is() { [ "$(get "$1")" = "$2" ] || { echo "$1 is $(get "$1"), not $2" && false; }; }
settings() { as_node pvchv1 pvc-sysctl --config "$CONFIG" "$@"; }
all_settings() { in_host sysctl -a 2>/dev/null | grep '^net.ipv[46].\(conf\|ip_forward\)' | grep -v stable_secret; }

@test "D74: IPv4 and IPv6 forwarding are on, for new links too; keys that no kernel has are not asked for" {
	run settings --debug
	[ "$status" -eq 0 ]
	for key in ipv4.ip_forward ipv4.conf.all.forwarding ipv4.conf.brupstream.forwarding ipv6.conf.all.forwarding ipv6.conf.default.forwarding \
		ipv6.conf.brcluster.forwarding ipv4.conf.all.send_redirects ipv4.conf.default.send_redirects; do
		is net.$key 1
	done
	ip -n "$HOST" link add later type bridge
	is net.ipv4.conf.later.forwarding 1
	is net.ipv6.conf.later.forwarding 1
	run ! grep -e ipv6.ip_forward -e 'ipv6.*send_redirects' -e 'ipv6.*rp_filter' <(printf '%s\n' "$output")
}

@test "D75: source routing is off for both families" {
	for family in ipv4 ipv6; do
		set_to net.$family.conf.all.accept_source_route 1
		set_to net.$family.conf.default.accept_source_route 1
	done
	run settings
	[ "$status" -eq 0 ]
	for family in ipv4 ipv6; do
		is net.$family.conf.all.accept_source_route 0
		is net.$family.conf.default.accept_source_route 0
	done
}

@test "the path filter is off on our links, and other links keep what conf.all gave them" {
	set_to net.ipv4.conf.all.rp_filter 1
	set_to net.ipv4.conf.default.rp_filter 0
	for link in eth0 eth1 eth2 brcluster brupstream; do set_to net.ipv4.conf.$link.rp_filter 0; done
	set_to net.ipv4.conf.eth0.rp_filter 2
	run settings
	[ "$status" -eq 0 ]
	is net.ipv4.conf.all.rp_filter 0
	for link in eth0 eth1 brcluster brupstream; do is net.ipv4.conf.$link.rp_filter 0; done
	for link in eth2 lo default; do is net.ipv4.conf.$link.rp_filter 1; done
}

@test "a second run changes nothing and says so" {
	settings
	all_settings >"$T/before"
	run settings
	[ "$status" -eq 0 ]
	[[ "$output" == *"nothing to do"* ]]
	[ "${#lines[@]}" -eq 1 ]
	all_settings >"$T/after"
	diff "$T/before" "$T/after"
}

@test "--check names what differs with both values and changes nothing; --dry-run too" {
	settings
	run settings --check
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	set_to net.ipv4.ip_forward 0
	set_to net.ipv4.conf.brupstream.rp_filter 2
	all_settings >"$T/before"
	run settings --check
	[ "$status" -eq 2 ]
	[[ "$output" == *"net.ipv4.ip_forward is 0, wanted 1"* ]]
	[[ "$output" == *"net.ipv4.conf.brupstream.rp_filter is 2, wanted 0"* ]]
	run settings --dry-run
	[ "$status" -eq 0 ]
	[[ "$output" == *"would change net.ipv4.ip_forward from 0 to 1"* ]]
	all_settings >"$T/after"
	diff "$T/before" "$T/after"
	settings
	settings --check
}

@test "links that are missing are left out, and named with --debug" {
	ip -n "$HOST" link del brupstream
	run settings
	[ "$status" -eq 0 ]
	[[ "$output" != *"brupstream"* ]]
	run settings --debug
	[[ "$output" == *"no net.ipv4.conf.brupstream.rp_filter: left out"* ]]
}

@test "devices with a dot in their name are found" {
	ip -n "$HOST" link add eth0.10 type bridge
	set_to net.ipv4.conf.eth0/10.rp_filter 1
	sed -i 's/device: eth0/device: eth0.10/' "$CONFIG"
	settings
	is net.ipv4.conf.eth0/10.rp_filter 0
}

# advertise: one router advertisement from the peer, as a router sends them; $1 is the prefix that it carries.
advertise() {
	ip netns exec "$PEER" "$PYTHON" - "$1" <<-'E'
		import ipaddress, socket, struct, sys
		s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
		prefix = ipaddress.IPv6Address(sys.argv[1]).packed
		s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 86400, 14400, 0) + prefix,
		         ("ff02::1", 0, 0, socket.if_nametoindex("p0")))
	E
}
learned() { advertise "$2" && ip -n "$HOST" -6 address show dev "$1" | grep -q "${2%::}:" && ip -n "$HOST" -6 route show default | grep -q "dev $1"; }

@test "D74: a default route from a router advertisement outlives the bridge and the forwarding, and advertisements are still heard" {
	for link in brcluster brupstream; do ip -n "$HOST" link del $link; done
	ip -n "$HOST" link set eth0 up
	wait_until 60 learned eth0 2001:db8:1::
	as_node pvchv1 pvc-netsetup --config "$CONFIG" --timeout 0
	ip -n "$HOST" -6 route show default | grep -q 'dev brupstream'
	settings
	is net.ipv6.conf.all.forwarding 1
	is net.ipv6.conf.brupstream.accept_ra 2
	ip -n "$HOST" -6 route show default | grep -q 'dev brupstream'
	wait_until 60 learned brupstream 2001:db8:2::
	as_node pvchv1 pvc-netsetup --config "$CONFIG" --check
}

@test "a link on its own with a default route from a router advertisement keeps it" {
	ip -n "$HOST" link set eth0 up
	sed -i 's/device: eth0/device: eth1/' "$CONFIG"
	wait_until 60 learned eth0 2001:db8:1::
	settings
	is net.ipv6.conf.eth0.accept_ra 2
	ip -n "$HOST" -6 route show default | grep -q 'dev eth0'
}

@test "a host that does not listen to router advertisements is not made to" {
	set_to net.ipv6.conf.eth0.accept_ra 0
	set_to net.ipv6.conf.brupstream.accept_ra 0
	settings
	is net.ipv6.conf.eth0.accept_ra 0
	is net.ipv6.conf.brupstream.accept_ra 0
}

@test "settings that are read-only are named, and the exit code tells" {
	run ip netns exec "$HOST" unshare --uts --mount sh -c 'hostname pvchv1; mount -o bind,ro /proc/sys /proc/sys && exec "$@"' - "$BUILD/bin/pvc-sysctl" --config "$CONFIG"
	[ "$status" -eq 71 ]
	[[ "$output" == *"cannot set net.ipv4.ip_forward to 1: it is read-only here"* ]]
	is net.ipv4.ip_forward 0
}

@test "with enable_networking off it says so and touches nothing" {
	sed -i 's/enable_networking: True/enable_networking: False/' "$CONFIG"
	run settings
	[ "$status" -eq 0 ]
	[[ "$output" == *"enable_networking"*"nothing to do"* ]]
	is net.ipv4.ip_forward 0
}
