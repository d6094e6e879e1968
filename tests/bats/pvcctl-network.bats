#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvcctl's client networks against a real ZooKeeper.
# shellcheck disable=SC2030,SC2031,SC2154 # bats runs each test in a subshell on purpose
# shellcheck disable=SC2015 # A && B || C: C is meant for both
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() {
	test_begin
	zk_start
}
teardown_file() { test_cleanup; }

# Each test begins with a cluster of one node and no network.
setup() {
	for key in $(zk ls /); do [ "$key" = zookeeper ] || zk rm "/$key"; done
	cluster init
	cluster node hv1
}

cluster() { $PYTHON "$TOP/tests/lib/cluster.py" "$ZK" "$@"; }
pvc() { timeout 120 pvcctl -z "$ZK" "$@"; }
net() { pvc network "$@"; }
json() { $PYTHON -c "import json,sys; d = json.load(sys.stdin); assert ($1), d"; }
usual() { net add "${1:-100}" "${2:-net1}" --ipnet "10.${3:-1}.0.0/24" --gateway "10.${3:-1}.0.1" \
	--dhcp --dhcp-start "10.${3:-1}.0.10" --dhcp-end "10.${3:-1}.0.99"; }
fails() { # STATUS TEXT: what run gave
	[ "$status" -eq "$1" ] || { echo "status $status: $output"; return 1; }
	[[ "$output" == *"$2"* ]] || { echo "no '$2' in: $output"; return 1; }
	[ "${#lines[@]}" -eq 1 ] && [[ "$output" == "pvcctl"* ]] || { echo "more than one line: $output"; return 1; }
}
R=/networks/100/firewall_rules
orders() { # DIRECTION: "order name" of the rules, by name
	local name
	for name in $(zk ls "$R/$1"); do echo "$(zk get "$R/$1/$name/order") $name"; done | sort -n
}
# race FIRST... -- SECOND...: network commands. The first has decided and sends its transaction, which is held; then the
# second is done from beginning to end; then the first one's transaction goes on. What they said is in $T/first, $T/second.
race() {
	local first=() port holder pid
	while [ "$1" != -- ]; do first+=("$1") && shift; done
	shift
	rm -f "$T/release" "$T/hold" # an old port in it must not be taken for the new one
	$PYTHON "$TOP/tests/lib/hold.py" 0 "$ZK_PORT" "$T/release" >"$T/hold" 2>&1 3>&- &
	holder=$!
	remember $holder
	wait_until 60 grep -q port "$T/hold"
	port=$(sed -n 's/^port //p' "$T/hold")
	timeout 120 pvcctl -z "127.0.0.1:$port" network "${first[@]}" >"$T/first" 2>&1 3>&- &
	pid=$!
	wait_until 60 grep -q held "$T/hold"
	net "$@" >"$T/second" 2>&1
	touch "$T/release"
	first_status=0
	wait $pid || first_status=$?
	kill $holder
	cat "$T/first" "$T/second"
}
first_says() { [ "$first_status" -eq "$1" ] && grep -qF -- "$2" "$T/first"; } # STATUS TEXT
one_write() { # PATH...: all keys below were made by one transaction
	$PYTHON - "$ZK" "$@" <<-'E'
		import sys, logging
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		c = KazooClient(hosts=sys.argv[1]); c.start()
		def tree(path):
		    yield c.get(path)[1].czxid
		    for child in c.get_children(path):
		        yield from tree(path + "/" + child)
		assert len({z for path in sys.argv[2:] for z in tree(path)}) == 1
		c.stop()
	E
}

@test "network add writes all keys of a managed network, as the reference's client does, in one transaction" {
	net add 100 net1 --dns-server ns1,ns2.example --ipnet 10.1.0.0/24 --gateway 10.1.0.1 \
		--dhcp --dhcp-start 10.1.0.10 --dhcp-end 10.1.0.99 --ipnet6 2001:db8::/64
	diff - <(zk tree /networks/100) <<-E
		/networks/100 = net1
		/networks/100/dhcp4_end = 10.1.0.99
		/networks/100/dhcp4_flag = True
		/networks/100/dhcp4_leases = 
		/networks/100/dhcp4_reservations = 
		/networks/100/dhcp4_start = 10.1.0.10
		/networks/100/dhcp6_flag = True
		/networks/100/domain = net1.local
		/networks/100/firewall_rules = 
		/networks/100/firewall_rules/in = 
		/networks/100/firewall_rules/out = 
		/networks/100/ip4_gateway = 10.1.0.1
		/networks/100/ip4_network = 10.1.0.0/24
		/networks/100/ip6_gateway = 2001:db8::1
		/networks/100/ip6_network = 2001:db8::/64
		/networks/100/name_servers = ns1,ns2.example
		/networks/100/nettype = managed
	E
	one_write /networks/100
}

@test "network add writes all keys of a bridged network" {
	net add 200 br --type bridged
	diff - <(zk tree /networks/200) <<-E
		/networks/200 = br
		/networks/200/dhcp4_end = None
		/networks/200/dhcp4_flag = False
		/networks/200/dhcp4_leases = 
		/networks/200/dhcp4_reservations = 
		/networks/200/dhcp4_start = None
		/networks/200/dhcp6_flag = False
		/networks/200/domain = None
		/networks/200/firewall_rules = 
		/networks/200/firewall_rules/in = 
		/networks/200/firewall_rules/out = 
		/networks/200/ip4_gateway = None
		/networks/200/ip4_network = None
		/networks/200/ip6_gateway = None
		/networks/200/ip6_network = None
		/networks/200/name_servers = 
		/networks/200/nettype = bridged
	E
}

@test "bad networks are refused in one line that names the option, and nothing is written" {
	run net add 16777216 a --ipnet 10.1.0.0/24
	fails 1 "VNI '16777216': a managed network's is a number from 1 to 16777215"
	run net add 4095 a --type bridged
	fails 1 "VNI '4095': a bridged network's is its VLAN tag, a number from 1 to 4094"
	run net add 100 "a b" --ipnet 10.1.0.0/24
	fails 1 "the network's name 'a b'"
	run net add 100 a --ipnet 10.1.0.0/24 --gateway 10.2.0.1
	fails 1 "--gateway: 10.2.0.1 is outside of the network 10.1.0.0/24"
	run net add 100 a --ipnet 10.1.0.0/24 --gateway 10.1.0.5 --dhcp --dhcp-start 10.1.0.2 --dhcp-end 10.1.0.9
	fails 1 "--gateway 10.1.0.5 is between --dhcp-start 10.1.0.2 and --dhcp-end 10.1.0.9"
	run net add 100 $'a\nb' --ipnet 10.1.0.0/24
	fails 1 "the network's name 'a?b'"
	run net add 100 a --type routed
	fails 1 "--type is managed or bridged"
	run net add 100 a
	fails 1 "--ipnet, --ipnet6 or both"
	run net add 100
	fails 64 "missing argument (VNI NAME)"
	[ -z "$(zk ls /networks)" ]
}

@test "VNIs, names and addresses that another network has are refused by its name" {
	usual
	run usual 100 other 2
	fails 1 "VNI 100 is used by another network"
	run usual 101 net1 2
	fails 1 "the name 'net1' is used by network 100"
	run usual 101 net2 1
	fails 1 "--ipnet 10.1.0.0/24 overlaps with network 100 (net1): 10.1.0.0/24"
	run net add 101 net2 --ipnet 10.0.0.0/8
	fails 1 "overlaps with network 100 (net1)"
	usual 101 net2 2
	run net modify net2 --ipnet 10.1.0.0/16 --gateway 10.1.0.1 --dhcp-start 10.1.0.2 --dhcp-end 10.1.0.3
	fails 1 "overlaps with network 100 (net1)"
	run net modify net2 --name net1
	fails 1 "the name 'net1' is used by network 100"
	[ "$(zk get /networks/101/ip4_network)" = 10.2.0.0/24 ]
}

@test "addresses of the nodes' own networks are refused when the configuration is read" {
	write_config "$T/pvcd.yaml"
	cluster_net=$($PYTHON -c 'import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["pvc"]["cluster"]["networks"]["cluster"]["network"])' "$T/pvcd.yaml")
	run as_node pvchv1 pvcctl --config "$T/pvcd.yaml" network add 100 a --ipnet "$cluster_net"
	[ "$status" -eq 1 ] && [[ "$output" == *"overlaps with the nodes' own "*" network $cluster_net"* ]]
}

@test "D51: many who take one name or one range of addresses at once: one of them wins, all others are told" {
	for i in {1..8}; do
		pvc network add "$i" same --ipnet "10.$i.0.0/24" >"$T/add.$i" 2>&1 3>&- &
		pvc network add "$((i + 10))" "net$i" --ipnet 10.99.0.0/24 >"$T/add.$((i + 10))" 2>&1 3>&- &
	done
	wait
	[ "$(grep -l "is added" "$T"/add.* | wc -l)" -eq 2 ]
	[ "$(grep -l "the name 'same' is used" "$T"/add.* | wc -l)" -eq 7 ]
	[ "$(grep -l "overlaps with network" "$T"/add.* | wc -l)" -eq 7 ]
	[ "$(zk ls /networks | wc -l)" -eq 2 ]
}

@test "network modify writes what is given and nothing else" {
	usual
	zk tree /networks/100 >"$T/before"
	before=$(zk stat /networks/100/ip4_network)
	net modify 100 --domain a.example --no-dhcp --dns-server 192.0.2.1
	zk tree /networks/100 >"$T/after"
	run diff "$T/before" "$T/after"
	[ "$(grep '^>' <<<"$output")" = "> /networks/100/dhcp4_flag = False
> /networks/100/domain = a.example
> /networks/100/name_servers = 192.0.2.1" ]
	[ "$(zk stat /networks/100/ip4_network)" = "$before" ]
	run net modify 100
	fails 64 "nothing to change was given"
	run net modify 100 --dhcp-end 10.1.0.5
	fails 1 "--dhcp-start 10.1.0.10 is behind --dhcp-end 10.1.0.5"
	run net modify 100 --ipnet 10.7.0.0/24
	fails 1 "--gateway: 10.1.0.1 is outside of the network 10.7.0.0/24"
	net modify net1 --ipnet6 2001:db8:5::/64 --name web
	[ "$(zk get /networks/100/ip6_gateway)" = 2001:db8:5::1 ] && [ "$(zk get /networks/100)" = web ]
	net modify web --ipnet none
	[ "$(zk get /networks/100/ip4_network)" = None ] && [ "$(zk get /networks/100/dhcp4_start)" = None ]
	run net modify web --ipnet6 none
	fails 1 "a managed network needs --ipnet, --ipnet6 or both"
}

@test "D51: an add that is overtaken looks again: the VNI, name or addresses are taken by then" {
	race add 100 net1 --ipnet 10.1.0.0/24 -- add 100 other --ipnet 10.2.0.0/24
	first_says 1 "VNI 100 is used by another network"
	race add 101 net1 --ipnet 10.1.0.0/24 -- add 102 net1 --ipnet 10.3.0.0/24
	first_says 1 "the name 'net1' is used by network 102"
	race add 101 net2 --ipnet 10.1.0.0/24 -- add 103 net3 --ipnet 10.1.0.0/25
	first_says 1 "--ipnet 10.1.0.0/24 overlaps with network 103 (net3): 10.1.0.0/25"
	race add 101 net2 --ipnet 10.5.0.0/24 -- add 104 net4 --ipnet 10.4.0.0/24
	first_says 0 "is added"
	[ "$(zk ls /networks | tr '\n' ' ')" = "100 101 102 103 104 " ]
}

@test "D51: a change that is overtaken looks again, and is refused when it no longer fits" {
	net add 100 net1 --ipnet 10.1.0.0/24 --gateway 10.1.0.1
	race modify 100 --gateway 10.1.0.2 -- modify 100 --ipnet 10.5.0.0/24 --gateway 10.5.0.1
	first_says 1 "--gateway: 10.1.0.2 is outside of the network 10.5.0.0/24"
	[ "$(zk get /networks/100/ip4_gateway)" = 10.5.0.1 ]
	race modify 100 --gateway 10.5.0.2 -- modify 100 --domain a.example
	first_says 0 "is modified"
	[ "$(zk get /networks/100/ip4_gateway)" = 10.5.0.2 ] && [ "$(zk get /networks/100/domain)" = a.example ]
	race modify 100 --name one -- add 101 one --type bridged
	first_says 1 "the name 'one' is used by network 101"
	race modify 100 --name two -- remove 100
	first_says 1 "network 100 is gone"
	run ! zk exists /networks/100
}

@test "what is not there is told: networks, rules, reservations" {
	usual
	for command in "info 999" "remove 999" "modify 999 --no-dhcp" "rule list 999" "rule add 999 in a accept" "dhcp list 999"; do
		# shellcheck disable=SC2086 # words
		run net $command
		fails 1 "the cluster has no network 999; 'pvcctl network list' shows all"
	done
	run net info nothing
	fails 1 "the cluster has no network named 'nothing'"
	run net rule remove 100 nothing
	fails 1 "network 100 has no rule of that name"
	run net dhcp remove 100 52:54:00:00:00:01
	fails 1 "network 100 has no such reservation"
}

@test "network list and info: table and JSON, networks in the order of their numbers" {
	usual 100 net1
	net add 20 br --type bridged
	net add 1000 six --ipnet6 2001:db8::/64
	run net list
	diff - <(echo "$output") <<-E
		 VNI  NAME  TYPE     DOMAIN      IPV4         GATEWAY   DHCP                 IPV6
		  20  br    bridged  -           -            -         -                    -
		 100  net1  managed  net1.local  10.1.0.0/24  10.1.0.1  10.1.0.10-10.1.0.99  -
		1000  six   managed  six.local   -            -         -                    2001:db8::/64
	E
	net list --format json | json '[n["vni"] for n in d] == [20, 100, 1000] and d[0]["type"] == "bridged" and d[0]["domain"] is None'
	net info net1 --format json | json 'd == {"vni": 100, "description": "net1", "type": "managed", "domain": "net1.local",
		"name_servers": [], "ip6": {"network": None, "gateway": None, "dhcp_flag": False}, "ip4": {"network": "10.1.0.0/24",
		"gateway": "10.1.0.1", "dhcp_flag": True, "dhcp_start": "10.1.0.10", "dhcp_end": "10.1.0.99"}, "rules": [], "problems": []}'
	run net info 20
	diff - <(echo "$output") <<-E
		VNI:             20
		Name:            br
		Type:            bridged
	E
}

@test "D64, D65: network info shows what each node says is wrong with the network" {
	usual
	cluster node hv2
	net rule add 100 in ssh 'tcp dport 22 accept'
	zk create /nodes/hv1/network_errors/100 $'links: vmbr100 is not ours\nfirewall: in/ssh: syntax error\e[2J'
	zk create /nodes/hv2/network_errors/100 'firewall: in/ssh: syntax error'
	zk create /nodes/hv2/network_errors/101 'another network'
	run net info 100
	[[ "$output" == *"Rules in:        ssh: tcp dport 22 accept"* ]]
	[ "$(grep -A2 ^Problems: <<<"$output")" = "Problems:        hv1: links: vmbr100 is not ours
                 hv1: firewall: in/ssh: syntax error?[2J
                 hv2: firewall: in/ssh: syntax error" ]
	net info 100 --format json | json 'len(d["problems"]) == 3 and d["rules"] == [
		{"direction": "in", "order": 0, "description": "ssh", "rule": "tcp dport 22 accept"}]'
}

@test "one broken network never breaks a list: every key missing, empty or garbage" {
	usual 100 net1
	usual 101 net2 2
	zk create /networks/nonsense $'\xff\xfe'
	for key in $(zk ls /networks/100); do
		value=$(zk get "/networks/100/$key")
		for bad in '' None $'\xff\xfe\n\e[2J' "$(printf '%5000s' x)"; do
			zk rm "/networks/100/$key"
			[ "$(net list | wc -l)" -eq 4 ]
			zk create "/networks/100/$key" "$bad"
			net list --format json | json 'len(d) == 3 and d[1]["description"] == "net2" or d[0]["vni"] == 100'
			net info 100 >/dev/null
			net dhcp list 100 >/dev/null
			net rule list 100 >/dev/null
		done
		zk rm "/networks/100/$key"
		zk create "/networks/100/$key" "$value"
	done
}

@test "what the reference's API writes is read in all spellings" {
	usual
	zk set /networks/100/name_servers "['8.8.8.8', '8.8.4.4']"
	zk set /networks/100/ip6_network ''
	net info 100 --format json | json 'd["name_servers"] == ["8.8.8.8", "8.8.4.4"] and d["ip6"]["network"] is None'
	zk set /networks/100/name_servers None
	net info 100 --format json | json 'd["name_servers"] == []'
	net modify 100 --gateway 10.1.0.2 # its own name servers and IPv6 stay as they are
	[ "$(zk get /networks/100/name_servers)" = None ] && [ "$(zk get /networks/100/ip6_network)" = "" ]
}

@test "network remove deletes all in one step, and a network that VMs are in only with --yes" {
	usual
	net rule add 100 in a accept
	net dhcp add 100 52:54:00:00:00:01 10.1.0.5
	zk create /networks/100/dhcp4_leases/52:54:00:00:00:02/ipaddr 10.1.0.6
	cluster vms 1 hv1 # its interface is on vmbr100
	run net remove 100
	fails 1 "network 100 ('net1') has VMs: 'many0000'; take them out of it, or say --yes"
	before=$(zk tree /networks/100 | wc -l)
	timeout 60 "$PYTHON" - "$ZK" <<-'E' >"$T/seen" 3>&- &
		import sys, logging
		from kazoo.client import KazooClient
		from kazoo.exceptions import NoNodeError
		logging.disable(logging.CRITICAL)
		c = KazooClient(hosts=sys.argv[1]); c.start()
		def count(path):
		    return 1 + sum(count(path + "/" + child) for child in c.get_children(path))
		print("looking", flush=True)
		try:
		    while True:
		        last = count("/networks/100")
		        print(last, flush=True)
		except NoNodeError:
		    print("gone", flush=True)
	E
	pid=$!
	wait_until 60 grep -q looking "$T/seen"
	net remove 100 --yes
	wait "$pid"
	[ "$(sort -u "$T/seen" | grep -vxc -e looking -e gone -e "$before")" -eq 0 ]
	run ! zk exists /networks/100
	usual
	net remove net1 --yes
}

@test "network remove without VMs needs no --yes, also with thousands of leases" {
	usual
	$PYTHON - "$ZK" <<-'E'
		import sys, logging
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		c = KazooClient(hosts=sys.argv[1]); c.start()
		for i in range(3000):
		    t = c.transaction()
		    base = "/networks/100/dhcp4_leases/52:54:00:00:%02x:%02x" % divmod(i, 256)
		    t.create(base, b"")
		    for key in ("expiry", "ipaddr", "hostname", "clientid"):
		        t.create(base + "/" + key, b"x" * 40)
		    t.commit()
		c.stop()
	E
	net remove 100
	run ! zk exists /networks/100
}

@test "rule add and remove keep the orders 0, 1, 2...; --order puts a rule before others (D66)" {
	usual
	net rule add 100 in b 'tcp dport 2 accept'
	net rule add 100 in c 'tcp dport 3 accept'
	net rule add net1 in a 'tcp dport 1 accept' --order 0
	net rule add 100 in last 'drop' --order 99
	net rule add 100 out o 'tcp dport 9 accept'
	[ "$(orders in)" = "0 a
1 b
2 c
3 last" ]
	[ "$(zk get $R/in/a)" = "" ] && [ "$(zk get $R/in/a/rule)" = 'tcp dport 1 accept' ]
	one_write $R/in/a
	net rule remove 100 b
	[ "$(orders in)" = "0 a
1 c
2 last" ]
	[ "$(orders out)" = "0 o" ]
	run net rule list 100
	diff - <(echo "$output") <<-E
		DIRECTION  ORDER  NAME  RULE
		in             0  a     tcp dport 1 accept
		in             1  c     tcp dport 3 accept
		in             2  last  drop
		out            0  o     tcp dport 9 accept
	E
	net rule list 100 --format json | json '[(r["direction"], r["order"], r["description"]) for r in d] ==
		[("in", 0, "a"), ("in", 1, "c"), ("in", 2, "last"), ("out", 0, "o")]'
}

@test "D66: orders of others that are equal, missing or text are listed by number and put right by the next change" {
	usual
	for i in 0 1 2 10; do zk create $R/in/r$i/order "$i" && zk create $R/in/r$i/rule "tcp dport $i accept"; done
	zk create $R/in/same/order 2
	zk create $R/in/same/rule accept
	zk create $R/in/bare
	zk create $R/in/odd/order third
	net rule list 100
	[ "$(net rule list 100 | awk 'NR > 1 {print $3}' | tr '\n' ' ')" = "r0 r1 r2 same r10 bare odd " ]
	net rule add 100 in new drop --order 1
	[ "$(orders in)" = "0 r0
1 new
2 r1
3 r2
4 same
5 r10
6 bare
7 odd" ]
}

@test "D65: rules that are no single line and statement, too long or named twice are refused; nothing is written" {
	usual
	run net rule add 100 in bad 'accept; add table inet evil'
	fails 1 "the rule holds a ';' (byte 7)"
	run net rule add 100 in bad $'accept\nadd table inet evil'
	fails 1 "the rule holds a line break"
	run net rule add 100 in bad "$(printf '%65536s' accept)"
	fails 1 "the rule is 65536 bytes long; at most 4096 are taken"
	run net rule add 100 in bad ''
	fails 1 "the rule is empty"
	run net rule add 100 in a/b accept
	fails 1 "the rule's name 'a/b'"
	run net rule add 100 inward a accept
	fails 64 "the direction is 'in' (to the network) or 'out' (from it)"
	[ -z "$(zk ls $R/in)" ]
	net rule add 100 in a accept
	run net rule add 100 out a accept
	fails 1 "network 100 has a rule named 'a' already ('in')"
}

@test "D51: rules added and removed at the same moment: none is lost, no order is given twice" {
	usual
	for i in {1..4}; do net rule add 100 in "old$i" accept; done
	for i in {1..6}; do pvc network rule add 100 in "new$i" accept --order 0 >"$T/rule.$i" 2>&1 3>&- & done
	for i in {1..4}; do pvc network rule remove 100 "old$i" >"$T/rule.old$i" 2>&1 3>&- & done
	wait
	cat "$T"/rule.*
	[ "$(orders in | cut -d' ' -f1 | tr '\n' ' ')" = "0 1 2 3 4 5 " ]
	[ "$(orders in | cut -d' ' -f2 | sort | tr '\n' ' ')" = "new1 new2 new3 new4 new5 new6 " ]
}

@test "D51: a rule that is overtaken gets the next order, or is refused when its name is taken" {
	usual
	race rule add 100 in a accept -- rule add 100 in b drop
	first_says 0 "is added"
	[ "$(orders in)" = "0 b
1 a" ]
	race rule add 100 in c accept -- rule add 100 out c drop
	first_says 1 "has a rule named 'c' already ('out')"
	race rule remove 100 b -- rule add 100 in z accept --order 0
	first_says 0 "is removed"
	[ "$(orders in)" = "0 z
1 a" ]
	race rule add 100 in late accept -- remove 100
	first_says 1 "network 100 is gone"
	run ! zk exists /networks/100
}

@test "D61: dhcp add writes dhcp4_reservations as clients do, the MAC in lower case" {
	usual
	net dhcp add 100 52:54:00:AB:CD:01 10.1.0.5 --hostname web1
	net dhcp add net1 52-54-00-ab-cd-02 10.1.0.50
	diff - <(zk tree /networks/100/dhcp4_reservations) <<-E
		/networks/100/dhcp4_reservations = 
		/networks/100/dhcp4_reservations/52:54:00:ab:cd:01 = static
		/networks/100/dhcp4_reservations/52:54:00:ab:cd:01/hostname = web1
		/networks/100/dhcp4_reservations/52:54:00:ab:cd:01/ipaddr = 10.1.0.5
		/networks/100/dhcp4_reservations/52:54:00:ab:cd:02 = static
		/networks/100/dhcp4_reservations/52:54:00:ab:cd:02/hostname = None
		/networks/100/dhcp4_reservations/52:54:00:ab:cd:02/ipaddr = 10.1.0.50
	E
	one_write /networks/100/dhcp4_reservations/52:54:00:ab:cd:01
	net dhcp remove 100 52:54:00:ab:cd:01
	net dhcp remove 100 10.1.0.50
	[ -z "$(zk ls /networks/100/dhcp4_reservations)" ]
}

@test "reservations that cannot work are refused and name why" {
	usual
	net add 200 br --type bridged
	net add 300 six --ipnet6 2001:db8::/64
	net dhcp add 100 52:54:00:00:00:01 10.1.0.5 --hostname web1
	run net dhcp add 100 52:54:00:00:00:0g 10.1.0.6
	fails 1 "MAC '52:54:00:00:00:0g'"
	run net dhcp add 100 52:54:00:00:00:02 10.2.0.6
	fails 1 "ADDRESS: 10.2.0.6 is outside of the network 10.1.0.0/24"
	run net dhcp add 100 52:54:00:00:00:02 10.1.0.1
	fails 1 "ADDRESS: 10.1.0.1 is the network's gateway"
	run net dhcp add 100 52:54:00:00:00:02 10.1.0.5
	fails 1 "ADDRESS: 10.1.0.5 is reserved for 52:54:00:00:00:01"
	run net dhcp add 100 52:54:00:00:00:01 10.1.0.6
	fails 1 "52:54:00:00:00:01 has a reservation already"
	run net dhcp add 100 52:54:00:00:00:02 10.1.0.6 --hostname WEB1
	fails 1 "--hostname: 'WEB1' is the name of 52:54:00:00:00:01"
	run net dhcp add 100 52:54:00:00:00:02 10.1.0.6 --hostname 'x,10.0.0.1'
	fails 1 "--hostname 'x,10.0.0.1' is no host name"
	run net dhcp add 200 52:54:00:00:00:02 10.1.0.6
	fails 1 "network 200 is bridged"
	run net dhcp add 300 52:54:00:00:00:02 10.1.0.6
	fails 1 "the network has no IPv4 addresses"
	[ "$(zk ls /networks/100/dhcp4_reservations)" = 52:54:00:00:00:01 ]
	net modify 100 --no-dhcp
	run net dhcp add 100 52:54:00:00:00:02 10.1.0.6
	[ "$status" -eq 0 ] && [[ "$output" == *"note: DHCP is off in network 100"* ]]
}

@test "D51: a reservation that is overtaken looks again: address taken, network changed, network gone" {
	usual
	race dhcp add 100 52:54:00:00:00:01 10.1.0.5 -- dhcp add 100 52:54:00:00:00:02 10.1.0.5
	first_says 1 "ADDRESS: 10.1.0.5 is reserved for 52:54:00:00:00:02"
	race dhcp add 100 52:54:00:00:00:01 10.1.0.6 -- modify 100 --gateway 10.1.0.6
	first_says 1 "ADDRESS: 10.1.0.6 is the network's gateway"
	race remove 100 -- dhcp add 100 52:54:00:00:00:01 10.1.0.7
	first_says 0 "is removed"
	run ! zk exists /networks/100
	usual
	race dhcp add 100 52:54:00:00:00:01 10.1.0.5 -- remove 100
	first_says 1 "network 100 is gone"
	run ! zk exists /networks/100
}

@test "dhcp list: reservations and leases, whatever their keys hold" {
	usual
	net dhcp add 100 52:54:00:00:00:01 10.1.0.5 --hostname web1
	L=/networks/100/dhcp4_leases
	zk create $L/52:54:00:00:00:02/ipaddr 10.1.0.20
	zk create $L/52:54:00:00:00:02/hostname ''
	zk create $L/52:54:00:00:00:02/expiry 1700000000
	zk create $L/52:54:00:00:00:03/ipaddr $'10.1.0.21\e[2J'
	zk create $L/52:54:00:00:00:03/expiry 0
	zk create $L/52:54:00:00:00:04
	zk create /networks/100/dhcp6_leases/2001:db8::5/expiry 1700000000
	zk create /networks/100/dhcp6_leases/2001:db8::5/macaddr 52:54:00:00:00:02
	run net dhcp list 100
	diff - <(echo "$output") <<-E
		TYPE         MAC                ADDRESS        HOSTNAME  EXPIRES
		reservation  52:54:00:00:00:01  10.1.0.5       web1      -
		lease        52:54:00:00:00:02  10.1.0.20      -         2023-11-14 22:13:20 UTC
		lease        52:54:00:00:00:03  10.1.0.21?[2J  -         never
		lease        52:54:00:00:00:04  -              -         -
		lease6       52:54:00:00:00:02  2001:db8::5    -         2023-11-14 22:13:20 UTC
	E
	net dhcp list 100 --format json | json 'd[0] == {"type": "reservation", "mac_address": "52:54:00:00:00:01", "ip_address": "10.1.0.5",
		"hostname": "web1", "expiry": None} and d[1]["expiry"] == 1700000000 and len(d) == 5'
}
