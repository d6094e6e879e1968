# SPDX-License-Identifier: GPL-3.0-or-later
# A lab as a whole.
# shellcheck shell=bash

# The package to install into the nodes: $LAB_DEB, else the one that `make deb` built.
lab_deb() {
	local deb=${LAB_DEB:-}
	[ -n "$deb" ] || deb=$(find "$TOP/build/deb" -maxdepth 1 -name 'pvc-node_*.deb' 2>/dev/null | sort | tail -n 1)
	[ -n "$deb" ] || die "no package to install into the nodes: run make deb first"
	echo "$deb"
}

lab_prepare() {
	local deb
	[ "$(id -u)" = 0 ] || die "must run as root"
	deb=$(lab_deb)
	image_build
	guest_build
	mkdir -p "$LAB_RUN"
	extras_build
	lower_dirs >"$LAB_RUN/image"
	layer_build "$deb" >"$LAB_RUN/layer.new"
	mv "$LAB_RUN/layer.new" "$LAB_RUN/layer"
}

# 128 inotify instances for all of root's processes (the kernel's default) are too few for several systemds.
_inotify_room() {
	local file=/proc/sys/fs/inotify/max_user_instances
	[ "$(cat $file)" -ge 1024 ] || echo 1024 >$file
}

lab_up() {
	local node state
	[ "${1:-}" != fresh ] || lab_down
	lab_prepare
	_inotify_room
	# Labs of tests end with their test: gc looks whether this process still lives.
	[ -z "${LAB_OWNER:-}" ] || echo "$LAB_OWNER $(_start_time "$LAB_OWNER")" >"$LAB_RUN/owner"
	echo "$NODES" >"$LAB_RUN/nodes"
	network_up
	for node in $NODES; do node_is_on "$node" || node_start "$node"; done
	for node in $NODES; do
		state=$(node_wait "$node") || die "$node did not finish booting: $state"
		say "$node: $state"
	done
}

lab_down() {
	local node
	for node in $(cat "$LAB_RUN/nodes" 2>/dev/null || echo "$NODES") $(machines); do
		bmc_stop "$node"
		node_kill "$node"
		node_let_go "$node"
	done
	beside_end
	network_down
	[ ! -d "$LAB_CG" ] || find "$LAB_CG" -depth -type d -exec rmdir {} +
	rmdir /run/systemd/nspawn/propagate/"$LAB_NS"-* 2>/dev/null || : # nspawn leaves them, empty
	rm -rf --one-file-system "${LAB_RUN:?}"
}

# lab_beside COMMAND...: a daemon in the lab's own network, for what is not on any node. It ends with the lab, at the latest.
lab_beside() {
	mkdir -p "$LAB_CG/beside"
	# shellcheck disable=SC2016
	setsid -f sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$LAB_CG/beside" nsenter --net="/run/netns/$LAB_NS" "$@" \
		</dev/null >>"$LAB_RUN/beside.log" 2>&1 8>&- 3>&-
}
beside_end() {
	[ ! -d "$LAB_CG/beside" ] || echo 1 >"$LAB_CG/beside/cgroup.kill"
	until_true 30 node_is_empty beside || die "what ran beside the nodes does not end"
}

# Inside a node or a machine.
lab_exec() { if [ -e "$LAB_RUN/$1/agent" ]; then machine_exec "$@"; else node_exec "$@"; fi; }

_start_time() { sed -e 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

lab_gc() {
	local owner since dir name
	for dir in "$LAB_ROOT"/run/*/; do
		[ -e "$dir/owner" ] || continue
		read -r owner since 2>/dev/null <"$dir/owner" || continue # it was just taken down
		[ "$(_start_time "$owner")" != "$since" ] || continue
		name=$(basename "$dir")
		say "removing lab $name, whose owner is gone"
		LAB_NAME=$name "$LAB_BIN/lab" down
	done
	rm -f "$LAB_ROOT"/layer/*.new
}

lab_status() {
	local node
	# shellcheck disable=SC2013
	for node in $(cat "$LAB_RUN/nodes" 2>/dev/null); do
		if node_is_on "$node"; then echo "$node on"; else echo "$node off"; fi
	done
}

lab_list() {
	local dir
	for dir in "$LAB_ROOT"/run/*/; do
		[ -d "$dir" ] || continue
		echo "$(basename "$dir"): $(LAB_NAME=$(basename "$dir") "$LAB_BIN/lab" status | paste -sd,)"
	done
}

# The journal of a node, also when it is off.
lab_journal() {
	local node=$1
	shift
	if node_is_on "$node"; then
		node_exec "$node" journalctl --no-pager "$@"
	else
		journalctl --no-pager -D "$LAB_RUN/$node/upper/var/log/journal" "$@"
	fi
}

# domain_xml NAME [uuid=U] [memory=MIB] [bridge=BR] [mac=M] [disk=FILE] [cmdline=TEXT]: a VM that the data model accepts.
domain_xml() {
	local name=$1 uuid memory=96 bridge=brcluster mac disk='' cmdline='' word sum log=/var/log/libvirt guest
	guest=$(guest_name)
	shift
	sum=$(printf '%s' "$name" | md5sum | cut -c1-32)
	uuid=${sum:0:8}-${sum:8:4}-4${sum:13:3}-8${sum:17:3}-${sum:20:12}
	mac=52:54:00:${sum:0:2}:${sum:2:2}:${sum:4:2}
	for word; do
		case $word in
		uuid=* | memory=* | bridge=* | mac=* | disk=* | cmdline=*) printf -v "${word%%=*}" %s "${word#*=}" ;;
		*) die "domain: $word?" ;;
		esac
	done
	cat <<-E
		<domain type='qemu'>
		  <name>$name</name>
		  <uuid>$uuid</uuid>
		  <description>tiny lab guest</description>
		  <memory unit='MiB'>$memory</memory>
		  <vcpu>1</vcpu>
		  <os>
		    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
		    <kernel>/guest/$guest/vmlinuz</kernel>
		    <initrd>/guest/$guest/initrd.gz</initrd>
		    <cmdline>console=ttyS0 quiet panic=1 ip=none $cmdline</cmdline>
		  </os>
		  <features><acpi/><apic/></features>
		  <cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model></cpu>
		  <clock offset='utc'/>
		  <on_poweroff>destroy</on_poweroff>
		  <on_reboot>restart</on_reboot>
		  <on_crash>destroy</on_crash>
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    <controller type='usb' model='none'/>
	E
	[ -z "$disk" ] || cat <<-E
		    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' io='threads'/><source file='$disk'/><target dev='vda' bus='virtio'/></disk>
	E
	[ -z "$bridge" ] || cat <<-E
		    <interface type='bridge'><mac address='$mac'/><source bridge='$bridge'/><model type='virtio'/></interface>
	E
	cat <<-E
		    <serial type='pty'><log file='$log/$name.log' append='on'/><target port='0'/></serial>
		    <console type='pty'/>
		    <memballoon model='none'/>
		  </devices>
		</domain>
	E
}
