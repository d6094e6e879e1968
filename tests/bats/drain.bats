#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Draining a node and making it ready again: pvc-watch-nodes and pvcctl against a real ZooKeeper. The nodes that run the VMs are played
# by tests/lib/agents.py, which answers by the migration protocol's key writes; tests/lab/drain.bats has real ones.
# shellcheck disable=SC2154 # T and others come from common.bash
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup() {
	test_begin
	zk_start
	mkdir -p "$T/run" "$T/log" "$T/console"
	cluster init
	for n in 1 2 3; do cluster node pvchv$n memused=0 memfree=100000 memalloc=0 vcpualloc=0 domainscount=0; done
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 60 "$T"/*.out "$T/events" # what was said, when a promise was broken
	test_cleanup
}

cluster() { $PYTHON "$TOP/tests/lib/cluster.py" "$ZK" "$@"; }
pvc() { timeout 240 pvcctl -z "$ZK" "$@"; }

# py: a Python program on standard input with `zk`, a kazoo client, and what tests do with VMs
py() {
	cat - >"$T/py"
	$PYTHON - "$ZK" "$T/py" <<-'E'
		import logging, sys
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1], timeout=10)
		zk.start(timeout=60)
		def get(path):
		    return zk.get(path)[0].decode()
		def uuid(n):
		    return "00000000-0000-4000-8000-%012d" % n
		def key(n, name):
		    return get("/domains/%s/%s" % (uuid(n), name))
		def keys(n):
		    return [key(n, name) for name in ("state", "node", "lastnode", "node_autostart")]
		def vm(n, memory=512, name=None, **values):
		    all = dict(state="start", node="pvchv1", lastnode="", node_autostart="False", node_limit="", node_selector="mem", failedreason="",
		        xml="<domain type='kvm'><name>x</name><memory unit='MiB'>%d</memory><vcpu>1</vcpu></domain>" % memory)
		    all.update(values)
		    t = zk.transaction()
		    t.create("/domains/" + uuid(n), (name or "vm%d" % n).encode())
		    for k, value in all.items():
		        t.create("/domains/%s/%s" % (uuid(n), k), value.encode())
		    assert not [r for r in t.commit() if isinstance(r, Exception)]
		program = open(sys.argv[2]).read()
		exec(compile(program, "test", "exec"))
		zk.stop()
	E
}

agents() {
	$PYTHON "$TOP/tests/lib/agents.py" "$ZK" "$T/events" "$@" >"$T/agents.out" 2>&1 3>&- &
	AGENTS=$!
	remember $AGENTS
	wait_until 60 grep -q acting "$T/events"
}
# node_start NAME [sed expression]...: pvc-watch-nodes as that node; its log is $T/NAME.out, its process in $PID
node_start() {
	local name=$1 before
	before=$(times_said "$name" "watching the nodes")
	write_config "$T/$name.yaml" 's/^      keepalive_interval:.*/&\n      vm_shutdown_timeout: 1/' "${@:2}"
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare --uts sh -c 'hostname "$0" && exec pvc-watch-nodes --config "$1"' "$name" "$T/$name.yaml" >>"$T/$name.out" 2>&1 3>&- &
	PID=$!
	remember "$PID"
	wait_until 60 started "$name" "$before"
}
started() { [ "$(times_said "$1" 'watching the nodes')" -gt "$2" ]; }
drain_config() { echo "s/^    migration:.*/&\n      drain_parallel: $1\n      drain_timeout: $2/"; }
said() { grep -qF -- "$2" "$T/$1.out"; }
times_said() { [ ! -e "$T/$1.out" ] && echo 0 || grep -cF -- "$2" "$T/$1.out" || :; }
is() { [ "$(zk get "$1")" = "$2" ]; }
node_is() { is "/nodes/pvchv1/domainstate" "$1"; }
sent() { grep -c '^sent' "$T/events" || :; }
sent_more() { [ "$(sent)" -ge "$1" ]; }

@test "a drain sends what runs here elsewhere as the reference's flush writes it: the largest first, so many at a time, evenly; it shows how far it is" {
	py <<-'E'
		for n in range(12):
		    vm(n, memory=100 + 100 * ((n * 7) % 12))
		vm(20, state="stop")
		vm(21, state="disable")
		vm(22, node="pvchv2")
		vm(23, state="fail")
	E
	agents pvchv1 pvchv2/0.3 pvchv3/0.3
	node_start pvchv1 "$(drain_config 3 60)"
	wait_until 60 is /nodes/pvchv1/domainscount 12
	pvc node flush pvchv1 --wait >"$T/flush.out"
	node_is flushed
	cat "$T/flush.out"
	grep -q "Node 'pvchv1' is drained: 12 VMs: 12 moved." "$T/flush.out"
	[ "$(grep -c "^\[[0-9]* of 12\] VM 'vm[0-9]*' runs on node pvchv[23]$" "$T/flush.out")" -eq 12 ]
	pvc node info pvchv1 >"$T/info"
	grep -q "Last drain: *flush done, 12 VMs: 12 moved" "$T/info"
	pvc node info pvchv1 --format json | $PYTHON -c 'import json, sys; d = json.load(sys.stdin)["drain"]; assert (d["phase"], d["total"], d["ended"], len(d["vms"])) == ("done", 12, 12, 12), d'
	py <<-E
		lines = [l.split() for l in open("$T/events") if l.startswith("sent")]
		sizes = [100 + 100 * ((int(l[1][-12:]) * 7) % 12) for l in lines]
		# (within the three that go at the same time the order is the answers')
		assert all(a <= b + 300 for a, b in zip(sizes[1:], sizes)), sizes
		assert sizes[0] >= 1000 and sizes[-1] <= 300, sizes
		assert max(int(l[3]) for l in lines) == 3, lines
		to = [sum(s for s, l in zip(sizes, lines) if l[2] == node) for node in ("pvchv2", "pvchv3")]
		assert sum(to) == 7800 and abs(to[0] - to[1]) <= 2000, to
		for n in range(12):
		    assert keys(n)[0] == "start" and keys(n)[1] in ("pvchv2", "pvchv3") and keys(n)[2:] == ["pvchv1", "False"], keys(n)
		    stats = {k: zk.get("/domains/%s/%s" % (uuid(n), k))[1] for k in ("state", "node", "lastnode", "node_autostart", "xml")}
		    assert [stats[k].version for k in sorted(stats)] == [1, 1, 0, 2, 0], stats  # lastnode node node_autostart state xml
		    assert stats["node"].mzxid == stats["lastnode"].mzxid
		for n, state in ((20, "stop"), (21, "disable"), (23, "fail")):
		    assert keys(n) == [state, "pvchv1", "", "False"]
		assert zk.get("/domains/%s/state" % uuid(22))[1].version == 0
	E
	# and back: what ran comes home, nothing is left to undo
	pvc node ready pvchv1 --wait >"$T/ready.out"
	grep -q "Node 'pvchv1' is ready: 12 VMs: 12 moved." "$T/ready.out"
	py <<-'E'
		for n in range(12):
		    assert keys(n) == ["start", "pvchv1", "", "False"], keys(n)
	E
}

@test "D43: a VM's home is no target; when nothing else can take it, it goes home and is at home" {
	py <<-'E'
		vm(1, lastnode="pvchv2")
		vm(2, lastnode="pvchv2", node_limit="pvchv1,pvchv2")
		vm(3, lastnode="pvchv2", node_limit="pvchv1, pvchv3")
		zk.set("/nodes/pvchv3/memalloc", b"99000")
	E
	agents pvchv1 pvchv2 pvchv3
	node_start pvchv1
	pvc node flush pvchv1 --wait
	py <<-'E'
		assert keys(1) == ["start", "pvchv3", "pvchv2", "False"], keys(1)
		assert keys(2) == ["start", "pvchv2", "", "False"], keys(2)
		assert keys(3) == ["start", "pvchv3", "pvchv2", "False"], keys(3)
	E
}

@test "without a target a VM is shut down and starts again later; one that ignores it is waited for no longer than its time (D37)" {
	py <<-'E'
		vm(1, node_limit="pvchv1")
		vm(2, node_limit="pvchv9", name="deaf guest")
		vm(3, node_selector="nonsense")
		vm(4, state="restart", node_limit="pvchv1")
	E
	agents pvchv1 pvchv2 pvchv3
	node_start pvchv1
	run -1 pvc node flush pvchv1 --wait
	[[ "$output" == *"2 VMs of node 'pvchv1' can go to no other node and would be shut down (vm1, deaf guest): make a node ready for them, or say --yes"* ]]
	node_is ready
	zk set "/domains/00000000-0000-4000-8000-000000000004/state" stop
	run -1 pvc node flush pvchv1 --wait --yes
	echo "$output"
	[[ "$output" == *"VM 'vm1' is shut down until its node is ready again: no node can take it: pvchv2 is not in the VM's node limit"* ]]
	[[ "$output" == *"VM 'deaf guest' stays on node pvchv1: it is still 'shutdown' after 31 s"* ]]
	[[ "$output" == *"Node 'pvchv1' is drained: 3 VMs: 1 moved, 1 shut down, 1 stayed."* ]]
	[[ "$output" == *"not all is well: 1 VM stayed or failed"* ]]
	node_is flushed
	said pvchv1 "node_selector 'nonsense' is none of mem, load, vcpus, vms"
	wait_until 60 said pvchv1 "node pvchv1 is flushed, but not with all VMs"
	py <<-'E'
		assert keys(1) == ["stop", "pvchv1", "", "True"], keys(1)
		assert keys(2) == ["shutdown", "pvchv1", "", "True"], keys(2)
	E
	pvc node ready pvchv1 --wait
	wait_until 60 is /nodes/pvchv1/domainscount 3
	py <<-'E'
		for n in (1, 2, 3):
		    assert keys(n) == ["start", "pvchv1", "", "False"], keys(n)
	E
}

@test "D42: taken back in the middle, a drain ends at once, whatever its VMs do; what is on its way is found again" {
	py <<-'E'
		for n in range(10):
		    vm(n)
	E
	agents pvchv1 pvchv2=hang pvchv3=hang
	node_start pvchv1 "$(drain_config 2 10)"
	pvc node flush pvchv1 --wait >"$T/flush.out" 2>&1 3>&- &
	waiter=$!
	remember $waiter
	wait_until 60 sent_more 2
	zk set /nodes/pvchv1/domainstate ready
	wait_until 60 said pvchv1 "draining node pvchv1 was taken back: 10 VMs: 8 waiting, 2 on the way"
	wait "$waiter" && false
	grep -q "somebody set it to 'ready' meanwhile" "$T/flush.out"
	node_is ready
	# the same by asking for the opposite; two that hang are not waited for longer than their time
	zk set /nodes/pvchv1/domainstate flush
	wait_until 60 sent_more 4
	said pvchv1 "is left as it is: it is still 'migrate' to node pvchv"
	zk set /nodes/pvchv1/domainstate unflush
	wait_until 60 node_is ready
	[ "$(sent)" -le 6 ] # (the second drain gave the first two up)
	said pvchv1 "is left as it is: it is still 'migrate'"
	pvc node info pvchv1 >"$T/info"
	grep -q "Last drain: *unflush done" "$T/info"
}

@test "VMs that cannot move alive restart elsewhere; two nodes that cannot take one are enough, then it is shut down; a failure has its reason" {
	py <<-'E'
		vm(1, node_limit="pvchv2")
		vm(2, node_limit="pvchv3,pvchv4")
		vm(3, node_limit="pvchv5")
	E
	for n in 4 5; do cluster node pvchv$n memused=0 memfree=100000 memalloc=0 domainscount=0; done
	agents pvchv1 pvchv2=cold pvchv3=back pvchv4=back pvchv5=fail
	node_start pvchv1
	run -1 pvc node flush pvchv1 --wait
	echo "$output"
	[[ "$output" == *"VM 'vm1' runs on node pvchv2, after a restart"* ]]
	[[ "$output" == *"VM 'vm2' is shut down until its node is ready again: it could not be moved to pvchv3, pvchv4"* ]]
	[[ "$output" == *"VM 'vm3' failed on node pvchv5: no such disk"* ]]
	node_is flushed
	py <<-'E'
		assert keys(1) == ["start", "pvchv2", "pvchv1", "False"], keys(1)
		assert keys(2) == ["stop", "pvchv1", "", "True"], keys(2)
		assert keys(3)[:2] == ["fail", "pvchv5"], keys(3)
	E
}

@test "made ready: running VMs come home, those that are off do so without being started (D45), those of a node that does not run stay" {
	py <<-'E'
		vm(1, node="pvchv2", lastnode="pvchv1")
		vm(2, node="pvchv2", lastnode="pvchv1", state="stop")
		vm(3, node="pvchv2", lastnode="pvchv1", state="disable", node_autostart="True")
		vm(4, node="pvchv3", lastnode="pvchv1")
		vm(5, node="pvchv2", lastnode="pvchv1", state="fail")
		vm(6, node="pvchv2", lastnode="pvchv1", state="shutdown")
		vm(7, node_autostart="True", state="stop")
		vm(8, node="pvchv2", lastnode="pvchv3")
		vm(9, node="pvchv2")
	E
	agents pvchv1 pvchv2
	zk set /nodes/pvchv3/daemonstate dead
	node_start pvchv1
	run -1 pvc node ready pvchv1 --wait
	echo "$output"
	[[ "$output" == *"VM 'vm4' stays on node pvchv3: that node does not run"* ]]
	[[ "$output" == *"VM 'vm5' stays on node pvchv2: its state is 'fail'"* ]]
	[[ "$output" == *"Node 'pvchv1' is ready: 7 VMs: 1 moved, 1 started, 3 assigned, 2 stayed."* ]]
	node_is ready
	py <<-'E'
		assert keys(1) == ["start", "pvchv1", "", "False"], keys(1)
		assert keys(2) == ["stop", "pvchv1", "", "False"], keys(2)
		assert keys(3) == ["disable", "pvchv1", "", "True"], keys(3)
		assert keys(4) == ["start", "pvchv3", "pvchv1", "False"], keys(4)
		assert keys(5) == ["fail", "pvchv2", "pvchv1", "False"], keys(5)
		assert keys(6) == ["stop", "pvchv1", "", "False"], keys(6)
		assert keys(7) == ["start", "pvchv1", "", "False"], keys(7)
		for n in (8, 9):
		    assert zk.get("/domains/%s/node" % uuid(n))[1].version == 0
	E
	grep "^sent" "$T/events" >"$T/sent"
	[ "$(wc -l <"$T/sent")" -eq 1 ]
}

@test "150 of 1000 VMs: killed with -9 three times and once without its server, a drain goes on where it was, and each VM is sent once" {
	py <<-'E'
		for n in range(1000):
		    vm(n, node="pvchv1" if n < 150 else "pvchv2")
	E
	agents pvchv1 pvchv2 pvchv3
	node_start pvchv1
	zk set /nodes/pvchv1/domainstate flush
	for round in 1 2 3; do
		wait_until 60 sent_more $((round * 25))
		kill -KILL "$PID"
		wait "$PID" || :
		node_start pvchv1
	done
	wait_until 60 sent_more 100
	zk_stop
	wait_until 60 said pvchv1 "no connection to ZooKeeper"
	zk_start
	wait_until 120 node_is flushed
	py <<-E
		uuids = [l.split()[1] for l in open("$T/events") if l.startswith("sent")]
		assert len(uuids) == len(set(uuids)) == 150, len(uuids)
		for n in range(150):
		    assert keys(n)[0] == "start" and keys(n)[1] != "pvchv1" and keys(n)[2] == "pvchv1", keys(n)
		assert zk.get("/nodes/pvchv1/drain")[0].decode().startswith("flush done 150\n")
	E
	wait_until 60 said pvchv1 "node pvchv1 is flushed: 150 VMs: 150 moved"
	kill -0 "$PID"
}

@test "two nodes that are drained at the same time send nothing to each other; a VM that is brought back meanwhile is sent again" {
	py <<-'E'
		for n in range(8):
		    vm(n, node="pvchv1" if n < 4 else "pvchv2")
	E
	agents pvchv1 pvchv2 pvchv3/0.2
	node_start pvchv1
	node_start pvchv2
	py <<-'E'
		t = zk.transaction()
		t.set_data("/nodes/pvchv1/domainstate", b"flush")
		t.set_data("/nodes/pvchv2/domainstate", b"flush")
		t.commit()
	E
	wait_until 60 node_is flushed
	wait_until 60 is /nodes/pvchv2/domainstate flushed
	py <<-'E'
		for n in range(8):
		    assert keys(n)[:2] == ["start", "pvchv3"], keys(n)
	E
	# somebody migrates a VM here while the node is drained
	py <<-'E'
		import time
		end = time.time() + 100
		def flush_and_bring_back():
		    for n in range(last, last + 10):
		        vm(n)
		    version = zk.set("/nodes/pvchv1/domainstate", b"flush").version
		    t = zk.transaction()
		    t.check("/nodes/pvchv1/domainstate", version)
		    for k, value in (("state", b"migrate"), ("node", b"pvchv1"), ("lastnode", b"")):
		        t.set_data("/domains/%s/%s" % (uuid(0), k), value)
		    return not [r for r in t.commit() if isinstance(r, Exception)]
		last = 10
		while not flush_and_bring_back(): # it was over already: with others
		    assert time.time() < end
		    last += 10
		while get("/nodes/pvchv1/domainstate") == "flush":
		    assert time.time() < end
		    time.sleep(0.05)
		for n in [0] + list(range(10, last + 10)):
		    assert keys(n)[:2] == ["start", "pvchv3"], keys(n)
	E
}

@test "a node that does not run is not waited for; with a name that the cluster does not have nothing is written" {
	zk set /nodes/pvchv1/daemonstate stop
	run -1 pvc node flush pvchv1 --wait
	[[ "$output" == *"its daemon state is 'stop', and must be 'run'"* ]]
	node_is ready
	run -1 pvc node flush pvchv9
	[[ "$output" == *"no node named 'pvchv9'"* ]]
	pvc node flush pvchv1
	node_is flush
	run -75 pvc node ready pvchv1 --wait --timeout 1
	[[ "$output" == *"is still 'unflush' after 1 s"* ]]
}
