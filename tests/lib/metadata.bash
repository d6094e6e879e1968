# SPDX-License-Identifier: GPL-3.0-or-later
# A node with networks, virtual machines' keys, leases and a provisioner's database for pvc-metadata, and guests that are
# network namespaces. Load common.bash and postgres.bash first.
# shellcheck shell=bash

export VM1=11111111-0000-4000-8000-000000000001 VM2=11111111-0000-4000-8000-000000000002 VM3=11111111-0000-4000-8000-000000000003
export VM4=11111111-0000-4000-8000-000000000004 VM5=11111111-0000-4000-8000-000000000005 VM6=11111111-0000-4000-8000-000000000006

# metadata_node: a namespace with a ZooKeeper, a PostgreSQL and an upstream network; files below $T
metadata_node() {
	netns_make node
	NODE=$NETNS ZK_NETNS=$NETNS PG_NETNS=$NETNS
	export NODE ZK_NETNS PG_NETNS
	ip -n "$NODE" link add vmbrupstream type bridge forward_delay 0 # (the test's `guest` plugs into vmbrNAME)
	ip -n "$NODE" address add 10.78.9.1/24 dev vmbrupstream
	ip -n "$NODE" link set vmbrupstream up
	zk_start
	mkdir -p "$T/run" "$T/log" "$T/console"
	write_config "$T/pvcd.yaml" '/metadata:/,$s/host: localhost/host: 127.0.0.1/'
	zk create /networks ''
	zk create /domains ''
	pg_init
	pg_start
}
userdata_web() {
	cat <<-'E'
		#cloud-config
		# it's user-data: "quotes", umlauts äöü and a \ backslash
		write_files:
		  - path: /root/made
		    content: |
		      made by user-data
	E
}
# the tables of the reference's provisioner that matter
provisioner() {
	pg_sql postgres "CREATE ROLE pvcprov LOGIN PASSWORD 'metadata-secret'"
	pg_sql postgres "CREATE DATABASE pvcprov OWNER pvcprov"
	pg_sql pvcprov "
		SET ROLE pvcprov;
		CREATE TABLE userdata (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE, userdata TEXT NOT NULL);
		CREATE TABLE profile (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE, userdata INT REFERENCES userdata(id), arguments text);
		INSERT INTO userdata (name, userdata) VALUES ('empty', '');
		INSERT INTO userdata (name, userdata) VALUES ('huge', repeat('x', 300000));
		INSERT INTO userdata (name, userdata) VALUES ('web', \$body\$$(userdata_web)
\$body\$);
		INSERT INTO profile (name, userdata) SELECT name, id FROM userdata;
		INSERT INTO profile (name, userdata) VALUES ('plain', NULL)"
}

bridge() { # VNI: as pvc-watch-networks makes it
	ip -n "$NODE" link add "vmbr$1" mtu 1450 type bridge forward_delay 0
	ip -n "$NODE" link set "vmbr$1" up
}
network() { # VNI TYPE
	bridge "$1"
	zk create "/networks/$1" "net$1"
	zk create "/networks/$1/nettype" "$2"
	zk create "/networks/$1/domain" "net$1.local"
	zk create "/networks/$1/dhcp4_leases" ''
	zk create "/networks/$1/dhcp4_reservations" ''
}
vm() { # UUID NAME PROFILE VNI MAC
	zk create "/domains/$1" "$2"
	zk create "/domains/$1/profile" "$3"
	zk create "/domains/$1/xml" "<domain type='kvm'><name>$2</name><uuid>$1</uuid><devices><interface type='bridge'><mac address='${5^^}'/>\
<source bridge='vmbr$4'/><model type='virtio'/></interface></devices></domain>"
}
lease() { zk create "/networks/$1/dhcp4_leases/$2/ipaddr" "$3"; } # VNI MAC ADDRESS
# many_vms COUNT: in network 100, each with a lease, in one session
many_vms() {
	ip netns exec "$NODE" "$PYTHON" - "$ZK" "$1" <<-'E'
		import logging, sys
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1]); zk.start(timeout=60)
		for n in range(int(sys.argv[2])):
		    uuid, mac = "22222222-0000-4000-8000-%012x" % n, "52:54:01:00:%02x:%02x" % (n >> 8, n & 255)
		    t = zk.transaction()
		    t.create("/domains/" + uuid, b"many%d" % n)
		    t.create("/domains/" + uuid + "/profile", b"web")
		    t.create("/domains/" + uuid + "/xml", ("<domain><name>many%d</name><uuid>%s</uuid><devices><interface type='bridge'>"
		        "<mac address='%s'/><source bridge='vmbr100'/></interface></devices></domain>" % (n, uuid, mac)).encode())
		    t.create("/networks/100/dhcp4_leases/" + mac, b"")
		    t.create("/networks/100/dhcp4_leases/" + mac + "/ipaddr", b"10.100.%d.%d" % (1 + (n >> 8), n & 255))
		    assert all(isinstance(r, str) for r in t.commit())
		zk.stop()
	E
}

ns() { cat "$T/ns.$1"; } # netns_make's name for it
# guest NAME VNI MAC ADDRESS: a namespace whose eth0 hangs on that bridge
guest() {
	local node=$NETNS
	netns_make "$1"
	echo "$NETNS" >"$T/ns.$1"
	NETNS=$node
	printf '%s %s\n' "$3" "$4" >"$T/guest.$1"
	plug "$1" "$2"
}
plug() { # NAME VNI
	local mac address
	read -r mac address <"$T/guest.$1"
	ip -n "$NODE" link del "tap$1" 2>/dev/null || :
	ip -n "$NODE" link add "tap$1" type veth peer name eth0 netns "$(ns "$1")"
	ip -n "$NODE" link set "tap$1" master "vmbr$2" up
	ip -n "$(ns "$1")" link set eth0 address "$mac" up
	ip -n "$(ns "$1")" address add "$address/24" dev eth0
	ip -n "$(ns "$1")" route replace default via "${address%.*}.1" dev eth0 onlink
	# a network without a gateway: the node is found by ARP all the same
	[ "$2" != 200 ] || ip -n "$(ns "$1")" route replace 169.254.169.254 dev eth0
}

# metadata_start: the program; its log is $T/metadata.out, its process $METADATA (kept in a file: tests are processes of their own)
metadata_start() {
	local before
	before=$(times_said 'serving instance metadata at')
	# shellcheck disable=SC2016 # the inner shell expands it
	ip netns exec "$NODE" unshare --uts sh -c 'hostname pvchv1 && exec pvc-metadata --debug --config "$0"' "$T/pvcd.yaml" >>"$T/metadata.out" 2>&1 3>&- &
	METADATA=$!
	export METADATA
	echo "$METADATA" >"$T/metadata.pid"
	remember "$METADATA"
	wait_until 60 started_or_dead "$before"
	started "$before"
}
started() { [ "$(times_said 'serving instance metadata at')" -gt "$1" ]; }
started_or_dead() { started "$1" || ! kill -0 "$METADATA"; }
# a process that nobody waited for yet is gone, too
serves() {
	METADATA=$(cat "$T/metadata.pid")
	export METADATA
	[ -e "/proc/$METADATA" ] && ! grep -q '^State:.*Z' "/proc/$METADATA/status"
}
no() { ! "$@"; }
metadata_end() {
	METADATA=$(cat "$T/metadata.pid" 2>/dev/null) || :
	[ -z "${METADATA:-}" ] || kill -KILL "$METADATA" 2>/dev/null || :
	[ ! -e "$T/pg/pid" ] || kill -QUIT "$(cat "$T/pg/pid")" 2>/dev/null || :
	test_cleanup
}
said() { grep -qF -- "$1" "$T/metadata.out"; }
times_said() { if [ -e "$T/metadata.out" ]; then grep -cF -- "$1" "$T/metadata.out" || :; else echo 0; fi; }
has_address() { ip -n "$NODE" -o address show dev lo | grep -qF ' 169.254.169.254/32 '; }

# ask_from NAMESPACE METHOD PATH [HEADER:VALUE]...; answer GUEST ...: status, headers and body; body: the body alone
ask_from() { local where=$1; shift; ip netns exec "$where" "$PYTHON" "$TOP/tests/lib/ask.py" "$@"; }
answer() { local name=$1; shift; ask_from "$(ns "$name")" "$@" 2>&1; }
body_of() { local name=$1; shift; ask_from "$(ns "$name")" "$@" 2>/dev/null; }
body() { body_of "$1" GET "$2"; }
body_is() { [ "$(body "$1" "$2")" = "$3" ]; }
# status GUEST WANTED METHOD PATH [HEADER:VALUE]...
status() {
	local name=$1 wanted=$2 got
	shift 2
	got=$(ask_from "$(ns "$name")" "$@" 2>&1 >/dev/null | head -n 1)
	[ "$got" = "$wanted" ] || {
		echo "$name: $*: status $got, wanted $wanted"
		return 1
	}
}
# Packets that ZooKeeper got while one guest asked once.
packets() { ip netns exec "$NODE" timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf mntr >&3 && sed -n "s/^zk_packets_received[[:space:]]*//p" <&3' "$ZK_PORT"; }
packets_of_one() {
	local before
	before=$(packets)
	status "$1" 200 GET /latest/meta-data/instance-id >&2
	echo $(($(packets) - before))
}
