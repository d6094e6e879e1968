# SPDX-License-Identifier: GPL-3.0-or-later
# Names and places of the lab. Sourced by tests/lab/lab; everything can be set from outside.
# shellcheck shell=bash disable=SC2034

LAB_ROOT=${LAB_ROOT:-/var/tmp/pvc-lab} # images, guests and the state of every lab
LAB_NAME=${LAB_NAME:-pvc}              # one lab: its netns, cgroup and run directory carry this name
NODES=${NODES:-pvchv1}                 # nodes of this lab; the digits at the end are the node's id
NETS="upstream cluster storage"        # eth0, eth1, eth2 of each node
declare -A NET_MTU=([upstream]=1500 [cluster]=1550 [storage]=1550)
declare -A NET_PREFIX=([upstream]=10.77.0 [cluster]=10.77.1 [storage]=10.77.2) # /24 each, .254 is the lab's own foot

LAB_BIN=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")") # tests/lab
TOP=$(dirname "$(dirname "$LAB_BIN")")
LAB_RUN=$LAB_ROOT/run/$LAB_NAME # per node: upper/ work/ merged/ console.log
LAB_NS=pvclab-$LAB_NAME         # network namespace with the bridges
GUEST=$LAB_ROOT/guest/current   # tiny guest; every node sees it as /guest

die() {
	echo "lab: $*" >&2
	exit 1
}
say() { [ -n "${LAB_QUIET:-}" ] || echo "lab: $*" >&2; }
node_id() { echo "${1##*[!0-9]}"; }
node_ns() { echo "$LAB_NS-$1"; }

# pause SECONDS: between two looks at a condition. A read that times out: no process is made.
pause() { read -r -t "$1" <> <(:) || :; }

# until_true SECONDS COMMAND...: looks every 50 ms.
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		pause 0.05
	done
}

# The cgroup2 tree of this machine (pure or hybrid layout; mounted by us when nobody did).
cgroup_tree() {
	local where
	where=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	if [ -z "$where" ]; then
		where=/run/pvc-lab/cgroup
		mkdir -p $where
		mount -t cgroup2 cgroup2 $where || die "no cgroup2 on this machine"
	fi
	echo "$where"
}
LAB_CG_NAME=$LAB_NS
LAB_CG=$(cgroup_tree)/$LAB_CG_NAME # one child per node
