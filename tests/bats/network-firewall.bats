#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The client networks' firewall with real packets: guests in network namespaces of their own behind bridges of a node, and a host outside.
#
#   guest A 10.1.0.5 -- vmbr100 10.1.0.1 |      |
#                                        | node | eth0 192.0.2.1 -- 192.0.2.9 outside
#   guest B 10.2.0.5 -- vmbr200 10.2.0.1 |      |
bats_require_minimum_version 1.5.0
# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell on purpose
load ../lib/common.bash

# a host with an address in a namespace of its own, attached to the node's interface $3 (a bridge, or the name of the link itself)
attach() { # NAME NUMBER INTERFACE ADDRESS/LENGTH GATEWAY ADDRESS6/LENGTH GATEWAY6
	local node=$NETNS
	netns_make "nf$BATS_TEST_NUMBER$1"
	printf -v "$1" %s "$NETNS"
	ip -n "$node" link add "port$2" type veth peer name eth0 netns "$NETNS"
	if [[ $3 == vmbr* ]]; then
		ip -n "$node" link add "$3" type bridge
		ip -n "$node" link set "$3" up
		ip -n "$node" link set "port$2" master "$3" up
	else
		ip -n "$node" link set "port$2" name "$3" up
	fi
	ip -n "$node" address add "$5/${4#*/}" dev "$3"
	ip -n "$node" address add "$7/${6#*/}" dev "$3" nodad
	ip -n "$NETNS" link set eth0 up
	ip -n "$NETNS" address add "$4" dev eth0
	ip -n "$NETNS" address add "$6" dev eth0 nodad
	ip -n "$NETNS" route add default via "$5"
	ip -n "$NETNS" -6 route add default via "$7"
	NETNS=$node
}

setup() {
	test_begin
	netns_make "nf$BATS_TEST_NUMBER"
	NODE=$NETNS
	write_config "$T/pvcd.yaml"
	ip netns exec "$NODE" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	as_node pvchv1 pvc-firewall --config "$T/pvcd.yaml"
}
teardown() { test_cleanup; }

topology() {
	attach A 1 vmbr100 10.1.0.5/24 10.1.0.1 fd01::5/64 fd01::1
	attach B 2 vmbr200 10.2.0.5/24 10.2.0.1 fd02::5/64 fd02::1
	attach OUT 3 eth0 192.0.2.9/24 192.0.2.1 fd09::9/64 fd09::1
}
networks() { ip netns exec "$NODE" "$BUILD/tests/drive_network_firewall" "$@"; }
apply() { networks apply; }
nft() { ip netns exec "$NODE" nft "$@"; }
# what of these UDP ports is reached (the port 9 always must be)
reached() { $PYTHON "$TOP/tests/lib/packets.py" "$1" "$2" "$3" 9 "${@:4}"; }
# packets that a rule of a chain has acted on, by a part of its text
counted() { nft list chain inet pvc "$1" | grep -F -- "$2" | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p'; }

# everything that is in force; what the kernel itself sends (neighbour discovery) moves the counters of the base rules at any time
ruleset() { nft -a list ruleset | sed -E '/dport/!s/counter packets [0-9]+ bytes [0-9]+/counter/'; }

@test "what is allowed passes and what is not is dropped, to a network and from it, IPv4 and IPv6" {
	topology
	[ "$(apply <<-'E'
		network 100
		rule in marker 0 udp dport 9 accept
		rule in web 1 udp dport { 80, 443, 8000-8010 } accept
		rule in rest 2 drop
		rule out smtp 0 udp dport 25 drop
		network 200
	E
	)" = changed ]
	[ "$(reached "$OUT" "$A" 10.1.0.5 79 80 443 444 7999 8000 8010 8011)" = "80 443 8000 8010" ]
	[ "$(reached "$OUT" "$A" fd01::5 79 80 443 444)" = "80 443" ]
	[ "$(reached "$A" "$OUT" 192.0.2.9 25 80)" = "80" ]
	[ "$(reached "$A" "$OUT" fd09::9 25 80)" = "80" ]
	# the other network has no rules: all passes, both ways
	[ "$(reached "$B" "$OUT" 192.0.2.9 25 80)" = "25 80" ]
	[ "$(reached "$OUT" "$B" 10.2.0.5 25 80)" = "25 80" ]
}

@test "between two networks both have a say" {
	topology
	apply <<-'E'
		network 100
		rule out a 0 udp dport 1001 drop
		rule in a 0 udp dport 1003 drop
		network 200
		rule in b 0 udp dport 1002 drop
		rule out b 0 udp dport 1004 drop
	E
	[ "$(reached "$A" "$B" 10.2.0.5 1001 1002 1003 1004)" = "1003 1004" ]
	[ "$(reached "$B" "$A" 10.1.0.5 1001 1002 1003 1004)" = "1001 1002" ]
}

@test "a sender cannot slip past the rules of its network with a false address" {
	topology
	apply <<-'E'
		network 100
		rule out a 0 udp dport 1001 drop
		network 200
	E
	ip -n "$A" address add 10.2.0.77/32 dev eth0
	ip -n "$A" route replace default via 10.1.0.1 src 10.2.0.77
	[ "$(reached "$A" "$OUT" 192.0.2.9 1001 1002)" = 1002 ]
}

@test "a network may ask the node for the gateway's services and nothing else; other interfaces are not touched" {
	topology
	apply <<<"network 100"
	# 9 is no service: 123 is the marker here
	[ "$($PYTHON "$TOP/tests/lib/packets.py" "$A" "$NODE" 10.1.0.1 123 9 22 53 67 547 5353)" = "53 67" ]
	[ "$($PYTHON "$TOP/tests/lib/packets.py" "$A" "$NODE" fd01::1 123 9 53 67 547)" = "53 67 547" ]
	ip netns exec "$A" ping -c 1 -W 60 10.1.0.1
	ip netns exec "$A" ping -c 1 -W 60 fd01::1
	# TCP: a refusal is an answer; to 22 there is none, and the drop was counted
	before=$(counted networks-services "drop")
	run -0 ip netns exec "$A" $PYTHON -c 'import errno, socket
for port in 53, 80:
    s = socket.socket(); s.settimeout(60); assert s.connect_ex(("10.1.0.1", port)) == errno.ECONNREFUSED, port
s = socket.socket(); s.setblocking(False); s.connect_ex(("10.1.0.1", 22))'
	dropped() { [ "$(counted networks-services "drop")" -gt "$before" ]; }
	wait_until 60 dropped # nobody waited for that packet
	[ "$(reached "$OUT" "$NODE" 192.0.2.1 22 5353)" = "22 5353" ]
	# also by the node's address in another network
	[ "$($PYTHON "$TOP/tests/lib/packets.py" "$A" "$NODE" 192.0.2.1 123 22 53)" = "53" ]
	# vmbr200 is no network of ours (yet)
	[ "$(reached "$B" "$NODE" 10.2.0.1 22 53)" = "22 53" ]
}

@test "D63: tables of other software survive everything" {
	nft -f - <<-'E'
		table inet filter {
			chain forward {
				type filter hook forward priority 0; policy accept;
				counter packets 5 bytes 500 jump vxlan100-in
			}
			chain vxlan100-in {
				accept
			}
		}
	E
	nft -a list table inet filter >"$T/before"
	printf 'network 100\nrule in a 0 tcp dport 1 accept\nnetwork 200\n' | apply
	networks remove 100
	printf 'network 200\nrule in a 0 flush ruleset\n' | apply
	networks remove 200
	nft -a list table inet filter | diff "$T/before" -
}

@test "D64: bad rules are named with nft's words; the good ones of that network and all other networks are in force" {
	topology
	{
		cat <<-'E'
			network 100
			rule in first 0 udp dport 9 accept
			rule in syntax 1 udp dprot 1 accept
			rule in unknown 1 udp dport nosuchservice accept
			rule in set 1 ip saddr @nowhere accept
			rule in jump 1 jump vxlan200-in
			rule in meter 1 meter m { ip saddr limit rate 1/second } accept
			rule in hook 1 socket transparent 1 accept
			rule in last 2 udp dport 2000 drop
			network 200
			rule in b 0 udp dport 2001 drop
		E
		printf 'network 300\nrule in long 0 %s\n' "$(head -c 65536 /dev/zero | tr '\0' ' ')accept"
	} >"$T/in"
	run -0 networks apply <"$T/in"
	echo "$output"
	[[ "$output" == *"100 in/syntax: nft: syntax error"*"at 'dprot'"* ]]
	[[ "$output" == *"100 in/unknown: nft: Could not resolve service"* ]]
	[[ "$output" == *"100 in/set: nft: "* ]]
	[[ "$output" == *"100 in/jump: a rule cannot lead to another chain"* ]]
	[[ "$output" == *"100 in/meter: it uses a set that lasts"* ]]
	[[ "$output" == *"100 in/hook: nft: Could not process rule: Operation not supported"* ]]
	[[ "$output" == *"300 in/long: its text is longer than 4096 bytes"* ]]
	run ! grep -E "in/first|in/last|^200" <<<"$output"
	[ "$(reached "$OUT" "$A" 10.1.0.5 2000 2001)" = 2001 ]
	[ "$(reached "$OUT" "$B" 10.2.0.5 2000 2001)" = 2000 ]
	# corrected, it is in force
	sed -i 's/dprot 1 accept/dport 2001 drop/' "$T/in"
	networks apply <"$T/in"
	[ "$(reached "$OUT" "$A" 10.1.0.5 2000 2001 2002)" = 2002 ]
}

@test "D65: no text of a rule can do anything else on the host" {
	nft add table ip victim
	nft list ruleset >"$T/before"
	i=0
	{
		echo "network 100"
		while read -r text; do echo "rule in r$((++i)) $i $text"; done <<-'E'
			accept; delete table ip victim
			accept } ; delete table ip victim; table inet x {
			accept # ; delete table ip victim
			accept comment "; delete table ip victim"
			accept comment "x"; flush ruleset
			include "/etc/passwd"
			define a = 1
			accept \
			jump { delete table ip victim }
			goto input
			tcp dport vmap { 22 : jump input }
			position 1 accept
			handle 1 accept
			name "x" accept
			add @static-x { ip saddr }
			ct helper set "x"
			flow add @f
			counter name "x" accept
			@networks-in accept
			tcp dport $a accept
		E
	} >"$T/in"
	run -0 networks apply <"$T/in"
	echo "$output"
	[ "$(grep -c '^100 in/' <<<"$output")" -eq 18 ]
	run ! grep -E "r3:|r4:" <<<"$output" # a comment is a comment
	networks remove 100
	# what all networks share is there, and nothing else came or went
	nft list ruleset | grep -v -E "networks-|^$" >"$T/after"
	nft list tables | sort >"$T/tables"
	printf 'table inet pvc\ntable ip victim\n' | diff - "$T/tables"
	nft list table ip victim
	run ! grep -E "static-x|helper|flowtable|vxlan100" "$T/after"
}

@test "D66: rules act in the order of their numbers, and of two equal numbers none is lost" {
	topology
	apply <<-'E'
		network 100
		rule in ten 10 udp dport 1000-1009 drop
		rule in two 2 udp dport 1002 accept
		rule in b 5 udp dport 1005 accept
		rule in a 5 udp dport 1006 accept
	E
	[ "$(reached "$OUT" "$A" 10.1.0.5 1001 1002 1005 1006 1007)" = "1002 1005 1006" ]
}

@test "D67: a changed text or order is noticed, one chain is touched, and the counters of all other rules go on" {
	topology
	cat >"$T/in" <<-'E'
		network 100
		rule in a 1 udp dport 1001 accept
		rule in b 2 udp dport 1002 drop
		rule in c 3 udp dport 1003 accept
		rule out o 1 udp dport 1004 accept
		network 200
		rule in a 1 udp dport 1001 accept
	E
	networks apply <"$T/in"
	reached "$OUT" "$A" 10.1.0.5 1001 1002 1003
	reached "$A" "$OUT" 192.0.2.9 1004
	reached "$OUT" "$B" 10.2.0.5 1001
	sed -i 's/1002 drop/1022 drop/' "$T/in"
	[ "$(networks apply <"$T/in")" = changed ]
	[ "$(counted vxlan100-in 1001)" -eq 3 ]
	[ "$(counted vxlan100-in 1003)" -eq 3 ]
	[ "$(counted vxlan100-in 1022)" -eq 0 ]
	[ "$(counted vxlan100-out 1004)" -eq 3 ]
	[ "$(counted vxlan200-in 1001)" -eq 3 ]
	[ "$(reached "$OUT" "$A" 10.1.0.5 1002 1022)" = 1002 ]
	# the same rules in another order; a rule of equal order before it
	sed -i 's/in a 1/in a 9/' "$T/in"
	[ "$(networks apply <"$T/in")" = changed ]
	[ "$(nft list chain inet pvc vxlan100-in | grep -o 'dport [0-9]*' | tr '\n' ' ')" = "dport 1022 dport 1003 dport 1001 " ]
	[ "$(counted vxlan100-in 1022)" -eq 3 ]
	[ "$(counted vxlan100-in 1003)" -eq 3 ]
	ruleset >"$T/before"
	[ "$(networks apply <"$T/in")" = unchanged ]
	ruleset | diff "$T/before" -
}

@test "pvc-firewall leaves the networks' part alone, counters and all, and its --check does not call it drift" {
	topology
	printf 'network 100\nrule in a 0 udp dport { 9, 1001 } accept\n' >"$T/in"
	networks apply <"$T/in"
	reached "$OUT" "$A" 10.1.0.5 1001
	ruleset >"$T/before"
	as_node pvchv1 pvc-firewall --config "$T/pvcd.yaml" --check
	as_node pvchv1 pvc-firewall --config "$T/pvcd.yaml"
	ruleset | diff "$T/before" -
	# its own drift is repaired, the networks stay
	nft flush chain inet pvc forward
	as_node pvchv1 pvc-firewall --config "$T/pvcd.yaml"
	as_node pvchv1 pvc-firewall --config "$T/pvcd.yaml" --check
	[ "$(networks apply <"$T/in")" = unchanged ]
	[ "$(counted vxlan100-in 1001)" -eq 6 ]
}

@test "removed networks are gone, and their traffic goes as if they had never been" {
	topology
	printf 'network 100\nrule in a 0 udp dport 1001 drop\nnetwork 200\nrule in b 0 udp dport 1001 drop\n' | apply
	[ "$(networks list | tr '\n' ' ')" = "100 200 " ]
	[ "$(networks remove 100)" = removed ]
	[ "$(networks remove 100)" = nothing ]
	[ "$(networks list)" = 200 ]
	run ! grep -E 'vxlan100|vmbr100' <(nft list ruleset)
	[ "$(reached "$OUT" "$A" 10.1.0.5 1001)" = 1001 ]
	[ "$(reached "$OUT" "$B" 10.2.0.5 1001)" = "" ]
}

@test "without nft what is in force stays, and what is new is named" {
	printf 'network 100\nrule in a 0 tcp dport { 1, 2 } drop\n' >"$T/in"
	networks apply <"$T/in"
	ruleset >"$T/before"
	echo 'rule in b 1 tcp dport 3 drop' >>"$T/in"
	mkdir "$T/bin"
	ln -s "$(command -v ip)" "$T/bin/ip"
	run -0 env PATH="$T/bin" ip netns exec "$NODE" "$BUILD/tests/drive_network_firewall" apply <"$T/in"
	[ "$output" = $'unchanged\n100 in/b: it cannot be tried: there is no program nft: install nftables' ]
	ruleset | diff "$T/before" -
	[ "$(networks apply <"$T/in")" = changed ]
}

@test "killed at any moment, the next run converges" {
	for i in $(seq 1 40); do printf 'network %d\nrule in a 0 tcp dport { %d, 70-90 } accept\nrule out b 0 drop\n' "$i" "$i"; done >"$T/in"
	for step in $(seq 1 12); do
		# each time other rules
		sed -i "s/dport { [0-9]*,/dport { $step,/" "$T/in"
		ip netns exec "$NODE" "$BUILD/tests/drive_network_firewall" apply <"$T/in" 3>&- >/dev/null 2>&1 &
		pid=$!
		remember "$pid"
		# a little later each time: counted in turns of this shell, not in time
		for ((n = 0; n < step * 300; n++)); do :; done
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		networks apply <"$T/in" >/dev/null
		[ "$(networks apply <"$T/in")" = unchanged ]
		[ "$(nft -s list ruleset | grep -c "tcp dport { $step, 70-90 } counter accept")" -eq 40 ]
	done
}

@test "among 1000 networks each has its own rules, and a new start changes nothing" {
	topology
	for i in $(seq 1 1000); do printf 'network %d\nrule in a 0 udp dport %d drop\n' "$i" $((1000 + i)); done >"$T/in"
	[ "$(networks apply <"$T/in")" = changed ]
	[ "$(reached "$OUT" "$A" 10.1.0.5 1099 1100 1101 1200)" = "1099 1101 1200" ]
	[ "$(reached "$OUT" "$B" 10.2.0.5 1099 1100 1101 1200)" = "1099 1100 1101" ]
	ruleset | md5sum >"$T/before"
	[ "$(networks apply <"$T/in")" = unchanged ]
	sed -i 's/^rule in a 0 udp dport 1100 drop/rule in a 0 udp dport 1099 drop/' "$T/in"
	[ "$(networks apply <"$T/in")" = changed ]
	[ "$(reached "$OUT" "$A" 10.1.0.5 1099 1100)" = 1100 ]
	networks remove $(seq 1 1000) >/dev/null
	[ -z "$(networks list)" ]
}
