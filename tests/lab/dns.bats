#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Names of guests on whole nodes: Patroni's PostgreSQL on two coordinators, the real pdns_server at the floating address, real leases.

load lab.bash
load database.bash

setup_file() {
	local n
	export NODES="pvchv1 pvchv2" LAB_WITH=dns
	lab_begin
	for n in $NODES; do database_files $n; done
	# two coordinators are a quorum of two: neither comes up without the other
	for n in $NODES; do on $n systemctl --no-block start pvc.target; done
	for n in $NODES; do
		wait_until 300 on $n systemctl -q is-active pvc.target || explain
	done
	on pvchv1 pvcctl node ready pvchv1 --wait --timeout 120 >/dev/null || explain
	on pvchv1 pvcctl network add 100 blue --ipnet 10.100.0.0/24 --gateway 10.100.0.1 --dhcp --dhcp-start 10.100.0.10 --dhcp-end 10.100.0.99 >/dev/null
	wait_until 180 both_run
	wait_until 180 leader_follows
	database_make
}
teardown_file() { lab_end; }
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || for n in $NODES; do
		on $n journalctl --no-pager -b -n 40 -o short-monotonic -u pvc-dns -u pvc-gateway -u pvc-primary.target || :
		on $n tail -n 5 /var/log/pvc/pdns/pdns.log || :
	done
}

on() { "$LAB" exec "$@"; }
primary() { zk_in_node get /primary_node; }
other() { if [ "$1" = pvchv1 ]; then echo pvchv2; else echo pvchv1; fi; }
# once it has the role: a hand-over may be under way
leader_follows() { leader_is "$(primary)"; }
answers() { [ "$("$LAB" net dig +short +time=2 +tries=1 @10.77.1.250 "$1" "$2" | sort | paste -sd' ')" = "$3" ]; }
mac_of() { "$LAB" domain "$1" | sed -n "s/.*mac address='\([^']*\)'.*/\1/p"; }
servers() { on "$1" pgrep -c '^pdns_server$' || :; }
no_server() { [ "$(servers "$1")" = 0 ]; }
has_gateway() { on "$1" ip -o address show dev vmbr100 | grep -q ' 10.100.0.1/24 '; }
said() { [ "$(on "$1" journalctl -b --no-pager -q -o cat -u pvc-dns | grep -cF -- "$2")" -ge "${3:-1}" ]; }
zone_is_gone() { [ "$(sql "$1" "SELECT count(*) FROM domains WHERE name = '$2'")" = 0 ]; }

@test "D30: the database's leader is where the primary is, and a guest's lease is answered at the floating address" {
	local p
	p=$(primary)
	on "$p" pvcctl network dhcp add 100 "$(mac_of g1)" 10.100.0.201 --hostname web >/dev/null
	wait_until 120 answers web.blue.local A 10.100.0.201 # reserved
	"$LAB" domain g1 bridge=vmbr100 "cmdline=ip=" >"$T/g1.xml"
	"$LAB" put pvchv1 "$T/g1.xml" /root/g1.xml
	on pvchv1 pvcctl vm define --node pvchv1 /root/g1.xml >/dev/null
	# it takes another address, from before there was a reservation of that one
	zk_in_node set "/networks/100/dhcp4_reservations/$(mac_of g1)/ipaddr" 10.100.0.202
	on pvchv1 pvcctl vm start g1 --wait --timeout 180 >/dev/null
	wait_until 240 answers web.blue.local A 10.100.0.202
	wait_until 60 answers 202.0.100.10.in-addr.arpa PTR web.blue.local.
	lease_is_there() { [ "$(zk_in_node get "/networks/100/dhcp4_leases/$(mac_of g1)/hostname")" = web ]; }
	wait_until 120 lease_is_there
	# D77
	on "$p" sh -c 'cat /proc/[0-9]*/cmdline' >"$T/words" 2>/dev/null || :
	no grep -aq lab-dns "$T/words"
	no_server "$(other "$p")"
}

@test "the role moves: database leader and name server go with it, and the zone goes on from where it was" {
	local p o before after
	p=$(primary) o=$(other "$p")
	before=$(sql "$p" "SELECT split_part(content, ' ', 3) FROM records WHERE type = 'SOA' AND name = 'blue.local'")
	zk_in_node set /primary_node "$o"
	wait_until 180 leader_is "$o"
	wait_until 60 no_server "$p"
	wait_until 120 answers web.blue.local A 10.100.0.202
	[ "$(servers "$o")" = 1 ]
	on "$o" pvcctl network dhcp add 100 52:54:00:00:00:99 10.100.0.203 --hostname late >/dev/null
	wait_until 120 answers late.blue.local A 10.100.0.203
	after=$(sql "$o" "SELECT split_part(content, ' ', 3) FROM records WHERE type = 'SOA' AND name = 'blue.local'")
	[ "$after" = $((before + 1)) ]
}

@test "D33: the zone of a deleted network goes, what others wrote stays; a killed pdns_server comes back" {
	local p pid
	p=$(primary)
	on "$p" pvcctl network add 200 green --ipnet 10.200.0.0/24 --gateway 10.200.0.1 >/dev/null
	wait_until 60 answers green.local NS pvc-dns.upstream.lab.
	sql "$p" "INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, 'www.blue.local', 'A', '192.0.2.7', 60 FROM domains WHERE name = 'blue.local'"
	zk_in_node rm /networks/200
	wait_until 60 zone_is_gone "$p" green.local
	wait_until 60 zone_is_gone "$p" 0.200.10.in-addr.arpa
	pid=$(on "$p" pgrep '^pdns_server$')
	on "$p" kill -KILL "$pid"
	another() { [ "$(servers "$p")" = 1 ] && [ "$(on "$p" pgrep '^pdns_server$')" != "$pid" ]; }
	wait_until 60 another
	wait_until 60 answers www.blue.local A 192.0.2.7
	wait_until 60 said "$p" 'pdns_server ended by signal 9'
}

@test "D29: PostgreSQL stops and comes again: the role and the gateway stay, the names follow by themselves" {
	local p
	p=$(primary)
	for n in $NODES; do on $n systemctl stop patroni; done
	on "$p" pvcctl network dhcp add 100 52:54:00:00:00:98 10.100.0.204 --hostname meanwhile >/dev/null
	wait_until 60 said "$p" 'the zones cannot be written into the database'
	[ "$(primary)" = "$p" ]
	all_active "$p" pvc-primary.target pvc-gateway.service pvc-dns.service
	has_gateway "$p"
	for n in $NODES; do on $n systemctl start patroni; done
	wait_until 180 answers meanwhile.blue.local A 10.100.0.204
	[ "$(primary)" = "$p" ]
	wait_until 120 leader_is "$p"
}
