# SPDX-License-Identifier: GPL-3.0-or-later
# One whole node of our programs, with a ZooKeeper, a libvirtd and QEMU of its own, in namespaces. Load common.bash and
# libvirt.bash first. The node is pvchv1; it is up when node_begin returns.
# shellcheck shell=bash

# in_node COMMAND...: on the node: its namespaces, its host name.
in_node() { nsenter -t "$LV_PID" -m -n unshare --uts "${WITHOUT_REBOOT[@]}" sh -c 'hostname pvchv1 && exec "$@"' sh "$@"; }

node_daemon() { # NAME
	# not in_node: $! is to be the daemon itself, not a shell around it
	nsenter -t "$LV_PID" -m -n unshare --uts "${WITHOUT_REBOOT[@]}" sh -c 'hostname pvchv1 && exec "$@"' sh "$1" --debug --config "$T/pvcd.yaml" >>"$T/$1.log" 2>&1 3>&- &
	remember $!
	echo $! >>"$T/daemons"
}

node_begin() {
	netns_make hv
	export ZK_NETNS=$NETNS
	zk_start
	libvirt_begin
	libvirtd_start
	guest_images
	# the node is a coordinator by its name, which is known in its own namespace only
	printf '127.0.0.1 localhost pvchv1\n' >"$T/hosts"
	lv mount --bind "$T/hosts" /etc/hosts
	write_config "$T/pvcd.yaml" "s/127.0.0.1:$ZK_PORT/pvchv1:$ZK_PORT/" \
		's/^      keepalive_interval:.*/&\n      vm_shutdown_timeout: 20/'
	mkdir -p "$T/console" "$T/run" "$T/log"
	in_node pvc-register --config "$T/pvcd.yaml" start
	node_daemon pvc-watch-nodes
	node_daemon pvc-watch-domains
	node_daemon pvc-keepalive
	wait_until 60 key_is /nodes/pvchv1/daemonstate run
	wait_until 60 test -e "$T/run/status/domains"
}
key_is() { [ "$(zk get "$1")" = "$2" ]; }
node_lists() { zk get /nodes/pvchv1/runningdomains | grep -qF -- "$1"; }
node_lists_not() { zk get /nodes/pvchv1/runningdomains >"$T/listed" && ! grep -qF -- "$1" "$T/listed"; }
node_end() {
	local pid
	libvirt_end
	while read -r pid; do
		kill -KILL "$pid" 2>/dev/null || continue
		wait_until 60 process_is_gone "$pid"
	done <"$T/daemons" || :
}

# guest_xml_full NAME UUID IMAGE: as guest_xml, with all that the reference's client wants to see.
guest_xml_full() {
	guest_xml "$@" | sed "s|<serial .*|&<console type='pty'/>|"
}
# What its programs said last, for a failed test.
node_logs() { tail -n 15 "$T"/pvc-*.log "$T"/console/*.log >&2 || :; }
