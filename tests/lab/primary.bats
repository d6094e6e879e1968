#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The primary role on three coordinators: handed over, killed, frozen, cut off. Everything is seen from outside: by a prober that
# asks by ARP for the floating and gateway addresses every 20 ms. The tests go on from one another on one lab; after each, the role
# is settled again. `make chaos-primary` does the same at random and for longer.

load lab.bash

SLACK=5000 # ms, for a machine that does other things beside; what a hand-over takes is measured by tests/bench/handover

setup_file() {
	export NODES="pvchv1 pvchv2 pvchv3"
	lab_begin
	load primary.bash
	coordinators_up
	network_add 100
	"$LAB" client 100
	"$LAB" net ip route add 10.100.0.0/16 via 10.77.0.250 # the world's way back: to the primary, whoever that is
	prober_begin 100
	wait_until 120 settled || explain_role
}
teardown_file() { lab_end; }
setup() {
	load primary.bash
	wait_until 180 settled
	WAS=$(serving)
	OTHER=$(other_of "$WAS")
	mark "$BATS_TEST_NUMBER"
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || explain_role
}
# two_never [OPTIONS]: since this test began nobody answered beside another, and all is settled
two_never() {
	wait_until 180 settled || explain_role
	judge "$BATS_TEST_NUMBER" "$@" || explain_role
}

@test "D25: three coordinators that start at once have one primary, which answers for all floating and gateway addresses" {
	[ "$(on "$WAS" systemctl is-active pvc-primary.target pvc-floating pvc-gateway | sort -u)" = active ]
	[ "$(zkc get /upstream_ip)" = 10.77.0.250/24 ]
	for n in $COORDINATORS; do
		[ "$n" = "$WAS" ] || no on "$n" systemctl -q is-active pvc-primary.target pvc-floating pvc-gateway
	done
	on "$OTHER" pvc-floating --check --release
	two_never --max-gap 1000
}

@test "D26, D27: a planned hand-over needs no fixed sleeps and no locks, both ways" {
	hand_over "$OTHER"
	wait_until 60 served_by "$OTHER"
	wait_until 60 settled
	hand_over "$WAS"
	wait_until 60 served_by "$WAS"
	two_never --max-gap $SLACK
}

@test "the v0.6 client's writes: another node's name moves the role there, 'none' moves it somewhere else" {
	zkc set /primary_node "$OTHER"
	wait_until 60 served_by "$OTHER"
	wait_until 60 settled
	zkc set /primary_node none
	wait_until 60 served_by_other "$OTHER"
	two_never --max-gap $SLACK
}

@test "guests reach their gateway and the world through whoever is the primary" {
	"$LAB" guest "$(third_of "$WAS" "$OTHER")" 100 10.100.0.200/24 10.100.0.1
	wait_until 60 "$LAB" guest_net ping -c 1 -W 1 10.100.0.1
	wait_until 60 "$LAB" guest_net ping -c 1 -W 1 10.77.0.254
	hand_over "$OTHER"
	wait_until 60 served_by "$OTHER"
	# who was misled by what it knew would wait for half a minute
	wait_until 20 "$LAB" guest_net ping -c 1 -W 1 10.100.0.1
	wait_until 20 "$LAB" guest_net ping -c 1 -W 1 10.77.0.254
	two_never
}

@test "D31: a node that stops hands the role over before it is in state stop, as long as that takes" {
	on "$WAS" systemctl stop pvc.target
	wait_until 60 served_by_other "$WAS"
	wait_until 60 daemonstate_is "$WAS" stop
	no on "$WAS" systemctl -q is-active pvc-primary.target
	judge "$BATS_TEST_NUMBER" --max-gap $SLACK || explain_role
	on "$WAS" systemctl --no-block start pvc.target
	two_never --max-gap $SLACK
}

@test "kill -9 of pvc-watch-nodes, pvc-floating and pvc-gateway on the primary: all come back, never two holders" {
	signal_unit "$WAS" pvc-floating KILL
	signal_unit "$WAS" pvc-gateway KILL
	wait_until 60 all_active "$WAS" pvc-floating pvc-gateway
	judge "$BATS_TEST_NUMBER" --max-gap 1000 || explain_role # their addresses stayed
	signal_unit "$WAS" pvc-watch-nodes KILL
	wait_until 60 on "$WAS" systemctl -q is-active pvc-watch-nodes
	two_never --max-gap $((SESSION * 1000 + 2000 + SLACK))
}

@test "D24: a pvc-watch-nodes that hangs (SIGSTOP) loses the addresses before the lease is free, and comes back" {
	signal_unit "$WAS" pvc-watch-nodes STOP
	stopped() { no on "$WAS" pvc-floating --check || on "$WAS" systemctl -q is-failed pvc-watch-nodes; }
	gone() { on "$WAS" pvc-floating --check --release || served_by_other "$WAS"; }
	wait_until 60 gone
	two_never --max-gap $((SESSION * 1000 + 2000 + SLACK))
}

@test "power cut of the primary: another answers within the session's time-out and two seconds" {
	# a cluster whose ZooKeeper leader dies with it elects one first, which is not what is measured here
	if ! zk_leader_elsewhere "$WAS"; then
		hand_over "$OTHER"
		wait_until 60 served_by "$OTHER"
		wait_until 60 settled
		WAS=$OTHER
	fi
	mark cut
	"$LAB" kill "$WAS"
	wait_until 60 served_by_other "$WAS"
	judge cut --max-gap $((SESSION * 1000 + 2000 + SLACK)) || explain_role
	judge cut | sed -n "s/^br-upstream.*longest \([0-9]*\) ms; two.*/# power cut of the primary: answered again after \1 ms (on a quiet machine: below $((SESSION * 1000 + 2000)))/p" >&3
	boot "$WAS"
	two_never
}

@test "a primary that is frozen loses the role; when it thaws two answer for less than 200 ms" {
	"$LAB" freeze "$WAS"
	wait_until 90 served_by_other "$WAS"
	mark "thaw $WAS"
	"$LAB" thaw "$WAS"
	wait_until 60 on "$WAS" pvc-floating --check --release
	two_never
}

@test "D24: a primary that is cut off from ZooKeeper gives up its addresses before another has them" {
	"$LAB" cut "$WAS" cluster # the other two networks stay: the prober would see both there
	wait_until 90 served_by_other "$WAS"
	on "$WAS" pvc-floating --check --release
	mark mend
	"$LAB" mend "$WAS"
	two_never
}

# hangs NODE UNIT: so that neither SIGTERM nor SIGCONT reaches its program any more, SIGKILL does
hangs() {
	on "$1" sh -c 'c=/sys/fs/cgroup$(systemctl show -P ControlGroup "$1")/hang && mkdir "$c" && systemctl show -P MainPID "$1" >"$c/cgroup.procs" && echo 1 >"$c/cgroup.freeze"' sh "$2"
}

@test "D24: all services of the primary hang, and it is cut off from ZooKeeper: their addresses are away before another has them" {
	for unit in pvc-dns pvc-metadata pvc-gateway pvc-floating; do hangs "$WAS" $unit; done
	"$LAB" cut "$WAS" cluster
	wait_until 90 served_by_other "$WAS"
	on "$WAS" pvc-floating --check --release
	no on "$WAS" sh -c 'ip -o address show dev vmbr100 | grep -F " 10.100.0.1/24 "'
	"$LAB" mend "$WAS"
	two_never
	on "$WAS" journalctl --sync
	on "$WAS" journalctl -b --no-pager -u pvc-gateway -u pvc-floating >"$T/journal"
	for unit in pvc-gateway pvc-floating; do grep -q "$unit.service: Main process exited, code=killed, status=9/KILL" "$T/journal"; done
}

@test "the leader of ZooKeeper is killed: the role stays or moves, the addresses come back by themselves" {
	wait_until 60 zk_leader
	leader=$(zk_leader)
	signal_unit "$leader" zookeeper KILL
	wait_until 60 zk_whole
	two_never --max-gap $((2 * SESSION * 1000 + SLACK))
}

@test "ZooKeeper has no quorum for a while: the addresses are released, nothing hangs, all comes back by itself" {
	local n followers
	wait_until 60 zk_whole
	followers=$(zk_followers)
	[ "$(wc -w <<<"$followers")" = 2 ]
	for n in $followers; do on "$n" systemctl kill -s STOP zookeeper; done
	wait_until 60 on "$WAS" pvc-floating --check --release
	pause "${QUORUM_LOST:-8}"
	for n in $followers; do on "$n" systemctl kill -s CONT zookeeper; done
	two_never
}

@test "D29: a service of the operator's that fails or hangs with the role does not hold up the addresses, nor the next hand-over, nor what a cut off node has to give up" {
	for n in $COORDINATORS; do
		on "$n" mkdir -p /etc/systemd/system/pvc-primary.target.d
		printf '[Unit]\nWants=my-broken.service my-slow.service\n' >"$T/my.conf"
		printf '[Unit]\nPartOf=pvc-primary.target\nAfter=pvc-primary-begin.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/false\n' >"$T/my-broken.service"
		printf '[Unit]\nPartOf=pvc-primary.target\nAfter=pvc-primary-begin.target\n[Service]\nType=notify\nTimeoutStartSec=300\nExecStart=/bin/sleep 1000\n' >"$T/my-slow.service"
		"$LAB" put "$n" "$T/my.conf" /etc/systemd/system/pvc-primary.target.d/my.conf
		"$LAB" put "$n" "$T/my-broken.service" /etc/systemd/system/my-broken.service
		"$LAB" put "$n" "$T/my-slow.service" /etc/systemd/system/my-slow.service
		on "$n" systemctl daemon-reload
	done
	hand_over "$OTHER"
	wait_until 60 served_by "$OTHER"
	hand_over "$WAS"
	wait_until 60 served_by "$WAS"
	two_never --max-gap $SLACK
	# with such a start under way one that is cut off lets go of them in time all the same
	mark "cut while it starts"
	"$LAB" cut "$WAS" cluster
	wait_until 90 served_by_other "$WAS"
	"$LAB" mend "$WAS"
	two_never
	for n in $COORDINATORS; do
		on "$n" rm -r /etc/systemd/system/pvc-primary.target.d/my.conf
		on "$n" systemctl daemon-reload
	done
}

@test "over all of it: never two holders, except where a frozen node thawed, and then for less than 200 ms" {
	prober_end
	"$PROBER" judge "$RECORD"
	"$PROBER" judge "$RECORD" >&3
}
