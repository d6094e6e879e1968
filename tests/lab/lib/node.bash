# SPDX-License-Identifier: GPL-3.0-or-later
# One node: a container that systemd-nspawn boots with the image's own systemd as PID 1.
# shellcheck shell=bash

# The node's PID 1 as this machine numbers it; nothing when the node is off.
node_leader() {
	local pid
	# shellcheck disable=SC2013
	for pid in $(cat "$LAB_CG/$1/payload/init.scope/cgroup.procs" "$LAB_CG/$1/payload/cgroup.procs" 2>/dev/null); do
		if grep -q '^NSpid:.*[[:space:]]1$' "/proc/$pid/status" 2>/dev/null; then
			echo "$pid"
			return
		fi
	done
}
node_is_on() { [ -n "$(node_leader "$1")" ]; }
node_is_empty() { [ ! -d "$LAB_CG/$1" ] || grep -q 'populated 0' "$LAB_CG/$1/cgroup.events"; }

# Its power is on from a start to a power cut, or to the end of what switched itself off: also while it reboots.
node_has_power() { grep -qs '^on' "$LAB_RUN/$1/power" || ! node_is_empty "$1"; }
# Each time it is another one, so that who supervised it before does not take it for his.
node_power_on() { _power_becomes "$1" "on $EPOCHREALTIME"; }
# What supervised it comes to its end: unless it was switched on or off since.
_power_off_if() { _power_becomes "$1" off "$2"; } # NODE ITS-POWER
_power_becomes() ( # NODE POWER [IF-IT-IS]
	flock 9
	[ $# -lt 3 ] || [ "$(cat "$LAB_RUN/$1/power")" = "$3" ] || exit 0
	echo "$2" >"$LAB_RUN/$1/power.new"
	mv "$LAB_RUN/$1/power.new" "$LAB_RUN/$1/power"
) 9>>"$LAB_RUN/$1/power.lock"

# Who boots or supervises a node holds this, so that a lab that goes down does not leave its directory to somebody who still writes into it.
node_hold() {
	exec 7>>"$LAB_RUN/$1/held"
	flock -s 7
}
node_let_go() { [ ! -e "$LAB_RUN/$1/held" ] || flock -w 60 "$LAB_RUN/$1/held" true || die "$1 is still supervised"; }

node_start() {
	! node_is_on "$1" || die "$1 already runs"
	mkdir -p "$LAB_RUN/$1"
	node_hold "$1"
	node_power_on "$1"
	node_boot "$1"
}
node_boot() {
	local node=$1 dir=$LAB_RUN/$1
	! node_is_on "$node" || die "$node already runs"
	[ -d "$dir/upper" ] || node_files "$node" "$dir"
	mkdir -p "$dir/work" "$dir/merged"
	: >"$dir/console.log"
	setsid -f "$LAB_BIN/lab" _supervise "$node" "$(cat "$dir/power")" </dev/null >/dev/null 2>&1 8>&- 3>&-
	exec 7>&-
	until_true 120 node_is_on "$node" || {
		cat "$dir/console.log" >&2
		die "$node did not come up"
	}
}

# The machine itself: boots, and boots again when the node reboots itself (nspawn --keep-unit then exits 133).
node_supervise() {
	local node=$1 power=$2 dir=$LAB_RUN/$1 rc
	case $power in on*) ;; *) return ;; esac # switched off again before it began
	export NODE=$node DIR=$dir POWER=$power NODE_CG=$LAB_CG_NAME/$node LAB_GUEST=$LAB_ROOT/guest LAB_NS
	LOWER=$(cat "$LAB_RUN/layer"):$(cat "$LAB_RUN/image")
	export LOWER
	while :; do
		cables_plug "$node"
		mkdir -p "$LAB_CG/$node"
		rc=0
		# nspawn starts inside the node's netns, without --private-network: only then the sysfs that it mounts shows it.
		# The disk is mounted in a mount namespace of its own, so it vanishes with the node. nspawn must find a pure
		# cgroup2 tree, and each node needs a cgroup of its own, else all would share /payload.
		# shellcheck disable=SC2016
		nsenter --net="/run/netns/$(node_ns "$node")" unshare --mount --propagation private bash -c '
			mount -t cgroup2 cgroup2 /sys/fs/cgroup
			echo $$ >"/sys/fs/cgroup/$NODE_CG/cgroup.procs"
			[ "$(cat "$DIR/power")" = "$POWER" ] || exit 0 # a power cut came since; one that comes now finds this process
			mount -t overlay "$NODE" -o "lowerdir=$LOWER,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/merged"
			export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
			exec systemd-nspawn -q -D "$DIR/merged" -M "$LAB_NS-$NODE" --hostname="$NODE" --register=no --keep-unit \
				--capability=CAP_NET_ADMIN --link-journal=no --resolv-conf=off --timezone=off \
				--kill-signal=SIGRTMIN+3 --bind=/dev/net/tun --bind-ro="$LAB_GUEST:/guest" -b
		' </dev/null >>"$dir/console.log" 2>&1 7>&- || rc=$?
		echo "--- nspawn exit $rc" >>"$dir/console.log"
		[ $rc = 133 ] || break
	done
	_power_off_if "$node" "$power"
}

# node_wait NODE [SECONDS]: until systemd has finished booting; says running or degraded.
node_wait() {
	local end=$((SECONDS + ${2:-300})) state=
	while [ $SECONDS -lt $end ]; do
		state=$(node_exec "$1" systemctl is-system-running 2>/dev/null) || :
		case $state in running | degraded)
			echo "$state"
			return
			;;
		esac
		pause 0.1
	done
	echo "${state:-no answer}"
	return 1
}

# Runs a command in all namespaces of the node and in its cgroup, so that a power cut ends it too.
node_exec() {
	local leader node=$1
	shift
	leader=$(node_leader "$node")
	[ -n "$leader" ] || die "$node is off"
	(
		mkdir -p "$LAB_CG/$node/payload/lab.exec"
		echo "$BASHPID" >"$LAB_CG/$node/payload/lab.exec/cgroup.procs"
		exec nsenter -t "$leader" -m -u -i -n -p -C -r -w env -i \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 "$@"
	)
}

# A clean shutdown, as the power button gives.
node_stop() {
	local leader
	leader=$(node_leader "$1")
	[ -n "$leader" ] || die "$1 is off"
	kill -s RTMIN+4 "$leader" # systemd: start poweroff.target
	until_true "${2:-180}" node_is_empty "$1" || die "$1 still runs"
	cables_cut "$1"
	ip netns del "$(node_ns "$1")" 2>/dev/null || :
}

# A power cut: the cables first, as no FIN or RST leaves a machine without power; then every process at once.
node_kill() {
	[ ! -d "$LAB_RUN/$1" ] || _power_becomes "$1" off
	cables_cut "$1"
	[ ! -d "$LAB_CG/$1" ] || echo 1 >"$LAB_CG/$1/cgroup.kill" # also what is frozen
	until_true 60 node_is_empty "$1" || die "$1: processes are left"
	! node_is_frozen "$1" || node_thaw "$1" # without power nothing stands still
	rm -f "$LAB_RUN/$1/agent" # of a machine
	ip netns del "$(node_ns "$1")" 2>/dev/null || :
}

node_wipe() {
	! node_is_on "$1" || die "$1 runs"
	node_let_go "$1"
	rm -rf --one-file-system "${LAB_RUN:?}/$1"
}
