# SPDX-License-Identifier: GPL-3.0-or-later
# A private libvirtd with real QEMU (emulated CPUs, no KVM needed) in a mount and network namespace of its own, and tiny
# guests. Load common.bash first; $NETNS is the network namespace (netns_make).
# shellcheck shell=bash

# libvirt_begin: makes the namespaces' holder; its pid is $LV_PID.
libvirt_begin() {
	mkdir -p "$T/lv"
	cat >"$T/lv/qemu.conf" <<-E
		user = "root"
		group = "root"
		security_driver = "none"
		cgroup_controllers = [ ]
		namespaces = [ ]
		stdio_handler = "file"
		remember_owner = 0
	E
	cat >"$T/lv/holder" <<-'E'
		mount --make-rprivate /
		for d in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do mkdir -p $d; mount -t tmpfs t $d; done
		mkdir -p /run/libvirt /var/lib/libvirt/qemu /var/lib/libvirt/boot "$1/lv/etc"
		cp -r /etc/libvirt/. "$1/lv/etc/"
		rm -rf "$1"/lv/etc/qemu/*
		mount --bind "$1/lv/etc" /etc/libvirt
		cp "$1/lv/qemu.conf" /etc/libvirt/qemu.conf
		touch "$1/lv/held"
		exec sleep infinity
	E
	ip netns exec "$NETNS" unshare --mount bash "$T/lv/holder" "$T" 3>&- &
	LV_PID=$!
	export LV_PID
	remember "$LV_PID"
	wait_until 60 test -e "$T/lv/held"
}

# lv COMMAND...: in libvirtd's namespaces.
lv() { nsenter -t "$LV_PID" -m -n "$@"; }
lv_virsh() { lv timeout 30 virsh -q -c qemu:///system "$@"; }

libvirtd_start() {
	nsenter -t "$LV_PID" -m -n /usr/sbin/libvirtd >>"$T/lv/libvirtd.log" 2>&1 3>&- &
	LIBVIRTD_PID=$!
	echo "$LIBVIRTD_PID" >"$T/lv/libvirtd.pid"
	remember "$LIBVIRTD_PID"
	wait_until 60 lv_virsh version
}
libvirtd_pid() { cat "$T/lv/libvirtd.pid"; }
libvirtd_stop() { # [SIGNAL]
	local pid
	pid=$(libvirtd_pid)
	kill "-${1:-TERM}" "$pid" && wait_until 60 process_is_gone "$pid"
}
process_is_gone() { [ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }

# qemu_pid NAME: of the guest, as libvirt wrote it.
qemu_pid() { lv cat "/run/libvirt/qemu/$1.pid"; }
# libvirt_end: ends what still runs in the holder's mount namespace: guests, libvirtd. Call it before test_cleanup.
libvirt_end() {
	local mine process
	mine=$(readlink "/proc/${LV_PID:-none}/ns/mnt") || return 0
	for process in /proc/[0-9]*; do
		if [ "${process#/proc/}" != "$LV_PID" ] && [ "$(readlink "$process/ns/mnt" 2>/dev/null)" = "$mine" ]; then
			kill -KILL "${process#/proc/}" 2>/dev/null || :
		fi
	done
}

# guest_images: boot sectors. $T/listens.img says "booted" on the serial port and powers off when the power button is
# pressed; $T/quits.img powers off at once; $T/panics.img panics at once. (A guest without a disk stays in its firmware and ignores the button.)
guest_images() {
	$PYTHON - "$T" <<-'E'
		import sys
		code = bytes.fromhex("31c08ed8be307cbaf803ac84c07403eeebf8"  # print the message at 7c30 on 3f8
		                     "ba0206b80001ef"                        # enable the power button (PM1 enable, 602)
		                     "fbf4ba0006edf6c40174f6"                # wait until it was pressed (PM1 status, 600)
		                     "ba0406b80020efebfe")                   # soft off (PM1 control, 604)
		assert len(code) <= 0x30
		quits = bytes.fromhex("ba0406b80020efebfe")
		def image(name, code, text=b""):
		    sector = code.ljust(0x30, b"\0") + text + b"\0"
		    open(sys.argv[1] + "/" + name, "wb").write((sector.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0"))
		image("listens.img", code, b"booted\r\n")
		image("quits.img", quits)
		image("panics.img", bytes.fromhex("ba0505b001eefaf4ebfd")) # says so to the panic device, port 505
	E
}

guest_disk() { echo "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$1'/><target dev='hda' bus='ide'/><shareable/></disk>"; }
# guest_xml NAME UUID [IMAGE]: a definition on standard output.
guest_xml() {
	cat <<-E
		<domain type='qemu'>
		  <name>$1</name><uuid>$2</uuid>
		  <memory unit='MiB'>32</memory><vcpu>1</vcpu>
		  <os><type arch='x86_64' machine='pc'>hvm</type></os>
		  <features><acpi/></features>
		  <devices>
		    <emulator>/usr/bin/qemu-system-x86_64</emulator>
		    ${3:+$(guest_disk "$3")}
		    <serial type='pty'><log file='$T/console/$1.log' append='on'/></serial>
		    <controller type='usb' model='none'/><memballoon model='none'/>
		  </devices>
		</domain>
	E
}
