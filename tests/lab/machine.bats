#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What only a machine with Debian's kernel can show, as the nodes' kernel has no VLANs, bonds, dummies and watchdogs: bridged networks and self-fencing. It is a hypervisor
# beside the node, with bond0 over two cables to the cluster's switch; the programs run by hand in it. See lib/machine.bash.

load lab.bash

setup_file() {
	lab_begin
	"$LAB" machine pvchv9 # boots while the node starts
	node_ready
	in_machine "
		ip link add bond0 type bond mode active-backup miimon 100
		for port in eth1 eth3; do ip link set \$port master bond0; done
		sed -i -e 's/bridge_device: eth1/bridge_device: bond0/' -e 's/cluster: {device: eth1, mtu: 1550/cluster: {device: bond0, mtu: 1450/' $YAML
		pvc-netsetup && pvc-sysctl && pvc-register start && pvc-firewall" || on_machine cat /proc/net/bonding/bond0
	watch_networks
}
teardown_file() { lab_end; }
teardown() { [ -n "${BATS_TEST_COMPLETED:-}" ] || in_machine 'tail -n 30 /tmp/networks.log; tail -n 15 /tmp/keepalive.log /tmp/fence.log /run/pvc/status/fence || :; ip -d link; ip address'; }

YAML=/etc/pvc/pvcd.yaml
on_machine() { "$LAB" exec pvchv9 "$@"; }
in_machine() { on_machine bash -ec "$1" </dev/null; }
watch_networks() { # also again, with another configuration
	in_machine '[ ! -e /tmp/networks.pid ] || kill -KILL "$(cat /tmp/networks.pid)"
		pvc-watch-networks >>/tmp/networks.log 2>&1 & echo $! >/tmp/networks.pid'
}
link_is() { # LINK PATTERN...: each is found in its description
	local text word
	text=$(on_machine ip -d -o link show dev "$1") || return 1
	shift
	for word in "$@"; do grep -qE -- "(^|[ ,<\\\\])$word([ ,>]|\$)" <<<"$text" || return 1; done
}
no_link() { no on_machine ip link show dev "$1"; }
# guest NAME VNI ADDRESS: a namespace in the machine, attached like a virtual machine
guest() {
	in_machine "ip netns add $1; ip link add tap$1 type veth peer name eth0 netns $1; ip link set tap$1 master vmbr$2 up
		ip -n $1 address add $3/24 dev eth0; ip -n $1 link set eth0 up"
}
reaches() { on_machine ip netns exec "$1" ping -q -c 2 -W 5 "$2"; }
problem() { node pvcctl network info "$1" | grep -F -- "$2"; }

@test "D72, D73: a bridged network is a VLAN on bridge_device, with its MTU and without IPv6 of the host; its module comes by itself" {
	local index
	no in_machine 'grep -q ^8021q /proc/modules'
	node pvcctl network add 77 wire --type bridged >/dev/null
	wait_until 120 link_is vlan77 UP "mtu 1450" "master vmbr77" "vlan protocol 802.1Q id 77" "addrgenmode none" "alias pvc"
	wait_until 120 link_is vmbr77 UP LOWER_UP "mtu 1450" "addrgenmode none" "alias pvc"
	[[ "$(on_machine ip -o link show dev vlan77)" == *" vlan77@bond0: "* ]]
	[ "$(on_machine cat /proc/sys/net/ipv6/conf/vmbr77/disable_ipv6)" = 1 ]
	for link in vmbr77 vlan77; do [ -z "$(on_machine ip -6 address show dev $link)" ]; done
	# a bridge with a carrier that may have addresses has one by now; and nothing is done twice
	wait_until 120 in_machine 'ip -6 address show dev brstorage | grep -q "inet6 fe80.*"'
	[ -z "$(on_machine ip -6 address show dev vmbr77)" ]
	index=$(on_machine ip -o link show dev vlan77)
	watch_networks
	wait_until 120 in_machine '[ "$(grep -c "watching the networks" /tmp/networks.log)" = 2 ]'
	[ "$(on_machine ip -o link show dev vlan77)" = "$index" ]
}

@test "frames of a bridged network's guest leave tagged, and frames with its tag arrive, over either cable of the bond" {
	"$LAB" net /usr/bin/python3 "$TOP/tests/lab/tagged.py" br-cluster 77 192.0.2.99 192.0.2.98=78 >"$T/wire" 2>&1 3>&- &
	remember $!
	wait_until 60 grep -q listening "$T/wire"
	guest g1 77 192.0.2.1
	wait_until 120 reaches g1 192.0.2.99
	no reaches g1 192.0.2.98 # asked in VLAN 77, answered in VLAN 78
	grep -q '^tag 77 icmp 192.0.2.99' "$T/wire"
	grep -q '^tag 77 arp 192.0.2.98' "$T/wire"
	no grep -qv -e '^tag 77 ' -e listening "$T/wire"
	# full frames too: the tag comes on top
	on_machine ip netns exec g1 ip link set eth0 mtu 1450
	on_machine ip netns exec g1 ping -q -c 1 -W 20 -M "do" -s 1422 192.0.2.99
	for cable in eth1 eth3; do
		on_machine ip link set $cable down
		wait_until 120 in_machine "no=\$(cat /sys/class/net/bond0/bonding/active_slave); [ \"\$no\" ] && [ \"\$no\" != $cable ]"
		reaches g1 192.0.2.99
		on_machine ip link set $cable up
		wait_until 120 in_machine "grep -qx up /sys/class/net/$cable/operstate && [ \"\$(grep -c 'MII Status: up' /proc/net/bonding/bond0)\" = 3 ]"
	done
}

@test "bridge_device that is absent is named, that network alone waits for it, and it is made when the device comes" {
	in_machine "sed -i 's/bridge_device: .*/bridge_device: uplink0/' $YAML"
	watch_networks
	wait_until 120 problem 77 "pvchv9: links: this host has no device 'uplink0' (system.configuration.networking.bridge_device)"
	node pvcctl network add 100 blue --ipnet 10.100.0.0/24 --gateway 10.100.0.1 --dhcp --dhcp-start 10.100.0.10 --dhcp-end 10.100.0.99 >/dev/null
	node pvcctl network rule add 100 in ping 'icmp type echo-request accept' >/dev/null
	wait_until 120 link_is vxlan100 UP "master vmbr100"
	# a dummy with large frames: the bridge follows its device, not the cluster's MTU
	in_machine 'ip link add uplink0 mtu 9000 type dummy; ip link set uplink0 up'
	wait_until 120 link_is vlan77 UP "mtu 9000" "master vmbr77"
	wait_until 120 link_is vmbr77 "mtu 9000"
	[[ "$(on_machine ip -o link show dev vlan77)" == *" vlan77@uplink0: "* ]]
	wait_until 120 no problem 77 "pvchv9:"
	on_machine ip link show dev tapg1 | grep -q 'master vmbr77' # its guests stayed
}

@test "a managed network joins the machine and the node: its guest gets to the gateway; its rules are in force in Debian's kernel" {
	node bash -c 'until ip -o address show dev vmbr100 | grep -q 10.100.0.1/24; do read -r -t 0.1 <> <(:) || :; done'
	guest g2 100 10.100.0.7
	wait_until 120 reaches g2 10.100.0.1
	in_machine 'nft list chain inet pvc vxlan100-in | grep -q "icmp type echo-request counter .* accept"'
	no problem 100 pvchv9
}

@test "removed networks are gone: the VLAN at once, the bridge when its guest has left" {
	in_machine "sed -i 's/bridge_device: .*/bridge_device: bond0/' $YAML"
	watch_networks
	wait_until 120 link_is vlan77 UP "mtu 1450"
	node pvcctl network remove 77 --yes >/dev/null
	wait_until 120 no_link vlan77
	on_machine ip link del tapg1
	wait_until 120 no_link vmbr77
	node pvcctl network remove 100 --yes >/dev/null
	wait_until 120 no_link vxlan100
	on_machine ip link show dev bond0 | grep -q 'master brcluster'
}

# in the machine: heartbeats every 5 s, and 5 of them: the watchdog's time is 20 s
self_fencing() {
	on_machine modprobe softdog
	in_machine "sed -i -e 's/keepalive_interval:.*/keepalive_interval: 5/' -e 's/fence_intervals:.*/fence_intervals: 6/' \
		-e 's/suicide_intervals:.*/suicide_intervals: 5/' $YAML; ip link del uplink0 2>/dev/null || :"
	in_machine 'kill -0 "$(cat /tmp/keepalive.pid)"' 2>/dev/null || keepalive
	wait_until 120 watchdog_is active
	wait_until 60 heart_is true
}
keepalive() {
	in_machine 'pvc-keepalive >>/tmp/keepalive.log 2>&1 & echo $! >/tmp/keepalive.pid'
}
watchdog_is() { [ "$(on_machine cat /sys/class/watchdog/watchdog0/state)" = "$1" ]; }
heart_is() { zk_in_node get /pvc/heart/pvchv9 | grep -q "\"armed\":$1"; }
machine_is_off() { ! "$LAB" exec pvchv9 true 2>/dev/null; }
ms() { echo "${EPOCHREALTIME/./}" | cut -c1-13; }

@test "D6: a host's clock goes an hour forward and two back: nobody judges it dead, it judges nobody, its watchdog is fed, its session lives" {
	local step before owner said beats
	self_fencing
	# it is also a coordinator
	in_machine "umask 077; sed 's/^    coordinators:/&\n      - pvchv9/' $YAML >/tmp/coordinator.yaml
		pvc-fence --config /tmp/coordinator.yaml >/tmp/fence.log 2>&1 & echo \$! >/tmp/fence.pid"
	wait_until 60 heard_of_others
	before=$(states) owner=$(session)
	for step in 3600 -7200; do
		on_machine date -s "@$(($(on_machine date +%s) + step))"
		beats=$(beats)
		wait_until 120 beats_beyond $((beats + 4)) # at least 20 s, in which a watchdog that is not fed fires
		said=$(zk_in_node get /nodes/pvchv9/keepalive)
		if [ $step -gt 0 ]; then [ "$said" -gt $((EPOCHSECONDS + 1800)) ]; else [ "$said" -lt $((EPOCHSECONDS - 1800)) ]; fi
		wait_until 60 heard_of_others
	done
	watchdog_is active
	[ "$(session)" = "$owner" ]
	[ "$(states)" = "$before" ]
	[ -z "$(zk_in_node ls /pvc/fence)" ]
	on_machine date -s "@$EPOCHSECONDS"
	in_machine 'kill -TERM $(cat /tmp/fence.pid)'
}
states() { for n in pvchv1 pvchv9; do zk_in_node get /nodes/$n/daemonstate; zk_in_node stat /nodes/$n/daemonstate; done; }
session() { zk_in_node stat /pvc/alive/pvchv9 | sed 's/.*owner=//'; }
beats() { zk_in_node stat /nodes/pvchv9/keepalive | sed 's/^version=\([0-9]*\).*/\1/'; }
beats_beyond() { [ "$(beats)" -gt "$1" ]; }
heard_of_others() { in_machine 'grep -qx "session=sure" /run/pvc/status/fence && grep -q "^node.pvchv1=well, heard of [0-9] s" /run/pvc/status/fence'; }

@test "D24: a real watchdog: fed by heartbeats, stopped by an orderly stop, taken over after kill -9; a host that is cut off is reset" {
	local cut down
	self_fencing
	[ "$(on_machine cat /sys/class/watchdog/watchdog0/timeout)" = 20 ]
	in_machine 'kill -TERM $(cat /tmp/keepalive.pid)'
	wait_until 60 watchdog_is inactive
	heart_is false
	keepalive
	wait_until 60 heart_is true
	in_machine 'kill -KILL $(cat /tmp/keepalive.pid)'
	watchdog_is active
	keepalive
	wait_until 60 in_machine '[ "$(grep -c "self-fencing is armed" /tmp/keepalive.log)" = 3 ]'
	# over the time of the one that was killed
	in_machine 'end=$((SECONDS + 21)); until [ $SECONDS -ge $end ]; do read -r -t 0.5 <> <(:) || :; done'
	watchdog_is active
	cut=$(ms)
	on_machine ip link set bond0 down
	wait_until 120 machine_is_off
	down=$(($(ms) - cut))
	echo "# cut off at 0, off after $down ms; allowed are 25000 after the last heartbeat" >&3
	[ "$down" -gt 4000 ] && [ "$down" -lt 80000 ] # it is seen a little later
	heart_is true # what it said last, which a fencer goes by
}
