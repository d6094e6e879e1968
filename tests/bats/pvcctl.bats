#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvcctl against a real ZooKeeper. Nodes are played by tests/lib/cluster.py where a node has to answer.
# shellcheck disable=SC2030,SC2031,SC2154 # bats runs each test in a subshell on purpose
# shellcheck disable=SC2015 # A && B || C: C is meant for both
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() {
	test_begin
	zk_start
}
teardown_file() { test_cleanup; }

# Each test begins with a cluster of one node that is ready, and no VM.
setup() {
	for key in $(zk ls /); do [ "$key" = zookeeper ] || zk rm "/$key"; done
	cluster init
	cluster node hv1
	: >"$T/acting"
}
teardown() { act_end; }

cluster() { $PYTHON "$TOP/tests/lib/cluster.py" "$ZK" "$@"; }
pvc() { timeout 120 pvcctl -z "$ZK" "$@"; }
act_begin() {
	$PYTHON "$TOP/tests/lib/cluster.py" "$ZK" act "$1" >"$T/acting.log" 2>&1 3>&- &
	echo $! >"$T/acting"
	remember $!
	wait_until 60 grep -q acting "$T/acting.log"
}
act_end() {
	local pid
	[ -s "$T/acting" ] || return 0
	pid=$(cat "$T/acting")
	kill -KILL "$pid" && wait "$pid" 2>/dev/null
	: >"$T/acting"
}
uuid_of() { pvc vm list --format json | $PYTHON -c 'import json,sys; print([v["uuid"] for v in json.load(sys.stdin) if v["name"] == sys.argv[1]][0])' "$1"; }
json() { $PYTHON -c "import json,sys; d = json.load(sys.stdin); assert ($1), d"; }
U=4f8c2a3e-0d1b-4c5d-8e9f-a0b1c2d3e4f5
xml() { # NAME UUID
	cat <<-E
		<domain type='kvm'>
		  <name>$1</name>${2:+<uuid>$2</uuid>}<description>a test</description>
		  <memory unit='GiB'>1</memory><vcpu>2</vcpu>
		  <os><type arch='x86_64' machine='pc'>hvm</type></os>
		  <features><acpi/></features>
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    <console type='pty'/>
		    <disk type='network' device='disk'><source protocol='rbd' name='vms/$1_sda'/><target dev='sda' bus='scsi'/></disk>
		    <disk type='network' device='disk'><source protocol='rbd' name='vms/$1_sdb'/><target dev='sdb' bus='scsi'/></disk>
		    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='vmbr100'/><model type='virtio'/></interface>
		  </devices>
		</domain>
	E
}
define() { xml "$1" "$2" | pvc vm define - "${@:3}"; }
state() { zk get "/domains/$U/state"; }
fails() { # STATUS TEXT: what run gave
	[ "$status" -eq "$1" ] || { echo "status $status: $output"; return 1; }
	[[ "$output" == *"$2"* ]] || { echo "no '$2' in: $output"; return 1; }
	[ "${#lines[@]}" -eq 1 ] && [[ "$output" == "pvcctl"* ]] || { echo "more than one line: $output"; return 1; }
}

# status_of PID: waits for a child of this shell and sets $status. `run wait` asks a subshell, which knows its end only when it is past.
status_of() {
	status=0
	wait "$1" || status=$?
}

@test "wrong usage is told in one line that names the right one, and is exit status 64" {
	run pvcctl
	fails 64 "no command given"
	run pvcctl vm
	fails 64 "'vm' wants one of define, list, info"
	run pvcctl vm lsit
	fails 64 "unknown command 'vm lsit'"
	run pvcctl frobnicate
	fails 64 "unknown command 'frobnicate'"
	run pvcctl network rule
	fails 64 "'network rule' wants one of add, remove, list"
	run pvcctl network dhcp drop
	fails 64 "unknown command 'network dhcp drop': 'network dhcp' wants one of add, remove, list"
	run pvcctl network rul
	fails 64 "unknown command 'network rul': 'network' wants one of add, modify, remove, list, info, rule, dhcp"
	run pvcctl vm start
	fails 64 "missing argument (VM)"
	run pvcctl vm start a b
	fails 64 "unexpected argument 'b'"
	run pvcctl vm list --wait
	fails 64 "unknown option '--wait'"
	run pvcctl vm list --state sleeping
	fails 64 "--state is start, restart"
	run pvcctl status --format yaml
	fails 64 "--format is table or json"
	run pvcctl vm define - --selector best
	fails 64 "--selector is mem, load, vcpus or vms"
	run pvcctl vm start a --timeout soon
	fails 64 "--timeout wants a number"
	run pvc maintenance maybe
	fails 64 "'on' or 'off'"
}

@test "options may stand before, between and after a command's words" {
	run pvcctl --zookeeper "$ZK" node list
	[ "$status" -eq 0 ]
	run pvcctl node --zookeeper="$ZK" list
	[ "$status" -eq 0 ]
	run pvcctl node list -z "$ZK" --format json
	[ "$status" -eq 0 ]
}

@test "a cluster that does not answer is exit status 69 and names its servers" {
	run timeout 120 pvcctl -z 127.0.0.1:1 status
	[ "$status" -eq 69 ] && [[ "$output" == *127.0.0.1:1* ]]
}

@test "without --zookeeper the configuration's coordinators are asked" {
	write_config "$T/pvcd.yaml"
	run as_node pvchv1 pvcctl --config "$T/pvcd.yaml" node list
	[ "$status" -eq 0 ] && [[ "${lines[1]}" == hv1* ]]
}

@test "a configuration that may not be read is exit status 77 and leads to --zookeeper" {
	write_config "$T/pvcd.yaml"
	chmod 755 "$T"
	mkdir -p "$T/bin" && cp "$BUILD/bin/pvcctl" "$T/bin/"
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$T/bin/pvcctl" --config "$T/pvcd.yaml" status
	fails 77 "--zookeeper"
}

@test "status: health, primary, and what there is of each state, as table and JSON" {
	zk set /primary_node hv1
	zk set /upstream_ip 10.0.0.250/24
	define a $U
	run pvc status
	diff - <(echo "$output") <<-E
		Health:          Degraded
		                 1 of 1 VMs do not run
		Maintenance:     off
		Primary node:    hv1
		Role held by:    -
		Upstream IP:     10.0.0.250/24
		Nodes:           1 total, 1 run,ready
		VMs:             1 total, 1 stop
		Networks:        0
		OSDs:            0 total
		Pools:           0
		Volumes:         0
		Snapshots:       0
	E
	zk set /domains/$U/state start
	pvc status --format json | json 'd["health"] == "Optimal" and d["problems"] == [] and d["vms"] == {"total": 1, "start": 1}
		and d["nodes"] == {"total": 1, "run,ready": 1} and d["primary_node"] == "hv1" and d["maintenance"] is False'
	zk set /nodes/hv1/daemonstate dead
	pvc status --format json | json 'd["health"] == "Degraded" and d["problems"] == ["node hv1 is dead,ready"]'
}

@test "a node that nothing is heard of, and a fencing that nobody goes on with, are problems; node info says what to do" {
	zk set /primary_node hv1
	zk create /pvc/heart/hv1 '{"boot":"b","armed":false}'
	zk create /pvc/alive/hv1 b
	pvc status --format json | json 'd["problems"] == []'
	zk rm /pvc/alive/hv1
	pvc status --format json | json 'd["problems"] == ["node hv1 is silent: its pvc-keepalive has no session"]'
	[[ "$(pvc node list)" == *"run, silent"* ]]
	[[ "$(pvc node info hv1)" == *"silent: its pvc-keepalive has no session"* ]]
	pvc maintenance on
	pvc status --format json | json 'd["problems"] == ["node hv1 is silent: its pvc-keepalive has no session, and maintenance is on"]'
	pvc maintenance off
	record() { echo "{\"step\":\"$1\",\"verdict\":\"$2\",\"fencer\":\"hv2\",\"boot\":\"b\",\"beat\":1,\"state_version\":1,\"attempt\":$3}"; }
	zk set /nodes/hv1/daemonstate dead
	zk create /pvc/fence/hv1 "$(record claimed unknown 0)"
	[[ "$(pvc node info hv1)" != *"confirmed-off"* ]]
	zk set /pvc/fence/hv1 "$(record claimed unknown 2)"
	[[ "$(pvc node info hv1)" == *"once you have seen that it is off: pvcctl node fence --confirmed-off hv1"* ]]
	zk set /pvc/fence/hv1 "$(record "done" off 2)"
	[[ "$(pvc node info hv1)" == *"when it is up again: pvcctl node ready hv1"* ]]
	zk set /pvc/fence/hv1 nonsense
	[[ "$(pvc node info hv1)" == *"then delete /pvc/fence/hv1"* ]]
	zk create /pvc/fence/hv7 "$(record proven off 1)"
	pvc status --format json | json '"node hv7 was removed while it was being fenced: see to its VMs, then delete /pvc/fence/hv7" in d["problems"]'
}

@test "status counts networks, OSDs, pools, volumes and snapshots" {
	zk create /networks/100 net
	zk create /ceph/osds/0/stats '{"up": 1, "in": 1}'
	zk create /ceph/osds/1/stats '{"up": 0, "in": 1}'
	zk create /ceph/osds/2/stats 'garbage'
	zk create /ceph/pools/vms
	zk create /ceph/volumes/vms/a
	zk create /ceph/volumes/vms/b
	zk create /ceph/snapshots/vms/a/now
	pvc status --format json | json 'd["networks"] == 1 and d["pools"] == 1 and d["volumes"] == 2 and d["snapshots"] == 1
		and d["osds"] == {"total": 3, "up,in": 1, "down,in": 1, "down,out": 1} and "OSD 1 is down,in" in d["problems"]'
}

@test "node list and info: states, resources and the node's own time stamp" {
	run pvc node list
	diff - <(echo "$output") <<-E
		NAME  DAEMON  COORDINATOR  DOMAIN  VMS  CPUS  VCPUS  LOAD  MEM(MiB)  USED   FREE  ALLOCATED
		hv1   run     secondary    ready     1     8      2  0.25     16000  2000  14000       1024
	E
	run pvc node info hv1
	[[ "$output" == *"Last keepalive:  2023-11-14 22:13:20 UTC"* ]]
	pvc node info hv1 --format json | json 'd["memory"] == {"total": 16000, "used": 2000, "free": 14000, "allocated": 1024}
		and d["vcpu"] == {"total": 8, "allocated": 2} and d["kernel"] == "6.1.0-1-amd64" and d["keepalive"] == 1700000000'
	run pvc node info nobody
	fails 1 "no node named 'nobody'"
	run pvc node ready hv1/x
	fails 1 "no node named"
}

@test "node ready --wait returns when the node is ready, and says what it is when it is not" {
	zk set /nodes/hv1/domainstate flushed
	run pvc node ready hv1 --wait --timeout 1
	fails 75 "still 'unflush' after 1 s; it goes on (its daemon state is 'run'"
	wait_until 60 unwatched /nodes/hv1/domainstate
	pvc node ready hv1 --wait >"$T/out" 3>&- &
	pid=$!
	wait_until 60 watched /nodes/hv1/domainstate
	zk set /nodes/hv1/domainstate ready
	wait "$pid"
	grep -q "Node 'hv1' is ready" "$T/out"
}
# Does somebody watch the key? As the server tells.
watched() {
	exec 4<>"/dev/tcp/127.0.0.1/$ZK_PORT" && printf wchp >&4 && grep -qx "$1" <&4
}
# before another client is waited for: the server forgets the one before a moment after that has ended
unwatched() { ! watched "$1"; }

@test "maintenance writes the words that the reference's client writes" {
	pvc maintenance on
	[ "$(zk get /maintenance)" = true ]
	run pvc status
	[ "${lines[0]}" = "Health:          Maintenance" ]
	pvc maintenance off
	[ "$(zk get /maintenance)" = false ]
}

@test "vm define writes all keys in one transaction, on the node that was chosen" {
	define a $U --autostart --limit hv1 --profile web --selector vms
	diff - <(zk tree /domains/$U | sed '/ = <domain/,$d') <<-E
		/domains/$U = a
		/domains/$U/consolelog = 
		/domains/$U/failedreason = 
		/domains/$U/lastnode = 
		/domains/$U/node = hv1
		/domains/$U/node_autostart = True
		/domains/$U/node_limit = hv1
		/domains/$U/node_selector = vms
		/domains/$U/profile = web
		/domains/$U/rbdlist = vms/a_sda,vms/a_sdb
		/domains/$U/state = stop
	E
	diff <(xml a $U) <(pvc vm dump a)
	zxids=$($PYTHON - "$ZK" /domains/$U <<-'E'
		import sys, logging
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		c = KazooClient(hosts=sys.argv[1]); c.start()
		paths = [sys.argv[2]] + [sys.argv[2] + "/" + k for k in c.get_children(sys.argv[2])]
		print(len({c.exists(p).czxid for p in paths}), len(paths)); c.stop()
	E
	)
	[ "$zxids" = "1 12" ]
}

@test "vm define makes a UUID where there is none and says so" {
	run --separate-stderr define b ""
	[ "$status" -eq 0 ] && [[ "$stderr" == *"gave it the UUID"* ]]
	u=$(uuid_of b)
	[[ "$output" == *"$u"* ]] && [[ "$(zk get "/domains/$u/xml")" == *"<uuid>$u</uuid>"* ]]
	xml c "" | pvc vm define - --format json | json 'd["name"] == "c" and d["node"] == "hv1" and len(d["uuid"]) == 36 and len(d["notes"]) == 1'
}

@test "vm define refuses a name or UUID that is used, wrong nodes, and XML that would break clients" {
	define a $U
	run define a 00000000-0000-4000-8000-000000000001
	fails 1 "the name 'a' is used by another VM ($U)"
	run define b $U
	fails 1 "the UUID $U is used"
	run define b "" --node nobody
	fails 1 "no node named 'nobody'"
	run define b "" --limit hv1,nobody
	fails 1 "--limit names 'nobody'"
	xml b "" | sed "s/ unit='GiB'//; /<console/d" >"$T/bad.xml"
	run pvc vm define "$T/bad.xml"
	fails 1 "<memory> has no attribute 'unit'"
	[[ "$output" == *"<devices/console> is missing"* ]]
	run pvc vm define /nonexistent.xml
	fails 1 "/nonexistent.xml"
	head -c 600000 /dev/zero | tr '\0' ' ' >"$T/big.xml"
	run pvc vm define "$T/big.xml"
	fails 1 "longer than"
	[ "$(zk ls /domains)" = $U ]
}

@test "vm define without a node that can take it says of each node why" {
	zk set /nodes/hv1/domainstate flush
	cluster node hv2 daemonstate=dead
	cluster node hv3 memfree=garbage
	run define a $U
	fails 1 "hv1 is not ready for VMs, hv2 does not run, hv3 does not report the figure to choose by"
	define a $U --node hv1
}

@test "vm define twice at the same moment with the same name: one of them wins" {
	for i in 1 2 3 4 5 6 7 8; do xml same "" >"$T/same$i.xml"; done
	pids=()
	for i in 1 2 3 4 5 6 7 8; do
		pvc vm define "$T/same$i.xml" >"$T/same$i.out" 2>&1 3>&- &
		pids+=($!)
	done
	won=0
	for pid in "${pids[@]}"; do wait "$pid" && won=$((won + 1)); done
	[ "$won" -eq 1 ] || { cat "$T"/same*.out; false; }
	[ "$(zk ls /domains | wc -l)" -eq 1 ]
	[ "$(grep -l "the name 'same' is used" "$T"/same*.out | wc -l)" -eq 7 ]
}

@test "vm list and info: table and JSON, filters are joined by and" {
	cluster node hv2
	define a $U --node hv1
	define b 00000000-0000-4000-8000-00000000000b --node hv2
	zk set /domains/$U/state start
	zk set /domains/$U/lastnode hv2
	run pvc vm list
	diff - <(echo "$output") <<-E
		NAME  UUID                                  STATE  NETWORKS  MEM(MiB)  VCPUS  NODE  FROM
		a     $U  start  100           1024      2  hv1   hv2
		b     00000000-0000-4000-8000-00000000000b  stop   100           1024      2  hv2   -
	E
	pvc vm list --node hv1 --state stop --format json | json 'd == []'
	pvc vm list --node hv1 --format json | json '[v["name"] for v in d] == ["a"]'
	pvc vm list --state stop --format json | json '[v["name"] for v in d] == ["b"]'
	run pvc vm list --node nobody
	fails 1 "no node named"
	pvc vm info a --format json | json 'd["uuid"] == "'$U'" and d["memory"] == 1024 and d["vcpu"] == 2 and d["description"] == "a test"
		and d["last_node"] == "hv2" and d["node_autostart"] is False and d["node_limit"] == [] and d["profile"] is None
		and d["disks"][1] == {"type": "rbd", "name": "vms/a_sdb", "dev": "sdb", "bus": "scsi"}
		and d["networks"] == [{"type": "bridge", "source": "vmbr100", "mac": "52:54:00:00:00:01", "model": "virtio"}]'
	run pvc vm info $U
	[ "${lines[0]}" = "Name:            a" ]
	run pvc vm info nobody
	fails 1 "no VM named 'nobody'"
	run pvc vm info 00000000-0000-4000-8000-0000000000ff
	fails 1 "no VM with the UUID"
}

@test "two VMs of one name are told apart by UUID only" {
	define a $U
	define b 00000000-0000-4000-8000-00000000000b
	zk set /domains/00000000-0000-4000-8000-00000000000b a
	run pvc vm start a
	fails 1 "more than one VM is named 'a'"
	pvc vm start $U
	[ "$(state)" = start ]
}

@test "one broken VM or node never breaks a list: every key missing, empty or garbage" {
	define good 00000000-0000-4000-8000-00000000000a
	garbage=$'\033[2Jx\xff\n'
	for key in "" state node lastnode node_limit node_selector node_autostart failedreason profile xml; do
		define bad $U --node hv1
		for value in "$garbage" "" "<domain>" "$(head -c 100000 /dev/zero | tr '\0' x)"; do
			zk set "/domains/$U${key:+/$key}" "$value"
			run pvc vm list
			[ "$status" -eq 0 ] && [[ "$output" == *"good "* ]] && [[ "$output" != *$'\033'* ]] || { echo "$key: $output"; false; }
			pvc vm info $U >/dev/null 2>&1
			pvc status >/dev/null
			pvc vm list --format json >"$T/list"
		done
		json 'len(d) == 2 and "good" in [v["name"] for v in d]' <"$T/list"
		[ -z "$key" ] || zk rm "/domains/$U/$key"
		run pvc vm list
		[ "$status" -eq 0 ] && [[ "$output" == *"good "* ]]
		zk rm /domains/$U
	done
}

@test "a node without any key is listed with '-', and one with garbage in every key" {
	zk create /nodes/empty
	# shellcheck disable=SC2046 # one word each
	cluster node odd $(for k in daemonmode daemonstate routerstate domainstate staticdata memtotal memused memfree memalloc vcpualloc cpuload domainscount runningdomains keepalive; do printf '%s=\001nan\n' $k; done)
	run pvc node list
	[ "$status" -eq 0 ]
	[[ "${lines[1]}" =~ ^empty\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-$ ]]
	[[ "${lines[2]}" == hv1* ]]
	[[ "${lines[3]}" == odd*\?nan* ]]
	pvc node list --format json | json 'd[0]["daemon_state"] is None and d[0]["memory"]["total"] is None and d[2]["load"] is None'
	pvc node info empty
	pvc node info odd
	pvc status
}

@test "each request needs the states that the reference's client needs, and writes its word" {
	define a $U
	for state in start restart shutdown stop disable migrate unmigrate provision fail delete odd; do
		for request in start stop shutdown restart disable; do
			zk set /domains/$U/state $state
			run pvc vm $request a
			case $request,$state in
			*,delete) fails 1 "is being undefined" && [ "$(state)" = delete ] ;;
			start,* | stop,* | shutdown,start | restart,start | disable,stop) [ "$status" -eq 0 ] && [ "$(state)" = $request ] ;;
			disable,*) fails 1 "its state is '$state', and must be 'stop'" && [ "$(state)" = "$state" ] ;;
			*) fails 1 "its state is '$state', and must be 'start'" && [ "$(state)" = "$state" ] ;;
			esac || { echo "$request in $state: $output, now $(state)"; false; }
		done
	done
	run pvc vm start nobody
	fails 1 "no VM named"
}

@test "the same word is written again: that tells the node to look again" {
	define a $U
	pvc vm start a
	before=$(zk stat /domains/$U/state)
	pvc vm start a
	[ "$(zk stat /domains/$U/state)" != "$before" ]
}

@test "D51: two writers at once: a request that came too late is refused, never lost in silence" {
	define a $U
	for _ in 1 2 3 4 5; do
		zk set /domains/$U/state start
		pvc vm restart a >"$T/1" 2>&1 3>&- &
		one=$!
		pvc vm shutdown a >"$T/2" 2>&1 3>&- &
		two=$!
		won=0 winner=
		wait $one && won=$((won + 1)) && winner=restart
		wait $two && won=$((won + 1)) && winner=shutdown
		# both need `start`: whichever comes second must see the first one's word, not overwrite it
		[ $won -eq 1 ] && [ "$(state)" = $winner ] || { cat "$T/1" "$T/2"; state; false; }
	done
}

@test "--wait: start, restart, shutdown and stop return when the node says so" {
	define a $U
	act_begin hv1
	run pvc vm start a --wait
	[ "$output" = "VM 'a' runs." ] && [[ "$(zk get /nodes/hv1/runningdomains)" == *$U* ]]
	run pvc vm restart a --wait
	[ "$output" = "VM 'a' runs again." ] && [ "$(state)" = start ]
	run pvc vm shutdown a --wait
	[ "$output" = "VM 'a' is off." ] && [ "$(state)" = stop ] && [[ "$(zk get /nodes/hv1/runningdomains)" != *$U* ]]
	pvc vm start a --wait
	run pvc vm stop a --wait
	[ "$output" = "VM 'a' is off." ] && [[ "$(zk get /nodes/hv1/runningdomains)" != *$U* ]]
}

@test "--wait: a failed VM is exit status 1 with the node's reason, a silent node 75 with what is missing" {
	define a $U
	run pvc vm start a --wait --timeout 1
	fails 75 "VM 'a' is not running after 1 s: its state is 'start', and node 'hv1' (daemon state 'run') does not report it"
	wait_until 60 unwatched /domains/$U/failedreason
	pvc vm start a --wait >"$T/out" 2>&1 3>&- &
	pid=$!
	wait_until 60 watched /domains/$U/failedreason
	# the reason a moment after the failure, by one program: it is awaited for three seconds
	$PYTHON - "$ZK" /domains/$U <<-'E'
		import sys, logging
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		c = KazooClient(hosts=sys.argv[1]); c.start(timeout=60)
		c.set(sys.argv[2] + "/state", b"fail")
		c.set(sys.argv[2] + "/failedreason", b"no such image")
		c.stop()
	E
	status_of "$pid"
	[ "$status" -eq 1 ] || { cat "$T/out"; false; }
	grep -q "VM 'a' failed: no such image" "$T/out"
}

@test "--wait: who gives up tells what the keys hold, also when the answers of the cluster take longer than was to be waited" {
	define a $U
	port=$(free_port)
	echo 1.1 >"$T/slow"
	$PYTHON "$TOP/tests/lib/relay.py" "$port" "$ZK_PORT" "$T/slow" >"$T/relay" 3>&- &
	remember $!
	wait_until 60 grep -q ready "$T/relay"
	ZK=127.0.0.1:$port run pvc vm start a --wait --timeout 1
	fails 75 "VM 'a' is not running after 1 s: its state is 'start', and node 'hv1' (daemon state 'run') does not report it"
}

@test "--wait: somebody else's change and an undefined VM end the wait" {
	define a $U
	pvc vm start a --wait >"$T/out" 2>&1 3>&- &
	pid=$!
	wait_until 60 watched /domains/$U/state
	zk set /domains/$U/state disable
	status_of "$pid"
	[ "$status" -eq 1 ] && grep -q "somebody else set VM 'a' to 'disable'" "$T/out"
	wait_until 60 unwatched /domains/$U/state
	pvc vm start a --wait >"$T/out" 2>&1 3>&- &
	pid=$!
	wait_until 60 watched /domains/$U/state
	zk rm /domains/$U
	status_of "$pid"
	[ "$status" -eq 1 ] && grep -q "is gone\|somebody else" "$T/out"
}

@test "--wait: what was written together is judged together, however far apart it arrives" {
	define a $U
	cluster node hv2
	zk set /domains/$U/state start
	port=$(free_port)
	$PYTHON "$TOP/tests/lib/relay.py" "$port" "$ZK_PORT" "$T/late" frames >"$T/relay" 3>&- &
	remember $!
	wait_until 60 grep -q ready "$T/relay"
	for first in state=start node=hv1; do
		rm -f "$T/late"
		for key in state node failedreason; do wait_until 60 unwatched /domains/$U/$key; done
		ZK=127.0.0.1:$port pvc vm migrate a --target hv2 --wait >"$T/out" 2>&1 3>&- &
		pid=$!
		for key in state node failedreason; do wait_until 60 watched /domains/$U/$key; done
		echo 0.1 >"$T/late"
		$PYTHON "$TOP/tests/lib/domains.py" "$ZK" set $U $first lastnode= state=start node=hv1 "failedreason=live migration failed: refused"
		status_of "$pid"
		cat "$T/out"
		[ "$status" -eq 1 ]
		grep -q "VM 'a' stays on node 'hv1': live migration failed: refused" "$T/out"
	done
}

@test "--wait does not believe a heartbeat that is older than the change" {
	define a $U
	cluster beat hv1 $U # from before
	run pvc vm start a --wait --timeout 1
	fails 75 "does not report it as running"
	wait_until 60 unwatched /domains/$U/state
	pvc vm start a --wait >"$T/out" 2>&1 3>&- &
	pid=$!
	wait_until 60 watched /domains/$U/state
	cluster beat hv1 $U
	wait "$pid"
}

@test "vm log: the last lines, follows what comes, and does not repeat or lose lines" {
	define a $U
	zk set /domains/$U/consolelog "$(seq 1 30)"
	run pvc vm log a
	[ "$output" = "$(seq 21 30)" ]
	run pvc vm log a -n 2
	[ "$output" = "$(seq 29 30)" ]
	pvc vm log a -n 3 --format json | json 'd["lines"] == ["28", "29", "30"] and d["name"] == "a"'
	zk set /domains/$U/consolelog "$(seq 1 30)
"
	pvc vm log a -n 1 -f >"$T/out" 2>"$T/err" 3>&- &
	pid=$!
	remember $pid
	wait_until 60 grep -qx 30 "$T/out"
	zk set /domains/$U/consolelog "$(seq 5 32)
"
	wait_until 60 grep -qx 32 "$T/out"
	zk set /domains/$U/consolelog "$(seq 20 40)
"
	wait_until 60 grep -qx 40 "$T/out"
	diff "$T/out" <(seq 30 40)
	zk rm /domains/$U
	status_of "$pid"
	[ "$status" -eq 1 ] && grep -q gone "$T/err"
}

@test "vm undefine: a running VM needs --yes, is off before its keys go, and nothing is left" {
	define a $U
	act_begin hv1
	pvc vm start a --wait
	run pvc vm undefine a
	fails 1 "say --yes"
	[ "$(state)" = start ]
	run pvc vm undefine a --yes
	[ "$status" -eq 0 ]
	run ! zk exists /domains/$U
	run zk get /nodes/hv1/runningdomains
	[[ "$output" != *$U* ]]
}

@test "vm undefine leaves a VM whose node does not say that it is off, and can be taken up again" {
	define a $U
	pvc vm start a
	cluster beat hv1 $U
	run pvc vm undefine a --yes --timeout 1
	fails 75 "did not report it as off"
	zk exists /domains/$U/xml
	zk set /domains/$U/state delete # killed after it had marked the VM
	run pvc vm undefine a --yes
	[ "$status" -eq 0 ]
	run ! zk exists /domains/$U
}

@test "a thousand VMs are listed whole" {
	cluster vms 1000 hv1
	[ "$(pvc vm list | wc -l)" -eq 1001 ]
	pvc vm list --format json | json 'len(d) == 1000 and all(v["memory"] == 512 for v in d)'
	pvc vm start many0999
}

@test "the manual page documents exactly the commands of the table" {
	diff <(pvcctl --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,2\}\)[ ].*/\1/p' | sort) \
		<(sed -n 's/^\.It Ic \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,2\}\).*/\1/p' "$TOP/man/pvcctl.8" | sort -u)
}

@test "the completion is a shell function that offers the table's words and options" {
	pvcctl completion >"$T/completion"
	bash -n "$T/completion"
	run bash -c 'source "$0"; COMP_WORDS=(pvcctl vm unde) COMP_CWORD=2; _pvcctl; echo "${COMPREPLY[*]}"
		COMP_WORDS=(pvcctl vm start --wa) COMP_CWORD=3; _pvcctl; echo "${COMPREPLY[*]}"
		COMP_WORDS=(pvcctl mai) COMP_CWORD=1; _pvcctl; echo "${COMPREPLY[*]}"
		COMP_WORDS=(pvcctl network "") COMP_CWORD=2; _pvcctl; echo "${COMPREPLY[*]}"
		COMP_WORDS=(pvcctl network rule "") COMP_CWORD=3; _pvcctl; echo "${COMPREPLY[*]}"
		COMP_WORDS=(pvcctl network rule add --or) COMP_CWORD=4; _pvcctl; echo "${COMPREPLY[*]}"' "$T/completion"
	[ "${lines[0]}" = undefine ] && [ "${lines[1]}" = --wait ] && [ "${lines[2]}" = maintenance ]
	[ "${lines[3]}" = "add modify remove list info rule dhcp" ] && [ "${lines[4]}" = "add remove list" ] && [ "${lines[5]}" = --order ]
}
