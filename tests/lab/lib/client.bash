# SPDX-License-Identifier: GPL-3.0-or-later
# Hosts in client networks that are no VMs.
# shellcheck shell=bash

CLIENT_NS=$LAB_NS-client # outside of all nodes: by VXLANs of its own
GUEST_NS=$LAB_NS-guest   # beside a node's VMs: by a port in its bridge

_host_ns() {
	[ -e "/run/netns/$1" ] || {
		ip netns add "$1"
		ip -n "$1" link set lo up
	}
}

# client_join VNI: link vx<VNI>, without an address. It hears what is sent to it and to nobody, and all nodes hear it: for looking at the
# network from outside. Broadcasts of the nodes do not reach it, as it is no peer of theirs.
client_join() {
	local node
	_host_ns "$CLIENT_NS"
	# made in the lab's namespace, where its packets go, and moved
	ip -n "$LAB_NS" link add "vx$1" mtu 1450 type vxlan id "$1" dstport 4789 local "${NET_PREFIX[cluster]}.254" dev br-cluster
	ip -n "$LAB_NS" link set "vx$1" netns "$CLIENT_NS"
	for node in $NODES; do
		bridge -n "$CLIENT_NS" fdb append 00:00:00:00:00:00 dev "vx$1" dst "${NET_PREFIX[cluster]}.$(node_id "$node")"
	done
	ip -n "$CLIENT_NS" link set "vx$1" up
}

# guest_join NODE VNI ADDRESS/LENGTH GATEWAY: link eth<VNI>, where a VM on that node would be. It goes when the node does.
guest_join() {
	_host_ns "$GUEST_NS"
	ip -n "$GUEST_NS" link add "eth$2" mtu 1450 type veth peer name "tap$2" netns "$(node_ns "$1")"
	ip -n "$(node_ns "$1")" link set "tap$2" master "vmbr$2" up
	ip -n "$GUEST_NS" link set "eth$2" up
	ip -n "$GUEST_NS" address add "$3" dev "eth$2"
	ip -n "$GUEST_NS" route add default via "$4"
}
