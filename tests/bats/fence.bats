#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Fencing: pvc-fence of three coordinators against a real ZooKeeper and real BMCs (ipmi_sim). The hosts are processes that beat as
# pvc-keepalive does (tests/lib/heart.py), so that one can lose its power; pvc-seal is a script that says when it was called.
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/bmc.bash

V=pvchv4 # the victim

setup_file() {
	test_begin
	zk_start
	bmc_start v
	echo "$BMC" >"$T/bmc"
	mkdir -p "$T/bin" "$T/log" "$T/console"
	printf '127.0.0.1 localhost pvchv1 pvchv2 pvchv3 pvchv4\n' >"$T/hosts"
	cat >"$T/bin/pvc-seal" <<-E
		#!/bin/bash
		shift 2
		echo "\$*" >>"$T/seals"
		read -r mode <"$T/seal"
		case \$mode in
		fail) echo "the OSDs do not answer" >&2; exit 75 ;;
		hang) read -r -t 300 <> <(:) ;;
		esac
		exit 0
	E
	chmod 755 "$T/bin/pvc-seal"
}
teardown_file() { test_cleanup; }
setup() {
	BMC=$(cat "$T/bmc")
	PIDS=()
	bmc_mode v works
	bmc_set_power v 1
	bmc_forget v
	: >"$T/seals"
	echo works >"$T/seal"
	rm -f "$T"/*.out
	cluster
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || { tail -n 40 "$T"/*.out; zk tree /pvc; zk tree /nodes/$V; } >&2
	bmc_thaw v
	for pid in "${PIDS[@]}"; do kill -KILL "$pid" 2>/dev/null || :; done
	for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || :; done
}

# py: a Python program on standard input, with `zk`, a kazoo client
py() {
	cat - >"$T/py"
	$PYTHON - "$ZK" "$T/py" "$BMC" "$BMC_USER" "$BMC_PASSWORD" <<-'E'
		import json, logging, sys, time
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1], timeout=10)
		zk.start(timeout=60)
		bmc, bmc_user, bmc_password = sys.argv[3:6]
		def get(path):
		    return zk.get(path)[0].decode()
		def put(path, value):
		    zk.set(path, value.encode()) if zk.exists(path) else zk.create(path, value.encode(), makepath=True)
		def uuid(n):
		    return "00000000-0000-4000-8000-%012d" % n
		def vm(n, memory=256, **keys):
		    values = dict(state="start", node="pvchv4", lastnode="", holder="pvchv4", node_limit="", node_selector="mem", node_autostart="False")
		    values.update(keys)
		    values["xml"] = "<domain type='kvm'><name>vm%d</name><uuid>%s</uuid><memory unit='MiB'>%d</memory></domain>" % (n, uuid(n), memory)
		    t = zk.transaction()
		    t.create("/domains/" + uuid(n), b"vm%d" % n)
		    for key, value in values.items():
		        t.create("/domains/%s/%s" % (uuid(n), key), value.encode())
		    t.commit()
		def has(n):
		    return " ".join(get("/domains/%s/%s" % (uuid(n), key)) or "-" for key in ("state", "node", "lastnode", "node_autostart", "holder"))
		def record(step, verdict, **more):
		    text = dict(step=step, verdict=verdict, fencer="pvchv9", boot="boot1", claim="c", since="", reason="", attempt=0,
		                beat=zk.get("/nodes/pvchv4/keepalive")[1].version, state_version=zk.get("/nodes/pvchv4/daemonstate")[1].version)
		    text.update(more)
		    put("/pvc/fence/pvchv4", json.dumps(text))
		exec(compile(open(sys.argv[2]).read(), "test", "exec"))
		zk.stop()
	E
}

cluster() {
	py <<-'E'
		for top in zk.get_children("/"):
		    if top != "zookeeper":
		        zk.delete("/" + top, recursive=True)
		for path, value in (("/primary_node", "none"), ("/maintenance", "False"), ("/nodes", ""), ("/domains", ""), ("/pvc", ""), ("/pvc/alive", ""), ("/pvc/heart", ""), ("/pvc/fence", ""), ("/pvc/agents", "")):
		    put(path, value)
		for i in (1, 2, 3, 4):
		    node = "/nodes/pvchv%d" % i
		    put(node, "coordinator")
		    for key, value in dict(daemonmode="coordinator", daemonstate="init", routerstate="primary" if i == 4 else "secondary", domainstate="ready",
		                           keepalive="0", memused="100", memfree="%d" % (i * 10000), memalloc="0", vcpualloc="0", cpuload="0.1", domainscount="0",
		                           runningdomains="", ipmihostname=bmc, ipmiusername=bmc_user, ipmipassword=bmc_password).items():
		        put(node + "/" + key, value)
	E
}

# host NODE [BOOT] [OPTION]...: as tests/lib/heart.py; its process in $PID
host() {
	$PYTHON "$TOP/tests/lib/heart.py" "$ZK" "$1" "${2:-boot1}" "${@:3}" >"$T/heart.$1.out" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	remember "$PID"
}
# fence NODE [sed expression]...: pvc-fence there; its log is $T/NODE.out, its process in $PID
fence() {
	local name=$1
	shift
	write_config "$T/$name.yaml" "s|- 127.0.0.1:$ZK_PORT|- pvchv1:$ZK_PORT\n      - pvchv2:$ZK_PORT\n      - pvchv3:$ZK_PORT|" \
		"s|dynamic_directory:.*|dynamic_directory: $T/run.$name|" 's/fence_intervals:.*/fence_intervals: 3/' "$@"
	mkdir -p "$T/run.$name"
	# shellcheck disable=SC2016 # the inner shell expands it
	PATH=$T/bin:$PATH unshare --uts --mount sh -c 'mount --bind "$1" /etc/hosts && hostname "$0" && exec pvc-fence --config "$2"' \
		"$name" "$T/hosts" "$T/$name.yaml" >>"$T/$name.out" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	remember "$PID"
	echo "$PID" >"$T/fence.$name"
	wait_until 60 grep -q "session is sure" "$T/$name.out"
}
# all three coordinators and the victim, whose process is $VICTIM; those of pvc-fence are $T/fence.NODE
three() {
	for n in 1 2 3; do host pvchv$n; done
	host $V boot1 "${VICTIM_OPTIONS[@]}"
	VICTIM=$PID
	wait_until 60 states run run run run
	for n in 1 2 3; do fence pvchv$n; done
}
alone() { for n in 2 3; do zk set /nodes/pvchv$n/daemonstate stop; done; } # nobody waits for the others
one() {
	alone
	host pvchv1
	host $V boot1 "${VICTIM_OPTIONS[@]}"
	VICTIM=$PID
	wait_until 60 states run stop stop run
	fence pvchv1 "$@"
}
VICTIM_OPTIONS=()
states() { [ "$(for n in 1 2 3 4; do zk get /nodes/pvchv$n/daemonstate; echo; done | xargs)" = "$*" ]; }
cut() { kill -KILL "$1"; }
step() { zk get /pvc/fence/$V 2>/dev/null | sed -n 's/.*"step":"\([a-z]*\)".*/\1/p'; }
is_step() { [ "$(step)" = "$1" ]; }
no_session() { ! zk exists /pvc/alive/$V; }
no_record() { ! zk exists /pvc/fence/$V; }
said() { cat "$T"/pvchv?.out | grep -qF -- "$*"; }
# how long it was silent by then depends on how busy the machine is
said_silent() { cat "$T"/pvchv?.out | grep -q "node $V has been silent for [0-9]* s$*"; }
times() { cat "$T"/pvchv?.out | grep -cF -- "$*" || :; }

@test "D1 D2 D9 D13 D14 D15 E10: of three coordinators one fences a node that lost its power; each of its VMs gets what its own keys ask for, once" {
	three
	py <<-'E'
		vm(1)
		vm(2, memory=1024, state="restart")
		vm(3, state="migrate", holder="pvchv1 > pvchv4")         # arriving, its source lives
		vm(4, state="migrate", node="pvchv2", lastnode="pvchv4", holder="pvchv4 > pvchv2")
		vm(5, state="stop", holder="")
		vm(6, node_limit="pvchv4,pvchv7")
		vm(7, holder="what is this")
		vm(8, state="shutdown")
		vm(9, node="pvchv1", holder="pvchv1")
		vm(10, holder="")                                        # just about to start
		put("/nodes/pvchv4/runningdomains", "0 " + uuid(9) + " none") # what it reported last is nobody's business
	E
	before=$(zk stat /nodes/$V/daemonstate)
	before=${before#version=} before=${before%% *}
	nine=$(zk stat "/domains/00000000-0000-4000-8000-000000000009/state")
	cut "$VICTIM"
	wait_until 90 is_step "done"
	py <<-'E'
		expected = {1: "start pvchv3 pvchv4 False -", 2: "start pvchv3 pvchv4 False -", 3: "migrate pvchv4 - False pvchv1 > pvchv4",
		            4: "migrate pvchv2 pvchv4 False - > pvchv2", 5: "stop pvchv4 - False -", 6: "stop pvchv4 - True -",
		            7: "start pvchv4 - False what is this", 8: "stop pvchv4 - False -", 9: "start pvchv1 - False pvchv1",
		            10: "start pvchv3 pvchv4 False -"}
		found = {n: has(n) for n in expected}
		assert found == expected, found
		for key, value in (("domainstate", "flushed"), ("routerstate", "secondary"), ("daemonstate", "dead")):
		    assert get("/nodes/pvchv4/" + key) == value, key
		text = json.loads(get("/pvc/fence/pvchv4"))
		assert text["verdict"] == "off" and "3 VMs start elsewhere, off until the node is ready again because no other can take them: 1, not started because their key holder is unreadable: 1" in text["reason"], text
	E
	[ "$(times 'this node fences it')" -eq 1 ]
	[[ "$(zk stat /nodes/$V/daemonstate)" == "version=$((before + 1)) "* ]]
	[ "$(zk stat "/domains/00000000-0000-4000-8000-000000000009/state")" = "$nine" ]
	[ "$(cat "$T/seals")" = $V ]
	said "VM vm7 (00000000-0000-4000-8000-000000000007) is not started: its key 'holder' is not readable"
	wait_until 60 bmc_was_told "set power 0" "set power 1" # off once, then on, as the reference's reset does
	# it comes back in another boot: it may use the storage again, and its record goes
	host $V boot2
	wait_until 60 no_record
	[ "$(tail -n 1 "$T/seals")" = "--lift $V" ]
	wait_until 60 states run run run run
	[ "$(times 'this node fences it')" -eq 1 ]
	wait_until 60 grep -q "^node.$V=well" "$T/run.pvchv1/status/fence"
}
bmc_was_told() { [ "$(bmc_calls v | paste -sd'|')" = "$(printf '%s|' "$@" | sed 's/|$//')" ]; }

@test "D4 D11: while no agent can tell nothing is taken from the node, neither VM nor role; it is asked again, and shown" {
	bmc_mode v refuse
	three
	py <<<'vm(1)'
	cut "$VICTIM"
	wait_until 90 is_step claimed
	twice() { [ "$(zk get /pvc/fence/$V | sed -n 's/.*"attempt":\([0-9]*\).*/\1/p')" -ge 2 ]; }
	wait_until 180 twice
	[ "$(zk get /nodes/$V/routerstate)" = primary ]
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = $V ]
	[ ! -s "$T/seals" ]
	said "no agent could switch it off, so nothing of it is started elsewhere yet"
	said "pvcctl node fence --confirmed-off $V"
	[[ "$(pvcctl -z "$ZK" node info $V)" == *"Fencing:"*"claimed, verdict unknown, by pvchv"*"agents asked "*"no agent could switch it off"* ]]
	[[ "$(pvcctl -z "$ZK" node list)" == *"dead, claimed"* ]]
	[[ "$(pvcctl -z "$ZK" status)" == *"fencing of node $V: claimed"* ]]
	[ "$(pvcctl -z "$ZK" node info $V --format json | jq -r .fencing.step)" = claimed ]
	bmc_mode v works
	wait_until 90 is_step "done"
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = pvchv3 ]
	[ "$(zk get /nodes/$V/routerstate)" = secondary ]
	[ "$(times 'this node fences it')" -eq 1 ]
}

@test "D3: the fencer is killed while it asks, another one goes on; a storage that cannot be sealed holds up the VMs, and is tried again" {
	bmc_mode v hang
	echo fail >"$T/seal"
	three
	py <<<'vm(1)'
	cut "$VICTIM"
	wait_until 90 is_step claimed
	first=$(zk get /pvc/fence/$V/fencer)
	kill -KILL "$(cat "$T/fence.$first")"
	bmc_mode v works
	wait_until 90 is_step proven
	[ "$(zk get /pvc/fence/$V/fencer)" != "$first" ]
	said "is taken over by this node: its fencer is gone"
	wait_until 60 said "step 'seal' failed: pvc-seal exited with 75: the OSDs do not answer"
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = $V ]
	echo works >"$T/seal"
	wait_until 90 is_step "done"
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = pvchv3 ]
}

@test "D3: a fencing that was left at any step is taken up there" {
	alone
	host pvchv1
	host $V
	VICTIM=$PID
	wait_until 60 states run stop stop run
	cut "$VICTIM"
	for at in claimed proven sealed; do
		verdict=off
		[ $at != claimed ] || verdict=unknown
		AT=$at VERDICT=$verdict py <<-'E'
			import os
			if zk.exists("/domains/" + uuid(1)):
			    zk.delete("/domains/" + uuid(1), recursive=True)
			vm(1)
			put("/nodes/pvchv4/daemonstate", "dead")
			record(os.environ["AT"], os.environ["VERDICT"])
		E
		: >"$T/seals"
		: >"$T/pvchv1.out"
		fence pvchv1
		wait_until 90 is_step "done"
		[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = pvchv1 ]
		[ "$(cat "$T/seals")" = "$([ $at = sealed ] || echo $V)" ]
		kill -TERM "$PID"
		wait "$PID"
	done
}

@test "D5: a node that hangs on its way up or down is fenced; one that stopped on purpose when an operator says that it is off" {
	one
	py <<<'vm(1)'
	zk set /nodes/$V/daemonstate stop
	run pvcctl -z "$ZK" node fence --confirmed-off $V
	[ "$status" -eq 1 ]
	[[ "$output" == *"its pvc-keepalive has a session"* ]]
	cut "$VICTIM"
	wait_until 60 said "is not fenced: it stopped on purpose"
	no_record
	run pvcctl -z "$ZK" node fence $V
	[ "$status" -eq 64 ]
	run pvcctl -z "$ZK" node fence --confirmed-off nobody
	[ "$status" -eq 1 ]
	wait_until 60 no_session
	pvcctl -z "$ZK" node fence --confirmed-off $V
	wait_until 90 is_step "done"
	[ -z "$(bmc_calls v | grep 'set power 0')" ]
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = pvchv1 ]
	host $V boot2 state=any
	wait_until 60 no_record
	zk set /nodes/$V/daemonstate shutdown
	cut "$PID"
	wait_until 90 is_step "done"
	host $V boot3 state=any
	wait_until 60 no_record
	zk set /nodes/$V/daemonstate init
	cut "$PID"
	wait_until 90 is_step "done"
}

@test "an operator who confirms that a node is off does not wait for an agent that hangs" {
	bmc_mode v hang
	one
	py <<<'vm(1)'
	cut "$VICTIM"
	wait_until 60 is_step claimed
	wait_until 60 no_session
	pvcctl -z "$ZK" node fence --confirmed-off $V
	wait_until 60 is_step "done"
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = pvchv1 ]
	run ! said "no agent could switch it off"
}

@test "a node whose key keepalive was deleted is fenced all the same, and comes back" {
	one
	py <<<'vm(1)'
	cut "$VICTIM"
	zk rm /nodes/$V/keepalive
	wait_until 60 is_step "done"
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = pvchv1 ]
	zk create /nodes/$V/keepalive 0 # as pvc-register does
	host $V boot2
	wait_until 60 no_record
}

@test "D6: what a node says of its time does not matter, only when its key changes" {
	VICTIM_OPTIONS=(stamp=1)
	one
	grep -q "session is sure" "$T/pvchv1.out"
	beats=$(zk stat /nodes/$V/keepalive)
	beats=${beats#version=} beats=${beats%% *}
	many() { local n; n=$(zk stat /nodes/$V/keepalive) n=${n#version=} && [ "${n%% *}" -ge $((beats + 14)) ]; }
	wait_until 60 many # twice the dead time
	no_record
	zk set /nodes/$V/keepalive 99999999999 # ... nor a stamp of the far future
	cut "$VICTIM"
	wait_until 90 is_step "done"
}

@test "D7: fence_intervals 0 fences nobody; maintenance fences nobody until it is over" {
	alone
	host pvchv1
	host $V
	VICTIM=$PID
	wait_until 60 states run stop stop run
	cut "$VICTIM"
	zk set /maintenance true
	fence pvchv1
	FIRST=$PID
	fence pvchv2 's/fence_intervals:.*/fence_intervals: 0/'
	wait_until 60 said_silent " and is not fenced: maintenance is on"
	no_record
	grep -q "fence_intervals is 0" "$T/pvchv2.out"
	kill -TERM "$FIRST"
	wait "$FIRST"
	zk set /maintenance False
	silent() { [ "$(sed -n "s/^node.$V=.*heard of \([0-9]*\) s.*/\1/p" "$T/run.pvchv2/status/fence")" -ge 8 ]; }
	wait_until 60 silent
	no_record
	: >"$T/pvchv1.out"
	fence pvchv1
	wait_until 90 is_step "done"
}

@test "D8 E2: without an agent a node is taken for off when its watchdog must have reset it, if it has one, and if that is configured" {
	bmc_freeze v
	VICTIM_OPTIONS=(armed)
	one 's/suicide_intervals:.*/suicide_intervals: 3/' 's/failed_fence:.*/failed_fence: migrate/'
	py <<<'vm(1)'
	zk set /nodes/$V/ipmihostname "" # no agent at all
	cut "$VICTIM"
	wait_until 90 is_step "done"
	zk get /pvc/fence/$V | grep -q '"verdict":"cut"'
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = pvchv1 ]
	# the same node, unarmed: nothing proves anything
	zk set /domains/00000000-0000-4000-8000-000000000001/node $V
	host $V boot2
	wait_until 60 no_record
	cut "$PID"
	wait_until 90 is_step claimed
	twice() { [ "$(zk get /pvc/fence/$V | sed -n 's/.*"attempt":\([0-9]*\).*/\1/p')" -ge 2 ]; }
	wait_until 180 twice
	is_step claimed
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = $V ]
}

@test "a node whose watchdog takes longer than this node's would is given that time, also when an agent says that it is off" {
	VICTIM_OPTIONS=(armed cut=15000)
	one 's/suicide_intervals:.*/suicide_intervals: 0/' # here such a node would be waited for for ever
	cut "$VICTIM"
	wait_until 60 said "node $V is without power"
	wait_until 60 said "once its watchdog's time is over too"
	wait_until 90 is_step "done"
	py <<<'print(zk.get("/nodes/pvchv4/keepalive")[1].mtime)' >"$T/last"
	[ "$(($(log_ms "does not run any more") - $(cat "$T/last")))" -ge 15000 ]
}
log_ms() { date -d "$(grep -m1 -F "$1" "$T/pvchv1.out" | head -c 26)" +%s%3N; }

@test "with the action None a node is fenced, and its VMs wait for it" {
	one 's/successful_fence:.*/successful_fence: None/'
	py <<<'vm(1)'
	cut "$VICTIM"
	wait_until 90 is_step "done"
	[ ! -s "$T/seals" ]
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = $V ]
	[ "$(zk get /nodes/$V/domainstate)" = ready ]
	host $V boot2
	wait_until 60 no_record
}

@test "D17: a node that comes back in time is not claimed; one that comes back before the proof keeps everything" {
	bmc_mode v refuse
	one 's/fence_intervals:.*/fence_intervals: 1/' 's/keepalive_interval:.*/keepalive_interval: 5/' # five seconds to come back in
	py <<<'vm(1)'
	freeze "$VICTIM"
	wait_until 60 said_silent ": unless its heartbeat comes within 5 s"
	kill -CONT "$VICTIM"
	wait_until 60 said "node $V is heard of again"
	no_record
	freeze "$VICTIM"
	wait_until 60 is_step claimed
	kill -CONT "$VICTIM"
	wait_until 60 no_record
	said "is back before anything was taken from it: its fencing is called off"
	wait_until 60 states run stop stop run
	[ "$(zk get /nodes/$V/routerstate)" = primary ]
	[ "$(zk get /domains/00000000-0000-4000-8000-000000000001/node)" = $V ]
	[ ! -s "$T/seals" ]
}

@test "a node that stopped on purpose, was away for long and registers is not fenced while its programs come up" {
	one 's/fence_intervals:.*/fence_intervals: 8/'
	cut "$VICTIM"
	zk set /nodes/$V/daemonstate stop
	wait_until 60 said_silent " and is not fenced: it stopped on purpose"
	zk set /nodes/$V/daemonstate init # as pvc-register does, long before the first heartbeat
	host $V boot2
	wait_until 60 states run stop stop run
	wait_until 60 silent_up_to 4
	no_record
	[ "$(times 'this node fences it')" -eq 0 ]
	[ -z "$(bmc_calls v)" ]
}
silent_up_to() { # SECONDS, by what the status file says
	local n
	n=$(sed -n "s/^node.$V=.*heard of \([0-9]*\) s.*/\1/p" "$T/run.pvchv1/status/fence")
	[ "${n:-99}" -le "$1" ]
}

@test "D22: a ZooKeeper that was away for longer than the dead time makes nobody look dead" {
	three
	freeze "$ZK_PID"
	doubt() { [ "$(times "in doubt: nobody is judged")" -ge 3 ]; }
	wait_until 60 doubt
	wait_until 60 silent_for 12
	kill -CONT "$ZK_PID"
	sure() { [ "$(times "session is sure")" -ge 6 ]; }
	wait_until 60 sure
	wait_until 60 states run run run run
	no_record
	[ "$(times 'this node fences it')" -eq 0 ]
	# and after that one that is dead is
	cut "$VICTIM"
	wait_until 90 is_step "done"
}
silent_for() { # SECONDS, by what the status file says
	local n
	n=$(sed -n "s/^node.$V=.*heard of \([0-9]*\) s.*/\1/p" "$T/run.pvchv1/status/fence")
	[ "${n:-0}" -ge "$1" ]
}

@test "a record that is none stops everything for that node, is named, and goes on when it is deleted" {
	one
	zk create /pvc/fence/$V '{"step":"sealed"}'
	wait_until 60 said "/pvc/fence/$V is no record of a fencing: node $V is not fenced while that key is there"
	cut "$VICTIM"
	wait_until 60 silent_for 8
	[ "$(zk get /nodes/$V/daemonstate)" = run ]
	zk rm /pvc/fence/$V
	wait_until 90 is_step "done"
}
