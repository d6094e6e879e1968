# SPDX-License-Identifier: GPL-3.0-or-later
# What can go wrong with a node that is on: its cables, and its processors.
# shellcheck shell=bash

_cut_nft() { nsenter --net="/run/netns/$LAB_NS" nft "$@"; }
_cut_table() {
	_cut_nft list table bridge cut >/dev/null 2>&1 || _cut_nft -f - <<-'E'
		table bridge cut {
		  set off { type ifname; }
		  chain from { type filter hook prerouting priority -300; iifname @off drop; }
		  chain to { type filter hook postrouting priority 300; oifname @off drop; }
		}
	E
}
_cut_set() { # NODE NET...
	local node=$1 net text=
	shift
	for net; do text+="${text:+, }\"$node-$net\""; done
	echo "{ $text }"
}

# cut NODE [NET...]: the switch drops what comes from and goes to the node; it sees nothing of that. Default: all networks.
node_cut() {
	local node=$1 nets
	shift
	nets=${*:-$NETS}
	_cut_table
	# shellcheck disable=SC2086
	_cut_nft add element bridge cut off "$(_cut_set "$node" $nets)"
}
# mend NODE [NET...]: undoes it; what was not cut is no error.
node_mend() {
	local node=$1 net nets
	shift
	nets=${*:-$NETS}
	_cut_table
	for net in $nets; do _cut_nft delete element bridge cut off "$(_cut_set "$node" "$net")" 2>/dev/null || :; done
}

node_is_frozen() { [ "$(cat "$LAB_CG/$1/cgroup.freeze" 2>/dev/null)" = 1 ]; }
_frozen_is() { grep -q "^frozen $2" "$LAB_CG/$1/cgroup.events"; }

# freeze NODE: no process of it runs, and nothing answers: the kernel, which the nodes share, would go on answering ARP and TCP for
# it, as no frozen machine does; so its cables are cut as well.
node_freeze() {
	node_cut "$1"
	echo 1 >"$LAB_CG/$1/cgroup.freeze"
	until_true 30 _frozen_is "$1" 1 || die "$1 does not freeze"
}
# thaw NODE [NET...]: cables and processors are back at the same time, as far as that goes: all networks, or these, in one call.
node_thaw() {
	local nets=${*:2}
	# shellcheck disable=SC2086
	_cut_nft delete element bridge cut off "$(_cut_set "$1" ${nets:-$NETS})" 2>/dev/null || : # gone with a power cut
	echo 0 >"$LAB_CG/$1/cgroup.freeze"
	until_true 30 _frozen_is "$1" 0 || die "$1 does not thaw"
}
