# SPDX-License-Identifier: GPL-3.0-or-later
# What bats tests and benchmarks share: real ZooKeeper on loopback, network namespaces, nodes with names of their own.
# Everything that is made here is named pvct-<pid>-... and is removed by test_cleanup, also after a killed run (the next run
# removes what belongs to processes that no longer live).
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export TOP
export BUILD=${BUILD:-$TOP/build}
export PATH=$BUILD/bin:$PATH:/usr/sbin:/sbin
PYTHON=/usr/bin/python3 # Debian's own: the one that has python3-kazoo

# test_begin: a directory of its own in $T, gone at test_cleanup. Call it in setup_file (or setup).
test_begin() {
	local stale pid
	for stale in /tmp/pvct-*; do
		[ -d "$stale" ] || continue
		pid=${stale#/tmp/pvct-} pid=${pid%%-*}
		case $pid in '' | *[!0-9]*) continue ;; esac # somebody else's
		[ -d "/proc/$pid" ] || _remove "$stale" || : # another run may be at it too
	done
	T=$(mktemp -d "/tmp/pvct-$$-XXXXXX")
	export T
	: >"$T/pids"
	: >"$T/netns"
}

# remember PID...: these processes are ended by test_cleanup, if they still are what they are now: of 32768 pids, which many kernels
# have, each is given to another process within minutes.
remember() {
	local pid BORN
	for pid; do _born "$pid" && echo "$pid $BORN" >>"$T/pids"; done
	return 0
}
# _born PID: when it began, into $BORN. Fails when it is gone.
_born() {
	local stat=''
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	read -ra stat <<<"${stat##*) }"
	BORN=${stat[19]}
}

_remove() {
	local pid born ns BORN
	while read -r pid born; do
		if _born "$pid" && [ "$BORN" = "$born" ]; then kill -KILL "$pid" 2>/dev/null || :; fi
	done 2>/dev/null <"$1/pids" || :
	while read -r ns; do ip netns del "$ns" 2>/dev/null || :; done 2>/dev/null <"$1/netns" || :
	# a process that was killed may still be writing
	for _ in {1..100}; do
		rm -rf "$1" 2>/dev/null && return
		read -r -t 0.05 <> <(:) || :
	done
}

test_cleanup() { [ -z "${T:-}" ] || _remove "$T"; }

# wait_until SECONDS COMMAND...: tries every 50 ms until the command succeeds; says what did not become true.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || {
			echo "never became true: $*" >&2
			return 1
		}
		read -r -t 0.05 <> <(:) || :
	done
}

# freeze PID...: stops these processes, and returns when each of their threads stands still: kill(1) only begins that, and on a busy
# machine another thread may well go on and answer in between.
freeze() {
	local pid
	kill -STOP "$@"
	for pid; do wait_until 60 stands_still "$pid"; done
}
stands_still() { ! cat "/proc/$1"/task/*/stat | sed 's/.*) //' | grep -qv '^[TtZX]'; }

# ---- ZooKeeper: a real server of its own on loopback; $ZK is its address. ------------------------------------

# free_port: on loopback, and below those that the kernel gives to whoever asks for any: nobody else gets it before the server has it, or while that is away for a moment.
free_port() {
	$PYTHON -c 'import random, socket
while True:
    with socket.socket() as s:
        port = random.randrange(20000, 32000)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break'
}

# Its log need not reach the disk: what a killed server wrote is kept by the kernel, and on a machine whose disk is busy a write
# that is forced there takes longer than a short session lives.
ZK_UNSYNCED=-Dzookeeper.forceSync=no

# zk_start [PORT]: starts the server (again, with the data it had) and waits until it serves. Default: a free port.
zk_start() {
	local port=${1:-${ZK_PORT:-}}
	[ -n "$port" ] || port=$(free_port)
	mkdir -p "$T/zk"
	cat >"$T/zk/zoo.cfg" <<-E
		tickTime=500
		dataDir=$T/zk/data
		clientPortAddress=${ZK_LISTEN:-127.0.0.1}
		clientPort=$port
		maxClientCnxns=0
		admin.enableServer=false
		4lw.commands.whitelist=*
	E
	${ZK_NETNS:+ip netns exec "$ZK_NETNS"} java -Xms32m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$ZK_UNSYNCED" \
		-cp '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar' \
		org.apache.zookeeper.server.ZooKeeperServerMain "$T/zk/zoo.cfg" >>"$T/zk/log" 2>&1 3>&- &
	ZK_PID=$! ZK_PORT=$port ZK=127.0.0.1:$port
	export ZK ZK_PID ZK_PORT
	remember "$ZK_PID"
	wait_until 120 zk_serves
}
# (bounded: a server that is just starting may accept a connection and never answer on it)
zk_serves() { ${ZK_NETNS:+ip netns exec "$ZK_NETNS"} timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf srvr >&3 && grep -q "^Mode:" <&3' "$ZK_PORT"; }
# zk_stop: as a crash does. Nothing answers any more when it returns, also when the server is no child of this shell.
zk_stop() {
	kill -KILL "$ZK_PID"
	wait "$ZK_PID" 2>/dev/null || :
	wait_until 60 zk_is_closed
}
zk_is_closed() { ! ${ZK_NETNS:+ip netns exec "$ZK_NETNS"} timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"' "$ZK_PORT"; }
# zk get|set|create|rm|ls|tree|stat|exists PATH [VALUE]: an independent client (kazoo).
zk() { ${ZK_NETNS:+ip netns exec "$ZK_NETNS"} $PYTHON "$TOP/tests/lib/zk.py" "$ZK" "$@"; }

# ---- nodes -----------------------------------------------------------------------------------------------------

# netns_make NAME: a network namespace with loopback up; its full name is in $NETNS.
netns_make() {
	NETNS=pvct-$$-$1
	export NETNS
	ip netns add "$NETNS"
	echo "$NETNS" >>"$T/netns"
	ip -n "$NETNS" link set lo up
}

# What may reset its host must not be able to: all nodes of a test have this machine's boot id, and this machine.
# shellcheck disable=SC2034 # for those who load this
WITHOUT_REBOOT=(setpriv --bounding-set=-sys_boot)

# as_node NAME COMMAND...: with that host name (in $NETNS when set): what config_load() takes the node's name from.
as_node() {
	local name=$1
	shift
	${NETNS:+ip netns exec "$NETNS"} unshare --uts "${WITHOUT_REBOOT[@]}" sh -c 'hostname "$0" && exec "$@"' "$name" "$@"
}

# write_config FILE [sed expression]...: a complete, valid pvcd.yaml below $T with the test's ZooKeeper, mode 0600.
write_config() {
	local file=$1
	shift
	sed -e "s|@T@|$T|g" -e "s|@ZK@|${ZK:-127.0.0.1:2181}|g" "$TOP/tests/lib/pvcd.yaml" >"$file"
	local e
	for e in "$@"; do sed -i -e "$e" "$file"; done
	chmod 600 "$file"
}
