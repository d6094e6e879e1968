#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-firewall against the kernel, in a network namespace of each test's own.
bats_require_minimum_version 1.5.0
# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell on purpose
load ../lib/common.bash

setup() {
	test_begin
	netns_make "fw$BATS_TEST_NUMBER"
	write_config "$T/pvcd.yaml"
	mkdir -p "$T/run/nft/static" "$T/lasting"
}
teardown() { test_cleanup; }

firewall() { as_node pvchv1 pvc-firewall --config "$T/pvcd.yaml" --snippets "$T/lasting" "$@"; }
nft() { ip netns exec "$NETNS" nft "$@"; }
snippet() { cat >"$T/run/nft/static/$1"; }
# a rule of a snippet, by its text, in the table of the host
in_force() { nft -s list table inet pvc | grep -qF -- "$1"; }
# one packet over loopback, and back to who sent it
packet() {
	ip netns exec "$NETNS" $PYTHON -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); s.settimeout(60)
s.sendto(b"x", s.getsockname()); s.recv(1)'
}
foreign() {
	nft -f - <<-E
		table inet filter {
			set s {
				type ipv4_addr
				elements = { 192.0.2.1 }
			}
			chain input {
				type filter hook input priority 0; policy accept;
				ip saddr @s counter packets 5 bytes 500 drop
			}
		}
		table ip nat {
			chain post {
				type nat hook postrouting priority 100; policy accept;
				masquerade
			}
		}
	E
}

@test "D63: tables of other software survive every action untouched" {
	foreign
	nft -a list ruleset >"$T/before"
	firewall
	in_force "jump networks-input"
	nft -a list table inet filter >"$T/after"
	nft -a list table ip nat >>"$T/after"
	diff "$T/before" "$T/after"
	firewall undo
	nft -a list ruleset | diff "$T/before" -
}

@test "the base drops nothing and gives snippets and networks their places, snippets first" {
	firewall
	nft -s list table inet pvc >"$T/list"
	for hook in input forward; do
		grep -A3 "type filter hook $hook priority filter; policy accept;" "$T/list" >"$T/chain"
		[ "$(sed -n 2p "$T/chain")" = "		counter jump static-$hook" ]
		[ "$(sed -n 3p "$T/chain")" = "		counter jump networks-$hook" ]
	done
	run ! grep -E "drop|reject" "$T/list"
	packet
}

@test "a second run changes nothing, and counters go on" {
	echo 'add rule inet pvc static-input iifname "lo" counter accept' | snippet 10-lo
	firewall
	packet
	nft -a list ruleset >"$T/before"
	grep -E "iifname \"lo\" counter packets [1-9]" "$T/before"
	firewall
	nft -a list ruleset | diff "$T/before" -
	firewall --check
}

@test "what other programs put into the networks' chains survives a run" {
	firewall
	nft -f - <<-E
		table inet pvc {
			chain vxlan5-in {
				counter packets 3 bytes 30
			}
			chain networks-forward {
				ip daddr 10.5.0.0/24 jump vxlan5-in
			}
		}
	E
	echo 'add rule inet pvc static-forward tcp dport 25 drop' | snippet mail
	firewall
	in_force "tcp dport 25 drop"
	in_force "ip daddr 10.5.0.0/24 jump vxlan5-in"
	nft list table inet pvc | grep "counter packets 3 bytes 30"
	firewall --check
}

@test "--check names drift, and a run repairs it" {
	run -2 firewall --check
	[[ "$output" == *"table inet pvc: missing"* ]]
	firewall
	run -0 firewall --check
	nft flush chain inet pvc forward
	run -2 firewall --check
	[[ "$output" == *"chain forward: rule missing: counter jump static-forward"* ]]
	nft insert rule inet pvc input drop
	nft add chain inet pvc input '{ policy drop; }'
	nft add rule inet pvc static-input tcp dport 9 accept
	run -2 firewall --check
	[[ "$output" == *"chain input: unwanted rule 1"* ]]
	[[ "$output" == *"chain input: its policy is not accept"* ]]
	firewall
	firewall --check
	run ! in_force "tcp dport 9"
	run ! in_force drop
	nft add rule inet pvc static-input tcp dport 9 accept
	run -2 firewall --check
	[[ "$output" == *"static-...: not what the snippets want"* ]]
	firewall
	run ! in_force "tcp dport 9"
}

@test "--check and --dry-run change nothing; --dry-run prints what nft loads to the same" {
	printf 'add set inet pvc static-s { type ipv4_addr; elements = { 10.0.0.1, 10.0.0.2 }; }\nadd rule inet pvc static-input ip saddr @static-s accept\n' | snippet 10-set
	firewall --dry-run >"$T/plan" 2>"$T/errors"
	firewall --check >/dev/null || :
	[ -z "$(nft list ruleset)" ]
	nft -f "$T/plan"
	firewall --check
}

@test "D64: bad snippets are named with nft's words and left out, the good ones are in force" {
	foreign
	nft -a list ruleset >"$T/foreign"
	echo 'add rule inet pvc static-input tcp dport 2201 accept' | snippet 00-good
	printf 'add rule inet pvc static-input tcp dport 2202 accept\nadd rule inet pvc static-input tcp dprot 1\n' | snippet 01-syntax
	echo 'add rule inet pvc static-input jump nowhere' | snippet 02-target
	printf 'flush ruleset\n' | snippet 03-flush
	printf 'add table inet filter\nadd chain inet filter input\n' | snippet 04-table
	printf 'add chain inet pvc mine\n' | snippet 05-name
	printf 'include "/etc/shadow"\n' | snippet 06-include
	printf 'delete table inet pvc\n' | snippet 07-delete
	printf 'delete table ip nat\n' | snippet 08-foreign
	printf 'add rule inet pvc input drop\n' | snippet 09-base
	printf 'add table inet pvc { flags dormant; }\n' | snippet 10-dormant
	printf 'add counter inet pvc static-digest\n' | snippet 11-reserved
	printf 'a\0b' | snippet 12-nul
	head -c 1100000 /dev/zero | tr '\0' '#' | snippet 13-long
	printf '\377\376\n' | snippet 14-bytes
	echo 'add rule inet pvc static-input comment "x' | snippet 15-string
	printf 'add rule inet pvc static-input tcp dport 2216 accept\n' | snippet 16-writable
	chmod 666 "$T/run/nft/static/16-writable"
	printf 'add rule inet pvc static-input tcp dport 2217 accept\n' | snippet 17-owner
	chown nobody "$T/run/nft/static/17-owner"
	mkdir "$T/run/nft/static/18-directory"
	mkfifo "$T/run/nft/static/19-pipe"
	echo 'nonsense' | snippet .hidden
	echo 'add rule inet pvc static-input tcp dport 2299 accept' | snippet 99-good

	run -0 firewall
	echo "$output"
	for bad in 01-syntax 02-target 03-flush 04-table 05-name 06-include 07-delete 08-foreign 09-base 10-dormant 11-reserved \
		12-nul 13-long 14-bytes 15-string 16-writable 17-owner 18-directory 19-pipe; do
		[ "$(grep -c "static/$bad is left out: " <<<"$output")" -eq 1 ]
	done
	[[ "$output" == *"01-syntax is left out: line 2:"*"Error: syntax error"* ]]
	[[ "$output" == *"08-foreign is left out: line 1:"*"No such file or directory"* ]]
	run ! grep -E "hidden is|good is|root:" <<<"$output"
	in_force "tcp dport 2201 accept"
	in_force "tcp dport 2299 accept"
	run ! in_force "tcp dport 2202"
	run ! in_force "tcp dport 221"
	nft -a list table inet filter >"$T/after"
	nft -a list table ip nat >>"$T/after"
	diff "$T/foreign" "$T/after"
	# said to whoever asks, and it stays at that
	grep -q '^state=degraded$' "$T/run/status/firewall"
	grep -q '^refused=.*01-syntax: line 2' "$T/run/status/firewall"
	run -2 firewall --check
	rm -r "$T"/run/nft/static/{01,02,03,04,05,06,07,08,09,1}*
	firewall
	grep -q '^state=ok$' "$T/run/status/firewall"
	firewall --check
}

@test "D65: nothing that a snippet does on its way can reach the host" {
	# leaves no trace in the end, so it is not refused, but it must not happen on the host either
	foreign
	nft -a list ruleset >"$T/foreign"
	cat <<-'E' | snippet 00-sly
		add table inet filter; delete table inet filter; add table ip nat; flush table ip nat; delete table ip nat
		add rule inet pvc static-input tcp dport 1 accept comment "; flush ruleset"
	E
	firewall
	in_force 'tcp dport 1 accept comment "; flush ruleset"'
	nft -a list table inet filter >"$T/after"
	nft -a list table ip nat >>"$T/after"
	diff "$T/foreign" "$T/after"
	firewall --check
}

@test "snippets may use sets, maps, base chains and counters of their own, and one another; taken away, all is gone" {
	cat <<-'E' | snippet 10-objects
		define ports = { 22, 80 }
		table inet pvc {
			set static-blocked {
				type ipv4_addr
				flags interval
				elements = { 198.51.100.0/24 }
			}
			chain static-ssh {
				counter accept
			}
			map static-services {
				type inet_service : verdict
				elements = { 22 : jump static-ssh }
			}
			counter static-hits {
			}
			chain static-early {
				type filter hook prerouting priority -150; policy accept;
				ip saddr @static-blocked counter name static-hits drop
			}
		}
		add rule inet pvc static-input tcp dport $ports tcp dport vmap @static-services
	E
	echo 'add rule inet pvc static-forward ip saddr @static-blocked drop' | snippet 20-uses
	firewall
	in_force "vmap @static-services"
	in_force "hook prerouting priority mangle"
	in_force "ip saddr @static-blocked drop"
	nft -a list ruleset >"$T/before"
	firewall
	nft -a list ruleset | diff "$T/before" -
	# changed elements alone are noticed
	sed -i 's/198.51.100.0/203.0.113.0/' "$T/run/nft/static/10-objects"
	run -2 firewall --check
	firewall
	in_force "203.0.113.0/24"
	run ! in_force "198.51.100"
	firewall --check
	rm "$T"/run/nft/static/*
	firewall
	firewall --check
	[ "$(nft list table inet pvc | grep -c static-)" -eq 4 ] # two chains, two jumps
}

@test "elements that packets add to a set are no drift and survive a run" {
	printf 'add set inet pvc static-seen { type ipv4_addr; flags dynamic; timeout 1h; size 100; }\nadd rule inet pvc static-input add @static-seen { ip saddr }\n' | snippet 10-seen
	firewall
	packet
	nft list set inet pvc static-seen | grep 127.0.0.1
	firewall --check
	firewall
	nft list set inet pvc static-seen | grep 127.0.0.1
}

@test "snippets come in the order of their names, lasting ones of *.nft among them" {
	echo 'add rule inet pvc static-input tcp dport 2 accept' | snippet 20-b
	echo 'add rule inet pvc static-input tcp dport 1 accept' >"$T/lasting/10-a.nft"
	echo 'add rule inet pvc static-input tcp dport 3 accept' >"$T/lasting/30-c.nft"
	echo 'nonsense' >"$T/lasting/README"
	firewall
	[ "$(nft -s list chain inet pvc static-input | grep -o 'dport [0-9]' | tr -d '\n')" = "dport 1dport 2dport 3" ]
}

@test "a directory that others may write to is left out as a whole" {
	echo 'add rule inet pvc static-input tcp dport 1 accept' | snippet 10-a
	chmod 777 "$T/run/nft/static"
	run -0 firewall
	[[ "$output" == *"nft/static is left out: all of it"*"others than root may write"* ]]
	run ! in_force "tcp dport 1"
}

@test "without nft the base is in force, and what is in force of the snippets stays" {
	echo 'add rule inet pvc static-input tcp dport 1 accept' | snippet 10-a
	firewall
	echo 'add rule inet pvc static-input tcp dport 2 accept' | snippet 20-b
	nft flush chain inet pvc input
	mkdir "$T/bin"
	for program in sh hostname env ip unshare; do ln -s "$(command -v $program)" "$T/bin/$program"; done
	run -0 env PATH="$T/bin:$BUILD/bin" unshare --uts sh -c "hostname pvchv1; exec ip netns exec $NETNS pvc-firewall --config $T/pvcd.yaml --snippets $T/lasting"
	[[ "$output" == *"there is no program nft"* ]]
	in_force "counter jump static-input"
	in_force "tcp dport 1"
	run ! in_force "tcp dport 2"
	grep -q '^state=degraded$' "$T/run/status/firewall"
}

@test "killed at any moment, the next run converges" {
	for i in 1 2 3 4 5 6 7 8; do echo "add rule inet pvc static-input tcp dport $i accept" | snippet "$i-x"; done
	started() { # its process is $pid: not through as_node, a function in the background would be a shell of its own
		nft flush ruleset # of this namespace: the test's own
		ip netns exec "$NETNS" unshare --uts sh -c 'hostname pvchv1 && exec pvc-firewall --config "$0/pvcd.yaml" --snippets "$0/lasting"' "$T" 3>&- >/dev/null 2>&1 &
		pid=$!
		remember "$pid"
	}
	started
	for ((turns = 0; ; turns++)); do [ -d "/proc/$pid" ] || break; done # counted in turns of this shell, not in time
	wait "$pid"
	[ "$(nft -s list chain inet pvc static-input | grep -c dport)" -eq 8 ]
	for step in $(seq 1 12); do
		started
		for ((n = 0; n < step * turns / 12; n++)); do [ -d "/proc/$pid" ] || break; done # a little later each time
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		firewall
		firewall --check
		[ "$(nft -s list chain inet pvc static-input | grep -c dport)" -eq 8 ]
	done
}

@test "when networking is off nothing is done" {
	sed -i 's/enable_networking: True/enable_networking: False/' "$T/pvcd.yaml"
	run -0 firewall
	[[ "$output" == *"enable_networking is off"* ]]
	[ -z "$(nft list ruleset)" ]
}

@test "undo can be repeated, and says with --dry-run what it would do" {
	firewall
	run -0 firewall undo --dry-run
	[ "$output" = "delete table inet pvc" ]
	firewall undo
	[ -z "$(nft list ruleset)" ]
	run -0 firewall undo
	[[ "$output" == *"there is no table inet pvc"* ]]
}

@test "without the privilege it fails with one line and exit 77" {
	chmod 755 "$T"
	chown nobody "$T/pvcd.yaml"
	run -77 ip netns exec "$NETNS" setpriv --reuid nobody --clear-groups --bounding-set -all --inh-caps -all \
		"$BUILD/bin/pvc-firewall" --config "$T/pvcd.yaml" --check
	echo "$output"
	[[ "$output" == *"CAP_NET_ADMIN"* ]]
}

@test "a wrong command line is exit 64" {
	run -64 firewall enable
	run -64 firewall undo --check
}
