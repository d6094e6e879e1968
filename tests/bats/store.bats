#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The store against a server that crashes, freezes and forgets, and its locks against kazoo's.
bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup() {
	test_begin
	zk_start
}
teardown() {
	local errors
	errors=$(cat "$T"/*.err 2>/dev/null || :)
	test_cleanup
	[ -z "$errors" ] || { # of a build with sanitizers
		echo "$errors"
		return 1
	}
}

# drive NAME SESSION_MS: a program with a store of its own; its input is file descriptor $IN, what it says is $T/NAME.
drive() {
	mkfifo "$T/$1.in"
	"$BUILD/tests/drive_store" "$ZK" "$2" <"$T/$1.in" >>"$T/$1" 2>"$T/$1.err" 3>&- &
	remember $!
	exec {IN}>"$T/$1.in"
	OUT=$T/$1
}
ask() { echo "$*" >&"$IN"; }
said() { grep -qxE -- "$1" "$OUT"; }
says() { wait_until 60 said "$1" || {
	cat "$OUT"
	return 1
}; }
# forget: what was said so far does not count any more.
forget() { : >"$OUT"; }

# line NAME SESSION_MS: drive() over a relay of its own, so that `sever` and `heal` can part this client from the server.
line() {
	local port
	port=$(free_port)
	relay_start "$port"
	RELAY_PORT=$port
	ZK=127.0.0.1:$port drive "$@"
}
relay_start() {
	rm -f "$T/relay"
	$PYTHON "$TOP/tests/lib/relay.py" "$1" "$ZK_PORT" >"$T/relay" 3>&- &
	RELAY=$!
	remember "$RELAY"
	wait_until 60 grep -q ready "$T/relay"
}
sever() { kill -STOP "$RELAY"; }
heal() { kill -CONT "$RELAY"; }
contenders_are() { [ "$(zk ls /lock | grep -c .)" = "$1" ]; }
is_gone() { ! zk exists "$1"; }

locks() { $PYTHON "$TOP/tests/lib/store_locks.py" "$ZK" "$BUILD/tests/drive_store" "$1"; }

@test "D21: watches come back after the server was killed and started again" {
	zk create /key before
	zk create /list
	drive a 10000
	ask watch /key
	ask list /list
	says 'value /key 0 before'
	says 'children /list'
	zk_stop
	says 'state connecting'
	zk_start
	says 'state connected|state new'
	zk set /key after
	says 'value /key 1 after'
	zk create /list/child
	says 'children /list child'
	zk rm /key
	says 'missing /key'
}

@test "D21: with a new session everything is read again: values, lists, and keys that are not there" {
	zk create /key before
	line a 2000
	ask watch /key
	ask watch /none
	ask list /list
	ask ephemeral /mine x
	says 'created /mine 0'
	says 'value /key 0 before'
	says 'missing /none'
	says 'missing /list'
	sever
	says 'state connecting'
	wait_until 60 is_gone /mine # the server ended the session
	zk set /key meanwhile
	zk create /list/child
	forget
	heal
	says 'state new'
	says 'value /key 1 meanwhile'
	says 'children /list child'
	zk set /key after
	says 'value /key 2 after'
	zk create /none made
	says 'value /none 0 made'
	zk create /list/more
	says 'children /list child more'
}

@test "D21: a change that was made while the connection was lost is told" {
	zk create /key before
	line a 10000
	ask watch /key
	says 'value /key 0 before'
	sever
	zk set /key after
	says 'state connecting'
	heal
	says 'value /key 1 after'
}

@test "servers that lost their data are used again, with a new session" {
	local i
	zk create /key before
	drive a 1000
	ask watch /key
	for i in 1 2 3 4 5 6 7 8 9; do zk set /key "$i"; done # the client has seen more than the new server will have
	says 'value /key 9 9'
	zk_stop
	says 'state connecting'
	rm -r "$T/zk/data"
	forget
	zk_start
	says 'state new'
	says 'missing /key'
	zk create /key after
	says 'value /key 0 after'
}

@test "what was asked for without a connection waits for one, in order" {
	drive a 10000
	says 'state new'
	zk_stop
	says 'state connecting'
	ask create /one 1
	ask create /one/two 2
	ask create /one/two/three 3
	zk_start
	says 'created /one/two/three 0'
	[ "$(zk get /one/two/three)" = 3 ]
}

@test "a write that was sent and never answered fails: outcome unknown; a read is asked again" {
	drive a 4000
	says 'state new'
	freeze "$ZK_PID"
	ask create /key 1
	ask add /counter
	says 'created /key ENOTCONN'
	kill -CONT "$ZK_PID"
	says 'added /counter 0'
	[ "$(zk get /counter)" = 1 ]
}

@test "D51: with the connection breaking again and again every update is made once, or reported as unknown" {
	line a 10000
	local round i made unknown
	for round in {1..8}; do
		for i in {1..60}; do ask add /counter; done
		[ "$round" = 1 ] && says 'added /counter 0'
		kill -KILL "$RELAY"
		wait "$RELAY" 2>/dev/null || :
		relay_start "$RELAY_PORT"
	done
	all_answered() { [ "$(grep -c '^added' "$OUT")" = 480 ]; }
	wait_until 120 all_answered
	made=$(grep -cx 'added /counter 0' "$OUT")
	unknown=$(grep -cx 'added /counter ENOTCONN' "$OUT" || :)
	# one that lost the race too often is reported, too, and did nothing
	[ "$(grep -cvE 'added /counter (0|ENOTCONN|ESTALE)|state .*' "$OUT" || :)" = 0 ]
	i=$(zk get /counter)
	echo "made $made, unknown $unknown, counter $i"
	[ "$i" -ge "$made" ]
	[ "$i" -le $((made + unknown)) ]
}

@test "values are read with their length, NUL bytes and all" {
	$PYTHON -c 'import sys; from kazoo.client import KazooClient
k=KazooClient(sys.argv[1]); k.start(60); k.create("/nul", b"a\0b\xff"); k.create("/none", b""); k.stop()' "$ZK"
	drive a 10000
	ask get /nul
	says 'got /nul 4'
	ask get /none
	says 'got /none 0'
	ask get /missing
	says 'got /missing ENOENT'
}

@test "the lease clock stands still while the server is frozen, and is new after it thawed" {
	drive a 10000
	says 'state new'
	kill -STOP "$ZK_PID"
	fresh_is() { # -gt|-lt MS
		forget
		ask fresh
		wait_until 60 said 'fresh [0-9]+'
		test "$(sed -n 's/^fresh //p' "$OUT" | tail -1)" "$1" "$2"
	}
	wait_until 60 fresh_is -gt 4000
	kill -CONT "$ZK_PID"
	wait_until 60 fresh_is -lt 3000
}

@test "closing does not wait for a frozen server" {
	local name inputs=()
	for name in a b c; do
		drive $name 10000
		says 'state new'
		inputs+=("$IN")
	done
	freeze "$ZK_PID"
	for IN in "${inputs[@]}"; do ask exit; done
	for name in a b c; do OUT=$T/$name says 'closed [0-9]+'; done
	kill -CONT "$ZK_PID"
	# the library's own patience with a server that does not answer is 1500 ms: so long would each take (one may be held up by the machine)
	[ "$(sed -n 's/^closed //p' "$T"/[abc] | sort -n | head -n 1)" -lt 1400 ]
}

@test "closing ends the session at once: its ephemerals are gone" {
	drive a 10000
	ask ephemeral /mine x
	says 'created /mine 0'
	ask exit
	says 'closed [0-9]+'
	run ! zk exists /mine
}

@test "a server that accepts but never answers is left for the next one" {
	$PYTHON -c 'import socket,time
s=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(50); print(s.getsockname()[1], flush=True)
kept=[]
while True: kept.append(s.accept())' >"$T/deaf" 3>&- &
	remember $!
	wait_until 60 test -s "$T/deaf"
	local deaf
	deaf=127.0.0.1:$(cat "$T/deaf")
	ZK=$deaf,$ZK,$deaf drive a 10000
	says 'state new'
}

@test "a lock is lost with its session, its holder is told, and it can be had again" {
	line a 2000
	ask lock L write /lock
	says 'held L'
	sever
	wait_until 60 contenders_are 0
	heal
	says 'lost L'
	ask lock M write /lock
	says 'held M'
	ask unlock L
	ask unlock M
}

@test "who waits for a lock when the session is lost queues again" {
	line a 2000
	ask lock L write /lock
	says 'held L'
	ask lock M write /lock
	wait_until 60 contenders_are 2
	sever
	wait_until 60 contenders_are 0
	heal
	says 'lost L'
	says 'held M'
}

@test "a lock that was given up without a connection leaves nothing behind" {
	drive a 10000
	ask lock L write /lock
	says 'held L'
	ask lock M write /lock 60000
	wait_until 60 contenders_are 2
	zk_stop
	says 'state connecting'
	ask unlock M
	ask lock N write /lock 1
	says 'ended N ETIMEDOUT'
	ask unlock L
	zk_start
	wait_until 60 contenders_are 0
}

# ensemble: three servers that elect a leader; their client addresses are in $ENSEMBLE, their processes in $SERVER_1..3.
ensemble() {
	local i
	read -ra PORTS < <($PYTHON -c 'import socket
s = [socket.socket() for _ in range(9)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
	ENSEMBLE=
	for i in 1 2 3; do
		mkdir -p "$T/e$i/data"
		echo "$i" >"$T/e$i/data/myid"
		cat >"$T/e$i/zoo.cfg" <<-E
			tickTime=500
			initLimit=20
			syncLimit=4
			dataDir=$T/e$i/data
			clientPortAddress=127.0.0.1
			clientPort=${PORTS[i - 1]}
			maxClientCnxns=0
			admin.enableServer=false
			4lw.commands.whitelist=*
			server.1=127.0.0.1:${PORTS[3]}:${PORTS[4]}
			server.2=127.0.0.1:${PORTS[5]}:${PORTS[6]}
			server.3=127.0.0.1:${PORTS[7]}:${PORTS[8]}
		E
		ENSEMBLE+=${ENSEMBLE:+,}127.0.0.1:${PORTS[i - 1]}
		java -Xms32m -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$ZK_UNSYNCED" \
			-cp '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/snappy-java.jar:/usr/share/java/metrics-core.jar' \
			org.apache.zookeeper.server.quorum.QuorumPeerMain "$T/e$i/zoo.cfg" >"$T/e$i/log" 2>&1 3>&- &
		remember $!
		declare -g "SERVER_$i=$!"
	done
}
# mode N: leader or follower, nothing while there is no quorum
mode() {
	exec {LINE}<>"/dev/tcp/127.0.0.1/${PORTS[$1 - 1]}"
	printf srvr >&"$LINE"
	timeout 60 sed -n 's/^Mode: //p' <&"$LINE"
	exec {LINE}>&-
}

@test "the leader of an ensemble is killed: same session, locks are kept, watches tell; without a quorum nothing is confirmed" {
	ensemble
	ZK=$ENSEMBLE drive a 10000
	says 'state new'
	ask create /key before
	ask watch /key
	says 'value /key 0 before'
	ask lock L write /lock
	says 'held L'
	forget
	local i leader others=()
	for i in 1 2 3; do
		if [ "$(mode $i)" = leader ]; then leader=$i; else others+=("$i"); fi
	done
	local pid=SERVER_$leader
	kill -KILL "${!pid}"
	ask add /counter
	# its outcome may be unknown, so ask until one is known
	counted() { said 'added /counter 0' || { ask add /counter && false; }; }
	wait_until 120 counted
	run ! said 'state new'
	run ! said 'lost L'
	ZK=$ENSEMBLE zk set /key after
	says 'value /key 1 after'
	pid=SERVER_${others[0]}
	kill -STOP "${!pid}"
	unconfirmed() {
		forget
		ask fresh
		wait_until 60 said 'fresh [0-9]+'
		test "$(sed -n 's/^fresh //p' "$OUT" | tail -1)" -gt 6000
	}
	wait_until 60 unconfirmed
	kill -CONT "${!pid}"
}

@test "lock contenders have kazoo's names and data" { locks names; }
@test "what we hold keeps kazoo out" { locks ours_first; }
@test "what kazoo holds keeps us out" { locks theirs_first; }
@test "D28: a kazoo reader between two writers gets its turn" { locks deadlock; }
@test "writers of both sides never overlap" { locks turns; }
@test "a holder that is killed lets others in" { locks killed; }
@test "a waiter makes the lock's directory again" { locks late_parent; }
