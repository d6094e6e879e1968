#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-netsetup in a network namespace of its own: a host with eth0 (upstream), eth1 (cluster) and eth2 (storage), each
# wired to a peer in a second namespace.

bats_require_minimum_version 1.5.0
load ../lib/common.bash

OPERATOR=10.78.0.77

setup() {
	test_begin
	netns_make peer
	PEER=$NETNS
	peer_up
	host_up
	CONFIG=$T/pvcd.yaml
	write_config "$CONFIG"
}
teardown() { test_cleanup; }

peer_up() {
	local i
	for i in 0 1 2; do
		ip -n "$PEER" link add "sw$i" type bridge
		ip -n "$PEER" link set "sw$i" mtu 9000 up
	done
	ip -n "$PEER" address add 10.78.0.254/24 dev sw0
	ip -n "$PEER" address add 10.78.0.253/24 dev sw0
	ip -n "$PEER" address add 10.78.1.99/24 dev sw1
	ip -n "$PEER" address add 10.78.2.99/24 dev sw2
	ip -n "$PEER" -6 address add 2001:db8:78::254/64 dev sw0 nodad
}
# host_up: a fresh host; the one before is gone.
host_up() {
	local i
	[ -z "${HOST:-}" ] || ip netns del "$HOST"
	netns_make host
	HOST=$NETNS
	for i in 0 1 2; do
		ip -n "$PEER" link del "p$i" 2>/dev/null || :
		ip -n "$PEER" link add "p$i" mtu 9000 type veth peer name "eth$i" netns "$HOST"
		ip -n "$PEER" link set "p$i" master "sw$i" up
	done
}
# operator_on DEVICE: what an operator who works over ssh depends on.
operator_on() {
	ip -n "$HOST" link set "$1" up
	ip -n "$HOST" address add $OPERATOR/24 broadcast 10.78.0.255 dev "$1"
	ip -n "$HOST" address add 10.78.0.78/24 dev "$1"
	ip -n "$HOST" -6 address add 2001:db8:78::77/64 dev "$1" nodad
	ip -n "$HOST" route add default via 10.78.0.254 dev "$1" proto dhcp src $OPERATOR metric 100
	ip -n "$HOST" route add 10.99.0.0/16 via 10.78.0.253 dev "$1" mtu 1400 src $OPERATOR
	ip -n "$HOST" route add 192.0.2.1 dev "$1"
	ip -n "$HOST" route add 198.51.100.0/24 via 192.0.2.1 dev "$1" table 77
	ip -n "$HOST" -6 route add default via 2001:db8:78::254 dev "$1" metric 512
}
netsetup() { as_node pvchv1 pvc-netsetup --config "$CONFIG" --timeout 0 "$@"; }
ipn() { ip -n "$HOST" "$@"; }
has_address() { ipn -br address show dev "$1" | grep -qw -- "$2"; }
is_port() { [ "$(readlink_master "$1")" = "$2" ]; }
readlink_master() { ipn -o link show dev "$1" | sed -n 's/.* master \([^ ]*\) .*/\1/p'; }
mtu() { ipn -o link show dev "$1" | sed -n 's/.* mtu \([0-9]*\) .*/\1/p'; }
mac() { ipn -o link show dev "$1" | sed -n 's/.*link\/ether \([^ ]*\) .*/\1/p'; }
settled() { ! ipn -6 address show | grep -q tentative; }
# state: links, addresses and routes as text that two moments can be compared by.
state() {
	wait_until 60 settled
	ipn -o link show | sed -e 's/ state [A-Z]*//' -e 's/,LOWER_UP//' -e 's/NO-CARRIER,//' -e 's/^[0-9]*: //' -e 's/ qdisc [a-z]*//' -e 's/ link-netns[^ ]* [^ ]*//' -e 's/@if[0-9]*//' |
		sort
	ipn -o address show | sed -e 's/^[0-9]*: //' | grep -v fe80 | sort
	ipn route show table all | grep -v -e fe80 -e 'multicast ff00' | sed 's/ linkdown//' | sort
	ipn -6 route show table all | grep -v -e fe80 -e 'multicast ff00' | sed 's/ linkdown//' | sort
}
same_state() { diff "$1" "$2" >&2; }

@test "a fresh host gets three bridges with their devices, MTUs, addresses by-id and the default route (D81: no bridge-utils)" {
	sed -i '/^        cluster:$/,/mtu/s/mtu: 1500/mtu: 9000/' "$CONFIG"
	run netsetup
	[ "$status" -eq 0 ]
	is_port eth0 brupstream
	is_port eth1 brcluster
	is_port eth2 brstorage
	has_address brupstream 10.78.0.1/24
	has_address brcluster 10.78.1.1/24
	has_address brstorage 10.78.2.1/24
	[ "$(mtu eth1)" = 9000 ]
	[ "$(mtu brcluster)" = 9000 ]
	[ "$(mtu eth0)" = 1500 ]
	[ "$(mtu brupstream)" = 1500 ]
	[ "$(ipn route show default)" = "default via 10.78.0.254 dev brupstream proto static " ]
	[ "$(mac brupstream)" = "$(mac eth0)" ]
	ipn -d link show brcluster | grep -q 'forward_delay 0 .*stp_state 0 '
	wait_until 60 ip netns exec "$HOST" ping -c1 -W1 10.78.0.254
	wait_until 60 ip netns exec "$HOST" ping -c1 -W1 10.78.1.99
	wait_until 60 ip netns exec "$HOST" ping -c1 -W1 10.78.2.99
}

@test "a port with a smaller MTU does not make a bridge's smaller" {
	netsetup
	ipn link add tap0 mtu 1300 type veth peer name guest0
	ipn link set tap0 master brcluster
	[ "$(mtu brcluster)" = 1500 ]
	netsetup --check
}

@test "networks that share a device share its bridge (D32)" {
	sed -i 's/device: eth[02]/device: eth1/' "$CONFIG"
	run netsetup
	[ "$status" -eq 0 ]
	is_port eth1 brcluster
	for a in 10.78.0.1 10.78.1.1 10.78.2.1; do has_address brcluster $a/24; done
	[ "$(ipn route show default)" = "default via 10.78.0.254 dev brcluster proto static " ]
	run ! ipn link show brupstream
	run ! ipn link show brstorage
}

@test "upstream on the storage device uses brstorage" {
	sed -i 's/device: eth0/device: eth2/' "$CONFIG"
	run netsetup
	[ "$status" -eq 0 ]
	is_port eth2 brstorage
	has_address brstorage 10.78.0.1/24
	has_address brstorage 10.78.2.1/24
	run ! ipn link show brupstream
	[ -z "$(readlink_master eth0)" ]
}

@test "an address may be static or None, and without one on upstream there is no default route, which is said" {
	sed -i -e '/device: eth0/,/address/s/by-id/None/' -e '/device: eth2/,/address/s/by-id/10.78.2.44\/24/' "$CONFIG"
	run netsetup
	[ "$status" -eq 0 ]
	[[ "$output" == *"no default route via 10.78.0.254"*"gateway"* ]]
	has_address brstorage 10.78.2.44/24
	[ -z "$(ipn -4 -o address show dev brupstream)" ]
	[ -z "$(ipn route show default)" ]
	netsetup --check
}

@test "IPv6 networks get their addresses, usable when it returns, and the IPv6 default route" {
	sed -i -e 's|network: 10.78.0.0/24|network: 2001:db8:78::/64|' -e 's|floating_ip: 10.78.0.250/24|floating_ip: 2001:db8:78::250/64|' \
		-e 's|gateway: .*|gateway: 2001:db8:78::254|' "$CONFIG"
	run netsetup
	[ "$status" -eq 0 ]
	has_address brupstream 2001:db8:78::1/64
	run ! grep -q tentative <(ipn -6 address show dev brupstream scope global)
	[[ "$(ipn -6 route show default)" == "default via 2001:db8:78::254 dev brupstream proto static metric 1024"* ]]
	wait_until 60 ip netns exec "$HOST" ping -c1 -W1 2001:db8:78::254
	netsetup --check
}

@test "with enable_networking off it says so and touches nothing" {
	state >"$T/before"
	sed -i 's/enable_networking: True/enable_networking: False/' "$CONFIG"
	run netsetup
	[ "$status" -eq 0 ]
	[[ "$output" == *"enable_networking"*"nothing to do"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
}

# ---- idempotence, drift ----

# quiet_while COMMAND...: fails when the kernel announced a change of links, addresses, routes or rules meanwhile.
quiet_while() {
	local monitor
	rm -f "$T/monitor" # marks of an earlier one
	ip -n "$HOST" monitor link address route rule >"$T/monitor" 2>&1 3>&- &
	monitor=$!
	remember $monitor
	wait_until 60 marked 127.0.99.1 # until it listens
	"$@"
	wait_until 60 marked 127.0.99.2
	kill -KILL "$monitor"
	sed -n '0,/127.0.99.2/p' "$T/monitor" | grep -v -e 127.0.99 -e valid_lft >"$T/announced" || :
	[ ! -s "$T/announced" ] || { echo "announced:" && cat "$T/announced" && false; } >&2
}
marked() {
	ipn address replace "$1/32" dev lo
	grep -q "inet $1" "$T/monitor"
}

@test "D81: a second run changes nothing: the kernel announces no change at all" {
	operator_on eth0
	netsetup
	state >"$T/before"
	quiet_while netsetup
	run netsetup
	[ "$status" -eq 0 ]
	[[ "$output" == *"nothing to do"* ]]
	ipn address flush to 127.0.99.0/24
	state >"$T/after"
	same_state "$T/before" "$T/after"
	run ! quiet_while ipn link set eth1 mtu 1499 # the measure itself notices a change
}

@test "--check names each difference and changes nothing; a run mends them" {
	netsetup
	run netsetup --check
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	ipn address del 10.78.1.1/24 dev brcluster
	ipn link set eth2 nomaster
	ipn link set eth1 mtu 1400
	ipn route del default
	ipn link set brstorage down
	ipn link set brupstream type bridge forward_delay 1500
	state >"$T/before"
	run netsetup --check
	[ "$status" -eq 2 ]
	[[ "$output" == *"brcluster has no address 10.78.1.1/24"* ]]
	[[ "$output" == *"eth2 is no port of brstorage"* ]]
	[[ "$output" == *"eth1: MTU is 1400, configured 1500"* ]]
	[[ "$output" == *"no default route via 10.78.0.254 over brupstream"* ]]
	[[ "$output" == *"brstorage is down"* ]]
	[[ "$output" == *"brupstream: spanning tree is off, forwarding delay 15.00 s"* ]]
	[ "${#lines[@]}" -eq 6 ] || { echo "$output"; false; }
	state >"$T/after"
	same_state "$T/before" "$T/after"
	netsetup
	netsetup --check
}

@test "--dry-run prints the plan and changes nothing" {
	operator_on eth0
	state >"$T/before"
	run --separate-stderr netsetup --dry-run
	[ "$status" -eq 0 ]
	[[ "$output" == *"would create bridge brupstream with MAC $(mac eth0)"* ]]
	[[ "$output" == *"would add address $OPERATOR/24 to brupstream"*"would make eth0 a port of brupstream"*"would remove address $OPERATOR/24 from eth0"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
}

# ---- the operator's connection ----

@test "the operator's addresses and routes move to the bridge as they were, and come back with undo" {
	operator_on eth0
	state >"$T/before"
	netsetup
	has_address brupstream $OPERATOR/24
	has_address brupstream 10.78.0.78/24
	has_address brupstream 2001:db8:78::77/64
	[ -z "$(ipn -o address show dev eth0 scope global)" ]
	ipn -o address show dev brupstream | grep -q "$OPERATOR/24 brd 10.78.0.255 scope global brupstream"
	ipn route show | grep -q "^default via 10.78.0.254 dev brupstream proto dhcp src $OPERATOR metric 100"
	ipn route show | grep -q "^10.99.0.0/16 via 10.78.0.253 dev brupstream src $OPERATOR mtu 1400"
	ipn route show table 77 | grep -q "^198.51.100.0/24 via 192.0.2.1 dev brupstream"
	ipn -6 route show | grep -q "^default via 2001:db8:78::254 dev brupstream metric 512"
	run ! grep -v -e fe80 -e ff00 <(ipn route show table all dev eth0)
	netsetup --check
	sed -i '/device: eth0/,/address/s/by-id/None/' "$CONFIG" # what we added is not the operator's
	ipn address del 10.78.0.1/24 dev brupstream
	netsetup undo
	run ! ipn link show type bridge brupstream
	ipn address flush dev eth1 scope global
	ipn address flush dev eth2 scope global
	ipn link set eth1 down
	ipn link set eth2 down
	state >"$T/after"
	same_state "$T/before" "$T/after"
}

pinged() { [ "$(grep -c icmp_seq "$T/ping")" -gt "$1" ]; }
@test "an open connection survives the move of its address, and pings go on" {
	operator_on eth0
	cat >"$T/echo.py" <<-'E'
		import socket
		s = socket.create_server(("0.0.0.0", 4000)); print("ready", flush=True)
		c, _ = s.accept()
		while (d := c.recv(100)): c.sendall(d)
	E
	ip netns exec "$HOST" "$PYTHON" "$T/echo.py" >"$T/echo.log" 2>&1 3>&- &
	remember $!
	wait_until 60 grep -q ready "$T/echo.log"
	ip netns exec "$PEER" ping -i 0.01 $OPERATOR >"$T/ping" 2>&1 3>&- &
	ping=$!
	remember $ping
	wait_until 60 grep -q 'icmp_seq=20 ' "$T/ping"
	mkfifo "$T/orders"
	ip netns exec "$PEER" "$PYTHON" - $OPERATOR "$T/orders" >"$T/client.log" 2>&1 3>&- <<-'E' &
		import socket, sys
		c = socket.create_connection((sys.argv[1], 4000)); c.settimeout(60)
		for line in open(sys.argv[2]):
		    c.sendall(line.encode()); print(c.recv(100).decode().strip(), flush=True)
	E
	remember $!
	exec 7>"$T/orders"
	echo before >&7
	wait_until 60 grep -q before "$T/client.log"
	netsetup
	echo after >&7
	wait_until 60 grep -q after "$T/client.log"
	exec 7>&-
	wait_until 60 pinged $(($(grep -c icmp_seq "$T/ping") + 50))
	kill -INT $ping
	wait_until 60 grep -q 'packets transmitted' "$T/ping"
	lost=$(awk '/packets transmitted/ { print $1 - $4 }' "$T/ping")
	[ "$lost" -lt 500 ] || { tail -3 "$T/ping"; false; } # of 10 ms each: a blink, no time-out of anything
}

@test "an address with a lifetime keeps it, and the operator is told" {
	ipn link set eth0 up
	ipn address add $OPERATOR/24 dev eth0 valid_lft 4000 preferred_lft 3000
	run netsetup
	[ "$status" -eq 0 ]
	[[ "$output" == *"$OPERATOR/24 on eth0 has a lifetime"* ]]
	ipn address show dev brupstream | grep -A1 $OPERATOR | grep -q 'valid_lft [34][0-9]*sec preferred_lft [23]'
}

# faulty_netsetup FAULT N: netsetup, of which the N-th change that it asks the kernel for meets a FAULT: "kill" ends it
# before, "refuse" lets the request fail.
faulty_netsetup() {
	[ -e "$T/fault.so" ] || cc -shared -fPIC -o "$T/fault.so" -x c - <<-'E'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <errno.h>
		#include <signal.h>
		#include <stdlib.h>
		#include <sys/socket.h>
		ssize_t sendto(int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l)
		{
			static int count;
			ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
			int kind = ((const unsigned char *)b)[4] & 3; /* of nlmsg_type: 0 new, 1 delete, 2 get */
			if (kind != 2 && ++count == atoi(getenv("FAULT_AT"))) {
				if (getenv("FAULT")[0] == 'k') raise(SIGKILL);
				errno = ENOBUFS;
				return -1;
			}
			return real(fd, b, n, f, a, l);
		}
	E
	LD_PRELOAD=$T/fault.so FAULT=$1 FAULT_AT=$2 netsetup
}

@test "kill -9 before any change: nothing of the operator's is lost, and the next run converges" {
	operator_on eth0
	netsetup
	state >"$T/wanted"
	for ((n = 1; ; n++)); do
		host_up
		operator_on eth0
		run faulty_netsetup kill $n
		[ "$status" -ne 0 ] || break
		[ "$status" -eq 137 ] || { echo "at $n: status $status: $output"; false; }
		ipn -br address | grep -qw $OPERATOR/24
		ipn -br address | grep -qw 2001:db8:78::77/64
		ipn route show | grep -q "^default via 10.78.0.254 .* proto dhcp src $OPERATOR metric 100"
		ipn route show | grep -q '^10.99.0.0/16 via 10.78.0.253 .* mtu 1400'
		ipn -6 route show | grep -q '^default via 2001:db8:78::254 .* metric 512'
		run netsetup
		[ "$status" -eq 0 ] || { echo "after a kill at $n: $output"; false; }
		state >"$T/now"
		same_state <(sed 's/..:..:..:..:..:..//g' "$T/wanted") <(sed 's/..:..:..:..:..:..//g' "$T/now") || { echo "after a kill at $n"; false; }
	done
	[ "$n" -gt 20 ] || { echo "only $n changes?"; false; }
}

# ---- failures ----

@test "whichever change the kernel refuses: everything goes back to what it was" {
	operator_on eth0
	state >"$T/before"
	for ((n = 1; ; n++)); do
		run faulty_netsetup refuse $n
		[ "$status" -ne 0 ] || break
		[[ "$output" == *": No buffer space available; going back"*"everything is as it was before"* ]] || { echo "at $n: $output"; false; }
		state >"$T/now"
		same_state "$T/before" "$T/now" || { echo "after a refusal at $n: $output"; false; }
	done
	[ "$n" -gt 20 ] || { echo "only $n changes?"; false; }
	netsetup --check
}

@test "when a step fails everything goes back to what it was" {
	operator_on eth0
	ipn link add mv0 link eth0 type macvlan mode bridge # such a device cannot become a bridge's port
	state >"$T/before"
	run netsetup
	[ "$status" -ne 0 ]
	[[ "$output" == *"cannot make eth0 a port of brupstream: "* ]]
	[[ "$output" == *"everything is as it was before"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
	wait_until 60 ip netns exec "$PEER" ping -c1 -W1 $OPERATOR
	ipn link del mv0
	netsetup
	netsetup --check
}

@test "an MTU that the kernel refuses is a clear failure, and goes back" {
	ipn link add low0 type veth peer name low1
	ipn link add eth5 link low0 type macvlan mode passthru
	sed -i -e 's/device: eth2/device: eth5/' -e '/device: eth5/,/address/s/mtu: 1500/mtu: 9000/' "$CONFIG"
	state >"$T/before"
	run netsetup
	[ "$status" -ne 0 ]
	[[ "$output" == *"cannot set MTU of eth5 to 9000: "* || "$output" == *"networking.storage.mtu: eth5 takes an MTU from"* ]] || { echo "$output"; false; }
	state >"$T/after"
	same_state "$T/before" "$T/after"
}

@test "a missing device is named with its key and the devices that are there" {
	sed -i 's/device: eth2/device: eth7/' "$CONFIG"
	state >"$T/before"
	run netsetup
	[ "$status" -eq 69 ]
	[[ "$output" == *"system.configuration.networking.storage.device"*"'eth7'"*"eth0, eth1, eth2"* ]]
	run netsetup --check
	[ "$status" -eq 2 ]
	[[ "$output" == *"'eth7'"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
}

@test "a device that appears late is waited for" {
	ipn link del eth2
	as_node pvchv1 pvc-netsetup --config "$CONFIG" --timeout 600 >"$T/out" 2>&1 3>&- &
	pid=$!
	remember $pid
	wait_until 60 grep -q "waiting for device 'eth2'" "$T/out"
	ip -n "$PEER" link add p2 type veth peer name eth2 netns "$HOST"
	wait $pid
	is_port eth2 brstorage
}

@test "a device in somebody else's bridge is an error that names it, and nothing is touched" {
	ipn link add virbr0 type bridge
	ipn link set eth1 master virbr0
	state >"$T/before"
	run netsetup
	[ "$status" -eq 1 ]
	[[ "$output" == *"system.configuration.networking.cluster.device: eth1 is a port of virbr0"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
}

@test "a link of another kind with a bridge's name is an error, and nothing is touched" {
	ipn link add brcluster type veth peer name other
	state >"$T/before"
	run netsetup
	[ "$status" -eq 1 ]
	[[ "$output" == *"brcluster exists and is no bridge"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
}

@test "an address of ours on another link is an error that names both" {
	ipn link add other type veth peer name other1
	ipn address add 10.78.1.1/24 dev other
	run netsetup
	[ "$status" -eq 1 ]
	[[ "$output" == *"networking.cluster.address: 10.78.1.1/24 is on other already"* ]]
}

@test "another default route stays, and ours comes after it" {
	ipn link set eth2 up
	ipn address add 10.78.2.44/24 dev eth2
	ipn route add default via 10.78.2.99 dev eth2
	run netsetup
	[ "$status" -eq 0 ]
	[[ "$output" == *"the default route 'default via 10.78.2.99 dev eth2' is there already and stays"* ]]
	[ "$(ipn route show default)" = "default via 10.78.2.99 dev brstorage 
default via 10.78.0.254 dev brupstream proto static metric 1 " ] || { ipn route show default; false; }
	netsetup --check
}

@test "bridges, addresses and routes of others are never removed" {
	ipn link add virbr0 type bridge
	ipn link set virbr0 up
	ipn address add 192.168.122.1/24 dev virbr0
	ipn route add 203.0.113.0/24 via 192.168.122.2
	netsetup
	ipn address add 10.78.1.200/32 dev brcluster # a floating address, of another program
	netsetup
	has_address virbr0 192.168.122.1/24
	has_address brcluster 10.78.1.200/32
	[ -n "$(ipn route show 203.0.113.0/24)" ]
	netsetup undo
	has_address virbr0 192.168.122.1/24
	[ -n "$(ipn route show 203.0.113.0/24)" ]
}

@test "undo refuses while somebody else is attached to a bridge, and nothing is touched" {
	netsetup
	ipn link add tap0 type veth peer name guest0
	ipn link set tap0 master brcluster
	state >"$T/before"
	run netsetup undo
	[ "$status" -eq 1 ]
	[[ "$output" == *"tap0 is a port of brcluster"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
	netsetup # it does not mind a port of a virtual machine
	netsetup --check
	ipn link del tap0
	netsetup undo --check && false
	netsetup undo
	netsetup undo --check
	run netsetup undo
	[ "$status" -eq 0 ]
	[[ "$output" == *"nothing to do"* ]]
	has_address eth1 10.78.1.1/24
	netsetup
	netsetup --check
}

@test "while another run is at work it says so, exits 75 and touches nothing" {
	state >"$T/before"
	exec 8<"$CONFIG"
	flock -x 8
	run netsetup
	[ "$status" -eq 75 ]
	[[ "$output" == *"another pvc-netsetup is at work"* ]]
	state >"$T/after"
	same_state "$T/before" "$T/after"
	exec 8<&-
	netsetup
	netsetup --check
}

@test "without privileges it says what was not allowed and exits 77" {
	chmod 644 "$CONFIG"
	sed -i 's/pass: .*/pass: x/' "$CONFIG"
	chown nobody "$CONFIG" && chmod 600 "$CONFIG" && chmod 755 "$T"
	run ip netns exec "$HOST" unshare --uts sh -c 'hostname pvchv1; exec setpriv --reuid nobody --clear-groups "$@"' - "$BUILD/bin/pvc-netsetup" --config "$CONFIG" --timeout 0
	[ "$status" -eq 77 ] || { echo "$status $output"; false; }
	[[ "$output" == *"cannot "*": Operation not permitted"* ]]
}
