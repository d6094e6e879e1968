# SPDX-License-Identifier: GPL-3.0-or-later
# What tests of the primary role share: three coordinators, a prober outside of them that asks by ARP for every floating and gateway
# address (prober.py), and faults. Used by primary.bats, chaos and tests/bench/handover; load lab.bash first.
# shellcheck shell=bash disable=SC2034

PROBER=$TOP/tests/lab/prober.py
RECORD=$T/record
COORDINATORS="pvchv1 pvchv2 pvchv3"
SESSION=10 # seconds, of pvc-watch-nodes in ZooKeeper

on() { "$LAB" exec "$@"; }
zkc() { "$LAB" net $PYTHON "$TOP/tests/lib/zk.py" "${LAB_ZK:-10.77.1.1:2181,10.77.1.2:2181,10.77.1.3:2181}" "$@"; }
mark() { "$PROBER" mark "$RECORD" "$1"; }
pause() { read -r -t "$1" <> <(:) || :; } # a fault that lasts so long

# coordinators_up: the three nodes run, make themselves ready, and the prober watches.
coordinators_up() {
	local n
	for n in $COORDINATORS; do on "$n" systemctl --no-block start pvc.target; done
	for n in $COORDINATORS; do wait_until 300 on "$n" systemctl -q is-active pvc.target; done
	for n in $COORDINATORS; do on "$n" pvcctl node ready "$n" --wait --timeout 120 >/dev/null; done
}
# network_add VNI: a managed network with a gateway, and a host of the lab in it that is no VM
network_add() {
	on pvchv1 pvcctl network add "$1" "net$1" --ipnet "10.100.$(($1 - 100)).0/24" --gateway "10.100.$(($1 - 100)).1" --dhcp \
		--dhcp-start "10.100.$(($1 - 100)).10" --dhcp-end "10.100.$(($1 - 100)).99" >/dev/null
}
# prober_begin VNI...: for the gateways of these networks; their hosts must be in them
prober_begin() {
	local vni targets=(br-upstream:10.77.0.250 br-cluster:10.77.1.250 br-storage:10.77.2.250)
	for vni; do targets+=("$("$LAB" client_ns)@vx$vni:10.100.$((vni - 100)).1"); done
	"$LAB" net "$PROBER" run "$RECORD" "${targets[@]}" 3>&- &
	echo $! >"$T/prober"
	remember $!
}
prober_end() {
	local pid
	pid=$(cat "$T/prober")
	kill -TERM "$pid"
	while kill -0 "$pid" 2>/dev/null; do pause 0.05; done
}

# serving: the node that answers for all addresses, nothing while there is none, or more than one. A node's bridges have the MACs
# of its cables; those of gateways are taken on trust: two of them would be seen.
serving() {
	local macs
	macs=$("$PROBER" holder "$RECORD" | tr ' ' '\n' | sed -n 's/^52:54:00:77:0[012]:0\([1-9]\)$/pvchv\1/p' | sort -u)
	[ "$(wc -w <<<"$macs")" = 1 ] && echo "$macs"
}
served_by() { [ "$(serving)" = "$1" ]; }
served() { serving; }
served_by_other() {
	local now
	now=$(serving) && [ "$now" != "$1" ]
}
named() { zkc get /primary_node; }
daemonstate_is() { [ "$(zkc get "/nodes/$1/daemonstate")" = "$2" ]; }
role_is() { [ "$(zkc get "/nodes/$1/routerstate")" = "$2" ]; }
# settled: one node serves, ZooKeeper names it, and it alone has the role
settled() {
	local now n
	now=$(serving) || return 1
	[ "$(named)" = "$now" ] || return 1
	for n in $COORDINATORS; do
		if [ "$n" = "$now" ]; then role_is "$n" primary; else role_is "$n" secondary; fi || return 1
		daemonstate_is "$n" run || return 1
	done
}
third_of() { for _o in $COORDINATORS; do [ "$_o" = "$1" ] || [ "$_o" = "$2" ] || echo "$_o"; done; }
hand_over() { zkc set /primary_node "$1"; }
other_of() { for _o in $COORDINATORS; do [ "$_o" = "$1" ] || { echo "$_o" && return; }; done; }

# judge WORD [OPTIONS]: since that mark
judge() {
	local word=$1
	shift
	"$PROBER" judge "$RECORD" --since "$word" "$@"
}

# ---- ZooKeeper ----

zk_mode() { on "$1" timeout 5 bash -c 'exec 3<>/dev/tcp/$(hostname)/2181 && printf srvr >&3 && sed -n "s/^Mode: //p" <&3' 2>/dev/null; }
zk_leader() {
	local n
	for n in $COORDINATORS; do [ "$(zk_mode "$n")" != leader ] || { echo "$n" && return; }; done
	return 1
}
zk_whole() {
	local n leaders=0 followers=0
	for n in $COORDINATORS; do
		case $(zk_mode "$n") in leader) leaders=$((leaders + 1)) ;; follower) followers=$((followers + 1)) ;; esac
	done
	[ $leaders = 1 ] && [ $followers = 2 ]
}
# zk_followers: the two whose hanging leaves no quorum. They have to hang for longer than syncLimit (5 s), and the leader is none of them: when the
# others come back to a leader that has just lost them, and has not noticed yet, ZooKeeper 3.8.0 now and then agrees on nothing any more until it is
# restarted (doc/architecture.md, "ZooKeeper").
zk_followers() {
	local n leader
	leader=$(zk_leader) || return
	for n in $COORDINATORS; do [ "$n" = "$leader" ] || echo "$n"; done
}
# zk_leader_elsewhere NODE: the leader is another node than that
zk_leader_elsewhere() {
	local leader
	leader=$(zk_leader) && [ "$leader" != "$1" ]
}

# ---- faults ----

# boot NODE: power on, and what an operator's `systemctl enable pvc.target` would do
boot() {
	"$LAB" start "$1"
	"$LAB" wait "$1" >/dev/null
	on "$1" systemctl --no-block start pvc.target
}
# pid_of NODE UNIT, as the node numbers it
pid_of() { on "$1" systemctl show -P MainPID "$2"; }
signal_unit() { on "$1" kill "-$3" "$(pid_of "$1" "$2")"; } # NODE UNIT SIGNAL

# What an operator would look at, of all nodes; what decides comes first, as only the beginning is shown once more at the end of a run.
explain_role() {
	local n i=0
	"$PROBER" judge "$RECORD" | head -n 1 || :
	echo "primary_node $(named)"
	for n in $COORDINATORS; do
		i=$((i + 1))
		echo "--- $n: daemonstate $(zkc get "/nodes/$n/daemonstate"), routerstate $(zkc get "/nodes/$n/routerstate"), ZooKeeper $(zk_mode "$n")"
		echo "the lease, as its server says: $(LAB_ZK=10.77.1.$i:2181 zkc get /pvc/primary/lease; LAB_ZK=10.77.1.$i:2181 zkc stat /pvc/primary/lease)"
		on "$n" systemctl is-active pvc-watch-nodes pvc-primary.target pvc-floating pvc-gateway | tr '\n' ' ' || :
		on "$n" systemctl list-jobs --no-legend || :
		on "$n" journalctl --no-pager -b -n 10 -o short-monotonic -u 'pvc-watch-nodes*' -u 'pvc-primary*' || :
	done
	grep -v alive "$RECORD" | tail -n 40
	for n in $COORDINATORS; do
		echo "--- $n"
		on "$n" ip -br address || :
		on "$n" journalctl --no-pager -b -n "${1:-60}" -o short-monotonic -u 'pvc-watch-nodes*' -u 'pvc-floating*' -u 'pvc-gateway*' -u 'pvc-primary*' || :
	done
	return 1
}
