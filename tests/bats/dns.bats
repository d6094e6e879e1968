#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-dns with a real ZooKeeper, PostgreSQL and pdns_server in a network namespace; asked with dig.
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/postgres.bash

SCHEMA=/usr/share/pdns-backend-pgsql/schema/schema.pgsql.sql
M1=52:54:00:00:00:01 M2=52:54:00:00:00:02

setup_file() {
	test_begin
	netns_make node
	export NODE=$NETNS ZK_NETNS=$NETNS PG_NETNS=$NETNS
	ip -n "$NODE" link add eth1 type bridge
	# the floating addresses, a client's and a name server's
	for a in 10.78.0.250/24 10.78.1.250/24 10.78.1.1/24 10.78.1.53/24; do ip -n "$NODE" address add $a dev eth1; done
	ip -n "$NODE" link set eth1 up
	zk_start
	pg_init
	pg_start
	pg_sql postgres "CREATE ROLE pvcdns LOGIN PASSWORD 'dns-secret'"
}
teardown_file() { test_cleanup; }

setup() {
	mkdir -p "$T/run" "$T/log" "$T/console"
	rm -rf "$T"/run/* "$T"/log/* "$T/dns.out"
	write_config "$T/pvcd.yaml" 's/host: localhost/host: 127.0.0.1/'
	zk rm /networks 2>/dev/null || :
	zk create /networks ''
	pg_answers || pg_start
	pg_sql postgres 'DROP DATABASE IF EXISTS pvcdns WITH (FORCE)'
	pg_sql postgres 'CREATE DATABASE pvcdns OWNER pvcdns'
	psql -X -q -v ON_ERROR_STOP=1 -h "$T/pg" -U postgres -d pvcdns -c 'SET ROLE pvcdns' -f $SCHEMA >/dev/null
	: >"$T/dns.out"
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 40 "$T/dns.out" "$T/log/pdns/pdns.log" || :
	local pid
	if [ -s "$T/dns.pid" ]; then
		pid=$(cat "$T/dns.pid")
		kill -CONT "$(cat "$T/pg/pid")" 2>/dev/null || :
		kill -KILL "$pid" 2>/dev/null || :
		wait_until 60 no_server # it ends with pvc-dns
		: >"$T/dns.pid"
	fi
}

pg_answers() { pg_sql postgres 'SELECT 1' >/dev/null 2>&1; }
sql() { pg_sql pvcdns "$1"; }
sql_is() { [ "$(sql "$1")" = "$2" ]; }

# network VNI DOMAIN [KEY=VALUE]...: a managed network as the reference's client writes it, in 10.VNI.0.0/24
network() {
	zk_python "$@" <<-'E'
		path = "/networks/" + args[0]
		keys = dict(nettype="managed", domain=args[1], name_servers="", ip6_network="None", ip6_gateway="None", dhcp6_flag="False",
		    ip4_network="10.%s.0.0/24" % args[0], ip4_gateway="10.%s.0.1" % args[0], dhcp4_flag="True", dhcp4_leases="",
		    dhcp4_reservations="", firewall_rules="")
		keys.update(a.split("=", 1) for a in args[2:])
		t = zk.transaction()
		t.create(path, b"net1")
		for key, value in keys.items():
		    t.create(path + "/" + key, value.encode())
		assert all(isinstance(r, str) for r in t.commit())
	E
}
# lease VNI MAC ADDRESS NAME: as pvc-gateway writes it
lease() {
	zk_python "$@" <<-'E'
		path = "/networks/%s/dhcp4_leases/%s" % (args[0], args[1])
		t = zk.transaction()
		t.create(path, b"")
		for key, value in dict(expiry="0", ipaddr=args[2], hostname=args[3], clientid="*").items():
		    t.create(path + "/" + key, value.encode())
		assert all(isinstance(r, str) for r in t.commit())
	E
}
reserve() { # VNI MAC ADDRESS NAME
	zk_python "$@" <<-'E'
		path = "/networks/%s/dhcp4_reservations/%s" % (args[0], args[1])
		t = zk.transaction()
		t.create(path, b"static")
		t.create(path + "/ipaddr", args[2].encode())
		t.create(path + "/hostname", args[3].encode())
		assert all(isinstance(r, str) for r in t.commit())
	E
}
zk_python() {
	{
		printf '%s\n' 'import logging, sys' 'from kazoo.client import KazooClient' 'logging.disable(logging.CRITICAL)' 'args = sys.argv[2:]' \
			'zk = KazooClient(hosts=sys.argv[1]); zk.start(timeout=60)'
		cat
		echo 'zk.stop()'
	} >"$T/zk.py"
	ip netns exec "$NODE" "$PYTHON" "$T/zk.py" "$ZK" "$@"
}

dns_start() {
	# shellcheck disable=SC2016 # the inner shell expands it
	ip netns exec "$NODE" unshare --uts sh -c 'hostname pvchv1 && exec pvc-dns --config "$0"' "$T/pvcd.yaml" >>"$T/dns.out" 2>&1 3>&- &
	DNS=$!
	echo $DNS >"$T/dns.pid"
	remember "$DNS"
}
dns_stop() {
	kill -TERM "$DNS"
	wait "$DNS"
}
said() { grep -qF -- "$1" "$T/dns.out"; }
times_said() { grep -cF -- "$1" "$T/dns.out" || :; }
not() { ! "$@"; }
# the pdns_server of this test's directory
server() { pgrep -f "^/usr/sbin/pdns_server --config-dir=$T/run/pdns" || :; }
no_server() { [ -z "$(server)" ]; }

# ask NAME TYPE: what the server at the floating cluster address answers
ask() { ip netns exec "$NODE" dig +short +time=2 +tries=1 "${SERVER:-@10.78.1.250}" "$@"; }
answers() { [ "$(ask "$1" "$2" | sort | paste -sd' ')" = "$3" ]; }
is_the_authority() { [[ "$(ask blue.local SOA)" == "pvc-dns.upstream.test. root.upstream.test. "* ]]; }
transfers() { ask -b "$1" blue.local AXFR | grep -q '^10.100.0.10$'; }
serial() { sql "SELECT split_part(content, ' ', 3) FROM records WHERE type = 'SOA' AND name = '$1'"; }
zones() { sql "SELECT string_agg(name, ' ' ORDER BY name) FROM domains"; }
zones_are() { [ "$(zones)" = "$1" ]; }
rows() { sql "SELECT string_agg(name || ' ' || content, ', ' ORDER BY name, content) FROM records WHERE type IN ('A', 'AAAA', 'CNAME', 'MX')"; }
rows_are() { [ "$(rows)" = "$1" ]; }

@test "leases and reservations are answered, forwards and backwards, at both floating addresses; each change is one serial" {
	local before
	network 100 blue.local ip6_network=2001:db8:100::/64
	reserve 100 $M2 10.100.0.200 web1
	dns_start
	wait_until 60 answers web1.blue.local A 10.100.0.200
	SERVER=@10.78.0.250 wait_until 60 answers web1.blue.local A 10.100.0.200
	wait_until 60 answers blue.local NS pvc-dns.upstream.test.
	wait_until 60 is_the_authority
	before=$(serial blue.local)
	lease 100 $M1 10.100.0.10 VM1
	wait_until 60 answers vm1.blue.local A 10.100.0.10
	wait_until 60 answers 10.0.100.10.in-addr.arpa PTR vm1.blue.local.
	[ "$(serial blue.local)" = $((before + 1)) ]
	# renamed and readdressed in one go: one more
	zk_python <<-E
		t = zk.transaction()
		t.set_data("/networks/100/dhcp4_leases/$M1/ipaddr", b"10.100.0.11")
		t.set_data("/networks/100/dhcp4_leases/$M1/hostname", b"vm2")
		t.commit()
	E
	wait_until 60 answers vm2.blue.local A 10.100.0.11
	wait_until 60 answers vm1.blue.local A ''
	[ "$(serial blue.local)" = $((before + 2)) ]
	zk rm "/networks/100/dhcp4_leases/$M1"
	wait_until 60 answers vm2.blue.local A ''
	[ "$(serial blue.local)" = $((before + 3)) ]
	# a lease that says the same once more changes nothing
	zk set "/networks/100/dhcp4_reservations/$M2/hostname" web1
	zk create /networks/100/dhcp6_leases ''
	zk create /networks/100/dhcp6_leases/2001:db8:100::5/hostname web1
	zk create /networks/100/dhcp6_leases/2001:db8:100::5/macaddr $M2
	wait_until 60 answers web1.blue.local AAAA 2001:db8:100::5
	[ "$(serial blue.local)" -le $((before + 5)) ] # the name came before the card
}

@test "D33, D34: zones that are missing at take-over are added, so are those of networks that come later; those of deleted networks go, whenever that was" {
	network 1 one.test
	network 2 two.test
	dns_start
	wait_until 60 zones_are '0.1.10.in-addr.arpa 0.2.10.in-addr.arpa one.test two.test'
	network 3 three.test
	wait_until 60 zones_are '0.1.10.in-addr.arpa 0.2.10.in-addr.arpa 0.3.10.in-addr.arpa one.test three.test two.test'
	zk rm /networks/1
	wait_until 60 zones_are '0.2.10.in-addr.arpa 0.3.10.in-addr.arpa three.test two.test'
	sql_is 'SELECT count(*) FROM records WHERE domain_id IS NULL OR domain_id NOT IN (SELECT id FROM domains)' 0
	dns_stop
	# while another node, or nobody, was the primary
	zk rm /networks/2
	network 4 four.test
	zk set /networks/3/domain drei.test
	dns_start
	wait_until 60 zones_are '0.3.10.in-addr.arpa 0.4.10.in-addr.arpa drei.test four.test'
}

@test "D76: with rows in any order only the right ones are deleted; records and zones of others are never touched" {
	network 100 blue.local
	for i in 1 2 3 4 5 6; do lease 100 52:54:00:00:00:0$i 10.100.0.1$i vm$i; done
	sql "INSERT INTO domains (name, type, account) VALUES ('example.org', 'NATIVE', 'ops'), ('green.local', 'NATIVE', NULL)"
	sql "INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, 'www.' || name, 'A', '192.0.2.1', 60 FROM domains"
	network 101 green.local # a network whose zone is somebody else's
	dns_start
	wait_until 60 sql_is "SELECT count(*) FROM records WHERE type = 'A' AND name LIKE '%.blue.local'" 6
	wait_until 60 said "zone green.local is in the database with the account '': it is left alone"
	# the operator's own in our zone: another name, and another address for a name of ours
	sql "INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, 'www.blue.local', 'A', '192.0.2.7', 60 FROM domains WHERE name = 'blue.local'"
	sql "INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, 'vm3.blue.local', 'A', '192.0.2.8', 60 FROM domains WHERE name = 'blue.local'"
	# an update moves a row to the end of the table: the order of rows and of names differ
	sql "UPDATE records SET ttl = 301 WHERE name = 'vm1.blue.local'"
	sql "UPDATE records SET ttl = 300 WHERE name = 'vm1.blue.local'"
	zk rm /networks/100/dhcp4_leases/52:54:00:00:00:03
	zk rm /networks/100/dhcp4_leases/52:54:00:00:00:05
	wait_until 60 rows_are 'vm1.blue.local 10.100.0.11, vm2.blue.local 10.100.0.12, vm3.blue.local 192.0.2.8, vm4.blue.local 10.100.0.14, vm6.blue.local 10.100.0.16, www.blue.local 192.0.2.7, www.example.org 192.0.2.1, www.green.local 192.0.2.1'
	# the network goes: the zone stays for what is not ours, and goes with it
	zk rm /networks/100
	wait_until 60 rows_are 'vm3.blue.local 192.0.2.8, www.blue.local 192.0.2.7, www.example.org 192.0.2.1, www.green.local 192.0.2.1'
	zk rm /networks/101
	wait_until 60 zones_are 'blue.local example.org green.local'
	sql "DELETE FROM records WHERE name IN ('vm3.blue.local', 'www.blue.local')"
	kill -HUP "$DNS"
	wait_until 60 zones_are 'example.org green.local'
	[ "$(times_said 'green.local is in the database')" = 1 ]
}

@test "a zone that an earlier release made is taken over with its records; what somebody deletes of ours comes back" {
	network 100 blue.local
	lease 100 $M1 10.100.0.10 vm1
	sql "INSERT INTO domains (name, type, account, notified_serial) VALUES ('blue.local', 'MASTER', 'internal', 0), ('gone.local', 'MASTER', 'internal', 0)"
	sql "INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, name, 'SOA', 'nsX.upstream.test root.upstream.test 41 10800 1800 86400 86400', 86400 FROM domains"
	sql "INSERT INTO records (domain_id, name, type, content, ttl) SELECT id, 'old.blue.local', 'A', '10.100.0.99', 600 FROM domains WHERE name = 'blue.local'"
	dns_start
	wait_until 60 rows_are 'vm1.blue.local 10.100.0.10'
	[ "$(serial blue.local)" = 42 ]
	sql_is "SELECT account FROM domains WHERE name = 'blue.local'" pvc
	sql_is "SELECT account FROM domains WHERE name = 'gone.local'" internal
	sql "DELETE FROM records WHERE name = 'vm1.blue.local'"
	kill -HUP "$DNS"
	wait_until 60 rows_are 'vm1.blue.local 10.100.0.10'
	[ "$(serial blue.local)" = 43 ]
}

@test "D77: the password is in no argument vector and in no file; nobody transfers a zone but who may; encryption that is asked for is not left out" {
	network 100 blue.local
	lease 100 $M1 10.100.0.10 vm1
	dns_start
	wait_until 60 answers vm1.blue.local A 10.100.0.10
	[ "$(server | wc -w)" = 1 ]
	! grep -aq dns-secret /proc/"$DNS"/cmdline "/proc/$(server)/cmdline" || false
	! grep -rq dns-secret "$T/run" "$T/log" "$T/dns.out" || false
	grep -aq 'PGPASSWORD=dns-secret' "/proc/$(server)/environ"
	grep -aq 'PGSSLMODE=prefer' "/proc/$(server)/environ"
	# it has no rights of root's but the port, and its file is not its to change
	[ "$(stat -c %U "/proc/$(server)")" = pdns ]
	[ "$(sed -n 's/^CapEff:\t0*//p' "/proc/$(server)/status")" = 400 ]
	[ "$(stat -c '%U:%G %a' "$T/run/pdns/pdns.conf")" = 'root:pdns 640' ]
	# default: not even this host itself
	[ -z "$(ask blue.local AXFR | grep -v '^;')" ]
	dns_stop
	sed -i 's/^    metadata:/      zone_transfer: [10.78.1.53]\n&/' "$T/pvcd.yaml"
	dns_start
	wait_until 60 answers vm1.blue.local A 10.100.0.10
	wait_until 60 transfers 10.78.1.53
	[ -z "$(ask -b 10.78.1.1 blue.local AXFR | grep -v '^;')" ]
	dns_stop
	# a server without TLS
	sed -i '0,/pass: dns-secret/s//&\n        sslmode: require/' "$T/pvcd.yaml"
	: >"$T/dns.out"
	zk rm /networks/100
	dns_start
	wait_until 60 said 'the zones cannot be written into the database pvcdns at 127.0.0.1, port 5432:'
	grep 'cannot be written' "$T/dns.out" | grep -qi ssl
	zones_are '0.100.10.in-addr.arpa blue.local'
}

@test "D29, D78: PostgreSQL away at the start and later: said once, retried, and back by itself; the program goes on" {
	network 100 blue.local
	pg_stop
	dns_start
	wait_until 60 said 'the zones cannot be written into the database'
	no_server # it could not even start
	lease 100 $M1 10.100.0.10 vm1
	pg_start
	wait_until 60 answers vm1.blue.local A 10.100.0.10
	said 'it answers again'
	failed=$(times_said 'cannot be written')
	pg_stop
	lease 100 $M2 10.100.0.11 vm2
	another_time() { [ "$(times_said 'cannot be written')" -gt "$failed" ]; }
	wait_until 60 another_time
	pg_start
	wait_until 60 answers vm2.blue.local A 10.100.0.11
	answers_again() { [ "$(times_said 'answers again')" = 2 ]; }
	wait_until 60 answers_again
	# once for each reason: nobody listens, and perhaps that it is just starting
	[ -z "$(grep -o 'cannot be written.*\|it answers again' "$T/dns.out" | uniq -d)" ]
	# stopped in its tracks: a connection that says nothing holds nothing up
	kill -STOP "$(cat "$T/pg/pid")"
	for pid in $(pgrep -P "$(cat "$T/pg/pid")"); do kill -STOP "$pid"; echo "$pid" >>"$T/stopped"; done
	lease 100 52:54:00:00:00:03 10.100.0.12 vm3
	SECONDS=0
	dns_stop
	[ $SECONDS -lt 45 ]
	while read -r pid; do kill -CONT "$pid" 2>/dev/null || :; done <"$T/stopped"
	kill -CONT "$(cat "$T/pg/pid")"
}

@test "D68, D70: a dead pdns_server comes back and is said once; the end waits for it; one whose parent is killed ends too" {
	local pid
	network 100 blue.local
	lease 100 $M1 10.100.0.10 vm1
	dns_start
	wait_until 60 answers vm1.blue.local A 10.100.0.10
	pid=$(server)
	kill -KILL "$pid"
	another() { [ -n "$(server)" ] && [ "$(server)" != "$pid" ]; }
	wait_until 60 another
	wait_until 60 answers vm1.blue.local A 10.100.0.10
	wait_until 60 said 'runs again'
	[ "$(times_said 'pdns_server ended by signal 9')" = 1 ]
	dns_stop
	no_server
	not said killed
	dns_start
	wait_until 60 answers vm1.blue.local A 10.100.0.10
	kill -KILL "$DNS"
	wait "$DNS" || :
	wait_until 60 no_server
}

@test "names that guests choose: what is none is left out and named, and the others are answered" {
	network 100 blue.local
	lease 100 52:54:00:00:00:01 10.100.0.11 "x'; DROP TABLE records; --"
	lease 100 52:54:00:00:00:02 10.100.0.12 '*'
	lease 100 52:54:00:00:00:03 10.100.0.13 www.example.org
	lease 100 52:54:00:00:00:04 10.99.0.14 outside
	reserve 100 52:54:00:00:00:05 10.100.0.15 web
	lease 100 52:54:00:00:00:06 10.100.0.16 web
	lease 100 52:54:00:00:00:07 10.100.0.17 good
	dns_start
	wait_until 60 answers good.blue.local A 10.100.0.17
	rows_are 'good.blue.local 10.100.0.17, web.blue.local 10.100.0.15'
	said "VNI 100: 'x'; DROP TABLE records; --', the name of 52:54:00:00:00:01, is left out: it is no host name"
	said "VNI 100: '*', the name of 52:54:00:00:00:02, is left out"
	said "VNI 100: 'www.example.org', the name of 52:54:00:00:00:03, is left out: it is a name of another domain"
	said "VNI 100: outside is left out: '10.99.0.14' is no address of its network"
	said 'VNI 100: 52:54:00:00:00:06 does not get the name web: 52:54:00:00:00:05 has it'
	lease 100 52:54:00:00:00:08 10.100.0.18 more
	wait_until 60 answers more.blue.local A 10.100.0.18
	[ "$(times_said 'DROP TABLE')" = 1 ]
}
