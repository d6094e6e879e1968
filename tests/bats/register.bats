#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-register against a real ZooKeeper, with kazoo as the independent reader.

# shellcheck disable=SC2016,SC2154 # texts for sed and sh; variables of bats
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() {
	test_begin
	server_start
	# coordinators have names: all of them lead to the one server of this test
	{ cat /etc/hosts; for n in 1 2 3 4 5 9; do echo "127.0.0.1 pvchv$n"; done; } >"$T/hosts"
	write_config "$T/pvcd.yaml" 's/^      - 127.0.0.1:\(.*\)/      - pvchv1:\1\n      - pvchv2:\1\n      - pvchv3:\1\n      - pvchv4:\1\n      - pvchv5:\1/'
}
teardown_file() { test_cleanup; }
# The server's number outlives the test that started it.
server_start() {
	zk_start
	echo "$ZK_PID" >"$T/zk.pid"
}
setup() {
	ZK_PID=$(cat "$T/zk.pid")
	zk_serves || server_start
	wipe
}

# node NAME COMMAND...: on a host of that name, whose resolver knows the coordinators.
node() {
	local name=$1
	shift
	PVCD_CONFIG_FILE=${CONFIG:-$T/pvcd.yaml} unshare --uts --mount sh -c \
		'mount --bind "$1" /etc/hosts && hostname "$2" && shift 2 && exec "$@"' sh "$T/hosts" "$name" "$@"
}

kazoo() {
	$PYTHON -c "
import logging, sys
from kazoo.client import KazooClient
logging.disable(logging.CRITICAL)
c = KazooClient(hosts='$ZK', timeout=10)
c.start(timeout=60)
def walk(where):
    if where != '/':
        yield where
    for child in sorted(c.get_children(where)):
        if (where, child) != ('/', 'zookeeper'):
            yield from walk(where.rstrip('/') + '/' + child)
$1
c.stop()"
}
wipe() { kazoo 'for top in c.get_children("/"):
    if top != "zookeeper":
        c.delete("/" + top, recursive=True)'; }
# every key with its value, or with its version and transaction
dump() { kazoo 'for k in walk("/"): print(k, "=", c.get(k)[0].decode())'; }
versions() { kazoo 'for k in walk("/"): s = c.exists(k); print(k, s.version, s.mzxid, s.ephemeralOwner)'; }

OWN='^/nodes/\|^/pvc/heart/' # what is a node's, not the base tree's
base_tree() {
	cat <<-E
		/ceph =
		/ceph/osds =
		/ceph/pools =
		/ceph/snapshots =
		/ceph/volumes =
		/cmd =
		/cmd/ceph =
		/cmd/domains =
		/domains =
		/locks =
		/locks/flush_lock =
		/locks/primary_node =
		/maintenance = False
		/networks =
		/nodes =
		/primary_node = $1
		/pvc =
		/pvc/agents =
		/pvc/alive =
		/pvc/fence =
		/pvc/heart =
		/pvc/primary =
		/pvc/primary/candidates =
		/upstream_ip = none
	E
}

@test "a new cluster gets exactly the 17 base keys of the reference and our 7, with their values" {
	node pvchv9 pvc-register
	dump | sed 's/ *$//' | grep -v "$OWN" >"$T/found"
	base_tree none | diff - "$T/found"
}

@test "a new node gets exactly the 19 keys of the reference, with its first values, and our 2" {
	before=$(date +%s)
	node pvchv2 pvc-register start
	after=$(date +%s)
	dump | sed -n 's/ *$//; s,^/nodes/,,p' >"$T/found"
	keepalive=$(sed -n 's,^pvchv2/keepalive = ,,p' "$T/found")
	[ "$keepalive" -ge "$before" ] && [ "$keepalive" -le "$after" ]
	cpus=$(getconf _NPROCESSORS_ONLN)
	diff - "$T/found" <<-E
		pvchv2 = coordinator
		pvchv2/addresses = $(ip -o address show scope global | awk '{ sub("/.*", "", $4); print $4 }' | LC_ALL=C sort | paste -sd' ')
		pvchv2/cluster_address = 10.78.1.2
		pvchv2/cpuload = 0.0
		pvchv2/daemonmode = coordinator
		pvchv2/daemonstate = init
		pvchv2/domainscount = 0
		pvchv2/domainstate = flushed
		pvchv2/ipmihostname = pvchv1-lom
		pvchv2/ipmipassword = ipmi-secret
		pvchv2/ipmiusername = ipmiadmin
		pvchv2/keepalive = $keepalive
		pvchv2/memalloc = 0
		pvchv2/memfree = 0
		pvchv2/memtotal = 0
		pvchv2/memused = 0
		pvchv2/networkscount = 0
		pvchv2/routerstate = client
		pvchv2/runningdomains =
		pvchv2/staticdata = $cpus $(uname -r) $(uname -o) $(uname -m)
		pvchv2/vcpualloc = 0
	E
	[ "$(zk get /primary_node)" = pvchv2 ]
	# no key is ephemeral, every key is open to all as the reference's clients need it
	[ -z "$(versions | awk '$4 != 0')" ]
	run kazoo 'print({str(c.get_acls(k)[0]) for k in walk("/")})'
	[[ "$output" == *"perms=31"*"world"*"anyone"* ]] && [[ "$output" != *", 'ACL"* ]]
}

@test "D51: node and base tree are one transaction each, so nothing is ever half there" {
	# every key of a part was made by the same ZooKeeper transaction
	node pvchv1 pvc-register
	run kazoo '
OWN = ("/nodes/", "/pvc/heart/")
base = {c.exists(k).czxid for k in walk("/") if not k.startswith(OWN)}
own = {c.exists(k).czxid for k in walk("/") if k.startswith(OWN)}
print(len(base), len(own))'
	[ "$output" = "1 1" ]
}

@test "what an earlier boot said of its watchdog is not believed in this one: the node is in this boot, and unarmed" {
	boot=$(cat /proc/sys/kernel/random/boot_id)
	node pvchv1 pvc-register
	heart_is() { [ "$(zk get /pvc/heart/pvchv1 | jq -c '[.boot, .armed]')" = "[\"$1\",$2]" ]; }
	heart_is "$boot" false
	# armed in this boot: that stays, as it is pvc-keepalive's
	zk set /pvc/heart/pvchv1 "{\"boot\":\"$boot\",\"armed\":true}"
	node pvchv1 pvc-register
	heart_is "$boot" true
	for other in '{"boot":"another","armed":true}' 'no such text'; do
		zk set /pvc/heart/pvchv1 "$other"
		node pvchv1 pvc-register
		heart_is "$boot" false
	done
}

@test "a second run in state init writes nothing at all" {
	node pvchv1 pvc-register
	node pvchv1 pvc-register # a known coordinator is `secondary` from now on
	versions >"$T/before"
	node pvchv1 pvc-register
	versions | diff "$T/before" -
}

@test "a known node is refreshed: mode, state, machine and IPMI, and nothing else" {
	node pvchv1 pvc-register
	zk set /nodes/pvchv1/daemonmode hypervisor
	zk set /nodes/pvchv1/daemonstate stop
	zk set /nodes/pvchv1/routerstate primary
	zk set /nodes/pvchv1/domainstate ready
	zk set /nodes/pvchv1/staticdata "1 2 3 4"
	zk set /nodes/pvchv1/ipmihostname old
	zk set /nodes/pvchv1/ipmipassword old
	zk set /nodes/pvchv1/keepalive 5
	zk set /nodes/pvchv1/runningdomains 11111111-1111-1111-1111-111111111111
	versions | awk '{print $1, $2}' >"$T/before"
	node pvchv1 pvc-register
	versions | awk '{print $1, $2}' | diff "$T/before" - | sed -n 's/^> //p' >"$T/changed" || :
	diff - <(awk '{print $1}' "$T/changed") <<-E
		/nodes/pvchv1/daemonmode
		/nodes/pvchv1/daemonstate
		/nodes/pvchv1/ipmihostname
		/nodes/pvchv1/ipmipassword
		/nodes/pvchv1/routerstate
		/nodes/pvchv1/staticdata
	E
	[ "$(zk get /nodes/pvchv1/daemonmode)" = coordinator ]
	[ "$(zk get /nodes/pvchv1/daemonstate)" = init ]
	[ "$(zk get /nodes/pvchv1/routerstate)" = secondary ]
	[ "$(zk get /nodes/pvchv1/ipmipassword)" = ipmi-secret ]
	[ "$(zk get /nodes/pvchv1/domainstate)" = ready ]
}

@test "a node that is not in the coordinators is a hypervisor: router state client, and it claims nothing" {
	node pvchv9 pvc-register
	node pvchv9 pvc-register
	[ "$(zk get /nodes/pvchv9)" = hypervisor ]
	[ "$(zk get /nodes/pvchv9/daemonmode)" = hypervisor ]
	[ "$(zk get /nodes/pvchv9/routerstate)" = client ]
	[ "$(zk get /primary_node)" = none ]
}

@test "foreign values in the node's keys are tolerated, missing keys come back, values of others stay" {
	node pvchv1 pvc-register
	kazoo '
c.set("/nodes/pvchv1", b"\xff\x00garbage")
c.set("/nodes/pvchv1/daemonstate", b"\xff\xfe\x00")
c.set("/nodes/pvchv1/staticdata", b"x" * 500000)
c.set("/nodes/pvchv1/memtotal", b"many")
c.delete("/nodes/pvchv1/vcpualloc")
c.delete("/nodes/pvchv1/routerstate")
c.create("/nodes/pvchv1/ours", b"kept")
c.delete("/cmd/ceph")
c.delete("/upstream_ip")
c.set("/maintenance", b"true")'
	node pvchv1 pvc-register
	[ "$(zk get /nodes/pvchv1/daemonstate)" = init ]
	[ "$(zk get /nodes/pvchv1/vcpualloc)" = 0 ]
	[ "$(zk get /nodes/pvchv1/routerstate)" = secondary ]
	[ "$(zk get /nodes/pvchv1/memtotal)" = many ]
	[ "$(zk get /nodes/pvchv1/ours)" = kept ]
	[ "$(zk get /cmd/ceph)" = "" ]
	[ "$(zk get /upstream_ip)" = none ]
	[ "$(zk get /maintenance)" = true ]
	[ "$(zk get /primary_node)" = pvchv1 ]
}

@test "an empty or missing primary is claimed, a present one is left alone" {
	node pvchv1 pvc-register
	for free in none '' None; do
		zk set /primary_node "$free"
		node pvchv3 pvc-register
		[ "$(zk get /primary_node)" = pvchv3 ]
	done
	zk rm /primary_node
	node pvchv2 pvc-register
	[ "$(zk get /primary_node)" = pvchv2 ]
	before=$(zk stat /primary_node)
	node pvchv1 pvc-register
	[ "$(zk stat /primary_node)" = "$before" ]
}

# at_once N...: pvc-register on these nodes, in step: they all wait at a frozen server, which then answers all of them.
at_once() {
	local n pids=()
	rm -f "$T"/race.*
	freeze "$ZK_PID"
	for n; do
		node "pvchv$n" pvc-register --timeout 120 >"$T/race.$n" 2>&1 &
		pids+=($!)
	done
	for n; do wait_until 60 grep -q 'connecting to ZooKeeper' "$T/race.$n"; done
	kill -CONT "$ZK_PID"
	for n in "${pids[@]}"; do wait "$n"; done
}

@test "five coordinators at once on a new cluster: all register, exactly one becomes primary" {
	for _ in 1 2 3; do
		wipe
		at_once 1 2 3 4 5
		[ "$(cat "$T"/race.* | grep -c 'nobody was primary')" -eq 1 ]
		# made once with `none`, then written once
		[[ "$(zk stat /primary_node)" == "version=1 "* ]]
		winner=$(zk get /primary_node)
		grep -q 'nobody was primary' "$T/race.${winner#pvchv}"
		[ "$(zk ls /nodes | wc -l)" -eq 5 ]
		[ "$(dump | grep -c "$OWN")" -eq $((5 * 22)) ]
		[ "$(dump | grep -vc "$OWN")" -eq 24 ]
	done
}

@test "D51: of several claims of a free primary role exactly one wins, every time" {
	at_once 1 2 3 4 5
	for _ in 1 2 3 4 5 6; do
		zk set /primary_node none
		before=$(zk stat /primary_node)
		at_once 1 2 3 4 5
		[ "$(cat "$T"/race.* | grep -c 'nobody was primary')" -eq 1 ]
		version=${before#version=} version=${version%% *}
		[[ "$(zk stat /primary_node)" == "version=$((version + 1)) "* ]]
		grep -q 'nobody was primary' "$T/race.$(zk get /primary_node | sed 's/pvchv//')"
	done
}

@test "killed at any moment, then run again: a part is there whole or not at all, and the end is the same" {
	for milliseconds in 1 3 5 8 11 14 17 20 25 30 40 50; do
		wipe
		node pvchv1 timeout -s KILL "0.$(printf %03d "$milliseconds")" pvc-register >/dev/null 2>&1 || :
		dump >"$T/after"
		base=$(grep -vc "$OWN" "$T/after" || :) own=$(grep -c "$OWN" "$T/after" || :)
		[ "$base" -eq 0 ] || [ "$base" -eq 24 ] || { cat "$T/after"; false; }
		[ "$own" -eq 0 ] || [ "$own" -eq 22 ] || { cat "$T/after"; false; }
		node pvchv1 pvc-register
		dump >"$T/after"
		[ "$(grep -vc "$OWN" "$T/after")" -eq 24 ] && [ "$(grep -c "$OWN" "$T/after")" -eq 22 ]
		[ "$(zk get /primary_node)" = pvchv1 ]
	done
}

@test "a ZooKeeper that comes while it is awaited is used" {
	zk_stop
	node pvchv1 pvc-register --timeout 120 >"$T/out" 2>&1 &
	pid=$!
	wait_until 60 grep -q 'connecting to ZooKeeper' "$T/out"
	server_start
	wait "$pid"
	[ "$(zk get /nodes/pvchv1/daemonstate)" = init ]
}

@test "a ZooKeeper that stays away: exit 75, and one line that names servers and remedy" {
	zk_stop
	run --separate-stderr node pvchv1 pvc-register --timeout 1
	[ "$status" -eq 75 ]
	[ "$(grep -c 'failed:' <<<"$output$stderr")" -eq 1 ]
	[[ "$output$stderr" == *"cannot connect to ZooKeeper at pvchv1:$ZK_PORT,pvchv2:$ZK_PORT"*"zookeeper.service"* ]]
	run node pvchv1 pvc-register --timeout 1 online
	[ "$status" -eq 75 ]
}

@test "a ZooKeeper that hangs: exit 75 too" {
	freeze "$ZK_PID"
	run node pvchv1 pvc-register --timeout 1
	kill -CONT "$ZK_PID"
	[ "$status" -eq 75 ]
}

@test "stopping is never held up: with ZooKeeper away offline and stop warn and exit 0" {
	zk_stop
	for word in offline stop; do
		run node pvchv1 timeout 120 pvc-register --timeout 1 "$word"
		[ "$status" -eq 0 ]
		[[ "$output" == *"warning: node pvchv1 could not announce"* ]]
	done
}

# gives_up PATTERN [COMMAND]: pvc-register says that and ends with 75 when its time is over; it gets more when on a busy machine it
# does not get so far in a second.
gives_up() {
	local seconds
	for seconds in 1 5 25; do
		run node pvchv1 pvc-register --timeout $seconds "${@:2}"
		[ "$status" -eq 75 ] || break
		# shellcheck disable=SC2053 # a pattern
		[[ "$output" != $1 ]] || return 0
	done
	echo "status $status: $output"
	return 1
}

@test "online waits for run; offline and stop announce shutdown and stop, which stays" {
	node pvchv1 pvc-register
	gives_up "*node pvchv1 did not reach state run: it is 'init'; see whether pvc-keepalive.service runs*" online
	node pvchv1 pvc-register online >"$T/out" 2>&1 &
	pid=$!
	zk set /nodes/pvchv1/daemonstate run
	wait "$pid"
	node pvchv1 pvc-register offline
	[ "$(zk get /nodes/pvchv1/daemonstate)" = shutdown ]
	node pvchv1 pvc-register stop
	[ "$(zk get /nodes/pvchv1/daemonstate)" = stop ]
	before=$(versions)
	node pvchv1 pvc-register offline
	node pvchv1 pvc-register stop
	[ "$(versions)" = "$before" ]
}

record() { # STEP VERDICT
	echo "{\"step\":\"$1\",\"verdict\":\"$2\",\"fencer\":\"pvchv2\",\"boot\":\"old\",\"beat\":1,\"state_version\":1,\"attempt\":0}"
}

@test "D2: a node that was declared dead registers only when its VMs are settled, and says what it waits for" {
	node pvchv1 pvc-register
	zk set /nodes/pvchv1/daemonstate dead
	zk create /pvc/fence/pvchv1 ""
	for step in proven sealed; do
		zk set /pvc/fence/pvchv1 "$(record "$step" off)"
		before=$(versions)
		gives_up "*declared dead (off, by pvchv2*step '$step'*pvcctl node info pvchv1*"
		[ "$(versions)" = "$before" ]
	done
	: >"$T/out"
	node pvchv1 pvc-register --timeout 120 >"$T/out" 2>&1 &
	pid=$!
	wait_until 60 grep -q 'declared dead' "$T/out"
	zk set /pvc/fence/pvchv1 "$(record "done" off)"
	wait "$pid"
	[ "$(zk get /nodes/pvchv1/daemonstate)" = init ]
}

@test "a node that is only suspected registers at once" {
	node pvchv1 pvc-register
	zk set /nodes/pvchv1/daemonstate dead
	zk create /pvc/fence/pvchv1 ""
	zk set /pvc/fence/pvchv1 "$(record claimed unknown)"
	node pvchv1 pvc-register --timeout 60
	[ "$(zk get /nodes/pvchv1/daemonstate)" = init ]
}

@test "a damaged record keeps the node out and names the key and what to do" {
	node pvchv1 pvc-register
	zk set /nodes/pvchv1/daemonstate dead
	zk create /pvc/fence/pvchv1 ""
	zk set /pvc/fence/pvchv1 '{"step":"proven"'
	run node pvchv1 pvc-register --timeout 60
	[ "$status" -eq 1 ]
	[[ "$output" == *"/pvc/fence/pvchv1"*"is damaged: delete that key once"* ]]
	[ "$(zk get /nodes/pvchv1/daemonstate)" = dead ]
}

@test "a node that was never registered announces nothing and creates nothing" {
	node pvchv1 pvc-register stop
	node pvchv1 pvc-register offline
	[ -z "$(dump)" ]
	gives_up "*not registered*" online
}

@test "--dry-run says what would be written and writes nothing" {
	run --separate-stderr node pvchv1 pvc-register --dry-run
	[ "$status" -eq 0 ]
	[ "$(grep -c '^would create /' <<<"$output")" -eq $((24 + 22 + 1)) ]
	[[ "$output" == *"would create /primary_node to 'pvchv1'"* ]]
	[ -z "$(dump)" ]
	node pvchv1 pvc-register
	node pvchv1 pvc-register
	run --separate-stderr node pvchv1 pvc-register --dry-run
	[ "$status" -eq 0 ] && [ -z "$output" ]
}

@test "--check exits 2 and names what is missing or differs, 0 on a running node" {
	run node pvchv1 pvc-register --check
	[ "$status" -eq 2 ]
	node pvchv1 pvc-register
	zk set /nodes/pvchv1/daemonstate run
	zk set /nodes/pvchv1/routerstate primary
	before=$(versions)
	node pvchv1 pvc-register --check
	[ "$(versions)" = "$before" ]
	zk set /nodes/pvchv1/ipmiusername other
	run --separate-stderr node pvchv1 pvc-register --check
	[ "$status" -eq 2 ]
	[ "$output" = "differs: would set /nodes/pvchv1/ipmiusername to 'ipmiadmin'" ]
}

@test "the IPMI password is in no output and no log" {
	rm -rf "$T/log"
	node pvchv1 pvc-register --debug --dry-run >"$T/out" 2>&1
	node pvchv1 pvc-register --debug >>"$T/out" 2>&1
	zk set /nodes/pvchv1/ipmipassword other
	node pvchv1 pvc-register --debug --check >>"$T/out" 2>&1 || :
	node pvchv1 pvc-register --debug >>"$T/out" 2>&1
	grep -q 'set /nodes/pvchv1/ipmipassword$' "$T/out"
	grep -q 'node pvchv1 is registered as coordinator' "$T/log/pvc.log"
	run ! grep -r ipmi-secret "$T/out" "$T/log"
}

@test "D82: its directories are made, each that is missing, also under a strict umask" {
	rm -rf "$T/run" "$T/log" "$T/console"
	(umask 077 && node pvchv1 pvc-register)
	rmdir "$T/run/nft/static" "$T/run/status"
	(umask 077 && node pvchv1 pvc-register)
	for d in run/dnsmasq run/pdns run/nft/static run/nft/networks run/status console; do
		[ "$(stat -c %a "$T/$d")" = 755 ] || { stat "$T/$d"; false; }
	done
	for d in log log/dnsmasq log/pdns log/nft; do [ "$(stat -c %a "$T/$d")" = 750 ]; done
	[ "$(stat -c %a "$T/log/pvc.log")" = 600 ] || [ "$(stat -c %a "$T/log/pvc.log")" = 640 ]
}

@test "a directory that cannot be made keeps no node out of the cluster" {
	rm -rf "$T/run"
	: >"$T/run"
	run node pvchv1 pvc-register
	rm -f "$T/run"
	[ "$status" -eq 0 ]
	[[ "$output" == *"warning:"*"$T/run"* ]]
	[ "$(zk get /nodes/pvchv1/daemonstate)" = init ]
}

@test "wrong commands are usage errors" {
	run pvc-register begin
	[ "$status" -eq 64 ] && [[ "$output" == *"unknown command 'begin'"* ]]
	run pvc-register --check stop
	[ "$status" -eq 64 ] && [[ "$output" == *"--dry-run and --check are not for 'stop'"* ]]
	run pvc-register start stop
	[ "$status" -eq 64 ]
	run pvc-register --timeout 0
	[ "$status" -eq 64 ]
}
