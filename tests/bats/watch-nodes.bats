#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-watch-nodes against a real ZooKeeper, with kazoo as the client that writes.
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/watcher.bash

@test "unflush starts this node's autostart VMs in one transaction each and ends in ready; all others stay untouched" {
	py <<-'E'
		vm(uuid(1), node_autostart="True")
		vm(uuid(2), node_autostart="True", state="fail", lastnode="pvchv2")
		vm(uuid(3), node_autostart="True", node="pvchv2")
		vm(uuid(4))
		vm(uuid(5), node_autostart="True", state="disable")
		vm(uuid(6), node_autostart="true")
		vm(uuid(7), node_autostart="True", state="delete")
		vm(uuid(8), node="pvchv2", lastnode="pvchv3", state="start")
		zk.create("/domains/" + uuid(9), b"without keys")
	E
	node_start pvchv1
	zk set /nodes/pvchv1/domainstate unflush
	wait_until 60 is /nodes/pvchv1/domainstate ready
	py <<-'E'
		for n in (1, 2):
		    assert [get("/domains/%s/%s" % (uuid(n), k)) for k in ("state", "node", "lastnode", "node_autostart")] == ["start", "pvchv1", "", "False"]
		    assert versions(uuid(n)) == [1, 1, 1, 1]
		    assert len({zk.get("/domains/%s/%s" % (uuid(n), k))[1].mzxid for k in ("state", "node", "lastnode", "node_autostart")}) == 1
		assert zk.get("/domains/%s/state" % uuid(1))[1].mzxid != zk.get("/domains/%s/state" % uuid(2))[1].mzxid
		for n in range(3, 9):
		    assert versions(uuid(n)) == [0, 0, 0, 0], n
		assert zk.get_children("/domains/" + uuid(9)) == []
		assert zk.get("/nodes/pvchv1/domainstate")[1].version == 2
	E
	wait_until 60 said pvchv1 "node pvchv1 is ready: 2 VMs: 2 started"
}

@test "an unflush that is already asked for when the program starts is done" {
	py <<<'vm(uuid(1), node_autostart="True")'
	zk set /nodes/pvchv1/domainstate unflush
	node_start pvchv1
	wait_until 60 is /nodes/pvchv1/domainstate ready
	is "/domains/00000000-0000-4000-8000-000000000001/state" start
}

@test "D51: 1000 VMs, killed with -9 three times in the middle: each is written exactly once" {
	py <<-'E'
		for n in range(1000):
		    vm(uuid(n), node_autostart="True" if n % 2 else "False")
	E
	node_start pvchv1
	zk set /nodes/pvchv1/domainstate unflush
	for round in 1 2 3; do
		wait_until 120 more_started $((round * 40))
		kill -KILL "$PID"
		wait "$PID" || :
		node_start pvchv1
	done
	wait_until 240 is /nodes/pvchv1/domainstate ready
	py <<-'E'
		for n in range(1000):
		    assert versions(uuid(n)) == ([1, 1, 1, 1] if n % 2 else [0, 0, 0, 0]), (n, versions(uuid(n)))
		    assert get("/domains/%s/state" % uuid(n)) == ("start" if n % 2 else "stop")
	E
}
more_started() { [ "$(times_said pvchv1 'is set to start')" -ge "$1" ]; }

@test "D51: a client that writes the same VM and the same word at the same time is neither lost nor overrun" {
	py <<-'E'
		for n in range(200):
		    vm(uuid(n), node_autostart="True")
	E
	node_start pvchv1
	py <<-'E'
		zk.set("/nodes/pvchv1/domainstate", b"unflush")
		for n in reversed(range(200)):  # an operator takes VMs away meanwhile, as the client does: without versions
		    t = zk.transaction()
		    t.set_data("/domains/%s/node" % uuid(n), b"pvchv2")
		    t.set_data("/domains/%s/state" % uuid(n), b"stop")
		    t.commit()
	E
	wait_until 60 is /nodes/pvchv1/domainstate ready
	py <<-'E'
		for n in range(200):  # the client wrote last where ours came first; where it came first ours left it alone
		    assert get("/domains/%s/node" % uuid(n)) == "pvchv2"
		    assert get("/domains/%s/state" % uuid(n)) == "stop"
	E
}

@test "D21: after an expired session everything is compared and every watch works again" {
	node_start pvchv1 coordinator
	wait_until 60 is /nodes/pvchv1/routerstate primary
	kill -STOP "$PID"
	wait_until 90 no_session
	py <<-'E'
		vm(uuid(1), node_autostart="True")
		zk.set("/nodes/pvchv1/domainstate", b"unflush")
		zk.set("/primary_node", b"none")
		zk.set("/maintenance", b"true")
	E
	kill -CONT "$PID"
	wait_until 60 is /nodes/pvchv1/domainstate ready
	wait_until 60 is /primary_node pvchv1
	wait_until 60 said pvchv1 "maintenance mode is on"
	# and changes after that are seen too
	zk set /maintenance off
	wait_until 60 said pvchv1 "maintenance mode is off"
	zk set /primary_node none
	wait_until 60 is /primary_node pvchv1
	zk set /nodes/pvchv2/daemonstate dead
	wait_until 60 said pvchv1 "node pvchv2: daemon state run -> dead"
}
# nobody but us talks to the test's server: no session, no connection with one
no_session() { ! $PYTHON -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10); s.sendall(b"cons"); data = b""
while True:
    part = s.recv(65536)
    if not part: break
    data += part
sys.exit(0 if b"sid=0x" in data else 1)' "$ZK_PORT"; }

@test "a server that crashes and comes back is found again, also in the middle of an unflush" {
	py <<-'E'
		for n in range(300):
		    vm(uuid(n), node_autostart="True")
	E
	node_start pvchv1
	zk set /nodes/pvchv1/domainstate unflush
	wait_until 60 more_started 20
	zk_stop
	wait_until 60 said pvchv1 "no connection to ZooKeeper"
	zk_start
	wait_until 60 is /nodes/pvchv1/domainstate ready
	py <<-'E'
		for n in range(300):
		    assert versions(uuid(n)) == [1, 1, 1, 1], n
	E
	kill -0 "$PID"
}

@test "nodes that appear, change and vanish are said once each" {
	node_start pvchv1
	wait_until 60 said pvchv1 "node pvchv3: daemon state run"
	zk create /nodes/pvchv9/daemonstate init
	wait_until 60 said pvchv1 "node pvchv9 appeared"
	wait_until 60 said pvchv1 "node pvchv9: daemon state init"
	zk set /nodes/pvchv9/daemonstate run
	wait_until 60 said pvchv1 "node pvchv9: daemon state init -> run"
	zk set /nodes/pvchv9/daemonstate run
	zk set /nodes/pvchv9/daemonstate dead
	wait_until 60 said pvchv1 "node pvchv9: daemon state run -> dead"
	zk rm /nodes/pvchv9
	wait_until 60 said pvchv1 "node pvchv9 is no longer"
	[ "$(times_said pvchv1 'node pvchv9: daemon state init -> run')" -eq 1 ]
	[ "$(times_said pvchv1 'node pvchv9 appeared')" -eq 1 ]
}

@test "maintenance takes strtobool's words, and anything else is off and named once" {
	node_start pvchv1
	n=0
	for word in true yes on 1 T Y; do
		n=$((n + 1))
		zk set /maintenance "$word"
		wait_until 60 said_times 'maintenance mode is on' "$n"
		zk set /maintenance "$([ $((n % 2)) = 0 ] && echo false || echo perhaps)"
		wait_until 60 said_times 'maintenance mode is off' "$n"
	done
	zk set /maintenance nonsense
	wait_until 60 said pvchv1 "holds 'nonsense', which is neither"
	zk set /maintenance nonsense
	zk rm /maintenance
	zk create /maintenance true
	wait_until 60 said_times 'maintenance mode is on' "$((n + 1))"
	[ "$(times_said pvchv1 "holds 'nonsense'")" -eq 1 ]
}
said_times() { [ "$(times_said pvchv1 "$1")" -eq "$2" ]; }

@test "bytes that are no text are tolerated in every key and named once" {
	node_start pvchv1 coordinator
	py <<-'E'
		junk = b"\xff\xfe\x00\x1b[31m\n"
		vm(uuid(1), node_autostart="True")
		vm(uuid(2))
		vm(uuid(3))
		for key in ("state", "node", "lastnode", "node_autostart"):
		    zk.set("/domains/%s/%s" % (uuid(2), key), junk)
		zk.set("/domains/%s/node_autostart" % uuid(3), b"True\x00")
		zk.create("/domains/\u00fc\u20ac not a uuid", junk)
		zk.create("/nodes/\u00fc\u20ac", junk)
		zk.create("/nodes/\u00fc\u20ac/daemonstate", junk)
		for path in ("/primary_node", "/maintenance", "/nodes/pvchv1/routerstate", "/nodes/pvchv2/daemonstate", "/nodes/pvchv1/domainstate"):
		    zk.set(path, b"\xff\xfe\x1b[31m\n")
		zk.set("/nodes/pvchv1/domainstate", b"x" * 900000)
	E
	wait_until 60 said pvchv1 "domainstate 'xxxxxxx"
	wait_until 60 is /nodes/pvchv1/routerstate primary # its own key was put right
	wait_until 60 is /primary_node pvchv1              # junk is nobody's name
	zk set /nodes/pvchv1/domainstate unflush
	wait_until 60 is /nodes/pvchv1/domainstate ready
	py <<-'E'
		assert get("/domains/%s/state" % uuid(1)) == "start"
		assert versions(uuid(2)) == [1, 1, 1, 1] and versions(uuid(3)) == [0, 0, 0, 1]
	E
	run ! env LC_ALL=C grep -aP '[^\x09\x0a\x20-\x7e\x80-\xff]' "$T/pvchv1.out"
	[ "$(times_said pvchv1 '/maintenance holds')" -eq 1 ]
	[ "$(wc -c <"$T/pvchv1.out")" -lt 100000 ]
}

@test "the role follows /primary_node; a hypervisor is a client and claims nothing" {
	node_start pvchv1
	for value in pvchv1 none pvchv2; do
		zk set /primary_node "$value"
		zk set /nodes/pvchv1/routerstate primary
		wait_until 60 is /nodes/pvchv1/routerstate client
		is /primary_node "$value"
	done
}

@test "a node that is not registered yet is served as soon as it is" {
	zk rm /nodes/pvchv1
	node_start pvchv1 coordinator
	said pvchv1 "is not registered"
	is /primary_node none
	py <<-'E'
		vm(uuid(1), node_autostart="True")
		t = zk.transaction()
		t.create("/nodes/pvchv1", b"coordinator")
		for key, value in (("daemonstate", b"run"), ("routerstate", b"client"), ("domainstate", b"unflush")):
		    t.create("/nodes/pvchv1/" + key, value)
		t.commit()
	E
	wait_until 60 is /nodes/pvchv1/domainstate ready
	wait_until 60 is /primary_node pvchv1
}

@test "without a server it waits, and works when there is one; SIGTERM ends it with 0 in both cases" {
	zk_stop
	write_config "$T/pvchv1.yaml"
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare --uts sh -c 'hostname pvchv1 && exec pvc-watch-nodes --config "$0"' "$T/pvchv1.yaml" >>"$T/pvchv1.out" 2>&1 3>&- &
	PID=$!
	remember "$PID"
	wait_until 60 said pvchv1 "connecting to ZooKeeper at 127.0.0.1:$ZK_PORT"
	kill -TERM "$PID"
	wait "$PID"
	zk_start
	node_start pvchv1
	kill -TERM "$PID"
	wait "$PID"
}
