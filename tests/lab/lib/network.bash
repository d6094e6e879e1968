# SPDX-License-Identifier: GPL-3.0-or-later
# The lab's own network: a namespace with one bridge per network, and each node's cables to it.
# shellcheck shell=bash

network_up() {
	local net i=0
	[ ! -e "/run/netns/$LAB_NS" ] || return 0
	ip netns add "$LAB_NS"
	ip -n "$LAB_NS" link set lo up
	for net in $NETS; do
		# a MAC of its own: else it takes that of a cable, and another when a node is switched off
		ip -n "$LAB_NS" link add "br-$net" address "$(printf '52:54:00:77:%02x:fe' $i)" type bridge stp_state 0 forward_delay 0
		ip -n "$LAB_NS" link set "br-$net" mtu "${NET_MTU[$net]}" up
		ip -n "$LAB_NS" addr add "${NET_PREFIX[$net]}.254/24" dev "br-$net"
		i=$((i + 1))
	done
}

network_down() {
	local name
	for name in /run/netns/"$LAB_NS" /run/netns/"$LAB_NS"-*; do
		[ ! -e "$name" ] || ip netns del "${name##*/}" || :
	done
}

cables_cut() { # NODE
	local net
	for net in $NETS second; do ip -n "$LAB_NS" link del "$1-$net" 2>/dev/null || :; done
}

# A new namespace with new cables at every boot, as a power cycle gives. eth0.. come without addresses and down: giving
# them addresses is what pvc-netsetup is for.
cables_plug() { # NODE
	local net i=0
	cables_cut "$1"
	ip netns del "$(node_ns "$1")" 2>/dev/null || :
	ip netns add "$(node_ns "$1")"
	ip -n "$(node_ns "$1")" link set lo up
	for net in $NETS; do
		ip -n "$LAB_NS" link add "$1-$net" mtu "${NET_MTU[$net]}" type veth peer name eth$i netns "$(node_ns "$1")" \
			mtu "${NET_MTU[$net]}" address "$(printf '52:54:00:77:%02x:%02x' $i "$(node_id "$1")")"
		ip -n "$LAB_NS" link set "$1-$net" master "br-$net" up
		i=$((i + 1))
	done
}
