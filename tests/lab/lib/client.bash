# SPDX-License-Identifier: GPL-3.0-or-later
# A host in client networks that is no VM: a network namespace of the lab with a VXLAN for each network that it joins.
# shellcheck shell=bash

CLIENT_NS=$LAB_NS-client

# client_join VNI [ADDRESS/LENGTH GATEWAY]: with the gateway as its default route, when that is the first.
client_join() {
	local vni=$1 node
	[ -e "/run/netns/$CLIENT_NS" ] || {
		ip netns add "$CLIENT_NS"
		ip -n "$CLIENT_NS" link set lo up
	}
	# made in the lab's namespace, where its packets go, and moved
	ip -n "$LAB_NS" link add "vx$vni" mtu 1450 type vxlan id "$vni" dstport 4789 local "${NET_PREFIX[cluster]}.254" dev br-cluster
	ip -n "$LAB_NS" link set "vx$vni" netns "$CLIENT_NS"
	for node in $NODES; do
		bridge -n "$CLIENT_NS" fdb append 00:00:00:00:00:00 dev "vx$vni" dst "${NET_PREFIX[cluster]}.$(node_id "$node")"
	done
	ip -n "$CLIENT_NS" link set "vx$vni" up
	[ $# -lt 3 ] || {
		ip -n "$CLIENT_NS" address add "$2" dev "vx$vni"
		ip -n "$CLIENT_NS" route add default via "$3" 2>/dev/null || :
	}
}
