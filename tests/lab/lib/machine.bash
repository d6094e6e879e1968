# SPDX-License-Identifier: GPL-3.0-or-later
# A QEMU machine (TCG) with Debian's own kernel, for what nodes cannot do because they share this machine's kernel: VLANs, bonds, dummies, watchdogs.
# Everything is in its memory: busybox, a few programs of the node image with their libraries, and our package's; no systemd. Its cables are
# those of a node, and a second one to the cluster's switch: eth0, eth1, eth2, eth3.
# shellcheck shell=bash

MACHINE_PROGRAMS="bash ip bridge nft ping modprobe base64 pvcctl pvc-netsetup pvc-sysctl pvc-register pvc-firewall pvc-watch-networks pvc-keepalive pvc-fence"
MACHINE_MODULES="virtio_pci virtio_net 8021q bonding dummy bridge vxlan veth softdog"

machines() { find "$LAB_RUN" -mindepth 2 -maxdepth 2 -name agent -printf '%h\n' 2>/dev/null | sed 's:.*/::'; }

# Prints the directory with the kernel and the initramfs that all machines with this package have in common.
_machine_build() {
	local layer image out work tree kernel version file
	layer=$(cat "$LAB_RUN/layer") image=$(cat "$LAB_RUN/image")
	out=$LAB_ROOT/machine/$(cat "$layer/usr/sbin"/pvc-* "$layer/usr/bin/pvcctl" "$LAB_BIN/lib/machine.bash" "$LAB_BIN/guest/machine-init" <(echo "$image") | sha256sum | cut -c1-16)
	mkdir -p "$LAB_ROOT/machine"
	exec 8>"$LAB_ROOT/machine/lock"
	flock 8
	if [ ! -d "$out" ]; then
		find "$LAB_ROOT/machine" -mindepth 1 -maxdepth 1 -type d -mmin +60 -exec rm -rf {} + # of earlier packages
		kernel=$LAB_ROOT/guest/kernel work=$LAB_ROOT/machine/partial
		tree=$work/tree
		rm -rf --one-file-system "$work"
		mkdir -p "$tree"/{dev,proc,sys,run,tmp,root,etc/{pvc,modprobe.d},var/log/pvc,var/log/libvirt,usr/{bin,sbin,lib,lib64},busybox} "$work/root"
		for file in bin sbin lib lib64; do ln -s usr/$file "$tree/$file"; done
		cp "$(command -v busybox)" "$tree/busybox/busybox"
		ln -s bash "$tree/usr/bin/sh" # busybox's would take its own ip before the real one
		printf '%s\n' 'options bonding max_bonds=0' 'options dummy numdummies=0' >"$tree/etc/modprobe.d/none.conf" # as Debian's ifenslave does
		install -m 755 "$LAB_BIN/guest/machine-init" "$tree/init"
		version=$(basename "$kernel"/lib/modules/*)
		# shellcheck disable=SC2046,SC2086 # words
		(
			cd "$kernel" || die "$kernel is gone"
			cp --parents -t "$tree/usr" $(module_files . $MACHINE_MODULES \
				$(find lib/modules/*/kernel/net/{netfilter,ipv4/netfilter,ipv6/netfilter} -name 'nf*.ko' -printf '%f\n' | sed 's/\.ko$//')) lib/modules/*/modules.*
		)
		# the programs and their libraries as the node has them; depmod is the node's too
		# shellcheck disable=SC2016
		unshare --mount --propagation private bash -ec '
			mount -t overlay machine -o "lowerdir=$1:$2" "$3/root"
			cd "$3/root"
			chroot . sh -ec "for program in $4; do file=\$(command -v \$program); echo \$file; ldd \$file | grep -o \"/[^ ]*\"; done" |
				sort -u | chroot . tar -chf - -C / -P -T - | tar -C "$3/tree" -xf - --transform "s|^/*||" -P
			mount --bind "$3/tree/usr" mnt
			chroot . depmod -b /mnt "$5"
		' bash "$layer" "$image" "$work" "$MACHINE_PROGRAMS" "$version" || die "the machine's initramfs could not be made"
		(cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1 >"$work/initrd.gz")
		cp "$kernel"/boot/vmlinuz-* "$work/vmlinuz"
		rm -rf --one-file-system "$tree" "$work/root"
		mv "$work" "$out"
	fi
	touch "$out"
	exec 8>&-
	echo "$out"
}

# machine_start NAME: power on; returns at once. The first `lab exec NAME` waits until it has booted.
machine_start() {
	local name=$1 dir=$LAB_RUN/$1 common net i=0 own cable nics=()
	[ ! -e "$dir/agent" ] || die "$name already runs"
	common=$(_machine_build)
	own=$dir/own
	mkdir -p "$own/etc/pvc"
	echo "$name" >"$own/etc/hostname"
	{
		_hosts
		echo "${NET_PREFIX[cluster]}.$(node_id "$name") $name $name.cluster.lab"
	} >"$own/etc/hosts"
	_pvcd_yaml "$name" >"$own/etc/pvc/pvcd.yaml"
	chmod 600 "$own/etc/pvc/pvcd.yaml"
	{
		cat "$common/initrd.gz"
		(cd "$own" && find . | cpio -o -H newc --quiet | gzip -1)
	} >"$dir/initrd.gz"
	for net in $NETS cluster; do
		cable=$name-$net
		[ $i -lt 3 ] || cable=$name-second
		ip -n "$LAB_NS" link del "$cable" 2>/dev/null || :
		ip -n "$LAB_NS" tuntap add dev "$cable" mode tap
		ip -n "$LAB_NS" link set "$cable" mtu "${NET_MTU[$net]}" master "br-$net" up
		nics+=(-netdev "tap,id=n$i,ifname=$cable,script=no,downscript=no"
			-device "virtio-net-pci,netdev=n$i,romfile=,mac=$(printf '52:54:00:77:%02x:%02x' $i "$(node_id "$name")")")
		i=$((i + 1))
	done
	mkdir -p "$LAB_CG/$name"
	# shellcheck disable=SC2016
	setsid -f bash -c '
		echo $$ >"$1/cgroup.procs"
		shift
		exec "$@"
	' bash "$LAB_CG/$name" nsenter --net="/run/netns/$LAB_NS" qemu-system-x86_64 -name "$LAB_NS-$name" -accel tcg -cpu qemu64 -m 512 -display none -monitor none \
		-no-reboot -nodefaults -kernel "$common/vmlinuz" -initrd "$dir/initrd.gz" \
		-append "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off" \
		-chardev "file,id=console,path=$dir/console.log" -serial chardev:console \
		-chardev "socket,id=agent,path=$dir/agent,server=on,wait=off" -serial chardev:agent \
		"${nics[@]}" </dev/null >"$dir/qemu.log" 2>&1 8>&- 3>&-
	until_true 60 test -S "$dir/agent" || {
		cat "$dir/qemu.log" >&2
		die "$name did not start"
	}
}

# Through its second serial port: see machine.py and guest/machine-init. A booting machine has ten minutes: without hardware virtualization,
# beside other work, that is how long it may take.
machine_exec() {
	local name=$1
	shift
	/usr/bin/python3 "$LAB_BIN/machine.py" "$LAB_RUN/$name/agent" 600 "$@" || {
		local status=$?
		[ $status != 124 ] || tail -n 20 "$LAB_RUN/$name/console.log" >&2
		return $status
	}
}
